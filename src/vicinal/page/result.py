"""The one base of all results: read as text, kept as figures, shown as a page."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._extras import need
from vicinal.page.frame import Page, write_page
from vicinal.page.plain import to_plain


class Result(ABC):
    """What a job found: a dataclass that can be read, written and shown.

    A subclass writes :meth:`summary`, and may give its page a template of its own.
    """

    @abstractmethod
    def summary(self) -> str:
        """Return the result as a text of a few lines."""

    def __str__(self) -> str:
        return self.summary()

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as plain JSON values.

        Returns
        -------
        dict
            By name of the attribute; None where nothing was measured.
        """
        plain: dict[str, Any] = {"version": 1} | to_plain(self)
        return plain

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write every figure to a JSON file.

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from vicinal.io import check_file, replacing

        check_file(path)
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)
        with replacing(Path(path)) as sink:
            sink.write(f"{text}\n".encode())

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write the result as one self-contained HTML page.

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all.

        Raises
        ------
        ImportError
            If Jinja2 is not installed.
        OSError
            If the file cannot be written.
        """
        write_page(self._page(), path)

    def _page(self) -> Page:
        """Return the template and its values; the summary as it is, unless a subclass has more."""
        title = type(self).__name__
        return Page("summary.html.j2", {"title": title, "summary": self.summary()})


class RowsResult(Result):
    """A result that has rows."""

    @abstractmethod
    def _columns(self) -> dict[str, Any]:
        """Return the rows as columns of equal length, by name."""

    def to_frame(self) -> Any:
        """Return the rows as a pandas data frame.

        Returns
        -------
        pandas.DataFrame
            One row for each entry of the result.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        need(
            "to_frame()",
            "pandas",
            instead=". to_dict() and to_json() have the same figures without it.",
        )
        import pandas

        return pandas.DataFrame(self._columns())
