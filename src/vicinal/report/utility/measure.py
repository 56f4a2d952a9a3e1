"""Utility: how well a model that learned from synthetic rows predicts real ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count
from vicinal._random import RandomState, Seeds, UtilityKey
from vicinal._stats import Estimate
from vicinal._types import Floats
from vicinal.page.result import RowsResult
from vicinal.report.fidelity.groups import LEAST, largest_groups
from vicinal.report.tables import Tables
from vicinal.report.utility.leaks import leaking_columns
from vicinal.report.utility.learners import (
    LEARNERS,
    Examples,
    Problem,
    fit_side_by_side,
    macro_auc,
    macro_f1,
    pose,
    predict,
    r_squared,
)

#: What a model may learn from.
SOURCES = ("real", "synthetic", "real + synthetic")
#: Ends of what each measure can be.
LIMITS = {"AUC": (0.0, 1.0), "F1": (0.0, 1.0), "R2": (-math.inf, 1.0)}
#: Hold-out rows that predictions are tested on, at most.
TEST_ROWS = 20_000

#: Group (None for all rows), model, source and measure.
_Key = tuple[str | None, str, str, str]
#: Tells which rows are of each group.
_Within = Callable[[Examples], dict[str, npt.NDArray[np.intp]]]


@dataclass(frozen=True)
class UtilityScore:
    """How well one model predicts after learning from one table.

    Attributes
    ----------
    model : str
        "boosted trees" or "linear".
    trained_on : str
        "real", "synthetic" or "real + synthetic".
    metric : str
        "AUC", "F1" or "R2".
    figure : Estimate
        Mean over repeats with its interval (see :func:`measure_utility`).
    repeats : tuple of float
        The figure of each repeat.
    """

    model: str
    trained_on: str
    metric: str
    figure: Estimate
    repeats: tuple[float, ...]


@dataclass(frozen=True)
class Utility(RowsResult):
    """What synthetic rows are worth to a model.

    Attributes
    ----------
    target : str
        What was predicted.
    task : str
        "class" or "number".
    metric : str
        The main measure: "AUC" for a class, "R2" for a number.
    rows : tuple of int
        Rows with a target: real, synthetic, hold-out.
    train_rows : int
        Rows that a model learned from, the same number of each table; twice as many of both.
    test_rows : int
        Hold-out rows that it was tested on.
    scores : tuple of UtilityScore
        For each model, source and measure.
    sampled : str
        How rows were drawn, in words.
    leaked : tuple of str
        Columns of the real rows of which each alone predicts the target without a fault.
    group : str
        The category whose hold-out rows were tested; empty for all.
    groups : tuple of Utility
        The same models, tested within the groups that were named and have 20 hold-out rows.
    """

    target: str
    task: str
    metric: str
    rows: tuple[int, int, int]
    train_rows: int
    test_rows: int
    scores: tuple[UtilityScore, ...]
    sampled: str
    leaked: tuple[str, ...] = ()
    group: str = ""
    groups: tuple[Utility, ...] = ()

    def score(
        self, trained_on: str, model: str = "boosted trees", metric: str | None = None
    ) -> UtilityScore:
        """Return one of the scores.

        Parameters
        ----------
        trained_on : {"real", "synthetic", "real + synthetic"}
            What the model learned from.
        model : {"boosted trees", "linear"}, default "boosted trees"
            Which model.
        metric : str, optional
            Which measure; the main one where left out.

        Returns
        -------
        UtilityScore
            The score.

        Raises
        ------
        ValueError
            If there is none.
        """
        check_choice("trained_on", trained_on, SOURCES)
        check_choice("model", model, LEARNERS)
        wanted = self.metric if metric is None else metric
        check_choice("metric", wanted, dict.fromkeys(one.metric for one in self.scores))
        return next(
            one
            for one in self.scores
            if (one.model, one.trained_on, one.metric) == (model, trained_on, wanted)
        )

    def gap(
        self,
        model: str = "boosted trees",
        metric: str | None = None,
        trained_on: str = "synthetic",
    ) -> Estimate:
        """Return what is won, or lost, against learning from real rows.

        Parameters
        ----------
        model : {"boosted trees", "linear"}, default "boosted trees"
            Which model.
        metric : str, optional
            Which measure; the main one where left out.
        trained_on : {"synthetic", "real + synthetic"}, default "synthetic"
            What is compared with real rows.

        Returns
        -------
        Estimate
            Synthetic minus real, repeat by repeat: both are tested on the same rows.
        """
        ours, real = (self.score(one, model, metric) for one in (trained_on, "real"))
        return Estimate.of_bootstraps(np.subtract(ours.repeats, real.repeats).tolist())

    def _columns(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: [getattr(one, name) for one in self.scores]
            for name in ("model", "trained_on", "metric")
        }
        for name in ("value", "low", "high"):
            found[name] = [getattr(one.figure, name) for one in self.scores]
        return found

    def summary(self) -> str:
        """Return the scores as a text of one line for each model and measure."""
        lines = [f"Predicting {self.target}, tested on {self.test_rows:,} hold-out rows:"]
        for model, metric in dict.fromkeys((one.model, one.metric) for one in self.scores):
            figures = [f"{name} {self.score(name, model, metric).figure}" for name in SOURCES]
            lines.append(f"  {model}, {metric}: {'; '.join(figures)}")
        return "\n".join([*lines, self.sampled])


def measure_utility(
    tables: Tables,
    *,
    random_state: RandomState = None,
    repeats: int = 5,
    train_rows: int = 20_000,
    models: Sequence[str] = LEARNERS,
    sources: Sequence[str] = SOURCES,
    groups: str | None = None,
) -> Utility:
    """Train on synthetic rows, test on real ones: all of them, and those of each group."""
    repeats = check_count("repeats", repeats)
    train_rows = check_count("train_rows", train_rows, low=2)
    for name in models:
        check_choice("models", name, LEARNERS)
    for name in sources:
        check_choice("sources", name, SOURCES)
    tables, said = tables.narrowed(groups)
    problem = pose(tables)
    _warn_of_classes(problem, str(tables.target))
    seeds = Seeds(random_state)
    whole = problem.real.n_rows, problem.synthetic.n_rows, problem.test.n_rows
    n_train = min(*whole[:2], train_rows)
    cut = seeds.generator(UtilityKey.CUT).permutation(whole[2])[:TEST_ROWS]
    problem = problem._replace(test=problem.test.take(np.sort(cut)))
    within = _within(tables, problem.test, groups)
    done: list[dict[_Key, float]] = [{} for _ in range(repeats)]

    def work(repeat: int) -> None:
        rng = seeds.generator(UtilityKey.REPEAT, repeat)
        done[repeat] = _fitted(_resampled(problem, n_train, rng), models, sources, rng, within)

    fit_side_by_side(work, repeats)
    found = Utility(
        target=str(tables.target),
        task=problem.task,
        metric="AUC" if problem.task == "class" else "R2",
        rows=whole,
        train_rows=n_train,
        test_rows=problem.test.n_rows,
        scores=_scores(done, None),
        sampled=_sampling(whole, n_train, problem.test.n_rows, repeats)
        + (f" Models see {said}." if said else ""),
        leaked=leaking_columns(
            problem, [one for one in (*tables.numeric, *tables.categorical) if one != tables.target]
        ),
    )
    return replace(
        found,
        groups=tuple(
            replace(found, group=name, test_rows=len(rows), scores=_scores(done, name), leaked=())
            for name, rows in within(problem.test).items()
        ),
    )


def _within(tables: Tables, test: Examples, column: str | None) -> _Within:
    """Return what tells the rows of each group with enough of them; of the target's are none."""
    if column is None or column == tables.target:
        return lambda _: {}
    at = [one for one in tables.categorical if one != tables.target].index(column)
    levels = tables.levels[tables.categorical.index(column)]
    # examples count categories as groups are counted, the largest first
    names = {str(levels[code]): rank for rank, code in enumerate(largest_groups(tables, column))}
    sizes = np.bincount(test.codes[test.codes[:, at] >= 0, at], minlength=len(levels))
    kept = {name: rank for name, rank in names.items() if sizes[rank] >= LEAST}
    return lambda rows: {
        name: np.flatnonzero(rows.codes[:, at] == rank) for name, rank in kept.items()
    }


def _scores(done: Sequence[Mapping[_Key, float]], group: str | None) -> tuple[UtilityScore, ...]:
    found = {key[1:]: tuple(one[key] for one in done) for key in done[0] if key[0] == group}
    return tuple(
        UtilityScore(*key, Estimate.of_bootstraps(values, *LIMITS[key[2]]), values)
        for key, values in found.items()
    )


def _warn_of_classes(problem: Problem, target: str) -> None:
    tested = len(np.unique(problem.test.target))
    if tested < 2:
        what = "class" if problem.task == "class" else "value"
        warnings.warn(
            f"All hold-out rows have one {what} of the target {target!r}: how well it is "
            "predicted cannot be said. Hold out more rows.",
            UserWarning,
            stacklevel=3,
        )
    if problem.task == "class":
        lost = np.setdiff1d(problem.real.target, problem.synthetic.target)
        if len(lost):
            warnings.warn(
                f"Synthetic rows lack {len(lost)} class(es) of the target {target!r}: no model "
                "can learn them from these rows. Draw more rows, or within the target's groups.",
                UserWarning,
                stacklevel=3,
            )


def _resampled(problem: Problem, n_train: int, rng: np.random.Generator) -> Problem:
    def draw(examples: Examples, n_rows: int) -> Examples:
        return examples.take(rng.integers(0, examples.n_rows, n_rows))

    real, synthetic = draw(problem.real, n_train), draw(problem.synthetic, n_train)
    return problem._replace(
        real=real, synthetic=synthetic, test=draw(problem.test, problem.test.n_rows)
    )


def _fitted(
    drawn: Problem,
    models: Sequence[str],
    sources: Sequence[str],
    rng: np.random.Generator,
    within: _Within,
) -> dict[_Key, float]:
    """Return the figures of one repeat, of all rows and of each group."""
    learned = {
        "real": drawn.real,
        "synthetic": drawn.synthetic,
        "real + synthetic": drawn.real.joined(drawn.synthetic),
    }
    seed = int(rng.integers(2**31))
    rows: list[tuple[str | None, Any]] = [(None, slice(None)), *within(drawn.test).items()]
    found = {}
    for model in models:
        for source in sources:
            guess = predict(model, drawn, learned[source], drawn.test, seed)
            for group, part in rows:
                tested = drawn._replace(test=drawn.test.take(part))
                for metric, figure in measures(tested, guess[part]).items():
                    found[group, model, source, metric] = figure
    return found


def measures(problem: Problem, guess: Floats) -> dict[str, float]:
    """Return how well the test rows were predicted, by measure; the main one first."""
    truth = problem.test.target
    if problem.task == "number":
        return {"R2": r_squared(guess, truth)}
    return {"AUC": macro_auc(guess, truth), "F1": macro_f1(guess, truth)}


def _sampling(rows: tuple[int, int, int], n_train: int, n_test: int, repeats: int) -> str:
    text = (
        f"{repeats} repeat(s), each on {n_train:,} rows drawn with replacement from the "
        f"{rows[0]:,} real and as many from the {rows[1]:,} synthetic rows"
    )
    tested = f"{n_test:,} of {rows[2]:,}" if n_test < rows[2] else f"{n_test:,}"
    return f"{text}, tested on {tested} hold-out rows, also drawn with replacement."
