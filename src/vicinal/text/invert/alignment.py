"""Stage 1: an adaptor learns the language of a model that stays as it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import deepcopy
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._progress import ProgressCallback, reporting
from vicinal._random import RandomState, Seeds
from vicinal.text.encoder import check_texts
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.checkpoint import Checkpoint, identity_of
from vicinal.text.invert.decoders import Decoder
from vicinal.text.invert.fitting import (
    Sentences,
    TrainingOptions,
    embed,
    fit,
    parameters_of,
    ready_to_learn,
)
from vicinal.text.invert.inverter import Inverter

#: Options that the notes of an aligned inverter keep.
_TOLD = ("batch_size", "learning_rate", "decoder_rate", "warmup", "noise")


def align(
    inverter: Inverter,
    texts: Sequence[str],
    *,
    options: TrainingOptions | None = None,
    checkpoint: str | PathLike[str] | None = None,
    copy: bool = True,
    progress: bool | ProgressCallback = False,
    random_state: RandomState = None,
) -> Inverter:
    """Teach an inverter to write texts from their embeddings: stage 1 of inversedMixup.

    The adaptor learns, and the language model where it was built to (LoRA, or trained whole). The
    encoder stays as it is.

    Parameters
    ----------
    inverter : Inverter
        As :meth:`Inverter.build` or :meth:`Inverter.from_pretrained` made it.
    texts : sequence of str
        Unlabelled sentences like those to be written; tens of thousands for a new adaptor.
        Repeated and empty ones are left out.
    options : TrainingOptions, optional
        How it learns; ``TrainingOptions()`` where left out.
    checkpoint : str or path, optional
        Folder to go on from after an interruption, to the same result.
    copy : bool, default True
        Whether ``inverter`` stays as it is; False teaches it in place, in less memory.
    progress : bool or ProgressCallback, default False
        Whether to show a bar, or what to tell of each step.
    random_state : int, Generator or None
        Seed of all that is drawn. A number where there is a checkpoint.

    Returns
    -------
    Inverter
        A new one; ``notes["history"]`` holds step, loss and held-out loss of each evaluation.

    Raises
    ------
    TypeError, ValueError
        If texts or checkpoint are not what they should be, or the loss is not finite.
    KeyboardInterrupt
        After Ctrl-C, once all is kept in ``checkpoint`` (as after SIGTERM).

    Warns
    -----
    UserWarning
        Where texts are empty or too long, and left out.

    Examples
    --------
    >>> inverter = Inverter.build(Encoder(), "my-model", soft_tokens=8)  # doctest: +SKIP
    >>> inverter = align(inverter, sentences, random_state=0)  # doctest: +SKIP
    >>> inverter.save_pretrained("my-inverter")  # doctest: +SKIP
    """
    options = TrainingOptions() if options is None else options
    seed = check_seeded(random_state, checkpoint)
    texts, tokens = short_texts(distinct_texts(texts), inverter, options.max_tokens)
    options = options.for_texts(len(texts))
    adaptor, decoder = inverter.adaptor, inverter.decoder
    if copy:
        adaptor, decoder = copied(inverter, learns=True)
    identity = identity_of(
        "align", inverter.encoder, adaptor, decoder, texts, options, random_state=seed
    )
    kept = Checkpoint(None if checkpoint is None else Path(checkpoint), identity)
    with reporting(progress) as report:
        embeddings = embed(inverter.encoder, texts, kept.part("embeddings"), report)
        if not bool(adaptor.mean.any()) and float(adaptor.scale) == 1.0:  # a new one
            adaptor.fit_scale(embeddings)
        sentences = Sentences(embeddings, tokens, options.validation, Seeds(random_state))
        history = fit(adaptor, decoder, sentences, options, kept.folder, learns=True, report=report)
    notes = {**inherited_notes(inverter), "history": history}
    notes["aligned"] = {
        "texts": len(texts),
        "steps": int(history[-1]["step"]),
        "seed": seed,
        "options": {name: getattr(options, name) for name in _TOLD},
    }
    made = Inverter(inverter.encoder, adaptor, decoder, notes=notes)
    made.guide = inverter.guide
    return made


def check_seeded(random_state: RandomState, checkpoint: object) -> int | None:
    """Refuse a checkpoint whose fit nothing could go on with; return the seed, if there is one."""
    if isinstance(random_state, Integral):
        return int(random_state)
    if checkpoint is not None:
        raise ValueError(
            f"random_state must be a number where there is a checkpoint, got {random_state!r}: "
            "only the same seed can go on from it."
        )
    return None


def inherited_notes(inverter: Inverter) -> dict[str, Any]:
    """Return an inverter's notes for one that goes on from it: its figures are not the other's."""
    notes = dict(inverter.notes)
    for own in ("figures", "confidence", "kept"):
        notes.pop(own, None)
    if "training" in notes:
        notes["began as"] = {"training": notes.pop("training"), **notes.get("began as", {})}
    return notes


def copied(inverter: Inverter, *, learns: bool) -> tuple[Adaptor, Decoder]:
    """Copy the adaptor, and the decoder where it is to learn; frozen weights are shared."""
    decoder = inverter.decoder
    learning = {id(one) for one in decoder.trainable}
    if learns and learning:
        ready_to_learn(decoder)  # the weights will be shared
        frozen = {id(one): one for one in parameters_of(decoder) if id(one) not in learning}
        decoder = deepcopy(decoder, dict(frozen))
    return deepcopy(inverter.adaptor), decoder


def distinct_texts(texts: Sequence[str], name: str = "texts") -> list[str]:
    """Return texts without repetitions and empty ones."""
    listed = check_texts(texts, name)
    kept = [text for text in dict.fromkeys(listed) if text.strip()]
    if empty := sum(not text.strip() for text in listed):
        warnings.warn(
            f"{empty} of {len(listed)} {name} are empty, and left out: there is nothing to write.",
            UserWarning,
            stacklevel=3,
        )
    if len(kept) < 2:
        raise ValueError(
            f"{name} must hold at least two different texts that are not empty, got {len(kept)}."
        )
    return kept


def short_texts(
    texts: list[str], inverter: Inverter, max_tokens: int
) -> tuple[list[str], list[list[int]]]:
    """Return the texts that are not too long, and their tokens."""
    # a book is too long for certain, and takes long to tokenize
    heads = [text[: 40 * max_tokens] for text in texts]
    rows = inverter.decoder.tokenize(heads)
    most = min(max_tokens, inverter.decoder.room(inverter.adaptor.soft_tokens))
    short = [
        at
        for at, (text, row) in enumerate(zip(texts, rows, strict=True))
        if 1 < len(row) <= most and len(text) <= 40 * max_tokens
    ]
    if len(short) < 2:
        remedy = ", or raise max_tokens." if most == max_tokens else ": the model reads no more."
        raise ValueError(
            f"texts must have at most {most} tokens each, only {len(short)} of {len(texts)} have. "
            f"Split them into sentences{remedy}"
        )
    if len(short) < len(texts):
        warnings.warn(
            f"{len(texts) - len(short)} of {len(texts)} texts have more than {most} tokens, "
            "or none that the language model knows, and are left out. Split them into sentences.",
            UserWarning,
            stacklevel=3,
        )
    return [texts[at] for at in short], [list(rows[at]) for at in short]
