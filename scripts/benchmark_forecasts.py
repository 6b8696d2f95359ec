"""Time of one nowcast by each forecaster, interleaved in one run, and on request their skill.

    OMP_NUM_THREADS=2 python scripts/benchmark_forecasts.py [--rounds 5] [--size 479 617] [--hidden 32 32 32 32]
    python scripts/benchmark_forecasts.py --skill ARCHIVE --period 2025-03-21/2025-03-22

    python scripts/benchmark_forecasts.py --advection [--rounds 5] [--size 479 617]

The first form makes rain of its own (moving, power-law texture) and prints wall and CPU seconds of a
nowcast of ten frames, medians over the rounds, each as ratio to extrapolation. The second scores every
motion method on an archive as `docs/explanation/differences.md` reports it: forecast reference times every six
frames where 5 + 10 frames have no gap and the newest holds 500 pixels of 20 dBZ, hits, misses and false
alarms summed over all of them, then the mean of CSI over the lead times. The third times the semi-Lagrangian
advection of ten lead times alone, side by side with one by SciPy's interpolation, and says how far they are
apart where both know a value.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import torch
import xarray as xr
from scipy import ndimage
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.core.errors import MissingExtraError
from nowcast.core.field import make_field
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ, Scaling
from nowcast.core.times import parse_period
from nowcast.forecasters.advection import advect
from nowcast.forecasters.base import Forecaster
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.extrapolation import Extrapolation
from nowcast.forecasters.motion import MOTIONS
from nowcast.forecasters.neural import Neural, NeuralSettings
from nowcast.models.catalog import build_model
from nowcast.models.checkpoint import CheckpointMeta, LoadedNetwork
from nowcast.scores.categorical import Contingency, csi

STEP = np.timedelta64(10, "m")
PAST, LEADS = 5, 10
THRESHOLDS_DBZ = (20.0, 30.0, 35.0, 40.0)
FLOOR_DBZ = 5.0
Array = npt.NDArray[np.float32]


def main() -> None:
    """Time, or score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, nargs=2, default=(479, 617), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--hidden", type=int, nargs="+", default=[32, 32, 32, 32])
    parser.add_argument("--motions", nargs="+", default=["lucas_kanade"], choices=list(MOTIONS))
    parser.add_argument("--networks", nargs="*", default=["convlstm", "motionrnn_predrnn"])
    parser.add_argument("--bfloat16", action="store_true", help="also run the networks in bfloat16")
    parser.add_argument("--skill", type=Path, metavar="ARCHIVE", help="score motion methods on an archive")
    parser.add_argument("--period", default="2025-03-21/2025-03-22")
    parser.add_argument("--advection", action="store_true", help="time the advection beside SciPy's")
    args = parser.parse_args()
    if args.advection:
        measure_advection(rain(*args.size), args.rounds)
        return
    models: dict[str, Forecaster] = {"persistence": build_forecaster("persistence")}
    for motion in args.motions:
        models[f"extrapolation {motion}"] = build_forecaster("extrapolation", {"method": motion})
    if args.skill is not None:
        score(Archive.open(args.skill), args.period, models)
        return
    for name in args.networks:
        for precision in ("float32", "bfloat16") if args.bfloat16 else ("float32",):
            models[f"{name} {precision}"] = network(name, args.hidden, precision)
    measure(models, rain(*args.size), args.rounds)


def network(name: str, hidden: list[int], precision: str) -> Neural:
    """A network with fresh weights: its time does not depend on what it learned."""
    settings = {"hidden": hidden}
    torch.manual_seed(0)
    seconds = float(STEP / np.timedelta64(1, "s"))
    meta = CheckpointMeta(name, settings, 1, None, PAST, LEADS, seconds, Scaling())
    model = build_model(name, settings).eval()
    chosen = NeuralSettings(precision="float32" if precision == "float32" else "bfloat16")
    return Neural(LoadedNetwork(model, meta, "none"), name, chosen)


def rain(rows: int, columns: int) -> xr.DataArray:
    """Make frames of about a tenth rain that move by (1, 3) cells a frame under a coverage mask."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(rows + 50, columns + 50)).astype(np.float32)
    texture = sum(ndimage.gaussian_filter(noise, s) * s**1.6 for s in (1.5, 4, 10, 25))
    wet = (texture - np.quantile(texture, 0.88)) / texture.std()
    echo = np.where(wet > 0, 10 + 22 * wet, NO_ECHO_DBZ).clip(NO_ECHO_DBZ, 60)
    frames = np.stack([echo[9 - t : 9 - t + rows, 27 - 3 * t : 27 - 3 * t + columns] for t in range(PAST)])
    i, j = np.mgrid[:rows, :columns]
    frames[:, np.hypot(i / rows - 0.5, j / columns - 0.5) > 0.6] = np.nan
    crs = pyproj.CRS.from_proj4("+proj=laea +lat_0=45 +lon_0=10 +ellps=WGS84 +units=m").to_wkt()
    grid = Grid(crs, 1000.0 * (rows / 2 - np.arange(rows)), 1000.0 * (np.arange(columns) - columns / 2))
    start = np.datetime64("2025-03-22T10:00", "ns")
    return make_field(frames.astype(np.float32), start + STEP * np.arange(PAST), grid)


def measure(models: Mapping[str, Forecaster], observed: xr.DataArray, rounds: int) -> None:
    """Time each model once a round, in turn, after one run that is not counted."""
    leads = STEP * np.arange(1, LEADS + 1)
    wall: dict[str, list[float]] = {name: [] for name in models}
    cpu: dict[str, list[float]] = {name: [] for name in models}
    for number in tqdm(range(rounds + 1), desc="rounds"):
        for name, model in models.items():
            began, used = time.perf_counter(), time.process_time()
            model.forecast(observed, leads)
            if number:
                wall[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - used)
    rows, columns = observed.shape[1:]
    print(f"{LEADS} frames of {rows} x {columns} from {PAST}, {torch.get_num_threads()} threads")
    print(f"{'':32}{'wall s':>8}{'cpu s':>8}{'cpu ratio':>11}")
    base = statistics.median(next(v for k, v in cpu.items() if k.startswith("extrapolation")))
    for name in models:
        seconds = statistics.median(cpu[name])
        print(f"{name:32}{statistics.median(wall[name]):8.2f}{seconds:8.2f}{seconds / base:11.2f}")


def measure_advection(observed: xr.DataArray, rounds: int) -> None:
    """Time the package's advection and SciPy's in turn, after one round that is not counted."""
    motion, steps = Extrapolation().velocity(observed), [float(lead) for lead in range(1, LEADS + 1)]
    seconds: dict[str, list[float]] = {"scipy": [], "package": []}
    found = {}
    for number in range(rounds + 1):
        for name, run in (("scipy", advect_by_scipy), ("package", advect)):
            began = time.process_time()
            found[name] = run(observed.values[-1], motion, steps, FLOOR_DBZ)
            if number:
                seconds[name].append(time.process_time() - began)
    scipy, package = (statistics.median(seconds[name]) for name in seconds)
    apart, known_to_one = (found["scipy"] - found["package"]), np.logical_xor(*map(np.isnan, found.values()))
    print(
        f"{LEADS} frames of {observed.shape[1]} x {observed.shape[2]}, CPU seconds: scipy {scipy:.3f}, "
        f"package {package:.3f}, ratio {scipy / package:.2f}; apart at most "
        f"{np.nanmax(np.abs(apart)):.1e} dB, known to one alone {known_to_one.mean():.1e}"
    )


def advect_by_scipy(dbz: Array, motion: Array, steps: Sequence[float], floor_dbz: float) -> Array:
    """Advect as `nowcast.forecasters.advection.advect`, by SciPy's interpolation in single precision."""
    observed = ~np.isnan(dbz)
    echo = observed & (dbz > floor_dbz)
    layers = np.stack([np.where(echo, dbz, floor_dbz) * observed, echo, observed]).astype(np.float32)
    places = np.mgrid[: dbz.shape[0], : dbz.shape[1]].astype(np.float32)
    frames = np.empty((len(steps), *dbz.shape), np.float32)
    for s, duration in enumerate(np.diff(steps, prepend=0.0).astype(np.float32)):
        middle = places - np.float32(0.5) * duration * _at(motion, places, "nearest")
        places = places - duration * _at(motion, middle, "nearest")
        value, echoes, known = _at(layers, places, "grid-constant")
        mean = value / np.where(known >= 0.5, known, np.float32(1.0))
        frames[s] = np.where(echoes >= 0.5 * known, mean, np.float32(NO_ECHO_DBZ))
        frames[s][known < 0.5] = np.nan
    return frames


def _at(maps: Array, places: Array, mode: str) -> Array:
    return np.stack([ndimage.map_coordinates(m, places, order=1, mode=mode) for m in maps])


def windows_of(archive: Archive, period: str) -> Iterator[npt.NDArray[np.datetime64]]:
    """The times of each window of past and future, gap-free and wet enough."""
    start, end = parse_period(period)
    times = archive.times[(archive.times >= start) & (archive.times < end)]
    for first in range(0, len(times) - PAST - LEADS + 1, 6):
        window = times[first : first + PAST + LEADS]
        if (np.diff(window) == archive.step).all():
            newest = archive.dbz(window[PAST - 1])
            if (np.nan_to_num(newest, nan=-99.0) >= 20).sum() >= 500:
                yield window


def score(archive: Archive, period: str, models: Mapping[str, Forecaster]) -> None:
    """Print the mean of CSI over lead times for each model and threshold."""
    windows = list(windows_of(archive, period))
    leads = archive.step * np.arange(1, LEADS + 1)
    print(f"{len(windows)} nowcasts of {archive.path.name}, {period}")
    print(f"{'':32}" + "".join(f"CSI{t:g}".rjust(8) for t in THRESHOLDS_DBZ))
    for name, model in models.items():
        counts = np.zeros((len(THRESHOLDS_DBZ), 3, LEADS))
        try:
            for window in tqdm(windows, desc=name, leave=False):
                field = archive.frames(window).compute(scheduler="synchronous")
                forecast = model.forecast(field[:PAST], leads).values
                for i, threshold in enumerate(THRESHOLDS_DBZ):
                    sums = Contingency(threshold).sums(forecast, field.values[PAST:])
                    counts[i] += [np.asarray(sums[k]) for k in ("hits", "misses", "false_alarms")]
        except MissingExtraError as error:
            print(f"{name:32}  {error}")
            continue
        means = csi(*counts.swapaxes(0, 1)).mean(axis=1)
        print(f"{name:32}" + "".join(f"{value:8.4f}" for value in means), flush=True)


if __name__ == "__main__":
    main()
