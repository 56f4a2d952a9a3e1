"""What a table larger than memory costs: Parquet in, Parquet out, on one machine.

Run with ``python benchmarks/scale_stream.py --rows 1e6 1e7 1e8``. The data are 16 float32 columns
that depend on a few hidden factors, in files of 4,194,304 rows. Each run is a process of its own:
``stream_table`` from its start to the finished folder, and, beside it and in turn with it, PyArrow
reading the same files and writing the same rows again (``pyarrow.dataset.write_dataset``, all
cores, same compression, no dictionaries, which would slow it down tenfold). Printed are seconds,
rows a second, the peak of resident memory of the whole process, the share of PyArrow's
throughput, and the slope of log seconds against log rows: 1 is linear.

With ``--adult 1e7`` the Adult table is repeated up to so many rows, streamed, and compared with
what ``fit`` and ``sample`` make in memory of the table itself: of what comes out of either, as many
rows as Adult has are drawn at random, so that chance is the same for both.

Files lie in a temporary folder (``--folder``) that is removed in the end. Results are kept in
``benchmarks/results/scale_stream.json`` as they come; runs that are there are not repeated
(``--again`` repeats them).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from _common import RESULTS, in_fresh_process, machine, markdown, parser, progress, write

COLUMNS, FACTORS = 16, 4
FILE_ROWS = 1 << 22
BATCH_ROWS = 1 << 18
ADULT_ROWS = 32_561
#: Rows drawn in memory, of which so many as Adult has are compared.
IN_MEMORY = 1_000_000
NAME = "scale_stream"


def make_data(folder: str, n_rows: int) -> None:
    """Write the rows to learn from."""
    import pyarrow as pa
    from pyarrow import parquet

    os.makedirs(folder)
    loads = np.random.default_rng(0).standard_normal((FACTORS, COLUMNS), dtype=np.float32)
    names = [f"x{at}" for at in range(COLUMNS)]
    schema = pa.schema([(name, pa.float32()) for name in names])
    for number, first in enumerate(range(0, n_rows, FILE_ROWS)):
        rng = np.random.default_rng([1, number])
        path = f"{folder}/{number:05d}.parquet"
        with parquet.ParquetWriter(path, schema, use_dictionary=False) as file:
            for start in range(first, min(first + FILE_ROWS, n_rows), BATCH_ROWS):
                n = min(BATCH_ROWS, n_rows - start)
                rows = rng.standard_normal((n, FACTORS), dtype=np.float32) @ loads
                rows += rng.standard_normal((n, COLUMNS), dtype=np.float32)
                columns = [pa.array(np.ascontiguousarray(rows[:, at])) for at in range(COLUMNS)]
                file.write_table(pa.Table.from_arrays(columns, schema=schema))


def peak() -> float:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 * 1.048576


def processor_time() -> float:
    """Return the seconds that this process has spent on all cores together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def plain(folder: str, target: str) -> dict[str, float]:
    """Read with PyArrow and write again."""
    from pyarrow import dataset

    begin = time.perf_counter()
    how = dataset.ParquetFileFormat()
    dataset.write_dataset(
        dataset.dataset(folder),
        target,
        format=how,
        file_options=how.make_write_options(use_dictionary=False),
        max_rows_per_file=1 << 20,
        max_rows_per_group=1 << 18,
    )
    os.sync()  # what we write is brought to the disk, too
    taken = time.perf_counter() - begin
    return {"seconds": taken, "cpu_s": processor_time(), "peak_mb": peak()}


def streamed(folder: str, target: str, privacy: str, memory: str) -> dict[str, float]:
    """Learn, draw and write."""
    from vicinal.table import TableSynthesizer
    from vicinal.table.stream import stream_table

    began = time.perf_counter()
    seen: dict[str, float] = {}

    def note(stage: str, done: int, total: int) -> None:
        seen.setdefault(stage, time.perf_counter() - began)
        seen["last " + stage] = time.perf_counter() - began

    model = TableSynthesizer(privacy, random_state=0)
    done = stream_table(model, folder, target, memory=memory, progress=note)
    taken = time.perf_counter() - began
    return {
        "seconds": taken,
        "cpu_s": processor_time(),
        "peak_mb": peak(),
        "read_s": seen["last Reading"],
        "draw_s": taken - seen["last Reading"],
        "pool": len(done.model._training) if done.model else 0,
    }


def slope(cases: list[dict[str, Any]]) -> float:
    """Return the slope of log seconds against log rows."""
    sizes, costs = (np.log([case[key] for case in cases]) for key in ("rows", "seconds"))
    return float(np.polyfit(sizes, costs, 1)[0])


def growth(cases: list[dict[str, Any]]) -> float:
    """Return the slope from three sizes without what every size takes, such as imports.

    With seconds ``a + b rows**slope`` at rows that grow by one factor, the differences grow by
    that factor to the slope.
    """
    rows, taken = ([case[key] for case in cases] for key in ("rows", "seconds"))
    ratio = (taken[2] - taken[1]) / max(taken[1] - taken[0], 1e-9)
    return float(np.log(max(ratio, 1e-9)) / np.log(rows[2] / rows[1]))


def run_case(
    folder: Path, n_rows: int, runs: list[str], memory: str, keep: Callable[[dict[str, Any]], None]
) -> None:
    """Do all runs over one size, and hand on what each came to."""
    data = str(folder / "data")
    try:
        progress(f"{n_rows:,} rows: making data")
        in_fresh_process(make_data, data, n_rows)
        for name in runs:
            progress(f"{n_rows:,} rows: {name}")
            target = str(folder / "out")
            load = os.getloadavg()[0]
            if name == "plain":
                found = in_fresh_process(plain, data, target)
            else:
                found = in_fresh_process(streamed, data, target, name, memory)
            shutil.rmtree(target)
            keep({"run": name, "rows": n_rows, "load": load, **found})
    finally:
        shutil.rmtree(data, ignore_errors=True)


def render(cases: list[dict[str, Any]], memory: str) -> str:
    """Return the table and its slopes in Markdown."""
    plain_of = {case["rows"]: case["seconds"] for case in cases if case["run"] == "plain"}
    rows = []
    for case in sorted(cases, key=lambda case: (case["run"] != "plain", case["run"], case["rows"])):
        share = plain_of.get(case["rows"], float("nan")) / case["seconds"]
        parts = f"{case['read_s']:.1f} + {case['draw_s']:.1f}" if "read_s" in case else ""
        rows.append(
            [
                "PyArrow, read and write" if case["run"] == "plain" else case["run"],
                f"{case['rows']:,}",
                f"{case['seconds']:.1f}",
                parts,
                f"{case['cpu_s']:.1f}",
                f"{case['rows'] / case['seconds']:,.0f}",
                f"{case['peak_mb']:.0f}",
                f"{share:.2f}",
                f"{case['load']:.1f}",
            ]
        )
    header = [
        "run",
        "rows",
        "s",
        "learn + draw s",
        "CPU s",
        "rows/s",
        "peak MB",
        "of PyArrow",
        "load",
    ]
    text = markdown(header, rows)
    for name in dict.fromkeys(case["run"] for case in cases):
        own = sorted((c for c in cases if c["run"] == name), key=lambda case: case["rows"])
        if len(own) > 1:
            text += f"\n\nSlope, {name}: {slope(own):.2f}"
            if len(own) > 2:
                text += f", over the two largest {slope(own[-2:]):.2f}"
                text += f", of what further rows take {growth(own[-3:]):.2f}"
            text += "."
    return f"`--memory {memory}`; load is that of the machine before the run.\n\n{text}"


# Adult, blown up


def blow_up(folder: str, source: str, n_rows: int) -> None:
    """Write the Adult table again and again."""
    import pyarrow as pa
    from pyarrow import compute, parquet

    from vicinal.io import read_table

    adult = read_table(source)
    if "split" in adult.column_names:
        adult = adult.filter(compute.equal(adult["split"], "train")).drop_columns("split")
    os.makedirs(folder)
    parquet.write_table(adult, f"{folder}/../adult.parquet")
    whole = pa.concat_tables([adult] * 16)
    left, number = n_rows, 0
    while left > 0:
        parquet.write_table(whole.slice(0, left), f"{folder}/{number:05d}.parquet")
        left, number = left - whole.num_rows, number + 1


def adult_streamed(folder: str, target: str, privacy: str, seed: int) -> dict[str, Any]:
    """Stream the blown-up table; return how like the real one a sample of what came out is."""
    from pyarrow import dataset, parquet

    from vicinal.table import TableSynthesizer
    from vicinal.table.stream import stream_table

    begin = time.perf_counter()
    stream_table(
        TableSynthesizer(privacy, target="income", random_state=seed), folder, target, memory="2GB"
    )
    taken = time.perf_counter() - begin
    real = parquet.read_table(f"{folder}/../adult.parquet")
    drawn = dataset.dataset(target)
    some = drawn.take(some_of(drawn.count_rows(), real.num_rows, seed))
    return {"seconds": taken, "peak_mb": peak(), **likeness(real, some)}


def adult_in_memory(folder: str, privacy: str, seed: int) -> dict[str, Any]:
    """Fit the Adult table itself; return how like it a sample of what is drawn is."""
    from pyarrow import parquet

    from vicinal.table import TableSynthesizer

    real = parquet.read_table(f"{folder}/../adult.parquet")
    begin = time.perf_counter()
    model = TableSynthesizer(privacy, target="income", random_state=seed).fit(real)
    drawn = model.sample(IN_MEMORY)
    taken = time.perf_counter() - begin
    some = drawn.take(some_of(IN_MEMORY, real.num_rows, seed))
    return {"seconds": taken, "peak_mb": peak(), **likeness(real, some)}


def some_of(n_rows: int, count: int, seed: int) -> np.ndarray:
    """Return numbers of rows drawn at random, in order."""
    return np.sort(np.random.default_rng(seed).choice(n_rows, count, replace=False))


def likeness(real: Any, drawn: Any) -> dict[str, float]:
    """Return the fidelity figures of the report."""
    from vicinal.report.fidelity.measure import measure_fidelity
    from vicinal.report.tables import align
    from vicinal.table import detect_columns

    tables = align(real, drawn, columns=detect_columns(real))
    found = measure_fidelity(tables, two_sample=False, random_state=0)
    return {"shapes": float(found.score), "pairs": float(found.pair_score)}


def run_adult(
    folder: Path,
    source: Path,
    n_rows: int,
    seeds: int,
    keep: Callable[[list[dict[str, Any]]], None],
) -> None:
    """Measure the likeness of streamed and of in-memory tables, over seeds, and hand it on."""
    data = str(folder / "adult")
    try:
        in_fresh_process(blow_up, data, str(source), n_rows)
        for privacy in ("off", "balanced"):
            for seed in range(seeds):
                progress(f"Adult x {n_rows:,}: {privacy}, seed {seed}")
                target = str(folder / "out")
                one = in_fresh_process(adult_streamed, data, target, privacy, seed)
                shutil.rmtree(target)
                two = in_fresh_process(adult_in_memory, data, privacy, seed)
                what = {"privacy": privacy, "seed": seed, "rows": n_rows}
                keep([{"run": "streamed", **what, **one}, {"run": "in memory", **what, **two}])
    finally:
        shutil.rmtree(data, ignore_errors=True)


def render_adult(cases: list[dict[str, Any]]) -> str:
    """Return means over seeds with 95 % intervals."""
    from scipy.stats import t

    rows = []
    for privacy in ("off", "balanced"):
        for run in ("in memory", "streamed"):
            own = [case for case in cases if (case["run"], case["privacy"]) == (run, privacy)]
            if not own:
                continue
            learned = own[0]["rows"] if run == "streamed" else ADULT_ROWS
            line = [f"{privacy}, {run}", len(own), f"{learned:,}"]
            for key in ("shapes", "pairs"):
                values = np.array([case[key] for case in own])
                half = np.nan
                if len(own) > 1:
                    half = t.ppf(0.975, len(own) - 1) * values.std(ddof=1) / np.sqrt(len(own))
                line.append(f"{values.mean():.4f} ± {half:.4f}")
            rows.append(line)
    header = ["Adult", "seeds", "rows learned", "columns", "pairs"]
    return markdown(header, rows)


def main() -> None:
    """Run what was asked for."""
    options = parser(__doc__ or "")
    options.add_argument("--rows", type=float, nargs="*", default=[1e6, 1e7])
    options.add_argument("--settings", nargs="*", default=["off", "balanced"])
    options.add_argument("--memory", default="2GB")
    options.add_argument("--adult", type=float, help="rows to blow Adult up to")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    options.add_argument("--folder", type=Path, help="where to put temporary files")
    options.add_argument("--again", action="store_true", help="repeat what is there already")
    asked = options.parse_args()
    name = asked.name or NAME
    kept_file = RESULTS / f"{name}.json"
    kept = json.loads(kept_file.read_text()) if kept_file.exists() else {"cases": [], "adult": []}
    about = machine("vicinal", "numpy", "numba", "pyarrow", "datasketches")
    about += f". {COLUMNS} float32 columns, seed 0, one run each."
    folder = Path(tempfile.mkdtemp(prefix="vicinal-scale-", dir=asked.folder))

    def publish() -> str:
        parts = [about]
        if kept["cases"]:
            parts.append(render(kept["cases"], asked.memory))
        if kept["adult"]:
            parts.append(render_adult(kept["adult"]))
        text = "\n\n".join(parts)
        write(name, text, {"machine": about, **kept})
        return text

    def keep(case: dict[str, Any]) -> None:
        same = [c for c in kept["cases"] if (c["run"], c["rows"]) != (case["run"], case["rows"])]
        kept["cases"] = [*same, case]
        publish()

    def keep_adult(cases: list[dict[str, Any]]) -> None:
        kept["adult"] += cases
        publish()

    kept.pop("machine", None)
    try:
        for n_rows in map(int, asked.rows):
            there = {c["run"] for c in kept["cases"] if c["rows"] == n_rows}
            if not asked.again and {"plain", *asked.settings} <= there:
                continue
            run_case(folder, n_rows, ["plain", *asked.settings], asked.memory, keep)
        if asked.adult and (asked.again or not kept["adult"]):
            kept["adult"] = []
            source = asked.data / "adult_income.csv.gz"
            run_adult(folder, source, int(asked.adult), asked.seeds, keep_adult)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(publish())


if __name__ == "__main__":
    main()
