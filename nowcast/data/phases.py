"""A longer step: a source of frames every 5 minutes read as two of every 10, which lose no frame together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from nowcast.core.errors import TimeError, complain
from nowcast.core.times import Times, minutes
from nowcast.data.importance_sampling import WetBlocks, wet_blocks
from nowcast.data.radar_cache import RadarCache
from nowcast.data.source import FrameArray, SourceWrapper, check_span


class Phase(SourceWrapper):
    """The frames of a source that lie whole steps of a longer step from one moment.

    Args:
        source: of a shorter step.
        step: the longer one.
        first: a moment on the phase.
    """

    def __init__(self, source: RadarCache, step: np.timedelta64, first: np.datetime64) -> None:
        super().__init__(source)
        self.step = step
        self.grid_km = source.grid_km
        self._kept = np.flatnonzero((source.times - first) % step == np.timedelta64(0))
        self._phase = int((first - np.datetime64(0, "ns")) % step / np.timedelta64(1, "s"))

    @property
    def times(self) -> Times:
        """Times of these frames, UTC ``datetime64[ns]``."""
        return self._source.times[self._kept]

    @property
    def fingerprint(self) -> str:
        """The source's, the step and the phase."""
        return f"{super().fingerprint}:{minutes(self.step):g}min+{self._phase}s"

    @cached_property
    def wet(self) -> WetBlocks | None:
        """Wet blocks of these frames, where the source knows them."""
        blocks = wet_blocks(self._source)
        if blocks is None:
            return None
        return WetBlocks(blocks.counts[self._kept], blocks.block, blocks.wet_dbz, blocks.pixels)

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames as the source does, (T, C, h, w), those of the other phases left out."""
        check_span(self, first, count, len(self._kept))
        kept = self._kept[first : first + count].tolist()
        return np.concatenate([self._source.read(place, 1, rows, columns) for place in kept])


def at_step(source: RadarCache, step_minutes: float | None) -> Sequence[RadarCache | Phase]:
    """Return a source at a longer step: one for each phase that has frames; itself at its own or None.

    Raises:
        TimeError: a step that is no multiple of the source's.
    """
    if step_minutes is None:
        return [source]
    step = np.timedelta64(round(step_minutes * 60e9), "ns")
    if step == source.step:
        return [source]
    if step <= np.timedelta64(0) or step % source.step != np.timedelta64(0):
        raise TimeError(
            complain(
                "step_minutes",
                f"{step_minutes:g}",
                f"a multiple of the {minutes(source.step):g} minutes of {source.name}",
                "choose another",
            )
        )
    start = source.times[:1] if len(source.times) else np.zeros(0, "datetime64[ns]")
    starts = [first + n * source.step for first in start for n in range(int(step / source.step))]
    phases = [Phase(source, step, first) for first in starts]
    return [phase for phase in phases if len(phase.times)]
