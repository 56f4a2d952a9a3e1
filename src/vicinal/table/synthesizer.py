"""Learn a table, draw synthetic ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator

from vicinal._checks import check_column, check_count
from vicinal._progress import ProgressCallback, reporting
from vicinal._random import RandomState, Seeds, TableKey
from vicinal._types import Ints
from vicinal.plan import MixPlan
from vicinal.table import modelfile
from vicinal.table.buffers import ColumnBuffer
from vicinal.table.conditions import Condition, Where, parse_where, rows_matching
from vicinal.table.formats.base import Format
from vicinal.table.formats.personal import Personal
from vicinal.table.formats.surrogates import ContactMaker, SurrogateMaker
from vicinal.table.frames import to_arrow, to_native
from vicinal.table.infer import Schema, infer, rules_of, with_codes
from vicinal.table.inherited import inherit
from vicinal.table.mixing import MomentMatch
from vicinal.table.modelfile import FittedState
from vicinal.table.numbers import check_finite, python_values
from vicinal.table.panel.find import find_panel
from vicinal.table.panel.layout import lay_out
from vicinal.table.panel.rows import UNIT, PanelRows
from vicinal.table.panel.units import (
    columns_of_units,
    kept_fixed,
    rules_of_units,
    settings_of_units,
    surrogates_of_units,
    unit_of_rows,
)
from vicinal.table.population import Population
from vicinal.table.presets import MixingSettings, check_parameters, has_units, mixing_settings
from vicinal.table.rare import hidden_levels, without_levels
from vicinal.table.rules import RuleKeeper
from vicinal.table.rules.grammar import parse_rule
from vicinal.table.schema import Column, detect_columns, is_string, value_type
from vicinal.table.surrogates import Surrogates, check_replaceable, spans_of
from vicinal.table.training_rows import TrainingRows, are_drawn_anew
from vicinal.table.written import (
    as_identifiers,
    as_mixed,
    read_conditions,
    replacers,
    write_cells,
)
from vicinal.weights import WeightLaw

#: Draws until rows meet conditions that are met by drawing again: those on columns that rules
#: settle, and ...
REDRAWS = 40
#: ... all of them, where at least this share of the training rows meets them, unless so many rows
#: would have to be drawn. Neighborhoods of all rows are denser than those of the rows asked for.
SHARE_MET = 0.02
MOST_DRAWN = 2_000_000
#: Where a share of the rows would be fewer, all are learned.
LEAST_LEARNED = 1_000


class TableSynthesizer(BaseEstimator):  # type: ignore[misc]
    """Learn a table and draw synthetic tables of the same structure.

    Rows are mixed, not modelled: a synthetic row is a weighted mix of a few real ones, with
    weights whose law keeps mean and covariance. Categories and gaps are taken from a parent, and
    so are numbers of few values, or of one value in three rows out of ten. Numbers follow the
    categories that a row gets: under normal scores, what categories say of numbers is taken out
    before mixing and given back after.

    Parameters
    ----------
    privacy : {"balanced", "off", "high", "max"}, default "balanced"
        One setting for method, weights, categories and neighbors together. "off" mixes two rows
        and keeps most structure. The others mix 8 near rows and take each category from any of
        them, so that few synthetic rows stay close to one real row: out of a neighborhood of 100
        ("balanced"), 250 ("high") or 300 ("max"). A row that comes out nearer to one of its
        parents than real rows lie to each other is drawn again. "max" learns six of ten rows,
        drawn at random, where they are 1,000 or more. None of them is differential privacy.
    method : {"rows", "neighborhood"}, optional
        Whether partners come from all rows (of a group) or from near ones.
    weights : WeightLaw, optional
        Law of the weights. A two-parent law implies ``method="rows"`` unless you say otherwise,
        here or by ``neighbors``.
    marginals : {"normal-score", "raw"}, default "normal-score"
        "normal-score" mixes Gaussian quantiles of ranks and maps back: each column keeps its
        distribution and range. "raw" mixes the values: mean, variance and covariance are kept
        (before integers are rounded), but values may leave the column's range; they are clipped
        only to what its type can hold (for dates, the years 1 to 9999).
    within : str or sequence of str, optional
        Columns whose groups are never mixed: what holds given the group is kept exactly.
    target : str, optional
        The column that a model will predict. A category counts as one of ``within``. Rows are
        near each other above all in the columns that tell of it.
    categories : {"parent", "columnwise"}, optional
        Whether all categories of a row come from its heaviest parent, or each from any parent.
        Columnwise, categories that depend on each other (Cramer's V above 0.5) still come from
        one parent.
    neighbors : int, optional
        Size of a neighborhood; implies ``method="neighborhood"``. Left out, it is that of
        ``privacy``, but at most two fifths ("max": four fifths) of the rows that may mix (of
        a group, or of those that meet ``where``), and at least 5: in a small table a larger
        neighborhood is no longer near, and associations fade.
    candidates : int, optional
        In neighborhoods, how many rows are drawn for each that is kept. Boosted trees learn to tell
        mixed rows from training rows, and one is kept in proportion to how much more it is like
        the training rows, which strengthens what mixing blurs. 4 where left out; 1 keeps every
        row, much faster. Nothing is chosen with ``marginals="raw"``, from entities, from
        fewer than 1,000 training rows or from more than 200 columns.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong. Texts may be
        dates, times or numbers in a format: ``"date"`` finds it, ``"date:%d.%m.%Y"`` or
        ``"numeric:1.234,56 EUR"`` (an example) names it.
    schema : Schema, optional
        What the columns are, as :func:`vicinal.table.infer_schema` found it and you edited it;
        ``kinds`` come before it. Its rules, if it has any, are then all that are kept.
    strict : bool, default False
        Refuse cells that do not fit their column's format, which count as missing otherwise.
    identifiers : {"replace", "drop"}, optional
        What becomes of identifiers; replaced, with a warning, where left out.
    text : {"drop", "replace"}, optional
        What becomes of free text; dropped, with a warning, where left out.
    min_count : int, optional
        Numbers, dates and categories that fewer training rows hold are not written out as such:
        numbers are drawn anew among their neighbors, with the column's own decimal places. 1 with
        ``privacy="off"`` and 5 otherwise where left out. Names need a few rows more, drawn for
        each, so that none is told by being the one that decides. Dates such as 9999-12-31 stand
        for none, far from all others, and stay. With ``marginals="raw"`` it is about categories
        alone: mixed raw values are new by themselves.
    rare : {"replace", "merge", "keep"}, default "replace"
        What becomes of such categories: that of the nearest row with a frequent one, "other" (for
        strings), or nothing. Where every one is rare, strings are "other" unless ``kinds`` says
        "category". Gaps that go together in few rows are exchanged unless it is "keep".
    entity : str, optional
        Column that says whose each row is (patient, customer, device). Entities are then mixed and
        not rows: one weight for an entity and every step of its series. What is constant within
        entities stays so; steps in time and how many there are come from one entity.
    time : str, optional
        Column that orders the rows of an entity, which hold each time once; their order in the
        table where left out. Without ``entity`` the table is one long series, whose days, weeks or
        years are mixed, at the times of the table.
    rules : {"auto", "off"} or sequence of str, default "auto"
        Rules between columns that every synthetic row keeps: those that hold in every training row
        are found, and others may be said, such as ``"total = a + b"``, ``"start <= end"`` or
        ``"zip -> city"`` (see docs/tables.md). A said rule that a training row breaks is refused.
        "off" mixes every column by itself.
    exact_moments : bool, default False
        With ``marginals="raw"``: shift and turn the whole sample so that mean and covariance of
        the mixed columns equal those of the table to rounding error, not only on average. It
        holds for floats without gaps; rounding integers and leaving out missing values come
        later. The mixed numbers of the whole sample are held in memory at once.
    random_state : int, numpy.random.Generator or None, default None
        Seed. With an int, every ``sample`` of one size returns the same rows; with a Generator
        or None every call draws others.

    Attributes
    ----------
    columns_ : list of Column
        What each column was taken for.
    rules_ : list of Rule
        Rules that are kept: ``text``, ``kind``, ``rows`` that show it.
    formats_ : dict of str to Format
        How texts that stand for dates and numbers are written.
    schema_ : Schema
        All of these together.
    n_rows_ : int
        Training rows.
    settings_ : MixingSettings
        Method, weights and the other settings in force.

    Notes
    -----
    A scikit-learn estimator: parameters are stored as they are given and checked by :meth:`fit`.
    The fitted synthesizer, saved or not, holds the training rows. Treat it like the data.

    References
    ----------
    Lee, Im and Kim, "A Generalized Theory of Mixup for Structure-Preserving Synthetic Data",
    AISTATS 2025. Candidates: Azadi et al., "Discriminator Rejection Sampling", ICLR 2019.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rng = np.random.default_rng(0)
    >>> table = pa.table({"height": rng.normal(170, 10, 500).round(1), "city": ["A", "B"] * 250})
    >>> synthetic = TableSynthesizer(random_state=0).fit(table).sample(3)
    >>> synthetic.schema.equals(table.schema), synthetic.num_rows
    (True, 3)
    """

    def __init__(
        self,
        privacy: str = "balanced",
        *,
        method: str | None = None,
        weights: WeightLaw | None = None,
        marginals: str = "normal-score",
        within: str | Sequence[str] | None = None,
        target: str | None = None,
        categories: str | None = None,
        neighbors: int | None = None,
        candidates: int | None = None,
        kinds: Mapping[str, str] | None = None,
        schema: Schema | None = None,
        strict: bool = False,
        identifiers: str | None = None,
        text: str | None = None,
        min_count: int | None = None,
        rare: str = "replace",
        entity: str | None = None,
        time: str | None = None,
        rules: str | Sequence[str] = "auto",
        exact_moments: bool = False,
        random_state: RandomState = None,
    ) -> None:
        self.privacy = privacy
        self.method = method
        self.weights = weights
        self.marginals = marginals
        self.within = within
        self.target = target
        self.categories = categories
        self.neighbors = neighbors
        self.candidates = candidates
        self.kinds = kinds
        self.schema = schema
        self.strict = strict
        self.identifiers = identifiers
        self.text = text
        self.min_count = min_count
        self.rare = rare
        self.entity = entity
        self.time = time
        self.rules = rules
        self.exact_moments = exact_moments
        self.random_state = random_state

    def fit(self, table: Any, *, progress: bool | ProgressCallback = False) -> TableSynthesizer:
        """Learn a table.

        Parameters
        ----------
        table : pandas, Polars or PyArrow table
            At least two rows and one usable column.
        progress : bool or ProgressCallback, default False
            Whether to show a bar on standard error, or what to call with stage, columns done and
            columns in all (0 where a stage has none), from any thread but by one at a time.

        Returns
        -------
        TableSynthesizer
            Itself.

        Raises
        ------
        ValueError
            If a parameter is not possible, the table has fewer than two rows, nothing in it can
            be mixed or inherited, a number is infinite, or a column named in ``within``,
            ``target``, ``entity``, ``time`` or ``kinds`` is not there; if an entity has a time
            twice, or every entity one row.
        TypeError
            If ``table`` is no table, or ``weights`` no law.

        Warns
        -----
        UserWarning
            Where identifiers are replaced or text is dropped without your word, or a group has
            one row; where personal data are replaced; where cells do not fit a column's format;
            where rows belong to entities or to one series and you did not say so.
        """
        check_parameters(self)
        arrow = to_arrow(table)
        if arrow.num_rows < 2:
            raise ValueError(
                f"The table has {arrow.num_rows} row(s); mixing needs at least 2. Pass more rows."
            )
        kinds = dict(self.kinds or {})
        if self.entity is not None:
            kinds[check_column("entity", self.entity, arrow.column_names)] = "identifier"
        read, schema = infer(arrow, kinds, self.schema, self.strict, stacklevel=2)
        columns: Sequence[Column] = schema.columns
        n_units, repeated = arrow.num_rows, dict(schema.people)
        if has_units(self):
            layout = lay_out(read, self.entity, self.time)
            said = {*kinds, self.time, *repeated}
            said |= set() if self.schema is None else set(self.schema.kinds())
            columns, n_units = columns_of_units(read, columns, layout, said), len(layout)
            repeated.pop(str(self.entity), None)
        elif (panel := find_panel(read)) is not None:
            warnings.warn(panel.advice, UserWarning, stacklevel=2)
        columns = as_mixed(columns, repeated, n_units, self.identifiers == "drop")
        with reporting(progress) as tell:
            self._fit(
                read,
                columns,
                Seeds(self.random_state),
                progress=tell,
                schema=arrow.schema,
                formats=schema.formats,
                people=schema.people,
            )
        return self

    def _fit(
        self,
        arrow: pa.Table,
        columns: list[Column],
        seeds: Seeds,
        population: Population | None = None,
        places: Ints | None = None,
        progress: ProgressCallback | None = None,
        schema: pa.Schema | None = None,
        formats: Mapping[str, Format] | None = None,
        people: Mapping[str, Personal] | None = None,
    ) -> None:
        """Learn all rows of a table, or a sample of them with their places in it."""
        check_parameters(self)
        settings = self._ungrouped(mixing_settings(self, columns), arrow, columns)
        _check_usable(arrow, columns)
        others = [column for column in columns if column.name != self.entity]
        _warn_of_dropped(others, self.identifiers, self.text)
        _warn_of_people(columns, people or {}, self.identifiers)
        rng = seeds.generator(TableKey.ORDER)
        if has_units(self):
            layout = lay_out(arrow, self.entity, self.time)
            settings = settings_of_units(settings, arrow, layout)
            order = layout.shuffled(rng).order
        else:
            order = rng.permutation(arrow.num_rows)
        kept = [column.name for column in columns if self._is_kept(column)]
        rows = _without_text(arrow.select(kept), columns).take(order).combine_chunks()
        order = order if places is None else places[order]
        state = FittedState(
            rows,
            order,
            columns,
            settings,
            arrow.schema if schema is None else schema,
            seeds,
            population,
            dict(formats or {}),
            dict(people or {}),
        )
        self._restore(state, progress)
        _warn_of_single_groups(self._training, 4)

    def _ungrouped(
        self, settings: MixingSettings, table: pa.Table, columns: Sequence[Column]
    ) -> MixingSettings:
        """Return settings without a target among the groups whose numbers are drawn anew."""
        asked = [self.within] if isinstance(self.within, str) else list(self.within or ())
        target = next((one for one in columns if one.name == self.target), None)
        if target is None or target.name in asked or not target.mixed:
            return settings
        if are_drawn_anew(target, table[target.name], settings):
            kept = tuple(name for name in settings.within if name != target.name)
            return replace(settings, within=kept)
        return settings

    def _is_kept(self, column: Column) -> bool:
        if column.name == self.entity:
            return True
        if column.kind == "identifier":
            return self.identifiers != "drop"
        return column.kind != "text" or self.text == "replace"

    def _restore(self, state: FittedState, progress: ProgressCallback | None = None) -> None:
        population = state.population
        keeper = self._keeper(state)
        rows, columns = _reduced(self._learned(state), state.columns, keeper)
        whole = Population(0) if population is None else population
        there = set(state.rows.column_names)
        replaced = [
            column
            for column in state.columns
            if column.kind in {"identifier", "text"} and column.name in there
        ]
        named = {one.name for one in replaced if one.kind == "identifier"} | {*state.people}
        spans = spans_of(state.rows, sorted(named & there), whole.spans)
        makers = replacers(state.rows, state.columns, state.people, state.seeds.entropy, spans)
        training = self._made_ready(
            rows, columns, state, _replaced(makers), population=population, progress=progress
        )
        surrogates = {
            column.name: Surrogates(
                state.rows[column.name],
                column.name,
                column.kind,
                span=spans.get(column.name),
                prefix=whole.prefixes.get(column.name),
                personal=state.people.get(column.name),
            )
            for column in replaced
        }
        # all or nothing: a table that is refused leaves what was learned before
        self._state, self._training, self._surrogates = state, training, surrogates
        self._rules, self.rules_ = keeper, keeper.rules
        self._people, self.formats_ = makers, state.formats
        self._hidden = self._hidden_levels(state)
        known = with_codes(as_identifiers(state.columns, state.people), self.rules_)
        self.columns_ = list(known)
        self.schema_ = Schema(known, state.formats, state.people, rules_of(self.rules_))
        self.settings_ = state.settings
        self.n_rows_ = int(state.rows.num_rows) if population is None else population.n_rows

    def _hidden_levels(self, state: FittedState) -> dict[str, frozenset[Any]]:
        """Return levels that the types of columns list and too few rows, or entities, hold."""
        settings, rows = state.settings, state.rows
        closed = [
            column.name
            for column in state.columns
            if column.inherited
            and column.name in rows.column_names
            and pa.types.is_dictionary(rows.schema.field(column.name).type)
        ]
        if not closed or settings.min_count < 2 or settings.rare == "keep":
            return {}
        unit = unit_of_rows(rows, self.entity, self.time) if has_units(self) else None
        least, hidden = settings.min_count, {}
        for name in closed:
            # an order or an Enum is declared; other types may list what rows left out held
            kind, listed = rows.schema.field(name).type, state.schema.field(name).metadata or {}
            declared = kind.ordered or any(b"ENUM_VALUES" in key for key in listed)
            declared = declared and state.population is None
            hidden[name] = hidden_levels(rows[name], least, unit, declared)
        return hidden

    def _learned(self, state: FittedState) -> pa.Table:
        """Return the rows that take part: many, and no sample already, may be a share of all."""
        # who is in the table is harder to tell where only some of its rows are learned, and nobody
        # knows which (amplification by subsampling)
        few = int(state.settings.learned * state.rows.num_rows)
        kept = has_units(self) or state.settings.marginals == "raw"  # raw ones promise moments
        if kept or state.population is not None or few < LEAST_LEARNED:
            return state.rows
        return state.rows.slice(0, few)  # in random order

    def _made_ready(
        self,
        rows: pa.Table,
        columns: Sequence[Column],
        state: FittedState,
        replaced: frozenset[str],
        held: Mapping[str, bool] | None = None,
        population: Population | None = None,
        progress: ProgressCallback | None = None,
    ) -> Any:
        """Return :class:`TrainingRows`, or :class:`PanelRows` where entities are mixed."""
        ready: dict[str, Any] = {"held": held, "progress": progress, "replaced": replaced}
        if not has_units(self):
            ready["population"] = population
            return TrainingRows(rows, columns, state.settings, state.seeds, **ready)
        names = (self.entity, self.time)
        layout = lay_out(rows, *names)
        return PanelRows(rows, columns, layout, names, state.settings, state.seeds, **ready)

    def _keeper(self, state: FittedState) -> RuleKeeper:
        """Find rules in the training rows, in the order in which they were given."""
        rows = state.rows.take(np.argsort(state.order))
        kinds = {column.name: column for column in state.columns}
        among = [name for name in rows.column_names if _has_rules(kinds[name])]
        among = [name for name in among if name not in state.people]
        unit = unit_of_rows(rows, self.entity, self.time) if has_units(self) else None
        others = _others(rows, [kinds[name] for name in among], state.settings, unit)
        among = [name for name in among if name not in others]
        avoid = [*state.settings.within, *([self.target] if self.target else [])]
        said: Any = self.rules
        if self.schema is not None and self.schema.rules is not None and said != "off":
            known = {
                text: why
                for text, why in self.schema.rules.items()
                if not (others and _names_any(text, rows.column_names, others))
            }
            said = known | dict.fromkeys([] if said == "auto" else said, "")
        if has_units(self):
            layout = lay_out(rows, self.entity, self.time)
            keeper = rules_of_units(rows, layout, said, [*avoid, str(self.time)], among)
        else:
            keeper = RuleKeeper.fit(rows, said, avoid, among, distances=state.population is None)
        least = 1 if self.rare == "keep" else state.settings.min_count
        asked = [] if isinstance(self.rules, str) else self.rules
        return keeper.without_rare(rows, least, unit, asked)

    def _total(self, n_samples: int | None) -> int:
        """Return how many rows or entities to draw."""
        learned = len(self._training) if has_units(self) else self.n_rows_
        total = learned if n_samples is None else check_count("n_samples", n_samples)
        if has_units(self) and self.entity is None and total != learned:
            raise ValueError(
                f"n_samples={total}: time alone makes a series over the times of the table, which "
                f"has {learned} periods. Leave n_samples out; another random_state draws another."
            )
        return total

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_training")

    def sample(
        self,
        n_samples: int | None = None,
        *,
        start: int | None = None,
        where: Where | None = None,
        return_plan: bool = False,
        random_state: RandomState = None,
        progress: bool | ProgressCallback = False,
    ) -> Any:
        """Draw a synthetic table.

        Parameters
        ----------
        n_samples : int, optional
            Rows to draw, or entities with all their rows; as many as were learned where left out.
            Periods of one series are as many as there are.
        start : int, optional
            How many were drawn before, in terms of ``n_samples``: surrogates of identifiers go on
            from there, whatever ``random_state``, so that samples share none; 0 for the first.
        where : str, sequence of str or mapping, optional
            Conditions that every row must meet, such as ``"income=>50K"`` or ``{"age": 40}``
            (None for a missing value). Where 2 % of the training rows meet them, rows are drawn in
            neighborhoods of all rows until enough do; otherwise, and for two-parent or raw
            mixing, only rows that meet them are mixed: numbers that a condition is about then keep
            their distribution among those rows; where it is ``!=`` they are taken from a parent.
            Conditions on entities are about columns that are constant within them.
        return_plan : bool, default False
            Whether to return, too, which rows were mixed and by how much.
        random_state : int, numpy.random.Generator or None, default None
            Seed; the synthesizer's own where left out. Rows depend on ``n_samples``: fewer rows
            are not the first ones of more.
        progress : bool or ProgressCallback, default False
            Whether to show a bar on standard error, or what to call with stage, rows drawn and
            rows in all, from any thread but by one at a time.

        Returns
        -------
        table
            Same kind, columns and types as the training table, in the same order; text columns
            are left out unless replaced.
        plan : MixPlan
            Only with ``return_plan``: parents, as row numbers of the training table, or as numbers
            of entities in the order in which they first appear (of periods: in time).

        Raises
        ------
        ValueError
            If ``n_samples`` is below 1, or no row meets ``where``, or it cannot be read.
        RuntimeError
            Before :meth:`fit`.

        Warns
        -----
        UserWarning
            Where a single row meets ``where``, or is alone in its group among those that do.
        """
        if not hasattr(self, "_training"):
            raise RuntimeError("This TableSynthesizer has learned nothing yet: call fit(table).")
        total = self._total(n_samples)
        first = None if start is None else check_count("start", start, low=0)
        seeds = self._state.seeds
        if random_state is not None or not isinstance(self.random_state, (int, np.integer)):
            seeds = Seeds(random_state if random_state is not None else self.random_state)
        training, order = self._training, self._state.order
        asked, share = list[Condition](), 1.0
        if where is not None:
            asked = self._conditions(where)
            rows = self._rows_that_meet(asked)
            share = len(rows) / len(training)
            numbered = first is not None and bool(self._surrogates)
            if numbered or not self._can_draw_again(asked, share, total):
                training, order = self._subset(rows, asked)
                asked = [one for one in asked if one.column in self._rules.changed]
                share = 1.0
                if len(training) > 1:
                    _warn_of_single_groups(training, 3)
        with reporting(progress) as tell:
            made, plan = self._draw(training, total, seeds, asked, share, return_plan, tell, first)
        out = to_native(self._written(made), self._state.schema)
        if plan is None:
            return out
        if isinstance(training, PanelRows):
            order = training.numbers(order)
        return out, MixPlan.from_parents(order[plan[0]], plan[1])

    def _draw(
        self,
        training: Any,  # TrainingRows or PanelRows
        total: int,
        seeds: Seeds,
        asked: Sequence[Condition],
        share: float,
        return_plan: bool,
        tell: ProgressCallback,
        start: int | None = None,
    ) -> tuple[pa.Table, Any]:
        """Draw rows, again where they do not meet what is asked, as a share of rows should."""
        parts, plans, met, before = list[Any](), list[Any](), 0, start or 0
        for attempt in range(REDRAWS):
            size = total if share == 1.0 else round((total - met) / share * 1.1) + 100
            own = seeds if not attempt else Seeds(seeds.generator(TableKey.REDRAW, attempt))
            drawn, plan = training.sample(
                size,
                own,
                adjust=self._adjust(training),
                return_plan=return_plan,
                progress=lambda done, size=size: tell("Drawing rows", done, size),
            )
            # handed on, not kept: a column is freed as soon as it is converted
            named = seeds if start is None else self._state.seeds
            made = self._assemble(drawn, size, named, self._surrogates, before, before + size)
            before += size
            if not asked:
                return made, plan
            rows = np.flatnonzero(rows_matching(made, asked).to_numpy(zero_copy_only=False))
            rows = rows[: total - met]
            parts.append(made.take(rows))
            plans.append(None if plan is None else (plan[0][rows], plan[1][rows]))
            met += len(rows)
            if met == total:
                break
        else:
            remedy = ", or set rules='off': rules settle them." if share == 1.0 else "."
            raise ValueError(
                f"where: only {met:,} of {before - (start or 0):,} rows drawn meet "
                f"{' and '.join(map(str, asked))}. Widen the conditions{remedy}"
            )
        whole = pa.concat_tables(parts).combine_chunks()
        if not return_plan:
            return whole, None
        return whole, tuple(np.concatenate(one) for one in zip(*plans, strict=True))

    def _adjust(self, training: Any) -> MomentMatch | None:
        exact = self.exact_moments and isinstance(training, TrainingRows)
        return MomentMatch(training.scores) if exact else None

    def _rows_that_meet(self, conditions: Sequence[Condition]) -> Ints:
        """Return the training rows that meet conditions; refuse what cannot be asked for."""
        learned = self._learned(self._state)
        for condition in conditions:
            kind = next((c.kind for c in self.columns_ if c.name == condition.column), None)
            if kind == "text":
                raise ValueError(
                    f"where: column {condition.column!r} is free text, which is not kept. Say "
                    f"kinds={{{condition.column!r}: 'category'}} before fit to ask for its values."
                )
        if isinstance(self._training, PanelRows):
            for condition in conditions:
                self._training.check_fixed(condition.column, self._rules.changed)
        rows = np.flatnonzero(rows_matching(learned, conditions).to_numpy())
        least = 1 if self.rare == "keep" else self.settings_.min_count
        held_by, what, many = len(rows), "row", "rows"
        if self.entity is not None:
            held_by, what = len(learned[self.entity].take(pa.array(rows)).unique()), "entity"
            many = "entities"
        if held_by < max(least, 1):  # how many there are is theirs
            asked = " and ".join(map(str, conditions))
            few = f", or fewer than min_count={least} training {many} do" if least > 1 else ""
            why = " Values of fewer are not written out; min_count can be set lower." if few else ""
            hint = self._values_hint(conditions, least)
            raise ValueError(f"where: no row meets {asked}{few}.{hint}{why}")
        if held_by == 1:
            warnings.warn(
                f"where: a single {what} meets the conditions; every synthetic row copies it.",
                UserWarning,
                stacklevel=3,
            )
        return rows

    def _can_draw_again(self, asked: Sequence[Condition], share: float, total: int) -> bool:
        """Tell whether conditions are met by drawing from all rows until enough meet them."""
        settings = self.settings_
        if settings.method != "neighborhood" or settings.marginals == "raw" or has_units(self):
            return False
        replaced = {*self._surrogates, *self._people}
        if any(one.column in replaced for one in asked):
            return False
        return share >= SHARE_MET and total / share <= MOST_DRAWN

    def _subset(self, rows: Ints, conditions: Sequence[Condition]) -> tuple[Any, Ints]:
        """Return training rows made ready by themselves, and their places in the table."""
        state, learned = self._state, self._learned(self._state)
        held: dict[str, bool] = {}
        for condition in conditions:
            if condition.column in self._rules.changed:
                continue  # met by drawing again
            held[condition.column] = held.get(condition.column, False) or condition.sign == "!="
        chosen, columns = _reduced(learned.take(rows), state.columns, self._rules)
        training = self._made_ready(chosen, columns, state, _replaced(self._people), held)
        return training, state.order[rows]

    def _conditions(self, where: Where) -> list[Condition]:
        return read_conditions(parse_where(where), self.formats_)

    def _written(self, made: pa.Table) -> pa.Table:
        """Return rows in the formats of their table, with surrogates for personal data."""
        return write_cells(made, self.formats_, self._people, self._state.schema)

    def _values_hint(self, conditions: Sequence[Condition], least: int) -> str:
        column = conditions[0].column
        rows = self._state.rows
        if self.entity not in (None, column):  # an entity counts once
            rows = rows.group_by([self.entity, column]).aggregate([])
        counts = rows[column].value_counts()
        held = pc.greater_equal(counts.field("counts"), least)
        known = counts.field("values").filter(held)
        form = self.formats_.get(column)
        values = python_values(known if form is None else form.render(known))
        if not values or len(conditions) > 1 or len(values) > 40 or column in self._state.people:
            return ""
        shown = ", ".join(repr(value) for value in values[:12])
        return f" Values of {column!r}: {shown}{', ...' if len(values) > 12 else ''}."

    def _assemble(
        self,
        drawn: Mapping[str, Any],
        count: int,
        seeds: Seeds,
        surrogates: Mapping[str, Surrogates],
        first: int = 0,
        total: int | None = None,
    ) -> pa.Table:
        """Put columns together: rows from ``first`` on, ``count`` of them, out of ``total``."""
        schema = self._state.schema
        # what else a file says of itself may be about its rows
        known = (b"pandas", b"vicinal")
        metadata = {k: v for k, v in (schema.metadata or {}).items() if k.startswith(known)}
        drawn = dict(drawn)
        unit, fixed = drawn.pop(UNIT, None), frozenset[str]()
        if isinstance(self._training, PanelRows):
            fixed = self._training.fixed | {str(self.entity)}
        if self._rules.rules:
            before, drawn = drawn, self._restored(drawn)
            if isinstance(self._training, PanelRows) and unit is not None:
                alike = self._training.alike & self._rules.changed
                drawn = kept_fixed(before, drawn, alike, unit.to_numpy())
        arrays, fields = [], []
        for number, field in enumerate(schema):
            made = drawn.get(field.name)
            made = made.finish() if isinstance(made, ColumnBuffer) else made
            if field.name in surrogates:
                gaps = None if made is None else made.to_numpy(zero_copy_only=False)
                rng = seeds.generator(TableKey.SURROGATE, number)
                make = surrogates[field.name].make
                if unit is None:
                    arrays.append(make(count, rng, gaps, first=first, total=total))
                elif field.name in fixed:
                    arrays.append(surrogates_of_units(make, rng, gaps, unit, first))
                else:  # more than all entities before may have had rows
                    rows = first * self._training.longest
                    arrays.append(make(len(unit), rng, gaps, first=rows))
                if pa.types.is_dictionary(field.type):
                    field = field.remove_metadata()  # Polars' list of what an Enum may hold
            elif made is not None:
                if pa.types.is_dictionary(field.type) and field.name not in self.formats_:
                    hidden = self._hidden.get(field.name, frozenset())
                    field, made = without_levels(field, made.cast(field.type), hidden)
                arrays.append(made)
            else:
                continue
            fields.append(field.with_type(arrays[-1].type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata))

    def _restored(self, drawn: Mapping[str, ColumnBuffer]) -> dict[str, Any]:
        """Return what was drawn with all that rules settle, and as they settle it."""
        lent = set(self._surrogates)  # only where gaps are
        made = {
            n: one.finish() if isinstance(one, ColumnBuffer) else one for n, one in drawn.items()
        }
        table = pa.table({name: one for name, one in made.items() if name not in lent})
        kept = self._rules.restore(table)
        whole = {name: kept[name].combine_chunks() for name in kept.column_names}
        return {name: made[name] for name in made if name in lent} | whole

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted synthesizer to one file (Arrow and JSON, no pickle).

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all. The file holds the training rows.

        Raises
        ------
        RuntimeError
            Before :meth:`fit`.
        OSError
            If the folder cannot be written.
        """
        if not hasattr(self, "_training"):
            raise RuntimeError("There is nothing to save yet: call fit(table) first.")
        modelfile.save(path, self.get_params(), self._state)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TableSynthesizer:
        """Read a synthesizer back from :meth:`save`.

        Parameters
        ----------
        path : str or path
            The file.

        Returns
        -------
        TableSynthesizer
            Draws the same rows from the same seed.

        Raises
        ------
        ValueError
            If the file is no model, damaged, cut short, or of another version.
        FileNotFoundError
            If there is no such file.
        """
        parameters, state = modelfile.load(path)
        with modelfile.refusing_damage(path):
            synthesizer = cls(**parameters)
            synthesizer._restore(state)
        return synthesizer


def _replaced(makers: Mapping[str, SurrogateMaker | ContactMaker]) -> frozenset[str]:
    """Return columns of whose cells nothing is left, so that rare ones may stay until the end."""
    return frozenset(name for name, one in makers.items() if isinstance(one, SurrogateMaker))


def _others(
    rows: pa.Table, columns: Sequence[Column], settings: MixingSettings, unit: Ints | None
) -> set[str]:
    """Return the columns of which nothing but "other" is written: no rule goes by them."""
    least, n_units = settings.min_count, rows.num_rows if unit is None else int(unit.max()) + 1
    texts = [one for one in columns if is_string(value_type(rows.schema.field(one.name).type))]
    if unit is None:  # so many rows hold no level often enough
        texts = [one for one in texts if n_units - one.n_missing <= one.n_distinct * (least - 1)]
    return {
        one.name
        for one in texts
        if inherit(rows[one.name]).becomes_other(one, settings, n_units, unit)
    }


def _names_any(text: str, names: Sequence[str], others: set[str]) -> bool:
    """Tell whether a rule names one of some texts; a grid, which is only found, names numbers."""
    try:
        return not others.isdisjoint(parse_rule(text, names).columns)
    except ValueError:  # a grid, or wrong: then it is refused where it is not found
        return False


def _has_rules(column: Column) -> bool:
    """Tell whether a column may stand in rules: what is replaced or left out cannot."""
    return column.kind not in {"identifier", "text", "constant", "missing"}


def _reduced(
    rows: pa.Table, columns: Sequence[Column], keeper: RuleKeeper
) -> tuple[pa.Table, list[Column]]:
    """Return what is mixed of rows, and what its columns are."""
    table = keeper.reduce(rows).combine_chunks()
    known = {column.name: column for column in columns}
    found = []
    for name in table.column_names:
        column = known.get(name)
        if column is None:  # whether there is a gap, or which of several flags is set
            column = replace(detect_columns(table.select([name]))[0], kind="boolean")
        elif keeper.mixed_as_distance(name):
            column = detect_columns(table.select([name]))[0]
            column = replace(column, kind="integer") if column.kind == "identifier" else column
        elif name in keeper.codes and column.mixed:
            column = replace(column, kind="category")
        found.append(column)
    return table, found


def _check_usable(arrow: pa.Table, columns: Sequence[Column]) -> None:
    used = [column for column in columns if column.mixed or column.inherited]
    if all(column.kind in {"missing", "constant"} for column in used):
        kinds = ", ".join(f"{c.name} ({c.kind})" for c in columns) or "none"
        raise ValueError(
            "The table has no usable column. Say what one is with "
            f"kinds={{{arrow.column_names[0]!r}: 'category'}}. "
            f"Columns: {kinds}."
        )
    for column in columns:
        if column.mixed:
            check_finite(arrow[column.name], column.name)


def _warn_of_dropped(columns: Sequence[Column], identifiers: str | None, text: str | None) -> None:
    """Say what becomes of identifiers and text where the user has not said it."""
    for kind, said, what in (
        ("identifier", identifiers, "replaced by fresh surrogates; identifiers='drop'"),
        ("text", text, "left out; text='replace'"),
    ):
        names = [column.name for column in columns if column.kind == kind]
        if names and said is None:
            warnings.warn(
                f"{kind} column(s) {', '.join(names)}: {what} changes that, "
                f"kinds={{{names[0]!r}: 'category'}} keeps real values.",
                UserWarning,
                stacklevel=4,
            )


def _warn_of_people(
    columns: Sequence[Column], people: Mapping[str, Personal], identifiers: str | None
) -> None:
    """Say which personal data that repeat are replaced, where the user has not said it."""
    names = [
        column.name
        for column in columns
        if column.name in people and column.kind not in {"identifier", "missing"}
    ]
    if names and identifiers is None:
        said = ", ".join(f"{name} ({people[name].kind})" for name in names)
        warnings.warn(
            f"personal data in column(s) {said}: each is replaced by one surrogate of its own; "
            f"identifiers='drop' leaves them out, kinds={{{names[0]!r}: 'category'}} keeps real "
            "values.",
            UserWarning,
            stacklevel=4,
        )


def _warn_of_single_groups(training: TrainingRows, level: int) -> None:
    if training.single_groups:
        warnings.warn(
            f"within={list(training.settings.within)}: {training.single_groups} group(s) have a "
            "single row, which can only be copied. Group by fewer columns, or merge rare groups.",
            UserWarning,
            stacklevel=level,
        )


def _without_text(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Empty the text columns, which are never looked at, but for where they are missing."""
    for column in columns:
        if column.kind == "text" and column.name in table.column_names:
            at = table.column_names.index(column.name)
            kind = table.schema.field(at).type
            plain = kind.value_type if pa.types.is_dictionary(kind) else kind
            check_replaceable(plain, column.name)
            blank = pc.if_else(pc.is_valid(table[at]), pa.scalar("", plain), pa.scalar(None, plain))
            table = table.set_column(at, column.name, blank.cast(kind))
    return table
