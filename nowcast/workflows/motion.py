"""The motion that a network moves rain by, beside the optical flow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.archive.reader import Archive
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.neural import Neural
from nowcast.workflows.past import observed_past


def find_motions(
    archive: Archive, forecaster: Forecaster, at: str
) -> tuple[xr.DataArray, dict[str, npt.NDArray[np.float32]]]:
    """Return the newest frame at a forecast reference time, and the motions (2, H, W) there by their titles.

    Raises:
        SettingsError: a network without a motion of its own.
        TimeError: as `nowcast.workflows.forecast.forecast`.
    """
    flow = Extrapolation()
    frames, times = observed_past(archive, forecaster, at, count=flow.needs.past)
    observed = frames.read(times)
    own = {forecaster.motion_name: forecaster.velocity(observed)} if isinstance(forecaster, Neural) else {}
    return observed[-1], own | {"optical flow": flow.velocity(observed)}
