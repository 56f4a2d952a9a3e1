"""Laws: hand-computed values, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import Beta, EpBeta, Fixed, SphereWeights, Uniform
from vicinal._quantiles import TABLE_CELLS, weight_table
from vicinal.weights import law_from_spec, law_text, parse_law


def test_epbeta_closed_form():
    law = EpBeta(delta=0.0753, eps=0.3)
    assert (round(law.a, 2), round(law.b, 2)) == (4.29, 1.31)
    assert law.cross_moment == pytest.approx(0, abs=1e-15)
    assert law.delta == pytest.approx(0.0753)
    assert law.support == (-0.3, 1.3)
    # delta 0.1, eps 0.3: q = 1.2 / 1.6, k = 1.2 * 0.4 / 0.09 - 1 = 13 / 3
    law = EpBeta(0.1, 0.3)
    assert (law.a, law.b) == (pytest.approx(3.25), pytest.approx(13 / 12))


def test_the_example_of_the_paper():
    law = EpBeta.from_parameters(4.34, 1.33, 0.3, 0.3)
    assert law.mean == pytest.approx(0.9247, abs=5e-5)
    assert law.second_moment == pytest.approx(0.9240, abs=5e-5)
    assert not law.preserves_covariance
    assert repr(law) == "EpBeta.from_parameters(4.34, 1.33, 0.3, 0.3)"


@pytest.mark.parametrize(
    ("law", "shrinkage"),
    [(Uniform(), 2 / 3), (Beta(0.1), 1.1 / 1.2), (Beta(2), 3 / 5), (EpBeta(), 1), (Fixed(1), 1)],
)
def test_shrinkage(law, shrinkage):
    assert law.shrinkage == pytest.approx(shrinkage, abs=1e-12)
    assert law.preserves_covariance == (shrinkage == 1)


def test_moments_of_fixed_and_sphere():
    assert Fixed(0.25).cross_moment == 0.1875
    assert Fixed(0.25).kurtosis_price == pytest.approx(0.1875**2)
    for parents, third, fourth in ((3, 0.778, 0.704), (4, 0.625, 0.550)):
        law = SphereWeights(parents)
        assert parents * law.moment(1) == pytest.approx(1)
        assert parents * law.moment(2) == pytest.approx(1)
        assert parents * law.moment(3) == pytest.approx(third, abs=5e-4)
        assert parents * law.moment(4) == pytest.approx(fourth, abs=5e-4)
        assert law.support == (2 / parents - 1, 1)
        assert law.preserves_covariance
        assert law.kurtosis_price == 0


def test_sphere_weights_hold_in_every_draw():
    for parents in (3, 4, 10):
        drawn = SphereWeights(parents).sample(10_000, 0)
        np.testing.assert_allclose(drawn.sum(axis=1), 1, atol=1e-13)
        np.testing.assert_allclose((drawn**2).sum(axis=1), 1, atol=1e-13)


@pytest.mark.parametrize(
    "law",
    [
        EpBeta(),
        EpBeta(0.5, 0.5),
        EpBeta(0.05, 0.05),
        EpBeta(0.3, (0.01, 2)),
        EpBeta(0.01, 3),
        EpBeta(1e-6, 0.3),
        EpBeta(0.9, 0.3),
        EpBeta(0.1, 1e-3),
        Uniform(),
        Beta(0.1),
        Beta(0.02, 0.01),
        Beta(5, 0.3),
        Beta(1e5, 3e4),
    ],
    ids=repr,
)
def test_the_table_has_the_moments_of_the_law(law):
    table = weight_table(law.a, law.b, law.eps0, law.eps1)
    assert table is not None
    low, high = table.start, table.start + table.width
    assert len(low) == TABLE_CELLS
    assert (table.width >= 0).all()
    assert low[0] >= law.support[0]
    assert high[-1] <= law.support[1]
    mean = np.mean((low + high) / 2)
    second = np.mean((low**2 + low * high + high**2) / 3)
    assert mean == pytest.approx(law.mean, abs=1e-12)
    assert mean - second == pytest.approx(law.cross_moment, abs=1e-9 if law.eps0 < 1 else 1e-8)


def test_laws_too_extreme_for_a_table_still_sample():
    for law in (Beta(1e-4, 2e-4), EpBeta(0.1, 1e-5), Beta(1e-3)):
        assert weight_table(law.a, law.b, law.eps0, law.eps1) is None
        drawn = law.sample(1000, 0)
        assert np.isfinite(drawn).all()
        assert drawn.min() >= law.support[0]
        assert drawn.max() <= law.support[1]


def test_pdf_edges():
    assert Uniform().pdf([-0.1, 0.0, 0.5, 1.0, 1.1]).tolist() == [0, 1, 1, 1, 0]
    assert Beta(0.5).pdf(0.0) == np.inf
    assert EpBeta().pdf([-0.31, 1.31]).tolist() == [0, 0]
    assert Fixed(0.5).pdf([0.5, 0.6]).tolist() == [np.inf, 0]
    assert SphereWeights(4).pdf([-0.6, 0.0, 1.0, 1.1]).tolist() == pytest.approx(
        [0, 2 / 3, 2 / 3, 0]
    )
    assert SphereWeights(3).pdf(np.zeros((2, 3))).shape == (2, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: EpBeta(delta=0), ValueError, "delta .*\\(0, 1\\), got 0"),
        (lambda: EpBeta(delta=1), ValueError, "delta"),
        (lambda: EpBeta(delta=float("nan")), ValueError, "delta"),
        (lambda: EpBeta(delta="0.1"), TypeError, "delta must be a number, got '0.1'"),
        (lambda: EpBeta(eps=0), ValueError, "eps .* only copy rows"),
        (lambda: EpBeta(eps=-0.1), ValueError, "eps"),
        (lambda: EpBeta(eps=(0.1, 0)), ValueError, "eps"),
        (lambda: EpBeta(eps=(0.1, 0.2, 0.3)), ValueError, "pair"),
        (lambda: EpBeta(eps=True), TypeError, "eps"),
        (lambda: EpBeta.from_parameters(0, 1, 0, 0), ValueError, "a must be"),
        (lambda: EpBeta.from_parameters(1, 1, -1, 0), ValueError, "eps0"),
        (lambda: Beta(0), ValueError, "alpha"),
        (lambda: Beta(1, -1), ValueError, "beta"),
        (lambda: Beta(float("inf")), ValueError, "alpha"),
        (lambda: Fixed(float("inf")), ValueError, "lam"),
        (lambda: Fixed(None), TypeError, "lam"),
        (lambda: SphereWeights(2), ValueError, "parents .*at least 3.*EpBeta"),
        (lambda: SphereWeights(3.0), TypeError, "parents must be a whole number"),
        (lambda: EpBeta().sample(-1), ValueError, "n_samples"),
        (lambda: EpBeta().sample(1.5), TypeError, "n_samples"),
        (lambda: Uniform().sample(3, "seed"), TypeError, "random_state"),
        (lambda: law_from_spec({"law": "Betta"}), ValueError, "Did you mean 'Beta'"),
        (lambda: law_from_spec({}), ValueError, "law must be one of"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_reprs_read_back():
    for law in (Uniform(), Beta(0.4), Beta(1, 2.5), EpBeta(0.2, (0.1, 0.4)), Fixed(0.3)):
        names = {"Uniform": Uniform, "Beta": Beta, "EpBeta": EpBeta, "Fixed": Fixed}
        again = eval(repr(law), names)
        assert again.mean == pytest.approx(law.mean)
        assert again.support == law.support


@pytest.mark.parametrize(
    "law",
    [
        Beta(0.1234567),
        Beta(0.1, 1 / 3),
        Fixed(1 / 3),
        EpBeta(0.1, 0.3),
        EpBeta(0.9928, 1.0),
        EpBeta(0.12345671),
        EpBeta(1.23456789e-4, 0.30000001),
        EpBeta(1 / 3, (0.1, 2 / 3)),
        law_from_spec(EpBeta(0.07654321).spec()),
        EpBeta.from_parameters(4.3400001, 1.33, 0.3, 0.3),
        EpBeta.from_parameters(1.0, 1e12, 0.0, 0.0),
    ],
    ids=repr,
)
def test_what_a_law_reads_is_that_law_to_the_last_digit(law):
    names = {kind.__name__: kind for kind in (Uniform, Beta, EpBeta, Fixed, SphereWeights)}
    assert eval(repr(law), names) == law
    text = law_text(law)
    assert (eval(text, names) if text == repr(law) else parse_law(text)) == law
