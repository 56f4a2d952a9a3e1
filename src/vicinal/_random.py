"""One way to turn ``random_state`` into random numbers.

Work is cut into chunks of a fixed number of rows, and chunk ``c`` draws from
``seeds.generator(c)``: threads, processes and machines change no number.
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

PlanKey = IntEnum("PlanKey", "WEIGHTS LAST_PASS PARTNERS TREES GROUPS REFERENCE")
LearnKey = IntEnum("LearnKey", "PLAN", start=5)
TableKey = IntEnum(
    "TableKey",
    {
        "ORDER": 0,
        "TIES": 10,
        "FILL": 11,
        "NEAR": 12,
        "CALIBRATE": 13,
        "PICK": 14,
        "DRAW": 15,
        "WEIGHTS": 16,
        "RARE": 17,
        "SURROGATE": 20,
        "REDRAW": 21,
        "STEPS": 22,
        "PLACES": 23,
        "RATIO": 24,
        "CHOICE": 25,
    },
)
StreamKey = IntEnum("StreamKey", "SALT CHUNK", start=20)
EvaluationKey = IntEnum(
    "EvaluationKey", "SPLIT FIDELITY PRIVACY UTILITY AUDIT ROWS DELIVERED MODEL", start=0
)
FidelityKey = IntEnum("FidelityKey", "PAIRS TWO_SAMPLE CHANCE")
PrivacyKey = IntEnum(
    "PrivacyKey", "TRAINING SYNTHETIC HOLDOUT COMBINATIONS THEMSELVES ATTACKS", start=0
)
AuditKey = IntEnum("AuditKey", "ROWS RECORDS COINS SHADOW HALVES PRIVACY", start=0)
UtilityKey = IntEnum("UtilityKey", "CUT REPEAT", start=0)
CollapseKey = IntEnum("CollapseKey", "ROWS LAW", start=0)
TuneKey = IntEnum("TuneKey", "SPLIT SAMPLE MEASURE", start=0)
TrainKey = IntEnum(
    "TrainKey", {"ANCHORS": 11, "PAIRS": 12, "STEPS": 21, "PARTNERS": 22, "WATCHED": 23}
)
ResumeKey = IntEnum("ResumeKey", "STEPS GLOBAL", start=81)
ClassifierKey = IntEnum("ClassifierKey", "WEIGHTS TRAINING VALIDATION UNKNOWN", start=31)
ComparisonKey = IntEnum("ComparisonKey", "SPLIT RUN MEASURE", start=41)
WriteKey = IntEnum("WriteKey", "TOKENS NEW_LAYERS", start=0)
FitKey = IntEnum("FitKey", {"ORDER": 41, "HELD_OUT": 43, "TUNED": 51, "FOLLOWED": 52})
FinetuneKey = IntEnum("FinetuneKey", "HELD_OUT ORDER", start=61)
AugmentKey = IntEnum(
    "AugmentKey",
    {"RATIOS": 0, "PLANS": 1, "CANDIDATES": 2, "USUAL": 3, "BLOCKS": 30, "CHUNKS": 31, "DRAWS": 32},
)


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
