"""Settings of the synthesizer: which to try, and how a command line says them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vicinal._checks import check_choice
from vicinal._law_syntax import law_text, parse_law
from vicinal.weights import EpBeta, SphereWeights

if TYPE_CHECKING:
    from vicinal.table.schema import Column
    from vicinal.table.synthesizer import TableSynthesizer

__all__ = ["command_of", "default_settings", "synthesizer_of"]

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
    """Return settings around the privacy dial.

    Parameters
    ----------
    columns : sequence of Column
        What the columns are.
    target : str or None
        Column that a model will predict.
    n_rows : int
        Rows to learn from; a neighborhood takes at most a third of them.

    Returns
    -------
    list of dict
        Parameters of the synthesizer, each setting once.
    """
    from vicinal.table.presets import FEW_VALUES, PRIVACY

    grouped: dict[str, Any] = {} if target is None else {"target": target}
    found: list[dict[str, Any]] = [grouped | {"privacy": name} for name in PRIVACY]
    rows_like = next((n for n, preset in PRIVACY.items() if preset["method"] == "rows"), None)
    for delta, eps in LAWS:
        law = EpBeta(delta, eps)
        if rows_like is None or repr(PRIVACY[rows_like]["weights"]) != repr(law):
            privacy = {} if rows_like is None else {"privacy": rows_like}
            found.append(grouped | privacy | {"weights": law_text(law)})
    dial = {name: one for name, one in PRIVACY.items() if one["method"] == "neighborhood"}
    tried = {(one["neighbors"], one["weights"].parents) for one in dial.values()}
    for name, preset in dial.items():
        near, parents = preset["neighbors"], preset["weights"].parents
        for k, p in ((near // 2, parents), (near * 2, parents), (near, parents // 2)):
            k, p = max(k, LEAST_NEIGHBORS), max(p, LEAST_PARENTS)
            if k <= n_rows // 3 and (k, p) not in tried:
                more = {"neighbors": k} | ({} if p == parents else {"weights": f"sphere:{p}"})
                found.append(grouped | {"privacy": name} | more)
            tried.add((k, p))
    kind = next((c for c in columns if c.name == target), None)
    if kind is not None and (kind.inherited or kind.n_distinct <= FEW_VALUES):
        found += [{"privacy": name} for name in PRIVACY]
    return found


def synthesizer_of(options: Mapping[str, Any], **more: Any) -> TableSynthesizer:
    """Return an unfitted synthesizer of a setting.

    Parameters
    ----------
    options : mapping
        Parameters, weights as text.
    **more
        Further parameters.

    Returns
    -------
    TableSynthesizer
        To be fitted.

    Raises
    ------
    ValueError
        If an option is not known, or its value not possible.
    """
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
    """Return what a setting is called, and the command line that uses it.

    Parameters
    ----------
    options : mapping
        Parameters of the synthesizer, weights as text.
    source : str
        File of the real rows.
    kinds : mapping of str to str, optional
        Column name to kind, where detection is wrong.

    Returns
    -------
    tuple of str
        Name and command.

    Examples
    --------
    >>> name, command = command_of({"privacy": "high", "weights": "sphere:6"}, "people.csv")
    >>> name
    'high, 6 parents, no target'
    >>> command
    'vicinal table people.csv -o synthetic.csv --privacy high --parents 6'
    """
    words: list[str] = []
    parts = ["vicinal", "table", source, "-o", "synthetic.csv"]
    for name in OPTIONS:
        value = options.get(name)
        if value is None:
            continue
        if name == "weights":
            law = parse_law(value) if isinstance(value, str) else value
            if isinstance(law, SphereWeights):
                words.append(f"{law.parents} parents")
                parts += ["--parents", f"{law.parents}"]
            elif isinstance(law, EpBeta) and law_text(law).startswith("epbeta:"):
                words.append(f"delta {law.delta:g}, eps {law.eps0:g}")
                parts += ["--delta", f"{law.delta:g}", "--eps", f"{law.eps0:g}"]
            else:
                words.append(law_text(law))
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
