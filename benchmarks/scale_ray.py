"""What Ray costs and brings: the same table from one process, and from workers on a cluster.

Run with ``python benchmarks/scale_ray.py --rows 1e6 1e7 --workers 1 2``. The data are those of
``scale_stream.py``: 16 float32 columns that depend on a few hidden factors. Each run is a process
of its own, from its start to the finished folder: ``stream_table`` (all cores of one process), and
the same with ``engine="ray"`` on a cluster of this machine, started and ended within the time.
Printed are seconds, and of them those before the first row is read, in which Ray starts; rows a
second; the peak of memory that all processes of the run hold together (each page shared by several
counts once, PSS); whether the folder has the same bytes as that of the local engine; and the slope
of log seconds against log rows.

With ``--pairing 1e5 2e5 4e5`` partitions of 65,536 embeddings each are paired with a reference
sample of 4,096 (``reference_pairs.py``), on one core.

Files lie in a temporary folder (``--folder``) that is removed in the end. Results are kept in
``benchmarks/results/scale_ray.json`` as they come; runs that are there are not repeated
(``--again`` repeats them).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from _common import RESULTS, in_fresh_process, machine, markdown, parser, progress, write
from scale_stream import COLUMNS, make_data, slope

NAME = "scale_ray"
#: Width of embeddings, and rows of a partition of them.
WIDTH, PARTITION = 384, 1 << 16
EVERY = 0.5  # seconds between two looks at memory


class Watch:
    """Looks at the memory of this process and all that it started."""

    def __init__(self) -> None:
        self.together = self.largest = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import psutil

        me = psutil.Process()
        while True:
            sizes = [_held(process) for process in [me, *me.children(recursive=True)]]
            self.together = max(self.together, sum(sizes))
            self.largest = max(self.largest, *sizes)
            if self._over.wait(EVERY):
                return


def _held(process: Any) -> float:
    import psutil

    try:
        return process.memory_full_info().pss / 1e6
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended
        return 0.0


def run(source: str, target: str, workers: int, privacy: str, memory: str) -> dict[str, Any]:
    """Make the synthetic table; with no workers in this process."""
    with Watch() as watch:
        began = time.perf_counter()
        seen: dict[str, float] = {}

        def note(stage: str, done: int, total: int) -> None:
            seen.setdefault(stage, time.perf_counter() - began)
            seen["last " + stage] = time.perf_counter() - began

        from vicinal.table import TableSynthesizer

        model = TableSynthesizer(privacy, random_state=0)
        from vicinal.table.stream import stream_table

        where: dict[str, Any] = {"engine": "ray", "workers": workers} if workers else {}
        stream_table(model, source, target, memory=memory, progress=note, **where)
        taken = time.perf_counter() - began
    digest = hashlib.sha256()
    for path in sorted(Path(target).iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return {
        "seconds": taken,
        "first_s": seen["Reading"],
        "read_s": seen["last Reading"],
        "draw_s": taken - seen["last Reading"],
        "together_mb": watch.together,
        "largest_mb": watch.largest,
        "digest": digest.hexdigest(),
    }


def pair(n_rows: int) -> dict[str, float]:
    """Pair partitions that are made one after the other; time the pairing alone."""
    from threadpoolctl import threadpool_limits

    from reference_pairs import Reference, pair_with_reference, reference_rows
    from vicinal.pairing import Farthest

    def part(number: int, rows: int) -> Any:
        rng = np.random.default_rng([2, number])
        return rng.standard_normal((rows, WIDTH), dtype=np.float32) * rng.uniform(0.5, 2, (rows, 1))

    parts = [
        (at, min(PARTITION, n_rows - first)) for at, first in enumerate(range(0, n_rows, PARTITION))
    ]
    rows = reference_rows(n_rows, random_state=0)
    chosen = [part(at, size)[rows[(rows >> 16) == at] & (PARTITION - 1)] for at, size in parts]
    reference = Reference(rows, np.concatenate(chosen))
    pairing = Farthest(0.1, median_radius=0.5)
    pair_with_reference(pairing, chosen[0], 0, reference, random_state=0)  # compiled
    taken = 0.0
    with threadpool_limits(1):
        for at, size in parts:
            anchors = part(at, size)
            begin = time.perf_counter()
            pair_with_reference(pairing, anchors, at * PARTITION, reference, random_state=0)
            taken += time.perf_counter() - begin
    return {"rows": n_rows, "seconds": taken}


def name_of(workers: int) -> str:
    """Return what a run is called."""
    return f"Ray, {workers} worker{'s' * (workers > 1)}" if workers else "local"


def render(cases: list[dict[str, Any]], memory: str) -> str:
    """Return the table and its slopes in Markdown."""
    local = {case["rows"]: case for case in cases if not case["workers"]}
    rows = []
    for case in sorted(cases, key=lambda case: (case["workers"], case["rows"])):
        same = local.get(case["rows"], {}).get("digest") == case["digest"]
        rows.append(
            [
                name_of(case["workers"]),
                f"{case['rows']:,}",
                f"{case['seconds']:.1f}",
                f"{case['first_s']:.1f}",
                f"{case['read_s']:.1f} + {case['draw_s']:.1f}",
                f"{case['rows'] / case['seconds']:,.0f}",
                f"{case['together_mb']:.0f}",
                f"{case['largest_mb']:.0f}",
                "yes" if same else "no",
                f"{case['load']:.1f}",
            ]
        )
    header = ["run", "rows", "s", "first part read", "learn + draw s", "rows/s", "peak MB"]
    header += ["largest process", "same bytes", "load"]
    text = markdown(header, rows)
    for workers in sorted({case["workers"] for case in cases}):
        own = sorted((c for c in cases if c["workers"] == workers), key=lambda case: case["rows"])
        if len(own) > 1:
            text += f"\n\nSlope, {name_of(workers)}: {slope(own):.2f}."
    return f"`memory={memory!r}`; load is that of the machine before the run.\n\n{text}"


def render_pairing(cases: list[dict[str, Any]]) -> str:
    """Return the table of pairing."""
    cases = sorted(cases, key=lambda case: case["rows"])
    rows = [
        [f"{c['rows']:,}", f"{c['seconds']:.1f}", f"{c['rows'] / c['seconds']:,.0f}"] for c in cases
    ]
    text = f"Farthest(0.1) by 4,096 reference rows, {WIDTH} features, one core.\n\n"
    text += markdown(["rows", "s", "rows/s"], rows)
    return text + (f"\n\nSlope: {slope(cases):.2f}." if len(cases) > 1 else "")


def main() -> None:
    """Run what was asked for."""
    options = parser(__doc__ or "")
    options.add_argument("--rows", type=float, nargs="*", default=[1e6])
    options.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    options.add_argument("--privacy", default="off")
    options.add_argument("--memory", default="2GB", help="of each process")
    options.add_argument("--pairing", type=float, nargs="*", default=[])
    options.add_argument("--folder", type=Path, help="where to put temporary files")
    options.add_argument("--again", action="store_true", help="repeat what is there already")
    asked = options.parse_args()
    name = asked.name or NAME
    file = RESULTS / f"{name}.json"
    kept = json.loads(file.read_text()) if file.exists() else {"cases": [], "pairing": []}
    kept.pop("machine", None)
    about = machine("vicinal", "numpy", "numba", "pyarrow", "ray")
    about += f". {COLUMNS} float32 columns, privacy {asked.privacy!r}, seed 0, one run each."
    folder = Path(tempfile.mkdtemp(prefix="vicinal-ray-", dir=asked.folder))

    def publish() -> str:
        parts = [about]
        if kept["cases"]:
            parts.append(render(kept["cases"], asked.memory))
        if kept["pairing"]:
            parts.append(render_pairing(kept["pairing"]))
        text = "\n\n".join(parts)
        write(name, text, {"machine": about, **kept})
        return text

    try:
        for n_rows in map(int, asked.rows):
            there = {c["workers"] for c in kept["cases"] if c["rows"] == n_rows}
            left = [one for one in [0, *asked.workers] if asked.again or one not in there]
            if not left:
                continue
            data, target = str(folder / "data"), str(folder / "out")
            progress(f"{n_rows:,} rows: making data")
            in_fresh_process(make_data, data, n_rows)
            for workers in left:
                progress(f"{n_rows:,} rows: {name_of(workers)}")
                load = os.getloadavg()[0]
                found = in_fresh_process(run, data, target, workers, asked.privacy, asked.memory)
                shutil.rmtree(target)
                case = {"workers": workers, "rows": n_rows, "load": load, **found}
                same = (workers, n_rows)
                others = [c for c in kept["cases"] if (c["workers"], c["rows"]) != same]
                kept["cases"] = [*others, case]
                publish()
            shutil.rmtree(data)
        for n_rows in map(int, asked.pairing):
            if asked.again or n_rows not in {case["rows"] for case in kept["pairing"]}:
                progress(f"{n_rows:,} embeddings")
                others = [case for case in kept["pairing"] if case["rows"] != n_rows]
                kept["pairing"] = [*others, in_fresh_process(pair, n_rows)]
                publish()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(publish())


if __name__ == "__main__":
    main()
