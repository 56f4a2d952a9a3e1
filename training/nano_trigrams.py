"""How usual a row of ids is, by counts of one, two and three ids in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.integer]


class Trigrams:
    """A language model of interpolated relative frequencies.

    It is quick and knows no more than neighbors: enough to tell words from what is none, and no
    relative of the network that judges perplexity.

    Parameters
    ----------
    tokens : ndarray of int
        The ids of all lines, one after the other.
    vocab : int
        How many ids there are.
    alike : mapping of int to int, optional
        Ids that stand for another one.
    """

    #: Weights of three, two and one in a row.
    SHARES = (0.6, 0.3, 0.1)

    def __init__(self, tokens: Ids, vocab: int, alike: Mapping[int, int] | None = None) -> None:
        self._vocab, self._alike = vocab, dict(alike or {})
        ids = self._plain(tokens)
        pairs = ids[:-1] * vocab + ids[1:]
        self._ones = np.bincount(ids, minlength=vocab)
        self._pairs = np.unique(pairs, return_counts=True)
        self._triples = np.unique(pairs[:-1] * vocab + ids[2:], return_counts=True)

    def __call__(self, row: Sequence[int]) -> float:
        """Return the mean log-probability of the ids after the first."""
        ids = self._plain(np.asarray(row))
        if len(ids) < 2:
            return float("-inf")
        three, two, one = self.SHARES
        pairs = ids[:-1] * self._vocab + ids[1:]
        seen = _count(self._pairs, pairs)
        alone = self._ones[ids[1:]] + 0.5
        chance = one * alone / (self._ones.sum() + 0.5 * self._vocab)
        after_one = seen / np.maximum(self._ones[ids[:-1]], 1)
        chance[0] += (two + three) * after_one[0]
        triples = _count(self._triples, pairs[:-1] * self._vocab + ids[2:])
        chance[1:] += two * after_one[1:] + three * triples / np.maximum(seen[:-1], 1)
        return float(np.log(chance).mean())

    def _plain(self, ids: Ids) -> npt.NDArray[np.int64]:
        found = ids.astype(np.int64)
        for one, other in self._alike.items():
            found[found == one] = other
        return found


def _count(known: tuple[Ids, Ids], keys: Ids) -> Ids:
    """Return how often each key was counted."""
    names, counts = known
    at = np.searchsorted(names, keys).clip(max=len(names) - 1)
    return np.where(names[at] == keys, counts[at], 0)
