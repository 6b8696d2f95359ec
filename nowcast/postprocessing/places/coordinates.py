"""Longitude and latitude as people write them: signs or letters, any turn round the Earth."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nowcast.core.errors import SettingsError, complain, shown

_SIGNS = {"N": 1.0, "S": -1.0, "E": 1.0, "W": -1.0}
_LATITUDE, _LONGITUDE = "NS", "EW"


def parse_pairs(words: Sequence[str]) -> list[tuple[float, float]]:
    """Read ``45.1 9.2``, ``-33.9 151.2``, ``45.1N 9.2E`` or ``45.1,9.2`` one after the other.

    Returns:
        (latitude, longitude) in degrees; longitude within -180 to 180.

    Raises:
        SettingsError: an odd count, no numbers, or off the Earth.
    """
    parts = [part for word in words for part in word.replace(",", " ").split()]
    if len(parts) % 2:
        raise SettingsError(
            complain("places", f"{len(parts)} numbers", "LAT LON, or more such pairs", "for example 45.46 9.19")
        )
    return [parse_pair(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]


def parse_pair(first: str, second: str, what: str = "place") -> tuple[float, float]:
    """Read one latitude and longitude; with letters either may come first.

    Raises:
        SettingsError: not two numbers, two of a kind, or off the Earth; ``what`` opens the message.
    """
    (lat, lat_letter), (lon, lon_letter) = _number(first, what), _number(second, what)
    if lat_letter in set(_LONGITUDE) and lon_letter in set(_LATITUDE):
        (lat, lat_letter), (lon, lon_letter) = (lon, lon_letter), (lat, lat_letter)
    if lat_letter in set(_LONGITUDE) or lon_letter in set(_LATITUDE):
        raise SettingsError(
            complain(
                what, f"{first} {second}", "a latitude and a longitude", "write 45.46N 9.19E, or 45.46 9.19"
            )
        )
    return check_place(lat, lon, what)


def check_place(lat: float, lon: float, what: str = "place") -> tuple[float, float]:
    """Return a place with its longitude within -180 to 180.

    Raises:
        SettingsError: a latitude beyond the poles, or a longitude beyond -180 to 360.
    """
    if not (math.isfinite(lat) and abs(lat) <= 90.0):
        raise SettingsError(
            complain(what, f"latitude {lat:g}", "-90 to 90 degrees", "latitude comes first, then longitude")
        )
    if not (math.isfinite(lon) and -180.0 <= lon <= 360.0):
        raise SettingsError(
            complain(what, f"longitude {lon:g}", "-180 to 360 degrees east", "west is negative")
        )
    return lat, lon - 360.0 if lon > 180.0 else lon


def _number(text: str, what: str) -> tuple[float, str]:
    """Split ``33.9S`` into -33.9 and S; without a letter, the sign stands for itself."""
    plain = text.strip().replace("°", "").upper()
    letter = plain[-1:] if plain[-1:] in _SIGNS else ""
    try:
        value = float(plain.removesuffix(letter))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (letter and value < 0.0):
        raise SettingsError(
            complain(what, shown(text), "degrees such as 45.46, -33.9 or 33.9S", "give LAT LON")
        )
    return value * _SIGNS.get(letter, 1.0), letter


def place_name(lat: float, lon: float) -> str:
    """Name a place by where it is, such as ``45.4600N 9.1900E``."""
    return f"{abs(lat):.4f}{'N' if lat >= 0 else 'S'} {abs(lon):.4f}{'E' if lon >= 0 else 'W'}"
