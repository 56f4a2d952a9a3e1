"""Stage 1 on a small causal model that is really trained: it stays as it is, the adaptor learns."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vicinal._random import Seeds  # noqa: E402
from vicinal.text.invert.alignment import align, copied  # noqa: E402
from vicinal.text.invert.fitting import Sentences, TrainingOptions  # noqa: E402
from vicinal.text.invert.huggingface import HuggingFaceDecoder  # noqa: E402
from vicinal.text.invert.inverter import Inverter  # noqa: E402

QUICK = {"steps": 60, "batch_size": 16, "learning_rate": 3e-3, "dtype": "float32"}
#: Long enough to be interrupted at the first, a middle and the last step.
BRIEF = QUICK | {"steps": 12}


def learn(inverter, texts, *, checkpoint=None, random_state=0, **options) -> Inverter:
    """Align with options by their names."""
    return align(
        inverter, texts, options=TrainingOptions(**options), checkpoint=checkpoint,
        random_state=random_state,
    )  # fmt: skip


def loss_of(inverter: Inverter, embeddings, texts) -> float:
    with torch.no_grad():
        soft = inverter.adaptor(torch.from_numpy(embeddings))
        return float(inverter.decoder.loss(soft, inverter.decoder.tokenize(texts)))


@pytest.fixture(scope="module")
def aligned(small) -> tuple[Inverter, Inverter, str]:
    """Return the new inverter, the aligned one, and the hash of the model before."""
    new = small.build()
    before = small.state_hash(new.decoder.model)
    found = learn(
        new,
        small.sentences()[2000:5000],
        steps=100,
        batch_size=32,
        learning_rate=3e-3,
        dtype="float32",
    )
    return new, found, before


class TestFrozenLanguageModel:
    """The setting of the paper: only the adaptor learns."""

    def test_model_keeps_every_bit(self, small, aligned):
        new, found, before = aligned
        assert small.state_hash(found.decoder.model) == before
        assert found.decoder is new.decoder
        assert all(one.grad is None for one in found.decoder.model.parameters())

    def test_loss_beats_untrained_and_shuffled(self, small, aligned):
        new, found, _ = aligned
        held = small.sentences()[:200]
        E = found.encode(held)
        right = loss_of(found, E, held)
        assert right < 0.5 * loss_of(new, E, held)
        # a model that wrote likely sentences whatever the embedding would gain nothing from it
        assert right < 0.5 * loss_of(found, np.roll(E, 1, axis=0), held)

    def test_closeness_beats_untrained_and_shuffled(self, small, aligned):
        new, found, _ = aligned
        held = small.sentences()[:200]
        E = found.encode(held)
        close = found.invert(E).closeness.mean()
        written = found.generate(np.roll(E, 1, axis=0))[0]
        shuffled = _cosine(found.encode(written), E).mean()
        assert close > new.invert(E).closeness.mean() + 0.2
        assert close > shuffled + 0.2

    def test_input_is_not_changed(self, small, aligned):
        new, found, _ = aligned
        assert small.same(new, small.build())
        assert not small.same(new, found)
        assert not new.notes

    def test_history_falls(self, aligned):
        history = aligned[1].notes["history"]
        assert history[0]["step"] == 0
        assert history[-1]["step"] == 100
        assert history[-1]["validation_loss"] < 0.5 * history[0]["validation_loss"]
        json.dumps(aligned[1].notes)

    def test_notes_tell_what_it_learned_from_and_how(self, aligned):
        options = {"batch_size": 32, "learning_rate": 3e-3, "decoder_rate": 3e-4}
        options |= {"warmup": 10, "noise": 0.0}
        said = {"texts": 3000, "steps": 100, "seed": 0, "options": options}
        assert aligned[1].notes["aligned"] == said

    def test_embeddings_are_centerd_once(self, small, aligned):
        _, found, _ = aligned
        E = found.encode(small.sentences()[2000:5000])
        assert np.allclose(found.adaptor.mean.numpy(), E.mean(0), atol=1e-4)
        again = learn(found, [f"{line} ." for line in small.sentences()[:300]], **BRIEF)
        assert torch.equal(again.adaptor.mean, found.adaptor.mean)


def _cosine(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


class Interrupted(HuggingFaceDecoder):
    """Presses Ctrl-C, or sends another signal, in the middle of a step."""

    at, number = 0, signal.SIGINT

    def loss(self, soft, rows):
        if soft.requires_grad:
            self.at -= 1
            if self.at == 0:
                signal.raise_signal(self.number)
        return super().loss(soft, rows)


class TestResuming:
    @pytest.fixture(scope="class")
    def whole(self, small):
        return learn(small.build(), small.sentences()[2000:2200], noise=0.1, **BRIEF)

    @pytest.mark.parametrize("step", [1, 5, 12])
    def test_same_as_without_interruption(self, small, tmp_path, whole, step):
        texts = small.sentences()[2000:2200]
        stopped = small.build(Interrupted)
        stopped.decoder.at = step
        with pytest.raises(KeyboardInterrupt):
            learn(stopped, texts, noise=0.1, checkpoint=tmp_path / "c", **BRIEF)
        resumed = learn(small.build(), texts, noise=0.1, checkpoint=tmp_path / "c", **BRIEF)
        assert small.same(whole, resumed)
        assert whole.notes == resumed.notes
        again = learn(small.build(), texts, noise=0.1, checkpoint=tmp_path / "c", **BRIEF)
        assert small.same(whole, again)

    def test_interrupted_without_a_checkpoint(self, small):
        stopped = small.build(Interrupted)
        stopped.decoder.at = 2
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            learn(stopped, small.sentences()[2000:2200], **BRIEF)
        assert signal.getsignal(signal.SIGINT) is before

    def test_told_to_end_it_keeps_the_step_and_ends_as_it_would_have(self, small, tmp_path, whole):
        texts = small.sentences()[2000:2200]
        kept = []

        def end(number, frame):
            kept.append(any((tmp_path / "c").glob("checkpoint-5/complete.json")))
            raise SystemExit(128 + number)

        before = signal.signal(signal.SIGTERM, end)
        try:
            stopped = small.build(Interrupted)
            stopped.decoder.at, stopped.decoder.number = 5, signal.SIGTERM
            with pytest.raises(SystemExit, match="143"):
                learn(stopped, texts, noise=0.1, checkpoint=tmp_path / "c", **BRIEF)
            assert signal.getsignal(signal.SIGTERM) is end
        finally:
            signal.signal(signal.SIGTERM, before)
        assert kept == [True]
        resumed = learn(small.build(), texts, noise=0.1, checkpoint=tmp_path / "c", **BRIEF)
        assert small.same(whole, resumed)

    def test_a_signal_that_is_ignored_stays_ignored(self, small):
        stopped = small.build(Interrupted)
        stopped.decoder.at, stopped.decoder.number = 2, signal.SIGTERM
        before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            found = learn(stopped, small.sentences()[2000:2100], **{**QUICK, "steps": 3})
        finally:
            signal.signal(signal.SIGTERM, before)
        assert found.notes["aligned"]["steps"] == 3

    def test_other_settings_are_named(self, small, tmp_path):
        texts = small.sentences()[2000:2100]
        settings = {**QUICK, "steps": 3}
        learn(small.build(), texts, checkpoint=tmp_path / "c", **settings)
        with pytest.raises(ValueError, match=r"learning_rate was 0\.003, is 0\.01"):
            learn(
                small.build(),
                texts,
                checkpoint=tmp_path / "c",
                **{**settings, "learning_rate": 0.01},
            )
        with pytest.raises(ValueError, match=r"the texts are others \(100 then, 99 now\)\."):
            learn(small.build(), texts[1:], checkpoint=tmp_path / "c", **settings)
        other = small.build()
        other.encoder.fingerprint = "another"
        with pytest.raises(ValueError, match="else: the encoder is another one\\."):
            learn(other, texts, checkpoint=tmp_path / "c", **settings)
        with pytest.raises(ValueError, match="random_state was 0, is 7"):
            learn(
                small.build(),
                texts,
                checkpoint=tmp_path / "c",
                **{**settings, "random_state": 7},
            )

    def test_texts_are_embedded_once(self, small, tmp_path):
        texts = small.sentences()[2000:2100]
        learn(small.build(), texts, checkpoint=tmp_path / "c", **{**QUICK, "steps": 2})
        again = small.build()
        learn(again, texts, checkpoint=tmp_path / "c", **{**QUICK, "steps": 2})
        assert again.encoder.calls == 0

    def test_damaged_checkpoint(self, small, tmp_path):
        texts = small.sentences()[2000:2100]
        learn(small.build(), texts, checkpoint=tmp_path / "c", **{**QUICK, "steps": 2})
        (tmp_path / "c" / "checkpoint-2" / "model.safetensors").write_bytes(b"half a file")
        with pytest.raises(ValueError, match="cannot be read"):
            learn(small.build(), texts, checkpoint=tmp_path / "c", **{**QUICK, "steps": 2})

    def test_folder_of_something_else(self, small, tmp_path):
        (tmp_path / "letter.txt").write_text("dear")
        with pytest.raises(FileExistsError, match="other things"):
            learn(small.build(), small.sentences()[:100], checkpoint=tmp_path, **QUICK)

    def test_needs_a_seed(self, small, tmp_path):
        with pytest.raises(ValueError, match="random_state must be a number"):
            learn(
                small.build(), small.sentences()[:100], checkpoint=tmp_path / "c", random_state=None
            )


class TestWhatLearns:
    def test_lora(self, small):
        pytest.importorskip("peft")
        model, _ = small.language_model()
        before = small.state_hash(model)
        import copy

        tokenizer = small.language_model()[1]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            decoder = HuggingFaceDecoder(
                copy.deepcopy(model), tokenizer, prompt="{} :", name="small", lora={"r": 2}
            )
        inverter = Inverter(small.Encoder(), small.build().adaptor, decoder)
        low = [one.detach().clone() for one in decoder.trainable]
        found = learn(inverter, small.sentences()[2000:2400], **{**QUICK, "steps": 5})
        assert small.state_hash(model) == before
        now = zip(decoder.trainable, low, strict=True)
        assert all(torch.equal(one, kept) for one, kept in now), "the input has changed"
        moved = zip(found.decoder.trainable, low, strict=True)
        assert any(not torch.equal(one, kept) for one, kept in moved)

    def test_frozen_weights_are_shared_with_the_copy(self, small):
        pytest.importorskip("peft")
        import copy

        model, tokenizer = small.language_model()
        decoder = HuggingFaceDecoder(
            copy.deepcopy(model), tokenizer, prompt="{} :", name="small", lora={"r": 2}
        )
        inverter = Inverter(small.Encoder(), small.build().adaptor, decoder)
        _, other = copied(inverter, learns=True)
        mine = dict(decoder.model.named_parameters())
        for name, one in other.model.named_parameters():
            assert (one is mine[name]) == ("lora_" not in name), name

    def test_whole(self, small):
        import copy

        model, tokenizer = small.language_model()
        whole = copy.deepcopy(model)
        decoder = HuggingFaceDecoder(whole, tokenizer, prompt="{} :", name="small", freeze=False)
        inverter = Inverter(small.Encoder(), small.build().adaptor, decoder)
        before = small.state_hash(whole)
        found = learn(inverter, small.sentences()[2000:2400], **{**QUICK, "steps": 5})
        assert small.state_hash(whole) == before
        assert small.state_hash(found.decoder.model) != before


class TestEarlyStopping:
    def test_best_weights_are_taken(self, small, aligned):
        # a rate that tears everything apart: nothing is better than before
        found = learn(
            aligned[1], small.sentences()[2000:2200], max_attempts=2, validation=0.2,
            **{**QUICK, "learning_rate": 30.0},
        )  # fmt: skip
        history = found.notes["history"]
        losses = [entry["validation_loss"] for entry in history]
        assert losses[0] == min(losses)
        assert len(losses) == 3
        assert history[-1]["step"] < QUICK["steps"]
        assert small.same(found, aligned[1])

    def test_nothing_held_out(self, small):
        found = learn(
            small.build(), small.sentences()[2000:2010], **{**QUICK, "steps": 4, "batch_size": 4}
        )
        assert all("validation_loss" not in entry for entry in found.notes["history"])
        assert not small.same(found, small.build())


class TestBatches:
    def make(self, n=500, validation=0.1) -> Sentences:
        rng = np.random.default_rng(0)
        rows = [[1] * int(size) for size in rng.integers(2, 30, n)]
        return Sentences(np.zeros((n, 3), np.float32), rows, validation, Seeds(0))

    def test_every_row_once_an_epoch(self):
        sentences_ = self.make()
        assert len(sentences_.held_out) == 50
        assert not set(sentences_.held_out) & set(sentences_.learned)
        seen = np.concatenate(sentences_.epoch(3, 16))
        assert sorted(seen) == list(sentences_.learned)

    def test_like_lengths_go_together(self):
        batches = self.make().epoch(0, 16)
        spread = np.mean([np.ptp(self.make().lengths[batch]) for batch in batches])
        assert spread < 3

    def test_an_epoch_has_its_own_order(self):
        first, again, second = (self.make().epoch(number, 16) for number in (0, 0, 1))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=False))

    def test_steps_and_warmup_for_a_number_of_texts(self):
        options = TrainingOptions(batch_size=10, epochs=2, validation=0.1).for_texts(500)
        assert (options.steps, options.warmup) == (90, 9)
        assert TrainingOptions(steps=5000).for_texts(10).warmup == 200


class TestBadInput:
    def test_empty_repeated_and_long_texts(self, small):
        texts = ["", "  ", *small.sentences()[:30], *small.sentences()[:30], "the dog " * 60]
        with pytest.warns(UserWarning, match="left out") as said:
            found = learn(small.build(), texts, **{**QUICK, "steps": 2, "max_tokens": 20})
        messages = " ".join(str(one.message) for one in said)
        assert "2 of 63 texts are empty" in messages
        assert "1 of 31 texts have more than 20 tokens" in messages
        assert found.notes["aligned"]["texts"] == 30

    @pytest.mark.parametrize("texts", [[], ["one"], ["one", "one"], [""]])
    @pytest.mark.filterwarnings("ignore:.*empty")
    def test_too_few(self, small, texts):
        with pytest.raises(ValueError, match="at least two different texts"):
            learn(small.build(), texts)

    def test_no_list(self, small):
        with pytest.raises(TypeError, match="got one string"):
            learn(small.build(), "the dog sees the cat .")
        with pytest.raises(TypeError, match="got float at position 1"):
            learn(small.build(), ["the dog", float("nan")])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("steps", 0), ("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0),
            ("learning_rate", float("nan")), ("validation", 0.9), ("max_attempts", 0),
            ("noise", -1.0), ("max_tokens", 1), ("warmup", -1), ("dtype", "float8"),
        ],
    )  # fmt: skip
    def test_settings(self, small, name, value):
        with pytest.raises((ValueError, TypeError), match=name):
            learn(small.build(), small.sentences()[:50], **{name: value})

    def test_loss_that_is_not_finite(self, small):
        class Broken(HuggingFaceDecoder):
            def loss(self, soft, rows):
                return super().loss(soft, rows) + (torch.nan if soft.requires_grad else 0)

        with pytest.raises(ValueError, match="Lower learning_rate"):
            learn(small.build(Broken), small.sentences()[:50], **QUICK)


def test_global_randomness_is_left_alone(small):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    learn(small.build(), small.sentences()[:50], **{**QUICK, "steps": 2})
    assert torch.equal(torch.rand(3), expected)


def test_progress_is_told(small):
    seen = []
    align(
        small.build(), small.sentences()[:50], options=TrainingOptions(**{**QUICK, "steps": 2}),
        progress=lambda *told: seen.append(told), random_state=0,
    )  # fmt: skip
    assert [told for told in seen if told[0] == "Training"] == [
        ("Training", done, 2) for done in (0, 1, 2)
    ]


class TestWhatIsInherited:
    def test_figures_are_not_another_inverters(self, small):
        start = small.build()
        start.notes = {"figures": [{"set": "x"}], "training": {"steps": 3}, "mine": 1}
        start.notes |= {"confidence": {"least": 0.3}, "kept": 0.4}
        made = learn(start, small.sentences()[2000:2040], **{**QUICK, "steps": 1})
        assert "figures" not in made.notes
        assert made.confidence is made.readers_kept is None
        assert "training" not in made.notes
        assert made.notes["began as"] == {"training": {"steps": 3}}
        assert made.notes["mine"] == 1

    def test_texts_that_the_model_has_no_room_for_are_left_out(self, small):
        texts = [*small.sentences()[2000:2040], "the big dog sees the cat . " * 5]
        start = small.build()
        assert len(start.decoder.tokenize(texts[-1:])[0]) > start.decoder.room(4)
        with pytest.warns(UserWarning, match="1 of 41 texts have more than"):
            learn(start, texts, **{**QUICK, "steps": 1})

    def test_a_seed_of_numpys_goes_on(self, small, tmp_path):
        texts = small.sentences()[2000:2040]
        kept = {"checkpoint": tmp_path / "c", **QUICK, "steps": 1}
        learn(small.build(), texts, **{**kept, "random_state": np.int64(3)})
        learn(small.build(), texts, **{**kept, "random_state": 3})
