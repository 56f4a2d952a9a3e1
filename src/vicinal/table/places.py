"""Coordinates: latitude and longitude are one thing, a place, that lies where places lie."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Bools, Floats, Indices

#: Nearest other places among which a new one lies (at most a tenth of all, or ``CORNERS``) ...
NEAR = 16
#: ... as a mix of so many.
CORNERS = 3
#: Times that a place is drawn again that one of the corners has for its own.
ATTEMPTS = 3

#: Names of coordinates, and the largest value of each.
_NAMES = {
    "latitude": (re.compile(r"(^|[_\W])(lat|latitude)(?=[_\W]|$)", re.I), 90.0),
    "longitude": (re.compile(r"(^|[_\W])(lon|lng|long|longitude)(?=[_\W]|$)", re.I), 180.0),
}


def coordinates(table: pa.Table) -> dict[str, str]:
    """Find pairs of columns that are coordinates, by name and range: the kind of each."""
    found: dict[str, dict[str, str]] = {}
    for name in table.column_names:
        for kind, (pattern, largest) in _NAMES.items():
            if pattern.search(name) and pa.types.is_floating(table[name].type):
                ends = pc.min_max(table[name]).as_py()
                if ends["min"] is not None and -largest <= ends["min"] <= ends["max"] <= largest:
                    found.setdefault(pattern.sub(r"\1", name), {})[kind] = name
    pairs = [pair for pair in found.values() if len(pair) == 2]
    return {name: kind for pair in pairs for kind, name in pair.items()}


def pairs_of(kinds: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the columns of latitudes, each with its longitude, out of the kinds of columns."""
    lats, lons = ([n for n, k in kinds.items() if k == kind] for kind in _NAMES)
    stems = {_NAMES["longitude"][0].sub(r"\1", name): name for name in lons}
    by_name = [(one, stems.get(_NAMES["latitude"][0].sub(r"\1", one))) for one in lats]
    named = [(lat, lon) for lat, lon in by_name if lon is not None]
    left = [one for one in lats if one not in dict(named)]
    rest = [one for one in lons if one not in dict(named).values()]
    return [*named, *zip(left, rest, strict=False)]


class Places:
    """Places of rows, and new ones beside them."""

    # a place that fewer than min_count rows hold is left for a random mix of its nearest other
    # places, so that it comes out no more than any place that lies there

    def __init__(self, degrees: Floats, there: Bools, min_count: int) -> None:
        from scipy.spatial import cKDTree

        self.there = there
        self._own = np.zeros(len(degrees), np.int64)
        self._places, self._own[there], counts = np.unique(
            degrees[there], axis=0, return_inverse=True, return_counts=True
        )
        self._kept = counts >= min_count
        lat, lon = np.radians(self._places.T)
        ball = np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        reach = min(1 + max(CORNERS, min(NEAR, len(ball) // 10)), len(ball))
        near = cKDTree(ball).query(ball, reach)[1].reshape(len(ball), reach)
        self._near = near[:, 1:] if reach > 1 else near

    def draw(
        self, rows: Indices, decimals: Sequence[int | None], rng: np.random.Generator
    ) -> Floats:
        """Return places in the place of those of rows, shape (n, 2)."""
        own = self._own[rows]
        made = self._places[own]
        moved = np.flatnonzero(~self._kept[own])
        for _ in range(ATTEMPTS):
            picks = rng.random((len(moved), self._near.shape[1])).argsort(axis=1)[:, :CORNERS]
            corners = self._places[np.take_along_axis(self._near[own[moved]], picks, axis=1)]
            shares = rng.dirichlet(np.ones(picks.shape[1]), len(moved))
            around = (corners - corners[:, :1] + 180.0) % 360.0 - 180.0  # also across the date line
            drawn = corners[:, 0] + (shares[:, :, None] * around).sum(axis=1)
            drawn[:, 1] = (drawn[:, 1] + 180.0) % 360.0 - 180.0
            for at, places in enumerate(decimals):
                if places is not None:
                    drawn[:, at] = np.round(drawn[:, at], places)
            made[moved] = drawn
            moved = moved[(drawn[:, None] == corners).all(axis=2).any(axis=1)]
            if not len(moved):
                break
        return made
