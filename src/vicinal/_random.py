"""One way to turn ``random_state`` into random numbers.

Every public entry makes one :class:`Seeds` from its ``random_state``. Work is cut into chunks of
a fixed number of rows and chunk ``c`` draws from ``seeds.generator(c)``, so the numbers do not
depend on how many threads, processes or machines share the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

import numpy as np

RandomState: TypeAlias = int | np.random.Generator | None

#: Rows per chunk. Part of the file format of nothing, but of every seeded result: do not change.
CHUNK_ROWS = 1 << 16


class PlanKey(IntEnum):
    """What the seeds of a plan are spawned for."""

    WEIGHTS = 1
    LAST_PASS = 2
    PARTNERS = 3
    TREES = 4
    GROUPS = 5
    REFERENCE = 6


class LearnKey(IntEnum):
    """What the seeds of an over-sampler are spawned for."""

    PLAN = 5


def as_generator(random_state: RandomState) -> np.random.Generator:
    """Return a Generator for a seed, a Generator (used as it is) or None (fresh entropy)."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, np.random.RandomState):  # scikit-learn's contract allows it
        return np.random.default_rng(random_state.randint(0, 2**32, size=4, dtype=np.uint32))
    if isinstance(random_state, bool) or not isinstance(random_state, (int, np.integer)):
        raise TypeError(
            f"random_state must be an int, a numpy.random.Generator or None, "
            f"got {random_state!r} of type {type(random_state).__name__}."
        )
    if random_state < 0:
        raise ValueError(f"random_state must be 0 or larger, got {random_state}.")
    return np.random.default_rng(int(random_state))


class Seeds:
    """A root seed from which numbered, independent generators are spawned.

    Parameters
    ----------
    random_state : int, numpy.random.Generator or None
        A Generator is advanced by one small draw; an int gives the same children every time.
    """

    def __init__(self, random_state: RandomState = None) -> None:
        root = as_generator(random_state).integers(0, 2**32, size=8, dtype=np.uint32)
        self._entropy = [int(word) for word in root]

    @property
    def entropy(self) -> list[int]:
        """The root seed, as eight 32-bit numbers."""
        return list(self._entropy)

    @classmethod
    def from_entropy(cls, entropy: Sequence[int]) -> Seeds:
        """Return the seeds with this root."""
        seeds = object.__new__(cls)
        seeds._entropy = [int(word) for word in entropy]
        return seeds

    def generator(self, *key: int) -> np.random.Generator:
        """Return the child generator numbered by ``key``; the same key, the same numbers."""
        sequence = np.random.SeedSequence(self._entropy, spawn_key=key)
        return np.random.Generator(np.random.PCG64DXSM(sequence))
