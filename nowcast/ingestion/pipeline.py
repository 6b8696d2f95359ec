"""The pipeline from files to archive: list, skip what is in already, scan, fill."""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nowcast.archive.ledger import Source
from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.core.processes import Workers
from nowcast.core.times import now_utc
from nowcast.ingestion.fill import Filled, fill
from nowcast.ingestion.readers.catalog import reader_named
from nowcast.ingestion.scan import Problem, Scan, list_files, scan_file

__all__ = ["IngestReport", "Problem", "ingest"]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    ``frames`` were added, ``same`` were in the archive already with equal content, ``known_files`` were
    in completely and not read again, ``problems`` lists what could not be taken; ``seconds`` is the
    whole run.
    """

    archive: Path
    files: int
    known_files: int
    frames: int
    same: int
    problems: tuple[Problem, ...]
    seconds: float

    def __str__(self) -> str:
        rate = f" ({self.frames / self.seconds:.0f} frames/s)" if self.frames else ""
        return (f"{self.archive}: {self.frames} new frames in {self.seconds:.1f} s{rate}; of "
                f"{self.files} files {self.known_files} were in already; {self.same} frames came twice")


def ingest(
    paths: Iterable[Path | str], archive_path: Path | str, workers_count: int | None = None,
    progress: bool = True, reader: str | None = None, step: np.timedelta64 | None = None,
    licence: str | None = None, now: np.datetime64 | None = None, file_seconds: float | None = None,
) -> IngestReport:
    """Put radar files into an archive; what is in already is not read again.

    Whatever is wrong with one file does not keep the others out: it ends up in the report's
    ``problems``. Killed at any point and run again, it ends in the same values.

    Args:
        paths: files and folders, in the order in which the first of two equal times wins.
        archive_path: the archive, made when it is not there.
        workers_count: processes; one a core when None.
        progress: show bars on standard error.
        reader: name of the reader to use instead of finding it by content.
        step: the archive's step when it is new; else told from the times.
        licence: terms of the data, for the archive's attributes.
        now: the present, for tests.
        file_seconds: most time that reading one file may take; then it is a problem. None for no limit.

    Raises:
        ArchiveError: the archive cannot be written, is damaged, or the disk is full.
        TimeError: a single time and no ``step``.
        SettingsError: no such reader.

    What was found wrong with single files before that is in the error's notes.
    """
    began = clock.monotonic()
    target = Path(archive_path).absolute()
    if reader is not None:
        reader_named(reader)
    files, problems = list_files(Path(p) for p in paths)
    known = _known(target)
    fresh, unread = _split(files, known)
    problems += [p for path, source in unread for p in _repeat(path, source)]
    filled = Filled([])
    with Workers(workers_count, file_seconds) as pool:
        scans, more, twice = _scan(pool, fresh, reader, {s.sha256: s for s in known}, progress)
        problems += more
        if scans:
            try:
                filled = fill(pool, target, scans, step, licence, now or now_utc(), progress)
            except NowcastError as error:
                for problem in problems:
                    error.add_note(str(problem))
                raise
    return IngestReport(
        target, len(files), len(unread) + twice, filled.frames, filled.same,
        (*problems, *filled.problems), clock.monotonic() - began,
    )


def _known(target: Path) -> list[Source]:
    return Archive.open(target).done_sources() if (target / "zarr.json").exists() else []


def _split(
    files: Sequence[Path], known: Sequence[Source]
) -> tuple[list[Path], list[tuple[Path, Source]]]:
    """Set aside what is known by name, size and time of change, without opening it."""
    by_stat = {(s.name, s.size, s.mtime_ns): s for s in known}
    fresh, unread = [], []
    for path in files:
        stat = path.stat()
        source = by_stat.get((path.name, stat.st_size, stat.st_mtime_ns))
        if source is None:
            fresh.append(path)
        else:
            unread.append((path, source))
    return fresh, unread


def _repeat(path: Path, source: Source) -> list[Problem]:
    return [Problem(path, f"{path}: {line}") for line in source.problems]


def _scan(
    pool: Workers, files: Sequence[Path], reader: str | None, known: dict[str, Source], progress: bool,
) -> tuple[list[Scan], list[Problem], int]:
    """Scan in parallel.

    Returns:
        The scans of files to read in the given order, problems, and how many files had the content
        of another one.
    """
    results: dict[Path, Scan | Problem | str] = {}
    bar = tqdm(total=len(files), desc="scan", unit="file", disable=not progress or len(files) < 2)

    with bar:
        for path, result in pool.each(
            partial(_scan_one, reader=reader, known=frozenset(known)), files, _lost
        ):
            results[path] = result
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
            problems += _repeat(path, known[found])
        elif found.sha256 in scans:
            twice += 1
        else:
            scans[found.sha256] = found
    return list(scans.values()), problems, twice


def _scan_one(
    path: Path, reader: str | None, known: frozenset[str]
) -> tuple[Path, Scan | Problem | str]:
    return path, scan_file(path, reader, known)


def _lost(path: Path, how: str) -> tuple[Path, Scan | Problem | str]:
    return path, Problem(path, f"{path}: opening it {how}; it is damaged, fetch it again")
