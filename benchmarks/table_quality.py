"""The privacy dial: what a synthetic table keeps, and how near it stays to the rows it came from.

Run with ``python benchmarks/table_quality.py --data ../shared/data``; ``--sweep`` compares settings
of the neighbourhood instead of generators. Rows are split into a part that generators learn
from, a hold-out part of equal size that nobody sees, and a test part. Each generator draws as
many rows as it learnt. Printed for each, averaged over seeds (of split and generator):

* quality, by SDMetrics' report, against the rows learnt from;
* closer: the share of synthetic rows (the first 4,000) that are closer to a learnt row than to any
  hold-out row (ties count half; 0.5 is ideal), by two distances, so that neither can be pleased
  alone: Euclidean over standardised numbers and one-hot categories, and a Gower distance (absolute
  difference over the column's range, and 1 for categories that differ);
* copies: the share of synthetic rows that equal a learnt row in every column, beside the share of
  hold-out rows that do;
* utility: gradient boosting trained on synthetic rows, tested on the test part (area under the ROC
  curve for classes, R2 for numbers), beside the same trained on the learnt rows.

Intervals are 95 % by Student's t over seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit, prange

from _common import (
    RESULTS,
    Copula,
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
from vicinal import SphereWeights

if TYPE_CHECKING:
    import pandas as pd

#: Most rows to learn from; the hold-out part has as many.
MOST_ROWS = 10_000
#: Synthetic rows whose nearest rows are sought.
NEAREST_ROWS = 4_000
TEST_SHARE = 0.2
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "table_privacy.png"
MEASURES = ("quality", "closer", "closer_gower", "copies", "utility")

Make = Callable[["pd.DataFrame", str, int], "pd.DataFrame"]


# generators


def bootstrap(train: pd.DataFrame, target: str, seed: int) -> pd.DataFrame:
    """Draw learnt rows again: the ceiling of fidelity, and no privacy."""
    return train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)


def copula(train: pd.DataFrame, target: str, seed: int) -> pd.DataFrame:
    """Fit and sample SDV's Gaussian copula."""
    return Copula().fit(train).sample(len(train))


def ours(**settings: Any) -> Make:
    """Return a generator of ours with these settings."""

    def make(train: pd.DataFrame, target: str, seed: int) -> pd.DataFrame:
        from vicinal.table import TableSynthesizer

        model = TableSynthesizer(target=target, random_state=seed, **settings)
        drawn: pd.DataFrame = model.fit(train).sample()
        return drawn

    return make


def dial() -> dict[str, Make]:
    """Return the generators to compare."""
    made: dict[str, Make] = {"bootstrap": bootstrap}
    made |= {f"vicinal, {name}": ours(privacy=name) for name in ("low", "balanced", "high")}
    if has_sdv():
        made["SDV GaussianCopula"] = copula
    return made


def sweep(neighbours: list[int], parents: list[int]) -> dict[str, Make]:
    """Return neighbourhoods of several sizes with several numbers of parents."""
    return {
        f"K {k}, {p} parents": ours(
            method="neighbourhood", neighbours=k, weights=SphereWeights(p), privacy="balanced"
        )
        for k in neighbours
        for p in parents
    }


# measures


@njit(parallel=True)
def nearest(rows, codes, others, other_codes, power, mismatch):  # pragma: no cover
    """Return the least distance of each row to the others, added up over columns."""
    least = np.empty(len(rows))
    for i in prange(len(rows)):
        best = np.inf
        for j in range(len(others)):
            total = 0.0
            for c in range(codes.shape[1]):
                if codes[i, c] != other_codes[j, c]:
                    total += mismatch
            for c in range(rows.shape[1]):
                if total >= best:
                    break
                gap = abs(rows[i, c] - others[j, c])
                total += gap * gap if power == 2 else gap
            if total < best:
                best = total
        least[i] = best
    return least


class Space:
    """Rows as numbers and codes, learnt from two equal parts so that neither is favoured."""

    def __init__(self, data: Dataset, train: pd.DataFrame, hold: pd.DataFrame) -> None:
        import pandas as pd

        both = pd.concat([train, hold])
        self._numbers = [name for name in train if name not in data.categories]
        self._levels = {name: pd.Index(both[name].dropna().unique()) for name in data.categories}
        numbers = both[self._numbers]
        self._middle, self._spread = numbers.mean(), numbers.std().replace(0, 1)
        self._range = (numbers.max() - numbers.min()).replace(0, 1)
        self._train, self._hold = train, hold

    def _codes(self, frame: pd.DataFrame) -> Any:
        codes = [levels.get_indexer(frame[name]) for name, levels in self._levels.items()]
        # a missing number is a category: missing or not
        codes += [frame[name].isna() for name in self._numbers]
        return np.ascontiguousarray(np.column_stack(codes), dtype=np.int16)

    def _points(self, frame: pd.DataFrame, scale: Any) -> Any:
        numbers = (frame[self._numbers] - self._middle) / scale
        return np.ascontiguousarray(numbers.fillna(0), dtype=np.float64)

    def closer(self, synthetic: pd.DataFrame) -> dict[str, float]:
        """Return the share of rows that are closer to a learnt row than to a hold-out row."""
        found = {}
        synthetic = synthetic.head(NEAREST_ROWS)
        # two one-hot rows that differ are at a squared distance of 2
        cases = (("closer", self._spread, 2, 2.0), ("closer_gower", self._range, 1, 1.0))
        for name, scale, power, mismatch in cases:
            points, codes = self._points(synthetic, scale), self._codes(synthetic)
            near, far = (
                nearest(
                    points, codes, self._points(part, scale), self._codes(part), power, mismatch
                )
                for part in (self._train, self._hold)
            )
            found[name] = float(np.mean(near < far) + np.mean(near == far) / 2)
        return found


def copies(rows: pd.DataFrame, train: pd.DataFrame) -> float:
    """Return the share of rows that equal a learnt row."""
    import pandas as pd

    both = pd.concat([train, rows[train.columns]], ignore_index=True)
    names = [name for name in both.columns if both[name].dtype.kind == "O"]
    both[names] = both[names].astype("string").fillna("")
    hashes = pd.util.hash_pandas_object(both.convert_dtypes(), index=False).to_numpy()
    return float(np.isin(hashes[len(train) :], hashes[: len(train)]).mean())


def utility(data: Dataset, learnt: pd.DataFrame, test: pd.DataFrame, seed: int) -> float:
    """Return how well a model that learns from these rows predicts the test part."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import r2_score, roc_auc_score

    both = pd.concat([learnt[test.columns], test], ignore_index=True)
    names = [name for name in both.columns if both[name].dtype == object and name != data.target]
    both[names] = both[names].astype("category")
    X, y = both.drop(columns=data.target), both[data.target]
    few = [name for name in names if both[name].nunique() <= 255]
    for name in set(names) - set(few):
        X[name] = X[name].cat.codes
    cut = len(learnt)
    if data.task == "number":
        model = HistGradientBoostingRegressor(categorical_features=few, random_state=seed)
        return float(r2_score(y[cut:], model.fit(X[:cut], y[:cut]).predict(X[cut:])))
    model = HistGradientBoostingClassifier(categorical_features=few, random_state=seed)
    shares = model.fit(X[:cut], y[:cut]).predict_proba(X[cut:])
    scored = shares[:, 1] if shares.shape[1] == 2 else shares
    return float(roc_auc_score(y[cut:], scored, multi_class="ovr", labels=model.classes_))


# runs


def split(data: Dataset, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the learnt, hold-out and test parts."""
    order = np.random.default_rng(seed).permutation(len(data.frame))
    test = data.test
    if test is None:
        cut = round(TEST_SHARE * len(order))
        test, order = data.frame.iloc[order[:cut]].reset_index(drop=True), order[cut:]
    half = min(len(order) // 2, MOST_ROWS)
    train, hold = (
        data.frame.iloc[order[at : at + half]].reset_index(drop=True) for at in (0, half)
    )
    return train, hold, test


def run_seed(data: Dataset, made: dict[str, Make], seed: int, fast: bool) -> dict[str, Any]:
    """Return every measure of every generator for one seed."""
    train, hold, test = split(data, seed)
    space = Space(data, train, hold)
    found: dict[str, Any] = {
        "real": {"copies": copies(hold, train), "utility": utility(data, train, test, seed)}
    }
    for name, make in made.items():
        drawn = make(train, data.target, seed)
        got = found[name] = space.closer(drawn)
        got["copies"] = copies(drawn, train)
        if has_sdv():
            got |= quality(train, drawn)
        if not fast:
            got["utility"] = utility(data, drawn, test, seed)
    return found | {"rows": len(train)}


def summary(runs: list[dict[str, Any]], name: str, key: str) -> tuple[float, float] | None:
    """Return mean and half width of the 95 % interval over seeds, None where not measured."""
    from scipy.stats import t

    values = [run[name][key] for run in runs if key in run.get(name, {})]
    if not values:
        return None
    if len(values) == 1:
        return values[0], float("nan")
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(half)


def shown(value: tuple[float, float] | None, digits: int = 3) -> str:
    """Return a mean and its interval in words."""
    if value is None:
        return "-"
    mean, half = value
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def render(results: dict[str, Any], about: str) -> str:
    """Return the tables in Markdown: one for each set, and their average."""
    parts = [about]
    names: list[str] = results["generators"]
    title = ["quality", "closer", "closer, Gower", "copies", "utility"]
    for set_name, found in results["sets"].items():
        runs = found["runs"]
        what = "AUC" if found["task"] == "class" else "R2"
        rows = [
            [name, *(shown(summary(runs, name, key)) for key in MEASURES)]
            for name in ("real", *names)
        ]
        header = [f"{set_name}, {runs[0]['rows']:,} rows", *title[:-1], f"utility, {what}"]
        parts.append(markdown(header, rows))
        for name, scores in found.get("full", {}).items():
            parts.append(
                f"All {scores['rows']:,} rows, {name}: quality {scores['quality']:.3f} "
                f"(shapes {scores['shapes']:.3f}, pairs {scores['pairs']:.3f})."
            )
    if len(results["sets"]) > 1:
        parts.append(markdown(["mean over sets", *title], average(results)))
    return "\n\n".join(parts)


def average(results: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table of means over sets."""
    rows = []
    for name in ("real", *results["generators"]):
        row = [name]
        for key in MEASURES:
            means = [summary(found["runs"], name, key) for found in results["sets"].values()]
            there = [mean[0] for mean in means if mean is not None]
            row.append(f"{np.mean(there):.3f}" if there else "-")
        rows.append(row)
    return rows


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw fidelity against privacy, one panel for each set."""
    try:
        import matplotlib as mpl
    except ImportError:
        skip("no picture: matplotlib is not installed")
        return
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    colours = dict(
        zip(
            results["generators"],
            ["#8a8a8a", "#8ecae6", "#219ebc", "#023047", "#e07a1f"],
            strict=False,
        )
    )
    count = len(results["sets"])
    wide = min(4, count)
    tall = -(-count // wide)
    figure, axes = plt.subplots(
        tall, wide, figsize=(2.9 * wide, 2.7 * tall + 0.9), squeeze=False, sharex=True, sharey=True
    )
    for axis, (set_name, found) in zip(axes.flat, results["sets"].items(), strict=False):
        axis.axvline(0.5, color="#cccccc", linewidth=1, zorder=0)
        trail = []
        for name in results["generators"]:
            x, y = (summary(found["runs"], name, key) for key in ("closer", "quality"))
            if x is None or y is None:
                continue
            axis.errorbar(
                x[0],
                y[0],
                xerr=np.nan_to_num(x[1]),
                yerr=np.nan_to_num(y[1]),
                fmt="o",
                color=colours[name],
                markersize=7,
                elinewidth=1,
                label=name,
                zorder=3,
            )
            if name.startswith("vicinal"):
                trail.append((x[0], y[0]))
        if trail:
            axis.plot(*zip(*trail, strict=True), color="#bcd9e6", linewidth=1.5, zorder=1)
        axis.set_title(f"{set_name} ({found['runs'][0]['rows']:,} rows)", fontsize=10)
        axis.grid(alpha=0.25)
    for axis in list(axes.flat)[count:]:
        axis.set_visible(False)
    handles = axes.flat[0].get_legend_handles_labels()
    figure.legend(*handles, loc="lower center", ncol=len(results["generators"]), frameon=False)
    figure.supxlabel(
        "share closer to a learnt row than to a hold-out row (0.5 is ideal)", y=0.09, fontsize=10
    )
    figure.supylabel("SDMetrics quality score", fontsize=10)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    progress(f"picture: {path}")


def main() -> None:
    """Run what was asked for."""
    options = parser(
        __doc__ or "",
        ("adult", "bank", "covertype", "credit_g", "diamonds", "california", "wine", "insurance"),
    )
    options.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options.add_argument("--full", nargs="*", default=["adult"], choices=["adult", "bank"])
    options.add_argument("--sweep", action="store_true", help="compare neighbourhoods instead")
    options.add_argument("--neighbours", type=int, nargs="+", default=[20, 40, 60, 100, 150, 200])
    options.add_argument("--parents", type=int, nargs="+", default=[5, 8, 12])
    options.add_argument("--fast", action="store_true", help="leave utility out")
    options.add_argument("--keep", action="store_true", help="add to the sets of an earlier run")
    options.add_argument("--picture", type=Path, default=PICTURE)
    asked = options.parse_args()
    hush()
    name = asked.name or ("table_quality_sweep" if asked.sweep else "table_quality")
    made = sweep(asked.neighbours, asked.parents) if asked.sweep else dial()
    results: dict[str, Any] = {"generators": list(made), "sets": {}}
    earlier = RESULTS / f"{name}.json"
    if asked.keep and earlier.exists():
        results["sets"] = json.loads(earlier.read_text(encoding="utf-8"))["sets"]
    for set_name in asked.sets:
        data = load(set_name, asked.data)
        if data is None:
            continue
        runs = []
        for seed in asked.seeds:
            progress(f"{set_name}: seed {seed}")
            runs.append(run_seed(data, made, seed, asked.fast))
        found = results["sets"][set_name] = {"task": data.task, "runs": runs}
        if set_name in asked.full and has_sdv() and not asked.sweep:
            found["full"] = {
                which: quality(data.frame, make(data.frame, data.target, 0))
                | {"rows": len(data.frame)}
                for which, make in made.items()
            }
    if not results["sets"]:
        skip("no data set was found; nothing to measure")
        return
    about = machine("vicinal", "numpy", "numba", "pandas", "scikit-learn", "sdv", "sdmetrics")
    about += f". Seeds {', '.join(map(str, asked.seeds))}; mean ± 95 % interval over seeds."
    publish(name, render(results, about), results | {"machine": about})
    if not asked.sweep:
        draw(results, asked.picture)


if __name__ == "__main__":
    main()
