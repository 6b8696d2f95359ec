"""What each reader is held against: a few frames in its format, and their values, times and place by hand.

The scene is lopsided on purpose: cells 2 km high and 1 km wide, more columns than rows, a scale and an
offset that are not 1 and 0, coverage that moves from frame to frame, an echo in one corner, and, where
the format has several places for an attribute, another value in the one that must not be taken.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pyproj

from tests.fakes import grib2, knmi, odim, pictures, radolan
from tests.fakes.geotiff import fmi_items, write_geotiff
from tests.fakes.zarr_files import as_zarr

NODATA, UNDETECT = 255, 0
SHAPE = (7, 11)
TIMES = np.array(["2025-03-01T11:50", "2025-03-01T12:00", "2025-03-01T12:10"], "datetime64[ns]")


@dataclass(frozen=True)
class Known:
    """Files in the order of time, and what they hold: dBZ (T, H, W), times, cell centres, projection."""

    files: tuple[Path, ...]
    dbz: np.ndarray
    times: np.ndarray
    y: np.ndarray
    x: np.ndarray
    crs: pyproj.CRS


def codes(frame, shape=SHAPE):
    """Bytes of frame ``frame``: 255 not observed (a strip that grows), 0 no echo, else an echo that moves."""
    raw = np.full(shape, UNDETECT, np.uint8)
    raw[1:3, 4 + frame : 7 + frame] = 120 + np.arange(6).reshape(2, 3) + 10 * frame
    raw[-1, -1] = 90 + frame
    raw[-2, -3:] = 84
    raw[:, : 2 + frame] = NODATA
    return raw


def dbz_of(raw, gain, offset):
    dbz = np.float64(gain) * raw + offset
    return np.where(raw == NODATA, np.nan, np.where(raw == UNDETECT, -32.0, dbz)).astype(np.float32)


def _centres(north, west, shape=SHAPE, cell=(2000.0, 1000.0)):
    return north - cell[0] * (np.arange(shape[0]) + 0.5), west + cell[1] * (np.arange(shape[1]) + 0.5)


def _known(files, gain, offset, north, west, crs):
    dbz = np.stack([dbz_of(codes(k), gain, offset) for k in range(3)])
    return Known(tuple(files), dbz, TIMES, *_centres(north, west), pyproj.CRS.from_user_input(crs))


def odim_h5(folder):
    files = []
    for k, time in enumerate(TIMES):
        path = odim.write_opera(
            folder / f"o{k}.h5",
            codes(k),
            str(time)[:19],
            "DBZH",
            cell=(2000.0, 1000.0),
            gain=0.4,
            offset=-31.5,
            nodata=255.0,
            undetect=0.0,
        )
        with h5py.File(path, "a") as file:  # what stands further out must not win
            for place, other in (("what", 3.0), ("dataset2/what", 2.0)):
                stated = file[place].attrs
                stated.update({"gain": other, "offset": other, "nodata": 0.0, "undetect": 255.0})
                stated["quantity"] = np.bytes_("VRAD")
            file["dataset2"].create_group("where").attrs["xscale"] = 1000.0
            file["where"].attrs["xscale"] = 2000.0
        files.append(path)
    return _known(files, 0.4, -31.5, -2_000_000.0, 1_000_000.0, odim.OPERA)


def cf_netcdf(folder):
    path, crs = folder / "c.nc", pyproj.CRS.from_epsg(3035)
    y, x = _centres(3_000_000.0, 4_000_000.0)
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts({"Conventions": "CF-1.8", "institution": "nobody"})
        for name, size in (("time", 3), ("y", len(y)), ("x", len(x))):
            data.createDimension(name, size)
        data.createVariable("crs", "i4", ()).setncatts(crs.to_cf())
        for name, values in (("y", y[::-1]), ("x", x)):
            place = data.createVariable(name, "f8", (name,))
            place.setncatts({"units": "m", "standard_name": f"projection_{name}_coordinate"})
            place[:] = values
        stamp = data.createVariable("time", "i4", ("time",))
        stamp.setncatts({"units": "minutes since 2025-03-01 00:00", "standard_name": "time"})
        stamp[:] = (TIMES - np.datetime64("2025-03-01T00:00")) / np.timedelta64(1, "m")
        var = data.createVariable("dbz", "u1", ("time", "y", "x"), fill_value=np.uint8(NODATA), zlib=True)
        var.set_auto_maskandscale(False)
        var.setncatts(
            {
                "standard_name": "equivalent_reflectivity_factor",
                "units": "dBZ",
                "scale_factor": 0.4,
                "add_offset": -31.5,
                "grid_mapping": "crs",
                "comment": "0: observed, no echo",
            }
        )
        var[:] = np.stack([codes(k) for k in range(3)])[:, ::-1]
    return _known([path], 0.4, -31.5, 3_000_000.0, 4_000_000.0, crs)


def cf_zarr(folder):
    known = cf_netcdf(folder)
    return replace(known, files=(as_zarr(known.files[0], zipped=True),))


def knmi_h5(folder):
    files = []
    for k, time in enumerate(TIMES):
        moment = time.astype("datetime64[s]").item()
        files.append(
            knmi.write_knmi(
                folder / f"k{k}.h5",
                codes(k),
                start="01-MAR-2025;00:00:00.000",
                end=f"{moment:01-MAR-2025;%H:%M:%S.000}",
                formula="GEO = 0.400000 * PV + -31.500000",
                cell=(2.0, 1.0),
                origin=(1825.0, 30.0),
            )
        )
    # lengths in kilometres: 1825 cells of 2 km south of the pole, 30 cells of 1 km east of Greenwich
    crs = knmi.PROJECTION.replace("6378.137", "6378137").replace("6356.752", "6356752")
    return _known(files, 0.4, -31.5, -3_650_000.0, 30_000.0, crs)


def fmi_pgm(folder):
    files = [
        pictures.write_fmi(folder / f"f{k}.pgm", codes(k), str(time)[:16], cell=(2000.0, 1000.0))
        for k, time in enumerate(TIMES)
    ]
    west, south = pyproj.Proj(pictures.FINLAND)(18.6, 57.93)
    return _known(files, 0.5, -32.0, south + SHAPE[0] * 2000.0, west, pictures.FINLAND)


def mch_gif(folder):
    shape = (640, 710)
    files = [
        pictures.write_mch(folder / f"m{k}.gif", codes(k, shape), str(time)[:16], accumulation=10)
        for k, time in enumerate(TIMES)
    ]
    # half a decibel a class, class 71.5 is 0 dBZ of a rate in mm over ten minutes, six of which are an hour
    dbz = np.stack([dbz_of(codes(k, shape), 0.5, -71.5 / 2 + 15 * np.log10(6)) for k in range(3)])
    return Known(
        tuple(files),
        dbz,
        TIMES,
        *_centres(480_000.0, 255_000.0, shape, (1000.0, 1000.0)),
        pyproj.CRS.from_epsg(21781),
    )


def radolan_bytes(folder):
    shape = (900, 900)
    raw = [np.where(codes(k, shape) == NODATA, 250, codes(k, shape)) for k in range(3)]
    files = [radolan.write(folder / f"raa{k}.gz", radolan.frame(raw[k], time)) for k, time in enumerate(TIMES)]
    dbz = np.stack([dbz_of(codes(k, shape), 0.5, -32.5) for k in range(3)])
    centres = _centres(radolan.SOUTH + 900_000.0, radolan.WEST, shape, (1000.0, 1000.0))
    return Known(tuple(files), dbz, TIMES, *centres, pyproj.CRS.from_user_input(radolan.SPHERE))


def grib2_reflectivity(folder):
    files = []
    for k, time in enumerate(TIMES):
        values = np.where(codes(k) == UNDETECT, -99.0, 0.4 * codes(k) - 31.5)
        values[codes(k) == NODATA] = -999.0
        files.append(folder / f"g{k}.grib2")
        files[-1].write_bytes(grib2.message(values[::-1], time, first=(39.88, 250.0), scan=0x40))
    dbz = np.stack([dbz_of(codes(k), 0.4, -31.5) for k in range(3)])
    y, x = 40.0 - 0.02 * np.arange(SHAPE[0]), -110.0 + 0.01 * np.arange(SHAPE[1])
    return Known(tuple(files), dbz, TIMES, y, x, pyproj.CRS.from_user_input(grib2.EARTH))


def geotiff(folder):
    files = [
        write_geotiff(folder / f"t{k}.tif", codes(k), {"GDAL_METADATA": fmi_items(time, 0.4, -31.5)})
        for k, time in enumerate(TIMES)
    ]
    return _known(files, 0.4, -31.5, 7_000_000.0, 100_000.0, "EPSG:3067")


KNOWN = {
    "odim_h5": odim_h5,
    "cf_netcdf": cf_netcdf,
    "cf_zarr": cf_zarr,
    "knmi_h5": knmi_h5,
    "fmi_pgm": fmi_pgm,
    "mch_gif": mch_gif,
    "dwd_radolan": radolan_bytes,
    "grib2": grib2_reflectivity,
    "geotiff": geotiff,
}
"""Name of a reader -> what writes a known scene of its format into a folder."""
