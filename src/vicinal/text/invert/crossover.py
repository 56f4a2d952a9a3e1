"""Candidates that take over spans of words from one another, as long as they come nearer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import partial
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vicinal._types import Floats32
from vicinal.text.invert.candidates import Candidates

#: From embeddings of sentences (m, dim), and the targets (m,) that they are for, to scores (m,).
Score = Callable[[Floats32, npt.NDArray[np.intp]], npt.NDArray[np.floating[Any]]]

#: Rows that climb together: what they try is in memory at once.
ROWS = 512
#: Exchanges tried for a sentence at once, those with the best candidates first.
MOST = 24
#: How many of them, the best by their embeddings, the language model is asked about.
SHORTLIST = 2
#: Candidates that give spans again after the first exchange: those whose spans did best in it.
HELPFUL = 3
#: What an exchange has to gain: less is rounding.
GAIN = 1e-4
#: A word or a mark, with the white space before it.
_TOKEN = re.compile(r"\s*(?:\w+(?:['\u2019\-]\w+)*|[^\w\s])")
_FIRST_PERSON = re.compile(r"I\b")


class Judge(Protocol):
    """What is asked of an inverter: where sentences lie, and how likely they are."""

    def encode(self, texts: Sequence[str]) -> Floats32:
        """Return embeddings (n, dim)."""

    def log_likelihood(self, embeddings: npt.ArrayLike, texts: Sequence[str]) -> Floats32:
        """Return mean log-probabilities a token (n,)."""


def exchange_spans(
    judge: Judge,
    found: Candidates,
    targets: Floats32,
    start: npt.NDArray[np.intp],
    score: Score,
    *,
    likely: float,
    steps: int,
    judged: bool = True,
) -> tuple[list[str], Floats32, Floats32]:
    """Climb from one candidate of each row, exchanging spans of words with the others."""
    parts = []
    for at in range(0, max(1, len(targets)), ROWS):
        span = slice(at, at + ROWS)
        some = Candidates(found.sentences[span], found.embeddings[span], found.log_likelihood[span])
        own = partial(_score_from, at, score)
        parts.append(_climb(judge, some, targets[span], start[span], own, likely, steps, judged))
    lines, there, likelihood = zip(*parts, strict=True)
    return list(chain(*lines)), np.concatenate(there), np.concatenate(likelihood)


def _score_from(first: int, score: Score, embedded: Floats32, of: npt.NDArray[np.intp]) -> Any:
    return score(embedded, first + of)


def _climb(
    judge: Judge,
    found: Candidates,
    targets: Floats32,
    start: npt.NDArray[np.intp],
    score: Score,
    likely: float,
    steps: int,
    judged: bool,
) -> tuple[list[str], Floats32, Floats32]:
    rows = np.arange(len(found.sentences))
    taken = [row[at] for row, at in zip(found.sentences, start, strict=True)]
    best = np.array(taken, dtype=object)
    there, likelihood = found.embeddings[rows, start], found.log_likelihood[rows, start]  # copies
    donors = _by_rank(found, score)
    value = score(there, rows) + likely * _finite(likelihood)
    moved = np.zeros(len(rows), bool)
    live = rows
    for _ in range(steps):
        proposed = [edits(best[row], donors[row]) for row in live]
        lines = [line for some in proposed for line in some]
        if not lines:
            break
        of = np.repeat(live, [len(some) for some in proposed])
        embedded = judge.encode(lines)
        scores = score(embedded, of)
        _narrow(donors, live, proposed, scores)
        short = _first_of_each(of, scores, SHORTLIST if likely else 1)
        of, scores = of[short], scores[short]
        asked = np.full(len(short), np.nan, np.float32)
        if likely:
            asked = judge.log_likelihood(targets[of], [lines[at] for at in short])
            scores = scores + likely * _finite(asked)
        top = _first_of_each(of, scores, 1)
        top = top[scores[top] > value[of[top]] + GAIN]
        live = of[top]
        value[live], there[live], likelihood[live] = scores[top], embedded[short[top]], asked[top]
        moved[live], best[live] = True, np.array(lines, dtype=object)[short[top]]
    if judged and not likely and moved.any():
        likelihood[moved] = judge.log_likelihood(targets[moved], best[moved].tolist())
    return best.tolist(), there, likelihood


def edits(base: str, others: Sequence[str], most: int = MOST) -> dict[str, int]:
    """Return what becomes of a sentence when it takes over one span, and whose: the other's place.

    Where another sentence says something else between words that both have, the one becomes the
    other there. None says more words twice than the sentence does.

    >>> list(edits("A dog sat there.", ["The dog slept there, too."]))
    ['The dog sat there.', 'A dog slept there.', 'A dog sat there, too.']
    """
    lines = [base, *others]
    cut = [_TOKEN.findall(line) for line in lines]
    keys = [[token.strip().lower() for token in tokens] for tokens in cut]
    names = {token.strip() for tokens in cut for token in tokens[1:] if token.strip()[0].isupper()}
    known, allowed = set(lines), _echoes(keys[0])
    found: dict[str, int] = {}
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(keys[0])  # what is kept of it is computed once
    for at, (tokens, key) in enumerate(zip(cut[1:], keys[1:], strict=True)):
        matcher.set_seq1(key)
        for kind, *(first, last, begin, end) in matcher.get_opcodes():
            if kind == "equal":
                continue
            if _echoes([*keys[0][:begin], *key[first:last], *keys[0][end:]]) > allowed:
                continue
            made = _spell([cut[0][:begin], tokens[first:last], cut[0][end:]], names)
            if made and made not in known:
                found.setdefault(made, at)
                if len(found) == most:
                    return found
    return found


def _spell(spans: Sequence[Sequence[str]], names: set[str]) -> str:
    """Join spans of tokens, with the white space and the capitals that their new places ask for."""
    line = ""
    for first, *others in filter(None, spans):
        if line and first == first.strip() and first[0].isalnum():
            first = " " + _lowered(first, names)  # it stood first, and no longer does
        line += "".join((first, *others))
    line = line.strip()
    began = next((span[0] for span in spans if span), "")
    capital = began[:1].isupper() or (not spans[0] and began != began.lstrip())
    return line[:1].upper() + line[1:] if capital else line


def _lowered(word: str, names: set[str]) -> str:
    """Return a word that began a sentence as it is written further on."""
    own = word in names or _FIRST_PERSON.match(word) or (word[1:] and not word[1:].islower())
    return word if own else word.lower()


def _echoes(keys: Sequence[str]) -> int:
    """Count words that are said twice running, and runs of three that come again."""
    runs = list(zip(keys, keys[1:], keys[2:], strict=False))
    return sum(a == b for a, b in pairwise(keys)) + len(runs) - len(set(runs))


def _by_rank(found: Candidates, score: Score) -> list[list[str]]:
    """Return the different candidates of each row, the best first."""
    n, each, width = found.embeddings.shape
    scores = score(found.embeddings.reshape(-1, width), np.repeat(np.arange(n), each))
    order = np.argsort(-np.reshape(scores, (n, each)), axis=1, kind="stable")
    return [
        list(dict.fromkeys(row[at] for at in places if row[at]))
        for row, places in zip(found.sentences, order, strict=True)
    ]


def _narrow(
    donors: list[list[str]],
    live: npt.NDArray[np.intp],
    proposed: list[dict[str, int]],
    scores: npt.NDArray[np.floating[Any]],
) -> None:
    """Leave each row the donors whose spans scored best, which are asked for further ones."""
    parts = np.split(scores, np.cumsum([len(some) for some in proposed])[:-1])
    for row, some, part in zip(live, proposed, parts, strict=True):
        by = list(some.values())
        order = dict.fromkeys(by[at] for at in np.argsort(-part, kind="stable"))
        donors[row] = [donors[row][at] for at in order][:HELPFUL]


def _first_of_each(
    groups: npt.NDArray[np.intp], scores: npt.NDArray[np.floating[Any]], n: int
) -> npt.NDArray[np.intp]:
    """Return the places of the n highest scores of each group, which lie together."""
    order = np.lexsort((-scores, groups))
    _, begins, sizes = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(begins, sizes)
    return order[rank < n]


def _finite(likelihood: Floats32) -> Floats32:
    return np.nan_to_num(likelihood, nan=-1e3, neginf=-1e3)
