"""GeoTIFF of any producer whose tags say what its numbers are, such as FMI's; others need a mapping."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import FileError, TimeError
from nowcast.core.grid import Grid
from nowcast.core.rain import ZRelation, z_r
from nowcast.core.times import nanoseconds, parse_time
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.cf_attributes import all_in_type
from nowcast.ingestion.readers.cf_missing import AbsenceCodes
from nowcast.ingestion.readers.cf_quantity import AMOUNT, DBZ, quantity_of_unit
from nowcast.ingestion.readers.geotiff_file import TIFF_STARTS, GeoTiffBand
from nowcast.ingestion.readers.lazy import Frame, lazy_field

_TIMES = ("observationtime", "validtime", "nominaltime", "obstime", "timestamp", "datetime", "time")
_NODATA = ("nodata", "missingvalue", "fillvalue", "missing", "codemissing")
_UNDETECT = ("undetect", "noecho", "belowthreshold")
_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{6})[T_-]?(\d{4})(\d{2})?(?!\d)")
_FORECAST = re.compile(r"forecast|nowcast|leadtime|issued")
_REMEDY = "say it in a mapping (--mapping)"


@dataclass(frozen=True)
class GeoTiff:
    """Reads the one band of a file as one frame, if its tags say unit, what is not observed, and the time.

    Unit, gain, offset, nodata and undetect are those of the band or of tags of such names; a mask or an alpha
    band says what is not observed, too. Whole numbers without any of these are refused, floating-point ones
    have NaN. The time is a tag such as "Observation time" or ``valid_time`` (ISO 8601 or YYYYMMDDHHMM, UTC),
    else the one YYYYMMDDHHMM in the file's name. TIFF's own DateTime is when a file was made: never taken.
    Rates become dBZ through ``z_r_name``; amounts need a mapping, as no tag has their period.

    Needs rasterio, the extra ``geotiff``. Source: OGC GeoTIFF 1.1; TIFF 6.0.
    """

    description: ClassVar = FormatDescription(
        "GeoTIFF and COG whose tags say what they hold", "reflectivity; rain rates", "rasterio", "geotiff"
    )
    z_r_name: str = "marshall_palmer"
    name: str = "geotiff"

    def sniff(self, path: Path) -> bool:
        """Whether this is TIFF or BigTIFF."""
        try:
            with path.open("rb") as handle:
                return handle.read(4) in TIFF_STARTS
        except OSError:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field of one frame; see `nowcast.ingestion.readers.base.Reader`.

        Raises:
            MissingExtraError: rasterio is not installed.
        """
        path, relation = Path(path), z_r(self.z_r_name)
        band = GeoTiffBand.of(path)
        refuse_forecast(band)
        unit = band.unit or band.item("units", "unit")
        quantity = quantity_of_unit(unit) if unit else None
        if quantity is None or quantity.kind == AMOUNT:
            expected = "dBZ or a rain rate" if quantity is None else "a rate, as no tag states the period"
            stated = unit[:40] or "not stated"
            raise FileError(f"{path}: its unit is '{stated}', expected {expected}; {_REMEDY}")
        codes = _codes(band)
        time = stated_time(band)
        grid, upward = band.grid()
        attrs = {"quantity": band.item("quantity")[:60] or unit, "source": source_of(band)}
        if quantity.kind != DBZ:
            attrs["z_r_relation"] = str(relation)
        decode = partial(_decode, band.path, codes, quantity.factor, None if quantity.kind == DBZ else relation)
        return tiff_field(band, decode, time, grid, upward, attrs)


def tiff_field(
    band: GeoTiffBand,
    decode: partial[Frame],
    time: np.datetime64,
    grid: Grid,
    upward: bool,
    attrs: dict[str, str],
) -> xr.DataArray:
    """Make the lazy field of a band; ``decode`` turns its stored numbers into dBZ."""
    read = partial(_read, band, decode, upward)
    return lazy_field(read, np.array([time], "datetime64[ns]"), grid, attrs)


def refuse_forecast(band: GeoTiffBand) -> None:
    """Refuse a file whose tags speak of a forecast, such as those that this package writes.

    Raises:
        FileError: with the tag.
    """
    for name in band.items:
        if _FORECAST.search(name):
            raise FileError(
                f"{band.path}: is a forecast (it has the tag '{name[:40]}'), expected an "
                "observation; keep forecasts out of the folder of observations"
            )


def source_of(band: GeoTiffBand) -> str:
    """Return who made a file, as far as it says so."""
    return band.item("source", "institution", "producer", "tifftagcopyright")[:200] or "unknown (GeoTIFF)"


def _codes(band: GeoTiffBand) -> AbsenceCodes:
    stated = [v for v in (band.nodata, band.number(*_NODATA)) if v is not None]
    undetect = band.number(*_UNDETECT)
    if not stated and not band.masked and band.dtype.kind != "f":
        raise FileError(
            f"{band.path}: holds whole numbers and declares no nodata, expected what stands "
            f"for not observed; {_REMEDY}"
        )
    scale, offset = band.number("gain", "scale", "scalefactor"), band.number("offset", "addoffset")
    scale = scale if scale is not None and band.scale == 1.0 else band.scale
    if scale == 0.0:
        raise FileError(f"{band.path}: its gain is 0, expected a number that tells values apart; {_REMEDY}")
    return AbsenceCodes(
        band.dtype,
        scale,
        offset if offset is not None and band.offset == 0.0 else band.offset,
        tuple(all_in_type(stated, band.dtype)),
        (),
        tuple(all_in_type([] if undetect is None else [undetect], band.dtype)),
        -np.inf,
        np.inf,
        False,
    )


def stated_time(band: GeoTiffBand) -> np.datetime64:
    """Return when a frame is, by a tag or else by the name of the file.

    Raises:
        TimeError: neither says it, or no time that exists.
    """
    text = band.item(*_TIMES)
    try:
        if text:
            return _read_time(text)
        found = set(_IN_NAME.findall(band.path.name))
        if len(found) == 1:
            return _read_time("".join(found.pop()))
    except (ValueError, TimeError) as error:
        raise TimeError(
            f"{band.path}: its time is '{(text or band.path.name)[:60]}', expected ISO 8601 or "
            f"YYYYMMDDHHMM in UTC; {_REMEDY}"
        ) from error
    raise TimeError(
        f"{band.path}: neither a tag such as 'Observation time' nor one YYYYMMDDHHMM in the name "
        "says when it is; give time.file_name, such as '%d-%m-%Y-%H-%M', in a mapping (--mapping)"
    )


def _read_time(text: str) -> np.datetime64:
    if not text.isdigit():
        return parse_time(text)
    form = {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(text))
    if form is None:
        raise ValueError(text)
    moment: np.datetime64 = nanoseconds([np.datetime64(datetime.strptime(text, form), "us")])[0]
    return moment


def _decode(
    path: Path, codes: AbsenceCodes, factor: float, relation: ZRelation | None, raw: npt.NDArray[np.generic]
) -> Frame:
    try:
        return codes.decode(raw, factor, relation)
    except FileError as error:
        said = str(error).partition(", or an attribute")[0]
        raise FileError(f"{path}: {said}, or a nodata or undetect that it is; {_REMEDY}") from error


def _read(band: GeoTiffBand, decode: partial[Frame], upward: bool, index: int) -> Frame:
    del index
    raw, masked = band.read()
    if raw.dtype != band.dtype or raw.shape != band.shape:
        raise FileError(f"{band.path}: was changed while it was read; read it again")
    if masked is not None and masked.all():
        return np.full(band.shape, np.nan, np.float32)
    if masked is not None:
        raw[masked] = raw[~masked][0]  # what lies under a mask may be any number, and means nothing
    dbz = decode(raw)
    if masked is not None:
        dbz[masked] = np.nan
    return np.ascontiguousarray(dbz[::-1]) if upward else dbz
