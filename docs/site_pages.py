"""Pages of the site that are made of other files: API reference, results, examples, changelog."""

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
    pages = {
        "changelog.md": (ROOT / "CHANGELOG.md").read_text("utf-8"),
    }
    for name in ("nano", "smol"):
        card = ROOT / "packages" / name / "src" / f"vicinal_{name}" / "README.md"
        pages[f"{name}.md"] = card.read_text("utf-8")
    tables = sorted((ROOT / "benchmarks" / "results").glob("*.md"))
    pages |= {f"results/{path.name}": path.read_text("utf-8") for path in tables}
    rows = "\n".join(f"* [{path.stem}]({path.name})" for path in tables)
    pages["results/index.md"] = f"# Tables that the scripts in benchmarks/ printed\n\n{rows}\n"
    for path in sorted((ROOT / "examples").glob("*.py")):
        code = path.read_text("utf-8")
        pages[f"examples/{path.stem}.md"] = f"# {path.name}\n\n```python\n{code}```\n"
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
    """Lead links that leave docs/ to the page made of the file."""

    def led(found: re.Match[str]) -> str:
        path = Path(found[1])
        if path.parts[0] == "benchmarks":
            return f"](results/{path.name if path.suffix else 'index.md'})"
        if path.parts[0] == "examples":
            return f"](examples/{path.stem}.md)"
        if path.parts[0] == "packages":
            return f"]({path.parts[1]}.md)"
        return {"CHANGELOG.md": "](changelog.md)"}[path.parts[0]]

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
