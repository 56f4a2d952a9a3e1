"""What the pages of a collapse and of tuned settings show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vicinal.page.format import Grid, amount, estimate, number, share, short
from vicinal.page.frame import Page
from vicinal.report.page import TEMPLATES
from vicinal.report.page.curves import Curve, Spot, curve_panel, pareto_scatter

if TYPE_CHECKING:
    from vicinal.report.collapse.measure import Collapse
    from vicinal.report.tune.measure import TuningResult

__all__ = ["collapse_page", "tuning_page"]


class _Panel(NamedTuple):
    field: str  # of a CollapseCurve
    column: str  # in tables
    title: str
    says: str
    theory: str = ""  # field of what theory predicts
    low: float | None = 0.0  # ends of the axis
    high: float | None = 1.0


_PANELS = (
    _Panel(
        "variance",
        "variance",
        "Variance that is left",
        "Variance as a share of the real one, mean over numeric columns. At 1 nothing is lost.",
        "predicted_variance",
    ),
    _Panel(
        "attenuation",
        "association",
        "Association of categories with numbers",
        "What categories say about numbers, as a share of what they say in the real table.",
        "predicted_attenuation",
    ),
    _Panel(
        "correlation_error",
        "error of correlations",
        "Error of correlations",
        "Largest difference from a real correlation. Near 0 is good.",
        high=0.1,
    ),
    _Panel(
        "coverage",
        "categories",
        "Categories still there",
        "Share of the real categories that still occur.",
    ),
    _Panel(
        "utility",
        "utility",
        "Utility",
        "How well a model that learned from the generation predicts real rows.",
        low=None,
        high=None,
    ),
)


def collapse_page(collapse: Collapse) -> Page:
    """Return what the page is made of."""
    head = ["law", "rho", "a"]
    for panel in _PANELS:
        head += [panel.column, "theory"] if panel.theory else [panel.column]
    values = {
        "title": "Synthesis from synthesis",
        "headline": _collapse_headline(collapse),
        "facts": _collapse_facts(collapse),
        "sampled": collapse.sampled,
        "panels": [
            shown for panel in _PANELS if (shown := _collapse_panel(collapse, panel)) is not None
        ],
        "final": Grid(
            f"After {collapse.generations:,} generations",
            tuple(head),
            [
                (one.law, number(one.rho), number(one.a), *_row(one, -1, theory=True))
                for one in collapse.curves
            ],
        ),
        "grids": [
            Grid(
                f"{one.law}, generation by generation",
                ("generation", *(panel.column for panel in _PANELS)),
                [(str(at), *_row(one, at)) for at in range(collapse.generations + 1)],
            )
            for one in collapse.curves
        ],
    }
    return Page("collapse.html.j2", values, TEMPLATES)


def _collapse_panel(collapse: Collapse, panel: _Panel) -> dict[str, Any] | None:
    curves = [
        Curve(
            one.law,
            getattr(one, panel.field),
            getattr(one, panel.theory) if panel.theory else (),
        )
        for one in collapse.curves
    ]
    if not any(math.isfinite(value) for one in curves for value in one.values):
        return None
    title = panel.title
    if panel.field == "utility" and collapse.metric:
        title = f"{title}, {collapse.metric}"
    return {
        "title": title,
        "says": panel.says,
        "chart": curve_panel(
            f"panel-{panel.field}", panel.title, curves, low=panel.low, high=panel.high
        ),
        "theory": any(math.isfinite(v) for one in curves for v in one.theory),
    }


def _row(curve: Any, at: int, *, theory: bool = False) -> list[str]:
    """Return the figures of one generation, in the order of the panels."""
    fields = []
    for panel in _PANELS:
        fields += [panel.field, panel.theory] if theory and panel.theory else [panel.field]
    every: list[Sequence[float]] = [getattr(curve, field) for field in fields]
    return [
        number(values[at] if -len(values) <= at < len(values) else math.nan) for values in every
    ]


def _collapse_facts(collapse: Collapse) -> list[str]:
    found = [
        f"{collapse.rows:,} rows",
        f"{collapse.generations:,} generations",
        f"{collapse.marginals} marginals",
    ]
    if collapse.within:
        found.append(f"never mixed across {', '.join(collapse.within)}")
    if collapse.target is not None:
        found.append(f"target {collapse.target}")
    return found


def _collapse_headline(collapse: Collapse) -> str:
    ends = [(one.variance[-1], one.law) for one in collapse.curves if one.variance]
    ends = [one for one in ends if math.isfinite(one[0])]
    if not ends:
        return "What is left when every generation is made from the one before."
    best, worst = max(ends), min(ends)
    said = f"{short(best[1], 40)} keeps {share(max(best[0], 0), 0)} of the variance"
    if worst[1] != best[1]:
        said += f", {short(worst[1], 40)} {share(max(worst[0], 0), 0)}"
    return f"After {collapse.generations:,} generations {said}."


def tuning_page(found: TuningResult) -> Page:
    """Return what the page is made of."""
    limit = amount(found.limit)
    chosen = found.best
    headline = f"No setting surely keeps the DCR share below {limit}."
    figures = []
    if chosen is not None:
        headline = f"Recommended: {chosen.name}."
        figures = [
            ("fidelity", estimate(chosen.fidelity)),
            ("DCR share", estimate(chosen.dcr_share)),
        ]
        if chosen.utility is not None:
            figures.append((found.metric, estimate(chosen.utility)))
    facts = [
        f"{len(found.settings):,} setting{'' if len(found.settings) == 1 else 's'} tried",
        f"{found.rows[0]:,} training rows, {found.rows[1]:,} held out",
    ]
    if found.target is not None:
        facts.append(f"target {found.target}")
    spots = [
        Spot(one.name, one.dcr_share, one.fidelity, one.on_pareto_front, at == found.recommended)
        for at, one in enumerate(found.settings)
    ]
    head = ("no.", "setting", "fidelity", "DCR share", found.metric or "utility", "Pareto front")
    values = {
        "title": "Fidelity against privacy",
        "headline": headline,
        "facts": facts,
        "notes": found.notes,
        "metric": found.metric,
        "real": None if found.real is None else estimate(found.real),
        "chosen": chosen,
        "figures": figures,
        "limit": limit,
        "chart": pareto_scatter("front", spots, found.limit),
        "recommended": found.recommended,
        "table": Grid("Every setting", head, _setting_rows(found), words=(1, 5)),
        "commands": Grid(
            "Every command",
            ("no.", "command"),
            [(str(at), one.command) for at, one in enumerate(found.settings, 1)],
            words=(1,),
        ),
    }
    return Page("tune.html.j2", values, TEMPLATES)


def _setting_rows(found: TuningResult) -> list[tuple[str, ...]]:
    return [
        (
            str(at + 1),
            one.name + (" (recommended)" if at == found.recommended else ""),
            estimate(one.fidelity),
            estimate(one.dcr_share),
            number(math.nan) if one.utility is None else estimate(one.utility),
            "yes" if one.on_pareto_front else "",
        )
        for at, one in enumerate(found.settings)
    ]
