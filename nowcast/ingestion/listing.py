"""Listing: which files are meant, and which of them the archive knows already, without opening one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nowcast.archive.ledger import Source
from nowcast.core.errors import printable


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

    Hidden files are passed over within folders; what does not exist, cannot be listed or is no ordinary
    file (a pipe or a device would be read for ever) is a problem, not the end.
    """
    files: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        try:
            found = _files_of(path)
        except OSError as error:
            problems.append(Problem(path, f"{path}: cannot be read ({error.strerror}), expected a radar file "
                                    "or a folder; check its permissions"))
        else:
            files.update(dict.fromkeys(found if isinstance(found, list) else []))
            if isinstance(found, str):
                problems.append(Problem(path, f"{path}: {found}"))
    return list(files), problems


def _files_of(path: Path) -> list[Path] | str:
    """Return the files that a path stands for, or what is wrong with it."""
    if path.is_dir():
        os.scandir(path).close()  # says why it cannot be listed, where rglob() finds nothing and is silent
        inside = [p for p in sorted(path.rglob("*")) if p.is_file()
                  and not any(part.startswith(".") for part in p.relative_to(path).parts)]
        return inside or "this folder holds no files, expected radar files"
    if path.is_file():
        return [path]
    if path.exists():
        return "is no ordinary file, expected a radar file or a folder; give the file itself"
    return "does not exist, expected a radar file or a folder; check the path"


def known_by_name(files: Sequence[Path], known: Sequence[Source]) -> dict[Path, Source]:
    """Return those files that the archive knows by name, size and time of change, each with its entry."""
    by_stat = {(s.name, s.size, s.mtime_ns): s for s in known}
    found = {}
    for path in files:
        try:
            stat = path.stat()
        except OSError:
            continue  # reading it will say what is wrong
        source = by_stat.get((path.name, stat.st_size, stat.st_mtime_ns))
        if source is not None:
            found[path] = source
    return found


def repeated(path: Path, source: Source) -> list[Problem]:
    """Return the problems that the archive noted when it took the file."""
    return [Problem(path, f"{path}: {line}") for line in source.problems]
