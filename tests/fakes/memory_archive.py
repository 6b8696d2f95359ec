"""An archive that is a field in memory: what verification asks of the real one, and what it must not do."""

from pathlib import Path

import numpy as np
import xarray as xr

from nowcast.core.errors import TimeError
from nowcast.core.grid import Grid


class MemoryArchive:
    def __init__(self, field: xr.DataArray, step_minutes: int = 10) -> None:
        self.whole = field
        self.step = np.timedelta64(step_minutes, "m").astype("timedelta64[ns]")
        self.grid = Grid.of(field)
        self.path = Path("memory.zarr")
        self.attrs: dict = {}
        self.fingerprint = "0" * 16
        self.most_at_once = 0

    @property
    def times(self):
        return self.whole["time"].values

    def read(self, times):
        return self.frames(times).compute()

    def frames(self, times):
        for moment in times:
            if moment not in self.times:
                raise TimeError(f"{self.path}: no frame at {moment}")
        self.most_at_once = max(self.most_at_once, len(times))
        return self.whole.sel(time=times).chunk(time=1)
