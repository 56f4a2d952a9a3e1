"""Partners whose targets are close: the kernel's chances, and what cannot be paired."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import NearTarget
from vicinal.learn import MixupAugmenter


def test_chances_are_the_kernels(z_limit):
    y, h, draws = np.array([0.0, 0.3, 1.0, 1.1, 4.0]), 0.5, 4000
    pairing, rng = NearTarget(y, h), np.random.default_rng(0)
    seen = np.zeros((5, 5))
    for _ in range(draws):
        seen[np.arange(5), pairing.partners(5, rng)] += 1
    chance = np.exp(-((y[:, None] - y) ** 2) / (2 * h * h))
    np.fill_diagonal(chance, 0)
    chance /= chance.sum(axis=1, keepdims=True)
    error = np.sqrt(chance * (1 - chance) / draws)
    assert (np.abs(seen / draws - chance) <= z_limit(25) * error + 1e-9).all()


def test_nobody_is_his_own_partner_however_far_and_whatever_the_order():
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.normal(size=3000), [1e6, -1e9]])
    partners = NearTarget(y).pair(len(y), random_state=0)
    assert (partners != np.arange(len(y))).all()
    far = np.abs(y[partners] - y)[:-2]
    assert np.median(far) < np.median(np.abs(y[rng.permutation(3000)] - y[:3000])) / 2
    assert partners[-2] == np.argsort(y)[-2]


def test_equal_targets_have_any_partner():
    drawn = NearTarget(np.ones(50)).pair(50, random_state=0)
    assert len(set(drawn.tolist())) > 20


def test_take_keeps_the_targets_of_the_rows():
    y = np.arange(10.0)
    taken = NearTarget(y, 0.5).take(np.array([9, 0, 8, 1]))
    assert taken.pair(4, random_state=0).tolist() == [2, 3, 0, 1]


def test_augmented_rows_have_parents_of_like_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = X[:, 0] + 0.1 * rng.normal(size=300)
    augmenter = MixupAugmenter(1.0, pairing=NearTarget, random_state=0)
    augmenter.fit_resample(X, y)
    gap = np.abs(y[augmenter.plan_.left] - y[augmenter.plan_.right])
    assert gap.mean() < 0.5 * np.abs(y - rng.permutation(y)).mean()


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: NearTarget([0, 1, 1]), TypeError, "For classes use WithinGroup"),
        (lambda: NearTarget(["a", "b"]), TypeError, "one float for each row"),
        (lambda: NearTarget([0.0, np.nan]), ValueError, "NaN or infinity"),
        (
            lambda: NearTarget([0.0, 1.0], 0),
            ValueError,
            "bandwidth must be .* above 0",
        ),
        (lambda: NearTarget([0.0, 1.0]).pair(3), ValueError, "got 2 for 3 rows"),
    ],
)
def test_bad_input(make, error, said):
    with pytest.raises(error, match=said):
        make()


@pytest.mark.parametrize("unit", [1e300, 2e307, 1e-300])
def test_targets_of_any_size_have_the_same_partners(unit):
    y = np.random.default_rng(0).normal(size=200)
    y[0] += 1.0  # so that no two quartiles tie
    near = NearTarget(y).pair(200, random_state=0)
    assert (NearTarget(y * unit).pair(200, random_state=0) == near).mean() > 0.97


@pytest.mark.parametrize("bandwidth", [1e-300, 1e-160])
def test_a_very_narrow_bandwidth_leaves_the_nearest(bandwidth):
    y = np.random.default_rng(0).normal(size=50)
    partners = NearTarget(y, bandwidth).pair(50, random_state=0)
    gap = np.abs(y[:, None] - y)
    np.fill_diagonal(gap, np.inf)
    assert (partners == gap.argmin(axis=1)).all()


def test_a_very_wide_bandwidth_leaves_anybody():
    partners = NearTarget(np.arange(50) * 1e-300, 1e300).pair(50, random_state=0)
    assert (partners != np.arange(50)).all()
    assert len(set(partners.tolist())) > 20


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_targets_that_are_tensors(kind):
    torch = pytest.importorskip("torch", reason="needs torch")
    y = torch.tensor([0.0, 5.0, 0.5, 5.5], dtype=getattr(torch, kind), requires_grad=True)
    assert NearTarget(y, 0.2).pair(4, random_state=0).tolist() == [2, 3, 0, 1]
