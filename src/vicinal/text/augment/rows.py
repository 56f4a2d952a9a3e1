"""Which sentences are wanted, and which are not kept whatever their label."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal._checks import check_count, check_number, did_you_mean, shown_below
from vicinal._types import Array, Ints
from vicinal.text.augment.label_check import units
from vicinal.text.augment.pairs import text_key
from vicinal.text.augment.protect import PersonalData, Protection
from vicinal.text.augment.selection import Embeddings, InverterLike
from vicinal.text.encoder import check_texts

if TYPE_CHECKING:
    from vicinal.plan import MixPlan


#: Mean closeness below which sentences say something else than their parents.
DRIFTED = 0.75
#: What sentences are that are neither dropped nor rows, and those that no row could be made of.
SPARE = "not the surest of the pairs tried, or more than asked for"
UNWANTED = "no rows as asked for"
#: Cosine from which on a sentence is a near-duplicate of a text.
NEAR_DUPLICATE = 0.95


@dataclass(frozen=True)
class RowConfig:
    """Which sentences are wanted, and which are dropped whatever their label.

    Parameters
    ----------
    tries : int, optional
        Pairs tried for each row, of about four texts of one class with several partners and of one
        weight: each is written once, the two surest with all candidates, and the sentence of most
        ``confidence`` that passes becomes the row. 12 where left out and the inverter knows its
        confidence (smol), and else 1, which is quickest.
    only : sequence, optional
        Classes to make sentences of.
    per_class : int, optional
        Sentences of each class, in place of ``n_samples``.
    balance : bool, default False
        In place of ``n_samples``: what every class lacks to be as large as the largest.
    drop_repeats : bool, default False
        Drop sentences that equal a text given or another one, case and white space apart, or come
        near one (cosine 0.95).
    min_closeness : float, optional
        Drop sentences whose closeness to the mixed embedding is lower.
    min_confidence : float, optional
        Drop sentences whose ``confidence`` is lower, from 0 to 1. Where left out, what the
        inverter says of itself (``Inverter.confidence.least``; smol: 0.2); 0 drops none.
    protect : str, optional
        Regular expression of what stays as it is, such as placeholders: ordinary words stand in
        for it while a sentence is written. Drops sentences that lack what the heavier parent has.
        An e-mail address, a number of seven digits or more, or a name that one or two texts
        hold is not written out again unless it is protected.
    against : sequence of str, optional
        Texts, such as a test set, that no sentence may equal or come near (cosine 0.95).
    label_separator : str, optional
        What parts several labels of one text, such as ``";"``. The mixed weight of a label is the
        sum of those of the parents that have it; a sentence gets the labels of at least 0.5.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range, both ``per_class`` and ``balance`` are given, or what
        counts classes (these and ``only``) is given with ``label_separator``.

    Examples
    --------
    >>> RowConfig(per_class=20, drop_repeats=True).per_class
    20
    """

    tries: int | None = None
    only: Sequence[Any] | None = None
    per_class: int | None = None
    balance: bool = False
    drop_repeats: bool = False
    min_closeness: float | None = None
    min_confidence: float | None = None
    against: Sequence[str] | None = None
    protect: str | None = None
    label_separator: str | None = None

    def __post_init__(self) -> None:
        if self.tries is not None:
            check_count("tries", self.tries)
        if isinstance(self.only, str) or (self.only is not None and not len(self.only)):
            raise ValueError(f"only must be a list of at least one class, got {self.only!r}.")
        if self.against is not None:
            object.__setattr__(self, "against", check_texts(self.against, "against"))
        if self.per_class is not None:
            check_count("per_class", self.per_class)
            if self.balance:
                raise ValueError("per_class and balance both say how many rows. Give one of them.")
        if self.protect is not None:
            try:
                re.compile(self.protect)
            except re.error as error:
                raise ValueError(
                    f"protect must be a regular expression, got {self.protect!r} ({error})."
                ) from None
        if self.label_separator is not None:
            if not self.label_separator or not isinstance(self.label_separator, str):
                raise ValueError(
                    "label_separator must be what parts labels, such as ';', got "
                    f"{self.label_separator!r}."
                )
            if self.counts or self.only is not None:
                raise ValueError(
                    "only, per_class and balance count rows of single classes, and with "
                    "label_separator a text may be of several. Give n_samples."
                )
        if self.min_closeness is not None:
            check_number("min_closeness", self.min_closeness, low=-1, high=1)
        if self.min_confidence is not None:
            check_number("min_confidence", self.min_confidence, low=0, high=1)

    @property
    def counts(self) -> bool:
        """Whether it says how many rows there are to be."""
        return self.balance or self.per_class is not None


def wanted_rows(config: RowConfig, classes: Array, sizes: Ints, n_samples: int) -> Ints | None:
    """Return how many rows of each class are wanted; None for any, in all ``n_samples``."""
    if config.only is None and not config.counts:
        return None
    known = classes.tolist()
    chosen = np.zeros(len(known), bool)
    for one in known if config.only is None else config.only:
        if one not in known:
            near = did_you_mean(one, map(str, known)) if isinstance(one, str) else ""
            raise ValueError(f"only names {one!r}, which is no class of labels.{near}")
        chosen[known.index(one)] = True
    if config.balance:
        lacking = np.where(chosen, sizes.max() - sizes, 0)
        if not lacking.any():
            raise ValueError(
                f"balance: no class has fewer rows than the largest, {sizes.max():,}, so that none "
                "is wanted. Give per_class or n_samples."
            )
        return lacking
    if config.per_class is not None:
        return np.where(chosen, config.per_class, 0)
    each, more = divmod(n_samples, int(chosen.sum()))
    return np.where(chosen, each + (np.cumsum(chosen) <= more), 0)


def check_against(config: RowConfig, texts: Sequence[str]) -> None:
    """Refuse texts to stay away from that are those mixed; warn where most of these are among."""
    if not config.against:
        return
    own = set(map(text_key, texts)) - {""}
    n_held = len(own.intersection(map(text_key, config.against)))
    if own and n_held == len(own):
        raise ValueError(
            "against holds the very texts that are mixed, so that hardly a sentence could "
            "stay. Give other texts, such as a test set."
        )
    if 2 * n_held > len(own):
        warnings.warn(
            f"against holds {n_held:,} of the {len(own):,} different texts that are mixed, so that "
            "few sentences can stay. Give other texts, such as a test set.",
            stacklevel=3,
        )


class RowFilter:
    """Says why a sentence is not kept whatever its label, one after the other."""

    def __init__(
        self,
        config: RowConfig,
        inverter: InverterLike,
        texts: Sequence[str],
        embeddings: Embeddings,
        protection: Protection | None = None,
    ) -> None:
        self._protection = protection
        self._least = -1.0 if config.min_closeness is None else config.min_closeness
        self._surest = config.min_confidence or 0.0
        self._drops_repeats = config.drop_repeats
        self._personal = PersonalData(texts if protection is None else protection.texts)
        #: How many sentences were dropped for each reason, as a setting or in words.
        self.reasons_given: Counter[str] = Counter()
        against = config.against or []
        may = (protection, config.min_closeness, config.min_confidence, against or None)
        #: Whether anything may be dropped.
        self.drops = bool(
            config.drop_repeats or self._personal or any(one is not None for one in may)
        )
        self._seen = set(map(text_key, texts))
        #: Unit vectors of texts given and of rows, where nothing may come near them.
        self._near = units(embeddings if config.drop_repeats else embeddings[:0])
        self._n_near = len(self._near)
        self._against: Embeddings | None = None
        self._equal: set[str] = set()
        if against:
            self._equal = set(map(text_key, against))
            self._against = units(np.asarray(inverter.encode(against)))

    def restored(self, texts: list[str], plan: MixPlan) -> tuple[list[str], list[str]]:
        """Return sentences with what is protected, and what each lacks of that."""
        if self._protection is None:
            return texts, [""] * len(texts)
        heavy = np.where(plan.lam >= 0.5, plan.left, plan.right).tolist()
        light = np.where(plan.lam >= 0.5, plan.right, plan.left).tolist()
        found = map(self._protection.restore, texts, heavy, light)
        lines, lacking = zip(*found, strict=True)
        return list(lines), list(lacking)

    def reasons(
        self,
        texts: Sequence[str],
        lacking: Sequence[str],
        embeddings: Embeddings,
        closeness: Array,
        confidence: Array,
        *,
        counted: bool = True,
    ) -> list[str]:
        """Return why each sentence is dropped, "" where it is not."""
        near = np.zeros(len(texts))
        if self._against is not None:
            near = (units(embeddings) @ self._against.T).max(axis=1, initial=-1)
        found = []
        for text, lacks, close, sure, cosine in zip(
            texts, lacking, closeness, confidence, near, strict=True
        ):
            key, by, why = text_key(text), "", ""
            own = self._personal.within(text) if self._personal else []
            if not key:
                pass  # the check says that nothing was written
            elif own:
                by, why = "personal data", f"it holds {own[0]!r}, which is somebody's own"
            elif lacks:
                by, why = "protect", f"it lacks or repeats {lacks!r}, which is protected"
            elif close < self._least:
                shown = shown_below(close, self._least)
                by, why = "min_closeness", f"closeness {shown} is below {self._least:g}"
            elif self._surest and not sure >= self._surest:  # nor where it is not known
                shown = shown_below(sure, self._surest)
                by, why = "min_confidence", f"confidence {shown} is below {self._surest:g}"
            elif key in self._equal or cosine >= NEAR_DUPLICATE:
                by, why = "against", "it equals or nearly equals a text that it is held against"
            if why and counted:
                self.reasons_given[by] += 1
            found.append(why)
        return found

    def there(self, text: str, embedding: Array) -> bool:
        """Tell whether a sentence was given or is a row; where repeats are dropped, also nearly."""
        if text_key(text) in self._seen:
            return True
        near = self._near[: self._n_near] @ units(embedding[None])[0]
        return bool(near.max(initial=-1) >= NEAR_DUPLICATE)

    def repeated(self, there: bool) -> str:
        """Return why a sentence is dropped that is there already, "" where it is not."""
        if not self._drops_repeats or not there:
            return ""
        self.reasons_given["drop_repeats"] += 1
        return "it repeats, or nearly, a text given or made before"

    def take(self, text: str, embedding: Array) -> None:
        """Take down a sentence that becomes a row."""
        self._seen.add(text_key(text))
        if not self._drops_repeats:
            return
        if self._n_near == len(self._near):  # twice the room, so that few rows are copied
            self._near = np.concatenate((self._near, np.zeros_like(self._near)))
        self._near[self._n_near] = units(embedding[None])[0]
        self._n_near += 1
