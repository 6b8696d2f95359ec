"""Train, validation and test: apart in time by at least one whole window, or apart by video.

Why a gap: two windows of different parts that share weather, or lie minutes apart, let a network score
on what it has seen. The parts are checked against each other before any frame is read.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from nowcast.core.errors import SettingsError, TimeError
from nowcast.core.times import Times, minutes, parse_period, to_text
from nowcast.data.importance_sampling import WetBlocks, wet_blocks
from nowcast.data.source import FrameArray, FrameSource, SourceWrapper, check_span, fingerprint_of, place_of
from nowcast.data.windows import ClipWindow

_LOG = logging.getLogger(__name__)
Period = tuple[np.datetime64, np.datetime64]


class SourcePart(SourceWrapper):
    """Part of a frame source: frames [first, last), counted from 0; the others cannot be read."""

    def __init__(self, source: FrameSource, first: int, last: int) -> None:
        super().__init__(source)
        self._first, self._last = first, last

    @property
    def times(self) -> Times:
        """Times of these frames."""
        return self._source.times[self._first : self._last]

    @property
    def fingerprint(self) -> str:
        """Which frames of what."""
        return f"{super().fingerprint}:{self._first}:{self._last}"

    @property
    def wet(self) -> WetBlocks | None:
        """Wet blocks of these frames, where the source knows them."""
        blocks = wet_blocks(self._source)
        return None if blocks is None else blocks.part(self._first, self._last)

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames as the source does; an index outside the part is refused."""
        check_span(self, first, count, self._last - self._first)
        return self._source.read(self._first + first, count, rows, columns)


def within(source: FrameSource, periods: Sequence[Period]) -> list[FrameSource]:
    """Cut out the parts of a source that lie in the half-open periods, in order; none may be left."""
    found: list[FrameSource] = []
    for start, end in sorted(periods):
        first, last = np.searchsorted(source.times, [start, end]).tolist()
        if last > first:
            found.append(SourcePart(source, first, last))
    return found


def parse_periods(texts: Sequence[str], where: str) -> list[Period]:
    """Read periods ``START/END``; the error names the setting ``where``."""
    try:
        return [parse_period(text) for text in texts]
    except TimeError as error:
        raise TimeError(f"{where}: {error}") from error


def check_gap(parts: Mapping[str, Sequence[Period]], window: ClipWindow, step: np.timedelta64) -> None:
    """Refuse parts that overlap, touch or lie nearer to each other than one whole window.

    Args:
        parts: periods by the name of the part (train, val, test).
        window: its length over ``step`` is the smallest gap.
        step: of the frames.

    Raises:
        TimeError: which two periods, how far apart, and what gap is needed.
    """
    needed = window.steps * step
    for (one, periods), (other, others) in combinations(parts.items(), 2):
        for first in periods:
            for second in others:
                early, late = sorted([first, second])
                gap = late[0] - early[1]
                if gap < needed:
                    raise TimeError(
                        f"data: got {one} and {other} with {minutes(gap):g} min between "
                        f"{to_text(early[1])} and {to_text(late[0])}, expected at least one window "
                        f"({minutes(needed):g} min); move one of the periods"
                    )


def check_videos(parts: Mapping[str, Sequence[FrameSource]]) -> None:
    """Refuse two parts that are not apart in time and read one and the same source.

    Videos of one name in two folders are two videos (``train/video_00001``, ``valid/video_00001``); where
    they show the same frames all the same, the log says so.

    Raises:
        SettingsError: which source.
    """
    for (one, sources), (other, others) in combinations(parts.items(), 2):
        places = {place_of(source) for source in sources}
        contents = {fingerprint_of(source) for source in sources} - {source.name for source in sources}
        for source in others:
            if place_of(source) in places:
                raise SettingsError(
                    f"data: got '{source.name}' in both {one} and {other}, expected each video in one part; "
                    "give the parts periods or other sources"
                )
            if fingerprint_of(source) in contents:
                _LOG.warning(
                    "data: '%s' of %s has the frames of one of %s; leave one of them out",
                    source.name,
                    other,
                    one,
                )
