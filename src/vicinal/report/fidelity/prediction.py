"""What a plan's weights and parents lead one to expect of the mixed rows' moments."""

from __future__ import annotations

from math import comb, perm
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal._random import CHUNK_ROWS
from vicinal._threads import for_chunks
from vicinal._types import Floats
from vicinal.report.fidelity.columns import mean_and_std
from vicinal.report.tables import Tables
from vicinal.table.numbers import MAX_DECIMALS

if TYPE_CHECKING:
    from vicinal.plan import MixPlan


#: Rows on which it is tried whether synthetic numbers are mixes of the real ones ...
TRIED_ROWS = 2000
#: ... and the share of them that must be, where parents differ.
MIXED_SHARE = 0.95
#: Weights of more than two parents must be exchangeable, to this many standard errors.
EXCHANGEABLE_ERRORS = 6.0


class Prediction(NamedTuple):
    """Expected moments."""

    # (n_columns, 4) mean, variance, skewness and excess kurtosis; NaN where nothing is predicted
    single: Floats
    covariance: Floats  # (n_columns, n_columns) in the columns' own units
    law: str  # what it rests on, in words


def predict(tables: Tables, plan: MixPlan | None) -> Prediction:
    """Predict the moments of the synthetic numbers from the parents that a plan names."""
    # parents' values are taken as they are, so that near, far or grouped partners are allowed for;
    # weights enter by their averages over the plan, three or more as if exchangeable
    n_columns = len(tables.numeric)
    single, covariance = np.full((n_columns, 4), np.nan), np.full((n_columns, n_columns), np.nan)
    if plan is None:
        return Prediction(single, covariance, "")
    if len(plan) != len(tables.synthetic):
        raise ValueError(
            f"plan has {len(plan)} rows but the synthetic table has {len(tables.synthetic)}. Give "
            "the plan that sample(return_plan=True) returned with this table, or none."
        )
    powers = (float((plan.weights**degree).sum(axis=1).mean()) for degree in (2, 3, 4))
    said = ", ".join(f"E[sum w^{at}] = {power:.4f}" for at, power in enumerate(powers, 2))
    law = f"The plan mixes {plan.n_parents} parents with {said}."
    if int(plan.parents.max()) >= len(tables.real):
        law += " It names rows that the real table has not, so nothing is predicted from it."
    elif plan.n_parents > 2 and not _exchangeable(plan):
        law += " Some parents weigh more than others by their place, so nothing is predicted."
    else:
        mixed = [at for at in range(n_columns) if _is_mixed(tables, plan, at)]
        law = f"{law} {_scope(len(mixed), n_columns)}".strip()
        if mixed:
            single[mixed], products = _expected(tables.real.numbers[:, mixed], plan)
            covariance[np.ix_(mixed, mixed)] = products
    return Prediction(single, covariance, law)


def _scope(mixed: int, total: int) -> str:
    rest = (
        "mixed on another scale (such as normal scores, which keep each column as it is) or with "
        "gaps, and held against the real table"
    )
    if not total:
        return ""
    if not mixed:
        return f"No numeric column is a plain mix of its real rows: all are {rest}."
    said = f"{mixed} of {total} numeric columns are plain mixes of its real rows and predicted"
    return f"{said}." if mixed == total else f"{said}; the others are {rest}."


def _exchangeable(plan: MixPlan) -> bool:
    means, std = plan.weights.mean(axis=0), plan.weights.std(axis=0)
    off = np.abs(means - 1.0 / plan.n_parents)
    return bool((off <= EXCHANGEABLE_ERRORS * std / len(plan) ** 0.5 + 1e-6).all())


def _is_mixed(tables: Tables, plan: MixPlan, at: int) -> bool:
    """Tell whether synthetic numbers are the plan's mixes of the real ones, up to rounding."""
    real, synthetic = tables.real.numbers[:, at], tables.synthetic.numbers[:, at]
    if np.isnan(real).any() or np.isnan(synthetic).any():
        return False
    step = max(1, len(plan) // TRIED_ROWS)
    tried = plan[::step]
    parents = real[tried.parents]
    differ = parents.max(axis=1) > parents.min(axis=1)
    if not differ.any():
        return bool((synthetic[::step] == parents[:, 0]).all())
    mixes = (parents * tried.weights).sum(axis=1)
    off = np.abs(mixes - synthetic[::step])[differ]
    allowed = _half_step(real[:TRIED_ROWS]) + 1e-3 * mean_and_std(real)[1]
    return bool((off <= allowed).mean() >= MIXED_SHARE)


def _half_step(values: Floats) -> float:
    """Return half of the last decimal place that the values use; 0 where they use many."""
    for places in range(MAX_DECIMALS + 1):
        if np.array_equal(np.round(values, places), values):
            return 0.5 * 10.0**-places
    return 0.0


def _expected(real: Floats, plan: MixPlan) -> tuple[Floats, Floats]:
    """Return expected moments, shape (n_columns, 4), and covariance of the mixes."""
    ends = [mean_and_std(column) for column in real.T]
    center, scale = (np.array([one[at] for one in ends]) for at in (0, 1))
    rows = np.ascontiguousarray((real - center) / np.where(scale > 0, scale, 1.0))
    power, product = (_of_two if plan.n_parents == 2 else _of_many)(rows, plan)
    first, second, third, fourth = power  # about the real mean, standardized
    variance = second - first**2
    skewed = third - 3 * first * second + 2 * first**3
    heavy = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    single = np.full((len(first), 4), np.nan)
    single[:, 0] = center + first * scale
    single[:, 1] = variance * scale**2
    varied = variance > 1e-14
    single[varied, 2] = skewed[varied] / variance[varied] ** 1.5
    single[varied, 3] = heavy[varied] / variance[varied] ** 2 - 3.0
    return single, (product - np.outer(first, first)) * np.outer(scale, scale)


def _sum_over_chunks(plan: MixPlan, part: Any) -> Any:
    """Return the mean over the plan's rows of what ``part`` adds up on a chunk."""
    found: list[Any] = [None] * -(-len(plan) // CHUNK_ROWS)

    def work(start: int, stop: int) -> None:
        found[start // CHUNK_ROWS] = part(plan.parents[start:stop])

    for_chunks(work, len(plan), CHUNK_ROWS)
    return [sum(each) / len(plan) for each in zip(*found, strict=True)]


def _of_two(rows: Floats, plan: MixPlan) -> tuple[Floats, Floats]:
    """Expect ``(W left + (1 - W) right)**d`` for d = 1 to 4, and products of two columns."""
    from vicinal.report.fidelity._kernels import two_parents

    n_columns = rows.shape[1]
    weights = plan.weights.astype(np.float64)

    def part(parents: Any) -> tuple[Floats, Floats]:
        sums = np.zeros((5, 5, n_columns))
        two_parents(rows, parents[:, 0], parents[:, 1], sums)
        return sums, rows[parents[:, 0]].T @ rows[parents[:, 1]]

    def weight(of_left: int, of_right: int) -> float:
        return float((weights[:, 0] ** of_left * weights[:, 1] ** of_right).mean())

    sums, cross = _sum_over_chunks(plan, part)
    powers = [
        sum(comb(d, a) * weight(a, d - a) * sums[a, d - a] for a in range(d + 1))
        for d in range(1, 5)
    ]
    own = [_own_products(rows, plan.parents[:, side]) for side in (0, 1)]
    products = weight(2, 0) * own[0] + weight(0, 2) * own[1] + weight(1, 1) * (cross + cross.T)
    return np.array(powers), products


def _own_products(rows: Floats, parents: Any) -> Floats:
    """Return the mean over the plan's rows of the products of two columns of their parents."""
    counts = np.bincount(parents.reshape(-1), minlength=len(rows)).astype(np.float64)
    products: Floats = rows.T @ (rows * counts[:, None]) / len(parents)
    return products


def _of_many(rows: Floats, plan: MixPlan) -> tuple[Floats, Floats]:
    """Expect powers and products of ``sum w x`` for exchangeable weights with sum 1."""
    from vicinal.report.fidelity._kernels import many_parents

    k = plan.n_parents
    weights = plan.weights.astype(np.float64)
    w2, w3, w4 = ((weights**degree).sum(axis=1) for degree in (2, 3, 4))

    def mean(term: Floats, parents: int) -> float:
        # over ordered choices of distinct parents; there is none where they are too few
        ways = perm(k, parents)
        return float(term.mean()) / ways if ways else 0.0

    second = np.array([mean(w2, 1), mean(1 - w2, 2)])
    third = np.array([mean(w3, 1), mean(w2 - w3, 2), mean(1 - 3 * w2 + 2 * w3, 3)])
    fourth = np.array(
        [
            mean(w4, 1),
            mean(w3 - w4, 2),
            mean(w2**2 - w4, 2),
            mean(w2 - w2**2 - 2 * w3 + 2 * w4, 3),
            mean(1 - 6 * w2 + 3 * w2**2 + 8 * w3 - 6 * w4, 4),
        ]
    )

    def part(parents: Any) -> tuple[Floats, Floats]:
        totals, sums = np.empty((len(parents), rows.shape[1])), np.zeros((4, rows.shape[1]))
        many_parents(rows, parents, second, third, fourth, totals, sums)
        return sums, totals.T @ totals

    powers, together = _sum_over_chunks(plan, part)
    own = _own_products(rows, plan.parents)
    return powers, second[0] * own + second[1] * (together - own)
