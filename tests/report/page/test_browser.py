"""Pages in a real browser: nothing asked for, nothing complained of, nothing cut off.

Screenshots go to build/screens.
"""

from __future__ import annotations

from pathlib import Path

import pytest

SCREENS = Path(__file__).parents[3] / "build" / "screens"
WIDE, PHONE = (1280, 900), (360, 740)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Write one of each page."""
    return tmp_path_factory.mktemp("pages")


PAGES = ["report", "collapse", "front", "audit", "morph", "augmented", "review"]
#: Page, size of the window, dark theme.
VIEWS = [
    *(("report", size, dark) for size in (WIDE, PHONE) for dark in (False, True)),
    ("wide", PHONE, False), ("wide", WIDE, True),
    ("collapse", WIDE, False), ("collapse", PHONE, True),
    ("front", WIDE, False), ("front", PHONE, True),
    ("audit", WIDE, False), ("audit", PHONE, True),
    ("morph", WIDE, False), ("morph", PHONE, True),
    ("augmented", WIDE, True), ("augmented", PHONE, False),
    ("review", WIDE, False), ("review", PHONE, True),
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
        if name == "review":
            makers.augmented(60).to_review(path)
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
    shown = browser.open(page, size, dark=dark)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]
    # nothing sticks out at the right, nothing is drawn without a size
    assert shown.evaluate("document.documentElement.scrollWidth") <= size[0]
    widths = shown.evaluate(
        "[...document.querySelectorAll('svg.chart')].filter(e => e.checkVisibility())"
        ".map(e => e.getBoundingClientRect().width)"
    )
    assert min(widths) > 100
    shot = shown.screenshot(path=SCREENS / f"{named(view)}.png")
    assert len(shot) > 10_000


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
    assert browser.open(page, dark=dark).evaluate(CONTRAST) == []


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
    assert browser.open(page, size).evaluate(CLASHES) == []


@pytest.mark.parametrize("page", ["report"], indirect=True)
def test_prints_light_and_without_cutting_a_picture(browser, page):
    shown = browser.open(page, dark=True, media="print")
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"
    breaks = "[...document.querySelectorAll('figure')].map(e => getComputedStyle(e).breakInside)"
    assert set(shown.evaluate(breaks)) == {"avoid"}
    printed = browser.open(page).pdf(path=SCREENS / "report.pdf")
    assert printed.startswith(b"%PDF")
    assert len(printed) < 1_000_000  # nothing was turned into pixels


@pytest.mark.parametrize("page", ["report"], indirect=True)
def test_columns_are_found_sorted_and_opened_by_keyboard(browser, page):
    shown = browser.open(page)
    names = "[...document.querySelectorAll('.card:not([hidden])')].map(e => e.dataset.name)"
    worst = shown.evaluate(names)
    shown.locator("#order").select_option("name")
    assert shown.evaluate(names) == sorted(worst)
    shown.locator("#order").select_option("score")
    assert shown.evaluate(names) == worst
    shown.locator("#find").fill("CAPITAL")
    assert set(shown.evaluate(names)) == {"capital_gain", "capital_loss"}
    shown.locator(".card:not([hidden]) > summary").first.focus()
    shown.keyboard.press("Enter")
    assert shown.locator(".card[open] table").bounding_box()["height"] > 50
    assert shown.evaluate(CLASHES) == []
    assert browser.complaints == []


@pytest.mark.parametrize("page", ["report"], indirect=True)
def test_a_cell_of_the_map_leads_to_its_pair(browser, page):
    shown = browser.open(page)
    link = shown.locator("#map-gap a:not([tabindex])").first
    link.focus()
    shown.keyboard.press("Enter")
    pair = shown.locator(link.get_attribute("href"))
    assert pair.is_visible()
    assert pair.locator("svg.chart").bounding_box()["width"] > 100
    assert shown.evaluate(CLASHES) == []


@pytest.mark.parametrize("page", ["report"], indirect=True)
def test_nothing_is_lost_without_the_script(browser, page):
    shown = browser.open(page, script=False)
    assert not shown.locator("#tools").is_visible()
    assert shown.locator(".card").count() == 11
    shown.locator(".card > summary").first.click()
    assert shown.locator(".card[open] table").is_visible()
