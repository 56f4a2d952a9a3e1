"""What a report's page shows, section by section, ready for its template."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vicinal import __version__
from vicinal.page.format import NONE, Grid, number, short
from vicinal.page.frame import Page
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.report.fidelity.twosample import FOLLOWS
from vicinal.report.page import TEMPLATES
from vicinal.report.page.curves import distance_curves
from vicinal.report.page.distributions import weight_chart
from vicinal.report.page.fidelity_section import (
    association_part,
    columns_part,
    groups_grid,
    moments_part,
    rules_part,
    two_sample_chart,
)
from vicinal.report.privacy.figures import NO_GUARANTEE
from vicinal.report.rows import REAL_ROWS
from vicinal.report.verdict import graded_privacy_figures

if TYPE_CHECKING:
    from vicinal.page.svg import Markup
    from vicinal.report.evaluation import Report, WeightPicture
    from vicinal.report.privacy.measure import Privacy
    from vicinal.report.rows import ShownRows
    from vicinal.report.utility.measure import Utility


def report_page(report: Report) -> Page:
    """Return what the page is made of."""
    fidelity, utility = report.fidelity, report.utility
    real, made = fidelity.rows
    found = len(fidelity.columns)
    facts = [f"{real:,} real rows", f"{made:,} synthetic rows"]
    facts.append(f"{found:,} column{'' if found == 1 else 's'} compared")
    if report.target is not None:
        facts.append(f"target {report.target}")
    # the page's end says how rows were drawn anyhow
    said = {fidelity.sampled, report.privacy.sampled, utility.sampled if utility else ""}
    values = {
        "title": "Report on a synthetic table",
        "report": report,
        "notes": [one for one in report.notes if one not in said],
        "facts": facts,
        "rules": rules_part(fidelity),
        "columns": columns_part(fidelity),
        "groups": groups_grid(fidelity, utility),
        "association": association_part(fidelity),
        "moments": moments_part(fidelity),
        "two_sample": two_sample_chart(fidelity.two_sample),
        "follows": FOLLOWS,
        "curves": distance_curves(
            "distances", report.privacy.distances, split=report.privacy.holdout_is == "split"
        ),
        "excess": _excess_chart(report.privacy),
        "guarantee": NO_GUARANTEE,
        "rows": None if report.shown_rows is None else _rows(report.shown_rows),
        "utility": None if utility is None else _utility(utility),
        "weights": None if report.weights is None else _weights(report.weights),
        "method": _method(report),
    }
    return Page("report.html.j2", values, TEMPLATES, "report.js")


def _excess_chart(found: Privacy) -> Markup | None:
    """Draw how far each figure that proves something lies beyond its ideal, the worst first."""
    figures = graded_privacy_figures(found)
    rows = [IntervalRow("", one.name, one.excess, one.grade) for one in figures]
    ends = [end for row in rows for end in (row.figure.low, row.figure.value, row.figure.high)]
    known = [one for one in ends if math.isfinite(one)]
    if not known:
        return None
    low, high = (math.floor(10 * min(known)) / 10, math.ceil(10 * max(known)) / 10)
    return interval_rows(
        "excess",
        "How far figures lie beyond their ideal",
        rows,
        low=max(min(low, -0.1), -0.5),
        high=max(high, 0.2),
        marks=((0.0, "ideal"),),
        figures=False,
    )


def _utility(found: Utility) -> dict[str, Any]:
    metrics = dict.fromkeys(one.metric for one in found.scores)
    return {
        "pictures": [
            (_METRICS.get(metric, metric), _utility_chart(f"utility-{at}", metric, found))
            for at, metric in enumerate(metrics)
        ],
        "models": list(dict.fromkeys(one.model for one in found.scores)),
    }


def _utility_chart(key: str, metric: str, found: Utility) -> Markup:
    kinds = {"real": "real", "synthetic": "made"}
    rows = [
        IntervalRow(
            f"{one.model[:1].upper()}{one.model[1:]}, trained on",
            one.trained_on,
            one.figure,
            kinds.get(one.trained_on, "both"),
        )
        for one in found.scores
        if one.metric == metric
    ]
    origin, marks = 0.0, [(1.0, "perfect")]
    if metric == "AUC":
        origin, marks = 0.5, [(0.5, "guessing"), *marks]
    ends = [one for row in rows for one in (row.figure.value, row.figure.low)]
    lows = [max(math.floor(10 * one) / 10, -1.0) for one in ends if math.isfinite(one)]
    title, low = f"{metric} on unseen rows", min([origin, *lows])
    return interval_rows(key, title, rows, low=low, high=1.0, origin=origin, marks=marks)


def _rows(shown: ShownRows) -> dict[str, Any]:
    def cell(text: str | None) -> str:
        return NONE if text is None else short(text, 60)

    pairs = []
    for at, (distance, (made, real)) in enumerate(zip(shown.distance, shown.nearest, strict=True)):
        rows = [
            {"column": name, "synthetic": cell(a), "real": cell(b), "": "differs" * (a != b)}
            for name, a, b in zip(shown.columns, made, real, strict=True)
        ]
        same = sum(a == b for a, b in zip(made, real, strict=True))
        said = f"Pair {at + 1}: distance {number(distance)}, {same} of {len(rows)} values equal"
        pairs.append(Grid(said, rows, (0, 1, 2, 3)))
    samples = []
    for kind, drawn in (("real", shown.real), ("synthetic", shown.synthetic)):
        rows = [
            {"column": name} | {f"row {at + 1}": cell(row[i]) for at, row in enumerate(drawn)}
            for i, name in enumerate(shown.columns)
        ]
        samples.append(Grid(f"{len(drawn)} {kind} rows, drawn at random", rows, tuple(range(6))))
    return {"pairs": pairs, "samples": samples, "sought": shown.sought, "warning": REAL_ROWS}


_METRICS = {
    "AUC": "AUC: 0.5 is guessing, 1 is perfect",
    "F1": "F1: 1 is perfect",
    "R2": "R²: 0 is guessing the mean, 1 is perfect",
}


def _weights(picture: WeightPicture) -> dict[str, Any]:
    bins = list(zip(picture.edges, picture.edges[1:], picture.shares, strict=False))
    return {
        "chart": weight_chart("weights", picture),
        "beyond": sum(part for left, right, part in bins if not 0 <= (left + right) / 2 <= 1),
    }


_HOLDOUT = {
    "given": "The hold-out was given.",
    "split": "The hold-out is a random half of the real rows.",
}


def _method(report: Report) -> list[tuple[str, str]]:
    fidelity, privacy, utility = report.fidelity, report.privacy, report.utility
    said = []
    if fidelity.sampled:
        said.append(("Rows drawn", fidelity.sampled))
    train, drawn, unseen = privacy.rows
    text = (
        f"{train:,} training, {drawn:,} synthetic and {unseen:,} hold-out rows; neighbors of "
        f"{privacy.compared:,} synthetic rows were sought. {_HOLDOUT[privacy.holdout_is]} "
        f"{privacy.sampled}"
    )
    said.append(("Privacy", text.strip()))
    if privacy.overlap:
        text = f"{privacy.overlap:,} hold-out rows equal a training row in every column."
        said.append(("Overlap", text))
    if utility is not None:
        text = (
            f"Models were trained on {utility.train_rows:,} rows of each table and tested on "
            f"{utility.test_rows:,} hold-out rows. {utility.sampled}"
        )
        said.append(("Utility", text.strip()))
    if report.random_state is not None:
        said.append(("Seed", str(report.random_state)))
    said.append(("Intervals", "Figures in brackets are 95 % intervals."))
    said.append(("Made by", f"vicinal {__version__}. The same input and seed give the same page."))
    return said
