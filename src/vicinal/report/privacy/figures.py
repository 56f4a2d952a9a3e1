"""The figures of privacy as a list: each with its baseline, its bad side and one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from vicinal._stats import Estimate

if TYPE_CHECKING:
    from vicinal.report.privacy.measure import Privacy

__all__ = ["NO_GUARANTEE", "PrivacyFigure", "privacy_figures"]

#: What no figure says.
NO_GUARANTEE = (
    "None of this is differential privacy: these figures can find a leak, and cannot prove that "
    "there is none."
)
_BLIND = (
    "This proves nothing here: the hold-out was split off rows that the generator had seen, so the "
    "figure looks good whatever the generator did."
)


class PrivacyFigure(NamedTuple):
    """One figure of a synthetic table, to be read against one of rows that nobody copied."""

    name: str
    value: Estimate
    ideal: float | Estimate  # a number, or the baseline: the same figure of rows nobody copied
    worse: Literal["higher", "lower"]  # on which side of the ideal a leak shows
    says: str  # what it measures, and what it means
    unit: str = ""  # of what the value and the baseline are

    @property
    def text(self) -> str:
        """The figure, and its baseline where it has one."""
        if not isinstance(self.ideal, Estimate):
            return str(self.value)
        ours, _, theirs = self.unit.partition(" / ")
        return f"{ours} {self.value}; {theirs} {self.ideal}"


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{100 * value:.0f} %"


def privacy_figures(found: Privacy) -> tuple[PrivacyFigure, ...]:
    """Return the figures in the order in which to read them."""
    given = found.holdout_is == "given"
    other = "hold-out rows" if given else "real rows among themselves"
    blind = "" if given else f" {_BLIND}"

    def dcr(name: str, share: Estimate, distance: str) -> PrivacyFigure:
        says = (
            f"Synthetic rows lie closer to a training row than to an unseen one in "
            f"{_percent(share.value)} of cases, by {distance}; 50 % is ideal.{blind}"
        )
        return PrivacyFigure(name, share, 0.5, "higher", says)

    def paired(
        name: str, pair: tuple[Estimate, Estimate], worse: Literal["higher", "lower"], says: str
    ) -> PrivacyFigure:
        return PrivacyFigure(name, *pair, worse, says, f"synthetic rows / {other}")

    curves = found.distances
    middle = curves.levels.index(0.5)
    near, base = curves.synthetic_train[middle], curves.holdout_train[middle]
    unseen = curves.synthetic_holdout[middle]
    return (
        dcr("DCR share", found.dcr_share, "Gower's distance"),
        dcr("DCR share, Euclidean", found.dcr_share_euclidean, "Euclidean distance"),
        paired(
            "Distance to the closest record, median",
            (Estimate(near), Estimate(base)),
            "lower",
            f"Half of the synthetic rows lie within this distance of a training row (within "
            f"{unseen:.3f} of a hold-out row); 0 is a copy, 1 differs in every column. Ideal is no "
            f"less than {other} have.",
        ),
        paired(
            "NNDR",
            found.nndr,
            "lower",
            "Distance to the nearest real row over that to the second-nearest, median; near 0, "
            f"synthetic rows single out one real row. Ideal is no less than {other} have.",
        ),
        paired(
            "Exact copies",
            found.copies,
            "higher",
            "Share of rows that equal a real row in every column; some do by chance, where columns "
            f"are few. Ideal is no more than {other} have.",
        ),
        paired(
            "Near-duplicates",
            found.near_duplicates,
            "higher",
            f"Share of rows no farther from a real row than the nearest 1 % of {other}. Ideal is "
            "no more than these have.",
        ),
        paired(
            "Authenticity",
            (found.authenticity, found.authenticity_baseline),
            "lower",
            "Share of rows farther from their nearest real row than that row is from its own "
            f"nearest other one; copies score 0. Ideal is no less than {other} have.",
        ),
        PrivacyFigure(
            "Membership attack, AUC",
            found.membership,
            0.5,
            "higher",
            "Who takes real rows near a synthetic row for training rows is right this often, "
            f"against a row that is none; 0.5 is a guess and ideal, 1 finds all.{blind}",
        ),
        PrivacyFigure(
            "Rare combinations",
            *found.rare_combinations,
            "higher",
            "Of the rows that alone have some combination of up to three categories, the share for "
            f"which it turns up among synthetic rows; ideal is that both figures are equal.{blind}",
            "training rows / hold-out rows",
        ),
        *_attack_figures(found),
        PrivacyFigure(
            "Hold-out rows equal to a training row",
            Estimate(found.overlap / found.rows[2]),
            0.0,
            "higher",
            f"{found.overlap:,} of {found.rows[2]:,} hold-out rows equal a training row in every "
            "column. More than chance explains hide copying, for the hold-out is then not unseen.",
        ),
    )


def _attack_figures(found: Privacy) -> list[PrivacyFigure]:
    """Return what needs unseen rows that were given."""
    if found.membership_by_density is None:
        return []
    density = PrivacyFigure(
        "Membership by density ratio, AUC",
        found.membership_by_density,
        0.5,
        "higher",
        "The same attack by another score: how much denser synthetic rows lie about a row than "
        "other unseen rows do; 0.5 is ideal.",
    )
    return [
        density,
        *(
            PrivacyFigure(
                one.name,
                one.success,
                one.control,
                "higher",
                f"{one.says} Risk beyond the control: {one.risk}; 0 is ideal.",
                "training rows / hold-out rows",
            )
            for one in found.attacks
        ),
    ]
