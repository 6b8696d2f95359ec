"""The frame of one bundle of polar files, as a lazy field."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.polar.formats import read_volume
from nowcast.ingestion.polar.geometry import reach
from nowcast.ingestion.polar.gridding import Gridded, Heights, composite, gridded
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site, Sweep
from nowcast.ingestion.readers.foreign import polar_kind
from nowcast.ingestion.readers.lazy import Frame, lazy_field


@dataclass(frozen=True, eq=False)
class PolarVolumes:
    """Reads the files of one time, of one radar or several, and puts them on a grid.

    The field carries ``gridding``, which says how, and its beams' height can be had from `heights`.
    """

    grid: Grid
    settings: PolarSettings
    parts: tuple[Path, ...]
    time: np.datetime64
    attrs: tuple[tuple[str, str], ...] = ()
    name: str = "polar"

    def sniff(self, path: Path) -> bool:
        """Return whether this is a polar volume."""
        try:
            return bool(polar_kind(path))
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the bundle as a lazy field of one frame; ``path`` is the first of its files."""
        if Path(path) not in self.parts:
            raise FileError(f"{path}: is none of the files of this frame; read it as `nowcast.ingest` does")
        return lazy_field(
            partial(_read, self.parts, self.grid, self.settings),
            np.array([self.time], "datetime64[ns]"),
            self.grid,
            dict(self.attrs),
        )

    def heights(self) -> Heights:
        """Return the height of the beams above sea level that the frame is from, NaN where none observes."""
        return compose(self.parts, self.grid, self.settings)[1]


def _read(parts: Sequence[Path], grid: Grid, settings: PolarSettings, index: int) -> Frame:
    del index
    dbz = compose(parts, grid, settings)[0]
    return np.maximum(dbz, np.float32(NO_ECHO_DBZ))


def compose(parts: Sequence[Path], grid: Grid, settings: PolarSettings) -> tuple[Frame, Heights]:
    """Return dBZ and beam height of the files of one time on a grid.

    Raises:
        FileError: one of them is damaged, or no cell of the grid is within the radius of a radar.
    """
    each: list[Gridded] = []
    for site, sweeps in _radars(parts, settings):
        window = reach(grid, site, settings.radius_km * 1000.0)
        if window is not None:
            each.append(replace(gridded(site, sweeps, grid.cut(*window), settings), window=window))
    if not any((part.distance_m <= settings.radius_km * 1000.0).any() for part in each):
        raise FileError(
            f"{parts[0]}: no cell of the grid is within {settings.radius_km:g} km of its radar, expected "
            "some; check --grid, or ingest it into another archive"
        )
    return composite(each, grid.shape, settings)


def _radars(parts: Sequence[Path], settings: PolarSettings) -> list[tuple[Site, list[Sweep]]]:
    """Return the sweeps of each radar, from the lowest to the highest."""
    sites: dict[tuple[str, float, float], Site] = {}
    sweeps: dict[tuple[str, float, float], list[Sweep]] = defaultdict(list)
    for path in parts:
        volume = read_volume(path, settings)
        key = volume.site.name, round(volume.site.lat, 2), round(volume.site.lon, 2)
        sites.setdefault(key, volume.site)
        sweeps[key] += volume.sweeps
    return [(sites[key], sorted(of, key=lambda s: s.elevation_deg)) for key, of in sorted(sweeps.items())]
