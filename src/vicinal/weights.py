"""Laws of the mixing weight: how much of the left parent goes into a mixed row.

A law with ``E[W (1 - W)] = 0`` keeps mean, variance and covariance of what it mixes; on [0, 1]
only copying does that, so :class:`EpBeta` reaches a little beyond.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number, did_you_mean
from vicinal._quantiles import weight_table
from vicinal._random import RandomState, as_generator
from vicinal._types import Floats

#: EpBeta's eps where none is given.
DEFAULT_EPS = 0.3


class WeightLaw(ABC):
    """A distribution of mixing weights ``W``; ``V`` stands for ``W (1 - W)``."""

    parents: int = 2

    @abstractmethod
    def sample(self, n_samples: int, random_state: RandomState = None) -> Floats:
        """Draw weights.

        Parameters
        ----------
        n_samples : int
            Number of mixed rows.
        random_state : int, numpy.random.Generator or None
            Seed.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, parents)
            Weights of the left parent; with more than two parents those of all, with sum 1.

        Notes
        -----
        Beta laws, but for the most extreme, are drawn from a table of 16,384 equal-probability
        cells with exact first two moments and a distribution function within 1e-4 of the law's.
        """

    @abstractmethod
    def moment(self, order: int) -> float:
        """Return the raw moment ``E[W**order]`` of a single weight, in closed form."""

    @abstractmethod
    def pdf(self, w: npt.ArrayLike) -> Floats:
        """Return the density of a single weight at ``w``, an array of any shape."""

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


def check_law(weights: Any, parents: int | None = None) -> WeightLaw:
    """Return what is a law, of so many parents, and refuse anything else."""
    if not isinstance(weights, WeightLaw) or parents not in (None, weights.parents):
        of = "" if parents is None else "of two parents "
        raise TypeError(
            f"weights must be a WeightLaw {of}such as vicinal.EpBeta(0.1), got {weights!r}."
        )
    return weights


def _digits(value: float) -> str:
    """Return a number as short as it can be read back."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


@dataclass(frozen=True, repr=False)
class _StretchedBeta(WeightLaw):
    """``W = s B - eps0`` with ``B ~ Beta(a, b)`` and ``s = 1 + eps0 + eps1``."""

    a: float
    b: float
    eps0: float
    eps1: float

    @property
    def support(self) -> tuple[float, float]:
        return (0.0 - self.eps0, 1.0 + self.eps1)

    @property
    def _stretch(self) -> float:
        return 1.0 + self.eps0 + self.eps1

    def sample(self, n_samples: int, random_state: RandomState = None) -> Floats:
        n_samples = check_count("n_samples", n_samples, low=0)
        rng = as_generator(random_state)
        table = weight_table(self.a, self.b, self.eps0, self.eps1)
        if table is not None:
            return table.draw(n_samples, rng)
        weight = rng.beta(self.a, self.b, n_samples)
        weight *= self._stretch
        weight -= self.eps0
        return np.clip(weight, *self.support, out=weight)

    def moment(self, order: int) -> float:
        total = 0.0
        for power in range(order + 1):
            beta = math.prod((self.a + i) / (self.a + self.b + i) for i in range(power))
            shift = (-self.eps0) ** (order - power)
            total += math.comb(order, power) * self._stretch**power * beta * shift
        return total

    def pdf(self, w: npt.ArrayLike) -> Floats:
        from scipy.special import betaln, xlog1py, xlogy

        b = (np.asarray(w, dtype=float) + self.eps0) / self._stretch
        inside = (b >= 0) & (b <= 1)
        b = np.where(inside, b, 0.5)
        with np.errstate(divide="ignore"):
            log = xlogy(self.a - 1, b) + xlog1py(self.b - 1, -b) - betaln(self.a, self.b)
            return np.where(inside, np.exp(log) / self._stretch, 0.0)

    def spec(self) -> dict[str, Any]:
        return {"law": type(self).__name__, **asdict(self)}


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
        a = check_number("alpha", alpha, low=0, open_low=True, high=1e6)
        b = a if beta is None else check_number("beta", beta, low=0, open_low=True, high=1e6)
        super().__init__(a, b, 0.0, 0.0)

    def __repr__(self) -> str:
        return f"Beta({_digits(self.a)}, {_digits(self.b)})"


class EpBeta(_StretchedBeta):
    """A Beta law stretched to [-eps0, 1 + eps1] that preserves mean, variance and covariance.

    Parameters
    ----------
    delta : float, default 0.1
        ``1 - E[W]``, in (0, 1): the expected squared distance of a mixed row from its left parent,
        as a share of that between two random rows. Small is faithful, large is novel.
    eps : float or pair of float, default 0.3
        How far the support reaches below 0 and above 1; above 0.

    Attributes
    ----------
    a, b, eps0, eps1 : float
        Shape parameters of the underlying Beta law, and the two stretches.

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

    def __init__(self, delta: float = 0.1, eps: float | tuple[float, float] = DEFAULT_EPS) -> None:
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
            The law.

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

    def _delta_text(self) -> str:
        """Return the shortest delta that makes this very law, or nothing."""
        if not self.preserves_covariance:
            return ""
        # the mean comes back from the parameters with an error in its last digits
        steps = (step * math.ulp(self.mean) for step in sorted(range(-64, 65), key=abs))
        deltas = (1.0 - (self.mean + step) for step in steps)
        likely = (self.delta, *(delta for delta in deltas if self._has_delta(delta)))
        texts = (f"{delta:.{digits}g}" for delta in likely for digits in range(6, 18))
        return next((text for text in texts if self._has_delta(float(text))), "")

    def _has_delta(self, delta: float) -> bool:
        try:
            return EpBeta(delta, (self.eps0, self.eps1)) == self
        except ValueError:  # from_parameters takes what no delta gives
            return False

    def __repr__(self) -> str:
        a, b, eps0, eps1 = map(_digits, (self.a, self.b, self.eps0, self.eps1))
        if delta := self._delta_text():
            return f"EpBeta(delta={delta}, eps={eps0 if eps0 == eps1 else f'({eps0}, {eps1})'})"
        return f"EpBeta.from_parameters({a}, {b}, {eps0}, {eps1})"


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

    def sample(self, n_samples: int, random_state: RandomState = None) -> Floats:
        """Return equal weights."""
        return np.full(check_count("n_samples", n_samples, low=0), self.lam)

    def moment(self, order: int) -> float:
        """Return ``lam**order``."""
        return float(self.lam**order)

    def pdf(self, w: npt.ArrayLike) -> Floats:
        """Return the density: infinite at ``lam``, 0 elsewhere."""
        return np.where(np.asarray(w, dtype=float) == self.lam, np.inf, 0.0)

    def spec(self) -> dict[str, Any]:
        """Return the law as plain JSON values."""
        return {"law": "Fixed", "lam": self.lam}


class SphereWeights(_StretchedBeta):
    """Weights of three or more parents, with sum 1 and sum of squares 1 in every draw.

    Gaussian rows mixed with them are Gaussian rows of the same mean and covariance.

    Parameters
    ----------
    parents : int, default 3
        Number of parents, 3 or more.

    Notes
    -----
    A normal vector is centered, scaled to length ``sqrt(1 - 1/parents)`` and shifted by
    ``1/parents``. A single weight lies in ``[2/parents - 1, 1]``.

    Examples
    --------
    >>> w = SphereWeights(3).sample(4, random_state=0)
    >>> w.sum(axis=1).round(12), (w**2).sum(axis=1).round(12)
    (array([1., 1., 1., 1.]), array([1., 1., 1., 1.]))
    """

    def __init__(self, parents: int = 3) -> None:
        hint = "For two parents use EpBeta: the sphere has only the two copies."
        k = check_count("parents", parents, low=3, hint=hint)
        # a single weight is 1/k + (1 - 1/k) t with t a coordinate of the sphere in k - 1 dimensions
        super().__init__(k / 2 - 1, k / 2 - 1, 1 - 2 / k, 0.0)
        object.__setattr__(self, "parents", k)

    def __repr__(self) -> str:
        return f"SphereWeights(parents={self.parents})"

    def sample(self, n_samples: int, random_state: RandomState = None) -> Floats:
        """Draw weights, shape (n_samples, parents)."""
        k = self.parents
        shape = (check_count("n_samples", n_samples, low=0), k)
        g = as_generator(random_state).standard_normal(shape)
        g -= g.mean(axis=1, keepdims=True)
        g *= math.sqrt(1.0 - 1.0 / k) / np.sqrt(np.einsum("ij,ij->i", g, g))[:, None]
        g += 1.0 / k
        return g

    @property
    def cross_moment(self) -> float:
        """``(1 - E[sum of squares]) / 2``: 0 always."""
        return 0.0

    @property
    def kurtosis_price(self) -> float:
        """0: Gaussian rows stay exactly Gaussian."""
        return 0.0

    def spec(self) -> dict[str, Any]:
        """Return the law as plain JSON values."""
        return {"law": "SphereWeights", "parents": self.parents}


_READERS: dict[str, Callable[..., WeightLaw]] = {
    "Uniform": lambda **_: Uniform(),
    "Beta": lambda a, b, **_: Beta(a, b),
    "EpBeta": EpBeta.from_parameters,
    "Fixed": Fixed,
    "SphereWeights": SphereWeights,
}


def law_from_spec(spec: dict[str, Any]) -> WeightLaw:
    """Read a law back from :meth:`WeightLaw.spec`."""
    parts = {key: value for key, value in spec.items() if key != "law"}
    return _READERS[check_choice("law", spec.get("law"), _READERS)](**parts)


#: How each law is written, and how many numbers may follow its name.
_FORMS = {
    "uniform": ("uniform", (0,)),
    "beta": ("beta:0.1", (1, 2)),
    "epbeta": ("epbeta:0.1:0.3", (1, 2)),
    "sphere": ("sphere:8", (1,)),
    "fixed": ("fixed:0.7", (1,)),
}
_LAWS: dict[str, Callable[..., WeightLaw]]
_LAWS = {"uniform": Uniform, "beta": Beta, "epbeta": EpBeta, "fixed": Fixed}


def parse_law(text: str) -> WeightLaw:
    """Read a law from a short text.

    Parameters
    ----------
    text : str
        ``uniform``, ``beta:alpha``, ``epbeta:delta`` (eps is 0.3) or ``epbeta:delta:eps``,
        ``sphere:parents``, or ``fixed:lam``.

    Returns
    -------
    WeightLaw
        The law.

    Raises
    ------
    ValueError
        If the text is not of that form, or a number is out of range.

    Examples
    --------
    >>> parse_law("epbeta:0.1:0.3")
    EpBeta(delta=0.1, eps=0.3)
    >>> parse_law("sphere:8").parents
    8
    """
    name, *parts = (part.strip() for part in str(text).split(":"))
    kind = name.casefold()
    if kind not in _FORMS:
        forms = ", ".join(form for form, _ in _FORMS.values())
        raise ValueError(f"weights: no law {name!r}.{did_you_mean(kind, _FORMS)} Laws: {forms}.")
    form, counts = _FORMS[kind]
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = [math.nan]
    if len(parts) not in counts or any(map(math.isnan, numbers)):
        raise ValueError(f"weights must be like {form!r}, got {text!r}.")
    if kind == "sphere":
        if not numbers[0].is_integer():
            raise ValueError(f"weights must be like {form!r}, a whole number, got {text!r}.")
        return SphereWeights(int(numbers[0]))
    return _LAWS[kind](*numbers)


def parse_laws(text: str) -> list[WeightLaw]:
    """Read several laws, with commas between them."""
    laws = [parse_law(part) for part in text.split(",") if part.strip()]
    if not laws:
        raise ValueError(f"weights: name at least one law, such as 'epbeta:0.1', got {text!r}.")
    return laws


def law_text(law: WeightLaw) -> str:
    """Write a law as :func:`parse_law` reads it, or as it prints where no text stands for it."""
    if isinstance(law, Uniform):
        return "uniform"
    if isinstance(law, SphereWeights):
        return f"sphere:{law.parents}"
    if isinstance(law, Fixed):
        return f"fixed:{_digits(law.lam)}"
    if isinstance(law, Beta):
        return f"beta:{_digits(law.a)}" + ("" if law.a == law.b else f":{_digits(law.b)}")
    if isinstance(law, EpBeta) and law.eps0 == law.eps1 and (delta := law._delta_text()):
        return f"epbeta:{delta}" + ("" if law.eps0 == DEFAULT_EPS else f":{_digits(law.eps0)}")
    return repr(law)


def dominance(law: WeightLaw) -> float:
    """Return the mean of the heaviest parent's weight, ``E[max(W, 1 - W)]`` for two parents."""
    from scipy.integrate import quad
    from scipy.special import betainc, ndtr
    from scipy.stats import chi

    if isinstance(law, SphereWeights):
        # 1/k + sqrt(1 - 1/k) E[max of k normals] / E[chi with k - 1 degrees]: direction and
        # length of a centered normal vector are independent. The mean of the largest of k
        # normals is the integral of 1 - F**k above 0, F**k below.
        k = law.parents
        largest = quad(lambda x: 1 - ndtr(x) ** k - ndtr(-x) ** k, 0, 12)[0]
        return float(1 / k + math.sqrt(1 - 1 / k) * largest / chi(k - 1).mean())
    if isinstance(law, _StretchedBeta):  # 1/2 + E|W - 1/2|
        stretch = law._stretch
        at = (law.eps0 + 0.5) / stretch
        mean = law.a / (law.a + law.b)
        above = mean * (1 - betainc(law.a + 1, law.b, at)) - at * (1 - betainc(law.a, law.b, at))
        return float(0.5 + stretch * (2 * above - (mean - at)))
    low, high = law.support
    if low == high:
        return max(low, 1 - low)
    points = [0.5] if low < 0.5 < high else None
    return float(quad(lambda w: max(w, 1 - w) * float(law.pdf(w)), low, high, points=points)[0])
