"""The XML of a Web Map Service: what it offers in either version, and why it refuses.

Source: OGC 06-042, annex E (schemas of 1.3.0); OGC 01-068r3, annex A (DTDs of 1.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import quote
from xml.etree import ElementTree

import pyproj
from starlette.requests import Request

from nowcast.core.grid import Grid
from nowcast.core.times import to_text
from nowcast.core.version import __version__
from nowcast.products.open_forecast import OpenForecast
from nowcast.serve.answers import base_url
from nowcast.serve.layers import Layer, labels, unit_of_axis
from nowcast.serve.pictures import STYLES, legend_size
from nowcast.serve.problems import RefusedRequestError
from nowcast.serve.settings import Limits
from nowcast.serve.shelf import ServedForecast
from nowcast.serve.tiles import bounds
from nowcast.serve.wms_query import LISTED, NEW, OLD, crs_of

Element = ElementTree.Element
XLINK = "http://www.w3.org/1999/xlink"
WMS = "http://www.opengis.net/wms"
OGC = "http://www.opengis.net/ogc"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAME_OF_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$")
_FORMATS = {
    "GetCapabilities": ("text/xml",),
    "GetMap": ("image/png",),
    "GetFeatureInfo": ("application/json", "text/plain"),
}


def reference_times(served: ServedForecast, instances: Iterable[str]) -> list[str]:
    """Forecast reference times of the instances that are called by theirs; else that of the newest alone."""
    found = [m.expand(r"\1-\2-\3T\4:\5:\6Z") for m in map(_NAME_OF_TIME.match, instances) if m]
    return found or [to_text(served.data.reference_time)]


def capabilities(
    request: Request,
    version: str,
    served: ServedForecast,
    layers: Sequence[Layer],
    instances: Sequence[str],
    limits: Limits,
) -> str:
    """Say what the service offers, as XML of either version."""
    address = f"{base_url(request)}/wms?"
    if version == OLD:
        root = Element("WMT_MS_Capabilities", {"version": OLD, "xmlns:xlink": XLINK})
    else:
        root = Element("WMS_Capabilities", {"version": NEW, "xmlns": WMS, "xmlns:xlink": XLINK})
    attrs = served.data.attrs
    service = _add(root, "Service")
    _add(service, "Name", "OGC:WMS" if version == OLD else "WMS")
    _add(service, "Title", str(attrs.get("title", "Radar nowcast")))
    _add(service, "Abstract", f"Radar nowcasts, served by nowcast {__version__}")
    _link(service, address)
    _add(service, "Fees", "none")
    _add(service, "AccessConstraints", str(attrs.get("licence", "none")))
    if version == NEW:
        for name, most in (("LayerLimit", 1), ("MaxWidth", limits.pixels), ("MaxHeight", limits.pixels)):
            _add(service, name, str(most))
    capability = _add(root, "Capability")
    requests = _add(capability, "Request")
    for name, formats in _FORMATS.items():
        operation = _add(requests, name)
        for media in formats:
            _add(operation, "Format", media)
        _link(_add(_add(_add(operation, "DCPType"), "HTTP"), "Get"), address)
    for media in ("application/vnd.ogc.se_xml",) if version == OLD else ("XML", "JSON"):
        _add(_found_or_added(capability, "Exception"), "Format", media)
    top = _add(capability, "Layer")
    _add(top, "Title", str(attrs.get("title", "Radar nowcast")))
    _places(top, version, served.data.grid)
    times = reference_times(served, instances)
    for layer in layers:
        _layer(top, version, served, layer, times, address)
    ElementTree.indent(root)
    return _HEAD + ElementTree.tostring(root, encoding="unicode")


def _places(top: Element, version: str, grid: Grid) -> None:
    """The CRSs of all layers, and the box that they cover."""
    for name in LISTED:
        if version == NEW or name != "CRS:84":
            _add(top, "CRS" if version == NEW else "SRS", name)
    west, south, east, north = (f"{v:.5f}" for v in bounds(grid))
    if version == OLD:
        _add(top, "LatLonBoundingBox", minx=west, miny=south, maxx=east, maxy=north)
    else:
        box = _add(top, "EX_GeographicBoundingBox")
        for name, value in (
            ("westBound", west),
            ("eastBound", east),
            ("southBound", south),
            ("northBound", north),
        ):
            _add(box, f"{name}{'Longitude' if name[0] in 'we' else 'Latitude'}", value)
    for name in LISTED[:3]:
        found = _bounding_box(grid, name, version)
        if found:
            _add(top, "BoundingBox", **{"CRS" if version == NEW else "SRS": name}, **found)


def _bounding_box(grid: Grid, name: str, version: str) -> dict[str, str]:
    """The box of a grid in a CRS, the axes in the order of the version."""
    if version == OLD and name == "CRS:84":
        return {}
    west, south, east, north = bounds(grid)
    crs, north_first = crs_of(name, version)
    if crs == "EPSG:3857":
        south, north = max(south, -85.0), min(north, 85.0)
    move = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    left, bottom, right, top = move.transform_bounds(west, south, east, north)
    values = (bottom, left, top, right) if north_first else (left, bottom, right, top)
    return {key: f"{value:.6g}" if abs(value) < 1000 else f"{value:.1f}" for key, value in
            zip(("minx", "miny", "maxx", "maxy"), values, strict=True)}  # fmt: skip


def _layer(
    top: Element, version: str, served: ServedForecast, layer: Layer, times: Sequence[str], address: str
) -> None:
    made = _add(top, "Layer", queryable="1", opaque="0")
    _add(made, "Name", layer.name)
    _add(made, "Title", f"{layer.title} [{layer.unit}]" if layer.unit != "1" else layer.title)
    for name, unit, values, default in dimensions(served.data, layer, times):
        if version == OLD:
            _add(made, "Dimension", name=name, units=unit)
        else:
            _add(made, "Dimension", ",".join(values), name=name, units=unit, default=default)
    if version == OLD:
        for name, _, values, default in dimensions(served.data, layer, times):
            _add(made, "Extent", ",".join(values), name=name, default=default)
    width, height = legend_size(layer)
    for style in STYLES:
        offered = _add(made, "Style")
        _add(offered, "Name", style)
        _add(offered, "Title", f"palette {style}")
        picture = _add(offered, "LegendURL", width=str(width), height=str(height))
        _add(picture, "Format", "image/png")
        query = f"service=WMS&version={version}&request=GetLegendGraphic&format=image/png"
        _link(picture, f"{address}{query}&layer={quote(layer.name)}&style={style}")


def dimensions(
    forecast: OpenForecast, layer: Layer, times: Sequence[str]
) -> list[tuple[str, str, list[str], str]]:
    """Name, unit, values and default of each dimension of a layer."""
    found = []
    if layer.timed:
        valid = [to_text(time) for time in forecast.valid_times]
        found.append(("time", "ISO8601", valid, valid[0]))
    found.append(("reference_time", "ISO8601", list(times), to_text(forecast.reference_time)))
    for axis in layer.axes:
        values = [f"{label:g}" for label in labels(forecast, axis)]
        found.append((axis, unit_of_axis(axis), values, values[0]))
    return found


def exception_report(version: str, error: RefusedRequestError) -> str:
    """Say why a request is refused, as XML of either version."""
    names = {} if version == OLD else {"xmlns": OGC}
    root = Element("ServiceExceptionReport", {"version": version, **names})
    standard = error.code not in ("InvalidParameterValue", "NotFound", "ServerError", "NoForecast")
    _add(root, "ServiceException", error.text, **({"code": error.code} if standard else {}))
    return _HEAD + ElementTree.tostring(root, encoding="unicode")


def _add(parent: Element, tag: str, text: str = "", **attributes: str) -> Element:
    made = ElementTree.SubElement(parent, tag, attributes)
    made.text = "".join(c for c in text if c >= " ") or None
    return made


def _found_or_added(parent: Element, tag: str) -> Element:
    found = parent.find(tag)
    return _add(parent, tag) if found is None else found


def _link(parent: Element, address: str) -> None:
    _add(parent, "OnlineResource", **{"xlink:type": "simple", "xlink:href": address})
