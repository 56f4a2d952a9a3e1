"""Over-sample a rare class in a scikit-learn pipeline, and put its probabilities right.

Needs ``pip install vicinal``. Data come with the package. Run it with

    python examples/corrected_probabilities.py
"""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from vicinal.data import adult_sample
from vicinal.learn import MixupSampler, PriorCorrectedClassifier

NUMBERS = ["age", "education_num", "capital_gain", "capital_loss", "hours_per_week"]


def rare_rows() -> tuple[pd.DataFrame, np.ndarray]:
    """Return numbers of people of whom one in twenty earns much."""
    people = pd.read_csv(io.BytesIO(adult_sample()))
    groups = people.groupby("income")
    kept = pd.concat([groups.get_group("<=50K"), groups.get_group(">50K")[:158]])
    return kept[NUMBERS], (kept["income"] == ">50K").to_numpy().astype(int)


def scaled(model: object) -> Pipeline:
    """Return a pipeline with a model of its own: fitting one must not change another."""
    return make_pipeline(StandardScaler(), model)


def main(seed: int = 0) -> dict[str, tuple[float, float]]:
    """Print balanced accuracy of a vote at half, and log loss, three ways."""
    X, y = rare_rows()
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=seed)
    sampler = MixupSampler(random_state=0)
    models = {
        "as they are": scaled(LogisticRegression()).fit(X_train, y_train),
        "over-sampled": scaled(LogisticRegression()).fit(*sampler.fit_resample(X_train, y_train)),
        "and corrected": scaled(PriorCorrectedClassifier(LogisticRegression(), sampler)).fit(
            X_train, y_train
        ),
    }
    found = {}
    for name, model in models.items():
        p = model.predict_proba(X_test)
        found[name] = (balanced_accuracy_score(y_test, p[:, 1] > 0.5), log_loss(y_test, p))
        print("{:<14} balanced accuracy {:.3f}, log loss {:.3f}".format(name, *found[name]))
    return found


if __name__ == "__main__":
    main()
