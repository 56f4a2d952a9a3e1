"""The part of a report's page that shows fidelity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from vicinal.page.format import Grid, amount, estimate, number, share, short
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.page.times import moment_of, seconds_per_unit
from vicinal.report.page.associations import NAMED, heat_map, scale_bar
from vicinal.report.page.distributions import marginal_chart
from vicinal.report.page.moments import MomentDot, moment_panel, moment_strip

if TYPE_CHECKING:
    from vicinal.report.fidelity import ColumnFidelity, Fidelity, Moment, Moments, TwoSample

__all__ = ["association_part", "columns_part", "moments_part", "two_sample_part"]

#: Columns that get a picture of their own; tables have more.
SHOWN = 40
#: With more columns than this, pictures of columns do without hints.
HINTED = 24

_KINDS = ("mean", "variance", "covariance", "skewness", "kurtosis")


def _worst_first(items: Iterable[Any], score: Callable[[Any], float]) -> list[Any]:
    return sorted(items, key=lambda one: score(one) if math.isfinite(score(one)) else 2.0)


def columns_part(fidelity: Fidelity) -> dict[str, Any]:
    """Return the pictures of columns, worst first, and their table."""
    ordered = _worst_first(fidelity.columns, lambda one: float(one.score))
    drawn = [one for one in ordered if one.marginal is not None][:SHOWN]
    hints = len(drawn) <= HINTED
    cards = []
    for at, column in enumerate(drawn):
        gone = ""
        if max(column.missing) > 0:
            gone = f"{number(100 * column.missing[0], 1)} → {share(column.missing[1])} missing"
        chart = marginal_chart(f"column-{at}", column.name, column.marginal, hints=hints)
        cards.append(
            {
                "name": column.name,
                "short": short(column.name, 24),
                "kind": column.kind,
                "score": number(column.score),
                "missing": gone,
                "chart": chart,
            }
        )
    rows = [
        (
            one.name,
            one.kind,
            number(one.score),
            number(one.coverage),
            *(share(part) for part in one.missing),
            *(_in_unit(part, one) for part in one.mean),
            *(_in_unit(part, one, std=True) for part in one.std),
        )
        for one in ordered
    ]
    head = (
        "column",
        "kind",
        "similarity",
        "coverage",
        "missing, real",
        "missing, synthetic",
        "mean, real",
        "mean, synthetic",
        "standard deviation, real",
        "standard deviation, synthetic",
    )
    return {
        "score": number(fidelity.score),
        "cards": cards,
        "undrawn": len(ordered) - len(cards),
        "grid": Grid.folded("Every column", head, rows, words=(0, 1)),
    }


def _in_unit(value: float, column: ColumnFidelity, *, std: bool = False) -> str:
    unit = column.marginal.unit if column.marginal is not None else ""
    if std and unit:
        return moment_of(value * seconds_per_unit(unit), "duration[s]")
    return moment_of(value, unit)


def association_part(fidelity: Fidelity) -> dict[str, Any] | None:
    """Return the maps of associations; None with fewer than two columns."""
    found = fidelity.association
    size = len(found.names)
    if size < 2:
        return None
    gaps = [
        [made - real for made, real in zip(ours, theirs, strict=True)]
        for ours, theirs in zip(found.synthetic, found.real, strict=True)
    ]
    known = [
        (abs(gaps[i][j]), i, j) for i in range(size) for j in range(i) if math.isfinite(gaps[i][j])
    ]
    worst = max(known, default=None)
    # a scale that a small difference can be seen on, and that no difference goes beyond
    reach = max(0.1, math.ceil(10 * worst[0] - 1e-9) / 10) if worst else 1.0
    named = size <= NAMED
    rows = [
        (
            f"{one.first} and {one.second}",
            one.measure,
            number(one.real),
            number(one.synthetic),
            number(one.score),
            "yes" if one.counted else "",
        )
        for one in _worst_first(fidelity.pairs, lambda one: float(one.score))
    ]
    said = ""
    if worst is not None:
        _, i, j = worst
        names = " and ".join(short(found.names[at], 40) for at in (i, j))
        said = (
            f"The largest difference is {number(gaps[i][j], 2)}, between {names}: "
            f"{number(found.real[i][j], 2)} in the real table, "
            f"{number(found.synthetic[i][j], 2)} in the synthetic one."
        )
    return {
        "named": named,
        "real": heat_map("map-real", "Real", found.names, found.real, named=named),
        "made": heat_map("map-made", "Synthetic", found.names, found.synthetic, named=named),
        "gap": heat_map("map-gap", "Difference", found.names, gaps, reach=reach, large=not named),
        "bar": scale_bar("bar-one", 1.0),
        "gap_bar": scale_bar("bar-gap", reach),
        "largest": said,
        "left_out": found.left_out,
        "size": size,
        "score": number(fidelity.pair_score),
        "scored": math.isfinite(fidelity.pair_score),
        "grid": Grid.folded(
            "Every pair of columns, worst first",
            ("pair", "measure", "real", "synthetic", "similarity", "counted"),
            rows,
            words=(0, 1, 5),
        ),
    }


def moments_part(moments: Moments) -> dict[str, Any] | None:
    """Return the pictures of moments; None without numeric columns."""
    if not moments.figures:
        return None
    there = _dots(moments)
    known = [one for one in moments.figures if math.isfinite(one.error)]
    against = "predicted" if moments.predicts else "real"
    panels = [
        {
            "name": f"{kind[:1].upper()}{kind[1:]}",
            "scale": _SCALES.get(kind, ""),
            "chart": moment_panel(
                f"moments-{kind}",
                f"Measured {kind}, against {against}",
                dots,
                bent=kind in {"mean", "skewness", "kurtosis"},
                across=against,
            ),
        }
        for kind, dots in there
    ]
    rows = [
        (
            one.name,
            amount(one.real),
            amount(one.predicted),
            amount(one.synthetic),
            amount(one.error),
            "yes" if one.flagged else "",
        )
        for one in sorted(moments.figures, key=lambda one: not one.flagged)
    ]
    return {
        "law": moments.law,
        "predicted": moments.predicts,
        "left_out": moments.left_out,
        "against": against,
        "strip": moment_strip("moment-strip", "Moments in standard errors", there),
        "panels": panels,
        "flagged": len(moments.flagged),
        "count": len(known),
        "unsure": len(moments.figures) - len(known),
        "grid": Grid.folded(
            "Every moment, those that differ first",
            ("moment", "real", "predicted", "synthetic", "standard error", "differs"),
            rows,
            words=(0, 5),
        ),
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


_SCALES = {
    "mean": "in standard deviations",
    "variance": "the real one is 1",
    "covariance": "as a correlation",
}


def _unit(moment: Moment, deviations: dict[str, float]) -> float:
    """Return what to divide by, so that columns of any size share a picture."""
    known = [deviations.get(name, math.nan) for name in moment.columns]
    if moment.kind == "mean":
        return known[0]
    if moment.kind == "variance":
        return known[0] * known[0]
    if moment.kind == "covariance":
        return known[0] * known[1]
    return 1.0


def two_sample_part(found: TwoSample | None) -> dict[str, Any] | None:
    """Return how well a model tells the tables apart; None where it was not measured."""
    from vicinal.report.fidelity.twosample import FOLLOWS

    if found is None or not math.isfinite(found.auc.value):
        return None
    row = IntervalRow("", "AUC", found.auc)
    low = min(0.5, found.auc.value, found.auc.low if math.isfinite(found.auc.low) else 0.5)
    low = 0.5 if low == 0.5 else math.floor(10 * low) / 10
    return {
        "chart": interval_rows(
            "two-sample",
            "Telling synthetic from real",
            [row],
            low=low,
            high=1.0,
            marks=((0.5, "cannot be told apart"), (1.0, "always told apart")),
        ),
        "rows": found.rows,
        "figure": estimate(found.auc),
        "follows": FOLLOWS if found.follows else "",
    }
