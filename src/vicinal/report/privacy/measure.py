"""Privacy: how near synthetic rows stay to the rows that they were made from."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from vicinal._checks import check_choice
from vicinal._random import PrivacyKey, RandomState, Seeds
from vicinal._stats import Estimate, auc_estimate
from vicinal._types import Bools, Floats, Ints
from vicinal.page.result import Result
from vicinal.report.privacy.attacks import run_attacks
from vicinal.report.privacy.copies import Copies, count_copies
from vicinal.report.privacy.dcr import dcr_share, effective_rows
from vicinal.report.privacy.delivered import Delivered
from vicinal.report.privacy.density import density_attack
from vicinal.report.privacy.figures import NO_GUARANTEE, PrivacyFigure, privacy_figures
from vicinal.report.privacy.nearest import Found, Index, Points, Space
from vicinal.report.privacy.rare import rare_combinations
from vicinal.report.privacy.risk import Attack
from vicinal.report.privacy.values import Written, numbers_written_out
from vicinal.report.tables import FEW_ROWS, Part, Tables, row_keys

Rows = Ints

#: Rows whose neighbors are sought: at most, and at least whatever it costs.
MOST_QUERIES, LEAST_QUERIES = 20_000, 500
#: Rows and leaves looked at, times columns, that a report may cost: about ten seconds.
BUDGET = 15 * 10**9
#: Queries from which the cost of the others is known.
PILOT = 64
#: Share of the rows to compare with that are called near-duplicates.
NEAR = 0.01
#: Rows farther from the next one than this share of rows are outliers ...
OUTLYING = 0.99
#: ... whose copies are looked for among so many copied rows, at most ...
MOST_COPIED = 2_000
#: ... unless more rows than this share equal another one by chance.
COARSE = 0.01
#: Where distance curves are given.
LEVELS = (0.0, 0.01, *(step / 40 for step in range(1, 40)), 0.99, 1.0)

UNKNOWN = Estimate(math.nan)


@dataclass(frozen=True)
class DistanceCurves:
    """Quantiles of distances to the closest record, by Gower's distance.

    Attributes
    ----------
    levels : tuple of float
        Shares of rows, from 0 to 1.
    synthetic_train, synthetic_holdout : tuple of float
        This share of synthetic rows is as near to a training (hold-out) row, or nearer.
    holdout_train : tuple of float
        Hold-out rows to training rows: what rows that nobody copied look like.
    """

    levels: tuple[float, ...]
    synthetic_train: tuple[float, ...]
    synthetic_holdout: tuple[float, ...]
    holdout_train: tuple[float, ...]


@dataclass(frozen=True)
class Privacy(Result):
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
        "given", or "split" off the real rows after the generator had seen them. Then ``dcr_share``,
        ``dcr_share_euclidean``, ``membership`` and ``rare_combinations`` say nothing; other figures
        compare synthetic rows with all real rows, and real rows with the other real rows.
    overlap : int
        Hold-out rows that equal a training row in every column.
    dcr_share, dcr_share_euclidean : Estimate
        Share of synthetic rows closer to a training row than to any hold-out row, stretched so that
        0.5 is ideal whatever the sizes; by Gower's distance, and by the Euclidean one of
        standardized numbers and one-hot categories.
    distances : DistanceCurves
        Distances to the closest record.
    nndr : tuple of Estimate
        Median ratio of the distances to the nearest and the second-nearest training row; 1 where
        both are 0. Near 0, rows single out one training row.
    copies : tuple of Estimate
        Share of all rows that equal a training row in every column.
    near_duplicates : tuple of Estimate
        Share of rows no farther from a training row than the nearest 1 % of the baseline's; the
        second is 0.01 but for ties.
    authenticity, authenticity_baseline : Estimate
        Share of rows farther from their nearest training row than that row is from its own nearest
        other one.
    membership : Estimate
        Area under the ROC curve of an attacker who takes real rows near a synthetic row for
        training rows; 0.5 means nothing to gain, 1 that all are found out.
    membership_by_density : Estimate or None
        The same of an attacker who takes rows where synthetic rows are denser than unseen ones.
    attacks : tuple of Attack
        Exact values, singling out, linkability and attribute inference: ``name``, ``success``
        against training rows, ``control`` against hold-out rows, and ``risk``, what is left of the
        success beyond the control. Empty without a given hold-out, or with fewer than 50 rows.
    rare_combinations : tuple of Estimate
        Of the training (hold-out) rows that alone have some combination of values of up to three
        categorical columns, the share for which it turns up among synthetic rows. NaN where no row
        has one.
    copies_of_holdout : tuple of Estimate
        Share of synthetic and of training rows that equal a hold-out row in every column.
    numbers_written_out : tuple of Estimate
        Share of numbers that one real row alone holds, in columns of such numbers: of the numbers
        of synthetic rows, and of other real rows. NaN where the attack on exact values says more.
    numbers_written_in : str
        The column of which that is; empty where it is all such columns together.
    cells_written_out : tuple of Estimate
        Share of identifiers and texts that are a real one, each counted once: of synthetic rows,
        and of hold-out rows or by chance. NaN where no column of them is in all tables.
    cells_written_in : str
        The column of which that is, the worst one.
    copied_outliers : Estimate
        Synthetic rows that equal an outlier, as a share of all. NaN where over 1 % of real rows
        equal another one, for then chance makes equal rows.
    tainted : bool
        Whether a given hold-out shares more rows with the training rows than chance explains, or
        entities, and figures that compare with it cannot be relied on.
    delivered : Delivered or None
        Where all other figures are of an audit model: what needs no hold-out, of the table that is
        handed on.

    References
    ----------
    Alaa, van Breugel, Saveliev and van der Schaar, "How Faithful is your Synthetic Data?", ICML
    2022 (authenticity). Giomi, Boenisch, Wehmeyer and Tasnadi, "A Unified Framework for Quantifying
    Privacy Risk in Synthetic Data", PoPETs 2023 (singling out, linkability, inference). van
    Breugel, Sun, Qian and van der Schaar, "Membership Inference Attacks against Synthetic Data
    through Overfitting Detection", AISTATS 2023 (density). DeLong, DeLong and Clarke-Pearson,
    Biometrics 44, 1988 (the interval of the area).
    """

    rows: tuple[int, int, int]
    compared: int
    sampled: str
    holdout_is: str
    overlap: int
    dcr_share: Estimate
    dcr_share_euclidean: Estimate
    distances: DistanceCurves
    nndr: tuple[Estimate, Estimate]
    copies: tuple[Estimate, Estimate]
    near_duplicates: tuple[Estimate, Estimate]
    authenticity: Estimate
    authenticity_baseline: Estimate
    membership: Estimate
    rare_combinations: tuple[Estimate, Estimate]
    copies_of_holdout: tuple[Estimate, Estimate] = (UNKNOWN, UNKNOWN)
    numbers_written_out: tuple[Estimate, Estimate] = (UNKNOWN, UNKNOWN)
    numbers_written_in: str = ""
    cells_written_out: tuple[Estimate, Estimate] = (UNKNOWN, UNKNOWN)
    cells_written_in: str = ""
    copied_outliers: Estimate = UNKNOWN
    tainted: bool = False
    membership_by_density: Estimate | None = None
    attacks: tuple[Attack, ...] = ()
    delivered: Delivered | None = None

    @property
    def figures(self) -> tuple[PrivacyFigure, ...]:
        """Every figure with its baseline and one sentence, in the order in which to read them."""
        return privacy_figures(self)

    def summary(self) -> str:
        """Return the figures as a text of one line each."""
        lines = [f"{one.name} {one.text}: {one.says}" for one in self.figures]
        return "\n".join([*lines, NO_GUARANTEE])


def measure_privacy(
    tables: Tables,
    *,
    holdout_is: Literal["given", "split"],
    random_state: RandomState = None,
) -> Privacy:
    """Measure how near synthetic rows stay to the rows that they were made from."""
    # neighbors are sought for fewer rows of large tables, so that the work stays within a fixed
    # number of comparisons; copies and rare combinations are counted over all rows
    check_choice("holdout_is", holdout_is, ("given", "split"))
    holdout = tables.holdout
    if holdout is None or not len(holdout):
        raise ValueError(
            "tables have no hold-out rows, without which no figure says whether rows are near "
            "because they were copied. Align them with rows that the generator never saw, or "
            "split some off with at least two real rows."
        )
    known = holdout_is == "given"
    seeds = Seeds(random_state)
    found = _search(tables, holdout, known, seeds)
    sizes = len(tables.real), len(tables.synthetic), len(holdout)
    nndr, (authentic, baseline), near = _among_real(found)
    copies = count_copies(tables.real, tables.synthetic, holdout, known=known)
    if known and copies.overlap == sizes[0] == sizes[2] and copies.repeated < sizes[0] / 2:
        raise ValueError(
            "The hold-out is the training table: every row of it equals a training row. Give rows "
            "that the generator never saw, or leave the hold-out out."
        )
    tainted = known and _is_tainted(copies, sizes[0], sizes[2])
    rare, turned_up, all_seen = rare_combinations(
        np.concatenate([tables.real.codes, holdout.codes]),
        tables.synthetic.codes,
        tuple(len(levels) for levels in tables.levels),
        seeds.generator(PrivacyKey.COMBINATIONS),
    )
    of_train, of_hold = (
        Estimate.of_share(int(hits.sum()), int(there.sum()))
        for hits, there in zip(
            np.split(turned_up, [sizes[0]]), np.split(rare, [sizes[0]]), strict=True
        )
    )
    attacked = seeds.generator(PrivacyKey.ATTACKS)
    by_density: Estimate | None = None
    attacks: tuple[Attack, ...] = ()
    some, said = tables.narrowed()
    if known and min(sizes[0], sizes[2]) >= FEW_ROWS:
        by_density = attack_auc(*(-one for one in density_attack(some, attacked)))
        attacks = run_attacks(tables, attacked)
    written = Written(UNKNOWN, UNKNOWN)
    if not attacks:
        whole = tables.real if known else tables.real.joined(holdout)
        written = numbers_written_out(tables, whole)
    return Privacy(
        rows=sizes,
        compared=len(found.to_train.rows),
        sampled=_sampled(sizes, found.n_queries, all_seen, said if attacks else ""),
        holdout_is=holdout_is,
        overlap=copies.overlap,
        dcr_share=dcr_share(found.to_train, found.to_hold, sizes[0], sizes[2]),
        dcr_share_euclidean=dcr_share(*found.euclidean, sizes[0], sizes[2]),
        distances=DistanceCurves(
            LEVELS, *map(_curve, (found.to_train, found.to_hold, found.hold_to_train))
        ),
        nndr=nndr,
        copies=(copies.synthetic, copies.baseline),
        near_duplicates=near,
        authenticity=authentic,
        authenticity_baseline=baseline,
        membership=attack_auc(found.train_to_made, found.hold_to_made),
        rare_combinations=(of_train, of_hold),
        copies_of_holdout=copies.of_holdout,
        numbers_written_out=(written.found, written.control),
        numbers_written_in=written.column,
        copied_outliers=_copied_outliers(tables, holdout, found, copies),
        tainted=tainted,
        membership_by_density=by_density,
        attacks=attacks,
    )


def _is_tainted(copies: Copies, n_train: int, n_hold: int) -> bool:
    """Tell whether a hold-out shares more rows with the training rows than chance; warn of it."""
    expected = Estimate.of_share(copies.repeated, n_train)
    if not copies.overlap or Estimate.of_share(copies.overlap, n_hold).low <= expected.high:
        return False
    warnings.warn(
        f"{copies.overlap:,} of {n_hold:,} hold-out rows equal a training row in every column, "
        f"more than chance explains ({expected.value:.2%} of training rows equal another one). "
        "Figures that compare with the hold-out cannot be relied on: leave these rows out of "
        "it.",
        UserWarning,
        stacklevel=4,
    )
    return True


def _copied_outliers(tables: Tables, holdout: Part, found: _Neighbors, copies: Copies) -> Estimate:
    """Count synthetic rows that equal a real row which lies apart from all others."""
    sizes = len(tables.real), len(holdout)
    coarse = max(copies.repeated / sizes[0], copies.baseline.value)
    if coarse > COARSE or len(found.real) < 3:
        return UNKNOWN
    real = row_keys(tables.real)
    if len(found.real) > len(real):
        real = np.concatenate([real, row_keys(holdout)])
    made = row_keys(tables.synthetic)
    rows = np.flatnonzero(np.isin(real, made))
    limit, apart = np.quantile(found.base.distance, OUTLYING), []
    for some in np.array_split(rows, 1 + len(rows) // MOST_COPIED):
        if len(some):
            others = found.real.search(found.real.points.take(some), skip=some[:, None])
            apart.append(some[others.distance > limit])
    rows = np.concatenate([rows[:0], *apart])
    return Estimate(int(np.isin(made, real[rows]).sum()) / len(made))


class _Neighbors(NamedTuple):
    """Nearest rows, from which all figures of distance are made; of drawn rows, by Gower."""

    n_queries: int
    to_train: Found  # of synthetic rows among training rows
    to_hold: Found  # of synthetic rows among hold-out rows
    hold_to_train: Found
    euclidean: tuple[Found, Found]  # of synthetic rows among training and hold-out rows
    train_to_made: Floats  # distances to the nearest synthetic row
    hold_to_made: Floats
    real: Index  # all rows that the generator saw
    to_real: Found  # of synthetic rows among them
    base: Found  # of rows that nobody copied, among them
    itself: Rows  # (n_queries, 1), where those stand among the real rows; -1 where they do not


def _search(tables: Tables, holdout: Part, known: bool, seeds: Seeds) -> _Neighbors:
    """Seek neighbors of as many rows as the budget allows."""
    parts = tables.real, tables.synthetic, holdout
    space, plain = Space(tables), Space(tables, "euclidean")
    train, made, hold = (Index(space, space.points(part)) for part in parts)
    real = train if known else Index(space, Points.joined(train.points, hold.points))
    straight = [Index(plain, plain.points(part)) for part in (tables.real, holdout)]
    unbent = plain.points(tables.synthetic)
    indices = train, made, hold
    orders = [
        seeds.generator(key).permutation(len(part))
        for key, part in zip(PrivacyKey, parts, strict=False)
    ]

    def drawn(count: int) -> tuple[Points, Points, Points, Points]:
        rows = [np.sort(order[:count]) for order in orders]
        own, asked, kept = (
            index.points.take(some) for index, some in zip(indices, rows, strict=True)
        )
        return own, asked, kept, unbent.take(rows[1])

    own, asked, kept, flat = drawn(PILOT)
    searches = [(index, asked) for index in (train, hold, real, real, real, real)]
    searches += [(made, own), (made, kept), *((index, flat) for index in straight)]
    count = _affordable(searches)
    own, asked, kept, flat = drawn(count)
    to_real = to_train = train.search(asked, second=known)
    base = hold_to_train = train.search(kept, second=known)
    itself = np.full((len(kept.numbers), 1), -1, np.int64)
    if not known:
        order = seeds.generator(PrivacyKey.THEMSELVES).permutation(len(real))
        itself = np.sort(order[:count])[:, None]
        to_real = real.search(asked, second=True)
        base = real.search(real.points.take(itself[:, 0]), skip=itself, second=True)
    return _Neighbors(
        n_queries=count,
        to_train=to_train,
        to_hold=hold.search(asked),
        hold_to_train=hold_to_train,
        euclidean=(straight[0].search(flat), straight[1].search(flat)),
        train_to_made=made.search(own).distance,
        hold_to_made=made.search(kept).distance,
        real=real,
        to_real=to_real,
        base=base,
        itself=itself,
    )


def _affordable(searches: list[tuple[Index, Points]]) -> int:
    """Return for how many rows all these searches stay within the budget."""
    # comparisons, not seconds, so that a seed gives the same figures on every machine
    cost = sum(float(index.search(points).work.mean()) for index, points in searches)
    return int(np.clip(BUDGET / max(cost, 1.0), LEAST_QUERIES, MOST_QUERIES))


Pair = tuple[Estimate, Estimate]  # of synthetic rows, and of rows that nobody copied


def _among_real(found: _Neighbors) -> tuple[Pair, Pair, Pair]:
    """Return NNDR, authenticity and the share of near-duplicates."""
    nothing = Estimate(math.nan)
    if len(found.real) < 3:  # a nearest row has no other
        return (nothing, nothing), (nothing, nothing), (nothing, nothing)
    near, base = found.to_real, found.base
    strangers = np.full((len(near.rows), 1), -1, np.int64)
    limit = np.quantile(base.distance, NEAR, method="inverted_cdf")
    authentic = _authentic(found.real, near, strangers), _authentic(found.real, base, found.itself)
    close = (_clustered(one.distance <= limit, one.rows) for one in (near, base))
    return (_ratio(near), _ratio(base)), authentic, (next(close), next(close))


def _sampled(sizes: tuple[int, ...], count: int, all_seen: bool, some: str) -> str:
    names = ("training", "synthetic", "hold-out")
    cut = [f"{count:,} of {n:,} {name}" for n, name in zip(sizes, names, strict=True) if n > count]
    said = f"Neighbors were sought for {', '.join(cut)} rows, drawn at random, among all rows."
    rest = "" if all_seen else "Rare combinations were sought in a random choice of columns."
    few = f"Attacks, but for exact values, know {some}." if some else ""
    return " ".join(one for one in (said if cut else "", rest, few) if one)


def _curve(found: Found) -> tuple[float, ...]:
    if not len(found.distance):
        return (math.nan,) * len(LEVELS)
    return tuple(np.quantile(found.distance, LEVELS).tolist())


def attack_auc(members: Floats, strangers: Floats) -> Estimate:
    """Return the area under the ROC curve of "the nearer, the likelier a member"."""
    if not min(len(members), len(strangers)):
        return Estimate(math.nan)
    return auc_estimate(-strangers, -members)


def _clustered(hits: Bools, rows: Rows) -> Estimate:
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


def _authentic(index: Index, found: Found, itself: Rows) -> Estimate:
    skip = np.concatenate([found.rows[:, None], itself], axis=1)
    others = index.search(index.points.take(found.rows), skip=skip)
    return _clustered(found.distance > others.distance, found.rows)
