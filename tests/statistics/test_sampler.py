"""What added rows keep: mean and covariance of each class; and what a classifier gains by them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler

from vicinal import Beta, LocalPermutation
from vicinal.learn import MixupAugmenter, MixupSampler


def _moments(rows):
    """Return means and covariances with the standard error of each."""
    centerd = rows - rows.mean(axis=0)
    products = np.einsum("ij,ik->ijk", centerd, centerd).reshape(len(rows), -1)
    values = np.concatenate([rows.mean(axis=0), products.mean(axis=0)])
    spread = np.concatenate([rows.std(axis=0), products.std(axis=0)])
    return values, spread / np.sqrt(len(rows))


def _minority(data_folder, name, target):
    path = data_folder / name
    if not path.exists():
        pytest.skip(f"{name} is not in {data_folder}")
    frame = pd.read_csv(path)
    return frame.drop(columns=target).to_numpy(float), frame[target].to_numpy()


@pytest.mark.parametrize(
    ("name", "target"),
    [("mammography.csv", "class"), ("pima_diabetes.csv", "outcome"), ("ecoli.csv", "class")],
)
@pytest.mark.parametrize("pairing", [None, LocalPermutation(16)])
def test_mean_and_covariance_of_each_class_are_kept(data_folder, name, target, pairing):
    X, y = _minority(data_folder, name, target)
    for label, count in zip(*np.unique(y, return_counts=True), strict=True):
        if count < 20:
            continue
        strategy = {label: count + 200_000}
        sampler = MixupSampler(strategy, pairing=pairing, bounds="none", random_state=11)
        new = sampler.fit_resample(X, y)[0][len(X) :]
        made, error = _moments(new)
        real, _ = _moments(X[y == label])
        assert np.abs(made - real).max() > 0
        limit = 5 * error + 1e-12 * (1 + np.abs(real))  # rounding, in constant columns
        assert (np.abs(made - real) <= limit).all(), (label, made, real, error)


def test_smote_shrinks_what_mixup_keeps(data_folder):
    X, y = _minority(data_folder, "mammography.csv", "class")
    real = X[y == 1].var(axis=0)

    def ratio(sampler):
        return sampler.fit_resample(X, y)[0][len(X) :].var(axis=0) / real

    ours = ratio(MixupSampler({1: 100_260}, bounds="none", random_state=0))
    plain = ratio(MixupSampler({1: 100_260}, weights=Beta(1.0), random_state=0))
    smote = ratio(SMOTE(sampling_strategy={1: 100_260}, random_state=0))
    np.testing.assert_allclose(ours, 1.0, atol=0.03)
    np.testing.assert_allclose(plain, 2 / 3, atol=0.03)
    assert smote.mean() < 0.95
    assert (smote < 1).all()


def test_augmenter_keeps_the_joint_covariance():
    X, y = load_diabetes(return_X_y=True)
    real, _ = _moments(np.column_stack([X, y]))
    for pairing in ("any", "near-target", LocalPermutation()):
        augment = MixupAugmenter(200_000, pairing=pairing, bounds="none", random_state=5)
        X_res, y_res = augment.fit_resample(X, y)
        made, error = _moments(np.column_stack([X_res, y_res])[len(X) :])
        assert (np.abs(made - real) <= 5 * error).all(), pairing


def test_mammography_pipeline(data_folder):
    X, y = _minority(data_folder, "mammography.csv", "class")
    model = make_pipeline(StandardScaler(), MixupSampler(random_state=0), LogisticRegression())
    scores = cross_val_score(model, X, y, cv=3, scoring="balanced_accuracy")
    unsampled = make_pipeline(StandardScaler(), LogisticRegression())
    plain = cross_val_score(unsampled, X, y, cv=3, scoring="balanced_accuracy")
    assert scores.mean() > plain.mean() + 0.05
    assert roc_auc_score(y, model.fit(X, y).predict_proba(X)[:, 1]) > 0.85
