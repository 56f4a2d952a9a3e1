"""Compile with Numba, and keep the machine code where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit


def compiled(signature: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator: ``njit`` without the interpreter's lock, cached on disk."""

    def decorate(function: Callable[..., Any]) -> Any:
        try:
            return njit(signature, nogil=True, cache=True)(function)
        except RuntimeError as error:
            # no folder to write to: a read-only installation without a home directory
            if "cannot cache" not in str(error):
                raise
            return njit(signature, nogil=True)(function)

    return decorate


#: 2**64 by the golden ratio: the step of splitmix64's counter.
GOLDEN = 0x9E3779B97F4A7C15


@compiled()
def mix64(z: Any) -> Any:
    """Return random 64-bit words for counters: the output function of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
