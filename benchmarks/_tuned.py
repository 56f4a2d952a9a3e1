"""The smaller grid of the few-shot benchmark: the encoder learns too, with the same arms.

Batches are drawn as in ``_fewshot.py``. Mixing arms mix hidden states in front of a random layer,
in a share of the steps; arms that add sentences put them into the batches.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import _fewshot
from _fewshot import WRITTEN, Part, Record, data, drawn, settings_of

#: Arms, sets, sizes and seeds where nothing else is asked for.
TUNED = (
    ["none", "eda", "mixup", "dmix", "inversed-filter", "inversed-dmix"],
    ("SST-2", "TREC-6", "Subj"),
    ("10",),
    3,
)
#: Those of DMIX's table, chosen on validation rows there; law, tau, share and weight of an arm are
#: those that the arm has with the frozen encoder.
SETTINGS: Record = {
    "encoder": "all-MiniLM-L6-v2, fine-tuned",
    "batch": 16,
    "steps": 60,
    "learning_rate": 2e-4,
    "weight_decay": 0.01,
    "max_tokens": 40,
    "test": 1000,
}


def tuned_settings(arm: str, changes: Record | None, weights: str) -> Record:
    """Return what a run is made with."""
    return settings_of(arm, None, weights) | SETTINGS | (changes or {})


def described(weights: str) -> str:
    """Return the conditions in words."""
    s = SETTINGS
    said = (
        f"All of all-MiniLM-L6-v2 is trained, for {s['steps']} steps of {s['batch']} rows of up to "
        f"{s['max_tokens']} tokens, rate {s['learning_rate']:g} after a tenth of warm-up, falling "
        f"to 0; {s['test']:,} test rows. Mixup and DMIX mix in front of a random layer. These "
        "rates were chosen for DMIX's table, on validation rows; laws, shares and weights are "
        "those of the frozen grid."
    )
    return f"{said} Weights and way of writing of the inverter: {weights}." if weights else said


def run_tuned(
    name: str, size: str, arm: str, seed: int, part: str, s: Record, weights: str
) -> Record:
    """Fine-tune once, and measure."""
    import torch

    from vicinal.nn import HiddenMixup
    from vicinal.text.classifier.backbones import backbone_for

    begin = time.process_time()
    rows, measured = drawn(name, size, seed), _sample(getattr(data(name), part), s["test"])
    classes = len(data(name).classes)
    Y, texts, extra = np.eye(classes), list(rows.texts), None
    T = Y[rows.y]
    rng = np.random.default_rng(_fewshot.key_of("tuned", name, size, seed, arm))
    share = s.get("share", 0.0)
    if arm == "eda":
        added, of = _fewshot.edited_texts(name, size, seed, s, rng)
        share = _fewshot.weighed(len(added), len(texts), s["weight"])
        texts, T = texts + added, np.concatenate([T, T[of]])
    elif arm in WRITTEN:
        from _written import written_texts

        added, labels, extra = written_texts(name, size, seed, arm, s, weights)
        share, texts, T = extra.share, texts + added, np.concatenate([T, labels])
    elif arm == "prompted":
        from _written import paraphrased

        added, of = paraphrased(name, size, seed, s)
        share = _fewshot.weighed(len(added), len(texts), s["weight"])
        texts, T = texts + added, np.concatenate([T, T[of]])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.manual_seed(seed)
    backbone = backbone_for("offline", s["max_tokens"], "mean")
    net = backbone.build(classes).train()
    tokens = backbone.rows(texts)
    mixes = arm in ("mixup", "dmix")
    at = _batches(rows, len(texts), arm, s, share, seed)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=s["learning_rate"], weight_decay=s["weight_decay"]
    )
    warm = max(1, s["steps"] // 10)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, (s["steps"] - step) / (s["steps"] - warm)),
    )
    with HiddenMixup(net) as mixer:
        for batch in at:
            inputs = backbone.collate([tokens[one] for one in batch])
            target = torch.from_numpy(T[batch]).float()
            with _arithmetic():
                if mixes and rng.random() < share:
                    half = torch.from_numpy(rng.beta(s["law"], s["law"], len(batch) // 2)).float()
                    layer = int(rng.integers(1, mixer.n_layers))
                    found = mixer(inputs, lam=half, layer=layer)
                    lam = torch.cat([half, half])[:, None]
                    target = lam * target + (1 - lam) * target.roll(len(batch) // 2, 0)
                else:
                    found = net(**inputs)
            loss = -(target * found.logits.float().log_softmax(-1)).sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            rate.step()
    fitted = time.process_time()
    found = _predict(net.eval(), backbone, measured.texts)
    record = {
        **_fewshot.figures(measured.y, found),
        **_fewshot.figures_of_rare(name, size, seed, measured.y, found),
        "real": len(rows.y),
        "seconds": round(fitted - begin, 1),  # of the processor
    }
    if len(texts) > len(rows.y):
        record |= {"added": len(texts) - len(rows.y), "kept": round(extra.kept if extra else 1, 4)}
    return record


def _batches(
    rows: Part, n_texts: int, arm: str, s: Record, share: float, seed: int
) -> Sequence[Any]:
    """Return row numbers, step by step; real rows are the same for all arms but where they pair."""
    n, shape = len(rows.y), (s["steps"], s["batch"])
    at = np.random.default_rng([seed, 1]).integers(n, size=shape)
    rng = np.random.default_rng([seed, 2])
    if arm in ("mixup", "dmix"):
        pairing = _fewshot.Farthest(s["tau"]) if "tau" in s else _fewshot.Random()
        for batch in at:  # [anchors, partners]
            half = s["batch"] // 2
            batch[half:] = pairing.pair(rows.E, random_state=rng)[batch[:half]]
    elif n_texts > n:
        added = rng.random(shape) < share
        at = np.where(added, n + rng.integers(n_texts - n, size=shape), at)
    return at


def _sample(part: Part, n: int) -> Part:
    """Return the same rows of a part for every run."""
    order = np.random.default_rng(20220524).permutation(len(part.y))
    return part.take(sorted(order[:n].tolist()))


def _arithmetic() -> Any:
    from contextlib import nullcontext

    import torch

    from vicinal.text.encoder import in_bfloat16

    return torch.autocast("cpu", torch.bfloat16) if in_bfloat16("auto", "cpu") else nullcontext()


def _predict(net: Any, backbone: Any, texts: list[str]) -> np.ndarray:
    import torch

    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    tokens, found = backbone.rows(texts), [np.empty(0)] * len(texts)
    with torch.inference_mode(), _arithmetic():
        for start in range(0, len(order), 64):
            batch = order[start : start + 64]
            logits = net(**backbone.collate([tokens[one] for one in batch])).logits
            for at, one in zip(batch, logits.float().softmax(-1).numpy(), strict=True):
                found[at] = one
    return np.array(found)
