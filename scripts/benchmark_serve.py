"""How long `nowcast serve` takes for a request: tiles, maps and EDR queries over HTTP, in turns, as medians.

    python scripts/benchmark_serve.py [FORECAST.nc] [--rounds 21]

Without a file it makes a forecast of 479 x 617 cells in a Lambert projection, 10 lead times and six
thresholds, half of it wet. The server is a process of its own, asked by httpx over one connection.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
import numpy as np
import pyproj
from interleaved import interleaved

from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from nowcast.products.cf_netcdf import read_forecast, write_forecast
from nowcast.serve.tiles import bounds

SHAPE, LEADS, THRESHOLDS = (479, 617), 10, (10.0, 20.0, 30.0, 35.0, 40.0, 45.0)
TILE_MS, POSITION_MS = 50.0, 100.0


def make_forecast(path: Path) -> None:
    """Write a forecast of storms that lie on waves, so that it packs and unpacks like rain."""
    crs = pyproj.CRS.from_proj4("+proj=laea +lat_0=45 +lon_0=10 +ellps=WGS84 +units=m")
    grid = Grid(crs.to_wkt(), 240e3 - 1e3 * np.arange(SHAPE[0]), -310e3 + 1e3 * np.arange(SHAPE[1]))
    i, j = np.mgrid[: SHAPE[0], : SHAPE[1]]
    noise = np.random.default_rng(1).normal(0.0, 1.5, (LEADS, *SHAPE))
    wave = np.stack([np.sin((i + 3 * t) / 31) + np.sin((j - 5 * t) / 43) for t in range(LEADS)])
    dbz = np.where(wave > 0, 25.0 * wave + noise, NO_ECHO_DBZ).clip(NO_ECHO_DBZ, 60).astype(np.float32)
    ladder = np.stack([1 / (1 + np.exp((k - 25.0 * wave) / 4)) for k in THRESHOLDS]).astype(np.float32)
    leads = (np.arange(LEADS) + 1) * np.timedelta64(10, "m")
    made = label_forecast(dbz, np.datetime64("2025-03-22T06:00", "ns"), leads, grid, ladder, THRESHOLDS)
    write_forecast(path, made.assign_attrs(model="made up", settings="{}"))


@contextmanager
def server(place: Path) -> Iterator[str]:
    """A server of its own process; yields its address."""
    command = [sys.executable, "-m", "nowcast.cli.main", "serve", str(place), "--port", "0", "--rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.match(r"(http://\S+)/ serves", process.stdout.readline())
        assert found
        try:
            yield found[1]
        finally:
            process.terminate()


def tiles_within(west: float, south: float, east: float, north: float, z: int) -> list[str]:
    """The tiles of a zoom that lie within a box."""
    n = 2**z

    def place(lon: float, lat: float) -> tuple[int, int]:
        y = (1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * n
        return int((lon + 180) / 360 * n), int(y)

    (x0, y1), (x1, y0) = place(west, south), place(east, north)
    return [f"{z}/{x}/{y}" for x in range(x0 + 1, x1) for y in range(y0 + 1, y1)]


def main() -> None:
    """Print a line for each kind of request."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("forecast", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=21)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.forecast or Path(folder) / "made.nc"
        if args.forecast is None:
            make_forecast(path)
        held = read_forecast(path)
        west, south, east, north = bounds(Grid.of(held["reflectivity"]))
        times = [f"{np.datetime_as_string(t, 's')}Z" for t in held["valid_time"].values]
        lon, lat = (west + east) / 2, (south + north) / 2
        fresh = itertools.cycle(tiles_within(west, south, east, north, 9))
        same = tiles_within(west, south, east, north, 8)[0]
        time = itertools.cycle(times)
        here = itertools.count()
        ring = f"POLYGON(({lon} {lat},{lon + 1} {lat},{lon + 1} {lat + 1},{lon} {lat}))"
        box = f"{west},{south},{east},{north}"
        with server(path) as address, httpx.Client(base_url=address, timeout=60) as client:

            def get(url: str) -> None:
                answer = client.get(url)
                assert answer.status_code == 200, answer.text

            def point() -> str:
                return f"coords=POINT({lon + 0.003 * next(here)} {lat})"

            position = "/collections/nowcast/position?"
            jobs = {
                "tile, of a place not asked for before": lambda: get(
                    f"/tiles/reflectivity/{next(fresh)}.png?time={next(time)}"
                ),
                "tile, another time of the same place": lambda: get(
                    f"/tiles/reflectivity/{same}.png?time={next(time)}"
                ),
                "WMS map of 1024 x 768, another time": lambda: get(
                    "/wms?service=WMS&version=1.3.0&request=GetMap&layers=reflectivity&styles=&crs=CRS:84"
                    f"&bbox={box}&width=1024&height=768&format=image/png&time={next(time)}"
                ),
                "EDR position, reflectivity, all times": lambda: get(
                    f"{position}{point()}&parameter-name=reflectivity"
                ),
                "EDR position, all variables and times": lambda: get(position + point()),
                "EDR area of a degree, one time": lambda: get(
                    f"/collections/nowcast/area?coords={ring}&parameter-name=reflectivity&datetime={next(time)}"
                ),
            }
            taken = interleaved(jobs, args.rounds)
    print(f"{path.name}: {' x '.join(map(str, held['reflectivity'].shape))}, {len(held.data_vars)} variables")
    for name, seconds in taken.items():
        most = TILE_MS if name.startswith("tile") else POSITION_MS if "position" in name else None
        middle = 1e3 * median(seconds)
        goal = "" if most is None else f"  (goal {most:g} ms: {'reached' if middle < most else 'NOT reached'})"
        print(f"{name:42} median {middle:6.1f} ms  slowest {1e3 * max(seconds):6.1f} ms{goal}")


if __name__ == "__main__":
    main()
