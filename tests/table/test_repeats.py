"""Numbers that often repeat another column's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vicinal.table import TableSynthesizer

N = 2_000


@pytest.fixture(scope="module")
def bills() -> pd.DataFrame:
    """Return bills of which a third are paid whole, the others in part or more than whole."""
    rng = np.random.default_rng(0)
    bill = np.exp(rng.normal(7, 1, N)).round()
    paid = np.where(rng.random(N) < 0.33, bill, (bill * rng.uniform(0.02, 1.3, N)).round())
    paid[rng.random(N) < 0.04] = np.nan
    return pd.DataFrame(
        {
            "paid": paid,
            "bill": bill,
            "plan": rng.choice(["a", "b", "c"], N),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, N), "D"),
            "height": rng.normal(170, 9, N).round(1),
        }
    )


def _settled(table: pd.DataFrame) -> float:
    return float((table["paid"] == table["bill"]).mean())


@pytest.mark.parametrize("privacy", ["off", "balanced", "max"])
def test_share_of_repeated_numbers_stays(bills, privacy):
    drawn = TableSynthesizer(privacy, candidates=1, random_state=0).fit(bills).sample(6_000)
    spread = np.sqrt(0.33 * 0.67 / N)
    assert abs(_settled(drawn) - _settled(bills)) < 4 * spread
    assert abs(drawn["paid"].isna().mean() - bills["paid"].isna().mean()) < 4 * spread


def test_a_repeated_number_is_of_the_synthetic_row(bills):
    drawn = TableSynthesizer(random_state=0).fit(bills).sample()
    settled = drawn[drawn["paid"] == drawn["bill"]]
    own = set(bills["bill"])
    met = settled["bill"].isin(own).mean()
    unsettled = drawn[drawn["paid"] != drawn["bill"]]["bill"].isin(own).mean()
    assert abs(met - unsettled) < 0.1  # as often as chance makes any number meet a real one


def test_columns_that_are_only_close_do_not_repeat():
    rng = np.random.default_rng(0)
    first = rng.normal(500, 100, N).round()
    frame = pd.DataFrame({"first": first, "second": first + rng.normal(0, 3, N).round()})
    made = TableSynthesizer(candidates=1, random_state=0).fit(frame)
    assert not len(made._training._repeats)
    equal, drawn = (frame["first"] == frame["second"]).mean(), made.sample(6_000)
    assert abs((drawn["first"] == drawn["second"]).mean() - equal) < 0.06


def test_a_frequent_number_is_no_repeat():
    rng = np.random.default_rng(0)
    gains, losses = (np.where(rng.random(N) < 0.25, rng.integers(1, 9_000, N), 0) for _ in range(2))
    made = TableSynthesizer(candidates=1, random_state=0)
    made.fit(pd.DataFrame({"gain": gains, "loss": losses, "x": rng.normal(size=N)}))
    assert not len(made._training._repeats)


def test_ranges_of_a_condition_hold(bills):
    made = TableSynthesizer(candidates=1, random_state=0).fit(bills)
    drawn = made.sample(500, where="paid<500")
    assert (drawn["paid"] < 500).all()


def test_dates_repeat_and_decimals_do_not_mix():
    rng = np.random.default_rng(0)
    ordered = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 2_000, N), "D")
    late = pd.to_timedelta(np.where(rng.random(N) < 0.4, 0, rng.integers(-40, 41, N)), "D")
    price = rng.uniform(1, 99, N).round(2)
    frame = pd.DataFrame({"ordered": ordered, "sent": ordered + late, "price": price})
    frame["round"] = np.where(rng.random(N) < 0.5, price, price.round())
    drawn = TableSynthesizer(candidates=1, random_state=0).fit(frame).sample(6_000)
    for one, other in (("ordered", "sent"), ("price", "round")):
        asked = (frame[one] == frame[other]).mean()
        assert abs((drawn[one] == drawn[other]).mean() - asked) < 0.05
