"""What a reader is: it knows one file format and gives a field, lazily."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import xarray as xr


@runtime_checkable
class Reader(Protocol):
    """One radar file format.

    Settings go into the constructor of the implementation, never into ``open``.
    """

    @property
    def name(self) -> str:
        """Short name as the catalog and ``--reader`` know it, for example ``odim_h5``."""
        ...

    def sniff(self, path: Path) -> bool:
        """Say from less than 1 kB of content (never the name alone) whether the file is of this format.

        Never raises: an unreadable file is simply not of this format.
        """
        ...

    def open(self, path: Path) -> xr.DataArray:
        """Open the file as a field (`nowcast.core.field`), dask-backed, one frame a chunk.

        Times and grid are read at once, values when asked for. ``attrs`` carry ``source`` (producer),
        ``licence`` where the format states one, and for rain sources the Z-R relation used.

        Raises:
            FileError: truncated, damaged, or not what it says it is; the message names the file.
        """
        ...
