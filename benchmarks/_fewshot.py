"""What the few-shot benchmark is made of: rows, arms, generated sentences, and one run.

Everybody learns by the same head on the same frozen encoder: a linear softmax layer on embeddings
that are not normalized, so many steps of so many rows, with soft labels. Arms differ in what they
put beside the real rows of a batch. Real rows of a step are the same for all arms of a seed.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import _texts
from _texts import RESULTS, Record, Rows, stratified
from vicinal import Beta, Farthest, Random, make_plan
from vicinal._calibration import Calibration
from vicinal.io import replacing

Matrix = np.ndarray
KEPT = Path(__file__).parents[1] / ".cache" / "fewshot"
SETS = ("SST-2", "TREC-6", "Subj", "MR", "AG News", "SMS spam")
_texts.SETS.setdefault("AG News", ("ag_news.csv.gz", "offline"))
#: Rows of each class; "full" is all there is, up to FULL_ROWS in the proportions of the classes.
#: "rare" is few of one class, drawn by the seed, for which alone sentences are added, and many of
#: each other.
SIZES = ("5", "10", "20", "50", "full", "rare")
FEW_OF_RARE, REST_OF_RARE = 5, 100
FULL_ROWS, TEST_ROWS, POOL_ROWS = 1500, 1500, 3000
#: Sentences of smol: beside few rows, and beside FULL_ROWS.
MOST_OF_SMOL, MOST_BESIDE_FULL = 32, 128
#: Arms in the order of the table: what their extra rows are, and their names.
ARMS = {
    "none": "no augmentation",
    "eda": "word edits (EDA)",
    "mixup": "mixup of embeddings",
    "dmix": "DMIX (far pairs)",
    "inversed": "inversedMixup, no label check",
    "inversed-filter": "inversedMixup, filter",
    "inversed-relabel": "inversedMixup, relabel",
    "inversed-within": "inversedMixup, within class",
    "inversed-dmix": "inversedMixup, DMIX pairs, filter",
    "prompted": "paraphrases by prompted SmolLM2",
    "twin": "the mixes of inversedMixup, not put into words",
}
#: Arms that write sentences: the pool they take them from, and the label check.
WRITTEN = {
    "inversed": ("random", "none"),
    "inversed-filter": ("random", "filter"),
    "inversed-relabel": ("random", "relabel"),
    "inversed-within": ("within", "none"),
    "inversed-dmix": ("farthest", "filter"),
    "twin": ("random", "twin"),
}
#: What all arms begin with; what was chosen on validation rows goes over it.
SETTINGS: Record = {
    "encoder": "all-MiniLM-L6-v2, frozen",
    "batch": 32,
    "steps": 300,
    "learning_rate": 0.01,
    "weight_decay": 0.01,
}
OWN: dict[str, Record] = {
    "none": {},
    "eda": {"alpha": 0.1, "weight": 0.3, "most": 100},
    "prompted": {"weight": 0.3, "most": 100},
    "mixup": {"law": 0.4, "share": 0.5},
    "dmix": {"law": 0.4, "share": 0.5, "tau": 0.1},
    **{arm: {"law": 1.0, "candidates": 4, "weight": 0.3, "most": 100} for arm in WRITTEN},
}
OWN["inversed-dmix"]["tau"] = 0.2
SETTINGS_FILE = RESULTS / "fewshot_settings.json"


# settings


@cache
def writer() -> str:
    """Return who writes: smol, which is slow, fewer sentences and each of them at once."""
    name = os.environ.get("FEWSHOT_WRITER", "nano")
    if name == "smol":
        for own in OWN.values():
            own |= {"most": MOST_OF_SMOL} if "most" in own else {}
            own |= {"candidates": 1} if "candidates" in own else {}
    return name


def chosen() -> Record:
    """Return what was chosen on validation rows."""
    return json.loads(SETTINGS_FILE.read_text("utf-8")) if SETTINGS_FILE.exists() else {}


def settings_of(arm: str, changes: Record | None = None, weights: str = "") -> Record:
    """Return what an arm is run with."""
    found = chosen()
    own = found.get("arms", {}).get(arm, {})
    if arm in WRITTEN and writer() == "nano" and own.get("weights") != weights:
        own = {}  # chosen with other weights of the inverter; smol takes what nano's chose
    own = {key: value for key, value in own.items() if key != "weights"}
    return SETTINGS | found.get("head", {}) | OWN[arm] | own | (changes or {})


def n_extra(n_real: int, s: Record) -> int:
    """Return how many sentences are added: as many as there are, from 50 to "most"."""
    if writer() == "smol" and n_real >= FULL_ROWS:
        return MOST_BESIDE_FULL
    return min(s["most"], max(50, n_real))


# rows


@dataclass(frozen=True)
class Part:
    """Texts with class numbers and embeddings."""

    texts: list[str]
    y: Matrix
    E: Matrix  # (n, d), not normalized; (n, 0) where nobody asked yet

    def take(self, rows: Sequence[int]) -> Part:
        """Return some of the rows."""
        return Part([self.texts[at] for at in rows], self.y[rows], self.E[rows])


@dataclass(frozen=True)
class Data:
    """A set: rows to draw from, rows to choose settings by, rows to measure on; not embedded."""

    classes: list[str]
    pool: Part
    valid: Part
    test: Part


@cache
def encoder() -> Any:
    """Return the encoder that all arms read with."""
    import torch

    from vicinal.text import Encoder

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return Encoder("offline")


def encode(texts: Sequence[str]) -> Matrix:
    """Return embeddings of texts, made now or before."""
    total = hashlib.sha256(SETTINGS["encoder"].encode())
    for text in texts:
        total.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    path = KEPT / "embeddings" / f"{total.hexdigest()[:32]}.npy"
    if path.exists():
        return np.load(path, allow_pickle=False)
    found = encoder().encode(texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as sink:
        np.save(sink, found, allow_pickle=False)
    return found


@lru_cache(maxsize=len(SETS))
def data(name: str) -> Data:
    """Return a set with its embeddings; no text is in two of its parts."""
    pool, valid, test = _texts.load(name, TEST_ROWS)
    pool = stratified(pool, POOL_ROWS, np.random.default_rng(20220523))[0]
    classes = sorted({label for _, label in pool})

    def part(rows: Rows) -> Part:
        texts = [text for text, _ in rows]
        y = np.array([classes.index(label) for _, label in rows])
        return Part(texts, y, np.empty((len(texts), 0)))

    return Data(classes, part(pool), part(valid), part(test))


def key_of(*words: str | int) -> list[int]:
    """Return a key for random numbers."""
    return [word if isinstance(word, int) else zlib.crc32(word.encode()) for word in words]


@lru_cache(maxsize=2)
def drawn(name: str, size: str, seed: int) -> Part:
    """Return the rows that a seed learns from."""
    pool = data(name).pool
    if size == "full":
        pool = replace(pool, E=encode(pool.texts))
    rng = np.random.default_rng(key_of(name, size, seed))
    order = rng.permutation(len(pool.y))
    if size == "full":
        numbered = [(str(at), str(pool.y[at])) for at in order]
        taken = [int(at) for at, _ in stratified(numbered, FULL_ROWS, rng)[0]]
        return pool.take(taken)
    by_class = defaultdict(list)
    for at in order:
        by_class[int(pool.y[at])].append(int(at))
    if size == "rare":
        counts = dict.fromkeys(by_class, REST_OF_RARE) | {rare_class(name, seed): FEW_OF_RARE}
    else:
        counts = dict.fromkeys(by_class, int(size))
    few = pool.take([at for one, group in by_class.items() for at in group[: counts[one]]])
    return replace(few, E=encode(few.texts))


def rare_class(name: str, seed: int) -> int:
    """Return the number of the class of which there are few."""
    return int(np.random.default_rng(key_of(name, "rare", seed)).integers(len(data(name).classes)))


def added_to(name: str, size: str, seed: int) -> Matrix:
    """Return the numbers of the rows from which sentences are made."""
    y = drawn(name, size, seed).y
    return np.flatnonzero(y == rare_class(name, seed)) if size == "rare" else np.arange(len(y))


# what arms add


@dataclass(frozen=True)
class Extra:
    """Rows beside the real ones, and their share of a batch."""

    X: Matrix
    Y: Matrix  # (n, classes), rows with sum 1
    share: float
    kept: float = 1.0


def mixed(part: Part, Y: Matrix, s: Record, n: int, rng: np.random.Generator) -> Extra:
    """Return fresh mixes of embeddings, one for each place of every batch."""
    pairing = Farthest(s["tau"]) if "tau" in s else Random()
    plan = make_plan(part.E, n, pairing=pairing, weights=Beta(s["law"]), random_state=rng)
    return Extra(plan.apply(part.E), plan.apply(Y), s["share"])


@cache
def edits() -> Any:
    """Return the word edits."""
    from _edits import Edits

    return Edits()


def edited_texts(
    name: str, size: str, seed: int, s: Record, rng: np.random.Generator
) -> tuple[list[str], Matrix]:
    """Return edited sentences, and the rows that they are of."""
    part, of = drawn(name, size, seed), added_to(name, size, seed)
    given = [part.texts[at] for at in of]
    texts, rows = edits().edit(given, n_extra(len(part.y), s), s["alpha"], rng)
    return texts, of[rows]


def weighed(n: int, n_real: int, weight: float) -> float:
    """Return the share of added rows in a batch, one counting as much as ``weight`` real ones."""
    return weight * n / (weight * n + n_real)


# one run


def fit_head(part: Part, Y: Matrix, extra: Extra | None, s: Record, seed: int) -> Callable:
    """Return a function from embeddings to probabilities: a linear softmax layer, trained by Adam.

    It begins with zeros; the rate falls to 0 linearly. Embeddings are centerd and scaled by the
    real rows.
    """
    steps, batch = s["steps"], s["batch"]
    center = part.E.mean(0)
    scale = np.linalg.norm(part.E - center, axis=1).mean() or 1.0
    real = np.random.default_rng([seed, 1]).integers(len(part.y), size=(steps, batch))
    X, T, at = part.E, Y, real
    if extra is not None and len(extra.X):
        rng = np.random.default_rng([seed, 2])
        added = rng.random((steps, batch)) < extra.share
        fresh = len(extra.X) >= steps * batch
        # fresh rows are there once for each place, in the turns of their left parents
        number = steps * batch
        place = rng.permutation(number) if fresh else rng.integers(len(extra.X), size=number)
        at = np.where(added, len(part.y) + place.reshape(steps, batch), real)
        X, T = np.concatenate([part.E, extra.X]), np.concatenate([Y, extra.Y])
    X = np.hstack([(X - center) / scale, np.ones((len(X), 1), np.float32)])
    T = T.astype(np.float32)
    W = np.zeros((X.shape[1], Y.shape[1]), np.float32)
    first, second = np.zeros_like(W), np.zeros_like(W)
    for step in range(steps):
        x, t = X[at[step]], T[at[step]]
        p = _softmax(x @ W)
        g = x.T @ (p - t) / batch
        first += 0.1 * (g - first)
        second += 0.001 * (g * g - second)
        rate = s["learning_rate"] * (1 - step / steps)
        size = np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8
        W -= rate * (first / (1 - 0.9 ** (step + 1)) / size + s["weight_decay"] * W)

    def predict(E: Matrix) -> Matrix:
        return _softmax((E - center) / scale @ W[:-1] + W[-1])

    return predict


def figures(y: Matrix, proba: Matrix) -> Record:
    """Return macro-F1, over classes that are there or were said, accuracy, mean recall, and more.

    Of the probabilities themselves: log loss, and expected calibration error.
    """
    found = proba.argmax(1)
    sure = Calibration.of(proba.astype(float), y, np.random.default_rng(0))
    n = int(max(y.max(), found.max())) + 1
    right = np.bincount(y[y == found], minlength=n)
    both = np.bincount(y, minlength=n) + np.bincount(found, minlength=n)
    f1 = 2 * right[both > 0] / both[both > 0]
    there = np.bincount(y, minlength=n)
    recall = right[there > 0] / there[there > 0]
    measures = {"f1": f1.mean(), "accuracy": (y == found).mean(), "balanced": recall.mean()}
    measures |= {"log_loss": sure.log_loss, "ece": sure.ece.value}
    return {name: round(float(value), 5) for name, value in measures.items()}


def figures_of_rare(name: str, size: str, seed: int, y: Matrix, proba: Matrix) -> Record:
    """Return F1 of the class of which there are few, where there is one."""
    if size != "rare":
        return {}
    one, said = rare_class(name, seed), proba.argmax(1)
    right = int(((y == one) & (said == one)).sum())
    both = int((y == one).sum() + (said == one).sum())
    return {"f1_rare": round(2 * right / both, 5) if both else 0.0}


def _softmax(z: Matrix) -> Matrix:
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def run_one(
    name: str,
    size: str,
    arm: str,
    seed: int,
    part: str = "test",
    changes: Record | None = None,
    weights: str = "",
) -> Record:
    """Train once, and measure on test or validation rows."""
    s = settings_of(arm, changes, weights)
    rows, measured = drawn(name, size, seed), getattr(data(name), part)
    Y = np.eye(len(data(name).classes))[rows.y]
    rng = np.random.default_rng(key_of(name, size, seed, arm))
    extra: Extra | None = None
    if arm == "eda":
        texts, of = edited_texts(name, size, seed, s, rng)
        extra = Extra(encode(texts), Y[of], weighed(len(texts), len(rows.y), s["weight"]))
    elif arm in ("mixup", "dmix"):
        extra = mixed(rows, Y, s, s["steps"] * s["batch"], rng)
    elif arm == "prompted":
        from _written import paraphrased

        texts, of = paraphrased(name, size, seed, s)
        extra = Extra(encode(texts), Y[of], weighed(len(texts), len(rows.y), s["weight"]))
    elif arm in WRITTEN:
        from _written import written

        extra = written(name, size, seed, arm, s, weights)
    found = fit_head(rows, Y, extra, s, seed)(encode(measured.texts))
    record = {
        "grid": "frozen",
        "set": name,
        "size": size,
        "arm": arm,
        "seed": seed,
        "part": part,
        **figures(measured.y, found),
        **figures_of_rare(name, size, seed, measured.y, found),
        "real": len(rows.y),
        "settings": _texts.hash_of(s),
        "weights": weights if arm in WRITTEN else "",
    }
    if extra is not None and arm not in ("mixup", "dmix"):
        record |= {"added": len(extra.X), "kept": round(extra.kept, 4)}
    return record
