"""Laws that hold for every plan and every array."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vicinal import MixPlan

numbers = st.floats(-1e6, 1e6, width=32)
weights = st.floats(-3, 4, width=32)


@st.composite
def plans_and_rows(draw, parents=None):
    n_rows = draw(st.integers(1, 12))
    n_samples = draw(st.integers(0, 40))
    n_parents = parents or draw(st.integers(2, 5))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    width = draw(st.integers(0, 9))
    X = draw(hnp.arrays(dtype, (n_rows, width), elements=numbers))
    rows = draw(hnp.arrays(np.int64, (n_samples, n_parents), elements=st.integers(0, n_rows - 1)))
    shares = draw(hnp.arrays(np.float64, (n_samples, n_parents), elements=weights))
    shares[:, -1] = 1 - shares[:, :-1].sum(axis=1)
    return MixPlan.from_parents(rows, shares), X


@given(plans_and_rows())
def test_apply_is_the_weighted_sum(case):
    plan, X = case
    mixed = plan.apply(X)
    assert mixed.shape == (len(plan), X.shape[1])
    assert mixed.dtype == X.dtype
    by_hand = np.einsum("ip,ipd->id", plan.weights, X[plan.parents].astype(float))
    scale = np.abs(plan.weights).sum(axis=1, keepdims=True) * (np.abs(X).max(initial=0) + 1)
    assert (np.abs(mixed - by_hand) <= 8 * np.finfo(X.dtype).eps * scale).all()


@given(plans_and_rows())
def test_inputs_are_untouched(case):
    plan, X = case
    before, parents, shares = X.copy(), plan.parents.copy(), plan.weights.copy()
    plan.apply(X)
    plan.mix_labels(np.arange(len(X)) % 3)
    np.testing.assert_array_equal(X, before)
    assert (plan.parents == parents).all()
    assert (plan.weights == shares).all()


@given(plans_and_rows(parents=2))
def test_weight_one_gives_the_left_row_and_zero_the_right(case):
    plan, X = case
    ones = np.ones(len(plan))
    assert (MixPlan(plan.left, plan.right, ones).apply(X) == X[plan.left]).all()
    assert (MixPlan(plan.left, plan.right, 0 * ones).apply(X) == X[plan.right]).all()


@given(plans_and_rows(parents=2))
def test_swapping_parents_swaps_weights(case):
    plan, X = case
    one = plan.apply(X)
    other = MixPlan(plan.right, plan.left, 1 - plan.lam).apply(X)
    scale = 10 * (np.abs(X).max(initial=0) + 1)
    assert (np.abs(one - other) <= 4 * np.finfo(X.dtype).eps * scale).all()


@given(plans_and_rows(parents=2))
def test_mixing_a_row_with_itself_gives_the_row(case):
    plan, X = case
    mixed = MixPlan(plan.left, plan.left, plan.lam).apply(X)
    scale = 10 * (np.abs(X).max(initial=0) + 1)
    assert (np.abs(mixed - X[plan.left]) <= 4 * np.finfo(X.dtype).eps * scale).all()


@given(plans_and_rows(), st.integers(0, 40), st.integers(0, 40))
def test_a_slice_of_the_plan_gives_a_slice_of_the_rows(case, start, stop):
    plan, X = case
    whole = plan.apply(X)
    assert plan[start:stop].apply(X).tobytes() == whole[start:stop].tobytes()
    assert plan[::-3].apply(X).tobytes() == np.ascontiguousarray(whole[::-3]).tobytes()
    chosen = np.flatnonzero(np.arange(len(plan)) % 3 == 1)
    assert plan[chosen].apply(X).tobytes() == whole[chosen].tobytes()
    for rows in (1, 7, 1000):
        pieces = [chunk.apply(X) for chunk in plan.chunks(rows)]
        assert b"".join(piece.tobytes() for piece in pieces) == whole.tobytes()


@given(plans_and_rows())
def test_round_trips(case):
    plan, _ = case
    table = plan.to_arrow()
    assert MixPlan.from_arrow(table) == plan
    assert MixPlan.from_arrow(table.slice(1)) == plan[1:]
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert MixPlan.from_parents(plan.parents, plan.weights) == plan


@given(plans_and_rows(), st.integers(1, 4), st.booleans())
def test_label_rows_sum_to_one(case, n_classes, text):
    plan, X = case
    y = np.arange(len(X)) % n_classes
    mixed = plan.mix_labels(y.astype(str) if text else y)
    assert mixed.shape == (len(plan), len(np.unique(y)))
    scale = np.abs(plan.weights).sum(axis=1)
    assert (np.abs(mixed.sum(axis=1) - 1) <= 1e-14 * (1 + scale)).all()
    one_hot = np.eye(n_classes)[y][:, : mixed.shape[1]]
    np.testing.assert_allclose(mixed, plan.apply(one_hot), atol=1e-13)


@given(plans_and_rows(), st.integers(1, 4))
def test_clipped_label_rows_are_shares(case, n_classes):
    plan, X = case
    mixed = plan.mix_labels(np.arange(len(X)) % n_classes, clip=True)
    assert ((mixed >= 0) & (mixed <= 1)).all()
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-12)


@given(
    plans_and_rows(parents=2),
    st.sampled_from([np.int8, np.uint16, np.int64, np.float16, bool, ">f8", ">f4"]),
)
def test_other_numbers_become_float64(case, dtype):
    plan, X = case
    other = (X % 100).astype(dtype)
    mixed = plan.apply(other)
    assert mixed.dtype == np.float64
    assert mixed.tobytes() == plan.apply(other.astype(np.float64)).tobytes()


@given(plans_and_rows(parents=2), st.sampled_from(["F", "strided", "read-only", "reversed"]))
def test_memory_order_does_not_matter(case, order):
    plan, X = case
    same = {
        "F": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=0)[::2],
        "read-only": np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape) if X.size else X,
        "reversed": X[::-1].copy()[::-1],
    }[order]
    assert plan.apply(same).tobytes() == plan.apply(X).tobytes()


@pytest.mark.parametrize("shape", [(5,), (5, 2, 3), (5, 2, 3, 1), (5, 0)])
def test_any_shape_behind_the_rows(shape):
    X = np.random.default_rng(0).random(shape)
    plan = MixPlan([0, 4, 2], [1, 0, 2], [0.5, 1.25, 0.1])
    lam = plan.lam.reshape(-1, *[1] * (len(shape) - 1))
    np.testing.assert_allclose(plan.apply(X), lam * X[plan.left] + (1 - lam) * X[plan.right])


def test_hand_computed_mixes():
    X = np.array([[0.0, 8.0], [4.0, 0.0], [-2.0, 2.0]], np.float32)
    two = MixPlan([0, 1], [1, 2], [0.75, 1.5])
    assert two.apply(X).tolist() == [[1.0, 6.0], [7.0, -1.0]]
    three = MixPlan.from_parents([[0, 1, 2]], [[0.5, 0.75, -0.25]])
    assert three.apply(X).tolist() == [[3.5, 3.5]]
    assert two.mix_labels([5, 7, 5]).tolist() == [[0.75, 0.25], [-0.5, 1.5]]
    assert two.mix_labels([5, 7, 5], clip=True).tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert two.mix_labels([0.0, 1.0, 3.0]).tolist() == [0.25, 0.0]
    assert two.mix_labels(["b", "a", "b"], classes=["b", "c", "a"]).tolist() == [
        [0.75, 0.0, 0.25],
        [-0.5, 0.0, 1.5],
    ]
