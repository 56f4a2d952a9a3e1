"""Putting labelled texts aside, equal ones together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from vicinal._checks import check_number
from vicinal._random import ComparisonKey, RandomState, Seeds
from vicinal.text.encoder import check_texts


def split_texts(
    texts: Sequence[str],
    labels: Iterable[Any],
    share: float = 0.2,
    *,
    random_state: RandomState = None,
) -> tuple[tuple[list[str], list[Any]], tuple[list[str], list[Any]]]:
    """Put a share of the texts aside, in the proportions of the classes.

    Equal texts stay on one side, so that nothing is measured on what was learned. At least one
    group of equal texts of each class is put aside, unless it is the only one.

    Parameters
    ----------
    texts : sequence of str
        All texts.
    labels : sequence of str, int or bool
        Their classes.
    share : float, default 0.2
        Share to put aside, between 0 and 1.
    random_state : int, numpy.random.Generator or None
        Seed.

    Returns
    -------
    tuple of (texts, labels), twice
        What is left, and what was put aside.

    Raises
    ------
    ValueError, TypeError
        If there is not one label for each text, or too few different texts to put any aside.

    Examples
    --------
    >>> train, test = split_texts(list("abcdefghij"), [0, 1] * 5, random_state=0)
    >>> len(train[0]), sorted(test[1])
    (8, [0, 1])
    """
    texts, labels = check_texts(texts, utf8=False), list(labels)
    left, aside = split_rows(texts, labels, share, random_state=random_state)

    def taken(rows: Iterable[int]) -> tuple[list[str], list[Any]]:
        return [texts[at] for at in rows], [labels[at] for at in rows]

    return taken(left), taken(aside)


def split_rows(
    texts: Sequence[str],
    labels: Sequence[Any],
    share: float,
    *,
    random_state: RandomState,
    remedy: str = "Give a test set.",
) -> tuple[list[int], list[int]]:
    """Return the numbers of texts that are left, and of those put aside."""
    check_number("share", share, low=0.0, high=1.0, open_low=True, open_high=True)
    if len(texts) != len(labels):
        raise ValueError(
            f"labels must be one for each text: got {len(labels)} labels for {len(texts)} texts."
        )
    rng = Seeds(random_state).generator(ComparisonKey.SPLIT)
    copies: dict[str, list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        copies[text].append(at)
    groups = [copies[text] for text in copies]
    by_class: dict[Any, list[list[int]]] = defaultdict(list)
    for at in rng.permutation(len(groups)):
        by_class[labels[groups[at][0]]].append(groups[at])
    aside: set[int] = set()
    for members in by_class.values():
        if len(members) > 1:
            aside.update(_fitting(members, share))
    if not aside:
        raise ValueError(
            f"{len(texts)} texts, of which {len(groups)} distinct, in "
            f"{len(set(map(str, labels)))} classes, are too few to put some aside: equal texts "
            f"stay together. {remedy}"
        )
    return [at for at in range(len(texts)) if at not in aside], sorted(aside)


def _fitting(members: Sequence[list[int]], share: float) -> list[int]:
    """Return rows of whole groups, as many as fit into a share; the smallest where none does."""
    room = max(1, round(share * sum(map(len, members))))
    taken: list[int] = []
    for group in members[:-1]:
        if len(taken) + len(group) <= room:
            taken += group
    return taken or min(members, key=len)
