"""The front between fidelity, privacy and utility: what each step of the settings gives.

Run with ``python benchmarks/table_front.py --data ../shared/data``; ``--sweep`` compares sizes of
the neighborhood and numbers of parents instead, ``--variants`` what was tried later, ``--dial``
the four settings as they are, with the library's own quality on all seeds. Nothing here
looks at a test part: rows outside it are split, for each seed, into rows to learn from, as many
held out, and the rest, on which utility is measured. So settings may be chosen by what is printed
here, and judged elsewhere.

Printed for each set, averaged over seeds:

* DCR share: the share of synthetic rows nearer to a learned row than to a held-out one, by
  Euclidean distance and by Gower's (0.5 is ideal);
* loss: how much worse boosted trees are that learn from synthetic rows instead of real ones (area
  under the ROC curve for classes, R2 for numbers), beside that of a bootstrap;
* quality, by SDMetrics, for the first seed (``--no-quality`` leaves it out). Of variants it is the
  library's own, which counts every pair of columns.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from _common import (
    SETS,
    Dataset,
    has_sdv,
    hush,
    load,
    machine,
    markdown,
    parser,
    progress,
    publish,
    quality,
    skip,
)
from _density import following
from _measures import closer, development, utility
from vicinal import SphereWeights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

#: Share of the rows outside the test part that are learned; as many are held out.
LEARN_SHARE = 0.36
#: Most rows that utility is measured on.
MOST_VALIDATION = 10_000
#: Synthetic rows whose nearest rows are sought.
NEAREST_ROWS = 2_500
MEASURES = ("closer", "closer_gower", "loss", "quality")

_PLAIN = {"focus": 0.0, "spacing": 0.0, "spike": 2.0, "effects": False}


def steps() -> dict[str, dict[str, Any]]:
    """Return the settings to compare: one step after the other, then the four."""
    from vicinal.table import PRIVACY

    near = {"method": "neighborhood", "weights": SphereWeights(8), "neighbors": 60, "share": 0.2}
    before = near | _PLAIN
    spikes = before | {"spike": 0.3}
    effects = spikes | {"effects": True}
    wider = effects | {"share": 0.4}
    focus = wider | {"focus": 1.0}
    return {
        "off, before": PRIVACY["off"] | _PLAIN,
        "off": PRIVACY["off"],
        "60 of at most a fifth": before,
        "+ spikes from a parent": spikes,
        "+ effects of categories": effects,
        "+ at most two fifths": wider,
        "+ focus on the target": focus,
        "+ spacing = balanced": PRIVACY["balanced"],
        "high, before": before | {"weights": SphereWeights(12), "neighbors": 150, "share": 0.4},
        "high": PRIVACY["high"],
        "max": PRIVACY["max"],
    }


def sweep(neighbors: list[int], parents: list[int]) -> dict[str, dict[str, Any]]:
    """Return neighborhoods of several sizes with several numbers of parents."""
    from vicinal.table import PRIVACY

    return {
        f"K {k}, {p} parents": PRIVACY["balanced"] | {"neighbors": k, "weights": SphereWeights(p)}
        for k in neighbors
        for p in parents
    }


def variants() -> dict[str, dict[str, Any]]:
    """Return what was tried later: sizes by density, and steps beyond the settings."""
    from vicinal.table import PRIVACY

    made: dict[str, dict[str, Any]] = {}
    for name in ("balanced", "high", "max"):
        made[name] = PRIVACY[name]
        made[f"{name}, more where dense"] = PRIVACY[name] | {"density": "dense"}
        made[f"{name}, more where sparse"] = PRIVACY[name] | {"density": "sparse"}
    for name in ("balanced", "high"):
        made[f"{name}, spacing 1.1, 3 attempts"] = PRIVACY[name] | {"spacing": 1.1}
    for k, p in ((1000, 8), (2000, 8), (1000, 12), (1000, 20)):
        wide = {"neighbors": k, "weights": SphereWeights(p)}
        made[f"max, K {k:,}, {p} parents"] = PRIVACY["max"] | wide
    for spacing, attempts in ((0.7, 8), (0.9, 3), (0.9, 8), (1.1, 3), (1.1, 8)):
        apart = {"spacing": spacing, "attempts": attempts}
        made[f"max, spacing {spacing}, {attempts} attempts"] = PRIVACY["max"] | apart
    return made


def draw(
    setting: dict[str, Any] | str, train: pd.DataFrame, target: str, seed: int
) -> pd.DataFrame:
    """Learn and draw with a setting that need not be one of the four, or with one of it by name."""
    from vicinal.table import PRIVACY, TableSynthesizer, mixing

    if isinstance(setting, str):
        named = TableSynthesizer(setting, target=target, random_state=seed).fit(train)
        return named.sample()
    PRIVACY["trial"], attempts = setting, mixing.ATTEMPTS
    mixing.ATTEMPTS = setting.get("attempts", attempts)
    try:
        with following(setting.get("density")):
            model = TableSynthesizer("trial", target=target, random_state=seed).fit(train)
    finally:
        del PRIVACY["trial"]
        mixing.ATTEMPTS = attempts
    drawn: pd.DataFrame = model.sample()
    return drawn


def sdmetrics_quality(_: Dataset, real: pd.DataFrame, made: pd.DataFrame) -> dict[str, float]:
    """Return SDMetrics' quality."""
    return quality(real, made)


def own_quality(data: Dataset, real: pd.DataFrame, made: pd.DataFrame) -> dict[str, float]:
    """Return the library's own quality, over all pairs of columns."""
    from vicinal.report.fidelity.measure import measure_fidelity
    from vicinal.report.tables import align

    tables = align(real, made, kinds=dict.fromkeys(data.categories, "category"))
    return {"quality": measure_fidelity(tables, two_sample=False, random_state=0).quality}


def run_seed(
    data: Dataset,
    settings: Mapping[str, dict[str, Any] | str],
    seed: int,
    most: int,
    score: Callable[[Dataset, pd.DataFrame, pd.DataFrame], dict[str, float]] | None,
) -> dict[str, Any]:
    """Return every measure of every setting for one seed."""
    rows = development(data)
    order = np.random.default_rng(seed).permutation(len(rows))
    half = min(most, int(LEARN_SHARE * len(rows)))
    edges = (0, half, 2 * half, 2 * half + MOST_VALIDATION)
    train, hold, valid = (
        rows.iloc[order[a:b]].reset_index(drop=True) for a, b in itertools.pairwise(edges)
    )
    best = utility(data, train, valid, seed)
    again = train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
    found: dict[str, Any] = {
        "rows": half,
        "real": best,
        "bootstrap": {"loss": best - utility(data, again, valid, seed)},
    }
    for name, setting in settings.items():
        made = draw(setting, train, data.target, seed)
        near = closer(data, train, hold, made, NEAREST_ROWS)
        got = found[name] = {key: share.value for key, share in near.items()}
        got["loss"] = best - utility(data, made, valid, seed)
        if score is not None:
            got |= score(data, train, made)
    return found


def mean(runs: list[dict[str, Any]], name: str, key: str) -> float:
    """Return the mean over seeds, NaN where nothing was measured."""
    values = [run[name][key] for run in runs if key in run.get(name, {})]
    return float(np.mean(values)) if values else float("nan")


def _mean_of(sets: dict[str, list[dict[str, Any]]], name: str, key: str) -> float:
    """Return the mean over the sets that it was measured on."""
    means = [mean(runs, name, key) for runs in sets.values()]
    there = [value for value in means if not np.isnan(value)]
    return float(np.mean(there)) if there else float("nan")


def shown(value: float) -> str:
    """Return a figure, or a dash for none."""
    return "-" if np.isnan(value) else f"{value:.3f}"


def render(results: dict[str, Any], about: str) -> str:
    """Return the tables in Markdown: means over sets, then one table for each measure."""
    names, sets = ["bootstrap", *results["settings"]], results["sets"]
    rows = [[name, *(shown(_mean_of(sets, name, key)) for key in MEASURES)] for name in names]
    titles = ["DCR share", "DCR share, Gower", "loss", "quality"]
    parts = [about, markdown([f"mean over {len(sets)} sets", *titles], rows)]
    header = [f"{name} ({runs[0]['rows']:,})" for name, runs in sets.items()]
    for key, title in zip(MEASURES, titles, strict=True):
        lines = [
            [name, *(shown(mean(runs, name, key)) for runs in sets.values())] for name in names
        ]
        if key == "loss":
            real = [shown(float(np.mean([run["real"] for run in runs]))) for runs in sets.values()]
            lines.insert(0, ["*real: no loss from*", *real])
        parts.append(markdown([title, *header], lines))
    return "\n\n".join(parts)


def main() -> None:
    """Run what was asked for."""
    options = parser(__doc__ or "", tuple(SETS))
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--rows", type=int, default=5_000, help="most rows to learn")
    options.add_argument("--sweep", action="store_true", help="compare neighborhoods instead")
    options.add_argument("--variants", action="store_true", help="compare what was tried later")
    options.add_argument("--dial", action="store_true", help="the four settings alone")
    options.add_argument("--neighbors", type=int, nargs="+", default=[30, 60, 100, 150, 300])
    options.add_argument("--parents", type=int, nargs="+", default=[5, 8, 16])
    options.add_argument("--no-quality", dest="quality", action="store_false")
    asked = options.parse_args()
    hush()
    settings: Mapping[str, dict[str, Any] | str] = steps()
    suffix = ""
    if asked.dial:
        settings, suffix = {name: name for name in ("off", "balanced", "high", "max")}, "_dial"
    elif asked.sweep:
        settings, suffix = sweep(asked.neighbors, asked.parents), "_sweep"
    elif asked.variants:
        settings, suffix = variants(), "_variants"
    score = None
    if asked.quality and (asked.variants or asked.dial):
        score = own_quality
    elif asked.quality and has_sdv():
        score = sdmetrics_quality
    results: dict[str, Any] = {"settings": list(settings), "sets": {}}
    for set_name in asked.sets:
        data = load(set_name, asked.data)
        if data is None:
            continue
        runs = []
        for seed in asked.seeds:
            progress(f"{set_name}: seed {seed}")
            runs.append(
                run_seed(
                    data, settings, seed, asked.rows, score if asked.dial or not runs else None
                )
            )
        results["sets"][set_name] = runs
    if not results["sets"]:
        skip("no data set was found; nothing to measure")
        return
    about = machine("vicinal", "numpy", "numba", "pandas", "scikit-learn", "sdmetrics")
    about += f". Seeds {', '.join(map(str, asked.seeds))}; at most {asked.rows:,} rows learned."
    name = asked.name or f"table_front{suffix}"
    publish(name, render(results, about))


if __name__ == "__main__":
    main()
