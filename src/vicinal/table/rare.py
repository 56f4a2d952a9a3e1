"""Categories that only a few training rows hold, and what is put in their place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["RARE", "merged", "rare_rows", "replacements"]

Codes = npt.NDArray[np.integer[Any]]

#: What may become of rare categories.
RARE = ("replace", "merge", "keep")
#: Rows among which the nearest one with a frequent category is looked for.
CANDIDATES = 20_000
#: What rare categories are merged into.
OTHER = "other"


def rare_rows(codes: Codes, min_count: int) -> npt.NDArray[np.bool_]:
    """Return the rows whose category fewer than ``min_count`` rows hold, shape (n_rows,)."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    rare: npt.NDArray[np.bool_] = (counts < min_count)[inverse]
    return rare


def merged(values: pa.Array, rare: npt.NDArray[np.bool_], min_count: int) -> pa.Array | None:
    """Return strings with the rare ones called "other", None where that is no way out."""
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    of = pa.types
    if rare.sum() < min_count or not (of.is_string(plain.type) or of.is_large_string(plain.type)):
        return None
    other = pa.scalar(OTHER, plain.type)
    return pc.if_else(pa.array(rare), other, plain).dictionary_encode()


def replacements(
    columns: Sequence[Codes], space: npt.NDArray[np.float32], min_count: int, names: Sequence[str]
) -> npt.NDArray[np.int64] | None:
    """Return for each row the row whose categories it takes, itself where none is rare.

    ``columns`` belong together and are taken from one row, the nearest in ``space``, shape
    (n_rows, n_axes), all of whose categories are frequent. None where nothing changes.
    """
    from sklearn.neighbors import NearestNeighbors

    rare = np.logical_or.reduce([rare_rows(codes, min_count) for codes in columns])
    if not rare.any():
        return None
    frequent = np.flatnonzero(~rare)
    if not len(frequent):
        warnings.warn(
            f"Every category of {', '.join(map(repr, names))} is held by fewer than "
            f"min_count={min_count} training rows, so that none can stand for another: they are "
            "written out as they are. Give more rows, or drop the column.",
            UserWarning,
            stacklevel=7,
        )
        return None
    frequent = frequent[:: max(1, len(frequent) // CANDIDATES)]
    takers = np.flatnonzero(rare)
    nearest = NearestNeighbors(n_neighbors=1).fit(space[frequent])
    found = nearest.kneighbors(space[takers], return_distance=False)[:, 0]
    rows = np.arange(len(rare))
    rows[takers] = frequent[found]
    return rows
