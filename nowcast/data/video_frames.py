"""The frames of one video, numbered by their times, from a video file or from pictures.

Numbers count from 0 in steps of the usual time between two frames. A frame that is not there, cannot be
decoded or stands at a time of its own leaves its number out, so that no clip bridges it.

PyAV and Pillow are imported when the first frame is decoded: reading from a cache needs neither.
Dimensions: T frames, H rows, W columns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nowcast.core.errors import FileError
from nowcast.data.frame_stack import DamagedVideoError, FrameBatch
from nowcast.data.frame_transform import FrameTransform
from nowcast.data.raw_videos import RawVideo, decode_picture

_BATCH_BYTES = 4_000_000
_LOST_SHARE = 0.05
"""A video of which more frames than this cannot be decoded counts as damaged."""
_RATE_SHARE = 0.05
"""So far may the rate that a file says be from the usual time between its frames."""
_OFF_BEAT = 0.25
"""So far, in times between two frames, may a frame be from where its number is."""
_COUNTED = {"avi"}
"""Formats without times: a frame has the place at which it lies in the file."""


class _Packets(NamedTuple):
    """What the compressed frames tell before any is decoded."""

    rate: Fraction
    """Frames a second."""
    span: int
    """Numbers from the first to the last."""
    apart_ms: tuple[float, float]
    """Shortest and longest time between two."""
    timed: bool
    """Whether the file knows times."""


def open_frames(video: RawVideo, transform: FrameTransform) -> tuple[Fraction | None, Iterator[FrameBatch]]:
    """Open a video to read the frames that ``transform.step`` keeps, uncut and of their own size.

    Returns:
        Frames a second (None for pictures, which do not say), and the frames to come.

    Raises:
        DamagedVideoError: it cannot be opened; the iteration raises it too.
    """
    if video.stack is not None:
        return video.stack.rate, _kept(video.stack.batches(), transform.step)
    if video.pictures:
        return None, _batched(_pictures(video, transform))
    import av

    try:
        with av.open(str(video.path)) as container:
            if not container.streams.video:
                raise DamagedVideoError("got no video stream")
            packets = _packets(container)
    except DamagedVideoError:
        raise
    except Exception as error:  # a bad file makes a decoder raise anything
        raise DamagedVideoError(f"cannot be opened ({_described(error)})") from error
    return packets.rate, _batched(_decode(video.path, transform, packets))


def _kept(batches: Iterator[FrameBatch], step: int) -> Iterator[FrameBatch]:
    """Leave out the frames whose number is no multiple of ``step``."""
    for numbers, frames in batches:
        kept = [place for place, number in enumerate(numbers) if number % step == 0]
        if len(kept) == len(numbers):
            yield FrameBatch(numbers, frames)
        elif kept:
            yield FrameBatch([numbers[place] for place in kept], frames[kept])


def _pictures(video: RawVideo, transform: FrameTransform) -> Iterator[tuple[int, Any]]:
    first = video.pictures[0][0]
    origin = video.counts_from
    for number, path in video.pictures:
        if (number - first) % transform.step == 0:
            try:
                yield number - origin, decode_picture(path, transform.colour)
            except FileError as error:
                raise DamagedVideoError(str(error)) from error


def _packets(container: Any) -> _Packets:
    """Find the rate of a video: of what the file says, that on whose beat most of its frames stand.

    An average over a film that lacks frames is off, and so is a rate made of times in whole milliseconds;
    where the file says neither, it is one over the usual time between two frames.
    """
    stream = container.streams.video[0]
    told = [Fraction(rate) for rate in (stream.base_rate, stream.average_rate, stream.guessed_rate) if rate]
    timed = container.format.name not in _COUNTED
    found = {p.dts if p.pts is None else p.pts for p in container.demux(stream)} - {None}
    ticks = np.array(sorted(found), dtype=np.int64)
    if len(ticks) < 2:
        return _Packets(told[0] if told else Fraction(25), len(ticks), (0.0, 0.0), timed)
    apart = np.diff(ticks)
    usual = Fraction(int(np.median(apart))) * stream.time_base

    def on_beat(rate: Fraction) -> int:
        exact = (ticks - ticks[0]) * float(stream.time_base * rate)
        return int((abs(exact - np.rint(exact)) <= _OFF_BEAT).sum())

    near = [rate for rate in told if abs(rate * usual - 1) < _RATE_SHARE]
    rate = max([*near, 1 / usual], key=on_beat)
    tick_ms = float(stream.time_base) * 1000
    span = round(int(ticks[-1] - ticks[0]) * stream.time_base * rate) + 1
    return _Packets(rate, span, (float(apart.min()) * tick_ms, float(apart.max()) * tick_ms), timed)


def _decode(path: Path, transform: FrameTransform, packets: _Packets) -> Iterator[tuple[int, Any]]:
    """Decode a file: number and pixels of each frame that is kept."""
    import av
    from av.video.reformatter import VideoReformatter

    form, reformatter = ("gray" if transform.colour == "gray" else "rgb24"), VideoReformatter()
    number, start, good, lost, off_beat = -1, None, 0, 0, 0
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1  # the processes share the cores already
            declared = stream.frames
            for time, frame in _whole_frames(container, stream):
                start = time if start is None else start
                if frame is None:
                    lost += 1
                    continue
                exact = number + 1 if time is None or start is None else (time - start) * float(packets.rate)
                here = round(exact)
                if packets.timed and (here <= number or abs(exact - here) > _OFF_BEAT):
                    off_beat += 1
                    continue
                number, good = max(number + 1, here), good + 1
                if number % transform.step == 0:
                    yield number, _upright(frame, reformatter.reformat(frame, format=form).to_ndarray())
    except DamagedVideoError:
        raise
    except Exception as error:  # a bad file makes a decoder raise anything
        raise DamagedVideoError(f"damaged after {good} frames ({_described(error)})") from error
    _check_whole(declared, good, lost, off_beat, max(packets.span, number + 1), packets)


def _check_whole(declared: int, good: int, lost: int, off_beat: int, covered: int, packets: _Packets) -> None:
    """Refuse a video of which too much is missing, or something whose place nothing tells."""
    total = max(declared, good + lost + off_beat)
    if off_beat > _LOST_SHARE * total:
        shortest, longest = packets.apart_ms
        raise DamagedVideoError(
            f"got a variable frame rate, frames {shortest:.0f} to {longest:.0f} ms apart, expected one rate; "
            f"make it even, as with ffmpeg -i IN -vf fps={round(float(packets.rate))} OUT"
        )
    cut = declared - covered
    if lost > _LOST_SHARE * total or cut > _LOST_SHARE * declared:
        raise DamagedVideoError(f"got {good} whole frames of {total}")
    if cut > 0 and not packets.timed:
        raise DamagedVideoError(
            f"got {good} frames, expected the {declared} it declares, and nothing tells where the others were; "
            "if it is whole, mend its head with ffmpeg -i IN -c copy OUT"
        )


def _whole_frames(container: Any, stream: Any) -> Iterator[tuple[float | None, Any | None]]:
    """Decode packet by packet: time and frame; None for each that is not whole.

    After a loss these are all up to the next key frame: they were made of what is not there.
    """
    import av

    whole = True
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            whole = False
            yield None if packet.pts is None else float(packet.pts * stream.time_base), None
            continue
        for frame in frames:
            whole = not frame.is_corrupt and (whole or bool(frame.key_frame))
            yield frame.time, frame if whole else None


def _upright(frame: Any, pixels: Any) -> Any:
    """Turn the pixels of a frame (H, W[, 3]) as its display matrix says; phones film lying down.

    Source: ISO/IEC 14496-12, 8.3.2: column' = a column + c row, row' = b column + d row.
    """
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is None:
        return pixels
    a, b, _, c, d = (np.sign(value) for value in struct.unpack("=5i", matrix[:20]))
    if (a, d) == (0, 0) and b and c:
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    elif (b, c) != (0, 0) or not (a and d):
        raise DamagedVideoError("got frames on the slant, expected quarter turns; turn them upright first")
    return pixels[:: int(d), :: int(a)]


def _described(error: Exception) -> str:
    return str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


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
