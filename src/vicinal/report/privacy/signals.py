"""What a synthetic table shows about a few real records: the signals of membership."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vicinal._types import Array, Floats, Floats32, Ints
from vicinal.report.privacy.nearest import Index, Space
from vicinal.report.tables import Part, Tables

#: Each is the higher, the more a record looks like a member.
SIGNALS = (
    "nearness",
    "nearness of five",
    "squared nearness",
    "squared nearness of five",
    "rows about it",
    "rows farther about it",
    "its own values",
    "its rare combinations, at all",
    "its rare combinations, how often",
    "pull on the means",
)
#: A number equals another within this share of the column's range.
EQUAL = np.float32(0.02)
#: Combinations of up to so many columns: how many are looked at, and how many of the rarest kept.
WIDEST, TRIED, KEPT = 4, 200, 24
#: Values that fewer real rows hold are a record's own.
OWN = 5
#: Other real rows whose distance says how far "about it" reaches, nearer and farther.
REACHES = (10, 50)

Rows = Ints


def distance_to_others(tables: Tables) -> Floats:
    """Return the mean distance of every real row to the nearest two others."""
    space = Space(tables)
    index = Index(space, space.points(tables.real))
    found = index.search(index.points, skip=np.arange(len(index))[:, None], second=True)
    return (found.distance + found.second) / 2


class Signals:
    """Looks for some real rows in any synthetic table."""

    def __init__(self, tables: Tables, records: Rows, rng: np.random.Generator) -> None:
        real = tables.real
        self._space, self._own = Space(tables), real.take(records)
        width = self._space.n_columns
        combinations = np.zeros((width, TRIED), np.float32)
        for at, size in enumerate(rng.integers(1, min(WIDEST, width) + 1, TRIED)):
            combinations[rng.choice(width, size, replace=False), at] = 1
        # numbers of real rows that share a record's value, column by column
        self._holders = np.stack(
            [_counts(own, all_) for own, all_ in zip(_raw(self._own).T, _raw(real).T, strict=True)],
            axis=1,
        )
        numbers = real.numbers
        self._mean = np.array([_mean(one) for one in numbers.T])
        self._scale = np.array([one[~np.isnan(one)].std() or 1.0 for one in numbers.T])
        self._n_real = len(real)
        scaled = self._space.points(real).numbers
        self._numbers = scaled[records]
        last = max(len(real) - 1, 0)
        self._reach, self._rarest = [], []
        for at in range(len(records)):
            gaps = self._gaps(at, scaled, real.codes)
            near = np.partition(gaps.sum(axis=1), [min(k, last) for k in REACHES])
            self._reach.append([near[min(k, last)] for k in REACHES])
            held = _matches(gaps, combinations)
            self._rarest.append(combinations[:, np.argsort(held, kind="stable")[:KEPT]])

    def __call__(self, made: Part) -> Floats:
        """Return (n_records, n_signals)."""
        scaled = self._space.points(made).numbers
        raw = _raw(made)
        written = np.stack(
            [_counts(own, all_) > 0 for own, all_ in zip(_raw(self._own).T, raw.T, strict=True)],
            axis=1,
        )
        found = np.empty((len(self._own), len(SIGNALS)))
        found[:, 6] = (written & (self._holders < OWN)).sum(axis=1)
        found[:, 9] = self._pull(made)
        for at in range(len(self._own)):
            gaps = self._gaps(at, scaled, made.codes)
            total = gaps.sum(axis=1)
            found[at, 0:2] = _nearness(total)
            found[at, 2:4] = _nearness((gaps * gaps).sum(axis=1))
            found[at, 4:6] = [np.log1p(np.count_nonzero(total <= r)) for r in self._reach[at]]
            hits = _matches(gaps, self._rarest[at])
            found[at, 7:9] = np.count_nonzero(hits), np.log1p(hits).sum()
        return found

    def _gaps(self, at: int, scaled: Floats32, codes: npt.NDArray[np.int32]) -> Floats32:
        """Return differences of rows to a record, 0 to 1, column by column."""
        numbers = np.minimum(np.abs(scaled - self._numbers[at]), np.float32(1))
        return np.concatenate([numbers, codes != self._own.codes[at]], axis=1, dtype=np.float32)

    def _pull(self, made: Part) -> Floats:
        """Return how far means and shares lie on a record's side of those of all real rows."""
        middle = np.array([_mean(one) for one in made.numbers.T])
        moved = np.nan_to_num((middle - self._mean) / self._scale)
        sides = np.nan_to_num((self._own.numbers - self._mean) / self._scale)
        pulled: Floats = sides @ moved
        n_numeric = made.numbers.shape[1]
        for column in range(made.codes.shape[1]):
            held = _counts(self._own.codes[:, column], made.codes[:, column]) / len(made)
            pulled += held * self._n_real / self._holders[:, n_numeric + column] - 1
        return pulled


def _raw(part: Part) -> Array:
    return np.concatenate([part.numbers, part.codes], axis=1)


def _counts(own: Array, every: Array) -> Ints:
    """Return how many of all values equal each; missing equals missing."""
    values, counts = np.unique(every, return_counts=True)
    places = np.minimum(np.searchsorted(values, own), len(values) - 1)
    same = (values[places] == own) | (np.isnan(values[places]) & np.isnan(own))
    found: Ints = np.where(same, counts[places], 0)
    return found


def _mean(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else 0.0


def _nearness(totals: Floats32) -> tuple[float, float]:
    """Return minus the least distance, and minus the mean of the least five."""
    k = min(5, len(totals))
    least = np.partition(totals, k - 1)[:k]
    return -float(least.min()), -float(least.mean())


def _matches(gaps: Floats32, combinations: Floats32) -> Ints:
    """Count rows that agree with a record in all columns of each combination."""
    differs = (gaps > EQUAL).astype(np.float32)
    found: Ints = np.count_nonzero(differs @ combinations < 0.5, axis=0)
    return found
