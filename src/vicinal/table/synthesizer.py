"""Learn a table, draw synthetic ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vicinal._checks import check_choice, check_column, check_count
from vicinal._random import RandomState, Seeds
from vicinal.plan import MixPlan
from vicinal.table import modelfile
from vicinal.table.columns import Column, detect_columns
from vicinal.table.conditions import Where, parse_where, rows_matching
from vicinal.table.frames import to_arrow, to_native
from vicinal.table.modelfile import Learnt
from vicinal.table.pool import FEW_VALUES, Pool, Recipe
from vicinal.table.surrogates import Surrogates
from vicinal.weights import EpBeta, SphereWeights, WeightLaw

__all__ = ["PRIVACY", "TableSynthesizer"]

#: What each setting of the privacy dial stands for; parts given by name win over it.
PRIVACY: dict[str, dict[str, Any]] = {
    "low": {"method": "rows", "weights": EpBeta(delta=0.1, eps=0.3)},
    "balanced": {"method": "neighbourhood", "weights": SphereWeights(8), "neighbours": 60},
    "high": {"method": "neighbourhood", "weights": SphereWeights(12), "neighbours": 150},
}

_SURROGATE = 20  # key of seeds


class TableSynthesizer:
    """Learn a table and draw synthetic tables of the same structure.

    Rows are mixed, not modelled: a synthetic row is a weighted mix of a few real ones, with
    weights whose law keeps mean and covariance. Categories and gaps are taken from a parent.

    Parameters
    ----------
    privacy : {"balanced", "low", "high"}, default "balanced"
        One dial for method, weights, categories and neighbours together. "low" mixes two rows
        and keeps most structure; "balanced" and "high" mix three near rows of a neighbourhood of
        20 or 60 and take each category from any of them, so that few synthetic rows stay close
        to one real row. None of them is differential privacy.
    method : {"rows", "neighbourhood"}, optional
        Whether partners come from all rows (of a group) or from near ones.
    weights : WeightLaw, optional
        Law of the weights. A two-parent law implies ``method="rows"`` unless you say otherwise.
    marginals : {"normal-score", "raw"}, default "normal-score"
        "normal-score" mixes Gaussian quantiles of ranks and maps back: each column keeps its
        distribution and range. "raw" mixes the values: mean, variance and covariance are kept
        (before integers are rounded), but values may leave the column's range.
    within : str or sequence of str, optional
        Columns whose groups are never mixed: what holds given the group is kept exactly.
    target : str, optional
        The column that a model will predict. A category counts as one of ``within``.
    categories : {"parent", "columnwise"}, optional
        Whether all categories of a row come from its heaviest parent, or each from any parent.
    neighbours : int, optional
        Size of a neighbourhood.
    kinds : mapping of str to str, optional
        Column name to kind (:data:`vicinal.table.KINDS`), where detection is wrong.
    identifiers : {"replace", "drop"}, optional
        What becomes of identifiers; replaced, with a warning, where left out.
    text : {"drop", "replace"}, optional
        What becomes of free text; dropped, with a warning, where left out.
    exact_moments : bool, default False
        With ``marginals="raw"``: shift and turn the whole sample so that mean and covariance of
        the mixed columns equal those of the table to rounding error, not only on average.
    random_state : int, numpy.random.Generator or None
        Seed. With an int, every ``sample`` of one size returns the same rows.

    Attributes
    ----------
    columns_ : list of Column
        What each column was taken for.
    n_rows_ : int
        Rows learnt from.
    recipe_ : Recipe
        Method and parts in force.

    Notes
    -----
    The learnt synthesizer, saved or not, holds the rows it learnt from. Treat it like the data.

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
        neighbours: int | None = None,
        kinds: Mapping[str, str] | None = None,
        identifiers: str | None = None,
        text: str | None = None,
        exact_moments: bool = False,
        random_state: RandomState = None,
    ) -> None:
        check_choice("privacy", privacy, PRIVACY)
        check_choice("marginals", marginals, ["normal-score", "raw"])
        for name, value, choices in (
            ("method", method, ["rows", "neighbourhood"]),
            ("categories", categories, ["parent", "columnwise"]),
            ("identifiers", identifiers, ["replace", "drop"]),
            ("text", text, ["drop", "replace"]),
        ):
            if value is not None:
                check_choice(name, value, choices)
        if weights is not None and not isinstance(weights, WeightLaw):
            raise TypeError(f"weights must be a law such as EpBeta(0.1), got {weights!r}.")
        if neighbours is not None:
            check_count("neighbours", neighbours, low=2)
        if exact_moments and marginals != "raw":
            raise ValueError('exact_moments=True needs marginals="raw".')
        self.privacy = privacy
        self.method = method
        self.weights = weights
        self.marginals = marginals
        self.within = within
        self.target = target
        self.categories = categories
        self.neighbours = neighbours
        self.kinds = kinds
        self.identifiers = identifiers
        self.text = text
        self.exact_moments = exact_moments
        self.random_state = random_state

    def _settings(self) -> dict[str, Any]:
        defaults = TableSynthesizer.__init__.__kwdefaults__ or {}
        return {name: getattr(self, name) for name in ("privacy", *defaults)}

    def __repr__(self) -> str:
        defaults = {"privacy": "balanced", **(TableSynthesizer.__init__.__kwdefaults__ or {})}
        changed = (
            f"{name}={value!r}"
            for name, value in self._settings().items()
            if value != defaults[name]
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
            If the table has no rows, or nothing in it can be mixed or inherited, or a column
            named in ``within``, ``target`` or ``kinds`` is not there.

        Warns
        -----
        UserWarning
            Where identifiers are replaced or text is dropped without your word, or a group has
            one row.
        """
        arrow = to_arrow(table)
        if arrow.num_rows < 2:
            raise ValueError(f"The table has {arrow.num_rows} row(s); mixing needs at least 2.")
        columns = detect_columns(arrow, self.kinds)
        recipe = self._recipe(columns)
        used = [column for column in columns if column.mixed or column.inherited]
        if all(column.kind in {"missing", "constant"} for column in used):
            kinds = ", ".join(f"{c.name} ({c.kind})" for c in columns) or "none"
            raise ValueError(
                f"The table has no usable column. Columns: {kinds}. Say what a column is with "
                "kinds={'name': 'category'}."
            )
        self._warn_of_dropped(columns)
        seeds = Seeds(self.random_state)
        order = seeds.generator(0).permutation(arrow.num_rows)
        kept = [column.name for column in columns if self._is_kept(column)]
        rows = _without_text(arrow.select(kept), columns).take(order).combine_chunks()
        self._learn(Learnt(rows, order, columns, recipe, arrow.schema, seeds))
        return self

    def _is_kept(self, column: Column) -> bool:
        if column.kind == "identifier":
            return self.identifiers != "drop"
        return column.kind != "text" or self.text == "replace"

    def _learn(self, learnt: Learnt) -> None:
        self._learnt, self.columns_, self.recipe_ = learnt, learnt.columns, learnt.recipe
        self.n_rows_ = int(learnt.rows.num_rows)
        self._pool = self._make_pool(learnt.rows)
        kept = {column.name: column for column in learnt.columns}
        self._surrogates = {
            name: Surrogates(learnt.rows[name], name, kept[name].kind)
            for name in learnt.rows.column_names
            if kept[name].kind in {"identifier", "text"}
        }

    def _make_pool(self, rows: pa.Table) -> Pool:
        used = [c for c in self.columns_ if c.mixed or c.inherited]
        return Pool(rows.select([c.name for c in used]), used, self.recipe_, self._learnt.seeds)

    def _recipe(self, columns: Sequence[Column]) -> Recipe:
        preset = PRIVACY[self.privacy]
        kind_of = {column.name: column.kind for column in columns}
        within = [self.within] if isinstance(self.within, str) else list(self.within or ())
        for name in within:
            check_column("within", name, kind_of)
            if kind_of[name] in {"identifier", "text"}:
                raise ValueError(f"within: column {name!r} is {kind_of[name]}; no groups in it.")
        if self.target is not None:
            check_column("target", self.target, kind_of)
            few = next(c.n_distinct for c in columns if c.name == self.target) <= FEW_VALUES
            if self.target not in within and (
                kind_of[self.target] in {"category", "boolean"} or few
            ):
                within.append(self.target)
        weights = self.weights or preset["weights"]
        method = self.method or ("rows" if self.weights and weights.parents == 2 else None)
        method = method or preset["method"]
        return Recipe(
            method=method,
            weights=weights,
            marginals=self.marginals,
            categories=self.categories or ("parent" if method == "rows" else "columnwise"),
            within=tuple(within),
            neighbours=self.neighbours or preset.get("neighbours", 20),
        )

    def _warn_of_dropped(self, columns: Sequence[Column]) -> None:
        for kind, said, what in (
            ("identifier", self.identifiers, "replaced by fresh surrogates; identifiers='drop'"),
            ("text", self.text, "left out; text='replace'"),
        ):
            names = [column.name for column in columns if column.kind == kind]
            if names and said is None:
                warnings.warn(
                    f"{kind} column(s) {', '.join(names)}: {what} changes that, "
                    "kinds={'name': 'category'} keeps real values.",
                    UserWarning,
                    stacklevel=3,
                )

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
            Rows to draw; as many as were learnt where left out.
        where : str, sequence of str or mapping, optional
            Conditions that every row must meet, such as ``"income=>50K"`` or ``{"age": 40}``.
            Nothing is rejected: only rows that meet them are mixed, and mixed values stay within
            their range.
        return_plan : bool, default False
            Whether to return, too, which rows were mixed and by how much.
        random_state : int, numpy.random.Generator or None
            Seed; the synthesizer's own where left out.
        progress : callable, optional
            Called with the number of rows finished since the last call.

        Returns
        -------
        table
            Same kind, columns and types as the learnt one, in the same order; text columns are
            left out unless replaced.
        plan : MixPlan
            Only with ``return_plan``: parents, as row numbers of the learnt table.

        Raises
        ------
        ValueError
            If ``n_rows`` is below 1, or no row meets ``where``.
        RuntimeError
            Before :meth:`fit`.
        """
        if not hasattr(self, "_pool"):
            raise RuntimeError("This TableSynthesizer has learnt nothing yet: call fit(table).")
        total = self.n_rows_ if n_rows is None else check_count("n_rows", n_rows)
        seeds = self._learnt.seeds
        if random_state is not None or not isinstance(self.random_state, (int, np.integer)):
            seeds = Seeds(random_state if random_state is not None else self.random_state)
        pool, order = self._pool, self._learnt.order
        if where is not None:
            pool, order = self._subset(where)
        adjust = _MomentMatch(pool.scores) if self.exact_moments else None
        drawn, parents, weights = pool.sample(total, seeds, adjust, progress)
        out = self._assemble(drawn, total, seeds)
        if not return_plan:
            return out
        return out, MixPlan.from_parents(order[parents], weights)

    def _subset(self, where: Where) -> tuple[Pool, np.ndarray[Any, Any]]:
        conditions = parse_where(where)
        learnt = self._learnt
        met = rows_matching(learnt.rows, conditions).to_numpy()
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
        return self._make_pool(learnt.rows.take(rows).combine_chunks()), learnt.order[rows]

    def _values_hint(self, conditions: Sequence[Any]) -> str:
        column = conditions[0].column
        values = self._learnt.rows[column].unique().to_pylist()
        if len(conditions) > 1 or len(values) > 40:
            return ""
        shown = ", ".join(repr(value) for value in values[:12])
        return f" Values of {column!r}: {shown}{', ...' if len(values) > 12 else ''}."

    def _assemble(self, drawn: pa.Table, total: int, seeds: Seeds) -> Any:
        arrays, fields = [], []
        for number, field in enumerate(self._learnt.schema):
            if field.name in self._surrogates:
                rng = seeds.generator(_SURROGATE, number)
                arrays.append(self._surrogates[field.name].make(total, rng))
            elif field.name in drawn.column_names:
                arrays.append(drawn[field.name])
            else:
                continue
            fields.append(field)
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields, self._learnt.schema.metadata))
        return to_native(table)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the learnt synthesizer to one file (Arrow and JSON, no pickle).

        Parameters
        ----------
        path : str or path
            Where; replaced whole or not at all. The file holds the learnt rows.

        Raises
        ------
        RuntimeError
            Before :meth:`fit`.
        OSError
            If the folder cannot be written.
        """
        if not hasattr(self, "_pool"):
            raise RuntimeError("There is nothing to save yet: call fit(table) first.")
        modelfile.save(path, self._settings(), self._learnt)

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
        settings, learnt = modelfile.load(path)
        synthesizer = cls(**settings)
        synthesizer._learn(learnt)
        return synthesizer


def _without_text(table: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Empty the text columns, which are never looked at, but for where they are missing."""
    for column in columns:
        if column.kind == "text" and column.name in table.column_names:
            at = table.column_names.index(column.name)
            kind = table.schema.field(at).type
            plain = kind.value_type if pa.types.is_dictionary(kind) else kind
            blank = pc.if_else(pc.is_valid(table[at]), pa.scalar("", plain), pa.scalar(None, plain))
            table = table.set_column(at, column.name, blank.cast(kind))
    return table


class _MomentMatch:
    """Moves and turns a sample so that its mean and covariance are those of given rows."""

    def __init__(self, real: np.ndarray[Any, Any]) -> None:
        self._mean = real.mean(axis=0)
        self._root, _ = _roots(real)

    def __call__(self, sample: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if len(sample) <= sample.shape[1]:
            raise ValueError(
                f"exact_moments needs more rows than mixed columns: ask for more than "
                f"{sample.shape[1]} rows, got {len(sample)}."
            )
        _, inverse = _roots(sample)
        return (sample - sample.mean(axis=0)) @ (inverse @ self._root) + self._mean


def _roots(rows: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a symmetric square root of the covariance, and its pseudo-inverse."""
    scale = rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows / scale, rowvar=False)))
    kept = values > values.max() * 1e-12
    root = np.sqrt(np.where(kept, values, 0))
    inverse = np.where(kept, 1 / np.where(kept, root, 1), 0)
    forth = (vectors * root) @ vectors.T * scale
    back = (vectors * inverse) @ vectors.T / scale[:, None]
    return forth, back
