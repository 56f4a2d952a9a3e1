"""What tests share: real tables, and the declared rate of false alarms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

#: Every statistical test fails by chance with at most this probability.
FALSE_ALARM = 1e-6

DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    from hypothesis import settings

    settings.register_profile("vicinal", deadline=None, derandomize=True, max_examples=60)
    settings.load_profile("vicinal")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the shared tables; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the shared data sets are not at {DATA}")
    return DATA


@pytest.fixture(scope="session")
def numeric_table(data_folder):
    """Read the numeric columns of a shared table, complete rows only."""
    import pandas as pd

    def read(name: str) -> np.ndarray:
        path = data_folder / name
        if not path.exists():
            pytest.skip(f"{name} is not in {data_folder}")
        numbers = pd.read_csv(path).select_dtypes("number").dropna()
        return numbers.loc[:, numbers.nunique() > 1].to_numpy(float)

    return read


@pytest.fixture(scope="session")
def z_limit():
    """Return the two-sided normal limit for ``tests`` comparisons made at once."""
    from scipy.special import ndtri

    return lambda tests=1: float(-ndtri(FALSE_ALARM / 2 / tests))


@pytest.fixture(scope="session")
def dkw_limit():
    """Return the Dvoretzky-Kiefer-Wolfowitz bound on a CDF from ``size`` draws."""
    return lambda size: float(np.sqrt(np.log(2 / FALSE_ALARM) / (2 * size)))
