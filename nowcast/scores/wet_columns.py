"""Where forecast or observed hold an echo: elsewhere both are one value, and what a score adds there is known.

Why: nine tenths of a radar's frame are dry most of the time. Dimensions: N frames, h rows, W columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_DRY_COLUMNS = 32
"""Fewer dry columns between two echoes are taken with them: a call has its own cost."""


def wet_columns(forecast: Any, observed: Any, low_dbz: float, reach: int = 0) -> list[slice]:
    """Runs of columns of (N, h, W) outside of which neither array is above ``low_dbz``.

    Args:
        forecast, observed: of numpy; NaN is no echo.
        low_dbz: what a score counts as no echo, and all below.
        reach: so many more columns on both sides of a run, as far as there are any.

    Returns:
        Runs from west to east that do not overlap; none where all is dry.
    """
    wet = (forecast > low_dbz) | (observed > low_dbz)
    places = np.flatnonzero(wet.reshape(-1, wet.shape[-1]).any(axis=0))
    if not len(places):
        return []
    apart = np.diff(places) > max(_DRY_COLUMNS, 2 * reach)
    runs = np.split(places, np.flatnonzero(apart) + 1)
    last = wet.shape[-1]
    return [slice(max(int(run[0]) - reach, 0), min(int(run[-1]) + 1 + reach, last)) for run in runs]
