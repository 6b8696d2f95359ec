#!/usr/bin/env python3
"""Time from a forecast file to the answer of `nowcast at`, beside the start-up of the same imports.

Makes a forecast file of made-up storms with probabilities and members, then asks, in processes of their own as
a user would, for two points with a table and JSON. What the answer itself takes is that less a process that
only imports what the command imports; both in turns, medians of the rounds. Then, in this process, places of
the forecast in memory, and 100 000 points. Seconds are those of one CPU core, which a busy machine does not
stretch; the command runs on one core.

Usage: benchmark_places.py [--size 479 617] [--members 24] [--rounds 5]
Exit code 1 when the answer takes a second or more beyond the start-up.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import xarray as xr
from interleaved import interleaved

from nowcast.core.field import MEMBERS
from nowcast.demo.storm import StormSettings, make_storms, storm_grid
from nowcast.forecasters.base import label_forecast
from nowcast.products.cf_netcdf import write_forecast
from nowcast.workflows.at import at

LEADS = 10
THRESHOLDS = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0)
START = np.datetime64("2025-06-01T12:00", "ns")
IMPORTS = (
    "import nowcast.cli.at, nowcast.workflows.at, nowcast.postprocessing.places.table, "
    "nowcast.postprocessing.places.document, dask.array, tqdm"
)
"""xarray imports dask with the first Dataset."""
MOST_SECONDS = 1.0


def main() -> int:
    """Make the file, ask in turns, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(479, 617), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for members in sorted({0, args.members}):
            path = Path(folder) / f"{members}.nc"
            made = storms(args.size[0], args.size[1], members)
            write_forecast(path, made)
            lat, lon = places(made, 2, seed=1)
            words = [f"{value:.4f}" for pair in zip(lat, lon, strict=True) for value in pair]
            command = [
                "-m",
                "nowcast.cli.main",
                "at",
                *words,
                "--forecast",
                str(path),
                "--z-r",
                "marshall_palmer",
                "--json",
                str(Path(folder) / "found.json"),
            ]
            turns = [(cpu_seconds(command), cpu_seconds(["-c", IMPORTS])) for _ in range(args.rounds + 1)][1:]
            whole, start = (median(taken) for taken in zip(*turns, strict=True))
            worst = max(worst, whole - start)
            print(
                f"{args.size[0]} x {args.size[1]}, {LEADS} lead times, {members} members "
                f"({path.stat().st_size / 1e6:.0f} MB): {whole:.2f} s, of which start-up {start:.2f} s, "
                f"the answer {whole - start:.2f} s"
            )
            print(
                f"  two points of the forecast in memory, as after a forecast from an archive: "
                f"{in_memory(made, lat, lon, args.rounds):.2f} s; 100 000 points of the file: "
                f"{many(path, made):.1f} s"
            )
    return int(worst >= MOST_SECONDS)


def storms(rows: int, columns: int, members: int) -> xr.Dataset:
    """A forecast of made-up storms with probabilities; members are storms of other seeds."""
    size = max(rows, columns)
    settings = StormSettings(frames=LEADS, size=size, cell_km=1.0, radar_range_km=1000.0, cells_at_once=60.0)
    grid = storm_grid(settings)
    grid = type(grid)(grid.crs_wkt, grid.y[:rows], grid.x[:columns])
    dbz = make_storms(settings)[:, :rows, :columns]
    ladder = np.stack([1 / (1 + np.exp((t - dbz) / 3)) for t in THRESHOLDS]).astype(np.float32)
    leads = np.arange(1, LEADS + 1) * np.timedelta64(10, "m")
    made = label_forecast(dbz, START, leads, grid, ladder, THRESHOLDS)
    if not members:
        return made
    many_dbz = np.stack([np.roll(dbz, (3 * n, 5 * n), (1, 2)) for n in range(members)])
    return made.assign_coords(member=np.arange(members)).assign(
        {MEMBERS: (("member", "lead_time", "y", "x"), many_dbz)}
    )


def places(made: xr.Dataset, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of some cells."""
    from nowcast.core.grid import Grid

    grid, draw = Grid.of(made.reflectivity), np.random.default_rng(seed)
    rows, columns = (draw.integers(0, n, count) for n in grid.shape)
    lon, lat = grid.lonlat(grid.y[rows], grid.x[columns])
    return lat, lon


def in_memory(made: xr.Dataset, lat: np.ndarray, lon: np.ndarray, rounds: int) -> float:
    """Seconds of the places alone once a forecast is made."""
    jobs = {"places": lambda: at(made, lat, lon, z_r="marshall_palmer")}
    (taken,) = interleaved(jobs, rounds, cpu_time=True).values()
    return median(taken)


def many(path: Path, made: xr.Dataset) -> float:
    """Seconds for 100 000 points at once."""
    lat, lon = places(made, 100_000, seed=2)
    start = time.process_time()
    at(path, lat, lon, z_r="marshall_palmer")
    return time.process_time() - start


def cpu_seconds(command: list[str]) -> float:
    """Seconds of the CPU that Python takes for a command in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
