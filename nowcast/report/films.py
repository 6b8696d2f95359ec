"""Pictures as a film: GIF, or MP4 with the extra ``video``; the last picture stands longer."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from nowcast.core.errors import MissingExtraError
from nowcast.core.files import whole_file


def write_film(path: Path, pictures: Sequence[Image.Image], each_ms: int, last_ms: int, colours: int) -> Path:
    """Write a film as the end of the name says, whole or not at all.

    Args:
        path: the file; MP4 (H.264) if it ends so, else GIF.
        pictures: of one size, in RGB.
        each_ms: so long each is shown,
        last_ms: and so long the last.
        colours: of a GIF, at most 256.

    Raises:
        MissingExtraError: an MP4 without the extra ``video``.
    """
    as_mp4 = path.suffix.lower() == ".mp4"
    content = _mp4(pictures, each_ms, last_ms) if as_mp4 else _gif(pictures, each_ms, last_ms, colours)
    with whole_file(path) as part:
        part.write_bytes(content)
    return path


def load_av() -> Any:
    """Return the library that writes films.

    Raises:
        MissingExtraError: the extra ``video`` is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError("MP4 output", "av", "video") from error
    return av


def _gif(pictures: Sequence[Image.Image], each_ms: int, last_ms: int, colours: int) -> bytes:
    few = [picture.quantize(colours) for picture in pictures]
    image = io.BytesIO()
    times = [each_ms] * (len(few) - 1) + [last_ms]
    few[0].save(image, "GIF", save_all=True, append_images=few[1:], duration=times, loop=0)
    return image.getvalue()


def _mp4(pictures: Sequence[Image.Image], each_ms: int, last_ms: int) -> bytes:
    av = load_av()
    image = io.BytesIO()
    with av.open(image, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=Fraction(1000, each_ms), options={"crf": "20"})
        stream.width, stream.height = (side // 2 * 2 for side in pictures[0].size)
        stream.pix_fmt = "yuv420p"
        for picture in [*pictures, *[pictures[-1]] * (last_ms // each_ms)]:
            even = np.asarray(picture)[: stream.height, : stream.width]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        film.mux(stream.encode())
    return image.getvalue()
