"""Same seed, same bytes: on any number of threads, in any process, chunked or whole."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

from vicinal import (
    Beta,
    LocalPermutation,
    MixPlan,
    Nearest,
    Permutation,
    Random,
    SphereWeights,
    WithinGroup,
    make_plan,
)
from vicinal._random import CHUNK_ROWS, Seeds
from vicinal.plan import draw_chunk
from vicinal.weights import EpBeta

N_ROWS = 20_011
X = np.random.default_rng(0).normal(size=(N_ROWS, 5)).astype(np.float32)
PAIRINGS = [
    Random(),
    Permutation(),
    Permutation(blocks=True),
    LocalPermutation(),
    WithinGroup(np.arange(N_ROWS) % 5),
    Nearest(4, balanced=True),
]
N_SAMPLES = 3 * CHUNK_ROWS + 17


def rows_for(pairing):
    """Return fewer rows where neighbors are sought among them."""
    return X[:4001] if isinstance(pairing, Nearest) else X


@pytest.fixture
def threads():
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("law", [EpBeta(), SphereWeights()], ids=lambda law: type(law).__name__)
def test_one_thread_and_two(pairing, law, threads):
    rows, seen = rows_for(pairing), set()
    for number in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        threads(number)
        plan = make_plan(rows, N_SAMPLES, pairing=pairing, weights=law, random_state=11)
        seen.add(hashlib.sha256(plan.parents.tobytes() + plan.weights.tobytes()).hexdigest())
    assert len(seen) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 5, 16, 33])
def test_kernel_on_one_thread_and_two(dtype, width, threads):
    rows = np.random.default_rng(1).normal(size=(9000, width)).astype(dtype)
    plan = make_plan(len(rows), 300_000, random_state=0)
    seen = set()
    for number in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
        threads(number)
        seen.add(hashlib.sha256(plan.apply(rows).tobytes()).hexdigest())
    pieces = [chunk.apply(rows).tobytes() for chunk in plan.chunks(12_345)]
    seen.add(hashlib.sha256(b"".join(pieces)).hexdigest())
    unaligned = np.empty(len(plan) * width + 3, dtype)[3:].reshape(-1, width)
    seen.add(hashlib.sha256(plan.apply(rows, out=unaligned).tobytes()).hexdigest())
    assert len(seen) == 1, "threads, chunks or streaming stores changed the bytes"


@pytest.mark.parametrize("pairing", PAIRINGS, ids=lambda p: type(p).__name__)
def test_chunks_can_be_drawn_in_any_order(pairing):
    law, rows = Beta(0.3), rows_for(pairing)
    whole = make_plan(rows, N_SAMPLES, pairing=pairing, weights=law, random_state=2)
    seeds = Seeds(2)
    source = pairing.source(rows, N_SAMPLES, 2, seeds)
    for start in reversed(range(0, N_SAMPLES, CHUNK_ROWS)):
        stop = min(start + CHUNK_ROWS, N_SAMPLES)
        parents, weights = draw_chunk(source, law, seeds, start, stop)
        assert MixPlan.from_parents(parents, weights) == whole[start:stop]


def test_callers_may_use_threads_of_their_own():
    plan = make_plan(len(X), 200_000, random_state=0)
    wanted = plan.apply(X).tobytes()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: plan.apply(X).tobytes(), range(8)))
    assert set(results) == {wanted}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_can_mix():
    code = (
        "import os, sys, hashlib, numpy as np\n"
        "from vicinal import make_plan\n"
        "X = np.ones((1000, 5), np.float32); plan = make_plan(1000, 400_000, random_state=0)\n"
        "plan.apply(X)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    plan.apply(X); os._exit(7)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, timeout=120)
    assert done.returncode == 7


SCRIPT = """
import hashlib
import numpy as np
from vicinal import *
X = np.random.default_rng(0).normal(size=(3001, 4)).astype(np.float32)
total = hashlib.sha256()
for pairing in (Permutation(), Permutation(blocks=True), Random(), LocalPermutation(),
                WithinGroup(np.arange(3001) % 3), Nearest(5, balanced=True)):
    for law in (EpBeta(), Uniform(), SphereWeights(3)):
        plan = make_plan(X, 70_000, pairing=pairing, weights=law, random_state=5)
        total.update(plan.parents.tobytes() + plan.weights.tobytes() + plan.apply(X).tobytes())
print(total.hexdigest())
"""


def test_processes_agree(threads, capsys):
    environment = os.environ | {"NUMBA_NUM_THREADS": "2", "PYTHONHASHSEED": "2"}
    words = [sys.executable, "-c", SCRIPT]
    other = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    threads(1)
    exec(SCRIPT, {})
    assert len(other.stdout.strip()) == 64
    assert capsys.readouterr().out == other.stdout
