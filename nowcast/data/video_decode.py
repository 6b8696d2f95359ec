"""Decode one video, from a video file or from the pictures of its frames, into a cache file.

PyAV and Pillow are imported when the first frame is decoded: reading from a cache needs neither.
Dimensions: T frames, C channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nowcast.core.errors import FileError, MissingExtraError
from nowcast.core.files import whole_file
from nowcast.data.cached_video import (
    FORMAT,
    HEADER_BYTES,
    VideoMetadata,
    frames_path,
    metadata_path,
)
from nowcast.data.frame_transform import FrameTransform, Pixels
from nowcast.data.video_folder import decode_picture

_BATCH_BYTES = 4_000_000
_LOST_SHARE = 0.05
"""A video of which more frames than this are missing or flagged corrupt counts as damaged."""
_RATE_SHARE = 0.05
"""So far may the rate that a file says be from the usual time between its frames."""


@dataclass(frozen=True)
class RawVideo:
    """One video on disk: a video file, or pictures by frame number."""

    name: str
    """With slashes for folders; also the place of its cache file."""
    path: Path
    """The video file, or the folder of the pictures."""
    pictures: tuple[tuple[int, Path], ...] = ()
    """Frame number and file, rising; empty for a video file."""

    def identity(self, look: FrameTransform) -> str:
        """Give 16 hexadecimal digits that change with the files' sizes and times, and with the look.

        Raises:
            FileError: a file has gone.
        """
        digest = hashlib.sha256(f"{FORMAT}:{look}".encode())
        for number, path in self.pictures or ((0, self.path),):
            try:
                found = path.stat()
            except OSError as error:
                raise FileError(f"{path}: cannot be read ({error.strerror}); check the file") from error
            digest.update(f"{number}:{found.st_size}:{found.st_mtime_ns};".encode())
        return digest.hexdigest()[:16]


class DecodeTask(NamedTuple):
    """A take to be decoded, how its frames shall look, and into which folder."""

    take: RawVideo
    look: FrameTransform
    folder: Path


class DamagedVideoError(Exception):
    """A video that cannot be used; the message says why."""


class FrameBatch(NamedTuple):
    """Frames that were decoded together."""

    numbers: list[int]
    frames: Pixels
    """(T, H, W) or (T, H, W, 3)"""


class OpenedVideo(NamedTuple):
    """A video that has been opened: its rate and its frames to come."""

    rate: Fraction | None
    """Frames a second; None for pictures, which do not say."""
    batches: Iterator[FrameBatch]


def check_decoder() -> None:
    """Check whether videos can be decoded at all.

    Raises:
        MissingExtraError: PyAV is not installed.
    """
    if importlib.util.find_spec("av") is None:
        raise MissingExtraError("decoding videos", "av", "video")


def cache_video(task: DecodeTask) -> VideoMetadata:
    """Decode a take into its cache file; a damaged or too short one leaves only its metadata.

    First the frames appear, whole, then the metadata, whole: without metadata there is no cache.

    Raises:
        FileError: the disk is full, or the folder cannot be written.
    """
    take, look, folder = task
    identity = take.identity(look)
    for old in (metadata_path(folder, take.name), frames_path(folder, take.name)):
        old.unlink(missing_ok=True)
    try:
        with whole_file(frames_path(folder, take.name)) as temporary:
            metadata = _write(task, identity, temporary)
    except DamagedVideoError as damage:
        metadata = VideoMetadata(take.name, identity, problem=" ".join(str(damage).split()))
    metadata.write(folder)
    return metadata


def _write(task: DecodeTask, identity: str, path: Path) -> VideoMetadata:
    numbers: list[int] = []
    content = hashlib.sha256()
    shape: tuple[int, ...] = ()
    opened = _open_pictures(task) if task.take.pictures else _open_video(task.take, task.look)
    with path.open("wb") as file:
        file.write(bytes(HEADER_BYTES))
        for batch in opened.batches:
            frames = task.look.apply(batch.frames)
            if shape and frames.shape[1:] != shape:
                raise DamagedVideoError(f"got frames of {shape[1:]} and of {frames.shape[2:]}; set a size")
            shape = frames.shape[1:]
            numbers += batch.numbers
            content.update(frames.data)
            file.write(frames.data)
        if not numbers:
            raise DamagedVideoError("got no frame")
        file.seek(0)
        file.write(_header((len(numbers), *shape)))
    rate = None if opened.rate is None else (opened.rate.numerator, opened.rate.denominator)
    every = _even_spacing(numbers) if task.take.pictures else None
    every = every or task.look.step
    return VideoMetadata(
        task.take.name, identity, shape=(len(numbers), shape[0], shape[1], shape[2]), every=every,
        runs=_runs(numbers, every), rate=rate, content=content.hexdigest()[:16],
    )


def _header(shape: tuple[int, ...]) -> bytes:
    """Give the head of a .npy file of uint8, as long as was set aside."""
    head = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described)
    if len(head.getvalue()) != HEADER_BYTES:
        raise FileError(f"cache: got a head of {len(head.getvalue())} bytes, expected {HEADER_BYTES}")
    return head.getvalue()


def _even_spacing(numbers: list[int]) -> int | None:
    """Give the distance of pictures of which only every n-th was extracted, if it is one and the same."""
    apart = {after - before for before, after in pairwise(numbers)}
    return apart.pop() if len(apart) == 1 and len(numbers) > 2 else None


def _runs(numbers: list[int], step: int) -> tuple[tuple[int, int], ...]:
    """Give first number and length of each stretch in which the numbers rise by ``step``."""
    array = np.array(numbers)
    starts = np.flatnonzero(np.diff(array, prepend=array[0] - step - 1) != step)
    lengths = np.diff(starts, append=len(array))
    return tuple(zip(array[starts].tolist(), lengths.tolist(), strict=True))


def _open_pictures(task: DecodeTask) -> OpenedVideo:
    first = task.take.pictures[0][0]
    origin = min(first, 1)  # names count from 1, or from 0 where there is a 0
    kept = [(n, path) for n, path in task.take.pictures if (n - first) % task.look.step == 0]

    def decoded() -> Iterator[tuple[int, Any]]:
        for number, path in kept:
            try:
                pixels = decode_picture(path, task.look.colour, None)
            except FileError as error:
                raise DamagedVideoError(str(error)) from error
            yield number - origin, pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)

    return OpenedVideo(None, _batched(decoded()))


def _open_video(take: RawVideo, look: FrameTransform) -> OpenedVideo:
    import av

    try:
        with av.open(str(take.path)) as container:
            if not container.streams.video:
                raise DamagedVideoError("got no video stream")
            rate = _rate(container)
    except DamagedVideoError:
        raise
    except Exception as error:  # a bad file makes a decoder raise anything
        raise DamagedVideoError(f"cannot be opened ({_said(error)})") from error
    return OpenedVideo(rate, _batched(_decode(take.path, look, rate)))


def _rate(container: Any) -> Fraction:
    """Give the frames a second of a video: one over the usual time between two frames.

    What the file says of its rate is taken where it agrees; an average over a film that lacks frames
    does not, and a rate made of times in whole milliseconds would be off.
    """
    stream = container.streams.video[0]
    places = sorted({p.dts if p.pts is None else p.pts for p in container.demux(stream)} - {None})
    said = [rate for rate in (stream.base_rate, stream.average_rate, stream.guessed_rate) if rate]
    if len(places) < 2:
        return Fraction(said[0]) if said else Fraction(25)
    usual = Fraction(int(np.median(np.diff(places)))) * stream.time_base
    nearest = min(said, key=lambda rate: abs(rate * usual - 1), default=1 / usual)
    return Fraction(nearest if abs(nearest * usual - 1) < _RATE_SHARE else 1 / usual)


def _decode(path: Path, look: FrameTransform, rate: Fraction) -> Iterator[tuple[int, Any]]:
    """Decode a file: number and pixels of each frame that is kept."""
    import av
    from av.video.reformatter import VideoReformatter

    form, reformatter = ("gray" if look.colour == "gray" else "rgb24"), VideoReformatter()
    number, decoded, good = -1, 0, 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # the processes share the cores already
            declared, start = stream.frames, None
            for frame in container.decode(stream):
                start = frame.time if start is None else start
                number = _number(frame.time, start, rate, number)
                decoded, good = decoded + 1, good + (not frame.is_corrupt)
                if number % look.step == 0:
                    yield number, reformatter.reformat(frame, format=form).to_ndarray()
    except Exception as error:  # a bad file makes a decoder raise anything
        raise DamagedVideoError(f"damaged after {good} frames ({_said(error)})") from error
    if good < (1 - _LOST_SHARE) * max(declared, decoded):
        raise DamagedVideoError(f"got {good} whole frames of {max(declared, decoded)}")


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def _number(time: float | None, start: float | None, rate: Fraction, before: int) -> int:
    """Number a frame by its time, so that a dropped one leaves a gap; without times by counting."""
    if time is None or start is None:
        return before + 1
    return max(before + 1, round((time - start) * float(rate)))


def _batched(frames: Iterator[tuple[int, Any]]) -> Iterator[FrameBatch]:
    """Stack frames of one size, a few megabytes at a time."""
    numbers: list[int] = []
    stack: list[Any] = []
    for number, pixels in frames:
        full = len(stack) * pixels.nbytes >= _BATCH_BYTES
        if stack and (full or stack[0].shape != pixels.shape):
            yield FrameBatch(numbers, np.stack(stack))
            numbers, stack = [], []
        numbers.append(number)
        stack.append(pixels)
    if stack:
        yield FrameBatch(numbers, np.stack(stack))
