"""Time and memory of each product of a forecast with members, and of its file.

    OMP_NUM_THREADS=2 python scripts/benchmark_products.py [--rounds 3] [--members 24] [--size 479 617] [--cpu]

Makes rain of its own (moving, power-law texture, about a seventh wet), members that move it a little
differently, and probabilities from those. Prints seconds (median over the rounds, all products in turn), and
the peak of the resident set of a process that makes all products and writes the file, beside that of
one that only makes the members.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pyproj
import xarray as xr
from interleaved import Job, interleaved, peak_of, print_peak
from scipy import ndimage

from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from nowcast.postprocessing.catalog import build_products
from nowcast.products.cf_netcdf import read_forecast, write_forecast

STEP = np.timedelta64(10, "m")
START = np.datetime64("2025-03-22T11:20", "ns")
THRESHOLDS_DBZ = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0)
RELATION = "marshall_palmer"
MARGIN = 120


def main() -> None:
    """Measure, or be the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--size", type=int, nargs=2, default=(479, 617), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--cpu", action="store_true", help="CPU seconds instead of the wall clock's")
    parser.add_argument("--peak", choices=("members", "products"), help="only be measured")
    args = parser.parse_args()
    if args.peak:
        forecast, observed = ensemble(args.members, args.leads, *args.size)
        if args.peak == "products":
            with tempfile.TemporaryDirectory() as folder:
                write_forecast(Path(folder) / "a.nc", with_all(forecast, observed))
        print_peak()
        return
    given = [f"--members={args.members}", f"--leads={args.leads}", "--size", *map(str, args.size)]
    peaks = [peak_of(__file__, "--peak", which, *given) for which in ("members", "products")]
    forecast, observed = ensemble(args.members, args.leads, *args.size)
    print(f"{args.members} members of {args.leads} x {args.size[0]} x {args.size[1]}")
    jobs: dict[str, Job] = {
        step.name: partial(step.apply, forecast, observed) for step in build_products(["all"], z_r=RELATION)
    }
    taken = interleaved(jobs, args.rounds, args.cpu)
    for name, seconds in taken.items():
        print(f"{name:28}{median(seconds):7.2f} s")
    print(f"{'all products':28}{sum(median(seconds) for seconds in taken.values()):7.2f} s")
    made = with_all(forecast, observed)
    clock = time.process_time if args.cpu else time.perf_counter
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        for what, some in (("file without members", made.drop_dims("member")), ("file with members", made)):
            began = clock()
            write_forecast(path, some)
            wrote, size = clock() - began, path.stat().st_size / 1e6
            began = clock()
            read_forecast(path)
            read = clock() - began
            print(f"{what:28}{wrote:7.2f} s to write, {read:.2f} s to read, {size:.0f} MB")
    print(f"peak memory: {peaks[1]:.0f} MB with all products and the file, {peaks[0]:.0f} MB the members alone")


def with_all(forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
    """The forecast with all products."""
    for step in build_products(["all"], z_r=RELATION):
        forecast = step.apply(forecast, observed)
    return forecast


def ensemble(members: int, leads: int, rows: int, columns: int) -> tuple[xr.Dataset, xr.DataArray]:
    """A forecast of rain that moves by about (1, 3) cells a frame, and its past, under a coverage mask."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(rows + 2 * MARGIN, columns + 2 * MARGIN)).astype(np.float32)
    texture = sum(ndimage.gaussian_filter(noise, s) * s**1.6 for s in (1.5, 4, 10, 25))
    wet = (texture - np.quantile(texture, 0.85)) / texture.std()
    echo = np.where(wet > 0, 10 + 22 * wet, NO_ECHO_DBZ).clip(NO_ECHO_DBZ, 60).astype(np.float32)
    i, j = np.mgrid[:rows, :columns]
    outside = np.hypot(i / rows - 0.5, j / columns - 0.5) > 0.6

    def frame(time: float, down: float, right: float) -> np.ndarray:
        top, left = (round(MARGIN - time * speed) for speed in (down, right))
        return echo[top : top + rows, left : left + columns]

    past = np.stack([frame(t, 1, 3) for t in (-2, -1, 0)])
    coming = np.empty((members, leads, rows, columns), np.float32)
    for member in coming:
        speed = (rng.normal(1, 0.7), rng.normal(3, 0.7))
        for lead, field in enumerate(member):
            field[:] = frame(lead + 1, *speed)
    past[:, outside] = np.nan
    coming[..., outside] = np.nan
    known = np.stack([(coming >= t).mean(axis=0, dtype=np.float32) for t in THRESHOLDS_DBZ])
    known[..., outside] = np.nan
    crs = pyproj.CRS.from_proj4("+proj=laea +lat_0=45 +lon_0=10 +ellps=WGS84 +units=m").to_wkt()
    grid = Grid(crs, 1000.0 * (rows / 2 - np.arange(rows)), 1000.0 * (np.arange(columns) - columns / 2))
    made = label_forecast(coming[0], START, STEP * np.arange(1, leads + 1), grid, known, THRESHOLDS_DBZ)
    return made.assign_coords(member=("member", np.arange(members))).assign(
        reflectivity_members=(("member", "lead_time", "y", "x"), coming)
    ), make_field(past, START + STEP * np.arange(-2, 1), grid)


if __name__ == "__main__":
    main()
