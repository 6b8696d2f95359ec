"""From archive to cache: a memory-mapped copy for training, made once and again when the archive changed.

A training clip reads a small cut of many frames; from the archive (one compressed frame a chunk) each
costs a whole frame, from a memory map only its own bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from nowcast.core.errors import ArchiveError, FileError
from nowcast.core.files import whole_folder
from nowcast.core.scaling import Scaling
from nowcast.data.importance_sampling import WetBlocks
from nowcast.data.radar_cache import FRAMES, WET, CacheMetadata, RadarCache, RadarSettings

if TYPE_CHECKING:
    from nowcast.archive.masked import Masked
    from nowcast.archive.reader import Archive

WET_DBZ = 20.0
"""Reflectivity from which a pixel counts as wet: about 0.6 mm/h."""
BLOCK = 16
"""Side of a block in pixels, for drawing wet crops."""


@dataclass(frozen=True)
class ArchiveSettings(RadarSettings):
    """An archive, read through its cache; without ``cache`` it lies beside the archive."""

    path: Path
    cache: Path | None = None
    mask: tuple[str, ...] = ()
    """Quality marks (`nowcast.archive.quality`) that are left out of what is learnt from."""


def cache_folder(archive_path: Path, mask: Sequence[str] = ()) -> Path:
    """Return where the cache of an archive lies by default: ``italy.zarr`` -> ``italy.cache`` beside it.

    With masks it is another one: ``italy.speckle+ray.cache``.
    """
    return Path(archive_path).with_suffix(f".{'+'.join(mask)}.cache" if mask else ".cache")


def open_cached(settings: ArchiveSettings, scaling: Scaling) -> RadarCache:
    """Open an archive for training: make its cache if there is none or the archive has changed."""
    folder = make_cache(settings.path, settings.cache, mask=settings.mask)
    return RadarCache(folder, scaling, settings)


def make_cache(
    archive_path: Path, folder: Path | None = None, progress: bool = True, mask: Sequence[str] = ()
) -> Path:
    """Make the cache of an archive unless an equal one is there already.

    The folder appears whole or not at all; the old one serves until the new one is ready.

    Args:
        archive_path: the archive.
        folder: where to put it; None is `cache_folder`.
        progress: show a progress bar.
        mask: quality marks that are left out.

    Returns:
        The folder.

    Raises:
        ArchiveError: no archive, no frames in it.
        FileError: the disk is full or the folder is something else than a cache.
    """
    from nowcast.archive.masked import Masked
    from nowcast.archive.reader import Archive

    stored = Archive.open(Path(archive_path))
    archive = Masked(stored, mask) if mask else stored
    folder = Path(folder) if folder is not None else cache_folder(archive_path, mask)
    fingerprint = archive.fingerprint  # before any frame: of what the archive was when it was opened
    if _is_fresh(folder, fingerprint):
        return folder
    if len(archive.times) == 0:
        raise ArchiveError(f"{archive_path}: got no frames, expected some; ingest files into it first")
    with whole_folder(folder) as temporary:
        _fill(archive, fingerprint, temporary, progress)
    return folder


def _is_fresh(folder: Path, fingerprint: str) -> bool:
    if not folder.exists():
        return False
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / FRAMES).exists()):
        raise FileError(
            f"{folder}: got something that is no radar cache, expected a cache or nothing there; "
            "name another place"
        )
    try:
        RadarCache(folder)
        return CacheMetadata.read(folder).fingerprint == fingerprint
    except FileError:
        return False


def _fill(archive: Archive | Masked, fingerprint: str, folder: Path, progress: bool) -> None:
    height, width = archive.grid.shape
    times, packing = archive.times, archive.packing
    metadata = CacheMetadata(
        times_ns=tuple(np.asarray(times, "datetime64[ns]").astype(np.int64).tolist()),
        step_ns=int(archive.step.astype("timedelta64[ns]").astype(np.int64)),
        scale=float(packing.scale),
        offset=float(packing.offset),
        fill=int(packing.fill),
        no_echo=int(packing.no_echo),
        fingerprint=fingerprint,
        grid_km=archive.grid.cell_km,
        wet_dbz=WET_DBZ,
        block=BLOCK,
    )
    blocks = (-(-height // BLOCK), -(-width // BLOCK))
    frames = np.lib.format.open_memmap(folder / FRAMES, "w+", np.int16, (len(times), height, width))
    wet = np.zeros((len(times), *blocks), np.uint16)
    label = f"cache {archive.path.name}"
    bar = tqdm(times, label, unit="frame", disable=not progress, delay=2, mininterval=1)
    for index, time in enumerate(bar):
        frames[index] = archive.packed(time)
        wet[index] = WetBlocks.count(packing.unpack(frames[index]) >= WET_DBZ, BLOCK)
    frames.flush()
    np.save(folder / WET, wet)
    metadata.write(folder)
