"""How often a sentence that was made is not what its label says."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from os import PathLike
from typing import Any

import numpy as np

from vicinal._checks import check_count, check_number
from vicinal._stats import Z95, Estimate
from vicinal._types import Array, Bools, Floats, Ints
from vicinal.page.result import Result
from vicinal.text.augment import label_check as checks
from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.pairs import first_rows, text_key
from vicinal.text.augment.selection import InverterLike, as_inverter
from vicinal.text.encoder import check_texts
from vicinal.text.labels import as_labels

#: Edges of the heavier parent's weight, 0.5 to 1.
WEIGHT_EDGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval.

    Attributes
    ----------
    count, total : int
        How many of how many.
    """

    count: int
    total: int

    @property
    def share(self) -> float:
        """``count / total``; NaN of nothing."""
        return self.count / self.total if self.total else nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval by Wilson, as if rows were independent (they share parents)."""
        found = Estimate.of_share(self.count, self.total)
        return (found.low, found.high) if self.total else (0.0, 1.0)

    def __str__(self) -> str:
        low, high = self.interval
        shown = f"{100 * self.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        return shown if self.total else "none"


@dataclass(frozen=True)
class IntrusionBin:
    """Intrusion among the rows between two edges: of sentences, mixed embeddings and parents."""

    low: float
    high: float
    sentences: Rate
    embeddings: Rate | None
    base: Rate


@dataclass(frozen=True, eq=False)
class Intrusion(Result):
    """How often sentences are not what their labels say, beside how often the judge errs anyhow.

    A row intrudes if the judge's likeliest class has no weight in its label, which is that of
    neither parent, or if one class has a weight of at least ``label_threshold`` and it is another.
    Between two classes of two the first cannot be: cross-class rows can only contradict their
    ratio. Intrusion is about labels, not language.

    Attributes
    ----------
    rate, neither : Rate
        Rows that intrude, and rows judged to be of neither parent's class.
    neither_across, neither_within : Rate
        Of neither, among rows whose parents are of two classes, and of one.
    contradicted : Rate
        Rows across classes that are judged to be of the lighter parent's class, of those where one
        class has at least the label threshold.
    base, base_neither, base_contradicted : Rate
        Rows that would intrude had the heavier parent, a real sentence, stood in place of the
        sentence: what the judge gets wrong anyhow.
    embeddings : Rate or None
        Rows whose mixed embedding, before it was written out, already intrudes: what mixing does,
        without the inverter. None where the judge takes sentences only.
    excess : tuple of float
        ``rate - base``, and half of its 95 % interval from the paired differences.
    by_weight, by_distance : tuple of IntrusionBin
        Against the heavier parent's weight, and the parents' distance in quantiles.
    intruded : ndarray of bool, shape (n,)
        Which rows intrude.
    judged : ndarray of shape (n,)
        The judge's likeliest class of each row.
    n_classes, judge : int, str
        Number of classes, and who judged.
    """

    rate: Rate
    neither: Rate
    neither_across: Rate
    neither_within: Rate
    contradicted: Rate
    base: Rate
    base_neither: Rate
    base_contradicted: Rate
    embeddings: Rate | None
    excess: tuple[float, float]
    by_weight: tuple[IntrusionBin, ...]
    by_distance: tuple[IntrusionBin, ...]
    intruded: Bools
    judged: Array
    n_classes: int
    judge: str

    def summary(self) -> str:
        """Return the figures in a few lines."""
        half = "" if isnan(self.excess[1]) else f" ± {100 * self.excess[1]:.1f}"
        lines = [
            f"Intrusion, judged by {self.judge}: {self.rate} of {self.rate.total} rows.",
            f"The heavier parents themselves: {self.base}; more than they: "
            f"{100 * self.excess[0]:+.1f}{half} points.",
            f"Of neither parent's class: {self.neither} (across classes {self.neither_across}, "
            f"within {self.neither_within}).",
            f"Of the lighter parent's class, though the other has at least the label threshold: "
            f"{self.contradicted} (parents {self.base_contradicted}).",
            "This is about labels, not language: it does not tell good English from bad.",
        ]
        if self.embeddings is not None:
            lines.insert(2, f"Mixed embeddings before they are written out: {self.embeddings}.")
        if self.n_classes == 2:
            lines.append(
                "With two classes, rows across classes are always of a parent's class: they can "
                "only contradict their ratio."
            )
        return "\n".join(lines)


def measure_intrusion(
    augmented: Augmented,
    texts: Sequence[str] | None = None,
    labels: Iterable[Any] | None = None,
    *,
    inverter: InverterLike | str | PathLike[str] | None = None,
    judge: checks.ClassifierLike | None = None,
    neighbors: int | None = None,
    label_threshold: float = 0.7,
    quantiles: int = 4,
) -> Intrusion:
    """Measure how often sentences that were made are not what their labels say.

    Judge by texts that the label check has never seen: it is blind to what it lets pass.

    Parameters
    ----------
    augmented : Augmented
        The rows; made with ``label_check="none"`` they show intrusion as it is.
    texts : sequence of str, optional
        Real texts whose nearest judge; those that the rows were made from where left out. A row's
        own parents, and texts equal to them, do not judge it.
    labels : sequence, optional
        Labels of these texts.
    inverter : Inverter, TaskInverter, str or path, optional
        Whose embeddings the nearest real texts are sought in.
    judge : object, optional
        A trained classifier with ``classes_`` and ``predict_proba(texts)`` in place of neighbors.
        With ``predict_proba_embeddings`` it judges mixed embeddings too.
    neighbors : int, optional
        Real texts that vote; up to ten, half the mean size of a class, where left out.
    label_threshold : float, default 0.7
        Label weight from which on a row has to be of that class, above 0.5 and up to 1.
    quantiles : int, default 4
        Bins of the parents' distance.

    Returns
    -------
    Intrusion
        Shares with intervals, beside those of real sentences judged alike. Sentences are held
        against their labels, which a label check may have changed; parents and mixed embeddings
        against the mixed ones.

    Raises
    ------
    ValueError
        If there are no rows, texts come without labels, or a class has no texts to judge by.

    References
    ----------
    Guo, Mao and Zhang, "MixUp as Locally Linear Out-of-Manifold Regularization", AAAI 2019.
    Kong et al., "inversedMixup", 2026.

    Examples
    --------
    >>> made = augment(texts, labels, label_check="none")  # doctest: +SKIP
    >>> print(measure_intrusion(made, other_texts, other_labels))  # doctest: +SKIP
    """
    from vicinal.plan import MixPlan

    check_number("label_threshold", label_threshold, low=0.5, high=1, open_low=True)
    check_count("quantiles", quantiles)
    if not len(augmented):
        raise ValueError("augmented has no rows, so there is nothing to judge. Make some first.")
    if augmented.label_separator is not None:
        raise ValueError(
            "augmented has texts of several labels each, and intrusion is of single classes. "
            "Measure it on rows made without label_separator."
        )
    if (texts is None) != (labels is None):
        raise ValueError("Give texts and labels together, or neither.")
    inverter = as_inverter(inverter)
    lam, distance = augmented.lam[:, None], augmented.distance
    used, place = np.unique([augmented.left, augmented.right], return_inverse=True)
    points = np.asarray(inverter.encode([augmented.source[at] for at in used]))
    left, right = points[place.reshape(2, -1)]  # (n, d)
    own: Ints | None = None
    takes_embeddings = judge is None or hasattr(judge, "predict_proba_embeddings")
    if judge is not None:
        classes = checks.joined_classes(augmented.classes, judge.classes_)
        asked: checks.Judge = checks.ModelJudge(judge, classes, embeds=takes_embeddings)
        name = "a classifier"
    else:
        asked, classes, own, k = _neighbors(inverter, augmented, texts, labels, neighbors)
        name = f"the {k} nearest real texts"

    codes = np.searchsorted(classes, augmented.source_labels)
    plan = MixPlan(augmented.left, augmented.right, augmented.lam)
    mixed_labels = plan.mix_labels(codes, np.arange(len(classes)), clip=True)
    weights = np.zeros_like(mixed_labels)
    weights[:, np.searchsorted(classes, augmented.classes)] = augmented.label_weights
    heavier = np.where(augmented.lam >= 0.5, augmented.left, augmented.right)
    heavier_texts = [augmented.source[at] for at in heavier]

    said = asked(augmented.texts, np.asarray(inverter.encode(augmented.texts)), own)
    found = checks.compare(said, weights, label_threshold)
    # each heavier parent is judged without its partner, as the sentence is
    said_base = asked(heavier_texts, np.where(lam >= 0.5, left, right), own)
    base = checks.compare(said_base, mixed_labels, label_threshold)
    intruded, base_intruded, mixed = found != checks.AGREES, base != checks.AGREES, None
    if takes_embeddings:
        said_mixed = asked([], lam * left + (1 - lam) * right, own)
        mixed = checks.compare(said_mixed, mixed_labels, label_threshold) != checks.AGREES
    hits = intruded, mixed, base_intruded
    across = codes[augmented.left] != codes[augmented.right]
    tilted = across & (mixed_labels.max(axis=1) >= label_threshold - 1e-12)
    difference = intruded.astype(float) - base_intruded
    half = Z95 * difference.std(ddof=1) / sqrt(len(difference)) if len(difference) > 1 else nan
    heaviest = np.maximum(augmented.lam, 1 - augmented.lam).clip(0.5, 1.0)
    edges = np.unique(np.quantile(distance, np.linspace(0, 1, quantiles + 1)))
    return Intrusion(
        rate=_rate(intruded),
        neither=_rate(found == checks.NEITHER),
        neither_across=_rate(found[across] == checks.NEITHER),
        neither_within=_rate(found[~across] == checks.NEITHER),
        contradicted=_rate(found[tilted] == checks.CONTRADICTS),
        base=_rate(base_intruded),
        base_neither=_rate(base == checks.NEITHER),
        base_contradicted=_rate(base[tilted] == checks.CONTRADICTS),
        embeddings=None if mixed is None else _rate(mixed),
        excess=(float(difference.mean()), float(half)),
        by_weight=_bins(hits, heaviest, np.array(WEIGHT_EDGES)),
        by_distance=_bins(hits, distance, edges),
        intruded=intruded,
        judged=classes[said.argmax(axis=1)],
        n_classes=len(classes),
        judge=name,
    )


def _rate(hits: Bools) -> Rate:
    return Rate(int(hits.sum()), len(hits))


def _bins(
    hits: tuple[Bools, Bools | None, Bools], values: Floats, edges: Floats
) -> tuple[IntrusionBin, ...]:
    """Return rates of rows (n,) between edges, the last of which is within."""
    which, (sentences, mixed, base) = np.searchsorted(edges[1:-1], values, side="right"), hits
    return tuple(
        IntrusionBin(
            float(low),
            float(high),
            _rate(sentences[which == at]),
            None if mixed is None else _rate(mixed[which == at]),
            _rate(base[which == at]),
        )
        for at, (low, high) in enumerate(itertools.pairwise(edges))
    )


def _neighbors(
    inverter: InverterLike,
    augmented: Augmented,
    texts: Sequence[str] | None,
    labels: Iterable[Any] | None,
    neighbors: int | None,
) -> tuple[checks.NeighborJudge, Array, Ints, int]:
    """Return a judge of distinct real texts, its classes, each row's parents in it, and its k."""
    listed = augmented.source if texts is None else check_texts(texts)
    given = augmented.source_labels if labels is None else as_labels(labels, len(listed))
    first = first_rows(map(text_key, listed))
    first.pop("", None)
    if not first:
        raise ValueError("texts hold nothing to judge by. Give real texts with their labels.")
    kept = list(first.values())
    given = given[kept]
    classes = np.union1d(augmented.classes, given)
    missing = np.setdiff1d(augmented.source_labels, given)
    if len(missing):
        raise ValueError(
            f"labels hold no text of class {missing.tolist()[0]!r}, so nothing could be judged "
            "to be of it. Give texts of all classes."
        )
    real = np.asarray(inverter.encode([listed[at] for at in kept]))
    k = neighbors or checks.default_neighbors(len(given), len(classes))
    judge = checks.NeighborJudge(real, np.searchsorted(classes, given), len(classes), k)
    row_of = {key: at for at, key in enumerate(first)}
    place = np.array([row_of.get(text_key(one), -1) for one in augmented.source], np.int64)
    # a parent would vote for its own label
    return judge, classes, np.stack([place[augmented.left], place[augmented.right]], axis=1), k
