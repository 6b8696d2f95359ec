"""What a WMS request asks for: names without regard to case, places with the axes that its version has.

Source: OGC 06-042 (WMS 1.3.0), sections 6.8, 7.3, 7.4 and annex B; OGC 01-068r3 (WMS 1.1.1), section 7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyproj
from pyproj.enums import WktVersion

from nowcast.serve.pixels import LONLAT, Box
from nowcast.serve.problems import RefusedRequestError, wrong
from nowcast.serve.settings import Limits

NEW, OLD = "1.3.0", "1.1.1"
LISTED = ("CRS:84", "EPSG:4326", "EPSG:3857", "EPSG:3035")
"""Named in the capabilities; any other EPSG code is understood as well."""
_EPSG = re.compile(r"EPSG:(\d{1,6})$")
_COLOUR = re.compile(r"0x[0-9a-fA-F]{6}$")
_LARGEST = 1e12


@dataclass(frozen=True)
class MapQuery:
    """A picture: where, how large, and how it looks."""

    version: str
    crs: str
    """As PROJ calls it."""
    box: Box
    """Left, bottom, right, top: always the east first."""
    size: tuple[int, int]
    """(h, w)."""
    transparent: bool
    background: tuple[int, int, int]


def lower_case(query: Mapping[str, str]) -> dict[str, str]:
    """Parameters by their names in lower case."""
    return {name.lower(): value for name, value in query.items()}


def version_of(asked: Mapping[str, str]) -> str:
    """The version that is answered: 1.1.1 to those who ask for it or an older one, else 1.3.0."""
    text = asked.get("version", asked.get("wmtver", NEW))
    return OLD if text.startswith(("1.0", "1.1")) else NEW


def read_map_query(asked: Mapping[str, str], limits: Limits) -> MapQuery:
    """Read what GetMap and GetFeatureInfo have in common.

    Raises:
        RefusedRequestError: something is absent or wrong, with the code of the standard.
    """
    version = version_of(asked)
    name = _needed(asked, "crs" if version == NEW else "srs")
    crs, north_first = crs_of(name, version)
    try:
        first, second, third, fourth = (float(v) for v in _needed(asked, "bbox").split(","))
    except ValueError:
        first = second = third = fourth = float("nan")
    box = (second, first, fourth, third) if north_first else (first, second, third, fourth)
    if not (box[0] < box[2] and box[1] < box[3] and max(map(abs, box)) < _LARGEST):
        raise wrong("BBOX", asked["bbox"], "four numbers, the lower ones first", "correct it")
    sizes = []
    for key in ("height", "width"):
        text = _needed(asked, key)
        if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= limits.pixels):
            raise wrong(key.upper(), text, f"1 to {limits.pixels} pixels", "ask for a smaller picture")
        sizes.append(int(text))
    colour = asked.get("bgcolor", "0xFFFFFF")
    if not _COLOUR.match(colour):
        raise wrong("BGCOLOR", colour, "0xRRGGBB", "correct it")
    red, green, blue = (int(colour[k : k + 2], 16) for k in (2, 4, 6))
    clear = asked.get("transparent", "false").lower() == "true"
    return MapQuery(version, crs, box, (sizes[0], sizes[1]), clear, (red, green, blue))


def crs_of(name: str, version: str) -> tuple[str, bool]:
    """The CRS of a name, and whether its first coordinate is the one to the north.

    Raises:
        RefusedRequestError: with the code ``InvalidCRS`` (``InvalidSRS`` of 1.1.1).
    """
    upper = name.upper()
    code = "InvalidCRS" if version == NEW else "InvalidSRS"
    if upper in ("CRS:84", "OGC:CRS84"):
        return LONLAT, False
    found = _EPSG.match(upper)
    known = _north_first(int(found[1])) if found else None
    if known is None:
        raise wrong(
            code[-3:], name, f"one of {', '.join(LISTED)} or another EPSG code", "ask for another", code
        )
    if version == OLD:
        return (LONLAT if upper == "EPSG:4326" else upper), False
    return upper, known


@lru_cache(maxsize=256)
def _north_first(code: int) -> bool | None:
    """Whether the first axis of an EPSG code is the one to the north; None where PROJ knows no such plane."""
    try:
        crs = pyproj.CRS.from_epsg(code)
        crs.to_wkt(WktVersion.WKT2_2019)
    except pyproj.exceptions.CRSError:
        return None
    if not (crs.is_projected or (crs.is_geographic and len(crs.axis_info) == 2)):
        return None
    return crs.axis_info[0].direction.lower() == "north" and crs.axis_info[1].direction.lower() == "east"


def one_layer(asked: Mapping[str, str], key: str) -> str:
    """The one layer of a request.

    Raises:
        RefusedRequestError: none, or several.
    """
    text = _needed(asked, key)
    if "," in text:
        raise wrong(key.upper(), text, "one layer", "ask for each by itself", "LayerNotDefined")
    return text


def pixel(asked: Mapping[str, str], query: MapQuery) -> tuple[int, int]:
    """Row and column of the pixel that GetFeatureInfo asks for.

    Raises:
        RefusedRequestError: absent, or outside the picture.
    """
    found = []
    for new, old, size in (("j", "y", query.size[0]), ("i", "x", query.size[1])):
        key = new if query.version == NEW else old
        text = _needed(asked, key)
        if not (text.isascii() and text.isdigit() and len(text) < 8 and int(text) < size):
            raise wrong(key.upper(), text, f"a pixel of 0 to {size - 1}", "correct it", "InvalidPoint")
        found.append(int(text))
    return found[0], found[1]


def _needed(asked: Mapping[str, str], key: str) -> str:
    if not asked.get(key):
        raise RefusedRequestError(
            400, f"{key.upper()}: got none, expected it in this request; add it", "MissingParameterValue"
        )
    return asked[key]
