"""Pictures (PNG, GIF, WebP) whose colours, place and time a mapping names."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image

from nowcast.core.errors import FileError, SettingsError, complain
from nowcast.ingestion.mapped.file_time import stated_times
from nowcast.ingestion.mapped.palette import palette_of
from nowcast.ingestion.mapped.place import north_first, stated_grid
from nowcast.ingestion.mapped.settings import Mapping
from nowcast.ingestion.mapped.values import value_decoder
from nowcast.ingestion.readers.lazy import Frame, check_size, faults_named, lazy_field

PICTURE_STARTS = (b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"RIFF")
_LARGEST_FILE = 256 << 20
_MOST_FRAMES = 10_000


def open_picture(path: Path, mapping: Mapping) -> xr.DataArray:
    """Open a picture as a lazy field, one frame, or several of an animation.

    Raises:
        SettingsError: the mapping lacks ``picture``, the place or the time.
        FileError: cut off, too large, of another size than stated.
    """
    settings = mapping.picture
    if settings is None:
        raise SettingsError(
            complain("picture", "nothing", f"the colours of {path.name}", "add them to the mapping")
        )
    with faults_named(path, "a picture"), _picture(path) as image:
        shape = _cropped(path, image.size, mapping)
        frames = int(getattr(image, "n_frames", 1))
        if frames > _MOST_FRAMES:
            raise FileError(f"{path}: holds {frames} pictures, expected at most {_MOST_FRAMES}; it is not read")
        grid = stated_grid(path, mapping, shape)
        times = stated_times(path, mapping.time, frames)
        attrs = {**value_decoder(path, mapping, np.dtype(np.float64)).attrs, "quantity": mapping.unit or ""}
        palette_of(path, mapping)
    attrs.update({k: v for k, v in (("source", mapping.source), ("licence", mapping.licence)) if v})
    return lazy_field(partial(_read, path, mapping), times, grid, attrs)


def _read(path: Path, mapping: Mapping, index: int) -> Frame:
    settings = mapping.picture
    assert settings is not None
    with faults_named(path, "a picture"), _picture(path) as image:
        image.seek(index)
        pixels = np.asarray(image.convert("RGBA"))
        if settings.crop is not None:
            left, top, right, bottom = settings.crop
            pixels = pixels[top:bottom, left:right]
        dbz, ignored = palette_of(path, mapping).decode(path, pixels)
    if settings.ignored_become == "nearest" and ignored.any() and not ignored.all():
        dbz = _filled(dbz, ignored)
    return north_first(mapping, dbz)


def _filled(dbz: Frame, ignored: npt.NDArray[np.bool_]) -> Frame:
    """Put into each ignored pixel what its nearest other pixel holds."""
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(ignored, return_distances=False, return_indices=True)
    return np.asarray(dbz[tuple(nearest)])


def _picture(path: Path) -> Any:
    """Open a picture, once its bytes are known to be whole and its size to be within bounds."""
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise FileError(
            f"{path}: has {size} bytes, expected at most {_LARGEST_FILE} of a picture; it is not read"
        )
    data = path.read_bytes()
    ends = {
        b"\x89PNG": data[-8:-4] == b"IEND",
        b"GIF8": data.rstrip(b"\0")[-1:] == b";",
        b"RIFF": int.from_bytes(data[4:8], "little") + 8 <= size,
    }
    if not ends.get(data[:4], False):
        raise FileError(f"{path}: ends before its picture does; it is truncated, fetch it again")
    image = Image.open(io.BytesIO(data), formats=("PNG", "GIF", "WEBP"))
    check_size(path, image.size[1], image.size[0])
    return image


def _cropped(path: Path, size: tuple[int, int], mapping: Mapping) -> tuple[int, int]:
    """Return rows and columns that are read of a picture of ``size`` (width, height)."""
    settings = mapping.picture
    assert settings is not None
    if settings.size is not None and settings.size != size:
        raise FileError(
            f"{path}: is {size[0]} x {size[1]} pixels, expected the {settings.size[0]} x "
            f"{settings.size[1]} of picture.size in the mapping; it is another product"
        )
    left, top, right, bottom = settings.crop or (0, 0, *size)
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise SettingsError(
            complain(
                "picture.crop",
                list(settings.crop or ()),
                f"left, top, right and bottom within the {size[0]} x {size[1]} pixels of {path.name}",
                "mend it",
            )
        )
    return bottom - top, right - left
