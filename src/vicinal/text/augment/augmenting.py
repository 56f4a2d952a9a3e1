"""Mixed embeddings, written out as labeled sentences, with a label check."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal._checks import check_count, check_number, shown_below
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import AugmentKey, RandomState, Seeds
from vicinal._types import Array, Ints
from vicinal.text.augment.augmented import Augmented
from vicinal.text.augment.generator import SentenceGenerator
from vicinal.text.augment.label_check import (
    Judge,
    LabelCheck,
    ModelJudge,
    NeighborJudge,
    as_label_check,
    default_neighbors,
    joined_classes,
)
from vicinal.text.augment.leave_parents_out import MeanJudge
from vicinal.text.augment.pairs import Parents, check_sentences, distinct_texts
from vicinal.text.augment.protect import Protection
from vicinal.text.augment.ratio import coincide
from vicinal.text.augment.rows import (
    DRIFTED,
    UNWANTED,
    RowConfig,
    RowFilter,
    check_against,
    wanted_rows,
)
from vicinal.text.augment.selection import (
    InverterLike,
    SelectionConfig,
    as_inverter,
    as_selection,
    measured_of,
)
from vicinal.text.augment.words import WordJudge
from vicinal.text.encoder import check_texts
from vicinal.text.labels import as_label_sets, as_labels

if TYPE_CHECKING:
    from vicinal.pairing import Pairing
    from vicinal.weights import WeightLaw

#: Sentences written and checked between two looks at how many are kept: few at first, then up to
#: a quarter of all before, whatever is asked for, so that fewer rows are the first of more.
FIRST, BATCH = 16, 256
#: Pairs tried for each row by an inverter that knows how sure it is.
TRIES = 12
#: Pairs that are written first, to see what is usual of these texts.
USUAL = 32
#: Texts of a class from which on a label check knows it: fewer, less a sentence's parents, tell
#: little, and of a class of five it keeps hardly any.
FEWEST = 6
#: Texts that take part in a plan at most.
PAIRS = 4096
#: Plans in a row of which nothing was written, after which nothing will be: of pairs that are one
#: point, or of classes of which there are enough.
EMPTY_PLANS, UNWANTED_PLANS = 3, 60
#: How many times the rows asked for are tried at most: a number, another where the unlikely are
#: dropped, and a multiple of what "filter" needs even if the judge contradicts nothing.
ATTEMPTS, PICKY, SPARE = 4.0, 12.0, 1.5


def augment(
    texts: Sequence[str],
    labels: Iterable[Any],
    *,
    inverter: InverterLike | str | PathLike[str] | None = None,
    n_samples: int | None = None,
    pairing: Pairing | None = None,
    weights: WeightLaw | None = None,
    label_check: LabelCheck | str = "filter",
    selection: SelectionConfig | int = 4,
    row_config: RowConfig | None = None,
    max_attempts: float | None = None,
    progress: bool | ProgressCallback = False,
    random_state: RandomState = None,
) -> Augmented:
    """Make labeled sentences between the sentences there are.

    Two texts are paired, their embeddings and labels mixed at a ratio, and the mixture is written
    out as a sentence. A sentence between two classes may turn out to be of a third, or of the
    wrong one of the two (*manifold intrusion*); the label check looks for such sentences.

    Parameters
    ----------
    texts : sequence of str
        Labeled texts. Of equal ones (case and white space apart) the first stands for all; empty
        ones, and those under two labels, are left out with a warning.
    labels : sequence of str, int or bool
        Their classes; integers keep their type. Several for one text are one string, with
        ``RowConfig(label_separator=";")``.
    inverter : Inverter, TaskInverter, str or path, optional
        What embeds and writes, or its name or folder; as of :meth:`Inverter.from_pretrained`.
    n_samples : int, optional
        Sentences to make, 0 or more; as many as there are texts where left out.
    pairing : Pairing, optional
        Who mixes with whom, by the inverter's embeddings; ``Farthest(0.2)`` where left out. No
        text is paired with itself.
    weights : WeightLaw, optional
        By how much, for two parents; ``Beta(1.0)`` where left out. A law that reaches beyond
        [0, 1], such as ``EpBeta``, mixes embeddings as it says; label weights are cut to [0, 1]
        and scaled to sum 1, with a warning.
    label_check : LabelCheck or {"filter", "relabel", "within-class", "none"}, default "filter"
        How labels are checked and what follows from it, or the method alone.
    selection : SelectionConfig or int, default 4
        How a sentence is selected from candidates, or how many of them there are.
    row_config : RowConfig, optional
        How many sentences of which classes are made, and which are dropped whatever their label.
    max_attempts : float, optional
        At most so many times ``n_samples`` rows are tried; 4 where left out (12 where the unsure
        are dropped), and with "filter" ``1.5 / keep`` if that is more.
    progress : bool or callable, default False
        True shows a bar on standard error; a callable is told the stage, sentences done, and all.
    random_state : int, numpy.random.Generator or None
        Seed. The same seed gives the same sentences, of which fewer are the first of more.

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
        Where there are fewer rows than asked for, a single class, weights beyond [0, 1], a mean
        closeness below 0.75, or texts that are cut, left out, single words or foreign to the
        encoder.

    References
    ----------
    Kong et al., "inversedMixup", 2026.

    Examples
    --------
    >>> from vicinal.text import augment  # doctest: +SKIP
    >>> made = augment(texts, labels, n_samples=500, random_state=0)  # doctest: +SKIP
    >>> made.columns()["text"][:2]  # doctest: +SKIP
    """
    if n_samples is not None:
        n_samples = check_count("n_samples", n_samples, low=0)
    check, config = as_label_check(label_check), as_selection(selection)
    pairing, law = _check_mixing(pairing, weights)
    seeds = Seeds(random_state)
    texts = check_texts(texts)
    row_config = RowConfig() if row_config is None else row_config
    if max_attempts is not None:
        check_number("max_attempts", max_attempts, low=1, hint="It is a multiple of n_samples.")
    labels = _check_labels(labels, len(texts), row_config.label_separator, check)
    n = len(texts) if n_samples is None else n_samples
    places, codes, classes = distinct_texts(texts, labels)
    by_class = wanted_rows(row_config, *np.unique(labels, return_counts=True), n)
    if by_class is not None:
        _warn_of_few(labels, by_class, check)
    check_against(row_config, texts)
    inverter = as_inverter(inverter)
    told, _ = measured_of(inverter, config)
    if row_config.min_confidence is None:
        row_config = replace(row_config, min_confidence=None if told is None else told.least)
    if max_attempts is None:
        max_attempts = max(PICKY if row_config.min_confidence else ATTEMPTS, SPARE / check.keep)
    n = n if by_class is None else int(by_class.sum())
    np.empty((n, len(classes)))  # raises at once where so many rows could never be held
    parents, protection = _parents(inverter, texts, places, codes, classes, row_config)
    judge, parents = _judge(inverter, check, parents)
    pool, pairing = _pool(parents, pairing, check.method)
    counts: Any = n
    if by_class is not None:  # the judge may know more classes
        counts = np.zeros(len(parents.classes), np.int64)
        counts[np.searchsorted(parents.classes, classes)] = by_class
    rows = RowFilter(row_config, inverter, texts, parents.embeddings, protection)
    tries = (1 if told is None else TRIES) if row_config.tries is None else row_config.tries
    words = None
    if check.judge == "all" and check.method == "filter":
        words = WordJudge.of(parents.texts, parents.codes, len(parents.classes))
    generator = SentenceGenerator(
        inverter, parents, judge, check, config, rows, counts, tries, words
    )
    with reporting(progress) as tell:
        _write(generator, pool, pairing, law, n, ceil(max_attempts * n) * tries, seeds, tell)
    made = generator.result(texts, labels)
    _warn_of(generator, made, n, law)
    return made


def _parents(
    inverter: InverterLike,
    texts: list[str],
    places: Ints,
    codes: Ints,
    classes: Array,
    config: RowConfig,
) -> tuple[Parents, Protection | None]:
    """Return what may be mixed, embedded, and what of it is protected."""
    usable = check_sentences(inverter, [texts[at] for at in places])
    protection = None if config.protect is None else Protection(config.protect, usable)
    usable = usable if protection is None else protection.texts
    embeddings = np.asarray(inverter.encode(usable))
    if not np.isfinite(embeddings).all():
        raise ValueError(
            "The embeddings of texts hold NaN or infinity. The encoder is broken; load another."
        )
    if len(classes) == 1:
        warnings.warn(
            f"labels name one class only, {classes.tolist()[0]!r}: all rows are of it, "
            "and no label check can find a contradiction.",
            stacklevel=3,
        )
    separator = config.label_separator
    return Parents(places, usable, codes, classes, embeddings, separator), protection


def _check_labels(
    labels: Iterable[Any], n_texts: int, separator: str | None, check: LabelCheck
) -> Array:
    if separator is None:
        return as_labels(labels, n_texts)
    if not isinstance(check.judge, str):
        raise ValueError(
            f"judge={check.judge!r} tells single classes, and label_separator={separator!r} gives "
            "a text several. Take 'all', 'both' or 'neighbors'."
        )
    return as_label_sets(labels, n_texts, separator)


def _warn_of_few(labels: Array, wanted: Ints, check: LabelCheck) -> None:
    """Warn of classes that are wanted, and too small for the label check to know them."""
    names, sizes = np.unique(labels, return_counts=True)
    few = names[(wanted > 0) & (sizes < FEWEST)].tolist()
    if few and check.method in {"filter", "relabel"} and isinstance(check.judge, str):
        warnings.warn(
            f"{len(few)} class(es) that are wanted, such as {few[0]!r}, have fewer than {FEWEST} "
            f"texts: the label check {check.method!r} hardly knows them and takes most of their "
            "sentences for others. The label check 'within-class' or 'none' keeps them.",
            stacklevel=3,
        )


def _write(
    generator: SentenceGenerator,
    pool: Ints,
    pairing: Pairing,
    law: WeightLaw,
    n: int,
    most: int,
    seeds: Seeds,
    tell: ProgressCallback,
) -> None:
    """Write pairs of plan after plan until there are ``n`` rows, or ``most`` sentences."""
    from vicinal.plan import MixPlan, make_plan

    tell("Writing", 0, n)
    points = generator.parents.embeddings[pool]
    n_plans = n_batches = n_rows = n_empty = n_unwanted = 0
    fitted = False
    while (
        generator.n_kept < n
        and generator.n_written < most
        and n_empty < EMPTY_PLANS
        and n_unwanted < UNWANTED_PLANS
    ):
        seed = seeds.generator(AugmentKey.PLANS, n_plans)
        size = -(-generator.tries // 2) * min(len(points), PAIRS)  # about two rows try a text
        plan = make_plan(points, size, pairing=pairing, weights=law, random_state=seed)
        plan = plan[seed.permutation(size)]  # lefts come in the order of the texts
        same = [coincide(points[part.left], points[part.right]) for part in plan.chunks(4096)]
        plan = plan[~np.concatenate(same)]  # no point with itself
        plan = MixPlan(pool[plan.left], pool[plan.right], plan.lam)
        plan = generator.tried(plan)
        rows = plan[:: generator.tries]  # the first pair of each says its class and weight
        if len(plan) and not fitted:
            usual = plan[:: max(1, len(plan) // USUAL)][:USUAL]
            generator.fit_confidence(usual, seeds.generator(AugmentKey.USUAL))
            fitted = True
        n_plans, written, at = n_plans + 1, generator.n_written, 0
        while at < len(rows) and generator.n_kept < n and generator.n_written < most:
            size = FIRST
            while size < BATCH and 8 * size <= n_rows:
                size *= 2
            some = at + np.flatnonzero(generator.still_wanted(rows[at : at + size]))
            at, n_rows = at + size, n_rows + size
            if len(some):
                pairs = (some[:, None] * generator.tries + np.arange(generator.tries)).ravel()
                rng = seeds.generator(AugmentKey.CANDIDATES, n_batches)
                generator.write(plan[pairs], rng)
            n_batches += 1
            tell("Writing", generator.n_kept, n)
        n_empty = 0 if len(plan) else n_empty + 1
        n_unwanted = 0 if generator.n_written > written else n_unwanted + 1


def _check_mixing(pairing: Any, weights: Any) -> tuple[Pairing, WeightLaw]:
    from vicinal.pairing import Farthest
    from vicinal.pairing.base import check_pairing
    from vicinal.weights import Beta, check_law

    law = check_law(Beta(1.0) if weights is None else weights, parents=2)
    return check_pairing(Farthest(0.2) if pairing is None else pairing), law


def _judge(inverter: InverterLike, check: LabelCheck, parents: Parents) -> tuple[Judge, Parents]:
    """Return who judges, and the parents with its classes."""
    if isinstance(check.judge, str):
        n_classes = len(parents.classes)
        k = check.neighbors or default_neighbors(len(parents), len(parents.labels))
        kind = NeighborJudge if check.judge == "neighbors" else MeanJudge
        return kind(parents.embeddings, parents.codes, n_classes, k), parents
    model: Any = check.judge
    ModelJudge(model, parents.classes)  # it has to know these, and may know more
    classes = joined_classes(parents.classes, model.classes_)
    judge = ModelJudge(model, classes, embeds=model is inverter)
    codes = np.searchsorted(classes, parents.classes)[parents.codes]
    return judge, replace(parents, classes=classes, codes=codes)


def _pool(parents: Parents, pairing: Pairing, method: str) -> tuple[Ints, Pairing]:
    """Return the rows that take part, and the pairing fitted to them."""
    if method != "within-class":
        # some of the texts given were left out
        return np.arange(len(parents)), pairing.take(parents.rows)
    from vicinal.pairing import WithinGroup

    if pairing.grouped:
        raise ValueError(
            f"label_check='within-class' groups by class, and pairing={type(pairing).__name__}(...)"
            " brings groups of its own. Give its inner pairing, or label_check='none'."
        )
    sizes = np.bincount(parents.codes, minlength=len(parents.classes))
    alone = parents.classes[sizes == 1].tolist()
    pool = np.flatnonzero(sizes[parents.codes] > 1)
    if not len(pool):
        raise ValueError(
            "label_check='within-class' needs a class with two different texts, and there is none. "
            "Use another label check."
        )
    if alone:
        warnings.warn(
            f"{len(alone)} class(es) have a single text, such as {alone[0]!r}, which has no "
            "partner in its class: nothing is made for them.",
            stacklevel=3,
        )
    return pool, WithinGroup(parents.codes[pool], pairing)


def _warn_of(generator: SentenceGenerator, made: Augmented, n: int, law: WeightLaw) -> None:
    """Warn of fewer rows than asked for, of weights beyond the parents, and of drift."""
    if len(made) and made.closeness.mean() < DRIFTED:
        warnings.warn(
            f"The mean closeness is {shown_below(made.closeness.mean(), DRIFTED)}, below "
            f"{DRIFTED:g}: sentences have drifted from their parents. Read them before use; more "
            "candidates or min_closeness help.",
            stacklevel=3,
        )
    n_kept, n_written, n_checked = generator.n_kept, generator.n_written, generator.n_checked
    if n_kept < n:
        unwanted = generator.n_unwanted
        checked = len(generator.rejected) - unwanted
        said = "no two different texts were ever paired. Use another pairing"
        if unwanted > checked:
            [(name, count)] = generator.rows.reasons_given.most_common(1)
            remedy = "ask less of rows"
            if name == "min_confidence":  # which was perhaps not asked for
                remedy = "set min_confidence=0, which keeps every sentence"
            said = (
                f"{unwanted} of {n_checked} sentences checked were {UNWANTED}, {count} of them "
                f"for {name}. Give more texts, or {remedy}"
            )
        elif checked:
            said = (
                f"the label check {generator.label_check.method!r} dropped {checked} of "
                f"{n_checked} sentences checked. Use the label check 'relabel', a law that stays "
                "nearer to the parents or more candidates"
            )
        elif n_written or not isinstance(generator.wanted, int):
            said = (
                "too few pairs had a class that is wanted as their heavier parent. Give more texts "
                "of it, or use another pairing"
            )
        warnings.warn(
            f"There are {n_kept} rows, fewer than the {n} asked for: {said}.",
            stacklevel=3,
        )
    if generator.n_clipped:
        warnings.warn(
            f"{generator.n_clipped} of {n_written} weights lie beyond [0, 1], as {law!r} "
            "reaches: their label weights are cut to [0, 1]. The embeddings are mixed as drawn.",
            stacklevel=3,
        )
