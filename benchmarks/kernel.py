"""Mixing against copying: how near the kernel comes to the memory's own speed.

Run with ``python benchmarks/kernel.py`` (4 M x 16 float32), or with sizes and types:
``python benchmarks/kernel.py --size 4000000x16 --size 4000000x4 --dtype float64``; ``--all`` runs
the four cases of the documentation. Nothing else should run on the machine.

What the limit is. A copy moves two bytes for every byte of the result (one read, one written); a
mix of two parents moves three. A kernel that only waits for memory therefore takes 1.5 times as
long as a copy: a ratio of 1 by bytes and of 0.67 by time. Plain stores read the line that they
overwrite, which is a hidden further byte; streaming stores, which a library copy also uses, do
not. Rows of a local block are read from memory once and found in the cache the second time, so a
local mix may move fewer bytes than are counted, and exceed a ratio of 1 by bytes. The plan itself
(24 bytes a row: two row numbers, two weights) is not counted: it adds an eighth to the traffic of
rows of 16 float32.
The measured table is in ``benchmarks/results/kernel.md``.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numba import njit, prange

from _common import machine, markdown, publish, race
from vicinal import MixPlan, Permutation, Random, make_plan
from vicinal.kernels import empty_aligned, mix_rows


def threaded_copy(X: np.ndarray, out: np.ndarray, pool: ThreadPoolExecutor) -> object:
    """Copy in pieces, as NumPy would, in threads."""
    cuts = np.linspace(0, len(X), 8 * numba.get_num_threads() + 1).astype(int)
    pieces = [slice(*pair) for pair in itertools.pairwise(cuts)]
    return list(pool.map(lambda piece: np.copyto(out[piece], X[piece]), pieces))


@njit(parallel=True)
def plain_gather(X, left, right, lam, out):
    """Mix without prefetching, tiles or streaming stores."""
    for i in prange(len(lam)):
        for j in range(X.shape[1]):
            out[i, j] = lam[i] * X[left[i], j] + (1 - lam[i]) * X[right[i], j]


def torch_mix(X: np.ndarray, plan: MixPlan) -> Callable[[], object] | None:
    """Return the mix in PyTorch's own words, where it is installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(numba.get_num_threads())
    rows = torch.from_numpy(X)
    left, right = (torch.from_numpy(side.copy()) for side in (plan.left, plan.right))
    lam = torch.from_numpy(plan.lam.astype(X.dtype))[:, None]

    def work() -> object:
        return torch.lerp(rows.index_select(0, right), rows.index_select(0, left), lam)

    return work


def local_plan(n: int, plan: MixPlan, rng: np.random.Generator) -> MixPlan:
    """Return partners within blocks of 64 rows that lie side by side, as after a sort by leaf."""
    whole = n - n % 64
    right = np.arange(n, dtype=np.int32)
    inside = rng.permuted(np.tile(np.arange(64), (whole // 64, 1)), axis=1)
    right[:whole] = (inside + np.arange(0, whole, 64)[:, None]).ravel()
    return MixPlan(plan.left, right, plan.lam)


def measure(n: int, d: int, dtype: str, rounds: int) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of one table."""
    X = empty_aligned((n, d), dtype)
    rng = np.random.default_rng(0)
    X[:] = rng.random((n, d), dtype=np.float32)
    out = empty_aligned((n, d), dtype)
    out[:] = 0
    random = make_plan(n, pairing=Random(), random_state=0)
    blocks = make_plan(n, pairing=Permutation(), random_state=0)
    plans = {
        "random pairs": random,
        "two-level permutation": blocks,
        "local blocks": local_plan(n, blocks, rng),
    }
    left, right, half = random.left.copy(), random.right.copy(), random.lam.astype(dtype)[:, None]
    pool = ThreadPoolExecutor(numba.get_num_threads())
    work: dict[str, Callable[[], object]] = {
        "copy, NumPy": lambda: np.copyto(out, X),
        "copy, threads": lambda: threaded_copy(X, out, pool),
    }
    for name, plan in plans.items():
        lam = plan.lam.astype(dtype)
        work[f"plain Numba, {name}"] = lambda p=plan, w=lam: plain_gather(
            X, p.left, p.right, w, out
        )
        work[f"ours, {name}"] = lambda p=plan: mix_rows(X, p.parents, p.weights, out)
    work["ours, two-level, MixPlan.apply"] = lambda: blocks.apply(X, out=out)
    seconds = race(work, rounds)
    slow: dict[str, Callable[[], object]] = {
        "NumPy, random pairs": lambda: half * X[left] + (1 - half) * X[right],
        "make_plan, Random()": lambda: make_plan(n, pairing=Random(), random_state=0),
        "make_plan, Permutation()": lambda: make_plan(n, pairing=Permutation(), random_state=0),
    }
    torch = torch_mix(X, random)
    if torch is not None:
        slow["torch, random pairs"] = torch
    seconds |= race(slow, 3)
    copy = min(seconds["copy, NumPy"], seconds["copy, threads"])
    rows = []
    for name, took in seconds.items():
        if name.startswith("make_plan"):
            rows.append([name, f"{took:.4f}", f"{n / took / 1e6:.0f} M rows/s", "", ""])
            continue
        moved = (2 if name.startswith("copy") else 3) * X.nbytes
        by_bytes = moved / took / (2 * X.nbytes / copy)
        speed = f"{moved / took / 1e9:.1f} GB/s"
        rows.append([name, f"{took:.4f}", speed, f"{copy / took:.2f}", f"{by_bytes:.2f}"])
    head = [f"{n:,} x {d} {dtype}", "seconds", "moved", "of copy, by time", "by bytes"]
    return head, rows


def main() -> None:
    """Read sizes from the command line and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", action="append", help="ROWSxCOLUMNS, several times if wanted")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--all", action="store_true", help="the four cases of the documentation")
    asked = parser.parse_args()
    cases = [(size, asked.dtype) for size in asked.size or ["4000000x16"]]
    if asked.all:
        cases = [(f"4000000x{d}", "float32") for d in (16, 4)] + [
            ("4000000x16", "float64"),
            ("1000000x64", "float32"),
        ]
    tables = []
    for size, dtype in cases:
        n, d = (int(part) for part in size.lower().split("x"))
        tables.append(measure(n, d, dtype, asked.rounds))
    about = f"{machine('numpy', 'numba', 'torch')}. Least of {asked.rounds} rounds."
    text = "\n\n".join([about, *(markdown(head, rows) for head, rows in tables)])
    publish("kernel", text)


if __name__ == "__main__":
    main()
