"""Partners whose targets are close."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_number
from vicinal._points import BLOCK_NUMBERS, plain, safe_unit
from vicinal._types import Indices
from vicinal.pairing.base import Pairing, Rows, count_rows

#: A candidate beyond so many bandwidths has a chance of less than one in 10^13.
REACH = 8.0


@dataclass(frozen=True, eq=False)
class NearTarget(Pairing):
    """Partners with a like target: the nearer the numbers, the likelier, by a Gaussian kernel.

    Row ``j`` is the partner of row ``i`` with probability in proportion to
    ``exp(-(y_i - y_j)^2 / (2 h^2))``; no row is its own partner.

    Parameters
    ----------
    targets : array_like of float, shape (n_rows,)
        What is to be predicted, one number for each row.
    bandwidth : "auto" or float, default "auto"
        The kernel's ``h``, in the unit of the targets, above 0. "auto" is
        ``0.9 s n_rows^(-1/5)``, ``s`` the standard deviation or, where it is less, the distance
        of the quartiles over 1.349 (Silverman's rule).

    Raises
    ------
    ValueError, TypeError
        If targets are no floats or not finite, or the bandwidth is not above 0.

    Warns
    -----
    UserWarning
        Where there is one row, which can only be copied.

    References
    ----------
    Yao, Wang, Zhang, Zou and Finn, "C-Mixup: Improving Generalization in Regression",
    NeurIPS 2022.

    Examples
    --------
    >>> NearTarget([0.0, 5.0, 0.1, 5.1], bandwidth=0.5).pair(4, random_state=0)
    array([2, 3, 0, 1], dtype=int32)
    """

    targets: npt.ArrayLike
    bandwidth: str | float = "auto"
    grouped = True

    def __post_init__(self) -> None:
        if self.bandwidth != "auto":
            check_number("bandwidth", self.bandwidth, low=0.0, open_low=True)
        y = plain(self.targets)
        if y.ndim != 1 or y.dtype.kind != "f":
            raise TypeError(
                f"targets must be one float for each row, got {y.dtype} of shape {y.shape}. For "
                "classes use WithinGroup; for whole numbers to predict pass y.astype(float)."
            )
        if not np.isfinite(y).all():
            raise ValueError("targets hold NaN or infinity. Drop those rows first.")

    def partners(self, X: Rows, rng: np.random.Generator) -> Indices:
        """Draw one partner for every row."""
        y = plain(self.targets).astype(np.float64)
        n_rows = count_rows(X)
        if len(y) != n_rows:
            raise ValueError(f"targets must be one for each row, got {len(y)} for {n_rows} rows.")
        if n_rows == 1:
            message = "A single row has no partner but itself: it can only be copied."
            warnings.warn(message, UserWarning, stacklevel=3)
            return np.zeros(1, np.int64)
        unit = safe_unit(y)
        y = y / unit
        if isinstance(self.bandwidth, str):
            middle = float(np.subtract(*np.quantile(y, [0.75, 0.25]))) / 1.349
            spread = min(float(y.std()), middle or np.inf)
            h = 0.9 * spread * n_rows**-0.2 or 1.0  # all equal: any partner
        else:
            h = float(np.clip(self.bandwidth / unit, 1e-300, 1e300))
        order = np.argsort(y, kind="stable")
        ordered, found = y[order], np.empty(n_rows, np.int64)
        gaps = np.concatenate([[np.inf], np.diff(ordered), [np.inf]])
        nearest = np.minimum(gaps[:-1], gaps[1:])
        # chances are relative to the nearest row's, so that a lonely one has a partner too
        reach = np.hypot(nearest, REACH * h)
        start = 0
        while start < n_rows:
            step = max(1, min(1024, BLOCK_NUMBERS // n_rows))
            stop = min(start + step, n_rows)
            rows = np.arange(start, stop)
            wide = reach[rows].max()
            low = np.searchsorted(ordered, ordered[start] - wide)
            high = np.searchsorted(ordered, ordered[stop - 1] + wide, side="right")
            gap = np.abs(ordered[rows, None] - ordered[None, low:high])  # (rows, candidates)
            gap[rows - start, rows - low] = np.inf  # not itself
            near = nearest[rows, None]
            with np.errstate(over="ignore", invalid="ignore"):  # infinitely many bandwidths away
                power = (near - gap) / h * ((near + gap) / h) / 2
            power[gap == near] = 0.0
            upto = np.exp(power).cumsum(axis=1)
            drawn = rng.random((len(rows), 1)) * upto[:, -1:]
            found[order[rows]] = order[low + (upto[:, :-1] <= drawn).sum(axis=1)]
            start = stop
        return found

    def take(self, indices: Indices) -> Pairing:
        """Return the pairing for the rows with these numbers."""
        return replace(self, targets=plain(self.targets)[indices])
