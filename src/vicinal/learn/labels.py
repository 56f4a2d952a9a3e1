"""Class labels in any container, and how many rows of each class are asked for.

The spellings of ``sampling_strategy``, and what they mean, are those of imbalanced-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from vicinal._checks import check_choice, check_count, check_number
from vicinal._types import Array
from vicinal.learn.rows import as_frame


def read_labels(y: Any) -> Array:
    """Return class labels as an array of shape (n_rows,); columns of one-hot rows by number."""
    labels = _known_labels(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels.ravel()
    check_classification_targets(labels)
    if labels.ndim == 1:
        return labels
    if type_of_target(labels) != "multilabel-indicator" or (labels.sum(axis=1) != 1).any():
        raise ValueError(
            "y must hold one class for each row: labels, or a one-hot matrix. Multilabel and "
            "multioutput targets are not supported."
        )
    codes: Array = labels.argmax(axis=1)
    return codes


def _known_labels(y: Any) -> Array:
    """Return labels as an array, and refuse missing ones and a mixture of text and others."""
    frame = as_frame(y)
    missing = ValueError("y contains missing labels (NaN or None). Drop those rows first.")
    if isinstance(frame, (nw.DataFrame, nw.Series)):
        columns = frame.iter_columns() if isinstance(frame, nw.DataFrame) else [frame]
        if any(column.null_count() for column in columns):
            raise missing
        labels: Array = frame.to_numpy()
    else:
        kind = object if isinstance(y, (list, tuple)) else None
        labels = y.toarray() if sparse.issparse(y) else np.asarray(y, dtype=kind)
    if _has_gaps(labels):
        raise missing
    if labels.dtype.kind != "O":
        return labels
    plain = np.asarray(labels.tolist())
    if plain.dtype.kind == "U" and not all(isinstance(one, str) for one in labels.flat):
        raise ValueError("Unknown label type: y mixes text with other values. Convert it.")
    return plain


def _has_gaps(labels: Array) -> bool:
    if labels.dtype.kind == "f":
        return bool(np.isnan(labels).any())
    gaps = (one is None or (isinstance(one, float) and one != one) for one in labels.flat)
    return labels.dtype.kind == "O" and any(gaps)


def resolve_strategy(strategy: Any, labels: Array) -> dict[Any, int]:
    """Return how many rows to add to each class that ``sampling_strategy`` asks for."""
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"y must hold at least 2 classes, got 1 class: {classes.tolist()}. There is nothing "
            "to balance."
        )
    present = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    most, majority, minority = max(counts.tolist()), counts.argmax(), counts.argmin()
    if isinstance(strategy, str):
        at = np.arange(len(classes))
        chosen = {
            "auto": at != majority,
            "not majority": at != majority,
            "minority": at == minority,
            "not minority": at != minority,
            "all": at >= 0,
        }
        mask = chosen[check_choice("sampling_strategy", strategy, chosen)]
        return {label: most - present[label] for label in classes[mask].tolist()}
    if callable(strategy):
        strategy = strategy(labels)
    if isinstance(strategy, Mapping):
        return _resolve_counts(strategy, present)
    share = check_number("sampling_strategy", strategy, low=0, high=1, open_low=True)
    if len(classes) != 2:
        raise ValueError(
            f"sampling_strategy can be a ratio only with 2 classes, got {len(classes)} classes. "
            "Pass a dict of class: rows."
        )
    label = classes[1 - majority].item()
    added = int(most * share - present[label])
    if added <= 0:
        raise ValueError(
            f"sampling_strategy={strategy!r} asks for no more rows of class {label!r} than there "
            f"are; its ratio is {present[label] / most:.3g} already. Use a larger one."
        )
    return {label: added}


def _resolve_counts(wanted: Mapping[Any, Any], present: dict[Any, int]) -> dict[Any, int]:
    strangers = [label for label in wanted if label not in present]
    if strangers:
        raise ValueError(
            f"sampling_strategy names classes that are not in y: {strangers}. "
            f"Classes: {list(present)}."
        )
    added = {}
    for label in (label for label in present if label in wanted):
        total = check_count(f"sampling_strategy[{label!r}]", wanted[label], low=0)
        if total < present[label]:
            raise ValueError(
                f"sampling_strategy[{label!r}] must be at least {present[label]}, the rows of "
                f"that class already there, got {total}: over-sampling removes nothing."
            )
        added[label] = total - present[label]
    return added
