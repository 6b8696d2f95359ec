"""Files and folders that appear whole or not at all, and where the things in them came from."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nowcast.core.errors import FileError
from nowcast.core.version import __version__

_CHUNK_BYTES = 1 << 20
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target`` that becomes ``target`` only when the block ends well.

    Why: a reader, a web server or a crash must never see half a file. The data is flushed to the
    disk before the rename. On any error the temporary file is removed and ``target`` stays as it was.

    Raises:
        FileError: the folder cannot be written, the disk is full, or ``target`` is a device.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{target.parent}: cannot make this folder ({error.strerror})") from error
    _check_ordinary(target)
    with _told(target), _replacing(str(target)) as temporary:
        yield Path(temporary)


def replace_bytes(target: Path, data: bytes) -> None:
    """Write ``data`` as the whole content of ``target`` in one step, flushed to the disk.

    Raises:
        OSError: as the system says; the old content is still there and nothing else is left.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _replacing(str(target)) as temporary:
        Path(temporary).write_bytes(data)


def write_within(folder_fd: int, name: str, data: bytes) -> None:
    """Do the same for a file within an open folder.

    Why a descriptor: a worker whose ingest was killed may live on for a moment; should the archive be
    exchanged meanwhile, its descriptor leads to the old folder and cannot harm the new one.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with (
        _replacing(name, folder_fd) as temporary,
        os.fdopen(os.open(temporary, flags, 0o644, dir_fd=folder_fd), "wb") as handle,
    ):
        handle.write(data)


def read_within(folder_fd: int, name: str) -> bytes:
    """Read a file within an open folder."""
    with os.fdopen(os.open(name, os.O_RDONLY, dir_fd=folder_fd), "rb") as handle:
        return handle.read()


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the place of ``target`` in one step when the block ends well.

    Raises:
        FileError: it cannot be written or the disk is full.
    """
    target = Path(target)
    with _told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_ordinary(target)
        temporary = Path(_temporary(str(target)))
        try:
            temporary.mkdir()
            yield temporary
            for place in (*temporary.rglob("*"), temporary):
                _flush(place)
            if target.exists():
                exchange(temporary, target)
            else:
                temporary.rename(target)
            _flush(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


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


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    """Turn what the system says while ``target`` is written into one line for the user."""
    try:
        yield
    except OSError as error:
        raise FileError(
            f"{target}: cannot be written ({error.strerror or error}); nothing was left behind, "
            "free some space or choose another place and run again"
        ) from error


def _temporary(name: str) -> str:
    folder, last = os.path.split(name)
    return os.path.join(folder, f".{last}.{uuid.uuid4().hex[:8]}.part")  # noqa: PTH118 - may be relative to a descriptor


@contextlib.contextmanager
def _replacing(name: str, folder_fd: int | None = None) -> Iterator[str]:
    """Yield a temporary name; what it names when the block ends well is flushed and becomes ``name``."""
    temporary = _temporary(name)
    try:
        yield temporary
        _flush(temporary, folder_fd)
        os.replace(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder_fd)


def _flush(path: Path | str, folder_fd: int | None = None) -> None:
    """Bring a file, or the list of names in a folder, onto the disk."""
    handle = os.open(path, os.O_RDONLY, dir_fd=folder_fd)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_ordinary(target: Path) -> None:
    """Refuse a device, a pipe or a socket: a rename onto ``/dev/null`` would take it from the whole machine."""
    with _told(target):
        mode = target.stat().st_mode if target.exists() else stat.S_IFREG
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileError(f"{target}: is a device, a pipe or a socket, expected a file; choose another place")


def read_at_most(path: Path, most: int) -> bytes:
    """Read a file that may have ``most`` bytes; also a pipe, which does not say its size.

    Why: what a user names may be a device that never ends, or a file that fills the memory.

    Raises:
        OSError: as the system says, or larger (``EFBIG``).
    """
    with Path(path).open("rb") as handle:
        found = handle.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"larger than {most} bytes", str(path))
    return found


def check_place(target: Path) -> None:
    """Refuse a file that could not be written, before the work that fills it; nothing is left behind.

    Raises:
        FileError: it is a folder, or its folder cannot be made or written.
    """
    target = Path(target)
    try:
        place = next(folder for folder in target.absolute().parents if folder.exists())
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _check_ordinary(target)
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise FileError(f"{target}: cannot be written ({error.strerror}); choose another place") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as handle:
        while block := handle.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256_of(parts: Sequence[Path]) -> str:
    """Return the SHA-256 of a file, or of the names and digests of several that belong together."""
    if len(parts) == 1:
        return sha256(parts[0])
    root = os.path.commonpath(parts) if parts else ""
    lines = (f"{sha256(part)} {os.path.relpath(part, root)}\n" for part in parts)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


@lru_cache(maxsize=1)
def commit() -> str:
    """Return the commit of the source tree this package runs from, or ``"unknown"`` when installed."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown"
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def provenance() -> dict[str, str]:
    """Return what made a file: the package's version and commit, Python and the libraries that compute."""
    found = {"nowcast": __version__, "commit": commit(), "python": platform.python_version()}
    for name in ("torch", "numpy", "xarray", "zarr"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
