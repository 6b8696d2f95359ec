"""A Web Map Service 1.3.0 (and 1.1.1) of the layers: capabilities, maps, values under the pointer, legends.

Source: OGC 06-042, sections 7.2 to 7.4; GetLegendGraphic as OGC 05-078r4 has it, section 12.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from nowcast.core.times import to_text
from nowcast.serve.answers import as_bytes, unchanged
from nowcast.serve.layers import TIME, Layer, frame_index, layer_of, said
from nowcast.serve.pictures import Painter, legend, scale_of
from nowcast.serve.pixels import Box, positions
from nowcast.serve.problems import FAULT, RefusedRequestError, wrong
from nowcast.serve.settings import Limits
from nowcast.serve.shelf import ServedForecast, Shelf
from nowcast.serve.wms_documents import capabilities, exception_report
from nowcast.serve.wms_query import OLD, MapQuery, lower_case, one_layer, pixel, read_map_query, version_of

PICTURES = ("image/png", "image/png; mode=8bit")
INFO = ("application/json", "application/geo+json", "text/plain")
_REFERENCE = "dim_reference_time"


class WebMapService:
    """Answers ``/wms``."""

    def __init__(self, shelf: Shelf, painter: Painter, limits: Limits) -> None:
        self._shelf, self._painter, self._limits = shelf, painter, limits
        self._answers: Mapping[str, Callable[[Request, dict[str, str]], Response]] = {
            "getcapabilities": self._capabilities,
            "capabilities": self._capabilities,
            "getmap": self._map,
            "map": self._map,
            "getfeatureinfo": self._feature_info,
            "getlegendgraphic": self._legend,
        }

    def answer(self, request: Request) -> Response:
        """Answer any request of the service.

        Raises:
            RefusedRequestError: with a code of the standard.
        """
        asked = lower_case(request.query_params)
        service, name = asked.get("service", "WMS"), asked.get("request", "")
        if service.upper() != "WMS" or name.lower() not in self._answers:
            raise wrong(
                "REQUEST",
                f"{service} {name}",
                "WMS GetCapabilities, GetMap, GetFeatureInfo or GetLegendGraphic",
                "start with ?service=WMS&request=GetCapabilities",
                "OperationNotSupported",
            )
        return self._answers[name.lower()](request, asked)

    def _capabilities(self, request: Request, asked: dict[str, str]) -> Response:
        served = self._shelf.latest()
        text = capabilities(
            request,
            version_of(asked),
            served,
            list(self._painter.layers(served).values()),
            list(self._shelf.instances()),
            self._limits,
        )
        media = "application/vnd.ogc.wms_xml" if version_of(asked) == OLD else "text/xml; charset=utf-8"
        return as_bytes(request, text.encode(), media, served.tag, compress=True)

    def _served(self, asked: Mapping[str, str]) -> ServedForecast:
        """The forecast of the dimension ``reference_time``: a name of an instance, or its time."""
        text = asked.get(_REFERENCE, "").strip()
        if not text or text.lower() in ("default", "current"):
            return self._shelf.latest()
        plain = text.replace("-", "").replace(":", "").split(".")[0].removesuffix("Z")
        newest, names = self._shelf.latest(), self._shelf.instances()
        if plain == to_text(newest.data.reference_time).replace("-", "").replace(":", "").removesuffix("Z"):
            return newest
        name = next((n for n in (text, f"{plain}Z", plain) if n in names), None)
        if name is None:
            raise wrong(_REFERENCE.upper(), text, "a forecast reference time of the capabilities",
                        "ask for another", "InvalidDimensionValue")  # fmt: skip
        return self._shelf.get(name)

    def _chosen(self, asked: Mapping[str, str], key: str) -> tuple[ServedForecast, Layer, tuple[int, ...]]:
        """Forecast, layer and frame of a request."""
        served = self._served(asked)
        layer = layer_of(self._painter.layers(served), one_layer(asked, key), "LayerNotDefined")
        choice = {axis: asked.get(f"dim_{axis}", "") for axis in layer.axes}
        choice[TIME] = asked.get("time", "")
        return served, layer, frame_index(served.data, layer, choice, "InvalidDimensionValue")

    def _map(self, request: Request, asked: dict[str, str]) -> Response:
        query = read_map_query(asked, self._limits)
        served, layer, index = self._chosen(asked, "layers")
        style = asked.get("styles", "")
        scale_of(layer, style, "StyleNotDefined")
        media = asked.get("format", PICTURES[0])
        if media.lower() not in PICTURES:
            raise wrong("FORMAT", media, f"one of {', '.join(PICTURES)}", "ask for another", "InvalidFormat")
        same = unchanged(request, served.tag)
        if same is not None:
            return same
        background = None if query.transparent else query.background
        png = self._painter.png(served, layer, index, query.crs, query.box, query.size, style, background)
        return as_bytes(request, png, "image/png", served.tag)

    def _feature_info(self, request: Request, asked: dict[str, str]) -> Response:
        query = read_map_query(asked, self._limits)
        row, column = pixel(asked, query)
        served, layer, index = self._chosen(asked, "query_layers")
        media = asked.get("info_format", INFO[-1])
        if media.lower() not in INFO:
            raise wrong("INFO_FORMAT", media, f"one of {', '.join(INFO)}", "ask for another", "InvalidFormat")
        told = self._told(served, layer, index, query, row, column)
        if media.lower() == INFO[-1]:
            lines = [f"{name}: {'not known' if value is None else value}" for name, value in told.items()]
            return as_bytes(request, "\n".join(lines).encode() + b"\n", "text/plain; charset=utf-8", served.tag)
        place = [told.pop("longitude"), told.pop("latitude")]
        geometry = None if None in place else {"type": "Point", "coordinates": place}
        feature = {"type": "Feature", "id": layer.name, "geometry": geometry, "properties": told}
        document = {"type": "FeatureCollection", "features": [feature]}
        return as_bytes(request, json.dumps(document, allow_nan=False).encode(), media, served.tag)

    def _told(
        self,
        served: ServedForecast,
        layer: Layer,
        index: tuple[int, ...],
        query: MapQuery,
        row: int,
        column: int,
    ) -> dict[str, Any]:
        """What is known at a pixel: the value, None where nothing is, and where and when it is."""
        grid = served.data.grid
        x, y = _centre(query.box, query.size, row, column)
        at_row, at_column = (float(v[0]) for v in positions(grid, query.crs, np.array([x]), np.array([y])))
        inside = -0.5 <= at_row < grid.shape[0] - 0.5 and -0.5 <= at_column < grid.shape[1] - 0.5
        told: dict[str, Any] = {"layer": layer.name, "value": None, "unit": layer.unit}
        told |= {"longitude": None, "latitude": None} | said(served.data, layer, index)
        if inside:
            i, j = int(at_row + 0.5), int(at_column + 0.5)
            value = self._painter.value(served, layer, index, i, j)
            lon, lat = grid.lonlat(grid.y[i : i + 1], grid.x[j : j + 1])
            told["value"] = None if np.isnan(value) else float(f"{value:.5g}")
            told |= {"longitude": round(float(lon[0]), 5), "latitude": round(float(lat[0]), 5)}
        return told

    def _legend(self, request: Request, asked: dict[str, str]) -> Response:
        served = self._shelf.latest()
        layer = layer_of(self._painter.layers(served), one_layer(asked, "layer"), "LayerNotDefined")
        style = asked.get("style", "")
        scale_of(layer, style, "StyleNotDefined")
        return as_bytes(request, legend(layer, style), "image/png", served.tag)


def refuse(request: Request, error: RefusedRequestError) -> Response:
    """Write a refusal as the standard has it, in XML; as JSON where ``EXCEPTIONS=JSON`` asks for it.

    What is absent is 400 as well: clients read the report of 400 and lose that of 404.
    """
    asked = lower_case(request.query_params)
    status = error.status if error.status >= FAULT else 400
    headers = {"Cache-Control": "no-store"}
    if "json" in asked.get("exceptions", "").lower():
        return Response(json.dumps(error.document()), status, headers, "application/json")
    version = version_of(asked)
    media = "application/vnd.ogc.se_xml" if version == OLD else "text/xml; charset=utf-8"
    return Response(exception_report(version, error), status, headers, media)


def _centre(box: Box, size: tuple[int, int], row: int, column: int) -> tuple[float, float]:
    left, bottom, right, top = box
    return left + (column + 0.5) * (right - left) / size[1], top - (row + 0.5) * (top - bottom) / size[0]
