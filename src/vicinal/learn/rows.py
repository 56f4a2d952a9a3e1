"""Rows in any container: which columns are mixed, and how mixed rows come back as they went in."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils import check_array

from vicinal._checks import check_choice, check_column
from vicinal.plan import MixPlan

Array = npt.NDArray[Any]

#: float64 counts whole numbers without a gap up to here.
EXACT_WHOLE = 2**53


class Rows(ABC):
    """Rows of any container: columns of numbers are mixed, all others come from one parent."""

    numbers: Array | None  # the columns that are mixed; None for sparse rows
    types: list[np.dtype[Any]]  # of these columns

    @abstractmethod
    def extend(self, plan: MixPlan) -> Any:
        """Return the rows, untouched, and below them the mixed ones, in the same container."""


class SparseRows(Rows):
    """A CSR or CSC matrix, mixed by a sparse matrix of weights and so never made dense."""

    def __init__(self, X: Any, copied: Array) -> None:
        self._X, self._copied, self.numbers, self.types = X, copied, None, [X.dtype]
        _check_whole("X", X.data)

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
        new = new.asformat(X.format)
        new.data = _like(new.data, X.dtype)
        new.eliminate_zeros()
        return sparse.vstack([X, new], format=X.format, dtype=X.dtype)


class ArrayRows(Rows):
    """A NumPy array; an object array may hold columns of numbers beside columns of text."""

    numbers: Array

    def __init__(self, X: Array, copied: Array, name: str = "X") -> None:
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
        if len(known) == X.shape[1] and X.dtype.kind in "fiu":
            self.numbers = X
            _check_whole(name, X)
        else:
            self.numbers = _stack(known, len(X), name)

    def extend(self, plan: MixPlan) -> Any:
        """Return the rows followed by mixed ones."""
        new = self._X[plan.dominant]
        values = plan.apply(self.numbers)
        for at, dtype, column in zip(self._mixed, self.types, values.T, strict=True):
            new[:, at] = _like(column, dtype)
        return np.concatenate([self._X, new])


class FrameRows(Rows):
    """A pandas, Polars or PyArrow table; each column keeps its own type."""

    numbers: Array

    def __init__(self, frame: nw.DataFrame[Any], copied: Array, name: str = "X") -> None:
        self._frame = nw.maybe_reset_index(frame)
        known: dict[Any, Array] = {}
        for at in np.flatnonzero(~copied):
            column = frame.get_column(frame.columns[at])
            kind = column.dtype
            if not (kind.is_integer() or kind.is_float() or kind == nw.Unknown):
                continue
            if column.null_count():
                raise _missing(f"{name}, column {column.name!r}")
            values = column.to_numpy()
            if values.dtype.kind in "fiu":  # pandas' sparse columns are unknown, yet numbers
                known[column.name] = values
        self._mixed, self.types = list(known), [values.dtype for values in known.values()]
        self.numbers = _stack(known, len(frame), name)

    def extend(self, plan: MixPlan) -> Any:
        """Return the rows followed by mixed ones."""
        frame = self._frame
        new = nw.maybe_reset_index(frame[plan.dominant.astype(np.int64)])
        columns = []
        backend = nw.get_native_namespace(frame)
        values = plan.apply(self.numbers)
        for name, dtype, column in zip(self._mixed, self.types, values.T, strict=True):
            kind = frame.get_column(name).dtype
            as_kind = None if kind == nw.Unknown else kind
            mixed = _like(np.ascontiguousarray(column), dtype)
            columns.append(nw.new_series(name, mixed, as_kind, backend=backend))
        whole = nw.concat([frame, new.with_columns(columns)]).to_native()
        if frame.implementation.is_pandas():
            # joined types may be plainer than they were: sparse and nullable ones go back
            return whole.reset_index(drop=True).astype(frame.to_native().dtypes)
        return whole


class TargetRows(Rows):
    """A target: one or several columns, all of numbers, one-dimensional where it came so."""

    numbers: Array

    def __init__(self, y: Any) -> None:
        frame = as_frame(y)
        self._series = frame if isinstance(frame, nw.Series) else None
        self._flat = False
        if self._series is not None:
            frame = self._series.alias("y").to_frame()
        if isinstance(frame, nw.DataFrame):
            width = len(frame.columns)
            self._rows: Any = FrameRows(frame, np.zeros(width, bool), "y")
        else:
            values = check_array(y, dtype=None, ensure_2d=False, input_name="y")
            self._flat = values.ndim == 1
            table = values.reshape(len(values), -1)
            width = table.shape[1]
            self._rows = ArrayRows(table, np.zeros(width, bool), "y")
        self.numbers = self._rows.numbers
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
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where} must hold either numbers or text: {error}.") from error


def _stack(columns: Mapping[Any, Array], n_rows: int, name: str) -> Array:
    """Join columns of numbers to one float matrix, float32 where all of them are."""
    if not columns:
        return np.empty((n_rows, 0))
    for label, values in columns.items():
        _check_whole(f"{name}, column {label!r}", values)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise _missing(f"{name}, column {label!r}")
    single = all(values.dtype == np.float32 for values in columns.values())
    dtype = np.float32 if single else np.float64
    return np.stack([values.astype(dtype) for values in columns.values()], axis=1)


def _missing(where: str) -> ValueError:
    return ValueError(
        f"{where} contains missing values (NaN) or infinity, which cannot be mixed. Fill or drop "
        "them first, for instance with sklearn.impute.SimpleImputer."
    )


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


def copied_columns(asked: Any, n_columns: int, names: list[Any] | None) -> Array:
    """Return a mask of the columns that ``categorical_features`` asks to copy."""
    mask = np.zeros(n_columns, bool)
    if isinstance(asked, str):
        check_choice("categorical_features", asked, ["auto"])
        return mask
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
