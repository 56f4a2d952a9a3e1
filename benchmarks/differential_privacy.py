"""What is left of Adult under differential privacy, by epsilon.

``PrivateSynthesizer`` beside independent noisy marginals with the whole budget (what there is
without any mixing) and beside ``TableSynthesizer`` at "high", which promises nothing. 10,000
training rows, delta 0.01 / rows. The domain comes from the codebook: levels, and bounds in round
numbers. Quality is SDMetrics' score without sampling, associations are of its pairs; the area under
the ROC curve is of boosted trees that learn from synthetic rows and are tested on unseen ones.

    python benchmarks/differential_privacy.py --seeds 3
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from _common import load, machine, markdown, parser, progress, publish
from rare_combinations import learned
from vicinal import Estimate
from vicinal.report.fidelity.measure import measure_fidelity
from vicinal.report.tables import align
from vicinal.table import PrivateSynthesizer, TableSynthesizer, private

#: Round numbers that hold the column whoever is in the table.
BOUNDS = {
    "age": (17, 90),
    "fnlwgt": (10_000, 1_500_000),
    "education_num": (1, 16),
    "capital_gain": (0, 100_000),
    "capital_loss": (0.0, 5_000.0),
    "hours_per_week": (1, 99),
}


def domain_of(frame: pd.DataFrame) -> dict:
    """Return bounds and levels: those of the codebook, all of which occur."""
    levels = frame.select_dtypes(exclude="number")
    found = {name: sorted(values.dropna().unique()) for name, values in levels.items()}
    return {name: BOUNDS.get(name, found.get(name)) for name in frame}


class Independent:
    """Noisy marginals with the whole budget, each column drawn by itself."""

    def __init__(self, epsilon: float, domain: dict, seed: int) -> None:
        self._made = PrivateSynthesizer(epsilon, domain, random_state=seed)

    def fit(self, frame: pd.DataFrame) -> Independent:
        """Learn the marginals; the second moment gets next to no budget and is not used."""
        kept, private.FOR_COUNTS = private.FOR_COUNTS, 1 - 1e-12
        try:
            self._made.fit(frame)
        finally:
            private.FOR_COUNTS = kept
        self._made._root = np.eye(len(self._made._root))
        return self

    def sample(self, n_samples: int) -> pd.DataFrame:
        """Draw rows."""
        return self._made.sample(n_samples)


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "", ["adult"])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--epsilon", type=float, nargs="+", default=[1, 3, 10])
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    data = load("adult", asked.data)
    if data is None:
        return
    domain = domain_of(data.frame)

    def ways(seed: int) -> dict:
        found: dict = {}
        for epsilon in asked.epsilon:
            found["mixes of all rows", epsilon] = PrivateSynthesizer(
                epsilon, domain, target=data.target, random_state=seed
            )
            found["independent marginals", epsilon] = Independent(epsilon, domain, seed)
        found['TableSynthesizer("high")', "none"] = TableSynthesizer(
            "high", target=data.target, random_state=seed
        )
        return found

    told: dict = {}
    for seed in range(asked.seeds):
        order = np.random.default_rng(seed).permutation(len(data.frame))
        train = data.frame.iloc[order[: asked.rows]]
        unseen = data.frame.iloc[order[asked.rows : 2 * asked.rows]]
        for key, model in ways(seed).items():
            made = model.fit(train).sample(asked.rows)
            made = made.dropna(subset=[data.target])
            found = measure_fidelity(align(train, made, unseen), two_sample=False)
            figures = [found.quality, found.score, found.pair_score]
            told.setdefault(key, []).append([*figures, learned(made, unseen, data.target)])
            progress(f"{key} {told[key][-1]}")
        told.setdefault(("training rows", "none"), []).append(
            [1.0, 1.0, 1.0, learned(train, unseen, data.target)]
        )
    rows = [
        [*key, *(str(Estimate.of_repeats(one)) for one in zip(*figures, strict=True))]
        for key, figures in told.items()
    ]
    text = "\n\n".join(
        [
            "# Adult under differential privacy",
            f"{asked.seeds} splits of {asked.rows:,} + {asked.rows:,} rows, delta "
            f"{0.01 / asked.rows:g}, 95 % intervals over splits; "
            f"{machine('numpy', 'scikit-learn')}.",
            markdown(["way", "epsilon", "quality", "columns", "associations", "ROC AUC"], rows),
        ]
    )
    publish(asked.name or "differential_privacy", text)


if __name__ == "__main__":
    main()
