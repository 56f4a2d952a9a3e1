"""How quickly embeddings become sentences, and how soon after a cold start.

Run with ``python benchmarks/inversion_speed.py`` (``--threads 2``, ``--lines 512``, ``--inverter
smol``). Held-out lines of the open corpus, 5 to 20 words, are encoded once; then, in turns and
several times over,

* encoder alone: sentences to embeddings;
* greedy: one sentence an embedding;
* four candidates: a greedy and three drawn sentences an embedding, all encoded again, the nearest
  kept;
* four, crossover: the nearest then takes over words from the others, up to three times.

Rates are given by the wall's clock, and by the processor's time (embeddings for each second that a
core worked), which other load disturbs less. The cold start is a new process that imports, loads
encoder and inverter, encodes two sentences and inverts five mixtures of them with eight candidates;
memory is the most that it held.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from _common import machine, markdown, parser, progress, publish, skip
from _sentences import CORPUS, held_out_lines

MORPH = """
import sys
import numpy as np
from vicinal.text.invert import Inverter
inverter = Inverter.from_pretrained(sys.argv[1])
left, right = inverter.encode(["The film was a delight.", "The battery died after two days."])
mixed = np.stack([lam * left + (1 - lam) * right for lam in np.linspace(1, 0, 5)])
print(inverter.invert(mixed, candidates=8, random_state=0).sentences)
"""


def clocks(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the wall's clock and of the processor."""
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - busy


def cold_start(name: str, threads: int) -> tuple[float, float]:
    """Return seconds, by both clocks, of a new process that morphs."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", MORPH, name],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    )
    after = os.times()
    busy = after.children_user + after.children_system
    return time.perf_counter() - begun, busy - before.children_user - before.children_system


def main() -> None:
    """Measure, print and publish."""
    options = parser(__doc__)
    options.add_argument("--inverter", default="nano")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--lines", type=int, default=512)
    options.add_argument("--rounds", type=int, default=3)
    args = options.parse_args()
    if not CORPUS.is_dir():
        skip(f"the held-out lines are not at {CORPUS}")
        return
    lines = held_out_lines()[: args.lines]
    load = os.getloadavg()[0]

    progress("cold start")
    starts = [cold_start(args.inverter, args.threads) for _ in range(args.rounds)]

    held = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6

    import torch

    from vicinal.text.invert import Inverter

    torch.set_num_threads(args.threads)
    inverter = Inverter.from_pretrained(args.inverter)
    embeddings = inverter.encode(lines)
    inverter.generate(embeddings[:16])
    contenders: dict[str, Callable[[], object]] = {
        "encoder alone": lambda: inverter.encode(lines),
        "greedy": lambda: inverter.generate(embeddings),
        "four candidates": lambda: inverter.invert(embeddings, 4, random_state=0),
        "four, crossover": lambda: inverter.invert(embeddings, 4, crossover=3, random_state=0),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for turn in range(args.rounds):
        for name, work in contenders.items():
            progress(f"{name}, round {turn + 1}")
            found[name].append(clocks(work))
    rows = []
    for name, each in found.items():
        wall = len(lines) / min(one for one, _ in each)
        busy = len(lines) / min(one for _, one in each)
        rows.append([name, *(f"{one:,.{int(one < 10)}f}" for one in (wall, busy))])
    wall, busy = (statistics.median(column) for column in zip(*starts, strict=True))
    table = markdown(["what", "sentences/s, best round", "sentences per core-second"], rows)
    text = (
        f"# Inversion with {args.inverter}\n\n"
        f"{machine('torch', 'tokenizers')}\n\n"
        f"{len(lines)} held-out lines of 5 to 20 words, {args.threads} threads, {args.rounds} "
        f"rounds; load average {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end.\n\n"
        f"{table}\n\n"
        f"Cold start (five mixtures, eight candidates each): {wall:.1f} s by the wall's clock, "
        f"{busy:.1f} s of processor time, median of {args.rounds}; {held:.2f} GB at most.\n"
    )
    name = "inversion_speed" + ("" if args.inverter == "nano" else f"_{args.inverter}")
    publish(args.name or name, text)


if __name__ == "__main__":
    main()
