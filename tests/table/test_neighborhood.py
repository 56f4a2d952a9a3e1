"""Columns that tell of the target count for more where nearness is measured."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.table.neighborhood import relevance, row_space


@pytest.mark.parametrize("kind", ["class", "number"])
def test_the_column_that_decides_has_most_of_the_share(kind):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3000, 3))
    codes = rng.integers(0, 4, 3000)
    target = scores[:, 1] + 0.1 * rng.normal(size=3000)
    if kind == "class":
        target = (target > 0).astype(np.int64)
    shares = relevance(scores, [codes], target)
    assert shares.shape == (4,)
    np.testing.assert_allclose(shares.sum(), 1.0)
    assert shares[1] > 0.8
    np.testing.assert_array_equal(relevance(scores, [codes], target), shares)


def test_a_category_can_decide():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 2000)
    assert relevance(rng.normal(size=(2000, 2)), [codes], codes + 0.0)[2] > 0.9


def test_nothing_is_said_of_a_constant_target():
    shares = relevance(np.random.default_rng(0).normal(size=(50, 2)), [], np.zeros(50, np.int64))
    np.testing.assert_allclose(shares, 0.5)


def test_row_space_is_stretched():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(500, 2))
    codes = rng.integers(0, 2, 500)
    plain = row_space(scores, [codes], np.random.default_rng(1))
    wide = row_space(scores, [codes], np.random.default_rng(1), [1.0, 3.0, 2.0])
    noise = 0.02  # of ties, on every axis
    np.testing.assert_allclose(wide[:, 0], plain[:, 0], atol=noise)
    np.testing.assert_allclose(wide[:, 1], 3 * plain[:, 1], atol=noise)
    np.testing.assert_allclose(wide[:, 2:], 2 * plain[:, 2:], atol=noise)


def test_rows_fewer_than_columns_keep_their_distances():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(25, 4)) @ rng.normal(size=(4, 90)) + rng.normal(size=(25, 90))
    space = row_space(scores, [], np.random.default_rng(1)).astype(float)
    known = scores / scores.std(axis=0)

    def apart(points):
        return np.linalg.norm(points[:, None] - points, axis=2)

    assert space.shape[1] == 24  # centered rows span one direction less than there are rows
    np.testing.assert_allclose(apart(space), apart(known), atol=1e-2)


def test_rows_fewer_than_columns_lie_along_the_widest_directions():
    scores = np.random.default_rng(0).normal(size=(60, 90)).astype(np.float32)
    space = row_space(scores, [], np.random.default_rng(1)).astype(float)
    known = scores / scores.std(axis=0)
    widest = np.linalg.svd(known - known.mean(axis=0), compute_uv=False)[: space.shape[1]]
    found = np.linalg.svd(space - space.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(found, widest, rtol=1e-3)
