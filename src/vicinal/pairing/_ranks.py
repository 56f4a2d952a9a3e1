"""Partners by rank of a score, without ever holding all scores.

The exact way takes the product of two thin matrices in blocks; the sketch takes it with a few
reference rows, and draws rows until one lies beyond the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from vicinal._compiled import GOLDEN, compiled, mix64
from vicinal._random import PlanKey, Seeds
from vicinal._threads import for_chunks
from vicinal._types import Floats, Floats32, Indices

#: Scores in memory at once (64 MB).
BLOCK_SCORES = 1 << 24
#: Anchors that one thread works on at a time.
CHUNK_ANCHORS = 64
#: Candidates drawn beyond a threshold before the best of them is taken, times the wanted share.
PATIENCE = 32.0


@dataclass(frozen=True)
class Scores:
    """The larger ``left(i) @ right[j]``, the rather row ``j`` is wanted by row ``i``."""

    right: Floats32  # of the rows as partners, (n_rows, width)
    left: Callable[[Any], Floats32]  # of the rows with given numbers as anchors, (n, width)

    def __len__(self) -> int:
        return len(self.right)


def rank_error(n_reference: int, failure: float) -> float:
    """Return the bound of Dvoretzky, Kiefer and Wolfowitz on the error of a share of ranks."""
    return sqrt(log(2 / failure) / (2 * n_reference))


# random numbers inside compiled loops: one 64-bit word for each draw, from a word for each row


@compiled()
def _below(word: Any, limit: Any) -> Any:
    """Return a number below ``limit`` < 2^32, even but for a part in 2^32 / limit."""
    return np.int64(((word >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))


@compiled()
def _above(values: Any, size: Any, limit: Any) -> Any:
    count = 0
    for j in range(size):
        if values[j] > limit:
            count += 1
    return count


# exact


@compiled()
def _pick(
    scores: Any, first: Any, starts: Any, stops: Any, wanted: Any, words: Any, out: Any
) -> None:
    """Draw partners for each anchor, evenly among its best ``wanted`` candidates."""
    # A candidate drawn at random is taken if fewer than wanted scores are above its own: one pass
    # that counts. What a count has settled is not counted again: all scores from high up are in,
    # all up to low are out. Where few are left above low they move to a pool, and the search goes
    # on there.
    step = np.uint64(GOLDEN)
    n = scores.shape[1]
    pool = np.empty(n // 4 + 1, np.float32)
    where = np.empty(n // 4 + 1, np.int32)
    for i in range(len(words)):
        row = scores[first + i]
        start, stop = starts[i], stops[i]
        for j in range(start, stop):
            row[j] = -np.inf
        high, low = np.float32(np.inf), np.float32(-np.inf)
        size = n - (stop - start)
        pooled = False
        state = words[i]
        for draw in range(out.shape[1]):
            while True:
                state += step
                at = _below(mix64(state), size)
                if pooled:
                    chosen = np.int64(where[at])
                    value = pool[at]
                else:
                    chosen = at if at < start else at + (stop - start)
                    value = row[chosen]
                if value >= high:
                    break
                if value <= low:
                    continue
                above = _above(pool, size, value) if pooled else _above(row, n, value)
                if above < wanted[i]:
                    high = value
                    break
                low = value
                if 4 * above < size:
                    kept = 0
                    if pooled:
                        for t in range(size):
                            if pool[t] > value:
                                pool[kept] = pool[t]
                                where[kept] = where[t]
                                kept += 1
                    else:
                        for t in range(n):
                            if row[t] > value:
                                pool[kept] = row[t]
                                where[kept] = t
                                kept += 1
                    pooled = True
                    size = kept
            out[i, draw] = chosen


def exact_partners(
    scores: Scores,
    starts: Indices,
    stops: Indices,
    wanted: Indices,
    draws: int,
    seeds: Seeds,
) -> npt.NDArray[np.int32]:
    """Draw partners evenly among each row's best candidates, shape (n_rows, draws)."""
    # rows starts[i] to stops[i] are no candidates of row i; ties at the limit are in
    n_rows = len(scores)
    words = seeds.generator(PlanKey.PARTNERS).integers(0, 2**64, n_rows, dtype=np.uint64)
    out = np.empty((n_rows, draws), np.int32)
    step = max(CHUNK_ANCHORS, min(BLOCK_SCORES // n_rows, 1024))
    block = np.empty((min(step, n_rows), n_rows), np.float32)
    across = scores.right.T
    for begin in range(0, n_rows, step):
        end = min(begin + step, n_rows)
        np.matmul(scores.left(slice(begin, end)), across, out=block[: end - begin])

        def work(first: int, last: int, begin: int = begin) -> None:
            at = slice(begin + first, begin + last)
            _pick(block, first, starts[at], stops[at], wanted[at], words[at], out[at])

        for_chunks(work, end - begin, max(1, min(CHUNK_ANCHORS, (end - begin) // 8)))
    return out


# sketch


@njit(nogil=True, fastmath={"reassoc", "contract", "nsz"})  # type: ignore[untyped-decorator]
def _dot(x: Any, y: Any) -> Any:
    total = np.float32(0)
    for j in range(len(x)):
        total += x[j] * y[j]
    return total


@compiled()
def _draw(
    left: Any,
    right: Any,
    starts: Any,
    stops: Any,
    limits: Any,
    max_attempts: Any,
    words: Any,
    out: Any,
) -> None:
    """Draw candidates until one scores above the limit, or take the best of ``max_attempts``."""
    step = np.uint64(GOLDEN)
    n = len(right)
    for i in range(len(words)):
        start, stop = starts[i], stops[i]
        size = n - (stop - start)
        state = words[i]
        for draw in range(out.shape[1]):
            best, best_at = np.float32(-np.inf), np.int64(-1)
            for _ in range(max_attempts[i]):
                state += step
                at = _below(mix64(state), size)
                j = at if at < start else at + (stop - start)
                score = _dot(left[i], right[j])
                if best_at < 0 or score > best:
                    best, best_at = score, j
                if score > limits[i]:
                    break
            out[i, draw] = best_at


def sketch_thresholds(scores: Scores, rows: slice, reference: Indices, share: float) -> Floats32:
    """Estimate, for consecutive anchors, the score that a share of the candidates exceeds."""
    n_reference = len(reference)
    wanted = min(max(1, round(share * n_reference)), n_reference)
    across = np.ascontiguousarray(scores.right[reference].T)
    out = np.empty(rows.stop - rows.start, np.float32)
    step = max(1, BLOCK_SCORES // n_reference)
    block = np.empty((min(step, len(out)), n_reference), np.float32)
    for begin in range(0, len(out), step):
        end = min(begin + step, len(out))
        here = block[: end - begin]
        np.matmul(scores.left(slice(rows.start + begin, rows.start + end)), across, out=here)
        own = np.flatnonzero((reference >= rows.start + begin) & (reference < rows.start + end))
        at = reference[own] - rows.start - begin
        here[at, own] = here[at].min(axis=1)  # an anchor is nobody's partner, least its own

        def work(first: int, last: int, begin: int = begin) -> None:
            part = block[first:last]
            part.partition(n_reference - wanted, axis=1)
            out[begin + first : begin + last] = part[:, n_reference - wanted]

        for_chunks(work, end - begin, 512)
    return np.nextafter(out, np.float32(-np.inf))  # just below the last one that is wanted


def draw_beyond(
    scores: Scores,
    anchors: Indices,
    starts: Indices,
    stops: Indices,
    limits: Floats32,
    share: Floats,
    draws: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.int32]:
    """Draw partners evenly among candidates beyond thresholds, shape (n, draws)."""
    # where 32 / share candidates brought none, the best of them
    words = rng.integers(0, 2**64, len(anchors), dtype=np.uint64)
    max_attempts = np.ceil(PATIENCE / share).clip(max=2**31).astype(np.int64)
    out = np.empty((len(anchors), draws), np.int32)

    def work(first: int, last: int) -> None:
        at = slice(first, last)
        left = scores.left(anchors[at])
        bounds = starts[at], stops[at], limits[at]
        _draw(left, scores.right, *bounds, max_attempts[at], words[at], out[at])

    for_chunks(work, len(anchors), 1024)
    return out
