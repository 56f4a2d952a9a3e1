"""Whether mixing gains what one temperature does not: probabilities of text classifiers.

Run with ``python benchmarks/probabilities.py --seeds 5``; ``--sets SST-2 --seeds 2 --train 100
--test 300 --most-epochs 4`` is a small look. The primary comparison, stated before any run: log
loss *after temperature scaling* (each half of the test texts by the temperature of the other),
"hidden" and "hyperbolic" (DMIX) against "none", by a paired t-test over seeds on each set, Holm
over all of them. All else is secondary. Epochs are chosen for each method on validation texts
(``epochs="auto"``); "exposure" shows the rows of DMIX in the same pairs without mixing them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import _texts
from _common import machine, markdown
from vicinal import Beta, Farthest, Fixed, Permutation
from vicinal.nn import MixupConfig
from vicinal.text import MixupTextClassifier
from vicinal.text.classifier.comparison import holm, paired_p

FAR = Farthest(0.5)
METHODS = {
    "none": MixupConfig(where="none"),
    "exposure": MixupConfig(FAR, Fixed(1.0)),
    "hidden": MixupConfig(Permutation(), Beta(0.4)),
    "hyperbolic": MixupConfig(FAR, Beta(0.4)),
    "regmixup": MixupConfig(Permutation(), Beta(0.4), clean_weight=0.5),
}
PRIMARY = ("hidden", "hyperbolic")
FIGURES = ("f1", "log_loss", "log_loss_scaled", "ece", "ece_scaled", "temperature")


def run(name: str, method: str, seed: int, asked: argparse.Namespace) -> dict[str, float]:
    """Train once, and measure on test texts."""
    from sklearn.metrics import f1_score

    s = _texts.settings_of(name, "hidden", None)
    pool, _, test = _texts.load(name, asked.test)
    train = _texts.stratified(pool, asked.train, np.random.default_rng([seed, 1]))[0]
    model: Any = MixupTextClassifier(
        s["model"],
        mixup=METHODS[method],
        epochs="auto" if asked.most_epochs is None else asked.most_epochs,
        batch_size=s["batch_size"],
        learning_rate=s["learning_rate"],
        max_tokens=s["max_tokens"],
        random_state=seed,
    ).fit(*map(list, zip(*train, strict=True)))
    texts, labels = map(list, zip(*test, strict=True))
    proba, truth = model.predict_proba(texts), np.searchsorted(model.classes_, labels)
    f1 = f1_score(truth, proba.argmax(axis=1), average="macro")
    return {"f1": float(f1)} | _texts.probabilities(proba, truth, seed)


def main() -> None:
    """Run what is asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(_texts.SETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=_texts.DATA)
    parser.add_argument("--most-epochs", type=int, help="a fixed number in place of auto")
    asked = parser.parse_args()
    _texts.DATA = asked.data
    rows: list[list[str]] = []
    tests: list[tuple[str, str, float, float]] = []
    for name in asked.sets:
        found = {
            method: [run(name, method, seed, asked) for seed in range(asked.seeds)]
            for method in METHODS
        }
        for method, runs in found.items():
            means = [f"{np.mean([one[f] for one in runs]):.3f}" for f in FIGURES]
            rows.append([name, method, *means])
        for method in PRIMARY:
            gains = [
                a["log_loss_scaled"] - b["log_loss_scaled"]
                for a, b in zip(found[method], found["none"], strict=True)
            ]
            tests.append((name, method, float(np.mean(gains)), paired_p(gains)))
        print(markdown(("set", "method", *FIGURES), rows), flush=True)
    corrected = holm([p for *_, p in tests])
    print("\nLog loss after temperature scaling, minus that of no mixing (less is better):\n")
    lines = [
        (name, method, f"{gain:+.4f}", f"{p:.3g}")
        for (name, method, gain, _), p in zip(tests, corrected, strict=True)
    ]
    print(markdown(("set", "method", "difference", "p (Holm)"), lines))
    print(
        f"\n{asked.train} training texts, {asked.test} test texts, {asked.seeds} seeds. {machine()}"
    )


if __name__ == "__main__":
    main()
