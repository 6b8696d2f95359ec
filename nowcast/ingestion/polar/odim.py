"""ODIM_H5 polar volumes and scans (objects PVOL and SCAN) of any producer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, complain
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site, Sweep, Volume
from nowcast.ingestion.readers.foreign import odim_object
from nowcast.ingestion.readers.hdf5 import attributes, finite, open_hdf5, plain, read_numbers
from nowcast.ingestion.readers.lazy import HDF5_LOCK, Frame, faults_named
from nowcast.ingestion.readers.odim_h5 import odim_decoder, odim_time

QUANTITIES = ("DBZH", "DBZ", "TH", "DBTH", "DBZV", "TV")
_NAMED = re.compile(r"(?:^|,)(NOD|RAD|WMO|PLC|WIGOS):([^,]+)")
_PAIR = re.compile(r"(-?\d+(?:\.\d+)?):(-?\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class _Array:
    """One array of rays and gates: where it stands, what is said of its numbers, and of its sweep."""

    place: str
    quantity: str
    meaning: Mapping[str, Any]
    where: Mapping[str, Any]
    how: Mapping[str, Any]


def read_odim(path: Path, settings: PolarSettings) -> Volume:
    """Read what a volume says of itself; the numbers of a sweep are read when they are asked for.

    Source: ODIM_H5 2.4 (EUMETNET OPERA), sections 4.1 to 4.3, tables 4, 8, 10 and 13.

    Raises:
        FileError: no volume, none of the quantity, or attributes that are missing or no numbers.
    """
    with faults_named(path, "an ODIM_H5 volume"), open_hdf5(path) as file:
        kind = odim_object(file)
        if kind not in ("PVOL", "SCAN"):
            raise FileError(f"{path}: is ODIM_H5 of the object {kind[:20]!r}, expected PVOL or SCAN")
        what, where = attributes(file, "what"), attributes(file, "where")
        site = Site(
            _name(str(what.get("source", ""))),
            finite(path, "where", where, "lon"),
            finite(path, "where", where, "lat"),
            finite(path, "where", where, "height"),
        )
        arrays = list(_arrays(file))
        wanted = (settings.quantity,) if settings.quantity else QUANTITIES
        quantity = next((q for q in wanted if any(a.quantity == q for a in arrays)), None)
        if quantity is None:
            there = ", ".join(sorted({a.quantity for a in arrays})) or "none"
            raise FileError(
                complain(
                    f"{path}: quantity",
                    there,
                    f"one of {', '.join(wanted)}",
                    "choose one with --polar quantity=NAME",
                )
            )
        sweeps = tuple(
            _sweep(path, file, a, settings)
            for a in arrays
            if a.quantity == quantity
            and settings.lowest_elevation_deg
            <= finite(path, a.place, a.where, "elangle")
            <= settings.highest_elevation_deg
        )
        return Volume(path, site, odim_time(path, what, "date", "time"), quantity, sweeps)


def _name(source: str) -> str:
    found = dict(_NAMED.findall(source))
    named = (found[k] for k in ("NOD", "RAD", "WMO", "WIGOS", "PLC") if k in found)
    return next(named, source[:40] or "unknown")


def _arrays(file: Any) -> Iterator[_Array]:
    """Yield each array, the nearest group winning attribute by attribute."""
    root = {name: attributes(file, name) for name in ("what", "where", "how")}
    for outer in _numbered(file, "dataset"):
        sweep = {name: {**root[name], **attributes(file[outer], name)} for name in root}
        for inner in _numbered(file[outer], "data"):
            member = file[outer][inner]
            meaning = {**sweep["what"], **attributes(member, "what")}
            if "data" in member:
                yield _Array(
                    f"{outer}/{inner}/data",
                    str(meaning.get("quantity", "")),
                    meaning,
                    sweep["where"],
                    {**sweep["how"], **attributes(member, "how")},
                )


def _numbered(group: Any, start: str) -> list[str]:
    found = [k for k in group if re.fullmatch(rf"{start}\d{{1,4}}", k)]
    return sorted(found, key=lambda k: int(k[len(start) :]))


def _sweep(path: Path, file: Any, array: _Array, settings: PolarSettings) -> Sweep:
    del settings
    stored = file[array.place]
    if stored.ndim != 2 or stored.dtype.kind not in "uif" or 0 in stored.shape:
        raise FileError(
            f"{path}: {array.place} is {stored.dtype} of shape {stored.shape}, expected numbers of "
            "rays and gates"
        )
    rays, gates = stored.shape
    group = array.place.split("/")[0]
    gate_m = finite(path, f"{group}/where", array.where, "rscale")
    start_km = finite(path, f"{group}/where", array.where, "rstart") if "rstart" in array.where else 0.0
    decode = odim_decoder(path, array.place.removesuffix("/data"), array.meaning)
    return Sweep(
        finite(path, f"{group}/where", array.where, "elangle"),
        _azimuths(array.how, rays),
        start_km * 1000.0 + gate_m / 2.0,
        gate_m,
        gates,
        partial(_read, path, array.place, decode),
    )


def _azimuths(how: Mapping[str, Any], rays: int) -> npt.NDArray[np.float64]:
    """Return the middles of the rays: as measured where the file has as many, else evenly from north."""
    start, stop = (
        np.asarray(how.get(name, ()), np.float64).reshape(-1) if name in how else np.empty(0)
        for name in ("startazA", "stopazA")
    )
    text = _PAIR.findall(str(plain(how["azangles"]))) if "azangles" in how else []
    if len(text) == rays:
        start, stop = np.array(text, np.float64).T
    if len(start) == rays == len(stop) and np.isfinite(start).all() and np.isfinite(stop).all():
        turned = (stop - start + 180.0) % 360.0 - 180.0
        return np.asarray((start + turned / 2.0) % 360.0)
    offset = float(how["astart"]) if isinstance(how.get("astart"), (int, float)) else 0.0
    return (np.arange(rays) + 0.5) * 360.0 / rays + offset


def _read(path: Path, place: str, decode: Any) -> Frame:
    with faults_named(path, "an ODIM_H5 volume"), HDF5_LOCK, h5py.File(path, "r") as file:
        raw = read_numbers(path, file[place])
    dbz: Frame = decode(raw)
    return dbz
