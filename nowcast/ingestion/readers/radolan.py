"""DWD RADOLAN and RADVOR composites in their binary format: rain sums and reflectivity of Germany."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import xarray as xr

from nowcast.core.errors import FileError
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import to_text
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.lazy import Frame, faults_named, lazy_field, looked_up
from nowcast.ingestion.readers.radolan_files import FramePlace, frame_bytes, holds_radolan, places
from nowcast.ingestion.readers.radolan_header import RadolanHeader, radolan_grid

_VALUE, _NODATA, _NEGATIVE, _CLUTTER = 0x0FFF, 0x2000, 0x4000, 0x8000
_BYTE_CLUTTER = 249
"""From here on bytes are no reflectivity: 249 clutter, 250 not observed, above these nothing."""


@dataclass(frozen=True)
class Radolan:
    """Reads every frame of a file, plain, packed by gzip or bzip2, or in a tar archive, at the file's own time.

    Words of two bytes: 12 bits of value, and bits that say from a second source (kept), not observed, negative,
    clutter. Bytes: 250 not observed, 249 clutter. A cell of clutter was seen but says nothing of the rain: it
    is not observed. Sums (mm over the interval of the header) become a mean rate and dBZ through ``z_r_name``;
    reflectivity is value / 2 - 32.5 dBZ, of which 0 is no echo. The first row of the file is the southernmost.

    Forecasts of RADVOR (``VV`` above 0) are refused, but left out where a tar archive also holds what they
    start from. Products that are neither rain nor reflectivity (RE, the solid share) are refused.

    Source: DWD (2021), RADOLAN/RADVOR, Beschreibung des Kompositformats, version 2.5.
    """

    description: ClassVar = FormatDescription(
        "DWD RADOLAN and RADVOR, also .gz, .bz2, .tar", "RX, WX, EX, WN; RY, YW, RV, RW, RQ, SF and other sums"
    )
    z_r_name: str = "radolan"
    name: str = "dwd_radolan"

    def sniff(self, path: Path) -> bool:
        """Whether the first frame begins with the header of RADOLAN, whatever it is packed in."""
        try:
            return holds_radolan(path)
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field; see `nowcast.ingestion.readers.base.Reader`."""
        relation = z_r(self.z_r_name)
        with faults_named(path, "DWD RADOLAN"):
            frames = _observed(path, places(path))
        first = frames[0].header
        times = np.array([place.header.time for place in frames], "datetime64[ns]")
        order = np.argsort(times, kind="stable")
        twice = times[order][1:][np.diff(times[order]) == np.timedelta64(0)]
        if len(twice):
            raise FileError(f"{path}: got {to_text(twice[0])} twice, expected each time once")
        attrs = {"quantity": first.product, "source": "DWD RADOLAN"}
        if not first.reflectivity:
            attrs |= {"z_r_relation": str(relation), "accumulation_hours": f"{first.minutes / 60:.6g}"}
        read = partial(_read, path, [frames[i] for i in order], relation)
        return lazy_field(read, times[order], radolan_grid(first.rows, first.columns, first.version), attrs)


def _observed(path: Path, found: list[FramePlace]) -> list[FramePlace]:
    """Return the frames that are no forecasts, all of one kind."""
    observed = [place for place in found if place.header.lead == 0]
    if not observed:
        header = found[0].header
        raise FileError(
            f"{path}: is a forecast ({header.product} of {to_text(header.time)}, "
            f"{header.lead} minutes ahead), expected an observation; keep forecasts out of the "
            "folder of observations"
        )
    first = observed[0].header
    for header in (place.header for place in observed):
        if _kind(header) != _kind(first):
            one, other = (
                f"{h.product} over {h.minutes} minutes on {h.rows} x {h.columns} cells" for h in (first, header)
            )
            raise FileError(f"{path}: holds {one} and {other}, expected one kind of frame; split it")
    return observed


def _kind(header: RadolanHeader) -> tuple[object, ...]:
    return header.product, header.minutes, header.precision, header.rows, header.columns, header.version >= 5


def _read(path: Path, frames: list[FramePlace], relation: ZRelation, index: int) -> Frame:
    header = frames[index].header
    with faults_named(path, "DWD RADOLAN"):
        data = frame_bytes(path, frames[index])
    if RadolanHeader.of(str(path), data[: header.length]) != header:
        raise FileError(f"{path}: was changed while it was read; read it again")
    raw = np.frombuffer(data, "<u2" if header.cell_bytes == 2 else "u1", offset=header.length)
    raw = raw.reshape(header.rows, header.columns)[::-1]
    if header.cell_bytes == 2 and ((raw & _NEGATIVE) > 0).any():
        wrong = (raw & _NEGATIVE > 0) & (raw & _NODATA == 0) & (raw & _VALUE > 0)
        if wrong.any():
            raise FileError(
                f"{path}: {int(wrong.sum())} cells are negative, expected rain of 0 mm or more; "
                "ask the producer for a file that follows its format"
            )
    return looked_up(_table(header.product, header.precision, header.minutes, relation), raw)


@lru_cache(maxsize=16)
def _table(product: str, precision: float, interval: int, relation: ZRelation) -> Frame:
    """Return the dBZ of every word (65 536) or byte (256) that a frame may hold."""
    if product in ("RX", "EX", "WX"):
        raw = np.arange(256)
        gone, value = raw >= _BYTE_CLUTTER, raw
        dbz = (value / 2.0 - 32.5).astype(np.float32)
    else:
        raw = np.arange(1 << 16)
        gone, value = (raw & (_NODATA | _CLUTTER)) > 0, raw & _VALUE
        dbz = (
            (value * precision / 2.0 - 32.5).astype(np.float32)
            if product == "WN"
            else relation.to_dbz(value * precision * 60.0 / interval)
        )
    dbz = np.maximum(dbz, np.float32(NO_ECHO_DBZ))
    dbz[value == 0] = NO_ECHO_DBZ
    dbz[gone] = np.nan
    return dbz
