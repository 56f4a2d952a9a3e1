"""Settings of the synthesizer: which to try, and how a command line says them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vicinal._checks import check_choice
from vicinal.weights import EpBeta, SphereWeights, WeightLaw, law_text, parse_law

if TYPE_CHECKING:
    from vicinal.table.schema import Column
    from vicinal.table.synthesizer import TableSynthesizer

#: What a setting may say, in the order in which a command line says it.
OPTIONS = ("target", "privacy", "weights", "neighbors", "marginals", "within", "categories")
#: EpBeta's delta and eps that are tried.
LAWS = ((0.05, 0.3), (0.1, 0.1), (0.1, 0.3), (0.3, 0.3))
#: Least number of neighbors and parents that is tried.
LEAST_NEIGHBORS = 10
LEAST_PARENTS = 3


def default_settings(
    columns: Sequence[Column], target: str | None, n_rows: int
) -> list[dict[str, Any]]:
    """Return the privacy settings and others around them, each once; for this many rows."""
    from vicinal.table.presets import FEW_VALUES, PRIVACY

    grouped: dict[str, Any] = {} if target is None else {"target": target}
    found = [{"privacy": name} for name in PRIVACY] + _laws() + _neighborhoods(n_rows)
    found = [grouped | one for one in found]
    column = next((c for c in columns if c.name == target), None)
    if column is not None and (column.inherited or column.n_distinct <= FEW_VALUES):
        found += [{"privacy": name} for name in PRIVACY]  # without grouping by the target
    return found


def _laws() -> list[dict[str, Any]]:
    """Return laws to try beside that of the setting that mixes whole rows."""
    from vicinal.table.presets import PRIVACY

    name = next(name for name, preset in PRIVACY.items() if preset["method"] == "rows")
    laws = [EpBeta(delta, eps) for delta, eps in LAWS]
    own = repr(PRIVACY[name]["weights"])
    return [{"privacy": name, "weights": law_text(law)} for law in laws if repr(law) != own]


def _neighborhoods(n_rows: int) -> list[dict[str, Any]]:
    """Return half and twice the neighbors, and half the parents, of each neighborhood setting."""
    from vicinal.table.presets import PRIVACY

    presets = {name: one for name, one in PRIVACY.items() if one["method"] == "neighborhood"}
    tried = {(one["neighbors"], one["weights"].parents) for one in presets.values()}
    found: list[dict[str, Any]] = []
    for name, preset in presets.items():
        near, parents = preset["neighbors"], preset["weights"].parents
        for k, p in ((near // 2, parents), (near * 2, parents), (near, parents // 2)):
            k, p = max(k, LEAST_NEIGHBORS), max(p, LEAST_PARENTS)
            if k <= n_rows // 3 and (k, p) not in tried:
                weights = {} if p == parents else {"weights": f"sphere:{p}"}
                found.append({"privacy": name, "neighbors": k} | weights)
            tried.add((k, p))
    return found


def synthesizer_of(options: Mapping[str, Any], **more: Any) -> TableSynthesizer:
    """Return an unfitted synthesizer of a setting."""
    from vicinal.table.presets import check_parameters
    from vicinal.table.synthesizer import TableSynthesizer

    for name in options:
        check_choice("settings", name, OPTIONS)
    given = dict(options)
    if isinstance(given.get("weights"), str):
        given["weights"] = parse_law(given["weights"])
    synthesizer = TableSynthesizer(**given, **more)
    check_parameters(synthesizer)
    return synthesizer


def command_of(
    options: Mapping[str, Any], source: str, kinds: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Return what a setting is called, and the command line that uses it."""
    words: list[str] = []
    parts = ["vicinal", "table", source, "-o", "synthetic.csv"]
    for name in OPTIONS:
        value = options.get(name)
        if value is None:
            continue
        if name == "weights":
            law = parse_law(value) if isinstance(value, str) else value
            words.append(_said_of_law(law))
            parts += ["--weights", law_text(law)]
            continue
        many = value if isinstance(value, (list, tuple)) else [value]
        for one in many:
            parts += [f"--{name}", str(one)]
        if name == "neighbors":
            words.append(f"{value} neighbors")
        elif name != "target":
            words.append(" and ".join(map(str, many)))
    if "target" not in options:
        words.append("no target")
    for column, kind in (kinds or {}).items():
        parts += ["--column", f"{column}={kind}"]
    return ", ".join(words), shlex.join(parts)


def _said_of_law(law: WeightLaw) -> str:
    if isinstance(law, SphereWeights):
        return f"{law.parents} parents"
    if isinstance(law, EpBeta) and law_text(law).startswith("epbeta:"):
        return f"delta {law.delta:g}, eps {law.eps0:g}"
    return law_text(law)
