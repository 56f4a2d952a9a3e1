"""Rows of plans, written out, looked at again, and kept or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal.text.augment import label_check as guards
from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.pairs import Parents, text_key
from vicinal.text.augment.writing import InverterLike, SelectionConfig, Written, write_sentences

if TYPE_CHECKING:
    from vicinal.plan import MixPlan
    from vicinal.weights import WeightLaw

__all__ = ["Maker"]

#: How much the odds by which the re-check prefers a candidate count, in units of the closeness and
#: the ratio; and what keeps them finite. Chosen on sets that no benchmark reports.
PREFERENCE_SHARE, SOFTENED = 4.0, 0.01


@dataclass(frozen=True)
class _Batch:
    """Rows that were made at once and kept."""

    written: Written
    plan: MixPlan
    weights: npt.NDArray[np.float64]
    distance: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    verdict: list[str]


class _Asked:
    """What a re-check says of candidates, and by how much it should move the choice."""

    def __init__(
        self,
        check: guards.Recheck,
        parents: npt.NDArray[np.int64],
        weights: npt.NDArray[np.float64],
        label_threshold: float,
    ) -> None:
        self._check, self._parents = check, parents
        self._weights, self._label_threshold = weights, label_threshold
        self._said: npt.NDArray[np.float64] | None = None

    def __call__(
        self, sentences: list[list[str]], embeddings: npt.NDArray[Any]
    ) -> npt.NDArray[np.float64]:
        n, each, width = embeddings.shape
        said = self._check(
            [one for row in sentences for one in row],
            embeddings.reshape(n * each, width),
            np.repeat(self._parents, each, axis=0),
        )
        self._said = said.reshape(n, each, -1)
        prefers = guards.preference(self._said, self._weights, self._label_threshold)
        odds = (prefers + SOFTENED) / (1 - prefers + SOFTENED)
        empty = np.array([[not one.strip() for one in row] for row in sentences])
        return np.where(empty, -np.inf, PREFERENCE_SHARE * np.log(odds))

    def of(self, written: Written) -> npt.NDArray[np.float64]:
        """Return what it says of the sentences that were chosen."""
        if self._said is None:
            return self._check(written.sentences, written.embeddings, self._parents)
        found: npt.NDArray[np.float64] = self._said[np.arange(len(written.chosen)), written.chosen]
        return found


class Maker:
    """Writes rows of plans, looks at them again, and keeps what the guard lets pass."""

    def __init__(
        self,
        inverter: InverterLike,
        parents: Parents,
        check: guards.Recheck,
        guard: str,
        choosing: SelectionConfig,
        label_threshold: float,
        keep: float,
        law: WeightLaw,
    ) -> None:
        self.inverter, self.parents, self.check = inverter, parents, check
        self.guard, self.choosing = guard, choosing
        self.label_threshold, self.law = label_threshold, law
        self.expected = keep if guard == "filter" else 1.0  # share that passes
        self._shortlist = guards.Shortlist(self.expected, len(parents.classes))
        self.kept = self.made = self.clipped = 0
        self.rejected: list[str] = []
        self.rejections: list[str] = []
        self._known = {
            text_key(text): code for text, code in zip(parents.texts, parents.codes, strict=True)
        }
        self._batches: list[_Batch] = []

    def make(self, plan: MixPlan, random_state: np.random.Generator) -> None:
        """Write the rows of a plan."""
        real, codes = self.parents.embeddings, self.parents.codes
        left, right = real[plan.left], real[plan.right]
        lam = np.asarray(plan.lam, float)
        weights = plan.mix_labels(codes, np.arange(len(self.parents.classes)), clip=True)
        asked = _Asked(self.check, np.asarray(plan.parents), weights, self.label_threshold)
        written = write_sentences(
            self.inverter,
            plan.apply(real),
            left,
            right,
            lam,
            self.choosing,
            random_state=random_state,
            prefers=asked if self.guard == "filter" else None,
        )
        self.made += len(plan)
        self.clipped += int(((lam < 0) | (lam > 1)).sum())
        found = asked.of(written)
        score = guards.trust(written.closeness, lam, written.lam_measured, weights, found)
        findings = guards.compare(found, weights, self.label_threshold)
        if self.guard == "filter":
            prefers = guards.preference(found, weights, self.label_threshold)
            doubts = self._shortlist.doubts(prefers, weights)
            findings[doubts & (findings == guards.AGREES)] = guards.DOUBTS
        verdicts, passed = [], np.ones(len(plan), bool)
        heavy = _heaviest(weights, codes[plan.left])
        for at, finding in enumerate(findings):
            sentence = written.sentences[at]
            verdict, passed[at] = self._verdict(sentence, finding, found[at], weights[at])
            if passed[at] and self.guard == "filter":
                before = self._known.setdefault(text_key(sentence), heavy[at])
                if before != heavy[at]:
                    label = self.parents.classes[before]
                    verdict, passed[at] = f"rejected: it is there as {label} as well", False
            verdicts.append(verdict)
        if self.guard == "relabel":
            off = findings != guards.AGREES
            weights[off] = found[off]
        for at in np.flatnonzero(~passed).tolist():
            self.rejected.append(written.sentences[at])
            self.rejections.append(verdicts[at])
        rows = np.flatnonzero(passed)
        self.kept += len(rows)
        distance = np.linalg.norm(left[rows].astype(float) - right[rows], axis=1)
        self._batches.append(
            _Batch(
                _take(written, rows),
                plan[rows],
                weights[rows],
                distance,
                score[rows],
                [verdicts[at] for at in rows],
            )
        )

    def _verdict(self, sentence: str, finding: int, found: Any, weights: Any) -> tuple[str, bool]:
        """Return the verdict on a sentence, and whether it passes."""
        if not sentence.strip():
            return "rejected: nothing was written", False
        if finding == guards.AGREES:
            return "kept", True
        why = guards.say(finding, found, weights, self.parents.classes, self.check.said_by)
        if self.guard == "filter":
            return f"rejected: {why}", False
        if self.guard == "relabel":
            return f"relabelled: {why}", True
        return f"kept, though {why}", True

    def result(self, n: int, source: list[str], labels: npt.NDArray[Any]) -> Augmented:
        """Return the first ``n`` rows kept."""
        parents, batches = self.parents, self._batches

        def joined(parts: list[Any], dtype: Any = float) -> Any:
            return np.concatenate([*parts, np.empty(0, dtype)]).astype(dtype)[:n]

        left = joined([one.plan.left for one in batches], np.int64)
        right = joined([one.plan.right for one in batches], np.int64)
        lam = joined([one.plan.lam for one in batches])
        shares = np.concatenate(
            [*(one.weights for one in batches), np.empty((0, len(parents.classes)))]
        )[:n]
        heavy = _heaviest(shares, parents.codes[left])
        return Augmented(
            texts=[text for one in batches for text in one.written.sentences][:n],
            labels=parents.classes[heavy],
            label_weights=shares,
            classes=parents.classes,
            lam=lam,
            lam_measured=joined([one.written.lam_measured for one in batches]),
            closeness=joined([one.written.closeness for one in batches]),
            log_likelihood=joined([one.written.log_likelihood for one in batches]),
            left=parents.rows[left],
            right=parents.rows[right],
            distance=joined([one.distance for one in batches]),
            verdict=[verdict for one in batches for verdict in one.verdict][:n],
            score=joined([one.score for one in batches]),
            made=self.made,
            guard=self.guard,
            source=source,
            source_labels=labels,
            rejected=self.rejected,
            rejections=self.rejections,
        )


def _heaviest(
    shares: npt.NDArray[np.float64], left: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the class with the largest weight: the left parent's where two weigh the same."""
    tied = shares[np.arange(len(shares)), left] >= shares.max(axis=1, initial=0) - 1e-12
    return np.where(tied, left, shares.argmax(axis=1)).astype(np.int64)


def _take(written: Written, rows: npt.NDArray[np.intp]) -> Written:
    return Written(
        [written.sentences[at] for at in rows],
        written.embeddings[:0],  # no longer needed, and large
        written.closeness[rows],
        written.lam_measured[rows],
        written.log_likelihood[rows],
        written.chosen[rows],
    )
