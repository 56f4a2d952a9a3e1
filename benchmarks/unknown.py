"""Texts of no class: mixtures across classes as one class more, against plain thresholds.

Run with ``python benchmarks/unknown.py``; ``--seeds 1 --shots 5`` is a small look. Embeddings of
all-MiniLM-L6-v2, frozen, and logistic regression on them. CLINC150 with its own out-of-scope texts;
Banking77 with a quarter of its intents held out, drawn by the seed. "across" is ``MixupClassifier(
unknown="across", n_samples=0)``; the rest threshold a plain classifier: highest probability, energy
of its scores, cosine to the nearest mean of a class. The threshold of F1 keeps nine tenths of
in-scope validation texts, the same rule for all; no text of no class has a say in it.

Stated before any run. Primary: AUROC, across minus highest probability, mean over seeds with its
t-interval, Holm over sets and shots. Left out for time: 50 shots on CLINC150, fine-tuning.
``--head network``, added after the first runs, is secondary: a hidden layer of 100 units in place
of logistic regression, since no plane cuts out what lies between classes; without energy.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.neural_network import MLPClassifier

from _common import RESULTS, machine, markdown, publish
from _jobs import Record, Store
from _paired import interval, mde
from vicinal.learn import MixupClassifier
from vicinal.text import Encoder
from vicinal.text.classifier.comparison import holm, paired_p

DATA = Path(__file__).parents[2] / "shared" / "data"
RUNS = (
    ("Banking77", 5),
    ("Banking77", 10),
    ("CLINC150", 5),
    ("CLINC150", 10),
    ("Banking77", 50),
)
SCORES = ("highest probability", "energy", "distance", "across")
KEYS = ("set", "shots", "seed")
HEADS = {"linear": "unknown", "network": "unknown_network"}
N_TEST, N_VALID, KEPT = 1500, 500, 0.9
DEV = {"CLINC150": "dev", "Banking77": "train"}


class Data:
    """Texts of a set, embedded where they are asked for."""

    def __init__(self, folder: Path, name: str) -> None:
        file = {"CLINC150": "clinc150.csv.gz", "Banking77": "banking77.csv.gz"}[name]
        self.name, self.table = name, pd.read_csv(folder / file)
        self._encoder = Encoder("offline", normalize=True)
        self._known: dict[str, Any] = {}

    def rows(self, chosen: Any) -> Any:
        """Return embeddings of some rows."""
        texts = self.table["text"].iloc[chosen].tolist()
        new = sorted({text for text in texts if text not in self._known})
        if new:
            self._known |= dict(zip(new, self._encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts])

    def split(self, shots: int, seed: int) -> tuple[Any, Any, Any, Any]:
        """Return row numbers: to learn from, to validate on, in-scope tests, and those of none."""
        rng = np.random.default_rng([seed, shots])
        labels = self.table["label"].to_numpy()
        split = self.table["split"].to_numpy()
        outside = np.array(["oos"])
        if self.name == "Banking77":
            every = np.unique(labels)
            outside = rng.choice(every, len(every) // 4, replace=False)
        beyond = np.isin(labels, outside)
        order = rng.permutation(len(labels))
        inside = order[(split[order] == "train") & ~beyond[order]]
        place = pd.Series(labels[inside]).groupby(labels[inside]).cumcount().to_numpy()
        known = inside[place < shots]
        pool = order[(split[order] == DEV[self.name]) & ~beyond[order]]
        valid = pool[~np.isin(pool, known)][:N_VALID]
        tests = order[split[order] == "test"]
        return known, valid, tests[~beyond[tests]][:N_TEST], tests[beyond[tests]][:N_TEST]


def head_of(head: str, seed: int) -> Any:
    """Return what learns from the embeddings."""
    if head == "network":
        return MLPClassifier((100,), learning_rate_init=3e-3, max_iter=200, random_state=seed)
    return LogisticRegression(C=10.0, max_iter=300)


def scores_of(head: str) -> list[str]:
    """Return the scores a head has; scikit-learn's network keeps its own to itself."""
    return [one for one in SCORES if (head, one) != ("network", "energy")]


def run(data: Data, shots: int, seed: int, head: str) -> Record:
    """Fit both classifiers, and measure the scores."""
    known, valid, inside, beyond = data.split(shots, seed)
    X, labels = data.rows(known), data.table["label"].to_numpy()
    plain = head_of(head, seed).fit(X, labels[known])
    across = MixupClassifier(
        head_of(head, seed), n_samples=0, unknown="across", random_state=seed
    ).fit(X, labels[known])
    means = np.array([X[labels[known] == one].mean(axis=0) for one in plain.classes_])
    means /= np.linalg.norm(means, axis=1, keepdims=True)

    def scores(rows: Any) -> dict[str, Any]:
        Z = data.rows(rows)
        found = {
            "highest probability": 1 - plain.predict_proba(Z).max(axis=1),
            "distance": -(Z @ means.T).max(axis=1),
            "across": across.unknown_proba(Z),
        }
        if head == "linear":
            found["energy"] = -logsumexp(plain.decision_function(Z), axis=1)
        return found

    held, of_in, of_out = scores(valid), scores(inside), scores(beyond)
    truth = np.repeat([0, 1], [len(inside), len(beyond)])
    found: Record = {"set": data.name, "shots": shots, "seed": seed}
    for name in scores_of(head):
        said = np.concatenate([of_in[name], of_out[name]])
        beyond_it = said > np.quantile(held[name], KEPT)
        found[f"AUROC, {name}"] = round(float(roc_auc_score(truth, said)), 5)
        found[f"F1, {name}"] = round(float(f1_score(truth, beyond_it)), 5)
    for name, one in (("plain", plain), ("across", across)):
        right = one.predict(data.rows(inside)) == labels[inside]
        found[f"accuracy, {name}"] = round(float(right.mean()), 5)
    return found


def render(store: Store, seeds: int, head: str) -> str:
    """Return tables of the runs there are."""
    rows, gaps, scores = [], [], scores_of(head)
    for name, shots in RUNS:
        asked = [dict(zip(KEYS, (name, shots, seed), strict=True)) for seed in range(seeds)]
        runs = [one for one in map(store.get, asked) if one is not None]
        if not runs:
            continue

        def mean(figure: str, runs: list[Record] = runs) -> str:
            return f"{np.mean([one[figure] for one in runs]):.3f}"

        rows += [
            (
                f"{name}, {shots}",
                score,
                mean(f"AUROC, {score}"),
                mean(f"F1, {score}"),
                mean(f"accuracy, {'across' if score == 'across' else 'plain'}"),
            )
            for score in scores
        ]
        gaps.append(
            (
                f"{name}, {shots}",
                len(runs),
                *(
                    np.array([one["AUROC, across"] - one[f"AUROC, {score}"] for one in runs])
                    for score in scores[:-1]
                ),
                np.array([one["accuracy, across"] - one["accuracy, plain"] for one in runs]),
            )
        )
    p = holm([paired_p(gap[2]) for gap in gaps])
    header = ("set, shots", "seeds", *scores[:-1], "accuracy, minus plain", "p (Holm)", "MDE")
    lines = [
        (gap[0], gap[1], *map(interval, gap[2:]), f"{one:.2g}", mde(gap[2]))
        for gap, one in zip(gaps, p, strict=True)
    ]
    return "\n\n".join(
        [
            markdown(("set, shots", "score", "AUROC", "F1 of no class", "in-scope accuracy"), rows),
            "AUROC of across, minus that of others, with 95 % t-intervals over seeds; p, and the "
            "minimum detectable effect (MDE) at power .8 before Holm's correction, are of the "
            "first.",
            markdown(header, lines),
            machine("numpy", "scikit-learn", "torch") + "; one thread.",
        ]
    )


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, nargs="+", default=[5, 10, 50])
    parser.add_argument("--head", default="linear", choices=list(HEADS))
    parser.add_argument("--render", action="store_true", help="write the tables, run nothing")
    asked = parser.parse_args()
    store = Store(RESULTS / f"{HEADS[asked.head]}.jsonl.gz", KEYS)
    for name in () if asked.render else ("Banking77", "CLINC150"):
        data = Data(asked.data, name)
        for of, shots in RUNS:
            for seed in range(asked.seeds if of == name and shots in asked.shots else 0):
                if store.get(dict(zip(KEYS, (name, shots, seed), strict=True))) is None:
                    store.add(run(data, shots, seed, asked.head))
                    print(name, shots, seed, flush=True)
    publish(HEADS[asked.head], render(store, asked.seeds, asked.head))


if __name__ == "__main__":
    main()
