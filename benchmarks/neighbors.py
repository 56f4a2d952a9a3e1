"""Neighbors of many rows: ours among leaves, and four libraries, by time, memory and recall.

Points are those that nearness is measured on: 20 mixed columns (twelve numbers with a few common
factors, eight categories that depend on them), standardized and projected as the table part does.
Each way finds 100 neighbors of every row, on one thread, in a process of its own. Recall is the
share of the true 100 (by brute force, of 500 rows) that are found; farther is how much farther the
neighbors found lie on average, which is what a mix notices.

    python benchmarks/neighbors.py --rows 100000
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from _common import in_fresh_process, machine, markdown, parser, peak_memory, progress, publish
from vicinal.pairing.neighbors import nearest_rows
from vicinal.table.neighborhood import row_space

K = 100
N_ASKED = 500


def points(n_rows: int) -> Any:
    """Return rows of 20 mixed columns as points."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(n_rows, 4))
    numbers = factors @ rng.normal(size=(4, 12)) + rng.normal(size=(n_rows, 12))
    codes = []
    for at in range(8):
        told = factors @ rng.normal(size=4) + rng.normal(size=n_rows)
        edges = np.quantile(told, np.sort(rng.random(2 + at)))
        codes.append(np.searchsorted(edges, told).astype(np.int32))
    return row_space(numbers.astype(np.float32), codes, rng)


def by_leaves(x: Any) -> Any:
    """Return neighbors as the table part finds them above 20,000 rows."""
    return nearest_rows(x, K, exact_rows=0)


def exact(x: Any) -> Any:
    """Return neighbors by brute force."""
    return nearest_rows(x, K, exact_rows=len(x))


def hnsw(x: Any) -> Any:
    """Return neighbors of hnswlib's graph."""
    import hnswlib

    index = hnswlib.Index(space="l2", dim=x.shape[1])
    index.init_index(len(x), M=16, ef_construction=100, random_seed=0)
    index.add_items(x, num_threads=1)
    index.set_ef(K + 20)
    return index.knn_query(x, K + 1, num_threads=1)[0][:, 1:]


def faiss_cells(x: Any, n_probed: int = 8) -> Any:
    """Return neighbors within the nearest of faiss's cells."""
    import faiss

    faiss.omp_set_num_threads(1)
    cells = int(4 * np.sqrt(len(x)))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(x.shape[1]), x.shape[1], cells)
    index.train(x[:: max(1, len(x) // (50 * cells))])
    index.add(x)
    index.nprobe = n_probed
    return index.search(x, K + 1)[1][:, 1:]


def usearch_graph(x: Any) -> Any:
    """Return neighbors of usearch's graph."""
    from usearch.index import Index

    index = Index(ndim=x.shape[1], metric="l2sq", connectivity=16, expansion_add=100)
    index.expansion_search = K + 20
    index.add(np.arange(len(x)), x, threads=1)
    return index.search(x, K + 1, threads=1).keys[:, 1:].astype(np.int64)


def descent(x: Any) -> Any:
    """Return neighbors by pynndescent."""
    from pynndescent import NNDescent

    return NNDescent(x, n_neighbors=K + 1, random_state=0, n_jobs=1).neighbor_graph[0][:, 1:]


WAYS: dict[str, Callable[[Any], Any]] = {
    "nearest leaves of a k-d tree (ours)": by_leaves,
    "brute force (scikit-learn)": exact,
    "faiss-cpu, 8 cells": faiss_cells,
    "faiss-cpu, 16 cells": partial(faiss_cells, n_probed=16),
    "faiss-cpu, 24 cells": partial(faiss_cells, n_probed=24),
    "hnswlib": hnsw,
    "usearch": usearch_graph,
    "pynndescent": descent,
}


def run_one(name: str, n_rows: int) -> list[float]:
    """Return seconds, megabytes, recall and how much farther."""
    x = points(n_rows)
    WAYS[name](x[:2_000])  # compiled before the clock runs
    with peak_memory() as peak:
        start, spent = time.perf_counter(), time.process_time()
        found = WAYS[name](x)
        wall, cpu = time.perf_counter() - start, time.process_time() - spent
    asked = np.random.default_rng(1).permutation(n_rows)[:N_ASKED]
    hits, farther = [], []
    for row in asked:
        away = np.sqrt(((x - x[row]) ** 2).sum(axis=1))
        away[row] = np.inf
        near = np.argpartition(away, K)[:K]
        hits.append(np.isin(near, found[row]).mean())
        farther.append(away[found[row][found[row] != row]].mean() / away[near].mean() - 1)
    return [wall, cpu, peak.megabytes, float(np.mean(hits)), float(np.mean(farther))]


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    asked = options.parse_args()
    rows = []
    for n_rows in asked.rows:
        for name in asked.ways:
            if name.startswith("brute") and n_rows > 200_000:
                continue
            try:
                found = in_fresh_process(run_one, name, n_rows)
            except ModuleNotFoundError as error:
                progress(f"{name}: {error}")
                continue
            wall, cpu, size, recall, farther = found
            progress(f"{n_rows:,}, {name}: {found}")
            cells = (f"{wall:.0f}", f"{cpu:.0f}", f"{size:.0f}", f"{recall:.3f}", f"{farther:.1%}")
            rows.append((f"{n_rows:,}", name, *cells))
    head = ["rows", "way", "seconds", "processor seconds", "MB", "recall", "farther"]
    text = "\n\n".join(
        [
            "# Neighbors of many rows",
            f"{K} neighbors of each row of 20 mixed columns, one thread; "
            f"{machine('numpy', 'scikit-learn')}.",
            markdown(head, rows),
        ]
    )
    publish(asked.name or "neighbors", text)


if __name__ == "__main__":
    main()
