"""New files in the input folders, once they have settled: into the archive, or refused by name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nowcast.core.errors import NowcastError, printable
from nowcast.core.files import DISK_FULL
from nowcast.ingestion.mapped.reader import mapped
from nowcast.service.ledger import Ledger
from nowcast.service.ledger_schema import INGESTED, REFUSED, FileRow
from nowcast.service.settings import InputSettings, ServiceSettings
from nowcast.workflows.ingest import ingest


@dataclass(frozen=True)
class NewFile:
    """A settled file that was not handled in this state before."""

    path: Path
    size: int
    mtime_ns: int

    @property
    def state(self) -> tuple[str, int, int]:
        """Name, size and time of change, as the ledger keeps them; bytes that are no text are escaped."""
        name = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        return name, self.size, self.mtime_ns


def take_in(
    settings: ServiceSettings,
    ledger: Ledger,
    now: np.datetime64,
    note: Callable[[str], None],
    on_found: Callable[[], None] = lambda: None,
) -> None:
    """Put what has come in since the last time into the archive.

    A file that cannot be read, crashes its reader or keeps it busy beyond ``file_seconds`` is refused by
    name; the rest goes in.

    Args:
        settings: the service.
        ledger: knows what was handled before, and learns what became of each file.
        now: the present; nothing later is taken, and refused files are tried again after a while.
        note: takes one line about what was refused.
        on_found: called at once when something new is there; what it does counts as waiting.

    Raises:
        NowcastError: the archive cannot be written or is damaged.
    """
    files, unreadable = new_files(settings.inputs, ledger, settings.settle_seconds, now, on_found)
    for folder in unreadable:
        note(f"input not readable: {folder}")
    if not files:
        return
    refused = _ingest(settings, [file.path for file in files], now)
    ledger.note_files((_row(file, refused.get(file.path, "")) for file in files), now)
    if refused:
        note(f"{len(refused)} files refused, first: {next(iter(refused.values()))}")


def _row(file: NewFile, reason: str) -> FileRow:
    return FileRow(*file.state, REFUSED if reason else INGESTED, printable(reason))


def _ingest(settings: ServiceSettings, paths: Sequence[Path], now: np.datetime64) -> dict[Path, str]:
    """Ingest all files, one by one where one of them spoils it for all.

    Returns:
        Those that were refused, with the reason.

    Raises:
        NowcastError: not one can be taken: it is the archive, not a file.
        OSError: the disk is full.
    """
    take = partial(
        ingest,
        archive_path=settings.archive,
        workers_count=1,
        progress=False,
        step=settings.step,
        now=now,
        file_seconds=settings.file_seconds,
        polar=settings.polar,
        reader=None if settings.mapping is None else mapped(settings.mapping),
    )
    try:
        return {problem.path: str(problem) for problem in take(paths).problems}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise
        if len(paths) > 1:
            return _one_by_one(settings, paths, now)
        if isinstance(error, NowcastError):
            raise
        return {paths[0]: f"{paths[0]}: cannot be read ({type(error).__name__}: {error})"}


def _one_by_one(settings: ServiceSettings, paths: Sequence[Path], now: np.datetime64) -> dict[Path, str]:
    refused: dict[Path, str] = {}
    errors: dict[Path, NowcastError] = {}
    for path in paths:
        try:
            refused |= _ingest(settings, [path], now)
        except NowcastError as error:
            errors[path] = error
    if len(errors) == len(paths):
        raise errors[paths[0]]
    return refused | {path: f"{path}: {error}" for path, error in errors.items()}


def new_files(
    inputs: Sequence[InputSettings],
    ledger: Ledger,
    settle_seconds: float,
    now: np.datetime64,
    on_found: Callable[[], None] = lambda: None,
) -> tuple[list[NewFile], list[str]]:
    """Find the files that came in since the last time and have stopped changing.

    Why twice: a file copied into the folder is there before it is whole. One whose time is younger
    than ``settle_seconds`` (or, after a clock jump, in the future) is looked at again after that long
    and taken only when size and time are the same; else the next cycle takes it.

    Returns:
        The files, and the folders that could not be listed, each with the reason.
    """
    first, unreadable = _listed(inputs, ledger, now)
    began = time.monotonic()
    if first:
        on_found()
    clock = time.time()
    young = [f for f in first if not 0 <= settle_seconds <= clock - f.mtime_ns / 1e9]
    if young and settle_seconds > 0:
        time.sleep(max(settle_seconds - (time.monotonic() - began), 0.0))
    return [f for f in first if f not in young or _stat(f.path) == f], unreadable


def _listed(
    inputs: Sequence[InputSettings], ledger: Ledger, now: np.datetime64
) -> tuple[list[NewFile], list[str]]:
    found: dict[Path, NewFile] = {}
    unreadable: list[str] = []
    for source in inputs:
        try:
            os.scandir(source.folder).close()  # says why, where glob() finds nothing and is silent
            paths = sorted(p for pattern in source.patterns for p in source.folder.glob(pattern))
        except FileNotFoundError:
            unreadable.append(f"{source.folder}: no such folder")
            continue
        except OSError as error:
            unreadable.append(f"{source.folder}: {error.strerror or error}")
            continue
        for path in paths:
            if path.name.startswith(".") or path.suffix in (".part", ".tmp"):
                continue
            file = _stat(path)
            if file and not ledger.file_known(*file.state, now):
                found[path] = file
    return list(found.values()), unreadable


def _stat(path: Path) -> NewFile | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return NewFile(path, state.st_size, state.st_mtime_ns) if path.is_file() else None
