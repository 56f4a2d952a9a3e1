"""Synthetic tables beside the field's: what each keeps, gives away, is good for, and costs.

Run with ``python benchmarks/table_peers.py --data ../shared/data``. A part of every set is learned
(at most 10,000 rows), as many rows are held out, and a test part is put aside that no setting was
chosen on (the publisher's, or a fixed fifth of the rows). Each generator learns the first part
and draws as many rows, in a process of its own on its share of the cores (one of two, where
``--slots`` is 2). Measured for each:

* quality: SDMetrics' report, against the rows learned from;
* DCR share: the share of synthetic rows that are closer to a learned row than to any hold-out row
  (0.5 is ideal), by Gower's distance and by the Euclidean one;
* copies: the share of synthetic rows that equal a learned row in every column;
* utility: boosted trees trained on synthetic rows, tested on the test part (area under the ROC
  curve for classes, R2 for numbers);
* seconds to fit and to sample, rows per second of a draw of 100,000, and the highest memory of fit
  and sample above what the loaded libraries take.

"real" are the hold-out rows as if they were synthetic, and the utility of the rows learned from.
Then follows, by rule, on how many sets some setting of ours is at least as good as each peer in
quality, DCR share and utility, at 50 times its speed, and where not, what is missing.

What was measured is kept in ``.cache/table_peers.jsonl``; a run that was cut short goes on from
there, and a change of our code, or of a setting, counts as not measured yet.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from _common import (
    SETS,
    Dataset,
    cores,
    has_sdv,
    hush,
    load,
    machine,
    parser,
    progress,
    publish,
    quality,
    skip,
)
from _jobs import Record, Store, measured, prepare, run
from _measures import closer, copies, parts, utility
from _peers import Generator, Neural, ours, peers
from _peers_page import BULK_ROWS, REAL, draw, render
from _verdict import Results

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "table_peers.jsonl"
PICTURE = ROOT / "docs" / "pictures" / "table_front.png"
#: Raise it where measures change, so that what was kept counts no longer.
PROTOCOL = 1
_PRELOAD = (
    "__main__",  # as it is now: an edit while it runs changes nothing
    "_jobs",
    "_measures",
    "_peers",
    "sdmetrics.reports",
    "sdv.single_table",
    "imblearn.over_sampling",
    "sklearn.ensemble",
    "sklearn.metrics",
    "vicinal.table",
    "vicinal.report.privacy.nearest",
)


# one run


def generators(fast: bool) -> dict[str, type[Generator]]:
    """Return everyone by name, ours first."""
    found = ours() | peers()
    if fast:
        for name, kind in found.items():
            if issubclass(kind, Neural):
                found[name] = type(kind.__name__, (kind,), {"budget": 0})
    return found


def run_one(
    set_name: str,
    generator: str,
    seed: int,
    settings: str,
    folder: Path,
    fast: bool,
    bulk: bool,
) -> Record:
    """Return every measure of one generator on one set with one seed."""
    hush()
    cpu = time.process_time()
    data = load(set_name, folder)
    if data is None:
        raise FileNotFoundError(f"{set_name} is absent")
    learn, hold, test = parts(data, seed)
    found: Record = {"rows": len(learn), "columns": learn.shape[1], "task": data.task}
    if generator == REAL:
        drawn = hold
        found["utility"] = utility(data, learn, test, seed)
    else:
        made = generators(fast)[generator](data, seed)
        drawn = _drawn(made, learn, found, bulk)
        _check(drawn, learn, data)
        near = closer(data, learn, hold, drawn)
        found |= {name: one.value for name, one in near.items()}
        found["intervals"] = {name: [one.low, one.high] for name, one in near.items()}
        found["utility"] = utility(data, drawn, test, seed)
    found["copies"] = copies(drawn, learn)
    found |= quality(learn, drawn)
    return found | {"cpu_all": time.process_time() - cpu}


def _drawn(made: Generator, learn: pd.DataFrame, found: Record, bulk: bool) -> pd.DataFrame:
    """Return a synthetic table of as many rows; write down what it cost."""
    made.warm(learn)
    with measured() as fit:
        made.fit(learn)
    with measured() as sample:
        drawn = made.sample(len(learn))
    found["megabytes"] = max(fit.peak, sample.peak) - fit.base
    found["fit"], found["sample"] = fit.seconds, _least(made, len(learn), sample.seconds)
    found["total"] = found["fit"] + found["sample"]
    found["cpu"] = fit.cpu_seconds + sample.cpu_seconds
    if bulk:
        found["bulk"] = _least(made, BULK_ROWS)
    return drawn


def _least(made: Generator, n_rows: int, first: float | None = None) -> float:
    """Return the least seconds of up to three draws; of fewer, where they take long."""
    took = [] if first is None else [first]
    while len(took) < 3 and sum(took) < 2:
        with measured() as cost:
            made.sample(n_rows)
        took.append(cost.seconds)
    return min(took)


def _check(drawn: pd.DataFrame, learn: pd.DataFrame, data: Dataset) -> None:
    """Refuse tables that the measures would misread."""
    if not drawn.dtypes.equals(learn.dtypes):
        raise TypeError(f"drawn as {drawn.dtypes.to_dict()}, learned as {learn.dtypes.to_dict()}")
    for name in data.categories:
        new = set(drawn[name].dropna()) - set(learn[name].dropna())
        if new:
            raise ValueError(f"column {name!r} has values that were not learned: {sorted(new)[:3]}")


# all runs


def fingerprint() -> str:
    """Return a short name of the code that our tables come from."""
    digest = hashlib.sha256()
    package = ROOT / "src" / "vicinal"
    for file in sorted([*package.glob("*.py"), *(package / "table").rglob("*.py")]):
        if file.name != "__init__.py":
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def plan(options: argparse.Namespace, sets: dict[str, Dataset]) -> list[Record]:
    """Return all that there is to measure."""
    code = fingerprint()
    kinds, own = generators(options.fast), set(ours())
    jobs = []
    for name, data in sets.items():
        rows, columns = parts(data, 0)[0].shape
        for seed in options.seeds:
            for generator in [REAL, *kinds]:
                kind = kinds.get(generator)
                neural = kind is not None and issubclass(kind, Neural)
                allowed = options.seeds if rows <= options.neural_rows else options.seeds[:1]
                if neural and seed not in (options.neural_seeds or allowed):
                    continue
                said = kind.settings(rows * columns) if kind else ""
                if generator in own:
                    said += f", code {code}"
                settings = f"protocol {PROTOCOL}; {said}; cores {options.share}"
                settings += "; fast" if options.fast else ""
                jobs.append(
                    {"set": name, "generator": generator, "seed": seed, "settings": settings}
                    | {"rows": rows, "columns": columns, "neural": neural}
                )
    return jobs


def guess(job: Record, known: Sequence[Record]) -> float:
    """Return the seconds a run takes of a core: as such a run did, or by size."""
    like = [
        one["cpu_all"]
        for one in known
        if "cpu_all" in one and (one["set"], one["generator"]) == (job["set"], job["generator"])
    ]
    if like:
        return float(np.median(like))
    if job["neural"]:
        return 12 + min(50.0, job["rows"] / 150)
    return 2 + job["rows"] * job["columns"] / 50_000


def measure(options: argparse.Namespace, sets: dict[str, Dataset]) -> list[Record]:
    """Run what is not kept yet and asked for; return all there is, but of other settings."""
    store = Store(CACHE, ("set", "generator", "seed", "settings"))
    jobs = plan(options, sets)
    kept = [one for one in map(store.get, jobs) if one is not None]
    if options.again:
        kept = [one for one in kept if not any(part in one["generator"] for part in options.again)]
    kept = [one for one in kept if "failed" not in one]
    done = {(one["set"], one["generator"], one["seed"]) for one in kept}
    left = [job for job in jobs if (job["set"], job["generator"], job["seed"]) not in done]
    missing = len(left)
    if options.no_neural:
        left = [job for job in left if not job["neural"]]
    if options.only:
        left = [job for job in left if any(part in job["generator"] for part in options.only)]
    # long ones first, so that the cores end together
    costs = {id(job): guess(job, kept) for job in left}
    left.sort(key=lambda job: -costs[id(job)])
    minutes = sum(costs.values()) / options.slots / 60
    progress(
        f"{len(jobs)} runs, {len(jobs) - missing} of them kept, {len(left)} to do: about "
        f"{minutes:.0f} minutes with {options.slots} at a time, at most {options.limit} s each"
    )
    if options.estimate:
        return kept
    context = prepare(_PRELOAD, options.share)
    asked = [
        (
            *(job[key] for key in ("set", "generator", "seed", "settings")),
            *(options.data, options.fast, not options.fast and job["seed"] == options.seeds[0]),
        )
        for job in left
    ]
    for count, (job, found) in enumerate(
        run(context, run_one, asked, options.slots, options.limit), start=1
    ):
        record = dict(zip(("set", "generator", "seed", "settings"), job, strict=False)) | found
        store.add(record)
        kept.append(record)
        said = f"failed: {found['failed']}" if "failed" in found else f"{found['wall']:.1f} s"
        progress(f"{count}/{len(asked)} {job[0]}, {job[1]}, seed {job[2]}: {said}")
    return kept


# all of it


def main() -> int:
    """Run what was asked for."""
    options = parser(__doc__ or "", list(SETS))
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--only", nargs="+", help="run only generators named so, in part")
    options.add_argument("--again", nargs="+", help="run these anew, though kept")
    options.add_argument("--neural-seeds", type=int, nargs="+", help="seeds of CTGAN and TVAE")
    options.add_argument(
        "--neural-rows",
        type=int,
        default=3_000,
        help="sets of more training rows have one seed of CTGAN and TVAE",
    )
    options.add_argument("--no-neural", action="store_true", help="run no CTGAN, no TVAE")
    options.add_argument("--fast", action="store_true", help="one seed, one epoch, no large draw")
    options.add_argument(
        "--slots", type=int, default=2, help="runs at a time; they share the cores"
    )
    options.add_argument("--limit", type=int, default=300, help="most seconds of one run")
    options.add_argument("--estimate", action="store_true", help="say how long it will take")
    options.add_argument("--picture", type=Path, help="where to draw; the usual place if whole")
    asked = options.parse_args()
    asked.share = max(1, cores() // asked.slots)
    hush()
    has_sdv()
    if asked.fast:
        asked.seeds = asked.seeds[:1]
    there = {name: data for name in asked.sets if (data := load(name, asked.data)) is not None}
    begin = time.perf_counter()
    records = measure(asked, there)
    if asked.estimate:
        return 0
    found = Results(records)
    sets = [name for name in there if any(found.runs(name, one) for one in [*ours(), *peers()])]
    if not sets:
        skip("nothing was measured")
        return 1
    packages = ("vicinal", "numpy", "numba", "pandas", "scikit-learn", "imbalanced-learn")
    about = machine(*packages, "sdv", "sdmetrics", "torch") + "."
    name = asked.name or ("table_peers_fast" if asked.fast else "table_peers")
    publish(name, render(found, sets, about, asked))
    picture = asked.picture or (PICTURE if name == "table_peers" else None)
    if picture is not None:
        draw(found, sets, picture)
    progress(f"{time.perf_counter() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
