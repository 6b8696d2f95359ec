"""Where clips start: at every stride of the window, or where the source says. numpy only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from nowcast.core.times import Times
from nowcast.data.missing_frames import GapFilledSource
from nowcast.data.source import (
    ClipStarts,
    FrameArray,
    FrameSource,
    SourceWrapper,
    clip_starts_of,
    fingerprint_of,
)
from nowcast.data.windows import ClipWindow


class StartsChosen(SourceWrapper):
    """A frame source as it is, whose clips start where it says."""

    def __init__(self, source: FrameSource, starts: ClipStarts) -> None:
        super().__init__(source)
        self.clip_starts = starts

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames as the source does."""
        return self._source.read(first, count, rows, columns)


def starts_of(source: FrameSource, window: ClipWindow, missing: int) -> npt.NDArray[np.int64]:
    """Find the index of the first frame of each clip of a source.

    Args:
        source: frames; its own starts go before the stride of the window.
        window: of a clip.
        missing: future frames that a clip may lack.
    """
    chosen = clip_starts_of(source)
    if chosen is not None:
        window = replace(window, stride=(chosen.stride or window.stride) if chosen.times is None else 1)
    found = (
        source.starts(window, missing)
        if isinstance(source, GapFilledSource)
        else window.starts(source.times, source.step)
    )
    if chosen is None or chosen.times is None:
        return found
    return found[np.isin(_first_shown(source.times, window, found), np.array(chosen.times, np.int64))]


def _first_shown(times: Times, window: ClipWindow, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Times of the first past frame of each clip, nanoseconds since 1970."""
    shown: npt.NDArray[np.int64] = times[starts + window.before * window.every].astype(np.int64)
    return shown


def described_starts(source: FrameSource) -> str:
    """Return what changes with the starts that a source chooses; empty where it leaves them to the window."""
    chosen = clip_starts_of(source)
    return "" if chosen is None else f"{fingerprint_of(source)}:{chosen}"
