"""GeoTIFF: one frame a file, or a forecast with a band a lead time, for GIS programs and map servers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import MissingExtraError
from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.core.times import to_text

_BLOCK = 256
_BAND = "equivalent_reflectivity_factor"


def write_geotiff(path: Path, dbz: npt.NDArray[np.floating], time: np.datetime64, grid: Grid) -> Path:
    """Write one frame as a tiled, deflated float32 GeoTIFF in dBZ, whole or not at all.

    Args:
        path: the file to make.
        dbz: (H, W); NaN is not observed and declared as nodata, no echo keeps its floor value.
        time: valid time, UTC; goes into the tag TIFFTAG_DATETIME and the metadata.
        grid: where it lies.

    Raises:
        MissingExtraError: the extra ``geotiff`` is not installed.
        FileError: the file cannot be written.
    """
    rasterio = load_rasterio()
    tags = {"TIFFTAG_DATETIME": _stamp(time), "valid_time": to_text(time)}
    with _image(rasterio, dbz[None], grid, tags, [(_BAND, {})]) as image:
        return _put(path, image.read())


def write_cog(
    path: Path,
    dbz: npt.NDArray[np.floating],
    reference_time: np.datetime64,
    valid_times: Sequence[np.datetime64],
    grid: Grid,
) -> Path:
    """Write frames (S, H, W) as one cloud-optimised GeoTIFF, a band each and overviews, whole or not at all.

    Each band says its valid time in its description and tags; values, nodata and projection are as of
    `write_geotiff`. Overviews take the nearest cell, so that they hold no value that the frames do not.

    Raises:
        MissingExtraError: the extra ``geotiff`` is not installed.
        FileError: the file cannot be written.
    """
    rasterio = load_rasterio()
    from rasterio.shutil import copy

    tags = {"TIFFTAG_DATETIME": _stamp(reference_time), "forecast_reference_time": to_text(reference_time)}
    bands = [(f"{_BAND} {to_text(valid)}", {"valid_time": to_text(valid)}) for valid in valid_times]
    options = {"compress": "deflate", "predictor": "yes", "blocksize": _BLOCK}
    with _image(rasterio, dbz, grid, tags, bands) as plain, rasterio.MemoryFile() as image:
        with plain.open() as file:
            copy(file, image.name, driver="COG", overview_resampling="nearest", **options)
        return _put(path, image.read())


def load_rasterio() -> Any:
    """Return the library.

    Raises:
        MissingExtraError: the extra ``geotiff`` is not installed.
    """
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtraError("GeoTIFF output", "rasterio", "geotiff") from error
    return rasterio


def _image(
    rasterio: Any,
    dbz: npt.NDArray[np.floating],
    grid: Grid,
    tags: Mapping[str, str],
    bands: Sequence[tuple[str, Mapping[str, str]]],
) -> Any:
    """Frames (S, H, W) as a GeoTIFF in memory; each band with its description and tags.

    Why in memory: GDAL does not say everything that goes wrong while it writes to a full disk.
    """
    dy, dx = grid.spacing
    west, _, _, north = grid.extent
    image = rasterio.MemoryFile()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with image.open(
            driver="GTiff",
            height=dbz.shape[1],
            width=dbz.shape[2],
            count=len(dbz),
            dtype="float32",
            crs=rasterio.crs.CRS.from_wkt(grid.crs_wkt),
            transform=rasterio.Affine(dx, 0.0, west, 0.0, -dy, north),
            nodata=float("nan"),
            compress="deflate",
            predictor=3,
            tiled=True,
            blockxsize=_BLOCK,
            blockysize=_BLOCK,
        ) as file:
            file.write(dbz.astype(np.float32))
            file.update_tags(units="dBZ", forecast="made by nowcast, no observation", **tags)
            for band, (description, own) in enumerate(bands, start=1):
                file.set_band_description(band, description)
                file.update_tags(band, **own)
    return image


def _put(path: Path, content: bytes) -> Path:
    with whole_file(path) as part:
        part.write_bytes(content)
    return Path(path)


def _stamp(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time.astype("datetime64[s]"))).replace("-", ":").replace("T", " ")
