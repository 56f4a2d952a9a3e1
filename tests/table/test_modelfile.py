"""Fitted synthesizers on disk."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vicinal import EpBeta
from vicinal.table import TableSynthesizer, modelfile
from vicinal.table.modelfile import FORMAT, MARK, MOST, SUM

pytestmark = pytest.mark.filterwarnings("ignore:(identifier|text) column:UserWarning")


DAMAGED = r"m.vicinal is damaged, cut short, or no vicinal model. Save it again with"


def rows_of(path):
    """Return what is in a model file as Arrow."""
    return pa.ipc.open_stream(modelfile._unsealed(path)).read_all()


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
    assert set(rows_of(tmp_path / "m")["note"].to_pylist()) == {""}


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
    with pytest.raises(ValueError, match=DAMAGED):
        TableSynthesizer.load(path)


@pytest.mark.parametrize("version", [0, FORMAT + 1, "x"])
def test_another_version(table, tmp_path, version):
    path = tmp_path / "m.vicinal"
    TableSynthesizer(random_state=0).fit(table).save(path)
    rows = rows_of(path)
    facts = json.loads(rows.schema.metadata[b"vicinal-model"])
    text = json.dumps({"format": version, "vicinal": "9.9", "else": facts["columns"]})
    rows = rows.replace_schema_metadata({b"vicinal-model": text.encode()})
    modelfile._seal(rows, path)
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
    rows = rows_of(path)
    facts = json.loads(rows.schema.metadata[b"vicinal-model"]) | {name: value}
    rows = rows.replace_schema_metadata({b"vicinal-model": json.dumps(facts).encode()})
    modelfile._seal(rows, path)
    with pytest.raises(ValueError, match=r"m.vicinal is damaged .* Fit and save again"):
        TableSynthesizer.load(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the bytes of a small model, and where to put damaged ones."""
    path = tmp_path_factory.mktemp("models") / "m.vicinal"
    table = pa.table({"x": [*range(40)] * 2, "c": ["a", "b"] * 40, "when": ["01.02.2024"] * 80})
    TableSynthesizer(random_state=0).fit(table).save(path)
    return path.read_bytes(), path


@given(st.data())
@settings(max_examples=200)
def test_any_damage_is_a_value_error(whole, data):
    content, path = whole
    changed = bytearray(content)
    how = data.draw(st.sampled_from(["flip", "cut", "insert", "swap"]))
    at = data.draw(st.integers(0, len(content) - 1))
    if how == "flip":
        changed[at] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del changed[at:]
    elif how == "insert":
        changed[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    else:
        other = data.draw(st.integers(0, len(content) - 1))
        changed[at], changed[other] = changed[other], changed[at]
        if changed == content:
            return
    path.write_bytes(changed)
    with pytest.raises(ValueError, match=DAMAGED):
        TableSynthesizer.load(path)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JUNK |= st.lists(JUNK, max_size=3) | st.dictionaries(st.text(max_size=5), JUNK, max_size=3)


@given(st.data())
@settings(max_examples=60)
def test_absurd_facts_under_a_right_checksum(whole, data):
    content, path = whole
    path.write_bytes(content)
    rows = rows_of(path)
    facts = json.loads(rows.schema.metadata[b"vicinal-model"])
    name = data.draw(st.sampled_from(sorted(facts.keys() - {"format", "vicinal"})))
    facts[name] = data.draw(JUNK)
    modelfile._seal(
        rows.replace_schema_metadata({b"vicinal-model": json.dumps(facts).encode()}), path
    )
    try:
        TableSynthesizer.load(path).sample(3)
    except ValueError as error:
        assert "m.vicinal" in str(error)  # noqa: PT017 - or it may be none that matters


@pytest.mark.parametrize("keep", [[], ["x"], ["vicinal:row"], ["c", "vicinal:row"]])
def test_columns_that_are_not_there(whole, keep):
    content, path = whole
    path.write_bytes(content)
    rows = rows_of(path)
    modelfile._seal(rows.select(keep).replace_schema_metadata(rows.schema.metadata), path)
    with pytest.raises(ValueError, match=r"m\.vicinal is damaged"):
        TableSynthesizer.load(path)


def test_sizes_are_not_believed(whole):
    content, path = whole
    for size in (0, 2**62, MOST * len(content) - 1):
        head = MARK + size.to_bytes(8, "little") + content[len(MARK) + 8 : -SUM]
        path.write_bytes(head + hashlib.sha256(head).digest())
        with pytest.raises(ValueError, match=r"m\.vicinal is damaged"):
            TableSynthesizer.load(path)


def test_other_files(table, tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no model file"):
        TableSynthesizer.load(tmp_path / "none")
    (tmp_path / "text").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="or no vicinal model"):
        TableSynthesizer.load(tmp_path / "text")
    with pa.ipc.new_file(tmp_path / "arrow", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(ValueError, match="or no vicinal model"):
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


def test_numbers_of_numpy_are_saved_too(table, tmp_path):
    given = {"min_count": np.int64(5), "candidates": np.int32(2), "exact_moments": np.bool_(False)}
    model = TableSynthesizer(**given, random_state=np.int64(3)).fit(table)
    model.save(tmp_path / "m.vicinal")
    loaded = TableSynthesizer.load(tmp_path / "m.vicinal")
    assert {name: getattr(loaded, name) for name in given} == given
    assert loaded.sample(20).equals(model.sample(20))
