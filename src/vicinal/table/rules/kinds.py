"""Kinds of rules: which rows break one, and how the column that it settles is computed."""

from __future__ import annotations

import ast
import keyword
import unicodedata
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Array, Bools, Floats
from vicinal.table.numbers import from_numbers, to_floats, to_numbers, value_range
from vicinal.table.rare import OTHER
from vicinal.table.rules.calendar import PARTS, month_starts, seconds_of, span, ticks
from vicinal.table.rules.rounding import slack_of
from vicinal.table.schema import is_string


def quoted(name: str) -> str:
    """Return a column's name as rules write it, so that it can be read again."""
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return name if plain and unicodedata.normalize("NFKC", name) == name else f"`{name}`"


class Frame:
    """Columns of a table as numbers and as codes, made when first asked for."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self._numbers: dict[str, tuple[Any, Bools]] = {}
        self._floats: dict[str, tuple[Floats, Bools]] = {}
        self._codes: dict[str, tuple[Array, pa.Array]] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def numbers(self, name: str) -> tuple[Any, Bools]:
        """Return exact numbers and where they are missing."""
        if name not in self._numbers:
            self._numbers[name] = to_numbers(self.table[name], name)
        return self._numbers[name]

    def floats(self, name: str) -> tuple[Floats, Bools]:
        """Return numbers as float64, in their own size, and where they are missing."""
        if name not in self._floats:
            self._floats[name] = to_floats(self.table[name], name)
        return self._floats[name]

    def numbers_as(self, name: str, unit: pa.DataType) -> tuple[Any, Bools]:
        """Return exact numbers in the unit of another type; in days a stamp is its day."""
        numbers, gone = self.numbers(name)
        own = self.table[name].type
        if own != unit and pa.types.is_temporal(own) and pa.types.is_temporal(unit):
            more, less = ticks(unit), ticks(own)
            numbers = numbers * (more // less) if more >= less else numbers // (less // more)
        return numbers, gone

    def missing(self, name: str) -> Bools:
        """Return where a column is missing."""
        values = self.table[name]
        mask: Bools = values.is_null(nan_is_null=pa.types.is_floating(values.type)).to_numpy()
        return mask

    def codes(self, name: str, part: str = "") -> tuple[Array, pa.Array]:
        """Return a column, or a part of dates, as codes and what they stand for; -1 if missing."""
        key = f"{part}({name})" if part else name
        if key not in self._codes:
            values = self.table[name].combine_chunks()
            values = PARTS[part](values) if part else values
            if isinstance(values, pa.ChunkedArray):
                values = values.chunk(0)
            if not pa.types.is_dictionary(values.type):
                if pa.types.is_floating(values.type):
                    values = pc.if_else(pc.is_nan(values), None, values)
                values = values.dictionary_encode()
            codes = pc.fill_null(values.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
            self._codes[key] = (codes, values.dictionary)
        return self._codes[key]


@dataclass(frozen=True)
class Rule(ABC):
    """What holds between columns: ``sources`` settle ``target``."""

    # rows are the training rows that show it, exceptions those that break it

    text: str
    kind: str
    target: str
    sources: tuple[str, ...]
    rows: int = 0
    exceptions: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that takes part."""
        return (*dict.fromkeys((*self.sources, self.target)),)

    @abstractmethod
    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule, shape (n_rows,)."""

    def violations(self, table: pa.Table) -> int:
        """Return how many rows of a table break the rule."""
        return int(self.broken(Frame(table)).sum())

    def shown(self, frame: Frame) -> Bools:
        """Return which rows can show the rule: those where nothing is missing."""
        shown: Bools = ~np.logical_or.reduce([frame.missing(name) for name in self.columns])
        return shown

    def measured(self, frame: Frame) -> Rule:
        """Return the rule with its evidence in these rows."""
        return replace(
            self, rows=int(self.shown(frame).sum()), exceptions=int(self.broken(frame).sum())
        )


@dataclass(frozen=True)
class Formula(Rule):
    """``total = a + b``, ``charge = round(price * quantity)``, ``year = year(when)``."""

    expression: ast.expr = field(default_factory=lambda: ast.Constant(0), compare=False)
    #: Decimal places of the target; None for as many as a float has.
    decimals: int | None = None

    def value(self, frame: Frame) -> tuple[Floats, Bools]:
        """Return what the other columns say, rounded as the target is, and where they cannot."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value, missing = evaluate(self.expression, frame)
        gone = missing | ~np.isfinite(value)
        value = np.where(gone, 0.0, value)
        if self.decimals is not None:
            value = np.round(value, self.decimals)
        return value, gone

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        if same := self._same(frame, frame.table[self.target].type):
            numbers, gone = same
            own, own_gone = frame.numbers(self.target)
            differs: Bools = (own != numbers) & ~own_gone & ~gone
            return differs
        own, own_gone = frame.floats(self.target)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            value, gone = evaluate(self.expression, frame)
        wrong = np.abs(own - value) > slack_of(own, self.decimals)
        broken: Bools = ~own_gone & ~gone & np.isfinite(value) & wrong
        return broken

    def compute(self, frame: Frame, kind: pa.DataType) -> pa.Array:
        """Return the target's values, of its own type."""
        if same := self._same(frame, kind):
            return from_numbers(*same, kind)
        value, gone = self.value(frame)
        low, high = value_range(kind)
        beyond = value[~gone & ((np.rint(value) < low) | (np.rint(value) > high))]
        if len(beyond):
            raise ValueError(
                f"rule {self.text!r} gives {beyond[0]:g} in a synthetic row, which {self.target!r} "
                f"({kind}) cannot hold. Give the column a wider type, such as int64 or double, or "
                "set rules='off'."
            )
        return from_floats(value, gone, kind)

    def _same(self, frame: Frame, kind: pa.DataType) -> tuple[Any, Bools] | None:
        """Return whole numbers of the column that the target equals, which floats would round."""
        if not isinstance(self.expression, ast.Name):
            return None
        of, own = pa.types, frame.table[self.expression.id].type
        both = (of.is_integer(own) and of.is_integer(kind)) or own == kind
        if not both or not (of.is_integer(kind) or of.is_temporal(kind)):
            return None
        return frame.numbers(self.expression.id)


@dataclass(frozen=True)
class Order(Rule):
    """``start <= end``; the target is the higher column, if a date the day of a stamp counts."""

    strict: bool = False

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        low, low_gone = frame.numbers_as(self.sources[0], frame.table[self.target].type)
        high, high_gone = frame.numbers(self.target)
        wrong = low >= high if self.strict else low > high
        broken: Bools = wrong & ~low_gone & ~high_gone
        return broken


@dataclass(frozen=True)
class Lookup(Rule):
    """``zip -> city``: every value of one column, or ``part`` of a date, goes with one value."""

    part: str = ""

    keys: pa.Array | None = field(default=None, compare=False)
    values: pa.Array | None = field(default=None, compare=False)

    def learned(self, frame: Frame) -> Lookup:
        """Return the rule with the pairs of these rows."""
        codes, keys = frame.codes(self.sources[0], self.part)
        held = codes >= 0
        first = np.full(len(keys), -1, np.int64)
        rows = np.flatnonzero(held)[::-1]
        first[codes[rows]] = rows
        used = np.flatnonzero(first >= 0)
        values = self._column(frame).take(pa.array(first[used]))
        return replace(self, keys=keys.take(pa.array(used)), values=values)

    def without(self, rare: frozenset[Any]) -> Lookup | None:
        """Return the rule with values of near keys in place of rare ones, None if all are rare."""
        order = pc.array_sort_indices(self.keys)
        values = _without(self._values().take(order), rare)
        keys = self.keys.take(order) if self.keys is not None else None
        return None if values is None else replace(self, keys=keys, values=values)

    def _column(self, frame: Frame) -> pa.Array:
        column = frame.table[self.target].combine_chunks()
        return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        places = self._places(frame)
        expected = self._values().take(places)
        own = self._column(frame)
        same = pc.fill_null(pc.equal(_plain(own), _plain(expected)), False)
        both_missing = pc.and_(pc.is_null(own), pc.is_null(expected))
        known = pc.is_valid(places)
        broken: Bools = pc.and_(known, pc.invert(pc.or_(same, both_missing))).to_numpy(
            zero_copy_only=False
        )
        return broken

    def _values(self) -> pa.Array:
        if self.values is None:
            raise ValueError(f"The rule {self.text!r} was not fitted.")
        return self.values

    def _places(self, frame: Frame) -> pa.Array:
        source = frame.table[self.sources[0]]
        source = PARTS[self.part](source) if self.part else source
        found = pc.index_in(_plain(source), _plain(self.keys))
        return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found

    def compute(self, frame: Frame, kind: pa.DataType) -> pa.Array:
        """Return the target's values, of its own type; missing for unknown values."""
        places, source = self._places(frame), _plain(frame.table[self.sources[0]])
        told = self._values().take(places).cast(kind)
        if not (is_string(kind) and is_string(source.type)):
            return told
        merged = pc.and_(places.is_null(), pc.equal(source, OTHER).combine_chunks())
        return pc.if_else(merged, pa.scalar(OTHER, kind), told)


@dataclass(frozen=True)
class Bins(Rule):
    """``age_group`` by ``age``: each value of the target is an interval of a number."""

    edges: tuple[float, ...] = ()  # the least number of each bin
    values: pa.Array = field(default_factory=lambda: pa.nulls(0), compare=False)

    def without(self, rare: frozenset[Any]) -> Bins | None:
        """Return the rule with values of near bins in place of rare ones, None if all are rare."""
        values = _without(self.values, rare)
        return None if values is None else replace(self, values=values)

    def _expected(self, frame: Frame) -> tuple[pa.Array, Bools]:
        numbers, gone = frame.floats(self.sources[0])
        places = np.maximum(np.searchsorted(np.array(self.edges), numbers, "right") - 1, 0)
        return self.values.take(pa.array(places, mask=gone)), gone

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        expected, gone = self._expected(frame)
        own = frame.table[self.target].combine_chunks()
        same = pc.fill_null(pc.equal(_plain(own), _plain(expected)), False)
        held = ~frame.missing(self.target) & ~gone
        broken: Bools = held & ~np.asarray(same.to_numpy(zero_copy_only=False))
        return broken

    def compute(self, frame: Frame, kind: pa.DataType) -> pa.Array:
        """Return the target's values, of its own type."""
        return self._expected(frame)[0].cast(kind)


@dataclass(frozen=True)
class MissingTogether(Rule):
    """Where one column is missing, so is another."""

    def shown(self, frame: Frame) -> Bools:
        """Return the rows in which the first column is missing."""
        return frame.missing(self.sources[0])

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        broken: Bools = frame.missing(self.sources[0]) & ~frame.missing(self.target)
        return broken


@dataclass(frozen=True)
class Grid(Rule):
    """Values stand ``step`` apart, in units of the last of ``places``."""

    # the step of monthly dates is a month

    step: int = 1
    offset: int = 0
    places: int | None = None  # of floats
    monthly: bool = False

    def numbers(self, frame: Frame) -> tuple[Any, Bools]:
        """Return the values in whole units."""
        if self.places is None:
            return frame.numbers(self.target)
        floats, gone = frame.floats(self.target)
        scale = 10.0**self.places
        bound = 2.0**62 / scale  # larger ones would be no integers
        near = np.clip(np.nan_to_num(floats), -bound, bound)
        return np.rint(near * scale).astype(np.int64), gone

    def moved(self, numbers: Any, up: bool = False) -> Any:
        """Return whole units on the grid: the nearest ones, or the nearest above."""
        if self.monthly:  # the offset is counted from the first of a month
            first = month_starts(numbers - self.offset)
            following = month_starts(first + 31)
            later = numbers - self.offset > first if up else numbers - self.offset - first > 15
            return np.where(later, following, first) + self.offset
        steps = (numbers - self.offset) / self.step
        whole = np.ceil(steps) if up else np.rint(steps)
        return whole.astype(np.int64) * self.step + self.offset

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        numbers, gone = self.numbers(frame)
        wrong = self.moved(numbers) != numbers
        if self.places is not None:
            scaled = frame.floats(self.target)[0] * 10.0**self.places
            wrong |= np.abs(scaled - numbers) > 1e-6 * np.maximum(1.0, np.abs(scaled) * 1e-6)
        broken: Bools = ~gone & wrong
        return broken

    def compute(self, frame: Frame, kind: pa.DataType) -> pa.Array:
        """Return the values, moved to the nearest ones of the grid."""
        numbers, gone = self.numbers(frame)
        moved = self.moved(numbers)
        if self.places is not None:
            return from_floats(np.round(moved / 10.0**self.places, self.places), gone, kind)
        return from_numbers(moved, gone, kind)


@dataclass(frozen=True)
class OneOf(Rule):
    """One of several flags is set, or ``at_most`` one."""

    at_most: bool = False

    def broken(self, frame: Frame) -> Bools:
        """Return which rows break the rule."""
        total = np.sum([frame.floats(name)[0] for name in self.columns], axis=0)
        wrong = total > 1 if self.at_most else total != 1
        broken: Bools = wrong & self.shown(frame)
        return broken

    def one(self, frame: Frame) -> pa.Array:
        """Return the name of the flag that is set, "" for none, missing where flags are."""
        names = np.array([*self.columns, ""])
        flags = np.stack([frame.floats(name)[0] for name in self.columns], axis=1)
        chosen = np.where(flags.any(axis=1), flags.argmax(axis=1), len(names) - 1)
        return pa.array(names[chosen], mask=~self.shown(frame))

    def flag(self, name: str, one: Any, kind: pa.DataType) -> pa.Array:
        """Return a flag of those names, in its own type."""
        return pc.equal(one, name).cast(pa.int8()).cast(kind)


#: Rules whose target is not mixed, but computed.
Computed = (Formula, Lookup, Bins)


class Behind(dict[str, set[str]]):
    """Every column that a rule settles, with all columns that it follows from in the end."""

    def closes_a_circle(self, rule: Rule) -> bool:
        """Tell whether a column would follow from itself, were a rule taken."""
        return rule.target in self._sources(rule)

    def take(self, rule: Rule) -> None:
        """Take a rule, and carry it on to what follows from its target."""
        sources = self._sources(rule)
        later = [name for name, known in self.items() if rule.target in known]
        for name in {rule.target, *later}:
            self[name] = self.get(name, set()) | sources

    def _sources(self, rule: Rule) -> set[str]:
        return set(rule.sources).union(*(self.get(name, set()) for name in rule.sources))


def from_floats(value: Floats, gone: Bools, kind: pa.DataType) -> pa.Array:
    """Return floats as an array of a column's type."""
    of = pa.types
    if of.is_floating(kind):
        return pa.array(value, pa.float64(), mask=gone).cast(kind, safe=False)
    if of.is_decimal(kind):
        return pa.array(np.round(value, kind.scale), mask=gone).cast(kind, safe=False)
    if of.is_string(kind) or of.is_large_string(kind):
        return pa.array(value, mask=gone).cast(kind)
    if kind == pa.uint64():
        return pa.array(np.rint(value).astype(np.uint64), kind, mask=gone)
    return from_numbers(np.rint(value).astype(np.int64), gone, kind)


def evaluate(node: ast.AST, frame: Frame) -> tuple[Floats, Bools]:
    """Return the value of an expression in every row, and where it has none."""
    if isinstance(node, ast.Name):
        return frame.floats(node.id)
    if isinstance(node, ast.Constant):
        return np.full(len(frame), float(str(node.value))), np.zeros(len(frame), bool)
    if isinstance(node, ast.UnaryOp):
        value, gone = evaluate(node.operand, frame)
        return -value, gone
    if isinstance(node, ast.Call):
        return _called(str(getattr(node.func, "id", "")), node.args, frame)
    if not isinstance(node, ast.BinOp):
        raise TypeError(f"{ast.dump(node)} is no part of a rule.")
    (left, left_gone), (right, right_gone) = (
        evaluate(node.left, frame),
        evaluate(node.right, frame),
    )
    operate = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide}
    return operate[type(node.op)](left, right), left_gone | right_gone


def _called(name: str, args: list[ast.expr], frame: Frame) -> tuple[Floats, Bools]:
    """Return a part of dates, or a span between two."""
    if name in PARTS:
        column = str(getattr(args[0], "id", ""))
        return to_floats(PARTS[name](frame.table[column]), column)
    (start, start_gone), (end, end_gone) = (_seconds(one, frame) for one in args)
    return span(name, start, end), start_gone | end_gone


def _seconds(node: ast.expr, frame: Frame) -> tuple[Floats, Bools]:
    if isinstance(node, ast.Name):
        numbers, gone = frame.floats(node.id)
        return seconds_of(numbers, frame.table[node.id].type), gone
    when = np.datetime64(str(getattr(node, "value", "")), "s").astype(np.int64)
    return np.full(len(frame), float(when)), np.zeros(len(frame), bool)


def _without(values: pa.Array, rare: frozenset[Any]) -> pa.Array | None:
    """Return values with the nearest other one in the place of each that is rare."""
    kept = np.flatnonzero([value not in rare for value in _plain(values).to_pylist()])
    if not len(kept):
        return None
    middle = (kept[:-1] + kept[1:]) // 2
    return values.take(pa.array(kept[np.searchsorted(middle, np.arange(len(values)))]))


def _plain(values: Any) -> Any:
    """Return values without a dictionary, so that they compare."""
    return values.cast(values.type.value_type) if pa.types.is_dictionary(values.type) else values
