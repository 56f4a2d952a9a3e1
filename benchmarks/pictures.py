"""Pictures of what a person sees: the report of the bundled table, on a desk and on a phone.

    python benchmarks/pictures.py            # docs/pictures/report.png, for README
    python benchmarks/pictures.py --all      # also phone and dark, into build/pictures

Needs Playwright (`make install`) and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
#: Width, height, dark.
SCREENS = {"desk": (1200, 900, False), "phone": (390, 844, False), "dark": (1200, 900, True)}


def main() -> None:
    """Write a demo, and photograph its page."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--all", action="store_true", help="whole pages, phone and dark as well")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        command = [Path(sys.executable).with_name("vicinal"), "demo", "--output", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, (width, height, dark) in SCREENS.items():
            if name != "desk" and not asked.all:
                continue
            page = browser.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
            )
            page.goto((Path(folder) / "report.html").resolve().as_uri())
            if name == "desk":
                page.screenshot(path=ROOT / "docs" / "pictures" / "report.png")
            if asked.all:
                target = ROOT / "build" / "pictures" / f"report-{name}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=target, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
