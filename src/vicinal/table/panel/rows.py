"""Entities with their series, made ready for mixing: one weight for an entity and all its steps.

What is constant within entities is a row of :class:`TrainingRows`, and the series are scores mixed
along with it by the same weights, aligned step by step: so what a law keeps of rows, it keeps of
series. Which steps there are, and what is no number, is taken from one parent, or, where rare
values are hidden, from one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from vicinal._progress import ProgressCallback
from vicinal._random import CHUNK_ROWS, Seeds, TableKey
from vicinal._types import Array, Bools, Indices, Ints
from vicinal.table.categories import (
    ASSOCIATED,
    cramers_v,
    joint_codes,
    take_effects,
)
from vicinal.table.inherited import inherit, taken_together, without_rare
from vicinal.table.marginals import MixedColumn, NormalScores, RawValues
from vicinal.table.mixing import Mixture
from vicinal.table.neighborhood import row_space
from vicinal.table.numbers import to_numbers
from vicinal.table.panel.align import complete, slow_course
from vicinal.table.panel.crossing import Crossing
from vicinal.table.panel.layout import (
    Clock,
    Layout,
    clock_of,
    rising,
    ticks_of_day,
    varies,
)
from vicinal.table.panel.stamps import Stamps, is_grid
from vicinal.table.presets import MixingSettings
from vicinal.table.rare import BLUR_ROWS
from vicinal.table.schema import Column, detect_columns
from vicinal.table.training_rows import (
    Along,
    TrainingRows,
    calibration_rows,
    is_mixed,
)

#: Name under which the number of the synthetic entity of each row is handed on.
UNIT = "\0unit"
#: Stretches of steps whose means stand for a series where nearness is measured ...
BLOCKS = 8
#: ... and by how much a series counts there, next to a column of one value.
SERIES_WEIGHT = 3.0

#: Rounds in which effects of categories are told from what goes with entities and steps.
EFFECT_ROUNDS = 6

#: Standard deviation by which the normal score of a number of rows is moved where it is drawn anew.
MOVED = 0.1

#: Columns of a series, by name.
Series = Mapping[str, tuple[Column, pa.ChunkedArray]]


@dataclass(frozen=True)
class _Rising:
    """A column that is mixed as its start and its rises."""

    clock: Clock
    start: str  # column of entities
    rises: str  # column of steps; empty where rises are those of the parent that gives the steps
    own: Ints  # (n_rows,), rises in training rows
    least: int


class PanelRows:
    """Entities, with the interface of :class:`TrainingRows`."""

    def __init__(
        self,
        table: pa.Table,
        columns: Sequence[Column],
        layout: Layout,
        names: tuple[str | None, str | None],
        settings: MixingSettings,
        seeds: Seeds,
        *,
        held: Mapping[str, bool] | None = None,
        progress: ProgressCallback | None = None,
        replaced: frozenset[str] = frozenset(),
    ) -> None:
        self.settings, self._layout, self._held = settings, layout, dict(held or {})
        self._replaced, (self._entity, self._time) = replaced, names
        self._rows_at = np.full((len(layout), int(layout.steps.max()) + 1), -1, np.int64)
        self._rows_at[layout.entity, layout.steps] = np.arange(table.num_rows)
        self._gaps: dict[str, Bools] = {}
        self._rising: dict[str, _Rising] = {}
        self._times: pa.ChunkedArray | None = None  # of one series
        self._stamps: Stamps | None = None
        units, kinds, series = self._sort_out(table, columns)
        self.fixed = frozenset(kinds) & frozenset(table.column_names)
        along = self._encode(series, seeds)
        inner = set(units.column_names) - self.fixed - {one.start for one in self._rising.values()}
        self._units = TrainingRows(
            units,
            [kinds[name] for name in units.column_names],
            settings,
            seeds,
            self._held,
            progress=progress,
            replaced=replaced | frozenset(inner),
            along=along,
        )
        self._leads = self._found_leads()
        self._crossing: Crossing | None = None
        self._lengths = np.diff(layout.first)
        if self._hides and self._times is not None:
            self._stamps = self._irregular(self._times, seeds.generator(TableKey.RARE, 2))
        elif self._hides:
            self._crossing = Crossing(layout.entity, layout.steps, self._rows_at)
            self._hide_lengths(seeds.generator(TableKey.RARE, 2))
            self._find_states()
        self._calibrate(Seeds(seeds.generator(TableKey.CALIBRATE, 1)), along)

    def __len__(self) -> int:
        return len(self._layout)

    @property
    def single_groups(self) -> int:
        """How many groups have one entity, which can only be copied."""
        return self._units.single_groups

    @property
    def alike(self) -> frozenset[str]:
        """The columns that are constant within entities, or only rise."""
        return self.fixed | frozenset(self._rising)

    @property
    def longest(self) -> int:
        """Return the number of rows of the entity that has most."""
        return int(np.diff(self._layout.first).max())

    def numbers(self, order: Ints) -> Ints:
        """Return the number of each entity among those of a table, whose row numbers are given."""
        if self._entity is None:
            return np.arange(len(self))
        begins = np.minimum.reduceat(order, self._layout.first[:-1])
        return np.argsort(np.argsort(begins))

    def check_fixed(self, name: str, settled: Iterable[str]) -> None:
        """Refuse a condition on what changes within entities, or on what rules settle."""
        what = "periods of one series" if self._entity is None else "entities"
        why = "a rule settles it" if name in settled else "it changes within them"
        if name not in self.fixed or name in settled:
            raise ValueError(
                f"where: conditions choose among {what}, so that column {name!r} cannot be asked "
                f"for: {why}. Draw without the condition and filter the rows."
            )

    # what is constant, what rises, what is a series

    def _sort_out(
        self, table: pa.Table, columns: Sequence[Column]
    ) -> tuple[pa.Table, dict[str, Column], dict[str, tuple[Column, pa.ChunkedArray]]]:
        """Return a table of entities, what its columns are, and the series."""
        layout, begins = self._layout, pa.array(self._layout.first[:-1])
        units: dict[str, Any] = {}
        series: dict[str, tuple[Column, pa.ChunkedArray]] = {}
        kinds: dict[str, Column] = {}
        for column in columns:
            name = column.name
            if name not in table.column_names or name == self._entity:
                continue
            values = table[name]
            if self._entity is None and name == self._time:
                self._times = values
            elif not varies(values, layout):
                units[name], kinds[name] = values.take(begins), column
            elif not (column.mixed or column.inherited):
                self._gaps[name] = values.is_null().to_numpy()
            elif not self._add_rising(column, values, units, series):
                series[name] = column, values
        units[_fresh("steps", units)] = pa.array(np.diff(layout.first))
        if self._entity is None:  # near in time counts too
            units[_fresh("place", units)] = pa.array(np.arange(len(layout)))
        made = pa.table(units)
        for found in detect_columns(made.drop_columns(list(kinds))):
            plain = replace(found, kind="integer") if found.kind == "identifier" else found
            kinds[found.name] = plain
        for name in self._held_fixed(kinds):
            kinds[name] = replace(kinds[name], n_distinct=len(made[name].unique()))
        return made, kinds, series

    def _held_fixed(self, kinds: Mapping[str, Column]) -> list[str]:
        return [name for name, column in kinds.items() if column.mixed or column.inherited]

    def _add_rising(
        self,
        column: Column,
        values: pa.ChunkedArray,
        units: dict[str, Any],
        series: dict[str, tuple[Column, pa.ChunkedArray]],
    ) -> bool:
        """Keep a column that only rises within entities as its start and its rises."""
        layout, name = self._layout, column.name
        told = clock_of(values, name, rounded=name == self._time)
        if self._entity is None or told is None or not column.mixed:
            return False
        clock, steps = told
        rises = rising(steps, layout.first)
        if rises is None or (pa.types.is_time(values.type) and name != self._time):
            return False
        start, change = _fresh(f"start of {name}", units), ""
        units[start] = pa.array(steps[layout.first[:-1]])
        if not (name == self._time and layout.on_grid):
            change = _fresh(f"rise of {name}", series)
            first = np.zeros(len(rises), bool)
            first[layout.first[:-1]] = True
            made = pa.table({change: pa.array(rises, mask=first)})
            series[change] = replace(detect_columns(made)[0], kind="integer"), made[change]
        least = int(np.delete(rises, layout.first[:-1]).min())
        self._rising[name] = _Rising(clock, start, change, rises, least)
        return True

    # series as scores

    def _encode(self, series: Series, seeds: Seeds) -> Along | None:
        """Return the scores of all series, shape (n_entities, n_steps * n_mixed)."""
        owners, raw = self._layout.entity, self.settings.marginals == "raw"
        mixed = [n for n, (column, values) in series.items() if self._is_mixed(column, values)]
        self._mixed = [
            MixedColumn(
                *series[name],
                raw,
                seeds.generator(TableKey.TIES, len(series) + at),
                self.settings.min_count,
                owners,
            )
            for at, name in enumerate(mixed)
        ]
        self._inherit({name: one for name, one in series.items() if name not in mixed})
        scores = np.zeros((len(owners), len(mixed)), np.float64 if raw else np.float32)
        for at, column in enumerate(self._mixed):
            scores[:, at] = column.scale.scores
            del column.scale.scores  # kept once, in the matrix
        self._hide_rare(series, scores, seeds.generator(TableKey.RARE, 1))
        self._bundle_codes = [
            joint_codes([self._inherited[name].codes for name in bundle])
            for bundle in self._bundles
        ]
        self._effects: list[Array] = []
        if self.settings.effects and not raw and mixed and self._bundles:
            scores = self._take_effects(scores)
        if not mixed:
            return None
        return self._along(scores, seeds)

    def _inherit(self, series: Series) -> None:
        """Keep what rows take from a parent, and which columns they take together."""
        self._inherited = {name: inherit(one) for name, (_, one) in series.items()}
        self._bundles = taken_together(self._inherited)

    def _along(self, scores: Array, seeds: Seeds) -> Along:
        """Return scores of rows, (n_rows, n_mixed), by entity and step, gaps filled."""
        for at, column in enumerate(self._mixed):
            if column.missing is not None:
                scores[column.missing, at] = np.nan
        whole = np.full((*self._rows_at.shape, len(self._mixed)), np.nan, scores.dtype)
        whole[self._layout.entity, self._layout.steps] = scores
        complete(whole, seeds.generator(TableKey.FILL, 1))
        if self._entity is None:
            self._level = slow_course(whole)
            whole -= self._level[:, None]
        shape, blocks = whole.shape, min(BLOCKS, whole.shape[1])

        def near(scores: Array) -> Array:
            parts = np.array_split(scores.reshape(shape), blocks, axis=1)
            return np.concatenate([part.mean(axis=1) for part in parts], axis=1)

        return Along(whole.reshape(len(whole), -1), near, float(np.sqrt(SERIES_WEIGHT / blocks)))

    def _take_effects(self, scores: Array) -> Array:
        """Take what categories say of numbers out of scores, and keep it."""
        # within entities and steps: what goes with an entity, or with time, is no effect of one.
        # Categories vary with these too: rounds find their effects in what is left of both.
        codes = {name: one.codes for name, one in self._inherited.items()}
        left, without = scores.astype(np.float64), scores
        for _ in range(EFFECT_ROUNDS if self._hides else 1):
            for unit in (self._layout.entity, self._layout.steps):
                counts = np.maximum(np.bincount(unit), 1)
                for at in range(left.shape[1]):
                    left[:, at] -= (np.bincount(unit, left[:, at]) / counts)[unit]
            rest, effects = take_effects(left, self._bundles, np.array(self._bundle_codes), codes)
            without = without - (left - rest).astype(scores.dtype)
            known = self._effects or [np.zeros_like(one) for one in effects]
            self._effects = [one + more for one, more in zip(known, effects, strict=True)]
            left = rest
        return without

    def _found_leads(self) -> list[int | None]:
        """Return the categories of entities that those of a series belong with, if any."""
        of_units = [
            (at, self._units.category_codes(name))
            for at, names in enumerate(self._units.bundles)
            for name in names
        ]
        leads: list[int | None] = []
        for bundle in self._bundles:
            told = [
                (cramers_v(joint_codes([codes[self._layout.entity]]), own), at)
                for at, codes in of_units
                for own in [joint_codes([self._inherited[name].codes]) for name in bundle]
            ]
            most, lead = max(told, default=(0.0, 0))
            leads.append(lead if most > ASSOCIATED else None)
        return leads

    def _is_mixed(self, column: Column, values: pa.ChunkedArray) -> bool:
        return is_mixed(column, values, self.settings, owners=self._layout.entity)

    @property
    def _hides(self) -> bool:
        """Tell whether what few entities hold is hidden."""
        return self.settings.min_count > 1 and self.settings.rare != "keep"

    def _irregular(self, values: pa.ChunkedArray, rng: np.random.Generator) -> Stamps | None:
        """Return what draws the times of one series anew, None where they are a grid."""
        name, layout = str(self._time), self._layout
        numbers = to_numbers(values, name)[0].astype(np.int64)
        if is_grid(values, numbers, name) or layout.period is None:
            return None
        unit = int(np.gcd.reduce(np.append(numbers, ticks_of_day(values.type))))
        least = self.settings.min_count
        return Stamps(numbers, unit, layout.first, values.type, layout.period, least, rng)

    def _hide_lengths(self, rng: np.random.Generator) -> None:
        """Draw anew how many rows an entity has where few have so many, or more."""
        least, own = self.settings.min_count, self._lengths
        scale = NormalScores(own, np.zeros(len(own), bool), rng, least)
        scale.calibrate(scale.scores)
        blur = min(self.settings.blur, len(own) // BLUR_ROWS)
        enough = min(least + int(rng.integers(0, blur + 1, 2).sum()), len(own))
        most = np.partition(own, len(own) - enough)[len(own) - enough]
        moved = scale.scores + rng.normal(0.0, MOVED, len(own)).astype(np.float32)
        self._lengths = np.minimum(scale.decode(moved), most)

    def _find_states(self) -> None:
        """Find the states in which series cross over: of steps and gaps, and of each bundle."""
        layout = self._layout
        of_columns = [self._inherited[name].missing for name in self._inherited]
        holed = [*(one.missing for one in self._mixed), *of_columns, *self._gaps.values()]
        gaps = [one.astype(np.int64) for one in holed if one is not None]
        within = [self._units.category_codes(name) for name in self.settings.within]
        places: list[Indices] = [layout.steps, *(one[layout.entity] for one in within)]
        self._course_states: list[Indices] = [joint_codes([*places, *gaps]), joint_codes(places)]
        self._states: list[Indices] = []
        self._kinds: list[Indices | None] = []
        for bundle, lead, codes in zip(self._bundles, self._leads, self._bundle_codes, strict=True):
            led = [] if lead is None else self._units.bundles[lead]
            shared = [*within, *(self._units.category_codes(name) for name in led)]
            self._states.append(joint_codes([codes, *(one[layout.entity] for one in shared)]))
            missing = [self._inherited[name].missing for name in bundle]
            holes = [one.astype(np.int64) for one in missing if one is not None]
            self._kinds.append(joint_codes(holes) if holes else None)
        if self.settings.categories == "parent" and self._states:  # all cross over together
            self._states = [joint_codes(self._states)] * len(self._states)
            self._kinds = [None] * len(self._states)

    def _hide_rare(self, columns: Series, scores: Array, rng: np.random.Generator) -> None:
        """Put categories of near rows, or "other", in the place of those that few entities hold."""
        settings, kinds = self.settings, {name: one for name, (one, _) in columns.items()}
        if not self._hides:
            return
        for bundle in self._bundles:
            given = {n: self._inherited[n] for n in bundle if n not in self._replaced}
            codes = [one.codes for one in given.values()]
            if given:
                self._inherited |= without_rare(
                    given,
                    kinds,
                    settings,
                    len(self._layout),
                    partial(row_space, scores, codes, rng),
                    rng,
                    self._layout.entity,
                )

    def _calibrate(self, seeds: Seeds, along: Along | None) -> None:
        if along is None or all(isinstance(one.scale, RawValues) for one in self._mixed):
            return
        wanted = min(calibration_rows(len(self), along), CHUNK_ROWS)
        draw = self._units.drawer(wanted, seeds)
        steps = self._steps_of(draw(0, wanted), seeds.generator(TableKey.STEPS, 0))
        for at, column in enumerate(self._mixed):
            column.scale.calibrate(steps.scores[:, at])

    # drawing

    def _steps_of(self, mixture: Mixture, rng: np.random.Generator) -> _Steps:
        """Carry a plan of entities out on their series."""
        first, main = self._layout.first, mixture.main
        counts = self._lengths[main]
        if self._crossing is not None:
            rows = self._crossing.walk(
                first[main], counts, mixture.parents, self._course_states, rng
            )
            unit = np.repeat(np.arange(len(main)), counts)[rows >= 0]
            rows, counts = rows[rows >= 0], np.bincount(unit, minlength=len(main))
        else:
            unit = np.repeat(np.arange(len(main)), counts)
            rows = first[main][unit] + np.arange(len(unit)) - (np.cumsum(counts) - counts)[unit]
        begins = np.cumsum(counts) - counts
        step = self._layout.steps[rows]
        width = len(self._mixed)
        series = mixture.scores[:, mixture.scores.shape[1] - width * self._rows_at.shape[1] :]
        scores = np.zeros((len(rows), width), np.float32)
        if width:
            scores = series.reshape(len(main), -1, width)[unit, step]
            if self._entity is None:
                scores = scores + self._level[main][unit]
        givers: list[Indices] = []
        for at, bundle in enumerate(self._bundles):
            giver = main
            rises = bundle[0] in {one.rises for one in self._rising.values()}
            if self._leads[at] is not None and not rises:
                giver = mixture.givers[self._leads[at]]
            elif self.settings.categories == "columnwise" and not rises:
                picks = rng.integers(0, mixture.parents.shape[1], len(main))
                giver = mixture.parents[np.arange(len(main)), picks]
            if self._crossing is not None and givers and self.settings.categories == "parent":
                given = givers[0]
            elif self._crossing is not None:
                given = self._crossing.walk(
                    first[giver],
                    counts,
                    mixture.parents,
                    [self._states[at]],
                    rng,
                    rows,
                    self._kinds[at],
                )
            else:
                given = self._rows_at[giver[unit], step]
                given = np.where(given < 0, rows, given)
            for name in bundle:
                gaps = self._inherited[name].missing
                if gaps is not None:
                    given = np.where(gaps[given] == gaps[rows], given, rows)
            givers.append(given)
            if self._effects:
                scores = scores + self._effects[at][self._bundle_codes[at][given]]
        return _Steps(unit, begins, rows, np.ascontiguousarray(scores), givers)

    def _decode(self, mixture: Mixture, start: int, rng: np.random.Generator) -> dict[str, Any]:
        if self._entity is None:  # the periods of the data, in their order
            order = np.argsort(mixture.parents[:, 0], kind="stable")
            mixture = Mixture(
                mixture.scores[order],
                mixture.parents[order, 0],
                mixture.givers[:, order],
                mixture.parents[order],
                mixture.weights[order],
            )
        fixed = self._units.decode(mixture, rng)
        steps = self._steps_of(mixture, rng)
        made: dict[str, Any] = {UNIT: pa.array(steps.unit + start)}
        at_units = pa.array(steps.unit)
        made |= {name: fixed[name].take(at_units) for name in fixed if name in self.fixed}
        made |= {name: pa.array(gaps[steps.rows]) for name, gaps in self._gaps.items()}
        if self._stamps is not None:
            made[str(self._time)] = self._stamps.draw(mixture.main, rng)
        elif self._times is not None:
            made[str(self._time)] = self._times.take(pa.array(steps.rows))
        inner: dict[str, Any] = {}
        for at, column in enumerate(self._mixed):
            inner[column.name] = column.decode(steps.scores[:, at], steps.rows)
        for bundle, rows in zip(self._bundles, steps.givers, strict=True):
            places = pa.array(rows)
            inner |= {name: self._inherited[name].values.take(places) for name in bundle}
        for name, one in self._rising.items():
            rises = one.own[steps.rows]
            if one.rises:
                drawn = inner.pop(one.rises)
                rises = np.maximum(drawn.fill_null(one.least).to_numpy(), one.least)
            rises = np.array(rises)
            rises[steps.begins] = 0
            total = np.cumsum(rises)
            begin = fixed[one.start].to_numpy(zero_copy_only=False)
            at_step = begin[steps.unit] + total - total[steps.begins][steps.unit]
            made[name] = one.clock.decode(at_step.astype(np.int64))
        return made | inner

    def sample(
        self,
        n_samples: int,
        seeds: Seeds,
        *,
        adjust: Any = None,
        return_plan: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[dict[str, Any], tuple[Array, Array] | None]:
        """Draw entities: columns of all their rows, and the plan of entities if asked for."""
        parts, plans = [], []
        for start, mixture in self._mixtures(n_samples, seeds):
            rng = seeds.generator(TableKey.STEPS, start // CHUNK_ROWS)
            parts.append(self._decode(mixture, start, rng))
            plans.append((mixture.parents, mixture.weights))
            if progress is not None:
                progress(start + len(mixture.main))
        columns = {name: _joined([part[name] for part in parts]) for name in parts[0]}
        if not return_plan:
            return columns, None
        parents, weights = (np.concatenate(one) for one in zip(*plans, strict=True))
        return columns, (parents, weights)

    def _mixtures(self, n_samples: int, seeds: Seeds) -> Iterator[tuple[int, Mixture]]:
        draw = self._units.drawer(n_samples, seeds)
        for start in range(0, n_samples, CHUNK_ROWS):
            yield start, draw(start, min(start + CHUNK_ROWS, n_samples))


@dataclass(frozen=True)
class _Steps:
    """Steps of mixed entities, one after the other."""

    unit: Ints  # (n_steps,), the entity of each
    begins: Ints  # (n_entities,), where each begins
    rows: Ints  # (n_steps,), the training row that gives the step and what is missing
    scores: Array  # (n_steps, n_mixed)
    givers: list[Indices]  # of each bundle, (n_steps,), the training rows that give categories


def _joined(parts: Sequence[Any]) -> pa.Array:
    whole = pa.chunked_array(
        [chunk for one in parts for chunk in getattr(one, "chunks", [one])]
    ).unify_dictionaries()
    joined = whole.combine_chunks()
    return joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined


def _fresh(name: str, taken: Mapping[str, Any]) -> str:
    while name in taken:
        name += "_"
    return name
