"""Decode one video into its two cache files, whole or not at all.

Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Literal

import numpy as np

from nowcast.core.errors import FileError, MissingExtraError
from nowcast.core.files import whole_file
from nowcast.data.cached_video import HEADER_BYTES, VideoMetadata, frames_path, metadata_path
from nowcast.data.frame_stack import DamagedVideoError
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.raw_videos import RawVideo
from nowcast.data.video_frames import open_frames


def check_decoder() -> None:
    """Check whether videos can be decoded at all.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    if importlib.util.find_spec("av") is None:
        raise MissingExtraError("decoding videos", "av", "video")


def cache_video(video: RawVideo, transform: FrameTransform, folder: Path) -> VideoMetadata:
    """Decode a video into its cache files in ``folder``; a damaged one leaves only its metadata.

    First the frames appear, whole, then the metadata, whole: without metadata there is no cache.

    Raises:
        FileError: the disk is full, or the folder cannot be written.
    """
    identity = video.identity(transform)
    for old in (metadata_path(folder, video.name), frames_path(folder, video.name)):
        old.unlink(missing_ok=True)
    try:
        with whole_file(frames_path(folder, video.name)) as temporary:
            metadata = _write(video, transform, identity, temporary)
    except DamagedVideoError as damage:
        metadata = VideoMetadata(video.name, identity, problem=" ".join(str(damage).split()))
    metadata.write(folder)
    return metadata


def _write(video: RawVideo, transform: FrameTransform, identity: str, path: Path) -> VideoMetadata:
    numbers: list[int] = []
    content = hashlib.sha256()
    shape: tuple[int, ...] = ()
    kind: Literal["|u1", "<f4"] = "|u1"
    stack = video.stack
    missing = None if stack is None else stack.missing
    told_rate, batches = open_frames(video, transform)
    with path.open("wb") as file:
        file.write(bytes(HEADER_BYTES))
        for batch in batches:
            if batch.frames.dtype == np.float32:
                frames, kind = np.ascontiguousarray(batch.frames, "<f4"), "<f4"
            elif missing is None:
                frames = transform.apply(batch.frames)
            else:
                frames = transform.apply_around(batch.frames, missing)
            if shape and frames.shape[1:] != shape:
                raise DamagedVideoError(f"got frames of {shape[1:]} and of {frames.shape[2:]}; set a size")
            shape = frames.shape[1:]
            numbers += batch.numbers
            content.update(frames.data)
            file.write(frames.data)
        if not numbers:
            raise DamagedVideoError("got no frame")
        file.seek(0)
        file.write(_header((len(numbers), *shape), kind))
    rate = None if told_rate is None else (told_rate.numerator, told_rate.denominator)
    every = int(np.lcm(video.spacing, transform.step))
    return VideoMetadata(
        video.name,
        identity,
        shape=(len(numbers), shape[0], shape[1], shape[2]),
        every=every,
        runs=_runs(numbers, every),
        rate=rate,
        content=content.hexdigest()[:16],
        dtype=kind,
        missing=missing,
        start=0 if stack is None else stack.start,
        counts_from=video.counts_from,
    )


def _header(shape: tuple[int, ...], kind: str) -> bytes:
    """Make the head of a .npy file, as long as was set aside."""
    head = io.BytesIO()
    described = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described)
    if len(head.getvalue()) != HEADER_BYTES:
        raise FileError(f"cache: got a head of {len(head.getvalue())} bytes, expected {HEADER_BYTES}")
    return head.getvalue()


def _runs(numbers: list[int], step: int) -> tuple[tuple[int, int], ...]:
    """Return first number and length of each run in which the numbers rise by ``step``."""
    array = np.array(numbers)
    starts = np.flatnonzero(np.diff(array, prepend=array[0] - step - 1) != step)
    lengths = np.diff(starts, append=len(array))
    return tuple(zip(array[starts].tolist(), lengths.tolist(), strict=True))
