"""Sentences between two, written as a slider moves."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from vicinal._checks import check_number
from vicinal._types import Array, Floats
from vicinal.io import read_table
from vicinal.io.text_reading import read_text
from vicinal.studio.table import plain_name, unpacked

#: Sentences written for one ratio, the best first.
CANDIDATES = 6
#: The inverter that follows the slider at once.
QUICK = "nano"
#: Sentences of a pool, at most: they are embedded before the first answer.
MOST_POOL = 2_000
#: Real sentences that a map shows: those nearest to the mixture.
SHOWN = 40
#: Answers that are kept: the slider comes back to them.
KEPT = 200


@dataclass(frozen=True)
class Candidate:
    """A sentence that was written."""

    text: str
    closeness: float
    ratio: float  # measured on it; NaN where the two sentences are one point


@dataclass(frozen=True)
class Places:
    """Where sentences lie: along the line from the left one to the right one, and off it."""

    ends: Floats  # (2, 2)
    mixed: Floats  # (1, 2)
    written: Floats  # (n_candidates, 2)
    real: Floats  # (n_shown, 2), the nearest first
    real_texts: tuple[str, ...]
    explained: float  # share of their squared distances from the line


@dataclass(frozen=True)
class Between:
    """What lies between two sentences at a ratio."""

    ratio: float
    candidates: tuple[Candidate, ...]
    nearest: Candidate | None  # a real sentence
    places: Places | None  # None where the two sentences are one point
    notes: tuple[str, ...]


@dataclass
class Pool:
    """Real sentences of the same kind."""

    name: str
    texts: list[str]
    n_given: int
    points: dict[str, Any] = field(default_factory=dict)  # embeddings by writer, once needed


@dataclass
class SentencesTab:
    """What a tab of the browser has on its sentences."""

    pool: Pool | None = None
    kept: dict[tuple[str, str, float, str], Between] = field(default_factory=dict)
    latest: int = 0

    def compare(self, pool: Pool) -> None:
        """Go on with other real sentences; what is written just now is kept with the former."""
        self.pool = pool
        self.kept = {}  # after the pool, for the writer reads this first

    def ask(self) -> int:
        """Return the number of a question; earlier ones need no answer any more."""
        self.latest += 1
        return self.latest

    def stop(self) -> None:
        """Leave all questions without an answer."""
        self.ask()


def read_pool(name: str, data: bytes) -> Pool:
    """Read sentences: a text file of one to a line, or the texts of a table."""
    from pathlib import Path

    name = plain_name(name)
    inner, data = unpacked(name, data)
    if inner.lower().endswith((".txt", ".md")):
        texts = read_text(Path(inner), held=data)[0].decode("utf-8").splitlines()
    else:
        table = read_table(inner, held=data)
        columns = {
            field.name: [one for one in table[field.name].to_pylist() if one]
            for field in table.schema
            if str(field.type) in {"string", "large_string"}
        }
        if not columns:
            raise ValueError(f"{name} has no column of texts.")
        most = max(columns, key=lambda one: sum(map(len, columns[one][:1000])))
        texts = columns.get("text", columns[most])
    distinct = list(dict.fromkeys(one for one in map(str.strip, texts) if one))
    if not distinct:
        raise ValueError(f"{name} holds no sentence.")
    return Pool(name, distinct[:MOST_POOL], len(distinct))


def writers() -> dict[str, str]:
    """Return the inverters to choose from, and what is said of them."""
    if find_spec("vicinal_smol") and find_spec("vicinal_nano"):
        return {"": "better English", QUICK: "quick"}
    return {}


class Writer:
    """The inverters of this machine by name, each loaded when it is first needed."""

    def __init__(self) -> None:
        self.inverters: dict[str, Any] = {}
        self._notes: dict[str, tuple[str, ...]] = {}

    def write(
        self, tab: SentencesTab, number: int, left: str, right: str, ratio: float, name: str = ""
    ) -> Between | None:
        """Write between two sentences; None where a later question was asked meanwhile."""
        check_number("ratio", ratio, low=0.0, high=1.0)
        for side, text in (("left", left), ("right", right)):
            if not text.strip():
                raise ValueError(f"The {side} box is empty. Write a sentence into it.")
        key = (left, right, round(ratio, 2), QUICK if name == QUICK else "")
        kept = tab.kept
        found = kept.get(key)
        if found is None:
            if number != tab.latest:
                return None
            found = kept[key] = self._between(tab.pool, *key)
            while len(kept) > KEPT:
                kept.pop(next(iter(kept)))
        return found

    def _load(self, name: str) -> Any:
        if name not in self.inverters:
            try:
                from vicinal.text.invert.task import load_inverter

                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always", UserWarning)
                    self.inverters[name] = load_inverter(name or None)
            except ImportError as error:
                raise ImportError(
                    f"No writer of sentences is installed ({error}). Install one with: "
                    "pip install 'vicinal[offline]'"
                ) from None
            self._notes[name] = _said(caught)
        return self.inverters[name]

    def _between(
        self, pool: Pool | None, left: str, right: str, ratio: float, name: str
    ) -> Between:
        inverter = self._load(name)
        from vicinal.text.augment.pairs import check_sentences, text_key
        from vicinal.text.augment.ratio import project
        from vicinal.text.augment.selection import score_candidates
        from vicinal.text.encoder import check_utf8
        from vicinal.text.invert.candidates import cosine

        check_utf8("left", left)
        check_utf8("right", right)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            ends = np.asarray(inverter.encode(check_sentences(inverter, [left, right])))
        mixed = (ratio * ends[:1] + (1 - ratio) * ends[1:]).astype(np.float32)  # (1, d)
        found = inverter.candidates(mixed, CANDIDATES, random_state=0)
        closeness = found.closeness(mixed).astype(float)
        measured = project(found.embeddings, *ends[:, None, None])
        scores = score_candidates(
            closeness, measured, np.array([ratio]), np.asarray(found.log_likelihood, float), "both"
        )
        rows: dict[str, tuple[int, Candidate]] = {}
        for at in np.argsort(-scores[0], kind="stable"):
            one = Candidate(found.sentences[0][at], float(closeness[0, at]), float(measured[0, at]))
            rows.setdefault(text_key(one.text), (at, one))
        nearest, real, points = None, (), ends[:0]
        if pool is not None:
            if name not in pool.points:
                pool.points[name] = np.asarray(inverter.encode(pool.texts))
            every = pool.points[name]
            similar = cosine(every, mixed).astype(float)
            known = {text_key(left), text_key(right)}
            similar[[at for at, text in enumerate(pool.texts) if text_key(text) in known]] = -np.inf
            order = np.argsort(-similar, kind="stable")[:SHOWN]
            order = order[np.isfinite(similar[order])]
            real, points = tuple(pool.texts[at] for at in order), every[order]
            if real:
                there = float(project(points[0], *ends))
                nearest = Candidate(real[0], float(similar[order[0]]), there)
        written = found.embeddings[0][[at for at, _ in rows.values()]]
        places = _places(ends, mixed, written, points, real)
        notes = (*self._notes.get(name, ()), *_said(caught))
        return Between(ratio, tuple(one for _, one in rows.values()), nearest, places, notes)


def _places(
    ends: Array, mixed: Array, written: Array, points: Array, real: tuple[str, ...]
) -> Places | None:
    from vicinal.text.augment.embedding_map import PlaneBetween

    try:
        plane = PlaneBetween(ends[0], ends[1], np.concatenate([written, points]))
    except ValueError:  # they are one point
        return None
    return Places(plane(ends), plane(mixed), plane(written), plane(points), real, plane.explained)


def _said(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(one.message) for one in caught))
