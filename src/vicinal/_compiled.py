"""Compile with Numba, and keep the machine code where that is possible."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile

from vicinal._checks import first_line
from vicinal._progress import compiling


class _Files(IndexDataCacheFile):  # type: ignore[misc]
    """Files of machine code that begin with their checksum: damaged code would run."""

    def _save_data(self, name: str, data: Any) -> None:
        packed = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(packed).digest() + packed)

    def _load_data(self, name: str) -> Any:
        with open(self._data_path(name), "rb") as file:
            told, packed = file.read(32), file.read()
        if hashlib.sha256(packed).digest() != told:
            raise ValueError(f"{name} is damaged")
        return pickle.loads(packed)  # noqa: S301 - Numba's own way, and now of a known content


class _Cache(FunctionCache):  # type: ignore[misc]
    """Numba's cache, which makes anew what is damaged and does without what cannot be kept."""

    full = False  # told once in a process

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file.__class__ = _Files

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        found = None
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # whatever a damaged file leads to
            with contextlib.suppress(OSError):
                self.flush()
        if found is None:
            compiling(True)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        compiling(False)
        try:
            super().save_overload(sig, data)
        except OSError as error:
            if not _Cache.full:
                _Cache.full = True
                warnings.warn(
                    f"Machine code cannot be kept in {self.cache_path} ({first_line(error)}), and "
                    "is made anew at every start. Free some space, or name another folder by "
                    "NUMBA_CACHE_DIR.",
                    UserWarning,
                    stacklevel=2,
                )


def compiled(signature: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator: ``njit`` without the interpreter's lock, cached on disk."""

    def decorate(function: Callable[..., Any]) -> Any:
        made = njit(nogil=True)(function)
        try:
            made._cache = _Cache(function)
        except RuntimeError as error:
            # no folder to write to: a read-only installation without a home directory
            if "cannot cache" not in str(error):
                raise
        if signature is not None:
            made.compile(signature)
            made.disable_compile()
        return made

    return decorate


#: 2**64 by the golden ratio: the step of splitmix64's counter.
GOLDEN = 0x9E3779B97F4A7C15


@compiled()
def mix64(z: Any) -> Any:
    """Return random 64-bit words for counters: the output function of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
