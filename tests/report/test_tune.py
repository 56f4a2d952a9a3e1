"""The front of settings, and the command line that uses the recommended one."""

from __future__ import annotations

import json
import math
import shlex

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal._stats import Estimate
from vicinal.report.privacy.risk import Attack
from vicinal.report.tune.measure import (
    Setting,
    TuningResult,
    _is_undominated,
    _Measured,
    _recommended,
    _setting,
    tune,
)
from vicinal.report.tune.settings import command_of, default_settings, synthesizer_of
from vicinal.table import PRIVACY, detect_columns

pytestmark = pytest.mark.usefixtures("few_trees")


def people(n_rows=600):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, 3))
    y = np.where(x[:, 0] + rng.normal(size=n_rows) > 0, "yes", "no")
    columns = {name: x[:, at].round(3) for at, name in enumerate("abc")}
    return pa.table(columns | {"town": rng.choice(["n", "s", "w"], n_rows), "y": y})


def setting(fidelity, closer, utility=None, high=math.nan, risk=None):
    return Setting(
        name="one",
        command="vicinal table people.csv -o synthetic.csv",
        options={},
        fidelity=Estimate(fidelity),
        dcr_share=Estimate(closer, math.nan, high),
        utility=None if utility is None else Estimate(utility),
        on_pareto_front=False,
        risk=None if risk is None else Estimate(risk, risk - 0.05, risk + 0.05),
        attack="" if risk is None else "Linkability",
    )


# the front


def test_front_by_hand():
    made = [
        setting(0.99, 0.90, 0.90),  # the most faithful
        setting(0.98, 0.60, 0.90),
        setting(0.97, 0.65, 0.89),  # worse than the one before in everything
        setting(0.96, 0.50, 0.90),  # the most private
        setting(0.95, 0.42, 0.90),  # a share below 0.5 is no better than 0.5
        setting(0.94, 0.70, 0.95),  # the most useful
    ]
    front = [at for at, one in enumerate(made) if _is_undominated(one, made)]
    assert front == [0, 1, 3, 5]


@given(
    st.lists(
        st.tuples(*(st.sampled_from([0.5, 0.6, 0.7, 0.8]) for _ in range(3))),
        min_size=1,
        max_size=8,
    )
)
def test_some_setting_is_on_the_front_and_beats_those_that_are_not(figures):
    made = [setting(*one) for one in figures]
    front = [one for one in made if _is_undominated(one, made)]
    assert front
    for one in made:
        assert any(
            best.fidelity.value >= one.fidelity.value
            and best.dcr_share.value <= one.dcr_share.value
            and best.utility.value >= one.utility.value
            for best in front
        )


def test_recommended_is_the_most_faithful_that_is_surely_below_the_limit():
    made = [
        setting(0.99, 0.53, high=0.56),  # below, but not surely
        setting(0.97, 0.52, high=0.54),
        setting(0.98, 0.52, high=0.545),
        setting(0.98, 0.60, high=0.62),
    ]
    assert _recommended(made, 0.55, 0.0) == 2
    assert _recommended(made, 0.57, 0.0) == 0
    assert _recommended(made, 0.51, 0.0) is None
    assert _recommended(made, 0.55, 0.1) == 2  # without a target the most faithful all the same


def test_of_equally_faithful_settings_the_more_useful_one():
    made = [setting(0.91, 0.5, 0.7), setting(0.9, 0.5, 0.8), setting(0.8, 0.5, 0.9)]
    assert _recommended(made, 0.55, 0.0) == 0
    assert _recommended(made, 0.55, 0.02) == 1
    assert _recommended(made, 0.55, 0.2) == 2


def test_a_setting_that_an_attack_may_beat_does_not_qualify():
    made = [setting(0.99, 0.5, risk=0.16), setting(0.95, 0.5, risk=0.1)]
    assert _recommended(made, 0.55, 0.0, 0.2) == 1  # 0.16 may be 0.21
    assert _recommended(made, 0.55, 0.0, 0.3) == 0
    assert _recommended(made, 0.55, 0.0, 0.1) is None


def test_nothing_rests_on_the_third_digit():
    """Of settings as faithful and as useful the most private one, by any figure in two digits."""
    made = [
        setting(0.952, 0.53, 0.804, risk=0.02),
        setting(0.951, 0.53, 0.8, risk=-0.04),
        setting(0.949, 0.51, 0.801, risk=-0.04),
        setting(0.95, 0.50, 0.79, risk=-0.04),  # less useful
        setting(0.93, 0.50, 0.9, risk=-0.04),  # less faithful
    ]
    assert _recommended(made, 0.55, 0.005, 0.2) == 2


def test_what_was_not_attacked_is_not_said_to_be_safe():
    said = result([setting(0.9, 0.5, high=0.52)]).summary()
    assert "no attack was run: each needs 50 training rows" in said
    assert "every attack's risk" not in said


def result(made, limit=0.55, max_risk=0.2):
    chosen = _recommended(made, limit, 0.0, max_risk)
    return TuningResult(tuple(made), chosen, limit, None, "", None, (300, 300), (), max_risk)


def test_why_nothing_qualifies_is_said():
    close, leaky = setting(0.9, 0.6, high=0.7, risk=0.1), setting(0.9, 0.5, high=0.52, risk=0.4)
    assert "DCR share below 0.55: one comes nearest with 0.600" in result([close]).summary()
    attacked = result([leaky]).summary()
    assert "risk of every attack below 0.2: one comes nearest with 0.400" in attacked
    assert "(Linkability)" in attacked
    assert "No setting keeps both" in result([close, leaky]).why_none
    assert "Allow more, or pass more rows" in result([close, leaky]).why_none
    assert result([setting(0.9, 0.5, high=0.52, risk=0.1)]).why_none == ""


# commands


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        ({"target": "income", "privacy": "high"}, "high", "--target income --privacy high"),
        (
            {"target": "income", "weights": "epbeta:0.05:0.3"},
            "delta 0.05, eps 0.3",
            "--target income --weights epbeta:0.05",
        ),
        (
            {"privacy": "balanced", "neighbors": 30, "weights": "sphere:4"},
            "balanced, 4 parents, 30 neighbors, no target",
            "--privacy balanced --weights sphere:4 --neighbors 30",
        ),
        (
            {"target": "y", "within": ["a", "b c"]},
            "a and b c",
            "--target y --within a --within 'b c'",
        ),
    ],
)
def test_commands(options, name, said):
    start = "vicinal table people.csv -o synthetic.csv "
    assert command_of(options, "people.csv") == (name, start + said)


def test_commands_quote_names_and_say_kinds():
    _, command = command_of({"target": "it's"}, "my people.csv", {"zip": "category"})
    words = shlex.split(command)
    assert words[2] == "my people.csv"
    assert words[words.index("--target") + 1] == "it's"
    assert words[words.index("--column") + 1] == "zip=category"


@pytest.mark.parametrize("target", [None, "y", "a"])
@pytest.mark.parametrize("n_rows", [30, 10_000])
def test_default_settings_are_possible_and_each_there_once(target, n_rows):
    tried = default_settings(detect_columns(people()), target, n_rows)
    for options in tried:
        made = synthesizer_of(options)
        assert made.neighbors is None or made.neighbors <= n_rows // 3
    commands = [command_of(options, "people.csv") for options in tried]
    assert len(set(commands)) == len(commands) == len({name for name, _ in commands})
    grouped = [{"privacy": name} | ({"target": target} if target else {}) for name in PRIVACY]
    assert all(one in tried for one in grouped)
    # a number is no group, so nothing is gained by leaving it out
    assert ({"privacy": "off"} in tried) == (target != "a")


def test_a_command_makes_the_synthesizer_that_was_measured():
    made = synthesizer_of({"privacy": "high", "weights": "sphere:4"}, random_state=1)
    assert (made.privacy, made.weights.parents, made.random_state) == ("high", 4, 1)


# the whole


@pytest.fixture(scope="module")
def front() -> TuningResult:
    tried = [
        {"target": "y", "privacy": "off"},
        {"target": "y", "neighbors": 60, "weights": "sphere:8"},
    ]
    return tune(people(), "y", settings=tried, limit=0.7, random_state=0)


def test_figures_are_those_of_the_measures(front):
    low, near = front.settings
    assert low.dcr_share.value > near.dcr_share.value
    assert all(0.7 < one.fidelity.value <= 1 for one in front.settings)
    assert low.risk.value > near.risk.value
    assert low.attack
    assert (front.metric, front.rows) == ("AUC", (300, 300))
    assert all(0.5 < one.utility.value <= 1 for one in front.settings)
    assert 0.5 < front.real.value <= 1


def test_recommendation_is_one_of_the_settings(front):
    best = front.best
    if best is not None:
        assert best.dcr_share.high < 0.7
        assert f"$ {best.command}" in front.summary()
    else:
        assert "comes nearest" in front.summary()
    strict = tune(people(), settings=[{"privacy": "off"}], limit=0.5, random_state=0)
    assert strict.best is None
    assert "No setting surely keeps the DCR share below 0.5" in strict.summary()


def test_the_setting_makes_its_synthesizer(front):
    made = front.settings[1].synthesizer(random_state=0).fit(people()).sample(20)
    assert made.num_rows == 20


def test_json_holds_every_figure(front, tmp_path):
    front.to_json(tmp_path / "front.json")
    read = json.loads((tmp_path / "front.json").read_text())
    assert read["limit"] == 0.7
    assert read["settings"][1]["options"]["weights"] == "sphere:8"
    assert read["settings"][0]["fidelity"]["low"] is None


def test_same_seed_same_front_and_progress():
    seen = []
    tried = [{"privacy": "off"}]
    first, second = (
        tune(people(), settings=tried, random_state=2, progress=lambda *one: seen.append(one))
        for _ in range(2)
    )
    assert repr(first) == repr(second)
    assert seen[:2] == [("off, no target", 0, 1), ("", 1, 1)]
    assert first.settings[0].utility is None
    assert first.metric == ""


def test_repeats_give_intervals():
    found = tune(people(), settings=[{"privacy": "off"}], repeats=3, random_state=0).settings[0]
    assert found.fidelity.low < found.fidelity.value < found.fidelity.high
    assert found.dcr_share.low < found.dcr_share.value < found.dcr_share.high


def test_rows_are_capped_and_it_is_said():
    front = tune(people(), settings=[{"privacy": "off"}], max_rows=100, random_state=0)
    assert front.rows == (100, 100)
    assert "100 of 600 rows" in front.notes[0]


def test_identifiers_and_odd_columns():
    table = people(200)
    table = table.append_column("id", pa.array([f"p{at:04}" for at in range(200)]))
    table = table.append_column("same", pa.array(["x"] * 200))
    table = table.append_column("gone", pa.nulls(200, pa.float64()))
    # with this seed an attack succeeds on every row
    asked = {"settings": [{"privacy": "off"}], "limit": 1.0, "random_state": 1}
    front = tune(table, "y", max_risk=1.0, **asked)
    assert front.settings[0].risk.high == 1.0
    assert front.recommended == 0
    assert tune(table, "y", max_risk=0.99, **asked).recommended is None


def test_few_rows_are_warned_of():
    with pytest.warns(UserWarning, match="30 training rows"):
        tune(people(60), settings=[{"privacy": "off"}], random_state=0)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"target": "yy"}, "target: no column 'yy'"),
        ({"limit": 0.4}, "limit must be a finite number in"),
        ({"settings": [{"neighbor": 3}]}, "Did you mean 'neighbors'"),
        ({"settings": [{"privacy": "lowest"}]}, "privacy must be one of"),
        ({"repeats": 0}, "repeats must be at least 1"),
    ],
)
def test_bad_input(more, said):
    with pytest.raises(ValueError, match=said):
        tune(people(100), **{"settings": [{"privacy": "off"}]} | more)


def test_a_table_too_small_and_a_target_of_one_class():
    with pytest.raises(ValueError, match="Pass at least 8"):
        tune(people(7), random_state=0)
    table = people(200).set_column(4, "y", pa.array(["yes"] * 200))
    with pytest.raises(ValueError, match="one class in the real table"):
        tune(table, "y", settings=[{"privacy": "off"}], random_state=0)


def test_the_command_line_knows_every_option_that_commands_use():
    from typer.main import get_command

    from vicinal.cli import app

    known = {
        option
        for parameter in get_command(app).commands["table"].params
        for option in parameter.opts
    }
    tried = default_settings(detect_columns(people()), "y", 10_000)
    tried.append({"target": "y", "within": "town", "marginals": "raw", "categories": "parent"})
    used = {
        word
        for options in tried
        for word in command_of(options, "people.csv", {"a": "category"})[1].split()
        if word.startswith("-")
    }
    assert used <= known


def test_no_target_goes_without_saying_where_there_is_none():
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=200), "y": rng.normal(size=200)})
    front = tune(table, settings=[{"privacy": "off"}, {"privacy": "high"}], random_state=0)
    assert [one.name for one in front.settings] == ["off", "high"]


def test_of_several_splits_the_attack_that_is_worst_on_average_counts():
    wide, sure = Estimate(0.125, -0.18, 0.43), Estimate(0.333, 0.3, 0.37)
    nothing = Estimate(math.nan)
    attacks = [Attack(name, nothing, nothing, "") for name in ("wide", "sure")]
    risks = dict(zip(("wide", "sure"), (wide, sure), strict=True))

    class Risky(Attack):
        @property
        def risk(self):
            return risks[self.name]

    found = [_Measured(0.9, Estimate(0.5), math.nan, "", [Risky(*one) for one in attacks])] * 2
    made = _setting({}, found, "table.csv", None, None)
    assert (made.attack, made.risk.value) == ("wide", 0.125)  # its upper end is the higher one
    assert made.risk.high == pytest.approx(0.43)  # no narrower than that of one split
