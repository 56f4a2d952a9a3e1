"""Rows of plans, written out, checked, and kept or dropped."""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vicinal._random import Seeds
from vicinal._types import Array, Bools, Floats, Ints
from vicinal.text.augment import label_check as checks
from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.embedding_map import EmbeddingMap, Plane
from vicinal.text.augment.pairs import Parents, text_key
from vicinal.text.augment.rows import RowFilter
from vicinal.text.augment.selection import (
    Embeddings,
    InverterLike,
    SelectionConfig,
    Sentences,
    measured_of,
    select_sentences,
)
from vicinal.text.invert.confidence import log_odds

if TYPE_CHECKING:
    from vicinal.plan import MixPlan


#: How much the odds by which the judge prefers a candidate count, in units of the closeness and
#: the ratio. Chosen on sets that no benchmark reports.
PREFERENCE_SHARE = 4.0
#: Weight from which on a label is one of several of a sentence.
SEVERAL_FROM = 0.5
#: What is kept of each row, and its type where that is no float.
COLUMNS: dict[str, Any] = {
    **dict.fromkeys(("texts", "check"), object),
    **dict.fromkeys(("left", "right"), np.int64),
    **dict.fromkeys(("lam", "lam_measured", "closeness", "log_likelihood", "distance"), float),
    **dict.fromkeys(("check_score", "confidence"), float),
}
#: How many rows a class may be ahead of its share, and what a row tried in vain counts for it: so a
#: class that hardly ever passes does not keep the others waiting.
AHEAD, IN_VAIN = 1.0, 0.5
#: Around how many heavier parents the pairs tried for a row lie, where that divides them evenly.
AROUND = 4
#: Of a row's pairs so many are written with all candidates; the others with the likeliest alone.
FINALISTS = 2
#: How a note begins on a sentence that its label is not sure of.
VERDICTS = {"filter": "rejected: ", "relabel": "relabeled: "}


class _Written(NamedTuple):
    """Sentences of pairs, and what is measured on them."""

    sentences: Sentences
    lacking: list[str]  # what of the protected each lacks
    weights: Floats  # (n, n_labels)
    said: Floats  # (n, n_labels), by the judge
    findings: Ints  # (n,), of the label check
    preference: Floats  # (n,)
    confidence: Floats  # (n,)


class SentenceGenerator:
    """Writes rows of plans, checks them, and keeps what passes the label check."""

    def __init__(
        self,
        inverter: InverterLike,
        parents: Parents,
        judge: checks.Judge,
        label_check: checks.LabelCheck,
        selection: SelectionConfig,
        rows: RowFilter,
        wanted: int | Ints,
        tries: int = 1,
        words: checks.Judge | None = None,
    ) -> None:
        self.inverter, self.parents, self.judge = inverter, parents, judge
        self.label_check, self.selection, self.rows = label_check, selection, rows
        self.wanted, self.tries = wanted, tries  # in all, or of each class
        self.words = words  # who may object
        self._finalists = min(tries, FINALISTS) if selection.candidates > 1 else tries
        self.confidence, self.readers_kept = measured_of(inverter, selection)
        self.n_written = self.n_checked = self.n_clipped = self.n_unwanted = 0
        self._names = parents.labels.tolist()
        self._codes = parents.first_labels
        self._n_kept = np.zeros(len(self._names), np.int64)
        # of several labels of a text each counts
        counts = np.bincount(parents.codes, minlength=len(parents.classes))
        sizes = parents.by_label(counts[None].astype(float))[0]
        self._sizes, self._progress = sizes, np.zeros(len(self._names))
        self._possible = np.arange(len(self._names))
        self.rejected: list[str] = []
        self.rejections: list[str] = []
        self._known = dict(zip(map(text_key, parents.texts), self._codes, strict=True))
        self._preferences: list[list[float]] = [[] for _ in self._names]
        none = {name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}
        self._plane = Plane(parents.embeddings)
        wide = {"label_weights": np.empty((0, len(self._names))), "places": np.empty((0, 2))}
        self._kept = [none | wide]  # one entry for each batch, the first of them without rows

    @property
    def n_kept(self) -> int:
        """How many of the rows wanted there are."""
        if isinstance(self.wanted, int):
            return min(int(self._n_kept.sum()), self.wanted)
        return int(np.minimum(self._n_kept, self.wanted).sum())

    def tried(self, plan: MixPlan) -> MixPlan:
        """Return a plan's pairs in the order of the rows that they are tried for, ``tries`` each.

        Those of a row are of one class and share its weight, so that the law of weights stays.
        """
        from vicinal.plan import MixPlan

        tries, self._possible = self.tries, np.unique(self._asked(plan))
        if tries == 1:
            return plan
        # around a few heavier parents: a hard one is left out, no easy one wins row after row
        around = gcd(tries, AROUND)
        heavy = np.where(plan.lam >= 0.5, plan.left, plan.right)
        _, first, of = np.unique(heavy, return_index=True, return_inverse=True)
        codes = self._codes[heavy]
        found = [np.empty((0, tries), np.int64)]
        for code in np.unique(codes):
            at = np.flatnonzero(codes == code)
            at = at[np.argsort(first[of[at]], kind="stable")]
            size = around, max(1, len(at) // tries), tries // around
            found.append(
                np.resize(at, size).transpose(1, 0, 2).reshape(-1, tries)
            )  # few come again
        slots = np.concatenate(found)
        plan = plan[slots[np.argsort(slots[:, 0], kind="stable")].ravel()]
        lam = np.asarray(plan.lam, float)
        heavier = np.repeat(np.maximum(lam, 1 - lam)[::tries], tries)
        return MixPlan(plan.left, plan.right, np.where(lam >= 0.5, heavier, 1 - heavier))

    def still_wanted(self, plan: MixPlan) -> Bools:
        """Tell for which rows of a plan the class lacks some yet."""
        drops = self.label_check.method == "filter" or self.rows.drops
        heavy = self._asked(plan)
        if isinstance(self.wanted, int):
            # whole batches, also the last: in bfloat16 a sentence depends on those beside it
            return self._in_step(heavy) if drops else np.ones(len(heavy), bool)
        lacks = self.wanted - self._n_kept
        before = np.cumsum(np.eye(len(lacks), dtype=int)[heavy], axis=0)[
            np.arange(len(heavy)), heavy
        ]
        return np.asarray(lacks[heavy] > 0 if drops else before <= lacks[heavy])

    def _asked(self, plan: MixPlan) -> Ints:
        """Return the heaviest label of each row of a plan."""
        shares = plan.mix_labels(
            self.parents.codes, np.arange(len(self.parents.classes)), clip=True
        )
        return _heaviest(self.parents.by_label(shares), self._codes[plan.left])

    def _in_step(self, heavy: Ints) -> Bools:
        """Tell which rows, one after the other, take no class ahead of its share of the texts."""
        # by what was written so far, not by what is wanted: fewer rows are the first of more
        there = np.where(np.isin(np.arange(len(self._names)), self._possible), self._sizes, 0)
        shares, progress = there / max(there.sum(), 1), self._progress.copy()
        found = np.zeros(len(heavy), bool)
        for at, code in enumerate(heavy.tolist()):
            if progress[code] < shares[code] * (progress.sum() + 1) + AHEAD:
                found[at] = True
                progress[code] += 1
        return found

    def fit_confidence(self, plan: MixPlan, random_state: np.random.Generator) -> None:
        """Fit the level of confidence to usual sentences of these texts, one of each pair."""
        if self.confidence is None:
            return
        quick = replace(self.selection, candidates=1, crossover=0)
        found = self._written(plan, quick, random_state)
        made = found.sentences  # as those that it was fitted to, which passed the label check
        usual = (found.findings == checks.AGREES) & [bool(one.strip()) for one in made.texts]
        self.confidence = self.confidence.of_task(
            [text for text, one in zip(made.texts, usual, strict=True) if one],
            made.closeness[usual],
            made.log_likelihood[usual],
            found.preference[usual],
        )

    def write(self, plan: MixPlan, random_state: np.random.Generator) -> None:
        """Write the pairs of a plan, and keep of each row's, ``tries`` of them, the surest."""
        self.n_written += len(plan)
        self.n_clipped += int(((plan.lam < 0) | (plan.lam > 1)).sum())
        asked = self._asked(plan[:: self.tries])
        if self._finalists < self.tries:
            seeds = Seeds(random_state)  # of both: what the first draws does not move the second
            plan = plan[self._promising(plan, seeds.generator(0))]
            random_state = seeds.generator(1)
        self.n_checked += len(plan)
        written = self._written(plan, self.selection, random_state)
        lines, said, weights = written.sentences.texts, written.said, written.weights
        filters = self.label_check.method == "filter"
        findings = written.findings
        if filters and self.label_check.keep < 1:
            doubts = self._doubts(written.preference, weights.argmax(axis=1))
            findings[doubts & (findings == checks.AGREES)] = checks.DOUBTS
        dropped = self._dropped(written)
        self.n_unwanted += sum(map(bool, dropped))
        notes = self._notes(lines, findings, said, weights)
        notes = [f"rejected: {why}" if why else n for why, n in zip(dropped, notes, strict=True)]
        if self.label_check.method == "relabel":
            off = findings != checks.AGREES
            weights[off] = said[off]
        heaviest = _heaviest(weights, self._codes[plan.left])
        there = written.sentences.embeddings
        taken = self._take(lines, there, notes, written.confidence, heaviest)
        for at, note in enumerate(notes):
            if note.startswith("rejected"):
                self.rejected.append(lines[at])
                self.rejections.append(note)
        self._n_kept += np.bincount(heaviest[taken], minlength=len(self._names))
        step = np.where(taken.reshape(-1, self._finalists).any(axis=1), 1.0, IN_VAIN)
        self._progress += np.bincount(asked, step, len(self._names))
        real = self.parents.embeddings
        apart = real[plan.left].astype(float) - real[plan.right]
        batch = written.sentences._asdict() | {
            "left": plan.left,
            "right": plan.right,
            "lam": np.asarray(plan.lam, float),
            "label_weights": weights,
            "distance": np.linalg.norm(apart, axis=1),
            "check": notes,
            "check_score": written.preference,
            "confidence": written.confidence,
            "places": self._plane(written.sentences.embeddings),
        }
        self._kept.append(
            {name: np.asarray(batch[name], COLUMNS.get(name))[taken] for name in self._kept[0]}
        )

    def _promising(self, plan: MixPlan, random_state: np.random.Generator) -> Ints:
        """Return of each row's pairs those whose likeliest sentence passes, is new and surest."""
        quick = replace(self.selection, candidates=1, crossover=0)
        written = self._written(plan, quick, random_state)
        bad = np.array(self._dropped(written, counted=False), dtype=object) != ""
        if self.label_check.method == "filter":
            bad |= written.findings != checks.AGREES
        lines, there = written.sentences.texts, written.sentences.embeddings
        keys, made, found = [text_key(line) for line in lines], set(), []
        for start in range(0, len(plan), self.tries):
            row = slice(start, start + self.tries)
            old = [
                key in made or self.rows.there(line, embedding)
                for key, line, embedding in zip(keys[row], lines[row], there[row], strict=True)
            ]
            fails = bad[row] | np.array([not key for key in keys[row]])
            order = (start + _ranked(written.confidence[row], old, fails)).tolist()
            first = {keys[at]: at for at in reversed(order)}  # of each sentence the first
            order.sort(key=lambda at: first[keys[at]] != at)
            made.add(keys[order[0]])
            found += sorted(order[: self._finalists])
        return np.array(found)

    def _dropped(self, written: _Written, *, counted: bool = True) -> list[str]:
        """Return why each sentence is dropped whatever its label, "" where it is not."""
        made = written.sentences
        return self.rows.reasons(
            made.texts,
            written.lacking,
            made.embeddings,
            made.closeness,
            written.confidence,
            counted=counted,
        )

    def _written(
        self, plan: MixPlan, selection: SelectionConfig, random_state: np.random.Generator
    ) -> _Written:
        """Write the pairs of a plan, and measure the sentences."""
        real, threshold = self.parents.embeddings, self.label_check.threshold
        left, right, both = real[plan.left], real[plan.right], np.asarray(plan.parents, np.int64)
        classes = np.arange(len(self.parents.classes))
        shares = plan.mix_labels(self.parents.codes, classes, clip=True)
        weights = self.parents.by_label(shares)
        judged: list[Floats] = []  # what the judge says of candidates, (n, c, n_classes)

        def prefer(sentences: list[list[str]], embeddings: Array) -> Floats:
            n, each, width = embeddings.shape
            lines = [one for row in sentences for one in row]
            flat = embeddings.reshape(n * each, width)
            found = self._judge(lines, flat, np.repeat(both, each, axis=0))
            judged[:] = [found.reshape(n, each, -1)]
            odds = log_odds(checks.preference(judged[0], weights, threshold))
            if self.words is not None:
                said = self._judge(lines, flat, None, self.words)
                against = checks.objects(said, np.repeat(weights, each, axis=0), threshold)
                odds = np.where(against.reshape(n, each), log_odds(np.zeros(1)), odds)
            empty = np.array([not one.strip() for one in lines]).reshape(n, each)
            return np.where(empty, -np.inf, PREFERENCE_SHARE * odds)

        written = select_sentences(
            self.inverter,
            plan.apply(real),
            left,
            right,
            np.asarray(plan.lam, float),
            selection,
            random_state=random_state,
            preference=prefer if self.label_check.method == "filter" else None,
        )
        lines, lacking = self.rows.restored(written.texts, plan)
        written = written._replace(texts=lines)
        if judged:
            said = judged[0][np.arange(len(plan)), written.candidate]  # (n, n_classes)
        else:
            said = self._judge(lines, written.embeddings, both)
        findings, given = checks.compare(said, weights, threshold), weights
        if self.words is not None:
            by_words = self._judge(lines, written.embeddings, None, self.words)
            against = (findings == checks.AGREES) & checks.objects(by_words, weights, threshold)
            findings[against], said[against] = checks.OBJECTS, by_words[against]
        if self.label_check.method == "relabel":  # the label that it will have
            off = (findings != checks.AGREES)[:, None]
            given = np.where(off, np.eye(said.shape[1])[said.argmax(axis=1)], weights)
        prefers = checks.preference(said, given, threshold)
        confidence = np.exp(written.log_likelihood)  # where nobody has measured it
        if self.confidence is not None:
            confidence = self.confidence(lines, written.closeness, written.log_likelihood, prefers)
        return _Written(written, lacking, weights, said, findings, prefers, confidence)

    def _take(
        self, lines: list[str], there: Embeddings, notes: list[str], sure: Floats, heavy: Ints
    ) -> Bools:
        """Tell which sentence of each row is taken: the surest that passed, a new one first."""
        filters, taken = self.label_check.method == "filter", np.zeros(len(lines), bool)
        for start in range(0, len(lines), self._finalists):
            row = range(start, start + self._finalists)
            old = [self.rows.there(lines[at], there[at]) for at in row]
            for at in start + _ranked(sure[row], old):
                if notes[at].startswith("rejected"):
                    continue
                before = self._known.get(text_key(lines[at]), heavy[at])
                if why := self.rows.repeated(old[at - start]):
                    self.n_unwanted += 1
                elif filters and before != heavy[at]:
                    why = f"it exists as {self._names[before]} as well"
                if not why:
                    self._known.setdefault(text_key(lines[at]), heavy[at])
                    self.rows.take(lines[at], there[at])
                    taken[at] = True
                    break
                notes[at] = f"rejected: {why}"
        return taken

    def _judge(
        self,
        lines: list[str],
        embeddings: Array,
        parents: Ints | None,
        judge: checks.Judge | None = None,
    ) -> Any:
        """Return what the judge says of labels (n, n_labels), several of a text as one sum."""
        found = (judge or self.judge)(lines, embeddings, parents)
        said = self.parents.by_label(found)
        return said if said is found else said / said.sum(axis=1, keepdims=True)

    def _doubts(self, prefers: Floats, heaviest: Ints) -> Bools:
        """Tell which sentences the judge prefers less than most of their class so far."""
        # class by class: the judge is surer of some classes, and one limit for all would starve the
        # rest
        found = np.zeros(len(prefers), bool)
        for at, (value, code) in enumerate(zip(prefers.tolist(), heaviest.tolist(), strict=True)):
            seen = self._preferences[code]  # one after the other, whatever comes later
            seen.append(value)
            found[at] = value < np.quantile(seen, 1 - self.label_check.keep)
        return found

    def _notes(self, texts: list[str], findings: Ints, said: Floats, weights: Floats) -> list[str]:
        """Return what the check says of each sentence."""
        notes = []
        verdict = VERDICTS.get(self.label_check.method, "kept, though ")
        for at, (text, finding) in enumerate(zip(texts, findings, strict=True)):
            note = "kept"
            if not text.strip():
                note = "rejected: nothing was written"
            elif finding != checks.AGREES:
                judge: Any = self.words if finding == checks.OBJECTS else self.judge
                why = checks.reason(finding, said[at], weights[at], self._names, judge.said_by)
                note = verdict + why
            notes.append(note)
        return notes

    def result(self, source: list[str], labels: Array) -> Augmented:
        """Return the first rows kept, as many as are wanted."""
        parents = self.parents
        kept: dict[str, Any] = {
            name: np.concatenate([batch[name] for batch in self._kept]) for name in self._kept[0]
        }
        if isinstance(self.wanted, int):
            first = np.arange(len(kept["left"])) < self.wanted
        else:
            every = _heaviest(kept["label_weights"], self._codes[kept["left"]])
            first = np.zeros(len(every), bool)
            for code, count in enumerate(self.wanted):
                first[np.flatnonzero(every == code)[:count]] = True
        kept = {name: values[first] for name, values in kept.items()}
        labels_made = self._labels(kept["label_weights"], kept["left"])
        for side in ("left", "right"):
            kept[side] = parents.rows[kept[side]]
        for name in ("texts", "check"):
            kept[name] = kept[name].tolist()
        places = np.full((len(source), 2), np.nan)
        places[parents.rows] = self._plane(parents.embeddings)
        return Augmented(
            map=EmbeddingMap(places, kept.pop("places"), self._plane.explained),
            **kept,
            labels=labels_made,
            classes=parents.labels,
            n_written=self.n_written,
            n_checked=self.n_checked,
            label_check=self.label_check.method,
            source=source,
            source_labels=labels,
            rejected=self.rejected,
            rejections=self.rejections,
            unwanted=self.n_unwanted,
            confidence_measured=self.confidence is not None,
            readers_kept=self.readers_kept,
            label_separator=parents.separator,
        )

    def _labels(self, weights: Floats, left: Ints) -> Array:
        """Return the label of each row: the heaviest, or all that weigh enough."""
        heaviest, separator = _heaviest(weights, self._codes[left]), self.parents.separator
        if separator is None:
            return self.parents.labels[heaviest]
        given = weights >= SEVERAL_FROM - 1e-12
        given[np.arange(len(given)), heaviest] = True
        return np.array([separator.join(self.parents.labels[one].tolist()) for one in given], str)


def _ranked(sure: Floats, old: list[bool], fails: Bools | float = 0.0) -> Ints:
    """Return the order of sentences: what fails last, before it what is there, the surest first."""
    return np.lexsort(np.stack([-sure, np.array(old, float), np.full(len(sure), fails, float)]))


def _heaviest(shares: Floats, left: Ints) -> Ints:
    """Return the class with the largest weight: the left parent's where two weigh the same."""
    tied = shares[np.arange(len(shares)), left] >= shares.max(axis=1, initial=0) - 1e-12
    return np.where(tied, left, shares.argmax(axis=1)).astype(np.int64)
