"""Global utility: how well every column is predicted from the others by who learned synthetic rows.

Run with ``python benchmarks/global_utility.py --data ../shared/data``. TabStruct (Jiang et al.,
2025) measures with it, without knowing the causes, whether a table keeps its structure: each column
in turn is the target; a model learns synthetic rows and is tested on rows put aside; its score is
divided by that of a model that learned the real rows (numbers: RMSE of the real one divided by that
of the synthetic one), and the mean over columns is 1 where nothing is lost. TabStruct itself does
not install here (its ``tabeval`` fits no version of the other packages, its data and models come
from hubs); what differs: one kind of model, boosted trees, in place of nine, the area under the ROC
curve in place of balanced accuracy, and no columns with gaps or with more than five classes as
targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from _common import SETS, Dataset, hush, load, machine, markdown, parser, progress, publish
from _measures import parts, utility
from _peers import ours, peers

MOST_CLASSES = 5
WHO = ("vicinal off", "vicinal balanced", "vicinal high", "vicinal max", "bootstrap")
COPULA = "SDV GaussianCopula"


def targets(data: Dataset, learn: Any) -> dict[str, str]:
    """Return the columns that can be predicted, and whether each is a class or a number."""
    found = {}
    for name, values in learn.items():
        kind = "class" if name in data.categories else "number"
        fits = values.nunique() >= 2 and (kind == "number" or values.nunique() <= MOST_CLASSES)
        if fits and not values.isna().any() and not data.frame[name].isna().any():
            found[name] = kind
    return found


def scores(data: Dataset, asked: dict[str, str], rows: Any, test: Any, seed: int) -> list[float]:
    """Return how well each column is predicted: AUC of classes, of numbers the inverse error."""
    found = []
    for name, task in asked.items():
        known = test[test[name].isin(rows[name].unique())] if task == "class" else test
        score = utility(replace(data, target=name, task=task), rows, known, seed)
        found.append(1 / np.sqrt(max(1 - score, 1e-12)) if task == "number" else score)
    return found


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "", list(SETS))
    options.add_argument("--rows", type=int, default=2_000, help="most rows to learn")
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked = options.parse_args()
    hush()
    kinds = ours() | peers()
    names = [name for name in (*WHO, COPULA) if name in kinds]
    rows = []
    for set_name in asked.sets:
        data = load(set_name, asked.data)
        if data is None:
            continue
        found: dict[str, list[float]] = {name: [] for name in names}
        for seed in asked.seeds:
            learn, _, test = parts(data, seed, asked.rows)
            asked_for = targets(data, learn)
            real = scores(data, asked_for, learn, test, seed)
            for name in names:
                progress(f"{set_name}, {name}, seed {seed}")
                made = kinds[name](data, seed)
                made.fit(learn)
                kept = scores(data, asked_for, made.sample(len(learn)), test, seed)
                found[name].append(float(np.mean(np.divide(kept, real))))
        rows.append([f"{set_name} ({len(learn):,})", *(np.mean(found[name]) for name in names)])
    means = ["mean", *(np.mean([row[at] for row in rows]) for at in range(1, len(names) + 1))]
    cells = [[row[0], *(f"{value:.3f}" for value in row[1:])] for row in [*rows, means]]
    text = "\n\n".join(
        [
            "# Global utility",
            f"{machine('numpy', 'pandas', 'scikit-learn')}. Seeds {asked.seeds}; at most "
            f"{asked.rows:,} rows learned; 1 is what real rows teach.",
            markdown(["set (rows)", *names], cells),
        ]
    )
    publish(asked.name or "global_utility", text)


if __name__ == "__main__":
    main()
