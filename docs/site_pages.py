"""Pages of the site that are made of other files, links between names, and what pages may load."""

from __future__ import annotations

import re
from functools import partial
from os.path import commonpath
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

ROOT = Path(__file__).parents[1]
#: Public faces in the order of the reference.
FACES = ("", "pairing", "table", "learn", "report", "nn", "text", "jobs")
#: Heading of something in the reference.
_HEADING = re.compile(r'<h\d id="(vicinal\.[^"]+)"')
#: What docstrings say of other names, as their Markdown leaves it.
_ROLE = re.compile(r":(?:class|func|meth|attr|data|mod|exc):<code>~?([^<]+)</code>")
#: A face before a name.
_OURS = re.compile(rf"^vicinal\.(?:(?:{'|'.join(filter(None, FACES))}|weights|geometry)\.)?")
#: What a page loads from elsewhere.
_FOREIGN = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)"
)
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


def on_env(env: Any, config: Any, files: Files) -> None:
    """Lead the names in docstrings to where they are explained."""
    pages = [one.page for one in files.documentation_pages() if one.page and one.page.content]
    places = {name: page for page in pages for name in _HEADING.findall(page.content)}
    for page in pages:
        page.content = _ROLE.sub(partial(_led, page, places), page.content)


def _led(page: Any, places: dict[str, Any], found: re.Match[str]) -> str:
    """Return a name as a link: of several things called so, to the one in the nearest class."""
    code = f"<code>{found[1]}</code>"
    own = _OURS.sub("", found[1])
    called = [name for name in places if f".{name}".endswith(f".{own}")]
    if not called:
        return code
    here = ["vicinal", *_HEADING.findall(found.string, 0, found.start())][-1]
    paths = {name: [one.replace(".", "/") for one in (name, here)] for name in called}
    near = {name: len(commonpath(both)) for name, both in paths.items()}
    best = max(called, key=lambda name: near[name])
    if sum(near[name] == near[best] for name in called) > 1:
        return code
    there = get_relative_url(places[best].url, page.url)
    return f'<a href="{there}#{best}">{code}</a>'


def on_post_page(output: str, page: Any, config: Any) -> None:
    """Refuse a page that loads anything from another host: the site is read offline."""
    foreign = _FOREIGN.search(output.replace(str(config.site_url), ""))
    if foreign:
        raise PluginError(f"{page.file.src_uri} loads {foreign[1]}; put it into docs/ instead.")


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
