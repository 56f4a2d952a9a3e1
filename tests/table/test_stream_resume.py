"""Drawing into a folder, interrupted: runs are killed, resumed and refused."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from vicinal.jobs import local, places
from vicinal.jobs import staging as stagings
from vicinal.jobs.places import Place
from vicinal.jobs.staging import open_staging
from vicinal.table import TableSynthesizer
from vicinal.table.stream import sample_stream, stream_table
from vicinal.table.stream.source import BLOCK, BLOCKS, fingerprint


class StoppedError(Exception):
    pass


def interrupt(monkeypatch, after: int) -> None:
    """Let the part number ``after`` fail."""
    left, put = [after], Place.write

    def write(place: Place, number: int, table: pa.Table) -> None:
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        put(place, number, table)

    monkeypatch.setattr(Place, "write", write)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_resumed_it_is_the_same_folder(source, tmp_path, monkeypatch, after, settings, contents):
    run = {"n_samples": 5000, "max_rows": 1000, "chunk_rows": 1000}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    stream_table(settings(), source, whole, **run)
    with monkeypatch.context() as patched:
        patched.setattr(local, "n_threads", lambda: 1)
        interrupt(patched, after)
        with pytest.raises(StoppedError):
            stream_table(settings(), source, broken, **run)
    assert not broken.exists()
    assert (tmp_path / ".broken.partial" / "_model.vicinal").exists()
    with pytest.raises(FileExistsError, match="interrupted run"):
        stream_table(settings(), source, broken, **run)
    done = stream_table(settings(), source, broken, resume=True, **run)
    assert done.kept == after
    assert contents(broken) == contents(whole)
    assert not (tmp_path / ".broken.partial").exists()
    # once more: complete
    assert stream_table(settings(), source, broken, resume=True, **run).model is None


def test_resume_without_an_interruption_begins(source, tmp_path, settings):
    done = stream_table(settings(), source, tmp_path / "out", 500, resume=True)
    assert (done.rows_written, done.kept) == (500, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 6}, r"random_state \(5 there, 6 asked\)"),
        ({"rows": 3000}, r"n_samples \(2000 there, 3000 asked\)"),
        ({"privacy": "balanced"}, r'privacy \("off" there, "balanced" asked\)'),
        ({"chunk": 400}, r"chunk_rows \(500 there, 400 asked\)"),
        ({"file": "other.parquet"}, r"files .*in\.parquet.*other\.parquet"),
    ],
)
def test_another_run_is_not_gone_on_with(
    source, tmp_path, monkeypatch, change, said, settings, contents
):
    with monkeypatch.context() as patched:
        interrupt(patched, 1)
        with pytest.raises(StoppedError):
            stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500)
    (tmp_path / "other.parquet").write_bytes(source.read_bytes())
    before = contents(tmp_path / ".out.partial")
    model = TableSynthesizer(
        change.get("privacy", "off"), identifiers="replace", random_state=change.get("seed", 5)
    )
    with pytest.raises(ValueError, match=said):
        stream_table(
            model,
            source.with_name(change.get("file", source.name)),
            tmp_path / "out",
            change.get("rows", 2000),
            chunk_rows=change.get("chunk", 500),
            resume=True,
        )
    after = contents(tmp_path / ".out.partial")
    assert {**after, "_lock": b""} == {**before, "_lock": b""}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_content_tells_whether_a_run_is_the_same(source, tmp_path, monkeypatch, settings, contents):
    run = {"n_samples": 2000, "max_rows": 1000, "chunk_rows": 500}
    out, staging, own = tmp_path / "out", tmp_path / ".out.partial", tmp_path / "own.parquet"
    plain = {"compression": "none", "use_dictionary": False}  # any bits are some number
    pq.write_table(pq.read_table(source), own, **plain)
    with monkeypatch.context() as patched:
        patched.setattr(local, "n_threads", lambda: 1)
        interrupt(patched, 2)
        with pytest.raises(StoppedError):
            stream_table(settings(), own, out, **run)
    before = own.read_bytes()
    other = pq.read_table(source)
    number = next(at for at, one in enumerate(other.schema) if pa.types.is_integer(one.type))
    more = pc.add(other.column(number), 1).cast(other.schema.field(number).type)
    pq.write_table(other.set_column(number, other.schema.field(number), more), own, **plain)
    assert own.stat().st_size == len(before)
    with pytest.raises(ValueError, match=r"begun otherwise: .*own.parquet \(others there\)"):
        stream_table(settings(), own, out, resume=True, **run)
    own.write_bytes(before)
    flip(staging / places.part_name(0), 100)
    assert stream_table(settings(), own, out, resume=True, **run).kept == 1
    stream_table(settings(), own, tmp_path / "whole", **run)
    assert contents(out) == contents(tmp_path / "whole")
    assert not list(out.glob("*.sha256"))
    flip(out / places.part_name(3), 100)
    with pytest.raises(ValueError, match=r"part-000003.parquet is not as it was written"):
        stream_table(settings(), own, out, resume=True, **run)


def test_large_files_are_told_apart_by_some_of_their_blocks(tmp_path):
    path, size = tmp_path / "large", 3 * BLOCK * BLOCKS
    path.write_bytes(bytes(size))
    before = fingerprint(str(path))
    for at in (0, BLOCK - 1, size - 1, size - BLOCK):
        flip(path, at)
        assert fingerprint(str(path)) != before
        flip(path, at)
    assert fingerprint(str(path)) == before


def test_a_full_disk_keeps_what_is_done(source, tmp_path, monkeypatch, settings, contents):
    real, calls = pq.write_table, []

    def full(table: pa.Table, sink: object, **options: object) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, sink, **options)

    with monkeypatch.context() as patched:
        patched.setattr(places.parquet, "write_table", full)
        with pytest.raises(OSError, match=r"No space left to write .*part-.*--resume"):
            stream_table(settings(), source, tmp_path / "out", 5000, chunk_rows=1000)
    kept = [name for name in contents(tmp_path / ".out.partial") if name.endswith(".parquet")]
    assert len(kept) == 2
    assert not [name for name in contents(tmp_path / ".out.partial") if name.endswith(".part")]
    done = stream_table(settings(), source, tmp_path / "out", 5000, chunk_rows=1000, resume=True)
    assert done.kept == 2


def test_a_disk_too_small_is_said_before_the_start(source, tmp_path, monkeypatch, settings):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    with pytest.raises(OSError, match=r"need about .*GB, but .* has 1 MB free"):
        stream_table(settings(), source, tmp_path / "out", 10**9)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    pytest.importorskip("fcntl")
    with open_staging(tmp_path / "out", {"rows": 1}, resume=False) as staging:
        with (
            pytest.raises(OSError, match="Another run is writing"),
            open_staging(tmp_path / "out", {"rows": 1}, resume=True),
        ):
            pytest.fail("both are at work")
        assert staging.folder.exists()
    assert not staging.folder.exists()  # nothing was learned


# Says how far it is, and goes on when it is answered: fast machines are not done before the kill.
SCRIPT = """
import sys
from vicinal.jobs import local, places
from vicinal.jobs import staging as stagings
from vicinal.jobs.places import Place
from vicinal.jobs.staging import open_staging
from vicinal.table import TableSynthesizer
from vicinal.table.stream import stream_table

def report(*done):
    print(*done, flush=True)
    sys.stdin.readline()

model = TableSynthesizer("off", identifiers="replace", random_state=5)
stream_table(model, sys.argv[1], sys.argv[2], 40_000, max_rows=1000, chunk_rows=1000,
             resume=len(sys.argv) > 3, progress=report)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_random_moments_and_resumed(source, tmp_path, settings, contents):
    """Kill -9 a moment after a random number of lines of progress, twice in one run."""
    words = [sys.executable, "-c", SCRIPT, str(source)]
    stream_table(settings(), source, tmp_path / "whole", 40_000, max_rows=1000, chunk_rows=1000)
    broken, killed = tmp_path / "broken", 0
    rng = np.random.default_rng(7)
    for _ in range(2):
        run = subprocess.Popen(
            [*words, str(broken), "resume"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        for _ in range(int(rng.integers(1, 12))):
            run.stdout.readline()
            run.stdin.write(b"\n")
        time.sleep(float(rng.random()) * 0.02)
        os.kill(run.pid, signal.SIGKILL)
        killed += run.wait() == -signal.SIGKILL
        run.stdin.close()
        run.stdout.close()
    assert killed == 2
    assert not broken.exists()
    assert 0 < len(list((tmp_path / ".broken.partial").glob("part-*.parquet"))) < 40
    asked = {"max_rows": 1000, "chunk_rows": 1000, "resume": True}
    stream_table(settings(), source, broken, 40_000, **asked)
    assert contents(broken) == contents(tmp_path / "whole")


# The last step, and what may go wrong with it


def stop(*_: object) -> None:
    raise StoppedError


def finished_but_not_in_place(source: Path, output: Path, monkeypatch, **settings_of: object):
    """Run up to the rename of the folder, which fails as if the process were killed there."""
    model = TableSynthesizer("off", identifiers="replace", **{"random_state": 5, **settings_of})
    with monkeypatch.context() as patched:
        patched.setattr(stagings._FolderStaging, "_put_in_place", stop)
        with pytest.raises(StoppedError):
            stream_table(model, source, output, 2000, chunk_rows=500)
    staging = output.with_name(f".{output.name}.partial")
    assert not (staging / "_model.vicinal").exists()
    assert len(list(staging.glob("part-*.parquet"))) == 4


def test_killed_before_the_last_rename(source, tmp_path, monkeypatch, settings, contents):
    stream_table(settings(), source, tmp_path / "whole", 2000, chunk_rows=500)
    finished_but_not_in_place(source, tmp_path / "out", monkeypatch)
    with pytest.raises(FileExistsError, match="interrupted run"):  # not with another seed's rows
        stream_table(
            TableSynthesizer("off", identifiers="replace", random_state=6),
            source,
            tmp_path / "out",
            2000,
            chunk_rows=500,
        )
    done = stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500, resume=True)
    assert done.model is None  # complete: nothing was learned again
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not (tmp_path / ".out.partial").exists()


def test_killed_before_the_last_rename_without_a_seed(source, tmp_path, monkeypatch, contents):
    finished_but_not_in_place(source, tmp_path / "out", monkeypatch, random_state=None)
    before = contents(tmp_path / ".out.partial")
    model = TableSynthesizer("off", identifiers="replace")
    stream_table(model, source, tmp_path / "out", 2000, chunk_rows=500, resume=True)
    after = contents(tmp_path / "out")
    assert after == {name: data for name, data in before.items() if name != "_lock"}


def test_an_output_that_fills_meanwhile_costs_nothing(
    source, tmp_path, monkeypatch, settings, contents
):
    run = {"n_samples": 2000, "chunk_rows": 500}
    stream_table(settings(), source, tmp_path / "whole", **run)
    put = Place.write

    def write(place: Place, number: int, table: pa.Table) -> None:
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "mine.txt").write_text("keep")
        put(place, number, table)

    with monkeypatch.context() as patched:
        patched.setattr(Place, "write", write)
        with pytest.raises(FileExistsError, match="no longer empty; what is done stays"):
            stream_table(settings(), source, tmp_path / "out", **run)
    assert contents(tmp_path / "out") == {"mine.txt": b"keep"}
    (tmp_path / "out" / "mine.txt").unlink()
    done = stream_table(settings(), source, tmp_path / "out", resume=True, **run)
    assert done.kept == 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_another_version_does_not_go_on(source, tmp_path, monkeypatch, settings):
    with monkeypatch.context() as patched:
        interrupt(patched, 1)
        with pytest.raises(StoppedError):
            stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500)
    monkeypatch.setattr(stagings, "__version__", "999")
    with pytest.raises(ValueError, match=r"vicinal \(.* there, 999 here\)"):
        stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500, resume=True)


def test_another_model_is_not_called_complete(model, rows, tmp_path, settings):
    sample_stream(model, tmp_path / "out", 500)
    model.save(tmp_path / "model")
    loaded = TableSynthesizer.load(tmp_path / "model")
    for same in (model, loaded):
        assert sample_stream(same, tmp_path / "out", 500, resume=True).model is None
    other = settings().fit(rows.slice(1))
    with pytest.raises(ValueError, match=r"model \(others there\)"):
        sample_stream(other, tmp_path / "out", 500, resume=True)
