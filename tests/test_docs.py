"""The Python of README and docs runs, and what they point to exists."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from vicinal import cli
from vicinal.data import adult_sample, banking_sample

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
EXAMPLES = [
    pytest.param(code, id=f"{page}-{at}")
    for page, text in PAGES.items()
    for at, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("code", EXAMPLES)
def test_examples_run(code):
    for module in re.findall(r"^\s*(?:from|import) (pandas|torch|transformers)\b", code, re.M):
        pytest.importorskip(module)
    names: dict[str, object] = {}
    exec(code, names)
    assert "__builtins__" in names


COMMANDS = dict.fromkeys(
    line
    for page in ("README.md", "docs/index.md")
    for line in re.findall(r"^\$ (vicinal .*)$", PAGES[page], re.MULTILINE)
)


def _shortened(line: str) -> list[str]:
    """Return the words of a command that asks for fewer rows."""
    return shlex.split(re.sub(r"-n \d+", "-n 3", line), comments=True)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line, tmp_path, monkeypatch):
    if re.match(r"vicinal (morph|text)", line):
        pytest.importorskip("vicinal_nano")
    rows = adult_sample().splitlines(keepends=True)
    (tmp_path / "people.csv").write_bytes(b"".join(rows[:600]))
    (tmp_path / "reviews.csv").write_bytes(banking_sample())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", _shortened(line))
    cli.main()
    for target in re.findall(r"-o (\S+)", line):
        assert (tmp_path / target).stat().st_size > 0


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make (\w+)", PAGES["README.md"]):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_files_named_are_there(page):
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", PAGES[page]):
        assert ((ROOT / page).parent / path).exists(), path
