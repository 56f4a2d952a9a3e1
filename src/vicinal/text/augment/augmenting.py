"""Stage 3: mixed embeddings, written out as labelled sentences, with a guard."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import RandomState, Seeds
from vicinal.text.augment import label_check as guards
from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.generator import Maker
from vicinal.text.augment.leave_parents_out import BothChecks
from vicinal.text.augment.pairs import Parents, as_labels, gather_parents
from vicinal.text.augment.ratio import coincide
from vicinal.text.augment.showing import counting
from vicinal.text.augment.writing import RECOMBINE, InverterLike, SelectionConfig, as_inverter
from vicinal.text.encoder import check_texts

if TYPE_CHECKING:
    from vicinal.pairing import Pairing
    from vicinal.plan import MixPlan
    from vicinal.weights import WeightLaw

__all__ = ["NoPairsError", "augment", "draw_plan", "neighbors_for"]

#: Sentences written and looked at between two looks at how many are kept.
BATCH = 256
#: Fresh plans without a single usable pair, after which there is none to be had.
EMPTY_PLANS = 3
#: How many times the rows asked for are written at most: a number, and a multiple of what the
#: filter needs even if the re-check contradicts nothing.
PATIENCE, SPARE = 4.0, 1.5
#: Re-checks that need no model.
RECHECKS = ("both", "neighbors")
#: First words of the seeds of plans and of candidates.
_PLANS, _CANDIDATES = 1, 2


class NoPairsError(ValueError):
    """There are no two texts that may be mixed."""


def augment(
    inverter: InverterLike | str | PathLike[str],
    texts: Sequence[str],
    labels: Iterable[Any],
    n: int,
    *,
    pairing: Pairing | None = None,
    weights: WeightLaw | None = None,
    guard: str = "filter",
    candidates: int = 4,
    rank: str = "both",
    recombine: int = RECOMBINE,
    label_threshold: float = 0.7,
    keep: float = guards.KEEP,
    neighbors: int | None = None,
    recheck: guards.Model | str = "both",
    max_attempts: float | None = None,
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
    inverter : Inverter, TaskInverter, str or path
        What embeds and writes, or the name or folder of it, such as "nano".
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
        "filter" takes the candidate that the re-check prefers, as far as closeness and ratio
        allow, drops sentences that it contradicts or is least sure of (``keep``) or that are there
        with another label, and writes others; "relabel" gives those it contradicts its class
        probabilities as label weights; "within-class" pairs texts of one class only; "none" leaves
        all as they are. A re-check contradicts where its likeliest class is that of neither parent,
        or where the label leans to one class and it is not the heavier class. It is made, and told in the
        verdicts, under every guard.
    candidates : int, default 4
        Sentences written for each mixture, of which the best is taken.
    rank : {"both", "closeness", "ratio"}, default "both"
        What makes a candidate the best: closeness to the mixed embedding, agreement of the
        measured with the asked ratio, or both and a little of the decoder's likelihood.
    recombine : int, default 3
        How often the best candidate then takes over a span of words from another, as long as that
        makes it better in the same sense; 0 leaves it as it was written, in about half the time.
    label_threshold : float, default 0.7
        Label weight from which on a sentence has to be of that class, above 0.5 and up to 1.
    keep : float, default 0.7
        How strict "filter" is, above 0 and up to 1: of the sentences written for each class at
        most this share stays, those that the re-check prefers most; 1 keeps all that it does not
        contradict. Class by class, so that classes that are hard to tell are not starved. Other
        guards refuse it.
    neighbors : int, optional
        Real texts that vote in a re-check by neighbors; up to ten, half the mean size of a class,
        where left out.
    recheck : object, "both" or "neighbors", default "both"
        Who re-checks: the nearest real texts; the mean of these and of a linear classifier of all
        real texts; or a trained classifier with ``classes_`` and ``predict_proba(texts)``, such as
        a task inverter. Neighbors and the linear classifier are asked as if the parents of the
        sentence were not there; a classifier that learned from them finds their labels again in
        what is near them, and contradicts too seldom.
    max_attempts : float, optional
        At most so many times ``n`` sentences are written; 4 where left out, and with "filter"
        ``1.5 / keep`` if that is more.
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
    choosing = SelectionConfig(candidates, rank, recombine).check()
    check_number("label_threshold", label_threshold, low=0.5, high=1, open_low=True)
    guards.check_keep(keep, guard)
    if max_attempts is not None:
        check_number("max_attempts", max_attempts, low=1, hint="It is a multiple of n.")
    else:
        max_attempts = max(PATIENCE, SPARE / keep) if guard == "filter" else PATIENCE
    if neighbors is not None:
        check_count("neighbors", neighbors)
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
    inverter = as_inverter(inverter)
    parents = gather_parents(inverter, texts, labels)
    if len(parents.classes) == 1:
        warnings.warn(
            f"labels name one class only, {parents.classes.tolist()[0]!r}: all rows are of it, "
            "and no guard can find a contradiction.",
            UserWarning,
            stacklevel=2,
        )
    check, parents = _recheck(inverter, recheck, parents, neighbors)
    pool, pairing = _pool(parents, pairing, guard)
    maker = Maker(inverter, parents, check, guard, choosing, label_threshold, keep, law)
    most = ceil(max_attempts * n)
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


def neighbors_for(n_texts: int, n_classes: int) -> int:
    """Return how many neighbors vote: half the mean size of a class, from 1 to 10."""
    return max(1, min(10, n_texts // (2 * n_classes)))


def _plans(
    parents: Parents,
    pool: npt.NDArray[np.int64],
    pairing: Pairing,
    law: WeightLaw,
    seeds: Seeds,
    maker: Maker,
    n: int,
    most: int,
) -> Iterator[MixPlan]:
    """Yield plans until enough rows are kept, or as many were written as may be."""
    number = empty = 0
    while maker.kept < n and maker.made < most and empty < EMPTY_PLANS:
        share = maker.kept / maker.made if maker.made else maker.expected
        missing = n - maker.kept
        wanted = missing if share == 1 else ceil(1.1 * missing / max(share, 1 / most))
        wanted = min(wanted, most - maker.made)
        plan = draw_plan(parents, pool, pairing, law, wanted, seeds.generator(_PLANS, number))
        number += 1
        empty = 0 if len(plan) else empty + 1
        yield plan


def _recheck(
    inverter: InverterLike, recheck: guards.Model | str, parents: Parents, neighbors: int | None
) -> tuple[guards.Recheck, Parents]:
    """Return who re-checks, and the parents with its classes."""
    if isinstance(recheck, str):
        check_choice("recheck", recheck, RECHECKS)
        n_classes = len(parents.classes)
        k = neighbors or neighbors_for(len(parents), n_classes)
        made = guards.NeighborCheck if recheck == "neighbors" else BothChecks
        return made(parents.embeddings, parents.codes, n_classes, k), parents
    model: Any = recheck
    if not (hasattr(model, "predict_proba") and hasattr(model, "classes_")):
        raise TypeError(
            "recheck must be 'both', 'neighbors' or a trained classifier with classes_ and "
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
    if guard != "within-class":
        return pool, pairing.take(parents.rows)  # some of the texts given were left out
    from vicinal.pairing import WithinGroup

    if pairing.grouped:
        raise ValueError(
            f"guard='within-class' groups by class, and pairing={type(pairing).__name__}(...) "
            "brings groups of its own. Give its inner pairing, or guard='none'."
        )
    sizes = np.bincount(parents.codes, minlength=len(parents.classes))
    alone = [one for one, size in zip(parents.classes.tolist(), sizes, strict=True) if size == 1]
    pool = pool[sizes[parents.codes] > 1]
    if not len(pool):
        raise NoPairsError(
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
    return pool, WithinGroup(parents.codes[pool], pairing)


def _warn_short(maker: Maker, n: int, guard: str) -> None:
    """Say that there are fewer rows than asked for, and what to do."""
    if not maker.made:
        said = "no two different texts were ever paired. Use another pairing"
    else:
        said = (
            f"the guard {guard!r} dropped {len(maker.rejected)} of {maker.made} sentences written. "
            "Use the guard 'relabel', a law that stays nearer to the parents or more candidates"
        )
    warnings.warn(
        f"There are {maker.kept} rows, fewer than the {n} asked for: {said}.",
        UserWarning,
        stacklevel=3,
    )
