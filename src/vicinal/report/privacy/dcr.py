"""DCR share: whether synthetic rows lie closer to training rows than to unseen ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal._stats import Estimate
from vicinal._types import Ints
from vicinal.report.privacy.nearest import METRICS, Found, Index, Space
from vicinal.report.tables import Tables

Rows = Ints


def effective_rows(rows: Rows, ties: Rows | None = None, total: int | None = None) -> float:
    """Return how many independent rows the neighbors of some queries are worth.

    Queries with the same nearest row share its luck of being a training row. With a share w_j of
    the queries at row j, the variance of a share over queries is that of 1 / sum w_j^2
    independent ones; where c rows are equally near, the share among them varies c times less.
    Among ``total`` rows of which a fixed number is training rows, 1 / total comes off the sum, and
    total - 1 takes the place of total: all rows together do not vary.
    """
    if not len(rows):
        return 0.0
    _, where, counts = np.unique(rows, return_inverse=True, return_counts=True)
    shared = np.ones(len(counts))
    if ties is not None:
        shared = np.full(len(counts), np.inf)
        np.minimum.at(shared, where, ties)
    variance = float(np.sum((counts / len(rows)) ** 2 / shared))
    if total is not None and total > 1:
        variance = (variance - 1 / total) * total / (total - 1)
    return float(max(1.0, 1 / max(variance, 1 / len(rows))))


def dcr_share(train: Found, holdout: Found, n_train: int, n_holdout: int) -> Estimate:
    """Return the share of queries that are closer to training than to hold-out rows.

    Of the rows at the least distance each counts alike: with one training and three hold-out rows
    equally near, a query counts one quarter. A generator that drew fresh rows would reach
    ``p0 = n_train / (n_train + n_holdout)`` exactly, on average. The share is stretched so that
    ``p0`` becomes 0.5, and 0 and 1 stay.
    """
    first, other = train.distance, holdout.distance
    best = np.minimum(first, other)
    near = np.where(first == best, train.ties, 0)
    both = near + np.where(other == best, holdout.ties, 0)
    if not len(both):
        return Estimate(np.nan)
    credit = float(np.mean(near / both))
    nearest = np.where(first <= other, train.rows, n_train + holdout.rows)
    worth = effective_rows(nearest, both, n_train + n_holdout)
    p0 = n_train / (n_train + n_holdout)
    raw = Estimate.of_share(credit * int(worth), int(worth))

    def stretched(p: float) -> float:
        return 0.5 * p / p0 if p < p0 else 0.5 + 0.5 * (p - p0) / (1 - p0)

    return Estimate(*(stretched(p) for p in (raw.value, raw.low, raw.high)))


def dcr_shares(
    tables: Tables,
    *,
    metrics: Sequence[str] = METRICS,
    max_rows: int | None = None,
    rng: np.random.Generator | None = None,
) -> dict[str, Estimate]:
    """Return the DCR share of synthetic rows by each distance, all of them or some drawn."""
    unseen = tables.unseen
    asked = tables.synthetic
    if max_rows is not None:
        asked = asked.drawn(max_rows, rng or np.random.default_rng(0))
    found = {}
    for metric in metrics:
        space = Space(tables, metric)
        queries = space.points(asked)
        train, holdout = (
            Index(space, space.points(part)).search(queries) for part in (tables.real, unseen)
        )
        found[metric] = dcr_share(train, holdout, len(tables.real), len(unseen))
    return found
