"""The same rows on a cluster as on one machine, whoever makes them and whoever is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal import _cluster
from vicinal.io.remote import RemoteFolder
from vicinal.jobs.ray import Worker, cluster
from vicinal.table import TableSynthesizer
from vicinal.table.stream import make_chunk, plan_chunks, stream_table
from vicinal.table.stream import ray as stream_ray
from vicinal.table.stream.output import MANIFEST, part_name
from vicinal.table.stream.ray import SharedFolder, stream_table_ray

ROWS, CHUNK_ROWS, CHUNKS = 18_000, 600, 30


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """Three files: numbers, names, missing values and an identifier."""
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(5)
    for number in range(3):
        n = 2000 + number
        x = rng.normal(size=n)
        y = pa.array(rng.poisson(4, n), mask=rng.random(n) < 0.1)
        name = pa.array(rng.choice(["a", "b", "ü"], n), pa.string()).dictionary_encode()
        key = np.arange(n) + 3000 * number
        table = pa.table({"key": key, "x": x, "z": x + rng.normal(size=n), "y": y, "name": name})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=700)
    return f"{folder}/*.parquet"


def settings() -> TableSynthesizer:
    return TableSynthesizer("off", random_state=11)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def local(source, tmp_path_factory) -> Path:
    """What one machine makes."""
    out = tmp_path_factory.mktemp("local") / "out"
    stream_table(settings(), source, out, ROWS, pool_rows=1500, chunk_rows=CHUNK_ROWS)
    return out


def dies_at_work() -> Callable[[str], int]:
    return lambda task: os._exit(9)


def test_what_kills_its_worker_every_time_ends_the_run(two_cores, monkeypatch):
    monkeypatch.setattr(_cluster, "RETRIES", 1)
    with pytest.raises(OSError, match=r"cluster failed .*Run again; with --resume"):
        list(_cluster.spread(two_cores, ["1"], dies_at_work))


def test_same_bytes_as_on_one_machine(two_cores, source, local, tmp_path):
    out = tmp_path / "out"
    seen = []
    done = stream_table_ray(
        settings(),
        source,
        out,
        ROWS,
        pool_rows=1500,
        chunk_rows=CHUNK_ROWS,
        workers=2,
        progress=lambda *said: seen.append(said),
    )
    assert files_of(out) == files_of(local)  # the manifest, too
    assert (done.rows_read, done.rows_written, done.chunks, done.kept) == (6003, ROWS, CHUNKS, 0)
    assert [one for one in seen if one[0] == "Reading"][-1] == ("Reading", 6003, 6003)
    assert [one for one in seen if one[0] == "Drawing"][-1] == ("Drawing", ROWS, ROWS)
    assert two_cores.is_initialized()  # what was there before is left alone


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="workers are looked for under /proc")
def test_same_bytes_where_a_worker_is_killed_in_a_run_another_engine_began(
    two_cores, ray_workers, source, local, tmp_path
):
    out = tmp_path / "out"
    asked = {"pool_rows": 1500, "chunk_rows": CHUNK_ROWS}

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "Drawing" and done >= 2 * CHUNK_ROWS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream_table(settings(), source, out, ROWS, **asked, progress=stop)
    staging = tmp_path / ".out.partial"
    killed: list[int] = []
    there_then: list[int] = []

    def kill(stage: str, done: int, total: int) -> None:
        if stage == "Drawing" and not killed:
            killed.extend(ray_workers(os.getpid()))
            there_then.append(len(list(staging.glob("part-*"))))
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    done = stream_table_ray(
        settings(), source, out, ROWS, **asked, workers=1, resume=True, progress=kill
    )
    assert len(killed) == 1
    assert there_then[0] < CHUNKS  # it was killed with work to do
    assert 2 <= done.kept < CHUNKS
    assert files_of(out) == files_of(local)
    again = stream_table_ray(settings(), source, out, ROWS, pool_rows=1500, resume=True)
    assert again.model is None  # complete already
    other = TableSynthesizer("off", random_state=12)
    with pytest.raises(ValueError, match=r"random_state \(11 there, 12 asked\)"):
        stream_table_ray(other, source, out, ROWS, pool_rows=1500, resume=True)


def test_an_unreadable_part_is_named_and_nothing_is_left(two_cores, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(pa.table({"x": np.arange(5000.0)}), folder / "a.parquet")
    good = (folder / "a.parquet").read_bytes()
    bad = bytearray(good)
    bad[200:4000] = bytes(3800)
    (folder / "b.parquet").write_bytes(bad)
    with pytest.raises(ValueError, match=r"b\.parquet cannot be read"):
        stream_table_ray(settings(), str(folder), tmp_path / "out", 100)
    assert not (tmp_path / "out").exists()


def test_without_ray_it_says_which_extra(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'vicinal\[ray\]'"):
        stream_table_ray(settings(), source, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_address_that_does_not_answer_is_named(source, tmp_path):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"No Ray cluster answers at the address {address}"):
        stream_table_ray(settings(), source, tmp_path / "out", address=address)
    assert not (tmp_path / "out").exists()


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
    assert _cluster._speaks(host, int(port))


@pytest.mark.parametrize("address", ["nonsense", "host:0", "host:99999", "a b:80", ""])
def test_what_is_no_address_is_refused(address):
    pytest.importorskip("ray")
    with pytest.raises(ValueError, match="address must be"), cluster(address):
        pass


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_workers_are_counted_from_one(source, tmp_path, workers):
    with pytest.raises((ValueError, TypeError), match="workers"):
        stream_table_ray(settings(), source, tmp_path / "out", workers=workers)


@pytest.mark.parametrize(("address", "starts"), [(None, 3), ("auto", 1)])
def test_a_cluster_that_does_not_start_is_one_line(monkeypatch, address, starts):
    tried = []

    def init(**asked: object) -> None:
        tried.append(asked)
        raise Exception("The node timed out during startup.\nMore lines.")  # as Ray does

    fake = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: None)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(_cluster, "check_ray", lambda: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(OSError, match=r"\(The node timed out during startup\)"), cluster(address):
        pass
    assert len(tried) == starts


# what workers do, without a cluster


def fails(task: str) -> int:
    raise {"value": ValueError, "file": FileNotFoundError, "full": OSError}[task]("why: " + task)


def building_fails() -> None:
    raise PermissionError("no")


def test_a_worker_hands_errors_on_as_words():
    worker = Worker(lambda: fails, ())
    said = worker({"task": np.array(["value", "file", "full"])})["said"]
    assert [json.loads(one) for one in said] == [
        {"error": "ValueError", "why": "why: value"},
        {"error": "FileNotFoundError", "why": "why: file"},
        {"error": "OSError", "why": "why: full"},
    ]
    found = json.loads(Worker(building_fails, ())({"task": ["1"]})["said"][0])
    assert found == {"error": "OSError", "why": "no"}


def test_a_worker_builds_once():
    built = []

    def build():
        built.append(1)
        return int

    worker = Worker(build, ())
    assert [worker({"task": ["7"]})["said"][0] for _ in range(3)] == ['{"done": 7}'] * 3
    assert built == [1]


def test_a_folder_that_a_worker_does_not_see_is_named(tmp_path):
    with pytest.raises(OSError, match=f"{socket.gethostname()}.*does not see.*{tmp_path}"):
        SharedFolder(str(tmp_path)).see()
    (tmp_path / MANIFEST).touch()
    SharedFolder(str(tmp_path)).see()


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_part_is_made_once_and_whole(tmp_path, kind):
    table = pa.table({"x": [1.0, 2.0]})
    place = SharedFolder(str(tmp_path)) if kind == "folder" else RemoteFolder(tmp_path.as_uri())
    place.put(3, lambda: table)
    place.put(3, lambda: pytest.fail("made again"))
    assert [path.name for path in tmp_path.iterdir()] == [part_name(3)]
    assert pq.read_table(tmp_path / part_name(3)).equals(table)

    def interrupted() -> pa.Table:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.put(4, interrupted)
    assert [path.name for path in tmp_path.iterdir()] == [part_name(3)]


def test_to_an_address_the_manifest_comes_last(source, local, tmp_path, monkeypatch):
    # a disk that poses as an object store, and a cluster that is this process
    fake = SimpleNamespace(put=lambda value: value, get=lambda value: value)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(stream_ray, "check_ray", lambda: None)
    monkeypatch.setattr(stream_ray, "is_remote", lambda output: True)
    monkeypatch.setattr(stream_ray, "cluster", lambda *_: nullcontext(fake))
    monkeypatch.setattr(
        stream_ray, "map_ordered", lambda ray, work, parts, *held: (work(p, *held) for p in parts)
    )
    address = (tmp_path / "out").as_uri()

    def spread(ray, tasks, build, args, workers):
        for task in tasks:
            assert not (tmp_path / "out" / MANIFEST).exists()
            yield build(*args)(task)  # each by a worker that begins in the middle of the run

    monkeypatch.setattr(stream_ray, "spread", spread)
    done = stream_table_ray(
        settings(), source, address, ROWS, pool_rows=1500, chunk_rows=CHUNK_ROWS
    )
    assert (done.output, done.rows_written) == (address, ROWS)
    theirs = files_of(local)
    ours = files_of(tmp_path / "out")
    manifest, expected = json.loads(ours.pop(MANIFEST)), json.loads(theirs.pop(MANIFEST))
    assert ours == theirs
    assert manifest == expected
    with pytest.raises(FileExistsError, match="is not empty"):
        stream_table_ray(settings(), source, address)
    with pytest.raises(ValueError, match="resume goes with a folder"):
        stream_table_ray(settings(), source, address, resume=True)


def test_an_address_of_no_known_kind_is_refused(source):
    with pytest.raises(ValueError, match="ftp://there/out cannot be written to"):
        stream_table_ray(settings(), source, "ftp://there/out")


def test_chunks_are_pure():
    table = pa.table({"x": np.random.default_rng(0).normal(size=500)})
    model = settings().fit(table)
    chunks = plan_chunks(model, 900, chunk_rows=300)
    backwards = [make_chunk(model, chunk) for chunk in chunks[::-1]][::-1]
    assert all(a.equals(make_chunk(model, c)) for a, c in zip(backwards, chunks, strict=True))
