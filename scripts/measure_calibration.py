"""What calibration is worth on days it never saw: Brier skill and reliability before and after.

    nowcast calibrate --archive italy_north.zarr --models persistence,extrapolation,sprog --period ... \
        --stride 8 --min-wet-pixels 500 --thresholds 10 20 30 35 40 45 --out baselines.calibration.json
    python scripts/measure_calibration.py --archive italy_north.zarr --period 2025-03-21/2025-03-22 \
        --models extrapolation,motionrnn --calibration baselines.calibration.json

Each model forecasts once from each start time; its forecast is scored as it is and calibrated. Brier skill is 1
less the Brier score by that of the frequency of the event at each lead time in the same pixels, squared errors
pooled over lead times. Reliable are bins of probability, lead times pooled, with at least 1 % of a threshold's
cases and a mean probability within 0.05 of the frequency; the number in brackets is the largest gap.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError
from nowcast.core.field import PROBABILITY
from nowcast.core.text_table import text_table
from nowcast.core.times import parse_period
from nowcast.evaluation.windows import windows
from nowcast.postprocessing.reliability import ReliabilityTable
from nowcast.scores.probabilistic import certain
from nowcast.workflows.calibrated import read_calibrations
from nowcast.workflows.forecast import Made, forecast_with_past, postprocess
from nowcast.workflows.initialisation import (
    LEAST_PAST,
    at_common_step,
    common_leads,
    named,
    wet_initialisations,
)
from nowcast.workflows.readings import with_calibrated
from nowcast.workflows.score_nowcast import Reading

LEAST_SHARE = 0.01
GAP = 0.05


class Sums(NamedTuple):
    """Of one reading: squared errors, pixels and events by threshold and lead time, and its reliability."""

    squared: np.ndarray
    pixels: np.ndarray
    events: np.ndarray
    reliability: ReliabilityTable


def count(forecast: xr.Dataset, observed: np.ndarray, thresholds: list[float]) -> Sums:
    """Count one forecast; one without probabilities of a threshold counts as certain of its dBZ."""
    known = forecast["threshold"].values.tolist() if PROBABILITY in forecast else []
    seen = ~np.isnan(observed)
    parts, probabilities = [], []
    for threshold in thresholds:
        p = (
            forecast[PROBABILITY].sel(threshold=threshold).values
            if threshold in known
            else certain(forecast["reflectivity"].values, threshold).astype(np.float32)
        )
        event = observed >= np.float32(threshold)
        squared = np.where(seen, (np.where(np.isnan(p), 0.0, p).astype(np.float64) - event) ** 2, 0.0)
        parts.append([a.sum(axis=(1, 2)) for a in (squared, seen, event & seen)])
        probabilities.append(p)
    squared, pixels, events = np.moveaxis(np.array(parts, np.float64), 1, 0)
    given = (
        forecast.drop_vars([PROBABILITY, "threshold"], errors="ignore")
        .assign({PROBABILITY: (("threshold", "lead_time", "y", "x"), np.stack(probabilities))})
        .assign_coords(threshold=thresholds)
    )
    return Sums(squared, pixels, events, ReliabilityTable.counted(given, observed))


def add(one: Sums | None, other: Sums) -> Sums:
    """Pool what two start times counted."""
    if one is None:
        return other
    squared, pixels, events = (a + b for a, b in zip(one[:3], other[:3], strict=True))
    return Sums(squared, pixels, events, one.reliability + other.reliability)


def skill(sums: Sums, k: int) -> float:
    """Brier skill of one threshold against its frequency at each lead time."""
    frequency = sums.events[k] / sums.pixels[k]
    return float(1.0 - sums.squared[k].sum() / (sums.pixels[k] * frequency * (1.0 - frequency)).sum())


def reliable(table: ReliabilityTable, k: int) -> tuple[int, int, float]:
    """Of bins with at least 1 % of the cases: how many are within 0.05, how many there are, the largest gap."""
    cases, forecast, events = (part[k].sum(axis=0) for part in table.sums)
    used = cases >= LEAST_SHARE * cases.sum()
    gaps = (events[used] - forecast[used]) / cases[used]
    return int((np.abs(gaps) <= GAP).sum()), int(used.sum()), float(gaps[np.abs(gaps).argmax()])


def measure(args: argparse.Namespace) -> dict[str, Sums]:
    """Forecast from every start time and count every reading."""
    models = named([name for name in args.models.split(",") if name])
    plain = {name: Reading(model) for name, model in models.items()}
    readings = with_calibrated(plain, read_calibrations(args.calibration))
    archive = at_common_step(Archive.open(args.archive), models)
    leads = common_leads(archive, models, args.leads)
    past = max(LEAST_PAST, *(m.needs.past for m in models.values()))
    every = windows(archive.times, archive.step, *parse_period(args.period), past + args.leads, args.stride)
    starts = wet_initialisations(archive, every, past, args.min_wet_pixels, 20.0, True)
    found: dict[str, Sums] = {}
    for times in tqdm(starts.windows, desc="measuring", unit="nowcast"):
        observed = archive.frames(times[past:]).compute(scheduler="synchronous").values
        made: dict[int, Made] = {}
        for name, (model, post) in readings.items():
            if id(model) not in made:
                made[id(model)] = forecast_with_past(archive, model, times[past - 1], leads)
            coming = postprocess(made[id(model)], post)
            found[name] = add(found.get(name), count(coming, observed, args.thresholds))
    print(f"{len(starts.windows)} start times, leads of {args.leads} frames")
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--period", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--calibration", type=Path, nargs="*", default=[])
    parser.add_argument("--thresholds", type=float, nargs="+", default=[10.0, 20.0, 30.0, 40.0])
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--stride", type=int, default=16)
    parser.add_argument("--min-wet-pixels", type=int, default=500)
    args = parser.parse_args()
    try:
        found = measure(args)
    except NowcastError as error:
        print(error, file=sys.stderr)
        return 2
    rows = [["model", *(f"{what} {t:g}" for what in ("skill", "reliable") for t in args.thresholds)]]
    each = range(len(args.thresholds))
    for name, sums in found.items():
        skills = [f"{skill(sums, k):.3f}" for k in each]
        bins = ["{} of {} ({:+.3f})".format(*reliable(sums.reliability, k)) for k in each]
        rows.append([name, *skills, *bins])
    print(text_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
