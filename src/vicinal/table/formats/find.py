"""Find the format of a column of texts, or take the one a user names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal.table.formats.base import Format, as_texts, few, fitted, marks_of
from vicinal.table.formats.dates import (
    DateFormat,
    date_candidates,
    from_pattern,
    learned,
    more_likely,
    with_others,
)
from vicinal.table.formats.numerals import NumberFormat, number_candidates, sentinel, widened
from vicinal.table.formats.words import YES_NO

#: Distinct cells that candidates are taken from and tried on first.
SAMPLE = 2000
#: Share of the cells that one pattern of dates has, at least, where a column has several.
COMMON = 0.2
#: Distinct cells of such a column, at least.
SEVERAL = 20
#: Rows on which the format of a longer column is searched.
HEAD_ROWS = 20_000
#: Candidates that are tried on all cells.
FINALISTS = 4
#: Different integers, at least, that are all in the calendar if they are dates or stamps.
DAYS = 10
_INTEGERS = ("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S")


@dataclass(frozen=True, kw_only=True)
class BooleanFormat(Format):
    """Yes and no, in the column's words."""

    true: str
    false: str

    kinds: ClassVar[tuple[str, ...]] = ("boolean",)

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of what is read."""
        return pa.bool_()

    def _read(self, cells: pa.Array) -> pa.Array:
        lower = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
        yes = pc.equal(lower, self.true.lower())
        either = pc.or_(yes, pc.equal(lower, self.false.lower()))
        return pc.if_else(either, yes, pa.scalar(None, pa.bool_()))

    def _write(self, values: pa.Array) -> pa.Array:
        return pc.if_else(values.cast(pa.bool_()), self.true, self.false)


@dataclass(frozen=True, kw_only=True)
class CodeFormat(Format):
    """Digits with leading zeros, or behind a fixed prefix: ``expression`` says which."""

    expression: str

    kinds: ClassVar[tuple[str, ...]] = ("code",)

    @property
    def type(self) -> pa.DataType:
        """The Arrow type of what is read."""
        return pa.string()

    def _read(self, cells: pa.Array) -> pa.Array:
        good = pc.match_substring_regex(cells, f"^(?:{self.expression})$")
        return pc.if_else(good, cells, pa.scalar(None, pa.string()))

    def _write(self, values: pa.Array) -> pa.Array:
        return values.cast(pa.string())


def find_format(values: pa.Array | pa.ChunkedArray, name: str) -> Format | None:
    """Find how the cells of a column of texts are written.

    Day and month are told apart over the whole column. A format is found when all cells but a few
    agree with it: at most 1 %, or one.

    Parameters
    ----------
    values : pyarrow Array or ChunkedArray of strings
        The column's cells.
    name : str
        The column's name.

    Returns
    -------
    Format or None
        None where cells are plain texts or categories, or disagree.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.table.formats import find_format
    >>> find_format(pa.array(["1.050,00 €", "-3,50 €", "k.A."]), "Betrag").text
    '1.234,57 €'
    """
    found = search_format(values, name)
    return None if found is None else found[0]


def search_format(
    values: pa.Array | pa.ChunkedArray, name: str, kinds: Collection[str] = ()
) -> tuple[Format, pa.Array] | None:
    """Return the format of a column, if it is of one of some kinds, and its cells as read."""
    # a long column is searched on rows at equal steps, and all of them are held against what is
    # found there
    texts = as_texts(values)
    head = texts
    if len(texts) > HEAD_ROWS:
        head = texts.take(pa.array(np.linspace(0, len(texts) - 1, HEAD_ROWS).astype(np.int64)))
    for some in (head, texts):
        cells, counts, marks = _unmarked(some)
        form = _search(cells, counts, name)
        if form is None or (kinds and form.kind not in kinds):
            return None
        if some is not texts:
            marks = marks_of(pc.drop_null(texts))
            if isinstance(form, NumberFormat):
                form = widened(form, texts)
        form, parsed = fitted(form, texts, marks)
        if isinstance(form, NumberFormat) and (more := _sentinels(form, texts, parsed)):
            form, parsed = fitted(form, texts, (*marks, *more))
        read = len(parsed) - parsed.null_count
        if some is texts or few(form.n_odd, read + form.n_odd):
            return form, parsed
    return None


def integer_dates(values: pa.ChunkedArray) -> tuple[DateFormat, pa.Array] | None:
    """Return the format of integers such as 20231224 that are all dates or stamps, and these."""
    ends = pc.min_max(values).as_py()
    for pattern in _INTEGERS:
        unit = 100 ** (pattern.count("%") - 1)  # two digits for each part behind the year
        if ends["min"] is None or ends["min"] < 1900 * unit or ends["max"] >= 2101 * unit:
            continue
        form = from_pattern(pattern)
        read = form.parse(values)
        known = read.null_count == values.null_count and len(pc.unique(pc.drop_null(read))) >= DAYS
        return (form, read) if known else None
    return None


def _search(cells: pa.Array, counts: Any, name: str) -> Format | None:
    if not len(cells):
        return None
    for find in (_boolean, _date, _code, _number):
        if (form := find(cells, counts, name)) is not None:
            return form
    return None


def _unmarked(texts: pa.Array) -> tuple[pa.Array, Any, tuple[str, ...]]:
    """Return distinct cells, how often each stands, and apart marks of missing values."""
    counted = pc.value_counts(pc.drop_null(texts))
    cells, counts = counted.field(0), np.asarray(counted.field(1))
    marks = marks_of(cells)
    if marks:
        kept = np.asarray(pc.invert(pc.is_in(cells, pa.array(marks, pa.string()))))
        cells, counts = cells.filter(pa.array(kept)), counts[kept]
    return cells, counts, marks


def parse_format(
    spec: str, values: pa.Array | pa.ChunkedArray | None = None, name: str = ""
) -> Format:
    """Return the format that a user names.

    Parameters
    ----------
    spec : str
        ``"date:%d.%m.%Y"`` (also ``datetime:`` and ``time:``, the notation of ``strftime``; ``%-d``
        is a day without padding), ``"numeric:1.234,56 EUR"`` (an example), or ``"date"``,
        ``"numeric"``, ... alone: the format is found.
    values : pyarrow Array or ChunkedArray of strings, optional
        The column's cells, to learn names of months, marks of missing values and odd cells from.
    name : str
        The column's name, for messages.

    Returns
    -------
    Format
        With odd cells, however many, where ``values`` are given.

    Raises
    ------
    ValueError
        If the specification is not one, or fits no cell.

    Examples
    --------
    >>> from vicinal.table.formats import parse_format
    >>> parse_format("date:%d.%m.%Y").parse(pa.array(["24.12.2023"])).to_pylist()
    [datetime.date(2023, 12, 24)]
    """
    kind, colon, pattern = spec.partition(":")
    if kind not in Format.classes:
        raise ValueError(
            f"Got the format {spec!r}, but expected one of {', '.join(sorted(Format.classes))}, "
            "alone or with a pattern: date:%d.%m.%Y."
        )
    if not colon:
        return _of_kind(kind, values, name)
    if kind in DateFormat.kinds:
        form: Format = from_pattern(pattern)
    elif kind in NumberFormat.kinds:
        form = _from_example(pattern)
    else:
        raise ValueError(f"A {kind} takes no pattern. Got {spec!r}.")
    if form.kind != kind:
        raise ValueError(f"The pattern {pattern!r} is that of a {form.kind}, not of a {kind}.")
    if values is None:
        return form
    texts = as_texts(values)
    marks = marks_of(pc.drop_null(texts))
    if isinstance(form, DateFormat):
        form = learned(form, pc.unique(pc.drop_null(texts)).to_pylist()[: 10 * SAMPLE])
    form, _ = fitted(form, texts, marks)
    _refuse_unfit(form, spec, texts, name)
    return form


_PATTERNS = {"date": "%d.%m.%Y", "datetime": "%d.%m.%Y %H:%M", "time": "%H:%M"}


def _of_kind(kind: str, values: pa.Array | pa.ChunkedArray | None, name: str) -> Format:
    """Return the format found, if it is of the kind that the user names."""
    if values is None:
        raise ValueError(f"The format of a {kind} is found in values; none are given.")
    form = find_format(values, name)
    if kind in DateFormat.kinds and (form is None or form.kind != kind):
        texts = as_texts(values)
        cells, counts, marks = _unmarked(texts)
        several = _mixed_dates(kind, cells, counts)
        form = form if several is None else fitted(several, texts, marks)[0]
    wanted = {kind, "integer"} if kind == "numeric" else {kind}
    if form is None or form.kind not in wanted:
        texts = as_texts(values)
        found = "no format" if form is None else f"a {form.kind} ({form.text})"
        raise ValueError(
            f"Column {name!r} was to be a {kind}, but {found} is found in its {len(texts):,} "
            f"cells. First cells: {_quoted(pc.unique(pc.drop_null(texts))[:3].to_pylist())}. "
            f"Name the pattern, as in {kind}:{_PATTERNS.get(kind, '1.234,56')}."
        )
    return form


def _refuse_unfit(form: Format, spec: str, texts: pa.Array, name: str) -> None:
    marks = pa.array(form.marks, pa.string())
    filled = len(texts) - texts.null_count - int(pc.sum(pc.is_in(texts, marks)).as_py() or 0)
    if filled and form.n_odd >= filled:
        rows = list(form.odd_rows[:3])
        raise ValueError(
            f"The format {spec!r} fits none of the {filled:,} cells of column {name!r}. The first "
            f"that do not fit: {_quoted(texts.take(rows).to_pylist())} (rows "
            f"{', '.join(str(row + 1) for row in rows)})."
        )


def _quoted(cells: list[str]) -> str:
    return ", ".join(repr(cell) for cell in cells)


def _from_example(pattern: str) -> NumberFormat:
    counts = np.ones(1, np.int64)
    forms = number_candidates(pa.array([pattern]), counts)
    read = [form for form in forms if form.parse(pa.array([pattern])).null_count == 0]
    if not read:
        raise ValueError(
            f"No number can be read from {pattern!r}. Write one as the column does: 1.234,56 EUR."
        )
    return read[0]


def _boolean(cells: pa.Array, counts: Any, name: str) -> Format | None:
    if len(cells) > 12:
        return None
    said: dict[str, tuple[int, str]] = {}
    for cell, count in zip(cells.to_pylist(), counts.tolist(), strict=True):
        word = cell.strip().lower()
        total, most = said.get(word, (0, cell))
        said[word] = (total + count, most)
    for yes, no in YES_NO:
        if yes in said and no in said:
            fits = said[yes][0] + said[no][0]
            if few(int(counts.sum()) - fits, int(counts.sum())):
                true, false = said[yes][1], said[no][1]
                return BooleanFormat(kind="boolean", text=f"{true}/{false}", true=true, false=false)
    return None


def _date(cells: pa.Array, counts: Any, name: str) -> Format | None:
    form, fits = _best_date(cells, counts, least=COMMON)
    if form is None:
        return None
    total = int(counts.sum())
    if few(total - int(counts[fits].sum()), total):
        return form
    if len(cells) < SEVERAL:
        return None
    several = _mixed_dates(form.kind, cells, counts)
    if several is None:
        return None
    read = int(counts[_fit(several, cells)].sum())
    return several if few(total - read, total) else None


def _best_date(cells: pa.Array, counts: Any, least: float) -> tuple[DateFormat | None, Any]:
    """Return the pattern that most cells have, if it is a share of at least ``least``, and them."""
    sample, weights = _sampled(cells, counts)
    tried: dict[str, float] = {}
    for cell in _examples(sample.to_pylist()):
        for pattern in date_candidates(cell):
            if pattern not in tried:
                tried[pattern] = float(weights[_fit(_dated(pattern, sample), sample)].sum())
    best: tuple[Any, ...] = ()
    for pattern in sorted(tried, key=lambda key: -tried[key])[:FINALISTS]:
        if tried[pattern] <= 0.95 * max(tried.values()) or tried[pattern] < least * weights.sum():
            break
        form = _dated(pattern, cells)
        parsed = form.parse(cells)
        fits = np.asarray(parsed.is_valid())
        rank = (int(counts[fits].sum()), *more_likely(form.pattern, parsed))
        if _plausible(form, parsed, int(counts.sum())) and (not best or rank > best[0]):
            best = (rank, form, fits)
    return best[1:] if best else (None, None)


def _mixed_dates(kind: str, cells: pa.Array, counts: Any) -> DateFormat | None:
    """Return the commonest pattern of a column of several, which reads the others too."""
    left = np.ones(len(cells), bool)
    found: list[tuple[int, DateFormat]] = []
    orders: set[str] = set()
    while left.any() and len(found) < FINALISTS:
        form, fits = _best_date(cells.filter(pa.array(left)), counts[left], least=0.0)
        if form is None:
            break
        # 03/04 would be read by either of two orders: the commoner one is meant
        order = re.sub("%-?[dm]", "%", form.pattern)
        if form.kind == kind and order not in orders:
            found.append((int(counts[left][fits].sum()), form))
        orders.add(order)
        left[np.flatnonzero(left)[fits]] = False
    if not found:
        return None
    found.sort(key=lambda pair: -pair[0])
    return with_others([form for _, form in found])


def _dated(pattern: str, cells: pa.Array) -> DateFormat:
    return learned(from_pattern(pattern), cells.to_pylist()[: 10 * SAMPLE])


def _plausible(form: DateFormat, parsed: pa.Array, total: int) -> bool:
    """Tell digits without marks that are dates from codes."""
    if form.pattern not in ("%Y%m%d", "%d%m%Y"):
        return True
    years = pc.year(pc.drop_null(parsed))
    span = pc.min_max(years).as_py()
    return total >= 3 and span["min"] >= 1900 and span["max"] <= 2100


def _sampled(cells: pa.Array, counts: Any) -> tuple[pa.Array, Any]:
    """Return the commonest distinct cells, and as many at equal steps."""
    if len(cells) <= SAMPLE:
        return cells, counts
    rows = np.unique(np.linspace(0, len(cells) - 1, SAMPLE).astype(np.int64))
    return cells.take(pa.array(rows)), counts[rows]


def _examples(cells: list[str]) -> Iterator[str]:
    """Give one cell of each of the commonest shapes."""
    first: dict[str, str] = {}
    number: dict[str, int] = {}
    for cell in cells:
        shape = re.sub(r"\d+", lambda run: "4" if len(run[0]) == 4 else "1", cell)
        shape = re.sub(r"[^\W\d_]+", "a", shape)
        first.setdefault(shape, cell)
        number[shape] = number.get(shape, 0) + 1
    for shape in sorted(first, key=lambda key: -number[key])[:FINALISTS]:
        yield first[shape]


def _fit(form: Format, cells: pa.Array) -> Any:
    return np.asarray(form.parse(cells).is_valid())


def _number(cells: pa.Array, counts: Any, name: str) -> Format | None:
    sample, weights = _sampled(cells, counts)
    forms = number_candidates(sample, weights)
    if not forms:
        return None
    fits = [float(weights[_fit(form, sample)].sum()) for form in forms]
    best = forms[int(np.argmax(fits))]
    if max(fits) < 0.9 * weights.sum():
        return None
    if len(cells) > len(sample):
        best = widened(best, cells)
    total = int(counts.sum())
    read = int(counts[_fit(best, cells)].sum())
    return best if read and few(total - read, total) else None


def _sentinels(form: NumberFormat, texts: pa.Array, parsed: pa.Array) -> list[str]:
    """Return the cells of a number like -999 that stands for a missing value."""
    number = sentinel(parsed)
    if number is None:
        return []
    found = pc.equal(parsed, pa.scalar(number).cast(form.type))
    cells: list[str] = pc.unique(texts.filter(pc.fill_null(found, False))).to_pylist()
    return cells


def _code(cells: pa.Array, counts: Any, name: str) -> Format | None:
    total = int(counts.sum())
    digits = np.asarray(pc.match_substring_regex(cells, r"^[0-9]+$"))
    if few(total - int(counts[digits].sum()), total) and digits.any():
        return _digits(cells.filter(pa.array(digits)), counts[digits])
    sample, weights = _sampled(cells, counts)
    if len(sample) < len(cells) and _code(sample, weights, name) is None:
        return None
    shape = pc.replace_substring_regex(cells, "[0-9]", "#")
    counted: dict[str, int] = {}
    for text, count in zip(shape.to_pylist(), counts.tolist(), strict=True):
        counted[text] = counted.get(text, 0) + count
    usual = max(counted, key=lambda text: counted[text])
    if usual.count("#") < 3 or not few(total - counted[usual], total) or len(cells) < 2:
        return None
    if not re.fullmatch(r"[A-Za-z#][\w#./:-]*", usual) or not re.search(
        r"[A-Za-z_]|[-/:].*[-/:]", usual
    ):
        return None
    expression = re.sub(
        "#+", lambda run: f"[0-9]{{{len(run[0])}}}", re.escape(usual).replace(r"\#", "#")
    )
    return CodeFormat(kind="code", text=usual, expression=expression)


def _digits(cells: pa.Array, counts: Any) -> Format | None:
    """Return the format of codes of digits: some begin with 0, or all are long and equally so."""
    lengths = np.asarray(pc.utf8_length(cells))
    led = np.asarray(pc.match_substring_regex(cells, "^0[0-9]"))
    short, long_ = int(lengths.min()), int(lengths.max())
    if not led.any() and not (short == long_ >= 5 and len(cells) >= 10):
        return None
    if counts[led].sum() <= 1 and short != long_:
        return None
    width = f"{short}" if short == long_ else f"{short},{long_}"
    text = "#" * short if short == long_ else f"{'#' * short} to {'#' * long_}"
    return CodeFormat(kind="code", text=text, expression=f"[0-9]{{{width}}}")
