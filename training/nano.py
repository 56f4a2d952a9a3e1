"""Train nano, the small embedded inverter: a sentence embedding goes in, a sentence comes out.

    python training/nano.py --hours 3       # trains, or goes on from the checkpoint in --work
    python training/nano.py --decay 3000    # then: lets the rate fall to zero over 3,000 steps
    python training/nano.py --polish 1200   # then: it learns from what it writes itself
    python training/nano.py --evaluate      # figures and samples of the newest weights
    python training/nano.py --export nano   # the folder that ships, in float16

Stop it at any time (Ctrl-C or SIGTERM): it saves first. Needs vicinal[offline] (or
vicinal[text] and --encoder, a folder with the weights of all-MiniLM-L6-v2); BLEU is printed where
sacrebleu is installed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from nano_data import Corpus, Statistics, load_codec, read_lines, word_pieces
from nano_eval import assemble, evaluate, held_out, record, show_interpolations, show_samples
from nano_export import export
from nano_model import Inverter, InverterConfig
from nano_polish import Polisher
from nano_train import Recipe, Trainer, load_weights

from vicinal.text import Encoder
from vicinal.text.invert import Inverter as Shipped
from vicinal.text.invert.codec import SPECIALS

ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
TRAIN, VALID, FOREIGN = (
    "english-open-train.txt.gz",
    "english-open-valid.txt.gz",
    "english-research-valid.txt.gz",
)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    root = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        default=root.parent / "shared" / "corpus",
        help="folder of english-open-*",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=root / ".cache" / "nano",
        help="folder for everything made on the way",
    )
    parser.add_argument(
        "--encoder", type=Path, help="folder of all-MiniLM-L6-v2 (default: the PyPI package)"
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile the layers (needs a C++ compiler)"
    )
    parser.add_argument(
        "--hours", type=float, default=3.0, help="working time of this run; pauses do not count"
    )
    parser.add_argument(
        "--vocab", type=int, default=12_288, help="vocabulary, special tokens included (first run)"
    )
    parser.add_argument(
        "--max-tokens", type=int, default=96, help="leave longer lines out of the batches"
    )
    parser.add_argument(
        "--positions", type=int, default=Recipe.positions, help="token positions per batch"
    )
    parser.add_argument("--rate", type=float, default=Recipe.rate, help="peak learning rate")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="DIR",
        help="begin with the weights of an exported folder, where --work holds no checkpoint",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--decay", type=int, metavar="STEPS", help="branch off and let the rate fall to zero"
    )
    parser.add_argument(
        "--polish",
        type=int,
        metavar="STEPS",
        help="learn from sentences of its own for STEPS steps",
    )
    parser.add_argument(
        "--evaluate", action="store_true", help="print figures and samples, train nothing"
    )
    parser.add_argument("--lines", type=int, default=500, help="held-out lines for --evaluate")
    parser.add_argument(
        "--candidates", type=int, nargs="+", default=[1, 4, 8], help="candidates for --evaluate"
    )
    parser.add_argument(
        "--crossover",
        type=int,
        default=3,
        metavar="STEPS",
        help="for --evaluate: measure several candidates with crossover as well; 0 leaves that out",
    )
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help="write the model as it ships, train nothing"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="for --evaluate and --export (default: the newest)"
    )
    parser.add_argument(
        "--weights", default="ema", choices=("ema", "model"), help="for --evaluate and --export"
    )
    return parser.parse_args()


def newest(work: Path) -> Path:
    """Find the best checkpoint: the newest polished or decayed one, else the constant-rate one."""
    ended = [path for kind in ("polish", "decay") for path in _by_age(work, kind)[-1:]]
    found = ended[0] if ended else work / "last.safetensors"
    if not found.exists():
        raise SystemExit(f"No checkpoint in {work}: train first.")
    return found


class Run(NamedTuple):
    """A trainer, where it keeps its state, and the step at which it is done."""

    trainer: Trainer
    path: Path
    steps: int | None


def _by_age(work: Path, kind: str) -> list[Path]:
    """Return the checkpoints of one kind, the newest last."""
    return sorted(work.glob(f"{kind}-*.safetensors"), key=lambda path: path.stat().st_mtime)


def stored(args: argparse.Namespace, encoder: Encoder) -> tuple[Shipped, dict[str, str]]:
    """Load the inverter of a checkpoint, ready to write, and the checkpoint's notes."""
    path = args.checkpoint or newest(args.work)
    model, notes = load_weights(path, args.weights)
    with np.load(args.work / "statistics.npz") as kept:
        statistics = Statistics(kept["mean"], float(kept["scale"]))
    notes["checkpoint"] = path.name
    made = assemble(model.to(args.device).eval(), load_codec(args.work), statistics, encoder)
    return made, notes


def measure(args: argparse.Namespace, encoder: Encoder) -> None:
    """Carry out --evaluate."""
    inverter, notes = stored(args, encoder)
    lines = held_out(read_lines(args.corpus / VALID), args.lines)
    print(show_samples(inverter, lines[:20]))
    print(show_interpolations(inverter, lines, 8))
    sets = {"open": lines}
    if (args.corpus / FOREIGN).exists():
        sets["research (out of domain)"] = held_out(read_lines(args.corpus / FOREIGN), args.lines)
    for name, chosen in sets.items():
        figures = evaluate(inverter, chosen, args.candidates, name, args.crossover)
        figures |= {
            "checkpoint": notes["checkpoint"],
            "weights": args.weights,
            "step": int(notes["step"]),
        }
        print(json.dumps(figures), flush=True)
        record(args.work / "evals.jsonl", figures)


def ship(args: argparse.Namespace, encoder: Encoder) -> None:
    """Carry out --export."""
    inverter, notes = stored(args, encoder)
    evals = args.work / "evals.jsonl"
    every = [json.loads(line) for line in evals.read_text().splitlines()] if evals.exists() else []
    figures = [
        line for line in every
        if (line.get("checkpoint"), line["step"], line.get("weights"))
        == (notes["checkpoint"], int(notes["step"]), args.weights)
    ]  # fmt: skip
    training = {key: json.loads(notes[key]) for key in ("recipe", "step", "sentences", "seconds")}
    training |= {"corpus": TRAIN, "weights": args.weights}
    export(inverter, args.export, training, figures)


def starting_weights(corpus: Corpus, encoder: Encoder) -> Inverter:
    """Make a new inverter, warm-started from the encoder."""
    torch.manual_seed(0)
    model = Inverter(InverterConfig(vocab=len(corpus.codec)))
    rows = {piece: row for row, piece in enumerate(word_pieces(encoder))}
    special = {"[PAD]": "[PAD]", "[EOS]": "[SEP]", "[FORMAL]": "[CLS]", "[INFORMAL]": "[CLS]"}
    sources = [
        rows[special[token]] if token in special else None if index < len(SPECIALS) else rows[token]
        for index, token in enumerate(corpus.codec.tokens)
    ]
    model.warm_start(encoder.model, sources, corpus.log_frequency())
    return model


def exported_weights(folder: Path, corpus: Corpus) -> Inverter:
    """Make a new inverter with the weights of an exported folder."""
    made = Shipped.from_pretrained(folder)
    tokens = made.decoder.codec.tokens
    same = np.allclose(made.adaptor.mean.numpy(), corpus.statistics.mean, atol=1e-3)
    if tokens != corpus.codec.tokens or not same:
        raise SystemExit(f"{folder} was trained with another vocabulary or scale than --work has.")
    model = Inverter(InverterConfig(vocab=len(tokens)))
    state = {name: value.float() for name, value in made.decoder.network.state_dict().items()}
    state |= {f"adaptor.{name}": value for name, value in made.adaptor.net.state_dict().items()}
    model.load_state_dict(state)
    return model


def ordinary_run(args: argparse.Namespace, corpus: Corpus, encoder: Encoder) -> Run:
    """Train at a constant rate, from where the last run stopped, or let the rate decay."""
    if args.start_from is None:
        model = starting_weights(corpus, encoder).to(args.device)
    else:
        model = exported_weights(args.start_from, corpus).to(args.device)
    recipe = Recipe(rate=args.rate, positions=args.positions, seed=args.seed)
    trainer = Trainer(model, corpus, recipe, args.device)
    constant, path = args.work / "last.safetensors", args.work / "last.safetensors"
    if args.decay:
        unfinished = [
            p for p in args.work.glob(f"decay-*-{args.decay}.safetensors") if not finished(p)
        ]
        path = unfinished[0] if unfinished else constant
        if not path.exists():
            raise SystemExit(f"Nothing to decay in {args.work}: train first.")
    if path.exists():
        trainer.load(path)
        print(f"going on from {path} at step {trainer.step}", flush=True)
    if not args.decay:
        return Run(trainer, path, None)
    start = int(path.stem.split("-")[1]) if path != constant else trainer.step
    trainer.recipe = replace(
        recipe, decay_start=start, decay_steps=args.decay, noise=0.1, ema=0.998
    )
    path = args.work / f"decay-{start}-{args.decay}.safetensors"
    return Run(trainer, path, start + args.decay)


def polish(args: argparse.Namespace, corpus: Corpus) -> Run:
    """Learn from what the network writes, from the newest decayed checkpoint or a folder."""
    decayed = _by_age(args.work, "decay")
    if args.start_from is not None:
        begun, start, place = 0, exported_weights(args.start_from, corpus), (0, 0, 0)
    elif decayed:
        start, notes = load_weights(decayed[-1])
        begun, place = int(notes["step"]), tuple(json.loads(notes["place"]))
    else:
        raise SystemExit(f"Nothing to polish in {args.work}: decay first, or give --start-from.")
    trainer = Polisher(start.to(args.device), corpus, args.polish, args.device, args.seed)
    trainer.place = place
    path = args.work / f"polish-{begun}-{args.polish}.safetensors"
    if path.exists():
        trainer.load(path)
        print(f"going on from {path} at step {trainer.step}", flush=True)
    return Run(trainer, path, args.polish)


def train(args: argparse.Namespace, encoder: Encoder) -> None:
    """Train, resume, decay or polish."""
    args.work.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(args.corpus / TRAIN, args.work, encoder, args.vocab, args.max_tokens, args.seed)
    lines = held_out(read_lines(args.corpus / VALID), 200)
    run = polish(args, corpus) if args.polish else ordinary_run(args, corpus, encoder)
    trainer, path, steps = run
    print(
        f"{sum(p.numel() for p in trainer.parameters):,} parameters, {len(corpus):,} sentences",
        flush=True,
    )
    if args.compile:
        from torch._inductor import config as inductor

        inductor.cpp.dynamic_threads = True
        for block in trainer.model.blocks:
            block.compile(dynamic=True)

    def report(trainer: Trainer) -> None:
        inverter = assemble(trainer.averaged(), corpus.codec, corpus.statistics, encoder)
        figures = evaluate(inverter, lines)
        figures |= {
            "checkpoint": path.name,
            "weights": "ema",
            "step": trainer.step,
            "sentences": trainer.sentences,
        }
        figures |= {"hours": round(trainer.seconds / 3600, 3)}
        print(
            show_samples(inverter, lines[:10]),
            show_interpolations(inverter, lines, 3, trainer.step),
            json.dumps(figures),
            sep="\n",
            flush=True,
        )
        record(args.work / "evals.jsonl", figures)

    trainer.run(
        path, args.hours * 3600, steps, save_every=300, evaluate_every=1800, evaluate=report
    )
    if steps is not None and trainer.step >= steps:
        report(trainer)


def finished(path: Path) -> bool:
    """Whether a decay run came to its last step."""
    _, start, steps = path.stem.split("-")
    return int(load_weights(path)[1]["step"]) >= int(start) + int(steps)


def main() -> None:
    """Do what the command line asks."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    encoder = Encoder(args.encoder or ENCODER, max_tokens=128, device=args.device)
    if args.evaluate:
        measure(args, encoder)
    elif args.export:
        ship(args, encoder)
    else:
        train(args, encoder)


if __name__ == "__main__":
    main()
