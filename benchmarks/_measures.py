"""What the benchmarks of tables measure, and the rows they measure it on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from _common import Dataset

if TYPE_CHECKING:
    import pandas as pd

    from vicinal._stats import Estimate

#: Most rows to learn from; the hold-out part has as many.
MOST_ROWS = 10_000
TEST_SHARE = 0.2
_TEST_SEED = 20_260  # of the fixed split that puts the test part aside


# rows


def development(data: Dataset) -> pd.DataFrame:
    """Return every row outside the test part: whoever chooses settings may look at these."""
    return _cut(data)[0]


def parts(
    data: Dataset, seed: int, most: int = MOST_ROWS
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the learned, hold-out and test parts.

    The test part is the publisher's, or a fifth of the rows; it is the same for every seed. The
    other rows are shuffled by the seed: the first half of them, but at most ``most``, are learned,
    and as many of the next ones are held out.
    """
    rest, test = _cut(data)
    order = np.random.default_rng(seed).permutation(len(rest))
    half = min(len(order) // 2, most)
    learn, hold = (rest.iloc[order[at : at + half]].reset_index(drop=True) for at in (0, half))
    return learn, hold, test


def _cut(data: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    if data.test is not None:
        return data.frame, data.test
    order = np.random.default_rng(_TEST_SEED).permutation(len(data.frame))
    cut = round(TEST_SHARE * len(order))
    rest, test = (data.frame.iloc[np.sort(rows)] for rows in (order[cut:], order[:cut]))
    return rest.reset_index(drop=True), test.reset_index(drop=True)


# privacy


def closer(
    data: Dataset,
    learn: pd.DataFrame,
    hold: pd.DataFrame,
    synthetic: pd.DataFrame,
    most: int | None = None,
) -> dict[str, Estimate]:
    """Return the share of rows that are closer to a learned row than to a hold-out row.

    Looked at are all rows, or ``most`` drawn from them. ``closer_gower`` goes by the report's main
    distance, ``closer`` by Euclidean distance over standardized numbers and one-hot categories, so
    that neither can be pleased alone. Intervals are those of one run.
    """
    from vicinal.report.privacy.dcr import dcr_shares
    from vicinal.report.tables import align

    kinds = dict.fromkeys(data.categories, "category")
    found = dcr_shares(align(learn, synthetic, hold, kinds=kinds), max_rows=most)
    return {"closer_gower": found["gower"], "closer": found["euclidean"]}


def copies(rows: pd.DataFrame, learn: pd.DataFrame) -> float:
    """Return the share of rows that equal a learned row."""
    import pandas as pd

    both = pd.concat([learn, rows[learn.columns]], ignore_index=True)
    names = [name for name in both.columns if both[name].dtype.kind == "O"]
    both[names] = both[names].astype("string").fillna("")
    hashes = pd.util.hash_pandas_object(both.convert_dtypes(), index=False).to_numpy()
    return float(np.isin(hashes[len(learn) :], hashes[: len(learn)]).mean())


# utility


def utility(data: Dataset, learned: pd.DataFrame, test: pd.DataFrame, seed: int) -> float:
    """Return how well boosted trees that learn from these rows predict the test part.

    Area under the ROC curve for classes (one against the rest, where there are more than two),
    R2 for numbers. A class that is not among the rows learned gets no share of any forecast.
    """
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import r2_score, roc_auc_score

    both = pd.concat([learned[test.columns], test], ignore_index=True)
    names = [name for name in both.columns if both[name].dtype.kind == "O" and name != data.target]
    both[names] = both[names].astype("category")
    X, y = both.drop(columns=data.target), both[data.target]
    few = [name for name in names if both[name].nunique() <= 255]
    for name in set(names) - set(few):
        X[name] = X[name].cat.codes
    cut = len(learned)
    if data.task == "number":
        model = HistGradientBoostingRegressor(categorical_features=few, random_state=seed)
        return float(r2_score(y[cut:], model.fit(X[:cut], y[:cut]).predict(X[cut:])))
    if y[:cut].nunique() < 2:
        return 0.5
    model = HistGradientBoostingClassifier(categorical_features=few, random_state=seed)
    model.fit(X[:cut], y[:cut])
    labels = np.unique(y[cut:])
    shares = pd.DataFrame(model.predict_proba(X[cut:]), columns=model.classes_)
    shares = shares.reindex(columns=labels, fill_value=0.0).to_numpy()
    if len(labels) == 2:
        return float(roc_auc_score(y[cut:], shares[:, 1]))
    each = [roc_auc_score(y[cut:] == label, shares[:, at]) for at, label in enumerate(labels)]
    return float(np.mean(each))
