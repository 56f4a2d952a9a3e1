"""Rows that are shown where asked for: the nearest pairs, as they are written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vicinal.report import evaluate
from vicinal.report.rows import REAL_ROWS, SHOWN, rows_to_show
from vicinal.report.tables import align


def table(seed, n_rows=80):
    rng = np.random.default_rng(seed)
    days = np.datetime64("2023-01-01") + rng.integers(0, 700, n_rows)
    return pa.table(
        {
            "id": [f"K{seed}{at:04d}" for at in range(n_rows)],
            "when": [f"{day.item():%d.%m.%Y}" for day in days],
            "x": rng.normal(size=n_rows),
            "job": rng.choice(["a", "b", None], n_rows, p=[0.5, 0.4, 0.1]),
        }
    )


@pytest.fixture(scope="module")
def shown():
    """Report on a table of which one row, the 12th, is a copy of the real one's 33rd."""
    real, made = table(1), table(2)
    made = pa.concat_tables([made[:11], real[32:33], made[12:]])
    return evaluate(real, made, table(3), show_rows=True, random_state=0), real


def test_the_nearest_pairs_come_first_as_they_are_written(shown):
    rows, real = shown[0].shown_rows, shown[1]
    assert rows.columns == ("when", "x", "job")
    assert rows.distance[0] == 0.0
    assert list(rows.distance) == sorted(rows.distance)
    assert rows.distance[1] > 0
    made, copied = rows.nearest[0]
    when, x, job = (real[name][32].as_py() for name in rows.columns)
    assert made == copied == (when, f"{x:.10g}", job)
    assert len(rows.nearest) == len(rows.real) == len(rows.synthetic) == SHOWN
    written = set(zip(*(real[name].to_pylist() for name in ("when", "job")), strict=True))
    assert {(row[0], row[2]) for row in rows.real} <= written


def test_distances_by_hand():
    real = pa.table({"x": [float(10 * at) for at in range(11)], "job": ["a"] * 10 + [None]})
    made = pa.table({"x": [53.0, 2.0, 100.0], "job": ["b", "a", None]})
    with pytest.warns(UserWarning, match="Fewer than"):
        tables = align(real, made)
    rows = rows_to_show(tables, real, made, np.random.default_rng(0))
    # the range is 100, and a category that differs counts 1
    assert rows.distance == pytest.approx((0.0, 0.02 / 2, 1.03 / 2))
    assert rows.nearest == (
        (("100", None), ("100", None)),
        (("2", "a"), ("0", "a")),
        (("53", "b"), ("50", "a")),
    )
    assert rows.sought == 3


def test_real_rows_are_shown_only_where_asked_for(shown, tmp_path):
    report, real = shown
    report.to_html(tmp_path / "shown.html")
    page = (tmp_path / "shown.html").read_text("utf-8")
    assert page.count(REAL_ROWS) == 2  # on top, and where they are
    assert "Pair 1: distance 0.000, 3 of 3 values equal" in page
    assert real["when"][32].as_py() in page
    assert "K10032" not in page
    silent = evaluate(real, table(2), table(3), random_state=0)
    assert silent.shown_rows is None
    assert REAL_ROWS not in silent.notes
    silent.to_html(tmp_path / "silent.html")
    assert 'id="rows"' not in (tmp_path / "silent.html").read_text("utf-8")
