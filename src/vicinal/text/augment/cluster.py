"""Labelled sentences in any number: in chunks, on this machine or on many."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_count
from vicinal._random import RandomState, Seeds
from vicinal.table.stream.output import MODEL
from vicinal.text.augment.chunks import CHUNK_ROWS, FACTS, TextPlan, make_text_chunk
from vicinal.text.augment.engines import check_engine, check_target
from vicinal.text.augment.label_check import LabelCheck, as_label_check
from vicinal.text.augment.packed import Packed
from vicinal.text.augment.pairs import as_labels, gather_parents
from vicinal.text.augment.selection import SelectionConfig, as_selection

if TYPE_CHECKING:
    from vicinal.pairing import Pairing
    from vicinal.table.stream import Chunk
    from vicinal.weights import WeightLaw

__all__ = ["AugmentedParts", "augment_parts"]


@dataclass(frozen=True)
class AugmentedParts:
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
    inverter: Any,
    texts: Sequence[str],
    labels: Iterable[Any],
    n: int,
    output: str | os.PathLike[str],
    *,
    pairing: Pairing | None = None,
    weights: WeightLaw | None = None,
    label_check: LabelCheck | str = "filter",
    selection: SelectionConfig | int = 4,
    max_attempts: float | None = None,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
    cores: int | None = None,
    gpus: float = 0.0,
    chunk_rows: int = CHUNK_ROWS,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
    random_state: RandomState = None,
) -> AugmentedParts:
    """Make labelled sentences in any number, as a folder of Parquet files.

    The same seed gives the same rows with either engine, whatever the number of workers and
    whichever of them are lost on the way, on processors of one kind; figures that networks measure,
    such as the closeness, may differ in their last digits. The rows are others than those of
    :func:`vicinal.text.augment`, which pairs among all texts at once.

    Parameters
    ----------
    inverter : str, path, Inverter or TaskInverter
        "nano", a saved folder, a hub name, or an inverter, which is saved and sent to the workers.
    texts : sequence of str
        Labelled texts.
    labels : sequence of str, int or bool
        Their classes.
    n : int
        Sentences to make, 1 or more.
    output : str or path
        Folder to make; for Ray on a disk that all workers see, or an address such as
        ``"s3://bucket/texts"``.
    pairing, weights, label_check, selection, max_attempts : object
        As for :func:`vicinal.text.augment`. Pairings by groups of their own and judges that are
        classifiers are refused.
    engine : {"local", "ray"}, default "local"
        Where chunks are made: one after the other in this process, or by workers on a cluster.
    address : str, optional
        Of a Ray cluster; one of this machine where left out.
    workers : int, optional
        Of Ray; as many as there is room for where left out. Each loads the inverter once.
    cores : int, optional
        Threads of the networks of a worker, or of this process; where left out one of a worker, and
        as many as torch uses of this process. With others some sentences may be others.
    gpus : float, default 0.0
        GPUs of a worker, such as 0.25 for four workers to a GPU. Sentences differ from those
        of a CPU.
    chunk_rows : int, default 4096
        Sentences of a chunk, and texts of a block that partners are looked for in.
    resume : bool, default False
        Go on with an interrupted run.
    progress : callable, optional
        Called with sentences done and sentences in all.
    random_state : int, numpy.random.Generator or None
        Seed.

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
    >>> augment_parts("nano", texts, labels, 1_000_000, "out", engine="ray")  # doctest: +SKIP
    """
    from vicinal.table.stream.output import Staging
    from vicinal.table.stream.ray import SharedFolder

    check_count("n", n)
    check_count("chunk_rows", chunk_rows, low=2)
    if cores is not None:
        check_count("cores", cores)
    check, config = as_label_check(label_check), as_selection(selection)
    if not isinstance(check.judge, str):
        raise ValueError(
            "judge must be 'both' or 'neighbors' where sentences are made in chunks, got "
            f"{check.judge!r}."
        )
    check_engine(engine, address, workers, gpus)
    target, remote = check_target(output, resume)
    if pairing is not None and pairing.grouped:
        raise ValueError(
            f"pairing={type(pairing).__name__}(...) brings groups of its own, which are not cut "
            "into blocks. Use label_check='within-class', or a pairing without groups."
        )
    settings = {
        "pairing": pairing,
        "weights": weights,
        "label_check": check,
        "selection": config,
        "max_attempts": max_attempts,
    }
    given = as_labels(labels)
    texts, given, origin = _distinct(texts, given)
    seeds = Seeds(random_state)
    plan = TextPlan(len(texts), chunk_rows, tuple(seeds.entropy))
    packed = Packed.of(inverter)
    seed = int(random_state) if isinstance(random_state, (int, np.integer)) else None
    asked = {
        "rows": n,
        "texts": _digest_texts(texts, given),
        "inverter": packed.digest,
        "settings": {name: _said(value) for name, value in settings.items()},
        "random_state": seed,
        "chunk_rows": chunk_rows,
        "device": "cuda" if gpus else "as loaded",
    }
    run = _Run(packed, texts, given, origin, plan, settings, engine, address, workers, cores, gpus)
    chunks = plan.chunks(n)
    if remote is not None:
        found = run.make(chunks, chunks, remote, progress)
        with tempfile.TemporaryDirectory() as folder:
            facts = Path(folder) / MODEL
            facts.write_text(packed.digest)
            rows_of = {one["number"]: one["rows"] for one in found}
            remote.finish(asked, chunks, facts, [rows_of[chunk.number] for chunk in chunks])
        return _result(remote.address, n, found, len(chunks), 0)
    with Staging(target, asked) as staging:
        staging.open(resume)
        if not staging.complete:
            with _nothing_left(staging.folder):
                (staging.folder / MODEL).write_text(packed.digest)
                left = staging.begin(chunks)
                run.make(chunks, left, SharedFolder(str(staging.folder.absolute())), progress)
            for lost in staging.folder.glob(".*.part"):  # of workers that are no more
                lost.unlink()
            staging.finish(chunks)
            kept = len(chunks) - len(left)
        else:
            kept = len(chunks)
    there = SharedFolder(str(target))
    found = [_facts_of(there, chunk.number) for chunk in chunks]
    return _result(str(target), n, found, len(chunks), kept)


@contextmanager
def _nothing_left(staging: Path) -> Iterator[None]:
    """Leave nothing to go on with where nothing was made."""
    try:
        yield
    except BaseException:
        if not any(staging.glob("part-*.parquet")):
            (staging / MODEL).unlink(missing_ok=True)
        raise


def _result(
    output: str, asked: int, found: Sequence[Mapping[str, Any]], parts: int, kept: int
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
    return AugmentedParts(output, asked, **total, closeness=mean, parts=parts, kept=kept)


def _facts_of(place: Any, number: int) -> dict[str, Any]:
    """Return what a part says of itself in its footer."""
    with place.open(number) as file:
        said = (file.schema_arrow.metadata or {}).get(FACTS, b"{}")
        sums = [
            pc.sum(batch.column(0)).as_py() or 0.0
            for batch in file.iter_batches(columns=["closeness"])
        ]
        rows = file.metadata.num_rows
        return {"number": number, "rows": rows, "closeness": sum(sums), **json.loads(said)}


def _distinct(
    texts: Sequence[str], labels: npt.NDArray[Any]
) -> tuple[list[str], npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the texts that may be parents, their labels, and where they stand in the texts."""

    class Unread:  # what is told apart here is embedded by those who make chunks
        encoder = SimpleNamespace(max_tokens=1 << 30)

        def encode(self, texts: Sequence[str]) -> Any:
            return np.zeros((len(texts), 1), np.float32)

        def candidates(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        def log_likelihood(self, *_: Any) -> Any:
            raise NotImplementedError

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* single word")  # said by those who make chunks
        found = gather_parents(Unread(), texts, labels)
    return [texts[at] for at in found.rows], labels[found.rows], found.rows


def _said(value: Any) -> Any:
    return value if value is None or isinstance(value, (str, int, float)) else repr(value)


def _digest_texts(texts: Sequence[str], labels: npt.NDArray[Any]) -> str:
    found = hashlib.sha256()
    for text, label in zip(texts, labels.tolist(), strict=True):
        found.update(json.dumps([text, label]).encode())
    return found.hexdigest()


@dataclass(frozen=True)
class _Run:
    """Makes chunks, here or elsewhere."""

    packed: Packed
    texts: list[str]
    labels: npt.NDArray[Any]
    origin: npt.NDArray[np.int64]
    plan: TextPlan
    settings: dict[str, Any]
    engine: str
    address: str | None
    workers: int | None
    cores: int | None
    gpus: float

    def make(
        self,
        chunks: Sequence[Chunk],
        left: Sequence[Chunk],
        place: Any,
        progress: Callable[[int, int], None] | None,
    ) -> list[dict[str, Any]]:
        """Have chunks made and written; return what each says of itself."""
        if not left:
            return []
        total = sum(chunk.rows for chunk in chunks)
        rows_of = {chunk.number: chunk.rows for chunk in left}
        done = total - sum(rows_of.values())
        found = []
        for facts in self._results([json.dumps(asdict(chunk)) for chunk in left], place):
            found.append(facts)
            done += rows_of[facts["number"]]
            if progress is not None:
                progress(done, total)
        return found

    def _results(self, tasks: list[str], place: Any) -> Iterator[dict[str, Any]]:
        rows = pa.table({"text": self.texts, "label": self.labels, "origin": self.origin})
        shared = self.plan, self.settings, place
        if self.engine == "local":
            inverter = self.packed.held
            if inverter is None:
                inverter = self.packed.load(None)
            yield from map(_maker(inverter, rows, *shared, self.cores), tasks)
            return
        cores = self.cores or 1
        from vicinal.jobs.ray import cluster, spread

        if self.packed.held is not None and self.packed.files is None:
            raise TypeError(
                f"inverter must be one that can be saved, to be sent to workers, got "
                f"{type(self.packed.held).__name__}."
            )
        own = None if self.workers is None else self.workers * cores
        with cluster(self.address, own) as ray:
            held = [ray.put(self.packed.to_send()), ray.put(rows)]
            yield from spread(
                ray,
                tasks,
                _builder,
                (held, "cuda" if self.gpus else None, *shared, cores),
                workers=self.workers,
                cpus=cores,
                gpus=self.gpus,
            )


def _builder(held: list[Any], device: str | None, *shared: Any) -> Callable[[str], Any]:
    """Return what makes chunks on a worker: the inverter is loaded once."""
    import ray

    packed, rows = (ray.get(one) for one in held)
    shared[2].see()
    return _maker(packed.load(device), rows, *shared)


def _maker(
    inverter: Any,
    rows: pa.Table,
    plan: TextPlan,
    settings: Mapping[str, Any],
    place: Any,
    cores: int | None,
) -> Callable[[str], dict[str, Any]]:
    """Return what makes and writes a chunk, here or on a worker."""
    from vicinal.table.stream import Chunk

    texts, labels = rows["text"].to_pylist(), rows["label"].to_numpy()
    if labels.dtype.kind not in "iub":
        labels = as_labels(labels)
    origin = rows["origin"].to_numpy()

    def work(task: str) -> dict[str, Any]:
        said = json.loads(task)
        chunk = Chunk(**{**said, "seed": tuple(said["seed"])})

        def make() -> pa.Table:
            made = make_text_chunk(inverter, texts, labels, plan, chunk, settings, cores=cores)
            for at, name in enumerate(made.column_names):
                if name in ("left", "right"):
                    given = pa.array(origin[made[name].to_numpy()], pa.int64())
                    made = made.set_column(at, name, given)
            return made

        place.put(chunk.number, make)
        return _facts_of(place, chunk.number)  # which a worker that was lost may have written

    return work
