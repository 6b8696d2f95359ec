"""Tiny polar volumes, ODIM_H5 and CfRadial, whose every gate is known.

Dimensions: dBZ (A rays, G gates); NaN is not observed, -32 no echo.
"""

import h5py
import netCDF4
import numpy as np

LON, LAT, HEIGHT = 5.0, 50.0, 120.0
GAIN, OFFSET = 0.4, -31.5


def sweep(value, rays=36, gates=50):
    """A turn of dBZ that tells its gate: ``value`` plus tenths of the ray and hundredths of the gate."""
    return value + np.arange(rays)[:, None] * 0.4 + np.zeros(gates)


def codes(dbz):
    raw = np.round((dbz - OFFSET) / GAIN)
    return np.where(np.isnan(dbz), 255, np.where(dbz == -32, 0, raw)).astype(np.uint8)


def write_odim(
    path,
    sweeps,
    time="2025-03-01T12:00:00",
    gate_m=2000.0,
    start_km=1.0,
    first_azimuth=3.0,
    kind="PVOL",
    quantity="DBZH",
    place=(LON, LAT, HEIGHT),
    name="xxaaa",
):
    """sweeps: elevation -> dBZ, the first ray from ``first_azimuth``; what stands further out is wrong."""
    date, clock = time[:10].replace("-", ""), time[11:].replace(":", "")
    with h5py.File(path, "w") as file:
        file.create_group("what").attrs.update(
            {
                "object": np.bytes_(kind),
                "date": np.bytes_(date),
                "time": np.bytes_(clock),
                "gain": 9.0,
                "offset": 9.0,
                "source": np.bytes_(f"WMO:06000,NOD:{name}"),
                "version": np.bytes_("H5rad 2.3"),
            }
        )
        file.create_group("where").attrs.update(dict(zip(("lon", "lat", "height"), place, strict=True)))
        for number, (elevation, dbz) in enumerate(sweeps.items(), 1):
            outer = file.create_group(f"dataset{number}")
            rays, gates = dbz.shape
            outer.create_group("where").attrs.update(
                {
                    "elangle": elevation,
                    "nrays": rays,
                    "nbins": gates,
                    "rscale": gate_m,
                    "rstart": start_km,
                    "a1gate": 7,
                }
            )
            start = (first_azimuth + np.arange(rays) * 360.0 / rays) % 360.0
            outer.create_group("how").attrs.update(
                {"startazA": start, "stopazA": (start + 360.0 / rays) % 360.0}
            )
            for inner, (other, shift) in enumerate((("TH", 3), (quantity, 0)), 1):
                member = outer.create_group(f"data{inner}")
                raw = codes(dbz)
                member.create_dataset(
                    "data", data=np.where((raw > 0) & (raw < 255), raw + shift, raw), compression="gzip"
                )
                member.create_group("what").attrs.update(
                    {
                        "quantity": np.bytes_(other),
                        "gain": GAIN,
                        "offset": OFFSET,
                        "nodata": 255.0,
                        "undetect": 0.0,
                    }
                )
    return path


def write_cfradial(
    path,
    sweeps,
    version=1,
    gate_m=2000.0,
    first_m=2000.0,
    first_azimuth=8.0,
    time="2025-03-01T12:00:00",
    place=(LON, LAT, HEIGHT),
    field="DBZH",
):
    """The middles of the rays are from ``first_azimuth``; numbers are packed, -32 is a value of its own."""
    with netCDF4.Dataset(path, "w") as data:
        data.setncatts(
            {"Conventions": "CF/Radial-1.4" if version == 1 else "Cf/Radial-2.1", "instrument_name": "xxaaa"}
        )
        for name, value in zip(("longitude", "latitude", "altitude"), place, strict=True):
            data.createVariable(name, "f8", ())[...] = value
        shapes = {dbz.shape for dbz in sweeps.values()}
        ((rays, gates),) = shapes
        if version == 1:
            data.createDimension("time", rays * len(sweeps))
            data.createDimension("range", gates)
            data.createDimension("sweep", len(sweeps))
            starts = np.arange(len(sweeps)) * rays
            for name, values in (("sweep_start_ray_index", starts), ("sweep_end_ray_index", starts + rays - 1)):
                data.createVariable(name, "i4", ("sweep",))[:] = values
            groups = [(data, np.concatenate(list(sweeps.values())), np.repeat(list(sweeps), rays))]
        else:
            groups = []
            for number, (elevation, dbz) in enumerate(sweeps.items()):
                group = data.createGroup(f"sweep_{number:04d}")
                group.createDimension("time", rays)
                group.createDimension("range", gates)
                groups.append((group, dbz, np.full(rays, elevation)))
        for group, dbz, elevation in groups:
            stamp = group.createVariable("time", "f8", ("time",))
            stamp.units = f"seconds since {time[:10]} {time[11:]}"
            stamp[:] = np.arange(len(dbz)) * 0.1
            azimuth = (first_azimuth + np.arange(len(dbz)) % rays * 360.0 / rays) % 360.0
            for name, dim, values in (
                ("azimuth", "time", azimuth),
                ("elevation", "time", elevation),
                ("range", "range", first_m + gate_m * np.arange(gates)),
            ):
                group.createVariable(name, "f4", (dim,))[:] = values
            var = group.createVariable(field, "i2", ("time", "range"), fill_value=np.int16(-9999), zlib=True)
            var.set_auto_maskandscale(False)
            var.setncatts({"units": "dBZ", "scale_factor": 0.1, "add_offset": 1.0})
            var[:] = np.where(np.isnan(dbz), -9999, np.round((dbz - 1.0) / 0.1)).astype(np.int16)
    return path
