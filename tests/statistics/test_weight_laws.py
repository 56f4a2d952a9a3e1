"""Draws of every law against its closed forms, its density and SciPy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from vicinal import Beta, EpBeta, SphereWeights, Uniform
from vicinal._quantiles import TABLE_CELLS, TABLE_DISTANCE, weight_table

SIZE = 400_000
BETAS = [
    Uniform(),
    Beta(0.1),
    Beta(0.4, 2.0),
    Beta(5.0),
    EpBeta(),
    EpBeta(0.05, 0.05),
    EpBeta(0.5, 0.5),
    EpBeta(0.3, (0.01, 2.0)),
    EpBeta.from_parameters(4.34, 1.33, 0.3, 0.3),
]
SPHERES = [SphereWeights(3), SphereWeights(4), SphereWeights(5), SphereWeights(8)]


@pytest.mark.parametrize("law", BETAS + SPHERES, ids=repr)
def test_sample_moments(law, z_limit):
    drawn = law.sample(SIZE, random_state=1)
    columns = drawn[:, None] if drawn.ndim == 1 else drawn
    limit = z_limit(4 * columns.shape[1] * len(BETAS + SPHERES))
    for order in range(1, 5):
        for column in columns.T:
            power = column**order
            error = power.std() / np.sqrt(SIZE)
            assert abs(power.mean() - law.moment(order)) < limit * error
    v = drawn * (1 - drawn) if drawn.ndim == 1 else (1 - (drawn**2).sum(axis=1)) / 2
    error = v.std() / np.sqrt(SIZE)
    assert abs(v.mean() - law.cross_moment) < limit * error + 1e-12
    if law.parents == 2:
        error = (v**2).std() / np.sqrt(SIZE)
        assert abs((v**2).mean() - law.kurtosis_price) < limit * error


@pytest.mark.parametrize("law", BETAS + SPHERES, ids=repr)
def test_moments_against_integrals_of_the_density(law):
    low, high = law.support
    k = law.parents
    ends = (law.a - 1, law.b - 1) if k == 2 else ((k - 4) / 2, (k - 4) / 2)

    def smooth(w):  # the density without the factors that may be infinite at the ends
        inside = min(max(w, low + 1e-9), high - 1e-9)
        at_ends = (inside - low) ** ends[0] * (high - inside) ** ends[1]
        return float(law.pdf(inside)) / at_ends

    for order in range(5):
        total, _ = integrate.quad(
            lambda w, n=order: w**n * smooth(w), low, high, weight="alg", wvar=ends
        )
        assert total == pytest.approx(law.moment(order), rel=1e-6, abs=1e-9)


def table_distance(law):
    """Largest distance between the CDF of the table and the law's, over the doubles."""
    table = weight_table(law.a, law.b, law.eps0, law.eps1)
    assert table is not None
    parts = np.linspace(0, 1, 9)[:-1, None]
    edge = np.linspace(0, 1, TABLE_CELLS + 1)[:-1]
    x = np.append((table.start + parts * table.width).T.ravel(), table.start[-1] + table.width[-1])
    reached = np.append((edge + parts / TABLE_CELLS).T.ravel(), 1.0)
    x, first = np.unique(x, return_index=True)
    reached = np.append(reached[first[1:] - 1], 1.0)
    true = stats.beta(law.a, law.b, loc=-law.eps0, scale=1 + law.eps0 + law.eps1)
    # P(W <= x) of a law rounded to doubles lies between the law's CDF at x and at the next double
    here, above = true.cdf(x), true.cdf(np.nextafter(x, np.inf))
    return float(np.maximum(here - reached, reached - above).max())


@pytest.mark.parametrize(
    "law",
    [*BETAS, Beta(0.02, 0.01), Beta(5, 0.3), Beta(1e5, 3e4), EpBeta(1e-6), EpBeta(0.1, 1e-3)],
    ids=repr,
)
def test_the_table_is_as_near_to_the_law_as_documented(law):
    assert table_distance(law) < TABLE_DISTANCE


def test_the_distance_sees_a_wrong_law(monkeypatch):
    import vicinal._quantiles as quantiles

    wrong = quantiles.weight_table(3.25, 1.1, 0.3, 0.3)
    monkeypatch.setitem(table_distance.__globals__, "weight_table", lambda *_: wrong)
    assert table_distance(EpBeta(0.1, 0.3)) > 10 * TABLE_DISTANCE


@pytest.mark.parametrize("law", BETAS, ids=repr)
def test_draws_follow_the_law(law, dkw_limit):
    drawn = np.sort(law.sample(SIZE, random_state=2))
    true = stats.beta(law.a, law.b, loc=-law.eps0, scale=1 + law.eps0 + law.eps1)
    steps = np.arange(1, SIZE + 1) / SIZE
    _, last = np.unique(drawn[::-1], return_index=True)
    last = SIZE - 1 - last
    limit = dkw_limit(SIZE) + TABLE_DISTANCE
    x = drawn[last]
    assert (true.cdf(x) - steps[last]).max() < limit
    assert (steps[last] - true.cdf(np.nextafter(x, np.inf))).max() < limit


@pytest.mark.parametrize("law", SPHERES, ids=repr)
def test_sphere_coordinates_follow_their_density(law, dkw_limit):
    k = law.parents
    drawn = law.sample(SIZE, random_state=3)
    for column in drawn.T:
        t = np.sort((column - 1 / k) / (1 - 1 / k))
        # (1 + t) / 2 of a coordinate of the unit sphere in k - 1 dimensions is Beta
        cdf = stats.beta((k - 2) / 2, (k - 2) / 2).cdf(((1 + t) / 2).clip(0, 1))
        assert np.abs(cdf - np.arange(1, SIZE + 1) / SIZE).max() < dkw_limit(SIZE) + 1 / SIZE


def test_draws_are_not_correlated_in_a_row(z_limit):
    drawn = Uniform().sample(SIZE, random_state=4) - 0.5
    for lag in (1, 2, 3):
        correlation = np.mean(drawn[lag:] * drawn[:-lag]) * 12
        assert abs(correlation) < z_limit(3) / np.sqrt(SIZE - lag)
