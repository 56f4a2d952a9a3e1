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


# Keys of spawned seeds: a key names what its numbers are for, among those of one root. Every
# seeded result hangs on them, so none is changed.


class PlanKey(IntEnum):
    """Of :func:`vicinal.make_plan` and pairings."""

    WEIGHTS = 1
    LAST_PASS = 2
    PARTNERS = 3
    TREES = 4
    GROUPS = 5
    REFERENCE = 6


class LearnKey(IntEnum):
    """Of over-sampling and augmentation."""

    PLAN = 5


class TableKey(IntEnum):
    """Of a synthesizer: fitting, and sampling."""

    ORDER = 0
    TIES = 10
    FILL = 11
    NEAR = 12
    CALIBRATE = 13
    PICK = 14
    DRAW = 15
    WEIGHTS = 16
    RARE = 17
    SURROGATE = 20


class StreamKey(IntEnum):
    """Of a streamed table."""

    SALT = 20
    CHUNK = 21


class EvaluationKey(IntEnum):
    """Of a whole evaluation."""

    SPLIT = 0
    FIDELITY = 1
    PRIVACY = 2
    UTILITY = 3
    AUDIT = 4


class FidelityKey(IntEnum):
    """Of fidelity."""

    PAIRS = 1
    TWO_SAMPLE = 2


class PrivacyKey(IntEnum):
    """Of privacy."""

    TRAINING = 0
    SYNTHETIC = 1
    HOLDOUT = 2
    COMBINATIONS = 3
    THEMSELVES = 4


class UtilityKey(IntEnum):
    """Of utility."""

    CUT = 0
    REPEAT = 1


class CollapseKey(IntEnum):
    """Of the measure of collapse."""

    ROWS = 0
    LAW = 1


class TuneKey(IntEnum):
    """Of the choice of settings."""

    SPLIT = 0
    SAMPLE = 1
    MEASURE = 2


class TrainKey(IntEnum):
    """Of training with mixup."""

    ANCHORS = 11
    PAIRS = 12
    STEPS = 21
    PARTNERS = 22
    WATCHED = 23


class ResumeKey(IntEnum):
    """Of a training that can be interrupted."""

    STEPS = 81
    GLOBAL = 82


class ClassifierKey(IntEnum):
    """Of a text classifier."""

    WEIGHTS = 31
    TRAINING = 32


class ComparisonKey(IntEnum):
    """Of a comparison of classifiers."""

    SPLIT = 41
    RUN = 42


class WriteKey(IntEnum):
    """Of an inverter that is made, and that writes."""

    TOKENS = 0
    NEW_LAYERS = 1


class FitKey(IntEnum):
    """Of an inverter's two stages of training."""

    ORDER = 41
    HELD_OUT = 43
    TUNED = 51
    FOLLOWED = 52


class FinetuneKey(IntEnum):
    """Of a language model's fine-tuning."""

    HELD_OUT = 61
    ORDER = 62


class AugmentKey(IntEnum):
    """Of texts that are mixed."""

    RATIOS = 0
    PLANS = 1
    CANDIDATES = 2
    BLOCKS = 30
    CHUNKS = 31
    DRAWS = 32


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
    """A root seed from which numbered, independent generators are spawned."""

    def __init__(self, random_state: RandomState = None) -> None:
        # a Generator is advanced by one small draw
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
