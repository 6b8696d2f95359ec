"""What every request passes: its size, method, host name and rate; and what every answer carries."""

from __future__ import annotations

import json
import math
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nowcast.core.errors import complain
from nowcast.serve.counts import Counts
from nowcast.serve.problems import NOT_ALLOWED, TOO_MANY, RefusedRequestError
from nowcast.serve.rate import RateLimit
from nowcast.serve.settings import ServeSettings

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of all that is no page: a browser runs and loads nothing."""
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
}
_READING = ("GET", "HEAD")
_URI_TOO_LONG, _MISDIRECTED, _NO_CONTENT = 414, 421, 204


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, counts: Counts) -> None:
        self._app, self._settings, self._counts = app, settings, counts
        self._rate = RateLimit(settings.rate, settings.burst)
        self._hosts = settings.hosts
        origin = settings.allow_origin
        self._headers = {
            **_HEADERS,
            "Cross-Origin-Resource-Policy": "cross-origin" if origin else "same-origin",
            **({"Access-Control-Allow-Origin": origin} if origin else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        start, status = time.perf_counter(), 500

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refused = self._refuse(scope)
            if refused is not None:
                await _send_refusal(with_headers, *refused)
            elif scope["method"] == "OPTIONS":
                await _send(with_headers, _NO_CONTENT, {"Allow": "GET, HEAD, OPTIONS"}, b"")
            else:
                await self._app(scope, receive, with_headers)
        finally:
            self._counts.add(scope["path"], status, time.perf_counter() - start)
        return None

    def _refuse(self, scope: Scope) -> tuple[RefusedRequestError, dict[str, str]] | None:
        """Say why a request is not even looked at, and what to add to that answer."""
        most = self._settings.limits.query_bytes
        size = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if size > most:
            text = complain("request", f"{size} bytes", f"at most {most}", "ask for less at a time")
            return RefusedRequestError(_URI_TOO_LONG, text, "TooLarge"), {}
        method = scope["method"]
        if method not in (*_READING, "OPTIONS"):
            text = complain("method", method, "GET or HEAD", "this server reads only")
            return RefusedRequestError(NOT_ALLOWED, text), {"Allow": "GET, HEAD, OPTIONS"}
        host = _host_name(Headers(scope=scope).get("host", ""))
        if self._hosts is not None and host not in self._hosts:
            text = complain(
                "host", f"'{host[:100]}'", "a name of this machine", "start it with --allow-host NAME"
            )
            return RefusedRequestError(_MISDIRECTED, text, "UnknownHost"), {}
        address = (scope.get("client") or ("", 0))[0]
        wait = 0.0 if scope["path"] == "/health" else self._rate.wait_seconds(address)
        if wait > 0.0:
            text = complain("rate", "too many requests", f"{self._settings.rate:g} a second", "wait a moment")
            return RefusedRequestError(TOO_MANY, text), {"Retry-After": str(math.ceil(wait))}
        return None


def _host_name(host: str) -> str:
    """The name of a Host header without its port."""
    if host.startswith("["):
        return host.split("]", 1)[0].lower() + "]"
    return host.rsplit(":", 1)[0].lower()


async def _send_refusal(send: Send, error: RefusedRequestError, headers: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **headers}
    await _send(send, error.status, headers, json.dumps(error.document()).encode())


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    made: list[Any] = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    made.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": made})
    await send({"type": "http.response.body", "body": body})
