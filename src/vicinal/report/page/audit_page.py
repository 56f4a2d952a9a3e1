"""What the page of an audit shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal.page.format import Grid, estimate, number, share
from vicinal.page.frame import Page
from vicinal.page.intervals import IntervalRow, interval_rows
from vicinal.report.page import TEMPLATES

if TYPE_CHECKING:
    from vicinal.report.privacy.audit import AuditResult


def audit_page(found: AuditResult) -> Page:
    """Return what the page is made of."""
    attacks = [
        IntervalRow("Area under the ROC curve", "shadow models", found.membership.auc),
        IntervalRow("Area under the ROC curve", "density ratio", found.by_density),
        IntervalRow("Area under the ROC curve", "distance", found.by_distance),
    ]
    rates = [
        IntervalRow("Records found", f"{share(rate)} accused", rate_found)
        for rate, rate_found in found.rates
    ]
    worst = [
        {
            "row": f"{one.row:,}",
            "AUC": estimate(one.auc),
            "distance to others": number(one.distance),
        }
        for one in found.worst_records
    ]
    values = {
        "title": "Audit of a synthesizer",
        "found": found,
        "facts": [
            f"{found.rows:,} rows",
            f"{found.shadows:,} shadow tables",
            f"{len(found.worst_records):,} records attacked",
        ],
        "membership": interval_rows(
            "membership",
            "Membership attacks",
            attacks,
            low=0.0,
            high=1.0,
            marks=((0.5, "a guess"),),
        ),
        "rates": interval_rows(
            "rates", "Records found", rates, low=0.0, high=1.0, origin=0.0, per_cent=True
        ),
        "worst": Grid("Every record, the most exposed first", worst),
    }
    return Page("audit.html.j2", values, TEMPLATES)
