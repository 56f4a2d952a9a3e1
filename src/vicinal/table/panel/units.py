"""What columns, settings, rules and surrogates come to where rows belong to entities."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Bools, Ints
from vicinal.table.numbers import from_numbers, to_numbers
from vicinal.table.panel.layout import Layout, lay_out, varies
from vicinal.table.presets import MixingSettings
from vicinal.table.rules import RuleKeeper
from vicinal.table.schema import MIXED_KINDS, Column, detect_columns, kind_of_type


def _fixed(table: pa.Table, layout: Layout) -> list[str]:
    """Return the columns that are constant within entities."""
    rows = table.take(pa.array(layout.order))
    return [name for name in rows.column_names if not varies(rows[name], layout)]


def unit_of_rows(table: pa.Table, entity: str | None, time: str | None) -> Ints:
    """Return the number of the entity, or of the period, of each row of a table."""
    layout = lay_out(table, entity, time)
    unit = np.empty(table.num_rows, np.int64)
    unit[layout.order] = layout.entity
    return unit


def columns_of_units(
    table: pa.Table, columns: Sequence[Column], layout: Layout, said: Container[str | None]
) -> list[Column]:
    """Return what columns are: those that are constant within entities, by one row of each."""
    fixed = [name for name in _fixed(table, layout) if name not in said]
    begins = table.select(fixed).take(pa.array(layout.order[layout.first[:-1]]))
    of_units = {column.name: column for column in detect_columns(begins)}
    made = []
    for column in columns:
        found = of_units.get(column.name)
        if found is not None:
            found = replace(found, n_missing=column.n_missing)
        made.append(column if found is None else found)
    return made


def settings_of_units(settings: MixingSettings, table: pa.Table, layout: Layout) -> MixingSettings:
    """Return settings for entities: groups and targets are constant within them."""
    fixed = set(_fixed(table.select(list(dict.fromkeys(_named(settings)))), layout))
    target = settings.target if settings.target in fixed else None
    within = [name for name in settings.within if name in fixed or name != settings.target]
    for name in within:
        if name not in fixed:
            raise ValueError(
                f"within: column {name!r} changes within an entity, and whole entities are mixed. "
                "Name columns that are constant within each."
            )
    return replace(settings, target=target, within=tuple(within))


def _named(settings: MixingSettings) -> list[str]:
    return [*settings.within, *([settings.target] if settings.target else [])]


def rules_of_units(
    table: pa.Table,
    layout: Layout,
    said: str | Sequence[str] | Mapping[str, str],
    avoid: Sequence[str],
    among: Sequence[str],
) -> RuleKeeper:
    """Find rules among rows, and those between what is constant among entities."""
    # the rows of an entity repeat what is constant: they are no evidence of a rule
    fixed = _fixed(table, layout)
    keeper = RuleKeeper.fit(table, said, [*avoid, *fixed], among, distances=False)
    if said == "off":
        return keeper
    begins = table.take(pa.array(layout.order[layout.first[:-1]]))
    settled = {rule.target for rule in keeper.rules}
    more = RuleKeeper.fit(
        begins, "auto", [*avoid, *settled], [n for n in among if n in fixed], distances=False
    )
    texts = {rule.text for rule in keeper.rules}
    known = said if isinstance(said, Mapping) else {rule.text for rule in more.rules}
    new = [rule for rule in more.rules if rule.text in known and rule.text not in texts]
    rows = [rule for rule in keeper.rules if not set(rule.columns) <= set(fixed) or said != "auto"]
    return RuleKeeper([*rows, *new], table, distances=False)


def kept_fixed(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    names: Set[str],
    unit: Ints,
) -> dict[str, Any]:
    """Return columns that rules changed row by row, changed alike in all rows of an entity."""
    # numbers that were lifted are lifted by the largest lift, so that what was constant is so still
    # and steps in time stay; what was emptied in one row is empty in all
    made, unit = dict(after), unit - unit[0]
    begins = np.flatnonzero(np.diff(unit, prepend=-1))
    for name in names & set(made) & set(before):
        old, new = before[name], made[name]
        gone = np.logical_or.reduceat(new.is_null(nan_is_null=True).to_numpy(False), begins)[unit]
        if kind_of_type(new.type) in MIXED_KINDS:
            numbers, missing = to_numbers(pa.chunked_array([old]), name)
            lift = np.where(gone, 0, to_numbers(pa.chunked_array([new]), name)[0] - numbers)
            lifted = numbers + np.maximum.reduceat(lift, begins)[unit]
            new = from_numbers(lifted, missing, old.type)
        made[name] = pc.if_else(pa.array(gone), pa.scalar(None, new.type), new)
    return made


def surrogates_of_units(
    make: Callable[..., pa.Array],
    rng: np.random.Generator,
    gaps: Bools | None,
    unit: Ints,
    first: int,
) -> pa.Array:
    """Return one surrogate for all rows of an entity."""
    begins = np.flatnonzero(np.diff(unit, prepend=-1))
    gaps = None if gaps is None else gaps[begins]
    return make(len(begins), rng, gaps, first=first).take(pa.array(unit))
