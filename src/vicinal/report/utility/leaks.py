"""Columns that give the target away: then no figure says what models learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal._types import Floats
from vicinal.report.utility.learners import Examples, Problem, r_squared

#: Rows to learn from, and to test on, at most; and to test on at least.
MOST_ROWS, LEAST_ROWS = 2_000, 20
#: From this share of hits in every class, or this share of variance, on nothing is left to learn.
FAULTLESS = 0.999
#: Trees know no larger numbers.
LARGEST = float(np.finfo(np.float32).max)


def leaking_columns(problem: Problem, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of which each alone predicts the target of unseen rows."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    rng = np.random.default_rng(0)  # a table may be sorted by its target
    learned, tested = (
        one.take(rng.permutation(one.n_rows)[:MOST_ROWS]) for one in (problem.real, problem.test)
    )
    if tested.n_rows < LEAST_ROWS or len(np.unique(tested.target)) < 2:
        return ()
    make = DecisionTreeClassifier if problem.task == "class" else DecisionTreeRegressor
    found = []
    for at, name in enumerate(names):
        tree = make(random_state=0).fit(_column(learned, at), learned.target)
        if _score(problem.task, tree.predict(_column(tested, at)), tested.target) >= FAULTLESS:
            found.append(name)
    return tuple(found)


def _column(rows: Examples, at: int) -> Floats:
    width = rows.numbers.shape[1]
    column = rows.numbers[:, at] if at < width else rows.codes[:, at - width].astype(np.float64)
    return column.clip(-LARGEST, LARGEST)[:, None]


def _score(task: str, guess: Floats, truth: Floats) -> float:
    if task == "number":
        return r_squared(guess, truth)
    return min(float(np.mean(guess[truth == one] == one)) for one in np.unique(truth))
