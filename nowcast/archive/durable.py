"""Writing into an archive so that a crash, a reader or a full disk never sees half of anything."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from nowcast.core.errors import ArchiveError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def replace_bytes(target: Path, data: bytes) -> None:
    """Give ``target`` the content ``data`` in one step, flushed to the disk.

    Raises:
        OSError: as the system says; the old content is still there and nothing else is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_within(folder_fd: int, name: str, data: bytes) -> None:
    """Do the same for a file within an open folder.

    Why a descriptor: a worker whose ingest was killed may live on for a moment; should the archive be
    exchanged meanwhile, its descriptor leads to the old folder and cannot harm the new one.
    """
    temporary = f"{name}.{os.getpid()}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        with os.fdopen(os.open(temporary, flags, 0o644, dir_fd=folder_fd), "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder_fd)
        raise


def read_within(folder_fd: int, name: str) -> bytes:
    """Read a file within an open folder."""
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder_fd), "rb") as handle:
        return handle.read()


@contextlib.contextmanager
def sole_writer(archive: Path) -> Iterator[None]:
    """Hold the lock of an archive: one writer at a time, released by the system when it dies.

    Raises:
        ArchiveError: somebody else is writing, or the folder cannot be written.
    """
    path = archive.with_name(f".{archive.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    except OSError as error:
        raise ArchiveError(f"{archive}: cannot be written ({error.strerror}); choose another place"
                           ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise ArchiveError(
                f"{archive}: process {handle.read().strip() or '?'} is writing into it, expected one "
                "writer at a time; wait until it is done and run again"
            ) from error
        handle.seek(0)
        handle.truncate()
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


def exchange(new: Path, old: Path) -> None:
    """Let two folders change places in one step, so that at no moment either is absent.

    Where the system cannot (other than Linux, some network disks), it is done in two steps.
    """
    if sys.platform == "linux":
        rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        names = os.fsencode(new), os.fsencode(old)
        if rename and rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0:
            return
    aside = old.with_name(f"{old.name}.aside")
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the disk knows no hard links."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        shutil.copy2(source, target)
