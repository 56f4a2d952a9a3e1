"""From mixed embeddings to sentences: candidates, and which of them is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count
from vicinal._random import RandomState
from vicinal.text.augment.ratio import project
from vicinal.text.invert.candidates import Candidates, cosine
from vicinal.text.invert.crossover import recombine as recombined

__all__ = [
    "RANKS",
    "RECOMBINE",
    "InverterLike",
    "SelectionConfig",
    "Written",
    "as_inverter",
    "score_candidates",
    "write_sentences",
]

Embeddings = npt.NDArray[np.floating[Any]]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
#: From candidates, n rows of c, and their embeddings (n, c, d), to what adds to their scores.
Prefers = Callable[[list[list[str]], Embeddings], FloatArray]

#: What candidates can be ranked by.
RANKS = ("both", "closeness", "ratio")
#: How often the best candidate takes over words from another, where nothing else is asked for.
RECOMBINE = 3
#: Typical spreads among the candidates of one embedding, by which the three criteria are made
#: comparable: mean standard deviations within eight candidates, over 180 mixtures of lines that
#: serve no benchmark. Fixed, so that the choice for one row does not depend on the rows it is
#: written with.
CLOSENESS_SPREAD, RATIO_SPREAD, LIKELIHOOD_SPREAD = 0.07, 0.05, 0.30
#: By what scores of each kind are divided to be in units of a typical spread.
RANK_UNITS = {"both": 1.0, "closeness": CLOSENESS_SPREAD, "ratio": RATIO_SPREAD}
#: How much the decoder's own likelihood counts, in units of the other two.
LIKELIHOOD_SHARE = 0.25


class InverterLike(Protocol):
    """What is asked of an inverter, trained for a task or not."""

    encoder: Any

    def encode(self, texts: Sequence[str]) -> Any:
        """Return embeddings, float32 of shape (n, d)."""

    def candidates(self, embeddings: Any, n: int = 4, *, random_state: RandomState = None) -> Any:
        """Return ``n`` sentences for each embedding, embedded again."""

    def log_likelihood(self, embeddings: Any, texts: Sequence[str]) -> Any:
        """Return the mean log-probability a token of one sentence for each embedding."""


def as_inverter(inverter: InverterLike | str | PathLike[str]) -> InverterLike:
    """Return what writes, loaded where it is named.

    Parameters
    ----------
    inverter : Inverter, TaskInverter, str or path
        One of these, or "nano", a folder or a hub name.

    Returns
    -------
    Inverter or TaskInverter
        Ready to write.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(inverter, (str, PathLike)):
        from vicinal.text.invert.task import load_inverter

        return load_inverter(inverter)
    asked = ("encode", "candidates", "log_likelihood", "encoder")
    if not all(hasattr(inverter, name) for name in asked):
        raise TypeError(
            "inverter must be an Inverter, a TaskInverter, or the name of one such as 'nano', got "
            f"{type(inverter).__name__}."
        )
    return inverter


class SelectionConfig(NamedTuple):
    """How many candidates are written for a sentence, and how it comes from them.

    Parameters
    ----------
    candidates : int
        Sentences written for each target.
    rank : {"both", "closeness", "ratio"}
        See :func:`score_candidates`.
    recombine : int
        How often the best candidate takes over a span of words from another, as long as its score
        rises; what becomes of it is a further candidate.
    """

    candidates: int
    rank: str = "both"
    recombine: int = RECOMBINE

    def check(self) -> SelectionConfig:
        """Return itself, or raise a ValueError that names what is out of range."""
        check_count("candidates", self.candidates)
        check_choice("rank", self.rank, RANKS)
        check_count("recombine", self.recombine, low=0)
        return self


class Written(NamedTuple):
    """Sentences, one for each target, and what is known of them."""

    sentences: list[str]
    embeddings: Embeddings  # (n, d), of the sentences, embedded again
    closeness: FloatArray  # (n,)
    lam_measured: FloatArray  # (n,), NaN where parents are one point
    log_likelihood: FloatArray  # (n,)
    chosen: IntArray  # (n,), which candidates these are, one past the last where recombined


def write_sentences(
    inverter: InverterLike,
    targets: Embeddings,
    left: Embeddings,
    right: Embeddings,
    lam: FloatArray,
    choosing: SelectionConfig,
    *,
    random_state: RandomState,
    prefers: Prefers | None = None,
) -> Written:
    """Write one sentence for each target, the best of a few.

    Parameters
    ----------
    inverter : Inverter or TaskInverter
        What writes.
    targets, left, right : ndarray of shape (n, d)
        Mixed embeddings, and those of their parents.
    lam : ndarray of shape (n,)
        The ratios asked for.
    choosing : SelectionConfig
        How each comes from candidates.
    random_state : int, numpy.random.Generator or None
        Seed of the candidates.
    prefers : callable, optional
        Says what is to be added to the scores of candidates, in units of their typical spread;
        it is asked last about those that a row is chosen from.

    Returns
    -------
    Written
        In the order of the targets.
    """
    n, rank, steps = choosing
    found = inverter.candidates(targets, n, random_state=random_state)

    def chosen() -> Written:
        closeness = cosine(found.embeddings, targets[:, None]).astype(float)  # (n, c)
        likelihood = np.asarray(found.log_likelihood, float)  # (n, c)
        measured = project(found.embeddings, left[:, None], right[:, None])  # (n, c)
        score = score_candidates(closeness, measured, lam, likelihood, rank)
        if prefers is not None:
            score = score / RANK_UNITS[rank] + prefers(found.sentences, found.embeddings)
        best = score.argmax(axis=1)
        rows = np.arange(len(best))
        return Written(
            [found.sentences[row][at] for row, at in zip(rows, best, strict=True)],
            found.embeddings[rows, best],
            closeness[rows, best],
            measured[rows, best],
            likelihood[rows, best],
            best,
        )

    def score_embedded(embedded: Embeddings, of: npt.NDArray[np.intp]) -> FloatArray:
        closeness = cosine(embedded, targets[of]).astype(float)
        measured = project(embedded, left[of], right[of])
        nothing = np.zeros((len(of), 1))
        return score_candidates(closeness[:, None], measured[:, None], lam[of], nothing, rank)[:, 0]

    if not steps or n == 1 or not len(targets):
        return chosen()
    sentences, embeddings, likelihood = recombined(
        inverter,
        found,
        targets,
        chosen().chosen,
        score_embedded,
        likely=LIKELIHOOD_SHARE / LIKELIHOOD_SPREAD if rank == "both" else 0.0,
        steps=steps,
    )
    found = Candidates(
        [[*row, one] for row, one in zip(found.sentences, sentences, strict=True)],
        np.concatenate((found.embeddings, embeddings[:, None]), 1),
        np.concatenate((found.log_likelihood, likelihood[:, None]), 1),
    )
    return chosen()


def score_candidates(
    closeness: FloatArray,
    lam_measured: FloatArray,
    lam: FloatArray,
    log_likelihood: FloatArray,
    rank: str,
) -> FloatArray:
    """Return scores of candidates, the higher the better.

    Parameters
    ----------
    closeness, lam_measured : ndarray of shape (n, c)
        Of each candidate.
    lam : ndarray of shape (n,)
        The ratios asked for.
    log_likelihood : ndarray of shape (n, c)
        Of each candidate.
    rank : {"both", "closeness", "ratio"}
        By closeness to the mixed embedding, by agreement of the measured with the asked ratio, or
        by both and a little of the decoder's own likelihood, each divided by its typical spread.

    Returns
    -------
    ndarray of shape (n, c)
        Scores; equal ones go to the first candidate. Where there is no ratio it does not count.
    """
    if rank == "closeness":
        return closeness
    miss = np.nan_to_num(np.abs(lam_measured - lam[:, None]), nan=0.0)
    if rank == "ratio":
        return -miss
    likelihood = np.nan_to_num(log_likelihood, nan=-1e3, neginf=-1e3)
    return (
        closeness / CLOSENESS_SPREAD
        - miss / RATIO_SPREAD
        + LIKELIHOOD_SHARE * likelihood / LIKELIHOOD_SPREAD
    )
