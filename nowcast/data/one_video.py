"""A stretch of one video, wherever its frames lie: a video file, a folder of pictures, an array of numpy.

Nothing is cached: no more is decoded than the stretch and what comes before it.
Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import contextlib
import sys
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.data.frame_stack import DamagedVideoError
from nowcast.data.frame_transform import FrameTransform, Pixels
from nowcast.data.raw_videos import RawVideo, find_videos
from nowcast.data.video_decode import check_decoder
from nowcast.data.video_frames import open_frames

ARRAYS = (".npy", ".npz")
_AT_A_TIME = 64
_BROKEN = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)


class VideoStretch(NamedTuple):
    """Frames of a video one after the other."""

    first: int
    """Number of the first of them, of those that the transform keeps, from 0."""
    frames: Pixels
    """(T, C, H, W), transformed."""


def read_stretch(path: Path, transform: FrameTransform, first: int, most: int) -> VideoStretch:
    """Read frames from ``first`` on, fewer than ``most`` where the video ends or lacks one.

    Args:
        path: a video file, a folder with the pictures of one video, an .npy or .npz.
        transform: what is done to each frame; with a ``step`` only every so many count.
        first: number of the first frame; below 0 counted from the end.
        most: so many frames.

    Raises:
        FileError: no such video, several of them, damaged, or without that frame.
        SettingsError: an array that is no video.
        MissingExtraError: a video file, and PyAV is not installed.
    """
    every, source = _frames(path, transform)
    kept: deque[tuple[int, Pixels]] = deque(maxlen=min(-first, sys.maxsize) if first < 0 else None)
    seen = 0
    try:
        with contextlib.closing(source):
            for numbers, frames in source:
                places = [number // every for number in numbers]
                seen = places[-1] + 1
                if first < 0 or seen > first:
                    made = transform.apply(frames)
                    kept += zip(places, made, strict=True)
                if first >= 0 and seen >= first + most:
                    break
    except DamagedVideoError as error:
        raise FileError(f"{path}: cannot be used, {' '.join(str(error).split())}") from error
    begin = first if first >= 0 else max(0, seen + first)
    found = dict(kept)
    here: list[int] = []
    while len(here) < most and begin + len(here) in found:
        here.append(begin + len(here))
    if not here:
        raise FileError(
            complain(f"{path}: frame {begin}", "none", f"one of 0 to {seen - 1}", "start at another frame")
        )
    if len({found[number].shape for number in here}) > 1:
        raise FileError(f"{path}: got frames of several sizes, expected one; give a size to resize them to")
    return VideoStretch(begin, np.stack([found[number] for number in here]))


def _frames(path: Path, transform: FrameTransform) -> tuple[int, Any]:
    """Open a video: numbers from one kept frame to the next, and a generator of numbers and frames."""
    if not path.exists():
        raise FileError(f"{path}: no such video; check the path")
    if path.suffix.lower() in ARRAYS:
        return transform.step, _of_array(path, transform.step)
    if path.is_dir():
        found = find_videos(path)
        if len(found) != 1:
            near = f", such as {path / found[0].name}" if found else ""
            expected = f"one as pictures with numbers, frame_00001.png ...{near}"
            raise FileError(complain(str(path), f"{len(found)} videos", expected, "give one of them"))
        (video,) = found
    else:
        video = RawVideo(path.name, path)
    if not video.pictures:
        check_decoder()
    try:
        _, batches = open_frames(video, transform)
    except DamagedVideoError as error:
        raise FileError(f"{path}: cannot be used, {' '.join(str(error).split())}") from error
    return int(np.lcm(video.spacing, transform.step)), ((b.numbers, b.frames) for b in batches)


def _of_array(path: Path, step: int) -> Iterator[tuple[list[int], Pixels]]:
    frames = _laid(_loaded(path), path)
    for at in range(0, len(frames), step * _AT_A_TIME):
        numbers = list(range(at, min(at + step * _AT_A_TIME, len(frames)), step))
        yield numbers, _pixels(np.asarray(frames[numbers]), path)


def _loaded(path: Path) -> Any:
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with np.load(path, allow_pickle=False) as stored:
            names = stored.files
            if len(names) != 1 and "frames" not in names:
                raise SettingsError(
                    complain(str(path), f"arrays {', '.join(names)}", "one, or one named frames", "rename it")
                )
            return stored[names[0] if len(names) == 1 else "frames"]
    except _BROKEN as error:
        raise FileError(f"{path}: cannot be read as an array ({error}); write it with numpy.save") from error


def _laid(array: Any, path: Path) -> Any:
    """Lay an array as (T, H, W) or (T, H, W, 3)."""
    shape = tuple(array.shape)
    if len(shape) == 3 and min(shape) > 0:
        return array
    if len(shape) == 4 and min(shape) > 0:
        if shape[3] in (1, 3):
            return array if shape[3] == 3 else array[..., 0]
        if shape[1] in (1, 3):
            return array.transpose(0, 2, 3, 1) if shape[1] == 3 else array[:, 0]
    expected = "(frames, rows, columns), with 1 or 3 channels after them or before the rows"
    raise SettingsError(complain(str(path), f"an array of shape {shape}", expected, "give one video"))


def _pixels(frames: Any, path: Path) -> Pixels:
    """Eight bits of whole numbers up to 255, or of fractions up to 1."""
    low, high = (float(frames.min()), float(frames.max())) if frames.dtype.kind in "bfiu" else (np.nan, np.nan)
    top = 1.0 if frames.dtype.kind in "bf" else 255.0
    if not (low >= 0 and high <= top):
        values = f"{frames.dtype} from {low:g} to {high:g}"
        expected = "whole numbers from 0 to 255, or fractions from 0 to 1"
        raise SettingsError(complain(str(path), values, expected, "scale them"))
    scaled = np.rint(frames.astype(np.float64) * 255) if top == 1.0 else frames
    made: Pixels = scaled.astype(np.uint8)
    return made
