"""Time and memory of members on top of a forecast, beside an ensemble of pysteps' STEPS.

    OMP_NUM_THREADS=2 python scripts/benchmark_members.py [--members 24] [--rounds 3] [--steps 20]

Makes rain of its own (moving, power-law texture), forecasts it by a network of the package and times the
members alone (wall clock, and seconds of the CPU), the forecast file with and without them, and STEPS'
members (one round, where pysteps is installed; `--steps 0` leaves it out). The peak of memory is that of a
process of its own that forecasts, draws and writes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
import xarray as xr
from benchmark_forecasts import LEADS, PAST, STEP, rain
from interleaved import interleaved, peak_of, print_peak

from nowcast.core.errors import MissingExtraError
from nowcast.core.field import MEMBERS
from nowcast.forecasters.catalog import build_forecaster
from nowcast.postprocessing.members import Members
from nowcast.products.cf_netcdf import write_forecast

LEAD_TIMES = STEP * np.arange(1, LEADS + 1)


def main() -> None:
    """Measure, or be the process whose memory is measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=(479, 617), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--model", default="motionrnn")
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="members of STEPS; 0 for none")
    parser.add_argument("--peak", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = [str(n) for n in args.size]
    peak = (
        0.0
        if args.peak
        else peak_of(  # first: a process inherits the peak of the one that starts it
            __file__, "--peak", "--members", str(args.members), "--model", args.model, "--size", *size
        )
    )
    observed = rain(*args.size)
    made = build_forecaster(args.model).forecast(observed, LEAD_TIMES)
    with tempfile.TemporaryDirectory() as folder:
        if args.peak:
            write_forecast(Path(folder) / "a.nc", Members(args.members).apply(made, observed))
            print_peak()
            return
        measure(made, observed, args, Path(folder) / "a.nc")
    print(f"{'peak of memory':24}{peak / 1000:8.2f} GB, forecast, members and file")


def measure(made: xr.Dataset, observed: xr.DataArray, args: argparse.Namespace, path: Path) -> None:
    """Time all jobs in turn, then STEPS once, and print a table."""
    members = Members(args.members)
    drawn = members.apply(made, observed)
    wall = interleaved(
        {
            "members": lambda: members.apply(made, observed),
            "file without members": lambda: write_forecast(path, made),
            "file with members": lambda: write_forecast(path, drawn),
        },
        args.rounds,
    )
    wet = float((np.nan_to_num(drawn[MEMBERS].values, nan=-99.0) >= 10.0).mean())
    print(
        f"{args.members} members of {LEADS} frames of {args.size[0]} x {args.size[1]} from {PAST}, "
        f"{torch.get_num_threads()} threads, {wet:.0%} wet; the file is {path.stat().st_size / 1e6:.0f} MB"
    )
    for name, seconds in wall.items():
        print(f"{name:24}{median(seconds):8.2f} s")
    began = time.process_time()
    members.apply(made, observed)
    cpu = time.process_time() - began
    print(f"{'members, CPU':24}{cpu:8.2f} s")
    if args.steps:
        began, before = time.perf_counter(), time.process_time()
        try:
            build_forecaster("steps", {"members": args.steps}).forecast(observed, LEAD_TIMES)
        except MissingExtraError as error:
            print(error)
            return
        took, used = time.perf_counter() - began, time.process_time() - before
        print(
            f"{f'STEPS, {args.steps} members':24}{took:8.2f} s, {took / median(wall['members']):.0f} times "
            f"that of the members; CPU {used:.2f} s, {used / cpu:.0f} times"
        )


if __name__ == "__main__":
    main()
