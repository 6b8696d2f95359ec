"""Whether sums along the motion are nearer to the truth: hourly sums of every second frame against all.

    python scripts/measure_rain_sums.py ARCHIVE [--period 2016-07-11T21:00/2016-07-12] [--every 12] [--z-r NAME]

Of an archive with a step of 5 minutes, observed frames of an hour are taken 10 minutes apart. First the rain
rate half-way between two of them, in place and along the motion of the three frames that end where the hour
begins, is compared with the frame that was observed then. Then they are summed as `nowcast forecast --products
rain_sum` sums forecast ones, in place by the trapezoidal rule and along the motion, with several sub-steps, and
compared with the sums of all frames, in place (which have half the rows of spots) and along the motion: root
mean square difference where either has 1 mm or more as a share of the mean there, the area with 5 mm or more
and the highest sum as ratios.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.core.rain import z_r
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.times import parse_period
from nowcast.postprocessing.accumulation import Accumulation
from nowcast.postprocessing.motion import motion_of
from nowcast.postprocessing.rain_rate import rate_mm_h

Array = npt.NDArray[np.float32]
STEP, HOUR, RAIN_DBZ, HIGHEST = np.timedelta64(5, "m"), 60.0, 10.0, 150.0
FEWEST_WET = 2000
SUBSTEPS = (1.0, 2.0, 2.5, 5.0)


def main() -> None:
    """Sum, compare, print means over the hours."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--period", default=None)
    parser.add_argument("--every", type=int, default=12, help="frames from one hour to the next")
    parser.add_argument("--z-r", default="marshall_palmer")
    args = parser.parse_args()
    archive = Archive.open(args.archive)
    times = archive.times
    if args.period:
        start, end = parse_period(args.period)
        times = times[(times >= start) & (times < end)]
    found: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    halves = []
    hours = 0
    for first in tqdm(range(0, len(times) - 16, args.every)):
        window = times[first : first + 17]
        if (np.diff(window) != STEP).any():
            continue
        frames = archive.frames(window).compute(scheduler="synchronous").values
        if (np.nan_to_num(frames[4:], nan=-99.0) >= 20).sum(axis=(1, 2)).min() < FEWEST_WET:
            continue
        hours += 1
        halves.append(middle(frames, archive.grid.cell_km, args.z_r))
        sums = all_sums(frames, archive.grid.cell_km, args.z_r)
        for truth in ("5 min in place", "5 min along 1"):
            for name, values in sums.items():
                found[truth, name].append(compared(values, sums[truth]))
    in_place, along = np.mean(halves, axis=0)
    print(f"{args.archive.name}: {hours} hours")
    print(
        "rain rate half-way between frames 10 minutes apart, rms / mean: "
        f"{in_place:.3f} in place, {along:.3f} along the motion"
    )
    for truth in ("5 min in place", "5 min along 1"):
        print(f"against {truth:18}{'rms / mean':>12}{'area 5 mm':>11}{'highest':>9}")
        for name in dict.fromkeys(name for _, name in found):
            rms, area, highest = np.nanmean(found[truth, name], axis=0)
            print(f"  {name:24}{rms:12.3f}{area:11.3f}{highest:9.3f}")


def all_sums(frames: Array, cell_km: tuple[float, float], relation: str) -> dict[str, Array]:
    """Sums (H, W) in mm of frames 4 to 16, by their name."""
    motion = motion_of(frames[[0, 2, 4]], RAIN_DBZ, cell_km, 10.0) / np.float32(10.0)
    known = np.asarray(~np.isnan(frames).any(axis=0))
    rates = rate_mm_h(np.where(known, frames[4:], np.float32(NO_ECHO_DBZ)), z_r(relation), HIGHEST)
    sums = {}
    for minutes, frame in ((5, 1), (10, 2)):
        chosen = rates[::frame]
        times = [minutes * float(k) for k in range(len(chosen))]
        for substep in (0.0, *SUBSTEPS):
            name = f"{minutes} min along {substep:g}" if substep else f"{minutes} min in place"
            made = Accumulation(times, (HOUR,), motion if substep else None, substep)
            sums[name] = made.sums(chosen[:, None].__getitem__, known)[0, 0]
    return sums


def middle(frames: Array, cell_km: tuple[float, float], relation: str) -> tuple[float, float]:
    """Errors of the rain rate half-way between two frames 10 minutes apart, in place and along the motion.

    As shares of the mean where the frame that was observed then has 1 mm/h or more.
    """
    motion = motion_of(frames[[0, 2, 4]], RAIN_DBZ, cell_km, 10.0) / np.float32(10.0)
    known = np.asarray(~np.isnan(frames).any(axis=0))
    rates = rate_mm_h(np.where(known, frames[4:], np.float32(NO_ECHO_DBZ)), z_r(relation), HIGHEST)
    found = []
    for way in (None, motion):
        squares, mean = [], []
        for first in range(0, len(rates) - 2, 2):
            made = Accumulation((0.0, 10.0), (10.0,), way, 10.0)  # one sub-step, in the middle
            guess = made.sums(rates[first : first + 3 : 2, None].__getitem__, known)[0, 0] * 6
            truth = rates[first + 1]
            rain = known & ((truth >= 1) | (guess >= 1))
            squares.append(((guess - truth)[rain] ** 2).mean())
            mean.append(truth[rain].mean())
        found.append(float(np.sqrt(np.mean(squares)) / np.mean(mean)))
    return found[0], found[1]


def compared(values: Array, truth: Array) -> tuple[float, float, float]:
    """Root mean square difference by mean where it rains, area with 5 mm, highest."""
    rain = (np.nan_to_num(values) >= 1) | (np.nan_to_num(truth) >= 1)
    if not rain.any():
        return (np.nan,) * 3
    rms = float(np.sqrt(((values[rain] - truth[rain]) ** 2).mean()) / truth[rain].mean())
    wet = float((truth >= 5).sum())
    return rms, float((values >= 5).sum()) / wet if wet else np.nan, float(np.nanmax(values) / np.nanmax(truth))


if __name__ == "__main__":
    main()
