"""Work: read one file, frame by frame, and write each frame's chunk. Runs in a worker process."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from nowcast.archive.layout import frame_name, next_name
from nowcast.archive.packing import PACKING, Codes, decode_chunk, encode_chunk
from nowcast.archive.store import read_root
from nowcast.archive.writer import FrameRecord, describe
from nowcast.core.engine import wanted
from nowcast.core.errors import NowcastError, printable
from nowcast.core.field import FieldError, check_values
from nowcast.core.files import DISK_FULL, read_within, write_within
from nowcast.core.times import to_text
from nowcast.ingestion.plan import Wanted
from nowcast.ingestion.readers.lazy import Frame, frame_at
from nowcast.ingestion.scan import unforeseen

Reissued = Literal["complete", "replace", "keep", "refuse"]
"""What becomes of a frame whose time is in the archive with other content; see `workflows.ingest`."""


class Taken(NamedTuple):
    """The frame that a slot holds already."""

    name: str
    """Of the file that it is from."""
    observed_share: float
    cut_short: bool
    """Whether that file could not be read to its end."""
    older_issue: bool
    """Whether it is of the same source as the file that is read now, and older."""
    handed_over: bool = False
    """Whether a run that was killed had noted that it is replaced by the file that is read now."""
    other_grid: bool = False
    """Whether it lay on another grid than the file that is read now, which then fills what it lacks."""


@dataclass(frozen=True)
class FileTask:
    """One file to read, the slots its frames go to, and those that are taken already."""

    number: int
    wanted: Wanted
    slots: tuple[int, ...]
    taken: Mapping[int, Taken]
    archive: Path
    first_time: int
    boss: int
    """Process that coordinates; when it is gone, the work ends."""
    reissued: Reissued


@dataclass
class FileResult:
    """What became of one file."""

    number: int
    frames: list[FrameRecord] = field(default_factory=list)
    same: int = 0
    problems: list[str] = field(default_factory=list)
    broken: bool = False
    """The file could not be read to its end: it does not count as done."""
    disk: str = ""
    """What the system said when the archive could not be written: the run ends."""


def ingest_file(task: FileTask) -> FileResult:
    """Read, check and write the frames of one file; never raises."""
    result = FileResult(task.number)
    path = task.wanted.scan.path
    try:
        folder = os.open(task.archive / "reflectivity", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        result.disk = _disk(error)
        return result
    try:
        if read_root(task.archive)["attributes"]["first_time"] != task.first_time:
            result.disk = "the archive was changed by somebody else"
            return result
        data = task.wanted.scan.open().data
        for index, slot, time in zip(task.wanted.frames, task.slots, task.wanted.times, strict=True):
            if not wanted(task.boss):
                result.disk = "the ingest that this worker belongs to has ended"
            if result.disk:
                return result
            _ingest_frame(task, result, folder, partial(frame_at, data, index), slot, to_text(time))
    except Exception as error:
        result.broken = True
        result.problems.append(_of_the_file(path, error))
    finally:
        os.close(folder)
    return result


def _of_the_file(path: Path, error: Exception) -> str:
    if isinstance(error, NowcastError):
        return printable(error).removeprefix(f"{printable(path)}: ")
    return unforeseen(error)


def _ingest_frame(
    task: FileTask, result: FileResult, folder: int, read: Callable[[], Frame], slot: int, time: str
) -> None:
    """Read one frame and write it; what is wrong with it is told with its time and costs no other."""
    try:
        dbz = read()
        check_values(dbz)
        codes = PACKING.pack(dbz)
    except FieldError as error:
        result.problems.append(f"the frame of {time}: {printable(error).removeprefix('field: ')}")
        return
    except Exception as error:
        result.broken = True
        result.problems.append(f"the frame of {time}: {_of_the_file(task.wanted.scan.path, error)}")
        return
    if not (codes != PACKING.fill).any():
        result.problems.append(
            f"the frame of {time} has not one observed cell, expected a whole frame; it counts as missing"
        )
        return
    try:
        _write(task, result, folder, codes, slot, time)
    except OSError as error:
        result.disk = _disk(error)


def _write(task: FileTask, result: FileResult, folder: int, codes: Codes, slot: int, time: str) -> None:
    record = describe(slot, codes)
    taken = task.taken.get(slot)
    if taken is None:
        write_within(folder, frame_name(slot), encode_chunk(codes))
        result.frames.append(record)
        return
    stored = _stored(folder, task, slot, codes)
    if taken.other_grid:
        codes = np.where(stored == PACKING.fill, codes, stored)
        record = describe(slot, codes)
    if np.array_equal(codes, stored):
        result.same += 1
        if taken.handed_over:
            result.frames.append(record)
    elif taken.other_grid or _replaces(task.reissued, taken, record):
        write_within(folder, next_name(slot), encode_chunk(codes))
        result.frames.append(replace(record, replaces=True))
    elif task.reissued != "keep":
        result.problems.append(
            f"the frame of {time} differs from the one of {taken.name}, "
            "expected one content for one time; the first is kept"
        )


def _replaces(reissued: Reissued, taken: Taken, record: FrameRecord) -> bool:
    if not taken.older_issue:
        return False
    fuller = np.float32(record.observed_share) > np.float32(taken.observed_share)
    return reissued == "replace" or (reissued == "complete" and (taken.cut_short or bool(fuller)))


def _stored(folder: int, task: FileTask, slot: int, like: Codes) -> Codes:
    data = read_within(folder, frame_name(slot))
    stored: Codes = decode_chunk(data, np.int16, like.shape, str(task.archive))
    return stored


def _disk(error: OSError) -> str:
    full = "the disk is full" if error.errno in DISK_FULL else "the disk refuses"
    return f"{full} ({error.strerror})"
