"""Drawing into a folder: chunks, staging, and going on after an interruption."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.table import TableSynthesizer
from vicinal.table.stream import (
    Staging,
    make_chunk,
    output_schema,
    plan_chunks,
    sample_stream,
    stream_table,
    write_part,
)
from vicinal.table.stream import output as outputs
from vicinal.table.stream import run as runs
from vicinal.table.stream.memory import chunk_size, parse_memory, workers_within


def make_rows(n: int = 3000) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table(
        {
            "x": rng.normal(size=n).astype(np.float32),
            "when": pa.array(rng.integers(0, 10**9, n), pa.timestamp("ms", "UTC")),
            "group": pa.array(rng.choice(["a", "b"], n)).dictionary_encode(),
            "flag": rng.random(n) < 0.3,
            "gap": pa.array(rng.integers(0, 500, n), mask=rng.random(n) < 0.2),
            "id": np.arange(n),
            "name": [f"n{i:x}" for i in rng.permutation(n)],
        }
    )


def settings() -> TableSynthesizer:
    return TableSynthesizer("low", identifiers="replace", random_state=5)


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def model(rows):
    return settings().fit(rows)


@pytest.fixture
def source(rows, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(rows, path, row_group_size=1000)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# Chunks


def test_chunks_cover_the_table(model):
    plan = plan_chunks(model, 2500, chunk_rows=1000)
    assert [(c.number, c.first, c.rows, c.total) for c in plan] == [
        (0, 0, 1000, 2500),
        (1, 1000, 1000, 2500),
        (2, 2000, 500, 2500),
    ]
    assert len({c.seed for c in plan}) == 3
    assert plan_chunks(model, 2500, chunk_rows=1000) == plan
    assert plan_chunks(model, 2500, chunk_rows=1000, random_state=6) != plan
    # a larger table begins in the same way
    assert [c.seed for c in plan_chunks(model, 9000, chunk_rows=1000)[:3]] == [c.seed for c in plan]
    assert json.loads(json.dumps(plan[0].as_dict()))["rows"] == 1000


def test_a_chunk_is_the_same_anywhere(model, rows, tmp_path):
    plan = plan_chunks(model, 2500, chunk_rows=1000)
    made = [make_chunk(model, chunk) for chunk in plan]
    model.save(tmp_path / "model")
    loaded = TableSynthesizer.load(tmp_path / "model")
    for chunk, table in reversed(list(zip(plan, made, strict=True))):
        assert make_chunk(loaded, chunk).equals(table)
        assert table.num_rows == chunk.rows
        assert table.schema.equals(rows.schema, check_metadata=False)
        assert table.schema.equals(output_schema(model))
    assert not made[0].slice(0, 500).equals(made[2])


def test_chunks_are_drawn_from_the_same_law(model, rows, dkw_limit):
    plan = plan_chunks(model, 60_000, chunk_rows=10_000)
    made = pa.concat_tables([make_chunk(model, chunk) for chunk in plan])
    real, drawn = (np.sort(t["x"].to_numpy()) for t in (rows, made))
    shares = [np.searchsorted(one, real, side="right") / len(one) for one in (real, drawn)]
    assert np.abs(shares[0] - shares[1]).max() < dkw_limit(60_000) + dkw_limit(2**17) + 1 / 2048


def test_identifiers_are_unique_over_all_chunks(model, rows):
    made = [make_chunk(model, chunk) for chunk in plan_chunks(model, 2500, chunk_rows=700)]
    whole = pa.concat_tables(made)
    assert whole["id"].to_pylist() == list(range(3000, 5500))
    names = set(whole["name"].to_pylist())
    assert len(names) == 2500
    assert not names & set(rows["name"].to_pylist())


def test_no_room_for_identifiers_is_said_before_the_start():
    rows = pa.table({"id": pa.array(range(100), pa.int8()), "x": np.arange(100) % 37})
    model = settings().fit(rows)
    assert plan_chunks(model, 27)  # up to 127
    with pytest.raises(ValueError, match="no room for 1,000 new identifiers"):
        plan_chunks(model, 1000)


def test_text_is_numbered_through_the_chunks():
    words = [f"a sentence of {i} words and more" for i in range(200)]
    rows = pa.table({"text": words, "x": np.random.default_rng(0).normal(size=200)})
    model = TableSynthesizer("low", text="replace", random_state=0).fit(rows)
    made = [make_chunk(model, chunk) for chunk in plan_chunks(model, 5, chunk_rows=2)]
    whole = pa.concat_tables(made)["text"].to_pylist()
    assert whole == [f"text {i}" for i in range(1, 6)]


def test_pandas_and_polars_models_give_arrow_chunks(rows):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": np.arange(200.0) ** 2, "c": pd.Categorical(["a", "b"] * 100)})
    model = settings().fit(frame)
    made = make_chunk(model, plan_chunks(model, 10)[0])
    assert isinstance(made, pa.Table)
    assert set(made["c"].to_pylist()) <= {"a", "b"}


def test_what_cannot_be_drawn_in_chunks_says_so(rows):
    model = TableSynthesizer("low", marginals="raw", exact_moments=True).fit(rows.select(["x"]))
    with pytest.raises(ValueError, match="exact_moments"):
        make_chunk(model, plan_chunks(model, 10)[0])
    with pytest.raises(RuntimeError, match="fit it first"):
        plan_chunks(TableSynthesizer(), 10)


def test_chunk_sizes_depend_on_columns_alone():
    assert chunk_size(16, 64.0) == 1 << 20
    assert chunk_size(1000, 8000.0) == 1 << 16
    assert 1 << 16 < chunk_size(100, 400.0) < 1 << 20


# Folders


def test_a_folder_of_parquet_and_a_manifest(model, rows, tmp_path):
    done = sample_stream(model, tmp_path / "out", 2500, chunk_rows=1000)
    assert (done.rows_written, done.chunks, done.kept) == (2500, 3, 0)
    names = ["_manifest.json", *(f"part-00000{i}.parquet" for i in range(3))]
    assert sorted(contents(tmp_path / "out")) == names
    table = pq.read_table(tmp_path / "out")
    plan = plan_chunks(model, 2500, chunk_rows=1000)
    assert table.equals(pa.concat_tables([make_chunk(model, chunk) for chunk in plan]))
    assert table.schema.equals(rows.schema, check_metadata=False)
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert [part["rows"] for part in manifest["parts"]] == [1000, 1000, 500]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # nothing is left beside it


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_memory_change_nothing(model, tmp_path, monkeypatch, threads):
    monkeypatch.setattr(runs, "n_threads", lambda: threads)
    for name, memory in (("a", None), ("b", "1GB")):
        sample_stream(model, tmp_path / name, 5000, chunk_rows=900, memory=memory)
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    monkeypatch.setattr(runs, "n_threads", lambda: 2)
    sample_stream(model, tmp_path / "c", 5000, chunk_rows=900)
    assert contents(tmp_path / "c") == first


def test_no_more_chunks_are_in_the_making_than_threads(model, tmp_path, monkeypatch):
    import threading

    busy, most, lock = 0, 0, threading.Lock()

    def slow(*args: object) -> pa.Table:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        made = make_chunk(*args)
        with lock:
            busy -= 1
        return made

    monkeypatch.setattr(runs, "make_chunk", slow)
    monkeypatch.setattr(runs, "n_threads", lambda: 3)
    sample_stream(model, tmp_path / "out", 3000, chunk_rows=100)
    assert most == 3


def test_memory_bounds_the_chunks_in_the_making():
    assert workers_within(None, 0, 1e8, 16) == 16
    assert workers_within(2 * 10**9, 1e8, 64e6, 16) == 6
    assert workers_within(4 * 10**8, 1e8, 64e6, 16) == 1


@pytest.mark.parametrize(
    ("text", "size"), [("2GB", 2e9), ("512 mb", 512e6), ("1.5GiB", 1.5 * 2**30), ("1000", 1000)]
)
def test_sizes_are_read(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-2GB", "2XB", "0"])
def test_other_sizes_are_not(text):
    with pytest.raises(ValueError, match="memory must be a size"):
        parse_memory(text)


def test_a_folder_that_is_not_empty_is_refused(model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is not empty"):
        sample_stream(model, tmp_path / "out", 100)
    with pytest.raises(FileExistsError, match="is not empty"):
        sample_stream(model, tmp_path / "out", 100, resume=True)
    assert contents(tmp_path / "out") == {"mine.txt": b"keep"}
    (tmp_path / "out" / "mine.txt").unlink()
    sample_stream(model, tmp_path / "out", 100)  # empty is fine
    with pytest.raises(FileExistsError, match="is a file"):
        sample_stream(model, tmp_path / "out" / "_manifest.json", 100)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        sample_stream(model, tmp_path / "nowhere" / "out", 100)


# Interruptions


class StoppedError(Exception):
    pass


def interrupt(monkeypatch, after: int) -> None:
    """Let the part number ``after`` fail."""
    left = [after]

    def write(table: pa.Table, path: Path) -> int:
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        return write_part(table, path)

    monkeypatch.setattr(runs, "write_part", write)


@pytest.mark.parametrize("after", [0, 1, 4])
def test_resumed_it_is_the_same_folder(source, tmp_path, monkeypatch, after):
    run = {"n_rows": 5000, "pool_rows": 1000, "chunk_rows": 1000}
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    stream_table(settings(), source, whole, **run)
    with monkeypatch.context() as patched:
        patched.setattr(runs, "n_threads", lambda: 1)
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


def test_resume_without_an_interruption_begins(source, tmp_path):
    done = stream_table(settings(), source, tmp_path / "out", 500, resume=True)
    assert (done.rows_written, done.kept) == (500, 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 6}, r"random_state \(5 there, 6 asked\)"),
        ({"rows": 3000}, r"rows \(2000 there, 3000 asked\)"),
        ({"privacy": "balanced"}, r'privacy \("low" there, "balanced" asked\)'),
        ({"chunk": 400}, r"chunk_rows \(500 there, 400 asked\)"),
        ({"file": "other.parquet"}, r"files .*in\.parquet.*other\.parquet"),
    ],
)
def test_another_run_is_not_gone_on_with(source, tmp_path, monkeypatch, change, said):
    with monkeypatch.context() as patched:
        interrupt(patched, 1)
        with pytest.raises(StoppedError):
            stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500)
    (tmp_path / "other.parquet").write_bytes(source.read_bytes())
    before = contents(tmp_path / ".out.partial")
    model = TableSynthesizer(
        change.get("privacy", "low"), identifiers="replace", random_state=change.get("seed", 5)
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


def test_a_full_disk_keeps_what_is_done(source, tmp_path, monkeypatch):
    real, calls = pq.write_table, []

    def full(table: pa.Table, sink: object, **options: object) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, sink, **options)

    with monkeypatch.context() as patched:
        patched.setattr(outputs.parquet, "write_table", full)
        with pytest.raises(OSError, match=r"No space left to write part-.*--resume"):
            stream_table(settings(), source, tmp_path / "out", 5000, chunk_rows=1000)
    kept = [name for name in contents(tmp_path / ".out.partial") if name.endswith(".parquet")]
    assert len(kept) == 2
    assert not [name for name in contents(tmp_path / ".out.partial") if name.endswith(".part")]
    done = stream_table(settings(), source, tmp_path / "out", 5000, chunk_rows=1000, resume=True)
    assert done.kept == 2


def test_a_disk_too_small_is_said_before_the_start(source, tmp_path, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 10**6))
    with pytest.raises(OSError, match=r"need about .*GB, but .* has 1 MB free"):
        stream_table(settings(), source, tmp_path / "out", 10**9)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_two_runs_do_not_share_a_folder(tmp_path):
    pytest.importorskip("fcntl")
    with Staging(tmp_path / "out", {"rows": 1}) as staging:
        staging.open(False)
        with (
            pytest.raises(OSError, match="Another run is writing"),
            Staging(tmp_path / "out", {"rows": 1}) as other,
        ):
            other.open(True)
        assert staging.folder.exists()
    assert not staging.folder.exists()  # nothing was learnt


# Says how far it is, and goes on when it is answered: fast machines are not done before the kill.
SCRIPT = """
import sys
from vicinal.table import TableSynthesizer
from vicinal.table.stream import stream_table

def report(*done):
    print(*done, flush=True)
    sys.stdin.readline()

model = TableSynthesizer("low", identifiers="replace", random_state=5)
stream_table(model, sys.argv[1], sys.argv[2], 40_000, pool_rows=1000, chunk_rows=1000,
             resume=len(sys.argv) > 3, progress=report)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_random_moments_and_resumed(source, tmp_path):
    """Kill -9 a moment after a random number of lines of progress, three times in one run."""
    words = [sys.executable, "-c", SCRIPT, str(source)]
    stream_table(settings(), source, tmp_path / "whole", 40_000, pool_rows=1000, chunk_rows=1000)
    broken, killed = tmp_path / "broken", 0
    rng = np.random.default_rng(7)
    for _ in range(3):
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
    assert killed == 3
    assert not broken.exists()
    assert 0 < len(list((tmp_path / ".broken.partial").glob("part-*.parquet"))) < 40
    subprocess.run(
        [*words, str(broken), "resume"],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert contents(broken) == contents(tmp_path / "whole")


# The last step, and what may go wrong with it


def stop(*_: object) -> None:
    raise StoppedError


def finished_but_not_in_place(source: Path, output: Path, monkeypatch, **settings_of: object):
    """Run up to the rename of the folder, which fails as if the process were killed there."""
    model = TableSynthesizer("low", identifiers="replace", **{"random_state": 5, **settings_of})
    with monkeypatch.context() as patched:
        patched.setattr(outputs.Staging, "_put_in_place", stop)
        with pytest.raises(StoppedError):
            stream_table(model, source, output, 2000, chunk_rows=500)
    staging = output.with_name(f".{output.name}.partial")
    assert not (staging / "_model.vicinal").exists()
    assert len(list(staging.glob("part-*.parquet"))) == 4


def test_killed_before_the_last_rename(source, tmp_path, monkeypatch):
    stream_table(settings(), source, tmp_path / "whole", 2000, chunk_rows=500)
    finished_but_not_in_place(source, tmp_path / "out", monkeypatch)
    with pytest.raises(FileExistsError, match="interrupted run"):  # not with another seed's rows
        stream_table(
            TableSynthesizer("low", identifiers="replace", random_state=6),
            source,
            tmp_path / "out",
            2000,
            chunk_rows=500,
        )
    done = stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500, resume=True)
    assert done.model is None  # complete: nothing was learnt again
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not (tmp_path / ".out.partial").exists()


def test_killed_before_the_last_rename_without_a_seed(source, tmp_path, monkeypatch):
    finished_but_not_in_place(source, tmp_path / "out", monkeypatch, random_state=None)
    before = contents(tmp_path / ".out.partial")
    model = TableSynthesizer("low", identifiers="replace")
    stream_table(model, source, tmp_path / "out", 2000, chunk_rows=500, resume=True)
    after = contents(tmp_path / "out")
    assert after == {name: data for name, data in before.items() if name != "_lock"}


def test_an_output_that_fills_meanwhile_costs_nothing(source, tmp_path, monkeypatch):
    run = {"n_rows": 2000, "chunk_rows": 500}
    stream_table(settings(), source, tmp_path / "whole", **run)

    def write(table: pa.Table, path: Path) -> int:
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "mine.txt").write_text("keep")
        return write_part(table, path)

    with monkeypatch.context() as patched:
        patched.setattr(runs, "write_part", write)
        with pytest.raises(FileExistsError, match="no longer empty; what is done stays"):
            stream_table(settings(), source, tmp_path / "out", **run)
    assert contents(tmp_path / "out") == {"mine.txt": b"keep"}
    (tmp_path / "out" / "mine.txt").unlink()
    done = stream_table(settings(), source, tmp_path / "out", resume=True, **run)
    assert done.kept == 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_another_version_does_not_go_on(source, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        interrupt(patched, 1)
        with pytest.raises(StoppedError):
            stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500)
    monkeypatch.setattr(outputs, "__version__", "999")
    with pytest.raises(ValueError, match=r"vicinal \(.* there, 999 here\)"):
        stream_table(settings(), source, tmp_path / "out", 2000, chunk_rows=500, resume=True)


def test_another_model_is_not_called_complete(model, rows, tmp_path):
    sample_stream(model, tmp_path / "out", 500)
    model.save(tmp_path / "model")
    loaded = TableSynthesizer.load(tmp_path / "model")
    for same in (model, loaded):
        assert sample_stream(same, tmp_path / "out", 500, resume=True).model is None
    other = settings().fit(rows.slice(1))
    with pytest.raises(ValueError, match="made by another model"):
        sample_stream(other, tmp_path / "out", 500, resume=True)


# Where to


def test_a_folder_by_another_name(model, tmp_path, monkeypatch):
    sample_stream(model, tmp_path / "whole", 500)
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "own")
    sample_stream(model, tmp_path / "link", 500)
    assert contents(tmp_path / "own") == contents(tmp_path / "whole")
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    sample_stream(model, ".", 500)
    assert contents(tmp_path / "here") == contents(tmp_path / "whole")


def test_a_disk_of_its_own_is_refused_at_once(model, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs.os.path, "ismount", lambda path: Path(path).name == "disk")
    with pytest.raises(OSError, match=r"disk of its own.*disk/synthetic"):
        sample_stream(model, tmp_path / "disk", 500)


def test_what_is_read_is_not_written_to(source, tmp_path):
    for output in (tmp_path / "out", tmp_path):
        with pytest.raises((ValueError, OSError), match=r"which is read|is not empty"):
            stream_table(settings(), tmp_path, output, 500)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize(
    ("asked", "run", "said"),
    [
        ({"target": "gruop"}, {}, "Did you mean 'group'"),
        ({"within": ["group", "flg"]}, {}, "Did you mean 'flag'"),
        ({"kinds": {"xx": "category"}}, {}, "kinds"),
        ({"marginals": "raw", "exact_moments": True}, {}, "exact_moments"),
        ({}, {"n_rows": 0}, "n_rows"),
        ({}, {"chunk_rows": 0}, "chunk_rows"),
    ],
)
def test_bad_settings_are_said_before_anything_is_read(
    source, tmp_path, monkeypatch, asked, run, said
):
    monkeypatch.setattr("vicinal.table.stream.fit.summarise", lambda *_: pytest.fail("read"))
    with pytest.raises(ValueError, match=said):
        stream_table(TableSynthesizer("low", **asked), source, tmp_path / "out", **run)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
