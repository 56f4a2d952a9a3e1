"""The figures of privacy as a list: each with its baseline, its bad side and one sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

from vicinal._stats import Estimate
from vicinal.report.grades import graded, worst_of
from vicinal.report.privacy.values import EXACT_VALUES

if TYPE_CHECKING:
    from vicinal.report.privacy.delivered import Delivered
    from vicinal.report.privacy.measure import Privacy

#: By how much a share may lie beyond its ideal and still be good, and fair.
LIMITS = (0.05, 0.15)
#: The same of figures that vary with the shape of the data, too.
LIMITS_OF_NEIGHBORS = (0.1, 0.25)
#: The same where a few rows are too many: numbers of one row, rows next to one, equal rows.
LIMITS_OF_VALUES, LIMITS_OF_NEAR, LIMITS_OF_COPIES = (0.02, 0.05), (0.02, 0.05), (0.001, 0.01)

#: What no figure says.
NO_GUARANTEE = (
    "None of this is differential privacy, and no setting is: these figures can find a leak, and "
    "cannot prove that there is none."
)
_UNSEEN = "copies of a few rows, or of single numbers"
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
    #: By how much it may lie beyond the ideal and still be good, and fair; None: proves nothing.
    limits: tuple[float, float] | None = LIMITS
    two_sided: bool = False  # a hold-out that is nearer than chance allows is no good sign
    blind_to: str = ""  # what it does not see

    @property
    def excess(self) -> Estimate:
        """How far it lies on the bad side of its ideal, on either if reversed; 0 is ideal."""
        found = self._signed
        return Estimate(-found.value, -found.high, -found.low) if self.reversed else found

    @property
    def _signed(self) -> Estimate:
        """The difference with its interval by Newcombe's method 10; no interval counts as exact."""
        ideal = self.ideal if isinstance(self.ideal, Estimate) else Estimate(self.ideal)
        up, down = (self.value, ideal) if self.worse == "higher" else (ideal, self.value)
        found = up.value - down.value
        if math.isnan(up.low) and math.isnan(down.low):
            return Estimate(found)
        below, above = (
            math.hypot(
                *(
                    0.0 if math.isnan(end) else end - one.value
                    for one, end in zip((up, down), ends, strict=True)
                )
            )
            for ends in ((up.low, down.high), (up.high, down.low))
        )
        return Estimate(found, found - below, found + above)

    @property
    def reversed(self) -> bool:
        """Whether it lies on the other side of its ideal by more than chance and limit allow."""
        return self.two_sided and self.limits is not None and self._signed.high < -self.limits[0]

    @property
    def grade(self) -> str:
        """Grade of the figure, "unknown" where it was not measured or proves nothing here."""
        if self.limits is None:
            return "unknown"
        found = graded(self.excess, self.limits)
        return worst_of([found, "unproven"]) if self.reversed else found

    @property
    def text(self) -> str:
        """The figure, and its baseline where it has one."""
        if not isinstance(self.ideal, Estimate):
            return str(self.value)
        ours, _, theirs = self.unit.partition(" / ")
        return f"{ours} {self.value}; {theirs} {self.ideal}"


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{100 * value:.0f} %"


def _counted(share: Estimate) -> Estimate:
    return Estimate(share.value)  # of every row: no interval is needed


def _copies(pair: tuple[Estimate, Estimate], other: str, where: str = "") -> PrivacyFigure:
    return PrivacyFigure(
        f"Exact copies{where}",
        _counted(pair[0]),
        pair[1],
        "higher",
        "Share of rows that equal a real row in every column; some do by chance, where columns "
        f"are few. Ideal is no more than {other} have.",
        f"synthetic rows / {other}",
        LIMITS_OF_COPIES,
        blind_to="a copy with one digit changed",
    )


def _numbers(pair: tuple[Estimate, Estimate], column: str, where: str = "") -> PrivacyFigure:
    return PrivacyFigure(
        f"Numbers of one row alone{where}",
        *pair,
        "higher",
        f"Of the numbers in {column or 'columns of many values'}, the share that "
        "one real row alone holds. Who meets such a number knows that its owner was in the data. "
        "Ideal is no more than what other real rows have of them.",
        "synthetic rows / other real rows",
        LIMITS_OF_VALUES,
        blind_to="categories, and numbers of few values",
    )


def _cells(
    pair: tuple[Estimate, Estimate], column: str, other: str, where: str = ""
) -> list[PrivacyFigure]:
    """Return the figure of identifiers and texts, if there is a column of them."""
    if math.isnan(pair[0].value):
        return []
    figure = PrivacyFigure(
        f"Identifiers and texts{where}",
        *pair,
        "higher",
        f"Of the different cells of {column}, or contacts in them, the share that is a real one. "
        "Who meets his own knows that he was in the data. Ideal is no more than unseen rows have, "
        "or than chance.",
        f"synthetic rows / {other}",
        LIMITS_OF_COPIES,
        blind_to="names and texts inside longer cells",
    )
    return [figure]


def _delivered_figures(found: Delivered | None) -> list[PrivacyFigure]:
    """Return what is measured of the table that is handed on, beside an audit model."""
    if found is None:
        return []
    where = ", in the table delivered"
    among = f"; most are in {found.rare_category_in}" if found.rare_category_in else ""
    rare = PrivacyFigure(
        f"Rare categories{where}",
        found.rare_categories,
        0.0,
        "higher",
        f"Of categories ({found.n_rare:,}) that fewer than {found.min_count} real rows or "
        f"entities hold, the share that turns up{among}. One is enough: chance does not write it.",
        limits=(0.0, 0.0),
        blind_to="numbers",
    )
    return [
        _copies(found.copies, "real rows among themselves", where),
        _numbers(found.numbers_written_out, found.numbers_written_in, where),
        *([rare] if found.n_rare else []),
        *_cells(found.cells_written_out, found.cells_written_in, "chance", where),
    ]


def privacy_figures(found: Privacy) -> tuple[PrivacyFigure, ...]:
    """Return the figures in the order in which to read them."""
    given = found.holdout_is == "given"
    limits = LIMITS if given else None
    other = "hold-out rows" if given else "real rows among themselves"
    blind = "" if given else f" {_BLIND}"

    def dcr(name: str, share: Estimate, distance: str) -> PrivacyFigure:
        says = (
            f"Synthetic rows lie closer to a training row than to an unseen one in "
            f"{_percent(share.value)} of cases, by {distance}; 50 % is ideal.{blind}"
        )
        return PrivacyFigure(
            name,
            share,
            0.5,
            "higher",
            says,
            "",
            limits,
            True,
            _UNSEEN,
        )

    def paired(
        name: str,
        pair: tuple[Estimate, Estimate],
        worse: Literal["higher", "lower"],
        says: str,
        limits: tuple[float, float] | None = LIMITS,
        unit: str = f"synthetic rows / {other}",
        blind_to: str = "",
    ) -> PrivacyFigure:
        return PrivacyFigure(name, *pair, worse, says, unit, limits, blind_to=blind_to)

    curves = found.distances
    middle = curves.levels.index(0.5)
    near, base = curves.synthetic_train[middle], curves.holdout_train[middle]
    unseen = curves.synthetic_holdout[middle]
    of_holdout = paired(
        "Copies of hold-out rows",
        (_counted(found.copies_of_holdout[0]), found.copies_of_holdout[1]),
        "higher",
        "Share of rows that equal a hold-out row in every column. Where they are more than of "
        "training rows, the generator saw the hold-out, or the tables are swapped.",
        LIMITS_OF_COPIES,
        "synthetic rows / training rows",
        "a copy with one digit changed",
    )
    return (
        dcr("DCR share", found.dcr_share, "Gower's distance"),
        dcr("DCR share, Euclidean", found.dcr_share_euclidean, "Euclidean distance"),
        paired(
            "Distance to the closest record, median",
            (Estimate(near), Estimate(base)),
            "lower",
            f"Half of the synthetic rows lie within this distance of a training row (within "
            f"{unseen:.3f} of a hold-out row); 0 is a copy, 1 differs in every column. Not graded: "
            "averages of rows lie amid others and copy none.",
            None,
        ),
        paired(
            "NNDR",
            found.nndr,
            "lower",
            "Distance to the nearest real row over that to the second-nearest, median; near 0, "
            f"synthetic rows single out one real row. Ideal is no less than {other} have.",
            LIMITS_OF_NEIGHBORS,
            blind_to="copies of a few rows among many others",
        ),
        _copies(found.copies, other),
        PrivacyFigure(
            "Copied outliers",
            found.copied_outliers,
            0.0,
            "higher",
            "Share of synthetic rows that equal an outlier, a real row farther from all others "
            "than 99 % of rows are from theirs. One is enough: chance does not draw it.",
            limits=(0.0, 0.0),
            blind_to="an outlier with one digit changed",
        ),
        *([] if found.attacks else [_numbers(found.numbers_written_out, found.numbers_written_in)]),
        *_cells(found.cells_written_out, found.cells_written_in, f"{other} or chance"),
        paired(
            "Near-duplicates",
            found.near_duplicates,
            "higher",
            f"Share of rows no farther from a real row than the nearest 1 % of {other}. Ideal is "
            "no more than these have.",
            LIMITS_OF_NEAR,
            blind_to="what a few of the columns give away",
        ),
        paired(
            "Authenticity",
            (found.authenticity, found.authenticity_baseline),
            "lower",
            "Share of rows farther from their nearest real row than that row is from its own "
            f"nearest other one; copies score 0. Ideal is no less than {other} have.",
            LIMITS_OF_NEIGHBORS,
            blind_to="copies of rows that lie close together",
        ),
        PrivacyFigure(
            "Membership attack, AUC",
            found.membership,
            0.5,
            "higher",
            "Who takes real rows near a synthetic row for training rows is right this often, "
            f"against a row that is none; 0.5 is a guess and ideal, 1 finds all.{blind}",
            limits=limits,
            two_sided=True,
            blind_to="attackers who know more than distances",
        ),
        PrivacyFigure(
            "Rare combinations",
            *found.rare_combinations,
            "higher",
            "Of the rows that alone have some combination of up to three categories, the share for "
            f"which it turns up among synthetic rows; ideal is that both figures are equal.{blind}",
            "training rows / hold-out rows",
            limits,
            blind_to="numbers",
        ),
        *([of_holdout] if given else []),
        *_attack_figures(found),
        *_delivered_figures(found.delivered),
        PrivacyFigure(
            "Hold-out rows equal to a training row",
            Estimate(found.overlap / found.rows[2]),
            0.0,
            "higher",
            f"{found.overlap:,} of {found.rows[2]:,} hold-out rows equal a training row in every "
            "column. More than chance explains hide copying, for the hold-out is then not unseen.",
            limits=None,
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
        two_sided=True,
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
                LIMITS_OF_VALUES if one.name == EXACT_VALUES else LIMITS,
            )
            for one in found.attacks
        ),
    ]
