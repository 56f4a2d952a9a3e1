"""Shadow models: a synthesizer run again and again, with and without each of some records."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal._checks import first_line
from vicinal._types import Floats, Ints
from vicinal.report.privacy.signals import Signals
from vicinal.report.tables import Tables, align
from vicinal.table.frames import to_arrow, to_native
from vicinal.table.infer import infer
from vicinal.table.presets import has_units

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Ints


class Subject:
    """A synthesizer and the table that it learns from, read as a report reads it."""

    def __init__(self, make: Any, table: pa.Table, kinds: Mapping[str, str] | None) -> None:
        if not callable(make) and not (hasattr(make, "fit") and hasattr(make, "sample")):
            raise TypeError(
                "synthesizer must have fit(table) and sample(n), or be a function that returns "
                f"such an object, got {make!r}."
            )
        self._make, self._table = make, table
        self._read, self._schema = infer(table, kinds)
        self.columns = self._schema.columns

    def sampled(self, rows: Rows, n_samples: int, seed: int, said: str) -> pa.Table:
        """Return what a fresh synthesizer makes of some rows."""
        step = "fit"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the same for every shadow
                model = self._fresh(seed)
                model.fit(to_native(self._table.take(rows)))
                step = "sample"
                made = to_arrow(model.sample(n_samples))
        except Exception as error:
            raise ValueError(
                f"The synthesizer's {step} failed on {said} ({len(rows):,} rows) with "
                f"{type(error).__name__}: {first_line(error)}. Run it on the table by itself first."
            ) from error
        if made.num_rows != n_samples:
            raise ValueError(
                f"The synthesizer's sample({n_samples}) returned {made.num_rows} rows for {said}. "
                "An audit needs as many as it asks for."
            )
        return made

    def _fresh(self, seed: int) -> Any:
        from vicinal.table.synthesizer import TableSynthesizer

        is_maker = isinstance(self._make, type) or not hasattr(self._make, "fit")
        model = self._make() if is_maker else copy.deepcopy(self._make)
        if getattr(model, "random_state", seed) is None:
            model.random_state = seed
        if isinstance(model, TableSynthesizer) and model.schema is None and not has_units(model):
            model.schema = self._schema  # what was found on all rows holds for a part of them
        return model

    def aligned(
        self, made: pa.Table, real: Rows | None = None, unseen: Rows | None = None
    ) -> Tables:
        """Return made rows beside real ones, all of them where none are named."""
        own = self._read if real is None else self._read.take(real)
        others = None if unseen is None else self._read.take(unseen)
        known = set(self._table.column_names)
        excess = [name for name in made.column_names if name not in known]
        lost = [
            one.name
            for one in self.columns
            if one.kind not in {"identifier", "text"} and one.name not in made.column_names
        ]
        if excess or lost:
            what = f"lacks {', '.join(map(repr, lost))}" if lost else f"has also {excess!r}"
            raise ValueError(
                f"What the synthesizer sampled {what}, compared with the table that it learned "
                "from. An audit needs the same columns."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return align(own, self._schema.read(made), others, columns=self.columns)


@dataclass(frozen=True)
class _Shadow:
    """One run, as it is sent to another process."""

    subject: Subject
    signals: Signals
    n_samples: int

    def __call__(self, rows: Rows, seed: int, at: int) -> Floats:
        made = self.subject.sampled(rows, self.n_samples, seed, f"shadow table {at + 1}")
        return self.signals(self.subject.aligned(made).synthetic)


def run_shadows(
    subject: Subject,
    signals: Signals,
    tables: Sequence[tuple[Rows, int]],
    n_samples: int,
    n_jobs: int,
) -> Iterator[Floats]:
    """Yield the signals of what is made of each choice of rows, with its seed, in order."""
    run = _Shadow(subject, signals, n_samples)
    if n_jobs == 1:
        yield from (run(rows, seed, at) for at, (rows, seed) in enumerate(tables))
        return
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend="loky", inner_max_num_threads=1):
        try:
            yield from Parallel(n_jobs, return_as="generator")(
                delayed(run)(rows, seed, at) for at, (rows, seed) in enumerate(tables)
            )
        except (pickle.PicklingError, AttributeError) as error:
            raise ValueError(
                f"The synthesizer cannot be sent to other processes ({first_line(error)}). Pass "
                "n_jobs=1."
            ) from error
