"""Sentences that were made, with their labels and the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from vicinal._stats import spearman
from vicinal._types import Array, Floats, Ints
from vicinal.page.format import share
from vicinal.page.frame import Page, write_page
from vicinal.page.result import RowsResult
from vicinal.text.augment.embedding_map import EmbeddingMap
from vicinal.text.augment.pairs import is_negated, text_key
from vicinal.text.augment.rows import SPARE, UNWANTED

_FIGURES = ("lam", "lam_measured", "closeness", "log_likelihood", "distance", "left", "right")
_CHECKED = ("check", "check_score", "confidence")


def column_names(classes: Sequence[Any]) -> list[str]:
    """Return what the columns of made rows are called, for some classes."""
    weights = [f"weight_{name}" for name in classes]
    return ["text", "label", *weights, *_FIGURES, "left_text", "right_text", *_CHECKED]


def said_of_worth(worth: float, known_from: str) -> str:
    """Return the line about the share of rows that is expected to be worth keeping."""
    kept = "not known" if np.isnan(worth) else share(worth, 0)
    return f"Worth keeping unedited: {kept}; {known_from}."


@dataclass(frozen=True, eq=False, repr=False)
class Augmented(RowsResult):
    """Sentences made by mixing, with mixed labels and where each comes from.

    Rows are in the order in which they were made. :func:`vicinal.text.augment` returns it.

    Attributes
    ----------
    texts : list of str
        The sentences.
    labels : ndarray of shape (n,)
        The class with the largest weight; the left parent's where two are equal. With a
        ``label_separator`` all of weight 0.5 or more, joined by it.
    label_weights : ndarray of shape (n, n_classes)
        Mixed labels; columns are ``classes``. Each row has sum 1, unless texts have several.
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
    check : list of str
        What the label check found: "kept", "kept, though ..." or "relabeled: ...".
    check_score : ndarray of shape (n,)
        Probability that the judge gives to the likeliest class that the label allows, divided by
        its sum with that of the likeliest other class; above 0.5 the judge agrees.
    confidence : ndarray of shape (n,)
        Share that readers kept of sentences that are as close, likely, sure of their label, short
        and free of repetitions, compared with what is usual of the texts (32 sentences written
        first), where the inverter knows it (``Inverter.confidence``; smol does), and else
        ``exp(log_likelihood)``, the geometric mean of the probabilities of its tokens, which ranks
        rows.
    n_written : int
        How many pairs were written for these: rows, ``rejected`` sentences and ``spare`` ones.
        The 32 that show what is usual of the texts are not among them.
    n_checked : int
        How many of them were checked: where several are tried for a row, the two surest.
    label_check : str
        The method of the label check.
    source, source_labels : list of str, ndarray
        The texts that were given, and their labels.
    rejected, rejections : list of str
        Sentences that were dropped, and why.
    unwanted : int
        How many of them were no rows as :class:`RowConfig` wants them, whatever their label.
    map : EmbeddingMap or None
        Where ``source`` and ``written`` sentences lie, of shape (n, 2): the first two principal
        components of the embeddings of the texts given; ``explained`` is their share of variance.
    label_separator : str or None
        What parts several labels of one text.
    confidence_measured : bool
        Whether ``confidence`` is a share that readers kept.
    readers_kept : float or None
        Share of the inverter's rows of other texts that readers (language models, blind) kept
        (``Inverter.readers_kept``).
    """

    texts: list[str]
    labels: Array
    label_weights: Floats
    classes: Array
    lam: Floats
    lam_measured: Floats
    closeness: Floats
    log_likelihood: Floats
    left: Ints
    right: Ints
    distance: Floats
    check: list[str]
    check_score: Floats
    confidence: Floats
    n_written: int
    n_checked: int
    label_check: str
    source: list[str]
    source_labels: Array
    rejected: list[str] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)
    unwanted: int = 0
    map: EmbeddingMap | None = None
    label_separator: str | None = None
    confidence_measured: bool = False
    readers_kept: float | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def kept(self) -> float:
        """Share of the sentences judged that passed the label check; 1 where none were.

        All that were checked but those that were ``unwanted`` are judged; one that the judge
        contradicts, and that is kept or relabeled, has not passed.
        """
        dropped, judged = len(self.rejected) - self.unwanted, self.n_checked - self.unwanted
        dropped += sum(one != "kept" for one in self.check)
        return 1 - dropped / judged if judged else 1.0

    @property
    def worth_keeping(self) -> float:
        """Share of the rows that is expected to be worth keeping unedited; NaN if not known.

        The mean confidence where that is a share, and else what readers kept of other texts.
        """
        if len(self) and self.confidence_measured:
            return float(self.confidence.mean())
        return float("nan") if self.readers_kept is None or not len(self) else self.readers_kept

    @property
    def ratio_fidelity(self) -> float:
        """The Spearman correlation of asked and measured ratio; NaN for under two rows."""
        return spearman(self.lam, self.lam_measured)

    @property
    def spare(self) -> int:
        """How many sentences are neither rows nor rejected: surer ones, or enough, were there."""
        return self.n_written - len(self) - len(self.rejected)

    @property
    def check_counts(self) -> dict[str, int]:
        """How many rows were kept, kept though the judge differs, relabeled, rejected."""
        heads = Counter(
            "kept, though the judge differs" if one.startswith("kept,") else one.partition(":")[0]
            for one in self.check
        )
        dropped = len(self.rejected) - self.unwanted
        return dict(heads) | ({"rejected": dropped} if dropped else {})

    @property
    def worth_known_from(self) -> str:
        """Return in words what :attr:`worth_keeping` is known from."""
        unread = "nobody has read these"
        kept = "" if self.readers_kept is None else share(self.readers_kept, 0)
        if self.confidence_measured:
            said = (
                "estimated from closeness, likelihood, label check, length and repetition, as "
                "language models graded such rows blind"
            )
            surest = f"; of this writer's surer rows of other texts they kept {kept}"
            return f"{said}{surest if kept else ''}; {unread}"
        if kept:
            return f"so many of this writer's rows of other texts language models kept; {unread}"
        return "nobody has graded rows that were written in this way"

    @property
    def copies(self) -> int:
        """How many sentences equal a parent, case and white space apart."""
        ends = [text_key(text) for text in self.source]
        rows = zip(self.texts, self.left.tolist(), self.right.tolist(), strict=True)
        return sum(text_key(text) in (ends[left], ends[right]) for text, left, right in rows)

    @property
    def repeats(self) -> int:
        """How many sentences were made before, case and white space apart."""
        return len(self) - len({text_key(text) for text in self.texts})

    @property
    def negation_flips(self) -> list[int]:
        """Which rows are negated where neither parent is, or not where both are, in English."""
        ends = [is_negated(text) for text in self.source]
        rows = zip(self.texts, self.left.tolist(), self.right.tolist(), strict=True)
        return [
            at
            for at, (text, left, right) in enumerate(rows)
            if ends[left] == ends[right] != is_negated(text)
        ]

    def columns(self) -> dict[str, Any]:
        """Return the rows as columns, for a table of any kind.

        Returns
        -------
        dict of str to list
            ``text``, ``label``, ``weight_<class>`` for each class, the figures of a row by their
            names here, ``left``, ``right`` (row numbers), ``left_text`` and ``right_text``.
        """
        columns = [
            list(self.texts),
            self.labels.tolist(),
            *self.label_weights.T.tolist(),
            *(getattr(self, name).tolist() for name in _FIGURES),
            [self.source[at] for at in self.left.tolist()],
            [self.source[at] for at in self.right.tolist()],
            list(self.check),
            self.check_score.tolist(),
            self.confidence.tolist(),
        ]
        return dict(zip(column_names(self.classes.tolist()), columns, strict=True))

    _columns = columns

    def summary(self) -> str:
        """Return what was made, in a few lines."""
        written, check = self.n_written, f"label check {self.label_check!r}"
        if not len(self):
            return f"0 sentences ({written} written, {check})."
        counts = ", ".join(f"{name} {count}" for name, count in self.check_counts.items())
        more = {
            "did not pass the label check": len(self.rejected) - self.unwanted,
            f"were {UNWANTED}": self.unwanted,
            SPARE: self.spare,
        }
        said = f"{len(self)} sentences of {written} written"
        listed = ", ".join(f"{count} {words}" for words, count in more.items() if count)
        said += f"; {listed}" if listed else ""
        names, tally = np.unique(self.labels, return_counts=True)
        shares = ", ".join(f"{name} {n}" for name, n in zip(names.tolist(), tally, strict=True))
        return (
            f"{said}.\n"
            f"{check.capitalize()}: {counts}.\n"
            f"{said_of_worth(self.worth_keeping, self.worth_known_from)}\n"
            f"Closeness to the mixed embedding: mean {self.closeness.mean():.3f}.\n"
            f"Asked and measured ratio: Spearman {self.ratio_fidelity:.3f}.\n"
            f"Equal to a parent: {self.copies}; repeats of another sentence: {self.repeats}; "
            f"negated unlike both parents: {len(self.negation_flips)}.\n"
            f"Labels: {shares}."
        )

    def __repr__(self) -> str:
        return (
            f"Augmented({len(self)} sentences of {self.n_written} written, "
            f"label_check={self.label_check!r})"
        )

    def to_review(
        self, path: str | PathLike[str], columns: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        """Write a page on which every row is read and accepted, rejected, edited or relabeled.

        Decisions stay in the browser; the page exports the rows that are kept as CSV, JSON lines,
        and for Argilla and Label Studio.

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all.
        columns : mapping of str to sequence, optional
            More columns of the rows, exported beside those of :meth:`columns`.

        Raises
        ------
        ImportError
            If Jinja2 is not installed.
        ValueError
            If a column is not as long as there are rows.
        OSError
            If the file cannot be written.
        """
        from vicinal.text.augment.review import review_page

        write_page(review_page(self, columns or {}), path)

    def _page(self) -> Page:
        from vicinal.text.augment.page import augmented_page

        return augmented_page(self)
