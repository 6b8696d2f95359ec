"""The files that the pages of the documentation take for given: made-up radar on the days that they name."""

import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pyproj

from nowcast.cli.main import main
from nowcast.core.grid import Grid
from nowcast.demo.storm import StormSettings, make_storms
from nowcast.products.odim_h5 import write_composite
from nowcast.workflows.archive_tools import crop_archive
from nowcast.workflows.ingest import ingest

TEST_DAYS = ("2025-03-21", "2025-03-22")
VALIDATION_DAYS = ("2025-02-11", "2025-02-25", "2025-03-11")
FRAMES = 17
"""Of a day: the past and the future of two forecasts."""
STORMS = StormSettings(frames=FRAMES, size=96, cell_km=1.0, step_minutes=10, cells_at_once=6.0)
TOWNS = "name,lat,lon\nMilan,45.46,9.19\nLodi,45.31,9.50\n"
BASINS = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"name": "Lambro"}, '
    '"geometry": {"type": "Polygon", "coordinates": '
    "[[[9.1, 45.3], [9.4, 45.3], [9.4, 45.6], [9.1, 45.6], [9.1, 45.3]]]}}]}"
)
EXPERIMENT = """
name: italy_motionrnn
model: {name: convlstm, settings: {hidden: [4], filter_size: 3, patch: 4}}
data:
  sources: [{kind: radar_archive, settings: {path: italy_north.zarr}}]
  window: {past: 5, future: 5}
  train: [2025-02-11/2025-02-11]
  validation: [2025-02-25/2025-02-25]
  validation_clips: 1
training: {steps: 2, batch: 1, validate_every: 2}
"""


def _grid(size: int) -> Grid:
    crs = pyproj.CRS.from_proj4("+proj=laea +lat_0=45.46 +lon_0=9.19 +x_0=0 +y_0=0 +ellps=WGS84 +units=m")
    offsets = (np.arange(size) - (size - 1) / 2) * 1000.0
    return Grid(crs.to_wkt(), offsets[::-1].copy(), offsets.copy())


def _day(folder: Path, day: str) -> list[Path]:
    start, step = np.datetime64(f"{day}T16:00", "ns"), np.timedelta64(10, "m")
    frames = make_storms(STORMS)
    grid = _grid(STORMS.size)
    name = day.replace("-", "")
    return [
        write_composite(folder / f"{name}_{i:02d}.h5", frame, start + i * step, grid)
        for i, frame in enumerate(frames)
    ]


def make_world(folder: Path) -> None:
    """Write radar files, archives, places, a forecast and a checkpoint into ``folder``."""
    radar = [path for day in TEST_DAYS for path in _day(folder / "radar", day)]
    older = [path for day in VALIDATION_DAYS for path in _day(folder / "older", day)]
    for name, files in {"italy": radar[:6], "slovenia": radar[6:9], "newer": radar[9:12]}.items():
        (folder / name).mkdir()
        for path in files:
            shutil.copy(path, folder / name)
    ingest(radar, folder / "italy.zarr", 1, licence="free", progress=False)
    ingest([*older, *radar], folder / "italy_north.zarr", 1, licence="free", progress=False)
    shutil.copytree(folder / "italy_north.zarr", folder / "italy_centre_south.zarr")
    for name, day in {"spring.zarr": TEST_DAYS[0], "summer.zarr": TEST_DAYS[1]}.items():
        crop_archive(folder / "italy.zarr", folder / name, period=f"{day}/{day}")
    (folder / "towns.csv").write_text(TOWNS)
    (folder / "basins.geojson").write_text(BASINS)
    (folder / "own.yaml").write_text(EXPERIMENT)
    with chdir(folder):
        assert main(["train", "own.yaml"]) == 0
        (folder / "own.yaml").unlink()
        forecast = ["forecast", "--archive", "italy.zarr", "--model", "extrapolation"]
        assert main([*forecast, "--no-page", "--out", "nowcast.nc"]) == 0
