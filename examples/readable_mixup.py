"""Mix a few labelled questions into new ones that a person can read, and learn from them.

Needs ``pip install ./packages/nano ./packages/smol ".[offline]"``, which brings the small English
inverter. Run it with

    python examples/readable_mixup.py
"""

from __future__ import annotations

import csv
import io

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from vicinal import Beta, Farthest
from vicinal.data import banking_sample
from vicinal.text import Augmented, Inverter, augment


def few_questions(each: int, seed: int) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return so many questions of each intent with their intents, and the others with theirs."""
    rows = list(csv.DictReader(io.StringIO(banking_sample().decode())))
    texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
    few, rest, known, unknown = train_test_split(
        texts, labels, train_size=10 * each, stratify=labels, random_state=seed
    )
    return few, known, rest, unknown


def show(made: Augmented, count: int = 3) -> None:
    """Print the sentences of the highest and the lowest confidence, with their parents."""
    order = np.argsort(-made.confidence)
    for at in [*order[:count], *order[-count:]]:
        print(f"{made.confidence[at]:.2f}  {made.texts[at]}  ({made.labels[at]})")
        for share, row in ((made.lam[at], made.left[at]), (1 - made.lam[at], made.right[at])):
            print(f"      {share:4.0%}  {made.source[row]}  ({made.source_labels[row]})")


def learn(
    nano: Inverter, texts: list[str], labels: list[str], made: Augmented | None
) -> LogisticRegression:
    """Train a linear classifier; a mixed sentence counts in each class by its label weight."""
    X, y, weight = nano.encode(texts), np.array(labels), np.ones(len(texts))
    if made is not None and len(made):
        rows, classes = np.nonzero(made.label_weights > 0)
        shares = made.label_weights[rows, classes]
        X = np.concatenate([X, nano.encode(made.texts)[rows]])
        y = np.concatenate([y, made.classes[classes]])
        weight = np.concatenate([weight, 0.3 * shares])  # less than a real question
    return LogisticRegression(max_iter=1000).fit(X, y, sample_weight=weight)


def main(each: int = 5, n: int = 100, seeds: int = 3) -> dict[str, list[float]]:
    """Compare questions alone with questions and mixed ones."""
    nano = Inverter.from_pretrained("nano")
    found: dict[str, list[float]] = {"questions alone": [], "and mixed ones": []}
    for seed in range(seeds):
        texts, labels, others, true = few_questions(each, seed)
        made = augment(
            texts,
            labels,
            inverter=nano,
            n_samples=n,
            pairing=Farthest(0.5),
            weights=Beta(1.0),
            random_state=seed,
        )
        if seed == 0:
            show(made)
        there = nano.encode(others)
        for name, more in zip(found, (None, made), strict=True):
            right = learn(nano, texts, labels, more).predict(there) == np.array(true)
            found[name].append(float(right.mean()))
    print(f"\n{each} questions for each of 10 intents, {n} mixed, {seeds} seeds")
    for name, scores in found.items():
        print(f"{name:<16} accuracy {np.mean(scores):.3f} (from {min(scores):.3f})")
    return found


if __name__ == "__main__":
    main()
