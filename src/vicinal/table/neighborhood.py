"""Near parents, drawn, weighted and mixed in one pass over the rows.

For every synthetic row: parents out of the neighborhood of its first one, weights, a giver for
each bundle of categories, and the mixed scores. A row that comes out too near to one of its
parents is drawn again, a few times, and the farthest of the attempts is kept. "Too near" is
relative: nearer than a share of the distance from the first parent to *its* nearest other row.
Where real rows lie close together synthetic ones may; where a real row stands alone nothing
stays beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled
from vicinal._random import CHUNK_ROWS, Seeds
from vicinal.pairing.balance import FairNeighbors
from vicinal.pairing.base import Rounds
from vicinal.weights import SphereWeights, WeightLaw

__all__ = ["Draft", "Guard", "NearRows"]

#: How often a row that comes out too near is drawn again.
ATTEMPTS = 3
#: Neighbors among which the nearest is sought.
NEAREST = 8
#: Squared distance of two rows in a category that differs: that of two indicators.
MISMATCH = 2.0
#: Sphere weights are drawn this many at a time and used in random order, again and again. The
#: sums that matter (1, and 1 for squares) hold in every draw.
WEIGHTS = 1 << 13

# keys of seeds
_DRAW, _WEIGHTS = 15, 16


@dataclass
class Draft:
    """A chunk of synthetic rows before scores become values.

    Attributes
    ----------
    scores : ndarray of shape (n_samples, n_mixed)
        Mixed.
    main : ndarray of int, shape (n_samples,)
        The heaviest parent, which decides what is missing.
    givers : ndarray of int, shape (n_bundles, n_samples)
        The parent that each bundle of categories comes from.
    parents, weights : ndarray of shape (n_samples, n_parents) or None
        The plan, where it is kept.
    """

    scores: npt.NDArray[Any]
    main: npt.NDArray[np.integer[Any]]
    givers: npt.NDArray[np.integer[Any]]
    parents: npt.NDArray[np.integer[Any]] | None
    weights: npt.NDArray[np.float64] | None


class Guard:
    """How near a synthetic row may come to its parents.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_mixed)
        Numbers.
    codes : ndarray of int32, shape (n_rows, n_categories)
        Levels.
    near : ndarray of int32, shape (n_rows, k)
        Neighbors.
    share : float
        Least distance to a parent as a share of the distance of real rows; 0 for any.
    """

    def __init__(
        self,
        scores: npt.NDArray[Any],
        codes: npt.NDArray[np.int32],
        near: npt.NDArray[np.int32],
        share: float,
    ) -> None:
        spread = scores.std(axis=0, dtype=np.float64)
        self.scale = np.where(spread > 0, 1.0 / np.where(spread > 0, spread, 1.0), 0.0).astype(
            scores.dtype
        )
        self.scores = scores
        # one byte for each level, eight of which are compared at once. Levels 256 apart pass for
        # the same, and a row for nearer than it is: it is drawn again once too often.
        columns = -(-codes.shape[1] // 8) * 8
        self.levels = np.zeros((len(codes), columns), np.uint8)
        self.levels[:, : codes.shape[1]] = codes & 255
        self.attempts = ATTEMPTS if share > 0 else 0
        if self.attempts:
            self.least = _spacing(scores, self.scale, codes, near[:, :NEAREST], MISMATCH)
            self.least *= np.float32(share * share)
        else:
            self.least = np.zeros(len(scores), np.float32)


class NearRows:
    """Draws rows out of neighborhoods.

    Parameters
    ----------
    near : FairNeighbors
        Who may be whose partner, and how likely.
    residual : ndarray of shape (n_rows, n_mixed)
        What is mixed.
    codes : ndarray of int32, shape (n_bundles, n_rows)
        Combination of levels of each bundle.
    tables : list of ndarray of shape (n_combinations, n_mixed)
        What each combination adds to the mixed scores; empty for nothing.
    gaps : ndarray of int32, shape (n_bundles, n_rows)
        Which columns of a bundle are missing, as a number. A giver with other gaps than the
        heaviest parent gives nothing; that parent does.
    guard : Guard
        How near rows may come.
    column_bundle : sequence of int
        Bundle of each column of ``guard.codes``.
    columnwise : bool
        Whether bundles come from any parent or all from the heaviest.
    """

    def __init__(
        self,
        near: FairNeighbors,
        residual: npt.NDArray[Any],
        codes: npt.NDArray[np.int32],
        tables: list[npt.NDArray[Any]],
        gaps: npt.NDArray[np.int32],
        guard: Guard,
        column_bundle: npt.NDArray[np.int32],
        columnwise: bool,
    ) -> None:
        self._near, self._residual, self._guard = near, residual, guard
        self._chance, self._other = near.alias()
        starts = np.cumsum([0, *(len(table) for table in tables)])
        self._starts = starts[:-1].astype(np.int64)
        blank = np.zeros((0, residual.shape[1]), residual.dtype)
        self._table = np.concatenate([blank, *tables])
        # what belongs to one row lies together
        self._codes, self._gaps = np.ascontiguousarray(codes.T), np.ascontiguousarray(gaps.T)
        self._holed = bool(gaps.any())
        self._column_bundle, self._columnwise = column_bundle, columnwise

    def source(self, law: WeightLaw, n_samples: int, seeds: Seeds) -> NearDrawer:
        """Return what draws the chunks of one sample."""
        return NearDrawer(self, law, n_samples, seeds)

    def draw(
        self,
        first: npt.NDArray[np.integer[Any]],
        weights: npt.NDArray[np.float64],
        shuffled: bool,
        rng: np.random.Generator,
        keep: bool,
    ) -> Draft:
        """Draw rows.

        Parameters
        ----------
        first : ndarray of int, shape (n_samples,)
            First parents.
        weights : ndarray of shape (n_weights, n_parents)
            One for each row, or, shuffled, to be picked from.
        shuffled : bool
            Whether to pick.
        rng : numpy.random.Generator
            Seeds the draws.
        keep : bool
            Whether to keep the plan.

        Returns
        -------
        Draft
            The rows.
        """
        n, p = len(first), weights.shape[1]
        scores = np.empty((n, self._residual.shape[1]), self._residual.dtype)
        main = np.empty(n, np.int32)
        givers = np.empty((self._codes.shape[1], n), np.int32)
        parents = np.empty((n if keep else 0, p), np.int32)
        shares = np.empty((n if keep else 0, p))
        _draw(
            rng.integers(0, 2**64, 4, np.uint64),
            first,
            self._near.near,
            self._chance,
            self._other,
            weights,
            shuffled,
            self._residual,
            self._codes,
            self._starts,
            self._table,
            self._gaps,
            self._holed,
            self._columnwise,
            self._guard.scores,
            self._guard.scale,
            self._guard.levels,
            self._guard.levels.view(np.uint64),
            self._column_bundle,
            self._guard.least,
            self._guard.attempts,
            MISMATCH,
            scores,
            main,
            givers,
            parents,
            shares,
        )
        return Draft(scores, main, givers, parents if keep else None, shares if keep else None)


class NearDrawer:
    """Draws the chunks of one sample, in any order.

    Parameters
    ----------
    rows : NearRows
        Where from.
    law : WeightLaw
        Of the weights.
    n_samples : int
        Rows in all.
    seeds : Seeds
        Where random numbers come from.
    """

    def __init__(self, rows: NearRows, law: WeightLaw, n_samples: int, seeds: Seeds) -> None:
        self._rows, self._law, self._seeds = rows, law, seeds
        self._rounds = Rounds(len(rows._residual), n_samples, seeds)
        self._bank = None
        if isinstance(law, SphereWeights):
            self._bank = law.sample(WEIGHTS, seeds.generator(_WEIGHTS))

    def __call__(self, start: int, stop: int, keep: bool = False) -> Draft:
        """Return the rows of one chunk, with the plan if it is to be kept."""
        chunk = start // CHUNK_ROWS
        weights = self._bank
        if weights is None:
            weights = self._law.sample(stop - start, self._seeds.generator(_WEIGHTS, chunk))
            if weights.ndim == 1:
                weights = np.column_stack([weights, 1.0 - weights])
        rng = self._seeds.generator(_DRAW, chunk)
        first = self._rounds.left(start, stop)
        return self._rows.draw(first, weights, self._bank is not None, rng, keep)


@compiled()
def _spacing(scores: Any, scale: Any, codes: Any, near: Any, mismatch: float) -> Any:
    """Return the squared distance of each row to the nearest of a few others."""
    least = np.full(len(scores), np.inf, np.float32)
    for i in range(len(scores)):
        for place in range(near.shape[1]):
            j = near[i, place]
            if j == i:
                continue
            total = 0.0
            for c in range(codes.shape[1]):
                if codes[i, c] != codes[j, c]:
                    total += mismatch
            for c in range(scores.shape[1]):
                gap = (scores[i, c] - scores[j, c]) * scale[c]
                total += gap * gap
            least[i] = min(least[i], total)
        if np.isinf(least[i]):
            least[i] = 0.0
    return least


@compiled()
def _next(state: Any) -> Any:
    """Return 64 random bits: xoshiro256++ by Blackman and Vigna (2019)."""
    total = state[0] + state[3]
    result = ((total << np.uint64(23)) | (total >> np.uint64(41))) + state[0]
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << np.uint64(45)) | (state[3] >> np.uint64(19))
    return result


@compiled()
def _differing_bytes(x: Any) -> Any:
    """Return how many of eight bytes are not 0."""
    x |= x >> np.uint64(4)
    x |= x >> np.uint64(2)
    x |= x >> np.uint64(1)
    ones = np.uint64(0x0101010101010101)
    return ((x & ones) * ones) >> np.uint64(56)


@compiled()
def _draw(
    state: Any,
    first: Any,
    near: Any,
    chance: Any,
    other: Any,
    weights: Any,
    shuffled: bool,
    residual: Any,
    codes: Any,
    starts: Any,
    table: Any,
    gaps: Any,
    holed: bool,
    columnwise: bool,
    real: Any,
    scale: Any,
    levels: Any,
    words: Any,
    column_bundle: Any,
    least: Any,
    attempts: int,
    mismatch: float,
    out: Any,
    main: Any,
    givers: Any,
    parents: Any,
    shares: Any,
) -> None:
    n, width = out.shape
    k = near.shape[1]
    p = weights.shape[1]
    n_bundles = codes.shape[1]
    n_columns = len(column_bundle)
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    few, short = np.uint64(0xFFFF), np.uint64(16)
    bits = np.uint64(0)
    unit = np.float32(2.0**-32)
    chosen = np.empty(p, np.int32)
    share = np.empty(p, residual.dtype)
    giver = np.empty(n_bundles, np.int32)
    mixed = np.empty(width, residual.dtype)
    level = np.zeros(levels.shape[1], np.uint8)
    word = level.view(np.uint64)
    for i in range(n):
        row = first[i]
        farthest = -1.0
        for _ in range(attempts + 1):
            chosen[0] = row
            for q in range(1, p):
                bits = _next(state)
                place = np.int64(((bits >> high) * np.uint64(k + 1)) >> high)
                if np.float32(bits & low) * unit >= chance[row, place]:
                    place = np.int64(other[row, place])
                chosen[q] = near[row, place] if place < k else row
            at: Any = i
            if shuffled:
                at = np.int64(((_next(state) >> high) * np.uint64(len(weights))) >> high)
            heavy = 0
            for q in range(p):
                share[q] = weights[at, q]
                if weights[at, q] > weights[at, heavy]:
                    heavy = q
            mixed[:] = 0.0
            for q in range(p):
                j = chosen[q]
                for c in range(width):
                    mixed[c] += share[q] * residual[j, c]
            for b in range(n_bundles):
                giver[b] = chosen[heavy]
                if columnwise:
                    if b % 4 == 0:  # 16 bits for each pick
                        bits = _next(state)
                    pick = chosen[np.int64(((bits & few) * np.uint64(p)) >> short)]
                    bits >>= short
                    if not holed or gaps[pick, b] == gaps[chosen[heavy], b]:
                        giver[b] = pick
                if len(starts):
                    line = starts[b] + codes[giver[b], b]
                    for c in range(width):
                        mixed[c] += table[line, c]
            nearest = np.inf
            if attempts > 0:
                # categories are looked at only where they decide: a distance above both the least
                # allowed and the nearest so far changes nothing
                floor = least[row]
                for c in range(n_columns):
                    level[c] = levels[giver[column_bundle[c]], c]
                for q in range(p):
                    j = chosen[q]
                    total = 0.0
                    for c in range(width):
                        gap = (mixed[c] - real[j, c]) * scale[c]
                        total += gap * gap
                    if total < min(nearest, floor):
                        differ = np.uint64(0)
                        for at_word in range(len(word)):
                            differ += _differing_bytes(words[j, at_word] ^ word[at_word])
                        total += mismatch * np.int64(differ)
                    nearest = min(nearest, total)
            if nearest > farthest:
                farthest = nearest
                out[i] = mixed
                main[i] = chosen[heavy]
                for b in range(n_bundles):
                    givers[b, i] = giver[b]
                if len(parents):
                    for q in range(p):
                        parents[i, q] = chosen[q]
                        shares[i, q] = weights[at, q]
            if attempts == 0 or nearest >= least[row]:
                break
