"""MixupSampler and MixupAugmenter: how many rows come back, of which types, from which seeds."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import make_pipeline
from polars.testing import assert_frame_equal as assert_polars_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from vicinal import (
    AcrossGroup,
    EpBeta,
    Farthest,
    LocalPermutation,
    MixPlan,
    Nearest,
    Random,
    SphereWeights,
    Uniform,
    WithinGroup,
)
from vicinal.learn import MixupAugmenter, MixupSampler


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    y = rng.permutation(np.repeat([0, 1, 2], [15, 40, 95]))
    return rng.normal(size=(150, 3)) + y[:, None], y


@pytest.fixture
def table():
    rng = np.random.default_rng(2)
    n = 90
    return pd.DataFrame(
        {
            "city": pd.Categorical(rng.choice(["Ulm", "Bonn"], n), ["Bonn", "Ulm", "Köln"]),
            "age": rng.integers(18, 80, n),
            "height": rng.normal(170, 10, n).astype(np.float32),
            "member": rng.random(n) < 0.5,
            "visits": pd.array(rng.integers(0, 9, n), dtype="Int16"),
            "income": pd.array(rng.normal(3, 1, n), dtype="Float64"),
            "score": pd.array(rng.normal(size=n), dtype="double[pyarrow]"),
            "name": [None if i % 7 == 0 else f"n{i % 5}" for i in range(n)],
            "since": pd.date_range("2020-01-01", periods=n, tz="Europe/Berlin"),
        },
        index=np.arange(n) * 3 + 1000,
    ), pd.Series(np.repeat(["yes", "no"], [20, 70]), index=np.arange(n) * 3 + 1000, name="bought")


# ---------------------------------------------------------------- which classes get how many


@st.composite
def labels_and_strategy(draw):
    n_classes = draw(st.integers(2, 4))
    counts = draw(st.lists(st.integers(2, 25), min_size=n_classes, max_size=n_classes))
    spelling = draw(st.sampled_from([list("dbca"), [5, -1, 9, 0], [2.0, 1.0, 0.0, 7.0]]))
    names = spelling[:n_classes]
    y = np.repeat(np.array(names), counts)
    y = np.random.default_rng(draw(st.integers(0, 99))).permutation(y)
    wanted = {
        name: count + draw(st.integers(0, 9))
        for name, count in zip(names, counts, strict=True)
        if draw(st.booleans())
    }
    kinds = ["auto", "not majority", "minority", "not minority", "all", wanted, lambda _: wanted]
    ratio = min(counts) / max(counts)
    if n_classes == 2 and ratio < 0.9 and int(max(counts) * 0.95) > min(counts):
        kinds.append(0.95)
    return y, draw(st.sampled_from(kinds))


@given(labels_and_strategy())
def test_class_counts_are_those_of_imbalanced_learn(case):
    y, strategy = case
    X = np.arange(2.0 * len(y)).reshape(-1, 2)
    ours, theirs = (
        MixupSampler(strategy, random_state=0),
        RandomOverSampler(sampling_strategy=strategy, random_state=0),
    )
    X_res, y_res = ours.fit_resample(X, y)
    _, y_peer = theirs.fit_resample(X, y)
    np.testing.assert_array_equal(*(np.unique(t, return_counts=True) for t in (y_res, y_peer)))
    assert ours.sampling_strategy_ == dict(theirs.sampling_strategy_)
    assert y_res.dtype == y.dtype
    np.testing.assert_array_equal(X_res[: len(y)], X)
    np.testing.assert_array_equal(y_res, y_peer)  # classes in the same order, too


def test_plan_points_to_rows_of_the_same_class(data):
    X, y = data
    sampler = MixupSampler("all", bounds="none", random_state=0)
    X_res, y_res = sampler.fit_resample(X, y)
    plan = sampler.plan_
    assert isinstance(plan, MixPlan)
    assert len(plan) == len(X_res) - len(X) == 285 - 150
    np.testing.assert_array_equal(y[plan.left], y[plan.right])
    np.testing.assert_array_equal(y_res[150:], y[plan.left])
    np.testing.assert_array_equal(X_res[150:], plan.apply(X))


def test_nothing_to_add(data, table):
    X, y = data
    sampler = MixupSampler({0: 15}, random_state=0)
    X_res, y_res = sampler.fit_resample(X, y)
    np.testing.assert_array_equal(X_res, X)
    np.testing.assert_array_equal(y_res, y)
    assert len(sampler.plan_) == 0
    frame, labels = table
    out, _ = MixupSampler({}).fit_resample(frame, labels)
    pd.testing.assert_frame_equal(out, frame.reset_index(drop=True))


# ---------------------------------------------------------------------------- seeds


def test_same_seed_same_rows(data):
    X, y = data
    first = MixupSampler({0: 60, 1: 80}, random_state=3).fit_resample(X, y)[0]
    again = MixupSampler({1: 80, 0: 60}, random_state=3).fit_resample(X, y)[0]
    other = MixupSampler({0: 60, 1: 80}, random_state=4).fit_resample(X, y)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_of_a_class_do_not_depend_on_the_other_classes(data):
    X, y = data
    both = MixupSampler({0: 60, 1: 80}, random_state=3)
    alone = MixupSampler({1: 80}, random_state=3)
    both.fit_resample(X, y)
    alone.fit_resample(X, y)
    assert both.plan_[45:] == alone.plan_


def test_classes_have_independent_streams():
    # SMOTE seeds each class with the same integer: equal classes then get equal draws
    X, y = np.zeros((60, 1)), np.repeat([0, 1, 2], [10, 10, 40])
    sampler = MixupSampler(random_state=0)
    sampler.fit_resample(X, y)
    assert not np.array_equal(sampler.plan_.lam[:30], sampler.plan_.lam[30:])


def test_global_random_state_is_left_alone(data):
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    MixupSampler().fit_resample(*data)
    MixupAugmenter().fit_resample(data[0], data[0][:, 0])
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("seed", [np.random.default_rng(0), np.random.RandomState(0), None])
def test_other_seeds(data, seed):
    sampler = clone(MixupSampler(random_state=seed))
    assert len(sampler.fit_resample(*data)[0]) == 285


# ---------------------------------------------------------------------------- containers


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64])
def test_arrays_keep_their_type(dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 120, (60, 4)).astype(dtype)
    X_before = X.copy()
    y = np.repeat([True, False], [20, 40])
    sampler = MixupSampler(bounds="none", random_state=0)
    X_res, y_res = sampler.fit_resample(X, y)
    assert X_res.dtype == dtype
    assert y_res.dtype == bool
    np.testing.assert_array_equal(X, X_before)
    exact = sampler.plan_.apply(X.astype(np.float64))
    if np.dtype(dtype).kind in "iu":
        bounds = np.iinfo(dtype)
        np.testing.assert_array_equal(X_res[60:], np.rint(exact).clip(bounds.min, bounds.max))
    else:
        np.testing.assert_allclose(X_res[60:], exact, rtol=1e-3, atol=0.1)


def test_lists_with_text_keep_numbers_and_text():
    X = [[i, i / 2, f"c{i % 3}", i % 2 == 0] for i in range(12)]
    y = ["rare"] * 3 + ["common"] * 9
    sampler = MixupSampler(random_state=0)
    X_res, y_res = sampler.fit_resample(X, y)
    assert X_res[:12] == X
    assert y_res == y + ["rare"] * 6
    assert [type(value) for value in X_res[-1]] == [int, float, str, bool]
    assert [row[2] for row in X_res[12:]] == [f"c{i % 3}" for i in sampler.plan_.dominant]


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_matrix", "csr_array", "csc_array"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_sparse_stays_sparse(kind, dtype):
    X = sparse.random_array((200, 50), density=0.1, rng=np.random.default_rng(0)) * 50
    X = getattr(sparse, kind)(X.astype(dtype))
    y = np.repeat([0, 1], [40, 160])
    sampler = MixupSampler(categorical_features=[3], random_state=0)
    X_res, _ = sampler.fit_resample(X, y)
    assert type(X_res) is type(X)
    assert X_res.dtype == dtype
    dense, _ = clone(sampler).fit_resample(X.toarray(), y)
    np.testing.assert_allclose(X_res.toarray(), dense, rtol=1e-4, atol=1e-4)


def test_wide_sparse_is_never_made_dense():
    X = sparse.random_array((300, 2_000_000), density=1e-6, rng=np.random.default_rng(0)).tocsr()
    X_res, _ = MixupSampler(random_state=0).fit_resample(X, np.repeat([0, 1], [50, 250]))
    assert X_res.shape == (500, 2_000_000)


def test_pandas_types_come_back(table):
    frame, labels = table
    before = frame.copy()
    sampler = MixupSampler(bounds="none", random_state=0)
    out, y = sampler.fit_resample(frame, labels)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_series_equal(out.dtypes, frame.dtypes)
    pd.testing.assert_frame_equal(out.iloc[:90], frame.reset_index(drop=True))
    pd.testing.assert_index_equal(out.index, pd.RangeIndex(140))
    new, parents = out.iloc[90:], frame.iloc[sampler.plan_.dominant]
    for name in ["city", "member", "name", "since"]:
        expected = parents[name].set_axis(new.index)
        pd.testing.assert_series_equal(new[name], expected)
    exact = sampler.plan_.apply(frame[["age", "income"]].to_numpy(float))
    np.testing.assert_array_equal(new["age"], np.rint(exact[:, 0]))
    np.testing.assert_allclose(new["income"].to_numpy(float), exact[:, 1])
    assert y.name == "bought"
    assert y.dtype == labels.dtype
    assert y.value_counts().to_dict() == {"yes": 70, "no": 70}
    assert list(sampler.feature_names_in_) == list(frame.columns)
    assert list(sampler.get_feature_names_out()) == list(frame.columns)


@pytest.mark.parametrize("dtype", ["category", "Int64", "boolean", "string[pyarrow]"])
def test_pandas_labels_keep_their_type(dtype):
    y = pd.Series([1, 0, 0, 0, 1, 0], dtype="Int64").astype(dtype)
    _, y_res = MixupSampler(random_state=0).fit_resample(np.arange(12.0).reshape(6, 2), y)
    assert y_res.dtype == y.dtype
    assert len(y_res) == 8


def test_polars_and_arrow_come_back(table):
    frame, labels = table
    X = pl.from_pandas(frame.drop(columns="name"))
    X_res, y_res = MixupSampler(random_state=0).fit_resample(X, pl.Series("bought", list(labels)))
    assert X_res.schema == X.schema
    assert_polars_equal(X_res[:90], X)
    assert (y_res.name, y_res.len()) == ("bought", 140)
    arrow = X.to_arrow()
    A_res, _ = MixupSampler(random_state=0).fit_resample(arrow, labels.to_numpy())
    assert isinstance(A_res, pa.Table)
    assert A_res.schema.equals(arrow.schema)
    np.testing.assert_array_equal(A_res["score"].to_numpy(), X_res["score"].to_numpy())


@pytest.mark.parametrize("chosen", [["age", "visits"], [1, 4], [-8, -5]])
def test_named_columns_are_copied(table, chosen):
    frame, labels = table
    sampler = MixupSampler(categorical_features=chosen, random_state=0)
    out, _ = sampler.fit_resample(frame, labels)
    parents = frame.iloc[sampler.plan_.dominant]
    for name in ["age", "visits"]:
        np.testing.assert_array_equal(out[name].iloc[90:], parents[name])


def test_one_hot_labels(data):
    X, y = data
    X_res, one_hot = MixupSampler(random_state=0).fit_resample(X, np.eye(3, dtype=int)[y])
    np.testing.assert_array_equal(one_hot.sum(axis=0), [95, 95, 95])
    np.testing.assert_array_equal(X_res, MixupSampler(random_state=0).fit_resample(X, y)[0])


def test_a_class_of_one_row_is_copied_with_a_warning():
    X, y = np.array([[0.1, 0.2], [1, 1], [2, 2], [3, 1]]), np.array([7, 8, 8, 8])
    with pytest.warns(UserWarning, match="Class 7 has a single row"):
        X_res, _ = MixupSampler(random_state=0).fit_resample(X, y)
    np.testing.assert_array_equal(X_res[4:], [[0.1, 0.2]] * 2)


@pytest.mark.parametrize(
    ("weights", "pairing"),
    [
        (Uniform(), Random()),
        (SphereWeights(3), LocalPermutation(8)),
        (EpBeta(0.3, 0.1), Nearest(5, balanced=True)),
    ],
)
def test_other_laws_and_pairings(data, weights, pairing):
    X, y = data
    sampler = MixupSampler(weights=weights, pairing=pairing, random_state=0)
    X_res, _ = sampler.fit_resample(X, y)
    classes = y[sampler.plan_.parents]
    assert (classes == classes[:, :1]).all()
    assert np.isfinite(X_res).all()
    pickle.loads(pickle.dumps(sampler))


# ---------------------------------------------------------------------------- pipelines


def test_regression_pipeline():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    for pairing in ("any", "near-target"):
        augment = MixupAugmenter(2.0, pairing=pairing, random_state=0)
        model = make_pipeline(StandardScaler(), augment, LinearRegression())
        assert cross_val_score(model, X, y, cv=3).mean() > 0.4


def test_imbalanced_learn_is_not_needed():
    code = (
        "import sys; sys.modules['imblearn'] = None\n"
        "from vicinal.learn import MixupSampler\n"
        "print(MixupSampler(random_state=0).fit_resample([[1.], [2.], [3.]], [0, 0, 1])[1])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout.split("\n")[0] == "[0, 0, 1, 1]", run.stderr


def test_metadata_routing_in_a_pipeline(data):
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        model = make_pipeline(MixupSampler(random_state=0), LogisticRegression())
        assert model.fit(*data).score(*data) > 0.5


# ---------------------------------------------------------------------------- augmentation


def test_targets_are_mixed_by_the_same_weights():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2)).astype(np.float32)
    Y = pd.DataFrame({"a": X[:, 0] * 2.0, "b": X.sum(axis=1)}, index=range(5, 85))
    augment = MixupAugmenter(0.25, bounds="none", random_state=0)
    X_res, Y_res = augment.fit_resample(X, Y)
    assert X_res.dtype == np.float32
    assert (Y_res.dtypes == Y.dtypes).all()
    assert len(X_res) == len(Y_res) == 100
    np.testing.assert_allclose(Y_res["a"], X_res[:, 0] * 2.0, atol=1e-5)
    np.testing.assert_allclose(Y_res["b"], X_res.sum(axis=1), atol=1e-5)


@pytest.mark.parametrize(
    "y",
    [
        [0.5 * i for i in range(40)],
        np.arange(40, dtype=np.float32),
        np.arange(40.0).reshape(-1, 1),
        np.arange(40),
        pd.Series(np.arange(40.0)),
        pd.Series(np.arange(40), dtype="Int32", name="t"),
        pl.Series("t", np.arange(40.0)),
    ],
    ids=["list", "float32", "column", "int", "unnamed", "nullable", "polars"],
)
def test_targets_come_back_as_they_went_in(y):
    X = np.arange(80.0).reshape(40, 2)
    augment = MixupAugmenter(10, bounds="none", random_state=0)
    _, y_res = augment.fit_resample(X, y)
    assert type(y_res) is type(y)
    assert getattr(y_res, "dtype", None) == getattr(y, "dtype", None)
    assert getattr(y_res, "name", None) == getattr(y, "name", None)
    assert np.shape(y_res) == (50, *np.shape(y)[1:])
    np.testing.assert_array_equal(np.asarray(y_res)[:40], np.asarray(y))
    exact = augment.plan_.apply(np.asarray(y, dtype=float))
    np.testing.assert_allclose(np.asarray(y_res, dtype=float)[40:], exact, atol=0.5)


def test_near_target_mixes_near_targets():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(400, 2)), rng.normal(size=400)
    gap = {}
    for pairing in ("any", "near-target"):
        augment = MixupAugmenter(pairing=pairing, random_state=0)
        augment.fit_resample(X, y)
        gap[pairing] = np.abs(y[augment.plan_.left] - y[augment.plan_.right]).mean()
    assert gap["near-target"] < gap["any"] / 5


def test_table_with_text_can_be_augmented(table):
    frame, _ = table
    out, y = MixupAugmenter(30, random_state=0).fit_resample(frame, frame["income"])
    pd.testing.assert_series_equal(out.dtypes, frame.dtypes)
    assert y.dtype == frame["income"].dtype
    np.testing.assert_allclose(out["income"].to_numpy(float), y.to_numpy(float))


def test_rounding_of_small_whole_targets_warns():
    X, y = np.arange(20.0).reshape(10, 2), np.arange(10) % 2
    with pytest.warns(UserWarning, match="vary little"):
        MixupAugmenter(random_state=0).fit_resample(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MixupAugmenter(random_state=0).fit_resample(X, y.astype(float))


def test_an_augmenter_takes_pairings_by_group_and_distance(data):
    X, _ = data
    groups = np.arange(len(X)) % 4
    for pairing, same in (
        (WithinGroup(groups, Farthest(0.1)), True),
        (AcrossGroup(groups, Farthest(0.1)), False),
        (WithinGroup(groups), True),
    ):
        augmenter = MixupAugmenter(pairing=pairing, random_state=0)
        X_res, _ = augmenter.fit_resample(X, X[:, 0])
        assert X_res.shape == (2 * len(X), X.shape[1])
        plan = augmenter.plan_
        assert ((groups[plan.left] == groups[plan.right]) == same).all()
    far, near = (
        MixupAugmenter(pairing=WithinGroup(groups, one), random_state=0)
        for one in (Farthest(0.1, "euclidean"), Nearest(tau=0.1))
    )
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    apart = []
    for augmenter in (far, near):
        augmenter.fit_resample(X, X[:, 0])
        plan = augmenter.plan_
        apart.append(np.linalg.norm(scaled[plan.left] - scaled[plan.right], axis=1).min())
    assert apart[0] > apart[1]


def test_sparse_rows_take_pairings_that_need_no_points(data):
    X, y = data
    groups = np.arange(len(X)) % 4
    augmenter = MixupAugmenter(pairing=AcrossGroup(groups), random_state=0)
    X_res, _ = augmenter.fit_resample(sparse.csr_array(X), X[:, 0])
    assert sparse.issparse(X_res)
    assert (groups[augmenter.plan_.left] != groups[augmenter.plan_.right]).all()
    for pairing, same in ((AcrossGroup(groups), False), (WithinGroup(groups), True)):
        sampler = MixupSampler(pairing=pairing, random_state=0)
        sampler.fit_resample(sparse.csr_array(X), y)
        plan = sampler.plan_
        assert (y[plan.left] == y[plan.right]).all()
        assert ((groups[plan.left] == groups[plan.right]) == same).all()


def test_near_targets_of_very_few_rows():
    X, y = np.arange(8.0).reshape(4, 2), np.array([0.0, 1, 5, 6])
    augmenter = MixupAugmenter(pairing="near-target", random_state=0)
    X_res, _ = augmenter.fit_resample(X, y)
    assert X_res.shape == (8, 2)
    assert (abs(y[augmenter.plan_.left] - y[augmenter.plan_.right]) <= 1).all()
