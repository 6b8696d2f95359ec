"""Maps of a nowcast as picture files and as one animated loop."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.report.colours import indices, palette
from nowcast.report.maps import base_map

_DPI = 130
_PICTURE_MS = 500


def draw_loop(folder: Path, observed: xr.DataArray, forecast: xr.DataArray) -> list[Path]:
    """Draw the newest observation and every lead time, and all of them as ``loop.gif``.

    Why the map is drawn once: coasts and borders are the slow part, and the same on every picture.
    The cells are laid under them as one indexed picture each.

    Args:
        folder: made if need be; gets ``lead_0000.png`` (observed), ``lead_0010.png`` ... and the loop.
        observed: a field of one frame.
        forecast: dims (lead_time, y, x), on the same grid.

    Returns:
        The pictures in order of time, then the loop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ground, box = _ground(Grid.of(forecast))
    names = ["lead_0000.png"]
    frames = [
        _lay(ground, box, observed.values[0], f"observed {to_text(observed['time'].values[0])}")
    ]
    for i, lead in enumerate(forecast["lead_time"].values):
        names.append(f"lead_{int(minutes(lead)):04d}.png")
        valid = to_text(forecast["valid_time"].values[i])
        text = f"forecast {valid} (+{minutes(lead):g} min)"
        frames.append(_lay(ground, box, forecast.values[i], text))
    paths = [folder / name for name in names]
    few = [frame.quantize(128) for frame in frames]
    for path, picture in zip(paths, few, strict=True):
        picture.save(path, optimize=False)
    loop = folder / "loop.gif"
    few[0].save(
        loop, save_all=True, append_images=few[1:], duration=[1500, *[_PICTURE_MS] * len(few[1:])],
        loop=0,
    )  # fmt: skip
    return [*paths, loop]


def _ground(grid: Grid) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """Draw coasts, borders and graticule with a clear ground; give it and the map's box in pixels."""
    figure, axes = base_map(grid)
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, transparent=True)
    picture = Image.open(io.BytesIO(buffer.getvalue())).convert("RGBA")
    place = axes.get_position()
    width, height = picture.size
    box = (
        round(place.x0 * width), round((1 - place.y1) * height),
        round(place.x1 * width), round((1 - place.y0) * height),
    )  # fmt: skip
    return picture, box


def _lay(
    ground: Image.Image, box: tuple[int, int, int, int], dbz: np.ndarray, text: str
) -> Image.Image:
    """Put one frame under the ground and the text above it."""
    colours, alpha = palette()
    table = np.array(colours, np.uint8).reshape(-1, 3)
    table = np.concatenate([table, np.frombuffer(alpha, np.uint8)[:, None]], axis=1)
    cells = Image.fromarray(table[indices(dbz)])
    size = (box[2] - box[0], box[3] - box[1])
    picture = Image.new("RGBA", ground.size, "white")
    layer = Image.new("RGBA", ground.size, (0, 0, 0, 0))
    layer.paste(cells.resize(size, Image.Resampling.NEAREST), box[:2])
    picture = Image.alpha_composite(Image.alpha_composite(picture, layer), ground)
    draw = ImageDraw.Draw(picture)
    draw.text(
        (box[0] + 6, box[1] + 5), text, font=ImageFont.load_default(15), fill="#111",
        stroke_width=3, stroke_fill="white",
    )  # fmt: skip
    return picture.convert("RGB")
