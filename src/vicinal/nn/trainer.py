"""Mixup in the Hugging Face Trainer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as with_logits
from torch.nn.functional import mse_loss
from transformers import PreTrainedModel, Trainer, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from vicinal._checks import check_count
from vicinal._random import Seeds, TrainKey
from vicinal._types import Array
from vicinal.nn._embeddings import Embeddings
from vicinal.nn.batches import PairBatchSampler, draw_partners
from vicinal.nn.config import MixupConfig
from vicinal.nn.hidden import HiddenMixup
from vicinal.nn.loss import MixedTarget, check_values
from vicinal.nn.pooling import masked_mean

#: Rows whose accuracy is taken after each epoch: an eighth of all, within these limits, so that
#: it costs a twentieth of the time or so.
_WATCHED_ROWS = 64, 512
#: Column of training rows that says how much each counts.
COUNTS = "sample_weight"


class MixupTrainer(Trainer):  # type: ignore[misc]  # typed as Any here
    """A :class:`transformers.Trainer` that mixes hidden states of pairs of rows.

    Batches are packed as [anchors, partners], partners are drawn anew for each epoch, and the
    loss is that of both parents' labels by their weights: cross-entropy of class numbers, squared
    error where the model has one output, binary cross-entropy of several labels, or
    ``compute_loss_func``, which must give one figure for each row. A column ``sample_weight`` says
    how much each row counts. Evaluation and prediction mix nothing. Several processes, resuming,
    logging and callbacks work as in the Trainer.

    Parameters
    ----------
    *args : object
        As of the Trainer.
    mixup : MixupConfig, optional
        Who mixes, where and when; ``MixupConfig()`` where left out.
    embeddings : array_like of shape (n_rows, n_features), optional
        What a pairing looks at. Left out, the model itself embeds the training rows (mean of the
        last hidden states) every ``mixup.refresh`` epochs; checkpoints keep what it made.
    class_weights : array_like of shape (n_classes,) or mapping of int to float, optional
        Weight of each class in the loss, also of evaluation, by its number; 1 where not named. The
        mean is over weights.
    accuracy_rows : int, optional
        Training rows whose accuracy is taken after each epoch; 0 for none. Left out, an eighth of
        them, from 64 to 512.
    layers, encoder, head : str, optional
        Where the model keeps its parts, as of :class:`HiddenMixup`.
    **kwargs : object
        As of the Trainer. ``per_device_train_batch_size`` must be even. Rows are paired, so
        ``train_sampling_strategy`` must be "random" or "group_by_length".

    Attributes
    ----------
    mixup : MixupConfig
        Who mixes, where and when.

    Raises
    ------
    ValueError
        If layers are not found, the model is to be compiled as a whole, embeddings or class
        weights do not fit or are not finite, batches are to be split over devices or processes,
        rows are to be sampled otherwise, or labels are not what the model predicts.

    Notes
    -----
    Logged beside the loss, as means since the last log: ``mixup_layer``, ``mixup_lam``,
    ``mixup_share`` (of steps that mixed) and ``plain_accuracy`` (of steps that did not).
    ``mixup_distance``, where there are embeddings, is the mean distance of partners in the epoch,
    by the pairing's own metric (see ``Farthest.distances``) or else Euclidean; ``mixup_unseen``
    is the share of rows that the epoch's batches leave out. ``train_accuracy``,
    after each epoch, is that of some training rows, unmixed and without dropout.
    """

    # the loss is a mean over rows; the Trainer divides by accumulated steps
    loss_is_scaled_for_ga = False

    def __init__(
        self,
        *args: Any,
        mixup: MixupConfig | None = None,
        embeddings: npt.ArrayLike | None = None,
        class_weights: npt.ArrayLike | Mapping[int, float] | None = None,
        accuracy_rows: int | None = None,
        layers: str | None = None,
        encoder: str | None = None,
        head: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.mixup = MixupConfig() if mixup is None else mixup
        if not isinstance(self.mixup, MixupConfig):
            raise TypeError(f"mixup must be a vicinal.nn.MixupConfig, got {mixup!r}.")
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False
        if getattr(self.args, "torch_compile", False):
            raise ValueError(
                "torch_compile=True compiles the whole model, which leaves hooks out. Compile each "
                "layer's forward instead: layer.forward = torch.compile(layer.forward)."
            )
        grouped = "group_by_length"  # a switch of its own in older versions
        old = grouped if getattr(self.args, grouped, False) else "random"
        order = getattr(self.args, "train_sampling_strategy", old)
        if order not in ("random", grouped):
            raise ValueError(
                f"train_sampling_strategy={order!r} does not go with pairs of rows, which the "
                "pairing chooses. Leave it out ('random'), or take 'group_by_length'."
            )
        self._by_length = order == grouped
        if self.accelerator.split_batches:
            raise ValueError(
                "split_batches=True cuts a batch between processes, which takes pairs apart. "
                "Leave it out of accelerator_config."
            )
        if self.args.n_gpu > 1:
            raise ValueError(
                f"{self.args.n_gpu} devices in one process scatter the rows of a pair. Start one "
                "process for each with torchrun, or make one visible (CUDA_VISIBLE_DEVICES=0)."
            )
        self._places = {"layers": layers, "encoder": encoder, "head": head}
        self._hooks = ExitStack()  # holds the mixer's while the model trains
        self._mixer = self._make_mixer()
        self.mixup.choices(self._mixer.n_layers)  # says now if a layer does not exist
        self._seed()
        self._given = embeddings
        self._embeddings = Embeddings(embeddings, self.mixup.embeds_every())
        n_rows = self._count() if self.train_dataset is not None else None
        self._embeddings.check(n_rows)
        if accuracy_rows is not None:
            check_count("accuracy_rows", accuracy_rows, low=0)
        self._accuracy_rows = accuracy_rows
        if class_weights is not None and self.compute_loss_func is not None:
            raise ValueError(
                "class_weights are of the trainer's own loss, and compute_loss_func is another. "
                "Weigh classes in it, or leave one of them out."
            )
        self._class_weights = None if class_weights is None else self._weights_of(class_weights)
        self._seen: dict[str, list[float]] = {}
        self._distance: float | None = None
        self._unseen = 0.0
        self._turn = (-1, 0)
        self.add_callback(_EachEpoch(self))

    def _seed(self) -> None:
        self._seeds = Seeds(self.args.seed)
        given = self.args.data_seed  # of the order of rows alone
        self._order = self._seeds if given is None else Seeds(given)

    def _weights_of(self, class_weights: npt.ArrayLike | Mapping[int, float]) -> torch.Tensor:
        """Return the weights of classes, one for each that the model knows."""
        # of another module, what its encoder's configuration says is not what its head has
        pretrained = isinstance(self.model, PreTrainedModel)
        known = getattr(self.model.config, "num_labels", None) if pretrained else None
        if isinstance(class_weights, Mapping):
            numbers = range(max(class_weights, default=-1) + 1 if known is None else known)
            strange = [one for one in class_weights if one not in numbers]
            if strange:
                raise ValueError(
                    f"class_weights names {strange[0]!r}, and the model's classes are the numbers "
                    f"from 0 to {len(numbers) - 1}."
                )
            class_weights = [class_weights.get(one, 1.0) for one in numbers]
        weights = torch.as_tensor(class_weights, dtype=torch.float32).detach().clone()
        if weights.dim() != 1 or known not in (None, len(weights)):
            what = "class" if known is None else f"of the {known} classes of the model"
            raise ValueError(
                f"class_weights must be one number for each {what}, got shape "
                f"{tuple(weights.shape)}. They are in the order of class numbers."
            )
        bad = ~(weights.isfinite() & (weights >= 0))
        if bad.any():
            raise ValueError(
                f"class_weights must be finite numbers of at least 0, got {weights[bad][0]:g} for "
                f"class {int(bad.int().argmax())}. A class of weight 0 is not learned."
            )
        if not weights.any():
            raise ValueError("class_weights are all 0, so that nothing is learned. Raise some.")
        return weights

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train the model, mixing as ``mixup`` says; arguments and result as of the Trainer."""
        last = args[0] if args else kwargs.get("resume_from_checkpoint")
        if last is True:
            last = get_last_checkpoint(self.args.output_dir)
        # a search for settings trains again and again, each time from a new model and seed
        self._seed()
        self._embeddings = Embeddings(self._given, self.mixup.embeds_every())
        if last and self.train_dataset is not None:
            self._embeddings.load(Path(last), self._count())
        with self._hooks:
            self._hooks.enter_context(self._mixer)
            return super().train(*args, **kwargs)

    def call_model_init(self, trial: Any = None) -> Any:
        """Return a new model of ``model_init``; what mixes in the one before mixes in it."""
        model = super().call_model_init(trial)
        if hasattr(self, "_hooks"):
            self._hooks.close()
            self.model = model
            self._mixer = self._hooks.enter_context(self._make_mixer())
        return model

    def _make_mixer(self) -> HiddenMixup:
        return HiddenMixup(self.model, symmetric=self.mixup.symmetric, **self._places)

    def get_train_dataloader(self) -> Any:
        """Return the loader of whole training batches, packed as [anchors, partners]."""
        if self.train_dataset is None:
            raise ValueError("MixupTrainer: training requires a train_dataset.")
        dataset, collate = self._train_rows("Training")
        loader = torch.utils.data.DataLoader(
            dataset,
            batch_sampler=_EpochPairs(
                self,
                self._partners,
                # halved where memory ran out, it may have become odd
                max(2, self._train_batch_size // 2 * 2)
                if self.args.auto_find_batch_size
                else self._train_batch_size,
                X=self._count(),
                symmetric=self.mixup.symmetric,
                drop_last=self.args.dataloader_drop_last,
                lengths=self._lengths() if self._by_length else None,
                random_state=self._order.generator(TrainKey.PARTNERS),
            ),
            collate_fn=collate,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers,
            prefetch_factor=self.args.dataloader_prefetch_factor,
        )
        return self.accelerator.prepare(loader)

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the loss of a batch: of mixed rows in training, the model's own otherwise."""
        batch = dict(inputs)
        counts = batch.pop(COUNTS, None)
        if not model.training and self._class_weights is None and counts is None:
            return super().compute_loss(model, batch, return_outputs=return_outputs)
        labels = _targets(batch.pop("labels", None))
        _check_counts(counts, labels)
        step = self._training_loss if model.training else self._plain_loss
        loss, outputs = step(model, batch, labels, counts)
        if not model.training and isinstance(outputs, torch.Tensor):
            outputs = (loss, outputs)  # as the Trainer reads them: the loss comes first
        return (loss, outputs) if return_outputs else loss

    def _training_loss(
        self,
        model: Any,
        batch: dict[str, Any],
        labels: torch.Tensor,
        counts: torch.Tensor | None,
    ) -> tuple[Any, Any]:
        """Return the loss of a batch that is mixed, or not, and what the model says of it."""
        half = len(labels) // 2
        done = self.state.global_step / max(self.state.max_steps, 1)
        epoch = int((self.state.epoch or 0.0) + 1e-9)
        drawn = self.mixup.draw(epoch, self._mixer.n_layers, half, self._generator(), done)
        plain, own, of_plain = batch, labels, counts
        if not self.mixup.symmetric:  # partners are there to be mixed with
            own, of_plain = labels[:half], None if counts is None else counts[:half]
            plain = {
                name: value[:half] if isinstance(value, torch.Tensor) else value
                for name, value in batch.items()
            }
        if drawn is None:
            loss, outputs = self._plain_loss(model, plain, own, of_plain)
            self._note(mixup_share=0.0)
            if self.compute_loss_func is None and not own.is_floating_point():
                logits = _logits(outputs).detach()
                if logits.shape[-1] > 1:
                    self._note(plain_accuracy=(logits.argmax(-1) == own).float().mean())
            return loss, outputs
        layer, weights = drawn
        lam = torch.from_numpy(weights).float().to(labels.device)
        clean = self.mixup.clean_weight
        # first, since with checkpointing the backward pass of a mixed call must come next
        beside = self._plain_loss(model, plain, own, of_plain)[0] if clean else 0.0
        outputs = self._mixer(batch, lam=lam, layer=layer, through=model)
        if self.mixup.symmetric:
            lam = torch.cat([lam, lam])
        # rows are [anchors, partners]: half a turn gives each row its partner
        other = labels.roll(half, 0)[: len(own)]
        both = None
        if counts is not None:
            both = torch.stack([counts, counts.roll(half)], 1)[: len(own)]
        loss = self._loss(outputs, MixedTarget(own, other, lam, both))
        self._note(mixup_share=1.0, mixup_layer=float(layer), mixup_lam=float(weights.mean()))
        return clean * beside + (1 - clean) * loss, outputs

    def _plain_loss(
        self, model: Any, batch: Any, labels: torch.Tensor, counts: torch.Tensor | None
    ) -> tuple[Any, Any]:
        """Return the loss of rows as they are, and what the model says of them."""
        outputs = model(**batch)
        ones = torch.ones(len(labels), device=labels.device)
        both = None if counts is None else torch.stack([counts, counts], 1)
        return self._loss(outputs, MixedTarget(labels, labels, ones, both)), outputs

    def _loss(self, outputs: Any, target: MixedTarget) -> torch.Tensor:
        if self.compute_loss_func is not None:
            func = self.compute_loss_func
            return target.loss(outputs, lambda out, y: func(out, y, num_items_in_batch=None))
        logits = _logits(outputs)
        width = logits.shape[-1]
        # a look at values waits for the device: elsewhere the first batch alone is looked at
        looked = logits.device.type == "cpu" or not self.state.global_step
        if target.is_classes and width > 1:
            if looked:
                check_values(target.labels, width)
                check_values(target.partners, width)
            return self._class_loss(logits, target)
        if self._class_weights is not None:
            raise ValueError("class_weights go with class numbers, and labels are others.")
        ends = target.labels.float(), target.partners.float()
        told = logits.squeeze(-1) if ends[0].dim() == 1 and width == 1 else logits
        if told.shape != ends[0].shape:
            raise ValueError(
                f"labels of shape {tuple(ends[0].shape)} and type {target.labels.dtype} do not fit "
                f"outputs of shape {tuple(logits.shape)}. Give int64 class numbers, one float for "
                "a model of one output, or as many floats as there are outputs."
            )
        if looked:
            check_values(ends[0])
        config = getattr(self.model, "config", None)
        numbers = width == 1 or getattr(config, "problem_type", None) == "regression"
        fn = mse_loss if numbers else with_logits
        floats = MixedTarget(*ends, target.lam, target.sample_weight)
        return floats.loss(told, fn, clip=not numbers, reduction="none")

    def _class_loss(self, logits: torch.Tensor, target: MixedTarget) -> torch.Tensor:
        smooth = float(self.args.label_smoothing_factor)
        if self._class_weights is None:
            return target.loss(logits, label_smoothing=smooth)
        weight = self._class_weights.to(logits.device)
        of_classes = torch.stack([weight[target.labels], weight[target.partners]], 1)
        rows = torch.ones_like(of_classes) if target.sample_weight is None else target.sample_weight
        loss = replace(target, sample_weight=rows).loss(
            logits, weight=weight, label_smoothing=smooth
        )
        # the mean is over weights of classes too, as torch's
        lam = target.lam.clamp(0.0, 1.0)
        counts = torch.stack([lam, 1 - lam], 1) * rows
        return loss * counts.sum() / (counts * of_classes).sum().clamp(min=1e-12)

    def prediction_step(self, model: Any, inputs: Mapping[str, Any], *args: Any, **kw: Any) -> Any:
        """Evaluate a batch; without labels there is no loss for ``sample_weight`` to weigh."""
        names = self.label_names
        if not names or any(inputs.get(name) is None for name in names):
            inputs = {name: one for name, one in inputs.items() if name != COUNTS}
        return super().prediction_step(model, inputs, *args, **kw)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, with what mixing did since the last log."""
        if "loss" in logs:
            for name, values in self._seen.items():
                logs[name] = round(float(sum(values) / len(values)), 6)
            if self._distance is not None and "mixup_layer" in self._seen:
                logs["mixup_distance"] = self._distance
            if self._seen:
                logs["mixup_unseen"] = round(self._unseen, 6)
            self._seen = {}
        super().log(logs, *args, **kwargs)

    def training_accuracy(self) -> float:
        """Return the accuracy on all training rows as they are, unmixed, without dropout."""
        return self._accuracy(np.arange(self._count()))

    def _watched(self) -> Array:
        """Return the rows whose accuracy is logged: the same after each epoch."""
        n_rows, wanted = self._count(), self._accuracy_rows
        if wanted is None:
            wanted = int(np.clip(n_rows // 8, *_WATCHED_ROWS))
        return np.sort(self._seeds.generator(TrainKey.WATCHED).permutation(n_rows)[:wanted])

    def _accuracy(self, chosen: Array) -> float:
        def right(batch: dict[str, Any]) -> float:
            labels = batch.pop("labels")
            logits = _logits(self.model(**batch))
            if logits.shape[-1] == 1 or labels.dim() != 1:
                return math.nan
            return float((logits.argmax(-1) == labels).sum())

        # numbers of its own: a look must not change what dropout draws afterwards
        return float(sum(self._look(chosen, right, torch.Generator())) / len(chosen))

    # pairs

    def _partners(self, epoch: int) -> Array | None:
        """Return partners of an epoch, or None where it mixes nothing."""
        if epoch < self.mixup.warmup_epochs or self.mixup.where == "none":
            return None
        pairing = self.mixup.pairing
        X: Any = self._count()
        if pairing.needs_points:
            if self._embeddings.due(epoch):
                self._embeddings.put(self._embed(), epoch)
            X = self._embeddings.rows
        rng = self._order.generator(TrainKey.PARTNERS, epoch)
        partners = draw_partners(pairing, X, self.mixup.symmetric, rng)
        if self._embeddings.rows is not None:
            try:
                self._distance = float(pairing.distances(self._embeddings.rows, partners).mean())
            except ValueError:  # a pairing that had no need to measure takes rows that cannot be
                self._distance = None
        return partners

    def _embed(self) -> Array:
        """Return the mean of the last hidden states of each training row, in order."""
        encoder = self._mixer.encoder
        if encoder is None:
            raise ValueError(
                "The pairing looks at embeddings, and no encoder was found to make them. Pass "
                "embeddings=, or name the encoder with encoder=."
            )

        def pooled(batch: dict[str, Any]) -> Array:
            batch.pop("labels", None)
            h = encoder(**batch)[0]  # (B, T, H)
            mask = batch.get("attention_mask", torch.ones(h.shape[:2], device=h.device))
            if mask.shape != h.shape[:2]:  # of samples of sound, a frame holds some hundred
                mask = encoder._get_feature_vector_attention_mask(h.shape[1], mask)
            rows: Array = masked_mean(h, mask).cpu().numpy()
            return rows

        found = np.concatenate(list(self._look(np.arange(self._count()), pooled)))
        if not np.isfinite(found).all():
            raise ValueError(
                "The model's embeddings hold NaN or infinity: training has diverged. Lower the "
                "learning rate, or use float32."
            )
        return found

    def _look(
        self,
        chosen: Array,
        use: Callable[[dict[str, Any]], Any],
        generator: torch.Generator | None = None,
    ) -> Iterator[Any]:
        """Yield what is made of batches of training rows, without dropout and gradients."""
        dataset, collate = self._train_rows("Reading")
        loader = torch.utils.data.DataLoader(
            dataset,
            batch_size=self.args.eval_batch_size,
            sampler=chosen.tolist(),
            collate_fn=collate,
            generator=generator,
        )
        was_training = self.model.training
        self.model.eval()
        try:
            for batch in loader:
                inputs = self._prepare_inputs(dict(batch))
                inputs.pop(COUNTS, None)
                with torch.no_grad(), self.compute_loss_context_manager():
                    found = use(dict(inputs))
                yield found
        finally:
            self.model.train(was_training)

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if COUNTS not in self._signature_columns:
            self._signature_columns.append(COUNTS)

    def _train_rows(self, what: str) -> tuple[Any, Any]:
        """Return the training set and what makes batches of it, without columns of no use."""
        if hasattr(self.train_dataset, "column_names"):
            return self._remove_unused_columns(self.train_dataset, what), self.data_collator
        return self.train_dataset, self._get_collator_with_removed_columns(self.data_collator, what)

    def _lengths(self) -> Array:
        """Return the length of each training row, as told or of its tokens."""
        rows, told = self.train_dataset, self.args.length_column_name
        if told in getattr(rows, "column_names", ()):
            return np.asarray(rows[told])
        names = getattr(self.processing_class, "model_input_names", None) or ["input_ids"]
        try:
            return np.array([len(rows[at][names[0]]) for at in range(self._count())])
        except (TypeError, KeyError, IndexError):
            raise ValueError(
                f"group_by_length needs rows with {names[0]!r}, whose length is taken, or a column "
                f"{told!r} (length_column_name)."
            ) from None

    def _count(self) -> int:
        try:
            return len(self.train_dataset)
        except TypeError:
            raise ValueError(
                "MixupTrainer needs a training set with a length: partners are drawn from all "
                "of its rows. Read the stream into memory first."
            ) from None

    def _generator(self) -> np.random.Generator:
        """Return the numbers of this step, on this process: the same after resuming."""
        step = self.state.global_step
        self._turn = (step, self._turn[1] + 1 if self._turn[0] == step else 0)
        return self._seeds.generator(TrainKey.STEPS, *self._turn, self.args.process_index)

    def _note(self, **values: Any) -> None:
        for name, value in values.items():
            self._seen.setdefault(name, []).append(value)


class _EpochPairs(PairBatchSampler):
    """Pairs of the epoch that the trainer is in, however the loader has been wrapped."""

    def __init__(self, trainer: MixupTrainer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trainer = trainer

    def __iter__(self) -> Iterator[list[int]]:
        self.set_epoch(int((self._trainer.state.epoch or 0.0) + 1e-9))
        batches = list(super().__iter__())
        seen: Any = np.unique(np.concatenate(batches)) if batches else ()
        self._trainer._unseen = 1 - len(seen) / self.n_rows
        yield from batches


class _EachEpoch(TrainerCallback):  # type: ignore[misc]  # typed as Any here
    """After each epoch, the accuracy of some rows as they are; in checkpoints, embeddings."""

    def __init__(self, trainer: MixupTrainer) -> None:
        self._trainer = trainer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        watched = self._trainer._watched()
        if len(watched):
            due = control.should_log  # the loss is logged next, and a log takes the mark away
            accuracy = self._trainer._accuracy(watched)
            if math.isfinite(accuracy):  # numbers and lists of labels have none
                self._trainer.log({"train_accuracy": round(accuracy, 6)})
            control.should_log = due

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if args.should_save and folder.is_dir():
            self._trainer._embeddings.save(folder)


def _check_counts(counts: Any, labels: torch.Tensor) -> None:
    if counts is None or counts.device.type != "cpu":  # elsewhere a look would wait
        return
    if counts.shape != labels.shape[:1] or not bool((counts.isfinite() & (counts >= 0)).all()):
        raise ValueError(
            "sample_weight must be one finite number of at least 0 for each row, got "
            f"{counts.tolist()[:4]} in a batch of {len(labels)}."
        )


def _targets(labels: Any) -> torch.Tensor:
    """Return labels as class numbers or floats."""
    if not isinstance(labels, torch.Tensor) or labels.dim() not in (1, 2):
        raise ValueError(
            "Training rows must have one class number, number or list of labels each under "
            f"'labels', got {type(labels).__name__} of shape {tuple(getattr(labels, 'shape', ()))}."
        )
    return labels.float() if labels.dim() == 2 else labels


def _logits(outputs: Any) -> torch.Tensor:
    if isinstance(outputs, torch.Tensor):
        return outputs
    logits = getattr(outputs, "logits", None)
    if not isinstance(logits, torch.Tensor):
        raise ValueError(
            f"The model returned {type(outputs).__name__} without logits. Use a model with a "
            "classification head, such as AutoModelForSequenceClassification."
        )
    return logits
