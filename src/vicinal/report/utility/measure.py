"""Utility: how well a model that learned from synthetic rows predicts real ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count
from vicinal._random import RandomState, Seeds, UtilityKey
from vicinal._stats import Estimate
from vicinal.report.tables import Tables
from vicinal.report.utility.learners import (
    LEARNERS,
    Examples,
    Problem,
    fit_side_by_side,
    macro_auc,
    macro_f1,
    pose,
    r_squared,
)

__all__ = ["Utility", "UtilityScore", "measure_utility"]

#: What a model may learn from.
SOURCES = ("real", "synthetic", "real + synthetic")
#: Ends of what each measure can be.
LIMITS = {"AUC": (0.0, 1.0), "F1": (0.0, 1.0), "R2": (-math.inf, 1.0)}
#: Hold-out rows that predictions are tested on, at most.
TEST_ROWS = 20_000

# keys of seeds


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
class Utility:
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
    """

    target: str
    task: str
    metric: str
    rows: tuple[int, int, int]
    train_rows: int
    test_rows: int
    scores: tuple[UtilityScore, ...]
    sampled: str

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
    random_state: RandomState = 0,
    repeats: int = 5,
    train_rows: int = 20_000,
    models: Sequence[str] = tuple(LEARNERS),
    sources: Sequence[str] = SOURCES,
) -> Utility:
    """Train on synthetic rows, test on real ones.

    Parameters
    ----------
    tables : Tables
        With a target, and a hold-out to test on.
    random_state : int, numpy.random.Generator or None, default 0
        Seed.
    repeats : int, default 5
        How often everything is done again. With one there is no interval.
    train_rows : int, default 20000
        Rows of a table that a model learns from, at most.
    models : sequence of {"boosted trees", "linear"}, optional
        Histogram gradient boosting with categories as such, and a linear model (logistic or
        ridge regression) on standardized numbers and an indicator of each common level.
    sources : sequence of {"real", "synthetic", "real + synthetic"}, optional
        What they learn from.

    Returns
    -------
    Utility
        Scores with intervals.

    Raises
    ------
    ValueError
        Without a target or hold-out, or where the target has one class in the real table or no
        value in one of them, or there is no other column.

    Warns
    -----
    UserWarning
        Where all hold-out rows have one class, or one number: the main measure is then NaN. Where
        synthetic rows lack a class.

    Notes
    -----
    A repeat draws the same number of rows from each table with replacement, fits every model anew
    with another seed, and tests it on hold-out rows drawn with replacement, the same ones for all
    models. So repeats differ as the figure would with other rows, and the interval is the mean
    plus and minus Student's t times their standard deviation; it does not shrink with the number
    of repeats, which only settle it. Rows drawn with replacement hold about 63 % of the distinct
    rows, so figures lie a little below those of one fit on all rows, whatever is learned from.

    AUC is that of each class against the rest, averaged over the classes of the tested rows; a
    class that was never learned counts 0.5. F1 is averaged over classes too. A number with two
    values is a class; synthetic numbers count as the nearer of the two.

    References
    ----------
    Esteban, Hyland and Raetsch, "Real-valued (Medical) Time Series Generation with Recurrent
    Conditional GANs", 2017, which calls it "train on synthetic, test on real".

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.report.tables import align
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=900)
    >>> table = pa.table({"x": x, "y": np.where(x + rng.normal(size=900) > 0, "up", "down")})
    >>> tables = align(table[:300], table[300:600], table[600:], target="y")
    >>> utility = measure_utility(tables, repeats=3, models=["linear"])
    >>> utility.metric, abs(utility.gap("linear").value) < 0.01
    ('AUC', True)
    """
    repeats = check_count("repeats", repeats)
    train_rows = check_count("train_rows", train_rows, low=2)
    for name in models:
        check_choice("models", name, LEARNERS)
    for name in sources:
        check_choice("sources", name, SOURCES)
    problem = pose(tables)
    _warn_of_classes(problem, str(tables.target))
    seeds = Seeds(random_state)
    whole = len(problem.real), len(problem.synthetic), len(problem.test)
    n_train = min(*whole[:2], train_rows)
    cut = seeds.generator(UtilityKey.CUT).permutation(whole[2])[:TEST_ROWS]
    problem = replace(problem, test=problem.test.take(np.sort(cut)))
    done: list[dict[tuple[str, str, str], float]] = [{} for _ in range(repeats)]

    def work(repeat: int) -> None:
        rng = seeds.generator(UtilityKey.REPEAT, repeat)
        done[repeat] = _fitted(_resampled(problem, n_train, rng), models, sources, rng)

    fit_side_by_side(work, repeats)
    found = {key: tuple(one[key] for one in done) for key in done[0]}
    return Utility(
        target=str(tables.target),
        task=problem.task,
        metric="AUC" if problem.task == "class" else "R2",
        rows=whole,
        train_rows=n_train,
        test_rows=len(problem.test),
        scores=tuple(
            UtilityScore(*key, Estimate.of_bootstraps(values, *LIMITS[key[2]]), values)
            for key, values in found.items()
        ),
        sampled=_sampling(whole, n_train, len(problem.test), repeats),
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
        return examples.take(rng.integers(0, len(examples), n_rows))

    return replace(
        problem,
        real=draw(problem.real, n_train),
        synthetic=draw(problem.synthetic, n_train),
        test=draw(problem.test, len(problem.test)),
    )


def _fitted(
    drawn: Problem, models: Sequence[str], sources: Sequence[str], rng: np.random.Generator
) -> dict[tuple[str, str, str], float]:
    """Return the figures of one repeat, by model, source and measure."""
    learned = {
        "real": drawn.real,
        "synthetic": drawn.synthetic,
        "real + synthetic": drawn.real + drawn.synthetic,
    }
    seed = int(rng.integers(2**31))
    return {
        (model, source, metric): figure
        for model in models
        for source in sources
        for metric, figure in measures(
            drawn, LEARNERS[model](drawn, learned[source], drawn.test, seed)
        ).items()
    }


def measures(problem: Problem, guess: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return how well the test rows were predicted, by measure; the main one first.

    Parameters
    ----------
    problem : Problem
        With the truth.
    guess : ndarray of shape (n_test, n_classes) or (n_test,)
        Class shares, or numbers.

    Returns
    -------
    dict of str to float
        "AUC" and "F1", or "R2".
    """
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
