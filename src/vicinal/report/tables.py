"""The tables of a report, side by side: the same columns as numbers and codes."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_column
from vicinal._compiled import GOLDEN, mix64
from vicinal._types import Array, Bools, Floats
from vicinal.table.frames import to_arrow
from vicinal.table.infer import infer
from vicinal.table.numbers import python_values, to_floats
from vicinal.table.schema import MIXED_KINDS, Column, kind_of_type

#: Columns whose pairs are compared, and that models see: all of most tables, and 19,900 pairs.
MOST_COLUMNS = 200
#: With fewer rows than this, figures say little; a warning says so.
FEW_ROWS = 50
#: Equal rows stay in one half of a split if they are no more than this share of all.
KEPT_TOGETHER = 0.01
_NAN = 0x7FF8000000000000


@dataclass(frozen=True, eq=False)
class Part:
    """One of the tables, as numbers."""

    # (n_rows, n_numeric) numbers, dates and times; NaN where missing. Column by column in memory
    numbers: Floats
    # (n_rows, n_categorical) which of :attr:`Tables.levels` a category is; -1 where missing.
    # Column by column too
    codes: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: npt.NDArray[np.intp] | slice) -> Part:
        """Return some of the rows."""
        return Part(np.asfortranarray(self.numbers[rows]), np.asfortranarray(self.codes[rows]))

    def joined(self, other: Part) -> Part:
        """Return these rows and those of another part."""
        return Part(
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.codes, other.codes]),
        )

    def drawn(self, n_rows: int, rng: np.random.Generator) -> Part:
        """Return at most ``n_rows`` rows in order, drawn without replacement."""
        if len(self) <= n_rows:
            return self
        return self.take(np.sort(rng.choice(len(self), n_rows, replace=False, shuffle=False)))


@dataclass(frozen=True, eq=False)
class Tables:
    """Real, synthetic and hold-out rows with the same columns."""

    # what is compared, in the order of the real table: no identifiers, no free text
    columns: tuple[Column, ...]
    # names of the columns of :attr:`Part.numbers` and :attr:`Part.codes`. A constant counts as
    # what its type is; a column without any value is in neither
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    # values of each categorical column, in the order of their codes
    levels: tuple[tuple[Any, ...], ...]
    real: Part  # the rows a generator learned from
    synthetic: Part  # those it made
    holdout: Part | None = None  # rows it never saw
    target: str | None = None  # the column that a model is to predict

    @property
    def both(self) -> tuple[Part, Part]:
        """Real and synthetic rows."""
        return self.real, self.synthetic

    @property
    def unseen(self) -> Part:
        """The hold-out, which must be there."""
        if self.holdout is None:
            raise ValueError(
                "tables have no hold-out. Align them with rows that the generator never saw."
            )
        return self.holdout

    @property
    def task(self) -> str | None:
        """What predicting the target is: "class", "number", or None without a target."""
        if self.target is None:
            return None
        if self.target in self.categorical:
            return "class"
        values = self.real.numbers[:, self.numeric.index(self.target)]
        return "class" if len(np.unique(values[~np.isnan(values)])) <= 2 else "number"

    def select(self, names: Collection[str]) -> Tables:
        """Return the same with only some of the columns."""
        numeric = [at for at, name in enumerate(self.numeric) if name in names]
        categorical = [at for at, name in enumerate(self.categorical) if name in names]

        def of(part: Part) -> Part:
            return Part(part.numbers[:, numeric], part.codes[:, categorical])

        return replace(
            self,
            columns=tuple(one for one in self.columns if one.name in names),
            numeric=tuple(self.numeric[at] for at in numeric),
            categorical=tuple(self.categorical[at] for at in categorical),
            levels=tuple(self.levels[at] for at in categorical),
            real=of(self.real),
            synthetic=of(self.synthetic),
            holdout=None if self.holdout is None else of(self.holdout),
        )

    def narrowed(self, also: str | None = None) -> tuple[Tables, str]:
        """Return what pairs and models are measured on, and in words which columns of many."""
        names = [*self.numeric, *self.categorical]
        if len(names) <= MOST_COLUMNS:
            return self, ""
        drawn = {name for name in (self.target, also) if name is not None}
        for at in np.random.default_rng(0).permutation(len(names)):
            if len(drawn) < MOST_COLUMNS:
                drawn.add(names[at])
        among = ", the target among them" if self.target is not None else ""
        said = f"{len(drawn)} columns, drawn at random from {len(names):,}{among}"
        return self.select(drawn), said

    def split(self, rng: np.random.Generator) -> Tables:
        """Return the same with half of the real rows, drawn at random, as the hold-out."""
        parts = [self.real.take(rows) for rows in halves(row_keys(self.real), rng)]
        return replace(self, real=parts[0], holdout=parts[1])


def halves(
    keys: Array,
    rng: np.random.Generator,
    met: Bools | None = None,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows of two random halves, with as many of the rows that are ``met`` in each."""
    # rows with equal keys stay in one half, as long as these are few: a row that was entered twice
    # would otherwise be learned and count as unseen
    order = rng.permutation(len(keys))
    first = np.zeros(len(keys), bool)
    if met is None:
        first[order[: (len(order) + 1) // 2]] = True
    else:
        first[order[np.argsort(~met[order], kind="stable")][::2]] = True
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if few_repeats(int(counts[counts > 1].sum()), len(keys)):
        side = np.zeros(len(counts), bool)
        side[which[order]] = first[order]
        first = side[which]
    return np.flatnonzero(first), np.flatnonzero(~first)


def few_repeats(n_repeated: int, n_rows: int) -> bool:
    """Tell whether equal rows are so few that one was rather entered twice."""
    return n_repeated <= max(KEPT_TOGETHER * n_rows, 4)


def row_keys(part: Part) -> npt.NDArray[np.uint64]:
    """Return a 64-bit number for each row, the same for rows equal in every column."""
    # missing equals missing, and -0 equals 0; among two million rows of which none are equal, the
    # chance that any two share a number is 1e-7
    keys = np.full(len(part), GOLDEN, np.uint64)
    for at in range(part.numbers.shape[1]):
        bits = (part.numbers[:, at] + 0.0).view(np.uint64)
        bits[np.isnan(part.numbers[:, at])] = _NAN
        _stir(keys, bits)
    for at in range(part.codes.shape[1]):
        _stir(keys, part.codes[:, at].astype(np.int64).view(np.uint64))
    return keys


def _stir(keys: npt.NDArray[np.uint64], bits: npt.NDArray[np.uint64]) -> None:
    """Mix the bits into the keys, in place; for given keys, one to one in the bits."""
    keys *= np.uint64(GOLDEN)
    keys ^= bits
    keys[:] = mix64(keys)


def align(
    real: Any,
    synthetic: Any,
    holdout: Any = None,
    *,
    target: str | None = None,
    kinds: Mapping[str, str] | None = None,
    columns: Sequence[Column] | None = None,
) -> Tables:
    """Bring tables into one form; where ``columns`` are known, tables are as they are read."""
    arrows = {"real": to_arrow(real), "synthetic": to_arrow(synthetic)}
    if holdout is not None:
        arrows["hold-out"] = to_arrow(holdout)
    _check_sizes(arrows)
    if columns is None:
        _, schema = infer(arrows["real"], kinds)
        arrows = {name: schema.read(table) for name, table in arrows.items()}
    known = list(schema.columns if columns is None else columns)
    compared = [c for c in known if c.kind not in {"identifier", "text"}]
    if target is not None:
        check_target(target, known)
    _check_columns(arrows, known)
    numbers, codes, levels = _coded_columns(arrows, compared)
    if not numbers and not codes:
        raise ValueError(
            "No column is left to compare: all are identifiers, free text or empty. Say what a "
            f"column is with kinds={{{known[0].name!r}: 'category'}}."
        )
    parts = [
        Part(
            _stacked([one[at] for one in numbers.values()], table.num_rows, np.float64),
            _stacked([one[at] for one in codes.values()], table.num_rows, np.int32),
        )
        for at, table in enumerate(arrows.values())
    ]
    return Tables(
        columns=tuple(compared),
        numeric=tuple(numbers),
        categorical=tuple(codes),
        levels=levels,
        real=parts[0],
        synthetic=parts[1],
        holdout=parts[2] if holdout is not None else None,
        target=target,
    )


def _coded_columns(
    arrows: Mapping[str, pa.Table], columns: Sequence[Column]
) -> tuple[dict[str, list[Any]], dict[str, list[Any]], tuple[tuple[Any, ...], ...]]:
    """Return numbers and codes of each table, by column, and the values that codes stand for."""
    numbers: dict[str, list[Any]] = {}
    codes: dict[str, list[Any]] = {}
    levels = []
    for column in columns:
        if column.kind == "missing":
            continue
        values = [table[column.name] for table in arrows.values()]
        own = values[0].type
        kind = kind_of_type(own) if column.kind == "constant" else column.kind
        if kind in MIXED_KINDS and not (column.kind == "constant" and _is_infinite(values[0])):
            _check_types(column, arrows)
            numbers[column.name] = [_floats(one, own, column.name) for one in values]
        else:
            seen, codes[column.name] = _coded(values)
            _check_types(column, arrows, codes[column.name])
            levels.append(seen)
    return numbers, codes, tuple(levels)


def _check_sizes(arrows: Mapping[str, pa.Table]) -> None:
    """Refuse tables without rows; warn of small ones."""
    for name, table in arrows.items():
        if not table.num_rows:
            raise ValueError(f"The {name} table has no rows. There is nothing to compare.")
    few = [f"{name} ({len(table)})" for name, table in arrows.items() if len(table) < FEW_ROWS]
    if few:
        warnings.warn(
            f"Fewer than {FEW_ROWS} rows: {', '.join(few)}. Intervals are wide; read no single "
            "figure as proof.",
            UserWarning,
            stacklevel=4,
        )


def check_target(target: str, columns: Sequence[Column]) -> None:
    """Refuse a target that is not there, or that is left out of what is compared."""
    check_column("target", target, [c.name for c in columns])
    kind = next(c.kind for c in columns if c.name == target)
    if kind in {"identifier", "text"}:
        what = "an identifier" if kind == "identifier" else "free text"
        raise ValueError(
            f"target {target!r} was taken for {what}, which no model predicts. Name another "
            f"column, or say what it is: kinds={{{target!r}: 'category'}}."
        )


def _check_columns(arrows: Mapping[str, pa.Table], known: Sequence[Column]) -> None:
    wanted = {c.name for c in known if c.kind not in {"identifier", "text"}}
    allowed = {c.name for c in known}
    for name, table in arrows.items():
        there = set(table.column_names)
        faults = [
            f"{said} {', '.join(map(repr, sorted(which)))}"
            for said, which in (("lacks", wanted - there), ("has in excess", there - allowed))
            if which
        ]
        if faults:
            raise ValueError(
                f"The {name} table {' and '.join(faults)}, compared with the real table. "
                "Give tables of the same columns."
            )


def _check_types(
    column: Column,
    arrows: Mapping[str, pa.Table],
    codes: Sequence[npt.NDArray[np.int32]] | None = None,
) -> None:
    """Refuse a column of another kind; of categories, unless they share a value with the real."""
    first = arrows["real"][column.name].type
    for at, (name, table) in enumerate(arrows.items()):
        other = table[column.name].type
        kinds = kind_of_type(first), kind_of_type(other)
        if kinds[0] == kinds[1]:
            continue
        if codes is None:
            fits = pa.types.is_null(other) or set(kinds) <= {"numeric", "integer", "boolean"}
        else:
            real, there = (one[one >= 0] for one in (codes[0], codes[at]))
            fits = not len(there) or not len(real) or np.isin(there, real).any()
        if not fits:
            nothing = "" if codes is None else ", and they have no value in common"
            raise ValueError(
                f"Column {column.name!r} is {first} in the real table and {other} in the {name} "
                f"one{nothing}. Convert one of them, or say what it is with kinds."
            )


def _floats(values: pa.ChunkedArray, own: pa.DataType, name: str) -> Floats:
    if pa.types.is_null(values.type):
        return np.full(len(values), np.nan)
    if pa.types.is_temporal(own) and values.type != own:
        values = values.cast(own, safe=False)  # another unit or time zone
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    numbers, missing = to_floats(values, name)
    return np.where(missing, np.nan, numbers)


def _is_infinite(values: pa.ChunkedArray) -> bool:
    return pa.types.is_floating(values.type) and pc.any(pc.is_inf(values)).as_py() is True


def _coded(parts: Sequence[pa.ChunkedArray]) -> tuple[tuple[Any, ...], list[Any]]:
    """Return the distinct values of all parts, and the codes of each."""
    plain = [
        one.cast(one.type.value_type) if pa.types.is_dictionary(one.type) else one for one in parts
    ]
    plain = [
        pc.if_else(pc.is_nan(one), None, one) if pa.types.is_floating(one.type) else one
        for one in plain
    ]
    if len({one.type for one in plain}) > 1:
        plain = [one.cast(pa.large_string()) for one in plain]
    seen = pa.chunked_array([pc.unique(pc.drop_null(one)) for one in plain]).unique()
    codes = [
        pc.fill_null(pc.index_in(one, value_set=seen), -1).to_numpy().astype(np.int32)
        for one in plain
    ]
    return tuple(python_values(seen)), codes


def _stacked(columns: Sequence[Array], n_rows: int, kind: Any) -> Array:
    out = np.empty((n_rows, len(columns)), kind, order="F")
    for at, values in enumerate(columns):
        out[:, at] = values
    return out
