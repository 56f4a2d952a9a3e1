"""What tests share: real tables, and the declared rate of false alarms."""

from __future__ import annotations

import os
import sys
import tempfile
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


@pytest.fixture(autouse=True)
def threads_of_torch() -> None:
    """Give torch the threads of the environment again: Numba's pool, once started, sets others.

    Tests run side by side, and OpenMP's threads would spin against each other.
    """
    torch, wanted = sys.modules.get("torch"), int(os.environ.get("OMP_NUM_THREADS", 0))
    if torch is not None and wanted and torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


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


@pytest.fixture(scope="module")
def two_cores():
    """A cluster of two cores, one at a time whatever runs beside."""
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    from vicinal.jobs.ray import cluster

    with open(Path(tempfile.gettempdir()) / "vicinal-test-ray.lock", "w") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        with cluster(workers=2) as ray:
            yield ray


@pytest.fixture(scope="session")
def ray_workers():
    """Find the processes that make chunks on the cluster that a process started."""

    def below(me: int) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")[0]
                above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                theirs = int(Path(f"/proc/{above}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if words.startswith(b"ray::Worker") and me in {above, theirs}:
                found.append(int(folder.name))
        return found

    return below
