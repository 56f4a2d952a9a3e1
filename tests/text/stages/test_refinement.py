"""Stage 2: a head, or the whole task model, learns; the adaptor follows; all of it is kept."""

from __future__ import annotations

import copy
import json
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from vicinal.text.invert.adaptor import Adaptor  # noqa: E402
from vicinal.text.invert.alignment import align  # noqa: E402
from vicinal.text.invert.finetune import STRENGTHS  # noqa: E402
from vicinal.text.invert.fitting import RefinementOptions, TrainingOptions  # noqa: E402
from vicinal.text.invert.huggingface import HuggingFaceDecoder  # noqa: E402
from vicinal.text.invert.inverter import Inverter  # noqa: E402
from vicinal.text.invert.refinement import FROM_ROWS, follow, refine  # noqa: E402
from vicinal.text.invert.task import Head, TaskEncoder, TaskInverter  # noqa: E402

ANIMALS = ("dog", "cat", "bird", "horse")


def learn(inverter, texts, **options) -> Inverter:
    """Align with options by their names."""
    return align(inverter, texts, options=TrainingOptions(**options), random_state=0)


def teach(
    inverter, texts, labels, *, unlabelled=None, tune="auto", checkpoint=None, **options
) -> TaskInverter:
    """Refine with options by their names."""
    return refine(
        inverter, texts, labels, unlabelled=unlabelled, tune=tune, checkpoint=checkpoint,
        options=RefinementOptions(**options), random_state=0,
    )  # fmt: skip


def labelled(small, n: int, start: int = 0):
    """Sentences, and whether their first noun is an animal's."""
    texts = small.sentences()[start : start + n]
    return texts, ["animal" if text.split()[2] in ANIMALS else "person" for text in texts]


@pytest.fixture(scope="module")
def aligned(small) -> Inverter:
    """An inverter of the small encoder."""
    return learn(
        small.build(), small.sentences()[2000:5000], steps=100, batch_size=32,
        learning_rate=3e-3, dtype="float32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def bert(small, tmp_path_factory) -> TaskEncoder:
    """A small encoder of Hugging Face's, never trained, that can be tuned."""
    from transformers import BertConfig, BertModel

    from vicinal.text.classifier.backbones import Pretrained

    folder = tmp_path_factory.mktemp("bert")
    words = small.tokenizer()
    words.model_max_length = 32
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = BertModel(
            BertConfig(
                vocab_size=len(words), hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=64, max_position_embeddings=32, pad_token_id=0,
            ),
            add_pooling_layer=False,
        )  # fmt: skip
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return TaskEncoder(Pretrained(str(folder), 32, "mean"), network, str(folder), dtype="float32")


class TestFollow:
    def make(self, seed=0):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            adaptor = Adaptor(12, 6, soft_tokens=2, hidden=16)
        adaptor.mean.copy_(torch.linspace(-1, 1, 12))
        adaptor.scale.fill_(1.7)
        return adaptor

    def soft(self, adaptor, rows):
        with torch.no_grad():
            return adaptor(torch.from_numpy(rows.astype(np.float32))).numpy()

    @settings(max_examples=20)
    @given(seed=st.integers(0, 1000))
    def test_an_affine_movement_is_undone(self, seed):
        rng = np.random.default_rng(seed)
        old = rng.standard_normal((200, 12)).astype(np.float32)
        turned = np.linalg.qr(rng.standard_normal((12, 12)))[0]
        moved = (old @ turned * 1.3 + 2.0).astype(np.float32)
        adaptor, before = self.make(), self.make()
        undone = follow(adaptor, moved, old)
        assert undone > 0.999
        assert np.allclose(self.soft(adaptor, moved), self.soft(before, old), atol=2e-2)

    def test_no_movement_changes_nothing(self):
        rows = np.random.default_rng(0).standard_normal((30, 12)).astype(np.float32)
        adaptor = self.make()
        assert follow(adaptor, rows, rows) == 1.0
        assert np.allclose(self.soft(adaptor, rows), self.soft(self.make(), rows), atol=1e-6)

    def test_a_shift_is_undone_by_two_rows(self):
        rows = np.random.default_rng(1).standard_normal((50, 12)).astype(np.float32)
        adaptor = self.make()
        follow(adaptor, rows[:2] + 3, rows[:2])
        assert np.allclose(self.soft(adaptor, rows + 3), self.soft(self.make(), rows), atol=1e-4)

    def test_noise_is_not_followed(self):
        rng = np.random.default_rng(2)
        old = rng.standard_normal((20, 12)).astype(np.float32)
        moved = old + 0.01 * rng.standard_normal(old.shape).astype(np.float32)
        adaptor, fresh = self.make(), rng.standard_normal((100, 12))
        follow(adaptor, moved, old)
        # 20 rows could be fitted exactly by 12 directions each; what is new must hardly change
        assert np.abs(self.soft(adaptor, fresh) - self.soft(self.make(), fresh)).max() < 0.05

    def test_hand_computed(self):
        """One dimension: moved = 2 old, 0 penalty in the limit of the grid, so h_old = h / 2."""
        adaptor = Adaptor(1, 1, soft_tokens=1, hidden=1)
        old = np.linspace(-5, 5, 1001, dtype=np.float32)[:, None]
        weight = adaptor.net[0].weight.detach().clone()
        follow(adaptor, 2 * old, old)
        assert adaptor.net[0].weight.item() == pytest.approx(weight.item() / 2, rel=1e-3)


class TestHead:
    def test_learns_the_classes(self, small, aligned):
        texts, labels = labelled(small, 150)
        task = teach(aligned, texts, labels, tune="head", dtype="float32")
        fresh, wanted = labelled(small, 300, start=5000)
        assert task.classes_.tolist() == ["animal", "person"]
        assert (task.predict(fresh) == np.array(wanted)).mean() > 0.9
        shares = task.predict_proba(fresh)
        assert shares.shape == (300, 2)
        assert np.allclose(shares.sum(1), 1)
        assert np.array_equal(shares, task.predict_proba_embeddings(task.encode(fresh)))
        assert task.encoder is aligned.encoder

    def test_a_head_alone_leaves_what_is_known_of_the_sentences(self, small, aligned):
        texts, labels = labelled(small, 20)
        known = copy.copy(aligned)
        known.notes = aligned.notes | {"kept": 0.4, "confidence": {"closeness": 1.0}}
        task = teach(known, texts, labels, tune="head")
        assert task.notes["history"] == []
        assert task.notes["kept"] == 0.4
        assert task.notes["confidence"] == {"closeness": 1.0}

    def test_few_texts_leave_the_adaptor(self, small, aligned):
        texts, labels = labelled(small, 12)
        task = teach(aligned, texts, labels, tune="head")
        assert small.same(task, aligned)
        E = task.encode(texts)
        assert task.invert(E).sentences == aligned.invert(E).sentences

    def test_three_classes_are_those_of_scikit_learn(self, small, aligned):
        from sklearn.linear_model import LogisticRegression

        texts = small.sentences()[:90]
        adjectives = [text.split()[1] for text in texts]
        labels = [one if one in ("big", "old") else "other" for one in adjectives]
        task = teach(aligned, texts, labels, tune="head")
        E = task.encode(texts)
        scale = np.sqrt(np.square(E - E.mean(0)).mean())
        rows, found = (E - E.mean(0)) / scale, task.predict_proba_embeddings(E)
        expected = [
            LogisticRegression(C=C, max_iter=1000).fit(rows, labels).predict_proba(rows)
            for C in STRENGTHS
        ]
        assert sum(np.allclose(found, one, atol=1e-3) for one in expected) == 1

    def test_three_classes_saved_and_read(self, small, aligned, tmp_path):
        texts = small.sentences()[:90]
        labels = [text.split()[1][0] for text in texts]
        task = teach(aligned, texts, labels, tune="head")
        assert len(task.classes_) > 2
        task.save_pretrained(tmp_path / "task")
        again = TaskInverter.from_pretrained(
            tmp_path / "task", encoder=small.Encoder(), llm=small.language_model()
        )
        assert np.allclose(again.predict_proba(texts), task.predict_proba(texts), atol=1e-5)

    def test_two_classes_are_those_of_scikit_learn(self, small, aligned):
        from sklearn.linear_model import LogisticRegression

        texts, labels = labelled(small, 60)
        task = teach(aligned, texts, labels, tune="head")
        E = task.encode(texts)
        scale = np.sqrt(np.square(E - E.mean(0)).mean())
        rows, found = (E - E.mean(0)) / scale, task.predict_proba_embeddings(E)
        expected = [
            LogisticRegression(C=C, max_iter=1000).fit(rows, labels).predict_proba(rows)
            for C in STRENGTHS
        ]
        assert sum(np.allclose(found, one, atol=1e-3) for one in expected) == 1

    def test_unlabelled_texts_teach_the_adaptor(self, small, aligned):
        texts, labels = labelled(small, 12)
        task = teach(
            aligned, texts, labels, unlabelled=small.sentences()[3000:3500], tune="head",
            learning_rate=1e-3, epochs=2, dtype="float32",
        )  # fmt: skip
        history = task.notes["history"]
        assert min(one["validation_loss"] for one in history) < history[0]["validation_loss"]
        assert not small.same(task, aligned)

    def test_auto_takes_it_for_few_rows(self, small, aligned):
        texts, labels = labelled(small, 30)
        assert teach(aligned, texts, labels).notes["task"]["tune"] == "head"
        assert len(texts) < FROM_ROWS

    def test_huge_scores(self):
        head = Head(np.array(["a", "b"]), np.array([[1e4], [-1e4]], np.float32), np.zeros(2))
        assert np.array_equal(head.proba([[1.0], [-1.0]]), [[1, 0], [0, 1]])


@pytest.fixture(scope="module")
def inverter(small, bert):
    return learn(
        small.build(encoder=bert), small.sentences()[2000:3000], steps=40, batch_size=32,
        learning_rate=3e-3, dtype="float32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def task(small, inverter):
    texts, labels = labelled(small, 200)
    return teach(
        inverter, texts, labels, unlabelled=small.sentences()[4000:4400], tune="encoder",
        task_epochs=4, task_rate=2e-3, epochs=2, learning_rate=1e-3, dtype="float32",
    )  # fmt: skip


class TestTunedEncoder:
    def test_classes_are_learned(self, small, task):
        fresh, wanted = labelled(small, 300, start=5000)
        assert (task.predict(fresh) == np.array(wanted)).mean() > 0.9

    def test_old_inverter_is_as_it_was(self, small, inverter, bert):
        assert inverter.encoder is bert
        assert not any(
            one.requires_grad and one.grad is not None for one in bert.model.parameters()
        )

    def test_encoder_moved_and_adaptor_followed(self, small, inverter, task):
        held = small.sentences()[:200]
        E = task.encode(held)
        assert task.encoder.fingerprint != inverter.encoder.fingerprint
        rows = task.decoder.tokenize(held)
        with torch.no_grad():
            old = float(task.decoder.loss(inverter.adaptor(torch.from_numpy(E)), rows))
            new = float(task.decoder.loss(task.adaptor(torch.from_numpy(E)), rows))
        assert new < old
        assert task.notes["task"]["undone"] > 0
        json.dumps(task.notes)

    def test_head_is_the_task_models(self, small, task):
        """What is predicted from a text is what is predicted from its embedding."""
        texts = small.sentences()[:20]
        assert np.allclose(
            task.predict_proba(texts), task.predict_proba_embeddings(task.encode(texts))
        )

    def test_saved_and_read(self, small, task, tmp_path):
        task.save_pretrained(tmp_path / "task")
        again = TaskInverter.from_pretrained(tmp_path / "task", llm=small.language_model())
        texts = small.sentences()[:40]
        assert again.encoder.fingerprint == task.encoder.fingerprint
        assert again.classes_.dtype == task.classes_.dtype
        assert np.allclose(again.predict_proba(texts), task.predict_proba(texts), atol=1e-5)
        E = task.encode(texts)
        assert again.invert(E).sentences == task.invert(E).sentences
        (tmp_path / "task" / "head.safetensors").write_bytes(b"no")
        with pytest.raises(ValueError, match=r"head\.safetensors. is damaged"):
            TaskInverter.from_pretrained(tmp_path / "task", llm=small.language_model())

    def test_resumed(self, small, inverter, tmp_path):
        class Interrupted(HuggingFaceDecoder):
            at = 4

            def loss(self, soft, rows):
                self.at -= soft.requires_grad
                if self.at == 0:
                    signal.raise_signal(signal.SIGINT)
                return super().loss(soft, rows)

        texts, labels = labelled(small, 50)
        settings = {"tune": "encoder", "task_epochs": 1, "epochs": 2, "dtype": "float32"}
        settings |= {"batch_size": 16}
        whole = teach(inverter, texts, labels, **settings)
        broken = Inverter(
            inverter.encoder,
            inverter.adaptor,
            Interrupted(*small.language_model(), prompt="{} :", name="small"),
        )
        with pytest.raises(KeyboardInterrupt):
            teach(broken, texts, labels, checkpoint=tmp_path / "c", **settings)
        resumed = teach(inverter, texts, labels, checkpoint=tmp_path / "c", **settings)
        assert resumed.encoder.fingerprint == whole.encoder.fingerprint
        assert small.same(whole, resumed)
        other = [labels[-1], *labels[1:]] if labels[0] != labels[-1] else ["other", *labels[1:]]
        with pytest.raises(ValueError, match="the labels are others"):
            teach(inverter, texts, other, checkpoint=tmp_path / "c", **settings)

    def test_resumed_while_the_encoder_learns(self, small, inverter, tmp_path, monkeypatch):
        from vicinal.text.invert import finetune

        texts, labels = labelled(small, 120)
        settings = {"tune": "encoder", "task_epochs": 2, "epochs": 0, "dtype": "float32"}
        whole = teach(inverter, texts, labels, **settings)
        forward, left = finetune._TaskModel.forward, [5]

        def interrupted(self, *args, **kwargs):
            left[0] -= self.training
            if left[0] == 0:
                signal.raise_signal(signal.SIGINT)
            return forward(self, *args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(finetune._TaskModel, "forward", interrupted)
            with pytest.raises(KeyboardInterrupt):
                teach(inverter, texts, labels, checkpoint=tmp_path / "c", **settings)
        assert (tmp_path / "c" / "task-training" / "checkpoint-5").is_dir()
        resumed = teach(inverter, texts, labels, checkpoint=tmp_path / "c", **settings)
        assert not (tmp_path / "c" / "task-training").exists()
        assert resumed.encoder.fingerprint == whole.encoder.fingerprint
        assert np.array_equal(resumed.head.coefficients, whole.head.coefficients)

    def test_a_second_task_goes_on_from_the_first(self, small, task):
        texts, labels = labelled(small, 40, 300)
        before = task.encode(texts)
        again = teach(
            task, texts, labels, tune="encoder", task_epochs=1, task_rate=1e-9, epochs=0,
            dtype="float32",
        )  # fmt: skip
        assert np.allclose(again.encode(texts), before, atol=1e-3)
        assert again.encoder.model is not task.encoder.model
        assert np.array_equal(task.encode(texts), before)

    def test_normalized_encoder_is_refused(self, small, inverter):
        texts, labels = labelled(small, 20)
        inverter.encoder.normalize = True
        try:
            with pytest.raises(ValueError, match="not normalized"):
                teach(inverter, texts, labels, tune="encoder")
        finally:
            inverter.encoder.normalize = False

    def test_other_pooling_is_refused(self, small, bert):
        class First(TaskEncoder):
            def encode(self, texts, *, progress=False):
                return super().encode(texts)[:, ::-1].copy()

        odd = First(bert.backbone, bert.model, bert.name)
        texts, labels = labelled(small, 20)
        with pytest.raises(ValueError, match="averages its last states"):
            teach(small.build(encoder=odd), texts, labels, tune="encoder")


class TestSavedHead:
    def test_saved_and_read(self, small, aligned, tmp_path):
        texts, labels = labelled(small, 30)
        numbers = np.array([one == "animal" for one in labels], np.int16) + 3
        task = teach(aligned, texts, numbers)
        assert task.classes_.dtype == np.int16
        assert task.predict(texts).dtype == np.int16
        task.save_pretrained(tmp_path / "task")
        again = TaskInverter.from_pretrained(
            tmp_path / "task", encoder=small.Encoder(), llm=small.language_model()
        )
        assert again.classes_.dtype == np.int16
        assert again.classes_.tolist() == [3, 4]
        assert np.array_equal(again.predict_proba(texts), task.predict_proba(texts))

    def test_an_inverter_is_none(self, small, aligned, tmp_path):
        aligned.save_pretrained(tmp_path / "inverter")
        with pytest.raises(ValueError, match="without a task"):
            TaskInverter.from_pretrained(tmp_path / "inverter")


class TestBadInput:
    def test_one_class(self, small, aligned):
        with pytest.raises(ValueError, match="at least two classes"):
            teach(aligned, small.sentences()[:10], ["a"] * 10)

    def test_missing_labels(self, small, aligned):
        with pytest.raises(ValueError, match="missing value at position 1"):
            teach(aligned, small.sentences()[:3], ["a", None, "b"])

    def test_too_few_labels(self, small, aligned):
        with pytest.raises(ValueError, match="2 labels for 3 texts"):
            teach(aligned, small.sentences()[:3], ["a", "b"])

    def test_numbers_that_are_no_classes(self, small, aligned):
        with pytest.raises(TypeError, match="Cut the numbers into named classes"):
            teach(aligned, small.sentences()[:3], [0.5, 1.5, 2.5])

    def test_a_class_with_one_text(self, small, aligned):
        with pytest.warns(UserWarning, match="one text only"):
            task = teach(aligned, small.sentences()[:5], list("aaaab"))
        assert task.classes_.tolist() == ["a", "b"]

    def test_empty_and_repeated_texts(self, small, aligned):
        texts = [*small.sentences()[:8], *small.sentences()[:8], ""]
        with pytest.warns(UserWarning, match="1 of 17 texts are empty"):
            task = teach(aligned, texts, list("ab" * 8 + "a"))
        assert task.notes["task"]["labelled"] == 17

    def test_labels_that_can_be_read_once(self, small, aligned):
        texts, labels = labelled(small, 12)
        task = teach(aligned, texts, (one for one in labels))
        assert task.classes_.tolist() == ["animal", "person"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("tune", "all"), ("task_epochs", 0), ("task_rate", -1.0), ("epochs", -1),
         ("validation", 2), ("learning_rate", 0), ("unlabelled", "one text")],
    )  # fmt: skip
    def test_settings(self, small, aligned, name, value):
        texts, labels = labelled(small, 12)
        with pytest.raises((ValueError, TypeError), match=name):
            teach(aligned, texts, labels, **{name: value})
