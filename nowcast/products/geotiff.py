"""GeoTIFF: one frame a file, for GIS programs and map servers."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import MissingExtraError
from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.core.times import to_text


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
    try:
        import rasterio
        from rasterio import Affine
    except ImportError as error:
        raise MissingExtraError("GeoTIFF output", "rasterio", "geotiff") from error
    dy, dx = grid.spacing
    west, _, _, north = grid.extent
    stamp = np.datetime_as_string(time.astype("datetime64[s]")).replace("-", ":").replace("T", " ")
    # In memory first: GDAL does not say everything that goes wrong while it writes to a full disk.
    with rasterio.MemoryFile() as image, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with image.open(
            driver="GTiff",
            height=dbz.shape[0],
            width=dbz.shape[1],
            count=1,
            dtype="float32",
            crs=rasterio.crs.CRS.from_wkt(grid.crs_wkt),
            transform=Affine(dx, 0.0, west, 0.0, -dy, north),
            nodata=float("nan"),
            compress="deflate",
            predictor=3,
            tiled=True,
            blockxsize=256,
            blockysize=256,
        ) as file:
            file.write(dbz.astype(np.float32), 1)
            file.update_tags(
                TIFFTAG_DATETIME=stamp,
                valid_time=to_text(time),
                units="dBZ",
                forecast="made by nowcast, no observation",
            )
            file.set_band_description(1, "equivalent_reflectivity_factor")
        with whole_file(path) as part:
            part.write_bytes(image.read())
    return Path(path)
