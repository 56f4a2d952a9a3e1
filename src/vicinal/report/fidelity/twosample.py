"""Whether a model can tell synthetic rows from real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vicinal._stats import Estimate, auc_estimate
from vicinal._types import Bools, Floats
from vicinal.report.tables import Part, Tables
from vicinal.report.utility.learners import fit_side_by_side, tree_bins

#: Rows of each table, at most.
MOST_ROWS = 10_000
#: Rows of each table, at least.
FEWEST_ROWS = 20
FOLDS = 5
#: Trees of a model.
ROUNDS = 100
#: What a figure surely below 0.5 means: rows drawn anew from the same law would stay near 0.5.
FOLLOWS = (
    "Below 0.5, synthetic rows follow these very real rows more closely than fresh rows would, "
    "which misleads the model."
)
#: Levels of a category that the model sees; rarer ones count as one.
MOST_LEVELS = 200


@dataclass(frozen=True)
class TwoSample:
    """How well boosted trees tell synthetic rows from real ones.

    Attributes
    ----------
    auc : Estimate
        Share of pairs of one real and one synthetic row that the model puts in the right order:
        0.5 is a guess, 1 tells all. NaN with fewer than 20 rows of each.
    rows : int
        Rows of each table that it was measured on.
    """

    auc: Estimate
    rows: int

    @property
    def follows(self) -> bool:
        """Whether the figure lies below 0.5 by more than its interval."""
        return self.auc.high < 0.5


def two_sample_test(tables: Tables, rng: np.random.Generator) -> TwoSample:
    """Train boosted trees to tell the tables apart, and score them on rows they never saw."""
    # rows that are equal in every column stay in one fold: a copy of a real row would otherwise be
    # learned as real and met again as synthetic, and pull the figure below 0.5
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows = min(len(tables.real), len(tables.synthetic), MOST_ROWS)
    if rows < FEWEST_ROWS:
        return TwoSample(Estimate(math.nan), rows)
    parts = [part.drawn(rows, rng) for part in (tables.real, tables.synthetic)]
    features, categories = _features(parts)
    is_synthetic = np.repeat([0, 1], rows)
    folds = _folds(features, rng)
    scores = np.full(2 * rows, 0.5)
    seeds = rng.integers(2**31, size=FOLDS).tolist()

    def fit(fold: int) -> None:
        test = folds == fold
        there = ~np.isnan(features[~test]).all(axis=0)  # binning fails on a column without values
        if not test.any() or not there.any() or len(set(is_synthetic[~test].tolist())) < 2:
            return  # a table of very few distinct rows
        model = HistGradientBoostingClassifier(
            max_iter=ROUNDS,
            early_stopping=False,
            categorical_features=categories[there],
            max_bins=tree_bins(features, categories),
            random_state=seeds[fold],
        )
        train, held_out = (features[rows][:, there] for rows in (~test, test))
        model.fit(train, is_synthetic[~test])
        scores[test] = model.predict_proba(held_out)[:, 1]

    fit_side_by_side(fit, FOLDS)
    return TwoSample(auc_estimate(scores[:rows], scores[rows:]), rows)


def _features(parts: list[Part]) -> tuple[Floats, Bools]:
    """Return the rows of both tables as one matrix, and which columns are categories."""
    numbers = np.concatenate([part.numbers for part in parts])
    codes = np.concatenate([part.codes for part in parts])
    columns = []
    for column in codes.T:
        counts = np.bincount(column[column >= 0])
        rank = np.empty(len(counts))
        rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
        few = np.append(np.minimum(rank, MOST_LEVELS), np.nan)  # a missing value is code -1
        columns.append(few[column])
    features = np.column_stack([numbers, *columns])
    return features, np.arange(features.shape[1]) >= numbers.shape[1]


def _folds(features: Floats, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Deal rows to folds; equal ones to the same."""
    plain = np.where(np.isnan(features), np.inf, features)
    _, group = np.unique(plain, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = rng.permutation(int(group.max()) + 1)
    dealt: npt.NDArray[np.intp] = (order % FOLDS)[group]
    return dealt
