"""What columns are found to be."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from vicinal.table import KINDS, detect_columns


def kind_of(values, name="x", said=None):
    table = pa.table({name: values})
    (column,) = detect_columns(table, None if said is None else {name: said})
    return column.kind


def words(n):
    return [f"some words and number {i}" for i in range(n)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([1.5, 2.5]), "numeric"),
        (pa.array([1.5, 2.5], pa.float32()), "numeric"),
        (pa.array([1, 2]).cast(pa.decimal128(21, 2)), "numeric"),
        (pa.array([3, 1, 3]), "integer"),
        (pa.array([3, 1, 3], pa.uint8()), "integer"),
        (pa.array([True, False]), "boolean"),
        (pa.array(["a", "b"]), "category"),
        (pa.array(["a", "b"]).dictionary_encode(), "category"),
        (pa.array([b"a", b"b"]), "category"),
        (pa.array([1, 2], pa.timestamp("ns", "UTC")), "datetime"),
        (pa.array([1, 2], pa.int32()).cast(pa.date32()), "date"),
        (pa.array([1, 2], pa.int32()).cast(pa.date32()).cast(pa.date64()), "date"),
        (pa.array([1, 2], pa.time64("us")), "time"),
        (pa.array([1, 2], pa.duration("s")), "duration"),
        (pa.array([7, 7]), "constant"),
        (pa.array(["a", None, "a"]), "constant"),
        (pa.array([None, None]), "missing"),
        (pa.array([None, None], pa.string()), "missing"),
        (pa.array([np.nan, np.nan]), "missing"),
        (pa.array([1.0, np.nan]), "constant"),
    ],
)
def test_kind_from_type(values, kind):
    assert kind_of(values) == kind
    assert kind in KINDS


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", list(range(100)), "identifier"),  # consecutive
        ("x", [i * i for i in range(100)], "integer"),  # distinct, but neither consecutive ...
        ("customer_id", [i * i for i in range(100)], "identifier"),  # ... nor named like one
        ("paid", [i * i for i in range(100)], "integer"),
        ("x", list(range(40)), "integer"),
        ("x", [f"U-{i}" for i in range(100)], "identifier"),
        ("x", [f"U-{i // 3}" for i in range(100)], "category"),
        ("x", [f"U-{i}" for i in range(12)], "identifier"),  # few, but all distinct
        ("x", [f"U-{i % 11}" for i in range(12)], "category"),
        ("x", list("abcdefghi"), "category"),
        ("x", words(100), "text"),
        ("x", words(12), "text"),
        ("x", words(3) * 20, "category"),
        ("größe_id", [5, 1, 9], "identifier"),
    ],
)
def test_identifiers_and_text(name, values, kind):
    assert kind_of(values, name) == kind


def test_near_unique_categories_are_identifiers_too():
    assert kind_of(pa.array([f"U-{i}" for i in range(100)]).dictionary_encode()) == "identifier"


def test_counts_and_notes():
    table = pa.table(
        {"x": pa.array([1.0, np.nan, None, 2.0, 2.0]), "y": ["a", "b", "b", "a", None]}
    )
    x, y = detect_columns(table)
    assert (x.n_missing, x.n_distinct, x.type, x.mixed, x.inherited) == (
        2,
        2,
        "double",
        True,
        False,
    )
    assert (y.n_missing, y.n_distinct, y.mixed, y.inherited) == (1, 2, False, True)
    assert x.as_dict()["name"] == "x"
    assert detect_columns(table, {"y": "text"})[1].note == "as you said"


@pytest.mark.parametrize(
    ("values", "said"),
    [([1, 2], "category"), ([1.0, 2.0], "integer"), ([1, 2], "numeric"), (["a", "b"], "text")],
)
def test_what_the_user_says_counts(values, said):
    assert kind_of(values, said=said) == said


@pytest.mark.parametrize(
    ("values", "said", "words"),
    [
        (["a", "b"], "numeric", ["'x'", "'numeric'", "string", "Convert it first"]),
        ([1, 2], "datetime", ["'x'", "'datetime'", "int64", "call it 'category'"]),
        ([1.5, 2.5], "identifier", ["'x'", "integers or strings", "double"]),
        ([1, 2], "text", ["'x'", "text holds strings", "int64"]),
        ([1, 2], "constant", ["'x'", "'constant'", "Use 'category'"]),
        ([1, 2], "catgory", ["'x'", "'catgory'", "Did you mean 'category'?"]),
    ],
)
def test_kinds_that_do_not_fit(values, said, words):
    with pytest.raises(ValueError, match="kind of column") as caught:
        kind_of(values, said=said)
    for word in words:
        assert word in str(caught.value)


def test_kinds_of_no_column():
    with pytest.raises(ValueError, match=r"kinds: no column 'agee'.*Did you mean 'age'\?"):
        detect_columns(pa.table({"age": [1, 2]}), {"agee": "integer"})
