"""Far partners against the bare matrix product, and against distances pair by pair.

Run with ``python benchmarks/pairing.py`` for 5,000 to 1,000,000 rows of 384 features (about ten
minutes on two cores), or with ``--fast`` for 5,000 to 20,000. Nothing else should run on the
machine. Sizes, features and the share of ranks can be given.

What is compared. No exact way can do without the distance of every pair, and the cheapest way to
all of them is one float32 matrix product in blocks: that product, with nothing done to it, is the
yardstick ("product"). ``exact`` and ``sketch`` are ``Farthest(tau).pair``, from the raw rows to
one partner for each. The product of more than 100,000 rows is not run but extrapolated by the
square of the rows, and marked so. Rank errors come from an exact count for 1,000 anchors: the
mean error of the sketch's thresholds, and the worst rank of a partner next to the promised bound.
"pairs" is the double loop over geoopt distances, one pair at a time, timed over 1,000 rows (100
with ``--fast``) and extrapolated.

Rows are normal vectors of gamma distributed length, so that norms vary as those of raw sentence
embeddings do and the hyperbolic order is not the Euclidean one. Memory is the highest resident
memory above that of the rows, in a process of its own.

A second table tells who is far at all: rows that are among the farthest of nobody, the row that
is among the farthest of most, and how far the metrics agree. ``--embeddings E.npy`` (rows of raw
sentence embeddings) adds it for real ones.

The tables are written after every step to ``benchmarks/results/pairing.md``.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from _common import in_fresh_process, machine, markdown, parser, peak_memory, progress, skip, write
from vicinal import Farthest
from vicinal.geometry import pairwise_distance, rescale_to_ball

SIZES = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
FAST = (5_000, 10_000, 20_000)
#: Largest size at which the product, and the exact way, are run.
MOST_EXACT = 100_000
#: Rows of the left side of a block of the product; the same as the exact way takes.
BLOCK_SCORES = 1 << 24


def rows_of(n_rows: int, n_features: int) -> np.ndarray:
    """Return rows of various norms, in float32, made piece by piece."""
    rng = np.random.default_rng(0)
    X = np.empty((n_rows, n_features), np.float32)
    for start in range(0, n_rows, 65536):
        part = X[start : start + 65536]
        rng.standard_normal(dtype=np.float32, out=part)
        part += 0.3
        part *= rng.gamma(4.0, 0.25, size=(len(part), 1)).astype(np.float32)
    return X


def bare_product(X: np.ndarray) -> None:
    """Multiply all rows with all rows, block by block, and keep nothing."""
    step = max(64, min(BLOCK_SCORES // len(X), 1024))
    out = np.empty((min(step, len(X)), len(X)), np.float32)
    for start in range(0, len(X), step):
        block = X[start : start + step]
        np.matmul(block, X.T, out=out[: len(block)])


def clock(work: Any, rounds: int) -> float:
    """Return the least seconds of a few rounds."""
    least = math.inf
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        least = min(least, time.perf_counter() - begin)
    return least


def measure_time(n_rows: int, n_features: int, tau: float, what: str, rounds: int) -> float:
    """Time one contender; called in a process of its own."""
    X = rows_of(n_rows, n_features)
    if what == "product":
        bare_product(X[:2000])
        return clock(lambda: bare_product(X), rounds)
    pairing = Farthest(tau, method=what)
    Farthest(tau, method=what).pair(X[:3000], random_state=0)  # compiles
    return clock(lambda: pairing.pair(X, random_state=0), rounds)


def measure_memory(n_rows: int, n_features: int, tau: float, what: str) -> float:
    """Return megabytes above the rows; called in a process of its own."""
    X = rows_of(n_rows, n_features)
    Farthest(tau, method=what).pair(X[:3000], random_state=0)
    with peak_memory() as peak:
        Farthest(tau, method=what).pair(X, random_state=0)
    return peak.megabytes


def measure_ranks(n_rows: int, n_features: int, tau: float) -> dict[str, float]:
    """Count exactly what the sketch estimated, for 1,000 anchors; in a process of its own."""
    X = rows_of(n_rows, n_features)
    pairing = Farthest(tau, method="sketch")
    partners = pairing.pair(X, random_state=0)
    anchors = np.random.default_rng(1).choice(n_rows, min(1000, n_rows), replace=False)
    again = [pairing.pair(X, random_state=seed)[anchors] for seed in range(1, 3)]
    drawn = np.stack([partners[anchors], *again])
    ball = rescale_to_ball(X)
    share = np.zeros(drawn.shape)
    for first in range(0, len(anchors), 250):
        at = slice(first, first + 250)
        distance = pairwise_distance(ball[anchors[at]], ball, metric="hyperbolic")
        rows = np.arange(len(distance))
        for draw, partner in enumerate(drawn[:, at]):
            share[draw, at] = (distance > distance[rows, partner][:, None]).mean(axis=1)
    return {
        "mean rank": float(share.mean()),
        "worst": float(share.max()),
        "bound": tau + pairing.rank_error(n_rows),
    }


def measure_threshold(n_rows: int, n_features: int, tau: float) -> float:
    """Return the mean error of the sketch's thresholds, in shares of ranks, for 1,000 anchors."""
    from vicinal.pairing._candidates import REFERENCE_ROWS
    from vicinal.pairing._ranks import sketch_thresholds

    X = rows_of(n_rows, n_features)
    scores = Farthest(tau).scores(X)
    rng = np.random.default_rng(2)
    chosen = np.sort(rng.choice(n_rows, min(REFERENCE_ROWS, n_rows), replace=False))
    anchors = slice(0, min(1000, n_rows))
    limits = sketch_thresholds(scores, anchors, chosen, tau)
    beyond = [
        (scores.left(slice(at, at + 1)) @ scores.right.T > limits[at]).mean()
        for at in range(anchors.stop)
    ]
    return float(np.abs(np.array(beyond) - tau).mean())


def pair_by_pair(n_features: int, n_rows: int) -> float | None:
    """Return the seconds of a pair with geoopt, one distance at a time."""
    try:
        import geoopt
        import torch
    except ImportError:
        skip("geoopt and torch are not installed: no distances pair by pair")
        return None
    ball = torch.from_numpy(rescale_to_ball(rows_of(max(n_rows, 1000), n_features)))[:n_rows]
    manifold = geoopt.Stereographic(k=-1.0)
    torch.set_num_threads(1)
    begin = time.perf_counter()
    for left in range(n_rows):
        for right in range(n_rows):
            manifold.dist(ball[left], ball[right])
    return (time.perf_counter() - begin) / n_rows**2


def who_is_far(X: np.ndarray, tau: float) -> list[list[str]]:
    """Return lines on who is among the farthest, metric by metric; at most 3,000 rows."""
    X = X[np.random.default_rng(3).permutation(len(X))[:3000]]
    wanted = math.ceil(tau * (len(X) - 1))
    sets = {}
    for metric in ("hyperbolic", "euclidean", "cosine"):
        place = rescale_to_ball(X) if metric == "hyperbolic" else X
        distance = pairwise_distance(place, metric=metric)
        sets[metric] = distance >= -np.partition(-distance, wanted - 1, axis=1)[:, [wanted - 1]]
    lines = []
    for metric, far in sets.items():
        often = far.mean(axis=0)
        shared = (far & sets["hyperbolic"]).sum() / far.sum()
        cells = (often == 0).mean(), often.max(), shared
        lines.append([metric, *(f"{cell:.1%}" for cell in cells)])
    return lines


def slope(seconds: dict[int, float]) -> str:
    """Return the exponent of time against rows, from the sizes above 10,000."""
    sizes = [n for n in seconds if n >= 10_000]
    if len(sizes) < 2:
        return "-"
    logs = np.log([[n, seconds[n]] for n in sizes])
    return f"{np.polyfit(logs[:, 0], logs[:, 1], 1)[0]:.2f}"


def spell(seconds: float) -> str:
    """Return a time for people."""
    if seconds < 120:
        return f"{seconds:.2f} s"
    return f"{seconds / 3600:.1f} h" if seconds < 200_000 else f"{seconds / 86400:.0f} days"


def main() -> None:
    """Measure, and write as it goes."""
    options = parser(__doc__)
    options.add_argument("--fast", action="store_true", help="small sizes only")
    options.add_argument("--sizes", type=int, nargs="+", help="rows")
    options.add_argument("--features", type=int, default=384)
    options.add_argument("--embeddings", help="a .npy file of raw embeddings")
    options.add_argument("--tau", type=float, default=0.1)
    options.add_argument("--rounds", type=int, default=2, help="below 50,000 rows; one above")
    asked = options.parse_args()
    sizes = asked.sizes or (FAST if asked.fast else SIZES)
    d, tau = asked.features, asked.tau
    about = (
        f"{machine('numpy', 'numba', 'scipy', 'torch', 'geoopt')}. Hyperbolic, {d} features, "
        f"tau {tau:g}; seconds with compiled code, one process each."
    )
    data: dict[str, Any] = {"machine": about, "tau": tau, "features": d, "sizes": {}}
    times: dict[str, dict[int, float]] = {"product": {}, "exact": {}, "sketch": {}}

    clouds = {"generated": rows_of(3000, d)}
    if asked.embeddings:
        clouds[asked.embeddings] = np.load(asked.embeddings)
    far = {name: who_is_far(X, tau) for name, X in clouds.items()}
    data["far"] = far
    each = pair_by_pair(d, 100 if asked.fast else 1000)
    data["pair_by_pair_seconds"] = each

    def publish() -> str:
        head = ["rows", "product", "exact", "exact / product", "sketch", "pairs, extrapolated"]
        head += ["MB exact", "MB sketch", "threshold error", "worst", "bound"]
        lines = []
        for n, row in data["sizes"].items():
            product = row.get("product")
            known = spell(product) if product else "-"
            if product is None and times["product"]:
                last = max(times["product"])
                known = f"({spell(times['product'][last] * (n / last) ** 2)})"
            ratio = f"{row['exact'] / product:.2f}" if product and "exact" in row else "-"
            cells = [f"{n:,}", known, spell(row["exact"]) if "exact" in row else "-", ratio]
            cells += [spell(row["sketch"]) if "sketch" in row else "-"]
            cells += [spell(each * n * n) if each else "-"]
            cells += [f"{row[k]:.0f}" if k in row else "-" for k in ("MB exact", "MB sketch")]
            cells += [f"{row[k]:.2%}" if k in row else "-" for k in ("off", "worst", "bound")]
            lines.append(cells)
        heads = ["far from nobody", "most common far row", "shared with hyperbolic"]
        grown = ", ".join(f"{name} {slope(seconds)}" for name, seconds in times.items())
        text = "\n\n".join(
            [
                about,
                markdown(head, lines),
                f"Time grows with the rows to the power of: {grown} (from 10,000 rows).",
                "In brackets: extrapolated by the square of the rows. Threshold error: mean "
                "difference between the share of rows beyond a threshold of the sketch and tau. "
                "Worst: largest share of rows before a partner, 3,000 partners of 1,000 anchors.",
                *(markdown([name, *heads], lines) for name, lines in far.items()),
            ]
        )
        write(asked.name or "pairing", text)
        return text

    for n in sizes:
        row: dict[str, float] = {}
        data["sizes"][n] = row
        rounds = asked.rounds if n < 50_000 else 1
        for what in ("product", "exact", "sketch") if n <= MOST_EXACT else ("sketch",):
            progress(f"{what}, {n:,} rows")
            row[what] = times[what][n] = in_fresh_process(measure_time, n, d, tau, what, rounds)
            if what != "product":
                row[f"MB {what}"] = in_fresh_process(measure_memory, n, d, tau, what)
            publish()
        progress(f"ranks, {n:,} rows")
        row |= in_fresh_process(measure_ranks, n, d, tau)
        row["off"] = in_fresh_process(measure_threshold, n, d, tau)
        publish()
    print(publish())


if __name__ == "__main__":
    main()
