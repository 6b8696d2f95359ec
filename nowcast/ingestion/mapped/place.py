"""The grid of a file that has no coordinates: outer edges and projection as a mapping states them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import GridError, SettingsError, complain
from nowcast.core.grid import Grid
from nowcast.ingestion.mapped.settings import GridSettings, Mapping
from nowcast.ingestion.readers.lazy import check_size
from nowcast.ingestion.readers.projections import crs_of_proj


def centres(
    edges: tuple[float, float, float, float], count: int, row: bool, north_first: bool
) -> npt.NDArray[np.float64]:
    """Return the centres of ``count`` rows or columns between the outer edges, in the order of the file."""
    low, high = edges[2:] if row else edges[:2]
    middles = low + (high - low) / count * (np.arange(count) + 0.5)
    return np.asarray(middles[::-1] if row and north_first else middles)


def stated_grid(path: Path, mapping: Mapping, shape: tuple[int, int]) -> Grid:
    """Return the grid of ``shape`` (rows, columns) between the edges of a mapping, its first row in the north.

    Raises:
        SettingsError: the mapping lacks edges or projection, or its unit is not that of the projection.
        FileError: a shape that no radar has.
        GridError: a projection that cannot be understood.
    """
    settings: GridSettings = mapping.grid
    if settings.edges is None or settings.crs is None:
        raise SettingsError(
            complain(
                "grid",
                "no crs or edges",
                f"those of {path.name}: crs, west, east, south and north",
                "add them to the mapping",
            )
        )
    check_size(path, *shape)
    crs = crs_of_proj(settings.crs)
    if crs.is_geographic != (settings.unit == "degrees") and settings.unit is not None:
        raise SettingsError(
            complain(
                "grid.unit",
                settings.unit,
                "degrees for latitude and longitude, m or km for a projection",
                "change it or the crs",
            )
        )
    factor = 1000.0 if settings.unit == "km" else 1.0
    y, x = (
        centres(settings.edges, count, row, True) * factor
        for count, row in zip(shape, (True, False), strict=True)
    )
    try:
        return Grid(crs.to_wkt(), y, x)
    except GridError as error:
        raise GridError(f"{path}: {error}") from error


def north_first(mapping: Mapping, frame: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return a frame with its first row in the north."""
    return np.ascontiguousarray(frame[::-1]) if mapping.grid.first_row == "south" else frame
