"""A small table, and the command line run in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest

from vicinal import cli
from vicinal.io import read_table
from vicinal.table import TableSynthesizer

HEADER = "age,job,income\n"
ROWS = "".join(
    f"{20 + i % 50},{'abc'[i % 3]},{'high' if i % 7 == 0 else 'low'}\n" for i in range(400)
)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(HEADER + ROWS)
    return path


@pytest.fixture(scope="session")
def synthetic_people(tmp_path_factory) -> pa.Table:
    """A synthetic table of the same."""
    path = tmp_path_factory.mktemp("real") / "people.csv"
    path.write_text(HEADER + ROWS)
    return TableSynthesizer(random_state=1).fit(read_table(path)).sample()


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process; returns exit code, output and errors."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vicinal", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as leave:
            code = leave.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
