"""A text classifier that mixes while it trains."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from vicinal._calibration import fit_temperature
from vicinal._checks import check_choice, check_count, check_number
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import ClassifierKey, RandomState, Seeds
from vicinal._types import Array, Floats, Floats32
from vicinal.text.classifier.presets import preset
from vicinal.text.classifier.splitting import split_rows
from vicinal.text.encoder import Encoder, check_texts, in_bfloat16
from vicinal.text.labels import check_classes, class_numbers, warn_of_empty
from vicinal.text.models import check_installed
from vicinal.weights import WeightLaw

if TYPE_CHECKING:
    from vicinal.nn import MixupConfig
    from vicinal.text.classifier.backbones import Backbone

#: Rows of a batch that nothing is learned from.
_READ = 64


class MixupTextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # typed as Any here
    """Fine-tune a text encoder on a few hundred labelled texts, mixing them as it learns.

    Parameters
    ----------
    model : str or path, default "offline"
        A Hugging Face model (folder or hub name, encoder or decoder); "offline" for
        all-MiniLM-L6-v2 (English; extra ``vicinal[offline]``); or "char" for a small network over
        hashed pieces of words, trained from nothing, for languages without a checkpoint.
    method : {"dmix", "hidden", "sentence", "input", "none"}, default "dmix"
        Mix with a far partner at a random layer; with any partner at a random layer, at the
        pooled sentence or at the input; or not at all.
    tau : float, default 0.5
        With "dmix": share of the texts, the farthest, that a partner is drawn from.
    metric : {"hyperbolic", "euclidean", "cosine", "stereographic"}, default "hyperbolic"
        With "dmix": the distance.
    weights : WeightLaw, optional
        Law of mixing weights; ``Beta(0.4)`` where left out.
    warmup_epochs : int, optional
        Epochs at the beginning that do not mix, fewer than ``epochs``. Left out, 1, or 0 for
        "char" and with one epoch.
    probability : float, default 1.0
        Share of steps that mix.
    refresh : int, default 1
        Epochs between two embeddings of the texts by the model itself; 0 embeds once.
    mixup : vicinal.nn.MixupConfig, optional
        A whole configuration, in place of ``method`` and the six above.
    embedder : str or path, optional
        As of :class:`vicinal.text.Encoder`: embeds the texts once, in place of the model itself.
    epochs : int or "auto", default 6
        Passes over the texts. "auto" puts a share of the texts aside and measures their log loss
        after each of at most 20 epochs; it ends after four without gain, with the best weights.
    validation : float, default 0.2
        That share, in the proportions of the classes, where ``epochs`` or ``calibrate`` asks for
        it; the classifier does not learn from these texts.
    calibrate : {"temperature"}, optional
        Scale probabilities by one temperature, the best for the texts put aside.
    unknown : {"across"}, optional
        Learn what is of no class from mixtures of texts of different classes, for
        :meth:`unknown_proba`: a logistic regression on the pooled states knows them as one class
        more.
    batch_size : int, default 16
        Texts in a step, even.
    learning_rate : float, optional
        Highest rate; 1e-4 for a trained model and 1e-3 for "char" where left out.
    warmup_share : float, default 0.1
        Share of the steps in which the rate rises from 0; it falls to 0 afterwards.
    weight_decay : float, default 0.01
        Of AdamW.
    max_tokens : int, default 128
        Longer texts are cut.
    pooling : {"auto", "mean", "model"}, default "auto"
        Mean of the last states and a linear head, or the model's own classification head. "auto"
        takes the mean for sentence-transformers models.
    class_weight : {"balanced"} or mapping of class to float, optional
        Weigh classes in the loss, by the inverse of their share or as given; 1 where not named.
    dtype : {"auto", "float32", "bfloat16"}, default "auto"
        Arithmetic; "auto" takes bfloat16 where the processor multiplies it.
    device : str, optional
        "cpu", or the fastest there is where left out.
    random_state : int, numpy.random.Generator or None
        Seed. The same seed gives the same classifier on one machine and number of threads.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    mixup_ : vicinal.nn.MixupConfig
        What was trained with.
    history_ : list of dict
        For each epoch what :class:`vicinal.nn.MixupTrainer` logs: the loss, what was mixed, and
        the accuracy of some training texts, unmixed ("train_accuracy"); with ``epochs="auto"``
        also "validation_log_loss".
    epochs_ : int
        Passes over the texts after which the weights are those that were kept.
    temperature_ : float
        What scores are divided by; 1 without ``calibrate``.

    Warns
    -----
    UserWarning
        Where a class has one text only, or texts are empty.

    Notes
    -----
    Partners are chosen anew for each epoch, by embeddings that are not normalized: under one norm
    hyperbolic, Euclidean and cosine distances order pairs alike.

    References
    ----------
    Sawhney et al., "DMix: Adaptive Distance-aware Interpolative Mixup", ACL 2022. Verma et al.,
    "Manifold Mixup: Better Representations by Interpolating Hidden States", ICML 2019.

    Examples
    --------
    >>> texts = ["good film", "a good cast", "fine and good", "bad film", "a bad cast", "so bad"]
    >>> labels = ["yes", "yes", "yes", "no", "no", "no"]
    >>> model = MixupTextClassifier("char", method="hidden", epochs=2, random_state=0)
    >>> model.fit(texts, labels).predict_proba(["a good one"]).shape
    (1, 2)
    """

    classes_: Array
    mixup_: MixupConfig
    history_: list[dict[str, float]]
    epochs_: int
    temperature_: float

    def __init__(
        self,
        model: str | PathLike[str] = "offline",
        method: str = "dmix",
        *,
        tau: float = 0.5,
        metric: str = "hyperbolic",
        weights: WeightLaw | None = None,
        warmup_epochs: int | None = None,
        probability: float = 1.0,
        refresh: int = 1,
        mixup: MixupConfig | None = None,
        embedder: str | PathLike[str] | None = None,
        epochs: int | str = 6,
        validation: float = 0.2,
        calibrate: str | None = None,
        unknown: str | None = None,
        batch_size: int = 16,
        learning_rate: float | None = None,
        warmup_share: float = 0.1,
        weight_decay: float = 0.01,
        max_tokens: int = 128,
        pooling: str = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        dtype: str = "auto",
        device: str | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.model = model
        self.method = method
        self.tau = tau
        self.metric = metric
        self.weights = weights
        self.warmup_epochs = warmup_epochs
        self.probability = probability
        self.refresh = refresh
        self.mixup = mixup
        self.embedder = embedder
        self.epochs = epochs
        self.validation = validation
        self.calibrate = calibrate
        self.unknown = unknown
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.warmup_share = warmup_share
        self.weight_decay = weight_decay
        self.max_tokens = max_tokens
        self.pooling = pooling
        self.class_weight = class_weight
        self.dtype = dtype
        self.device = device
        self.random_state = random_state

    # training

    def fit(
        self,
        texts: Sequence[str],
        labels: Iterable[Any],
        *,
        sample_weight: npt.ArrayLike | None = None,
        progress: bool | ProgressCallback = False,
    ) -> MixupTextClassifier:
        """Train on labelled texts.

        Parameters
        ----------
        texts : sequence of str
            At least two. Longer ones than ``max_tokens`` are cut.
        labels : sequence of str, int or bool
            One class for each text.
        sample_weight : array_like of shape (n_texts,), optional
            How much each text counts in the loss; the same where left out.
        progress : bool or ProgressCallback, default False
            Whether to show a bar, or what to tell of each step.

        Returns
        -------
        MixupTextClassifier
            Itself.

        Raises
        ------
        ValueError, TypeError, OSError, ImportError
            If texts, labels, settings or the model are not what they should be, or not there.
        """
        check_installed()
        if hasattr(self, "epochs_"):
            del self.epochs_  # not fitted until the end
        mixup = self._checked_mixup()
        if mixup.where != "none" and mixup.warmup_epochs >= self._most_epochs:
            raise ValueError(
                f"warmup_epochs must be below epochs ({self._most_epochs}), or nothing is ever "
                f"mixed: got {mixup.warmup_epochs}. Lower it, or train with method='none'."
            )
        texts = check_texts(texts, utf8=False)
        classes, numbers = check_classes(labels, len(texts))
        warn_of_empty(texts)
        seeds = Seeds(self.random_state)
        counts = _counts(sample_weight, len(texts))
        left, held = self._put_aside(texts, numbers, seeds)
        aside = [texts[at] for at in held], [numbers[at] for at in held]
        texts, numbers = [texts[at] for at in left], [numbers[at] for at in left]
        from vicinal.nn._training import ProgressReporter, own_randomness
        from vicinal.text.classifier.backbones import backbone_for
        from vicinal.text.classifier.unknown import UnknownHead
        from vicinal.text.classifier.validation import BestEpoch

        backbone = backbone_for(str(self.model), self.max_tokens, self.pooling)
        embeddings = None
        if self.embedder is not None:
            embeddings = Encoder(self.embedder, device=self.device).encode(texts)
        with own_randomness(int(seeds.generator(ClassifierKey.WEIGHTS).integers(2**31))):
            net = backbone.build(len(classes))
            rows = _rows(backbone, texts, numbers, counts, left)
            weights = self._class_weights(classes, numbers)
            trainer = self._trainer(net, backbone, rows, mixup, embeddings, weights, seeds)
            self.classes_, self.mixup_, self.temperature_ = classes, mixup, 1.0
            self._backbone, self._net, self._unknown = backbone, net, None
            best = BestEpoch(net, lambda: self._proba(aside[0]), aside[1])
            if self.epochs == "auto":
                trainer.add_callback(best)
            with reporting(progress) as report:
                trainer.add_callback(ProgressReporter(report))
                trainer.train()
        self.history_ = _by_epoch(trainer.state.log_history)
        self.epochs_ = self._most_epochs
        if self.epochs == "auto":
            best.restore()
            self.epochs_ = best.best
            for one, loss in zip(self.history_, best.losses, strict=False):
                one["validation_log_loss"] = loss
        net.eval()
        if not all(bool(one.isfinite().all()) for one in net.parameters()):
            raise ValueError(
                "Training fell apart: weights are no finite numbers. Lower learning_rate, got "
                f"{trainer.args.learning_rate:g}."
            )
        if self.calibrate:
            self.temperature_ = fit_temperature(self._proba(aside[0]), np.array(aside[1]))
        if self.unknown:
            rng = seeds.generator(ClassifierKey.UNKNOWN)
            self._unknown = UnknownHead.fit(self._states(texts), numbers, rng)
        self.n_features_in_ = 1
        return self

    @property
    def _most_epochs(self) -> int:
        from vicinal.text.classifier.validation import MOST_EPOCHS

        return MOST_EPOCHS if self.epochs == "auto" else int(self.epochs)

    def _put_aside(
        self, texts: list[str], numbers: list[int], seeds: Seeds
    ) -> tuple[list[int], list[int]]:
        """Return the rows to learn from, and those put aside where a setting asks for it."""
        given = (("epochs", self.epochs), ("calibrate", self.calibrate))
        asks = [f"{name}={value!r}" for name, value in given if isinstance(value, str)]
        if not asks:
            return list(range(len(texts))), []
        rng = seeds.generator(ClassifierKey.VALIDATION)
        try:
            left, aside = split_rows(
                texts,
                numbers,
                self.validation,
                random_state=rng,
                remedy="Add texts, or say a number of epochs without calibrate.",
            )
        except ValueError as error:
            raise ValueError(f"{asks[0]} needs texts to validate on. {error}") from error
        if self.embedder is not None:
            raise ValueError(
                f"{asks[0]} puts texts aside, and embedder= embeds them all. Leave one of them out."
            )
        return left, aside

    def _class_weights(self, classes: Array, numbers: Sequence[int]) -> Floats | None:
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, str):
            counts = np.bincount(numbers, minlength=len(classes))
            return len(numbers) / (len(counts) * counts)
        strange = [one for one in self.class_weight if one not in classes.tolist()]
        if strange:
            raise ValueError(f"class_weight names {strange[0]!r}. Classes: {classes.tolist()}.")
        return np.array([self.class_weight.get(one, 1.0) for one in classes.tolist()], float)

    def _checked_mixup(self) -> MixupConfig:
        """Check all settings, and return the configuration."""
        from vicinal.nn.config import MixupConfig

        check_choice("pooling", self.pooling, ["auto", "mean", "model"])
        if not isinstance(self.model, (str, PathLike)):
            raise TypeError(f"model must be a name or a folder, got {self.model!r}.")
        _device_for(self.device)
        check_choice("dtype", self.dtype, ["auto", "float32", "bfloat16"])
        if self.class_weight is not None and not isinstance(self.class_weight, Mapping):
            check_choice("class_weight", self.class_weight, ["balanced"])
        for name, choice in (("calibrate", "temperature"), ("unknown", "across")):
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), [choice])
        if isinstance(self.epochs, str):
            check_choice("epochs", self.epochs, ["auto"])
        else:
            check_count("epochs", self.epochs)
        share = self.validation
        check_number("validation", share, low=0, high=1, open_low=True, open_high=True)
        check_count("max_tokens", self.max_tokens, low=3)
        if check_count("batch_size", self.batch_size, low=2) % 2:
            raise ValueError(
                f"batch_size must be even, to be halved into pairs, got {self.batch_size}."
            )
        if self.learning_rate is not None:
            check_number("learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_number("warmup_share", self.warmup_share, low=0.0, high=1.0)
        check_number("weight_decay", self.weight_decay, low=0.0)
        if self.mixup is None:
            warmup = self.warmup_epochs
            if warmup is None:
                warmup = int(self.model != "char" and self.epochs != 1)
            return preset(
                self.method,
                tau=self.tau,
                metric=self.metric,
                weights=self.weights,
                warmup_epochs=warmup,
                probability=self.probability,
                refresh=self.refresh,
            )
        if not isinstance(self.mixup, MixupConfig):
            raise TypeError(
                f"mixup must be a vicinal.nn.MixupConfig, got {self.mixup!r}. For a method's "
                "name use method=."
            )
        return self.mixup

    def _trainer(
        self,
        net: Any,
        backbone: Backbone,
        rows: list[dict[str, Any]],
        mixup: MixupConfig,
        embeddings: Floats32 | None,
        class_weights: Floats | None,
        seeds: Seeds,
    ) -> Any:
        from transformers import PrinterCallback

        from vicinal.nn._training import training_arguments
        from vicinal.nn.trainer import MixupTrainer

        rate = self.learning_rate
        if rate is None:
            rate = 1e-3 if backbone.kind == "hashed" else 1e-4
        steps = -(-len(rows) // self.batch_size) * self._most_epochs
        device = _device_for(self.device)
        with tempfile.TemporaryDirectory(prefix="vicinal-") as folder:
            args = training_arguments(
                folder,
                device,
                num_train_epochs=self._most_epochs,
                per_device_train_batch_size=self.batch_size,
                per_device_eval_batch_size=_READ,
                learning_rate=rate,
                warmup_steps=int(self.warmup_share * steps),
                weight_decay=self.weight_decay,
                seed=int(seeds.generator(ClassifierKey.TRAINING).integers(2**31)),
                logging_strategy="epoch",
                bf16=in_bfloat16(self.dtype, device),
            )
            trainer = MixupTrainer(
                model=net,
                args=args,
                train_dataset=rows,
                data_collator=backbone.collate,
                mixup=mixup,
                embeddings=embeddings,
                class_weights=class_weights,
            )
        trainer.remove_callback(PrinterCallback)
        return trainer

    # use

    def predict_proba(self, texts: Sequence[str]) -> Floats:
        """Return probabilities (n_texts, n_classes), with columns in the order of ``classes_``."""
        self._check_fitted()
        return self._proba(check_texts(texts, utf8=False))

    def unknown_proba(self, texts: Sequence[str]) -> Floats:
        """Return the probability that a text is of no class that was learned.

        Parameters
        ----------
        texts : sequence of str
            Any number.

        Returns
        -------
        ndarray of shape (n_texts,)
            From 0 to 1. Without ``unknown`` 1 minus the highest probability of a class.
        """
        self._check_fitted()
        texts = check_texts(texts, utf8=False)
        if self._unknown is None or not texts:
            return np.asarray(1 - self._proba(texts).max(axis=1, initial=0.0))
        found: Floats = self._unknown.proba(self._states(texts))
        return found

    def _states(self, texts: Sequence[str]) -> Floats:
        """Return what comes to the head for each text, shape (n_texts, n_features)."""
        from vicinal.text.classifier.unknown import pooled_states

        places: list[int] = []
        with pooled_states(self._net) as found:
            self._proba(texts, places)
        states = np.concatenate(found)
        ordered = np.empty_like(states)
        ordered[places] = states
        return ordered

    def _proba(self, texts: Sequence[str], read: list[int] | None = None) -> Floats:
        """Return probabilities; ``read`` gets the numbers of texts in the order they are read."""
        import torch

        self._net.eval()
        found = np.empty((len(texts), len(self.classes_)))
        rows = self._backbone.rows(texts)
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]["input_ids"]))
        if read is not None:
            read += order
        device = next(self._net.parameters()).device
        halved = in_bfloat16(self.dtype, device.type)
        arithmetic = torch.autocast(device.type, torch.bfloat16) if halved else nullcontext()
        with torch.inference_mode(), arithmetic:
            for begin in range(0, len(order), _READ):
                places = order[begin : begin + _READ]
                batch = self._backbone.collate([rows[at] for at in places])
                on_device = {name: value.to(device) for name, value in batch.items()}
                logits = self._net(**on_device).logits.double()
                found[places] = torch.softmax(logits / self.temperature_, dim=-1).cpu().numpy()
        return found

    def predict(self, texts: Sequence[str]) -> Array:
        """Return the most probable class (n_texts,) of each text, as labels were given."""
        best = self.predict_proba(texts).argmax(axis=1)
        chosen: Array = self.classes_[best]
        return chosen

    def score(
        self, texts: Sequence[str], labels: Iterable[Any], sample_weight: Any = None
    ) -> float:
        """Return the accuracy on texts that were not trained on, each of which may have a weight.

        Raises
        ------
        ValueError
            If there is not one label for each text, or a class was not trained on.
        """
        self._check_fitted()
        texts = check_texts(texts, utf8=False)
        wanted = class_numbers(labels, self.classes_, "labels")
        if len(wanted) != len(texts) or not texts:
            raise ValueError(
                f"labels must be one for each text, at least one: got {len(wanted)} labels for "
                f"{len(texts)} texts."
            )
        right = self.predict_proba(texts).argmax(axis=1) == np.array(wanted)
        return float(np.average(right, weights=sample_weight))

    def _check_fitted(self) -> None:
        if not hasattr(self, "epochs_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("This MixupTextClassifier is not trained. Call fit() first.")

    # files

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write the trained classifier to a folder that is new or holds one: safetensors and JSON.

        Raises
        ------
        FileExistsError, OSError
            If the folder holds something else, or cannot be written.
        """
        from vicinal.text.classifier.saving import save

        self._check_fitted()
        save(self, self._backbone, self._net, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> MixupTextClassifier:
        """Read a classifier that :meth:`save_pretrained` wrote. It asks no hub for anything.

        A ``mixup`` with a pairing of given rows, or of your own, does not come back.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no classifier, it is of a later version, or its parts do not fit.
        """
        from vicinal.text.classifier.saving import load

        settings, state, backbone, net = load(Path(folder))
        made = cls(**settings)
        made.classes_ = np.array(state["classes"])
        made.history_, made.epochs_ = state["history"], state["epochs"]
        made.temperature_, made._unknown = state["temperature"], state["unknown"]
        made._backbone, made._net = backbone, net.eval()
        if state["mixup"] is not None:
            made.mixup_ = state["mixup"]
        return made


def _rows(
    backbone: Backbone,
    texts: list[str],
    numbers: list[int],
    counts: list[float] | None,
    left: list[int],
) -> list[dict[str, Any]]:
    """Return the rows to learn from, with their labels and how much they count."""
    rows = [
        {**row, "labels": number} for row, number in zip(backbone.rows(texts), numbers, strict=True)
    ]
    if counts is None:
        return rows
    return [{**row, "sample_weight": counts[at]} for row, at in zip(rows, left, strict=True)]


def _counts(sample_weight: Any, n_texts: int) -> list[float] | None:
    """Return how much each text counts, None where all do the same."""
    if sample_weight is None:
        return None
    counts = np.asarray(sample_weight, float)
    good = counts.shape == (n_texts,) and np.isfinite(counts).all() and (counts >= 0).all()
    if not good or not counts.any():
        raise ValueError(
            "sample_weight must be one finite number of at least 0 for each of the "
            f"{n_texts} texts, not all 0, got {sample_weight!r:.100}."
        )
    found: list[float] = counts.tolist()
    return found


def _by_epoch(log: Iterable[dict[str, float]]) -> list[dict[str, float]]:
    """Return a trainer's log as one record for each epoch; accuracy and loss are logged apart."""
    found: dict[float, dict[str, float]] = {}
    for one in log:
        if "loss" in one or "train_accuracy" in one:
            found.setdefault(one["epoch"], {}).update(one)
    return list(found.values())


def _device_for(wanted: str | None) -> str:
    """Return the kind of device to train on."""
    import torch

    fast = "cuda" if torch.cuda.is_available() else ""
    best = fast or ("mps" if torch.backends.mps.is_available() else "cpu")
    if wanted in (None, "cpu"):
        return wanted or best
    if check_choice("device", wanted, ["cpu", "cuda", "mps"]) != best:
        raise ValueError(f"device={wanted!r} is not there; this machine trains on {best!r}.")
    return best
