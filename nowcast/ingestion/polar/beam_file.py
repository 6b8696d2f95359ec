"""The beams' height beside the frames: ``beam_height.nc`` in the folder of an archive, CF netCDF."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.archive.derive import put
from nowcast.core.field import grid_coords
from nowcast.core.files import whole_file
from nowcast.core.places import DataPath
from nowcast.ingestion.polar.reader import PolarVolumes

BEAM_FILE = "beam_height.nc"


def write_beam_height(archive: Path, reading: PolarVolumes) -> Path:
    """Write the height of the beams that one frame is from, above sea level, NaN where none observes.

    Why one frame stands for all: the sweeps of a radar are the same from volume to volume; of gates that are
    blocked for a time it is that of the first.

    Raises:
        FileError: the folder cannot be written.
    """
    heights = xr.DataArray(
        reading.heights().astype(np.float32),
        dims=("y", "x"),
        coords=grid_coords(reading.grid),
        attrs={
            "standard_name": "height_above_mean_sea_level",
            "units": "m",
            "grid_mapping": "crs",
            "long_name": "height of the middle of the radar beam",
        },
    )
    data = heights.to_dataset(name="beam_height").assign_attrs(
        Conventions="CF-1.10", gridding=dict(reading.attrs).get("gridding", "")
    )
    with whole_file(archive / BEAM_FILE) as target:
        data.to_netcdf(target, engine="netcdf4", encoding={"beam_height": {"zlib": True, "_FillValue": np.nan}})
    return archive / BEAM_FILE


def keep_beam_height(
    archive: DataPath, derived: DataPath, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Put the heights beside an archive, where there are some, for its part beside one made from it."""
    source = archive / BEAM_FILE
    if not source.exists():
        return
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole.nc", Path(folder) / "part.nc"
        whole.write_bytes(source.read_bytes())
        with xr.open_dataset(whole, engine="netcdf4") as data:
            data.isel(y=slice(*rows), x=slice(*columns)).to_netcdf(part, engine="netcdf4")
        put(derived / BEAM_FILE, part.read_bytes())
