"""Rules that hold in every training row, with enough evidence that chance is no explanation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, permutations, product

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._types import Bools, Floats, Ints
from vicinal.table.numbers import python_values
from vicinal.table.rules.calendar import PARTS, SPANS, anniversaries, month_starts, ticks
from vicinal.table.rules.grammar import lookup, one_of, written
from vicinal.table.rules.kinds import (
    Behind,
    Bins,
    Computed,
    Formula,
    Frame,
    Grid,
    Lookup,
    MissingTogether,
    OneOf,
    Order,
    Rule,
    decimals_of,
    evaluate,
    quoted,
    slack_of,
)

_Part = tuple[tuple[int, ...], tuple[int, ...], Floats]  # columns, signs, hashes

#: Fewer rows show nothing.
LEAST_ROWS = 30
#: Rows in which the terms of an identity have to move for it to count.
MOVING_ROWS = 20
#: How often an order, by the columns alone, would be broken by chance, at least.
EXPECTED_BREAKS = 30.0
#: Natural logarithm of the chance that pairs agree by themselves, at most.
LOG_CHANCE = -35.0
#: Rows on which candidates are looked for; they are held against all rows afterwards.
SAMPLE = 4_000
#: Columns among which identities are looked for, at most; orders and lookups among more.
FEW, MANY = 48, 400
#: Dates between which spans are looked for, at most.
FEW_DATES = 8
#: Parts of dates that have names: days, months, shifts.
LABELED = ("weekday", "month", "quarter", "hour")
#: So many flags are a one-hot group, not terms of sums.
MANY_FLAGS = 12
#: No rule is sought in columns with a number of this size, or as near to 0.
LARGEST = 1e75
#: Values of a column that tell an amount from a few levels.
LEAST_LEVELS = 8
#: Levels of a column that others may depend on, as a share of the rows.
KEY_SHARE = 0.5

_CODE_NAME = re.compile(
    r"(^|[_\W])(zip|zipcode|postcode|plz|code|id|key|store|branch|sku|no|nr)([_\W]|$)", re.I
)


def find_rules(table: pa.Table, avoid: Iterable[str] = ()) -> list[Rule]:
    """Find rules between the columns of a table."""
    # no column is settled by two rules, and none by itself in a circle
    found = _Found(table, set(avoid))
    if table.num_rows < LEAST_ROWS:
        return []
    for step in (_equal, _dates, _sums, _products, _lookups, _groups, _orders, _missing, _grids):
        for rule in step(found):
            found.add(rule)
    return found.rules


class _Found:
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
        self.flags = _runs_of_flags(self)

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

    def levels(self, name: str) -> int:
        """Return how many values a column has in the sample."""
        if name not in self._levels:
            codes = self.few.codes(name)[0]
            self._levels[name] = len(np.unique(codes[codes >= 0]))
        return self._levels[name]

    def free(self, name: str) -> bool:
        """Tell whether a rule may settle a column."""
        return name not in self.settled and name not in self.avoid

    def add(self, rule: Rule) -> bool:
        """Take a rule if every row keeps it and it closes no circle."""
        if isinstance(rule, OneOf):
            return self._add_group(rule)
        settles = isinstance(rule, (*Computed, Order))
        if isinstance(rule, Computed) and not self.free(rule.target):
            return False
        if settles and self.behind.closes_a_circle(rule):
            return False
        told = rule.measured(self.frame)
        if told.exceptions or told.rows < LEAST_ROWS:
            return False
        self.rules.append(told)
        if settles:
            self.behind.take(rule)
        if isinstance(rule, Computed):
            self.settled.take(rule)
        return True

    def _add_group(self, rule: OneOf) -> bool:
        told = rule.measured(self.frame)
        if told.exceptions or told.rows < LEAST_ROWS:
            return False
        self.rules.append(told)
        self.settled |= {name: set() for name in rule.columns}
        return True


# equal columns, parts of dates, and spans between them


def _equal(found: _Found) -> Iterator[Rule]:
    alike: dict[tuple[str, str], list[str]] = {}  # only columns that begin alike can be equal
    for name in found.frame.table.column_names:
        head = found.few.table[name].slice(0, 64)
        alike.setdefault((str(head.type), repr(python_values(head))), []).append(name)
    for names in alike.values():
        for first, second in combinations(names, 2):
            one, other = found.few.table[first], found.few.table[second]
            if not one.equals(other):
                continue
            codes, _ = found.few.codes(first) if first in found.coded else (None, None)
            if codes is None and first not in found.numeric:
                if len(one.unique()) < LEAST_ROWS:
                    continue
            elif codes is not None and _log_chance(codes, codes) > LOG_CHANCE:
                continue
            target, source = (second, first) if found.free(second) else (first, second)
            if target in found.numeric:
                yield _same(target, source)
            elif target in found.coded:
                yield Lookup(
                    f"{quoted(target)} = {quoted(source)}", "equal", target, (source,)
                ).learned(found.frame)


def _same(target: str, source: str) -> Formula:
    text = f"{quoted(target)} = {quoted(source)}"
    return Formula(text, "equal", target, (source,), expression=ast.Name(source))


def _dates(found: _Found) -> Iterator[Rule]:
    for when in found.dated:
        for part in PARTS:
            yield from _parts(found, when, part)
    for start, end in permutations(found.dated[:FEW_DATES], 2):
        yield from _spans(found, start, end)
    for birth in found.dated:
        yield from _ages(found, birth)


def _parts(found: _Found, when: str, part: str) -> Iterator[Rule]:
    """Look for columns that are a part of dates, or that a part of dates settles."""
    node = ast.Call(ast.Name(part), [ast.Name(when)], [])
    try:
        told, gone = evaluate(node, found.few)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return  # a date has no hour, a duration no year
    for name in _like_a_part(found, when, part):
        own, own_gone = found.few.floats(name)
        held = ~own_gone & ~gone
        if found.free(name) and held.sum() >= LEAST_ROWS and np.ptp(own[held]):
            expression = _shifted(node, part, own[held], told[held])
            if expression is not None:
                yield _of_dates(name, (when,), expression)
    if part in LABELED:
        yield from _labels(found, when, part)


def _like_a_part(found: _Found, when: str, part: str) -> list[str]:
    """Return the columns that may be a part of dates by their type."""
    if part not in ("date", "month_start"):
        return found.plain
    types = {name: found.frame.table[name].type for name in found.dated}
    if part == "date" and pa.types.is_date(types[when]):
        return []  # it is one already
    return [name for name in found.dated if name != when and pa.types.is_date(types[name])]


def _shifted(node: ast.Call, part: str, own: Floats, told: Floats) -> ast.expr | None:
    """Return a part of dates as a column counts it: from 0 or 1; years also down from one."""
    shift = float(own[0] - told[0])
    if abs(shift) <= 1 and np.array_equal(own, told + shift):
        return ast.BinOp(node, ast.Add(), ast.Constant(int(shift))) if shift else node
    if part == "year" and np.array_equal(own + told, np.full(len(own), own[0] + told[0])):
        return ast.BinOp(ast.Constant(int(own[0] + told[0])), ast.Sub(), node)
    return None


def _labels(found: _Found, when: str, part: str) -> Iterator[Rule]:
    """Look for names of a part of dates: of weekdays, of seasons."""
    codes, _ = found.few.codes(when, part)
    if len(np.unique(codes)) < 3:
        return
    for name in (one for one in found.coded if one not in found.plain):
        if found.free(name) and _settles(codes, found.few.codes(name)[0]):
            yield lookup(when, name, part).learned(found.frame)


def _of_dates(name: str, sources: tuple[str, ...], node: ast.expr) -> Formula:
    text = f"{quoted(name)} = {written(node)}"
    return Formula(text, "date part", name, sources, expression=node, decimals=0)


def _spans(found: _Found, start: str, end: str) -> Iterator[Rule]:
    """Look for numbers that say how long it is from one date to another."""
    for unit in SPANS:
        node = ast.Call(ast.Name(unit), [ast.Name(start), ast.Name(end)], [])
        told, gone = evaluate(node, found.few)
        for name in found.plain:
            own, own_gone = found.few.floats(name)
            held = ~own_gone & ~gone
            if not found.free(name) or held.sum() < LEAST_ROWS or found.levels(name) < LEAST_LEVELS:
                continue
            places = decimals_of(own[held])
            slack = 1e-9 * np.abs(own[held]).max() if places is None else _half_a_unit(places)
            if np.ptp(told[held]) > 8 * slack and (np.abs(own - told)[held] <= slack).all():
                rule = _of_dates(name, (start, end), node)
                yield replace(rule, decimals=places)


def _ages(found: _Found, birth: str) -> Iterator[Rule]:
    """Look for numbers that are full years from dates to one day."""
    for name in found.plain:
        kind = found.frame.table[name].type
        if (
            not found.free(name)
            or not pa.types.is_integer(kind)
            or found.levels(name) < LEAST_LEVELS
        ):
            continue
        day = ""
        for frame in (found.few, found.frame):
            day = _day_of_ages(frame, birth, name)
            if not day:
                break
        if day:
            args: list[ast.expr] = [ast.Name(birth), ast.Constant(day)]
            yield _of_dates(name, (birth,), ast.Call(ast.Name("age"), args, []))


def _day_of_ages(frame: Frame, birth: str, name: str) -> str:
    """Return the last day on which all ages would be right, if there is one."""
    numbers, gone = frame.numbers(birth)
    years, years_gone = frame.numbers(name)
    held = ~gone & ~years_gone
    years, days = years[held], numbers[held] // ticks(frame.table[birth].type)
    if len(years) < LEAST_ROWS or np.abs(years).max() > 200:
        return ""
    first = anniversaries(days, years).max()
    last = anniversaries(days, years + 1).min() - 1
    return str(np.int64(last).astype("datetime64[D]")) if first <= last else ""


# sums and differences


def _sums(found: _Found) -> Iterator[Rule]:
    """Look for signed sums of two to five columns that never change, the shortest first."""
    names = _summands(found)
    matrix = np.column_stack([found.few.floats(name)[0] for name in names]) if names else None
    if matrix is None or len(names) < 2:
        return
    places = [decimals_of(matrix[~found.few.floats(name)[1], at]) for at, name in enumerate(names)]
    # a total is exact where a share of it is rounded: both hold only if the total is the sum
    yield from _scaled(found, names, places, exact=True)
    yield from _totals(found, names, matrix, places)
    yield from _scaled(found, names, places, exact=False)


def _totals(
    found: _Found, names: Sequence[str], matrix: Floats, places: Sequence[int | None]
) -> Iterator[Rule]:
    """Look for signed sums of three columns or more."""
    rows = _complete(found, names)
    if len(names) > FEW:
        names, matrix, places = _spanned(names, matrix[rows], matrix, places)
    if len(rows) >= 2 * LEAST_ROWS and len(names) >= 3:
        yield from _signed(found, names, matrix[rows], places)


def _summands(found: _Found) -> list[str]:
    """Return the columns that may be terms of a sum: flags only if there are few of them."""
    grouped = {name for run in found.flags for name in run}
    names = [name for name in found.plain if name not in found.settled and name not in grouped]
    flags = [name for name in names if found.levels(name) == 2]
    return [name for name in names if len(flags) <= MANY_FLAGS or name not in flags]


def _complete(found: _Found, names: Sequence[str]) -> npt.NDArray[np.intp]:
    """Return the rows of the sample in which no number is missing."""
    gone = np.zeros(len(found.few), bool)
    for name in names:
        mask = found.few.floats(name)[1]
        if mask.mean() < 0.5:
            gone |= mask
    return np.flatnonzero(~gone)


def _scaled(
    found: _Found, names: Sequence[str], places: Sequence[int | None], exact: bool
) -> Iterator[Rule]:
    """Look for ``b = factor * a + constant``, exact or up to rounding: units, ages, taxes."""
    kept = [None] * len(names) if exact else places
    wide = [at for at, name in enumerate(names) if found.levels(name) >= LEAST_LEVELS]
    units = np.array([_half_a_unit(kept[at]) for at in wide])
    for at, to in _on_lines(found, [names[at] for at in wide], units):
        first, second = names[wide[at]], names[wide[to]]
        if not found.free(second) or second in found.settled.get(first, ()):
            continue
        (x, x_gone), (y, y_gone) = found.few.floats(first), found.few.floats(second)
        if exact and (x_gone & ~y_gone).any() and not (y_gone & ~x_gone).any():
            continue  # what is held less often follows from what is held more often
        held = np.flatnonzero(~x_gone & ~y_gone)
        levels = min(len(np.unique(one[held])) for one in (x, y))
        if len(held) < LEAST_ROWS or levels < LEAST_LEVELS:
            continue
        if _on_a_line(x[held[:32]], y[held[:32]], float(units[to])):
            rule = _line_between(found, first, second, kept[wide[to]])
            if rule is not None:
                yield replace(rule, decimals=places[wide[to]])


def _line_between(found: _Found, first: str, second: str, places: int | None) -> Formula | None:
    """Return the rule that one column is a factor of another, and a constant, if rows keep it."""
    for frame in (found.few, found.frame):  # few rows may fit more than one factor
        (x, x_gone), (y, y_gone) = frame.floats(first), frame.floats(second)
        held = ~x_gone & ~y_gone
        node = _shortest_line(first, x[held], y[held], places)
        if node is None:
            return None
        text = f"{quoted(second)} = {written(node)}"
        rule = Formula(text, "sum", second, (first,), expression=node, decimals=places)
        if not rule.broken(found.frame).any():
            return rule
    return None


def _shortest_line(name: str, x: Floats, y: Floats, places: int | None) -> ast.expr | None:
    """Return the line through all points that is written shortest, if there is one."""
    slack = slack_of(y, places)
    if np.ptp(y) < LEAST_LEVELS * slack.max():
        return None  # anything rounds to so little
    nodes, middle = [], x - x.mean()
    through_zero, slope = x @ y / (x @ x), middle @ (y - y.mean()) / (middle @ middle)
    for ratio, write in product((through_zero, slope), (_line, _quotient)):
        divides = write is _quotient
        for factor in _near(
            float(1 / ratio if divides else ratio) if ratio > 0 or not divides else 0.0
        ):
            rest = y - (x / factor if divides else factor * x)
            low, high = float((rest - slack).max()), float((rest + slack).min())
            if low <= high and (ratio is slope or low <= 0 <= high):
                nodes.append(write(name, factor, low, high))
                break
    return min(nodes, key=lambda node: len(written(node)), default=None)


def _near(value: float) -> list[float]:
    """Return the decimals nearest to a number, the shortest first, and the number itself."""
    return [*(float(f"{value:.{digits}g}") for digits in range(1, 13)), value] if value else []


def _on_lines(found: _Found, names: Sequence[str], units: Floats) -> Iterator[tuple[int, int]]:
    """Give ordered pairs of columns whose first rows may lie on one line."""
    if len(names) < 2:
        return
    both = [found.few.floats(name) for name in names]
    values = np.stack([np.where(gone, np.nan, one)[:32] for one, gone in both])  # (n, 32)
    slack = 4 * units + 1e-9 * np.fmax.reduce(np.abs(values), axis=1, initial=0.0)
    for at, x in enumerate(values):
        held = np.flatnonzero(~np.isnan(x))
        if not len(held):
            yield from ((at, to) for to in range(len(names)) if to != at)
            continue
        low, high = held[np.argmin(x[held])], held[np.argmax(x[held])]
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = (values[:, high] - values[:, low]) / (x[high] - x[low])
            near = np.arange(len(values))
            for first in (4, 32):  # most columns are known to be on no line by a few rows
                steps = (x - x[low])[:first]
                away = np.abs(
                    values[near, :first] - values[near, low, None] - slopes[near, None] * steps
                )
                # also where nothing is known
                near = near[~(np.fmax.reduce(away, axis=1) > slack[near])]
        yield from ((at, int(to)) for to in near if to != at)


def _on_a_line(x: Floats, y: Floats, unit: float) -> bool:
    """Tell whether a few points may lie on one line, up to rounding."""
    low, high = int(np.argmin(x)), int(np.argmax(x))
    if x[low] == x[high]:
        return True
    slope = (y[high] - y[low]) / (x[high] - x[low])
    away = np.abs(y - y[low] - slope * (x - x[low])).max()
    return bool(away <= 4 * unit + 1e-9 * np.abs(y).max())


def _line(name: str, factor: float, low: float, high: float) -> ast.expr:
    """Return a factor of a column and the shortest constant between two numbers."""
    constant = _shortest(low, high)
    taken = factor == -1 or (factor < 0 < constant)
    size = abs(factor) if taken else factor
    node: ast.expr = ast.Name(name)
    node = node if size == 1 else ast.BinOp(ast.Constant(_whole(size)), ast.Mult(), node)
    if taken:
        return ast.BinOp(ast.Constant(_whole(constant)), ast.Sub(), node)
    return _plus(node, constant)


def _quotient(name: str, divisor: float, low: float, high: float) -> ast.expr:
    """Return a column and a constant, divided, or a line where that is as short."""
    factor = float(f"{1 / divisor:.4g}")
    if abs(factor * divisor - 1) < 1e-15:
        return _line(name, factor, low, high)
    top = _plus(ast.Name(name), _shortest(low * divisor, high * divisor))
    return ast.BinOp(top, ast.Div(), ast.Constant(_whole(divisor)))


def _plus(node: ast.expr, constant: float) -> ast.expr:
    if not constant:
        return node
    sign = ast.Add() if constant > 0 else ast.Sub()
    return ast.BinOp(node, sign, ast.Constant(_whole(abs(constant))))


def _half_a_unit(places: int | None) -> float:
    return 1e-9 if places is None else 0.5000001 * 10.0**-places


def _shortest(low: float, high: float) -> float:
    """Return 0 or the shortest decimal near the middle of two numbers."""
    middle = (low + high) / 2
    near = (round(middle, digits) for digits in range(13))
    return 0.0 if low <= 0 <= high else next((one for one in near if low <= one <= high), middle)


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _spanned(
    names: Sequence[str], rows: Floats, matrix: Floats, places: Sequence[int | None]
) -> tuple[list[str], Floats, list[int | None]]:
    """Return the columns that some linear combination of the others equals, at most so many."""
    spread = rows.std(axis=0)
    used = np.flatnonzero(spread > 0)
    scaled = (rows[:, used] - rows[:, used].mean(axis=0)) / spread[used]
    if len(rows) <= len(used):
        return [], matrix[:, :0], []
    _, values, vectors = np.linalg.svd(scaled, full_matrices=False)
    null = vectors[values < 1e-3 * values[0]]
    weight = np.abs(null).max(axis=0) if len(null) else np.zeros(len(used))
    kept = used[np.argsort(-weight)[:FEW]][: int((weight > 1e-3).sum())]
    kept = np.sort(kept)
    return [names[at] for at in kept], matrix[:, kept], [places[at] for at in kept]


def _signed(
    found: _Found, names: Sequence[str], matrix: Floats, places: Sequence[int | None]
) -> Iterator[Rule]:
    """Look for columns whose signed sum is one constant, by meeting in the middle."""
    # differences of rows take constants away; a random projection of 24 of them stands for the
    # columns, so that a sum of columns is a sum of numbers
    rng = np.random.default_rng(1)
    first = rng.integers(0, len(matrix), 24)
    second = rng.integers(0, len(matrix), 24)
    sides = matrix[first] - matrix[second]  # (24, n_columns)
    weights = rng.uniform(0.5, 1.5, (24, 2))
    hashes = sides.T @ weights  # (n_columns, 2): the second one tells near misses apart
    exact = 1e-9 * float(np.abs(hashes).max())
    # only a sum that has fewer places than its terms is rounded
    known = {one for one in places if one is not None}
    rounded = (
        float(weights.sum(axis=0).max() * 1.02 * 10.0 ** -min(known)) if len(known) > 1 else 0.0
    )
    singles: list[_Part] = [((at,), (1,), hashes[at]) for at in range(len(names))]
    pairs = _longer(singles, hashes)
    triples = _longer(pairs, hashes) if len(names) <= 30 else []
    taken: set[frozenset[int]] = set()
    ways = [(singles, pairs), (pairs, pairs), (pairs, triples)]
    for (left, right), slack in product(ways, (exact, exact + rounded) if rounded else (exact,)):
        for columns, signs in _meeting(left, right, slack):
            within = (part for n in range(3, len(columns) + 1) for part in combinations(columns, n))
            if any(frozenset(part) in taken for part in within):
                continue
            if not _is_constant(columns, signs, sides, places):
                continue
            rule = None
            settles = _settles_one(found, {names[at] for at in columns})
            if settles:  # known columns may have thousands of sums: none of them is worth a rule
                rule = _identity(found, names, columns, signs, sides, places)
            if rule is not None or not settles:
                taken.add(frozenset(columns))
            if rule is not None:
                yield rule


def _settles_one(found: _Found, names: set[str]) -> bool:
    """Tell whether a rule may settle one of some columns by the others."""
    return any(
        found.free(name) and all(name not in found.behind.get(one, ()) for one in names)
        for name in names
    )


def _longer(parts: Sequence[_Part], hashes: Floats) -> list[_Part]:
    """Return sums of one column more: each later one added to each part, or taken from it."""
    return [
        ((*columns, at), (*signs, sign), value + sign * hashes[at])
        for columns, signs, value in parts
        for at in range(columns[-1] + 1, len(hashes))
        for sign in (1, -1)
    ]


def _meeting(
    left: Sequence[_Part], right: Sequence[_Part], slack: float
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Give columns and signs of two parts whose hashes cancel out."""
    if not left or not right:
        return
    values = np.array([one[2] for one in right])  # (n, 2)
    order = np.argsort(values[:, 0])
    ranked = values[order]
    for columns, signs, value in left:
        for flip in (1, -1):
            low, high = np.searchsorted(ranked[:, 0], flip * value[0] + np.array([-slack, slack]))
            if high - low > 200:
                continue  # hashes of columns that hardly move
            near = np.abs(ranked[low:high, 1] - flip * value[1]) <= slack
            for at in order[low:high][near]:
                others, other_signs, _ = right[at]
                if not set(columns) & set(others):
                    yield (*columns, *others), (*signs, *(-flip * sign for sign in other_signs))


def _identity(
    found: _Found,
    names: Sequence[str],
    columns: tuple[int, ...],
    signs: tuple[int, ...],
    sides: Floats,
    places: Sequence[int | None],
) -> Rule | None:
    """Return the identity with the column in front that the others settle, if one may be."""
    held = _rows_of_constant(found, names, columns, signs, places)
    free = [a for a in _by_likeness_to_a_total(columns, signs, sides) if found.free(names[a])]
    if held is None or not free:
        return None
    target = free[0]
    name, sign = names[target], signs[columns.index(target)]
    parts = [(a, -s * sign) for a, s in zip(columns, signs, strict=True) if a != target]
    parts.sort(key=lambda one: (-one[1], one[0]))
    value = found.few.floats(name)[0]
    rest = sum(s * found.few.floats(names[a])[0] for a, s in parts)
    constant = float(np.median((value - rest)[held]))
    unit = 0.2 * _half_a_unit(places[target])
    constant = _shortest(constant - unit, constant + unit)
    node = _sum_of([(names[a], s) for a, s in parts], constant)
    return Formula(
        f"{quoted(name)} = {written(node)}", "sum", name, tuple(names[a] for a, _ in parts),
        expression=node, decimals=places[target],
    )  # fmt: skip


def _is_constant(
    columns: tuple[int, ...], signs: tuple[int, ...], sides: Floats, places: Sequence[int | None]
) -> bool:
    """Tell whether a signed sum is the same in a few rows, up to rounding."""
    total = sides[:, columns] @ np.array(signs)
    slack = 2 * _slack(columns, places) + 1e-9 * np.abs(sides[:, columns]).max()
    return bool(np.abs(total).max() <= slack)


def _slack(columns: tuple[int, ...], places: Sequence[int | None]) -> float:
    """Return how far rounding moves a sum of columns."""
    return sum(
        1e-9 if places[at] is None else 0.51 * 10.0 ** -int(places[at] or 0) for at in columns
    )


def _rows_of_constant(
    found: _Found,
    names: Sequence[str],
    columns: tuple[int, ...],
    signs: tuple[int, ...],
    places: Sequence[int | None],
) -> Bools | None:
    """Return the rows in which a signed sum is known, if it is one constant up to rounding."""
    values = [found.few.floats(names[at]) for at in columns]
    held: Bools = ~np.logical_or.reduce([gone for _, gone in values])
    if held.sum() < LEAST_ROWS:
        return None
    whole = sum(sign * one[held] for sign, (one, _) in zip(signs, values, strict=True))
    largest = max(np.abs(one[held]).max() for one, _ in values)
    if np.ptp(whole) > 2 * _slack(columns, places) + 1e-9 * largest:
        return None
    moved = [np.count_nonzero(v[held] != _mode(v[held])) for v, _ in values]
    return held if min(moved) >= MOVING_ROWS else None


def _by_likeness_to_a_total(
    columns: tuple[int, ...], signs: tuple[int, ...], sides: Floats
) -> list[int]:
    """Return the columns, first the one whose sign differs from all others, then by size."""
    positive = [at for at, sign in zip(columns, signs, strict=True) if sign > 0]
    alone = positive if len(positive) == 1 else [a for a in columns if a not in positive]
    order = sorted(columns, key=lambda a: -float(np.abs(sides[:, a]).sum()))
    return list(dict.fromkeys([*alone, *order] if len(alone) == 1 else order))


def _sum_of(parts: Sequence[tuple[str, int]], constant: float) -> ast.expr:
    (name, sign), *others = parts
    node: ast.expr = ast.Name(name)
    if sign < 0:
        node = ast.BinOp(ast.Constant(_whole(constant)), ast.Sub(), node)
        constant = 0.0
    for name, sign in others:
        node = ast.BinOp(node, ast.Add() if sign > 0 else ast.Sub(), ast.Name(name))
    return _plus(node, constant)


def _mode(values: Floats) -> float:
    found, counts = np.unique(values, return_counts=True)
    return float(found[counts.argmax()]) if len(found) else 0.0


# products and ratios


def _products(found: _Found) -> Iterator[Rule]:
    """Look for ``c = a * b`` and ``c = a / b``, up to the rounding of ``c``."""
    names = [name for name in found.plain if name not in found.settled]
    if not 3 <= len(names) <= FEW:
        return
    rows = _complete(found, names)
    if len(rows) < LEAST_ROWS:
        return
    tried = rows[np.linspace(0, len(rows) - 1, 64).astype(int)]
    moving = [name for name in names if found.levels(name) > 8]
    if not moving:
        return
    values = [found.few.floats(name)[0] for name in moving]
    places = [decimals_of(one[rows]) for one in values]
    matrix = np.stack([one[tried] for one in values])
    slack = np.array([_half_a_unit(one) for one in places])
    slack += 1e-9 * np.abs(matrix).max(axis=1)
    slack[slack > 0.05 * matrix.std(axis=1)] = -1.0  # anything rounds to so few values
    for at, first, sign, second in _matching(matrix, slack):
        name, pair = moving[at], (moving[first], moving[second])
        if name in pair or not found.free(name):
            continue
        node = ast.BinOp(ast.Name(pair[0]), sign, ast.Name(pair[1]))
        yield Formula(
            f"{quoted(name)} = {written(node)}", "product", name, pair,
            expression=node, decimals=places[at],
        )  # fmt: skip


def _matching(matrix: Floats, slack: Floats) -> Iterator[tuple[int, int, ast.operator, int]]:
    """Give rows c, a, sign and b of a matrix with c = a * b or c = a / b, up to the slack of c."""
    for a, b in combinations(range(len(matrix)), 2):
        x, y = matrix[a], matrix[b]
        with np.errstate(divide="ignore", invalid="ignore"):
            made = [(a, ast.Mult(), b, x * y), (a, ast.Div(), b, x / y), (b, ast.Div(), a, y / x)]
        for left, sign, right, told in made:
            if np.isfinite(told).all() and np.ptp(told):
                for c in np.flatnonzero((np.abs(matrix - told) <= slack[:, None]).all(axis=1)):
                    yield int(c), left, sign, right


# lookups and bins


def _lookups(found: _Found) -> Iterator[Rule]:
    """Look for columns whose value is settled by that of another."""
    names = [name for name in found.coded if name not in found.settled][:MANY]
    codes = {name: found.few.codes(name)[0] for name in names}
    levels = {name: found.levels(name) for name in names}
    # the fewest levels that settle a column: zip -> city -> state, not zip -> state
    for target in sorted(names, key=lambda one: levels[one]):
        if not found.free(target):
            continue
        keys = [
            name
            for name in names
            if name != target
            and levels[name] >= levels[target]
            and _settles(codes[name], codes[target])
        ]
        for source in sorted(keys, key=lambda one: (levels[one], names.index(one))):
            rule = _bins(found, source, target) or _lookup(found, source, target)
            if rule is not None and target not in found.settled:
                yield rule


def _lookup(found: _Found, source: str, target: str) -> Rule | None:
    """Return the rule that each value of the source goes with one of the target's."""
    if _is_quantity(found, source):
        return None
    return lookup(source, target).learned(found.frame)


def _settles(key: Ints, value: Ints) -> bool:
    """Tell whether each key goes with one value, and not by chance."""
    held = key >= 0
    if held.sum() < max(LEAST_ROWS, 0.5 * len(key)):
        return False
    key, value = key[held], value[held]
    first = np.full(key.max() + 1, -2, np.int64)
    first[key[::-1]] = value[::-1]
    return bool((first[key] == value).all()) and _log_chance(key, value) < LOG_CHANCE


def _log_chance(key: Ints, value: Ints) -> float:
    """Return the log of the chance that all pairs of one key agree, were values drawn anew."""
    shares = np.bincount(value + 1) / len(value)
    repeats = len(key) - np.count_nonzero(np.bincount(key))
    return float(repeats * np.log((shares**2).sum()))


def _is_quantity(found: _Found, name: str) -> bool:
    """Tell numbers that mean an amount from codes: only a code settles unordered things."""
    if name not in found.plain or _CODE_NAME.search(name):
        return False
    if found.levels(name) >= LEAST_LEVELS:
        return False
    values, gone = found.frame.floats(name)
    return len(np.unique(values[~gone])) < LEAST_LEVELS


def _bins(found: _Found, source: str, target: str) -> Rule | None:
    """Return the rule that the target's values are intervals of a number, if they are."""
    if source not in found.plain:
        return None
    values, gone = found.frame.floats(source)
    codes, levels = found.frame.codes(target)
    held = ~gone & (codes >= 0)
    order = np.argsort(values[held], kind="stable")
    if _CODE_NAME.search(source):
        return None  # a code, whose numbers mean nothing
    numbers, ranked = values[held][order], codes[held][order]
    starts = np.flatnonzero(np.diff(ranked, prepend=-1))
    if len(starts) != len(np.unique(ranked)) or len(np.unique(numbers)) <= len(starts):
        return None
    edges = [float(numbers[0])]
    for at in starts[1:]:
        if numbers[at] == numbers[at - 1]:
            return None
        edge = float(numbers[at] + numbers[at - 1]) / 2
        edges.append(_shortest(edge - 1e-9, edge + 1e-9))
    kind = levels.type
    return Bins(
        f"{quoted(source)} -> {quoted(target)}",
        "bins",
        target,
        (source,),
        edges=tuple(edges),
        values=levels.take(pa.array(ranked[starts])).cast(kind),
    )


# one of several


def _groups(found: _Found) -> Iterator[Rule]:
    """Look for neighboring flags of which one is set, or at most one."""
    for names in found.flags:
        if len(names) > 1 and all(found.free(name) for name in names):
            yield one_of(names, at_most=not _covers(found, names))


def _covers(found: _Found, names: Sequence[str]) -> bool:
    total = np.sum([found.frame.floats(name)[0] for name in names], axis=0)
    gone = np.logical_or.reduce([found.frame.missing(name) for name in names])
    return bool((total[~gone] == 1).all())


def _runs_of_flags(found: _Found) -> list[list[str]]:
    """Return neighboring flags no two of which are ever set together, where chance is no reason."""
    runs: list[list[str]] = []
    taken = np.zeros(len(found.few), bool)
    for name in found.few.table.column_names:
        flag = _flag(found, name)
        if flag is None:
            taken = np.ones(len(found.few), bool)  # no neighbor any more
            continue
        if (flag & taken).any() or not runs:
            runs.append([])
            taken = np.zeros(len(found.few), bool)
        runs[-1].append(name)
        taken = taken | flag
    return [run for run in runs if _is_group(found, run)]


def _flag(found: _Found, name: str) -> Bools | None:
    """Return a column of zeros and ones as such."""
    kind = found.few.table[name].type
    of = pa.types
    if not (of.is_boolean(kind) or of.is_integer(kind) or of.is_floating(kind)):
        return None
    if name in found.avoid:
        return None
    values, gone = found.few.floats(name)
    held = values[~gone]
    if len(held) < LEAST_ROWS or not np.isin(held, (0.0, 1.0)).all() or not np.ptp(held):
        return None
    flag: Bools = values == 1
    return flag


def _is_group(found: _Found, names: Sequence[str]) -> bool:
    """Tell whether flags would meet in some rows by chance."""
    gaps = [found.few.missing(name) for name in names]
    if len(names) < 2 or any((gap != gaps[0]).any() for gap in gaps):
        return False
    shares = np.array([found.few.floats(name)[0].mean() for name in names])
    pairs = (shares.sum() ** 2 - (shares**2).sum()) / 2
    return bool(-len(found.few) * pairs < LOG_CHANCE)


# orders


def _orders(found: _Found) -> Iterator[Rule]:
    """Look for numbers that are never above others, and dates never after others."""
    for group in (found.plain, *_alike(found)):
        names = [n for n in group if n not in found.settled and found.levels(n) > 2][:MANY]
        below = _below(found, names)
        kept: dict[tuple[int, int], bool] = {}
        for low, high in zip(*np.nonzero(below), strict=True):
            strict = _order_of(found, names[low], names[high])
            if strict is not None:
                kept[int(low), int(high)] = strict
        yield from _equal_where_held(found, [(names[low], names[high]) for low, high in kept])
        equal = {rule.target: rule.sources[0] for rule in found.rules if rule.kind == "equal"}
        above = {
            (low, high): strict and equal.keys().isdisjoint((names[low], names[high]))
            for (low, high), strict in kept.items()
            if (high, low) not in kept
        }
        missing = found.frame.missing
        # what is held only with the column that it equals keeps that column's orders
        whole = {one for one, other in equal.items() if not (missing(other) & ~missing(one)).any()}
        for (low, high), strict in above.items():
            if whole & {names[low], names[high]}:
                continue
            if any(_is_between(found, names, above, low, one, high) for one in range(len(names))):
                continue
            first, second = names[low], names[high]
            yield Order(
                f"{quoted(first)} {'<' if strict else '<='} {quoted(second)}",
                "order",
                second,
                (first,),
                strict=strict,
            )


def _equal_where_held(found: _Found, kept: Sequence[tuple[str, str]]) -> Iterator[Rule]:
    """Give the rules that columns are equal which are each never above the other."""
    both = {*kept}
    pairs = [(low, high) for low, high in kept if (high, low) in both]
    missing = {name: found.frame.missing(name) for pair in pairs for name in pair}
    # what is held less often follows from what is held more often
    for source, target in sorted(pairs, key=lambda pair: int(missing[pair[0]].sum())):
        if target not in found.settled and source not in found.settled:
            yield _same(target, source)


def _is_between(
    found: _Found,
    names: Sequence[str],
    above: Mapping[tuple[int, int], bool],
    low: int,
    one: int,
    high: int,
) -> bool:
    """Tell whether an order follows from those with one column, in every row that shows it."""
    if (low, one) not in above or (one, high) not in above:
        return False
    if above[low, high] and not (above[low, one] or above[one, high]):
        return False
    gone, low_gone, high_gone = (found.frame.missing(names[at]) for at in (one, low, high))
    return not (gone & ~low_gone & ~high_gone).any()


def _alike(found: _Found) -> list[list[str]]:
    """Return dates with stamps of one zone, times, durations: what compares."""
    kinds: dict[str, list[str]] = {}
    for name in found.temporal:
        kind = found.frame.table[name].type
        plain = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and not kind.tz)
        kinds.setdefault("dates" if plain else str(kind), []).append(name)
    return [names for names in kinds.values() if len(names) > 1]


def _sizes(found: _Found, name: str) -> tuple[Floats, Bools]:
    """Return numbers of the sample that compare with those of others: times in days."""
    values, gone = found.few.floats(name)
    return (
        values / ticks(found.frame.table[name].type) if name in found.temporal else values
    ), gone


def _below(found: _Found, names: Sequence[str]) -> Bools:
    """Return which column is never above which other, in the sample."""
    n = len(names)
    if n < 2:
        return np.zeros((n, n), bool)
    both = [_sizes(found, name) for name in names]
    values = np.column_stack([np.where(gone, np.nan, value) for value, gone in both])
    never = ~np.eye(n, dtype=bool)
    for rows in np.array_split(values, max(len(values) * n * n // 20_000_000, 1)):
        never &= ~(rows[:, :, None] > rows[:, None, :]).any(axis=0)
    return never


def _order_of(found: _Found, low: str, high: str) -> bool | None:
    """Return whether an order is strict, None where chance may explain it, or nothing shows it."""
    units = [ticks(found.frame.table[one].type) for one in (low, high) if one in found.temporal]
    if units != sorted(units):
        return None  # a stamp and a later date: the day of the stamp would have to be cut
    (a, a_gone), (b, b_gone) = _sizes(found, low), _sizes(found, high)
    held = ~a_gone & ~b_gone
    if held.sum() < 2 * LEAST_ROWS:
        return None
    ranked = np.sort(b[held])
    share = float(np.searchsorted(ranked, a[held], "left").mean()) / len(ranked)
    if share * held.sum() < EXPECTED_BREAKS:
        return None
    equal = a[held] == b[held]
    numbers, gone = found.frame.numbers_as(low, found.frame.table[high].type)
    others, others_gone = found.frame.numbers(high)
    full = ~gone & ~others_gone
    if numbers.dtype != others.dtype:
        return (
            None
            if (found.frame.floats(low)[0] > found.frame.floats(high)[0])[full].any()
            else False
        )
    if (numbers > others)[full].any():
        return None
    return not equal.any() and not (numbers == others)[full].any()


# missing values, and grids


def _missing(found: _Found) -> Iterator[Rule]:
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
            yield MissingTogether(
                f"{quoted(first)} missing -> {quoted(second)} missing",
                "missing",
                second,
                (first,),
            )


def _grids(found: _Found) -> Iterator[Rule]:
    """Look for whole numbers and times that stand a step apart."""
    codes = {rule.sources[0] for rule in found.rules if isinstance(rule, Lookup) and not rule.part}
    for name in found.numeric:
        if name in found.settled or name in codes or found.levels(name) < LEAST_LEVELS:
            continue
        rule = _grid(found, name)
        if rule is not None:
            yield rule


def _grid(found: _Found, name: str) -> Grid | None:
    kind = found.frame.table[name].type
    rule = Grid("", "grid", name, ())
    if pa.types.is_floating(kind):
        values, gone = found.few.floats(name)
        rule = replace(rule, places=decimals_of(values[~gone]))
        if rule.places is None:
            return None
        values, gone = found.frame.floats(name)
        if np.abs(values[~gone]).max(initial=0.0) >= 2.0**53 / 10.0**rule.places:
            return None
    few, gone = rule.numbers(found.few)
    few = few[~gone]
    if pa.types.is_date(kind) and (offset := _of_month(few)) is not None:
        text = f"{quoted(name)} is the {'last' if offset else 'first'} day of a month"
        return replace(rule, text=text, offset=offset, monthly=True)
    if few.dtype.kind != "i" or np.gcd.reduce(few - few[0]) <= 1:
        return None
    numbers, gone = rule.numbers(found.frame)
    held = numbers[~gone]
    step = int(np.gcd.reduce(held - held[0]))
    if step <= 1 or _is_only_a_unit(kind, step):
        return None
    offset = int(held[0] % step)
    text = _grid_text(found, name, step, offset, rule.places)
    return replace(rule, text=text, step=step, offset=offset)


def _of_month(days: Ints) -> int | None:
    """Return 0 where all days are the first of a month, -1 where they are the last."""
    for offset in (0, -1):
        if (month_starts(days - offset) == days - offset).all():
            return offset
    return None


def _is_only_a_unit(kind: pa.DataType, step: int) -> bool:
    """Tell a grid that is only seconds, which times are written in."""
    if not pa.types.is_temporal(kind) or pa.types.is_date(kind):
        return False
    second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    return step <= second


def _grid_text(found: _Found, name: str, step: int, offset: int, places: int | None) -> str:
    kind = found.frame.table[name].type
    if not pa.types.is_temporal(kind):
        places = kind.scale if pa.types.is_decimal(kind) else places or 0
        size, start = step / 10**places, offset / 10**places
        return f"{quoted(name)} is a multiple of {size:g}" + (f" plus {start:g}" if start else "")
    if pa.types.is_date(kind):
        return f"{quoted(name)} stands {step} days apart"
    seconds = step / {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{quoted(name)} stands {count} {unit}{'s' * (count > 1)} apart"
    return f"{quoted(name)} stands {seconds:g} seconds apart"
