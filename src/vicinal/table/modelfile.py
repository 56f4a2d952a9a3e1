"""A fitted synthesizer in one file: Arrow for the rows, JSON for the rest."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal import __version__
from vicinal._random import Seeds
from vicinal.io import check_file, replacing
from vicinal.table.formats.base import Format
from vicinal.table.formats.personal import Personal
from vicinal.table.infer import Schema
from vicinal.table.population import Population
from vicinal.table.presets import MixingSettings
from vicinal.table.schema import Column
from vicinal.weights import law_from_spec

__all__ = ["FORMAT", "FittedState", "load", "plain_settings", "save"]

#: Raised when files of an earlier format can no longer be read as they are.
FORMAT = 5

_KEY = b"vicinal-model"
_ORDER = "vicinal:row"  # column with the row numbers of the training table


@dataclass(frozen=True)
class FittedState:
    """All that a synthesizer knows of a table."""

    rows: pa.Table  # the training rows, shuffled, without text
    order: npt.NDArray[np.int64]  # (n_rows,), row number in the table as it was given
    columns: list[Column]  # those left out of rows too
    settings: MixingSettings
    schema: pa.Schema  # of the table as it was given, with how to make it native again
    seeds: Seeds  # root of the random numbers
    population: Population | None = None  # of all rows, where these are a sample of them
    formats: dict[str, Format] = field(default_factory=dict)  # of texts that rows hold as read
    people: dict[str, Personal] = field(default_factory=dict)  # columns of personal data


def save(path: str | PathLike[str], parameters: dict[str, Any], state: FittedState) -> None:
    """Write parameters and fitted state of a synthesizer, whole or not at all."""
    check_file(path)
    facts = {
        "format": FORMAT,
        "vicinal": __version__,
        "parameters": plain_settings(parameters),
        "seed": state.seeds.entropy,
        "settings": state.settings.as_dict(),
        "columns": [column.as_dict() for column in state.columns],
        "schema": base64.b64encode(state.schema.serialize()).decode(),
        "formats": {name: form.to_dict() for name, form in state.formats.items()},
        "people": {name: person.to_dict() for name, person in state.people.items()},
        "population": None if state.population is None else state.population.as_dict(),
    }
    table = state.rows.append_column(_ORDER, pa.array(state.order))  # the last one
    table = table.replace_schema_metadata({_KEY: json.dumps(facts).encode()})
    options = pa.ipc.IpcWriteOptions(compression="zstd", unify_dictionaries=True)
    with (
        replacing(Path(path)) as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def plain_settings(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of a synthesizer as JSON values. A Generator becomes None."""
    weights, seed, within = (parameters[name] for name in ("weights", "random_state", "within"))
    kinds, neighbors = parameters["kinds"], parameters["neighbors"]
    schema = parameters["schema"]
    return parameters | {
        "weights": None if weights is None else weights.spec(),
        "random_state": int(seed) if isinstance(seed, (int, np.integer)) else None,
        "within": within if within is None or isinstance(within, str) else list(within),
        "kinds": None if kinds is None else dict(kinds),
        "schema": None if schema is None else schema.to_dict(),
        "strict": bool(parameters["strict"]),
        "neighbors": None if neighbors is None else int(neighbors),
        "exact_moments": bool(parameters["exact_moments"]),
    }


def load(path: str | PathLike[str]) -> tuple[dict[str, Any], FittedState]:
    """Read parameters and fitted state back; ValueError where the file is damaged or no model."""
    table, facts = _read(path)
    if facts.get("format") != FORMAT:
        raise ValueError(
            f"{path} has model format {facts.get('format')} (written by vicinal "
            f"{facts.get('vicinal')}); this vicinal {__version__} reads format {FORMAT}. Fit and "
            "save again."
        )
    try:
        parameters = facts["parameters"]
        law = parameters["weights"]
        parameters |= {"weights": None if law is None else law_from_spec(law)}
        if parameters["schema"] is not None:
            parameters["schema"] = Schema.from_dict(parameters["schema"])
        return parameters, _state(table, facts)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"{path} is damaged ({error!r}). Fit and save again.") from error


def _state(table: pa.Table, facts: dict[str, Any]) -> FittedState:
    last = table.num_columns - 1  # by place: a column of the table may have its name
    rows = table.select(list(range(last))).replace_schema_metadata(None).combine_chunks()
    return FittedState(
        rows=rows,
        order=table.column(last).to_numpy(),
        columns=[Column(**column) for column in facts["columns"]],
        settings=MixingSettings.from_dict(facts["settings"]),
        schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(facts["schema"]))),
        seeds=Seeds.from_entropy(facts["seed"]),
        population=Population.from_dict(facts["population"]) if facts["population"] else None,
        formats={name: Format.from_dict(form) for name, form in facts["formats"].items()},
        people={name: Personal(**person) for name, person in facts["people"].items()},
    )


def _read(path: str | PathLike[str]) -> tuple[pa.Table, dict[str, Any]]:
    remedy = "TableSynthesizer.save or `vicinal table --save-model`."
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {path}.")
    try:
        with pa.OSFile(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
        text = (table.schema.metadata or {}).get(_KEY)
        facts = None if text is None else json.loads(text)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(
            f"{path} is cut short or is no vicinal model. Save it again with {remedy}"
        ) from error
    if facts is None:
        raise ValueError(f"{path} is an Arrow file but no vicinal model. Models come from {remedy}")
    return table, facts
