"""The rows that a pairing looks at while a model trains: given once, or the model's own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vicinal._points import plain, which_rows
from vicinal._types import Floats32

_FILE = "mixup_embeddings.safetensors"


class Embeddings:
    """Embeddings of the training rows, and the epoch that they are from."""

    # kept with a checkpoint: the model that made them is not the one that is resumed

    def __init__(self, given: npt.ArrayLike | None, every: int) -> None:
        self.rows = None if given is None else plain(given).astype(np.float32)
        self._given = given is not None
        self._every = every
        self._epoch: int | None = None

    def check(self, n_rows: int | None) -> None:
        """Refuse given rows that do not fit the training data, or are not finite."""
        if self.rows is None:
            return
        if n_rows not in (None, len(self.rows)):
            raise ValueError(
                f"embeddings must have one row for each of the {n_rows} training rows, got "
                f"{len(self.rows)}."
            )
        if not np.isfinite(self.rows).all():
            raise ValueError(
                f"embeddings hold NaN or infinity in {which_rows(~np.isfinite(self.rows))}. Fill "
                "or drop those rows first."
            )

    def due(self, epoch: int) -> bool:
        """Tell whether the model has to make them at the beginning of this epoch."""
        if self._given:
            return False
        last = self._epoch
        return last is None or (self._every > 0 and epoch - last >= self._every) or epoch < last

    def put(self, rows: Floats32, epoch: int) -> None:
        """Keep what the model made."""
        self.rows, self._epoch = rows, epoch

    def save(self, folder: Path) -> None:
        """Write what the model made into a checkpoint."""
        if self._given or self.rows is None:
            return
        from safetensors.numpy import save_file

        beside = folder / f"{_FILE}.part"
        rows = np.ascontiguousarray(self.rows)  # written as they lie in memory
        save_file({"rows": rows}, beside, metadata={"epoch": str(self._epoch)})
        os.replace(beside, folder / _FILE)

    def load(self, folder: Path, n_rows: int) -> None:
        """Read what :meth:`save` wrote, where there is something and it is of so many rows."""
        path = folder / _FILE
        if self._given or not path.is_file():
            return
        from safetensors import safe_open

        with safe_open(path, "np") as file:
            rows, epoch = file.get_tensor("rows"), int(file.metadata()["epoch"])
        if len(rows) == n_rows:
            self.put(rows, epoch)
