"""Tables of any library to Arrow, and Arrow tables back to the library and types they came from.

What Arrow cannot say about a column (NumPy or nullable, ``None`` or NaN, integer labels) travels as
JSON in the schema's metadata.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vicinal.io.text_reading import check_unique
from vicinal.table.frames.from_pandas import from_pandas, to_pandas, unified

#: Key of the schema's metadata under which the native side of a table is kept.
METADATA_KEY = b"vicinal"

_ACCEPTED = (
    "a pandas DataFrame, a Polars DataFrame, a PyArrow Table or RecordBatch, or another eager "
    "data frame that narwhals knows"
)


def to_arrow(data: Any) -> pa.Table:
    """Return an eager table of any library as Arrow, in one chunk, that remembers what it was."""
    # the index of a pandas table is not data
    return _finished(*_to_table(data))


def to_native(table: pa.Table, schema: pa.Schema | None = None) -> Any:
    """Return an Arrow table in the library and the types that its metadata tells of."""
    # codes of a dictionary are decoded as late as the library allows
    metadata = dict(table.schema.metadata or {})
    native = json.loads(metadata.pop(METADATA_KEY, "{}"))
    if schema is not None and native.get("library") != "pandas":
        fields = [_fitting(field, schema.field(field.name).type) for field in table.schema]
        table = table.cast(pa.schema(fields, table.schema.metadata))
    if not native:
        return table
    table = table.replace_schema_metadata(metadata or None)
    for number, field in enumerate(table.schema):
        stored = native["types"].get(field.name)
        if stored is not None:
            kind = _read_type(stored)
            column = _to_special(table.column(number), kind)
            table = table.set_column(number, field.with_type(kind), column)
    if native["library"] == "pandas":
        arrays, names, n_rows = list(table.columns), table.column_names, table.num_rows
        del table  # whose columns are freed one by one
        return to_pandas(arrays, names, n_rows, native)
    if native["library"] == "polars":
        return _to_polars(table, native)
    if native["library"] == "pyarrow":
        if not native["batch"]:
            return table
        columns = [column.combine_chunks() for column in table.columns]
        return pa.RecordBatch.from_arrays(columns, schema=table.schema)
    import narwhals as nw

    return nw.from_arrow(table, backend=native["backend"]).to_native()


def _fitting(field: pa.Field, kind: pa.DataType) -> pa.Field:
    """Return a field with a type, but for codes that count more values than the type can."""
    both = pa.types.is_dictionary(field.type) and pa.types.is_dictionary(kind)
    if both and field.type.index_type.bit_width > kind.index_type.bit_width:
        return field
    return field.with_type(kind)


# What all libraries share


def _to_table(data: Any) -> tuple[pa.Table, dict[str, Any]]:
    """Return the table, and what its library knows beyond Arrow."""
    # a library that is not imported yet cannot have made the data
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if isinstance(data, (pa.Table, pa.RecordBatch)):
        return _from_pyarrow(data)
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return from_pandas(data)
    if polars is not None and isinstance(data, polars.DataFrame):
        return _from_polars(data)
    return _from_narwhals(data)


def _finished(table: pa.Table, native: dict[str, Any]) -> pa.Table:
    """Return plain columns in one chunk, with the native side in the metadata."""
    check_unique(table.column_names)
    native = {"version": 1, **native, "types": {}}
    fields, columns = [], []
    for field, column in zip(table.schema, table.columns, strict=True):
        plain = _to_plain(column)
        kind = plain.type.value_type if pa.types.is_dictionary(plain.type) else plain.type
        if pa.types.is_nested(kind):
            raise ValueError(
                f"Column {field.name!r} is nested ({column.type}), which cannot be mixed. Spread "
                "it over plain columns, turn it into strings, or drop it."
            )
        if plain.type != field.type and not pa.types.is_dictionary(plain.type):
            native["types"][field.name] = _write_type(field.type)
        fields.append(field.with_type(plain.type))
        columns.append(plain)
    metadata = {**(table.schema.metadata or {}), METADATA_KEY: json.dumps(native).encode()}
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata)).combine_chunks()


def _to_plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a type that every compute function of Arrow takes."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return _to_plain(pa.chunked_array(chunks, kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        chunks = [pc.run_end_decode(chunk) for chunk in column.chunks]
        return _to_plain(pa.chunked_array(chunks, kind.value_type))
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return _to_plain(column.cast(pa.large_binary()))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:  # older writers of Parquet keep strings so
            return column.cast(pa.large_string())
        except pa.ArrowInvalid:
            return column
    if pa.types.is_decimal(kind) and kind.bit_width < 128:
        return column.cast(pa.decimal128(kind.precision, kind.scale))
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    if pa.types.is_dictionary(kind):
        return unified(column)
    return column


def _to_special(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Undo :func:`_to_plain`."""
    if isinstance(kind, pa.BaseExtensionType):
        storage = _to_special(column, kind.storage_type)
        chunks = [pa.ExtensionArray.from_storage(kind, chunk) for chunk in storage.chunks]
        return pa.chunked_array(chunks, kind)
    if pa.types.is_run_end_encoded(kind):
        values = _to_special(column, kind.value_type)
        chunks = [pc.run_end_encode(chunk, kind.run_end_type) for chunk in values.chunks]
        return pa.chunked_array(chunks, kind)
    return column.cast(kind)


def _write_type(kind: pa.DataType) -> str:
    schema = pa.schema([pa.field("column", kind)])
    return base64.b64encode(schema.serialize().to_pybytes()).decode()


def _read_type(text: str) -> pa.DataType:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field(0).type


# PyArrow, Polars and whatever narwhals knows


def _from_pyarrow(data: Any) -> tuple[pa.Table, dict[str, Any]]:
    batch = isinstance(data, pa.RecordBatch)
    table = pa.Table.from_batches([data]) if batch else data
    return table, {"library": "pyarrow", "batch": batch}


def _from_polars(frame: Any) -> tuple[pa.Table, dict[str, Any]]:
    import polars as pl

    wide = {}
    for name, dtype in frame.schema.items():
        if dtype.is_nested():
            raise ValueError(
                f"Column {name!r} is nested ({dtype}), which cannot be mixed. Use .unnest() or "
                ".explode(), turn it into strings, or drop it."
            )
        if dtype == pl.Object:
            raise ValueError(
                f"Column {name!r} holds Python objects (dtype Object). Convert it to one Polars "
                "type, or drop it."
            )
        if str(dtype) in {"Int128", "UInt128"}:  # Arrow's widest integer that is exact: a decimal
            wide[name] = str(dtype)
    try:
        frame = frame.with_columns(pl.col(list(wide)).cast(pl.Decimal(38, 0)))
    except pl.exceptions.InvalidOperationError as error:
        raise ValueError(
            f"Columns {', '.join(map(repr, wide))} hold integers of more than 38 digits. Cast "
            "them to Int64, Float64 or String first."
        ) from error
    return frame.to_arrow(), {"library": "polars", "wide": wide}


def _to_polars(table: pa.Table, native: dict[str, Any]) -> Any:
    import polars as pl

    frame = pl.from_arrow(table)
    wide = {name: dtype for name, dtype in native["wide"].items() if name in table.column_names}
    return frame.with_columns(pl.col(name).cast(getattr(pl, wide[name])) for name in wide)


def _from_narwhals(data: Any) -> tuple[pa.Table, dict[str, Any]]:
    import narwhals as nw

    if isinstance(data, nw.DataFrame):  # wrapped already: what is inside comes back
        return _to_table(data.to_native())
    got = f"{type(data).__module__}.{type(data).__qualname__}"
    try:
        frame = nw.from_native(data)
    except TypeError as error:
        raise TypeError(
            f"data must be {_ACCEPTED}, got {got}. Put arrays, lists and dicts into a data frame "
            "first."
        ) from error
    if isinstance(frame, nw.LazyFrame):
        raise TypeError(
            f"data must be {_ACCEPTED}, got a lazy table ({got}). Call .collect() on it (or its "
            "own way to run a query) first."
        )
    return frame.to_arrow(), {"library": "narwhals", "backend": frame.implementation.value}
