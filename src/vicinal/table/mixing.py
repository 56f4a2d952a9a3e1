"""Rows mixed as a plan says, and rows mixed with near ones and drawn again where too near.

A plan says which rows are mixed and by how much. Over all rows it is drawn by a pairing and
carried out by the kernel (:func:`mix_plan`). In neighborhoods (:class:`NeighborhoodMixer`) a row
that comes out too near to one of its parents is drawn again, a few times, and the farthest of the
attempts is kept. "Too near" is relative: nearer than a share of the distance from the first parent
to *its* nearest other row. Where real rows lie close together synthetic ones may; where a real row
stands alone nothing stays beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vicinal._compiled import compiled
from vicinal._random import CHUNK_ROWS, Seeds, TableKey
from vicinal.kernels import mix_rows
from vicinal.pairing.balance import FairNeighbors
from vicinal.pairing.base import Rounds
from vicinal.weights import SphereWeights, WeightLaw

__all__ = [
    "Drawer",
    "Mixture",
    "MomentMatch",
    "NeighborhoodMixer",
    "RowsToMix",
    "SpacingCheck",
    "mix_plan",
]

#: How often a row that comes out too near is drawn again.
ATTEMPTS = 3
#: Neighbors among which the nearest is sought.
NEAREST = 8
#: Squared distance of two rows in a category that differs: that of two indicators.
MISMATCH = 2.0
#: Sphere weights are drawn this many at a time and used in random order, again and again. The
#: sums that matter (1, and 1 for squares) hold in every draw.
WEIGHTS = 1 << 13


Matrix = npt.NDArray[Any]


@dataclass
class Mixture:
    """Synthetic rows before scores become values."""

    scores: Matrix  # (n_samples, n_mixed)
    # (n_samples,), the heaviest parent, which decides what is missing
    main: npt.NDArray[np.integer[Any]]
    # (n_bundles, n_samples), the parent that each bundle of categories comes from
    givers: npt.NDArray[np.integer[Any]]
    parents: npt.NDArray[np.integer[Any]] | None  # (n_samples, n_parents), where the plan is kept
    weights: npt.NDArray[np.float64] | None  # the same


#: Draws the rows from start to stop, with their plan where the third argument says so.
Drawer = Callable[[int, int, bool], Mixture]


@dataclass(frozen=True)
class RowsToMix:
    """What is mixed and what is taken from a parent."""

    residual: Matrix  # (n_rows, n_mixed), numbers without the effects
    # (n_bundles, n_rows), combination of levels of each bundle of categories
    codes: npt.NDArray[np.int32]
    # of each bundle (n_combinations, n_mixed), what to add to the numbers; empty for nothing
    effects: list[Matrix]
    # (n_bundles, n_rows), which columns of a bundle are missing, as a number. A giver with other
    # gaps than the heaviest parent gives nothing; that parent does.
    gaps: npt.NDArray[np.int32]
    columnwise: bool  # whether bundles come from any parent or all from the heaviest
    grouped: frozenset[int] = frozenset()  # bundles that all parents of a row share


def mix_plan(
    rows: RowsToMix, parents: Matrix, weights: Matrix, rng: np.random.Generator
) -> Mixture:
    """Mix rows as a plan says; ``rng`` picks the parents that give categories."""
    n_samples, n_parents = parents.shape
    at = np.arange(n_samples)
    main = parents[at, weights.argmax(axis=1)]
    scores = mix_rows(rows.residual, parents, weights)
    givers = np.empty((len(rows.codes), n_samples), main.dtype)
    for bundle, (codes, gaps) in enumerate(zip(rows.codes, rows.gaps, strict=True)):
        giver = main
        if rows.columnwise and bundle not in rows.grouped:
            giver = parents[at, rng.integers(0, n_parents, n_samples)]
            giver = np.where(gaps[giver] == gaps[main], giver, main)
        givers[bundle] = giver
        if rows.effects:
            scores += rows.effects[bundle].take(codes.take(giver), axis=0)
    return Mixture(scores, main, givers, parents, weights)


class SpacingCheck:
    """How near a synthetic row may come to its parents.

    ``near`` are neighbors of each row, and ``share`` the least distance to a parent as a share of
    the distance of real rows; 0 for any. ``column_bundle`` names the bundle of each column of
    ``codes``, shape (n_rows, n_categories).
    """

    def __init__(
        self,
        scores: Matrix,
        codes: npt.NDArray[np.int32],
        column_bundle: npt.NDArray[np.int32],
        near: npt.NDArray[np.int32],
        share: float,
    ) -> None:
        spread = scores.std(axis=0, dtype=np.float64)
        self.scale = np.where(spread > 0, 1.0 / np.where(spread > 0, spread, 1.0), 0.0).astype(
            scores.dtype
        )
        self.scores, self.column_bundle = scores, column_bundle
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


class NeighborhoodMixer:
    """Draws plans in neighborhoods and mixes, again where a row comes out too near."""

    def __init__(self, near: FairNeighbors, rows: RowsToMix, spacing: SpacingCheck) -> None:
        self.spacing = spacing
        self._n_rows = len(rows.residual)
        self._neighbors = _Neighbors(near.near, *near.alias())
        starts = np.cumsum([0, *(len(table) for table in rows.effects)])
        blank = np.zeros((0, rows.residual.shape[1]), rows.residual.dtype)
        self._rows = _Rows(
            rows.residual,
            np.ascontiguousarray(rows.codes.T),  # what belongs to one row lies together
            starts[:-1].astype(np.int64),
            np.concatenate([blank, *rows.effects]),
            np.ascontiguousarray(rows.gaps.T),
            bool(rows.gaps.any()),
            rows.columnwise,
        )
        self._check = _Check(
            spacing.scores,
            spacing.scale,
            spacing.levels,
            spacing.levels.view(np.uint64),
            spacing.column_bundle,
            spacing.least,
            spacing.attempts,
            MISMATCH,
        )

    def drawer(self, law: WeightLaw, n_samples: int, seeds: Seeds) -> Drawer:
        """Return what draws the chunks of one sample, in any order."""
        rounds = Rounds(self._n_rows, n_samples, seeds)
        bank = None
        if isinstance(law, SphereWeights):
            bank = law.sample(WEIGHTS, seeds.generator(TableKey.WEIGHTS))

        def draw(start: int, stop: int, keep: bool = False) -> Mixture:
            chunk = start // CHUNK_ROWS
            weights = bank
            if weights is None:
                weights = law.sample(stop - start, seeds.generator(TableKey.WEIGHTS, chunk))
                if weights.ndim == 1:
                    weights = np.column_stack([weights, 1.0 - weights])
            rng = seeds.generator(TableKey.DRAW, chunk)
            return self._draw(rounds.left(start, stop), weights, bank is not None, rng, keep)

        return draw

    def _draw(
        self, first: Matrix, weights: Matrix, shuffled: bool, rng: np.random.Generator, keep: bool
    ) -> Mixture:
        """Draw rows; ``weights`` are one for each, or, shuffled, to be picked from."""
        n, p = len(first), weights.shape[1]
        out = _Out(
            np.empty((n, self._rows.residual.shape[1]), self._rows.residual.dtype),
            np.empty(n, np.int32),
            np.empty((self._rows.codes.shape[1], n), np.int32),
            np.empty((n if keep else 0, p), np.int32),
            np.empty((n if keep else 0, p)),
        )
        state = rng.integers(0, 2**64, 4, np.uint64)
        _draw_rows(state, first, weights, shuffled, self._neighbors, self._rows, self._check, out)
        plan = (out.parents, out.weights) if keep else (None, None)
        return Mixture(out.scores, out.main, out.givers, *plan)


class MomentMatch:
    """Moves and turns a sample so that its mean and covariance are those of given rows."""

    def __init__(self, real: Matrix) -> None:
        self._mean = real.mean(axis=0)
        self._root, _ = _roots(real)

    def __call__(self, sample: Matrix) -> Matrix:
        """Return the sample moved and turned, shape (n_samples, n_columns)."""
        if len(sample) <= sample.shape[1]:
            raise ValueError(
                f"exact_moments needs more rows than mixed columns: ask for more than "
                f"{sample.shape[1]} rows, got {len(sample)}."
            )
        _, inverse = _roots(sample)
        moved: Matrix = (sample - sample.mean(axis=0)) @ (inverse @ self._root)
        moved += self._mean - moved.mean(axis=0)
        return moved


def _roots(rows: Matrix) -> tuple[Matrix, Matrix]:
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


class _Rows(NamedTuple):
    residual: Any  # (n_rows, n_mixed)
    codes: Any  # int32 (n_rows, n_bundles)
    starts: Any  # int64 (n_bundles,), first line of each bundle in effects; empty for no effects
    effects: Any  # (n_combinations of all bundles, n_mixed)
    gaps: Any  # int32 (n_rows, n_bundles)
    holed: bool  # whether any of the gaps is one
    columnwise: bool


class _Check(NamedTuple):
    scores: Any  # (n_rows, n_mixed)
    scale: Any  # (n_mixed,)
    levels: Any  # uint8 (n_rows, n_columns filled up to a multiple of 8)
    words: Any  # the same as uint64
    column_bundle: Any  # int32 (n_columns,)
    least: Any  # float32 (n_rows,), squared
    attempts: int
    mismatch: float


class _Out(NamedTuple):
    scores: Any  # (n, n_mixed)
    main: Any  # int32 (n,)
    givers: Any  # int32 (n_bundles, n)
    parents: Any  # int32 (n, p), or no rows
    weights: Any  # float64 (n, p), or no rows


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
def _draw_givers(state: Any, rows: Any, chosen: Any, main: int, giver: Any) -> None:
    few, short = np.uint64(0xFFFF), np.uint64(16)
    bits = np.uint64(0)
    for b in range(len(giver)):
        giver[b] = main
        if rows.columnwise:
            if b % 4 == 0:  # 16 bits for each pick
                bits = _next(state)
            pick = chosen[np.int64(((bits & few) * np.uint64(len(chosen))) >> short)]
            bits >>= short
            if not rows.holed or rows.gaps[pick, b] == rows.gaps[main, b]:
                giver[b] = pick


@compiled()
def _mix(rows: Any, chosen: Any, share: Any, giver: Any, mixed: Any) -> None:
    mixed[:] = 0.0
    for q in range(len(chosen)):
        for c in range(len(mixed)):
            mixed[c] += share[q] * rows.residual[chosen[q], c]
    if len(rows.starts):
        for b in range(len(giver)):
            line = rows.starts[b] + rows.codes[giver[b], b]
            for c in range(len(mixed)):
                mixed[c] += rows.effects[line, c]


@compiled()
def _nearest_parent(check: Any, chosen: Any, giver: Any, mixed: Any, level: Any, word: Any) -> Any:
    """Return the squared distance to the nearest parent, or some distance that is large enough."""
    # categories are looked at only where they decide: a distance above both the least allowed and
    # the nearest so far changes nothing
    floor = check.least[chosen[0]]
    nearest = np.inf
    for c in range(len(check.column_bundle)):
        level[c] = check.levels[giver[check.column_bundle[c]], c]
    for q in range(len(chosen)):
        j = chosen[q]
        total = 0.0
        for c in range(len(mixed)):
            gap = (mixed[c] - check.scores[j, c]) * check.scale[c]
            total += gap * gap
        if total < min(nearest, floor):
            differ = np.uint64(0)
            for at in range(len(word)):
                differ += _differing_bytes(check.words[j, at] ^ word[at])
            total += check.mismatch * np.int64(differ)
        nearest = min(nearest, total)
    return nearest


@compiled()
def _draw_rows(
    state: Any,
    first: Any,
    weights: Any,
    shuffled: bool,
    neighbors: Any,
    rows: Any,
    check: Any,
    out: Any,
) -> None:
    n, width = out.scores.shape
    p = weights.shape[1]
    high = np.uint64(32)
    chosen = np.empty(p, np.int32)
    share = np.empty(p, rows.residual.dtype)
    giver = np.empty(rows.codes.shape[1], np.int32)
    mixed = np.empty(width, rows.residual.dtype)
    level = np.zeros(check.levels.shape[1], np.uint8)
    word = level.view(np.uint64)
    for i in range(n):
        farthest = -1.0
        for _ in range(check.attempts + 1):
            _draw_parents(state, neighbors, first[i], chosen)
            at: Any = i
            if shuffled:
                at = np.int64(((_next(state) >> high) * np.uint64(len(weights))) >> high)
            heavy = 0
            for q in range(p):
                share[q] = weights[at, q]
                if weights[at, q] > weights[at, heavy]:
                    heavy = q
            _draw_givers(state, rows, chosen, chosen[heavy], giver)
            _mix(rows, chosen, share, giver, mixed)
            nearest = np.inf
            if check.attempts > 0:
                nearest = _nearest_parent(check, chosen, giver, mixed, level, word)
            if nearest > farthest:
                farthest = nearest
                out.scores[i] = mixed
                out.main[i] = chosen[heavy]
                for b in range(len(giver)):
                    out.givers[b, i] = giver[b]
                if len(out.parents):
                    for q in range(p):
                        out.parents[i, q] = chosen[q]
                        out.weights[i, q] = weights[at, q]
            if check.attempts == 0 or nearest >= check.least[chosen[0]]:
                break
