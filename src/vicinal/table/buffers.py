"""Columns that are written piece by piece, in any order, into one block of memory each.

Pieces joined at the end would take twice the memory of the column for a while.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa


class ColumnBuffer:
    """A column of ``n_rows``, filled by pieces of its type, of a fixed width or a dictionary."""

    def __init__(self, kind: pa.DataType, n_rows: int) -> None:
        self._type, self._n_rows = kind, n_rows
        self._codes = kind.index_type if pa.types.is_dictionary(kind) else kind
        self._dictionary: pa.Array | None = None
        self._valid: Any = None
        self._pieces: dict[int, pa.Array] = {}
        self._lock = Lock()
        fixed = pa.types.is_primitive(self._codes) or pa.types.is_decimal(self._codes)
        self._width = self._codes.bit_width if fixed else 0
        self._data = np.zeros(-(-n_rows * self._width // 8), np.uint8)

    def put(self, start: int, piece: pa.Array) -> None:
        """Write rows from ``start``, a multiple of 8, on."""
        if isinstance(piece, pa.DictionaryArray):
            self._dictionary = piece.dictionary  # all pieces are taken from one column
            piece = piece.indices
        if not self._width:
            self._pieces[start] = piece
            return
        if piece.offset:
            piece = pa.concat_arrays([piece])
        valid, data = piece.buffers()
        at, size = start * self._width // 8, -(-len(piece) * self._width // 8)
        self._data[at : at + size] = np.frombuffer(data, np.uint8, size)
        if valid is not None and piece.null_count:
            with self._lock:
                if self._valid is None:
                    self._valid = np.full(-(-self._n_rows // 8), 255, np.uint8)
            at, size = start // 8, -(-len(piece) // 8)
            self._valid[at : at + size] = np.frombuffer(valid, np.uint8, size)

    def finish(self) -> pa.Array:
        """Return the column, once every row is written, and keep nothing of it."""
        if not self._width:
            pieces = [self._pieces[start] for start in sorted(self._pieces)]
            self._pieces = {}
            return pa.concat_arrays(pieces)
        valid = None if self._valid is None else pa.py_buffer(self._valid)
        buffers = [valid, pa.py_buffer(self._data)]
        self._data, self._valid = np.zeros(0, np.uint8), None
        if self._dictionary is None:
            return pa.Array.from_buffers(self._type, self._n_rows, buffers)
        return pa.DictionaryArray.from_buffers(self._type, self._n_rows, buffers, self._dictionary)
