"""Estimators that learn from mixed vectors."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import vicinal
from vicinal.learn import MixupClassifier, MixupRegressor, PriorCorrectedClassifier

#: A row that counts twice is mixed as often as any other, unlike two equal rows.
RANDOM = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "rows are mixed at random",
)


@parametrize_with_checks(
    [
        MixupClassifier(random_state=0),
        MixupRegressor(Ridge(), random_state=0),
        PriorCorrectedClassifier(LogisticRegression(), vicinal.learn.MixupSampler(random_state=0)),
    ],
    expected_failed_checks=lambda estimator: RANDOM,
)
def test_scikit_learns_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    centers = np.array([[4, 0, 0], [0, 4, 0], [0, 0, 4]])
    y = np.arange(90) % 3
    return centers[y] + rng.normal(size=(90, 3)), np.array(["a", "b", "c"])[y]


def test_mixtures_count_for_both_parents(blobs):
    X, y = blobs
    model = MixupClassifier(n_samples=2, random_state=0).fit(X, y)
    plan, codes = model.plan_, np.searchsorted(model.classes_, y)
    assert len(plan) == 180
    rows = np.concatenate([X, plan.apply(X), plan.apply(X)])
    numbers = np.concatenate([codes, codes[plan.left], codes[plan.right]])
    shares = np.concatenate([np.ones(90), plan.lam, 1 - plan.lam])
    kept = shares > 0
    by_hand = LogisticRegression(max_iter=1000).fit(rows[kept], numbers[kept], shares[kept])
    np.testing.assert_allclose(model.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)
    assert model.score(X, y) > 0.95


def test_rows_and_their_mixtures_count_as_told(blobs):
    X, y = blobs
    counts = np.where(y == "a", 0.0, 2.0)
    model = MixupClassifier(unknown="across", random_state=0).fit(X, y, sample_weight=counts)
    proba = model.predict_proba(X)
    assert (proba[:, 0] == 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    even = MixupClassifier(n_samples=2, random_state=0).fit(X, y).predict_proba(X)
    twice = MixupClassifier(LogisticRegression(C=0.5, max_iter=1000), n_samples=2, random_state=0)
    twice.fit(X, y, sample_weight=np.full(90, 2.0))
    np.testing.assert_allclose(twice.predict_proba(X), even, atol=1e-4)


def test_without_mixtures_it_is_the_estimator(blobs):
    X, y = blobs
    tree = DecisionTreeClassifier(random_state=0)
    made = MixupClassifier(tree, n_samples=0, random_state=0).fit(X, y)
    assert (made.predict(X) == tree.fit(X, y).predict(X)).all()
    assert len(made.plan_) == 0


def test_what_is_of_no_class_is_told_from_what_is(blobs):
    X, y = blobs
    middle = np.full(3, 4 / 3) + 0.4 * np.random.default_rng(1).normal(size=(60, 3))
    scores = {}
    for unknown in (None, "across"):
        tree = DecisionTreeClassifier(max_depth=5, random_state=0)
        model = MixupClassifier(tree, unknown=unknown, random_state=0).fit(X, y)
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
        said = np.concatenate([model.unknown_proba(X), model.unknown_proba(middle)])
        scores[unknown] = roc_auc_score(np.repeat([0, 1], [90, 60]), said)
    assert scores["across"] > 0.9


def test_a_row_of_no_class_beyond_doubt_has_no_nan(blobs):
    tree = DecisionTreeClassifier(random_state=0)  # its leaves are of one class each
    model = MixupClassifier(tree, n_samples=0, unknown="across", random_state=0).fit(*blobs)
    grid = np.random.default_rng(2).uniform(0, 4, (200, 3))
    sure = model.unknown_proba(grid) == 1
    assert sure.any()
    np.testing.assert_allclose(model.predict_proba(grid)[sure], 1 / 3)


def test_partners_by_class_or_target(blobs):
    X, y = blobs
    model = MixupClassifier(pairing=vicinal.AcrossGroup, random_state=0).fit(X, y)
    assert (y[model.plan_.left] != y[model.plan_.right]).all()
    target = X[:, 0]
    near = MixupRegressor(Ridge(), random_state=0).fit(X, target).plan_
    far = MixupRegressor(Ridge(), pairing="any", random_state=0).fit(X, target).plan_
    gaps = [np.abs(target[one.left] - target[one.right]).mean() for one in (near, far)]
    assert gaps[0] < 0.5 * gaps[1]


def test_a_regressor_predicts_better_than_the_mean():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = np.sin(X[:, 0]) + X[:, 1]
    model = MixupRegressor(n_samples=1.0, random_state=0).fit(X, y)
    assert model.score(X, y) > 0.5


def test_rows_of_a_regression_count_as_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    wrong = np.arange(60) % 2 == 1
    y = np.where(wrong, -1.0, 1.0) * X.sum(axis=1)
    pairing = vicinal.WithinGroup(wrong)
    model = MixupRegressor(Ridge(1e-6), pairing=pairing, random_state=0)
    model.fit(X, y, sample_weight=np.where(wrong, 0.0, 3.0))
    np.testing.assert_allclose(model.estimator_.coef_, [1, 1], atol=1e-4)
    own = MixupRegressor(n_samples=1.0, random_state=0).fit(X, X[:, 0], sample_weight=1 - wrong)
    assert own.score(X, X[:, 0]) > 0.5
    with pytest.raises(ValueError, match="egative"):
        model.fit(X, y, sample_weight=-np.ones(60))


@pytest.mark.parametrize("made", [MixupClassifier, PriorCorrectedClassifier])
def test_a_classifier_without_probabilities_is_refused_at_once(blobs, made):
    with pytest.raises(TypeError, match=r"LinearSVC\(\) has none.*CalibratedClassifierCV"):
        made(LinearSVC()).fit(*blobs)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"unknown": "else"}, "unknown must be one of 'across'"),
        ({"n_samples": -1}, "n_samples"),
        ({"pairing": "far"}, "must be a Pairing"),
        ({"weights": vicinal.SphereWeights(3)}, "two parents"),
    ],
)
def test_bad_settings(blobs, settings, said):
    with pytest.raises((ValueError, TypeError), match=said):
        MixupClassifier(**settings).fit(*blobs)


def test_one_class_has_nothing_across(blobs):
    with pytest.raises(ValueError, match="1 class"):
        MixupClassifier(unknown="across").fit(blobs[0], ["a"] * 90)
