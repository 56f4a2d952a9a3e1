"""Over-sampling with right probabilities, against what else is done about rare classes.

Run with ``python benchmarks/imbalance.py``; ``--sets ecoli --repeats 1 --models linear`` is a small
look. Real tables, a rare class against the rest at its own ratio (5 to 100): by 5 x 2
cross-validation. Sampling: none, class weights, random, SMOTE, Borderline-SMOTE, ADASYN, ours; each
as it is, prior-corrected, and mended on held-out folds by isotonic regression and by Platt's
sigmoid. Figures: AUC, average precision, log loss, calibration error (15 bins of equal size) and
balanced accuracy at the rare class's share as threshold; mean ranks over the tasks, and Friedman's
and Holm's tests against no sampling.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, rankdata, wilcoxon
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from _common import machine, markdown
from vicinal._calibration import Calibration
from vicinal.learn import MixupSampler, PriorCorrectedClassifier
from vicinal.text.classifier.comparison import holm

DATA = Path(__file__).parents[2] / "shared" / "data"
#: File, column of the class, and the classes that are rare against the rest.
TASKS = (
    ("ecoli.csv", -1, 3),
    ("mammography.csv", -1, 1),
    ("pima_diabetes.csv", -1, 1),
    ("abalone.csv", -1, 4),
    ("wine_quality.csv", "quality", 4),
    ("covertype_10k.csv.gz", -1, 4),
    ("credit_g.csv", -1, 1),
    ("bank_marketing.csv.gz", -1, 1),
    ("online_shoppers.csv.gz", -1, 1),
    ("credit_default.csv.gz", -1, 1),
)
FIGURES = ("AUC", "AP", "log loss", "ECE", "balanced accuracy")
LESS_IS_BETTER = ("log loss", "ECE")
MOST_ROWS = 6000


def tasks(folder: Path, names: list[str]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, rows and truth (1 for the rare class) of each task."""
    for file, column, most in TASKS:
        name = file.split(".")[0]
        if (names and name not in names) or not (folder / file).exists():
            continue
        table = pd.read_csv(folder / file).dropna()
        label = table.columns[column] if isinstance(column, int) else column
        X = table.drop(columns=label).select_dtypes("number").to_numpy(float)
        counts = table[label].value_counts()
        rare = counts[(counts >= 20) & (counts <= len(table) / 6)].index[:most]
        for one in rare:
            y = (table[label] == one).to_numpy(int)
            keep = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
            if y[keep].sum() >= 20:
                yield f"{name} {one} ({(1 - y).sum() / y.sum():.0f}:1)", X[keep], y[keep]


def estimators(wanted: list[str]) -> dict[str, Any]:
    """Return models; all take sample weights through their last step."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    every = {
        "linear": LogisticRegression(max_iter=1000),
        "trees": HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.05, min_samples_leaf=10, random_state=0
        ),
        "network": MLPClassifier((64,), early_stopping=True, random_state=0),
    }
    return {name: make_pipeline(StandardScaler(), every[name]) for name in wanted}


def samplers() -> dict[str, Any]:
    """Return over-samplers by name."""
    from imblearn.over_sampling import ADASYN, SMOTE, BorderlineSMOTE, RandomOverSampler

    return {
        "random": RandomOverSampler(random_state=0),
        "SMOTE": SMOTE(random_state=0),
        "Borderline": BorderlineSMOTE(random_state=0),
        "ADASYN": ADASYN(random_state=0),
        "ours": MixupSampler(random_state=0),
    }


class Uncorrected(PriorCorrectedClassifier):
    """Over-sampled, its probabilities as they come."""

    def predict_proba(self, X: Any) -> Any:
        """Return what the classifier says at the over-sampled shares."""
        return self.estimator_.predict_proba(X)


def ways(model: Any) -> dict[str, Callable[[], Any]]:
    """Return what is compared, by name."""
    last = model.steps[-1][0]
    found: dict[str, Callable[[], Any]] = {"none": lambda: clone(model)}
    if "class_weight" in model.steps[-1][1].get_params():
        found["weights"] = lambda: clone(model).set_params(**{f"{last}__class_weight": "balanced"})
    for name, sampler in samplers().items():
        raw = Uncorrected(model, sampler)
        found[name] = lambda raw=raw: clone(raw)
        found[f"{name}, corrected"] = lambda s=sampler: PriorCorrectedClassifier(clone(model), s)
        for kind in ("isotonic", "sigmoid"):
            found[f"{name}, {kind}"] = lambda raw=raw, kind=kind: CalibratedClassifierCV(
                clone(raw), method=kind, cv=3
            )
    for kind in ("isotonic", "sigmoid"):
        found[f"none, {kind}"] = lambda kind=kind: CalibratedClassifierCV(
            clone(model), method=kind, cv=3
        )
    return found


def measure(model: Any, X: Any, y: Any, train: Any, test: Any) -> list[float]:
    """Fit on some rows, and return the figures on others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proba = model.fit(X[train], y[train]).predict_proba(X[test])
    told = Calibration.of(proba, y[test], np.random.default_rng(0))
    above = proba[:, 1] > y[train].mean()
    return [
        roc_auc_score(y[test], proba[:, 1]),
        average_precision_score(y[test], proba[:, 1]),
        told.log_loss,
        told.ece.value,
        balanced_accuracy_score(y[test], above),
    ]


def main() -> None:
    """Run what is asked for, and print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--models", nargs="+", default=["linear", "trees", "network"])
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    every = list(tasks(asked.data, asked.sets))
    for kind, model in estimators(asked.models).items():
        found = {name: np.empty((len(every), len(FIGURES))) for name in ways(model)}
        for at, (name, X, y) in enumerate(every):
            folds = [
                fold
                for seed in range(asked.repeats)
                for fold in StratifiedKFold(2, shuffle=True, random_state=seed).split(X, y)
            ]
            for way, make in ways(model).items():
                runs = [measure(make(), X, y, *fold) for fold in folds]
                found[way][at] = np.mean(runs, axis=0)
            print(f"{kind}: {name}", flush=True)
        show(kind, found, len(every))
    print(machine("numpy", "scikit-learn", "imbalanced-learn"))


def show(kind: str, found: dict[str, Any], n_tasks: int) -> None:
    """Print means and ranks, and the tests of log loss against no sampling."""
    values = np.array(list(found.values()))  # (ways, tasks, figures)
    sign = np.array([1 if name in LESS_IS_BETTER else -1 for name in FIGURES])
    ranks = rankdata(values * sign, axis=0).mean(axis=1)
    header = ("way", *FIGURES, *(f"rank, {name}" for name in FIGURES))
    rows = [
        (name, *(f"{v:.3f}" for v in values[at].mean(axis=0)), *(f"{r:.1f}" for r in ranks[at]))
        for at, name in enumerate(found)
    ]
    print(f"\n{kind}, {n_tasks} tasks:\n\n{markdown(header, rows)}")
    if n_tasks < 6:
        print("\nFewer than six tasks: no test.\n")
        return
    losses = values[:, :, FIGURES.index("log loss")]
    friedman = friedmanchisquare(*losses).pvalue
    names = [name for name in found if name != "none"]
    base = losses[list(found).index("none")]
    p = [wilcoxon(losses[list(found).index(name)], base).pvalue for name in names]
    said = [(name, f"{one:.3g}") for name, one in zip(names, holm(p), strict=True)]
    print(f"\nLog loss: Friedman p {friedman:.2g}; against no sampling, Wilcoxon by Holm:\n")
    print(markdown(("way", "p"), said))


if __name__ == "__main__":
    main()
