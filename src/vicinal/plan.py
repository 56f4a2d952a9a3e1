"""The plan of a mixup: who mixes with whom, and by how much.

A plan is data. Pairings and weight laws make it (:func:`make_plan`); it can be inspected, saved,
cut into slices, and carried out on any array with the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vicinal._checks import check_count
from vicinal._points import doubles, plain
from vicinal._random import CHUNK_ROWS, PlanKey, RandomState, Seeds
from vicinal._threads import for_chunks
from vicinal._types import Array, Floats, Indices

if TYPE_CHECKING:
    import pyarrow as pa

    from vicinal.pairing import Pairing
    from vicinal.weights import WeightLaw


class MixPlan:
    """Pairs of rows and weights: row ``i`` becomes ``lam[i] * left + (1 - lam[i]) * right``.

    Parameters
    ----------
    left, right : array_like of int, shape (n_samples,)
        Row numbers of the two parents.
    lam : array_like of float, shape (n_samples,)
        Weight of the **left** parent; may lie outside [0, 1].

    Attributes
    ----------
    parents : ndarray of int, shape (n_samples, n_parents)
        Row numbers, 32-bit where they fit; read-only.
    weights : ndarray of float, shape (n_samples, n_parents)
        Weights, each row with sum 1; read-only.

    Raises
    ------
    ValueError
        If lengths differ, a row number is negative or a weight is not finite.

    See Also
    --------
    make_plan : Draw a plan from a pairing and a law.
    MixPlan.from_parents : A plan with more than two parents.

    Examples
    --------
    >>> plan = MixPlan(left=[0, 1], right=[1, 2], lam=[0.75, 0.5])
    >>> plan.apply(np.array([[0.0], [4.0], [8.0]]))
    array([[1.],
           [6.]])
    """

    __slots__ = ("parents", "weights")

    parents: Indices
    weights: npt.NDArray[np.floating[Any]]

    def __init__(self, left: npt.ArrayLike, right: npt.ArrayLike, lam: npt.ArrayLike) -> None:
        columns = [_as_index("left", left), _as_index("right", right)]
        weight = _as_weight("lam", lam)
        if weight.ndim != 1 or any(column.shape != weight.shape for column in columns):
            raise ValueError(
                "left, right and lam must be one-dimensional and of one length, got shapes "
                f"{columns[0].shape}, {columns[1].shape} and {weight.shape}."
            )
        parents = np.array(columns, np.result_type(*columns)).T
        self._freeze(parents, _with_rest(weight))

    @classmethod
    def from_parents(cls, parents: npt.ArrayLike, weights: npt.ArrayLike) -> MixPlan:
        """Build a plan with two or more parents to a row.

        Parameters
        ----------
        parents : array_like of int, shape (n_samples, n_parents)
            Row numbers.
        weights : array_like of float, shape (n_samples, n_parents)
            Weights; each row must have sum 1.

        Returns
        -------
        MixPlan
            The plan.

        Raises
        ------
        ValueError
            If shapes differ, a number is negative or a row of weights does not add up to 1.

        Examples
        --------
        >>> MixPlan.from_parents([[0, 1, 2]], [[0.5, 0.25, 0.25]]).n_parents
        3
        """
        rows = _as_index("parents", parents)
        shares = _as_weight("weights", weights)
        if rows.ndim != 2 or rows.shape != shares.shape or rows.shape[1] < 2:
            raise ValueError(
                "parents and weights must both have shape (n_samples, n_parents) with two or "
                f"more parents, got {rows.shape} and {shares.shape}."
            )
        off = np.abs(shares.sum(axis=1, dtype=float) - 1.0)
        if off.size and off.max() > 1e-5:
            raise ValueError(
                f"weights must have sum 1 in each row; row {int(off.argmax())} is off by "
                f"{off.max():.3g}. Divide each row by its sum."
            )
        if rows.shape[1] == 2:
            return cls(rows[:, 0], rows[:, 1], shares[:, 0])
        return object.__new__(cls)._freeze(np.array(rows, order="F"), np.array(shares, order="F"))

    def _freeze(self, parents: Indices, weights: npt.NDArray[np.floating[Any]]) -> MixPlan:
        for name, array in (("parents", parents), ("weights", weights)):
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        return self

    def __setattr__(self, name: str, value: Any = None) -> None:
        raise AttributeError(f"MixPlan is frozen; cannot change {name!r}. Build a new plan.")

    __delattr__ = __setattr__

    def __reduce__(self) -> Any:
        return (MixPlan.from_parents, (np.array(self.parents), np.array(self.weights)))

    @property
    def left(self) -> Indices:
        """Row numbers of the first parent, shape (n_samples,)."""
        return self.parents[:, 0]

    @property
    def right(self) -> Indices:
        """Row numbers of the second parent, shape (n_samples,)."""
        return self.parents[:, 1]

    @property
    def lam(self) -> npt.NDArray[np.floating[Any]]:
        """Weight of the first parent, shape (n_samples,)."""
        return self.weights[:, 0]

    @property
    def n_parents(self) -> int:
        """Number of parents of a row."""
        return int(self.parents.shape[1])

    @property
    def dominant(self) -> Indices:
        """Row number of the parent with the largest weight, shape (n_samples,)."""
        if self.n_parents == 2:
            return np.where(self.lam >= 0.5, self.left, self.right)
        heaviest = self.weights.argmax(axis=1)
        return np.take_along_axis(self.parents, heaviest[:, None], axis=1)[:, 0]

    def __len__(self) -> int:
        return int(self.parents.shape[0])

    def __getitem__(self, rows: slice | npt.ArrayLike) -> MixPlan:
        chosen = rows if isinstance(rows, slice) else np.atleast_1d(np.asarray(rows))
        return object.__new__(MixPlan)._freeze(self.parents[chosen], self.weights[chosen])

    def chunks(self, max_rows: int = CHUNK_ROWS) -> Iterator[MixPlan]:
        """Cut the plan into plans of at most ``max_rows`` rows, in order; nothing is copied.

        Examples
        --------
        >>> plan = MixPlan([0, 1, 2], [1, 2, 0], [0.5, 0.5, 0.5])
        >>> [len(chunk) for chunk in plan.chunks(2)]
        [2, 1]
        """
        check_count("max_rows", max_rows)
        for start in range(0, len(self), max_rows):
            yield self[start : start + max_rows]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MixPlan):
            return NotImplemented
        return np.array_equal(self.parents, other.parents) and np.array_equal(
            self.weights, other.weights
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"MixPlan(n_samples={len(self)}, n_parents={self.n_parents})"

    def apply(self, X: npt.ArrayLike, out: Array | None = None, check_finite: bool = True) -> Array:
        """Mix the rows of an array as the plan says.

        Parameters
        ----------
        X : array_like of shape (n_rows, ...)
            Rows of any shape. float32 and float64 are kept; other numbers become float64.
        out : ndarray of shape (n_samples, ...), optional
            Where to write; C-ordered, the type of the result, sharing no memory with ``X``. Its
            content is undefined after an error.
        check_finite : bool, default True
            Whether to refuse a result with NaN or infinity, which spread from a parent even at
            a weight of 0.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            Mixed rows.

        Raises
        ------
        ValueError
            If the plan points past the last row of ``X``, a mixed row is not finite or ``out``
            does not fit.
        TypeError
            If ``X`` does not hold numbers.

        Examples
        --------
        >>> plan = MixPlan([0], [1], [1.25])
        >>> plan.apply([[0.0, 8.0], [4.0, 0.0]])
        array([[-1., 10.]])
        """
        from vicinal import kernels

        rows, why = plain(X), ""
        if rows.ndim == 0:
            raise ValueError(
                f"X must have rows, got a single {type(X).__name__}. Pass a dense array, such as "
                "X.toarray()."
            )
        if rows.dtype.kind == "O":  # what NumPy makes of a table with columns of several types
            try:
                rows = doubles(rows)
            except (TypeError, ValueError) as error:
                why = f" ({error})"
        if rows.dtype.kind not in "fiub":
            raise TypeError(
                f"X must hold numbers, got dtype {rows.dtype}{why}. Encode it first; for a table "
                "with categories use vicinal.table.TableSynthesizer."
            )
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        self._check_rows(len(rows))
        shape = (len(self), *rows.shape[1:])
        flat = np.ascontiguousarray(rows).reshape(len(rows), int(np.prod(rows.shape[1:])))
        if out is None:
            out = kernels.empty_aligned(shape, flat.dtype)
        elif out.shape != shape or out.dtype != flat.dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"out must be a C-ordered {flat.dtype} array of shape {shape}, got "
                f"{out.dtype} of shape {out.shape}."
            )
        elif not out.flags.writeable:
            raise ValueError("out is read-only. Pass an array that may be written to.")
        elif np.may_share_memory(out, flat):
            raise ValueError("out must not share memory with X: parents are read more than once.")
        target = out.reshape(len(self), flat.shape[1])
        try:
            kernels.mix_rows(flat, self.parents, self.weights, target, check_finite=check_finite)
        except FloatingPointError:
            raise ValueError(
                "X holds NaN, infinity or numbers too large to mix, which spread to mixed rows. "
                "Fill or drop them first, or pass check_finite=False to let them spread."
            ) from None
        return out

    def mix_labels(
        self, y: npt.ArrayLike, classes: npt.ArrayLike | None = None, clip: bool = False
    ) -> Floats:
        """Mix labels as the plan says.

        Parameters
        ----------
        y : array_like of shape (n_rows,) or (n_rows, n_outputs)
            Floats are mixed as they are; anything else of one dimension counts as class labels.
        classes : array_like of shape (n_classes,), optional
            Classes in the order of the columns; sorted unique values of ``y`` where left out.
        clip : bool, default False
            Whether class weights are cut to [0, 1], beyond which EpBeta reaches, and scaled to
            sum 1 again.

        Returns
        -------
        ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_classes)
            Mixed targets; class weights have sum 1 in each row.

        Raises
        ------
        ValueError
            If ``y`` is too short for the plan, or holds a label that is not in ``classes``.

        Examples
        --------
        >>> MixPlan([0], [1], [0.75]).mix_labels(["cat", "dog"])
        array([[0.75, 0.25]])
        """
        labels = plain(y)
        if labels.ndim == 0:
            raise ValueError(f"y must have one entry for each row, got the single value {y!r}.")
        self._check_rows(len(labels), name="y")
        if labels.ndim != 1 or (labels.dtype.kind == "f" and classes is None):
            if clip or classes is not None:
                raise ValueError(
                    "clip and classes are for class labels of one dimension, got y of shape "
                    f"{labels.shape} and type {labels.dtype}. Leave them out."
                )
            return self.apply(_numbers(labels))
        try:
            known = np.unique(labels) if classes is None else np.asarray(classes)
            if labels.dtype == object:
                np.unique(labels)  # those of several kinds have no order
        except TypeError:
            raise ValueError(
                "y must hold labels of one kind, such as strings alone, without gaps. Convert them."
            ) from None
        empty = classes is not None and not len(known)
        if known.ndim != 1 or empty or len(np.unique(known)) < len(known):
            raise ValueError(f"classes must be distinct labels in one dimension, got {known!r}.")
        order = np.argsort(known, kind="stable")
        at = np.searchsorted(known, labels, sorter=order).clip(max=len(known) - 1)
        codes = order[at]
        strange = known[codes] != labels
        if strange.any():
            raise ValueError(
                f"y holds the label {labels[strange][0]!r}, which is not among classes {known!r}."
            )
        mixed = np.zeros((len(self), len(known)))
        rows = np.arange(len(self))
        for parent in range(self.n_parents):
            # one class for each row and parent: no index repeats within one statement
            mixed[rows, codes[self.parents[:, parent]]] += self.weights[:, parent]
        if clip:
            mixed = mixed.clip(0.0, 1.0)
            mixed /= mixed.sum(axis=1, keepdims=True)
        return mixed

    def _check_rows(self, n_rows: int, name: str = "X") -> None:
        if len(self) and int(self.parents.max()) >= n_rows:
            raise ValueError(
                f"{name} has {n_rows} rows but the plan points to row {int(self.parents.max())}. "
                "Make the plan for this data."
            )

    def to_arrow(self) -> pa.Table:
        """Return the plan as an Arrow table.

        Returns
        -------
        pyarrow.Table
            Columns left, right, lam; with more parents parent_0 ... and weight_0 ....

        Examples
        --------
        >>> MixPlan([0], [1], [0.5]).to_arrow().column_names
        ['left', 'right', 'lam']
        """
        import pyarrow as pa

        if self.n_parents == 2:
            columns: dict[str, Any] = {"left": self.left, "right": self.right, "lam": self.lam}
        else:
            columns = {f"parent_{p}": self.parents[:, p] for p in range(self.n_parents)}
            columns |= {f"weight_{p}": self.weights[:, p] for p in range(self.n_parents)}
        return pa.table(columns)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> MixPlan:
        """Read a plan back from the table of :meth:`to_arrow`, or raise ``ValueError``."""
        names = table.column_names
        count = sum(name.startswith("parent_") for name in names)
        needed = [f"{part}_{p}" for part in ("parent", "weight") for p in range(count)]
        if {"left", "right", "lam"} <= set(names):
            return cls(table["left"], table["right"], table["lam"])
        if count < 2 or not set(needed) <= set(names):
            raise ValueError(
                "An Arrow plan needs columns left, right and lam (or parent_0 ... and "
                f"weight_0 ...), got {', '.join(names) or 'none'}."
            )
        columns = [table[name].to_numpy() for name in needed]
        return cls.from_parents(np.stack(columns[:count], 1), np.stack(columns[count:], 1))


def _as_index(name: str, values: npt.ArrayLike) -> Indices:
    """Return row numbers as 32-bit integers where they fit."""
    array = plain(values)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.int32)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold row numbers (integers), got dtype {array.dtype}.")
    if array.size and int(array.min()) < 0:
        raise ValueError(f"{name} must hold row numbers from 0 up, got {int(array.min())}.")
    fits = array.size == 0 or int(array.max()) < 2**31
    return array.astype(np.int32 if fits else np.int64, copy=False)


def _as_weight(name: str, values: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
    array = plain(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}.")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity.")
    return array


def make_plan(
    X: int | npt.ArrayLike,
    n_samples: int | None = None,
    *,
    pairing: Pairing | None = None,
    weights: WeightLaw | None = None,
    random_state: RandomState = None,
) -> MixPlan:
    """Draw a plan: parents from a pairing, weights from a law.

    Parameters
    ----------
    X : int or array_like of shape (n_rows, ...)
        The rows; their number will do for a pairing that needs no more.
    n_samples : int, optional
        How many rows to make; as many as there are where left out.
    pairing : Pairing, optional
        Who mixes with whom; ``Permutation()`` where left out.
    weights : WeightLaw, optional
        By how much; ``EpBeta()`` where left out. The law decides the number of parents.
    random_state : int, numpy.random.Generator or None
        Seed. The same seed gives the same plan on any number of threads.

    Returns
    -------
    MixPlan
        ``left`` runs through all rows in order, again and again; a last incomplete round takes a
        random subset.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range, or the pairing needs the rows and got their number.

    Examples
    --------
    >>> from vicinal import EpBeta, Permutation
    >>> make_plan(1000, pairing=Permutation(), weights=EpBeta(0.1), random_state=0)
    MixPlan(n_samples=1000, n_parents=2)
    """
    from vicinal.pairing import Permutation
    from vicinal.pairing.base import as_rows, check_pairing
    from vicinal.weights import EpBeta, check_law

    data: Any = X if np.ndim(X) == 0 else as_rows(X)
    hint = "There is nothing to mix."
    count = check_count("X", X if np.ndim(X) == 0 else len(data), hint=hint)
    total = count if n_samples is None else check_count("n_samples", n_samples)
    pairing = check_pairing(Permutation() if pairing is None else pairing)
    law = check_law(EpBeta() if weights is None else weights)
    seeds = Seeds(random_state)
    source = pairing.source(count if np.ndim(X) == 0 else data, total, law.parents, seeds)

    index = np.int32 if count < 2**31 else np.int64
    parents = np.empty((total, law.parents), index, order="F")
    shares = np.empty((total, law.parents), np.float64, order="F")

    def work(start: int, stop: int) -> None:
        parents[start:stop], shares[start:stop] = draw_chunk(source, law, seeds, start, stop)

    for_chunks(work, total, CHUNK_ROWS)
    return object.__new__(MixPlan)._freeze(parents, shares)


def _numbers(labels: Array) -> Array:
    """Return labels of one row each, or one-hot, as finite numbers."""
    try:
        numbers = labels.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            "y must hold labels in one dimension, or numbers in two, one column for each class."
        ) from None
    if not np.isfinite(numbers).all():
        raise ValueError("y holds NaN or infinity. Drop these rows, or fill them.")
    return numbers


def _with_rest(lam: Array) -> Array:
    """Return the weights of both parents, shape (n, 2)."""
    both = np.empty((len(lam), 2), lam.dtype, order="F")
    both[:, 0] = lam
    np.subtract(1, lam, out=both[:, 1])
    return both


def draw_chunk(
    source: Any, law: WeightLaw, seeds: Seeds, start: int, stop: int
) -> tuple[Indices, Floats]:
    """Draw parents and weights of the output rows ``start`` to ``stop`` of one chunk."""
    chunk = start // CHUNK_ROWS
    drawn = law.sample(stop - start, seeds.generator(PlanKey.WEIGHTS, chunk))
    return source(start, stop), _with_rest(drawn) if drawn.ndim == 1 else drawn
