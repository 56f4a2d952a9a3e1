"""MixupSampler and MixupAugmenter: what is refused, and in which words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from vicinal import Nearest, WithinGroup
from vicinal.learn import MixupAugmenter, MixupSampler

X4 = np.arange(8.0).reshape(4, 2)
Y4 = np.array([0, 1, 1, 1])
FRAME = pd.DataFrame({"age": [1.0, None, 3, 4], "city": list("abab")})


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (sparse.csr_array(np.where(X4 == 2, np.nan, X4)), Y4, "A sparse X contains missing values"),
        (np.where(X4 == 2, np.inf, X4), Y4, "Input X contains infinity"),
        (FRAME.assign(age=[1.0, np.inf, 3, 4]), Y4, "column 'age' contains infinity"),
        (pd.DataFrame(X4, columns=["a", "a"]), Y4, "Column names must be distinct"),
        (FRAME[["city"]].iloc[:0], [], "at least 2 rows, got 0"),
        (FRAME[["city"]].iloc[:1], [1], "at least 2 rows, got 1"),
        (X4[:0], Y4[:0], "0 sample"),
        (X4[:, 0], Y4, "1D array"),
        (X4[:, :0], Y4, "0 feature"),
        (X4[:3], Y4, "inconsistent numbers of samples"),
        (X4.astype(np.int64) + 2**60, Y4, r"beyond 2\*\*53"),
        (X4, np.zeros(4), "at least 2 classes, got 1 class"),
        (X4, [0.1, 0.2, 0.3, 0.4], "Unknown label type"),
        (X4, [0.0, np.nan, 1.0, 1.0], "y contains missing labels"),
        (X4, ["a", None, "b", "b"], "y contains missing labels"),
        (X4, pd.Series(["a", None, "b", "b"]), "y contains missing labels"),
        (X4, ["a", 1, "b", "b"], "Unknown label type"),
        (X4, np.array([[1, 1], [0, 1], [1, 0], [1, 0]]), "Multilabel and multioutput"),
        (X4, np.array([[2, 1], [0, 1], [1, 0], [1, 0]]), "label type|Multilabel"),
        (X4, None, "requires y"),
    ],
)
def test_bad_data_is_refused(X, y, message):
    with pytest.raises(ValueError, match=message):
        MixupSampler().fit_resample(X, y)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"sampling_strategy": "majority"}, ValueError, "sampling_strategy must be one of"),
        ({"sampling_strategy": "minorty"}, ValueError, "Did you mean 'minority'"),
        ({"sampling_strategy": 0}, ValueError, r"sampling_strategy must be .* in \(0, 1\]"),
        ({"sampling_strategy": 1.5}, ValueError, r"in \(0, 1\]"),
        ({"sampling_strategy": 0.3}, ValueError, "no more rows of class 0"),
        ({"sampling_strategy": True}, TypeError, "must be a number"),
        ({"sampling_strategy": [0]}, TypeError, "must be a number"),
        ({"sampling_strategy": {5: 9}}, ValueError, r"not in y: \[5\]"),
        ({"sampling_strategy": {1: 2}}, ValueError, "at least 3"),
        ({"sampling_strategy": {1: -2}}, ValueError, "at least 0"),
        ({"sampling_strategy": {1: 4.5}}, TypeError, "whole number"),
        ({"weights": 0.5}, TypeError, "weights must be a WeightLaw"),
        ({"pairing": "near"}, TypeError, "pairing must be a Pairing"),
        ({"pairing": WithinGroup([])}, ValueError, "groups must have one label for each row"),
        ({"categorical_features": "all"}, ValueError, "must be one of 'auto'"),
        ({"categorical_features": [2]}, ValueError, "column numbers below 2"),
        ({"categorical_features": ["age"]}, ValueError, "for a table, column names"),
        ({"categorical_features": [True]}, ValueError, "1 truth values but X has 2"),
        ({"random_state": "seed"}, TypeError, "random_state"),
    ],
)
def test_bad_parameters_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        MixupSampler(**parameters).fit_resample(X4, Y4)


def test_more_refusals():
    with pytest.raises(ValueError, match="only with 2 classes"):
        MixupSampler(0.5).fit_resample(X4, [0, 1, 2, 2])
    with pytest.raises(ValueError, match="Did you mean 'city'"):
        MixupSampler(categorical_features=["citty"]).fit_resample(FRAME, Y4)
    with pytest.raises(ValueError, match="needs a dense X"):
        MixupSampler(pairing=Nearest(2)).fit_resample(sparse.eye_array(5), [0, 0, 1, 1, 1])
    with pytest.raises(TypeError, match="lazy"):
        MixupSampler().fit_resample(pl.DataFrame(X4).lazy(), Y4)
    with pytest.raises(TypeError, match="either numbers or text"):
        MixupSampler().fit_resample(np.array([[{}], [1], [2], [3]], dtype=object), Y4)


@pytest.mark.parametrize(
    ("parameters", "y", "error", "message"),
    [
        ({}, list("abab"), ValueError, "use MixupSampler"),
        ({}, pd.Series(list("abab"), dtype="category"), ValueError, "use MixupSampler"),
        ({}, [True, False, True, False], ValueError, "use MixupSampler"),
        ({}, [1.0, np.nan, 2.0, 3.0], ValueError, "NaN"),
        ({}, pl.Series([1.0, None, 2.0, 3.0]), ValueError, "missing values"),
        ({}, [1.0, 2.0], ValueError, "inconsistent numbers"),
        ({}, None, ValueError, "requires y"),
        ({"n_samples": 0}, [1.0, 2, 3, 4], ValueError, "n_samples must be at least 1"),
        ({"n_samples": -0.5}, [1.0, 2, 3, 4], ValueError, "n_samples"),
        ({"n_samples": float("nan")}, [1.0, 2, 3, 4], ValueError, "n_samples"),
        ({"n_samples": True}, [1.0, 2, 3, 4], TypeError, "n_samples"),
        ({"n_samples": "10"}, [1.0, 2, 3, 4], TypeError, "n_samples"),
        ({"pairing": "near"}, [1.0, 2, 3, 4], ValueError, "Did you mean|near-target"),
        ({"weights": "Beta"}, [1.0, 2, 3, 4], TypeError, "weights must be a WeightLaw"),
    ],
)
def test_augmenter_refusals(parameters, y, error, message):
    with pytest.raises(error, match=message):
        MixupAugmenter(**parameters).fit_resample(X4, y)
