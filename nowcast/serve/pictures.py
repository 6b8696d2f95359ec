"""Pictures of layers as PNG with the palettes of the package, and their legends."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from nowcast.core.rain import ZRelation
from nowcast.report.palette_colours import EVEN_12
from nowcast.report.palettes import BELOW_INDEX, DEFAULT_Z_R, NAMES, ColourScale, palette_of
from nowcast.serve.layers import Layer, layers_of
from nowcast.serve.pixels import Box, PixelMaps
from nowcast.serve.problems import wrong
from nowcast.serve.shelf import ServedForecast

STYLES = NAMES
"""Names of palettes, the default first."""
_SPREAD = tuple(float(k) for k in range(1, 13))
_MINUTES = tuple(float(k) for k in (0, 5, 10, 15, 20, 30, 40, 50, 60, 75, 90, 120))
_OTHERS = {
    "spread": ColourScale(STYLES[0], "spread", "dB", _SPREAD, EVEN_12),
    "minutes": ColourScale(STYLES[0], "minutes", "min", _MINUTES, EVEN_12[::-1]),
}
Codes = npt.NDArray[np.uint8]
_CACHED_BYTES = 96 * 2**20
_ROW, _WIDTH, _BAR, _FONT = 18, 150, 26, 12
_INK = (28, 36, 48, 255)
_PAPER = (255, 255, 255, 255)


def scale_of(layer: Layer, style: str = "", code: str = "") -> ColourScale:
    """The colours of a layer in a style; the empty one and ``default`` are the first.

    Raises:
        RefusedRequestError: no such style.
    """
    name = STYLES[0] if style in ("", "default") else style
    if name not in STYLES:
        raise wrong("style", style, f"one of {', '.join(STYLES)}", "ask for another", code)
    if layer.quantity in _OTHERS:
        return _OTHERS[layer.quantity]
    return palette_of(layer.quantity, name)


class Painter:
    """Draws frames of open forecasts; keeps the frames, as indices of colours, and places asked for last."""

    def __init__(self, z_r_name: str | None = None, most_bytes: int = _CACHED_BYTES) -> None:
        self._z_r = z_r_name
        self._most = most_bytes
        self._maps = PixelMaps()
        self._frames: OrderedDict[tuple[str, str, tuple[int, ...], str], Codes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def layers(self, served: ServedForecast) -> dict[str, Layer]:
        """Every layer of a forecast by name."""
        return dict(layers_of(served.data, self._z_r))

    def value(
        self, served: ServedForecast, layer: Layer, index: tuple[int, ...], row: int, column: int
    ) -> float:
        """The value of one cell of a frame."""
        picks = [[place] for place in index]
        here = slice(row, row + 1), slice(column, column + 1)
        return float(layer.of(served.data.block(layer.variable.name, picks, *here)).item())

    def _codes(self, served: ServedForecast, layer: Layer, index: tuple[int, ...], scale: ColourScale) -> Codes:
        """Index of the colour of each cell (H * W + 1); the last is that of no cell."""
        key = served.tag, layer.name, index, scale.name
        with self._lock:
            if key in self._frames:
                self._frames.move_to_end(key)
                return self._frames[key]
        values = layer.of(served.data.frame(layer.variable.name, index))
        found = np.append(scale.indices(values).ravel(), np.uint8(BELOW_INDEX))
        with self._lock:
            if key not in self._frames:
                self._frames[key] = found
                self._bytes += found.nbytes
            while self._bytes > self._most and len(self._frames) > 1:
                self._bytes -= self._frames.popitem(last=False)[1].nbytes
        return found

    def png(
        self,
        served: ServedForecast,
        layer: Layer,
        index: tuple[int, ...],
        crs: str,
        box: Box,
        size: tuple[int, int],
        style: str = "",
        background: tuple[int, int, int] | None = None,
    ) -> bytes:
        """Draw one frame as a PNG: clear off the grid and under the first class, gray where nothing is known.

        Args:
            served: the forecast.
            layer: which quantity.
            index: which frame of it.
            crs: of the picture, as PROJ calls it.
            box: outer edges of the picture.
            size: (h, w).
            style: name of a palette.
            background: colour in place of clear.
        """
        scale = scale_of(layer, style)
        cells = self._maps.cells(served.data.grid, crs, box, size)
        return png_of(self._codes(served, layer, index, scale)[cells], scale, background)


def png_of(codes: Codes, scale: ColourScale, background: tuple[int, int, int] | None = None) -> bytes:
    """Write indices of colours (h, w) as a PNG with a palette."""
    from PIL import Image

    table = scale.table()
    picture = Image.fromarray(codes)
    picture.putpalette(table[:, :3].tobytes(), "RGB")
    if background is not None:
        made = Image.new("RGBA", picture.size, (*background, 255))
        made.alpha_composite(Image.fromarray(table[codes]))
        picture = made.convert("RGB")
        return _png(picture)
    return _png(picture, transparency=bytes(table[:, 3]))


def legend_size(layer: Layer) -> tuple[int, int]:
    """Width and height of the legend of a layer, the same in every style."""
    return _WIDTH, _ROW * (len(scale_of(layer).bounds) + 2) + 4


def legend(layer: Layer, style: str = "", relation: ZRelation | None = None) -> bytes:
    """Draw the legend of a layer as a PNG: each class with where it begins, in both units where known."""
    from PIL import Image, ImageDraw, ImageFont

    scale = scale_of(layer, style)
    z_r = relation or DEFAULT_Z_R
    ticks = scale.ticks(z_r)
    other = {"dBZ": "mm/h", "mm/h": "dBZ"}.get(scale.unit, "") if any(tick.other for tick in ticks) else ""
    picture = Image.new("RGBA", legend_size(layer), _PAPER)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(_FONT)
    unit = "" if scale.unit == "1" else scale.unit
    head = [unit or "probability", other]
    rows = [
        (tick.text, tick.other, (*map(int, rgb), 255)) for tick, rgb in zip(ticks, scale.rgb(), strict=True)
    ]
    for text, at in zip(head, (_BAR + 12, _BAR + 62), strict=True):
        pen.text((at, 2), text, fill=_INK, font=font)
    for k, (text, second, colour) in enumerate([*reversed(rows), ("not observed", "", _over_paper(scale))]):
        top = _ROW * (k + 1) + 2
        pen.rectangle((4, top, 4 + _BAR, top + _ROW), fill=colour, outline=_INK)
        pen.text((_BAR + 12, top + 2), text, fill=_INK, font=font)
        pen.text((_BAR + 62, top + 2), second, fill=_INK, font=font)
    return _png(picture)


def _over_paper(scale: ColourScale) -> tuple[int, int, int, int]:
    red, green, blue, alpha = (int(v) for v in scale.table()[1])
    mixed = [round((value * alpha + 255 * (255 - alpha)) / 255) for value in (red, green, blue)]
    return mixed[0], mixed[1], mixed[2], 255


def _png(picture: object, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=3, **options)  # type: ignore[attr-defined]
    return out.getvalue()
