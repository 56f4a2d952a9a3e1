"""Parameters of a synthesizer: what may be given, the privacy presets, and what is in force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal._checks import check_choice, check_column, check_count
from vicinal.table.rare import RARE
from vicinal.table.schema import Column
from vicinal.weights import EpBeta, SphereWeights, WeightLaw, law_from_spec

if TYPE_CHECKING:
    from vicinal.table.synthesizer import TableSynthesizer

#: Numbers with this few distinct values or fewer are taken from a parent under normal scores:
#: codes and counts have no useful ranks between them. Where each of them is rare they are mixed.
FEW_VALUES = 20

#: What each setting of ``privacy`` stands for; parameters given by name win over it.
PRIVACY: dict[str, dict[str, Any]] = {
    "off": {"method": "rows", "weights": EpBeta(delta=0.1, eps=0.3)},
    "balanced": {
        "method": "neighborhood",
        "weights": SphereWeights(8),
        "neighbors": 100,
        "share": 0.4,
        "focus": 1.0,
        "spacing": 0.7,
        "support": 0.1,
        "min_count": 5,
        "blur": 5,
        "candidates": 4,
    },
    "high": {
        "method": "neighborhood",
        "weights": SphereWeights(8),
        "neighbors": 250,
        "share": 0.4,
        "focus": 1.0,
        "spacing": 0.7,
        "support": 0.1,
        "min_count": 5,
        "blur": 8,
        "candidates": 4,
    },
    "max": {
        "method": "neighborhood",
        "weights": SphereWeights(8),
        "neighbors": 300,
        "share": 0.8,
        "focus": 1.0,
        "spacing": 0.7,
        "support": 0.1,
        "min_count": 5,
        "blur": 12,
        "names_alone": False,
        "learned": 0.6,
        "candidates": 4,
    },
}


@dataclass(frozen=True)
class MixingSettings:
    """How rows are mixed: the parameters of :class:`TableSynthesizer`, resolved."""

    method: str
    weights: WeightLaw
    marginals: str
    categories: str
    within: tuple[str, ...]
    neighbors: int
    share: float = 1.0
    target: str | None = None
    focus: float = 0.0
    spacing: float = 0.0
    support: float = 0.0
    spike: float = 0.3
    effects: bool = True
    min_count: int = 1
    blur: int = 0
    names_alone: bool = True  # blurred, not numbers that stand for names
    rare: str = "replace"
    candidates: int = 1
    learned: float = 1.0  # share of the rows that take part, drawn at random

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return vars(self) | {"weights": self.weights.spec()}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> MixingSettings:
        """Return what :meth:`as_dict` was made from."""
        law, within = law_from_spec(facts["weights"]), tuple(facts["within"])
        return cls(**facts | {"weights": law, "within": within})


def check_parameters(synthesizer: TableSynthesizer) -> None:
    """Refuse parameters that are wrong whatever the table."""
    check_choice("privacy", synthesizer.privacy, PRIVACY)
    check_choice("marginals", synthesizer.marginals, ["normal-score", "raw"])
    for name, choices in (
        ("method", ["rows", "neighborhood"]),
        ("categories", ["parent", "columnwise"]),
        ("identifiers", ["replace", "drop"]),
        ("text", ["drop", "replace"]),
        ("rare", RARE),
    ):
        value = getattr(synthesizer, name)
        if value is not None:
            check_choice(name, value, choices)
    weights, neighbors = synthesizer.weights, synthesizer.neighbors
    if weights is not None and not isinstance(weights, WeightLaw):
        raise TypeError(f"weights must be a law such as EpBeta(0.1), got {weights!r}.")
    if synthesizer.min_count is not None:
        check_count("min_count", synthesizer.min_count)
    if synthesizer.candidates is not None:
        check_count("candidates", synthesizer.candidates)
    if neighbors is not None:
        check_count("neighbors", neighbors, low=2)
        if synthesizer.method == "rows":
            raise ValueError(
                f'neighbors={neighbors} means nothing with method="rows". Leave one of them out.'
            )
    if synthesizer.exact_moments and synthesizer.marginals != "raw":
        raise ValueError('exact_moments=True needs marginals="raw".')
    if synthesizer.exact_moments and has_units(synthesizer):
        raise ValueError(
            "exact_moments=True is about rows, and entity or time mix whole entities. Leave one "
            "of them out."
        )


def has_units(synthesizer: TableSynthesizer) -> bool:
    """Tell whether entities, or periods of one series, are mixed and not rows."""
    return synthesizer.entity is not None or synthesizer.time is not None


def check_rows_alone(synthesizer: TableSynthesizer) -> None:
    """Refuse to read in chunks what belongs together."""
    if has_units(synthesizer):
        raise ValueError(
            "entity and time need all rows of an entity at once, and a stream is read in chunks. "
            "Give one file that fits into memory, and a file to write."
        )


def method_of(synthesizer: TableSynthesizer) -> str:
    """Return the method in force, "rows" or "neighborhood"."""
    if synthesizer.method is not None:
        return synthesizer.method
    if synthesizer.neighbors is not None:
        return "neighborhood"
    if synthesizer.weights is not None and synthesizer.weights.parents == 2:
        return "rows"
    return str(PRIVACY[synthesizer.privacy]["method"])


def neighbors_of(synthesizer: TableSynthesizer) -> int:
    """Return the size of a neighborhood, where there are any."""
    return int(synthesizer.neighbors or PRIVACY[synthesizer.privacy].get("neighbors", 20))


def mixing_settings(synthesizer: TableSynthesizer, columns: Sequence[Column]) -> MixingSettings:
    """Return what parameters and preset come to for a table."""
    preset = PRIVACY[synthesizer.privacy]
    method, least = method_of(synthesizer), synthesizer.min_count
    own = (
        "focus",
        "spacing",
        "support",
        "spike",
        "effects",
        "blur",
        "names_alone",
        "learned",
    )  # have no parameter of their own
    return MixingSettings(
        method=method,
        weights=preset["weights"] if synthesizer.weights is None else synthesizer.weights,
        marginals=synthesizer.marginals,
        categories=synthesizer.categories or ("parent" if method == "rows" else "columnwise"),
        within=_grouping(synthesizer, columns),
        neighbors=neighbors_of(synthesizer),
        share=preset.get("share", 0.4) if synthesizer.neighbors is None else 1.0,
        target=synthesizer.target,
        rare=synthesizer.rare,
        min_count=preset.get("min_count", 1) if least is None else least,
        candidates=synthesizer.candidates or preset.get("candidates", 1),
        **{name: preset[name] for name in own if name in preset},
    )


def _grouping(synthesizer: TableSynthesizer, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the columns whose groups are never mixed: those asked for, and a target of classes."""
    of = {column.name: column for column in columns}
    within = [synthesizer.within] if isinstance(synthesizer.within, str) else synthesizer.within
    names = list(within or ())
    for name in names:
        _check_kept("within", name, of)
    target = synthesizer.target
    if target is not None:
        _check_kept("target", target, of)
        if of[target].kind in {"category", "boolean"} or of[target].n_distinct <= FEW_VALUES:
            names.append(target)
    return tuple(dict.fromkeys(names))


def _check_kept(parameter: str, name: str, columns: dict[str, Column]) -> None:
    """Refuse to group by a column whose values do not stay."""
    check_column(parameter, name, columns)
    kind = columns[name].kind
    if kind in {"identifier", "text"}:
        raise ValueError(
            f"{parameter}: column {name!r} is {kind}, whose values are not kept. If it is "
            f"something else, say so with kinds={{{name!r}: 'category'}}."
        )
