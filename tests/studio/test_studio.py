"""The studio: who may ask, what a table and two sentences come to, and what is let go."""

from __future__ import annotations

import gc
import gzip
import html
import re
import shutil
import time
import weakref
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from vicinal.io import write_table

pytest.importorskip("starlette", reason="Starlette is not installed (the extra 'studio')")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (the extra 'studio')")

from starlette.testclient import TestClient

from vicinal.studio import table as table_tab
from vicinal.studio.app import make_app
from vicinal.studio.gate import Gate
from vicinal.studio.server import free_socket
from vicinal.studio.sessions import CLOSED, MOST, SILENT, Sessions

pytestmark = pytest.mark.usefixtures("few_trees")

HOST = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def app():
    """The studio; it measures each setting of a table once, for the tests upload it again."""
    found, audit = {}, table_tab.audit

    def once(model, sample, random_state):
        key = model.privacy, model.target, sample.num_rows, *sample.column_names
        if key not in found:
            found[key] = audit(model, sample, random_state=random_state)
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_tab, "audit", once)
        yield make_app("token", 8765)


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url=HOST) as found:
        yield found


@pytest.fixture
def tab(client, app):
    """Return the address of a new tab, whose work ends with the test."""
    path = str(client.get("/token/").url).removeprefix(HOST)
    yield path
    app.app.state.studio.sessions.get(path.split("/")[2]).stop()


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Write a table with personal data, a rule and a code; return its path."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 500, (2, 160))
    path = tmp_path_factory.mktemp("studio") / "people.csv"
    columns = {
        "mail": [f"u{at}@example.org" for at in range(160)],
        "a": a,
        "b": b,
        "total": a + b,
        "city": rng.choice(["Ulm", "Bonn", "<b>Trier</b>"], 160),
    }
    write_table(pa.table(columns), path)
    return path


def sent(client, tab, name, data, into="file"):
    return client.post(f"{tab}{into}", params={"name": name}, content=data)


def until(done, seconds=60.0):
    """Wait for something, and return it."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def opened(client, people):
    """A tab with the table, every setting tried."""
    tab = str(client.get("/token/").url).removeprefix(HOST)
    assert sent(client, tab, "C:\\data\\people.csv", people.read_bytes()).text == "read"
    until(lambda: 'id="poll"' not in client.get(tab).text)
    return tab


def test_only_the_token_this_host_and_its_own_pages_are_served(client, tab):
    assert client.get(tab).status_code == 200
    refused = [
        client.get("/"),
        client.get("/other/"),
        client.get(tab, headers={"host": "studio.example:8765"}),
        client.get(tab, headers={"host": "127.0.0.1:1"}),
        client.get(tab, headers={"sec-fetch-site": "same-site"}),
        client.post(f"{tab}file", headers={"origin": "http://evil.example"}, content=b"a\n1\n"),
        client.post(f"{tab}choose", headers={"origin": "null"}),
    ]
    assert [one.status_code for one in refused] == [403] * len(refused)
    policy = client.get(tab).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "path", ["static/../app.py", "static/..%2fapp.py", "static/%2fetc%2fpasswd", "../app.py"]
)
def test_no_path_leads_out(client, path):
    answer = client.get(f"/token/{path}", follow_redirects=False)
    assert answer.status_code in {303, 307, 403, 404}
    assert "import" not in answer.text


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("photo.png", b"\x89PNG", "not known"),
        ("empty.csv", b"", "is empty"),
        ("head.csv", b"a,b\n", "no rows"),
        ("cut.parquet", b"PAR1", "cut short"),
        ("cut.csv.gz", b"\x1f\x8b0000", "gzip"),
        ("../../etc/twice.csv", b"a,a\n1,2\n", "twice.csv must be unique"),
    ],
)
def test_what_is_no_table_is_said(client, tab, name, data, says):
    answer = sent(client, tab, name, data)
    assert answer.status_code == 200
    assert says in answer.text
    assert ".." not in answer.text
    assert "Drop a table" in client.get(tab).text


def test_a_file_beyond_the_bound_is_refused_unread(client, tab):
    read = []

    def body():
        for at in range(1000):
            read.append(at)
            yield bytes(1 << 20)

    size = {"content-length": str(1 << 30)}
    answer = client.post(f"{tab}file?name=huge.csv", headers=size, content=b"")
    assert answer.status_code == 413
    assert "vicinal table huge.csv" in answer.text
    packed = gzip.compress(bytes(5_000_000))
    with pytest.raises(ValueError, match="larger than"):
        table_tab.unpacked("bomb.csv.gz", packed, bound=1 << 20)


def test_settings_columns_rules_and_personal_data_are_shown(client, opened):
    page = client.get(opened).text
    assert "mail (e-mail)" in page
    assert "total = a + b" in page
    assert "C:\\" not in page
    assert "&lt;b&gt;Trier" in page
    assert "<b>Trier" not in page
    assert page.count("<template data-setting=") == 4
    assert "vicinal table people.csv -o people-balanced.csv --privacy balanced --seed 0" in page
    report = client.get(f"{opened}report?privacy=high")
    assert "Report on a synthetic table" in report.text


def test_the_download_is_what_the_command_writes(client, opened, people, tmp_path, monkeypatch):
    from vicinal import cli

    made = until(
        lambda: re.search(
            r'href="(download[^"]+)"',
            client.post(f"{opened}made", data={"privacy": "high"}).text,
        )
    )
    ours = client.get(opened + made[1])
    assert 'filename="people-high.csv"' in ours.headers["content-disposition"]
    written = tmp_path / "people-high.csv"
    words = ["table", str(people), "-o", str(written), "--privacy", "high", "--seed", "0"]
    monkeypatch.setattr("sys.argv", ["vicinal", *words])
    cli.main()
    assert ours.content == written.read_bytes()


@pytest.fixture
def quick(monkeypatch):
    """No setting can be tried, and tables are made at once, as soon as the event is set."""
    import threading

    free = threading.Event()

    def tried(trial, privacy):
        free.wait(30)
        trial.errors[privacy] = f"no {privacy}"

    def made(trial, privacy, one):
        free.wait(30)
        one.data = privacy.encode()

    monkeypatch.setattr(table_tab.Trial, "_try", tried)
    monkeypatch.setattr(table_tab.Trial, "_make", made)
    free.set()
    yield free
    free.set()


def test_kinds_target_and_rules_are_chosen(client, tab, people, quick):
    sent(client, tab, "people.csv", people.read_bytes())
    until(lambda: "total = a + b" in client.get(tab).text)
    page = client.post(f"{tab}choose", data={"target": "city"}).text
    assert '<option selected value="city">' in page
    client.post(f"{tab}choose", data={"column": "city", "kind": "identifier"})
    until(lambda: 'id="poll"' not in client.get(tab).text)
    assert '<option selected value="city">' in client.get(tab).text  # or none could not be chosen
    page = client.post(f"{tab}choose", data={"column": "b", "kind": "numeric", "find": "b"}).text
    assert page.count('name="column"') == 1
    assert 'id="kind-2"' in page  # a name of the column, not of its place among those found
    client.post(f"{tab}choose", data={"column": "city", "kind": "date"})
    until(lambda: 'class="wrong" role="alert">' in client.get(tab).text)
    answer = client.post(f"{tab}choose", data={"column": "gone", "kind": "date"})
    assert answer.status_code == 422
    assert "no column gone" in answer.text


def test_rules_are_switched_off_by_what_they_say(client, app, tab, people, quick):
    rule = {"listed": "total = a + b"}
    sent(client, tab, "people.csv", people.read_bytes())
    page = until(lambda: (p := client.get(tab).text) and 'name="kept"' in p and p)
    assert 'name="kept" value="total = a + b"' in page
    assert "1 switched off" in client.post(f"{tab}choose", data=rule).text
    trial = app.app.state.studio.sessions.get(tab.split("/")[2]).table.trial
    trial.found = {"a < b": "", **trial.found}  # the table has others by now
    assert "1 switched off" in client.post(f"{tab}choose", data=rule).text
    client.post(f"{tab}choose", data={"column": "city", "kind": "category"})
    until(lambda: 'id="poll"' not in client.get(tab).text)
    assert "1 switched off" in client.get(tab).text  # of other kinds, too
    app.app.state.studio.sessions.get(tab.split("/")[2]).table.trial.found = {}
    assert "switched off" not in client.get(tab).text  # there is no such rule
    answer = client.post(f"{tab}choose", data=rule)
    assert answer.status_code == 422
    assert "no rule total = a + b" in answer.text


def test_columns_of_any_name_are_chosen(client, tab, quick):
    names = ["</script><b>", "bell\a", "long" * 100]
    data = "\n".join([",".join(names), *(f"{at},{at},{at % 3}" for at in range(30))])
    sent(client, tab, "odd.csv", data.encode())
    page = until(lambda: (p := client.get(tab).text) and 'id="kind-2"' in p and p)
    assert "</script><b>" not in page
    for name in re.findall('name="column" value="([^"]*)"', page):
        asked = {"column": html.unescape(name), "kind": "category"}
        assert client.post(f"{tab}choose", data=asked).status_code == 200


def test_what_is_found_while_a_page_is_written_is_asked_for_again(
    client, app, tab, people, quick, monkeypatch
):
    import threading

    from vicinal.studio import app as pages

    view, free = pages.columns_view, threading.Event()
    studio = app.app.state.studio

    def meanwhile(trial, find=""):
        found = view(trial, find)
        free.set()
        until(lambda: trial.is_done)
        return found

    monkeypatch.setattr(pages, "columns_view", meanwhile)
    studio.worker.submit(lambda: free.wait(30))
    sent(client, tab, "people.csv", people.read_bytes())
    page = client.get(tab).text
    assert "total = a + b" not in page
    asked = html.unescape(re.search('id="poll" hx-get="([^"]+)"', page)[1])
    assert "total = a + b" in client.get(tab + asked).text


def test_tables_that_were_made_stay_while_others_are(client, tab, people, quick):
    sent(client, tab, "people.csv", people.read_bytes())
    until(lambda: 'id="poll"' not in client.get(tab).text)
    quick.clear()
    page = client.post(f"{tab}made", data={"privacy": "high"}).text
    assert '<input type="hidden" name="waits" value="high">' in page
    quick.set()
    page = until(
        lambda: (p := client.get(f"{tab}made", params={"waits": "high"}).text) and "href" in p and p
    )
    assert 'href="download?privacy=high" data-auto' in page
    asked = {"privacy": "max", "waits": "high"}
    assert "data-auto" in client.post(f"{tab}made", data=asked).text
    page = until(lambda: (p := client.get(tab).text) and p.count('href="download') == 2 and p)
    assert "data-auto" not in page  # neither is taken again


def test_of_two_files_the_later_one_counts(client, app, tab, monkeypatch, quick):
    import threading

    from vicinal.studio import app as pages

    read, free, begun = pages.read_source, threading.Event(), threading.Event()

    def slowly(name, data):
        if name == "large.csv":
            begun.set()
            free.wait(30)
        return read(name, data)

    monkeypatch.setattr(pages, "read_source", slowly)
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(sent(client, tab, "large.csv", b"x,y\n1,2\n"))
    )
    thread.start()
    assert begun.wait(30)
    assert sent(client, tab, "small.csv", b"x,y\n1,2\n").text == "read"
    free.set()
    thread.join()
    assert "a later file was sent" in answers[0].text
    assert "<h1>small</h1>" in client.get(tab).text


def test_what_was_written_beside_an_older_pool_is_not_kept(writing):
    from vicinal.studio.sentences import Pool, SentencesTab

    tab = SentencesTab()

    class Slow(Inverter):
        def candidates(self, *given, **named):
            tab.compare(Pool("new.txt", ["it was"], 1))
            return super().candidates(*given, **named)

    writing.writer.inverters[""] = Slow()
    asked = "so it is", "so so so so it is", 0.25
    assert writing.writer.write(tab, tab.ask(), *asked).nearest is None
    assert writing.writer.write(tab, tab.ask(), *asked).nearest.text == "it was"


def test_two_tabs_have_tables_of_their_own(client, opened, tab):
    sent(client, tab, "other.csv", b"x,y\n" + b"1,2\n" * 3)
    assert "people" not in client.get(tab).text
    assert "people" in client.get(opened).text


def test_a_file_is_read_while_other_work_goes_on(client, app, tab):
    import threading

    free = threading.Event()
    app.app.state.studio.worker.submit(lambda: free.wait(30))
    try:
        assert sent(client, tab, "next.csv", b"x,y\n" + b"1,2\n" * 3).text == "read"
        page = client.get(tab).text
        assert "<h1>next</h1>" in page
        assert "Waiting for other work" in page
        assert sent(client, tab, "r.txt", b"Who is it?\n", "pool").text == "read"
    finally:
        free.set()


def test_a_table_of_one_row_says_why_nothing_is_made(client, tab):
    sent(client, tab, "one.csv", b"x,y\n1,2\n")
    page = until(lambda: (p := client.get(tab).text) and 'id="poll"' not in p and p)
    assert "mixing needs at least 2" in page


def test_many_columns_are_listed_in_part(client, app, tab):
    names = [f"c{at}" for at in range(2000)]
    sent(client, tab, "wide.csv", (",".join(names) + "\n" + "1.5," * 1999 + "2\n").encode())
    until(lambda: "1,940 more" in client.get(tab).text)
    rows = client.get(f"{tab}find", params={"find": "c1999"}).text
    assert rows.count("<form") == 1


def test_a_tab_that_closes_ends_its_work_and_lets_its_table_go(people):
    clock = iter([0.0] * 3 + [CLOSED + 1.0] * 9)
    sessions = Sessions(lambda: next(clock))
    session = sessions.open()
    trial = table_tab.Trial(
        table_tab.read_source(str(people), people.read_bytes()), table_tab.Choices()
    )
    session.table.trial, held = trial, weakref.ref(trial.source)
    sessions.leave(session.key)
    sessions.sweep()
    assert len(sessions) == 0
    assert trial.stopped
    trial._look()
    trial._try("off")
    assert not trial.looked
    assert not trial.reports
    del session, trial
    gc.collect()
    assert held() is None


def test_tabs_are_bounded_in_number_and_in_silence():
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    keys = []
    for at in range(MOST + 1):
        now[0] = float(at)
        keys.append(sessions.open().key)
    assert sessions.get(keys[0]) is None
    assert len(sessions) == MOST
    sessions.leave(keys[1])
    assert sessions.get(keys[1]) is not None  # its page was loaded again
    now[0] += SILENT + 1
    sessions.sweep()
    assert len(sessions) == 0


def test_a_tab_that_is_gone_begins_anew(client):
    assert client.get("/token/gone/work", headers={"hx-request": "true"}).status_code == 410
    assert "Drop a table" in client.get("/token/gone/").text


def test_a_busy_port_gives_way_to_the_next():
    with free_socket(18765) as first, free_socket(first.getsockname()[1]) as second:
        assert second.getsockname()[1] > first.getsockname()[1]
        assert second.getsockname()[0] == "127.0.0.1"


class Inverter:
    """Writes what it was asked for: a word more for each candidate."""

    encoder = None

    def encode(self, texts):
        return np.array([[len(text), 1.0 + text.count("e"), 1.0] for text in texts], np.float32)

    def candidates(self, embeddings, n_samples=4, *, random_state=None):
        from vicinal.text.invert.candidates import Candidates

        lines = [["so " * (at + 1) + "it is" for at in range(n_samples)] for _ in embeddings]
        points = np.stack([self.encode(row) for row in lines])
        return Candidates(lines, points, np.zeros((len(lines), n_samples), np.float32))


class Parrot(Inverter):
    """Writes one thing."""

    def candidates(self, embeddings, n_samples=4, *, random_state=None):
        found = super().candidates(embeddings, n_samples)
        return replace(found, sentences=[["polly"] * n_samples for _ in embeddings])


@pytest.fixture
def writing(app, monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed (the extra 'text')")
    studio = app.app.state.studio
    monkeypatch.setattr(studio.writer, "inverters", {"": Inverter()})
    return studio


def test_sentences_are_written_with_closeness_ratio_and_the_nearest_real_one(client, tab, writing):
    assert sent(client, tab, "r.txt", b"so so it is\nWho is it?\n", "pool").text == "read"
    asked = {"left": "so it is", "right": "so so so so it is", "toward": "0.25"}
    page = client.post(f"{tab}write", data=asked).text
    assert len(re.findall("<li[ >]", page)) == 7
    writing.writer.inverters["nano"] = Parrot()
    quick = client.post(f"{tab}write", data=asked | {"writer": "nano"}).text
    assert "polly" in quick
    assert "polly" not in page
    assert client.post(f"{tab}write", data=asked | {"writer": "/etc/passwd"}).text == page
    assert "nearest real sentence" in page
    assert "asked 0.75" in page
    ratios = [float(one) for one in re.findall(r"<span>ratio ([0-9.]+)</span>", page)]
    assert min(abs(one - 2 / 3) for one in ratios) < 0.01  # "so so it is" lies a third of the way
    drawn = page[page.index('id="map"') :]
    assert [drawn.count(f'class="{kind}"') for kind in ("parent", "aim", "landed")] == [2, 1, 6]
    assert [drawn.count(f'class="{kind}"') for kind in ("nearest", "real dot")] == [1, 1]
    left, right = (float(one) for one in re.findall(r'cx="([0-9.]+)"[^>]* class="parent"', drawn))
    aim = float(re.search(r'cx="([0-9.]+)"[^>]* class="aim"', drawn)[1])
    assert (aim - left) / (right - left) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"left": "", "right": "b", "toward": "0.5"}, "left box is empty"),
        ({"left": "a b", "right": "b c", "toward": "7"}, "ratio must be"),
        ({"left": "word " * 10_000, "right": "b c d", "toward": "0.5"}, "cut off"),
        ({"left": "it is", "right": "It is", "toward": "0.5"}, ""),
    ],
)
def test_bad_sentences_are_said(client, tab, writing, asked, says):
    answer = client.post(f"{tab}write", data=asked)
    assert answer.status_code == 200
    assert says in answer.text
    assert 'id="map"' not in answer.text or asked["left"].casefold() != asked["right"].casefold()


def test_a_missing_writer_is_said(client, tab, app, monkeypatch):
    import sys

    monkeypatch.setattr(app.app.state.studio.writer, "inverters", {})
    monkeypatch.setitem(sys.modules, "vicinal.text.invert.task", None)
    asked = {"left": "It is.", "right": "It was.", "toward": "0.5"}
    page = client.post(f"{tab}write", data=asked).text
    assert "pip install &#39;vicinal[offline]&#39;" in page


@pytest.fixture(scope="module")
def served(app, client):
    """The studio on a port of this machine."""
    import threading

    import uvicorn

    with free_socket(18800) as listening:
        port = listening.getsockname()[1]
        gate = Gate(app.app, "token", port)
        config = uvicorn.Config(gate, log_level="error", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{port}/token/"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def chromium():
    driver = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    binary = next((found for name in names if (found := shutil.which(name))), None)
    if binary is None:
        pytest.skip(f"no browser on this machine; looked for {', '.join(names)}")
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        yield opened
        opened.close()


class Shown:
    """A window of the browser, with what it complained of and asked others for."""

    def __init__(self, chromium, address, **options):
        self.context = chromium.new_context(**options)
        self.page, self.complaints, self.others = self.context.new_page(), [], []
        self.page.on("console", lambda one: self.complaints.append(one.text))
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("request", self._note)
        self.page.goto(address)

    def _note(self, request):
        if not request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.others.append(request.url)


def test_upload_dial_and_download_in_a_browser(served, opened, chromium, people):
    shown = Shown(chromium, served, viewport={"width": 1280, "height": 900})
    page = shown.page
    page.set_input_files(".drop input", {"name": "no.csv", "mimeType": "", "buffer": b""})
    page.wait_for_selector(".drop .wrong:not(:empty)")
    page.set_input_files(".drop input", str(people))
    page.wait_for_selector("#dial:not(:has(#poll))")
    line = "document.querySelector('#panel path.made').getAttribute('d')"
    before, command = page.evaluate(line), page.inner_text("#panel pre")
    page.focus("#set-balanced")
    page.keyboard.press("ArrowRight")  # of so few rows high is balanced
    assert page.inner_text("#panel pre") == command.replace("balanced", "high")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(line) != before
    assert page.inner_text("#panel pre") == command.replace("balanced", "max")
    with page.expect_download() as caught:
        page.click(".take button")
    assert caught.value.suggested_filename == "people-max.csv"
    page.reload()
    page.wait_for_selector("#panel .figure-card")  # the tab kept its table
    assert shown.complaints == shown.others == []
    shown.context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_phone_shows_it_in_both_themes(served, opened, chromium, dark):
    scheme = "dark" if dark else "light"
    size = {"width": 390, "height": 800}
    key = opened.split("/")[2]
    shown = Shown(chromium, f"{served}{key}/", viewport=size, is_mobile=True, color_scheme=scheme)
    page = shown.page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate(CONTRAST) == []
    shown.context.close()


def test_the_slider_writes_in_a_browser(served, chromium, writing):
    shown = Shown(chromium, served)  # a tab of its own
    page = shown.page
    page.click("text=Sentences")
    page.wait_for_selector("#between .way")
    page.focus("#toward")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#candidate-0:has-text('asked 0.45')", state="attached")
    assert page.inner_text(".slide output") == "0.55"
    assert shown.complaints == shown.others == []
    shown.context.close()


def test_only_files_are_dropped(served, chromium, writing):
    shown = Shown(chromium, f"{served}")
    page = shown.page
    page.click("text=Sentences")
    page.wait_for_selector("#between .way")
    drop = """([at, files]) => {
      const held = new DataTransfer();
      files.forEach(name => held.items.add(new File(["Is it?"], name)));
      if (!files.length) held.setData("text/plain", "Is it?");
      const options = {dataTransfer: held, bubbles: true, cancelable: true};
      const on = kind => document.querySelector(at).dispatchEvent(new DragEvent(kind, options));
      const over = on("dragover");
      const marked = document.querySelector(".drop").classList.contains("over");
      return [over, on("drop"), marked];
    }"""
    said = ".drop .wrong"
    assert page.evaluate(drop, ["#left", []]) == [True, True, False]  # the browser's own
    assert page.evaluate(drop, ["h1", []]) == [False, False, False]  # nothing is opened
    assert page.inner_text(said) == ""
    assert page.evaluate(drop, [".drop b", []]) == [False, False, False]
    assert "not a file" in page.inner_text(said)
    assert page.evaluate(drop, [".drop", ["a.txt", "b.txt"]]) == [False, False, True]
    assert "Drop one file" in page.inner_text(said)
    page.fill("#left", "Mine it is.")
    assert page.evaluate(drop, ["#left", ["a.txt"]]) == [False, False, True]
    page.wait_for_selector("text=Real sentences from a.txt")
    page.wait_for_selector("#between .real .sentence:has-text('Is it?')")
    assert page.input_value("#left") == "Mine it is."
    assert shown.complaints == shown.others == []
    shown.context.close()


def test_older_answers_change_nothing_in_a_browser(served, chromium, people, quick):
    shown = Shown(chromium, served)
    page = shown.page
    page.set_input_files(".drop input", str(people))
    page.wait_for_selector("#dial:not(:has(#poll))")
    # a rule: its list stays open, and the keyboard where it was
    page.click("#rules summary")
    page.uncheck("#rule-0")
    page.wait_for_selector("#rules:has-text('1 switched off')")
    page.wait_for_selector("#dial:not(:has(#poll)) #set-max")
    assert page.is_visible("#rule-0")
    assert page.evaluate("document.activeElement.id") == "rule-0"
    assert "4 of 4 settings tried" in page.text_content("#status")
    # a setting that is chosen while an answer for another is on its way
    quick.clear()
    page.select_option("#target", "city")
    page.wait_for_selector("#poll", state="attached")
    page.wait_for_selector("#set-max")
    page.evaluate(
        "document.addEventListener('htmx:beforeSend', () => {"
        "document.getElementById('set-max').click(); }, {once: true})"
    )
    page.wait_for_selector("#set-max:checked")
    quick.set()
    page.wait_for_selector("#dial:not(:has(#poll)) #set-max")
    assert page.is_checked("#set-max")
    assert page.inner_text("#panel") == "max could not be tried. no max"
    # a table that is made stays whatever is turned
    with page.expect_download() as caught:
        page.click("#take")
    page.check("#set-off")
    assert caught.value.suggested_filename == page.inner_text("#made a") == "people-max.csv"
    # of two choices the later one is shown, though its answer comes first
    asked, held = [], []

    def hold(route):
        asked.append(route)  # before it is fetched, which lets the next one in
        if len(asked) > 1:
            return route.continue_()
        return held.append(route.fetch())

    page.route("**/choose", hold)
    page.select_option("#target", "total")
    page.select_option("#kind-4", "text")
    page.wait_for_selector("#kind-4:has(option:text('as found'))", state="attached")
    while not held:
        page.wait_for_timeout(50)
    with page.expect_response("**/choose"):
        asked[0].fulfill(response=held[0])
    page.wait_for_selector("#dial:not(:has(#poll)) #set-max")
    assert page.input_value("#kind-4") == "text"
    assert page.input_value("#target") == "total"
    assert shown.others == []
    shown.context.close()


def test_a_page_elsewhere_gets_nothing(served, opened, chromium):
    shown = Shown(chromium, "data:text/html,<p>elsewhere")
    asked = (
        "url => fetch(url, {mode: 'no-cors', method: 'POST'}).then(() => 'sent', () => 'refused')"
    )
    assert shown.page.evaluate(asked, f"{served}{opened.split('/')[2]}/leave") == "refused"
    shown.context.close()


# of all texts, those with too little contrast to what lies behind them
CONTRAST = """
(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(
      v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor; if (parts(c)[3] !== 0) return light(c); } };
  const poor = [];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    if (['TEMPLATE', 'title', 'desc'].includes(e.tagName) || !e.getClientRects().length) continue;
    const style = getComputedStyle(e), back = behind(e);
    const own = light(e.ownerSVGElement ? style.fill : style.color);
    const ratio = (Math.max(own, back) + .05) / (Math.min(own, back) + .05);
    if (ratio < 4.5) poor.push([e.tagName, e.className.baseVal ?? e.className, ratio]);
  }
  return poor;
})()
"""
