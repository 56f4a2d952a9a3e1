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

How near we are. On two cores of an AMD EPYC (4 M x 16 float32; three runs of 30 rounds) the
threaded copy reached 45 to 48 GB/s, NumPy's own copy 28 to 29. Two-level pairs reached 0.48 to
0.52 of the threaded copy by bytes and 0.32 to 0.35 by time, local blocks 0.59 to 0.64 and 0.40 to
0.43. The aim, 0.6, is met by local blocks at best and missed by two-level pairs; on local blocks
a plain loop was faster (0.79 to 0.84 by bytes). One thread takes 1.7 times as long as two on
two-level pairs, so it is the cores' work and waiting, and not yet the memory, that bounds it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numba import njit, prange

from vicinal import MixPlan, Permutation, Random, make_plan
from vicinal.kernels import empty_aligned, mix_rows


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def race(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least seconds of each contender; all run in every round, so all see one load."""
    least = {}
    for name, work in contenders.items():
        work()
        least[name] = float("inf")
    for _ in range(rounds):
        for name, work in contenders.items():
            begin = time.perf_counter()
            work()
            least[name] = min(least[name], time.perf_counter() - begin)
    return least


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


def measure(n: int, d: int, dtype: str, rounds: int) -> None:
    """Print one table."""
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
    print(f"\n{n:,} x {d} {dtype} ({X.nbytes / 1e6:.0f} MB)")
    print(f"{'':<36}{'time':>10} {'moved':>12} {'by time':>8} {'by bytes':>9}")
    for name, took in seconds.items():
        if name.startswith("make_plan"):
            print(f"{name:<36}{took:8.4f} s {n / took / 1e6:7.1f} M rows/s")
            continue
        moved = (2 if name.startswith("copy") else 3) * X.nbytes
        ratio = moved / took / (2 * X.nbytes / copy)
        print(
            f"{name:<36}{took:8.4f} s {moved / took / 1e9:7.1f} GB/s {copy / took:8.2f} "
            f"{ratio:9.2f}"
        )
    if torch is None:
        print("torch is not installed")


def main() -> None:
    """Read sizes from the command line and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", action="append", help="ROWSxCOLUMNS, several times if wanted")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--all", action="store_true", help="the four cases of the documentation")
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(
        f"{processor()}, {cores} cores, {numba.get_num_threads()} threads; Python "
        f"{platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__}"
    )
    if hasattr(os, "getloadavg"):
        print(f"load average before: {os.getloadavg()[0]:.2f} (0 on a quiet machine)")
    cases = [(size, asked.dtype) for size in asked.size or ["4000000x16"]]
    if asked.all:
        cases = [(f"4000000x{d}", "float32") for d in (16, 4)] + [
            ("4000000x16", "float64"),
            ("1000000x64", "float32"),
        ]
    for size, dtype in cases:
        n, d = (int(part) for part in size.lower().split("x"))
        measure(n, d, dtype, asked.rounds)


if __name__ == "__main__":
    main()
