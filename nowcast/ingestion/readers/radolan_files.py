"""Where the frames of RADOLAN lie: in a plain file, a packed one, or one by one in a tar archive."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from nowcast.core.errors import FileError
from nowcast.ingestion.readers.foreign import head_of
from nowcast.ingestion.readers.radolan_header import LONGEST_HEADER, RadolanHeader, is_radolan

_GZIP = b"\x1f\x8b"
_MOST_MEMBERS = 100_000
_TAR_MARK = slice(257, 262)
_LOCK = threading.Lock()


@dataclass(frozen=True)
class FramePlace:
    """One frame: its place among the members of a tar archive (None: the file is the frame), and its header."""

    member: int | None
    header: RadolanHeader


def holds_radolan(path: Path) -> bool:
    """Whether the first frame of a file, out of whatever it is packed in, is one of RADOLAN."""
    head = head_of(path)
    if head[_TAR_MARK] != b"ustar":
        return is_radolan(head)
    with tarfile.open(path, "r|*") as tape:
        return any(is_radolan(stream.read(LONGEST_HEADER)) for _, _, stream in islice(_members(path, tape), 1))


def places(path: Path) -> list[FramePlace]:
    """Return where the frames of a file are, by reading their headers.

    Raises:
        FileError: a member that is no frame of RADOLAN, or damage.
    """
    if head_of(path)[_TAR_MARK] != b"ustar":
        with _unpacked(path) as stream:
            return [FramePlace(None, RadolanHeader.of(str(path), stream.read(LONGEST_HEADER)))]
    found = []
    with tarfile.open(path, "r|*") as tape:
        for number, name, stream in _members(path, tape):
            header = RadolanHeader.of(f"{path}: member {name!r}", stream.read(LONGEST_HEADER))
            found.append(FramePlace(number, header))
    if not found:
        raise FileError(f"{path}: is a tar archive without a file in it, expected frames of RADOLAN")
    return found


def frame_bytes(path: Path, place: FramePlace) -> bytes:
    """Return header and data of one frame, whole.

    Raises:
        FileError: another length than the header says, or damage of the packing.
    """
    if place.member is None:
        with _unpacked(path) as stream:
            data = _whole(stream, place.header.size)
    else:
        with _LOCK:
            data = _Tape.at(path).read(place)
    if len(data) != place.header.size:
        more = "more than" if len(data) > place.header.size else f"{len(data)} of"
        raise FileError(
            f"{path}: holds {more} the {place.header.size} bytes that its header states; it is "
            "truncated or damaged, fetch it again"
        )
    return data


def _whole(stream: IO[bytes], size: int) -> bytes:
    """Read to the end, where the packing has its check sum, but never more than one byte too many."""
    return stream.read(size + 1)


@contextmanager
def _unpacked(path: Path) -> Iterator[Any]:
    """Yield the stream of what is in a file, packed by gzip or bzip2 or not."""
    with path.open("rb") as stream:
        start = stream.peek(3)
        if start.startswith(_GZIP):
            yield gzip.GzipFile(fileobj=stream)
        elif start.startswith(b"BZh"):
            yield bz2.BZ2File(stream)
        else:
            yield stream


def _members(path: Path, tape: tarfile.TarFile) -> Iterator[tuple[int, str, IO[bytes]]]:
    """Yield the files of a tar archive in order, each as the stream of what it holds unpacked."""
    number = 0
    for member in tape:
        opened = tape.extractfile(member) if member.isfile() else None
        if opened is None:
            continue
        if number >= _MOST_MEMBERS:
            raise FileError(f"{path}: has more than {_MOST_MEMBERS} members, expected frames of RADOLAN")
        stream = io.BufferedReader(opened)  # type: ignore[type-var]
        packed = stream.peek(2).startswith(_GZIP)
        yield number, member.name[:80], gzip.GzipFile(fileobj=stream) if packed else stream  # type: ignore[misc]
        number += 1


class _Tape:
    """A tar archive that is read on from where it was left: packed ones cannot be wound back cheaply."""

    _last: _Tape | None = None

    def __init__(self, path: Path, key: tuple[object, ...]) -> None:
        self.key = key
        self.tar = tarfile.open(path, "r|*")  # noqa: SIM115
        self.rest = _members(path, self.tar)
        self.following = 0

    @classmethod
    def at(cls, path: Path) -> _Tape:
        stat = path.stat()
        key = (path, stat.st_mtime_ns, stat.st_size, os.getpid())
        if cls._last is None or cls._last.key != key:
            cls._last = _Tape(path, key)
        return cls._last

    def read(self, place: FramePlace) -> bytes:
        number = place.member or 0
        if number < self.following:
            path = self.key[0]
            assert isinstance(path, Path)
            type(self)._last = fresh = _Tape(path, self.key)
            return fresh.read(place)
        for found, _, stream in self.rest:
            self.following = found + 1
            if found == number:
                return _whole(stream, place.header.size)
        type(self)._last = None
        return b""
