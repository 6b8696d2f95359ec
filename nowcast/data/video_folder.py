"""Folders of frame pictures, read without a cache: ``video_00001/frame_00001.png …``, also in categories.

Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.times import Times
from nowcast.data.frame_transform import Colour, FrameTransform
from nowcast.data.raw_videos import RawVideo, decode_picture, find_videos, is_chosen
from nowcast.data.source import FrameArray, check_span, from_bytes

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VideoFolderSettings:
    """A folder of videos."""

    path: Path
    colour: Colour = "gray"
    size: tuple[int, int] | None = None
    """Rows and columns to which each picture is resized; None keeps them."""
    frames_per_second: float = 25.0
    categories: tuple[str, ...] = ()
    """Only these; empty takes all."""
    videos: tuple[str, ...] = ()
    """Only these, as ``category/video``; empty takes all."""
    damaged: Literal["refuse", "skip"] = "refuse"
    """What a picture that cannot be read does: stop with its name, or become a missing frame."""

    def __post_init__(self) -> None:
        _ = self.transform
        if not 0 < self.frames_per_second <= 1e6:
            raise SettingsError(
                f"video_folder.frames_per_second: got {self.frames_per_second:g}, expected above 0"
            )

    @property
    def transform(self) -> FrameTransform:
        """How pictures become frames of a clip."""
        return FrameTransform(self.colour, self.size)


class PictureVideo:
    """One video whose frames are picture files: a frame source that decodes what it is asked for.

    Args:
        video: the pictures.
        sizes: rows and columns of each that is whole, by its number.
        settings: of its folder.

    Raises:
        FileError: pictures of several sizes, and no size to resize them to.
    """

    def __init__(
        self, video: RawVideo, sizes: Mapping[int, tuple[int, int]], settings: VideoFolderSettings
    ) -> None:
        self.name, self.place, self.transform = video.name, video.place, settings.transform
        pictures = dict(video.pictures)
        lead = next(iter(sizes))
        size = settings.size or sizes[lead]
        for number, found in sizes.items():
            if settings.size is None and found != size:
                raise FileError(
                    f"{pictures[number]}: got {found[0]} x {found[1]}, expected {size[0]} x {size[1]} as "
                    f"{pictures[lead].name}; set a size to resize all"
                )
        self.pictures = tuple(pictures[number] for number in sizes)
        self.frame_shape = (self.transform.channels, *size)
        self.step = np.timedelta64(round(1e9 / settings.frames_per_second), "ns")
        steps = (np.array(list(sizes)) - min(pictures)) // video.spacing
        self.times: Times = np.datetime64(0, "ns") + steps * self.step

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames cut to rows and columns: (T, C, h, w) in [0, 1].

        Raises:
            FileError: a picture that has gone or was damaged since the video was opened.
        """
        check_span(self, first, count, len(self.pictures))
        frames = [
            self.transform.apply(decode_picture(path, self.transform.colour)[np.newaxis])[..., rows, columns]
            for path in self.pictures[first : first + count]
        ]
        return from_bytes(np.concatenate(frames))


def open_videos(settings: VideoFolderSettings, progress: bool = True) -> list[PictureVideo]:
    """Open every video of a folder, each picture decoded once to find the damaged ones.

    Raises:
        FileError: no such folder, no videos in it, a damaged picture (where those are refused),
            pictures of several sizes in one video.
    """
    root = Path(settings.path)
    layout = f"expected videos as {root.name}/[category/]video/frame_00001.png; check the path"
    if not root.is_dir():
        raise FileError(f"{root}: no such folder, {layout}")
    kept = [
        video
        for video in find_videos(root, every_picture_has_a_number=True)
        if video.pictures and is_chosen(video.name, settings.categories, settings.videos or None)
    ]
    if not kept:
        raise FileError(f"{root}: got no pictures of the categories and videos asked for, {layout}")
    damaged: list[Path] = []
    videos = []
    with tqdm(
        total=sum(len(video.pictures) for video in kept),
        desc=f"check {root.name}",
        unit="picture",
        disable=not progress,
        delay=2,
    ) as bar:
        for video in kept:
            sizes = _check(video, settings, damaged, bar)
            if sizes:
                videos.append(PictureVideo(video, sizes, settings))
    if damaged:
        _LOG.warning("%s: %d damaged pictures skipped, first %s", root, len(damaged), damaged[0])
    if not videos:
        raise FileError(f"{root}: got only damaged pictures ({len(damaged)}), expected whole ones")
    return videos


def _check(
    video: RawVideo, settings: VideoFolderSettings, damaged: list[Path], bar: tqdm[Any]
) -> dict[int, tuple[int, int]]:
    """Decode every picture of a video once: the size of each whole one by its number."""
    sizes = {}
    for number, path in video.pictures:
        try:
            sizes[number] = decode_picture(path, settings.colour).shape[:2]
        except FileError as error:
            if settings.damaged == "refuse":
                raise FileError(f"{error}, or set damaged: skip") from error
            damaged.append(path)
        bar.update()
    return sizes
