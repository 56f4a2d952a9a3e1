"""What a sentence is by a second look, and whether that agrees with its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count, check_number

__all__ = [
    "AGREES",
    "CONTRADICTS",
    "DOUBTS",
    "GUARDS",
    "KEEP",
    "NEITHER",
    "Model",
    "ModelCheck",
    "NeighborCheck",
    "Recheck",
    "Shortlist",
    "check_keep",
    "compare",
    "joined_classes",
    "preference",
    "say",
    "trust",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: What can be done about sentences that are not what their label says.
GUARDS = ("filter", "relabel", "within-class", "none")
#: Share of a class's sentences that "filter" keeps at most, where nothing else is said.
KEEP = 0.7
#: Findings of a comparison, and of :class:`Shortlist`.
AGREES, NEITHER, CONTRADICTS, DOUBTS = 0, 1, 2, 3
#: Similarities in memory at once (32 MB).
BLOCK_SIMILARITIES = 1 << 22
#: By how much less the last neighbor counts than the first, so that the nearer decide ties.
RANK_DISCOUNT = 0.02


class Model(Protocol):
    """A classifier of texts, trained."""

    classes_: Any

    def predict_proba(self, texts: Sequence[str], /) -> Any:
        """Return class probabilities of shape (n, n_classes)."""


class Recheck(Protocol):
    """A second look at sentences."""

    said_by: str

    def __call__(
        self, sentences: Sequence[str], embeddings: Any, parents: IntArray | None
    ) -> FloatArray:
        """Return class probabilities, shape (n, n_classes)."""


def joined_classes(classes: npt.NDArray[Any], known: Any) -> npt.NDArray[Any]:
    """Return the classes of labels and of a model together, of the labels' type."""
    more = np.array(np.asarray(known).tolist())
    if classes.dtype.kind in "iub" and more.dtype.kind in "iub":
        return np.union1d(classes, more).astype(classes.dtype)
    return np.union1d(classes, more)


class NeighborCheck:
    """Labels of the nearest real texts.

    Parameters
    ----------
    embeddings : ndarray of shape (n_texts, d)
        Of real texts; neighbors are those of the highest cosine.
    codes : ndarray of int, shape (n_texts,)
        Their class numbers.
    n_classes : int
        Number of classes.
    k : int
        Neighbors that vote; as many as there are where there are fewer.
    """

    said_by = "the nearest real texts say"

    def __init__(self, embeddings: Any, codes: IntArray, n_classes: int, k: int) -> None:
        self._real = _units(embeddings)
        self._votes = np.eye(n_classes)[codes]
        self._k = check_count("neighbors", k)

    def __call__(
        self, sentences: Sequence[str], embeddings: Any, parents: IntArray | None
    ) -> FloatArray:
        """Return the share of votes, rows numbered in ``parents`` (-1: none) left out.

        A parent is next to what was made of it, and would vote for its own label.
        """
        found = _units(embeddings)
        out = np.empty((len(found), self._votes.shape[1]))
        wide = max(len(self._real), self._k * self._votes.shape[1], 1)
        step = max(1, BLOCK_SIMILARITIES // wide)
        for start in range(0, len(found), step):
            rows = slice(start, start + step)
            similar = found[rows] @ self._real.T
            if parents is not None:
                at, column = np.nonzero(parents[rows] >= 0)
                similar[at, parents[rows][at, column]] = -np.inf
            out[rows] = self._vote(similar)
        return out

    def _vote(self, similar: npt.NDArray[Any]) -> FloatArray:
        k = min(self._k, similar.shape[1])
        near = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(similar, near, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)
        counted = np.isfinite(np.take_along_axis(value, order, axis=1))
        weight = np.linspace(1.0, 1.0 - RANK_DISCOUNT, k) * counted
        votes = np.einsum("nk,nkc->nc", weight, self._votes[near])
        total = votes.sum(axis=1, keepdims=True)
        # nobody is left to ask where the only other texts are the parents
        even = np.full_like(votes, 1 / votes.shape[1])
        found: FloatArray = np.divide(votes, total, out=even, where=total > 0)
        return found


class ModelCheck:
    """Class probabilities of a trained model.

    Parameters
    ----------
    model : object
        With ``classes_`` and ``predict_proba(texts)``. Where it also has
        ``predict_proba_embeddings`` and ``embeds`` is set, sentences are not embedded again.
    classes : ndarray of shape (n_classes,)
        Classes in the order of the columns wanted; the model must know them all.
    embeds : bool, default False
        Whether the embeddings are the model's own.

    Raises
    ------
    ValueError
        If the model does not know a class.
    """

    said_by = "the task model says"

    def __init__(self, model: Model, classes: npt.NDArray[Any], embeds: bool = False) -> None:
        self._model = model
        known = {_plain(one): at for at, one in enumerate(np.asarray(model.classes_))}
        unknown = [one for one in map(_plain, classes) if one not in known]
        if unknown:
            raise ValueError(
                f"labels hold {unknown[0]!r}, which the model that re-checks does not know "
                f"(it knows {', '.join(map(repr, list(known)[:10]))}). Train it on these labels."
            )
        self._columns = [known[_plain(one)] for one in classes]
        self._embeds = embeds and hasattr(model, "predict_proba_embeddings")

    def __call__(
        self, sentences: Sequence[str], embeddings: Any, parents: IntArray | None
    ) -> FloatArray:
        """Return class probabilities of the sentences."""
        model: Any = self._model
        found = (
            model.predict_proba_embeddings(embeddings)
            if self._embeds
            else model.predict_proba(list(sentences))
        )
        return np.asarray(found, float)[:, self._columns]


def preference(
    probabilities: FloatArray, weights: FloatArray, label_threshold: float
) -> FloatArray:
    """Return by how much a re-check prefers what a sentence may be to what it may not.

    Parameters
    ----------
    probabilities : ndarray of shape (n, ..., n_classes)
        What the re-check says, of one sentence for each label or of several.
    weights : ndarray of shape (n, n_classes)
        Labels.
    label_threshold : float
        From this label weight on a sentence has to be of that class; below, it may be of any class
        that has weight.

    Returns
    -------
    ndarray of shape (n, ...)
        ``p / (p + q)`` of the likeliest class that it may be, and the likeliest that it may not.
        Above a half :func:`compare` agrees. It does not depend on how many classes there are.
    """
    may = weights > 0
    heavy = weights.max(axis=1) >= label_threshold - 1e-12
    may[heavy] = np.eye(weights.shape[1], dtype=bool)[weights[heavy].argmax(axis=1)]
    may = may.reshape(len(may), *([1] * (probabilities.ndim - 2)), -1)
    for_it = np.where(may, probabilities, 0.0).max(axis=-1)
    against = np.where(may, 0.0, probabilities).max(axis=-1)
    both = for_it + against
    return np.asarray(np.divide(for_it, both, out=np.full_like(both, 0.5), where=both > 0))


def compare(probabilities: FloatArray, weights: FloatArray, label_threshold: float) -> IntArray:
    """Compare what a re-check says with the labels.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
        What the re-check says.
    weights : ndarray of shape (n, n_classes)
        Labels; of a mixed one only the parents' classes have weight.
    label_threshold : float
        From this label weight on a sentence has to be of that class.

    Returns
    -------
    ndarray of int, shape (n,)
        ``NEITHER`` where the likeliest class has no weight, that is, neither parent is of it;
        ``CONTRADICTS`` where the label is label_threshold and it is the lighter class; ``AGREES``
        elsewhere.
    """
    top = probabilities.argmax(axis=1)
    heaviest = weights.argmax(axis=1)
    found = np.full(len(top), AGREES)
    found[(weights.max(axis=1) >= label_threshold - 1e-12) & (top != heaviest)] = CONTRADICTS
    found[weights[np.arange(len(top)), top] <= 0] = NEITHER
    return found


def check_keep(keep: float, guard: str) -> float:
    """Return the share that a guard keeps at most; refuse one that it would not heed.

    Parameters
    ----------
    keep : float
        Share.
    guard : str
        One of :data:`GUARDS`.

    Raises
    ------
    ValueError, TypeError
        If it is no share, or is another than :data:`KEEP` and the guard is not "filter".
    """
    share = check_number("keep", keep, low=0, high=1, open_low=True)
    if guard != "filter" and share != KEEP:
        raise ValueError(
            f"keep={keep!r} goes with the guard 'filter', and guard is {guard!r}. Leave it out."
        )
    return share


class Shortlist:
    """Of the sentences of each class, those that a re-check prefers most.

    Class by class, for a re-check is surer of some classes than of others, and one limit for all
    would starve the rest.

    Parameters
    ----------
    keep : float
        Share of the sentences of a class that stays.
    n_classes : int
        Number of classes.
    """

    def __init__(self, keep: float, n_classes: int) -> None:
        self.keep = keep
        self._seen: list[list[float]] = [[] for _ in range(n_classes)]

    def doubts(self, prefers: FloatArray, weights: FloatArray) -> npt.NDArray[np.bool_]:
        """Return which sentences are not among them.

        Parameters
        ----------
        prefers : ndarray of shape (n,)
            Of :func:`preference`.
        weights : ndarray of shape (n, n_classes)
            Labels; the heaviest class counts.

        Returns
        -------
        ndarray of bool, shape (n,)
            Held against all that were seen so far, these among them.
        """
        heaviest = weights.argmax(axis=1)
        found = np.zeros(len(prefers), bool)
        for code in np.unique(heaviest).tolist():
            rows = np.flatnonzero(heaviest == code)
            seen = self._seen[code]
            seen += prefers[rows].tolist()
            found[rows] = prefers[rows] < np.quantile(seen, 1 - self.keep)
        return found


def say(
    finding: int, probabilities: FloatArray, weights: FloatArray, classes: Any, said_by: str
) -> str:
    """Return why a sentence is not what its label says, in words."""
    top, heavy = int(probabilities.argmax()), int(weights.argmax())
    claim = f"{said_by} {_plain(classes[top])!r} ({probabilities[top]:.0%})"
    if finding == DOUBTS:
        return f"{claim}, less surely than of others with such a label"
    if finding == NEITHER:
        named = [repr(_plain(classes[at])) for at in np.flatnonzero(weights > 0)]
        return f"{claim}, its label {' and '.join(named)}"
    return f"{claim}, but {_plain(classes[heavy])!r} has weight {weights[heavy]:.2f}"


def trust(
    closeness: FloatArray,
    lam: FloatArray,
    lam_measured: FloatArray,
    weights: FloatArray,
    probabilities: FloatArray,
) -> FloatArray:
    """Return how far a row is to be trusted, from 0 to 1.

    The geometric mean of three agreements, so that a row that fails in one of them is not saved
    by the others: closeness of the sentence to the mixed embedding; ``1 - |lam - lam_measured|``;
    and how much of the mixed label the re-check shares, ``sum(min(label, re-check))``. Each is
    cut to [0, 1].
    """
    ratio = 1 - np.nan_to_num(np.abs(lam - lam_measured), nan=0.0)
    shared = np.minimum(weights, probabilities).sum(axis=1)
    product = closeness.clip(0, 1) * ratio.clip(0, 1) * shared.clip(0, 1)
    return np.asarray(np.cbrt(product), float)


def _units(embeddings: Any) -> npt.NDArray[np.float32]:
    rows = np.asarray(embeddings, np.float32)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    out = np.zeros_like(rows)
    np.divide(rows, length, out=out, where=length > 0)
    return out


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
