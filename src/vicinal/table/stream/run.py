"""Files in, a folder of files out, with memory for neither."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from vicinal._checks import check_count
from vicinal._progress import ProgressCallback
from vicinal._random import RandomState
from vicinal.io.remote import is_remote, local_path
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.job import Engine
from vicinal.jobs.limits import parse_memory
from vicinal.jobs.ray import RayCluster
from vicinal.jobs.run import check_engine, make_engine, run_job
from vicinal.jobs.staging import check_destination
from vicinal.table.modelfile import plain_settings
from vicinal.table.stream.chunks import check_drawable, make_chunk, plan_chunks
from vicinal.table.stream.fit import fit_parts, open_source
from vicinal.table.stream.memory import disk_bytes, row_cost, workers_within
from vicinal.table.stream.source import PathLike, Source, fingerprint
from vicinal.table.synthesizer import TableSynthesizer


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
    chunks, kept : int
        Files, and how many of them were there from an interrupted run.
    """

    model: TableSynthesizer | None
    output: Path | str
    rows_read: int
    rows_written: int
    chunks: int
    kept: int

    def summary(self) -> str:
        """Return what was done, in one line."""
        if self.model is None:
            return f"{self.output} is complete already; nothing was done."
        pool = self.model._state.rows.num_rows
        held = "" if pool == self.rows_read else f", {pool:,} of them held and mixed"
        kept = f" ({self.kept:,} of them before the interruption)" if self.kept else ""
        return (
            f"{self.rows_read:,} rows read{held}, {self.rows_written:,} written to {self.output} "
            f"in {self.chunks:,} file(s){kept}."
        )


def stream_table(
    synthesizer: TableSynthesizer,
    source: Source | PathLike | Sequence[PathLike],
    output: PathLike,
    n_samples: int | None = None,
    *,
    memory: int | str | None = None,
    max_rows: int | None = None,
    chunk_rows: int | None = None,
    engine: str | RayCluster = "local",
    workers: int | None = None,
    resume: bool = False,
    progress: bool | ProgressCallback = False,
) -> Streamed:
    """Turn files of any size into a folder of synthetic Parquet files.

    Formats of texts and personal data are those of rows from beginning, middle and end.

    The same seed gives the same bytes with either engine, whatever the number of workers and
    whichever are lost on the way; a run that one engine began can be gone on with by the other.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Settings; it is fitted here.
    source : str, path or sequence of them
        A file, a folder, a pattern such as ``"events/*.parquet"``, or several; workers of Ray
        read it by the same names.
    output : str or path
        Folder to make, for Ray on a disk that all workers see; or an address such as
        ``"s3://bucket/synthetic"``. There may be nothing in it yet.
    n_samples : int, optional
        Rows to draw; as many as were read where left out.
    memory : int or str, optional
        Bytes that each process may use, such as ``"2GB"``.
    max_rows : int, optional
        Rows to hold and to mix at most, see :func:`fit_stream`.
    chunk_rows : int, optional
        Rows of a file, by the columns alone where left out. Other chunks are other rows.
    engine : {"local", "ray"} or RayCluster, default "local"
        Where parts are read and chunks made: in threads of this process, or on a Ray cluster,
        which a :class:`vicinal.jobs.RayCluster` may name.
    workers : int, optional
        Chunks in the making at once; as many as there are cores where left out.
    resume : bool, default False
        Go on with an interrupted run, to the same bytes as without an interruption, or begin.
        Only where the output is a folder.
    progress : bool or callable, default False
        Whether to show a bar, or what to call with stage, rows done and rows in all.

    Returns
    -------
    Streamed
        What was done.

    Raises
    ------
    OSError
        If the output is not empty or cannot be written, a worker does not see it, the cluster
        does not answer, or the disk is full; then what is done stays for ``resume``.
    ValueError
        If a file cannot be read, columns differ between files, memory is too small, or the
        interrupted run was asked for otherwise.
    ImportError
        If Ray, or the extra "stream", is needed and not installed.

    Examples
    --------
    >>> settings = TableSynthesizer("off", random_state=7)
    >>> stream_table(settings, "events/*.parquet", "synthetic", memory="2GB")  # doctest: +SKIP
    """
    check_engine(engine, workers)
    check_destination(output, resume)  # before files are opened
    check_drawable(synthesizer)
    for name, value in (("n_samples", n_samples), ("chunk_rows", chunk_rows)):
        if value is not None:
            check_count(name, value)
    _check_apart(source.asked if isinstance(source, Source) else source, output)
    job = _Stream(synthesizer, source, n_samples, chunk_rows, max_rows, parse_memory(memory))
    return _run(job, output, make_engine(engine, workers), resume, progress)


def sample_stream(
    model: TableSynthesizer,
    output: PathLike,
    n_samples: int | None = None,
    *,
    random_state: RandomState = None,
    memory: int | str | None = None,
    chunk_rows: int | None = None,
    engine: str | RayCluster = "local",
    workers: int | None = None,
    resume: bool = False,
    progress: bool | ProgressCallback = False,
) -> Streamed:
    """Draw any number of rows from a fitted synthesizer into a folder of Parquet files.

    Parameters
    ----------
    model : TableSynthesizer
        Fitted or loaded.
    output : str or path
        As for :func:`stream_table`.
    n_samples : int, optional
        Rows to draw; as many as were learned where left out.
    random_state : int, numpy.random.Generator or None
        Seed; that of the model where left out.
    memory, chunk_rows, engine, workers, resume, progress : optional
        As for :func:`stream_table`.

    Returns
    -------
    Streamed
        What was done.

    Raises
    ------
    OSError, ValueError, ImportError
        As :func:`stream_table` does.
    """
    check_engine(engine, workers)
    check_destination(output, resume)
    plan = plan_chunks(model, n_samples, random_state=random_state, chunk_rows=chunk_rows)
    seed = int(random_state) if isinstance(random_state, int) else None
    digest = hashlib.sha256(_file_of(model)).hexdigest()
    asked = {"n_samples": n_samples, "random_state": seed, "chunk_rows": chunk_rows}
    job = _Sample(model, plan, asked | {"model": digest}, parse_memory(memory))
    return _run(job, output, make_engine(engine, workers), resume, progress)


def _file_of(model: TableSynthesizer) -> bytes:
    with TemporaryDirectory() as folder:
        model.save(Path(folder, "model"))
        return Path(folder, "model").read_bytes()


class _Sample:
    """Draws from a synthesizer, as a job."""

    stage = "Drawing"
    bytes_needed = 0.0

    def __init__(
        self,
        model: TableSynthesizer,
        plan: list[Chunk],
        request: Mapping[str, Any],
        limit: int | None,
    ) -> None:
        self.model, self.request = model, request
        self._plan, self._limit = plan, limit

    def prepare(self, kept: Path, engine: Engine, tell: ProgressCallback) -> None:
        """Do nothing: all is learned already."""

    def chunks(self) -> list[Chunk]:
        return self._plan

    def at_once(self, most: int) -> int:
        rows = self.model._state.rows
        row_bytes = rows.nbytes / max(rows.num_rows, 1)
        held = rows.num_rows * row_cost(self.model, rows.num_columns, row_bytes)
        return workers_within(self._limit, held, self.chunks()[0].rows * row_bytes, most)

    def make(self, chunk: Chunk) -> pa.Table:
        return make_chunk(self.model, chunk)

    def maker(self) -> _Maker:
        return _Maker(_file_of(self.model))


class _Stream(_Sample):
    """Learns files of any size and draws from them, as a job."""

    def __init__(
        self,
        synthesizer: TableSynthesizer,
        source: Source | PathLike | Sequence[PathLike],
        n_samples: int | None,
        chunk_rows: int | None,
        max_rows: int | None,
        limit: int | None,
    ) -> None:
        found, self._max_rows = open_source(synthesizer, source, max_rows, limit)
        request = {
            "files": list(found.files),
            "bytes": list(found.sizes),
            "content": {path: fingerprint(path) for path in found.files},
            "n_samples": n_samples,
            "max_rows": max_rows,
            "settings": plain_settings(synthesizer.get_params()),
        }
        super().__init__(synthesizer, [], request, limit)
        self._source, self._n_samples, self._chunk_rows = found, n_samples, chunk_rows
        if found.n_rows is not None:
            self.bytes_needed = (n_samples or found.n_rows) * disk_bytes(found)

    def prepare(self, kept: Path, engine: Engine, tell: ProgressCallback) -> None:
        """Learn the source, or load what an interrupted run has learned."""
        if kept.exists():
            self.model = TableSynthesizer.load(kept)
        else:
            fit_parts(self.model, self._source, self._max_rows, engine, tell)
            self.model.save(kept)
            pa.default_memory_pool().release_unused()
        self._plan = plan_chunks(self.model, self._n_samples, chunk_rows=self._chunk_rows)


@dataclass(frozen=True)
class _Maker:
    """Makes chunks on a worker, to which a synthesizer goes as its file."""

    file: bytes

    @cached_property
    def model(self) -> TableSynthesizer:
        with TemporaryDirectory() as folder:
            Path(folder, "model").write_bytes(self.file)
            return TableSynthesizer.load(Path(folder, "model"))

    def __call__(self, chunk: Chunk) -> pa.Table:
        return make_chunk(self.model, chunk)


def _run(
    job: _Sample,
    output: PathLike,
    engine: Engine,
    resume: bool,
    progress: bool | ProgressCallback,
) -> Streamed:
    done = run_job(job, output, engine, resume=resume, progress=progress)
    if done.complete:
        return Streamed(None, done.output, 0, 0, 0, 0)
    total = sum(chunk.rows for chunk in done.chunks)
    return Streamed(job.model, done.output, job.model.n_rows_, total, len(done.chunks), done.kept)


def _check_apart(source: PathLike | Sequence[PathLike], output: PathLike) -> None:
    """Refuse a folder that is read, where the next run would read what this one wrote."""
    if is_remote(os.fspath(output)):
        return
    target = Path(local_path(os.fspath(output)))
    for one in [source] if isinstance(source, (str, os.PathLike)) else source:
        folder = Path(one)
        if folder.is_dir() and folder.resolve() in (target.resolve(), *target.resolve().parents):
            raise ValueError(
                f"output {target} lies in {folder}, which is read. Name a folder elsewhere, or "
                f"read a pattern such as '{folder / '*.parquet'}'."
            )
