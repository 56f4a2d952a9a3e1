"""The studio as a program: a free port of 127.0.0.1, a token, and the browser."""

from __future__ import annotations

import secrets
import socket
import webbrowser
from collections.abc import Callable

import uvicorn

from vicinal.studio.app import make_app
from vicinal.studio.table import Source

#: Ports that are tried.
TRIED = 20


def free_socket(port: int) -> socket.socket:
    """Return a socket that listens at a port of this machine alone, or at one of the next."""
    for one in range(port, min(port + TRIED, 65536)):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", one))
            found.listen(128)
        except OSError:
            found.close()
        else:
            return found
    raise OSError(
        f"port {port} and the next {TRIED - 1} are busy, or may not be used. Name another with "
        "--port."
    )


def serve(first: Source | None, port: int, *, show: bool, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; say the address, and open the browser where it is wanted."""
    with free_socket(port) as listening:
        found = listening.getsockname()[1]
        token = secrets.token_urlsafe(16)
        address = f"http://127.0.0.1:{found}/{token}/"
        if port not in (0, found):
            tell(f"Port {port} is busy; {found} is free.")
        tell(f"Studio: {address}\nIt is served to this machine alone. Ctrl-C ends it.")
        config = uvicorn.Config(
            make_app(token, found, first),
            log_level="error",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        if show:
            webbrowser.open(address)
        uvicorn.Server(config).run(sockets=[listening])
