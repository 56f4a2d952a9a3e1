"""A table of people for the synthesizer, and a small run from file to folder for streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vicinal.table import TableSynthesizer


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    n = 3000
    age = rng.integers(17, 90, n)
    sex = rng.choice(["f", "m"], n)
    city = rng.choice(["Köln", "Bonn", "Aix"], n, p=[0.6, 0.3, 0.1])
    gone = rng.random(n) < 0.2
    return pa.table(
        {
            "id": np.arange(n),
            "age": age.astype(np.int8),
            "pay": pa.array((age * 100 + rng.normal(0, 500, n)).round(2), mask=gone),
            "bonus": pa.array(rng.exponential(size=n).astype(np.float32), mask=gone),
            "sex": sex,
            "city": pa.array(city, mask=rng.random(n) < 0.1),
            "country": np.where(city == "Aix", "FR", "DE"),
            "since": pa.array(age * 86_400_000_000 * 30).cast(pa.timestamp("us", "Europe/Berlin")),
            "kids": rng.poisson(1.5, n),
            "note": [f"a few words about {i}" for i in range(n)],
        }
    )


# Streams


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    n = 3000
    return pa.table(
        {
            "x": rng.normal(size=n).astype(np.float32),
            "when": pa.array(rng.integers(0, 10**9, n), pa.timestamp("ms", "UTC")),
            "group": pa.array(rng.choice(["a", "b"], n)).dictionary_encode(),
            "flag": rng.random(n) < 0.3,
            "gap": pa.array(rng.integers(0, 500, n), mask=rng.random(n) < 0.2),
            "id": np.arange(n),
            "name": [f"n{i:x}" for i in rng.permutation(n)],
        }
    )


@pytest.fixture(scope="session")
def settings():
    """Return a maker of synthesizers that have learned nothing, all set alike."""
    return lambda: TableSynthesizer("off", identifiers="replace", random_state=5)


@pytest.fixture(scope="module")
def model(rows, settings):
    return settings().fit(rows)


@pytest.fixture
def source(rows, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(rows, path, row_group_size=1000)
    return path


@pytest.fixture(scope="session")
def contents():
    """Return a reader of all files of a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    return read
