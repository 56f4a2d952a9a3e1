"""Made sentences as a page to decide on: one file, with a script of its own and no request.

The page shows what its data hold. Without a script they are a plain table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal.page.format import share
from vicinal.page.frame import Page, as_data
from vicinal.page.plain import to_plain
from vicinal.page.svg import Markup
from vicinal.text.augment.pictures import map_dots, map_drawing, map_pixels
from vicinal.text.labels import label_parts

if TYPE_CHECKING:
    from vicinal.text.augment.augmented import Augmented

TEMPLATES = Path(__file__).parent / "templates"
#: Texts given that are drawn; more are thinned out evenly.
DRAWN = 2000
#: Integers from here on lose digits in a browser, and go there as text.
WIDEST = 2**53


def review_page(made: Augmented, columns: Mapping[str, Sequence[Any]]) -> Page:
    """Return the page on which made sentences, with more columns, are decided on."""
    held = [label_parts(one, made.label_separator) for one in made.labels.tolist()]
    classes = list(dict.fromkeys([*made.classes.tolist(), *(one for each in held for one in each)]))
    data: dict[str, Any] = _cells(made, columns) | {
        "classes": [_exact(one) for one in classes],
        "labels": [sorted(map(classes.index, parts)) for parts in held],
        "separator": made.label_separator,
        "weights": [f"weight_{name}" for name in made.classes.tolist()],
        "parents": {
            at: made.source[at] for at in sorted({*made.left.tolist(), *made.right.tolist()})
        },
        "flips": made.negation_flips,
    }
    data["key"] = hashlib.sha256(as_data(data).encode()).hexdigest()[:32]
    picture, data["places"] = _picture(made)
    values = {
        "title": "Sentences to review",
        "made": made,
        "data": as_data(data),
        "classes": [str(one) for one in classes],
        "picture": picture,
        "explained": "" if made.map is None else share(made.map.explained, 0),
        "thinned": len(made.source) > DRAWN,
    }
    return Page("review.html.j2", values, TEMPLATES, "review.js")


def _cells(made: Augmented, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the columns of the sentences, with more, and their order."""
    cells = made.columns()
    for name, column in columns.items():
        if name in cells or len(column) != len(made):
            raise ValueError(
                f"columns must bring {len(made)} values each under names of their own, got "
                f"{len(column)} of {name!r}."
            )
    order = [*cells, *columns]
    cells |= {name: list(column) for name, column in columns.items()}
    for name in ("left_text", "right_text"):
        del cells[name]  # they stand under parents, each once
    plain = {name: [_exact(one) for one in to_plain(cells[name])] for name in cells}
    return {"columns": plain, "order": order}


def _exact(value: Any) -> Any:
    """Return a value as a browser keeps it."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= WIDEST:
        return str(value)
    return value


def _picture(made: Augmented) -> tuple[Markup | None, dict[str, Any] | None]:
    """Return the map of texts and sentences, and the places in it of sentences and parents."""
    if made.map is None:
        return None, None
    every = np.concatenate([made.map.source, made.map.written])
    every = every[np.isfinite(every).all(axis=1)]
    if not len(every):
        return None, None
    pixels = map_pixels(every)
    shown = made.map.source[:: -(-len(made.source) // DRAWN)]
    texts = pixels(shown[np.isfinite(shown).all(axis=1)])
    written = pixels(made.map.written)
    parts = [
        map_dots(texts, "real"),
        map_dots(written, "made", "written"),
        Markup('<g id="chosen"></g>'),
    ]
    said = f"{len(texts):,} texts given and {len(written):,} sentences written, as dots."
    picture = map_drawing(said, parts)
    ends = sorted({*made.left.tolist(), *made.right.tolist()})
    parents = dict(zip(ends, pixels(made.map.source[ends]), strict=True))
    return picture, {"written": written, "parents": parents}
