"""Probabilities and members of several models on the same starts: the table of docs/reference/skill.md.

    python scripts/measure_probabilities.py --out probabilities --models motionrnn,steps,extrapolation \
        --starts italy=italy_north.zarr@2025-03-21T18:00,2025-03-21T22:00 --starts
        finland=fmi.zarr@2016-09-28T15:45

For each group of starts one folder with ``probabilities.csv`` (group, model, measure, threshold, value), which
scripts/write_skill_tables.py puts into the page. A model that knows probabilities, its own or by --calibration,
gets members drawn from them, one that has members (``steps``) keeps its own, any other is one, and certain;
``NAME:raw`` leaves a network's calibration out. Archives are thinned to --step minutes. What was counted of one
start and model is kept in the folder: run it again and it goes on where it ended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames, thinned
from nowcast.core.errors import NowcastError
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.files import whole_file
from nowcast.core.text_table import csv_text, text_table
from nowcast.core.times import parse_time, to_text
from nowcast.forecasters.base import Forecaster, label_forecast
from nowcast.forecasters.catalog import build_forecaster
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.members import Members
from nowcast.postprocessing.rain_sums import RainSum
from nowcast.scores.base import Metric, Sums, add
from nowcast.scores.catalog import build_metrics
from nowcast.scores.ensemble import SpreadError
from nowcast.scores.forecast_inputs import ForecastInputs
from nowcast.scores.probability_classes import Reliability
from nowcast.workflows.calibrated import calibrated, calibration_of, read_calibrations
from nowcast.workflows.drawn_members import DrawnMembers
from nowcast.workflows.forecast import Made, forecast_with_past, postprocess

THRESHOLDS = (20.0, 30.0, 40.0)
SCORES = (
    "brier",
    "brier_skill",
    "reliability",
    "crps",
    "crps_fair",
    "spread_error",
    "rank_histogram_20",
    "roc_area",
)
SUM_MM, SUM_MINUTES, AREA_KM = 5.0, 60.0, 20.0
LEAST_SHARE = 0.01
"""Bins of the reliability diagram with a smaller share of all cases are left out."""
LEAST_KNOWN = 0.8
"""An area counts where so much of it was observed."""
_SUMS = Reliability(SUM_MM)
_AREAS = SpreadError(floor_dbz=0.0)
"""Both of millimetres, not of dBZ: they look at thresholds and differences alone."""


@dataclass(frozen=True)
class Start:
    """One forecast reference time of an archive."""

    group: str
    archive: Path
    at: np.datetime64


def main() -> int:
    """Count what is not there yet, write the tables and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", required=True, metavar="A,B,...")
    parser.add_argument("--starts", action="append", required=True, metavar="GROUP=ARCHIVE@TIME,...")
    parser.add_argument("--members", type=int, default=24)
    parser.add_argument("--leads", type=int, default=10)
    parser.add_argument("--step", type=float, default=10.0, help="minutes between frames (10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="files of nowcast calibrate")
    parser.add_argument("--z-r", default="marshall_palmer", help="for rain sums (marshall_palmer)")
    parser.add_argument(
        "--counted",
        action="store_true",
        help="forecast nothing: tables of the starts that every model has been counted on",
    )
    args = parser.parse_args()
    try:
        starts = [start for text in args.starts for start in parse_starts(text)]
        models = args.models.split(",")
        jobs = [(model, start) for start in starts for model in models]
        if args.counted:
            starts = [s for s in starts if all(counted_path(args, model, s).is_file() for model in models)]
        for model, start in tqdm(jobs, unit="forecast", disable=args.counted):
            if not args.counted and not counted_path(args, model, start).is_file():
                count(args, model, start)
    except NowcastError as error:
        print(error, file=sys.stderr)
        return 2
    for group in dict.fromkeys(start.group for start in starts):
        of_group = [start for start in starts if start.group == group]
        rows = [row for model in models for row in measures(args, group, model, of_group)]
        with whole_file(args.out / group / "probabilities.csv") as path:
            head = "group", "model", "measure", "threshold", "value"
            path.write_text(csv_text([head, *rows]), encoding="utf-8")
        print(text_table([[str(cell) for cell in row] for row in rows], left=4))
    return 0


def parse_starts(text: str) -> Iterator[Start]:
    """Read GROUP=ARCHIVE@TIME,TIME."""
    group, _, rest = text.partition("=")
    archive, _, times = rest.rpartition("@")
    for moment in times.split(","):
        yield Start(group, Path(archive), parse_time(moment))


def metrics_of(cell_km: tuple[float, float]) -> list[Metric]:
    """The scores of dBZ."""
    return build_metrics(THRESHOLDS, SCORES, cell_km)


def counted_path(args: argparse.Namespace, model: str, start: Start) -> Path:
    """Where the sums of one start and model are kept; other settings have another name."""
    archive = str(start.archive.resolve())
    files = [hashlib.sha256(file.read_bytes()).hexdigest() for file in args.calibration]
    settings = [args.members, args.leads, args.step, args.seed, args.z_r, archive, files, THRESHOLDS, SCORES]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    moment = to_text(start.at).replace(":", "")
    name = model.replace("/", "_").replace(":", "_")
    return Path(args.out) / start.group / "counted" / f"{name}_{moment}_{key}.npz"


def count(args: argparse.Namespace, model: str, start: Start) -> None:
    """Forecast, count against what was observed, and keep the sums."""
    step = np.timedelta64(round(args.step * 60e9), "ns")
    archive = thinned(Archive.open(start.archive), step, start.at)
    began = time.perf_counter()
    made = forecast_of(args, model, archive, start.at)
    seconds = time.perf_counter() - began
    future = start.at + step * np.arange(1, args.leads + 1)
    observed = archive.frames(future).compute(scheduler="synchronous").values
    forecast = made.forecast
    members = np.asarray(forecast[MEMBERS].values, np.float32) if MEMBERS in forecast else None
    known = {}
    if PROBABILITY in forecast:
        known = dict(zip(forecast["threshold"].values.tolist(), forecast[PROBABILITY].values, strict=True))
    inputs = ForecastInputs(np.asarray(forecast[NAME].values, np.float32), known, members)
    found = {
        f"{i}/{key}": np.asarray(value)
        for i, metric in enumerate(metrics_of(archive.grid.cell_km))
        for key, value in metric.sums(inputs.of(metric), observed).items()
    }
    truth = label_forecast(observed, start.at, future - start.at, archive.grid)
    found |= rain(archive, made, truth, args.z_r)
    found["seconds"] = np.asarray(seconds)
    with whole_file(counted_path(args, model, start)) as path, path.open("wb") as file:
        save: Any = np.savez
        save(file, **found)


def forecast_of(args: argparse.Namespace, model: str, archive: RadarFrames, at: np.datetime64) -> Made:
    """The forecast of a model, calibrated where that is known, with members where it can have some."""
    name, _, raw = model.partition(":")
    settings = {"members": args.members} if name == "steps" else {"raw": True} if raw else None
    forecaster: Forecaster = build_forecaster(name, settings)
    post: tuple[PostProcessing, ...] = ()
    files = read_calibrations(args.calibration)
    if not raw and calibration_of(name, forecaster, files) is not None:
        forecaster, post = calibrated(forecaster, files)
    drawn = DrawnMembers(Members(args.members, args.seed))
    needed = max(step.past for step in (*post, drawn))
    made = forecast_with_past(archive, forecaster, at, args.leads, count=needed)
    return made._replace(forecast=postprocess(made, (*post, drawn)))


def rain(archive: RadarFrames, made: Made, truth: xr.Dataset, relation: str) -> dict[str, npt.NDArray[Any]]:
    """Sums of the scores of the rain of an hour: probability of `SUM_MM`, and amounts over areas.

    Members and observed frames are summed by the same step of post-processing.
    """
    step = RainSum(periods_minutes=(SUM_MINUTES,), thresholds_mm=(SUM_MM,), z_r=relation)
    forecast = made.forecast if MEMBERS in made.forecast else made.forecast[[NAME]]
    said, seen = (step.sums(dataset, made.observed)[0] for dataset in (forecast, truth))
    amount = np.where(np.isnan(said).any(axis=0), np.float32(np.nan), seen[0])
    share = (said >= np.float32(SUM_MM)).mean(axis=0, dtype=np.float32)[None]
    cells = tuple(max(1, round(AREA_KM / side)) for side in archive.grid.cell_km)
    known = ~np.isnan(amount)
    part = area_means(known.astype(np.float32), cells)
    areas = [area_means(np.where(known, sums, 0), cells) / np.maximum(part, 1e-9) for sums in (amount, *said)]
    whole = np.where(part >= LEAST_KNOWN, areas[0], np.nan)
    sums = {f"rain/{key}": value for key, value in _SUMS.sums(share, amount[None]).items()}
    in_areas = _AREAS.sums(np.stack(areas[1:])[:, None], whole[None])
    return sums | {f"areas/{key}": value for key, value in in_areas.items()}


def area_means(values: npt.NDArray[np.float32], cells: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Means over whole areas of so many rows and columns."""
    rows, columns = (n // c for n, c in zip(values.shape, cells, strict=True))
    cut = values[: rows * cells[0], : columns * cells[1]]
    return np.asarray(cut.reshape(rows, cells[0], columns, cells[1]).mean(axis=(1, 3), dtype=np.float64))


def measures(
    args: argparse.Namespace, group: str, model: str, starts: list[Start]
) -> Iterator[tuple[Any, ...]]:
    """What came out for one model over the starts of a group."""
    total: Sums = {}
    seconds = []
    for start in starts:
        with np.load(counted_path(args, model, start)) as file:
            found = {key: file[key] for key in file.files}
        seconds.append(float(found.pop("seconds")))
        total = add(total, found)
    for i, metric in enumerate(metrics_of(Archive.open(starts[0].archive).grid.cell_km)):
        sums = of_prefix(total, f"{i}/")
        threshold = getattr(metric, "threshold_dbz", "")
        values = np.asarray(metric.value(sums), np.float64)
        mean = float(values[~np.isnan(values)].mean()) if (~np.isnan(values)).any() else float("nan")
        yield group, model, metric.name, threshold, f"{mean:.6g}"
        if isinstance(metric, Reliability):
            yield group, model, "largest_gap", threshold, f"{largest_gap(metric, sums):.6g}"
    rain_sums = of_prefix(total, "rain/")
    yield group, model, "rain_sum_largest_gap", SUM_MM, f"{largest_gap(_SUMS, rain_sums):.6g}"
    areas = np.asarray(_AREAS.value(of_prefix(total, "areas/")), np.float64)
    yield group, model, "area_spread_error", "", f"{float(areas[0]):.6g}"
    yield group, model, "starts", "", len(starts)
    yield group, model, "seconds", "", f"{np.mean(seconds):.3g}"


def of_prefix(sums: Sums, prefix: str) -> Sums:
    """The sums of one metric."""
    return {key.removeprefix(prefix): value for key, value in sums.items() if key.startswith(prefix)}


def largest_gap(metric: Reliability, sums: Sums) -> float:
    """The observed frequency less the probability where it is farthest off, of bins with 1 % of cases or more.

    Lead times are pooled.
    """
    pooled = {key: np.asarray(value).sum(axis=0, keepdims=True) for key, value in sums.items()}
    diagram = metric.diagram(pooled)
    pixels = diagram.pixels[:, 0]
    gaps = (diagram.observed - diagram.forecast)[:, 0][pixels >= LEAST_SHARE * pixels.sum()]
    return float(gaps[np.abs(gaps).argmax()])


if __name__ == "__main__":
    sys.exit(main())
