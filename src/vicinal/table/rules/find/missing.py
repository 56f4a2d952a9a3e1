"""Columns that are missing wherever another one is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vicinal.table.rules.find.evidence import LEAST_ROWS, LOG_CHANCE, MANY, Found
from vicinal.table.rules.grammar import missing_together
from vicinal.table.rules.kinds import Rule


def find_missing(found: Found) -> Iterator[Rule]:
    """Look for columns that are missing wherever another one is."""
    names = found.frame.table.column_names
    masks = {name: found.frame.missing(name) for name in names}
    holed = [n for n in names if LEAST_ROWS <= masks[n].sum() <= len(masks[n]) - LEAST_ROWS]
    for first in holed[:MANY]:
        for second in holed[:MANY]:
            if first == second or (masks[first] & ~masks[second]).any():
                continue
            if masks[first].sum() * np.log(masks[second].mean()) > LOG_CHANCE:
                continue
            if first in found.settled and second in found.settled[first]:
                continue  # follows by itself
            yield missing_together(first, second)
