"""Rows in any container: which columns are mixed, and how mixed rows come back as they went in."""

from __future__ import annotations

import math
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.utils import check_array

from vicinal._checks import check_choice, check_column
from vicinal._types import Array
from vicinal.plan import MixPlan

#: float64 counts whole numbers without a gap up to here.
EXACT_WHOLE = 2**53
#: Whole numbers of such a name are codes, which have no mean.
_CODE_NAME = re.compile(r"(^|[_\W])(zip|zipcode|postcode|plz|code|id|key|store|branch|sku)$", re.I)


class Rows(ABC):
    """Rows of any container: columns of numbers are mixed, all others come from one parent."""

    numbers: Array | None  # the columns that are mixed, gaps filled; None for sparse rows
    types: list[np.dtype[Any]]  # of these columns
    gaps: Array | None = None  # (n_rows, n_columns) where numbers are missing, if anywhere
    limits: Array  # (2, n_columns) the least and the largest value of mixed numbers

    @abstractmethod
    def extend(self, plan: MixPlan) -> Any:
        """Return the rows, untouched, and below them the mixed ones, in the same container."""

    def mixed(self, plan: MixPlan) -> tuple[Array, Array | None]:
        """Return mixed numbers within limits, and where the dominant parent is to be copied."""
        values: Array = plan.apply(self.numbers)  # type: ignore[arg-type]
        low, high = self.limits.astype(values.dtype)
        gone = None if self.gaps is None else np.any(self.gaps[plan.parents], axis=1)
        return np.clip(values, low, high), gone


class SparseRows(Rows):
    """A CSR or CSC matrix, mixed by a sparse matrix of weights and so never made dense."""

    def __init__(self, X: Any, copied: Array, bounds: Any) -> None:
        copied = copied | (X.dtype.kind == "b")  # as columns of truth of any container
        self._X, self._copied, self.numbers, self.types = X, copied, None, [X.dtype]
        _check_whole("X", X.data)
        if X.dtype.kind == "f" and np.isnan(X.data).any():
            raise ValueError(
                "A sparse X contains missing values (NaN). Fill them, or pass a dense X."
            )
        columns = dict.fromkeys(np.flatnonzero(~copied).tolist(), X.data)
        self.limits = _open_limits(X.shape[1])
        if bounds != "none":
            self.limits[:] = [one.toarray().ravel() for one in (X.min(axis=0), X.max(axis=0))]
        for at, ends in _said_limits(bounds, columns, "X").items():
            self.limits[:, at] = ends
        barred = np.flatnonzero((self.limits[0] > 0) | (self.limits[1] < 0))
        barred = barred[X.tocsc()[:, barred].count_nonzero(axis=0) < X.shape[0]]
        if len(barred):
            low, high = self.limits[:, barred[0]]
            raise ValueError(
                f"bounds of X, column {barred[0]}, must leave room for the zeros that a sparse X "
                f"does not store, got {low:g} to {high:g}. Widen them, or pass a dense X."
            )

    def extend(self, plan: MixPlan) -> Any:
        """Return the rows followed by mixed ones."""
        X = self._X
        make = sparse.csr_array if isinstance(X, sparse.sparray) else sparse.csr_matrix
        at = np.repeat(np.arange(len(plan)), plan.n_parents)
        place = (at, np.ravel(plan.parents))
        mixer = make((np.ravel(plan.weights), place), shape=(len(plan), X.shape[0]))
        new = mixer.astype(X.dtype if X.dtype.kind == "f" else np.float64) @ X
        if self._copied.any():
            kept = X.tocsr()[plan.dominant].multiply(self._copied)
            new = new.multiply(~self._copied) + kept
        new = new.tocsr()
        if X.dtype.kind != "b":
            new.data = _like(np.clip(new.data, *self.limits[:, new.indices]), X.dtype)
        new = new.asformat(X.format)
        new.eliminate_zeros()
        return sparse.vstack([X, new], format=X.format, dtype=X.dtype)


class ArrayRows(Rows):
    """A NumPy array; an object array may hold columns of numbers beside columns of text."""

    numbers: Array

    def __init__(self, X: Array, copied: Array, bounds: Any, name: str = "X") -> None:
        self._X = X
        known: dict[int, Array] = {}
        for at in np.flatnonzero(~copied):
            column = X[:, at]
            if X.dtype.kind == "O":
                column = _from_objects(column, f"{name}, column {at}")
            if column.dtype.kind in "fiu":
                known[int(at)] = column
        self._mixed = list(known)
        self.types = [column.dtype for column in known.values()]
        self.numbers, self.gaps, self.limits = _prepared(known, {}, bounds, len(X), name)

    def extend(self, plan: MixPlan) -> Any:
        """Return the rows followed by mixed ones."""
        new = self._X[plan.dominant]
        values, gone = self.mixed(plan)
        for place, (at, dtype) in enumerate(zip(self._mixed, self.types, strict=True)):
            column = _like(values[:, place], dtype)
            new[:, at] = column if gone is None else np.where(gone[:, place], new[:, at], column)
        return np.concatenate([self._X, new])


class FrameRows(Rows):
    """A pandas, Polars or PyArrow table; each column keeps its own type."""

    numbers: Array

    def __init__(
        self, frame: nw.DataFrame[Any], copied: Array, bounds: Any, name: str = "X"
    ) -> None:
        self._frame = nw.maybe_reset_index(frame)
        known: dict[Any, Array] = {}
        nulls: dict[Any, Array] = {}
        for at in np.flatnonzero(~copied):
            column = frame.get_column(frame.columns[at])
            kind = column.dtype
            if not (kind.is_integer() or kind.is_float() or kind == nw.Unknown):
                continue
            if column.null_count() and kind != nw.Unknown:
                nulls[column.name] = column.is_null().to_numpy()
                column = column.fill_null(0)
            values = column.to_numpy()
            if values.dtype.kind in "fiu":  # pandas' sparse columns are unknown, yet numbers
                known[column.name] = values
        self._mixed, self.types = list(known), [values.dtype for values in known.values()]
        self.numbers, self.gaps, self.limits = _prepared(known, nulls, bounds, len(frame), name)

    def extend(self, plan: MixPlan) -> Any:
        """Return the rows followed by mixed ones."""
        frame = self._frame
        new = nw.maybe_reset_index(frame[plan.dominant.astype(np.int64)])
        columns = []
        backend = nw.get_native_namespace(frame)
        values, gone = self.mixed(plan)
        for at, (name, dtype) in enumerate(zip(self._mixed, self.types, strict=True)):
            kind = frame.get_column(name).dtype
            as_kind = None if kind == nw.Unknown else kind
            mixed = _like(np.ascontiguousarray(values[:, at]), dtype)
            column = nw.new_series(name, mixed, as_kind, backend=backend)
            if gone is not None and gone[:, at].any():
                kept = nw.new_series(name, ~gone[:, at], nw.Boolean, backend=backend)
                column = column.zip_with(kept, new.get_column(name))
            columns.append(column)
        whole = nw.concat([frame, new.with_columns(columns)]).to_native()
        if frame.implementation.is_pandas():
            # joined types may be plainer than they were: sparse and nullable ones go back
            return whole.reset_index(drop=True).astype(frame.to_native().dtypes)
        return whole


class TargetRows(Rows):
    """A target: one or several columns, all of numbers, one-dimensional where it came so."""

    numbers: Array

    def __init__(self, y: Any, bounds: Any) -> None:
        bounds = "data" if isinstance(bounds, Mapping) else bounds
        frame = as_frame(y)
        self._series = frame if isinstance(frame, nw.Series) else None
        self._flat = False
        if self._series is not None:
            frame = self._series.alias("y").to_frame()
        if isinstance(frame, nw.DataFrame):
            width = len(frame.columns)
            self._rows: Any = FrameRows(frame, np.zeros(width, bool), bounds, "y")
        else:
            values = check_array(y, dtype=None, ensure_2d=False, input_name="y")
            self._flat = values.ndim == 1
            table = values.reshape(len(values), -1)
            width = table.shape[1]
            self._rows = ArrayRows(table, np.zeros(width, bool), bounds, "y")
        self.numbers = self._rows.numbers
        if self._rows.gaps is not None:
            raise ValueError("y contains missing values (NaN). Drop those rows first.")
        if self.numbers.shape[1] < width:
            raise ValueError(
                "y must hold numbers to mix, got class labels. For classes use MixupSampler."
            )

    def extend(self, plan: MixPlan) -> Any:
        """Return the targets followed by mixed ones."""
        whole_numbers = [kind.kind in "iu" for kind in self._rows.types]
        variance = self.numbers.var(axis=0)[whole_numbers]
        # rounding adds 1/12 to the variance of a mixed target
        if ((variance > 0) & (variance < 100 / 12)).any():
            warnings.warn(
                "y holds whole numbers that vary little, and mixed ones are rounded. Pass "
                "y.astype(float) to keep the values in between; for classes use MixupSampler.",
                UserWarning,
                stacklevel=4,
            )
        whole = self._rows.extend(plan)
        if self._series is not None:
            column = nw.from_native(whole, eager_only=True).get_column("y")
            return column.alias(self._series.name).to_native()
        return whole[:, 0] if self._flat else whole


def _from_objects(column: Array, where: str) -> Array:
    """Return a column of Python objects as numbers, or as it is where all are text or truth."""
    plain = np.asarray(column.tolist())
    if plain.ndim == 1 and plain.dtype.kind in "fiubUS":
        return plain
    held = np.asarray([one for one in column.tolist() if one is not None and one == one])
    if held.ndim == 1 and held.dtype.kind in "bUS":
        return column
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where} must hold either numbers or text: {error}.") from error


def _prepared(
    columns: Mapping[Any, Array], nulls: Mapping[Any, Array], bounds: Any, n_rows: int, name: str
) -> tuple[Array, Array | None, Array]:
    """Return columns of numbers as one matrix with gaps filled, the gaps, and the limits."""
    single = bool(columns) and all(values.dtype == np.float32 for values in columns.values())
    numbers = np.empty((n_rows, len(columns)), np.float32 if single else np.float64)
    gaps, limits = np.zeros(numbers.shape, bool), _open_limits(len(columns))
    said = _said_limits(bounds, columns, name)
    for at, (label, values) in enumerate(columns.items()):
        where = f"{name}, column {label!r}"
        _check_whole(where, values)
        gone = gaps[:, at]
        gone[:] = nulls.get(label, False)
        if values.dtype.kind == "f":
            gone |= np.isnan(values)
        held = values[~gone]
        if held.dtype.kind == "f" and np.isinf(held).any():
            raise ValueError(
                f"{where} contains infinity, which cannot be mixed. Replace it by a missing value "
                "or a large number, or drop these rows."
            )
        numbers[:, at] = values
        numbers[gone, at] = held.mean() if len(held) else 0.0  # no distance is far for want of it
        if label in said:
            limits[:, at] = said[label]
        elif bounds != "none" and len(held):
            limits[:, at] = held.min(), held.max()
    return numbers, gaps if gaps.any() else None, limits


def _open_limits(n_columns: int) -> Array:
    return np.repeat([[-math.inf], [math.inf]], n_columns, axis=1)


def _said_limits(
    bounds: Any, columns: Mapping[Any, Array], name: str
) -> dict[Any, tuple[float, float]]:
    """Return the limits that were said, by column: those of whole numbers are whole."""
    if not isinstance(bounds, Mapping):
        check_choice("bounds", bounds, ["data", "none"])
        return {}
    said = {}
    for label, ends in bounds.items():
        if label not in columns:
            raise ValueError(
                f"bounds name {label!r}, which is no column of numbers that are mixed. {name} has "
                f"{', '.join(map(repr, columns)) or 'none'}."
            )
        try:
            low, high = (
                float(open_end if end is None else end)
                for end, open_end in zip(ends, (-math.inf, math.inf), strict=True)
            )
        except (TypeError, ValueError):
            low = high = math.nan
        if not low <= high:
            raise ValueError(
                f"bounds of {label!r} must be a pair (least, largest), None for an open end, got "
                f"{ends!r}."
            )
        if columns[label].dtype.kind in "iu":
            low, high = float(np.ceil(low)), float(np.floor(high))
            if low > high:
                raise ValueError(
                    f"bounds of {label!r} must leave room for a whole number, as the column holds "
                    f"those, got {ends!r}. Widen them, or pass the column as floats."
                )
        said[label] = low, high
    return said


def _check_whole(where: str, values: Array) -> None:
    if values.dtype.kind not in "iu" or not values.size:
        return
    if max(-int(values.min()), int(values.max())) > EXACT_WHOLE:
        raise ValueError(
            f"{where} holds whole numbers beyond 2**53, which cannot be mixed exactly. Convert "
            "it to float, or copy the column by naming it in categorical_features."
        )


def _like(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return mixed numbers in the type of their parents, whole ones rounded to nearest."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.rint(values).clip(limits.min, limits.max)
    return values.astype(dtype, copy=False)


def copied_columns(asked: Any, n_columns: int, frame: nw.DataFrame[Any] | None) -> Array:
    """Return a mask of the columns that ``categorical_features`` asks to copy."""
    mask = np.zeros(n_columns, bool)
    names = None if frame is None else frame.columns
    if isinstance(asked, str):
        check_choice("categorical_features", asked, ["auto"])
        return mask if frame is None else _codes_by_name(frame)
    chosen = [] if asked is None else list(asked)
    if chosen and all(isinstance(one, (bool, np.bool_)) for one in chosen):
        if len(chosen) != n_columns:
            raise ValueError(
                f"categorical_features has {len(chosen)} truth values but X has {n_columns} "
                "columns. Give one for each column."
            )
        return np.array(chosen)
    for one in chosen:
        if isinstance(one, (int, np.integer)) and -n_columns <= one < n_columns:
            mask[one] = True
        elif isinstance(one, str) and names is not None:
            named = check_column("categorical_features", one, [str(name) for name in names])
            mask[names.index(named)] = True
        else:
            raise ValueError(
                f"categorical_features must hold column numbers below {n_columns}, truth values "
                f"or, for a table, column names, got {one!r}."
            )
    return mask


def _codes_by_name(frame: nw.DataFrame[Any]) -> Array:
    kinds = frame.schema
    return np.array([kinds[n].is_integer() and bool(_CODE_NAME.search(str(n))) for n in kinds])


def as_frame(data: Any) -> Any:
    """Return a table or column as narwhals sees it, or anything else as it is."""
    try:
        seen = nw.from_native(data, allow_series=True, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"Column names must be distinct. {error} Rename them.") from error
    if isinstance(seen, nw.LazyFrame):
        raise TypeError("Rows must be in memory, got a lazy table. Call its collect() first.")
    return seen


def take_rows(data: Any, rows: Array) -> Any:
    """Return rows of labels in the container they came in, with a plain index."""
    if isinstance(data, list):
        return [data[row] for row in rows]
    frame = as_frame(data)
    if isinstance(frame, (nw.DataFrame, nw.Series)):
        return nw.to_native(nw.maybe_reset_index(frame[rows]))
    return data.tocsr()[rows] if sparse.issparse(data) else np.asarray(data)[rows]
