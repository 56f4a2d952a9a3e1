"""A table in the studio: what was chosen for it, and what each privacy setting comes to."""

from __future__ import annotations

import gzip
import io
import itertools
import shlex
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PureWindowsPath
from typing import Any

import numpy as np
import pyarrow as pa

from vicinal._checks import first_line
from vicinal.io import dialect_of, read_table
from vicinal.io.text_writing import write_text
from vicinal.report import Report, audit
from vicinal.studio.worker import Worker
from vicinal.table import PRIVACY, Schema, TableSynthesizer, infer_schema
from vicinal.table.panel.find import find_panel

#: Bytes of an upload, packed or not, at most.
BOUND = 256 << 20
#: Rows, and cells, on which settings are tried, at most; and rows at least.
MOST_ROWS, MOST_CELLS, LEAST_ROWS = 5_000, 200_000, 200
#: Settings in the order in which they are tried: the default one first.
ORDER = ("balanced", "high", "max", "off")
#: Seed of all that is drawn, which the command line repeats.
SEED = 0


_numbers = itertools.count(1)


class StoppedError(Exception):
    """What was worked at is not wanted any more."""


@dataclass(frozen=True)
class Source:
    """A table, and the rows of it on which settings are tried."""

    name: str  # as the command line says it
    table: pa.Table
    sample: pa.Table

    @property
    def stem(self) -> str:
        """The name of the file without folders and suffixes."""
        return plain_name(self.name).split(".")[0] or "table"


def plain_name(name: str) -> str:
    """Return the last part of a name, which may be a path of any system."""
    return PureWindowsPath(name).name or "table.csv"


def unpacked(name: str, data: bytes, bound: int = BOUND) -> tuple[str, bytes]:
    """Return a file without its gzip, which may hide any size."""
    if not name.lower().endswith(".gz"):
        return name, data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            data = packed.read(bound + 1)
    except (OSError, EOFError) as error:
        raise ValueError(f"{name} is cut short or is no gzip file ({error}).") from None
    if len(data) > bound:
        raise ValueError(too_large(name, bound))
    return name[:-3], data


def too_large(name: str, bound: int = BOUND) -> str:
    """Return what to say of a file beyond the bound."""
    return (
        f"{name} is larger than the {bound >> 20} MB that the studio takes. The command line "
        f"has no such bound: vicinal table {shlex.quote(name)} -o synthetic.csv"
    )


def read_source(name: str, data: bytes | None = None) -> Source:
    """Read a table of this machine, or one that was sent."""
    if data is None:
        table = read_table(name)
    else:
        name = plain_name(name)
        inner, data = unpacked(name, data)
        table = read_table(inner, held=data)
    rows = min(MOST_ROWS, max(LEAST_ROWS, MOST_CELLS // table.num_columns))
    sample = table
    if table.num_rows > rows:
        places = np.random.default_rng(SEED).permutation(table.num_rows)[:rows]
        sample = table.take(np.sort(places))
    return Source(name, table, sample)


@dataclass(frozen=True)
class Choices:
    """What a person said of a table."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    off: frozenset[str] = frozenset()  # rules that are not kept
    target: str | None = None


@dataclass
class Made:
    """A whole synthetic table on its way to a file."""

    stage: str = "Waiting for other work"
    error: str = ""
    data: bytes | None = None

    @property
    def size(self) -> str:
        """How large the file is, once it is there."""
        if self.data is None:
            return ""
        return f"{max(len(self.data) / 2**20, 0.1):,.1f} MB"


class Trial:
    """A table under some choices. Others make another trial, and this one is stopped."""

    def __init__(self, source: Source, choices: Choices, before: Trial | None = None) -> None:
        self.source, self.choices = source, choices
        self.number = next(_numbers)  # a later trial has a larger one
        self.schema: Schema | None = None
        self.found: dict[str, str] = {}  # rules, whether they are kept or not
        self.panel = ""
        if before is not None:
            self.schema, self.found, self.panel = before.schema, before.found, before.panel
        self.looked: bool = False
        self._known = before is not None and before.looked and before.choices.kinds == choices.kinds
        self.stopped = False
        self.error = ""
        self.stage = "Waiting for other work"
        self.reports: dict[str, Report] = {}
        self.errors: dict[str, str] = {}
        self.made: dict[str, Made] = {}

    @property
    def version(self) -> str:
        """What changes as soon as there is more to show."""
        done = len(self.reports) + len(self.errors)
        return (
            f"{self.number}-{self.looked}-{bool(self.error)}-{done}-{self.stage.replace(' ', '_')}"
        )

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come by itself."""
        return bool(self.error) or len(self.reports) + len(self.errors) == len(PRIVACY)

    def start(self, worker: Worker) -> None:
        """Look at the columns, then try the settings one after the other."""
        worker.submit(self._look)
        for privacy in ORDER:
            worker.submit(partial(self._try, privacy), ahead=True)

    def make(self, worker: Worker, privacy: str) -> Made:
        """Have the whole table made, once."""
        made = self.made.get(privacy)
        if made is None or made.error:
            made = self.made[privacy] = Made()
            worker.submit(lambda: self._make(privacy, made))
        return made

    def _check(self, *_: Any) -> None:
        """End the work at a trial that is not wanted any more; also a progress callback."""
        if self.stopped:
            raise StoppedError

    def _look(self) -> None:
        if self.stopped:
            return
        self.stage = "Looking at every column"
        try:
            if not self._known:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)  # the schema has its notes
                    self.schema = infer_schema(self.source.table, self.choices.kinds)
                    panel = find_panel(self.schema.read(self.source.sample))
                self.found = dict(self.schema.rules or {})
                self.panel = "" if panel is None else panel.advice
            self.looked = True
        except Exception as error:
            self.error = str(error) or first_line(error)

    @property
    def off(self) -> frozenset[str]:
        """Rules that were found and are switched off."""
        return self.choices.off & self.found.keys()

    def kept_schema(self) -> Schema | None:
        """Return the schema without the rules that are switched off; None where all are kept."""
        if not self.off or self.schema is None:
            return None
        kept = {text: why for text, why in self.found.items() if text not in self.off}
        return replace(self.schema, rules=kept)

    def synthesizer(self, privacy: str) -> TableSynthesizer:
        """Return what the command line would make."""
        return TableSynthesizer(
            privacy,
            kinds=dict(self.choices.kinds) or None,
            schema=self.kept_schema(),
            target=self.choices.target,
            identifiers="replace",
            text="drop",
            random_state=SEED,
        )

    def command(self, privacy: str) -> str:
        """Return the command line that makes the same table."""
        output = f"{self.source.stem}-{privacy}.csv"
        parts = ["vicinal", "table", self.source.name, "-o", output, "--privacy", privacy]
        if self.choices.target is not None:
            parts += ["--target", self.choices.target]
        if self.off:
            parts += ["--schema", "schema.json"]
        for name, kind in self.choices.kinds.items():
            parts += ["--column", f"{name}={kind}"]
        return shlex.join([*parts, "--seed", str(SEED)])

    def _try(self, privacy: str) -> None:
        if self.stopped or self.error:
            return
        self.stage = f"Trying {privacy}"
        sample = self.source.sample
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                model = self.synthesizer(privacy).fit(sample, progress=self._check)
                self._check()
                self.reports[privacy] = audit(model, sample, random_state=SEED)
        except StoppedError:
            return
        except Exception as error:
            self.errors[privacy] = str(error) or first_line(error)

    def _make(self, privacy: str, made: Made) -> None:
        table = self.source.table

        def tell(stage: str, done: int, total: int, /) -> None:
            self._check()
            share = f", {done / total:.0%}" if total else ""
            made.stage = f"{stage.capitalize()} ({table.num_rows:,} rows{share})"

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                tell("learning", 0, 0)
                model = self.synthesizer(privacy).fit(table, progress=tell)
                synthetic = model.sample(progress=tell)
            sink = io.BytesIO()
            write_text(synthetic, sink, "csv", dialect_of(table))
            made.data = sink.getvalue()
        except StoppedError:
            return
        except Exception as error:
            made.error = str(error) or first_line(error)


@dataclass
class TableTab:
    """What a tab of the browser has on its table."""

    trial: Trial | None = None
    error: str = ""

    def choose(self, worker: Worker, **changes: Any) -> Trial:
        """Go on with other choices."""
        assert self.trial is not None  # noqa: S101
        before = self.trial
        return self._begin(worker, Trial(before.source, replace(before.choices, **changes), before))

    def open(self, worker: Worker, source: Source) -> Trial:
        """Go on with another table."""
        return self._begin(worker, Trial(source, Choices()))

    def _begin(self, worker: Worker, trial: Trial) -> Trial:
        self.stop()
        self.trial, self.error = trial, ""
        trial.start(worker)
        return trial

    def stop(self) -> None:
        """End all work at the table."""
        if self.trial is not None:
            self.trial.stopped = True
