"""Whom to mix with: the shape of the DMIX paper's Table 1, on eight sets of texts.

Run with ``python benchmarks/dmix_table1.py --seeds 5 --budget-minutes 75``. Each run trains on a
few hundred texts that its seed draws, and is measured by macro-F1 on test rows that are the same
for all. Every run is a line of ``benchmarks/results/dmix_table1.jsonl.gz``; started again, the
script goes on where it ended, and ``--render`` writes the table from the lines there are. Runs go
seed by seed, so that what there is of a table is balanced.

English texts are read by all-MiniLM-L6-v2 (extra ``vicinal[offline]``). No checkpoint of the other
languages is at hand, so those are read by a small network over hashed pieces of words, trained
from nothing. ``--model bert-base-multilingual-cased`` takes one model for all sets where there is
a hub; its results go to files of their own.

Settings are chosen once, on validation rows that no test row is among: first the learning rate,
by training without mixing; then the Beta law, by plain mixup at hidden layers; then tau and an
epoch of warm-up, by hyperbolic DMIX. Each by the mean macro-F1 over two sets and two seeds that
the table does not use. All methods of a table share them. ``--select`` does that part alone.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

import _texts
from _common import machine, markdown
from _jobs import Store, prepare, read_lines
from _jobs import run as run_jobs
from _texts import METHODS, REFERENCE, RESULTS, SETS, Record, mean_interval
from vicinal.text.classifier.comparison import holm, paired_p

NAME = "dmix_table1"
KEYS = ("set", "method", "seed", "part", "settings")
#: Setting, the method it is chosen by, and the values tried, the first of which wins a tie.
SEARCH = (
    ("learning_rate", "none", {"offline": [2e-4, 4e-4], "char": [2e-3, 1e-3]}),
    ("alpha", "hidden", {"offline": [0.4, 1.0], "char": [0.4, 1.0]}),
    ("tau", "hyperbolic", {"offline": [0.1, 0.5], "char": [0.1, 0.5]}),
    ("warmup_epochs", "hyperbolic", {"offline": [0, 1], "char": [0, 1]}),
)
SEARCH_SETS = {"offline": ["SST-2", "TREC-6"], "char": ["Gujarati", "Arabic hate"]}
SEARCH_SEEDS = (100, 101)
_LIMIT = 6 * 3600  # of a job: far beyond any, since a paused run's clock goes on


class Budget:
    """Minutes to work, at full speed: time spent waiting for a processor does not count."""

    def __init__(self, minutes: float, slots: int) -> None:
        self.slots, self._left = slots, 60 * minutes * slots

    def spend(self, seconds: float) -> None:
        """Count what a run took of its processor."""
        self._left -= seconds

    @property
    def over(self) -> bool:
        """Whether none is left."""
        return self._left <= 0


def work(store: Store, jobs: Sequence[tuple], budget: Budget) -> bool:
    """Do the jobs that are not done yet; return whether the budget was enough for all."""
    todo = []
    for name, method, seed, part, changes in jobs:
        settings = _texts.hash_of(_texts.settings_of(name, method, changes))
        key = {"set": name, "method": method, "seed": seed, "part": part, "settings": settings}
        if store.get(key) is None:
            todo.append((name, method, seed, part, changes))
    context = prepare(
        ["_texts", "torch", "vicinal.text.classifier.classifier", "vicinal.nn.trainer"], 1
    )
    step = 4 * budget.slots
    for begin in range(0, len(todo), step):
        if budget.over:
            return False
        batch = todo[begin : begin + step]
        for job, found in run_jobs(context, _texts.run_one, batch, budget.slots, _LIMIT):
            said = " ".join(map(str, job[:4]))
            if "failed" in found:
                print(f"{said}: {found['failed']}", file=sys.stderr, flush=True)
                continue
            store.add(found)
            budget.spend(found["all_seconds"])
            print(f"{said}: {found['f1']:.3f} in {found['wall']} s", file=sys.stderr, flush=True)
    return True


def select(store: Store, budget: Budget) -> None:
    """Choose settings on validation rows, and write them down with what was tried."""
    path = RESULTS / f"{_texts.file_name('dmix_settings')}.json"
    chosen: dict[str, Record] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    tried = chosen.setdefault("tried", [])
    for name, method, values in SEARCH:
        jobs, wanted = [], []
        for kind, options in values.items():
            if kind not in map(_texts.kind_of, SETS) or name in chosen.setdefault(kind, {}):
                continue
            wanted.append(kind)
            jobs += [
                (one, method, seed, "valid", {**chosen[kind], name: value})
                for seed, value, one in product(SEARCH_SEEDS, options, SEARCH_SETS[kind])
            ]
        if not work(store, jobs, budget):
            raise SystemExit("The time is over before settings were chosen; start again.")
        for kind in wanted:
            scores = {}
            for value in values[kind]:
                found = []
                for seed, one in product(SEARCH_SEEDS, SEARCH_SETS[kind]):
                    changes = {**chosen[kind], name: value}
                    settings = _texts.hash_of(_texts.settings_of(one, method, changes))
                    line = store.get(
                        dict(zip(KEYS, (one, method, seed, "valid", settings), strict=True))
                    )
                    if line is None:
                        raise SystemExit(f"A run of {one} failed; see what it said above.")
                    found.append(line["f1"])
                scores[value] = float(np.mean(found))
                tried.append(
                    {"model": kind, "by": method, "setting": name, "value": value}
                    | {"f1": round(scores[value], 4)}
                )
            chosen[kind][name] = max(scores, key=lambda value: scores[value])
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(chosen, indent=1) + "\n", encoding="utf-8")


def gather(store_path: Path) -> dict[str, dict[str, dict[int, Record]]]:
    """Return runs on test rows with the settings of now, by set, method and seed."""
    found: dict[str, dict[str, dict[int, Record]]] = defaultdict(lambda: defaultdict(dict))
    for record in read_lines(store_path):
        name, method = record["set"], record["method"]
        if name not in SETS or method not in METHODS | REFERENCE or record["part"] != "test":
            continue
        if record["settings"] == _texts.hash_of(_texts.settings_of(name, method)):
            found[name][method][record["seed"]] = record
    return found


def render(store_path: Path) -> str:
    """Return the tables of the runs there are, as Markdown."""
    runs = gather(store_path)
    sets = [name for name in SETS if name in runs]
    seeds = {
        name: sorted(set.intersection(*(set(runs[name][method]) for method in METHODS)))
        for name in sets
    }
    sets = [name for name in sets if seeds[name]]
    if not sets:
        return "There are no complete rows of runs yet."
    f1 = {
        (name, method): np.array([runs[name][method][seed]["f1"] for seed in seeds[name]])
        for name in sets
        for method in METHODS
    }
    together = sorted(set.intersection(*(set(seeds[name]) for name in sets)))
    mean = {
        method: np.mean(
            [[runs[name][method][seed]["f1"] for seed in together] for name in sets], axis=0
        )
        for method in METHODS
    }
    others = [method for method in METHODS if method != "none"]
    cells = [(name, method) for method in others for name in sets]
    raw = [paired_p(f1[cell] - f1[cell[0], "none"]) for cell in cells]
    corrected = dict(zip(cells, holm(raw), strict=True))
    overall = [paired_p(mean[method] - mean["none"]) for method in others]
    overall_holm = dict(zip(others, holm(overall), strict=True))
    header = ["method", *sets, "mean of sets"]
    levels = [
        [METHODS[method]]
        + [_texts.points(*mean_interval(f1[name, method])) for name in sets]
        + [_texts.points(*mean_interval(mean[method])) if together else "-"]
        for method in METHODS
    ]
    levels += [
        [f"*{words}*", *(_level(runs[name][method], seeds[name]) for name in sets), ""]
        for method, words in REFERENCE.items()
    ]
    gains = [
        [METHODS[method]]
        + [
            _texts.signed(*mean_interval(f1[name, method] - f1[name, "none"]))
            + ("*" if corrected[name, method] < 0.05 else "")
            for name in sets
        ]
        + [
            _texts.signed(*mean_interval(mean[method] - mean["none"]))
            + f" (p {overall_holm[method]:.2g})"
            if together
            else "-"
        ]
        for method in others
    ]
    right = [
        [METHODS[method]]
        + [
            _texts.signed(
                *mean_interval(
                    [
                        runs[name][method][seed]["accuracy"] - runs[name]["none"][seed]["accuracy"]
                        for seed in seeds[name]
                    ]
                )
            )
            for name in sets
        ]
        for method in others
    ]
    counts = sorted({len(seeds[name]) for name in sets})
    spread = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    seconds = [r["seconds"] for name in sets for m in METHODS for r in runs[name][m].values()]
    return "\n\n".join(
        [
            f"Macro-F1 in points, mean and 95 % t-interval over {spread} seeds.",
            markdown(header, levels),
            "Against no mixing: mean paired difference and its 95 % interval. A star marks a "
            "difference whose paired t-test stays below 0.05 after Holm's correction over all "
            f"{len(cells)} cells; p in the last column is corrected over the {len(others)} "
            f"methods. (Wilcoxon's signed-rank test cannot fall below {2 / 2 ** counts[0]:.2g} "
            f"with {counts[0]} seeds, too much for that correction.)",
            markdown(header, gains),
            "The same of accuracy, in points.",
            markdown(header[:-1], right),
            *_described(sets),
            f"{machine('torch', 'transformers', 'vicinal')}; one thread a run, median "
            f"{np.median(seconds):.0f} s of training.",
        ]
    )


def _level(by_seed: dict[int, Record], seeds: Sequence[int]) -> str:
    found = [by_seed[seed]["f1"] for seed in seeds if seed in by_seed]
    return _texts.points(*mean_interval(found)) if found else "-"


def _described(sets: list[str]) -> list[str]:
    """Return what the runs were made with, and how that was chosen."""
    said = ["Sets, without repeats: " + "; ".join(map(_texts.describe_set, sets)) + "."]
    for kind in dict.fromkeys(map(_texts.kind_of, sets)):
        held = {**_texts.SETTINGS[kind], **_texts.chosen_settings(kind)}
        names = {"offline": "all-MiniLM-L6-v2", "char": "small network trained from nothing"}
        model = _texts.one_model() or names[kind]
        of = ", ".join(name for name in sets if _texts.kind_of(name) == kind)
        listed = ", ".join(f"{key} {value}" for key, value in held.items())
        said.append(f"{of} ({model}): {listed}. Refresh 0 embeds texts once, before training.")
    path = RESULTS / f"{_texts.file_name('dmix_settings')}.json"
    if path.exists():
        tried = json.loads(path.read_text("utf-8")).get("tried", [])
        rows = [
            [t["model"], t["setting"], t["value"], t["by"], f"{100 * t['f1']:.1f}"] for t in tried
        ]
        if rows:
            said.append("Chosen on validation rows (two sets, two seeds, macro-F1):")
            said.append(markdown(["model", "setting", "value", "by method", "F1"], rows))
    return said


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument(
        "--budget-minutes", type=float, default=math.inf, help="to work; waiting does not count"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", help="one model for all sets, a folder or a hub name")
    parser.add_argument("--select", action="store_true", help="choose settings, no table")
    parser.add_argument("--render", action="store_true", help="write the table, run nothing")
    args = parser.parse_args()
    if args.model is not None:
        os.environ["DMIX_MODEL"] = args.model  # the processes that run look there too
    path = RESULTS / f"{_texts.file_name(NAME)}.jsonl.gz"
    if not args.render:
        budget = Budget(args.budget_minutes, args.workers)
        store = Store(path, KEYS)
        select(store, budget)
        if not args.select:
            jobs = [
                (name, method, seed, "test", None)
                for seed in range(args.seeds)
                for name in args.sets
                for method in [*REFERENCE, *args.methods]
            ]
            work(store, jobs, budget)
    text = render(path)
    print(text)
    path.with_suffix("").with_suffix(".md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
