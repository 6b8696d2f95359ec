"""ODIM_H5 2.4 composites: one reflectivity field a file, as European weather services exchange them."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.errors import GridError, SettingsError, complain
from nowcast.core.field import FieldError
from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.version import __version__


@dataclass(frozen=True)
class OdimPacking:
    """How dBZ become integers: ``dbz = code * gain + offset``; code 0 is undetect, the highest nodata.

    The default holds what weather services exchange: 8 bits in steps of 0.5 dBZ from -31.5 to 95 dBZ.
    A value between two steps goes to the nearer one.
    """

    gain: float = 0.5
    offset: float = NO_ECHO_DBZ
    bits: Literal[8, 16] = 8

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise SettingsError(
                complain("ODIM packing: gain", self.gain, "dBZ above zero", "take for example 0.5")
            )

    @property
    def nodata(self) -> int:
        """Code of a pixel that was not observed."""
        return int(2**self.bits - 1)

    undetect = 0
    """Code of a pixel that was observed and had no echo."""

    @classmethod
    def fitting(cls, dbz: npt.NDArray[np.floating]) -> OdimPacking:
        """Return 8 bits of 0.5 dBZ when that loses nothing, else 16 bits of hundredths as in the archive."""
        observed = dbz[~np.isnan(dbz)]
        exact = bool((np.rint(observed * 2) == observed * 2).all()) and bool((observed <= 95.0).all())
        return cls() if exact else cls(gain=0.01, bits=16)

    def encode(self, dbz: npt.NDArray[np.floating]) -> npt.NDArray[np.unsignedinteger]:
        """Turn dBZ into codes.

        Raises:
            FieldError: a value above the highest or below the lowest that the codes reach.
        """
        codes = np.rint((dbz.astype(np.float64) - self.offset) / self.gain)
        observed = ~np.isnan(dbz)
        dry = observed & (dbz <= NO_ECHO_DBZ)
        low, high = self.offset + self.gain, self.offset + self.gain * (self.nodata - 1)
        wrong = observed & ~dry & ((codes < self.undetect) | (codes >= self.nodata))
        if wrong.any():
            raise FieldError(
                complain(
                    "ODIM packing",
                    f"{float(dbz[wrong][0]):g} dBZ",
                    f"{low:g} to {high:g} dBZ",
                    "choose another gain, offset or bits=16",
                )
            )
        codes[dry] = self.undetect
        codes[~observed] = self.nodata
        return codes.astype(np.uint8 if self.bits == 8 else np.uint16)


def write_composite(
    path: Path,
    dbz: npt.NDArray[np.floating],
    time: np.datetime64,
    grid: Grid,
    *,
    packing: OdimPacking | None = None,
    source: str = "CMT:nowcast",
    product: str = "COMP",
    how: Mapping[str, str] | None = None,
) -> Path:
    """Write one frame as an ODIM_H5 composite of quantity DBZH, whole or not at all.

    Args:
        path: the file to make; one that is there is replaced in one step.
        dbz: (H, W), NaN not observed (nodata), `NO_ECHO_DBZ` observed without echo (undetect).
        time: nominal time, UTC; the valid time of a forecast.
        grid: H rows north to south, W columns west to east.
        packing: steps of dBZ; by default `OdimPacking.fitting`.
        source: ODIM source identifiers such as ``NOD:xxxxx`` or ``ORG:247``.
        product: ODIM product name of the data set.
        how: further text attributes of ``/how``, for example the model of a forecast.

    Raises:
        FieldError: values outside the packing's range or a shape that is not the grid's.
        FileError: the file cannot be written.

    Source: EUMETNET OPERA, ODIM_H5 version 2.4 (2022), tables 1-5, 7, 8, 15 and 16.
    """
    return write_composites(
        path, [(time, dbz)], time, grid, packing=packing, source=source, product=product, how=how
    )


def write_composites(
    path: Path,
    frames: Sequence[tuple[np.datetime64, npt.NDArray[np.floating]]],
    time: np.datetime64,
    grid: Grid,
    *,
    packing: OdimPacking | None = None,
    source: str = "CMT:nowcast",
    product: str = "COMP",
    how: Mapping[str, str] | None = None,
) -> Path:
    """Write frames of several times as one ODIM_H5 composite, a data set each, whole or not at all.

    Args:
        path: the file to make; one that is there is replaced in one step.
        frames: time and dBZ (H, W) of each, as of `write_composite`.
        time: nominal time of the file, UTC.
        grid, packing, source, product, how: as of `write_composite`; one packing for all frames.

    Raises:
        FieldError, FileError: as `write_composite`.
    """
    for _, dbz in frames:
        if dbz.shape != grid.shape:
            raise FieldError(
                complain(
                    "ODIM composite",
                    f"values of shape {dbz.shape}",
                    f"the grid's {grid.shape}",
                    "give frames (H, W) and their own grid",
                )
            )
    packing = packing or OdimPacking.fitting(np.stack([dbz for _, dbz in frames]))
    image = io.BytesIO()  # HDF5 itself crashes the process when the disk is full while it writes
    with h5py.File(image, "w") as file:
        day, clock = _stamp(time)
        _write(file, {"Conventions": "ODIM_H5/V2_4"})
        _write(
            file.create_group("what"),
            {"object": "COMP", "version": "H5rad 2.4", "date": day, "time": clock, "source": source},
        )
        _write(file.create_group("where"), _where(grid))
        _write(file.create_group("how"), {"software": "nowcast", "sw_version": __version__, **(how or {})})
        for number, (valid, dbz) in enumerate(frames, start=1):
            _write_dataset(file.create_group(f"dataset{number}"), dbz, valid, packing, product)
    with whole_file(path) as temporary:
        temporary.write_bytes(image.getbuffer())
    return Path(path)


def _write_dataset(
    dataset: Any, dbz: npt.NDArray[np.floating], valid: np.datetime64, packing: OdimPacking, product: str
) -> None:
    day, clock = _stamp(valid)
    _write(
        dataset.create_group("what"),
        {"product": product, "startdate": day, "starttime": clock, "enddate": day, "endtime": clock},
    )
    data = dataset.create_group("data1")
    _write(
        data.create_group("what"),
        {
            "quantity": "DBZH",
            "gain": float(packing.gain),
            "offset": float(packing.offset),
            "nodata": float(packing.nodata),
            "undetect": float(packing.undetect),
        },
    )
    array = data.create_dataset("data", data=packing.encode(dbz), compression="gzip", compression_opts=6)
    _write(array, {"CLASS": "IMAGE", "IMAGE_VERSION": "1.2"})


def _stamp(time: np.datetime64) -> tuple[str, str]:
    text = str(time.astype("datetime64[s]"))
    return text[:10].replace("-", ""), text[11:].replace(":", "")


def _where(grid: Grid) -> dict[str, Any]:
    """Return projection, scale and outer corners; longitude and latitude on the projection's own ellipsoid.

    Why not WGS 84: a PROJ string names no datum, and readers take the corners back through that string.
    """
    west, east, south, north = grid.extent
    x, y = np.array([west, west, east, east]), np.array([south, north, north, south])
    lon, lat = (x, y) if grid.geographic else pyproj.Proj(projdef(grid))(x, y, inverse=True)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise GridError("grid: its corners have no longitude and latitude; ODIM_H5 needs all four")
    dy, dx = grid.spacing
    rows, columns = grid.shape
    corners = {
        f"{corner}_{axis}": float(values[i])
        for i, corner in enumerate(("LL", "UL", "UR", "LR"))
        for axis, values in (("lon", lon), ("lat", lat))
    }
    return {
        "projdef": projdef(grid),
        "xsize": np.int64(columns),
        "ysize": np.int64(rows),
        "xscale": dx,
        "yscale": dy,
        **corners,
    }


def projdef(grid: Grid) -> str:
    """The grid's projection as the PROJ string that ODIM_H5 asks for.

    Why the warning is silenced: PROJ strings lose the names of datums, which ODIM_H5 cannot carry.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        text = str(grid.crs.to_proj4())
    return text.replace("+type=crs", "").strip()


def _write(place: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        if isinstance(value, str):
            _write_text(place, name, value)
        else:
            place.attrs[name] = value


def _write_text(place: Any, name: str, text: str) -> None:
    """Write a string of fixed length that ends with a zero byte, as ODIM_H5 demands (h5py pads instead)."""
    encoded = text.encode()
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(encoded) + 1)
    kind.set_strpad(h5py.h5t.STR_NULLTERM)
    attribute = h5py.h5a.create(place.id, name.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    attribute.write(np.array(encoded, dtype=f"S{len(encoded) + 1}"))
