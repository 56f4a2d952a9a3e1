"""Tables nobody thought of, with options nobody would give.

Whatever is asked: a whole, readable output, or one clear line and nothing written.

    python tests/cli/test_fuzz.py --minutes 20 [--first SEED]

goes on for longer than the suite has time for, and prints what it finds.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import importlib
import io
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from vicinal import cli
from vicinal.io import read_table, write_table
from vicinal.table import TableSynthesizer

app = importlib.import_module("vicinal.cli.app")  # the module, which its program hides
#: Seeds that the suite tries, and the seconds that one may take.
#: The last ones once ended in words of NumPy's: numbers near the ends of what floats hold.
SEEDS = (*range(22), 271, 437, 517)
LIMIT = 60
SUFFIXES = ("csv", "csv.gz", "tsv", "parquet", "feather", "jsonl")
NAMES = ("a", "b", "age", "id", "when", "total", "x y", "é", "a,b", 'q"', "a\nb", "a=b", "", "=1",
         "lat", "lon", "zip", "vicinal:row", "n" * 90, "<b>", " pad ", "-o", "a->b")  # fmt: skip
DAY = dt.date(2024, 1, 31)


def _numbers(draw: random.Random, rows: int) -> pa.Array:
    kind = draw.choice([pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.int32()])
    if pa.types.is_floating(kind):
        size = draw.choice([1.0, 1e-300, 1e300, 1e6])
        values = [draw.gauss(0, 1) * size for _ in range(rows)]
        values = [min(max(one, -3e38), 3e38) for one in values] if kind == pa.float32() else values
        if draw.random() < 0.15:
            values[draw.randrange(rows)] = draw.choice([float("inf"), float("nan"), -0.0])
        return pa.array(values, kind)
    low, high = (0, 2**63) if kind == pa.uint64() else (-(2 ** (kind.bit_width - 1)), 0)
    span = draw.choice([1, 2, 5, 100, high - low + 2 ** (kind.bit_width - 1) - 1])
    base = draw.choice([0, 0, low, 2 ** (kind.bit_width - 1) - 1 - span])
    base = max(low, min(base, 2 ** (kind.bit_width - 1) - 1 - span))
    return pa.array([base + draw.randrange(span + 1) for _ in range(rows)], kind)


def _times(draw: random.Random, rows: int) -> pa.Array:
    unit = draw.choice(["s", "ms", "us", "ns"])
    kind = draw.choice([
        pa.timestamp(unit), pa.timestamp(unit, "UTC"), pa.timestamp(unit, "America/New_York"),
        pa.duration(unit), pa.date32(), pa.time64("us"), pa.time32("s"), pa.date64(),
    ])  # fmt: skip
    if pa.types.is_time(kind):
        high = 86_399 if kind == pa.time32("s") else 86_399_999_999
        return pa.array([draw.randrange(high) for _ in range(rows)], kind)
    wide = 31 if pa.types.is_date32(kind) else 62
    span = draw.choice([10, 1000, 10**6, 2**20 if pa.types.is_date32(kind) else 2**40])
    base = draw.choice([0, 0, 0, 19_000, 2**wide - 1 - span if draw.random() < 0.2 else 0])
    step = 86_400_000 if pa.types.is_date64(kind) else 1
    span, base = (min(span, 10**4), base % 10**5) if step > 1 else (span, base)
    return pa.array([(base + draw.randrange(span + 1)) * step for _ in range(rows)], kind)


def _texts(draw: random.Random, rows: int) -> pa.Array:
    few = [draw.choice(["a", "b", "?", "", "NA", "é", "x,y", "q\"", "u\nv", "=1+1", "true", "-"])
           for _ in range(4)]  # fmt: skip
    days = [DAY - dt.timedelta(draw.randrange(900)) for _ in range(rows)]
    form = draw.choice(["%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d", "%d %b %y", "%I:%M %p"])
    made = draw.choice([
        lambda at: draw.choice(few),
        lambda at: f"U-{at:05d}",
        lambda at: f"u{draw.randrange(20)}@mail.org",
        lambda at: days[at].strftime(form),
        lambda at: f"{draw.randrange(10**6) / 100:.2f}".replace(".", ","),
        lambda at: f"${draw.randrange(10**6):,}",
        lambda at: f"{draw.randrange(1000) / 10}%",
        lambda at: f"{draw.randrange(100000):05d}",
        lambda at: " ".join(draw.choice(["the", "of", "red", "é"]) for _ in range(9)) + str(at),
        lambda at: draw.choice(["yes", "no"]),
        lambda at: str(10**30 + draw.randrange(10**10)),
        lambda at: "".join(chr(draw.randrange(32, 0x2FFF)) for _ in range(draw.randrange(6))),
    ])  # fmt: skip
    return pa.array([made(at) for at in range(rows)], draw.choice([pa.string(), pa.large_string()]))


def _others(draw: random.Random, rows: int) -> pa.Array:
    made = draw.choice([
        lambda: pa.nulls(rows),
        lambda: pa.array([draw.random() < 0.5 for _ in range(rows)]),
        lambda: pa.array([Decimal(draw.randrange(10**4)) / 100 for _ in range(rows)]),
        lambda: pa.array([Decimal(10**20 + draw.randrange(9)) for _ in range(rows)]),
        lambda: pa.array([bytes([draw.randrange(256)]) for _ in range(rows)]),
        lambda: pa.array([[1]] * rows),
        lambda: pa.array([{"a": 1}] * rows),
        lambda: pa.array([draw.choice([1.5, float("nan")])] * rows),
        lambda: pa.array(["one"] * rows),
    ])  # fmt: skip
    return made()


def _column(draw: random.Random, rows: int) -> pa.Array:
    make = draw.choices([_numbers, _times, _texts, _others], [4, 2, 4, 1])[0]
    array = make(draw, rows)
    if draw.random() < 0.3:
        share = draw.choice([0.05, 0.5, 0.95])
        gaps = pa.array([draw.random() < share for _ in range(rows)])
        array = pa.compute.if_else(gaps, pa.scalar(None, array.type), array)
    if draw.random() < 0.2 and not pa.types.is_nested(array.type):
        with contextlib.suppress(pa.ArrowNotImplementedError):
            array = array.dictionary_encode()
    return array


def make_table(draw: random.Random) -> pa.Table:
    rows = draw.choice([1, 2, 3, 10, 25, 60, 60, 60, 120])
    names = draw.sample(NAMES, draw.choice([1, 2, 2, 3, 4, 6]))
    columns = [_column(draw, rows) for _ in names]
    if len(names) > 1 and draw.random() < 0.2:
        columns[-1] = columns[0]  # equal columns are a rule
    if draw.random() < 0.03:
        names[-1] = names[0]
    return pa.Table.from_arrays(columns, names=names)


def damage(draw: random.Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = draw.randrange(len(data))
    how = draw.choice(["cut", "flip", "insert", "garbage", "lines"])
    if how == "cut":
        del data[at:]
    elif how == "flip":
        for _ in range(draw.choice([1, 5, 50])):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    elif how == "insert":
        data[at:at] = draw.choice([b'"', b"\0", b"\xff\xfe", b"\r", b"\n\n", b",,", b"}"])
    elif how == "garbage":
        data[:] = draw.randbytes(draw.randrange(300))
    else:
        data[:] = data.replace(b"\n", draw.choice([b"\r\n", b"\r", b""]))
    path.write_bytes(bytes(data))


def options_for(draw: random.Random, table: pa.Table) -> list[str]:
    name = lambda: draw.choice([*table.column_names, "nobody"])  # noqa: E731

    def value() -> str:
        column = draw.choice(table.column_names)
        sign = draw.choice(["=", "!=", "<", "<=", ">", ">="])
        where = table.column_names.index(column)
        cell = table.column(where).cast(table.schema.field(where).type)[draw.randrange(len(table))]
        try:
            return f"{column}{sign}{cell.as_py()}"
        except (OverflowError, ValueError):
            return f"{column}{sign}1"

    made = {
        "--privacy": lambda: draw.choice(["off", "balanced", "high", "max"]),
        "--marginals": lambda: draw.choice(["raw", "normal-score"]),
        "--weights": lambda: draw.choice(["uniform", "beta:0.3", "epbeta:0.1", "sphere:3"]),
        "--neighbors": lambda: draw.choice(["1", "5", "1000000000000"]),
        "--categories": lambda: draw.choice(["parent", "columnwise"]),
        "--target": name,
        "--within": name,
        "--where": value,
        "--column": lambda: f"{name()}={draw.choice(KINDS)}",
        "--rule": lambda: draw.choice(["off", f"{name()} <= {name()}", f"{name()} -> {name()}",
                                       f"{name()} = {name()} + 1"]),
        "--identifiers": lambda: draw.choice(["replace", "drop"]),
        "--text": lambda: draw.choice(["replace", "drop"]),
        "--n-samples": lambda: draw.choice(["1", "7", "300"]),
        "--max-rows": lambda: draw.choice(["2", "50"]),
        "--memory": lambda: draw.choice(["1KB", "1GB"]),
    }  # fmt: skip
    chosen = draw.sample(sorted(made), draw.choice([0, 0, 1, 1, 2, 3]))
    return [word for option in chosen for word in (option, made[option]())]


KINDS = ("category", "numeric", "integer", "identifier", "text", "date", "datetime", "boolean",
         "date:%d.%m.%Y", "constant", "duration")  # fmt: skip


class Case:
    """One table, one command; ``fault`` is what is wrong with how it ended, if anything."""

    def __init__(self, seed: int, folder: Path) -> None:
        draw = random.Random(seed)
        self.seed, self.folder, self.fault = seed, folder, ""
        self.code: Any = None
        self.error: BaseException | None = None
        table = make_table(draw)
        suffix = draw.choice(SUFFIXES)
        self.source = folder / f"in.{suffix}"
        try:
            write_table(table, self.source)
        except ValueError:  # what text cannot hold
            self.source = folder / "in.feather"
            write_table(table, self.source)
        if draw.random() < 0.2:
            damage(draw, self.source)
        self.output = folder / f"out.{suffix if draw.random() < 0.7 else draw.choice(SUFFIXES)}"
        self.files = {"-o": self.output}
        self.words = ["table", str(self.source), *options_for(draw, table)]
        if {"--max-rows", "--memory"} & set(self.words) and draw.random() < 0.8:
            self.files = {"-o": folder / "out"}
        elif draw.random() < 0.3:
            self.files |= {"--plan": folder / "plan.csv", "--save-model": folder / "m.vicinal"}
        if draw.random() < 0.06:
            self.files |= {"--report": folder / f"r.{draw.choice(['txt', 'json', 'html'])}"}
        for option, path in self.files.items():
            self.words += [option, str(path)]
        self.words += ["--seed", "1"]
        if draw.random() < 0.1:
            self.words, self.files = ["columns", str(self.source)], {}

    def run(self) -> None:
        before = {path.name for path in self.folder.iterdir()}
        self._call()
        left = {path.name for path in self.folder.iterdir()} - before
        wanted = {path.name for path in self.files.values()}
        if self.code == 0 and not self.fault:
            self.fault = f"left {left}, not {wanted}" if left != wanted else self._reading()
        elif self.code == 2 and not self.fault:
            self.fault = self._saying() or (f"left {left}" if left else "")
        elif not self.fault:
            self.fault = f"exit code {self.code}"

    def _call(self) -> None:
        told = app._told

        def keep(error: Exception) -> str:
            self.error = error
            return told(error)

        def late(*_: object) -> None:
            raise TimeoutError(f"more than {LIMIT} s")

        out, self.err = io.StringIO(), io.StringIO()
        argv, sys.argv = sys.argv, ["vicinal", *self.words]
        app._told = keep
        usual = signal.signal(signal.SIGPROF, late)
        signal.setitimer(signal.ITIMER_PROF, LIMIT)  # of the processor, not of the clock
        try:
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(self.err),
                warnings.catch_warnings(),
            ):
                warnings.filterwarnings("error", category=RuntimeWarning, module="vicinal")
                cli.main()
                self.code = 0
        except SystemExit as leave:
            self.code = leave.code
        except BaseException as error:
            self.error, self.fault = error, f"{type(error).__name__} came out"
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, usual)
            sys.argv, app._told = argv, told

    def _saying(self) -> str:
        lines = self.err.getvalue().splitlines()
        if not lines or not lines[-1].startswith("Error: "):
            return "no line that begins with Error"
        if any(not line.startswith("Note: ") for line in lines[:-1]):
            return "more than one line"
        if "should have been said more clearly" in lines[-1]:
            return "an error that nobody put into words"
        frames = traceback.extract_tb(self.error.__traceback__) if self.error else []
        deepest = frames[-1].filename if frames else ""
        if "vicinal" not in deepest and not hasattr(self.error, "format_message"):
            return f"an error from the depths ({deepest}:{frames[-1].lineno})" if frames else ""
        return ""

    def _reading(self) -> str:
        if not self.files:
            return ""
        if self.files["-o"] == self.output:
            real, made = read_table(self.source), read_table(self.output)
            for name in made.column_names:
                if made[name].null_count and not _has_gaps(real[name]):
                    return f"gaps in {name!r}, which has none"
            if self.output.suffixes == self.source.suffixes and "--text" not in self.words:
                for field in made.schema:
                    was = real.schema.field(field.name).type
                    if field.type != was and self.output.suffix in {".parquet", ".feather"}:
                        return f"{field.name!r} was {was}, is {field.type}"
        if "--save-model" in self.files:
            made = TableSynthesizer.load(self.files["--save-model"]).sample(3)
            if made.num_rows != 3:
                return "a model that draws nothing"
        return ""

    def describe(self) -> str:
        lines = "".join(traceback.format_exception(self.error)[-6:]) if self.error else ""
        said = self.err.getvalue().splitlines()[-1:]
        return f"seed {self.seed}: {self.fault}\n  {self.words}\n  {said}\n{lines}"


def _has_gaps(column: pa.ChunkedArray) -> bool:
    """Tell whether a column has nulls, or NaN, which text holds as nothing."""
    return bool(column.is_null(nan_is_null=pa.types.is_floating(column.type)).to_numpy().any())


def fuzz(seed: int) -> Case:
    folder = Path(tempfile.mkdtemp(prefix="vicinal-fuzz-"))
    try:
        case = Case(seed, folder)
        case.run()
        return case
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_output_or_one_clear_line(seed: int) -> None:
    case = fuzz(seed)
    assert not case.fault, case.describe()


def main() -> None:
    parser = argparse.ArgumentParser(description="Try tables and options nobody thought of.")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    asked = parser.parse_args()
    end, seed, codes, faults = time.time() + 60 * asked.minutes, asked.first, {}, 0
    while time.time() < end:
        case = fuzz(seed)
        codes[case.code] = codes.get(case.code, 0) + 1
        if case.fault:
            faults += 1
            print(case.describe(), flush=True)
        seed += 1
        if not seed % 200:
            print(f"{seed - asked.first} tried, exit codes {codes}, {faults} faults", flush=True)
    print(f"{seed - asked.first} tried, exit codes {codes}, {faults} faults")


if __name__ == "__main__":
    main()
