"""Who may ask: this machine's browser with the token, from the studio's own pages."""

from __future__ import annotations

import secrets

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

#: Of every answer. Scripts, styles and requests are the studio's own, and no page may frame it.
SAFE = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Gate:
    """Refuses other hosts (a name that was bound to 127.0.0.1), other origins and other tokens."""

    def __init__(self, app: Starlette, token: str, port: int) -> None:
        self.app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it before anything of it is read."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["path"])
        if refusal:
            await PlainTextResponse(refusal, 403)(scope, receive, send_safe)
        else:
            await self.app(scope, receive, send_safe)

    def _refusal(self, headers: Headers, path: str) -> str:
        host = headers.get("host", "")
        if host not in self._hosts:
            return "This host is not served.\n"
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return "Other origins are not served.\n"
        if headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            return "Other sites are not served.\n"
        token = path.partition("/")[2].partition("/")[0]
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return "The address lacks the token. Open the one that `vicinal studio` printed.\n"
        return ""
