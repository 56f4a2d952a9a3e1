"""Words as sets of hashed pieces, which needs no vocabulary and knows every script."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from zlib import crc32

#: Rows of the table that pieces are hashed to; row 0 is padding, row 1 begins a text.
BUCKETS = 1 << 14
#: Most pieces of a word that are looked at.
PIECES = 16
_START = 1
_LONGEST_WORD = 16


class _Spaces(dict[int, str]):
    """What becomes of a character: signs stand alone, blanks and controls part words."""

    # vowel signs, which a regular expression's \\w leaves out, stay with their word

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        kind = unicodedata.category(sign)[0]
        # ideographs are words of their own: such scripts have no blanks
        alone = kind in "PS" or 0x2E80 <= code <= 0x9FFF or 0x20000 <= code <= 0x3FFFF
        made = f" {sign} " if alone else " " if kind in "ZC" else sign
        self[code] = made
        return made


_SPACES = _Spaces()
_known: dict[str, list[int]] = {}


def hash_words(text: str, most: int) -> list[list[int]]:
    """Return a row of piece numbers for each word, after one that begins the text."""
    # what lies beyond is cut anyway, and a text may be a book
    head = unicodedata.normalize("NFKC", text[: most * 64]).casefold()
    rows = [[_START]]
    for word in head.translate(_SPACES).split():
        for at in range(0, len(word), _LONGEST_WORD):
            if len(rows) >= most:
                return rows
            rows.append(_pieces(word[at : at + _LONGEST_WORD]))
    return rows


def _pieces(word: str) -> list[int]:
    found = _known.get(word)
    if found is None:
        if len(_known) > 200_000:
            _known.clear()
        edged = f"<{word}>"
        # the word itself, then what its relatives share with it
        pieces = [edged, *_grams(edged, 3), *_grams(edged, 4)]
        found = [_bucket(piece) for piece in dict.fromkeys(pieces)][:PIECES]
        _known[word] = found
    return found


def _grams(word: str, size: int) -> Sequence[str]:
    return [word[i : i + size] for i in range(len(word) - size + 1)]


def _bucket(piece: str) -> int:
    return 2 + crc32(piece.encode("utf-8", "surrogatepass")) % (BUCKETS - 2)
