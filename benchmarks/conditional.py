"""Rows that meet a condition, beside real rows that meet it.

Of Adult 20,000 rows are learned, and rows drawn that meet conditions on several columns and on
ranges. Every drawn row must meet them; how well boosted trees tell as many drawn rows from unseen
real rows that meet them (out of fold, 0.5 is a guess) says what became of the other columns. Beside
it the same for training rows that meet the condition: what real rows of another draw give.

    python benchmarks/conditional.py --seeds 3
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from _common import hush, load, machine, markdown, parser, progress, publish
from vicinal import Estimate
from vicinal.report.fidelity.twosample import two_sample_test
from vicinal.report.tables import align
from vicinal.table import TableSynthesizer

CONDITIONS = {
    "income=>50K, sex=Female": lambda t: (t["income"] == ">50K") & (t["sex"] == "Female"),
    "education=Bachelors, age>=30, age<=45": lambda t: (
        (t["education"] == "Bachelors") & t["age"].between(30, 45)
    ),
    "hours_per_week>=50, marital_status=Married-civ-spouse": lambda t: (
        (t["hours_per_week"] >= 50) & (t["marital_status"] == "Married-civ-spouse")
    ),
    "workclass=Private, age>=20, age<=25": lambda t: (
        (t["workclass"] == "Private") & t["age"].between(20, 25)
    ),
}
N_LEARNED = 20_000


def area(real: pd.DataFrame, other: pd.DataFrame, seed: int) -> float:
    """Return how well trees tell the tables apart."""
    rows = min(len(real), len(other))
    tables = align(real.head(rows), other.head(rows))
    return float(two_sample_test(tables, np.random.default_rng(seed)).auc.value)


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "", ["adult"])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--privacy", nargs="+", default=["balanced", "high"])
    asked = options.parse_args()
    hush()
    data = load("adult", asked.data)
    rows = []
    for privacy in asked.privacy if data is not None else ():
        found: dict[str, list[list[float]]] = {one: [] for one in CONDITIONS}
        for seed in range(asked.seeds):
            frame = data.frame.sample(frac=1, random_state=seed, ignore_index=True)
            train, unseen = frame.head(N_LEARNED), frame.iloc[N_LEARNED:].reset_index(drop=True)
            model = TableSynthesizer(privacy, target=data.target, random_state=seed).fit(train)
            for text, holds in CONDITIONS.items():
                real, same = unseen[holds(unseen)], train[holds(train)]
                made = model.sample(len(real), where=text.split(", "))
                told = [area(real, made, seed), area(real, same, seed)]
                found[text].append([float(holds(made).mean()), len(real), *told])
                progress(f"{privacy}, {text}, seed {seed}: {found[text][-1]}")
        for text, of_one in found.items():
            met, n_rows, drawn, same = zip(*of_one, strict=True)
            figures = [str(Estimate.of_repeats(list(one))) for one in (drawn, same)]
            rows.append([privacy, text, f"{np.mean(n_rows):.0f}", f"{min(met):.3f}", *figures])
    head = ["privacy", "condition", "real rows", "meet it", "two-sample AUC", "of training rows"]
    text = "\n\n".join(
        [
            "# Rows that meet a condition, beside unseen real rows that meet it",
            f"Adult, {N_LEARNED:,} rows learned, {asked.seeds} splits, 95 % intervals over splits; "
            f"{machine('numpy', 'scikit-learn')}.",
            markdown(head, rows),
        ]
    )
    publish(asked.name or "conditional", text)


if __name__ == "__main__":
    main()
