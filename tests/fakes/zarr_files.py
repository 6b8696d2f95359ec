"""netCDF files turned into Zarr stores as xarray writes them, numbers as stored."""

import shutil
import warnings

import xarray as xr


def as_zarr(path, version=3, zipped=False, frames=None):
    """Write the file beside itself as ``.zarr`` or ``.zarr.zip`` and return where."""
    target = path.with_suffix(".zarr")
    with xr.open_dataset(path, engine="netcdf4", decode_cf=False) as data, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of consolidated metadata in version 3
        chosen = data.isel(time=frames) if frames is not None else data
        for variable in chosen.variables.values():
            variable.encoding.clear()
        chosen.to_zarr(target, zarr_format=version, consolidated=version == 2)
    if not zipped:
        return target
    packed = shutil.make_archive(str(target), "zip", target)
    shutil.rmtree(target)
    return target.with_name(target.name + ".zip") if packed else target
