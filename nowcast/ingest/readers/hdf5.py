"""What readers of HDF5 files share: how such a file begins, and attributes as plain values."""

from __future__ import annotations

from typing import Any

import numpy as np

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
"""The first eight bytes of a file."""


def plain(value: Any) -> Any:
    """Give an attribute as text or a number, however the producer wrapped it."""
    value = np.asarray(value)
    item = value.reshape(-1)[0] if value.size else ""
    return item.decode("utf-8", "replace").strip("\0 ") if isinstance(item, bytes) else item


def attributes(group: Any, name: str) -> dict[str, Any]:
    """Give the attributes of a member of a group; none where it is not there."""
    return {k: plain(v) for k, v in group[name].attrs.items()} if name in group else {}
