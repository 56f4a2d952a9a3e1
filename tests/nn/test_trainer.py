"""MixupTrainer: what it trains on, what it logs, and that it resumes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch")
transformers = pytest.importorskip("transformers", reason="needs transformers")
pytest.importorskip("accelerate", reason="needs accelerate")

from transformers import BertConfig, BertForSequenceClassification, TrainingArguments  # noqa: E402

import vicinal  # noqa: E402
from vicinal.geometry import rescale_to_ball, rowwise_distance  # noqa: E402
from vicinal.nn import MixupConfig, MixupTrainer, soft_cross_entropy  # noqa: E402
from vicinal.nn._embeddings import Embeddings  # noqa: E402

N, CLASSES = 22, 3


class Rows(torch.utils.data.Dataset):
    """Sentences of several lengths whose class is their first word."""

    def __init__(self, n=N):
        rng = np.random.default_rng(0)
        self.rows = []
        for i in range(n):
            length = int(rng.integers(3, 8))
            ids = [2 + i % CLASSES, *rng.integers(6, 30, length - 1).tolist()]
            self.rows.append((ids, i % CLASSES))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        ids, label = self.rows[i]
        return {"input_ids": ids, "labels": label}


def collate(rows):
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
    return {
        "input_ids": ids,
        "attention_mask": (ids != 0).long(),
        "labels": torch.tensor([row["labels"] for row in rows]),
    }


def model(dropout=0.0):
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=30,
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=12,
            pad_token_id=0,
            num_labels=CLASSES,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )


def trainer(folder, mixup=None, cls=MixupTrainer, settings=None, **more):
    args = TrainingArguments(
        output_dir=str(folder),
        **{
            "per_device_train_batch_size": 4,
            "num_train_epochs": 2,
            "learning_rate": 5e-3,
            "logging_steps": 1,
            "report_to": [],
            "save_strategy": "no",
            "disable_tqdm": True,
            "use_cpu": True,
            "seed": 3,
            **(settings or {}),
        },
    )
    return cls(
        model=more.pop("model", None) or model(),
        args=args,
        train_dataset=Rows(),
        eval_dataset=Rows(),
        data_collator=collate,
        mixup=mixup,
        **more,
    )


def steps(one):
    return [entry for entry in one.state.log_history if "loss" in entry]


def test_a_run_logs_what_it_mixed_and_leaves_no_hooks(tmp_path):
    one = trainer(
        tmp_path, MixupConfig(weights=vicinal.Fixed(0.8)), settings={"eval_strategy": "epoch"}
    )
    one.train()
    logged = steps(one)
    assert len(logged) == 2 * 6  # 22 rows, four to a batch
    assert {entry["mixup_layer"] for entry in logged} == {1.0, 2.0}
    assert all(entry["mixup_lam"] == pytest.approx(0.8) for entry in logged)
    assert all(entry["mixup_share"] == 1 for entry in logged)
    assert not any("plain_accuracy" in entry for entry in logged)
    assert any("eval_loss" in entry for entry in one.state.log_history)
    assert not any(module._forward_pre_hooks for module in one.model.modules())


def test_the_loss_of_a_batch_by_hand(tmp_path):
    one = trainer(
        tmp_path,
        MixupConfig(where="sentence", weights=vicinal.Fixed(0.7)),
        settings={"label_smoothing_factor": 0.1},
        class_weights=[1.0, 2.0, 0.5],
    )
    batch = collate([Rows()[i] for i in (0, 1, 5, 9)])
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    one.model.train()
    with one._mixer:
        got = one.compute_loss(one.model, batch)
    pooled = one.model.bert(**inputs).pooler_output
    swap = torch.tensor([2, 3, 0, 1])
    logits = one.model.classifier(0.7 * pooled + 0.3 * pooled[swap])
    weight, own, other = torch.tensor([1.0, 2.0, 0.5]), batch["labels"], batch["labels"][swap]
    total = soft_cross_entropy(
        logits, own, other, 0.7, weight=weight, label_smoothing=0.1, reduction="sum"
    )
    expected = total / (0.7 * weight[own] + 0.3 * weight[other]).sum()
    torch.testing.assert_close(got, expected)


def test_class_weights_count_in_evaluation_and_are_what_the_mean_is_over(tmp_path):
    weight = torch.tensor([1.0, 2.0, 0.5])
    one = trainer(tmp_path, class_weights=weight, accuracy_rows=0)
    batch = collate([Rows()[i] for i in range(N)])
    with torch.no_grad():
        logits = one.model.eval()(batch["input_ids"], batch["attention_mask"]).logits
    expected = torch.nn.functional.cross_entropy(logits, batch["labels"], weight)
    found = one.compute_loss(one.model, batch)
    torch.testing.assert_close(found, expected)
    plain = trainer(tmp_path, MixupConfig(where="none"), class_weights=weight)
    plain.model.train()
    with plain._mixer:
        torch.testing.assert_close(plain.compute_loss(plain.model, batch), expected)


@pytest.mark.slow
def test_it_learns(tmp_path):
    one = trainer(tmp_path, MixupConfig(), settings={"num_train_epochs": 25, "logging_steps": 50})
    before = one.training_accuracy()
    one.train()
    assert before < 0.7
    assert one.training_accuracy() == 1.0


@pytest.mark.parametrize("symmetric", [True, False])
def test_warm_up_and_no_mixing_train_on_rows_as_they_are(tmp_path, symmetric):
    one = trainer(tmp_path, MixupConfig(warmup_epochs=1, symmetric=symmetric))
    one.train()
    logged = steps(one)
    half = len(logged) // 2
    assert all("plain_accuracy" in entry and entry["mixup_share"] == 0 for entry in logged[:half])
    assert all("mixup_layer" in entry and entry["mixup_share"] == 1 for entry in logged[half:])
    assert len(logged) == (12 if symmetric else 22)


def test_the_same_seed_gives_the_same_model_and_resuming_too(tmp_path):
    mixup = MixupConfig(weights=vicinal.EpBeta(0.1), probability=0.8)
    saving = {"save_strategy": "steps", "save_steps": 8}
    runs = []
    for name in ("a", "b"):
        one = trainer(tmp_path / name, mixup, settings=saving)
        one.train()
        runs.append(one)
    again = trainer(tmp_path / "a", mixup, settings=saving)
    again.train(resume_from_checkpoint=str(tmp_path / "a" / "checkpoint-8"))
    assert again.state.global_step == 12
    for plain, *others in zip(*(one.model.parameters() for one in (*runs, again)), strict=True):
        for other in others:
            torch.testing.assert_close(other, plain)


def test_the_model_embeds_for_a_pairing_that_looks_at_rows(tmp_path):
    one = trainer(tmp_path, MixupConfig(pairing=vicinal.Farthest(0.2), refresh=1))
    calls = []
    embed = one._embed
    one._embed = lambda: calls.append(one.state.epoch) or embed()
    one.train()
    assert len(calls) == 2
    assert all(entry["mixup_distance"] > 0 for entry in steps(one))
    rows = one._embed()
    alone = one.model.bert(input_ids=torch.tensor([Rows()[4]["input_ids"]]))[0].mean(1)
    np.testing.assert_allclose(rows[4], alone.detach().numpy()[0], atol=1e-5)


@pytest.mark.parametrize("after", [8, 12])
def test_resuming_pairs_by_the_embeddings_that_the_run_was_at(tmp_path, after):
    mixup = MixupConfig(pairing=vicinal.Farthest(0.1, metric="euclidean"), refresh=2)
    settings = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 4}
    whole = trainer(tmp_path, mixup, settings=settings, model=model(dropout=0.2))
    whole.train()
    again = trainer(tmp_path, mixup, settings=settings, model=model(dropout=0.2))
    calls, embed = [], again._embed
    again._embed = lambda: calls.append(again.state.epoch) or embed()
    again.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{after}"))
    assert again.state.global_step == 24
    assert calls == [2.0], "what the first two epochs pair by is in the checkpoint"
    for one, other in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_of_other_rows_is_embedded_anew(tmp_path):
    rows = Embeddings(None, 1)
    rows.save(tmp_path)
    assert list(tmp_path.iterdir()) == [], "nothing was made yet"
    rows.put(np.ones((3, 2), np.float32), 4)
    rows.save(tmp_path)
    other, same = Embeddings(None, 1), Embeddings(None, 1)
    other.load(tmp_path, 5)
    same.load(tmp_path, 3)
    assert other.rows is None
    assert other.due(4)
    assert same.rows.tolist() == [[1, 1]] * 3
    assert [same.due(epoch) for epoch in (3, 4, 5)] == [True, False, True]
    given = Embeddings(np.zeros((3, 2)), 1)
    given.load(tmp_path, 3)
    assert given.rows.sum() == 0


def test_accuracy_of_plain_rows_after_each_epoch(tmp_path):
    settings = {"logging_strategy": "epoch"}
    one = trainer(tmp_path, MixupConfig(), accuracy_rows=N, settings=settings)
    seen = []

    def watch(module, args, inputs):
        if not module.training:
            seen.append((torch.is_grad_enabled(), len(inputs["input_ids"])))

    handle = one.model.register_forward_pre_hook(watch, with_kwargs=True)
    one.train()
    handle.remove()
    logged = [e["train_accuracy"] for e in one.state.log_history if "train_accuracy" in e]
    assert len(logged) == 2
    assert len(steps(one)) == 2, "the loss is logged as it was"
    assert seen == [(False, 8), (False, 8), (False, 6)] * 2
    assert logged[-1] == pytest.approx(one.training_accuracy(), abs=1e-6)
    truth = torch.tensor([Rows()[i]["labels"] for i in range(N)])
    one.model.eval()
    with torch.no_grad():
        alone = [
            int(one.model(input_ids=torch.tensor([Rows()[i]["input_ids"]])).logits.argmax())
            for i in range(N)
        ]
    assert logged[-1] == pytest.approx(float((torch.tensor(alone) == truth).float().mean()))


def test_looking_at_accuracy_does_not_change_the_training(tmp_path):
    runs = [
        trainer(tmp_path / str(rows), MixupConfig(), model=model(dropout=0.3), accuracy_rows=rows)
        for rows in (0, 5)
    ]
    for one in runs:
        torch.manual_seed(1)
        one.train()
    assert not any("train_accuracy" in entry for entry in runs[0].state.log_history)
    assert len(runs[1]._watched()) == 5
    for one, other in zip(*(run.model.parameters() for run in runs), strict=True):
        assert torch.equal(one, other)


def test_embeddings_given_are_used_as_they_are(tmp_path):
    given = np.arange(N, dtype=float)[:, None]
    one = trainer(tmp_path, MixupConfig(pairing=vicinal.Nearest(1)), embeddings=given)
    one._embed = None  # would fail
    one.train()
    assert all(entry["mixup_distance"] == pytest.approx(1.0) for entry in steps(one))


@pytest.mark.parametrize(
    ("pairing", "metric"),
    [
        (vicinal.Farthest(0.1), "hyperbolic"),
        (vicinal.AcrossGroup(np.arange(N) % 2, vicinal.Farthest(0.1, metric="cosine")), "cosine"),
        (vicinal.Permutation(), "euclidean"),
    ],
)
def test_partners_are_measured_as_they_are_paired(tmp_path, pairing, metric):
    given = np.random.default_rng(0).normal(size=(N, 3))
    one = trainer(tmp_path, MixupConfig(pairing=pairing), embeddings=given)
    partners = one._partners(0)
    rows = rescale_to_ball(given) if metric == "hyperbolic" else given
    expected = rowwise_distance(rows, rows[partners], metric).mean()
    assert one._distance == pytest.approx(expected, rel=1e-5)


def test_rows_that_cannot_be_measured_are_paired_all_the_same(tmp_path):
    pairing = vicinal.Farthest(1.0, metric="cosine")  # any other row
    one = trainer(tmp_path, MixupConfig(pairing=pairing), embeddings=np.zeros((N, 3)))
    assert len(one._partners(0)) == N
    assert one._distance is None


def test_gradient_accumulation_and_checkpointing(tmp_path):
    settings = {"gradient_accumulation_steps": 2, "gradient_checkpointing": True}
    one = trainer(tmp_path, MixupConfig(), settings=settings)
    one.train()
    assert one.state.global_step == 6


def test_steps_that_do_not_mix_are_plain_under_checkpointing_too(tmp_path):
    mixup = MixupConfig(probability=0.5)
    runs = [
        trainer(tmp_path, mixup, settings={"gradient_checkpointing": checkpointed})
        for checkpointed in (False, True)
    ]
    for one in runs:
        one.train()
        shares = [entry["mixup_share"] for entry in steps(one)]
        assert (1.0, 0.0) in itertools.pairwise(shares), "a plain step after a mixed one"
    for plain, again in zip(*(one.model.parameters() for one in runs), strict=True):
        torch.testing.assert_close(again, plain, atol=1e-5, rtol=1e-4)


def test_accumulated_batches_count_as_their_mean(tmp_path):
    settings = {"gradient_accumulation_steps": 2, "max_steps": 1, "max_grad_norm": 0.0}
    seen, kept = [], []

    class Watched(MixupTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            loss = super().compute_loss(model, inputs, *args, **kwargs)
            seen.append(torch.autograd.grad(loss, list(model.parameters()), retain_graph=True))
            return loss

    class Stop(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
            kept.extend(p.grad.clone() for p in model.parameters())

    trainer(tmp_path, MixupConfig(), Watched, settings, callbacks=[Stop()]).train()
    assert len(seen) == 2
    for total, first, second in zip(kept, *seen, strict=True):
        torch.testing.assert_close(total, (first + second) / 2)


@pytest.mark.parametrize(("own", "recipe", "times"), [(None, 0, 1), (2, 1, 2), (3, 1, 1)])
def test_who_says_how_often_the_data_are_embedded(tmp_path, own, recipe, times):
    pairing = vicinal.AcrossGroup(np.arange(N) % CLASSES, vicinal.Farthest(0.2, refresh=own))
    settings = {"num_train_epochs": 3}
    one = trainer(tmp_path, MixupConfig(pairing=pairing, refresh=recipe), settings=settings)
    calls, embed = [], one._embed
    one._embed = lambda: calls.append(one.state.epoch) or embed()
    one.train()
    assert len(calls) == times


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="split_batches=True"):
        trainer(tmp_path, settings={"accelerator_config": {"split_batches": True}})
    with pytest.raises(ValueError, match="batch_size must be even"):
        trainer(tmp_path, settings={"per_device_train_batch_size": 3}).train()
    with pytest.raises(ValueError, match="the model has 3 layers"):
        trainer(tmp_path, MixupConfig(layers=[2, 7]))
    with pytest.raises(ValueError, match="each of the 22 training rows, got 3"):
        trainer(tmp_path, embeddings=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="embeddings hold NaN or infinity in 22 row"):
        trainer(tmp_path, embeddings=torch.full((N, 2), np.nan, requires_grad=True))
    for weights, said in (
        ([1, 2], r"each of the 3 classes of the model, got shape \(2,\)"),
        ([1, -1, 2], "at least 0, got -1 for class 1"),
        ([1, 1, np.inf], "got inf for class 2"),
        ([0, 0, 0], "class_weights are all 0"),
    ):
        with pytest.raises(ValueError, match=said):
            trainer(tmp_path, class_weights=weights)
    with pytest.raises(ValueError, match="accuracy_rows must be at least 0"):
        trainer(tmp_path, accuracy_rows=-1)
    lost = trainer(tmp_path, MixupConfig(pairing=vicinal.Farthest(0.1)))
    with torch.no_grad():
        next(lost.model.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="training has diverged"):
        lost.train()
    with pytest.raises(TypeError, match=r"vicinal\.nn\.Mixup"):
        trainer(tmp_path, mixup="dmix")


# options of the Trainer, and targets of any kind


def test_a_loss_of_ones_own_is_of_both_parents(tmp_path):
    def squares(outputs, labels, num_items_in_batch=None):
        shares = outputs.logits.softmax(-1)
        return (shares - torch.nn.functional.one_hot(labels, CLASSES)).square().sum(-1)

    mixup = MixupConfig(where="sentence", weights=vicinal.Fixed(0.7))
    one = trainer(tmp_path, mixup, compute_loss_func=squares)
    batch = collate([Rows()[i] for i in (0, 1, 5, 9)])
    one.model.train()
    with one._mixer:
        got, outputs = one.compute_loss(one.model, batch, return_outputs=True)
        own, swap = batch["labels"], torch.tensor([2, 3, 0, 1])
        expected = 0.7 * squares(outputs, own) + 0.3 * squares(outputs, own[swap])
        torch.testing.assert_close(got, expected.mean())
        one.mixup = MixupConfig(where="sentence")
        one.compute_loss_func = lambda *given, **more: squares(*given).mean()
        with pytest.raises(ValueError, match="one figure for all rows"):
            one.compute_loss(one.model, batch)


def test_a_new_model_of_each_training_is_the_one_that_mixes(tmp_path):
    made = []

    def init():
        made.append(model())
        return made[-1]

    args = TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=4, max_steps=2, report_to=[],
        save_strategy="no", disable_tqdm=True, use_cpu=True, logging_steps=1,
    )  # fmt: skip
    one = MixupTrainer(
        args=args, train_dataset=Rows(), data_collator=collate, model_init=init, accuracy_rows=0
    )
    for _ in range(2):
        one.train()
        assert all(entry["mixup_share"] == 1 for entry in steps(one))
    assert len({id(each) for each in made}) == 3, "one to begin with, one for each training"
    assert not any(module._forward_pre_hooks for each in made for module in each.modules())


def test_processes_draw_weights_of_their_own(tmp_path, monkeypatch):
    drawn = []
    for rank in (0, 1, 0):
        monkeypatch.setattr(TrainingArguments, "process_index", property(lambda self, n=rank: n))
        drawn.append(trainer(tmp_path)._generator().random(4).tolist())
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_batch_size_that_was_found_is_made_even(tmp_path):
    one = trainer(tmp_path, settings={"auto_find_batch_size": True})
    one._train_batch_size = 3
    assert {len(batch["labels"]) for batch in one.get_train_dataloader()} == {2}


def test_options_that_would_be_ignored_are_refused(tmp_path):
    with pytest.raises(ValueError, match="class_weights are of the trainer's own loss"):
        trainer(tmp_path, class_weights=[1, 1, 1], compute_loss_func=lambda *_, **__: 0)
    with pytest.raises(ValueError, match="train_sampling_strategy='sequential' does not go with"):
        trainer(tmp_path, settings={"train_sampling_strategy": "sequential"})


def test_rows_of_like_lengths_come_together_where_asked(tmp_path):
    given = {"train_sampling_strategy": "group_by_length"}
    one = trainer(tmp_path, settings=given)
    for epoch in (0.0, 1.0):
        one.state.epoch = epoch
        batches = [batch["attention_mask"] for batch in one.get_train_dataloader()]
        widths = [mask.shape[1] for mask in batches[:-1]]  # the last one is filled up
        assert widths == sorted(widths, reverse=True)
        assert sum(map(len, batches)) >= N
    one.train()
    assert all(entry["mixup_unseen"] == 0 for entry in steps(one))
    rows = [{"x": 1.0, "labels": 0}] * 8
    with pytest.raises(ValueError, match="group_by_length needs rows with 'input_ids'"):
        MixupTrainer(model=model(), args=one.args, train_dataset=rows).get_train_dataloader()


def test_the_order_of_rows_has_a_seed_of_its_own(tmp_path):
    def told(seed):
        one = trainer(tmp_path, settings={"data_seed": seed})
        rows = torch.cat([batch["input_ids"][:, 1] for batch in one.get_train_dataloader()])
        return rows.tolist(), one._generator().random(3).tolist()

    assert told(1) == told(1)
    (order, weights), (other, same) = told(1), told(2)
    assert order != other
    assert weights == same
    assert told(3) == told(None), "the seed itself where left out"


def test_weights_of_classes_by_their_numbers(tmp_path):
    assert trainer(tmp_path, class_weights={1: 3})._class_weights.tolist() == [1, 3, 1]
    for bad in ({3: 1.0}, {"spam": 2.0}):
        with pytest.raises(ValueError, match="classes are the numbers from 0 to 2"):
            trainer(tmp_path, class_weights=bad)


class Told(Rows):
    """The same rows with other targets."""

    def __init__(self, targets):
        super().__init__()
        self.targets = targets

    def __getitem__(self, i):
        return super().__getitem__(i) | {"labels": self.targets[i]}


def told(folder, targets, outputs, problem=None, **settings):
    config = model().config
    config.num_labels, config.problem_type = outputs, problem
    return MixupTrainer(
        model=BertForSequenceClassification(config),
        args=TrainingArguments(
            output_dir=str(folder), per_device_train_batch_size=4, max_steps=3, report_to=[],
            save_strategy="no", disable_tqdm=True, use_cpu=True, logging_steps=1,
        ),
        train_dataset=Told(targets),
        data_collator=collate,
        **settings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("targets", "outputs"),
    [
        (np.linspace(0, 1, N).tolist(), 1),
        ([i % 5 for i in range(N)], 1),  # ratings
        ([[float(i % 2), 1.0] for i in range(N)], 2),
    ],
)
def test_numbers_and_several_labels_are_mixed(tmp_path, targets, outputs):
    one = told(tmp_path, targets, outputs)
    one.train()
    assert all(np.isfinite(entry["loss"]) and entry["mixup_share"] == 1 for entry in steps(one))
    assert not any({"plain_accuracy", "train_accuracy"} & set(e) for e in one.state.log_history)
    batch = collate([Told(targets)[i] for i in range(4)])
    one.model.train()
    one.mixup = MixupConfig(where="sentence", weights=vicinal.Fixed(0.75))
    with one._mixer:
        got, out = one.compute_loss(one.model, batch, return_outputs=True)
    y = batch["labels"].float()
    mixed = 0.75 * y + 0.25 * y[[2, 3, 0, 1]]
    if outputs > 1:
        expected = torch.nn.functional.binary_cross_entropy_with_logits(out.logits, mixed)
        torch.testing.assert_close(got, expected)
        return
    # squared errors to both parents, less what no output can change, are those to the mixture
    apart = 0.75 * 0.25 * (y - y[[2, 3, 0, 1]]).square()
    torch.testing.assert_close(got, ((out.logits[:, 0] - mixed).square() + apart).mean())


def test_partners_have_a_like_number_to_predict(tmp_path):
    y = np.linspace(0, 1, N)
    one = told(tmp_path, y.tolist(), 1, mixup=MixupConfig(vicinal.NearTarget(y, 0.02)))
    partners = one._partners(0)
    assert np.abs(y - y[partners]).max() < 0.2
    one.train()
    assert all(entry["mixup_share"] == 1 for entry in steps(one))


@pytest.mark.parametrize(
    ("targets", "outputs", "said"),
    [
        ([3] * N, 3, "label 3 is beyond num_classes=3"),
        ([-100] * N, 3, r"label -100 is .*leave rows out that are not to count"),
        ([0.5] * N, 3, "Give int64 class numbers"),
        ([float("nan")] * N, 1, "labels hold NaN"),
        ([[1.0, 0.0, 0.0]] * N, 2, "do not fit outputs"),
    ],
)
def test_labels_that_the_model_does_not_predict(tmp_path, targets, outputs, said):
    with pytest.raises(ValueError, match=said):
        told(tmp_path, targets, outputs).train()


def test_part_of_the_loss_is_of_rows_as_they_are(tmp_path):
    batch = collate([Rows()[i] for i in (0, 1, 5, 9)])
    found = {}
    for share in (0.0, 0.25):
        mixup = MixupConfig(where="sentence", weights=vicinal.Fixed(0.7), clean_weight=share)
        one = trainer(tmp_path, mixup)
        one.model.train()
        with one._mixer:
            found[share] = one.compute_loss(one.model, batch)
    clean = one.model(**batch).loss
    torch.testing.assert_close(found[0.25], 0.25 * clean + 0.75 * found[0.0])


def test_mixing_ends_where_it_is_told_to(tmp_path):
    one = trainer(tmp_path, MixupConfig(until=0.5))
    one.train()
    assert [entry["mixup_share"] for entry in steps(one)] == [1.0] * 6 + [0.0] * 6


def weighed(rows):
    batch = collate(rows)
    return batch | {"sample_weight": torch.tensor([row["sample_weight"] for row in rows])}


def test_rows_count_as_told(tmp_path):
    rows = [Rows()[i] | {"sample_weight": float(i % 3)} for i in range(N)]
    args = trainer(tmp_path).args
    mixup = MixupConfig(where="sentence", weights=vicinal.Fixed(0.7))
    one = MixupTrainer(
        model=model(), args=args, train_dataset=rows, data_collator=weighed, mixup=mixup
    )
    batch = weighed([rows[i] for i in (0, 1, 5, 10)])
    read = {name: batch[name] for name in ("input_ids", "attention_mask")}
    swap, counts = torch.tensor([2, 3, 0, 1]), batch["sample_weight"]
    one.model.train()
    with one._mixer:
        got = one.compute_loss(one.model, batch)
    pooled = one.model.bert(**read).pooler_output
    logits = one.model.classifier(0.7 * pooled + 0.3 * pooled[swap])
    ends = [
        torch.nn.functional.cross_entropy(logits, y, reduction="none")
        for y in (batch["labels"], batch["labels"][swap])
    ]
    shares = 0.7 * counts, 0.3 * counts[swap]
    total = sum((share * end).sum() for share, end in zip(shares, ends, strict=True))
    torch.testing.assert_close(got, total / sum(share.sum() for share in shares))
    with torch.no_grad():
        plain = one.compute_loss(one.model.eval(), batch)
        each = torch.nn.functional.cross_entropy(
            one.model(**read).logits, batch["labels"], reduction="none"
        )
    torch.testing.assert_close(plain, (counts * each).sum() / counts.sum())
    one.train()
    assert steps(one)
    with pytest.raises(ValueError, match="at least 0 for each row"):
        one.compute_loss(one.model, batch | {"sample_weight": -counts})


def test_all_pairs_of_a_step_may_share_one_weight():
    rng = np.random.default_rng(0)
    assert len(set(MixupConfig(batchwise=True).draw(0, 3, 8, rng)[1])) == 1
    assert len(set(MixupConfig().draw(0, 3, 8, rng)[1])) > 1


class Weighed(Rows):
    """Rows of which each counts differently, with labels or without."""

    labelled = True

    def __getitem__(self, i):
        row = super().__getitem__(i)
        return {**row, "sample_weight": 1.0 + i, "labelled": self.labelled}


def collate_weighed(rows):
    batch = collate(rows) | {"sample_weight": torch.tensor([row["sample_weight"] for row in rows])}
    return batch if rows[0]["labelled"] else {k: v for k, v in batch.items() if k != "labels"}


def test_prediction_of_rows_that_count_differently(tmp_path):
    one = trainer(tmp_path, settings={"remove_unused_columns": False})
    expected = one.predict(Rows()).predictions
    one.data_collator = collate_weighed
    told = one.predict(Weighed())
    np.testing.assert_allclose(told.predictions, expected, rtol=1e-5)
    assert told.label_ids.tolist() == [i % CLASSES for i in range(N)]
    bare = Weighed()
    bare.labelled = False
    told = one.predict(bare)
    np.testing.assert_allclose(told.predictions, expected, rtol=1e-5)
    assert told.label_ids is None


class Bare(torch.nn.Module):
    """Says scores alone, as one tensor."""

    def __init__(self):
        super().__init__()
        self.inner = model()

    def forward(self, input_ids, attention_mask):
        return self.inner(input_ids, attention_mask).logits


def test_scores_as_a_tensor_are_those_of_all_rows(tmp_path):
    settings = {"remove_unused_columns": False, "label_names": ["labels"]}
    one = trainer(tmp_path, settings=settings, model=Bare())
    one.data_collator = collate_weighed
    told = one.predict(Weighed())
    expected = trainer(tmp_path).predict(Rows()).predictions
    np.testing.assert_allclose(told.predictions, expected, rtol=1e-5)
