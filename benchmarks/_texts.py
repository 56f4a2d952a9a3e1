"""What the benchmarks of text classifiers share: sets, methods, one run, and how runs are read.

All rows of a set that repeat a text are dropped but one, and a text that has two labels is dropped
altogether. Test and validation rows are the same for every run; the training rows are drawn by
the seed, so methods of one seed learn from the same rows and are compared in pairs.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import os
import re
import time
from collections import Counter, defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal._stats import Estimate

Rows = list[tuple[str, str]]
Record = dict[str, Any]

DATA = Path(__file__).parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results"
#: File and model of each set: English reads with MiniLM, the rest learns from nothing.
SETS = {
    "SMS spam": ("sms_spam.csv", "offline"),
    "TTC-3600": ("ttc3600.csv.gz", "char"),
    "Gujarati": ("gujarati_headlines.csv", "char"),
    "Arabic hate": ("arabic_hate.csv", "char"),
    "SST-2": ("sst2.csv.gz", "offline"),
    "TREC-6": ("trec6.csv", "offline"),
    "MR": ("rotten_tomatoes_mr.csv.gz", "offline"),
    "Subj": ("subj.csv.gz", "offline"),
}
#: Methods in the order of the paper's table, and their names in it.
METHODS = {
    "none": "none",
    "input": "input mixup",
    "sentence": "sentence mixup",
    "hidden": "mixup, hidden layers",
    "euclidean": "DMIX, Euclidean",
    "cosine": "DMIX, cosine",
    "hyperbolic": "DMIX, hyperbolic",
    "epbeta": "DMIX, hyperbolic, EpBeta, balanced (ours)",
}
#: What needs no network: a line to hold them to, not one of the methods.
REFERENCE = {"tfidf": "TF-IDF of pieces of words, logistic regression"}
#: Where the search of dmix_table1.py begins; what it chose on validation rows goes over it.
SETTINGS: dict[str, Record] = {
    "offline": {
        "train": 200,
        "test": 1000,
        "epochs": 5,
        "batch_size": 16,
        "max_tokens": 40,
        "learning_rate": 2e-4,
        "pooling": "mean",
        "alpha": 0.4,
        "tau": 0.1,
        "warmup_epochs": 0,
        "probability": 1.0,
        "refresh": 0,
    },
    "char": {
        "train": 400,
        "test": 1000,
        "epochs": 10,
        "batch_size": 16,
        "max_tokens": 64,
        "learning_rate": 2e-3,
        "pooling": "mean",
        "alpha": 0.4,
        "tau": 0.1,
        "warmup_epochs": 0,
        "probability": 1.0,
        "refresh": 1,
    },
}
_VALIDATION = 400


def one_model() -> str | None:
    """Return the model that reads all sets, if one was asked for."""
    return os.environ.get("DMIX_MODEL")


def kind_of(name: str) -> str:
    """Return which settings a set is learned with."""
    return "offline" if one_model() else SETS[name][1]


def file_name(stem: str) -> str:
    """Return the name of a result; another one for each model that reads all sets."""
    model = one_model()
    return stem if model is None else f"{stem}-{re.sub(r'[^A-Za-z0-9.]+', '-', model).strip('-')}"


# data


@lru_cache(maxsize=2)
def load(name: str, n_test: int) -> tuple[Rows, Rows, Rows]:
    """Return pool, validation and test rows of a set; no text is in two of them."""
    path = DATA / SETS[name][0]
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    labels = defaultdict(set)
    for row in read:
        labels[_key(row["text"])].add(row["label"])
    parts: dict[str, Rows] = {"train": [], "test": []}
    seen = set()
    # test rows first, so that it is the training row of a repeated text that goes
    for row in sorted(read, key=lambda row: row.get("split") != "test"):
        key = _key(row["text"])
        if key in seen or len(labels[key]) > 1 or not key:
            continue
        seen.add(key)
        part = "test" if row.get("split") == "test" else "train"
        parts[part].append((row["text"], row["label"]))
    rng = np.random.default_rng(20220522)
    if not parts["test"]:
        parts["test"], parts["train"] = stratified(parts["train"], n_test, rng)
    test = stratified(parts["test"], n_test, rng)[0]
    valid, pool = stratified(parts["train"], _VALIDATION, rng)
    return pool, valid, test


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


def stratified(rows: Rows, size: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return so many rows in the proportions of the classes, two of each at least; and the rest."""
    by_class = defaultdict(list)
    for at in rng.permutation(len(rows)):
        by_class[rows[at][1]].append(int(at))
    if size >= len(rows):
        return [rows[at] for group in by_class.values() for at in group], []
    share = {label: size * len(group) / len(rows) for label, group in by_class.items()}
    count = {label: max(2, math.floor(part)) for label, part in share.items()}
    for label in sorted(share, key=lambda one: math.floor(share[one]) - share[one]):
        if sum(count.values()) < size:
            count[label] += 1
    taken = [at for label, group in by_class.items() for at in group[: count[label]]]
    inside = set(taken)
    order = [taken[i] for i in rng.permutation(len(taken))]
    return [rows[at] for at in order], [one for at, one in enumerate(rows) if at not in inside]


# one run


def chosen_settings(kind: str) -> Record:
    """Return what was chosen on validation rows for a model, if anything was yet."""
    path = RESULTS / f"{file_name('dmix_settings')}.json"
    return json.loads(path.read_text("utf-8")).get(kind, {}) if path.exists() else {}


def settings_of(name: str, method: str, changes: Record | None = None) -> Record:
    """Return what a run is made with; only what its method looks at."""
    kind = kind_of(name)
    chosen = (
        SETTINGS[kind] | {"model": one_model() or kind} | chosen_settings(kind) | (changes or {})
    )
    if method in REFERENCE:
        return {key: chosen[key] for key in ("train", "test")}
    unused = {"none": ["alpha", "tau", "warmup_epochs", "probability", "refresh"]}
    plain = ["tau", "refresh"]
    if method in ("input", "sentence", "hidden"):
        unused[method] = plain
    if method == "epbeta":
        unused[method] = ["alpha"]
    return {key: value for key, value in chosen.items() if key not in unused.get(method, [])}


def hash_of(settings: Record) -> str:
    """Return a short name of settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]


def run_one(
    name: str, method: str, seed: int, part: str = "test", changes: Record | None = None
) -> Record:
    """Train once, and measure on the test or the validation rows."""
    import torch
    from sklearn.metrics import f1_score

    torch.set_num_threads(1)
    s = settings_of(name, method, changes)
    pool, valid, test = load(name, s["test"])
    train = stratified(pool, s["train"], np.random.default_rng([seed, 1]))[0]
    measured = test if part == "test" else valid
    begin = time.process_time()
    model = _reference() if method in REFERENCE else _classifier(s, method, seed)
    model.fit([text for text, _ in train], [label for _, label in train])
    fitted = time.process_time()
    proba = model.predict_proba([text for text, _ in measured])
    found = np.asarray(model.classes_)[proba.argmax(axis=1)]
    wanted = [label for _, label in measured]
    return {
        "set": name,
        "method": method,
        "seed": seed,
        "part": part,
        "f1": round(float(f1_score(wanted, found, average="macro")), 5),
        "accuracy": round(float(np.mean(found == np.array(wanted))), 5),
        **probabilities(proba, np.searchsorted(model.classes_, wanted), seed),
        "seconds": round(fitted - begin, 1),  # of the processor, which other load cannot touch
        "all_seconds": round(time.process_time(), 1),
        "settings": hash_of(s),
    }


def probabilities(proba: npt.NDArray[np.float64], truth: npt.NDArray[Any], seed: int) -> Record:
    """Return what probabilities are worth, before and after temperature scaling."""
    from vicinal._calibration import Calibration, scale_crossed

    rng = np.random.default_rng([seed, 2])
    scaled, temperature = scale_crossed(proba, truth, rng)
    found: Record = {"temperature": round(temperature, 4)}
    for suffix, one in (("", proba), ("_scaled", scaled)):
        told = Calibration.of(one, truth, rng)
        figures = {"log_loss": told.log_loss, "brier": told.brier, "ece": told.ece.value}
        found |= {name + suffix: round(value, 5) for name, value in figures.items()}
    return found


def _reference() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True)
    return make_pipeline(pieces, LogisticRegression(C=10, max_iter=1000))


def _classifier(s: Record, method: str, seed: int) -> Any:
    from vicinal import Beta, EpBeta, Farthest, Permutation
    from vicinal.nn import MixupConfig
    from vicinal.text import MixupTextClassifier

    where = {"none": "none", "input": "input", "sentence": "sentence"}.get(method, "hidden")
    metric = {"epbeta": "hyperbolic"}.get(method, method)
    mixup = MixupConfig(
        pairing=(
            Farthest(s["tau"], metric=metric, balanced=method == "epbeta")
            if method in ("euclidean", "cosine", "hyperbolic", "epbeta")
            else Permutation()
        ),
        weights=EpBeta() if method == "epbeta" else Beta(s.get("alpha", 0.4)),
        where=where,
        warmup_epochs=s.get("warmup_epochs", 0),
        probability=s.get("probability", 1.0),
        refresh=s.get("refresh", 1),
    )
    return MixupTextClassifier(
        s["model"],
        mixup=mixup,
        epochs=s["epochs"],
        batch_size=s["batch_size"],
        learning_rate=s["learning_rate"],
        max_tokens=s["max_tokens"],
        pooling=s["pooling"],
        random_state=seed,
    )


# figures


def mean_interval(values: npt.ArrayLike) -> tuple[float, float]:
    """Return a mean, and half of its 95 % t-interval (NaN for a single value)."""
    found = Estimate.of_repeats(np.asarray(values, float))
    return found.value, (found.high - found.low) / 2


def signed(mean: float, half: float) -> str:
    """Return a difference in points, with its interval."""
    return f"{100 * mean:+.1f} ± {100 * half:.1f}" if not math.isnan(half) else f"{100 * mean:+.1f}"


def points(mean: float, half: float) -> str:
    """Return a figure in points, with its interval."""
    return f"{100 * mean:.1f} ± {100 * half:.1f}" if not math.isnan(half) else f"{100 * mean:.1f}"


def describe_set(name: str) -> str:
    """Return sizes of a set in words."""
    n_test = SETTINGS[kind_of(name)]["test"]
    pool, _, test = load(name, n_test)
    classes = len(Counter(label for _, label in pool))
    return f"{name}: {classes} classes, {len(pool):,} rows to draw from, {len(test):,} to test on"
