"""The part of a report's page that shows fidelity."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vicinal.page.format import Grid, amount, number, share, short
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.page.times import moment_of, seconds_per_unit
from vicinal.report.page.associations import NAMED, heat_map, scale_bar
from vicinal.report.page.distributions import marginal_chart
from vicinal.report.page.moments import MomentDot, moment_panel, moment_strip

if TYPE_CHECKING:
    from vicinal.page.svg import Markup
    from vicinal.report.fidelity.columns import ColumnFidelity
    from vicinal.report.fidelity.measure import Fidelity
    from vicinal.report.fidelity.moments import Moment, Moments
    from vicinal.report.fidelity.twosample import TwoSample

#: Columns that get a picture of their own; tables have more.
SHOWN = 40
#: With more columns than this, pictures of columns do without hints.
HINTED = 24

#: Kinds of moments, and the unit in which columns of any size share a picture.
_KINDS = {
    "mean": "in standard deviations",
    "variance": "the real one is 1",
    "covariance": "as a correlation",
    "skewness": "",
    "kurtosis": "",
}


def _worst_first(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=lambda one: one.score if math.isfinite(one.score) else 2.0)


def columns_part(fidelity: Fidelity) -> dict[str, Any]:
    """Return the pictures of columns, worst first, and their table."""
    ordered = _worst_first(fidelity.columns)
    drawn = [one for one in ordered if one.marginal is not None][:SHOWN]
    hints = len(drawn) <= HINTED
    rows = [
        {
            "column": one.name,
            "kind": one.kind,
            "similarity": number(one.score),
            "coverage": number(one.coverage),
            "missing, real": share(one.missing[0]),
            "missing, synthetic": share(one.missing[1]),
            "mean, real": _in_unit(one.mean[0], one),
            "mean, synthetic": _in_unit(one.mean[1], one),
            "standard deviation, real": _in_unit(one.std[0], one, std=True),
            "standard deviation, synthetic": _in_unit(one.std[1], one, std=True),
        }
        for one in ordered
    ]
    return {
        "cards": [
            (one, marginal_chart(f"column-{at}", one.name, one.marginal, hints=hints))
            for at, one in enumerate(drawn)
        ],
        "undrawn": len(ordered) - len(drawn),
        "grid": Grid("Every column", rows, (0, 1)),
    }


def _in_unit(value: float, column: ColumnFidelity, *, std: bool = False) -> str:
    unit = column.marginal.unit if column.marginal is not None else ""
    if std and unit:
        return moment_of(value * seconds_per_unit(unit), "duration[s]")
    return moment_of(value, unit)


def rules_part(fidelity: Fidelity) -> dict[str, Any] | None:
    """Return the rules between columns and which of them are broken; None without rules."""
    if not fidelity.rules:
        return None
    rows = [
        {
            "rule": one.text,
            "kind": one.kind,
            "broken by real rows": share(one.real.value, 2),
            "by synthetic rows": share(one.synthetic.value, 2),
            "synthetic rows": f"{one.count:,}",
        }
        | ({} if math.isnan(one.holdout.value) else {"by hold-out": share(one.holdout.value, 2)})
        for one in fidelity.rules
    ]
    return {
        "count": len(rows),
        "broken": [one.says for one in fidelity.rules if one.is_broken],
        "grid": Grid("Every rule", rows, (0, 1)),
    }


def association_part(fidelity: Fidelity) -> dict[str, Any] | None:
    """Return the maps of associations; None with fewer than two columns."""
    found = fidelity.association
    names, real, made = found.names, found.real, found.synthetic
    if len(names) < 2:
        return None
    size = range(len(names))
    gaps = [[made[i][j] - real[i][j] for j in size] for i in size]
    known = [(abs(gaps[i][j]), i, j) for i in size for j in range(i) if math.isfinite(gaps[i][j])]
    reach, said = 1.0, ""
    if known:
        widest, i, j = max(known)
        # a scale that a small difference can be seen on, and that no difference goes beyond
        reach = max(0.1, math.ceil(10 * widest - 1e-9) / 10)
        said = (
            f"The largest difference is {number(gaps[i][j], 2)}, between "
            f"{short(names[i], 40)} and {short(names[j], 40)}: {number(real[i][j], 2)} in the "
            f"real table, {number(made[i][j], 2)} in the synthetic one."
        )
    named = len(names) <= NAMED
    rows = [
        {
            "pair": f"{one.first} and {one.second}",
            "measure": one.measure,
            "real": number(one.real),
            "synthetic": number(one.synthetic),
            "similarity": number(one.score),
            "counted": "yes" if one.counted else "",
        }
        for one in _worst_first(fidelity.pairs)
    ]
    return {
        "named": named,
        "real": heat_map("map-real", "Real", names, real, named=named),
        "made": heat_map("map-made", "Synthetic", names, made, named=named),
        "gap": heat_map("map-gap", "Difference", names, gaps, reach=reach, large=not named),
        "bar": scale_bar("bar-one", 1.0),
        "gap_bar": scale_bar("bar-gap", reach),
        "largest": said,
        "left_out": found.left_out,
        "size": len(names),
        "grid": Grid("Every pair of columns, worst first", rows, (0, 1, 5)),
    }


def moments_part(moments: Moments) -> dict[str, Any] | None:
    """Return the pictures of moments; None without numeric columns."""
    if not moments.figures:
        return None
    there = _dots(moments)
    against = "predicted" if moments.predicts else "real"
    panels = []
    for kind, dots in there:
        title, bent = (
            f"Measured {kind}, against {against}",
            kind in {"mean", "skewness", "kurtosis"},
        )
        chart = moment_panel(f"moments-{kind}", title, dots, bent=bent, across=against)
        panels.append((f"{kind[0].upper()}{kind[1:]}", _KINDS[kind], chart))
    rows = [
        {
            "moment": one.name,
            "real": amount(one.real),
            "predicted": amount(one.predicted),
            "synthetic": amount(one.synthetic),
            "standard error": amount(one.error),
            "differs": "yes" if one.flagged else "",
        }
        for one in sorted(moments.figures, key=lambda one: not one.flagged)
    ]
    return {
        "found": moments,
        "against": against,
        "strip": moment_strip("moment-strip", "Moments in standard errors", there),
        "panels": panels,
        "count": sum(math.isfinite(one.error) for one in moments.figures),
        "grid": Grid("Every moment, those that differ first", rows, (0, 5)),
    }


def _dots(moments: Moments) -> list[tuple[str, list[MomentDot]]]:
    """Return the moments by kind, in units that can be compared between columns."""
    deviations = {
        one.columns[0]: math.sqrt(one.real)
        for one in moments.figures
        if one.kind == "variance" and one.real > 0
    }
    kinds: dict[str, list[MomentDot]] = {kind: [] for kind in _KINDS}
    for one in moments.figures:
        unit = _unit(one, deviations)
        wanted = one.predicted if math.isfinite(one.predicted) else one.real
        errors = (one.synthetic - wanted) / one.error if one.error > 0 else math.nan
        kinds[one.kind].append(
            MomentDot(one.name, wanted / unit, one.synthetic / unit, errors, one.flagged)
        )
    return [(kind, dots) for kind, dots in kinds.items() if dots]


def _unit(moment: Moment, deviations: dict[str, float]) -> float:
    """Return what to divide by, so that columns of any size share a picture."""
    if moment.kind in {"skewness", "kurtosis"}:
        return 1.0
    first, *second = (deviations.get(name, math.nan) for name in moment.columns)
    return first if moment.kind == "mean" else first * (second[0] if second else first)


def two_sample_chart(found: TwoSample | None) -> Markup | None:
    """Draw how well a model tells the tables apart; None where it was not measured."""
    if found is None or not math.isfinite(found.auc.value):
        return None
    low = min(0.5, *(end for end in (found.auc.value, found.auc.low) if math.isfinite(end)))
    return interval_rows(
        "two-sample",
        "Telling synthetic from real",
        [IntervalRow("", "AUC", found.auc)],
        low=0.5 if low == 0.5 else math.floor(10 * low) / 10,
        high=1.0,
        marks=((0.5, "cannot be told apart"), (1.0, "always told apart")),
    )
