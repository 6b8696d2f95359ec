"""Clip windows: which frames make one clip. Unbroken runs are found by time, never by index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.core.times import Times, unbroken_runs


@dataclass(frozen=True)
class ClipWindow:
    """How many frames a clip has and how far its neighbours start from it.

    All are counted in steps of the source. The newest of its ``past`` frames is a clip's forecast
    reference time, the ``future`` frames are what a forecast is compared with; ``before`` and ``after``
    frames around both make the longer context that LMC-Memory stores in training.
    """

    past: int
    future: int
    stride: int = 1
    """Steps between the starts of two windows that follow each other (as ``verify --stride``)."""
    before: int = 0
    after: int = 0
    every: int = 1
    """A clip takes every n-th frame (Human3.6M protocols)."""

    def __post_init__(self) -> None:
        lowest = {"past": 1, "future": 1, "stride": 1, "before": 0, "after": 0, "every": 1}
        for name, low in lowest.items():
            value = getattr(self, name)
            if value < low:
                raise SettingsError(f"window.{name}: got {value}, expected a whole number >= {low}")

    @property
    def frames(self) -> int:
        """Frames of a clip with its context."""
        return self.before + self.past + self.future + self.after

    @property
    def steps(self) -> int:
        """Frames of the source that a window covers, those left out by ``every`` included."""
        return (self.frames - 1) * self.every + 1

    def starts(self, times: Times, step: np.timedelta64) -> npt.NDArray[np.int64]:
        """Find the index of the first frame of each window without a gap in it.

        Within each unbroken run of ``times`` the windows start at its first frame and then every
        ``stride`` steps; a missing frame is never bridged.
        """
        found = [
            np.arange(first, last - self.steps + 1, self.stride, dtype=np.int64)
            for first, last in unbroken_runs(times, step)
            if last - first >= self.steps
        ]
        return np.concatenate(found) if found else np.zeros(0, np.int64)
