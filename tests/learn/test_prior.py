"""Over-sampling with the right probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from imblearn.over_sampling import RandomOverSampler
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from vicinal.learn import MixupSampler, PriorCorrectedClassifier


@pytest.fixture(scope="module")
def rare():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (1900, 2)), rng.normal(1, 1, (100, 2))])
    return X, np.repeat(["common", "rare"], [1900, 100])


def test_probabilities_are_those_of_the_real_shares(rare):
    X, y = rare
    model = PriorCorrectedClassifier(LogisticRegression(), MixupSampler(random_state=0)).fit(X, y)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert model.sampled_prior_.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(model.prior_, [0.95, 0.05])
    # the formula, by hand
    raw = model.estimator_.predict_proba(X)
    odds = raw[:, 1] / raw[:, 0] * (0.05 / 0.5) / (0.95 / 0.5)
    np.testing.assert_allclose(proba[:, 1], odds / (1 + odds))
    plain = LogisticRegression().fit(X, y).predict_proba(X)
    assert abs(proba[:, 1].mean() - 0.05) < 0.01 < abs(raw[:, 1].mean() - 0.05)
    assert np.abs(proba - plain).mean() < 0.01
    assert (model.predict(X) == model.classes_[proba.argmax(axis=1)]).all()


def test_another_sampler_and_other_shares(rare):
    X, y = rare
    wanted = PriorCorrectedClassifier(
        LogisticRegression(), RandomOverSampler(random_state=0), prior=[3, 1]
    ).fit(X, y)
    np.testing.assert_allclose(wanted.prior_, [0.75, 0.25])
    assert wanted.predict_proba(X)[:, 1].mean() > 0.15
    assert clone(wanted).get_params()["prior"] == [3, 1]


def test_shares_by_the_names_of_classes(rare):
    sampler = MixupSampler(random_state=0)
    found = [
        PriorCorrectedClassifier(LogisticRegression(), sampler, prior=prior).fit(*rare)
        for prior in ([3, 1], {"rare": 1, "common": 3})
    ]
    assert found[0].prior_.tolist() == found[1].prior_.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    "prior", [[1], [1, 0], [1, -1], {"rare": 1}, {"rare": 1, "common": 1, "other": 1}]
)
def test_shares_that_are_none(rare, prior):
    with pytest.raises(ValueError, match="one share above 0 for each of the classes"):
        PriorCorrectedClassifier(LogisticRegression(), prior=prior).fit(*rare)


def test_a_sampler_that_takes_a_class_away(rare):
    class Fewer(MixupSampler):
        def fit_resample(self, X, y):
            return X[y == "rare"], y[y == "rare"]

    with pytest.raises(ValueError, match="Use an over-sampler"):
        PriorCorrectedClassifier(LogisticRegression(), Fewer()).fit(*rare)


@pytest.mark.parametrize("kind", ["object", "one-hot"])
def test_classes_of_any_kind_that_the_sampler_reads(rare, kind):
    X, names = rare
    numbers = (names == "rare").astype(int)
    y = numbers.astype(object) if kind == "object" else np.eye(2, dtype=int)[numbers]
    model = PriorCorrectedClassifier(LogisticRegression(), MixupSampler(random_state=0)).fit(X, y)
    plain = clone(model).fit(X, numbers)
    np.testing.assert_allclose(model.predict_proba(X), plain.predict_proba(X))
