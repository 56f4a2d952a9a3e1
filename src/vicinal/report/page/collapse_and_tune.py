"""What the pages of a collapse and of a front show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vicinal.page import charts
from vicinal.page.format import amount, estimate, number, share, short
from vicinal.page.grids import Grid

if TYPE_CHECKING:
    from vicinal.report.collapse.measure import Collapse
    from vicinal.report.tune.measure import Front

__all__ = ["collapse_page", "front_page"]

# field, title, how to read it, field of theory, ends of the axis
_PANELS = (
    (
        "variance",
        "Variance that is left",
        "Variance as a share of the real one, mean over numeric columns. At 1 nothing is lost.",
        "predicted_variance",
        (0.0, 1.0),
    ),
    (
        "attenuation",
        "Ties between categories and numbers",
        "Association of categories with numbers, as a share of the real one.",
        "predicted_attenuation",
        (0.0, 1.0),
    ),
    (
        "correlation_error",
        "Error of correlations",
        "Largest difference from a real correlation. Near 0 is good.",
        "",
        (0.0, 0.1),
    ),
    (
        "coverage",
        "Categories still there",
        "Share of the real categories that still occur.",
        "",
        (0.0, 1.0),
    ),
    (
        "utility",
        "Utility",
        "How well a model that learned from the generation predicts real rows.",
        "",
        (None, None),
    ),
)


def collapse_page(collapse: Collapse) -> dict[str, Any]:
    """Return what the template of a collapse needs.

    Parameters
    ----------
    collapse : Collapse
        Curves of each law.

    Returns
    -------
    dict
        Names of the template and their values.
    """
    panels = []
    for field, title, says, theory, (low, high) in _PANELS:
        curves = [
            charts.Curve(one.law, getattr(one, field), getattr(one, theory) if theory else ())
            for one in collapse.curves
        ]
        if not any(math.isfinite(value) for one in curves for value in one.values):
            continue
        chart = charts.curve_panel(f"panel-{field}", title, curves, low=low, high=high)
        named = f"{title}, {collapse.metric}" if field == "utility" and collapse.metric else title
        panels.append(
            {
                "title": named,
                "says": says,
                "chart": chart,
                "theory": any(math.isfinite(v) for one in curves for v in one.theory),
            }
        )
    last = collapse.generations
    rows = [
        (
            one.law,
            number(one.rho),
            number(one.a),
            *(
                number(values[-1]) if len(values) else number(math.nan)
                for values in (
                    one.variance,
                    one.predicted_variance,
                    one.attenuation,
                    one.predicted_attenuation,
                    one.correlation_error,
                    one.coverage,
                    one.utility,
                )
            ),
        )
        for one in collapse.curves
    ]
    head = (
        "law",
        "rho",
        "a",
        "variance",
        "theory",
        "ties",
        "theory",
        "error of correlations",
        "categories",
        "utility",
    )
    every = [
        Grid(
            f"{one.law}, generation by generation",
            ("generation", "variance", "ties", "error of correlations", "categories", "utility"),
            [
                (
                    str(at),
                    *(
                        number(values[at] if at < len(values) else math.nan)
                        for values in (
                            one.variance,
                            one.attenuation,
                            one.correlation_error,
                            one.coverage,
                            one.utility,
                        )
                    ),
                )
                for at in range(last + 1)
            ],
        )
        for one in collapse.curves
    ]
    return {
        "title": "Synthesis from synthesis",
        "headline": _collapse_headline(collapse),
        "facts": _collapse_facts(collapse),
        "sampled": collapse.sampled,
        "panels": panels,
        "final": Grid(f"After {last:,} generations", head, rows),
        "grids": every,
    }


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


def front_page(front: Front) -> dict[str, Any]:
    """Return what the template of a front needs.

    Parameters
    ----------
    front : Front
        Settings that were tried, and what was measured of each.

    Returns
    -------
    dict
        Names of the template and their values.
    """
    spots = [
        charts.Spot(one.name, one.closer, one.fidelity, one.on_front, at == front.recommended)
        for at, one in enumerate(front.settings)
    ]
    limit = front.limit
    rows = [
        (
            str(at + 1),
            one.name + (" (recommended)" if at == front.recommended else ""),
            estimate(one.fidelity),
            estimate(one.closer),
            number(math.nan) if one.utility is None else estimate(one.utility),
            "yes" if one.on_front else "",
        )
        for at, one in enumerate(front.settings)
    ]
    chosen = front.best
    if chosen is None:
        headline = (
            f"No setting surely keeps the share closer to training rows below {amount(limit)}."
        )
    else:
        headline = f"Recommended: {chosen.name}."
    found = len(front.settings)
    return {
        "title": "Fidelity against privacy",
        "headline": headline,
        "facts": [
            f"{found:,} setting{'' if found == 1 else 's'} tried",
            f"{front.rows[0]:,} rows learned from, {front.rows[1]:,} held out",
            *([f"target {front.target}"] if front.target is not None else []),
        ],
        "notes": front.notes,
        "metric": front.metric,
        "real": None if front.real is None else estimate(front.real),
        "chosen": chosen,
        "figures": None
        if chosen is None
        else [
            ("fidelity", estimate(chosen.fidelity)),
            ("share closer", estimate(chosen.closer)),
            *([(front.metric, estimate(chosen.utility))] if chosen.utility is not None else []),
        ],
        "limit": amount(limit),
        "chart": charts.front_scatter("front", spots, limit),
        "recommended": front.recommended,
        "table": Grid(
            "Every setting",
            ("no.", "setting", "fidelity", "closer", front.metric or "utility", "on the front"),
            rows,
            words=(1, 5),
        ),
        "commands": Grid(
            "Every command",
            ("no.", "command"),
            [(str(at + 1), one.command) for at, one in enumerate(front.settings)],
            words=(1,),
        ),
    }
