"""Sentences that were made, with their labels and the evidence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal.page.frame import Page, Paged
from vicinal.text.augment.pairs import text_key
from vicinal.text.augment.ratio import rank_correlation

__all__ = ["Augmented"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Augmented(Paged):
    """Sentences made by mixing, with mixed labels and where each comes from.

    Rows are in the order in which they were made. :func:`vicinal.text.augment` returns it.

    Attributes
    ----------
    texts : list of str
        The sentences.
    labels : ndarray of shape (n,)
        The class with the largest weight, of the type of the labels given; the left parent's
        where two are equal.
    label_weights : ndarray of shape (n, n_classes)
        Mixed labels, each row with sum 1.
    classes : ndarray of shape (n_classes,)
        What the columns stand for.
    lam, lam_measured : ndarray of shape (n,)
        Weight of the left parent, as drawn, and as measured on the sentence
        (:func:`vicinal.text.measure_ratio`).
    closeness : ndarray of shape (n,)
        Cosine of the sentence's embedding and the mixed one it was written for.
    log_likelihood : ndarray of shape (n,)
        The decoder's mean log-probability of a token.
    left, right : ndarray of int, shape (n,)
        Row numbers of the parents among the texts given.
    distance : ndarray of shape (n,)
        Euclidean distance of the parents' embeddings.
    verdict : list of str
        "kept", "kept, though ..." (the guard did not look), or "relabelled: ...".
    score : ndarray of shape (n,)
        Trust in a row, from 0 to 1; it ranks rows, it is no probability.
    rejected, rejections : list of str
        Sentences that the guard dropped, and why.
    made : int
        How many sentences were written for these; of those that passed the guard, the last ones
        may be more than were asked for.
    guard : str
        The guard.
    source : list of str
        The texts that were given.
    source_labels : ndarray
        Their labels.
    """

    texts: list[str]
    labels: npt.NDArray[Any]
    label_weights: FloatArray
    classes: npt.NDArray[Any]
    lam: FloatArray
    lam_measured: FloatArray
    closeness: FloatArray
    log_likelihood: FloatArray
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    distance: FloatArray
    verdict: list[str]
    score: FloatArray
    made: int
    guard: str
    source: list[str]
    source_labels: npt.NDArray[Any]
    rejected: list[str] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def kept(self) -> float:
        """Share of the sentences written that the guard let pass; 1 where none were."""
        return 1 - len(self.rejected) / self.made if self.made else 1.0

    @property
    def ratio_fidelity(self) -> float:
        """Rank correlation (Spearman) of asked and measured ratio; NaN for under two rows."""
        return rank_correlation(self.lam, self.lam_measured)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many rows were kept, kept though the re-check differs, relabelled, rejected."""
        heads = Counter(
            "kept, though the re-check differs"
            if one.startswith("kept,")
            else one.partition(":")[0]
            for one in self.verdict
        )
        return dict(heads) | ({"rejected": len(self.rejected)} if self.rejected else {})

    @property
    def copies(self) -> int:
        """How many sentences equal a parent, case and white space apart."""
        parents = zip(self.left.tolist(), self.right.tolist(), strict=True)
        return sum(
            text_key(text) in (text_key(self.source[left]), text_key(self.source[right]))
            for text, (left, right) in zip(self.texts, parents, strict=True)
        )

    @property
    def repeats(self) -> int:
        """How many sentences were made before, case and white space apart."""
        return len(self) - len({text_key(text) for text in self.texts})

    def columns(self) -> dict[str, list[Any]]:
        """Return the rows as columns, for a table of any kind.

        Returns
        -------
        dict of str to list
            ``text``, ``label``, ``weight_<class>`` for each class, ``lam``, ``lam_measured``,
            ``closeness``, ``log_likelihood``, ``distance``, ``left``, ``right`` (row numbers),
            ``left_text``, ``right_text``, ``verdict`` and ``score``.
        """
        weights = {
            f"weight_{name}": self.label_weights[:, at].tolist()
            for at, name in enumerate(self.classes.tolist())
        }
        return {
            "text": list(self.texts),
            "label": self.labels.tolist(),
            **weights,
            "lam": self.lam.tolist(),
            "lam_measured": self.lam_measured.tolist(),
            "closeness": self.closeness.tolist(),
            "log_likelihood": self.log_likelihood.tolist(),
            "distance": self.distance.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "left_text": [self.source[at] for at in self.left.tolist()],
            "right_text": [self.source[at] for at in self.right.tolist()],
            "verdict": list(self.verdict),
            "score": self.score.tolist(),
        }

    def summary(self) -> str:
        """Return what was made, in a few lines."""
        if not len(self):
            return f"0 sentences ({self.made} written, guard {self.guard!r})."
        counts = ", ".join(f"{name} {count}" for name, count in self.verdicts.items())
        dropped, spare = len(self.rejected), self.made - len(self) - len(self.rejected)
        others = [f"{dropped} did not pass the guard"] if dropped else []
        others += [f"{spare} more than asked for"] if spare else []
        lines = [
            f"{len(self)} sentences of {self.made} written"
            + (f"; {', '.join(others)}." if others else "."),
            f"Guard {self.guard!r}: {counts}.",
            f"Closeness to the mixed embedding: mean {self.closeness.mean():.3f}.",
            f"Asked and measured ratio: Spearman {self.ratio_fidelity:.3f}.",
            f"Equal to a parent: {self.copies}; repeats of another sentence: {self.repeats}.",
        ]
        names, tally = np.unique(self.labels, return_counts=True)
        shares = ", ".join(f"{name} {n}" for name, n in zip(names.tolist(), tally, strict=True))
        return "\n".join([*lines, f"Labels: {shares}."])

    def __repr__(self) -> str:
        return f"Augmented({len(self)} sentences of {self.made} written, guard={self.guard!r})"

    def __str__(self) -> str:
        return self.summary()

    def _page(self) -> Page:
        from vicinal.text.augment.page import augmented_page

        return augmented_page(self)
