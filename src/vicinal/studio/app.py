"""The pages of the studio, and what they ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from vicinal import __version__
from vicinal._checks import first_line
from vicinal.page.format import clean
from vicinal.page.frame import environment, render_page
from vicinal.studio.gate import Gate
from vicinal.studio.sentences import Writer, read_pool, writers
from vicinal.studio.sessions import Session, Sessions
from vicinal.studio.show import columns_view, dial_view, made_view, sentences_view
from vicinal.studio.table import BOUND, Source, Trial, read_source, too_large
from vicinal.studio.worker import Worker
from vicinal.table import PRIVACY

#: Bytes of a request that sends no file.
FORM_BOUND = 1 << 20
#: Seconds between looks for tabs that are gone.
SWEEP = 2.0
#: Where templates, scripts and styles lie.
HERE = Path(__file__).parent
STATIC = {
    "htmx.min.js": "text/javascript",
    "studio.js": "text/javascript",
    "htmx.LICENSE.txt": "text/plain",
}
STYLES = (
    HERE.parent / "text" / "augment" / "templates" / "sentences.css",
    HERE / "static" / "studio.css",
)
GONE = "This tab's table was let go. Load the page again to begin anew."

#: What is said to a person; other errors are faults.
_TOLD = (ValueError, TypeError, OSError, ImportError, MemoryError)

Handler = Callable[["Studio", Request, Session], Awaitable[Response]]


class TooLargeError(ValueError):
    """A request holds more than it may."""


async def read_body(request: Request, bound: int, name: str = "What was sent") -> bytes:
    """Read a request, and no more of it than the bound."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > bound:
        raise TooLargeError(too_large(name, bound))
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > bound:
            raise TooLargeError(too_large(name, bound))
    return bytes(data)


class Studio:
    """What the pages share: the tabs, the one who works, and the file that was named."""

    def __init__(self, first: Source | None = None) -> None:
        self.first, self.sessions = first, Sessions()
        self.worker, self.writer = Worker(), Writer()

    async def work(self, job: Callable[[], Any]) -> Any:
        """Have something done while other requests are answered."""
        return await asyncio.wrap_future(self.worker.submit(job))

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Look for tabs that are gone as long as the program runs."""

        async def sweep() -> None:
            while True:
                await asyncio.sleep(SWEEP)
                self.sessions.sweep()

        task = asyncio.create_task(sweep())
        yield
        task.cancel()


@cache
def _templates() -> Any:
    return environment(HERE / "templates")


def _page(template: str, **values: Any) -> HTMLResponse:
    text = _templates().get_template(template).render(version=__version__, **values)
    return HTMLResponse(clean(text))


def _file(data: bytes | str, name: str, kind: str) -> Response:
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "-_.") else "_" for one in name
    )
    return Response(
        data, media_type=kind, headers={"content-disposition": f'attachment; filename="{plain}"'}
    )


async def _form(request: Request) -> dict[str, list[str]]:
    data = await read_body(request, FORM_BOUND)
    return parse_qs(data.decode("utf-8", "replace"), keep_blank_values=True)


def _privacy(said: str) -> str:
    return said if said in PRIVACY else "balanced"


# Pages


async def _table(studio: Studio, request: Request, session: Session) -> Response:
    trial = session.table.trial
    return _page(
        "table.html.j2",
        tab="table",
        bound=BOUND >> 20,
        **_work(trial, request.query_params.get("privacy", "balanced")),
    )


async def _sentences(studio: Studio, request: Request, session: Session) -> Response:
    pool = session.sentences.pool
    return _page("sentences.html.j2", tab="sentences", pool=pool, writers=writers())


def _work(trial: Trial | None, privacy: str, find: str = "") -> dict[str, Any]:
    if trial is None:
        return {"trial": None}
    # first, for what is found while the rest is gathered is asked for again
    looked, dial = trial.looked, dial_view(trial, _privacy(privacy))
    return {
        "trial": trial,
        "looked": looked,
        "dial": dial,
        "columns": columns_view(trial, find),
        "made": made_view(trial),
        "find": find,
    }


async def _receive(
    request: Request,
    session: Session,
    default: str,
    read: Callable[[str, bytes], Any],
    use: Callable[[Any], Any],
) -> Response:
    """Read a file that is sent and use it, unless a later one for the same was sent meanwhile."""
    number = session.sent[default] = session.sent.get(default, 0) + 1
    name = request.query_params.get("name", default)
    data = await read_body(request, BOUND, name)
    try:
        # not by the worker, who may be long at the table before
        found = await asyncio.to_thread(read, name, data)
    except _TOLD as error:
        return PlainTextResponse(str(error))  # an answer, which is no fault of the page
    if session.sent[default] != number:
        return PlainTextResponse(f"{name} was left aside: a later file was sent.")
    use(found)
    return PlainTextResponse("read")


def _of_trial(trial: Trial, template: str, **values: Any) -> HTMLResponse:
    """Return a part of the page that says of which trial it is."""
    answer = _page(template, trial=trial, **values)
    answer.headers["vicinal-trial"] = str(trial.number)
    return answer


# The table


async def _upload(studio: Studio, request: Request, session: Session) -> Response:
    return await _receive(
        request,
        session,
        "table.csv",
        read_source,
        lambda source: session.table.open(studio.worker, source),
    )


def _trial(session: Session) -> Trial:
    if session.table.trial is None:
        raise ValueError("There is no table yet.")
    return session.table.trial


async def _dial(studio: Studio, request: Request, session: Session) -> Response:
    trial, said = _trial(session), request.query_params
    if said.get("seen") == trial.version:
        return Response(status_code=204)
    values = _work(trial, said.get("privacy", ""), said.get("find", ""))
    if said.get("looked") == str(values["looked"]) and not (trial.error or values["dial"]["error"]):
        return _of_trial(template="dial.html.j2", **values)
    answer = _of_trial(template="work.html.j2", **values)
    answer.headers["HX-Retarget"] = "#work"
    return answer


async def _find(studio: Studio, request: Request, session: Session) -> Response:
    find = request.query_params.get("find", "")
    trial = _trial(session)
    return _of_trial(trial, "rows.html.j2", columns=columns_view(trial, find))


def _named(said: str, names: Iterable[str], what: str) -> str:
    """Return the name of the table that a page shows as this."""
    for name in names:
        if clean(name) == said:
            return name
    raise ValueError(f"This table has no {what} {said}. Load the page again.")


async def _choose(studio: Studio, request: Request, session: Session) -> Response:
    form, trial = await _form(request), _trial(session)
    said = {name: values[0] for name, values in form.items()}
    names = trial.source.table.column_names
    changes: dict[str, Any] = {}
    if "column" in said:
        column, kind = _named(said["column"], names, "column"), said.get("kind", "")
        kinds = {name: one for name, one in trial.choices.kinds.items() if name != column}
        changes["kinds"] = kinds | ({column: kind} if kind else {})
    elif "target" in said:
        changes["target"] = _named(said["target"], names, "column") if said["target"] else None
    else:
        # by their texts, and of those alone that the page lists: the table may have others by now
        listed = {_named(one, trial.found, "rule") for one in form.get("listed", [])}
        kept = {_named(one, trial.found, "rule") for one in form.get("kept", [])}
        changes["off"] = trial.choices.off - listed | listed - kept
    trial = session.table.choose(studio.worker, **changes)
    values = _work(trial, said.get("privacy", ""), said.get("find", ""))
    return _of_trial(template="work.html.j2", **values)


async def _make(studio: Studio, request: Request, session: Session) -> Response:
    """Have the whole table made, and say how far it is."""
    trial, waits = _trial(session), request.query_params.getlist("waits")
    if request.method == "POST":
        form = await _form(request)
        privacy = _privacy(form.get("privacy", [""])[0])
        trial.make(studio.worker, privacy)
        waits = [*form.get("waits", []), privacy]
    return _of_trial(trial, "made.html.j2", made=made_view(trial, waits))


async def _download(studio: Studio, request: Request, session: Session) -> Response:
    trial, privacy = _trial(session), _privacy(request.query_params.get("privacy", ""))
    made = trial.made.get(privacy)
    if made is None or made.data is None:
        return PlainTextResponse("This table was not made yet.", 404)
    return _file(made.data, f"{trial.source.stem}-{privacy}.csv", "text/csv")


async def _report(studio: Studio, request: Request, session: Session) -> Response:
    report = _trial(session).reports.get(_privacy(request.query_params.get("privacy", "")))
    if report is None:
        return PlainTextResponse("This setting was not tried yet.", 404)
    data = await studio.work(lambda: render_page(report._page()))
    # the page holds all it shows, and says so itself
    own = {"content-security-policy": "frame-ancestors 'none'"}
    return HTMLResponse(data, headers=own)


async def _schema(studio: Studio, request: Request, session: Session) -> Response:
    trial = _trial(session)
    schema = trial.kept_schema() or trial.schema
    if schema is None:
        return PlainTextResponse("The columns were not looked at yet.", 404)
    return _file(schema.to_json(), "schema.json", "application/json")


# Sentences


async def _pool(studio: Studio, request: Request, session: Session) -> Response:
    return await _receive(request, session, "sentences.txt", read_pool, session.sentences.compare)


async def _write(studio: Studio, request: Request, session: Session) -> Response:
    form, tab = await _form(request), session.sentences
    said = {name: form.get(name, [""])[0] for name in ("left", "right", "toward", "writer")}
    number = tab.ask()
    try:
        ratio = 1.0 - float(said["toward"])
        found = await studio.work(
            lambda: studio.writer.write(
                tab, number, said["left"], said["right"], ratio, said["writer"]
            )
        )
    except _TOLD as error:
        return _page("between.html.j2", error=str(error), found=None)
    if found is None:
        return Response(status_code=204)
    return _page("between.html.j2", error="", found=sentences_view(found))


# Tabs


async def _alive(studio: Studio, request: Request, session: Session) -> Response:
    return Response(status_code=204)


async def _leave(studio: Studio, request: Request, session: Session) -> Response:
    studio.sessions.leave(session.key)
    return Response(status_code=204)


def make_app(token: str, port: int, first: Source | None = None) -> Gate:
    """Return the studio as an ASGI application."""
    studio = Studio(first)

    async def begin(request: Request) -> Response:
        session = studio.sessions.open()
        if studio.first is not None:
            session.table.open(studio.worker, studio.first)
        return RedirectResponse(f"/{token}/{session.key}/", 303)

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "studio.css":
            style = [_templates().globals["style"], *(one.read_text("utf-8") for one in STYLES)]
            return Response("\n".join(style), media_type="text/css")
        if name not in STATIC:
            return PlainTextResponse("There is no such file.", 404)
        return Response((HERE / "static" / name).read_bytes(), media_type=STATIC[name])

    def of_tab(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            session = studio.sessions.get(request.path_params["key"])
            if session is None:
                if request.method == "GET" and "hx-request" not in request.headers:
                    return RedirectResponse(f"/{token}/", 303)
                return PlainTextResponse(GONE, 410)
            try:
                return await handler(studio, request, session)
            except TooLargeError as error:
                return PlainTextResponse(str(error), 413, {"connection": "close"})
            except ClientDisconnect:
                return Response(status_code=499)
            except _TOLD as error:
                return PlainTextResponse(str(error) or first_line(error), 422)

        return answer

    routes = [
        Route(f"/{{key}}/{path}", of_tab(handler), methods=methods)
        for path, handler, methods in (
            ("", _table, ["GET"]),
            ("sentences", _sentences, ["GET"]),
            ("file", _upload, ["POST"]),
            ("work", _dial, ["GET"]),
            ("find", _find, ["GET"]),
            ("choose", _choose, ["POST"]),
            ("made", _make, ["GET", "POST"]),
            ("download", _download, ["GET"]),
            ("report", _report, ["GET"]),
            ("schema.json", _schema, ["GET"]),
            ("pool", _pool, ["POST"]),
            ("write", _write, ["POST"]),
            ("alive", _alive, ["GET"]),
            ("leave", _leave, ["POST"]),
        )
    ]
    inner = [Route("/", begin), Route("/static/{name}", static), *routes]
    app = Starlette(routes=[Mount(f"/{token}", routes=inner)], lifespan=studio.lifespan)
    app.state.studio = studio
    return Gate(app, token, port)
