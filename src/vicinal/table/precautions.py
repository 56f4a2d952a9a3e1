"""What is refused, said or left out before a synthesizer learns or draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_column
from vicinal.table.schema import Column
from vicinal.table.training_rows import Pool

__all__ = ["check_kept", "warn_of_dropped", "warn_of_single_groups", "without_text"]


def check_kept(parameter: str, name: str, kind_of: Mapping[str, str]) -> None:
    """Refuse to group by a column whose values do not stay.

    Parameters
    ----------
    parameter : str
        Name of the parameter that names the column.
    name : str
        The column.
    kind_of : mapping of str to str
        Kinds by column name.

    Raises
    ------
    ValueError
        If there is no such column, or it is an identifier or text.
    """
    check_column(parameter, name, kind_of)
    if kind_of[name] in {"identifier", "text"}:
        raise ValueError(
            f"{parameter}: column {name!r} is {kind_of[name]}, whose values are not kept. If it "
            f"is something else, say so with kinds={{{name!r}: 'category'}}."
        )


def warn_of_dropped(
    columns: Sequence[Column], identifiers: str | None, text: str | None, level: int
) -> None:
    """Say what becomes of identifiers and text where the user has not said it.

    Parameters
    ----------
    columns : sequence of Column
        Of the table.
    identifiers, text : str, optional
        What the user has said.
    level : int
        How far away the user's call is, as ``stacklevel``.

    Warns
    -----
    UserWarning
        Once for identifiers, once for text.
    """
    for kind, said, what in (
        ("identifier", identifiers, "replaced by fresh surrogates; identifiers='drop'"),
        ("text", text, "left out; text='replace'"),
    ):
        names = [column.name for column in columns if column.kind == kind]
        if names and said is None:
            warnings.warn(
                f"{kind} column(s) {', '.join(names)}: {what} changes that, "
                "kinds={'name': 'category'} keeps real values.",
                UserWarning,
                stacklevel=level,
            )


def warn_of_single_groups(pool: Pool, level: int) -> None:
    """Say that rows which are alone in their group are copied.

    Parameters
    ----------
    pool : Pool
        With its groups.
    level : int
        How far away the user's call is, as ``stacklevel``.

    Warns
    -----
    UserWarning
        If there are such rows.
    """
    if pool.single_groups:
        warnings.warn(
            f"within={list(pool.recipe.within)}: {pool.single_groups} group(s) have a single row, "
            "which can only be copied. Group by fewer columns, or merge rare groups.",
            UserWarning,
            stacklevel=level,
        )


def without_text(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Empty the text columns, which are never looked at, but for where they are missing.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    columns : sequence of Column
        What its columns are.

    Returns
    -------
    pyarrow.Table
        Of the same columns and types.
    """
    for column in columns:
        if column.kind == "text" and column.name in table.column_names:
            at = table.column_names.index(column.name)
            kind = table.schema.field(at).type
            plain = kind.value_type if pa.types.is_dictionary(kind) else kind
            blank = pc.if_else(pc.is_valid(table[at]), pa.scalar("", plain), pa.scalar(None, plain))
            table = table.set_column(at, column.name, blank.cast(kind))
    return table
