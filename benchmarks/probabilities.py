"""Whether mixing gains what one temperature does not: probabilities of text classifiers.

Run with ``python benchmarks/probabilities.py``; ``--sets SST-2 --seeds 2 --minutes 5`` is a small
look, ``--render`` prints what is kept. The primary comparison, stated before any run: log loss
*after temperature scaling* (each half of the test texts by the temperature of the other), "hidden"
and "hyperbolic" (DMIX) against "none", by a paired t-test over seeds on each set and size, Holm
over all of them. All else is secondary: F1, log loss as it is, calibration error, AUROC of the
highest probability against texts of another set. Epochs are chosen for each method on a fifth of
the training texts (``epochs="auto"``); "exposure" shows the rows of DMIX in the same pairs without
mixing them. "longer" is the plain rival, added after the other runs and secondary: no mixing, ten
epochs, and the temperature that fits the same fifth (the column of log loss has it in already).

Left out for time, before any run: full sets, several encoders, metrics other than hyperbolic; 1,000
texts where the model is MiniLM; "exposure" and "regmixup" unless ``--methods`` names them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import _texts
from _common import RESULTS, machine, markdown, publish
from _jobs import Record, Store
from _paired import interval, mde
from vicinal import Beta, Farthest, Fixed, Permutation
from vicinal.nn import MixupConfig
from vicinal.text import MixupTextClassifier
from vicinal.text.classifier.comparison import holm, paired_p

FAR = Farthest(0.5)
METHODS = {
    "none": MixupConfig(where="none"),
    "hidden": MixupConfig(Permutation(), Beta(0.4)),
    "hyperbolic": MixupConfig(FAR, Beta(0.4)),
    "exposure": MixupConfig(FAR, Fixed(1.0)),
    "regmixup": MixupConfig(Permutation(), Beta(0.4), clean_weight=0.5),
    "longer": MixupConfig(where="none"),
}
LONGER = 10
PRIMARY = ("hidden", "hyperbolic")
FIGURES = ("f1", "log_loss", "log_loss_scaled", "ece", "ece_scaled", "temperature", "auroc")
#: Sets and training texts, in the order of their turn.
RUNS = (
    ("Gujarati", 200),
    ("TREC-6", 200),
    ("Arabic hate", 200),
    ("SST-2", 200),
    ("Gujarati", 1000),
    ("MR", 200),
    ("Arabic hate", 1000),
    ("TTC-3600", 200),
    ("SMS spam", 200),
    ("Subj", 200),
)
#: Whose texts are of no class.
OTHER = {"TREC-6": "SST-2", "Gujarati": "Arabic hate", "Arabic hate": "Gujarati"}
N_OTHER = 200
KEYS = ("set", "train", "method", "seed")


def run(name: str, n_train: int, method: str, seed: int) -> Record:
    """Train once, and measure on test texts."""
    from sklearn.metrics import f1_score, roc_auc_score

    begin = time.process_time()
    s = _texts.settings_of(name, "hidden", None)
    pool, _, test = _texts.load(name, s["test"])
    train = _texts.stratified(pool, n_train, np.random.default_rng([seed, 1]))[0]
    longer = method == "longer"
    model: Any = MixupTextClassifier(
        s["model"],
        mixup=METHODS[method],
        epochs=LONGER if longer else "auto",
        calibrate="temperature" if longer else None,
        batch_size=s["batch_size"],
        learning_rate=s["learning_rate"],
        max_tokens=s["max_tokens"],
        random_state=seed,
    ).fit(*map(list, zip(*train, strict=True)))
    texts, labels = map(list, zip(*test, strict=True))
    proba, truth = model.predict_proba(texts), np.searchsorted(model.classes_, labels)
    other = [text for text, _ in _texts.load(OTHER.get(name, "TREC-6"), s["test"])[2][:N_OTHER]]
    doubt = 1 - np.concatenate([proba, model.predict_proba(other)]).max(axis=1)
    beyond = np.repeat([0, 1], [len(texts), len(other)])
    return {
        "set": name,
        "train": n_train,
        "method": method,
        "seed": seed,
        "f1": round(float(f1_score(truth, proba.argmax(axis=1), average="macro")), 5),
        "accuracy": round(float((proba.argmax(axis=1) == truth).mean()), 5),
        "auroc": round(float(roc_auc_score(beyond, doubt)), 5),
        "epochs": model.epochs_,
        "seconds": round(time.process_time() - begin, 1),
        **_texts.probabilities(proba, truth, seed),
    }


def work(store: Store, asked: argparse.Namespace) -> None:
    """Run what is missing until the time is over, a seed of a set after the other."""
    for name, n_train in RUNS:
        for seed in range(asked.seeds if name in asked.sets else 0):
            for method in asked.methods:
                key = dict(zip(KEYS, (name, n_train, method, seed), strict=True))
                if store.get(key) is not None:
                    continue
                if time.process_time() > 60 * asked.minutes:
                    return
                store.add(run(name, n_train, method, seed))
                print(f"{time.process_time():.0f} s: {key}", flush=True)


def pairs(
    store: Store, name: str, n_train: int, methods: tuple[str, str], n_seeds: int
) -> list[tuple[Record, Record]]:
    """Return the runs of two methods, seed by seed."""
    found = []
    for seed in range(n_seeds):
        of, base = (
            store.get(dict(zip(KEYS, (name, n_train, one, seed), strict=True))) for one in methods
        )
        if of is not None and base is not None:
            found.append((of, base))
    return found


def means(store: Store, asked: argparse.Namespace) -> list[tuple[str, ...]]:
    """Return mean figures of each set and method."""
    rows = []
    for name, n_train in RUNS:
        for method in asked.methods:
            runs = [one for one, _ in pairs(store, name, n_train, (method,) * 2, asked.seeds)]
            if runs:
                shown = [f"{np.mean([one[f] for one in runs]):.3f}" for f in (*FIGURES, "epochs")]
                rows.append((f"{name}, {n_train}", method, str(len(runs)), *shown))
    return rows


def differences(store: Store, asked: argparse.Namespace) -> list[tuple[str, str, dict[str, Any]]]:
    """Return what methods have more than none, and than the plain rival, seed by seed."""
    both = [(method, "none") for method in asked.methods if method != "none"]
    if "longer" in asked.methods:
        both += [(method, "longer") for method in PRIMARY]
    gaps = []
    for name, n_train in RUNS:
        for method, base in both:
            runs = pairs(store, name, n_train, (method, base), asked.seeds)
            if len(runs) > 1:
                more = {f: np.array([of[f] - one[f] for of, one in runs]) for f in FIGURES}
                called = method if base == "none" else f"{method}, minus {base}"
                gaps.append((f"{name}, {n_train}", called, more))
    return gaps


def render(store: Store, asked: argparse.Namespace) -> str:
    """Return the tables of the runs there are."""
    gaps = differences(store, asked)
    primary = [gap for gap in gaps if gap[1] in PRIMARY]
    p = holm([paired_p(gap["log_loss_scaled"]) for *_, gap in primary])
    corrected = {gap[:2]: f"{one:.2g}" for gap, one in zip(primary, p, strict=True)}
    shown = ("log_loss_scaled", "log_loss", "ece", "ece_scaled", "f1", "auroc")
    lines = [
        (
            *gap[:2],
            *(interval(gap[2][figure]) for figure in shown),
            corrected.get(gap[:2], "-"),
            mde(gap[2]["log_loss_scaled"]),
        )
        for gap in gaps
    ]
    header = ("set", "method", *shown, "p (Holm)", "MDE")
    return "\n\n".join(
        [
            markdown(("set", "method", "seeds", *FIGURES, "epochs"), means(store, asked)),
            "Minus no mixing, or what is named, with 95 % t-intervals over seeds (less is better "
            "but for F1 and AUROC); p is of log loss after temperature scaling; the last column is "
            "its minimum detectable effect (MDE) at power .8, before Holm's correction.",
            markdown(header, lines),
            f"Test texts: 1,000 (TREC-6 499). One thread. {machine('torch', 'transformers')}",
        ]
    )


def main() -> None:
    """Run what is asked for, and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=[name for name, _ in RUNS])
    parser.add_argument(
        "--methods", nargs="+", default=["none", *PRIMARY, "longer"], choices=list(METHODS)
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=_texts.DATA)
    parser.add_argument("--minutes", type=float, default=60.0, help="of the processor")
    parser.add_argument("--render", action="store_true", help="write the tables, run nothing")
    asked = parser.parse_args()
    _texts.DATA = asked.data
    store = Store(RESULTS / "probabilities.jsonl.gz", KEYS)
    if not asked.render:
        work(store, asked)
    publish("probabilities", render(store, asked))


if __name__ == "__main__":
    main()
