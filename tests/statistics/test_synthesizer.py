"""What synthetic tables keep, within errors from theory; false alarms at most 1e-6 each.

Mixed rows share parents, so the limits below, which take rows as independent, are wide where a
table is sampled more often than it has rows. The learned table itself is no source of error: all
is compared with its own moments.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import integrate, stats

from vicinal import EpBeta, SphereWeights
from vicinal.table import PRIVACY, TableSynthesizer
from vicinal.table.marginals import LEVELS
from vicinal.table.presets import FEW_VALUES
from vicinal.table.synthesizer import LEAST_LEARNED
from vicinal.table.training_rows import CALIBRATION_ROWS

pytestmark = [
    pytest.mark.filterwarnings("ignore:(identifier|text) column:UserWarning"),
    pytest.mark.filterwarnings("ignore:within=:UserWarning"),
]
N = 60_000


def ks_distance(first, second):
    return stats.ks_2samp(first, second, method="asymp").statistic


def fit(table, **told):
    return TableSynthesizer(**{"random_state": 0, **told}).fit(table)


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    z = rng.multivariate_normal([0, 0, 0], [[1, 0.7, -0.3], [0.7, 1, 0], [-0.3, 0, 1]], 8000)
    return pa.table(
        {
            "normal": z[:, 0],
            "skewed": np.exp(z[:, 1]),
            "whole": np.round(100 * z[:, 2]).astype(np.int64),
            "atom": np.where(rng.random(8000) < 0.3, 0.0, rng.exponential(size=8000)),
        }
    )


@pytest.fixture(scope="module")
def fitted(numbers):
    """Fit the numbers at a setting, once."""
    return cache(lambda privacy: fit(numbers, privacy=privacy))


@pytest.mark.parametrize("privacy", PRIVACY)
def test_marginals(numbers, fitted, privacy, dkw_limit):
    out = fitted(privacy).sample(N)
    # one bound for the sample, one for the calibration, and a level of the interpolation
    limit = dkw_limit(N) + dkw_limit(CALIBRATION_ROWS // 2) + 1 / LEVELS
    for name in numbers.column_names:
        assert ks_distance(numbers[name].to_numpy(), out[name].to_numpy()) < limit, name
    share = [float((table["atom"].to_numpy() == 0).mean()) for table in (numbers, out)]
    assert abs(share[0] - share[1]) < limit


def covariance_ratio(real, made, z):
    """Largest deviation of second moments about the real mean, in standard errors."""
    center = real - real.mean(axis=0)
    moved = made - real.mean(axis=0)
    wanted = center.T @ center / len(real)
    got = moved.T @ moved / len(made)
    error = np.sqrt(np.maximum((moved**2).T @ moved**2 / len(made) - got**2, 0) / len(made))
    return float((np.abs(got - wanted) / error / z).max())


@pytest.mark.parametrize(
    "told", [{"privacy": name} for name in PRIVACY] + [{"weights": EpBeta(0.4)}], ids=str
)
def test_raw_values_keep_mean_and_covariance(numbers, told, z_limit):
    columns = numbers.drop_columns(["whole"])  # rounding adds 1/12
    synthesizer = fit(columns, marginals="raw", **told)
    made = np.column_stack(synthesizer.sample(N).columns)
    real = np.column_stack(columns.columns)
    error = made.std(axis=0) / np.sqrt(N)
    assert (np.abs(made.mean(axis=0) - real.mean(axis=0)) < z_limit(3) * error).all()
    # partners in a neighborhood are drawn evenly to 1 %
    slack = 1.0 if synthesizer.settings_.method == "rows" else 1.5
    assert covariance_ratio(real, made, z_limit(9)) < slack


@pytest.mark.parametrize("privacy", PRIVACY)
def test_normal_scores_keep_their_covariance(fitted, privacy, z_limit):
    training = fitted(privacy)._training
    from vicinal._random import Seeds

    mixed = training.scores_of(training.drawer(60_000, Seeds(1)), 60_000).astype(float)
    scores = training.scores.astype(float)
    slack = 1.0 if privacy == "off" else 1.5
    assert covariance_ratio(scores, mixed, z_limit(16)) < slack


def attenuation(law):
    low, high = law.support
    return integrate.quad(lambda w: max(w, 1 - w) * law.pdf(w), low, high, points=[0, 0.5, 1])[0]


@pytest.mark.parametrize("law", [EpBeta(0.1, 0.3), EpBeta(0.4, 0.3)], ids=repr)
@pytest.mark.parametrize("within", [None, "group"])
def test_association_with_a_category(law, within, z_limit):
    rng = np.random.default_rng(1)
    group = rng.integers(0, 3, 9000)
    x = rng.normal(size=(9000, 2)) @ np.array([[1, 0.5], [0, 1]])
    x += np.array([[-2, 0], [0, 1], [3, 5]])[group]
    table = pa.table({"group": group, "x": x[:, 0], "y": x[:, 1]})
    out = fit(table, weights=law, marginals="raw", within=within, kinds={"group": "category"})
    made = out.sample(N).to_pandas()
    kept = 1.0 if within else attenuation(law)
    mean = x.mean(axis=0)
    for z in range(3):
        rows = made.loc[made["group"] == z, ["x", "y"]].to_numpy()
        wanted = kept * x[group == z].mean(axis=0) + (1 - kept) * mean
        error = rows.std(axis=0) / np.sqrt(len(rows))
        assert (np.abs(rows.mean(axis=0) - wanted) < z_limit(6) * error).all()
        if within:
            assert covariance_ratio(x[group == z], rows, z_limit(12)) < 1


@pytest.mark.parametrize("privacy", PRIVACY)
def test_shares_of_categories_and_gaps(privacy, z_limit):
    rng = np.random.default_rng(2)
    n = 6000
    x = rng.normal(size=n)
    table = pa.table(
        {
            "x": pa.array(x, mask=(x > 1) | (rng.random(n) < 0.1)),
            "c": pa.array(rng.choice(list("abcd"), n, p=[0.5, 0.3, 0.15, 0.05]), mask=x < -1.5),
        }
    )
    made = fit(table, privacy=privacy).sample(N)
    frames = [one.to_pandas().fillna({"c": "none"}) for one in (table, made)]
    shares = [
        pd.crosstab(one["x"].isna(), one["c"], normalize=True).to_numpy().ravel() for one in frames
    ]
    error = np.sqrt(shares[0] * (1 - shares[0]) / N)
    slack = 1.0 if privacy == "off" else 2.0  # near rows share their categories
    assert (np.abs(shares[0] - shares[1]) <= slack * z_limit(10) * error + 1e-9).all()


def test_fifty_generations(numeric_table):
    X = numeric_table("california_housing.csv.gz")[:, 2:]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    table = pa.table({f"x{i}": X[:, i] for i in range(X.shape[1])})
    for seed in range(50):
        law = EpBeta(0.1, 0.3)
        table = (
            TableSynthesizer(weights=law, marginals="raw", random_state=seed).fit(table).sample()
        )
    # kurtosis grows each time, and with it the error of a heavy-tailed column's variance: judged
    # by the mean over columns
    assert 0.9 < np.mean([column.to_numpy().var() for column in table.columns]) < 1.1


def test_sphere_weights_on_tiny_groups_keep_means(z_limit):
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(40), 4)
    x = rng.normal(size=160) + group
    table = pa.table({"g": group, "x": x})
    told = {"weights": SphereWeights(8), "marginals": "raw", "within": "g"}
    made = fit(table, kinds={"g": "category"}, **told).sample(N)["x"].to_numpy()
    assert abs(made.mean() - x.mean()) < z_limit() * made.std() / np.sqrt(N)
    assert abs(((made - x.mean()) ** 2).mean() / x.var() - 1) < 0.02


# real tables

REAL = {
    "adult_income.csv.gz": ("income", ["split"]),
    "titanic.csv": ("survived", []),
    "california_housing.csv.gz": ("median_house_value", []),
    "diamonds.csv.gz": ("price", []),
    "credit_g.csv": ("default", []),
}
ROWS = 2500


@pytest.fixture(scope="module")
def real_table(request, data_folder):
    path = data_folder / request.param
    if not path.exists():
        pytest.skip(f"{path.name} is not in {data_folder}")
    target, left_out = REAL[request.param]
    frame = pd.read_csv(path, na_values="?").drop(columns=left_out)
    return frame.sample(min(len(frame), ROWS), random_state=0).reset_index(drop=True), target


@pytest.mark.parametrize(
    ("real_table", "privacy"),  # two levels for each table, two tables or more for each level
    [(name, [*PRIVACY][(at + step) % 4]) for at, name in enumerate(REAL, 1) for step in (0, 2)],
    indirect=["real_table"],
)
def test_real_tables(real_table, privacy, dkw_limit):
    frame, target = real_table
    preset = PRIVACY[privacy]
    synthesizer = fit(frame, privacy=privacy, target=target)
    made = synthesizer.sample(20_000)
    kept = [c.name for c in synthesizer.columns_ if c.kind != "text"]
    assert list(made.columns) == kept
    assert (made.dtypes == frame[kept].dtypes).all()
    # as much again for what neighbors share, and for few and repeated parents
    limit = dkw_limit(20_000) + dkw_limit(CALIBRATION_ROWS // 2) + 1 / LEVELS + 0.02
    learned = preset.get("learned", 1.0) * len(frame)
    learned = learned if learned >= LEAST_LEARNED else len(frame)
    # that of rows drawn without replacement, where some are not learned
    limit += dkw_limit(learned) * np.sqrt(1 - learned / len(frame))
    for column in synthesizer.columns_:
        if column.kind in {"text", "identifier"}:
            continue
        real, drawn = frame[column.name], made[column.name]
        assert abs(real.isna().mean() - drawn.isna().mean()) < limit, column.name
        real, drawn = real.dropna(), drawn.dropna()
        if column.mixed:
            assert ks_distance(real.to_numpy(), drawn.to_numpy()) < limit, column.name
            assert real.min() <= drawn.min()
            assert drawn.max() <= real.max()
        else:
            assert set(drawn.unique()) <= set(real.unique())
            shares = [one.value_counts(normalize=True) for one in (real, drawn)]
            # levels that few rows hold are replaced by others, which then have more
            needed = preset.get("min_count", 1) + 2 * preset.get("blur", 0)
            few = real.value_counts() * learned / len(frame) < needed
            moved = float(shares[0][few].sum())
            distance = shares[0].sub(shares[1], fill_value=0).abs().sum() / 2
            assert distance < limit + moved, column.name
    # fewer values are taken from a parent, and associations with them fade
    mixed = [c.name for c in synthesizer.columns_ if c.mixed and c.n_distinct > FEW_VALUES]
    ranks = [one[mixed].corr("spearman").to_numpy() for one in (frame, made)]
    assert np.abs(ranks[0] - ranks[1]).max() < 0.12
