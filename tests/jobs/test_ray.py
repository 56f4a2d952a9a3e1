"""Clusters, their addresses, and the workers on them."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from vicinal.io.remote import Folder
from vicinal.jobs import RayCluster
from vicinal.jobs import ray as jobs_ray
from vicinal.jobs.chunks import Chunk, cut_chunks
from vicinal.jobs.places import Place, part_name
from vicinal.jobs.ray import RayEngine, Worker, cluster
from vicinal.jobs.run import check_engine, parse_engine


class Numbers:
    """A job whose chunks are their own numbers, and what makes them."""

    def __init__(self, fault: Callable[[int], object] = lambda number: None) -> None:
        self.fault = fault

    def maker(self) -> Callable[[Chunk], pa.Table]:
        return self.make

    def make(self, chunk: Chunk) -> pa.Table:
        self.fault(chunk.number)
        return pa.table({"x": [chunk.number] * chunk.rows})


def write(job: Numbers, folder: Path, workers: int | None = None) -> list[tuple[int, int]]:
    (folder / "_manifest.json").touch()
    with RayEngine(RayCluster(), workers) as engine:
        return sorted(engine.write(job, cut_chunks(11, [3], [1], 0), Place(Folder(folder))))


def test_chunks_are_written_and_counted(two_cores, tmp_path):
    assert write(Numbers(), tmp_path) == [(0, 3), (1, 3), (2, 3), (3, 2)]
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == list(
        map(part_name, range(4))
    )


def test_what_kills_its_worker_every_time_ends_the_run(two_cores, tmp_path, monkeypatch):
    monkeypatch.setattr(jobs_ray, "RETRIES", 1)
    with pytest.raises(OSError, match=r"cluster failed .*Run again; with --resume"):
        write(Numbers(lambda number: os._exit(9)), tmp_path)


def test_an_error_of_a_worker_comes_out_as_it_is(two_cores, tmp_path):
    def full(number: int) -> None:
        raise FileNotFoundError(2, "gone", f"file {number}")

    with pytest.raises(FileNotFoundError, match=r"gone: 'file \d'") as found:
        write(Numbers(full), tmp_path, workers=1)
    assert "ray" not in str(found.value)


def test_more_than_there_is_room_for_is_refused(two_cores, tmp_path):
    engine = RayEngine(RayCluster(gpus=99), None)
    with engine, pytest.raises(ValueError, match=r"needs 1 core.* and 99 GPU"):
        list(engine.write(Numbers(), [], Place(Folder(tmp_path))))


def test_a_worker_loads_once(tmp_path, monkeypatch):
    loaded = []

    def get(value: object) -> object:
        loaded.append(1)
        return value

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=get))
    (tmp_path / "_manifest.json").touch()
    worker, held = Worker(Place(Folder(tmp_path))), [Numbers().make]
    assert [worker.write(held, chunk)[1] for chunk in cut_chunks(7, [3], [1], 0)] == [3, 3, 1]
    assert loaded == [1]


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_of_something_else_is_named(monkeypatch, greeting):
    pytest.importorskip("ray")
    monkeypatch.setattr("vicinal.jobs.ray.PATIENCE", 0.4)  # Ray would try for minutes
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            line = other.accept()[0]
            line.sendall(greeting)
            line.recv(1000)
            line.close()

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConnectionError, match=f"at the address {address}"), cluster(address):
            pass
        thread.join()


def test_the_address_of_a_cluster_is_known(two_cores):
    host, _, port = two_cores.get_runtime_context().gcs_address.rpartition(":")
    assert jobs_ray._speaks(host, int(port))


@pytest.mark.parametrize("address", ["nonsense", "host:0", "host:99999", "a b:80", ""])
def test_what_is_no_address_is_refused(address):
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match="address must be"), cluster(address):
        pass


@pytest.mark.parametrize(("address", "starts"), [(None, 3), ("auto", 1)])
def test_a_cluster_that_does_not_start_is_one_line(monkeypatch, address, starts):
    tried = []

    def init(**asked: object) -> None:
        tried.append(asked)
        raise Exception("The node timed out during startup.\nMore lines.")  # as Ray does

    fake = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(jobs_ray, "check_ray", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(OSError, match=r"\(The node timed out during startup\)"), cluster(address):
        pass
    assert len(tried) == starts


@pytest.mark.parametrize(
    ("engine", "of_ray", "said"),
    [
        ("local", {"address": "auto"}, "address='auto' is of a Ray cluster; add engine='ray'"),
        ("local", {"gpus": 1.0}, "add engine='ray'"),
        ("spark", {}, "engine must be one of"),
        ("spark", {"gpus": 1.0}, "engine must be one of"),
        ("ray", {"gpus": -1.0}, "gpus"),
        ("ray", {"cores": 0}, "cores"),
    ],
)
def test_engines_that_cannot_be_are_refused(engine, of_ray, said):
    with pytest.raises(ValueError, match=said):
        check_engine(parse_engine(engine, **{"address": None, **of_ray}))
