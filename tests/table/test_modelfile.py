"""Fitted synthesizers on disk."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from vicinal import EpBeta
from vicinal.table import TableSynthesizer
from vicinal.table.modelfile import FORMAT

pytestmark = pytest.mark.filterwarnings("ignore:(identifier|text) column:UserWarning")


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    n = 300
    return pa.table(
        {
            "id": [f"U{i:04d}" for i in range(n)],
            "x": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "c": pa.array(rng.choice(["ä", "b"], n)).dictionary_encode(),
            "vicinal:row": rng.integers(0, 1000, n),
            "note": [f"some secret words {i}" for i in range(n)],
        }
    )


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"privacy": "off", "within": ("c",), "kinds": {"x": "numeric"}},
        {"weights": EpBeta(0.2), "marginals": "raw", "exact_moments": np.True_},
        {"neighbors": np.int64(7), "target": "c", "identifiers": "drop", "text": "replace"},
    ],
    ids=str,
)
def test_saved_and_loaded_draws_the_same(table, tmp_path, told):
    first = TableSynthesizer(random_state=5, **told).fit(table)
    first.save(tmp_path / "m.vicinal")
    second = TableSynthesizer.load(tmp_path / "m.vicinal")
    assert second.sample(500).equals(first.sample(500))
    assert second.sample(50, where="c=b").equals(first.sample(50, where="c=b"))
    assert second.columns_ == first.columns_
    assert second.settings_ == first.settings_
    assert second.n_rows_ == first.n_rows_
    second.save(tmp_path / "n.vicinal")
    assert (tmp_path / "n.vicinal").read_bytes() == (tmp_path / "m.vicinal").read_bytes()


def test_pandas_comes_back_as_pandas(table, tmp_path):
    frame = table.to_pandas()
    synthesizer = TableSynthesizer(random_state=0).fit(frame)
    synthesizer.save(tmp_path / "m")
    out = TableSynthesizer.load(tmp_path / "m").sample(20)
    assert out.equals(synthesizer.sample(20))
    assert list(out.dtypes) == list(frame.drop(columns="note").dtypes)


def test_text_is_not_in_the_file(table, tmp_path):
    TableSynthesizer(random_state=0, text="replace").fit(table).save(tmp_path / "m")
    with pa.ipc.open_file(tmp_path / "m") as reader:
        assert set(reader.read_all()["note"].to_pylist()) == {""}


def test_generators_are_not_saved(table, tmp_path):
    TableSynthesizer(random_state=np.random.default_rng(0)).fit(table).save(tmp_path / "m")
    loaded = TableSynthesizer.load(tmp_path / "m")
    assert loaded.random_state is None
    assert not loaded.sample(50).equals(loaded.sample(50))
    assert loaded.sample(50, random_state=1).equals(loaded.sample(50, random_state=1))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_cut_short(table, tmp_path, share):
    path = tmp_path / "m.vicinal"
    TableSynthesizer(random_state=0).fit(table).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(ValueError, match=r"m.vicinal is cut short or is no vicinal model. Save it"):
        TableSynthesizer.load(path)


@pytest.mark.parametrize("version", [0, FORMAT + 1, "x"])
def test_another_version(table, tmp_path, version):
    path = tmp_path / "m.vicinal"
    TableSynthesizer(random_state=0).fit(table).save(path)
    with pa.ipc.open_file(path) as reader:
        rows = reader.read_all()
    facts = json.loads(rows.schema.metadata[b"vicinal-model"])
    text = json.dumps({"format": version, "vicinal": "9.9", "else": facts["columns"]})
    rows = rows.replace_schema_metadata({b"vicinal-model": text.encode()})
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows)
    message = rf"model format {version} \(written by vicinal 9.9\).* reads format {FORMAT}. Fit and"
    with pytest.raises(ValueError, match=message):
        TableSynthesizer.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", None), ("columns", [{"name": "x"}]), ("settings", {}), ("schema", "AA")],
)
def test_damaged_facts(table, tmp_path, name, value):
    path = tmp_path / "m.vicinal"
    TableSynthesizer(random_state=0).fit(table).save(path)
    with pa.ipc.open_file(path) as reader:
        rows = reader.read_all()
    facts = json.loads(rows.schema.metadata[b"vicinal-model"]) | {name: value}
    rows = rows.replace_schema_metadata({b"vicinal-model": json.dumps(facts).encode()})
    with pa.ipc.new_file(path, rows.schema) as writer:
        writer.write_table(rows)
    with pytest.raises(ValueError, match=r"m.vicinal is damaged .* Fit and save again"):
        TableSynthesizer.load(path)


def test_other_files(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        TableSynthesizer.load(tmp_path / "none")
    (tmp_path / "text").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no vicinal model"):
        TableSynthesizer.load(tmp_path / "text")
    with pa.ipc.new_file(tmp_path / "arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(
        ValueError, match=r"is an Arrow file but no vicinal model. Models come from"
    ):
        TableSynthesizer.load(tmp_path / "arrow")


def test_nothing_is_written_where_it_cannot_be(table, tmp_path):
    synthesizer = TableSynthesizer(random_state=0)
    with pytest.raises(RuntimeError, match=r"nothing to save yet: call fit\(table\)"):
        synthesizer.save(tmp_path / "m")
    synthesizer.fit(table)
    with pytest.raises(OSError, match="nowhere"):
        synthesizer.save(tmp_path / "nowhere" / "m")
    with pytest.raises(IsADirectoryError):
        synthesizer.save(tmp_path)
    assert list(tmp_path.iterdir()) == []
