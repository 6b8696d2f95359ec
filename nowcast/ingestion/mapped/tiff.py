"""A mapping laid over a GeoTIFF: what its tags do not say, or say in other words."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import xarray as xr

from nowcast.core.errors import TimeError
from nowcast.ingestion.mapped.file_time import times_by
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.mapped.values import value_decoder
from nowcast.ingestion.readers.geotiff import refuse_forecast, source_of, stated_time, tiff_field
from nowcast.ingestion.readers.geotiff_file import GeoTiffBand


def open_tiff(path: Path, mapping: Mapping) -> xr.DataArray:
    """Open the one band of a GeoTIFF as a lazy field; unit, codes, time and projection as the mapping says.

    Raises:
        SettingsError: the mapping names no unit, or an amount without a period.
        FileError, GridError, TimeError: of the file.
    """
    band = GeoTiffBand.of(path)
    refuse_forecast(band)
    if mapping.unit is None:
        mapping = replace(mapping, unit=band.unit or band.item("units", "unit") or None)
    declared = () if band.nodata is None else (band.nodata,)
    decode = value_decoder(path, mapping, band.dtype, band.scale, band.offset, declared)
    times = times_by(path, mapping.time, 1)
    if times is None and mapping.time.offset_minutes:
        raise TimeError(
            f"{path}: time.offset_minutes is given without time.file_name, expected both; add it to the mapping"
        )
    grid, upward = band.grid(mapping.grid.crs)
    attrs = {**decode.attrs, "source": mapping.source or source_of(band)}
    attrs |= {"licence": mapping.licence} if mapping.licence else {}
    time = stated_time(band) if times is None else times[0]
    return tiff_field(band, partial(decode), time, grid, upward, attrs)
