"""Lists of clips: each line names a video and the frame at which a clip starts, as OpenSTL's for Human3.6M.

A line is ``images/S1_Walking.54138969_,1621``: what the names of the pictures begin with, a comma, the number
of the first frame; what follows another comma is left out. Names are compared, never opened.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nowcast.core.errors import FileError, printable
from nowcast.data.cached_video import CachedVideo
from nowcast.data.clip_starts import StartsChosen
from nowcast.data.source import ClipStarts

_LOG = logging.getLogger(__name__)


def read_clip_list(path: Path, name_of: Callable[[str], str | None]) -> dict[str, list[int]]:
    """Read the first frames of clips by the name of their video.

    Args:
        path: the list.
        name_of: the name of a video by what a line begins with; None for what names none.

    Raises:
        FileError: no such list, or a line that names no video or no frame.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: no list of clips ({error}); check the path") from error
    found: defaultdict[str, list[int]] = defaultdict(list)
    for line in filter(str.strip, lines):
        start, _, rest = line.strip().partition(",")
        number, name = rest.split(",")[0].strip(), name_of(start)
        if name is None or not number.isdecimal():
            raise FileError(
                f"{path}: got the line '{printable(line)[:80]}', expected a video and the number of a frame "
                "such as images/S1_Walking.54138969_,1621; mend the line"
            )
        found[name].append(int(number))
    if not found:
        raise FileError(f"{path}: got no line, expected a list of clips; check the path")
    return dict(found)


def with_listed_clips(
    videos: Sequence[CachedVideo], listed: Mapping[str, Sequence[int]], path: Path
) -> list[StartsChosen]:
    """Give each video the clips that are listed; a video without any is left out.

    Raises:
        FileError: not one listed frame is there.
    """
    found, absent = [], 0
    for video in videos:
        numbers = video.numbers
        wanted = np.unique(listed.get(video.name, ())).astype(np.int64) - video.metadata.counts_from
        there = np.flatnonzero(np.isin(numbers, wanted))
        absent += len(wanted) - len(there)
        if len(there):
            times = tuple(video.times[there].astype(np.int64).tolist())
            found.append(StartsChosen(video, ClipStarts(times=times)))
    if absent:
        _LOG.warning(
            "%s: %d clips start at a frame that is not there or not kept, and are left out", path, absent
        )
    if not found:
        raise FileError(
            f"{path}: got no clip of the {len(videos)} videos asked for, the first is '{videos[0].name}'; "
            "look at the part, the scenarios and frame_step"
        )
    return found
