"""A fitted synthesizer in one file: Arrow for the rows, JSON for the rest.

Nothing is unpacked or believed unless the checksum at the end is right, and then only up to a
bounded size.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vicinal import __version__
from vicinal._random import Seeds
from vicinal._types import Ints
from vicinal.io import check_file, replacing
from vicinal.io.atomic import Summed
from vicinal.table.formats.base import Format
from vicinal.table.formats.personal import Personal
from vicinal.table.infer import Schema
from vicinal.table.population import Population
from vicinal.table.presets import MixingSettings
from vicinal.table.schema import Column
from vicinal.weights import law_from_spec

#: Raised when files of an earlier format can no longer be read as they are.
FORMAT = 6

#: How a model file begins.
MARK = b"VICINAL\n"
#: Bytes of the checksum (SHA-256) at its end.
SUM = 32
#: Unpacked bytes of a packed one, at most: many columns of one value pack well.
MOST = 10_000

_KEY = b"vicinal-model"
_ORDER = "vicinal:row"  # column with the row numbers of the training table


@dataclass(frozen=True)
class FittedState:
    """All that a synthesizer knows of a table."""

    rows: pa.Table  # the training rows, shuffled, without text
    order: Ints  # (n_rows,), row number in the table as it was given
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
    _seal(table.replace_schema_metadata({_KEY: json.dumps(facts, default=_plain).encode()}), path)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _seal(table: pa.Table, path: str | PathLike[str]) -> None:
    table, size = table.unify_dictionaries(), pa.MockOutputStream()
    _write(table, size)
    with replacing(Path(path)) as file:
        sink = Summed(file)
        sink.write(MARK + size.size().to_bytes(8, "little"))
        with pa.CompressedOutputStream(pa.PythonFile(sink, mode="w"), "zstd") as packed:
            _write(table, packed)
        file.write(sink.digest())


def _write(table: pa.Table, sink: Any) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def plain_settings(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of a synthesizer as JSON values. A Generator becomes None."""
    weights, seed, within = (parameters[name] for name in ("weights", "random_state", "within"))
    kinds, schema = parameters["kinds"], parameters["schema"]
    return {name: _plain(value) for name, value in parameters.items()} | {
        "weights": None if weights is None else weights.spec(),
        "random_state": _plain(seed) if isinstance(seed, (int, np.integer)) else None,
        "within": within if within is None or isinstance(within, str) else list(within),
        "kinds": None if kinds is None else dict(kinds),
        "schema": None if schema is None else schema.to_dict(),
    }


def load(path: str | PathLike[str]) -> tuple[dict[str, Any], FittedState]:
    """Read parameters and fitted state back; ValueError where the file is damaged or no model."""
    content = _unsealed(path)
    with refusing_damage(path):
        table = pa.ipc.open_stream(content).read_all()
        table.validate(full=True)
        facts = json.loads(table.schema.metadata[_KEY])
        version, writer = facts["format"], facts["vicinal"]
    if version != FORMAT:
        raise ValueError(
            f"{path} has model format {version} (written by vicinal {writer}); this vicinal "
            f"{__version__} reads format {FORMAT}. Fit and save again."
        )
    with refusing_damage(path):
        parameters = facts["parameters"]
        law = parameters["weights"]
        parameters |= {"weights": None if law is None else law_from_spec(law)}
        if parameters["schema"] is not None:
            parameters["schema"] = Schema.from_dict(parameters["schema"])
        return parameters, _state(table, facts)


@contextmanager
def refusing_damage(path: str | PathLike[str]) -> Iterator[None]:
    """Turn whatever a file's content leads to into a ValueError that names the file."""
    try:
        yield
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
        pa.ArrowException,
    ) as error:
        raise ValueError(f"{path} is damaged ({error!r}). Fit and save again.") from error


def _state(table: pa.Table, facts: dict[str, Any]) -> FittedState:
    last = table.num_columns - 1  # by place: a column of the table may have its name
    rows = table.select(list(range(last))).replace_schema_metadata(None).combine_chunks()
    columns = [Column(**column) for column in facts["columns"]]
    needed = {one.name for one in columns if one.kind not in {"identifier", "text"}}
    if table.column_names[last] != _ORDER or not needed <= set(rows.column_names):
        raise ValueError("columns are missing")
    return FittedState(
        rows=rows,
        order=table.column(last).to_numpy(),
        columns=columns,
        settings=MixingSettings.from_dict(facts["settings"]),
        schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(facts["schema"]))),
        seeds=Seeds.from_entropy(facts["seed"]),
        population=Population.from_dict(facts["population"]) if facts["population"] else None,
        formats={name: Format.from_dict(form) for name, form in facts["formats"].items()},
        people={name: Personal(**person) for name, person in facts["people"].items()},
    )


def _unsealed(path: str | PathLike[str]) -> pa.Buffer:
    """Return the unpacked content of a file whose mark, checksum and size are right."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {path}.")
    data = memoryview(Path(path).read_bytes())
    head = len(MARK) + 8
    size, packed = int.from_bytes(data[len(MARK) : head], "little"), data[head:-SUM]
    right = data[: len(MARK)] == MARK and len(data) > head + SUM
    if not right or hashlib.sha256(data[:-SUM]).digest() != data[-SUM:]:
        raise ValueError(
            f"{path} is damaged, cut short, or no vicinal model. Save it again with "
            "TableSynthesizer.save or `vicinal table --save-model`."
        )
    with refusing_damage(path):
        if size > MOST * len(packed):
            raise ValueError(f"{size:,} bytes are said to be in {len(packed):,}")
        return pa.decompress(pa.py_buffer(packed), decompressed_size=size, codec="zstd")
