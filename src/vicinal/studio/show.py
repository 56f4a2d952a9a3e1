"""What the studio's templates show of a trial, and of sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vicinal.page.format import number, share
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.page.svg import dot, label, line, tag
from vicinal.report.page.distributions import marginal_chart
from vicinal.report.privacy.figures import NO_GUARANTEE
from vicinal.table import KINDS, PRIVACY

if TYPE_CHECKING:
    from vicinal.page.svg import Markup
    from vicinal.report import ColumnFidelity, Report
    from vicinal.studio.sentences import Between
    from vicinal.studio.table import Trial
    from vicinal.table import Column

#: Columns that are listed, and that are drawn.
LISTED, DRAWN = 60, 40
#: Reasons of a grade that are given; the report has them all.
REASONS = 3
#: What each setting is for.
SAYS = {
    "off": "most faithful; for internal use only",
    "balanced": "faithful and useful; few rows stay near a real one",
    "high": "fewer still",
    "max": "about as near to unseen rows as to real ones",
}
#: Kinds that cannot be chosen, for they are found.
_FOUND = {"constant", "missing"}
#: Kinds that take part in no prediction.
_NO_TARGET = {"identifier", "text", *_FOUND}


def columns_view(trial: Trial, find: str = "") -> dict[str, Any]:
    """Return the columns whose names hold a text, with what can be chosen for each."""
    schema = trial.schema
    if schema is None:
        return {"rows": [], "more": 0, "people": [], "targets": [], "rules": [], "off": 0}
    found = [
        (place, one)
        for place, one in enumerate(schema.columns)
        if find.casefold() in one.name.casefold()
    ]
    target = trial.choices.target
    return {
        "rows": [_row(trial, *one) for one in found[:LISTED]],
        "more": len(found) - min(len(found), LISTED),
        "people": [f"{name} ({one.kind})" for name, one in schema.people.items()],
        # one that was chosen before its kind was can be taken back
        "targets": [
            one.name for one in schema.columns if one.kind not in _NO_TARGET or one.name == target
        ],
        "rules": [(text, why, text not in trial.off) for text, why in trial.found.items()],
        "off": len(trial.off),
    }


def _row(trial: Trial, place: int, column: Column) -> dict[str, Any]:
    assert trial.schema is not None  # noqa: S101
    kind = trial.choices.kinds.get(column.name, column.kind)
    person = trial.schema.people.get(column.name)
    type_ = trial.source.table.schema.field(column.name).type
    return {
        "place": place,
        "name": column.name,
        "kind": kind,
        "kinds": list(dict.fromkeys([kind, *_possible(type_)])),
        "n_distinct": column.n_distinct,
        "n_missing": column.n_missing,
        "said": KINDS[column.kind],
        "note": column.note,
        "personal": "" if person is None else person.kind,
        "chosen": column.name in trial.choices.kinds,
    }


def _possible(type_: pa.DataType) -> list[str]:
    """Return the kinds that values of a type can be."""
    of = pa.types
    plain = type_.value_type if of.is_dictionary(type_) else type_
    if of.is_string(plain) or of.is_large_string(plain) or of.is_string_view(plain):
        return [one for one in KINDS if one not in {*_FOUND, "duration", "latitude", "longitude"}]
    if of.is_integer(type_):
        return ["integer", "numeric", "category", "identifier"]
    if of.is_floating(type_) or of.is_decimal(type_):
        return ["numeric", "integer", "category", "latitude", "longitude"]
    return ["category"]


def dial_view(trial: Trial, chosen: str) -> dict[str, Any]:
    """Return the settings side by side, and all that is shown of each."""
    # before what is shown, which may grow meanwhile
    version, is_done = trial.version, trial.is_done
    reports, failed = dict(trial.reports), dict(trial.errors)
    errors = set(failed.values())
    stops = [
        {
            "name": name,
            "says": SAYS[name],
            "chosen": name == chosen,
            "figures": reports[name].verdict.figures if name in reports else (),
            "error": failed.get(name, ""),
            "busy": trial.stage.endswith(name),
        }
        for name in PRIVACY
    ]
    names = _drawn(reports)
    return {
        "stops": stops,
        "chosen": chosen,
        # what stops every setting is said once
        "error": errors.pop() if len(errors) == 1 and len(failed) == len(PRIVACY) else "",
        "tried": len(reports) + len(failed),
        "panels": {name: _panel(trial, name, report, names) for name, report in reports.items()},
        "compared": trial.source.sample.num_rows,
        "guarantee": NO_GUARANTEE,
        "version": version,
        "is_done": is_done,
    }


def made_view(trial: Trial, waits: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the tables that are made or on their way; those waited for are taken at once."""
    return [
        {
            "privacy": privacy,
            "file": f"{trial.source.stem}-{privacy}.csv",
            "error": one.error,
            "size": one.size,
            "stage": one.stage,
            "auto": privacy in waits,
        }
        for privacy, one in trial.made.items()
    ]


def _drawn(reports: dict[str, Report]) -> list[str]:
    """Return the columns that are drawn, in the table's order; of many the least similar."""
    for report in reports.values():  # those of the first: settings show the same ones
        known = [one for one in report.fidelity.columns if one.marginal is not None]
        worst = sorted(known, key=lambda one: one.score if math.isfinite(one.score) else 2.0)
        some = {one.name for one in worst[:DRAWN]}
        return [one.name for one in report.fidelity.columns if one.name in some]
    return []


def _panel(trial: Trial, privacy: str, report: Report, names: list[str]) -> dict[str, Any]:
    by_name = {one.name: one for one in report.fidelity.columns}
    cards = [by_name[name] for name in names if name in by_name]
    return {
        "headline": report.verdict.headline,
        "figures": report.verdict.figures,
        "reasons": REASONS,
        "attacks": _attacks(report),
        "utility": _utility(report),
        "columns": [(one, _chart(at, one)) for at, one in enumerate(cards)],
        "undrawn": len(by_name) - len(cards),
        "command": trial.command(privacy),
        "needs_schema": bool(trial.off),
        "privacy": privacy,
    }


def _chart(at: int, column: ColumnFidelity) -> Markup | str:
    if column.marginal is None:
        return ""
    return marginal_chart(f"column-{at}", column.name, column.marginal, hints=False)


def _attacks(report: Report) -> Markup | None:
    rows = [
        row
        for one in report.privacy.attacks
        for row in (
            IntervalRow(one.name, "training rows", one.success),
            IntervalRow(one.name, "hold-out rows", one.control, "real"),
        )
    ]
    if not rows:
        return None
    title = "Share of attacks that succeed"
    return interval_rows("attacks", title, rows, low=0.0, high=1.0, origin=0.0)


def _utility(report: Report) -> tuple[str, Markup] | None:
    found = report.utility
    if found is None:
        return None
    kinds = {"real": "real", "synthetic": "made"}
    rows = [
        IntervalRow(f"{one.model}, trained on", one.trained_on, one.figure, kinds[one.trained_on])
        for one in found.scores
        if one.metric == found.metric and one.trained_on in kinds
    ]
    origin = 0.5 if found.metric == "AUC" else 0.0
    ends = [end for one in rows for end in (one.figure.low, one.figure.value)]
    low = min([origin, *(math.floor(10 * one) / 10 for one in ends if math.isfinite(one))])
    title = f"{found.metric} on unseen rows"
    return title, interval_rows("utility", title, rows, low=max(low, -1.0), high=1.0, origin=origin)


def sentences_view(found: Between) -> dict[str, Any]:
    """Return what was written, each with a picture of its ratio, and where it all lies."""
    from vicinal.text.augment.pictures import ruler

    return {
        "ratio": found.ratio,
        "candidates": [
            (one, ruler(f"candidate-{at}", found.ratio, one.ratio))
            for at, one in enumerate(found.candidates)
        ],
        "nearest": found.nearest,
        "ruler": None if found.nearest is None else ruler("near", found.ratio, found.nearest.ratio),
        "map": _map(found),
        "explained": "" if found.places is None else share(found.places.explained, 0),
        "notes": found.notes,
    }


def _map(found: Between) -> Markup | None:
    """Draw where the two sentences, their mixture, the candidates and real sentences lie."""
    from vicinal.text.augment.pictures import map_drawing, map_pixels

    at = found.places
    if at is None:
        return None
    pixels = map_pixels(np.concatenate([at.ends, at.mixed, at.written, at.real]))
    (left, right), (mixed,) = pixels(at.ends), pixels(at.mixed)
    real = list(zip(pixels(at.real), at.real_texts, strict=True))
    written = list(zip(pixels(at.written), found.candidates, strict=True))
    parts = [
        line(*left, *right, "way-line"),
        *(dot(*one, 3.5, "real dot", text) for one, text in real[1:]),
        *(dot(*one, 5, "nearest", text) for one, text in real[:1]),
        dot(*mixed, 7, "aim", f"the mixture, ratio {number(found.ratio, 2)}"),
        *(dot(*one, 5.5, "parent") for one in (left, right)),
        label(left[0], left[1] + 22, "L", anchor="middle"),
        label(right[0], right[1] + 22, "R", anchor="middle"),
    ]
    for place in reversed(range(len(written))):  # the best on top
        (x, y), candidate = written[place]
        parts.append(dot(x, y, 8, "landed", candidate.text))
        parts.append(label(x, y + 4, str(place + 1), "inside still", anchor="middle"))
    said = (
        f"The two sentences, their mixture, {len(written)} sentences written and {len(real)} real "
        "ones, as dots."
    )
    return map_drawing(said, [tag("g", *parts, id="chosen")])
