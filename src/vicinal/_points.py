"""NumPy arrays and torch tensors as points, through one code path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import frexp
from typing import Any

import numpy as np

#: Temporary arrays hold at most about this many numbers.
BLOCK_NUMBERS = 1 << 23
#: Squares of numbers up to this, and from its inverse on, keep all digits in float32.
SAFE = 2.0**30
#: A middle this many times as far from zero as any number is from it takes digits away.
DWARFS = 1024.0


def matrices(X: Any, Y: Any, name: str = "X") -> tuple[Any, Any, Any]:
    """Return the namespace and two finite float matrices of one type and width."""
    given = [X] if Y is None else [X, Y]
    xp = _namespace(*given)
    made = [_matrix(one, label, xp) for one, label in zip(given, (name, "Y"), strict=False)]
    x, y = made[0], made[-1]
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"X and Y must have as many features as each other, got {x.shape[1]} and {y.shape[1]}."
        )
    if x.dtype != y.dtype:
        wide = xp.float64
        x, y = cast(x, wide), cast(y, wide)
    return xp, x, y


def _matrix(X: Any, name: str, xp: Any) -> Any:
    x: Any = np.asarray(X) if xp is np else X
    if xp is np and x.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers, got dtype {x.dtype}.")
    if xp is not np and x.is_complex():
        raise TypeError(f"{name} must hold real numbers, got dtype {x.dtype}.")
    if x.ndim != 2 or x.shape[1] == 0:
        raise ValueError(
            f"{name} must have shape (n_rows, n_features), got {tuple(x.shape)}. "
            "Give a single point as [point]."
        )
    if x.dtype not in (xp.float32, xp.float64):
        half = x.dtype.kind == "f" if xp is np else x.is_floating_point()
        x = cast(x, xp.float32 if half and x.dtype.itemsize == 2 else xp.float64)
    if not bool(xp.isfinite(x).all()):
        raise ValueError(
            f"{name} holds NaN or infinity in {which_rows(~xp.isfinite(x))}. Drop or fill those "
            "rows first."
        )
    return x


def which_rows(bad: Any) -> str:
    """Say how many rows have something bad in them, and the first of them."""
    rows = plain(bad).reshape(len(bad), -1).any(axis=1)
    return f"{int(rows.sum())} row(s), the first of them row {int(rows.argmax())}"


def _namespace(*arrays: Any) -> Any:
    """Return the module whose functions the arrays take."""
    tensors = [type(one).__module__.startswith("torch") for one in arrays]
    if not any(tensors):
        return np
    if not all(tensors):
        raise TypeError("X and Y must both be torch tensors or neither, got one of each.")
    return sys.modules["torch"]


def safe_unit(x: Any) -> float:
    """Return the power of two to divide by so that squares neither overflow nor vanish, or 1."""
    x = x if isinstance(x, np.ndarray) else x.detach()
    peak = max(abs(float(x.max())), abs(float(x.min()))) if 0 not in x.shape else 0.0
    if not peak or 1 / SAFE <= peak <= SAFE:
        return 1.0
    low, high = (-125, 127) if str(x.dtype).endswith("float32") else (-1000, 1023)
    return 2.0 ** min(max(frexp(peak)[1], low), high)


def near_origin(xp: Any, *parts: Any) -> tuple[Any, ...]:
    """Return points less the middles of their columns where these dwarf all distances."""
    if any(0 in one.shape for one in parts):
        return parts
    told = [one if xp is np else one.detach() for one in parts]
    low, high = xp.amin(told[0], 0), xp.amax(told[0], 0)
    for one in told[1:]:
        low, high = xp.minimum(low, xp.amin(one, 0)), xp.maximum(high, xp.amax(one, 0))
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    if float(abs(middle).max()) <= DWARFS * float(half.max()):
        return parts
    middle = middle * (half <= abs(middle) / 2)  # there the difference is exact
    return tuple(one - middle for one in parts)


def cast(x: Any, dtype: Any) -> Any:
    """Return in another type."""
    return x.astype(dtype, copy=False) if isinstance(x, np.ndarray) else x.to(dtype)


def in_double(x: Any, xp: Any) -> Any:
    """Return in double precision, on every device that knows it."""
    return x if xp is not np and x.device.type == "mps" else cast(x, xp.float64)


def place(x: Any) -> dict[str, Any]:
    """Return where new arrays beside this one go, as keywords."""
    return {} if isinstance(x, np.ndarray) else {"device": x.device}


def plain(x: Any) -> np.ndarray[Any, Any]:
    """Return as a NumPy array; a tensor may be learned, lie on a device or be of half precision."""
    if not type(x).__module__.startswith("torch"):
        return np.asarray(x)
    x = x.detach().cpu()
    short = x.is_floating_point() and x.dtype.itemsize < 4  # bfloat16 is unknown to NumPy
    return np.asarray((x.float() if short else x).numpy())


def doubles(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return objects as numbers; a text is none, whatever it reads."""
    for at, value in np.ndenumerate(rows):
        if isinstance(value, (str, bytes)):
            where = f"column {at[1]}" if len(at) > 1 else f"row {at[0]}"
            raise TypeError(f"{where}, counted from 0, holds the text {value!r}")
    return np.asarray(rows.astype(np.float64))


def row_squares(x: Any, xp: Any) -> Any:
    """Return squared norms in double precision, block by block."""
    out = xp.empty(len(x), dtype=in_double(x[:0], xp).dtype, **place(x))
    for rows in blocks(len(x), x.shape[1]):
        wide = in_double(x[rows], xp)
        out[rows] = (wide * wide).sum(-1)
    return out


def row_norms(x: Any, xp: Any) -> np.ndarray[Any, Any]:
    """Return norms of rows, in double precision."""
    unit = safe_unit(x)
    return np.asarray(np.sqrt(plain(row_squares(x if unit == 1 else x / unit, xp)))) * unit


def blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Cut rows so that a block has about :data:`BLOCK_NUMBERS` numbers."""
    step = max(1, BLOCK_NUMBERS // max(width, 1))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
