"""Missing frames: a place for every step, so that a clip may lack some of the frames it is to forecast.

Dimensions: T frames that exist, N steps from the first of them to the last, S future frames.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.core.times import Times
from nowcast.data.importance_sampling import WetBlocks, wet_blocks
from nowcast.data.source import FrameArray, FrameSource, SourceWrapper, check_span
from nowcast.data.windows import ClipWindow


class GapFilledSource(SourceWrapper):
    """A frame source with a frame for every step: where one is missing, the one before it is read again.

    Why: archives lose single frames. Windows without a gap then leave out most of some days, while a
    clip whose past is whole still teaches with the future frames that are there. `present` tells which
    are, and a clip counts the others as not observed.

    Args:
        source: its times lie whole steps apart.
    """

    def __init__(self, source: FrameSource) -> None:
        super().__init__(source)
        times = source.times
        steps = ((times - times[:1]) // source.step).astype(np.int64)
        count = int(steps[-1]) + 1 if len(steps) else 0
        self._times: Times = times[:1] + np.arange(count) * source.step
        self.present = np.zeros(count, np.bool_)
        """(N,): whether the frame exists."""
        self.present[steps] = True
        self._held = np.cumsum(self.present) - 1

    @property
    def times(self) -> Times:
        """Times of every step, UTC ``datetime64[ns]``."""
        return self._times

    @property
    def fingerprint(self) -> str:
        """The source's, and that its gaps are filled."""
        return f"{super().fingerprint}:bridged"

    @cached_property
    def wet(self) -> WetBlocks | None:
        """Wet blocks of every step, where the source knows them."""
        blocks = wet_blocks(self._source)
        if blocks is None:
            return None
        return WetBlocks(blocks.counts[self._held], blocks.block, blocks.wet_dbz, blocks.pixels)

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames as the source does, (T, C, h, w), the one before again in place of a missing one."""
        check_span(self, first, count, len(self._held))
        held = self._held[first : first + count]
        low = int(held[0])
        found = self._source.read(low, int(held[-1]) - low + 1, rows, columns)
        return found if len(found) == count else found[held - low]

    def starts(self, window: ClipWindow, missing: int) -> npt.NDArray[np.int64]:
        """Find the first frame of each window that lacks at most ``missing`` future frames and no other.

        A ``stride`` counts from the first frame of the source on, not anew after each gap.
        """
        found = window.starts(self.times, self.step)
        there = self.present[found[:, np.newaxis] + window.every * np.arange(window.frames)]
        future = slice(window.before + window.past, window.frames - window.after)
        lacking = window.future - there[:, future].sum(axis=1)
        there[:, future] = True
        enough: npt.NDArray[np.int64] = found[there.all(axis=1) & (lacking <= missing)]
        return enough


def check_missing(missing: int, window: ClipWindow) -> None:
    """Refuse a number of missing frames that leaves nothing to forecast.

    Raises:
        SettingsError: below 0, or as many as the window has future frames.
    """
    if not 0 <= missing < window.future:
        raise SettingsError(
            f"data.missing: got {missing}, expected 0 to {window.future - 1}, fewer than window.future; "
            "change it"
        )
