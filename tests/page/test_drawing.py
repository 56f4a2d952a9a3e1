"""Scales, ticks, numbers and dates as the pictures write them."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal._stats import Estimate
from vicinal.page.format import NONE, amount, clean, estimate, number, share, short
from vicinal.page.svg import Markup, Scale, apart, join, path, tag, ticks
from vicinal.page.times import moment_of, seconds_per_unit, time_ticks

MINUS = "\N{MINUS SIGN}"
sized = st.floats(-1e12, 1e12, allow_nan=False)


@given(low=sized, width=st.floats(1e-6, 1e9), about=st.integers(2, 8))
def test_ticks_are_round_evenly_spaced_and_inside(low, width, about):
    high = low + width
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        return  # below what doubles can space
    found = ticks(low, high, about)
    assert 1 <= len(found) <= 2.5 * about
    slack = 1e-6 * width + 1e-9 * abs(low)
    assert all(low - slack <= one <= high + slack for one in found)
    steps = [b - a for a, b in pairwise(found)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3) for step in steps)
    if steps:
        mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0] * 1.0001))
        assert min(abs(mantissa - one) for one in (1, 2, 2.5, 5, 10)) < 1e-2


@pytest.mark.parametrize("ends", [(1.0, 1.0), (math.nan, 1.0), (0.0, math.inf), (2.0, 1.0)])
def test_ticks_of_no_range_are_few_and_finite(ends):
    assert all(math.isfinite(one) for one in ticks(*ends))
    assert len(ticks(*ends)) <= 1


@given(
    wanted=st.lists(st.floats(0, 200), max_size=10),
    gap=st.floats(1, 15),
)
def test_labels_are_moved_apart_and_stay_inside(wanted, gap):
    placed = apart(wanted, gap, 0, 200)
    assert len(placed) == len(wanted)
    order = sorted(placed)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= one <= 200 + 1e-9 for one in placed)
    # none overtakes another
    ranked = sorted(range(len(wanted)), key=lambda at: wanted[at])
    assert [placed[at] for at in ranked] == order


@given(low=sized, high=sized, value=sized)
def test_a_scale_keeps_clipped_values_inside(low, high, value):
    scale = Scale(min(low, high), max(low, high), 10, 90)
    assert 10 - 1e-6 <= scale.clip(value) <= 90 + 1e-6


@given(st.text())
def test_names_are_short_and_escaped(text):
    cut = short(text, 12)
    assert 0 < len(cut) <= 12
    assert "\n" not in cut
    written = tag("text", text, title=text)
    assert isinstance(written, Markup)
    inside = written[len("<text") : -len("</text>")] if text else written
    assert inside.count("<") == (0 if text else 1)
    assert join([text]).count("<") == 0


def test_long_names_that_begin_alike_stay_apart():
    names = [f"a rather long name of column number {i}" for i in range(30)]
    assert len({short(name, 13) for name in names}) == 30


def test_markup_is_not_escaped_twice():
    assert tag("g", tag("b", "<")) == "<g><b>&lt;</b></g>"
    assert tag("circle", cx=1.25, cy=-0.01, class_="dot", fill=None) == (
        '<circle cx="1.2" cy="0" class="dot"/>'
    )
    assert path([(0, 1), (2.55, 3)], closed=True) == "M0 1L2.5 3Z"
    assert path([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.5, "0.5"), (1234.5678, "1,235"), (-38.5816, f"{MINUS}38.58"),
        (0.00012345, "0.0001234"),
        (1e9, "1e+09"), (-2e-7, f"{MINUS}2e{MINUS}07"), (math.nan, NONE), (math.inf, NONE),
    ],
)  # fmt: skip
def test_amounts(value, text):
    assert amount(value) == text


def test_figures_in_words():
    assert number(-0.0004) == "0.000"
    assert number(-0.5, 1) == f"{MINUS}0.5"
    assert share(0.1234) == "12.3\N{NARROW NO-BREAK SPACE}%"
    assert estimate(Estimate(0.5, 0.4, 0.6)) == "0.500 (0.400 to 0.600)"
    assert estimate(Estimate(0.5)) == "0.500"
    assert estimate(Estimate(math.nan)) == NONE
    assert clean("a\x00b\u202ec\nd") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\nd"


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("timestamp[us, tz=UTC]", 1e-6), ("timestamp[ns]", 1e-9), ("date32[day]", 86_400),
        ("date64[ms]", 1e-3), ("time64[us]", 1e-6), ("duration[s]", 1), ("", math.nan),
        ("double", math.nan),
    ],
)  # fmt: skip
def test_units(unit, seconds):
    assert seconds_per_unit(unit) == pytest.approx(seconds, nan_ok=True)


def test_moments_in_time():
    noon = datetime(2021, 3, 5, 12, 30, tzinfo=timezone.utc).timestamp()
    assert moment_of(noon * 1e6, "timestamp[us]", 1e6 * 3600) == "03-05 12:30"
    assert moment_of(noon * 1e6, "timestamp[us]", 1e6 * 86_400 * 30) == "2021-03-05"
    assert moment_of(noon * 1e6, "timestamp[us]", 1e6 * 86_400 * 400) == "2021-03"
    assert moment_of(noon * 1e6, "timestamp[us]", 1e6 * 86_400 * 9000) == "2021"
    assert moment_of(noon // 86_400, "date32[day]") == "2021-03-05"
    assert moment_of(45_000, "time32[s]", 40_000) == "12:30"
    assert moment_of(90_000, "duration[s]") == "25 h"
    assert moment_of(1e30, "timestamp[us]") == "1e+30"
    assert moment_of(math.nan, "timestamp[us]") == NONE
    assert moment_of(38.5, "") == "38.5"


@given(
    start=st.floats(-6e9, 2e11),
    width=st.floats(10, 3e10),
    unit=st.sampled_from(["timestamp[s]", "timestamp[ns]", "date32[day]", "duration[ms]"]),
)
def test_time_ticks_are_inside_in_order_and_few(start, width, unit):
    per_unit = seconds_per_unit(unit)
    low, high = start / per_unit, (start + width) / per_unit
    found = time_ticks(low, high, unit)
    slack = 1e-9 * (abs(low) + abs(high))
    assert all(low - slack <= one <= high + slack for one in found)
    assert found == sorted(found)
    assert len(found) <= 12


def test_time_ticks_are_firsts_of_months_and_years():
    low, high = (datetime(y, 2, 3, tzinfo=timezone.utc).timestamp() for y in (2010, 2016))
    years = [
        datetime.fromtimestamp(one, timezone.utc) for one in time_ticks(low, high, "timestamp[s]")
    ]
    assert len(years) >= 2
    assert {(one.month, one.day, one.hour) for one in years} == {(1, 1, 0)}
