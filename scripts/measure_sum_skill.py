"""Whether probabilities of rain sums come true, and whether the spread of area sums is that of their errors.

    python scripts/measure_sum_skill.py ARCHIVE [--model motionrnn] [--members 24] [--every 60]
        [--period 2025-03-21/2025-03-22] [--thresholds 1 5] [--area-km 20] [--z-r marshall_palmer]

Forecasts the rain of the next 60 minutes from frames of the period, `--every` minutes apart, where the past and
the hour after have no gap, and compares it with the sum of the frames that were observed, made in the same way.
Prints the reliability of the probability of each threshold in bins of a tenth, with the share of all cases in a
bin, and the ratio of spread to error of means over squares: the root of the mean variance of the members, times
(M + 1) / M, over the root mean square error of their mean.

Source: Fortin et al. (2014), J. Hydrometeor. 15, 1708-1713.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.core.errors import TimeError
from nowcast.core.times import parse_period
from nowcast.forecasters.base import Forecaster, label_forecast
from nowcast.forecasters.catalog import build_forecaster
from nowcast.postprocessing.members import Members
from nowcast.postprocessing.rain_sums import RainSum
from nowcast.workflows.forecast import forecast_with_past, postprocess

Array = npt.NDArray[np.floating]
HOUR, BINS = 60.0, 10


class Found:
    """Sums over all forecasts."""

    def __init__(self, thresholds: list[float]) -> None:
        self.cases = np.zeros((len(thresholds), BINS))
        self.forecast = np.zeros_like(self.cases)
        self.observed = np.zeros_like(self.cases)
        self.squares = np.zeros(2)
        self.areas = self.starts = 0

    def add_pixels(self, k: int, probability: Array, event: npt.NDArray[np.bool_]) -> None:
        """Count the pixels of one forecast and threshold."""
        at = np.minimum((probability * BINS).astype(int), BINS - 1)
        self.cases[k] += np.bincount(at, minlength=BINS)
        self.forecast[k] += np.bincount(at, probability, BINS)
        self.observed[k] += np.bincount(at, event, BINS)

    def add_areas(self, members: Array, truth: Array) -> None:
        """Count areas: sums of members (M, N) and what was observed (N,)."""
        count = len(members)
        self.squares += (
            members.var(axis=0, ddof=1).sum() * (count + 1) / count,
            ((members.mean(axis=0) - truth) ** 2).sum(),
        )
        self.areas += len(truth)


def main() -> None:
    """Forecast, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--model", default="motionrnn")
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--period", default="2025-03-21/2025-03-22")
    parser.add_argument("--every", type=int, default=60, help="minutes from one forecast to the next")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[1.0, 5.0])
    parser.add_argument("--area-km", type=float, default=20.0)
    parser.add_argument("--z-r", default="marshall_palmer")
    args = parser.parse_args()
    archive, model = Archive.open(args.archive), build_forecaster(args.model)
    start, end = parse_period(args.period)
    times = archive.times[(archive.times >= start) & (archive.times < end)]
    on_time = ((times - start) % np.timedelta64(args.every, "m")) == np.timedelta64(0, "m")
    found = Found(args.thresholds)
    step = RainSum(periods_minutes=(HOUR,), z_r=args.z_r)
    for time in tqdm(times[on_time], desc="forecasts"):
        try:
            forecast_one(archive, model, time, args, step, found)
        except TimeError:
            continue
    report(args, found)


def forecast_one(
    archive: Archive,
    model: Forecaster,
    time: np.datetime64,
    args: argparse.Namespace,
    step: RainSum,
    found: Found,
) -> None:
    """One forecast and what was observed."""
    later = time + archive.step * np.arange(1, int(np.timedelta64(60, "m") / archive.step) + 1)
    if not np.isin(later, archive.times).all():
        return
    draw = Members(args.members, 0)
    made = forecast_with_past(archive, model, time, len(later), count=max(draw.past, step.past))
    members = step.sums(postprocess(made, [draw]), made.observed)[0]
    frames = archive.frames(later).compute(scheduler="synchronous").values
    observed = label_forecast(frames, time, later - time, archive.grid)
    truth = step.sums(observed, made.observed)[0, 0]
    known = ~np.isnan(members[0]) & ~np.isnan(truth)
    for k, threshold in enumerate(args.thresholds):
        probability = (members[:, known] >= threshold).mean(axis=0)
        found.add_pixels(k, probability, truth[known] >= threshold)
    rows, columns = (max(round(args.area_km / side), 1) for side in archive.grid.cell_km)
    areas = [blocks(field, rows, columns) for field in (*members, truth)]
    whole = ~np.isnan(areas).any(axis=0)
    found.add_areas(np.stack(areas[:-1])[:, whole], areas[-1][whole])
    found.starts += 1


def blocks(field: Array, rows: int, columns: int) -> Array:
    """Means over blocks, NaN where a pixel is not known."""
    height, width = (size // side * side for size, side in zip(field.shape, (rows, columns), strict=True))
    cut = field[:height, :width].reshape(height // rows, rows, width // columns, columns)
    return np.asarray(cut.mean(axis=(1, 3), dtype=np.float64).ravel())


def report(args: argparse.Namespace, found: Found) -> None:
    """Print what was found."""
    print(
        f"{args.archive.name}, {args.period}: {found.starts} forecasts by {args.model}, {args.members} members"
    )
    for k, threshold in enumerate(args.thresholds):
        share = found.observed[k].sum() / found.cases[k].sum()
        print(f"at least {threshold:g} mm in {HOUR:g} min, observed on {share:.2%}")
        for cases, forecast, observed in zip(found.cases[k], found.forecast[k], found.observed[k], strict=True):
            if cases:
                print(
                    f"  forecast {forecast / cases:6.3f}  observed {observed / cases:6.3f}  "
                    f"off {(observed - forecast) / cases:+.3f}  of cases {cases / found.cases[k].sum():7.3%}"
                )
    spread, error = np.sqrt(found.squares / found.areas)
    print(
        f"squares of {args.area_km:g} km: spread {spread:.3f} mm, error {error:.3f} mm, "
        f"ratio {spread / error:.2f}"
    )


if __name__ == "__main__":
    main()
