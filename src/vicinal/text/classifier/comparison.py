"""Methods of training side by side: macro-F1 and probabilities over seeds, compared in pairs."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._calibration import Calibration, scale_crossed
from vicinal._checks import check_choice, check_count
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import ComparisonKey, RandomState, Seeds
from vicinal._stats import Estimate, auc_estimate
from vicinal.page.frame import Page
from vicinal.page.result import RowsResult
from vicinal.text.classifier.presets import METHODS
from vicinal.text.classifier.splitting import split_texts
from vicinal.text.encoder import check_texts
from vicinal.text.labels import class_numbers, listed_labels, warn_of_empty

if TYPE_CHECKING:
    from vicinal.text.classifier.classifier import MixupTextClassifier

#: Whatever else is compared, gains are over this.
BASELINE = "none"
#: How to read what probabilities are worth.
_SURE_READ = (
    "Less is better. ECE: distance of confidence from accuracy in 15 bins of equal size. Scaled: "
    "by one temperature, fitted on the other half of the test texts; a gain that is left there is "
    "more than temperature scaling brings."
)
_CURVE_READ = (
    "Below, a dot is a bin of texts: how sure the classifier was, and how often right; the line is "
    "the same after scaling. On the diagonal both are equal."
)
#: Differences between figures that are nearer than this are equal.
_ROUNDING = 1e-12
#: Points on each side of a figure from which on an interval says nothing.
WIDEST = 100.0
_HEADER = ("method", "macro-F1", "accuracy", "training accuracy", "against none", "p (Holm)")
_SURE = (
    "method",
    "log loss",
    "Brier",
    "ECE",
    "log loss, scaled",
    "ECE, scaled",
    "temperature",
    "log loss, scaled, against none",
    "p (Holm)",
)


@dataclass(frozen=True)
class MethodScore:
    """What a method reached; tuples have one figure for each seed."""

    method: str
    f1: tuple[float, ...]  # macro
    accuracy: tuple[float, ...]
    train_accuracy: tuple[float, ...]  # on training texts, unmixed, in the end
    mean: Estimate  # of F1, with its t-interval, which one seed has not
    gain: Estimate  # of F1 over no mixing, seed by seed; NaN where that was not run
    # of a paired t-test of it by Holm's method; NaN where there is none, or no spread of gains
    p: float
    probabilities: tuple[Calibration, ...]
    scaled: tuple[Calibration, ...]  # each half of the test texts by the other half's temperature
    temperature: tuple[float, ...]  # geometric mean of both
    loss_gain: Estimate  # difference of the scaled log loss to no mixing; below 0 is better
    loss_p: float  # as p
    # area under the ROC curve of texts of no class, by 1 minus the highest probability and by
    # unknown_proba; NaN where not measured
    auroc: tuple[float, ...] = ()
    auroc_unknown: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison(RowsResult):
    """Methods compared on one set of texts.

    Attributes
    ----------
    scores : tuple of MethodScore
        In the order they were named.
    n_seeds : int
        Runs of each method.
    n_train, n_test : int
        Texts learned from and measured on in each run.
    n_classes : int
        Labels.
    fixed_test : bool
        Whether all seeds were measured on the same texts.
    settings : dict
        What all methods share.
    """

    scores: tuple[MethodScore, ...]
    n_seeds: int
    n_train: int
    n_test: int
    n_classes: int
    fixed_test: bool
    settings: Mapping[str, Any]

    def _cells(self) -> tuple[tuple[str, ...], ...]:
        """Return each method's figures in words, F1 and accuracies in points."""
        return tuple(
            (
                f"{one.method} ({METHODS[one.method]})",
                _points(one.mean),
                _points(Estimate(float(np.mean(one.accuracy)))),
                _points(Estimate(float(np.mean(one.train_accuracy)))),
                "" if math.isnan(one.gain.value) else _points(one.gain, "+"),
                "" if math.isnan(one.p) else f"{one.p:.2g}",
            )
            for one in self.scores
        )

    def _sure_cells(self) -> tuple[tuple[str, ...], ...]:
        """Return what each method's probabilities are worth, in words."""
        cells = []
        for one in self.scores:
            plain = ("log_loss", "brier", "ece")
            row = [one.method, *(_cell(one.probabilities, name) for name in plain)]
            row += [_cell(one.scaled, name) for name in ("log_loss", "ece")]
            row.append(f"{float(np.mean(one.temperature)):.2f}")
            told = not math.isnan(one.loss_gain.value)
            row.append(_plus_minus(one.loss_gain, "+") if told else "")
            row.append("" if math.isnan(one.loss_p) else f"{one.loss_p:.2g}")
            cells.append(tuple(row))
        return tuple(cells)

    def _outside(self) -> str:
        """Return how well texts of no class were told from others, in words; "" where none were."""
        known = [one for one in self.scores if one.auroc and not math.isnan(one.auroc[0])]
        if not known:
            return ""
        said = []
        for one in known:
            by_class = "" if math.isnan(one.auroc_unknown[0]) else _three(one.auroc_unknown)
            also = f", by a class of their own {by_class}" if by_class else ""
            said.append(f"{one.method} {_three(one.auroc)}{also}")
        return f"AUROC of texts of no class, by the highest probability: {'; '.join(said)}."

    def _facts(self) -> tuple[str, ...]:
        """Return what was measured, in words."""
        each = " anew for each seed" if self.n_seeds > 1 else ""
        drawn = "" if self.fixed_test else f", put aside{each}"
        return (
            f"{self.n_seeds} seed{'s' if self.n_seeds > 1 else ''}",
            f"{self.n_train:,} training texts",
            f"{self.n_test:,} test texts{drawn}",
            f"{self.n_classes} classes",
        )

    def summary(self) -> str:
        """Return the comparison as Markdown: facts, two tables, and how to read them."""
        tables = [_table(_HEADER, self._cells()), _table(_SURE, self._sure_cells())]
        parts = [f"{', '.join(self._facts())}.", tables[0], self._reading(), tables[1], _SURE_READ]
        return "\n\n".join([*parts, *filter(None, [self._outside()])])

    def _reading(self) -> str:
        """Return how to read the figures."""
        if self.n_seeds < 2:
            return "One seed: there is no telling a gain from chance. Use more seeds."
        said = "Points, with 95 % t-intervals over seeds. "
        found = [one for one in self.scores if one.p < 0.05]
        if all(math.isnan(one.gain.value) for one in self.scores):
            return f"{said}Name none among the methods to compare with no mixing."
        if not found:
            return f"{said}No method differs from no mixing by more than chance allows."
        words = [f"{one.method} {'gains' if one.gain.value > 0 else 'loses'}" for one in found]
        rest = [one for one in self.scores if one.p >= 0.05]
        others = "; the others are within chance" if rest else ""
        return f"{said}Against no mixing: {', '.join(words)}{others}."

    def _columns(self) -> dict[str, Any]:
        rows = [_figures_of(one) for one in self.scores]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _page(self) -> Page:
        from vicinal.page.intervals import IntervalRow, interval_rows
        from vicinal.text.classifier.reliability import reliability_chart

        # no F1 lies beyond 0 and 1, whatever the interval of a few seeds says
        f1 = [one.mean for one in self.scores]
        means = [Estimate(a.value, *np.clip([a.low, a.high], 0.0, 1.0).tolist()) for a in f1]
        low = math.floor(10 * float(np.nanmin([(a.value, a.low) for a in means]))) / 10
        best = max(self.scores, key=lambda one: one.mean.value)
        shared = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        chart = interval_rows(
            "f1",
            "Macro-F1 of each method",
            [
                IntervalRow("", one.method, mean)
                for one, mean in zip(self.scores, means, strict=True)
            ],
            low=min(low, 0.9),
            high=1.0,
        )
        named = "; ".join(f"{one.method} ({METHODS[one.method]})" for one in self.scores)
        values = {
            "title": "Ways to train a text classifier",
            "headline": f"Highest macro-F1: {best.method}, {100 * best.mean.value:.1f}",
            "facts": self._facts(),
            "header": _HEADER,
            "rows": [
                (one.method, *cells[1:])
                for one, cells in zip(self.scores, self._cells(), strict=True)
            ],
            "chart": chart,
            "reading": f"{self._reading()} Methods: {named}.",
            "sure_header": _SURE,
            "sure_rows": self._sure_cells(),
            "sure_reading": f"{_SURE_READ} {_CURVE_READ} {self._outside()}",
            "curves": [
                (
                    one.method,
                    reliability_chart(
                        f"reliability-{one.method}",
                        one.method,
                        [c.curve for c in one.probabilities],
                        [c.curve for c in one.scaled],
                    ),
                )
                for one in self.scores
            ],
            "settings": f"Settings of all methods: {shared}.",
        }
        return Page("methods.html.j2", values, Path(__file__).parent / "templates")


def compare_methods(
    texts: Sequence[str],
    labels: Iterable[Any],
    methods: Sequence[str] = tuple(METHODS),
    *,
    test: tuple[Sequence[str], Iterable[Any]] | None = None,
    test_share: float = 0.2,
    outside: Sequence[str] = (),
    seeds: int = 5,
    random_state: RandomState = None,
    progress: bool | ProgressCallback = False,
    keep: Callable[[MixupTextClassifier], None] | None = None,
    **settings: Any,
) -> Comparison:
    """Train a classifier by several methods, and compare them on texts it has not seen.

    Methods of one seed learn from the same texts, begin with the same weights and are measured
    on the same texts, so that they are compared in pairs.

    Parameters
    ----------
    texts : sequence of str
        Texts to learn from.
    labels : sequence of str, int or bool
        Their classes.
    methods : sequence of str, default all
        As of :class:`MixupTextClassifier`.
    test : tuple of (texts, labels), optional
        What to measure on. Left out, each seed puts aside a share of the texts.
    test_share : float, default 0.2
        That share, in the proportions of the classes.
    outside : sequence of str, optional
        Texts of no class, to measure how well they are told from test texts.
    seeds : int, default 5
        Runs of each method.
    random_state : int, numpy.random.Generator or None
        Seed of the seeds.
    progress : bool or ProgressCallback, default False
        Whether to show a bar, or what to tell of each run.
    keep : callable, optional
        Gets each classifier that was trained.
    **settings : object
        As of :class:`MixupTextClassifier`.

    Returns
    -------
    Comparison
        Figures, and how sure they are.

    Raises
    ------
    ValueError, TypeError
        If texts, labels or settings are not what they should be, or the test has a label that
        was not trained on, or no text that is not a training text.

    Warns
    -----
    UserWarning
        Where some texts of ``test``, or of ``outside``, are training texts.

    Examples
    --------
    >>> found = compare_methods(texts, labels, ["none", "dmix"], seeds=10)  # doctest: +SKIP
    >>> print(found.summary())  # doctest: +SKIP
    """
    from vicinal.text.classifier.classifier import MixupTextClassifier

    names = list(dict.fromkeys(check_choice("methods", one, METHODS) for one in methods))
    if not names:
        raise ValueError("methods is empty. Name at least one, such as 'dmix'.")
    check_count("seeds", seeds)
    texts, listed = check_texts(texts, utf8=False), listed_labels(labels)
    warn_of_empty(texts)
    outside = check_texts(outside, "outside", utf8=False)
    held = None
    if test is not None:
        held = check_texts(test[0], "test texts", utf8=False), listed_labels(test[1], "test labels")
        class_numbers(held[1], np.array(sorted(set(listed))), "test labels")
        _check_unseen(held, texts)
    if seen := len({*outside} & {*texts} - {""}):
        warnings.warn(
            f"{seen:,} texts of outside are training texts, too, and so have a class. Leave them "
            "out of it.",
            UserWarning,
            stacklevel=2,
        )
    figures: dict[str, list[_Run]] = {name: [] for name in names}
    roots = Seeds(random_state)
    train, measured = (texts, listed), held
    runs = [(seed, name) for seed in range(seeds) for name in names]
    with reporting(progress) as report:
        for done, (seed, name) in enumerate(runs):
            report(f"{name}, seed {seed + 1} of {seeds}", done, len(runs))
            if held is None:
                rng = roots.generator(ComparisonKey.SPLIT, seed)
                train, measured = split_texts(texts, listed, test_share, random_state=rng)
            assert measured is not None  # noqa: S101
            number = int(roots.generator(ComparisonKey.RUN, seed).integers(2**31))
            model = MixupTextClassifier(method=name, random_state=number, **settings)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"\d+ of \d+ texts are empty")  # said above
                model.fit(*train, progress=report if len(runs) == 1 else False)
            rng = roots.generator(ComparisonKey.MEASURE, seed)
            figures[name].append(_measured(model, *measured, outside, rng))
            if keep is not None:
                keep(model)
    assert measured is not None  # noqa: S101
    return Comparison(
        scores=_scores(figures),
        n_seeds=seeds,
        n_train=len(train[0]),
        n_test=len(measured[0]),
        n_classes=len(set(listed)),
        fixed_test=held is not None,
        settings={key: str(value) for key, value in settings.items() if value is not None},
    )


class _Run(NamedTuple):
    """What one run of a method reached."""

    f1: float
    accuracy: float
    train_accuracy: float
    plain: Calibration
    scaled: Calibration
    temperature: float
    auroc: float
    auroc_unknown: float


def _check_unseen(held: tuple[Sequence[str], Sequence[Any]], texts: Sequence[str]) -> None:
    """Refuse test texts that are all training texts, and warn of some that are."""
    known = {*texts} - {""}
    seen, total = sum(one in known for one in held[0]), len(held[0])
    if not seen:
        return
    why = "scores on them tell what was learned by heart, not how new texts fare"
    if seen == total:
        raise ValueError(
            f"test is made of training texts: all {total:,} are among them, and {why}. Give "
            "others, or leave test out, and some texts are put aside for it."
        )
    warnings.warn(
        f"{seen:,} of {total:,} test texts are training texts, too, and {why}. Leave them out of "
        "one of the two.",
        UserWarning,
        stacklevel=3,
    )


def _measured(
    model: MixupTextClassifier,
    texts: Sequence[str],
    labels: Sequence[Any],
    outside: Sequence[str],
    rng: Any,
) -> _Run:
    from sklearn.metrics import f1_score

    proba = model.predict_proba(texts)
    truth = np.array(class_numbers(labels, model.classes_, "test labels"))
    found, classes = proba.argmax(axis=1), np.arange(len(model.classes_))
    f1 = f1_score(truth, found, average="macro", labels=classes, zero_division=0.0)
    scaled, temperature = scale_crossed(proba, truth, rng)
    auroc = auroc_unknown = math.nan
    if outside:
        strange = model.predict_proba(outside)
        auroc = auc_estimate(1 - proba.max(axis=1), 1 - strange.max(axis=1)).value
        if model.unknown:
            said = (model.unknown_proba(one) for one in (texts, outside))
            auroc_unknown = auc_estimate(*said).value
    return _Run(
        float(f1),
        float(np.mean(found == truth)),
        model.history_[model.epochs_ - 1]["train_accuracy"],
        Calibration.of(proba, truth, rng),
        Calibration.of(scaled, truth, rng),
        temperature,
        auroc,
        auroc_unknown,
    )


def _scores(runs: Mapping[str, list[_Run]]) -> tuple[MethodScore, ...]:
    """Return what methods reached, tested against no mixing."""
    of_f1 = _against({name: [one.f1 for one in found] for name, found in runs.items()})
    of_loss = _against(
        {name: [one.scaled.log_loss for one in found] for name, found in runs.items()}
    )
    nothing = Estimate.of_repeats([]), math.nan
    scores = []
    for name, found in runs.items():
        f1, accuracy, train_accuracy, plain, scaled, temperature, *aurocs = zip(*found, strict=True)
        gain, p = of_f1.get(name, nothing)
        loss_gain, loss_p = of_loss.get(name, nothing)
        scores.append(
            MethodScore(
                name,
                f1,
                accuracy,
                train_accuracy,
                mean=Estimate.of_repeats(f1),
                gain=gain,
                p=p,
                probabilities=plain,
                scaled=scaled,
                temperature=temperature,
                loss_gain=loss_gain,
                loss_p=loss_p,
                auroc=aurocs[0],
                auroc_unknown=aurocs[1],
            )
        )
    return tuple(scores)


def _against(figures: Mapping[str, Sequence[float]]) -> dict[str, tuple[Estimate, float]]:
    """Return each method's mean difference to no mixing, and its p-value by Holm's method."""
    gains = {
        name: np.subtract(found, figures[BASELINE])
        for name, found in figures.items()
        if name != BASELINE and BASELINE in figures
    }
    corrected = holm([paired_p(one) for one in gains.values()])
    pairs = zip(gains.items(), corrected, strict=True)
    return {name: (Estimate.of_repeats(one), p) for (name, one), p in pairs}


def _figures_of(one: MethodScore) -> dict[str, Any]:
    """Return the figures of a method, means over seeds, by their columns."""
    plain, scaled = one.probabilities, one.scaled
    return {
        "method": one.method,
        "f1": one.mean.value,
        "f1_low": one.mean.low,
        "f1_high": one.mean.high,
        "accuracy": float(np.mean(one.accuracy)),
        "train_accuracy": float(np.mean(one.train_accuracy)),
        "gain": one.gain.value,
        "p": one.p,
        **{name: _mean(plain, name) for name in ("log_loss", "brier", "ece")},
        "log_loss_scaled": _mean(scaled, "log_loss"),
        "ece_scaled": _mean(scaled, "ece"),
        "temperature": float(np.mean(one.temperature)),
        "auroc": float(np.mean(one.auroc or math.nan)),
        "auroc_unknown": float(np.mean(one.auroc_unknown or math.nan)),
    }


def _figures(found: Sequence[Calibration], name: str) -> list[float]:
    values = [getattr(one, name) for one in found]
    return [one.value if isinstance(one, Estimate) else one for one in values]


def _mean(found: Sequence[Calibration], name: str) -> float:
    return float(np.mean(_figures(found, name)))


def _cell(found: Sequence[Calibration], name: str) -> str:
    """Return a figure with its interval over seeds, or its own where there is one seed."""
    own = getattr(found[0], name)
    if len(found) == 1 and isinstance(own, Estimate):
        return f"{own.value:.3f} ({own.low:.3f} to {own.high:.3f})"
    return _three(_figures(found, name))


def _three(values: Sequence[float]) -> str:
    return _plus_minus(Estimate.of_repeats(values))


def _plus_minus(figure: Estimate, sign: str = "") -> str:
    text, half = f"{figure.value:{sign}.3f}", (figure.high - figure.low) / 2
    return text if math.isnan(half) else f"{text} {_within(100 * half, f'± {half:.3f}')}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def paired_p(differences: npt.ArrayLike) -> float:
    """Return the p-value of a paired t-test, NaN for a single pair."""
    # NaN too where all differences are equal and not 0: no spread among a few seeds says that
    # figures are coarse, not that chance has no part
    from scipy.special import stdtr

    x = np.asarray(differences, float)
    if len(x) < 2:
        return math.nan
    if np.ptp(x) < _ROUNDING:
        return math.nan if abs(x[0]) > _ROUNDING else 1.0
    error = x.std(ddof=1) / math.sqrt(len(x))
    return float(2 * stdtr(len(x) - 1, -abs(x.mean()) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected by Holm's method for being so many."""
    corrected = [math.nan] * len(p_values)
    highest = 0.0
    for rank, at in enumerate(np.argsort(p_values)):
        if math.isnan(p_values[at]):
            break  # sorted last
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected


def _points(figure: Estimate, sign: str = "") -> str:
    text, half = f"{100 * figure.value:{sign}.1f}", 50 * (figure.high - figure.low)
    return text if math.isnan(half) else f"{text} {_within(half, f'± {half:.1f}')}"


def _within(half: float, said: str) -> str:
    return said if half <= WIDEST else "(too few seeds for an interval)"
