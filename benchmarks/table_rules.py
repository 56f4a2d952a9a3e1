"""Rules between columns: found where they hold, kept in every synthetic row, and nowhere else.

For each table: the rules that every row keeps, seconds to find them, synthetic rows that break one
at each privacy setting, and rules found in 20 tables whose columns were shuffled apart (false
alarms; grids of single columns are not counted, for shuffling keeps them). The table is in
``benchmarks/results/table_rules.md``.

    python benchmarks/table_rules.py
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pyarrow as pa

from _common import machine, markdown, parser, publish
from vicinal.io import read_table
from vicinal.table import PRIVACY, TableSynthesizer
from vicinal.table.rules import find_rules

SETS = {
    "Ames": "ames_housing.csv.gz",
    "Beijing": "beijing_pm25.csv.gz",
    "Adult": "adult_income.csv.gz",
    "bank": "bank_marketing.csv.gz",
    "diamonds": "diamonds.csv.gz",
    "credit default": "credit_default.csv.gz",
}
SHUFFLES, ROWS = 20, 10_000


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "")
    options.add_argument("--data", default="../shared/data")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    rows, texts = [], []
    for label, file in SETS.items():
        table = read_table(f"{asked.data}/{file}")
        start = time.perf_counter()
        rules = find_rules(table)
        seconds = time.perf_counter() - start
        broken = []
        for privacy in PRIVACY:
            model = TableSynthesizer(privacy, random_state=0, identifiers="replace").fit(table)
            made = model.sample(ROWS)
            broken.append(sum(rule.violations(made) for rule in model.rules_))
        alarms = 0
        for seed in range(SHUFFLES):
            rng = np.random.default_rng(seed)
            apart = {
                n: table[n].take(pa.array(rng.permutation(len(table)))) for n in table.column_names
            }
            alarms += sum(rule.kind != "grid" for rule in find_rules(pa.table(apart)))
        rows.append([label, f"{len(table):,}", len(rules), f"{seconds:.1f}", *broken, alarms])
        texts += [f"* {label}: {rule.text} ({rule.kind}, {rule.rows:,} rows)" for rule in rules]
    head = [
        "table",
        "rows",
        "rules",
        "s to find",
        *(f"broken, {p}" for p in PRIVACY),
        "false alarms",
    ]
    about = f"{ROWS:,} synthetic rows a setting, {SHUFFLES} shuffles a table, one seed; "
    text = "\n\n".join(
        [
            "# Rules between columns",
            f"{about}{machine('numpy', 'pyarrow')}.",
            markdown(head, rows),
            "\n".join(texts),
        ]
    )
    publish(asked.name or "table_rules", text)


if __name__ == "__main__":
    main()
