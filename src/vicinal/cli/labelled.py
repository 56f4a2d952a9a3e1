"""What commands on labelled texts share: reading them, and the law of weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal._checks import check_choice, check_column, check_number
from vicinal.cli.options import read

if TYPE_CHECKING:
    from vicinal.weights import WeightLaw

__all__ = ["read_labelled", "weight_law"]


def read_labelled(source: Path, text: str, label: str) -> tuple[list[str], list[Any]]:
    """Read texts and their labels; an empty cell is an empty text.

    Raises
    ------
    ValueError
        If a column is not there, or labels are missing or of several kinds.
    TypeError
        If labels are no class names.
    """
    from vicinal.text.classify.labels import listed_labels

    table = read(source)
    check_column("text", text, table.column_names)
    check_column("label", label, table.column_names)
    texts = ["" if one is None else str(one) for one in table[text].to_pylist()]
    return texts, listed_labels(table[label].to_pylist(), f"label column of {source}")


def weight_law(law: str, alpha: float) -> WeightLaw:
    """Return the law that the options ``--law`` and ``--alpha`` ask for.

    Raises
    ------
    ValueError
        If there is no such law, or the number is out of range.
    """
    from vicinal.weights import Beta, EpBeta

    check_choice("law", law, ["beta", "epbeta"])
    check_number("alpha", alpha, low=0.0, open_low=True)
    return EpBeta() if law == "epbeta" else Beta(alpha)
