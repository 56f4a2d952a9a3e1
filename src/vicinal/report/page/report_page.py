"""What a report's page shows, section by section, ready for its template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vicinal import __version__
from vicinal._stats import Estimate
from vicinal.page.format import Grid, amount, estimate, interval, number, share
from vicinal.page.frame import Page
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.report.page import TEMPLATES
from vicinal.report.page.curves import distance_curves
from vicinal.report.page.distributions import weight_chart
from vicinal.report.page.fidelity_section import (
    association_part,
    columns_part,
    moments_part,
    two_sample_part,
)
from vicinal.report.privacy.figures import NO_GUARANTEE

if TYPE_CHECKING:
    from vicinal.page.svg import Markup
    from vicinal.report.evaluation import Report, WeightPicture
    from vicinal.report.privacy.measure import Privacy
    from vicinal.report.utility.measure import Utility
    from vicinal.report.verdict import VerdictFigure

__all__ = ["report_page"]

_GRADES = {
    "good": "good",
    "fair": "fair",
    "poor": "poor",
    "unproven": "unproven",
    "unknown": "not measured",
}


def report_page(report: Report) -> Page:
    """Return what the page is made of."""
    fidelity = report.fidelity
    values = {
        "title": "Report on a synthetic table",
        "headline": report.verdict.headline,
        "verdict": [_verdict(one) for one in report.verdict.figures],
        "notes": _notes(report),
        "facts": _facts(report),
        "columns": columns_part(fidelity),
        "association": association_part(fidelity),
        "moments": moments_part(fidelity.moments),
        "two_sample": two_sample_part(fidelity.two_sample),
        "privacy": _privacy(report.privacy),
        "utility": _utility(report.utility),
        "weights": _weights(report.weights),
        "method": _method(report),
    }
    return Page("report.html.j2", values, TEMPLATES)


def _verdict(figure: VerdictFigure) -> dict[str, str]:
    signed = figure.name == "utility" and figure.figure.value > 0
    return {
        "name": figure.name,
        "value": ("+" if signed else "") + number(figure.figure.value),
        "interval": interval(figure.figure),
        "grade": figure.grade,
        "word": _GRADES.get(figure.grade, figure.grade),
        "says": figure.says,
    }


def _notes(report: Report) -> list[str]:
    """Return the notes, without those that the page's end says anyhow."""
    said = {report.fidelity.sampled, report.privacy.sampled}
    if report.utility is not None:
        said.add(report.utility.sampled)
    return [one for one in report.notes if one not in said]


def _facts(report: Report) -> list[str]:
    real, made = report.fidelity.rows
    found = len(report.fidelity.columns)
    facts = [f"{real:,} real rows", f"{made:,} synthetic rows"]
    facts.append(f"{found:,} column{'' if found == 1 else 's'} compared")
    if report.target is not None:
        facts.append(f"target {report.target}")
    return facts


# Privacy


def _pair_rows(name: str, pair: tuple[Estimate, Estimate], other: str) -> list[IntervalRow]:
    return [
        IntervalRow(name, "synthetic", pair[0]),
        IntervalRow(name, other, pair[1], "real"),
    ]


def _top(rows: Sequence[IntervalRow], least: float) -> float:
    ends = [
        one for row in rows for one in (row.figure.value, row.figure.high) if math.isfinite(one)
    ]
    return max([least, *(1.1 * one for one in ends)])


def _privacy(found: Privacy) -> dict[str, Any]:
    split = found.holdout_is == "split"
    other = "real" if split else "hold-out"
    attacks = [
        IntervalRow("DCR share", "Gower distance", found.dcr_share),
        IntervalRow("DCR share", "Euclidean", found.dcr_share_euclidean),
        IntervalRow("Membership attack", "AUC", found.membership),
    ]
    authenticity = (found.authenticity, found.authenticity_baseline)
    near = [
        *_pair_rows("Authenticity", authenticity, other),
        *_pair_rows("NNDR", found.nndr, other),
    ]
    copies = [
        *_pair_rows("Exact copies, %", found.copies, other),
        *_pair_rows("Near-duplicates, %", found.near_duplicates, other),
    ]
    rare = [
        IntervalRow("", "training", found.rare_combinations[0]),
        IntervalRow("", "hold-out", found.rare_combinations[1], "real"),
    ]
    ideal = ((0.5, "ideal"),)
    most = min(_top(copies, 0.02), 1.0)
    return {
        "holdout_is": found.holdout_is,
        "curves": distance_curves("distances", found.distances, split=split),
        "attacks": interval_rows(
            "attacks", "DCR share and membership", attacks, low=0.0, high=1.0, marks=ideal
        ),
        "copies": interval_rows("copies", "Copies", copies, low=0.0, high=most, per_cent=True),
        "rare": interval_rows("rare", "Rare combinations", rare, low=0.0, high=1.0),
        "near": interval_rows(
            "nearness", "Neighbors", near, low=0.0, high=max(1.0, _top(near, 0.0) / 1.1)
        ),
        "figures": [(one.name, one.text, one.says) for one in found.figures],
        "guarantee": NO_GUARANTEE,
    }


# Utility and weights


def _utility(found: Utility | None) -> dict[str, Any] | None:
    if found is None:
        return None
    metrics = dict.fromkeys(one.metric for one in found.scores)
    models = dict.fromkeys(one.model for one in found.scores)
    rows = [
        (one.model, one.trained_on, one.metric, number(one.figure.value), interval(one.figure))
        for one in found.scores
    ]
    return {
        "target": found.target,
        "metric": found.metric,
        "pictures": [
            {
                "metric": _METRICS.get(metric, metric),
                "chart": _utility_chart(f"utility-{at}", metric, found),
            }
            for at, metric in enumerate(metrics)
        ],
        "gaps": [(model, estimate(found.gap(model, found.metric))) for model in models],
        "grid": Grid.folded(
            "Every score",
            ("model", "trained on", "measure", "figure", "interval"),
            rows,
            words=(0, 1, 2),
        ),
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
    return interval_rows(
        key,
        f"{metric} on unseen rows",
        rows,
        low=min([origin, *lows]),
        high=1.0,
        origin=origin,
        marks=marks,
    )


_METRICS = {
    "AUC": "AUC: 0.5 is guessing, 1 is perfect",
    "F1": "F1: 1 is perfect",
    "R2": "R²: 0 is guessing the mean, 1 is perfect",
}


def _weights(picture: WeightPicture | None) -> dict[str, Any] | None:
    if picture is None:
        return None
    bins = zip(picture.edges, picture.edges[1:], picture.shares, strict=False)
    beyond = sum(part for left, right, part in bins if not 0 <= (left + right) / 2 <= 1)
    chart = weight_chart("weights", picture)
    return {
        "law": picture.law,
        "chart": chart,
        "support": tuple(amount(one) for one in picture.support),
        "beyond": share(beyond),
        "reaches": picture.support[0] < 0 or picture.support[1] > 1,
        "rho": number(picture.rho),
        "parents": picture.parents,
        "grid": Grid.folded(
            "Every bin",
            ("from", "to", "share"),
            [
                (amount(left), amount(right), share(part, 2))
                for left, right, part in zip(
                    picture.edges, picture.edges[1:], picture.shares, strict=False
                )
            ],
            words=(),
        ),
    }


def _method(report: Report) -> list[tuple[str, str]]:
    fidelity, privacy, utility = report.fidelity, report.privacy, report.utility
    real, made = fidelity.rows
    said = [("Fidelity", f"{real:,} real and {made:,} synthetic rows.")]
    if fidelity.sampled:
        said.append(("Rows drawn", fidelity.sampled))
    train, drawn, unseen = privacy.rows
    held = {
        "given": "The hold-out was given.",
        "split": "The hold-out is a random half of the real rows.",
    }.get(privacy.holdout_is, "")
    said.append(
        (
            "Privacy",
            f"{train:,} training, {drawn:,} synthetic and {unseen:,} hold-out rows; neighbors of "
            f"{privacy.compared:,} synthetic rows were sought. {held} "
            f"{privacy.sampled}".strip(),
        )
    )
    if privacy.overlap:
        said.append(
            ("Overlap", f"{privacy.overlap:,} hold-out rows equal a training row in every column.")
        )
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
