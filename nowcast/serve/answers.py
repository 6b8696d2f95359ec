"""Answers over HTTP: JSON, pictures, what has not changed, and refusals in one line."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from nowcast.core.errors import NowcastError
from nowcast.serve.problems import BAD_REQUEST, FAULT, RefusedRequestError

log = logging.getLogger(__name__)
Handler = Callable[[Request], Response]
JSON = "application/json"
_SMALLEST_COMPRESSED = 2000


def endpoint(
    handler: Handler, refused: Callable[[Request, RefusedRequestError], Response] | None = None
) -> Handler:
    """Let a handler raise: whatever it raises becomes an answer, and never a trace.

    Args:
        handler: runs in a thread of its own.
        refused: writes a refusal; JSON by default.
    """
    write = refused or refusal

    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except RefusedRequestError as error:
            return write(request, error)
        except NowcastError as error:
            return write(request, RefusedRequestError(BAD_REQUEST, str(error)))
        except Exception:
            log.exception("a fault of nowcast itself at %s", request.url.path)
            return write(request, RefusedRequestError(FAULT, "a fault of nowcast itself; its log says more"))

    answer.__name__ = handler.__name__
    return answer


def refusal(request: Request, error: RefusedRequestError) -> Response:
    """Write a refusal as JSON."""
    del request
    return Response(json.dumps(error.document()), error.status, {"Cache-Control": "no-store"}, JSON)


def as_json(request: Request, document: Any, media_type: str = JSON, tag: str = "") -> Response:
    """Write JSON, compressed where that helps and is understood."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return as_bytes(request, text.encode(), media_type, tag, compress=True)


def as_bytes(
    request: Request,
    body: bytes,
    media_type: str,
    tag: str = "",
    compress: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Write bytes; with a tag a browser asks again whether they have changed."""
    made = {"Cache-Control": "no-cache" if tag else "no-store", **(headers or {})}
    if tag:
        made["ETag"] = etag(request, tag)
    if compress and len(body) > _SMALLEST_COMPRESSED:
        made["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, 4, mtime=0)
            made["Content-Encoding"] = "gzip"
    return Response(body, 200, made, media_type)


def etag(request: Request, tag: str) -> str:
    """What a request is answered with, told by the forecast and what was asked of it."""
    asked = f"{request.url.path}?{request.url.query}".encode("utf-8", "surrogateescape")
    return f'W/"{tag}-{hashlib.sha256(asked).hexdigest()[:12]}"'


def unchanged(request: Request, tag: str) -> Response | None:
    """The short answer where the asker holds the same already."""
    mine = etag(request, tag)
    held = [part.strip() for part in request.headers.get("if-none-match", "").split(",")]
    return Response(None, 304, {"ETag": mine, "Cache-Control": "no-cache"}) if mine in held else None


def base_url(request: Request) -> str:
    """The address of the server as the asker knows it, without a slash at its end."""
    return str(request.base_url).rstrip("/")
