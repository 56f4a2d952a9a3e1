"""Panels and single series that are given as plain rows: found, and said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vicinal._types import Floats, Ints
from vicinal.table.categories import codes_of
from vicinal.table.numbers import to_numbers
from vicinal.table.schema import kind_of_type

#: Rows that are looked at, from the first on, and columns that entities are looked for among.
ROWS = 100_000
COLUMNS = 200
#: Rows of a series, and entities of a panel, that are enough to tell.
SERIES_ROWS = 50
ENTITIES = 5
#: Share of the steps in time that are of one length.
REGULAR = 0.9
#: Correlation of a number with the one before it in a series.
AUTOCORRELATION = 0.5

_TIME_NAME = re.compile(
    r"(^|[_\W])(t|time|date|day|week|month|quarter|year|hour|visit|wave|period|step|round|seq)"
    r"([_\W]|$)",
    re.I,
)
_ENTITY_NAME = re.compile(
    r"(id|patient|subject|person|customer|client|user|member|account|employee|student|participant"
    r"|device|sensor|machine|station|store|shop|ticker|symbol|country|firm|company)([_\W]|$)",
    re.I,
)


@dataclass(frozen=True)
class PanelFinding:
    """Rows that belong together.

    Attributes
    ----------
    entity : str or None
        Column that says whose each row is; None for one long series.
    time : str
        Column that orders the rows; of a series without one, the columns that make it.
    n_entities : int
        How many there are among the rows looked at.
    fixed : tuple of str
        Other columns that are constant within entities.
    """

    entity: str | None
    time: str
    n_entities: int
    fixed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What was found, and what is lost where rows are mixed one by one."""
        if self.entity is None:
            return (
                f"The rows are one time series, in steps of {self.time!r}. Mixed one by one, they "
                "do not follow each other any more: courses of a day or a year, and what is alike "
                "from one step to the next, are lost."
            )
        fixed = ", ".join(map(repr, self.fixed[:3])) + (", ..." if len(self.fixed) > 3 else "")
        lost = f", and what is constant within it ({fixed}) need not stay so" if fixed else ""
        return (
            f"Rows belong to entities: {self.n_entities:,} values of {self.entity!r}, each with "
            f"rows in steps of {self.time!r}. Mixed one by one, the rows of an entity come from "
            f"many: its course over time is lost{lost}."
        )

    @property
    def advice(self) -> str:
        """The same, with what to do."""
        if " + " in self.time:
            return f"{self.text} Make one column of dates of {self.time}, and name it with time."
        time = f"time={self.time!r}", f"--time {self.time}"
        if self.entity is None:
            return f"{self.text} {time[0]} ({time[1]}) mixes whole days, weeks or years."
        return (
            f"{self.text} entity={self.entity!r}, {time[0]} (--entity {self.entity} {time[1]}) "
            "mixes whole entities."
        )


def find_panel(table: pa.Table) -> PanelFinding | None:
    """Find rows that belong to entities or follow each other in time; None where they do not."""
    # a panel has an identifier with several rows each, and a time that rises from row to row of
    # each; a series has such a time, and numbers that are near those before them
    few = table.slice(0, ROWS)
    if few.num_rows < SERIES_ROWS:
        return None
    times = dict(_times(few))
    for name, steps in times.items():
        if is_regular(np.diff(steps)) and _follows(few, {name}):
            return PanelFinding(None, name, 1)
    found = [one for name in few.column_names[:COLUMNS] if (one := _panel(few, name, times))]
    if found:
        return max(found, key=lambda one: (bool(_ENTITY_NAME.search(str(one.entity))),
                                           one.n_entities))  # fmt: skip
    return _calendar(few)


def _times(table: pa.Table) -> Iterator[tuple[str, Ints]]:
    """Return columns that may be a time, as numbers."""
    for name in table.column_names[:COLUMNS]:
        values, kind = table[name], kind_of_type(table[name].type)
        dated = kind in {"datetime", "date"}
        if not dated and not (kind == "integer" and _TIME_NAME.search(name)):
            continue
        if values.null_count or len(values.unique()) < 2:
            continue
        yield name, to_numbers(values, name)[0].astype(np.int64)


def is_regular(gaps: Ints) -> bool:
    """Tell whether steps are upwards and nearly all of one length, or about a month."""
    if not len(gaps) or (gaps <= 0).any():
        return False
    usual = np.median(gaps)
    return bool((np.abs(gaps - usual) <= 0.12 * usual).mean() >= REGULAR)


def _follows(table: pa.Table, but: set[str]) -> bool:
    """Tell whether a number is near the one in the row before."""
    for name in table.column_names[:COLUMNS]:
        if name in but or kind_of_type(table[name].type) not in {"numeric", "integer"}:
            continue
        values, missing = to_numbers(table[name], name)
        held = values[~missing].astype(np.float64)
        if len(held) < SERIES_ROWS or len(np.unique(held)) < ENTITIES or _is_sorted(held):
            continue
        if np.corrcoef(held[1:], held[:-1])[0, 1] > AUTOCORRELATION:
            return True
    return False


def _is_sorted(values: Floats) -> bool:
    """Tell whether numbers rise or fall all along, as row numbers do."""
    gaps = np.diff(values)
    return bool((gaps >= 0).all() or (gaps <= 0).all())


def _panel(table: pa.Table, name: str, times: dict[str, Ints]) -> PanelFinding | None:
    """Return what was found where a column says whose each row is."""
    kind = kind_of_type(table[name].type)
    if kind not in {"integer", "category"} or table[name].null_count:
        return None
    codes = codes_of(table[name]).astype(np.int64)
    n = int(codes.max()) + 1
    if not ENTITIES <= n <= table.num_rows // 2:
        return None
    order = np.argsort(codes, kind="stable")
    same = np.diff(codes[order]) == 0
    together = int((np.diff(codes) != 0).sum()) == n - 1
    for time, steps in times.items():
        if time == name:
            continue
        gaps = np.diff(steps[order])[same]
        if not len(gaps) or (gaps <= 0).any():
            continue
        if is_regular(gaps) or (together and _ENTITY_NAME.search(name)):
            begins = np.flatnonzero(np.diff(codes[order], prepend=-1))
            fixed = tuple(_fixed(table, order, begins, {name, time}))
            return PanelFinding(name, time, n, fixed)
    return None


def _fixed(table: pa.Table, order: Ints, begins: Ints, but: set[str]) -> Iterator[str]:
    unit = np.repeat(np.arange(len(begins)), np.diff(begins, append=len(order)))
    for name in table.column_names[:COLUMNS]:
        if name not in but:
            codes = codes_of(table[name])[order]
            if codes.max() > 0 and (codes == codes[begins][unit]).all():
                yield name


def _calendar(table: pa.Table) -> PanelFinding | None:
    """Return what was found where year, month, day and hour are columns of their own."""
    names = {name.casefold(): name for name in table.column_names}
    parts = [names[one] for one in ("year", "month", "day", "hour") if one in names]
    if len(parts) < 3 or names.get("year") not in parts:
        return None
    steps = np.zeros(table.num_rows)
    for part, most in zip(parts, (1, 12, 31, 24), strict=False):
        if kind_of_type(table[part].type) != "integer" or table[part].null_count:
            return None
        steps = steps * most + to_numbers(table[part], part)[0] - (most in (12, 31))
    if (np.diff(steps) > 0).all() and _follows(table, set(parts)):
        return PanelFinding(None, " + ".join(parts), 1)
    return None
