"""The contract of every weight law and every pairing, from one table of arguments."""

from __future__ import annotations

import inspect
import json

import numpy as np
import pytest

import vicinal
from vicinal import MixPlan, make_plan
from vicinal.pairing import Pairing
from vicinal.weights import WeightLaw, law_from_spec

N_ROWS = 300
POINTS = np.random.default_rng(0).normal(size=(N_ROWS, 3))
GROUPS = np.arange(N_ROWS) % 7

LAWS = {
    "Uniform": [{}],
    "Beta": [{"alpha": 0.1}, {"alpha": 2.0, "beta": 5.0}, {"alpha": 1e-4, "beta": 2e-4}],
    "EpBeta": [{}, {"delta": 0.5, "eps": (0.05, 1.0)}, {"delta": 0.01, "eps": 2}],
    "Fixed": [{"lam": 0.25}, {"lam": -0.5}, {"lam": 1}],
    "SphereWeights": [{}, {"parents": 4}, {"parents": 7}],
}
PAIRINGS = {
    "Random": [{}],
    "Permutation": [{}, {"blocks": True}, {"blocks": False}],
    "LocalPermutation": [{}, {"leaf_rows": 8}],
    "WithinGroup": [
        {"groups": GROUPS},
        {"groups": [f"g{g}" for g in GROUPS]},
        {"groups": GROUPS, "pairing": vicinal.Permutation()},
    ],
    "Farthest": [{"tau": 0.1}, {"tau": 1}, {"tau": 0.2, "metric": "cosine", "balanced": True}],
    "Nearest": [
        {"k": 4},
        {"tau": 0.05, "metric": "hyperbolic"},
        {"k": 20, "balanced": True},
        {"tau": 0.01, "balanced": True},
    ],
    "NearTarget": [{"targets": POINTS[:, 0]}, {"targets": POINTS[:, 0], "bandwidth": 0.1}],
    "AcrossGroup": [{"groups": GROUPS}, {"groups": GROUPS, "pairing": vicinal.Farthest(0.3)}],
}


def build(table):
    return [
        pytest.param(getattr(vicinal, name)(**arguments), id=f"{name}-{number}")
        for name, rows in table.items()
        for number, arguments in enumerate(rows)
    ]


def exported(base):
    public = (getattr(vicinal, name) for name in vicinal.__all__)
    return {
        one.__name__
        for one in public
        if inspect.isclass(one) and issubclass(one, base) and one is not base
    }


laws = pytest.mark.parametrize("law", build(LAWS))
pairings = pytest.mark.parametrize("pairing", build(PAIRINGS))


@pytest.mark.parametrize(("table", "base"), [(LAWS, WeightLaw), (PAIRINGS, Pairing)])
def test_table_covers_every_exported_class(table, base):
    assert exported(base) == set(table)
    assert all(table.values())


@laws
def test_law_samples_its_shape_and_support(law):
    low, high = law.support
    for size in (0, 1, 2, 7, 1000):
        drawn = law.sample(size, random_state=1)
        assert drawn.shape == ((size,) if law.parents == 2 else (size, law.parents))
        assert drawn.dtype == np.float64
        slack = 0 if law.parents == 2 else 1e-12
        assert (drawn >= low - slack).all()
        assert (drawn <= high + slack).all()
        if law.parents > 2:
            np.testing.assert_allclose(drawn.sum(axis=1), 1, atol=1e-12)


@laws
def test_law_seeds(law):
    one = law.sample(50, random_state=7)
    assert one.tobytes() == law.sample(50, random_state=7).tobytes()
    assert one.tobytes() == law.sample(50, random_state=np.random.default_rng(7)).tobytes()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    other = law.sample(50)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    if law.support[0] < law.support[1] and repr(law) != "Beta(0.0001, 0.0002)":
        assert one.tobytes() != other.tobytes()


@laws
def test_law_moments_agree_with_each_other(law):
    assert law.moment(0) == pytest.approx(1)
    assert law.mean == law.moment(1)
    assert law.second_moment == law.moment(2)
    assert law.shrinkage == pytest.approx(1 - 2 * law.cross_moment)
    assert law.preserves_covariance == (abs(law.shrinkage - 1) < 1e-8)
    assert law.kurtosis_price >= -1e-12


@laws
def test_law_survives_json(law):
    again = law_from_spec(json.loads(json.dumps(law.spec())))
    assert again == law
    assert type(again) is type(law)
    assert repr(again) == repr(law)
    assert again.sample(9, 3).tobytes() == law.sample(9, 3).tobytes()


@laws
def test_law_is_frozen_and_hashable(law):
    name = next(iter(vars(law)), None)
    if name is not None:
        with pytest.raises(AttributeError):
            setattr(law, name, 5)
    assert hash(law) == hash(law_from_spec(law.spec()))


@pairings
@laws
def test_every_law_goes_with_every_pairing(law, pairing):
    plan = make_plan(POINTS, 2 * N_ROWS + 41, pairing=pairing, weights=law, random_state=3)
    assert isinstance(plan, MixPlan)
    assert len(plan) == 2 * N_ROWS + 41
    assert plan.n_parents == law.parents
    assert plan.parents.min() >= 0
    assert plan.parents.max() < N_ROWS
    np.testing.assert_allclose(plan.weights.sum(axis=1), 1, atol=1e-12)
    mixed = plan.apply(POINTS)
    by_hand = np.einsum("ip,ipd->id", plan.weights, POINTS[plan.parents])
    np.testing.assert_allclose(mixed, by_hand, rtol=1e-12, atol=1e-12)


@pairings
def test_pairing_covers_rows_in_order(pairing):
    plan = make_plan(POINTS, 2 * N_ROWS + 41, pairing=pairing, random_state=3)
    np.testing.assert_array_equal(plan.left[: 2 * N_ROWS], np.tile(np.arange(N_ROWS), 2))
    last = plan.left[2 * N_ROWS :]
    assert (np.diff(last) > 0).all(), "a last incomplete pass is a random subset, in order"


@pairings
def test_pairing_seeds(pairing):
    def draw(seed):
        return make_plan(POINTS, 1000, pairing=pairing, random_state=seed)

    assert draw(5) == draw(5)
    assert draw(5) == draw(np.random.default_rng(5))
    assert draw(5) != draw(6)
    rng = np.random.default_rng(5)
    assert draw(rng) != draw(rng), "a Generator is advanced"


@pairings
def test_pairing_gives_one_partner_for_every_row(pairing):
    partners = pairing.pair(POINTS, random_state=0)
    assert partners.shape == (N_ROWS,)
    assert partners.dtype.kind == "i"
    assert pairing.pair(POINTS, random_state=0).tobytes() == partners.tobytes()


@pairings
def test_pairing_takes_one_row(pairing):
    if isinstance(pairing, vicinal.WithinGroup):
        with pytest.warns(UserWarning, match="single row"):
            plan = make_plan(1, 5, pairing=vicinal.WithinGroup(["a"]), random_state=0)
    elif isinstance(pairing, vicinal.NearTarget):
        with pytest.warns(UserWarning, match="single row"):
            plan = make_plan(1, 5, pairing=vicinal.NearTarget([2.0]), random_state=0)
    elif isinstance(pairing, vicinal.AcrossGroup):
        with pytest.raises(ValueError, match="two groups"):
            make_plan(1, 5, pairing=vicinal.AcrossGroup(["a"]), random_state=0)
        return
    elif isinstance(pairing, (vicinal.Farthest, vicinal.Nearest)):
        with pytest.warns(UserWarning, match="single row"):
            plan = make_plan(POINTS[:1], 5, pairing=pairing, random_state=0)
    else:
        plan = make_plan(POINTS[:1], 5, pairing=pairing, random_state=0)
    assert (plan.parents == 0).all()


@pairings
def test_pairing_leaves_the_rows_alone(pairing):
    before = POINTS.copy()
    make_plan(POINTS, pairing=pairing, random_state=0).apply(POINTS)
    assert (before == POINTS).all()


@pytest.mark.parametrize("name", ["Permutation", "LocalPermutation", "WithinGroup"])
def test_permuting_pairings_permute_every_pass(name):
    for arguments in PAIRINGS[name]:
        pairing = getattr(vicinal, name)(**arguments)
        plan = make_plan(POINTS, 30 * N_ROWS, pairing=pairing, random_state=0)
        passes = plan.right.reshape(30, N_ROWS)
        assert (np.sort(passes, axis=1) == np.arange(N_ROWS)).all()
        assert len(np.unique(passes, axis=0)) > 1
