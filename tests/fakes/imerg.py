"""A GPM IMERG file as NASA's Precipitation Processing System lays it out, of few cells whose rain is known."""

import h5py
import numpy as np

FILL = np.float32(-9999.9)
LON, LAT = np.arange(-1.95, 2.0, 0.1, np.float32)[:6], np.arange(44.05, 46.0, 0.1, np.float32)[:4]
EPOCH = np.datetime64("1980-01-06")


def write_imerg(path, rain, start="2024-01-15T00:00", version=7):
    """rain: mm/h (lat from the south, lon), NaN where missing; other fields hold other numbers."""
    with h5py.File(path, "w") as file:
        file.attrs["FileHeader"] = np.bytes_(
            f"AlgorithmID=3IMERGHH;\nFileName=3B-HHR.MS.MRG.3IMERG.V0{version}B.HDF5;\nTimeInterval=HALF_HOUR;\n"
        )
        file.attrs["FileInfo"] = np.bytes_("FormatPackage=HDF5-1.10.9;\nEndianType=LITTLE_ENDIAN;\n")
        grid = file.create_group("Grid")
        grid.attrs["GridHeader"] = np.bytes_("Registration=CENTER;\nOrigin=SOUTHWEST;\n")
        epoch = EPOCH if version >= 7 else np.datetime64("1970-01-01")
        seconds = int((np.datetime64(start) - epoch) / np.timedelta64(1, "s"))
        _coordinate(
            grid, "time", np.array([seconds], np.int32), f"seconds since {epoch} 00:00:00 UTC", "T", 1800
        )
        grid["time"].attrs["calendar"] = np.bytes_("julian")
        _coordinate(grid, "lon", LON, "degrees_east", "X", 0.1)
        _coordinate(grid, "lat", LAT, "degrees_north", "Y", 0.1)
        within = grid.create_group("Intermediate") if version >= 7 else grid
        main, other, uncalibrated = (
            ("precipitation", "MWprecipitation", "precipitationUncal")
            if version >= 7
            else ("precipitationCal", "HQprecipitation", "precipitationUncal")
        )
        stored = np.where(np.isnan(rain), FILL, rain).astype(np.float32).T[None]
        _field(grid, grid, main, stored, "mm/hr")
        _field(grid, grid, "randomError", stored + 7, "mm/hr")
        _field(grid, grid, "probabilityLiquidPrecipitation", np.full(stored.shape, 90, np.int16), "percent")
        _field(within, grid, other, stored + 9, "mm/hr")
        _field(within, grid, uncalibrated, stored + 11, "mm/hr")
    return path


def _coordinate(grid, name, centres, units, axis, width):
    made = grid.create_dataset(name, data=centres)
    made.make_scale(name)
    standard = {"T": "time", "X": "longitude", "Y": "latitude"}[axis]
    bounds = f"{name}_bnds"
    _texts(
        made, DimensionNames=name, units=units, Units=units, standard_name=standard, axis=axis, bounds=bounds
    )
    low = centres if axis == "T" else centres - width / 2
    edges = grid.create_dataset(bounds, data=np.stack([low, low + width], axis=1).astype(centres.dtype))
    vertices = "nv" if axis == "T" else f"{name}v"
    grid.create_dataset(vertices, data=np.arange(2, dtype=np.int32)).make_scale(vertices)
    edges.dims[0].attach_scale(made)
    edges.dims[1].attach_scale(grid[vertices])
    _texts(edges, units=units, Units=units, coordinates=f"{name} {vertices}")


def _field(group, grid, name, numbers, units):
    made = group.create_dataset(name, data=numbers, chunks=(1, 3, 4), compression="gzip", shuffle=True)
    for axis, scale in enumerate(("time", "lon", "lat")):
        made.dims[axis].attach_scale(grid[scale])
    fill = FILL if numbers.dtype.kind == "f" else np.int16(-9999)
    made.attrs["_FillValue"] = fill
    _texts(
        made,
        DimensionNames="time,lon,lat",
        units=units,
        Units=units,
        coordinates="time lon lat",
        CodeMissingValue=f"{fill:.1f}",
    )


def _texts(made, **attributes):
    for name, text in attributes.items():
        made.attrs[name] = np.bytes_(text)
