"""Train nano, the small embedded inverter: a sentence embedding goes in, a sentence comes out.

    python training/nano.py --epochs 5      # trains, or goes on from the checkpoint in --work
    python training/nano.py --polish 900    # then: it learns from what it writes itself
    python training/nano.py --evaluate      # figures and samples of what was trained last
    python training/nano.py --export nano   # the folder that ships, in float16

Stop it at any time (Ctrl-C or SIGTERM, or ``timeout -s INT 3h python ...``): it saves first, and
the same command goes on to the same weights. Needs vicinal[offline]; prints BLEU where sacrebleu
is installed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from lines import TRAIN, options, read_lines
from measure import report
from nano_polish import polish
from nano_vocabulary import choose_vocabulary, warm_start, word_counts, word_pieces

from vicinal.text import Encoder, TrainingOptions, align
from vicinal.text.invert import Adaptor, Inverter, NanoDecoder
from vicinal.text.invert.card import read_preface
from vicinal.text.invert.codec import SPECIALS, Codec
from vicinal.text.invert.folder import README, find_folder

LIMIT = 40_000_000
TRAINED, POLISHED, FIGURES = "trained", "polished", "figures.json"
#: Lines that the first scores of tokens are counted in.
COUNTED = 100_000


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__ or "", "nano")
    parser.add_argument("--vocab", type=int, default=12_288, help="tokens, special ones included")
    parser.add_argument("--rate", type=float, default=7e-4, help="peak learning rate")
    parser.add_argument("--noise", type=float, default=0.1, help="noise on embeddings")
    parser.add_argument(
        "--start-from", type=Path, metavar="DIR", help="begin with the weights of a saved folder"
    )
    parser.add_argument("--polish", type=int, metavar="STEPS", help="learn from its own sentences")
    parser.add_argument("--candidates", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--crossover", type=int, default=3, metavar="STEPS")
    parser.add_argument("--export", type=Path, metavar="DIR", help="write the model as it ships")
    return parser.parse_args()


def newest(work: Path) -> Path:
    """Return the folder of what was trained last."""
    found = [work / name for name in (POLISHED, TRAINED) if (work / name).is_dir()]
    if not found:
        raise SystemExit(f"Nothing trained in {work}: train first, or give --start-from.")
    return found[0]


def codec_of(work: Path, lines: list[str], encoder: Encoder, size: int) -> Codec:
    """Return the codec, whose vocabulary is chosen once."""
    path = work / "vocab.txt"
    if not path.is_file():
        pieces = choose_vocabulary(word_counts(lines), word_pieces(encoder), size)
        path.write_text("\n".join(Codec(pieces).tokens), encoding="utf-8")
    return Codec(path.read_text(encoding="utf-8").split("\n")[len(SPECIALS) :])


def train(args: argparse.Namespace) -> None:
    """Train, or go on; the rate rises, then falls to 0 along a cosine."""
    args.work.mkdir(parents=True, exist_ok=True)
    lines = read_lines(args.corpus / TRAIN, args.sentences)
    if args.start_from:
        made = Inverter.from_pretrained(args.start_from, device=args.device)
    else:
        encoder = Encoder(max_tokens=128, device=args.device)
        codec = codec_of(args.work, lines, encoder, args.vocab)
        network = warm_start(encoder, codec, lines[:COUNTED])
        torch.manual_seed(args.seed)
        made = Inverter(
            encoder, Adaptor(encoder.dim, network.config.width), NanoDecoder(network, codec)
        )
        made.to(args.device)
    spelt = [line for line in lines if made.decoder.codec.encode(line)]
    recipe = TrainingOptions(
        epochs=args.epochs, batch_size=args.batch, learning_rate=args.rate, decoder_rate=args.rate,
        noise=args.noise, validation=0.005, max_attempts=None,
    )  # fmt: skip
    made = align(
        made, spelt, options=recipe, checkpoint=args.work / "checkpoint", copy=False,
        progress=True, random_state=args.seed,
    )  # fmt: skip
    made.save_pretrained(args.work / TRAINED)


def ship(args: argparse.Namespace) -> None:
    """Carry out --export: in float16, with what was measured on its card."""
    made = Inverter.from_pretrained(newest(args.work))
    card = args.export if (args.export / README).is_file() else find_folder("nano")
    made.preface = read_preface(card / README)
    if (args.work / FIGURES).is_file():
        made.notes["figures"] = json.loads((args.work / FIGURES).read_text())
    made.save_pretrained(args.export, half=True)
    size = sum(path.stat().st_size for path in args.export.iterdir() if path.is_file())
    print(f"wrote {args.export}: {size / 1e6:.2f} MB in all")
    if size > LIMIT:
        raise SystemExit(f"{args.export} is larger than {LIMIT / 1e6:.0f} MB: it does not ship.")


def main() -> None:
    """Do what the command line asks."""
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    if args.evaluate:
        made = Inverter.from_pretrained(newest(args.work), device=args.device)
        figures = report(made, args.corpus, args.lines, args.candidates, args.crossover)
        (args.work / FIGURES).write_text(json.dumps(figures))
    elif args.export:
        ship(args)
    elif args.polish:
        made = Inverter.from_pretrained(args.start_from or args.work / TRAINED, device=args.device)
        lines = read_lines(args.corpus / TRAIN, args.sentences)
        polish(made, lines, args.polish, args.work / "polish", args.seed)
        made.save_pretrained(args.work / POLISHED)
    else:
        train(args)


if __name__ == "__main__":
    main()
