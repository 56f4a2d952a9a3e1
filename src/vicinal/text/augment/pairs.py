"""The texts that sentences are made from: checked, told apart, embedded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal.text.augment.selection import Embeddings, InverterLike
from vicinal.text.encoder import check_texts
from vicinal.text.labels import listed_labels

__all__ = [
    "Parents",
    "as_labels",
    "check_one_label_each",
    "check_sentences",
    "distinct_texts",
    "gather_parents",
    "text_key",
]

#: Texts with more words than tokens that the encoder reads are cut, at so many words.
DEFAULT_WORDS = 128
#: Tokens that stand for no piece of a text, but mark where it begins and ends.
MARKS = 2
#: Letters of a text that are cut into pieces, for each token that is read: enough for any script.
LETTERS = 64
#: A text is foreign to its encoder where this share of its pieces are scraps of words: unknown,
#: continued, or single letters. Of English texts 1 to 10 in 100 have so many (tweets the most), of
#: Turkish, Gujarati and Arabic ones all.
SCRAPS = 0.35
#: And where their median rank in the vocabulary is beyond this share of it: of English texts 1 or 2
#: more in 100, of French, German, Spanish and Italian ones nearly all.
RARE = 1 / 6
#: Texts of fewer pieces say nothing either way.
FEWEST_PIECES = 5
#: Among many texts some names and codes are to be expected.
FOREIGN_SHARE = 0.2
#: Texts looked at: enough for a share, and cheap.
SAMPLED = 1000


@dataclass(frozen=True)
class Parents:
    """Distinct texts that may be parents."""

    rows: npt.NDArray[np.int64]  # where they stand in the texts given
    texts: list[str]  # cut to what the encoder reads
    codes: npt.NDArray[np.int64]  # class numbers
    classes: npt.NDArray[Any]
    embeddings: Embeddings

    def __len__(self) -> int:
        return len(self.rows)


def gather_parents(inverter: InverterLike, texts: Sequence[str], labels: Iterable[Any]) -> Parents:
    """Return the distinct texts with their embeddings; warn of what is left out.

    The first of equal texts stands for all; empty ones, and those under two labels, are left out.
    """
    listed, rows, codes, classes = distinct_texts(texts, labels, stacklevel=4)
    usable = check_sentences(inverter, [listed[at] for at in rows], stacklevel=4)
    embeddings = np.asarray(inverter.encode(usable))
    if not np.isfinite(embeddings).all():
        raise ValueError(
            "The embeddings of texts hold NaN or infinity. The encoder is broken; load another."
        )
    return Parents(rows, usable, codes[rows], classes, embeddings)


def distinct_texts(
    texts: Sequence[str], labels: Iterable[Any], *, stacklevel: int = 3
) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Return texts, rows of those that may be parents, codes of all labels, and the classes.

    The first of equal texts stands for all; empty ones, and those under two labels, are left out
    with a warning.
    """
    listed, given = check_texts(texts), as_labels(labels)
    check_one_label_each(listed, given)
    classes, codes = np.unique(given, return_inverse=True)
    first: dict[str, int] = {}
    split: set[str] = set()
    for at, text in enumerate(listed):
        key = text_key(text)
        if codes[first.setdefault(key, at)] != codes[at]:
            split.add(key)
    empty = "" in first
    split.discard("")
    if split:
        _warn(
            f"{len(split)} text(s) occur under more than one label, such as "
            f"{_shown(min(split))}. They are left out.",
            stacklevel + 1,
        )
    if empty:
        _warn(
            "There are empty texts, which have nothing to mix. They are left out.", stacklevel + 1
        )
    kept = [at for key, at in first.items() if key and key not in split]
    if len(kept) < 2:
        raise ValueError(
            "texts must hold at least two different ones that are not empty and have one label, "
            f"got {len(kept)}. Give more labeled texts."
        )
    used = {text_key(listed[at]) for at in kept}
    repeated = sum(text_key(text) in used for text in listed) - len(kept)
    if repeated:
        _warn(
            f"texts holds repeats, case and white space apart: {repeated} of {len(listed)}; "
            f"{len(kept)} distinct texts are used.",
            stacklevel + 1,
        )
    return listed, np.array(kept, np.int64), codes, classes


def check_sentences(
    inverter: InverterLike, texts: Sequence[str], *, stacklevel: int = 3
) -> list[str]:
    """Return texts cut to what the encoder reads; warn of what an inverter will do badly.

    An encoder with ``pieces`` and ``ranks`` tells what it knows; others are not asked.
    """
    limit = int(getattr(inverter.encoder, "max_tokens", DEFAULT_WORDS) or DEFAULT_WORDS)
    spelling = _spelling(inverter.encoder)
    words = [text.split(maxsplit=limit) for text in texts]
    long = [at for at, one in enumerate(words) if len(one) > limit]
    cut = list(texts)
    for at in long:
        cut[at] = " ".join(words[at][:limit])
    # where words are few, their pieces may be too many: the encoder cuts such texts
    n_cut = len(long) + sum(
        len(one) <= limit
        and max(2 * len(one), len(text) / 2) > limit
        and _has_more(spelling, text, limit)
        for text, one in zip(texts, words, strict=True)
    )
    if n_cut:
        _warn(
            f"{n_cut} text(s) have more than the {limit} words or pieces of words that the encoder "
            "reads at most; the rest of them is cut off. Split long texts into sentences.",
            stacklevel + 1,
        )
    single = sum(
        len(one) == 1 and not _is_foreign(spelling, text)
        for text, one in zip(texts, words, strict=True)
    )
    if single:
        _warn(
            f"{single} text(s) are a single word. Inverters learn from sentences, so what is "
            "written for them will say more than they do.",
            stacklevel + 1,
        )
    foreign, examined, example = _foreign(spelling, cut)
    if foreign > (FOREIGN_SHARE * examined if examined > 10 else 0):
        _warn(
            f"{foreign} of {examined} text(s) looked at, such as {_shown(example)}, are scraps "
            "of words or rare ones to this encoder, as texts are in a language it does not know "
            "(nano knows English). What is written for them will not mean the same.",
            stacklevel + 1,
        )
    return cut


def check_one_label_each(texts: Sequence[str], labels: npt.NDArray[Any]) -> None:
    """Refuse more or fewer labels than texts."""
    if len(texts) != len(labels):
        raise ValueError(
            f"labels must be one for each text: got {len(labels)} labels for {len(texts)} texts."
        )


def as_labels(labels: Iterable[Any]) -> npt.NDArray[Any]:
    """Return class labels as an array: integers keep their type, the rest are str."""
    listed = listed_labels(labels)
    array = np.asarray(labels) if isinstance(labels, np.ndarray) else None
    if array is None and hasattr(labels, "to_numpy"):
        array = np.asarray(labels.to_numpy())
    if array is not None and array.dtype.kind in "iub":
        return array
    return np.array(listed) if listed else np.array([], dtype=str)


def text_key(text: str) -> str:
    """Return what equal texts have in common: case and white space do not count."""
    return " ".join(text.casefold().split())


def _spelling(encoder: Any) -> Any:
    """Return an encoder that tells how it spells texts, by ``pieces`` and ``ranks``; else None."""
    if not hasattr(encoder, "pieces") or not hasattr(encoder, "ranks"):
        return None
    try:
        encoder.pieces("")
    except TypeError:
        return None
    return encoder


def _has_more(spelling: Any, text: str, limit: int) -> bool:
    """Tell whether a text has more tokens than an encoder reads; False where it does not tell."""
    if spelling is None:
        return False
    return len(spelling.pieces(text[: LETTERS * limit])) + MARKS > limit


def _is_foreign(spelling: Any, text: str) -> bool:
    """Tell whether a text is foreign to an encoder; False where it does not tell."""
    if spelling is None:
        return False
    pieces = spelling.pieces(text[:1000])
    spoken = [at for at, one in enumerate(pieces) if not one or any(map(str.isalpha, one))]
    if len(spoken) < FEWEST_PIECES and "" not in pieces:
        return False
    if sum(_is_scrap(pieces[at]) for at in spoken) > SCRAPS * len(spoken):
        return True
    ranks = spelling.ranks(text[:1000])
    return len(spoken) >= FEWEST_PIECES and median(ranks[at] for at in spoken) > RARE


def _is_scrap(piece: str) -> bool:
    return not piece or piece.startswith("##") or (len(piece) == 1 and piece not in "aiAI")


def _foreign(spelling: Any, texts: Sequence[str]) -> tuple[int, int, str]:
    """Return how many texts are foreign to an encoder, of how many looked at, and an example."""
    if spelling is None:
        return 0, 0, ""
    sampled = texts[:: max(1, -(-len(texts) // SAMPLED))]
    found = [text for text in sampled if _is_foreign(spelling, text)]
    return len(found), len(sampled), found[0] if found else ""


def _warn(message: str, stacklevel: int) -> None:
    warnings.warn(message, UserWarning, stacklevel=stacklevel)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
