"""The verdict of a report: three numbers, their grades, and one sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vicinal._stats import Estimate
from vicinal.report.fidelity.measure import Fidelity
from vicinal.report.privacy.measure import Privacy
from vicinal.report.utility.measure import Utility

__all__ = ["Verdict", "VerdictFigure", "judge"]

#: From these values on (fidelity, utility gap) or up to them (DCR share) a figure is good or fair.
FIDELITY_GRADES = (0.95, 0.85)
DCR_GRADES = (0.55, 0.65)
GAP_GRADES = (-0.02, -0.05)
#: The same for the authenticity of rows as a share of what unseen rows reach.
AUTHENTIC_GRADES = (0.9, 0.7)
#: More exact copies than unseen rows have by this share of all rows are never good.
COPIES_MARGIN = 0.001

#: What models reach that learned nothing.
GUESS = {"AUC": 0.5, "R2": 0.0}


@dataclass(frozen=True)
class VerdictFigure:
    """One of the three numbers at the top.

    Attributes
    ----------
    name : str
        "fidelity", "privacy" or "utility".
    figure : Estimate
        The number.
    grade : str
        "good", "fair", "poor", "unproven" where it was measured but proves nothing (the hold-out
        rows were seen, or there is nothing to learn), or "unknown" where it was not measured.
    says : str
        What the number is, in one sentence.
    """

    name: str
    figure: Estimate
    grade: str
    says: str


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
        "good": "its rows are about as far from the real rows as unseen rows are",
        "fair": "its rows stay somewhat closer to the real rows than unseen rows do",
        "poor": "its rows stay close to the real rows, so treat it like the real table",
        "unproven": "whether its rows stay close to the real rows cannot be told from these",
        "unknown": "how near its rows are to the real ones could not be measured",
    },
    "utility": {
        "good": "models learn from it as well as from real rows, or nearly",
        "fair": "models learn a little less from it than from real rows",
        "poor": "models learn clearly less from it than from real rows",
        "unproven": "what models learn from it cannot be told from these rows",
        "unknown": "what models learn from it was not measured",
    },
}


def _grade(value: float, steps: tuple[float, float]) -> str:
    if math.isnan(value):
        return "unknown"
    return "good" if value >= steps[0] else "fair" if value >= steps[1] else "poor"


def judge(fidelity: Fidelity, privacy: Privacy, utility: Utility | None) -> Verdict:
    """Grade what was measured."""
    says = "Mean similarity of columns and of pairs of columns to the real ones; 1 = identical."
    quality = fidelity.quality
    figures = (
        VerdictFigure("fidelity", Estimate(quality), _grade(quality, FIDELITY_GRADES), says),
        _privacy_figure(privacy),
        _utility_figure(utility, privacy.holdout_is),
    )
    words = [_WORDS[figure.name][figure.grade] for figure in figures]
    return Verdict(f"The synthetic table {words[0]}; {words[1]}; {words[2]}.", figures)


def _privacy_figure(found: Privacy) -> VerdictFigure:
    more_copies = found.copies[0].value - found.copies[1].value > COPIES_MARGIN
    if found.holdout_is == "given":
        figure = found.dcr_share
        grade = _grade(-figure.value, (-DCR_GRADES[0], -DCR_GRADES[1]))
        says = (
            "DCR share: synthetic rows lie closer to a training row than to an unseen one this "
            "often; 0.5 is ideal."
        )
    else:
        figure = found.authenticity
        baseline = found.authenticity_baseline
        grade = "unproven"  # where every real row has an equal, near rows give nothing away
        if baseline.value != 0:
            grade = _grade(figure.value / baseline.value, AUTHENTIC_GRADES)
        says = (
            "Authenticity: synthetic rows lie farther from their nearest real row than that row "
            f"from its own nearest this often; real rows among themselves {baseline}."
        )
    if more_copies and grade == "good":
        grade = "fair"
    if found.tainted and grade in {"good", "fair"}:
        grade = "unproven"
        says += " The hold-out holds training rows."
    return VerdictFigure("privacy", figure, grade, says)


def _utility_figure(found: Utility | None, holdout_is: str) -> VerdictFigure:
    if found is None:
        return VerdictFigure("utility", Estimate(math.nan), "unknown", "Name a target.")
    metric, gap = found.metric, found.gap()
    grade = _grade(gap.value, GAP_GRADES)
    says = (
        f"{metric} of boosted trees trained on synthetic rows, minus the score of real rows; 0 is "
        "ideal."
    )
    real = found.score("real").figure
    if real.value <= GUESS[metric]:
        grade = "unproven"
        says += f" Trained on real rows they do no better than guessing ({real.value:.3f})."
    elif holdout_is == "split" and grade in {"good", "fair"}:
        grade = "unproven"  # a copy of the tested rows would do as well
        says += " The generator may have seen the tested rows."
    return VerdictFigure("utility", gap, grade, says)
