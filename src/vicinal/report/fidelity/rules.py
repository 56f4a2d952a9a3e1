"""Rules between columns: whether synthetic rows keep what every real row keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from vicinal._stats import Estimate
from vicinal.table.rules import Rule, find_rules


@dataclass(frozen=True)
class RuleCheck:
    """One rule, and the rows that break it.

    Attributes
    ----------
    text : str
        The rule, as ``total = a + b``.
    kind : str
        What kind of rule it is, as "sum" or "order".
    real, synthetic, holdout : Estimate
        Share of the rows that break it; of the hold-out NaN without one.
    count : int
        Synthetic rows that break it.
    columns : tuple of str
        The columns it is about.
    """

    text: str
    kind: str
    real: Estimate
    synthetic: Estimate
    holdout: Estimate
    count: int
    columns: tuple[str, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether synthetic rows break it, more often than unseen real rows do."""
        if not self.holdout.value > 0:
            return self.count > 0
        return self.synthetic.low > self.holdout.high  # it is no rule of unseen rows either

    @property
    def says(self) -> str:
        """What was found, in one sentence."""
        unseen = f"; hold-out rows {self.holdout.value:.1%}" if self.holdout.value > 0 else ""
        return (
            f"{self.text}: {self.count:,} synthetic rows ({self.synthetic.value:.1%}) break it; "
            f"real rows {self.real.value:.1%}{unseen}."
        )


def check_rules(
    real: pa.Table,
    synthetic: pa.Table,
    holdout: pa.Table | None = None,
    rules: Sequence[Rule] | None = None,
) -> tuple[RuleCheck, ...]:
    """Count the rows that break a rule, those broken most first."""
    tables = [_plain(real)]
    for other in (synthetic, holdout):
        tables.append(None if other is None else _alike(other, tables[0].schema))
    if rules is None:
        rules = find_rules(tables[0])
    found = []
    for rule in rules:
        if any(t is not None and not {*rule.columns} <= {*t.column_names} for t in tables):
            continue
        counts = [0 if t is None else rule.violations(t) for t in tables]
        sizes = [0 if t is None else t.num_rows for t in tables]
        own, made, unseen = (Estimate.of_share(*one) for one in zip(counts, sizes, strict=True))
        figures = own, made, unseen, counts[1]
        found.append(RuleCheck(rule.text, rule.kind, *figures, tuple(rule.columns)))
    return tuple(sorted(found, key=lambda one: -one.count))


def _plain(table: pa.Table) -> pa.Table:
    """Return a table without dictionaries."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            kind = field.type.value_type
            table = table.set_column(at, field.name, table[field.name].cast(kind))
    return table


def _alike(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the columns that can be read as those of a schema, in its types."""
    table = _plain(table)
    there = set(table.column_names)  # a list made anew at each call
    shared = [name for name in schema.names if name in there]
    cast = {name: _cast(table[name], schema.field(name).type) for name in shared}
    return pa.table({name: values for name, values in cast.items() if values is not None})


def _cast(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return values.cast(kind, safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
