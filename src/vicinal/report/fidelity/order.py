"""Order in time: whether rows of a series, or of entities, still follow each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._stats import spearman
from vicinal.report.tables import Part, Tables
from vicinal.table.panel.find import find_panel

#: Share of a time column's values that are held by one row alone where rows are a series.
ONE_BY_ONE = 0.9
#: From this correlation of a row with the next one on, rows of the real table follow each other.
FOLLOWING = 0.5
#: Rows that are looked at, at most; fewer than the least show nothing.
MOST_ROWS, LEAST_ROWS = 20_000, 50


@dataclass(frozen=True)
class TimeOrder:
    """How much rows follow from the rows before them.

    Attributes
    ----------
    time : str
        The column of times that orders the rows.
    column : str
        The column that follows itself in the real rows and lost most of it in the synthetic ones.
    real, synthetic : float
        Its rank correlation with itself one row earlier.
    """

    time: str
    column: str
    real: float
    synthetic: float

    @property
    def kept(self) -> float:
        """Share of the real correlation that synthetic rows have."""
        return self.synthetic / self.real

    @property
    def is_lost(self) -> bool:
        """Whether synthetic rows follow each other less than half as much."""
        return self.kept < 0.5

    @property
    def says(self) -> str:
        """What was found, in one sentence."""
        return (
            f"Ordered by {self.time}, {self.column} follows from the row before it (rank "
            f"correlation {self.real:.2f}): a time series. In the synthetic rows it does so by "
            f"{self.synthetic:.2f}."
        )


def lost_panel(real: pa.Table, synthetic: pa.Table) -> str:
    """Say what is lost of rows that belong to entities; nothing if synthetic rows do so too."""
    found, again = find_panel(real), find_panel(synthetic)
    if found is None or found.entity is None:
        return ""
    kept = again is not None and (again.entity, again.time) == (found.entity, found.time)
    return "" if kept and again and {*found.fixed} <= {*again.fixed} else found.text


def shared_entities(real: pa.Table, unseen: pa.Table) -> str:
    """Say how many entities of the hold-out have rows in the real table; nothing if none."""
    found = find_panel(real)
    if found is None or found.entity is None or found.entity not in unseen.column_names:
        return ""
    ours, theirs = (one[found.entity].unique().drop_null() for one in (real, unseen))
    if ours.type != theirs.type:
        return ""
    shared = pc.sum(pc.is_in(theirs, value_set=ours)).as_py() or 0
    if not shared:
        return ""
    return (
        f"{shared:,} of {len(theirs):,} entities ({found.entity}) of the hold-out have rows in the "
        "training table too. Their rows are not unseen, and make privacy and utility look better "
        "than they are: hold out whole entities."
    )


def measure_order(tables: Tables) -> TimeOrder | None:
    """Look for a column of times that orders the rows so that others follow; None if none does."""
    kinds = {c.name: c.kind for c in tables.columns}
    best: TimeOrder | None = None
    for at, time in enumerate(tables.numeric):
        if kinds[time] not in {"datetime", "date"} or len(tables.real) < LEAST_ROWS:
            continue
        stamps = tables.real.numbers[:, at]
        counts = np.unique(stamps[np.isfinite(stamps)], return_counts=True)[1]
        if np.count_nonzero(counts == 1) < ONE_BY_ONE * len(stamps):
            continue
        for other, name in enumerate(tables.numeric):
            if kinds[name] not in {"numeric", "integer"}:
                continue
            real, made = (_following(part, at, other) for part in tables.both)
            found = TimeOrder(time, name, real, 0.0 if math.isnan(made) else made)
            if real >= FOLLOWING and (best is None or found.kept < best.kept):
                best = found
    return best


def _following(part: Part, time: int, column: int) -> float:
    """Return the rank correlation of a column with itself one row earlier."""
    stamps, values = part.numbers[:, time], part.numbers[:, column]
    order: npt.NDArray[np.intp] = np.argsort(stamps, kind="stable")
    order = order[np.isfinite(stamps[order])][:MOST_ROWS]
    return spearman(values[order][:-1], values[order][1:])
