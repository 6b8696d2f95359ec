"""What a GeoTIFF says of its one band: grid, numbers, tags; through rasterio, and without any other file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.core.errors import FileError, GridError, MissingExtraError
from nowcast.core.grid import Grid
from nowcast.ingestion.readers.lazy import check_size, faults_named
from nowcast.ingestion.readers.projections import crs_of_proj, safe_wkt

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ALONE = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""What keeps GDAL from reading files beside the one that is given."""
_ITEM = re.compile(r'<Item\s+name="([^"]{1,80})"([^<>]*)>([^<>]{0,400})</Item>')
_ATTRIBUTE = re.compile(r'(\w{1,40})="([^"]{0,80})"')
_EPSG = re.compile(r'AUTHORITY\["EPSG","(\d{4,6})"\]\]\s*$')
_LONGEST_TAG, _LARGEST_BLOCK = 100_000, 100_000_000


@dataclass(frozen=True)
class GeoTiffBand:
    """The one band of a file.

    ``items`` are all tags and metadata by their plain names (``observationtime``), ``nodata`` is what the file
    declares by GDAL's own tag, ``masked`` whether a mask or an alpha band says where nothing was observed.
    """

    path: Path
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    wkt: str
    transform: tuple[float, float, float, float, float, float]
    unit: str
    scale: float
    offset: float
    nodata: float | None
    masked: bool
    items: Mapping[str, str]

    @classmethod
    def of(cls, path: Path) -> GeoTiffBand:
        """Read everything but the values.

        Raises:
            FileError: several bands or pictures, no numbers, blocks larger than a composite, or damage.
            MissingExtraError: rasterio is not installed.
        """
        with _opened(path) as file:
            masks = [flag.name for flag in file.mask_flag_enums[0]] if file.count else []
            bands = file.count - ("alpha" in masks)
            if bands != 1 or len(file.subdatasets) > 1:
                count = max(bands, len(file.subdatasets))
                raise FileError(
                    f"{path}: holds {count} bands or pictures, expected one frame; "
                    "write the one you want into a file of its own"
                )
            check_size(path, *file.shape)
            if max(height * width for height, width in file.block_shapes) > _LARGEST_BLOCK:
                raise FileError(f"{path}: its blocks are larger than a radar composite can be; it is damaged")
            dtype = np.dtype(file.dtypes[0])
            if dtype.kind not in "iuf":
                raise FileError(f"{path}: holds values of type {dtype}, expected numbers")
            items = {**_items(file.tags()), **_items(file.tags(1))}
            masked = "alpha" in masks or "per_dataset" in masks
            if file.nodata is None and not masked:
                _refuse_holes(path, file)
            wkt = file.crs.to_wkt() if file.crs else ""
            return cls(
                path,
                file.shape,
                dtype,
                wkt,
                tuple(file.transform)[:6],
                file.units[0] or "",
                file.scales[0],
                file.offsets[0],
                file.nodata,
                masked,
                items,
            )

    def item(self, *names: str) -> str:
        """Return the first of some tags that is there, else the empty string."""
        return next((self.items[name] for name in names if name in self.items), "")

    def number(self, *names: str) -> float | None:
        """Return the first of some tags as a number.

        Raises:
            FileError: it is none.
        """
        text = self.item(*names)
        if not text:
            return None
        try:
            return float(text)
        except ValueError as error:
            raise FileError(
                f"{self.path}: its {names[0]} is '{text[:40]}', expected a number; say it in a "
                "mapping (--mapping)"
            ) from error

    def grid(self, crs: str | None = None) -> tuple[Grid, bool]:
        """Return the grid, in ``crs`` where the file names none, and whether its rows go from south to north.

        Raises:
            GridError: no projection, or rows that are not straight to the north.
        """
        height, width = self.shape
        dx, tilt, west, slant, dy, north = self.transform
        if tilt or slant or not dx > 0 or dy == 0 or (west, north, dx, abs(dy)) == (0.0, 0.0, 1.0, 1.0):
            raise GridError(
                f"{self.path}: its cells are placed by {self.transform}, expected rows to the "
                "south and columns to the east; warp it first, for instance with gdalwarp"
            )
        if not self.wkt and crs is None:
            raise GridError(f"{self.path}: names no projection, expected one; say it in a mapping (--mapping)")
        try:
            found = crs_of_proj(crs) if crs is not None else _crs(self.wkt)
        except pyproj.exceptions.CRSError as error:
            raise GridError(
                f"{self.path}: its projection cannot be understood ({' '.join(str(error).split())[:100]})"
            ) from error
        except GridError as error:
            raise GridError(f"{self.path}: {error}") from error
        y, x = north + dy * (np.arange(height) + 0.5), west + dx * (np.arange(width) + 0.5)
        metre = 1.0 if found.is_geographic else found.axis_info[0].unit_conversion_factor or 1.0
        if metre != 1.0:
            found = pyproj.CRS.from_dict({**found.to_dict(), "units": "m"})
        try:
            return Grid(found.to_wkt(), metre * (y if dy < 0 else y[::-1]), metre * x), dy > 0
        except GridError as error:
            raise GridError(f"{self.path}: {error}") from error

    def read(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
        """Return the numbers as stored (H, W), and where a mask says that nothing was observed."""
        with _opened(self.path) as file:
            return file.read(1), file.read_masks(1) == 0 if self.masked else None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning
    except ImportError as error:
        raise MissingExtraError("reading GeoTIFF", "rasterio", "geotiff") from error
    import warnings

    with faults_named(path, "GeoTIFF"), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(**_ALONE), rasterio.open(path, driver="GTiff", GEOREF_SOURCES="INTERNAL") as file:
            yield file


def _crs(wkt: str) -> pyproj.CRS:
    """Return the projection of a WKT text, by its number where it has one: names differ between versions."""
    number = _EPSG.search(wkt)
    try:
        return pyproj.CRS.from_wkt(safe_wkt(wkt)) if number is None else pyproj.CRS.from_epsg(int(number[1]))
    except pyproj.exceptions.CRSError:
        return pyproj.CRS.from_wkt(safe_wkt(wkt))


def _refuse_holes(path: Path, file: Any) -> None:
    """Refuse blocks that were never written: they would be read as 0, which may mean no echo."""
    rows, columns = (-(-size // block) for size, block in zip(file.shape, file.block_shapes[0], strict=True))
    for row in range(rows):
        for column in range(columns):
            if file.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1) is None:
                raise FileError(
                    f"{path}: lacks the block {row}, {column} and declares no nodata, so what was "
                    "not observed cannot be told from 0; ask the producer for a whole file"
                )


def _items(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags by plain names; those in a text of GDAL's metadata, as FMI writes them, are taken apart."""
    found: dict[str, str] = {}
    for name, value in tags.items():
        inside = _ITEM.findall(value[:_LONGEST_TAG])
        for item, attributes, text in inside:
            found |= {_plain(key): unescape(said) for key, said in _ATTRIBUTE.findall(attributes)}
            found[_plain(item)] = unescape(text).strip()
        if not inside:
            found[_plain(name)] = value.strip()
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s_:-]+", "", name).lower()
