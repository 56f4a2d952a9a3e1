"""Audits: the bound on epsilon by hand and by simulation, shadow models on known mechanisms."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vicinal.report import audit_synthesizer
from vicinal.report.privacy.epsilon import epsilon_bound, guess_p_value
from vicinal.report.privacy.membership import attack_shadows, bound_from_shadows
from vicinal.report.privacy.signals import SIGNALS, Signals
from vicinal.report.tables import align
from vicinal.table import TableSynthesizer

OPTIONS = {"shadows": 16, "records": 40, "n_jobs": 1, "random_state": 0}


def people(n=160):
    rng = np.random.default_rng(0)
    made = {f"x{at}": rng.normal(size=n).round(4) for at in range(3)}
    return pd.DataFrame(made | {"c": rng.choice(list("abcd"), n)})


class Again:
    """Draws the rows again."""

    def __init__(self):
        self.random_state = None

    def fit(self, table):
        self.table = table

    def sample(self, n):
        return self.table.sample(n, replace=True, random_state=self.random_state)


class Strangers(Again):
    """Draws rows that have nothing to do with what it was given."""

    def sample(self, n):
        rng = np.random.default_rng(self.random_state)
        made = {f"x{at}": rng.normal(size=n).round(4) for at in range(3)}
        return pd.DataFrame(made | {"c": rng.choice(list("abcd"), n)})


# the bound on epsilon


def test_p_values_by_hand():
    assert guess_p_value(3, 3, 0.0) == pytest.approx(1 / 8)
    assert guess_p_value(3, 3, math.log(3)) == pytest.approx((3 / 4) ** 3)
    # delta adds 2 m delta times the largest mean of the chances just below: 3/8, 3/8 and 1/8
    assert guess_p_value(3, 3, 0.0, 1e-3, 50) == pytest.approx(1 / 8 + 0.1 * 3 / 8)
    assert guess_p_value(0, 3, 1.0) == 1.0


def test_bounds_by_hand():
    # all of 100 right: bias ** 100 = 0.05
    bias = 0.05 ** (1 / 100)
    found = epsilon_bound(100, 100, 200)
    assert found.value == pytest.approx(math.log(bias / (1 - bias)), abs=1e-3)
    assert found.p_value == pytest.approx(0.5**100)
    assert epsilon_bound(55, 100, 200).value == 0.0
    assert epsilon_bound(0, 0, 200).value == 0.0
    assert epsilon_bound(90, 100, 200, delta=1e-5).value < epsilon_bound(90, 100, 200).value


@pytest.mark.parametrize("epsilon", [0.0, 1.0, 3.0])
def test_the_bound_stays_below_epsilon(epsilon):
    """Randomized response is what the theorem is tight for; 2,000 audits of 100 records."""
    rng = np.random.default_rng(1)
    bias = 1 / (1 + math.exp(-epsilon))
    right, back = np.unique(rng.binomial(100, bias, 2000), return_inverse=True)
    bounds = np.array([epsilon_bound(int(one), 100, 100).value for one in right])[back]
    # at most 5 %; three standard errors of such a share
    assert np.mean(bounds > epsilon) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    if epsilon:
        assert np.median(bounds) > epsilon / 2


# shadow models


def shifted(effect, shadows=48, records=60, seed=0):
    """Signals of noise, one of which is shifted where the record was in."""
    rng = np.random.default_rng(seed)
    inside = rng.random((shadows, records)) < 0.5
    signals = rng.normal(size=(shadows, records, 3)) + rng.normal(size=(records, 3))
    signals[:, :, 1] += effect * inside
    return signals, inside


def test_a_shift_is_found_as_well_as_can_be():
    signals, inside = shifted(2.0)
    found = attack_shadows(signals, inside)
    # the best attack on a shift of two standard deviations has an area of Phi(2 / sqrt(2)) = 0.921
    assert 0.87 < found.auc.value < 0.935
    # and finds Phi(2 - 2.326) = 0.37 at one false positive in a hundred
    assert 0.2 < found.tpr_at(0.01).value < 0.45
    bound = bound_from_shadows(signals, inside)
    assert 1.0 < bound.value < 6
    assert bound.coins == 24 * 60


def test_noise_gives_nothing_away():
    bounds = []
    for seed in range(20):
        signals, inside = shifted(0.0, 24, 40, seed)
        bounds.append(bound_from_shadows(signals, inside).value)
    assert sum(one > 0 for one in bounds) <= 4  # at most 5 % of them by chance
    found = attack_shadows(*shifted(0.0))
    assert found.auc.low < 0.5 + 0.02
    assert found.tpr_at(0.01).low < 0.02


def test_records_that_were_always_in_do_no_harm():
    signals, inside = shifted(2.0)
    inside[:, 0], inside[:, 1], signals[:, 2] = True, False, 1.0
    found = attack_shadows(signals, inside)
    assert np.isfinite(found.scores).all()
    assert len(found.of_records()) == 60


def test_signals_by_hand():
    real = pa.table({"x": [0.0, 1.0, 2.0, 10.0], "y": [0.0, 0.0, 0.0, 10.0]})
    with pytest.warns(UserWarning, match="Fewer than 50"):
        tables = align(real, pa.table({"x": [10.0, 5.0], "y": [10.0, 10.0]}))
    found = Signals(tables, np.array([3, 0]), np.random.default_rng(0))(tables.synthetic)
    mine = dict(zip(SIGNALS, found[0], strict=True))
    other = dict(zip(SIGNALS, found[1], strict=True))
    # a copy, and half a range off in one column
    assert mine["nearness"] == 0
    assert mine["nearness of five"] == pytest.approx(-0.25)
    assert mine["squared nearness of five"] == pytest.approx(-0.125)
    assert mine["its own values"] == 2
    assert other["nearness"] == pytest.approx(-1.5)
    assert other["its own values"] == 0
    assert mine["its rare combinations, at all"] > other["its rare combinations, at all"] == 0
    assert mine["pull on the means"] > 0 > other["pull on the means"]


# the audit


@pytest.fixture(scope="module")
def again():
    return audit_synthesizer(Again, people(), **OPTIONS)


def test_rows_drawn_again_are_found(again):
    # a row that was in is drawn with a chance of 1 - 1/e = 0.63
    assert 0.5 < again.membership.tpr_at(0.01).value < 0.75
    assert again.by_distance.low > 0.6
    assert again.by_density.low > 0.6
    assert again.epsilon_lower_bound > 1
    assert again.epsilon.p_value < 1e-6
    assert again.privacy.attacks[0].risk.low > 0.4
    worst = again.worst_records
    assert len(worst) == 40
    assert [one.auc.low for one in worst] == sorted((one.auc.low for one in worst), reverse=True)


def test_a_result_is_read_written_and_shown(again, tmp_path):
    assert "most exposed records" in again.summary()
    assert "differential privacy" in again.summary()
    frame = again.to_frame()
    assert list(frame) == ["row", "auc", "low", "high", "distance"]
    again.to_json(tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["membership"]["true_positive_rate"]["0.01"]["value"] > 0.5
    assert content["epsilon"]["value"] == again.epsilon_lower_bound
    again.to_html(tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert again.headline in page
    assert "Linkability" in page


def test_strangers_are_not_found_and_audits_repeat():
    found = audit_synthesizer(Strangers, people(), **OPTIONS)
    assert found.membership.auc.low < 0.53
    assert found.epsilon_lower_bound < 0.5
    assert "No bound on epsilon" in found.summary() or found.epsilon.p_value > 0.001
    same = audit_synthesizer(lambda: Strangers(), people(), **OPTIONS)
    assert np.array_equal(same.membership.scores, found.membership.scores)


def test_an_object_is_copied_and_arrow_stays_arrow():
    seen = []

    class Watching(Again):
        def sample(self, n):
            seen.append(type(self.table))
            return self.table.take(np.arange(n) % len(self.table))

    one = Watching()
    found = audit_synthesizer(one, pa.Table.from_pandas(people(100)), **OPTIONS)
    assert not hasattr(one, "table")
    assert set(seen) == {pa.Table}
    assert found.rows == 100


def test_what_was_left_out_is_said():
    found = audit_synthesizer(Strangers, people(), **OPTIONS | {"records": 90}, max_rows=100)
    assert any("100 of 160 rows" in note for note in found.notes)
    assert any("50 records were attacked" in note for note in found.notes)
    assert len(found.worst_records) == 50


class Failing(Again):
    def fit(self, table):
        raise KeyError("income")


class Short(Again):
    def sample(self, n):
        return super().sample(n - 1)


class Other(Again):
    def sample(self, n):
        return super().sample(n).drop(columns="c")


class More(Again):
    def sample(self, n):
        return super().sample(n).assign(extra=1)


@pytest.mark.parametrize("what", ["balanced", object()])
def test_what_is_no_synthesizer(what):
    with pytest.raises(TypeError, match="synthesizer must have fit"):
        audit_synthesizer(what, pa.table({"x": np.arange(60)}), n_jobs=1)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Failing, "fit failed on half of the rows .* with KeyError: 'income'"),
        (Short, r"sample\(80\) returned 79 rows"),
        (Other, "lacks 'c'"),
        (More, r"has also \['extra'\]"),
    ],
)
def test_synthesizers_that_do_not_do_as_they_should(make, says):
    with pytest.raises(ValueError, match=says):
        audit_synthesizer(make, people(), **OPTIONS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shadows": 15}, "shadows must be at least 16"),
        ({"shadows": 10**9}, "GB of memory, and this machine has"),
        ({"records": 1}, "records must be at least 2"),
        ({"max_rows": 10}, "max_rows must be at least 50"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
    ],
)
def test_impossible_options(options, says):
    with pytest.raises(ValueError, match=says):
        audit_synthesizer(Again, people(), **OPTIONS | options)


def test_too_small_a_table():
    with pytest.raises(ValueError, match="at least 50 rows, got 49"):
        audit_synthesizer(Again, people(49), **OPTIONS)


def test_kinds_are_found_once_for_all_rows():
    """Among all rows the employers repeat; in half of them nearly each is another one."""
    rng = np.random.default_rng(0)
    names = [f"Firm {at}" for at in range(45)]
    table = pa.table({"x": rng.normal(size=92), "employer": names + names + names[:2]})
    table = table.append_column("y", pa.array(rng.choice(["a", "b"], 92)))
    made = []

    class Kept(TableSynthesizer):
        def fit(self, rows):
            made.append(super().fit(rows))
            return self

    found = audit_synthesizer(Kept, table, shadows=16, records=5, n_jobs=1, random_state=0)
    assert found.shadows == 16
    assert {model.columns_[1].kind for model in made} == {"category"}
