"""Frame sources: radar runs, videos and digits all look the same to a network. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

FrameArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ClipStarts:
    """Where the clips of one source start, instead of at every ``stride`` of the window.

    Why: protocols take more clips of some videos than of others, or list every clip.
    """

    stride: int | None = None
    """Steps between the starts of two clips of an unbroken run."""
    times: tuple[int, ...] | None = None
    """The only times, nanoseconds since 1970, at which the first frame of a clip may stand."""


@runtime_checkable
class FrameSource(Protocol):
    """A sequence of frames with times: an archive, a KTH video, a Human3.6M film, moving digits."""

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

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read ``count`` frames from index ``first`` on, cut to ``rows`` and ``columns``.

        Returns:
            (T, C, h, w) float32 as a network reads it, in [0, 1]; NaN is not observed.
        """
        ...


def fingerprint_of(source: FrameSource) -> str:
    """Return what changes with a source's frames; its name where it knows no better."""
    return str(getattr(source, "fingerprint", source.name))


def faintest_of(source: FrameSource) -> float:
    """Return the faintest scaled value that a source tells from dry; 0 where it knows no such."""
    return float(getattr(source, "faintest", 0.0))


def sampling_weight_of(source: FrameSource) -> float:
    """Return how often a source's clips are drawn beside those of others that are as wet; 1 is as often."""
    return float(getattr(source, "sampling_weight", 1.0))


def place_of(source: FrameSource) -> str:
    """Return where the frames of a video lie on this machine; its name where it knows no better.

    Why: videos of one name in two folders are two videos.
    """
    return str(getattr(source, "place", source.name))


def clip_starts_of(source: FrameSource) -> ClipStarts | None:
    """Return where clips of a source start, where it says so itself; None leaves that to the window."""
    found: ClipStarts | None = getattr(source, "clip_starts", None)
    return found


def check_span(source: FrameSource, first: int, count: int, total: int) -> None:
    """Refuse frames beyond the ends of a source.

    Raises:
        IndexError: ``first`` to ``first + count`` is not within ``total``.
    """
    if first < 0 or first + count > total:
        raise IndexError(f"{source.name}: frames {first} to {first + count} of {total}")


def from_bytes(frames: npt.NDArray[np.uint8]) -> FrameArray:
    """Scale pixels 0 ... 255 to [0, 1] as a new float32 array."""
    return np.multiply(frames, np.float32(1 / 255), dtype=np.float32)


class SentWithoutCaches:
    """A source that goes to a worker without its cached properties (maps of files): it makes its own there."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what a cached property holds."""
        kind = type(self)
        return {
            key: value
            for key, value in self.__dict__.items()
            if not isinstance(getattr(kind, key, None), cached_property)
        }


class SourceWrapper(SentWithoutCaches):
    """What all wrappers around a frame source share: what a wrapper does not change is the source's own.

    A wrapper says how it reads.
    """

    def __init__(self, source: FrameSource) -> None:
        self.name, self.step, self.frame_shape = source.name, source.step, source.frame_shape
        self.place = place_of(source)
        self.faintest, self.sampling_weight = faintest_of(source), sampling_weight_of(source)
        self.clip_starts = clip_starts_of(source)
        self._source = source

    @property
    def times(self) -> npt.NDArray[np.datetime64]:
        """The source's times."""
        return self._source.times

    @property
    def fingerprint(self) -> str:
        """The source's, or its name."""
        return fingerprint_of(self._source)
