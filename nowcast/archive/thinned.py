"""An archive of which only every n-th frame is read, and what can be read like an archive."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
import xarray as xr

from nowcast.core.errors import TimeError, complain
from nowcast.core.grid import Grid
from nowcast.core.places import DataPath
from nowcast.core.times import Times, minutes


class RadarFrames(Protocol):
    """Frames of one radar over time: an archive, or a part of one."""

    path: DataPath
    grid: Grid
    step: np.timedelta64
    times: Times
    attrs: dict[str, Any]

    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    def frames(self, times: Times) -> xr.DataArray: ...  # noqa: D102
    def read(self, times: Times) -> xr.DataArray: ...  # noqa: D102


class Thinned:
    """The frames of an archive that lie a whole number of a longer step from one moment.

    Why: a network trained on frames 10 minutes apart sees twice the motion it knows in frames 5 minutes
    apart. Every second frame is what it was trained on. Times and fingerprint are read once, so that a
    verification of many forecasts does not read the archive's ledger for each.

    Args:
        archive: an open archive.
        step: time between two frames; the archive's own or a multiple of it.
        through: a moment whose frame is among those kept; None keeps the first frame.

    Raises:
        TimeError: a step that is no multiple.
    """

    def __init__(
        self, archive: RadarFrames, step: np.timedelta64, through: np.datetime64 | None = None
    ) -> None:
        if step <= np.timedelta64(0) or step % archive.step != np.timedelta64(0):
            raise TimeError(
                complain(
                    "step",
                    f"{minutes(step):g} minutes",
                    f"a multiple of the {minutes(archive.step):g} minutes of {archive.path}",
                    "choose another step or another model",
                )
            )
        self.archive = archive
        self.path, self.grid, self.attrs = archive.path, archive.grid, archive.attrs
        self.step = step.astype("timedelta64[ns]")
        self.times: Times = archive.times
        if len(self.times):
            anchor: np.datetime64 = self.times[0] if through is None else through
            self.times = self.times[(self.times - anchor) % self.step == np.timedelta64(0)]

    @cached_property
    def fingerprint(self) -> str:
        """The archive's, and the step where it is a longer one."""
        own = self.archive.fingerprint
        return own if self.step == self.archive.step else f"{own}/{minutes(self.step):g}min"

    def frames(self, times: Times) -> xr.DataArray:
        """Return exactly these frames, as `Archive.frames`; the field says the longer step by its times."""
        return self.archive.frames(times)

    def read(self, times: Times) -> xr.DataArray:
        """Read exactly these frames into memory, as `Archive.read`."""
        return self.archive.read(times)


def thinned(
    archive: RadarFrames, step: np.timedelta64 | None, through: np.datetime64 | None = None
) -> RadarFrames:
    """Return the archive itself where the step is its own or None, else every n-th frame of it."""
    return archive if step is None or step == archive.step else Thinned(archive, step, through)
