"""Verdicts on tables of our own: whether chance calls one poor.

For each table and seed: `TableSynthesizer` with default settings learns the rows, and `audit`
judges it with unseen rows of its own. Tables of more rows are cut to ``--rows``, drawn by the seed.
The table of grades, and the figures that kept a grade down, is in
``benchmarks/results/verdicts.md``.

    python benchmarks/verdicts.py --seeds 5
"""

from __future__ import annotations

import warnings
from collections import Counter

import pandas as pd

from _common import machine, markdown, parser, publish
from vicinal.report import audit
from vicinal.table import TableSynthesizer

SETS = {
    "insurance": ("insurance.csv", "charges"),
    "pima": ("pima_diabetes.csv", "outcome"),
    "titanic": ("titanic.csv", "survived"),
    "credit-g": ("credit_g.csv", "default"),
    "bank": ("bank_marketing.csv.gz", "y"),
    "Adult": ("adult_income.csv.gz", "income"),
}


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--data", default="../shared/data")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--rows", type=int, default=4_000)
    options.add_argument("--sets", default=",".join(SETS))
    options.add_argument("--privacy", default="balanced")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    rows, reasons = [], []
    for label in asked.sets.split(","):
        file, target = SETS[label]
        whole = pd.read_csv(f"{asked.data}/{file}")
        grades: dict[str, Counter[str]] = {
            name: Counter() for name in ("fidelity", "privacy", "utility")
        }
        for seed in range(asked.seeds):
            table = whole.sample(min(len(whole), asked.rows), random_state=seed)
            model = TableSynthesizer(asked.privacy, target=target, random_state=seed).fit(table)
            for one in audit(model, table, random_state=seed).verdict.figures:
                grades[one.name][one.grade] += 1
                reasons += [f"* {label}, seed {seed}, {one.name}: {why}" for why in one.reasons]
            print(label, seed, {name: dict(found) for name, found in grades.items()}, flush=True)
        said = (", ".join(f"{g} {n}" for g, n in one.most_common()) for one in grades.values())
        rows.append([label, f"{len(table):,}", *said])
    text = "\n\n".join(
        [
            "# Verdicts on tables of our own",
            f"`{asked.privacy}`, {asked.seeds} seeds a table; half of the rows train the audit "
            f"model. {machine('numpy', 'pyarrow', 'scikit-learn')}.",
            markdown(["table", "rows", "fidelity", "privacy", "utility"], rows),
            "What kept a grade from being good:",
            "\n".join(reasons),
        ]
    )
    publish(asked.name or "verdicts", text)


if __name__ == "__main__":
    main()
