"""Pictures as data URIs: radar frames as indexed PNG, one pixel a cell; figures quantised to 256 colours."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nowcast.report.palettes import ColourScale, palette_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def frame_uri(values: npt.NDArray[np.floating], thin: int = 1, palette: ColourScale | None = None) -> str:
    """Draw one frame (H, W) as a PNG of at most 16 colours, every ``thin``-th row and column.

    Why an index and not a picture: 4 bits a pixel, so that dozens of frames fit into one page.

    Args:
        values: dBZ, or what ``palette`` is for.
        thin: rows and columns a pixel.
        palette: None takes the default of dBZ.
    """
    palette = palette or palette_of()
    codes = palette.indices(values[::thin, ::thin])
    indexed = Image.frombytes("P", (codes.shape[1], codes.shape[0]), codes.tobytes())
    colours = palette.table()
    indexed.putpalette(colours[:, :3].tobytes())
    return _png_uri(indexed, compress_level=6, bits=4, transparency=colours[:, 3].tobytes())


def figure_uri(figure: Figure, dpi: int = 130) -> str:
    """Draw a figure with a transparent ground as a PNG of 256 colours."""
    few = figure_picture(figure, dpi).quantize(colors=256, method=Image.Quantize.FASTOCTREE)
    return _png_uri(few, optimize=True)


def figure_picture(figure: Figure, dpi: int) -> Image.Image:
    """Draw a figure with a transparent ground."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, transparent=True)
    return Image.open(buffer).convert("RGBA")


def data_uri(content: bytes, kind: str = "png") -> str:
    """A picture's bytes as a data URI; ``kind`` is ``png`` or ``gif``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png_uri(picture: Image.Image, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return data_uri(buffer.getvalue())
