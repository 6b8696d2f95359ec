"""What a reader is: it knows one file format and gives a field, lazily."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import xarray as xr


@dataclass(frozen=True)
class FormatDescription:
    """What ``nowcast formats`` tells of a reader: its files, their quantities, and the library it needs.

    ``library`` is the name of a distribution that the extra ``extra`` brings, empty where none is needed.
    """

    files: str
    quantities: str
    library: str = ""
    extra: str = ""


@runtime_checkable
class Reader(Protocol):
    """One radar file format.

    Settings go into the constructor of the implementation, never into ``open``. An attribute
    ``description`` (`FormatDescription`) is shown by ``nowcast formats``, a field ``z_r_name`` is set by
    ``--z-r``; a reader may lack either. Readers travel to worker processes: they can be pickled.
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
