"""Made sentences as pages: one self-contained HTML file each, without script or request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal._checks import shown_below
from vicinal._types import Floats
from vicinal.page.format import number, share
from vicinal.page.frame import Page
from vicinal.text.augment.pictures import DRAWN, ratio_chart, ratio_histogram, ruler
from vicinal.text.augment.rows import DRIFTED, SPARE, UNWANTED
from vicinal.text.labels import label_parts

if TYPE_CHECKING:
    from vicinal.text.augment.augmented import Augmented
    from vicinal.text.augment.interpolate import Morph

TEMPLATES = Path(__file__).parent / "templates"
#: Rows shown of each kind.
SHOWN = 10
#: Classes named in a row, the heaviest first.
NAMED = 4
#: Classes in the table of labels, the commonest first.
TABLED = 60


def morph_page(morph: Morph) -> Page:
    """Return the page of the sentences between two."""
    lam, measured = morph.lam, morph.lam_measured
    off = np.abs(measured - lam)
    written = slice(1, -1)  # the ends are the sentences themselves
    values = {
        "title": "From one sentence to another",
        "morph": morph,
        "facts": [
            f"closeness {number(_mean(morph.closeness[written]), 2)} on average",
            f"measured ratio off by {number(_mean(off[written]), 2)} on average",
        ],
        "rulers": [ruler(f"step-{at}", lam[at], measured[at]) for at in range(len(morph))],
        "chart": ratio_chart("ratios", lam, measured, joined=True),
    }
    return Page("morph.html.j2", values, TEMPLATES)


def augmented_page(made: Augmented) -> Page:
    """Return the page of made sentences."""
    n, lam, measured = len(made), made.lam, made.lam_measured
    order = np.argsort(-np.nan_to_num(made.confidence, nan=-np.inf), kind="stable").tolist()
    most = order[: min(SHOWN, n - n // 2)]
    least = order[::-1][: min(SHOWN, n // 2)]
    closeness, worth = _mean(made.closeness), made.worth_keeping
    drifted = closeness < DRIFTED
    values = {
        "title": "Sentences made by mixing",
        "made": made,
        "facts": [
            f"{made.n_written:,} written",
            f"label check {made.label_check}",
            f"{len(made.classes):,} {'class' if len(made.classes) == 1 else 'classes'}",
            f"{made.copies:,} equal to a parent",
            f"{made.repeats:,} repeat another",
            f"{len(made.negation_flips):,} negated unlike both parents",
        ],
        "worth": "not known" if np.isnan(worth) else share(worth, 0),
        "worth_of": made.worth_known_from,
        "closeness": shown_below(closeness, DRIFTED) if drifted else number(closeness, 2),
        "drifted": f"{DRIFTED:g}" if drifted else "",
        "checks": sorted(_checks(made).items(), key=lambda one: -one[1]),
        "rejected": list(zip(made.rejected, made.rejections, strict=False))[:SHOWN],
        "labels": _labels(made)[:TABLED],
        "histogram": ratio_histogram("ratio-shares", lam, measured) if n else "",
        "chart": ratio_chart("ratios", lam, measured) if n else "",
        "thinned": n > DRAWN,
        "most": most,
        "least": least,
        "rulers": {at: ruler(f"row-{at}", lam[at], measured[at]) for at in most + least},
        "weights": {at: _weights(made, at) for at in most + least},
    }
    return Page("augmented.html.j2", values, TEMPLATES)


def _checks(made: Augmented) -> dict[str, int]:
    """Return what became of all sentences written."""
    more = {UNWANTED: made.unwanted, SPARE: made.spare}
    return made.check_counts | {name: count for name, count in more.items() if count}


def _labels(made: Augmented) -> list[tuple[Any, int, int, float]]:
    """Return for each class its name, texts given, sentences made and sum of label weights."""
    given, got = (
        Counter(part for one in labels.tolist() for part in label_parts(one, made.label_separator))
        for labels in (made.source_labels, made.labels)
    )
    lines = [
        (name, given[name], got[name], weight)
        for name, weight in zip(made.classes.tolist(), made.label_weights.sum(axis=0), strict=True)
    ]
    return sorted(lines, key=lambda one: -one[1])


def _weights(made: Augmented, at: int) -> list[tuple[Any, float]]:
    weights = made.label_weights[at]
    heavy = np.argsort(-weights, kind="stable")[:NAMED]
    return [(made.classes[one], weights[one]) for one in heavy if weights[one]]


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
