"""What is read for :mod:`legibility`: rows of each method on each set, made once and kept."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import warnings
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from _common import progress
from _sentences import CACHE, FROZEN, held_out_lines, inverter_key, words
from _texts import DATA
from vicinal.io import replacing
from vicinal.text.invert.candidates import Candidates

Record = dict[str, Any]

KEPT = CACHE / "legibility"
#: File, texts of each class, and how many classes (drawn); None for all.
SETS: dict[str, tuple[str, int, int | None]] = {
    "Banking": ("banking77.csv.gz", 10, 8),
    "TREC": ("trec6.csv", 15, None),
    "SST-2": ("sst2.csv.gz", 40, None),
    "AG News": ("ag_news.csv.gz", 20, None),
}
MORPHS = "morph middles"
#: Nano's words are favored.
GUIDED = "smol, guided by nano"
#: The language model did not learn, see ``frozen_inverter.py``.
ADAPTOR = "frozen smol"
WRITERS = ("smol", GUIDED, ADAPTOR, "nano")
#: Of six other draws, of news none: the surest of three pairs by a confidence that did not weigh
#: the label check yet, if of 0.15 or more; and single pairs of the same draws.
THREE, ONE = "smol, of three tries", "smol, of one try"
#: Of six draws more: the surest of twelve pairs by a confidence that did not weigh words yet,
#: where words could not object.
TWELVE = "smol, of twelve tries"
#: Limits of likelihood that were tried, in the sheet alone: six pairs for each row, on news; of
#: these, in another draw, rows of .27 a token or more; such rows of single pairs, in a third draw.
TRIED = ("smol, six tries", "smol, six tries, sure", TWELVE, THREE, ONE, "smol, sure")
#: Of so many draws of texts and pairs: rows of one draw resemble each other.
DRAWS, N_DRAWS = "smol, six draws", 6
#: Of nine draws more: what is delivered by default. The last three, and the middles that stand in
#: the sheet a second time, were written in bfloat16.
DEFAULT, FRESH = "smol, by default", (*range(71, 77), *range(81, 84))
#: Those that need what smol made come after it.
METHODS = (
    "smol", DRAWS, DEFAULT, GUIDED, ADAPTOR, "nano", "nearest real text", "EDA", "SmolLM2 prompted",
)  # fmt: skip
POOL = 1000
#: What is kept of a made row beside its text.
FIGURES = ("lam", "lam_measured", "closeness", "log_likelihood", "check_score", "confidence")
PARAPHRASE = "Write this in other words, as one sentence of the same kind: {}"
BETWEEN = "Write one sentence that is a mixture of these two sentences. 1: {} 2: {}"


@cache
def drawn(name: str, draw: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Return the texts that are mixed, their labels, and other texts of the same set."""
    file, each, n_classes = SETS[name]
    opened: Callable[..., Any] = gzip.open if file.endswith(".gz") else open
    with opened(DATA / file, "rt", encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "train"]
    rng = np.random.default_rng([19, draw] if draw else 19)
    classes = sorted({row["label"] for row in rows})
    if n_classes is not None:
        classes = sorted(rng.choice(classes, n_classes, replace=False).tolist())
    texts, labels, pool, seen = [], [], [], defaultdict(int)
    for at in rng.permutation(len(rows)):
        text, label = rows[at]["text"].strip(), rows[at]["label"]
        if label in classes and text and seen[label] < each:
            seen[label] += 1
            texts.append(text)
            labels.append(label)
        elif label in classes and len(pool) < POOL:
            pool.append(text)
    return texts, labels, pool


@cache
def pairs(n: int) -> list[tuple[str, str]]:
    """Return pairs of held-out lines of the open corpus, others than those of ``morphs.py``."""
    lines = held_out_lines()
    order = np.random.default_rng(19).permutation(len(lines))[: 2 * n].reshape(-1, 2)
    return [(lines[left], lines[right]) for left, right in order]


class Kept:
    """An inverter whose candidates are kept on disk, so that a run that is stopped goes on."""

    def __init__(self, inverter: Any, key: str) -> None:
        self._inverter, self._folder = inverter, KEPT / f"candidates-{key}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inverter, name)

    def candidates(self, embeddings: Any, n_samples: int = 4, *, random_state: Any = None) -> Any:
        """Return candidates, written now or before."""
        rng = np.random.default_rng(random_state)
        drawn_by = repr((n_samples, rng.bit_generator.state)).encode()
        name = hashlib.sha256(np.ascontiguousarray(embeddings).tobytes() + drawn_by).hexdigest()
        path = self._folder / f"{name[:20]}.npz"
        if not path.exists():
            found = self._inverter.candidates(embeddings, n_samples, random_state=rng)
            sink = io.BytesIO()
            np.savez(
                sink, lines=np.array(found.sentences, np.str_), embeddings=found.embeddings,
                likely=found.log_likelihood,
            )  # fmt: skip
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as out:
                out.write(sink.getvalue())
        with np.load(path) as held:
            return Candidates(held["lines"].tolist(), held["embeddings"], held["likely"])


@cache
def _writer(name: str) -> Any:
    from vicinal.text.invert import Inverter

    if name == GUIDED:
        guided = Inverter.from_pretrained("smol", guide="nano")
        return Kept(guided, f"{inverter_key('smol')}-{inverter_key('nano')}")
    source = str(FROZEN) if name == ADAPTOR else name
    return Kept(Inverter.from_pretrained(source), inverter_key(source))


def rows_of(name: str, method: str, n: int) -> list[Record]:
    """Return rows of a method on a set, made now or before."""
    key = inverter_key(str(FROZEN) if method == ADAPTOR else "smol")
    path = KEPT / f"{name}-{method}-{n}-{key}.json".replace(" ", "_")
    if not path.exists():
        progress(f"{name}, {method}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            made = _between(method, n) if name == MORPHS else _labeled(name, method, n)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as sink:
            sink.write(json.dumps(made).encode())
    found: list[Record] = json.loads(path.read_text("utf-8"))
    return found


def _labeled(name: str, method: str, n: int) -> list[Record]:
    if method in (DRAWS, DEFAULT):
        draws = range(1, 1 + N_DRAWS) if method == DRAWS else FRESH
        parts = [_written(name, method, n // N_DRAWS, draw) for draw in draws]
        return [row for part in parts for row in part]
    if method in WRITERS:
        return _written(name, method, n)
    texts, labels, _ = drawn(name)
    rng = np.random.default_rng(19)
    if method == "nearest real text":
        made_rows = rows_of(name, "smol", n)
        return [{"text": row["pool_text"], "label": row["label"]} for row in made_rows]
    if method == "EDA":
        from _edits import Edits

        lines, at = Edits().edit(texts, n, 0.1, rng)
    else:
        at = rng.permutation(len(texts))[:n]
        lines = prompted([PARAPHRASE.format(texts[one]) for one in at])
    return [{"text": line, "label": labels[one]} for line, one in zip(lines, at, strict=True)]


def _written(name: str, method: str, n: int, draw: int = 0) -> list[Record]:
    """Return rows that an inverter writes, of one draw of texts and pairs."""
    from vicinal.text import RowConfig, augment, nearest_texts

    texts, labels, pool = drawn(name, draw)
    writer = _writer(method if method in WRITERS else "smol")
    every = RowConfig(tries=1, min_confidence=0)  # what that limit would drop is read, too
    made = augment(
        texts, labels, inverter=writer, n_samples=n, random_state=100 * draw,
        row_config=None if method == DEFAULT else every,
    )  # fmt: skip
    progress(f"{made.n_written} sentences written for {len(made)} rows")
    columns: dict[str, list[Any]] = {one: getattr(made, one).tolist() for one in FIGURES}
    if method == "smol":  # beside its rows stands what the pool holds
        columns |= nearest_texts(made, pool, inverter=writer)
    columns |= {"text": made.texts, "label": [_label(made, at) for at in range(len(made))]}
    columns |= {"draw": [draw] * len(made)}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _label(made: Any, at: int) -> str:
    """Return the label of a made row as a reader is told it: the second class from 0.3 on."""
    order = np.argsort(-made.label_weights[at], kind="stable")
    names = [str(made.classes[one]) for one in order if made.label_weights[at, one] >= 0.3]
    return " or ".join([str(made.labels[at]), *(one for one in names if one != made.labels[at])])


def _between(method: str, n: int) -> list[Record]:
    both = pairs(n)
    if method in WRITERS:
        from vicinal.text.augment.selection import SelectionConfig, select_sentences

        writer = _writer(method)  # as morph does it, all pairs at once
        left, right = (writer.encode([pair[side] for pair in both]) for side in (0, 1))
        made: list[Record] = []
        for start in range(0, n, 15):
            a, b = left[start : start + 15], right[start : start + 15]
            lam = np.full(len(a), 0.5)
            found = select_sentences(
                writer, (a + b) / 2, a, b, lam, SelectionConfig(8), random_state=0
            )
            progress(f"{start + len(a)} of {n}")
            columns = {"text": found.texts, "lam": lam.tolist()}
            columns |= {one: getattr(found, one).tolist() for one in FIGURES[1:4]}
            made += [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        return made
    if method == "nearest real text":
        taken = {line for pair in both for line in pair}
        pool = [line for line in held_out_lines() if line not in taken][:POOL]
        encode = _writer("nano").encode
        middle = (encode([one[0] for one in both]) + encode([one[1] for one in both])) / 2
        real = encode(pool)
        real /= np.linalg.norm(real, axis=1, keepdims=True)
        return [{"text": pool[at]} for at in (middle @ real.T).argmax(axis=1)]
    return [{"text": one} for one in prompted([BETWEEN.format(*pair) for pair in both])]


def prompted(prompts: list[str]) -> list[str]:
    """Return what SmolLM2 answers, greedily: the first line of it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from vicinal.text.models import resolve_model

    folder = resolve_model("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    found: list[str] = []
    for start in range(0, len(prompts), 16):
        asked = [[{"role": "user", "content": one}] for one in prompts[start : start + 16]]
        batch = tokenizer.apply_chat_template(
            asked, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
        )
        made = model.generate(**batch, max_new_tokens=64, do_sample=False)
        made = made[:, batch["input_ids"].shape[1] :]
        lines = tokenizer.batch_decode(made, skip_special_tokens=True)
        found += [(line.strip().splitlines() or [""])[0].strip().strip('"') for line in lines]
    return found


def likelihood(texts: list[str]) -> list[float]:
    """Return the mean log-probability of a token under SmolLM2, which sees the text alone."""
    from _perplexity import Scorer
    from vicinal.text.models import resolve_model

    scorer = Scorer(Path(resolve_model("smollm2")))
    n_tokens = [len(one) + 1 for one in scorer.tokenizer(texts)["input_ids"]]
    found: list[float] = (-scorer.surprise(texts, batch=16) / np.array(n_tokens)).tolist()
    return found


def acceptability(texts: list[str]) -> list[float]:
    """Return log-odds that a text is a line as somebody wrote it, and not a corrupted one.

    A linear classifier of one to three words in a row has learned it from open lines and the same
    with a word left out, doubled, moved by one, or taken from another line.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(19)
    lines = [one.split() for one in held_out_lines(4, 24, "english-open-train")[:60_000]]
    spoiled = []
    for at, line in enumerate(lines):
        place, way = int(rng.integers(len(line) - 1)), rng.integers(4)
        other = lines[at - 1][int(rng.integers(len(lines[at - 1])))]
        new = [[line[place + 1]], [line[place]] * 2 + [line[place + 1]],
               [line[place + 1], line[place]], [other, line[place + 1]]][way]  # fmt: skip
        spoiled.append([*line[:place], *new, *line[place + 2 :]])
    every = [" ".join(one) for one in lines + spoiled]
    count = HashingVectorizer(ngram_range=(1, 3), token_pattern=r"\S+", n_features=1 << 20)
    model = LogisticRegression(C=10, solver="liblinear")
    model.fit(count.transform(every), np.repeat([1, 0], len(lines)))
    found: list[float] = model.decision_function(count.transform(texts)).tolist()
    return found


def nearest_given(text: str, given: list[str]) -> str:
    """Return the text with the most words in common, by the smaller of both shares."""
    own = set(words(text))

    def shared(other: str) -> float:
        theirs = set(words(other))
        return len(own & theirs) / max(len(own), len(theirs), 1)

    return max(given, key=shared)
