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


def fingerprint_of(source: FrameSource) -> str:
    """Give what changes with a source's frames; its name where it knows no better."""
    return str(getattr(source, "fingerprint", source.name))


class SourceWrapper:
    """What all wrappers around a frame source share: what a wrapper does not change is the source's own.

    A wrapper says how it reads.
    """

    def __init__(self, source: FrameSource) -> None:
        self.name = source.name
        self._source = source

    @property
    def times(self) -> npt.NDArray[np.datetime64]:
        """The source's times."""
        return self._source.times

    @property
    def step(self) -> np.timedelta64:
        """The source's step."""
        return self._source.step

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """The source's (C, H, W)."""
        return self._source.frame_shape

    @property
    def fingerprint(self) -> str:
        """The source's, or its name."""
        return fingerprint_of(self._source)
