"""Another language model than the writer judges how fluent sentences are."""

from __future__ import annotations

import numpy as np
import pytest

from vicinal.text.augment import SelectionConfig
from vicinal.text.augment.fluency import CausalJudge
from vicinal.text.augment.parts import _settings
from vicinal.text.augment.selection import as_selection, select_sentences

from .conftest import FakeInverter

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
WORDS = ["soup", "bread", "cheese", "goal", "match", "team", "moon", "star", "planet"]


@pytest.fixture(scope="module")
def llm():
    """Return a small random model with a tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<s>", "?", *WORDS])}, "?"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", unk_token="?"
    )
    config = transformers.GPT2Config(
        vocab_size=len(WORDS) + 2, n_embd=16, n_layer=2, n_head=2, n_positions=8
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.GPT2LMHeadModel(config).eval(), tokenizer


def test_likelihood_is_the_mean_over_tokens(llm):
    model, tokenizer = llm
    texts = ["soup", "goal match team moon", "star never", "", " ".join(WORDS * 3)]
    found = CausalJudge(llm).log_likelihood(texts)
    for text, got in zip(texts[:3], found, strict=False):
        ids = torch.tensor([[0, *tokenizer(text)["input_ids"]]])
        with torch.no_grad():
            told = model(ids).logits.log_softmax(-1)[0]
        steps = [told[at, token].item() for at, token in enumerate(ids[0, 1:])]
        assert got == pytest.approx(np.mean(steps), abs=1e-5)
    assert np.isnan(found[3])  # no token, no likelihood
    assert np.isfinite(found[4])  # cut where the model's positions end


class Last:
    """Finds the word that comes last in the alphabet the likeliest."""

    def log_likelihood(self, sentences):
        return np.array([float(max(map(ord, one))) for one in sentences])


@pytest.mark.parametrize("fluency", [0.0, 1e6])
def test_the_judge_decides_where_fluency_counts(fluency):
    writer, rng = FakeInverter(), np.random.default_rng(0)
    left, right = (writer.encode([one] * 12) for one in ("soup bread", "moon star"))
    lam = np.full(12, 0.5)
    targets = (left + right) / 2 + rng.normal(0, 0.5, left.shape).astype(np.float32)

    def chosen(judge):
        asked = SelectionConfig(6, fluency=fluency, judge=judge)
        return select_sentences(writer, targets, left, right, lam, asked, random_state=1)

    found, judged = writer.candidates(targets, 6, random_state=1), chosen(Last())
    said = np.array([Last().log_likelihood(row) for row in found.sentences])
    if fluency:
        at = np.arange(12), judged.candidate
        np.testing.assert_array_equal(said[at], said.max(axis=1))
        np.testing.assert_array_equal(judged.log_likelihood, said.max(axis=1))
    else:
        assert judged.texts == chosen(None).texts


def test_a_folder_or_a_pair_is_loaded_once(llm, tmp_path):
    for one in llm:
        one.save_pretrained(tmp_path / "judge")
    made = as_selection(SelectionConfig(judge=str(tmp_path / "judge")))
    assert as_selection(made).judge is made.judge
    pair = as_selection(SelectionConfig(judge=llm))
    texts = ["soup bread", "goal moon star"]
    np.testing.assert_allclose(
        made.judge.log_likelihood(texts), pair.judge.log_likelihood(texts), atol=1e-5
    )


def test_what_is_no_language_model_is_refused(llm, tmp_path):
    with pytest.raises(TypeError, match="judge must be a folder"):
        as_selection(SelectionConfig(judge=3))
    for pair, kinds in [
        ((llm[0], None), "GPT2LMHeadModel and NoneType"),
        ((None, None), "NoneType and NoneType"),
        (("a", "b"), "str and str"),
        ((llm[1], llm[0]), f"{type(llm[1]).__name__} and GPT2LMHeadModel"),
    ]:
        with pytest.raises(TypeError, match=f"judge must be a folder, .* got a pair of {kinds}"):
            as_selection(SelectionConfig(judge=pair))
    other = gpt2(4)
    with pytest.raises(TypeError, match="judge must be a folder"):
        as_selection(SelectionConfig(judge=other))
    (tmp_path / "empty").mkdir()
    with pytest.raises((ValueError, OSError), match="empty"):
        as_selection(SelectionConfig(judge=str(tmp_path / "empty")))


def gpt2(size):
    config = transformers.GPT2Config(vocab_size=size, n_embd=16, n_layer=1, n_head=2)
    return transformers.GPT2LMHeadModel(config)


def test_a_tokenizer_of_another_model_is_refused(llm, tmp_path):
    tokenizer = llm[1]  # of 11 tokens
    for size in (4, 11 + 128):
        with pytest.raises(ValueError, match=f"judge's tokenizer has 11 .*, and its model {size}."):
            as_selection(SelectionConfig(judge=(gpt2(size), tokenizer)))
    as_selection(SelectionConfig(judge=(gpt2(128), tokenizer)))  # padded
    for size in (4, 500):
        folder = tmp_path / str(size)
        for one in (gpt2(size), tokenizer):
            one.save_pretrained(folder)
    with pytest.raises(ValueError, match="has 11 different tokens, and its model 4"):
        as_selection(SelectionConfig(judge=folder.with_name("4")))
    judge = as_selection(SelectionConfig(judge=folder)).judge  # of one folder, so they belong
    as_selection(SelectionConfig(judge=(judge._model, judge._tokenizer)))


def test_no_judge_where_sentences_are_made_in_chunks():
    with pytest.raises(ValueError, match="judge is not taken along"):
        _settings({"selection": SelectionConfig(judge=Last())})
