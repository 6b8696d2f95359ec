"""Listing: which files are meant, and which of them the archive knows already, without opening one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nowcast.archive.ledger import Entries, Source
from nowcast.core.errors import printable

ZARR_METADATA = ("zarr.json", ".zgroup", ".zmetadata")
"""Files that make a folder a Zarr store."""


@dataclass(frozen=True)
class Problem:
    """A file, or frames of it, that could not be taken: one line for the user."""

    path: Path
    message: str

    def __str__(self) -> str:
        path, message = printable(self.path), printable(self.message)
        return message if path in message else f"{path}: {message}"


def list_files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """Return all files meant by ``paths``, folders searched through, each once, in the given order.

    A folder that is a Zarr store counts as one file.

    Hidden files are passed over within folders; what does not exist, cannot be listed or is no ordinary
    file (a pipe or a device would be read for ever) is a problem, not the end.
    """
    files: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        try:
            found = _files_of(path)
        except OSError as error:
            problems.append(
                Problem(
                    path,
                    f"{path}: cannot be read ({error.strerror}), expected a radar file "
                    "or a folder; check its permissions",
                )
            )
        else:
            files.update(dict.fromkeys(found if isinstance(found, list) else []))
            if isinstance(found, str):
                problems.append(Problem(path, f"{path}: {found}"))
    return list(files), problems


def _files_of(path: Path) -> list[Path] | str:
    """Return the files that a path stands for, or what is wrong with it."""
    if path.is_dir() and is_zarr(path):
        return [path]
    if path.is_dir():
        os.scandir(path).close()  # says why it cannot be listed, where the search below is silent
        return list(_inside(path)) or "this folder holds no files, expected radar files"
    if path.is_file():
        return [path]
    if path.exists():
        return "is no ordinary file, expected a radar file or a folder; give the file itself"
    return "does not exist, expected a radar file or a folder; check the path"


def _inside(folder: Path) -> Iterator[Path]:
    """Yield what a folder holds to read: Zarr stores as one, else files; nothing hidden."""
    found: list[Path] = []
    with contextlib.suppress(PermissionError):
        found = sorted(folder.iterdir())
    for path in found:
        if path.name.startswith("."):
            continue
        if path.is_dir() and not is_zarr(path):
            yield from () if path.is_symlink() else _inside(path)
        elif path.is_dir() or path.is_file():
            yield path


def is_zarr(folder: Path) -> bool:
    """Return whether a folder is a Zarr store of version 2 or 3."""
    return any((folder / name).is_file() for name in ZARR_METADATA)


def parts_of(path: Path) -> list[Path]:
    """Return the files that one input consists of: itself, or all files of a Zarr store.

    Raises:
        OSError: it cannot be listed.
    """
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def state_of(parts: Sequence[Path]) -> tuple[int, int]:
    """Return the bytes of all parts together, and when the newest was changed, in nanoseconds.

    Raises:
        OSError: one is not there.
    """
    stats = [part.stat() for part in parts]
    return sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)


def known_by_name(files: Sequence[Path], known: Entries) -> dict[Path, Source]:
    """Return those files that the archive knows by name, size and time of change, each with its entry."""
    by_stat = {(s.name, s.size, s.mtime_ns): s for s in known.named({path.name for path in files})}
    found = {}
    for path in files:
        try:
            state = state_of(parts_of(path))
        except OSError:
            continue  # reading it will say what is wrong
        source = by_stat.get((path.name, *state))
        if source is not None:
            found[path] = source
    return found


def repeated(path: Path, source: Source) -> list[Problem]:
    """Return the problems that the archive noted when it took the file."""
    return [Problem(path, f"{path}: {line}") for line in source.problems]
