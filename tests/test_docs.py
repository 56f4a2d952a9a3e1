"""The Python of README and docs runs, and what they point to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make (\w+)", PAGES["README.md"]):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES)
def test_files_named_are_there(page):
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", PAGES[page]):
        assert ((ROOT / page).parent / path).exists(), path
