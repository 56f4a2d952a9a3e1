"""Our tables on the protocol that published generators are measured on, beside their figures.

Run with ``python benchmarks/table_published.py --data ../shared/data --seeds 5``. The published
figures are those of ``published_tables.csv`` (april-tools/tabpc, Apache-2.0), the protocol is
theirs as far as it is described: Adult with its official split, of Beijing, Default and Shoppers a
tenth put aside at random. A generator learns the training rows and draws as many. Measured are:

* shape, trend: column shapes and pair trends of SDMetrics, against the training rows;
* detection: two-sample test by XGBoost, 2 (1 - max(AUC, 1/2)), three folds (1: cannot be told);
* alpha-precision, beta-recall: as synthcity defines them, on min-max and one-hot columns;
* MLE: XGBoost that learns synthetic rows (grid chosen on an eighth of them), on the rows put aside;
* DCR share: half of the training rows are learned, the others are unseen: share of synthetic rows
  nearer to a learned row, L1 of min-max numbers and 2 for each other category, ties count half, of
  5,000 synthetic rows;
* seconds to fit and to draw (theirs of neural networks: on a GPU).

Peers that are installed run here too: MOSTLY AI's TabularARGN (``mostlyai-engine``) for two
minutes, SDV's copula, and its TVAE for as many epochs as the ten-set table gives it. Not run:
ForestDiffusion with a tenth of its default work (10 steps, 10 copies) had not learned 2,000 rows of
Shoppers after 250 s, and arfpy took 160 s for 3,000.

Runs are kept in ``.cache/table_published.jsonl`` and not made again; ``--render`` only prints.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd

from _common import Dataset, hush, machine, markdown, progress, publish
from _peers import peers

CACHE = Path(__file__).parent.parent / ".cache" / "table_published.jsonl"
SPLIT_SEED = 0  # of the tenth that is put aside; the same for everyone
DCR_ROWS = 5_000  # synthetic rows whose nearest rows are sought
ARGN_MINUTES = 2.0
STEPS = 30  # of the curves of alpha-precision and beta-recall
FOLDS = 3
TREES = (10, 50, 100)
GRID = [
    {"max_depth": depth, "min_child_weight": weight, "gamma": gamma}
    for depth in (1, 10, 20)
    for weight in (5, 10, 20)
    for gamma in (0.0, 1.0)
]
MEASURES = {
    "shape": "shape",
    "trend": "trend",
    "xgb_detection": "XGBoost detection score",
    "alpha_precision": "alpha-precision",
    "beta_recall": "beta-recall",
    "mle": "MLE",
    "dcr": "DCR share",
    "training_time": "fit, s",
    "sampling_time": "draw, s",
}
#: Who is printed of the published ones.
PUBLISHED = ("independent columns", "TVAE", "CTGAN", "TabSyn", "TabDiff", "TabPC")

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Protocol:
    """A table, its target and its categories."""

    file: str
    target: str
    number: bool = False  # the target is a number
    categories: tuple[str, ...] = ()  # numbers that count as categories
    dropped: tuple[str, ...] = ()
    complete: str | None = None  # rows that lack this column are dropped


SETS = {
    "adult": Protocol("adult_income.csv.gz", "income"),
    "beijing": Protocol(
        "beijing_pm25.csv.gz",
        "pm2.5",
        number=True,
        categories=("year", "month", "day", "hour"),
        dropped=("No",),
        complete="pm2.5",
    ),
    "default": Protocol(
        "credit_default.csv.gz",
        "default",
        categories=(
            *("SEX", "EDUCATION", "MARRIAGE", "default"),
            *("PAY_0", "PAY_2", "PAY_3", "PAY_4", "PAY_5", "PAY_6"),
        ),
    ),
    "shoppers": Protocol(
        "online_shoppers.csv.gz",
        "Revenue",
        categories=("OperatingSystems", "Browser", "Region", "TrafficType"),
    ),
}


def read(name: str, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return training rows and the rows put aside; categories are text."""
    asked = SETS[name]
    frame = pd.read_csv(folder / asked.file, keep_default_na=name != "adult")
    frame = frame.drop(columns=list(asked.dropped))
    if asked.complete:
        frame = frame.dropna(subset=[asked.complete])
    for column in frame:
        if column in asked.categories or frame[column].dtype.kind in "Ob":
            frame[column] = frame[column].astype(str)
    if "split" in frame:
        parts = [frame[frame["split"] == part].drop(columns="split") for part in ("train", "test")]
    else:
        order = np.random.default_rng(SPLIT_SEED).permutation(len(frame))
        cut = round(0.9 * len(frame))
        parts = [frame.iloc[order[:cut]], frame.iloc[order[cut:]]]
    return parts[0].reset_index(drop=True), parts[1].reset_index(drop=True)


# generators

Generator = Callable[[pd.DataFrame, Protocol, int], tuple[pd.DataFrame, float, float]]


def clocked(
    fit: Callable[[], Any], draw: Callable[[], pd.DataFrame]
) -> tuple[pd.DataFrame, float, float]:
    """Fit, then draw; return the rows, and the seconds of both."""
    start = time.perf_counter()
    fit()
    fitted = time.perf_counter()
    drawn = draw()
    return drawn, fitted - start, time.perf_counter() - fitted


def ours(privacy: str) -> Generator:
    """Return our synthesizer at a setting, told the target and the categories."""

    def draw(train: pd.DataFrame, asked: Protocol, seed: int) -> tuple[pd.DataFrame, float, float]:
        from vicinal.table import TableSynthesizer

        kinds = {name: "category" for name in train if train[name].dtype == object}
        model = TableSynthesizer(privacy, target=asked.target, kinds=kinds, random_state=seed)
        model.fit(train.head(500)).sample(100)  # compiled before the clock runs
        return clocked(lambda: model.fit(train), lambda: model.sample(len(train)))

    return draw


def independent(
    train: pd.DataFrame, asked: Protocol, seed: int
) -> tuple[pd.DataFrame, float, float]:
    """Draw every column on its own."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    columns = {
        name: train[name].to_numpy()[rng.integers(len(train), size=len(train))] for name in train
    }
    return pd.DataFrame(columns), 0.0, time.perf_counter() - start


def bootstrap(train: pd.DataFrame, asked: Protocol, seed: int) -> tuple[pd.DataFrame, float, float]:
    """Draw training rows again."""
    start = time.perf_counter()
    drawn = train.sample(len(train), replace=True, random_state=seed).reset_index(drop=True)
    return drawn, 0.0, time.perf_counter() - start


def peer(name: str) -> Generator:
    """Return one of SDV's generators as the ten-set table runs it, its epochs cut."""

    def draw(train: pd.DataFrame, asked: Protocol, seed: int) -> tuple[pd.DataFrame, float, float]:
        task = "number" if asked.number else "class"
        made = peers()[name](Dataset(asked.file, train, asked.target, task), seed)
        return clocked(lambda: made.fit(train), lambda: made.sample(len(train)))

    return draw


def argn(train: pd.DataFrame, asked: Protocol, seed: int) -> tuple[pd.DataFrame, float, float]:
    """Draw from MOSTLY AI's TabularARGN, trained on the processor for a few minutes at most."""
    from mostlyai.engine import TabularARGN

    with tempfile.TemporaryDirectory() as folder:
        model = TabularARGN(
            max_training_time=ARGN_MINUTES, device="cpu", workspace_dir=folder, random_state=seed
        )
        drawn, *seconds = clocked(
            lambda: model.fit(train), lambda: model.sample(n_samples=len(train), device="cpu")
        )
        drawn = drawn[train.columns].astype(train.dtypes.to_dict()).reset_index(drop=True)
        return drawn, *seconds


GENERATORS: dict[str, Generator] = {
    **{f"vicinal {name}": ours(name) for name in ("off", "balanced", "high", "max")},
    "TabularARGN, two minutes": argn,
    "SDV copula": peer("SDV GaussianCopula"),
    "SDV TVAE, epochs cut": peer("SDV TVAE"),
    "independent columns, here": independent,
    "bootstrap": bootstrap,
}


# measures


def encode(learned: pd.DataFrame, *frames: pd.DataFrame) -> list[Rows]:
    """Return min-max numbers and one-hot categories of every table, scaled by the first."""
    numbers = learned.select_dtypes("number")
    low, span = numbers.min(), (numbers.max() - numbers.min()).replace(0, 1)
    made: list[list[Any]] = [[((each[numbers.columns] - low) / span).fillna(-1)] for each in frames]
    for name in learned.columns.difference(numbers.columns, sort=False):
        levels = pd.concat([each[name] for each in (learned, *frames)]).unique()
        for at, each in enumerate(frames):
            made[at].append(pd.get_dummies(pd.Categorical(each[name], categories=levels)))
    return [
        np.hstack([part.to_numpy(np.float32) for part in parts]).astype(np.float32)
        for parts in made
    ]


def quality(train: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, float]:
    """Return SDMetrics' column shapes and pair trends."""
    from sdmetrics.reports.single_table import QualityReport

    columns = {
        name: {"sdtype": "categorical" if train[name].dtype == object else "numerical"}
        for name in train
    }
    report = QualityReport()
    report.generate(train, drawn[train.columns], {"columns": columns}, verbose=False)
    parts = report.get_properties().set_index("Property")["Score"]
    return {"shape": float(parts["Column Shapes"]), "trend": float(parts["Column Pair Trends"])}


def as_trees(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """Return tables with the categories of all of them."""
    both = pd.concat(frames, ignore_index=True)
    for name in both.select_dtypes(object):
        both[name] = both[name].astype("category")
    ends = np.cumsum([len(each) for each in frames])
    return [both.iloc[end - len(each) : end] for each, end in zip(frames, ends, strict=True)]


def detection(train: pd.DataFrame, drawn: pd.DataFrame, seed: int) -> float:
    """Return SDMetrics' score of a two-sample test by XGBoost."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from xgboost import XGBClassifier

    X = pd.concat(as_trees(train, drawn[train.columns]))
    y = np.repeat([0, 1], [len(train), len(drawn)])
    areas = []
    for seen, unseen in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y):
        model = XGBClassifier(tree_method="hist", enable_categorical=True, random_state=seed)
        model.fit(X.iloc[seen], y[seen])
        areas.append(roc_auc_score(y[unseen], model.predict_proba(X.iloc[unseen])[:, 1]))
    return float(np.mean([2 * (1 - max(area, 0.5)) for area in areas]))


def efficacy(drawn: pd.DataFrame, test: pd.DataFrame, asked: Protocol, seed: int) -> float:
    """Return AUC (RMSE of a number) of XGBoost that learned synthetic rows."""
    from sklearn.metrics import roc_auc_score, root_mean_squared_error
    from xgboost import XGBClassifier, XGBRegressor

    made, real = as_trees(drawn.drop(columns=asked.target), test.drop(columns=asked.target))
    labels = sorted(test[asked.target].unique()) if not asked.number else []

    def target(frame: pd.DataFrame) -> npt.NDArray[Any]:
        values = frame[asked.target]
        if asked.number:  # as TabSyn's code does
            return np.log(values.clip(1, 20_000).to_numpy())
        return (values == labels[1]).to_numpy(int)

    y, truth = target(drawn), target(test)
    order = np.random.default_rng(seed).permutation(len(made))
    unseen, seen = order[: len(order) // 8], order[len(order) // 8 :]
    kind = XGBRegressor if asked.number else XGBClassifier
    best: tuple[float, dict[str, Any]] = (-np.inf, {})
    for setting in GRID:
        model = kind(
            n_estimators=TREES[-1],
            tree_method="hist",
            enable_categorical=True,
            random_state=seed,
            **setting,
        ).fit(made.iloc[seen], y[seen])
        for trees in TREES:
            rows = made.iloc[unseen]
            if asked.number:
                told = model.predict(rows, iteration_range=(0, trees))
                score = -root_mean_squared_error(y[unseen], told)
            else:
                told = model.predict_proba(rows, iteration_range=(0, trees))[:, 1]
                score = roc_auc_score(y[unseen], told)
            best = max(best, (score, setting | {"n_estimators": trees}), key=lambda one: one[0])
    model = kind(tree_method="hist", enable_categorical=True, random_state=seed, **best[1])
    model.fit(made, y)
    if asked.number:
        return float(root_mean_squared_error(truth, model.predict(real)))
    return float(roc_auc_score(truth, model.predict_proba(real)[:, 1]))


def precision_recall(real: Rows, made: Rows) -> dict[str, float]:
    """Return alpha-precision and beta-recall of Alaa et al. (2022), as synthcity adds them up."""
    from sklearn.neighbors import NearestNeighbors

    shares = np.linspace(0, 1, STEPS)
    centre, made_centre = real.mean(axis=0), made.mean(axis=0)
    radii = np.quantile(np.linalg.norm(real - centre, axis=1), shares)
    from_centre = np.linalg.norm(made - centre, axis=1)
    precision = np.array([(from_centre <= radius).mean() for radius in radii])
    own = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(real).kneighbors(real)[0][:, 1]
    found = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(made).kneighbors(real)
    distance, nearest = found[0][:, 0], found[1][:, 0]
    nearest_radius = np.linalg.norm(made[nearest] - made_centre, axis=1)
    limits = np.quantile(nearest_radius, shares)
    recall = np.array([((distance <= own) & (nearest_radius <= limit)).mean() for limit in limits])
    return {
        "alpha_precision": float(1 - np.abs(shares - precision).sum() / shares.sum()),
        "beta_recall": float(1 - np.abs(shares - recall).sum() / shares.sum()),
    }


def dcr_share(learned: pd.DataFrame, unseen: pd.DataFrame, made: pd.DataFrame) -> float:
    """Return the share of rows nearer to a learned row by L1; ties count half.

    Numbers are scaled to the range of real ones; a category that differs counts 2, as two
    indicators do.
    """
    real = pd.concat([learned, unseen])
    numbers = real.select_dtypes("number").columns
    low, span = real[numbers].min(), (real[numbers].max() - real[numbers].min()).replace(0, 1)
    others = real.columns.difference(numbers, sort=False)
    levels = {name: pd.Index(real[name].unique()) for name in others}
    coded = []
    for each in (made, learned, unseen):
        scaled = ((each[numbers] - low) / span).fillna(-1).to_numpy(np.float32)
        codes = [levels[name].get_indexer(each[name]) for name in others]
        coded.append((scaled, np.array(codes, np.int16).reshape(len(others), -1).T.copy()))
    near, far = (_nearest(*coded[0], *each) for each in coded[1:])
    return float((near < far).mean() + (near == far).mean() / 2)


@numba.njit
def _nearest(numbers: Any, codes: Any, others: Any, other_codes: Any) -> Any:
    """Return the L1 distance of each row to the nearest of the others."""
    found = np.full(len(numbers), np.inf, np.float32)
    for i in range(len(numbers)):
        for j in range(len(others)):
            total = np.float32(0.0)
            for c in range(codes.shape[1]):
                total += np.float32(2.0) * (codes[i, c] != other_codes[j, c])
            if total < found[i]:
                for c in range(numbers.shape[1]):
                    total += abs(numbers[i, c] - others[j, c])
                found[i] = min(found[i], total)
    return found


def run_one(name: str, generator: str, seed: int, folder: Path) -> dict[str, Any]:
    """Return every measure of one generator on one table."""
    asked, (train, test) = SETS[name], read(name, folder)
    drawn, fit, sample = GENERATORS[generator](train, asked, seed)
    found: dict[str, Any] = {"training_time": fit, "sampling_time": sample}
    found |= quality(train, drawn)
    found["xgb_detection"] = detection(train, drawn, seed)
    found["mle"] = efficacy(drawn, test, asked, seed)
    found |= precision_recall(*encode(train, train, drawn))
    order = np.random.default_rng(seed).permutation(len(train))
    halves = np.array_split(order, 2)
    learned, unseen = (train.iloc[rows].reset_index(drop=True) for rows in halves)
    half_drawn = GENERATORS[generator](learned, asked, seed)[0].head(DCR_ROWS)
    found["dcr"] = dcr_share(learned, unseen, half_drawn)
    return found


# printing


def table(records: list[dict[str, Any]], published: pd.DataFrame) -> str:
    """Return one table for each measure, sets in columns, and the means over sets."""
    mine = pd.DataFrame(records)
    parts = []
    for measure, label in MEASURES.items():
        rows = []
        theirs = published[(published["metric"] == measure) & published["dataset"].isin(SETS)]
        for who in PUBLISHED:
            of_one = theirs[theirs["method"] == who].set_index("dataset")["value"]
            cells = [f"{of_one[name]:.3f}" if name in of_one else "-" for name in SETS]
            rows.append([f"{who} (published)", *cells, mean(measure, list(of_one.reindex(SETS)))])
        for who in GENERATORS:
            cells, values = [], []
            for name in SETS:
                of_set = mine[(mine["generator"] == who) & (mine["set"] == name)][measure]
                values.append(of_set.mean() if len(of_set) else np.nan)
                spread = f" ± {of_set.std(ddof=1):.3f}" if len(of_set) > 1 else ""
                cells.append(f"{values[-1]:.3f}{spread}" if len(of_set) else "-")
            rows.append([who, *cells, mean(measure, values)])
        parts.append(f"## {label}\n\n" + markdown(["generator", *SETS, "mean"], rows))
    return "\n\n".join(parts)


def mean(measure: str, values: list[float]) -> str:
    """Return the mean over sets, where every set has a value in one unit."""
    return "-" if measure == "mle" or np.isnan(values).any() else f"{np.mean(values):.3f}"


def main() -> None:
    """Measure what is not measured yet, then print."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    asked.add_argument("--generators", nargs="+", default=list(GENERATORS), choices=GENERATORS)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--minutes", type=float, default=600.0, help="no new run after these")
    asked.add_argument("--render", action="store_true")
    options = asked.parse_args()
    hush()
    CACHE.parent.mkdir(exist_ok=True)
    kept = [json.loads(line) for line in CACHE.read_text().splitlines()] if CACHE.exists() else []
    done = {(one["set"], one["generator"], one["seed"]) for one in kept}
    start = time.monotonic()
    wanted = [
        (name, generator, seed)
        for seed in range(options.seeds)
        for name in options.sets
        for generator in options.generators
    ]
    for name, generator, seed in [] if options.render else wanted:
        if (name, generator, seed) in done or time.monotonic() - start > 60 * options.minutes:
            continue
        progress(f"{name}, {generator}, seed {seed}")
        found = run_one(name, generator, seed, options.data)
        kept.append({"set": name, "generator": generator, "seed": seed} | found)
        with CACHE.open("a") as file:
            file.write(json.dumps(kept[-1]) + "\n")
    published = pd.read_csv(options.data / "published_tables.csv")
    seeds = pd.DataFrame(kept).groupby(["set", "generator"])["seed"].nunique()
    text = "\n\n".join(
        [
            "# Published generators and ours, on their protocol",
            f"{seeds.min()} to {seeds.max()} seeds, ± one standard deviation over seeds; "
            f"{machine('numpy', 'pandas', 'xgboost-cpu', 'sdmetrics')}. MLE is AUC, of Beijing "
            "RMSE of its logarithm (lower is better); the ideal DCR share is 0.5. What differs: "
            "the tenth put aside is another random tenth, XGBoost takes categories as "
            "such, and the rows of the two-sample test are the training rows.",
            table(kept, published),
        ]
    )
    publish("table_published", text)


if __name__ == "__main__":
    main()
