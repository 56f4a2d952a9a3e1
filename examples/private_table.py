"""Make a table that may be handed on, and attack its synthesizer before it is.

Needs ``pip install "vicinal[report]"``. Data come with the package. Run it with

    python examples/private_table.py
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from vicinal.data import adult_sample
from vicinal.report import AuditResult, audit_synthesizer
from vicinal.table import TableSynthesizer


def main(
    max_rows: int = 2000, shadows: int = 32, records: int = 100, folder: str = "."
) -> AuditResult:
    """Write synthetic.csv and audit.html, and print what attackers find out."""
    people = pd.read_csv(io.BytesIO(adult_sample()))[:max_rows]

    def fresh() -> TableSynthesizer:
        # no seed: an attacker does not know it
        return TableSynthesizer(privacy="high", target="income")

    found = audit_synthesizer(
        fresh, people, shadows=shadows, records=records, n_jobs=1, random_state=0
    )
    print(found.summary())
    rate = found.membership.tpr_at(0.01)
    print(f"\nof the {records} most exposed records {rate} are found at 1 % false positives")
    print(f"epsilon is at least {found.epsilon_lower_bound:.2f}, as far as these attacks show")

    fresh().fit(people).sample().to_csv(Path(folder) / "synthetic.csv", index=False)
    found.to_html(Path(folder) / "audit.html")
    return found


if __name__ == "__main__":
    main()
