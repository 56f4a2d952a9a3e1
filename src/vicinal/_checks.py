"""Checks on what users pass: each error names parameter, value, expectation and remedy."""

from __future__ import annotations

import difflib
import hashlib
import math
import numbers
from collections.abc import Iterable
from os import PathLike
from typing import Any


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
    hint: str = "",
) -> float:
    """Return ``value`` as a float inside the interval, or raise naming ``name``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r} of type {type(value).__name__}.")
    number = float(value)
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if not (math.isfinite(number) and above and below):
        allowed = _interval(low, high, open_low, open_high)
        raise ValueError(
            f"{name} must be a finite number{allowed}, got {value!r}."
            + (f" {hint}" if hint else "")
        )
    return number


def _interval(low: float, high: float, open_low: bool, open_high: bool) -> str:
    if high == math.inf:
        if low == -math.inf:
            return ""
        return f" above {low:g}" if open_low else f" of at least {low:g}"
    left, right = "(" if open_low or low == -math.inf else "[", ")" if open_high else "]"
    return f" in {left}{low:g}, {high:g}{right}"


def check_count(name: str, value: Any, *, low: int = 1, hint: str = "") -> int:
    """Return ``value`` as an int of at least ``low``, or raise naming ``name``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name} must be a whole number, got {value!r} of type {type(value).__name__}."
        )
    if value < low:
        raise ValueError(
            f"{name} must be at least {low}, got {value}." + (f" {hint}" if hint else "")
        )
    return int(value)


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``choices``, or raise suggesting the nearest."""
    allowed = list(choices)
    if isinstance(value, str) and value in allowed:
        return value
    listed = ", ".join(repr(choice) for choice in allowed)
    near = did_you_mean(value, allowed)
    raise ValueError(f"{name} must be one of {listed}, got {value!r}.{near}")


def check_column(name: str, value: Any, columns: Iterable[str]) -> str:
    """Return ``value`` if it names a column, or raise suggesting the nearest name."""
    names = list(columns)
    if isinstance(value, str) and value in names:
        return value
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise ValueError(
        f"{name}: no column {value!r} in the table.{did_you_mean(value, names)} Columns: {shown}."
    )


#: Likeness from which on a name is suggested: "text" is not meant by "intent" (0.6).
CLOSE = 0.65


def shown_below(value: float, limit: float) -> str:
    """Return a figure that is below a limit with two decimals, or as many more as show that."""
    shown = (f"{value:.{digits}f}" for digits in range(2, 17))
    return next((one for one in shown if float(one) < limit), repr(float(value)))


def did_you_mean(value: Any, candidates: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest candidate, or an empty string."""
    names = list(candidates)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(str(value).casefold(), list(folded), n=1, cutoff=CLOSE)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""


def sha256_of(path: str | PathLike[str]) -> str:
    """Return SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def first_line(error: BaseException | None) -> str:
    """Return what an error says, in one line without its full stop; its name if it says nothing."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")


def printable(text: str) -> str:
    """Return text in one line: line ends and other control characters show as escapes."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
