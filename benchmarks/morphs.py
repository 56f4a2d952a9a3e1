"""Morphs of both writers side by side, unpicked.

Run with ``python benchmarks/morphs.py``: it writes ``benchmarks/results/morphs.md``.
Random pairs of held-out open lines of 5 to 20 words (seed 0, the first that are drawn), three
ratios each.
"""

from __future__ import annotations

import argparse

import numpy as np

from _common import RESULTS, markdown, progress, skip
from _sentences import CORPUS, held_out_lines, inverter_key
from legibility import RESULTS as READ_BLIND
from vicinal.text.augment import Morph, morph


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--writers", nargs="+", default=["smol", "nano"])
    parser.add_argument("--output", default=str(RESULTS / "morphs.md"))
    args = parser.parse_args()
    if not CORPUS.is_dir():
        skip(f"the held-out lines are not at {CORPUS}")
        return
    from vicinal.text.invert.inverter import Inverter

    writers = {name: Inverter.from_pretrained(name) for name in args.writers}
    lines = held_out_lines()
    pairs = np.random.default_rng(0).permutation(len(lines))[: 2 * args.pairs].reshape(-1, 2)
    found: list[dict[str, Morph]] = []
    for number, (left, right) in enumerate(pairs, 1):
        found.append(
            {
                name: morph(
                    lines[left], lines[right], args.steps, inverter=writer,
                    selection=args.candidates, random_state=0,
                )
                for name, writer in writers.items()
            }
        )  # fmt: skip
        progress(f"{number} of {len(pairs)}")
        _write(args, found)


def _write(args: argparse.Namespace, found: list[dict[str, Morph]]) -> None:
    parts = [
        "# Morphs, unpicked",
        f"{len(found)} random pairs of held-out lines of the open corpus, of 5 to 20 words, as "
        "`python benchmarks/morphs.py` drew them first (seed 0); none was left out. In italics the "
        "two lines; between them what each writer wrote. *Measured* is the ratio of the sentence's "
        "own embedding on the segment between the two, *closeness* its cosine with the mixed one.",
        markdown(
            [
                "writer",
                "weights and way of writing",
                "candidates",
                "mean closeness",
                "mean miss of the ratio",
            ],
            [_figures(name, [one[name] for one in found], args) for name in args.writers],
        ),
    ]
    if (READ_BLIND / "table.md").exists():
        parts.append((READ_BLIND / "table.md").read_text("utf-8").strip())
    for number, both in enumerate(found, 1):
        first = next(iter(both.values()))
        rows = [["*" + _plain(first.left) + "*", "", "", "", ""]]
        for at in range(1, args.steps - 1):
            for name, one in both.items():
                figures = (one.lam[at], one.lam_measured[at], one.closeness[at])
                rows.append([_plain(one.sentences[at]), name, *(f"{x:.2f}" for x in figures)])
        rows.append(["*" + _plain(first.right) + "*", "", "", "", ""])
        head = ["sentence", "writer", "ratio", "measured", "closeness"]
        parts.append(f"### {number}\n\n{markdown(head, rows)}")
    with open(args.output, "w", encoding="utf-8") as file:
        file.write("\n\n".join(parts) + "\n")


def _figures(name: str, morphs: list[Morph], args: argparse.Namespace) -> list[str]:
    """Return what is told of a writer, of the sentences between two."""
    close = np.array([one.closeness[1:-1] for one in morphs])
    miss = np.array([np.abs(one.lam_measured - one.lam)[1:-1] for one in morphs])
    return [
        name, inverter_key(name), str(args.candidates), f"{close.mean():.3f}", f"{miss.mean():.3f}"
    ]  # fmt: skip


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one cell."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, "\\" + sign)
    return text


if __name__ == "__main__":
    main()
