"""Candidates: of several rows one is kept that is like the training rows."""

from __future__ import annotations

import warnings

import numba
import numpy as np
import pandas as pd
import pytest

from vicinal.report.fidelity.twosample import two_sample_test
from vicinal.report.tables import align
from vicinal.table import TableSynthesizer
from vicinal.table.resampling import LEAST_ROWS

N = 1_500


@pytest.fixture(scope="module")
def bent() -> pd.DataFrame:
    """Return a number that bends with another among eight that say nothing, and a gap."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=N), rng.normal(size=(N, 8))
    y = np.abs(x) + 0.05 * rng.normal(size=N)
    y[rng.random(N) < 0.05] = np.nan
    columns = {"x": x, "y": y, "far": np.where(np.abs(x) > 1, "yes", "no")}
    return pd.DataFrame(columns | {f"z{at}": column for at, column in enumerate(z.T)})


@pytest.fixture(scope="module")
def drawn(bent) -> dict[int, pd.DataFrame]:
    return {
        one: TableSynthesizer(candidates=one, random_state=0).fit(bent).sample(3_000)
        for one in (1, 4)
    }


def test_what_bends_is_blurred_less(drawn):
    away = [float((one["y"] - one["x"].abs()).abs().median()) for one in drawn.values()]
    right = [((one["x"].abs() > 1) == (one["far"] == "yes")).mean() for one in drawn.values()]
    assert away[1] < 0.8 * away[0]
    assert 1 - right[1] < 0.9 * (1 - right[0])


def test_harder_to_tell(bent, drawn):
    rng = np.random.default_rng(0)
    area = [two_sample_test(align(bent, one.head(N)), rng).auc.value for one in drawn.values()]
    assert area[1] < area[0] - 0.05


def test_columns_stay(bent, drawn, dkw_limit):
    made = drawn[4]
    for name in ("x", "y", "z0"):
        both = np.sort(np.concatenate([bent[name].dropna(), made[name].dropna()]))
        steps = [
            np.searchsorted(np.sort(one[name].dropna()), both, side="right") / one[name].count()
            for one in (bent, made)
        ]
        assert np.abs(steps[0] - steps[1]).max() < 2 * dkw_limit(N)
    for name in ("far", "y"):
        one = (bent["far"] == "yes", made["far"] == "yes")
        if name == "y":
            one = (bent["y"].isna(), made["y"].isna())
        assert abs(one[0].mean() - one[1].mean()) < 0.05


def test_threads_change_nothing(bent):
    threads = numba.get_num_threads()
    made = []
    try:
        for number in (1, min(2, threads)):
            numba.set_num_threads(number)
            made.append(TableSynthesizer(random_state=3).fit(bent).sample(70_000))
    finally:
        numba.set_num_threads(threads)
    pd.testing.assert_frame_equal(*made)


def test_saved_and_loaded(bent, tmp_path):
    synthesizer = TableSynthesizer(random_state=1).fit(bent)
    synthesizer.save(tmp_path / "model")
    again = TableSynthesizer.load(tmp_path / "model").sample(200)
    pd.testing.assert_frame_equal(again, synthesizer.sample(200))


@pytest.mark.parametrize(
    "told", [{"candidates": 1}, {"privacy": "off"}, {"marginals": "raw"}, {"entity": "far"}]
)
def test_nothing_is_chosen(bent, told):
    synthesizer = TableSynthesizer(random_state=0, **told).fit(bent)
    ready = synthesizer._training
    assert getattr(ready, "_ratio", None) is None


def test_few_rows_tell_nothing(bent):
    few = TableSynthesizer(random_state=0).fit(bent.head(LEAST_ROWS - 1))
    assert few._training._ratio is None


def test_columns_without_values():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": [None] * N, "b": [1] * N, "c": rng.choice(["p", "q"], N)})
    made = TableSynthesizer(random_state=0).fit(table).sample(50)
    assert made["a"].isna().all()
    assert set(made["c"]) == {"p", "q"}


@pytest.mark.parametrize(("bad", "error"), [(0, ValueError), (2.5, TypeError), ("x", TypeError)])
def test_refused(bent, bad, error):
    with pytest.raises(error, match="candidates must be"):
        TableSynthesizer(candidates=bad).fit(bent)


def test_huge_numbers():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": 1e300 * rng.normal(size=N), "b": rng.normal(size=N)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = TableSynthesizer(random_state=0).fit(table).sample(50)
    assert np.isfinite(made["a"]).all()
