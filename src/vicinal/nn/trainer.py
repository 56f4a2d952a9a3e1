"""Mixup in the Hugging Face Trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedModel, Trainer, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from vicinal._checks import check_count
from vicinal._points import which_rows
from vicinal._random import Seeds, TrainKey
from vicinal.nn._embeddings import Embeddings
from vicinal.nn.batches import PairBatchSampler
from vicinal.nn.config import MixupConfig
from vicinal.nn.hidden import HiddenMixup
from vicinal.nn.loss import soft_cross_entropy
from vicinal.nn.pooling import masked_mean
from vicinal.pairing import Pairing

__all__ = ["MixupTrainer"]

#: Rows whose accuracy is taken after each epoch: an eighth of all, within these limits, so that
#: it costs a twentieth of the time or so.
_WATCHED_ROWS = 64, 512


class MixupTrainer(Trainer):  # type: ignore[misc]  # typed as Any here
    """A :class:`transformers.Trainer` that mixes hidden states of pairs of rows.

    Batches are packed as [anchors, partners], partners are drawn anew for each epoch, and the
    loss is the cross-entropy against mixed labels. Evaluation and prediction mix nothing. Several
    processes, resuming, logging and callbacks work as in the Trainer.

    Parameters
    ----------
    *args : object
        As of the Trainer.
    mixup : MixupConfig, optional
        Who mixes, where and when; ``MixupConfig()`` where left out.
    embeddings : array_like of shape (n_rows, n_features), optional
        One row for each training row, for a pairing that looks at rows. Left out, the model
        itself embeds them (mean of the last hidden states) before training and every
        ``mixup.refresh`` epochs; checkpoints keep what it made.
    class_weights : array_like of shape (n_classes,), optional
        Weight of each class in the training loss.
    accuracy_rows : int, optional
        Training rows, drawn once, whose accuracy is taken after each epoch; 0 for none. Left
        out, an eighth of them, from 64 to 512.
    layers, encoder, head : str, optional
        Where the model keeps its parts, as of :class:`HiddenMixup`.
    **kwargs : object
        As of the Trainer. ``per_device_train_batch_size`` must be even.

    Attributes
    ----------
    mixup : MixupConfig
        Who mixes, where and when.

    Raises
    ------
    ValueError
        If the model's layers are not found, it is to be compiled as a whole, embeddings do not
        fit the training data or are not finite, class weights do not fit the model, or batches
        are to be split over devices or processes.

    Notes
    -----
    Logged beside the loss, as means since the last log: ``mixup_layer``, ``mixup_lam``,
    ``mixup_share`` (of steps that mixed) and ``plain_accuracy`` of training rows in steps that did
    not mix. ``mixup_distance``, where there are embeddings, is the mean over all rows and their
    partners of the epoch, by the pairing's own metric and where it places them (see
    ``Farthest.distances``), or else Euclidean. Accuracy on mixed rows would mean little:
    ``train_accuracy``, logged after each epoch, is that of some training rows as they are,
    without dropout, and :meth:`training_accuracy` that of all.
    """

    # the loss is a mean over rows; the Trainer divides by accumulated steps
    loss_is_scaled_for_ga = False

    def __init__(
        self,
        *args: Any,
        mixup: MixupConfig | None = None,
        embeddings: npt.ArrayLike | None = None,
        class_weights: npt.ArrayLike | None = None,
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
                "torch_compile=True compiles the whole model, which leaves hooks out. Set it to "
                "False, and compile each layer's forward: layer.forward = torch.compile("
                "layer.forward)."
            )
        if self.accelerator.split_batches:
            raise ValueError(
                "split_batches=True cuts a batch between processes, which takes pairs apart. "
                "Leave it out of accelerator_config: each process then gets whole batches."
            )
        if self.args.n_gpu > 1:
            raise ValueError(
                f"{self.args.n_gpu} devices in one process scatter the rows of a pair. Start one "
                "process for each with torchrun, or make one visible (CUDA_VISIBLE_DEVICES=0)."
            )
        self._mixer = HiddenMixup(
            self.model, layers, encoder=encoder, head=head, symmetric=self.mixup.symmetric
        )
        self.mixup.choices(self._mixer.n_layers)  # says now if a layer does not exist
        self._seeds = Seeds(self.args.seed)
        self._by_rows = self.mixup.pairing.needs_points
        self._embeddings = Embeddings(embeddings, self.mixup.embeds_every())
        rows = self._count() if self.train_dataset is not None else None
        self._check_embeddings(rows)
        if accuracy_rows is not None:
            check_count("accuracy_rows", accuracy_rows, low=0)
        self._accuracy_rows = accuracy_rows
        self._class_weights = None if class_weights is None else self._weights_of(class_weights)
        self._seen: dict[str, list[float]] = {}
        self._distance: float | None = None
        self._turn = (-1, 0)
        self.add_callback(_EachEpoch(self))

    def _check_embeddings(self, n_rows: int | None) -> None:
        rows = self._embeddings.rows
        if rows is None:
            return
        if n_rows not in (None, len(rows)):
            raise ValueError(
                f"embeddings must have one row for each of the {n_rows} training rows, got "
                f"{len(rows)}."
            )
        if not np.isfinite(rows).all():
            raise ValueError(
                f"embeddings hold NaN or infinity in {which_rows(~np.isfinite(rows))}. Fill or "
                "drop those rows first."
            )

    def _weights_of(self, class_weights: npt.ArrayLike) -> torch.Tensor:
        """Return the weights of classes, one for each that the model knows."""
        weights = torch.as_tensor(class_weights, dtype=torch.float32).detach().clone()
        # of another module, what its encoder's configuration says is not what its head has
        pretrained = isinstance(self.model, PreTrainedModel)
        known = getattr(self.model.config, "num_labels", None) if pretrained else None
        if weights.dim() != 1 or known not in (None, len(weights)):
            raise ValueError(
                "class_weights must be one number for each "
                f"{'class' if known is None else f'of the {known} classes of the model'}, got "
                f"shape {tuple(weights.shape)}. They are in the order of class numbers."
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
        """Train the model, mixing as ``mixup`` says.

        Parameters
        ----------
        *args, **kwargs : object
            As of the Trainer.

        Returns
        -------
        transformers.trainer_utils.TrainOutput
            As of the Trainer.
        """
        last = args[0] if args else kwargs.get("resume_from_checkpoint")
        if last is True:
            last = get_last_checkpoint(self.args.output_dir)
        if last and self.train_dataset is not None:
            self._embeddings.load(Path(last), self._count())
        with self._mixer:
            return super().train(*args, **kwargs)

    def get_train_dataloader(self) -> Any:
        """Return the loader of training batches, packed as [anchors, partners].

        Returns
        -------
        torch.utils.data.DataLoader
            Prepared for the processes at hand: each gets whole batches.
        """
        if self.train_dataset is None:
            raise ValueError("MixupTrainer: training requires a train_dataset.")
        dataset, collate = self._train_rows("Training")
        loader = torch.utils.data.DataLoader(
            dataset,
            batch_sampler=_EpochPairs(
                self,
                self._partners,
                self._train_batch_size,
                rows=self._count(),
                symmetric=self.mixup.symmetric,
                drop_last=self.args.dataloader_drop_last,
                random_state=self._seeds.generator(TrainKey.PARTNERS),
            ),
            collate_fn=collate,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers,
        )
        return self.accelerator.prepare(loader)

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the loss of a batch: of mixed rows in training, the model's own otherwise.

        Parameters
        ----------
        model : torch.nn.Module
            The model, or its wrapper.
        inputs : mapping
            A batch with "labels".
        return_outputs : bool, default False
            Whether to return the model's output as well.
        num_items_in_batch : object, optional
            Not used: the loss is a mean over rows.

        Returns
        -------
        torch.Tensor or tuple
            Loss, and the output if asked for.
        """
        if not model.training:
            return super().compute_loss(model, dict(inputs), return_outputs=return_outputs)
        batch = dict(inputs)
        labels = batch.pop("labels", None)
        if not isinstance(labels, torch.Tensor) or labels.dim() != 1 or labels.is_floating_point():
            raise ValueError(
                "Training rows must have one class number each under 'labels'. Multi-label and "
                "regression targets are not mixed."
            )
        half = len(labels) // 2
        drawn = self.mixup.draw(
            int((self.state.epoch or 0.0) + 1e-9), self._mixer.n_layers, half, self._generator()
        )
        if drawn is None:
            if not self.mixup.symmetric:  # partners are there to be mixed with
                batch = {
                    name: value[:half] if isinstance(value, torch.Tensor) else value
                    for name, value in batch.items()
                }
                labels = labels[:half]
            outputs = model(**batch)
            logits = _logits(outputs)
            loss = self._loss(logits, labels, labels, 1.0)
            right = logits.detach().argmax(-1) == labels
            self._note(mixup_share=0.0, plain_accuracy=right.float().mean())
        else:
            layer, weights = drawn
            lam = torch.from_numpy(weights).float().to(labels.device)
            outputs = self._mixer(batch, lam=lam, layer=layer, through=model)
            logits = _logits(outputs)
            own, other = labels[:half], labels[half:]
            if self.mixup.symmetric:
                own, other = labels, torch.cat([other, own])
                lam = torch.cat([lam, lam])
            loss = self._loss(logits, own, other, lam)
            self._note(mixup_share=1.0, mixup_layer=float(layer), mixup_lam=float(weights.mean()))
        return (loss, outputs) if return_outputs else loss

    def _loss(
        self, logits: torch.Tensor, own: torch.Tensor, other: torch.Tensor, lam: Any
    ) -> torch.Tensor:
        weight = self._class_weights
        return soft_cross_entropy(
            logits,
            own,
            other,
            lam,
            None if weight is None else weight.to(logits.device),
            float(self.args.label_smoothing_factor),
        )

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log, with what mixing did since the last log.

        Parameters
        ----------
        logs : dict
            What to log.
        *args, **kwargs : object
            As of the Trainer.
        """
        if "loss" in logs:
            for name, values in self._seen.items():
                logs[name] = round(float(sum(values) / len(values)), 6)
            if self._distance is not None and "mixup_layer" in self._seen:
                logs["mixup_distance"] = self._distance
            self._seen = {}
        super().log(logs, *args, **kwargs)

    def training_accuracy(self) -> float:
        """Return the accuracy on training rows as they are, unmixed, without dropout.

        Returns
        -------
        float
            Share of rows whose class has the highest score.
        """
        return self._accuracy(np.arange(self._count()))

    def _watched(self) -> npt.NDArray[Any]:
        """Return the rows whose accuracy is logged: the same after each epoch."""
        n_rows, (low, high) = self._count(), _WATCHED_ROWS
        wanted = self._accuracy_rows
        if wanted is None:
            wanted = min(max(n_rows // 8, low), high)
        drawn = self._seeds.generator(TrainKey.WATCHED).permutation(n_rows)[:wanted]
        return np.sort(drawn)

    def _accuracy(self, chosen: npt.NDArray[Any]) -> float:
        def right(batch: dict[str, Any]) -> int:
            labels = batch.pop("labels")
            return int((_logits(self.model(**batch)).argmax(-1) == labels).sum())

        # numbers of its own: a look must not change what dropout draws afterwards
        return float(sum(self._look(chosen, right, torch.Generator())) / len(chosen))

    # pairs

    def _partners(self, epoch: int) -> npt.NDArray[Any] | None:
        """Return partners of an epoch, or None where it mixes nothing."""
        if epoch < self.mixup.warmup_epochs or self.mixup.where == "none":
            return None
        rows: int | npt.NDArray[Any] = self._count()
        if self._by_rows:
            rows = self._refreshed(epoch)
        partners = self.mixup.pairing.pair(
            rows, random_state=self._seeds.generator(TrainKey.PARTNERS, epoch)
        )
        points = self._embeddings.rows
        if points is not None:
            self._distance = _mean_distance(self.mixup.pairing, points, partners)
        return partners

    def _refreshed(self, epoch: int) -> npt.NDArray[Any]:
        """Return embeddings of the training rows, by the model where they are due."""
        if self._embeddings.due(epoch):
            self._embeddings.put(self._embed(), epoch)
        rows: Any = self._embeddings.rows
        return np.asarray(rows)

    def _embed(self) -> npt.NDArray[Any]:
        """Return the mean of the last hidden states of each training row, in order."""
        encoder = self._mixer.encoder
        if encoder is None:
            raise ValueError(
                "The pairing looks at embeddings, and no encoder was found to make them. Pass "
                "embeddings=, or name the encoder with encoder=."
            )

        def pooled(batch: dict[str, Any]) -> npt.NDArray[Any]:
            batch.pop("labels", None)
            h = encoder(**batch)[0]  # (B, T, H)
            mask = batch.get("attention_mask")
            mean = h.float().mean(1) if mask is None else masked_mean(h, mask)
            rows: npt.NDArray[Any] = mean.cpu().numpy()
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
        chosen: npt.NDArray[Any],
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
                with torch.no_grad(), self.compute_loss_context_manager():
                    found = use(dict(inputs))
                yield found
        finally:
            self.model.train(was_training)

    def _train_rows(self, what: str) -> tuple[Any, Any]:
        """Return the training set and what makes batches of it, without columns of no use."""
        if hasattr(self.train_dataset, "column_names"):
            return self._remove_unused_columns(self.train_dataset, what), self.data_collator
        return self.train_dataset, self._get_collator_with_removed_columns(self.data_collator, what)

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


def _mean_distance(
    pairing: Pairing, points: npt.NDArray[Any], partners: npt.NDArray[Any]
) -> float | None:
    """Return how far partners are apart, by the pairing's own distance where it has one."""
    try:
        return float(pairing.distances(points, partners).mean())
    except ValueError:  # a pairing that had no need to measure takes rows that cannot be
        return None


class _EpochPairs(PairBatchSampler):
    """Pairs of the epoch that the trainer is in, however the loader has been wrapped."""

    def __init__(self, trainer: MixupTrainer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trainer = trainer

    def __iter__(self) -> Iterator[list[int]]:
        self.set_epoch(int((self._trainer.state.epoch or 0.0) + 1e-9))
        yield from super().__iter__()


class _EachEpoch(TrainerCallback):  # type: ignore[misc]  # typed as Any here
    """After each epoch, the accuracy of some rows as they are; in checkpoints, embeddings."""

    def __init__(self, trainer: MixupTrainer) -> None:
        self._trainer = trainer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        watched = self._trainer._watched()
        if len(watched):
            due = control.should_log  # the loss is logged next, and a log takes the mark away
            self._trainer.log({"train_accuracy": round(self._trainer._accuracy(watched), 6)})
            control.should_log = due

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if args.should_save and folder.is_dir():
            self._trainer._embeddings.save(folder)


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
