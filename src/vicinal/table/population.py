"""What is known of all rows of a table of which only some are held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vicinal.table.marginals import Marginal, MixedColumn, NormalScores, RawValues


@dataclass(frozen=True)
class Population:
    """Facts about all rows, where a synthesizer holds a sample of them."""

    n_rows: int  # how many there are
    marginals: dict[str, Marginal] = field(default_factory=dict)  # distributions of numbers
    # a number, how far the mean lies above it, and the variance
    moments: dict[str, tuple[Any, float, float]] = field(default_factory=dict)
    # least and largest of integer identifiers
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)
    # with what placeholders of string identifiers begin: no value does
    prefixes: dict[str, str] = field(default_factory=dict)

    def correct(self, column: MixedColumn) -> None:
        """Give a column of the sample the distribution of all rows, where it is known."""
        if isinstance(column.scale, NormalScores) and column.name in self.marginals:
            column.scale.marginal = self.marginals[column.name]
        if isinstance(column.scale, RawValues) and column.name in self.moments:
            column.scale.fit_moments(*self.moments[column.name], column.missing)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        marginals = {name: one.as_dict() for name, one in self.marginals.items()}
        return {**vars(self), "marginals": marginals}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Population:
        """Return what :meth:`as_dict` was made from."""
        marginals = {name: Marginal.from_dict(one) for name, one in facts["marginals"].items()}
        pairs = {
            key: {name: tuple(one) for name, one in facts[key].items()}
            for key in ("moments", "spans")
        }
        return cls(**{**facts, "marginals": marginals, **pairs})
