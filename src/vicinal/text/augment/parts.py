"""Labelled sentences in any number: in chunks, on this machine or on many."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_count, did_you_mean
from vicinal._progress import ProgressCallback
from vicinal._random import RandomState, Seeds
from vicinal.jobs.chunks import Chunk
from vicinal.jobs.job import Engine
from vicinal.jobs.places import Place
from vicinal.jobs.ray import RayCluster
from vicinal.jobs.run import check_engine, make_engine, run_job
from vicinal.jobs.staging import check_destination
from vicinal.page.result import Result
from vicinal.text.augment.augmenting import augment
from vicinal.text.augment.chunks import CHUNK_ROWS, FACTS, TextPlan, make_text_chunk
from vicinal.text.augment.label_check import as_label_check
from vicinal.text.augment.packed import Packed
from vicinal.text.augment.pairs import as_labels, distinct_texts
from vicinal.text.augment.selection import InverterLike, as_selection

__all__ = ["AugmentedParts", "augment_parts", "check_workers"]


@dataclass(frozen=True)
class AugmentedParts(Result):
    """What a run in parts came to.

    Attributes
    ----------
    output : str
        The folder or address; read it as one table.
    asked, rows : int
        Sentences asked for, and those that are there.
    made, rejected : int
        How many were written for these, and how many of them the label check dropped.
    closeness : float
        Mean cosine of a sentence's embedding and the mixed one; NaN of none.
    parts, kept : int
        Files, and how many of them were there from an interrupted run.
    """

    output: str
    asked: int
    rows: int
    made: int
    rejected: int
    closeness: float
    parts: int
    kept: int

    def summary(self) -> str:
        """Return what was made, in a few lines."""
        spare = self.made - self.rows - self.rejected
        more = f", {spare:,} more than asked for" if spare else ""
        return (
            f"{self.rows:,} sentences of {self.made:,} written; {self.rejected:,} did not pass the "
            f"label check{more}.\n"
            f"Closeness to the mixed embedding: mean {self.closeness:.3f}."
        )


def augment_parts(
    texts: Sequence[str],
    labels: Iterable[Any],
    output: str | PathLike[str],
    n_samples: int,
    *,
    inverter: InverterLike | str | PathLike[str],
    engine: str | RayCluster = "local",
    workers: int | None = None,
    chunk_rows: int = CHUNK_ROWS,
    resume: bool = False,
    progress: bool | ProgressCallback = False,
    random_state: RandomState = None,
    **options: Any,
) -> AugmentedParts:
    """Make labelled sentences in any number, as a folder of Parquet files.

    The same seed gives the same rows with either engine, whatever the number of workers and
    whichever of them are lost on the way, on processors of one kind; figures that networks measure,
    such as the closeness, may differ in their last digits. The rows are others than those of
    :func:`vicinal.text.augment`, which pairs among all texts at once.

    Parameters
    ----------
    texts : sequence of str
        Labelled texts.
    labels : sequence of str, int or bool
        Their classes.
    output : str or path
        Folder to make; for Ray on a disk that all workers see, or an address such as
        ``"s3://bucket/texts"``.
    n_samples : int
        Sentences to make, 1 or more.
    inverter : str, path, Inverter or TaskInverter
        "nano", a saved folder, a hub name, or an inverter, which is saved and sent to the workers.
    engine : {"local", "ray"} or RayCluster, default "local"
        Where chunks are made: one after the other in this process, or by workers on a Ray cluster.
        A :class:`vicinal.jobs.RayCluster` says which, and how many cores and GPUs a worker has;
        with another number of cores, or GPUs, some sentences may be others.
    workers : int, optional
        Of Ray; as many as there is room for where left out. Each loads the inverter once.
    chunk_rows : int, default 4096
        Sentences of a chunk, and texts of a block that partners are looked for in.
    resume : bool, default False
        Go on with an interrupted run.
    progress : bool or callable, default False
        Whether to show a bar, or what to call with stage, sentences done and sentences in all.
    random_state : int, numpy.random.Generator or None
        Seed.
    **options : object
        As for :func:`vicinal.text.augment`. Pairings by groups of their own and judges that are
        classifiers are refused.

    Returns
    -------
    AugmentedParts
        What was done.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not what it should be, or an interrupted run was asked for otherwise.
    OSError
        If the output is not empty or cannot be written, or the cluster does not answer.
    ImportError
        If Ray is not installed, and asked for.

    Warns
    -----
    UserWarning
        As :func:`vicinal.text.augment`, once for all chunks.

    Examples
    --------
    >>> augment_parts(
    ...     texts, labels, "out", 1_000_000, inverter="nano", engine="ray"
    ... )  # doctest: +SKIP
    """
    check_count("n_samples", n_samples)
    check_count("chunk_rows", chunk_rows, low=2)
    check_workers(engine, workers)
    check_destination(output, resume)
    settings = _settings(options)
    listed, rows, _, _ = distinct_texts(texts, labels)
    seed = int(random_state) if isinstance(random_state, (int, np.integer)) else None
    cluster = engine if isinstance(engine, RayCluster) else RayCluster()
    local = engine == "local"
    job = _Augmentation(
        texts=[listed[at] for at in rows],
        labels=as_labels(labels)[rows],
        origin=rows,
        plan=TextPlan(len(rows), chunk_rows, tuple(Seeds(random_state).entropy)),
        settings=settings,
        packed=Packed.of(inverter),
        device="cuda" if cluster.gpus else None,
        cores=None if local else cluster.cores,
        n_samples=n_samples,
        random_state=seed,
    )
    if not local:
        job.packed.check_sendable()
    done = run_job(job, output, make_engine(engine, workers), resume=resume, progress=progress)
    numbers = [chunk.number for chunk in job.chunks()]
    found = [_facts_of(done.place, number) for number in numbers]
    kept = len(numbers) if done.complete else done.kept
    return _result(str(done.output), n_samples, found, kept)


def check_workers(engine: str | RayCluster, workers: int | None) -> None:
    """Raise where an engine cannot work, or workers are asked for where there is one process."""
    check_engine(engine, workers)
    if workers is not None and engine == "local":
        raise ValueError(
            f"workers={workers!r} is of a Ray cluster; add engine='ray' (--engine ray)."
        )


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of ``augment`` by name, checked as far as they can be without texts."""
    ours = {"inverter", "n_samples", "progress", "random_state"}
    parameters = signature(augment).parameters.values()
    known = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    known = {name: value for name, value in known.items() if name not in ours}
    for name in options:
        if name not in known:
            raise TypeError(
                f"augment_parts has no option {name!r}.{did_you_mean(name, known)} Known: "
                f"{', '.join(known)}."
            )
    settings = {**known, **options}
    check = as_label_check(settings["label_check"])
    if not isinstance(check.judge, str):
        raise ValueError(
            "judge must be 'both' or 'neighbors' where sentences are made in chunks, got "
            f"{check.judge!r}."
        )
    settings |= {"label_check": check, "selection": as_selection(settings["selection"])}
    pairing = settings["pairing"]
    if pairing is not None and pairing.grouped:
        raise ValueError(
            f"pairing={type(pairing).__name__}(...) brings groups of its own, which are not cut "
            "into blocks. Use label_check='within-class', or a pairing without groups."
        )
    return settings


@dataclass(frozen=True)
class _Augmentation:
    """Makes labelled sentences, as a job; sent to workers, it makes them there."""

    texts: list[str]  # distinct
    labels: npt.NDArray[Any]
    origin: npt.NDArray[np.int64]  # where they stand in the texts given
    plan: TextPlan
    settings: dict[str, Any]
    packed: Packed
    device: str | None
    cores: int | None
    n_samples: int
    random_state: int | None

    stage = "Writing"
    bytes_needed = 0.0

    @property
    def request(self) -> dict[str, Any]:
        found = hashlib.sha256()
        for text, label in zip(self.texts, self.labels.tolist(), strict=True):
            found.update(json.dumps([text, label]).encode())
        plain = (str, int, float, type(None))
        return {
            "n_samples": self.n_samples,
            "texts": found.hexdigest(),
            "inverter": self.packed.digest,
            "settings": {
                name: value if isinstance(value, plain) else repr(value)
                for name, value in self.settings.items()
            },
            "random_state": self.random_state,
            "chunk_rows": self.plan.chunk_rows,
            "device": self.device or "as loaded",
        }

    def prepare(self, kept: Path, engine: Engine, tell: ProgressCallback) -> None:
        """Do nothing: there is nothing to learn."""

    def chunks(self) -> list[Chunk]:
        return self.plan.chunks(self.n_samples)

    def at_once(self, most: int) -> int:
        return 1  # the networks use all cores

    def maker(self) -> Callable[[Chunk], pa.Table]:
        return replace(self, packed=self.packed.to_send()).make

    @cached_property
    def _inverter(self) -> Any:
        return self.packed.load(self.device) if self.packed.held is None else self.packed.held

    def make(self, chunk: Chunk) -> pa.Table:
        """Return the rows of a chunk; parents are told by where they stand in the texts given."""
        made = make_text_chunk(
            self._inverter,
            self.texts,
            self.labels,
            self.plan,
            chunk,
            self.settings,
            cores=self.cores,
        )
        for name in ("left", "right"):
            given = pa.array(self.origin[made[name].to_numpy()], pa.int64())
            made = made.set_column(made.column_names.index(name), name, given)
        return made


def _facts_of(place: Place, number: int) -> dict[str, Any]:
    """Return what a part says of itself in its footer, and the sum of its closeness."""
    with place.open(number) as file:
        said = (file.schema_arrow.metadata or {}).get(FACTS, b"{}")
        sums = [
            pc.sum(batch.column(0)).as_py() or 0.0
            for batch in file.iter_batches(columns=["closeness"])
        ]
        return {"rows": file.metadata.num_rows, "closeness": sum(sums), **json.loads(said)}


def _result(
    output: str, asked: int, found: Sequence[Mapping[str, Any]], kept: int
) -> AugmentedParts:
    """Add up the parts, and say once what each of them had to say."""
    total = {name: sum(one[name] for one in found) for name in ("rows", "made", "rejected")}
    first: dict[str, str] = {}
    tally: Counter[str] = Counter()
    for one in found:
        for note in one["notes"]:
            if note.startswith("There are ") and "fewer than" in note:
                continue  # told for all parts together
            kind = re.sub(r"\d+|'[^']*'", "#", note)
            first.setdefault(kind, note)
            tally[kind] += 1
    for kind, note in first.items():
        more = f" (And so in {tally[kind] - 1} more parts.)" if tally[kind] > 1 else ""
        warnings.warn(note + more, UserWarning, stacklevel=3)
    if total["rows"] < asked:
        warnings.warn(
            f"There are {total['rows']:,} rows, fewer than the {asked:,} asked for: the label "
            f"check dropped {total['rejected']:,} of {total['made']:,} sentences written, or no "
            "two different texts were paired. The label check 'relabel' drops none; with more "
            "candidates fewer are dropped.",
            UserWarning,
            stacklevel=3,
        )
    closeness = sum(one["closeness"] for one in found)
    mean = closeness / total["rows"] if total["rows"] else float("nan")
    return AugmentedParts(output, asked, **total, closeness=mean, parts=len(found), kept=kept)
