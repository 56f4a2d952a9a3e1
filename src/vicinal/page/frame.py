"""Results as pages: one self-contained HTML file each.

Inline SVG: a plotting library weighs 4.8 MB, follows no theme and does not print whole. All text
comes through escaping, since names and categories are the user's data; a content security policy
forbids requests besides, and all scripts but the page's own, if it has one, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from vicinal._extras import need


class Page(NamedTuple):
    """What a page is made of."""

    template: str
    values: Mapping[str, Any]
    templates: Path | None = None
    script: str | None = None  # name of a file beside the template


def write_page(page: Page, path: str | PathLike[str]) -> None:
    """Write a page in the frame that all pages share."""
    from vicinal.io import check_file, replacing

    check_file(path)
    data = render_page(page)
    with replacing(Path(path)) as sink:
        sink.write(data)


def render_page(page: Page) -> bytes:
    """Return a page as the bytes of its file."""
    from vicinal import __version__
    from vicinal.page.format import clean
    from vicinal.page.svg import Markup

    templates = environment(page.templates)
    values: dict[str, Any] = {"version": __version__, "script": None, **page.values}
    if page.script is not None:
        script = templates.loader.get_source(templates, page.script)[0]
        values["script"] = Markup(script)
        values["hashed"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = clean(templates.get_template(page.template).render(**values))
    return text.encode("utf-8", "replace")


def as_data(value: Any) -> Any:
    """Return plain values as JSON that can stand in a script element: ASCII, without markup."""
    from vicinal.page.svg import Markup

    text = json.dumps(value, allow_nan=False, separators=(",", ":"), default=str)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def check_installed() -> None:
    """Raise where pages cannot be written, before anything is measured for them."""
    need(
        "Writing a page",
        "jinja2",
        extra="report",
        instead=". The figures can be written without it, as JSON.",
    )


def environment(templates: Path | None) -> Any:
    """Return what renders templates of a folder, with our filters and the style sheet."""
    check_installed()
    import jinja2

    from vicinal.page import format as written
    from vicinal.page.svg import Markup

    frame = Path(__file__).parent / "templates"
    folders = [frame] if templates is None else [templates, frame]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in ("amount", "estimate", "interval", "number", "share", "short"):
        environment.filters[name] = getattr(written, name)
    environment.globals["style"] = Markup((frame / "style.css").read_text("utf-8"))
    return environment
