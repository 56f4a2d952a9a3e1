"""What a sentence is to a judge, and whether that agrees with its label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from vicinal._checks import check_choice, check_count, check_number
from vicinal._types import Array, Bools, Floats, Floats32, Ints

#: What can be done about sentences that are not what their label says.
METHODS = ("filter", "relabel", "within-class", "none")
#: Judges that are built from the texts themselves.
JUDGES = ("all", "both", "neighbors")
#: Share of a class's sentences that "filter" keeps at most, where nothing else is said.
KEEP = 1.0
#: What is found of a sentence and its label; doubts, and objections by words, are of "filter".
AGREES, NEITHER, CONTRADICTS, DOUBTS, OBJECTS = 0, 1, 2, 3, 4
#: Similarities in memory at once (32 MB).
BLOCK_SIMILARITIES = 1 << 22
#: By how much less the last neighbor counts than the first, so that the nearer decide ties.
RANK_DISCOUNT = 0.02


class ClassifierLike(Protocol):
    """A trained classifier of texts."""

    classes_: Any

    def predict_proba(self, texts: Sequence[str], /) -> Any:
        """Return class probabilities of shape (n, n_classes)."""


class Judge(Protocol):
    """Says what sentences are, without knowing their labels."""

    said_by: str

    def __call__(self, sentences: Sequence[str], embeddings: Any, parents: Ints | None) -> Floats:
        """Return class probabilities (n, n_classes); ``parents`` (n, k; -1: none) have no say."""


@dataclass(frozen=True)
class LabelCheck:
    """How the labels of written sentences are checked, and what follows from it.

    A judge says what each sentence is. It contradicts a label where its likeliest class is that
    of neither parent (*manifold intrusion*), or where one class has a label weight of at least
    ``threshold`` and it is another. Every method reports what the judge says.

    Parameters
    ----------
    method : {"filter", "relabel", "within-class", "none"}, default "filter"
        "filter" takes the candidate that the judge prefers, as far as closeness and ratio allow,
        and drops sentences that the judge contradicts, or that exist with another label; others are
        written for them. "relabel" gives those that are contradicted
        the judge's probabilities as label weights. "within-class" pairs texts of one class only.
        "none" changes nothing.
    threshold : float, default 0.7
        Label weight from which on a sentence has to be of that class, above 0.5 and up to 1.
    keep : float, default 1.0
        For "filter": share of the sentences of each class that stays at most, those that the judge
        prefers most; above 0. Less drops some that the judge agrees with, too, and intrusion falls.
    judge : {"all", "both", "neighbors"} or classifier, default "all"
        The nearest real texts ("neighbors"); the mean of these and of a linear classifier of all
        real texts ("both"); these, and with "filter" a naive Bayes classifier of words, which may
        only object ("all"); or a trained classifier with ``classes_`` and ``predict_proba(texts)``.
        Embeddings are judged as if the parents of the sentence were not there; a classifier that
        learned from the parents contradicts too seldom.
    neighbors : int, optional
        Real texts that vote; up to ten, half the mean size of a class, where left out.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range, or ``keep`` is given for another method than "filter".

    Examples
    --------
    >>> LabelCheck("filter", keep=0.5).keep
    0.5
    """

    method: str = "filter"
    threshold: float = 0.7
    keep: float = KEEP
    judge: ClassifierLike | str = "all"
    neighbors: int | None = None

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        check_number("threshold", self.threshold, low=0.5, high=1, open_low=True)
        check_number("keep", self.keep, low=0, high=1, open_low=True)
        if self.method != "filter" and self.keep != KEEP:
            raise ValueError(
                f"keep={self.keep!r} goes with the label check 'filter', got {self.method!r}. "
                "Leave it out."
            )
        if isinstance(self.judge, str):
            check_choice("judge", self.judge, JUDGES)
        elif not (hasattr(self.judge, "predict_proba") and hasattr(self.judge, "classes_")):
            raise TypeError(
                "judge must be 'all', 'both', 'neighbors' or a trained classifier with classes_ "
                f"and predict_proba(texts), got {self.judge!r}."
            )
        if self.neighbors is not None:
            check_count("neighbors", self.neighbors)


def as_label_check(label_check: LabelCheck | str) -> LabelCheck:
    """Return a configuration; a string is its method."""
    if isinstance(label_check, LabelCheck):
        return label_check
    return LabelCheck(check_choice("label_check", label_check, METHODS))


def default_neighbors(n_texts: int, n_classes: int) -> int:
    """Return how many neighbors vote: half the mean size of a class, from 1 to 10."""
    return max(1, min(10, n_texts // (2 * n_classes)))


def joined_classes(classes: Array, known: Any) -> Array:
    """Return the classes of labels and of a model together, of the labels' type."""
    more = np.array(np.asarray(known).tolist())
    joined = np.union1d(classes, more)
    whole = classes.dtype.kind in "iub" and more.dtype.kind in "iub"
    return joined.astype(classes.dtype) if whole else joined


class NeighborJudge:
    """Votes of the k real texts with the highest cosine."""

    said_by = "the nearest real texts say"

    def __init__(self, embeddings: Any, codes: Ints, n_classes: int, k: int) -> None:
        self._real = units(embeddings)
        self._votes = np.eye(n_classes)[codes]
        self._k = check_count("neighbors", k)

    def __call__(self, sentences: Sequence[str], embeddings: Any, parents: Ints | None) -> Floats:
        """Return shares of votes: a parent would vote for its own label."""
        out = np.empty((len(embeddings), self._votes.shape[1]))
        wide = self._k * self._votes.shape[1]
        for rows, similar in similarities(embeddings, self._real, parents, wide):
            out[rows] = self._vote(similar)
        return out

    def _vote(self, similar: Array) -> Floats:
        k = min(self._k, similar.shape[1])
        near = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(similar, near, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        counted = np.isfinite(np.take_along_axis(value, order, axis=1))
        weight = np.linspace(1.0, 1.0 - RANK_DISCOUNT, k) * counted
        votes = np.einsum("nk,nkc->nc", weight, self._votes[near])
        total = votes.sum(axis=1, keepdims=True)
        # no text is left to vote where the only other texts are the parents
        even = np.full_like(votes, 1 / votes.shape[1])
        found: Floats = np.divide(votes, total, out=even, where=total > 0)
        return found


class ModelJudge:
    """Class probabilities of a trained model, which may take embeddings if it ``embeds``."""

    said_by = "the given classifier says"

    def __init__(self, model: ClassifierLike, classes: Array, embeds: bool = False) -> None:
        self._model: Any = model
        known = {one: at for at, one in enumerate(np.asarray(model.classes_).tolist())}
        unknown = [one for one in classes.tolist() if one not in known]
        if unknown:
            raise ValueError(
                f"labels hold {unknown[0]!r}, which the judge does not know (it knows "
                f"{', '.join(map(repr, list(known)[:10]))}). Train it on these labels."
            )
        self._columns = [known[one] for one in classes.tolist()]
        self._embeds = embeds and hasattr(model, "predict_proba_embeddings")

    def __call__(self, sentences: Sequence[str], embeddings: Any, parents: Ints | None) -> Floats:
        """Return class probabilities of the sentences."""
        if self._embeds:
            found = self._model.predict_proba_embeddings(embeddings)
        else:
            found = self._model.predict_proba(list(sentences))
        return np.asarray(found, float)[:, self._columns]


def preference(probabilities: Floats, weights: Floats, threshold: float) -> Floats:
    """Return by how much a judge prefers what a sentence may be to what it may not."""
    # p / (p + q) of the likeliest class of each kind; above a half compare() agrees
    heavy = weights >= threshold - 1e-12
    may = np.where(heavy.any(axis=1, keepdims=True), heavy, weights > 0)
    may = may.reshape(len(may), *([1] * (probabilities.ndim - 2)), -1)
    for_it = np.where(may, probabilities, 0.0).max(axis=-1)
    against = np.where(may, 0.0, probabilities).max(axis=-1)
    both = for_it + against
    return np.asarray(np.divide(for_it, both, out=np.full_like(both, 0.5), where=both > 0))


def objects(probabilities: Floats, weights: Floats, threshold: float) -> Bools:
    """Tell which sentences a judge takes rather for what they may not be; a tie is no objection."""
    return np.asarray(preference(probabilities, weights, threshold) < 0.5 - 1e-9)


def compare(probabilities: Floats, weights: Floats, threshold: float) -> Ints:
    """Compare what a judge says (n, n_classes) with label weights (n, n_classes).

    ``NEITHER`` where the likeliest class has no weight, ``CONTRADICTS`` where another class has
    at least the threshold, ``AGREES`` elsewhere.
    """
    top = np.take_along_axis(weights, probabilities.argmax(axis=1)[:, None], 1)[:, 0]
    heavy = weights >= threshold - 1e-12
    found = np.full(len(top), AGREES)
    found[heavy.any(axis=1) & (top < threshold - 1e-12)] = CONTRADICTS
    found[top <= 0] = NEITHER
    return found


def reason(finding: int, said: Floats, weights: Floats, classes: list[Any], said_by: str) -> str:
    """Return why a sentence is not what its label says, in words."""
    top, heavy = int(said.argmax()), int(weights.argmax())
    claim = f"{said_by} {classes[top]!r} ({said[top]:.0%})"
    if finding == DOUBTS:
        return f"{claim}, less surely than of others with such a label"
    if finding == NEITHER:
        named = " and ".join(repr(classes[at]) for at in np.flatnonzero(weights > 0))
        return f"{claim}, its label {named}"
    return f"{claim}, but {classes[heavy]!r} has weight {weights[heavy]:.2f}"


def similarities(
    embeddings: Any, real: Any, parents: Ints | None, wide: int = 1
) -> Iterator[tuple[slice, Floats32]]:
    """Yield cosines of embeddings and real texts, block by block; -inf for ``parents`` (n, k)."""
    found, against = units(embeddings), units(real)
    step = max(1, BLOCK_SIMILARITIES // max(len(against), wide, 1))
    for start in range(0, len(found), step):
        rows = slice(start, start + step)
        similar = found[rows] @ against.T
        if parents is not None:
            at, column = np.nonzero(parents[rows] >= 0)
            similar[at, parents[rows][at, column]] = -np.inf
        yield rows, similar


def units(embeddings: Any) -> Floats32:
    """Return embeddings of length 1; those of length 0 stay."""
    rows = np.asarray(embeddings, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1), np.float32)
