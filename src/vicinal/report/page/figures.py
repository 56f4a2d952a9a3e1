"""What a report's page shows, section by section, ready for its template."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vicinal import __version__
from vicinal._stats import Estimate
from vicinal.page import charts
from vicinal.page.format import amount, estimate, interval, number, share
from vicinal.page.grids import grid_of
from vicinal.report.page.fidelity_section import (
    columns_part,
    moments_part,
    together_part,
    two_sample_part,
)

if TYPE_CHECKING:
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


def report_page(report: Report) -> dict[str, Any]:
    """Return what the template of a report needs.

    Parameters
    ----------
    report : Report
        What was measured.

    Returns
    -------
    dict
        Names of the template and their values.
    """
    fidelity = report.fidelity
    return {
        "title": "Report on a synthetic table",
        "headline": report.verdict.headline,
        "verdict": [_verdict(one) for one in report.verdict.figures],
        "notes": _notes(report),
        "facts": _facts(report),
        "columns": columns_part(fidelity),
        "together": together_part(fidelity),
        "moments": moments_part(fidelity.moments),
        "two_sample": two_sample_part(fidelity.two_sample),
        "privacy": _privacy(report.privacy),
        "utility": _utility(report.utility),
        "weights": _weights(report.weights),
        "method": _method(report),
    }


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


def _pair_rows(name: str, pair: tuple[Estimate, Estimate], other: str) -> list[charts.IntervalRow]:
    return [
        charts.IntervalRow(name, "synthetic", pair[0]),
        charts.IntervalRow(name, other, pair[1], "real"),
    ]


def _top(rows: Sequence[charts.IntervalRow], least: float) -> float:
    ends = [
        one for row in rows for one in (row.figure.value, row.figure.high) if math.isfinite(one)
    ]
    return max([least, *(1.1 * one for one in ends)])


def _privacy(found: Privacy) -> dict[str, Any]:
    split = found.holdout_is == "split"
    other = "real" if split else "hold-out"
    closer = "Closer to a training row than to any hold-out row"
    attacks = [
        charts.IntervalRow(closer, "Gower distance", found.closer),
        charts.IntervalRow(closer, "Euclidean", found.closer_euclidean),
        charts.IntervalRow("Membership attack", "AUC", found.membership),
    ]
    authentic = (found.authenticity, found.authenticity_baseline)
    near = [
        *_pair_rows("Authentic: farther off than real rows are", authentic, other),
        *_pair_rows("Nearest over second-nearest distance", found.neighbor_ratio, other),
    ]
    copies = [
        *_pair_rows("Exact copies, %", found.copies, other),
        *_pair_rows("Near copies, %", found.near_copies, other),
    ]
    rare = [
        charts.IntervalRow("", "training", found.singled_out[0]),
        charts.IntervalRow("", "hold-out", found.singled_out[1], "real"),
    ]
    return {
        "holdout_is": found.holdout_is,
        "rows": found.rows,
        "compared": found.compared,
        "curves": charts.distance_curves("distances", found.distances, split=split),
        "attacks": charts.interval_rows(
            "attacks",
            "Closeness and membership",
            attacks,
            low=0.0,
            high=1.0,
            marks=((0.5, "ideal"),),
        ),
        "copies": charts.interval_rows(
            "copies", "Copies", copies, low=0.0, high=min(_top(copies, 0.02), 1.0), per_cent=True
        ),
        "rare": charts.interval_rows("rare", "Rare combinations", rare, low=0.0, high=1.0),
        "near": charts.interval_rows(
            "nearness", "Neighbors", near, low=0.0, high=max(1.0, _top(near, 0.0) / 1.1)
        ),
        "explained": found.explained(),
    }


# Utility and weights


def _utility(found: Utility | None) -> dict[str, Any] | None:
    if found is None:
        return None
    kinds = {"real": "real", "synthetic": "made"}
    pictures = []
    for at, metric in enumerate(dict.fromkeys(one.metric for one in found.scores)):
        scores = [one for one in found.scores if one.metric == metric]
        rows = [
            charts.IntervalRow(
                f"{one.model[:1].upper()}{one.model[1:]}, learned from",
                one.trained_on,
                one.figure,
                kinds.get(one.trained_on, "both"),
            )
            for one in scores
        ]
        origin = 0.5 if metric == "AUC" else 0.0
        ends = [
            one for row in rows for one in (row.figure.value, row.figure.low) if math.isfinite(one)
        ]
        low = min([origin, *(max(math.floor(10 * one) / 10, -1.0) for one in ends)])
        guess = "guessing" if metric == "AUC" else ""
        marks = [(origin, guess)] if guess else []
        chart = charts.interval_rows(
            f"utility-{at}",
            f"{metric} on unseen rows",
            rows,
            low=low,
            high=1.0,
            origin=origin,
            marks=[*marks, (1.0, "perfect")],
        )
        pictures.append({"metric": _METRICS.get(metric, metric), "chart": chart})
    models = dict.fromkeys(one.model for one in found.scores)
    gaps = [(model, estimate(found.gap(model, found.metric))) for model in models]
    return {
        "target": found.target,
        "task": found.task,
        "metric": found.metric,
        "pictures": pictures,
        "gaps": gaps,
        "grid": grid_of(
            "Every score",
            ("model", "learned from", "measure", "figure", "interval"),
            [
                (
                    one.model,
                    one.trained_on,
                    one.metric,
                    number(one.figure.value),
                    interval(one.figure),
                )
                for one in found.scores
            ],
            words=(0, 1, 2),
        ),
    }


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
    chart = charts.weight_chart("weights", picture)
    return {
        "law": picture.law,
        "chart": chart,
        "support": tuple(amount(one) for one in picture.support),
        "beyond": share(beyond),
        "reaches": picture.support[0] < 0 or picture.support[1] > 1,
        "rho": number(picture.rho),
        "parents": picture.parents,
        "grid": grid_of(
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
    learned, drawn, unseen = privacy.rows
    held = {
        "given": "The hold-out was given.",
        "split": "The hold-out is a random half of the real rows.",
    }.get(privacy.holdout_is, "")
    said.append(
        (
            "Privacy",
            f"{learned:,} training, {drawn:,} synthetic and {unseen:,} hold-out rows; neighbors of "
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
            f"Models learned from {utility.train_rows:,} rows of each table and were tested on "
            f"{utility.test_rows:,} hold-out rows. {utility.sampled}"
        )
        said.append(("Utility", text.strip()))
    if report.random_state is not None:
        said.append(("Seed", str(report.random_state)))
    said.append(("Intervals", "Figures in brackets are 95 % intervals."))
    said.append(("Made by", f"vicinal {__version__}. The same input and seed give the same page."))
    return said
