"""How far probabilities can be believed: against scikit-learn, hand-computed bins, temperatures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from vicinal._calibration import Calibration, fit_temperature, scale, scale_crossed


def drawn(n=3000, classes=4, temperature=1.0, seed=0):
    """Rows whose labels follow their probabilities, which are then sharpened."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.ones(classes), n)
    truth = (rng.random((n, 1)) > true.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return scale(true, temperature), truth


def measured(proba, truth):
    return Calibration.of(proba, truth, np.random.default_rng(1))


def test_loss_and_brier_are_scikit_learns():
    proba, truth = drawn(200)
    found = measured(proba, truth)
    assert found.log_loss == pytest.approx(log_loss(truth, proba))
    both, yes = proba[:, :2] / proba[:, :2].sum(axis=1, keepdims=True), truth % 2
    # of two classes scikit-learn counts one
    assert measured(both, yes).brier == pytest.approx(2 * brier_score_loss(yes, both[:, 1]))


def test_error_and_curve_by_hand():
    confidence = np.repeat([0.6, 0.8], 15)
    proba = np.stack([confidence, 1 - confidence], axis=1)
    truth = np.array([0, 1, 1] * 5 + [0] * 15)  # a third right where 0.6, all where 0.8
    found = measured(proba, truth)
    assert len(found.curve) == 15
    assert sum(rows for *_, rows in found.curve) == 30
    assert [sure for sure, *_ in found.curve] == pytest.approx([0.6] * 7 + [0.7] + [0.8] * 7)
    expected = sum(rows * abs(sure - right) for sure, right, rows in found.curve) / 30
    assert found.ece.value == pytest.approx(expected)
    assert found.ece.low <= found.ece.value <= found.ece.high


def test_sharp_probabilities_are_told_from_right_ones():
    right, sharp = measured(*drawn()), measured(*drawn(temperature=0.3))
    assert right.ece.value < 0.06 < 0.15 < sharp.ece.value  # by chance about 0.03
    assert right.log_loss < sharp.log_loss
    assert right.ece.high < sharp.ece.low


@pytest.mark.parametrize("temperature", [0.3, 1.0, 3.0])
def test_the_temperature_comes_back_and_mends_the_rest(temperature):
    proba, truth = drawn(temperature=temperature)
    assert fit_temperature(proba, truth) == pytest.approx(1 / temperature, rel=0.1)
    scaled, degrees = scale_crossed(proba, truth, np.random.default_rng(0))
    assert degrees == pytest.approx(1 / temperature, rel=0.1)
    assert measured(scaled, truth).log_loss <= measured(proba, truth).log_loss + 0.002
    assert (scaled.argmax(axis=1) == proba.argmax(axis=1)).all()
    np.testing.assert_allclose(scaled.sum(axis=1), 1)


def test_a_few_rows_that_are_all_right_do_not_make_all_others_sure():
    proba, truth = drawn(temperature=1.0)
    sure = np.flatnonzero(proba.max(axis=1) > 0.8)
    right = sure[proba[sure].argmax(axis=1) == truth[sure]][:16]
    assert 0.2 < fit_temperature(proba[right], truth[right]) < 1
    rng, dearer = np.random.default_rng(1), []
    for _ in range(20):
        few = rng.permutation(sure)[:32]
        scaled = scale_crossed(proba[few], truth[few], rng)[0]
        both = [measured(one, truth[few]).log_loss for one in (scaled, proba[few])]
        dearer.append(both[0] - both[1])
    assert np.mean(dearer) < 0.05


def test_what_was_sure_and_wrong_stays_finite():
    found = measured(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1]))
    assert np.isfinite([found.log_loss, found.brier, found.ece.value]).all()
