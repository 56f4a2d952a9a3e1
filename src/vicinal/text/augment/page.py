"""Made sentences as pages: one self-contained HTML file each, without script or request."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal.page.format import number, share, short
from vicinal.page.frame import Page
from vicinal.text.augment.pictures import DRAWN, ratio_chart, ratio_histogram, ruler

if TYPE_CHECKING:
    from vicinal.text.augment.augmented import Augmented
    from vicinal.text.augment.interpolate import Morph

__all__ = ["augmented_page", "morph_page"]

TEMPLATES = Path(__file__).parent / "templates"
#: Rows shown of each kind.
SHOWN = 10
#: Letters of a text that are shown; longer ones are cut in the middle.
LETTERS = 600
#: Classes named in a row, the heaviest first.
NAMED = 4
#: Classes in the table of labels, the commonest first.
TABLED = 60


def morph_page(morph: Morph) -> Page:
    """Return the page of the sentences between two."""
    lam, measured, closeness = morph.lam, morph.lam_measured, morph.closeness
    steps = [
        {
            "sentence": _shown(sentence),
            "lam": number(lam[at], 2),
            "measured": number(measured[at], 2),
            "closeness": number(closeness[at], 2),
            "ruler": ruler(f"step-{at}", float(lam[at]), float(measured[at])),
        }
        for at, sentence in enumerate(morph.sentences)
    ]
    values = {
        "title": "From one sentence to another",
        "headline": f"{len(steps)} {'step' if len(steps) == 1 else 'steps'} from one sentence "
        "to another",
        "facts": [
            f"closeness {number(_mean(closeness), 2)} on average",
            f"measured ratio off by {number(_mean(np.abs(measured - lam)), 2)} on average",
        ],
        "left": _shown(morph.left),
        "right": _shown(morph.right),
        "steps": steps,
        "chart": ratio_chart("ratios", lam, measured, joined=True),
    }
    return Page("morph.html.j2", values, TEMPLATES)


def augmented_page(augmented: Augmented) -> Page:
    """Return the page of made sentences."""
    n = len(augmented.texts)
    lam, measured = augmented.lam, augmented.lam_measured
    confidence = np.nan_to_num(augmented.confidence, nan=-math.inf)
    order = np.argsort(-confidence, kind="stable").tolist()
    most = order[: min(SHOWN, n - n // 2)]
    least = order[::-1][: min(SHOWN, n // 2)]
    counts = augmented.check_counts
    total = sum(counts.values())
    values = {
        "title": "Sentences made by mixing",
        "headline": f"{n:,} {'sentence' if n == 1 else 'sentences'} made from "
        f"{len(augmented.source):,} texts",
        "facts": [
            f"{augmented.n_written:,} written",
            f"label check {augmented.label_check}",
            f"{len(augmented.classes):,} {'class' if len(augmented.classes) == 1 else 'classes'}",
            f"{augmented.copies:,} equal to a parent",
            f"{augmented.repeats:,} repeat another",
        ],
        "cards": _cards(augmented) if n else [],
        "checks": [
            (name, f"{count:,}", share(count / total))
            for name, count in sorted(counts.items(), key=lambda one: -one[1])
        ],
        "rejected": [
            (_shown(text), why)
            for text, why in zip(augmented.rejected, augmented.rejections, strict=False)
        ][:SHOWN],
        "labels": _labels(augmented),
        "more_labels": max(len(augmented.classes) - TABLED, 0),
        "histogram": ratio_histogram("ratio-shares", lam, measured) if n else "",
        "chart": ratio_chart("ratios", lam, measured) if n else "",
        "thinned": n > DRAWN,
        "most": [_row(augmented, at) for at in most],
        "least": [_row(augmented, at) for at in least],
    }
    return Page("augmented.html.j2", values, TEMPLATES)


def _cards(augmented: Augmented) -> list[tuple[str, str, str]]:
    return [
        (
            "sentences kept",
            share(augmented.kept, 0),
            "of the sentences written passed the label check.",
        ),
        (
            "closeness",
            number(_mean(augmented.closeness), 2),
            "mean cosine of a sentence's embedding and the mixed embedding it was written for; "
            "1 = identical.",
        ),
        (
            "ratio fidelity",
            number(augmented.ratio_fidelity, 2),
            "Spearman correlation of the asked and the measured ratio; 1 = sentences are in the "
            "order asked for.",
        ),
    ]


def _labels(augmented: Augmented) -> list[tuple[str, str, str, str]]:
    """Return a line for each class: name, texts given, sentences made, sum of label weights."""
    lines = []
    for at, name in enumerate(augmented.classes.tolist()):
        given = int(np.sum(augmented.source_labels == augmented.classes[at]))
        made = int(np.sum(augmented.labels == augmented.classes[at]))
        lines.append(
            (given, short(str(name), 60), made, float(augmented.label_weights[:, at].sum()))
        )
    lines.sort(key=lambda one: -one[0])
    return [
        (name, f"{given:,}", f"{made:,}", number(weight, 1))
        for given, name, made, weight in lines[:TABLED]
    ]


def _row(augmented: Augmented, at: int) -> dict[str, Any]:
    """Return what the page shows of a row."""
    lam, measured = float(augmented.lam[at]), float(augmented.lam_measured[at])
    left, right = int(augmented.left[at]), int(augmented.right[at])
    return {
        "sentence": _shown(augmented.texts[at]),
        "weights": _weights(augmented.classes, augmented.label_weights[at]),
        "ruler": ruler(f"row-{at}", lam, measured),
        "parents": [
            (number(weight, 2), _shown(augmented.source[one]), str(augmented.source_labels[one]))
            for weight, one in ((lam, left), (1 - lam, right))
        ],
        "figures": [
            ("confidence", number(float(augmented.confidence[at]), 2)),
            ("closeness", number(float(augmented.closeness[at]), 2)),
            ("check score", number(float(augmented.check_score[at]), 2)),
            ("asked", number(lam, 2)),
            ("measured", number(measured, 2)),
        ],
        "check": augmented.check[at],
    }


def _weights(classes: npt.NDArray[Any], weights: npt.NDArray[np.float64]) -> list[tuple[str, str]]:
    heavy = np.argsort(-weights, kind="stable")[:NAMED]
    return [(short(str(classes[at]), 40), number(weights[at], 2)) for at in heavy if weights[at]]


def _mean(values: npt.NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _shown(text: str) -> str:
    return short(text, LETTERS)
