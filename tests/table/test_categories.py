"""What categories say of numbers: taken out exactly, and given back with the giver."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal.table import PRIVACY, TableSynthesizer
from vicinal.table.categories import (
    EFFECT_LEVELS,
    RIDGE,
    association_tree,
    bundles,
    common_levels,
    cramers_v,
    indicator_sets,
    joint_codes,
    take_effects,
)


def taken(scores, bundles, columns):
    """Residuals, and for each bundle its codes and what each of them adds."""
    shape = (len(bundles), len(scores))
    codes = [joint_codes([columns[name] for name in bundle]) for bundle in bundles]
    codes = np.array(codes, np.int32).reshape(shape)
    residual, effects = take_effects(scores, bundles, codes, columns)
    return residual, list(zip(codes, effects, strict=True))


@given(st.integers(2, 200), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_residuals_and_effects_add_up_to_the_scores(n, width, levels, seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, width)).astype(np.float32)
    columns = {name: rng.integers(0, levels, n) for name in "abc"}
    before = scores.copy()
    residual, effects = taken(scores, [["a", "c"], ["b"]], columns)
    np.testing.assert_array_equal(scores, before)
    given_back = sum(effect[code] for code, effect in effects)
    np.testing.assert_allclose(residual + given_back, scores, atol=1e-5)
    assert residual.dtype == scores.dtype


def test_one_category_by_hand():
    # two levels of 50 rows, means -1 and 1. Centered indicators have sums of squares 25 and sums
    # of products -25; the moments are -50 and 50. Ridge r: slopes -50 / (50 + r) and the same
    # with the other sign.
    code = np.repeat([0, 1], 50)
    scores = np.where(code, 1.0, -1.0)[:, None]
    _, ((code, effect),) = taken(scores, [["c"]], {"c": code})
    slope = 50.0 / (50.0 + RIDGE)
    np.testing.assert_allclose(effect[:, 0], [-slope, slope], atol=1e-6)


def test_effects_of_two_categories_are_told_apart():
    rng = np.random.default_rng(0)
    n = 40_000
    a = rng.integers(0, 3, n)
    b = np.where(rng.random(n) < 0.7, a, rng.integers(0, 3, n))  # depends on a
    scores = (np.array([0.0, 1.0, 5.0])[a] - np.array([0.0, 2.0, 3.0])[b])[:, None]
    scores += 0.1 * rng.normal(size=scores.shape)
    _, effects = taken(scores, [["a"], ["b"]], {"a": a, "b": b})
    for (code, effect), level_of, wanted in zip(
        effects, (a, b), ([0, 1, 5], [0, -2, -3]), strict=True
    ):
        of_level = np.array([effect[code[level_of == level][0], 0] for level in range(3)])
        # a ridge of 10 rows beside some 10,000 in each level takes a thousandth or so
        np.testing.assert_allclose(of_level - of_level[0], wanted, atol=0.05)


def test_rare_levels_have_no_effect():
    n = 3000
    code = np.concatenate([np.arange(n // 2) % EFFECT_LEVELS, EFFECT_LEVELS + np.arange(n // 2)])
    scores = np.random.default_rng(0).normal(size=(n, 1))
    _, ((code, effect),) = taken(scores, [["c"]], {"c": code})
    assert (effect[code[n // 2 :]] == 0).all()
    assert (effect[code[: n // 2]] != 0).any()


def test_no_category_and_no_number():
    scores = np.ones((5, 2))
    residual, effects = taken(scores, [], {})
    np.testing.assert_array_equal(residual, scores)
    assert effects == []


def test_joint_codes_and_common_levels_by_hand():
    first, second = np.array([0, 1, 0, 1, 1]), np.array([2, 0, 2, 0, 1])
    joint = joint_codes([first, second])
    assert joint.dtype == np.int32
    assert joint[0] == joint[2]
    assert joint[1] == joint[3]
    assert sorted(set(joint.tolist())) == [0, 1, 2]
    assert common_levels(np.array([3, 3, 3, 0, 0, 1]), 2).tolist() == [1, -1, -1, 0]


def test_indicators_of_one_category_are_found_by_hand():
    category = np.array([0, 1, 2, 0, 1, 2])
    flags = {f"is{one}": category == one for one in range(3)}
    flags |= {"odd": np.array([0, 1, 0, 1, 0, 1], bool), "never": np.zeros(6, bool)}
    assert indicator_sets(flags) == [["is0", "is1", "is2", "never"]]
    assert indicator_sets({"is0": category == 0, "is1": category == 1}) == []
    assert indicator_sets({}) == []
    columns = {name: flag.astype(np.uint8) for name, flag in flags.items()}
    joined = bundles(columns, together=[["is0", "is1", "is2"]])
    assert {"is0", "is1", "is2"} <= set(next(names for names in joined if "is0" in names))


def test_bundles_hang_on_those_that_they_go_with_most():
    rng = np.random.default_rng(0)
    sex = rng.integers(0, 2, 4000)
    job = np.where(rng.random(4000) < 0.5, sex, rng.integers(0, 6, 4000))
    pay = np.where(rng.random(4000) < 0.5, job, rng.integers(0, 9, 4000))
    other = rng.integers(0, 5, 4000)
    order, above = association_tree(np.array([pay, other, sex, job], np.int32))
    assert above == [3, -1, -1, 2]  # pay on job, job on sex, which has the fewest levels
    assert sorted(order) == [0, 1, 2, 3]
    assert order.index(2) < order.index(3) < order.index(0)
    assert association_tree(np.array([sex], np.int32)) == ([0], [-1])


@pytest.mark.parametrize("privacy", ["balanced", "high", "max"])
def test_categories_that_go_together_still_do(privacy):
    rng = np.random.default_rng(0)
    n = 4000
    race = rng.choice(4, n, p=[0.7, 0.15, 0.1, 0.05])
    home = np.where(rng.random(n) < 0.6, race, rng.integers(4, 12, n))
    x = rng.normal(size=(n, 2))
    table = pa.table(
        {"race": race.astype(str), "home": home.astype(str), "x": x[:, 0], "y": x[:, 1]}
    )
    made = TableSynthesizer(privacy, rules="off", random_state=0).fit(table).sample(8000)
    codes = [made[name].to_numpy().astype(int) for name in ("race", "home")]
    before, after = cramers_v(race, home), cramers_v(*codes)
    assert after > 0.8 * before


@pytest.mark.parametrize("privacy", PRIVACY)
@pytest.mark.parametrize("kind", [np.int64, np.float64, bool])
def test_a_row_has_one_of_a_set_of_indicators(privacy, kind):
    rng = np.random.default_rng(0)
    category = rng.integers(0, 6, 1500)
    table = pa.table(
        {f"is{one}": (category == one).astype(kind) for one in range(6)}
        | {"x": rng.normal(size=1500)}
    )
    made = TableSynthesizer(privacy, random_state=0).fit(table).sample(3000).to_pandas()
    assert (made.filter(like="is").sum(axis=1) == 1).all()


@pytest.mark.parametrize("privacy", PRIVACY)
def test_a_number_keeps_the_mean_of_each_category(privacy):
    # x is a category's effect and noise, and nothing but that: a mix without effects keeps 0.94
    # of it with two parents out of all rows, and less the more parents and neighbors there are
    rng = np.random.default_rng(1)
    n = 6000
    level = rng.integers(0, 4, n)
    x = np.array([0.0, 1.0, 2.0, 5.0])[level] + rng.normal(size=n)
    noise = rng.normal(size=(n, 3))
    table = pa.table({"c": np.array(list("abcd"))[level], "x": x, "y": noise[:, 0]})
    synthesizer = TableSynthesizer(privacy, random_state=0).fit(table)
    out = synthesizer.sample(40_000).to_pandas()
    means = out.groupby("c")["x"].mean().to_numpy()
    wanted = np.array([x[level == one].mean() for one in range(4)])
    spread = np.ptp(means - wanted) / np.ptp(wanted)
    assert spread < 0.05, "most of the distance between levels is kept"
