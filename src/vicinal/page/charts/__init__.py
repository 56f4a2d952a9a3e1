"""Pictures as inline SVG. Every color is a class, so that the page's themes reach it."""

from vicinal.page.charts.curves import (
    Curve,
    Spot,
    curve_panel,
    distance_curves,
    front_scatter,
)
from vicinal.page.charts.intervals import IntervalRow, interval_rows
from vicinal.page.charts.marginals import marginal_chart, weight_chart
from vicinal.page.charts.together import (
    NAMED,
    MomentDot,
    heat_map,
    moment_panel,
    moment_strip,
    scale_bar,
)

__all__ = [
    "NAMED",
    "Curve",
    "IntervalRow",
    "MomentDot",
    "Spot",
    "curve_panel",
    "distance_curves",
    "front_scatter",
    "heat_map",
    "interval_rows",
    "marginal_chart",
    "moment_panel",
    "moment_strip",
    "scale_bar",
    "weight_chart",
]
