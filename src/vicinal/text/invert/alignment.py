"""Stage 1: an adaptor learns the language of a model that stays as it is."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Sequence
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import RandomState, Seeds
from vicinal.text.encoder import check_texts
from vicinal.text.invert.adaptor import Adaptor
from vicinal.text.invert.checkpoint import Workplace, identity_of
from vicinal.text.invert.decoders import Decoder
from vicinal.text.invert.fitting import (
    Examples,
    Recipe,
    embed,
    fit,
    shown_progress,
)
from vicinal.text.invert.inverter import Inverter

__all__ = [
    "align",
    "check_seeded",
    "copied",
    "distinct_texts",
    "inherited_notes",
    "make_recipe",
    "short_rows",
]

#: Settings of a fit that the notes of an aligned inverter keep.
_TOLD = ("batch_size", "learning_rate", "decoder_rate", "warmup", "noise")


def align(
    inverter: Inverter,
    texts: Sequence[str],
    *,
    epochs: float = 1,
    steps: int | None = None,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    decoder_rate: float = 3e-4,
    warmup: int | None = None,
    validation: float = 0.02,
    max_attempts: int | None = 5,
    noise: float = 0.0,
    max_tokens: int = 96,
    dtype: str = "auto",
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
    random_state: RandomState = 0,
) -> Inverter:
    """Teach an inverter to write texts from their embeddings: stage 1 of inversedMixup.

    The adaptor learns; the language model learns with it only where it was built to (LoRA, or
    trained whole). The encoder stays as it is, so each text is embedded once.

    Parameters
    ----------
    inverter : Inverter
        As :meth:`Inverter.build` or :meth:`Inverter.from_pretrained` made it. It is not changed.
    texts : sequence of str
        Unlabelled sentences like those to be written later; tens of thousands at least for a new
        adaptor. Repeated and empty ones are left out.
    epochs : float, default 1
        Passes over the texts.
    steps : int, optional
        Updates, in place of ``epochs``.
    batch_size : int, default 64
        Sentences in an update; sentences of like length go together.
    learning_rate, decoder_rate : float
        Highest rates, of the adaptor and of what learns of the language model.
    warmup : int, optional
        Updates in which the rates rise; 200, or a tenth of all if that is less, where left out.
        They fall to 0 along a cosine afterwards.
    validation : float, default 0.02
        Share of the texts that is held out, 2,000 at most; fewer than 20 texts hold out none.
    max_attempts : int, optional, default 5
        Evaluations without a lower loss on what is held out before training stops. The weights with
        the lowest loss are taken. None goes on to the last update.
    noise : float, default 0.0
        Embeddings are disturbed by up to so many of their standard deviations, each by another
        amount, which makes the inverter calmer between real sentences.
    max_tokens : int, default 96
        Texts that the language model reads as more tokens, or has no room for, are left out.
    dtype : {"auto", "float32", "bfloat16"}, default "auto"
        Arithmetic; "auto" takes bfloat16 where the processor multiplies it. Weights are kept as
        they are.
    checkpoint : str or path, optional
        Folder to go on from when it was interrupted. The result is the same as without the
        interruption.
    progress : bool, optional
        Whether to show a bar; by default where a person looks on.
    random_state : int, Generator or None
        Seed of what is held out, of the order, of noise and dropout.

    Returns
    -------
    Inverter
        A new one, with ``notes["history"]``: step, loss and loss on what was held out, for each
        evaluation.

    Raises
    ------
    TypeError, ValueError
        If texts or a setting are not what they should be, the loss is not finite, or the
        checkpoint was begun with something else.
    KeyboardInterrupt
        After Ctrl-C, once all is kept in ``checkpoint``; it is kept where the process is told to
        end (SIGTERM), too.

    Warns
    -----
    UserWarning
        Where texts are empty or too long, and left out.

    References
    ----------
    Kong et al., "inversedMixup: Data Augmentation via Inverting Mixed Embeddings", 2026.

    Examples
    --------
    >>> inverter = Inverter.build(Encoder(), "my-model", soft_tokens=8)  # doctest: +SKIP
    >>> inverter = align(inverter, sentences, checkpoint="alignment")  # doctest: +SKIP
    >>> inverter.save_pretrained("my-inverter")  # doctest: +SKIP
    """
    check_number("noise", noise, low=0.0)
    check_count("max_tokens", max_tokens, low=2)
    seed = check_seeded(random_state, checkpoint)
    texts = distinct_texts(texts)
    texts, rows = short_rows(texts, inverter, max_tokens)
    seeds = Seeds(random_state)
    recipe = make_recipe(
        len(texts),
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        decoder_rate=decoder_rate,
        warmup=warmup,
        validation=validation,
        max_attempts=max_attempts,
        noise=noise,
        dtype=dtype,
    )
    adaptor, decoder = copied(inverter, learns=True)
    identity = identity_of(
        "align",
        inverter.encoder,
        adaptor,
        decoder,
        texts,
        recipe,
        validation=validation,
        random_state=seed,
    )
    workplace = Workplace(None if checkpoint is None else Path(checkpoint), identity)
    show = shown_progress(progress)
    embeddings = embed(inverter.encoder, texts, workplace.part("embeddings"), show)
    if not bool(adaptor.mean.any()) and float(adaptor.scale) == 1.0:  # a new one
        adaptor.fit_scale(embeddings)
    examples = Examples(embeddings, rows, validation, seeds)
    history = fit(adaptor, decoder, examples, recipe, workplace, progress=show)
    notes = {**inherited_notes(inverter), "history": history}
    notes["aligned"] = {"texts": len(texts), "steps": int(history[-1]["step"]), "seed": seed}
    notes["aligned"]["recipe"] = {name: getattr(recipe, name) for name in _TOLD}
    return Inverter(inverter.encoder, adaptor, decoder, notes=notes)


def check_seeded(random_state: RandomState, checkpoint: object) -> int | None:
    """Refuse a checkpoint whose fit nothing could go on with; return the seed, if there is one.

    Raises
    ------
    ValueError
        If there is no seed that a second call could have as well.
    """
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
    notes.pop("figures", None)
    if "training" in notes:
        notes["began as"] = {"training": notes.pop("training"), **notes.get("began as", {})}
    return notes


def copied(inverter: Inverter, *, learns: bool) -> tuple[Adaptor, Decoder]:
    """Return a copy of the adaptor, and of the decoder where it is to learn.

    Weights that are frozen are shared with the copy.
    """
    decoder = inverter.decoder
    learning = {id(one) for one in decoder.trainable}
    if learns and learning:
        frozen = {id(one): one for one in _parameters(decoder) if id(one) not in learning}
        decoder = copy.deepcopy(decoder, dict(frozen))
    return copy.deepcopy(inverter.adaptor), decoder


def make_recipe(
    n_texts: int,
    *,
    epochs: float,
    steps: int | None,
    batch_size: int,
    learning_rate: float,
    decoder_rate: float,
    warmup: int | None,
    validation: float,
    max_attempts: int | None,
    noise: float,
    dtype: str,
    decoder: bool = True,
) -> Recipe:
    """Check settings, and return how the fit goes.

    Raises
    ------
    TypeError, ValueError
        Naming what is wrong.
    """
    check_choice("dtype", dtype, ["auto", "float32", "bfloat16"])
    check_count("batch_size", batch_size)
    for name, rate in (("learning_rate", learning_rate), ("decoder_rate", decoder_rate)):
        check_number(name, rate, low=0.0, open_low=True)
    check_number("validation", validation, low=0.0, high=0.5)
    if max_attempts is not None:
        check_count("max_attempts", max_attempts)
    if steps is None:
        check_number("epochs", epochs, low=0.0, open_low=True)
        steps = max(1, math.ceil(epochs * n_texts * (1 - validation) / batch_size))
    check_count("steps", steps)
    warmup = min(200, steps // 10) if warmup is None else check_count("warmup", warmup, low=0)
    return Recipe(
        steps=steps,
        batch_size=batch_size,
        learning_rate=float(learning_rate),
        decoder_rate=float(decoder_rate),
        warmup=warmup,
        max_attempts=max_attempts,
        evaluate_every=max(1, min(500, steps // 10)),
        noise=float(noise),
        decoder=decoder,
        dtype=dtype,
    )


def distinct_texts(texts: Sequence[str], name: str = "texts") -> list[str]:
    """Return texts without repetitions and empty ones.

    Raises
    ------
    ValueError
        If fewer than two are left.
    """
    listed = check_texts(texts, name)
    kept = [text for text in dict.fromkeys(listed) if text.strip()]
    empty = sum(not text.strip() for text in listed)
    if empty:
        warnings.warn(
            f"{empty} of {len(listed)} {name} are empty, and left out: there is nothing to write.",
            UserWarning,
            stacklevel=3,
        )
    if len(kept) < 2:
        raise ValueError(
            f"{name} must hold at least two different texts that are not empty, got {len(kept)}. "
            "Give more."
        )
    return kept


def short_rows(
    texts: list[str], inverter: Inverter, max_tokens: int
) -> tuple[list[str], list[list[int]]]:
    """Return the texts that are not too long, and their tokens.

    Raises
    ------
    ValueError
        If all are too long.
    """
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
        raise ValueError(
            f"texts must have at most {most} tokens each, only {len(short)} of {len(texts)} have. "
            "Split them into sentences"
            + (", or raise max_tokens." if most == max_tokens else ": the model reads no more.")
        )
    if len(short) < len(texts):
        warnings.warn(
            f"{len(texts) - len(short)} of {len(texts)} texts have more than {most} tokens, "
            "or none that the language model knows, and are left out. Split them into sentences.",
            UserWarning,
            stacklevel=3,
        )
    return [texts[at] for at in short], [list(rows[at]) for at in short]


def _parameters(decoder: Decoder) -> list[Any]:
    """Return all parameters of the networks that a decoder holds."""
    from torch import nn

    found: list[Any] = []
    for part in vars(decoder).values():
        if isinstance(part, nn.Module):
            found += part.parameters()
    return found
