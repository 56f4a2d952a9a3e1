"""What a reader should know of a report first: at most six sentences, each with its figure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from vicinal.report.grades import GRADES
from vicinal.report.verdict import graded_privacy_figures, least_similar, most_changed

if TYPE_CHECKING:
    from vicinal.report.evaluation import Report

#: Sentences, the one on what to do included.
MOST = 6

#: What to do about figures that are open, and about models that learn less.
MORE_ROWS = "What to do: measure with more rows, which may settle what these leave open."
POORLY_LEARNED = (
    "What to do: train models on real rows, or make the table anew with another setting."
)


class Finding(NamedTuple):
    """One sentence of a report, its grade, and what to do about it."""

    grade: str
    says: str
    section: str  # of the page: "associations", "privacy", "rules", "utility" or "columns"
    advice: str = ""  # empty where nothing need be done


def as_text(found: tuple[Finding, ...]) -> str:
    """Return findings as lines, each after its grade."""
    return "\n".join(f"{one.grade:<9} {one.says}" for one in found)


def findings(report: Report) -> tuple[Finding, ...]:
    """Return what was found, the worst first, and what to do last."""
    found = [
        *_rows_in_time(report),
        *_leaks(report),
        *_worst_attack(report),
        *_rules(report),
        *_worst_association(report),
        *_utility(report),
        *_worst_column(report),
    ][: MOST - 1]
    found.sort(key=lambda one: -GRADES.index(one.grade))
    advice = next((one.advice for one in found if one.advice), "")
    if not advice:
        advice = "What to do: nothing found asks for a change; keep this report with the table."
    return (*found, Finding("", advice, ""))


def _rows_in_time(report: Report) -> Iterator[Finding]:
    fidelity = report.fidelity
    if fidelity.panel:
        said = fidelity.panel.partition(". ")[0]
        lost = "they were mixed one by one, and their course over time is lost."
        advice = "What to do: make the table anew with entity and time named, which keeps courses."
        yield Finding("poor", f"{said}; {lost}", "associations", advice)
    elif fidelity.order is not None and fidelity.order.is_lost:
        one = fidelity.order
        said = (
            f"Rows are a time series by {one.time} but were mixed one by one: the correlation of "
            f"{one.column} with the row before it fell from {one.real:.2f} to {one.synthetic:.2f}."
        )
        advice = f"What to do: make the table anew with time {one.time}, which mixes whole courses."
        yield Finding("poor", said, "associations", advice)


def _leaks(report: Report) -> Iterator[Finding]:
    utility = report.utility
    if utility is not None and utility.leaked:
        names = ", ".join(utility.leaked[:3])
        said = (
            f"{names} alone predict{'s' if len(utility.leaked) == 1 else ''} {utility.target} "
            "without a fault, so utility says nothing."
        )
        advice = f"What to do: measure again without {names}, or name another target."
        yield Finding("unproven", said, "utility", advice)


def _worst_attack(report: Report) -> Iterator[Finding]:
    figures = graded_privacy_figures(report.privacy)
    if not figures:
        return
    worst, grade = figures[0], _grade_of(report, "privacy")
    said = f"The worst of {len(figures)} privacy figures is {worst.name}: {worst.text}."
    advice = ""
    if grade == "poor":
        advice = "What to do: do not hand this table on; make it anew with more privacy."
    elif report.privacy.holdout_is == "split":
        advice = "What to do: give a hold-out, without which attacks and utility prove nothing."
    elif report.privacy.tainted:
        advice = "What to do: measure with a hold-out of rows and entities that were not learned."
    elif grade == "unproven":
        advice = MORE_ROWS
    yield Finding(grade, said, "privacy", advice)


def _grade_of(report: Report, name: str) -> str:
    return next(one.grade for one in report.verdict.figures if one.name == name)


def _rules(report: Report) -> Iterator[Finding]:
    rules = report.fidelity.rules
    broken = [one for one in rules if one.is_broken]
    if broken:
        worst = max(broken, key=lambda one: one.synthetic.value)
        said = (
            f"{len(broken)} of {len(rules)} rules between columns are broken, most often "
            f"{worst.text}, by {worst.synthetic.value:.1%} of the synthetic rows."
        )
        advice = f"What to do: name the broken rules, such as {worst.text}, when making the table."
        yield Finding("fair", said, "rules", advice)
    elif rules:
        count = f"all {len(rules)} rules that hold" if len(rules) > 1 else "the one rule that holds"
        said = f"Synthetic rows keep {count} between real columns."
        yield Finding("good", said, "rules")


def _worst_association(report: Report) -> Iterator[Finding]:
    worst = most_changed(report.fidelity)
    if worst is not None:
        pair = f"{worst.first} and {worst.second}"
        advice = f"What to do: rely on other data for questions about {pair} together."
        yield Finding(
            worst.grade, worst.says, "associations", "" if worst.grade == "good" else advice
        )


def _utility(report: Report) -> Iterator[Finding]:
    utility = report.utility
    if utility is None or utility.leaked:
        return
    real, made = (utility.score(source).figure.value for source in ("real", "synthetic"))
    grade = _grade_of(report, "utility")
    said = (
        f"Models trained on synthetic rows predict {utility.target} with {utility.metric} "
        f"{made:.3f}, against {real:.3f} of those trained on real rows."
    )
    advice = {"unproven": MORE_ROWS, "poor": POORLY_LEARNED}.get(grade, "")
    if math.isfinite(real + made):
        yield Finding(grade, said, "utility", advice)


def _worst_column(report: Report) -> Iterator[Finding]:
    worst = least_similar(report.fidelity)
    if worst is not None:
        yield Finding(worst.grade, worst.says, "columns", worst.advice)
