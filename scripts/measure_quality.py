"""What missing past frames and quality masks cost or gain: CSI of the same starts, read in several ways.

    python scripts/measure_quality.py ARCHIVE [--models extrapolation motionrnn]
        [--period 2025-03-21/2025-03-22] [--starts 6] [--leads 6] [--mask speckle,spike,ray]

Takes starts of the period, evenly among those with a whole past and future, and forecasts from each: with the
whole past; with the frame before the newest interpolated; with the two oldest of five interpolated; from a
start one step older, for the same moments; and with masked echoes. Prints CSI over all starts, leads and cells
that every way knows, against the frames as they were observed.
"""

from __future__ import annotations

import argparse
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from nowcast.archive.masked import Masked
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames
from nowcast.core.times import Times, parse_period
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.catalog import build_forecaster
from nowcast.scores.categorical import csi
from nowcast.workflows.forecast import forecast

PAST, THRESHOLDS = 6, (20.0, 30.0)


class Without:
    """An archive from which some frames are missing."""

    def __init__(self, archive: Archive, missing: Times) -> None:
        self.archive, self.missing = archive, missing
        self.path, self.grid, self.step, self.attrs = archive.path, archive.grid, archive.step, archive.attrs
        self.times: Times = np.setdiff1d(archive.times, missing)

    @cached_property
    def fingerprint(self) -> str:
        """The archive's, as no file is kept."""
        return self.archive.fingerprint

    def frames(self, times: Times) -> xr.DataArray:
        """Return these frames."""
        return self.archive.frames(times)

    def read(self, times: Times) -> xr.DataArray:
        """Read these frames."""
        return self.archive.read(times)


def main() -> None:
    """Forecast in all ways, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--models", nargs="+", default=["extrapolation", "motionrnn"])
    parser.add_argument("--period", default="2025-03-21/2025-03-22")
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--leads", type=int, default=6)
    parser.add_argument("--mask", default="speckle,spike,ray")
    args = parser.parse_args()
    archive = Archive.open(args.archive)
    starts = choose_starts(archive, args.period, args.leads, args.starts)
    view = Masked(archive, args.mask.split(","))
    for name in args.models:
        model = build_forecaster(name)
        counts: dict[str, npt.NDArray[np.int64]] = {}
        for start in tqdm(starts, desc=name):
            for way, found in one_start(archive, view, model, start, args.leads).items():
                counts[way] = counts.get(way, 0) + found
        print(f"{name}, {len(starts)} starts of {args.period}, {args.leads} leads")
        for way, (hits, misses, false_alarms) in ((w, c.T) for w, c in counts.items()):
            each = zip(THRESHOLDS, csi(hits, misses, false_alarms), strict=True)
            print(f"  {way:34}" + "  ".join(f"CSI{t:g} {v:.4f}" for t, v in each))


def choose_starts(archive: Archive, period: str, leads: int, count: int) -> Times:
    """Starts with a whole past and future, evenly among all of the period."""
    start, end = parse_period(period)
    offsets = archive.step * np.arange(1 - PAST, leads + 1)
    inside = archive.times[(archive.times >= start) & (archive.times < end)]
    whole = inside[[bool(np.isin(time + offsets, archive.times).all()) for time in inside]]
    return np.asarray(whole[np.linspace(0, len(whole) - 1, count).astype(int)])


def one_start(
    archive: Archive, view: Masked, model: Forecaster, start: np.datetime64, leads: int
) -> dict[str, npt.NDArray[np.int64]]:
    """Hits, misses and false alarms (threshold, 3) of each way."""
    step = archive.step
    ways: dict[str, tuple[RadarFrames, np.datetime64, int]] = {
        "whole past": (archive, start, 0),
        "frame before the newest missing": (Without(archive, np.array([start - step])), start, 0),
        "two oldest of five missing": (Without(archive, start - step * np.array([4, 3])), start, 0),
        "start one step older": (archive, start - step, 1),
        f"without {', '.join(view.marks)}": (view, start, 0),
    }
    fields = {
        way: forecast(frames, model, at, leads + older)["reflectivity"].values[older:]
        for way, (frames, at, older) in ways.items()
    }
    truth = archive.frames(start + step * np.arange(1, leads + 1)).values
    known = np.isfinite([truth, *fields.values()]).all(axis=0)
    return {
        way: np.array([counted(dbz[known], truth[known], t) for t in THRESHOLDS]) for way, dbz in fields.items()
    }


def counted(forecast_dbz: npt.NDArray[np.floating], truth: npt.NDArray[np.floating], at: float) -> list[int]:
    """Hits, misses and false alarms of one threshold."""
    said, was = forecast_dbz >= at, truth >= at
    return [int(n) for n in ((said & was).sum(), (~said & was).sum(), (said & ~was).sum())]


if __name__ == "__main__":
    main()
