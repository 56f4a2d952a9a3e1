"""Candidates that take over words from one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from vicinal.text.invert.candidates import Candidates, cosine  # noqa: E402
from vicinal.text.invert.crossover import SHORTLIST, edits, exchange_spans  # noqa: E402

lines = st.lists(st.sampled_from(["a", "dog", "cat", "ran", ",", "so"]), max_size=8).map(" ".join)


def words(line):
    return line.replace(",", " , ").replace(".", " . ").replace("!", " ! ").lower().split()


@pytest.mark.parametrize(
    ("base", "other", "wanted"),
    [
        ("He ran.", "The dog ran.", []),  # that is the other sentence
        ("He ran home.", "The dog ran.", ["The dog ran home.", "He ran."]),
        ("He ran!", "Yesterday he slept.", ["Yesterday he ran!", "He slept."]),
        ("Yesterday he ran!", "He slept.", ["He ran!", "Yesterday he slept."]),
        ("She saw it.", "Then NASA saw me.", ["Then NASA saw it.", "She saw me."]),
        ("I saw it.", "Maybe I knew it?", ["Maybe I saw it.", "I knew it.", "I saw it?"]),
        ("I'm here.", "Yes, I'm there.", ["Yes, I'm here.", "I'm there."]),
        ("Two days, she said.", "Then two days.", ["Then two days, she said.", "Two days."]),
    ],
)
def test_spans_change_places_with_their_spaces_and_capitals(base, other, wanted):
    found = list(edits(base, [other]))
    assert set(wanted) <= set(found)
    if not wanted:
        assert found == []


def test_names_keep_their_capital_where_a_candidate_shows_it():
    assert "Yes, London goes by." in edits("London goes by.", ["Yes, London goes on."])
    assert "Yes, days go by." in edits("Days go by.", ["Yes, days go on."])


@given(lines, st.lists(lines, max_size=4), st.integers(1, 6))
def test_edits_are_new_and_made_of_what_is_there(base, others, most):
    found = edits(base, others, most)
    assert len(found) == len(set(found)) <= most
    assert not {base, *others} & set(found)
    assert found == dict(list(edits(base, others).items())[:most])
    assert all(
        set(words(line)) <= set(words(base) + words(others[at])) for line, at in found.items()
    )


def test_no_edit_stutters():
    found = edits("We like the old house.", ["We like like the old house now."])
    assert found == {"We like the old house now.": 0}
    base, other = "a b c d.", "x y a b c z a b c."
    assert all("a b c" not in line.replace("a b c", "", 1).lower() for line in edits(base, [other]))


class Judge:
    """Counts words, and finds sentences the likelier the shorter they are."""

    asked = 0

    def __init__(self, bag):
        self.encode = bag().encode

    def log_likelihood(self, embeddings, texts):
        assert len(embeddings) == len(texts)
        self.asked += len(texts)
        return np.array([-len(text) / 10 for text in texts], np.float32)


@pytest.fixture
def climb(bag):
    rng = np.random.default_rng(5)
    vocabulary = np.array(["cat", "dog", "sat", "ran", "mat", "fine", "day"])
    sentences = [
        [" ".join(rng.choice(vocabulary, 5, replace=False)) + "." for _ in range(6)]
        for _ in range(20)
    ]
    judge = Judge(bag)
    embeddings = np.stack([judge.encode(row) for row in sentences])
    likely = np.full((20, 6), -2.2, np.float32)
    found = Candidates(sentences, embeddings, likely)
    targets = (embeddings[:, 0] + embeddings[:, 1]) / 2 + rng.normal(0, 0.2, (20, 8))
    targets = targets.astype(np.float32)
    start = found.pick(found.closeness(targets))

    def score(embedded, of):
        return cosine(embedded, targets[of])

    def run(steps, likely):
        return exchange_spans(judge, found, targets, start, score, likely=likely, steps=steps)

    return found, targets, start, judge, run


@pytest.mark.parametrize("likely", [0.0, 0.3])
def test_the_score_rises_and_what_is_said_of_a_sentence_is_its_own(climb, likely):
    found, targets, start, judge, run = climb
    sentences, there, likelihood = run(4, likely)
    rows = np.arange(20)
    moved = np.array([found.sentences[i][start[i]] != sentences[i] for i in rows])
    assert 5 < moved.sum() < 20
    np.testing.assert_array_equal(there, judge.encode(sentences))
    before = found.log_likelihood[rows, start]
    own = judge.log_likelihood(targets, sentences)
    np.testing.assert_array_equal(likelihood, np.where(moved, own, before))
    gain = cosine(there, targets) - found.closeness(targets)[rows, start]
    gain = gain + likely * (likelihood - before)
    assert (gain[moved] > 0).all()
    assert (gain[~moved] == 0).all()


def test_more_steps_come_nearer_and_none_changes_nothing(climb):
    found, targets, start, _, run = climb
    near = []
    for steps in (0, 1, 3):
        sentences, there, _ = run(steps, 0.0)
        near.append(cosine(there, targets))
        if not steps:
            assert sentences == [row[at] for row, at in zip(found.sentences, start, strict=True)]
    assert (near[0] <= near[1]).all()
    assert (near[1] <= near[2]).all()
    assert near[0].mean() < near[1].mean() < near[2].mean()


def test_blocks_of_rows_change_nothing(climb, monkeypatch):
    *_, run = climb
    whole = run(2, 0.0)
    monkeypatch.setattr("vicinal.text.invert.crossover.ROWS", 7)
    parts = run(2, 0.0)
    assert whole[0] == parts[0]
    for a, b in zip(whole[1:], parts[1:], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("likely", [0.0, 0.05])
def test_one_step_takes_the_best_of_all_edits(climb, likely):
    found, targets, start, judge, run = climb
    sentences, there, _ = run(1, likely)
    assert judge.asked <= 20 * SHORTLIST
    for row, said in enumerate(found.sentences):
        donors = sorted(said, key=lambda one: -cosine(judge.encode([one]), targets[row][None])[0])
        tried = [said[start[row]], *edits(said[start[row]], donors)]
        own = np.append(found.log_likelihood[row, 0], judge.log_likelihood(tried[1:], tried[1:]))
        near = cosine(judge.encode(tried), targets[row][None])
        scores = near + likely * own
        if likely:  # only those that come nearest are looked at again
            scores = scores[[0, *(1 + np.argsort(-near[1:])[:SHORTLIST])]]
        reached = cosine(there[row], targets[row]) + likely * own[tried.index(sentences[row])]
        assert reached == pytest.approx(scores.max(), abs=2e-4)


def test_candidates_that_say_nothing_are_left_alone():
    none = Candidates([["", ""]], np.zeros((1, 2, 3), np.float32), np.zeros((1, 2), np.float32))
    targets, start = np.ones((1, 3), np.float32), np.zeros(1, np.intp)
    sentences, _, _ = exchange_spans(
        None, none, targets, start, lambda x, of: cosine(x, targets[of]), likely=0.0, steps=2
    )
    assert sentences == [""]


@pytest.fixture(scope="module")
def nano():
    pytest.importorskip("transformers")
    from vicinal.text.invert import Inverter

    return Inverter.from_pretrained("nano")


LINES = [
    "The battery died after two days.",
    "A strange fox looked across the frozen river.",
    "We took the early train because it was cheaper.",
    "My neighbor repaired his old bicycle last summer.",
]


def test_inverting_recombines_where_it_is_asked_to(nano):
    targets = nano.encode(LINES)
    plain = nano.invert(targets, 6, random_state=0)
    better = nano.invert(targets, 6, crossover=3, random_state=0)
    assert (better.closeness >= plain.closeness - 1e-6).all()
    assert better.closeness.mean() > plain.closeness.mean()
    again = cosine(targets, nano.encode(better.sentences))
    assert better.closeness == pytest.approx(again, abs=0.01)  # bfloat16, other batches
    with pytest.raises(ValueError, match="crossover must be"):
        nano.invert(targets, 6, crossover=-1)


def test_likelihoods_are_those_of_what_was_written(nano):
    targets = nano.encode(LINES)
    written, likely = nano.generate(targets)
    found = nano.log_likelihood(targets, written)
    np.testing.assert_allclose(found, likely, atol=0.05)  # bfloat16
    assert (nano.log_likelihood(targets, written[::-1])[[0, 3]] < found[[0, 3]] - 1).all()
    with pytest.raises(ValueError, match="one for each embedding, got 1 for 4"):
        nano.log_likelihood(targets, ["a"])
    with pytest.raises(TypeError, match="must be a list of strings, got one string"):
        nano.log_likelihood(targets, "abcd")


def test_likelihood_by_hand(small):
    ids = small.decoder.tokenize(["the cat ran."])[0]
    target = small.encode(["the cat sat on the mat."])
    network = small.decoder.network
    soft = small._soft(target)
    from vicinal.text.invert.codec import FORMAL

    row = torch.tensor([[FORMAL, *ids[1:]]])
    with torch.no_grad():
        states = network.states(soft, row[:, :-1])
        shares = network.logits(states).log_softmax(-1)[0]
    by_hand = float(shares.gather(1, row[0, 1:, None]).mean())
    found = small.log_likelihood(np.repeat(target, 2, 0), ["the cat ran.", "a fine day on the mat"])
    assert found[0] == pytest.approx(by_hand, abs=0.03)
