"""Synthetic tables: time, memory and fidelity, against a Gaussian copula and SMOTE.

Run with ``python benchmarks/table_speed.py --data ../shared/data``. Every generator gets a pandas
table and gives one back, so conversion is part of its time. Each runs in a process of its own,
warmed up on 1,000 rows of the same table; fit and sample are the best of a few rounds. Memory is
measured in a further process, and is what the process holds above what it held before.

What is compared. Ours at three privacy settings, with the target named. SDV's
GaussianCopulaSynthesizer with detected metadata and its defaults. SMOTE (SMOTENC where there are
categories) from imbalanced-learn, where the target is a class: asked, by ``sampling_strategy``,
for twice the rows of each class, of which the new half counts; it searches and samples in one
call, whose time is shown as sampling. The score is that of SDMetrics' quality report.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _common import (
    RESULTS,
    Copula,
    Dataset,
    has_sdv,
    hush,
    in_fresh_process,
    load,
    machine,
    markdown,
    parser,
    peak_memory,
    progress,
    quality,
    race,
    seconds,
    skip,
    write,
)

OURS = ("off", "balanced", "high")
WARM_UP_ROWS = 1000
FIT_ROUNDS = 2

_COLD = """
import json, sys, time
begin = time.perf_counter()
import pandas as pd
pandas = time.perf_counter()
from vicinal.table import TableSynthesizer
imported = time.perf_counter()
frame = pd.read_csv(sys.argv[1])
read = time.perf_counter()
model = TableSynthesizer(sys.argv[3], target=sys.argv[2], random_state=0).fit(frame)
fitted = time.perf_counter()
model.sample()
print(json.dumps([imported - pandas, fitted - read, time.perf_counter() - fitted]))
"""


class Smote:
    """SMOTE or SMOTENC, asked for as many new rows as there are."""

    def __init__(self, data: Dataset) -> None:
        self._target = data.target
        self._categories = [name for name in data.categories if name != data.target]

    def fit(self, frame: Any) -> Smote:
        """Keep the table: everything happens in ``sample``."""
        self._frame = frame
        return self

    def sample(self, n_rows: int) -> Any:
        """Return the new half; ``n_rows`` is what the table has."""
        from imblearn.over_sampling import SMOTE, SMOTENC

        X, y = self._frame.drop(columns=self._target), self._frame[self._target]
        asked: dict[str, Any] = {
            "sampling_strategy": (2 * y.value_counts()).to_dict(),
            "random_state": 0,
        }
        if self._categories:
            method = SMOTENC(categorical_features=self._categories, **asked)
        else:
            method = SMOTE(**asked)
        mixed, labels = method.fit_resample(X, y)
        return mixed.assign(**{self._target: labels})[self._frame.columns].iloc[len(X) :]


def generator(kind: str, data: Dataset) -> Any:
    """Return something with ``fit`` and ``sample``."""
    if kind == "SDV":
        return Copula()
    if kind == "SMOTE":
        return Smote(data)
    from vicinal.table import TableSynthesizer

    return TableSynthesizer(kind, target=data.target, random_state=0)


def warm_up(kind: str, data: Dataset) -> None:
    """Import, compile and run everything once."""
    few = data.frame.sample(min(WARM_UP_ROWS, len(data.frame)), random_state=0)
    generator(kind, data).fit(few).sample(len(few))


def time_one(name: str, folder: Path, kind: str, rounds: int, large: int) -> dict[str, Any]:
    """Return seconds and score of one generator on one set."""
    hush()
    data = load(name, folder)
    assert data is not None
    warm_up(kind, data)
    model, rows = generator(kind, data), len(data.frame)
    fit = min(seconds(lambda: model.fit(data.frame)) for _ in range(FIT_ROUNDS))
    found: dict[str, Any] = {"rows": rows, "columns": data.frame.shape[1]}
    drawn = []
    if kind == "SMOTE":  # slow: once
        found["sample_s"] = seconds(lambda: drawn.append(model.sample(rows)))
    else:
        found["fit_s"] = fit
        found["sample_s"] = race({"": lambda: model.sample(rows)}, rounds)[""]
        drawn.append(model.sample(rows))
    if kind in OURS:
        found["large_rows"] = large
        found["large_s"] = race({"": lambda: model.sample(large)}, 2)[""]
        found |= time_arrow(data, kind, rounds)
    if has_sdv():
        found |= quality(data.frame, drawn[0])
    return found


def time_arrow(data: Dataset, kind: str, rounds: int) -> dict[str, float]:
    """Return seconds of ours with an Arrow table in and out."""
    import pyarrow as pa

    table = pa.Table.from_pandas(data.frame, preserve_index=False)
    model = generator(kind, data)
    fit = seconds(lambda: model.fit(table))
    return {"arrow_fit_s": fit, "arrow_sample_s": race({"": model.sample}, rounds)[""]}


def weigh_one(name: str, folder: Path, kind: str, large: int) -> dict[str, float]:
    """Return peak memory of fit and of sample, in MB above what was held before."""
    hush()
    data = load(name, folder)
    assert data is not None
    warm_up(kind, data)
    model = generator(kind, data)
    with peak_memory() as fit:
        model.fit(data.frame)
    with peak_memory() as sample:
        drawn = model.sample(len(data.frame))
    found = {"fit_mb": fit.megabytes, "sample_mb": sample.megabytes}
    if kind == "SMOTE":
        del found["fit_mb"]
    found["output_mb"] = float(drawn.memory_usage(deep=True).sum()) / 1e6
    del drawn
    if kind in OURS:
        with peak_memory() as sample:
            drawn = model.sample(large)
        found["large_mb"] = sample.megabytes
        # what the table itself holds: strings are shared between rows, so they count once
        found["large_output_mb"] = float(drawn.memory_usage().sum()) / 1e6
    return found


def cold_start(data: Dataset) -> dict[str, dict[str, list[float]]]:
    """Return seconds of import, first fit and first sample, without and with compiled code."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as cache:
        path = str(Path(cache, "table.csv"))
        data.frame.to_csv(path, index=False)
        for when in ("nothing compiled yet", "compiled code kept on disk"):
            found[when] = {}
            for kind in ("off", "balanced"):
                # a cache of its own for each setting, or the second would profit from the first
                environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(cache, kind))}
                said = subprocess.run(
                    [sys.executable, "-W", "ignore", "-c", _COLD, path, data.target, kind],
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                )
                found[when][kind] = json.loads(said.stdout)
    return found


def has_imblearn() -> bool:
    """Tell whether imbalanced-learn can be imported; say so where it cannot."""
    try:
        import imblearn  # noqa: F401
    except ImportError:
        skip("imbalanced-learn is not installed; pip install 'vicinal[bench]'")
        return False
    return True


def label(kind: str, data: dict[str, Any]) -> str:
    """Return what a generator is called in the table."""
    return {
        "SDV": "SDV GaussianCopula",
        "SMOTE": f"imbalanced-learn {data.get('method', 'SMOTE')}",
    }.get(kind, f"vicinal, {kind}")


def render(results: dict[str, Any], about: str, large: int) -> str:
    """Return the tables in Markdown."""
    parts = [about]
    for name, found in results["sets"].items():
        first = next(iter(found.values()))
        peer = found.get("SDV")
        rows = []
        for kind, got in found.items():
            fit, speed = got.get("fit_s"), got["rows"] / got["sample_s"]
            ratios = ["", ""]
            if peer is not None and kind != "SDV":
                ratios[0] = f"{peer['fit_s'] / fit:.1f} x" if fit else ""
                ratios[1] = f"{peer['sample_s'] / got['sample_s']:.1f} x"
            rows.append(
                [
                    label(kind, got),
                    f"{fit:.3f}" if fit else "-",
                    ratios[0],
                    f"{speed:,.0f}",
                    ratios[1],
                    f"{got['large_rows'] / got['large_s']:,.0f}" if "large_s" in got else "",
                    f"{got['rows'] / got['arrow_sample_s']:,.0f}" if "large_s" in got else "",
                    f"{got['fit_mb']:.0f}" if "fit_mb" in got else "-",
                    f"{got['sample_mb']:.0f}",
                    *(f"{got[key]:.3f}" if key in got else "" for key in PARTS),
                ]
            )
        million = f"{large / 1e6:g} M"
        header = [
            f"{name}, {first['rows']:,} x {first['columns']}",
            "fit s",
            "SDV / it",
            "sample rows/s",
            "it / SDV",
            f"rows/s at {million}",
            "Arrow rows/s",
            "fit MB",
            "sample MB",
            *PARTS,
        ]
        parts.append(markdown(header, rows))
        heavy = [
            f"{kind} {got['large_mb']:.0f} MB for a table of {got['large_output_mb']:.0f} MB"
            for kind, got in found.items()
            if "large_mb" in got
        ]
        parts.append(f"Peak memory while sampling {million} rows: " + "; ".join(heavy) + ".")
    for when, kinds in results.get("cold", {}).items():
        told = "; ".join(
            f"{kind}: import {a:.2f} s, first fit {b:.2f} s, first sample {c:.2f} s"
            for kind, (a, b, c) in kinds.items()
        )
        parts.append(f"Cold start on {results['cold_set']}, {when}: {told}.")
    return "\n\n".join(parts)


PARTS = ("quality", "shapes", "pairs")


def main() -> None:
    """Run what was asked for."""
    options = parser(__doc__ or "", ("adult", "bank", "covertype", "diamonds"))
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--large", type=int, default=1_000_000, help="rows of the larger sample")
    options.add_argument("--without", nargs="*", default=[], choices=["SDV", "SMOTE"])
    options.add_argument("--keep", action="store_true", help="add to the sets of an earlier run")
    asked = options.parse_args()
    hush()
    peers = [k for k, there in (("SDV", has_sdv()), ("SMOTE", has_imblearn())) if there]
    name = asked.name or "table_speed"
    about = machine(
        "vicinal", "numpy", "numba", "pandas", "pyarrow", "sdv", "sdmetrics", "imbalanced-learn"
    )
    about += (
        f". Best of {asked.rounds} samples and {FIT_ROUNDS} fits, warm, pandas in and out, seed 0;"
        " as many rows drawn as learned. MB: peak above what the process held before."
    )
    results: dict[str, Any] = {"machine": about, "sets": {}}
    earlier = RESULTS / f"{name}.json"
    if asked.keep and earlier.exists():
        results |= json.loads(earlier.read_text(encoding="utf-8")) | {"machine": about}
    text = ""
    for set_name in asked.sets:
        data = load(set_name, asked.data)
        if data is None:
            continue
        found: dict[str, Any] = {}
        for kind in (*OURS, *peers):
            if kind in asked.without or (kind == "SMOTE" and data.task != "class"):
                continue
            progress(f"{set_name}: {kind}")
            found[kind] = in_fresh_process(
                time_one, set_name, asked.data, kind, asked.rounds, asked.large
            )
            found[kind] |= in_fresh_process(weigh_one, set_name, asked.data, kind, asked.large)
            if kind == "SMOTE":
                nominal = len(data.categories) > 1
                found[kind]["method"] = "SMOTENC" if nominal else "SMOTE"
        results["sets"][set_name] = found
        if "cold" not in results:
            results |= {"cold_set": set_name, "cold": cold_start(data)}
        text = render(results, about, asked.large)
        write(name, text, results)
    if text:
        print(text)
    else:
        skip("no data set was found; nothing to measure")


if __name__ == "__main__":
    main()
