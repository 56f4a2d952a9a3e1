"""Collapse: what is left when synthetic rows are made from synthetic rows, again and again."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal._checks import check_choice, check_count
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import CollapseKey, RandomState, Seeds
from vicinal.page.frame import Page
from vicinal.page.result import RowsResult
from vicinal.weights import WeightLaw, check_law, dominance, law_text

if TYPE_CHECKING:
    from vicinal.report.collapse.generations import Measures, Start

#: Rows that the first generation learns from, at most.
MOST_ROWS = 20_000

#: Fields of a curve that the summary shows, with their heads and widths.
_SHOWN = {
    "variance": ("variance", 9),
    "variance_error": ("± 2 se", 6),
    "predicted_variance": ("theory", 7),
    "attenuation": ("assoc.", 8),
    "predicted_attenuation": ("theory", 7),
    "correlation_error": ("correlation error", 18),
    "coverage": ("categories", 11),
}


@dataclass(frozen=True)
class CollapseCurve:
    """What one law leaves, generation by generation; the first entry is the real table.

    Attributes
    ----------
    law : str
        The law, as the command line writes it.
    rho : float
        Share of the variance that one round keeps (:attr:`vicinal.WeightLaw.shrinkage`).
    a : float
        Mean weight of the heaviest parent: the share of what a category says about a number that
        one round keeps.
    variance : tuple of float
        Variance over that of the real table, mean over numeric columns.
    variance_error : tuple of float
        Its standard error, from the kurtosis of each generation; too small with very heavy tails.
    attenuation : tuple of float
        What categories say about numbers, over what they say in the real table: the slope of
        the differences between group means and the mean against the real ones.
    correlation_error : tuple of float
        Largest difference of a rank correlation of two numbers from the real one.
    coverage : tuple of float
        Share of the real categories that still occur, mean over columns.
    utility : tuple of float
        AUC or R2 of boosted trees that learn from this generation and predict real rows that no
        generation learned from; NaN where not measured.
    predicted_variance, predicted_attenuation : tuple of float
        What theory says: powers of ``rho`` and ``a``; NaN where it says nothing.
    """

    law: str
    rho: float
    a: float
    variance: tuple[float, ...]
    variance_error: tuple[float, ...]
    attenuation: tuple[float, ...]
    correlation_error: tuple[float, ...]
    coverage: tuple[float, ...]
    utility: tuple[float, ...]
    predicted_variance: tuple[float, ...]
    predicted_attenuation: tuple[float, ...]


@dataclass(frozen=True)
class Collapse(RowsResult):
    """Synthesis from synthesis, under several laws.

    Attributes
    ----------
    curves : tuple of CollapseCurve
        One for each law.
    generations : int
        Rounds of synthesis.
    rows : int
        Rows of each generation.
    marginals : str
        "raw" or "normal-score".
    within : tuple of str
        Columns whose groups were never mixed.
    target : str or None
        What models predict.
    metric : str
        "AUC" or "R2"; empty where no utility was measured.
    sampled : str
        How rows were drawn, in words.
    """

    curves: tuple[CollapseCurve, ...]
    generations: int
    rows: int
    marginals: str
    within: tuple[str, ...]
    target: str | None
    metric: str
    sampled: str

    def summary(self) -> str:
        """Return the curves as a text: some generations of each law."""
        heads = _SHOWN | {"utility": (self.metric or "utility", 8)}
        head = " ".join(f"{text:>{width}}" for text, width in heads.values())
        lines = [f"{'law':<16} {'round':>5} {head}"]
        for one in self.curves:
            for at in milestones(self.generations):
                figures = {name: getattr(one, name)[at] for name in heads}
                figures["variance_error"] *= 2
                said = " ".join(f"{_figure(v):>{heads[name][1]}}" for name, v in figures.items())
                lines.append(f"{one.law if at == 0 else '':<16} {at:>5} {said}")
        lines += [
            "",
            "Variance is a share of the real one, mean over numeric columns. Association (assoc.) "
            "is what categories say about numbers, as a share of what they say in the real table. "
            "Every round draws rows anew: curves wander about theory's, more so with heavy tails.",
            self.sampled,
        ]
        return "\n".join(line.rstrip() for line in lines)

    def _columns(self) -> dict[str, Any]:
        fields = ("variance", "attenuation", "correlation_error", "coverage", "utility")
        rounds = range(self.generations + 1)
        return {
            "law": [one.law for one in self.curves for _ in rounds],
            "generation": [at for _ in self.curves for at in rounds],
        } | {name: [v for one in self.curves for v in getattr(one, name)] for name in fields}

    def _page(self) -> Page:
        from vicinal.report.page.collapse_and_tune import collapse_page

        return collapse_page(self)


def _figure(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"


def milestones(generations: int) -> list[int]:
    """Return the generations to look at closely: 0, 1, 2, 5, 10, 20, 50 ..., and the last."""
    steps = {0, generations}
    scale = 1
    while scale <= generations:
        steps |= {step * scale for step in (1, 2, 5) if step * scale <= generations}
        scale *= 10
    return sorted(steps)


def measure_collapse(
    table: Any,
    *,
    weights: WeightLaw | Sequence[WeightLaw],
    generations: int = 50,
    target: str | None = None,
    marginals: str = "raw",
    within: str | Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    utility: bool = True,
    max_rows: int = MOST_ROWS,
    random_state: RandomState = None,
    progress: bool | ProgressCallback = False,
) -> Collapse:
    """Make each generation from the one before, and follow what is left of the real table.

    Parameters
    ----------
    table : pandas, Polars or PyArrow table
        The real rows. Identifiers, free text and constants are left out.
    weights : WeightLaw or sequence of WeightLaw
        Laws to compare.
    generations : int, default 50
        Rounds of synthesis.
    target : str, optional
        Column that a model is to predict. Name it in ``within``, too, to keep its groups apart.
    marginals : {"raw", "normal-score"}, default "raw"
        "raw" is what the theory is about; numbers are then not rounded, which would add variance.
        "normal-score" gives each column its distribution back in every generation.
    within : str or sequence of str, optional
        Columns whose groups are never mixed; attenuation is then that of these columns.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong.
    utility : bool, default True
        Whether to train models, where there is a target: a quarter of the rows is then held out.
    max_rows : int, default 20000
        Rows that the first generation learns from, at most.
    random_state : int, numpy.random.Generator or None, default None
        Seed.
    progress : bool or callable, default False
        True shows a bar; a callable is given the law, the rounds done and the number of all.

    Returns
    -------
    Collapse
        Curves, with theory's beside them.

    Raises
    ------
    ValueError
        If there is no law, or nothing to follow, or a column that is named is not there.
    TypeError
        If a law is none.

    Notes
    -----
    A law that keeps the variance keeps it on average: every round draws rows anew, so that it
    wanders, the more the fewer the rows and the heavier the tails, to which EpBeta adds
    (:attr:`vicinal.WeightLaw.kurtosis_price`). What categories say about numbers is kept only
    where they are named in ``within``.

    References
    ----------
    Shumailov, Shumaylov, Zhao, Papernot, Anderson and Gal, "AI models collapse when trained on
    recursively generated data", Nature, 2024.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal import EpBeta, Uniform
    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({"x": rng.normal(size=2000), "y": rng.normal(size=2000)})
    >>> laws = [Uniform(), EpBeta(delta=0.1, eps=0.3)]
    >>> found = measure_collapse(table, weights=laws, generations=5, random_state=0)
    >>> naive, kept = found.curves
    >>> naive.variance[-1] < 0.2, kept.variance[-1] > 0.8
    (True, True)
    """
    from vicinal.report.collapse.generations import Measures, start
    from vicinal.table.synthesizer import TableSynthesizer

    laws: list[WeightLaw] = [weights] if isinstance(weights, WeightLaw) else list(weights)
    if not laws:
        raise ValueError("weights: name at least one law, such as EpBeta(0.1).")
    for law in laws:
        check_law(law)
    generations = check_count("generations", generations)
    max_rows = check_count("max_rows", max_rows, low=2)
    check_choice("marginals", marginals, ["raw", "normal-score"])
    groups = (within,) if isinstance(within, str) else tuple(within or ())
    seeds = Seeds(random_state)
    begun = start(
        table,
        raw=marginals == "raw",
        target=target,
        within=groups,
        kinds=kinds,
        max_rows=max_rows,
        utility=utility,
        rng=seeds.generator(CollapseKey.ROWS),
    )
    total = generations * len(laws)
    closely = milestones(generations)
    curves = []
    with warnings.catch_warnings(), reporting(progress) as report:
        warnings.simplefilter("ignore", UserWarning)  # the same notes again in every round
        for number, law in enumerate(laws):
            measures, current = Measures(begun), begun.train
            for generation in range(1, generations + 1):
                rng = seeds.generator(CollapseKey.LAW, number, generation)
                synthesizer = TableSynthesizer(
                    method="rows",
                    weights=law,
                    marginals=marginals,
                    within=groups,
                    categories="parent",
                    kinds=begun.kinds,
                    random_state=rng,
                )
                current = synthesizer.fit(current).sample()
                measures.add(current, closely=generation in closely)
                report(law_text(law), number * generations + generation, total)
            curves.append(_curve(law, marginals == "raw", generations, begun, measures))
    return Collapse(
        tuple(curves),
        generations,
        begun.train.num_rows,
        marginals,
        groups,
        target,
        begun.metric,
        begun.sampled,
    )


def _curve(
    law: WeightLaw, raw: bool, generations: int, begun: Start, measures: Measures
) -> CollapseCurve:
    rho, a = law.shrinkage, dominance(law)
    rounds = np.arange(generations + 1.0)
    variance = association = np.full(generations + 1, np.nan)
    if raw and len(begun.between):
        # what groups differ by is kept where they are never mixed
        kept = begun.between[:, None]
        variance = (kept + (1 - kept) * rho**rounds).mean(axis=0)
    if raw and begun.has_associations:
        association = np.ones(generations + 1) if begun.within else a**rounds
    return CollapseCurve(
        law=law_text(law),
        rho=rho,
        a=a,
        **{name: tuple(values) for name, values in measures.figures.items()},
        utility=tuple(measures.utilities(generations)),
        predicted_variance=tuple(variance.tolist()),
        predicted_attenuation=tuple(association.tolist()),
    )
