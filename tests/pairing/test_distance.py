"""Partners by distance: who they are, how they are drawn, and what becomes of the covariance."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import vicinal.pairing._candidates as candidates
import vicinal.pairing._ranks as ranks
from vicinal import (
    AcrossGroup,
    Beta,
    EpBeta,
    Farthest,
    Nearest,
    Permutation,
    Random,
    Uniform,
    WithinGroup,
    make_plan,
)
from vicinal.geometry import pairwise_distance, rescale_to_ball

FALSE_ALARM = 1e-6
SPACES = [("euclidean", -1.0), ("cosine", -1.0), ("hyperbolic", -1.0), ("hyperbolic", -4.0)]
SPACES += [("stereographic", 1.0), ("stereographic", 0.0), ("stereographic", -0.5)]


def in_space(X, metric, k):
    """Return the rows as the pairing is documented to place them."""
    curved = metric in ("hyperbolic", "stereographic") and k < 0
    outside = curved and np.linalg.norm(X, axis=1).max() * math.sqrt(-k) >= 1
    return rescale_to_ball(X, 0.5, k) if outside else X


def ranks_of(X, partners, metric="euclidean", k=-1.0, nearest=False):
    """Return how many other rows are strictly farther than each partner (or nearer)."""
    distance = pairwise_distance(in_space(X, metric, k), metric=metric, curvature=k)
    own = np.arange(len(X))
    np.fill_diagonal(distance, np.inf if nearest else -np.inf)
    reached = distance[own, partners][:, None]
    # ranks are taken in float32: what differs by its rounding counts as tied
    slack = 1e-5 * np.abs(reached)
    return (distance < reached - slack if nearest else distance > reached + slack).sum(axis=1)


def uniform_p(partners, allowed):
    counts = np.bincount(partners, minlength=max(allowed) + 1)
    assert counts.sum() == counts[list(allowed)].sum(), "a partner that is no candidate"
    return stats.chisquare(counts[list(allowed)]).pvalue


# who


@pytest.mark.parametrize("tau", [0.003, 0.1, 0.55, 1.0])
@pytest.mark.parametrize(("metric", "k"), SPACES)
def test_farthest_ranks_within_tau(metric, k, tau, embeddings):
    X = embeddings(400, seed=1)
    partners = Farthest(tau, metric, k).pair(X, random_state=0)
    assert (partners != np.arange(400)).all()
    assert ranks_of(X, partners, metric, k).max() < math.ceil(tau * 399)


@pytest.mark.parametrize(("metric", "k"), SPACES)
def test_nearest_ranks_within_k(metric, k, embeddings):
    X = embeddings(300, seed=2)
    for pairing, most in ((Nearest(k=1), 1), (Nearest(k=7), 7), (Nearest(tau=0.1), 30)):
        partners = type(pairing)(pairing.k, pairing.tau, metric, k).pair(X, random_state=0)
        assert (partners != np.arange(300)).all()
        assert ranks_of(X, partners, metric, k, nearest=True).max() < most


def test_one_nearest_is_scikit_learns(embeddings):
    from sklearn.neighbors import NearestNeighbors

    X = embeddings(500, 5, seed=3)
    near = NearestNeighbors(n_neighbors=1).fit(X).kneighbors(return_distance=False)[:, 0]
    np.testing.assert_array_equal(Nearest(k=1).pair(X, random_state=9), near)


@given(
    st.integers(2, 40),
    st.floats(0.001, 1.0),
    st.sampled_from(SPACES),
    st.integers(0, 10**6),
    st.booleans(),
)
@settings(max_examples=50)
def test_any_size_and_share(embeddings, n_rows, tau, space, seed, duplicated):
    X = embeddings(n_rows, 3, seed)
    if duplicated:
        X[n_rows // 2 :] = X[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        partners = Farthest(tau, *space).pair(X, random_state=seed)
        assert (partners != np.arange(n_rows)).all()
        limit = math.ceil(tau * (n_rows - 1) - 1e-9)
        assert ranks_of(X, partners, *space).max() < limit


def test_blocks_and_pools_do_not_show(monkeypatch, embeddings, drawn):
    X = embeddings(700, seed=4)
    monkeypatch.setattr(ranks, "BLOCK_SCORES", 700 * 70)
    monkeypatch.setattr(ranks, "CHUNK_ANCHORS", 13)
    for tau in (0.002, 0.03, 0.4):
        many = drawn(Farthest(tau, "euclidean"), X, 5)
        for partners in many:
            assert ranks_of(X, partners).max() < math.ceil(tau * 699)


def test_partners_of_three_are_drawn_for_themselves(embeddings):
    X = embeddings(200, seed=5)
    from vicinal import SphereWeights

    plan = make_plan(
        X, 250, pairing=Farthest(0.2, "cosine"), weights=SphereWeights(), random_state=0
    )
    assert plan.n_parents == 3
    assert (plan.parents[:200, 1] != plan.parents[:200, 2]).mean() > 0.9
    for column in (1, 2):
        assert ranks_of(X, plan.parents[:200, column], "cosine").max() < 40


def test_distances_are_those_that_are_paired_by(embeddings):
    X = embeddings(30, seed=4)
    for rows, placed, radius in (
        (X, rescale_to_ball(X), None),
        (X, rescale_to_ball(X, 0.8), 0.8),
        (small := X / (2 * np.linalg.norm(X, axis=1).max()), small, None),
    ):
        pairing = Farthest(1e-3, median_radius=radius)  # the very farthest
        partners = pairing.pair(rows, random_state=0)
        farthest = pairwise_distance(placed, metric="hyperbolic").max(axis=1)
        np.testing.assert_allclose(pairing.distances(rows, partners), farthest, rtol=1e-5)


def test_rows_inside_the_ball_stay_and_others_are_scaled(embeddings):
    X = embeddings(300, seed=6)
    inside = X / (1.01 * np.linalg.norm(X, axis=1).max())
    for points, pairing in (
        (inside, Farthest(0.05)),
        (rescale_to_ball(inside, 0.3), Farthest(0.05)),
    ):
        assert ranks_of(points, pairing.pair(points, random_state=0), "hyperbolic").max() < 15
    # a scale that is asked for holds for rows inside too, and whatever unit they come in
    asked = Farthest(0.05, median_radius=0.8)
    partners = asked.pair(inside, random_state=0)
    assert ranks_of(rescale_to_ball(X, 0.8), partners, "hyperbolic").max() < 15
    np.testing.assert_array_equal(partners, asked.pair(X * 1e6, random_state=0))


# how they are drawn


@pytest.mark.parametrize("tau", [0.05, 0.3])
@pytest.mark.parametrize("metric", ["euclidean", "hyperbolic"])
def test_exact_partners_are_drawn_evenly(tau, metric, embeddings, drawn):
    X = embeddings(60, 3, seed=7)
    distance = pairwise_distance(in_space(X, metric, -1.0), metric=metric)
    many = drawn(Farthest(tau, metric), X, 20_000)
    wanted = math.ceil(tau * 59)
    rows = (0, 17, 59)
    for row in rows:
        allowed = np.sort(np.argsort(-distance[row])[:wanted])
        assert uniform_p(many[:, row], allowed) > FALSE_ALARM / 4 / len(rows)
    # and apart from each other
    if wanted == 3:
        allowed = np.sort(np.argsort(-distance[0])[:3])
        pairs = np.searchsorted(allowed, many[:, 0]) * 3 + np.searchsorted(allowed, many[:, 17])
        again = np.searchsorted(allowed, many[:-1:2, 0]) * 3 + np.searchsorted(
            allowed, many[1::2, 0]
        )
        assert len(np.unique(pairs)) > 1
        assert uniform_p(again, range(9)) > FALSE_ALARM / 4


def test_seeds_give_independent_partners(embeddings):
    X = embeddings(40, 3, seed=8)
    distance = pairwise_distance(X)
    many = np.array([Farthest(0.2, "euclidean").pair(X, seed)[[3, 30]] for seed in range(2000)])
    for row, column in zip((3, 30), many.T, strict=True):
        allowed = np.sort(np.argsort(-distance[row])[:8])
        assert uniform_p(column, allowed) > FALSE_ALARM / 2


@pytest.mark.parametrize("method", ["exact", "sketch"])
def test_tau_of_one_is_any_other_row(method, embeddings, drawn):
    X = embeddings(30, 3, seed=9)
    many = drawn(Farthest(1.0, method=method), X, 20_000)
    plain = drawn(Random(), X, 20_000)
    for row in (0, 12, 29):
        others = [one for one in range(30) if one != row]
        assert uniform_p(many[:, row], others) > FALSE_ALARM / 12
        # Random, its draws of the row itself left out, has the same distribution
        kept = plain[plain[:, row] != row, row]
        table = [np.bincount(one, minlength=30)[others] for one in (many[:, row], kept)]
        assert stats.chi2_contingency(table).pvalue > FALSE_ALARM / 12


def test_ties_are_all_in(drawn):
    X = np.zeros((9, 2))
    X[6:] = 1.0  # six alike, three alike: the farthest of the six are the three, all tied
    many = drawn(Farthest(0.05, "euclidean"), X, 6000)
    for row in (0, 5):
        assert uniform_p(many[:, row], [6, 7, 8]) > FALSE_ALARM / 4
    assert uniform_p(many[:, 7], range(6)) > FALSE_ALARM / 4
    same = drawn(Farthest(0.3, "euclidean"), np.ones((7, 2)), 6000)
    assert uniform_p(same[:, 0], range(1, 7)) > FALSE_ALARM / 4


@pytest.mark.parametrize("method", ["exact", "sketch"])
def test_threads_do_not_show(method, embeddings):
    import numba

    X = embeddings(4500 if method == "sketch" else 1500, seed=10)
    pairing = Farthest(0.1, method=method)
    whole = make_plan(X, 2 * len(X), pairing=pairing, random_state=3)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert make_plan(X, 2 * len(X), pairing=pairing, random_state=3) == whole
    finally:
        numba.set_num_threads(before)


# the sketch


@pytest.fixture
def no_exact(monkeypatch):
    """Make sure that a test looks at the sketch."""
    monkeypatch.setattr(candidates, "exact_partners", None)
    monkeypatch.setattr(candidates, "REFERENCE_ROWS", 2048)


def sketched(pairing, X, **kinds):
    """Return share of the others that rank before each partner, by an exact count."""
    partners = pairing.pair(X, random_state=0)
    assert (partners != np.arange(len(X))).all()
    return ranks_of(X, partners, **kinds) / (len(X) - 1)


@pytest.mark.parametrize("tau", [0.05, 0.5])
@pytest.mark.parametrize("metric", ["euclidean", "hyperbolic"])
def test_sketch_stays_within_its_bound(tau, metric, no_exact, embeddings):
    n_rows = 4000
    X = embeddings(n_rows, 16, seed=11)
    pairing = Farthest(tau, metric, method="sketch")
    bound = pairing.rank_error(n_rows, failure=FALSE_ALARM)
    reference = candidates.REFERENCE_ROWS
    assert bound == pytest.approx(
        math.sqrt(math.log(2 * n_rows / FALSE_ALARM) / (2 * min(reference, n_rows)))
    )
    share = sketched(pairing, X, metric=metric)
    assert share.max() < tau + bound
    # evenly over the share of ranks: mean tau / 2. The rows share their reference, so their
    # errors may be as one: standard error of one threshold, and of n draws
    threshold = math.sqrt(tau * (1 - tau) / reference)
    draws = tau / math.sqrt(12 * n_rows)
    z = float(-stats.norm.ppf(FALSE_ALARM / 12))
    assert abs(share.mean() - tau / 2) < z * (threshold / 2 + draws) + 1 / n_rows


def test_sketch_thresholds_have_the_error_of_their_sample(embeddings):
    n_rows, tau = 4000, 0.1
    X = embeddings(n_rows, 16, seed=12)
    scores = Farthest(tau, "euclidean").scores(X)
    rng = np.random.default_rng(0)
    reference = np.sort(rng.choice(n_rows, 2048, replace=False))
    limits = ranks.sketch_thresholds(scores, slice(0, n_rows), reference, tau)
    grid = scores.left(slice(0, n_rows)) @ scores.right.T
    beyond = (grid > limits[:, None]).mean(axis=1)
    assert np.abs(beyond - tau).max() < ranks.rank_error(2048, FALSE_ALARM / n_rows)
    assert np.abs(beyond - tau).mean() < 0.01
    within = grid[:, reference]
    # the limit splits the reference itself as asked, the anchor left out
    count = (within > limits[:, None]).sum(axis=1)
    assert (np.abs(count - round(tau * 2048)) <= 1).all()


def test_sketch_of_near_rows_and_of_groups(no_exact, embeddings):
    X = embeddings(4000, 16, seed=13)
    share = sketched(Nearest(tau=0.05, method="sketch"), X, nearest=True)
    assert share.max() < 0.05 + ranks.rank_error(2048, FALSE_ALARM / 4000)
    # groups that lie apart, so that a reference from the wrong one would show
    groups = np.argsort(np.argsort(np.linalg.norm(X, axis=1))) // 1000
    pairing = AcrossGroup(groups, Farthest(0.1, "euclidean", method="sketch"))
    partners = pairing.pair(X, random_state=0)
    assert (groups[partners] != groups).all()
    distance = pairwise_distance(X)
    distance[groups[:, None] == groups] = -np.inf
    farther = (distance > distance[np.arange(4000), partners][:, None] * (1 + 1e-5)).sum(axis=1)
    others = 4000 - np.bincount(groups)[groups]
    assert (farther / others).max() < 0.1 + ranks.rank_error(2048, FALSE_ALARM / 4000)
    assert (farther / others).mean() == pytest.approx(0.05, abs=0.02)


def test_sketch_with_ties_ends(no_exact):
    X = np.ones((5000, 2))
    partners = Farthest(0.1, "euclidean", method="sketch").pair(X, random_state=0)
    assert (partners != np.arange(5000)).all()
    assert len(np.unique(partners)) > 2000
    X[:10] = 5.0
    partners = Farthest(0.1, "euclidean", method="sketch").pair(X, random_state=0)
    assert (partners != np.arange(5000)).all()


def test_auto_is_exact_for_few_rows_and_says_so(embeddings):
    assert Farthest(0.1).rank_error(50_000) == 0
    assert Farthest(0.1).rank_error(50_001) > 0
    assert Farthest(0.1, method="exact").rank_error(10**7) == 0
    assert Farthest(1.0, method="sketch").rank_error(10**7) == 0
    X = embeddings(1500, seed=14)
    few = [Farthest(0.1, method=one).pair(X, random_state=0) for one in ("exact", "sketch")]
    np.testing.assert_array_equal(*few)


# covariance


def covariance_z(X, mixed):
    """Return largest z-score of the mixed covariance against that of the data."""
    centerd = X - X.mean(axis=0)
    rows = mixed.reshape(-1, len(X), X.shape[1])  # passes are independent
    products = np.einsum("pni,pnj->pij", rows - X.mean(axis=0), rows - X.mean(axis=0)) / len(X)
    target = centerd.T @ centerd / len(X)
    error = products.std(axis=0, ddof=1) / math.sqrt(len(rows))
    return np.abs((products.mean(axis=0) - target) / error).max()


def test_balanced_far_partners_keep_the_covariance_and_others_do_not(z_limit, embeddings):
    # skewed norms: a few rows are the farthest of nearly all
    n_rows, passes = 200, 50
    X = embeddings(n_rows, 4, seed=15)
    # from 50 passes the standard error is itself uncertain: Student's t in the place of z
    limit = float(stats.t.isf(FALSE_ALARM / 2 / 10, passes - 1))
    assert limit > z_limit(10)

    def z(pairing, law):
        plan = make_plan(X, passes * n_rows, pairing=pairing, weights=law, random_state=0)
        return covariance_z(X, plan.apply(X))

    law = EpBeta(0.2, 0.3)
    assert z(Farthest(0.1, balanced=True), law) < limit
    assert z(Farthest(0.1, "euclidean", balanced=True), law) < limit
    assert z(WithinGroup(np.arange(n_rows) % 2, Farthest(0.2, balanced=True)), law) < limit
    assert z(Farthest(0.1), law) > 3 * limit, "far partners alone change it"
    assert z(Farthest(0.1, balanced=True), Uniform()) > 3 * limit, "so does the law"


def test_far_partners_shrink_under_an_ordinary_law():
    X = np.random.default_rng(16).normal(size=(300, 3))
    plans = {
        one: make_plan(X, 12_000, pairing=one, weights=Beta(1.0), random_state=0)
        for one in (Permutation(), Farthest(0.1, "euclidean", balanced=True))
    }
    near, far = (plan.apply(X).var(axis=0).mean() / X.var(axis=0).mean() for plan in plans.values())
    assert near == pytest.approx(2 / 3, abs=0.05)
    assert far < near - 0.1


@pytest.mark.parametrize("n_rows", [2, 3, 513, 1100])
def test_balanced_partners_are_permutations(n_rows, embeddings, drawn):
    X = embeddings(n_rows, seed=17)
    many = drawn(Farthest(0.2, "euclidean", balanced=True), X, 4)
    assert (np.sort(many, axis=1) == np.arange(n_rows)).all()
    assert (many != np.arange(n_rows)).all()
    if n_rows > 3:
        assert (many[0] != many[1]).any()
        share = np.mean([ranks_of(X, one) for one in many]) / n_rows
        apart = np.mean([ranks_of(X, one) for one in drawn(Permutation(), X, 4)]) / n_rows
        assert share < 0.6 * apart


def test_balanced_partners_are_never_the_row_itself(embeddings, drawn):
    many = drawn(Farthest(1.0, "euclidean", balanced=True), embeddings(12, 3), 400)
    assert (np.sort(many, axis=1) == np.arange(12)).all()
    assert (many != np.arange(12)).all()


def test_balanced_partners_of_a_symmetric_cloud_rank_within_tau():
    # where no row is far from all, a permutation can do nearly as well as free choice
    X = np.random.default_rng(18).normal(size=(1024, 2))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    partners = Farthest(0.1, "euclidean", balanced=True).pair(X, random_state=0)
    share = ranks_of(X, partners) / 1023
    # ranks within a block of 512 stand for ranks among all, to the bound of its size
    assert (share < 0.1 + ranks.rank_error(511, 1e-6 / 1024)).mean() > 0.95
    assert share.mean() == pytest.approx(0.05, abs=0.02)


# groups


def test_across_groups_any_other(embeddings, drawn):
    groups = np.array(["a"] * 4 + ["b"] * 2 + ["c"])
    groups = groups[[3, 6, 1, 5, 0, 4, 2]]
    for pairing in (None, Random(), Farthest(1.0)):
        many = drawn(AcrossGroup(groups, pairing), embeddings(7), 7000)
        for row in range(7):
            allowed = np.flatnonzero(groups != groups[row])
            assert uniform_p(many[:, row], allowed) > FALSE_ALARM / 21
    assert (groups[AcrossGroup(groups).pair(7, 0)] != groups).all(), "their number is enough"


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "hyperbolic"])
def test_across_groups_by_distance(metric, embeddings):
    X = embeddings(300, seed=19)
    groups = np.random.default_rng(1).choice(["x", "y", "z"], 300, p=[0.8, 0.15, 0.05])
    distance = pairwise_distance(in_space(X, metric, -1.0), metric=metric)
    others = np.array([(groups != one).sum() for one in groups])
    for nearest, pairing in ((False, Farthest(0.1, metric)), (True, Nearest(k=2, metric=metric))):
        order = np.where(groups[:, None] == groups, np.inf, distance if nearest else -distance)
        partners = AcrossGroup(groups, pairing).pair(X, random_state=0)
        assert (groups[partners] != groups).all()
        reached = order[np.arange(300), partners][:, None]
        before = (order < reached - 1e-5 * np.abs(reached)).sum(axis=1)
        assert (before < (2 if nearest else np.ceil(0.1 * others - 1e-9))).all()


def test_within_groups_by_distance(embeddings, drawn):
    X = embeddings(200, seed=20)
    groups = np.arange(200) % 4
    many = drawn(WithinGroup(groups, Farthest(0.1, "euclidean")), X, 3)
    for partners in many:
        assert (groups[partners] == groups).all()
        for group in range(4):
            rows = np.flatnonzero(groups == group)
            inside = np.searchsorted(rows, partners[rows])
            assert ranks_of(X[rows], inside).max() < math.ceil(0.1 * 49)


@pytest.mark.parametrize("pairing", [Random(), Permutation(), Nearest(3, balanced=True)])
def test_within_groups_takes_any_pairing(pairing, embeddings):
    X = embeddings(90, seed=21)
    groups = np.arange(90) % 3
    plan = make_plan(X, 90 * 1000 + 7, pairing=WithinGroup(groups, pairing), random_state=0)
    assert (groups[plan.left] == groups[plan.right]).all()
    np.testing.assert_array_equal(plan.left[:180], np.tile(np.arange(90), 2))
    if isinstance(pairing, Random):
        of_row = plan.right[:90_000].reshape(1000, 90)[:, 4]
        assert uniform_p(of_row, np.flatnonzero(groups == 1)) > FALSE_ALARM
    if isinstance(pairing, Permutation):
        passes = plan.right[:90_000].reshape(1000, 90)
        assert (np.sort(passes, axis=1) == np.arange(90)).all()


def test_a_group_of_one_row_is_copied_with_a_warning(embeddings):
    X = embeddings(5, seed=22)
    with pytest.warns(UserWarning, match="single row"):
        partners = WithinGroup([0, 0, 0, 0, 1], Farthest(0.5)).pair(X, random_state=0)
    assert partners[4] == 4
    assert (partners[:4] != np.arange(4)).all()
    # across groups it has partners like any other
    assert AcrossGroup([0, 0, 0, 0, 1], Farthest(0.5)).pair(X, random_state=0)[0] == 4
