"""Over-sampling with right probabilities, against what else is done about rare classes.

Run with ``python benchmarks/imbalance.py``; ``--sets ecoli --repeats 1 --models linear`` is a small
look, ``--render`` prints what is kept. Twenty tasks of eleven real tables, numbers alone: a rare
class against the rest, at its own ratio or thinned to another (5 to 100), 5 x 2 cross-validation.
Sampling: none, class weights, random, SMOTE, Borderline-SMOTE, ADASYN, ours; each as it is,
prior-corrected, and mended by isotonic regression and Platt's sigmoid on what 3 inner folds
predict. For each sampling trees choose leaves and rounds on those folds too, by corrected log loss.

Stated before any run. Primary: log loss of trees, ours corrected against no sampling as it is; and
against no sampling with isotonic, and with Platt. All else is secondary. A way gains where the 95 %
interval of its mean difference, by bootstrap over tables (tasks of one table are not independent),
excludes 0. Beside it stand mean ranks, Nemenyi's critical difference and Wilcoxon's test by Holm.
Left out for time: at most 3,000 rows a task (4,200 at 100:1), a small grid, one network of 32
units in the first repetition alone; ``--minutes`` ends at whole repetitions of the rest.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import friedmanchisquare, rankdata, studentized_range, wilcoxon
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from _common import RESULTS, machine, markdown, publish
from _jobs import Store
from vicinal._calibration import Calibration
from vicinal.learn import MixupSampler, PriorCorrectedClassifier
from vicinal.text.classifier.comparison import holm

DATA = Path(__file__).parents[2] / "shared" / "data"
#: File, column of the class, its rare value, and rows of the rest to each (None: as they come).
TASKS = (
    ("ecoli.csv", "class", "imU", None),
    ("ecoli.csv", "class", "om", None),
    ("mammography.csv", "class", 1, None),
    ("pima_diabetes.csv", "outcome", 1, 10),
    ("credit_g.csv", "default", 2, 10),
    ("abalone.csv", "rings", 9, None),
    ("abalone.csv", "rings", 15, None),
    ("abalone.csv", "rings", 18, None),
    ("wine_quality.csv", "quality", 7, None),
    ("wine_quality.csv", "quality", 4, None),
    ("wine_quality.csv", "quality", 8, None),
    ("covertype_10k.csv.gz", "Cover_Type", 1, None),
    ("covertype_10k.csv.gz", "Cover_Type", 2, 50),
    ("covertype_10k.csv.gz", "Cover_Type", 5, 100),
    ("bank_marketing.csv.gz", "y", "yes", None),
    ("bank_marketing.csv.gz", "y", "yes", 50),
    ("online_shoppers.csv.gz", "Revenue", True, None),
    ("online_shoppers.csv.gz", "Revenue", True, 30),
    ("credit_default.csv.gz", "default", 1, 20),
    ("adult_income.csv.gz", "income", ">50K", 20),
)
NETWORK_REPEATS = 1
MOST_ROWS = 3000
MOST_ROWS_AT_100 = 4200
SAMPLINGS = ("none", "weights", "random", "SMOTE", "Borderline", "ADASYN", "ours")
MENDED = ("", "corrected", "isotonic", "sigmoid")
FIGURES = ("AUC", "AP", "log loss", "ECE", "balanced accuracy")
LESS_IS_BETTER = ("log loss", "ECE")
#: Leaves of a tree, and rounds of boosting, to choose from.
LEAVES, ROUNDS = (4, 16), (20, 40, 70, 100)
INNER = 3
PRIMARY = ("ours, corrected", ("none", "none, isotonic", "none, sigmoid"))


def tasks(folder: Path, names: list[str]) -> Iterator[tuple[str, Any, Any]]:
    """Yield name, rows and truth (1 for the rare class) of each task."""
    for file, label, rare, ratio in TASKS:
        name = file.split(".")[0]
        if (names and name not in names) or not (folder / file).exists():
            continue
        table = pd.read_csv(folder / file)
        table = table[[label, *table.drop(columns=label).select_dtypes("number")]].dropna()
        y = (table[label] == rare).to_numpy(int)
        order = np.random.default_rng(0).permutation(len(y))
        ones, rest = order[y[order] == 1], order[y[order] == 0]
        ratio = len(rest) / len(ones) if ratio is None else ratio
        most = MOST_ROWS_AT_100 if ratio > 90 else MOST_ROWS
        rows = min(most, int(len(ones) * (1 + ratio)), int(len(rest) * (1 + 1 / ratio)))
        n_ones = round(rows / (1 + ratio))
        keep = np.sort(np.concatenate([ones[:n_ones], rest[: rows - n_ones]]))
        X = table.drop(columns=label).to_numpy(float)[keep]
        yield f"{name} {rare}, {ratio:.0f}:1", X[:, X.std(axis=0) > 0], y[keep]


class OrAsItIs:
    """An over-sampler that leaves rows as they are where it can draw none."""

    def __init__(self, sampler: Any) -> None:
        self.sampler = sampler

    def fit_resample(self, X: Any, y: Any) -> Any:
        """Over-sample."""
        try:
            return self.sampler.fit_resample(X, y)
        except ValueError:  # ADASYN: no row has a neighbor of the other class
            return X, y

    def __sklearn_clone__(self) -> OrAsItIs:
        return self


def sampler(name: str) -> Any:
    """Return an over-sampler by name."""
    from imblearn import over_sampling

    classes = {
        "random": over_sampling.RandomOverSampler,
        "SMOTE": over_sampling.SMOTE,
        "Borderline": over_sampling.BorderlineSMOTE,
        "ADASYN": over_sampling.ADASYN,
        "ours": MixupSampler,
    }
    return OrAsItIs(classes[name](random_state=0))


def estimator(model: str, leaves: int, rounds: int) -> Any:
    """Return a classifier."""
    if model == "linear":
        return LogisticRegression(max_iter=1000)
    if model == "network":
        return MLPClassifier((32,), max_iter=40, random_state=0)
    return HistGradientBoostingClassifier(
        max_iter=rounds,
        max_leaf_nodes=leaves,
        min_samples_leaf=10,
        early_stopping=False,
        random_state=0,
    )


class Fitted:
    """One classifier on sampled rows: the odds it says, and by how much sampling raised them."""

    def __init__(self, base: Any, sampling: str, X: Any, y: Any) -> None:
        share = y.mean()
        self.raised = 1.0
        if sampling in ("none", "weights"):
            weights = compute_sample_weight("balanced", y) if sampling == "weights" else None
            self.model = base.fit(X, y, sample_weight=weights)
            if sampling == "weights":
                self.raised = (1 - share) / share
            return
        whole = PriorCorrectedClassifier(base, sampler(sampling)).fit(X, y)
        self.model, up = whole.estimator_, whole.sampled_prior_[1]
        self.raised = up / (1 - up) * (1 - share) / share

    def proba(self, X: Any, rounds: tuple[int, ...] = ()) -> list[Any]:
        """Return the probability of the rare class; for trees, after each of these rounds."""
        if not rounds:
            return [self.model.predict_proba(X)[:, 1]]
        staged = self.model.staged_predict_proba(X)
        return [one[:, 1] for at, one in enumerate(staged, 1) if at in rounds]

    def corrected(self, proba: Any) -> Any:
        """Return probabilities at the real shares."""
        return proba / (proba + (1 - proba) * self.raised)


def run(model: str, sampling: str, X: Any, y: Any, train: Any, test: Any) -> dict[str, list[float]]:
    """Choose on inner folds, fit, and return the figures of each mending."""
    scaler = StandardScaler().fit(X[train])
    known, asked, truth = scaler.transform(X[train]), scaler.transform(X[test]), y[train]
    inner = list(StratifiedKFold(INNER, shuffle=True, random_state=0).split(known, truth))
    trees = model == "trees"
    best = (np.inf, LEAVES[0], ROUNDS[0], np.zeros(0))
    for leaves in LEAVES if trees else LEAVES[:1]:
        stages = ROUNDS if trees else ROUNDS[:1]
        held, losses = np.empty((len(stages), len(truth))), np.zeros(len(stages))
        for fit_on, rest in inner:
            one = Fitted(
                estimator(model, leaves, max(stages)), sampling, known[fit_on], truth[fit_on]
            )
            for at, proba in enumerate(one.proba(known[rest], stages if trees else ())):
                held[at, rest] = proba
                losses[at] += loss_sum(one.corrected(proba), truth[rest])
        at = int(losses.argmin())
        if losses[at] < best[0]:
            best = (losses[at], leaves, stages[at], held[at])
    _, leaves, rounds, held_out = best
    whole = Fitted(estimator(model, leaves, rounds), sampling, known, truth)
    raw = whole.proba(asked)[0]
    found = {"": raw}
    if sampling != "none":
        found["corrected"] = whole.corrected(raw)
    found["isotonic"] = (
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(held_out, truth).predict(raw)
    )
    odds = logit(np.clip(held_out, 1e-6, 1 - 1e-6))[:, None]
    found["sigmoid"] = (
        LogisticRegression(C=1e6)
        .fit(odds, truth)
        .predict_proba(logit(np.clip(raw, 1e-6, 1 - 1e-6))[:, None])[:, 1]
    )
    share = truth.mean()
    as_it_is = share * whole.raised / (1 - share + share * whole.raised)
    return {
        way: measure(proba, y[test], share if way else as_it_is) for way, proba in found.items()
    }


def loss_sum(proba: Any, truth: Any) -> float:
    """Return the sum of log losses."""
    return -float(np.log(np.clip(np.where(truth == 1, proba, 1 - proba), 1e-12, 1)).sum())


def measure(proba: Any, truth: Any, threshold: float) -> list[float]:
    """Return the figures of probabilities of the rare class."""
    told = Calibration.of(np.stack([1 - proba, proba], 1), truth, np.random.default_rng(0))
    figures = [
        roc_auc_score(truth, proba),
        average_precision_score(truth, proba),
        told.log_loss,
        told.ece.value,
        balanced_accuracy_score(truth, proba > threshold),
    ]
    return [round(float(one), 5) for one in figures]


def work(store: Store, asked: argparse.Namespace) -> None:
    """Run what is missing until the time is over: all tasks by each model, then once more."""
    every = list(tasks(asked.data, asked.sets))
    turns = [(repeat, model) for repeat in range(asked.repeats) for model in asked.models]
    for repeat, model in turns:
        if model == "network" and repeat >= NETWORK_REPEATS:
            continue
        for name, X, y in every:
            folds = StratifiedKFold(2, shuffle=True, random_state=repeat).split(X, y)
            for fold, (train, test) in enumerate(folds):
                key = _key(name, repeat, fold, model)
                if store.get(key):
                    continue
                if time.process_time() > 60 * asked.minutes:
                    return
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    found = {
                        f"{sampling}, {way}" if way else sampling: figures
                        for sampling in SAMPLINGS
                        for way, figures in run(model, sampling, X, y, train, test).items()
                    }
                store.add(key | {"found": found})
            print(f"{time.process_time():.0f} s: {repeat} {model} {name}", flush=True)


def render(store: Store, asked: argparse.Namespace) -> str:
    """Return tables of the tasks that have the same repetitions in all models asked for."""
    names = [name for name, *_ in tasks(asked.data, asked.sets)]
    said = []
    for model in asked.models:
        repeats = [
            repeat
            for repeat in range(asked.repeats)
            if all(store.get(_key(name, repeat, fold, model)) for name in names for fold in (0, 1))
        ]
        if not repeats:
            said.append(f"{model}: no repetition of all tasks.")
            continue
        runs = [
            [
                store.get(_key(name, repeat, fold, model))["found"]  # type: ignore[index]
                for repeat in repeats
                for fold in (0, 1)
            ]
            for name in names
        ]
        ways = list(runs[0][0])
        values = np.array(
            [[np.mean([r[way] for r in task], axis=0) for task in runs] for way in ways]
        )
        said.append(f"## {model}: {len(names)} tasks, {len(repeats)} x 2 cross-validation")
        said += show(ways, values, [name.split()[0] for name in names])
    said.append(machine("numpy", "scikit-learn", "imbalanced-learn", "vicinal") + "; one thread.")
    return "\n\n".join(said)


def _key(name: str, repeat: int, fold: int, model: str) -> dict[str, Any]:
    return {"task": name, "repeat": repeat, "fold": fold, "model": model}


def show(ways: list[str], values: Any, tables: list[str]) -> list[str]:
    """Return means and ranks, and log loss of ours against the rest."""
    sign = np.array([1 if name in LESS_IS_BETTER else -1 for name in FIGURES])
    ranks = rankdata(values * sign, axis=0).mean(axis=1)
    k, n = len(ways), values.shape[1]
    critical = studentized_range.ppf(0.95, k, np.inf) * np.sqrt(k * (k + 1) / (12 * n))
    header = ("way", *FIGURES, *(f"rank, {name}" for name in FIGURES))
    rows = [
        (name, *(f"{v:.4f}" for v in values[at].mean(axis=0)), *(f"{r:.1f}" for r in ranks[at]))
        for at, name in enumerate(ways)
    ]
    said = [markdown(header, rows)]
    losses = values[:, :, FIGURES.index("log loss")]
    said.append(
        f"Mean ranks of {k} ways; Nemenyi's critical difference {critical:.1f}; Friedman's p for "
        f"log loss {friedmanchisquare(*losses).pvalue:.2g}."
    )
    for base in ("none", PRIMARY[0]):
        others = [way for way in ways if way != base]
        p = holm(
            [wilcoxon(losses[ways.index(way)], losses[ways.index(base)]).pvalue for way in others]
        )
        rows = [
            (
                f"**{way}**" if base == PRIMARY[0] and way in PRIMARY[1] else way,
                *(
                    difference(values[ways.index(way)] - values[ways.index(base)], at, tables)
                    for at in range(4)
                ),
                f"{one:.2g}",
            )
            for way, one in zip(others, p, strict=True)
        ]
        said.append(
            f"Minus **{base}**: mean over tasks and 95 % bootstrap interval over tables; p: "
            "Wilcoxon's test of log loss by Holm."
        )
        said.append(markdown(("way", *FIGURES[:4], "p"), rows))
    return [*said, mde(ways, losses, tables)]


def mde(ways: list[str], losses: Any, tables: list[str]) -> str:
    """Return the minimum detectable effects of the primary comparison."""
    ours = losses[ways.index(PRIMARY[0])]
    spread = [drawn_means(ours - losses[ways.index(way)], tables)[1].std() for way in PRIMARY[1]]
    return (
        "Minimum detectable effects in log loss at power .8: "
        + ", ".join(f"{way} {2.8 * s:.3f}" for way, s in zip(PRIMARY[1], spread, strict=True))
        + "."
    )


def drawn_means(gaps: Any, tables: list[str]) -> tuple[float, Any]:
    """Return a mean difference, and its bootstrap draws: tables drawn with their tasks."""
    rng = np.random.default_rng(0)
    groups = [gaps[[one == table for one in tables]] for table in dict.fromkeys(tables)]
    sums = np.array([group.sum() for group in groups])
    counts = np.array([len(group) for group in groups])
    drawn = rng.integers(len(groups), size=(2000, len(groups)))
    return sums.sum() / counts.sum(), sums[drawn].sum(1) / counts[drawn].sum(1)


def difference(gaps: Any, figure: int, tables: list[str]) -> str:
    """Return a mean difference and its interval."""
    mean, drawn = drawn_means(gaps[:, figure], tables)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"


def main() -> None:
    """Run what is asked for, and write a table for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="*", default=[])
    parser.add_argument("--models", nargs="+", default=["linear", "trees", "network"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the processor")
    parser.add_argument("--render", action="store_true", help="write the table, run nothing")
    asked = parser.parse_args()
    store = Store(RESULTS / "imbalance.jsonl.gz", ("task", "repeat", "fold", "model"))
    if not asked.render:
        work(store, asked)
    publish("imbalance", render(store, asked))


if __name__ == "__main__":
    main()
