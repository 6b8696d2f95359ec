"""Tiles of a layer as Leaflet, OpenLayers, MapLibre and QGIS ask for them: XYZ in Web Mercator, and TileJSON.

Source: the tile scheme of OpenStreetMap (z, x from the west, y from the north); TileJSON 3.0.0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from nowcast.core.grid import Grid
from nowcast.core.times import to_text
from nowcast.serve.answers import as_bytes, as_json, base_url, unchanged
from nowcast.serve.layers import TIME, frame_index, layer_of
from nowcast.serve.pictures import STYLES, Painter
from nowcast.serve.pixels import MERCATOR, Box
from nowcast.serve.problems import not_found, wrong
from nowcast.serve.shelf import ServedForecast, Shelf

HALF = math.pi * 6_378_137.0
"""Half the width of the world in Web Mercator, in metres."""
SIZE = 256
_DEEPEST = 18
_OWN = ("style", "instance", "size")


class Tiles:
    """Answers ``/tiles/LAYER/Z/X/Y.png`` and ``/tiles/LAYER.json``."""

    def __init__(self, shelf: Shelf, painter: Painter) -> None:
        self._shelf, self._painter = shelf, painter

    def tile(self, request: Request) -> Response:
        """Draw one tile.

        Raises:
            RefusedRequestError: no such layer, tile, time, label or style.
        """
        asked = dict(request.query_params)
        served = self._shelf.get(asked.get("instance", ""))
        same = unchanged(request, served.tag)
        if same is not None:
            return same
        layer = layer_of(self._painter.layers(served), request.path_params["layer"])
        box = tile_box(*(_number(request.path_params[name], name) for name in ("z", "x", "y")))
        size = asked.get("size", str(SIZE))
        if size not in (str(SIZE), str(2 * SIZE)):
            raise wrong("size", size, f"{SIZE} or {2 * SIZE}", "correct it")
        index = frame_index(served.data, layer, asked)
        pixels = int(size), int(size)
        png = self._painter.png(served, layer, index, MERCATOR, box, pixels, asked.get("style", ""))
        return as_bytes(request, png, "image/png", served.tag)

    def tile_json(self, request: Request) -> Response:
        """Describe the tiles of a layer, with the choices of the query kept in their address."""
        asked = dict(request.query_params)
        served = self._shelf.get(asked.get("instance", ""))
        layer = layer_of(self._painter.layers(served), request.path_params["layer"])
        frame_index(served.data, layer, asked)
        kept = {k: v for k, v in asked.items() if k in (*_OWN, TIME, *layer.axes)}
        query = str(request.url.replace(query="").include_query_params(**kept).query)
        path = f"{base_url(request)}/tiles/{layer.name}/{{z}}/{{x}}/{{y}}.png"
        document = _document(served, layer.title, f"{path}?{query}" if query else path)
        return as_json(request, document, tag=served.tag)


def _document(served: ServedForecast, title: str, address: str) -> Mapping[str, Any]:
    grid = served.data.grid
    west, south, east, north = bounds(grid)
    return {
        "tilejson": "3.0.0",
        "name": title,
        "tiles": [address],
        "scheme": "xyz",
        "minzoom": 0,
        "maxzoom": _DEEPEST,
        "bounds": [round(v, 4) for v in (west, max(south, -85.0511), east, min(north, 85.0511))],
        "attribution": str(served.data.attrs.get("licence", "")),
        "version": "1.0.0",
        "styles": list(STYLES),
        "times": [to_text(t) for t in served.data.valid_times],
        "reference_time": to_text(served.data.reference_time),
    }


def bounds(grid: Grid) -> tuple[float, float, float, float]:
    """West, south, east and north of a grid in degrees, by points along its edge and within it."""
    west, east, south, north = grid.extent
    x, y = np.meshgrid(np.linspace(west, east, 33), np.linspace(south, north, 33))
    lon, lat = grid.lonlat(y.ravel(), x.ravel())
    known = np.isfinite(lon) & np.isfinite(lat)
    lon, lat = lon[known], lat[known]
    middle = grid.lonlat(np.array([grid.y.mean()]), np.array([grid.x.mean()]))[0][0]
    round_it = (lon - middle + 180.0) % 360.0 - 180.0 + middle if np.isfinite(middle) else lon
    span = (round_it.min(), round_it.max())
    if span[1] - span[0] >= 360.0 or span[0] < -180.0 or span[1] > 180.0:
        span = (-180.0, 180.0)
    return float(span[0]), float(max(lat.min(), -90.0)), float(span[1]), float(min(lat.max(), 90.0))


def tile_box(z: int, x: int, y: int) -> Box:
    """Outer edges of a tile in Web Mercator.

    Raises:
        RefusedRequestError: no such tile.
    """
    if not (0 <= z <= _DEEPEST and 0 <= x < 2**z and 0 <= y < 2**z):
        raise not_found("tile", f"{z}/{x}/{y}", f"z of 0 to {_DEEPEST}, x and y of 0 to 2^z - 1", "correct it")
    side = 2.0 * HALF / 2**z
    left, top = -HALF + x * side, HALF - y * side
    return left, top - side, left + side, top


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise not_found("tile", f"{name}={text}", "whole numbers z/x/y", "correct it")
    return int(text)
