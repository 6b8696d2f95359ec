"""NEXRAD level 2, IRIS RAW and Rainbow through the library xradar (extra ``polar``)."""

from __future__ import annotations

import bz2
import gzip
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import FileError, MissingExtraError, complain
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import nanoseconds
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site, Sweep, Volume
from nowcast.ingestion.readers.foreign import polar_kind
from nowcast.ingestion.readers.lazy import Frame, faults_named

QUANTITIES = ("DBZH", "DBZ", "DBTH", "TH", "DBZV")
LARGEST_BYTES = 512 << 20
"""The largest file that is read, unpacked."""
_FUNCTIONS = {
    "NEXRAD level 2": "open_nexradlevel2_datatree",
    "IRIS RAW": "open_iris_datatree",
    "Rainbow": "open_rainbow_datatree",
}
_IRIS_ABSENT = (95.5, 327.67)
"""The last code of 8 and of 16 bits, "area not scanned", as xradar scales them."""


@dataclass(frozen=True)
class Read:
    """Numbers that have been read."""

    dbz: Frame

    def __call__(self) -> Frame:
        """Return a copy that may be changed."""
        return self.dbz.copy()


def available() -> bool:
    """Return whether the library is installed, without loading it."""
    from importlib.util import find_spec

    return find_spec("xradar") is not None


def read_xradar(path: Path, settings: PolarSettings) -> Volume:
    """Read a whole volume.

    No echo is the code of each format for "below the threshold": 0 in all three. Not observed are 1 of NEXRAD
    (range folded) and the last code of IRIS (not scanned).

    Source: ICD 2620002 (NEXRAD), sections 3.2.4.17; IRIS Programmer's Manual, section 4.4; Rainbow 5 file
    format, Selex.

    Raises:
        MissingExtraError: xradar is not installed.
        FileError: damaged, too large when unpacked, or without reflectivity.
    """
    kind = polar_kind(path)
    if not available():
        raise MissingExtraError(f"{path}: {kind}", "xradar", "polar")
    with faults_named(path, kind):
        return _volume(path, kind, settings)


def _volume(path: Path, kind: str, settings: PolarSettings) -> Volume:
    import xradar

    function = getattr(xradar.io, _FUNCTIONS[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts of the formats that are not read, and of files left open
        tree = function(_source(path, kind), mask_and_scale=False)
        try:
            groups = [g for g in tree.children if g.startswith("sweep_")]
            nodes = [tree[g] for g in groups]
            there = sorted({str(v) for n in nodes for v in n.data_vars if n[v].ndim == 2})
            wanted = (settings.quantity,) if settings.quantity else QUANTITIES
            quantity = next((q for q in wanted if q in there), None)
            if quantity is None:
                raise FileError(
                    complain(
                        f"{path}: quantity",
                        ", ".join(there)[:120] or "none",
                        f"one of {', '.join(wanted)}",
                        "choose one with --polar quantity=NAME",
                    )
                )
            name = str(tree.attrs.get("instrument_name", ""))
            site = Site(
                name if name not in ("", "None") else "unknown",
                float(tree["longitude"]),
                float(tree["latitude"]),
                float(tree["altitude"]),
            )
            start = str(tree["time_coverage_start"].values).rstrip("Z")
            sweeps = tuple(
                _sweep(kind, node, quantity)
                for node in nodes
                if quantity in node.data_vars
                and settings.lowest_elevation_deg
                <= float(node["sweep_fixed_angle"])
                <= settings.highest_elevation_deg
            )
            return Volume(path, site, nanoseconds([np.datetime64(start)])[0], quantity, sweeps)
        finally:
            tree.close()


def _source(path: Path, kind: str) -> Any:
    """Return what xradar opens: the bytes, unpacked, or the path where it takes no bytes."""
    with path.open("rb") as handle:
        head = handle.read(3)
    opener: Callable[[Path], Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open}.get(  # type: ignore[assignment]
        head[:2], lambda p: p.open("rb")
    )
    with opener(path) as handle:
        data = handle.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise FileError(
            f"{path}: unpacks to more than {LARGEST_BYTES} bytes, expected a volume; it is not read"
        )
    if kind == "Rainbow":
        if head[:2] in (b"\x1f\x8b", b"BZ"):
            raise FileError(f"{path}: is a packed Rainbow volume, expected it unpacked; unpack it first")
        return str(path)
    return io.BytesIO(data) if kind == "IRIS RAW" else data


def _sweep(kind: str, node: Any, quantity: str) -> Sweep:
    variable = node[quantity].transpose("azimuth", "range")
    ranges = np.asarray(node["range"].values, np.float64)
    gate_m = float((ranges[-1] - ranges[0]) / max(len(ranges) - 1, 1))
    dbz = _dbz(kind, np.asarray(variable.values), variable.attrs)
    return Sweep(
        float(node["sweep_fixed_angle"]),
        np.asarray(node["azimuth"].values, np.float64),
        float(ranges[0]),
        gate_m,
        len(ranges),
        Read(dbz),
    )


def _dbz(kind: str, raw: npt.NDArray[Any], attrs: Any) -> Frame:
    if kind == "IRIS RAW":
        dbz = raw.astype(np.float32)
        dry = (dbz <= NO_ECHO_DBZ) | np.isclose(dbz, -327.68, atol=0.01)
        gone = np.isclose(raw[..., None], _IRIS_ABSENT, atol=1e-3).any(axis=-1)
    else:
        dbz = (
            raw.astype(np.float64) * float(attrs.get("scale_factor", 1.0)) + float(attrs.get("add_offset", 0.0))
        ).astype(np.float32)
        dry = raw == 0
        gone = raw == 1 if kind == "NEXRAD level 2" else np.zeros(raw.shape, np.bool_)
    dbz = np.maximum(dbz, np.float32(NO_ECHO_DBZ))
    dbz[dry] = NO_ECHO_DBZ
    dbz[gone] = np.nan
    return dbz
