"""Laws of the mixing weight: how much of the left parent goes into a mixed row.

A law with ``E[W (1 - W)] = 0`` keeps mean, variance and covariance of what it mixes; on [0, 1]
only copying does that, so :class:`EpBeta` reaches a little beyond.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number
from vicinal._quantiles import weight_table
from vicinal._random import RandomState, as_generator

__all__ = ["Beta", "EpBeta", "Fixed", "SphereWeights", "Uniform", "WeightLaw", "law_from_spec"]

FloatArray = npt.NDArray[np.float64]


class WeightLaw(ABC):
    """A distribution of mixing weights.

    Subclasses give the raw moments; everything that a mixing weight does to data follows from
    them. ``V`` stands for ``W (1 - W)``.
    """

    parents: int = 2

    @abstractmethod
    def sample(self, size: int, random_state: RandomState = None) -> FloatArray:
        """Draw weights: shape (size,) for two parents, (size, parents) for more."""

    @abstractmethod
    def moment(self, order: int) -> float:
        """Return the raw moment ``E[W**order]`` of a single weight, orders 0 to 4."""

    @abstractmethod
    def pdf(self, w: npt.ArrayLike) -> FloatArray:
        """Return the density of a single weight at ``w``."""

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Smallest and largest weight."""

    @abstractmethod
    def spec(self) -> dict[str, Any]:
        """Return the law as plain JSON values; :func:`law_from_spec` reads it back."""

    @property
    def mean(self) -> float:
        """``E[W]``."""
        return self.moment(1)

    @property
    def second_moment(self) -> float:
        """``E[W**2]``."""
        return self.moment(2)

    @property
    def cross_moment(self) -> float:
        """``E[W (1 - W)]``; 0 for a law that preserves covariance."""
        return self.moment(1) - self.moment(2)

    @property
    def shrinkage(self) -> float:
        """Factor on the covariance when independent parents are mixed: ``1 - 2 E[V]``."""
        return 1.0 - 2.0 * self.cross_moment

    @property
    def kurtosis_price(self) -> float:
        """``E[V**2]``; mixing adds 12 times this to the excess kurtosis of a Gaussian column."""
        return self.moment(2) - 2.0 * self.moment(3) + self.moment(4)

    @property
    def preserves_covariance(self) -> bool:
        """Whether mean, variance and covariance are kept exactly in expectation."""
        return abs(self.cross_moment) < 1e-9


@dataclass(frozen=True, repr=False)
class _StretchedBeta(WeightLaw):
    """``W = s B - eps0`` with ``B ~ Beta(a, b)`` and ``s = 1 + eps0 + eps1``."""

    a: float
    b: float
    eps0: float
    eps1: float

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest weight: ``(-eps0, 1 + eps1)``."""
        return (0.0 - self.eps0, 1.0 + self.eps1)

    @property
    def _stretch(self) -> float:
        return 1.0 + self.eps0 + self.eps1

    def sample(self, size: int, random_state: RandomState = None) -> FloatArray:
        """Draw weights of the left parent.

        Parameters
        ----------
        size : int
            Number of weights.
        random_state : int, numpy.random.Generator or None
            Seed.

        Returns
        -------
        ndarray of shape (size,)
            Weights in double precision, inside :attr:`support`.

        Notes
        -----
        Drawn from a quantile table of 16,384 equal-probability cells whose first two moments are
        exact; its distribution function is within 1e-4 of the law's own everywhere. Laws too
        extreme for a table (nearly all mass in the two ends) are drawn one by one.
        """
        size = check_count("size", size, low=0)
        rng = as_generator(random_state)
        table = weight_table(self.a, self.b, self.eps0, self.eps1)
        if table is not None:
            return table.draw(size, rng)
        weight = rng.beta(self.a, self.b, size)
        weight *= self._stretch
        weight -= self.eps0
        return np.clip(weight, *self.support, out=weight)

    def moment(self, order: int) -> float:
        """Return the raw moment ``E[W**order]``.

        Parameters
        ----------
        order : int
            From 0 to 4.

        Returns
        -------
        float
            The moment, in closed form.
        """
        total = 0.0
        for power in range(order + 1):
            beta = math.prod((self.a + i) / (self.a + self.b + i) for i in range(power))
            total += (
                math.comb(order, power)
                * (self._stretch**power)
                * beta
                * (-self.eps0) ** (order - power)
            )
        return total

    def pdf(self, w: npt.ArrayLike) -> FloatArray:
        """Return the density at ``w``.

        Parameters
        ----------
        w : array_like
            Weights of any shape; outside the support the density is 0.

        Returns
        -------
        ndarray
            Same shape as ``w``.
        """
        from scipy.special import betaln, xlog1py, xlogy

        b = (np.asarray(w, dtype=float) + self.eps0) / self._stretch
        inside = (b >= 0) & (b <= 1)
        b = np.where(inside, b, 0.5)
        with np.errstate(divide="ignore"):
            log = xlogy(self.a - 1, b) + xlog1py(self.b - 1, -b) - betaln(self.a, self.b)
            return np.where(inside, np.exp(log) / self._stretch, 0.0)

    def spec(self) -> dict[str, Any]:
        """Return the law as plain JSON values."""
        return {
            "law": type(self).__name__,
            "a": self.a,
            "b": self.b,
            "eps0": self.eps0,
            "eps1": self.eps1,
        }


class Uniform(_StretchedBeta):
    """Weights uniform on [0, 1], the naive choice: it shrinks covariance to two thirds.

    Examples
    --------
    >>> round(Uniform().shrinkage, 4)
    0.6667
    """

    def __init__(self) -> None:
        super().__init__(1.0, 1.0, 0.0, 0.0)

    def __repr__(self) -> str:
        return "Uniform()"


class Beta(_StretchedBeta):
    """The Beta law of ordinary mixup.

    Parameters
    ----------
    alpha : float
        First shape parameter, above 0.
    beta : float, optional
        Second shape parameter; ``alpha`` where left out.

    References
    ----------
    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018.

    Examples
    --------
    >>> round(Beta(0.1).shrinkage, 4)
    0.9167
    """

    def __init__(self, alpha: float, beta: float | None = None) -> None:
        shape = check_number("alpha", alpha, low=0, open_low=True, high=1e6)
        other = shape
        if beta is not None:
            other = check_number("beta", beta, low=0, open_low=True, high=1e6)
        super().__init__(shape, other, 0.0, 0.0)

    def __repr__(self) -> str:
        return f"Beta({self.a:g}, {self.b:g})"


class EpBeta(_StretchedBeta):
    """A Beta law stretched to [-eps0, 1 + eps1] that preserves mean, variance and covariance.

    Parameters
    ----------
    delta : float, default 0.1
        ``1 - E[W]``, between 0 and 1: the expected squared distance of a mixed row from its left
        parent, as a share of the squared distance between two random rows. Small is faithful,
        large is novel.
    eps : float or pair of float, default 0.3
        How far the support reaches below 0 and above 1; above 0.

    Attributes
    ----------
    a, b : float
        Shape parameters of the underlying Beta law, from ``delta`` and ``eps`` in closed form.
    eps0, eps1 : float
        The two stretches.

    References
    ----------
    Lee, Im and Kim, "A Generalized Theory of Mixup for Structure-Preserving Synthetic Data",
    AISTATS 2025.

    Examples
    --------
    >>> law = EpBeta(delta=0.0753, eps=0.3)
    >>> round(law.a, 2), round(law.b, 2)
    (4.29, 1.31)
    >>> law.preserves_covariance
    True
    """

    def __init__(self, delta: float = 0.1, eps: float | tuple[float, float] = 0.3) -> None:
        delta = check_number("delta", delta, low=0, high=1, open_low=True, open_high=True)
        pair = eps if isinstance(eps, (tuple, list)) else (eps, eps)
        if len(pair) != 2:
            raise ValueError(f"eps must be a number or a pair (below 0, above 1), got {eps!r}.")
        hint = "At eps = 0 the law can only copy rows; use a small value such as 0.05."
        eps0, eps1 = (
            check_number("eps", value, low=0, open_low=True, high=100, hint=hint) for value in pair
        )
        mean, stretch = 1.0 - delta, 1.0 + eps0 + eps1
        q = (mean + eps0) / stretch
        k = (mean + eps0) * (1 - mean + eps1) / (mean * (1 - mean)) - 1
        super().__init__(q * k, (1 - q) * k, eps0, eps1)

    @classmethod
    def from_parameters(cls, a: float, b: float, eps0: float, eps1: float) -> EpBeta:
        """Build the law from the paper's own four parameters; it need not preserve anything.

        Parameters
        ----------
        a, b : float
            Shape parameters, above 0.
        eps0, eps1 : float
            Reach below 0 and above 1, 0 or larger.

        Returns
        -------
        EpBeta
            See :attr:`preserves_covariance` for what it keeps.

        Examples
        --------
        >>> round(EpBeta.from_parameters(4.34, 1.33, 0.3, 0.3).mean, 4)
        0.9247
        """
        law = object.__new__(cls)
        _StretchedBeta.__init__(
            law,
            check_number("a", a, low=0, open_low=True),
            check_number("b", b, low=0, open_low=True),
            check_number("eps0", eps0, low=0),
            check_number("eps1", eps1, low=0),
        )
        return law

    @property
    def delta(self) -> float:
        """``1 - E[W]``, the dial between fidelity and novelty."""
        return 1.0 - self.mean

    def __repr__(self) -> str:
        if self.preserves_covariance:
            eps = f"{self.eps0:g}" if self.eps0 == self.eps1 else f"({self.eps0:g}, {self.eps1:g})"
            return f"EpBeta(delta={self.delta:g}, eps={eps})"
        return f"EpBeta.from_parameters({self.a:g}, {self.b:g}, {self.eps0:g}, {self.eps1:g})"


@dataclass(frozen=True)
class Fixed(WeightLaw):
    """The same weight every time.

    Parameters
    ----------
    lam : float
        Weight of the left parent; may lie outside [0, 1].

    Examples
    --------
    >>> Fixed(0.25).sample(3)
    array([0.25, 0.25, 0.25])
    """

    lam: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "lam", check_number("lam", self.lam))

    @property
    def support(self) -> tuple[float, float]:
        """The weight, twice."""
        return (self.lam, self.lam)

    def sample(self, size: int, random_state: RandomState = None) -> FloatArray:
        """Return ``size`` equal weights; ``random_state`` is not used."""
        return np.full(check_count("size", size, low=0), self.lam)

    def moment(self, order: int) -> float:
        """Return ``lam**order``."""
        return float(self.lam**order)

    def pdf(self, w: npt.ArrayLike) -> FloatArray:
        """Return the density: infinite at ``lam``, 0 elsewhere."""
        return np.where(np.asarray(w, dtype=float) == self.lam, np.inf, 0.0)

    def spec(self) -> dict[str, Any]:
        """Return the law as plain JSON values."""
        return {"law": "Fixed", "lam": self.lam}


@dataclass(frozen=True)
class SphereWeights(WeightLaw):
    """Weights of three or more parents, with sum 1 and sum of squares 1 in every draw.

    Mixing Gaussian rows with them gives exactly Gaussian rows of the same mean and covariance:
    no kurtosis price. Meant for normal scores.

    Parameters
    ----------
    parents : int, default 3
        Number of parents, 3 or more.

    Notes
    -----
    A standard normal vector is centerd, scaled to length ``sqrt(1 - 1/parents)`` and shifted by
    ``1/parents``. A single weight lies in ``[2/parents - 1, 1]``.

    Examples
    --------
    >>> w = SphereWeights(3).sample(4, random_state=0)
    >>> w.sum(axis=1).round(12), (w**2).sum(axis=1).round(12)
    (array([1., 1., 1., 1.]), array([1., 1., 1., 1.]))
    """

    parents: int = field(default=3)

    def __post_init__(self) -> None:
        hint = "For two parents use EpBeta: the sphere has only the two copies."
        object.__setattr__(self, "parents", check_count("parents", self.parents, low=3, hint=hint))

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest weight: ``(2/parents - 1, 1)``."""
        return (2.0 / self.parents - 1.0, 1.0)

    def sample(self, size: int, random_state: RandomState = None) -> FloatArray:
        """Draw weights.

        Parameters
        ----------
        size : int
            Number of mixed rows.
        random_state : int, numpy.random.Generator or None
            Seed.

        Returns
        -------
        ndarray of shape (size, parents)
            Each row has sum 1 and sum of squares 1, to rounding.
        """
        k = self.parents
        g = as_generator(random_state).standard_normal((check_count("size", size, low=0), k))
        g -= g.mean(axis=1, keepdims=True)
        g *= math.sqrt(1.0 - 1.0 / k) / np.sqrt(np.einsum("ij,ij->i", g, g))[:, None]
        g += 1.0 / k
        return g

    def moment(self, order: int) -> float:
        """Return the raw moment of a single weight.

        Parameters
        ----------
        order : int
            From 0 to 4.

        Returns
        -------
        float
            ``w = 1/k + (1 - 1/k) t`` with ``t`` a coordinate of the unit sphere in k - 1
            dimensions, so ``E[t**2] = 1/(k-1)`` and ``E[t**4] = 3/(k**2 - 1)``.
        """
        k = self.parents
        t = [1.0, 0.0, 1.0 / (k - 1), 0.0, 3.0 / (k * k - 1)]
        shift, scale = 1.0 / k, 1.0 - 1.0 / k
        return sum(
            math.comb(order, i) * scale**i * t[i] * shift ** (order - i) for i in range(order + 1)
        )

    @property
    def cross_moment(self) -> float:
        """``(1 - E[sum of squares]) / 2``: 0 always."""
        return 0.0

    @property
    def kurtosis_price(self) -> float:
        """0: Gaussian rows stay exactly Gaussian."""
        return 0.0

    def pdf(self, w: npt.ArrayLike) -> FloatArray:
        """Return the density of a single weight at ``w``, of any shape."""
        k = self.parents
        t = (np.asarray(w, dtype=float) - 1.0 / k) / (1.0 - 1.0 / k)
        log_norm = math.lgamma((k - 1) / 2) - math.lgamma((k - 2) / 2) - 0.5 * math.log(math.pi)
        with np.errstate(divide="ignore"):
            density = np.power(np.clip(1.0 - t * t, 0.0, None), (k - 4) / 2)
        return np.where(np.abs(t) <= 1, density * math.exp(log_norm) / (1.0 - 1.0 / k), 0.0)

    def spec(self) -> dict[str, Any]:
        """Return the law as plain JSON values."""
        return {"law": "SphereWeights", "parents": self.parents}


_READERS: dict[str, Callable[[dict[str, Any]], WeightLaw]] = {
    "Uniform": lambda spec: Uniform(),
    "Beta": lambda spec: Beta(spec["a"], spec["b"]),
    "EpBeta": lambda s: EpBeta.from_parameters(s["a"], s["b"], s["eps0"], s["eps1"]),
    "Fixed": lambda spec: Fixed(spec["lam"]),
    "SphereWeights": lambda spec: SphereWeights(spec["parents"]),
}


def law_from_spec(spec: dict[str, Any]) -> WeightLaw:
    """Read a law back from :meth:`WeightLaw.spec`.

    Parameters
    ----------
    spec : dict
        As written by ``spec()``.

    Returns
    -------
    WeightLaw
        The same law.

    Raises
    ------
    ValueError
        If the law's name is not known.

    Examples
    --------
    >>> law_from_spec(Beta(0.4).spec())
    Beta(0.4, 0.4)
    """
    return _READERS[check_choice("law", spec.get("law"), _READERS)](spec)
