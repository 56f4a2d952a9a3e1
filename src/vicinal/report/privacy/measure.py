"""Privacy: how near synthetic rows stay to the rows that they were made from."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_choice
from vicinal._random import PrivacyKey, RandomState, Seeds
from vicinal._stats import Estimate
from vicinal.report.privacy.attack import attack_auc
from vicinal.report.privacy.copies import row_keys, singled_out
from vicinal.report.privacy.nearest import Found, Index, Points, Space, closer_share, effective_rows
from vicinal.report.tables import Part, Tables

__all__ = ["DistanceCurves", "Privacy", "measure_privacy"]

Floats = npt.NDArray[np.float64]

#: Rows whose neighbors are sought: at most, and at least whatever it costs.
MOST_QUERIES, LEAST_QUERIES = 20_000, 500
#: Rows and leaves looked at, times columns, that a report may cost: about ten seconds.
BUDGET = 15 * 10**9
#: Queries from which the cost of the others is known.
PILOT = 64
#: Share of the rows to compare with that are called near copies.
NEAR = 0.01
#: Where distance curves are given.
LEVELS = (0.0, 0.01, *(step / 40 for step in range(1, 40)), 0.99, 1.0)


@dataclass(frozen=True)
class DistanceCurves:
    """Quantiles of distances to the closest record, by Gower's distance.

    Attributes
    ----------
    levels : tuple of float
        Shares of rows, from 0 to 1.
    synthetic_train : tuple of float
        This share of synthetic rows is as near to a training row, or nearer.
    synthetic_holdout : tuple of float
        Synthetic rows to hold-out rows.
    holdout_train : tuple of float
        Hold-out rows to training rows: what rows that nobody copied look like.
    """

    levels: tuple[float, ...]
    synthetic_train: tuple[float, ...]
    synthetic_holdout: tuple[float, ...]
    holdout_train: tuple[float, ...]


@dataclass(frozen=True)
class Privacy:
    """How near synthetic rows stay to training rows, beside how near rows come that nobody copied.

    None of it is differential privacy, or any guarantee. In pairs of figures the first is of
    synthetic rows, the second of rows that were not made from the others, the baseline; both are
    shares or medians over rows, from 0 to 1.

    Attributes
    ----------
    rows : tuple of int
        Real (training), synthetic and hold-out rows.
    compared : int
        Synthetic rows whose neighbors were sought, always among all rows of the other tables.
    sampled : str
        Which rows were drawn, in words; empty where none were.
    holdout_is : str
        "given", or "split" off the real rows after the generator had seen them. Then ``closer``,
        ``closer_euclidean``, ``membership`` and ``singled_out`` say nothing; other figures
        compare synthetic rows with all real rows, and real rows with the other real rows.
    overlap : int
        Hold-out rows that equal a training row in every column.
    closer : Estimate
        Share of synthetic rows closer to a training row than to any hold-out row, by Gower's
        distance, stretched so that 0.5 is ideal whatever the sizes
        (:func:`vicinal.report.privacy.nearest.closer_share`).
    closer_euclidean : Estimate
        The same by the Euclidean distance of standardized numbers and one-hot categories.
    distances : DistanceCurves
        Distances to the closest record.
    neighbor_ratio : tuple of Estimate
        Median ratio of the distances to the nearest and the second-nearest training row; 1 where
        both are 0. Near 0, rows single out one training row.
    copies : tuple of Estimate
        Share of all rows that equal a training row in every column.
    near_copies : tuple of Estimate
        Share of rows no farther from a training row than the nearest 1 % of the baseline's; the
        second is 0.01 but for ties.
    authenticity : Estimate
        Share of synthetic rows farther from their nearest training row than that row is from its
        own nearest other one.
    authenticity_baseline : Estimate
        The same of the baseline.
    membership : Estimate
        Area under the ROC curve of an attacker who takes real rows near a synthetic row for
        training rows; 0.5 means nothing to gain, 1 that all are found out.
    singled_out : tuple of Estimate
        A rare combination is one of values of up to three categorical columns that a single real
        row has. Share of the training rows with a rare combination for which it turns up among
        synthetic rows; the same of hold-out rows, which shows how many turn up by chance. NaN
        where no row has one.
    tainted : bool
        Whether a given hold-out shares more rows with the training rows than chance explains, so
        that figures that compare with it cannot be relied on.

    References
    ----------
    Alaa, van Breugel, Saveliev and van der Schaar, "How Faithful is your Synthetic Data?", ICML
    2022 (authenticity). DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988 (the interval of
    the area).
    """

    rows: tuple[int, int, int]
    compared: int
    sampled: str
    holdout_is: str
    overlap: int
    closer: Estimate
    closer_euclidean: Estimate
    distances: DistanceCurves
    neighbor_ratio: tuple[Estimate, Estimate]
    copies: tuple[Estimate, Estimate]
    near_copies: tuple[Estimate, Estimate]
    authenticity: Estimate
    authenticity_baseline: Estimate
    membership: Estimate
    singled_out: tuple[Estimate, Estimate]
    tainted: bool = False

    def explained(self) -> tuple[tuple[str, str, str], ...]:
        """Return name, figure and one plain sentence for every figure.

        Returns
        -------
        tuple of (str, str, str)
            In the order in which to read them; the last is what they do not say.
        """
        given = self.holdout_is == "given"
        other = "hold-out rows" if given else "real rows, each beside the others"
        blind = (
            "The hold-out was split off rows that the generator had seen, so it looks good "
            "whatever the generator did: this figure proves nothing here."
        )

        def pair(figures: tuple[Estimate, Estimate]) -> str:
            return f"{figures[0]}; {other.split(',')[0]} {figures[1]}"

        return (
            (
                "Closer to training than to hold-out rows",
                str(self.closer),
                "Ideal is 0.5; 1 means that every synthetic row leans on a row it was made from."
                if given
                else blind,
            ),
            (
                "The same by Euclidean distance",
                str(self.closer_euclidean),
                "Ideal is 0.5 here too: a second distance, so that none is pleased alone."
                if given
                else blind,
            ),
            (
                "Distance to the closest record, median",
                f"{_middle(self.distances.synthetic_train)} to training, "
                f"{_middle(self.distances.synthetic_holdout)} to hold-out rows; hold-out to "
                f"training {_middle(self.distances.holdout_train)}",
                "Ideal is three like figures (0 is a copy, 1 differs in every column)."
                if given
                else "The generator had seen both halves, so the first two are alike whatever it "
                "did; ideal is that they are no smaller than the third.",
            ),
            (
                "Nearest over second-nearest distance",
                pair(self.neighbor_ratio),
                f"Ideal is no less than that of {other}; a smaller one means that synthetic rows "
                "hug single real rows.",
            ),
            (
                "Exact copies",
                pair(self.copies),
                f"Ideal is no more than that of {other}, which are alike by chance, as rows of few "
                "columns are.",
            ),
            (
                "Near copies",
                pair(self.near_copies),
                f"No farther from a real row than the nearest 1 % of {other}; ideal is no more "
                "than theirs.",
            ),
            (
                "Authentic rows",
                f"{self.authenticity}; {other.split(',')[0]} {self.authenticity_baseline}",
                "Farther from the nearest real row than that row is from its own nearest; ideal is "
                f"no less than that of {other}, and copies score 0.",
            ),
            (
                "Membership attack, area under the curve",
                str(self.membership),
                "Ideal is 0.5: who knows the synthetic table cannot tell training rows from others "
                "by how near they are to it."
                if given
                else blind,
            ),
            (
                "Rare combinations",
                f"training rows {_rare(self.singled_out[0])}; "
                f"hold-out rows {_rare(self.singled_out[1])}",
                "Of real rows alone in having some combination of up to three categories, those "
                "for which it turns up among synthetic rows; ideal is two like figures."
                if given
                else blind,
            ),
            (
                "Hold-out rows equal to a training row",
                f"{self.overlap:,} of {self.rows[2]:,}",
                "Ideal is none, or what rows equal by chance explain; more of them hide copying, "
                "because the hold-out then is no longer unseen.",
            ),
            (
                "Guarantee",
                "none",
                "None of this is differential privacy: these figures can find a leak, and cannot "
                "prove that there is none.",
            ),
        )


def _rare(figure: Estimate) -> str:
    return "have none" if math.isnan(figure.value) else str(figure)


def _middle(curve: tuple[float, ...]) -> str:
    return f"{curve[LEVELS.index(0.5)]:.3g}"


@dataclass(frozen=True, eq=False)
class _Queries:
    """Drawn rows of a table: which, and as points."""

    rows: npt.NDArray[np.int64]
    points: Points


def measure_privacy(
    tables: Tables,
    *,
    holdout_is: Literal["given", "split"],
    random_state: RandomState = 0,
) -> Privacy:
    """Measure how near synthetic rows stay to the rows that they were made from.

    Neighbors are exact and sought among all rows. On large tables they are sought for fewer rows
    (500 to 20,000, drawn at random), so that the work stays within a fixed number of comparisons;
    intervals say what that costs. Copies and rare combinations are counted over all rows.

    Parameters
    ----------
    tables : Tables
        With a hold-out.
    holdout_is : {"given", "split"}
        Whether the generator never saw the hold-out rows, or they were split off afterwards.
    random_state : int, numpy.random.Generator or None, default 0
        Draws rows where there are many.

    Returns
    -------
    Privacy
        Figures with 95 % intervals.

    Raises
    ------
    ValueError
        If there is no hold-out, or it has no rows.

    Warns
    -----
    UserWarning
        If a given hold-out shares more rows with the training rows than rows that are equal by
        chance explain.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.report.tables import align
    >>> x = np.random.default_rng(0).normal(size=(600, 3))
    >>> train, holdout = (pa.table(dict(zip("abc", part.T))) for part in (x[:300], x[300:]))
    >>> found = measure_privacy(align(train, train, holdout), holdout_is="given")
    >>> found.copies[0].value, found.authenticity.value  # the "synthetic" rows are the real ones
    (1.0, 0.0)
    """
    check_choice("holdout_is", holdout_is, ("given", "split"))
    holdout = tables.holdout
    if holdout is None or not len(holdout):
        raise ValueError(
            "tables have no hold-out rows, without which no figure says whether rows are near "
            "because they were copied. Align them with rows that the generator never saw, or "
            "split some off with at least two real rows."
        )
    seeds = Seeds(random_state)
    parts = tables.real, tables.synthetic, holdout
    space, plain = Space(tables), Space(tables, "euclidean")
    train, made, hold = (Index(space, space.points(part)) for part in parts)
    orders = [
        seeds.generator(key).permutation(len(part))
        for key, part in zip(PrivacyKey, parts, strict=False)
    ]
    pilot = _drawn((train, made, hold), orders, PILOT)
    straight = [Index(plain, plain.points(part)) for part in (tables.real, holdout)]
    unbent = plain.points(tables.synthetic)
    whole, n_train = train, len(train)
    if holdout_is == "split":
        whole = Index(space, Points.joined(train.points, hold.points))
    count = _affordable(
        [
            *((index, pilot[1].points) for index in (train, hold, whole, whole, whole, whole)),
            *((made, pilot[at].points) for at in (0, 2)),
            *((index, unbent.take(pilot[1].rows)) for index in straight),
        ]
    )
    own, asked, kept = _drawn((train, made, hold), orders, count)

    known = holdout_is == "given"
    near_train = train.search(asked.points, second=known)
    near_hold = hold.search(asked.points)
    base_train = train.search(kept.points, second=known)
    near, base = near_train, base_train
    itself = np.full((len(kept.rows), 1), -1, np.int64)
    if not known:
        near = whole.search(asked.points, second=True)
        itself = _drawn_rows(seeds.generator(PrivacyKey.THEMSELVES), len(whole), count)[:, None]
        base = whole.search(whole.points.take(itself[:, 0]), skip=itself, second=True)
    euclidean = [index.search(unbent.take(asked.rows)) for index in straight]
    to_made = [made.search(queries.points).distance for queries in (own, kept)]
    nothing = Estimate(math.nan)
    ratio = authentic = near_copies = (nothing, nothing)
    if len(whole) >= 3:  # with fewer, a nearest row has no other
        ratio = _ratio(near), _ratio(base)
        authentic = (
            _authentic(whole, near, np.full((len(near.rows), 1), -1, np.int64)),
            _authentic(whole, base, itself),
        )
        limit = np.quantile(base.distance, NEAR, method="inverted_cdf")
        near_copies = (
            _clustered(near.distance <= limit, near.rows),
            _clustered(base.distance <= limit, base.rows),
        )
    copies, overlap, twins = _copies(*parts, known)
    expected = Estimate.of_share(twins, n_train)
    tainted = known and bool(
        overlap and (not twins or Estimate.of_share(overlap, len(holdout)).low > expected.high)
    )
    if tainted:
        warnings.warn(
            f"{overlap:,} of {len(holdout):,} hold-out rows equal a training row in every column, "
            f"more than chance explains ({expected.value:.2%} of training rows equal another one). "
            "Figures that compare with the hold-out cannot be relied on: leave these rows out of "
            "it.",
            UserWarning,
            stacklevel=3,
        )
    rare, turned_up, all_seen = singled_out(
        Part(
            np.concatenate([tables.real.numbers, holdout.numbers]),
            np.concatenate([tables.real.codes, holdout.codes]),
        ),
        tables.synthetic,
        tuple(len(levels) for levels in tables.levels),
        seeds.generator(PrivacyKey.COMBINATIONS),
    )
    of_train, of_hold = (
        Estimate.of_share(int(turned_up[which].sum()), int(rare[which].sum()))
        for which in (slice(n_train), slice(n_train, None))
    )
    return Privacy(
        rows=(n_train, len(made), len(hold)),
        compared=len(asked.rows),
        sampled=_sampled([len(one) for one in (train, made, hold)], count, all_seen),
        holdout_is=holdout_is,
        overlap=overlap,
        closer=closer_share(near_train, near_hold, n_train, len(hold)),
        closer_euclidean=closer_share(euclidean[0], euclidean[1], n_train, len(hold)),
        distances=DistanceCurves(
            LEVELS, *(_curve(one.distance) for one in (near_train, near_hold, base_train))
        ),
        neighbor_ratio=ratio,
        copies=copies,
        near_copies=near_copies,
        authenticity=authentic[0],
        authenticity_baseline=authentic[1],
        membership=attack_auc(*to_made),
        singled_out=(of_train, of_hold),
        tainted=tainted,
    )


def _drawn(
    indexes: tuple[Index, ...], orders: list[npt.NDArray[np.int64]], count: int
) -> list[_Queries]:
    """Return the first rows of each table in its order; all of them in theirs where few."""
    drawn = []
    for index, order in zip(indexes, orders, strict=True):
        rows = np.sort(order[:count])
        drawn.append(_Queries(rows, index.points.take(rows)))
    return drawn


def _drawn_rows(rng: np.random.Generator, total: int, count: int) -> npt.NDArray[np.int64]:
    return np.sort(rng.permutation(total)[:count])


def _affordable(searches: list[tuple[Index, Points]]) -> int:
    """Return for how many rows all these searches stay within the budget.

    It counts comparisons, not seconds, so that a seed gives the same figures on every machine.
    """
    cost = sum(float(index.search(points).work.mean()) for index, points in searches)
    return int(np.clip(BUDGET / max(cost, 1.0), LEAST_QUERIES, MOST_QUERIES))


def _sampled(sizes: list[int], count: int, all_seen: bool) -> str:
    names = ("training", "synthetic", "hold-out")
    cut = [f"{count:,} of {n:,} {name}" for n, name in zip(sizes, names, strict=True) if n > count]
    said = []
    if cut:
        said.append(
            f"Neighbors were sought for {', '.join(cut)} rows, drawn at random, among all rows."
        )
    if not all_seen:
        said.append("Rare combinations were sought in a random choice of columns.")
    return " ".join(said)


def _curve(distances: Floats) -> tuple[float, ...]:
    if not len(distances):
        return (math.nan,) * len(LEVELS)
    return tuple(np.quantile(distances, LEVELS).tolist())


def _clustered(hits: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64]) -> Estimate:
    """Return a share whose interval knows that rows with the same neighbor hit together."""
    worth = int(effective_rows(rows))
    return Estimate.of_share(float(hits.mean()) * worth if len(hits) else 0.0, worth)


def _ratio(found: Found) -> Estimate:
    """Return the median of nearest over second-nearest distance, with the interval of ranks."""
    ratios = np.ones(len(found.distance))
    np.divide(found.distance, found.second, out=ratios, where=found.second > 0)
    ratios.sort()
    if not len(ratios):
        return Estimate(math.nan)
    half = 0.98 / math.sqrt(effective_rows(found.rows))  # of 1.96 standard errors of a share of 1/2
    low, high = (np.quantile(ratios, min(max(0.5 + side, 0.0), 1.0)) for side in (-half, half))
    return Estimate(float(np.median(ratios)), float(low), float(high))


def _authentic(index: Index, found: Found, itself: npt.NDArray[np.int64]) -> Estimate:
    skip = np.concatenate([found.rows[:, None], itself], axis=1)
    others = index.search(index.points.take(found.rows), skip=skip)
    return _clustered(found.distance > others.distance, found.rows)


def _copies(
    train: Part, made: Part, hold: Part, known: bool
) -> tuple[tuple[Estimate, Estimate], int, int]:
    """Return shares of copies, and how many hold-out rows and training rows have an equal."""
    own, drawn, others = (row_keys(one) for one in (train, made, hold))
    equal = int(np.isin(others, own).sum())
    real, baseline = own, Estimate.of_share(equal, len(others))
    if not known:
        real = np.concatenate([own, others])
        baseline = Estimate.of_share(_twins(real), len(real))
    copied = Estimate.of_share(int(np.isin(drawn, real).sum()), len(drawn))
    return (copied, baseline), equal, _twins(own)


def _twins(keys: npt.NDArray[np.uint64]) -> int:
    """Return how many keys occur more than once."""
    _, counts = np.unique(keys, return_counts=True)
    return int(counts[counts > 1].sum())
