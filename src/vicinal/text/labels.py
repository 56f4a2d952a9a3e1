"""Texts with labels: labels as class numbers, texts that hold nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from vicinal._checks import did_you_mean
from vicinal._types import Array


def listed_labels(
    labels: Iterable[Any],
    name: str = "labels",
    place: Callable[[int], str] = "at position {}".format,
) -> list[Any]:
    """Return labels as a list of str, int or bool, all of one kind."""
    # place says where a position is, in words: people find rows of a file by other numbers
    if isinstance(labels, (str, set, frozenset)):
        kind = "one string" if isinstance(labels, str) else "a set, which has no order"
        raise TypeError(f"{name} must be one label for each text, got {kind}.")
    listed = [one.item() if isinstance(one, np.generic) else one for one in labels]
    for at, one in enumerate(listed):
        if not isinstance(one, (str, int)):
            raise _no_label(listed, at, name, place)
    kinds = {type(one) for one in listed}
    if len(kinds) > 1:
        names = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"{name} are of several kinds, {names}. Convert them to str.")
    return listed


def _no_label(
    listed: Sequence[Any], at: int, name: str, place: Callable[[int], str]
) -> TypeError | ValueError:
    """Return what is wrong with the label at a position, which is no str, int or bool."""
    one = listed[at]
    said, remedy = type(one).__name__, "Convert them to str."
    if isinstance(one, (np.ndarray, list, tuple, set, dict)):
        remedy = "Each text has one label; several are one string and a label_separator."
    elif one is None or one != one or said in ("NAType", "NaTType"):
        return ValueError(f"{name} has a missing value {place(at)}. Drop the rows without a label.")
    elif isinstance(one, float):
        parts = (i for i, one in enumerate(listed) if isinstance(one, float) and one % 1 > 0)
        at = next(parts, at)  # rather a number that cannot be whole
        said, remedy = f"the float {listed[at]!r}", "Convert them to int."
        if listed[at] % 1:
            remedy = "Cut the numbers into named classes."
    return TypeError(
        f"{name} must be class names (str, int or bool), got {said} {place(at)}. {remedy}"
    )


def as_labels(labels: Iterable[Any], n_texts: int) -> Array:
    """Return one class label for each text as an array; integers keep their type."""
    listed = listed_labels(labels)
    if len(listed) != n_texts:
        raise ValueError(
            f"labels must be one for each text: got {len(listed)} labels for {n_texts} texts."
        )
    dtype = getattr(labels, "dtype", None)
    return np.array(listed, dtype if isinstance(dtype, np.dtype) and dtype.kind in "iub" else None)


def as_label_sets(labels: Iterable[Any], n_texts: int, separator: str) -> Array:
    """Return the labels of each text, distinct, sorted and joined; what parts them must occur."""
    given = as_labels(labels, n_texts)
    if not len(given):
        return given
    if given.dtype.kind != "U":
        kind = type(given.tolist()[0]).__name__
        raise TypeError(
            f"label_separator={separator!r} parts labels that are text, got {kind}. Leave it out, "
            "or convert labels to str."
        )
    if not any(separator in one for one in given.tolist()):
        raise ValueError(
            f"label_separator={separator!r} occurs in none of the labels, such as "
            f"{given.tolist()[0]!r}. Leave it out where each text has one label, or give what "
            "parts them."
        )
    sets = [split_labels(one, separator) for one in given.tolist()]
    if not all(sets):
        raise ValueError(
            f"labels name no class at position {sets.index([])}. Drop such texts, or give them a "
            "label of their own, such as 'none'."
        )
    return np.array([separator.join(one) for one in sets])


def split_labels(label: str, separator: str) -> list[str]:
    """Return the distinct labels that one string holds, sorted."""
    return sorted({part.strip() for part in label.split(separator)} - {""})


def label_parts(label: Any, separator: str | None) -> list[Any]:
    """Return the labels that one holds: itself, where nothing parts them."""
    return [label] if separator is None else split_labels(label, separator)


def check_classes(labels: Iterable[Any], n_texts: int) -> tuple[Array, list[int]]:
    """Return the classes, sorted, and the number of each label's class."""
    given = as_labels(labels, n_texts)
    listed = given.tolist()
    classes = sorted(set(listed))
    if len(classes) < 2:
        said = f"only {classes[0]!r}" if classes else "none"
        raise ValueError(f"labels must name at least two classes, got {said}.")
    number = {one: at for at, one in enumerate(classes)}
    numbers = [number[one] for one in listed]
    single = [classes[at] for at, n in enumerate(np.bincount(numbers)) if n == 1]
    if single:
        warnings.warn(
            f"{len(single)} of {len(classes)} classes have one text only, such as {single[0]!r}. "
            "It will hardly be learned; add texts, or leave the class out.",
            UserWarning,
            stacklevel=3,
        )
    return np.array(classes, given.dtype), numbers


def class_numbers(
    labels: Iterable[Any],
    classes: Array,
    name: str,
    place: Callable[[int], str] = "at position {}".format,
) -> list[int]:
    """Return the numbers of labels among known classes."""
    known = {one.item() if isinstance(one, np.generic) else one: n for n, one in enumerate(classes)}
    listed = listed_labels(labels, name, place)
    strange = next((at for at, one in enumerate(listed) if one not in known), None)
    if strange is not None:
        one, first = listed[strange], next(iter(known))
        said, kind, wanted = f"{name} holds {one!r} {place(strange)}", type(one), type(first)
        if kind is not wanted:
            raise ValueError(
                f"{said}, of type {kind.__name__}; the classes trained on are of type "
                f"{wanted.__name__}, such as {first!r}. Convert both to str."
            )
        near = did_you_mean(one, known) if kind is str else ""
        raise ValueError(
            f"{said}, which was not among the {len(known)} classes trained on.{near} Train on rows "
            "of it, or drop those rows."
        )
    return [known[one] for one in listed]


def warn_of_empty(texts: Sequence[str]) -> None:
    """Warn where texts hold nothing."""
    if empty := sum(not text.strip() for text in texts):
        warnings.warn(
            f"{empty} of {len(texts)} texts are empty: there is nothing to learn from them.",
            UserWarning,
            stacklevel=3,
        )
