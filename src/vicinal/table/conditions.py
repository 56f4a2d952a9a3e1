"""Conditions on rows, such as ``age>=40``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_column

#: What users may pass as ``where``.
Where: TypeAlias = str | Sequence[str] | Mapping[str, Any]

_FORM = re.compile(r"^\s*(?P<column>.+?)\s*(?P<sign>==|!=|<=|>=|=|<|>)\s*(?P<value>.*?)\s*$")
_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


@dataclass(frozen=True)
class Condition:
    """One comparison of a column with a value."""

    column: str
    sign: str
    value: Any

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.value}"


def parse_where(where: Where) -> list[Condition]:
    """Read conditions, all of which must hold: ``"age>=40"``, several, or ``{"age": 40}``."""
    # the first sign after a name counts, so "income=>50K" asks for the value ">50K"
    if isinstance(where, Mapping):
        conditions = [Condition(str(name), "=", value) for name, value in where.items()]
    else:
        conditions = [_parse(text) for text in ([where] if isinstance(where, str) else where)]
    if not conditions:
        raise ValueError("where must hold at least one condition, such as 'age>=40'.")
    return conditions


def _parse(text: str) -> Condition:
    match = _FORM.match(text)
    if match is None:
        raise ValueError(
            f"where: cannot read {text!r}. Write a column, a sign (= != < <= > >=) and a value, "
            "such as 'age>=40'."
        )
    return Condition(match["column"], match["sign"], match["value"])


def rows_matching(table: pa.Table, conditions: Sequence[Condition]) -> pa.ChunkedArray:
    """Tell which rows meet all conditions; a missing value meets none but ``{column: None}``."""
    met = None
    for condition in conditions:
        check_column("where", condition.column, table.column_names)
        values = table[condition.column]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        one = _rows_meeting(condition, values)
        met = one if met is None else pc.and_(met, one)
    return met


def _rows_meeting(condition: Condition, values: pa.ChunkedArray) -> pa.ChunkedArray:
    gone = values.is_null(nan_is_null=pa.types.is_floating(values.type))
    if condition.value is None:
        if condition.sign == "=":
            return gone
        raise _no_value(condition, values.type)
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    try:
        wanted = _as_scalar(condition.value, values.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        # a number that the column's type cannot hold can still be compared: age>=39.5
        number = _as_float(condition.value)
        whole = pa.types.is_integer(values.type) or pa.types.is_decimal(values.type)
        if number is None or not whole:
            raise _no_value(condition, values.type) from error
        values, wanted = values.cast(pa.float64(), safe=False), pa.scalar(number)
    met = _SIGNS[condition.sign](values, wanted)
    return pc.and_(pc.fill_null(met, False), pc.invert(gone))


def _as_scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    if isinstance(value, str) and pa.types.is_timestamp(kind) and kind.tz is not None:
        try:
            return pc.assume_timezone(pa.scalar(value).cast(pa.timestamp(kind.unit)), kind.tz)
        except pa.ArrowInvalid:  # the value names a zone of its own
            return pa.scalar(value).cast(kind)
    return pa.scalar(value).cast(kind)


def _as_float(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _no_value(condition: Condition, kind: pa.DataType) -> ValueError:
    return ValueError(
        f"where: {condition.value!r} is no value for column {condition.column!r}, which holds "
        f"{kind}. Write one as the column does."
    )
