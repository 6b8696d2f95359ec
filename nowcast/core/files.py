"""Files that appear whole or not at all, and where the things in them came from."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import os
import platform
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nowcast import __version__
from nowcast.core.errors import FileError

_CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target`` that becomes ``target`` only when the block ends well.

    Why: a reader, a web server or a crash must never see half a file. The data is flushed to the
    disk before the rename. On any error the temporary file is removed and ``target`` stays as it was.

    Raises:
        FileError: the folder cannot be written or the disk is full.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{target.parent}: cannot make this folder ({error.strerror})") from error
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    except OSError as error:
        raise FileError(
            f"{target}: cannot be written ({error.strerror or error}); nothing was left behind, "
            "free some space or choose another place and run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def csv_text(lines: Iterable[Sequence[object]]) -> str:
    """Lines of cells as the text of a CSV file; names with commas and quotes are quoted."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


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
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise FileError(f"{target}: cannot be written ({error.strerror}); choose another place") from error


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder that replaces ``target`` in one step when the block ends well."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        temporary.mkdir()
        yield temporary
        old = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.old")
        if target.exists():
            target.rename(old)
        temporary.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise FileError(
            f"{target}: cannot be written ({error.strerror or error}); nothing was left behind, "
            "free some space or choose another place and run again"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as handle:
        while block := handle.read(_CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def commit() -> str:
    """Give the commit of the source tree this package runs from, or ``"unknown"`` when installed."""
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
    """Say what made a file: the package's version and commit, Python and the libraries that compute."""
    found = {"nowcast": __version__, "commit": commit(), "python": platform.python_version()}
    for name in ("torch", "numpy", "xarray", "zarr"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
