"""Of several candidates of a row, one is kept: rather one that is like the training rows.

Boosted trees learn to tell mixed rows from training rows; a candidate is kept with a chance in
proportion to the density ratio that they tell: sampling-importance-resampling (Rubin, 1987) by a
discriminator (Azadi et al., "Discriminator Rejection Sampling", ICLR 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from vicinal._threads import one_thread
from vicinal._types import Array, Floats, Floats32
from vicinal.table.categories import Codes, common_levels
from vicinal.table.marginals import MixedColumn
from vicinal.table.mixing import Drawer, Mixture
from vicinal.table.numbers import Numbers

#: Fewer training rows tell too little of a density.
LEAST_ROWS = 1_000
#: Columns, at most: more would take memory by the gigabyte.
MOST_COLUMNS = 200
#: Training rows that the trees learn from, and as many mixed ones.
MOST_ROWS = 50_000
#: Trees, at most. Few that learn fast: every candidate is told by all of them.
TREES = 20
#: How much each tree corrects those before it.
RATE = 0.4
#: Rows in a leaf of a tree, at least: no single row decides which candidates are kept.
LEAF_ROWS = 20
#: Levels of a category that the trees see; rarer ones count as one.
LEVELS = 200


class DensityRatio:
    """How much likelier a row is among the training rows than among mixed ones."""

    def __init__(
        self,
        columns: Sequence[MixedColumn],
        bundles: Sequence[Sequence[str]],
        codes: Mapping[str, Codes],
        numbers_of: Callable[[Mixture], Sequence[Numbers]],
    ) -> None:
        self._columns, self._numbers_of = columns, numbers_of
        self._levels = []
        for names in bundles:
            places = [common_levels(codes[name], LEVELS)[codes[name]] for name in names]
            few = [np.where(place < 0, LEVELS, place) for place in places]
            self._levels.append(np.stack(few, axis=1).astype(np.uint8))

    def fit(self, table: pa.Table, draw: Drawer, rng: np.random.Generator) -> DensityRatio:
        """Learn from training rows and from as many drawn ones."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        rows = rng.permutation(table.num_rows)[:MOST_ROWS]
        given = table.select([column.name for column in self._columns]).take(rows)
        own = [column.floats_of(given[column.name]) for column in self._columns]
        real = self._features(own, [rows] * len(self._levels))
        both = np.concatenate([self._of(draw(0, len(rows))), real])
        self._told = ~np.isnan(both).all(axis=0)  # binning fails on a column without values
        is_category = np.arange(real.shape[1]) >= len(own)
        self._trees = HistGradientBoostingClassifier(
            max_iter=TREES,
            learning_rate=RATE,
            min_samples_leaf=LEAF_ROWS,
            categorical_features=is_category[self._told],
            early_stopping=True,
            random_state=int(rng.integers(2**31)),
        )
        with one_thread():
            self._trees.fit(both[:, self._told], np.repeat([0, 1], len(rows)))
        return self

    def log_ratios(self, mixture: Mixture) -> Floats:
        """Return the logarithm of the ratio of each mixed row, shape (n_samples,)."""
        with one_thread():
            told: Floats = self._trees.decision_function(self._of(mixture)[:, self._told])
        return told

    def _of(self, mixture: Mixture) -> Floats32:
        numbers = [
            column.floats(made, mixture.main)
            for column, made in zip(self._columns, self._numbers_of(mixture), strict=True)
        ]
        return self._features(numbers, mixture.givers)

    def _features(self, numbers: Sequence[Floats32], givers: Iterable[Array]) -> Floats32:
        given = [levels[giver] for levels, giver in zip(self._levels, givers, strict=True)]
        features: Floats32 = np.column_stack([*numbers, *given]).astype(np.float32, copy=False)
        return features
