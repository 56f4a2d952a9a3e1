"""Rows of plans, written out, checked, and kept or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal.text.augment import label_check as checks
from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.pairs import Parents, text_key
from vicinal.text.augment.selection import (
    InverterLike,
    SelectionConfig,
    Sentences,
    select_sentences,
)

if TYPE_CHECKING:
    from vicinal.plan import MixPlan

__all__ = ["SentenceGenerator"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: How much the odds by which the judge prefers a candidate count, in units of the closeness and
#: the ratio; and what keeps them finite. Chosen on sets that no benchmark reports.
PREFERENCE_SHARE, SOFTENED = 4.0, 0.01


#: What is kept of each row, and its type where that is no float.
COLUMNS: dict[str, Any] = {
    "texts": object,
    "left": np.int64,
    "right": np.int64,
    **dict.fromkeys(("lam", "lam_measured", "closeness", "log_likelihood", "distance"), float),
    "check": object,
    "check_score": float,
    "confidence": float,
}


class _JudgedCandidates:
    """What a judge says of candidates, and by how much it should move the selection."""

    def __init__(
        self, judge: checks.Judge, parents: IntArray, weights: FloatArray, threshold: float
    ) -> None:
        self._judge, self._parents = judge, parents
        self._weights, self._threshold = weights, threshold
        self._said: FloatArray | None = None

    def __call__(
        self, sentences: list[list[str]], embeddings: npt.NDArray[Any]
    ) -> npt.NDArray[np.float64]:
        n, each, width = embeddings.shape
        said = self._judge(
            [one for row in sentences for one in row],
            embeddings.reshape(n * each, width),
            np.repeat(self._parents, each, axis=0),
        )
        self._said = said.reshape(n, each, -1)
        prefers = checks.preference(self._said, self._weights, self._threshold)
        odds = (prefers + SOFTENED) / (1 - prefers + SOFTENED)
        empty = np.array([[not one.strip() for one in row] for row in sentences])
        return np.where(empty, -np.inf, PREFERENCE_SHARE * np.log(odds))

    def of(self, written: Sentences) -> FloatArray:
        """Return what the judge says of the sentences that were selected, (n, n_classes)."""
        if self._said is None:
            return self._judge(written.texts, written.embeddings, self._parents)
        found: FloatArray = self._said[np.arange(len(written.candidate)), written.candidate]
        return found


class SentenceGenerator:
    """Writes rows of plans, checks them, and keeps what passes the label check."""

    def __init__(
        self,
        inverter: InverterLike,
        parents: Parents,
        judge: checks.Judge,
        label_check: checks.LabelCheck,
        selection: SelectionConfig,
    ) -> None:
        self.inverter, self.parents, self.judge = inverter, parents, judge
        self.label_check, self.selection = label_check, selection
        self._shortlist = checks.Shortlist(label_check.expected_share, len(parents.classes))
        self.n_kept = self.n_written = self.n_clipped = 0
        self.rejected: list[str] = []
        self.rejections: list[str] = []
        self._known = {
            text_key(text): code for text, code in zip(parents.texts, parents.codes, strict=True)
        }
        # one entry for each batch, the first of them without rows
        self._kept = [{name: np.empty(0, dtype) for name, dtype in COLUMNS.items()}]
        self._kept[0]["label_weights"] = np.empty((0, len(parents.classes)))

    def write(self, plan: MixPlan, random_state: np.random.Generator) -> None:
        """Write the rows of a plan."""
        real, codes = self.parents.embeddings, self.parents.codes
        threshold, filters = self.label_check.threshold, self.label_check.method == "filter"
        left, right = real[plan.left], real[plan.right]  # (n, d)
        lam = np.asarray(plan.lam, float)
        weights = plan.mix_labels(codes, np.arange(len(self.parents.classes)), clip=True)
        judged = _JudgedCandidates(self.judge, np.asarray(plan.parents), weights, threshold)
        written = select_sentences(
            self.inverter,
            plan.apply(real),
            left,
            right,
            lam,
            self.selection,
            random_state=random_state,
            preference=judged if filters else None,
        )
        self.n_written += len(plan)
        self.n_clipped += int(((lam < 0) | (lam > 1)).sum())
        said = judged.of(written)  # (n, n_classes)
        confidence = checks.confidence(written.closeness, lam, written.lam_measured, weights, said)
        findings = checks.compare(said, weights, threshold)
        prefers = checks.preference(said, weights, threshold)
        if filters:
            doubts = self._shortlist.doubts(prefers, weights)
            findings[doubts & (findings == checks.AGREES)] = checks.DOUBTS
        notes, passed = self._check(written.texts, findings, said, weights, codes[plan.left])
        if self.label_check.method == "relabel":
            off = findings != checks.AGREES
            weights[off] = said[off]
        for at in np.flatnonzero(~passed).tolist():
            self.rejected.append(written.texts[at])
            self.rejections.append(notes[at])
        self.n_kept += int(passed.sum())
        batch = {
            "texts": np.array(written.texts, object),
            "label_weights": weights,
            "left": plan.left,
            "right": plan.right,
            "lam": lam,
            "lam_measured": written.lam_measured,
            "closeness": written.closeness,
            "log_likelihood": written.log_likelihood,
            "distance": np.linalg.norm(left.astype(float) - right, axis=1),
            "check": np.array(notes, object),
            "check_score": prefers,
            "confidence": confidence,
        }
        self._kept.append({name: values[passed] for name, values in batch.items()})

    def _check(
        self,
        texts: list[str],
        findings: IntArray,
        said: FloatArray,
        weights: FloatArray,
        left: IntArray,
    ) -> tuple[list[str], npt.NDArray[np.bool_]]:
        """Return what the check says of each sentence, and which of them pass."""
        notes, passed = [], np.ones(len(texts), bool)
        heavy = _heaviest(weights, left)
        for at, (text, finding) in enumerate(zip(texts, findings, strict=True)):
            note, passed[at] = self._finding(text, finding, said[at], weights[at])
            if passed[at] and self.label_check.method == "filter":
                before = self._known.setdefault(text_key(text), heavy[at])
                if before != heavy[at]:
                    label = self.parents.classes[before]
                    note, passed[at] = f"rejected: it exists as {label} as well", False
            notes.append(note)
        return notes, passed

    def _finding(self, text: str, finding: int, said: Any, weights: Any) -> tuple[str, bool]:
        if not text.strip():
            return "rejected: nothing was written", False
        if finding == checks.AGREES:
            return "kept", True
        why = checks.reason(finding, said, weights, self.parents.classes, self.judge.said_by)
        if self.label_check.method == "filter":
            return f"rejected: {why}", False
        if self.label_check.method == "relabel":
            return f"relabeled: {why}", True
        return f"kept, though {why}", True

    def result(self, n: int, source: list[str], labels: npt.NDArray[Any]) -> Augmented:
        """Return the first ``n`` rows kept."""
        parents = self.parents
        kept: dict[str, Any] = {
            name: np.concatenate([batch[name] for batch in self._kept])[:n]
            for name in self._kept[0]
        }
        heaviest = _heaviest(kept["label_weights"], parents.codes[kept["left"]])
        for side in ("left", "right"):
            kept[side] = parents.rows[kept[side]]
        for name in ("texts", "check"):
            kept[name] = kept[name].tolist()
        return Augmented(
            **kept,
            labels=parents.classes[heaviest],
            classes=parents.classes,
            n_written=self.n_written,
            label_check=self.label_check.method,
            source=source,
            source_labels=labels,
            rejected=self.rejected,
            rejections=self.rejections,
        )


def _heaviest(shares: FloatArray, left: IntArray) -> IntArray:
    """Return the class with the largest weight: the left parent's where two weigh the same."""
    tied = shares[np.arange(len(shares)), left] >= shares.max(axis=1, initial=0) - 1e-12
    return np.where(tied, left, shares.argmax(axis=1)).astype(np.int64)
