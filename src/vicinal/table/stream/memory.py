"""How much memory and disk a stream takes, and how to stay within a limit.

The figures are estimates, on the safe side, from runs of ``benchmarks/scale_stream.py``.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from vicinal._checks import check_count
from vicinal.jobs.limits import format_bytes
from vicinal.table.presets import method_of, neighbors_of

if TYPE_CHECKING:
    from vicinal.table.stream.source import Source
    from vicinal.table.synthesizer import TableSynthesizer

#: Rows of the pool where partners come from all rows, and where neighbors are sought, which
#: takes longer.
POOL_ROWS = {"rows": 1 << 18, "neighborhood": 1 << 17}
LEAST_POOL = 1 << 12
#: Rows of a chunk, at most and at least, and bytes that it should not go beyond.
CHUNK_MOST, CHUNK_LEAST = 1 << 20, 1 << 16
CHUNK_BYTES = 96e6

#: Bytes of the program itself, with what it has loaded.
BASE_BYTES = 350e6
#: Bytes for each byte of a chunk while it is made and written, and of a batch while it is read.
CHUNK_FACTOR = 3.5
#: Bytes for each row of the pool: of each mixed column, of each neighbor, and how often the rows
#: themselves are held.
SCORE_BYTES, NEAR_BYTES, ROW_FACTOR = 32, 36, 3
#: Rows from which distributions of numbers are learned. By the Dvoretzky-Kiefer-Wolfowitz bound a
#: quantile's rank is then off by less than 0.0016 with a chance of 99 %.
NUMBER_ROWS = 1 << 20


def row_cost(synthesizer: TableSynthesizer, width: int, row_bytes: float) -> float:
    """Return bytes for each row of the pool, about, while it is learned."""
    near = neighbors_of(synthesizer) if method_of(synthesizer) == "neighborhood" else 0
    return ROW_FACTOR * row_bytes + SCORE_BYTES * width + NEAR_BYTES * near


def _cost(synthesizer: TableSynthesizer, source: Source) -> float:
    return row_cost(synthesizer, len(source.schema.names), source.row_bytes)


def _standing(source: Source) -> float:
    """Return bytes that are needed whatever the pool: program, batch or chunk, and numbers."""
    chunk = chunk_size(len(source.schema.names), source.row_bytes) * source.row_bytes
    numbers = min(NUMBER_ROWS, source.n_rows or NUMBER_ROWS) * source.row_bytes
    whole = 0 if source.is_parquet else max(source.sizes) * 4
    return BASE_BYTES + max(CHUNK_FACTOR * chunk, 2 * numbers, whole)


def pool_size(
    synthesizer: TableSynthesizer, source: Source, max_rows: int | None, limit: int | None
) -> int:
    """Return how many rows to hold: as many as asked for, or halved until they fit into a limit."""
    # as many as asked for, or halved until they fit: the same for every limit that is large enough
    rows = POOL_ROWS[method_of(synthesizer)]
    if max_rows is not None:
        rows = check_count("max_rows", max_rows, low=2)
    if limit is None:
        return rows
    needed = rows if source.n_rows is None else min(rows, source.n_rows)
    cost, standing = _cost(synthesizer, source), _standing(source)
    while max_rows is None and rows > LEAST_POOL and standing + min(rows, needed) * cost > limit:
        rows //= 2
    least = standing + min(rows, needed) * cost
    if least > limit:
        why = "" if source.is_parquet else " Files of this format are read whole; use Parquet."
        raise ValueError(
            f"memory={format_bytes(limit)} is too small: these columns need at least "
            f"{math.ceil(least / 1e7) / 100:g}GB.{why}"
        )
    if rows < needed:
        warnings.warn(
            f"memory={format_bytes(limit)} leaves room for a pool of {rows:,} rows instead of "
            f"{needed:,}: joint structure is known less exactly, and rows differ from those of a "
            "larger limit.",
            UserWarning,
            stacklevel=4,
        )
    return rows


def workers_within(limit: int | None, held: float, chunk_bytes: float, threads: int) -> int:
    """Return how many chunks may be in the making at once: one at least, all where unlimited."""
    if limit is None:
        return max(1, threads)
    room = (limit - BASE_BYTES - held) / (CHUNK_FACTOR * chunk_bytes)
    return max(1, min(threads, int(room)))


def chunk_size(width: int, row_bytes: float) -> int:
    """Return rows of a chunk, 65,536 to 1,048,576, a power of two, by the columns alone."""
    size = max(row_bytes, 4.0 * width)
    rows = CHUNK_MOST
    while rows > CHUNK_LEAST and rows * size > CHUNK_BYTES:
        rows //= 2
    return rows


def disk_bytes(source: Source) -> float:
    """Return bytes of a row on the disk, about: as in the source if that is Parquet."""
    if source.is_parquet and source.n_rows and all(source.sizes):
        return sum(source.sizes) / source.n_rows
    return source.row_bytes
