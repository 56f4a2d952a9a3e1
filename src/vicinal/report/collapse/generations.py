"""What is followed from one generation to the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._checks import check_column
from vicinal._types import Floats
from vicinal.report.fidelity.columns import rank_column
from vicinal.report.fidelity.correlation import rank_correlations
from vicinal.report.tables import Part, Tables, align
from vicinal.report.utility.learners import Problem, fit_side_by_side, pose, predict
from vicinal.report.utility.measure import measures
from vicinal.table.frames import to_arrow
from vicinal.table.infer import infer
from vicinal.table.numbers import to_floats
from vicinal.table.schema import MIXED_KINDS, Column, detect_columns

#: Share of the rows that is held out to test models on.
HELD_OUT = 0.25
#: Rows of a generation that a model learns from, at most.
TRAIN_ROWS = 10_000

_Groups: TypeAlias = list[tuple[int, Floats, Floats]]  # number, gaps of means, shares


@dataclass(frozen=True, eq=False)
class Start:
    """The real rows, and what is known of them."""

    train: pa.Table  # what the first generation is made from
    held: pa.Table | None  # rows that no generation learns from; None where no model is tested
    columns: list[Column]  # what is followed
    # what to say to the synthesizer, so that no generation detects anything else
    kinds: dict[str, str]
    within: tuple[str, ...]  # columns whose groups are never mixed
    target: str | None  # what models predict
    metric: str  # name of the main measure of utility; empty without one
    sampled: str  # how rows were drawn, in words
    # (n_varied,) share of each varying number's variance between groups that are never mixed
    between: Floats
    has_associations: bool  # whether there are both categories and numbers to follow


def start(
    table: Any,
    *,
    raw: bool,
    target: str | None,
    within: tuple[str, ...],
    kinds: Mapping[str, str] | None,
    max_rows: int,
    utility: bool,
    rng: np.random.Generator,
) -> Start:
    """Make a table ready to be followed."""
    arrow, schema = infer(to_arrow(table), kinds)
    followed = _followed(arrow, schema.columns, target, within)
    arrow, said = _prepared(arrow, followed, target, within, raw)
    order = rng.permutation(arrow.num_rows)
    test = round(HELD_OUT * len(order)) if utility and target is not None else 0
    held = arrow.take(np.sort(order[:test])) if test else None
    train = arrow.take(np.sort(order[test:][:max_rows]))
    columns = detect_columns(train, said)
    sampled = f"Each generation has {train.num_rows:,} rows"
    if train.num_rows < len(order) - test:
        sampled += f", drawn from the {len(order) - test:,} of the table"
    if test:
        sampled += f"; {test:,} real rows were held out to test models on"
    tables = align(train, train, columns=columns, target=target)
    real = tables.real
    varied = np.flatnonzero(_variances(real.numbers) > 0)
    return Start(
        train=train,
        held=held,
        columns=columns,
        kinds=said,
        within=within,
        target=target,
        metric=("AUC" if tables.task == "class" else "R2") if test else "",
        sampled=f"{sampled}.",
        between=np.array([_between(real, tables, within, int(at)) for at in varied]),
        has_associations=bool(len(varied)) and bool(_watched(tables, within)),
    )


def _followed(
    arrow: pa.Table, columns: Sequence[Column], target: str | None, within: tuple[str, ...]
) -> list[Column]:
    """Return the columns that are followed; refuse a table without any."""
    if arrow.num_rows < 2:
        raise ValueError(
            f"The table has {arrow.num_rows} row(s); mixing needs at least 2. Pass more rows."
        )
    left_out = {"identifier", "text", "constant", "missing"}
    followed = [c for c in columns if c.kind not in left_out]
    if not followed:
        raise ValueError(
            "No column is left to follow: all are identifiers, free text, constant or empty. Say "
            f"what a column is with kinds={{{columns[0].name!r}: 'category'}}."
        )
    for parameter, name in (("target", target), *(("within", one) for one in within)):
        if name is not None:
            check_column(parameter, name, [c.name for c in followed])
    return followed


def _prepared(
    arrow: pa.Table,
    columns: list[Column],
    target: str | None,
    within: tuple[str, ...],
    raw: bool,
) -> tuple[pa.Table, dict[str, str]]:
    """Return the columns as they are followed, and the kinds to say of them."""
    arrays, said = {}, {}
    for column in columns:
        values, name = arrow[column.name], column.name
        grouping = name in within or (name == target and column.n_distinct <= 2)
        if column.kind in MIXED_KINDS and grouping:
            values = values.cast(pa.string())
            said[name] = "category"
        elif column.kind in MIXED_KINDS and raw:
            numbers, missing = to_floats(values, name)
            values = pa.array(numbers, mask=missing)
            said[name] = "numeric"
        elif column.kind != "boolean":
            said[name] = column.kind
        arrays[name] = values
    return pa.table(arrays), said


def _watched(tables: Tables, within: tuple[str, ...]) -> list[int]:
    """Return the categories whose association with numbers are followed."""
    return [at for at, name in enumerate(tables.categorical) if not within or name in within]


def _between(real: Part, tables: Tables, within: tuple[str, ...], at: int) -> float:
    """Return the share of a number's variance that lies between groups."""
    if not within:
        return 0.0
    codes = real.codes[:, [tables.categorical.index(name) for name in within]]
    seen = ~np.isnan(real.numbers[:, at])
    values = real.numbers[seen, at]
    _, group = np.unique(codes[seen], axis=0, return_inverse=True)
    group = group.ravel()
    values = values - values.mean()
    means = np.bincount(group, values) / np.bincount(group)
    return float((means[group] ** 2).sum() / (values**2).sum())


def _variances(numbers: Floats) -> Floats:
    """Return the variance of each column's known values."""
    seen = ~np.isnan(numbers)
    count = np.maximum(seen.sum(axis=0), 1)
    middle = np.where(seen, numbers, 0.0).sum(axis=0) / count
    variance: Floats = (np.where(seen, numbers - middle, 0.0) ** 2).sum(axis=0) / count
    return variance


def _relative_error(values: Floats) -> float:
    """Return the variance of the sample variance, over its square: (kurtosis - 1) / n."""
    values = values[~np.isnan(values)]
    squares = (values - values.mean()) ** 2 if len(values) else values
    if not squares.any():
        return 0.0
    squares = squares / squares.max()
    return max(float((squares**2).mean() / squares.mean() ** 2 - 1), 0.0) / len(values)


class Measures:
    """Figures of one generation after the other; those of the real rows come first."""

    def __init__(self, begun: Start) -> None:
        self.begun = begun
        self.figures: dict[str, list[float]] = defaultdict(list)
        self._posed: dict[int, Problem] = {}
        self._drawn: Floats | float = 0.0  # relative variance of each variance, all draws
        self._real: tuple[Floats, _Groups] | None = None  # correlations, and group means
        self.add(begun.train, closely=True)

    def add(self, made: pa.Table, *, closely: bool) -> None:
        """Measure one more generation."""
        begun = self.begun
        held = begun.held if closely else None
        tables = align(begun.train, made, held, columns=begun.columns, target=begun.target)
        generation = len(self.figures["variance"])
        if held is not None:
            self._posed[generation] = pose(tables)
        real, new = tables.real, tables.synthetic
        before = _variances(real.numbers)
        varied = np.flatnonzero(before > 0)
        share = _variances(new.numbers)[varied] / before[varied]
        if generation:
            errors = [_relative_error(new.numbers[:, at]) for at in varied]
            self._drawn = self._drawn + np.array(errors)
        correlations = rank_correlations([rank_column(column)[1] for column in new.numbers.T])
        groups = _group_means(tables, new, begun.within, varied)
        self._real = self._real or (correlations, groups)
        kept = [
            np.isin(_levels(one), _levels(other)).mean()
            for one, other in zip(real.codes.T, new.codes.T, strict=True)
        ]
        found = {
            "variance": _mean(share),
            "variance_error": np.sqrt((share**2 * self._drawn).sum()) / (len(share) or np.nan),
            "attenuation": _attenuation(self._real[1], groups, np.sqrt(before[varied])),
            "correlation_error": _largest_gap(self._real[0], correlations),
            "coverage": _mean(kept),
        }
        for name, value in found.items():
            self.figures[name].append(float(value))

    def utilities(self, generations: int) -> list[float]:
        """Return the utility of every generation, NaN where none was measured."""
        found = [float("nan")] * (generations + 1)
        posed = list(self._posed.items())

        def work(at: int) -> None:
            generation, problem = posed[at]
            order = np.random.default_rng(0).permutation(problem.synthetic.n_rows)
            train = problem.synthetic.take(order[:TRAIN_ROWS])  # real rows may be sorted
            guess = predict("boosted trees", problem, train, problem.test, 0)
            found[generation] = next(iter(measures(problem, guess).values()))

        if posed:
            fit_side_by_side(work, len(posed))
        return found


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _levels(codes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return np.unique(codes[codes >= 0])


def _largest_gap(real: Floats, made: Floats) -> float:
    gaps = np.abs(real - made)
    known = gaps[np.triu(np.isfinite(gaps), 1)]
    return float(known.max()) if len(known) else float("nan")


def _group_means(
    tables: Tables, part: Part, within: tuple[str, ...], varied: npt.NDArray[np.intp]
) -> _Groups:
    """Return, by category and number, how far each level's mean lies from that of all."""
    found = []
    for at in _watched(tables, within):
        codes, levels = part.codes[:, at], int(tables.real.codes[:, at].max()) + 1
        for place, number in enumerate(varied):
            values = part.numbers[:, number]
            kept = (codes >= 0) & ~np.isnan(values)
            count = np.bincount(codes[kept], minlength=levels)[:levels]
            gaps = values[kept] - (values[kept].mean() if kept.any() else 0.0)
            total = np.bincount(codes[kept], gaps, minlength=levels)[:levels]
            found.append((place, total / np.maximum(count, 1), count / max(kept.sum(), 1)))
    return found


def _attenuation(real: _Groups, made: _Groups, std: Floats) -> float:
    """Return the slope of group means against the real ones, both as differences from the mean."""
    above = below = 0.0
    for (place, old, weight), (_, new, share) in zip(real, made, strict=True):
        there = (weight > 0) & (share > 0)  # a lost level shows in the coverage
        gap, now = old[there] / std[place], new[there] / std[place]
        above += float((weight[there] * gap * now).sum())
        below += float((weight[there] * gap**2).sum())
    return above / below if below > 0 else float("nan")
