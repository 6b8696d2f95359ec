"""Time and memory of one nowcast of a continent, each forecaster in a process of its own.

    python scripts/measure_continental.py [--size 3800 4400] [--models extrapolation motionrnn] [--threads 2]
    python scripts/measure_continental.py --tiles 528 --size 940 1120 --models motionrnn

Makes rain of its own (`benchmark_forecasts.rain`), forecasts ten frames, and prints for each model the wall and
CPU seconds of the forecast and the peak of the process's memory, the five observed frames within it. With
--tiles, networks forecast a grid that they can take whole once so and once in tiles of that side; how far
probabilities and events differ is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

LEADS = 10
HALF_DB = 0.5


def main() -> int:
    """Measure each model in turn, and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(3800, 4400), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--models", nargs="+", default=["extrapolation"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tiles", type=int, metavar="SIDE", help="compare tiles with the whole grid")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure(args.models[0], *args.size)
        return 0
    if args.tiles:
        for model in args.models:
            compare(model, tuple(args.size), args.tiles)
        return 0
    rows, columns = args.size
    print(f"{rows} x {columns}, {LEADS} lead times, {args.threads} threads")
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "OMP_WAIT_POLICY": "passive"}
    for model in args.models:
        command = [sys.executable, __file__, "--one", "--size", str(rows), str(columns), "--models", model]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            print(f"{model}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return 1
        found = json.loads(done.stdout.splitlines()[-1])
        print(f"{model:14} {found['wall']:7.1f} s wall {found['cpu']:7.1f} s CPU {found['gb']:5.2f} GB")
    return 0


def measure(model: str, rows: int, columns: int) -> None:
    """Forecast once; print wall and CPU seconds and the peak memory as JSON."""
    import numpy as np
    from benchmark_forecasts import rain

    from nowcast.forecasters.catalog import build_forecaster

    side = 400  # made small and laid side by side: making a continent takes more memory than forecasting it
    piece = rain(side, side)
    down, along = -(-rows // side), -(-columns // side)
    frames = wide(piece, np.tile(piece.values, (1, down, along))[:, :rows, :columns].copy())
    forecaster = build_forecaster(model)
    leads = np.timedelta64(10, "m") * np.arange(1, LEADS + 1)
    wall, cpu = time.perf_counter(), time.process_time()
    forecaster.forecast(frames, leads)
    print(
        json.dumps(
            {
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
            }
        )
    )


def compare(model: str, size: tuple[int, ...], side: int) -> None:
    """Print how far a forecast in tiles is from that of the whole grid."""
    import numpy as np
    from benchmark_forecasts import rain

    from nowcast.forecasters.catalog import build_forecaster

    frames, leads = rain(size[0], size[1]), np.timedelta64(10, "m") * np.arange(1, LEADS + 1)
    whole, tiled = (
        build_forecaster(model, settings).forecast(frames, leads)
        for settings in ({"memory_gb": 1000.0}, {"tile": [side, side]})
    )
    apart = np.abs(whole.exceedance_probability.values - tiled.exceedance_probability.values)
    dbz = np.abs(whole.reflectivity.values - tiled.reflectivity.values) > HALF_DB
    print(
        f"{model:14} probabilities differ {np.nanmax(apart):.1e} at most, {np.nanmean(apart):.1e} in the mean;"
        f" reflectivity by more than half a dB at {dbz.mean():.1e} of the pixels"
    )


def wide(piece: xr.DataArray, dbz: np.ndarray) -> xr.DataArray:
    """The field of a larger grid with the cells of a small one."""
    import numpy as np

    from nowcast.core.field import make_field
    from nowcast.core.grid import Grid

    grid = Grid.of(piece)
    rows, columns = dbz.shape[1:]
    y = grid.y[0] + (grid.y[1] - grid.y[0]) * np.arange(rows)
    x = grid.x[0] + (grid.x[1] - grid.x[0]) * np.arange(columns)
    return make_field(dbz, piece["time"].values, Grid(grid.crs_wkt, y, x))


if __name__ == "__main__":
    sys.exit(main())
