"""How rules are kept: what they settle is not mixed, but computed from what was."""

from __future__ import annotations

import ast
import operator
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Bools, Indices
from vicinal.table.numbers import are_fillers, decimals_of, from_numbers, in_own_size
from vicinal.table.rare import hidden_levels
from vicinal.table.rules.find import find_rules
from vicinal.table.rules.grammar import parse_rule
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
    from_floats,
)

#: A high end is mixed as its distance from the low end where that has at most this share of its
#: standard deviation; else it is mixed itself, and lifted where it falls below.
CLOSE = 0.25
#: A computed column that is held without its sources in more than this share of the rows is mixed
#: as well, and computed only where it can be.
PARTLY = 0.01


@dataclass(frozen=True)
class _Gap:
    """A column that is mixed as its distance from the columns that it may not fall below."""

    lows: tuple[str, ...]
    strict: tuple[bool, ...]
    #: Whether the distance itself is mixed, or the column, which is then lifted where needed.
    mixed: bool
    decimals: int | None = None


@dataclass(frozen=True)
class _Rest:
    """The rest of a whole, which stays in its range: the other parts are moved to their means."""

    rule: Formula
    low: float
    high: float
    #: Mean and decimal places of each other part.
    parts: Mapping[str, tuple[float, int | None]]

    def moved(self, frame: Frame) -> tuple[Bools, dict[str, pa.Array]]:
        """Return the rows whose rest is out of range, and other parts that bring it back."""
        value, gone = self.rule.value(frame)
        inside = np.clip(value, self.low, self.high)
        out = ~gone & (inside != value)
        means = {name: pa.array([mean]) for name, (mean, _) in self.parts.items()}
        middle = float(self.rule.value(Frame(pa.table(means)))[0][0])
        units = sum(0.0 if one is None else 10.0**-one for _, one in self.parts.values())
        # as far inside as it was outside, so that the ends are not met too often
        away, room = np.abs(inside - value), np.abs(middle - inside)
        share = (away + np.minimum(away, room / 2) + units) / np.maximum(away + room, 1e-300)
        share = np.where(out, np.minimum(share, 1.0), 0.0)
        made = {}
        for name, (mean, places) in self.parts.items():
            own, own_gone = frame.floats(name)
            own = own + share * (mean - own)
            own = own if places is None else np.round(own, places)
            made[name] = from_floats(own, own_gone, frame.table[name].type)
        return out, made


class RuleKeeper:
    """Turns a table into what is mixed of it, and back, so that rules hold in every row."""

    def __init__(self, rules: Sequence[Rule], table: pa.Table, distances: bool = True) -> None:
        self.rules, self.schema, self._distances = list(rules), table.schema, distances
        frame = Frame(table)
        self._computed = {rule.target: rule for rule in self.rules if isinstance(rule, Computed)}
        self._grids = {r.target: r for r in self.rules if isinstance(r, Grid)}
        #: Flags one of which is set, by the column that is mixed in their place.
        self._groups = {
            _fresh(rule.text, table.column_names): rule
            for rule in self.rules
            if isinstance(rule, OneOf)
        }
        self._nan = {
            field.name
            for field in table.schema
            if pa.types.is_floating(field.type) and not table[field.name].null_count
        }
        self._partly = {
            name
            for name, rule in self._computed.items()
            if (_unknown(rule, frame) & ~frame.missing(name)).mean() > PARTLY
        }
        self._gaps = self._gaps_of(frame)
        self._flags = self._flags_of(frame)
        self._rests = self._rests_of(frame)

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        said: str | Sequence[str] | Mapping[str, str] = "auto",
        avoid: Sequence[str] = (),
        among: Sequence[str] | None = None,
        distances: bool = True,
    ) -> RuleKeeper:
        """Find rules in training rows, add those that the user says, and hold them against rows."""
        # no rule settles columns to avoid; those of a mapping are all that there are
        rows = table if among is None else table.select(list(among))
        if isinstance(said, str):
            if said not in ("auto", "off"):
                raise ValueError(
                    f"rules must be 'auto', 'off' or a list of rules, got {said!r}. For one rule "
                    f"give [{said!r}]."
                )
            return cls(find_rules(rows, avoid) if said == "auto" else [], table, distances)
        return cls(_with_said(table, rows, said, avoid), table, distances)

    def without_rare(
        self, table: pa.Table, least: int, owners: Indices | None, said: Container[str]
    ) -> RuleKeeper:
        """Return one whose rules write no value that too few rows, or owners, hold, but as said."""
        # a lookup of whole values follows a category whose own rare levels are replaced
        kept: list[Rule] = []
        for rule in self.rules:
            own: Rule | None = rule
            if isinstance(rule, Bins) or (isinstance(rule, Lookup) and rule.part):
                levels = pc.dictionary_encode(table[rule.target])
                rare = hidden_levels(levels, least, owners) if rule.text not in said else ()
                own = rule.without(rare) if rare else rule
            kept += [] if own is None else [own]
        same = len(kept) == len(self.rules) and all(map(operator.is_, kept, self.rules))
        return self if same else RuleKeeper(kept, table, self._distances)

    def _gaps_of(self, frame: Frame) -> dict[str, _Gap]:
        gaps: dict[str, _Gap] = {}
        for rule in self.rules:
            if not isinstance(rule, Order) or rule.target in self.settled:
                continue
            before = gaps.get(rule.target)
            lows = (*(before.lows if before else ()), rule.sources[0])
            strict = (*(before.strict if before else ()), rule.strict)
            gaps[rule.target] = _Gap(lows, strict, mixed=False)
        for name, one in gaps.items():
            values, gone = frame.floats(name)
            places, mixed = (
                decimals_of(values[~gone]),
                self._distances and name not in self._computed and _is_close(frame, name, one),
            )
            gaps[name] = replace(one, mixed=mixed, decimals=places)
        return gaps

    def _rests_of(self, frame: Frame) -> list[_Rest]:
        taken = {*self._computed, *self._gaps, *self._grids, *self.codes}
        taken |= {name for rule in self._groups.values() for name in rule.columns}
        rests = []
        for name, rule in self._computed.items():
            if not isinstance(rule, Formula) or not _is_rest(rule.expression):
                continue
            held = ~_unknown(rule, frame) & ~frame.missing(name)
            if name in self._partly or taken & set(rule.sources) or not held.any():
                continue
            own = frame.floats(name)[0][held]
            numbers = {one: frame.floats(one)[0][held] for one in rule.sources}
            parts = {one: (float(told.mean()), decimals_of(told)) for one, told in numbers.items()}
            rests.append(_Rest(rule, float(own.min()), float(own.max()), parts))
            taken |= set(rule.sources)  # moved once
        return rests

    def _flags_of(self, frame: Frame) -> dict[str, str]:
        """Return columns whose gaps do not follow from their sources, with names of flags."""
        flags = {}
        for name, rule in self._computed.items():
            missing = frame.missing(name)
            if isinstance(rule, Lookup) or name in self._partly:
                continue  # a value may stand for missing itself, or is mixed with its gaps
            if (missing & ~_unknown(rule, frame)).any():
                flags[name] = _fresh(f"{name} is missing", self.schema.names)
        return flags

    @property
    def codes(self) -> list[str]:
        """The columns that settle others by their value, not by their size."""
        return sorted({r.sources[0] for r in self.rules if isinstance(r, Lookup) and not r.part})

    @property
    def changed(self) -> set[str]:
        """The columns whose values are not those that were mixed."""
        flags = {name for rule in self._groups.values() for name in rule.columns}
        parts = {name for rest in self._rests for name in rest.parts}
        return {*self._computed, *self._gaps, *self._grids, *flags, *parts} | {
            rule.target for rule in self.rules if isinstance(rule, MissingTogether)
        }

    def mixed_as_distance(self, name: str) -> bool:
        """Tell whether a column is mixed as its distance from others."""
        return self._is_gap(name)

    @property
    def settled(self) -> list[str]:
        """The columns that are not mixed but computed."""
        return [name for name in self._computed if name not in self._partly]

    def reduce(self, table: pa.Table) -> pa.Table:
        """Return what is mixed: without what is computed, with distances in place of high ends."""
        frame = Frame(table)
        for name, gap in self._gaps.items():
            if gap.mixed:
                at = table.column_names.index(name)
                table = table.set_column(at, name, _distance(frame, name, gap))
        for name, flag in self._flags.items():
            table = table.append_column(flag, pa.array(frame.missing(name)))
        for name, rule in self._groups.items():
            table = table.append_column(name, rule.one(frame))
        flags = [name for rule in self._groups.values() for name in rule.columns]
        return table.drop_columns([*self.settled, *flags])

    def restore(self, table: pa.Table) -> pa.Table:
        """Return rows of the training table's columns, every rule kept."""
        made = {name: table[name] for name in table.column_names}
        flags = {name: made.pop(flag) for name, flag in self._flags.items() if flag in made}
        self._set_flags(made)
        self._round_to_grids(made)
        self._keep_rests(made)
        settled = dict.fromkeys((*self._gaps, *self._computed))
        waiting = [name for name in settled if name in made or name in self._computed]
        while waiting:
            ready = [one for one in waiting if not set(self._needs(one)) & set(waiting)]
            if not ready:
                raise ValueError(f"Rules settle {', '.join(map(repr, waiting))} in a circle.")
            name = ready[0]
            waiting.remove(name)
            if not set(self._needs(name)) <= set(made):
                made.pop(name, None)  # what it follows from was left out
                continue
            made[name] = self._made(name, Frame(pa.table(made)), flags.get(name))
        self._empty_together(made)
        return pa.table({name: made[name] for name in self.schema.names if name in made})

    def _set_flags(self, made: dict[str, pa.ChunkedArray]) -> None:
        for group in self._groups.keys() & made.keys():
            one, rule = made.pop(group), self._groups[group]
            for name in rule.columns:
                kind = self.schema.field(name).type
                flag = rule.flag(name, one, kind)
                flag = pc.fill_null(flag, self._none(name, kind)) if name in self._nan else flag
                whole = isinstance(flag, pa.ChunkedArray)
                made[name] = flag if whole else pa.chunked_array([flag])

    def _round_to_grids(self, made: dict[str, pa.ChunkedArray]) -> None:
        for name, grid in self._grids.items():
            if name in made and not self._is_gap(name):
                made[name] = pa.chunked_array(
                    [grid.compute(Frame(pa.table(made)), made[name].type)]
                )

    def _keep_rests(self, made: dict[str, pa.ChunkedArray]) -> None:
        for rest in self._rests:
            if set(rest.parts) <= set(made):
                table = pa.table({name: made[name] for name in rest.parts})
                out, moved = rest.moved(Frame(table))
                for name in rest.parts if out.any() else ():
                    made[name] = pc.if_else(pa.array(out), moved[name], made[name])

    def _empty_together(self, made: dict[str, pa.ChunkedArray]) -> None:
        """Empty the cells that are missing wherever another one is."""
        frame = Frame(pa.table(made))
        for rule in self.rules:
            if isinstance(rule, MissingTogether) and set(rule.columns) <= set(made):
                target = made[rule.target]
                gone = pa.array(frame.missing(rule.sources[0]) & ~frame.missing(rule.target))
                none = self._none(rule.target, target.type)
                made[rule.target] = pc.if_else(gone, none, target)
                frame = Frame(pa.table(made))

    def _needs(self, name: str) -> tuple[str, ...]:
        sources = self._computed[name].sources if name in self._computed else ()
        return (*sources, *(self._gaps[name].lows if name in self._gaps else ()))

    def _is_gap(self, name: str) -> bool:
        return name in self._gaps and self._gaps[name].mixed

    def _made(self, name: str, frame: Frame, flag: Any) -> pa.ChunkedArray:
        kind = self.schema.field(name).type
        rule, gap = self._computed.get(name), self._gaps.get(name)
        partly = name in self._partly and name in frame.table.column_names
        if gap is not None and (rule is None or partly):
            values = _lifted(frame, name, gap, kind, self._grids.get(name))
        elif partly:
            values = frame.table[name].cast(kind)
        if rule is not None:
            told = rule.compute(frame, kind)
            own = pa.array(_unknown(rule, frame) | frame.missing(name)) if partly else None
            values = pc.if_else(own, values, told) if partly else told
        if flag is not None:
            gone = flag.combine_chunks() if isinstance(flag, pa.ChunkedArray) else flag
            values = pc.if_else(gone, self._none(name, kind), values)
        if name in self._nan:
            values = pc.fill_null(values, self._none(name, kind))
        return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])

    def _none(self, name: str, kind: pa.DataType) -> pa.Scalar:
        """Return what stands for a missing value: NaN where the column held no null."""
        return pa.scalar(float("nan") if name in self._nan else None, kind)

    def broken(self, table: pa.Table) -> Mapping[str, int]:
        """Return how many rows break each rule."""
        frame, held = Frame(table), set(table.column_names)
        return {
            rule.text: int(rule.broken(frame).sum())
            for rule in self.rules
            if set(rule.columns) <= held
        }


def _parsed(text: str, table: pa.Table, rows: pa.Table) -> Rule:
    """Return a rule between the columns that rows have of a table."""
    rule = parse_rule(text, table.column_names)
    for name in rule.columns:
        if name not in rows.column_names:
            raise ValueError(
                f"rule {text!r} names {name!r}, whose values are replaced or left out. "
                f"kinds={{{name!r}: 'category'}} keeps them."
            )
    return rule


def _with_said(
    table: pa.Table, rows: pa.Table, said: Sequence[str] | Mapping[str, str], avoid: Sequence[str]
) -> list[Rule]:
    """Return rules that a user says, and those found besides, unless a mapping says all."""
    found, new = [], list(said)
    if isinstance(said, Mapping):  # what is found again need not be read
        found = [rule for rule in find_rules(rows, avoid) if rule.text in said]
        texts = {rule.text for rule in found}
        new = [text for text in said if text not in texts]
    frame = Frame(rows)
    named = [_checked(_parsed(text, table, rows), frame) for text in new]
    _check_together(named)
    settled = {name for rule in named for name in settled_by(rule)}
    if not isinstance(said, Mapping):
        found = find_rules(rows, {*avoid, *settled})
    texts = {rule.text for rule in named}
    free = [r for r in found if r.text not in texts and not settled & set(settled_by(r))]
    return [*named, *_without_circles(named, free)]


def _checked(rule: Rule, frame: Frame) -> Rule:
    """Return a user's rule, ready; refuse one that training rows break."""
    for name in rule.columns:
        kind = frame.table[name].type
        number = (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        )
        if isinstance(rule, Formula) and rule.kind != "date part" and not number:
            raise ValueError(f"rule {rule.text!r} computes with {name!r}, which holds {kind}.")
    if isinstance(rule, Formula):
        own, gone = frame.floats(rule.target)
        rule = replace(rule, decimals=decimals_of(own[~gone]))
    try:
        if isinstance(rule, Lookup):
            rule = rule.learned(frame)
        told = rule.measured(frame)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, AttributeError):
        held = ", ".join(f"{name!r} ({frame.table[name].type})" for name in rule.columns)
        raise ValueError(
            f"rule {rule.text!r} cannot be computed from what its columns hold: {held}."
        ) from None
    if told.exceptions:
        rows = np.flatnonzero(rule.broken(frame))[:3] + 1
        first = ", ".join(f"{row:,}" for row in rows)
        raise ValueError(
            f"rule {rule.text!r} does not hold in the table: {told.exceptions:,} of its "
            f"{len(frame):,} rows break it (first: rows {first}, not counting a header). Leave the "
            "rule out, or mend the rows."
        )
    if not told.rows:
        raise ValueError(
            f"rule {rule.text!r} cannot be seen in any row: a column is missing in each."
        )
    return told


def settled_by(rule: Rule) -> tuple[str, ...]:
    """Return the columns whose values a rule settles."""
    if isinstance(rule, OneOf):
        return rule.columns
    return (rule.target,) if isinstance(rule, Computed) else ()


def _check_together(rules: Sequence[Rule]) -> None:
    """Refuse rules that settle one column twice, or each other in a circle."""
    by: dict[str, Rule] = {}
    for rule in rules:
        for name in settled_by(rule):
            if name in by:
                raise ValueError(
                    f"rules {by[name].text!r} and {rule.text!r} both settle {name!r}. Leave one "
                    "of them out."
                )
            by[name] = rule
    if len(_without_circles([], rules)) < len(rules):
        raise ValueError(
            f"rules {', '.join(repr(rule.text) for rule in rules)} settle columns in a circle. "
            "Leave one of them out."
        )


def _without_circles(taken: Sequence[Rule], more: Sequence[Rule]) -> list[Rule]:
    """Return the rules that close no circle with those taken already."""
    behind, kept = Behind(), []
    fixed = {id(rule) for rule in taken}
    for rule in (*taken, *more):
        if isinstance(rule, (*Computed, Order)):
            if id(rule) not in fixed and behind.closes_a_circle(rule):
                continue
            behind.take(rule)
        if id(rule) not in fixed:
            kept.append(rule)
    return kept


def _is_rest(node: ast.expr) -> bool:
    """Tell whether an expression is a number less two columns or more: 100 - a - b."""
    taken = 0
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        if not isinstance(node.right, ast.Name):
            return False
        node, taken = node.left, taken + 1
    return isinstance(node, ast.Constant) and taken > 1


def _unknown(rule: Rule, frame: Frame) -> Bools:
    """Return the rows in which a column that a rule computes with is missing."""
    unknown: Bools = np.logical_or.reduce([frame.missing(name) for name in rule.sources])
    return unknown


def _is_close(frame: Frame, name: str, gap: _Gap) -> bool:
    """Tell whether the distance from the low ends moves less than the column itself."""
    high, gone = frame.numbers(name)
    low, low_gone = _least_of(frame, frame.table[name].type, gap)
    if (low_gone.any(axis=0) & ~gone).any() or low.dtype != high.dtype:
        return False  # without its low end there is no distance
    held, kind = ~gone, frame.table[name].type
    if are_fillers(high[held], kind).any():
        return False  # nor from 9999-12-31
    spread = in_own_size(high[held], kind).std()
    return bool((high[held] - low[held]).std() < CLOSE * spread)


def _least_of(frame: Frame, kind: pa.DataType, gap: _Gap) -> tuple[Any, Bools]:
    """Return the least that a high end may be, and which low ends are missing, (n_lows, n_rows)."""
    both = [frame.numbers_as(name, kind) for name in gap.lows]
    gone = np.stack([own_gone for _, own_gone in both])
    ends = [
        own + _step(own, gap) if strict else own
        for (own, _), strict in zip(both, gap.strict, strict=True)
    ]
    least = ends[0]
    for end, end_gone, so_far in zip(
        ends[1:], gone[1:], np.logical_and.accumulate(gone), strict=False
    ):
        least = np.where(end_gone, least, np.where(so_far, end, np.maximum(least, end)))
    return least, gone


def _step(low: Any, gap: _Gap) -> Any:
    """Return the least step up from a low end."""
    if low.dtype.kind == "i":
        return 1
    return 1e-6 if gap.decimals is None else 10.0**-gap.decimals


def _distance(frame: Frame, name: str, gap: _Gap) -> pa.ChunkedArray:
    high, gone = frame.numbers(name)
    low, _ = _least_of(frame, frame.table[name].type, gap)
    away = high - low
    if away.dtype.kind == "f":
        places = decimals_of(high[~gone])
        away = away if places is None else np.round(away, places)
        return pa.chunked_array([pa.array(away, mask=gone)])
    return pa.chunked_array([pa.array(away, pa.int64(), mask=gone)])


def _lifted(frame: Frame, name: str, gap: _Gap, kind: pa.DataType, grid: Grid | None) -> pa.Array:
    """Return a high end from its distance, or lifted to its low ends."""
    low, low_gone = _least_of(frame, kind, gap)
    own = frame.table[name]
    gone = frame.missing(name)
    floating = low.dtype.kind == "f"
    if gap.mixed:
        away = pc.fill_null(
            own.cast(pa.float64() if floating else pa.int64(), safe=False), 0
        ).to_numpy()
        away = np.maximum(away, 0)
        high, gone = low + away, gone | low_gone.any(axis=0)
    else:
        high, _ = frame.numbers(name)
        least = np.where(low_gone.all(axis=0), high, low)
        high = np.maximum(high, least.astype(high.dtype))
    if grid is not None and grid.places is None and high.dtype.kind == "i":
        high = grid.moved(high, up=True)
    elif grid is not None and grid.places is not None:
        scale = 10.0**grid.places
        high = grid.moved(np.rint(high * scale).astype(np.int64), up=True) / scale
    if floating:
        return from_floats(
            high if gap.decimals is None else np.round(high, gap.decimals), gone, kind
        )
    return from_numbers(high, gone, kind)


def _fresh(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += " "
    return name
