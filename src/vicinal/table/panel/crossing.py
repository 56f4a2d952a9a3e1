"""Series that cross over from entity to entity where both are in one state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vicinal._types import Array, Indices, Ints

#: Rows in one state, nearest in step, among which one is drawn if no parent is in it.
NEARBY = 20
#: How often one is drawn until it goes on and is another entity's.
TRIES = 4


class Crossing:
    """Rows by entity, from each of which a series may go on as another entity did."""

    def __init__(self, entity: Ints, steps: Ints, rows_at: Ints) -> None:
        self._entity, self._steps, self._rows_at = entity, steps, rows_at
        self.after = np.arange(1, len(entity) + 1)  # (n_rows,), the next of each, -1 for none
        self.after[np.diff(entity, append=-1) != 0] = -1

    def walk(
        self,
        begins: Ints,
        counts: Ints,
        parents: Array,
        states: Sequence[Indices],
        rng: np.random.Generator,
        base: Ints | None = None,
        kind: Indices | None = None,
    ) -> Ints:
        """Return the rows of series of some lengths, one after the other; -1 where none goes on."""
        # From step to step the next row is that of a parent, or else of any entity, whose row
        # before was in the same state: so transitions stay, and no series comes whole from one.
        # States are tried in turn. Where base gives rows already, a row must be of their kind.
        place = np.cumsum(counts) - counts
        path = np.full(int(counts.sum()), -1)
        path[place] = begins
        blocks = [_Blocks(one, self._steps, self.after) for one in states]
        for k in range(1, int(counts.max(initial=0))):
            who = np.flatnonzero(counts > k)
            now = path[place[who] + k - 1]
            who, now = who[now >= 0], now[now >= 0]
            wanted = None if base is None or kind is None else kind[base[place[who] + k]]
            step = self._steps[now if base is None else base[place[who] + k - 1]]
            mates = self._rows_at[parents[who], step[:, None]]
            other = (mates >= 0) & (self._entity[mates] != self._entity[now][:, None])
            found = np.full(len(who), -1)
            for state, block in zip(states, blocks, strict=True):
                fits = other & (state[mates] == state[now][:, None])
                fits &= self._goes_on(mates, wanted, kind)
                many = np.cumsum(fits, axis=1)
                pick = rng.integers(0, np.maximum(many[:, -1], 1))[:, None]
                mate = mates[np.arange(len(who)), (many > pick).argmax(axis=1)]
                found = np.where((found < 0) & (many[:, -1] > 0), mate, found)
                for _ in range(TRIES):
                    left = np.flatnonzero(found < 0)
                    if not len(left):
                        break
                    mate = block.draw(state[now[left]], step[left], rng)
                    good = self._goes_on(mate, None if wanted is None else wanted[left], kind)
                    good &= self._entity[mate] != self._entity[now[left]]
                    found[left[good]] = mate[good]
            alone = (found < 0) & self._goes_on(now, wanted, kind)
            found[alone] = now[alone]
            rows = np.where(found < 0, -1, self.after[found])
            if base is not None:  # nobody goes on: as the rows given do
                rows = np.where(rows < 0, base[place[who] + k], rows)
            path[place[who] + k] = rows
        return path

    def _goes_on(self, rows: Ints, wanted: Indices | None, kind: Indices | None) -> Array:
        """Tell whether the next row is there, and of the kind that is wanted."""
        later = self.after[rows]
        there: Array = (rows >= 0) & (later >= 0)
        if wanted is not None and kind is not None:
            there &= kind[later] == (wanted if rows.ndim == 1 else wanted[:, None])
        return there


class _Blocks:
    """Rows that another follows, by state and step."""

    def __init__(self, state: Indices, steps: Ints, after: Ints) -> None:
        rows = np.flatnonzero(after >= 0)
        self._width = np.int64(steps.max(initial=0)) + 1  # products do not fit into narrow codes
        keys = state[rows] * self._width + steps[rows]
        order = np.argsort(keys, kind="stable")
        self._rows, self._keys = rows[order], keys[order]

    def draw(self, state: Indices, steps: Ints, rng: np.random.Generator) -> Ints:
        """Return a row in each state, near in step; -1 where there is none."""
        low, high = (np.searchsorted(self._keys, (state + more) * self._width) for more in (0, 1))
        keys = state * self._width + steps
        start = np.searchsorted(self._keys, keys) - NEARBY // 2
        stop = np.searchsorted(self._keys, keys, "right") + NEARBY // 2
        start, stop = np.maximum(start, low), np.minimum(stop, high)
        at = rng.integers(start, np.maximum(stop, start + 1))
        there = stop > start
        return np.where(there, self._rows[np.where(there, at, 0)], -1)
