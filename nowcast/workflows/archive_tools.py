"""Archives made from archives: every n-th frame, a cut-out, several in one, a copy somewhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from nowcast.archive.create import NewArchive
from nowcast.archive.derive import Derivation, Overlap, Slot, derive, joined
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import Thinned
from nowcast.core.engine import Engine
from nowcast.core.errors import ArchiveError, SettingsError, complain
from nowcast.core.grid import Grid
from nowcast.core.places import DataPath, place_of
from nowcast.core.times import Times, minutes, parse_period
from nowcast.ingestion.plan import MeasuredQuantity
from nowcast.ingestion.polar.beam_file import keep_beam_height

Box = tuple[float, float, float, float]
Range = tuple[int, int]


@dataclass(frozen=True)
class ArchiveReport:
    """What was made: the place, its frames, and about how many of them merged archives differ."""

    archive: DataPath
    frames: int
    differing: int = 0

    def __str__(self) -> str:
        differ = f"; the archives differ about {self.differing} of them" if self.differing else ""
        return f"{self.archive}: {self.frames} frames{differ}"


def thin_archive(
    archive: Archive | Path | str,
    every: np.timedelta64,
    out: Path | str,
    *,
    overwrite: bool = False,
    progress: bool = False,
    engine: Engine | None = None,
) -> ArchiveReport:
    """Keep the frames that lie on a longer step: on the clock where the archive has such, else from the first.

    Args:
        archive: an open archive, its folder or its address.
        every: the longer step, a multiple of the archive's.
        out: the new archive: a folder, which appears whole or not at all, or an address such as
            ``s3://bucket/a.zarr``, where a run that was stopped is gone on with.
        overwrite: take the place of an archive that is there.
        progress: show a bar on standard error.
        engine: of `nowcast.open_engine`; None spreads long work over the cores of this machine.

    Raises:
        TimeError: a step that is no multiple.
        ArchiveError: something is at ``out`` already, or a frame cannot be read.
        FileError: ``out`` cannot be written.
    """
    whole = _opened(archive)
    step = every.astype("timedelta64[ns]")
    clock = np.datetime64(0, "ns")
    on_clock = step > np.timedelta64(0) and ((whole.times - clock) % step == np.timedelta64(0)).any()
    times = Thinned(whole, step, clock if on_clock else None).times
    how = _part(whole, times, step, _all_of(whole.grid), f"every {minutes(step):g} minutes of")
    return _made(how, _slots(how.new, times), out, overwrite, progress, engine)


def crop_archive(
    archive: Archive | Path | str,
    out: Path | str,
    *,
    period: str | None = None,
    box: Box | None = None,
    rows: Range | None = None,
    columns: Range | None = None,
    overwrite: bool = False,
    progress: bool = False,
    engine: Engine | None = None,
) -> ArchiveReport:
    """Keep a part of the grid, of the time, or of both.

    A frame of which no cell within the part is observed counts as missing, as when it is ingested.

    Args:
        archive: an open archive, its folder or its address.
        out: as in `thin_archive`.
        period: START/END, UTC; a bare end date is included.
        box: (west, south, east, north) in degrees: the smallest part with every cell whose centre is inside.
        rows: (first, end) from the north, the end not included; not with a box.
        columns: (first, end) from the west; not with a box.
        overwrite, progress, engine: as in `thin_archive`.

    Raises:
        SettingsError: nothing asked for, or a box beside rows or columns.
        GridError: fewer than 2 x 2 cells.
        TimeError, ArchiveError, FileError: as `thin_archive`.
    """
    whole = _opened(archive)
    if box is not None and (rows is not None or columns is not None):
        raise SettingsError("crop: got a box beside rows or columns, expected one of both; leave one out")
    if period is None and box is None and rows is None and columns is None:
        raise SettingsError("crop: got neither a box, rows, columns nor a period, expected one; say which part")
    all_rows, all_columns = _all_of(whole.grid)
    window = whole.grid.window(*box) if box is not None else (rows or all_rows, columns or all_columns)
    times = whole.times
    if period is not None:
        start, end = parse_period(period)
        times = whole.field(start, end)["time"].values.astype("datetime64[ns]")
    how = _part(whole, times, whole.step, window, "a part of", partly=period is not None)
    return _made(how, _slots(how.new, times), out, overwrite, progress, engine)


def merge_archives(
    archives: Sequence[Archive | Path | str],
    out: Path | str,
    *,
    overlap: Overlap = "first",
    overwrite: bool = False,
    progress: bool = False,
    engine: Engine | None = None,
) -> ArchiveReport:
    """Put archives of one grid, step and quantity into one.

    Args:
        archives: in the order of preference.
        out: as in `thin_archive`.
        overlap: of a time that several hold: ``first`` takes the frame of the first, ``fill`` does and takes
            what that has not observed from the next, ``max`` takes of every cell the largest.
        overwrite, progress, engine: as in `thin_archive`.

    Raises:
        SettingsError: no such ``overlap``.
        ArchiveError: grids, steps, quantities or Z-R relations differ; else as `thin_archive`.
        FileError: as `thin_archive`.
    """
    if overlap not in get_args(Overlap):
        raise SettingsError(
            complain("overlap", f"'{overlap}'", f"one of {', '.join(get_args(Overlap))}", "choose one of them")
        )
    opened = [_opened(a) for a in archives]
    if not opened:
        raise SettingsError("merge: got no archive, expected one or more; name them")
    first = opened[0]
    for other in opened[1:]:
        _check_alike(first, other)
    times: Times = np.unique(np.concatenate([a.times for a in opened]))
    _check_some(first, times)
    holds = [np.isin(times, a.times) for a in opened]
    names = ", ".join(a.path.name for a in opened)
    new = NewArchive(first.grid, first.step, times[0], joined(opened, f"nowcast archive merge: {names}"))
    how = Derivation(tuple(opened), new, *_all_of(first.grid), overlap)
    who = [tuple(np.flatnonzero(held).tolist()) for held in np.array(holds).T]
    return _made(how, _slots(new, times, who), out, overwrite, progress, engine)


def copy_archive(
    archive: Archive | Path | str,
    out: Path | str,
    *,
    overwrite: bool = False,
    progress: bool = False,
    engine: Engine | None = None,
) -> ArchiveReport:
    """Copy an archive, also to or from an object store; every chunk is read and checked on the way.

    Args:
        archive: an open archive, its folder or its address.
        out: as in `thin_archive`.
        overwrite, progress, engine: as in `thin_archive`.

    Raises:
        ArchiveError, FileError: as `thin_archive`.
    """
    whole = _opened(archive)
    how = _part(whole, whole.times, whole.step, _all_of(whole.grid), "")
    return _made(how, _slots(how.new, whole.times), out, overwrite, progress, engine)


def _opened(archive: Archive | Path | str) -> Archive:
    return archive if isinstance(archive, Archive) else Archive.open(archive)


def _all_of(grid: Grid) -> tuple[Range, Range]:
    height, width = grid.shape
    return (0, height), (0, width)


def _check_some(archive: Archive, times: Times) -> None:
    if not len(times):
        raise ArchiveError(f"{archive.path}: got no frames, expected some; ingest files into it first")


def _part(
    archive: Archive,
    times: Times,
    step: np.timedelta64,
    window: tuple[Range, Range],
    said: str,
    partly: bool = False,
) -> Derivation:
    """Return how to make an archive from one."""
    _check_some(archive, times)
    rows, columns = window
    grid = archive.grid.cut(rows, columns)
    history = f"{said} {archive.path.name} (fingerprint {archive.fingerprint})" if said else ""
    new = NewArchive(grid, step, times[0], joined([archive], history))
    return Derivation((archive,), new, rows, columns, partly=partly)


def _slots(new: NewArchive, times: Times, who: Iterable[tuple[int, ...]] | None = None) -> list[Slot]:
    numbers: npt.NDArray[np.int64] = ((times - new.first) // new.step).astype(np.int64)
    holders = [(0,)] * len(times) if who is None else who
    return [Slot(int(n), t, w) for n, t, w in zip(numbers, times, holders, strict=True)]


def _made(
    how: Derivation,
    slots: Sequence[Slot],
    out: Path | str,
    overwrite: bool,
    progress: bool,
    engine: Engine | None,
) -> ArchiveReport:
    place = place_of(out)
    frames, differing = derive(how, slots, place, overwrite=overwrite, progress=progress, engine=engine)
    keep_beam_height(how.archives[0].path, place, how.rows, how.columns)
    return ArchiveReport(place, frames, differing)


def _check_alike(first: Archive, other: Archive) -> None:
    def refuse(what: str) -> ArchiveError:
        return ArchiveError(f"{other.path}: {what}, expected archives that are alike; merge others")

    different = first.grid.difference(other.grid)
    if different:
        raise refuse(f"its grid is not that of {first.path} ({different})")
    if first.step != other.step:
        raise refuse(
            f"its step is {minutes(other.step):g} minutes, that of {first.path} "
            f"{minutes(first.step):g}; thin one of them first"
        )
    if (first.origin - other.origin) % first.step != np.timedelta64(0):
        raise refuse(f"its frames lie between those of {first.path}")
    mine, its = ([MeasuredQuantity.of(s) for s in a.sources if s.frames] for a in (first, other))
    for quantity in its:
        if not any(quantity.same(q) for q in mine[:1]):
            raise refuse(f"it holds {quantity}, {first.path} {mine[0]}")
        if not quantity.same_relation(mine[0]):
            raise refuse(
                f"its rain became dBZ through {quantity.relation}, that of {first.path} through "
                f"{mine[0].relation}"
            )
