"""The way from one sentence to another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from os import PathLike

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count
from vicinal._random import RandomState, Seeds
from vicinal.page.frame import Page, Paged
from vicinal.text.augment.pairs import check_sentences
from vicinal.text.augment.ratio import coincide
from vicinal.text.augment.writing import (
    RECOMBINE,
    InverterLike,
    SelectionConfig,
    as_inverter,
    write_sentences,
)
from vicinal.text.encoder import check_utf8

__all__ = ["Morph", "morph"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Morph(Paged):
    """Sentences on the way from one to another.

    Attributes
    ----------
    left, right : str
        The two sentences.
    lam : ndarray of shape (steps,)
        Weight of the left one, from 1 down to 0.
    sentences : list of str
        What was written for each ratio; at 1 and 0 too it is the inverter that writes.
    lam_measured : ndarray of shape (steps,)
        The ratio measured on each sentence, see :func:`vicinal.text.measure_ratio`; NaN where the
        two sentences are one point.
    closeness : ndarray of shape (steps,)
        Cosine of each sentence's embedding and the mixed one.
    log_likelihood : ndarray of shape (steps,)
        The decoder's mean log-probability of a token.
    """

    left: str
    right: str
    lam: FloatArray
    sentences: list[str]
    lam_measured: FloatArray
    closeness: FloatArray
    log_likelihood: FloatArray

    def __len__(self) -> int:
        return len(self.sentences)

    def __str__(self) -> str:
        lines = ["lam   measured  close  sentence"]
        rows = zip(self.lam, self.lam_measured, self.closeness, self.sentences, strict=True)
        for lam, measured, close, sentence in rows:
            shown = "-" if np.isnan(measured) else f"{measured:.2f}"
            lines.append(f"{lam:.2f}  {shown:>8}  {close:5.2f}  {sentence}")
        return "\n".join(lines)

    def _page(self) -> Page:
        from vicinal.text.augment.page import morph_page

        return morph_page(self)


def morph(
    left: str,
    right: str,
    steps: int = 5,
    *,
    inverter: InverterLike | str | PathLike[str] = "nano",
    candidates: int = 8,
    rank: str = "both",
    recombine: int = RECOMBINE,
    random_state: RandomState = 0,
) -> Morph:
    """Write the sentences between two.

    Parameters
    ----------
    left, right : str
        Two sentences.
    steps : int, default 5
        How many to write, both ends included; 2 or more.
    inverter : Inverter, TaskInverter, str or path, default "nano"
        What embeds and writes, or the name or folder of it; "nano", the embedded one, knows
        English.
    candidates : int, default 8
        Sentences written for each ratio, of which the best is taken.
    rank : {"both", "closeness", "ratio"}, default "both"
        What makes a candidate the best, as for :func:`vicinal.text.augment`.
    recombine : int, default 3
        How often the best candidate takes over words from another, as there.
    random_state : int, numpy.random.Generator or None, default 0
        Seed of the candidates.

    Returns
    -------
    Morph
        Sentences, with the ratio and the closeness measured on each.

    Raises
    ------
    ValueError
        If a sentence is empty or holds half a character, or a parameter is out of range.
    TypeError
        If a sentence is no string.

    Warns
    -----
    UserWarning
        Where the two sentences are one point, or one is cut, a single word, or foreign to the
        encoder.

    Examples
    --------
    >>> from vicinal.text import morph  # doctest: +SKIP
    >>> print(morph("The film was a delight.", "The battery died."))  # doctest: +SKIP
    """
    steps = check_count("steps", steps, low=2, hint="Both ends count.")
    choosing = SelectionConfig(candidates, rank, recombine).check()
    for name, text in (("left", left), ("right", right)):
        if not isinstance(text, str):
            raise TypeError(f"{name} must be a sentence (str), got {type(text).__name__}.")
        if not text.strip():
            raise ValueError(f"{name} is empty. Give a sentence.")
        check_utf8(name, text)
    seeds = Seeds(random_state)
    inverter = as_inverter(inverter)
    ends = np.asarray(inverter.encode(check_sentences(inverter, [left, right])))
    lam = np.linspace(1.0, 0.0, steps)
    if coincide(*ends):
        warnings.warn(
            "left and right are one point to the encoder, so that nothing lies between them and "
            "no ratio can be measured. Give two different sentences.",
            UserWarning,
            stacklevel=2,
        )
    mixed = lam[:, None] * ends[0] + (1 - lam[:, None]) * ends[1]
    a, b = (np.broadcast_to(one, mixed.shape) for one in ends)
    written = write_sentences(
        inverter,
        mixed.astype(np.float32),
        a,
        b,
        lam,
        choosing,
        random_state=seeds.generator(0),
    )
    return Morph(
        left,
        right,
        lam,
        written.sentences,
        written.lam_measured,
        written.closeness,
        written.log_likelihood,
    )
