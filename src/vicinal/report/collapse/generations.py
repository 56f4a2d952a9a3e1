"""What is followed from one generation to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._checks import check_column
from vicinal.report.tables import Part, Tables, align
from vicinal.report.utility.learners import LEARNERS, Problem, fit_side_by_side, pose
from vicinal.report.utility.measure import measures
from vicinal.table.frames import to_arrow
from vicinal.table.numbers import to_floats
from vicinal.table.schema import MIXED_KINDS, Column, detect_columns

__all__ = ["Measures", "Start", "start"]

#: Share of the rows that is held out to test models on.
HELD_OUT = 0.25
#: Rows of a generation that a model learns from, at most.
TRAIN_ROWS = 10_000

FloatArray = npt.NDArray[np.float64]
_Groups: TypeAlias = list[tuple[int, FloatArray, FloatArray]]  # number, gaps of means, shares


@dataclass(frozen=True, eq=False)
class Start:
    """The real rows, and what is known of them.

    Attributes
    ----------
    learned : pyarrow.Table
        What the first generation is made from.
    held : pyarrow.Table or None
        Rows that no generation learns from; None where no model is tested.
    columns : list of Column
        What is followed.
    kinds : dict of str to str
        What to say to the synthesizer, so that no generation detects anything else.
    within : tuple of str
        Columns whose groups are never mixed.
    target : str or None
        What models predict.
    metric : str
        Name of the main measure of utility; empty without one.
    sampled : str
        How rows were drawn, in words.
    between : ndarray of shape (n_numeric,)
        Share of each number's variance that lies between groups that are never mixed; only
        numbers with some variance.
    has_ties : bool
        Whether there are categories, and numbers, whose association can be followed.
    """

    learned: pa.Table
    held: pa.Table | None
    columns: list[Column]
    kinds: dict[str, str]
    within: tuple[str, ...]
    target: str | None
    metric: str
    sampled: str
    between: FloatArray
    has_ties: bool

    def follow(self) -> Measures:
        """Return measures that know of the real rows only."""
        found = Measures(self)
        found.add(self.learned, closely=True)
        return found


def start(
    table: Any,
    *,
    raw: bool,
    target: str | None,
    within: tuple[str, ...],
    kinds: Mapping[str, str] | None,
    rows: int,
    utility: bool,
    rng: np.random.Generator,
) -> Start:
    """Make a table ready to be followed.

    Parameters
    ----------
    table : pandas, Polars or PyArrow table
        The real rows.
    raw : bool
        Whether numbers are mixed as they are, and so not rounded.
    target : str or None
        What models predict.
    within : tuple of str
        Columns whose groups are never mixed.
    kinds : mapping of str to str or None
        What columns are, where detection is wrong.
    rows : int
        Rows to learn from, at most.
    utility : bool
        Whether to hold rows out for models.
    rng : numpy.random.Generator
        Draws rows.

    Returns
    -------
    Start
        Ready.

    Raises
    ------
    ValueError
        If nothing can be followed, or a named column is not there.
    """
    arrow = to_arrow(table)
    if arrow.num_rows < 2:
        raise ValueError(
            f"The table has {arrow.num_rows} row(s); mixing needs at least 2. Pass more rows."
        )
    found = detect_columns(arrow, kinds)
    followed = [c for c in found if c.kind not in {"identifier", "text", "constant", "missing"}]
    if not followed:
        raise ValueError(
            "No column is left to follow: all are identifiers, free text, constant or empty. Say "
            "what a column is with kinds={'name': 'category'}."
        )
    for parameter, name in (("target", target), *(("within", one) for one in within)):
        if name is not None:
            check_column(parameter, name, [c.name for c in followed])
    arrow, said = _prepared(arrow, followed, target, within, raw)
    order = rng.permutation(arrow.num_rows)
    test = round(HELD_OUT * len(order)) if utility and target is not None else 0
    held = arrow.take(np.sort(order[:test])) if test else None
    learned = arrow.take(np.sort(order[test:][:rows]))
    columns = detect_columns(learned, said)
    sampled = f"Each generation has {learned.num_rows:,} rows"
    if learned.num_rows < len(order) - test:
        sampled += f", drawn from the {len(order) - test:,} of the table"
    if test:
        sampled += f"; {test:,} real rows were held out to test models on"
    tables = align(learned, learned, columns=columns, target=target)
    real = tables.real
    varied = np.flatnonzero(_variances(real.numbers) > 0)
    return Start(
        learned=learned,
        held=held,
        columns=columns,
        kinds=said,
        within=within,
        target=target,
        metric=("AUC" if tables.task == "class" else "R2") if test else "",
        sampled=f"{sampled}.",
        between=np.array([_between(real, tables, within, int(at)) for at in varied]),
        has_ties=bool(len(varied)) and bool(_watched(tables, within)),
    )


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
    """Return the categories whose ties with numbers are followed."""
    return [at for at, name in enumerate(tables.categorical) if not within or name in within]


def _between(real: Part, tables: Tables, within: tuple[str, ...], at: int) -> float:
    """Return the share of a number's variance that lies between groups."""
    if not within:
        return 0.0
    codes = real.codes[:, [tables.categorical.index(name) for name in within]]
    values = real.numbers[:, at]
    seen = ~np.isnan(values)
    _, group = np.unique(codes[seen], axis=0, return_inverse=True)
    group = group.ravel()
    values = values[seen] - values[seen].mean()
    means = np.bincount(group, values) / np.bincount(group)
    return float((means[group] ** 2).sum() / (values**2).sum())


def _variances(numbers: FloatArray) -> FloatArray:
    """Return the variance of each column's known values."""
    seen = ~np.isnan(numbers)
    count = np.maximum(seen.sum(axis=0), 1)
    middle = np.where(seen, numbers, 0.0).sum(axis=0) / count
    spread: FloatArray = (np.where(seen, numbers - middle, 0.0) ** 2).sum(axis=0) / count
    return spread


def _relative_errors(numbers: FloatArray) -> FloatArray:
    """Return the variance of each column's sample variance, over its square: (kurtosis - 1) / n."""
    found = np.zeros(numbers.shape[1])
    for at in range(numbers.shape[1]):
        values = numbers[~np.isnan(numbers[:, at]), at]
        squares = (values - values.mean()) ** 2 if len(values) else values
        if len(values) and squares.max() > 0:
            squares = squares / squares.max()
            found[at] = max(float((squares**2).mean() / squares.mean() ** 2 - 1), 0.0) / len(values)
    return found


def _rank_correlations(numbers: FloatArray) -> FloatArray:
    """Return correlations of ranks, over rows where both values are there; NaN of constants."""
    from scipy.stats import rankdata

    ranks = np.zeros(numbers.shape)
    seen = ~np.isnan(numbers)
    for at in range(numbers.shape[1]):
        kept = seen[:, at]
        one = rankdata(numbers[kept, at])
        ranks[kept, at] = one - one.mean() if len(one) else one
    sizes = (ranks**2).T @ seen  # of column i where column j is there
    with np.errstate(invalid="ignore", divide="ignore"):
        result: FloatArray = (ranks.T @ ranks) / np.sqrt(sizes * sizes.T)
    return result


@dataclass(eq=False)
class Measures:
    """Figures of one generation after the other."""

    begun: Start
    variance: list[float] = field(default_factory=list)
    variance_error: list[float] = field(default_factory=list)
    attenuation: list[float] = field(default_factory=list)
    correlation_error: list[float] = field(default_factory=list)
    coverage: list[float] = field(default_factory=list)
    _kept: dict[int, Problem] = field(default_factory=dict)
    _drawn: FloatArray | float = 0.0  # relative variance of each variance, from all draws so far
    _correlations: FloatArray | None = None  # of the real rows, as are the groups
    _groups: _Groups | None = None

    def add(self, made: pa.Table, *, closely: bool) -> None:
        """Measure one more generation.

        Parameters
        ----------
        made : pyarrow.Table
            Its rows.
        closely : bool
            Whether to train a model on it.
        """
        begun = self.begun
        held = begun.held if closely else None
        tables = align(begun.learned, made, held, columns=begun.columns, target=begun.target)
        if held is not None:
            self._kept[len(self.variance)] = pose(tables)
        real, new = tables.real, tables.synthetic
        before = _variances(real.numbers)
        varied = np.flatnonzero(before > 0)
        share = _variances(new.numbers)[varied] / before[varied]
        if self.variance:
            self._drawn = self._drawn + _relative_errors(new.numbers[:, varied])
        self.variance.append(_mean(share))
        spread = np.sqrt((share**2 * self._drawn).sum()) / len(share) if len(share) else np.nan
        self.variance_error.append(float(spread))
        groups = _group_means(tables, new, begun.within, varied)
        correlations = _rank_correlations(new.numbers)
        if self._groups is None or self._correlations is None:  # the real rows come first
            self._groups, self._correlations = groups, correlations
        self.attenuation.append(_attenuation(self._groups, groups, np.sqrt(before[varied])))
        self.correlation_error.append(_largest_gap(self._correlations, correlations))
        self.coverage.append(
            _mean(
                [
                    np.isin(_levels(real.codes[:, at]), _levels(new.codes[:, at])).mean()
                    for at in range(real.codes.shape[1])
                ]
            )
        )

    def utilities(self, generations: int) -> list[float]:
        """Return the utility of every generation, NaN where none was measured."""
        found = [float("nan")] * (generations + 1)
        kept = list(self._kept.items())

        def work(at: int) -> None:
            generation, problem = kept[at]
            rows = np.arange(min(len(problem.synthetic), TRAIN_ROWS))  # in random order already
            train = problem.synthetic.take(rows)
            guess = LEARNERS["boosted trees"](problem, train, problem.test, 0)
            found[generation] = next(iter(measures(problem, guess).values()))

        if kept:
            fit_side_by_side(work, len(kept))
        return found


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _levels(codes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    return np.unique(codes[codes >= 0])


def _largest_gap(real: FloatArray, made: FloatArray) -> float:
    gaps = np.abs(real - made)
    known = gaps[np.triu(np.isfinite(gaps), 1)]
    return float(known.max()) if len(known) else float("nan")


def _group_means(
    tables: Tables, part: Part, within: tuple[str, ...], varied: npt.NDArray[np.intp]
) -> _Groups:
    """Return, by category and number, how far each level's mean lies from that of all.

    Levels of the real rows have the first codes, so that generations can be compared.
    """
    found = []
    for at in _watched(tables, within):
        codes, levels = part.codes[:, at], int(tables.real.codes[:, at].max()) + 1
        for place, number in enumerate(varied):
            values = part.numbers[:, number]
            kept = (codes >= 0) & ~np.isnan(values)
            count = np.bincount(codes[kept], minlength=levels)[:levels]
            if not kept.any():
                found.append((place, np.zeros(levels), np.zeros(levels)))
                continue
            gaps = values[kept] - values[kept].mean()
            total = np.bincount(codes[kept], gaps, minlength=levels)[:levels]
            found.append((place, total / np.maximum(count, 1), count / kept.sum()))
    return found


def _attenuation(real: _Groups, made: _Groups, spread: FloatArray) -> float:
    """Return the slope of group means against the real ones, both as differences from the mean.

    Groups of all categories and numbers are pooled, each with its weight in the real table, so
    that strong associations count and mere noise does not.
    """
    above = below = 0.0
    for (place, old, weight), (_, new, share) in zip(real, made, strict=True):
        there = (weight > 0) & (share > 0)  # a lost level shows in the coverage
        gap, now = old[there] / spread[place], new[there] / spread[place]
        above += float((weight[there] * gap * now).sum())
        below += float((weight[there] * gap**2).sum())
    return above / below if below > 0 else float("nan")
