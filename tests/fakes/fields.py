"""Small fields whose motion is known: a wet disc that moves by whole cells, with a coverage mask."""

import numpy as np
import pyproj

from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ

PROJ_LAEA = "+proj=laea +lat_0=45 +lon_0=10 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs"


def projected_grid(
    rows: int = 48, columns: int = 64, cell_m: float = 1000.0, height_m: float | None = None
) -> Grid:
    """A Lambert azimuthal grid whose middle lies a little off 45 N, 10 E; its cells are square by default."""
    y = 20_000.0 - (height_m or cell_m) * np.arange(rows)
    x = -30_000.0 + cell_m * np.arange(columns)
    return Grid(pyproj.CRS.from_proj4(PROJ_LAEA).to_wkt(), y, x)


def geographic_grid(rows: int = 48, columns: int = 64) -> Grid:
    """Latitude and longitude with cells that are wider in degrees than high."""
    return Grid(
        pyproj.CRS.from_epsg(4326).to_wkt(), 46.5 - 0.009 * np.arange(rows), 8.0 + 0.0133 * np.arange(columns)
    )


def times(count: int, step_minutes: int = 10, start: str = "2025-03-22T10:00") -> np.ndarray:
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(step_minutes, "m")


def moving_disc(grid, frames=5, velocity=(1.0, 2.0), step_minutes=10, peak_dbz=45.0, centre=None):
    """A field with a smooth wet disc that moves by ``velocity`` (rows, columns) a frame."""
    rows, columns = grid.shape
    centre = centre or (rows * 0.35, columns * 0.3)
    i, j = np.mgrid[:rows, :columns].astype(np.float32)
    dbz = np.full((frames, rows, columns), NO_ECHO_DBZ, np.float32)
    for t in range(frames):
        distance = np.hypot(i - centre[0] - velocity[0] * t, j - centre[1] - velocity[1] * t)
        value = peak_dbz - 4.0 * distance
        dbz[t] = np.where(value >= 10.0, value, NO_ECHO_DBZ)
    return make_field(dbz, times(frames, step_minutes), grid)
