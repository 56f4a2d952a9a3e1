"""Conditions: what is read, and which rows meet them."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from vicinal.table.conditions import parse_where, rows_matching

TABLE = pa.table(
    {
        "age": pa.array([20, 39, 40, None, 60], pa.int8()),
        "income": pa.array(["<=50K", ">50K", None, ">50K", ""]).dictionary_encode(),
        "pay": pa.array([1.5, np.nan, 2.5, None, -1.0]),
        "half": pa.array(np.array([1, 2, 3, 4, 5], np.float16)),
        "ok": pa.array([True, False, None, True, False]),
        "day": pa.array([datetime.date(2024, 1, d) for d in range(1, 6)]),
        "at": pa.array([datetime.datetime(2024, 1, d) for d in range(1, 6)], pa.timestamp("us")),
        "zoned": pa.array([0, 10**6, 2 * 10**6, None, 4 * 10**6], pa.timestamp("us", "Asia/Tokyo")),
        "a b": pa.array(["x", "y", "x", "y", "x"]),
        "big": pa.array([2**60, 2**60 + 1, 2**60 + 2, 0, None]),
    }
)


def rows(where):
    met = rows_matching(TABLE, parse_where(where))
    assert met.null_count == 0
    return np.flatnonzero(met.to_numpy()).tolist()


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("age>=40", [2, 4]),
        ("age > 39.5", [2, 4]),
        ("age<1000", [0, 1, 2, 4]),
        ("age!=40", [0, 1, 4]),
        ("age==40", [2]),
        (["age>=20", "age<40"], [0, 1]),
        ({"age": 40}, [2]),
        ({"age": None}, [3]),
        ({"age": 40.5}, []),
        ("income=>50K", [1, 3]),
        ("income=<=50K", [0]),
        ("income!=>50K", [0, 4]),
        ("income=", [4]),
        ({"income": None}, [2]),
        ("pay>0", [0, 2]),
        ("pay!=1.5", [2, 4]),
        ({"pay": None}, [1, 3]),
        ("half>=3", [2, 3, 4]),
        ("ok=true", [0, 3]),
        ({"ok": False}, [1, 4]),
        ("day>=2024-01-04", [3, 4]),
        ({"day": datetime.date(2024, 1, 2)}, [1]),
        ("at<2024-01-02 12:00", [0, 1]),
        ("zoned>1970-01-01 09:00:00", [1, 2, 4]),
        ("zoned>1970-01-01 00:00:00Z", [1, 2, 4]),
        ("a b = x", [0, 2, 4]),
        ({"a b": "y", "ok": True}, [3]),
        ("big=1152921504606846977", [1]),
    ],
)
def test_rows(where, wanted):
    assert rows(where) == wanted


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("age", r"where: cannot read 'age'.*such as 'age>=40'"),
        ("agee>=40", r"where: no column 'agee' in the table. Did you mean 'age'\?"),
        ("age>=forty", r"where: 'forty' is no value for column 'age', which holds int8"),
        ("day>=soon", r"where: 'soon' is no value for column 'day'"),
        ("ok=perhaps", r"where: 'perhaps' is no value for column 'ok', which holds bool"),
        ("age>nan", r"where: 'nan' is no value"),
        ([], r"where must hold at least one condition"),
        ({}, r"where must hold at least one condition"),
    ],
)
def test_what_cannot_be_asked(where, message):
    with pytest.raises(ValueError, match=message):
        rows(where)
