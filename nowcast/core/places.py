"""Where data lies: a path of this machine, or an object store that fsspec knows (``s3://``, ``gs://``)."""

from __future__ import annotations

import errno
import os
import re
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from nowcast.core.errors import FileError, MissingExtraError, NowcastError, printable

_URL = re.compile(r"^([a-z][a-z0-9+.-]+):/+(.+)$")
_EXTRAS = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "gcs": ("gcsfs", "gs")}


class ObjectSize(NamedTuple):
    """What `ObjectPath.stat` tells."""

    st_size: int


class ObjectPath:
    """A key of an object store, with as much of `pathlib.Path` as reading an archive takes.

    Args:
        url: such as ``s3://bucket/italy.zarr``.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"ObjectPath({self.url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __truediv__(self, name: str) -> ObjectPath:
        return ObjectPath(f"{self.url}/{name}")

    def __reduce__(self) -> tuple[type[ObjectPath], tuple[str]]:
        return ObjectPath, (self.url,)

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    def absolute(self) -> ObjectPath:
        """Itself: it is the same on every machine."""
        return self

    def exists(self) -> bool:
        """Whether there is such an object, or objects below it."""
        return bool(self._asked(self._store.exists))

    def is_file(self) -> bool:
        """Whether there is such an object."""
        return bool(self._asked(self._store.isfile))

    def stat(self) -> ObjectSize:
        """Its size.

        Raises:
            FileNotFoundError: it is not there.
        """
        return ObjectSize(int(self._asked(self._store.size)))

    def read_bytes(self, most: int | None = None) -> bytes:
        """Its content, or the first ``most`` bytes of it.

        Raises:
            FileNotFoundError: it is not there.
        """
        return bytes(self._asked(partial(self._store.cat_file, end=most)))

    def write_bytes(self, data: bytes) -> None:
        """Put an object whole, in the place of what is there.

        Raises:
            OSError: as the store says.
        """
        self._asked(lambda url: self._store.pipe_file(url, data))

    def _asked(self, ask: Any) -> Any:
        try:
            return ask(self.url)
        except (NowcastError, FileNotFoundError):
            raise
        except Exception as error:  # each store has errors of its own
            raise OSError(errno.EIO, f"{type(error).__name__}: {printable(error)[:200]}", self.url) from error

    @cached_property
    def _store(self) -> Any:
        return store_of(self.url)


DataPath = Path | ObjectPath


def place_of(given: Path | ObjectPath | str) -> DataPath:
    """Return a path, or the object that a URL names.

    A URL that went through `pathlib.Path` on the command line has lost a slash and is known all the same.
    """
    if isinstance(given, ObjectPath):
        return given
    found = _URL.match(str(given))
    if found is None or os.path.exists(str(given)):  # noqa: PTH110 - a folder may be called so
        return Path(given)
    scheme, rest = found.groups()
    return Path("/" + rest.lstrip("/")) if scheme == "file" else ObjectPath(f"{scheme}://{rest}")


def store_of(url: str) -> Any:
    """Return the file system of fsspec for a URL.

    Raises:
        MissingExtraError: the library for it is not installed.
        FileError: no such kind of store.
    """
    import fsspec  # type: ignore[import-untyped]

    scheme = url.partition("://")[0]
    try:
        return fsspec.core.url_to_fs(url)[0]
    except ImportError as error:
        library, extra = _EXTRAS.get(scheme, (scheme, scheme))
        if scheme in _EXTRAS:
            raise MissingExtraError(f"{scheme}://", library, extra) from error
        raise FileError(f"{url}: needs a library that is not installed ({printable(error)[:200]})") from error
    except ValueError as error:
        raise FileError(
            f"{url}: got a store of an unknown kind ({printable(error)[:200]}), expected for "
            "example s3:// or gs://; check the address"
        ) from error


def local_only(place: Path | ObjectPath | str, what: str, remedy: str) -> Path:
    """Return a path of this machine.

    Raises:
        FileError: a URL.
    """
    found = place_of(place)
    if isinstance(found, ObjectPath):
        raise FileError(f"{what}: got {found}, expected a path of this machine; {remedy}")
    return found
