"""Does it help? Added sentences and mixed embeddings with 5 to 50 texts a class, and with many.

Run with ``python benchmarks/fewshot.py --seeds 10 --budget-minutes 20``. Six sets of English texts;
arms are no augmentation, word edits, mixup, DMIX, and inversedMixup with each label check and with
DMIX pairs. All read with all-MiniLM-L6-v2, frozen, and learn a linear head by the same number of
steps; test rows are the same for all, training rows are drawn by the seed, and arms are compared in
pairs. Every run is a line of ``benchmarks/results/fewshot.jsonl.gz``; started again, the script
goes on where it ended, and ``--render`` writes the table from the lines there are, and the picture
where Matplotlib is installed. Runs of inversedMixup are kept by the hash of the inverter's weights:
with other weights they are run again. Sentences, once written, are kept under ``.cache/fewshot``.
Settings are chosen once, on validation rows and with seeds that the table does not use: those of
the head by training without augmentation; then those of each arm by the arm itself. ``--select``
does that part alone. One process has one thread (``OMP_NUM_THREADS`` sets more); once settings are
chosen, several can share the work by ``--sets``. ``--grid tuned`` fine-tunes the encoder in place
of the head alone, with fewer sets, arms and seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from itertools import product

import numpy as np

import _fewshot
import _fewshot_page
from _fewshot import ARMS, SETS, SIZES, WRITTEN, Record, settings_of, writer
from _jobs import Store
from _texts import RESULTS, hash_of

KEYS = ("grid", "set", "size", "arm", "seed", "part", "settings", "weights")
PATHS = {"nano": RESULTS / "fewshot.jsonl.gz", "smol": RESULTS / "fewshot_smol.jsonl.gz"}
#: Settings of the head, chosen by "none" one after the other; the first value wins a tie.
HEAD_SEARCH = (
    ("learning_rate", [0.01, 0.003, 0.03, 0.1]),
    ("weight_decay", [0.01, 0.0, 0.1]),
    ("steps", [300, 150, 600]),
)
#: Arms that are run with smol where nothing else is asked for.
SMOL = ["none", "eda", "dmix", "prompted", "inversed", "inversed-filter", "inversed-within"]
#: Arms that add sentences.
ADDS = {"eda", "prompted", *WRITTEN}
#: Settings of arms, each chosen by the arm itself.
_WEIGHT = ("weight", [0.3, 0.1, 1.0])
ARM_SEARCH = {
    "eda": [("alpha", [0.1, 0.05, 0.2]), _WEIGHT],
    "mixup": [("law", [0.4, 0.2, 1.0]), ("share", [0.5, 0.25, 1.0])],
    "dmix": [("tau", [0.1, 0.2, 0.5]), ("law", [0.4, 0.2, 1.0]), ("share", [0.5, 0.25, 1.0])],
    **{arm: [_WEIGHT] for arm in WRITTEN},
}
SEARCH_SETS = ("SST-2", "TREC-6", "Subj", "SMS spam")
#: Seeds and sizes to choose by; fewer for arms whose sentences have to be read, or written, first.
SEARCH_SEEDS, SEARCH_SIZES = range(100, 103), ("10", "50")
FEW_SEEDS, FEW_SIZES = range(100, 102), ("10",)


class Clock:
    """Minutes that may be spent, as a clock on the wall counts them."""

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes

    @property
    def over(self) -> bool:
        """Whether none are left."""
        return time.monotonic() > self._end


def work(store: Store, jobs: Sequence[tuple], clock: Clock, weights: str) -> bool:
    """Do the jobs that are not done yet; return whether there was time for all."""
    said = time.monotonic()
    for count, (grid, name, size, arm, seed, part, changes) in enumerate(jobs, 1):
        s, key = _key(grid, name, size, arm, seed, part, changes, weights)
        if store.get(key) is not None:
            continue
        if clock.over:
            print(f"The time is over: {count - 1} of {len(jobs)} runs are done.", file=sys.stderr)
            return False
        if grid == "tuned":
            from _tuned import run_tuned

            found = run_tuned(name, size, arm, seed, part, s, weights)
        else:
            found = _fewshot.run_one(name, size, arm, seed, part, changes, weights)
        store.add(found | key)
        if grid == "tuned" or time.monotonic() - said > 20:
            said = time.monotonic()
            line = f"{count}/{len(jobs)} {name} {size} {arm} seed {seed}: {found['f1']:.3f}"
            print(line, file=sys.stderr, flush=True)
    return True


def _key(
    grid: str,
    name: str,
    size: str,
    arm: str,
    seed: int,
    part: str,
    changes: Record | None,
    weights: str,
) -> tuple[Record, Record]:
    """Return settings of a run, and what its line is found by."""
    if grid == "tuned":
        from _tuned import tuned_settings

        s = tuned_settings(arm, changes, weights)
    else:
        s = settings_of(arm, changes, weights)
    held = (grid, name, size, arm, seed, part, hash_of(s), weights if arm in WRITTEN else "")
    return s, dict(zip(KEYS, held, strict=True))


# choosing


def select(store: Store, arms: Sequence[str], clock: Clock, weights: str) -> None:
    """Choose settings on validation rows, and write them down with what was tried."""
    found = _fewshot.chosen()
    head = found.setdefault("head", {})
    for name, values in HEAD_SEARCH:
        if name not in head:
            head[name] = _best(store, "none", name, values, head, found, clock, weights)
            _keep(found)
    chosen = found.setdefault("arms", {})
    for arm in arms:
        mine = weights if arm in WRITTEN else ""
        if arm not in ARM_SEARCH:
            continue
        if chosen.get(arm, {}).get("weights", mine) != mine:
            del chosen[arm]  # with other weights of the inverter
        own = dict(chosen.get(arm, {}))
        for name, values in ARM_SEARCH[arm]:
            if name not in own:
                own[name] = _best(store, arm, name, values, own, found, clock, weights)
        chosen[arm] = own | ({"weights": mine} if mine else {})
        _keep(found)


def _best(
    store: Store,
    arm: str,
    setting: str,
    values: Sequence[float],
    own: Record,
    found: Record,
    clock: Clock,
    weights: str,
) -> float:
    """Return the value of the highest mean macro-F1 on validation rows."""
    few = arm in ADDS
    seeds, sizes = (FEW_SEEDS, FEW_SIZES) if few else (SEARCH_SEEDS, SEARCH_SIZES)
    own = {key: value for key, value in own.items() if key != "weights"}
    about = {"arm": arm, "setting": setting} | ({"weights": weights} if arm in WRITTEN else {})
    tried = [one for one in found.get("tried", []) if not about.items() <= one.items()]
    scores = {}
    for value in values:
        changes = own | {setting: value}
        jobs = [
            ("frozen", name, size, arm, seed, "valid", changes)
            for seed, size, name in product(seeds, sizes, SEARCH_SETS)
        ]
        if not work(store, jobs, clock, weights):
            raise SystemExit("The time is over before settings were chosen; start again.")
        lines = [store.get(_key(*job, weights)[1]) for job in jobs]
        scores[value] = float(np.mean([line["f1"] for line in lines if line]))
        tried.append(about | {"value": value, "f1": round(scores[value], 5)})
    found["tried"] = tried
    return max(scores, key=lambda value: scores[value])


def _keep(found: Record) -> None:
    _fewshot.SETTINGS_FILE.parent.mkdir(exist_ok=True)
    _fewshot.SETTINGS_FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


# all


def main() -> None:
    """Run what is missing, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--writer", choices=list(PATHS), default="nano", help="who writes")
    parser.add_argument("--grid", choices=["frozen", "tuned"], default="frozen")
    parser.add_argument("--seeds", type=int, help="10; with --grid tuned 3")
    parser.add_argument("--sets", nargs="+", choices=SETS)
    parser.add_argument("--sizes", nargs="+", choices=SIZES)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS))
    parser.add_argument("--budget-minutes", type=float, default=math.inf)
    parser.add_argument("--select", action="store_true", help="choose settings, no table")
    parser.add_argument("--render", action="store_true", help="write the table, run nothing")
    args = parser.parse_args()
    os.environ["FEWSHOT_WRITER"] = args.writer
    writer.cache_clear()
    if not args.render:
        run(args)
    if args.select:
        return
    path = PATHS[writer()]
    text = _fewshot_page.render(path)
    print(text)
    path.with_suffix("").with_suffix(".md").write_text(text + "\n", encoding="utf-8")


def run(args: argparse.Namespace) -> None:
    """Do what is missing, seed by seed, so that what there is of a table is balanced."""
    frozen = args.grid == "frozen"
    arms = [arm for arm in ARMS if arm != "prompted"]
    defaults = (arms, SETS, ("10", "5", "20", "50", "full"), 10)
    if writer() == "smol":
        defaults = (SMOL, SETS, ("10", "5", "20", "rare"), 5)
    if not frozen:
        from _tuned import TUNED

        defaults = TUNED
    arms, sets, sizes = (
        given or default
        for given, default in zip((args.arms, args.sets, args.sizes), defaults, strict=False)
    )
    seeds = range(args.seeds or defaults[3])
    weights = ""
    if set(arms) & set(WRITTEN):
        from _sentences import inverter_key

        weights = inverter_key(writer())
    clock, store = Clock(args.budget_minutes), Store(PATHS[writer()], KEYS)
    if frozen and writer() == "nano":
        select(store, ["none", *arms], clock, weights)
    if args.select:
        return
    jobs = [
        (args.grid, name, size, arm, seed, "test", None)
        for seed, size, name, arm in product(seeds, sizes, sets, arms)
    ]
    if weights and writer() == "smol":
        write_first(store, jobs, clock, weights)
    work(store, jobs, clock, weights)


def write_first(store: Store, jobs: Sequence[tuple], clock: Clock, weights: str) -> None:
    """Write for many runs at once, which is quicker, as long as there is time."""
    from _written import write_ahead

    lacking = [job for job in jobs if store.get(_key(*job, weights)[1]) is None]
    runs = [job[1:5] for job in lacking if job[3] in WRITTEN]
    runs = [(name, size, seed, arm) for name, size, arm, seed in runs]
    for seed, size in dict.fromkeys((run[2], run[1]) for run in runs):
        if not clock.over:
            write_ahead([run for run in runs if (run[2], run[1]) == (seed, size)], weights)


if __name__ == "__main__":
    main()
