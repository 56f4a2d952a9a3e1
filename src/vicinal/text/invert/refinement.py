"""Stage 2: a task is learned, and the adaptor follows the space that moved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vicinal._checks import check_choice
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import FitKey, RandomState, Seeds
from vicinal._types import Floats32
from vicinal.text.encoder import check_texts
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.alignment import (
    check_seeded,
    copied,
    distinct_texts,
    inherited_notes,
    short_texts,
)
from vicinal.text.invert.checkpoint import Checkpoint, hash_texts, identity_of
from vicinal.text.invert.finetune import can_be_tuned, fit_head, warm_up
from vicinal.text.invert.fitting import RefinementOptions, Sentences, embed, fit
from vicinal.text.invert.inverter import Inverter
from vicinal.text.invert.task import TaskInverter
from vicinal.text.labels import check_classes, warn_of_empty

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
    options: RefinementOptions | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | ProgressCallback = False,
    random_state: RandomState = None,
) -> TaskInverter:
    """Teach an inverter a task: stage 2 of inversedMixup.

    With ``tune="head"`` a classification head learns on the embeddings, which stay as they are.
    With ``tune="encoder"`` encoder and head are fine-tuned on the labelled texts; then the adaptor
    follows the space that moved, first by a ridge regression from the new embeddings to the old
    ones, then by learning to write the texts. The weights with the lowest loss on texts held out
    are taken, those before any learning among them.

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
        tuned: a rule of thumb, so try both where it matters.
    options : RefinementOptions, optional
        How task model and adaptor learn; ``RefinementOptions()`` where left out.
    checkpoint : str or path, optional
        Folder to go on from after an interruption, to the same result.
    progress : bool or ProgressCallback, default False
        Whether to show a bar, or what to tell of each step.
    random_state : int, Generator or None
        Seed. A number where there is a checkpoint.

    Returns
    -------
    TaskInverter
        An inverter in the task model's space that predicts as well. ``notes["task"]`` says what was
        tuned and which share of an encoder's movement the regression undoes on texts left out;
        ``notes["history"]`` holds the adaptor's evaluations.

    Raises
    ------
    TypeError, ValueError
        If texts, labels or checkpoint are not what they should be, there is one class only, or the
        encoder cannot be tuned.
    KeyboardInterrupt
        After Ctrl-C, once all is kept in ``checkpoint`` (as after SIGTERM).

    Warns
    -----
    UserWarning
        Where a class has one text only, or texts are empty.

    Examples
    --------
    >>> task = refine(Inverter.from_pretrained("nano"), texts, labels)  # doctest: +SKIP
    >>> task.invert(task.encode(["A fine day."]), candidates=4)  # doctest: +SKIP
    """
    check_choice("tune", tune, ["auto", "head", "encoder"])
    seed = check_seeded(random_state, checkpoint)
    chosen = RefinementOptions() if options is None else options
    listed = check_texts(texts)
    classes, numbers = check_classes(labels, len(listed))
    warn_of_empty(listed)
    more = [] if unlabelled is None else check_texts(unlabelled, "unlabelled")
    both = distinct_texts([text for text in (*listed, *more) if text.strip()])
    short, tokens = short_texts(both, inverter, chosen.max_tokens)
    chosen = chosen.for_texts(len(short))
    if tune == "auto":
        tune = _choose_tune(inverter, len(listed))
    seeds = Seeds(random_state)
    adaptor, decoder = copied(inverter, learns=False)
    labelled = [f"{number} {text}" for number, text in zip(numbers, listed, strict=True)]
    identity = identity_of(
        "refine", inverter.encoder, adaptor, decoder, short, chosen,
        random_state=seed, tune=tune, labels=hash_texts(labelled),
        classes=[str(one) for one in classes],
    )  # fmt: skip
    kept = Checkpoint(None if checkpoint is None else Path(checkpoint), identity)
    about: dict[str, Any] = {"tune": tune, "labelled": len(listed), "unlabelled": len(more)}
    history = []
    with reporting(progress) as report:
        if tune == "head":
            encoder = inverter.encoder
            head = fit_head(encoder.encode(listed), numbers, classes)
            embeddings = embed(encoder, short, kept.part("embeddings"), report)
        else:
            encoder, head = warm_up(
                inverter.encoder, listed, numbers, classes, chosen,
                seeds=Seeds(seeds.generator(FitKey.TUNED)), folder=kept.part("task"), report=report,
            )  # fmt: skip
            embeddings = embed(encoder, short, kept.part("embeddings"), report)
            before = embed(inverter.encoder, short, kept.part("before"), report)
            about["undone"] = follow(adaptor, embeddings, before)
        if chosen.epochs and (tune == "encoder" or len(short) >= _ENOUGH):
            sentences = Sentences(
                embeddings, tokens, chosen.validation, Seeds(seeds.generator(FitKey.FOLLOWED))
            )
            history = fit(
                adaptor, decoder, sentences, chosen, kept.folder, learns=False, report=report
            )
    same = encoder is inverter.encoder and not history  # it writes what it wrote
    notes = dict(inverter.notes) if same else inherited_notes(inverter)
    notes |= {"task": about, "history": history}
    made = TaskInverter(encoder, adaptor, decoder, head, notes=notes)
    made.guide = inverter.guide if encoder is inverter.encoder else None
    return made


def _choose_tune(inverter: Inverter, n_labelled: int) -> str:
    able = n_labelled >= FROM_ROWS and can_be_tuned(inverter.encoder)
    return "encoder" if able else "head"


def follow(adaptor: Adaptor, moved: Floats32, original: Floats32) -> float:
    """Make an adaptor read embeddings that moved, by a ridge regression towards no change."""
    # of all maps h -> h + D h + b the one with the least squared error plus penalty * |D|^2, at the
    # penalty with the least error on rows left out; folded into the first layer
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
