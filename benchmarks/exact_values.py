"""Numbers that one person alone holds: how many are written out again, of training and unseen rows.

Half of each table trains, half stays unseen. A hit is a value of a column of numbers that one row
of its half holds, and none of the other half, and that stands in the synthetic table of as many
rows as there are training rows. Who meets a value learns nothing where both halves are hit alike.
Columns of 20 values or fewer are left out. Wilson intervals of the shares, which know nothing of
how much two halves differ; the interval of the difference is over splits. The table is in
``benchmarks/results/exact_values.md``.

    python benchmarks/exact_values.py --seeds 20
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from _common import machine, markdown, parser, progress, publish
from vicinal import Estimate
from vicinal.table import PRIVACY, TableSynthesizer

SETS = {
    "insurance": ("insurance.csv", None),
    "credit-g": ("credit_g.csv", "default"),
    "pima": ("pima_diabetes.csv", "outcome"),
    "titanic": ("titanic.csv", "survived"),
}


def hits(half: pd.DataFrame, other: pd.DataFrame, made: pd.DataFrame) -> tuple[int, int]:
    """Return how many values of one row of a half were written, and how many there are."""
    found = total = 0
    for name in half.select_dtypes("number"):
        if name not in made or pd.concat([half, other])[name].nunique() <= 20:
            continue
        values = half[name].dropna()
        own = values[~values.duplicated(keep=False) & ~values.isin(other[name])]
        found, total = found + int(own.isin(made[name]).sum()), total + len(own)
    return found, total


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--data", default="../shared/data")
    options.add_argument("--seeds", type=int, default=20)
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for label, (file, target) in SETS.items():
        table = pd.read_csv(f"{asked.data}/{file}")
        for privacy in PRIVACY:
            told, gaps = np.zeros((2, 2), int), []
            for seed in range(asked.seeds):
                order, half = np.random.default_rng(seed).permutation(len(table)), len(table) // 2
                train, unseen = table.iloc[order[:half]], table.iloc[order[half:]]
                model = TableSynthesizer(privacy, target=target, random_state=seed).fit(train)
                made = model.sample(half)
                both = np.array([hits(train, unseen, made), hits(unseen, train, made)])
                told += both
                gaps.append(float(np.subtract(*(both[:, 0] / both[:, 1]))))
            seen, chance = (Estimate.of_share(*one) for one in told.tolist())
            gap = str(Estimate.of_repeats(gaps))
            rows.append([label, privacy, told[0, 1], str(seen), str(chance), gap])
            progress(" | ".join(map(str, rows[-1])))
    head = ["table", "privacy", "values", "of training rows", "of unseen rows", "difference"]
    text = "\n\n".join(
        [
            "# Values that one row alone holds, written out again",
            f"{asked.seeds} half splits of each table; {machine('numpy', 'pyarrow')}.",
            markdown(head, rows),
        ]
    )
    publish(asked.name or "exact_values", text)


if __name__ == "__main__":
    main()
