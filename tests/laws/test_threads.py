"""Threads: who calls this package keeps the numbers of threads that were set."""

import subprocess
import sys

import pytest

_SCRIPT = """
import numpy as np
import torch
from vicinal import Farthest

torch.set_num_threads(1)
Farthest(tau=0.5).pair(np.random.default_rng(0).normal(size=(64, 8)), random_state=0)
print(torch.get_num_threads())
"""


def test_torchs_threads_stay_as_they_are() -> None:
    pytest.importorskip("torch")
    said = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=True, timeout=300
    )
    assert said.stdout.split() == ["1"]
