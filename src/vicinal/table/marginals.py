"""Columns to numbers that can be mixed, and mixed numbers back to columns."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._compiled import compiled
from vicinal._types import Array, Bools, Floats, Floats32, Indices, Ints
from vicinal.table.numbers import (
    FIRST,
    MAX_DECIMALS,
    Numbers,
    are_fillers,
    from_numbers,
    in_own_size,
    number_limits,
    to_numbers,
)
from vicinal.table.schema import Column

Scores = npt.NDArray[np.floating[Any]]

#: Up to this many distinct values every one is kept apart; above, quantiles are interpolated.
STEP_VALUES = 1024
#: Quantile levels of an interpolated column.
LEVELS = 2048
#: Rows, about, over which values are spread that fewer rows hold than a setting asks for. A cell of
#: m training rows is on average 1 / m denser than its width explains, and training values are hit
#: so much more often than unseen ones.
CELL_ROWS = 50
#: Parts of an outermost cell of such rows.
TAIL_CELLS = 6
#: Places in the guide for each level: so many that most lookups need no further step, which the
#: processor would guess wrongly.
GUIDE = 16
#: Tied values share a normal score but for this share of the room that their ranks take up. It
#: breaks ties among mixed scores at random, which keeps the frequencies of the values.
TIE_SPREAD = 0.01
#: Rows, about, and columns at most from which a missing score is predicted.
FILL_ROWS = 20_000
FILL_COLUMNS = 64


class MixedColumn:
    """A column of numbers that are mixed: its scores, and mixed scores as a column again."""

    def __init__(
        self,
        column: Column,
        values: pa.ChunkedArray,
        raw: bool,
        rng: np.random.Generator,
        min_count: int = 1,
        owners: Indices | None = None,
    ) -> None:
        numbers, missing = to_numbers(values, column.name)
        rounded = column.kind == "integer" and numbers.dtype.kind == "f"
        self.name, self.type = column.name, values.type
        self.scale: Scale
        if raw:
            self.scale = RawValues(numbers, missing, number_limits(values.type, numbers), rounded)
        else:
            whole = np.rint(numbers) if rounded else numbers
            self.scale = NormalScores(whole, missing, rng, min_count, owners, values.type)
        self.missing = missing if missing.any() else None
        nan = np.count_nonzero(missing) > values.null_count
        #: Where a value is missing by being NaN, not null.
        self._nan = missing & ~values.is_null().to_numpy() if nan else None

    def take_gaps(self, rows: Ints) -> None:
        """Take the gaps of other rows."""
        self.missing = None if self.missing is None else self.missing[rows]
        self._nan = None if self._nan is None else self._nan[rows]

    def decode(self, scores: Scores, main: Indices) -> pa.Array:
        """Return mixed scores as values, missing where they are in the rows ``main``."""
        return self.array(self.numbers(scores), main)

    def numbers(self, scores: Scores) -> Numbers:
        """Return the numbers behind the values of mixed scores."""
        return self.scale.decode(np.ascontiguousarray(scores))

    def array(self, numbers: Numbers, main: Indices) -> pa.Array:
        """Return numbers as values, missing where they are in the rows ``main``."""
        gone = None if self.missing is None else self.missing[main]
        nan = None if self._nan is None else self._nan[main]
        if gone is not None and nan is not None:
            gone &= ~nan
        return from_numbers(numbers, gone, self.type, nan)

    def floats_of(self, values: pa.ChunkedArray) -> Floats32:
        """Return values as plain numbers, NaN where they are missing."""
        return self._narrow(*to_numbers(values, self.name))

    def floats(self, numbers: Numbers, main: Indices) -> Floats32:
        """Return numbers as plain ones, NaN where they are missing in the rows ``main``."""
        return self._narrow(numbers, None if self.missing is None else self.missing[main])

    def _narrow(self, numbers: Numbers, missing: Bools | None) -> Floats32:
        """Return numbers as floats of 32 bits, within their range, NaN where missing."""
        most = float(np.finfo(np.float32).max)
        made = np.clip(in_own_size(numbers, self.type), -most, most).astype(np.float32)
        if missing is not None:
            made[missing] = np.nan
        return made


class Scale(ABC):
    """How the numbers of one column become scores, and mixed scores become numbers."""

    scores: Scores

    @abstractmethod
    def calibrate(self, mixed: Scores) -> None:
        """Learn how mixed scores are distributed, from a sample of them."""

    @abstractmethod
    def decode(self, scores: Scores) -> Numbers:
        """Return the numbers that belong to mixed scores."""


class RawValues(Scale):
    """Values are mixed as they are: mean, variance and covariance are kept."""

    def __init__(
        self, numbers: Numbers, missing: Bools, limits: tuple[Any, Any], whole: bool = False
    ) -> None:
        seen = numbers[~missing]
        self._limits, self._whole = limits, whole
        # centered in the column's own type: large integers and timestamps keep their last digits
        half = len(seen) // 2
        self._center = np.partition(seen, half)[half] if len(seen) else numbers.dtype.type(0)
        if len(seen) and int(seen.max()) - int(seen.min()) >= 2**63:  # would not fit in int64
            self.scores = numbers.astype(np.float64) - float(self._center)
        else:
            self.scores = np.where(missing, 0, numbers - self._center).astype(np.float64)
        self.scores[missing] = 0.0
        self._factor, self._shift = 1.0, 0.0

    def fit_moments(
        self, pivot: Any, offset: float, variance: float, missing: Bools | None
    ) -> None:
        """Give mixed values the variance, and the mean ``pivot + offset``, of more rows."""
        seen = self.scores if missing is None else self.scores[~missing]
        spread = float(seen.std()) if len(seen) else 0.0
        factor = float(np.sqrt(variance)) / spread if spread > 0 else 1.0
        above = float(pivot - self._center.item()) + offset  # exact before it is a float
        shift = above - factor * float(seen.mean()) if len(seen) else 0.0
        if np.isfinite(factor) and np.isfinite(shift):
            self._factor, self._shift = factor, shift

    def calibrate(self, mixed: Scores) -> None:
        """Nothing to learn."""

    def decode(self, scores: Scores) -> Numbers:
        """Return centered values moved back, rounded where the column holds integers."""
        low, high = self._limits
        if self._factor != 1.0 or self._shift != 0.0:
            scores = self._factor * scores + self._shift
        if self._center.dtype.kind == "f":
            moved = self._center + scores
            clipped: Numbers = np.clip(np.rint(moved) if self._whole else moved, low, high)
            return clipped
        center, far = int(self._center), 2**62
        steps = np.clip(np.rint(scores), -float(far), float(far)).astype(np.int64)
        whole = center + np.clip(steps, max(low - center, -far), min(high - center, far))
        beyond = np.abs(scores) >= far
        if beyond.any():
            top = np.nextafter(float(high), 0.0) if float(high) > high else float(high)
            whole[beyond] = np.clip(center + scores[beyond], float(low), top).astype(np.int64)
        return whole


class NormalScores(Scale):
    """Values are mixed as Gaussian quantiles of their ranks: the marginal is kept."""

    # the distribution of the mixed scores is learned from a sample, and a mixed score goes back to
    # the value of the same rank in marginal, which may be replaced before calibrate()

    def __init__(
        self,
        numbers: Numbers,
        missing: Bools,
        rng: np.random.Generator,
        min_count: int = 1,
        owners: Indices | None = None,
        kind: pa.DataType | None = None,
    ) -> None:
        from scipy.special import ndtri

        seen = numbers[~missing]
        n = len(seen)
        order = seen.argsort()
        ordered = seen[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))[:n]
        values, counts = ordered[starts], np.diff(starts, append=n)
        codes = np.arange(len(values)).repeat(counts)
        ends = np.cumsum(counts) / max(n, 1)  # share of values up to each one
        middle = ndtri(np.clip(ends - counts / (2 * max(n, 1)), 1e-12, 1 - 1e-12))
        scores = middle.repeat(counts)
        if len(values) < n:
            tied = np.flatnonzero(counts.repeat(counts) > 1)  # get a random order
            key = codes[tied] + rng.random(n)[order[tied]]
            order[tied] = order[tied][key.argsort()]
            scores += TIE_SPREAD * (ndtri((np.arange(n) + 0.5) / n) - scores)
        self.scores = np.zeros(len(numbers), np.float32)
        self.scores[np.flatnonzero(~missing)[order]] = scores
        held = sharing = None
        away = np.zeros(len(values), bool) if kind is None else are_fillers(values, kind)
        if owners is not None:
            whose = owners[~missing][order]
            held = held_by(codes, whose)
            sharing = len(np.unique(whose[((held < min_count) & ~away)[codes]]))
        self.marginal = marginal_of(
            values, counts, _decimals(values), min_count, held=held, sharing=sharing, fillers=away
        )

    def calibrate(self, mixed: Scores) -> None:
        """Learn the quantiles of mixed scores."""
        ordered = np.sort(mixed).astype(np.float64)
        to = self.marginal
        inner = np.interp(to.levels * len(ordered), np.arange(len(ordered)) + 0.5, ordered)
        self._edges = np.concatenate([ordered[:1], inner, ordered[-1:]])
        finite = inner if len(inner) else np.zeros(1)
        self._start = float(finite[0])
        size = GUIDE * len(finite)
        self._per_cell = size / (float(finite[-1] - finite[0]) or 1.0)
        grid = self._start + np.arange(size + 1) / self._per_cell
        self._guide = np.searchsorted(inner, grid, side="left").astype(np.int32)

    def decode(self, scores: Scores) -> Numbers:
        """Return the values of the same rank: in range, with the column's decimal places."""
        to = self.marginal
        out = np.empty(len(scores), to.low.dtype)
        places = 0.0 if to.decimals is None else 10.0**to.decimals
        _look_up(
            scores,
            self._edges,
            self._guide,
            self._start,
            self._per_cell,
            to.low,
            to.high,
            places,
            to.low.dtype.kind == "i",
            out,
        )
        return out


@dataclass(frozen=True)
class Marginal:
    """The distribution of a column, as a table of quantiles.

    Between ``levels[i - 1]`` and ``levels[i]`` values run from ``low[i]`` to ``high[i]``.
    """

    levels: Floats  # (n_cells - 1,), inner levels, rising
    low: Numbers  # (n_cells,), in terms of to_numbers
    high: Numbers  # (n_cells,)
    decimals: int | None  # decimal places; None for as many as there are

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        packed = {name: _pack(getattr(self, name)) for name in ("levels", "low", "high")}
        return {**packed, "decimals": self.decimals}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Marginal:
        """Return what :meth:`as_dict` was made from."""
        arrays = {name: _unpack(facts[name]) for name in ("levels", "low", "high")}
        return cls(**arrays, decimals=facts["decimals"])


def _pack(values: Array) -> list[str]:
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return [plain.dtype.str, base64.b64encode(plain.tobytes()).decode()]


def _unpack(packed: list[str]) -> Array:
    values = np.frombuffer(base64.b64decode(packed[1]), np.dtype(packed[0]))
    return values.astype(values.dtype.newbyteorder("="))


def marginal_of(
    values: Numbers,
    counts: Indices,
    decimals: int | None,
    min_count: int = 1,
    extra: Floats | None = None,
    held: Indices | None = None,
    sharing: int | None = None,
    fillers: Bools | None = None,
) -> Marginal:
    """Return the distribution of distinct rising ``values``, with how many rows hold each."""
    # values that fewer than min_count rows hold are not kept apart, but drawn anew among their
    # neighbors; held and sharing count owners: of each value, and of all such values; fillers stay
    # apart however few hold them
    if not len(values):  # nothing but gaps
        values, counts, held, fillers = np.zeros(1, values.dtype), np.full(1, min_count), None, None
    held = counts if held is None else held
    fillers = np.zeros(len(values), bool) if fillers is None else fillers
    if ((held < min_count) & ~fillers).any():
        return _smoothed(values, counts, held, sharing, decimals, min_count, fillers)
    ends = np.cumsum(counts) / counts.sum()
    if len(values) <= STEP_VALUES:
        return Marginal(ends[:-1], values, values, decimals)
    return Marginal(*_interpolated(values, ends, extra, fillers), decimals)


def held_by(codes: Indices, owners: Indices) -> Ints:
    """Return how many owners hold each code."""
    many = int(owners.max(initial=0)) + 1
    pairs = np.unique(codes.astype(np.int64) * many + owners)
    return np.bincount(pairs // many)


def _smoothed(
    values: Numbers,
    counts: Indices,
    held: Indices,
    sharing: int | None,
    decimals: int | None,
    min_count: int,
    fillers: Bools,
) -> Marginal:
    """Keep frequent values and fillers, and spread the others evenly over cells of many rows."""
    # Within a cell every value is as likely, whether a row holds it or not, so that to meet a value
    # says nothing of who holds it. A narrow gap between two rows would give both away.
    total = counts.sum()
    frequent = held >= min_count
    if len(values) > STEP_VALUES:
        frequent &= counts > total / LEVELS
    apart = frequent | fillers
    rows = int(counts[~apart].sum())
    sharing = held[~apart].sum() if sharing is None else sharing
    if (
        sharing < min_count or (~apart).sum() == 1
    ) and frequent.any():  # too few for a cell of their own, which would show whose they are
        return _joined_to_others(values, counts, apart, decimals)
    size = max(min_count, min(CELL_ROWS, rows // 8), rows // LEVELS)
    cells = _even_cells(values[~apart], counts[~apart], size)
    parts = [(one, one, mass) for one, mass in zip(values[apart], counts[apart], strict=True)]
    parts += _around(cells, values[apart], values.dtype.kind == "i")
    parts.sort(key=lambda part: (part[0], part[1]))
    low, high, mass = (np.array(one) for one in zip(*parts, strict=True))
    levels = np.cumsum(mass)[:-1] / mass.sum()
    if decimals is not None:  # ends are written out as well
        low, high = np.round(low, decimals), np.round(high, decimals)
    return Marginal(levels, low.astype(values.dtype), high.astype(values.dtype), decimals)


def _joined_to_others(
    values: Numbers, counts: Indices, apart: Bools, decimals: int | None
) -> Marginal:
    """Give the rows of values that are not kept apart the nearest value that is."""
    kept = values[apart]
    above = np.searchsorted(kept, values).clip(1, max(len(kept) - 1, 1)).clip(max=len(kept) - 1)
    below = (above - 1).clip(0)
    nearer = _apart(kept[below], values) < _apart(values, kept[above])
    mass = np.bincount(np.where(nearer, below, above), weights=counts, minlength=len(kept))
    return Marginal((np.cumsum(mass) / mass.sum())[:-1], kept, kept, decimals)


Cell = tuple[Any, Any, float]  # from, to, rows


def _even_cells(values: Numbers, counts: Indices, size: int) -> list[Cell]:
    """Return cells of about so many rows, split halfway between values, with smooth tails."""
    whole = values.dtype.kind == "i"
    upto = np.cumsum(counts)
    number = max(int(upto[-1]) // size, 1)
    last = np.unique(np.searchsorted(upto, upto[-1] * np.arange(1, number + 1) / number))
    middle = _halfway(values[:-1], values[1:], whole)
    # the outermost values are nobody's: tails end halfway between the last two
    ends = (values[0], values[-1]) if len(values) < 2 else (middle[0] + whole, middle[-1])
    highs = np.append(middle[last[:-1]], ends[1])
    lows = np.append(ends[0], highs[:-1] + whole)
    mass = np.diff(upto[last], prepend=0)
    cells = [(a, max(a, b), float(m)) for a, b, m in zip(lows, highs, mass, strict=True)]
    if len(cells) < 4:
        return cells
    first, final = values[: last[0] + 1], values[last[-2] + 1 :]
    below = float(np.average(_apart(first, cells[0][1]), weights=counts[: last[0] + 1]))
    above = float(np.average(_apart(cells[-1][0], final), weights=counts[last[-2] + 1 :]))
    left = [
        (-b, -a, m) for a, b, m in _tail((-cells[0][1], -cells[0][0], cells[0][2]), below, whole)
    ]
    return [*left[::-1], *cells[1:-1], *_tail(cells[-1], above, whole)]


def _apart(low: Any, high: Any) -> Any:
    """Return how far numbers lie apart, signed; large integers to their last digit."""
    if np.asarray(low).dtype.kind == "i":
        away = np.asarray(high, np.int64).astype(object) - np.asarray(low, np.int64).astype(object)
        return np.asarray(away, float)
    return np.subtract(high, low, dtype=float)


def _halfway(low: Numbers, high: Numbers, whole: bool) -> Numbers:
    """Return the middle of neighboring values, without overflow."""
    if whole:
        gap = (high.astype(np.uint64) - low.astype(np.uint64)).view(np.int64)
        return low + gap // 2
    middle: Numbers = low / 2 + high / 2
    return middle


def _tail(cell: Cell, excess: float, whole: bool) -> list[Cell]:
    """Split the outermost cell so that it thins out as its rows do: exponentially."""
    from scipy.optimize import brentq

    start, end, mass = cell
    length = float(_apart(start, end))
    if not 0 < excess < 0.45 * length or (whole and length < 8 * TAIL_CELLS):
        return [cell]

    def mean(rate: float) -> float:
        return 1 / rate - length / float(np.expm1(min(rate * length, 700.0)))

    rate = brentq(lambda one: mean(one) - excess, 1e-6 / length, 50 / excess)
    shares = np.arange(1, TAIL_CELLS) / TAIL_CELLS * -np.expm1(-rate * length)
    cuts = -np.log1p(-shares) / rate
    cuts = start + (np.unique(np.rint(cuts).astype(np.int64)) if whole else cuts)
    edges = [start, *cuts.tolist(), end]
    return [
        (a + (whole and at > 0), b, mass / (len(edges) - 1))
        for at, (a, b) in enumerate(pairwise(edges))
    ]


def _around(cells: list[Cell], spikes: Numbers, whole: bool) -> list[Cell]:
    """Return cells cut at the values that are kept apart, each part with its share of the rows."""
    made: list[Cell] = []
    for low, high, mass in cells:
        inside = spikes[np.searchsorted(spikes, low) : np.searchsorted(spikes, high, "right")]
        if not len(inside):
            made.append((low, high, mass))
            continue
        starts = [low, *(one + whole for one in inside.tolist())]
        stops = [*(one - whole for one in inside.tolist()), high]
        parts = [(a, b) for a, b in zip(starts, stops, strict=True) if a <= b]
        width = np.array([float(_apart(a, b)) + whole for a, b in parts])
        if not len(parts) or not width.sum():  # no other value lies between
            made += [(one, one, mass / len(inside)) for one in inside]
            continue
        made += [(a, b, m) for (a, b), m in zip(parts, mass * width / width.sum(), strict=True)]
    return [cell for cell in made if cell[2] > 0]


def _interpolated(
    values: Numbers, ends: Floats, extra: Floats | None, fillers: Bools
) -> tuple[Floats, Numbers, Numbers]:
    # Levels are equally spaced, with frequent values (more than one level wide) and fillers given a
    # cell of their own, so that they neither smear nor fade.
    starts = np.concatenate([[0.0], ends[:-1]])
    wide = np.flatnonzero((ends - starts > 1.0 / LEVELS) | fillers)
    more = np.empty(0) if extra is None else extra
    spaced = np.linspace(0, 1, LEVELS + 1)
    level = np.unique(np.concatenate([spaced, starts[wide], ends[wide], more]))
    at = np.searchsorted(ends, level, side="right").clip(max=len(values) - 1)
    # the cell's upper end is the value just below the next level, not the one at it
    end = np.searchsorted(ends, level[1:], side="left").clip(max=len(values) - 1)
    return level[1:-1], values[at[:-1]], values[end]


def _decimals(values: Numbers) -> int | None:
    """Return how many decimal places the values have, if that is a few."""
    if values.dtype.kind == "i":
        return None
    with np.errstate(over="ignore"):  # huge numbers have no decimal places to keep
        for places in range(MAX_DECIMALS + 1):
            if all(np.array_equal(np.round(v, places), v) for v in (values[:FIRST], values)):
                return places
    return None


@compiled()
def _look_up(
    scores: Any,
    edges: Any,
    guide: Any,
    start: float,
    per_cell: float,
    low: Any,
    high: Any,
    scale: float,
    whole: bool,
    out: Any,
) -> None:
    """Write the value between ``low[c]`` and ``high[c]`` for the cell ``c`` of each score."""
    # edges[c] <= score < edges[c + 1]; scores beyond the outer edges belong to the outer cells;
    # guide tells, for equal steps along the scores, the first cell worth a look
    last = len(low) - 1
    for i in range(len(scores)):
        score = scores[i]
        step = (score - start) * per_cell
        place = int(min(max(step, 0.0), len(guide) - 1.0))
        cell = min(guide[place], last) if step >= 0.0 else 0
        while cell < last and score >= edges[cell + 1]:
            cell += 1
        while cell > 0 and score < edges[cell]:
            cell -= 1
        bottom, top = low[cell], high[cell]
        if bottom == top:
            out[i] = bottom
            continue
        width = edges[cell + 1] - edges[cell]
        share = (score - edges[cell]) / width if width > 0.0 else 0.5
        share = min(max(share, 0.0), 1.0)
        if whole:
            # counted from the nearer end: neither overflow nor a rounding error past an end
            gap = float(top) - float(bottom)
            if gap < 2.0**62:  # exact, also between large integers
                gap = float(top - bottom)
            rise = min(min(share, 1.0 - share) * gap, 2.0**62)
            moved = bottom + int(np.rint(rise)) if share <= 0.5 else top - int(np.rint(rise))
            out[i] = min(max(moved, bottom), top)
        else:
            value = bottom * (1.0 - share) + top * share
            if scale > 0.0:
                value = np.rint(value * scale) / scale
            out[i] = min(max(value, bottom), top)


# gaps


def fill_missing(scores: Scores, missing: Bools, rng: np.random.Generator) -> None:
    """Fill missing scores, in place, so that they can be mixed without harm."""
    # each column is regressed on the others and filled by the prediction plus the residual of a
    # random observed row; filled values never show, unless a partner's value is mixed with one;
    # then they carry the right mean, variance and correlation
    holed = np.flatnonzero(missing.any(axis=0))
    if not len(holed):
        return
    size = np.maximum(np.abs(scores).max(axis=0), np.finfo(scores.dtype).tiny)
    plain = scores / size  # squares of huge numbers would overflow
    for column in holed:
        hole = missing[:, column]
        plain[hole, column] = plain[~hole, column].mean() if not hole.all() else 0.0
    few = plain[:: max(1, len(plain) // FILL_ROWS)].astype(np.float64)
    strength = None
    if few.shape[1] > FILL_COLUMNS:
        few -= few.mean(axis=0)
        strength = np.abs(few.T @ few) / np.maximum(np.sqrt((few**2).sum(axis=0)), 1e-12)
    for column in holed:
        gone, seen = (np.flatnonzero(one) for one in (missing[:, column], ~missing[:, column]))
        if not len(seen):
            continue
        seen = seen[:: max(1, len(seen) // FILL_ROWS)]
        target = plain[seen, column].astype(np.float64)
        others = np.delete(np.arange(scores.shape[1]), column)
        if strength is not None:  # the most correlated of many
            order = np.argsort(-strength[column, others], kind="stable")
            others = np.sort(others[order[:FILL_COLUMNS]])
        design = _design(plain, seen, others)
        gram = design.T @ design
        gram[np.diag_indices_from(gram)] += 1e-6 * (1 + np.diag(gram))
        slope = np.linalg.solve(gram, design.T @ target)
        residual = target - design @ slope
        filled = _design(plain, gone, others) @ slope + rng.choice(residual, len(gone))
        scores[gone, column] = filled * size[column]


def _design(scores: Scores, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Floats:
    design = np.ones((len(rows), len(columns) + 1))
    design[:, 1:] = scores[np.ix_(rows, columns)]
    return design
