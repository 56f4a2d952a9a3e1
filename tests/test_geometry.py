"""Distances against hand-worked numbers, other formulas and geoopt."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.geometry import (
    METRICS,
    check_metric,
    exp0,
    pairwise_distance,
    rescale_to_ball,
    rowwise_distance,
    warn_equal_norms,
)

EPS = {"float32": 1.2e-7, "float64": 2.3e-16}
CURVED = [("hyperbolic", -1.0), ("hyperbolic", -0.3), ("stereographic", -2.5)]
CURVED += [("stereographic", 1.0), ("stereographic", 0.4), ("stereographic", 0.0)]
FLAT = [("euclidean", -1.0), ("cosine", -1.0)]


def ball(n_rows, seed=0, low=0.05, high=0.9, n_features=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features))
    return X / np.linalg.norm(X, axis=1, keepdims=True) * rng.uniform(low, high, (n_rows, 1))


def points(n_rows, curvature, seed=0):
    return ball(n_rows, seed) / math.sqrt(abs(curvature) or 1)


# by hand


def test_distances_by_hand():
    x, y = [[0.0, 0.0]], [[0.5, 0.0]]
    assert rowwise_distance(x, y, "hyperbolic")[0] == pytest.approx(math.log(3))
    assert rowwise_distance(x, y, "stereographic", 1.0)[0] == pytest.approx(2 * math.atan(0.5))
    assert rowwise_distance(x, y, "stereographic", 0.0)[0] == pytest.approx(1.0)
    assert rowwise_distance(x, y, "euclidean")[0] == pytest.approx(0.5)
    published = rowwise_distance(x, y, "hyperbolic", published="workshop-2021")
    assert published[0] == pytest.approx(2 * math.atan(0.5))
    # two points off the origin: |x-y|^2 = 0.5, A = 0.75 each, 2 arsinh(sqrt(0.5 / 0.5625))
    square = rowwise_distance([[0.5, 0.0]], [[0.0, 0.5]], "hyperbolic")[0]
    assert square == pytest.approx(2 * math.asinh(math.sqrt(0.5 / 0.5625)))
    assert square == pytest.approx(math.acosh(1 + 2 * 0.5 / 0.5625))
    assert rowwise_distance([[1.0, 0.0]], [[1.0, 1.0]], "cosine")[0] == pytest.approx(1 - 0.5**0.5)


@pytest.mark.parametrize("curvature", [-1.0, -0.3])
def test_hyperbolic_is_the_artanh_of_the_mobius_difference(curvature):
    X, Y = points(50, curvature), points(50, curvature, 1)
    root = math.sqrt(-curvature)
    inner = (X * Y).sum(1)
    a, b = (X**2).sum(1), (Y**2).sum(1)
    norm = ((X - Y) ** 2).sum(1) / (1 + 2 * curvature * inner + curvature**2 * a * b)
    expected = 2 * np.arctanh(root * np.sqrt(norm)) / root
    np.testing.assert_allclose(rowwise_distance(X, Y, "hyperbolic", curvature), expected)
    spelt = 2 * np.arctan(root * np.sqrt(norm)) / root
    ours = rowwise_distance(X, Y, "hyperbolic", curvature, published="workshop-2021")
    np.testing.assert_allclose(ours, spelt)
    ours = pairwise_distance(X, Y, "hyperbolic", curvature, published="workshop-2021")
    np.testing.assert_allclose(np.diag(ours), spelt)
    order = np.argsort(pairwise_distance(X, Y, "hyperbolic", curvature), axis=1)
    assert (np.argsort(ours, axis=1) == order).all(), "both formulas order pairs alike"


def test_sphere_is_the_angle_between_points_of_the_unit_sphere():
    X, Y = ball(40, 2) * 5, ball(40, 3) * 5

    def onto(X):
        square = (X**2).sum(1, keepdims=True)
        return np.hstack([2 * X, 1 - square]) / (1 + square)

    angle = np.arccos((onto(X) * onto(Y)).sum(1).clip(-1, 1))
    np.testing.assert_allclose(rowwise_distance(X, Y, "stereographic", 1.0), angle, rtol=1e-7)


def test_small_curvature_tends_to_twice_euclidean():
    X, Y = ball(30), ball(30, 1)
    flat = rowwise_distance(X, Y, "stereographic", 0.0)
    for k in (1e-8, -1e-8):
        near = rowwise_distance(X, Y, "stereographic", k)
        np.testing.assert_allclose(near, flat, rtol=1e-7)
    np.testing.assert_allclose(flat, 2 * rowwise_distance(X, Y))


# laws


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("metric", "curvature"), CURVED + FLAT)
def test_pairwise_is_rowwise_of_every_pair(metric, curvature, dtype):
    X = points(37, curvature).astype(dtype)
    Y = points(23, curvature, 1).astype(dtype)
    grid = pairwise_distance(X, Y, metric, curvature)
    assert grid.dtype == dtype
    assert grid.shape == (37, 23)
    left, right = np.repeat(np.arange(37), 23), np.tile(np.arange(23), 37)
    rows = rowwise_distance(X[left], Y[right], metric, curvature)
    assert rows.dtype == dtype
    # a matrix product loses 1 / NEAR of relative precision at most, halved by the root
    np.testing.assert_allclose(grid.ravel(), rows, rtol=400 * EPS[dtype])
    own = pairwise_distance(X, metric=metric, curvature=curvature)
    np.testing.assert_allclose(own, own.T, rtol=400 * EPS[dtype])
    assert (np.diag(own) <= 20 * EPS[dtype]).all()
    assert (own >= 0).all()


@given(st.sampled_from(CURVED + FLAT[:1]), st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 5]))
def test_metric_axioms(space, seed, n_features):
    metric, k = space
    x, y, z = (
        ball(6, seed + shift, 0.01, 0.99, n_features) / math.sqrt(abs(k) or 1) for shift in range(3)
    )
    xy = rowwise_distance(x, y, metric, k)
    np.testing.assert_allclose(xy, rowwise_distance(y, x, metric, k), rtol=1e-12)
    assert (rowwise_distance(x, x, metric, k) == 0).all()
    around = rowwise_distance(x, z, metric, k) + rowwise_distance(z, y, metric, k)
    assert (xy <= around * (1 + 1e-9)).all()


def test_blocks_do_not_show(monkeypatch):
    X = ball(101)
    whole = pairwise_distance(X, metric="hyperbolic")
    monkeypatch.setattr("vicinal._points.BLOCK_NUMBERS", 250)
    np.testing.assert_allclose(pairwise_distance(X, metric="hyperbolic"), whole, rtol=1e-13)
    np.testing.assert_array_equal(exp0(X * 9), exp0((X * 9)[:]))


# hard points


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("metric", "curvature"), CURVED)
def test_coincident_and_nearly_coincident_points(metric, curvature, dtype):
    x = points(50, curvature).astype(dtype)
    step = np.asarray(2.0**-10, dtype)
    assert (rowwise_distance(x, x.copy(), metric, curvature) == 0).all()
    both = np.vstack([x, x + step])
    grid = pairwise_distance(both, metric=metric, curvature=curvature)
    rows = rowwise_distance(both[:50], both[50:], metric, curvature)
    np.testing.assert_allclose(np.diag(grid[:50, 50:]), rows, rtol=400 * EPS[dtype])
    wide = rowwise_distance(*both.astype(float).reshape(2, 50, -1), metric, curvature)
    np.testing.assert_allclose(rows, wide, rtol=10 * EPS[dtype])


def test_near_points_far_from_the_origin_keep_their_digits():
    X = (1000 + np.arange(4.0)[:, None] * 2.0**-10 * np.ones(3)).astype(np.float32)
    grid = pairwise_distance(X)
    expected = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))) * 2.0**-10 * 3**0.5
    np.testing.assert_allclose(grid, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_near_the_edge(dtype):
    radius = np.asarray([1 - 2.0**-s for s in (4, 8, 12, 20)], dtype)
    x = np.stack([radius, np.zeros(4, dtype)], axis=1)
    ends = rowwise_distance(x, -x, "hyperbolic")
    exact = 4 * np.arctanh(radius.astype(float))  # through the origin
    np.testing.assert_allclose(ends, exact, rtol=1e-6 if dtype == "float32" else 1e-9)
    np.testing.assert_allclose(np.diag(pairwise_distance(x, -x, "hyperbolic")), exact, rtol=1e-5)


def test_antipodes_of_the_sphere():
    x = np.array([[0.5, 0.0], [0.0, 3.0], [0.6, 0.8]])
    antipode = -x / (x**2).sum(1, keepdims=True)
    np.testing.assert_allclose(rowwise_distance(x, antipode, "stereographic", 1.0), math.pi)
    grid = np.diag(pairwise_distance(x, antipode, "stereographic", 1.0))
    # an angle near pi is known to the root of the rounding
    np.testing.assert_allclose(grid, math.pi, atol=10 * math.sqrt(EPS["float64"]))
    k = 0.25
    np.testing.assert_allclose(
        rowwise_distance(2 * x, 2 * antipode, "stereographic", k), 2 * math.pi
    )


def test_zero_vectors():
    zero, x = np.zeros((1, 3)), np.array([[0.3, 0.0, 0.4]])
    for metric in ("euclidean", "hyperbolic", "stereographic"):
        assert rowwise_distance(zero, zero, metric)[0] == 0
        assert pairwise_distance(zero, zero, metric)[0, 0] == 0
    assert rowwise_distance(zero, x, "hyperbolic")[0] == pytest.approx(2 * math.atanh(0.5))
    for work in (rowwise_distance, pairwise_distance):
        with pytest.raises(ValueError, match=r"Y has 1 zero row.*undefined"):
            work(x, zero, "cosine")


def test_cosine_limits():
    x = np.array([[1e-20, 0.0], [3.0, 4.0], [1e20, 0.0]])
    np.testing.assert_allclose(rowwise_distance(x, 7 * x, "cosine"), 0, atol=1e-15)
    assert (rowwise_distance(x, -x, "cosine") == 2).all()
    tiny = rowwise_distance([[1.0, 0.0]], [[1.0, 1e-9]], "cosine")[0]
    assert tiny == pytest.approx(5e-19), "1 - cos would be 0"


# maps


@pytest.mark.parametrize("curvature", [-1.0, -0.2, 1.0, 0.5])
def test_exp0_lands_at_twice_the_length(curvature):
    v = ball(30) * (1.0 if curvature < 0 else 0.9)
    x = exp0(v, curvature)
    distance = rowwise_distance(np.zeros_like(x), x, "stereographic", curvature)
    np.testing.assert_allclose(distance, 2 * np.linalg.norm(v, axis=1))
    np.testing.assert_allclose(rowwise_distance(x, v, "cosine"), 0, atol=1e-15)


def test_exp0_flat_zero_and_too_long():
    v = ball(5)
    np.testing.assert_array_equal(exp0(v, 0.0), v)
    assert (exp0(np.zeros((2, 3))) == 0).all()
    with pytest.raises(ValueError, match="far pole"):
        exp0([[2.0]], 1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_long_vectors_stay_inside_the_ball(dtype):
    v = (ball(200, low=1, high=1000) * 1e3).astype(dtype)
    for x in (exp0(v), rescale_to_ball(v, 0.9)):
        assert x.dtype == dtype
        assert (np.linalg.norm(x.astype(float), axis=1) < 1).all()
        assert np.isfinite(rowwise_distance(x, x[::-1], metric="hyperbolic")).all()
    assert (np.linalg.norm(exp0(v * 4, -4.0).astype(float), axis=1) < 0.5).all()


@given(st.floats(0.05, 0.95), st.floats(-9, -0.01), st.integers(0, 99))
def test_rescaled_median_lands_where_asked(share, curvature, seed):
    X = np.random.default_rng(seed).normal(size=(51, 3)) * 12
    radius = np.linalg.norm(rescale_to_ball(X, share, curvature), axis=1)
    assert np.median(radius) == pytest.approx(share / math.sqrt(-curvature))
    order = np.argsort(np.linalg.norm(X, axis=1))
    assert (np.diff(radius[order]) >= 0).all()


# what is refused, and what is warned of


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"metric": "hyperbolc"}, "Did you mean 'hyperbolic'"),
        ({"metric": "hyperbolic", "curvature": 0.0}, "metric='euclidean'"),
        ({"metric": "hyperbolic", "curvature": 1.0}, "metric='stereographic'"),
        ({"metric": "hyperbolic", "curvature": math.nan}, "finite"),
        ({"metric": "euclidean", "published": "workshop-2021"}, "Leave one of them out"),
        ({"metric": "hyperbolic", "published": "workshop"}, "Did you mean 'workshop-2021'"),
    ],
)
def test_parameters_that_do_not_go_together(arguments, says):
    for work in (pairwise_distance, rowwise_distance):
        with pytest.raises(ValueError, match=says):
            work([[0.1]], [[0.2]], **arguments)


@pytest.mark.parametrize("work", [pairwise_distance, rowwise_distance])
def test_bad_points(work):
    with pytest.raises(ValueError, match="X holds NaN"):
        work([[math.nan]], [[0.1]])
    with pytest.raises(ValueError, match=r"Y holds NaN or infinity in 2 row.s., the first.* row 1"):
        work([[0.1]] * 3, [[0.1], [math.inf], [math.nan]])
    with pytest.raises(ValueError, match=r"X has 1 row.s. outside the ball.*rescale_to_ball"):
        work([[0.1], [1.0]], [[0.1], [0.2]], "hyperbolic")
    with pytest.raises(ValueError, match="shape"):
        work([0.1, 0.2], [0.1, 0.2])
    with pytest.raises(ValueError, match="features"):
        work([[0.1]], [[0.1, 0.2]])
    with pytest.raises(TypeError, match="numbers"):
        work([["a"]], [["b"]])


def test_bad_rows_and_scales():
    with pytest.raises(ValueError, match="one length"):
        rowwise_distance([[0.1]], [[0.1], [0.2]])
    with pytest.raises(ValueError, match="half of the vectors"):
        rescale_to_ball(np.zeros((3, 2)))
    for share in (0, 1, 1.5):
        with pytest.raises(ValueError, match="median_radius"):
            rescale_to_ball([[1.0]], share)
    with pytest.raises(ValueError, match="below 0"):
        rescale_to_ball([[1.0]], curvature=1.0)


def test_empty_arrays():
    empty = np.empty((0, 3))
    assert pairwise_distance(empty).shape == (0, 0)
    assert pairwise_distance(np.ones((2, 3)), empty).shape == (2, 0)
    assert rowwise_distance(empty, empty).shape == (0,)
    assert rescale_to_ball(empty).shape == (0, 3)


def test_equal_norms_warn():
    X = ball(50, low=0.5, high=0.5)
    for metric in ("hyperbolic", "stereographic"):
        with pytest.warns(UserWarning, match="same norm"):
            pairwise_distance(X, metric=metric)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairwise_distance(X, metric="cosine")
        pairwise_distance(X, metric="stereographic", curvature=0.0)
        pairwise_distance(ball(50), metric="hyperbolic")
        warn_equal_norms([1.0, 1.0])  # two rows have no order
        edge = ball(50, low=0.99, high=0.999999)  # nearly one norm, and margins far apart
        pairwise_distance(edge, metric="hyperbolic")
        pairwise_distance(edge[:25], edge[25:], metric="hyperbolic")
    # and the warning is true
    with pytest.warns(UserWarning, match="same norm"):
        orders = [np.argsort(pairwise_distance(X, metric=one), axis=1) for one in METRICS]
    for order in orders[1:]:
        assert (order[:, 1:] == orders[0][:, 1:]).all()


def test_types():
    assert pairwise_distance([[1], [2]]).dtype == np.float64
    assert pairwise_distance(np.ones((2, 2), np.float16)).dtype == np.float32
    both = pairwise_distance(np.ones((2, 2), np.float32), np.ones((2, 2)))
    assert both.dtype == np.float64
    X = ball(5)
    before = X.copy()
    for metric in METRICS:
        pairwise_distance(X, metric=metric)
    rescale_to_ball(X)
    np.testing.assert_array_equal(X, before)
    assert check_metric("hyperbolic", -2) == -2.0
    assert check_metric("euclidean", -2) == 0.0


# torch, and geoopt as the oracle


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("metric", "curvature"), CURVED + FLAT)
def test_torch_goes_the_same_way(metric, curvature, dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    X, Y = points(31, curvature).astype(dtype), points(31, curvature, 1).astype(dtype)
    x, y = torch.from_numpy(X), torch.from_numpy(Y)
    for work in (pairwise_distance, rowwise_distance):
        ours = work(x, y, metric, curvature)
        assert isinstance(ours, torch.Tensor)
        assert str(ours.dtype) == f"torch.{dtype}"
        expected = work(X, Y, metric, curvature)
        np.testing.assert_allclose(ours.numpy(), expected, rtol=400 * EPS[dtype])
    if curvature < 0:
        for move in (exp0, rescale_to_ball):
            np.testing.assert_allclose(
                move(x, curvature=curvature).numpy(),
                move(X, curvature=curvature),
                rtol=10 * EPS[dtype],
            )


def test_torch_gradients_flow():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x = torch.from_numpy(ball(8)).requires_grad_()
    y = torch.from_numpy(ball(8, 1))
    for metric in METRICS:
        for work in (pairwise_distance, rowwise_distance):
            (grad,) = torch.autograd.grad(work(x, y, metric).sum(), x)
            assert torch.isfinite(grad).all()
            assert (grad != 0).any()
    assert pairwise_distance(x.half()).dtype == torch.float32
    with pytest.raises(TypeError, match="both be torch"):
        pairwise_distance(x, np.ones((2, 4)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("curvature", [-1.0, -0.3, -2.5, 0.0, 0.4, 1.0])
def test_geoopt_agrees(curvature, dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    geoopt = pytest.importorskip("geoopt", reason="geoopt, the oracle, is not installed")
    curvature = float(np.float32(curvature))  # geoopt keeps it so
    manifold = geoopt.Stereographic(k=curvature).to(getattr(torch, dtype))
    X, Y = points(200, curvature), points(200, curvature, 1)
    x, y = (torch.from_numpy(one.astype(dtype)) for one in (X, Y))
    oracle = manifold.dist(x, y).numpy()
    ours = rowwise_distance(x, y, "stereographic", curvature).numpy()
    rtol = 1e-4 if dtype == "float32" else 1e-9  # geoopt works in the type of its input
    np.testing.assert_allclose(ours, oracle, rtol=rtol)
    grid = pairwise_distance(x, y, "stereographic", curvature).numpy()
    whole = manifold.dist(x[:, None], y[None]).numpy()
    np.testing.assert_allclose(grid, whole, rtol=rtol)
    if curvature <= 0:
        np.testing.assert_allclose(
            exp0(x, curvature).numpy(), manifold.expmap0(x).numpy(), rtol=100 * EPS[dtype]
        )
    # coincident, at the origin, through the origin
    zero = torch.zeros_like(x)
    assert (rowwise_distance(x, x, "stereographic", curvature) == 0).all()
    np.testing.assert_allclose(
        rowwise_distance(zero, x, "stereographic", curvature), manifold.dist0(x), rtol=rtol
    )
    np.testing.assert_allclose(
        rowwise_distance(x, -x, "stereographic", curvature), manifold.dist(x, -x), rtol=10 * rtol
    )


def test_geoopt_agrees_near_the_edge_and_at_antipodes():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    geoopt = pytest.importorskip("geoopt", reason="geoopt, the oracle, is not installed")
    x = torch.from_numpy(ball(100, low=1 - 1e-2, high=1 - 2e-3))
    y = torch.from_numpy(ball(100, 1, low=1 - 1e-2, high=1 - 2e-3))
    oracle = geoopt.Stereographic(k=-1.0).double().dist(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(rowwise_distance(x, y, "hyperbolic"), oracle, rtol=1e-6)
    # float32 near the edge, where geoopt's own float32 saturates: double says who is right
    single = rowwise_distance(x.float(), y.float(), "hyperbolic")
    exact = geoopt.Stereographic(k=-1.0).double().dist(x.float().double(), y.float().double())
    np.testing.assert_allclose(single, exact, rtol=1e-5)
    sphere = geoopt.Stereographic(k=1.0).double()
    far = sphere.antipode(x)
    np.testing.assert_allclose(rowwise_distance(x, far, "stereographic", 1.0), math.pi)
    # at antipodes themselves geoopt 0.5 divides rounding by rounding; just beside it does not
    beside = far * 1.01
    np.testing.assert_allclose(
        rowwise_distance(x, beside, "stereographic", 1.0), sphere.dist(x, beside), rtol=1e-6
    )


# sizes that squares overflow or vanish at


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-30, 1e-25, 1e12, 1e25, 1e30])
@pytest.mark.parametrize(("metric", "curvature"), CURVED + FLAT)
def test_the_space_looks_the_same_in_any_unit(metric, curvature, size, dtype):
    X, Y = points(9, curvature).astype(dtype), points(7, curvature, 1).astype(dtype)
    unit = 2.0 ** round(math.log2(size))  # exact, so that only the unit differs
    there = curvature / unit**2
    small = pairwise_distance(X, Y, metric, curvature)
    large = pairwise_distance(
        X * np.asarray(unit, dtype), Y * np.asarray(unit, dtype), metric, there
    )
    factor = 1.0 if metric == "cosine" else unit
    np.testing.assert_allclose(large / factor, small, rtol=100 * EPS[dtype])
    rows = rowwise_distance(
        X[:7] * np.asarray(unit, dtype), Y * np.asarray(unit, dtype), metric, there
    )
    np.testing.assert_allclose(rows, np.diag(large[:7]), rtol=400 * EPS[dtype])


def test_huge_and_tiny_doubles():
    for size in (1e-300, 1e200):
        X = np.array([[3.0, 0.0], [0.0, 4.0]]) * size
        assert pairwise_distance(X)[0, 1] / size == pytest.approx(5.0)
        assert pairwise_distance(X, metric="cosine")[0, 1] == pytest.approx(1.0)
        ball = rescale_to_ball(np.array([[3.0, 0.0], [0.0, 9.0], [-18.0, 0.0]]) * size)
        assert np.linalg.norm(ball, axis=1) == pytest.approx([0.181, 0.5, 0.8], abs=1e-3)
    assert np.linalg.norm(exp0(np.array([[1e200, 1e200]])), axis=1) == pytest.approx(1.0)


def test_torch_takes_the_same_way_at_any_size():
    torch = pytest.importorskip("torch", reason="needs torch")
    for size in (1e-40, 1e-30, 1e25):
        X = torch.tensor([[3.0, 0.0], [0.0, 4.0]]) * size
        got = pairwise_distance(X)[0, 1] / size
        assert float(got) == pytest.approx(5.0, rel=1e-4 if size == 1e-40 else 1e-6)


def test_distances_that_no_number_holds_are_refused():
    with pytest.raises(ValueError, match="beyond the largest float32"):
        pairwise_distance(np.array([[1e38], [-1e38]], np.float32))
    with pytest.raises(ValueError, match="beyond the largest float64"):
        rowwise_distance([[1e308]], [[-1e308]])
    with pytest.raises(ValueError, match="far pole of a sphere"):
        pairwise_distance([[1e25], [2e25]], metric="stereographic", curvature=1.0)
    with pytest.raises(ValueError, match=r"outside the ball of radius 1,"):
        pairwise_distance([[1e25], [2e25]], metric="hyperbolic")
