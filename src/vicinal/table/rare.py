"""Categories that only a few training rows hold, and what is put in their place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._threads import fork_safe
from vicinal._types import Bools, Floats32, Indices, Ints
from vicinal.table.categories import joint_codes
from vicinal.table.marginals import held_by
from vicinal.table.schema import Column, is_string

Codes = Indices

#: What may become of rare categories.
RARE = ("replace", "merge", "keep")
#: Rows among which the nearest one with a frequent category is looked for.
CANDIDATES = 20_000
#: Share of rows, at most, whose categories as few rows hold as a blurred number may ask for.
BLURRED = 0.1
#: Rows to each step that the rows a category needs are blurred by, so that small tables keep some.
BLUR_ROWS = 100
#: Rows of rare patterns of gaps among which gaps are exchanged.
DEALT = 50
#: What rare categories are merged into.
OTHER = "other"


def blur_of(
    most: int, n_owners: int, columns: Iterable[tuple[Column, pa.Array]], names_alone: bool
) -> int:
    """Return by how much, ``most`` at most, to blur how many owners a category needs."""
    # numbers of few values keep their ends, which say where a column begins; so do those that
    # stand for names, unless these are blurred too
    for column, values in columns:
        if column.mixed or (names_alone and pa.types.is_primitive(values.type)):
            return 0
    return min(most, n_owners // BLUR_ROWS)


def rare_rows(
    codes: Codes,
    missing: Bools | None,
    min_count: int,
    blur: int,
    rng: np.random.Generator,
    owners: Indices | None = None,
) -> Bools:
    """Return the rows whose category, if any, too few rows hold, or too few owners of rows."""
    # how many are enough is drawn for each category, min_count at least: a fixed number would tell
    # of a row that alone decides whether its category stays. Most rows keep theirs.
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    held = counts if owners is None else held_by(inverse, owners)
    order = np.argsort(held)
    order = order[held[order] >= min_count]
    most = held[order][np.cumsum(counts[order]) > BLURRED * len(codes)]
    blur = min(blur, int(most[0]) - min_count if len(most) else 0)
    enough = min_count + rng.integers(0, blur + 1, (2, len(counts))).sum(axis=0)
    rare: Bools = (held < enough)[inverse]
    return rare if missing is None else rare & ~missing


def merged(values: pa.Array, rare: Bools, min_count: int) -> pa.Array | None:
    """Return strings with the rare ones called "other", None where that is no way out."""
    plain = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    if rare.sum() < min_count or not is_string(plain.type):
        return None
    other = pa.scalar(OTHER, plain.type)
    return pc.if_else(pa.array(rare), other, plain).dictionary_encode()


def replacements(
    rare: Bools,
    frequent: Bools,
    space: Floats32,
) -> Ints:
    """Return for each row the row whose categories it takes, shape (n_rows,)."""
    # rows that are not rare keep their own; the others take those of the nearest frequent row in
    # space
    from sklearn.neighbors import NearestNeighbors

    givers = np.flatnonzero(frequent)
    givers = givers[:: max(1, len(givers) // CANDIDATES)]
    rows, takers = np.arange(len(rare)), np.flatnonzero(rare)
    with fork_safe():
        nearest = NearestNeighbors(n_neighbors=1).fit(space[givers])
        rows[takers] = givers[nearest.kneighbors(space[takers], return_distance=False)[:, 0]]
    return rows


def dealt_gaps(
    gaps: Sequence[Indices], min_count: int, rng: np.random.Generator
) -> list[Ints] | None:
    """Return the rows from which each column takes its gaps, so that no pattern is rare."""
    # gaps hold 0 where a column has a value. Rows of rare patterns exchange gaps column by column,
    # with rows of about as many gaps: how many a column has stays. Single gaps are no pattern.
    whole, alike = joint_codes(gaps), [one.tobytes() for one in gaps]
    held = np.bincount(whole)[whole]
    columns = dict(zip(alike, gaps, strict=True))
    several = np.sum([one > 0 for one in columns.values()], axis=0)
    rare = np.flatnonzero((held < min_count) & (several > 1))
    dealt = {key: np.arange(len(whole)) for key in columns}
    if len(rare) >= min_count:
        order = rng.permutation(rare)
        order = order[np.argsort(several[order], kind="stable")]
        block = np.minimum(np.arange(len(order)) // DEALT, max(len(order) // DEALT - 1, 0))
        for rows in dealt.values():
            rows[order] = order[np.lexsort((rng.random(len(order)), block))]
    elif len(rare):
        _, first = np.unique(whole, return_index=True)
        first = first[held[first] >= min_count]
        if not len(first):
            return None
        cells = np.array(list(columns.values()))
        differ = (cells[:, rare, None] != cells[:, None, first]).sum(axis=0)
        for rows in dealt.values():
            rows[rare] = first[differ.argmin(axis=1)]
    return [dealt[key] for key in alike] if len(rare) else None


def hidden_levels(
    values: pa.ChunkedArray, min_count: int, owners: Indices | None = None, declared: bool = True
) -> frozenset[Any]:
    """Return levels that a type lists and fewer than ``min_count`` rows, or owners of rows, hold.

    Those that nobody holds may be of rows left out, unless they were ``declared``.
    """
    chunk = values.combine_chunks()
    chunk = chunk.chunk(0) if isinstance(chunk, pa.ChunkedArray) else chunk
    there = chunk.is_valid().to_numpy(zero_copy_only=False)
    codes = chunk.indices.drop_null().to_numpy().astype(np.int64)
    held = np.bincount(codes) if owners is None else held_by(codes, owners[there])
    counts = np.zeros(len(chunk.dictionary), np.int64)
    counts[: len(held)] = held
    few = np.flatnonzero((counts < min_count) & ((counts > 0) | (not declared)))
    return frozenset(chunk.dictionary.take(pa.array(few)).to_pylist())


def without_levels(
    field: pa.Field, made: pa.DictionaryArray, hidden: frozenset[Any]
) -> tuple[pa.Field, pa.DictionaryArray]:
    """Return a column whose type does not list hidden levels, but those that a row holds."""
    levels = made.dictionary.to_pylist()
    kept = np.array([level not in hidden for level in levels], bool)
    held = made.indices.drop_null().unique().to_numpy()
    kept[held] = True
    lists = {key: text for key, text in (field.metadata or {}).items() if b"ENUM_VALUES" in key}
    new = [level for level in levels if any(_as_enum([level]) not in one for one in lists.values())]
    if kept.all() and not new:
        return field, made
    codes = pa.array((np.cumsum(kept) - 1).clip(0)).take(made.indices).cast(made.type.index_type)
    short = made.dictionary.filter(pa.array(kept))
    metadata = dict(field.metadata or {})
    for key, listed in lists.items():  # Polars' list of levels
        del metadata[key]
        if new or listed == _as_enum(levels):
            metadata[key] = _as_enum(short.to_pylist())
    made = pa.DictionaryArray.from_arrays(codes, short, ordered=made.type.ordered)
    return field.with_metadata(metadata or None), made


def _as_enum(levels: list[str]) -> bytes:
    return b"".join(b"%d;%b" % (len(one), one) for one in (str(level).encode() for level in levels))
