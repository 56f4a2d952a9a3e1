"""The Python of README and docs runs, and what they point to exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vicinal import cli
from vicinal.data import adult_sample, banking_sample

pytestmark = pytest.mark.usefixtures("few_trees")

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
    exec(re.sub(r"\b2000\b", "400", code), names)  # rows of a table
    assert "__builtins__" in names


COMMANDS = dict.fromkeys(
    line
    for page in ("README.md", "docs/index.md")
    for line in re.findall(r"^\$ (vicinal .*)$", PAGES[page], re.MULTILINE)
)


def _shortened(line: str) -> list[str]:
    """Return the words of a command that asks for fewer rows, and a writer that loads at once."""
    words = shlex.split(re.sub(r"-n \d+", "-n 3", line), comments=True)
    return words if words[1] not in {"morph", "text"} else [*words, "--writer", "nano"]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_run(line, tmp_path, monkeypatch):
    if re.match(r"vicinal (morph|text)", line):
        pytest.importorskip("vicinal_nano")
    rows = adult_sample().splitlines(keepends=True)
    (tmp_path / "demo").mkdir()  # where `make demo` writes it
    for path in (tmp_path / "people.csv", tmp_path / "demo" / "people.csv"):
        path.write_bytes(b"".join(rows[:600]))
    reviews = banking_sample().splitlines(keepends=True)
    (tmp_path / "reviews.csv").write_bytes(b"".join(reviews[:150]))
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


def test_the_shim_of_the_search_is_our_own():
    """Without it the site would load one from another host."""
    named = re.search(r"polyfills: \[(.*)\]", (ROOT / "mkdocs.yml").read_text("utf-8"))
    assert named is not None
    assert "iframe-worker" in named[1]
    assert (ROOT / "docs" / named[1]).is_file()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site; pages that load from another host fail the build."""
    for name in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(name, reason="needs vicinal[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=280)
    return folder


def test_names_in_docstrings_are_links(site):
    pages = {path.stem: path.read_text("utf-8") for path in (site / "reference").glob("*.html")}
    assert not [name for name, text in pages.items() if re.search(r":[a-z]+:(<code>|`)", text)]
    kinds = (
        '<a href="vicinal.table.html#vicinal.table.schema.KINDS"><code>vicinal.table.KINDS</code>'
    )
    assert kinds in pages["vicinal.report"]
    # of several methods called so, the one of the class that speaks
    for owner in ("inverter.Inverter", "classifier.MixupTextClassifier"):
        assert re.search(rf'#[\w.]+{owner}.save_pretrained"><code>save_', pages["vicinal.text"])


def test_the_site_is_searched_offline(site, browser):
    shown = browser.open(site / "index.html")
    shown.locator("input.md-search__input").fill("Farthest")
    shown.locator(".md-search-result__item").first.wait_for(timeout=10_000)
    assert browser.complaints == []
    assert all(one.startswith(site.as_uri()) for one in browser.requests)
