"""Fields on another grid: a reader whose frames are put there as they are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from dask.local import get_sync

from nowcast.core.errors import FileError, GridError
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.readers.base import Reader
from nowcast.ingestion.readers.lazy import Frame, lazy_field
from nowcast.ingestion.regridding.settings import ResampleSettings
from nowcast.ingestion.regridding.weights import GridWeights, weights

_PER_DBZ = np.float32(np.log(10.0) / 10.0)


@dataclass(frozen=True, eq=False)
class RegriddedReader:
    """Reads as another reader does, and puts each frame on a grid."""

    reader: Reader
    grid: Grid
    settings: ResampleSettings

    @property
    def name(self) -> str:
        """That of the reader."""
        return self.reader.name

    def sniff(self, path: Path) -> bool:
        """As the reader."""
        return self.reader.sniff(path)

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field on the grid.

        Raises:
            FileError: as the reader; or the file lies nowhere on the grid.
        """
        field = self.reader.open(path)
        source = Grid.of(field)
        times = field["time"].values.astype("datetime64[ns]")
        read = partial(_frame, field, source, self.grid, self.settings, path)
        return lazy_field(read, times, self.grid, {k: v for k, v in field.attrs.items() if k != "grid_mapping"})


def _frame(
    field: xr.DataArray, source: Grid, target: Grid, settings: ResampleSettings, path: Path, index: int
) -> Frame:
    dbz = np.asarray(field.data.blocks[index].compute(scheduler=get_sync), np.float32)[0]
    try:
        return regridded(dbz, weights(source, target, settings.method), settings)
    except GridError as error:
        raise FileError(f"{path}: {error}") from error


def regridded(dbz: Frame, way: GridWeights, settings: ResampleSettings) -> Frame:
    """Put a frame (H, W) of dBZ on the target (R, C); not observed stays NaN, no echo ``NO_ECHO_DBZ``."""
    flat = dbz.reshape(-1)
    if way.matrix is None or way.full is None:
        assert way.index is not None
        found = flat[way.index]
        found[way.index < 0] = np.nan
        return found.reshape(way.shape)
    observed = ~np.isnan(flat)
    if settings.mean_in == "z":
        values = np.where(flat > NO_ECHO_DBZ, np.exp(flat * _PER_DBZ), np.float32(0.0))
    else:
        values = np.where(observed, flat - np.float32(NO_ECHO_DBZ), np.float32(0.0))
    weight = way.matrix @ observed.astype(np.float32)
    total = way.matrix @ values
    known = weight >= way.full * np.float32(settings.observed_share * (1.0 - 1e-5))
    known &= weight > 0.0
    mean = total / np.where(known, weight, np.float32(1.0))
    if settings.mean_in == "z":
        with np.errstate(divide="ignore"):
            mean = np.float32(10.0) * np.log10(mean)
        mean = np.maximum(mean, np.float32(NO_ECHO_DBZ))
    else:
        mean = mean + np.float32(NO_ECHO_DBZ)
    return np.where(known, mean, np.float32(np.nan)).astype(np.float32).reshape(way.shape)
