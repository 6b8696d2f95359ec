"""What an EDR request asks for: where, when, which parameters, and in which format.

Source: OGC 19-086r6 (Environmental Data Retrieval 1.1), section 8; custom dimensions as of version 1.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from nowcast.postprocessing.places.locations import Location
from nowcast.postprocessing.places.outlines import polygon, union
from nowcast.products.open_forecast import LEAD_TIME, OpenForecast
from nowcast.serve.layers import Layer, places_of_labels, places_of_times
from nowcast.serve.problems import RefusedRequestError, not_found, too_large, wrong
from nowcast.serve.settings import Limits

COVERAGE_JSON, CSV, NETCDF = "CoverageJSON", "CSV", "netCDF"
FORMATS: Mapping[str, str] = {
    COVERAGE_JSON: "application/prs.coverage+json",
    CSV: "text/csv; charset=utf-8",
    NETCDF: "application/x-netcdf",
}
"""Name -> media type of every format; the first is the default."""
_ALIASES = {"json": COVERAGE_JSON, "covjson": COVERAGE_JSON, "nc": NETCDF, "netcdf4": NETCDF}
CRS_NAMES = ("CRS84", "EPSG:4326", "OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84")
_OF_OWSLIB = "parameter_names"
"""What OWSLib up to 0.35 sends for ``parameter-name``."""
OWN = ("coords", "bbox", "datetime", "parameter-name", "crs", "f", "z", "resolution-x", "resolution-y")


@dataclass(frozen=True)
class Choice:
    """One layer and the places along each of its axes that are asked for."""

    layer: Layer
    picks: tuple[tuple[int, ...], ...]

    @property
    def count(self) -> int:
        """Frames."""
        return int(np.prod([len(pick) for pick in self.picks], dtype=np.int64))


def choices(forecast: OpenForecast, layers: Mapping[str, Layer], asked: Mapping[str, str]) -> list[Choice]:
    """The layers that are asked for, all by default, each with its times and labels.

    Raises:
        RefusedRequestError: no such layer, time or label, or a parameter that nothing here knows.
    """
    text = asked.get("parameter-name") or asked.get(_OF_OWSLIB, "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    missing = [name for name in names if name not in layers]
    if missing:
        raise not_found("parameter-name", missing[0], f"of {', '.join(layers)}", "ask for others")
    chosen = [layers[name] for name in dict.fromkeys(names)] or list(layers.values())
    axes = {axis for layer in layers.values() for axis in layer.axes}
    unknown = set(asked) - axes - {*OWN, _OF_OWSLIB}
    if unknown:
        raise wrong("query", sorted(unknown)[0], f"of {', '.join((*OWN, *sorted(axes)))}", "correct or drop it")
    if asked.get("z"):
        raise wrong("z", asked["z"], "none: a forecast has no height", "drop it")
    return [
        Choice(layer, tuple(_pick(forecast, axis, asked) for axis in layer.variable.axes)) for layer in chosen
    ]


def _pick(forecast: OpenForecast, axis: str, asked: Mapping[str, str]) -> tuple[int, ...]:
    if axis == LEAD_TIME:
        text = asked.get("datetime", "")
        return tuple(places_of_times(forecast, text) if text else range(len(forecast.valid_times)))
    text = asked.get(axis, "")
    return tuple(places_of_labels(forecast, axis, text) if text else range(len(forecast.labels[axis])))


def check_size(chosen: Sequence[Choice], cells: int, limits: Limits) -> None:
    """Refuse what would be too large, before anything is read.

    Raises:
        RefusedRequestError: more values than one request may have.
    """
    values = sum(choice.count for choice in chosen) * cells
    if values > limits.values:
        raise too_large(
            "query",
            f"{values} values",
            f"at most {limits.values}",
            "ask for fewer of parameter-name, datetime and labels, or for a smaller region",
        )


def format_of(asked: Mapping[str, str]) -> str:
    """The format that is asked for.

    Raises:
        RefusedRequestError: no such format.
    """
    text = asked.get("f", COVERAGE_JSON)
    known = (
        {name.lower(): name for name in FORMATS} | _ALIASES | {v.split(";")[0]: k for k, v in FORMATS.items()}
    )
    if text.lower() not in known:
        raise wrong("f", text, f"one of {', '.join(FORMATS)}", "ask for another")
    return known[text.lower()]


def check_crs(asked: Mapping[str, str]) -> None:
    """Refuse coordinates that are not longitude and latitude.

    Raises:
        RefusedRequestError: another CRS.
    """
    text = asked.get("crs", CRS_NAMES[0])
    if text.upper() not in {name.upper() for name in CRS_NAMES}:
        raise wrong("crs", text, "CRS84: longitude and latitude", "convert the coordinates")


def read_points(asked: Mapping[str, str], limits: Limits) -> list[Location]:
    """Read POINT or MULTIPOINT of longitude and latitude.

    Raises:
        RefusedRequestError: no points, too many, or off the Earth.
    """
    shape = _geometry(asked, "POINT(9.19 45.46)")
    if shape.geom_type not in ("Point", "MultiPoint"):
        raise wrong("coords", shape.geom_type, "POINT or MULTIPOINT", "ask /area for polygons")
    places = shapely.get_coordinates(shape)
    if len(places) > limits.points:
        raise too_large(
            "coords", f"{len(places)} points", f"at most {limits.points}", "ask for fewer at a time"
        )
    _check_degrees(places, asked["coords"])
    return [Location(f"{lat:g},{lon:g}", float(lat), float(lon)) for lon, lat in places]


def read_area(asked: Mapping[str, str], limits: Limits) -> Location:
    """Read POLYGON or MULTIPOLYGON of longitude and latitude.

    Raises:
        RefusedRequestError: no polygon, too many corners, or off the Earth.
    """
    shape = _geometry(asked, "POLYGON((9 45,10 45,10 46,9 45))")
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        raise wrong("coords", shape.geom_type, "POLYGON or MULTIPOLYGON", "ask /position for points")
    corners = shapely.get_coordinates(shape)
    if len(corners) > limits.vertices:
        text = f"an outline of {len(corners)} points"
        raise too_large("coords", text, f"at most {limits.vertices}", "simplify it")
    _check_degrees(corners, asked["coords"])
    parts = [
        polygon([shapely.get_coordinates(ring) for ring in (part.exterior, *part.interiors)])
        for part in shapely.get_parts(shape)
    ]
    outline = union(parts)
    if outline.is_empty:
        raise wrong("coords", asked["coords"], "a polygon with an area", "correct it")
    middle = outline.representative_point()
    longitude = float((middle.x + 180.0) % 360.0 - 180.0)
    return Location("area", float(middle.y), longitude, outline=outline)


def read_box(asked: Mapping[str, str]) -> tuple[float, float, float, float]:
    """Read west, south, east and north in degrees; a west beyond the east goes across the dateline.

    Raises:
        RefusedRequestError: no box.
    """
    text = asked.get("bbox", "")
    try:
        numbers = [float(part) for part in text.split(",")]
        west, south, east, north = numbers if len(numbers) == 4 else [*numbers[:2], *numbers[3:5]]
        fits = -180 <= west <= 180 and -180 <= east <= 360 and -90 <= south < north <= 90 and west != east
    except ValueError:
        fits = False
    if not fits:
        raise wrong("bbox", text, "west,south,east,north in degrees, such as 9,45,10,46", "correct it")
    return west, south, east, north


def _geometry(asked: Mapping[str, str], example: str) -> shapely.Geometry:
    text = asked.get("coords", "").strip()
    if not text:
        raise RefusedRequestError(400, f"coords: got none, expected a place such as {example}; add it")
    try:
        shape = shapely.from_wkt(text)
    except (shapely.errors.ShapelyError, ValueError, UnicodeError):
        shape = None
    if shape is None or shape.is_empty:
        raise wrong("coords", text, f"well-known text such as {example}", "correct it")
    return shape


def _check_degrees(places: np.ndarray, text: str) -> None:
    lon, lat = places[:, 0], places[:, 1]
    if not (np.isfinite(places).all() and (np.abs(lat) <= 90).all() and (np.abs(lon) <= 360).all()):
        raise wrong("coords", text, "longitude and latitude in degrees", "correct it")
