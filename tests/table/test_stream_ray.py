"""The same rows on a cluster as on one machine, whoever makes them and whoever is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.jobs import RayCluster
from vicinal.jobs.places import MANIFEST
from vicinal.table import TableSynthesizer
from vicinal.table.stream import sample_stream, stream_table
from vicinal.table.stream.chunks import make_chunk, plan_chunks

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
        done = sample_stream(model, out, 1500, chunk_rows=600, engine=engine, workers=2)
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
    two_cores, ray_workers, source, local, tmp_path
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
            killed.extend(ray_workers(os.getpid()))
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
