"""What the EDR interface says of itself: landing page, conformance, collections, instances and OpenAPI.

Source: OGC 19-086r6, sections 7 and 8 and annex A; OGC 19-072 (API Common, part 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nowcast.core.times import to_text
from nowcast.core.version import __version__
from nowcast.serve.coverages import axis_title, parameter
from nowcast.serve.edr_query import COVERAGE_JSON, FORMATS, NETCDF
from nowcast.serve.layers import Layer, labels
from nowcast.serve.shelf import ServedForecast
from nowcast.serve.tiles import bounds

COLLECTION = "nowcast"
_CRS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AXIS["Longitude",EAST],AXIS["Latitude",NORTH]]'
)
_TRS = 'TIMECRS["DateTime",TDATUM["Gregorian Calendar"],CS[TemporalDateTime,1],AXIS["Time (T)",future]]'
QUERIES = {
    "position": "values at points, which are those of the cells that hold them: ?coords=POINT(9.19 45.46)",
    "area": "values of the cells within a polygon: ?coords=POLYGON((9 45,10 45,10 46,9 45))",
    "cube": "values of the cells within a box: ?bbox=9,45,10,46",
}
_CONFORMANCE = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/core",
    "http://www.opengis.net/spec/ogcapi-edr-1/1.1/conf/covjson",
)


def landing(address: str) -> dict[str, Any]:
    """The first document of the interface."""
    links = [
        ("self", "/?f=json", "application/json", "this document"),
        ("service-desc", "/api", "application/vnd.oai.openapi+json;version=3.0", "the interface as OpenAPI"),
        ("conformance", "/conformance", "application/json", "standards that it keeps"),
        ("data", "/collections", "application/json", "what there is"),
        ("alternate", "/", "text/html", "the page"),
        ("related", "/wms?service=WMS&request=GetCapabilities", "text/xml", "Web Map Service"),
        ("related", "/tiles/reflectivity.json", "application/json", "tiles as TileJSON"),
    ]
    return {
        "title": "Radar nowcasts",
        "description": f"Radar nowcasts, served by nowcast {__version__}; reads only",
        "links": [_link(address, *link) for link in links],
    }


def conformance() -> dict[str, Any]:
    """The classes of the standards that are kept."""
    return {"conformsTo": list(_CONFORMANCE)}


def collection(
    address: str, served: ServedForecast, layers: Sequence[Layer], instance: str = ""
) -> dict[str, Any]:
    """What the newest forecast offers, or with ``instance`` what that one does."""
    forecast = served.data
    here = f"/collections/{COLLECTION}" + (f"/instances/{instance}" if instance else "")
    times = [to_text(time) for time in forecast.valid_times]
    axes = [axis for axis in forecast.labels if any(axis in layer.axes for layer in layers)]
    extent: dict[str, Any] = {
        "spatial": {"bbox": [[round(v, 5) for v in bounds(forecast.grid)]], "crs": "CRS84"},
        "temporal": {"interval": [[times[0], times[-1]]], "values": times, "trs": _TRS},
    }
    if axes:
        extent["custom"] = [_custom(labels(forecast, axis), axis) for axis in axes]
    links = [_link(address, "self", here, "application/json", "this document")]
    links += [_link(address, "data", f"{here}/{name}", FORMATS[COVERAGE_JSON], name) for name in QUERIES]
    if not instance:
        links.append(_link(address, "collection", f"{here}/instances", "application/json", "every nowcast"))
    return {
        "id": instance or COLLECTION,
        "title": str(forecast.attrs.get("title", "Radar nowcast")),
        "description": f"from the observation of {to_text(forecast.reference_time)}",
        "keywords": ["radar", "precipitation", "nowcast"],
        "links": links,
        "extent": extent,
        "data_queries": {name: _query(address, here, name, text) for name, text in QUERIES.items()},
        "crs": ["CRS84"],
        "output_formats": list(FORMATS),
        "parameter_names": {layer.name: {"id": layer.name, **parameter(layer)} for layer in layers},
        "licence": str(forecast.attrs.get("licence", "")),
    }


def _custom(values: Sequence[float], axis: str) -> dict[str, Any]:
    return {
        "id": axis,
        "interval": [[values[0], values[-1]]],
        "values": list(values),
        "reference": axis_title(axis),
    }


def _query(address: str, here: str, name: str, text: str) -> dict[str, Any]:
    formats = [f for f in FORMATS if f != NETCDF or name != "position"]
    variables = {
        "title": name,
        "description": text,
        "query_type": name,
        "output_formats": formats,
        "default_output_format": formats[0],
        "crs_details": [{"crs": "CRS84", "wkt": _CRS84_WKT}],
    }
    return {"link": {"href": f"{address}{here}/{name}", "rel": "data", "variables": variables}}


def collections(address: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The list of collections."""
    return {
        "links": [_link(address, "self", "/collections", "application/json", "this document")],
        "collections": list(found),
    }


def instances(address: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The list of nowcasts that are kept."""
    here = f"/collections/{COLLECTION}/instances"
    return {
        "links": [_link(address, "self", here, "application/json", "this document")],
        "instances": list(found),
    }


def instance_line(address: str, name: str) -> dict[str, Any]:
    """One nowcast in the list of all, without opening its file."""
    here = f"/collections/{COLLECTION}/instances/{name}"
    return {"id": name, "links": [_link(address, "self", here, "application/json", "what it holds")]}


def open_api(address: str) -> dict[str, Any]:
    """The interface as OpenAPI 3.0."""
    common = [
        _parameter("parameter-name", "names of parameters with commas; all by default"),
        _parameter("datetime", "a valid time, several with commas, or start/end"),
        _parameter("f", f"one of {', '.join(FORMATS)}"),
    ]
    own = {
        "position": [_parameter("coords", "POINT or MULTIPOINT of longitude and latitude", True)],
        "area": [_parameter("coords", "POLYGON or MULTIPOLYGON of longitude and latitude", True)],
        "cube": [_parameter("bbox", "west,south,east,north in degrees", True)],
    }
    paths: dict[str, Any] = {
        path: _get(text, [])
        for path, text in {
            "/": "page, or with f=json the landing page of the API",
            "/conformance": "standards that are kept",
            "/collections": "what there is",
            f"/collections/{COLLECTION}": "what the newest nowcast holds",
            f"/collections/{COLLECTION}/instances": "every nowcast that is kept",
            "/health": "whether there is a nowcast, and how old it is",
            "/metrics": "counters for Prometheus",
            "/wms": "Web Map Service 1.3.0 and 1.1.1",
        }.items()
    }
    for name, text in QUERIES.items():
        paths[f"/collections/{COLLECTION}/{name}"] = _get(text, own[name] + common)
        path = f"/collections/{COLLECTION}/instances/{{instance}}/{name}"
        paths[path] = _get(text, [_in_path("instance"), *own[name], *common])
    layer = [_in_path(name) for name in ("layer", "z", "x", "y")]
    choice = [
        _parameter("time", "valid time"),
        _parameter("style", "palette"),
        _parameter("instance", "nowcast"),
    ]
    paths["/tiles/{layer}/{z}/{x}/{y}.png"] = _get("a tile of a layer", layer + choice)
    paths["/tiles/{layer}.json"] = _get("the tiles of a layer as TileJSON", layer[:1] + choice)
    return {
        "openapi": "3.0.3",
        "info": {"title": "Radar nowcasts", "version": __version__},
        "servers": [{"url": address}],
        "paths": paths,
    }


def _get(text: str, parameters: Sequence[dict[str, Any]]) -> dict[str, Any]:
    responses = {"200": {"description": "the answer"}, "default": {"description": "code and one line as JSON"}}
    return {"get": {"summary": text, "parameters": list(parameters), "responses": responses}}


def _parameter(name: str, text: str, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "query", "required": required, "description": text, "schema": schema}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _link(address: str, rel: str, path: str, media: str, title: str) -> dict[str, str]:
    return {"rel": rel, "href": f"{address}{path}", "type": media, "title": title}
