"""Fresh identifiers in place of real ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.table import TableSynthesizer
from vicinal.table.surrogates import Surrogates, spans_of


def make(values, n, kind="identifier", missing=None, seed=0):
    column = (
        pa.chunked_array([values])
        if isinstance(values, pa.Array)
        else pa.chunked_array([pa.array(values)])
    )
    made = Surrogates(column, "id", kind).make(n, np.random.default_rng(seed), missing)
    assert len(made) == n
    return made


@given(st.lists(st.text(max_size=6), min_size=1, unique=True), st.integers(1, 300))
def test_strings_are_new_and_distinct(real, n):
    made = make(pa.array(real, pa.string()), n).to_pylist()
    assert len(set(made)) == n
    assert not set(made) & set(real)


def test_strings_keep_their_shape():
    for text in make([f"AB-{i:04d}/x" for i in range(0, 9000, 7)], 200).to_pylist():
        assert len(text) == 9
        assert text[:2].isupper()
        assert (text[2], text[7:]) == ("-", "/x")
        assert text[3:7].isdigit()


@pytest.mark.parametrize("prefix", ["0x", "0X", "sha256:", "#", "x-"])
@pytest.mark.parametrize("write", ["{:06x}", "{:06X}"])
def test_hexadecimal_digits_stay_so_behind_a_prefix(prefix, write):
    real = [prefix + write.format(7_919 * at % 2**24) for at in range(1, 400)]
    made = make(real, 500).to_pylist()
    assert not set(made) & set(real)
    for text in made:
        assert text.startswith(prefix)
        assert write.format(int(text.removeprefix(prefix), 16)) == text.removeprefix(prefix)


def test_a_shape_with_no_room_grows_a_number():
    made = make(["a1", "a2"], 50).to_pylist()
    assert len(set(made)) == 50
    assert all(text.startswith("a") for text in made)


@pytest.mark.parametrize(
    ("kind", "real", "wanted"),
    [
        (pa.int64(), [5, 9, 7], [10, 11, 12]),
        (pa.int8(), [100, 120, 127], [99, 98, 97]),
        (pa.uint8(), [250, 255, 200], [199, 198, 197]),
        (pa.uint64(), [2**64 - 1, 2**64 - 2, 2**63], [2**63 - 1, 2**63 - 2, 2**63 - 3]),
        (pa.uint64(), [2**63, 1, 2], [10**19, 10**19 + 1, 10**19 + 2]),
        (pa.int64(), [-(2**63), 0, 1], [10**18, 10**18 + 1, 10**18 + 2]),
        (pa.int64(), [123_456, 899_121, 500_000], [900_000, 900_001, 900_002]),
    ],
)
def test_integers_count_on(kind, real, wanted):
    made = make(pa.array(real, kind), 3)
    assert made.type == kind
    assert made.to_pylist() == wanted


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8()])
def test_integers_of_calls_that_go_on_never_meet(kind):
    real, rng = pa.array([1, 7, 100], kind), np.random.default_rng(0)
    makers = Surrogates(real, "id", "identifier")
    made, at = [], 0
    while at < 120:  # as calls of sample do, which know of no later ones
        made += makers.make(13, rng, first=at, total=at + 13).to_pylist()
        at += 13
    assert made[:2] == [110, 111]
    assert len(set(made) | {1, 7, 100}) == len(made) + 3


def test_integers_without_room():
    with pytest.raises(ValueError, match=r"'id' \(int8\) has no room for 300 .*Use a wider"):
        make(pa.array([1, 2], pa.int8()), 300)


def test_missing_where_asked():
    missing = np.arange(10) % 3 == 0
    for values in (["a1", "b2", None], [1, 2, None]):
        assert make(values, 10, missing=missing).is_null().to_pylist() == missing.tolist()


def test_text():
    assert make(["", None], 2, "text").to_pylist() == ["id 1", "id 2"]


def test_dictionaries_grow_where_their_codes_are_narrow():
    kind = pa.dictionary(pa.int8(), pa.string())
    real = pa.array([f"{i:03d}" for i in range(100)]).dictionary_encode().cast(kind)
    assert make(real, 50).type == kind
    assert make(real, 500).type == pa.dictionary(pa.int32(), pa.string())


def test_seed():
    real = [f"{i:05d}" for i in range(100)]
    assert make(real, 99, seed=1) == make(real, 99, seed=1)
    assert make(real, 99, seed=1) != make(real, 99, seed=2)


def test_no_number_of_one_column_is_a_real_one_of_another():
    table = pa.table({
        "id": pa.array(range(10_001, 10_401)),
        "manager": pa.array([*range(10_001, 10_050)] * 8 + [None] * 8),
        "far": pa.array(range(400)),
        "small": pa.array([*range(100)] * 4, pa.int8()),
    })  # fmt: skip
    spans = spans_of(table, table.column_names, {"far": (-5, 9_000)})
    assert spans == {
        "id": (10_001, 10_400), "manager": (10_001, 10_400), "far": (-5, 9_000), "small": (0, 99),
    }  # fmt: skip
    made = TableSynthesizer(random_state=0).fit(table.select(["id", "manager"])).sample(400)
    real = set(table["id"].to_pylist())
    assert not real & set(made["id"].to_pylist())
    assert not real & set(made["manager"].to_pylist())
