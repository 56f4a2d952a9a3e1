"""What all results have in common: they can be kept as figures, and read as a page."""

from __future__ import annotations

from os import PathLike
from typing import Any

from vicinal.page.frame import Paged
from vicinal.page.plain import to_plain, write_json

__all__ = ["Result"]


class Result(Paged):
    """A dataclass of figures."""

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as plain JSON values; what was not measured is None."""
        plain: dict[str, Any] = {"version": 1} | to_plain(self)
        return plain

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write every figure to a JSON file.

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all.
        """
        write_json(self.to_dict(), path)
