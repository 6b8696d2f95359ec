"""A video in the cache, as a frame source: packed frames in a memory map. numpy only.

A cached video is two files: ``NAME.npy`` (T, C, H, W), which any numpy reads, and ``NAME.json`` with its
metadata, written last. Pictures are uint8; fields whose values are no pixels are float32 in [0, 1].

Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.files import whole_file
from nowcast.core.settings import build
from nowcast.core.times import Times
from nowcast.data.source import FrameArray, SentWithoutCaches, check_span, from_bytes

FORMAT = 2
"""2: frames upright, and lost ones left out; what was decoded before is decoded again."""
HEADER_BYTES = 128
"""Head of a .npy file as numpy writes it; the decoder sets as much aside."""
_OPEN_MAPS = 256
"""Maps a process holds open at a time: each costs a file descriptor, of which there are often 1 024."""


def frames_path(folder: Path, name: str) -> Path:
    """Return where the frames of a video lie."""
    return folder / f"{name}.npy"


def metadata_path(folder: Path, name: str) -> Path:
    """Return where the metadata of a video lie."""
    return folder / f"{name}.json"


@dataclass(frozen=True)
class VideoMetadata:
    """What is known of one cached video; of a damaged one, why it cannot be used."""

    name: str
    identity: str
    """Of the file it was made from and of how: `nowcast.data.raw_videos.RawVideo.identity`."""
    shape: tuple[int, int, int, int] = (0, 0, 0, 0)
    """(T, C, H, W)"""
    every: int = 1
    """Frames that follow each other without a gap are so many numbers apart."""
    runs: tuple[tuple[int, int], ...] = ()
    """Number of the first frame, from 0, and count of frames of each run without a gap."""
    rate: tuple[int, int] | None = None
    """Frames a second as a fraction; None if the video does not say."""
    content: str = ""
    """16 hexadecimal digits of the SHA-256 of the frames."""
    problem: str = ""
    """Why the video cannot be used; empty if it can."""
    dtype: Literal["|u1", "<f4"] = "|u1"
    """Bytes 0 ... 255, or float32 in [0, 1] where NaN is not observed."""
    missing: int | None = None
    """The byte that says not observed; None where all were."""
    start: int = 0
    """Time of number 0, nanoseconds since 1970."""
    counts_from: int = 1
    """Number that lists and names of pictures give to number 0."""
    format: int = FORMAT

    def write(self, folder: Path) -> None:
        """Write the metadata, whole or not at all."""
        with whole_file(metadata_path(folder, self.name)) as temporary:
            temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> VideoMetadata | None:
        """Read metadata; None where there are none, or none of this version: the video is decoded anew."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, SettingsError):
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["format"] == FORMAT:
                return build(cls, found)
        return None

    def is_whole(self, folder: Path) -> bool:
        """Tell whether the frames lie there in full, as far as their size tells; of a damaged one none do."""
        path = frames_path(folder, self.name)
        size = HEADER_BYTES + int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize
        return bool(self.problem) or (path.is_file() and path.stat().st_size == size)

    def problem_within(self, shortest: int) -> str:
        """Return why the video cannot be used, fewer than ``shortest`` frames included; empty if it can."""
        if not self.problem and self.shape[0] < shortest:
            return f"got {self.shape[0]} frames, expected at least {shortest}"
        return self.problem


class CachedVideo(SentWithoutCaches):
    """One video as a frame source; time leaves a gap for a missing frame, and starts at 1970 with frame 0
    where the video knows no better.

    Args:
        folder: of the cache.
        metadata: of a video that can be used.
        frames_per_second: instead of what the video says, or where it does not say.
        place: where the video itself lies.
    """

    def __init__(
        self, folder: Path, metadata: VideoMetadata, frames_per_second: float | None = None, place: str = ""
    ) -> None:
        self.name = metadata.name
        self.place = place or metadata.name
        self.metadata = metadata
        self._path = frames_path(folder, metadata.name)
        rate = frames_per_second or (metadata.rate[0] / metadata.rate[1] if metadata.rate else 25.0)
        self._between = round(1e9 / rate)
        self.step = np.timedelta64(round(1e9 * metadata.every / rate), "ns")
        """Time between two frames that are kept; every third at 30 a second are as far apart as all at 10."""
        self.frame_shape = metadata.shape[1:]
        self.fingerprint = f"{metadata.name}:{metadata.content}"
        """Name and content: not where the frames lie, nor when they were decoded."""

    @property
    def numbers(self) -> npt.NDArray[np.int64]:
        """Numbers of the frames in the video, from 0."""
        runs = [first + self.metadata.every * np.arange(count) for first, count in self.metadata.runs]
        return np.concatenate(runs)

    @cached_property
    def times(self) -> Times:
        """Number of each frame times the time between two of them, from the start of the video on."""
        numbers, step = self.numbers, self.step.astype(np.int64)
        kept = (numbers - numbers[0]) // self.metadata.every
        first = self.metadata.start + numbers[0] * self._between
        return np.asarray(first + kept * step, np.int64).view("datetime64[ns]")

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames cut to rows and columns: (T, C, h, w) in [0, 1]; NaN is not observed.

        Raises:
            FileError: the cache has gone or was damaged since the video was opened.
        """
        check_span(self, first, count, self.metadata.shape[0])
        found = _map(self._path, self.metadata)[first : first + count, :, rows, columns]
        if self.metadata.dtype == "<f4":
            return found.astype(np.float32)
        frames = from_bytes(found)
        if self.metadata.missing is not None:
            frames[found == self.metadata.missing] = np.nan
        return frames


@lru_cache(maxsize=_OPEN_MAPS)
def _map(path: Path, metadata: VideoMetadata) -> npt.NDArray[Any]:
    now = VideoMetadata.read(path.with_suffix(".json"))
    if now is not None and now.content != metadata.content:
        raise FileError(
            f"{path}: got the frames of another video than when it was opened, expected those of "
            f"'{metadata.name}'; give each folder of videos a 'cache' of its own"
        )
    try:
        return np.memmap(path, np.dtype(metadata.dtype), "r", HEADER_BYTES, metadata.shape).view(np.ndarray)
    except (OSError, ValueError) as error:
        raise FileError(
            f"{path}: damaged or missing ({error}); start again, and the video is decoded anew"
        ) from error


def forget_maps() -> None:
    """Close all maps: what they showed has been replaced."""
    _map.cache_clear()
