"""Irregular times of one series, drawn anew period by period."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from vicinal._types import Indices, Ints
from vicinal.table.marginals import NormalScores
from vicinal.table.numbers import Numbers, from_numbers
from vicinal.table.panel.find import REGULAR, is_regular
from vicinal.table.panel.layout import bounds, clock_of, ticks_of_day

#: Correlation of a gap that is drawn, as a normal score, with the one in its place.
KEPT = 0.7


class Stamps:
    """The gaps of one series: before, between and after the times of its periods."""

    def __init__(
        self,
        numbers: Ints,
        unit: int,
        first: Ints,
        kind: pa.DataType,
        period: str,
        least: int,
        rng: np.random.Generator,
    ) -> None:
        self._kind, self._unit, self._first = kind, unit, first
        starts, ends = bounds(numbers[first[:-1]], kind, period)
        self._starts, self._ends = starts, ends
        inner = np.diff(numbers, prepend=numbers[:1])
        parts = (
            numbers[first[:-1]] - starts,
            np.delete(inner, first[:-1]),
            ends - numbers[first[1:] - 1],
        )
        self._scales = []
        for gaps in parts:
            scale = NormalScores(gaps, np.zeros(len(gaps), bool), rng, least)
            if len(gaps):
                scale.calibrate(scale.scores)
            self._scales.append(scale)

    def draw(self, periods: Indices, rng: np.random.Generator) -> pa.Array:
        """Return as many times for each period as it has."""
        before, between, after = (self._drawn(scale, rng) for scale in self._scales)
        at = self._first[:-1] - np.arange(len(self._starts))
        made = []
        for one in periods:
            many = int(self._first[one + 1] - self._first[one])
            inner = between[at[one] : at[one] + many - 1]
            gaps = np.concatenate([before[one : one + 1], inner, after[one : one + 1]])
            start, length = self._starts[one], self._ends[one] - self._starts[one]
            share = np.cumsum(gaps)[:-1] / max(gaps.sum(), 1)
            # as steps of the finest unit, apart from each other and within the period
            room, order = int(length) // self._unit, np.arange(many)
            steps = np.floor(share * room).astype(np.int64)
            steps = np.maximum.accumulate(steps - order)
            steps = np.clip(steps, 0, room - many) + order
            made.append(start + steps * self._unit)
        times: Numbers = np.concatenate(made)
        return from_numbers(times, None, self._kind)

    def _drawn(self, scale: NormalScores, rng: np.random.Generator) -> Numbers:
        if not len(scale.scores):
            return np.zeros(0, np.int64)
        noise = rng.normal(size=len(scale.scores))
        return scale.decode((KEPT * scale.scores + np.sqrt(1 - KEPT**2) * noise).astype(np.float32))


def is_grid(values: pa.ChunkedArray, numbers: Ints, name: str) -> bool:
    """Tell whether times are those of a calendar or of a fixed step, with absent ones or not."""
    told, gaps = clock_of(values, name), np.diff(numbers)
    if told is not None and told[0].monthly:
        return True
    whole_days = not (numbers % ticks_of_day(values.type)).any()
    fixed = (gaps % max(int(np.median(gaps)), 1) == 0).mean() >= REGULAR
    return bool(fixed) or (whole_days and is_regular(gaps))
