"""Compile with Numba, and keep the machine code where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["compiled"]


def compiled(signature: Any = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator: ``njit`` without the interpreter's lock, cached on disk.

    Numba refuses to cache where it finds no folder to write to (a read-only installation without
    a home directory). Then the function is compiled anew in each process.

    Parameters
    ----------
    signature : numba signature, optional
        Compile for it at once, and for nothing else.

    Returns
    -------
    callable
        A decorator.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            fast: Callable[..., Any] = njit(signature, nogil=True, cache=True)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            fast = njit(signature, nogil=True)(function)
        return fast

    return decorate
