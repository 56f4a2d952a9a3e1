"""Drawing into a folder: chunks, threads, memory, and where it may be."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.jobs import local, staging
from vicinal.jobs.limits import parse_memory
from vicinal.table import TableSynthesizer
from vicinal.table.stream import run as runs
from vicinal.table.stream import sample_stream, stream_table
from vicinal.table.stream.chunks import make_chunk, plan_chunks
from vicinal.table.stream.memory import chunk_size, workers_within

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
    assert json.loads(json.dumps(asdict(plan[0])))["rows"] == 1000


def test_a_chunk_is_the_same_anywhere(model, rows, tmp_path):
    plan = plan_chunks(model, 2500, chunk_rows=1000)
    made = [make_chunk(model, chunk) for chunk in plan]
    model.save(tmp_path / "model")
    loaded = TableSynthesizer.load(tmp_path / "model")
    for chunk, table in reversed(list(zip(plan, made, strict=True))):
        assert make_chunk(loaded, chunk).equals(table)
        assert table.num_rows == chunk.rows
        assert table.schema.equals(rows.schema, check_metadata=False)
        assert table.schema.equals(made[0].schema)
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


def test_no_room_for_identifiers_is_said_before_the_start(settings):
    rows = pa.table({"id": pa.array(range(100), pa.int8()), "x": np.arange(100) % 37})
    model = settings().fit(rows)
    assert plan_chunks(model, 27)  # up to 127
    with pytest.raises(ValueError, match="no room for 1,000 new identifiers"):
        plan_chunks(model, 1000)


def test_text_is_numbered_through_the_chunks():
    words = [f"a sentence of {i} words and more" for i in range(200)]
    rows = pa.table({"text": words, "x": np.random.default_rng(0).normal(size=200)})
    model = TableSynthesizer("off", text="replace", random_state=0).fit(rows)
    made = [make_chunk(model, chunk) for chunk in plan_chunks(model, 5, chunk_rows=2)]
    whole = pa.concat_tables(made)["text"].to_pylist()
    assert whole == [f"text {i}" for i in range(1, 6)]


def test_pandas_and_polars_models_give_arrow_chunks(rows, settings):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": np.arange(200.0) ** 2, "c": pd.Categorical(["a", "b"] * 100)})
    model = settings().fit(frame)
    made = make_chunk(model, plan_chunks(model, 10)[0])
    assert isinstance(made, pa.Table)
    assert set(made["c"].to_pylist()) <= {"a", "b"}


def test_what_cannot_be_drawn_in_chunks_says_so(rows):
    model = TableSynthesizer("off", marginals="raw", exact_moments=True).fit(rows.select(["x"]))
    with pytest.raises(ValueError, match="exact_moments"):
        make_chunk(model, plan_chunks(model, 10)[0])
    with pytest.raises(RuntimeError, match="fit it first"):
        plan_chunks(TableSynthesizer(), 10)


def test_chunk_sizes_depend_on_columns_alone():
    assert chunk_size(16, 64.0) == 1 << 20
    assert chunk_size(1000, 8000.0) == 1 << 16
    assert 1 << 16 < chunk_size(100, 400.0) < 1 << 20


# Folders


def test_a_folder_of_parquet_and_a_manifest(model, rows, tmp_path, contents):
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
def test_threads_and_memory_change_nothing(model, tmp_path, monkeypatch, threads, contents):
    monkeypatch.setattr(local, "n_threads", lambda: threads)
    for name, memory in (("a", None), ("b", "1GB")):
        sample_stream(model, tmp_path / name, 5000, chunk_rows=900, memory=memory)
    first = contents(tmp_path / "a")
    assert first == contents(tmp_path / "b")
    monkeypatch.setattr(local, "n_threads", lambda: 2)
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
    monkeypatch.setattr(local, "n_threads", lambda: 3)
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


def test_a_folder_that_is_not_empty_is_refused(model, tmp_path, contents):
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


# Where to


def test_a_folder_by_another_name(model, tmp_path, monkeypatch, contents):
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
    monkeypatch.setattr(staging.os.path, "ismount", lambda path: Path(path).name == "disk")
    with pytest.raises(OSError, match=r"disk of its own.*disk/synthetic"):
        sample_stream(model, tmp_path / "disk", 500)


def test_what_is_read_is_not_written_to(source, tmp_path, settings):
    for output in (tmp_path / "out", tmp_path):
        with pytest.raises((ValueError, OSError), match=r"which is read|is not empty"):
            stream_table(settings(), tmp_path, output, 500)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_without_sketches_it_says_which_extra(source, tmp_path, monkeypatch, settings):
    monkeypatch.setitem(sys.modules, "datasketches", None)
    with pytest.raises(ImportError, match=r"pip install 'vicinal\[stream\]'"):
        stream_table(settings(), source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize(
    ("asked", "run", "said"),
    [
        ({"target": "gruop"}, {}, "Did you mean 'group'"),
        ({"within": ["group", "flg"]}, {}, "Did you mean 'flag'"),
        ({"kinds": {"xx": "category"}}, {}, "kinds"),
        ({"marginals": "raw", "exact_moments": True}, {}, "exact_moments"),
        ({}, {"n_samples": 0}, "n_samples"),
        ({}, {"chunk_rows": 0}, "chunk_rows"),
    ],
)
def test_bad_settings_are_said_before_anything_is_read(
    source, tmp_path, monkeypatch, asked, run, said
):
    monkeypatch.setattr("vicinal.table.stream.fit.summarize", lambda *_: pytest.fail("read"))
    with pytest.raises(ValueError, match=said):
        stream_table(TableSynthesizer("off", **asked), source, tmp_path / "out", **run)
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]
