"""Measure what a long archive costs in memory: ingest of many files, and the search for rain in 10^6 frames.

    python scripts/measure_scan.py [--files N N] [--frames N N]

Each is done for a small and a large number, each time in a process of its own; the peaks of the resident sets
tell the bytes a file and a frame. The frames of the search are simulated (8 x 8, noise): ten years every five
minutes that lie nowhere. Files are CF netCDF of one frame each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from interleaved import peak_of, print_peak

from nowcast.core.times import Times

START, STEP = np.datetime64("2015-01-01T00:00", "ns"), np.timedelta64(300, "s").astype("timedelta64[ns]")
SIDE, PAST, LEADS, STRIDE = 8, 5, 10, 6


class Simulated:
    """So many frames that are made when they are read (`nowcast.archive.thinned.RadarFrames`)."""

    def __init__(self, count: int) -> None:
        self.times: Times = START + STEP * np.arange(count)
        self.step = STEP

    def read(self, times: Times) -> Any:
        """Noise that follows from the time."""
        import xarray as xr

        values: npt.NDArray[np.float32] = np.random.default_rng(times.astype(np.int64)).random(
            (len(times), SIDE, SIDE), np.float32
        )
        return xr.DataArray(60 * values, dims=("time", "y", "x"))


def search(count: int) -> None:
    """Find the wet starts of a simulated archive."""
    from nowcast.evaluation.windows import windows
    from nowcast.workflows.initialisation import wet_initialisations

    frames: Any = Simulated(count)
    leads = {"lead_times": LEADS, "most_missing": 3}
    every = windows(frames.times, STEP, START, frames.times[-1] + STEP, PAST + LEADS, STRIDE, **leads)
    wet_initialisations(frames, every, PAST, 32, 20.0, False)


def fill(count: int) -> None:
    """Ingest so many files of one frame."""
    from nowcast.workflows.ingest import ingest

    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "files"
        files.mkdir()
        made = Simulated(count)
        rows = np.linspace(1000.0 * SIDE, 1000.0, SIDE)
        for number in range(count):
            field = made.read(made.times[number : number + 1])
            field = field.assign_coords(time=made.times[number : number + 1], y=rows, x=rows[::-1])
            as_netcdf(field, files / f"{number:07d}.nc")
        ingest([files], Path(folder) / "a.zarr", workers_count=1, progress=False)


def as_netcdf(field: Any, path: Path) -> None:
    """Write a field as a CF netCDF file."""
    import pyproj

    named = field.rename("dbz").assign_attrs(units="dBZ", grid_mapping="crs")
    named = named.assign_coords(crs=((), 0, pyproj.CRS("EPSG:3035").to_cf()))
    for axis in ("y", "x"):
        named[axis].attrs.update(units="m", standard_name=f"projection_{axis}_coordinate")
    named.to_netcdf(path)


def main() -> int:
    """Take the measurements and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs=2, default=(500, 4000), metavar="N")
    parser.add_argument("--frames", type=int, nargs=2, default=(10_000, 1_000_000), metavar="N")
    parser.add_argument(
        "--one", nargs=2, metavar=("WHAT", "N"), help="do one in this process and print its peak"
    )
    args = parser.parse_args()
    if args.one:
        {"search": search, "fill": fill}[args.one[0]](int(args.one[1]))
        print_peak()
        return 0
    for what, said, (few, many) in (
        ("search", "search for rain in simulated frames", args.frames),
        ("fill", "ingest of files of one frame", args.files),
    ):
        began = time.perf_counter()
        peaks = [peak_of(__file__, "--one", what, str(number)) for number in (few, many)]
        a_piece = (peaks[1] - peaks[0]) * 2**20 / (many - few)
        print(
            f"{said}: {few:,} peak at {peaks[0]:.0f} MB, {many:,} at {peaks[1]:.0f} MB: {a_piece:.0f} bytes "
            f"each ({time.perf_counter() - began:.0f} s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
