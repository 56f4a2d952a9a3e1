"""Lines and planes through over-sampled rows: what they give away, and what each law learns.

First, by law, pairing and ratio of synthetic to real rows: how many of the real rows stand where
lines or planes through synthetic rows meet (recall), and how many such points are real rows
(precision); 30 rows of 8 Gaussian columns, and 30 of the rare class of mammography. Second, what
models learn from rows over-sampled by each law with ``MixupSampler`` and by SMOTE (``--learn``).

    python benchmarks/line_attack.py --seeds 3
    python benchmarks/line_attack.py --learn --seeds 5
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd

from _common import machine, markdown, parser, progress, publish
from vicinal import (
    Beta,
    EpBeta,
    Estimate,
    Farthest,
    LocalPermutation,
    Nearest,
    Permutation,
    Random,
    SphereWeights,
    Uniform,
    make_plan,
)
from vicinal.learn import MixupSampler
from vicinal.report.privacy.lines import reconstruction_attack
from vicinal.report.tables import align

LAWS = [SphereWeights(3), EpBeta(), SphereWeights(4), Uniform(), Beta(0.1)]
PAIRINGS = [Permutation(), Nearest(5), Random(), Farthest(0.1), LocalPermutation()]
RATIOS = (1, 5, 10, 40)
#: Rows of the class that is mixed, and of the unseen control.
ROWS = 30
LEARNED = {
    "mammography": ("mammography.csv", "class", 1),
    "ecoli, imU": ("ecoli.csv", "class", "imU"),
    "abalone, 19": ("abalone.csv", "rings", 19),
    "pima": ("pima_diabetes.csv", "outcome", 1),
}


def attacked(rows: np.ndarray, law, pairing, ratio: int, seed: int):
    """Attack rows mixed of the first half; the second is the control."""
    plan = make_plan(rows[:ROWS], ROWS * ratio, weights=law, pairing=pairing, random_state=seed)
    parts = rows[:ROWS], plan.apply(rows[:ROWS]), rows[ROWS:]
    tables = align(*(pd.DataFrame(one).add_prefix("x") for one in parts))
    return reconstruction_attack(tables, np.random.default_rng(seed))


def attack_rows(data: str, seeds: int, until: float) -> list[list[str]]:
    """Return precision and recall by law and pairing, a column for each ratio."""
    mammography = pd.read_csv(f"{data}/mammography.csv")
    rare = mammography[mammography["class"] == 1].drop(columns="class").drop_duplicates()
    rows = []
    for label in ("mammography", "Gaussian"):
        for law in LAWS:
            for pairing in PAIRINGS:
                cells = []
                for ratio in RATIOS:
                    told = []
                    for seed in range(seeds):
                        rng = np.random.default_rng(seed)
                        drawn = rng.normal(size=(2 * ROWS, 8))
                        if label != "Gaussian":
                            drawn = rare.sample(2 * ROWS, random_state=seed).to_numpy()
                        if time.monotonic() > until:
                            continue
                        found = attacked(drawn, law, pairing, ratio, seed)
                        told.append((found.precision.value, found.recall.value))
                    if not told:
                        cells.append("not run")
                        continue
                    some = [one for one, _ in told if not np.isnan(one)]
                    precision = f"{np.mean(some):.2f}" if some else "-"
                    cells.append(f"{precision} / {np.mean([r for _, r in told]):.2f}")
                rows.append([label, repr(law), repr(pairing), *cells])
                progress(" | ".join(rows[-1]))
    return rows


def learning_rows(data: str, seeds: int) -> list[list[str]]:
    """Return AUC and Brier score after over-sampling the rare class to the size of the other."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score, roc_auc_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ways = {
        "nothing": None,
        "EpBeta (two parents)": MixupSampler(weights=EpBeta()),
        "SphereWeights(3)": MixupSampler(weights=SphereWeights(3)),
        "SphereWeights(4)": MixupSampler(weights=SphereWeights(4)),
    }
    try:
        from imblearn.over_sampling import SMOTE

        ways["SMOTE"] = SMOTE()
    except ImportError:
        progress("imbalanced-learn is absent: no SMOTE")
    rows = []
    for label, (file, target, rare) in LEARNED.items():
        table = pd.read_csv(f"{data}/{file}")
        y = (table[target] == rare).to_numpy().astype(int)
        X = table.drop(columns=target).select_dtypes("number").to_numpy(float)
        for model in (
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
            HistGradientBoostingClassifier(max_iter=60, random_state=0),
        ):
            for name, way in ways.items():
                told = []
                for seed in range(seeds):
                    parts = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
                    train, labels = parts[0], parts[2]
                    if way is not None:
                        train, labels = way.set_params(random_state=seed).fit_resample(
                            train, labels
                        )
                    score = model.fit(train, labels).predict_proba(parts[1])[:, 1]
                    told.append(
                        [roc_auc_score(parts[3], score), average_precision_score(parts[3], score)]
                    )
                means = [str(Estimate.of_repeats(one)) for one in zip(*told, strict=True)]
                kind = "logistic" if hasattr(model, "steps") else "boosted trees"
                rows.append([label, kind, name, *means])
                progress(" | ".join(rows[-1]))
    return rows


def main() -> None:
    """Print one of the tables."""
    options = parser(__doc__ or "")
    options.add_argument("--data", default="../shared/data")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--minutes", type=float, default=30, help="of attacks, at most")
    options.add_argument("--learn", action="store_true", help="what models learn")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    where = machine("numpy", "scikit-learn", "imbalanced-learn")
    if asked.learn:
        lines = [
            "# What models learn from over-sampled rows",
            "The rare class over-sampled to the size of the rest, half of the rows for testing, "
            f"{asked.seeds} splits (95 % intervals of the mean); no test row chose anything. "
            f"{where}.",
            markdown(
                ["table", "model", "over-sampled by", "ROC AUC", "average precision"],
                learning_rows(asked.data, asked.seeds),
            ),
        ]
        publish(asked.name or "over_sampling", "\n\n".join(lines))
        return
    until = time.monotonic() + 60 * asked.minutes
    lines = [
        "# Rows found again by lines and planes",
        f"Precision / recall, mean of {asked.seeds} seeds; {ROWS} rows mixed, {ROWS} unseen; "
        f"{where}.",
        markdown(
            ["rows", "law", "pairing", *(f"ratio {ratio}" for ratio in RATIOS)],
            attack_rows(asked.data, asked.seeds, until),
        ),
    ]
    publish(asked.name or "line_attack", "\n\n".join(lines))


if __name__ == "__main__":
    main()
