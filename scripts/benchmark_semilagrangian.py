"""Time of the semi-Lagrangian advection of ten lead times, side by side with an independent one of SciPy's.

    python scripts/benchmark_semilagrangian.py [--rounds 7] [--sizes 479x617 1000x1000]

SciPy's reads each of the three layers of a frame and both of the motion by `scipy.ndimage.map_coordinates`.
Prints medians of CPU seconds, their ratio, and how far the two forecasts are apart where both know a value.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.advection import advect
from nowcast.forecasters.extrapolation import Extrapolation
from scripts.benchmark_forecasts import LEADS, rain

Array = npt.NDArray[np.float32]
FLOOR_DBZ = 5.0


def main() -> None:
    """Time both in turn, after one round that is not counted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", nargs="+", default=["479x617", "1000x1000"], metavar="ROWSxCOLUMNS")
    args = parser.parse_args()
    steps = [float(lead) for lead in range(1, LEADS + 1)]
    for size in args.sizes:
        field = rain(*map(int, size.split("x")))
        motion = Extrapolation().velocity(field)
        seconds: dict[str, list[float]] = {"scipy": [], "package": []}
        for number in range(args.rounds + 1):
            found = {}
            for name, run in (("scipy", by_scipy), ("package", advect)):
                began = time.process_time()
                found[name] = run(field.values[-1], motion, steps, FLOOR_DBZ)
                if number:
                    seconds[name].append(time.process_time() - began)
        scipy, package = (statistics.median(seconds[name]) for name in seconds)
        known = ~np.isnan(found["scipy"]) & ~np.isnan(found["package"])
        apart = np.abs(found["scipy"] - found["package"])[known]
        print(f"{size}: scipy {scipy:.3f} s, package {package:.3f} s, ratio {scipy / package:.2f}; apart at most "
              f"{apart.max():.1e} dB, known to one alone {np.mean(np.logical_xor(*map(np.isnan, found.values()))):.1e}")


def by_scipy(dbz: Array, motion: Array, steps: Sequence[float], floor_dbz: float) -> Array:
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


if __name__ == "__main__":
    main()
