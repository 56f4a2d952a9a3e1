"""Learn a table that does not fit into memory, in one pass.

Parts are looked at one by one: columns through small statistics, rows through a uniform sample, the
*pool*. The synthesizer learns the pool, and takes from the statistics what a sample would only
estimate.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_column
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import Seeds, StreamKey
from vicinal._threads import n_threads
from vicinal._types import Floats, Ints
from vicinal.jobs.job import Engine
from vicinal.jobs.limits import parse_memory
from vicinal.jobs.local import LocalEngine
from vicinal.table.frames import to_arrow
from vicinal.table.infer import tell
from vicinal.table.marginals import Marginal, marginal_of
from vicinal.table.numbers import are_fillers, python_values, to_numbers
from vicinal.table.population import Population
from vicinal.table.presets import check_parameters, check_rows_alone, mixing_settings
from vicinal.table.schema import (
    MIXED_KINDS,
    Column,
    Values,
    check_kinds,
    column_of,
    detect_columns,
    kind_of_type,
    mean_words,
    value_type,
)
from vicinal.table.stream.column_stats import ColumnStats, NumberStats, ValueStats, stats_of
from vicinal.table.stream.memory import NUMBER_ROWS, pool_size
from vicinal.table.stream.reservoir import Reservoir, key_limit, place_of, row_ids, row_keys
from vicinal.table.stream.source import Part, PathLike, Source, find_source, first_rows, read_part
from vicinal.table.stream.value_counts import check_sketches
from vicinal.table.synthesizer import TableSynthesizer
from vicinal.table.written import (
    Odd,
    as_identifiers,
    as_mixed,
    odd_cells,
    parse_cells,
    read_cells,
    report_odd,
    with_cells,
)

#: Rows of the pool in which different numbers are counted, where there are more than 1024.
FEW_ROWS = 1 << 15


@dataclass(frozen=True)
class FitPlan:
    """What to learn of every part of a source: the same for all of them."""

    schema: pa.Schema  # of rows as they are read
    source: Source
    strict: bool  # whether cells that do not fit are refused
    salt: int  # seed of the rows' keys
    pool_rows: int  # rows to sample with all their columns

    @property
    def numbers(self) -> list[str]:
        """The columns whose type can be averaged."""
        kinds = zip(self.schema.names, self.schema.types, strict=True)
        return [name for name, kind in kinds if kind_of_type(value_type(kind)) in MIXED_KINDS]


class Summary:
    """All that was seen of some rows: statistics of each column, and samples of rows."""

    def __init__(self, plan: FitPlan) -> None:
        self.plan = plan
        self.n_rows = 0
        self.files: Counter[int] = Counter()  # rows of each file, by its number
        self.odd: dict[str, Odd] = {}  # cells that do not fit, by column
        self.columns = {
            name: stats_of(value_type(kind), name)
            for name, kind in zip(plan.schema.names, plan.schema.types, strict=True)
        }
        # rows with all their columns, and of the columns of numbers only
        self.pool, self.numbers = (
            Reservoir(size, key_limit(size, plan.source.n_rows))
            for size in (plan.pool_rows, max(NUMBER_ROWS, plan.pool_rows))
        )

    def add(self, rows: pa.Table, part: Part, first: int) -> None:
        """Look at rows of a part, from place ``first`` of its file on."""
        ids = row_ids(part.file, first, rows.num_rows)
        keys = row_keys(ids, self.plan.salt)
        for name, stats in self.columns.items():
            stats.add(rows[name], name, part.path)
        self.pool.add(rows, ids, keys)
        if self.plan.numbers:
            self.numbers.add(rows.select(self.plan.numbers), ids, keys)
        self.n_rows += rows.num_rows
        self.files[part.file] += rows.num_rows

    def merge(self, other: Summary) -> None:
        """Take in what was seen of the rows that follow, under the same plan."""
        self.n_rows += other.n_rows
        self.files.update(other.files)
        self.add_odd(other.odd)
        for name, stats in self.columns.items():
            stats.merge(other.columns[name])
        self.pool.merge(other.pool)
        self.numbers.merge(other.numbers)

    def add_odd(self, odd: Mapping[str, Odd]) -> None:
        """Take in cells that do not fit, after those known."""
        for name, more in odd.items():
            count, first = self.odd.get(name, Odd(0, ()))
            self.odd[name] = Odd(count + more.n_cells, (*first, *more.first)[:3])


def plan_fit(source: Source, seeds: Seeds, pool_rows: int, strict: bool = False) -> FitPlan:
    """Say what to learn of each part of a source, here or on another machine."""
    schema = read_cells(source.schema.empty_table(), source.told.formats).schema
    salt = int(seeds.generator(StreamKey.SALT).integers(0, 2**64, dtype=np.uint64))
    return FitPlan(schema, source, strict, salt, pool_rows)


def summarize(part: Part, plan: FitPlan) -> Summary:
    """Look at one part of a source; the ValueError of one that cannot be read names the file."""
    summary = Summary(plan)
    at, source = part.first, plan.source
    formats = source.told.formats
    for rows in read_part(part, source.schema, source.dialect):
        cells = parse_cells(rows, formats)
        odd = odd_cells(rows, cells, formats)
        for name, (count, first) in odd.items():
            named = tuple((at + row, cell, part.path) for row, cell, _ in first)
            summary.add_odd({name: Odd(count, named)})
        if odd and plan.strict:
            report_odd(summary.odd, formats, True, 1)
        summary.add(with_cells(rows, cells), part, at)
        at += rows.num_rows
    return summary


def learn(synthesizer: TableSynthesizer, summary: Summary, seeds: Seeds) -> TableSynthesizer:
    """Fit a synthesizer to what was seen of a whole table; ``seeds`` are those of its plan."""
    if summary.n_rows < 2:
        raise ValueError(
            f"The source has {summary.n_rows} row(s); mixing needs at least 2. Name more files."
        )
    rows, ids = summary.pool.rows()
    arrow, told = to_arrow(rows), summary.plan.source.told
    report_odd(summary.odd, told.formats, False, 4)
    dropped = synthesizer.identifiers == "drop"

    def fit(columns: list[Column], whole: Population | None = None, places: Any = None) -> None:
        mixed = as_mixed(columns, told.people, summary.n_rows, dropped)
        native = {"schema": summary.plan.source.schema, "formats": told.formats}
        synthesizer._fit(arrow, mixed, seeds, whole, places, people=told.people, **native)

    if summary.n_rows <= summary.plan.pool_rows:  # nothing was left out
        fit(as_identifiers(detect_columns(arrow, told.kinds), told.people))
        return synthesizer
    _check_distinct(summary)
    columns = as_identifiers(_columns(summary, arrow, told.kinds), told.people)
    least = mixing_settings(synthesizer, columns).min_count
    whole = _whole(summary, columns, least)
    fit(columns, whole, _places(summary, ids))
    _warn_of_rare(summary, columns, arrow)
    return synthesizer


def _check_distinct(summary: Summary) -> None:
    """Keep integers that are nearly all different from being taken for consecutive numbers."""
    for name, stats in summary.columns.items():
        if not isinstance(stats, NumberStats) or not stats.all_distinct or not stats.n_values:
            continue
        if stats.high - stats.low == stats.n_values - 1:
            stats.check_distinct(summary.numbers.rows()[0][name])


def _warn_of_rare(summary: Summary, columns: Sequence[Column], pool: pa.Table) -> None:
    """Say which categories have values that no row of the pool has."""
    said = []
    for column in columns:
        stats = summary.columns[column.name]
        counts = stats.counts.exact
        if column.kind != "category" or isinstance(stats, NumberStats) or counts is None:
            continue
        lost = counts.keys() - set(python_values(pool[column.name].unique()))
        if lost:
            share = 100 * sum(counts[value] for value in lost) / max(stats.n_values, 1)
            said.append(f"{column.name} ({len(lost):,} of {len(counts):,}, {share:.2g} % of rows)")
    if said:
        more = f" and {len(said) - 5} more" if len(said) > 5 else ""
        warnings.warn(
            f"Rare values that are in none of the {pool.num_rows:,} rows held will not appear: "
            f"{', '.join(said[:5])}{more}. A larger max_rows (--max-rows) holds more of them.",
            UserWarning,
            stacklevel=5,
        )


def _places(summary: Summary, ids: npt.NDArray[np.uint64]) -> Ints:
    """Return row numbers in the whole source."""
    files, places = place_of(ids)
    counts = [summary.files[file] for file in range(max(summary.files))]
    return np.asarray(np.cumsum([0, *counts])[files] + places, np.int64)


def _columns(summary: Summary, pool: pa.Table, kinds: Any) -> list[Column]:
    said = check_kinds(kinds, pool.column_names)
    found = []
    for name, stats in summary.columns.items():
        kind = value_type(pool.schema.field(name).type)
        distinct, span, words = stats.n_distinct, 0, 0.0
        if isinstance(stats, NumberStats):
            if stats.counts.stopped:  # at least as many as in some rows of the pool
                few = pool[name].slice(0, FEW_ROWS)
                distinct = max(distinct, pc.count_distinct(few, mode="only_valid").as_py())
            if pa.types.is_integer(kind) and stats.n_values:
                span = stats.high - stats.low
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            plain = pc.drop_null(pool[name])
            words = mean_words(plain.cast(kind) if plain.type != kind else plain)
        seen = Values(kind, stats.n_values, distinct, span, words)
        type_ = str(pool.schema.field(name).type)
        found.append(column_of(name, type_, stats.n_missing, seen, said.get(name)))
    return found


def _whole(summary: Summary, columns: Sequence[Column], min_count: int) -> Population:
    whole = Population(summary.n_rows)
    mixed = [column for column in columns if column.mixed and summary.columns[column.name].n_values]
    if mixed:
        sample = summary.numbers.rows()[0]

        def work(column: Column) -> Marginal:
            stats = summary.columns[column.name]
            return _marginal(sample[column.name], stats, column, min_count)

        with ThreadPoolExecutor(n_threads()) as pool:
            found = zip(mixed, pool.map(work, mixed), strict=True)
            whole.marginals.update((column.name, marginal) for column, marginal in found)
    for column in columns:
        stats = summary.columns[column.name]
        if column.kind == "identifier":
            if isinstance(stats, NumberStats):
                whole.spans[column.name] = (stats.low, stats.high)
            elif isinstance(stats, ValueStats):
                whole.prefixes[column.name] = stats.prefix
        elif column.mixed and isinstance(stats, NumberStats) and stats.n_values:
            whole.moments[column.name] = stats.moments()
    return whole


def _marginal(
    sample: pa.ChunkedArray, stats: ColumnStats, column: Column, min_count: int
) -> Marginal:
    """Return a distribution from exact counts, or from a sample and the exact ends."""
    assert isinstance(stats, NumberStats)  # noqa: S101 - numbers are looked at as such
    if pa.types.is_floating(sample.type) and stats.decimals is None:  # nothing to round to
        numbers = sample.to_numpy()
        numbers = np.sort(numbers[~np.isnan(numbers)]).astype(np.float64)  # narrow sorts faster
    else:
        numbers, missing = to_numbers(sample, column.name)
        numbers = numbers[~missing]
    exact = numbers.dtype.kind == "i"
    whole = column.kind == "integer" and not exact
    if stats.counts.exact is not None:
        values = np.array(list(stats.counts.exact), numbers.dtype)
        values, at = np.unique(np.rint(values) if whole else values, return_inverse=True)
        counts = np.bincount(at, list(stats.counts.exact.values()))
    else:
        # one more row each for the least and the largest value of all, which a sample misses
        ends = [end for end in (stats.low, stats.high) if isinstance(end, int) == exact]
        values = np.concatenate([numbers, np.array(ends, numbers.dtype)])
        values, counts = np.unique(np.rint(values) if whole else values, return_counts=True)
    decimals = None if exact else stats.decimals
    held = counts.astype(np.int64)
    away = are_fillers(values, sample.type)
    return marginal_of(values, held, decimals, min_count, _tails(int(held.sum())), fillers=away)


def _tails(n: int) -> Floats:
    """Return levels ever nearer to 0 and 1, down to a few rows of a sample."""
    # beyond the outermost levels values are spread evenly up to the least and the largest of all,
    # which in many rows lie far out
    small = 2.0 ** -np.arange(12, max(13, int(np.log2(max(n, 2))) - 3))
    return np.concatenate([small, 1.0 - small])


def fit_stream(
    synthesizer: TableSynthesizer,
    source: Source | PathLike | Sequence[PathLike],
    *,
    max_rows: int | None = None,
    memory: int | str | None = None,
    progress: bool | ProgressCallback = False,
) -> TableSynthesizer:
    """Fit a synthesizer to files of any size, in one pass.

    Formats of texts and personal data are those of rows from beginning, middle and end.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        To fit.
    source : str, path or sequence of them
        A file, a folder, a pattern such as ``"events/*.parquet"``, or several.
    max_rows : int, optional
        Rows to hold and to mix at most, drawn at random from all. Left out, 262,144, or 131,072
        where neighbors are sought; fewer where ``memory`` is short, with a note.
    memory : int or str, optional
        Bytes that may be used, such as ``"2GB"``.
    progress : bool or callable, default False
        Whether to show a bar, or what to call with stage, rows done and rows in all (0 where that
        is not known).

    Returns
    -------
    TableSynthesizer
        The same, fitted. Where all rows fit into the pool it has learned what ``fit`` would have.

    Raises
    ------
    ValueError
        If a file cannot be read, columns differ, memory is too small, or as
        :meth:`TableSynthesizer.fit` does.
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    Distributions of numbers, kinds, and counts of few values are those of all rows. What depends
    on several columns comes from the pool of m rows: a correlation r has a standard error of about
    (1 - r^2) / sqrt(m), a share p of sqrt(p (1 - p) / m).

    Examples
    --------
    >>> fit_stream(TableSynthesizer(random_state=7), "events/*.parquet")  # doctest: +SKIP
    """
    found, rows = open_source(synthesizer, source, max_rows, parse_memory(memory))
    with reporting(progress) as tell:
        return fit_parts(synthesizer, found, rows, LocalEngine(), tell)


def open_source(
    synthesizer: TableSynthesizer,
    source: Source | PathLike | Sequence[PathLike],
    max_rows: int | None,
    limit: int | None,
) -> tuple[Source, int]:
    """Return what to read and how many rows to hold, with all that can be refused before."""
    check_sketches()
    check_parameters(synthesizer)
    check_rows_alone(synthesizer)
    found = source if isinstance(source, Source) else find_source(source)
    names, within = found.schema.names, synthesizer.within
    for name in [within] if isinstance(within, str) else within or ():
        check_column("within", name, names)
    if synthesizer.target is not None:
        check_column("target", synthesizer.target, names)
    if synthesizer.schema is not None:
        synthesizer.schema.check(names)
    told, _ = tell(first_rows(found), synthesizer.kinds, synthesizer.schema)
    check_kinds(told.kinds, names)
    found = replace(found, told=told)
    return found, pool_size(synthesizer, found, max_rows, limit)


def fit_parts(
    synthesizer: TableSynthesizer,
    source: Source,
    pool_rows: int,
    engine: Engine,
    tell: ProgressCallback,
) -> TableSynthesizer:
    """Look at all parts of a source by an engine, and learn here what was seen."""
    seeds = Seeds(synthesizer.random_state)
    plan = plan_fit(source, seeds, pool_rows, bool(synthesizer.strict))
    whole: Summary | None = None
    for summary in engine.map_ordered(summarize, source.parts, plan):
        if whole is None:
            whole = summary
        else:
            whole.merge(summary)
        del summary  # before the next one is there
        tell("Reading", whole.n_rows, source.n_rows or 0)
    assert whole is not None  # noqa: S101 - a source has parts
    return learn(synthesizer, whole, seeds)
