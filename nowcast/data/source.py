"""Frame sources: radar runs, videos and digits all look the same to a network. numpy only."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]


@runtime_checkable
class FrameSource(Protocol):
    """A sequence of frames with times: an archive, a KTH video, a Human3.6M take, moving digits."""

    name: str
    """Where the frames come from, as a log names it."""

    @property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Sorted, unique times of the frames that exist, ``datetime64[ns]`` (a video starts at 1970)."""
        ...

    @property
    def step(self) -> np.timedelta64:
        """Time between two frames that follow each other without a gap."""
        ...

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns (C, H, W)."""
        ...

    def read(self, first: int, count: int, rows: slice, columns: slice) -> Frames:
        """Read ``count`` frames from index ``first`` on, cut to ``rows`` and ``columns``.

        Returns:
            (T, C, h, w) float32 as a network reads it, in [0, 1]; NaN is not seen.
        """
        ...
