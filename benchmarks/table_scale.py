"""What a synthetic table costs against its rows and its columns.

Run with ``python benchmarks/table_scale.py``. Tables are made up of float32 columns, and where
neighborhoods are used of categories too, that depend on a few hidden factors. Each case is fitted
and sampled, as many rows as it learned, in a process of its own, warmed up first. Printed are
seconds, the peak of memory above what the process held before (the table that it learns from is
not counted), and the slope of a straight line through log seconds against log size: 1 is linear.

Memory is watched from another process in the same run; the table is Arrow in and Arrow out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from _common import (
    in_fresh_process,
    machine,
    markdown,
    parser,
    peak_memory,
    progress,
    seconds,
    write,
)

FACTORS = 4
#: Columns of the runs with neighborhoods, and how many of them are categories.
MIXED, CATEGORIES = 15, 5
WARM_UP_ROWS = 5000


def made_up(n_rows: int, n_columns: int, categories: int = 0) -> Any:
    """Return an Arrow table of float32 columns and categories with a few common factors."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    factors = rng.standard_normal((n_rows, FACTORS), dtype=np.float32)
    loads = rng.standard_normal((FACTORS, n_columns), dtype=np.float32)
    columns = {}
    for at in range(n_columns):
        noise = rng.standard_normal(n_rows, dtype=np.float32)
        values = factors @ loads[:, at] + noise
        if at < categories:  # three to so many levels more
            edges = np.quantile(values, np.sort(rng.random(2 + at)))
            values = np.array([f"level {one}" for one in range(3 + at)])[
                np.searchsorted(edges, values)
            ]
        columns[f"x{at}"] = values
    return pa.table(columns)


def run_one(privacy: str, n_rows: int, n_columns: int) -> dict[str, float]:
    """Return seconds and peak memory of fit and sample."""
    from vicinal.table import TableSynthesizer

    categories = CATEGORIES if n_columns == MIXED else 0
    first = made_up(WARM_UP_ROWS, n_columns, categories)
    TableSynthesizer(privacy, random_state=0).fit(first).sample()
    table = made_up(n_rows, n_columns, categories)
    model = TableSynthesizer(privacy, random_state=0)
    found: dict[str, float] = {"rows": n_rows, "columns": n_columns}
    found["table_mb"] = table.nbytes / 1e6
    with peak_memory() as fit:
        found["fit_s"] = seconds(lambda: model.fit(table))
    with peak_memory() as sample:
        found["sample_s"] = seconds(model.sample)
    return found | {"fit_mb": fit.megabytes, "sample_mb": sample.megabytes}


def slope(cases: list[dict[str, float]], size: str, key: str) -> float:
    """Return the slope of log cost against log size."""
    sizes, costs = (np.log([case[which] for case in cases]) for which in (size, key))
    return float(np.polyfit(sizes, costs, 1)[0])


def render(title: str, size: str, cases: list[dict[str, float]]) -> str:
    """Return one table and its slopes in Markdown."""
    rows = [
        [
            f"{case[size]:,}",
            f"{case['fit_s']:.3f}",
            f"{case['sample_s']:.3f}",
            f"{case['rows'] / case['sample_s']:,.0f}",
            f"{case['table_mb']:.0f}",
            f"{case['fit_mb']:.0f}",
            f"{case['sample_mb']:.0f}",
        ]
        for case in cases
    ]
    header = [title, "fit s", "sample s", "rows/s", "table MB", "fit MB", "sample MB"]
    text = markdown(header, rows)
    if len(cases) > 1:
        fit, sample = (slope(cases, size, key) for key in ("fit_s", "sample_s"))
        text += f"\n\nSlope: fit {fit:.2f}, sample {sample:.2f}."
    if len(cases) > 3:
        fit, sample = (slope(cases[-3:], size, key) for key in ("fit_s", "sample_s"))
        text += f" Over the three largest: fit {fit:.2f}, sample {sample:.2f}."
    return text


def main() -> None:
    """Run what was asked for."""
    options = parser(__doc__ or "")
    options.add_argument(
        "--rows", type=int, nargs="*", default=[10**4, 10**5, 10**6, 10**7], help="with 16 columns"
    )
    options.add_argument(
        "--near-rows", type=int, nargs="*", default=[10**4, 10**5, 10**6], help="neighborhoods"
    )
    options.add_argument(
        "--columns", type=int, nargs="*", default=[4, 16, 64, 256], help="with 100,000 rows"
    )
    options.add_argument("--near", default="balanced", help="setting that uses neighborhoods")
    asked = options.parse_args()
    runs = [
        ("off, 16 columns; rows", "rows", "off", [(n, 16) for n in asked.rows]),
        (
            f"{asked.near}, {MIXED} mixed columns; rows",
            "rows",
            asked.near,
            [(n, MIXED) for n in asked.near_rows],
        ),
        ("off, 100,000 rows; columns", "columns", "off", [(100_000, d) for d in asked.columns]),
    ]
    about = machine("vicinal", "numpy", "numba", "pyarrow")
    about += f". float32 columns ({CATEGORIES} of {MIXED} are categories), Arrow in and out, "
    about += "seed 0, one run each after a warm-up."
    text, kept = about, {}
    for title, _size, privacy, sizes in runs:
        cases = []
        for n_rows, n_columns in sizes:
            progress(f"{privacy}: {n_rows:,} x {n_columns}")
            cases.append(in_fresh_process(run_one, privacy, n_rows, n_columns))
            kept[title] = cases  # written as it goes: a run cut short keeps what it has
            parts = [render(name, by, kept[name]) for name, by, *_ in runs if name in kept]
            text = "\n\n".join([about, *parts])
            write(asked.name or "table_scale", text)
    print(text)


if __name__ == "__main__":
    main()
