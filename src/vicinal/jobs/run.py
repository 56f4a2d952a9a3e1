"""How a job is run: learn, cut into chunks, have them made and written, finish."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vicinal._checks import check_choice, check_count
from vicinal._progress import ProgressCallback, reporting
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.job import Engine, Job
from vicinal.jobs.local import LocalEngine
from vicinal.jobs.places import Place
from vicinal.jobs.ray import RayCluster, RayEngine
from vicinal.jobs.staging import open_staging

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Finished:
    """What a run came to; no chunks where the output was complete before it."""

    output: Path | str
    place: Place
    chunks: list[Chunk]
    kept: int
    complete: bool


def parse_engine(engine: str, **of_ray: Any) -> str | RayCluster:
    """Return an engine by its name and what was given of a Ray cluster, None where nothing was."""
    given = {name: value for name, value in of_ray.items() if value is not None}
    if given and check_choice("engine", engine, ENGINES) != "ray":
        name, value = next(iter(given.items()))
        raise ValueError(f"{name}={value!r} is of a Ray cluster; add engine='ray' (--engine ray).")
    return RayCluster(**given) if given else engine


def check_engine(engine: str | RayCluster, workers: int | None = None) -> None:
    """Raise where an engine cannot work, before anything is made for it."""
    if workers is not None:
        check_count("workers", workers)
    if isinstance(engine, RayCluster):
        engine.check()
    elif check_choice("engine", engine, ENGINES) == "ray":
        RayCluster().check()


def make_engine(engine: str | RayCluster, workers: int | None = None) -> Engine:
    """Return what does a job."""
    if engine == "local":
        return LocalEngine(workers)
    return RayEngine(engine if isinstance(engine, RayCluster) else RayCluster(), workers)


def run_job(
    job: Job,
    output: str | os.PathLike[str],
    engine: Engine,
    *,
    resume: bool = False,
    progress: bool | ProgressCallback = False,
) -> Finished:
    """Do a job: the output appears whole or not at all, and an interrupted run can be resumed."""
    with open_staging(output, job.request, resume) as staging, reporting(progress) as tell:
        if staging.complete:
            return Finished(staging.output, staging.place, [], 0, complete=True)
        if job.bytes_needed and not staging.kept.exists():
            staging.check_room(job.bytes_needed)
        with engine:
            job.prepare(staging.kept, engine, tell)
            chunks = job.chunks()
            left = staging.begin(chunks)
            rows: dict[int, int] = {}
            done = sum(chunk.rows for chunk in chunks) - sum(chunk.rows for chunk in left)
            # closed at once where it is left by an error: nobody writes on behind our back
            with closing(engine.write(job, left, staging.place)) as written:
                for number, n in written:
                    rows[number] = n
                    done += chunks[number].rows
                    tell(job.stage, done, chunks[number].total)
        staging.finish(chunks, rows)
    return Finished(staging.output, staging.place, chunks, len(chunks) - len(left), complete=False)
