"""The base of all results."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from vicinal.page.result import RowsResult


@dataclass(frozen=True, eq=False)
class Found(RowsResult):
    names: tuple[str, ...]
    scores: np.ndarray

    def summary(self) -> str:
        return "two <rows>"

    def _columns(self):
        return {"name": self.names, "score": self.scores}


FOUND = Found(("a", "b"), np.array([0.5, math.nan]))


def test_a_result_is_text_and_plain_values(tmp_path):
    assert str(FOUND) == "two <rows>"
    wanted = {"version": 1, "names": ["a", "b"], "scores": [0.5, None]}
    assert FOUND.to_dict() == wanted
    FOUND.to_json(tmp_path / "found.json")
    assert json.loads((tmp_path / "found.json").read_text()) == wanted


def test_a_result_without_a_page_of_its_own_shows_its_summary(tmp_path):
    FOUND.to_html(tmp_path / "found.html")
    page = (tmp_path / "found.html").read_text()
    assert "<h1>Found</h1>" in page
    assert "two &lt;rows&gt;" in page


def test_rows_are_a_frame():
    frame = FOUND.to_frame()
    assert frame.columns.tolist() == ["name", "score"]
    assert frame["name"].tolist() == ["a", "b"]


def test_without_pandas_a_message_says_what_else_there_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_dict"):
        FOUND.to_frame()
