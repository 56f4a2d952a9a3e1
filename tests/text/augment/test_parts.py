"""Labelled sentences in chunks: the same ones whoever makes them."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vicinal import Random, WithinGroup
from vicinal.io.remote import Store
from vicinal.jobs import staging
from vicinal.jobs.places import MANIFEST, Place
from vicinal.page.format import share
from vicinal.text.augment import LabelCheck, RowConfig
from vicinal.text.augment.packed import Packed
from vicinal.text.augment.parts import TextPlan, _Augmentation, _facts_of, _plain, augment_parts
from vicinal.text.invert import Confidence

DIM = 12
WORDS = ["soup", "bread", "goal", "team", "moon", "star", "salt", "ball", "comet", "apple", "sun"]
POINTS = np.random.default_rng(0).normal(size=(len(WORDS), DIM)).astype(np.float32)


class Fake:
    """Writes the two words nearest to a point; candidates by noise."""

    def __init__(self) -> None:
        self.encoder = SimpleNamespace(max_tokens=50)

    def encode(self, texts):
        known = dict(zip(WORDS, POINTS, strict=True))
        rows = [np.mean([known.get(w, POINTS[0]) for w in t.split()], 0) for t in texts]
        return np.array(rows, np.float32).reshape(len(rows), DIM)

    def log_likelihood(self, embeddings, texts):
        return -np.ones(len(texts), np.float32)

    def candidates(self, embeddings, n_samples=4, *, random_state=None):
        rng = np.random.default_rng(random_state)
        noise = 0.5 * rng.normal(size=(len(embeddings), n_samples, DIM))
        points = np.asarray(embeddings)[:, None] + noise
        order = np.argsort(((points[:, :, None] - POINTS) ** 2).sum(-1), axis=-1)
        lines = [[" ".join(WORDS[at] for at in one[:2]) for one in row] for row in order]
        found = np.stack([self.encode(row) for row in lines])
        norms = np.linalg.norm(found, axis=-1)

        def closeness(targets):
            return np.einsum("ncd,nd->nc", found, targets) / (
                norms * np.linalg.norm(targets, axis=-1)[:, None]
            )

        likely = -np.ones(found.shape[:2], np.float32)
        return SimpleNamespace(
            sentences=lines, embeddings=found, log_likelihood=likely, closeness=closeness
        )


def labelled(n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return distinct texts of three words, labelled by the first of them."""
    rng = np.random.default_rng(seed)
    texts = list(dict.fromkeys(" ".join(rng.choice(WORDS, 3)) for _ in range(4 * n)))[:n]
    return texts, [WORDS.index(text.split()[0]) % 3 * "x" + "c" for text in texts]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def make(folder: Path, n: int = 90, texts: int = 60, **asked) -> Path:
    data = labelled(texts)
    asked = {"label_check": "none", "chunk_rows": 20, "random_state": 5, "selection": 2} | asked
    augment_parts(*data, folder, n, inverter=Fake(), **asked)
    return folder


@given(st.integers(2, 400), st.integers(2, 60), st.integers(1, 900))
def test_blocks_of_a_pass_hold_every_text_once(n_texts, chunk_rows, n):
    plan = TextPlan(n_texts, chunk_rows, (1, 2, 3, 4, 5, 6, 7, 8))
    chunks = plan.chunks(n)
    assert sum(chunk.rows for chunk in chunks) == n
    assert [chunk.first for chunk in chunks] == np.cumsum([0, *(c.rows for c in chunks)])[
        :-1
    ].tolist()
    assert len({chunk.seed for chunk in chunks}) == len(chunks)
    if plan.blocks > 1:
        for turn in range(2):
            blocks = [plan.rows_of(turn * plan.blocks + at) for at in range(plan.blocks)]
            assert sorted(np.concatenate(blocks).tolist()) == list(range(n_texts))
            assert max(map(len, blocks)) - min(map(len, blocks)) <= 1
        full = chunks[:-1]
        assert [len(plan.rows_of(chunk.number)) for chunk in full] == [c.rows for c in full]
    else:
        assert plan.rows_of(7).tolist() == list(range(n_texts))


def test_more_sentences_begin_with_the_same(tmp_path):
    few, many = make(tmp_path / "few", 60), make(tmp_path / "many", 150)
    names = sorted(name for name in os.listdir(few) if name != MANIFEST)
    assert len(names) == 3
    for name in names:
        assert (few / name).read_bytes() == (many / name).read_bytes()


def test_rows_say_where_they_come_from(tmp_path):
    texts, labels = labelled(60)
    # of equal texts the first stands for all, and empty ones do not count
    given_texts, given_labels = ["", texts[0], *texts], [labels[0], labels[0], *labels]
    with pytest.warns(UserWarning, match="empty texts"):
        done = augment_parts(
            given_texts,
            given_labels,
            tmp_path / "out",
            60,
            inverter=Fake(),
            pairing=Random(),
            label_check="none",
            selection=1,
            chunk_rows=20,
            random_state=0,
        )
    rows = pq.read_table(tmp_path / "out").to_pydict()
    assert (done.rows, done.made, done.rejected, done.parts) == (60, 60, 0, 3)
    assert done.closeness == pytest.approx(np.mean(rows["closeness"]))
    assert np.isnan(done.worth_keeping)
    assert "Worth keeping unedited: not known; nobody has graded" in done.summary()
    for side in ("left", "right"):
        assert [given_texts[at] for at in rows[side]] == rows[f"{side}_text"]
    # one pass over the blocks: each text once as the left parent
    assert sorted(rows["left"]) == [1, *range(3, 62)]
    names = sorted(set(labels))
    for at in range(60):
        weights = [rows[f"weight_{name}"][at] for name in names]
        assert sum(weights) == pytest.approx(1)
        assert rows["label"][at] == names[int(np.argmax(weights))] or max(weights) == 0.5


def test_the_share_worth_keeping_is_that_of_all_parts(tmp_path):
    sure = Fake()
    sure.confidence = Confidence(2.0, 0.0, 0.0, 0.0, 0.0, 0.0, typical=1.0, least=0.0)
    config = RowConfig(tries=1)
    asked = {"row_config": config, "label_check": "none", "chunk_rows": 20, "random_state": 5}
    done = augment_parts(*labelled(60), tmp_path / "out", 50, inverter=sure, **asked)
    rows = pq.read_table(tmp_path / "out").to_pydict()
    assert done.parts > 1
    assert done.worth_keeping == pytest.approx(np.mean(rows["confidence"]))
    assert 0.1 < done.worth_keeping < 0.9
    assert f"unedited: {share(done.worth_keeping, 0)}; estimated from closeness" in done.summary()


def test_integer_labels_stay_integers_and_every_part_has_every_class(tmp_path):
    texts, _ = labelled(60)
    labels = np.zeros(60, np.int64)
    labels[:2] = 7  # not in every block
    with pytest.warns(UserWarning, match="one class only"):
        augment_parts(
            texts,
            labels,
            tmp_path / "out",
            60,
            inverter=Fake(),
            label_check="none",
            chunk_rows=20,
            random_state=0,
        )
    schemas = [pq.read_schema(path) for path in (tmp_path / "out").glob("*.parquet")]
    assert all(one.names == schemas[0].names and one.types == schemas[0].types for one in schemas)
    assert schemas[0].field("label").type == pa.int64()
    assert {"weight_0", "weight_7"} <= set(schemas[0].names)


def test_an_interrupted_run_goes_on_to_the_same_bytes(tmp_path):
    whole = make(tmp_path / "whole")

    def stop(stage: str, done: int, total: int) -> None:
        assert total == 90
        if done == 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "out", progress=stop)
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileExistsError, match="interrupted run"):
        make(tmp_path / "out")
    with pytest.raises(ValueError, match=r"random_state \(5 there, 6 asked\)"):
        make(tmp_path / "out", resume=True, random_state=6)
    with pytest.raises(ValueError, match="texts"):
        make(tmp_path / "out", resume=True, texts=59)
    seen: list[int] = []
    make(tmp_path / "out", resume=True, progress=lambda stage, done, total: seen.append(done))
    assert seen[0] == 60  # the first two parts were kept
    assert files_of(tmp_path / "out") == files_of(whole)


def test_notes_of_chunks_are_told_once(tmp_path):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        make(tmp_path / "out", label_check=LabelCheck(threshold=0.55), max_attempts=1.0)
    short = [str(one.message) for one in told if "asked for" in str(one.message)]
    rows = pq.read_table(tmp_path / "out").num_rows
    assert rows < 90
    assert len(short) == 1
    assert short[0].startswith(f"There are {rows} rows, fewer than the 90 asked for")


def test_the_manifest_says_how_many_rows_there_are(tmp_path):
    with pytest.warns(UserWarning, match="fewer than the 90 asked for"):
        folder = make(tmp_path / "out", label_check=LabelCheck(threshold=0.55), max_attempts=1.0)
    said = json.loads((folder / MANIFEST).read_text())
    rows = [pq.read_metadata(path).num_rows for path in sorted(folder.glob("*.parquet"))]
    assert [part["rows"] for part in said["parts"]] == rows
    assert said["rows"] == sum(rows) < 90 == said["asked"]["n_samples"]


def test_a_part_that_somebody_else_wrote_counts(tmp_path):
    """A worker that was lost may have written its part before it was."""
    place = Place(Store((tmp_path / "store").as_uri()))
    texts, labels = labelled(20)
    job = _Augmentation(
        texts=texts,
        labels=np.array(labels),
        origin=np.arange(20),
        plan=TextPlan(20, 20, (1, 2)),
        settings={"label_check": "none", "pairing": Random()},
        packed=Packed.of(Fake()),
        device=None,
        cores=1,
        n_samples=7,
        random_state=None,
    )
    chunk = job.chunks()[0]
    first = place.put(0, lambda: job.make(chunk))
    again = place.put(0, lambda: pytest.fail("made again"))
    assert first == again == 7
    facts = _facts_of(place, 0)
    assert (facts["rows"], facts["made"]) == (7, 16)  # the last batch is a whole one
    assert facts["closeness"] > 0


def test_a_run_that_made_nothing_is_not_in_the_way(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("no")

    with monkeypatch.context() as broken:
        broken.setattr(Fake, "candidates", fails)
        with pytest.raises(RuntimeError, match="no"):
            make(tmp_path / "out")
    assert not list(tmp_path.iterdir())
    make(tmp_path / "out")


def test_a_plan_that_could_not_be_written_is_not_in_the_way(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(staging._FolderStaging, "begin", full)
        with pytest.raises(OSError, match="No space"):
            make(tmp_path / "out")
    assert not list(tmp_path.iterdir())
    assert len(pq.read_table(make(tmp_path / "out"))) == 90


def test_who_is_at_work_is_not_called_interrupted(tmp_path):
    pytest.importorskip("fcntl")
    said = []

    def look(stage: str, done: int, total: int) -> None:
        with pytest.raises(OSError, match="Another run is writing") as found:
            make(tmp_path / "out")
        said.append(found)

    make(tmp_path / "out", progress=look)
    assert len(said) == 5  # 90 sentences in parts of 20


def test_blocks_are_never_too_small_to_mix(tmp_path):
    for texts in (2, 3, 5, 7):
        rows = pq.read_table(make(tmp_path / str(texts), n=9, texts=texts, chunk_rows=2))
        assert rows.num_rows == 9


def test_a_block_without_pairs_is_passed_over(tmp_path):
    texts, _ = labelled(40)
    labels = [f"c{at % 20}" for at in range(40)]  # two of each
    with pytest.warns(UserWarning, match="no class has two") as told:
        augment_parts(
            texts, labels, tmp_path / "out", 80, inverter=Fake(),
            label_check="within-class", chunk_rows=8, selection=1, random_state=0,
        )  # fmt: skip
    assert 0 < pq.read_table(tmp_path / "out").num_rows < 80
    assert sum("asked for" in str(one.message) for one in told) == 1


def test_a_block_that_lacks_the_class_asked_for_is_passed_over(tmp_path):
    texts, _ = labelled(62)
    labels = ["common"] * 60 + ["rare"] * 2
    asked = {"inverter": Fake(), "chunk_rows": 20, "selection": 1, "random_state": 0}
    only = RowConfig(only=["rare"])
    with pytest.warns(UserWarning, match="fewer than"):
        augment_parts(
            texts, labels, tmp_path / "out", 70, label_check="none", row_config=only, **asked
        )
    found = pq.read_table(tmp_path / "out")
    assert set(found["label"].to_pylist()) == {"rare"}
    with pytest.raises(ValueError, match="'rar', which is no class"):
        augment_parts(
            texts, labels, tmp_path / "no", 70, row_config=RowConfig(only=["rar"]), **asked
        )


def test_a_task_inverter_of_other_classes_only_writes(tmp_path):
    class Taught(Fake):
        classes_ = np.array(["yes", "no"])

        def predict_proba(self, texts):
            pytest.fail("it is not asked")

    texts, _ = labelled(20)
    labels = [at % 2 for at in range(20)]
    augment_parts(
        texts, labels, tmp_path / "out", 6, inverter=Taught(), label_check="none", random_state=0
    )
    schema = pq.read_schema(next((tmp_path / "out").glob("*.parquet")))
    assert schema.field("label").type == pa.int64()
    assert [name for name in schema.names if name.startswith("weight_")] == ["weight_0", "weight_1"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"n": 0}, "n_samples must be at least 1"),
        ({"chunk_rows": 1}, "chunk_rows must be at least 2"),
        ({"engine": "spark"}, "engine must be one of"),
        ({"workers": 2}, "add engine='ray'"),
        ({"pairing": WithinGroup([0] * 60, Random())}, "brings groups of its own"),
    ],
)
def test_bad_input_leaves_nothing(tmp_path, asked, words):
    with pytest.raises(ValueError, match=words):
        make(tmp_path / "out", **asked)
    assert not list(tmp_path.iterdir())


def test_an_option_that_is_none_is_named(tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'selections'"):
        make(tmp_path / "out", selections=3)
    assert not list(tmp_path.iterdir())


def test_an_inverter_that_cannot_be_sent_is_refused(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed (the extra 'ray')")
    with pytest.raises(TypeError, match="one that can be saved"):
        make(tmp_path / "out", engine="ray")


def test_a_packed_folder_is_the_same_for_the_same_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "x.bin").write_bytes(b"12")
        (tmp_path / name / "config.json").write_text("{}")
    one, two = (Packed.of(tmp_path / name) for name in ("a", "b"))
    assert one.digest == two.digest
    (tmp_path / "b" / "config.json").write_text("{ }")
    assert Packed.of(tmp_path / "b").digest != one.digest
    assert Packed.of("nano").source == "nano"


def test_a_manifest_holds_no_texts_and_is_alike_in_every_process():
    class Bare:
        def __init__(self):
            self.size = 3

    config = RowConfig(against=["a secret line", "another"])
    said = _plain(config)
    assert "secret" not in said
    assert said != _plain(RowConfig(against=["a secret line"]))
    assert _plain(Bare()) == "Bare({'size': 3})"
    assert (_plain(3), _plain("x"), _plain(None)) == (3, "x", None)
