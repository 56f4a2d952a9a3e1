"""Training rows found again where lines or planes through synthetic rows meet.

Rows mixed of two parents lie on the line through them, of three on the plane; by chance rows of
many columns are on none, and lines of pairs that share a parent meet in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from vicinal._stats import Estimate
from vicinal._types import Floats, Ints
from vicinal.report.privacy.risk import Attack
from vicinal.report.privacy.values import FEW_DISTINCT
from vicinal.report.tables import Part, Tables
from vicinal.table.numbers import MAX_DECIMALS

#: A column with a larger share of missing values is left out.
MOST_MISSING = 0.05
#: Directions that are compared to find lines, and at most so many lines and planes.
DIRECTIONS, MOST_FLATS = 4 * 10**6, 500
#: Pairs of rows through which planes are sought, nearest rows first, among so many rows around.
PAIRS, AROUND, CLOSE = 2_000, 300, 12
#: Directions of one piece of work, and angles that may be equal.
BLOCK, ANGLE = 200_000, 1e-6
#: Rows of one line or plane that are remembered, so that it is not found twice.
MOST_MEMBERS = 60
#: What floating-point numbers lose, in standard deviations.
ROUNDING = 1e-6
#: Cosine above which two lines or planes meet at too flat an angle to say where.
FLAT = 0.97
#: Meetings that agree on a point where numbers are rounded; one will do where they are exact.
VOTES = 4
#: Numbers rounded to more than this, in standard deviations, lie on no line.
COARSE = 0.01
#: A point is a row where it is closer to it than this share of what rows keep among themselves.
MATCH = 0.02


@dataclass(frozen=True)
class Reconstruction:
    """What an attacker who looks for lines and planes found."""

    # a point is a row where all columns agree to within 2 % of the distance between neighboring
    # rows, and the rounding; shares are NaN with fewer than three columns: lines then meet
    # everywhere. precision_holdout and recall_holdout are chance.

    n_lines: int
    n_planes: int
    n_points: int
    precision: Estimate
    precision_holdout: Estimate
    recall: Estimate
    recall_holdout: Estimate

    @property
    def attack(self) -> Attack:
        """The recall, beside that of hold-out rows."""
        says = (
            f"Share of rows that stand where lines or planes through synthetic rows meet "
            f"({self.n_lines:,} lines, {self.n_planes:,} planes, {self.n_points:,} such points)."
        )
        return Attack("Reconstruction by lines", self.recall, self.recall_holdout, says)


class _Flats(NamedTuple):
    """Lines or planes, by a point on each and orthonormal directions."""

    origin: Floats  # (n_flats, n_columns)
    basis: Floats  # (n_flats, dimension, n_columns)


def reconstruction_attack(tables: Tables, rng: np.random.Generator) -> Reconstruction:
    """Look for training rows where lines and planes through synthetic rows meet."""
    if tables.holdout is None:
        raise ValueError("tables have no hold-out, without which no hit is known to be no chance.")
    columns = [at for at, one in enumerate(tables.synthetic.numbers.T) if _is_mixed(one)]
    made, train, hold = (
        _complete(part, columns) for part in (tables.synthetic, tables.real, tables.holdout)
    )
    nothing = Reconstruction(0, 0, 0, *[Estimate(np.nan)] * 4)
    if len(columns) < 3 or min(len(made), len(train), len(hold)) < 4:
        return nothing
    middle, scale = made.mean(axis=0), made.std(axis=0)
    made, train, hold = ((part - middle) / scale for part in (made, train, hold))
    step = _resolution(made * scale + middle) / scale
    slack = ROUNDING + float(np.linalg.norm(step)) / 2
    points, n_lines, n_planes = reconstruct_rows(made, slack, rng)
    real = np.unique(np.concatenate([train, hold]), axis=0)
    apart = cKDTree(real).query(real[:: max(1, len(real) // 2_000)], k=2)[0][:, 1]
    radius = MATCH * float(np.median(apart)) + 8 * slack

    def hits(ours: Floats, theirs: Floats) -> Estimate:
        if not len(ours) or not len(theirs):
            return Estimate.of_share(0, len(ours))
        return Estimate.of_share(int((cKDTree(theirs).query(ours)[0] <= radius).sum()), len(ours))

    return Reconstruction(
        n_lines,
        n_planes,
        len(points),
        hits(points, train),
        hits(points, hold),
        hits(train, points),
        hits(hold, points),
    )


def _is_mixed(values: Floats) -> bool:
    seen = values[~np.isnan(values)]
    if len(seen) < (1 - MOST_MISSING) * len(values) or len(np.unique(seen)) <= FEW_DISTINCT:
        return False
    return bool(_resolution(seen[:, None])[0] <= COARSE * seen.std())


def _complete(part: Part, columns: list[int]) -> Floats:
    rows = part.numbers[:, columns]
    found: Floats = np.ascontiguousarray(rows[~np.isnan(rows).any(axis=1)])
    return found


def _resolution(rows: Floats) -> Floats:
    """Return the unit of the last decimal place of each column, 0 where there is none."""
    units = np.zeros(rows.shape[1])
    for places in range(MAX_DECIMALS, -1, -1):
        rest = np.abs(rows - np.round(rows, places))
        units[(rest <= 1e-9 * (1 + np.abs(rows))).all(axis=0)] = 10.0**-places
    return units


def reconstruct_rows(
    rows: Floats, slack: float, rng: np.random.Generator
) -> tuple[Floats, int, int]:
    """Return points where lines or planes through rows meet, and how many of both there are."""
    rows = _merged(rows, 8 * slack)
    lines = _flats(rows, _lines(rows, slack, rng), slack)
    n_lines = len(lines.origin)
    planes = _Flats(lines.origin[:0], np.zeros((0, 2, rows.shape[1])))
    if rows.shape[1] >= 5:  # in four dimensions any two planes meet
        planes = _flats(rows, _planes(rows, slack, rng), slack)
    exact = slack <= 2 * ROUNDING
    points, shared = _meetings(planes, slack)
    if exact:  # lines in which rounded planes meet are too vague to go on with
        lines = _Flats(*(np.concatenate(both) for both in zip(lines, shared, strict=True)))
    points = np.concatenate([points, _meetings(lines, slack)[0]])
    low, high = rows.min(axis=0), rows.max(axis=0)
    room = 0.1 * (high - low)
    inside = ((points >= low - room) & (points <= high + room)).all(axis=1)
    points = _merged(points[inside], 32 * slack, 1 if exact else VOTES)
    return points, n_lines, len(planes.origin)


def _lines(rows: Floats, slack: float, rng: np.random.Generator) -> Ints:
    """Return rows, three at a time, that lie on one line."""
    flat = rows @ rng.standard_normal((rows.shape[1], 4))
    anchors = rng.permutation(len(rows))[: max(1, DIRECTIONS // len(rows))]
    found = [np.zeros((0, 3), np.int64)]
    for some in np.split(anchors, range(0, len(anchors), max(1, BLOCK // len(rows)))[1:]):
        at, one, two = _parallel(flat - flat[some, None], partial(_gaps, rows, some), slack)
        found.append(np.stack([some[at], one, two], axis=1))
    return np.concatenate(found)


def _planes(rows: Floats, slack: float, rng: np.random.Generator) -> Ints:
    """Return rows, four at a time, that lie on one plane."""
    tree, around_each = cKDTree(rows), min(AROUND, len(rows))
    functionals = rng.standard_normal((rows.shape[1], 4))
    anchors = np.resize(rng.permutation(len(rows)), PAIRS)
    found = [np.zeros((0, 4), np.int64)]
    for first in np.split(anchors, range(0, PAIRS, max(1, BLOCK // around_each))[1:]):
        around = tree.query(rows[first], k=around_each)[1]
        close = rng.integers(1, min(CLOSE, len(rows)), len(first))
        second = around[np.arange(len(first)), close]
        gaps = rows[around] - rows[first, None]
        along = rows[second] - rows[first]
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        share = np.einsum("bkw,bw->bk", gaps, along)
        flat = gaps @ functionals - share[:, :, None] * (along @ functionals)[:, None]
        at, one, two = _parallel(
            flat,
            partial(_gaps_across, gaps, share, along),
            slack,
        )
        sets = np.stack([first[at], second[at], around[at, one], around[at, two]], axis=1)
        lower = np.zeros(len(sets), bool)  # three on one line: on one plane with any row
        for left_out in range(4):
            sides = rows[np.delete(sets, left_out, axis=1).T]
            sides = sides - np.roll(sides, 1, axis=0)
            squares = np.einsum("sij,sij->si", sides, sides)
            one, two = sides[0], sides[1]
            area = squares[0] * squares[1] - np.einsum("ij,ij->i", one, two) ** 2
            lower |= area <= (16 * slack) ** 2 * squares.max(axis=0)
        found.append(sets[~lower])
    return np.concatenate(found)


def _parallel(
    flat: Floats, gap: Callable[[Ints, Ints], Floats], slack: float
) -> tuple[Ints, Ints, Ints]:
    """Return which two rows of a block have parallel gaps from its base: block, row, row."""
    # flat (n_blocks, n_rows, 4) are gaps projected to two dimensions twice, whose angles are equal
    # where gaps are parallel; gap gives the whole gap of a row of a block
    angles = _angles(flat[:, :, :2])
    order = np.argsort(angles, axis=1)
    angles = np.take_along_axis(angles, order, axis=1)
    found = []
    for step in (1, 2):
        at, place = np.nonzero(angles[:, step:] - angles[:, :-step] <= ANGLE + 8 * slack)
        one, two = order[at, place], order[at, place + step]
        turn = np.abs(_angles(flat[at, one, 2:]) - _angles(flat[at, two, 2:]))
        close = np.minimum(turn, np.pi - turn) <= ANGLE + 8 * slack
        at, one, two = at[close], one[close], two[close]
        first, second = gap(at, one), gap(at, two)
        lengths = np.linalg.norm([first, second], axis=2)
        apart = lengths.min(axis=0) > 8 * slack
        first[apart] /= lengths[0, apart, None]
        second[apart] /= lengths[1, apart, None]
        side = np.sign(np.einsum("ij,ij->i", first, second))[:, None]
        sine = np.linalg.norm(first - side * second, axis=1)
        on = apart & (sine * lengths.min(axis=0) <= 2 * slack)
        found.append((at[on], one[on], two[on]))
    at, one, two = (np.concatenate(each) for each in zip(*found, strict=True))
    return at, one, two


def _gaps(rows: Floats, bases: Ints, block: Ints, row: Ints) -> Floats:
    """Return what leads from the base of a block to a row."""
    return rows[row] - rows[bases[block]]


def _gaps_across(gaps: Floats, share: Floats, along: Floats, block: Ints, row: Ints) -> Floats:
    """Return gaps without their part along the first direction of the block."""
    return gaps[block, row] - share[block, row, None] * along[block]


def _angles(flat: Floats) -> Floats:
    """Return angles of lines in the plane, without direction."""
    found: Floats = np.arctan(flat[..., 0] / np.where(flat[..., 1] == 0, 1e-300, flat[..., 1]))
    return found


def _flats(rows: Floats, sets: Ints, slack: float) -> _Flats:
    """Return the lines or planes through sets of rows, each once."""
    dimension = sets.shape[1] - 2
    known: set[tuple[int, ...]] = set()  # two rows are on one line only, three on one plane
    origins: list[Floats] = []
    bases: list[Floats] = []
    for some in sets:
        if tuple(sorted(some[: dimension + 1].tolist())) in known or len(origins) >= MOST_FLATS:
            continue
        origin, basis = _fitted(rows[some], dimension)
        gaps = rows - origin
        away = np.linalg.norm(gaps - gaps @ basis.T @ basis, axis=1)
        members = np.flatnonzero(away <= 4 * slack)
        known.update(combinations(members.tolist()[:MOST_MEMBERS], dimension + 1))
        if len(members) >= len(some):
            origin, basis = _fitted(rows[members], dimension)
            origins.append(origin)
            bases.append(basis)
    width = rows.shape[1]
    return _Flats(np.reshape(origins, (-1, width)), np.reshape(bases, (-1, dimension, width)))


def _fitted(rows: Floats, dimension: int) -> tuple[Floats, Floats]:
    """Return the mean of rows and the directions in which they vary most."""
    origin = rows.mean(axis=0)
    return origin, np.linalg.svd(rows - origin, full_matrices=False)[2][:dimension]


def _meetings(flats: _Flats, slack: float) -> tuple[Floats, _Flats]:
    """Return the points in which two flats meet, and the lines in which two planes do."""
    dimension, width = flats.basis.shape[1:]
    points, origins, along = [np.zeros((0, width))], [np.zeros((0, width))], [np.zeros((0, width))]
    eye = (1 + 1e-12) * np.eye(dimension)
    for at in range(len(flats.origin) - 1):
        origin, basis = flats.origin[at], flats.basis[at]
        others, bases = flats.origin[at + 1 :], flats.basis[at + 1 :]
        between = others - origin  # origin + a @ basis = other + b @ bases, in least squares
        cross = np.einsum("dw,new->nde", basis, bases)
        system = np.empty((len(others), 2 * dimension, 2 * dimension))
        system[:, :dimension, :dimension], system[:, dimension:, dimension:] = eye, eye
        system[:, :dimension, dimension:] = -cross
        system[:, dimension:, :dimension] = -cross.transpose(0, 2, 1)
        right = np.concatenate(
            [between @ basis.T, -np.einsum("nw,new->ne", between, bases)], axis=1
        )
        a, b = np.split(np.linalg.solve(system, right[:, :, None])[:, :, 0], 2, axis=1)
        one, two = origin + a @ basis, others + np.einsum("ne,new->nw", b, bases)
        meets = np.linalg.norm(one - two, axis=1) <= 4 * slack
        one, two = one[meets], two[meets]
        turns, cosines, _ = np.linalg.svd(cross[meets])
        shared = cosines[:, 0] > 1 - 1e-6  # a direction of both
        steep = cosines[:, 0] < FLAT  # the point hangs little on rounding
        points.append((one[steep] + two[steep]) / 2)
        if dimension > 1:
            shared &= cosines[:, 1] < FLAT  # not the same plane twice
            direction = turns[shared, :, 0] @ basis
            direction *= np.sign(direction[:, :1])
            foot = one[shared] - _along(one[shared], direction)
            origins.append(foot)
            along.append(direction)
    both = np.concatenate([np.concatenate(origins), np.concatenate(along)], axis=1)
    foot, direction = np.hsplit(_distinct(both, 64 * slack)[:MOST_FLATS], 2)
    return np.concatenate(points), _Flats(foot, direction[:, None])


def _along(rows: Floats, direction: Floats) -> Floats:
    projected: Floats = np.einsum("ij,ij->i", rows, direction)[:, None] * direction
    return projected


def _distinct(points: Floats, radius: float) -> Floats:
    """Return points of which no two are in one cell of this width, whatever the order."""
    return points[np.unique(np.floor(points / radius), axis=0, return_index=True)[1]]


def _merged(points: Floats, radius: float, votes: int = 1) -> Floats:
    """Return one point, the mean, for so many or more that are within a radius of each other."""
    cells = np.floor(points / radius)
    _, first, counts = np.unique(cells, axis=0, return_index=True, return_counts=True)
    points = points[first]
    pairs = cKDTree(points).query_pairs(radius, output_type="ndarray") if len(points) else []
    at = np.reshape(pairs, (-1, 2)).astype(np.intp).T
    graph = coo_array((np.ones(at.shape[1]), (at[0], at[1])), shape=(len(points),) * 2)
    size, group = connected_components(graph, directed=False)
    weights, sums = np.zeros(size), np.zeros((size, points.shape[1]))
    np.add.at(weights, group, counts)
    np.add.at(sums, group, points * counts[:, None])
    merged: Floats = (sums / weights[:, None])[weights >= votes]
    return merged
