"""Chunks of a synthetic table: each made by itself, anywhere, always the same.

A chunk depends on the learned synthesizer, the seed and its number, and on nothing else: not on
threads, memory, the engine, or what was made before.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_count
from vicinal._random import RandomState, Seeds, StreamKey
from vicinal.jobs.chunks import Chunk, cut_chunks
from vicinal.table.frames import METADATA_KEY, to_native
from vicinal.table.presets import check_parameters
from vicinal.table.stream.column_stats import ValueStats
from vicinal.table.stream.fit import free_prefix
from vicinal.table.stream.memory import chunk_size
from vicinal.table.surrogates import Surrogates
from vicinal.table.synthesizer import TableSynthesizer

__all__ = ["Chunk", "check_drawable", "make_chunk", "plan_chunks"]


def plan_chunks(
    model: TableSynthesizer,
    n_samples: int | None = None,
    *,
    random_state: RandomState = None,
    chunk_rows: int | None = None,
) -> list[Chunk]:
    """Cut a synthetic table into chunks.

    Parameters
    ----------
    model : TableSynthesizer
        Fitted or loaded.
    n_samples : int, optional
        Rows in all; as many as were learned where left out.
    random_state : int, numpy.random.Generator or None
        Seed; where left out, that of the model, whether it was given one or not.
    chunk_rows : int, optional
        Rows of a chunk. Other chunks are other rows, so leave it out unless you must not; then it
        depends on the columns alone.

    Returns
    -------
    list of Chunk
        In order. The first chunks of a larger table are the same but for the last one.

    Raises
    ------
    RuntimeError
        If the model has learned nothing.
    ValueError
        If a number is below 1, or a column of integer identifiers has no room for so many.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> model = TableSynthesizer("off", random_state=0).fit(pa.table({"x": rng.normal(size=99)}))
    >>> [chunk.rows for chunk in plan_chunks(model, 250, chunk_rows=100)]
    [100, 100, 50]
    """
    learned = _learned(model)
    total = model.n_rows_ if n_samples is None else check_count("n_samples", n_samples)
    if chunk_rows is None:
        rows = learned.rows
        chunk_rows = chunk_size(rows.num_columns, rows.nbytes / max(rows.num_rows, 1))
    check_count("chunk_rows", chunk_rows)
    for surrogates in _numbered(model).values():
        surrogates.check(total)
    entropy = learned.seeds.entropy if random_state is None else Seeds(random_state).entropy
    return cut_chunks(total, [chunk_rows], entropy, StreamKey.CHUNK)


def make_chunk(model: TableSynthesizer, chunk: Chunk) -> pa.Table:
    """Draw the rows of one chunk.

    Parameters
    ----------
    model : TableSynthesizer
        Fitted, or loaded from the file of one that was.
    chunk : Chunk
        From :func:`plan_chunks`.

    Returns
    -------
    pyarrow.Table
        ``chunk.rows`` rows, of one schema. Integer identifiers
        count on from the largest real one through all chunks, string identifiers are numbered.
        One thread does it all, so that several chunks can be made at once.

    Raises
    ------
    RuntimeError
        If the model has learned nothing.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> model = TableSynthesizer("off", random_state=0).fit(pa.table({"x": rng.normal(size=99)}))
    >>> plan = plan_chunks(model, 250, chunk_rows=100)
    >>> make_chunk(model, plan[2]).num_rows
    50
    """
    learned = _learned(model)
    check_drawable(model)
    seeds = Seeds.from_entropy(chunk.seed)
    drawn, _ = model._training.sample(chunk.rows, seeds, threads=1)
    surrogates = _numbered(model)
    made = model._assemble(drawn, chunk.rows, seeds, surrogates, chunk.first, chunk.total)
    metadata = dict(made.schema.metadata or {})
    native = json.loads(metadata.get(METADATA_KEY, "{}"))
    if native.get("library") == "pyarrow" and not native.get("batch"):
        table: pa.Table = to_native(made, learned.schema)
        return table
    metadata.pop(METADATA_KEY, None)
    kinds = [learned.schema.field(name).type for name in made.column_names]
    fields = [field.with_type(kind) for field, kind in zip(made.schema, kinds, strict=True)]
    return made.cast(pa.schema(fields, metadata or None))


def check_drawable(synthesizer: TableSynthesizer) -> None:
    """Raise ValueError for settings under which rows cannot be drawn in chunks."""
    check_parameters(synthesizer)
    if synthesizer.exact_moments:
        raise ValueError(
            "exact_moments=True needs the whole sample in memory at once, so it cannot be drawn "
            "in chunks. Fit without it."
        )


def _learned(model: TableSynthesizer) -> Any:
    if not hasattr(model, "_training"):
        raise RuntimeError("This TableSynthesizer has learned nothing yet: fit it first.")
    return model._state


def _numbered(model: TableSynthesizer) -> dict[str, Surrogates]:
    """Return what makes identifiers by their number, so that no two chunks make the same."""
    kept = getattr(model, "_numbered", None)
    if kept is None or kept[0] is not model._state:  # made once, until it learns again
        kept = model._state, _make_numbered(model)
        model._numbered = kept
    numbered: dict[str, Surrogates] = kept[1]
    return numbered


def _make_numbered(model: TableSynthesizer) -> dict[str, Surrogates]:
    learned, made = model._state, {}
    for column in model.columns_:
        if column.name not in model._surrogates:
            continue
        values = learned.rows[column.name]
        plain = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        surrogates = model._surrogates[column.name]
        known = learned.population is not None and column.name in learned.population.prefixes
        if column.kind == "identifier" and not pa.types.is_integer(plain) and not known:
            stats = ValueStats(column.name)
            stats.add(pc.drop_null(values), column.name, "")
            prefix = free_prefix(column.name, stats.free)
            surrogates = Surrogates(values, column.name, column.kind, prefix=prefix)
        made[column.name] = surrogates
    return made
