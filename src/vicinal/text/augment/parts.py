"""Labelled sentences in any number: in chunks, on this machine or on many.

A chunk depends on the texts, the settings, the seed and its number alone. It is made from a random
block of texts, in which partners are looked for; each pass over the blocks has every text once as a
left parent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_count
from vicinal._progress import ProgressCallback
from vicinal._random import AugmentKey, RandomState, Seeds
from vicinal._types import Array, Ints
from vicinal.jobs.chunks import Chunk, cut_chunks
from vicinal.jobs.job import Engine
from vicinal.jobs.places import Place
from vicinal.jobs.ray import RayCluster
from vicinal.jobs.run import check_engine, make_engine, run_job
from vicinal.jobs.staging import check_destination
from vicinal.page.result import Result
from vicinal.text.augment.augmented import said_of_worth
from vicinal.text.augment.augmenting import augment
from vicinal.text.augment.label_check import as_label_check
from vicinal.text.augment.packed import Packed
from vicinal.text.augment.pairs import distinct_texts
from vicinal.text.augment.rows import SPARE, RowConfig, wanted_rows
from vicinal.text.augment.selection import InverterLike, as_selection
from vicinal.text.encoder import check_texts
from vicinal.text.labels import as_labels

if TYPE_CHECKING:
    from vicinal.text.augment.augmented import Augmented

#: Rows of a chunk, and about as many texts of a block. As many as a sketch of distances takes for
#: reference.
CHUNK_ROWS = 4096
#: Under which a table keeps what is known of its making.
FACTS = b"vicinal.text"


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
        How many were written for these, and how many of them were dropped.
    closeness : float
        Mean cosine of a sentence's embedding and the mixed one; NaN of none.
    worth_keeping : float
        Share of the rows that is expected to be worth keeping unedited, as of
        :class:`vicinal.text.Augmented`; NaN if not known.
    worth_known_from : str
        What it is known from.
    parts, kept : int
        Files, and how many of them were there from an interrupted run.
    """

    output: str
    asked: int
    rows: int
    made: int
    rejected: int
    closeness: float
    worth_keeping: float
    worth_known_from: str
    parts: int
    kept: int

    def summary(self) -> str:
        """Return what was made, in a few lines."""
        spare = self.made - self.rows - self.rejected
        more = f", {spare:,} {SPARE}" if spare else ""
        return (
            f"{self.rows:,} sentences of {self.made:,} written; {self.rejected:,} dropped{more}.\n"
            f"{said_of_worth(self.worth_keeping, self.worth_known_from)}\n"
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

    The same seed gives the same rows with either engine, however many workers there are or are
    lost, on processors of one kind; figures that networks measure may differ in their last digits.
    The rows are others than those of :func:`vicinal.text.augment`, which pairs among all texts.

    Parameters
    ----------
    texts, labels : sequence
        Labelled texts, and their classes (str, int or bool).
    output : str or path
        Folder to make; for Ray on a disk that all workers see, or an address such as
        ``"s3://bucket/texts"``.
    n_samples : int
        Sentences to make, 1 or more.
    inverter : str, path, Inverter or TaskInverter
        "smol", "nano", a saved folder, a hub name, or an inverter, which is saved and sent to the
        workers.
    engine : {"local", "ray"} or RayCluster, default "local"
        Where chunks are made: one after the other in this process, or by workers on a Ray cluster,
        of which a :class:`vicinal.jobs.RayCluster` says more. With another number of cores or GPUs
        a worker, some sentences may be others.
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
    texts = check_texts(texts)
    given = as_labels(labels, len(texts))
    if settings["row_config"] is not None:  # a block may lack a class that there is
        wanted_rows(settings["row_config"], *np.unique(given, return_counts=True), n_samples)
    rows, _, _ = distinct_texts(texts, given)
    cluster = engine if isinstance(engine, RayCluster) else RayCluster()
    local, packed = engine == "local", Packed.of(inverter)
    if not local and packed.source is None and packed.files is None:
        raise TypeError(
            "inverter must be one that can be saved, to be sent to workers, got "
            f"{type(inverter).__name__}."
        )
    job = _Augmentation(
        texts=[texts[at] for at in rows],
        labels=given[rows],
        origin=rows,
        plan=TextPlan(len(rows), chunk_rows, tuple(Seeds(random_state).entropy)),
        settings=settings,
        packed=packed,
        device="cuda" if cluster.gpus else None,
        cores=None if local else cluster.cores,
        n_samples=n_samples,
        random_state=int(random_state) if isinstance(random_state, (int, np.integer)) else None,
    )
    done = run_job(job, output, make_engine(engine, workers), resume=resume, progress=progress)
    found = [_facts_of(done.place, chunk.number) for chunk in job.chunks()]
    total = _add_up(found, n_samples)
    n_rows = total["rows"] or float("nan")
    told = [one for one in found if one["rows"]]
    return AugmentedParts(
        str(done.output),
        n_samples,
        **total,
        closeness=sum(one["closeness"] for one in found) / n_rows,
        worth_keeping=sum(one["rows"] * one.get("worth", float("nan")) for one in told) / n_rows,
        worth_known_from=told[0].get("known_from", "") if told else "there are no rows",
        parts=len(found),
        kept=len(found) if done.complete else done.kept,
    )


def check_workers(engine: str | RayCluster, workers: int | None) -> None:
    """Raise where an engine cannot work, or workers are asked for where there is one process."""
    check_engine(engine, workers)
    if workers is not None and engine == "local":
        raise ValueError(
            f"workers={workers!r} is of a Ray cluster; add engine='ray' (--engine ray)."
        )


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of ``augment`` by name, checked as far as they can be without texts."""
    ours = {"texts", "labels", "inverter", "n_samples", "progress", "random_state"}
    found = signature(augment).bind([], [], **options)
    found.apply_defaults()
    settings = {name: value for name, value in found.arguments.items() if name not in ours}
    check, pairing = as_label_check(settings["label_check"]), settings["pairing"]
    if not isinstance(check.judge, str):
        raise ValueError(
            "judge must be 'all', 'both' or 'neighbors' where sentences are made in chunks, got "
            f"{check.judge!r}."
        )
    if pairing is not None and pairing.grouped:
        raise ValueError(
            f"pairing={type(pairing).__name__}(...) brings groups of its own, which are not cut "
            "into blocks. Use label_check='within-class', or a pairing without groups."
        )
    config = settings["row_config"]
    if config is not None and (config.counts or config.label_separator is not None):
        raise ValueError(
            "per_class, balance and label_separator look at all texts, and sentences are made in "
            "chunks here. Give n_samples, and only for some classes; several labels are mixed "
            "where one file is written."
        )
    if getattr(settings["selection"], "judge", None) is not None:
        raise ValueError(
            "A judge is not taken along where sentences are made in chunks. Leave judge out, or "
            "write one file."
        )
    return settings | {"label_check": check, "selection": as_selection(settings["selection"])}


def _facts_of(place: Place, number: int) -> dict[str, Any]:
    """Return what a part says of itself in its footer, and the sum of its closeness."""
    with place.open(number) as file:
        said = (file.schema_arrow.metadata or {}).get(FACTS, b"{}")
        sums = [
            pc.sum(batch.column(0)).as_py() or 0.0
            for batch in file.iter_batches(columns=["closeness"])
        ]
        return {"rows": file.metadata.num_rows, "closeness": sum(sums), **json.loads(said)}


def _add_up(found: Sequence[Mapping[str, Any]], asked: int) -> dict[str, int]:
    """Add up what parts say of themselves, and warn once of what several of them had to say."""
    total = {name: sum(one[name] for one in found) for name in ("rows", "made", "rejected")}
    kinds: dict[str, list[str]] = {}  # notes that are the same but for numbers and names
    for note in (note for one in found for note in one["notes"]):
        kinds.setdefault(re.sub(r"\d+|'[^']*'", "#", note), []).append(note)
    for same in kinds.values():
        more = f" (And so in {len(same) - 1} more parts.)" if len(same) > 1 else ""
        warnings.warn(same[0] + more, stacklevel=3)
    if total["rows"] < asked:
        warnings.warn(
            f"There are {total['rows']:,} rows, fewer than the {asked:,} asked for: "
            f"{total['rejected']:,} of {total['made']:,} sentences written were dropped, or no "
            "two different texts were paired. The label check 'relabel' drops none; with more "
            "candidates fewer are dropped.",
            stacklevel=3,
        )
    return total


@dataclass(frozen=True)
class TextPlan:
    """How texts are cut into blocks, and sentences into chunks."""

    n_texts: int  # distinct ones
    chunk_rows: int  # sentences of a chunk, about
    entropy: tuple[int, ...]  # root of the seeds

    @property
    def blocks(self) -> int:
        """Number of blocks in a pass."""
        return max(1, self.n_texts // self.chunk_rows)

    def rows_of(self, number: int) -> Ints:
        """Return the numbers of the texts of a chunk, in order."""
        if self.blocks == 1:
            return np.arange(self.n_texts)
        turn, block = divmod(number, self.blocks)
        rng = Seeds.from_entropy(self.entropy).generator(AugmentKey.BLOCKS, turn)
        return np.sort(np.array_split(rng.permutation(self.n_texts), self.blocks)[block])

    def chunks(self, n: int) -> list[Chunk]:
        """Return the chunks of ``n`` sentences, 1 or more."""
        parts = np.array_split(np.arange(self.n_texts), self.blocks)
        sizes = [self.chunk_rows] if self.blocks == 1 else [len(part) for part in parts]
        return cut_chunks(n, sizes, self.entropy, AugmentKey.CHUNKS)


def _plain(value: Any) -> Any:
    """Return a setting as a manifest holds it: without texts, and alike in every process."""
    if isinstance(value, (str, int, float, type(None))):
        return value
    if isinstance(value, RowConfig) and value.against:
        digest = hashlib.sha256(json.dumps(list(value.against)).encode()).hexdigest()
        value = replace(value, against=[digest])
    if "__repr__" not in {name for kind in type(value).__mro__[:-1] for name in vars(kind)}:
        return f"{type(value).__name__}({vars(value)!r})"
    return repr(value)


@dataclass(frozen=True)
class _Augmentation:
    """Makes labelled sentences, as a job; sent to workers, it makes them there."""

    texts: list[str]  # distinct
    labels: Array
    origin: Ints  # where they stand in the texts given
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
        return {
            "n_samples": self.n_samples,
            "texts": found.hexdigest(),
            "inverter": self.packed.digest,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
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
        return replace(self, packed=replace(self.packed, held=None)).make

    @cached_property
    def _inverter(self) -> Any:
        return self.packed.load(self.device)

    def make(self, chunk: Chunk) -> pa.Table:
        """Return the rows of a chunk: fewer where the label check drops too many."""
        # networks use cores threads for sentences side by side; all else has one, for its sums
        # depend on how many there are
        rows = self.plan.rows_of(chunk.number)
        texts, labels = [self.texts[at] for at in rows], self.labels[rows]
        seed = Seeds.from_entropy(chunk.seed).generator(AugmentKey.DRAWS)
        settings = {**self.settings, "inverter": self._inverter, "n_samples": chunk.rows}
        alone = np.unique(labels, return_counts=True)[1].max() < 2
        with warnings.catch_warnings(record=True) as told, _threads(self.cores):
            warnings.simplefilter("always", UserWarning)
            if alone and as_label_check(settings["label_check"]).method == "within-class":
                said = (
                    f"Among {len(rows)} texts of a block no class has two: nothing is made of them."
                )
                warnings.warn(said, stacklevel=1)
                settings |= {"label_check": "none", "n_samples": 0}
            rows_wanted = settings.get("row_config")
            if rows_wanted is not None and rows_wanted.only is not None:
                here = [one for one in rows_wanted.only if one in labels.tolist()]
                settings["row_config"] = replace(rows_wanted, only=here or None)
                settings["n_samples"] = settings["n_samples"] if here else 0
            made = augment(texts, labels, **settings, random_state=seed)
        # of ours: what a library says once in a process is said by whoever begins, not by the
        # chunk; and that there are too few rows is told of all parts together
        ours = f"{os.sep}vicinal{os.sep}"
        notes = [
            str(one.message) for one in told if one.category is UserWarning and ours in one.filename
        ]
        notes = [one for one in notes if not re.match("There are .* fewer than", one)]
        return _as_table(made, self.origin[rows], np.unique(self.labels), notes)


def _as_table(made: Augmented, origin: Ints, classes: Array, notes: list[str]) -> pa.Table:
    """Return rows as a table of the same columns in every chunk, a weight for each class."""
    columns = made.columns()
    names, zeros = classes.tolist(), [0.0] * len(made)
    weights = {name: columns.pop(name, zeros) for name in (f"weight_{one}" for one in names)}
    columns |= {"left": origin[made.left].tolist(), "right": origin[made.right].tolist()}
    columns = {name: columns.pop(name) for name in ("text", "label")} | weights | columns
    kinds = {"label": pa.array(names).type, "left": pa.int64(), "right": pa.int64()}
    kinds |= dict.fromkeys(("text", "left_text", "right_text", "check"), pa.string())
    schema = pa.schema([(name, kinds.get(name, pa.float64())) for name in columns])
    facts = {"made": made.n_written, "rejected": len(made.rejected), "notes": notes}
    if not np.isnan(made.worth_keeping):  # JSON has no NaN
        facts["worth"] = made.worth_keeping
    facts["known_from"] = made.worth_known_from
    return pa.table(columns, schema.with_metadata({FACTS: json.dumps(facts)}))


@contextlib.contextmanager
def _threads(cores: int | None) -> Iterator[None]:
    """Let networks use so many threads, and all else one, whatever the machine has."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    with threadpool_limits(1), contextlib.ExitStack() as after:
        if torch is not None:
            after.callback(torch.set_num_threads, before)
            torch.set_num_threads(cores or before)
        yield
