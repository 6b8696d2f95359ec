"""Runs the server in the foreground with uvicorn, until it is told to stop."""

from __future__ import annotations

import errno
import os
import socket

from nowcast.core.errors import MissingExtraError, SettingsError, complain
from nowcast.serve.settings import ServeSettings

_MOST_AT_ONCE = 256
_IDLE_SECONDS = 10
_BACKLOG = 128


def check_extra() -> None:
    """Refuse to go on where the libraries of the extra ``serve`` are not installed.

    Raises:
        MissingExtraError: naming the first that is absent.
    """
    import importlib.util

    for library in ("starlette", "uvicorn"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError("'nowcast serve'", library, "serve")


def serve(settings: ServeSettings) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code.

    Raises:
        MissingExtraError: the extra ``serve`` is not installed.
        SettingsError: the address cannot be taken.
    """
    check_extra()
    import uvicorn

    from nowcast.serve.app import make_app

    listener = _listener(settings)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    reach = (
        "only this machine can reach it; --host 0.0.0.0 opens it to others"
        if settings.loopback
        else "every machine that can reach this one can ask; put a reverse proxy with TLS before it"
    )
    print(f"http://{shown}:{port}/ serves {settings.place}: {reach}", flush=True)
    config = uvicorn.Config(
        make_app(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        forwarded_allow_ips="127.0.0.1,::1" if settings.behind_proxy else "",
        limit_concurrency=_MOST_AT_ONCE,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=5,
        ws="none",
        lifespan="off",
    )
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listener(settings: ServeSettings) -> socket.socket:
    """Take the address, so that one that is taken is said in one line."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named asyncio turns Nagle's algorithm off, which costs 40 ms an answer.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, settings.port))
        made.listen(_BACKLOG)
    except (OSError, UnicodeError) as error:
        made.close()
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        found = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise SettingsError(
            complain(
                f"{settings.host}:{settings.port}",
                found,
                "a free address of this machine",
                "choose another --port" if taken else "correct --host or --port",
            )
        ) from error
    return made
