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
from vicinal.balance import FairNeighbours
from vicinal.kernels import mix_rows
from vicinal.neighbours import nearest_rows
from vicinal.pairing import (
    ParentSource,
    Permutation,
    compact_codes,
    grouped_source,
    neighbour_source,
)
from vicinal.plan import draw_chunk
from vicinal.table.association import bundles, codes_of, row_space
from vicinal.table.buffers import ColumnBuffer
from vicinal.table.columns import Column
from vicinal.table.latent import NormalScores, RawValues, Scale, fill_missing
from vicinal.table.numbers import Mask, from_numbers, number_limits, to_numbers
from vicinal.weights import WeightLaw

__all__ = ["Pool", "Recipe"]

#: Numbers with this few distinct values or fewer are taken from a parent under normal scores:
#: codes and counts have no useful ranks between them.
FEW_VALUES = 20
#: Rows mixed to learn how mixed scores are distributed.
CALIBRATION_ROWS = 2 * CHUNK_ROWS
#: Neighbours are not fewer than this where they are a share of the rows that may mix.
NEAR_LEAST = 5

# keys of seeds, apart from those that plans use
_TIES, _FILL, _NEAR, _CALIBRATE, _PICK = 10, 11, 12, 13, 14

Plan = tuple[npt.NDArray[Any], npt.NDArray[Any]]  # parents and weights
Adjust = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Recipe:
    """How rows are mixed.

    Attributes
    ----------
    method : str
        "rows" mixes over all rows (of a group), "neighbourhood" near ones only.
    weights : WeightLaw
        Law of the weights.
    marginals : str
        "normal-score" or "raw".
    categories : str
        "parent" takes all categories of a row from its heaviest parent, "columnwise" each one
        from any of its parents.
    within : tuple of str
        Columns whose groups are never mixed.
    neighbours : int
        Size of a neighbourhood, at most.
    share : float
        The same as a share of the rows that may mix (at least five rows all the same).
    """

    method: str
    weights: WeightLaw
    marginals: str
    categories: str
    within: tuple[str, ...]
    neighbours: int
    share: float = 1.0


class Pool:
    """Rows with their scores, groups and neighbours.

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
    """

    def __init__(
        self,
        table: pa.Table,
        columns: Sequence[Column],
        recipe: Recipe,
        seeds: Seeds,
        held: Mapping[str, bool] | None = None,
    ) -> None:
        self.recipe, self._n_rows = recipe, int(table.num_rows)
        self._held = dict(held or {})
        self._types = {field.name: field.type for field in table.schema}
        used = [c for c in columns if c.name in self._types]
        self._mixed = [c for c in used if self._is_mixed(c)]
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
        self._score(table, seeds)
        codes = {name: codes_of(values) for name, (values, _) in self._inherited.items()}
        self._groups = self._group_codes(codes)
        self._bundles = bundles(codes, recipe.within)
        self._near = self._find_near(codes, seeds) if recipe.method == "neighbourhood" else None
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

    def _is_mixed(self, column: Column) -> bool:
        if not column.mixed or column.name in self.recipe.within or self._held.get(column.name):
            return False
        return self._is_raw(column) or column.n_distinct > FEW_VALUES

    def _is_raw(self, column: Column) -> bool:
        return self.recipe.marginals == "raw" and column.name not in self._held

    def _score(self, table: pa.Table, seeds: Seeds) -> None:
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
            whole = column.kind == "integer" and numbers.dtype.kind == "f"
            scale: Scale
            if self._is_raw(column):
                limits = number_limits(values.type, numbers)
                scale = RawValues(numbers, missing, limits, whole)
            else:
                numbers = np.rint(numbers) if whole else numbers
                scale = NormalScores(numbers, missing, seeds.generator(_TIES, at))
            if np.count_nonzero(missing) > values.null_count:
                self._nan[column.name] = missing & ~values.is_null().to_numpy()
            self._missing[:, at], self._scores[:, at] = missing, scale.scores
            del scale.scores  # kept once, in the matrix
            self._scales[at] = scale

        for_chunks(work, len(self._mixed), 1)  # sorting lets go of the interpreter's lock
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

    def _find_near(
        self, codes: Mapping[str, npt.NDArray[np.integer[Any]]], seeds: Seeds
    ) -> FairNeighbours:
        rng = seeds.generator(_NEAR)
        within = self.recipe.within
        space = row_space(self._scores, [c for name, c in codes.items() if name not in within], rng)
        groups = np.zeros(len(self), np.uint8) if self._groups is None else self._groups
        sizes = np.bincount(groups)
        reach = np.maximum(np.ceil(sizes * self.recipe.share), NEAR_LEAST).astype(int)
        reach = np.minimum(reach, self.recipe.neighbours)
        near = np.empty((len(self), int(reach.max())), np.int32)
        # groups of one reach are searched at once; a shorter reach is repeated to fill the row
        for count in np.unique(reach):
            rows = np.flatnonzero(reach[groups] == count)
            found = nearest_rows(space[rows], int(count), groups=groups[rows], rng=rng)
            near[rows] = rows[found[:, np.arange(near.shape[1]) % count]]
        return FairNeighbours(near)

    def source(self, n_samples: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output rows (see ``pairing``)."""
        n_parents = self.recipe.weights.parents
        if self._near is not None:
            return neighbour_source(self._near, n_samples, n_parents, seeds)
        if self._groups is not None:
            return grouped_source(self._groups, n_samples, n_parents, seeds)
        return Permutation().source(len(self), n_samples, n_parents, seeds)

    def _calibrate(self, seeds: Seeds) -> None:
        if all(isinstance(scale, RawValues) for scale in self._scales):
            return
        wanted = min(CALIBRATION_ROWS, max(len(self), CHUNK_ROWS))
        draw = _Drawer(self, wanted, seeds)
        sample = np.concatenate([self.mix(*draw(start)) for start in draw.starts])
        for at, scale in enumerate(self._scales):
            scale.calibrate(sample[:, at])

    def mix(self, parents: npt.NDArray[Any], weights: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return mixed scores, shape (n_samples, n_mixed)."""
        return mix_rows(self._scores, parents, weights)

    def rows(
        self,
        scores: npt.NDArray[Any],
        parents: npt.NDArray[Any],
        weights: npt.NDArray[Any],
        rng: np.random.Generator,
    ) -> dict[str, Any]:
        """Turn mixed scores and parents into columns.

        Parameters
        ----------
        scores : ndarray of shape (n_samples, n_mixed)
            From :meth:`mix`.
        parents, weights : ndarray of shape (n_samples, n_parents)
            The plan.
        rng : numpy.random.Generator
            Picks the parent of each category, if columnwise.

        Returns
        -------
        dict of str to pyarrow.Array
            Values by column name, strings as a dictionary; for columns that are neither mixed nor
            inherited, where they are to be missing.
        """
        n_samples, n_parents = parents.shape
        rows = np.arange(n_samples)
        # what is missing is decided for the whole row at once, by its heaviest parent
        main = parents[rows, weights.argmax(axis=1)]
        columns: dict[str, Any] = {name: pa.array(gap[main]) for name, gap in self._gaps.items()}
        for at, (column, scale) in enumerate(zip(self._mixed, self._scales, strict=True)):
            name = column.name
            gone = self._missing[main, at] if self._missing[:, at].any() else None
            nan = self._nan[name][main] if name in self._nan else None
            if gone is not None and nan is not None:
                gone &= ~nan
            numbers = scale.decode(np.ascontiguousarray(scores[:, at]))
            columns[name] = from_numbers(numbers, gone, self._types[name], nan)
        for bundle in self._bundles:
            giver = main
            if self.recipe.categories == "columnwise" and bundle[0] not in self.recipe.within:
                giver = parents[rows, rng.integers(0, n_parents, n_samples)]
            for name in bundle:
                gap = self._inherited[name][1]
                if gap is None:
                    continue
                # a giver with other gaps than the heaviest parent gives nothing of the bundle
                giver = np.where(gap[giver] == gap[main], giver, main)
            for name in bundle:
                columns[name] = self._inherited[name][0].take(pa.array(giver))
        return columns

    def sample(
        self,
        n_samples: int,
        seeds: Seeds,
        *,
        adjust: Adjust | None = None,
        return_plan: bool = False,
        progress: Callable[[int], None] | None = None,
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

        Returns
        -------
        columns : dict of str to ColumnBuffer
            All values of each column, as :meth:`rows` gives them.
        plan : tuple of two ndarrays of shape (n_samples, n_parents), or None
            Parents, in rows of the pool, and weights.
        """
        draw = _Drawer(self, n_samples, seeds)
        adjusted = None
        if adjust is not None:
            adjusted = adjust(np.concatenate([self.mix(*draw(start)) for start in draw.starts]))
        kinds = {c.name: self._types[c.name] for c in self._mixed}
        kinds |= {name: values.type for name, (values, _) in self._inherited.items()}
        kinds |= {name: pa.bool_() for name in self._gaps}
        columns = {name: ColumnBuffer(kind, n_samples) for name, kind in kinds.items()}
        plans: list[Any] = [None] * len(draw.starts)
        lock = Lock()

        def work(start: int, stop: int) -> None:
            chunk = start // CHUNK_ROWS
            plan = draw(start)
            mixed = self.mix(*plan) if adjusted is None else adjusted[start:stop]
            for name, made in self.rows(mixed, *plan, seeds.generator(_PICK, chunk)).items():
                columns[name].put(start, made)
            if return_plan:
                plans[chunk] = plan
            if progress is not None:
                with lock:
                    progress(stop - start)

        for_chunks(work, n_samples, CHUNK_ROWS)
        if not return_plan:
            return columns, None
        parents, weights = (np.concatenate(parts) for parts in zip(*plans, strict=True))
        return columns, (parents, weights)


class _Drawer:
    """Draws the plan of one chunk after the other, or of any of them again."""

    def __init__(self, pool: Pool, n_samples: int, seeds: Seeds) -> None:
        self._source, self._law = pool.source(n_samples, seeds), pool.recipe.weights
        self._n_samples, self._seeds = n_samples, seeds
        self.starts = range(0, n_samples, CHUNK_ROWS)

    def __call__(self, start: int) -> Plan:
        stop = min(start + CHUNK_ROWS, self._n_samples)
        return draw_chunk(self._source, self._law, self._seeds, start, stop)


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
