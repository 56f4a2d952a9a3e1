"""Nano's decoder: loss and generation on hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from vicinal.text.invert.codec import EOS, FORMAL, INFORMAL, PAD, SPECIALS, Codec  # noqa: E402
from vicinal.text.invert.decoding import Rules, beam_search, decode, draw, repeats  # noqa: E402
from vicinal.text.invert.nano import NanoDecoder  # noqa: E402
from vicinal.text.invert.network import Memory, NanoNetwork, NanoShape  # noqa: E402

PIECES = ["the", "cat", "dog", "sat", "ran", "on", "mat", "a", "fine", "day", ",", ".", "!", "?"]
SHAPE = NanoShape(len(SPECIALS) + len(PIECES), width=24, inner=32, heads=4, layers=2, positions=16)
RULES = Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), 12, 0)
SOFT = 3


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Keep to float32, whose sums hardly depend on what else is in a batch."""
    monkeypatch.setattr("vicinal.text.invert.nano.in_bfloat16", lambda *_: False)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = NanoNetwork(SHAPE).eval()
    with torch.no_grad():
        for one in made.parameters():
            if one.ndim == 2:
                one.mul_(3)
    return made


def soft(rows: int):
    return torch.randn(rows, SOFT, SHAPE.width, generator=torch.Generator().manual_seed(1))


def log_probabilities(network, vectors, ids):
    """Return those of the token after a prefix, found by reading the whole prefix."""
    return network.logits(network.states(vectors[None], torch.tensor([ids]))[0, -1]).log_softmax(-1)


def test_the_loss_is_what_a_loop_over_prefixes_adds_up_to(network):
    rows = [[FORMAL, 10, 12, 11, EOS], [INFORMAL, 13, EOS]]
    vectors = soft(2)
    terms = [
        -log_probabilities(network, vectors[at], row[:place])[row[place]]
        for at, row in enumerate(rows)
        for place in range(1, len(row))
    ]
    found = NanoDecoder(network, Codec(PIECES)).loss(vectors, rows)
    assert torch.allclose(found, torch.stack(terms).mean(), atol=1e-5)


def test_no_position_sees_what_follows(network):
    vectors, ids = soft(1), torch.tensor([[FORMAL, 10, 11, 12, EOS]])
    other = ids.clone()
    other[0, -1] = 14
    before, after = network.states(vectors, ids), network.states(vectors, other)
    assert torch.allclose(before[:, :-1], after[:, :-1], atol=1e-6)
    assert not torch.allclose(before[:, -1], after[:, -1])
    assert bool(((network.states(vectors.flip(2), ids) - before).abs().amax(-1) > 1e-4).all())


@torch.no_grad()
def greedy(network, vectors, rules):
    """Write by reading the whole prefix again for each token."""
    ids, total = [rules.style], 0.0
    while len(ids) < rules.max_tokens and ids[-1] != rules.end:
        scores = log_probabilities(network, vectors, ids)
        allowed = scores.clone()
        allowed[list(rules.banned)] = -torch.inf
        if len(ids) == 1:
            allowed[rules.end] = -torch.inf
        runs = {tuple(ids[at : at + 3]) for at in range(len(ids) - 2)}
        for token in range(len(scores)):
            if rules.no_repeat == 3 and (*ids[-2:], token) in runs:
                allowed[token] = -torch.inf
        ids.append(int(allowed.argmax()))
        total += float(scores[ids[-1]])
    return ids, total / (len(ids) - 1)


@pytest.mark.parametrize("no_repeat", [0, 3])
def test_writing_with_a_memory_equals_writing_without(network, no_repeat):
    rules = Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), 14, no_repeat)
    vectors = soft(6)
    ids, likely = decode(network, vectors, torch.zeros(1), torch.zeros(6, 1, 14), rules)
    for at in range(6):
        expected, value = greedy(network, vectors[at], rules)
        assert ids[at] == expected
        assert float(likely[at]) == pytest.approx(value, abs=1e-4)
    assert len({len(row) for row in ids}) > 1  # rows that end early were dropped on the way


def test_a_row_depends_neither_on_its_neighbors_nor_on_its_siblings(network):
    vectors, heat = soft(5), torch.tensor([0.0, 1.0, 1.0])
    numbers = torch.rand(5, 3, 12, generator=torch.Generator().manual_seed(2))
    together, _ = decode(network, vectors, heat, numbers, RULES)
    for at in range(5):
        for which in range(3):
            alone, _ = decode(
                network,
                vectors[at : at + 1],
                heat[which : which + 1],
                numbers[at : at + 1, which : which + 1],
                RULES,
            )
            assert alone[0] == together[at * 3 + which]


@given(st.lists(st.booleans(), min_size=1, max_size=12).filter(any), st.integers(1, 5))
def test_rows_that_go_on_keep_what_they_remember(going, length):
    rows = torch.arange(len(going), dtype=torch.float32)
    pair = rows.view(-1, 1, 1, 1).expand(-1, 2, length, 3)
    memory = Memory([(pair, pair + 100), (pair + 200, pair + 300)])
    memory.reserve()
    left = memory.drop(torch.tensor(going))
    assert sorted(left.tolist()) == [at for at, goes in enumerate(going) if goes]
    held = memory.held[..., : memory.length, :]
    assert held.shape == (2, 2, len(left), 2, length, 3)
    first = torch.tensor([[0, 100], [200, 300]]).view(2, 2, 1, 1, 1, 1)
    assert bool((held == first + left.view(1, 1, -1, 1, 1, 1)).all())


def test_likelihoods_do_not_depend_on_how_many_are_judged_at_once(network, monkeypatch):
    decoder = NanoDecoder(network, Codec(PIECES))
    lines = ["the cat sat.", "a day", "the dog ran on the mat!", "fine", "a fine cat, a fine dog."]
    alone = [decoder.log_likelihood(soft(5)[[at]], [line])[0] for at, line in enumerate(lines)]
    for judged in (1, 2, 5, 16):
        monkeypatch.setattr(decoder, "JUDGED", judged)
        assert decoder.log_likelihood(soft(5), lines) == pytest.approx(alone, abs=1e-5)


def test_a_beam_of_one_is_greedy_and_a_wide_one_finds_the_best(network):
    vectors = soft(4)
    plain, value = decode(network, vectors, torch.zeros(1), torch.zeros(4, 1, 12), RULES)
    one, value_one = beam_search(network, vectors, 1, RULES)
    assert one == plain
    assert torch.allclose(value, value_one, atol=1e-4)
    # all rows of at most two tokens, tried one by one
    short = Rules(FORMAL, EOS, (PAD, FORMAL, INFORMAL), 3, 0)
    ids, found = beam_search(network, vectors, SHAPE.vocab, short)
    tokens = [token for token in range(SHAPE.vocab) if token not in (PAD, FORMAL, INFORMAL, EOS)]
    for at in range(4):
        values = []
        with torch.no_grad():
            first = log_probabilities(network, vectors[at], [FORMAL])
            for token in tokens:
                second = log_probabilities(network, vectors[at], [FORMAL, token])
                values.append(float(first[token] + second[EOS:].max()) / 2)
        best = max(values)
        assert float(found[at]) == pytest.approx(best, abs=1e-4)
        assert len(ids[at]) == 3


def test_draws_follow_the_distribution():
    scores = torch.log(torch.tensor([[0.5, 0.0, 0.3, 0.2]]))
    numbers = (torch.arange(1000) + 0.5) / 1000  # an even grid: shares come out exactly
    found = draw(scores.expand(1000, -1), torch.ones(1000), numbers)
    assert torch.bincount(found, minlength=4).tolist() == [500, 0, 300, 200]
    hot = draw(scores.expand(1000, -1), torch.full((1000,), 0.5), numbers)
    squares = np.array([0.25, 0.0, 0.09, 0.04]) / 0.38
    assert np.abs(np.bincount(hot, minlength=4) / 1000 - squares).max() <= 1e-3


def test_tokens_that_would_repeat_a_run_are_found():
    ids = torch.tensor([[5, 6, 7, 5, 6], [5, 6, 7, 6, 5], [5, 5, 5, 5, 5]])
    rows, tokens = repeats(ids, 3)
    assert set(zip(rows.tolist(), tokens.tolist(), strict=True)) == {(0, 7), (2, 5)}
    assert repeats(ids[:, :2], 3)[0].numel() == 0
    rows, tokens = repeats(ids, 1)
    assert {(r, t) for r, t in zip(rows.tolist(), tokens.tolist(), strict=True) if r == 1} == {
        (1, 5),
        (1, 6),
        (1, 7),
    }


def test_nothing_special_and_nothing_empty_is_written(network):
    decoder = NanoDecoder(network, Codec(PIECES))
    rows, likely = decoder.decode(soft(20), [3.0], generator=np.random.default_rng(0))
    lines = [line for row in rows for line in row]
    assert all(line.strip() for line in lines if line)
    assert not any(special in line for line in lines for special in SPECIALS)
    assert bool((likely < 0).all())
    ids, _ = decode(network, soft(20), torch.zeros(1), torch.zeros(20, 1, 12), RULES)
    assert all(len(row) > 1 and row[1] != EOS for row in ids)
    short = decoder.decode(soft(20), max_tokens=1).sentences
    assert all(len(line.split()) <= 1 for row in short for line in row)


def test_a_seed_gives_the_same_candidates_and_the_first_is_greedy(network):
    decoder = NanoDecoder(network, Codec(PIECES))
    first, again, other = (
        decoder.decode(soft(4), [0.0, 2.0, 2.0], generator=np.random.default_rng(seed)).sentences
        for seed in (0, 0, 1)
    )
    assert first == again != other
    assert [row[:1] for row in first] == decoder.decode(soft(4)).sentences


def test_words_without_pieces_are_left_out_and_long_lines_learned_as_far_as_they_fit(network):
    decoder = NanoDecoder(network, Codec(PIECES))
    rows = decoder.tokenize(["The cat sat.", "", "the 中 cat", "the cat " * 100])
    assert decoder.codec.decode(rows[0]) == "The cat sat."
    assert rows[1][-1] == EOS
    assert decoder.codec.decode(rows[2]) == "the cat"
    assert len(rows[3]) > SHAPE.positions == decoder.room(2)
    cut = [row[: SHAPE.positions] for row in rows]
    assert float(decoder.loss(soft(4), rows)) == float(decoder.loss(soft(4), cut)) > 0


def test_bfloat16_copies_follow_the_weights(network, monkeypatch):
    monkeypatch.setattr("vicinal.text.invert.nano.in_bfloat16", lambda *_: True)
    decoder = NanoDecoder(network, Codec(PIECES))
    before, _ = decoder._ready(soft(1))
    assert before is decoder._ready(soft(1))[0]
    with torch.no_grad():
        network.bias[12] += 50
    after, _ = decoder._ready(soft(1))
    assert after is not before
    assert float(after.bias[12]) == pytest.approx(50, abs=1)
