"""Compiled parts of :mod:`vicinal.report.privacy.nearest`: cut rows into leaves, and search them.

Distance and bound are summed in float32 over columns in one order. Rounding keeps order, so the
bound is never above the distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vicinal._compiled import compiled

#: Rows that are looked at to choose where to cut.
SAMPLE = 128
#: Leaves within reach are sorted by bound into so many bins; each query visits so many of them
#: before queries go on together.
BINS = 64
ALONE = 32


@compiled()
def _term(gap: Any, squared: bool) -> Any:  # pragma: no cover
    return gap * gap if squared else min(gap, np.float32(1.0))


@compiled()
def _best_cut(
    numbers: Any, codes: Any, rows: Any, squared: bool, mismatch: Any, tried: Any
) -> int:  # pragma: no cover
    """Return the column in which pairs of these rows differ most, -1 where they do not."""
    n_numeric = numbers.shape[1]
    half = len(rows) // 2
    best, column = 0.0, -1
    for c in range(n_numeric + codes.shape[1]):
        if tried[c]:
            continue
        total = 0.0
        for i in range(half):
            a, b = rows[i], rows[i + half]
            if c < n_numeric:
                total += _term(abs(numbers[a, c] - numbers[b, c]), squared)
            elif codes[a, c - n_numeric] != codes[b, c - n_numeric]:
                total += mismatch
        if total > best:
            best, column = total, c
    return column


@compiled()
def _value(numbers: Any, codes: Any, row: int, column: int) -> float:  # pragma: no cover
    n_numeric = numbers.shape[1]
    if column < n_numeric:
        return np.float64(numbers[row, column])
    return np.float64(codes[row, column - n_numeric])


@compiled()
def _cut(
    numbers: Any, codes: Any, order: Any, start: int, stop: int, column: int, sample: Any
) -> int:  # pragma: no cover
    """Bring rows below the sample's median to the front; return where the others begin."""
    values = np.empty(len(sample))
    for i in range(len(sample)):
        value, j = _value(numbers, codes, sample[i], column), i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    pivot = values[len(values) // 2]
    below, above = 0, 0
    for value in values:
        below += value < pivot
        above += value > pivot
    with_ties = below < above  # rows at the pivot go where the halves come out more even
    middle = start
    for _ in range(2):
        left, right = start, stop
        while left < right:
            value = _value(numbers, codes, order[left], column)
            if value < pivot or (with_ties and value == pivot):
                left += 1
            else:
                right -= 1
                order[left], order[right] = order[right], order[left]
        middle = left
        if start < middle < stop:
            break
        with_ties = not with_ties
    return middle


@compiled()
def build(
    numbers: Any, codes: Any, squared: bool, mismatch: Any, leaf_rows: int
) -> Any:  # pragma: no cover
    """Return rows in the order of leaves, and where each leaf begins (and the last one ends)."""
    n_rows = len(numbers)
    n_columns = numbers.shape[1] + codes.shape[1]
    order = np.arange(n_rows)
    starts = [0]
    stack = [(0, n_rows)]
    tried = np.zeros(n_columns, np.bool_)
    while len(stack) > 0:
        start, stop = stack.pop()
        size = stop - start
        middle = start
        if size > leaf_rows:
            count = min(size, SAMPLE)
            sample = np.empty(count, np.int64)
            for i in range(count):
                sample[i] = order[start + i * size // count]
            tried[:] = False
            while True:
                column = _best_cut(numbers, codes, sample, squared, mismatch, tried)
                if column < 0:
                    break
                middle = _cut(numbers, codes, order, start, stop, column, sample)
                if start < middle < stop:
                    break
                tried[column] = True
                middle = start
            if middle == start and size > 16 * leaf_rows:
                middle = start + size // 2  # rows that (nearly) all are equal
        if middle == start:
            if size > 0:
                starts.append(stop)
        else:
            stack.append((middle, stop))
            stack.append((start, middle))
    return order, np.array(starts, np.int64)


@compiled()
def lay_out(numbers: Any, codes: Any, order: Any, starts: Any) -> Any:  # pragma: no cover
    """Return the rows leaf by leaf and, within a leaf, column by column; and what bounds them."""
    n_numeric, n_codes, n_leaves = numbers.shape[1], codes.shape[1], len(starts) - 1
    flat = np.empty(numbers.size, numbers.dtype)
    flat_codes = np.empty(codes.size, codes.dtype)
    low = np.full((n_numeric, n_leaves), np.float32(np.inf), np.float32)
    high = np.full((n_numeric, n_leaves), np.float32(-np.inf), np.float32)
    # codes that are equal modulo 64 share a bit: the set can only come out too large
    sets = np.zeros((n_codes, n_leaves), np.uint64)
    for leaf in range(n_leaves):
        start, size = starts[leaf], starts[leaf + 1] - starts[leaf]
        for i in range(size):
            row = order[start + i]
            for c in range(n_numeric):
                value = numbers[row, c]
                flat[start * n_numeric + c * size + i] = value
                low[c, leaf] = min(low[c, leaf], value)
                high[c, leaf] = max(high[c, leaf], value)
            for c in range(n_codes):
                code = codes[row, c]
                flat_codes[start * n_codes + c * size + i] = code
                sets[c, leaf] |= np.uint64(1) << np.uint64(code & 63)
    return flat, flat_codes, low, high, sets


@compiled()
def _bounds(
    numbers: Any, codes: Any, low: Any, high: Any, sets: Any, squared: bool, mismatch: Any, out: Any
) -> None:  # pragma: no cover
    """Write the least distance that one row could have to each leaf."""
    zero, one = np.float32(0.0), np.float32(1.0)
    out[:] = zero
    for c in range(len(numbers)):
        value, lows, highs = numbers[c], low[c], high[c]
        if squared:
            for leaf in range(len(out)):
                gap = max(max(lows[leaf] - value, value - highs[leaf]), zero)
                out[leaf] += gap * gap
        else:
            for leaf in range(len(out)):
                gap = max(max(lows[leaf] - value, value - highs[leaf]), zero)
                out[leaf] += min(gap, one)
    for c in range(len(codes)):
        shift, members = np.uint64(codes[c] & 63), sets[c]
        for leaf in range(len(out)):
            out[leaf] += mismatch if ((members[leaf] >> shift) & np.uint64(1)) == 0 else zero


@compiled()
def _totals(
    numbers: Any, codes: Any, flat: Any, flat_codes: Any, squared: bool, mismatch: Any, out: Any
) -> None:  # pragma: no cover
    """Write the distances of one row to all rows of one leaf."""
    zero, one = np.float32(0.0), np.float32(1.0)
    size = len(out)
    out[:] = zero
    for c in range(len(numbers)):
        value, column = numbers[c], flat[c * size : (c + 1) * size]
        if squared:
            for i in range(size):
                gap = abs(column[i] - value)
                out[i] += gap * gap
        else:
            for i in range(size):
                out[i] += min(abs(column[i] - value), one)
    for c in range(len(codes)):
        code, members = codes[c], flat_codes[c * size : (c + 1) * size]
        for i in range(size):
            out[i] += mismatch if members[i] != code else zero


@compiled()
def _visit(
    asked: Any, leaf: int, laid: Any, rule: Any, sums: Any, q: int, found: Any
) -> None:  # pragma: no cover
    """Look at the rows of one leaf for query ``q``."""
    numbers, codes, skip = asked
    flat, flat_codes, _, _, _, order, starts = laid
    squared, mismatch, two = rule
    totals, seconds, rows, ties, work = found
    start, stop = starts[leaf], starts[leaf + 1]
    n_numeric, n_codes, size = numbers.shape[1], codes.shape[1], stop - start
    work[q] += size * (n_numeric + n_codes)
    own = flat[start * n_numeric : stop * n_numeric]
    own_codes = flat_codes[start * n_codes : stop * n_codes]
    _totals(numbers[q], codes[q], own, own_codes, squared, mismatch, sums[:size])
    limit = seconds[q] if two else totals[q]
    for i in range(size):
        total = sums[i]
        if total > limit:
            continue
        row = order[start + i]
        skipped = False
        for s in range(skip.shape[1]):
            skipped |= skip[q, s] == row
        if skipped:
            continue
        if total < totals[q]:
            seconds[q] = totals[q]
            totals[q], rows[q], ties[q] = total, row, 1
        elif total == totals[q]:
            seconds[q] = total
            ties[q] += 1
        elif total < seconds[q]:
            seconds[q] = total
        limit = seconds[q] if two else totals[q]


@compiled()
def _sort_near(bounds: Any, limit: Any, visits: Any, ends: Any) -> int:  # pragma: no cover
    """Write the leaves within the limit, nearly sorted by bound; return how many there are."""
    n_leaves = len(bounds)
    widest = np.float32(0.0)
    for leaf in range(n_leaves):
        if bounds[leaf] <= limit and bounds[leaf] < np.inf:
            widest = max(widest, bounds[leaf])
    scale = np.float32(BINS - 1) / widest if widest > 0 else np.float32(0.0)
    ends[:] = 0
    for leaf in range(n_leaves):
        if bounds[leaf] <= limit and bounds[leaf] < np.inf:
            ends[min(int(bounds[leaf] * scale), BINS - 1) + 1] += 1
    for b in range(BINS):
        ends[b + 1] += ends[b]
    count = ends[BINS]
    for leaf in range(n_leaves):
        if bounds[leaf] <= limit and bounds[leaf] < np.inf:
            b = min(int(bounds[leaf] * scale), BINS - 1)
            visits[ends[b]] = leaf
            ends[b] += 1
    return int(count)


@compiled()
def search(
    asked: Any, laid: Any, rule: Any, first: int, last: int, found: Any
) -> None:  # pragma: no cover
    """Find the nearest rows of the queries from ``first`` to ``last``."""
    # each query visits a few leaves in the order of their bounds; the rest go leaf by leaf
    # together, so that a leaf is fetched from memory once for all
    numbers, codes, _ = asked
    _, _, low, high, sets, _, starts = laid
    squared, mismatch, two = rule
    totals, seconds, rows, ties, work = found
    n_leaves = len(starts) - 1
    largest = 0
    for leaf in range(n_leaves):
        largest = max(largest, starts[leaf + 1] - starts[leaf])
    bounds = np.empty((last - first, n_leaves), np.float32)
    sums = np.empty(largest, np.float32)
    visits = np.empty(n_leaves, np.int64)
    ends = np.empty(BINS + 1, np.int64)
    left = False
    for q in range(first, last):
        own = bounds[q - first]
        _bounds(numbers[q], codes[q], low, high, sets, squared, mismatch, own)
        totals[q], seconds[q], rows[q], ties[q] = np.inf, np.inf, -1, 0
        work[q] = n_leaves * (numbers.shape[1] + codes.shape[1])
        if n_leaves == 0:
            continue
        visits[0] = np.argmin(own)
        count, turn = 1, 0
        sorted_yet = False
        while turn < min(count, ALONE):
            leaf = visits[turn]
            turn += 1
            if own[leaf] <= (seconds[q] if two else totals[q]):
                _visit(asked, leaf, laid, rule, sums, q, found)
            own[leaf] = np.inf  # done
            if not sorted_yet:
                sorted_yet = True
                count, turn = _sort_near(own, seconds[q] if two else totals[q], visits, ends), 0
        left |= turn < count
    if not left:
        return
    for leaf in range(n_leaves):
        for q in range(first, last):
            bound = bounds[q - first, leaf]
            if bound <= (seconds[q] if two else totals[q]) and bound < np.inf:
                _visit(asked, leaf, laid, rule, sums, q, found)
