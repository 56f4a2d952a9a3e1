"""The rows that a synthetic table is drawn from, made ready for mixing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from vicinal.table.columns import Column
from vicinal.table.latent import (
    NormalScores,
    RawValues,
    Scale,
    fill_missing,
    from_numbers,
    to_numbers,
)
from vicinal.weights import WeightLaw

__all__ = ["Pool", "Recipe"]

#: Numbers with this few distinct values or fewer are taken from a parent under normal scores:
#: codes and counts have no useful ranks between them.
FEW_VALUES = 20
#: Rows mixed to learn how mixed scores are distributed.
CALIBRATION_ROWS = 2 * CHUNK_ROWS
#: Levels of a category that get an axis of their own where nearness is measured.
NEAR_LEVELS = 40
#: Axes that nearness is measured along, at most; more are projected on the widest.
NEAR_AXES = 32

#: Inherited columns whose association (Cramer's V) is above this come from one parent ...
ASSOCIATED = 0.5
#: ... measured on about this many rows.
ASSOCIATION_ROWS = 20_000

# keys of seeds, apart from those that plans use
_TIES, _FILL, _NEAR, _CALIBRATE, _PICK = 10, 11, 12, 13, 14


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
        Size of a neighbourhood.
    """

    method: str
    weights: WeightLaw
    marginals: str
    categories: str
    within: tuple[str, ...]
    neighbours: int


class Pool:
    """Rows with their scores, groups and neighbours.

    Parameters
    ----------
    table : pyarrow.Table
        Rows; only columns that are mixed or inherited, in ``columns``' order.
    columns : sequence of Column
        What they are.
    recipe : Recipe
        How to mix.
    seeds : Seeds
        Ties, fills and calibration come from here.
    """

    def __init__(
        self, table: pa.Table, columns: Sequence[Column], recipe: Recipe, seeds: Seeds
    ) -> None:
        self.table, self.recipe = table, recipe
        self._mixed = [c.name for c in columns if self._is_mixed(c)]
        self._inherited = {
            c.name: _encoded(table[c.name]) for c in columns if c.name not in self._mixed
        }
        self._scales, self._scores, self._missing = self._score(seeds)
        self._groups = self._group_codes()
        self._bundles = self._bundle()
        self._near = self._find_near(seeds) if recipe.method == "neighbourhood" else None
        self._calibrate(seeds)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def _is_mixed(self, column: Column) -> bool:
        if column.name in self.recipe.within or not column.mixed:
            return False
        return self.recipe.marginals == "raw" or column.n_distinct > FEW_VALUES

    def _score(self, seeds: Seeds) -> tuple[list[Scale], npt.NDArray[Any], npt.NDArray[np.bool_]]:
        raw = self.recipe.marginals == "raw"
        shape = (len(self), len(self._mixed))
        scores = np.zeros(shape, np.float64 if raw else np.float32)
        missing = np.zeros(shape, bool)
        scales: list[Scale] = []
        for at, name in enumerate(self._mixed):
            numbers, missing[:, at] = to_numbers(self.table[name], name)
            scale: Scale
            if raw:
                scale = RawValues(numbers, missing[:, at])
            else:
                scale = NormalScores(numbers, missing[:, at], seeds.generator(_TIES, at))
            scores[:, at] = scale.scores
            del scale.scores  # kept once, in the matrix
            scales.append(scale)
        fill_missing(scores, missing, seeds.generator(_FILL))
        return scales, scores, missing

    def _group_codes(self) -> npt.NDArray[np.integer[Any]] | None:
        codes: npt.NDArray[Any] | None = None
        for name in self.recipe.within:
            one = _codes(self.table[name])
            codes = one if codes is None else compact_codes(codes * (int(one.max()) + 1) + one)
        if codes is None:
            return None
        alone = int((np.bincount(codes) == 1).sum())
        if alone:
            warnings.warn(
                f"within={list(self.recipe.within)}: {alone} group(s) have a single row, which "
                "can only be copied. Group by fewer columns, or merge rare groups.",
                UserWarning,
                stacklevel=4,
            )
        return codes

    def _bundle(self) -> list[list[str]]:
        """Join inherited columns that depend on each other: they come from one parent."""
        names = list(self._inherited)
        step = max(1, len(self) // ASSOCIATION_ROWS)
        codes = {name: _codes(self.table[name])[::step] for name in names}
        bundles: list[list[str]] = []
        for name in names:
            alone = name in self.recipe.within
            near = [
                bundle
                for bundle in bundles
                if not alone
                and bundle[0] not in self.recipe.within
                and any(cramers_v(codes[name], codes[other]) > ASSOCIATED for other in bundle)
            ]
            bundles = [bundle for bundle in bundles if bundle not in near]
            bundles.append([*(other for bundle in near for other in bundle), name])
        return bundles

    def _find_near(self, seeds: Seeds) -> FairNeighbours:
        space = self.near_space()
        rng = seeds.generator(_NEAR)
        near = nearest_rows(space, self.recipe.neighbours, groups=self._groups, rng=rng)
        return FairNeighbours(near)

    def near_space(self) -> npt.NDArray[np.float32]:
        """Return the rows as points: standardised scores, and an axis for each common level.

        Returns
        -------
        ndarray of float32, shape (n_rows, n_axes)
            At most ``NEAR_AXES`` axes; more are projected on their widest directions.
        """
        spread = self._scores.std(axis=0)
        blocks = [self._scores / np.where(spread > 0, spread, 1)]
        for name in self._inherited:
            if name in self.recipe.within:
                continue
            codes = _codes(self.table[name])
            counts = np.bincount(codes)
            common = np.argsort(-counts, kind="stable")[:NEAR_LEVELS]
            if len(counts) > 1:
                blocks.append(codes[:, None] == common)
        space = np.concatenate([np.asarray(block, np.float32) for block in blocks], axis=1)
        if space.shape[1] <= NEAR_AXES:
            return space
        space -= space.mean(axis=0)
        _, axes = np.linalg.eigh((space.T @ space).astype(np.float64))
        return np.ascontiguousarray(space @ axes[:, : -NEAR_AXES - 1 : -1].astype(np.float32))

    def source(self, n_samples: int, seeds: Seeds) -> ParentSource:
        """Return the function that gives the parents of output rows (see ``pairing``)."""
        n_parents = self.recipe.weights.parents
        if self._near is not None:
            return neighbour_source(self._near, n_samples, n_parents, seeds)
        if self._groups is not None:
            return grouped_source(self._groups, n_samples, n_parents, seeds)
        return Permutation().source(len(self), n_samples, n_parents, seeds)

    def _calibrate(self, seeds: Seeds) -> None:
        if not self._mixed or self.recipe.marginals == "raw":
            return
        wanted = min(CALIBRATION_ROWS, max(len(self), CHUNK_ROWS))
        source = self.source(wanted, seeds)
        mixed = []
        for start in range(0, wanted, CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, wanted)
            parents, weights = draw_chunk(source, self.recipe.weights, seeds, start, stop)
            mixed.append(self.mix(parents, weights))
        sample = np.concatenate(mixed)
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
    ) -> dict[str, pa.Array]:
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
            By column name.
        """
        n_samples, n_parents = parents.shape
        rows = np.arange(n_samples)
        main = parents[rows, weights.argmax(axis=1)]
        columns: dict[str, pa.Array] = {}
        for at, (name, scale) in enumerate(zip(self._mixed, self._scales, strict=True)):
            gone = self._missing[main, at] if self._missing[:, at].any() else None
            numbers = scale.decode(np.ascontiguousarray(scores[:, at]))
            columns[name] = from_numbers(numbers, gone, self.table.schema.field(name).type)
        for bundle in self._bundles:
            giver = main
            if self.recipe.categories == "columnwise" and bundle[0] not in self.recipe.within:
                giver = parents[rows, rng.integers(0, n_parents, n_samples)]
            for name in bundle:
                values, chosen = self._inherited[name], giver
                if values.null_count:  # what is missing is decided for the whole row at once
                    null = values.is_null().to_numpy(zero_copy_only=False)
                    chosen = np.where(null[giver] == null[main], giver, main)
                taken = values.take(pa.array(chosen))
                columns[name] = taken.cast(self.table.schema.field(name).type)
        return columns

    def sample(
        self,
        n_samples: int,
        seeds: Seeds,
        adjust: Callable[[npt.NDArray[Any]], npt.NDArray[Any]] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[pa.Table, npt.NDArray[Any], npt.NDArray[Any]]:
        """Draw a synthetic table.

        Parameters
        ----------
        n_samples : int
            Rows to make.
        seeds : Seeds
            Where random numbers come from.
        adjust : callable, optional
            Changes the mixed scores of the whole sample before they become values.
        progress : callable, optional
            Called with the number of rows finished since the last call.

        Returns
        -------
        table : pyarrow.Table
            The pool's columns.
        parents, weights : ndarray of shape (n_samples, n_parents)
            The plan behind it, in rows of the pool.
        """
        source, law = self.source(n_samples, seeds), self.recipe.weights
        starts = range(0, n_samples, CHUNK_ROWS)
        plans = [draw_chunk(source, law, seeds, s, min(s + CHUNK_ROWS, n_samples)) for s in starts]
        adjusted = None
        if adjust is not None:
            adjusted = adjust(np.concatenate([self.mix(*plan) for plan in plans]))
        tables: list[pa.Table] = [None] * len(plans)

        def work(start: int, stop: int) -> None:
            chunk = start // CHUNK_ROWS
            mixed = self.mix(*plans[chunk]) if adjusted is None else adjusted[start:stop]
            columns = self.rows(mixed, *plans[chunk], seeds.generator(_PICK, chunk))
            tables[chunk] = pa.table({name: columns[name] for name in self.table.column_names})
            if progress is not None:
                progress(stop - start)

        for_chunks(work, n_samples, CHUNK_ROWS)
        return (
            pa.concat_tables(tables),
            np.concatenate([parents for parents, _ in plans]),
            np.concatenate([weights for _, weights in plans]),
        )

    @property
    def mixed_columns(self) -> list[str]:
        """Names of the columns whose values are averaged."""
        return list(self._mixed)

    @property
    def scores(self) -> npt.NDArray[Any]:
        """Scores of the mixed columns, shape (n_rows, n_mixed)."""
        return self._scores


def cramers_v(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    """Return the association of two categories, from 0 to 1.

    Parameters
    ----------
    first, second : ndarray of int, shape (n_rows,)
        Codes from 0.

    Returns
    -------
    float
        Cramer's V with the bias correction for small samples.

    References
    ----------
    Bergsma, "A bias-correction for Cramer's V and Tschuprow's T", Journal of the Korean
    Statistical Society, 2013.
    """
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    flat = first.astype(np.int64) * columns + second
    table = np.bincount(flat, minlength=rows * columns).reshape(rows, columns).astype(float)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    n, shape = table.sum(), np.array(table.shape)
    if shape.min() < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = ((table - expected) ** 2 / expected).sum() / n - (shape - 1).prod() / (n - 1)
    free = shape - (shape - 1) ** 2 / (n - 1)
    return float(np.sqrt(max(phi, 0.0) / max(free.min() - 1, 1e-9)))


def _encoded(values: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, strings as dictionary codes: narrow, and quick to gather."""
    if values.type in (pa.string(), pa.large_string(), pa.string_view()):
        values = pc.dictionary_encode(values)
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _codes(values: pa.ChunkedArray) -> npt.NDArray[np.integer[Any]]:
    """Return codes from 0 in order of value, missing values last."""
    plain = values
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    encoded = pc.dictionary_encode(plain.combine_chunks(), null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    order = pc.array_sort_indices(encoded.dictionary, null_placement="at_end").to_numpy()
    rank = np.empty(len(order), np.min_scalar_type(max(len(order) - 1, 0)))
    rank[order] = np.arange(len(order))
    codes: npt.NDArray[np.integer[Any]] = rank[encoded.indices.to_numpy()]
    return codes
