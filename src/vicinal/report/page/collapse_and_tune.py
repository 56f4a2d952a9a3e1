"""What the pages of a collapse and of tuned settings show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from vicinal.page.format import Grid, amount, estimate, number, share, short
from vicinal.page.frame import Page
from vicinal.report.page import TEMPLATES
from vicinal.report.page.curves import Curve, curve_panel, pareto_scatter

if TYPE_CHECKING:
    from vicinal.report.collapse.measure import Collapse, CollapseCurve
    from vicinal.report.tune.measure import TuningResult


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
    facts = [f"{collapse.rows:,} rows", f"{collapse.generations:,} generations"]
    facts.append(f"{collapse.marginals} marginals")
    if collapse.within:
        facts.append(f"never mixed across {', '.join(collapse.within)}")
    if collapse.target is not None:
        facts.append(f"target {collapse.target}")
    after = f"After {collapse.generations:,} generations"
    final = [
        {"law": one.law, "rho": number(one.rho), "a": number(one.a)} | _row(one, -1, theory=True)
        for one in collapse.curves
    ]
    rounds = range(collapse.generations + 1)
    values = {
        "title": "Synthesis from synthesis",
        "headline": _collapse_headline(collapse, after),
        "facts": facts,
        "sampled": collapse.sampled,
        "panels": [
            shown for panel in _PANELS if (shown := _collapse_panel(collapse, panel)) is not None
        ],
        "grids": [
            Grid(after, final),
            *(
                Grid(
                    f"{one.law}, generation by generation",
                    [{"generation": str(at)} | _row(one, at) for at in rounds],
                )
                for one in collapse.curves
            ),
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
    metric = f", {collapse.metric}" if panel.field == "utility" and collapse.metric else ""
    key = f"panel-{panel.field}"
    return {
        "title": panel.title + metric,
        "says": panel.says,
        "chart": curve_panel(key, panel.title, curves, low=panel.low, high=panel.high),
        "theory": any(math.isfinite(v) for one in curves for v in one.theory),
    }


def _row(curve: CollapseCurve, at: int, *, theory: bool = False) -> dict[str, str]:
    """Return the figures of one generation, in the order of the panels."""
    fields = {}
    for panel in _PANELS:
        fields[panel.column] = panel.field
        if theory and panel.theory:
            fields[f"{panel.column} in theory"] = panel.theory
    found = {name: getattr(curve, field) for name, field in fields.items()}
    return {
        name: number(values[at] if -len(values) <= at < len(values) else math.nan)
        for name, values in found.items()
    }


def _collapse_headline(collapse: Collapse, after: str) -> str:
    """Say how the best and the worst law end, in variance and in what models learn."""
    ends = [(one.variance[-1], short(one.law, 40)) for one in collapse.curves if one.variance]
    ends = [one for one in ends if math.isfinite(one[0])]
    if not ends:
        return "What is left when every generation is made from the one before."
    ends.sort(key=lambda one: abs(one[0] - 1))
    said = [f"{law} {share(max(left, 0), 0)}" for left, law in _outer(ends)]
    text = f"{after}, variance that is left: {', '.join(said)}."
    scores = [(one.utility[-1], short(one.law, 40)) for one in collapse.curves if one.utility]
    scores = sorted((one for one in scores if math.isfinite(one[0])), reverse=True)
    if scores:
        said = [f"{law} {number(score, 2)}" for score, law in _outer(scores)]
        real = collapse.curves[0].utility[0]
        text += f" {collapse.metric}: {', '.join(said)}, real rows {number(real, 2)}."
    return text


def _outer(ranked: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Return the best and the worst, which may be one."""
    return [ranked[0], *ranked[1:][-1:]]


def tuning_page(found: TuningResult) -> Page:
    """Return what the page is made of."""
    limit, chosen, metric = amount(found.limit), found.best, found.metric or "utility"
    facts = [
        f"{len(found.settings):,} setting{'' if len(found.settings) == 1 else 's'} tried",
        f"{found.rows[0]:,} training rows, {found.rows[1]:,} held out",
    ]
    if found.target is not None:
        facts.append(f"target {found.target}")
    every = [
        {
            "no.": str(at + 1),
            "setting": one.name + (" (recommended)" if at == found.recommended else ""),
            "fidelity": estimate(one.fidelity),
            "DCR share": estimate(one.dcr_share),
            "worst risk": number(math.nan) if one.risk is None else estimate(one.risk),
            "by": one.attack,
            metric: number(math.nan) if one.utility is None else estimate(one.utility),
            "Pareto front": "yes" if one.on_pareto_front else "",
        }
        for at, one in enumerate(found.settings)
    ]
    commands = [
        {"no.": str(at), "command": one.command} for at, one in enumerate(found.settings, 1)
    ]
    values = {
        "title": "Fidelity against privacy",
        "headline": found.why_none or f"Recommended: {chosen.name if chosen else ''}.",
        "facts": facts,
        "found": found,
        "chosen": chosen,
        "limit": limit,
        "chart": pareto_scatter("front", found),
        "table": Grid("Every setting", every, (1, 5, 7)),
        "commands": Grid("Every command", commands, (1,)),
    }
    return Page("tune.html.j2", values, TEMPLATES)
