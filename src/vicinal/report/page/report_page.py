"""What a report's page shows, section by section, ready for its template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vicinal import __version__
from vicinal._stats import Estimate
from vicinal.page.format import Grid, amount, interval, number, share
from vicinal.page.frame import Page
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.report.fidelity.twosample import FOLLOWS
from vicinal.report.page import TEMPLATES
from vicinal.report.page.curves import distance_curves
from vicinal.report.page.distributions import weight_chart
from vicinal.report.page.fidelity_section import (
    association_part,
    columns_part,
    moments_part,
    rules_part,
    two_sample_chart,
)
from vicinal.report.privacy.figures import NO_GUARANTEE

if TYPE_CHECKING:
    from vicinal.page.svg import Markup
    from vicinal.report.evaluation import Report, WeightPicture
    from vicinal.report.privacy.measure import Privacy
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
        "verdict": report.verdict,
        "notes": [one for one in report.notes if one not in said],
        "facts": facts,
        "rules": rules_part(fidelity),
        "columns": columns_part(fidelity),
        "association": association_part(fidelity),
        "moments": moments_part(fidelity.moments),
        "two_sample": two_sample_chart(fidelity.two_sample),
        "follows": FOLLOWS,
        "privacy": _privacy_charts(report.privacy),
        "guarantee": NO_GUARANTEE,
        "utility": None if utility is None else _utility(utility),
        "weights": None if report.weights is None else _weights(report.weights),
        "method": _method(report),
    }
    return Page("report.html.j2", values, TEMPLATES)


def _top(rows: Sequence[IntervalRow], least: float) -> float:
    """Return a little more than the largest figure and end of an interval."""
    ends = [end for row in rows for end in (row.figure.value, row.figure.high)]
    return max([least, *(1.1 * end for end in ends if math.isfinite(end))])


def _privacy_charts(found: Privacy) -> dict[str, Markup]:
    split = found.holdout_is == "split"

    def pair(name: str, ours: Estimate, theirs: Estimate) -> list[IntervalRow]:
        return [
            IntervalRow(name, "synthetic", ours),
            IntervalRow(name, "real" if split else "hold-out", theirs, "real"),
        ]

    attacks = [
        IntervalRow("DCR share", "Gower distance", found.dcr_share),
        IntervalRow("DCR share", "Euclidean", found.dcr_share_euclidean),
        IntervalRow("Membership attack", "AUC", found.membership),
    ]
    near = pair("Authenticity", found.authenticity, found.authenticity_baseline)
    near += pair("NNDR", *found.nndr)
    copies = pair("Exact copies, %", *found.copies)
    copies += pair("Near-duplicates, %", *found.near_duplicates)
    rare = [
        IntervalRow("", "training", found.rare_combinations[0]),
        IntervalRow("", "hold-out", found.rare_combinations[1], "real"),
    ]
    most = min(_top(copies, 0.02), 1.0)
    widest = max(1.0, _top(near, 0.0) / 1.1)
    ideal = ((0.5, "ideal"),)
    return {
        "curves": distance_curves("distances", found.distances, split=split),
        "attacks": interval_rows(
            "attacks", "DCR share and membership", attacks, low=0.0, high=1.0, marks=ideal
        ),
        "copies": interval_rows("copies", "Copies", copies, low=0.0, high=most, per_cent=True),
        "rare": interval_rows("rare", "Rare combinations", rare, low=0.0, high=1.0),
        "near": interval_rows("nearness", "Neighbors", near, low=0.0, high=widest),
    }


def _utility(found: Utility) -> dict[str, Any]:
    rows = [
        {
            "model": one.model,
            "trained on": one.trained_on,
            "measure": one.metric,
            "figure": number(one.figure.value),
            "interval": interval(one.figure),
        }
        for one in found.scores
    ]
    metrics = dict.fromkeys(one.metric for one in found.scores)
    return {
        "pictures": [
            (_METRICS.get(metric, metric), _utility_chart(f"utility-{at}", metric, found))
            for at, metric in enumerate(metrics)
        ],
        "models": list(dict.fromkeys(one.model for one in found.scores)),
        "grid": Grid("Every score", rows, (0, 1, 2)),
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


_METRICS = {
    "AUC": "AUC: 0.5 is guessing, 1 is perfect",
    "F1": "F1: 1 is perfect",
    "R2": "R²: 0 is guessing the mean, 1 is perfect",
}


def _weights(picture: WeightPicture) -> dict[str, Any]:
    bins = list(zip(picture.edges, picture.edges[1:], picture.shares, strict=False))
    rows = [
        {"from": amount(left), "to": amount(right), "share": share(part, 2)}
        for left, right, part in bins
    ]
    return {
        "chart": weight_chart("weights", picture),
        "beyond": sum(part for left, right, part in bins if not 0 <= (left + right) / 2 <= 1),
        "grid": Grid("Every bin", rows, ()),
    }


_HOLDOUT = {
    "given": "The hold-out was given.",
    "split": "The hold-out is a random half of the real rows.",
}


def _method(report: Report) -> list[tuple[str, str]]:
    fidelity, privacy, utility = report.fidelity, report.privacy, report.utility
    real, made = fidelity.rows
    said = [("Fidelity", f"{real:,} real and {made:,} synthetic rows.")]
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
