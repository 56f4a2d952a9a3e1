"""Coordinates: how far synthetic places lie from training places, beside places of unseen rows.

California's districts, halves as training and unseen rows. "Far" is the share of places more than
10 km from any training place; "own" the share of the places that one training row alone holds (of
unseen rows: and no training row) that are written out. Similarity is that of the two columns, R2
that of boosted trees trained on the synthetic rows and tested on the unseen ones. "apart" mixes the
two columns as any others.

    python benchmarks/places.py --seeds 3
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neighbors import BallTree

from _common import load, machine, markdown, parser, publish
from vicinal import Estimate
from vicinal.table import PRIVACY, TableSynthesizer

PLACE = ["latitude", "longitude"]
EARTH = 6371.0  # km


def away(rows: pd.DataFrame, train: pd.DataFrame) -> np.ndarray:
    """Return the distance of each row to the nearest training place, in km."""
    tree = BallTree(np.radians(train[PLACE]), metric="haversine")
    return tree.query(np.radians(rows[PLACE]))[0][:, 0] * EARTH


def places(rows: pd.DataFrame) -> pd.Series:
    """Return each row's place as one value."""
    whole = (rows[PLACE] * 10_000).round()
    return whole["latitude"] * 10_000_000 + whole["longitude"]


def written(half: pd.DataFrame, other: pd.DataFrame, made: pd.DataFrame) -> float:
    """Return the share of places of one row of a half alone that are written out."""
    own = places(half)
    own = own[~own.duplicated(keep=False) & ~own.isin(places(other))]
    return float(own.isin(places(made)).mean())


def learned(train: pd.DataFrame, test: pd.DataFrame, target: str) -> float:
    """Return the R2 of boosted trees."""
    numbers = train.select_dtypes("number").columns.drop(target)
    model = HistGradientBoostingRegressor(random_state=0).fit(train[numbers], train[target])
    return float(model.score(test[numbers], test[target]))


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "", ["california"])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--max-rows", type=int, default=20_640)
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    given = load("california", asked.data)
    if given is None:
        return
    found: dict[tuple[str, str], list[list[float]]] = {}
    for seed in range(asked.seeds):
        rows = given.frame.sample(min(asked.max_rows, len(given.frame)), random_state=seed)
        train, unseen = rows.iloc[::2], rows.iloc[1::2]

        def figures(made: pd.DataFrame, train=train, unseen=unseen) -> list[float]:
            return [
                float((away(made, train) > 10).mean()),
                written(train, unseen, made),
                written(unseen, train, made),
                *(1 - float(ks_2samp(made[name], train[name]).statistic) for name in PLACE),
                learned(made, unseen, given.target),
            ]

        found.setdefault(("unseen rows", ""), []).append(
            [float((away(unseen, train) > 10).mean()), *[float("nan")] * 4,
             learned(train, unseen, given.target)]
        )  # fmt: skip
        for privacy in PRIVACY:
            for label, kinds in (("apart", dict.fromkeys(PLACE, "numeric")), ("places", None)):
                model = TableSynthesizer(
                    privacy, target=given.target, kinds=kinds, random_state=seed
                )
                made = model.fit(train).sample(len(train))
                found.setdefault((privacy, label), []).append(figures(made))
    table = [
        [*names, *("" if np.isnan(one).any() else str(Estimate.of_repeats(list(one))) for one in
                   np.array(told).T)]
        for names, told in found.items()
    ]  # fmt: skip
    head = ["setting", "coordinates", "far", "own, training", "own, unseen", *PLACE, "R2"]
    text = (
        f"# Places\n\n{asked.seeds} halves of {asked.max_rows:,} rows; "
        f"{machine('numpy', 'pyarrow', 'scikit-learn')}.\n\n{markdown(head, table)}"
    )
    publish(asked.name or "places", text)


if __name__ == "__main__":
    main()
