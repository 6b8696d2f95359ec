"""Work: read one file, frame by frame, and write each frame's chunk. Runs in a worker process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dask.local import get_sync

from nowcast.archive.layout import frame_name
from nowcast.archive.packing import PACKING, Codes, decode_chunk, encode_chunk
from nowcast.archive.reader import read_root
from nowcast.archive.writer import FrameRecord, describe
from nowcast.core.errors import NowcastError
from nowcast.core.field import check_values
from nowcast.core.files import DISK_FULL, read_within, write_within
from nowcast.core.times import to_text
from nowcast.ingestion.plan import Wanted
from nowcast.ingestion.readers.catalog import READERS


@dataclass(frozen=True)
class Task:
    """One file to read, the slots its frames go to, and those that are taken already."""

    number: int
    wanted: Wanted
    slots: tuple[int, ...]
    taken: Mapping[int, str]
    """Slot -> name of the file that the archive has this frame from."""
    archive: Path
    first_time: int
    boss: int
    """Process that coordinates; when it is gone, the work ends."""


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    number: int
    frames: tuple[FrameRecord, ...] = ()
    same: int = 0
    problems: tuple[str, ...] = ()
    broken: bool = False
    """The file could not be read to its end: it does not count as done."""
    disk: str = ""
    """What the system said when the archive could not be written: the run ends."""


def ingest_file(task: Task) -> Outcome:
    """Read, check and write the frames of one file; never raises."""
    frames: list[FrameRecord] = []
    problems: list[str] = []
    same = 0
    path = task.wanted.scan.path
    try:
        folder = os.open(task.archive / "reflectivity", os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return Outcome(task.number, disk=str(error))
    try:
        if read_root(task.archive)["attributes"]["first_time"] != task.first_time:
            return Outcome(task.number, disk="the archive was changed by somebody else")
        field = READERS[task.wanted.scan.reader].open(path)
        blocks = field.data.blocks
        for index, slot in zip(task.wanted.frames, task.slots, strict=True):
            if task.boss not in (os.getpid(), os.getppid()):
                return Outcome(task.number, disk="the ingest that this worker belongs to has ended")
            dbz = np.asarray(blocks[index].compute(scheduler=get_sync))[0]
            check_values(dbz)
            codes = PACKING.pack(dbz)
            time = to_text(field["time"].values[index])
            if not (codes != PACKING.fill).any():
                problems.append(f"the frame of {time} has not one observed cell, expected a whole frame; "
                                "it counts as missing")
            elif slot not in task.taken:
                record = describe(slot, codes)
                try:
                    write_within(folder, frame_name(slot), encode_chunk(codes))
                except OSError as error:
                    return Outcome(task.number, tuple(frames), same, disk=_disk(error))
                frames.append(record)
            elif np.array_equal(codes, _stored(folder, task, slot, codes)):
                same += 1
            else:
                problems.append(f"the frame of {time} differs from the one of {task.taken[slot]}, "
                                "expected one content for one time; the first is kept")
    except NowcastError as error:
        problems.append(" ".join(str(error).split()).removeprefix(f"{path}: "))
        return Outcome(task.number, tuple(frames), same, tuple(problems), broken=True)
    except Exception as error:
        said = " ".join(str(error).split())[:200]
        problems.append(f"cannot be read ({type(error).__name__}: {said}); fetch it again")
        return Outcome(task.number, tuple(frames), same, tuple(problems), broken=True)
    finally:
        os.close(folder)
    return Outcome(task.number, tuple(frames), same, tuple(problems))


def _stored(folder: int, task: Task, slot: int, like: Codes) -> Codes:
    data = read_within(folder, frame_name(slot))
    stored: Codes = decode_chunk(data, np.int16, like.shape, str(task.archive))
    return stored


def _disk(error: OSError) -> str:
    full = "the disk is full" if error.errno in DISK_FULL else "the disk refuses"
    return f"{full} ({error.strerror})"
