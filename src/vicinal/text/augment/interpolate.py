"""The way from one sentence to another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from vicinal._checks import check_count
from vicinal._random import AugmentKey, RandomState, Seeds
from vicinal._types import Floats
from vicinal.page.frame import Page
from vicinal.page.result import RowsResult
from vicinal.text.augment.pairs import check_sentences
from vicinal.text.augment.ratio import coincide, project
from vicinal.text.augment.selection import (
    InverterLike,
    SelectionConfig,
    as_inverter,
    as_selection,
    select_sentences,
)
from vicinal.text.encoder import check_utf8


@dataclass(frozen=True, eq=False)
class Morph(RowsResult):
    """Sentences on the way from one to another.

    Attributes
    ----------
    left, right : str
        The two sentences.
    lam : ndarray of shape (n_samples,)
        Weight of the left one, from 1 down to 0.
    sentences : list of str
        What was written for each ratio; at 1 and 0 the two sentences themselves.
    lam_measured : ndarray of shape (n_samples,)
        The ratio measured on each sentence, see :func:`vicinal.text.measure_ratio`; NaN where the
        two sentences are one point.
    closeness, log_likelihood : ndarray of shape (n_samples,)
        Cosine of each sentence's embedding and the mixed one, and the decoder's mean
        log-probability of a token.
    """

    left: str
    right: str
    lam: Floats
    sentences: list[str]
    lam_measured: Floats
    closeness: Floats
    log_likelihood: Floats

    def __len__(self) -> int:
        return len(self.sentences)

    def summary(self) -> str:
        """Return the sentences as a table of text."""
        lines = ["lam   measured  close  sentence"]
        rows = zip(self.lam, self.lam_measured, self.closeness, self.sentences, strict=True)
        for lam, measured, close, sentence in rows:
            shown = "-" if np.isnan(measured) else f"{measured:.2f}"
            lines.append(f"{lam:.2f}  {shown:>8}  {close:5.2f}  {sentence}")
        return "\n".join(lines)

    def _columns(self) -> dict[str, Any]:
        names = ("lam", "lam_measured", "closeness", "log_likelihood")
        return {name: getattr(self, name) for name in names} | {"sentence": self.sentences}

    def _page(self) -> Page:
        from vicinal.text.augment.page import morph_page

        return morph_page(self)


def check_ends(left: str, right: str) -> None:
    """Refuse what is no sentence, before a writer is loaded for it."""
    for name, text in (("left", left), ("right", right)):
        if not isinstance(text, str):
            raise TypeError(f"{name} must be a sentence (str), got {type(text).__name__}.")
        if not text.strip():
            raise ValueError(f"{name} is empty. Give a sentence.")
        check_utf8(name, text)


def morph(
    left: str,
    right: str,
    n_samples: int = 5,
    *,
    inverter: InverterLike | str | PathLike[str] | None = None,
    selection: SelectionConfig | int = 4,
    random_state: RandomState = None,
) -> Morph:
    """Write the sentences between two.

    Parameters
    ----------
    left, right : str
        Two sentences.
    n_samples : int, default 5
        Sentences, both ends included; 2 or more.
    inverter : Inverter, TaskInverter, str or path, optional
        What embeds and writes, or its name or folder; as of :meth:`Inverter.from_pretrained`.
    selection : SelectionConfig or int, default 4
        How a sentence is selected from candidates, or how many candidates are written for each
        ratio, as for :func:`vicinal.text.augment`.
    random_state : int, numpy.random.Generator or None
        Seed of the candidates.

    Returns
    -------
    Morph
        Sentences, with the ratio and the closeness measured on each.

    Raises
    ------
    ValueError, TypeError
        If a sentence is none, is empty or holds half a character, or a parameter is out of range.

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
    n_samples = check_count("n_samples", n_samples, low=2, hint="Both ends count.")
    config = as_selection(selection)
    check_ends(left, right)
    seeds = Seeds(random_state)
    inverter = as_inverter(inverter)
    ends = np.asarray(inverter.encode(check_sentences(inverter, [left, right])))
    lam = np.linspace(1.0, 0.0, n_samples)
    if coincide(*ends):
        warnings.warn(
            "left and right are one point to the encoder, so that nothing lies between them and "
            "no ratio can be measured. Give two different sentences.",
            stacklevel=2,
        )
    inner = lam[1:-1]  # at the ends stand the sentences themselves
    weight = inner[:, None]  # (n - 2, 1)
    mixed = (weight * ends[0] + (1 - weight) * ends[1]).astype(np.float32)
    a, b = (np.broadcast_to(one, mixed.shape) for one in ends)
    rng = seeds.generator(AugmentKey.RATIOS)
    found = select_sentences(inverter, mixed, a, b, inner, config, random_state=rng)
    likely, at_ends = inverter.log_likelihood(ends, [left, right]), project(ends, *ends)
    return Morph(
        left,
        right,
        lam,
        [left, *found.texts, right],
        lam_measured=np.concatenate([at_ends[:1], found.lam_measured, at_ends[1:]]),
        closeness=np.concatenate([[1.0], found.closeness, [1.0]]),
        log_likelihood=np.concatenate([likely[:1], found.log_likelihood, likely[1:]]),
    )
