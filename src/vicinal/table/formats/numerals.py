"""Numbers with marks, signs, currencies and units around them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal.io.notation import plain_decimals
from vicinal.table.formats.base import Format
from vicinal.table.formats.words import currency_pattern

#: Minus sign, dash and hyphen; the last may stand at the end of a class of characters.
_MINUS = "\u2212\u2013-"
_QUOTES = "'\u2019"
_SPACE = " \u00a0\u202f"
_NO_PREFIX = rf"[^0-9.,()+{_QUOTES}{_SPACE}{_MINUS}]"
#: Everything around the digits, in RE2's notation; _is_unit judges what stands there.
_SHELL = (
    rf"^(?P<open>\(?)(?P<first>[+{_MINUS}]?)"
    rf"(?P<prefix>(?:{_NO_PREFIX}(?:\.|{_NO_PREFIX})*[{_SPACE}]?)?)"
    rf"(?P<inner>\(?)(?P<second>[+{_MINUS}]?)"
    rf"(?P<body>[0-9.,][0-9.,{_QUOTES}{_SPACE}]*?)(?P<exponent>(?:[eE][-+]?[0-9]+)?)"
    rf"(?P<shut>\)?)(?P<suffix>(?:[{_SPACE}]?{_NO_PREFIX}(?:\.|{_NO_PREFIX})*)?)"
    rf"(?P<last>[{_MINUS}]?)(?P<close>\)?)$"
)
_CURRENCY = re.compile(currency_pattern())
_SIGNS = ("first", "second", "last")
#: Ways of writing a negative number; ``#`` is the number with what belongs to it.
_ACCOUNTING, _TRAILING, _INNER = "(#)", "#-", "$-#"
#: Largest number of decimals that are written as such; more are floats in the shortest form.
_DECIMALS = 12
_THOUSANDS = ("", ",", ".", *_QUOTES, *_SPACE)


@dataclass(frozen=True, kw_only=True)
class NumberFormat(Format):
    """A number.

    ``decimal`` and ``thousands`` are marks, ``decimals`` the most digits behind the mark;
    ``style`` is "fixed" (always as many), "shortest" (no zeros at the end), "bare" (as many, or
    none for a whole number) or "float" (the shortest text of a 64-bit float). ``negative`` shows
    a negative number with ``#`` for the digits.
    """

    prefix: str = ""
    suffix: str = ""
    decimal: str = "."
    thousands: str = ""
    decimals: int = 0
    style: str = "fixed"
    negative: str = "-#"
    plus: bool = False

    kinds: ClassVar[tuple[str, ...]] = ("numeric", "integer")

    @property
    def type(self) -> pa.DataType:  # noqa: D102
        if self.kind == "integer":
            return pa.int64()
        return pa.float64() if self.style == "float" else pa.decimal128(38, self.decimals)

    def _read(self, cells: pa.Array) -> pa.Array:
        trimmed = pc.utf8_trim_whitespace(cells)
        good = pc.match_substring_regex(trimmed, self._expression())
        trimmed = pc.if_else(good, trimmed, pa.scalar(None, pa.string()))
        below = pc.match_substring_regex(trimmed, rf"^[^0-9]*[({_MINUS}]|[{_MINUS}]\)?$")
        for affix in (self.prefix, self.suffix):
            if affix:
                trimmed = pc.replace_substring(trimmed, affix, "")
        digits = pc.utf8_trim(trimmed, f"()+{_MINUS}")
        if self.thousands:
            digits = pc.replace_substring(digits, self.thousands, "")
        if self.decimal == ",":
            digits = pc.replace_substring(digits, ",", ".")
        digits = pc.if_else(
            pc.starts_with(digits, "."), pc.binary_join_element_wise("0", digits, ""), digits
        )
        numbers = self._numbers(pc.utf8_rtrim(digits, "."))
        return pc.if_else(below, pc.negate_checked(numbers), numbers)

    def _expression(self) -> str:
        """Return the expression of whole cells, in RE2's notation."""
        exponent = "(?:[eE][-+]?[0-9]+)?" if self.style == "float" else ""
        digits = _body(self.thousands, self.decimal)[1:-1] + exponent
        sign = f"[+{_MINUS}]?"
        prefix, suffix = (re.escape(affix) for affix in (self.prefix, self.suffix))
        return rf"^\(?{sign}{prefix}\(?{sign}{digits}\)?{suffix}[{_MINUS}]?\)?$"

    def _numbers(self, digits: pa.Array) -> pa.Array:
        """Return what texts of digits and a point stand for, null where there is no room."""
        if self.style == "float" and self.kind != "integer":
            floats = digits.cast(pa.float64())
            return pc.if_else(pc.is_finite(floats), floats, pa.scalar(None, pa.float64()))
        length, point = pc.utf8_length(digits), pc.find_substring(digits, ".")
        whole = pc.if_else(pc.less(point, 0), length, point)
        behind = pc.max_element_wise(pc.subtract(pc.subtract(length, whole), 1), 0)
        room = 18 if self.kind == "integer" else 38 - self.decimals - 1
        fits = pc.and_(pc.less_equal(whole, room), pc.less_equal(behind, self.decimals))
        return pc.if_else(fits, digits, pa.scalar(None, pa.string())).cast(self.type)

    def _write(self, values: pa.Array) -> pa.Array:
        if self.style == "float":
            texts = [_shortest(value) for value in values.cast(pa.float64()).to_pylist()]
            digits = pa.array([text and text.lstrip("-") for text in texts], pa.string())
            below = pa.array([text and text[0] == "-" for text in texts], pa.bool_())
            return self._signed(pc.replace_substring(digits, ".", self.decimal), below)
        values = self._rounded(values)
        below = pc.less(values, pa.scalar(0, pa.int64()).cast(values.type))
        written = plain_decimals(values) if self.decimals else values.cast(pa.string())
        texts = pc.utf8_ltrim(written, "-")
        whole = pc.utf8_slice_codeunits(texts, 0, -self.decimals - 1) if self.decimals else texts
        if self.thousands:
            whole = _grouped(whole, self.thousands)
        if not self.decimals:
            return self._signed(whole, below)
        behind = pc.utf8_slice_codeunits(texts, -self.decimals)
        if self.style == "shortest":
            behind = pc.utf8_rtrim(behind, "0")
        elif self.style == "bare":
            behind = pc.if_else(pc.equal(behind, "0" * self.decimals), "", behind)
        some = pc.binary_join_element_wise(whole, behind, self.decimal)
        return self._signed(pc.if_else(pc.equal(behind, ""), whole, some), below)

    def _rounded(self, values: pa.Array) -> pa.Array:
        """Return numbers with the decimals that are written."""
        if values.type == self.type:
            return values
        if pa.types.is_floating(values.type):
            values = pc.round(values.cast(pa.float64()), self.decimals, round_mode="half_to_even")
            room = pc.less(pc.abs(values), 10.0 ** (37 - self.decimals))  # NaN has none either
            values = pc.if_else(room, values, pa.scalar(None, pa.float64()))
        elif pa.types.is_decimal(values.type):
            decimals = min(self.decimals, values.type.scale)
            values = pc.round(values, decimals, round_mode="half_to_even")
        return values.cast(pa.decimal128(38, self.decimals), safe=False)

    def _signed(self, digits: pa.Array, below: pa.Array) -> pa.Array:
        """Put sign, prefix and suffix around digits."""
        plain = pc.binary_join_element_wise(self.prefix, digits, self.suffix, "")
        minus = next((mark for mark in self.negative if mark in _MINUS), "-")
        if self.negative == _ACCOUNTING:
            negative = pc.binary_join_element_wise("(", plain, ")", "")
        elif self.negative.startswith("#"):
            negative = pc.binary_join_element_wise(plain, minus, "")
        elif self.negative.startswith("$"):
            negative = pc.binary_join_element_wise(self.prefix, minus, digits, self.suffix, "")
        else:
            negative = pc.binary_join_element_wise(minus, plain, "")
        if self.plus:
            plain = pc.binary_join_element_wise("+", plain, "")
        return pc.if_else(below, negative, plain)


def _shortest(value: float | None) -> str | None:
    if value is None or not np.isfinite(value):
        return None
    text = repr(value)
    return text.removesuffix(".0") if "e" in text else text


def _grouped(whole: pa.Array, mark: str) -> pa.Array:
    """Set a mark between groups of three digits."""
    longest = pc.max(pc.utf8_length(whole)).as_py() or 0
    width = -(-longest // 3) * 3
    padded = pc.utf8_lpad(whole, width, " ")
    groups = [pc.utf8_slice_codeunits(padded, at, at + 3) for at in range(0, width, 3)]
    joined = pc.binary_join_element_wise(*groups, "\x00") if groups else whole
    joined = pc.utf8_ltrim(joined, " \x00")
    return pc.replace_substring(joined, "\x00", mark)


def _body(thousands: str, decimal: str) -> str:
    """Return the expression of digits with these marks."""
    behind = rf"(?:\{decimal}[0-9]*)?"
    if not thousands:
        return rf"^(?:[0-9]+{behind}|\{decimal}[0-9]+)$"
    mark = re.escape(thousands)
    return rf"^(?:(?:0|[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})*){behind})$"


def number_candidates(cells: pa.Array, counts: np.ndarray[Any, Any]) -> list[NumberFormat]:
    """Return formats that distinct cells may have, the likeliest first of those that fit alike."""
    found = pc.extract_regex(pc.utf8_trim_whitespace(cells), _SHELL)
    seen = np.asarray(found.is_valid())
    if not seen.any() or counts[seen].sum() < counts.sum() / 2:
        return []
    kept = found.filter(pa.array(seen))
    part = {name: pc.struct_field(kept, [name]).to_pylist() for name in found.type.names}
    weights: list[int] = counts[seen].tolist()
    prefix, suffix = _most(part["prefix"], weights), _most(part["suffix"], weights)
    if not _is_unit(prefix.rstrip(), False) or not _is_unit(suffix.lstrip(), suffix[:1] in _SPACE):
        return []
    plus = (part["first"] + part["second"]).count("+") > len(weights) // 4
    shell = NumberFormat(
        kind="numeric",
        text="",
        prefix=prefix,
        suffix=suffix,
        negative=_sign_of(part, weights),
        plus=plus,
    )
    made = [
        _styled(replace(shell, thousands=thousands, decimal=decimal), part["body"])
        for thousands in _THOUSANDS
        for decimal in ".,"
        if decimal != thousands and any(thousands in body for body in part["body"])
    ]
    if any(part["exponent"]):
        made = [replace(f, style="float", kind="numeric") for f in made if not f.thousands]
    # Of two readings of "1.050" a point is a decimal mark unless money stands beside it.
    alone = not (prefix or suffix)
    return sorted(made, key=lambda form: (form.thousands == "." and alone, not form.thousands))


def widened(form: NumberFormat, cells: pa.Array) -> NumberFormat:
    """Return the format with as many decimals as any of the cells has, where they vary."""
    if form.style in ("fixed", "float"):
        return form
    at = pc.find_substring(pc.utf8_rtrim(cells, form.suffix or " "), form.decimal)
    behind = pc.utf8_length(
        pc.replace_substring_regex(cells.filter(pc.greater_equal(at, 0)), r"^.*[.,]|[^0-9]*$", "")
    )
    most = pc.max(behind).as_py() or 0
    if most > _DECIMALS:
        return form
    form = replace(form, decimals=max(most, form.decimals))
    return replace(form, text=example(form))


def _is_unit(text: str, apart: bool) -> bool:
    """Tell a currency, a percent sign, or a short unit behind a blank from the part of a code."""
    known = not text or text in ("%", "‰", "°", "°C", "#") or _CURRENCY.fullmatch(text) is not None
    return known or (apart and len(text) <= 6)


def _most(texts: list[str], weights: list[int]) -> str:
    total: Counter[str] = Counter()
    for text, weight in zip(texts, weights, strict=True):
        total[text] += weight
    return max(sorted(total), key=lambda text: total[text])


def _sign_of(part: dict[str, list[str]], weights: list[int]) -> str:
    """Return how negative numbers are written."""
    styles: Counter[str] = Counter()
    rows = zip(*(part[name] for name in ("open", "inner", "prefix", *_SIGNS)), weights, strict=True)
    for opened, inner, prefix, first, second, last, weight in rows:
        minus = next((sign for sign in (first, second, last) if sign and sign in _MINUS), "")
        if opened or inner:
            styles[_ACCOUNTING] += weight
        elif minus and last:
            styles[f"#{minus}"] += weight
        elif minus:
            styles[f"${minus}#" if second and prefix else f"{minus}#"] += weight
    return max(sorted(styles), key=lambda style: styles[style]) if styles else "-#"


def _styled(form: NumberFormat, bodies: list[str]) -> NumberFormat:
    """Return the format with decimals and style of those bodies that it reads."""
    reads = re.compile(_body(form.thousands, form.decimal))
    behind = [body.partition(form.decimal)[2] for body in bodies if reads.match(body)]
    most = max(map(len, behind), default=0)
    if not most:
        form = replace(form, kind="integer", decimals=0)
        return replace(form, text=example(form))
    lengths = Counter(map(len, behind))
    enough = len(behind) - len(behind) // 100
    usual = max(lengths, key=lambda length: (lengths[length], length))
    zeros = sum(text.endswith("0") for text in behind)
    style = "fixed"
    if lengths[usual] >= enough and usual:
        most = usual
    elif len(behind) - zeros >= enough:
        style = "shortest"
    elif lengths[0] + lengths[most] >= enough:
        style = "bare"
    if most > _DECIMALS and not form.thousands:
        style = "float"
    form = replace(form, style=style, decimals=min(most, 30))
    return replace(form, text=example(form))


def example(form: NumberFormat) -> str:
    """Return a number in the format, for people."""
    if form.style == "float":
        return f"{form.prefix}1234{form.decimal}56{form.suffix}"
    number = Decimal("1234.5678901234567890123456789012").quantize(
        Decimal(1).scaleb(-form.decimals)
    )
    plain = pa.array([number, -number], pa.decimal128(38, form.decimals)).cast(form.type)
    text, below = form.render(plain).to_pylist()
    return text if form.negative == "-#" else f"{text}, {below}"


def sentinel(numbers: pa.Array) -> int | None:
    """Return the number that stands for a missing value: -999 where all others are at least 0."""
    below = numbers.filter(pc.less(numbers, pa.scalar(0).cast(numbers.type)))
    if len(below) < 2 or len(numbers) - numbers.null_count == len(below):
        return None
    ends, others = pc.min_max(below).as_py(), pc.min_max(numbers).as_py()["max"]
    text = f"{ends['min']:.0f}"
    if ends["min"] != ends["max"] or not re.fullmatch("-9+", text) or others < 0:
        return None
    rest = numbers.filter(pc.greater_equal(numbers, pa.scalar(0).cast(numbers.type)))
    whole = float(text) == float(ends["min"]) and len(pc.unique(rest.slice(0, 10_000))) > 1
    return int(text) if whole else None
