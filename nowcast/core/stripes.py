"""Large maps a few rows at a time.

Why: what is computed pixel by pixel then needs no map of its own, and stays in the CPU's cache.

Dimensions: H rows, W columns, h rows of a stripe.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

_PIXELS = 1 << 16
"""Of a stripe, about."""


def in_stripes(maps: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Yield views (..., h, W) that together are maps (..., H, W), from the first row on."""
    height, width = maps.shape[-2:]
    rows = max(_PIXELS // max(width, 1), 1)
    for first in range(0, height, rows):
        yield maps[..., first : first + rows, :]
