"""The generators that the benchmarks compare: ours and the field's, behind ``fit`` and ``sample``.

Every one learns a pandas table and draws rows of the same columns and types. What each peer was
given to make a generator of it is said in its docstring, and printed beside the results.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from _common import Copula, Dataset, describe

if TYPE_CHECKING:
    import pandas as pd

#: Classes that a numeric target is cut into, at its quantiles, for peers that know only classes.
TARGET_CLASSES = 10
#: SDV's own number of epochs.
MOST_EPOCHS = 300


@dataclass
class Generator(ABC):
    """Learns a table, draws another."""

    data: Dataset
    seed: int

    @abstractmethod
    def fit(self, frame: pd.DataFrame) -> None:
        """Learn rows."""

    @abstractmethod
    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""

    def warm(self, frame: pd.DataFrame) -> None:
        """Learn and draw a few rows, so that code is loaded and compiled before a clock runs."""
        self.fit(frame.head(1_000))
        self.sample(100)

    @classmethod
    def settings(cls, cells: int) -> str:
        """Return what decides the outcome besides the code, for a table of rows x columns."""
        return "defaults"


class Ours(Generator):
    """`vicinal.table.TableSynthesizer` at one privacy setting, told the target."""

    privacy = "balanced"

    @classmethod
    def settings(cls, cells: int) -> str:
        """Return the parts that the setting stands for."""
        from vicinal.table import PRIVACY

        return repr(PRIVACY[cls.privacy])

    def fit(self, frame: pd.DataFrame) -> None:
        """Learn rows."""
        from vicinal.table import TableSynthesizer

        model = TableSynthesizer(self.privacy, target=self.data.target, random_state=self.seed)
        self._model = model.fit(frame)

    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""
        drawn: pd.DataFrame = self._model.sample(n_rows)
        return drawn


class Bootstrap(Generator):
    """Learned rows drawn again: a ceiling of fidelity, and no privacy."""

    def fit(self, frame: pd.DataFrame) -> None:
        """Keep the rows."""
        self._frame = frame

    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""
        drawn = self._frame.sample(n_rows, replace=True, random_state=self.seed)
        return drawn.reset_index(drop=True)


class Oversampler(Generator):
    """What imbalanced-learn's samplers share: classes asked to grow, of which the growth is kept.

    Every class grows by its share of the rows wanted. A numeric target is a column like any
    other, and its quantiles make the classes. The samplers take no missing numbers: they get the
    median, and the gaps come back as a category of their own does. Whole numbers are rounded
    back; nothing is clipped.
    """

    def fit(self, frame: pd.DataFrame) -> None:
        """Bring rows into the form that the samplers take."""
        import pandas as pd

        self._frame = frame
        target = frame[self.data.target]
        self._classes, X = target, frame.drop(columns=self.data.target)
        if self.data.task == "number":
            bins = pd.qcut(target, TARGET_CLASSES, labels=False, duplicates="drop")
            self._classes, X = bins, frame
        self._categories = [name for name in X if name in self.data.categories]
        self._numbers = [name for name in X if name not in self._categories]
        gaps = [name for name in self._numbers if X[name].isna().any()]
        self._gaps = {name: f"{name} is missing" for name in gaps}
        filled = X[self._numbers].astype("float64")
        self._X = pd.concat([filled.fillna(filled.median()), X[self._categories]], axis=1)
        for name, flag in self._gaps.items():
            self._X[flag] = X[name].isna()
        self._flags = [*self._categories, *self._gaps.values()]

    def _grown(self, n_rows: int) -> dict[Any, int]:
        counts = self._classes.value_counts()
        exact = counts / counts.sum() * n_rows
        more = np.floor(exact).astype(int)
        short = n_rows - int(more.sum())
        more[(exact - more).sort_values(ascending=False, kind="stable").index[:short]] += 1
        return {name: int(counts[name] + more[name]) for name in counts.index}

    @abstractmethod
    def _new_rows(self, grown: dict[Any, int]) -> tuple[pd.DataFrame, Any]:
        """Return the columns of ``_X``, and the classes, of the rows that were added."""

    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""
        drawn, classes = self._new_rows(self._grown(n_rows))
        drawn = drawn.reset_index(drop=True)
        for name, flag in self._gaps.items():
            drawn[name] = drawn[name].mask(drawn[flag].astype(bool))
        if self.data.task == "class":
            drawn[self.data.target] = np.asarray(classes)
        for name in self._numbers:
            if self._frame[name].dtype.kind in "iu":
                drawn[name] = drawn[name].round()
        drawn = drawn[list(self._frame.columns)].astype(self._frame.dtypes.to_dict())
        # as they come, rows are sorted by class
        return drawn.sample(frac=1, random_state=self.seed).reset_index(drop=True)


class Smote(Oversampler):
    """SMOTE, or SMOTENC where there are categories, with its defaults.

    A new row lies between a row and one of its five nearest of the same class (fewer, where the
    class has fewer); categories are the commonest among the five.
    """

    def _new_rows(self, grown: dict[Any, int]) -> tuple[pd.DataFrame, Any]:
        from imblearn.over_sampling import SMOTE, SMOTENC

        settings: dict[str, Any] = {
            "sampling_strategy": grown,
            "random_state": self.seed,
            "k_neighbors": min(5, int(self._classes.value_counts().min()) - 1),
        }
        sampler = SMOTENC(self._flags, **settings) if self._flags else SMOTE(**settings)
        X, y = sampler.fit_resample(self._X, self._classes)
        return X.iloc[len(self._X) :], y.iloc[len(self._X) :]


class SmoothedBootstrap(Oversampler):
    """`RandomOverSampler(shrinkage=1)`: a row of the class, and noise on its numbers.

    It takes numbers only: they are given alone, and the categories of the row are kept.
    """

    def _new_rows(self, grown: dict[Any, int]) -> tuple[pd.DataFrame, Any]:
        import pandas as pd
        from imblearn.over_sampling import RandomOverSampler

        sampler = RandomOverSampler(sampling_strategy=grown, random_state=self.seed, shrinkage=1.0)
        X, y = sampler.fit_resample(self._X[self._numbers], self._classes)
        at = len(self._X)
        rows = sampler.sample_indices_[at:]
        kept = self._X[self._flags].iloc[rows].reset_index(drop=True)
        return pd.concat([X.iloc[at:].reset_index(drop=True), kept], axis=1), y.iloc[at:]


class GaussianCopula(Generator):
    """SDV's GaussianCopulaSynthesizer with its defaults."""

    def fit(self, frame: pd.DataFrame) -> None:
        """Learn rows."""
        self._model = Copula().fit(frame)

    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""
        return self._model.sample(n_rows)


class Neural(Generator):
    """One of SDV's neural synthesizers with its defaults, but for the epochs.

    SDV trains for 300 epochs, whatever the size of the table. Here they are cut so that rows x
    columns x epochs stay within a budget, about a minute of one core. (By size and not by the
    clock, so that a second run trains as long.)
    """

    kind = ""
    budget = 0

    @classmethod
    def epochs(cls, cells: int) -> int:
        """Return the epochs for a table of rows x columns."""
        return max(1, min(MOST_EPOCHS, cls.budget // cells))

    @classmethod
    def settings(cls, cells: int) -> str:
        """Return the epochs in words."""
        return f"{cls.epochs(cells)} epochs"

    def warm(self, frame: pd.DataFrame) -> None:
        """Train for one epoch, and draw."""
        self._train(frame.head(500), 1)
        self.sample(100)

    def fit(self, frame: pd.DataFrame) -> None:
        """Learn rows."""
        self._train(frame, self.epochs(frame.size))

    def _train(self, frame: pd.DataFrame, epochs: int) -> None:
        import torch
        from sdv import single_table

        torch.manual_seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002  (the peer draws from the global state)
        made = getattr(single_table, f"{self.kind}Synthesizer")
        self._model = made(describe(frame), epochs=epochs, enable_gpu=False)
        self._model.fit({"table": frame})

    def sample(self, n_rows: int) -> pd.DataFrame:
        """Draw rows."""
        drawn: pd.DataFrame = self._model.sample(n_rows)["table"]
        return drawn


class Ctgan(Neural):
    """SDV's CTGANSynthesizer, its epochs cut."""

    kind = "CTGAN"
    budget = 7_000_000


class Tvae(Neural):
    """SDV's TVAESynthesizer, its epochs cut."""

    kind = "TVAE"
    budget = 30_000_000


def ours() -> dict[str, type[Generator]]:
    """Return a generator for each privacy setting, from faithful to private."""
    from vicinal.table import PRIVACY

    return {f"vicinal {name}": type("Ours", (Ours,), {"privacy": name}) for name in PRIVACY}


def peers() -> dict[str, type[Generator]]:
    """Return the peers that are installed."""
    found: dict[str, type[Generator]] = {"bootstrap": Bootstrap}
    if importlib.util.find_spec("imblearn"):
        found |= {"SMOTE(NC)": Smote, "smoothed bootstrap": SmoothedBootstrap}
    if importlib.util.find_spec("sdv"):
        found |= {"SDV GaussianCopula": GaussianCopula, "SDV CTGAN": Ctgan, "SDV TVAE": Tvae}
    return found
