"""Differential privacy: mixes of all rows, drawn from noisy counts and a noisy second moment.

A mix of all rows with independent normal weights is normal, by the second moment alone. That and
the counts behind the marginals are released once, with Gaussian noise, and nothing else is read.
The proof is in docs/differential_privacy.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from vicinal._checks import check_column, check_count, check_number
from vicinal._random import RandomState, as_generator
from vicinal._types import Array, Floats, Ints
from vicinal.table.frames import to_arrow
from vicinal.table.numbers import from_numbers, to_numbers

#: Cells of equal width between the bounds of a column of numbers.
CELLS = 32
#: Shares of ranks are kept this far from 0 and 1, and a row of scores to this length, in units of
#: the square root of their number.
LEAST_RANK, LENGTH = 0.005, 1.2
#: Counts below so many standard deviations of their noise are taken for 0.
CERTAIN = 2.0
#: Of the squared budget, the share for counts; the rest is for the second moment.
FOR_COUNTS = 0.5


class _Coder(NamedTuple):
    """A column as cells, and cells as a column: known without the data."""

    name: str
    type: pa.DataType
    levels: tuple[Any, ...]  # of a category; empty for numbers
    edges: Array  # of a column of numbers, (CELLS + 1,), as to_numbers has them

    @property
    def n_cells(self) -> int:
        """Cells, the last of which is for what is missing or not in the domain."""
        return (len(self.levels) or CELLS) + 1

    def cells(self, values: pa.ChunkedArray) -> Ints:
        """Return the cell of each row, from that row alone."""
        if self.levels:
            found = pc.index_in(values, pa.array(self.levels, self.type))
            codes: Ints = pc.fill_null(found, len(self.levels)).to_numpy().astype(np.int64)
            return codes
        numbers, missing = to_numbers(values, self.name)
        at = np.searchsorted(self.edges, numbers, side="right") - 1
        return np.where(missing, CELLS, at.clip(0, CELLS - 1)).astype(np.int64)

    def values(self, cells: Ints, rng: np.random.Generator) -> pa.Array:
        """Return a value of each cell, a number anywhere in it."""
        missing = cells == self.n_cells - 1
        if self.levels:
            return pa.array(self.levels, self.type).take(pa.array(cells, mask=missing))
        low, high = (self.edges[(cells + step).clip(max=CELLS)] for step in (0, 1))
        drawn = low + rng.random(len(cells)) * (high - low)
        if self.edges.dtype.kind == "i":
            drawn = np.clip(np.floor(drawn), self.edges[0], self.edges[-1])
        return from_numbers(drawn.astype(self.edges.dtype), missing, self.type)


class PrivateSynthesizer(BaseEstimator):  # type: ignore[misc]
    """Learn a table with differential privacy, and draw synthetic ones. Experimental.

    Every synthetic row is a mix of all rows; counts and mixes are made with Gaussian noise, so that
    no single row matters much. Each column keeps its distribution (given the target, if that is a
    category), and pairs of columns keep the linear association of their ranks; no more.

    Parameters
    ----------
    epsilon : float
        Privacy loss, above 0: the smaller, the more private and the less faithful. Whether one row
        is replaced by any other changes the chance of any outcome by a factor of at most
        ``exp(epsilon)``, but for ``delta``.
    domain : mapping
        Column name to (lowest, highest) value of numbers, dates and times, or to the list of levels
        of a category with three or more, or with two strings or booleans. It must not be read from
        the data. Columns that it does not name are left out.
    delta : float, optional
        Chance that the promise fails, below 1 / rows; 0.01 / rows where left out.
    target : str, optional
        A category of the domain given which each column keeps its distribution.
    random_state : int, numpy.random.Generator or None, default None
        Seed of the noise. Who knows it can take the noise away: for trials only.

    Attributes
    ----------
    spent_ : dict of str to float
        What was released, and the parameter mu of its Gaussian mechanism.
    mu_ : float
        The same of all together: the square root of the sum of squares.
    n_rows_ : int
        Training rows, taken to be public.

    Notes
    -----
    Column names, types and the number of rows count as public. Noise is drawn as 64-bit floats,
    which attacks on their last bits could exploit. Nothing of the training rows is kept.

    References
    ----------
    Dong, Roth and Su, "Gaussian Differential Privacy", J. Royal Statistical Society B 84, 2022.
    Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018.

    Examples
    --------
    >>> table = pa.table({"age": [30, 40, 50, 60] * 50, "sex": ["f", "m"] * 100})
    >>> model = PrivateSynthesizer(3.0, {"age": (18, 100), "sex": ["f", "m"]}, random_state=0)
    >>> model.fit(table).sample(5).num_rows
    5
    """

    def __init__(
        self,
        epsilon: float,
        domain: Mapping[str, Sequence[Any]],
        *,
        delta: float | None = None,
        target: str | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.epsilon = epsilon
        self.domain = domain
        self.delta = delta
        self.target = target
        self.random_state = random_state

    def fit(self, table: Any) -> PrivateSynthesizer:
        """Release noisy counts and a noisy second moment of a table.

        Parameters
        ----------
        table : pandas, Polars or PyArrow table
            At least two rows, with the columns of the domain.

        Returns
        -------
        PrivateSynthesizer
            Itself.

        Raises
        ------
        ValueError
            If epsilon or delta is out of range, or the domain does not fit the table.
        """
        check_number("epsilon", self.epsilon, low=0, open_low=True)
        arrow = to_arrow(table)
        n_rows = check_count("table rows", arrow.num_rows, low=2)
        hint = "It is the chance that the promise fails; below 1 / rows no row is simply published."
        delta = 0.01 / n_rows if self.delta is None else self.delta
        check_number(
            "delta", delta, low=0, high=1 / n_rows, open_low=True, open_high=True, hint=hint
        )
        coders = self._coders(arrow)
        self._library = nw.from_native(table, eager_only=True).implementation
        rng = as_generator(self.random_state)
        cells = np.stack([coder.cells(arrow[coder.name]) for coder in coders], axis=1)
        target = [coder.name for coder in coders].index(self.target) if self.target else -1
        classes = cells[:, target] if self.target else np.zeros(n_rows, np.int64)
        n_classes = coders[target].n_cells if self.target else 1

        self.mu_ = _mu_of(float(self.epsilon), float(delta))
        mu = self.mu_ * math.sqrt(FOR_COUNTS), self.mu_ * math.sqrt(1 - FOR_COUNTS)
        self.spent_ = {"counts": mu[0], "second moment": mu[1]}
        # replacing a row takes 1 from a cell of each column and adds 1 to another
        noise = math.sqrt(2 * len(coders)) / mu[0]
        ends, shares = [], np.ones(1)
        for at, coder in enumerate(coders):
            counts = np.zeros((n_classes, coder.n_cells))
            np.add.at(counts, (classes, cells[:, at]), 1.0)
            counts += noise * rng.standard_normal(counts.shape)
            counts[counts < CERTAIN * noise] = 0.0  # more likely empty than not
            ends.append(_ends(counts))
            if at == target:  # its cells are the classes
                shares = np.diag(counts) + 1e-9
        others = [at for at in range(len(coders)) if at != target]
        scores = [_scores(ends[at], classes, cells[:, at]) for at in others]
        if others:
            self._root = _root(_second_moment(np.stack(scores, axis=1), mu[1], rng))
        self._coders_, self._ends, self._target = coders, ends, target
        self._shares = shares / shares.sum()
        self.n_rows_ = n_rows
        return self

    def sample(self, n_samples: int | None = None) -> Any:
        """Draw synthetic rows.

        Parameters
        ----------
        n_samples : int, optional
            How many; as many as there were training rows where left out.

        Returns
        -------
        table
            In the library of the training table. No further privacy is lost, however many.
        """
        check_is_fitted(self, "n_rows_")
        count = self.n_rows_ if n_samples is None else check_count("n_samples", n_samples)
        rng = as_generator(self.random_state)
        if not isinstance(self.random_state, np.random.Generator):
            rng = rng.spawn(1)[0]
        return self._drawn(count, rng)

    def _drawn(self, count: int, rng: np.random.Generator) -> Any:
        from scipy.special import ndtr

        classes = rng.choice(len(self._shares), count, p=self._shares)
        columns, mixed = {}, iter(())
        if len(self._coders_) > (self._target >= 0):
            mixed = iter(ndtr(rng.standard_normal((count, len(self._root))) @ self._root).T)
        for at, (coder, ends) in enumerate(zip(self._coders_, self._ends, strict=True)):
            cells = classes
            if at != self._target:
                cells = (next(mixed)[:, None] > ends[classes]).sum(axis=1)
            columns[coder.name] = coder.values(cells, rng)
        made = nw.from_native(pa.table(columns), eager_only=True)
        if self._library.is_pyarrow():
            return made.to_native()
        if self._library.is_pandas():
            return made.to_pandas()
        return made.to_polars()

    def _coders(self, arrow: pa.Table) -> list[_Coder]:
        if not isinstance(self.domain, Mapping) or not self.domain:
            raise TypeError(
                "domain must be a mapping of column names to (lowest, highest) or a list of "
                f"levels, such as {{'age': (18, 100), 'sex': ['f', 'm']}}, got {self.domain!r}."
            )
        for name in self.domain:
            check_column("domain", name, arrow.column_names)
        if self.target is not None:
            check_column("target", self.target, list(self.domain))
        coders = [_coder(name, arrow[name].type, said) for name, said in self.domain.items()]
        if self.target is not None and not coders[list(self.domain).index(self.target)].levels:
            raise ValueError(
                f"target {self.target!r} must be a category, with its levels as a list in domain. "
                "Leave target out where it is a number: it is then a column as the others."
            )
        return coders


def _coder(name: str, kind: pa.DataType, said: Any) -> _Coder:
    """Return how one column is cut into cells, from its type and what the user says of it."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    said = tuple(said) if isinstance(said, (list, tuple)) else ()
    of = pa.types
    ordered = of.is_integer(kind) or of.is_floating(kind) or of.is_temporal(kind)
    try:
        if ordered and len(said) == 2:
            bounds = pa.chunked_array([pa.array(said, kind)])
            (low, high), missing = to_numbers(bounds, name)
            if missing.any() or not low < high:
                raise ValueError("not rising")
            edges = np.linspace(float(low), float(high), CELLS + 1)
            if low.dtype.kind == "i":
                edges = low + np.rint(edges - float(low)).astype(np.int64)
                edges[-1] = high + 1
            return _Coder(name, kind, (), edges)
        if len(said) < 2 or len(set(said)) < len(said) or None in said:
            raise ValueError("no levels")
        pa.array(said, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError):
        raise ValueError(
            f"domain: column {name!r} needs (lowest, highest) or a list of two or more distinct "
            f"levels, of its type {kind}, got {said!r}."
        ) from None
    return _Coder(name, kind, said, np.zeros(0))


def gaussian_delta(epsilon: float, mu: float) -> float:
    """Return the least delta for which a mechanism of Gaussian privacy ``mu`` keeps ``epsilon``."""
    from scipy.special import log_ndtr, ndtr

    second = math.exp(epsilon + float(log_ndtr(-epsilon / mu - mu / 2)))
    return float(ndtr(mu / 2 - epsilon / mu)) - second


def _mu_of(epsilon: float, delta: float) -> float:
    """Return the largest ``mu`` with (epsilon, delta)-privacy."""
    from scipy.optimize import brentq

    high = 1.0
    while gaussian_delta(epsilon, high) < delta:
        high *= 2
    found = float(brentq(lambda mu: gaussian_delta(epsilon, mu) - delta, 1e-9, high, rtol=1e-12))
    return found * (1 - 1e-9)  # on the safe side of the root


def _ends(counts: Floats) -> Floats:
    """Return the share of ranks up to the end of each cell but the last, one row a class."""
    counts = counts + 1e-9
    ends: Floats = np.cumsum(counts, axis=1)[:, :-1] / counts.sum(axis=1, keepdims=True)
    return ends


def _scores(ends: Floats, classes: Ints, cells: Ints) -> Floats:
    """Return the normal score of the middle of each row's cell, given its class."""
    from scipy.special import ndtri

    full = np.pad(ends, ((0, 0), (1, 1)), constant_values=((0, 0), (0.0, 1.0)))
    middle = (full[classes, cells] + full[classes, cells + 1]) / 2
    scores: Floats = ndtri(middle.clip(LEAST_RANK, 1 - LEAST_RANK))
    return scores


def _second_moment(scores: Floats, mu: float, rng: np.random.Generator) -> Floats:
    """Return the mean of products of clipped rows, with noise."""
    n_rows, width = scores.shape
    longest = LENGTH * math.sqrt(width)
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    clipped = scores * np.minimum(1.0, longest / np.maximum(lengths, 1e-12))
    # two rows' products have no negative inner product: their difference has a Frobenius norm of
    # at most sqrt(2) longest**2
    noise = math.sqrt(2.0) * longest**2 / n_rows / mu
    drawn = noise * rng.standard_normal((width, width))
    upper = np.triu(drawn, 1) / math.sqrt(2.0)  # each stands in two places of the norm
    moment: Floats = clipped.T @ clipped / n_rows + np.diag(np.diag(drawn)) + upper + upper.T
    return moment


def _root(moment: Floats) -> Floats:
    """Return a root of the nearest correlation that is possible."""
    values, vectors = np.linalg.eigh(moment)
    root = vectors * np.sqrt(np.maximum(values, 1e-3))
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    turned: Floats = root.T
    return turned
