"""The paper's own setting: a language model that stays frozen, and an adaptor that learns alone.

Run with ``python benchmarks/frozen_inverter.py --minutes 20`` after ``python training/lm.py``. The
language model of ``.cache/lm`` never saw a soft token. Arms: it stays as it is (8 soft tokens, the
adaptor learns); low-rank matrices learn with the adaptor; nano, trained whole. The first two see
the same sentences of the open corpus in the same order.

Each arm trains for the minutes given (of this process's processor time, measured in a short run
beforehand) and goes on where it was interrupted. What is measured is a line of
``benchmarks/results/frozen_inverter.jsonl.gz``; ``--render`` writes the table from those lines.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from _common import machine, markdown
from _jobs import Record, Store, read_lines
from _perplexity import LM, scorer

CORPUS = Path(__file__).parents[2] / "shared" / "corpus"
CACHE = Path(__file__).parents[1] / ".cache" / "frozen"
RESULTS = Path(__file__).parent / "results"
SETS = {
    "open": ("english-open-valid.txt.gz", "held-out lines of the open corpus"),
    "research": ("english-research-valid.txt.gz", "out of domain: reviews, e-mail, captions, SMS"),
}
ARMS = {
    "frozen": "frozen, the adaptor learns",
    "lora": "LoRA of rank 8, and the adaptor",
    "nano": "nano, adaptor and decoder trained whole",
}
KEYS = ("arm", "set", "candidates", "weights", "lines")
CANDIDATES = (1, 4, 8)
BATCH, RATE = 64, 2e-3
#: The language model was taught that a sentence follows its words and this mark.
PROMPT = "{}<sep>"


def read(name: str) -> list[str]:
    """Return the lines of a file of the corpus."""
    with gzip.open(CORPUS / name, "rt", encoding="utf-8") as stream:
        return [line.rstrip("\n") for line in stream if line.strip()]


def held_out(name: str, count: int) -> list[str]:
    """Return the first lines of 5 to 20 words."""
    return [line for line in read(SETS[name][0]) if 5 <= len(line.split()) <= 20][:count]


def encoder() -> Any:
    """Return the encoder of all arms."""
    from vicinal.text.encoder import Encoder

    return Encoder("sentence-transformers/all-MiniLM-L6-v2", max_tokens=128)


def steps_for(minutes: float, texts: list[str], arm: str) -> int:
    """Return how many updates fit into the minutes, measured once and kept."""
    from vicinal.text.invert import Inverter, TrainingOptions, align

    path = CACHE / "plan.json"
    plan = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    kept = f"{arm} {minutes:g} {hash_of(LM)}"
    if kept not in plan:
        inverter = Inverter.build(encoder(), str(LM), prompt=PROMPT, lora=arm == "lora" or None)
        short, long = (
            TrainingOptions(steps=steps, batch_size=BATCH, validation=0.0) for steps in (2, 12)
        )
        align(inverter, texts[:500], options=short)
        before = time.process_time()
        align(inverter, texts[:1000], options=long)
        seconds = (time.process_time() - before) / 12
        plan[kept] = max(50, int(60 * minutes / seconds))
        CACHE.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan, indent=1), "utf-8")
    return int(plan[kept])


def hash_of(folder: Path) -> str:
    """Return a short hash of a folder's weights."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]


def trained(arm: str, minutes: float, lines: list[str]) -> tuple[Any, Record]:
    """Return the inverter of an arm, trained now or before, and how it was trained."""
    from vicinal.text.invert import Inverter, TrainingOptions, align
    from vicinal.text.invert.folder import find_folder

    if arm == "nano":
        inverter = Inverter.from_pretrained("nano", encoder=encoder())
        nano = find_folder("nano")
        said = json.loads((nano / "config.json").read_text("utf-8"))
        notes = said.get("notes") or said.get("training") or {}
        return inverter, {"weights": hash_of(nano), "sentences": notes.get("sentences")}
    steps = steps_for(minutes, lines, arm)
    weights = f"{hash_of(LM)}-{steps}"
    about: Record = {"weights": weights, "sentences": steps * BATCH, "minutes": minutes}
    place = CACHE / f"{arm}-{weights}"
    if (place / "config.json").is_file():
        return Inverter.from_pretrained(place, encoder=encoder(), llm=str(LM)), about
    inverter = Inverter.build(encoder(), str(LM), prompt=PROMPT, lora=arm == "lora" or None)
    texts = lines[: int(steps * BATCH * 1.03) + 2000]
    aligned = align(
        inverter,
        texts,
        options=TrainingOptions(
            steps=steps, batch_size=BATCH, learning_rate=RATE, max_attempts=None
        ),
        checkpoint=CACHE / f"{arm}-{weights}-checkpoint",
        random_state=0,
    )
    aligned.save_pretrained(place)
    return Inverter.from_pretrained(place, encoder=encoder(), llm=str(LM)), about


def measure(inverter: Any, name: str, count: int, lines: int) -> Record:
    """Return closeness, BLEU and perplexity of sentences that were written back."""
    import sacrebleu

    texts = held_out(name, lines)
    targets = inverter.encode(texts)
    begun = time.process_time()
    written, closeness = inverter.invert(targets, count, random_state=0)
    others = np.roll(inverter.encode(written), 1, axis=0)  # written for another sentence
    norms = np.linalg.norm(targets, axis=1) * np.linalg.norm(others, axis=1)
    found: Record = {
        "closeness": float(np.mean(closeness)),
        "control": float(np.mean((targets * others).sum(1) / norms)),
        "below": float(np.mean(closeness < 0.7)),
        "error": float(np.std(closeness, ddof=1) / np.sqrt(len(closeness))),
        "bleu": float(sacrebleu.corpus_bleu(written, [texts]).score),
        "seconds": time.process_time() - begun,
        "first": [[a, b] for a, b in zip(texts[:12], written, strict=False)],
    }
    judge, _ = scorer()
    if judge is not None:
        found["perplexity"], found["real"] = judge.per_word(written), judge.per_word(texts)
        found["judge"] = hash_of(LM)
    return found


def work(store: Store, args: argparse.Namespace) -> None:
    """Train and measure what is not done yet."""
    lines = read("english-open-train.txt.gz")
    for arm in args.arms:
        inverter, about = trained(arm, args.minutes, lines)
        for name in SETS:
            for count in CANDIDATES:
                key = {"arm": arm, "set": name, "candidates": count, "lines": args.lines, **about}
                if store.get(key) is None:
                    print(f"{arm}, {name}, {count} candidates", file=sys.stderr, flush=True)
                    found = measure(inverter, name, count, args.lines)
                    store.add({**key, **found, "machine": machine("torch", "transformers")})


def render(records: list[Record]) -> str:
    """Return the page of the lines there are; the newest weights of each arm count."""
    newest = {record["arm"]: record["weights"] for record in records}
    kept = [record for record in records if newest[record["arm"]] == record["weights"]]
    judge, reason = scorer()
    about = judge.described() if judge else reason
    parts = [
        "# A frozen language model, and an adaptor that learns alone",
        "Each sentence is embedded (all-MiniLM-L6-v2, not normalized) and written back. Closeness "
        "is the mean cosine between the embedding and that of the written sentence, of which the "
        "nearest of the candidates is taken, with its standard error; BLEU counts case. The frozen "
        f"model is {about}; it also gives the perplexity per word, so the rows that write with it "
        "are judged by their own model and look better there than they are. The control is the "
        "closeness, greedy, to what was written for another sentence.",
    ]
    for name, (_, said) in SETS.items():
        rows = []
        for arm, title in ARMS.items():
            there = {r["candidates"]: r for r in kept if r["arm"] == arm and r["set"] == name}
            if set(there) >= set(CANDIDATES):
                rows.append(_row(title, [there[count] for count in CANDIDATES]))
        if rows:
            lines = next(r["lines"] for r in kept if r["set"] == name)
            real = [r["real"] for r in kept if r["set"] == name and "real" in r]
            parts += [
                f"## {lines} {said}, of 5 to 20 words",
                markdown(
                    ["decoder", "sentences seen", "closeness, greedy", "of 4", "of 8",
                     "control", "BLEU, greedy", "of 8", "perplexity, greedy", "of 8"],
                    rows,
                ),
            ]  # fmt: skip
            if real:
                parts.append(f"The real sentences have a perplexity of {real[-1]:.0f} a word.")
    minutes = sorted({r["minutes"] for r in kept if "minutes" in r})
    shown = [r for r in kept if r["set"] == "open" and r["candidates"] == 8]
    for record in shown:
        pairs = [f"* {real}\n  -> {back}" for real, back in record["first"]]
        parts += [f"## First lines, {ARMS[record['arm']]} (of 8)", "\n".join(pairs)]
    if minutes:
        parts.append(
            f"Adaptors learned for about {' and '.join(f'{m:g}' for m in minutes)} minutes of one "
            f"core's time, batches of {BATCH}, peak rate {RATE:g}. {records[-1]['machine']}."
        )
    return "\n\n".join(parts)


def _row(title: str, found: list[Record]) -> list[str]:
    seen = found[0].get("sentences")
    close = [f"{r['closeness']:.3f} ± {r['error']:.3f}" for r in found]
    odd = [f"{r['perplexity']:.0f}" if "perplexity" in r else "-" for r in (found[0], found[-1])]
    bleu = [f"{r['bleu']:.1f}" for r in (found[0], found[-1])]
    return [title, f"{seen:,}" if seen else "-", *close, f"{found[0]['control']:.3f}", *bleu, *odd]


def main() -> None:
    """Do what the command line asks."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--minutes", type=float, default=20.0, help="training of each arm")
    made.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    made.add_argument("--lines", type=int, default=500, help="held-out lines of each set")
    made.add_argument("--name", default="frozen_inverter", help="of the files of results")
    made.add_argument("--render", action="store_true", help="train and measure nothing")
    args = made.parse_args()
    path = RESULTS / f"{args.name}.jsonl.gz"
    if not args.render:
        if not CORPUS.is_dir():
            raise SystemExit(f"skipped: the corpus is not at {CORPUS}")
        judge, reason = scorer()
        if judge is None and set(args.arms) != {"nano"}:
            raise SystemExit(f"skipped: {reason}")
        work(Store(path, KEYS), args)
    if not path.is_file():
        raise SystemExit(f"Nothing was measured yet: {path} is not there.")
    text = render(read_lines(path))
    (RESULTS / f"{args.name}.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
