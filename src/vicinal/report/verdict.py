"""The verdict of a report: three numbers, each graded by the worst of what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from vicinal._stats import Estimate
from vicinal.report.fidelity.columns import ColumnFidelity
from vicinal.report.fidelity.measure import Fidelity
from vicinal.report.grades import GRADES, graded, worst_of
from vicinal.report.privacy.figures import PrivacyFigure
from vicinal.report.privacy.measure import Privacy
from vicinal.report.utility.measure import Utility

#: By how much quality may fall short of 1, and a model of its score on real rows: good, fair.
QUALITY_LIMITS = (0.05, 0.15)
GAP_LIMITS = (0.02, 0.05)
#: Up to these areas under the curve of a model that tells the tables apart: good, fair.
TWO_SAMPLE_LIMITS = (0.9, 0.99)
#: Shares of their strength that all associations together may lose: good, fair.
LOST_LIMITS = (0.25, 0.5)
#: An association counts from this strength on, and one alone from that; and from so many
#: standard errors on.
ASSOCIATED, ONE_ASSOCIATED, SURE = 0.1, 0.3, 6.0
#: By how much one association may change, and one column differ, and still be good; no single one
#: makes a table poor.
CHANGED, DIFFERS = 0.1, 0.05
#: What two samples of one law differ by, times the root of the sum of their inverse sizes, at most:
#: once in 1,500 columns (two-sample Kolmogorov-Smirnov).
BY_CHANCE = 2.0

#: What models reach that learned nothing.
GUESS = {"AUC": 0.5, "R2": 0.0}

#: A grade, and why it is no better.
_Reason = tuple[str, str]


@dataclass(frozen=True)
class VerdictFigure:
    """One of the three numbers at the top.

    Attributes
    ----------
    name : str
        "fidelity", "privacy" or "utility".
    figure : Estimate
        Fidelity: the quality, 1 is ideal. Privacy: how far the worst figure lies beyond its ideal,
        0 is ideal and more is worse, with or without a hold-out. Utility: the score of models that
        learned from synthetic rows minus that from real ones, 0 is ideal.
    grade : str
        The worst of all that was measured, by the bad end of each interval: "good", "fair", "poor",
        "unproven" where too few rows, or rows that were seen, leave it open, or "unknown" where
        nothing was measured.
    says : str
        What the number is, in one sentence.
    reasons : tuple of str
        Why the grade is no better, worst first; empty for a good one.
    answer : str
        The grade in words, in one line.
    """

    name: str
    figure: Estimate
    grade: str
    says: str
    reasons: tuple[str, ...] = ()
    answer: str = ""


@dataclass(frozen=True)
class Verdict:
    """The answer in words and three numbers.

    Attributes
    ----------
    headline : str
        One sentence.
    figures : tuple of VerdictFigure
        Fidelity, privacy, utility.
    """

    headline: str
    figures: tuple[VerdictFigure, ...]


_WORDS = {
    "fidelity": {
        "good": "keeps the structure of the real one",
        "fair": "keeps most of the structure of the real one",
        "poor": "misses much of the structure of the real one",
        "unknown": "could not be compared with the real one",
    },
    "privacy": {
        "good": "no figure finds its rows nearer to the real rows than unseen rows are",
        "fair": "no figure finds its rows much nearer to the real rows than unseen rows are",
        "poor": "it gives real rows away, so treat it like the real table",
        "unproven": "whether it gives real rows away cannot be told from these",
        "unknown": "how near its rows are to the real ones could not be measured",
    },
    "utility": {
        "good": "models learn from it as well as from real rows, or nearly",
        "fair": "models may learn a little less from it than from real rows",
        "poor": "models learn clearly less from it than from real rows",
        "unproven": "what models learn from it cannot be told from these rows",
        "unknown": "what models learn from it was not measured",
    },
}

_NOT_WITHOUT_UNSEEN = (
    "whether it gives real rows away cannot be told without rows that its generator never saw"
)


def judge(fidelity: Fidelity, privacy: Privacy, utility: Utility | None) -> Verdict:
    """Grade what was measured."""
    figures: tuple[VerdictFigure, ...] = (
        _fidelity_figure(fidelity),
        _privacy_figure(privacy),
        _utility_figure(utility, privacy.holdout_is == "split" or privacy.tainted),
    )
    words = [_WORDS[figure.name][figure.grade] for figure in figures]
    if privacy.holdout_is == "split" and figures[1].grade == "unproven":
        words[1] = _NOT_WITHOUT_UNSEEN
    broken = sum(rule.is_broken for rule in fidelity.rules)
    if broken:
        words[0] += f" but breaks {broken} of {len(fidelity.rules)} rules between its columns"
    figures = tuple(replace(one, answer=said) for one, said in zip(figures, words, strict=True))
    return Verdict(f"The synthetic table {words[0]}; {words[1]}; {words[2]}.", figures)


def _with_reasons(name: str, figure: Estimate, says: str, reasons: list[_Reason]) -> VerdictFigure:
    """Return a figure with the worst of the grades, and reasons for it, worst first."""
    reasons.sort(key=lambda one: -GRADES.index(one[0]))
    why = tuple(text for grade, text in reasons if text and grade not in {"good", "unknown"})
    return VerdictFigure(name, figure, worst_of(grade for grade, _ in reasons), says, why)


def _fidelity_figure(found: Fidelity) -> VerdictFigure:
    quality = found.quality
    short = 1 - quality
    said = f"Quality is {quality:.3f}."
    if not math.isnan(found.quality_by_chance):  # of so few rows, no fresh ones reach 1
        short -= 1 - found.quality_by_chance
        said = (
            f"Quality is {quality:.3f}, where fresh rows would have {found.quality_by_chance:.3f}."
        )
    reasons = [(graded(Estimate(short), QUALITY_LIMITS), said)]
    if found.two_sample is not None:
        area = found.two_sample.auc
        says = f"A model tells synthetic from real rows with an AUC of {area}."
        reasons.append((_by_value(area.high, TWO_SAMPLE_LIMITS), says))
    reasons += _lost_associations(found)
    single = [one for one in (most_changed(found), least_similar(found)) if one is not None]
    reasons += [(one.grade, one.says) for one in single]
    for rule in found.rules:
        if rule.is_broken:
            reasons.append(("fair", rule.says))
    if found.order is not None and found.order.is_lost:
        reasons.append(("poor", found.order.says))
    if found.panel:
        reasons.append(("poor", found.panel))
    says = "Mean similarity of columns and of pairs of columns to the real ones; 1 = identical."
    return _with_reasons("fidelity", Estimate(quality), says, reasons)


def _by_value(value: float, limits: tuple[float, float]) -> str:
    """Grade a figure by its bad end alone: it is poor as soon as that is."""
    if math.isnan(value):
        return "unknown"
    return "good" if value <= limits[0] else "fair" if value <= limits[1] else "poor"


def _lost_associations(found: Fidelity) -> Iterator[_Reason]:
    """Grade what became of associations that are no chance in the real table."""
    table, sure = found.association, SURE / math.sqrt(max(min(found.rows), 1))
    strong = []
    for i in range(len(table.names)):
        for j in range(i):
            real, made = table.real[i][j], table.synthetic[i][j]
            if abs(real) >= max(ASSOCIATED, sure):  # a synthetic column may be constant
                kept = 0.0 if math.isnan(made) else max(made * math.copysign(1.0, real), 0.0)
                strong.append((min(kept / abs(real), 1.0), abs(real)))
    if not strong:
        return
    lost = sum((1 - share) * real for share, real in strong) / sum(real for _, real in strong)
    yield (
        _by_value(lost, LOST_LIMITS),
        f"Associations between columns lost {100 * lost:.0f} % of their strength.",
    )


class Changed(NamedTuple):
    """An association, and what became of it."""

    grade: str
    first: str
    second: str
    says: str


def most_changed(found: Fidelity) -> Changed | None:
    """Return the association that changed most, those first that keep a grade down."""
    table, sure = found.association, SURE / math.sqrt(max(min(found.rows), 1))
    held = []
    for i, first in enumerate(table.names):
        for j in range(i):
            real, made = table.real[i][j], table.synthetic[i][j]
            made = 0.0 if math.isnan(made) else made  # a synthetic column may be constant
            strength = max(abs(real), abs(made))
            if strength >= max(ASSOCIATED, sure):
                counts = strength >= ONE_ASSOCIATED and abs(made - real) > CHANGED
                held.append((counts, abs(made - real), first, table.names[j], real, made))
    if not held:
        return None
    counts, change, first, second, real, made = max(held)
    says = (
        f"The association that changed most is that of {first} and {second}: {real:.2f} in the "
        f"real rows, {made:.2f} in the synthetic ones."
    )
    return Changed("fair" if counts else "good", first, second, says) if change else None


class LeastSimilar(NamedTuple):
    """The column that is least like the real one."""

    grade: str
    says: str
    advice: str


def least_similar(found: Fidelity) -> LeastSimilar | None:
    """Return it, graded by what is beyond chance."""
    known = [one for one in found.columns if math.isfinite(one.score)]
    if not known:
        return None
    worst = min(known, key=_similarity)
    chance = BY_CHANCE * math.sqrt(sum(1 / max(one, 1) for one in found.rows))
    grade = "good" if 1 - _similarity(worst) <= max(DIFFERS, chance) else "fair"
    says = f"The least similar column is {worst.name}, with {worst.score:.3f} (1 = identical)."
    if worst.missing_score < worst.score:
        real, made = worst.missing
        says = (
            f"The least similar column is {worst.name}: {real:.1%} of its real cells are missing, "
            f"{made:.1%} of the synthetic ones."
        )
    advice = f"What to do: rely on other data for questions about {worst.name}."
    return LeastSimilar(grade, says, "" if grade == "good" else advice)


def _similarity(column: ColumnFidelity) -> float:
    """Return how like the real one a column is, in its values and in what it lacks."""
    return min(column.score, 1.0 if math.isnan(column.missing_score) else column.missing_score)


def _privacy_figure(found: Privacy) -> VerdictFigure:
    figures = graded_privacy_figures(found)
    reasons = [(one.grade, _why(one)) for one in figures]
    if found.tainted:
        reasons.append(("unproven", "The hold-out holds training rows, or rows of their entities."))
    elif found.holdout_is == "split":
        reasons.append(
            (
                "unproven",
                "No hold-out was given, so no attack was run. Give one (--holdout), or make the "
                "table with vicinal table --report, which audits with rows kept aside.",
            )
        )
    if not figures:
        return _with_reasons("privacy", Estimate(math.nan), "No figure was measured.", reasons)
    worst = figures[0]
    says = (
        f"How far the worst of {len(figures)} figures, {worst.name}, lies beyond its ideal; 0 is "
        "ideal, more is worse."
    )
    return _with_reasons("privacy", worst.excess, says, reasons)


def graded_privacy_figures(found: Privacy) -> list[PrivacyFigure]:
    """Return the figures of privacy that prove something, the worst first."""
    known = (one for one in found.figures if one.grade != "unknown")
    return sorted(known, key=_severity, reverse=True)


def _severity(one: PrivacyFigure) -> tuple[int, float]:
    excess = one.excess
    return GRADES.index(one.grade), excess.value if math.isnan(excess.high) else excess.high


def _why(one: PrivacyFigure) -> str:
    if one.reversed:
        return (
            f"{one.name} {one.text}: closer to the hold-out than chance allows. Are the arguments "
            "swapped?"
        )
    few = ""
    if one.grade == "unproven" and one.limits is not None:
        what = "fair from poor" if one.excess.low > one.limits[0] else "good from poor"
        few = f"; too few rows to tell {what}"
    return f"{one.name}: {one.text}{few}."


def _utility_figure(found: Utility | None, seen: bool) -> VerdictFigure:
    if found is None:
        return VerdictFigure("utility", Estimate(math.nan), "unknown", "Name a target.")
    metric, gap = found.metric, found.gap()
    lost = Estimate(-gap.value, -gap.high, -gap.low)
    reasons = [(graded(lost, GAP_LIMITS), f"Synthetic minus real {metric}: {gap}.")]
    real = found.score("real").figure
    if real.value <= GUESS[metric]:
        reasons = [
            (
                "unproven",
                f"Trained on real rows, models do no better than guessing ({metric} "
                f"{real.value:.3f}).",
            )
        ]
    elif seen:  # a copy of the tested rows would do as well
        reasons.append(("unproven", "The generator may have seen the tested rows."))
    if found.leaked:
        names = ", ".join(found.leaked)
        reasons.append(
            ("unproven", f"One column alone predicts {found.target} without a fault: {names}.")
        )
    says = (
        f"{metric} of boosted trees trained on synthetic rows, minus the score of real rows; 0 is "
        "ideal."
    )
    return _with_reasons("utility", gap, says, reasons)
