"""The contracts of scikit-learn and imbalanced-learn, as their own checks state them."""

from __future__ import annotations

import pytest
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils.estimator_checks import estimator_checks_generator
from imblearn.utils.estimator_checks import parametrize_with_checks as imblearn_checks
from sklearn.utils.estimator_checks import parametrize_with_checks as sklearn_checks

from vicinal.learn import MixupAugmenter, MixupSampler
from vicinal.weights import SphereWeights

# Some of imbalanced-learn's checks assert only for its own subclasses: count as one of them.
BaseOverSampler.register(MixupSampler)

SAMPLERS = [
    MixupSampler(random_state=0),
    MixupSampler(random_state=0, weights=SphereWeights(3)),
]
AUGMENTERS = [
    MixupAugmenter(random_state=0),
    MixupAugmenter(random_state=0, pairing="near-target"),
]

# None for MixupSampler. An augmenter does, on purpose, what a sampler of classes must not.
AUGMENTER_FAILURES = {
    "check_target_type": "wants continuous and multi-output targets refused: they are its job",
    "check_samplers_one_label": "wants one class refused: a constant target can be mixed",
    "check_samplers_fit": "wants sampling_strategy_, which counts rows of classes",
    "check_samplers_multiclass_ova": "wants class numbers and one-hot rows to mean the same",
}


def expected_failures(estimator):
    return AUGMENTER_FAILURES if isinstance(estimator, MixupAugmenter) else {}


@pytest.mark.filterwarnings("ignore:y holds whole numbers that vary little")
@imblearn_checks(SAMPLERS + AUGMENTERS, expected_failed_checks=expected_failures)
def test_imbalanced_learn_contract(estimator, check):
    check(estimator)


@sklearn_checks(SAMPLERS + AUGMENTERS, expected_failed_checks=expected_failures)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:y holds whole numbers that vary little")
@pytest.mark.parametrize("name", AUGMENTER_FAILURES)
def test_expected_failures_still_fail(name):
    estimator = MixupAugmenter(random_state=0)
    checks = dict(_named(estimator))
    with pytest.raises((AssertionError, ValueError)):
        checks[name](estimator)


def _named(estimator):
    for _, check in estimator_checks_generator(estimator):
        yield check.func.__name__, check


def test_checks_are_not_empty():
    assert len(dict(_named(MixupSampler()))) >= 15
