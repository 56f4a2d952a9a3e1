"""Samples whose mean and covariance are exactly those of given rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MomentMatch"]

Matrix = npt.NDArray[Any]


class MomentMatch:
    """Moves and turns a sample so that its mean and covariance are those of given rows.

    Parameters
    ----------
    real : ndarray of shape (n_rows, n_columns)
        The rows.
    """

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
