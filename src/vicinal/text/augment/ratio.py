"""How much of each parent is in a sentence."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._points import matrices
from vicinal._types import Bools, Floats

#: Parents whose embeddings differ by less than this share of their length are one point.
COINCIDENT = 1e-5


def measure_ratio(embeddings: npt.ArrayLike, left: npt.ArrayLike, right: npt.ArrayLike) -> Floats:
    """Measure the weight of the left parent in what was made of two parents.

    The embedding is projected on the line through its parents. What is beside that line does not
    count, so read the ratio together with a closeness.

    Parameters
    ----------
    embeddings : array_like of shape (n_rows, n_features)
        Of the sentences that were made, embedded again.
    left, right : array_like of shape (n_rows, n_features)
        Embeddings of their parents.

    Returns
    -------
    ndarray of shape (n_rows,)
        ``lam = <e - right, left - right> / |left - right|^2``: 1 at the left parent, 0 at the
        right one, and not cut to [0, 1]: a sentence may lie beyond a parent. NaN where the two
        parents are one point, with a warning.

    Raises
    ------
    ValueError, TypeError
        If the shapes differ, or what is given is no finite number.

    Warns
    -----
    UserWarning
        Where parents are one point, so that there is no ratio.

    Examples
    --------
    >>> from vicinal.text.augment import measure_ratio
    >>> measure_ratio([[3.0, 1.0], [-1.0, 0.0]], left=[[4.0, 0.0]] * 2, right=[[0.0, 0.0]] * 2)
    array([ 0.75, -0.25])
    """
    given = {"embeddings": embeddings, "left": left, "right": right}
    e, a, b = (matrices(values, None, name)[1] for name, values in given.items())
    if not e.shape == a.shape == b.shape:
        raise ValueError(
            "embeddings, left and right must be of one shape, one row for each sentence, got "
            f"{e.shape}, {a.shape} and {b.shape}."
        )
    same = coincide(a, b)
    if same.any():
        warnings.warn(
            f"{int(same.sum())} pair(s) of parents are one point, the first of them pair "
            f"{int(same.argmax())}: no ratio can be measured, it is NaN. Pair different texts.",
            stacklevel=2,
        )
    return project(e, a, b)


def project(embeddings: Any, left: Any, right: Any) -> Floats:
    """Return the unclipped ratio; leading axes are broadcast, and NaN stands for no ratio."""
    a, b = np.asarray(left, float), np.asarray(right, float)
    along = a - b
    square = np.einsum("...i,...i->...", along, along)
    beyond = np.asarray(embeddings, float) - b
    inner = np.einsum("...i,...i->...", beyond, np.broadcast_to(along, beyond.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(coincide(a, b), np.nan, inner / square)


def coincide(left: Any, right: Any) -> Bools:
    """Tell which parents are one point, to rounding."""
    a, b = np.asarray(left, float), np.asarray(right, float)
    length = np.maximum(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1))
    return np.asarray(np.linalg.norm(a - b, axis=-1) <= COINCIDENT * length)
