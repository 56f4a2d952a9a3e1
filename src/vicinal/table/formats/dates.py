"""Dates, times and stamps as people write them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._types import Bools, Ints
from vicinal.table.formats.base import Format
from vicinal.table.formats.words import HALVES, MONTHS, WEEKDAYS

_DIRECTIVE = re.compile(r"%-?[A-Za-z]")
#: Expression of each directive.
_READS = {
    **dict.fromkeys("YG", r"\d{4}"),
    **dict.fromkeys("yMSV", r"\d{2}"),
    **dict.fromkeys("mdHI", r"\d{1,2}"),
    **dict.fromkeys("bBaA", r"[\pL]+\.?"),
    "f": r"\d{1,9}",
    "u": "[1-7]",
    "j": r"\d{3}",
    "p": r"[AaPp]\.?[Mm]\.?",
    "z": r"Z|[+-]\d{2}(?::?\d{2})?",
}
_NAMES = "bBaA"
#: Years of two digits are those from this one on, as in Python, unless ...
_FIRST_YEAR = 1969
#: ... some then lie more than so many years ahead.
_AHEAD = 5
_DATE, _CLOCK = set("YymdGVujbB"), set("HIMSfp")


@dataclass(frozen=True, kw_only=True)
class DateFormat(Format):
    """A date, time or stamp in the notation of ``strftime``; ``%-d`` is a day without padding.

    ``others`` are patterns that are read besides. ``months``, ``weekdays`` and ``halves`` are the
    names as the column writes them, ``fraction`` the digits of a second's fraction, ``offset`` the
    commonest distance from UTC, ``first_year`` the one from which years of two digits count.
    """

    pattern: str
    others: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    weekdays: tuple[str, ...] = ()
    halves: tuple[str, ...] = HALVES[0]
    fraction: int = 0
    offset: str = ""
    first_year: int = _FIRST_YEAR

    kinds: ClassVar[tuple[str, ...]] = ("date", "datetime", "time")

    @property
    def type(self) -> pa.DataType:  # noqa: D102
        if self.kind == "date":
            return pa.date32()
        unit = ("s", "ms", "us", "ns")[-(-self.fraction // 3)]
        if self.kind == "time":
            return pa.time32(unit) if self.fraction <= 3 else pa.time64(unit)
        if not self.offset:
            return pa.timestamp(unit)
        minutes = _minutes(self.offset)
        zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
        return pa.timestamp(unit, zone if minutes else "UTC")

    def _read(self, cells: pa.Array) -> pa.Array:
        read = self._read_as(self.pattern, cells)
        for pattern in self.others:
            read = pc.coalesce(read, self._read_as(pattern, cells))
        return read

    def _read_as(self, pattern: str, cells: pa.Array) -> pa.Array:
        parts = _split(pattern)
        texts, good = _pieces(parts, pc.utf8_trim_whitespace(cells))
        numbers: dict[str, Ints] = {}
        for mark, text in texts.items():
            if mark == "z":
                continue
            numbers[mark], read = self._numbers(mark, text)
            good &= read
        days, dated = _days(numbers, len(cells), self.first_year)
        seconds, timed = _seconds(numbers, len(cells))
        good &= dated & timed
        if "z" in texts:
            offsets = texts["z"].dictionary_encode()
            minutes = [_minutes(text) for text in offsets.dictionary.to_pylist()]
            known = np.array([*minutes, 0], np.int64)
            seconds -= 60 * known[np.asarray(pc.fill_null(offsets.indices, len(minutes)))]
        return self._typed(days, seconds, numbers.get("f", np.zeros(len(cells), np.int64)), good)

    def _numbers(self, mark: str, text: pa.Array) -> tuple[Ints, Bools]:
        """Return the number each text stands for, and where it stands for one."""
        if mark == "p":
            first = pc.equal(pc.utf8_lower(pc.utf8_slice_codeunits(text, 0, 1)), "p")
            return _filled(first.cast(pa.int8())), np.ones(len(text), bool)
        if mark in _NAMES:
            names = self.months if mark in "bB" else self.weekdays
            at = pc.index_in(pc.utf8_lower(text), pa.array([name.lower() for name in names]))
            return _filled(at) + 1, np.asarray(at.is_valid())
        if mark == "f":
            text = pc.utf8_rpad(text, 9, "0")
        return _filled(text.cast(pa.int64())), np.ones(len(text), bool)

    def _typed(self, days: Ints, seconds: Ints, nanos: Ints, good: Bools) -> pa.Array:
        kind = self.type
        if self.kind == "date":
            return pa.array(days.astype(np.int32), pa.int32(), mask=~good).cast(kind)
        scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        if self.kind == "time":
            days = np.zeros_like(days)
        else:  # what 64 bits do not hold in this unit is odd
            good = good & (np.abs(days) < (1 << 63) // (86_400 * scale) - 2)
        total = (days * 86_400 + seconds) * scale + nanos // (10**9 // scale)
        return pa.array(total, pa.int64(), mask=~good).cast(
            pa.int32() if pa.types.is_time32(kind) else pa.int64()
        ).cast(kind)  # fmt: skip

    def _write(self, values: pa.Array) -> pa.Array:
        values = values if values.type == self.type else values.cast(self.type, safe=False)
        valid = values.is_valid()
        scale = 1
        if self.kind == "date":
            total = _filled(values.cast(pa.int32())) * 86_400
        else:
            scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[self.type.unit]
            narrow = pa.int32() if pa.types.is_time32(self.type) else pa.int64()
            total = _filled(values.cast(narrow)) + 60 * _minutes(self.offset) * scale
        second, part = np.divmod(total, scale)
        days, clock = np.divmod(second, 86_400)
        fraction = part * (10**9 // scale)
        pieces = [
            self._piece(part, days, clock, fraction) if _is_mark(part) else part.replace("%%", "%")
            for part in _split(self.pattern)
        ]
        if not any(isinstance(piece, pa.Array) for piece in pieces):
            return pa.array(["".join(pieces)] * len(values))
        written = pc.binary_join_element_wise(*pieces, "")
        return pc.if_else(valid, written, pa.scalar(None, pa.string()))

    def _piece(self, mark: str, days: Ints, clock: Ints, fraction: Ints) -> Any:
        """Return the texts of one directive."""
        letter = mark[-1]
        if letter == "z":
            return self.offset
        if letter == "p":
            return pa.array(self.halves).take(pa.array(clock // 43_200))
        if letter in "aA":
            return pa.array(self.weekdays).take(pa.array((days + 3) % 7))
        month = days.astype("datetime64[D]").astype("datetime64[M]")
        months = month.astype(np.int64) + 1970 * 12
        if letter in "bB":
            return pa.array(self.months).take(pa.array(months % 12))
        if letter == "f":
            number, width = fraction // 10 ** (9 - self.fraction), self.fraction
        else:
            number, width = _part(letter, days, clock, months, month)
        text = pa.array(number).cast(pa.string())
        return text if mark[1] == "-" else pc.utf8_lpad(text, width, "0")


_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3, "G": 4, "V": 2}


def _pieces(parts: list[str], cells: pa.Array) -> tuple[dict[str, pa.Array], Any]:
    """Return the text of each directive, and which cells have the pattern."""
    marks = [part[-1] for part in parts if _is_mark(part)]
    if set(marks) <= {*_WIDTHS, "u", "p"}:
        widths = {**_WIDTHS, "u": 1, "p": 2}
        strict = "".join(
            (r"[AaPp][Mm]" if part[-1] == "p" else rf"\d{{{widths[part[-1]]}}}")
            if _is_mark(part)
            else re.escape(part)
            for part in parts
        )
        good = pc.match_substring_regex(cells, f"^{strict}$")
        if pc.all(pc.fill_null(good, True)).as_py():  # cuts are ten times as fast as groups
            texts, at = {}, 0
            for part in parts:
                width = widths[part[-1]] if _is_mark(part) else len(part)
                if _is_mark(part):
                    texts[part[-1]] = pc.utf8_slice_codeunits(cells, at, at + width)
                at += width
            return texts, np.asarray(pc.fill_null(good, False))
    found = pc.extract_regex(cells, _expression(parts))
    return {mark: pc.struct_field(found, [mark]) for mark in marks}, np.asarray(found.is_valid())


def _part(letter: str, days: Ints, clock: Ints, months: Ints, month: Any) -> tuple[Ints, int]:
    """Return the numbers of one directive, and their width."""
    if letter in "GVu":
        weekday = (days + 3) % 7
        thursday = (days - weekday + 3).astype("datetime64[D]")
        year = thursday.astype("datetime64[Y]")
        if letter == "G":
            return year.astype(np.int64) + 1970, 4
        if letter == "u":
            return weekday + 1, 1
        return (thursday - year.astype("datetime64[D]")).astype(np.int64) // 7 + 1, 2
    first = month.astype("datetime64[D]").astype(np.int64)
    if letter == "j":
        year = month.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        return days - year + 1, 3
    hour = clock // 3600
    return {
        "Y": (months // 12, 4),
        "y": (months // 12 % 100, 2),
        "m": (months % 12 + 1, 2),
        "d": (days - first + 1, 2),
        "H": (hour, 2),
        "I": ((hour + 11) % 12 + 1, 2),
        "M": (clock // 60 % 60, 2),
        "S": (clock % 60, 2),
    }[letter]


def _days(numbers: dict[str, Ints], n: int, first_year: int) -> tuple[Ints, Bools]:
    """Return days since 1970, and which of them are in the calendar."""
    if "G" in numbers:
        fourth = (numbers["G"] - 1970).astype("datetime64[Y]").astype("datetime64[D]") + 3
        day = fourth.astype(np.int64)
        monday = day - (day + 3) % 7
        days = monday + 7 * (numbers["V"] - 1) + numbers.get("u", np.int64(1)) - 1
        back, _ = _part("G", days, days, days, None)
        return days, (back == numbers["G"]) & (numbers["V"] > 0)
    if not _DATE & set(numbers):
        return np.zeros(n, np.int64), np.ones(n, bool)
    year = _full(numbers["y"], first_year) if "y" in numbers else numbers["Y"]
    january = (year - 1970) * 12
    if "j" in numbers:
        days = _first_of(january) + numbers["j"] - 1
        return days, (numbers["j"] > 0) & (days < _first_of(january + 12)) & (year > 0)
    month = next(numbers[mark] for mark in "mbB" if mark in numbers)
    day = numbers.get("d", np.ones(n, np.int64))
    days = _first_of(january + month - 1) + day - 1
    good = (month >= 1) & (month <= 12) & (day >= 1) & (year > 0)
    return days, good & (days < _first_of(january + month))


def _full(years: Ints, first_year: int) -> Ints:
    """Return years of two digits in full."""
    return first_year + (years - first_year) % 100


def _first_of(months: Ints) -> Ints:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _seconds(numbers: dict[str, Ints], n: int) -> tuple[Ints, Bools]:
    """Return seconds since midnight, and which of them are on the clock."""
    zero = np.zeros(n, np.int64)
    hour, good = numbers.get("H", zero), np.ones(n, bool)
    if "I" in numbers:
        good = (numbers["I"] >= 1) & (numbers["I"] <= 12)
        hour = numbers["I"] % 12 + 12 * numbers.get("p", zero)
    minute, second = numbers.get("M", zero), numbers.get("S", zero)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    return hour * 3600 + minute * 60 + second, good


def _filled(numbers: pa.Array) -> Ints:
    return np.asarray(pc.fill_null(numbers.cast(pa.int64()), 0)).astype(np.int64)


def _minutes(offset: str | None) -> int:
    if not offset or offset == "Z":
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if offset[0] == "-" else minutes


def _split(pattern: str) -> list[str]:
    """Return directives and what stands between them."""
    return [part for part in re.split(r"(%-?[A-Za-z])", pattern) if part]


def _is_mark(part: str) -> bool:
    return _DIRECTIVE.fullmatch(part) is not None


def _expression(parts: list[str]) -> str:
    read = "".join(
        f"(?P<{part[-1]}>{_READS[part[-1]]})" if _is_mark(part) else re.escape(part)
        for part in parts
    )
    return f"^(?:{read})$"


def from_pattern(pattern: str) -> DateFormat:
    """Return the format of a ``strftime`` pattern, names of months in English."""
    held = _held(pattern)
    dated = bool(held & _DATE)
    if not _is_whole(held):
        raise ValueError(
            f"No date or time can be read from the format {pattern!r}: name a year and a month, "
            "or an hour (%I goes with %p)."
        )
    kind = ("datetime" if held & _CLOCK else "date") if dated else "time"
    return DateFormat(
        kind=kind,
        text=pattern,
        pattern=pattern,
        months=MONTHS["en"]["b" in held] if held & set("bB") else (),
        weekdays=WEEKDAYS["en"]["a" in held] if held & set("aA") else (),
        fraction=6 if "f" in held else 0,
        offset="Z" if "z" in held else "",
    )


def _held(pattern: str) -> set[str]:
    """Return the directives of a pattern, which must be known and stand once."""
    marks = [part[-1] for part in _split(pattern) if _is_mark(part)]
    if unknown := [mark for mark in marks if mark not in _READS]:
        raise ValueError(
            f"Got %{unknown[0]} in the format {pattern!r}, but expected one of "
            f"{' '.join(f'%{mark}' for mark in _READS)}."
        )
    held = set(marks)
    once = [len(held & set(alike)) for alike in ("bBm", "yY", "aA", "HI")]
    if len(held) < len(marks) or max(once) > 1:
        raise ValueError(f"A part of a date stands twice in the format {pattern!r}.")
    return held


def _is_whole(held: set[str]) -> bool:
    """Tell whether the directives make a date, a time, or both."""
    if ("I" in held) != ("p" in held):
        return False
    if held & _DATE:
        return bool(held & set("Yy") and held & set("mbBj")) or {"G", "V"} <= held
    return bool(held & set("HI"))


def learned(form: DateFormat, texts: list[str]) -> DateFormat:
    """Return the format with names, fraction, halves and offset as distinct texts write them."""
    parts = _split(form.pattern)
    reader = re.compile(_expression(parts).replace(r"\pL", r"^\W\d_"))
    rows = [match.groupdict() for text in texts if (match := reader.match(text.strip()))]
    if not rows:
        return form
    form, parts, language = _with_names(form, parts, rows)
    said = {mark: [row[mark] for row in rows] for mark in set("pfz") & set(rows[0])}
    if "p" in said:
        form = replace(form, halves=max(HALVES, key=lambda pair: len({*said["p"]} & {*pair})))
    if "f" in said:
        form = replace(form, fraction=max(map(len, said["f"])))
    if "z" in said:
        form = replace(form, offset=_commonest(said["z"]))
    pattern = _unpadded(parts, rows)
    text = f"{pattern} ({language})" if language else pattern
    if "y" in rows[0]:
        first = _first_year(np.unique([int(row["y"]) for row in rows]))
        text += f", years from {first} on" if first != _FIRST_YEAR else ""
        form = replace(form, first_year=first)
    if len(set(map(_minutes, said.get("z", ())))) > 1:
        text += f", of several offsets, all written at {form.offset}"
    return replace(form, pattern=pattern, text=text)


def _first_year(years: Ints) -> int:
    """Return the year from which two digits count: another where that brings dates together."""
    latest = dt.date.today().year + _AHEAD
    if _full(years, _FIRST_YEAR).max() <= latest:
        return _FIRST_YEAR
    earlier = [y for y in range(_FIRST_YEAR, 1899, -1) if _full(years, y).max() <= latest]
    return min([_FIRST_YEAR, *earlier], key=lambda first: int(np.ptp(_full(years, first))))


def _with_names(
    form: DateFormat, parts: list[str], rows: list[dict[str, str]]
) -> tuple[DateFormat, list[str], str]:
    """Return the format with its names, the parts of its pattern, and the language."""
    language = ""
    for mark in sorted(set("aAbB") & set(rows[0])):
        months = mark in "bB"
        language, names, whole = _named([row[mark] for row in rows], MONTHS if months else WEEKDAYS)
        form = replace(form, months=names) if months else replace(form, weekdays=names)
        letter = mark.upper() if whole else mark.lower()
        parts = [f"%{letter}" if part == f"%{mark}" else part for part in parts]
    return form, parts, language


def with_others(forms: list[DateFormat]) -> DateFormat:
    """Return the first format, which reads the patterns of the others too."""
    first = forms[0]
    others = tuple(form.pattern for form in forms[1:])
    return replace(
        first,
        others=others,
        first_year=min(form.first_year for form in forms),
        text=f"{first.text}, also {' and '.join(others)}" if others else first.text,
        months=next((form.months for form in forms if form.months), ()),
        weekdays=next((form.weekdays for form in forms if form.weekdays), ()),
    )


def _unpadded(parts: list[str], rows: list[dict[str, str]]) -> str:
    """Return the pattern with ``-`` where most one-digit numbers are written without a zero."""
    made = []
    for part in parts:
        if _is_mark(part) and part[-1] in "dmHI":
            alone = sum(len(row[part[-1]]) == 1 for row in rows)
            led = sum(row[part[-1]][0] == "0" for row in rows)
            if alone + led:
                part = f"%-{part[-1]}" if alone > led else f"%{part[-1]}"
        made.append(part)
    return "".join(made)


def _named(
    said: list[str], tables: dict[str, tuple[tuple[str, ...], ...]]
) -> tuple[str, tuple[str, ...], bool]:
    """Return language, names in the case that the texts write, and whether they are whole."""
    lower = [text.lower() for text in said]
    best = max(
        ((language, table) for language, all_ in tables.items() for table in all_),
        key=lambda pair: sum(text in {name.lower() for name in pair[1]} for text in lower),
    )
    cases = {"upper": str.upper, "lower": str.lower, "title": str.capitalize}
    case = max(cases, key=lambda key: sum(cases[key](text) == text for text in said))
    names = tuple(cases[case](name) for name in best[1])
    return best[0], names, best[1] is tables[best[0]][0]


def _commonest(texts: list[str]) -> str:
    return max(sorted(set(texts)), key=texts.count)


_MONTH_WORDS = {
    name.lower() for tables in MONTHS.values() for table in tables for name in table
}  # fmt: skip
_DAY_WORDS = {name.lower() for tables in WEEKDAYS.values() for table in tables for name in table}
_TIME = re.compile(
    r"(?<!\d)(?P<H>\d{1,2})(?P<c1>[:h])(?P<M>\d{2})(?:(?P<c2>:)(?P<S>\d{2})(?:(?P<c3>[.,])(?P<f>\d{1,9}))?)?"
    r"(?:(?P<gap>\s*)(?P<p>[AaPp]\.?[Mm]\b\.?))?(?:(?P<gap2>\s?)(?P<z>Z|[+-]\d{2}:?\d{2}))?"
)
_HOUR = re.compile(r"(?P<H>\d{1,2})(?P<gap>\s*)(?P<p>[AaPp]\.?[Mm]\b\.?)")
_COMPACT = re.compile(r"\d{8}T\d{4}(?P<S>\d{2})?(?P<z>Z|[+-]\d{2}:?\d{2})?")
_WEEK = re.compile(r"\d{4}(?P<gap>-?)W\d{2}(?:(?P<gap2>-?)[1-7])?")


def date_candidates(cell: str) -> Iterator[str]:
    """Give the patterns that one cell could be written in."""
    cell = cell.strip()
    if not (4 <= len(cell) <= 60) or not any(map(str.isdigit, cell)) or "%" in cell:
        return
    if match := _WEEK.fullmatch(cell):
        day = "" if match["gap2"] is None else match["gap2"] + "%u"
        yield f"%G{match['gap']}W%V{day}"
        return
    if match := _COMPACT.fullmatch(cell):
        yield f"%Y%m%dT%H%M{'%S' if match['S'] else ''}{'%z' if match['z'] else ''}"
        return
    match = _TIME.search(cell) or _HOUR.search(cell)
    if match is None:
        yield from _dates(cell)
        return
    clock = _clock(match.groupdict())
    before, after = cell[: match.start()], cell[match.end() :]
    if before.strip() and not any(map(str.isdigit, after)):
        for date in _dates(before):
            yield date + clock + after
    elif after.strip() and not any(map(str.isdigit, before)):
        for date in _dates(after):
            yield before + clock + date
    elif not any(map(str.isdigit, before + after)):
        yield before + clock + after


def _clock(parts: dict[str, str | None]) -> str:
    hour = "%I" if parts["p"] else "%H"
    made = hour + (f"{parts['c1']}%M" if "c1" in parts else "")
    if parts.get("S"):
        made += ":%S"
    if parts.get("f"):
        made += f"{parts['c3']}%f"
    if parts["p"]:
        made += f"{parts['gap']}%p"
    if parts.get("z"):
        made += f"{parts['gap2']}%z"
    return made


_ORDERS = {3: ("Ymd", "dmY", "mdY", "dmy", "mdy", "ymd"), 2: ("mY", "Ym")}
_NAMED_ORDERS = {2: ("dY", "Yd", "dy"), 1: ("Y", "y")}


def _dates(cell: str) -> Iterator[str]:
    """Give the patterns of a cell without a clock."""
    parts = re.findall(r"\d+|[^\W\d_]+\.?|[\W_]", cell)
    fields = [at for at, part in enumerate(parts) if part[0].isdigit()]
    widths = [len(parts[at]) for at in fields]
    numeric = _is_numeric_date(parts, fields, widths)
    months = _named_in(parts, _MONTH_WORDS, "%b")
    _named_in(parts, _DAY_WORDS, "%a")
    if any(part[0].isalpha() and len(part) > 5 for part in parts):
        return
    if numeric and len(fields) == 1:
        yield from ("%Y%m%d", "%d%m%Y")
        return
    table = _NAMED_ORDERS if months else _ORDERS if numeric else {}
    for order in table.get(len(fields), ()):
        if all(_may_be(letter, width) for letter, width in zip(order, widths, strict=True)):
            made = list(parts)
            for at, letter in zip(fields, order, strict=True):
                made[at] = f"%{letter}"
            yield "".join(made)


def _named_in(parts: list[str], names: set[str], mark: str) -> bool:
    """Put a directive for the first part that is a name; tell whether there is one."""
    for at, part in enumerate(parts):
        bare = part.lower()
        if bare in names or bare.rstrip(".") in names:
            parts[at] = mark if bare in names else f"{mark}."
            return True
    return False


def _is_numeric_date(parts: list[str], fields: list[int], widths: list[int]) -> bool:
    if len(fields) == 1:
        return widths == [8] and len(parts) == 1
    if len(fields) not in (2, 3):
        return False
    marks = {"".join(parts[left + 1 : right]).strip() for left, right in pairwise(fields)}
    allowed = {".", "/", "-"} if len(fields) == 3 else {"/", "-"}
    return len(marks) == 1 and marks <= allowed and max(widths) <= 4


def _may_be(letter: str, width: int) -> bool:
    return width == {"Y": 4, "y": 2}.get(letter, width) and width <= (4 if letter == "Y" else 2)


def more_likely(pattern: str, parsed: pa.Array) -> tuple[int, int]:
    """Rank patterns that fit equally many cells: a part that never changes is the day."""
    dates = pc.drop_null(parsed)
    day_first = pattern.find("d") < pattern.find("m")
    if "%Y" not in pattern and pattern.startswith("%y"):
        return (0, 0)
    if pattern.startswith("%Y") or "d" not in pattern or not len(dates):
        return (1, 1)
    ends = pc.min_max(pc.day(dates)).as_py()
    constant = ends == {"min": 1, "max": 1} and len(pc.unique(dates)) > 1
    usual = day_first != ("/" in pattern or "%p" in pattern)
    return (int(constant), int(usual))
