"""Tiny CF netCDF days as the Italian composite is published; the truth is the raw codes given."""

from dataclasses import dataclass, field, replace

import netCDF4
import numpy as np
import pytest

from nowcast.core.errors import NowcastError
from nowcast.core.grid import Grid

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
        crs.setncatts(
            {
                "grid_mapping_name": "latitude_longitude",
                "semi_major_axis": 6378137.0,
                "inverse_flattening": 298.257223563,
            }
        )
        lat = north - DY * np.arange(raw.shape[1])
        lon = west + DX * np.arange(raw.shape[2])
        _coordinate(data, "lat", lat[::-1] if rising else lat, "degrees_north")
        _coordinate(data, "lon", lon, "degrees_east")
        stamp = data.createVariable("time", "i8", ("time",))
        stamp.setncatts({"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"})
        stamp[:] = np.asarray(times, "datetime64[s]").astype(np.int64)
        var = data.createVariable(
            "reflectivity",
            "u1",
            ("time", "lat", "lon"),
            zlib=True,
            chunksizes=(1, *raw.shape[1:]),
            fill_value=np.uint8(FILL),
        )
        var.set_auto_maskandscale(False)
        var.setncatts(
            {
                "standard_name": "equivalent_reflectivity_factor",
                "units": "dBZ",
                "scale_factor": 0.5,
                "add_offset": 0.0,
                "grid_mapping": "crs",
            }
        )
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


def said_of(reader, path):
    """What a reader says of a file: its one error, or the path when it can be read to its end."""
    try:
        reader.open(path).compute(scheduler="synchronous")
    except NowcastError as error:
        return str(error)
    return str(path)


SYSTEMS = {
    "degrees": (
        ("latitude", "longitude"),
        ("degrees_north", "degrees_east"),
        {
            "grid_mapping_name": "latitude_longitude",
            "semi_major_axis": 6378137.0,
            "inverse_flattening": 298.257223563,
        },
    ),
    "metres": (
        ("projection_y_coordinate", "projection_x_coordinate"),
        ("m", "m"),
        {
            "grid_mapping_name": "lambert_azimuthal_equal_area",
            "longitude_of_projection_origin": 10.0,
            "latitude_of_projection_origin": 55.0,
            "semi_major_axis": 6378137.0,
            "inverse_flattening": 298.257223563,
        },
    ),
    "rotated": (
        ("grid_latitude", "grid_longitude"),
        ("degrees", "degrees"),
        {
            "grid_mapping_name": "rotated_latitude_longitude",
            "grid_north_pole_latitude": 39.25,
            "grid_north_pole_longitude": -162.0,
            "earth_radius": 6371229.0,
        },
    ),
}


@dataclass
class Scene:
    """A CF file as a producer might write it, and what it holds: dBZ (T, H, W), times, y falling, x rising.

    NaN is not observed and -32 no echo; cells are twice as high as wide, no row is like another.
    """

    dbz: np.ndarray
    times: np.ndarray
    y: np.ndarray
    x: np.ndarray
    system: str = "metres"
    order: tuple[str, ...] = ("time", "y", "x")
    south_first: bool = False
    east_first: bool = False
    dtype: str = "i2"
    scale: float = 0.5
    offset: float = -40.0
    fill: float | None = -999
    dry: float = -500
    names: tuple[str, ...] = ("time", "y", "x")
    time_units: str = "seconds since 1970-01-01"
    time_numbers: np.ndarray | None = None
    time_dtype: str = "f8"
    calendar: str | None = None
    bounds: bool = False
    units: str = "dBZ"
    attrs: dict = field(default_factory=dict)
    mapping_text: str = "crs"
    axis_attrs: bool = True
    data_model: str = "NETCDF4"

    def write(self, path):
        names, units, mapping = SYSTEMS[self.system]
        called = dict(zip(("time", "y", "x"), self.names, strict=True))
        with netCDF4.Dataset(path, "w", format=self.data_model) as data:
            for key, size in zip(("time", "y", "x"), self.dbz.shape, strict=True):
                data.createDimension(called[key], size)
            if "level" in self.order:
                data.createDimension("level", 1)
            stamp = data.createVariable(called["time"], self.time_dtype, (called["time"],))
            stamp.setncatts({"units": self.time_units, "standard_name": "time"})
            if self.calendar:
                stamp.calendar = self.calendar
            stamp[:] = _seconds(self.times) if self.time_numbers is None else self.time_numbers
            for i, (key, values, flip) in enumerate(
                (("y", self.y, self.south_first), ("x", self.x, self.east_first))
            ):
                var = data.createVariable(called[key], "f8", (called[key],))
                var.setncatts({"units": units[i], **({"standard_name": names[i]} if self.axis_attrs else {})})
                centres = values[::-1] if flip else values
                half = np.diff(centres).mean() / 2
                var[:] = centres - half if self.bounds else centres
                if self.bounds:
                    if "n2" not in data.dimensions:
                        data.createDimension("n2", 2)
                    var.bounds = f"{called[key]}_bnds"
                    edges = data.createVariable(var.bounds, "f8", (called[key], "n2"))
                    edges[:] = np.stack([centres - half, centres + half], 1)
            crs = data.createVariable("crs", "i4", ())
            crs.setncatts(mapping)
            dims = tuple(called.get(d, d) for d in self.order)
            fill = {} if self.fill is None else {"fill_value": np.array(self.fill).astype(self.dtype)[()]}
            var = data.createVariable("Z", self.dtype, dims, **fill)
            var.set_auto_maskandscale(False)
            packed = (
                {}
                if (self.scale, self.offset) == (1.0, 0.0)
                else {"scale_factor": self.scale, "add_offset": self.offset}
            )
            var.setncatts(
                {
                    "standard_name": "equivalent_reflectivity_factor",
                    "units": self.units,
                    "grid_mapping": self.mapping_text,
                    **packed,
                    **self.attrs,
                }
            )
            var[:] = self.raw()

    def raw(self):
        """What stands in the file, in its order of dimensions and rows."""
        raw = np.round((self.dbz.astype(np.float64) - self.offset) / self.scale, 6)
        raw = np.where(self.dbz == -32.0, self.dry, raw)
        raw = np.where(np.isnan(self.dbz), -999 if self.fill is None else self.fill, raw)
        raw = raw[:, :: -1 if self.south_first else 1, :: -1 if self.east_first else 1]
        raw = (
            raw.astype(np.int64).astype(self.dtype)
            if np.dtype(self.dtype).kind != "f"
            else raw.astype(self.dtype)
        )
        now = ["time", "y", "x"]
        moved = np.transpose(raw, [now.index(d) for d in self.order if d in now])
        return moved if "level" not in self.order else np.expand_dims(moved, self.order.index("level"))


def _seconds(stamps):
    return np.asarray(stamps, "datetime64[s]").astype(np.int64)


def scene(shape=(3, 5, 8), seed=0, system="metres", **changes):
    """A small scene whose every cell differs from its neighbours, with coverage that moves."""
    rng = np.random.default_rng(seed)
    count, height, width = shape
    dbz = (rng.integers(-20, 120, shape) / 2).astype(np.float32)
    dbz[rng.random(shape) < 0.3] = -32.0
    for t in range(count):
        dbz[t, 0, t : t + 3] = np.nan
    cell = (2000.0, 1000.0) if system == "metres" else (0.02, 0.01)
    north, west = {"metres": (40_500.0, -31_250.0), "degrees": (47.31, 6.12), "rotated": (1.24, -2.31)}[system]
    when = times("2025-03-01T11:50", count)
    made = Scene(dbz, when, north - cell[0] * np.arange(height), west + cell[1] * np.arange(width), system)
    made.attrs = {"flag_values": np.array([made.dry], made.dtype), "flag_meanings": "no_echo"}
    return replace(made, **changes)


def assert_truth(opened, truth):
    """What a reader gives is the scene: absence, values, times, and place to a thousandth of a cell."""
    np.testing.assert_array_equal(opened.time.values, truth.times)
    mapping = SYSTEMS[truth.system][2]
    found = Grid.of(opened).crs.to_cf()
    assert {k: found.get(k) for k in mapping if k != "earth_radius"} == pytest.approx(
        {k: v for k, v in mapping.items() if k != "earth_radius"}
    )
    values = opened.compute(scheduler="synchronous").values
    np.testing.assert_array_equal(np.isnan(values), np.isnan(truth.dbz))
    np.testing.assert_array_equal(values == -32.0, truth.dbz == -32.0)
    np.testing.assert_allclose(values, truth.dbz, rtol=0, atol=1e-4)
    np.testing.assert_allclose(opened.y, truth.y, rtol=0, atol=1e-3 * abs(truth.y[1] - truth.y[0]))
    np.testing.assert_allclose(opened.x, truth.x, rtol=0, atol=1e-3 * abs(truth.x[1] - truth.x[0]))
