"""Files in, a folder of files out, with memory for neither."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vicinal._checks import check_count
from vicinal._random import RandomState
from vicinal._threads import n_threads
from vicinal.io.remote import is_remote, local_path
from vicinal.table.modelfile import plain_settings
from vicinal.table.stream.chunks import Chunk, check_drawable, make_chunk, plan_chunks
from vicinal.table.stream.fit import fit_stream
from vicinal.table.stream.memory import (
    check_disk,
    parse_memory,
    row_cost,
    workers_within,
)
from vicinal.table.stream.output import Staging, check_output_folder, write_part
from vicinal.table.stream.source import Source, find_source
from vicinal.table.synthesizer import TableSynthesizer

__all__ = ["Streamed", "check_request", "sample_stream", "stream_table", "write_chunks"]

PathLike = str | os.PathLike[str]
Progress = Callable[[str, int, int], None]  # stage, rows done, rows in all (0 for unknown)


@dataclass(frozen=True)
class Streamed:
    """What a streamed table came to.

    Attributes
    ----------
    model : TableSynthesizer or None
        What was learned; None where the output was there already.
    output : Path or str
        The folder, or its address.
    rows_read, rows_written : int
        Rows.
    chunks : int
        Files written, and those that were there from an interrupted run.
    kept : int
        Files that were there.
    """

    model: TableSynthesizer | None
    output: Path | str
    rows_read: int
    rows_written: int
    chunks: int
    kept: int


def stream_table(
    synthesizer: TableSynthesizer,
    source: Source | PathLike | Sequence[PathLike],
    output: PathLike,
    n_rows: int | None = None,
    *,
    memory: int | str | None = None,
    pool_rows: int | None = None,
    chunk_rows: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Streamed:
    """Turn files of any size into a folder of synthetic Parquet files.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Settings; it is fitted here.
    source : str, path, sequence of them or Source
        A file, a folder, a pattern such as ``"events/*.parquet"``, or several.
    output : str or path
        Folder to make; not there yet, or empty. :func:`stream_table_ray` writes to addresses, too.
    n_rows : int, optional
        Rows to draw; as many as were read where left out.
    memory : int or str, optional
        Bytes that may be used, such as ``"2GB"``.
    pool_rows : int, optional
        See :func:`fit_stream`.
    chunk_rows : int, optional
        See :func:`plan_chunks`.
    resume : bool, default False
        Go on with an interrupted run: the output has the same bytes as if it had not been
        interrupted. Without one, begin.
    progress : callable, optional
        Called with what is being done, rows done and rows in all.

    Returns
    -------
    Streamed
        What was done.

    Raises
    ------
    OSError
        If the output is not empty or cannot be written, or the disk is too small or full; then
        what is done stays for ``resume``.
    ValueError
        If a file cannot be read, columns differ between files, memory is too small, the output is
        an address, or the interrupted run was asked for otherwise.

    Examples
    --------
    >>> stream_table(
    ...     TableSynthesizer("off", random_state=7), "events/*.parquet", "synthetic", memory="2GB"
    ... )  # doctest: +SKIP
    """
    target = _folder(output, "Add --engine ray (stream_table_ray), or name a folder.")
    check_output_folder(target, resume)  # before files are opened
    check_request(synthesizer, source, target, n_rows, chunk_rows)
    limit = parse_memory(memory)
    found = source if isinstance(source, Source) else find_source(source)
    asked = {
        "files": list(found.files),
        "bytes": list(found.sizes),
        "rows": n_rows,
        "pool_rows": pool_rows,
        "settings": plain_settings(synthesizer.get_params()),
    }
    with Staging(target, asked) as staging:
        staging.open(resume)
        if staging.complete:
            return Streamed(None, target, 0, 0, 0, 0)
        model = staging.model()
        if model is None:
            total = found.n_rows or 0
            done = 0

            def read(rows: int) -> None:
                nonlocal done
                done += rows
                if progress is not None:
                    progress("Reading", done, total)

            if found.n_rows is not None:
                wanted = found.n_rows if n_rows is None else n_rows
                check_disk(target.resolve().parent, wanted * _disk_bytes(found))
            model = fit_stream(synthesizer, found, pool_rows=pool_rows, memory=limit, progress=read)
            staging.keep_model(model)
        pa.default_memory_pool().release_unused()
        return _draw(model, staging, n_rows, None, limit, chunk_rows, progress)


def sample_stream(
    model: TableSynthesizer,
    output: PathLike,
    n_rows: int | None = None,
    *,
    random_state: RandomState = None,
    memory: int | str | None = None,
    chunk_rows: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Streamed:
    """Draw any number of rows from a fitted synthesizer into a folder of Parquet files.

    Parameters
    ----------
    model : TableSynthesizer
        Fitted or loaded.
    output : str or path
        Folder to make; not there yet, or empty.
    n_rows : int, optional
        Rows to draw; as many as were learned where left out.
    random_state : int, numpy.random.Generator or None
        Seed; that of the model where left out.
    memory : int or str, optional
        Bytes that may be used, such as ``"2GB"``.
    chunk_rows : int, optional
        See :func:`plan_chunks`.
    resume : bool, default False
        Go on with an interrupted run.
    progress : callable, optional
        Called with what is being done, rows done and rows in all.

    Returns
    -------
    Streamed
        What was done.

    Raises
    ------
    OSError, ValueError
        As :func:`stream_table` does.
    """
    target = _folder(output, "Name a folder.")
    seed = int(random_state) if isinstance(random_state, int) else None
    plan = plan_chunks(model, n_rows, random_state=random_state, chunk_rows=chunk_rows)
    asked = {"rows": n_rows, "random_state": seed, "chunk_rows": chunk_rows}
    with Staging(target, asked) as staging:
        staging.open(resume)
        if staging.complete:
            staging.check_model(model)
            return Streamed(None, target, 0, 0, 0, 0)
        staging.keep_model(model)
        return _draw(model, staging, n_rows, plan, parse_memory(memory), chunk_rows, progress)


def _draw(
    model: TableSynthesizer,
    staging: Staging,
    n_rows: int | None,
    plan: list[Chunk] | None,
    limit: int | None,
    chunk_rows: int | None,
    progress: Progress | None,
) -> Streamed:
    chunks = plan_chunks(model, n_rows, chunk_rows=chunk_rows) if plan is None else plan
    left = staging.begin(chunks)
    rows = model._state.rows
    row_bytes = rows.nbytes / max(rows.num_rows, 1)
    held = rows.num_rows * row_cost(model, rows.num_columns, row_bytes)
    threads = workers_within(limit, held, chunks[0].rows * row_bytes, n_threads())
    total = sum(chunk.rows for chunk in chunks)
    done = total - sum(chunk.rows for chunk in left)

    def count(chunk: Chunk) -> None:
        nonlocal done
        done += chunk.rows
        if progress is not None:
            progress("Drawing", done, total)

    write_chunks(model, left, staging, threads, count)
    staging.finish(chunks)
    kept = len(chunks) - len(left)
    return Streamed(model, staging.output, model.n_rows_, total, len(chunks), kept)


def write_chunks(
    model: TableSynthesizer,
    chunks: Sequence[Chunk],
    staging: Staging,
    threads: int,
    count: Callable[[Chunk], Any],
) -> None:
    """Make chunks and write each to its file, as many at once as there are threads.

    Parameters
    ----------
    model : TableSynthesizer
        Fitted.
    chunks : sequence of Chunk
        Which to make.
    staging : Staging
        Where to.
    threads : int
        How many; each holds one chunk.
    count : callable
        Called with each chunk that is written, by one thread at a time.
    """

    def work(chunk: Chunk) -> Chunk:
        write_part(make_chunk(model, chunk), staging.path(chunk))
        return chunk

    if threads < 2 or len(chunks) < 2:
        for chunk in chunks:
            count(work(chunk))
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: set[Future[Chunk]] = set()
        left = iter(chunks)
        try:
            for chunk in left:
                waiting.add(pool.submit(work, chunk))
                if len(waiting) > threads:  # one waits, so that no thread does
                    finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for task in finished:
                        count(task.result())
            for task in waiting:
                count(task.result())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def check_request(
    synthesizer: TableSynthesizer,
    source: Source | PathLike | Sequence[PathLike],
    output: Path,
    n_rows: int | None,
    chunk_rows: int | None,
) -> None:
    """Refuse what would only fail after everything was read.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Settings.
    source : str, path, sequence of them or Source
        What to read.
    output : Path
        Folder to make. In a folder that is read, the next run would read what this one wrote.
    n_rows, chunk_rows : int, optional
        As :func:`stream_table` takes them.

    Raises
    ------
    ValueError
        Says what cannot be.
    """
    check_drawable(synthesizer)
    for name, value in (("n_rows", n_rows), ("chunk_rows", chunk_rows)):
        if value is not None:
            check_count(name, value)
    if isinstance(source, Source):
        return
    for one in [source] if isinstance(source, (str, os.PathLike)) else source:
        folder = Path(one)
        if folder.is_dir() and folder.resolve() in (output.resolve(), *output.resolve().parents):
            raise ValueError(
                f"output {output} lies in {folder}, which is read. Name a folder elsewhere, or "
                f"read a pattern such as '{folder / '*.parquet'}'."
            )


def _folder(output: PathLike, remedy: str) -> Path:
    """Return the folder that was named; ``file://`` is one, other addresses are refused."""
    where = os.fspath(output)
    if is_remote(where):
        raise ValueError(f"output {where} is an address, and this engine writes folders. {remedy}")
    return Path(local_path(where))


def _disk_bytes(source: Source) -> float:
    """Return bytes on the disk of a row, about: as in the source if that is Parquet."""
    if source.parts[0].groups is not None and source.n_rows and all(source.sizes):
        return sum(source.sizes) / source.n_rows
    return source.row_bytes
