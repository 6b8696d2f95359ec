"""New files in the input folders, once they have settled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nowcast.service.ledger import Ledger
from nowcast.service.settings import InputSettings


@dataclass(frozen=True)
class Arrival:
    """A settled file that was not handled in this state before."""

    path: Path
    size: int
    mtime_ns: int

    @property
    def state(self) -> tuple[str, int, int]:
        """Path, size and time of change, as the ledger keeps them."""
        return str(self.path), self.size, self.mtime_ns


@dataclass(frozen=True)
class Look:
    """What one look at the input folders found."""

    arrivals: tuple[Arrival, ...]
    unreadable: tuple[str, ...]
    """Folders that could not be listed, each with the reason."""


def look(
    inputs: tuple[InputSettings, ...], ledger: Ledger, settle_seconds: float, now: np.datetime64,
    on_found: Callable[[], None] = lambda: None,
) -> Look:  # fmt: skip
    """Find the files that came in since the last look and have stopped changing.

    Why twice: a file copied into the folder is there before it is whole. One whose time is younger
    than ``settle_seconds`` (or, after a clock jump, in the future) is looked at again after that long
    and taken only when size and time are the same; else the next cycle takes it.

    Args:
        inputs: folders and patterns.
        ledger: knows what was handled before.
        settle_seconds: how long a file must have been still.
        now: the present, for refused files that are tried again.
        on_found: called at once when something new is there; what it does counts as waiting.
    """
    first, unreadable = _listed(inputs, ledger, now)
    began = time.monotonic()
    if first:
        on_found()
    clock = time.time()
    young = [a for a in first if not 0 <= settle_seconds <= clock - a.mtime_ns / 1e9]
    if young and settle_seconds > 0:
        time.sleep(max(settle_seconds - (time.monotonic() - began), 0.0))
    steady = [a for a in first if a not in young or _stat(a.path) == a]
    return Look(tuple(steady), tuple(unreadable))


def _listed(
    inputs: tuple[InputSettings, ...], ledger: Ledger, now: np.datetime64
) -> tuple[list[Arrival], list[str]]:
    found: dict[Path, Arrival] = {}
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
            arrival = _stat(path)
            if arrival and not ledger.file_known(str(path), arrival.size, arrival.mtime_ns, now):
                found[path] = arrival
    return list(found.values()), unreadable


def _stat(path: Path) -> Arrival | None:
    try:
        state = path.stat()
    except OSError:
        return None
    if not path.is_file():
        return None
    return Arrival(path, state.st_size, state.st_mtime_ns)
