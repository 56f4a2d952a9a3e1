"""Write sentences between questions, review them in a browser, and read back what was kept.

Needs ``pip install ./packages/nano ./packages/smol ".[offline,report]"``. Run it with

    python examples/reviewed_mixtures.py

then open review.html, accept, edit or reject, export the kept rows as JSON lines, and run

    python examples/reviewed_mixtures.py kept.jsonl
"""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

from vicinal import Beta, Farthest
from vicinal.data import banking_sample
from vicinal.text import Augmented, Inverter, RowConfig, augment


def write(n_samples: int = 60, folder: str = ".", rows: int = 200) -> Augmented:
    """Write review.html with sentences between questions of different intents."""
    given = list(csv.DictReader(io.StringIO(banking_sample().decode())))[:rows]
    made = augment(
        [row["text"] for row in given],
        [row["label"] for row in given],
        inverter=Inverter.from_pretrained("nano"),
        n_samples=n_samples,
        pairing=Farthest(0.5),
        weights=Beta(1.0),
        row_config=RowConfig(drop_repeats=True),
        random_state=0,
    )
    made.to_review(Path(folder) / "review.html")
    print(made.summary())
    return made


def read(path: str) -> list[tuple[str, str]]:
    """Return text and label of the rows that a person accepted, edited or relabeled."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    kept = [(row["text"], row["label"]) for row in rows if row["review"] != "undecided"]
    print(f"{len(kept)} of {len(rows)} rows were read and kept")
    return kept


if __name__ == "__main__":
    if len(sys.argv) > 1:
        read(sys.argv[1])
    else:
        write()
