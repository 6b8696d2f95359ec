"""What was observed at the lead times of a nowcast, whether or not a frame of each is there.

Dimensions: S lead times, H rows, W columns.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.archive.thinned import RadarFrames
from nowcast.core.times import Times
from nowcast.evaluation.windows import is_held


class Truth(NamedTuple):
    """What forecasts of some lead times are judged by."""

    field: xr.DataArray
    """The frames that are there."""
    values: npt.NDArray[np.float32]
    """(S, H, W); NaN throughout where there is no frame, so that this lead time counts nothing."""


def read_truth(archive: RadarFrames, times: Times) -> Truth:
    """Read what was observed at these times, one of which at least has a frame."""
    there = is_held(times, archive.times)
    field = archive.read(np.asarray(times[there]))
    if there.all():
        return Truth(field, np.asarray(field.values))
    values = np.full((len(times), *field.shape[1:]), np.nan, np.float32)
    values[there] = field.values
    return Truth(field, values)
