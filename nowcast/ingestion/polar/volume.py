"""What every polar format is read to: a radar, a time, and sweeps of rays and gates.

Dimensions: A rays of a sweep by azimuth, G gates of a ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError
from nowcast.ingestion.readers.lazy import Frame

_MOST_RAYS, _MOST_GATES = 20_000, 20_000
_LONGEST_KM = 1000.0


@dataclass(frozen=True)
class Site:
    """A radar: its name, place (degrees) and the height of its antenna above sea level."""

    name: str
    lon: float
    lat: float
    altitude_m: float


@dataclass(frozen=True, eq=False)
class Sweep:
    """One turn of the antenna.

    ``azimuth_deg`` (A,) are the middles of the rays, clockwise from north, in the order of the data.
    ``first_m`` is the slant range of the middle of the first gate. ``read`` returns dBZ (A, G): NaN is not
    observed, ``NO_ECHO_DBZ`` no echo.
    """

    elevation_deg: float
    azimuth_deg: npt.NDArray[np.float64]
    first_m: float
    gate_m: float
    gates: int
    read: Callable[[], Frame]


@dataclass(frozen=True, eq=False)
class Volume:
    """The sweeps of one file, from the lowest to the highest elevation."""

    path: Path
    site: Site
    time: np.datetime64
    quantity: str
    sweeps: tuple[Sweep, ...]


def checked(volume: Volume) -> Volume:
    """Return a volume whose numbers a radar can have, its sweeps sorted by elevation.

    Raises:
        FileError: a place off the Earth, or a sweep without rays, gates or range.
    """
    site, path = volume.site, volume.path
    if not (-90 <= site.lat <= 90 and -180 <= site.lon <= 360 and -500 <= site.altitude_m <= 9000):
        raise FileError(
            f"{path}: its radar stands at {site.lat:g} N {site.lon:g} E, {site.altitude_m:g} m, "
            "expected a place on the Earth; the file is damaged"
        )
    if not volume.sweeps:
        raise FileError(
            f"{path}: holds no sweep of {volume.quantity}, expected one or more; choose another "
            "quantity or elevations"
        )
    for sweep in volume.sweeps:
        rays = len(sweep.azimuth_deg)
        sound = (
            1 <= rays <= _MOST_RAYS
            and 1 <= sweep.gates <= _MOST_GATES
            and sweep.gate_m > 0
            and np.isfinite(sweep.azimuth_deg).all()
            and -10 <= sweep.elevation_deg <= 91
            and 0 <= sweep.first_m + sweep.gate_m * sweep.gates <= _LONGEST_KM * 1000
        )
        if not sound:
            raise FileError(
                f"{path}: a sweep of {rays} rays and {sweep.gates} gates of {sweep.gate_m:g} m at "
                f"{sweep.elevation_deg:g} degrees, expected one that a radar can make; the file is "
                "damaged"
            )
    order = sorted(volume.sweeps, key=lambda sweep: sweep.elevation_deg)
    return Volume(path, site, volume.time, volume.quantity, tuple(order))
