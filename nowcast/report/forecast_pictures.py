"""A forecast as a picture to send on: a sheet of maps, or one map that moves (GIF, with an extra MP4)."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.files import whole_file
from nowcast.report.films import write_film
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
    return write_film(path, frames, _EACH_MS, _LAST_MS, 128)


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
