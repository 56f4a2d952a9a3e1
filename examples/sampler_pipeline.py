"""Over-sample a rare class, and augment a regression, inside imbalanced-learn pipelines.

Needs ``pip install "vicinal[imbalanced]"``. Data come with scikit-learn. Run it with

    python examples/sampler_pipeline.py
"""

from __future__ import annotations

import numpy as np
from imblearn.datasets import make_imbalance
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from vicinal.learn import MixupAugmenter, MixupSampler


def rare_class() -> None:
    """Compare over-samplers where 20 of 377 tumours are malignant."""
    X, y = load_breast_cancer(return_X_y=True)
    X, y = make_imbalance(X, y, sampling_strategy={0: 20, 1: 357}, random_state=0)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=4, random_state=0)
    print(f"breast cancer, {np.sum(y == 0)} malignant and {np.sum(y == 1)} benign, 20 folds")
    print(f"{'sampler':<20}{'balanced accuracy':>18}{'variance kept':>15}")
    samplers = {
        "none": "passthrough",
        "RandomOverSampler": RandomOverSampler(random_state=0),
        "SMOTE": SMOTE(random_state=0),
        "MixupSampler": MixupSampler(random_state=0),
    }
    for name, sampler in samplers.items():
        model = make_pipeline(StandardScaler(), sampler, LogisticRegression(max_iter=1000))
        score = cross_val_score(model, X, y, cv=folds, scoring="balanced_accuracy").mean()
        kept = "-"
        if name != "none":
            X_res, _ = sampler.fit_resample(X, y)
            kept = f"{np.mean(X_res[len(X) :].var(axis=0) / X[y == 0].var(axis=0)):.3f}"
        print(f"{name:<20}{score:>18.3f}{kept:>15}")


def regression() -> None:
    """Compare regressors with and without mixed rows: some gain, nearest neighbors do not."""
    X, y = load_diabetes(return_X_y=True)
    models = {
        "boosting": HistGradientBoostingRegressor(random_state=0),
        "forest": RandomForestRegressor(random_state=0),
        "neighbors": KNeighborsRegressor(),
    }
    steps = {
        "none": "passthrough",
        "any pair": MixupAugmenter(2.0, random_state=0),
        "near in target": MixupAugmenter(2.0, pairing="near-target", random_state=0),
    }
    print(f"\ndiabetes, {len(X)} patients, 10 folds, R2")
    print(f"{'augmentation':<20}" + "".join(f"{name:>12}" for name in models))
    for name, step in steps.items():
        scores = [
            cross_val_score(make_pipeline(StandardScaler(), step, model), X, y, cv=10).mean()
            for model in models.values()
        ]
        print(f"{name:<20}" + "".join(f"{score:>12.3f}" for score in scores))


if __name__ == "__main__":
    rare_class()
    regression()
