"""An audit: a synthesizer is attacked before what it makes is handed on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vicinal._checks import check_count, check_number
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import AuditKey, RandomState, Seeds
from vicinal._stats import Estimate, auc_estimate
from vicinal._threads import n_threads
from vicinal._types import Floats, Ints
from vicinal.page.frame import Page
from vicinal.page.plain import to_plain
from vicinal.page.result import RowsResult
from vicinal.report.privacy.density import log_ratio
from vicinal.report.privacy.epsilon import EpsilonBound
from vicinal.report.privacy.figures import NO_GUARANTEE
from vicinal.report.privacy.measure import Privacy, measure_privacy
from vicinal.report.privacy.membership import Membership, attack_shadows, bound_from_shadows
from vicinal.report.privacy.shadows import Subject, run_shadows
from vicinal.report.privacy.signals import SIGNALS, Signals, distance_to_others
from vicinal.report.tables import FEW_ROWS, Tables, halves, row_keys
from vicinal.table.frames import to_arrow

#: Fewer shadow tables teach an attacker nothing.
LEAST_SHADOWS = 16
#: False-positive rates that are always said.
RATES = (0.001, 0.01, 0.05, 0.1)
#: Records that the summary names.
NAMED = 5


@dataclass(frozen=True)
class ExposedRecord:
    """A record that was attacked.

    Attributes
    ----------
    row : int
        Its place in the table, from 0.
    auc : Estimate
        Area under the ROC curve of the attack on it alone, over shadow tables; 0.5 is a guess. The
        largest of many is too large by chance: read the interval.
    distance : float
        Its mean Gower distance to the nearest two other rows.
    """

    row: int
    auc: Estimate
    distance: float


@dataclass(frozen=True)
class AuditResult(RowsResult):
    """What attacks found out about a synthesizer.

    Attributes
    ----------
    rows : int
        Rows that took part.
    shadows : int
        Synthetic tables that were made with and without the attacked records.
    membership : Membership
        The attack by shadow models, which knows every other row of the table.
    by_distance, by_density : Estimate
        Area under the ROC curve of simpler attacks on the same records: the nearer a synthetic row,
        and the nearer in comparison with other real rows.
    epsilon : EpsilonBound
        What the attacks rule out for the epsilon of differential privacy: ``value``, ``p_value``.
    worst_records : tuple of ExposedRecord
        The attacked records, the most exposed first.
    privacy : Privacy
        Every figure of a report, of one model trained on half of the rows, with the other half
        unseen.
    notes : tuple of str
        What was left out, in words.
    random_state : int or None
        Seed; None where it was no number.
    """

    rows: int
    shadows: int
    membership: Membership
    by_distance: Estimate
    by_density: Estimate
    epsilon: EpsilonBound
    worst_records: tuple[ExposedRecord, ...]
    privacy: Privacy
    notes: tuple[str, ...] = ()
    random_state: int | None = None

    @property
    def epsilon_lower_bound(self) -> float:
        """Epsilon is no less than this, but for a chance of 5 %; 0 where nothing was shown."""
        return self.epsilon.value

    @property
    def rates(self) -> tuple[tuple[float, Estimate], ...]:
        """True-positive rates of the attack by shadow models, by false-positive rate."""
        return tuple((rate, self.membership.tpr_at(rate)) for rate in RATES)

    @property
    def headline(self) -> str:
        """The answer in one sentence."""
        found = self.membership.tpr_at(0.01)
        return (
            f"Of the {len(self.worst_records):,} most exposed records, an attacker who knows all "
            f"other rows finds {found.value:.1%} ({found.low:.1%} to {found.high:.1%}) where 1 % "
            "of records that were not in the data are accused; a guess finds 1 %."
        )

    @property
    def epsilon_says(self) -> str:
        """What the bound on epsilon means, in words."""
        one = self.epsilon
        counted = (
            f"{one.right:,} of {one.guesses:,} guesses of who was in were right (p = "
            f"{one.p_value:.2g} if nothing leaked)"
        )
        if one.value == 0:
            return f"No bound on epsilon: {counted}. This proves no privacy."
        return (
            f"Epsilon is at least {one.value:.2f}: {counted}. A mechanism of a smaller epsilon "
            f"would be called worse than it is in {one.level:.0%} of audits."
        )

    def summary(self) -> str:
        """Return the findings as text."""
        rates = ", ".join(f"{found.value:.1%} at {rate:.1%}" for rate, found in self.rates)
        worst = ", ".join(f"row {one.row} (AUC {one.auc})" for one in self.worst_records[:NAMED])
        lines = [
            self.headline,
            "",
            f"Membership by shadow models: AUC {self.membership.auc}; found, at false-positive "
            f"rates: {rates}.",
            f"Membership by distance: AUC {self.by_distance}; by density ratio: {self.by_density}.",
            self.epsilon_says,
            f"Most exposed: {worst}.",
            "",
            "One model trained on half of the rows, the other half unseen:",
            self.privacy.summary(),
        ]
        notes = [one for one in self.notes if one != NO_GUARANTEE]  # said of privacy already
        return "\n".join([*lines, *(("", *notes) if notes else ())])

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as plain JSON values, rates of the attack in place of its scores."""
        rates = {f"{rate:g}": found for rate, found in self.rates}
        attack = {"auc": self.membership.auc, "true_positive_rate": rates}
        names = ("rows", "shadows", "by_distance", "by_density", "worst_records", "privacy")
        plain: dict[str, Any] = to_plain(
            {"version": 1, "membership": attack, "epsilon": self.epsilon._asdict()}
            | {name: getattr(self, name) for name in (*names, "notes", "random_state")}
        )
        return plain

    def _columns(self) -> dict[str, Any]:
        every = self.worst_records
        return {
            "row": [one.row for one in every],
            "auc": [one.auc.value for one in every],
            "low": [one.auc.low for one in every],
            "high": [one.auc.high for one in every],
            "distance": [one.distance for one in every],
        }

    def _page(self) -> Page:
        from vicinal.report.page.audit_page import audit_page

        return audit_page(self)


def audit_synthesizer(
    synthesizer: Any,
    table: Any,
    *,
    shadows: int = 64,
    records: int = 200,
    kinds: Mapping[str, str] | None = None,
    delta: float = 0.0,
    max_rows: int = 10_000,
    n_jobs: int | None = None,
    random_state: RandomState = None,
    progress: bool | ProgressCallback = False,
) -> AuditResult:
    """Attack a synthesizer, and say whether it can be told who was in the data.

    Parameters
    ----------
    synthesizer : callable, or object with ``fit`` and ``sample``
        What to attack: a function that returns a fresh one, such as ``lambda:
        TableSynthesizer(privacy="high")``, or one to copy. ``fit(table)`` learns, ``sample(n)``
        returns n rows. Where its ``random_state`` is None it is set, so that audits repeat.
    table : pandas, Polars or PyArrow table
        The real rows.
    shadows : int, default 64
        How many synthetic tables to make, at least 16. Each is learned from all other rows and
        from every attacked record by the toss of a coin.
    records : int, default 200
        How many records to attack: those farthest from all others. At most half of the rows.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong.
    delta : float, default 0
        Delta of the (epsilon, delta)-privacy that the bound on epsilon is about.
    max_rows : int, default 10000
        Rows that take part, at most, drawn at random. In a smaller table each row is more exposed.
    n_jobs : int, optional
        Processes; as many as there are processors where left out.
    random_state : int, numpy.random.Generator or None, default None
        Seed.
    progress : bool or ProgressCallback, default False
        Whether to show a bar on standard error, or what to call.

    Returns
    -------
    AuditResult
        Membership by shadow models, a lower bound on epsilon, the records, and the figures of a
        report on a model trained on half of the rows.

    Raises
    ------
    TypeError
        If the synthesizer is none.
    ValueError
        If the table has fewer than 50 rows, a number is too small or too large for memory, or the
        synthesizer fails or returns other columns or another number of rows.

    Notes
    -----
    The attacker knows the synthesizer and every row but those attacked, and learns from the other
    shadow tables what a synthetic table looks like with and without a record. That is the attacker
    of differential privacy's definition, stronger than most in the world. An attack that fails
    proves nothing: a better one may succeed.

    References
    ----------
    Carlini et al., "Membership Inference Attacks From First Principles", S&P 2022. Steinke, Nasr
    and Jagielski, "Privacy Auditing with One (1) Training Run", NeurIPS 2023.

    Examples
    --------
    >>> import pyarrow as pa
    >>> class Copies:
    ...     def fit(self, table):
    ...         self.table = table
    ...
    ...     def sample(self, n):
    ...         return self.table.take(np.random.default_rng(0).integers(len(self.table), size=n))
    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({name: rng.normal(size=200) for name in "abc"})
    >>> found = audit_synthesizer(Copies, table, shadows=16, records=50, n_jobs=1, random_state=0)
    >>> found.membership.tpr_at(0.01).value > 0.4, found.epsilon_lower_bound > 1
    (True, True)
    """
    shadows = check_count("shadows", shadows, low=LEAST_SHADOWS)
    records = check_count("records", records, low=2)
    n_jobs = n_threads() if n_jobs is None else check_count("n_jobs", n_jobs)
    delta = check_number("delta", delta, low=0, high=1, open_high=True)
    max_rows = check_count("max_rows", max_rows, low=FEW_ROWS)
    seeds = Seeds(random_state)
    every = to_arrow(table)
    if every.num_rows < FEW_ROWS:
        raise ValueError(
            f"An audit needs at least {FEW_ROWS} rows, got {every.num_rows}: half of them train, "
            "and intervals of fewer say nothing."
        )
    order = seeds.generator(AuditKey.ROWS).permutation(every.num_rows)
    places = np.sort(order[:max_rows])
    subject = Subject(synthesizer, every.take(places), kinds)
    n_rows = len(places)
    notes = _notes(every.num_rows, n_rows, records)
    records = min(records, n_rows // 2)
    _check_memory(shadows, records)
    with reporting(progress) as tell:
        tell("a model of half of the rows", 0, 0)
        tables = subject.aligned(every.take(places))
        privacy = _half_model(subject, tables, seeds)
        distance = distance_to_others(tables)
        chosen = np.sort(np.argsort(-distance, kind="stable")[:records])
        inside = seeds.generator(AuditKey.COINS).random((shadows, records)) < 0.5
        signals = Signals(tables, chosen, seeds.generator(AuditKey.RECORDS))
        found = np.empty((shadows, records, len(SIGNALS)))
        runs = [
            (np.delete(np.arange(n_rows), chosen[~one]), _seed(seeds, AuditKey.SHADOW, at))
            for at, one in enumerate(inside)
        ]
        n_samples = n_rows - records // 2  # whoever is in, as many
        for at, one in enumerate(run_shadows(subject, signals, runs, n_samples, n_jobs)):
            found[at] = one
            tell("shadow tables", at + 1, shadows)
    membership = attack_shadows(found, inside)
    near = -found[:, :, 0] / len(tables.numeric + tables.categorical)
    ratio = log_ratio(distance[chosen], near)
    return AuditResult(
        rows=n_rows,
        shadows=shadows,
        membership=membership,
        by_distance=auc_estimate(-near[~inside], -near[inside]),
        by_density=auc_estimate(ratio[~inside], ratio[inside]),
        epsilon=bound_from_shadows(found, inside, delta=delta),
        worst_records=_worst(membership, places[chosen], distance[chosen]),
        privacy=privacy,
        notes=notes,
        random_state=int(random_state) if isinstance(random_state, (int, np.integer)) else None,
    )


def _seed(seeds: Seeds, *key: int) -> int:
    return int(seeds.generator(*key).integers(2**31))


def _half_model(subject: Subject, tables: Tables, seeds: Seeds) -> Privacy:
    """Measure one model of half of the rows, with the others unseen."""
    train, unseen = halves(row_keys(tables.real), seeds.generator(AuditKey.HALVES))
    seed = _seed(seeds, AuditKey.HALVES, 1)
    made = subject.sampled(train, len(train), seed, "half of the rows")
    return measure_privacy(
        subject.aligned(made, train, unseen),
        holdout_is="given",
        random_state=seeds.generator(AuditKey.PRIVACY),
    )


def _worst(membership: Membership, rows: Ints, distance: Floats) -> tuple[ExposedRecord, ...]:
    every = [
        ExposedRecord(int(row), auc, float(far))
        for row, auc, far in zip(rows, membership.of_records(), distance, strict=True)
    ]
    return tuple(sorted(every, key=lambda one: (-np.nan_to_num(one.auc.low), -one.auc.value)))


def _check_memory(shadows: int, records: int) -> None:
    """Refuse more shadows than memory holds: their signals, about six times over."""
    needed = 6 * 8 * shadows * records * len(SIGNALS)
    try:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on every system
        there = 1 << 33
    if needed > there:
        raise ValueError(
            f"shadows={shadows:,} with records={records:,} need {needed / 1e9:,.0f} GB of memory, "
            f"and this machine has {there / 1e9:,.0f} GB. Ask for fewer of either."
        )


def _notes(total: int, used: int, records: int) -> tuple[str, ...]:
    found = []
    if used < total:
        found.append(
            f"{used:,} of {total:,} rows took part, drawn at random (max_rows). Among more rows "
            "each is less exposed."
        )
    if records > used // 2:
        found.append(f"{used // 2:,} records were attacked, half of the rows, not {records:,}.")
    return (*found, NO_GUARANTEE)
