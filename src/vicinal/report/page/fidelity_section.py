"""The part of a report's page that shows fidelity."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vicinal.page.format import NONE, Grid, amount, estimate, number, share, short
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.report.page.associations import (
    NAMED,
    by_association,
    heat_map,
    pair_picture,
    scale_bar,
)
from vicinal.report.page.distributions import marginal_chart
from vicinal.report.page.moments import MomentDot, moment_strip

if TYPE_CHECKING:
    from vicinal.page.svg import Markup
    from vicinal.report.fidelity.columns import ColumnFidelity
    from vicinal.report.fidelity.measure import Fidelity
    from vicinal.report.fidelity.moments import Moments
    from vicinal.report.fidelity.pairs import Association
    from vicinal.report.fidelity.twosample import TwoSample
    from vicinal.report.utility.measure import Utility

#: Columns that get a picture of their own; tables have more.
SHOWN = 40
#: With more columns than this, pictures of columns do without hints.
HINTED = 24

#: Kinds of moments, in their order.
_KINDS = ("mean", "variance", "covariance", "skewness", "kurtosis")
#: Columns and pairs that are listed; JSON has them all.
LISTED = 300


def _worst_first(items: Iterable[Any]) -> list[Any]:
    return sorted(items, key=lambda one: one.score if math.isfinite(one.score) else 2.0)


def columns_part(fidelity: Fidelity) -> dict[str, Any]:
    """Return what there is to tell of each column, worst first."""
    ordered = _worst_first(fidelity.columns)
    drawn = [one for one in ordered if one.marginal is not None][:SHOWN]
    hints = len(drawn) <= HINTED
    keys = {one.name: f"column-{at}" for at, one in enumerate(drawn)}
    places = {one.name: at for at, one in enumerate(fidelity.columns)}
    cards = []
    for one in ordered[:LISTED]:
        key, chart = keys.get(one.name), None
        if key is not None and one.marginal is not None:
            chart = marginal_chart(key, one.name, one.marginal, hints=hints)
        rules = [rule for rule in fidelity.rules if one.name in rule.columns]
        cards.append(
            {
                "column": one,
                "place": places[one.name],
                "chart": chart,
                "figures": _figures(one),
                "rules": [
                    rule.text + (f" (broken by {share(rule.synthetic.value)})" * rule.is_broken)
                    for rule in rules
                ],
                "pairs": _worst_pairs(one.name, fidelity),
            }
        )
    return {"cards": cards, "left_out": len(ordered) - len(cards)}


def _figures(one: ColumnFidelity) -> list[tuple[str, ...]]:
    """Return what is written of a column besides its picture: names, real and synthetic figures."""
    found: list[tuple[str, ...]] = []
    if math.isfinite(one.mean[0]):
        found.append(("mean", *map(one.said, one.mean)))
        apart = (one.said(side, distance=True) for side in one.std)
        found.append(("standard deviation", *apart))
    for level, *sides in one.quantiles:
        name = "median" if level == 0.5 else f"{share(level, 0)} lie below"
        found.append((name, *map(one.said, sides)))
    marginal = one.marginal
    if marginal is not None and marginal.labels:
        rows = zip(marginal.labels, marginal.real, marginal.synthetic, strict=True)
        found += [(short(level, 40), share(real), share(made)) for level, real, made in rows]
    if one.rare is not None:
        count = f"{one.rare.n_rare:,} rare categories (each under 1 %)"
        found.append((count, share(one.rare.real), share(one.rare.synthetic)))
        found.append(("of these turn up", f"{one.rare.n_rare:,}", f"{one.rare.n_kept:,}"))
    if max(one.missing) > 0:
        found.append(("missing", *map(share, one.missing)))
    return found


def _worst_pairs(name: str, fidelity: Fidelity) -> list[dict[str, str]]:
    """Return the three other columns with which the association changed most."""
    table = fidelity.association
    if name not in table.names:
        return []
    at = table.names.index(name)
    known = [
        (abs(made - real), other, real, made)
        for other, real, made in zip(table.names, table.real[at], table.synthetic[at], strict=True)
        if other != name and math.isfinite(made - real)
    ]
    links = pair_links(fidelity)
    return [
        {
            "other": other,
            "figures": f"{number(real, 2)} → {number(made, 2)}",
            "link": links.get((name, other), ""),
        }
        for _, other, real, made in sorted(known, reverse=True)[:3]
    ]


def pair_links(fidelity: Fidelity) -> dict[tuple[str, str], str]:
    """Return where on the page the picture of a pair is, in either order of its columns."""
    found = {}
    for at, one in enumerate(fidelity.cells):
        found[one.first, one.second] = found[one.second, one.first] = f"#pair-{at}"
    return found


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
    """Return the maps of associations and the pairs; None with fewer than two columns."""
    table = fidelity.association
    if len(table.names) < 2:
        return None
    order = by_association(table.real)
    names = [table.names[at] for at in order]
    real, made = ([[side[i][j] for j in order] for i in order] for side in _sides(table))
    size = range(len(names))
    both = [[(real if j < i else made)[i][j] for j in size] for i in size]
    gaps = [[made[i][j] - real[i][j] for j in size] for i in size]
    known = [abs(gaps[i][j]) for i in size for j in range(i) if math.isfinite(gaps[i][j])]
    # a scale that a small difference can be seen on, and that no difference goes beyond
    reach = max(0.1, math.ceil(10 * max(known) - 1e-9) / 10) if known else 1.0
    named, links = len(names) <= NAMED, pair_links(fidelity)
    return {
        "named": named,
        "both": heat_map("map-both", "Real and synthetic", names, both, links=links),
        "gap": heat_map("map-gap", "Difference", names, gaps, reach=reach, links=links),
        "bar": scale_bar("bar-one", 1.0, named=named),
        "gap_bar": scale_bar("bar-gap", reach, named=named),
        "left_out": fidelity.association.left_out,
        "size": len(names),
        "pairs": _pairs(fidelity),
        "grid": _pair_grid(fidelity),
    }


def _pair_grid(fidelity: Fidelity) -> Grid:
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
    return Grid("Every pair of columns, worst first", rows, (0, 1, 5))


def _sides(table: Association) -> tuple[Any, Any]:
    return table.real, table.synthetic


def _pairs(fidelity: Fidelity) -> list[dict[str, Any]]:
    """Return the pairs that have a picture, those that differ most first."""
    table, pictures = fidelity.association, {one.name: one.marginal for one in fidelity.columns}
    place = {name: at for at, name in enumerate(table.names)}
    found = []
    for at, one in enumerate(fidelity.cells):
        across, down = pictures[one.second], pictures[one.first]
        if across is None or down is None or not {one.first, one.second} <= set(place):
            continue
        i, j = place[one.first], place[one.second]
        real, made = table.real[i][j], table.synthetic[i][j]
        found.append(
            {
                "key": f"pair-{at}",
                "names": (one.first, one.second),
                "real": number(real, 2),
                "made": number(made, 2),
                "gap": made - real,
                "chart": pair_picture(f"cells-{at}", one, across, down),
            }
        )
    return sorted(found, key=lambda one: -abs(one["gap"]) if math.isfinite(one["gap"]) else 1.0)


def groups_grid(fidelity: Fidelity, utility: Utility | None) -> Grid | None:
    """Return the figures of groups as a table; None where none were asked for."""
    tested = {one.group: one for one in utility.groups} if utility is not None else {}
    rows = [
        {
            one.column: short(one.level, 40),
            "real rows": f"{one.rows[0]:,}",
            "synthetic rows": f"{one.rows[1]:,}",
            "similarity": number(one.score),
            "least similar column": one.worst,
        }
        | (_group_utility(tested.get(one.level), utility) if utility and tested else {})
        for one in fidelity.groups
    ]
    return Grid("Within groups", rows, (0, 4)) if rows else None


def _group_utility(found: Utility | None, whole: Utility) -> dict[str, str]:
    """Return what boosted trees reach within a group; dashes where it was not tested."""
    figures = [NONE] * 4
    if found is not None:
        sides = [number(found.score(name).figure.value) for name in ("real", "synthetic")]
        figures = [f"{found.test_rows:,}", *sides, estimate(found.gap())]
    trained = [f"{whole.metric}, {name}" for name in ("real", "synthetic")]
    names = ("hold-out rows", *trained, "difference")
    return dict(zip(names, figures, strict=True))


def moments_part(fidelity: Fidelity) -> dict[str, Any] | None:
    """Return the pictures of moments; None without numeric columns."""
    moments = fidelity.moments
    if not moments.figures:
        return None
    dated = {one.name: one for one in fidelity.columns if one.unit}
    rows = []
    for one in sorted(moments.figures, key=lambda one: not one.flagged):
        column = dated.get(one.columns[0]) if one.kind == "mean" else None
        said = amount if column is None else column.said
        error = amount(one.error) if column is None else column.said(one.error, distance=True)
        rows.append({
            "moment": one.name,
            "real": said(one.real),
            "predicted": said(one.predicted),
            "synthetic": said(one.synthetic),
            "standard error": error,
            "differs": "yes" if one.flagged else "",
        })  # fmt: skip
    return {
        "found": moments,
        "strip": moment_strip("moment-strip", "Moments in standard errors", _dots(moments)),
        "count": sum(math.isfinite(one.error) for one in moments.figures),
        "grid": Grid("Every moment, those that differ first", rows, (0, 5)),
    }


def _dots(moments: Moments) -> list[tuple[str, list[MomentDot]]]:
    """Return the moments by kind, and how far each lies from what is expected."""
    kinds: dict[str, list[MomentDot]] = {kind: [] for kind in _KINDS}
    for one in moments.figures:
        wanted = one.predicted if math.isfinite(one.predicted) else one.real
        errors = (one.synthetic - wanted) / one.error if one.error > 0 else math.nan
        kinds[one.kind].append(MomentDot(one.name, errors, one.flagged))
    return [(kind, dots) for kind, dots in kinds.items() if dots]


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
