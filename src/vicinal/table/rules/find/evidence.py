"""What is known of a table while rules are looked for, and what chance explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from vicinal._types import Ints
from vicinal.table.rules.kinds import Behind, Computed, Frame, OneOf, Order, Rule

#: Fewer rows show nothing.
LEAST_ROWS = 30
#: Natural logarithm of the chance that pairs agree by themselves, at most.
LOG_CHANCE = -35.0
#: Rows on which candidates are looked for; they are held against all rows afterwards.
SAMPLE = 4_000
#: Columns among which identities are looked for, at most; orders and lookups among more.
FEW, MANY = 48, 400
#: No rule is sought in columns with a number of this size, or as near to 0.
LARGEST = 1e75
#: Values of a column that tell an amount from a few levels.
LEAST_LEVELS = 8
#: Levels of a column that others may depend on, as a share of the rows.
KEY_SHARE = 0.5


class Found:
    """What was found so far, and the columns that are still free."""

    def __init__(self, table: pa.Table, avoid: set[str]) -> None:
        self.frame, self.avoid = Frame(table), avoid
        self.rules: list[Rule] = []
        self._levels: dict[str, int] = {}
        self.settled, self.behind = Behind(), Behind()  # by what computes, and by orders too
        rng = np.random.default_rng(0)
        rows = np.arange(table.num_rows)
        if table.num_rows > SAMPLE:
            rows = np.sort(rng.choice(table.num_rows, SAMPLE, replace=False))
        self.few = Frame(table.take(pa.array(rows)))
        self.numeric = [name for name in table.column_names if self._is_number(name)]
        self.temporal = [n for n in self.numeric if pa.types.is_temporal(table[n].type)]
        self.dated = [n for n in self.temporal if not pa.types.is_time(table[n].type)]
        self.plain = [name for name in self.numeric if name not in self.temporal]
        self.coded = [name for name in table.column_names if self._is_coded(name)]

    def _is_number(self, name: str) -> bool:
        kind = self.frame.table[name].type
        of = pa.types
        numeric = of.is_integer(kind) or of.is_floating(kind) or of.is_decimal(kind)
        if not (numeric or of.is_temporal(kind)):
            return False
        values, gone = self.few.floats(name)
        held = values[~gone]
        return len(held) >= LEAST_ROWS and bool(np.ptp(held) > 0) and self._is_sane(name)

    def _is_sane(self, name: str) -> bool:
        """Tell whether products and quotients of a column's values stay within floats."""
        values, gone = self.frame.floats(name)
        sizes = np.abs(values[~gone & (values != 0)])
        return bool(sizes.max(initial=1.0) < LARGEST and sizes.min(initial=1.0) > 1 / LARGEST)

    def _is_coded(self, name: str) -> bool:
        kind = self.frame.table[name].type
        of = pa.types
        strings = of.is_string(kind) or of.is_large_string(kind) or of.is_string_view(kind)
        if not (strings or of.is_dictionary(kind) or of.is_boolean(kind) or of.is_integer(kind)):
            return False
        codes, _ = self.few.codes(name)
        used = len(np.unique(codes[codes >= 0]))
        return 2 <= used <= max(KEY_SHARE * len(codes), 2)

    def is_exact(self, name: str) -> bool:
        """Tell whether a column's whole numbers are the same as floats."""
        if pa.types.is_floating(self.frame.table[name].type):
            return True
        values, gone = self.frame.floats(name)
        return bool(np.abs(values[~gone]).max(initial=0.0) < 2.0**53)

    def levels(self, name: str) -> int:
        """Return how many values a column has in the sample."""
        if name not in self._levels:
            codes = self.few.codes(name)[0]
            self._levels[name] = len(np.unique(codes[codes >= 0]))
        return self._levels[name]

    def complete(self, names: Sequence[str]) -> Ints:
        """Return the rows of the sample in which no number is missing."""
        gone = np.zeros(len(self.few), bool)
        for name in names:
            mask = self.few.floats(name)[1]
            if mask.mean() < 0.5:
                gone |= mask
        return np.flatnonzero(~gone)

    def free(self, name: str) -> bool:
        """Tell whether a rule may settle a column."""
        return name not in self.settled and name not in self.avoid

    def add(self, rule: Rule) -> None:
        """Take a rule if every row keeps it and it closes no circle."""
        settles = isinstance(rule, (*Computed, Order))
        if isinstance(rule, Computed) and not self.free(rule.target):
            return
        if settles and self.behind.closes_a_circle(rule):
            return
        told = rule.measured(self.frame)
        if told.exceptions or told.rows < LEAST_ROWS:
            return
        self.rules.append(told)
        if settles:
            self.behind.take(rule)
        if isinstance(rule, Computed):
            self.settled.take(rule)
        elif isinstance(rule, OneOf):
            self.settled |= {name: set() for name in rule.columns}


def settles(key: Ints, value: Ints) -> bool:
    """Tell whether each key goes with one value, and not by chance."""
    held = key >= 0
    if held.sum() < max(LEAST_ROWS, 0.5 * len(key)):
        return False
    key, value = key[held], value[held]
    first = np.full(key.max() + 1, -2, np.int64)
    first[key[::-1]] = value[::-1]
    return bool((first[key] == value).all()) and log_chance(key, value) < LOG_CHANCE


def log_chance(key: Ints, value: Ints) -> float:
    """Return the log of the chance that all pairs of one key agree, were values drawn anew."""
    shares = np.bincount(value + 1) / len(value)
    repeats = len(key) - np.count_nonzero(np.bincount(key))
    return float(repeats * np.log((shares**2).sum()))
