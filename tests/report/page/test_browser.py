"""Pages in a real browser: nothing asked for, nothing complained of, nothing cut off.

Chromium is driven through its own pipe, so no driver is needed. Screenshots go to build/screens.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

SCREENS = Path(__file__).parents[3] / "build" / "screens"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE, PHONE = (1280, 900), (360, 740)


class Browser:
    """A headless Chromium, spoken to through file descriptors 3 and 4."""

    def __init__(self, binary: str, folder: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()

        # plain descriptors would clash with 3 and 4 on their way there
        command = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            [
                "bash", "-c", command, "bash", binary,
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--disable-extensions", "--hide-scrollbars",
                "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank",
            ],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)
        self._buffer, self._count = b"", 0
        self.events: list[dict] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    _session: str | None = None

    def ask(self, method: str, **params) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def _read(self, max_attempts: float = 60.0) -> dict:
        end = time.monotonic() + max_attempts
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError("Chromium does not answer.")
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise RuntimeError("Chromium has gone.")
            self._buffer += piece
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, page: Path, size=WIDE, *, dark=False, media="") -> None:
        """Show a page; wait until it is there."""
        phone = size[0] < 600
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=size[0], height=size[1], deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[theme])
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(one.get("method") == "Page.loadEventFired" for one in self.events):
            self.events.append(self._read())

    def run(self, script: str):
        """Return what a script gives, as plain values."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def complaints(self) -> list[dict]:
        """Return what the browser logged, and what it threw."""
        self.run("0")
        kinds = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
        return [one["params"] for one in self.events if one.get("method") in kinds]

    def requests(self) -> list[str]:
        """Return all that was asked for since the page was opened."""
        return [
            one["params"]["request"]["url"]
            for one in self.events
            if one.get("method") == "Network.requestWillBeSent"
        ]

    def shoot(self, name: str) -> Path:
        """Keep a picture of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return self._keep(name, shot["data"])

    def print(self, name: str) -> Path:
        """Keep the page as it would be printed."""
        printed = self.ask("Page.printToPDF", printBackground=False, preferCSSPageSize=False)
        return self._keep(name, printed["data"])

    @staticmethod
    def _keep(name: str, data: str) -> Path:
        SCREENS.mkdir(parents=True, exist_ok=True)
        (SCREENS / name).write_bytes(base64.b64decode(data))
        return SCREENS / name

    def close(self) -> None:
        try:
            self._session = None
            self.ask("Browser.close")
        finally:
            os.close(self._out)
            os.close(self._in)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    binary = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser on this machine; looked for {', '.join(BROWSERS)}")
    opened = Browser(binary, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Write one of each page."""
    return tmp_path_factory.mktemp("pages")


PAGES = ["report", "collapse", "front", "morph", "augmented"]
#: Page, size of the window, dark theme.
VIEWS = [
    *(("report", size, dark) for size in (WIDE, PHONE) for dark in (False, True)),
    ("wide", PHONE, False), ("wide", WIDE, True),
    ("collapse", WIDE, False), ("collapse", PHONE, True),
    ("front", WIDE, False), ("front", PHONE, True),
    ("morph", WIDE, False), ("morph", PHONE, True),
    ("augmented", WIDE, True), ("augmented", PHONE, False),
]  # fmt: skip


def named(view) -> str:
    """Return a name of what is to be seen."""
    page, size, dark = view
    return f"{page}-{'phone' if size is PHONE else 'desk'}-{'dark' if dark else 'light'}"


@pytest.fixture
def page_of(makers, shown):
    """Return the path of a page of this name."""

    def written(name: str) -> Path:
        path = shown / f"{name}.html"
        if path.exists():
            return path
        result = makers.report(25, 20) if name == "wide" else getattr(makers, name)()
        result.to_html(path)
        return path

    return written


@pytest.fixture
def page(page_of, request):
    return page_of(request.param)


@pytest.mark.parametrize("view", VIEWS, ids=named)
def test_shows_without_a_complaint_or_a_request(browser, page_of, view):
    name, size, dark = view
    page = page_of(name)
    browser.open(page, size, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]
    # nothing sticks out at the right, nothing is drawn without a size
    assert browser.run("document.documentElement.scrollWidth") <= size[0]
    widths = browser.run(
        "[...document.querySelectorAll('svg.chart')].map(e => e.getBoundingClientRect().width)"
    )
    assert min(widths) > 100
    shot = browser.shoot(f"{named(view)}.png")
    assert shot.stat().st_size > 10_000


# of all texts of a page, those with too little contrast to what lies behind them
CONTRAST = """
(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(Number).map(
      v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const page = light(getComputedStyle(document.body).backgroundColor);
  const poor = [];
  for (const e of document.querySelectorAll('main *, footer *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    if (['title', 'desc', 'style'].includes(e.tagName) || e.classList.contains('inside')) continue;
    const style = getComputedStyle(e);
    const own = light(e.ownerSVGElement ? style.fill : style.color);
    const ratio = (Math.max(own, page) + .05) / (Math.min(own, page) + .05);
    if (ratio < 4.5) poor.push([e.tagName, e.className.baseVal || e.className, ratio]);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("page", PAGES, indirect=True)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read_in_both_themes(browser, page, dark):
    browser.open(page, dark=dark)
    assert browser.run(CONTRAST) == []


# texts of a picture that lie over each other or leave it; rotated ones aside
CLASHES = """
[...document.querySelectorAll('svg.chart')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text:not([transform])')].filter(
    e => !e.classList.contains('inside'));
  const boxes = texts.map(e => e.getBoundingClientRect());
  const said = texts.map(e => e.lastChild.data);
  const found = [];
  boxes.forEach((a, i) => {
    if (a.left < frame.left - 6 || a.right > frame.right + 6 || a.bottom > frame.bottom + 4)
      found.push(svg.id + ' leaves: ' + said[i]);
    boxes.slice(i + 1).forEach((b, j) => {
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 2 && down > .4 * a.height)
        found.push(svg.id + ': ' + said[i] + ' | ' + said[i + 1 + j]);
    });
  });
  return found;
})
"""


@pytest.mark.parametrize("page", PAGES, indirect=True)
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_no_text_covers_another(browser, page, size):
    browser.open(page, size)
    assert browser.run(CLASHES) == []


@pytest.mark.parametrize("page", ["report"], indirect=True)
def test_prints_light_and_without_cutting_a_picture(browser, page):
    browser.open(page, dark=True, media="print")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    breaks = "[...document.querySelectorAll('figure')].map(e => getComputedStyle(e).breakInside)"
    assert set(browser.run(breaks)) == {"avoid"}
    browser.open(page)
    printed = browser.print("report.pdf")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(content) < 1_000_000  # nothing was turned into pixels


@pytest.mark.parametrize("page", ["report"], indirect=True)
def test_tables_open_by_keyboard(browser, page):
    browser.open(page)
    browser.run("document.querySelector('#columns summary').focus()")
    assert browser.run("document.activeElement.tagName") == "SUMMARY"
    for kind in ("keyDown", "keyUp"):
        browser.ask(
            "Input.dispatchKeyEvent",
            type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13,
        )  # fmt: skip
    assert browser.run("document.querySelector('#columns details').open")
    assert (
        browser.run("document.querySelector('#columns table').getBoundingClientRect().height") > 50
    )
