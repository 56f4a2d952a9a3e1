"""From mixed embeddings to sentences: several candidates, and which of them is taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice, check_count, check_number
from vicinal._random import RandomState
from vicinal._types import Floats, Ints
from vicinal.text.augment.ratio import project
from vicinal.text.invert.candidates import Candidates, cosine
from vicinal.text.invert.confidence import Confidence
from vicinal.text.invert.crossover import Judge, exchange_spans

Embeddings = npt.NDArray[np.floating[Any]]
#: From candidates, n rows of c, and embeddings (n, c, d), to what adds to their scores (n, c).
Preference = Callable[[list[list[str]], Embeddings], Floats]

RANKS = ("both", "closeness", "ratio")
#: Typical standard deviations among the candidates of one embedding, by which the three criteria
#: are made comparable: means within eight candidates, over 180 mixtures of lines that serve no
#: benchmark. Fixed, so that the choice for one row does not depend on the rows beside it.
CLOSENESS_UNIT, RATIO_UNIT, LIKELIHOOD_UNIT = 0.07, 0.05, 0.30
#: What scores of each kind are divided by to be in such units.
RANK_UNITS = {"both": 1.0, "closeness": CLOSENESS_UNIT, "ratio": RATIO_UNIT}


class InverterLike(Judge, Protocol):
    """What is asked of an inverter, trained for a task or not."""

    encoder: Any

    def candidates(
        self, embeddings: Any, n_samples: int = 4, *, random_state: RandomState = None
    ) -> Any:
        """Return ``n`` sentences for each embedding, embedded again."""


def as_inverter(inverter: InverterLike | str | PathLike[str] | None) -> InverterLike:
    """Return an inverter, loaded where it is given by name or folder."""
    if inverter is None or isinstance(inverter, (str, PathLike)):
        from vicinal.text.invert.task import load_inverter

        return load_inverter(inverter)
    wanted = ("encode", "candidates", "log_likelihood", "encoder")
    if not all(hasattr(inverter, name) for name in wanted):
        raise TypeError(
            "inverter must be an Inverter, a TaskInverter, or the name of one such as 'nano', got "
            f"{type(inverter).__name__}."
        )
    return inverter


@dataclass(frozen=True)
class SelectionConfig:
    """How a sentence is selected from several candidates.

    Parameters
    ----------
    candidates : int, default 4
        Sentences written for each mixed embedding.
    rank : {"both", "closeness", "ratio"}, default "both"
        What the best candidate is best in: closeness to the mixed embedding, agreement of the
        measured with the asked ratio, or both and fluency.
    fluency : float, default 2.0
        With "both": what the writer's own likelihood of a token counts beside either of the other
        two; more gives better English that is less close. Chosen on sentences read blind.
    crossover : int, default 0
        How often the best candidate then takes over a span of words from another, as long as its
        score rises: closer, in twice the time, and in worse English.
    judge : str, path, model or (model, tokenizer), optional
        Causal language model of Transformers whose likelihood counts in place of the writer's own:
        a folder, a hub name, a model with a name, or a pair. It reads texts by its own tokenizer.
        ``confidence`` is its likelihood then, for what readers kept was not measured with it.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Examples
    --------
    >>> SelectionConfig(8, rank="closeness")
    SelectionConfig(candidates=8, rank='closeness', crossover=0, fluency=2.0)
    """

    candidates: int = 4
    rank: str = "both"
    crossover: int = 0
    fluency: float = 2.0
    judge: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_number("fluency", self.fluency, low=0)
        check_count("candidates", self.candidates)
        check_choice("rank", self.rank, RANKS)
        check_count("crossover", self.crossover, low=0)


def as_selection(selection: SelectionConfig | int) -> SelectionConfig:
    """Return a configuration, its judge loaded; a number is that of the candidates."""
    found = selection if isinstance(selection, SelectionConfig) else SelectionConfig(selection)
    if found.judge is None or hasattr(found.judge, "log_likelihood"):
        return found
    from vicinal.text.augment.fluency import CausalJudge

    return replace(found, judge=CausalJudge(found.judge))


def measured_of(
    inverter: InverterLike, selection: SelectionConfig
) -> tuple[Confidence | None, float | None]:
    """Return an inverter's confidence and what readers kept; None of what nobody has measured."""
    if selection.judge is not None:  # whose likelihood readers have not been compared with
        return None, None
    return getattr(inverter, "confidence", None), getattr(inverter, "readers_kept", None)


class Sentences(NamedTuple):
    """One sentence for each target, and what is measured on it."""

    texts: list[str]
    embeddings: Embeddings  # (n, d), of the sentences, embedded again
    closeness: Floats  # (n,)
    lam_measured: Floats  # (n,), NaN where parents are one point
    log_likelihood: Floats  # (n,)
    candidate: Ints  # (n,), which one it is; after a crossover one past the last


def select_sentences(
    inverter: InverterLike,
    targets: Embeddings,
    left: Embeddings,
    right: Embeddings,
    lam: Floats,
    selection: SelectionConfig,
    *,
    random_state: RandomState,
    preference: Preference | None = None,
) -> Sentences:
    """Write candidates for targets (n, d) and return the best of each row."""
    # preference adds to the scores of candidates, in units of their typical standard deviation; its
    # last call is about the candidates that rows are selected from
    n, rank, steps = selection.candidates, selection.rank, selection.crossover
    fluency = selection.fluency
    found = inverter.candidates(targets, n, random_state=random_state)

    def measure(embeddings: Embeddings, of: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Return closeness and ratio (m, c) of embeddings (m, c, d) for rows (m,)."""
        closeness = cosine(embeddings, targets[of, None]).astype(float)
        return closeness, project(embeddings, left[of, None], right[of, None])

    def best() -> Sentences:
        rows = np.arange(len(targets))
        closeness, measured = measure(found.embeddings, rows)
        likelihood = np.asarray(found.log_likelihood, float)  # (n, c)
        if selection.judge is not None:
            flat = [one for row in found.sentences for one in row]
            likelihood = selection.judge.log_likelihood(flat).reshape(likelihood.shape)
        score = score_candidates(closeness, measured, lam, likelihood, rank, fluency)
        if preference is not None:
            score = score / RANK_UNITS[rank] + preference(found.sentences, found.embeddings)
        top = score.argmax(axis=1)
        return Sentences(
            [found.sentences[row][at] for row, at in zip(rows, top, strict=True)],
            found.embeddings[rows, top],
            closeness[rows, top],
            measured[rows, top],
            likelihood[rows, top],
            top,
        )

    def score_embedded(embedded: Embeddings, of: npt.NDArray[np.intp]) -> Floats:
        closeness, measured = measure(embedded[:, None], of)
        return score_candidates(closeness, measured, lam[of], np.zeros((len(of), 1)), rank)[:, 0]

    if not steps or n == 1 or not len(targets):
        return best()
    sentences, embeddings, likelihood = exchange_spans(
        inverter,
        found,
        targets,
        best().candidate,
        score_embedded,
        likely=fluency / LIKELIHOOD_UNIT if rank == "both" else 0.0,
        steps=steps,
    )
    found = Candidates(
        [[*row, one] for row, one in zip(found.sentences, sentences, strict=True)],
        np.concatenate((found.embeddings, embeddings[:, None]), 1),
        np.concatenate((found.log_likelihood, likelihood[:, None]), 1),
    )
    return best()


def score_candidates(
    closeness: Floats,
    lam_measured: Floats,
    lam: Floats,
    log_likelihood: Floats,
    rank: str,
    fluency: float = 2.0,
) -> Floats:
    """Return scores of candidates (n, c), the higher the better; a missing ratio does not count."""
    if rank == "closeness":
        return closeness
    miss = np.nan_to_num(np.abs(lam_measured - lam[:, None]), nan=0.0)
    if rank == "ratio":
        return -miss
    likelihood = np.nan_to_num(log_likelihood, nan=-1e3, neginf=-1e3)
    likely = fluency * likelihood / LIKELIHOOD_UNIT
    return closeness / CLOSENESS_UNIT - miss / RATIO_UNIT + likely
