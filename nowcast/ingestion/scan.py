"""Scan: what each file says of itself (format, times, grid, quantity) before any values are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm import tqdm

from nowcast.archive.ledger import Entries, Source
from nowcast.core.engine import Engine
from nowcast.core.errors import FileError, NowcastError, printable
from nowcast.core.field import check
from nowcast.core.files import sha256_of
from nowcast.core.grid import Grid
from nowcast.core.times import Times
from nowcast.ingestion.listing import Problem, parts_of, repeated, state_of
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.catalog import reader_named
from nowcast.ingestion.readers.choice import ReaderChoice

_ATTRS = ("source", "licence", "quantity", "z_r_relation", "accumulation_hours")


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
    reading: Reader | None = None
    """What reads the file; None: the reader of the catalog with that name."""
    source_grid: str = ""
    """Fingerprint of the grid that it lies on itself, where that is not ``grid``."""

    def reader_of(self) -> Reader:
        """Return what reads the file."""
        return self.reading or reader_named(self.reader)

    def open(self) -> xr.DataArray:
        """Open the file as a lazy field, as its scan did."""
        return self.reader_of().open(self.path)

    def as_source(self, frames: int, problems: tuple[str, ...], complete: bool) -> Source:
        """Return the entry of the ledger for this file."""
        return Source(
            self.path.name,
            self.size,
            self.mtime_ns,
            self.sha256,
            self.reader,
            frames,
            self._attr("quantity"),
            self._attr("z_r_relation"),
            problems,
            complete,
            self._attr("accumulation_hours") or "0",
            source_grid=self.source_grid,
        )

    def _attr(self, name: str) -> str:
        return str(self.attrs.get(name, ""))


def scan_file(path: Path, choice: ReaderChoice, known: frozenset[str] = frozenset()) -> Scan | Problem | str:
    """Read what a file says of itself; whatever a reader raises is a problem of that file.

    Args:
        path: the file.
        choice: which reader, and its settings.
        known: SHA-256 digests of files that need not be opened.

    Returns:
        The scan, a problem, or the SHA-256 of a file that is known.
    """
    try:
        parts = parts_of(path)
        size, mtime_ns = state_of(parts)
        digest = sha256_of(parts)
        if digest in known:
            return digest
        reader = choice.find(path)
        opened = check(reader.open(path), values=False)
        attrs = {k: str(opened.attrs[k]) for k in _ATTRS if k in opened.attrs}
        choice.check(path, attrs.get("z_r_relation", ""))
        times: Times = opened["time"].values.astype("datetime64[ns]")
        if not len(times):
            raise FileError(f"{path}: holds no times, expected one frame or more")
        return Scan(path, size, mtime_ns, digest, reader.name, times, Grid.of(opened), attrs, reader)
    except NowcastError as error:
        return Problem(path, printable(error))
    except OSError as error:
        return Problem(path, f"{path}: cannot be read ({error.strerror or printable(error)}); check the path")
    except Exception as error:
        return Problem(path, f"{path}: {unforeseen(error)}")


def unforeseen(error: Exception) -> str:
    """Return a line about an error that no reader foresaw."""
    return (
        f"cannot be read ({type(error).__name__}: {printable(error)[:200]}), expected a file of its "
        "format; fetch it again or leave it out"
    )


def scan_all(
    pool: Engine, files: Sequence[Path], choice: ReaderChoice, known: Entries, progress: bool
) -> tuple[list[Scan], list[Problem], int]:
    """Scan in parallel.

    Returns:
        The scans of files to read in the given order, problems, and how many files had the content
        of another one.
    """
    results: dict[Path, Scan | Problem | str] = {}
    grids: dict[tuple[str, bytes, bytes], Grid] = {}
    work = partial(_scan_one, choice=choice, known=frozenset(known.column("sha256")))
    disable = not progress or len(files) < 2
    with tqdm(total=len(files), desc="scan", unit="file", disable=disable) as bar:
        for path, result in pool.each(work, files, _lost):
            results[path] = _of_one_grid(result, grids) if isinstance(result, Scan) else result
            bar.update()
    scans: dict[str, Scan] = {}
    problems: list[Problem] = []
    twice = 0
    for path in files:
        found = results[path]
        if isinstance(found, Problem):
            problems.append(found)
        elif isinstance(found, str):
            twice += 1
            place = known.place(found)
            problems += [] if place is None else repeated(path, known[place])
        elif found.sha256 in scans:
            twice += 1
        else:
            scans[found.sha256] = found
    return list(scans.values()), problems, twice


def _of_one_grid(scan: Scan, grids: dict[tuple[str, bytes, bytes], Grid]) -> Scan:
    """Keep each grid once: every file brings its own copy, on a continent 66 kB."""
    grid = scan.grid
    one = grids.setdefault((grid.crs_wkt, grid.y.tobytes(), grid.x.tobytes()), grid)
    return scan if one is grid else replace(scan, grid=one)


def _scan_one(path: Path, choice: ReaderChoice, known: frozenset[str]) -> tuple[Path, Scan | Problem | str]:
    return path, scan_file(path, choice, known)


def _lost(path: Path, how: str) -> tuple[Path, Scan | Problem | str]:
    return path, Problem(path, f"{path}: opening it {how}; it is damaged, fetch it again")
