"""Plans: what they refuse, and what the message says."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal import (
    EpBeta,
    LocalPermutation,
    MixPlan,
    Nearest,
    Permutation,
    SphereWeights,
    WithinGroup,
    make_plan,
)

X = np.arange(12.0).reshape(4, 3)
PLAN = MixPlan([0, 1], [2, 3], [0.5, 1.2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MixPlan([0], [1, 2], [0.5]), ValueError, "one length.*\\(1,\\), \\(2,\\)"),
        (lambda: MixPlan([[0]], [[1]], [[0.5]]), ValueError, "one-dimensional"),
        (lambda: MixPlan([-1], [0], [0.5]), ValueError, "left .*from 0 up, got -1"),
        (lambda: MixPlan([0], [1.5], [0.5]), TypeError, "right .*integers.*float64"),
        (lambda: MixPlan([True], [0], [0.5]), TypeError, "left .*bool"),
        (lambda: MixPlan([0], [0], [np.nan]), ValueError, "lam must be finite"),
        (lambda: MixPlan([0], [0], ["a"]), TypeError, "lam must hold numbers"),
        (lambda: MixPlan.from_parents([[0, 1]], [[0.5, 0.6]]), ValueError, "sum 1.*row 0.*0.1"),
        (lambda: MixPlan.from_parents([[0]], [[1.0]]), ValueError, "two or more parents"),
        (lambda: MixPlan.from_parents([0, 1], [0.5, 0.5]), ValueError, "two or more parents"),
        (lambda: PLAN.apply(X[:3]), ValueError, "X has 3 rows .* points to row 3"),
        (lambda: PLAN.apply(5.0), ValueError, "single float"),
        (lambda: PLAN.apply([["a"]] * 4), TypeError, "X must hold numbers.*TableSynthesizer"),
        (lambda: PLAN.apply(X * 1j), TypeError, "complex128"),
        (lambda: PLAN.apply(np.full((4, 2), np.nan)), ValueError, "NaN.*check_finite=False"),
        (lambda: PLAN.apply(np.full((4, 2), np.inf)), ValueError, "infinity"),
        (
            lambda: MixPlan([0], [1], [3.0]).apply(np.float32([[3e38], [0]])),
            ValueError,
            "too large",
        ),
        (lambda: PLAN.apply(X, out=np.empty((2, 2))), ValueError, "shape \\(2, 3\\), got"),
        (lambda: PLAN.apply(X, out=np.empty((2, 3), "f4")), ValueError, "got float32"),
        (lambda: PLAN.apply(X, out=np.empty((3, 2)).T), ValueError, "C-ordered"),
        (lambda: PLAN.apply(X, out=X[:2]), ValueError, "share memory"),
        (
            lambda: PLAN.apply(X, out=np.frombuffer(bytes(48)).reshape(2, 3)),
            ValueError,
            "read-only",
        ),
        (lambda: PLAN.mix_labels([0, 1]), ValueError, "y has 2 rows .* row 3"),
        (lambda: PLAN.mix_labels(3), ValueError, "y must have one entry"),
        (
            lambda: PLAN.mix_labels(["a", "b", "c", "a"], classes=["a", "b"]),
            ValueError,
            "label .*c.* not among",
        ),
        (lambda: PLAN.mix_labels([0, 1, 2, 3], classes=["a"]), ValueError, "not among"),
        (lambda: PLAN.mix_labels([0, 1, 0, 1], classes=[0, 1, 1]), ValueError, "distinct"),
        (lambda: PLAN.mix_labels([0, 1, 0, 1], classes=[]), ValueError, "distinct"),
        (lambda: PLAN.mix_labels(["a", None, "a", "b"]), ValueError, "labels of one kind"),
        (lambda: PLAN.mix_labels([1.0, np.nan, 0.0, 1.0]), ValueError, "y holds NaN"),
        (lambda: PLAN.mix_labels([["a", "b"]] * 4), ValueError, "one column for each class"),
        (lambda: PLAN.chunks(0).__next__(), ValueError, "max_rows must be at least 1"),
        (lambda: PLAN[5], IndexError, "out of bounds"),
        (lambda: setattr(PLAN, "parents", 3), AttributeError, "frozen"),
        (lambda: delattr(PLAN, "parents"), AttributeError, "frozen"),
        (lambda: PLAN.lam.__setitem__(0, 1.0), ValueError, "read-only"),
        (lambda: make_plan(0), ValueError, "X must be at least 1, got 0.*nothing to mix"),
        (lambda: make_plan(np.empty((0, 2))), ValueError, "nothing to mix"),
        (lambda: make_plan(True), TypeError, "X must be a whole number"),
        (lambda: make_plan(2.5), TypeError, "X must be a whole number, got 2.5"),
        (lambda: make_plan(5, 0), ValueError, "n_samples must be at least 1, got 0"),
        (lambda: make_plan(5, -3), ValueError, "n_samples .* got -3"),
        (lambda: make_plan(5, 2.0), TypeError, "n_samples must be a whole number"),
        (lambda: make_plan(5, pairing=Permutation), TypeError, "pairing must be a Pairing"),
        (lambda: make_plan(5, pairing="random"), TypeError, "vicinal.Permutation"),
        (lambda: make_plan(5, weights=0.3), TypeError, "weights must be a WeightLaw"),
        (lambda: make_plan(5, random_state="x"), TypeError, "random_state .* got 'x'"),
        (lambda: make_plan(5, random_state=True), TypeError, "random_state"),
        (lambda: make_plan(5, random_state=-1), ValueError, "random_state must be 0 or larger"),
        (lambda: make_plan(5, pairing=LocalPermutation()), ValueError, "looks at the rows"),
        (lambda: make_plan(5, pairing=Nearest(20)), ValueError, "looks at the rows"),
        (lambda: make_plan([1.0, 2.0], pairing=Nearest(20)), ValueError, "n_features"),
        (
            lambda: make_plan([[1.0], [np.nan]], pairing=Nearest(20)),
            ValueError,
            "finite numbers",
        ),
        (lambda: make_plan(5, pairing=WithinGroup([1, 2])), ValueError, "each of the 5 rows"),
        (lambda: make_plan(2, pairing=WithinGroup(["a", None])), TypeError, "NoneType, str"),
        (lambda: Permutation().pair(0), ValueError, "X must be at least 1"),
        (lambda: LocalPermutation(2), ValueError, "leaf_rows must be at least 3"),
        (lambda: Nearest(0), ValueError, "k must be at least 1"),
        (lambda: Nearest(2.5), TypeError, "k must be a whole number"),
        (lambda: MixPlan.from_arrow(PLAN.to_arrow().select(["lam"])), ValueError, "left, right"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_array_can_be_let_through():
    bad = X.copy()
    bad[3, 1] = np.nan
    mixed = PLAN.apply(bad, check_finite=False)
    assert np.isnan(mixed).tolist() == [[False] * 3, [False, True, False]]
    assert PLAN[:1].apply(bad).tolist() == mixed[:1].tolist(), "unused rows may hold anything"


def test_a_nan_far_down_a_large_plan_is_found():
    rows = np.zeros((100_000, 16), np.float32)
    plan = make_plan(len(rows), random_state=0)
    rows[77_777, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        plan.apply(rows)


def test_single_row_groups_warn_once_and_copy():
    with pytest.warns(UserWarning, match="2 group.* single row") as caught:
        plan = make_plan(4, pairing=WithinGroup(["a", "b", "b", "c"]), random_state=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert plan.right.tolist() == [0, 2, 1, 3]


def test_later_changes_of_the_inputs_do_not_reach_the_plan():
    rows = np.asfortranarray([[0, 1, 2]], np.int32)
    shares = np.asfortranarray([[0.5, 0.25, 0.25]])
    plan = MixPlan.from_parents(rows, shares)
    left = np.array([0, 1], np.int32)
    two = MixPlan(left, left, [0.5, 0.5])
    rows[0, 0], shares[0, 0], left[0] = -7, 99, -7
    assert plan.parents.tolist() == [[0, 1, 2]]
    assert plan.weights.tolist() == [[0.5, 0.25, 0.25]]
    assert two.left.tolist() == [0, 1]


def test_empty_plans_work():
    empty = MixPlan([], [], [])
    assert len(empty) == 0
    assert empty.apply(X).shape == (0, 3)
    assert empty.mix_labels([]).shape[0] == 0
    assert empty == MixPlan.from_arrow(empty.to_arrow())
    assert list(empty.chunks()) == []


def test_indexing_and_comparison():
    plan = MixPlan([0, 1, 2], [1, 2, 0], [0.1, 0.2, 0.3])
    assert len(plan[1]) == 1
    assert plan[-1].left.tolist() == [2]
    assert plan[[2, 0]].lam.tolist() == [0.3, 0.1]
    assert plan[np.array([True, False, True])].right.tolist() == [1, 0]
    assert plan != plan[:2]
    assert plan != "plan"
    assert len(list(plan)) == len(plan)
    with pytest.raises(TypeError, match="unhashable"):
        hash(plan)
    assert repr(plan) == "MixPlan(n_samples=3, n_parents=2)"


def test_index_types():
    assert MixPlan(np.array([0], np.uint8), np.array([1], np.int64), [1]).parents.dtype == np.int32
    assert MixPlan([2**40], [0], [0.5]).parents.dtype == np.int64
    assert make_plan(10, random_state=0).parents.dtype == np.int32
    assert MixPlan([0], [1], np.float32([0.5])).lam.dtype == np.float32


def test_float32_weights_give_the_bytes_of_their_value():
    lam = np.float32([0.1, 0.7])
    one = MixPlan([0, 1], [2, 3], lam).apply(X.astype(np.float32))
    expected = X.astype(np.float32)
    expected = lam[:, None] * expected[:2] + (1 - lam)[:, None] * expected[2:]
    assert one.tobytes() == expected.tobytes()


def test_dominant_parent():
    assert MixPlan([0, 1, 2], [3, 4, 5], [0.5, 0.4, 1.2]).dominant.tolist() == [0, 4, 2]
    plan = MixPlan.from_parents([[0, 1, 2], [3, 4, 5]], [[0.2, 0.5, 0.3], [-0.2, 0.3, 0.9]])
    assert plan.dominant.tolist() == [1, 5]


def test_defaults():
    plan = make_plan(500, random_state=0)
    assert plan == make_plan(500, 500, pairing=Permutation(), weights=EpBeta(), random_state=0)
    assert make_plan(X, random_state=0) == make_plan(np.int64(4), random_state=0)


def test_three_distinct_parents_where_the_group_is_large_enough():
    groups = np.repeat(np.arange(50), 4)
    plan = make_plan(
        200, 4000, pairing=WithinGroup(groups), weights=SphereWeights(4), random_state=0
    )
    assert (groups[plan.parents] == groups[plan.left][:, None]).all()
    ordered = np.sort(plan.parents, axis=1)
    assert (np.diff(ordered, axis=1) > 0).all()


def test_tables_of_several_types_of_numbers():
    plan = MixPlan([0, 1], [1, 2], [0.5, 0.75])
    frame = {"a": [1, 2, 3], "b": [0.5, 1.5, 2.5], "c": [True, False, True]}
    expected = [[1.5, 1.0, 0.5], [2.25, 1.75, 0.25]]
    pandas = pytest.importorskip("pandas")
    assert plan.apply(pandas.DataFrame(frame)).tolist() == expected
    for texts in (["x", "y", "z"], ["1", "2", "3"]):
        with pytest.raises(TypeError, match="column 3, counted from 0, holds the text"):
            plan.apply(pandas.DataFrame({**frame, "d": texts}))
    with pytest.raises(TypeError, match=r"X must hold numbers.*Timestamp"):
        plan.apply(pandas.DataFrame({**frame, "d": pandas.to_datetime(["2020"] * 3)}))
    polars = pytest.importorskip("polars")
    assert plan.apply(polars.DataFrame(frame)).tolist() == expected


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_that_are_learned(kind):
    torch = pytest.importorskip("torch", reason="needs torch")
    kept = {"dtype": getattr(torch, kind), "requires_grad": True}
    plan = MixPlan(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.75], **kept))
    assert plan.apply(torch.tensor([[0.0], [4.0]], **kept)).tolist() == [[1.0]]
    assert plan.mix_labels(torch.tensor([0.0, 4.0], **kept)).tolist() == [1.0]
