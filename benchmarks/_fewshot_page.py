"""What the few-shot benchmark looks like: tables in Markdown, and the picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from _common import machine, markdown, skip
from _fewshot import (
    ARMS,
    FEW_OF_RARE,
    FULL_ROWS,
    MOST_BESIDE_FULL,
    POOL_ROWS,
    REST_OF_RARE,
    SETS,
    SIZES,
    TEST_ROWS,
    WRITTEN,
    Record,
    chosen,
    data,
    settings_of,
    writer,
)
from _jobs import read_lines
from _texts import hash_of, load, mean_interval, points, signed
from vicinal.text.classifier.comparison import holm, paired_p

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "fewshot.png"
MEASURES = {"f1": "macro-F1", "log_loss": "log loss", "ece": "calibration error"}
ABOUT_CELLS = (
    "Means over cells of sets, texts a class and seeds, times 100, with 95 % t-intervals over "
    "cells; below the first row paired differences to it."
)
#: Of set, size and arm: runs by seed.
Found = dict[tuple[str, str, str], dict[int, Record]]


def gather(path: Path, grid: str) -> tuple[Found, str]:
    """Return runs on test rows with the settings of now, and the inverter's weights they used.

    Of runs with several weights, those of the weights that ran last.
    """
    lines = [one for one in read_lines(path) if one["grid"] == grid and one["part"] == "test"]
    weights = next((one["weights"] for one in reversed(lines) if one["weights"]), "")
    found: Found = defaultdict(dict)
    for one in lines:
        arm = one["arm"]
        if arm not in ARMS or one["weights"] not in ("", weights):
            continue
        if one["settings"] == hash_of(_settings(grid, arm, weights)):
            found[one["set"], one["size"], arm][one["seed"]] = one
    return found, weights


def _settings(grid: str, arm: str, weights: str) -> Record:
    if grid == "tuned":
        from _tuned import tuned_settings

        return tuned_settings(arm, None, weights)
    return settings_of(arm, None, weights)


class Grid:
    """Runs of a grid; an arm has a seed of a size where all of its sets were run with it."""

    def __init__(self, found: Found, measure: str = "f1") -> None:
        # runs of before log loss and calibration were measured lack them
        self.measure = measure
        found = {
            key: {at: one for at, one in runs.items() if measure in one}
            for key, runs in found.items()
        }
        self.found = found
        self.sets = [name for name in SETS if any(found[key] for key in found if key[0] == name)]
        self.seeds: dict[tuple[str, str], list[int]] = {}
        for size, arm in product(SIZES, ARMS):
            cells = [found.get((name, size, arm), {}) for name in self.sets]
            shared = set.intersection(*map(set, cells)) if cells else set()
            shared &= set(self.seeds.get((size, "none"), shared))  # arms are compared with it
            if shared:
                self.seeds[size, arm] = sorted(shared)
        self.sizes = [size for size in SIZES if (size, "none") in self.seeds]
        self.arms = [arm for arm in ARMS if any(key[1] == arm for key in self.seeds)]
        self.others = [arm for arm in self.arms if arm != "none"]

    def has(self, size: str, arm: str) -> bool:
        """Whether there is anything of an arm."""
        return (size, arm) in self.seeds and (size, "none") in self.seeds

    def values(self, name: str, size: str, arm: str, of: str = "") -> np.ndarray:
        """Return figures of an arm, by the seeds of the arm, or of another."""
        runs = self.found[name, size, arm]
        return np.array([runs[seed][self.measure] for seed in self.seeds[size, of or arm]])

    def means(self, size: str, arm: str, of: str = "") -> np.ndarray:
        """Return means over sets, seed by seed."""
        return np.mean([self.values(name, size, arm, of) for name in self.sets], axis=0)

    def gain(self, name: str, size: str, arm: str) -> np.ndarray:
        """Return differences to no augmentation in a set, seed by seed."""
        return self.values(name, size, arm) - self.values(name, size, "none", arm)

    def gains(self, size: str, arm: str) -> np.ndarray:
        """Return differences of means over sets to no augmentation, seed by seed."""
        return self.means(size, arm) - self.means(size, "none", arm)


def render(path: Path) -> str:
    """Return the tables of the runs there are, and draw them."""
    if writer() == "smol":
        return by_cells(path)
    found, weights = gather(path, "frozen")
    grid = Grid(found)
    if not grid.sizes or not grid.others:
        return "There are no complete rows of runs yet."
    said = [_conditions(grid, weights), *overall(grid)]
    for size in grid.sizes:
        title = f"{size} rows of each class" if size != "full" else f"{FULL_ROWS:,} rows"
        said += [f"## {title}", *_table_of(grid, size)]
    said += ["## Accuracy", _gains(Grid(found, "accuracy"), "accuracy, mean of sets")]
    said += ["## Balanced accuracy", *_balanced(Grid(found, "balanced"))]
    said += _beliefs(found)
    tuned, tuned_weights = gather(path, "tuned")
    said += _tuned_part(Grid(tuned), tuned_weights)
    said += _chosen(grid.arms, weights)
    if writer() == "nano":
        draw(grid)
    return "\n\n".join(said)


def by_cells(path: Path) -> str:
    """Return mean gains over sets, sizes and seeds at once: of few seeds no more can be said."""
    found, weights = gather(path, "frozen")
    tuned, tuned_weights = gather(path, "tuned")
    rare, full = (
        {key: runs for key, runs in found.items() if key[1] == size} for size in ("rare", "full")
    )
    few = {key: runs for key, runs in found.items() if key not in rare and key not in full}
    arms = [arm for arm in ARMS if any(key[2] == arm for key in found)]
    parts = ["# Few labelled texts, with sentences of smol", _conditions(Grid(found), weights)]
    parts += [ABOUT_CELLS, *_cells(few)]
    if told := _cells(rare, {"f1_rare": "F1 of that class"} | MEASURES):
        parts += [
            f"## {FEW_OF_RARE} texts in one class, {REST_OF_RARE} in the others",
            "Sentences are added for that class alone, anew for those that a label check takes "
            "out; paraphrases are five, one of each text. DMIX mixes rows of all classes.",
            *told,
        ]
    if told := _cells(full):
        parts += [f"## {FULL_ROWS:,} rows", f"{MOST_BESIDE_FULL} sentences are added.", *told]
    if told := _cells(tuned):
        from _tuned import described

        parts += ["## The encoder fine-tuned", described(tuned_weights), *told]
    return "\n\n".join([*parts, *_chosen(arms, weights)])


def _cells(found: Found, measures: Mapping[str, str] = MEASURES) -> list[str]:
    """Return what cells there are, that all arms were run on, and a table of their means.

    Nothing, where there are fewer than two.
    """
    arms = [arm for arm in ARMS if any(key[2] == arm for key in found)]
    cells = [
        (name, size, seed)
        for name, size in dict.fromkeys(key[:2] for key in found)
        for seed in set.intersection(*(set(found.get((name, size, arm), {})) for arm in arms))
    ]
    if len(cells) < 2:
        return []

    def of(arm: str, measure: str) -> np.ndarray:
        return np.array([found[name, size, arm][seed][measure] for name, size, seed in cells])

    levels = [f"*{points(*mean_interval(of('none', one)))}*" for one in measures]
    rows = [["*no augmentation*", *levels]]
    for arm in arms[1:]:
        gains = [mean_interval(of(arm, one) - of("none", one)) for one in measures]
        rows.append([ARMS[arm], *(signed(*one) for one in gains)])
    sets = [name for name in SETS if name in {cell[0] for cell in cells}]
    sizes = sorted({size for _, size, _ in cells}, key=SIZES.index)
    seeds = len({seed for *_, seed in cells})
    said = f"{len(cells)} cells: {', '.join(sets)}; {' and '.join(sizes)}; {seeds} seed(s)."
    return [said, markdown(["", *measures.values()], rows)]


def _conditions(grid: Grid, weights: str) -> str:
    s = settings_of("none")
    said = (
        "Macro-F1 in points on test rows; mean and 95 % t-interval over seeds, which draw the "
        "training rows. Test rows are the same for all, so the interval does not tell what other "
        "test rows would give. "
    )
    said = "" if writer() == "smol" else said
    said += (
        "All arms: all-MiniLM-L6-v2, frozen, its embeddings not "
        f"normalized, and a linear softmax layer, {s['steps']} steps of {s['batch']} rows with "
        "soft labels; real rows of a step are the same for all arms of a seed. "
        f'"full" is {FULL_ROWS:,} rows, drawn from {POOL_ROWS:,} at most.'
    )
    smol = writer() == "smol"
    if any(arm not in ("none", "mixup", "dmix") for arm in grid.arms):
        number = (
            f"{settings_of('eda')['most']} (paraphrases: one of a text, at most so many)"
            if smol
            else "as many as there are real ones, 50 at least and 100 at most"
        )
        said += f" Arms that add sentences add {number}, read by the same encoder."
    if weights:
        how = (
            "smol writes each at once, greedily"
            if smol
            else "inversedMixup writes each as the best of four candidates, with crossover"
        )
        said += (
            f" {how}, with Beta(1) weights. "
            "Label checks look at the same candidates; what a label check takes out is not "
            "replaced; *filter* keeps 70 % of a class at most. "
            + ("Every sentence stays, also of little confidence. " if smol else "")
            + f"Weights and way of writing of the inverter: {weights}."
        )
    return said


# tables


def overall(grid: Grid) -> list[str]:
    """Return the table of mean gains over sets, and what it says in words."""
    cells = [cell for cell in product(grid.sizes, grid.others) if grid.has(*cell)]
    corrected = dict(zip(cells, holm([paired_p(grid.gains(*cell)) for cell in cells]), strict=True))
    return [
        "## Gain over no augmentation",
        _gains(grid, "macro-F1, mean of sets", corrected),
        "A star marks a gain whose paired t-test over seeds (of the mean over sets) stays below "
        f"0.05 after Holm's correction over all {len(cells)} cells.",
        _in_words(grid, corrected),
    ]


def _gains(
    grid: Grid, title: str, corrected: Mapping[tuple[str, str], float] = MappingProxyType({})
) -> str:
    """Return levels of no augmentation, and gains of the other arms over it."""
    levels = [points(*mean_interval(grid.means(size, "none"))) for size in grid.sizes]
    rows = [["*no augmentation*", *(f"*{one}*" for one in levels), _span(grid, "none"), ""]]
    for arm in grid.others:
        row = [ARMS[arm]]
        for size in grid.sizes:
            star = "*" if corrected.get((size, arm), 1.0) < 0.05 else ""
            there = grid.has(size, arm)
            row.append(signed(*mean_interval(grid.gains(size, arm))) + star if there else "-")
        rows.append([*row, _span(grid, arm), _kept(grid, arm)])
    heads = [f"{size} a class" if size != "full" else size for size in grid.sizes]
    return markdown([title, *heads, "seeds", "rows kept"], rows)


def _beliefs(found: Found) -> list[str]:
    """Return how far probabilities can be believed, where that was measured."""
    parts = []
    for measure, title in (("log_loss", "Log loss"), ("ece", "Expected calibration error")):
        grid = Grid(found, measure)
        if grid.sizes and grid.others:
            parts += [
                f"## {title}",
                "Times 100; less is better.",
                _gains(grid, f"{title}, mean of sets"),
            ]
    return parts


def _balanced(grid: Grid) -> list[str]:
    """Return the mean recall of classes: overall, and where classes are uneven in test rows."""
    name = "SMS spam"
    levels = [points(*mean_interval(grid.values(name, size, "none"))) for size in grid.sizes]
    rows = [["*no augmentation*", *(f"*{one}*" for one in levels)]]
    for arm in grid.others:
        cells = [
            signed(*mean_interval(grid.gain(name, size, arm))) if grid.has(size, arm) else "-"
            for size in grid.sizes
        ]
        rows.append([ARMS[arm], *cells])
    heads = [f"{size} a class" if size != "full" else size for size in grid.sizes]
    y = data(name).test.y
    return [
        "The mean recall of classes, which does not depend on how often each is in the test rows.",
        _gains(grid, "balanced accuracy, mean of sets"),
        f"{name} alone: few-shot rows are even, but {100 * np.mean(y == 1):.0f} % of its test rows "
        "are spam. Whatever moves the border towards ham gains macro-F1 there, for it says spam "
        "less often where there is none; balanced accuracy tells how much of that is more than a "
        "moved border.",
        markdown([f"balanced accuracy, {name}", *heads], rows),
    ]


def _span(grid: Grid, arm: str) -> str:
    counts = [len(grid.seeds[size, arm]) for size in grid.sizes if grid.has(size, arm)]
    return f"{min(counts)}" if len(set(counts)) == 1 else f"{min(counts)}-{max(counts)}"


def _in_words(grid: Grid, corrected: Mapping[tuple[str, str], float]) -> str:
    found: dict[bool, dict[str, list[str]]] = {True: defaultdict(list), False: defaultdict(list)}
    for (size, arm), p in corrected.items():
        if p < 0.05:
            found[bool(grid.gains(size, arm).mean() > 0)][arm].append(size)
    said = []
    for up, words in ((True, "above"), (False, "below")):
        listed = [f"{ARMS[arm]} ({', '.join(sizes)})" for arm, sizes in found[up].items()]
        said.append(f"Beyond chance {words} no augmentation: {'; '.join(listed) or 'nothing'}.")
    if found[True]:
        said.append("Left of these gains without the set that gains most: ")
        said[-1] += "; ".join(
            f"{ARMS[arm]} " + ", ".join(_without_best(grid, size, arm) for size in sizes)
            for arm, sizes in found[True].items()
        )
        said[-1] += "."
    return " ".join(said)


def _without_best(grid: Grid, size: str, arm: str) -> str:
    """Return the mean gain over all sets but the one that gains most."""
    gains = {name: grid.gain(name, size, arm) for name in grid.sets}
    best = max(gains, key=lambda name: gains[name].mean())
    rest = np.mean([gain for name, gain in gains.items() if name != best], axis=0)
    return f"{signed(*mean_interval(rest))} ({size}, without {best})"


def _kept(grid: Grid, arm: str) -> str:
    """Return the share of written sentences that a label check left."""
    if arm not in WRITTEN or arm == "twin":
        return ""
    runs = [
        grid.found[name, size, arm][seed]
        for size in grid.sizes
        if grid.has(size, arm)
        for name in grid.sets
        for seed in grid.seeds[size, arm]
    ]
    return f"{100 * np.mean([run['kept'] for run in runs]):.0f} %"


def _table_of(grid: Grid, size: str) -> list[str]:
    """Return the table of one size, by set."""
    others = [arm for arm in grid.others if grid.has(size, arm)]
    cells = list(product(others, grid.sets))
    raw = [paired_p(grid.gain(name, size, arm)) for arm, name in cells]
    corrected = dict(zip(cells, holm(raw), strict=True))
    levels = [points(*mean_interval(grid.values(name, size, "none"))) for name in grid.sets]
    levels.append(points(*mean_interval(grid.means(size, "none"))))
    rows: list[list[Any]] = [["*no augmentation*", *(f"*{one}*" for one in levels)]]
    rows[0].append(len(grid.seeds[size, "none"]))
    for arm in others:
        row = [ARMS[arm]]
        for name in grid.sets:
            star = "*" if corrected[arm, name] < 0.05 else ""
            row.append(signed(*mean_interval(grid.gain(name, size, arm))) + star)
        row.append(signed(*mean_interval(grid.gains(size, arm))))
        rows.append([*row, len(grid.seeds[size, arm])])
    return [
        markdown(["macro-F1", *grid.sets, "mean of sets", "seeds"], rows),
        "First row: level; the others: paired difference to it. A star marks a difference whose "
        "paired t-test stays below 0.05 after Holm's correction over the "
        f"{len(cells)} cells of sets.",
    ]


def _tuned_part(grid: Grid, weights: str) -> list[str]:
    """Return the smaller grid with the encoder fine-tuned, where it was run."""
    if not grid.sizes or not grid.others:
        return []
    from _tuned import described

    said = ["## The encoder fine-tuned", described(weights)]
    for size in grid.sizes:
        said += [f"{size} rows of each class:", *_table_of(grid, size)]
    return said


def _chosen(arms: Sequence[str], weights: str) -> list[str]:
    found = chosen()
    listed = "; ".join(f"{key} {value}" for key, value in settings_of("none").items())
    said = ["## Settings", f"Of all arms: {listed}."]
    for arm, own in found.get("arms", {}).items():
        if arm in arms:
            said[-1] += f" {ARMS[arm]}: " + ", ".join(
                f"{key} {value}" for key, value in own.items() if key != "weights"
            )
            said[-1] += "."
    tried = [t for t in found.get("tried", []) if t["arm"] in arms]
    if writer() == "nano":
        tried = [t for t in tried if t.get("weights", weights) == weights]
    rows = [[t["arm"], t["setting"], t["value"], f"{100 * t['f1']:.2f}"] for t in tried]
    if writer() == "smol":
        said.append("Those of arms that write were chosen with nano's sentences.")
    said.append(
        "Chosen on validation rows, with seeds that no table uses (100 to 102 with 10 and 50 per "
        "class; for arms that add sentences, 100 and 101 with 10 per class), by mean macro-F1 over "
        "SST-2, TREC-6, Subj and SMS spam. `law` is the parameter of a symmetric Beta law; `share` "
        "the share of mixed rows in a batch; `weight` what an added sentence counts for beside a "
        "real one."
    )
    said.append(markdown(["arm", "setting", "value", "F1"], rows))
    said.append("Sets, without repeats: " + "; ".join(map(_described, SETS)) + ".")
    said.append(machine("numpy", "torch", "transformers", "vicinal") + ".")
    return said


def _described(name: str) -> str:
    pool, _, test = load(name, TEST_ROWS)
    classes = len({label for _, label in pool})
    drawn_from = min(POOL_ROWS, len(pool))
    return f"{name}: {classes} classes, {drawn_from:,} rows to draw from, {len(test):,} to test on"


# picture


def draw(grid: Grid) -> None:
    """Draw gains over no augmentation by size, with intervals."""
    try:
        import matplotlib as mpl
    except ImportError:
        skip("the picture: Matplotlib is not installed")
        return
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    groups = [
        ("mixing and edits", ["eda", "mixup", "dmix", "twin"]),
        ("inversedMixup", [arm for arm in WRITTEN if arm != "twin"]),
    ]
    groups = [(title, [a for a in arms if a in grid.arms]) for title, arms in groups]
    groups = [(title, arms) for title, arms in groups if arms]
    figure, axes = plt.subplots(
        1, len(groups), figsize=(5.2 * len(groups), 4.2), sharey=True, squeeze=False
    )
    colors = ["#e6a100", "#4292c6", "#08519c", "#c0504d", "#2e8b57"]
    for axis, (title, arms) in zip(axes[0], groups, strict=True):
        axis.axhline(0, color="#888888", linewidth=1)
        for at, arm in enumerate(arms):
            there = [size for size in grid.sizes if grid.has(size, arm)]
            mean, half = np.array([mean_interval(grid.gains(size, arm)) for size in there]).T
            x = np.array([grid.sizes.index(size) for size in there])
            x = x + 0.08 * (at - (len(arms) - 1) / 2)
            axis.errorbar(
                x,
                100 * mean,
                100 * np.nan_to_num(half),
                fmt="o-",
                markersize=4,
                capsize=2,
                linewidth=1.3,
                elinewidth=0.8,
                color=colors[at % len(colors)],
                label=f"{ARMS[arm]} ({_span(grid, arm)} seeds)",
            )
        axis.set_xticks(range(len(grid.sizes)), grid.sizes)
        axis.set_xlabel("texts of each class")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7.5, frameon=False, loc="best")
    axes[0, 0].set_ylabel("macro-F1, points over no augmentation")
    figure.suptitle(
        f"Gain over no augmentation, mean of {len(grid.sets)} sets, 95 % intervals", fontsize=10
    )
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=120)
    plt.close(figure)
