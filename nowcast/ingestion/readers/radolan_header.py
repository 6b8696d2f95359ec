"""The text in front of a frame of DWD RADOLAN or RADVOR: product, time, period, precision, grid, lead time.

Source: DWD (2021), RADOLAN/RADVOR, Beschreibung des Kompositformats, version 2.5; DWD (2022), Radarkomposits:
Projektionen und Gitter, version 1.01.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
import pyproj

from nowcast.core.errors import FileError
from nowcast.core.grid import Grid

LONGEST_HEADER = 1000
_END = b"\x03"
_START = re.compile(rb"[A-Z][A-Z0-9]\d{6}1\d{8}BY")
_HEADER = re.compile(
    r"(?P<product>[A-Z][A-Z0-9])(?P<day_clock>\d{6})\d{5}(?P<month>\d{4})"
    r"BY(?P<bytes>[ \d]{7}|[ \d]{10})VS(?P<version>[ \d]{2})(SW.{9})?PR(?P<precision>[ ]?E[+-]\d\d)"
    r"INT(?P<interval>[ \d]{4})(U(?P<unit>\d))?GP(?P<rows>[ \d]{4})x(?P<columns>[ \d]{4})"
    r"((VV(?P<lead>[ \d]{4}))|(MF[ \d]{9})|(QN[ \d]{4})|(VR.{8}))*(MS.*|ST.*)?",
    re.DOTALL,
)
REFLECTIVITY_BYTES, REFLECTIVITY_WORDS = ("RX", "EX", "WX"), ("WN",)
AMOUNTS = (
    "RY",
    "RZ",
    "YW",
    "RV",
    "RW",
    "RH",
    "RB",
    "RL",
    "RU",
    "RQ",
    "RS",
    "EY",
    "EZ",
    "EW",
    "EH",
    "EB",
    "SQ",
    "SH",
    "SF",
)
_NOT_RAIN = {
    "RE": "the solid share of precipitation",
    "RD": "a difference of amounts",
    "PG": "a picture of classes",
    "PC": "a picture of classes",
    "PZ": "a picture of heights",
}
_CELLS_FROM_CENTRE = {
    (900, 900): (450, 450),
    (1100, 900): (550, 370),
    (1200, 1100): (600, 470),
    (1500, 1400): (800, 600),
}
"""Rows and columns -> how many cells of 1 km the lower left corner lies south and west of 51 N, 9 E."""
_LON, _LAT = 9.0, 51.0
_WGS84_SINCE = 5
"""Version of the format from which on the Earth is an ellipsoid."""


@dataclass(frozen=True)
class RadolanHeader:
    """What is said of one frame; ``size`` counts header and data in bytes, ``lead`` is in minutes."""

    product: str
    time: np.datetime64
    size: int
    length: int
    precision: float
    minutes: int
    rows: int
    columns: int
    lead: int
    version: int

    @classmethod
    def of(cls, where: str, data: bytes) -> RadolanHeader:
        """Read it off the first bytes of a frame.

        Raises:
            FileError: no such header, a product that is no rain nor reflectivity, or sizes that contradict.
        """
        length = data[:LONGEST_HEADER].find(_END) + 1
        text = data[: length - 1].decode("latin-1")
        found = _HEADER.fullmatch(text) if length else None
        if not found:
            raise FileError(
                f"{where}: its header is {data[:60]!r}, expected one of RADOLAN or RADVOR; it is "
                "damaged or of a form that is not known, fetch it again"
            )
        product = found["product"]
        known = (*REFLECTIVITY_BYTES, *REFLECTIVITY_WORDS, *AMOUNTS)
        if product not in known:
            what = f" ({_NOT_RAIN[product]})" if product in _NOT_RAIN else ""
            raise FileError(
                f"{where}: is the product {product}{what}, expected reflectivity or rain: "
                f"{', '.join(known)}; leave it out"
            )
        try:
            minutes = int(found["interval"]) * (1440 if found["unit"] == "1" else 1)
            header = cls(
                product,
                _time(found["day_clock"], found["month"]),
                int(found["bytes"]),
                length,
                float("1" + found["precision"].strip()),
                minutes,
                int(found["rows"]),
                int(found["columns"]),
                int(found["lead"] or 0),
                int(found["version"]),
            )
        except ValueError as error:
            raise FileError(
                f"{where}: its header says {text[:80]!r}, expected numbers and a time "
                f"({error}); it is damaged, fetch it again"
            ) from error
        header._check(where)
        return header

    @property
    def reflectivity(self) -> bool:
        """Whether the values are dBZ; else they are rain in millimetres over ``minutes``."""
        return self.product in (*REFLECTIVITY_BYTES, *REFLECTIVITY_WORDS)

    @property
    def cell_bytes(self) -> int:
        """How many bytes a cell takes."""
        return 1 if self.product in REFLECTIVITY_BYTES else 2

    def _check(self, where: str) -> None:
        if (self.rows, self.columns) not in _CELLS_FROM_CENTRE:
            grids = ", ".join(f"{rows} x {columns}" for rows, columns in _CELLS_FROM_CENTRE)
            raise FileError(
                f"{where}: has {self.rows} x {self.columns} cells, expected a composite of {grids} "
                "cells of 1 km"
            )
        wanted = self.length + self.rows * self.columns * self.cell_bytes
        if self.size != wanted:
            raise FileError(
                f"{where}: says that it has {self.size} bytes, expected {wanted} for its grid; the "
                "file contradicts itself"
            )
        if not self.reflectivity and not 0 < self.minutes <= 1440:
            raise FileError(f"{where}: a sum over {self.minutes} minutes, expected 1 to 1440")


def is_radolan(head: bytes) -> bool:
    """Whether bytes begin as a frame of RADOLAN does."""
    return bool(_START.match(head))


def _time(day_clock: str, month: str) -> np.datetime64:
    moment = datetime.strptime(month[2:] + month[:2] + day_clock, "%y%m%d%H%M")
    return np.datetime64(moment, "ns")


@lru_cache(maxsize=8)
def radolan_grid(rows: int, columns: int, version: int) -> Grid:
    """Return the grid of a composite: polar stereographic, on a sphere before version 5 of the format.

    Why from one place: DWD states the lower left corner as whole kilometres from 51 N, 9 E.
    """
    earth = {"ellps": "WGS84"} if version >= _WGS84_SINCE else {"R": 6_370_040.0}
    crs = pyproj.CRS.from_dict(
        {"proj": "stere", "lat_0": 90.0, "lat_ts": 60.0, "lon_0": 10.0, **earth, "units": "m"}
    )
    x, y = pyproj.Proj(crs)(_LON, _LAT)
    south, west = _CELLS_FROM_CENTRE[rows, columns]
    return Grid(
        crs.to_wkt(),
        y + 1000.0 * (rows - south - np.arange(rows) - 0.5),
        x + 1000.0 * (np.arange(columns) - west + 0.5),
    )
