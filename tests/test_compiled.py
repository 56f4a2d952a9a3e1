"""Machine code that is kept: made anew where it is damaged, done without where it cannot be."""

from __future__ import annotations

import errno
import importlib.util
import pickle

import pytest

from vicinal import _compiled

SOURCE = """
from vicinal._compiled import compiled

@compiled()
def double(x):
    return 2 * x
"""


@pytest.fixture
def double(tmp_path):
    """Return what loads a compiled function as a new process would."""
    path = tmp_path / "doubling.py"
    path.write_text(SOURCE)

    def load():
        spec = importlib.util.spec_from_file_location("doubling", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.double

    return load


def hits(function):
    return sum(function.stats.cache_hits.values())


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("how", ["cut", "flip", "empty", "another"])
def test_damaged_code_is_made_anew(double, tmp_path, suffix, how):
    assert double()(4) == 8
    assert (again := double())(4) == 8
    assert hits(again) == 1
    (path,) = (tmp_path / "__pycache__").glob(f"*.{suffix}")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    damaged = {"cut": whole[: len(whole) // 2], "flip": flipped, "empty": b""}
    path.write_bytes(damaged.get(how, pickle.dumps({"some": "thing"})))
    assert double()(4) == 8
    assert (again := double())(4) == 8
    assert hits(again) == 1  # and kept again
    assert path.exists()


def test_code_that_cannot_be_kept_is_said_once(double, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_compiled._Cache, "full", False)
    monkeypatch.setattr(_compiled._Files, "_save_data", full)
    with pytest.warns(UserWarning, match=r"cannot be kept in .*NUMBA_CACHE_DIR") as told:
        results = [double()(4) for _ in range(2)]
    assert results == [8, 8]
    assert len(told) == 1
