"""A tiny service over made-up storms: writes its files, runs its cycles, knows the truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from nowcast.core.settings import plain
from nowcast.core.times import to_text
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.products.odim_h5 import write_composite
from nowcast.service.clock import ManualClock
from nowcast.service.cycle import Cycle, run_cycle
from nowcast.service.settings import InputSettings, ProductSettings, ServiceSettings
from nowcast.workflows.ingest import ingest

STEP = np.timedelta64(10, "m").astype("timedelta64[ns]")
START = np.datetime64("2025-06-01T12:00", "ns")
STORMS = StormSettings(frames=24, size=40, cell_km=4.0, step_minutes=10, radar_range_km=70.0)
FRAMES = make_storms(STORMS)


class StormService:
    def __init__(self, folder: Path, **changes):
        self.inbox = folder / "incoming"
        self.inbox.mkdir()
        settings = ServiceSettings(
            name="storms",
            archive=folder / "archive.zarr",
            output=folder / "out",
            inputs=(InputSettings(self.inbox, ("*.h5",)),),
            settle_seconds=0.0,
            lead_times=3,
            step_minutes=10.0,
            products=ProductSettings(page=False, maps=False),
            thresholds_dbz=(20.0,),
        )
        self.settings = replace(settings, **changes)
        self.output = self.settings.output

    def deliver(self, *indices: int) -> list[Path]:
        return [self.write(FRAMES[i], time_of(i)) for i in indices]

    def write(self, frame, time) -> Path:
        path = self.inbox / f"{to_text(time).replace(':', '').replace('-', '')}.h5"
        return write_composite(path, frame, time, storm_grid(STORMS))

    def cycle(self, index: float, **changes) -> Cycle:
        """Run a cycle two minutes after the nominal time of frame ``index``."""
        now = START + np.timedelta64(int(index * 600), "s") + np.timedelta64(2, "m")
        return run_cycle(replace(self.settings, **changes), ManualClock(now))


def time_of(index: int) -> np.datetime64:
    return START + index * STEP


def write_config(service: StormService, path: Path, **changes) -> Path:
    """Write the service's settings as the YAML file a person would write."""
    path.write_text(yaml.safe_dump({**plain(service.settings), **changes}), encoding="utf-8")
    return path


def archive_of_storms(folder: Path, frames: int = 10, missing: tuple[int, ...] = ()) -> Path:
    """Make an archive of the storms, as a replay takes it."""
    files = folder / "files"
    files.mkdir()
    for i in range(frames):
        if i not in missing:
            write_composite(files / f"{i:03d}.h5", FRAMES[i], time_of(i), storm_grid(STORMS))
    ingest([files], folder / "storms.zarr", workers_count=1, progress=False, step=STEP)
    return folder / "storms.zarr"
