"""All of fidelity: columns, pairs, moments, and whether a model tells the tables apart."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vicinal._checks import printable
from vicinal._random import FidelityKey, RandomState, Seeds
from vicinal.page.result import RowsResult
from vicinal.report.fidelity.cells import PairCells, pair_cells
from vicinal.report.fidelity.columns import ColumnFidelity, compare_columns
from vicinal.report.fidelity.groups import GroupFidelity
from vicinal.report.fidelity.moments import Moments, measure_moments
from vicinal.report.fidelity.order import TimeOrder, measure_order
from vicinal.report.fidelity.pairs import (
    Association,
    PairFidelity,
    associate,
    compare_pairs,
    rank_pairs,
)
from vicinal.report.fidelity.rules import RuleCheck
from vicinal.report.fidelity.twosample import FEWEST_ROWS, FOLLOWS, TwoSample, two_sample_test
from vicinal.report.tables import Tables, align, halves, row_keys
from vicinal.table.frames import to_arrow
from vicinal.table.infer import infer
from vicinal.table.schema import Column

if TYPE_CHECKING:
    from vicinal.plan import MixPlan

#: Columns that are named in one sentence, at most.
SHOWN_NAMES = 5
#: Real rows, and columns, with which it is measured what fresh rows would have, and splits.
CHANCE_LEAST, CHANCE_ROWS, CHANCE_COLUMNS, CHANCE_SPLITS = 8, 10_000, 64, 4


@dataclass(frozen=True)
class Fidelity(RowsResult):
    """All columns, and how they are associated.

    Attributes
    ----------
    rows : tuple of int
        Rows of the real and the synthetic table.
    columns : tuple of ColumnFidelity
        One for each compared column.
    pairs : tuple of PairFidelity
        One or two for each pair of columns; from :func:`compare` rank correlations only.
    moments : Moments
        Measured and predicted.
    two_sample : TwoSample or None
        Whether a model tells the tables apart; None where it was not asked.
    association : Association
        How strongly columns are associated, as two square tables.
    sampled : str
        What was measured on a sample of rows, in words; empty if nothing was.
    rules : tuple of RuleCheck
        Rules between columns, and the rows that break them.
    order : TimeOrder or None
        How rows follow each other in time; None where they do not.
    panel : str
        What is lost where rows that belong to entities were mixed one by one, in words; empty
        where nothing is.
    quality_by_chance : float
        The least quality that as many fresh rows would have, by halves of the real table; NaN where
        rows or columns are so many that it was not measured.
    cells : tuple of PairCells
        Where rows lie by two columns, of the pairs that differ most or are most associated.
    groups : tuple of GroupFidelity
        The same columns within groups of rows; empty where no column of groups was named.
    """

    rows: tuple[int, int]
    columns: tuple[ColumnFidelity, ...]
    pairs: tuple[PairFidelity, ...] = ()
    moments: Moments = field(default_factory=lambda: Moments((), (), ""))
    two_sample: TwoSample | None = None
    association: Association = field(default_factory=lambda: Association((), (), ()))
    sampled: str = ""
    rules: tuple[RuleCheck, ...] = ()
    order: TimeOrder | None = None
    panel: str = ""
    quality_by_chance: float = math.nan
    cells: tuple[PairCells, ...] = ()
    groups: tuple[GroupFidelity, ...] = ()

    @property
    def score(self) -> float:
        """Mean score of the columns."""
        return _mean(column.score for column in self.columns)

    @property
    def pair_score(self) -> float:
        """Mean score of the pairs that are associated in the real table; NaN where none is."""
        return _mean(pair.score for pair in self.pairs if pair.counted)

    @property
    def all_pairs_score(self) -> float:
        """Mean score of all pairs, whether they are associated or not."""
        return _mean(p.score for p in self.pairs if p.measure in {"pearson", "contingency"})

    @property
    def quality(self) -> float:
        """Mean of the two scores: SDMetrics' quality score, without its sampling."""
        return _mean([self.score, self.pair_score])

    @property
    def correlation_error(self) -> float:
        """Largest difference of a rank correlation; NaN with fewer than two numeric columns.

        A correlation that only the synthetic table lacks, for a column is constant there, counts
        as 0.
        """
        ranks = [pair for pair in self.pairs if pair.measure == "spearman"]
        both = [(p.real, 0.0 if math.isnan(p.synthetic) else p.synthetic) for p in ranks]
        gaps = [abs(real - synthetic) for real, synthetic in both if not math.isnan(real)]
        return max(gaps, default=0.0 if ranks else math.nan)

    def summary(self) -> str:
        """Return the comparison as a text of one line for each column."""
        names = [printable(column.name) for column in self.columns]
        width = max([6, *map(len, names)])
        lines = [
            f"{'column':<{width}}  {'kind':<10} {'similarity':>10}  {'missing':>13}  "
            f"{'mean':>23}  {'standard deviation':>23}",
        ]
        for name, column in zip(names, self.columns, strict=True):
            gone = f"{_percent(column.missing[0], 5)} {_percent(column.missing[1], 6)}"
            lines.append(
                f"{name:<{width}}  {column.kind:<10} {_share(column.score):>10}  "
                f"{gone:>13}  {_pair(column.moments('mean')):>23}  "
                f"{_pair(column.moments('std')):>23}"
            )
        return "\n".join(line.rstrip() for line in [*lines, "", *self.notes()])

    def notes(self) -> list[str]:
        """Return what there is to say besides the columns, line by line."""
        gap = self.correlation_error
        return [
            "Pairs of figures are real, then synthetic. Similarity is 1 minus the "
            "Kolmogorov-Smirnov (numbers) or total variation (categories) distance; 1 = identical.",
            f"Mean over columns: {_share(self.score)}. Largest difference of a rank "
            f"correlation of two numbers: {_share(gap) or 'none to compare'}."
            + (" Only a report compares pairs with categories." if self._lacks_pairs else ""),
            *self._gone(),
            *self._rest(),
        ]

    def _gone(self) -> list[str]:
        """Return which columns have categories that no synthetic row holds."""
        names = [
            printable(one.name)
            for one in self.columns
            if one.kind == "category" and one.coverage < 1
        ]
        if not names:
            return []
        more = f" and {len(names) - SHOWN_NAMES} more columns" if len(names) > SHOWN_NAMES else ""
        return [
            f"Some categories of {', '.join(names[:SHOWN_NAMES])}{more} are in no synthetic row: "
            "rare ones are replaced."
        ]

    @property
    def _lacks_pairs(self) -> bool:
        """Whether there are categories, of which no pair was compared."""
        compared = any(pair.measure != "spearman" for pair in self.pairs)
        named = any(one.kind in {"category", "boolean"} for one in self.columns)
        return named and len(self.columns) > 1 and not compared

    def _columns(self) -> dict[str, Any]:
        names = ("name", "kind", "score", "coverage", "missing_score")
        return {name: [getattr(one, name) for one in self.columns] for name in names} | {
            f"{name}_{side}": [getattr(one, name)[at] for one in self.columns]
            for name in ("missing", "mean", "std")
            for at, side in enumerate(("real", "synthetic"))
        }

    def _broken(self) -> list[str]:
        """Return what no average makes good: broken rules, a lost order, a lost panel."""
        lines = []
        if self.rules:
            broken = [f"  {rule.says}" for rule in self.rules if rule.is_broken]
            lines += [f"Rules between columns: {len(broken)} of {len(self.rules)} broken.", *broken]
        if self.order is not None and self.order.is_lost:
            lines.append(self.order.says)
        return [*lines, self.panel] if self.panel else lines

    def _rest(self) -> list[str]:
        """Return the lines that only :func:`measure_fidelity` has figures for."""
        lines = self._broken()
        measured = [pair for pair in self.pairs if pair.measure != "spearman"]
        if measured:
            counted = sum(pair.counted for pair in measured)
            lines.append(
                f"Associated pairs ({counted}): {_share(self.pair_score) or 'none'}. "
                f"All pairs: {_share(self.all_pairs_score) or 'none'}. "
                f"Quality: {_share(self.quality)}."
            )
        if self.moments.figures:
            lines.append(
                f"Moments beyond sampling error: {len(self.moments.flagged)} of "
                f"{len(self.moments.figures)}. {self.moments.law}"
            )
        if self.two_sample is not None and math.isnan(self.two_sample.auc.value):
            lines.append("Too few rows for a model to tell synthetic from real ones.")
        elif self.two_sample is not None:
            lines.append(
                f"A model tells synthetic from real rows with an AUC of {self.two_sample.auc}; "
                f"0.5 is a guess ({self.two_sample.rows:,} rows of each)."
                + (f" {FOLLOWS}" if self.two_sample.follows else "")
            )
        if self.sampled:
            lines.append(f"Measured on samples: {self.sampled}.")
        return lines


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _percent(value: float, width: int) -> str:
    return " " * width if math.isnan(value) else f"{value:>{width}.1%}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _pair(sides: tuple[str, str]) -> str:
    return " ".join(f"{one:>11}" for one in sides) if sides[0] else ""


def measure_fidelity(
    tables: Tables,
    *,
    plan: MixPlan | None = None,
    random_state: RandomState = None,
    two_sample: bool = True,
) -> Fidelity:
    """Measure how like the real table a synthetic one is."""
    seeds = Seeds(random_state)
    columns, ranked = compare_columns(tables)
    some, said = tables.narrowed()
    pairs, links, sampled = compare_pairs(some, ranked, seeds.generator(FidelityKey.PAIRS))
    compared = {*some.numeric, *some.categorical}
    names = [c.name for c in some.columns if c.name in compared]
    notes = [f"pairs, and the model's test, of {said}"] if said else []
    notes += [sampled] if sampled else []
    tested = None
    if two_sample:
        tested = two_sample_test(some, seeds.generator(FidelityKey.TWO_SAMPLE))
        if FEWEST_ROWS <= tested.rows < max(len(tables.real), len(tables.synthetic)):
            notes.append(f"the model's test on {tested.rows:,} rows drawn from each table")
    return Fidelity(
        rows=(len(tables.real), len(tables.synthetic)),
        columns=columns,
        pairs=pairs,
        moments=measure_moments(tables, plan),
        two_sample=tested,
        association=associate(names, links),
        cells=pair_cells(some, columns, links),
        sampled="; ".join(notes),
        order=measure_order(tables),
        quality_by_chance=_by_chance(tables, seeds.generator(FidelityKey.CHANCE)),
    )


def _by_chance(tables: Tables, rng: np.random.Generator) -> float:
    """Return the least quality of fresh rows, by half of the real rows beside the other half."""
    # bins hang on the outermost values, so it differs from split to split; what falls short of 1
    # shrinks with the root of the number of rows
    real, made = map(len, tables.both)
    if not CHANCE_LEAST <= real <= CHANCE_ROWS or len(tables.columns) > CHANCE_COLUMNS:
        return math.nan
    least = 1.0
    for _ in range(CHANCE_SPLITS):
        parts = map(tables.real.take, halves(row_keys(tables.real), rng))
        apart = replace(tables, real=next(parts), synthetic=next(parts), holdout=None)
        columns, ranked = compare_columns(apart)
        found = Fidelity((real, real), columns, compare_pairs(apart, ranked, rng)[0])
        least = min(least, found.quality)
    return 1 - (1 - least) * math.sqrt((1 / real + 1 / made) / (4 / real))


def compare(real: Any, synthetic: Any, columns: Sequence[Column] | None = None) -> Fidelity:
    """Compare a synthetic table with the real one, column by column.

    A quick look: columns and rank correlations, nothing else; :func:`evaluate` measures more.

    Parameters
    ----------
    real, synthetic : pandas, Polars or PyArrow tables
        The synthetic one may lack columns; extra ones are refused.
    columns : sequence of Column, optional
        What the real columns are; detected where left out.

    Returns
    -------
    Fidelity
        The figures.

    Raises
    ------
    ValueError
        If the synthetic table has columns that the real one has not, or of another type.

    Examples
    --------
    >>> import pyarrow as pa
    >>> table = pa.table({"x": [1.0, 2.0, 3.0, 4.0], "y": ["a", "b", "a", "b"]})
    >>> compare(table, table).score
    1.0
    """
    before, after = to_arrow(real), to_arrow(synthetic)
    stray = set(after.column_names) - set(before.column_names)
    if stray:
        raise ValueError(
            f"The synthetic table has columns that the real one has not: "
            f"{', '.join(sorted(stray))}. Compare it with the table it was made from."
        )
    known = columns
    if known is None:
        before, schema = infer(before)
        known, after = schema.columns, schema.read(after)
    there = set(after.column_names)
    shared = [column for column in known if column.name in there]
    before = before.select([column.name for column in shared])
    with warnings.catch_warnings():  # there is no interval to be wide with few rows
        warnings.filterwarnings("ignore", "Fewer than", UserWarning)
        tables = align(before, after.select(before.column_names), columns=shared)
    found, ranked = compare_columns(tables)
    some, said = tables.narrowed()
    said = f"pairs of {said}" if said else ""
    pairs = tuple(rank_pairs(some, ranked))
    return Fidelity((before.num_rows, after.num_rows), found, pairs, sampled=said)
