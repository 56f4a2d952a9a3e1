"""The compiled inner loop of :class:`vicinal.table.marginals.NormalScores`."""

from __future__ import annotations

from typing import Any

import numpy as np

from vicinal._compiled import compiled


@compiled()
def look_up(
    scores: Any,
    edges: Any,
    guide: Any,
    start: float,
    per_cell: float,
    low: Any,
    high: Any,
    scale: float,
    whole: bool,
    out: Any,
) -> None:
    """Write the value between ``low[c]`` and ``high[c]`` for the cell ``c`` of each score.

    ``edges[c] <= score < edges[c + 1]``. The guide tells, for equal steps along the scores, the
    first cell worth a look; a cell or two further the right one is found. Scores beyond the outer
    edges belong to the outer cells. Results are whole numbers where ``whole``, else rounded to
    ``1 / scale`` where that is not 0.
    """
    last = len(low) - 1
    for i in range(len(scores)):
        score = scores[i]
        step = (score - start) * per_cell
        place = int(min(max(step, 0.0), len(guide) - 1.0))
        cell = min(guide[place], last) if step >= 0.0 else 0
        while cell < last and score >= edges[cell + 1]:
            cell += 1
        while cell > 0 and score < edges[cell]:
            cell -= 1
        bottom, top = low[cell], high[cell]
        if bottom == top:
            out[i] = bottom
            continue
        width = edges[cell + 1] - edges[cell]
        share = (score - edges[cell]) / width if width > 0.0 else 0.5
        share = min(max(share, 0.0), 1.0)
        if whole:
            # counted from the nearer end: neither overflow nor a rounding error past an end
            gap = float(top) - float(bottom)
            rise = min(min(share, 1.0 - share) * gap, 2.0**62)
            moved = bottom + int(np.rint(rise)) if share <= 0.5 else top - int(np.rint(rise))
            out[i] = min(max(moved, bottom), top)
        else:
            value = bottom * (1.0 - share) + top * share
            if scale > 0.0:
                value = np.rint(value * scale) / scale
            out[i] = min(max(value, bottom), top)
