"""The task model is warmed up: its head first, then encoder and head together."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from vicinal._progress import ProgressCallback
from vicinal._random import FinetuneKey, Seeds
from vicinal._types import Array, Floats, Floats32, Ints
from vicinal.nn.resumable import ResumableTrainer
from vicinal.text.classifier.networks import Pooled
from vicinal.text.encoder import Encoder, in_bfloat16
from vicinal.text.invert.candidates import cosine
from vicinal.text.invert.fitting import RefinementOptions
from vicinal.text.invert.task import Head, TaskEncoder

_BATCH, _WARMUP = 16, 0.1
#: From so many labelled texts on, a tenth is held out to choose the epoch by.
_HOLDS_OUT = 100
#: Inverse penalties of the head, to choose from; the one for few texts; most texts to choose by.
STRENGTHS, _USUAL, _FOLDED = (0.003, 0.03, 0.3, 3.0), 0.03, 2000
#: Texts by which a network is held to be the encoder that the inverter was made for.
_PROBES = 16


def fit_head(embeddings: Floats32, numbers: Sequence[int], classes: Array) -> Head:
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


def _strength(rows: Floats, numbers: Ints) -> float:
    """Choose the inverse penalty by five folds, where every class has that many texts."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    if np.bincount(numbers).min() < 5 or len(numbers) > _FOLDED:
        return _USUAL
    folds = StratifiedKFold(5, shuffle=True, random_state=0)

    def likelihood(C: float) -> float:
        model = LogisticRegression(C=C, max_iter=1000)
        found = cross_val_score(model, rows, numbers, cv=folds, scoring="neg_log_loss")
        return float(found.mean())

    return max(STRENGTHS, key=likelihood)


def warm_up(
    encoder: Encoder,
    texts: list[str],
    numbers: list[int],
    classes: Array,
    options: RefinementOptions,
    *,
    seeds: Seeds,
    folder: Path | None,
    report: ProgressCallback,
) -> tuple[TaskEncoder, Head]:
    """Fine-tune encoder and head, or take them from a folder where that was done."""
    # the head begins where a logistic regression on the untuned embeddings ends, so that it does
    # not distort them (Kumar et al., ICLR 2022); with 100 texts or more a tenth is held out, and
    # the epoch with the lowest loss there is taken
    from vicinal.io.atomic import replacing_folder

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
    progress = None if folder is None else folder.with_name(f"{folder.name}-training")
    _fine_tune(made, head, texts, numbers, options, seeds, progress, report)
    if folder is not None:
        with replacing_folder(folder) as beside:
            made.save(beside)
            np.savez(
                beside / "head.npz", coefficients=head.coefficients, intercepts=head.intercepts
            )
        shutil.rmtree(progress or "", ignore_errors=True)
    return made, head


def _fine_tune(
    encoder: TaskEncoder,
    head: Head,
    texts: list[str],
    numbers: list[int],
    options: RefinementOptions,
    seeds: Seeds,
    folder: Path | None,
    report: ProgressCallback,
) -> None:
    """Fine-tune encoder and head in place."""
    backbone = encoder.backbone
    device = _device_of(encoder)
    model = _TaskModel(encoder.model, len(head.classes), dropout=0.0).to(device)
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(head.coefficients))
        model.head.bias.copy_(torch.from_numpy(head.intercepts))
    rows = [
        {**row, "labels": number} for row, number in zip(backbone.rows(texts), numbers, strict=True)
    ]
    order = seeds.generator(FinetuneKey.HELD_OUT).permutation(len(texts))
    held = len(texts) // 10 if len(texts) >= _HOLDS_OUT else 0
    held_out, learned = order[:held], order[held:]

    def batches(epoch: int) -> list[Ints]:
        return _cut(seeds.generator(FinetuneKey.ORDER, epoch).permutation(learned), _BATCH)

    each = len(batches(0))
    ResumableTrainer.fit(
        model,
        rows,
        lambda some: {**backbone.collate(some), "count": len(some)},
        batches=batches,
        held_out=_cut(held_out, 64),
        steps=each * options.task_epochs,
        evaluate_every=each,
        max_attempts=None,
        seeds=seeds,
        folder=folder,
        report=report,
        learning_rate=options.task_rate,
        warmup_steps=int(_WARMUP * each * options.task_epochs),
        weight_decay=0.01,
        bf16=in_bfloat16(options.dtype, device.type),
    )
    head.coefficients = model.head.weight.detach().float().cpu().numpy().copy()
    head.intercepts = model.head.bias.detach().float().cpu().numpy().copy()


class _TaskModel(Pooled):
    """An encoder with a head, that returns its loss."""

    def forward(self, labels: torch.Tensor, **batch: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        logits = super().forward(**batch).logits  # (B, C)
        return torch.nn.functional.cross_entropy(logits, labels)


def _cut(order: Ints, size: int) -> list[Ints]:
    return [order[at : at + size] for at in range(0, len(order), size)]


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
    """Return an encoder of one's own with the same embeddings, to be tuned."""
    from transformers import AutoModel

    from vicinal.text.classifier.backbones import Pretrained
    from vicinal.text.models import quiet

    remedy = "Set tune='head', which leaves the encoder as it is."
    if encoder.normalize:
        raise ValueError(
            f"tune='encoder' needs embeddings that are not normalized, got {encoder.name!r} with "
            f"normalize=True. {remedy}"
        )
    if isinstance(encoder, TaskEncoder):  # goes on from where it is, not from where it began
        backbone, network = encoder.backbone, copy.deepcopy(encoder.model)
    else:
        backbone = Pretrained.from_source(encoder.name, encoder.max_tokens, "mean")
        with quiet():
            network = AutoModel.from_pretrained(backbone.source)
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
