"""Sentences written by inversedMixup for the few-shot benchmark, after each label check.

Sentences are written once for a set, size, seed and pairing; each label check of
:func:`vicinal.text.augment` then does with the same candidates what it does, but that what it drops
is not replaced (it is, where one class is rare).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from _fewshot import (
    KEPT,
    WRITTEN,
    Extra,
    Record,
    added_to,
    data,
    drawn,
    encode,
    encoder,
    key_of,
    n_extra,
    rare_class,
    settings_of,
    weighed,
    writer,
)
from _jobs import read_lines
from _sentences import Remembers
from vicinal import Beta, Farthest, Random
from vicinal.io import replacing
from vicinal.text.augment import LabelCheck, RowConfig, SelectionConfig, augment
from vicinal.text.invert.candidates import Candidates

#: What is kept of a pool, by what is kept in it.
VERSION = 4
#: Share of the sentences of a class that "filter" keeps at most: by default all were kept later.
KEEP = 0.7
#: How often the best candidate takes over words from another, as by default.
CROSSOVER = 3


@cache
def inverter() -> Any:
    """Return the shipped inverter, with the encoder that everybody reads with."""
    from vicinal.text.invert import Inverter

    return Inverter.from_pretrained(writer(), encoder=encoder())


class Ahead:
    """An inverter that takes down what it is asked, and writes all of it at once, greedily.

    A large language model takes about as long for a hundred sentences as for ten.
    """

    def __init__(self, asked: Any, path: Path) -> None:
        self._inverter, self.encoder, self.encode = asked, asked.encoder, asked.encode
        self._path, self._wanted, self.collects = path, {}, False
        self._kept = {one["key"]: one for one in read_lines(path)}

    def log_likelihood(self, embeddings: Any, texts: Any) -> Any:
        """Return mean log-probabilities a token."""
        return self._inverter.log_likelihood(embeddings, texts)

    def candidates(self, embeddings: Any, n: int = 1, *, random_state: Any = None) -> Candidates:
        """Return a sentence for each, or what stands for it as long as it is only taken down."""
        rows = np.ascontiguousarray(embeddings, np.float32)
        keys = [hashlib.sha256(row.tobytes()).hexdigest()[:24] for row in rows]
        new = {key: at for at, key in enumerate(keys) if key not in self._kept}
        self._wanted |= {key: rows[at] for key, at in new.items()}
        if not self.collects:
            self.write()
        there = [self._kept.get(key, {"text": ".", "likely": 0.0}) for key in keys]
        lines = [one["text"] for one in there]
        likely = np.array([[one["likely"]] for one in there], np.float32)
        return Candidates([[line] for line in lines], self.encode(lines)[:, None], likely)

    def write(self) -> None:
        """Write what was asked for, and keep it."""
        wanted, self._wanted = list(self._wanted.items()), {}
        for at in range(0, len(wanted), 128):
            keys, rows = zip(*wanted[at : at + 128], strict=True)
            written, likely = self._inverter.generate(np.array(rows))
            found = zip(keys, written, likely.tolist(), strict=True)
            new = [{"key": key, "text": one, "likely": value} for key, one, value in found]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as sink:
                sink.writelines(json.dumps(one) + "\n" for one in new)
            self._kept |= {one["key"]: one for one in new}


@cache
def ahead(weights: str) -> Ahead:
    """Return what writes for many runs at once."""
    return Ahead(inverter(), KEPT / f"greedy-{weights}.jsonl")


def write_ahead(runs: Sequence[tuple[str, str, int, str]], weights: str) -> None:
    """Write for runs, of arms that write, what their pools lack, all at once."""
    lacking = []
    for name, size, seed, arm in runs:
        s = settings_of(arm, None, weights)
        n = n_extra(len(drawn(name, size, seed).y), s)
        one = (name, size, seed, WRITTEN[arm][0], n, s["candidates"], weights)
        lacking += [] if path_of(*one).exists() or one in lacking else [one]
    writes = ahead(weights)
    writes.collects = True
    for one in lacking:
        make_pool(*one)
    writes.collects = False
    writes.write()


def path_of(
    name: str, size: str, seed: int, kind: str, n: int, candidates: int, weights: str
) -> Path:
    """Return where a pool is kept."""
    folder = KEPT / f"written-{VERSION}-{weights}"
    return folder / f"{name}-{size}-{seed}-{kind}-{n}x{candidates}.json"


@lru_cache(maxsize=4)
def pool(
    name: str, size: str, seed: int, kind: str, n: int, candidates: int, weights: str
) -> Record:
    """Return, for each guard, sentences with parents, ratios and labels, made now or before."""
    path = path_of(name, size, seed, kind, n, candidates, weights)
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    found = make_pool(name, size, seed, kind, n, candidates, weights)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as sink:
        sink.write(json.dumps(found).encode())
    return found


def make_pool(
    name: str, size: str, seed: int, kind: str, n: int, candidates: int, weights: str
) -> Record:
    """Write a pool."""
    part = drawn(name, size, seed)
    remembers = ahead(weights) if candidates == 1 else Remembers(inverter())
    # the order of data(name).classes is that of their codes, which augment sorts by
    codes = part.y.tolist()
    wanted = dict.fromkeys(guard for one, guard in WRITTEN.values() if one == kind)
    guards = [guard for guard in wanted if guard != "twin"]
    if kind == "within":
        guards = ["within-class"]
    if isinstance(remembers, Ahead) and remembers.collects:
        guards = guards[:1]  # what the others ask for, they ask for too
    rare = size == "rare"
    wanted_rows: Record = {"n_samples": n, "max_attempts": 1}
    if rare:
        only = RowConfig(only=[rare_class(name, seed)], per_class=n)
        wanted_rows = {"row_config": only, "max_attempts": 3}
    found: Record = {}
    for guard in guards:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer rows than asked for: that is measured
            made = augment(
                part.texts,
                codes,
                inverter=remembers,
                pairing=Farthest(0.2) if kind == "farthest" else Random(),
                weights=Beta(1.0),
                **wanted_rows,
                random_state=int(
                    np.random.default_rng(key_of(name, size, seed, kind)).integers(2**31)
                ),
                label_check=LabelCheck(guard, keep=KEEP) if guard == "filter" else guard,
                selection=SelectionConfig(candidates=candidates, crossover=CROSSOVER, fluency=0.5),
            )
        labels = np.zeros((len(made), len(data(name).classes)))
        labels[:, made.classes.astype(int)] = made.label_weights
        found["none" if guard == "within-class" else guard] = {
            "texts": made.texts,
            "lam": made.lam.tolist(),
            "left": made.left.tolist(),
            "right": made.right.tolist(),
            "labels": labels.round(6).tolist(),
            "kept": made.kept,
        }
    return found


def written(name: str, size: str, seed: int, arm: str, s: Record, weights: str) -> Extra:
    """Return what an arm adds: sentences after its guard, read again by the encoder."""
    return written_texts(name, size, seed, arm, s, weights)[2]


def written_texts(
    name: str, size: str, seed: int, arm: str, s: Record, weights: str
) -> tuple[list[str], np.ndarray, Extra]:
    """Return sentences after a guard, their soft labels, and both as rows of embeddings."""
    kind, guard = WRITTEN[arm]
    part = drawn(name, size, seed)
    guards = pool(name, size, seed, kind, n_extra(len(part.y), s), s["candidates"], weights)
    held = guards["none" if guard == "twin" else guard]
    Y = np.array(held["labels"]).reshape(len(held["texts"]), len(data(name).classes))
    if guard == "twin":
        lam = np.array(held["lam"])[:, None]
        X = lam * part.E[held["left"]] + (1 - lam) * part.E[held["right"]]
    else:
        X = encode(held["texts"])
    X = np.asarray(X, np.float32).reshape(len(Y), part.E.shape[1])
    extra = Extra(X, Y, weighed(len(X), len(part.y), s["weight"]))
    return held["texts"], Y, replace(extra, kept=held["kept"])


def paraphrased(name: str, size: str, seed: int, s: Record) -> tuple[list[str], list[int]]:
    """Return what prompted SmolLM2 makes of texts, as many as may be added, and which they are."""
    from _legibility import PARAPHRASE, prompted

    part = drawn(name, size, seed)
    rng = np.random.default_rng(key_of(name, size, seed, "prompted"))
    # greedy: a text has one paraphrase
    of = rng.permutation(added_to(name, size, seed))[: n_extra(len(part.y), s)].tolist()
    path = KEPT / "prompted" / f"{name}-{size}-{seed}-{len(of)}.json"
    if not path.exists():
        lines = prompted([PARAPHRASE.format(part.texts[at]) for at in of])
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as sink:
            sink.write(json.dumps(lines).encode())
    made = zip(json.loads(path.read_text("utf-8")), of, strict=True)
    there = [(line, at) for line, at in made if line]
    return [line for line, _ in there], [at for _, at in there]
