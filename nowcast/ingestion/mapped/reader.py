"""The reader of a mapping: it opens what the mapping describes, by what the file is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from nowcast.core.errors import FileError, NowcastError, SettingsError, complain
from nowcast.core.rain import z_r
from nowcast.core.times import parse_time
from nowcast.ingestion.mapped.cf import MappedStore, stated_meaning
from nowcast.ingestion.mapped.file_time import check_pattern
from nowcast.ingestion.mapped.palette import check_colours
from nowcast.ingestion.mapped.picture import PICTURE_STARTS, open_picture
from nowcast.ingestion.mapped.settings import Mapping, read_mapping
from nowcast.ingestion.mapped.stack import NPY_MAGIC, open_stack
from nowcast.ingestion.mapped.tiff import open_tiff
from nowcast.ingestion.readers.base import FormatDescription
from nowcast.ingestion.readers.cf_netcdf import open_cf
from nowcast.ingestion.readers.cf_store import NetcdfStore
from nowcast.ingestion.readers.cf_zarr import ZarrStore, root_of
from nowcast.ingestion.readers.foreign import head_of, looks_like
from nowcast.ingestion.readers.geotiff_file import TIFF_STARTS
from nowcast.ingestion.readers.hdf5 import HDF5_MAGIC
from nowcast.ingestion.readers.netcdf_size import is_netcdf3
from nowcast.ingestion.readers.projections import crs_of_proj

KINDS = (
    FormatDescription("netCDF-3, netCDF-4 and Zarr of any naming", "reflectivity; rain rates and amounts"),
    FormatDescription("GeoTIFF whose tags say too little", "as the mapping says", "rasterio", "geotiff"),
    FormatDescription("PNG, GIF and WebP pictures", "colours as the mapping lists them"),
    FormatDescription("stacks of numbers: npy, npz, HDF5 such as SEVIR", "as the mapping says"),
)
"""What ``nowcast formats`` tells of the files that a mapping can describe."""


@dataclass(frozen=True)
class Mapped:
    """Reads CF-like netCDF and Zarr, pictures and stacks of numbers as a mapping describes them."""

    mapping: Mapping

    @property
    def name(self) -> str:
        """Name of the mapping, as the ledger of an archive keeps it."""
        return f"mapping:{self.mapping.name}"

    def sniff(self, path: Path) -> bool:
        """Return whether this is a file that a mapping can describe."""
        try:
            return bool(root_of(path)) or head_of(path).startswith(
                (HDF5_MAGIC, b"CDF", NPY_MAGIC, b"PK\x03\x04", *PICTURE_STARTS, *TIFF_STARTS)
            )
        except Exception:
            return False

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a lazy field; see `nowcast.ingestion.readers.base.Reader`.

        Raises:
            SettingsError: the mapping says too little of this file, or names what is not in it.
        """
        path = Path(path)
        if path.is_file() and not path.stat().st_size:
            raise FileError(f"{path}: is empty (0 bytes), expected a radar file; fetch it again")
        settings = (
            z_r(self.mapping.z_r),
            self.mapping.variable,
            self.mapping.select,
            stated_meaning(self.mapping),
        )
        self._check_group(path)
        if root_of(path):
            return open_cf(path, MappedStore(ZarrStore(), self.mapping), *settings)
        head = head_of(path)
        if head.startswith(PICTURE_STARTS):
            return open_picture(path, self.mapping)
        if head.startswith((NPY_MAGIC, b"PK\x03\x04")) or (head.startswith(HDF5_MAGIC) and self.mapping.array):
            return open_stack(path, self.mapping)
        if head.startswith(HDF5_MAGIC) or is_netcdf3(head):
            return open_cf(path, MappedStore(NetcdfStore(self.mapping.group), self.mapping), *settings)
        if head.startswith(TIFF_STARTS):
            return open_tiff(path, self.mapping)
        raise FileError(
            f"{path}: {looks_like(path)}, expected netCDF, Zarr, GeoTIFF, a picture or a stack of "
            "numbers as the mapping describes; leave it out"
        )

    def _check_group(self, path: Path) -> None:
        """Refuse a group of files that have none, or whose array is named with it."""
        within = not root_of(path) and head_of(path).startswith(HDF5_MAGIC) and self.mapping.array is None
        if self.mapping.group is not None and not within:
            raise SettingsError(
                complain(
                    f"{path}: group",
                    f"'{self.mapping.group}'",
                    "none but for netCDF-4 and HDF5",
                    "leave it out",
                )
            )


def mapped(mapping: Mapping | Path | str) -> Mapped:
    """Return the reader of a mapping, given as settings or as the path of a YAML file.

    Raises:
        SettingsError: as `read_mapping`.

    Example:
        >>> import nowcast
        >>> own = mapped("netcdf")  # doctest: +SKIP
        >>> nowcast.ingest(["radar/"], "own.zarr", reader=own)  # doctest: +SKIP
    """
    if isinstance(mapping, Mapping):
        check_mapping(mapping)
        return Mapped(mapping)
    found = read_mapping(mapping)
    try:
        check_mapping(found)
    except NowcastError as error:
        raise SettingsError(f"{mapping}: {error}") from error
    return Mapped(found)


def check_mapping(mapping: Mapping) -> None:
    """Refuse what no file could mend: an unknown unit, an amount without period, a pattern without a date.

    Raises:
        SettingsError: the setting, its value and what would do.
        GridError: a projection that names a file or that PROJ does not know.
    """
    stated_meaning(mapping)
    if mapping.time.file_name is not None:
        check_pattern(mapping.time.file_name)
    if mapping.time.start is not None:
        parse_time(mapping.time.start)
    if mapping.picture is not None:
        check_colours(mapping.picture)
    if mapping.grid.crs is not None:
        crs_of_proj(mapping.grid.crs)
