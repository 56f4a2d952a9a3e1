"""Convert pandas columns to Arrow and back, with all that tells one dtype from another."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import pyarrow as pa

from vicinal.io.text_reading import check_unique

#: What an object column may hold; missing values may be mixed in, other types may not.
_OBJECT_TYPES = (
    str,
    bytes,
    bool,
    np.bool_,
    int,
    np.integer,
    float,
    np.floating,
    decimal.Decimal,
    datetime.date,  # datetime.datetime and pandas.Timestamp too
    datetime.time,
    datetime.timedelta,
)

_TEXT = (pa.string(), pa.large_string())


def unified(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Give all chunks one dictionary, with wider codes where it does not fit otherwise."""
    if column.num_chunks < 2:
        return column
    try:
        return column.unify_dictionaries()
    except pa.ArrowInvalid:
        wide = pa.dictionary(pa.int32(), column.type.value_type, column.type.ordered)
        return column.cast(wide).unify_dictionaries()


def from_pandas(frame: Any) -> tuple[pa.Table, dict[str, Any]]:
    """Return a DataFrame as an Arrow table, and what is needed to make it one again."""
    labels = list(frame.columns)
    check_unique(labels)
    for label in labels:
        if not isinstance(label, (str, int, float, np.integer, np.floating)):
            raise ValueError(
                f"Column names must be strings or numbers, got {label!r}. Rename them, as with "
                "df.columns = df.columns.map(str), or df.columns.map('_'.join) for several levels."
            )
    names = [str(label) for label in labels]
    check_unique(names)
    arrays, dtypes = [], {}
    for number, name in enumerate(names):
        array, dtypes[name] = _series_to_arrow(frame.iloc[:, number], name)
        arrays.append(array)
    native = {
        "library": "pandas",
        "columns": dtypes,
        "labels": {
            name: label.item() if isinstance(label, np.generic) else label
            for name, label in zip(names, labels, strict=True)
            if not isinstance(label, str)
        },
        "labels_dtype": "object" if frame.columns.dtype == np.dtype(object) else None,
        "labels_name": _json_name(frame.columns.name),
        "index_name": _json_name(frame.index.name),
    }
    return pa.Table.from_arrays(arrays, names=names), native


def _json_name(name: Any) -> Any:
    return name if name is None or isinstance(name, (str, int, float)) else str(name)


def _series_to_arrow(series: Any, name: str) -> tuple[pa.Array, dict[str, Any]]:
    """Return a pandas column as Arrow, and what tells its dtype."""
    import pandas as pd

    dtype = series.dtype
    try:
        if isinstance(dtype, pd.CategoricalDtype):
            values, inner = _series_to_arrow(pd.Series(dtype.categories), name)
            values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
            codes = series.cat.codes.to_numpy()
            array = pa.DictionaryArray.from_arrays(
                pa.array(codes, mask=codes < 0), values, ordered=bool(dtype.ordered)
            )
            return array, {"kind": "category", "categories": inner, "ordered": dtype.ordered}
        if isinstance(dtype, pd.ArrowDtype):
            return pa.array(series), {"kind": "arrow"}
        if isinstance(dtype, pd.StringDtype):
            info = {"kind": "string", "storage": dtype.storage, "nan": dtype.na_value is not pd.NA}
            return pa.array(series, from_pandas=True), info
        if isinstance(dtype, pd.DatetimeTZDtype):
            info = {"kind": "zoned", "unit": dtype.unit, "zone": str(dtype.tz)}
            kind = pa.timestamp(dtype.unit, pa.lib.tzinfo_to_string(dtype.tz))
            return pa.array(series, kind, from_pandas=True), info
        if dtype == np.dtype(object):
            return _objects_to_arrow(series, name)
        if isinstance(dtype, np.dtype) and dtype.kind in "biufmM":
            native = series.to_numpy().astype(dtype.newbyteorder("="), copy=False)
            return pa.array(native, from_pandas=True), {"kind": "numpy", "dtype": dtype.str}
        if hasattr(dtype, "numpy_dtype") and dtype.numpy_dtype.kind in "biuf":
            return pa.array(series), {"kind": "masked", "dtype": dtype.name}
    except (pa.ArrowException, OverflowError, UnicodeError) as error:
        raise ValueError(f"Column {name!r} ({dtype}) cannot become Arrow: {error}.") from error
    remedy = {
        "complex": "Split it into a real and an imaginary column.",
        "period": "Convert it with .dt.to_timestamp() or .astype(str).",
        "interval": "Convert it with .astype(str); in a category, .cat.rename_categories(str).",
        "Sparse": "Convert it with .sparse.to_dense().",
    }
    advice = [text for start, text in remedy.items() if str(dtype).startswith(start)]
    raise ValueError(
        f"Column {name!r} has dtype {dtype}, which has no place in a synthetic table. "
        + (advice[0] if advice else "Convert it to numbers, strings or a category, or drop it.")
    )


def _objects_to_arrow(series: Any, name: str) -> tuple[pa.Array, dict[str, Any]]:
    """Return a column of Python objects, all of one type but for missing ones."""
    import pandas as pd

    missing = series.isna().to_numpy()
    values = series.to_numpy()
    types = set(map(type, values[~missing]))
    listed = ", ".join(sorted(t.__name__ for t in types))
    if len(types) > 1:
        raise ValueError(
            f"Column {name!r} mixes values of several types ({listed}). Convert it to one type, "
            f"as with df[{name!r}].astype(str)."
        )
    if not all(issubclass(t, _OBJECT_TYPES) for t in types):
        raise ValueError(
            f"Column {name!r} holds Python objects of type {listed}. Spread them over plain "
            f"columns, turn them into strings with df[{name!r}].astype(str), or drop the column."
        )
    stamps = bool(types) and issubclass(next(iter(types)), datetime.datetime)
    if stamps and len({value.tzinfo for value in values[~missing]}) > 1:
        raise ValueError(
            f"Column {name!r} mixes time zones. Bring it to one, as with "
            f"pd.to_datetime(df[{name!r}], utc=True)."
        )
    info = {"kind": "object", "pandas": bool(types & {pd.Timestamp, pd.Timedelta})}
    if missing.any():
        info["missing"] = str(values[missing][0])
    kind = None
    if types and issubclass(next(iter(types)), (int, np.integer)) and types != {bool}:
        kind = pa.int64() if max(values[~missing]) < 2**63 else pa.uint64()
    return pa.array(values, kind, mask=missing, from_pandas=True), info


def to_pandas(
    arrays: list[pa.ChunkedArray], names: list[str], n_rows: int, native: dict[str, Any]
) -> Any:
    """Return Arrow columns as a DataFrame with the dtypes noted in ``native``."""
    import pandas as pd

    columns = {
        number: _arrow_to_pandas(arrays.pop(0), native["columns"][name], name)
        for number, name in enumerate(names)
    }
    index = pd.RangeIndex(n_rows, name=native["index_name"])
    frame = pd.DataFrame(columns, index=index, copy=False)
    labels = [native["labels"].get(name, name) for name in names]
    frame.columns = pd.Index(labels, dtype=native["labels_dtype"], name=native["labels_name"])
    return frame


def _arrow_to_pandas(column: pa.ChunkedArray, info: dict[str, Any], name: str) -> Any:
    """Return a column as an array of the dtype that ``info`` tells."""
    import pandas as pd

    kind = info["kind"]
    if kind == "arrow":
        return pd.arrays.ArrowExtensionArray(column)
    if kind == "category":
        return _to_category(column, info, name)
    if pa.types.is_dictionary(column.type):
        if kind == "object" and not info["pandas"] and column.type.value_type in _TEXT:
            return _take_objects(column, info)
        column = column.cast(column.type.value_type)
    if kind == "string":
        told = {"na_value": np.nan} if info["nan"] else {}  # pandas 2 knows no such argument
        return pd.StringDtype(info["storage"], **told).__from_arrow__(column)
    if kind == "masked":
        return pd.api.types.pandas_dtype(info["dtype"]).__from_arrow__(column)
    if kind == "zoned":
        instants = column.cast(pa.timestamp(info["unit"])).to_numpy()
        index = pd.DatetimeIndex(instants, dtype=f"datetime64[{info['unit']}]")
        return index.tz_localize("UTC").tz_convert(info["zone"]).array
    if kind == "object":
        return _to_objects(column, info)
    dtype = np.dtype(info["dtype"])
    if column.null_count and dtype.kind in "biu":
        raise ValueError(
            f"Column {name!r} of dtype {dtype} cannot hold its {column.null_count} missing values."
        )
    values = column.to_numpy().astype(dtype, copy=False)
    # a view of Arrow's memory cannot be written to, and a user's table must be
    return values if values.flags.writeable else values.copy()


def _to_category(column: pa.ChunkedArray, info: dict[str, Any], name: str) -> Any:
    import pandas as pd

    plain = not pa.types.is_dictionary(column.type)
    chunk = unified(column.dictionary_encode() if plain else column).combine_chunks()
    codes = chunk.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    categories = _arrow_to_pandas(pa.chunked_array([chunk.dictionary]), info["categories"], name)
    index = pd.Index(categories, dtype=categories.dtype)
    return pd.Categorical.from_codes(codes, index, ordered=info["ordered"])


def _take_objects(column: pa.ChunkedArray, info: dict[str, Any]) -> Any:
    """Return strings as objects, one for each distinct string and not for each row."""
    import pandas as pd

    chunk = column.combine_chunks()
    distinct = np.append(chunk.dictionary.to_numpy(zero_copy_only=False), _marker(info))
    codes = chunk.indices.fill_null(len(distinct) - 1) if chunk.null_count else chunk.indices
    return pd.Series(distinct[codes.to_numpy()], dtype=object, copy=False)


def _marker(info: dict[str, Any]) -> Any:
    """Return what stands for a missing value among objects."""
    import pandas as pd

    markers = {str(one): one for one in (None, pd.NA, pd.NaT, np.nan)}
    return markers.get(info.get("missing", "None"), np.nan)


def _to_objects(column: pa.ChunkedArray, info: dict[str, Any]) -> Any:
    import pandas as pd

    of = pa.types
    kind = column.type
    if info["pandas"]:
        values = column.to_pandas().astype(object).to_numpy(copy=True)
    elif of.is_string(kind) or of.is_binary(kind) or of.is_decimal(kind):
        values = column.to_numpy()
    else:
        values = np.empty(len(column), object)
        values[:] = column.to_pylist()
    if column.null_count:
        values[column.is_null().to_numpy()] = _marker(info)
    return pd.Series(values, dtype=object, copy=False)  # a bare array would be guessed at again
