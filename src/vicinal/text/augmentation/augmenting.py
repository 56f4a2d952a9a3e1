"""Stage 3: mixed embeddings, written out as labelled sentences, with a guard."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import RandomState, Seeds
from vicinal.text.augmentation import guard as guards
from vicinal.text.augmentation.augmented import Augmented
from vicinal.text.augmentation.parents import Parents, as_labels, gather_parents
from vicinal.text.augmentation.ratio import coincide
from vicinal.text.augmentation.showing import counting
from vicinal.text.augmentation.writing import RANKS, Inverts, Written, write_sentences
from vicinal.text.encoder import check_texts

if TYPE_CHECKING:
    from vicinal.pairing import Pairing
    from vicinal.plan import MixPlan
    from vicinal.weights import WeightLaw

__all__ = ["augment", "draw_plan", "neighbours_for"]

#: Sentences written at once: a batch of a decoder, times the candidates.
BATCH = 256
#: Fresh plans without a single usable pair, after which there is none to be had.
EMPTY_PLANS = 3
#: First words of the seeds of plans and of candidates.
_PLANS, _CANDIDATES = 1, 2


def augment(
    inverter: Inverts,
    texts: Sequence[str],
    labels: Iterable[Any],
    n: int,
    *,
    pairing: Pairing | None = None,
    weights: WeightLaw | None = None,
    guard: str = "filter",
    candidates: int = 4,
    rank: str = "both",
    lopsided: float = 0.7,
    neighbours: int | None = None,
    recheck: guards.Model | str | None = None,
    patience: float = 4.0,
    progress: bool | None = None,
    random_state: RandomState = None,
) -> Augmented:
    """Make labelled sentences between the sentences there are.

    Two texts are paired, their embeddings mixed at a ratio, the mixture is written out as a
    sentence, and the label is mixed by the same ratio. A sentence between two classes may turn
    out to be of a third, or of the wrong one of the two (*manifold intrusion*); the guard looks
    again.

    Parameters
    ----------
    inverter : Inverter or TaskInverter
        What embeds and writes. A :class:`vicinal.text.TaskInverter` also re-checks.
    texts : sequence of str
        Labelled texts. Of equal ones (case and white space apart) the first stands for all; empty
        ones, and those under two labels, are left out with a warning.
    labels : sequence of str, int or bool
        Their classes; integers keep their type.
    n : int
        Sentences to make, 0 or more.
    pairing : Pairing, optional
        Who mixes with whom, by the inverter's embeddings; ``Farthest(0.2)`` where left out. No
        text is paired with itself.
    weights : WeightLaw, optional
        By how much, for two parents; ``Beta(1.0)`` where left out. A law that reaches beyond
        [0, 1], such as ``EpBeta``, mixes embeddings as it says; label weights are cut to [0, 1]
        and scaled to sum 1, with a warning.
    guard : {"filter", "relabel", "within-class", "none"}, default "filter"
        "filter" drops sentences that the re-check contradicts and writes others; "relabel" gives
        those the re-check's class probabilities as label weights; "within-class" pairs texts of
        one class only; "none" leaves all as they are. A re-check contradicts where its likeliest
        class is that of neither parent, or where the label is lopsided and it is not the heavier
        class. It is made, and told in the verdicts, under every guard.
    candidates : int, default 4
        Sentences written for each mixture, of which the best is taken.
    rank : {"both", "closeness", "ratio"}, default "both"
        What makes a candidate the best: closeness to the mixed embedding, agreement of the
        measured with the asked ratio, or both and a little of the decoder's likelihood.
    lopsided : float, default 0.7
        Label weight from which on a sentence has to be of that class, above 0.5 and up to 1.
    neighbours : int, optional
        Real texts that vote in a re-check by neighbours, the parents not among them; up to ten,
        half the mean size of a class, where left out.
    recheck : object or "neighbours", optional
        Who re-checks: a trained classifier with ``classes_`` and ``predict_proba(texts)``, or the
        nearest real texts. Left out, a task inverter does, and for any other the nearest real
        texts. A classifier that learnt from the parents finds their labels again in what is near
        them; neighbours, among which the parents do not count, contradict more often.
    patience : float, default 4.0
        At most so many times ``n`` sentences are written.
    progress : bool, optional
        Whether to show a bar; where standard error is a terminal if left out.
    random_state : int, numpy.random.Generator or None
        Seed. The same seed gives the same sentences.

    Returns
    -------
    Augmented
        Sentences, labels, and where each comes from.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not what it should be, or fewer than two texts can be parents.

    Warns
    -----
    UserWarning
        Where there are fewer rows than asked for, a single class, weights beyond [0, 1], or texts
        that are cut, left out, single words or foreign to the encoder.

    References
    ----------
    Kong et al., "inversedMixup", 2026.

    Examples
    --------
    >>> from vicinal.text import Inverter, augment  # doctest: +SKIP
    >>> nano = Inverter.from_pretrained("nano")  # doctest: +SKIP
    >>> made = augment(nano, texts, labels, n=500, random_state=0)  # doctest: +SKIP
    >>> made.columns()["text"][:2]  # doctest: +SKIP
    """
    from vicinal.pairing import Farthest, Pairing
    from vicinal.weights import Beta, WeightLaw

    n = check_count("n", n, low=0)
    check_choice("guard", guard, guards.GUARDS)
    check_choice("rank", rank, RANKS)
    check_count("candidates", candidates)
    check_number("lopsided", lopsided, low=0.5, high=1, open_low=True)
    check_number("patience", patience, low=1, hint="It is a multiple of n.")
    if neighbours is not None:
        check_count("neighbours", neighbours)
    pairing = Farthest(0.2) if pairing is None else pairing
    if not isinstance(pairing, Pairing):
        raise TypeError(f"pairing must be a Pairing such as Farthest(0.2), got {pairing!r}.")
    law = Beta(1.0) if weights is None else weights
    if not isinstance(law, WeightLaw):
        raise TypeError(f"weights must be a WeightLaw such as Beta(1.0), got {law!r}.")
    if law.parents != 2:
        raise ValueError(
            f"weights must be a law of two parents, got {law!r} of {law.parents}: a ratio between "
            "two sentences is what is asked for and measured."
        )
    seeds = Seeds(random_state)
    texts, labels = check_texts(texts), as_labels(labels)
    parents = gather_parents(inverter, texts, labels)
    if len(parents.classes) == 1:
        warnings.warn(
            f"labels name one class only, {parents.classes.tolist()[0]!r}: all rows are of it, "
            "and no guard can find a contradiction.",
            UserWarning,
            stacklevel=2,
        )
    check, parents = _recheck(inverter, recheck, parents, neighbours)
    pool, pairing = _pool(parents, pairing, guard)
    maker = _Maker(inverter, parents, check, guard, candidates, rank, lopsided, law)
    most = ceil(patience * n)
    with counting("Writing", n, progress) as tell:
        number = 0
        for plan in _plans(parents, pool, pairing, law, seeds, maker, n, most):
            for chunk in plan.chunks(BATCH):
                if maker.kept >= n:
                    break
                maker.make(chunk, seeds.generator(_CANDIDATES, number))
                number += 1
                tell(maker.kept)
    if maker.kept < n:
        _warn_short(maker, n, guard)
    if maker.clipped:
        warnings.warn(
            f"{maker.clipped} of {maker.made} weights lie beyond [0, 1], as {law!r} reaches: their "
            "label weights are cut to [0, 1]. The embeddings are mixed as drawn.",
            UserWarning,
            stacklevel=2,
        )
    return maker.result(n, texts, labels)


def draw_plan(
    parents: Parents,
    pool: npt.NDArray[np.int64],
    pairing: Pairing,
    law: WeightLaw,
    n_samples: int,
    random_state: RandomState,
) -> MixPlan:
    """Draw pairs of different points among the rows of a pool.

    Parameters
    ----------
    parents : Parents
        All that there are.
    pool : ndarray of int
        Which of them take part.
    pairing : Pairing
        Who mixes with whom in the pool.
    law : WeightLaw
        By how much.
    n_samples : int
        Pairs to draw; those of one point with itself are dropped.
    random_state : int, numpy.random.Generator or None
        Seed.

    Returns
    -------
    MixPlan
        Of at most ``n_samples`` rows, pointing to rows of ``parents``.
    """
    from vicinal.plan import MixPlan, make_plan

    found = parents.embeddings[pool]
    plan = make_plan(found, n_samples, pairing=pairing, weights=law, random_state=random_state)
    same = np.concatenate(
        [coincide(found[part.left], found[part.right]) for part in plan.chunks(4096)]
    )
    plan = plan[~same]
    return MixPlan(pool[plan.left], pool[plan.right], plan.lam)


def neighbours_for(n_texts: int, n_classes: int) -> int:
    """Return how many neighbours vote: half the mean size of a class, from 1 to 10."""
    return max(1, min(10, n_texts // (2 * n_classes)))


def _plans(
    parents: Parents,
    pool: npt.NDArray[np.int64],
    pairing: Pairing,
    law: WeightLaw,
    seeds: Seeds,
    maker: _Maker,
    n: int,
    most: int,
) -> Iterator[MixPlan]:
    """Yield plans until enough rows are kept, or as many were written as may be."""
    number = empty = 0
    while maker.kept < n and maker.made < most and empty < EMPTY_PLANS:
        share = maker.kept / maker.made if maker.made else 1.0
        missing = n - maker.kept
        wanted = missing if share == 1 else ceil(1.1 * missing / max(share, 1 / most))
        wanted = min(wanted, most - maker.made)
        plan = draw_plan(parents, pool, pairing, law, wanted, seeds.generator(_PLANS, number))
        number += 1
        empty = 0 if len(plan) else empty + 1
        yield plan


def _recheck(
    inverter: Inverts, recheck: guards.Model | str | None, parents: Parents, neighbours: int | None
) -> tuple[guards.Recheck, Parents]:
    """Return who re-checks, and the parents with its classes."""
    model: Any = None if recheck == "neighbours" else recheck
    if recheck is None and hasattr(inverter, "predict_proba"):
        model = inverter
    if model is None:
        k = neighbours or neighbours_for(len(parents), len(parents.classes))
        return (
            guards.NeighbourCheck(parents.embeddings, parents.codes, len(parents.classes), k),
            parents,
        )
    if not (hasattr(model, "predict_proba") and hasattr(model, "classes_")):
        raise TypeError(
            "recheck must be 'neighbours' or a trained classifier with classes_ and "
            f"predict_proba(texts), got {model!r}."
        )
    guards.ModelCheck(model, parents.classes)  # it has to know these, and may know more
    classes = guards.joined_classes(parents.classes, model.classes_)
    check = guards.ModelCheck(model, classes, embeds=model is inverter)
    codes = np.searchsorted(classes, parents.classes)[parents.codes]
    return check, replace(parents, classes=classes, codes=codes)


def _pool(parents: Parents, pairing: Pairing, guard: str) -> tuple[npt.NDArray[np.int64], Pairing]:
    """Return the rows that take part, and the pairing fitted to them."""
    pool = np.arange(len(parents))
    own: Any = pairing
    if guard != "within-class":
        if hasattr(own, "groups"):  # of all texts given; some were left out
            groups = np.asarray(own.groups)
            if groups.ndim != 1 or len(groups) <= parents.rows.max():
                raise ValueError(
                    "pairing: its groups must be one for each text, got shape "
                    f"{groups.shape}. Group the texts that you give."
                )
            own = replace(own, groups=groups[parents.rows])
        return pool, own
    from vicinal.pairing import WithinGroup

    if hasattr(own, "groups"):
        raise ValueError(
            f"guard='within-class' groups by class, and pairing={type(own).__name__}(...) brings "
            "groups of its own. Give its inner pairing, or guard='none'."
        )
    sizes = np.bincount(parents.codes, minlength=len(parents.classes))
    alone = [one for one, size in zip(parents.classes.tolist(), sizes, strict=True) if size == 1]
    pool = pool[sizes[parents.codes] > 1]
    if not len(pool):
        raise ValueError(
            "guard='within-class' needs a class with two different texts, and there is none. Use "
            "another guard."
        )
    if alone:
        warnings.warn(
            f"{len(alone)} class(es) have a single text, such as {alone[0]!r}, which has nobody "
            "to mix with in its class: nothing is made for them.",
            UserWarning,
            stacklevel=3,
        )
    return pool, WithinGroup(parents.codes[pool], own)


@dataclass(frozen=True)
class _Batch:
    """Rows that were made at once and kept."""

    written: Written
    plan: MixPlan
    weights: npt.NDArray[np.float64]
    distance: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]
    verdict: list[str]


class _Maker:
    """Writes rows of plans, looks at them again, and keeps what the guard lets pass."""

    def __init__(
        self,
        inverter: Inverts,
        parents: Parents,
        check: guards.Recheck,
        guard: str,
        candidates: int,
        rank: str,
        lopsided: float,
        law: WeightLaw,
    ) -> None:
        self.inverter, self.parents, self.check = inverter, parents, check
        self.guard, self.candidates, self.rank = guard, candidates, rank
        self.lopsided, self.law = lopsided, law
        self.kept = self.made = self.clipped = 0
        self.rejected: list[str] = []
        self.rejections: list[str] = []
        self._batches: list[_Batch] = []

    def make(self, plan: MixPlan, random_state: np.random.Generator) -> None:
        """Write the rows of a plan."""
        real, codes = self.parents.embeddings, self.parents.codes
        left, right = real[plan.left], real[plan.right]
        lam = np.asarray(plan.lam, float)
        written = write_sentences(
            self.inverter,
            plan.apply(real),
            left,
            right,
            lam,
            candidates=self.candidates,
            rank=self.rank,
            random_state=random_state,
        )
        self.made += len(plan)
        self.clipped += int(((lam < 0) | (lam > 1)).sum())
        weights = plan.mix_labels(codes, np.arange(len(self.parents.classes)), clip=True)
        found = self.check(written.sentences, written.embeddings, np.asarray(plan.parents))
        score = guards.trust(written.closeness, lam, written.lam_measured, weights, found)
        findings = guards.compare(found, weights, self.lopsided)
        verdicts, passed = [], np.ones(len(plan), bool)
        for at, finding in enumerate(findings):
            verdict, passed[at] = self._verdict(
                written.sentences[at], finding, found[at], weights[at]
            )
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
        heavy = shares.argmax(axis=1)
        # the left parent's class where two weigh the same
        codes = parents.codes[left]
        tied = shares[np.arange(len(shares)), codes] >= shares.max(axis=1, initial=0) - 1e-12
        heavy = np.where(tied, codes, heavy)
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


def _take(written: Written, rows: npt.NDArray[np.intp]) -> Written:
    return Written(
        [written.sentences[at] for at in rows],
        written.embeddings[:0],  # no longer needed, and large
        written.closeness[rows],
        written.lam_measured[rows],
        written.log_likelihood[rows],
    )


def _warn_short(maker: _Maker, n: int, guard: str) -> None:
    """Say that there are fewer rows than asked for, and what to do."""
    if not maker.made:
        said = "no two different texts were ever paired. Use another pairing"
    else:
        said = (
            f"guard={guard!r} dropped {len(maker.rejected)} of {maker.made} sentences written. "
            "Use guard='relabel', a law that stays nearer to the parents, more candidates or more "
            "patience"
        )
    warnings.warn(
        f"There are {maker.kept} rows, fewer than the {n} asked for: {said}.",
        UserWarning,
        stacklevel=3,
    )
