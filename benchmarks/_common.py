"""What the benchmarks share: data, peers, clocks, memory, and where results go."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import multiprocessing
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path(__file__).parent / "results"
#: File, target, and what a model does with the target.
SETS = {
    "adult": ("adult_income.csv.gz", "income", "class"),
    "bank": ("bank_marketing.csv.gz", "y", "class"),
    "covertype": ("covertype_10k.csv.gz", "Cover_Type", "class"),
    "credit_g": ("credit_g.csv", "default", "class"),
    "diamonds": ("diamonds.csv.gz", "price", "number"),
    "california": ("california_housing.csv.gz", "median_house_value", "number"),
    "wine": ("wine_quality.csv", "quality", "number"),
    "insurance": ("insurance.csv", "charges", "number"),
    "abalone": ("abalone.csv", "rings", "number"),
    "pima": ("pima_diabetes.csv", "outcome", "class"),
    "mammography": ("mammography.csv", "class", "class"),
    "protein": ("protein_casp.csv.gz", "RMSD", "number"),
    "titanic": ("titanic.csv", "survived", "class"),
}
#: Columns of names and numbers of things, which say who a row is about; nobody learns them.
_IDENTITY = {"titanic": ["name", "ticket", "cabin"]}
#: Kinds of column, as SDV names them, that copulas and quality scores treat as data.
_DATA_KINDS = {"numerical", "categorical", "boolean", "datetime", "ordinal"}


@dataclass(frozen=True)
class Dataset:
    """A table with a target; ``test`` only where its publisher split it."""

    name: str
    frame: pd.DataFrame
    target: str
    task: str
    test: pd.DataFrame | None = None

    @property
    def categories(self) -> list[str]:
        """Columns that hold names or 0 and 1, the target among them if it is a class."""
        return [
            name
            for name, values in self.frame.items()
            if values.dtype.kind not in "iuf"
            or set(values.unique()) <= {0, 1}
            or (name == self.target and self.task == "class")
        ]


def load(name: str, folder: Path) -> Dataset | None:
    """Read a data set; None, with the reason printed, where it is absent."""
    import pandas as pd

    file, target, task = SETS[name]
    if not (folder / file).exists():
        skip(f"{name}: {folder / file} is absent; name its folder with --data")
        return None
    frame, test = pd.read_csv(folder / file).drop(columns=_IDENTITY.get(name, [])), None
    if "split" in frame:
        test = frame[frame["split"] == "test"].drop(columns="split").reset_index(drop=True)
        frame = frame[frame["split"] == "train"].drop(columns="split").reset_index(drop=True)
    return Dataset(name, frame, target, task, test)


def skip(reason: str) -> None:
    """Say what is left out, and why, beside the table."""
    print(f"skipped: {reason}", file=sys.stderr)


def progress(what: str) -> None:
    """Say what is being done, beside the table."""
    print(what, file=sys.stderr, flush=True)


# peers


def has_sdv() -> bool:
    """Tell whether SDV 2 can be imported; say so where it cannot."""
    try:
        if int(importlib.metadata.version("sdv").split(".")[0]) >= 2:
            return True
        skip("SDV is older than 2.0, whose interface differs")
    except importlib.metadata.PackageNotFoundError:
        skip("SDV is not installed; pip install 'vicinal[bench]'")
    return False


def describe(frame: pd.DataFrame) -> Any:
    """Return SDV's own description of a table.

    As detected, but for columns taken for personal data (places, for instance), which SDV would
    replace by invented values: they count as numbers or categories, as they are stored.
    """
    from sdv.metadata import Metadata

    metadata = Metadata.detect_from_dataframes({"table": frame})
    for name, found in metadata.to_dict()["tables"]["table"]["columns"].items():
        if found["sdtype"] not in _DATA_KINDS:
            kind = "numerical" if frame[name].dtype.kind in "iuf" else "categorical"
            metadata.update_column(column_name=name, table_name="table", sdtype=kind)
    return metadata


class Copula:
    """SDV's GaussianCopulaSynthesizer with its defaults, behind ``fit`` and ``sample``."""

    def fit(self, frame: pd.DataFrame) -> Copula:
        """Learn a table."""
        from sdv.single_table import GaussianCopulaSynthesizer

        self._model = GaussianCopulaSynthesizer(describe(frame))
        self._model.fit({"table": frame})
        return self

    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""
        return self._model.sample(n_rows)["table"]


def quality(real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, float]:
    """Return SDMetrics' quality score and its two parts."""
    from sdmetrics.reports import QualityReport

    report = QualityReport()
    tables = {"table": real}, {"table": synthetic[list(real.columns)]}
    report.generate(*tables, describe(real).to_dict(), verbose=False)
    parts = report.get_properties().set_index("Property")["Score"]
    return {
        "quality": float(report.get_score()),
        "shapes": float(parts["Column Shapes"]),
        "pairs": float(parts["Column Pair Trends"]),
    }


def hush() -> None:
    """Keep the peers' advice out of the table."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


# clocks and memory


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def race(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the least seconds of each contender; all run in every round, so all see one load.

    Each timed run follows an untimed one of the same contender, so that none pays for what
    another left in the caches.
    """
    least = dict.fromkeys(contenders, float("inf"))
    for _ in range(rounds):
        for name, work in contenders.items():
            work()
            least[name] = min(least[name], seconds(work))
    return least


def in_fresh_process(work: Callable[..., Any], *values: Any) -> Any:
    """Return what a function of a module returns, called in a new Python process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(work, *values).result()


class Peak:
    """Highest resident memory of a block, in MB above what it began with."""

    megabytes = 0.0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch this process from another one, every millisecond, while a block runs."""
    import psutil

    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    watcher = context.Process(target=_watch, args=(os.getpid(), theirs), daemon=True)
    watcher.start()
    ours.recv()  # it is up
    peak, base = Peak(), psutil.Process().memory_info().rss
    ours.send("go")
    try:
        yield peak
    finally:
        ours.send("stop")
        peak.megabytes = (ours.recv() - base) / 1e6
        watcher.join()


def _watch(pid: int, line: Any) -> None:
    import psutil

    process, highest = psutil.Process(pid), 0
    line.send("up")
    line.recv()
    while not line.poll(0.001):
        highest = max(highest, process.memory_info().rss)
    line.send(max(highest, process.memory_info().rss))


# words


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine(*packages: str) -> str:
    """Return processor, cores, Python and versions of what is installed, in one line."""
    there = {d.name.lower(): d.version for d in importlib.metadata.distributions()}
    versions = [f"{name} {there[name]}" for name in packages if name in there]
    python = f"Python {platform.python_version()}"
    return f"{processor()}, {cores()} cores; " + ", ".join([python, *versions])


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table: names to the left, numbers to the right."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    lines = [list(header), rule, *(list(map(str, row)) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(name: str, text: str, kept: dict[str, Any] | None = None) -> None:
    """Write a table under ``benchmarks/results``, and as JSON what a later run goes on from."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    if kept is not None:
        (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def publish(name: str, text: str) -> None:
    """Print a table, and write it."""
    print(text)
    write(name, text)


def parser(doc: str, sets: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return a parser with what every table benchmark takes."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    if sets is not None:
        made.add_argument("--data", type=Path, default=Path("../shared/data"))
        made.add_argument("--sets", nargs="+", default=list(sets), choices=list(SETS))
    made.add_argument("--name", help="name of the files under benchmarks/results")
    return made
