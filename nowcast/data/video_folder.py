"""A folder of videos as frame pictures: ``video_00001/frame_00001.png …``, also in categories.

Any folder that holds pictures is one video; folders above it, if any, are its category
(``category/video/frame_1.png``). Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.times import Times
from nowcast.data.source import FrameArray

_LOG = logging.getLogger(__name__)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"}
_NUMBER = re.compile(r"(\d+)(?!.*\d)")
_EIGHT_BITS = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"}


@dataclass(frozen=True)
class VideoFolderSettings:
    """A folder of videos."""

    path: Path
    colour: Literal["gray", "rgb"] = "gray"
    size: tuple[int, int] | None = None
    """Rows and columns to which each picture is resized (bilinear); None keeps them."""
    frames_per_second: float = 25.0
    categories: tuple[str, ...] = ()
    """Only these; empty takes all."""
    videos: tuple[str, ...] = ()
    """Only these, as ``category/video``; empty takes all."""
    damaged: Literal["refuse", "skip"] = "refuse"
    """What a picture that cannot be read does: stop with its name, or become a missing frame."""

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise SettingsError(f"video_folder.size: got {self.size}, expected rows and columns >= 1")
        if not 0 < self.frames_per_second <= 1e6:
            raise SettingsError(
                f"video_folder.frames_per_second: got {self.frames_per_second:g}, expected above 0"
            )


class PictureVideo:
    """One video whose frames are picture files: a frame source that decodes what it is asked for."""

    def __init__(
        self, name: str, pictures: Sequence[Path], times: Times, step: np.timedelta64,
        colour: Literal["gray", "rgb"], size: tuple[int, int],
    ) -> None:
        self.name = name
        self.pictures = tuple(pictures)
        self.times = times
        self.step = step
        self.colour: Literal["gray", "rgb"] = colour
        self.frame_shape = (1 if colour == "gray" else 3, *size)

    def read(self, first: int, count: int, rows: slice, columns: slice) -> FrameArray:
        """Read frames cut to rows and columns: (T, C, h, w) in [0, 1].

        Raises:
            FileError: a picture that has gone or was damaged since the video was opened.
        """
        if first < 0 or first + count > len(self.pictures):
            raise IndexError(f"{self.name}: frames {first} to {first + count} of {len(self.pictures)}")
        size = self.frame_shape[1:]
        frames = [
            decode_picture(path, self.colour, size)[..., rows, columns]
            for path in self.pictures[first : first + count]
        ]
        stacked = np.stack(frames).astype(np.float32)
        stacked *= np.float32(1 / 255)
        return stacked


def open_videos(settings: VideoFolderSettings, progress: bool = True) -> list[PictureVideo]:
    """Open every video of a folder, each picture decoded once to find the damaged ones.

    Raises:
        FileError: no such folder, no videos in it, a damaged picture (where those are refused),
            pictures of several sizes in one video.
    """
    root = Path(settings.path)
    if not root.is_dir():
        raise FileError(
            f"{root}: no such folder, expected videos as {root.name}/[category/]video/frame_00001.png"
        )
    folders = [root, *sorted(p for p in root.rglob("*") if p.is_dir())]
    kept = {folder: found for folder in folders if (found := _pictures(folder)) and _wanted(folder, settings)}
    if not kept:
        raise FileError(
            f"{root}: got no pictures of the categories and videos asked for, expected "
            f"{root.name}/[category/]video/frame_00001.png"
        )
    damaged: list[Path] = []
    videos = []
    with tqdm(
        total=sum(map(len, kept.values())), desc=f"check {root.name}", unit="picture",
        disable=not progress, delay=2,
    ) as bar:
        for folder, pictures in kept.items():
            whole = _check(pictures, settings, damaged, bar)
            if whole:
                videos.append(_video(folder, pictures, whole, settings))
    if damaged:
        _LOG.warning("%s: %d damaged pictures skipped, first %s", root, len(damaged), damaged[0])
    if not videos:
        raise FileError(f"{root}: got only damaged pictures ({len(damaged)}), expected whole ones")
    return videos


def decode_picture(path: Path, colour: Literal["gray", "rgb"], size: tuple[int, int] | None) -> Any:
    """Decode one picture to uint8 (C, H, W), resized if need be.

    Raises:
        FileError: not a picture, truncated, or of more than eight bits a channel.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            if opened.mode not in _EIGHT_BITS:
                raise FileError(
                    f"{path}: got pixels of mode {opened.mode}, expected 8 bits a channel; convert it"
                )
            picture = opened.convert("L" if colour == "gray" else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileError(f"{path}: damaged picture ({error}); replace it") from error
    if size is not None and picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _wanted(folder: Path, settings: VideoFolderSettings) -> bool:
    name = folder.relative_to(settings.path)
    category = name.parts[0] if len(name.parts) > 1 else ""
    return (not settings.categories or category in settings.categories) and (
        not settings.videos or name.as_posix() in settings.videos
    )


def _pictures(folder: Path) -> dict[int, Path]:
    """Find the pictures of a folder by frame number: the last number in their names.

    Raises:
        FileError: a picture without a number, or two with one number.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            continue
        number = _NUMBER.search(path.stem)
        if number is None:
            raise FileError(f"{path}: got no frame number, expected a name such as frame_00001.png")
        twin = found.setdefault(int(number[1]), path)
        if twin is not path:
            raise FileError(f"{path}: got the frame number of {twin.name}, expected one picture a number")
    return dict(sorted(found.items()))


def _check(
    pictures: dict[int, Path], settings: VideoFolderSettings, damaged: list[Path], bar: tqdm[Any]
) -> dict[int, tuple[int, int]]:
    """Decode every picture of a video once: the size of each whole one by its number."""
    sizes = {}
    for number, path in pictures.items():
        try:
            sizes[number] = decode_picture(path, settings.colour, None).shape[1:]
        except FileError as error:
            if settings.damaged == "refuse":
                raise FileError(f"{error}, or set damaged: skip") from error
            damaged.append(path)
        bar.update()
    return sizes


def _video(
    folder: Path, pictures: dict[int, Path], sizes: dict[int, tuple[int, int]],
    settings: VideoFolderSettings,
) -> PictureVideo:
    lead = next(iter(sizes))
    size = settings.size or sizes[lead]
    for number, found in sizes.items():
        if settings.size is None and found != size:
            raise FileError(
                f"{pictures[number]}: got {found[0]} x {found[1]}, expected {size[0]} x {size[1]} as "
                f"{pictures[lead].name}; set a size to resize all"
            )
    every = np.array(list(pictures))
    unit = int(np.gcd.reduce(np.diff(every))) if len(every) > 1 else 1
    step = np.timedelta64(round(1e9 / settings.frames_per_second), "ns")
    steps = (np.array(list(sizes)) - every[0]) // unit
    return PictureVideo(
        folder.relative_to(settings.path).as_posix() if folder != settings.path else folder.name,
        [pictures[number] for number in sizes], np.datetime64(0, "ns") + steps * step, step,
        settings.colour, size,
    )
