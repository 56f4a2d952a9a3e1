"""Mixed values stay what they can be: whole, in range, codes copied, gaps copied jointly."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from vicinal.learn import MixupAugmenter, MixupSampler

N = 400


@pytest.fixture(scope="module")
def patients() -> tuple[pd.DataFrame, np.ndarray]:
    """Insulin as in a table of diabetes, half of it 0; ages of a stroke table; a store's number."""
    rng = np.random.default_rng(0)
    insulin = np.where(rng.random(N) < 0.5, 0, rng.gamma(2, 70, N).round()).astype(int)
    age = np.clip(rng.gamma(1.5, 20, N), 0.08, 82).round(2)
    X = pd.DataFrame({"insulin": insulin, "age": age, "store_id": rng.choice([7, 1024, 90210], N)})
    return X, (rng.random(N) < 0.15).astype(int)


def same(X: pd.DataFrame, kind: str):
    return {"pandas": lambda x: x, "polars": pl.from_pandas, "arrow": pa.Table.from_pandas}[kind](X)


def as_pandas(X) -> pd.DataFrame:
    return X if isinstance(X, pd.DataFrame) else X.to_pandas()


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_values_stay_in_range_and_codes_are_copied(patients, kind):
    X, y = patients
    out = as_pandas(MixupSampler(random_state=0).fit_resample(same(X, kind), y)[0])
    new = out.iloc[N:]
    assert out.dtypes.to_dict() == X.dtypes.to_dict()
    assert new["insulin"].between(0, X["insulin"].max()).all()
    assert new["age"].between(X["age"].min(), X["age"].max()).all()
    assert set(new["store_id"]) <= {7, 1024, 90210}
    free = as_pandas(
        MixupSampler(bounds="none", random_state=0).fit_resample(same(X, kind), y)[0]
    ).iloc[N:]
    assert (free["insulin"] < 0).mean() > 0.05  # as without bounds
    assert (free["age"] < 0).any()
    inside = free["insulin"].between(0, X["insulin"].max())
    pd.testing.assert_series_equal(new["insulin"][inside], free["insulin"][inside])


def test_arrays_and_sparse_rows_stay_in_range(patients):
    X, y = patients
    values = X.to_numpy(float)
    for made in (values, sparse.csr_array(values), sparse.csc_matrix(values)):
        new = MixupSampler(random_state=0).fit_resample(made, y)[0]
        new = new.toarray() if sparse.issparse(new) else new
        assert (new[N:] >= values.min(axis=0)).all()
        assert (new[N:] <= values.max(axis=0)).all()


def test_said_bounds(patients):
    X, y = patients
    new = MixupSampler(bounds={"age": (18, None)}, random_state=0).fit_resample(X, y)[0].iloc[N:]
    assert new["age"].min() == 18
    assert new["insulin"].min() >= 0
    new = MixupSampler(bounds={1: (None, 50)}, random_state=0).fit_resample(X.to_numpy(), y)[0]
    assert new[N:, 1].max() == 50


@pytest.mark.parametrize("make", [pd.DataFrame, np.asarray, sparse.csr_array])
def test_said_bounds_of_whole_numbers_are_whole_numbers_between_them(make):
    X = make(np.random.default_rng(0).integers(0, 6, (N, 2)))
    y = np.arange(N) % 4 == 0
    low = 0 if sparse.issparse(X) else 1  # sparse rows need room for zeros
    said = {1: (low - 0.5, 3.5)}
    made = MixupSampler(1.0, bounds=said, random_state=0).fit_resample(X, y)[0]
    new = (made.toarray() if sparse.issparse(made) else np.asarray(made))[N:, 1]
    assert set(new.tolist()) == set(range(low, 4))
    with pytest.raises(ValueError, match=r"bounds of 1 must leave room for a whole number"):
        MixupSampler(bounds={1: (2.2, 2.8)}, random_state=0).fit_resample(X, y)


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "array"])
def test_gaps_are_copied_jointly(kind):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N), "c": rng.normal(size=N)})
    X.loc[rng.random(N) < 0.3, ["a", "b"]] = np.nan
    y = (rng.random(N) < 0.3).astype(int)
    sampler = MixupSampler(random_state=0)
    given = X.to_numpy() if kind == "array" else same(X, kind)
    made = sampler.fit_resample(given, y)[0]
    new = (made if kind == "array" else as_pandas(made).to_numpy(float))[N:]
    gaps = np.isnan(new)
    np.testing.assert_array_equal(gaps, X.isna().to_numpy()[sampler.plan_.dominant])
    np.testing.assert_array_equal(gaps[:, 0], gaps[:, 1])
    assert 0.2 < gaps[:, 0].mean() < 0.4
    alone = X.isna().to_numpy()[sampler.plan_.parents].any(axis=1) & ~gaps
    copied = X.to_numpy()[sampler.plan_.dominant]
    assert alone[:, 0].any()
    np.testing.assert_array_equal(new[alone], copied[alone])


def test_whole_numbers_with_gaps_keep_their_type():
    X = pl.DataFrame({"n": [1, None, 3, 4, 9, 12], "x": [1.0, 2.0, None, 4.0, 5.0, 6.0]})
    out, _ = MixupSampler({1: 12}, random_state=0).fit_resample(X, [0, 0, 0, 1, 1, 1])
    assert out.schema == X.schema
    frame = X.to_pandas().astype({"n": "Int64"})
    out, _ = MixupSampler({0: 12}, random_state=0).fit_resample(frame, [0, 0, 0, 1, 1, 1])
    assert out["n"].dtype == "Int64"
    assert out["n"].isna().any()


def test_classes_of_an_ordinal_target_stay_in_range(patients):
    X, _ = patients
    stars = np.random.default_rng(2).integers(1, 6, N)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        y = MixupAugmenter(2.0, random_state=0).fit_resample(X, stars)[1]
        free = MixupAugmenter(2.0, bounds="none", random_state=0).fit_resample(X, stars)[1]
    assert set(y[N:]) == {1, 2, 3, 4, 5}
    assert free.min() < 1


@pytest.mark.parametrize(
    ("bounds", "match"),
    [
        ("both", "bounds must be"),
        ({"aeg": (0, 1)}, "bounds name 'aeg', which is no column"),
        ({"age": (3, 1)}, "must be a pair"),
        ({"age": 3}, "must be a pair"),
    ],
)
def test_bad_bounds(patients, bounds, match):
    with pytest.raises(ValueError, match=match):
        MixupSampler(bounds=bounds).fit_resample(*patients)


def test_sparse_zeros_are_within_bounds_or_told():
    X = sparse.random_array((60, 3), density=0.3, rng=np.random.default_rng(0), format="csr")
    y = np.arange(60) % 3 == 0
    with pytest.raises(ValueError, match="column 1, must leave room for the zeros"):
        MixupSampler(bounds={1: (0.1, None)}, random_state=0).fit_resample(X, y)
    MixupSampler(bounds={1: (None, 0.5)}, random_state=0).fit_resample(X, y)


def test_truth_is_copied_in_any_container():
    rng = np.random.default_rng(0)
    dense, y = rng.random((200, 3)) < 0.3, rng.random(200) < 0.2
    made = [
        MixupSampler(random_state=0).fit_resample(one, y)[0]
        for one in (dense, sparse.csr_array(dense))
    ]
    assert made[1].dtype == bool
    np.testing.assert_array_equal(made[1].toarray(), made[0])


@pytest.mark.parametrize("cells", [["a", "b", None], [True, False, None], ["a", "b", np.nan]])
def test_text_and_truth_with_gaps_are_copied(cells):
    column = np.resize(np.array(cells, object), 60)
    X = np.column_stack([column, np.arange(60.0).astype(object)])
    made = MixupSampler(random_state=0).fit_resample(X, np.arange(60) % 3 == 0)[0]
    known = {str(one) for one in cells}
    assert {str(one) for one in made[:, 0]} == known
