"""The compiled inner loop of :class:`vicinal.table.latent.NormalScores`."""

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
    gap: Any,
    scale: float,
    whole: bool,
    out: Any,
) -> None:
    """Write ``low[c] + share * gap[c]`` for the cell ``edges[c] <= score < edges[c + 1]``.

    The guide tells, for equal steps along the scores, the first cell worth a look; a cell or two
    further the right one is found. Scores beyond the outer edges belong to the outer cells.
    Results are whole numbers where ``whole``, else rounded to ``1 / scale`` where that is not 0.
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
        rise = 0.0
        if gap[cell] != 0.0:
            width = edges[cell + 1] - edges[cell]
            share = (score - edges[cell]) / width if width > 0.0 else 0.5
            rise = min(max(share, 0.0), 1.0) * gap[cell]
        if whole:
            out[i] = low[cell] + int(np.rint(rise))
        elif scale > 0.0:
            out[i] = np.rint((low[cell] + rise) * scale) / scale
        else:
            out[i] = low[cell] + rise
