"""Nano's codec: what is spelt comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from vicinal.text.invert.codec import (
    CAP,
    EOS,
    FORMAL,
    INFORMAL,
    JOIN,
    SPECIALS,
    Codec,
    normalize,
)

PIECES = (
    [
        "i",
        "'",
        "m",
        "tom",
        ",",
        ".",
        "3",
        "14",
        '"',
        "hello",
        "mc",
        "donald",
        "-",
        "##s",
        "well",
        "known",
        "?",
        "(",
        ")",
        "usa",
        "s",
        "the",
    ]
    + list("abcdefgh")
    + ["##" + one for one in "abcdefgh"]
)
CODEC = Codec(PIECES)


@pytest.mark.parametrize(
    "line",
    [
        "I'm Tom.",
        "Tom's well-known.",
        "3.14, 3 , 14.",
        '"Hello," Tom.',
        "Hello McDonald (USA).",
        "hello tom",
        "The USA's Toms' well?",
        "tom I HELLO",
    ],
)
def test_case_contractions_quotes_decimals_hyphens_and_odd_spacing_come_back(line):
    ids = CODEC.encode(line)
    assert ids is not None
    assert CODEC.decode(ids) == line


def test_markers_are_written_only_where_the_rules_fail():
    name = CODEC.ids
    assert CODEC.encode("Hello, Tom.") == [
        FORMAL, name["hello"], name[","], CAP, name["tom"], name["."], EOS
    ]  # fmt: skip
    assert CODEC.encode("hello, i'm tom") == [
        INFORMAL, *(name[t] for t in ("hello", ",", "i", "'", "m", "tom")), EOS
    ]  # fmt: skip
    assert CODEC.encode("McDonald.") == [
        FORMAL, name["mc"], JOIN, CAP, name["donald"], name["."], EOS
    ]  # fmt: skip


def test_what_cannot_be_spelt_is_refused_or_left_out():
    assert CODEC.encode("Hello, 中.") is None
    assert CODEC.decode(CODEC.spell("Hello, 中 Tom.")) == "Hello, Tom."
    assert CODEC.spell("中") == CODEC.spell("") or CODEC.spell("中")[-1] == EOS
    assert normalize("“Café”  …") == '"Cafe" ...'


@given(st.lists(st.integers(0, len(CODEC) - 1), max_size=30))
def test_any_ids_can_be_read(ids):
    line = CODEC.decode(ids)
    assert not any(special in line for special in SPECIALS)


@given(st.text("abcdefghABCDEFGH .,-'\"?()3", max_size=40))
def test_any_spelt_line_comes_back_normalized(line):
    ids = CODEC.encode(line)
    if ids is not None:
        assert CODEC.decode(ids) == normalize(line)
