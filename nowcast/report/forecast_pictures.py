"""A forecast as a picture to send on: a sheet of maps, or one map that moves (GIF, with an extra MP4)."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.errors import MissingExtraError
from nowcast.core.files import whole_file
from nowcast.report.loop import loop_pictures
from nowcast.report.palettes import ColourScale, palette_of

MOST_PANELS = 6
_ACROSS = 3
_PANEL_DPI, _FILM_DPI = 110, 150
_EACH_MS, _LAST_MS = 500, 1800
_FOOT = 46
_INK = "#222"


def draw_forecast_sheet(
    path: Path, observed: xr.DataArray | None, forecast: xr.DataArray, palette: ColourScale | None = None
) -> Path:
    """Draw up to six maps and the legend into one PNG, whole or not at all.

    The first is the newest observed frame where there is one, the last the longest lead time; between them lie
    lead times as evenly as they come.

    Args:
        path: the file.
        observed: frames (time, y, x) up to the forecast reference time.
        forecast: dims (lead_time, y, x), on the same grid.
        palette: None takes the default of dBZ.
    """
    palette = palette or palette_of()
    newest = None if observed is None else observed.isel(time=slice(-1, None))
    count = min(forecast.sizes["lead_time"], MOST_PANELS - (newest is not None))
    chosen = sorted({round((i + 1) * forecast.sizes["lead_time"] / count) - 1 for i in range(count)})
    panels = list(loop_pictures(newest, forecast.isel(lead_time=chosen), palette, _PANEL_DPI).values())
    wide, high = panels[0].size
    across = min(_ACROSS, len(panels))
    sheet = Image.new("RGB", (wide * across, high * -(-len(panels) // across) + _FOOT), "white")
    for number, panel in enumerate(panels):
        sheet.paste(panel, (number % across * wide, number // across * high))
    _legend(sheet, palette)
    with whole_file(path) as part:
        sheet.save(part, format="PNG", optimize=True)
    return path


def draw_forecast_animation(
    path: Path, observed: xr.DataArray | None, forecast: xr.DataArray, palette: ColourScale | None = None
) -> Path:
    """Draw observed frames and every lead time as one map that moves, whole or not at all.

    Args:
        path: the file, ``.gif`` or ``.mp4``.
        observed, forecast, palette: as of `draw_forecast_sheet`.

    Raises:
        MissingExtraError: an MP4 without the extra ``video``.
    """
    palette = palette or palette_of()
    frames = []
    for picture in loop_pictures(observed, forecast, palette, _FILM_DPI).values():
        frame = Image.new("RGB", (picture.width, picture.height + _FOOT), "white")
        frame.paste(picture, (0, 0))
        _legend(frame, palette)
        frames.append(frame)
    content = _mp4(frames) if path.suffix.lower() == ".mp4" else _gif(frames)
    with whole_file(path) as part:
        part.write_bytes(content)
    return path


def _gif(frames: list[Image.Image]) -> bytes:
    few = [frame.quantize(128) for frame in frames]
    image = io.BytesIO()
    times = [_EACH_MS] * (len(few) - 1) + [_LAST_MS]
    few[0].save(image, "GIF", save_all=True, append_images=few[1:], duration=times, loop=0)
    return image.getvalue()


def _mp4(frames: list[Image.Image]) -> bytes:
    """H.264 in MP4; the last frame stands longer."""
    av = load_av()
    image = io.BytesIO()
    with av.open(image, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=Fraction(1000, _EACH_MS), options={"crf": "20"})
        stream.width, stream.height = (side // 2 * 2 for side in frames[0].size)
        stream.pix_fmt = "yuv420p"
        for frame in [*frames, *[frames[-1]] * (_LAST_MS // _EACH_MS)]:
            even = np.asarray(frame)[: stream.height, : stream.width]
            film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        film.mux(stream.encode())
    return image.getvalue()


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


def _legend(sheet: Image.Image, palette: ColourScale) -> None:
    """Classes with dBZ and mm/h along the foot of a picture."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    left, top, high = 60, sheet.height - _FOOT + 8, 12
    each = min(44, (sheet.width - left - 20) // len(palette.colours))
    for number, (colour, tick) in enumerate(zip(palette.colours, palette.ticks(), strict=True)):
        at = left + number * each
        draw.rectangle((at, top, at + each - 1, top + high), fill=colour, outline="#888")
        for line, text in enumerate((tick.text, tick.other)):
            draw.text((at, top + high + 1 + 11 * line), text, font=font, fill=_INK)
    for line, text in enumerate((palette.unit, "mm/h")):
        draw.text((8, top + high + 1 + 11 * line), text, font=font, fill=_INK)
