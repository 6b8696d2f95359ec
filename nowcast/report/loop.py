"""Maps of a nowcast as picture files and as one animated loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.report.maps import base_map
from nowcast.report.palettes import ColourScale, palette_of
from nowcast.report.pictures import figure_picture

_DPI = 130
_FIRST_MS, _PICTURE_MS = 1500, 500


def draw_loop(
    folder: Path, observed: xr.DataArray, forecast: xr.DataArray, palette: ColourScale | None = None
) -> list[Path]:
    """Draw the newest observation and every lead time, and all of them as ``loop.gif``.

    Why the map is drawn once: coasts and borders are the slow part, and the same on every picture.
    The cells are laid under them as one indexed picture each.

    Args:
        folder: made if need be; gets ``lead_0000.png`` (observed), ``lead_0010.png`` ... and the loop.
        observed: a field of one frame.
        forecast: dims (lead_time, y, x), on the same grid.
        palette: None takes the default of dBZ.

    Returns:
        The pictures in order of time, then the loop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = loop_pictures(observed, forecast, palette)
    paths = [folder / f"lead_{int(lead):04d}.png" for lead in drawn]
    few = [picture.quantize(128) for picture in drawn.values()]
    for path, picture in zip(paths, few, strict=True):
        picture.save(path, optimize=False)
    loop = folder / "loop.gif"
    times = [_FIRST_MS, *[_PICTURE_MS] * len(few[1:])]
    few[0].save(loop, save_all=True, append_images=few[1:], duration=times, loop=0)
    return [*paths, loop]


def loop_pictures(
    observed: xr.DataArray | None, forecast: xr.DataArray, palette: ColourScale | None = None, dpi: int = _DPI
) -> dict[float, Image.Image]:
    """Draw observed frames and every lead time on the map, by lead time in minutes, in order of time.

    Args:
        observed: frames (time, y, x) up to the forecast reference time, if any.
        forecast: dims (lead_time, y, x), on the same grid.
        palette: None takes the default of dBZ.
        dpi: 5.2 times so many pixels are the width.
    """
    palette = palette or palette_of()
    ground, box = _ground(Grid.of(forecast), dpi)
    start = forecast["valid_time"].values[0] - forecast["lead_time"].values[0]
    drawn = {}
    for dbz, time in () if observed is None else zip(observed.values, observed["time"].values, strict=True):
        drawn[minutes(time - start)] = _lay(ground, box, palette.rgba(dbz), f"observed {to_text(time)}")
    for dbz, lead, valid in zip(
        forecast.values, forecast["lead_time"].values, forecast["valid_time"].values, strict=True
    ):
        text = f"forecast {to_text(valid)} (+{minutes(lead):g} min)"
        drawn[minutes(lead)] = _lay(ground, box, palette.rgba(dbz), text)
    return drawn


def _ground(grid: Grid, dpi: int) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Coasts, borders and graticule on a clear ground, and the map's box in pixels."""
    figure, axes = base_map(grid)
    picture, place = figure_picture(figure, dpi), axes.get_position()
    width, height = picture.size
    box = (
        round(place.x0 * width),
        round((1 - place.y1) * height),
        round(place.x1 * width),
        round((1 - place.y0) * height),
    )
    return picture, box


def _lay(ground: Image.Image, box: tuple[int, int, int, int], colours: np.ndarray, text: str) -> Image.Image:
    """Put the colours (H, W, 4) of one frame under the ground and the text above it."""
    size = (box[2] - box[0], box[3] - box[1])
    picture = Image.new("RGBA", ground.size, "white")
    layer = Image.new("RGBA", ground.size, (0, 0, 0, 0))
    layer.paste(Image.fromarray(colours).resize(size, Image.Resampling.NEAREST), box[:2])
    picture = Image.alpha_composite(Image.alpha_composite(picture, layer), ground)
    ImageDraw.Draw(picture).text(
        (box[0] + 6, box[1] + 5),
        text,
        font=ImageFont.load_default(15),
        fill="#111",
        stroke_width=3,
        stroke_fill="white",
    )
    return picture.convert("RGB")
