"""Time and memory of the forecasts that people ask for, beside pysteps' Lucas-Kanade and S-PROG, in one run.

    OMP_NUM_THREADS=1 python scripts/benchmark_packaged.py [--models motionrnn extrapolation] [--rounds 5]

Ten lead times of 479 x 617 from five frames of made-up rain (about 12 000 pixels of 20 dBZ; with ``--dry``
about 900), all in turns in each round: CPU seconds of this process, and their ratio to S-PROG's within a round
with quartiles. ``--peak`` adds the peak of the resident set of each in a process of its own. Needs the extra
``pysteps``. ATEN_CPU_CAPABILITY=avx2 and ONEDNN_MAX_CPU_ISA=AVX2 keep torch from AVX-512.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from benchmark_forecasts import LEADS, STEP, rain
from interleaved import Job, Seconds, interleaved, peak_of, print_peak

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.registry import registry

REFERENCE = "sprog"
_DRIER_DB = 14.0


class Spread(NamedTuple):
    """Median and quartiles."""

    low: float
    middle: float
    high: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=[*registry(), "extrapolation", "pysteps_lk"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=(479, 617), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--dry", action="store_true", help="little rain")
    parser.add_argument(
        "--clock", action="store_true", help="seconds of the clock, on cores that nothing else wants"
    )
    parser.add_argument(
        "--peak", action="store_true", help="peak memory of each model, in a process of its own"
    )
    parser.add_argument("--alone", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    rows, columns = args.size
    observed = frames(rows, columns, args.dry)
    if args.alone:
        build_forecaster(args.alone).forecast(observed, leads())
        print_peak()
        return
    models = {name: build_forecaster(name) for name in (REFERENCE, *args.models)}
    taken = measure(models, observed, args.rounds, cpu_time=not args.clock)
    wet = int((observed.values[-1] >= 20).sum())
    print(
        f"{LEADS} frames of {args.size[0]} x {args.size[1]}, {wet} pixels of 20 dBZ, torch {torch.__version__}"
    )
    print(f"{torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, {args.rounds} rounds")
    for name in models:
        seconds, ratio = spread(taken[name]), ratios(taken, name)
        peak = f"  {peak_of(__file__, '--alone', name, *['--dry'] * args.dry):6.0f} MB" if args.peak else ""
        between = f"({ratio.low:.2f}-{ratio.high:.2f})"
        print(f"{name:24} {seconds.middle:7.2f} s   {ratio.middle:5.2f} x {between}{peak}", flush=True)


def leads() -> npt.NDArray[np.timedelta64]:
    """Ten, one step apart."""
    return STEP * np.arange(1, LEADS + 1)


def frames(rows: int, columns: int, dry: bool) -> xr.DataArray:
    """Made-up rain; a dry frame is the same with all echoes weaker."""
    observed = rain(rows, columns)
    if dry:
        weaker = observed.values - np.float32(_DRIER_DB)
        observed = observed.copy(
            data=np.where(weaker < 5.0, np.float32(NO_ECHO_DBZ), weaker) + 0 * observed.values
        )
    return observed


def measure(
    models: Mapping[str, Forecaster], observed: xr.DataArray, rounds: int, cpu_time: bool = True
) -> Seconds:
    """Seconds of each model in each round, of the CPU or of the clock."""
    jobs = {name: _job(model, observed) for name, model in models.items()}
    return interleaved(jobs, rounds, cpu_time=cpu_time)


def _job(model: Forecaster, observed: xr.DataArray) -> Job:
    return lambda: model.forecast(observed, leads())


def ratios(taken: Seconds, name: str, reference: str = REFERENCE) -> Spread:
    """Times of one by those of another, within each round."""
    return spread([a / b for a, b in zip(taken[name], taken[reference], strict=True)])


def spread(values: list[float]) -> Spread:
    """Median and quartiles; of a few values the outer ones."""
    if len(values) < 4:
        return Spread(min(values), statistics.median(values), max(values))
    return Spread(*statistics.quantiles(values, n=4))


if __name__ == "__main__":
    main()
