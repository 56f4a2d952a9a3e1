"""Attacks on the privacy settings: regulators' risks, and membership by shadow models.

``risks``: half of the drawn rows train, half stay unseen; Adult and bank, 10,000 rows each, a seed
for each split. ``membership``: the 200 most exposed records of 2,000 Adult rows and of insurance,
with and without each record by the toss of a coin. Beside the settings: a bootstrap of the rows,
independent columns, SMOTE-NC of imbalanced-learn, and SDV's copula and TVAE where it is installed.
Every finished piece is kept in a file, and a run goes on where the last one ended.

    python benchmarks/privacy_attacks.py --seeds 3
"""

from __future__ import annotations

import importlib.util
import json
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from _common import RESULTS, Dataset, load, machine, markdown, parser, progress, publish
from _peers import GaussianCopula, Generator, Tvae
from vicinal import Estimate
from vicinal.report import audit_synthesizer
from vicinal.report.privacy.attacks import run_attacks
from vicinal.report.privacy.density import density_attack
from vicinal.report.privacy.measure import attack_auc
from vicinal.report.tables import align
from vicinal.table import PRIVACY, TableSynthesizer

#: Sets of each part.
WHICH = {"risks": ("adult", "bank"), "membership": ("adult", "insurance")}


class Bootstrap:
    """Draw rows again, with replacement."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, table: pd.DataFrame) -> None:
        """Keep the rows."""
        self._table = table

    def sample(self, n: int) -> pd.DataFrame:
        """Draw rows."""
        return self._table.sample(n, replace=True, random_state=self.random_state)


class Independent(Bootstrap):
    """Draw every column by itself."""

    def sample(self, n: int) -> pd.DataFrame:
        """Draw cells."""
        rng = np.random.default_rng(self.random_state)
        return pd.DataFrame({c: rng.choice(v.to_numpy(), n) for c, v in self._table.items()})


class Smote(Bootstrap):
    """SMOTE-NC as a generator: rows of each class, or of a numeric target's halves, are drawn."""

    def __init__(self, target: str, random_state: int | None = None) -> None:
        super().__init__(random_state)
        self._target = target

    def sample(self, n: int) -> pd.DataFrame:
        """Double every class by SMOTE, keep the new rows, draw from them."""
        from imblearn.over_sampling import SMOTENC

        table = self._table
        y = table[self._target]
        classes = y if y.nunique() < 20 else (y > y.median()).astype(int)
        words = table.select_dtypes(exclude="number").columns
        numbered = table.assign(**{c: table[c].fillna("?") for c in words})
        want = {k: 2 * count for k, count in classes.value_counts().items()}
        places = [numbered.columns.get_loc(c) for c in words]
        made, _ = SMOTENC(
            places, sampling_strategy=want, random_state=self.random_state
        ).fit_resample(numbered, classes)
        new = made.iloc[len(table) :].replace("?", None)
        new = new.astype({c: table[c].dtype for c in table.select_dtypes("integer")})
        return new.sample(n, replace=n > len(new), random_state=self.random_state)


class ShortTvae(Tvae):
    """TVAE of a fifth of its epochs: each shadow trains one."""

    @classmethod
    def epochs(cls, cells: int) -> int:
        """Return how many."""
        return 60


class Peer(Bootstrap):
    """A generator of the benchmarks, seeded as an audit seeds."""

    def __init__(
        self, kind: type[Generator], data: Dataset, random_state: int | None = None
    ) -> None:
        super().__init__(random_state)
        self._kind, self._data = kind, data

    def fit(self, table: pd.DataFrame) -> None:
        """Learn rows."""
        np.random.seed(self.random_state)  # noqa: NPY002  (peers draw from the global state)
        self._model = self._kind(self._data, self.random_state or 0)
        self._model.fit(table)

    def sample(self, n: int) -> pd.DataFrame:
        """Draw rows."""
        return self._model.sample(n)


def generators(data: Dataset) -> dict[str, Any]:
    """Return what is attacked, by name."""
    kept = {"target": data.target, "identifiers": "drop", "text": "drop"}
    made: dict[str, Any] = {p: partial(TableSynthesizer, p, **kept) for p in PRIVACY}
    if importlib.util.find_spec("sdv"):
        made["SDV copula"] = partial(Peer, GaussianCopula, data)
        made["SDV TVAE, 60 epochs"] = partial(Peer, ShortTvae, data)
    return made | {
        "SMOTE-NC": partial(Smote, data.target),
        "bootstrap": Bootstrap,
        "independent columns": Independent,
    }


def risks(data: Dataset, make: Any, n_rows: int, seed: int) -> dict[str, Any]:
    """Attack one split by every attack that needs unseen rows."""
    order = np.random.default_rng(seed).permutation(len(data.frame))
    train, unseen = (
        data.frame.iloc[order[at : at + n_rows]].reset_index(drop=True) for at in (0, n_rows)
    )
    model = make(random_state=seed)
    model.fit(train)
    tables = align(train, model.sample(len(train)), unseen)
    rng = np.random.default_rng(seed)
    found = {a.name: [a.risk.value, a.risk.low, a.risk.high] for a in run_attacks(tables, rng)}
    auc = attack_auc(*(-one for one in density_attack(tables, rng)))
    return found | {"density ratio, AUC": [auc.value, auc.low, auc.high]}


def membership(
    data: Dataset, make: Any, n_rows: int, shadows: int, jobs: int, seed: int
) -> dict[str, Any]:
    """Attack the most exposed records of a table by shadow models."""
    rows = data.frame.sample(min(n_rows, len(data.frame)), random_state=seed, ignore_index=True)
    begin = time.process_time(), time.perf_counter()
    found = audit_synthesizer(
        make, rows, shadows=shadows, records=200, n_jobs=jobs, random_state=seed
    )
    rates = {str(fpr): found.membership.tpr_at(fpr) for fpr in (0.001, 0.01)}
    return {
        "tpr": {fpr: [one.value, one.low, one.high] for fpr, one in rates.items()},
        "auc": [found.membership.auc.value, found.membership.auc.low, found.membership.auc.high],
        "distance": found.by_distance.value,
        "density": found.by_density.value,
        "epsilon": [found.epsilon.value, found.epsilon.p_value],
        "seconds": [time.process_time() - begin[0], time.perf_counter() - begin[1]],
    }


class Kept:
    """Finished pieces, in a file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.found: dict[str, Any] = dict(json.loads(line) for line in lines)

    def get(self, key: str, work: Any) -> Any:
        """Return a piece, made where it is not there yet; None where that fails."""
        if key not in self.found:
            progress(key)
            try:
                self.found[key] = work()
            except Exception as error:
                progress(f"{key}: {type(error).__name__}: {error}")
                return None
            self._path.parent.mkdir(exist_ok=True)
            with self._path.open("a") as sink:
                sink.write(json.dumps([key, self.found[key]]) + "\n")
        return self.found[key]


def said(values: list[float]) -> str:
    """Return a figure with its interval, to two digits."""
    value, low, high = values
    return f"{value:.3f} ({low:.2f} to {high:.2f})"


def of_seeds(found: list[list[float]]) -> str:
    """Return the mean over seeds, with the interval of one over the root of their number."""
    each = np.array(found)
    value = each[:, 0].mean()
    ends = (each[:, 1:] - each[:, :1]).mean(axis=0) / np.sqrt(len(each))
    return said([value, value + ends[0], value + ends[1]])


def main() -> None:
    """Print both tables."""
    options = parser(__doc__ or "", ["adult", "bank", "insurance"])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--rows", type=int, default=10_000, help="training rows of the risks")
    options.add_argument("--shadows", type=int, default=64)
    options.add_argument("--records-rows", type=int, default=2_000)
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--parts", nargs="+", default=["risks", "membership"])
    options.add_argument("--only", nargs="+", help="generators")
    options.add_argument("--minutes", type=float, default=600, help="no piece begins later")
    options.add_argument("--note", default="", help="what to say of the figures")
    asked = options.parse_args()
    warnings.simplefilter("ignore")
    name = asked.name or "privacy_attacks"
    kept, begin = Kept(RESULTS / f"{name}.jsonl"), time.monotonic()
    sets = {one: load(one, asked.data) for one in asked.sets}
    found: dict[tuple[str, str, str], list[Any]] = {}
    for seed in range(asked.seeds):
        for part in asked.parts:
            for label, data in sets.items():
                if data is None or label not in WHICH[part]:
                    continue
                for who, make in generators(data).items():
                    if asked.only and who not in asked.only:
                        continue
                    if part == "risks":
                        work = partial(risks, data, make, asked.rows, seed)
                    else:
                        more = asked.records_rows, asked.shadows, asked.jobs, seed
                        work = partial(membership, data, make, *more)
                    key = f"{part} {label} {who} {seed}"
                    if key not in kept.found and time.monotonic() - begin > 60 * asked.minutes:
                        continue
                    one = kept.get(key, work)
                    if one is not None:
                        found.setdefault((part, label, who), []).append(one)
    publish(name, page(found, asked))


def page(found: dict[tuple[str, str, str], list[Any]], asked: Any) -> str:
    """Return both tables as text."""
    texts = [
        "# Attacks on the privacy settings",
        f"{machine('numpy', 'pandas', 'scikit-learn', 'imbalanced-learn')}; other work ran beside "
        "it. Seeds: the number in each row. 95 % intervals.",
        *([asked.note] if asked.note else []),
    ]
    first = {key: one for key, one in found.items() if key[0] == "risks"}
    if first:
        every = [one for many in first.values() for one in many]
        names = [name for name in every[0] if all(name in one for one in every)]
        rows = [
            [label, who, len(many), *(of_seeds([one[name] for one in many]) for name in names)]
            for (_, label, who), many in first.items()
        ]
        texts += [
            f"## Risk beyond that of unseen rows, {asked.rows:,} training and as many unseen rows",
            markdown(["table", "made by", "seeds", *names], rows),
        ]
    rows = []
    for (part, label, who), many in found.items():
        if part != "membership":
            continue
        aucs = [Estimate.of_repeats([one[key] for one in many]) for key in ("distance", "density")]
        cpu = np.mean([sum(one["seconds"][:1]) for one in many])
        rows.append(
            [
                label,
                who,
                len(many),
                of_seeds([one["tpr"]["0.01"] for one in many]),
                of_seeds([one["tpr"]["0.001"] for one in many]),
                of_seeds([one["auc"] for one in many]),
                *(f"{one.value:.3f}" for one in aucs),
                f"{np.mean([one['epsilon'][0] for one in many]):.2f}",
                f"{cpu:.0f}",
            ]
        )
    if rows:
        head = ["table", "made by", "seeds", "found at 1 %", "found at 0.1 %", "AUC"]
        head += ["AUC, distance", "AUC, density", "epsilon, at least", "CPU s"]
        texts += [
            f"## Membership of the 200 most exposed records, {asked.shadows} shadow tables of at "
            f"most {asked.records_rows:,} rows",
            markdown(head, rows),
        ]
    return "\n\n".join(texts)


if __name__ == "__main__":
    main()
