"""Synthesis from synthesis, against theory."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from vicinal import Beta, EpBeta, Fixed, SphereWeights, Uniform
from vicinal.report.collapse.generations import Measures, start
from vicinal.report.collapse.measure import measure_collapse, milestones
from vicinal.weights import dominance, law_text, parse_law, parse_laws

LAWS = [
    Uniform(),
    Beta(0.1),
    Beta(2.0, 0.5),
    EpBeta(0.1, 0.3),
    EpBeta(0.5, 0.05),
    SphereWeights(3),
    SphereWeights(8),
    Fixed(0.3),
]
named = pytest.mark.parametrize("law", LAWS, ids=law_text)


# laws


@named
def test_dominance_is_the_mean_of_the_heaviest_weight(law, z_limit):
    drawn = law.sample(200_000, random_state=0)
    heaviest = np.maximum(drawn, 1 - drawn) if drawn.ndim == 1 else drawn.max(axis=1)
    # the table that weights are drawn from is within 1e-4 of the law
    error = heaviest.std() / math.sqrt(len(heaviest)) + 1e-4
    assert abs(heaviest.mean() - dominance(law)) < z_limit(len(LAWS)) * error


def test_dominance_by_hand():
    assert dominance(Uniform()) == pytest.approx(3 / 4)
    assert dominance(Fixed(0.3)) == pytest.approx(0.7)
    # on the circle of three weights the largest is 1/3 + 2/3 cos of an angle within 60 degrees
    expected = 1 / 3 + 2 / 3 * math.sin(math.pi / 3) / (math.pi / 3)
    assert dominance(SphereWeights(3)) == pytest.approx(expected)


@named
def test_laws_as_text_and_back(law):
    assert repr(parse_law(law_text(law))) == repr(law)


def test_laws_that_no_short_text_stands_for():
    law = EpBeta(0.1, (0.2, 0.4))
    assert law_text(law) == "EpBeta(delta=0.1, eps=(0.2, 0.4))"


def test_several_laws_with_commas_between():
    laws = parse_laws("uniform, beta:0.1,EPBETA:0.1")
    assert [law_text(law) for law in laws] == ["uniform", "beta:0.1", "epbeta:0.1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unifrom", "no law 'unifrom'. Did you mean 'uniform'?"),
        ("beta", "weights must be like 'beta:0.1', got 'beta'"),
        ("beta:x", "weights must be like 'beta:0.1', got 'beta:x'"),
        ("epbeta:0.1:0.3:2", "weights must be like 'epbeta:0.1:0.3'"),
        ("sphere:2.5", "a whole number"),
        ("sphere:2", "parents must be at least 3"),
        ("epbeta:2", "delta must be a finite number"),
        ("uniform:1", "weights must be like 'uniform'"),
    ],
)
def test_texts_that_are_no_law(text, said):
    with pytest.raises(ValueError, match=said):
        parse_law(text)


def test_no_law_at_all():
    with pytest.raises(ValueError, match="name at least one law"):
        parse_laws(" , ")


# theory


def variance_error(law, rounds, n_rows, columns):
    """Return a bound on the relative standard error of the mean variance after some rounds.

    Each round draws rows anew: the relative variance of a sample variance is (kurtosis - 1) / n
    at most, and the kurtosis follows from the moments of V = W (1 - W).
    """
    ev, ev2 = law.cross_moment, law.kurtosis_price
    kurtosis, total = 3.0, 2 / n_rows
    for _ in range(rounds):
        excess = kurtosis - 3
        mixed = 3 * (1 - 4 * ev + 4 * ev2) + (1 - 4 * ev + 2 * ev2) * excess
        kurtosis = mixed / law.shrinkage**2
        total += (kurtosis - 1) / n_rows
    return math.sqrt(total / columns)


@pytest.mark.parametrize(
    ("law", "left"),
    [(Uniform(), (2 / 3) ** 10), (Beta(0.1), (1.1 / 1.2) ** 10), (EpBeta(0.1, 0.3), 1.0)],
    ids=["uniform", "beta", "epbeta"],
)
def test_variance_after_ten_rounds_is_what_theory_says(law, left, z_limit):
    n_rows, columns = 4000, 5
    rng = np.random.default_rng(3)
    table = pa.table({f"x{at}": rng.normal(size=n_rows) * 10**at for at in range(columns)})
    curve = measure_collapse(table, weights=[law], generations=10, random_state=0).curves[0]
    error = left * variance_error(law, 10, n_rows, columns)
    assert curve.predicted_variance[10] == pytest.approx(left)
    assert abs(curve.variance[10] - left) < z_limit(3) * error
    assert z_limit(3) * error < 0.3 * left + 0.01  # or the test would pass for any law
    # what it says of its own error: the same, but for the draw of the real table, and measured
    told = curve.variance_error[10]
    assert curve.variance_error[0] == 0
    assert 0.6 * error < told * left / curve.variance[10] < 1.2 * error


def grouped(n_rows, seed):
    """Return a number of variance 1, half of it between groups."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 4, n_rows)
    middle = np.array([-1.5, -0.5, 0.5, 1.5]) / math.sqrt(1.25) * math.sqrt(0.5)
    x = middle[group] + math.sqrt(0.5) * rng.normal(size=n_rows)
    return pa.table({"x": x, "group": np.array(list("abcd"))[group]})


@pytest.mark.parametrize("law", [Uniform(), EpBeta(0.1, 0.3), SphereWeights(3)], ids=law_text)
def test_ties_fade_as_theory_says_unless_groups_are_kept_apart(law, z_limit):
    n_rows, rounds = 12_000, 3
    table = grouped(n_rows, 5)
    curve = measure_collapse(table, weights=[law], generations=rounds, random_state=0).curves[0]
    # each round draws group means anew, of variance 1 / n_group at most; half of the variance
    # lies between groups
    error = math.sqrt(2 * rounds / n_rows)
    assert curve.predicted_attenuation[rounds] == pytest.approx(dominance(law) ** rounds)
    assert abs(curve.attenuation[rounds] - dominance(law) ** rounds) < z_limit(6) * error
    kept = measure_collapse(
        table, weights=[law], generations=rounds, within="group", random_state=0
    ).curves[0]
    assert kept.predicted_attenuation[rounds] == 1
    assert abs(kept.attenuation[rounds] - 1) < z_limit(6) * error
    # half of the variance is between groups, the other half shrinks
    expected = 0.5 + 0.5 * law.shrinkage**rounds
    assert kept.predicted_variance[rounds] == pytest.approx(expected, abs=0.02)
    bound = variance_error(law, rounds, n_rows, 1)
    assert abs(kept.variance[rounds] - kept.predicted_variance[rounds]) < z_limit(6) * bound


def test_whole_numbers_are_not_rounded_between_generations(z_limit):
    # rounding would add 1/12 in every round to a variance of 1/4
    table = pa.table({"n": np.random.default_rng(0).integers(0, 2, 4000)})
    curve = measure_collapse(
        table, weights=[EpBeta(0.1, 0.3)], generations=8, random_state=0
    ).curves[0]
    assert abs(curve.variance[8] - 1) < z_limit() * variance_error(EpBeta(0.1, 0.3), 8, 4000, 1)


def test_normal_scores_keep_each_column(z_limit):
    table = grouped(3000, 1)
    found = measure_collapse(
        table, weights=[Uniform()], generations=4, marginals="normal-score", random_state=0
    )
    curve = found.curves[0]
    assert curve.variance[4] == pytest.approx(1, abs=0.15)
    assert all(map(math.isnan, curve.predicted_variance + curve.predicted_attenuation))


# figures by hand


def begun(table, **more):
    settings = {
        "raw": True,
        "target": None,
        "within": (),
        "kinds": None,
        "max_rows": 10_000,
        "utility": False,
        "rng": np.random.default_rng(0),
    }
    return start(table, **settings | more)


def test_figures_by_hand():
    x = np.tile([0.0, 2.0, 4.0, 6.0], 50)
    real = pa.table({"x": x, "y": -x, "c": ["a", "a", "b", "b"] * 50, "d": ["u", "v"] * 100})
    measures = Measures(begun(real))
    assert (measures.figures["variance"], measures.figures["attenuation"]) == ([1.0], [1.0])
    assert (measures.figures["correlation_error"], measures.figures["coverage"]) == ([0.0], [1.0])
    made = pa.table({"x": x / 2, "y": x, "c": ["a", "a", "b", "b"] * 50, "d": ["u"] * 200})
    measures.add(made, closely=False)
    assert measures.figures["variance"][1] == pytest.approx((1 / 4 + 1) / 2)
    assert measures.figures["correlation_error"][1] == pytest.approx(2)  # from -1 to 1
    assert measures.figures["coverage"][1] == pytest.approx((1 + 1 / 2) / 2)
    # group means of x were -2 and 2 by c, -1 and 1 by d, and of y the same the other way round.
    # by c: x is at a half and y turned round; by d one level is left, and lies at the mean
    above = (4 * 0.5 - 4) / 1
    below = 4 + 4 + 1 / 2 + 1 / 2
    assert measures.figures["attenuation"][1] == pytest.approx(above / below)


def test_correlations_where_both_are_there():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2)) @ [[1, 0.8], [0, 0.6]]
    x[rng.random(2000) < 0.3, 0] = np.nan
    measures = Measures(begun(pa.table({"x": pa.array(x[:, 0], from_pandas=True), "y": x[:, 1]})))
    measures.add(pa.table({"x": rng.normal(size=500), "y": np.zeros(500)}), closely=False)
    assert math.isnan(measures.figures["correlation_error"][1])  # a constant has none
    steps = np.arange(60.0)
    measures.add(pa.table({"x": steps, "y": steps}), closely=False)
    rank = 6 / math.pi * math.asin(0.4)  # Spearman's of a normal pair
    assert measures.figures["correlation_error"][2] == pytest.approx(1 - rank, abs=0.06)


def test_milestones():
    assert milestones(1) == [0, 1]
    assert milestones(50) == [0, 1, 2, 5, 10, 20, 50]
    assert milestones(130) == [0, 1, 2, 5, 10, 20, 50, 100, 130]


# the whole


def people(n_rows=600):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n_rows)
    return pa.table(
        {
            "id": [f"p{at:05}" for at in range(n_rows)],
            "x": x,
            "n": rng.poisson(3, n_rows),
            "town": rng.choice(["n", "s", "w"], n_rows),
            "same": ["one"] * n_rows,
            "flag": (x + rng.normal(size=n_rows) > 0).astype(int),
        }
    )


def test_utility_at_milestones_on_rows_that_are_held_out():
    found = measure_collapse(
        people(), weights=[Uniform()], generations=4, target="flag", random_state=0
    )
    assert (found.metric, found.rows) == ("AUC", 450)
    curve = found.curves[0]
    measured = [at for at, value in enumerate(curve.utility) if not math.isnan(value)]
    assert measured == [0, 1, 2, 4]
    assert all(0.5 < curve.utility[at] <= 1 for at in measured)
    assert "150 real rows were held out" in found.sampled


def test_levels_that_only_rows_held_out_have():
    town = np.array(["n", "s"] * 300)
    town[::60] = [f"t{at}" for at in range(10)]
    table = people().set_column(3, "town", pa.array(town))
    found = measure_collapse(
        table, weights=[Uniform()], generations=3, target="flag", random_state=0
    )
    assert all(0 <= value <= 1 for value in found.curves[0].coverage)
    assert found.curves[0].attenuation[0] == pytest.approx(1)


def test_without_a_target_nothing_is_held_out():
    found = measure_collapse(people(), weights=[Uniform()], generations=1, random_state=0)
    assert (found.metric, found.rows, found.target) == ("", 600, None)
    assert all(map(math.isnan, found.curves[0].utility))
    quiet = measure_collapse(
        people(),
        weights=[Uniform()],
        generations=1,
        target="x",
        utility=False,
        random_state=0,
    )
    assert quiet.rows == 600


def test_same_seed_same_curves():
    laws = [Uniform(), EpBeta(0.2)]
    first, second = (
        measure_collapse(people(), weights=laws, generations=2, random_state=3) for _ in range(2)
    )
    assert repr(first) == repr(second)  # NaN is not equal to itself
    other = measure_collapse(people(), weights=laws, generations=2, random_state=4)
    assert first.curves[0].variance[1:] != other.curves[0].variance[1:]


def test_rows_are_capped_and_it_is_said():
    found = measure_collapse(
        people(), weights=[Uniform()], generations=1, max_rows=100, random_state=0
    )
    assert found.rows == 100
    assert "drawn from the 600" in found.sampled


def test_progress_counts_every_round():
    seen = []
    measure_collapse(
        people(),
        weights=[Uniform(), Beta(1.0)],
        generations=2,
        progress=lambda stage, done, total: seen.append((done, total)),
        random_state=0,
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_json_holds_every_figure(tmp_path):
    found = measure_collapse(people(), weights=[Fixed(0.5)], generations=2, random_state=0)
    found.to_json(tmp_path / "collapse.json")
    read = json.loads((tmp_path / "collapse.json").read_text())
    assert read["curves"][0]["law"] == "fixed:0.5"
    assert read["curves"][0]["predicted_variance"] == [1, 0.5, 0.25]
    assert read["curves"][0]["utility"] == [None, None, None]


def test_summary_has_a_line_for_each_milestone():
    text = measure_collapse(people(), weights=[Uniform()], generations=3, random_state=0).summary()
    assert text.splitlines()[1].startswith("uniform")
    assert [line.split()[0] for line in text.splitlines()[2:5]] == ["1", "2", "3"]


def test_only_categories_or_only_numbers():
    words = pa.table({"c": ["a", "b", "c", "d"] * 50, "d": ["u", "v"] * 100})
    curve = measure_collapse(words, weights=[Uniform()], generations=1, random_state=0).curves[0]
    assert math.isnan(curve.variance[1])
    assert math.isnan(curve.attenuation[1])
    assert math.isnan(curve.predicted_variance[1])
    assert curve.coverage[1] == 1
    numbers = pa.table({"x": np.random.default_rng(0).normal(size=200)})
    curve = measure_collapse(numbers, weights=[Uniform()], generations=1, random_state=0).curves[0]
    assert math.isnan(curve.coverage[1])
    assert math.isnan(curve.correlation_error[1])
    assert math.isnan(curve.predicted_attenuation[1])


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        (people(), {"weights": []}, "name at least one law"),
        (people(), {"target": "flagg"}, "target: no column 'flagg'.*Did you mean 'flag'"),
        (people(), {"within": "same"}, "within: no column 'same'"),
        (people(), {"generations": 0}, "generations must be at least 1"),
        (people(), {"marginals": "row"}, "marginals must be one of"),
        (people().slice(0, 1), {}, "1 row"),
        (people().select(["id", "same"]), {}, "No column is left to follow"),
    ],
)
def test_bad_input(table, more, said):
    with pytest.raises(ValueError, match=said):
        measure_collapse(table, **{"weights": [Uniform()], "generations": 1} | more)


def test_weights_must_be_laws():
    with pytest.raises(TypeError, match="weights must be a WeightLaw"):
        measure_collapse(people(), weights=["uniform"], generations=1, random_state=0)
