"""The rows that a synthetic table is drawn from, made ready for mixing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._progress import ProgressCallback
from vicinal._random import CHUNK_ROWS, Seeds, TableKey
from vicinal._threads import for_chunks
from vicinal._types import Array, Bools, Floats, Floats32, Indices
from vicinal.pairing.balance import FairNeighbors
from vicinal.pairing.groups import compact_codes
from vicinal.pairing.permutation import Permutation, grouped_source
from vicinal.plan import draw_chunk
from vicinal.table.buffers import ColumnBuffer
from vicinal.table.categories import (
    Codes,
    as_flag,
    association_tree,
    joint_codes,
    take_effects,
)
from vicinal.table.inherited import InheritedColumn, inherit, taken_together, without_rare
from vicinal.table.marginals import (
    STEP_VALUES,
    MixedColumn,
    NormalScores,
    RawValues,
    fill_missing,
)
from vicinal.table.mixing import (
    Drawer,
    Mixture,
    NeighborhoodMixer,
    RowsToMix,
    SpacingCheck,
    mix_plan,
)
from vicinal.table.neighborhood import neighbors_in_groups, row_space, side_by_side, stretches
from vicinal.table.numbers import Numbers, to_floats
from vicinal.table.places import Places, pairs_of
from vicinal.table.population import Population
from vicinal.table.presets import FEW_VALUES, MixingSettings
from vicinal.table.rare import dealt_gaps
from vicinal.table.repeats import Repeats
from vicinal.table.resampling import LEAST_ROWS, MOST_COLUMNS, DensityRatio
from vicinal.table.schema import Column

#: Numbers one value of which makes up a large share (``MixingSettings.spike``) are taken from a
#: parent, if the others have this many rows each on average: mixed, they would lose their rows.
#: Values that are nearly unique are mixed all the same, for they would give a row away.
SPIKE_ROWS = 2
#: Rows mixed to learn how mixed scores are distributed.
CALIBRATION_ROWS = 2 * CHUNK_ROWS
#: Scores that are mixed for that where rows are few, and scores along with others, at most.
CALIBRATION_SCORES = 1 << 24
CALIBRATION_CELLS = 1 << 23


Plan = tuple[Array, Array]  # parents and weights
Adjust = Callable[[Array], Array]


class Along(NamedTuple):
    """Scores that are mixed along with those of columns, and are decoded elsewhere."""

    scores: Array  # (n_rows, n_along)
    # of such scores without what categories say of them: points of few axes that stand for them
    near: Callable[[Array], Array]
    stretch: float  # by how much each of these counts more than a column


class _Pair(NamedTuple):
    """Two mixed columns that are a place."""

    at: tuple[int, int]  # latitude and longitude among the mixed columns
    places: Places
    decimals: list[int | None]


class TrainingRows:
    """Rows with their scores, groups and neighbors.

    Columns that are neither mixed nor inherited lend only the places of their gaps. ``held`` names
    columns that must not leave what the rows hold: mixed numbers keep their marginal, whatever the
    settings say, or, where the value is True, are taken from a parent. ``population`` is what is
    known of more rows than these, which are a sample of them. ``replaced`` names categories that
    surrogates stand for afterwards: rare ones may stay. ``along`` are scores that come last.
    """

    def __init__(
        self,
        table: pa.Table,
        columns: Sequence[Column],
        settings: MixingSettings,
        seeds: Seeds,
        held: Mapping[str, bool] | None = None,
        population: Population | None = None,
        progress: ProgressCallback | None = None,
        replaced: frozenset[str] = frozenset(),
        along: Along | None = None,
    ) -> None:
        tell: Any = progress or (lambda *_: None)
        self._along = along
        self.settings, self._n_rows = settings, int(table.num_rows)
        self._held, self._replaced = dict(held or {}), replaced
        there = set(table.column_names)
        used = [column for column in columns if column.name in there]
        mixed = [one for one in used if is_mixed(one, table[one.name], settings, self._held)]
        self._encode_mixed(table, mixed, seeds, population, tell)
        self._places = [] if settings.marginals == "raw" else self._find_places(table, mixed)
        self._repeats = None if along is not None else Repeats(self._mixed, table, self._own)
        names = {column.name for column in mixed}
        self._encode_others(table, [column for column in used if column.name not in names])
        self._bundles = taken_together(self._inherited, self.settings.within)
        if settings.min_count > 1 and settings.rare != "keep":
            rng = seeds.generator(TableKey.RARE)
            self._hide_rare({one.name: one for one in used}, rng)
            self._deal_gaps(rng)
        self._groups = self._group_codes()
        self._rows = self._rows_to_mix()
        self._neighborhoods = None
        if settings.method == "neighborhood":
            tell("Finding neighbors", 0, 0)
            self._neighborhoods = self._find_neighborhoods(seeds.generator(TableKey.NEAR))
        self._ratio: DensityRatio | None = None
        tell("Mixing a first sample", 0, 0)
        self._calibrate(Seeds(seeds.generator(TableKey.CALIBRATE)))
        if self._can_choose():
            tell("Learning to tell mixed rows", 0, 0)
            rng = seeds.generator(TableKey.RATIO)
            ratio = DensityRatio(self._mixed, self._bundles, self._codes(), self.numbers_of)
            self._ratio = ratio.fit(table, self.drawer(len(self), Seeds(rng)), rng)
            self._calibrate(Seeds(seeds.generator(TableKey.CALIBRATE)))  # of what is kept

    def __len__(self) -> int:
        return self._n_rows

    @property
    def bundles(self) -> list[list[str]]:
        """The categories that come from one parent together."""
        return self._bundles

    def category_codes(self, name: str) -> Codes:
        """Return the level of each row in a category."""
        return self._inherited[name].codes

    @property
    def single_groups(self) -> int:
        """How many groups have one row, which can only be copied."""
        return 0 if self._groups is None else int((np.bincount(self._groups) == 1).sum())

    def _encode_mixed(
        self,
        table: pa.Table,
        columns: list[Column],
        seeds: Seeds,
        population: Population | None,
        tell: ProgressCallback,
    ) -> None:
        raw = self.settings.marginals == "raw"
        self.scores = np.zeros((len(self), len(columns)), np.float64 if raw else np.float32)
        missing = np.zeros(self.scores.shape, bool)
        found: dict[int, MixedColumn] = {}
        lock = Lock()

        def work(at: int, _: int) -> None:
            column, rng = columns[at], seeds.generator(TableKey.TIES, at)
            made = MixedColumn(
                column,
                table[column.name],
                _is_raw(column, self.settings, self._held),
                rng,
                self.settings.min_count,
            )
            if population is not None:
                population.correct(made)
            self.scores[:, at] = made.scale.scores
            del made.scale.scores  # kept once, in the matrix
            if made.missing is not None:
                missing[:, at] = made.missing
            with lock:
                found[at] = made
                tell("Ranking columns", len(found), len(columns))

        for_chunks(work, len(columns), 1)  # sorting lets go of the interpreter's lock
        self._mixed = [found[at] for at in range(len(columns))]
        fill_missing(self.scores, missing, seeds.generator(TableKey.FILL))
        self._own = self.scores
        if self._along is not None:
            self.scores = np.hstack([self.scores, self._along.scores.astype(self.scores.dtype)])

    def _find_places(self, table: pa.Table, mixed: Sequence[Column]) -> list[_Pair]:
        """Return the pairs of mixed columns that are places."""
        at = {column.name: number for number, column in enumerate(mixed)}
        found = []
        for names in pairs_of({column.name: column.kind for column in mixed}):
            lat, lon = (to_floats(table[name], name) for name in names)
            there = ~(lat[1] | lon[1])
            if not there.any():
                continue
            places = Places(np.column_stack([lat[0], lon[0]]), there, self.settings.min_count)
            scales = (self._mixed[at[name]].scale for name in names)
            decimals = [s.marginal.decimals for s in scales if isinstance(s, NormalScores)]
            found.append(_Pair((at[names[0]], at[names[1]]), places, decimals))
        return found

    def _encode_others(self, table: pa.Table, columns: list[Column]) -> None:
        self._inherited: dict[str, InheritedColumn] = {}
        self._gaps: dict[str, Bools] = {}
        for column in columns:
            values = table[column.name]
            if column.inherited or column.mixed:
                self._inherited[column.name] = inherit(values)
            elif values.null_count:
                self._gaps[column.name] = values.is_null().to_numpy()

    # what belongs together

    def _group_codes(self) -> Indices | None:
        joint: Array | None = None
        for name in self.settings.within:
            one = self._inherited[name].codes.astype(np.int64)
            if joint is not None:  # in int64: the product would not fit into narrow codes
                one += joint.astype(np.int64) * (int(one.max()) + 1)
            joint = compact_codes(one)
        return joint

    def _hide_rare(self, kinds: Mapping[str, Column], rng: np.random.Generator) -> None:
        """Put the categories of near rows, or "other", in the place of rare ones."""
        found: list[Floats32] = []

        def space() -> Floats32:
            if not found:  # one for all
                found.append(self._space(self.scores, self._codes(), rng))
            return found[0]

        for bundle in self._bundles:
            given = {n: self._inherited[n] for n in bundle if n not in self._replaced}
            if given:
                self._inherited |= without_rare(given, kinds, self.settings, len(self), space, rng)

    def _deal_gaps(self, rng: np.random.Generator) -> None:
        """Exchange gaps between rows whose gaps in several columns go together in few rows."""
        mixed = [one for one in self._mixed if one.missing is not None]
        bundles = [one for one in self._bundles if one[0] not in self.settings.within]
        patterns = [self._gaps_of(bundle) for bundle in bundles]
        alone = [one.missing for one in mixed if one.missing is not None]
        gaps = [one.astype(np.int32) for one in (*alone, *self._gaps.values())] + patterns
        dealt = dealt_gaps(gaps, self.settings.min_count, rng) if gaps else None
        if dealt is None:
            return
        for one in mixed:
            one.take_gaps(dealt.pop(0))
        self._gaps = {name: gap[dealt.pop(0)] for name, gap in self._gaps.items()}
        for bundle, own, rows in zip(bundles, patterns, dealt, strict=True):
            rows = np.where(own == own[rows], np.arange(len(self)), rows)
            for name in bundle if own.any() else ():
                self._inherited[name] = self._inherited[name].take(rows)

    def _gaps_of(self, bundle: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return which columns of a bundle are missing, as a number; 0 for none."""
        columns = [self._inherited[name] for name in bundle]
        holed = [c.missing.astype(np.uint8) for c in columns if c.missing is not None]
        if not holed:
            return np.zeros(len(self), np.int32)
        return np.where(np.any(holed, axis=0), joint_codes(holed) + 1, 0).astype(np.int32)

    def _codes(self, but: Sequence[str] = ()) -> dict[str, Codes]:
        return {name: column.codes for name, column in self._inherited.items() if name not in but}

    def _rows_to_mix(self) -> RowsToMix:
        settings, columnwise = self.settings, self.settings.categories == "columnwise"
        codes, above = self._hung_bundles(columnwise)
        gaps = np.zeros_like(codes)
        for at, bundle in enumerate(self._bundles):
            gaps[at] = self._gaps_of(bundle)
        residual, effects = self.scores, list[Array]()
        if settings.effects and settings.marginals != "raw" and self.scores.size and self._bundles:
            residual, effects = take_effects(self.scores, self._bundles, codes, self._codes())
        grouped = (at for at, names in enumerate(self._bundles) if names[0] in settings.within)
        return RowsToMix(residual, codes, effects, gaps, columnwise, above, frozenset(grouped))

    def _hung_bundles(
        self, columnwise: bool
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Order the bundles along their tree; return codes and which each hangs on."""
        codes = np.zeros((len(self._bundles), len(self)), np.int32)
        for at, bundle in enumerate(self._bundles):
            codes[at] = joint_codes([self._inherited[name].codes for name in bundle])
        if not columnwise:
            return codes, np.full(len(codes), -1, np.int32)
        order, found = association_tree(codes)
        self._bundles = [self._bundles[at] for at in order]
        above = [order.index(found[at]) if found[at] >= 0 else -1 for at in order]
        return codes[order], np.array(above, np.int32)

    def _find_neighborhoods(self, rng: np.random.Generator) -> NeighborhoodMixer:
        settings = self.settings
        # a target of the group is the same in every parent
        codes = self._codes(but=settings.within)
        space = self._space(self._rows.residual, codes, rng, self._stretches(codes))
        near = neighbors_in_groups(space, self._groups, settings.neighbors, settings.share)
        bundle_of = [
            (at, name)
            for at, names in enumerate(self._bundles)
            for name in names
            if name not in settings.within
        ]
        levels = np.zeros((len(self), len(bundle_of)), np.int32)
        for place, (_, name) in enumerate(bundle_of):
            levels[:, place] = codes[name]
        column_bundle = np.array([at for at, _ in bundle_of], np.int32)
        # raw values promise their moments, which drawing again would change
        share = 0.0 if settings.marginals == "raw" else settings.spacing
        spacing = SpacingCheck(self.scores, levels, column_bundle, near, share)
        return NeighborhoodMixer(
            FairNeighbors(near, side_by_side(space)),
            self._rows,
            spacing,
            self._groups,
            settings.support,
        )

    def _space(
        self,
        whole: Array,
        codes: Mapping[str, Codes],
        rng: np.random.Generator,
        stretch: Sequence[float] | None = None,
    ) -> Floats32:
        """Return rows as points in which nearness is measured."""
        scores = self._own
        if self._along is not None:
            # near without the effects of categories: these may then change between near rows
            own = scores.shape[1]
            near = self._along.near(whole[:, own:])
            scores = np.hstack([scores, near.astype(scores.dtype)])
            known = [1.0] * (own + len(codes)) if stretch is None else list(stretch)
            stretch = [*known[:own], *[self._along.stretch] * near.shape[1], *known[own:]]
        return row_space(scores, list(codes.values()), rng, stretch)

    def _stretches(self, codes: Mapping[str, Codes]) -> list[float] | None:
        """Return by how much to stretch each column where nearness is measured."""
        target, focus = self.settings.target, self.settings.focus
        mixed = [column.name for column in self._mixed]
        if not focus or target is None or (target not in self._inherited and target not in mixed):
            return None
        if target in self._inherited:
            of_target: Array = self._inherited[target].codes
        else:
            of_target = self._own[:, mixed.index(target)]
        return stretches(self._own, mixed, codes, of_target, target, focus)

    def _can_choose(self) -> bool:
        """Tell whether one of several candidates is kept; raw values promise their moments."""
        settings = self.settings
        many = settings.candidates > 1 and len(self) >= LEAST_ROWS
        many = many and len(self._mixed) + len(self._inherited) <= MOST_COLUMNS
        plain = self._along is None and settings.marginals != "raw"
        return many and plain and self._neighborhoods is not None

    # drawing

    def drawer(self, n_samples: int, seeds: Seeds) -> Drawer:
        """Return what draws the chunks of a sample, in any order: ``draw(start, stop)``."""
        law = self.settings.weights
        if self._neighborhoods is not None:
            told = None if self._ratio is None else self._ratio.log_ratios
            return self._neighborhoods.drawer(law, n_samples, seeds, told, self.settings.candidates)
        if self._groups is not None:
            source = grouped_source(self._groups, n_samples, law.parents, seeds)
        else:
            source = Permutation().source(len(self), n_samples, law.parents, seeds)

        def draw(start: int, stop: int) -> Mixture:
            plan = draw_chunk(source, law, seeds, start, stop)
            return mix_plan(self._rows, *plan, seeds.generator(TableKey.PICK, start // CHUNK_ROWS))

        return draw

    def _calibrate(self, seeds: Seeds) -> None:
        if all(isinstance(column.scale, RawValues) for column in self._mixed):
            return
        wanted = calibration_rows(len(self), self._along, len(self._mixed))
        if self._ratio is not None:  # as many are drawn, but not kept
            wanted = -(-wanted // self.settings.candidates)
        sample = self.scores_of(self.drawer(wanted, seeds), wanted)
        for at, column in enumerate(self._mixed):
            column.scale.calibrate(sample[:, at])

    def scores_of(self, draw: Drawer, n_samples: int) -> Array:
        """Return the mixed scores of a whole sample."""
        starts = range(0, n_samples, CHUNK_ROWS)
        parts = [draw(at, min(at + CHUNK_ROWS, n_samples)).scores for at in starts]
        return np.concatenate(parts)

    def decode(self, mixture: Mixture, rng: np.random.Generator) -> dict[str, Any]:
        """Return mixed scores and parents as columns, strings as a dictionary."""
        # what is missing is decided for the whole row at once, by its heaviest parent
        main = mixture.main
        columns: dict[str, Any] = {name: pa.array(gap[main]) for name, gap in self._gaps.items()}
        numbers = self.numbers_of(mixture)
        for pair in self._places:
            there, drawn = self._drawn_places(pair, mixture, rng)
            for side, at in enumerate(pair.at):
                numbers[at][there] = drawn[there, side]
        for made, column in zip(numbers, self._mixed, strict=True):
            columns[column.name] = column.array(made, main)
        for bundle, giver in zip(self._bundles, mixture.givers, strict=True):
            places = pa.array(giver)
            for name in bundle:
                columns[name] = self._inherited[name].values.take(places)
        return columns

    def numbers_of(self, mixture: Mixture) -> list[Numbers]:
        """Return the numbers of each mixed column."""
        numbers = [c.numbers(mixture.scores[:, at]) for at, c in enumerate(self._mixed)]
        if self._repeats is not None:
            self._repeats.write(numbers, mixture.main)
        return numbers

    def _drawn_places(
        self, pair: _Pair, mixture: Mixture, rng: np.random.Generator
    ) -> tuple[Bools, Floats]:
        """Return which rows have a place, and the places, shape (n_samples, 2)."""
        # beside that of the parent that is nearest to where the mix of all would be
        at, parents = list(pair.at), mixture.parents
        away = self.scores[parents][:, :, at] - mixture.scores[:, None, at]
        distance = np.where(pair.places.there[parents], (away**2).sum(axis=2), np.inf)
        nearest = distance.argmin(axis=1)
        giver = parents[np.arange(len(parents)), nearest]
        there = np.isfinite(distance[np.arange(len(parents)), nearest])
        return there, pair.places.draw(giver, pair.decimals, rng)

    def sample(
        self,
        n_samples: int,
        seeds: Seeds,
        *,
        adjust: Adjust | None = None,
        return_plan: bool = False,
        progress: Callable[[int], None] | None = None,
        threads: int | None = None,
    ) -> tuple[dict[str, ColumnBuffer], Plan | None]:
        """Draw synthetic rows: columns as :meth:`decode` gives them, and the plan if asked for."""
        # adjust changes the mixed scores of the whole sample before they become values; the rows
        # are the same on any number of threads
        draw = self.drawer(n_samples, seeds)
        adjusted = None if adjust is None else adjust(self.scores_of(draw, n_samples))
        columns = {name: ColumnBuffer(kind, n_samples) for name, kind in self._types().items()}
        plans: list[Any] = [None] * -(-n_samples // CHUNK_ROWS)
        lock, done = Lock(), 0

        def work(start: int, stop: int) -> None:
            nonlocal done
            mixture = draw(start, stop)
            if adjusted is not None:
                mixture.scores = adjusted[start:stop]
            rng = seeds.generator(TableKey.PLACES, start // CHUNK_ROWS)
            for name, made in self.decode(mixture, rng).items():
                columns[name].put(start, made)
            if return_plan:
                plans[start // CHUNK_ROWS] = (mixture.parents, mixture.weights)
            if progress is not None:
                with lock:
                    done += stop - start
                    progress(done)

        for_chunks(work, n_samples, CHUNK_ROWS, threads)
        if not return_plan:
            return columns, None
        parents, weights = (np.concatenate(parts) for parts in zip(*plans, strict=True))
        return columns, (parents, weights)

    def _types(self) -> dict[str, pa.DataType]:
        types = {column.name: column.type for column in self._mixed}
        types |= {name: column.values.type for name, column in self._inherited.items()}
        return types | {name: pa.bool_() for name in self._gaps}


def is_mixed(
    column: Column,
    values: pa.ChunkedArray,
    settings: MixingSettings,
    held: Mapping[str, bool] | None = None,
    owners: Indices | None = None,
) -> bool:
    """Tell whether the numbers of a column are mixed; else they are taken from a parent."""
    held = {} if held is None else held
    if not column.mixed or column.name in settings.within or held.get(column.name):
        return False
    if _is_raw(column, settings, held):
        return True
    if column.n_distinct <= FEW_VALUES:
        return are_drawn_anew(column, values, settings, owners)
    # a target would lose its features, and values one has to keep to would all be one
    kept = column.name == settings.target or column.name in held
    few = column.n_distinct <= STEP_VALUES and not kept
    least = max(SPIKE_ROWS, settings.min_count)
    return not (few and _is_spiky(values, settings.spike, least))


def are_drawn_anew(
    column: Column,
    values: pa.ChunkedArray,
    settings: MixingSettings,
    owners: Indices | None = None,
) -> bool:
    """Tell whether each of few numbers is rare, so that no parent may give its own."""
    count, few = len(values) - column.n_missing, column.n_distinct * (settings.min_count - 1)
    if settings.rare == "keep" or not column.mixed or (owners is None and count > few):
        return False
    own = inherit(values)
    if own.missing is not None:  # what few hold where all others have none is left missing
        there = np.flatnonzero(~own.missing) if owners is None else owners[~own.missing]
        if len(np.unique(there)) < settings.min_count:
            return False
    return as_flag(own.values.drop_null()) is None and own.all_rare(settings.min_count, owners)


def _is_raw(column: Column, settings: MixingSettings, held: Mapping[str, bool]) -> bool:
    return settings.marginals == "raw" and column.name not in held


def calibration_rows(n_rows: int, along: Along | None = None, n_columns: int = 1) -> int:
    """Return how many rows to mix to learn how mixed scores are distributed."""
    # a few rows of many columns are known no better for it than they know the columns
    enough = min(CHUNK_ROWS, CALIBRATION_SCORES // max(n_columns, 1))
    wanted = min(CALIBRATION_ROWS, max(n_rows, enough))
    return wanted if along is None else min(wanted, 1 + CALIBRATION_CELLS // along.scores.shape[1])


def _is_spiky(values: pa.ChunkedArray, share: float, least: int) -> bool:
    """Tell whether one value makes up this share, and the others are shared by rows too."""
    plain = pc.drop_null(values)
    if not len(plain):
        return False
    counts = pc.value_counts(plain).field("counts")
    most = pc.max(counts).as_py()
    others = len(plain) - most
    return bool(most >= share * len(plain) and others >= least * (len(counts) - 1))
