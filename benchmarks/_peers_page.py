"""What the comparison of generators looks like: tables in Markdown, and the picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _common import markdown, progress, skip
from _peers import ours, peers
from _verdict import CLAIMS, Results, counts, shortfalls

#: Rows of the large draw, by which sampling is timed.
BULK_ROWS = 100_000
#: Rows of the same source that nobody learned, as if they were synthetic.
REAL = "real"


def shown(found: Results, set_name: str, generator: str, key: str) -> str:
    """Return a mean over seeds and the half width of its interval."""
    one = found.estimate(set_name, generator, key)
    if np.isnan(one.value):
        return "-"
    return f"{one.value:.3f}" + ("" if np.isnan(one.low) else f" ± {one.high - one.value:.3f}")


def mean(found: Results, set_name: str, generator: str, key: str) -> float:
    """Return a mean over seeds; NaN where not measured."""
    return found.estimate(set_name, generator, key).value


def brief(value: float, digits: int = 2) -> str:
    """Return a figure to so many significant digits, with commas."""
    if np.isnan(value):
        return "-"
    if value >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def table_of(found: Results, set_name: str, generators: Sequence[str]) -> str:
    """Return the table of one set in Markdown."""
    any_run = next(run for name in generators for run in found.runs(set_name, name))
    what = "AUC" if any_run["task"] == "class" else "R2"
    header = [
        f"{set_name}, {any_run['rows']:,} rows",
        *("quality", "DCR share, Gower", "DCR share, Euclid"),
        *("copies", f"utility, {what}", "seeds"),
        *("fit, s", "sample, s", "rows/s", "MB"),
    ]
    rows = []
    for name in generators:
        runs = found.runs(set_name, name)
        if not runs:
            continue
        keys = ("quality", "closer_gower", "closer", "copies", "utility")
        costs = [mean(found, set_name, name, key) for key in ("fit", "sample", "bulk", "megabytes")]
        costs[2] = float(f"{BULK_ROWS / costs[2]:.2g}")
        rows.append(
            [
                name,
                *(shown(found, set_name, name, key) for key in keys),
                len(runs),
                *map(brief, costs),
            ]
        )
    return markdown(header, rows)


def averages(found: Results, sets: Sequence[str], generators: Sequence[str]) -> str:
    """Return the table of means over sets, and of how much slower than ours peers are."""
    keys = ("quality", "closer_gower", "closer", "copies", "utility")
    rows = []
    for name in generators:
        there = [one for one in sets if found.runs(one, name)]
        if not there:
            continue
        means = [np.mean([mean(found, one, name, key) for one in there]) for key in keys]
        lost = [
            mean(found, one, name, "utility") - mean(found, one, REAL, "utility") for one in there
        ]
        total = np.median([mean(found, one, name, "total") for one in there])
        speed = BULK_ROWS / np.median([mean(found, one, name, "bulk") for one in there])
        figures = [f"{value:.3f}" for value in [*means, np.mean(lost)]]
        figures = ["-" if figure == "nan" else figure for figure in figures]
        rows.append([name, *figures, brief(float(total)), brief(float(f"{speed:.2g}")), len(there)])
    header = ["mean over sets", "quality", "DCR share, Gower", "DCR share, Euclid", "copies"]
    header += ["utility", "utility - real", "fit + sample, s (median)", "rows/s (median)", "sets"]
    return markdown(header, rows)


def notes(found: Results, sets: Sequence[str], options: argparse.Namespace) -> str:
    """Say how the peers were made generators of, and what was cut."""
    lines = [
        f"Seeds {', '.join(map(str, options.seeds))} (of split and generator); mean ± 95 % "
        "interval (Student's t) over seeds, paired where two generators are compared. Every run "
        f"has {options.share} core(s) and as many threads, {options.slots} runs at a time; code is "
        "loaded and warm. "
        f"rows/s is that of a draw of {BULK_ROWS:,} rows with the first seed, least time of up to "
        "three.",
        "Peers have their defaults. SMOTE(NC) draws new rows within classes, each class by its "
        "share, and only those are kept; smoothed bootstrap is RandomOverSampler(shrinkage=1), "
        "which takes numbers alone: the categories are those of the row. Both know classes only: "
        "a numeric target is cut into 10 quantile classes, and mixed like any other number. "
        "Whole numbers are rounded, gaps are carried as a category.",
    ]
    epochs = []
    for name in sets:
        said = {
            generator: runs[0]["settings"].split("; ")[1]
            for generator in ("SDV CTGAN", "SDV TVAE")
            if (runs := found.runs(name, generator))
        }
        if said:
            epochs.append(f"{name} {' and '.join(one.split()[0] for one in said.values())}")
    if epochs:
        lines.append(
            "CTGAN and TVAE train for fewer than SDV's 300 epochs where tables are large, so that "
            "10,000 rows take about a minute of one core; their quality and utility would grow "
            f"with more. Epochs of the two: {'; '.join(epochs)}. Sets of more than "
            f"{options.neural_rows:,} learned rows have one seed of them, unless "
            "the table says otherwise."
        )
    failed = [
        f"{one['generator']} on {one['set']}, seed {one['seed']} ({one['failed']})"
        for one in found.failures()
    ]
    if failed:
        lines.append("Failed: " + "; ".join(failed) + ".")
    return "\n\n".join(lines)


def render(found: Results, sets: Sequence[str], about: str, options: argparse.Namespace) -> str:
    """Return the whole result in Markdown."""
    settings, others = list(ours()), list(peers())
    names = [REAL, *settings, *others]
    rows = counts(found, sets, others, settings)
    short = shortfalls(found, sets, others, settings)
    blocks = [
        about,
        notes(found, sets, options),
        "## Over all sets",
        averages(found, sets, names),
        "## Who is at least as good as whom",
        "On how many sets some setting of ours has at least the peer's quality, at most its DCR "
        "share (Gower; under 0.5 counts as 0.5) and at least its utility: by means over seeds, "
        "and as far as the seeds can tell (the interval of the difference reaches 0).",
        markdown(["peer", *(claim.title.strip() for claim in CLAIMS)], rows),
    ]
    if short:
        blocks += [
            "Where no setting has all three by the means and 50 times both speeds: the setting "
            "that comes nearest, what it lacks (less than 0: worse by so much), and whether some "
            "setting has all three within intervals.",
            _left(markdown(["peer", "set", "nearest", "lacks", "within intervals"], short)),
        ]
    blocks.append("## Set by set")
    blocks += [table_of(found, name, names) for name in sets]
    return "\n\n".join(blocks)


def _left(table: str) -> str:
    """Return a Markdown table with its words to the left."""
    lines = table.split("\n")
    lines[1] = lines[1].replace("---:", "---")
    return "\n".join(lines)


def draw(found: Results, sets: Sequence[str], path: Path) -> None:
    """Draw fidelity against privacy, one panel for each set."""
    try:
        import matplotlib as mpl
    except ImportError:
        skip("no picture: matplotlib is not installed")
        return
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    settings, others = list(ours()), list(peers())
    blues = ["#9ecae1", "#4292c6", "#08519c", "#041f3d", "#020f1e"]
    warm = ["#8a8a8a", "#e6a100", "#c0504d", "#2e8b57", "#9467bd", "#e377c2"]
    marks = dict(zip(others, "sDv^P<X", strict=False))
    colors = dict(zip(settings, blues, strict=False)) | dict(zip(others, warm, strict=False))
    wide = min(len(sets), min((4, 5, 3), key=lambda each: -len(sets) % each))
    tall = -(-len(sets) // wide)
    figure, axes = plt.subplots(
        tall,
        wide,
        figsize=(max(5.6, 2.8 * wide), 2.5 * tall + 1.1),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    handles: dict[str, Any] = {}
    lowest_seen = 1.0
    for axis, set_name in zip(axes.flat, sets, strict=False):
        axis.axvline(0.5, color="#cccccc", linewidth=1, zorder=0)
        trail = []
        for name in [*others, *settings]:
            x, y = (found.estimate(set_name, name, key) for key in ("closer_gower", "quality"))
            if np.isnan(x.value) or np.isnan(y.value):
                continue
            handles[name] = axis.errorbar(
                x.value,
                y.value,
                xerr=np.nan_to_num(x.high - x.value),
                yerr=np.nan_to_num(y.high - y.value),
                fmt=marks.get(name, "o"),
                color=colors[name],
                markersize=6.5 if name in settings else 5.5,
                elinewidth=0.8,
                ecolor=(colors[name], 0.45),
                zorder=4 if name in settings else 3,
            )
            if name in settings:
                trail.append((x.value, y.value))
            lowest_seen = min(lowest_seen, y.value)
        if trail:
            axis.plot(*zip(*trail, strict=True), color="#9ecae1", linewidth=1.5, zorder=1)
        rows = next(run["rows"] for name in colors for run in found.runs(set_name, name))
        axis.set_title(f"{set_name} ({rows:,} rows)", fontsize=9)
        axis.set_xlim(0.42, 1.03)
        axis.grid(alpha=0.2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    # bars of few seeds may reach anywhere: points decide what is shown
    axes.flat[0].set_ylim(max(0.3, lowest_seen - 0.04), 1.015)
    for axis in list(axes.flat)[len(sets) :]:
        axis.set_visible(False)
    for column in range(wide):  # the lowest panel of each column has the numbers
        lowest = max(row for row in range(tall) if row * wide + column < len(sets))
        axes[lowest, column].tick_params(labelbottom=True)
    width, height = figure.get_size_inches()
    order = [name for name in [*settings, *others] if name in handles]
    columns = max(2, min(len(order), int(width / 1.9)))
    lines = -(-len(order) // columns)
    figure.legend(
        [handles[name] for name in order],
        order,
        loc="lower center",
        ncol=columns,
        frameon=False,
        fontsize=9,
    )
    bottom = (0.2 + 0.21 * lines) / height
    what = "share closer to a learned row" + (" than to a hold-out row" if width > 7 else "")
    figure.supxlabel(f"{what} (0.5 is ideal)", y=bottom, fontsize=9.5)
    figure.supylabel("SDMetrics quality", fontsize=9.5)
    figure.tight_layout(rect=(0, bottom + 0.1 / height, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, facecolor="white")
    plt.close(figure)
    progress(f"picture: {path}")
