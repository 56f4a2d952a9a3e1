"""A report: what a synthetic table kept, what it gives away, and what it is good for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vicinal._progress import ProgressCallback, reporting
from vicinal._random import EvaluationKey, RandomState, Seeds
from vicinal.page.frame import Page
from vicinal.page.plain import to_plain
from vicinal.page.result import Result
from vicinal.report.fidelity.groups import check_groups, compare_groups
from vicinal.report.fidelity.measure import Fidelity, measure_fidelity
from vicinal.report.fidelity.order import lost_panel, shared_entities
from vicinal.report.fidelity.rules import check_rules
from vicinal.report.findings import Finding, as_text, findings
from vicinal.report.privacy.delivered import Delivered, measure_delivered
from vicinal.report.privacy.measure import Privacy, measure_privacy
from vicinal.report.privacy.values import cells_written_out
from vicinal.report.rows import REAL_ROWS, ShownRows, rows_to_show
from vicinal.report.tables import Tables, align, halves, row_keys
from vicinal.report.utility.measure import Utility, measure_utility
from vicinal.report.verdict import Verdict, judge
from vicinal.table.frames import to_arrow
from vicinal.table.infer import infer

if TYPE_CHECKING:
    from vicinal.plan import MixPlan
    from vicinal.table.conditions import Where
    from vicinal.table.schema import Column
    from vicinal.table.synthesizer import TableSynthesizer

_WEIGHT_BINS = 80
#: The first stage of a report.
FIDELITY = "Reporting: fidelity"


@dataclass(frozen=True)
class WeightPicture:
    """How the weights of a plan are distributed.

    Attributes
    ----------
    law : str
        Their law, where it is known.
    parents : int
        Parents of a row.
    edges : tuple of float
        Ends of the bins, one more than there are shares.
    shares : tuple of float
        Share of the weights in each bin.
    support : tuple of float
        Least and largest weight.
    rho : float
        Mean over rows of the sum of squared weights: 1 keeps variances of independent parents.
    """

    law: str
    parents: int
    edges: tuple[float, ...]
    shares: tuple[float, ...]
    support: tuple[float, float]
    rho: float

    @classmethod
    def of_plan(cls, plan: MixPlan, law: str = "") -> WeightPicture:
        """Summarize the weights of a plan; of two parents, those of the left ones."""
        weights = plan.weights[:, 0] if plan.n_parents == 2 else plan.weights.ravel(order="K")
        low, high = float(weights.min()), float(weights.max())
        ends = (low, high) if high > low else (low - 0.5, high + 0.5)
        counts, edges = np.histogram(weights, bins=_WEIGHT_BINS, range=ends)
        return cls(
            law,
            plan.n_parents,
            tuple(edges.tolist()),
            tuple((counts / len(weights)).tolist()),
            (low, high),
            float(np.einsum("ij,ij->i", plan.weights, plan.weights).mean(dtype=np.float64)),
        )


@dataclass(frozen=True)
class Report(Result):
    """What was found about a synthetic table.

    Attributes
    ----------
    fidelity : Fidelity
        How like the real table it is.
    privacy : Privacy
        How near its rows stay to those it was made from.
    utility : Utility or None
        How well models learn from it; None without a target.
    weights : WeightPicture or None
        The weights it was mixed with; None without a plan.
    target : str or None
        The column that models predict.
    notes : tuple of str
        Warnings, in plain words.
    random_state : int or None
        Seed of the figures; None where it was no number.
    shown_rows : ShownRows or None
        Real and synthetic rows, where they were asked for.
    """

    fidelity: Fidelity
    privacy: Privacy
    utility: Utility | None
    weights: WeightPicture | None
    target: str | None
    notes: tuple[str, ...] = ()
    random_state: int | None = None
    shown_rows: ShownRows | None = None

    @property
    def verdict(self) -> Verdict:
        """The answer in words and three numbers."""
        return judge(self.fidelity, self.privacy, self.utility)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What to know first: at most six sentences, the worst first, and what to do."""
        return findings(self)

    def opening(self) -> str:
        """Return the grades and the findings as text."""
        lines = [
            f"{one.name:<9} {one.figure!s:<26} {one.grade:<8} {one.answer}"
            for one in self.verdict.figures
        ]
        return "\n".join([*lines, "", as_text(self.findings)])

    def summary(self) -> str:
        """Return the report as text."""
        parts = [self.opening(), self.fidelity.summary()]
        parts.append(self.privacy.summary())
        if self.utility is not None:
            parts.append(self.utility.summary())
        if self.notes:
            parts.append("\n".join(f"Warning: {note}" for note in self.notes))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return every figure as plain JSON values; what was not measured is None."""
        first = {"verdict": to_plain(self.verdict), "findings": [f.says for f in self.findings]}
        return {"version": 1} | first | super().to_dict()

    def _page(self) -> Page:
        from vicinal.report.page.report_page import report_page

        return report_page(self)


def evaluate(
    real: Any,
    synthetic: Any,
    holdout: Any = None,
    target: str | None = None,
    plan: MixPlan | None = None,
    *,
    kinds: Mapping[str, str] | None = None,
    groups: str | None = None,
    show_rows: bool = False,
    random_state: RandomState = None,
    progress: bool | ProgressCallback = False,
) -> Report:
    """Measure what a synthetic table kept, what it gives away and what it is good for.

    Parameters
    ----------
    real : pandas, Polars or PyArrow table
        The rows that the generator learned from.
    synthetic : pandas, Polars or PyArrow table
        What it made; the same columns, but for identifiers and free text, which may be left out.
    holdout : pandas, Polars or PyArrow table, optional
        Real rows that the generator never saw. Left out, half of the real rows stand in for them,
        and figures that need unseen rows prove nothing (see :func:`audit`).
    target : str, optional
        Column that a model will predict. A category, or a number with two values, is a class.
    plan : MixPlan, optional
        Which rows of ``real`` were mixed: adds what the law of the weights predicts.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong.
    groups : str, optional
        Category whose groups are compared, and predicted, one by one too, the twelve largest.
    show_rows : bool, default False
        Show real rows, those nearest to synthetic ones and some others, on the page and in JSON.
    random_state : int, numpy.random.Generator or None
        Seed of what is drawn: rows, folds, models.
    progress : bool or ProgressCallback, default False
        Whether to show a bar on standard error, or what to call with a stage and two zeros.

    Returns
    -------
    Report
        The figures, which can be written as a page or as JSON.

    Raises
    ------
    ValueError
        If columns or their kinds differ between the tables, a table is empty, the target is not
        there or has one class, or ``groups`` is no category.

    Warns
    -----
    UserWarning
        With fewer than 50 rows; where hold-out rows equal training rows.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.table import TableSynthesizer
    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({"x": rng.normal(size=600), "y": rng.choice(["a", "b"], 600)})
    >>> learned, unseen = table[:300], table[300:]
    >>> synthetic = TableSynthesizer(random_state=0).fit(learned).sample()
    >>> report = evaluate(learned, synthetic, unseen)
    >>> report.fidelity.quality > 0.9
    True
    """
    seeds = Seeds(random_state)
    given = rows, made = to_arrow(real), to_arrow(synthetic)
    unseen = None if holdout is None else to_arrow(holdout)
    columns: Sequence[Column] = ()
    with _warned() as caught, reporting(progress) as tell:
        if rows.num_rows:
            _, schema = infer(rows, kinds)
            columns, rows, made = schema.columns, schema.read(rows), schema.read(made)
            unseen = None if unseen is None else schema.read(unseen)
        tables = align(rows, made, unseen, target=target, columns=columns)
        check_groups(tables, groups)
        tell(FIDELITY, 0, 0)
        fidelity = measure_fidelity(
            tables, plan=plan, random_state=seeds.generator(EvaluationKey.FIDELITY)
        )
        privacy, utility, notes = _against_unseen(tables, seeds, tell, groups)
    cells = cells_written_out(columns, rows, made, unseen)
    privacy = replace(
        privacy, cells_written_out=(cells.found, cells.control), cells_written_in=cells.column
    )
    shared = "" if unseen is None else shared_entities(rows, unseen)
    privacy, notes = _not_unseen(privacy, notes, shared)
    rules, panel = check_rules(rows, made, unseen), lost_panel(rows, made)
    within = () if groups is None else compare_groups(tables, groups)
    fidelity = replace(fidelity, rules=rules, panel=panel, groups=within)
    picture = None if plan is None else WeightPicture.of_plan(plan)
    report = Report(fidelity, privacy, utility, picture, tables.target, notes)
    if show_rows:
        report = _with_rows(report, tables, given, seeds)
    return _with_warnings(report, caught, random_state)


@contextmanager
def _warned() -> Iterator[list[warnings.WarningMessage]]:
    """Keep what users are warned of; pass all other warnings on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield caught
    # threads of scikit-learn may undo the filter that silences it, now and then
    caught[:] = [one for one in caught if "sklearn" not in Path(one.filename).parts]
    others = [one for one in caught if not issubclass(one.category, UserWarning)]
    caught[:] = [one for one in caught if one not in others]
    for one in others:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def _against_unseen(
    tables: Tables, seeds: Seeds, tell: ProgressCallback, groups: str | None = None
) -> tuple[Privacy, Utility | None, tuple[str, ...]]:
    """Return privacy, utility, and what to say of the hold-out."""
    given = tables.holdout is not None
    if not given and len(tables.real) < 2:
        raise ValueError(
            "The real table has one row, and without a hold-out half of the real rows stand in "
            "for one. Give a hold-out, or more rows."
        )
    apart = tables if given else tables.split(seeds.generator(EvaluationKey.SPLIT))
    tell("Reporting: privacy", 0, 0)
    privacy = measure_privacy(
        apart,
        holdout_is="given" if given else "split",
        random_state=seeds.generator(EvaluationKey.PRIVACY),
    )
    utility = None
    if tables.target is not None:
        tell("Reporting: utility", 0, 0)
        utility = measure_utility(
            apart, groups=groups, random_state=seeds.generator(EvaluationKey.UTILITY)
        )
    notes: tuple[str, ...] = ()
    if not given:
        notes = (
            "No hold-out was given, so half of the real rows stand in for one. If the generator "
            "learned from them too, figures that compare with unseen rows prove nothing. Give "
            "rows that it never saw.",
        )
    return privacy, utility, notes


def _not_unseen(
    privacy: Privacy, notes: tuple[str, ...], shared: str
) -> tuple[Privacy, tuple[str, ...]]:
    """Trust no hold-out whose entities were learned from, and say so."""
    return (replace(privacy, tainted=True), (*notes, shared)) if shared else (privacy, notes)


def _with_warnings(
    report: Report, caught: list[warnings.WarningMessage], random_state: RandomState
) -> Report:
    """Keep what was warned of as notes, and pass it on; keep the seed."""
    said = []  # real cells are for the screen, not for a report that is handed on
    for one in {str(one.message): one for one in caught}.values():
        said.append(str(getattr(one.message, "without_cells", one.message)))
        warnings.warn(one.message, stacklevel=3)
    seed = int(random_state) if isinstance(random_state, (int, np.integer)) else None
    return replace(report, notes=(*said, *report.notes), random_state=seed)


def _with_rows(
    report: Report, tables: Tables, given: tuple[pa.Table, pa.Table], seeds: Seeds
) -> Report:
    shown = rows_to_show(tables, *given, seeds.generator(EvaluationKey.ROWS))
    return replace(report, shown_rows=shown, notes=(REAL_ROWS, *report.notes))


def _split(
    synthesizer: TableSynthesizer, rows: pa.Table, met: Any, rng: np.random.Generator
) -> tuple[pa.Table, pa.Table]:
    """Return two halves, also of the rows that meet a condition; entities stay whole."""
    from vicinal.table.panel.units import unit_of_rows
    from vicinal.table.presets import has_units

    read, parted = synthesizer.schema_.read, None if met is None else met.to_numpy()
    if has_units(synthesizer):
        unit = unit_of_rows(read(rows), synthesizer.entity, synthesizer.time)
        _, begins = np.unique(unit, return_index=True)
        apart = np.arange(len(begins), dtype=np.uint64)
        seen = np.isin(unit, halves(apart, rng, None if parted is None else parted[begins])[0])
        return rows.filter(pa.array(seen)), rows.filter(pa.array(~seen))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of one row
        whole = align(read(rows), read(rows[:1]), columns=synthesizer.columns_).real
    train, unseen = map(rows.take, halves(row_keys(whole), rng, parted))
    return train, unseen


def _delivered(
    synthesizer: TableSynthesizer, aligned: Tables, rows: pa.Table, synthetic: Any
) -> Delivered:
    """Hold a table that a synthesizer made against the rows that it learned."""
    from vicinal.table.panel.units import unit_of_rows
    from vicinal.table.presets import has_units

    read, columns = synthesizer.schema_.read, synthesizer.columns_
    real, made = read(rows), read(synthetic)
    owners = None
    if has_units(synthesizer):
        owners = unit_of_rows(real, synthesizer.entity, synthesizer.time)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said of few rows before
        whole = align(real, made, columns=columns)
    cells = cells_written_out(columns, real, made)
    return measure_delivered(aligned, whole, cells, synthesizer.settings_.min_count, owners)


def audit(
    synthesizer: TableSynthesizer,
    table: Any,
    synthetic: Any = None,
    plan: MixPlan | None = None,
    *,
    where: Where | None = None,
    show_rows: bool = False,
    random_state: RandomState = None,
    progress: bool | ProgressCallback = False,
) -> Report:
    """Report on a synthesizer with unseen rows of its own.

    Fidelity is that of the synthetic table. Privacy and utility are those of an audit model: the
    same settings, trained on a random half of the table with the other half as hold-out. Exact
    copies, numbers, rare categories and identifiers are looked for in the synthetic table too.

    Parameters
    ----------
    synthesizer : TableSynthesizer
        A fitted one.
    table : pandas, Polars or PyArrow table
        What it learned from.
    synthetic : pandas, Polars or PyArrow table, optional
        What it made; drawn, as many rows as it learned, where left out.
    plan : MixPlan, optional
        The plan of ``synthetic``.
    where : str, sequence of str or mapping, optional
        Conditions that ``synthetic`` was drawn under.
    show_rows : bool, default False
        As in :func:`evaluate`.
    random_state : int, numpy.random.Generator or None
        Seed of the halves and of what is drawn.
    progress : bool or ProgressCallback, default False
        Whether to show a bar on standard error, or what to call with a stage and two zeros.

    Returns
    -------
    Report
        As :func:`evaluate` gives it; a note says what was done.

    Raises
    ------
    ValueError
        If the table has fewer than four rows that meet ``where``.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from vicinal.table import TableSynthesizer
    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({"x": rng.normal(size=400), "y": rng.normal(size=400)})
    >>> report = audit(TableSynthesizer(random_state=0).fit(table), table)
    >>> report.privacy.holdout_is
    'given'
    """
    from vicinal.table.conditions import parse_where, rows_matching
    from vicinal.table.presets import has_units
    from vicinal.table.written import read_conditions

    seeds, schema = Seeds(random_state), synthesizer.schema_
    read = schema.read
    rows = to_arrow(table)
    conditions = [] if where is None else read_conditions(parse_where(where), schema.formats)
    if synthetic is None:
        drawn_by = seeds.generator(EvaluationKey.DELIVERED)
        synthetic, plan = synthesizer.sample(where=where, return_plan=True, random_state=drawn_by)
    met = None if where is None else rows_matching(read(rows), conditions)
    kept = rows if met is None else rows.filter(met)
    if kept.num_rows < 4:
        raise ValueError(
            f"A report needs at least 4 real rows, got {kept.num_rows}: half of them stay unseen."
        )
    if has_units(synthesizer):
        plan = None  # of entities, not of rows
    train, unseen = _split(synthesizer, rows, met, seeds.generator(EvaluationKey.SPLIT))
    with _warned() as caught, reporting(progress) as tell:
        tell(FIDELITY, 0, 0)
        aligned = align(read(kept), read(synthetic), columns=synthesizer.columns_)
        # parents are rows of the whole table
        fidelity = measure_fidelity(
            aligned,
            plan=plan if where is None else None,
            random_state=seeds.generator(EvaluationKey.FIDELITY),
        )
    known = None if synthesizer.rules == "off" else synthesizer.rules_
    rules = check_rules(read(kept), read(synthetic), rules=known)
    alone = where is None and not has_units(synthesizer)
    panel = lost_panel(read(rows), read(synthetic)) if alone else ""
    fidelity = replace(fidelity, rules=rules, panel=panel)
    with warnings.catch_warnings(), reporting(progress) as tell:
        warnings.simplefilter("ignore", UserWarning)  # said of the whole table before
        tell("Reporting: an audit model", 0, 0)
        # what was found on all rows holds for a part of them, but for rules that are found
        said = None if synthesizer.schema is None else synthesizer.schema.rules
        options = synthesizer.get_params() | {"schema": replace(schema, rules=said)}
        if options["random_state"] is None:
            options["random_state"] = int(seeds.generator(EvaluationKey.MODEL).integers(1 << 31))
        model = type(synthesizer)(**options).fit(train)
        drawn = model.sample(where=where, random_state=seeds.generator(EvaluationKey.AUDIT))
    train, unseen, drawn = read(train), read(unseen), read(drawn)
    if where is not None:
        train, unseen = (part.filter(rows_matching(part, conditions)) for part in (train, unseen))
    with _warned() as later, reporting(progress) as tell:
        tables = align(
            train, drawn, unseen, target=synthesizer.target, columns=synthesizer.columns_
        )
        privacy, utility, notes = _against_unseen(tables, seeds, tell)
    shared = "" if has_units(synthesizer) else shared_entities(train, unseen)
    privacy, notes = _not_unseen(privacy, notes, shared)
    privacy = replace(privacy, delivered=_delivered(synthesizer, aligned, rows, synthetic))
    law = str(synthesizer.settings_.weights)
    picture = None if plan is None else WeightPicture.of_plan(plan, law)
    note = (
        f"Privacy and utility are those of an audit model: the same settings were trained on "
        f"{train.num_rows:,} of the rows, and the other {unseen.num_rows:,} stayed unseen. Figures "
        "called 'in the table delivered' hold the synthetic table itself against all real rows."
    )
    report = Report(fidelity, privacy, utility, picture, tables.target, (note, *notes))
    if show_rows:
        report = _with_rows(report, aligned, (kept, to_arrow(synthetic)), seeds)
    return _with_warnings(report, [*caught, *later], random_state)
