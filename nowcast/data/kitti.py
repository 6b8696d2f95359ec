"""KITTI's raw recordings of a drive through Karlsruhe, 10 frames a second, parted by recording as PredNet does.

Two forms go round: the pictures as published, and PredNet's ``X_train.hkl`` with ``sources_train.hkl``: all
frames of a part, already 128 x 160, with the recording of each. These are HDF5 files and read as such.

Source: Geiger, Lenz, Stiller, Urtasun, "Vision meets Robotics: The KITTI Dataset", IJRR 2013; split, size and
camera of Lotter, Kreiman, Cox, "Deep Predictive Coding Networks" (PredNet), ICLR 2017.
Dimensions: N frames of all recordings, H rows, W columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.errors import FileError
from nowcast.data.cached_video import CachedVideo
from nowcast.data.frame_stack import DamagedVideoError, FrameBatch
from nowcast.data.frame_transform import Colour, Resize
from nowcast.data.hdf5_arrays import array_of, open_hdf5, texts_of
from nowcast.data.published_split import SplitPart, check_choices, part_names
from nowcast.data.raw_videos import RawVideo, find_videos
from nowcast.data.video_cache import VideoSettings
from nowcast.data.video_files import open_named

VALIDATION = ("2011_09_26_drive_0005",)
TEST = ("2011_09_26_drive_0104", "2011_09_26_drive_0079", "2011_09_26_drive_0070")
CAMERAS = ("image_00", "image_01", "image_02", "image_03")
STACKS = {"train": "train", "val": "validation", "test": "test"}
_RECORDING = re.compile(r"(\d{4}_\d\d_\d\d_drive_\d{4})(?:_(?:sync|extract))?(?=/|$)")
_CAMERA = re.compile(r"/(image_0[0-3])(?=/|$)")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_CHUNK = 64
HOW_TO_GET = (
    "get the synced and rectified raw recordings of the categories city, residential and road from "
    "https://www.cvlibs.net/datasets/kitti/raw_data.php (CC BY-NC-SA 3.0; cite Geiger et al., IJRR 2013) and "
    "unpack them as kitti/2011_09_26/2011_09_26_drive_0001_sync/image_03/data/0000000000.png (folders above "
    "it do no harm), or name the folder with PredNet's X_train.hkl and sources_train.hkl"
)


@dataclass(frozen=True)
class KittiSettings(VideoSettings):
    """KITTI, by default as PredNet reads it.

    Raises:
        SettingsError: an unknown camera.
    """

    part: SplitPart = "train"
    colour: Colour = "rgb"
    size: tuple[int, int] | None = (128, 160)
    resize: Resize = "cover"
    frames_per_second: float | None = 10.0
    validation_recordings: tuple[str, ...] = VALIDATION
    """By date and drive; of the pictures, the stacks are parted already."""
    test_recordings: tuple[str, ...] = TEST
    cameras: tuple[str, ...] = ("image_03",)
    """``image_02`` and ``image_03`` are in colour."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices("kitti", {"cameras": (self.cameras, CAMERAS)})

    def part_of(self, name: str) -> str:
        """Return the part of a video by its name: the pictures go by recording, the stacks by their file."""
        first, _, recording = name.partition("/")
        if first in STACKS.values():
            return first
        drive = recording.split("/")[0]
        return part_names(drive, self.validation_recordings, self.test_recordings)


@dataclass(frozen=True)
class KittiRecording:
    """The frames of one recording in a stack of PredNet's."""

    path: Path
    name: str
    first: int
    count: int

    rate = Fraction(10)
    start = 0
    missing = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def batches(self) -> Iterator[FrameBatch]:
        """Read frame after frame: uint8 (T, H, W, 3)."""
        try:
            with open_hdf5(self.path) as file:
                frames = array_of(file, only_name(file), 4)
                if frames.dtype != np.uint8 or frames.shape[3] != 3 or self.first + self.count > len(frames):
                    raise DamagedVideoError(
                        f"got {frames.dtype} {frames.shape}, expected bytes (N, H, W, 3) of as many "
                        "frames as there are sources"
                    )
                for start in range(0, self.count, _CHUNK):
                    end = min(start + _CHUNK, self.count)
                    yield FrameBatch(list(range(start, end)), frames[self.first + start : self.first + end])
        except FileError as error:
            raise DamagedVideoError(str(error)) from error


def open_kitti(settings: KittiSettings, progress: bool = True) -> list[CachedVideo]:
    """Open the recordings of a part, each camera a video of its own.

    Raises:
        FileError: KITTI is not there (the message says where to get it), or no recording can be used.
    """
    return open_named(
        find_recordings(settings.path) if settings.path.exists() else None,
        settings,
        lambda video: video.name,
        lambda name: _is_wanted(name, settings),
        f"got no recordings of the part and cameras asked for; {HOW_TO_GET}",
        progress,
    )


def find_recordings(root: Path) -> list[RawVideo]:
    """Find the recordings of a folder: those of the stacks if there are any, else of the pictures.

    Raises:
        FileError: a stack without its sources, or damaged.
    """
    stacks = [(root / f"X_{name}.hkl", root / f"sources_{name}.hkl", part) for name, part in STACKS.items()]
    found = [video for x, sources, part in stacks if x.is_file() for video in _of_stack(x, sources, part)]
    return found or [
        RawVideo(name, video.path, video.pictures)
        for video in find_videos(root)
        if video.pictures and (name := recording_name(video.name)) is not None
    ]


def recording_name(path: str) -> str | None:
    """Name a folder of pictures ``kitti/2011_09_26_drive_0001/image_03``; None for what is no recording."""
    recordings, camera = _RECORDING.findall(path), _CAMERA.search(path)
    return f"kitti/{recordings[-1]}/{camera[1]}" if recordings and camera else None


def only_name(file: Any) -> str:
    """Return the name of the one thing that a file of hickle holds."""
    names = list(file)
    if len(names) != 1:
        raise FileError(f"got {len(names)} arrays in a file of hickle, expected one; get it again")
    return str(names[0])


def _of_stack(path: Path, sources: Path, part: str) -> Iterator[RawVideo]:
    with open_hdf5(sources) as file:
        names = texts_of(file, only_name(file))
    with open_hdf5(path) as file:
        count = len(array_of(file, only_name(file), 4))
    if count != len(names):
        raise FileError(
            f"{path}: got {count} frames and {len(names)} sources of them, expected as many of both; "
            "get both again"
        )
    first, seen = 0, 0
    for name, run in groupby(names):
        count, seen = len(list(run)), seen + 1
        plain = _NO_NAME.sub("_", name)[:80]
        yield RawVideo(f"{part}/{seen:04d}_{plain}", path, stack=KittiRecording(path, plain, first, count))
        first += count


def _is_wanted(name: str, settings: KittiSettings) -> bool:
    camera = name.rsplit("/", 1)[-1]
    chosen = not name.startswith("kitti/") or not settings.cameras or camera in settings.cameras
    return chosen and settings.part_of(name) == settings.part
