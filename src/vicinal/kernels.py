"""The fused gather-and-mix kernel: carry a plan out on a matrix at memory speed.

Bound by memory traffic: parents are prefetched a fixed distance ahead, and results go out in
64-byte streaming stores. ``benchmarks/kernel.py`` measures the ratio to a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.extending import intrinsic

from vicinal._compiled import compiled
from vicinal._threads import for_chunks
from vicinal._types import Array, Indices

LINE = 64  # bytes in a cache line, and in one streaming store
TILE_ROWS = 16  # 16 rows of any 4- or 8-byte type are a whole number of lines
PREFETCH_ROWS = 64  # at most; wide rows are fetched fewer ahead
PREFETCH_BYTES = 1 << 14
TASK_BYTES = 1 << 24  # of output, the unit of threaded work


def _element_address(
    context: Any, builder: Any, sig: Any, args: Any, which: int, element: Any = None
) -> Any:
    """Return the address of an element of the flat array ``args[which]``: the next argument."""
    array = context.make_array(sig.args[which])(context, builder, args[which])
    word = ir.IntType(64)
    size = ir.Constant(word, sig.args[which].dtype.bitwidth // 8)
    base = builder.ptrtoint(array.data, word)
    return builder.add(base, builder.mul(element or args[which + 1], size))


def _stream(builder: Any, line: Any, address: Any) -> None:
    """Store a cache line past the cache."""
    store = builder.store(line, address, align=LINE)
    one = ir.Constant(ir.IntType(32), 1)
    store.set_metadata("nontemporal", builder.module.add_metadata([one]))


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(_context: Any, array: Any, position: Any) -> Any:
    """Ask for the cache line that holds an element of a flat array."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, number, number, number]),
            "llvm.prefetch.p0",
        )
        address = builder.inttoptr(_element_address(context, builder, sig, args, 0), byte)
        read, keep, data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(function, [address, read, keep, data])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _stream_line(_context: Any, target: Any, at: Any, source: Any, start: Any) -> Any:
    """Copy one aligned cache line between flat arrays, past the cache."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        line = ir.VectorType(ir.IntType(32), LINE // 4).as_pointer()
        load = builder.inttoptr(_element_address(context, builder, sig, args, 2), line)
        save = builder.inttoptr(_element_address(context, builder, sig, args, 0), line)
        _stream(builder, builder.load(load, align=LINE), save)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _mix_line(
    _context: Any, target: Any, at: Any, rows: Any, left: Any, right: Any, w: Any, v: Any
) -> Any:
    """Mix one aligned cache line in registers, past the cache; not 0 where it is not finite."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = context.get_value_type(sig.args[0].dtype)
        lanes = LINE * 8 // sig.args[0].dtype.bitwidth
        line, mask = ir.VectorType(number, lanes), ir.VectorType(ir.IntType(32), lanes)
        undefined, first = ir.Constant(line, ir.Undefined), ir.Constant(ir.IntType(32), 0)

        def spread(weight: Any) -> Any:
            one = builder.insert_element(undefined, weight, first)
            return builder.shuffle_vector(one, undefined, ir.Constant(mask, [0] * lanes))

        parts = []
        for element, weight in ((args[3], args[5]), (args[4], args[6])):
            address = _element_address(context, builder, sig, args, 2, element)
            loaded = builder.load(builder.inttoptr(address, line.as_pointer()), align=LINE // lanes)
            parts.append(builder.fmul(spread(weight), loaded))
        mixed = builder.fadd(*parts)
        save = builder.inttoptr(_element_address(context, builder, sig, args, 0), line.as_pointer())
        _stream(builder, mixed, save)
        # infinity and NaN times 0 are NaN, which alone is unordered with itself
        zeros = builder.fmul(mixed, ir.Constant(line, [0.0] * lanes))
        strange = builder.fcmp_unordered("uno", zeros, zeros)
        bits = builder.bitcast(strange, ir.IntType(lanes))
        return builder.zext(bits, ir.IntType(64))

    signature = types.int64(target, types.int64, rows, types.int64, types.int64, w, v)
    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def _fence(_context: Any) -> Any:
    """Make streaming stores visible before the thread reports its work as done."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


def _mix_range(
    X: Any,
    parents: Any,
    weights: Any,
    out: Any,
    start: int,
    stop: int,
    streaming: bool,
    check: bool,
) -> bool:
    """Mix rows ``start`` to ``stop``; with ``check``, tell whether all came out finite."""
    k = parents.shape[1]
    d = X.shape[1]
    rows, flat = X.reshape(-1), out.reshape(-1)
    per_line = LINE // X.itemsize
    distance = max(2, min(PREFETCH_ROWS, PREFETCH_BYTES // (d * X.itemsize)))
    room = np.empty(TILE_ROWS * d + per_line, X.dtype)
    shift = (-(room.ctypes.data // X.itemsize)) % per_line
    tile = room[shift : shift + TILE_ROWS * d]
    strange = 0
    if streaming and k == 2 and d % per_line == 0:
        for i in range(start, stop):
            ahead = min(i + distance, stop - 1)
            left, right = np.int64(parents[i, 0]) * d, np.int64(parents[i, 1]) * d
            soon, later = np.int64(parents[ahead, 0]) * d, np.int64(parents[ahead, 1]) * d
            w, v = X.dtype.type(weights[i, 0]), X.dtype.type(weights[i, 1])
            for j in range(0, d, per_line):
                _prefetch(rows, np.int64(soon + j))
                _prefetch(rows, np.int64(later + j))
                strange |= _mix_line(
                    flat, np.int64(i * d + j), rows, np.int64(left + j), np.int64(right + j), w, v
                )
        _fence()
        return strange == 0 or not check
    for first in range(start, stop, TILE_ROWS):
        last = min(first + TILE_ROWS, stop)
        for i in range(first, last):
            ahead = i + distance
            if ahead < stop:
                for p in range(k):
                    base = np.int64(parents[ahead, p]) * d
                    for element in range(0, d, per_line):
                        _prefetch(rows, np.int64(base + element))
            # np.uint64 spares the check for negative (wrapped) indices in the inner loops
            at = np.uint64((i - first) * d)
            row = np.uint64(parents[i, 0]) * np.uint64(d)
            other = np.uint64(parents[i, 1]) * np.uint64(d)
            w, v = X.dtype.type(weights[i, 0]), X.dtype.type(weights[i, 1])
            for j in range(d):
                e = np.uint64(j)
                tile[at + e] = w * rows[row + e] + v * rows[other + e]
            for p in range(2, k):
                row = np.uint64(parents[i, p]) * np.uint64(d)
                w = X.dtype.type(weights[i, p])
                for j in range(d):
                    tile[at + np.uint64(j)] += w * rows[row + np.uint64(j)]
        size = (last - first) * d
        if check:
            for element in range(size):
                strange += not np.isfinite(tile[element])
        if streaming and last - first == TILE_ROWS:
            for element in range(0, size, per_line):
                _stream_line(flat, np.int64(first * d + element), tile, np.int64(element))
        else:
            for element in range(size):  # slices would take seconds to compile
                flat[np.uint64(first * d + element)] = tile[np.uint64(element)]
    if streaming:
        _fence()
    return strange == 0


@cache
def _mixer(number: np.dtype[Any], index: np.dtype[Any]) -> Callable[..., bool]:
    """Return ``_mix_range`` for one pair of types, whatever the order and flags of the arrays."""
    real = from_dtype(number)
    signature = types.boolean(
        types.Array(real, 2, "C", readonly=True),
        types.Array(from_dtype(index), 2, "A", readonly=True),
        types.Array(types.float64, 2, "A", readonly=True),
        types.Array(real, 2, "C"),
        types.int64,
        types.int64,
        types.boolean,
        types.boolean,
    )
    return compiled(signature)(_mix_range)


def empty_aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return an uninitialized C-ordered array that starts on a cache line."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    room = np.empty(size + LINE, np.uint8)
    shift = -room.ctypes.data % LINE
    return room[shift : shift + size].view(dtype).reshape(shape)


def mix_rows(
    X: Array,
    parents: Indices,
    weights: npt.NDArray[np.floating[Any]],
    out: Array | None = None,
    *,
    check_finite: bool = False,
) -> Array:
    """Return ``sum_p weights[i, p] * X[parents[i, p]]``, shape (n_samples, n_features)."""
    # X and out are C-ordered, of one type, and share no memory; row numbers are not checked. Any
    # number of threads gives the same bytes.
    if out is None:
        out = empty_aligned((parents.shape[0], X.shape[1]), X.dtype)
    if out.size == 0:
        return out
    index = np.dtype(np.int32 if parents.dtype.itemsize <= 4 else np.int64)
    mix = _mixer(X.dtype, index)
    rows, shares = parents.astype(index, copy=False), weights.astype(np.float64, copy=False)
    # Small results are wanted in the cache; large ones would only push others out of it.
    streaming = out.ctypes.data % LINE == 0 and out.nbytes > 1 << 20
    target = out

    def work(start: int, stop: int) -> None:
        if not mix(X, rows, shares, target, start, stop, streaming, check_finite):
            raise FloatingPointError("a mixed row holds NaN or infinity")

    task = max(1, TASK_BYTES // (TILE_ROWS * X.shape[1] * X.itemsize)) * TILE_ROWS
    for_chunks(work, len(out), task)
    return out
