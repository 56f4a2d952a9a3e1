"""Pictures of what a person sees: pages on a desk, on a phone and in the dark, and the terminal.

    python benchmarks/pictures.py            # docs/pictures/report.png, for README
    python benchmarks/pictures.py --all      # every page and screen, into build/pictures

Needs Playwright (`make install`) and Chromium. Pages are those of `vicinal demo`; with ``--page`` a
page written before is photographed instead.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "pictures"
#: Width, height, dark.
SCREENS = {
    "desk": (1280, 900, False),
    "phone": (390, 844, False),
    "dark": (1280, 900, True),
    "phone-dark": (390, 844, True),
}
#: What is opened first, so that it is seen as well.
OPENED = """for (const one of document.querySelectorAll(
    '.card:nth-child(2), .card:nth-child(4), .pairs details:nth-child(-n + 2)')) one.open = true"""
#: What a bad page would show: seconds until it is drawn, and pixels it is too wide.
MEASURED = """() => {
  const [load] = performance.getEntriesByType('navigation');
  return [(load.loadEventEnd / 1000).toFixed(2), document.documentElement.scrollWidth - innerWidth];
}"""


def main() -> None:
    """Write a demo unless there is a page, and photograph it."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--all", action="store_true", help="whole pages, phone and dark as well")
    options.add_argument("--page", type=Path, action="append", help="pages to show, not a demo's")
    asked = options.parse_args()
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        pages = asked.page
        if pages is None:
            said = _demo(Path(folder))
            pages = [Path(folder) / "report.html"]
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        if asked.page is None:
            _photograph_first(browser, pages[0])
        if asked.all:
            for page in pages:
                _photograph_all(browser, page)
            if asked.page is None:
                _photograph_terminal(browser, said)
        browser.close()


def _demo(folder: Path) -> str:
    """Run the demo as in a terminal of 100 columns; return what it said, colors and all."""
    program = Path(sys.executable).with_name("vicinal")
    command = ["script", "-qec", f"{program} demo --output {folder}", "/dev/null"]
    seen = os.environ | {"COLUMNS": "100", "TERM": "xterm-256color"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=seen)
    return done.stdout.decode()


def _photograph_first(browser: Any, page: Path) -> None:
    shown = browser.new_page(viewport={"width": 1280, "height": 900})
    shown.goto(page.resolve().as_uri())
    shown.screenshot(path=ROOT / "docs" / "pictures" / "report.png")


def _photograph_all(browser: Any, page: Path) -> None:
    """Photograph a page on every screen, as it opens and with some of it opened."""
    print(f"{page.name}: {page.stat().st_size / 1e6:.2f} MB")
    for name, (width, height, dark) in SCREENS.items():
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            is_mobile=width < 500,
        )
        shown = context.new_page()
        shown.goto(page.resolve().as_uri())
        shown.wait_for_load_state("load")
        shown.wait_for_timeout(50)  # the end of loading is noted after it
        drawn, over = shown.evaluate(MEASURED)
        print(f"  {name}: drawn in {drawn} s, {over} px too wide")
        shown.screenshot(path=TARGET / f"{page.stem}-{name}-top.png")
        shown.evaluate(OPENED)
        shown.screenshot(path=TARGET / f"{page.stem}-{name}.png", full_page=True)
        context.close()


def _photograph_terminal(browser: Any, said: str) -> None:
    """Draw what a terminal showed, by Rich."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=100, record=True, file=io.StringIO())
    lines = [line.rpartition("\r")[2] for line in said.replace("\r\n", "\n").split("\n")]
    console.print(Text.from_ansi("\n".join(lines)))
    page = TARGET / "terminal.html"
    page.write_text(console.export_html(), encoding="utf-8")
    shown = browser.new_page(viewport={"width": 900, "height": 900})
    shown.goto(page.resolve().as_uri())
    shown.screenshot(path=TARGET / "terminal.png", full_page=True)


if __name__ == "__main__":
    main()
