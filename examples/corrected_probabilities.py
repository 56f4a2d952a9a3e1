"""Over-sample a rare class in a scikit-learn pipeline, and put its probabilities right.

Needs ``pip install vicinal``. Data come with the package. Run it with

    python examples/corrected_probabilities.py
"""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vicinal.data import adult_sample
from vicinal.learn import MixupSampler, PriorCorrectedClassifier

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]


def rare_rows(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return numbers of people of whom one in twenty earns much."""
    people = pd.read_csv(io.BytesIO(adult_sample()))
    much = people["income"] == ">50K"
    kept = pd.concat([people[~much], people[much].sample(158, random_state=seed)])
    return kept[NUMBERS], (kept["income"] == ">50K").to_numpy().astype(int)


def main(seed: int = 0) -> dict[str, tuple[float, float]]:
    """Print balanced accuracy of a vote at half, and log loss, three ways."""
    X, y = rare_rows(seed)
    parts = train_test_split(X, y, test_size=0.5, stratify=y, random_state=seed)
    X_train, X_test, y_train, y_test = parts
    trees = HistGradientBoostingClassifier(max_iter=60, random_state=0)
    sampler = MixupSampler(random_state=0)
    X_more, y_more = sampler.fit_resample(X_train, y_train)
    models = {
        "as they are": make_pipeline(StandardScaler(), trees).fit(X_train, y_train),
        "over-sampled": make_pipeline(StandardScaler(), trees).fit(X_more, y_more),
        "and corrected": make_pipeline(
            StandardScaler(), PriorCorrectedClassifier(trees, sampler)
        ).fit(X_train, y_train),
    }
    found = {}
    for name, model in models.items():
        p = model.predict_proba(X_test)
        found[name] = (balanced_accuracy_score(y_test, p[:, 1] > 0.5), log_loss(y_test, p))
        accuracy, loss = found[name]
        print(f"{name:<14} balanced accuracy {accuracy:.3f}, log loss {loss:.3f}")
    return found


if __name__ == "__main__":
    main()
