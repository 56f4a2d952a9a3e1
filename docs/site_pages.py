"""Pages of the site that are made from the repository: the API reference, results, the changelog."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Public faces in the order of the reference.
FACES = ("", "pairing", "table", "learn", "report", "nn", "text", "jobs")
_LINK = re.compile(r"\]\(\.\./([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not written by hand."""
    pages = {"changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8")}
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.md")):
        pages[f"results/{path.name}"] = path.read_text("utf-8")
    listed, shown = [], set[str]()
    for face in FACES:
        name = ".".join(["vicinal", *filter(None, [face])])
        pages[f"reference/{name}.md"] = _reference(name, shown)
        listed.append(f"* [`{name}`]({name}.md)")
    pages["reference/index.md"] = "# API reference\n\n" + "\n".join(listed) + "\n"
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links that leave docs/ to the page made of the file, or print the file's path."""

    def led(found: re.Match[str]) -> str:
        path = found[1].rstrip("/")
        if path.startswith("benchmarks/results/") and path.endswith(".md"):
            return f"](results/{Path(path).name})"
        return "](architecture.md)" if path == "benchmarks/results" else "](changelog.md)"

    return _LINK.sub(led, markdown)


def _reference(name: str, shown: set[str]) -> str:
    """Return a page of what a public face exports and no earlier page shows."""
    folder = ROOT / "src" / Path(*name.split("."))
    stub = (folder / "__init__.pyi").read_text("utf-8")
    lines = [f"# {name}", ""]
    for module, public in re.findall(r"^from \.(\S+) import (\w+) as \2$", stub, re.MULTILINE):
        where = f"{name}.{module}.{public}"
        lines += [] if where in shown else [f"::: {where}", ""]
        shown.add(where)
    return "\n".join(lines)
