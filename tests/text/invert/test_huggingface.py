"""Language models of Hugging Face's as decoders: masks, shifts, batches, what learns."""

from __future__ import annotations

import logging
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from vicinal.text.invert.huggingface import HuggingFaceDecoder  # noqa: E402

PROMPT = "a sentence of that meaning {} : the"
SIZE, SOFT = 16, 3


@pytest.fixture(params=["llama", "gpt2", "bert"])
def decoder(request, tokenizer, causal):
    return HuggingFaceDecoder(causal(request.param, len(tokenizer)), tokenizer, prompt=PROMPT)


def soft(rows: int, seed: int = 0):
    return torch.randn(rows, SOFT, SIZE, generator=torch.Generator().manual_seed(seed))


TEXTS = ["the cat sat", "a fine day on the mat", "dog"]


def test_the_loss_is_what_a_loop_over_prefixes_adds_up_to(decoder, tokenizer):
    vectors, rows = soft(3), decoder.tokenize(TEXTS)
    assert [row[-1] for row in rows] == [tokenizer.eos_token_id] * 3
    words = decoder.model.get_input_embeddings()
    before = torch.tensor(
        tokenizer("a sentence of that meaning", add_special_tokens=False).input_ids
    )
    after = torch.tensor(tokenizer(": the", add_special_tokens=False).input_ids)
    terms = []
    for at, row in enumerate(rows):
        for place, wanted in enumerate(row):  # one row alone, cut before the token it predicts
            read = torch.tensor(row[:place], dtype=torch.long)
            x = torch.cat((words(before), vectors[at], words(after), words(read)))[None]
            scores = decoder.model(inputs_embeds=x).logits[0, -1]
            terms.append(-scores.log_softmax(-1)[wanted])
    by_hand = torch.stack(terms).mean()
    assert torch.allclose(decoder.loss(vectors, rows), by_hand, rtol=1e-4)


def test_a_row_does_not_depend_on_its_neighbors(decoder):
    vectors, rows = soft(4), decoder.tokenize([*TEXTS, "the dog ran on the mat : a day"])
    together, _ = decoder._losses(vectors, rows)
    lines, likely = decoder.decode(vectors, max_tokens=12)
    beams, _ = decoder.decode(vectors, beams=3, max_tokens=12)
    for at in range(4):
        alone, _ = decoder._losses(vectors[at : at + 1], rows[at : at + 1])
        assert torch.allclose(together[at, : len(rows[at])], alone[0], rtol=1e-4, atol=1e-5)
        line, value = decoder.decode(vectors[at : at + 1], max_tokens=12)
        assert line == [lines[at]]
        assert value[0] == pytest.approx(likely[at], rel=1e-3)
        assert decoder.decode(vectors[at : at + 1], beams=3, max_tokens=12)[0] == [beams[at]]


def test_what_is_written_first_is_the_likeliest_token_after_the_prompt(decoder):
    vectors = soft(5)
    scores = decoder.model(inputs_embeds=decoder.prefix(vectors)).logits[:, -1]
    scores[:, decoder.end] = -torch.inf
    written = decoder._write(vectors, max_tokens=4)[0]
    for line, best in zip(written, scores.argmax(-1), strict=True):
        assert line[0] == int(best)


def test_drawing_follows_the_seed_alone(decoder):
    vectors, state = soft(3), torch.random.get_rng_state()
    one, two, other = (
        decoder.decode(vectors, [1.5], generator=np.random.default_rng(seed))[0]
        for seed in (1, 1, 2)
    )
    assert one == two != other
    assert torch.equal(state, torch.random.get_rng_state())
    lines, likely = decoder.decode(vectors, [0.0, 1.5, 1.5], generator=np.random.default_rng(1))
    assert [row[:1] for row in lines] == decoder.decode(vectors)[0]
    assert likely.shape == (3, 3)
    assert all(len(row) == 3 for row in lines)


def test_no_run_of_three_tokens_is_written_twice(decoder):
    for row in decoder._write(soft(8), max_tokens=30)[0]:
        runs = list(zip(row, row[1:], row[2:], strict=False))
        assert len(runs) == len(set(runs))


def test_a_frozen_model_passes_gradients_on_and_keeps_its_weights(decoder):
    assert decoder.trainable == []
    vectors = soft(2).requires_grad_()
    decoder.loss(vectors, decoder.tokenize(TEXTS[:2])).backward()
    assert bool((vectors.grad.abs().sum((0, 2)) > 0).all())  # every soft token counts
    assert all(one.grad is None for one in decoder.model.parameters())


def test_low_rank_matrices_learn_alone(tokenizer, causal):
    pytest.importorskip("peft")
    bare = HuggingFaceDecoder(causal("llama", len(tokenizer)), tokenizer, prompt=PROMPT)
    lora = HuggingFaceDecoder(
        causal("llama", len(tokenizer)), tokenizer, prompt=PROMPT, lora={"r": 2}
    )
    names = [name for name, one in lora.model.named_parameters() if one.requires_grad]
    assert names
    assert all("lora_" in name for name in names)
    assert lora.fingerprint == bare.fingerprint
    rows = bare.tokenize(TEXTS)
    assert torch.allclose(lora.loss(soft(3), rows), bare.loss(soft(3), rows), atol=1e-5)
    before = lora.decode(soft(3))[0]
    assert before == bare.decode(soft(3))[0]


def test_a_model_trained_whole_learns_everywhere(tokenizer, causal):
    made = HuggingFaceDecoder(
        causal("gpt2", len(tokenizer)), tokenizer, prompt=PROMPT, freeze=False
    )
    assert len(made.trainable) == len(list(made.model.parameters()))


def test_what_cannot_be_done_is_said(tokenizer, causal):
    model = causal("gpt2", len(tokenizer))
    for prompt in ("no place", "{} {}", 3):
        with pytest.raises(ValueError, match=r"prompt must be a text with one '\{\}'"):
            HuggingFaceDecoder(model, tokenizer, prompt=prompt)
    with pytest.raises(ValueError, match=r"take 8 \+ 64 tokens"):
        HuggingFaceDecoder(model, tokenizer).decode(torch.zeros(1, 64, SIZE))
    other = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            hidden_size=SIZE,
        )
    )
    with pytest.raises(ValueError, match=r"BertModel\) cannot generate from inputs_embeds"):
        HuggingFaceDecoder(other, tokenizer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(ValueError, match="must have an end token"):
        HuggingFaceDecoder(model, tokenizer)


def test_a_model_that_sees_what_comes_next_is_refused(tokenizer):
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": SIZE}
    shape |= {"intermediate_size": 32, "vocab_size": len(tokenizer)}
    both_ways = transformers.BertLMHeadModel(transformers.BertConfig(**shape))
    with pytest.raises(ValueError, match=r"BertLMHeadModel\) does not write from left to right"):
        HuggingFaceDecoder(both_ways, tokenizer, prompt=PROMPT)
    HuggingFaceDecoder(
        transformers.BertLMHeadModel(transformers.BertConfig(is_decoder=True, **shape)),
        tokenizer,
        prompt=PROMPT,
    )


def test_the_models_own_settings_of_generation_do_not_count(decoder):
    vectors = soft(4)
    plain = decoder._write(vectors, max_tokens=12)[0]
    own = transformers.GenerationConfig(
        do_sample=True, temperature=5.0, min_length=12, no_repeat_ngram_size=1,
        suppress_tokens=[row[0] for row in plain],
    )  # fmt: skip
    decoder.model.generation_config = own
    assert decoder._write(vectors, max_tokens=12)[0] == plain
    assert decoder.model.generation_config is own


def test_sentences_are_cut_where_the_positions_end(decoder):
    rows = decoder.tokenize(["the cat sat on a mat . " * 20, "dog"])
    room = decoder.room(SOFT)
    assert room == 64 - decoder.prefix(soft(1)).shape[1]
    assert len(rows[0]) > room
    cut = [row[:room] for row in rows]
    assert torch.equal(decoder.loss(soft(2), rows), decoder.loss(soft(2), cut))


def test_the_output_layer_reads_rows_without_gaps(decoder):
    # of rows with gaps torch copies the word vectors once for each sentence: gigabytes
    seen = []
    head = decoder.model.get_output_embeddings()
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].is_contiguous()))
    decoder.loss(soft(3), decoder.tokenize(["the cat sat", "dog", "a mat"]))
    decoder._write(soft(3), (0.0, 0.7), max_tokens=3)
    hook.remove()
    assert len(seen) >= 3
    assert all(seen)


def test_what_learns_whole_is_in_float32(tokenizer, causal):
    half = causal("llama", len(tokenizer)).to(torch.bfloat16)
    made = HuggingFaceDecoder(half, tokenizer, prompt=PROMPT, freeze=False)
    assert {one.dtype for one in made.trainable} == {torch.float32}


@pytest.mark.parametrize("llm", [5, (1,), None, object(), ("a", "b")])
def test_what_is_no_language_model_is_said(llm):
    with pytest.raises(TypeError, match="llm must be a folder, a hub name"):
        HuggingFaceDecoder.from_source(llm)


def test_a_folder_without_a_model_is_said_in_one_line(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "nothing-known"}')
    with pytest.raises(OSError, match="could not be loaded") as caught:
        HuggingFaceDecoder.from_source(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_file_of_a_model_is_said_in_one_line(tokenizer, causal, tmp_path, name):
    for one in (causal("llama", len(tokenizer)), tokenizer):
        one.save_pretrained(tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(OSError, match="could not be loaded") as caught:
        HuggingFaceDecoder.from_source(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_name_on_no_hub_is_asked_for_once_and_gets_a_remedy_for_language_models(monkeypatch):
    import huggingface_hub

    asked, waited = [], []

    def unreachable(url, **settings):
        asked.append(url)
        raise RuntimeError("no such host")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", unreachable)
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(OSError, match="'no-such/model' could not be loaded") as caught:
        HuggingFaceDecoder.from_source("no-such/model")
    assert (len(asked), waited) == (1, [])
    said = str(caught.value)
    assert said.endswith("saved language model, or the name of one on a hub that can be reached.")
    assert "offline'" not in said
    assert "\n" not in said


def test_a_model_is_loaded_without_its_librarys_remarks(bert, caplog):
    logger = logging.getLogger("transformers")
    before = logger.level
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(ValueError, match="does not write from left to right"):
            HuggingFaceDecoder.from_source(bert)  # it lacks a head, which is reported at length
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []
    assert logger.level == before


def test_an_encoder_with_a_decoder_is_said_to_be_one(tokenizer, tmp_path):
    transformers.T5Config(vocab_size=len(tokenizer)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    said = r"\(T5Config\) cannot generate from inputs_embeds.*Choose a causal language model"
    with pytest.raises(ValueError, match=said):
        HuggingFaceDecoder.from_source(tmp_path)
