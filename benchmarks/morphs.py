"""Forty morphs, unpicked.

Run with ``python benchmarks/morphs.py``: it writes ``docs/morphs.md``. Forty random pairs of
held-out open lines of 5 to 20 words (seed 0, the first that are drawn), five ratios each.
"""

from __future__ import annotations

import argparse

import numpy as np

from _common import markdown, progress, skip
from _sentences import CORPUS, DOCS, held_out_lines, inverter_key
from vicinal.text.augment import morph


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--inverter", default="nano")
    parser.add_argument("--output", default=str(DOCS / "morphs.md"))
    args = parser.parse_args()
    if not CORPUS.is_dir():
        skip(f"the held-out lines are not at {CORPUS}")
        return
    from vicinal.text.invert.inverter import Inverter

    inverter = Inverter.from_pretrained(args.inverter)
    lines = held_out_lines()
    pairs = np.random.default_rng(0).permutation(len(lines))[: 2 * args.pairs].reshape(-1, 2)
    parts, found = [], []
    for number, (left, right) in enumerate(pairs, 1):
        one = morph(
            lines[left],
            lines[right],
            args.steps,
            inverter=inverter,
            selection=args.candidates,
            random_state=0,
        )
        found.append(one)
        rows = zip(one.lam, one.lam_measured, one.closeness, one.sentences, strict=True)
        # the first column is the one set to the left
        table = markdown(
            ["sentence", "ratio", "measured", "closeness"],
            [
                ["*" + _plain(one.left) + "*", "", "", ""],
                *([_plain(text), f"{a:.2f}", f"{m:.2f}", f"{c:.2f}"] for a, m, c, text in rows),
                ["*" + _plain(one.right) + "*", "", "", ""],
            ],
        )
        parts.append(f"### {number}\n\n{table}")
        progress(f"{number} of {len(pairs)}")
    closeness = np.array([one.closeness for one in found])
    miss = np.array([np.abs(one.lam_measured - one.lam) for one in found])
    head = (
        "# Morphs, unpicked\n\n"
        f"{len(found)} random pairs of held-out lines of the open corpus, of 5 to 20 words, as "
        "`python benchmarks/morphs.py` drew them first (seed 0); none was left out. In italics "
        "the two lines; between them what the inverter wrote, from the first (ratio 1) to the "
        "second (ratio 0). *Measured* is the ratio of the sentence's own embedding on the segment "
        "between the two, *closeness* its cosine with the mixed embedding.\n\n"
        f"`{args.inverter}`, weights {inverter_key(args.inverter)}, {args.candidates} candidates. "
        f"Mean closeness at the ends {closeness[:, [0, -1]].mean():.3f}, between them "
        f"{closeness[:, 1:-1].mean():.3f}; mean miss of the ratio {miss.mean():.3f}."
    )
    with open(args.output, "w", encoding="utf-8") as file:
        file.write("\n\n".join([head, *parts]) + "\n")


def _plain(text: str) -> str:
    """Return a text that Markdown shows as it is, in one cell."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, "\\" + sign)
    return text


if __name__ == "__main__":
    main()
