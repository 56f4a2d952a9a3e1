"""What is known of a whole table of which only some rows are held."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Marginal", "Whole"]


@dataclass(frozen=True)
class Marginal:
    """The distribution of a column, as a table of quantiles.

    Between ``levels[i - 1]`` and ``levels[i]`` values run from ``low[i]`` to ``high[i]``.

    Attributes
    ----------
    levels : ndarray of float64, shape (n_cells - 1,)
        Inner levels, rising.
    low, high : ndarray of int64 or float64, shape (n_cells,)
        Where values of a cell begin and end, in terms of ``to_numbers``.
    decimals : int, optional
        Decimal places; None for as many as there are.
    """

    levels: npt.NDArray[np.float64]
    low: npt.NDArray[Any]
    high: npt.NDArray[Any]
    decimals: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        packed = {name: _pack(getattr(self, name)) for name in ("levels", "low", "high")}
        return {**packed, "decimals": self.decimals}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Marginal:
        """Return what :meth:`as_dict` was made from."""
        arrays = {name: _unpack(facts[name]) for name in ("levels", "low", "high")}
        return cls(**arrays, decimals=facts["decimals"])


@dataclass(frozen=True)
class Whole:
    """Facts about all rows, where a synthesizer holds a sample of them.

    Attributes
    ----------
    n_rows : int
        How many there are.
    marginals : dict of str to Marginal
        Distributions of numbers.
    moments : dict of str to tuple of (number, float, float)
        A number, how far the mean lies above it, and the variance.
    spans : dict of str to tuple of two int
        The least and the largest value of integer identifiers.
    prefixes : dict of str to str
        With what placeholders of string identifiers begin: no value does.
    """

    n_rows: int
    marginals: dict[str, Marginal] = field(default_factory=dict)
    moments: dict[str, tuple[Any, float, float]] = field(default_factory=dict)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        marginals = {name: one.as_dict() for name, one in self.marginals.items()}
        return {**vars(self), "marginals": marginals}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Whole:
        """Return what :meth:`as_dict` was made from."""
        marginals = {name: Marginal.from_dict(one) for name, one in facts["marginals"].items()}
        pairs = {
            key: {name: tuple(one) for name, one in facts[key].items()}
            for key in ("moments", "spans")
        }
        return cls(**{**facts, "marginals": marginals, **pairs})


def _pack(values: npt.NDArray[Any]) -> list[str]:
    plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return [plain.dtype.str, base64.b64encode(plain.tobytes()).decode()]


def _unpack(packed: list[str]) -> npt.NDArray[Any]:
    values = np.frombuffer(base64.b64decode(packed[1]), np.dtype(packed[0]))
    return values.astype(values.dtype.newbyteorder("="))
