"""Rare combinations of categories, before and after what hides them.

A row of the training or the unseen rows is rare where it alone has some combination of up to three
categories. How many such combinations turn up among the synthetic rows should not depend on whose
they are. Beside it DCR share, quality (SDMetrics' score, without sampling) and what boosted trees
learn from the synthetic rows, tested on the unseen. "Before" neither are locally rare combinations
exchanged (``support=0``) nor do names need more rows than ``min_count`` (``blur=0``).

    python benchmarks/rare_combinations.py --seeds 3
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from _common import load, machine, markdown, parser, progress, publish
from vicinal import Estimate
from vicinal.report.fidelity.measure import measure_fidelity
from vicinal.report.privacy.dcr import dcr_shares
from vicinal.report.privacy.rare import rare_combinations
from vicinal.report.tables import align
from vicinal.table import PRIVACY, TableSynthesizer


def learned(made: pd.DataFrame, unseen: pd.DataFrame, target: str) -> float:
    """Return the area under the ROC curve of trees that learn from made rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    both = pd.get_dummies(pd.concat([made, unseen]).drop(columns=target)).to_numpy(float)
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    model.fit(both[: len(made)], made[target])
    last = model.classes_[-1]
    return float(
        roc_auc_score(unseen[target] == last, model.predict_proba(both[len(made) :])[:, -1])
    )


def measured(frame: pd.DataFrame, target: str, privacy: str, seed: int, n_rows: int) -> list[float]:
    """Return the figures of one split."""
    order = np.random.default_rng(seed).permutation(len(frame))
    train, unseen = frame.iloc[order[:n_rows]], frame.iloc[order[n_rows : 2 * n_rows]]
    made = TableSynthesizer(privacy, target=target, random_state=seed).fit(train).sample(n_rows)
    tables = align(train, made, unseen)
    rare, found, _ = rare_combinations(
        np.concatenate([tables.real.codes, tables.holdout.codes]),
        tables.synthetic.codes,
        tuple(len(levels) for levels in tables.levels),
        np.random.default_rng(0),
    )
    shares = [
        float(found[part].sum() / rare[part].sum()) for part in (slice(n_rows), slice(n_rows, None))
    ]
    dcr = dcr_shares(tables, metrics=["gower"], max_rows=3_000)["gower"].value
    quality = measure_fidelity(tables, two_sample=False).quality
    return [*shares, shares[0] - shares[1], dcr, quality, learned(made, unseen, target)]


def main() -> None:
    """Print the table."""
    options = parser(__doc__ or "", ["adult", "bank"])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rows", type=int, default=3_000)
    options.add_argument("--privacy", nargs="+", default=["high", "balanced", "max"])
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name in asked.sets:
        data = load(name, asked.data)
        for privacy in asked.privacy if data is not None else ():
            preset = dict(PRIVACY[privacy])
            for label, less in (("before", {"support": 0.0, "blur": 0}), ("after", {})):
                PRIVACY[privacy] = {**preset, **less}
                told = [
                    measured(data.frame, data.target, privacy, seed, asked.rows)
                    for seed in range(asked.seeds)
                ]
                figures = [str(Estimate.of_repeats(one)) for one in zip(*told, strict=True)]
                rows.append([name, privacy, label, *figures])
                progress(" | ".join(rows[-1]))
    head = ["table", "privacy", "", "of training rows", "of unseen rows", "difference"]
    text = "\n\n".join(
        [
            "# Rare combinations of categories that turn up among synthetic rows",
            f"{asked.seeds} splits of {asked.rows:,} + {asked.rows:,} rows, 95 % intervals over "
            f"splits; {machine('numpy', 'scikit-learn')}.",
            markdown([*head, "DCR share", "quality", "ROC AUC"], rows),
        ]
    )
    publish(asked.name or "rare_combinations", text)


if __name__ == "__main__":
    main()
