"""A learned synthesizer in one file: Arrow for the rows, JSON for the rest."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vicinal import __version__
from vicinal._random import Seeds
from vicinal.io import check_folder, replacing
from vicinal.table.population import Whole
from vicinal.table.schema import Column
from vicinal.table.training_rows import Recipe
from vicinal.weights import law_from_spec

__all__ = ["FORMAT", "Learned", "load", "plain_settings", "save"]

#: Raised when files of an earlier format can no longer be read as they are.
FORMAT = 2

_KEY = b"vicinal-model"
_ORDER = "vicinal:row"  # column with the row numbers of the learned table


@dataclass(frozen=True)
class Learned:
    """All that a synthesizer knows of a table.

    Attributes
    ----------
    rows : pyarrow.Table
        The learned rows, shuffled, without text.
    order : ndarray of int, shape (n_rows,)
        Row number in the table as it was given.
    columns : list of Column
        What the columns are, those left out of ``rows`` too.
    recipe : Recipe
        How rows are mixed.
    schema : pyarrow.Schema
        Of the table as it was given, with how to make it native again.
    seeds : Seeds
        Root of the random numbers.
    whole : Whole, optional
        What is known of all rows, where ``rows`` are a sample of them.
    """

    rows: pa.Table
    order: npt.NDArray[np.int64]
    columns: list[Column]
    recipe: Recipe
    schema: pa.Schema
    seeds: Seeds
    whole: Whole | None = None


def save(path: str | PathLike[str], settings: dict[str, Any], learned: Learned) -> None:
    """Write what was learned, whole or not at all.

    Parameters
    ----------
    path : str or path
        Where.
    settings : dict
        Arguments of the synthesizer.
    learned : Learned
        What it learned.
    """
    check_folder(path)
    facts = {
        "format": FORMAT,
        "vicinal": __version__,
        "settings": plain_settings(settings),
        "seed": learned.seeds.entropy,
        "recipe": vars(learned.recipe) | {"weights": learned.recipe.weights.spec()},
        "columns": [column.as_dict() for column in learned.columns],
        "schema": base64.b64encode(learned.schema.serialize()).decode(),
        "whole": None if learned.whole is None else learned.whole.as_dict(),
    }
    table = learned.rows.append_column(_ORDER, pa.array(learned.order))  # the last one
    table = table.replace_schema_metadata({_KEY: json.dumps(facts).encode()})
    options = pa.ipc.IpcWriteOptions(compression="zstd", unify_dictionaries=True)
    with (
        replacing(Path(path)) as sink,
        pa.ipc.new_file(sink, table.schema, options=options) as writer,
    ):
        writer.write_table(table)


def plain_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of a synthesizer as JSON values. A Generator becomes None.

    Parameters
    ----------
    settings : dict
        From ``get_params``.

    Returns
    -------
    dict
        The same names.
    """
    weights, seed, within = (settings[name] for name in ("weights", "random_state", "within"))
    kinds, neighbors = settings["kinds"], settings["neighbors"]
    return settings | {
        "weights": None if weights is None else weights.spec(),
        "random_state": int(seed) if isinstance(seed, (int, np.integer)) else None,
        "within": within if within is None or isinstance(within, str) else list(within),
        "kinds": None if kinds is None else dict(kinds),
        "neighbors": None if neighbors is None else int(neighbors),
        "exact_moments": bool(settings["exact_moments"]),
    }


def load(path: str | PathLike[str]) -> tuple[dict[str, Any], Learned]:
    """Read back what was learned.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    settings : dict
        Arguments of the synthesizer.
    learned : Learned
        What it learned.

    Raises
    ------
    ValueError
        If the file is no model, cut short, or of another version.
    FileNotFoundError
        If there is no such file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no model file {path}.")
    try:
        with pa.OSFile(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{path} is cut short or is no vicinal model. Save it again with "
            "TableSynthesizer.save or `vicinal table --save-model`."
        ) from error
    text = (table.schema.metadata or {}).get(_KEY)
    if text is None:
        raise ValueError(
            f"{path} is an Arrow file but no vicinal model. Models come from "
            "TableSynthesizer.save or `vicinal table --save-model`."
        )
    facts: dict[str, Any] = json.loads(text)
    if facts["format"] != FORMAT:
        raise ValueError(
            f"{path} has model format {facts['format']} (written by vicinal {facts['vicinal']}); "
            f"this vicinal {__version__} reads format {FORMAT}. Fit and save again."
        )
    settings, recipe = facts["settings"], facts["recipe"]
    if settings["weights"] is not None:
        settings["weights"] = law_from_spec(settings["weights"])
    recipe |= {"weights": law_from_spec(recipe["weights"]), "within": tuple(recipe["within"])}
    last = table.num_columns - 1  # by place: a column of the table may have its name
    rows = table.select(list(range(last))).replace_schema_metadata(None).combine_chunks()
    return settings, Learned(
        rows=rows,
        order=table.column(last).to_numpy(),
        columns=[Column(**column) for column in facts["columns"]],
        recipe=Recipe(**recipe),
        schema=pa.ipc.read_schema(pa.py_buffer(base64.b64decode(facts["schema"]))),
        seeds=Seeds.from_entropy(facts["seed"]),
        whole=Whole.from_dict(facts["whole"]) if facts.get("whole") else None,
    )
