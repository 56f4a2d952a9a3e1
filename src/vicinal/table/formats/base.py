"""What every format of a column of texts shares: missing marks, odd cells, JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal.table.formats.words import MISSING

#: Rows of odd cells that a format names.
NAMED_ROWS = 20
#: Cells that fit for each odd one, at least.
FIT_PER_ODD = 10
#: Cells that tell whether nearly all are different.
HEAD = 20_000

Self = TypeVar("Self", bound="Format")


@dataclass(frozen=True, kw_only=True)
class Format(ABC):
    """How the cells of a column of texts are written.

    Attributes
    ----------
    kind : {"date", "datetime", "time", "numeric", "integer", "boolean", "code"}
        What the cells stand for.
    text : str
        The format for people: ``"%d.%m.%Y"``, ``"1.234,56 EUR"``, ``"TXN_#######"``.
    missing : str or None
        What a missing value is written as; None leaves it null.
    marks : tuple of str
        Everything that is read as missing, as it stands in the column.
    odd_rows : tuple of int
        Rows, from 0, whose cells do not fit; the first 20. They are read as missing.
    n_odd : int
        Number of cells that do not fit.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.table.formats import find_format
    >>> cells = pa.chunked_array([["24.12.2023", "01.02.2024", "n/a"]])
    >>> form = find_format(cells, "when")
    >>> form.kind, form.text
    ('date', '%d.%m.%Y')
    >>> form.render(form.parse(cells)).to_pylist()
    ['24.12.2023', '01.02.2024', 'n/a']
    """

    kind: str
    text: str
    missing: str | None = None
    marks: tuple[str, ...] = ()
    odd_rows: tuple[int, ...] = ()
    n_odd: int = 0

    classes: ClassVar[dict[str, type[Format]]] = {}
    kinds: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        for kind in cls.kinds:
            Format.classes[kind] = cls

    @property
    @abstractmethod
    def type(self) -> pa.DataType:
        """Arrow type of what :meth:`parse` returns."""

    def parse(self, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Read cells.

        Parameters
        ----------
        values : pyarrow Array or ChunkedArray of strings
            Cells; marks of missing values and cells that do not fit become null.

        Returns
        -------
        pyarrow.Array
            Of :attr:`type`, as long as ``values``.
        """
        texts = as_texts(values)
        head = texts.slice(0, HEAD)
        if len(pc.unique(head)) > len(head) // 2:  # nearly all differ
            return self._read_unmarked(texts)
        encoded = texts.dictionary_encode()
        return self._read_unmarked(encoded.dictionary).take(encoded.indices)

    def _read_unmarked(self, cells: pa.Array) -> pa.Array:
        if self.marks:
            marked = pc.is_in(cells, pa.array(self.marks, pa.string()))
            cells = pc.if_else(marked, pa.scalar(None, pa.string()), cells)
        return self._read(cells)

    def render(self, array: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Write values as the column writes them.

        Parameters
        ----------
        array : pyarrow Array or ChunkedArray
            Of :attr:`type`, or what casts to it; decimals are rounded to those that are written.

        Returns
        -------
        pyarrow.Array of strings
            Null only where ``array`` is null and :attr:`missing` is None.
        """
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if not pa.types.is_boolean(array.type):
            encoded = array.dictionary_encode()
            written = self._write(encoded.dictionary).take(encoded.indices)
        else:
            written = self._write(array)
        return written if self.missing is None else pc.fill_null(written, self.missing)

    def fits(self, values: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Tell which cells are written exactly as :meth:`render` writes them.

        Parameters
        ----------
        values : pyarrow Array or ChunkedArray of strings
            Cells.

        Returns
        -------
        pyarrow.BooleanArray
            False where a cell is missing, odd, or written otherwise.
        """
        texts, parsed = as_texts(values), self.parse(values)
        same = pc.fill_null(pc.equal(self.render(parsed), texts), False)
        return pc.and_(same, parsed.is_valid())

    def to_dict(self) -> dict[str, Any]:
        """Return the format as what JSON can hold."""
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    @staticmethod
    def from_dict(spec: Mapping[str, Any]) -> Format:
        """Return the format that :meth:`to_dict` wrote.

        Raises
        ------
        ValueError
            If ``spec`` is not one of those.
        """
        made = Format.classes.get(spec.get("kind", ""))
        if made is None:
            raise ValueError(
                f"Got a format of kind {spec.get('kind')!r}, but expected one of "
                f"{', '.join(sorted(Format.classes))}."
            )
        held: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()
        }
        try:
            return made(**held)
        except TypeError as error:
            raise ValueError(f"Not the fields of a {spec['kind']} format: {error}.") from None

    @abstractmethod
    def _read(self, cells: pa.Array) -> pa.Array:
        """Return cells as values."""

    @abstractmethod
    def _write(self, values: pa.Array) -> pa.Array:
        """Return values as cells."""


def as_texts(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return cells as one array of strings, dictionaries decoded."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values if values.type == pa.string() else values.cast(pa.string())


def few(odd: int, total: int) -> bool:
    """Tell whether ``odd`` of ``total`` cells are few enough to be errors of writing."""
    return odd == 0 or (odd <= max(1, total // 100) and total - odd >= FIT_PER_ODD * odd)


def marks_of(cells: pa.Array) -> tuple[str, ...]:
    """Return those of some cells that stand for missing values."""
    lower = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
    return tuple(pc.unique(cells.filter(pc.is_in(lower, pa.array(sorted(MISSING))))).to_pylist())


def fitted(form: Self, texts: pa.Array, marks: tuple[str, ...]) -> tuple[Self, pa.Array]:
    """Return the format with marks and odd cells of a column, and its cells as they are read."""
    form = replace(form, marks=marks)
    marked = pc.is_in(texts, pa.array(marks, pa.string()))
    commonest, most = None, texts.null_count
    for entry in pc.value_counts(texts.filter(marked)) if marks else ():
        mark, count = entry["values"].as_py(), entry["counts"].as_py()
        if mark is not None and count > most:
            commonest, most = mark, count
    parsed = form.parse(texts)
    known = pc.or_(pc.or_(texts.is_null(), marked), parsed.is_valid())
    odd = np.flatnonzero(pc.invert(known))
    rows = tuple(odd[:NAMED_ROWS].tolist())
    return replace(form, missing=commonest, odd_rows=rows, n_odd=len(odd)), parsed
