"""The task model is warmed up: its head first, then encoder and head together."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vicinal._random import FinetuneKey, Seeds
from vicinal.text.encoder import Encoder, has_bfloat16
from vicinal.text.invert.candidates import cosine
from vicinal.text.invert.task import Head, TaskEncoder

__all__ = ["can_be_tuned", "fit_head", "warm_up"]

Floats = npt.NDArray[np.float32]
_BATCH, _WARMUP = 16, 0.1
#: From so many labelled texts on, a tenth is held out to choose the epoch by.
_HOLDS_OUT = 100
#: Inverse penalties of the head, to choose from; the one for few texts; most texts to choose by.
STRENGTHS, _USUAL, _FOLDED = (0.003, 0.03, 0.3, 3.0), 0.03, 2000
#: Texts by which a network is held to be the encoder that the inverter was made for.
_PROBES = 16


def fit_head(embeddings: Floats, numbers: Sequence[int], classes: npt.NDArray[Any]) -> Head:
    """Fit a logistic regression on centerd embeddings, scaled by one number."""
    from sklearn.linear_model import LogisticRegression

    center = embeddings.mean(0, dtype=np.float64)
    scale = float(np.sqrt(np.square(embeddings - center).mean())) or 1.0
    rows, wanted = (embeddings - center) / scale, np.asarray(numbers)
    model = LogisticRegression(C=_strength(rows, wanted), max_iter=1000).fit(rows, wanted)
    coefficients, intercepts = model.coef_ / scale, model.intercept_
    if len(classes) == 2:  # of the second class against the first
        coefficients = np.vstack([-coefficients / 2, coefficients / 2])
        intercepts = np.hstack([-intercepts / 2, intercepts / 2])
    intercepts = intercepts - coefficients @ center
    return Head(classes, coefficients.astype(np.float32), intercepts.astype(np.float32))


def _strength(rows: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64]) -> float:
    """Choose the inverse penalty by five folds, where every class has that many texts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    if np.bincount(numbers).min() < 5 or len(numbers) > _FOLDED:
        return _USUAL
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = {
        C: cross_val_score(
            LogisticRegression(C=C, max_iter=1000), rows, numbers, cv=folds,
            scoring="neg_log_loss",
        ).mean()
        for C in STRENGTHS
    }  # fmt: skip
    return max(STRENGTHS, key=scores.__getitem__)


def warm_up(
    encoder: Encoder,
    texts: list[str],
    numbers: list[int],
    classes: npt.NDArray[Any],
    *,
    epochs: int,
    rate: float,
    dtype: str,
    seeds: Seeds,
    folder: Path | None,
) -> tuple[TaskEncoder, Head]:
    """Fine-tune encoder and head, or take them from a folder where that was done.

    The head begins where a logistic regression on the untuned embeddings ends, so that the encoder
    is not torn about by a head that knows nothing. With 100 texts or more a tenth is held out, and
    the epoch with the lowest loss there is taken, that before the first among them.

    Raises
    ------
    ValueError
        If the encoder is not the average of a network's last states.

    References
    ----------
    Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", ICLR 2022.
    """
    from vicinal.io.folders import replacing_folder

    if folder is not None and (folder / "head.npz").is_file():
        with np.load(folder / "head.npz", allow_pickle=False) as kept:
            head = Head(classes, kept["coefficients"], kept["intercepts"])
        made = TaskEncoder.load(
            folder, encoder.name, encoder.max_tokens, batch_size=encoder.batch_size,
            dtype=encoder.dtype, device=_device_of(encoder),
        )  # fmt: skip
        return made, head
    made = _copy_of(encoder, texts)
    head = fit_head(encoder.encode(texts), numbers, classes)
    _Tuning(made, head, texts, numbers, epochs, rate, dtype, seeds).run()
    if folder is not None:
        with replacing_folder(folder) as beside:
            made.save(beside)
            np.savez(
                beside / "head.npz", coefficients=head.coefficients, intercepts=head.intercepts
            )
    return made, head


def can_be_tuned(encoder: Encoder) -> bool:
    """Whether there is a network to tune behind an encoder, as far as its name tells."""
    from vicinal.text.models import resolve_model

    if isinstance(encoder, TaskEncoder):
        return True
    try:
        resolve_model(encoder.name)
    except (OSError, ImportError):
        return False
    return not encoder.normalize


def _copy_of(encoder: Encoder, texts: Sequence[str]) -> TaskEncoder:
    """Return an encoder of one's own with the same embeddings, to be tuned.

    Raises
    ------
    ValueError
        With what to do instead.
    """
    from transformers import AutoModel

    from vicinal.text.classifier.backbones import Pretrained, quiet

    remedy = "Set tune='head', which leaves the encoder as it is."
    if encoder.normalize:
        raise ValueError(
            f"tune='encoder' needs an encoder whose embeddings are not normalized, got "
            f"{encoder.name!r} with normalize=True. {remedy}"
        )
    if isinstance(encoder, TaskEncoder):  # goes on from where it is, not from where it began
        backbone, network = encoder.backbone, copy.deepcopy(encoder.model)
    else:
        backbone = Pretrained.from_source(encoder.name, encoder.max_tokens, "mean")
        with quiet():
            network = AutoModel.from_pretrained(backbone.source)
    if getattr(network, "pooler", None) is not None:
        network.pooler = None  # never used
    network.to(_device_of(encoder))
    made = TaskEncoder(
        backbone, network, encoder.name, batch_size=encoder.batch_size, dtype=encoder.dtype
    )
    probes = [text for text in dict.fromkeys(texts) if text.strip()][:_PROBES]
    ours, theirs = made.encode(probes), encoder.encode(probes)
    near = float(cosine(ours, theirs).min()) if ours.shape == theirs.shape else 0.0
    if near < 0.99:
        raise ValueError(
            f"tune='encoder' needs an encoder that averages its last states; {encoder.name!r} does "
            f"something else (cosine {near:.2f} to that average). {remedy}"
        )
    return made


def _device_of(encoder: Encoder) -> torch.device:
    found: torch.device = next(encoder.model.parameters()).device
    return found


class _Tuning:
    """Fine-tuning of a network and its head, in place."""

    def __init__(
        self,
        encoder: TaskEncoder,
        head: Head,
        texts: list[str],
        numbers: list[int],
        epochs: int,
        rate: float,
        dtype: str,
        seeds: Seeds,
    ) -> None:
        self.head, self.epochs, self.rate, self.seeds = head, epochs, rate, seeds
        self.net, self.backbone = encoder.model, encoder.backbone
        self.device = next(self.net.parameters()).device
        self.rows = self.backbone.rows(texts)
        self.numbers = np.array(numbers)
        self.linear = torch.nn.Linear(encoder.dim, len(head.classes), device=self.device)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(head.coefficients))
            self.linear.bias.copy_(torch.from_numpy(head.intercepts))
        self.learning = [*self.net.parameters(), *self.linear.parameters()]
        self.half = dtype == "bfloat16" or (dtype == "auto" and has_bfloat16(self.device.type))
        order = seeds.generator(FinetuneKey.HELD_OUT).permutation(len(texts))
        held = len(texts) // 10 if len(texts) >= _HOLDS_OUT else 0
        self.held_out, self.learned = order[:held], order[held:]

    def run(self) -> None:
        """Tune, and leave the best epoch in network and head."""
        each = -(-len(self.learned) // _BATCH)
        steps, done = each * self.epochs, 0
        optimizer = torch.optim.AdamW(self.learning, lr=self.rate, weight_decay=0.01)
        lowest, best = self._held_out_loss(), [one.detach().clone() for one in self.learning]
        devices = [] if self.device.type == "cpu" else [self.device]
        for epoch in range(self.epochs):
            order = self.seeds.generator(FinetuneKey.ORDER, epoch).permutation(self.learned)
            self.net.train()
            for at in range(0, len(order), _BATCH):
                share = min((done + 1) / max(1.0, _WARMUP * steps), 1 - done / steps)
                for group in optimizer.param_groups:
                    group["lr"] = self.rate * share
                with torch.random.fork_rng(devices):
                    seed = self.seeds.generator(FinetuneKey.DROPOUT, done).integers(2**31)
                    torch.manual_seed(int(seed))
                    loss = self._loss(order[at : at + _BATCH])
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(self.learning, 1.0)
                optimizer.step()
                done += 1
            now = self._held_out_loss()
            if now <= lowest or not len(self.held_out):
                lowest, best = now, [one.detach().clone() for one in self.learning]
        for one, kept in zip(self.learning, best, strict=True):
            one.detach().copy_(kept)
            one.grad = None
        self.net.eval()
        self.head.coefficients = self.linear.weight.detach().float().cpu().numpy().copy()
        self.head.intercepts = self.linear.bias.detach().float().cpu().numpy().copy()

    def _held_out_loss(self) -> float:
        self.net.eval()
        total = 0.0
        for at in range(0, len(self.held_out), 64):
            places = self.held_out[at : at + 64]
            with torch.no_grad():
                total += float(self._loss(places)) * len(places)
        return total / max(1, len(self.held_out))

    def _loss(self, places: npt.NDArray[np.int64]) -> torch.Tensor:
        batch = self.backbone.collate([self.rows[at] for at in places])
        on_device = {name: value.to(self.device) for name, value in batch.items()}
        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16) if self.half else nullcontext():
            states = self.net(**on_device)[0].float()
        counts = on_device["attention_mask"].float()[..., None]
        pooled = (states * counts).sum(1) / counts.sum(1).clamp(min=1)
        wanted = torch.from_numpy(self.numbers[places]).to(self.device)
        return torch.nn.functional.cross_entropy(self.linear(pooled), wanted)
