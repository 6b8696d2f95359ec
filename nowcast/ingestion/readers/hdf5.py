"""What readers of HDF5 files share: telling theirs apart, and attributes as plain values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nowcast.ingestion.readers.lazy import HDF5_LOCK

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
"""The first eight bytes of a file."""


def is_hdf5(path: Path, of_the_format: Callable[[Any], bool]) -> bool:
    """Say whether this is HDF5 of which ``of_the_format`` holds; never raises, as `Reader.sniff`."""
    try:
        with path.open("rb") as handle:
            if handle.read(8) != HDF5_MAGIC:
                return False
        with HDF5_LOCK, h5py.File(path, "r") as file:
            return of_the_format(file)
    except Exception:
        return False


def plain(value: Any) -> Any:
    """Give an attribute as text or a number, however the producer wrapped it."""
    value = np.asarray(value)
    item = value.reshape(-1)[0] if value.size else ""
    return item.decode("utf-8", "replace").strip("\0 ") if isinstance(item, bytes) else item


def attributes(group: Any, name: str) -> dict[str, Any]:
    """Give the attributes of a member of a group; none where it is not there."""
    return {k: plain(v) for k, v in group[name].attrs.items()} if name in group else {}
