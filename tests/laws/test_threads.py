"""Threads: who calls this package keeps the numbers of threads that were set, and may fork."""

import os
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


FORKED = """
import os, signal, sys
import numpy as np, pyarrow as pa
from vicinal.table import TableSynthesizer
rng = np.random.default_rng(0)
table = pa.table({"x": rng.normal(size=300), "y": rng.normal(size=300), "c": ["a", "b", "c"] * 100})
TableSynthesizer(random_state=0).fit(table).save(sys.argv[1])  # OpenMP's threads start here
child = os.fork()
if not child:
    signal.alarm(100)  # a child that hangs ends by it
    again = TableSynthesizer.load(sys.argv[1]).sample(20)
    same = TableSynthesizer(random_state=0).fit(table).sample(20)
    os._exit(0 if same.equals(again) else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_fits_and_loads_after_its_parent(tmp_path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    words = [sys.executable, "-c", FORKED, str(tmp_path / "model")]
    subprocess.run(words, check=True, env=environment, timeout=200)
