"""What lies in a folder of data, and what of its set is not there: found by names, then frame by frame.

A survey is made of names alone, which takes no time; `look_at` then reads every frame of one video as
training would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from nowcast.core.errors import FileError, printable
from nowcast.data.frame_stack import DamagedVideoError
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.raw_videos import RawVideo
from nowcast.data.video_frames import open_frames


@dataclass(frozen=True)
class Group:
    """What the videos of a set are told apart by: persons, actions, subjects, sets."""

    name: str
    of: Mapping[str, str]
    """Which of them each video is of, by the name of the video."""
    published: tuple[str, ...] = ()
    """All that the set has; empty where anybody adds to it."""

    @property
    def there(self) -> tuple[str, ...]:
        """Those of which there is a video."""
        return tuple(sorted(set(self.of.values())))

    @property
    def absent(self) -> tuple[str, ...]:
        """Those of which the set has videos and the folder none."""
        return tuple(one for one in self.published if one not in self.of.values())


@dataclass(frozen=True)
class Survey:
    """What names tell of a folder."""

    kind: str
    """Of source, to read it by."""
    layout: str
    """How it is laid out, in words."""
    videos: tuple[RawVideo, ...] = ()
    """Under the names that the kind gives them."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The part that each video belongs to by default, where there are parts."""
    groups: tuple[Group, ...] = ()
    missing: tuple[str, ...] = ()
    """What the set has and the folder has not, in words."""
    faults: tuple[str, ...] = ()
    """What is wrong in any set: lists that name what is not there, files that cannot be read."""
    notes: tuple[str, ...] = ()
    """What else is there."""


@dataclass(frozen=True)
class VideoFacts:
    """What reading a video found."""

    name: str
    frames: int = 0
    sizes: tuple[tuple[int, int], ...] = ()
    """Rows and columns of its frames."""
    problem: str = ""
    """Why it cannot be used; empty if it can."""


def look_at(video: RawVideo) -> VideoFacts:
    """Read every frame of a video."""
    frames, sizes = 0, set()
    try:
        _, batches = open_frames(video, FrameTransform("rgb" if video.needs_decoder else "gray"))
        for batch in batches:
            frames += len(batch.numbers)
            shape = batch.frames.shape
            rows = shape[-2:] if batch.frames.dtype != "uint8" else shape[1:3]
            sizes.add((int(rows[0]), int(rows[1])))
    except (DamagedVideoError, FileError) as damage:
        return VideoFacts(video.name, frames, tuple(sorted(sizes)), printable(damage))
    return VideoFacts(video.name, frames, tuple(sorted(sizes)), "" if frames else "got no frame")


def lost(video: RawVideo, how: str) -> VideoFacts:
    """Record a video on which the decoder crashed."""
    return VideoFacts(video.name, problem=f"reading it {how}")


def absent_of_product(groups: Sequence[Group], known: Sequence[tuple[str, ...]] = ()) -> list[tuple[str, ...]]:
    """Find the combinations of what is there in each group of which there is no video.

    Args:
        groups: such as persons, actions and scenarios; the set has a video of each combination.
        known: combinations that the set itself lacks.
    """
    names = list(groups[0].of)
    there = {tuple(group.of[name] for group in groups) for name in names}
    every = product(*(group.there for group in groups))
    return [combination for combination in every if combination not in there and combination not in known]


def shortly(what: Sequence[str], most: int = 4) -> str:
    """Return the first of many and how many more there are."""
    shown = ", ".join(what[:most])
    return shown if len(what) <= most else f"{shown} and {len(what) - most} more"
