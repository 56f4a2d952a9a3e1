"""Partners by distance: what is refused, what is warned of, and rows at the extremes."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from vicinal import AcrossGroup, Farthest, Nearest, Permutation, WithinGroup, make_plan


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Farthest(0), "tau must be"),
        (lambda: Farthest(1.01), "share of ranks"),
        (lambda: Farthest(math.nan), "tau must be"),
        (lambda: Farthest(0.1, "hyperbolc"), "Did you mean 'hyperbolic'"),
        (lambda: Farthest(0.1, curvature=0), "metric='euclidean'"),
        (lambda: Farthest(0.1, method="sketched"), "Did you mean 'sketch'"),
        (lambda: Farthest(0.1, refresh=0), "refresh must be at least 1"),
        (lambda: Farthest(0.1, median_radius=1.0), "median_radius"),
        (lambda: Farthest(0.1, "cosine", median_radius=0.5), "negative curvature only"),
        (lambda: Nearest(), "either k"),
        (lambda: Nearest(k=3, tau=0.1), "either k"),
        (lambda: Nearest(k=0), "k must be at least 1"),
        (lambda: Nearest(tau=2.0), "tau must be"),
        (lambda: AcrossGroup([0, 1], Farthest(0.1, balanced=True)), "balanced=True"),
    ],
)
def test_bad_parameters(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_bad_types():
    for make in (
        lambda: Farthest("0.1"),
        lambda: Nearest(k=2.0),
        lambda: AcrossGroup([0, 1], Permutation()),
        lambda: WithinGroup([0, 1], "Farthest"),
    ):
        with pytest.raises(TypeError):
            make()


def test_bad_rows(embeddings, drawn):
    X = embeddings(20)
    hole = X.copy()
    hole[3, 0] = np.nan
    zero = X.copy()
    zero[4] = 0
    for balanced in (False, True):
        with pytest.raises(
            ValueError, match=r"NaN or infinity in 1 row.s., the first of them row 3"
        ):
            Farthest(0.1, balanced=balanced).pair(hole)
        with pytest.raises(ValueError, match="row 4"):
            Farthest(0.1, "cosine", balanced=balanced).pair(zero)
        with pytest.raises(ValueError, match="pass an array"):
            Farthest(0.1, balanced=balanced).pair(20)
    Farthest(0.1).pair(zero, random_state=0)  # the origin of the ball is a point like others
    Farthest(0.1, "euclidean").pair(np.zeros((5, 2)), random_state=0)
    for wrapper in (WithinGroup, AcrossGroup):
        with pytest.raises(ValueError, match="one label for each of the 20 rows"):
            wrapper(np.arange(19), Farthest(0.1)).pair(X)
    with pytest.raises(ValueError, match="at least two groups"):
        AcrossGroup(np.zeros(20), Farthest(0.1)).pair(X)
    with pytest.raises(ValueError, match="half of the vectors"):
        Farthest(0.1, median_radius=0.5).pair(np.zeros((5, 2)))


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_tensors_that_are_learned_pair_as_arrays_do(embeddings, kind):
    torch = pytest.importorskip("torch", reason="needs torch")
    X = torch.tensor(embeddings(20), dtype=getattr(torch, kind), requires_grad=True)
    found = Farthest(0.1).pair(X, random_state=0)
    assert (found == Farthest(0.1).pair(X.detach().float().numpy(), random_state=0)).all()


def test_one_row_is_copied_with_a_warning():
    for pairing in (Farthest(0.1), Nearest(k=3), Farthest(0.1, balanced=True)):
        with pytest.warns(UserWarning, match="single row"):
            plan = make_plan(np.ones((1, 3)), 5, pairing=pairing)
        assert (plan.parents == 0).all()


def test_equal_norms_warn_and_are_of_one_order(embeddings):
    X = embeddings(100, seed=23)
    X /= np.linalg.norm(X, axis=1, keepdims=True) / 0.7
    with pytest.warns(UserWarning, match="not normalized") as paired:
        curved = Farthest(0.02).pair(X, random_state=0)
    with pytest.warns(UserWarning, match="not normalized") as planned:
        make_plan(X, 5, pairing=Farthest(0.02), random_state=0)
    assert [one.filename for one in (*paired, *planned)] == [__file__] * 2
    edge = X / 0.7 * (1 - 10 ** -np.linspace(2, 6, len(X)))[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flat = Farthest(0.02, "euclidean").pair(X, random_state=0)
        angle = Farthest(0.02, "cosine").pair(X, random_state=0)
        Farthest(0.02).pair(edge, random_state=0)
    np.testing.assert_array_equal(curved, flat)
    np.testing.assert_array_equal(curved, angle)


def test_extreme_units(embeddings):
    X = embeddings(50, seed=24)
    expected = Farthest(0.05, "euclidean").pair(X, random_state=0)
    for unit in (2.0**-90, 2.0**90):
        for metric in ("euclidean", "cosine", "hyperbolic"):
            near = Farthest(0.05, metric).pair(X * unit, random_state=0)
            assert (near != np.arange(50)).all()
        np.testing.assert_array_equal(
            Farthest(0.05, "euclidean").pair(X * unit, random_state=0), expected
        )


def test_an_outlier_does_not_blur_the_others():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 8))
    X[0] = 1e6
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X, return_distance=False)[:, 1]
    found = Nearest(k=1).pair(X, random_state=0)
    assert (found[1:] == near[1:]).mean() > 0.99


def test_a_narrow_cone_is_ranked_by_its_angles():
    rng = np.random.default_rng(0)
    X = np.eye(1, 16)[0] + 1e-3 * rng.normal(size=(400, 16))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    gaps = np.square(unit[:, None] - unit[None]).sum(-1)
    found = Farthest(0.1, metric="cosine").pair(X, random_state=0)
    ranks = (gaps > gaps[np.arange(400), found][:, None]).sum(1)
    assert ranks.max() <= 41


def test_a_small_minority_is_sketched():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9000, 4))
    groups = np.arange(9000) < 500
    found = AcrossGroup(groups, Farthest(0.1, metric="euclidean", method="sketch")).pair(
        X, random_state=0
    )
    assert (groups[found] != groups).all()
    rows = rng.choice(np.flatnonzero(~groups), 50, replace=False)
    for row in rows:  # every candidate of the majority is a reference row: no error
        gaps = np.linalg.norm(X[groups] - X[row], axis=1)
        mine = np.linalg.norm(X[found[row]] - X[row])
        assert (gaps > mine + 1e-5).sum() < 50


def test_a_balanced_pairing_has_no_bound():
    with pytest.raises(ValueError, match="balanced"):
        Farthest(0.1, balanced=True).rank_error(100)


def test_more_neighbors_than_rows_are_all_of_them_with_a_warning(drawn):
    X = np.random.default_rng(0).normal(size=(20, 3))
    groups = np.arange(20) % 2
    for balanced in (False, True):
        with pytest.warns(UserWarning, match=r"k=20 is more than the 19 row\(s\).*smaller k"):
            found = drawn(Nearest(k=20, balanced=balanced), X, 100)
        assert set(found[:, 0]) - {0} == set(range(1, 20))
        with pytest.warns(UserWarning, match="k=10 is more than the 9 row"):
            found = drawn(WithinGroup(groups, Nearest(k=10, balanced=balanced)), X, 100)
        assert set(found[:, 0]) - {0} == set(range(2, 20, 2))
    with pytest.warns(UserWarning, match="k=11 is more than the 10 row"):
        found = drawn(AcrossGroup(groups, Nearest(k=11)), X, 100)
    assert set(found[:, 0]) == set(range(1, 20, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(drawn(Nearest(k=19), X, 100)[:, 0]) == set(range(1, 20))
