"""Tiny CF netCDF days as the Italian composite is published; the truth is the raw codes given."""

import netCDF4
import numpy as np

FILL = 255
NORTH, WEST = 47.11391477, 5.92594517
DY, DX = 0.00913130, 0.01329436


def write_italian(path, raw, times, north=NORTH, west=WEST, rising=False, comment=True, **attrs):
    """raw: uint8 (T, H, W), row 0 in the north; dBZ = raw / 2, 0 no echo, 255 outside coverage."""
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts({"Conventions": "CF-1.8", "institution": "Dipartimento (test)", **attrs})
        for name, size in zip(("time", "lat", "lon"), raw.shape, strict=True):
            data.createDimension(name, size)
        crs = data.createVariable("crs", "i4", ())
        crs.setncatts({"grid_mapping_name": "latitude_longitude", "semi_major_axis": 6378137.0,
                       "inverse_flattening": 298.257223563})
        lat = north - DY * np.arange(raw.shape[1])
        lon = west + DX * np.arange(raw.shape[2])
        _coordinate(data, "lat", lat[::-1] if rising else lat, "degrees_north")
        _coordinate(data, "lon", lon, "degrees_east")
        stamp = data.createVariable("time", "i8", ("time",))
        stamp.setncatts({"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"})
        stamp[:] = np.asarray(times, "datetime64[s]").astype(np.int64)
        var = data.createVariable("reflectivity", "u1", ("time", "lat", "lon"), zlib=True,
                                  chunksizes=(1, *raw.shape[1:]), fill_value=np.uint8(FILL))
        var.set_auto_maskandscale(False)
        var.setncatts({"standard_name": "equivalent_reflectivity_factor", "units": "dBZ",
                       "scale_factor": 0.5, "add_offset": 0.0, "grid_mapping": "crs"})
        if comment:
            var.comment = "0: observed, no echo (echoes start at 10 dBZ); _FillValue: outside coverage"
        var[:] = raw[:, ::-1] if rising else raw
    return path


def _coordinate(data, name, values, units):
    var = data.createVariable(name, "f8", (name,))
    var.units = units
    var[:] = values


def frames(count, shape=(6, 8), seed=0):
    """Some raw frames: a corner outside coverage, no echo, and echoes from 10 to 50 dBZ."""
    rng = np.random.default_rng(seed)
    raw = rng.integers(20, 101, (count, *shape)).astype(np.uint8)
    raw[rng.random(raw.shape) < 0.5] = 0
    raw[:, :2, :2] = FILL
    return raw


def truth(raw):
    """What these codes mean, in dBZ."""
    dbz = raw.astype(np.float32) / 2
    dbz[raw == 0] = -32.0
    dbz[raw == FILL] = np.nan
    return dbz


def times(start, count, minutes=10):
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(minutes, "m")
