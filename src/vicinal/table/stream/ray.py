"""Files in, a folder of files out, on many machines.

The same summaries, the same chunks and the same files as on one machine: Ray decides who makes
them, and that changes nothing. Parts of the source are looked at by Ray tasks and merged in the
order of the parts; the model is learned in this process, sent once to each worker, and chunks are
dealt out by Ray Data.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import parquet

from vicinal._checks import check_count
from vicinal._random import Seeds
from vicinal.io.remote import RemoteFolder, is_remote, local_path
from vicinal.jobs.ray import check_ray, cluster, map_ordered, spread
from vicinal.table.modelfile import plain_settings
from vicinal.table.stream.chunks import Chunk, check_drawable, make_chunk, plan_chunks
from vicinal.table.stream.fit import Summary, check_names, learn, plan_fit, summarize
from vicinal.table.stream.memory import check_disk, check_least, parse_memory, pool_size
from vicinal.table.stream.output import (
    MANIFEST,
    MODEL,
    Staging,
    check_output_folder,
    part_name,
    write_part,
)
from vicinal.table.stream.run import PathLike, Progress, Streamed, _disk_bytes, check_request
from vicinal.table.stream.source import Part, Source, find_source
from vicinal.table.synthesizer import TableSynthesizer

__all__ = ["stream_table_ray"]


def stream_table_ray(
    synthesizer: TableSynthesizer,
    source: Source | PathLike | Sequence[PathLike],
    output: PathLike,
    n_rows: int | None = None,
    *,
    memory: int | str | None = None,
    pool_rows: int | None = None,
    chunk_rows: int | None = None,
    resume: bool = False,
    address: str | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Turn files of any size into synthetic Parquet files, on a Ray cluster.

    The output has the same bytes as that of :func:`vicinal.table.stream.stream_table` with the
    same seed, whatever the number of workers and whichever of them are lost on the way. An
    interrupted run can be gone on with by either.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        Settings; it is fitted here.
    source : str, path, sequence of them or Source
        As for :func:`stream_table`. Workers read it by the same names.
    output : str or path
        Folder to make, on a disk that all workers see under the same name; or an address such as
        ``"s3://bucket/synthetic"`` that holds nothing yet.
    n_rows : int, optional
        Rows to draw; as many as were read where left out.
    memory : int or str, optional
        Bytes that each process may use, such as ``"2GB"``: this one while it learns, and each
        worker.
    pool_rows, chunk_rows : int, optional
        As for :func:`stream_table`.
    resume : bool, default False
        Go on with an interrupted run. Only where the output is a folder.
    address : str, optional
        Of a cluster: "auto", or ``"host:port"``. Left out, the one that ``RAY_ADDRESS`` names,
        and else one that is started on this machine, and ended afterwards.
    workers : int, optional
        Chunks in the making at once; as many as the cluster has cores where left out.
    progress : callable, optional
        Called with what is being done, rows done and rows in all.

    Returns
    -------
    Streamed
        What was done. Its ``output`` is the address where that is one.

    Raises
    ------
    ImportError
        If Ray is not installed.
    OSError
        If the cluster does not answer, a worker does not see the folder, the output is not empty
        or cannot be written, or the disk is full.
    ValueError
        As :func:`stream_table` does, or where ``resume`` goes with an address.

    Examples
    --------
    >>> stream_table_ray(
    ...     TableSynthesizer("off", random_state=7), "events/*.parquet", "synthetic", workers=2
    ... )  # doctest: +SKIP
    """
    check_ray()
    if workers is not None:
        check_count("workers", workers)
    asked_output = os.fspath(output)
    remote = RemoteFolder(asked_output) if is_remote(asked_output) else None
    target = Path(local_path(asked_output)) if remote is None else Path()
    if remote is not None:
        remote.check(resume)
        check_drawable(synthesizer)
    else:
        check_output_folder(target, resume)  # before files are opened
        check_request(synthesizer, source, target, n_rows, chunk_rows)
    limit = parse_memory(memory)
    found = source if isinstance(source, Source) else find_source(source)
    check_names(synthesizer, found.schema.names)
    # as the local engine asks, so that either can go on with what the other began
    asked = {
        "files": list(found.files),
        "bytes": list(found.sizes),
        "rows": n_rows,
        "pool_rows": pool_rows,
        "settings": plain_settings(synthesizer.get_params()),
    }
    run = _Run(synthesizer, found, limit, pool_rows, workers, progress)
    if remote is not None:
        with cluster(address, workers) as ray, tempfile.TemporaryDirectory() as folder:
            kept = Path(folder) / MODEL
            model = run.fit(ray)
            model.save(kept)
            chunks = plan_chunks(model, n_rows, chunk_rows=chunk_rows)
            run.draw(ray, kept, chunks, chunks, remote)
            remote.finish(asked, chunks, kept)
        total = sum(chunk.rows for chunk in chunks)
        where: Any = remote.address  # a Path would make one slash of two
        return Streamed(model, where, model.n_rows_, total, len(chunks), 0)
    with Staging(target, asked) as staging:
        staging.open(resume)
        if staging.complete:
            return Streamed(None, target, 0, 0, 0, 0)
        learned = staging.model()
        if learned is None and found.n_rows is not None:
            wanted = found.n_rows if n_rows is None else n_rows
            check_disk(target.resolve().parent, wanted * _disk_bytes(found))
        with cluster(address, workers) as ray:
            if learned is None:
                learned = run.fit(ray)
                staging.keep_model(learned)
            chunks = plan_chunks(learned, n_rows, chunk_rows=chunk_rows)
            left = staging.begin(chunks)
            folder_of = SharedFolder(str(staging.folder.absolute()))
            run.draw(ray, staging.folder / MODEL, chunks, left, folder_of)
        for lost in staging.folder.glob(".*.part"):  # of workers that are no more
            lost.unlink()
        staging.finish(chunks)
    total = sum(chunk.rows for chunk in chunks)
    return Streamed(learned, target, learned.n_rows_, total, len(chunks), len(chunks) - len(left))


class Place(Protocol):
    """Where workers put what they make."""

    def see(self) -> None:
        """Raise where it is not to be seen from here."""

    def put(self, number: int, make: Callable[[], pa.Table]) -> None:
        """Write a part, whole or not at all, where it is not there yet."""


@dataclasses.dataclass(frozen=True)
class SharedFolder:
    """A staging folder on a disk that all machines see.

    Attributes
    ----------
    path : str
        Absolute.
    """

    path: str

    def see(self) -> None:
        """Raise where this machine does not see it.

        Raises
        ------
        OSError
            Names the machine.
        """
        if not (Path(self.path) / MANIFEST).exists():
            raise OSError(
                f"Machine {socket.gethostname()} of the Ray cluster does not see the folder "
                f"{self.path}. Name a folder on a disk that all machines share, or an address "
                "such as s3://bucket/synthetic."
            )

    def put(self, number: int, make: Callable[[], pa.Table]) -> None:
        """Write a part, whole or not at all, where it is not there yet.

        Parameters
        ----------
        number : int
            Of the chunk.
        make : callable
            Returns its rows.
        """
        path = Path(self.path) / part_name(number)
        if path.exists():  # what is there under its own name is whole
            return
        # a worker that was given up for lost may be writing the same rows still
        own = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        write_part(make(), own)
        os.replace(own, path)

    def open(self, number: int) -> parquet.ParquetFile:
        """Open a part that is there."""
        return parquet.ParquetFile(Path(self.path) / part_name(number))


class _Run:
    """The two halves of the work: learn, and draw."""

    def __init__(
        self,
        synthesizer: TableSynthesizer,
        source: Source,
        limit: int | None,
        pool_rows: int | None,
        workers: int | None,
        progress: Progress | None,
    ) -> None:
        self.synthesizer, self.source = synthesizer, source
        self.workers, self.limit = workers, limit
        self.progress = progress or (lambda *_: None)
        if pool_rows is None:
            self.pool_rows = pool_size(synthesizer, source, limit)
        else:
            self.pool_rows = check_count("pool_rows", pool_rows, low=2)
        check_least(source, synthesizer, self.pool_rows, limit)

    def fit(self, ray: Any) -> TableSynthesizer:
        """Look at all parts on the cluster, and learn what was seen here."""
        seeds = Seeds(self.synthesizer.random_state)
        asked = plan_fit(self.source, seeds, self.pool_rows)
        parts = [_absolute(part) for part in self.source.parts]
        whole: Summary | None = None
        done = 0
        for summary in map_ordered(ray, summarize, parts, asked):
            done += summary.n_rows
            self.progress("Reading", done, self.source.n_rows or 0)
            if whole is None:
                whole = summary
            else:
                whole.merge(summary)
            del summary
        assert whole is not None  # noqa: S101 - a source has parts
        return learn(self.synthesizer, whole, seeds)

    def draw(
        self,
        ray: Any,
        model: Path,
        chunks: Sequence[Chunk],
        left: Sequence[Chunk],
        place: Place,
    ) -> None:
        """Have chunks made and written."""
        total = sum(chunk.rows for chunk in chunks)
        done = total - sum(chunk.rows for chunk in left)
        if not left:
            return
        held = ray.put(model.read_bytes())
        tasks = [json.dumps(chunk.as_dict()) for chunk in left]
        for rows in spread(ray, tasks, _builder, ([held], place), workers=self.workers):
            done += rows
            self.progress("Drawing", done, total)


def _absolute(part: Part) -> Part:
    """Return the part by a name that does not depend on where a process was started."""
    if "://" in part.path:
        return part
    return dataclasses.replace(part, path=os.path.abspath(part.path))


def _builder(held: list[Any], place: Place) -> Callable[[str], int]:
    """Return what makes chunks on a worker: the model is loaded once."""
    import ray

    place.see()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL
        path.write_bytes(ray.get(held[0]))
        model = TableSynthesizer.load(path)

    def work(task: str) -> int:
        said = json.loads(task)
        chunk = Chunk(**{**said, "seed": tuple(said["seed"])})
        place.put(chunk.number, lambda: make_chunk(model, chunk))
        return chunk.rows

    return work
