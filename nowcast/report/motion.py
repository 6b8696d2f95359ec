"""Motion as arrows on the map: what a network learned beside the optical flow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.report.maps import add_arrows, map_of_field
from nowcast.report.palettes import ColourScale
from nowcast.report.pictures import figure_picture

_DPI = 120
_ARROWS_ACROSS = 18
_HEAD = 32
"""Height of the line above each map, in pixels."""


def draw_motion(
    path: Path,
    frame: xr.DataArray,
    motions: Mapping[str, npt.NDArray[np.floating]],
    palette: ColourScale | None = None,
) -> Path:
    """Draw a frame once for each motion field, with its arrows, side by side in one PNG.

    Why side by side: the learned trending momentum means little by itself; beside the optical flow it
    shows whether the network follows the rain. Each map's arrows have their own length scale, as the
    two are not in one unit: the momentum steers where features are gathered from.

    Args:
        path: the PNG to write, whole or not at all.
        frame: one frame (y, x) of dBZ.
        motions: by title: (2, H, W), cells a frame southwards along rows and eastwards along columns.
        palette: None takes the default of dBZ.

    Source: Wu et al. (2021), MotionRNN, figure 9.
    """
    maps = [_map(frame, motion, palette) for motion in motions.values()]
    wide, high = maps[0].size
    joined = Image.new("RGB", (wide * len(maps), _HEAD + high), "white")
    for number, (title, motion) in enumerate(motions.items()):
        text = f"{title}, mean {float(np.hypot(*motion).mean()):.1f} cells a frame"
        place = (number * wide + wide // 10, 7)
        ImageDraw.Draw(joined).text(place, text, fill="#222", font=ImageFont.load_default(17))
        joined.paste(maps[number], (number * wide, _HEAD), maps[number])
    with whole_file(path) as part:
        joined.save(part, format="PNG")
    return Path(path)


def _map(frame: xr.DataArray, motion: npt.NDArray[np.floating], palette: ColourScale | None) -> Image.Image:
    figure = map_of_field(frame, palette)
    every = max(1, max(frame.shape) // _ARROWS_ACROSS)
    # Rows count southwards, v counts northwards.
    add_arrows(figure.axes[0], Grid.of(frame), motion[1], -motion[0], every)
    return figure_picture(figure, _DPI)
