"""Train a classifier of intents that knows when a question is about none of them.

Needs ``pip install "vicinal[offline]"``. Data come with the package. Run it with

    python examples/unknown_intents.py
"""

from __future__ import annotations

import csv
import io

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

from vicinal.data import banking_sample
from vicinal.learn import MixupClassifier
from vicinal.text import Encoder


def main(unknown: int = 3, seeds: int = 5) -> dict[str, list[float]]:
    """Leave intents out of training; print how well their questions are told from the others."""
    rows = list(csv.DictReader(io.StringIO(banking_sample().decode())))
    texts, labels = [row["text"] for row in rows], np.array([row["label"] for row in rows])
    X = Encoder("offline").encode(texts)
    found: dict[str, list[float]] = {"accuracy": [], "unknown_proba": [], "1 - highest": []}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        out = np.isin(labels, rng.choice(np.unique(labels), unknown, replace=False))
        train, test = train_test_split(
            np.flatnonzero(~out), stratify=labels[~out], random_state=seed
        )
        model = MixupClassifier(unknown="across", random_state=seed).fit(X[train], labels[train])
        found["accuracy"].append(float(model.score(X[test], labels[test])))
        asked = np.concatenate([test, np.flatnonzero(out)])
        scores = {
            "unknown_proba": model.unknown_proba(X[asked]),
            "1 - highest": 1 - model.predict_proba(X[asked]).max(axis=1),
        }
        for name, score in scores.items():
            found[name].append(float(roc_auc_score(out[asked], score)))
    known = len(np.unique(labels)) - unknown
    print(f"{known} known intents and {unknown} unknown ones, {seeds} seeds")
    print(f"accuracy among the known: {np.mean(found['accuracy']):.3f}")
    for name in scores:
        print(f"AUROC of {name:<13}: {np.mean(found[name]):.3f} (from {min(found[name]):.3f})")
    return found


if __name__ == "__main__":
    main()
