"""Scan: what each file says of itself (format, times, grid) before any values are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.archive.ledger import Source
from nowcast.core.errors import FileError, NowcastError
from nowcast.core.field import check
from nowcast.core.files import sha256
from nowcast.core.grid import Grid
from nowcast.core.times import Times
from nowcast.ingestion.readers.catalog import find_reader


@dataclass(frozen=True)
class Problem:
    """A file, or frames of it, that could not be taken: one line for the user."""

    path: Path
    message: str

    def __str__(self) -> str:
        return self.message if str(self.path) in self.message else f"{self.path}: {self.message}"


@dataclass(frozen=True)
class Scan:
    """What one file says of itself."""

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    reader: str
    times: Times
    grid: Grid
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def as_source(self, frames: int, problems: tuple[str, ...], complete: bool) -> Source:
        """Give the entry of the ledger for this file."""
        return Source(
            self.path.name, self.size, self.mtime_ns, self.sha256, self.reader, frames,
            str(self.attrs.get("quantity", "")), str(self.attrs.get("z_r_relation", "")), problems,
            complete,
        )


def list_files(paths: Iterable[Path]) -> tuple[list[Path], list[Problem]]:
    """Give all files meant by ``paths``, folders searched through, each once, in the given order.

    Hidden files are passed over within folders; what does not exist is a problem, not the end.
    """
    files: dict[Path, None] = {}
    problems = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [p for p in sorted(path.rglob("*")) if p.is_file()
                      and not any(part.startswith(".") for part in p.relative_to(path).parts)]
            files.update(dict.fromkeys(inside))
            if not inside:
                problems.append(Problem(path, f"{path}: this folder holds no files, expected radar "
                                        "files"))
        elif path.exists():
            files[path] = None
        else:
            problems.append(Problem(path, f"{path}: does not exist, expected a radar file or a folder; "
                                    "check the path"))
    return list(files), problems


def scan_file(
    path: Path, reader_name: str | None = None, known: frozenset[str] = frozenset()
) -> Scan | Problem | str:
    """Read what a file says of itself.

    Args:
        path: the file.
        reader_name: use this reader instead of asking all of them.
        known: SHA-256 digests of files that need not be opened.

    Returns:
        The scan, a problem, or the SHA-256 of a file that is known.
    """
    try:
        stat = path.stat()
        digest = sha256(path)
        if digest in known:
            return digest
        reader = find_reader(path, reader_name)
        opened = check(reader.open(path), values=False)
        attrs = {k: str(opened.attrs[k]) for k in ("source", "licence", "quantity", "z_r_relation")
                 if k in opened.attrs}
        times: npt.NDArray[np.datetime64] = opened["time"].values.astype("datetime64[ns]")
        return Scan(path, stat.st_size, stat.st_mtime_ns, digest, reader.name, times,
                    Grid.of(opened), attrs)
    except NowcastError as error:
        return Problem(path, _one_line(error))
    except OSError as error:
        return Problem(path, _one_line(FileError(f"{path}: cannot be read ({error.strerror})")))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
