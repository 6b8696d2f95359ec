"""Motion as arrows on the map: what a network learned beside what the optical flow sees."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image, ImageDraw, ImageFont

from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.report.maps import add_arrows, map_of_field

_DPI = 120
_ARROWS_ACROSS = 18
_HEAD = 32
"""Height of the line above each map, in pixels."""


def draw_motion(
    path: Path, frame: xr.DataArray, motions: Mapping[str, npt.NDArray[np.floating]]
) -> Path:
    """Draw a frame once for each motion field, with its arrows, side by side in one PNG.

    Why side by side: the learned trending momentum means little by itself; beside the optical flow it
    shows whether the network follows the rain. Each map's arrows have their own length scale, as the
    two are not in one unit: the momentum steers where features are gathered from.

    Args:
        path: the PNG to write, whole or not at all.
        frame: one frame (y, x) of dBZ.
        motions: by title: (2, H, W), cells a frame southwards along rows and eastwards along columns.

    Source: Wu et al. (2021), MotionRNN, figure 9.
    """
    pictures = [_one(frame, title, motion) for title, motion in motions.items()]
    width = sum(p.width for p in pictures)
    joined = Image.new("RGB", (width, max(p.height for p in pictures)), "white")
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width
    with whole_file(path) as part:
        joined.save(part, format="PNG")
    return Path(path)


def _one(frame: xr.DataArray, title: str, motion: npt.NDArray[np.floating]) -> Image.Image:
    mean = float(np.hypot(*motion).mean())
    figure = map_of_field(frame)
    every = max(1, max(frame.shape) // _ARROWS_ACROSS)
    # Rows count southwards, v counts northwards.
    add_arrows(figure.axes[0], Grid.of(frame), motion[1], -motion[0], every)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white")
    plt.close(figure)
    drawn = Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
    picture = Image.new("RGB", (drawn.width, drawn.height + _HEAD), "white")
    picture.paste(drawn, (0, _HEAD))
    ImageDraw.Draw(picture).text(
        (drawn.width // 10, 7), f"{title}, mean {mean:.1f} cells a frame",
        fill="#222", font=ImageFont.load_default(17),
    )  # fmt: skip
    return picture
