"""Rows mixed as a plan says: drawn, mixed, and drawn again where too near to a parent.

What is drawn is a plan, and the kernel mixes numbers by it. In neighborhoods a row nearer to a
parent than a share of the distance to *its* nearest other row is drawn again, a few times; the
farthest of the attempts is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled
from vicinal._random import CHUNK_ROWS, Seeds, TableKey
from vicinal._types import Array, Floats, Indices
from vicinal.kernels import mix_rows
from vicinal.pairing.balance import FairNeighbors
from vicinal.pairing.base import Rounds
from vicinal.weights import SphereWeights, WeightLaw

#: How often a row that comes out too near is drawn again.
ATTEMPTS = 3
#: Neighbors among which the nearest is sought.
NEAREST = 8
#: Squared distance of two rows in a category that differs: that of two indicators.
MISMATCH = 2.0
#: So many parents of a row with one combination above share what hangs on it; those of rarer
#: combinations exchange it, so that no pair of levels is told by one parent alone.
FITTING = 3
#: Combinations above that fewer rows hold count as one where givers are exchanged.
EXCHANGED = 50
#: Sphere weights are drawn this many at a time and used in random order, again and again. The
#: sums that matter (1, and 1 for squares) hold in every draw.
WEIGHTS = 1 << 13


@dataclass
class Mixture:
    """Synthetic rows before scores become values, and the plan that they were mixed by."""

    scores: Array  # (n_samples, n_mixed)
    # (n_samples,), the heaviest parent, which decides what is missing
    main: Indices
    # (n_bundles, n_samples), the parent that each bundle of categories comes from
    givers: Indices
    parents: Indices  # (n_samples, n_parents)
    weights: Floats  # (n_samples, n_parents)

    def replace(self, rows: npt.NDArray[np.intp], other: Mixture, which: Array) -> None:
        """Put the rows ``which`` of another mixture in place of ``rows``."""
        self.scores[rows], self.main[rows] = other.scores[which], other.main[which]
        self.givers[:, rows] = other.givers[:, which]
        self.parents[rows], self.weights[rows] = other.parents[which], other.weights[which]


#: Draws the rows from start to stop.
Drawer = Callable[[int, int], Mixture]


@dataclass(frozen=True)
class RowsToMix:
    """What is mixed and what is taken from a parent."""

    residual: Array  # (n_rows, n_mixed), numbers without the effects
    # (n_bundles, n_rows), combination of levels of each bundle of categories
    codes: npt.NDArray[np.int32]
    # of each bundle (n_combinations, n_mixed), what to add to the numbers; empty for nothing
    effects: list[Array]
    # (n_bundles, n_rows), which columns of a bundle are missing, as a number. A giver with other
    # gaps than the heaviest parent gives nothing; that parent does.
    gaps: npt.NDArray[np.int32]
    columnwise: bool  # whether bundles come from any parent or all from the heaviest
    # (n_bundles,), the earlier bundle that each hangs on, -1 for none: its giver is one of the
    # parents that have the combination drawn there, which keeps how the two go together
    above: npt.NDArray[np.int32]
    grouped: frozenset[int] = frozenset()  # bundles that all parents of a row share

    def mix(self, parents: Array, weights: Array, main: Array, givers: Array) -> Mixture:
        """Carry a plan out."""
        scores = mix_rows(self.residual, parents, weights)
        for effect, codes, giver in zip(self.effects, self.codes, givers, strict=False):
            _add_effect(scores, effect, codes, giver)
        return Mixture(scores, main, givers, parents, weights)


def mix_plan(rows: RowsToMix, parents: Array, weights: Array, rng: np.random.Generator) -> Mixture:
    """Mix rows as a plan says; ``rng`` picks the parents that give categories."""
    n_samples = len(parents)
    at = np.arange(n_samples)
    main = parents[at, weights.argmax(axis=1)]
    givers = np.empty((len(rows.codes), n_samples), main.dtype)
    for bundle, gaps in enumerate(rows.gaps):
        givers[bundle] = main
        if rows.columnwise and bundle not in rows.grouped:
            fits = np.ones(parents.shape, bool)
            if (above := rows.above[bundle]) >= 0:
                codes = rows.codes[above]
                level = codes[parents]
                counts = (level[:, :, None] == level[:, None, :]).sum(axis=2)
                same = level == codes[givers[above]][:, None]
                many = (same & (counts >= FITTING)).any(axis=1)
                fits = np.where(many[:, None], same, counts < FITTING)
                fits[~fits.any(axis=1)] = True
            count = np.cumsum(fits, axis=1)
            place = (count > rng.integers(0, count[:, -1])[:, None]).argmax(axis=1)
            giver = parents[at, place]
            givers[bundle] = np.where(gaps[giver] == gaps[main], giver, main)
    return rows.mix(parents, weights, main, givers)


class SpacingCheck:
    """How near a synthetic row may come to its parents."""

    def __init__(
        self,
        scores: Array,
        codes: npt.NDArray[np.int32],
        column_bundle: npt.NDArray[np.int32],
        near: npt.NDArray[np.int32],
        share: float,
    ) -> None:
        spread = scores.std(axis=0, dtype=np.float64)
        self._scale = np.where(spread > 0, 1.0 / np.where(spread > 0, spread, 1.0), 0.0).astype(
            scores.dtype
        )
        self._scores, self._column_bundle = scores, column_bundle
        # one byte for each level, eight of which are compared at once. Levels 256 apart pass for
        # the same, and a row for nearer than it is: it is drawn again once too often.
        columns = -(-codes.shape[1] // 8) * 8
        self._levels = np.zeros((len(codes), columns), np.uint8)
        self._levels[:, : codes.shape[1]] = codes & 255
        self.attempts = ATTEMPTS if share > 0 else 0
        self.least = np.zeros(len(scores), np.float32)
        if self.attempts:
            self.least = _spacing(scores, self._scale, codes, near[:, :NEAREST], MISMATCH)
            self.least *= np.float32(share * share)

    def distances(self, mixture: Mixture) -> Floats:
        """Return squared distances to the nearest parent, or larger ones than the least allowed."""
        found: Floats = _nearest_parents(
            mixture.scores,
            mixture.parents,
            mixture.givers,
            self._scores,
            self._scale,
            self._levels,
            self._column_bundle,
            self.least,
            MISMATCH,
        )
        return found


class NeighborhoodMixer:
    """Draws plans in neighborhoods and mixes, again where a row comes out too near."""

    def __init__(
        self,
        near: FairNeighbors,
        rows: RowsToMix,
        spacing: SpacingCheck,
        groups: Indices | None = None,
        support: float = 0.0,
    ) -> None:
        self._rows, self.spacing = rows, spacing
        self._swaps = support > 0 and rows.columnwise
        if self._swaps:
            self._alone = _held_alone(near.near, rows.codes, support * near.near.shape[1])
            self._alone[list(rows.grouped)] = False
            # only within a group, and between rows with the same gaps
            self._above = np.zeros_like(rows.codes)
            for bundle in np.flatnonzero(rows.above >= 0):
                codes = rows.codes[rows.above[bundle]]
                few = np.bincount(codes)[codes] < EXCHANGED
                self._above[bundle] = np.where(few, 0, codes + 1)
            self._kinds = rows.gaps.astype(np.int64)
            if groups is not None:
                self._kinds += groups.astype(np.int64) * (int(rows.gaps.max(initial=0)) + 1)
        self._neighbors = _Neighbors(near.near, *near.alias())
        self._givers = _Givers(
            np.ascontiguousarray(rows.gaps.T),
            bool(rows.gaps.any()),
            rows.columnwise,
            np.ascontiguousarray(rows.codes.T),
            rows.above,
        )

    def drawer(
        self,
        law: WeightLaw,
        n_samples: int,
        seeds: Seeds,
        log_ratios: Callable[[Mixture], Floats] | None = None,
        candidates: int = 1,
    ) -> Drawer:
        """Return what draws the chunks of one sample, in any order.

        Of each row's ``candidates`` one is kept, in proportion to its density ratio.
        """
        rounds = Rounds(len(self._rows.residual), n_samples, law.parents, seeds)
        bank = None
        if isinstance(law, SphereWeights):
            bank = law.sample(WEIGHTS, seeds.generator(TableKey.WEIGHTS))

        def draw(start: int, stop: int) -> Mixture:
            chunk = start // CHUNK_ROWS
            weigh = seeds.generator(TableKey.WEIGHTS, chunk)
            state = seeds.generator(TableKey.DRAW, chunk).integers(0, 2**64, 4, np.uint64)
            first = rounds.left(start, stop)

            def candidate() -> Mixture:
                weights = bank
                if weights is None:
                    weights = law.sample(stop - start, weigh)
                    if weights.ndim == 1:
                        weights = np.column_stack([weights, 1.0 - weights])
                return self._draw_apart(state, first, weights, shuffled=bank is not None)

            kept = candidate()
            if log_ratios is not None:
                # the largest of logarithms plus Gumbel noise: each in proportion to its ratio
                noise = seeds.generator(TableKey.CHOICE, chunk)
                best = log_ratios(kept) + noise.gumbel(size=len(first))
                for _ in range(candidates - 1):
                    other = candidate()
                    found = log_ratios(other) + noise.gumbel(size=len(first))
                    better = found > best
                    kept.replace(np.flatnonzero(better), other, better)
                    best[better] = found[better]
            return kept

        return draw

    def _draw_apart(self, state: Array, first: Array, weights: Array, shuffled: bool) -> Mixture:
        """Draw and mix rows, and those again that are too near to a parent."""
        mixture = self._draw(state, first, weights, shuffled)
        if not self.spacing.attempts:
            return mixture
        least = self.spacing.least[first]
        distances = self.spacing.distances(mixture)
        near = np.flatnonzero(distances < least)
        for _ in range(self.spacing.attempts):
            if not len(near):
                break
            given = weights if shuffled else weights[near]
            again = self._draw(state, first[near], given, shuffled)
            found = self.spacing.distances(again)
            farther = found > distances[near]
            mixture.replace(near[farther], again, farther)
            distances[near[farther]] = found[farther]
            near = near[found < least[near]]
        return mixture

    def _draw(self, state: Array, first: Array, weights: Array, shuffled: bool) -> Mixture:
        """Draw a plan and mix; ``weights`` are one of each row, or, shuffled, to be picked from."""
        n, p = len(first), weights.shape[1]
        parents, shares = np.empty((n, p), np.int32), np.empty((n, p))
        main, givers = np.empty(n, np.int32), np.empty((len(self._rows.codes), n), np.int32)
        _draw_plan(
            state,
            first,
            weights,
            shuffled,
            self._neighbors,
            self._givers,
            parents,
            shares,
            main,
            givers,
        )
        if self._swaps:
            _swap(state, self._alone, self._kinds, self._above, self._rows.above, givers)
        return self._rows.mix(parents, shares, main, givers)


class MomentMatch:
    """Moves and turns a sample so that its mean and covariance are those of given rows."""

    def __init__(self, real: Array) -> None:
        self._mean = real.mean(axis=0)
        self._root, _ = _roots(real)

    def __call__(self, sample: Array) -> Array:
        """Return the sample moved and turned, shape (n_samples, n_columns)."""
        if len(sample) <= sample.shape[1]:
            raise ValueError(
                f"exact_moments needs more rows than mixed columns: ask for more than "
                f"{sample.shape[1]} rows, got {len(sample)}."
            )
        _, inverse = _roots(sample)
        moved: Array = (sample - sample.mean(axis=0)) @ (inverse @ self._root)
        moved += self._mean - moved.mean(axis=0)
        return moved


def _roots(rows: Array) -> tuple[Array, Array]:
    """Return a square root of the covariance, and its pseudo-inverse."""
    if not rows.shape[1]:
        return np.empty((0, 0)), np.empty((0, 0))
    scale = rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows / scale, rowvar=False)))
    kept = values > values.max() * 1e-12
    root = np.sqrt(np.where(kept, values, 0))
    inverse = np.where(kept, 1 / np.where(kept, root, 1), 0)
    forth = (vectors * root) @ vectors.T * scale
    back = (vectors * inverse) @ vectors.T / scale[:, None]
    return forth, back


# compiled


class _Neighbors(NamedTuple):
    near: Any  # int32 (n_rows, k)
    chance: Any  # float32 (n_rows, k + 1), of alias tables
    other: Any  # int16 (n_rows, k + 1)


class _Givers(NamedTuple):
    gaps: Any  # int32 (n_rows, n_bundles): what belongs to one row lies together
    holed: bool  # whether any of the gaps is one
    columnwise: bool
    codes: Any  # int32 (n_rows, n_bundles)
    above: Any  # int32 (n_bundles,)


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
def _draw_parents(state: Any, neighbors: Any, row: int, chosen: Any) -> None:
    k = neighbors.near.shape[1]
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    chosen[0] = row
    for q in range(1, len(chosen)):
        bits = _next(state)
        place = np.int64(((bits >> high) * np.uint64(k + 1)) >> high)
        if np.float32(bits & low) * np.float32(2.0**-32) >= neighbors.chance[row, place]:
            place = np.int64(neighbors.other[row, place])
        chosen[q] = neighbors.near[row, place] if place < k else row


@compiled()
def _draw_plan(
    state: Any,
    first: Any,
    weights: Any,
    shuffled: bool,
    neighbors: Any,
    giving: Any,
    parents: Any,
    shares: Any,
    main: Any,
    givers: Any,
) -> None:
    few, short, high = np.uint64(0xFFFF), np.uint64(16), np.uint64(32)
    p = weights.shape[1]
    level = np.empty(2 * p, np.int32)
    for i in range(len(first)):
        _draw_parents(state, neighbors, first[i], parents[i])
        at: Any = i
        if shuffled:
            at = np.int64(((_next(state) >> high) * np.uint64(len(weights))) >> high)
        heavy = 0
        for q in range(p):
            shares[i, q] = weights[at, q]
            if weights[at, q] > weights[at, heavy]:
                heavy = q
        main[i] = parents[i, heavy]
        bits = np.uint64(0)
        for b in range(len(givers)):
            givers[b, i] = main[i]
            if giving.columnwise:
                if b % 4 == 0:  # 16 bits for each pick
                    bits = _next(state)
                above = giving.above[b]
                if above < 0:
                    place = np.int64(((bits & few) * np.uint64(p)) >> short)
                else:
                    wanted = giving.codes[givers[above, i], above]
                    place = _pick_giver(bits & few, parents, i, wanted, giving.codes, above, level)
                pick = parents[i, place]
                bits >>= short
                if not giving.holed or giving.gaps[pick, b] == giving.gaps[main[i], b]:
                    givers[b, i] = pick


@compiled()
def _pick_giver(
    bits: Any, parents: Any, i: int, wanted: Any, codes: Any, above: int, level: Any
) -> Any:
    """Return which of a row's parents gives, by 16 random bits, of those that fit above."""
    n = parents.shape[1]
    many = 0
    for q in range(n):
        level[q] = codes[parents[i, q], above]
        many += level[q] == wanted
    if many < FITTING:  # those whose combination above few hold fit one another
        wanted, many = 1, 0
        for q in range(n):
            held = 0
            for r in range(n):
                held += level[q] == level[r]
            level[n + q] = held < FITTING
            many += level[n + q]
        for q in range(n):
            level[q] = level[n + q]
    place = np.int64((bits * np.uint64(many if many else n)) >> np.uint64(16))
    if many == 0 or many == n:
        return place
    at = 0
    while True:
        place -= level[at] == wanted
        if place < 0:
            return at
        at += 1


@compiled()
def _held_alone(near: Any, codes: Any, least: float) -> Any:
    """Tell for each bundle and row whether fewer neighbors than ``least`` have its combination."""
    alone = np.zeros(codes.shape, np.bool_)
    for b in range(len(codes)):
        for i in range(len(near)):
            count = 0
            for place in range(near.shape[1]):
                j = near[i, place]
                count += j != i and codes[b, j] == codes[b, i]
            alone[b, i] = count < least
    return alone


@compiled()
def _swap(state: Any, alone: Any, kinds: Any, levels: Any, above: Any, givers: Any) -> None:
    """Exchange in place givers alone with their combination, where those above are alike."""
    high = np.uint64(32)
    for b in range(len(givers)):
        rows = np.flatnonzero(alone[b][givers[b]])
        kind = kinds[b][givers[b][rows]].copy()
        if above[b] >= 0:
            kind *= np.int64(levels[b].max()) + 1
            kind += levels[b][givers[above[b]][rows]]
        order = np.argsort(kind, kind="mergesort")
        rows, kind = rows[order], kind[order]
        start = 0
        for stop in range(1, len(rows) + 1):
            if stop < len(rows) and kind[stop] == kind[start]:
                continue
            for last in range(stop - 1, start, -1):
                bits = _next(state) >> high
                place = start + np.int64((bits * np.uint64(last - start + 1)) >> high)
                i, j = rows[last], rows[place]
                givers[b, i], givers[b, j] = givers[b, j], givers[b, i]
            start = stop


@compiled()
def _add_effect(scores: Any, effect: Any, codes: Any, giver: Any) -> None:
    for i in range(len(scores)):
        line = codes[giver[i]]
        for c in range(scores.shape[1]):
            scores[i, c] += effect[line, c]


@compiled()
def _nearest_parents(
    mixed: Any,
    parents: Any,
    givers: Any,
    scores: Any,
    scale: Any,
    levels: Any,
    column_bundle: Any,
    least: Any,
    mismatch: float,
) -> Any:
    n, p = parents.shape
    found = np.empty(n)
    level = np.zeros(levels.shape[1], np.uint8)
    word, words = level.view(np.uint64), levels.view(np.uint64)
    for i in range(n):
        # categories are looked at only where they decide: a distance above both the least allowed
        # and the nearest so far changes nothing
        floor = least[parents[i, 0]]
        nearest = np.inf
        for c in range(len(column_bundle)):
            level[c] = levels[givers[column_bundle[c], i], c]
        for q in range(p):
            j = parents[i, q]
            total = 0.0
            for c in range(mixed.shape[1]):
                gap = (mixed[i, c] - scores[j, c]) * scale[c]
                total += gap * gap
            if total < min(nearest, floor):
                differ = np.uint64(0)
                for at in range(len(word)):
                    differ += _differing_bytes(words[j, at] ^ word[at])
                total += mismatch * np.int64(differ)
            nearest = min(nearest, total)
        found[i] = nearest
    return found
