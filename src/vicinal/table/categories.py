"""Which categories belong together, and what they say of numbers.

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
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Array, Bools, Floats, Indices, Ints

Codes = Indices

#: Inherited columns whose association (Cramer's V) is above this come from one parent ...
ASSOCIATED = 0.5
#: ... measured on about this many rows.
ASSOCIATION_ROWS = 20_000
#: Bundles that are associated by more than this are linked, among at most so many bundles.
LINKED = 0.05
MOST_LINKED = 100

#: Levels of a category that have an effect of their own, and of all categories together.
EFFECT_LEVELS = 40
EFFECT_LEVELS_IN_ALL = 256
#: Rows, about, from which effects are learned.
EFFECT_ROWS = 50_000
#: Rows of no effect that each level is averaged with: rare levels say little.
RIDGE = 10.0


def codes_of(values: pa.ChunkedArray | pa.Array) -> Codes:
    """Return codes from 0 in order of appearance, missing values with one of their own."""
    plain = pa.chunked_array([values]) if isinstance(values, pa.Array) else values
    if pa.types.is_dictionary(plain.type):
        plain = plain.cast(plain.type.value_type)
    if pa.types.is_float16(plain.type):
        plain = plain.cast(pa.float32())
    encoded = pc.dictionary_encode(plain, null_encoding="encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    codes: Codes = encoded.indices.to_numpy()
    return codes.astype(np.min_scalar_type(max(len(encoded.dictionary) - 1, 0)))


def as_flag(values: pa.Array) -> Bools | None:
    """Return a column of yes and no, or of 1 and 0, as such; None for any other."""
    kind = values.type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    numbers = values.to_numpy(zero_copy_only=False)
    flag: Bools = numbers == 1
    return flag if (flag | (numbers == 0)).all() else None


def indicator_sets(flags: Mapping[str, Bools]) -> list[list[str]]:
    """Find columns that are the indicators of one category: exactly one is set in every row."""
    # columns are tried in order, and each joins the first set whose columns it never meets
    sets: list[tuple[list[str], Bools]] = []
    for name, flag in flags.items():
        for names, taken in sets:
            if not (taken & flag).any():
                names.append(name)
                taken |= flag
                break
        else:
            sets.append(([name], flag.copy()))
    return [names for names, taken in sets if len(names) > 1 and taken.all()]


def bundles(
    columns: Mapping[str, Codes],
    alone: Sequence[str] = (),
    together: Sequence[Sequence[str]] = (),
) -> list[list[str]]:
    """Join columns that depend on each other."""
    n_rows = len(next(iter(columns.values()), ()))
    step = max(1, n_rows // ASSOCIATION_ROWS)
    few = {name: _compact(codes[::step]) for name, codes in columns.items()}
    fellows = {name: set(names) for names in together for name in names}

    def belongs(name: str, bundle: list[str]) -> bool:
        if name in alone or bundle[0] in alone:
            return False
        if not fellows.get(name, set()).isdisjoint(bundle):
            return True
        return any(cramers_v(few[name], few[other]) > ASSOCIATED for other in bundle)

    joined: list[list[str]] = []
    for name in few:
        near = [bundle for bundle in joined if belongs(name, bundle)]
        joined = [bundle for bundle in joined if bundle not in near]
        joined.append([*(other for bundle in near for other in bundle), name])
    return joined


def association_tree(codes: npt.NDArray[np.int32]) -> tuple[list[int], list[int]]:
    """Return an order of bundles, (n_bundles, n_rows), and which each hangs on: -1 for none.

    Links are those of the strongest associations that close no circle; what a bundle hangs on
    comes before it. Chow and Liu, "Approximating discrete probability distributions with
    dependence trees", IEEE Transactions on Information Theory, 1968.
    """
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    n = len(codes)
    if not 1 < n <= MOST_LINKED:
        return list(range(n)), [-1] * n
    few = [_compact(one[:: max(1, codes.shape[1] // ASSOCIATION_ROWS)]) for one in codes]
    strength = np.zeros((n, n))
    for first, second in combinations(range(n), 2):
        found = cramers_v(few[first], few[second])
        strength[first, second] = found if found > LINKED else 0.0
    tree = minimum_spanning_tree(-strength)  # no link, no weight
    order: list[int] = []
    above = [-1] * n
    # roots have the fewest levels: many levels are told by few
    for root in np.argsort([int(one.max()) for one in few], kind="stable").tolist():
        if root not in order:
            reached, before = breadth_first_order(tree, root, directed=False)
            order += reached.tolist()
            for at in reached[1:].tolist():
                above[at] = int(before[at])
    return order, above


def _compact(codes: Codes) -> Codes:
    _, compact = np.unique(codes, return_inverse=True)
    return compact.astype(np.int64)


def cramers_v(first: Codes, second: Codes) -> float:
    """Return the association of two categories, from 0 to 1, corrected for small samples."""
    # Bergsma, "A bias-correction for Cramer's V and Tschuprow's T", Journal of the Korean
    # Statistical Society, 2013; time and memory grow with rows, not with pairs of levels
    n = len(first)
    width = int(second.max()) + 1
    flat = first.astype(np.int64) * width + second
    cells = (int(first.max()) + 1) * width
    if cells <= 4 * n:
        counts = np.bincount(flat, minlength=cells)
        cell = np.flatnonzero(counts)
        counts = counts[cell]
    else:
        cell, counts = np.unique(flat, return_counts=True)
    rows, columns = np.bincount(first), np.bincount(second)
    shape = np.array([np.count_nonzero(rows), np.count_nonzero(columns)])
    if shape.min() < 2:
        return 0.0
    # the sum over all cells of (observed - expected)**2 / expected, from the occupied ones
    expected = rows[cell // width] * columns[cell % width].astype(np.float64)
    phi = (counts.astype(np.float64) ** 2 / expected).sum() - 1.0
    phi -= (shape - 1.0).prod() / (n - 1)
    free = shape - (shape - 1.0) ** 2 / (n - 1)
    return float(np.sqrt(max(phi, 0.0) / max(free.min() - 1, 1e-9)))


def joint_codes(columns: Sequence[Codes]) -> npt.NDArray[np.int32]:
    """Return one code, from 0, for each combination of levels that occurs."""
    joint: Codes = columns[0].astype(np.int64)
    for codes in columns[1:]:
        joint = _compact(joint * (int(codes.max(initial=0)) + 1) + codes)
    return joint.astype(np.int32)


def common_levels(codes: Codes, most: int) -> Ints:
    """Give numbers to the ``most`` frequent levels, from 0 for the most frequent; -1 to others."""
    counts = np.bincount(codes)
    place = np.full(len(counts), -1)
    common = np.argsort(-counts, kind="stable")[:most]
    place[common] = np.arange(len(common))
    return place


# what categories say of numbers


def take_effects(
    scores: Array,
    bundles: Sequence[Sequence[str]],
    codes: npt.NDArray[np.int32],
    columns: Mapping[str, Codes],
) -> tuple[Array, list[Array]]:
    """Take the effects of categories out of scores."""
    # returned are scores and, for each bundle, what each combination of its levels adds to them
    names = [name for bundle in bundles for name in bundle]
    share = max(1, min(EFFECT_LEVELS, EFFECT_LEVELS_IN_ALL // max(len(names), 1)))
    places = {name: common_levels(columns[name], share) for name in names}
    slopes = _slopes(scores, columns, places)
    residual = scores.copy()
    effects = []
    for bundle, code in zip(bundles, codes, strict=True):
        row = np.zeros(int(code.max(initial=0)) + 1, np.int64)
        row[code] = np.arange(len(code))  # some row of each combination
        table = np.zeros((len(row), scores.shape[1]))
        for name in bundle:
            place = places[name][columns[name][row]]
            table[place >= 0] += slopes[name][place[place >= 0]]
        effects.append(table.astype(scores.dtype))
        residual -= effects[-1][code]
    return residual, effects


def _slopes(
    scores: Array, columns: Mapping[str, Codes], places: Mapping[str, Array]
) -> dict[str, Floats]:
    """Return the effect of each common level, by ridge regression on all of them at once."""
    # products of indicators are counts, and sums go row by row: nothing depends on how a matrix
    # product is cut up among threads
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
