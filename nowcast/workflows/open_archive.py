"""An archive of radar frames, opened for reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nowcast.archive.reader import Archive


def open_archive(path: Path | str) -> Archive:
    """Open an archive that `nowcast.ingest` made.

    Its ``times`` are those of the whole frames, ``frames(times)`` is a lazy field in dBZ, ``grid`` says where
    they lie, ``attrs`` names source and licence.

    Raises:
        ArchiveError: absent, damaged, or of another version.

    Example:
        >>> import nowcast
        >>> archive = nowcast.open_archive("italy.zarr")  # doctest: +SKIP
        >>> newest = archive.frames(archive.times[-1:])  # doctest: +SKIP
    """
    from nowcast.archive.reader import Archive

    return Archive.open(path)
