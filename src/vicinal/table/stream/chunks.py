"""Chunks of a synthetic table: each made by itself, anywhere, always the same.

A chunk depends on the learned synthesizer, the seed and its number, and on nothing else.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_count
from vicinal._random import RandomState, Seeds, StreamKey
from vicinal.io.dialect import without_dialect
from vicinal.jobs.chunks import Chunk, cut_chunks
from vicinal.table.frames import METADATA_KEY, to_native
from vicinal.table.presets import check_parameters, check_rows_alone
from vicinal.table.stream.column_stats import ValueStats
from vicinal.table.stream.memory import chunk_size
from vicinal.table.surrogates import Surrogates
from vicinal.table.synthesizer import TableSynthesizer


def plan_chunks(
    model: TableSynthesizer,
    n_samples: int | None = None,
    *,
    random_state: RandomState = None,
    chunk_rows: int | None = None,
) -> list[Chunk]:
    """Cut a synthetic table into chunks, larger ones of a larger table in the same way."""
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
    """Draw the rows of one chunk as an Arrow table, in one thread."""
    # integer identifiers count on beyond the real ones through all chunks
    learned = _learned(model)
    check_drawable(model)
    seeds = Seeds.from_entropy(chunk.seed)
    drawn, _ = model._training.sample(chunk.rows, seeds, threads=1)
    surrogates = _numbered(model)
    made = model._assemble(drawn, chunk.rows, seeds, surrogates, chunk.first, chunk.total)
    made = model._written(made)
    metadata = dict(made.schema.metadata)
    native = json.loads(metadata[METADATA_KEY])
    types = native["types"] if native["library"] == "pyarrow" else {}
    plain = {"library": "pyarrow", "batch": False, "types": types}
    made = made.replace_schema_metadata(metadata | {METADATA_KEY: json.dumps(plain)})
    return without_dialect(to_native(made, learned.schema))


def check_drawable(synthesizer: TableSynthesizer) -> None:
    """Raise ValueError for settings under which rows cannot be drawn in chunks."""
    check_parameters(synthesizer)
    check_rows_alone(synthesizer)
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
    learned = model._state
    made: dict[str, Surrogates] = {}
    state, before = getattr(model, "_numbered", (None, made))
    if state is learned:  # made once, until it learns again
        made |= before
        return made
    for column in model.columns_:
        if column.name not in model._surrogates:
            continue
        values = learned.rows[column.name]
        plain = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        surrogates = model._surrogates[column.name]
        known = learned.population is not None and column.name in learned.population.prefixes
        numbered = pa.types.is_integer(plain) or pa.types.is_floating(plain)
        if column.kind == "identifier" and not numbered and not known:
            stats = ValueStats(column.name)
            stats.add(pc.drop_null(values), column.name, "")
            surrogates = Surrogates(values, column.name, column.kind, prefix=stats.prefix)
        made[column.name] = surrogates
    model._numbered = learned, made
    return made
