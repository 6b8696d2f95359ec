"""Random ways in which each format may say not observed and no echo, with the dBZ that must come out."""

import gzip

import netCDF4
import numpy as np

from tests.fakes import grib2, knmi, odim, pictures, radolan
from tests.fakes.geotiff import fmi_items, write_geotiff
from tests.fakes.zarr_files import as_zarr

GONE, DRY, ECHO = 0, 1, 2
SHAPE = (5, 7)
TIME = "2025-03-01T12:00"
FLOAT_CODES = (-9999.0, -9999.9, -999.9, -8888.8, -9999000.0, -8888000.0, 1e30, -3.4e38, 9.96921e36)


def kinds(rng, shape=SHAPE):
    """Which cell is what; each of the three is there."""
    found = rng.integers(0, 3, shape)
    found.reshape(-1)[:3] = GONE, DRY, ECHO
    return found


def numbers(rng):
    """A type, a gain and an offset, two codes, and numbers for echoes that are neither and within 70 dBZ."""
    dtype = np.dtype(rng.choice(["u1", "u2", "i2", "i4", "f4", "f8"]))
    if dtype.kind == "f":
        nodata, undetect = rng.choice(FLOAT_CODES, 2, replace=False)
        return dtype, 1.0, 0.0, nodata, undetect, rng.uniform(-30, 70, SHAPE)
    bounds = np.iinfo(dtype)
    usual = sorted({bounds.max, bounds.min, 0, bounds.max - 1, *([-999, -1] if dtype.kind == "i" else [])})
    nodata, undetect = rng.choice(usual, 2, replace=False)
    gain, first = rng.choice([0.1, 0.25, 0.4, 0.5]), int(rng.integers(1, 40))
    echoes = rng.integers(first, first + 120, SHAPE)
    offset = -30.0 - gain * first
    return dtype, float(gain), float(offset), int(nodata), int(undetect), echoes


def stored(rng):
    """Numbers as a file stores them, what they mean, and the dBZ they are."""
    dtype, gain, offset, nodata, undetect, echoes = numbers(rng)
    what = kinds(rng)
    clash = np.isin(echoes, [nodata, undetect])
    echoes = np.where(clash, echoes + 3 if dtype.kind != "f" else 10.0, echoes)
    raw = np.where(what == GONE, nodata, np.where(what == DRY, undetect, echoes)).astype(dtype)
    values = raw.astype(np.float64) * gain + offset
    return raw, gain, offset, nodata, undetect, truth(what, values)


def truth(what, values):
    return np.where(what == GONE, np.nan, np.where(what == DRY, -32.0, np.maximum(values, -32.0)))


def odim_h5(folder, rng):
    raw, gain, offset, nodata, undetect, dbz = stored(rng)
    path = odim.write_sweden(folder / "o.h5", raw, TIME, gain, offset, float(nodata), float(undetect))
    return path, dbz


def cf_netcdf(folder, rng):
    raw, gain, offset, nodata, undetect, dbz = stored(rng)
    path, own = folder / "c.nc", raw.dtype.type
    with netCDF4.Dataset(path, "w") as data:
        for name, size, units in (("lat", SHAPE[0], "degrees_north"), ("lon", SHAPE[1], "degrees_east")):
            data.createDimension(name, size)
            axis = data.createVariable(name, "f8", (name,))
            axis.units = units
            axis[:] = np.arange(size)[:: -1 if name == "lat" else 1]
        stamp = data.createVariable("time", "i8", ())
        stamp.units = "minutes since 2025-03-01 12:00"
        stamp[...] = 0
        fill = own(nodata) if rng.random() < 0.5 else None
        var = data.createVariable("dbz", raw.dtype, ("lat", "lon"), fill_value=fill)
        var.set_auto_maskandscale(False)
        var.setncatts({"units": "dBZ", "scale_factor": gain, "add_offset": offset})
        if fill is None:
            var.setncattr(
                rng.choice(["missing_value", "nodata", "fill_value"]),
                np.float64(nodata) if raw.dtype.kind == "f" else own(nodata),
            )
        if rng.random() < 0.5:
            var.setncatts({"flag_values": np.array([undetect], raw.dtype), "flag_meanings": "no_echo"})
        else:
            var.undetect = own(undetect)
        var[:] = raw
    return path, dbz


def cf_zarr(folder, rng):
    path, dbz = cf_netcdf(folder, rng)
    return as_zarr(path, version=int(rng.integers(2, 4))), dbz


def knmi_h5(folder, rng):
    what, raw = kinds(rng), rng.integers(1, 200, SHAPE)
    raw = np.where(what == GONE, 255, np.where(what == DRY, 0, raw))
    path = knmi.write_knmi(folder / "k.h5", raw, formula="GEO = 0.500000 * PV + -32.000000")
    return path, truth(what, raw / 2 - 32)


def fmi_pgm(folder, rng):
    what, raw = kinds(rng), rng.integers(1, 200, SHAPE)
    raw = np.where(what == GONE, 255, np.where(what == DRY, 0, raw))
    return pictures.write_fmi(folder / "f.pgm", raw, compress=bool(rng.integers(2))), truth(what, raw / 2 - 32)


def mch_gif(folder, rng):
    raw = np.zeros((640, 710), np.uint8)
    what = np.full(raw.shape, DRY)
    what[: SHAPE[0], : SHAPE[1]] = kinds(rng)
    dry = rng.choice([0, 1, 251, 252, 253, 254], raw.shape)
    raw[:] = np.where(what == GONE, 255, np.where(what == DRY, dry, rng.integers(12, 200, raw.shape)))
    # half a decibel a class; class 71.5 is 0 dBZ of a rate in mm over five minutes, twelve of which are an hour
    return pictures.write_mch(folder / "m.gif", raw), truth(what, raw / 2 - 71.5 / 2 + 15 * np.log10(12))


def dwd_radolan(folder, rng):
    shape = (900, 900)
    what = np.full(shape, DRY)
    what[: SHAPE[0], : SHAPE[1]] = kinds(rng)
    name = folder / f"r{rng.choice(['', '.gz', '.tar'])}"
    if rng.integers(2):
        raw = np.where(what == DRY, 0, rng.integers(2, 180, shape))
        raw[what == GONE] = rng.choice([249, 250, 255])
        return radolan.write(name, radolan.frame(raw, TIME)), truth(what, raw / 2 - 32.5)
    rain = rng.integers(1, 4096, shape)
    flags = rng.choice([0, radolan.SECONDARY_WORD], shape)
    gone = rng.choice([0x29C4, 0x2000, 0x2FFF, 0xA9C4, 0x8000, 0x8123], shape)
    raw = np.where(what == GONE, gone, np.where(what == DRY, 0, rain) | flags)
    rate = np.where(what == ECHO, rain, 1) * 0.12
    return (
        radolan.write(name, radolan.frame(raw, TIME, "RY", 5, " E-02")),
        truth(what, 10 * np.log10(256) + 14.2 * np.log10(rate)),
    )


def grib2_of(folder, rng):
    what, bits = kinds(rng), int(rng.choice([16, 32]))
    values = np.round(rng.uniform(-31, 60, SHAPE), 1)
    template = 0 if bits == 32 else int(rng.choice([0, 41]))
    if rng.integers(2):
        message = grib2.message(
            np.where(what == GONE, -999, np.where(what == DRY, -99, values)), TIME, template=template, bits=bits
        )
        dbz = truth(what, values)
    else:
        rain = np.round(rng.uniform(0.2, 90, SHAPE), 1)
        absent = rng.choice([-1.0, -3.0], SHAPE)
        values = np.where(what == GONE, absent, np.where(what == DRY, 0, rain))
        message = grib2.message(values, TIME, grib2.RATE, template=template, bits=bits, reference=-30.0)
        dbz = truth(what, 10 * np.log10(200 * rain**1.6))
    path = folder / "g.grib2"
    path.write_bytes(gzip.compress(message) if rng.integers(2) else message)
    return path, dbz


def geotiff(folder, rng):
    raw, gain, offset, nodata, undetect, dbz = stored(rng)
    way, path, gone = rng.integers(4), folder / "t.tif", np.isnan(dbz)
    texts = [f"{float(code):.17g}" for code in (nodata, undetect)]
    tags = {
        "Observation time": "202503011200",
        "units": "dBZ",
        "gain": str(gain),
        "offset": str(offset),
        "undetect": texts[1],
    }
    if way == 0 and raw.dtype == np.uint8:
        items = fmi_items(TIME, gain, offset).replace('"Nodata">255', f'"Nodata">{texts[0]}')
        items = items.replace('"Undetect">0', f'"Undetect">{texts[1]}')
        return write_geotiff(path, raw, {"GDAL_METADATA": items}), dbz
    if way == 1:
        return write_geotiff(path, raw, tags, mask=np.where(gone, 0, 255).astype(np.uint8)), dbz
    if way == 2 and raw.dtype.kind == "f":
        return write_geotiff(path, np.where(gone, np.nan, raw).astype(raw.dtype), tags), dbz
    if way == 3 or raw.dtype.kind == "f":
        return write_geotiff(path, raw, {**tags, "nodata": texts[0]}), dbz
    return write_geotiff(path, raw, tags, nodata=nodata), dbz


ENCODINGS = {
    "odim_h5": odim_h5,
    "cf_netcdf": cf_netcdf,
    "cf_zarr": cf_zarr,
    "knmi_h5": knmi_h5,
    "fmi_pgm": fmi_pgm,
    "mch_gif": mch_gif,
    "dwd_radolan": dwd_radolan,
    "grib2": grib2_of,
    "geotiff": geotiff,
}
"""Name of a reader -> what writes a file of it at random and returns its path and dBZ."""


def misread(found, dbz):
    """How many pixels are not what they should be: absence exactly, values to two thousandths of a dB."""
    wrong = np.isnan(found) != np.isnan(dbz)
    wrong |= (found == -32) != (dbz == -32)
    with np.errstate(invalid="ignore"):
        wrong |= np.abs(found - dbz) > 2e-3
    return int(wrong.sum())
