"""The rows that a synthetic table is drawn from, made ready for mixing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._random import CHUNK_ROWS, Seeds
from vicinal._threads import for_chunks
from vicinal.kernels import mix_rows
from vicinal.pairing.balance import FairNeighbors
from vicinal.pairing.groups import compact_codes
from vicinal.pairing.neighbors import nearest_rows
from vicinal.pairing.permutation import Permutation, grouped_source
from vicinal.plan import draw_chunk
from vicinal.table.association import (
    Codes,
    bundles,
    codes_of,
    indicator_sets,
    joint_codes,
    row_space,
)
from vicinal.table.buffers import ColumnBuffer
from vicinal.table.effects import take_effects
from vicinal.table.marginals import STEP_VALUES, NormalScores, RawValues, Scale, fill_missing
from vicinal.table.neighborhood import Draft, Guard, NearRows
from vicinal.table.numbers import Mask, from_numbers, number_limits, to_numbers
from vicinal.table.population import Whole
from vicinal.table.relevance import relevance
from vicinal.table.schema import Column
from vicinal.weights import WeightLaw

__all__ = ["Pool", "Recipe"]

#: Numbers with this few distinct values or fewer are taken from a parent under normal scores:
#: codes and counts have no useful ranks between them.
FEW_VALUES = 20
#: So are numbers one value of which makes up a large share (``Recipe.spike``), if the others have
#: this many rows each on average: mixed, they would lose their rows. Values that are nearly
#: unique are mixed all the same, for they would give a row away.
SPIKE_ROWS = 2
#: Rows mixed to learn how mixed scores are distributed.
CALIBRATION_ROWS = 2 * CHUNK_ROWS
#: Neighbors are not fewer than this where they are a share of the rows that may mix.
NEAR_LEAST = 5

# keys of seeds, apart from those that plans use
_TIES, _FILL, _NEAR, _CALIBRATE, _PICK = 10, 11, 12, 13, 14

Plan = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # parents and weights
Drawer = Callable[[int, int, bool], Draft]  # of the rows from start to stop, with their plan?
Adjust = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Recipe:
    """How rows are mixed.

    Attributes
    ----------
    method : str
        "rows" mixes over all rows (of a group), "neighborhood" near ones only.
    weights : WeightLaw
        Law of the weights.
    marginals : str
        "normal-score" or "raw".
    categories : str
        "parent" takes all categories of a row from its heaviest parent, "columnwise" each one
        from any of its parents.
    within : tuple of str
        Columns whose groups are never mixed.
    neighbors : int
        Size of a neighborhood, at most.
    share : float
        The same as a share of the rows that may mix (at least five rows all the same).
    target : str, optional
        The column that a model will predict.
    focus : float
        How much more nearness counts in columns that tell of the target; 0 for not at all.
    spacing : float
        Least distance of a mixed row to its parents, as a share of the distance between the
        first of them and its nearest other row; 0 for any.
    spike : float
        Numbers one value of which makes up this share of the rows or more are taken from a
        parent, like categories. Not with raw values.
    effects : bool
        Whether what categories say of numbers follows the categories (see ``effects``). Not with
        raw values.
    """

    method: str
    weights: WeightLaw
    marginals: str
    categories: str
    within: tuple[str, ...]
    neighbors: int
    share: float = 1.0
    target: str | None = None
    focus: float = 0.0
    spacing: float = 0.0
    spike: float = 0.3
    effects: bool = True


class Pool:
    """Rows with their scores, groups and neighbors.

    Parameters
    ----------
    table : pyarrow.Table
        Rows; columns that are neither mixed nor inherited lend only the places of their gaps.
    columns : sequence of Column
        What they are.
    recipe : Recipe
        How to mix.
    seeds : Seeds
        Ties, fills and calibration come from here.
    held : mapping of str to bool, optional
        Columns that must not leave what the rows hold: mixed numbers keep their marginal, whatever
        the recipe says, or, where the value is True, are taken from a parent.
    whole : Whole, optional
        What is known of more rows than these, which are a sample of them: distributions of
        numbers come from it.
    """

    def __init__(
        self,
        table: pa.Table,
        columns: Sequence[Column],
        recipe: Recipe,
        seeds: Seeds,
        held: Mapping[str, bool] | None = None,
        whole: Whole | None = None,
    ) -> None:
        self.recipe, self._n_rows = recipe, int(table.num_rows)
        self._held = dict(held or {})
        self._types = {field.name: field.type for field in table.schema}
        used = [c for c in columns if c.name in self._types]
        self._mixed = [c for c in used if self._is_mixed(c, table)]
        mixed = {c.name for c in self._mixed}
        self._inherited = {
            c.name: _encoded(table[c.name])
            for c in used
            if c.inherited or c.mixed
            if c.name not in mixed
        }
        self._gaps = {
            c.name: table[c.name].is_null().to_numpy()
            for c in used
            if not (c.mixed or c.inherited) and table[c.name].null_count
        }
        self._score(table, seeds, whole)
        codes = {name: codes_of(values) for name, (values, _) in self._inherited.items()}
        self._groups = self._group_codes(codes)
        flags = {
            name: flag
            for name, (values, gap) in self._inherited.items()
            if name not in recipe.within and gap is None
            if (flag := _as_flag(values)) is not None
        }
        self._bundles = bundles(codes, recipe.within, indicator_sets(flags))
        self._residual, self._tables = self._scores, list[npt.NDArray[Any]]()
        members = [joint_codes([codes[name] for name in bundle]) for bundle in self._bundles]
        if recipe.effects and recipe.marginals != "raw" and self._mixed and self._bundles:
            self._residual, effects = take_effects(self._scores, self._bundles, codes)
            self._tables = [effect.table for effect in effects]
        self._members = np.stack(members) if members else np.zeros((0, len(self)), np.int32)
        self._gap_codes = self._find_gaps()
        near = self._find_near(codes, seeds) if recipe.method == "neighborhood" else None
        self._near = None if near is None else self._near_rows(near, codes)
        self._calibrate(Seeds(seeds.generator(_CALIBRATE)))

    def __len__(self) -> int:
        return self._n_rows

    @property
    def single_groups(self) -> int:
        """How many groups have one row, which can only be copied."""
        return 0 if self._groups is None else int((np.bincount(self._groups) == 1).sum())

    @property
    def scores(self) -> npt.NDArray[Any]:
        """Mixed columns as scores, shape (n_rows, n_mixed)."""
        return self._scores

    def _is_mixed(self, column: Column, table: pa.Table) -> bool:
        if not column.mixed or column.name in self.recipe.within or self._held.get(column.name):
            return False
        if self._is_raw(column):
            return True
        if column.n_distinct <= FEW_VALUES:
            return False
        # a target would lose its features, and values one has to keep to would all be one
        kept = column.name == self.recipe.target or column.name in self._held
        few = column.n_distinct <= STEP_VALUES and not kept
        return not (few and _is_spiky(table[column.name], self.recipe.spike))

    def _is_raw(self, column: Column) -> bool:
        return self.recipe.marginals == "raw" and column.name not in self._held

    def _score(self, table: pa.Table, seeds: Seeds, whole: Whole | None) -> None:
        raw = self.recipe.marginals == "raw"
        shape = (len(self), len(self._mixed))
        self._scores = np.zeros(shape, np.float64 if raw else np.float32)
        self._missing = np.zeros(shape, bool)
        self._scales: list[Scale] = [None] * len(self._mixed)  # type: ignore[list-item]
        self._nan: dict[str, Mask] = {}  # where a value is missing by being NaN, not null

        def work(at: int, _: int) -> None:
            column = self._mixed[at]
            values = table[column.name]
            numbers, missing = to_numbers(values, column.name)
            rounded = column.kind == "integer" and numbers.dtype.kind == "f"
            scale: Scale
            if self._is_raw(column):
                limits = number_limits(values.type, numbers)
                scale = RawValues(numbers, missing, limits, rounded)
                if whole is not None and column.name in whole.moments:
                    scale.fit_moments(*whole.moments[column.name], missing)
            else:
                numbers = np.rint(numbers) if rounded else numbers
                scale = NormalScores(numbers, missing, seeds.generator(_TIES, at))
                if whole is not None and column.name in whole.marginals:
                    scale.marginal = whole.marginals[column.name]
            if np.count_nonzero(missing) > values.null_count:
                self._nan[column.name] = missing & ~values.is_null().to_numpy()
            self._missing[:, at], self._scores[:, at] = missing, scale.scores
            del scale.scores  # kept once, in the matrix
            self._scales[at] = scale

        for_chunks(work, len(self._mixed), 1)  # sorting lets go of the interpreter's lock
        self._holed: npt.NDArray[np.bool_] = np.atleast_1d(self._missing.any(axis=0))
        fill_missing(self._scores, self._missing, seeds.generator(_FILL))

    def _group_codes(
        self, codes: Mapping[str, npt.NDArray[np.integer[Any]]]
    ) -> npt.NDArray[np.integer[Any]] | None:
        joint: npt.NDArray[Any] | None = None
        for name in self.recipe.within:
            one = codes[name].astype(np.int64)
            if joint is not None:  # in int64: the product would not fit into narrow codes
                one += joint.astype(np.int64) * (int(one.max()) + 1)
            joint = compact_codes(one)
        return joint

    def _find_gaps(self) -> npt.NDArray[np.int32]:
        """Return which columns of each bundle are missing in each row, as a number."""
        gaps = np.zeros((len(self._bundles), len(self)), np.int32)
        for at, bundle in enumerate(self._bundles):
            masks = [self._inherited[name][1] for name in bundle]
            holed = [mask.astype(np.uint8) for mask in masks if mask is not None]
            if holed:
                gaps[at] = joint_codes(holed)
        return gaps

    def _find_near(self, codes: Mapping[str, Codes], seeds: Seeds) -> FairNeighbors:
        rng = seeds.generator(_NEAR)
        names = [name for name in codes if name not in self.recipe.within]
        categories = [codes[name] for name in names]
        space = row_space(self._scores, categories, rng, self._stretch(codes, names))
        groups = np.zeros(len(self), np.uint8) if self._groups is None else self._groups
        sizes = np.bincount(groups)
        reach = np.maximum(np.ceil(sizes * self.recipe.share), NEAR_LEAST).astype(int)
        reach = np.minimum(reach, self.recipe.neighbors)
        near = np.empty((len(self), int(reach.max())), np.int32)
        # groups of one reach are searched at once; a shorter reach is repeated to fill the row
        for count in np.unique(reach):
            rows = np.flatnonzero(reach[groups] == count)
            found = nearest_rows(space[rows], int(count), groups=groups[rows], rng=rng)
            near[rows] = rows[found[:, np.arange(near.shape[1]) % count]]
        return FairNeighbors(near)

    def _stretch(self, codes: Mapping[str, Codes], names: Sequence[str]) -> list[float] | None:
        """Return by how much to stretch each column where nearness is measured."""
        target, focus = self.recipe.target, self.recipe.focus
        mixed = [column.name for column in self._mixed]
        if not focus or target is None or (target not in codes and target not in mixed):
            return None
        of_target: npt.NDArray[Any] | None = codes.get(target)
        y = self._scores[:, mixed.index(target)] if of_target is None else of_target
        numbers = [at for at, name in enumerate(mixed) if name != target]
        others = [name for name in names if name != target]
        if not numbers and not others:
            return None
        shares = relevance(self._scores[:, numbers], [codes[name] for name in others], y)
        told = dict(zip([*(mixed[at] for at in numbers), *others], shares, strict=True))
        count = len(told)
        return [
            float(np.sqrt(1.0 + focus * count * told[name])) if name in told else 1.0
            for name in (*mixed, *names)
        ]

    def _near_rows(self, near: FairNeighbors, codes: Mapping[str, Codes]) -> NearRows:
        recipe = self.recipe
        # a target of the group is the same in every parent; raw values promise their moments
        free = [(at, name) for at, names in enumerate(self._bundles) for name in names]
        free = [(at, name) for at, name in free if name not in recipe.within]
        levels = np.zeros((len(self), len(free)), np.int32)
        for place, (_, name) in enumerate(free):
            levels[:, place] = codes[name]
        spacing = 0.0 if recipe.marginals == "raw" else recipe.spacing
        return NearRows(
            near,
            self._residual,
            self._members,
            self._tables,
            self._gap_codes,
            Guard(self._scores, levels, near.near, spacing),
            np.array([at for at, _ in free], np.int32),
            recipe.categories == "columnwise",
        )

    def drawer(self, n_samples: int, seeds: Seeds) -> Drawer:
        """Return what draws the chunks of a sample, in any order: ``draw(start, stop, keep)``."""
        if self._near is not None:
            return self._near.source(self.recipe.weights, n_samples, seeds)
        n_parents = self.recipe.weights.parents
        if self._groups is not None:
            source = grouped_source(self._groups, n_samples, n_parents, seeds)
        else:
            source = Permutation().source(len(self), n_samples, n_parents, seeds)

        def draw(start: int, stop: int, keep: bool = False) -> Draft:
            plan = draw_chunk(source, self.recipe.weights, seeds, start, stop)
            return self._mix(*plan, seeds.generator(_PICK, start // CHUNK_ROWS))

        return draw

    def _mix(
        self, parents: npt.NDArray[Any], weights: npt.NDArray[Any], rng: np.random.Generator
    ) -> Draft:
        """Mix rows as a plan says."""
        n_samples, n_parents = parents.shape
        rows = np.arange(n_samples)
        main = parents[rows, weights.argmax(axis=1)]
        scores = mix_rows(self._residual, parents, weights)
        givers = np.empty((len(self._bundles), n_samples), main.dtype)
        for at, bundle in enumerate(self._bundles):
            giver = main
            if self.recipe.categories == "columnwise" and bundle[0] not in self.recipe.within:
                giver = parents[rows, rng.integers(0, n_parents, n_samples)]
                # a giver with other gaps than the heaviest parent gives nothing of the bundle
                gaps = self._gap_codes[at]
                giver = np.where(gaps[giver] == gaps[main], giver, main)
            givers[at] = giver
            if self._tables:
                scores += self._tables[at].take(self._members[at].take(giver), axis=0)
        return Draft(scores, main, givers, parents, weights)

    def _calibrate(self, seeds: Seeds) -> None:
        if all(isinstance(scale, RawValues) for scale in self._scales):
            return
        wanted = min(CALIBRATION_ROWS, max(len(self), CHUNK_ROWS))
        sample = self._scores_of(self.drawer(wanted, seeds), wanted)
        for at, scale in enumerate(self._scales):
            scale.calibrate(sample[:, at])

    def _scores_of(self, draw: Drawer, n_samples: int) -> npt.NDArray[Any]:
        """Return the mixed scores of a whole sample."""
        starts = range(0, n_samples, CHUNK_ROWS)
        parts = [draw(at, min(at + CHUNK_ROWS, n_samples), False).scores for at in starts]
        return np.concatenate(parts)

    def rows(self, draft: Draft) -> dict[str, Any]:
        """Turn mixed scores and parents into columns.

        Parameters
        ----------
        draft : Draft
            From a :meth:`drawer`.

        Returns
        -------
        dict of str to pyarrow.Array
            Values by column name, strings as a dictionary; for columns that are neither mixed nor
            inherited, where they are to be missing.
        """
        # what is missing is decided for the whole row at once, by its heaviest parent
        main, scores = draft.main, draft.scores
        columns: dict[str, Any] = {name: pa.array(gap[main]) for name, gap in self._gaps.items()}
        for at, (column, scale) in enumerate(zip(self._mixed, self._scales, strict=True)):
            name = column.name
            gone = self._missing[main, at] if self._holed[at] else None
            nan = self._nan[name][main] if name in self._nan else None
            if gone is not None and nan is not None:
                gone &= ~nan
            numbers = scale.decode(np.ascontiguousarray(scores[:, at]))
            columns[name] = from_numbers(numbers, gone, self._types[name], nan)
        for bundle, giver in zip(self._bundles, draft.givers, strict=True):
            places = pa.array(giver)
            for name in bundle:
                columns[name] = self._inherited[name][0].take(places)
        return columns

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
        """Draw synthetic rows.

        Parameters
        ----------
        n_samples : int
            Rows to make.
        seeds : Seeds
            Where random numbers come from.
        adjust : callable, optional
            Changes the mixed scores of the whole sample before they become values.
        return_plan : bool, default False
            Whether to keep the plan.
        progress : callable, optional
            Called with the number of rows finished since the last call, by one thread at a time.
        threads : int, optional
            How many to use; as many as there are where left out. The rows are the same.

        Returns
        -------
        columns : dict of str to ColumnBuffer
            All values of each column, as :meth:`rows` gives them.
        plan : tuple of two ndarrays of shape (n_samples, n_parents), or None
            Parents, in rows of the pool, and weights.
        """
        draw = self.drawer(n_samples, seeds)
        adjusted = None if adjust is None else adjust(self._scores_of(draw, n_samples))
        kinds = {c.name: self._types[c.name] for c in self._mixed}
        kinds |= {name: values.type for name, (values, _) in self._inherited.items()}
        kinds |= {name: pa.bool_() for name in self._gaps}
        columns = {name: ColumnBuffer(kind, n_samples) for name, kind in kinds.items()}
        plans: list[Any] = [None] * -(-n_samples // CHUNK_ROWS)
        lock = Lock()

        def work(start: int, stop: int) -> None:
            chunk = start // CHUNK_ROWS
            draft = draw(start, stop, return_plan)
            if adjusted is not None:
                draft.scores = adjusted[start:stop]
            for name, made in self.rows(draft).items():
                columns[name].put(start, made)
            if return_plan:
                plans[chunk] = (draft.parents, draft.weights)
            if progress is not None:
                with lock:
                    progress(stop - start)

        for_chunks(work, n_samples, CHUNK_ROWS, threads)
        if not return_plan:
            return columns, None
        parents, weights = (np.concatenate(parts) for parts in zip(*plans, strict=True))
        return columns, (parents, weights)


def _encoded(values: pa.ChunkedArray) -> tuple[pa.Array, Mask | None]:
    """Return a column as one array, and where it is missing, if anywhere.

    Strings and the like become dictionary codes: narrow, and quick to gather.
    """
    gaps = values.is_null(nan_is_null=pa.types.is_floating(values.type)).to_numpy()
    of, kind = pa.types, values.type
    if not (of.is_primitive(kind) or of.is_decimal(kind) or of.is_dictionary(kind)):
        values = values if of.is_null(kind) else pc.dictionary_encode(values)
    array = values.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return array, gaps if gaps.any() else None


def _as_flag(values: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Return a column of yes and no, or of 1 and 0, as such; None for any other."""
    kind = values.type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    numbers = values.to_numpy(zero_copy_only=False)
    flag: npt.NDArray[np.bool_] = numbers == 1
    return flag if (flag | (numbers == 0)).all() else None


def _is_spiky(values: pa.ChunkedArray, share: float) -> bool:
    """Tell whether one value makes up this share, and the others are shared by rows too."""
    plain = pc.drop_null(values)
    if not len(plain):
        return False
    counts = pc.value_counts(plain).field("counts")
    most = pc.max(counts).as_py()
    return bool(most >= share * len(plain) and len(plain) - most >= SPIKE_ROWS * (len(counts) - 1))
