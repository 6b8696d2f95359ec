"""The forecasts that a server offers: found anew when asked, read whole or not at all, the newest kept open."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nowcast.core.errors import FileError, complain
from nowcast.products.open_forecast import OpenForecast
from nowcast.serve.problems import NOTHING_YET, RefusedRequestError, not_found

log = logging.getLogger(__name__)
FORECAST_FILE = "nowcast.nc"
LATEST, ISSUED = "latest", "issued"
_KEPT_OPEN = 4
_LARGEST_BYTES = 2**31
_LIST_SECONDS = 1.0
_TRIES = 3
_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class ServedForecast:
    """An open forecast, with what tells it from every other."""

    instance: str
    tag: str
    """Changes with the content: for caches here and in browsers."""
    data: OpenForecast


class Shelf:
    """Finds and opens forecasts below one place; safe to use from several threads."""

    def __init__(self, place: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = Path(place)
        self._clock = clock
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, tuple[_Stamp, ServedForecast]] = OrderedDict()
        self._refused: dict[Path, tuple[_Stamp, str]] = {}
        self._newest: ServedForecast | None = None
        self._listed: tuple[float, dict[str, Path]] = (float("-inf"), {})

    def instances(self) -> dict[str, Path]:
        """Every forecast by its name, the oldest first; a second old at most."""
        made, found = self._listed
        if self._clock() - made > _LIST_SECONDS:
            found = self._list()
            self._listed = self._clock(), found
        return found

    def latest(self) -> ServedForecast:
        """Open the newest forecast; where its file is not whole yet, the one before stays.

        Raises:
            RefusedRequestError: there is none that can be read.
        """
        found = self._find_latest()
        problem = "no forecast here yet"
        if found is not None:
            try:
                self._newest = self._opened(*found)
                return self._newest
            except FileError as error:
                problem = str(error)
        if self._newest is not None:
            return self._newest
        raise RefusedRequestError(NOTHING_YET, f"{problem}; ask again when one was made")

    def get(self, instance: str) -> ServedForecast:
        """Open the forecast of a name that `instances` has, or the newest for ``latest`` and the empty name.

        Raises:
            RefusedRequestError: no such forecast, or it cannot be read.
        """
        if instance in ("", LATEST):
            return self.latest()
        path = self.instances().get(instance)
        if path is None:
            raise not_found("instance", instance, "one of /collections/nowcast/instances", "ask for another")
        try:
            return self._opened(instance, path)
        except FileError as error:
            raise RefusedRequestError(NOTHING_YET, str(error)) from error

    def _list(self) -> dict[str, Path]:
        if self.place.is_file():
            return {self.place.stem: self.place}
        try:
            if (self.place / ISSUED).is_dir():
                entries = sorted((self.place / ISSUED).iterdir())
                paths = {e.name: e / FORECAST_FILE for e in entries if not e.is_symlink()}
            else:
                files = [e for e in self.place.iterdir() if e.suffix == ".nc"]
                paths = {e.stem: e for e in sorted(files, key=lambda e: (e.stat().st_mtime_ns, e.name))}
        except OSError:  # removed at this moment
            return {}
        root = self.place.resolve()
        return {
            name: path
            for name, path in paths.items()
            if not name.startswith(".") and path.is_file() and path.resolve().is_relative_to(root)
        }

    def _find_latest(self) -> tuple[str, Path] | None:
        if self.place.is_file():
            return self.place.stem, self.place
        link = self.place / LATEST
        try:
            folder = link.readlink()
            if folder.parts[:1] == (ISSUED,) and len(folder.parts) == 2 and ".." not in folder.parts:
                return folder.name, self.place / folder / FORECAST_FILE
        except OSError:
            pass
        found = self.instances()
        return next(reversed(found.items())) if found else None

    def _opened(self, instance: str, path: Path) -> ServedForecast:
        """Return the forecast of a file, read anew where the file has changed."""
        with self._lock:
            try:
                stamp = _stamp(path.stat())
            except OSError as error:
                raise FileError(f"{instance}: cannot be read ({error.strerror})") from error
            held = self._open.get(path)
            if held and held[0] == stamp:
                self._open.move_to_end(path)
                return held[1]
            refused = self._refused.get(path)
            if refused and refused[0] == stamp:
                raise FileError(refused[1])
            try:
                stamp, image = _read_whole(path, instance)
                data = OpenForecast(image, instance)
            except FileError as error:
                log.warning("%s", error)
                self._refused[path] = stamp, str(error)
                raise
            self._refused.pop(path, None)
            tag = hashlib.sha256(f"{path} {stamp}".encode()).hexdigest()[:16]
            served = ServedForecast(instance, tag, data)
            self._open[path] = stamp, served
            while len(self._open) > _KEPT_OPEN:
                self._open.popitem(last=False)
            return served


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read_whole(path: Path, name: str) -> tuple[_Stamp, bytes]:
    """Read a file that does not change while it is read."""
    for _ in range(_TRIES):
        try:
            with path.open("rb") as handle:
                before = os.fstat(handle.fileno())
                if not stat.S_ISREG(before.st_mode) or before.st_size > _LARGEST_BYTES:
                    found = f"{before.st_size} bytes"
                    raise FileError(
                        complain(
                            name, found, f"a file of at most {_LARGEST_BYTES} bytes", "write fewer members"
                        )
                    )
                image = handle.read()
                after = os.fstat(handle.fileno())
        except OSError as error:
            raise FileError(f"{name}: cannot be read ({error.strerror})") from error
        if _stamp(before) == _stamp(after) and len(image) == after.st_size:
            return _stamp(after), image
    raise FileError(complain(name, "a file that is being written", "a whole one", "ask again"))
