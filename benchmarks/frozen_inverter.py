"""The paper's own setting: a language model that stays frozen, and an adaptor that learns alone.

Run with ``python benchmarks/frozen_inverter.py`` after the training that ``TRAINING`` names. Arms:
SmolLM2 as it is, behind an adaptor that began as that of smol; smol, where low-rank matrices
learned with the adaptor; nano, trained whole.

What is measured is a line of ``benchmarks/results/frozen_inverter.jsonl.gz``, so a run that is
stopped goes on; ``--render`` writes the table from those lines.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from _common import machine, markdown, progress
from _jobs import Record, Store, read_lines
from _sentences import CORPUS, FROZEN, held_out_lines, inverter_key

RESULTS = Path(__file__).parent / "results"
#: How the frozen arm is trained.
TRAINING = (
    "python training/smol.py --freeze --compile --threads 2 "
    "--start-from packages/smol/src/vicinal_smol --rate-adaptor 2e-3 --skip 160000 "
    "--sentences 14000 --work .cache/smol_frozen"
)
SETS = {
    "english-open-valid": "held-out lines of the open corpus",
    "english-research-valid": "out of domain: reviews, e-mail, captions, SMS",
}
ARMS = {
    "frozen": (str(FROZEN), "SmolLM2 frozen, an adaptor learned"),
    "smol": ("smol", "smol: LoRA of rank 32, and the adaptor"),
    "nano": ("nano", "nano: adaptor and decoder, trained whole"),
}
KEYS = ("arm", "set", "candidates", "weights", "lines")
CANDIDATES = (1, 8)
SHOWN = 12


def measure(inverter: Any, texts: list[str], count: int) -> Record:
    """Return closeness and BLEU of sentences that were written back."""
    import sacrebleu

    targets = inverter.encode(texts)
    written, closeness = inverter.invert(targets, count, random_state=0)
    others = np.roll(inverter.encode(written), 1, axis=0)  # written for another sentence
    norms = np.linalg.norm(targets, axis=1) * np.linalg.norm(others, axis=1)
    return {
        "closeness": float(np.mean(closeness)),
        "control": float(np.mean((targets * others).sum(1) / norms)),
        "error": float(np.std(closeness, ddof=1) / np.sqrt(len(closeness))),
        "bleu": float(sacrebleu.corpus_bleu(written, [texts]).score),
        "first": [[a, b] for a, b in zip(texts[:SHOWN], written, strict=False)],
    }


def work(store: Store, n_lines: int) -> None:
    """Measure what is not measured yet."""
    from vicinal.text.invert import Inverter

    for arm, (source, _) in ARMS.items():
        if arm == "frozen" and not FROZEN.is_dir():
            raise SystemExit(f"skipped: {FROZEN} is not there. Make it by: {TRAINING}")
        inverter, weights = Inverter.from_pretrained(source), inverter_key(source)
        learned = inverter.notes.get("aligned", {}).get("texts")
        for name in SETS:
            texts = held_out_lines(file=name)[:n_lines]
            for count in CANDIDATES:
                key = {"arm": arm, "set": name, "candidates": count, "lines": n_lines}
                key |= {"weights": weights, "sentences": learned}
                if store.get(key) is None:
                    progress(f"{arm}, {name}, {count} candidates")
                    found = measure(inverter, texts, count)
                    store.add({**key, **found, "machine": machine("torch", "transformers")})


def render(records: list[Record]) -> str:
    """Return the page of the lines there are; the newest weights of each arm count."""
    newest = {record["arm"]: record["weights"] for record in records}
    kept = [record for record in records if newest[record["arm"]] == record["weights"]]
    parts = [
        "# A frozen language model, and an adaptor that learns alone",
        "Each sentence is embedded (all-MiniLM-L6-v2, not normalized) and written back. Closeness "
        "is the mean cosine between the embedding and that of the written sentence, of which the "
        "nearest of the candidates is taken, with its standard error; BLEU counts case. The "
        "control is the closeness, greedy, to what was written for another sentence. Whether the "
        "sentences can be read is in the [table of legibility](legibility/table.md).",
    ]
    for name, said in SETS.items():
        rows = []
        for arm, (_, title) in ARMS.items():
            there = {r["candidates"]: r for r in kept if r["arm"] == arm and r["set"] == name}
            if set(there) >= set(CANDIDATES):
                rows.append(_row(title, there[1], there[8]))
        head = ["language model", "closeness, greedy", "of 8", "control", "BLEU, greedy", "of 8"]
        if rows:
            lines = next(r["lines"] for r in kept if r["set"] == name)
            parts += [f"## {lines} {said}, of 5 to 20 words", markdown(head, rows)]
    for record in kept:
        if record["set"] == next(iter(SETS)) and record["candidates"] == 8:
            pairs = [f"* {real}\n  -> {back}" for real, back in record["first"]]
            parts += [f"## First lines, {ARMS[record['arm']][1]} (of 8)", "\n".join(pairs)]
    seen = [record["sentences"] for record in kept if record["arm"] == "frozen"]
    if seen:
        parts.append(
            f"The adaptor of the frozen arm began as that of smol and learned from {seen[-1]:,} "
            f"further sentences: `{TRAINING}`."
        )
    return "\n\n".join([*parts, f"{records[-1]['machine']}."])


def _row(title: str, greedy: Record, best: Record) -> list[str]:
    close = [f"{r['closeness']:.3f} ± {r['error']:.3f}" for r in (greedy, best)]
    bleu = [f"{r['bleu']:.1f}" for r in (greedy, best)]
    return [title, *close, f"{greedy['control']:.3f}", *bleu]


def main() -> None:
    """Do what the command line asks."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--lines", type=int, default=150, help="held-out lines of each set")
    made.add_argument("--render", action="store_true", help="measure nothing")
    args = made.parse_args()
    path = RESULTS / "frozen_inverter.jsonl.gz"
    if not args.render:
        if not CORPUS.is_dir():
            raise SystemExit(f"skipped: the corpus is not at {CORPUS}")
        work(Store(path, KEYS), args.lines)
    if not path.is_file():
        raise SystemExit(f"Nothing was measured yet: {path} is not there.")
    text = render(read_lines(path))
    (RESULTS / "frozen_inverter.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
