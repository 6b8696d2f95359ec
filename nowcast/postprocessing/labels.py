"""Labels of what post-processing adds to a forecast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import NAME, PROBABILITY


def with_probabilities(
    forecast: xr.Dataset, values: npt.NDArray[np.float32], thresholds_dbz: Sequence[float]
) -> xr.Dataset:
    """Add exceedance probabilities (K, S, H, W) of K thresholds to a forecast."""
    attrs = {"long_name": "radar reflectivity that is reached or exceeded", "units": "dBZ"}
    return forecast.assign_coords(
        threshold=("threshold", np.asarray(thresholds_dbz, np.float64), attrs)
    ).assign(
        {
            PROBABILITY: (
                ("threshold", *forecast[NAME].dims),
                values,
                {"long_name": "probability that reflectivity reaches or exceeds the threshold", "units": "1"},
            )
        }
    )
