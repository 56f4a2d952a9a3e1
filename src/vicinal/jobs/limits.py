"""Sizes of memory and disk: read and said."""

from __future__ import annotations

import re

from vicinal._checks import check_count

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {f"{unit}i": 2 ** (10 * power) for power, unit in enumerate("kmgt", 1)}


def parse_memory(value: int | str | None) -> int | None:
    """Return bytes for a number or text such as ``"2GB"``, ``"512MiB"``; None stays None."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return check_count("memory", value)
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([kmgt]i?|)b?\s*", str(value).lower())
    if found is None or not float(found[1]) > 0:
        raise ValueError(f"memory must be a size such as 2GB or 512MB, got {value!r}.")
    return int(float(found[1]) * _UNITS[found[2]])


def format_bytes(size: float) -> str:
    """Return a size in words."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} bytes"
