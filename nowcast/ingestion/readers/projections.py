"""Projections as files state them: only what describes one, never what makes PROJ open another file."""

from __future__ import annotations

import re
from functools import lru_cache

import pyproj

from nowcast.core.errors import GridError, complain

_CHOICES = {
    "proj": frozenset(
        (
            "aea",
            "aeqd",
            "cass",
            "cea",
            "eqc",
            "eqdc",
            "geos",
            "gnom",
            "krovak",
            "laea",
            "lcc",
            "longlat",
            "latlong",
            "lonlat",
            "latlon",
            "merc",
            "mill",
            "moll",
            "nsper",
            "omerc",
            "ortho",
            "poly",
            "robin",
            "sinu",
            "somerc",
            "stere",
            "sterea",
            "tmerc",
            "utm",
            "webmerc",
        )
    ),
    "datum": frozenset(
        ("WGS84", "NAD83", "GGRS87", "ire65", "nzgd49", "OSGB36", "carthage", "hermannskogel", "potsdam")
    ),
    "axis": frozenset(("enu", "neu", "nwu", "wsu", "esu", "seu")),
    "units": frozenset(("m", "km", "dm", "cm", "mm", "ft", "us-ft", "yd", "mi", "deg", "rad")),
    "type": frozenset({"crs"}),
}
"""Keys that name something, and the names they may have."""
_NUMBERS = frozenset(
    (
        "lat_0",
        "lat_1",
        "lat_2",
        "lat_ts",
        "lon_0",
        "lon_1",
        "lonc",
        "x_0",
        "y_0",
        "k",
        "k_0",
        "a",
        "b",
        "R",
        "rf",
        "f",
        "e",
        "es",
        "zone",
        "to_meter",
        "alpha",
        "gamma",
        "h",
    )
)
_FLAGS = frozenset(("no_defs", "wktext", "over", "south", "no_uoff", "no_off"))
_TOKEN = re.compile(r"\+?([A-Za-z_0-9]+)(?:=(\S*))?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_EPSG = re.compile(r"EPSG:\d{4,6}", re.IGNORECASE)
_EXTENSION = re.compile(r'EXTENSION\s*\[\s*"([^"]*)"\s*,\s*"([^"]*)"', re.IGNORECASE)
_LONGEST_PROJ, _LONGEST_WKT = 2_000, 100_000


def safe_proj(text: str) -> str:
    """Return a PROJ string that holds only keys and values of a white list, or an ``EPSG:code``.

    Why: ``nadgrids``, ``geoidgrids``, ``init`` and pipelines name files that PROJ would open and read;
    ``nadgrids=@null`` names none and is left out.

    Raises:
        GridError: naming the first key or value that is not on it.
    """
    if _EPSG.fullmatch(text.strip()):
        return text.strip()
    if len(text) > _LONGEST_PROJ:
        raise GridError(
            complain(
                "projection",
                f"{len(text)} characters",
                f"at most {_LONGEST_PROJ}",
                "ask the producer for a plain PROJ string",
            )
        )
    kept = []
    for token in text.split():
        found = _TOKEN.fullmatch(token)
        key, value = (found[1], found[2] or "") if found else ("", "")
        if (key, value) == ("nadgrids", "@null"):
            continue
        if not _allowed(key, value):
            raise GridError(
                complain(
                    "projection",
                    f"'{token[:60]}'",
                    "keys and values that describe a projection and name no file",
                    "ask the producer for a plain PROJ string",
                )
            )
        kept.append(f"+{key}={value}" if value else f"+{key}")
    return " ".join(kept)


def _allowed(key: str, value: str) -> bool:
    if key in _NUMBERS:
        return bool(_NUMBER.fullmatch(value))
    if key in _FLAGS:
        return value in ("", "true", "True", "t")
    if key == "towgs84":
        parts = value.split(",")
        return len(parts) in (3, 7) and all(_NUMBER.fullmatch(p) for p in parts)
    if key in _CHOICES:
        return value in _CHOICES[key]
    if key == "ellps":
        return value in pyproj.get_ellps_map()
    return key == "pm" and (value == "greenwich" or bool(_NUMBER.fullmatch(value)))


@lru_cache(maxsize=32)
def crs_of_proj(text: str) -> pyproj.CRS:
    """Return the CRS of a PROJ string or of ``EPSG:code`` as a file states it.

    Raises:
        GridError: not on the white list of `safe_proj`, or not understood.
    """
    try:
        return pyproj.CRS.from_string(safe_proj(text))
    except pyproj.exceptions.ProjError as error:
        raise GridError(
            complain(
                "projection",
                f"'{' '.join(text.split())[:80]}'",
                "one that PROJ knows",
                " ".join(str(error).split())[:120],
            )
        ) from error


@lru_cache(maxsize=32)
def wkt_of_proj(**parameters: str | float) -> str:
    """Return the WKT of a projection by its PROJ parameters, which the files of one series share.

    Raises:
        pyproj.exceptions.CRSError: PROJ knows no such projection.
    """
    return str(pyproj.CRS.from_dict(parameters).to_wkt())


def safe_wkt(text: str) -> str:
    """Return WKT of a CRS that names no file.

    Raises:
        GridError: too long, a grid file, or an extension that is no plain PROJ string.
    """
    faults = len(text) > _LONGEST_WKT or "\0" in text or re.search(r"PARAMETERFILE", text, re.IGNORECASE)
    for name, value in _EXTENSION.findall(text):
        if name.upper() == "PROJ4":
            safe_proj(value)
        else:
            faults = True
    if faults or len(_EXTENSION.findall(text)) != len(re.findall("EXTENSION", text, re.IGNORECASE)):
        raise GridError(
            complain(
                "crs_wkt",
                f"'{' '.join(text.split())[:60]}'",
                "WKT that names no file",
                "ask the producer for a plain one",
            )
        )
    return text
