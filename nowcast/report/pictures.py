"""Pictures as data URIs: radar frames as indexed PNG, one pixel a cell; figures quantised to 256 colours."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from nowcast.report.colours import indices, palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def frame_uri(dbz: npt.NDArray[np.floating], thin: int = 1) -> str:
    """Draw one frame of dBZ (H, W) as a PNG of 16 colours, every ``thin``-th row and column.

    Why an index and not a picture: 4 bits a pixel, so that dozens of frames fit into one page.
    """
    codes = indices(dbz[::thin, ::thin])
    indexed = Image.frombytes("P", (codes.shape[1], codes.shape[0]), codes.tobytes())
    colours, alpha = palette()
    indexed.putpalette(colours)
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", compress_level=6, bits=4, transparency=alpha)
    return _uri(buffer.getvalue())


def figure_uri(figure: Figure, dpi: int = 130) -> str:
    """Draw a figure with a transparent ground as a PNG of 256 colours, and close it."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True)
    plt.close(figure)
    image = Image.open(io.BytesIO(buffer.getvalue())).convert("RGBA")
    small = image.quantize(colors=256, method=Image.Quantize.FASTOCTREE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return _uri(buffer.getvalue())


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
