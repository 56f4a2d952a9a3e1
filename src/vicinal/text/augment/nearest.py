"""Real sentences where mixtures lie: a reading aid beside what was written."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.label_check import similarities
from vicinal.text.augment.pairs import first_rows, text_key
from vicinal.text.augment.ratio import project
from vicinal.text.augment.selection import InverterLike, as_inverter
from vicinal.text.encoder import check_texts

#: What stands beside a row.
COLUMNS = ("pool_text", "pool_closeness", "pool_lam")


def nearest_texts(
    augmented: Augmented,
    pool: Sequence[str],
    *,
    inverter: InverterLike | str | PathLike[str] | None = None,
) -> dict[str, list[Any]]:
    """Find the real sentence that comes nearest to each mixed embedding.

    A sentence from the same domain shows, in its own English, what a mixture is about.

    Parameters
    ----------
    augmented : Augmented
        The rows.
    pool : sequence of str
        Real texts of the same kind, labelled or not. A row's own parents are left out.
    inverter : Inverter, TaskInverter, str or path, optional
        What embedded the rows; as of :func:`vicinal.text.augment`.

    Returns
    -------
    dict of str to list
        ``pool_text``, ``pool_closeness`` (cosine to the mixed embedding) and ``pool_lam`` (the
        ratio measured on it); "" and NaN where nothing but the parents is there.

    Raises
    ------
    ValueError
        If the pool holds no text.

    Examples
    --------
    >>> nearest_texts(made, unlabelled, inverter="nano")["pool_text"][:2]  # doctest: +SKIP
    """
    listed = check_texts(pool, "pool")
    first = first_rows(map(text_key, listed))
    first.pop("", None)
    if not first:
        raise ValueError("pool holds no text. Give real sentences of the same kind.")
    inverter = as_inverter(inverter)
    real = [listed[at] for at in first.values()]
    points = np.asarray(inverter.encode(real))
    place = {key: at for at, key in enumerate(first)}
    parents = np.array(
        [
            [place.get(text_key(augmented.source[at]), -1) for at in pair]
            for pair in zip(augmented.left, augmented.right, strict=True)
        ]
    ).reshape(-1, 2)
    ends = np.asarray(inverter.encode(augmented.source))
    left, right = ends[augmented.left], ends[augmented.right]
    mixed = augmented.lam[:, None] * left + (1 - augmented.lam[:, None]) * right
    best, close = np.zeros(len(mixed), np.int64), np.full(len(mixed), -np.inf)
    for rows, similar in similarities(mixed, points, parents):
        best[rows] = similar.argmax(axis=1)
        close[rows] = similar.max(axis=1)
    alone = ~np.isfinite(close)
    measured = project(points[best], left, right)
    texts = ["" if gone else real[at] for at, gone in zip(best, alone, strict=True)]
    figures = (np.where(alone, np.nan, one).tolist() for one in (close, measured))
    return dict(zip(COLUMNS, (texts, *figures), strict=True))
