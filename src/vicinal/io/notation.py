"""How the numbers, times and truth values of a text file are written, and writing them so."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

#: How the columns of a file were written, by what is told of each.
Note = dict[str, Any]

_KEY = b"vicinal.notation"
#: Stretches of rows at equal steps in which a notation is looked for, and rows of each.
_PLACES, _STRETCH = 20, 200
_BOOLEANS = (("true", "false"), ("True", "False"), ("TRUE", "FALSE"))
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?=\.?[0-9])(?P<whole>[0-9]*)(?:(?P<point>\.)(?P<behind>[0-9]*))?"
)
_EXPONENT = re.compile(
    r"[+-]?(?P<whole>[0-9]*)(?:\.(?P<behind>[0-9]*))?(?P<letter>[eE])[+-]?[0-9]+"
)
_CLOCK = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2})?(?P<mark>[T ]?)"
    r"(?P<clock>[0-9]{2}(?P<minute>:[0-9]{2}(?P<second>:[0-9]{2}(?:\.(?P<fraction>[0-9]+))?)?)?)?"
    r"(?P<offset>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
#: What an hour, a minute and a second without more leave out of what Arrow writes.
_LEFT_OUT = ("[ T]00:00:00(?:\\.0+)?$", ":00:00(?:\\.0+)?$", ":00(?:\\.0+)?$")
#: More decimals than this are no matter of notation.
_MOST_DECIMALS = 15
_UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def notation(text: pa.ChunkedArray, values: pa.ChunkedArray) -> Note:
    """Return how the values of a column are written where a file has this text for them."""
    note: Note = {}
    kind = values.type
    if pa.types.is_boolean(kind):
        note = dict(zip(("true", "false"), truth_values(text), strict=True))
    elif pa.types.is_floating(kind):
        note = _of_numbers(_some(text))
    elif pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        note = _of_times(_some(text))
        lengths = pc.min_max(pc.utf8_length(pc.if_else(values.is_valid(), text, None))).as_py()
        # times between those that such texts can show are rounded down
        note |= {"all": lengths["min"] == lengths["max"]} if note else {}
    if 2 * text.null_count < values.null_count:
        marks = pc.value_counts(text.filter(pc.and_(values.is_null(), text.is_valid()))).to_pylist()
        note["missing"] = max(marks, key=lambda mark: mark["counts"])["values"].strip()
    return note


def noted(field: pa.Field, note: Note) -> pa.Field:
    """Return a field that remembers how its column is written."""
    return field.with_metadata({_KEY: json.dumps(note).encode()}) if note else field


def note_of(field: pa.Field) -> Note:
    """Return how a column is written, as its field remembers it."""
    note: Note = json.loads((field.metadata or {}).get(_KEY, b"{}"))
    return note


def _some(text: pa.ChunkedArray) -> list[str]:
    """Return cells of a column, from stretches at equal steps if it is long."""
    text = text.drop_null()
    if len(text) > _PLACES * _STRETCH:
        steps = range(0, len(text) - _STRETCH, (len(text) - _STRETCH) // (_PLACES - 1))
        parts = [text.slice(at, _STRETCH) for at in steps]
    else:
        parts = [text]
    cells = chain.from_iterable(part.to_pylist() for part in parts)
    return [cell.strip() for cell in cells]


def joined(*parts: Any) -> pa.Array:
    """Join texts row by row; a text by itself is the same in every row."""
    large = pa.large_string()
    parts = tuple(pa.scalar(one, large) if isinstance(one, str) else one for one in (*parts, ""))
    return pc.binary_join_element_wise(*parts)


# Truth values


def truth_values(text: pa.ChunkedArray) -> tuple[str, str]:
    """Return how yes and no are spelled, if they are."""
    values = set(text.unique().to_pylist())
    pairs = [pair for pair in _BOOLEANS if values & set(pair)]
    return (pairs or _BOOLEANS)[0]


# Numbers with a point


def _of_numbers(cells: list[str]) -> Note:
    """Return how numbers are written: decimals at least, and what begins them."""
    # decimals are filled up with zeros, but those of whole numbers not where these are bare; most
    # is None where some have an exponent; zero stands before a point; plus is said; exponent is
    # the letter where all have one, and as many decimals
    found = [match for cell in cells if (match := _NUMBER.fullmatch(cell))]
    powers = [match for cell in cells if (match := _EXPONENT.fullmatch(cell))]
    alike = {(len(match["behind"] or ""), match["letter"]) for match in powers}
    single = all(match["whole"] and len(match["whole"]) == 1 for match in powers)
    if not found and len(alike) == 1 and single:  # as many digits before the point as format writes
        return dict(zip(("decimals", "exponent"), alike.pop(), strict=True))
    behind = [match["behind"] for match in found if match["point"]]
    lengths, filled = Counter(map(len, behind)), Counter[int]()
    filled.update(len(text) for text in behind if text.endswith("0"))
    fits = [
        length
        for length in (filled if len(lengths) > 1 else lengths)
        if filled[length] >= sum(n for shorter, n in lengths.items() if shorter < length)
    ]
    whole = sum(not text.strip("0") for text in behind)
    above = [match for match in found if match["sign"] != "-"]
    short = sum(not match["whole"] for match in found)
    most = max(lengths, default=0)
    return {
        "decimals": max(fits, default=0),
        "most": None if powers or most > _MOST_DECIMALS else most,
        "bare": len(found) - len(behind) >= max(whole, 1),
        "zero": 2 * short <= sum(match["whole"] in ("", "0") for match in found),
        "plus": 2 * sum(match["sign"] == "+" for match in above) > len(above),
    }


def write_numbers(text: pa.Array, numbers: pa.Array, note: Note) -> pa.Array:
    """Return numbers, which Arrow writes like ``text``, as a file writes them."""
    if letter := note.get("exponent"):
        form = f".{note['decimals']}{letter}"
        known = pc.if_else(text.is_valid(), numbers, pa.scalar(None, numbers.type))
        made = [one if one is None else format(one, form) for one in known.to_pylist()]
        return pa.array(made, pa.large_string())
    if note["most"] is not None:
        text = _without_exponent(text, numbers, note["most"])
    made = _filled_up(text, note["decimals"], note["bare"]) if note["decimals"] else text
    if not note["zero"]:
        made = pc.replace_substring_regex(made, r"^(-?)0\.", r"\1.")
    if note["plus"]:
        signed = joined("+", made)
        made = pc.if_else(pc.match_substring_regex(made, "^[0-9.]"), signed, made)
    return made


def _filled_up(text: pa.Array, decimals: int, bare: bool) -> pa.Array:
    """Return texts of numbers with zeros up to so many decimals."""
    point = pc.find_substring(text, ".")
    pointed = pc.greater_equal(point, 0)
    behind = pc.if_else(pointed, pc.subtract(pc.subtract(pc.binary_length(text), point), 1), 0)
    known = pc.invert(pc.or_(pc.match_substring(text, "e"), pc.match_substring(text, "n")))
    lacks = pc.if_else(known, pc.max_element_wise(pc.subtract(decimals, behind), 0), 0)
    zeros = ["", *("0" * n for n in range(1, decimals + 1))]
    zeros += [f".{more}" for more in zeros[1:]]  # behind a point, or with one
    if not bare:
        lacks = pc.if_else(pc.or_(pointed, pc.equal(lacks, 0)), lacks, pc.add(lacks, decimals))
    else:
        lacks = pc.if_else(pointed, lacks, 0)
    return joined(text, pa.array(zeros, pa.large_string()).take(lacks))


def _without_exponent(text: pa.Array, numbers: pa.Array, decimals: int) -> pa.Array:
    """Return texts without an exponent where so many decimals say the same."""
    rows = pc.and_(pc.match_substring(text, "e"), pc.less(pc.abs(numbers), 1e20))
    rows = pc.fill_null(rows, False)
    some = numbers.filter(rows).cast(pa.float64())
    if not len(some):
        return text
    made = plain_decimals(some.cast(pa.decimal128(38, decimals), safe=False))
    made = pc.replace_substring_regex(made, r"(\..*?)0+$", r"\1") if decimals else made
    made = pc.utf8_rtrim(made, ".").cast(pa.large_string())
    made = pc.if_else(pc.equal(made.cast(pa.float64()), some), made, text.filter(rows))
    return pc.replace_with_mask(text, rows, made)


def plain_decimals(numbers: pa.Array) -> pa.Array:
    """Return decimals as texts, small ones too without an exponent."""
    text = numbers.cast(pa.string())
    rows = pc.fill_null(pc.match_substring(text, "E"), False)
    if not pc.any(rows).as_py():
        return text
    plain = [f"{number:f}" for number in numbers.filter(rows).to_pylist()]
    return pc.replace_with_mask(text, rows, pa.array(plain, pa.string()))


# Times


def _of_times(cells: list[str]) -> Note:
    """Return how times are written: ``parts`` of the clock, and what stands around them."""
    found = [match for cell in cells if (match := _CLOCK.fullmatch(cell))]
    clocks = [match for match in found if match["clock"]]
    if not clocks:
        return {}
    seconds = [match["fraction"] or "" for match in clocks if match["second"]]
    parts = Counter(
        1 + (match["minute"] is not None) + (match["second"] is not None) if match["clock"] else 0
        for match in found
    )
    digits = Counter(len(text) for text in seconds if text)
    return {
        "mark": _commonest(Counter(match["mark"] for match in clocks)),
        "parts": _commonest(parts),
        "digits": _commonest(digits) if digits else 0,
        # as Python writes them: none where there is none
        "bare": seconds.count("") > sum(not text.strip("0") for text in seconds if text),
        "offset": _commonest(Counter(match["offset"] or "" for match in clocks)),
    }


def _commonest(counted: Counter[Any]) -> Any:
    return max(sorted(counted), key=lambda value: counted[value])


def write_times(times: pa.Array, note: Note) -> pa.Array:
    """Return times as a file writes them; zoned ones are in UTC."""
    kind, digits = times.type, note["digits"]
    if zone := pa.types.is_timestamp(kind) and kind.tz:
        ticks = times.cast(pa.int64())
        shift = _seconds(note["offset"]) * 10 ** _UNITS[kind.unit]
        times = pc.add(ticks, shift).cast(pa.timestamp(kind.unit))
    if digits > _UNITS[kind.unit]:
        times = times.cast(_finer(times.type, digits))
    text = times.cast(pa.large_string())
    given = _UNITS[times.type.unit]
    if note["all"]:
        shown = 3 * note["parts"] + digits + (digits > 0)
        if more := 9 + given + (given > 0) - shown:
            text = pc.utf8_slice_codeunits(text, 0, -more)
    elif note["parts"] < 3:
        text = pc.replace_substring_regex(text, _LEFT_OUT[note["parts"]], "")
    elif digits and note["bare"]:
        text = pc.replace_substring_regex(text, r"\.0+$", "")
    if given > digits > 0 and not note["all"]:
        text = pc.replace_substring_regex(text, rf"(\.[0-9]{{{digits}}}[0-9]*?)0+$", r"\1")
    if note["mark"] == "T" and pa.types.is_timestamp(kind):
        text = pc.replace_substring(text, " ", "T")
    return joined(text, note["offset"] or "Z") if zone else text


def _finer(kind: pa.DataType, digits: int) -> pa.DataType:
    unit = ("s", "ms", "us", "ns")[-(-digits // 3)]
    if pa.types.is_timestamp(kind):
        return pa.timestamp(unit)
    return pa.time32(unit) if digits <= 3 else pa.time64(unit)


def _seconds(offset: str) -> int:
    """Return how far a zone is ahead of UTC."""
    digits = offset[1:].replace(":", "").ljust(4, "0")
    ahead = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -ahead if offset[:1] == "-" else ahead
