"""Plans drawn in neighborhoods, mixed, and drawn again where too near."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import EpBeta, SphereWeights
from vicinal._random import CHUNK_ROWS, Seeds
from vicinal.pairing.balance import FairNeighbors
from vicinal.pairing.neighbors import nearest_rows
from vicinal.table import TableSynthesizer
from vicinal.table.mixing import (
    FITTING,
    MISMATCH,
    NeighborhoodMixer,
    RowsToMix,
    SpacingCheck,
    _differing_bytes,
    _held_alone,
    _spacing,
    _swap,
    mix_plan,
)

N, K = 400, 12


def rows(spacing=0.0, columnwise=True, gaps=None, effects=True, above=(-1, -1)):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(N, 3)).astype(np.float32)
    codes = rng.integers(0, 4, (2, N)).astype(np.int32)
    tables = [rng.normal(size=(4, 3)).astype(np.float32) for _ in range(2)] if effects else []
    residual = scores - sum(table[code] for table, code in zip(tables, codes, strict=False))
    near = FairNeighbors(nearest_rows(scores, K))
    gaps = np.zeros((2, N), np.int32) if gaps is None else gaps
    by_row, of_column = np.ascontiguousarray(codes.T), np.arange(2, dtype=np.int32)
    check = SpacingCheck(scores, by_row, of_column, near.near, spacing)
    links = np.array(above, np.int32)
    mixed = RowsToMix(residual, codes, tables, gaps, columnwise, links)
    made = NeighborhoodMixer(near, mixed, check)
    return made, scores, residual, codes, tables, near


@pytest.mark.parametrize("law", [SphereWeights(5), EpBeta(0.2)], ids=repr)
@pytest.mark.parametrize("effects", [True, False])
def test_scores_are_what_the_plan_says(law, effects):
    made, _, residual, codes, tables, near = rows(effects=effects)
    drawn = made.drawer(law, 3 * N, Seeds(1))(0, 3 * N)
    np.testing.assert_array_equal(drawn.parents[:, 0], np.tile(np.arange(N), 3))
    wanted = np.einsum("ijk,ij->ik", residual[drawn.parents], drawn.weights)
    for table, code, giver in zip(tables, codes, drawn.givers, strict=False):
        wanted += table[code[giver]]
    np.testing.assert_allclose(drawn.scores, wanted, atol=1e-4)
    heavy = drawn.parents[np.arange(3 * N), drawn.weights.argmax(axis=1)]
    np.testing.assert_array_equal(drawn.main, heavy)
    assert (drawn.givers[:, :, None] == drawn.parents[None]).any(axis=2).all()
    known = (near.near[drawn.parents[:, :1]][:, 0, :, None] == drawn.parents[:, None]).any(axis=1)
    assert (known | (drawn.parents == drawn.parents[:, :1])).all()
    np.testing.assert_allclose(drawn.weights.sum(axis=1), 1.0)


def test_all_from_the_heaviest_parent():
    made, *_ = rows(columnwise=False)
    drawn = made.drawer(SphereWeights(4), N, Seeds(1))(0, N)
    assert (drawn.givers == drawn.main).all()


def test_givers_have_the_gaps_of_the_heaviest_parent():
    gaps = np.random.default_rng(3).integers(0, 3, (2, N)).astype(np.int32)
    made, *_ = rows(gaps=gaps)
    drawn = made.drawer(SphereWeights(6), 5 * N, Seeds(1))(0, 5 * N)
    for at in range(2):
        np.testing.assert_array_equal(gaps[at, drawn.givers[at]], gaps[at, drawn.main])
    assert (drawn.givers != drawn.main).any()


def distance(drawn, scores, codes):
    """Squared distance to the nearest parent, the slow way."""
    scale = 1.0 / scores.std(axis=0)
    gap = ((drawn.scores[:, None] - scores[drawn.parents]) * scale) ** 2
    total = gap.sum(axis=2)
    for code, giver in zip(codes, drawn.givers, strict=True):
        total += MISMATCH * (code[drawn.parents] != code[giver][:, None])
    return total.min(axis=1)


def test_spacing_by_hand():
    scores = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]], np.float32)
    codes = np.array([[0], [1], [1]], np.int32)
    near = np.array([[1, 2], [0, 2], [1, 0]], np.int32)
    found = _spacing(scores, np.ones(2, np.float32), codes, near, MISMATCH)
    assert found.tolist() == [9 + MISMATCH, 9 + MISMATCH, 16]


def test_the_check_keeps_rows_away_from_their_parents():
    plain, scores, _, codes, *_ = rows(spacing=0.0)
    checked, *_ = rows(spacing=0.7)
    least = checked.spacing.least
    shares = []
    for made in (plain, checked):
        drawn = made.drawer(SphereWeights(4), 20 * N, Seeds(2))(0, 20 * N)
        shares.append(np.mean(distance(drawn, scores, codes) < least[drawn.parents[:, 0]] - 1e-4))
    # attempts fail independently, with a chance that differs between rows: at the same chance for
    # all, four failures in a row would have the fourth power
    assert 0.05 < shares[0] < 0.9
    assert shares[1] < 0.5 * shares[0]


def test_chunks_do_not_depend_on_each_other():
    made, *_ = rows(spacing=0.5)
    n = CHUNK_ROWS + 100
    draw = made.drawer(SphereWeights(4), n, Seeds(5))
    late = draw(CHUNK_ROWS, n)
    again = made.drawer(SphereWeights(4), n, Seeds(5))
    again(0, CHUNK_ROWS)
    np.testing.assert_array_equal(again(CHUNK_ROWS, n).scores, late.scores)


def test_bits_are_those_of_xoshiro():
    from vicinal.table.mixing import _next

    # against the published recurrence in Python's own whole numbers
    state = np.array([1, 2, 3, 4], np.uint64)
    mask = 2**64 - 1
    s = [1, 2, 3, 4]

    def step():
        total = (s[0] + s[3]) & mask
        result = (((total << 23) | (total >> 41)) + s[0]) & mask
        t = (s[1] << 17) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = ((s[3] << 45) | (s[3] >> 19)) & mask
        return result

    assert int(_next(state)) == step() == (5 << 23) + 1
    for _ in range(1000):
        assert int(_next(state)) == step()


@given(st.lists(st.integers(0, 255), min_size=8, max_size=8))
def test_differing_bytes(values):
    word = np.array(values, np.uint8).view(np.uint64)[0]
    assert _differing_bytes(word) == np.count_nonzero(values)


def test_numbers_with_a_spike_come_from_a_parent():
    rng = np.random.default_rng(0)
    n = 2000
    x = rng.normal(size=n)
    fee = np.where(rng.random(n) < 0.6, 0, rng.integers(1, 60, n) * 10)
    rare = np.where(rng.random(n) < 0.6, 0.0, rng.normal(size=n))  # its values are nearly unique
    table = pa.table({"x": x, "fee": fee, "rare": rare})

    def mixed(**told):
        synthesizer = TableSynthesizer(random_state=0, **told).fit(table)
        return [column.name for column in synthesizer._training._mixed]

    assert mixed() == ["x", "rare"]
    assert "fee" in mixed(target="fee")
    assert "fee" in mixed(marginals="raw")


def test_combinations_held_alone_are_those_that_few_neighbors_have():
    near = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 3]], np.int32)
    codes = np.array([[0, 0, 0, 1], [0, 1, 0, 1]], np.int32)
    np.testing.assert_array_equal(_held_alone(near, codes, 1.0), [[0, 0, 0, 1], [0, 0, 0, 0]])
    # two of three neighbors; the row itself, last among its own neighbors, does not count
    np.testing.assert_array_equal(_held_alone(near, codes, 2.0), [[0, 0, 0, 1], [1, 1, 1, 1]])


def test_swapped_givers_stay_in_their_column_and_group():
    rng = np.random.default_rng(0)
    alone = rng.random((2, 50)) < 0.3
    kinds = rng.integers(0, 3, (2, 50))
    givers = rng.integers(0, 50, (2, 400)).astype(np.int32)
    swapped = givers.copy()
    levels = rng.integers(0, 3, (2, 50)).astype(np.int32)
    above = np.array([-1, 0], np.int32)
    _swap(rng.integers(0, 2**64, 4, np.uint64), alone, kinds, levels, above, swapped)
    # a combination goes to a row with the same level above, which may have been swapped before
    pairs = [np.sort(levels[1][swapped[0]] * 50 + one[1]) for one in (givers, swapped)]
    np.testing.assert_array_equal(*pairs)
    for before, after, own, kind in zip(givers, swapped, alone, kinds, strict=True):
        np.testing.assert_array_equal(np.sort(before), np.sort(after))
        np.testing.assert_array_equal(before[~own[before]], after[~own[before]])
        np.testing.assert_array_equal(kind[before], kind[after])
        moved = (before != after)[own[before]].mean()
        assert 0.6 < moved < 1.0


def chosen(parents, codes, above, n):
    """Return givers of many rows with the same parents."""
    zeros = np.zeros((len(codes), len(codes[0])))
    linked = RowsToMix(zeros[0][:, None], codes, [], zeros.astype(np.int32), True, above)
    weights = np.tile([1.0, *[0.0] * (len(parents) - 1)], (n, 1))
    return mix_plan(linked, np.tile(parents, (n, 1)), weights, np.random.default_rng(0)).givers


def test_pairs_of_linked_categories_are_those_of_the_parents():
    # three parents have the first level, four the second: each pair as often as among the parents
    codes = np.array([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 2, 2]], np.int32)
    n = 70_000
    pairs = {}
    for name, above in {"linked": [-1, 0], "apart": [-1, -1]}.items():
        givers = chosen(np.arange(7), codes, np.array(above, np.int32), n)
        drawn = codes[0][givers[0]] * 3 + codes[1][givers[1]]
        pairs[name] = np.bincount(drawn, minlength=6) / n
    of_parents = np.bincount(codes[0] * 3 + codes[1], minlength=6) / 7
    np.testing.assert_allclose(pairs["linked"], of_parents, atol=0.01)
    of_chance = np.outer([3 / 7, 4 / 7], [2 / 7, 3 / 7, 2 / 7]).ravel()
    np.testing.assert_allclose(pairs["apart"], of_chance, atol=0.01)


def test_what_few_parents_have_is_told_by_none_of_them_alone():
    # levels 0 and 1 have two parents each: what hangs on them is exchanged among the four
    codes = np.array([[0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 3, 4, 4, 4]], np.int32)
    givers = chosen(np.arange(7), codes, np.array([-1, 0], np.int32), 70_000)
    first = givers[1][givers[0] < 2]
    np.testing.assert_allclose(np.bincount(first, minlength=7)[:4] / len(first), 0.25, atol=0.01)
    counts = np.bincount(givers[1], minlength=7) / 70_000
    np.testing.assert_allclose(counts, 1 / 7, atol=0.01)  # each column by itself is kept


def test_neighborhoods_draw_linked_categories_as_a_plan_does():
    made, *_, codes, _, _ = rows(effects=False, above=(-1, 0))
    drawn = made.drawer(SphereWeights(8), 20 * N, Seeds(1))(0, 20 * N)
    above = codes[0][drawn.parents]
    level = codes[0][drawn.givers[0]]
    share = (above == level[:, None]).sum(axis=1)
    same = codes[0][drawn.givers[1]] == level
    assert same[share >= FITTING].all()
    assert not same[share < FITTING].all()
    shares = [
        np.bincount(codes[1][one].ravel()) / one.size for one in (drawn.parents, drawn.givers[1])
    ]
    np.testing.assert_allclose(*shares, atol=0.02)  # each column by itself is kept
