"""TaxiBJ: taxis that enter and leave each of 32 x 32 squares of Beijing in half an hour, two channels.

Two forms go round. ``dataset.npz`` of OpenSTL holds clips of 4 + 4 frames, already scaled to -1 ... 1 and
parted into train and test: they become one reel, between two clips a step left out. The published files
``BJ13_M32x32_T30_InOut.h5`` to ``BJ16`` hold counts by time slot: each is a video with real times, and days are
parted at its end.

Source: Zhang, Zheng, Qi, "Deep Spatio-Temporal Residual Networks for Citywide Crowd Flows Prediction", AAAI
2017 (the last four weeks are to test on).
Dimensions: N clips, T frames, C = 2 channels (inflow, outflow), H rows, W columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, SettingsError
from nowcast.core.times import Times
from nowcast.data.frame_stack import DamagedVideoError, FrameBatch
from nowcast.data.hdf5_arrays import array_of, open_hdf5, texts_of
from nowcast.data.npz_arrays import names_of, open_array
from nowcast.data.published_split import SplitPart
from nowcast.data.raw_videos import RawVideo
from nowcast.data.source import FrameSource
from nowcast.data.splits import SourcePart, within
from nowcast.data.video_cache import CachedSettings
from nowcast.data.video_files import open_named

CLIPS = "dataset.npz"
_COUNTS = re.compile(r"BJ\d\d_M32x32_T30_InOut\.h5")
_SLOT = np.timedelta64(30, "m").astype("timedelta64[ns]")
_SLOTS = 48
_CHUNK = 512
HOW_TO_GET = (
    "get BJ13 ... BJ16_M32x32_T30_InOut.h5 from https://github.com/TolicWang/DeepST (data/TaxiBJ; its "
    "authors state no licence, cite Zhang, Zheng and Qi, AAAI 2017) and lay them in one folder, or name the "
    "folder with OpenSTL's dataset.npz"
)


@dataclass(frozen=True)
class TaxiBjSettings(CachedSettings):
    """TaxiBJ, as clips or as counts.

    Raises:
        SettingsError: a value outside its range.
    """

    part: SplitPart = "train"
    highest: float = 1292.0
    """Count that becomes 1, of the published files; it is the largest in them."""
    validation_days: int = 28
    """Days before those to test on, of the published files; 28 is our choice."""
    test_days: int = 28
    """Last days, of the published files."""
    validation_share: float = 0.1
    """Last clips of those to train on, of ``dataset.npz``; the published code validates on its test clips."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("highest", "validation_days", "test_days"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"taxibj.{name}: got {getattr(self, name):g}, expected above 0")
        if not 0 < self.validation_share < 1:
            raise SettingsError(
                f"taxibj.validation_share: got {self.validation_share:g}, expected within 0 and 1"
            )


@dataclass(frozen=True)
class TaxiClips:
    """The clips of ``dataset.npz``: past ``X`` and future ``Y`` of each, one reel."""

    path: Path
    part: str

    rate = Fraction(1, 1800)
    start = 0
    missing = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def batches(self) -> Iterator[FrameBatch]:
        """Read clip after clip: float32 (T, C, H, W) in [0, 1]."""
        try:
            with (
                open_array(self.path, f"X_{self.part}") as past,
                open_array(self.path, f"Y_{self.part}") as future,
            ):
                if (
                    len(past.shape) != 5
                    or past.shape[:1] + past.shape[2:] != future.shape[:1] + future.shape[2:]
                ):
                    raise DamagedVideoError(
                        f"got {past.shape} and {future.shape}, expected (N, T, 2, 32, 32) of both"
                    )
                length, number = past.shape[1] + future.shape[1], 0
                while number < past.shape[0]:
                    clips = np.concatenate([past.take(_CHUNK), future.take(_CHUNK)], axis=1)
                    first = (number + np.arange(len(clips))) * (length + 1)
                    numbers = (first[:, np.newaxis] + np.arange(length)).ravel().tolist()
                    frames = clips.reshape(-1, *clips.shape[2:]).astype(np.float32)
                    yield FrameBatch(numbers, _within_one((frames + np.float32(1)) / np.float32(2), "-1 to 1"))
                    number += len(clips)
        except (FileError, ValueError) as error:
            raise DamagedVideoError(str(error)) from error


@dataclass(frozen=True)
class TaxiCounts:
    """The counts of one published file."""

    path: Path
    highest: float
    start: int

    rate = Fraction(1, 1800)
    missing = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    def batches(self) -> Iterator[FrameBatch]:
        """Read slot after slot: float32 (T, C, H, W) in [0, 1]."""
        try:
            with open_hdf5(self.path) as file:
                counts, times = array_of(file, "data", 4), _times(file, self.path)
                if len(counts) != len(times) or 0 in counts.shape:
                    raise DamagedVideoError(
                        f"got {counts.shape} of {len(times)} slots, expected as many of both"
                    )
                numbers = ((times - times[0]) // _SLOT).tolist()
                for first in range(0, len(numbers), _CHUNK):
                    frames = np.divide(counts[first : first + _CHUNK], self.highest, dtype=np.float32)
                    yield FrameBatch(
                        numbers[first : first + _CHUNK], _within_one(frames, f"0 to {self.highest:g}")
                    )
        except FileError as error:
            raise DamagedVideoError(str(error)) from error


def open_taxibj(settings: TaxiBjSettings, progress: bool = True) -> list[FrameSource]:
    """Open a part of TaxiBJ.

    Raises:
        FileError: it is not there (the message says where to get it), or damaged.
    """
    there = settings.path.exists()
    stacks = find_stacks(settings.path, settings.highest) if there else None
    clips = stacks[0].name.startswith("clips/") if stacks else (settings.transform_folder / "clips").is_dir()
    wanted = f"clips/{'test' if settings.part == 'test' else 'train'}"
    videos = open_named(
        stacks,
        settings,
        lambda video: video.name,
        lambda name: name == wanted if clips else name.startswith("counts/"),
        f"got no TaxiBJ; {HOW_TO_GET}",
        progress,
    )
    if not clips:
        return _parted(videos, settings)
    [reel] = videos
    return [reel] if settings.part == "test" else [_share(reel, reel.metadata.runs, settings)]


def find_stacks(path: Path, highest: float) -> list[RawVideo]:
    """Find the clips, or the files of counts, that a folder holds or a file is.

    Raises:
        FileError: a file that is neither.
    """
    clips = path / CLIPS if path.is_dir() else path
    if clips.suffix == ".npz" and clips.is_file():
        parts = [part for part in ("train", "test") if f"X_{part}" in names_of(clips)]
        return [RawVideo(f"clips/{part}", clips, stack=TaxiClips(clips, part)) for part in parts]
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        if _COUNTS.fullmatch(file.name):
            with open_hdf5(file) as opened:
                start = int(_times(opened, file)[0].astype(np.int64))
            found.append(RawVideo(f"counts/{file.stem}", file, stack=TaxiCounts(file, highest, start)))
    return found


def _times(file: Any, path: Path) -> Times:
    """Read the slots, YYYYMMDDNN with NN from 1 to 48, as times."""
    slots = texts_of(file, "date")
    try:
        days = [f"{text[:4]}-{text[4:6]}-{text[6:8]}" for text in slots]
        numbers = np.array([int(text[8:]) for text in slots])
        times: Times = np.array(days, "datetime64[ns]") + (numbers - 1) * _SLOT
    except ValueError as error:
        raise FileError(
            f"{path}: got slots that are no dates ({error}), expected 2013070101; get the file again"
        ) from error
    if (
        len(times) == 0
        or numbers.min() < 1
        or numbers.max() > _SLOTS
        or (np.diff(times) <= np.timedelta64(0)).any()
    ):
        raise FileError(
            f"{path}: got {len(times)} slots, expected them rising, 1 to {_SLOTS} of a day; get the file again"
        )
    return times


def _within_one(frames: npt.NDArray[np.float32], expected: str) -> npt.NDArray[np.float32]:
    """Refuse values that the scaling does not know."""
    low, high = float(frames.min()), float(frames.max())
    if not -1e-6 <= low <= high <= 1 + 1e-6:
        raise DamagedVideoError(
            f"got values that scale to {low:g} ... {high:g}, expected {expected}; set 'highest'"
        )
    return np.clip(frames, 0, 1)


def _parted(videos: list[Any], settings: TaxiBjSettings) -> list[FrameSource]:
    """Cut the last days off for test and validation."""
    end = max(video.times[-1] for video in videos).astype("datetime64[D]") + np.timedelta64(1, "D")
    test = (end - np.timedelta64(settings.test_days, "D")).astype("datetime64[ns]")
    validation = test - np.timedelta64(settings.validation_days, "D").astype("timedelta64[ns]")
    first = np.datetime64(0, "ns")
    period = {"train": (first, validation), "validation": (validation, test), "test": (test, end)}[
        settings.part
    ]
    found = [_of_part(part, settings.part) for video in videos for part in within(video, [period])]
    if not found:
        raise FileError(
            f"{settings.path}: got no slots of the part '{settings.part}', expected more than "
            f"{settings.test_days} + {settings.validation_days} days; {HOW_TO_GET}"
        )
    return found


def _share(reel: FrameSource, runs: tuple[tuple[int, int], ...], settings: TaxiBjSettings) -> FrameSource:
    """Cut the clips to validate on off the end of those to train on, and as many clips as overlap them out."""
    lengths = [count for _, count in runs]
    kept = max(1, round(len(runs) * settings.validation_share))
    if settings.part == "validation":
        return _of_part(SourcePart(reel, sum(lengths[:-kept]), sum(lengths)), settings.part)
    between = min(max(lengths), max(0, len(runs) - kept - 1))
    return _of_part(SourcePart(reel, 0, sum(lengths[: len(runs) - kept - between])), settings.part)


def _of_part(source: Any, part: SplitPart) -> FrameSource:
    """Name a part of a video after it: parts that share no time are two videos."""
    source.name, source.place = f"{source.name}/{part}", f"{source.place}:{part}"
    found: FrameSource = source
    return found
