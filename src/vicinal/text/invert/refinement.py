"""Stage 2: a task is learned, and the adaptor follows the space that moved."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import FitKey, RandomState, Seeds
from vicinal.text.encoder import check_texts
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.alignment import (
    check_seeded,
    copied,
    distinct_texts,
    inherited_notes,
    make_recipe,
    short_rows,
)
from vicinal.text.invert.checkpoint import Workplace, hash_texts, identity_of
from vicinal.text.invert.finetune import can_be_tuned, fit_head, warm_up
from vicinal.text.invert.fitting import (
    Examples,
    embed,
    fit,
    shown_progress,
)
from vicinal.text.invert.inverter import Inverter
from vicinal.text.invert.task import TaskInverter

__all__ = ["follow", "refine"]

Floats = npt.NDArray[np.float32]
#: With "auto", the encoder is tuned where there are so many labelled texts, all classes together:
#: a rule of thumb that nothing was measured for.
FROM_ROWS = 400
#: With fewer sentences an adaptor whose space did not move is left as it is.
_ENOUGH = 200


def refine(
    inverter: Inverter,
    texts: Sequence[str],
    labels: Iterable[Any],
    *,
    unlabelled: Sequence[str] | None = None,
    tune: str = "auto",
    task_epochs: int = 3,
    task_rate: float = 5e-5,
    epochs: float = 5,
    batch_size: int = 32,
    learning_rate: float = 2e-4,
    validation: float = 0.1,
    max_attempts: int | None = 3,
    max_tokens: int = 96,
    dtype: str = "auto",
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
    random_state: RandomState = 0,
) -> TaskInverter:
    """Teach an inverter a task: stage 2 of inversedMixup.

    With ``tune="head"`` a classification head learns on the embeddings, and encoder and embeddings
    stay. With ``tune="encoder"`` the task model, encoder and that head, is fine-tuned on the
    labelled texts; then the adaptor follows the space that moved, first by a ridge regression from
    the new embeddings back to the old ones, shrunk towards no change and folded into its first
    layer, then by learning to write the texts. What it forgets is watched on texts held out: the
    weights with the lowest loss there are taken, those before any learning among them.

    Parameters
    ----------
    inverter : Inverter
        Aligned, such as "nano". It is not changed.
    texts : sequence of str
        Labelled texts.
    labels : sequence of str, int or bool
        One class for each text, at least two classes in all.
    unlabelled : sequence of str, optional
        More texts of the same kind, by which the adaptor follows the encoder.
    tune : {"auto", "head", "encoder"}, default "auto"
        What learns the task; "auto" takes the encoder from 400 labelled texts on, where it can be
        tuned. That number is a rule of thumb, not a measurement: try both where it matters.
    task_epochs : int, default 3
        With "encoder": passes of the task model over the labelled texts.
    task_rate : float, default 5e-5
        With "encoder": highest learning rate of the task model.
    epochs : float, default 5
        Passes of the adaptor over labelled and unlabelled texts; 0 leaves it at the regression.
    batch_size : int, default 32
        Sentences in an update of the adaptor.
    learning_rate : float, default 2e-4
        Highest rate of the adaptor.
    validation : float, default 0.1
        Share of the texts held out while the adaptor learns.
    max_attempts : int, optional, default 3
        Evaluations without a lower loss on what is held out before the adaptor stops.
    max_tokens : int, default 96
        The adaptor does not learn from texts of more tokens.
    dtype : {"auto", "float32", "bfloat16"}, default "auto"
        Arithmetic; "auto" takes bfloat16 where the processor multiplies it.
    checkpoint : str or path, optional
        Folder to go on from when it was interrupted.
    progress : bool, optional
        Whether to show a bar; by default where a person looks on.
    random_state : int, Generator or None
        Seed.

    Returns
    -------
    TaskInverter
        An inverter in the task model's space that predicts as well. ``notes["task"]`` says what was
        tuned and, for an encoder, which share of its movement the regression undoes on texts left
        out; ``notes["history"]`` holds the adaptor's evaluations.

    Raises
    ------
    TypeError, ValueError
        If texts, labels or a setting are not what they should be, there is one class only, the
        encoder cannot be tuned, or the checkpoint was begun with something else.
    KeyboardInterrupt
        After Ctrl-C, once all is kept in ``checkpoint``; it is kept where the process is told to
        end (SIGTERM), too.

    Warns
    -----
    UserWarning
        Where a class has one text only, or texts are empty.

    References
    ----------
    Kong et al., "inversedMixup: Data Augmentation via Inverting Mixed Embeddings", 2026.

    Examples
    --------
    >>> task = refine(Inverter.from_pretrained("nano"), texts, labels)  # doctest: +SKIP
    >>> task.invert(task.encode(["A fine day."]), candidates=4)  # doctest: +SKIP
    """
    from vicinal.text.labels import check_classes

    check_choice("tune", tune, ["auto", "head", "encoder"])
    check_count("task_epochs", task_epochs)
    check_number("task_rate", task_rate, low=0.0, open_low=True)
    check_number("epochs", epochs, low=0.0)
    check_count("max_tokens", max_tokens, low=2)
    seed = check_seeded(random_state, checkpoint)
    listed, labels = check_texts(texts), _listed(labels)
    classes, numbers = check_classes(labels, len(listed))
    classes = _in_dtype(classes, labels)
    _warn_of_empty(listed)
    more = [] if unlabelled is None else check_texts(unlabelled, "unlabelled")
    both = distinct_texts([text for text in (*listed, *more) if text.strip()])
    short, rows = short_rows(both, inverter, max_tokens)
    if tune == "auto":
        able = len(listed) >= FROM_ROWS and can_be_tuned(inverter.encoder)
        tune = "encoder" if able else "head"
    recipe = make_recipe(
        len(short),
        epochs=epochs or 1,
        steps=None,
        batch_size=batch_size,
        learning_rate=learning_rate,
        decoder_rate=learning_rate,
        warmup=None,
        validation=validation,
        max_attempts=max_attempts,
        noise=0.0,
        dtype=dtype,
        decoder=False,
    )
    seeds = Seeds(random_state)
    adaptor, decoder = copied(inverter, learns=False)
    labelled = [f"{number} {text}" for number, text in zip(numbers, listed, strict=True)]
    identity = identity_of(
        "refine", inverter.encoder, adaptor, decoder, short, recipe,
        validation=validation, random_state=seed, tune=tune, epochs=epochs,
        task_epochs=task_epochs, task_rate=task_rate,
        labels=hash_texts(labelled),
        classes=[str(one) for one in classes],
    )  # fmt: skip
    workplace = Workplace(None if checkpoint is None else Path(checkpoint), identity)
    show = shown_progress(progress)
    about: dict[str, Any] = {"tune": tune, "labelled": len(listed), "unlabelled": len(more)}
    if tune == "head":
        encoder = inverter.encoder
        head = fit_head(encoder.encode(listed), numbers, classes)
        embeddings = embed(encoder, short, workplace.part("embeddings"), show)
    else:
        encoder, head = warm_up(
            inverter.encoder, listed, numbers, classes, epochs=task_epochs, rate=task_rate,
            dtype=dtype, seeds=Seeds(seeds.generator(FitKey.TUNED)), folder=workplace.part("task"),
        )  # fmt: skip
        embeddings = embed(encoder, short, workplace.part("embeddings"), show)
        before = embed(inverter.encoder, short, workplace.part("before"), show)
        about["undone"] = follow(adaptor, embeddings, before)
    history = []
    if epochs and (tune == "encoder" or len(short) >= _ENOUGH):
        examples = Examples(embeddings, rows, validation, Seeds(seeds.generator(FitKey.FOLLOWED)))
        history = fit(adaptor, decoder, examples, recipe, workplace, progress=show)
    notes = {**inherited_notes(inverter), "task": about, "history": history}
    return TaskInverter(encoder, adaptor, decoder, head, notes=notes)


def follow(adaptor: Adaptor, moved: Floats, original: Floats) -> float:
    """Make an adaptor read embeddings that moved, by a ridge regression towards no change.

    Of all affine maps ``h -> h + D h + b`` from moved to original embeddings, the one with the
    least squared error plus ``penalty * |D|^2`` is taken; the penalty is the one of a grid with
    the least error on rows left out, one at a time (in closed form). It is folded into the first
    layer, so the adaptor keeps its shape.

    Parameters
    ----------
    adaptor : Adaptor
        Changed in place.
    moved, original : ndarray of shape (n, dim)
        Embeddings of the same texts by the new and the old encoder.

    Returns
    -------
    float
        Share of the squared change that the map undoes, on rows left out.
    """
    X, R = np.asarray(moved, np.float64), np.asarray(original, np.float64) - moved
    center, change = X.mean(0), R.mean(0)
    X, R = X - center, R - change
    _, values, right = np.linalg.svd(X, full_matrices=False)
    scores = X @ right.T  # (n, rank)
    total = float(np.square(R).sum())
    best = (np.inf, 0.0)
    power = np.square(values)
    for penalty in power.mean() * 10.0 ** np.arange(-4, 4):
        kept = np.divide(1.0, power + penalty)
        fitted = scores @ (kept[:, None] * (scores.T @ R))
        leverage = np.einsum("ij,j,ij->i", scores, kept, scores) + 1 / len(X)
        left_out = (R - fitted) / np.maximum(1 - leverage, 1e-6)[:, None]
        best = min(best, (float(np.square(left_out).sum()), float(penalty)))
    kept = np.divide(1.0, power + best[1])
    D = (right.T * kept) @ (scores.T @ R)  # (dim, dim): h_old = h + (h - center) D + change
    first: Any = adaptor.net[0]
    mean = adaptor.mean.double().cpu().numpy()
    scale = float(adaptor.scale)
    # (h + (h - c) D + b - m) / s with x = (h - m) / s is x (I + D) + ((m - c) D + b) / s
    shift = ((mean - center) @ D + change) / scale
    weight = first.weight.detach().double().cpu().numpy()  # (hidden, dim)
    with torch.no_grad():
        first.bias.add_(torch.from_numpy(weight @ shift).to(first.bias))
        first.weight.copy_(torch.from_numpy(weight + weight @ D.T))
    return 1.0 - best[0] / total if total else 1.0


def _listed(labels: Iterable[Any]) -> Any:
    """Return labels as they are where they can be read twice, else as a list."""
    return (
        labels if isinstance(labels, (str, Sequence)) or hasattr(labels, "dtype") else list(labels)
    )


def _in_dtype(classes: npt.NDArray[Any], labels: Any) -> npt.NDArray[Any]:
    """Return classes with the dtype that whole numbers came in."""
    dtype = getattr(labels, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "iu":
        return classes.astype(dtype)
    return classes


def _warn_of_empty(texts: Sequence[str]) -> None:
    empty = sum(not text.strip() for text in texts)
    if empty:
        warnings.warn(
            f"{empty} of {len(texts)} texts are empty: there is nothing to learn from them.",
            UserWarning,
            stacklevel=3,
        )
