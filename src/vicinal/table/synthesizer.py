"""Learn a table, draw synthetic ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal._checks import check_choice, check_count
from vicinal._random import RandomState, Seeds
from vicinal.plan import MixPlan
from vicinal.table import modelfile
from vicinal.table.buffers import ColumnBuffer
from vicinal.table.conditions import Condition, Where, parse_where, rows_matching
from vicinal.table.frames import to_arrow, to_native
from vicinal.table.modelfile import Learned
from vicinal.table.moments import MomentMatch
from vicinal.table.numbers import check_finite
from vicinal.table.population import Whole
from vicinal.table.precautions import (
    check_kept,
    warn_of_dropped,
    warn_of_single_groups,
    without_text,
)
from vicinal.table.presets import PARTS, PRIVACY
from vicinal.table.schema import Column, detect_columns
from vicinal.table.surrogates import Surrogates
from vicinal.table.training_rows import FEW_VALUES, Pool, Recipe
from vicinal.weights import WeightLaw

__all__ = ["PRIVACY", "TableSynthesizer"]

_SURROGATE = 20  # key of seeds


class TableSynthesizer:
    """Learn a table and draw synthetic tables of the same structure.

    Rows are mixed, not modelled: a synthetic row is a weighted mix of a few real ones, with
    weights whose law keeps mean and covariance. Categories and gaps are taken from a parent, and
    so are numbers of few values, or of one value in three rows out of ten. Numbers follow the
    categories that a row gets: under normal scores, what categories say of numbers is taken out
    before mixing and given back after.

    Parameters
    ----------
    privacy : {"balanced", "off", "high", "max"}, default "balanced"
        One dial for method, weights, categories and neighbors together. "off" mixes two rows
        and keeps most structure. The others mix 8 near rows and take each category from any of
        them, so that few synthetic rows stay close to one real row: out of a neighborhood of 60
        ("balanced"), 150 ("high") or 300 ("max"). A row that comes out nearer to one of its
        parents than real rows lie to each other is drawn again. None of them is differential
        privacy.
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
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong.
    identifiers : {"replace", "drop"}, optional
        What becomes of identifiers; replaced, with a warning, where left out.
    text : {"drop", "replace"}, optional
        What becomes of free text; dropped, with a warning, where left out.
    exact_moments : bool, default False
        With ``marginals="raw"``: shift and turn the whole sample so that mean and covariance of
        the mixed columns equal those of the table to rounding error, not only on average. It
        holds for floats without gaps; rounding integers and leaving out missing values come
        later. The mixed numbers of the whole sample are held in memory at once.
    random_state : int, numpy.random.Generator or None
        Seed. With an int, every ``sample`` of one size returns the same rows; with a Generator
        or None every call draws others.

    Attributes
    ----------
    columns_ : list of Column
        What each column was taken for.
    n_rows_ : int
        Rows learned from.
    recipe_ : Recipe
        Method and parts in force.

    Notes
    -----
    The learned synthesizer, saved or not, holds the rows it learned from. Treat it like the data.

    References
    ----------
    Lee, Im and Kim, "A Generalized Theory of Mixup for Structure-Preserving Synthetic Data",
    AISTATS 2025.

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
        kinds: Mapping[str, str] | None = None,
        identifiers: str | None = None,
        text: str | None = None,
        exact_moments: bool = False,
        random_state: RandomState = None,
    ) -> None:
        check_choice("privacy", privacy, PRIVACY)
        check_choice("marginals", marginals, ["normal-score", "raw"])
        for name, value, choices in (
            ("method", method, ["rows", "neighborhood"]),
            ("categories", categories, ["parent", "columnwise"]),
            ("identifiers", identifiers, ["replace", "drop"]),
            ("text", text, ["drop", "replace"]),
        ):
            if value is not None:
                check_choice(name, value, choices)
        if weights is not None and not isinstance(weights, WeightLaw):
            raise TypeError(f"weights must be a law such as EpBeta(0.1), got {weights!r}.")
        if neighbors is not None:
            check_count("neighbors", neighbors, low=2)
            if method == "rows":
                raise ValueError(
                    f'neighbors={neighbors} means nothing with method="rows". Leave one of them '
                    "out."
                )
        if exact_moments and marginals != "raw":
            raise ValueError('exact_moments=True needs marginals="raw".')
        self.privacy = privacy
        self.method = method
        self.weights = weights
        self.marginals = marginals
        self.within = within
        self.target = target
        self.categories = categories
        self.neighbors = neighbors
        self.kinds = kinds
        self.identifiers = identifiers
        self.text = text
        self.exact_moments = exact_moments
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, as they were given.

        Parameters
        ----------
        deep : bool, default True
            Makes no difference; scikit-learn asks for it.

        Returns
        -------
        dict
            Parameter to value: ``TableSynthesizer(**params)`` is an unfitted twin.
        """
        defaults = TableSynthesizer.__init__.__kwdefaults__ or {}
        return {name: getattr(self, name) for name in ("privacy", *defaults)}

    def __repr__(self) -> str:
        defaults = {"privacy": "balanced", **(TableSynthesizer.__init__.__kwdefaults__ or {})}
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name])
        )
        return f"TableSynthesizer({', '.join(changed)})"

    def fit(self, table: Any) -> TableSynthesizer:
        """Learn a table.

        Parameters
        ----------
        table : pandas, Polars or PyArrow table
            At least two rows and one usable column.

        Returns
        -------
        TableSynthesizer
            Itself.

        Raises
        ------
        ValueError
            If the table has fewer than two rows, or nothing in it can be mixed or inherited, or a
            number is infinite, or a column named in ``within``, ``target`` or ``kinds`` is not
            there.

        Warns
        -----
        UserWarning
            Where identifiers are replaced or text is dropped without your word, or a group has
            one row.
        """
        arrow = to_arrow(table)
        if arrow.num_rows < 2:
            raise ValueError(
                f"The table has {arrow.num_rows} row(s); mixing needs at least 2. Pass more rows."
            )
        self._fit(arrow, detect_columns(arrow, self.kinds), Seeds(self.random_state))
        return self

    def _fit(
        self,
        arrow: pa.Table,
        columns: list[Column],
        seeds: Seeds,
        whole: Whole | None = None,
        places: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Learn rows, all there are or a sample of them, given by their places in the whole."""
        recipe = self._recipe(columns)
        used = [column for column in columns if column.mixed or column.inherited]
        if all(column.kind in {"missing", "constant"} for column in used):
            kinds = ", ".join(f"{c.name} ({c.kind})" for c in columns) or "none"
            raise ValueError(
                f"The table has no usable column. Columns: {kinds}. Say what a column is with "
                "kinds={'name': 'category'}."
            )
        for column in columns:
            if column.mixed:
                check_finite(arrow[column.name], column.name)
        warn_of_dropped(columns, self.identifiers, self.text, 4)
        order = seeds.generator(0).permutation(arrow.num_rows)
        kept = [column.name for column in columns if self._is_kept(column)]
        rows = without_text(arrow.select(kept), columns).take(order).combine_chunks()
        order = order if places is None else places[order]
        self._learn(Learned(rows, order, columns, recipe, arrow.schema, seeds, whole))
        warn_of_single_groups(self._pool, 4)

    def _is_kept(self, column: Column) -> bool:
        if column.kind == "identifier":
            return self.identifiers != "drop"
        return column.kind != "text" or self.text == "replace"

    def _learn(self, learned: Learned) -> None:
        whole = learned.whole
        pool = Pool(learned.rows, learned.columns, learned.recipe, learned.seeds, whole=whole)
        known = Whole(0) if whole is None else whole
        surrogates = {
            column.name: Surrogates(
                learned.rows[column.name],
                column.name,
                column.kind,
                span=known.spans.get(column.name),
                prefix=known.prefixes.get(column.name),
            )
            for column in learned.columns
            if column.kind in {"identifier", "text"} and column.name in learned.rows.column_names
        }
        # all or nothing: a table that is refused leaves what was learned before
        self._learned, self._pool, self._surrogates = learned, pool, surrogates
        self.columns_, self.recipe_ = learned.columns, learned.recipe
        self.n_rows_ = int(learned.rows.num_rows) if whole is None else whole.n_rows

    def _recipe(self, columns: Sequence[Column]) -> Recipe:
        preset = PRIVACY[self.privacy]
        kind_of = {column.name: column.kind for column in columns}
        within = [self.within] if isinstance(self.within, str) else list(self.within or ())
        for name in within:
            check_kept("within", name, kind_of)
        if self.target is not None:
            check_kept("target", self.target, kind_of)
            few = next(c.n_distinct for c in columns if c.name == self.target) <= FEW_VALUES
            if kind_of[self.target] in {"category", "boolean"} or few:
                within.append(self.target)
        method = self._method()
        return Recipe(
            method=method,
            weights=preset["weights"] if self.weights is None else self.weights,
            marginals=self.marginals,
            categories=self.categories or ("parent" if method == "rows" else "columnwise"),
            within=tuple(dict.fromkeys(within)),
            neighbors=self._neighbors(),
            share=preset.get("share", 0.4) if self.neighbors is None else 1.0,
            target=self.target,
            **{name: preset.get(name, plain) for name, plain in PARTS.items()},
        )

    def _method(self) -> str:
        if self.method is not None:
            return self.method
        if self.neighbors is not None:
            return "neighborhood"
        if self.weights is not None and self.weights.parents == 2:
            return "rows"
        return str(PRIVACY[self.privacy]["method"])

    def _neighbors(self) -> int:
        return int(self.neighbors or PRIVACY[self.privacy].get("neighbors", 20))

    def sample(
        self,
        n_rows: int | None = None,
        *,
        where: Where | None = None,
        return_plan: bool = False,
        random_state: RandomState = None,
        progress: Callable[[int], None] | None = None,
    ) -> Any:
        """Draw a synthetic table.

        Parameters
        ----------
        n_rows : int, optional
            Rows to draw; as many as were learned where left out.
        where : str, sequence of str or mapping, optional
            Conditions that every row must meet, such as ``"income=>50K"`` or ``{"age": 40}``
            (None for a missing value). Nothing is rejected: only rows that meet them are mixed.
            Numbers that a condition is about keep their distribution among those rows, also with
            ``marginals="raw"``; where the condition is ``!=`` they are taken from a parent.
        return_plan : bool, default False
            Whether to return, too, which rows were mixed and by how much.
        random_state : int, numpy.random.Generator or None
            Seed; the synthesizer's own where left out. Rows depend on ``n_rows``: fewer rows are
            not the first ones of more.
        progress : callable, optional
            Called with the number of rows finished since the last call, from any thread but by
            one at a time.

        Returns
        -------
        table
            Same kind, columns and types as the learned one, in the same order; text columns are
            left out unless replaced.
        plan : MixPlan
            Only with ``return_plan``: parents, as row numbers of the learned table.

        Raises
        ------
        ValueError
            If ``n_rows`` is below 1, or no row meets ``where``, or it cannot be read.
        RuntimeError
            Before :meth:`fit`.

        Warns
        -----
        UserWarning
            Where a single row meets ``where``, or is alone in its group among those that do.
        """
        if not hasattr(self, "_pool"):
            raise RuntimeError("This TableSynthesizer has learned nothing yet: call fit(table).")
        total = self.n_rows_ if n_rows is None else check_count("n_rows", n_rows)
        seeds = self._learned.seeds
        if random_state is not None or not isinstance(self.random_state, (int, np.integer)):
            seeds = Seeds(random_state if random_state is not None else self.random_state)
        pool, order = self._pool, self._learned.order
        if where is not None:
            pool, order = self._subset(where)
            if len(pool) > 1:
                warn_of_single_groups(pool, 3)
        adjust = MomentMatch(pool.scores) if self.exact_moments else None
        drawn, plan = pool.sample(
            total, seeds, adjust=adjust, return_plan=return_plan, progress=progress
        )
        # handed on, not kept: a column is freed as soon as it is converted
        out = to_native(self._assemble(drawn, total, seeds, self._surrogates), self._learned.schema)
        if plan is None:
            return out
        return out, MixPlan.from_parents(order[plan[0]], plan[1])

    def _subset(self, where: Where) -> tuple[Pool, np.ndarray[Any, Any]]:
        conditions = parse_where(where)
        learned = self._learned
        for condition in conditions:
            kind = next((c.kind for c in self.columns_ if c.name == condition.column), None)
            if kind == "text":
                raise ValueError(
                    f"where: column {condition.column!r} is free text, which is not kept. Say "
                    f"kinds={{{condition.column!r}: 'category'}} before fit to ask for its values."
                )
        met = rows_matching(learned.rows, conditions).to_numpy()
        if not met.any():
            asked = " and ".join(map(str, conditions))
            raise ValueError(f"where: no row meets {asked}.{self._values_hint(conditions)}")
        rows = np.flatnonzero(met)
        if len(rows) == 1:
            warnings.warn(
                "where: a single row meets the conditions; every synthetic row copies it.",
                UserWarning,
                stacklevel=3,
            )
        held: dict[str, bool] = {}
        for condition in conditions:
            held[condition.column] = held.get(condition.column, False) or condition.sign == "!="
        chosen = learned.rows.take(rows).combine_chunks()
        pool = Pool(chosen, self.columns_, self.recipe_, learned.seeds, held)
        return pool, learned.order[rows]

    def _values_hint(self, conditions: Sequence[Condition]) -> str:
        column = conditions[0].column
        values = self._learned.rows[column].unique().to_pylist()
        if len(conditions) > 1 or len(values) > 40:
            return ""
        shown = ", ".join(repr(value) for value in values[:12])
        return f" Values of {column!r}: {shown}{', ...' if len(values) > 12 else ''}."

    def _assemble(
        self,
        drawn: dict[str, ColumnBuffer],
        count: int,
        seeds: Seeds,
        surrogates: Mapping[str, Surrogates],
        first: int = 0,
        total: int | None = None,
    ) -> pa.Table:
        """Put columns together: rows from ``first`` on, ``count`` of them, out of ``total``."""
        arrays, fields = [], []
        for number, field in enumerate(self._learned.schema):
            made = drawn[field.name].finish() if field.name in drawn else None
            if field.name in surrogates:
                gaps = None if made is None else made.to_numpy(zero_copy_only=False)
                rng = seeds.generator(_SURROGATE, number)
                surrogate = surrogates[field.name]
                arrays.append(surrogate.make(count, rng, gaps, first=first, total=total))
                if pa.types.is_dictionary(field.type):
                    field = field.remove_metadata()  # Polars' list of what an Enum may hold
            elif made is not None:
                arrays.append(made.cast(field.type) if pa.types.is_dictionary(field.type) else made)
            else:
                continue
            fields.append(field.with_type(arrays[-1].type))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields, self._learned.schema.metadata))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the learned synthesizer to one file (Arrow and JSON, no pickle).

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all. The file holds the learned rows.

        Raises
        ------
        RuntimeError
            Before :meth:`fit`.
        OSError
            If the folder cannot be written.
        """
        if not hasattr(self, "_pool"):
            raise RuntimeError("There is nothing to save yet: call fit(table) first.")
        modelfile.save(path, self.get_params(), self._learned)

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
            If the file is no model, cut short, or of another version.
        FileNotFoundError
            If there is no such file.
        """
        settings, learned = modelfile.load(path)
        synthesizer = cls(**settings)
        synthesizer._learn(learned)
        return synthesizer
