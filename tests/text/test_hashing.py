"""Words as hashed pieces: every script, no surprises."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from vicinal.text.classifier.hashing import BUCKETS, PIECES, hash_words


@given(st.text(max_size=200), st.integers(1, 20))
def test_rows_and_numbers_stay_in_bounds(text, most):
    rows = hash_words(text, most)
    assert 1 <= len(rows) <= most
    assert rows[0] == [1]
    for row in rows[1:]:
        assert 1 <= len(row) <= PIECES
        assert all(2 <= piece < BUCKETS for piece in row)
    assert hash_words(text, most) == rows


def test_pieces_of_a_word_by_hand():
    # the word with its edges, then grams of three and of four; the one of four is the word again
    [_, ab] = hash_words("ab", 9)
    assert len(ab) == 3
    [_, abc] = hash_words("abc", 9)
    assert len(abc) == 1 + 3 + 2  # <abc>; <ab abc bc>; <abc abc>
    assert ab[1] == abc[1]  # both begin with "<ab"


def test_capitals_and_forms_of_a_sign_do_not_count():
    assert hash_words("GOOD Film", 9) == hash_words("good film", 9)
    assert hash_words("caf\u00e9", 9) == hash_words("cafe\u0301", 9)


def test_vowel_signs_stay_in_their_word_and_signs_stand_alone():
    assert len(hash_words("ગુજરાતી સમાચાર", 9)) == 1 + 2
    assert len(hash_words("good, isn't", 9)) == 1 + 5  # good , isn ' t
    assert len(hash_words("新聞記事", 9)) == 1 + 4


def test_a_book_is_cut_before_it_is_read():
    begin = time.process_time()
    assert len(hash_words("word " * 2_000_000, 64)) == 64
    assert time.process_time() - begin < 1
