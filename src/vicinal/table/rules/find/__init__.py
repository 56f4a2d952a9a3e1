"""Rules that hold in every training row, with enough evidence that chance is no explanation."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from vicinal.table.rules.find.dates import find_dates
from vicinal.table.rules.find.equal import find_equal
from vicinal.table.rules.find.evidence import LEAST_ROWS, Found
from vicinal.table.rules.find.grids import find_grids
from vicinal.table.rules.find.groups import find_groups
from vicinal.table.rules.find.lookups import find_lookups
from vicinal.table.rules.find.missing import find_missing
from vicinal.table.rules.find.orders import find_orders
from vicinal.table.rules.find.products import find_products
from vicinal.table.rules.find.sums import find_sums
from vicinal.table.rules.kinds import Rule

__all__ = ["find_rules"]

#: The searches, in their order: what one settles, a later one leaves alone.
SEARCHES = (
    find_equal,
    find_dates,
    find_sums,
    find_products,
    find_lookups,
    find_groups,
    find_orders,
    find_missing,
    find_grids,
)


def find_rules(table: pa.Table, avoid: Iterable[str] = ()) -> list[Rule]:
    """Find rules between the columns of a table."""
    # no column is settled by two rules, and none by itself in a circle
    found = Found(table, set(avoid))
    if table.num_rows < LEAST_ROWS:
        return []
    for search in SEARCHES:
        for rule in search(found):
            found.add(rule)
    return found.rules
