"""Manifold intrusion: how often a mixed sentence is not what its label says.

Run with ``python benchmarks/intrusion.py``. From each set a few rows of a class are drawn, as a
person with few labels has them; sentences are made from them with each label check. The judge is a
classifier on embeddings that learned from other rows, up to 2,500, which neither the label check
nor the mixing has seen; next to it the votes of the nearest of these rows. What the judge says of
the
heavier parent, a real sentence, in place of the mixed one is the base rate: intrusion counts
beyond it. Mixed embeddings are judged before they are written out as well, which tells what mixing
does from what the inverter does.

Label checks are compared by intrusion left, rows kept, and what a classifier gains from the rows
that are made: logistic regression on frozen embeddings, real rows alone against real and made
rows, on
test rows, over seeds.

Runs are kept in ``.cache/intrusion.jsonl`` by the weights' fingerprint. Within a seed label checks
share what is written, so that they differ by what they do with it. The picture goes to
``docs/pictures/intrusion.png`` where Matplotlib is installed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
import time
import warnings
from collections import defaultdict
from functools import lru_cache
from typing import Any

import numpy as np

from _common import progress, publish, skip
from _intrusion_page import CANDIDATES, JUDGES, QUANTILES, SETS, TESTED, WAYS, picture, report
from _jobs import Record, Store
from _sentences import CACHE, Remembers, inverter_key
from _texts import DATA, Rows, stratified
from vicinal import Farthest, Random
from vicinal.text.augment import Augmented, Intrusion, LabelCheck, augment, measure_intrusion
from vicinal.text.augment.intrusion import Rate
from vicinal.text.augment.pairs import text_key

NAME = "intrusion"
RUNS = (*(("farthest", way) for way in WAYS), ("random", "none"))
KEYS = ("key", "set", "pairing", "way", "seed", "n")


@lru_cache(maxsize=1)
def load(name: str) -> tuple[Rows, Rows]:
    """Return training and test rows of a set, no text twice and none under two labels."""
    path = DATA / SETS[name][0]
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    labels = defaultdict(set)
    for row in read:
        labels[text_key(row["text"])].add(row["label"])
    parts: dict[str, Rows] = {"train": [], "test": []}
    seen = set()
    for row in sorted(read, key=lambda row: row.get("split") != "test"):
        key = text_key(row["text"])
        if key and key not in seen and len(labels[key]) == 1:
            seen.add(key)
            part = "test" if row.get("split") == "test" else "train"
            parts[part].append((row["text"], row["label"]))
    rng = np.random.default_rng(20260101)
    if not parts["test"]:
        parts["test"], parts["train"] = stratified(parts["train"], TESTED, rng)
    return parts["train"], stratified(parts["test"], TESTED, rng)[0]


def draw(name: str, seed: int) -> tuple[Rows, Rows, Rows]:
    """Return rows that sentences are made from, rows that judge, and rows to test on."""
    train, test = load(name)
    order = np.random.default_rng(5).permutation(len(train))  # one judge for all seeds
    judges, rest = np.split(order, [min(JUDGES, len(order) // 2)])
    taken: dict[str, int] = defaultdict(int)
    few = []
    for at in np.random.default_rng([seed, 5]).permutation(rest):
        label = train[at][1]
        if taken[label] < SETS[name][1]:
            taken[label] += 1
            few.append(train[at])
    return few, [train[at] for at in judges], test


class Linear:
    """Logistic regression on embeddings; also judges texts."""

    def __init__(self, inverter: Any) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._inverter = inverter
        self._model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))

    def fit(self, embeddings: Any, labels: Any, weights: Any = None) -> Linear:
        """Learn; a row may stand there once for each class, with weights."""
        given = {} if weights is None else {"logisticregression__sample_weight": weights}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not converged: near enough
            self._model.fit(embeddings, labels, **given)
        self.classes_ = self._model.classes_
        return self

    def predict_proba_embeddings(self, embeddings: Any) -> Any:
        """Return class probabilities."""
        return self._model.predict_proba(embeddings)

    def predict_proba(self, texts: list[str]) -> Any:
        """Return class probabilities of texts."""
        return self.predict_proba_embeddings(self._inverter.encode(texts))

    def accuracy(self, embeddings: Any, labels: Any) -> float:
        """Return the share that is right."""
        return float(np.mean(self._model.predict(embeddings) == np.asarray(labels)))


def learn(inverter: Remembers, few: Rows, made: Augmented | None) -> Linear:
    """Learn from real rows, and from made ones with their label weights."""
    real = inverter.encode([text for text, _ in few])
    labels = np.array([label for _, label in few])
    if made is None or not len(made):
        return Linear(inverter).fit(real, labels)
    found = inverter.encode(made.texts)
    rows, classes = np.nonzero(made.label_weights > 0)
    # all made rows together weigh as much as the real ones
    share = made.label_weights[rows, classes] * len(few) / len(made)
    return Linear(inverter).fit(
        np.concatenate([real, found[rows]]),
        np.concatenate([labels, made.classes[classes]]),
        np.concatenate([np.ones(len(few)), share]),
    )


def figures(prefix: str, found: Intrusion) -> Record:
    """Return counts that can be added up over seeds."""

    def pair(rate: Rate | None) -> list[int]:
        return [0, 0] if rate is None else [rate.count, rate.total]

    counts = {
        name: pair(getattr(found, name))
        for name in (
            "rate", "base", "embeddings", "neither_across", "neither_within", "contradicted",
            "base_neither", "base_contradicted",
        )
    }  # fmt: skip
    for name in ("by_weight", "by_distance"):
        counts[name] = [
            [pair(one.sentences), pair(one.embeddings), pair(one.base)]
            for one in getattr(found, name)
        ]
    return {f"{prefix}_{name}": value for name, value in counts.items()}


def area(confidence: Any, intruded: Any) -> float:
    """Return how often an intruding row has less confidence than another; a half by chance."""
    bad, good = confidence[intruded], confidence[~intruded]
    if not len(bad) or not len(good):
        return math.nan
    less = (bad[:, None] < good[None]).mean() + 0.5 * (bad[:, None] == good[None]).mean()
    return float(less)


def run_seed(
    inverter: Any, key: str, name: str, seed: int, n: int, store: Store, budget: float
) -> bool:
    """Make and judge all that is missing of a set and a seed; False where time is up."""
    wanted = [
        {"key": key, "set": name, "pairing": pairing, "way": way, "seed": seed, "n": n}
        for pairing, way in RUNS
    ]
    missing = [one for one in wanted if store.get(one) is None]
    if not missing:
        return True
    if time.perf_counter() > budget:
        return False
    few, others, test = draw(name, seed)
    kept = Remembers(inverter())
    texts, labels = [text for text, _ in few], [label for _, label in few]
    judging = [text for text, _ in others], [label for _, label in others]
    judge = Linear(kept).fit(kept.encode(judging[0]), judging[1])
    tested = kept.encode([text for text, _ in test]), [label for _, label in test]
    own = learn(kept, few, None)  # of what the label check may know
    plain = own.accuracy(*tested)
    for one in missing:
        begin = time.process_time()
        method, judge_of, keep = WAYS[one["way"]]
        pairing: Any = Farthest(0.2) if one["pairing"] == "farthest" else Random()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer rows than asked for: counted below
            made = augment(
                texts,
                labels,
                inverter=kept,
                n_samples=n,
                pairing=pairing,
                max_attempts=3,
                random_state=seed,
                label_check=LabelCheck(
                    method,
                    judge=own if judge_of == "classifier" else judge_of,
                    **({} if keep is None else {"keep": keep}),
                ),
                selection=CANDIDATES,
            )
        record = one | {
            "few": len(few),
            "judges": len(others),
            "rows": len(made),
            "made": made.n_written,
            "kept": made.kept,
            "closeness": float(made.closeness.mean()) if len(made) else math.nan,
            "plain": plain,
            "accuracy": learn(kept, few, made).accuracy(*tested),
            "judge_accuracy": judge.accuracy(*tested),
        }
        if len(made):
            found = measure_intrusion(made, inverter=kept, judge=judge, quantiles=QUANTILES)
            record |= figures("linear", found) | {"auc": area(made.confidence, found.intruded)}
            near = measure_intrusion(
                made, *judging, inverter=kept, neighbors=10, quantiles=QUANTILES
            )
            record |= figures("near", near)
        store.add(record | {"cpu_seconds": round(time.process_time() - begin, 1)})
        progress(f"{name}, seed {seed}, {one['pairing']}, {one['way']}: {len(made)} rows")
    return True


def main() -> None:
    """Run what is missing, write the tables and draw the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100, help="sentences for each run")
    parser.add_argument("--inverter", default="nano")
    parser.add_argument("--budget-minutes", type=float, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--render", action="store_true", help="write the tables, run nothing")
    parser.add_argument("--name", default=NAME)
    args = parser.parse_args()
    if not DATA.is_dir():
        skip(f"the sets are not at {DATA}")
        return
    import torch

    torch.set_num_threads(args.threads)
    key = inverter_key(args.inverter)
    store = Store(CACHE / f"{NAME}.jsonl", KEYS)

    @lru_cache(maxsize=1)
    def inverter() -> Any:
        from vicinal.text.invert.inverter import Inverter

        return Inverter.from_pretrained(args.inverter)

    budget = time.perf_counter() + 60 * args.budget_minutes
    if not args.render:
        for seed in range(args.seeds):
            for name in args.sets:
                if not run_seed(inverter, key, name, seed, args.rows, store, budget):
                    skip(f"{name}, seed {seed}: the time was up")
    records = [
        found
        for seed in range(args.seeds)
        for name in args.sets
        for pairing, way in RUNS
        if (
            found := store.get(
                dict(zip(KEYS, (key, name, pairing, way, seed, args.rows), strict=True))
            )
        )
    ]
    if not records:
        skip("there are no runs yet with these weights")
        return
    publish(args.name, report(records, key, args))
    if args.name == NAME:
        picture(records)


if __name__ == "__main__":
    main()
