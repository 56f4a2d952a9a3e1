"""How far is far: macro-F1 against tau, the share of the texts that partners are drawn from.

Run with ``python benchmarks/dmix_threshold.py --seeds 5 --budget-minutes 60``: the shape of the
DMIX paper's Figure 1, by hyperbolic distance. Sets, models, settings and the way that runs are
kept are those of ``dmix_table1.py``, whose settings are chosen first where they were not yet.
At 100 % any text may be a partner, which is plain mixup at hidden layers (the dashed line). The
picture, with 95 % intervals over seeds, goes to ``docs/pictures/dmix_threshold.png`` where
Matplotlib is installed.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from pathlib import Path

import numpy as np

import dmix_table1
from _common import machine, markdown, skip
from _jobs import Store, read_lines
from _texts import RESULTS, SETS, hash_of, mean_interval, settings_of
from vicinal.text.classifier.comparison import holm, paired_p

NAME = "dmix_threshold"
TAUS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / f"{NAME}.png"
_METHOD = "hyperbolic"


def gather(path: Path) -> dict[str, dict[float, dict[int, float]]]:
    """Return macro-F1 by set, tau and seed, of runs with the settings of now."""
    found: dict[str, dict[float, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in read_lines(path):
        for tau in TAUS:
            if record["settings"] == hash_of(settings_of(record["set"], _METHOD, {"tau": tau})):
                found[record["set"]][tau][record["seed"]] = record["f1"]
    return found


def render(path: Path) -> str:
    """Return the table of the runs there are, and draw them."""
    runs = gather(path)
    rows, curves, p_values = [], {}, []
    for name, by_tau in runs.items():
        seeds = sorted(set.intersection(*(set(by_tau[tau]) for tau in TAUS)))
        if seeds:
            f1 = np.array([[by_tau[tau][seed] for seed in seeds] for tau in TAUS])
            curves[name] = f1
            p_values += [paired_p(f1[at] - f1[-1]) for at in range(len(TAUS) - 1)]
    if not curves:
        return "There are no complete rows of runs yet."
    corrected = iter(holm(p_values))
    for name, f1 in curves.items():
        marks = ["*" if next(corrected) < 0.05 else "" for _ in TAUS[:-1]] + [""]
        cells = []
        for row, mark in zip(f1, marks, strict=True):
            mean, half = mean_interval(row)
            spread = "" if math.isnan(half) else f" ± {100 * half:.1f}"
            cells.append(f"{100 * mean:.1f}{spread}{mark}")
        rows.append([name, f1.shape[1], *cells])
    _draw(curves)
    header = ["set", "seeds", *(f"{tau:.0%}" for tau in TAUS)]
    return "\n\n".join(
        [
            "Macro-F1 in points by tau, mean and 95 % t-interval over seeds. A star marks a "
            "difference to 100 % whose paired t-test stays below 0.05 after Holm's correction "
            "over all cells.",
            markdown(header, rows),
            machine("torch", "transformers", "vicinal"),
        ]
    )


def _draw(curves: dict[str, np.ndarray]) -> None:
    try:
        import matplotlib
    except ImportError:
        skip("the picture: Matplotlib is not installed")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(4 * len(curves), 3.2), squeeze=False)
    for axis, (name, f1) in zip(axes[0], curves.items(), strict=True):
        mean, half = np.array([mean_interval(row) for row in f1]).T
        axis.errorbar(range(len(TAUS)), 100 * mean, 100 * np.nan_to_num(half), fmt="o-", capsize=3)
        axis.set_xticks(range(len(TAUS)), [f"{100 * tau:g}" for tau in TAUS])
        axis.axhline(100 * mean[-1], color="0.7", linestyle="--", linewidth=1, zorder=0)
        axis.set_title(f"{name}, {f1.shape[1]} seed{'s'[: f1.shape[1] > 1]}")
        axis.set_xlabel("tau, per cent of the texts")
    axes[0, 0].set_ylabel("macro-F1, points")
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)


def main() -> None:
    """Run what is missing, write the table and draw the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--sets", nargs="+", default=["Gujarati", "TREC-6", "SST-2"], choices=list(SETS)
    )
    parser.add_argument("--budget-minutes", type=float, default=math.inf)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--render", action="store_true", help="write the table, run nothing")
    args = parser.parse_args()
    path = RESULTS / f"{NAME}.jsonl.gz"
    if not args.render:
        budget = dmix_table1.Budget(args.budget_minutes, args.workers)
        dmix_table1.select(Store(RESULTS / "dmix_table1.jsonl.gz", dmix_table1.KEYS), budget)
        jobs = [
            (name, _METHOD, seed, "test", {"tau": tau})
            for seed in range(args.seeds)
            for name in args.sets
            for tau in TAUS
        ]
        dmix_table1.work(Store(path, dmix_table1.KEYS), jobs, budget)
    text = render(path)
    print(text)
    path.with_suffix("").with_suffix(".md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
