"""The page and the products of a folder as files: what is public of it, and nothing else of this machine."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from nowcast.serve.problems import RefusedRequestError, not_found
from nowcast.serve.shelf import ISSUED, LATEST

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".gif": "image/gif",
    ".mp4": "video/mp4",
    ".nc": "application/x-netcdf",
    ".h5": "application/x-hdf5",
    ".tif": "image/tiff",
}
"""What is served by the end of its name; all else (the ledger, locks, parts of files) is not."""
PAGE = "index.html"
_FOLDERS = (LATEST, ISSUED)
_LARGEST_PAGE = 32 * 2**20
_CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})$")
_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc\s*=)[^>]*>(.*?)</script", re.DOTALL | re.IGNORECASE)


class FolderFiles:
    """Opens public files below a place: a folder, or one file of it."""

    def __init__(self, place: Path) -> None:
        alone = place.is_file()
        self.page = place.with_suffix(".html").name if alone else PAGE
        """Name of the page: of a file alone the one that `nowcast forecast` leaves beside it."""
        self._only = (place.name, self.page) if alone else ()
        self._root = (place.parent if alone else place).resolve()

    def has_page(self) -> bool:
        """Whether there is a page, of a file alone one that is not older than the file."""
        if not self.has(self.page):
            return False
        times = [(self._root / name).stat().st_mtime_ns for name in self._only]
        return times == sorted(times)

    def has(self, name: str) -> bool:
        """Whether a file is there and public."""
        try:
            os.close(self._open(name))
        except (RefusedRequestError, OSError):
            return False
        return True

    def answer(self, request: Request, name: str) -> Response:
        """Write a file, or the part of it that is asked for.

        Raises:
            RefusedRequestError: absent, not public, or a path that leads elsewhere.
        """
        handle = self._open(name)
        try:
            found = os.fstat(handle)
            tag = f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"'
            headers = {"ETag": tag, "Last-Modified": formatdate(found.st_mtime, usegmt=True)}
            headers["Cache-Control"] = "no-cache"
            if tag in request.headers.get("if-none-match", ""):
                return Response(None, 304, headers)
            media = TYPES[Path(name).suffix]
            if name.endswith(".html") and found.st_size <= _LARGEST_PAGE:
                page = b"".join(_pieces(os.fdopen(os.dup(handle), "rb"), 0, found.st_size))
                return Response(page, 200, {**headers, "Content-Security-Policy": page_policy(page)}, media)
            start, end, status = _asked_part(request.headers.get("range", ""), found.st_size)
            headers |= {"Accept-Ranges": "bytes", "Content-Length": str(end - start)}
            if status == 206:
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.st_size}"
            if request.method == "HEAD":
                return Response(None, status, headers, media)
            return StreamingResponse(
                _pieces(os.fdopen(os.dup(handle), "rb"), start, end), status, headers, media
            )
        finally:
            os.close(handle)

    def _open(self, name: str) -> int:
        """Open a public file by its name below the root; a descriptor stays with the file as it is now."""
        refused = not_found("file", name, "a product below this address", "see the page or /collections")
        parts = name.split("/")
        unfit = any(not part or part.startswith(".") or "\\" in part or "\0" in part for part in parts)
        if unfit or len(name) > 1000 or Path(name).suffix not in TYPES:
            raise refused
        if len(parts) > 1 and (self._only or parts[0] not in _FOLDERS):
            raise refused
        if self._only and name not in self._only:
            raise refused
        try:
            real = (self._root / name).resolve(strict=True)
            hidden = any(part.startswith(".") for part in real.relative_to(self._root).parts)
            handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (OSError, ValueError, RuntimeError) as error:
            raise refused from error
        if hidden or not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise refused
        return handle


def page_policy(page: bytes) -> str:
    """Content-Security-Policy of a page: its own inline scripts by their digests, data and this server only."""
    digests = [base64.b64encode(hashlib.sha256(code).digest()).decode() for code in _SCRIPT.findall(page)]
    scripts = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(digests)) or "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src 'self' data: blob:; "
        "media-src 'self' data: blob:; font-src data:; connect-src 'self'; worker-src blob:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _asked_part(text: str, size: int) -> tuple[int, int, int]:
    """First byte, byte after the last, and the status, of a Range header; several parts are sent as all."""
    found = _RANGE.match(text)
    if not found or not (found[1] or found[2]):
        return 0, size, 200
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size
    else:
        start, end = int(found[1]), min(int(found[2] or size) + 1, size)
    if start >= end:
        raise RefusedRequestError(416, f"range: got '{text}', expected bytes of 0 to {size - 1}", "BadRange")
    return start, end, 206


def _pieces(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Read from an open file, and close it."""
    with file:
        file.seek(start)
        while start < end and (piece := file.read(min(_CHUNK, end - start))):
            start += len(piece)
            yield piece
