"""Weight laws as short texts, and what they do to groups."""

from __future__ import annotations

import math

from vicinal._checks import did_you_mean
from vicinal.weights import Beta, EpBeta, Fixed, SphereWeights, Uniform, WeightLaw

__all__ = ["dominance", "law_text", "parse_law", "parse_laws"]

#: EpBeta's eps where a text says none.
DEFAULT_EPS = 0.3
#: How each law is written, with an example.
_FORMS = {
    "uniform": "uniform",
    "beta": "beta:0.1",
    "epbeta": "epbeta:0.1:0.3",
    "sphere": "sphere:8",
    "fixed": "fixed:0.7",
}


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
    counts = {"uniform": (0,), "beta": (1, 2), "epbeta": (1, 2), "sphere": (1,), "fixed": (1,)}
    if kind not in counts:
        raise ValueError(
            f"weights: no law {name!r}.{did_you_mean(kind, _FORMS)} Laws: "
            f"{', '.join(_FORMS.values())}."
        )
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = [math.nan]
    if len(parts) not in counts[kind] or any(map(math.isnan, numbers)):
        raise ValueError(f"weights must be like {_FORMS[kind]!r}, got {text!r}.")
    if kind == "sphere":
        if not numbers[0].is_integer():
            raise ValueError(f"weights must be like 'sphere:8', a whole number, got {text!r}.")
        return SphereWeights(int(numbers[0]))
    if kind == "uniform":
        return Uniform()
    if kind == "fixed":
        return Fixed(numbers[0])
    return (
        Beta(*numbers) if kind == "beta" else EpBeta(*numbers[:1], *(numbers[1:] or [DEFAULT_EPS]))
    )


def parse_laws(text: str) -> list[WeightLaw]:
    """Read several laws, with commas between them.

    Parameters
    ----------
    text : str
        See :func:`parse_law`.

    Returns
    -------
    list of WeightLaw
        At least one.

    Raises
    ------
    ValueError
        If one of them cannot be read, or there is none.

    Examples
    --------
    >>> parse_laws("uniform, beta:0.1")
    [Uniform(), Beta(0.1, 0.1)]
    """
    laws = [parse_law(part) for part in text.split(",") if part.strip()]
    if not laws:
        raise ValueError(f"weights: name at least one law, such as 'epbeta:0.1', got {text!r}.")
    return laws


def law_text(law: WeightLaw) -> str:
    """Write a law as :func:`parse_law` reads it.

    Parameters
    ----------
    law : WeightLaw
        The law.

    Returns
    -------
    str
        Numbers with up to six digits. A law that no such text stands for is written as it prints.

    Examples
    --------
    >>> law_text(EpBeta(delta=0.1, eps=0.2))
    'epbeta:0.1:0.2'
    """
    if isinstance(law, Uniform):
        return "uniform"
    if isinstance(law, SphereWeights):
        return f"sphere:{law.parents}"
    if isinstance(law, Fixed):
        return f"fixed:{law.lam:g}"
    if isinstance(law, Beta):
        return f"beta:{law.a:g}" if law.a == law.b else f"beta:{law.a:g}:{law.b:g}"
    if isinstance(law, EpBeta) and law.preserves_covariance and law.eps0 == law.eps1:
        return f"epbeta:{law.delta:g}" + ("" if law.eps0 == DEFAULT_EPS else f":{law.eps0:g}")
    return repr(law)


def dominance(law: WeightLaw) -> float:
    """Return the mean of the heaviest parent's weight, ``E[max(W, 1 - W)]`` for two parents.

    Parameters
    ----------
    law : WeightLaw
        The law.

    Returns
    -------
    float
        A category that comes from the heaviest parent keeps this share of what it says about a
        number, where partners are drawn over all rows.

    Notes
    -----
    For a stretched Beta law it is ``1/2 + E|W - 1/2|``, from incomplete Beta functions. For
    sphere weights it is ``1/k + sqrt(1 - 1/k) E[max of k normals] / E[chi with k - 1 degrees]``:
    direction and length of a centerd normal vector are independent. Other laws with two parents
    are integrated numerically.

    Examples
    --------
    >>> round(dominance(Uniform()), 4), round(dominance(EpBeta(0.1, 0.3)), 4)
    (0.75, 0.9447)
    """
    from scipy.integrate import quad
    from scipy.special import betainc, gammaln

    if isinstance(law, SphereWeights):
        k = law.parents
        # the mean of the largest of k normals is the integral of 1 - F**k above 0, F**k below
        largest = quad(lambda x: 1 - _normal(x) ** k - _normal(-x) ** k, 0, 12)[0]
        length = math.sqrt(2) * math.exp(gammaln(k / 2) - gammaln((k - 1) / 2))
        return float(1 / k + math.sqrt(1 - 1 / k) * largest / length)
    if isinstance(law, (Uniform, Beta, EpBeta)):
        stretch = 1 + law.eps0 + law.eps1
        at = (law.eps0 + 0.5) / stretch
        mean = law.a / (law.a + law.b)
        above = mean * (1 - betainc(law.a + 1, law.b, at)) - at * (1 - betainc(law.a, law.b, at))
        return float(0.5 + stretch * (2 * above - (mean - at)))
    low, high = law.support
    if low == high:
        return max(low, 1 - low)
    points = [0.5] if low < 0.5 < high else None
    return float(quad(lambda w: max(w, 1 - w) * float(law.pdf(w)), low, high, points=points)[0])


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))
