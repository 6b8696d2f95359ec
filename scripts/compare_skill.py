"""Forecasters side by side, calibrated alike, on days and radars none was trained on; goes on where it ended.

    python scripts/compare_skill.py --archives archives --out comparison \
        --models extrapolation,sprog,motionrnn,new=runs/new/v0/best.ckpt,steps@12 --groups italy,slovenia
    python scripts/compare_skill.py --archives archives --out comparison --models ... --tables

Groups of starts and days of calibration stand in scripts/skill_groups.yaml. Each forecaster is calibrated on
the days that belong to a group (kept in OUT/calibrations), all forecast from one start before the next (a
network that is also part of a mean once), and what is counted of a start is kept in OUT/GROUP/counted.
NAME=WHAT gives a name to a forecaster or checkpoint; WHAT@N takes N of the starts alone, for what is slow;
``steps`` is not calibrated: its members are its probabilities.

Two folders a group are written as by ``nowcast verify`` (scores.csv, confidence.csv; and reliability.csv):
OUT/GROUP with the forecasters that were counted on every start, and OUT/GROUP-common with all of them on the
starts that they have in common. Starts lie evenly over the group's wet initialisation times; after one, three
frames may be missing. With another --reference the folders are OUT/less-REFERENCE/GROUP.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from skill_counts import (
    MEMBERS_FOR_POWER,
    STARTS_FOR_POWER,
    Counted,
    metrics_of,
    read_counted,
    write_counted,
    write_tables,
)
from skill_forecasts import Days, Shared
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames, Thinned
from nowcast.core.errors import NowcastError, SettingsError, complain
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.times import Times, parse_period, parse_time, to_text
from nowcast.evaluation.windows import MOST_MISSING_FUTURE, is_held
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.catalog import build_forecaster
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.members import Members
from nowcast.scores.forecast_inputs import ForecastInputs
from nowcast.scores.spectral import RapsdRatio
from nowcast.workflows.calibrated import uncalibrated
from nowcast.workflows.drawn_members import DrawnMembers
from nowcast.workflows.forecast import forecast_with_past, postprocess
from nowcast.workflows.truth import read_truth

PAST = 6
"""Frames before a start, of which a forecaster may take fewer."""
OWN_PROBABILITIES = ("steps", "linda_p")


class Asked(NamedTuple):
    """A forecaster as it was asked for."""

    name: str
    what: str
    starts: int | None
    """Of how many starts; None for all."""

    @property
    def forecaster(self) -> Forecaster:
        """The forecaster without any calibration of its own."""
        return uncalibrated(build_forecaster(self.what, {"members": 24} if self.what == "steps" else None))


class Group(NamedTuple):
    """A group of starts, as skill_groups.yaml has it."""

    title: str
    country: str
    season: str
    archive: str
    period: str
    step: float
    lead_times: int
    starts: int
    min_wet_pixels: int
    calibration: str
    """Name of the days that forecasters are calibrated on."""
    at: tuple[str, ...] = ()
    """The starts themselves, where they are not to be chosen."""


def main() -> int:
    """Calibrate and count what is not there yet, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archives", type=Path, required=True, help="the folder of the archives")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", required=True, metavar="NAME=WHAT@N,...")
    parser.add_argument("--groups", metavar="A,B,...", help="of the file of groups (all)")
    parser.add_argument("--file", type=Path, default=Path(__file__).with_name("skill_groups.yaml"))
    parser.add_argument("--reference", default="sprog", help="from which differences are taken (sprog)")
    parser.add_argument("--tables", action="store_true", help="forecast nothing: tables of what is counted")
    args = parser.parse_args()
    try:
        file = yaml.safe_load(args.file.read_text(encoding="utf-8"))
        known = {name: Group(**one) for name, one in file["groups"].items()}
        models = [parse_model(text) for text in args.models.split(",")]
        for name in (args.groups or ",".join(known)).split(","):
            group = known[name]
            starts = starts_of(args, name, group)
            if not args.tables:
                count_all(args, file["calibrations"], name, group, models, starts)
            counted = {
                asked.name: {at: read_counted(path_of(args, name, asked, at)) for at in starts}
                for asked in models
            }
            cell_km = Archive.open(args.archives / group.archive).grid.cell_km
            leads = tuple(group.step * n for n in range(1, group.lead_times + 1))
            print(group.title)
            about = {"title": group.title, "country": group.country, "season": group.season}
            place = args.out if args.reference == "sprog" else args.out / f"less-{args.reference}"
            write_tables(place, name, counted, leads, cell_km, args.reference, about)
    except (NowcastError, OSError, KeyError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse_model(text: str) -> Asked:
    """Read NAME=WHAT@N, of which NAME and N may be left out."""
    rest, _, number = text.strip().partition("@")
    name, _, what = rest.rpartition("=")
    return Asked(name or what, what, int(number) if number else None)


def starts_of(args: argparse.Namespace, name: str, group: Group) -> list[np.datetime64]:
    """The starts of a group, found once and kept."""
    if group.at:
        return [parse_time(text) for text in group.at]
    kept = args.out / name / "starts.txt"
    if kept.is_file():
        return [parse_time(line) for line in kept.read_text(encoding="utf-8").split()]
    archive = Archive.open(args.archives / group.archive)
    begin, end = parse_period(group.period)
    held: Times = archive.times[(archive.times >= begin) & (archive.times < end)]
    step = np.timedelta64(round(group.step * 60e9), "ns")
    past, future = step * np.arange(-PAST + 1, 1), step * np.arange(1, group.lead_times + 1)
    whole = [
        at
        for at in held
        if is_held(at + past, held).all()
        and at + future[-1] <= held[-1]
        and (~is_held(at + future, held)).sum() <= MOST_MISSING_FUTURE
    ]
    every = max(1, len(whole) // (4 * group.starts))
    wet = [at for at in whole[::every] if wet_pixels(archive, at) >= group.min_wet_pixels]
    if not wet:
        raise SettingsError(complain(f"group {name}", "no wet start", "one at least", "choose other days"))
    chosen = sorted({int(i) for i in np.linspace(0, len(wet) - 1, group.starts).round()})
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("\n".join(to_text(wet[i]) for i in chosen) + "\n", encoding="utf-8")
    return [wet[i] for i in chosen]


def wet_pixels(archive: RadarFrames, at: np.datetime64) -> int:
    """Pixels of 20 dBZ or more."""
    return int((archive.frames(np.array([at])).compute(scheduler="synchronous").values >= 20.0).sum())


def path_of(args: argparse.Namespace, group: str, asked: Asked, at: np.datetime64) -> Path:
    """Where the counts of one start are kept."""
    moment = to_text(at).replace(":", "")
    return Path(args.out) / group / "counted" / asked.name.replace("/", "_") / f"{moment}.npz"


def count_all(
    args: argparse.Namespace,
    sets: dict[str, Any],
    name: str,
    group: Group,
    models: list[Asked],
    starts: list[np.datetime64],
) -> None:
    """Count forecasters on the starts that are not there yet, all of them on one start before the next."""
    order = [starts[i] for i in spread(len(starts))]
    powered = {asked: set(first_of(picked_of(asked, starts))) for asked in models}
    waiting = {asked: waiting_of(args, name, asked, starts) for asked in models}
    waiting = {asked: missing for asked, missing in waiting.items() if missing}
    shared = Shared()
    made = {asked: shared.of(asked.forecaster) for asked in waiting}
    fitted = [asked for asked in waiting if asked.what not in OWN_PROBABILITIES]
    days = Days(args.archives, group.calibration, sets[group.calibration], args.out / "calibrations")
    known = days.calibrations({asked.what: made[asked] for asked in fitted})
    archive = Archive.open(args.archives / group.archive)
    with tqdm(total=sum(map(len, waiting.values())), desc=name, unit="nowcast") as bar:
        for at in order:
            for asked in (asked for asked, missing in waiting.items() if at in missing):
                post = known[asked.what].steps if asked in fitted else ()
                found = count(archive, group, made[asked], post, at, at in powered[asked])
                write_counted(path_of(args, name, asked, at), found)
                bar.update()


def waiting_of(
    args: argparse.Namespace, group: str, asked: Asked, starts: list[np.datetime64]
) -> set[np.datetime64]:
    """The starts on which a forecaster is to be counted and was not."""
    picked = picked_of(asked, starts)
    return {at for at in picked if not path_of(args, group, asked, at).is_file()}


def picked_of(asked: Asked, starts: list[np.datetime64]) -> list[np.datetime64]:
    """The starts that a forecaster is asked for, evenly over all."""
    places = np.linspace(0, len(starts) - 1, min(asked.starts or len(starts), len(starts)))
    return [starts[int(i)] for i in places.round()]


def first_of(picked: list[np.datetime64]) -> list[np.datetime64]:
    """Those of which the power of members is taken: a few, spread over all."""
    return [picked[i] for i in spread(len(picked))[:STARTS_FOR_POWER]]


def spread(count: int) -> list[int]:
    """The order 0, half, quarter, ...: whatever part of it is done, it is spread over the whole."""
    bits = max(count - 1, 1).bit_length()
    return sorted(range(count), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))


def count(
    archive: RadarFrames,
    group: Group,
    forecaster: Forecaster,
    post: tuple[PostProcessing, ...],
    at: np.datetime64,
    with_power: bool,
) -> Counted:
    """Forecast from one start and count what came true."""
    frames = Thinned(archive, np.timedelta64(round(group.step * 60e9), "ns"), at)
    drawn = DrawnMembers(Members(MEMBERS_FOR_POWER))
    began = time.perf_counter()
    made = forecast_with_past(
        frames,
        forecaster,
        at,
        group.lead_times,
        count=max(PAST, drawn.past, *(step.past for step in (*post, drawn))),
    )
    forecast = postprocess(made, post)
    seconds = time.perf_counter() - began
    truth = read_truth(frames, at + frames.step * np.arange(1, group.lead_times + 1)).values
    known = {}
    if PROBABILITY in forecast:
        known = dict(zip(forecast["threshold"].values.tolist(), forecast[PROBABILITY].values, strict=True))
    inputs = ForecastInputs(np.asarray(forecast[NAME].values, np.float32), known)
    metrics = metrics_of(archive.grid.cell_km)
    sums = [metric.sums(inputs.of(metric), truth) for metric in metrics]
    members = drawn.apply(forecast, made.observed) if with_power else forecast
    power = {}
    if MEMBERS in members:
        spectrum = RapsdRatio(cell_km=archive.grid.cell_km)
        each = [spectrum.sums(one, truth) for one in members[MEMBERS].values[:MEMBERS_FOR_POWER]]
        power = {key: np.sum([one[key] for one in each], axis=0) for key in each[0]}
    return Counted(sums, power, seconds)


if __name__ == "__main__":
    sys.exit(main())
