"""How much memory and disk a stream takes, and how to stay within a limit.

The figures are estimates, on the safe side, from runs of ``benchmarks/scale_stream.py``.
"""

from __future__ import annotations

import math
import re
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from vicinal._checks import check_count
from vicinal.table.presets import method_of, neighbors_of

if TYPE_CHECKING:
    from vicinal.table.stream.source import Source
    from vicinal.table.synthesizer import TableSynthesizer

__all__ = [
    "check_disk",
    "check_least",
    "chunk_size",
    "parse_memory",
    "pool_size",
    "workers_within",
]

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

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{unit}i": 2 ** (10 * power) for power, unit in enumerate("kmgt", 1)}


def parse_memory(value: int | str | None) -> int | None:
    """Return a size in bytes.

    Parameters
    ----------
    value : int, str or None
        Bytes, or text such as ``"2GB"``, ``"512MiB"`` or ``"1.5g"``.

    Returns
    -------
    int or None
        Bytes; None stays None.

    Raises
    ------
    ValueError
        If the text is no size.

    Examples
    --------
    >>> parse_memory("2GB"), parse_memory("1.5 MiB")
    (2000000000, 1572864)
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return check_count("memory", value)
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]i?|)b?\s*", str(value).lower())
    if found is None or not float(found[1]) > 0:
        raise ValueError(f"memory must be a size such as 2GB or 512MB, got {value!r}.")
    return int(float(found[1]) * _UNITS[found[2]])


def said(size: float) -> str:
    """Return a size in words."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"


def row_cost(synthesizer: TableSynthesizer, width: int, row_bytes: float) -> float:
    """Return bytes for each row of the pool.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Its settings count, fitted or not.
    width : int
        Columns.
    row_bytes : float
        Bytes of a row by itself.

    Returns
    -------
    float
        About, while it is learned.
    """
    near = neighbors_of(synthesizer) if method_of(synthesizer) == "neighborhood" else 0
    return ROW_FACTOR * row_bytes + SCORE_BYTES * width + NEAR_BYTES * near


def _cost(synthesizer: TableSynthesizer, source: Source) -> float:
    return row_cost(synthesizer, len(source.schema.names), source.row_bytes)


def _standing(source: Source, workers: int) -> float:
    """Return bytes that are needed whatever the pool: program, batches or chunks, and numbers."""
    chunk = chunk_size(len(source.schema.names), source.row_bytes) * source.row_bytes
    numbers = min(NUMBER_ROWS, source.n_rows or NUMBER_ROWS) * source.row_bytes
    whole = max(source.sizes) * 4 if source.parts[0].groups is None else 0.0
    return BASE_BYTES + max(workers * CHUNK_FACTOR * chunk, 2 * numbers, workers * whole)


def pool_size(synthesizer: TableSynthesizer, source: Source, limit: int | None) -> int:
    """Return how many rows to hold.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Its method counts.
    source : Source
        Rows, and how many.
    limit : int, optional
        Bytes that may be used.

    Returns
    -------
    int
        The same for every limit that is large enough; halved until it fits where it is not.

    Warns
    -----
    UserWarning
        Where memory is short.
    """
    wanted = POOL_ROWS[method_of(synthesizer)]
    if limit is None:
        return wanted
    needed = wanted if source.n_rows is None else min(wanted, source.n_rows)
    cost = _cost(synthesizer, source)
    rows = wanted
    while rows > LEAST_POOL and _standing(source, 1) + min(rows, needed) * cost > limit:
        rows //= 2
    fits = _standing(source, 1) + min(rows, needed) * cost <= limit
    if rows < needed and fits:
        warnings.warn(
            f"memory={said(limit)} leaves room for a pool of {rows:,} rows instead of {needed:,}: "
            "joint structure is known less exactly, and rows differ from those of a larger limit.",
            UserWarning,
            stacklevel=4,
        )
    return rows


def check_least(
    source: Source, synthesizer: TableSynthesizer, pool_rows: int, limit: int | None
) -> None:
    """Refuse a limit under which nothing can be done.

    Parameters
    ----------
    source : Source
        Rows.
    synthesizer : TableSynthesizer
        Its method counts.
    pool_rows : int
        Rows to hold.
    limit : int, optional
        Bytes that may be used.

    Raises
    ------
    ValueError
        Says the least that is needed.
    """
    if limit is None:
        return
    held = pool_rows if source.n_rows is None else min(pool_rows, source.n_rows)
    least = _standing(source, 1) + held * _cost(synthesizer, source)
    if least > limit:
        at_least = math.ceil(least / 1e7) / 100
        whole = source.parts[0].groups is None
        why = " Files of this format are read whole; Parquet needs less." if whole else ""
        raise ValueError(
            f"memory={said(limit)} is too small: these columns need at least {at_least:g}GB.{why}"
        )


def workers_within(limit: int | None, held: float, chunk_bytes: float, threads: int) -> int:
    """Return how many chunks may be in the making at once.

    Parameters
    ----------
    limit : int, optional
        Bytes that may be used.
    held : float
        Bytes that the pool takes.
    chunk_bytes : float
        Bytes of a chunk.
    threads : int
        How many at most.

    Returns
    -------
    int
        One at least.
    """
    if limit is None:
        return max(1, threads)
    room = (limit - BASE_BYTES - held) / (CHUNK_FACTOR * chunk_bytes)
    return max(1, min(threads, int(room)))


def chunk_size(width: int, row_bytes: float) -> int:
    """Return rows of a chunk: a power of two that depends on the columns alone.

    Parameters
    ----------
    width : int
        Columns.
    row_bytes : float
        Bytes of a row, about.

    Returns
    -------
    int
        From 65,536 to 1,048,576.
    """
    size = max(row_bytes, 4.0 * width)
    rows = CHUNK_MOST
    while rows > CHUNK_LEAST and rows * size > CHUNK_BYTES:
        rows //= 2
    return rows


def check_disk(folder: Path, needed: float) -> None:
    """Refuse to begin what the disk has no room for.

    Parameters
    ----------
    folder : Path
        Where to write.
    needed : float
        Bytes, about.

    Raises
    ------
    OSError
        Says how much is needed, and how much is free.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            f"The synthetic rows need about {said(needed)}, but {folder} has {said(free)} free. "
            "Free some, name another folder, or ask for fewer rows."
        )
