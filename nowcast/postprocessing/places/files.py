"""Files of places: points as CSV (name, lat, lon), areas as GeoJSON polygons. Nothing in them is trusted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nowcast.core.errors import FileError, SettingsError, complain, printable, shown
from nowcast.core.files import read_at_most
from nowcast.postprocessing.places.coordinates import parse_pair
from nowcast.postprocessing.places.locations import Location
from nowcast.postprocessing.places.outlines import Array, polygon, union, valid

_MOST_BYTES = 64 * 2**20
_LONGEST_NAME = 100
_COLUMNS = {"name": ("name",), "lat": ("lat", "latitude"), "lon": ("lon", "longitude", "long")}
_CSV_REMEDY = "write a first line 'name,lat,lon', then one place a line"
_GEOJSON_REMEDY = "give polygons in longitude and latitude (RFC 7946)"
_PARTS = {"Polygon", "MultiPolygon"}


def read_places(path: Path | str, within_km: float = 0.0) -> list[Location]:
    """Read points from a CSV file with a head line that names the columns name, lat and lon, in any order.

    Commas, semicolons or tabs part the columns; further columns are left alone; letters (45.1N) are allowed.

    Raises:
        FileError: not such a file, empty, or larger than 64 MiB.
        SettingsError: a line without a place on the Earth, or a name that stands twice.
    """
    text = _text(Path(path))
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        place_of = _columns(Path(path), next(lines, []))
        found = [
            _point(
                f"{path} line {lines.line_num}",
                [line[i] if i < len(line) else "" for i in place_of],
                delimiter,
                within_km,
            )
            for line in lines
            if any(cell.strip() for cell in line)
        ]
    except csv.Error as error:
        raise FileError(complain(str(path), f"line {lines.line_num}: {error}", "CSV", _CSV_REMEDY)) from error
    return _named_once(Path(path), found)


def read_areas(areas: Path | str | Mapping[str, Any]) -> list[Location]:
    """Read the areas of a GeoJSON file, or of its content: a Polygon, MultiPolygon, Feature or collection.

    An area is called by its property ``name``, else by its number. Outlines that cross themselves are
    repaired, and the area says so.

    Raises:
        FileError: no GeoJSON with polygons in longitude and latitude, or larger than 64 MiB.
        SettingsError: an area of no extent, or a name that stands twice.
    """
    path = Path("areas") if isinstance(areas, Mapping) else Path(areas)
    document = areas if isinstance(areas, Mapping) else _json(path)
    _check_crs(path, document)
    found = [
        _area(path, number, name, geometry)
        for number, (name, geometry) in enumerate(_geometries(path, document), 1)
    ]
    return _named_once(path, found)


def _text(path: Path) -> str:
    try:
        return read_at_most(path, _MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise FileError(
            complain(str(path), error.strerror or str(error), "a file of places", "check the path")
        ) from error
    except UnicodeDecodeError as error:
        raise FileError(
            complain(
                str(path), f"bytes that are no text (at {error.start})", "text in UTF-8", "save it as UTF-8"
            )
        ) from error


def _json(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        line = " ".join(str(error).split())[:100]
        raise FileError(complain(str(path), f"no JSON ({line})", "GeoJSON", _GEOJSON_REMEDY)) from error


def _columns(path: Path, head: Sequence[str]) -> list[int]:
    """Where name, latitude and longitude stand in a line."""
    names = [cell.strip().lower() for cell in head]
    found = [[i for i, name in enumerate(names) if name in known] for known in _COLUMNS.values()]
    if any(len(places) != 1 for places in found):
        raise FileError(
            complain(
                str(path), f"columns {shown(', '.join(names))}", "name, lat and lon, each once", _CSV_REMEDY
            )
        )
    return [places[0] for places in found]


def _point(what: str, cells: Sequence[str], delimiter: str, within_km: float) -> Location:
    name, lat, lon = cells
    if delimiter != ",":
        lat, lon = lat.replace(",", "."), lon.replace(",", ".")
    return Location(_name(name, what), *parse_pair(lat, lon, what), within_km=within_km)


def _name(text: object, what: str) -> str:
    name = printable(text)
    if not name or len(name) > _LONGEST_NAME:
        raise SettingsError(
            complain(
                what, f"a name of {len(name)} characters", f"1 to {_LONGEST_NAME} of them", "name the place"
            )
        )
    return name


def _named_once(path: Path, found: list[Location]) -> list[Location]:
    if not found:
        raise FileError(complain(str(path), "no places", "at least one", "add one"))
    check_names([place.name for place in found], str(path))
    return found


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse names of which one stands twice.

    Raises:
        SettingsError: naming the first.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SettingsError(
                complain(what, f"the name {shown(name)} twice", "a name of its own for each", "rename one")
            )
        seen.add(name)


def _check_crs(path: Path, document: Any) -> None:
    """Refuse the old member ``crs`` unless it says longitude and latitude."""
    if not isinstance(document, Mapping):
        raise FileError(complain(str(path), f"JSON {shown(document)}", "GeoJSON", _GEOJSON_REMEDY))
    crs = document.get("crs")
    name = str(crs.get("properties", {})) if isinstance(crs, Mapping) else ""
    if crs is not None and not ("CRS84" in name or "4326" in name):
        raise FileError(
            complain(str(path), f"crs {shown(crs)}", "longitude and latitude (CRS84)", "transform it to WGS 84")
        )


def _geometries(path: Path, document: Mapping[str, Any]) -> Iterator[tuple[object, Any]]:
    """Name (None where there is none) and geometry of each area."""
    kind = document.get("type")
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        features = document["features"]
    elif kind == "Feature":
        features = [document]
    elif kind in _PARTS:
        features = [{"type": "Feature", "properties": None, "geometry": document}]
    else:
        raise FileError(
            complain(
                str(path),
                f"GeoJSON of type {shown(kind)}",
                "a FeatureCollection, Feature, Polygon or MultiPolygon",
                _GEOJSON_REMEDY,
            )
        )
    for number, feature in enumerate(features, 1):
        if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
            raise FileError(complain(f"{path} feature {number}", shown(feature), "a Feature", _GEOJSON_REMEDY))
        properties = feature.get("properties")
        yield properties.get("name") if isinstance(properties, Mapping) else None, feature.get("geometry")


def _area(path: Path, number: int, given: object, geometry: Any) -> Location:
    name = f"area {number}" if given is None else _name(given, f"{path} feature {number}")
    what = f"{path} {shown(name)}"
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in _PARTS:
        raise FileError(
            complain(what, f"a geometry of type {shown(kind)}", "a Polygon or MultiPolygon", _GEOJSON_REMEDY)
        )
    coordinates = geometry.get("coordinates")
    parts = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(parts, list) or not parts or not all(isinstance(p, list) and p for p in parts):
        raise FileError(complain(what, f"coordinates {shown(parts)}", "rings of positions", _GEOJSON_REMEDY))
    rings = [[_ring(what, ring) for ring in part] for part in parts]
    shape = union([polygon(part) for part in rings])
    if not shape.area:
        raise SettingsError(complain(what, "an outline without extent", "an area", _GEOJSON_REMEDY))
    note = "" if all(valid(part) for part in rings) else "its outline crossed itself and was repaired"
    middle = shape.representative_point()
    lon = (middle.x + 180.0) % 360.0 - 180.0
    return Location(name, float(middle.y), float(lon), outline=shape, note=note)


def _ring(what: str, positions: Any) -> Array:
    """Check a closed ring of positions: (N, 2) longitude and latitude."""
    try:
        ring = np.array([(place[0], place[1]) for place in positions])
    except (TypeError, LookupError, ValueError):
        ring = np.array([])
    if ring.ndim != 2 or len(ring) < 4 or ring.dtype.kind not in "if" or (ring[0] != ring[-1]).any():
        raise FileError(
            complain(
                what,
                f"a ring {shown(positions)}",
                "at least four positions [longitude, latitude], the last as the first",
                _GEOJSON_REMEDY,
            )
        )
    ring = ring.astype(np.float64)
    if not (np.isfinite(ring).all() and (np.abs(ring[:, 1]) <= 90).all() and (np.abs(ring[:, 0]) <= 360).all()):
        bad = ring[~((np.abs(ring[:, 1]) <= 90) & (np.abs(ring[:, 0]) <= 360))][0]
        raise FileError(
            complain(what, f"a position {bad.tolist()}", "longitude and latitude in degrees", _GEOJSON_REMEDY)
        )
    return ring
