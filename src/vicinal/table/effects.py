"""What categories say of numbers, taken away before numbers are mixed and given back after.

A mixed row has numbers between those of its parents and categories of single parents. So numbers
and categories drift apart: a category that makes a number large comes with a number that is only
as large as the parents' average. The drift is linear, and a regression mends it. With scores
``x = E(z) + e``, where ``z`` are a row's categories, the residuals ``e`` are mixed and the
effect of the categories that the mixed row *got* is added:

    mixed = sum_p w_p e_p + E(z of the givers)

With all categories from one parent, drawn independently of how residuals are mixed, the sum keeps
the covariance of ``x`` to first order, because effects and residuals of a least-squares fit are
uncorrelated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vicinal.table.association import Codes, common_levels, joint_codes

__all__ = ["Effect", "take_effects"]

#: Levels of a category that have an effect of their own, and of all categories together.
EFFECT_LEVELS = 40
EFFECT_LEVELS_IN_ALL = 256
#: Rows, about, from which effects are learned.
EFFECT_ROWS = 50_000
#: Rows of no effect that each level is averaged with: rare levels say little.
RIDGE = 10.0


@dataclass(frozen=True)
class Effect:
    """What the categories of one bundle add to the scores.

    Attributes
    ----------
    code : ndarray of int32, shape (n_rows,)
        Which combination of levels each row has.
    table : ndarray of shape (n_combinations, n_mixed)
        What each combination adds.
    """

    code: npt.NDArray[np.int32]
    table: npt.NDArray[Any]


def take_effects(
    scores: npt.NDArray[Any],
    bundles: Sequence[Sequence[str]],
    columns: Mapping[str, Codes],
) -> tuple[npt.NDArray[Any], list[Effect]]:
    """Take the effects of categories out of scores.

    Parameters
    ----------
    scores : ndarray of shape (n_rows, n_mixed)
        Numbers; left as they are.
    bundles : sequence of sequences of str
        Columns that are taken from one parent together.
    columns : mapping of str to ndarray of int, shape (n_rows,)
        Codes from 0 of the levels of each column of a bundle.

    Returns
    -------
    residual : ndarray of shape (n_rows, n_mixed)
        Scores without the effects.
    effects : list of Effect
        One for each bundle.
    """
    names = [name for bundle in bundles for name in bundle]
    share = max(1, min(EFFECT_LEVELS, EFFECT_LEVELS_IN_ALL // max(len(names), 1)))
    places = {name: common_levels(columns[name], share) for name in names}
    slopes = _slopes(scores, columns, places)
    residual = scores.copy()
    effects = []
    for bundle in bundles:
        code = joint_codes([columns[name] for name in bundle])
        row = np.zeros(int(code.max(initial=0)) + 1, np.int64)
        row[code] = np.arange(len(code))  # some row of each combination
        table = np.zeros((len(row), scores.shape[1]))
        for name in bundle:
            place = places[name][columns[name][row]]
            table[place >= 0] += slopes[name][place[place >= 0]]
        effects.append(Effect(code, table.astype(scores.dtype)))
        residual -= effects[-1].table[code]
    return residual, effects


def _slopes(
    scores: npt.NDArray[Any], columns: Mapping[str, Codes], places: Mapping[str, npt.NDArray[Any]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the effect of each common level, by ridge regression on all of them at once.

    Products of indicators are counts, and sums go row by row: nothing depends on how a matrix
    product is cut up among threads.
    """
    step = max(1, len(scores) // EFFECT_ROWS)
    few = scores[::step].astype(np.float64)
    few -= few.mean(axis=0)
    # one more level, the rare ones together, is left out of the regression
    levels = {name: int(place.max()) + 1 for name, place in places.items()}
    at = {name: places[name][columns[name][::step]] for name in places}
    at = {name: np.where(place < 0, levels[name], place) for name, place in at.items()}
    starts = dict(zip(levels, np.cumsum([0, *levels.values()]).tolist(), strict=False))
    total = sum(levels.values())
    gram, moments = np.zeros((total, total)), np.zeros((total, scores.shape[1]))
    shares = np.zeros(total)
    names = list(levels)
    for i, one in enumerate(names):
        rows = slice(starts[one], starts[one] + levels[one])
        counts = np.bincount(at[one], minlength=levels[one] + 1)
        shares[rows] = counts[:-1] / len(few)
        for column in range(scores.shape[1]):
            sums = np.bincount(at[one], few[:, column], minlength=levels[one] + 1)
            moments[rows, column] = sums[:-1]
        for other in names[: i + 1]:
            width = levels[other] + 1
            both = np.bincount(at[one] * width + at[other], minlength=(levels[one] + 1) * width)
            block = both.reshape(-1, width)[:-1, :-1]
            beside = slice(starts[other], starts[other] + levels[other])
            gram[rows, beside], gram[beside, rows] = block, block.T
    gram -= len(few) * np.outer(shares, shares)
    gram[np.diag_indices_from(gram)] += RIDGE
    found = np.round(np.linalg.solve(gram, moments), 6) if total else moments
    return {name: found[starts[name] : starts[name] + levels[name]] for name in names}
