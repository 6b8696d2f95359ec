"""Tiny GeoTIFF files, written by rasterio; the truth is the stored numbers that are given."""

import warnings

import numpy as np

FMI_ITEMS = (
    '<GDALMetadata>\n<Item name="Observation time" format="YYYYMMDDhhmm">{time}</Item>\n'
    '<Item name="Quantity" unit="{unit}">Corrected reflectivity</Item>\n<Item name="Gain">{gain}</Item>\n'
    '<Item name="Offset">{offset}</Item>\n<Item name="Nodata">255</Item>\n<Item name="Undetect">0</Item>\n'
    "</GDALMetadata>\n"
)


def fmi_items(time, gain=0.5, offset=-32.0, unit="dBZ"):
    """The text in which FMI keeps what its numbers mean."""
    stamp = str(np.datetime64(time, "m")).translate({ord(c): None for c in "-:T"})
    return FMI_ITEMS.format(time=stamp, gain=gain, offset=offset, unit=unit)


def write_geotiff(
    path,
    raw,
    tags=None,
    nodata=None,
    crs="EPSG:3067",
    west=100_000.0,
    north=7_000_000.0,
    cell=(2000.0, 1000.0),
    unit=None,
    scale=None,
    offset=None,
    mask=None,
    upward=False,
    transform=None,
    **profile,
):
    """``raw`` (H, W), or (bands, H, W); the northernmost row first unless ``upward``."""
    import rasterio
    from rasterio.transform import Affine

    bands = np.asarray(raw)[None] if np.ndim(raw) == 2 else np.asarray(raw)
    count, height, width = bands.shape
    south = north - height * cell[0]
    placed = transform or (
        Affine(cell[1], 0, west, 0, cell[0], south) if upward else Affine(cell[1], 0, west, 0, -cell[0], north)
    )
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES"):
        warnings.simplefilter("ignore")
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=count,
            dtype=bands.dtype,
            crs=crs,
            transform=placed,
            nodata=nodata,
            **profile,
        ) as file:
            if not profile.get("sparse_ok"):
                file.write(bands)
            file.update_tags(**(tags or {}))
            if unit:
                file.units = [unit] * count
            if scale is not None:
                file.scales, file.offsets = [scale] * count, [offset or 0.0] * count
            if mask is not None:
                file.write_mask(mask)
    return path
