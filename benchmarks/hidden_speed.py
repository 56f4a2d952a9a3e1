"""What mixing hidden states costs: sentences trained per second, and memory, against none.

Run with ``python benchmarks/hidden_speed.py`` (a BERT of the shape of all-MiniLM-L6, random
weights), or with ``--device cuda --layers 12 --width 768 --tokens 128 --batch 64``. Steps of all
contenders alternate, and are whole steps of fine-tuning: forward, loss, backward, AdamW.

* plain: rows as they are.
* hidden, both directions: a batch of [anchors, partners] mixed in front of a layer drawn for each
  step; every row is a mixed row.
* hidden, one direction: the partners' rows end where they are mixed; half as many mixed rows.
* two streams: anchors and partners run as two batches to the layer, are mixed by hand, and run on
  as one; half as many mixed rows too.

Rates count the rows that the loss is taken over. On a processor the clock is the processor's
time, which other load disturbs less than it does the wall's; on a GPU it is the wall's.
Memory is what the backward pass keeps (bytes of saved tensors, parameters left out), which is the
same in every run; on a GPU the highest allocation as well.
The measured table is in ``benchmarks/results/hidden_speed.md``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification
from transformers.masking_utils import create_bidirectional_mask

from _common import machine, markdown, progress, publish
from vicinal import Beta
from vicinal.nn import HiddenMixup, soft_cross_entropy

NAMES = ["plain", "hidden, both directions", "hidden, one direction", "two streams"]


def two_streams(
    model: BertForSequenceClassification, batch: dict[str, torch.Tensor], k: int, lam: torch.Tensor
) -> torch.Tensor:
    """Return the logits of mixed rows, without hooks: the way of published code, with masks."""
    half, inner, states = len(lam), model.bert, []
    for rows in (slice(0, half), slice(half, None)):
        h = inner.embeddings(batch["input_ids"][rows])
        mask = create_bidirectional_mask(
            config=model.config, inputs_embeds=h, attention_mask=batch["attention_mask"][rows]
        )
        for layer in inner.encoder.layer[:k]:
            h = layer(h, mask)
        states.append(h)
    weight = lam[:, None, None]
    h = weight * states[0] + (1 - weight) * states[1]
    union = torch.maximum(batch["attention_mask"][:half], batch["attention_mask"][half:])
    mask = create_bidirectional_mask(config=model.config, inputs_embeds=h, attention_mask=union)
    for layer in inner.encoder.layer[k:]:
        h = layer(h, mask)
    return model.classifier(model.dropout(inner.pooler(h)))


class Saved:
    """Bytes of tensors that the backward pass keeps, each storage once."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._known = {one.untyped_storage().data_ptr() for one in model.parameters()}
        self._kept: dict[int, torch.UntypedStorage] = {}

    def __enter__(self) -> Saved:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda one: one)
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)

    def _pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._known:
            self._kept[storage.data_ptr()] = storage
        return tensor

    @property
    def megabytes(self) -> float:
        """Megabytes kept."""
        return sum(storage.nbytes() for storage in self._kept.values()) / 1e6


def main() -> None:
    """Print the table."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--device", default="cpu")
    made.add_argument("--layers", type=int, default=6)
    made.add_argument("--width", type=int, default=384)
    made.add_argument("--tokens", type=int, default=32)
    made.add_argument("--batch", type=int, default=32)
    made.add_argument("--rounds", type=int, default=20)
    made.add_argument("--half", action="store_true", help="autocast to bfloat16")
    made.add_argument("--name", default="hidden_speed")
    args = made.parse_args()
    torch.manual_seed(0)
    device = torch.device(args.device)
    config = BertConfig(
        hidden_size=args.width,
        num_hidden_layers=args.layers,
        num_attention_heads=max(1, args.width // 32),
        intermediate_size=4 * args.width,
        num_labels=4,
    )
    model = BertForSequenceClassification(config).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    rng = np.random.default_rng(0)
    half = args.batch // 2
    lengths = torch.from_numpy(rng.integers(args.tokens // 2, args.tokens + 1, args.batch))
    mask = (torch.arange(args.tokens)[None] < lengths[:, None]).long()
    ids = torch.from_numpy(rng.integers(1000, 30000, (args.batch, args.tokens))) * mask
    batch = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    labels = torch.from_numpy(rng.integers(0, 4, args.batch)).to(device)
    swapped = torch.cat([labels[half:], labels[:half]])
    law = Beta(0.4)

    def losses(name: str, k: int, lam: torch.Tensor) -> torch.Tensor:
        if name == "plain":
            return soft_cross_entropy(model(**batch).logits, labels, labels, 1.0)
        if name == "two streams":
            logits = two_streams(model, batch, k, lam)
            return soft_cross_entropy(logits, labels[:half], swapped[:half], lam)
        both = name == NAMES[1]
        with HiddenMixup(model, symmetric=both) as mixer:
            logits = mixer(batch, lam=lam, layer=k).logits
        n = len(logits)
        share = torch.cat([lam, lam]) if both else lam
        return soft_cross_entropy(logits, labels[:n], swapped[:n], share)

    def step(name: str, k: int, lam: torch.Tensor) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=args.half):
            loss = losses(name, k, lam)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()

    clock: Callable[[], float] = time.process_time if device.type == "cpu" else time.perf_counter
    took: dict[str, list[float]] = {name: [] for name in NAMES}
    kept: dict[str, list[float]] = {name: [] for name in NAMES}
    peak = dict.fromkeys(NAMES, 0.0)
    for turn in range(args.rounds + 2):
        k = 1 + turn % max(1, args.layers - 1)
        lam = torch.from_numpy(law.sample(half, rng)).float().to(device)
        for name in rng.permutation(NAMES).tolist():  # none always runs behind the same other
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            begin = clock()
            step(name, k, lam)
            if turn >= 2:  # the first two rounds warm up
                took[name].append(clock() - begin)
            if device.type == "cuda":
                peak[name] = max(peak[name], torch.cuda.max_memory_allocated() / 1e6)
        progress(f"round {turn + 1} of {args.rounds + 2}")
    for k in range(1, max(2, args.layers)):
        lam = torch.full((half,), 0.7, device=device)
        for name in NAMES:
            with (
                Saved(model) as saved,
                torch.autocast(device.type, torch.bfloat16, enabled=args.half),
            ):
                losses(name, k, lam)
            kept[name].append(saved.megabytes)

    rows, data = [], {}
    for name in NAMES:
        counted = args.batch if name in NAMES[:2] else half
        ratio = statistics.median(a / b for a, b in zip(took["plain"], took[name], strict=True))
        ratio *= counted / args.batch
        rate = counted / statistics.median(took[name])
        memory = statistics.mean(kept[name]) / statistics.mean(kept["plain"])
        rows.append([name, counted, f"{rate:.1f}", f"{ratio:.2f}", f"{memory:.2f}"])
        data[name] = {"rows": counted, "rate": rate, "ratio": ratio, "memory": memory}
        if device.type == "cuda":
            rows[-1].append(f"{peak[name] / peak['plain']:.2f}")
            data[name]["peak"] = peak[name] / peak["plain"]
    header = ["training", "rows of loss per step", "rows/s", "rate / plain", "saved / plain"]
    header += ["peak / plain"] if device.type == "cuda" else []
    what = (
        f"BERT of {args.layers} layers of {args.width}, {args.batch} rows of up to {args.tokens} "
        f"tokens, {args.rounds} steps each, medians (ratios: of pairs of steps of one round; "
        f"saved: mean over layers), {'processor' if device.type == 'cpu' else 'wall'} time"
        f"{', bfloat16' if args.half else ''}. "
    )
    if device.type == "cuda":
        where = f"{torch.cuda.get_device_name()}; {machine('torch', 'transformers')}"
    else:
        where = f"{machine('torch', 'transformers')}, {torch.get_num_threads()} threads"
    text = f"{markdown(header, rows)}\n\n{what}{where}."
    publish(args.name, text)


if __name__ == "__main__":
    main()
