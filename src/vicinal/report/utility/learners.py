"""Models that learn a target from rows, and how well they predict it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._threads import for_chunks, one_thread
from vicinal._types import Array, Bools, Floats, Ints
from vicinal.report.tables import Part, Tables

#: Levels of one category that boosted trees tell apart; rarer ones count as one.
TREE_LEVELS = 255
#: Rounds of boosting, and trees in all: a round grows one tree for each class beyond two.
ROUNDS = 100
TREES = 1000
#: Rows of a bin of numbers: leaves hold 20, so finer bins would only cost time.
BIN_ROWS = 8
#: Levels of one category, and of all together, that get a coefficient in the linear model.
LINEAR_LEVELS = 40
LINEAR_LEVELS_IN_ALL = 400
#: Steps of the logistic regression, enough to compare by; scikit-learn warns where it wants more.
LINEAR_STEPS = 200


class Examples(NamedTuple):
    """Rows to learn from, or to predict."""

    numbers: Floats  # (n_rows, n_numeric) NaN where missing
    # (n_rows, n_categorical) 0 for the commonest level of the real rows; -1 where missing
    codes: npt.NDArray[np.int32]
    target: Array  # (n_rows,) number of the class (int64), or a number (float64)

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.target)

    def take(self, rows: npt.NDArray[np.intp] | slice) -> Examples:
        """Return some of the rows, in that order."""
        return Examples._make(one[rows] for one in self)

    def joined(self, other: Examples) -> Examples:
        """Return these rows, then the others."""
        return Examples(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.codes, other.codes]),
            np.concatenate([self.target, other.target]),
        )


class Problem(NamedTuple):
    """A target to predict, in three tables of rows whose target is known."""

    task: str  # "class" or "number"
    n_classes: int  # classes of the real rows and the hold-out; 0 for a number
    levels: tuple[int, ...]  # levels of each category
    real: Examples
    synthetic: Examples
    test: Examples


def pose(tables: Tables) -> Problem:
    """Make examples of tables: everything but the target is there to predict it from."""
    name = tables.target
    if name is None or tables.holdout is None:
        raise ValueError(
            "Utility needs a target and hold-out rows: name a target, and give or split off rows "
            "that the generator never saw."
        )
    _check_target(tables, name)
    parts = {"real": tables.real, "synthetic": tables.synthetic, "hold-out": tables.holdout}
    targets = _targets(tables, list(parts.values()))
    ranks = [
        _ranks(tables.real.codes[:, at], len(levels))
        for at, levels in enumerate(tables.levels)
        if tables.categorical[at] != name
    ]
    numeric = [at for at, one in enumerate(tables.numeric) if one != name]
    categorical = [at for at, one in enumerate(tables.categorical) if one != name]
    examples = []
    for (label, part), target in zip(parts.items(), targets, strict=True):
        known = np.flatnonzero(target >= 0 if target.dtype.kind == "i" else ~np.isnan(target))
        if not len(known):
            raise ValueError(
                f"The {label} table has no row with a value of the target {name!r}. Name another "
                "target, or pass rows that have one."
            )
        examples.append(_examples(part.take(known), numeric, categorical, ranks, target[known]))
    n_classes = 0
    if tables.task == "class":
        n_classes = int(max(examples[0].target.max(), examples[2].target.max())) + 1
        if len(np.unique(examples[0].target)) < 2:
            raise ValueError(
                f"target {name!r} has one class in the real table; there is nothing to predict. "
                "Name a column with two values or more, or leave the target out."
            )
    return Problem(str(tables.task), n_classes, tuple(map(len, ranks)), *examples)


def _check_target(tables: Tables, name: str) -> None:
    if name not in tables.numeric and name not in tables.categorical:
        raise ValueError(f"target {name!r} has no value at all. Name a column with values.")
    if len(tables.numeric) + len(tables.categorical) < 2:
        raise ValueError(
            f"Besides the target {name!r} no column is left to predict it from. Pass a table with "
            "more columns, or leave the target out."
        )


def _targets(tables: Tables, parts: list[Part]) -> list[Array]:
    """Return the target of each part: classes from 0 (-1 where missing), or numbers."""
    name = str(tables.target)
    if name in tables.numeric:
        numbers = [part.numbers[:, tables.numeric.index(name)] for part in parts]
        if tables.task == "number":
            return numbers
        values = np.unique(numbers[0][~np.isnan(numbers[0])])
        return [_nearest(one, values) for one in numbers]
    codes = [part.codes[:, tables.categorical.index(name)].astype(np.int64) for part in parts]
    # classes that only synthetic rows have come last, where no measure looks
    real = np.unique(np.concatenate([codes[0], codes[2]]))
    strange = np.setdiff1d(np.unique(codes[1]), real)
    order = np.concatenate([real[real >= 0], strange[strange >= 0]])
    place = np.full(max(int(order.max(initial=0)) + 2, 1), -1, np.int64)
    place[order] = np.arange(len(order))  # the last place stays -1, for code -1
    return [place[one] for one in codes]


def _nearest(numbers: Floats, values: Floats) -> Ints:
    """Return which value is nearest to each number; -1 where missing."""
    middle = (values[1:] + values[:-1]) / 2
    return np.where(np.isnan(numbers), -1, np.searchsorted(middle, numbers)).astype(np.int64)


def _ranks(codes: npt.NDArray[np.int32], n_levels: int) -> npt.NDArray[np.int32]:
    """Return the place of each level among those of the real rows, the commonest first."""
    counts = np.bincount(codes[codes >= 0], minlength=n_levels)
    ranks = np.empty(n_levels, np.int32)
    ranks[np.argsort(-counts, kind="stable")] = np.arange(n_levels)
    return ranks


def _examples(
    part: Part,
    numeric: list[int],
    categorical: list[int],
    ranks: list[npt.NDArray[np.int32]],
    target: Array,
) -> Examples:
    codes = np.empty((len(part), len(categorical)), np.int32, order="F")
    for at, (column, rank) in enumerate(zip(categorical, ranks, strict=True)):
        codes[:, at] = np.append(rank, np.int32(-1))[part.codes[:, column]]
    return Examples(part.numbers[:, numeric], codes, target)


# models


def fit_side_by_side(work: Callable[[int], None], total: int) -> None:
    """Call ``work(0)``, ``work(1)``, ... in threads that fit models."""

    def alone(at: int, _: int) -> None:
        with one_thread():
            work(at)

    # warnings are silenced here, not in the threads: the filter belongs to the whole process
    with one_thread(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        for_chunks(alone, total, 1)


def _boosted_trees(problem: Problem, train: Examples, test: Examples, seed: int) -> Floats:
    """Fit histogram gradient boosting, with categories as such, and predict the test rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    X, X_test = _tree_columns(train), _tree_columns(test)
    there = ~np.isnan(X).all(axis=0)  # binning fails on a column without values
    is_category = np.arange(X.shape[1]) >= train.numbers.shape[1]
    settings: dict[str, Any] = {
        "categorical_features": is_category[there],
        "max_bins": tree_bins(X, is_category),
        "max_iter": max(10, min(ROUNDS, TREES // max(problem.n_classes, 1))),
        "early_stopping": False,
        "random_state": seed,
    }
    X, X_test = X[:, there], X_test[:, there]
    if not there.any():
        X, X_test = np.zeros((train.n_rows, 1)), np.zeros((test.n_rows, 1))
        settings["categorical_features"] = None
    if problem.task == "number":
        model = HistGradientBoostingRegressor(**settings).fit(X, train.target)
        return np.asarray(model.predict(X_test), dtype=float)
    model = HistGradientBoostingClassifier(**settings).fit(X, train.target)
    return _shares(problem, model.classes_, model.predict_proba(X_test))


def tree_bins(X: Floats, is_category: Bools) -> int:
    """Return the bins of boosted trees; scikit-learn wants one for each level of a category."""
    levels = int(np.nanmax(X[:, is_category], initial=0.0)) + 1
    return min(max(len(X) // BIN_ROWS, levels, 32), 255)


def _tree_columns(rows: Examples) -> Floats:
    codes = np.minimum(rows.codes, TREE_LEVELS - 1).astype(float)
    codes[rows.codes < 0] = np.nan
    return np.concatenate([rows.numbers, codes], axis=1)


def _linear(problem: Problem, train: Examples, test: Examples, seed: int) -> Floats:
    """Fit a linear model on standardized numbers and indicators, and predict the test rows."""
    from sklearn.linear_model import LogisticRegression, Ridge

    design = _Design(problem, train)
    X, X_test = design(train), design(test)
    if problem.task == "number":
        return np.asarray(Ridge().fit(X, train.target).predict(X_test), dtype=float)
    model = LogisticRegression(max_iter=LINEAR_STEPS, tol=1e-3, random_state=seed)
    model.fit(X, train.target)
    return _shares(problem, model.classes_, model.predict_proba(X_test))


class _Design:
    """Columns of the linear model: scales come from the training rows."""

    def __init__(self, problem: Problem, train: Examples) -> None:
        seen = ~np.isnan(train.numbers)
        count = np.maximum(seen.sum(axis=0), 1)
        # squares of huge numbers would overflow
        self._size = np.where(seen, np.abs(train.numbers), 0.0).max(axis=0, initial=0.0)
        self._size[self._size == 0] = 1.0
        plain = np.where(seen, train.numbers / self._size, 0.0)
        self._middle = plain.sum(axis=0) / count
        gaps = np.where(seen, plain - self._middle, 0.0)
        self._std = np.sqrt((gaps**2).sum(axis=0) / count)
        self._std[self._std < 1e-12] = np.inf  # a constant says nothing
        self._gaps = np.flatnonzero(~seen.all(axis=0))
        share = LINEAR_LEVELS_IN_ALL // max(len(problem.levels), 1)
        self._levels = [min(n, LINEAR_LEVELS, max(share, 2)) for n in problem.levels]

    def __call__(self, rows: Examples) -> Floats:
        numbers = (rows.numbers / self._size - self._middle) / self._std
        parts = [np.nan_to_num(numbers), np.isnan(rows.numbers[:, self._gaps]).astype(float)]
        for at, n_levels in enumerate(self._levels):
            # one more for missing; rare levels are all zeros
            parts.append((rows.codes[:, [at]] == np.arange(-1, n_levels)).astype(float))
        return np.concatenate(parts, axis=1)


def _shares(problem: Problem, classes: Ints, found: Floats) -> Floats:
    """Return class shares for all classes of the problem; 0 for those that were not learned."""
    kept = classes < problem.n_classes
    shares = np.zeros((len(found), problem.n_classes))
    shares[:, classes[kept]] = found[:, kept]
    return shares


#: Name of each model, and the function that fits it and predicts the test rows.
_MODELS = {"boosted trees": _boosted_trees, "linear": _linear}
LEARNERS = tuple(_MODELS)


def predict(model: str, problem: Problem, train: Examples, test: Examples, seed: int) -> Floats:
    """Return class shares, shape (n_test, n_classes), or numbers, shape (n_test,)."""
    values = np.unique(train.target)
    if len(values) > 1:
        return _MODELS[model](problem, train, test, seed)
    if problem.task == "number":
        return np.full(test.n_rows, float(values[0]))
    return _shares(problem, values, np.ones((test.n_rows, 1)))


# measures


def macro_auc(shares: Floats, truth: Ints) -> float:
    """Return the area under the ROC curve, one class against the rest, averaged over classes."""
    from scipy.stats import rankdata

    counts = np.bincount(truth, minlength=shares.shape[1])
    there = np.flatnonzero((counts > 0) & (counts < len(truth)))
    if len(there) == 2 == shares.shape[1]:
        there = there[1:]  # the other way round it is the same
    areas = []
    for one in there:
        ranks = rankdata(shares[:, one])
        above = ranks[truth == one].sum() - counts[one] * (counts[one] + 1) / 2
        areas.append(above / counts[one] / (len(truth) - counts[one]))
    return float(np.mean(areas)) if areas else float("nan")


def macro_f1(shares: Floats, truth: Ints) -> float:
    """Return the F1 score of the likeliest class, averaged over classes."""
    guess = shares.argmax(axis=1)
    size = shares.shape[1]
    right = np.bincount(truth[guess == truth], minlength=size)
    both = np.bincount(truth, minlength=size) + np.bincount(guess, minlength=size)
    return float(np.mean(2 * right[both > 0] / both[both > 0]))


def r_squared(guess: Floats, truth: Floats) -> float:
    """Return the share of the variance that is predicted."""
    scale = max(float(np.abs(truth).max(initial=0.0)), 1e-300)
    total = (((truth - truth.mean()) / scale) ** 2).sum()
    return float(1 - (((truth - guess) / scale) ** 2).sum() / total) if total > 0 else float("nan")
