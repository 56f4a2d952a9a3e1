"""Who is at least as good as whom: the comparison of generators, done by rule.

One generator matches another on a set if it keeps at least as much (SDMetrics quality), stays no
closer to the rows it learned (DCR share, by Gower's distance) and is at least as useful (trained
on synthetic, tested on real). A share under 0.5 counts as 0.5: that is where a generator ends up
which knows nothing of the rows in particular, and less is luck, or rows that resemble nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal._stats import Estimate

Record = dict[str, Any]
#: What must hold, as records name it, and whether more is better.
MEASURES = {"quality": 1, "closer_gower": -1, "utility": 1}
#: How many times a peer's speed.
SPEED = 50
_SHORT = {"quality": "quality", "closer_gower": "DCR share", "utility": "utility"}


class Results:
    """Records by set and generator, in the order of their seeds."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._found: dict[tuple[str, str], list[Record]] = {}
        for record in sorted(records, key=lambda one: int(one["seed"])):
            self._found.setdefault((record["set"], record["generator"]), []).append(record)

    def runs(self, set_name: str, generator: str) -> list[Record]:
        """Return the runs that did not fail."""
        found = self._found.get((set_name, generator), [])
        return [one for one in found if "failed" not in one]

    def failures(self) -> list[Record]:
        """Return the runs that did fail."""
        return [one for found in self._found.values() for one in found if "failed" in one]

    def values(self, set_name: str, generator: str, key: str) -> dict[int, float]:
        """Return a measure by seed."""
        runs = self.runs(set_name, generator)
        return {int(one["seed"]): float(one[key]) for one in runs if one.get(key) is not None}

    def estimate(self, set_name: str, generator: str, key: str) -> Estimate:
        """Return mean and Student's t interval over seeds; NaN without runs."""
        return Estimate.of_repeats(list(self.values(set_name, generator, key).values()))


@dataclass(frozen=True)
class Gap:
    """By how much one generator is better than another in a measure; less than 0 if worse."""

    name: str
    value: float
    high: float

    @property
    def met(self) -> bool:
        """Whether it is at least as good on the mean over seeds."""
        return self.value >= 0

    @property
    def open(self) -> bool:
        """Whether the seeds leave open that it is: the interval of the gap reaches 0."""
        return self.met or self.high >= 0


@dataclass(frozen=True)
class Match:
    """One of our settings against one peer on one set."""

    set_name: str
    peer: str
    setting: str
    gaps: tuple[Gap, ...]
    total: float
    sampling: float

    def holds(self, within: bool, *speeds: str) -> bool:
        """Tell whether all measures hold, and these speeds ("total", "sampling")."""
        fast = all(getattr(self, speed) >= SPEED for speed in speeds)
        return fast and all(gap.open if within else gap.met for gap in self.gaps)

    def missing(self) -> str:
        """Say what is short, and by how much."""
        said = [f"{gap.name} {gap.value:+.3f}" for gap in self.gaps if not gap.met]
        for name, ratio in (("fit + sample", self.total), ("sampling", self.sampling)):
            if ratio < SPEED:
                said.append(f"{name} {times(ratio)}")
        return ", ".join(said) or "nothing"

    @property
    def shortfall(self) -> tuple[float, float]:
        """How far off it is: what is short of the measures, then of the speeds."""
        short = sum(max(0.0, -gap.value) for gap in self.gaps)
        slow = sum(max(0.0, 1 - ratio / SPEED) for ratio in (self.total, self.sampling))
        return short, slow


def times(ratio: float) -> str:
    """Return a ratio in words."""
    return f"{ratio:,.0f} x" if ratio >= 10 else f"{ratio:.2g} x"


def compare(found: Results, set_name: str, peer: str, setting: str) -> Match | None:
    """Return one comparison, over the seeds that both have; None without any."""
    gaps = []
    for key, sign in MEASURES.items():
        ours, theirs = found.values(set_name, setting, key), found.values(set_name, peer, key)
        seeds = sorted(ours.keys() & theirs.keys())
        if not seeds:
            return None
        mine, other = (np.array([one[seed] for seed in seeds]) for one in (ours, theirs))
        if key == "closer_gower":
            value = max(0.5, float(other.mean())) - max(0.5, float(mine.mean()))
            high = Estimate.of_repeats(np.maximum(other, 0.5) - mine).high
            if len(seeds) == 1:
                high = value + _noise(found, set_name, seeds[0], (setting, peer))
        else:
            value = sign * float(mine.mean() - other.mean())
            high = Estimate.of_repeats(sign * (mine - other)).high
        gaps.append(Gap(_SHORT[key], value, -math.inf if math.isnan(high) else high))
    total, sampling = (
        _mean(found, set_name, peer, key) / _mean(found, set_name, setting, key)
        for key in ("total", "bulk")
    )
    return Match(set_name, peer, setting, tuple(gaps), total, sampling)


def _noise(found: Results, set_name: str, seed: int, generators: Sequence[str]) -> float:
    """Return the half width of a difference of two DCR shares, from the runs' own intervals."""
    halves = []
    for name in generators:
        run = next(one for one in found.runs(set_name, name) if one["seed"] == seed)
        low, high = run["intervals"]["closer_gower"]
        halves.append((high - low) / 2)
    return math.hypot(*halves)


def _mean(found: Results, set_name: str, generator: str, key: str) -> float:
    values = list(found.values(set_name, generator, key).values())
    return float(np.mean(values)) if values else math.nan


def against(found: Results, set_name: str, peer: str, settings: Sequence[str]) -> list[Match]:
    """Return every setting of ours against one peer on one set."""
    made = (compare(found, set_name, peer, setting) for setting in settings)
    return [match for match in made if match is not None]


@dataclass(frozen=True)
class Claim:
    """A way to read what must hold."""

    title: str
    test: Callable[[Match], bool]


CLAIMS = (
    Claim("all three", lambda match: match.holds(False)),
    Claim(f"and {SPEED} x, sampling", lambda match: match.holds(False, "sampling")),
    Claim(f"and {SPEED} x, fit + sample", lambda match: match.holds(False, "total")),
    Claim("all three, within intervals", lambda match: match.holds(True)),
    Claim(f"and {SPEED} x, sampling ", lambda match: match.holds(True, "sampling")),
    Claim(f"and {SPEED} x, fit + sample ", lambda match: match.holds(True, "total")),
)


def counts(
    found: Results, sets: Sequence[str], peers: Sequence[str], settings: Sequence[str]
) -> list[list[str]]:
    """Return, for every peer, on how many sets some setting of ours meets each claim."""
    rows = []
    for peer in peers:
        each = [made for name in sets if (made := against(found, name, peer, settings))]
        if not each:
            continue
        held = [sum(any(map(claim.test, made)) for made in each) for claim in CLAIMS]
        rows.append([peer, *(f"{count} of {len(each)}" for count in held)])
    return rows


def shortfalls(
    found: Results, sets: Sequence[str], peers: Sequence[str], settings: Sequence[str]
) -> list[list[str]]:
    """Return where no setting holds with both speeds: the one that comes nearest, what it lacks."""
    rows = []
    for peer in peers:
        for name in sets:
            made = against(found, name, peer, settings)
            if not made or any(match.holds(False, "total", "sampling") for match in made):
                continue
            nearest = min(made, key=lambda match: match.shortfall)
            inside = "yes" if any(match.holds(True) for match in made) else "no"
            rows.append([peer, name, nearest.setting, nearest.missing(), inside])
    return rows
