"""Measures how fast frames are put on another grid, and whether sums over areas stay.

    python scripts/benchmark_regridding.py                       # a frame made up, 479 x 617 in degrees to 1 km
    python scripts/benchmark_regridding.py --archive italy.zarr  # its frames instead

One core, one thread. "frames/s" is putting decoded frames on the target; weights are computed once.
The sum is that of Z times the area in the projection of the target, which must cover the whole source.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj

from nowcast.archive.reader import Archive
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.regridding.frames import regridded
from nowcast.ingestion.regridding.settings import ResampleSettings, resample_settings
from nowcast.ingestion.regridding.target import wanted_grid
from nowcast.ingestion.regridding.weights import GridWeights

Frames = list[npt.NDArray[np.float32]]


def made_up() -> tuple[Grid, Frames]:
    """Return a grid of 479 x 617 cells of about 1 km and frames with rain, no echo and what is not observed."""
    grid = Grid(
        pyproj.CRS.from_epsg(4326).to_wkt(),
        47.1 - 0.00913130 * np.arange(479),
        5.9 + 0.01329436 * np.arange(617),
    )
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(8):
        dbz = rng.uniform(0, 55, grid.shape).astype(np.float32)
        dbz[rng.random(grid.shape) < 0.7] = NO_ECHO_DBZ
        dbz[:60, :80] = np.nan
        frames.append(dbz)
    return grid, frames


def of_archive(path: Path) -> tuple[Grid, Frames]:
    """Return the grid of an archive and its eight wettest frames."""
    archive = Archive.open(path)
    wettest = np.argsort(np.nan_to_num(archive.over_time("wet_share")))[-8:]
    return archive.grid, [archive.dbz(archive.times[i]) for i in wettest]


def frames_a_second(
    frames: Frames, way: GridWeights, settings: ResampleSettings, seconds: float = 2.0
) -> float:
    """Return the best of five rounds."""
    best = 0.0
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds / 5:
            regridded(frames[count % len(frames)], way, settings)
            count += 1
        best = max(best, count / (time.perf_counter() - began))
    return best


def sum_error(dbz: npt.NDArray[np.float32], source: Grid, target: Grid, way: GridWeights) -> float:
    """Return how far the sum of Z times area is off, relative to that of the source, all cells observed."""
    assert way.matrix is not None
    z = _factors(dbz)
    dense = np.where(z > 0.0, 10.0 * np.log10(np.maximum(z, 1e-30)), NO_ECHO_DBZ).astype(np.float32)
    whole = ResampleSettings("conservative", observed_share=1e-3)
    found = regridded(dense, way, whole)
    covered = np.asarray(way.matrix.sum(axis=1)).reshape(target.shape)
    its = _factors(found) * covered
    cell = target.spacing[0] * target.spacing[1]
    mine = float((z.reshape(-1) * areas(source, target)).sum())
    return abs(float(its.sum()) * cell / mine - 1.0)


def _factors(dbz: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    filled = np.nan_to_num(dbz.astype(np.float64), nan=NO_ECHO_DBZ)
    return np.where(filled > NO_ECHO_DBZ, 10.0 ** (filled / 10.0), 0.0)


def areas(source: Grid, target: Grid) -> Any:
    """Return the areas of source cells (H * W) in the projection of the target, by the shoelace formula."""
    (height, width), (dy, dx) = source.shape, source.spacing
    y, x = np.meshgrid(
        source.y[0] + dy / 2 - dy * np.arange(height + 1),
        source.x[0] - dx / 2 + dx * np.arange(width + 1),
        indexing="ij",
    )
    v, u = target.yx(*source.lonlat(y, x))
    corners = [
        (a[0], a[1])
        for a in (
            (u[:-1, :-1], v[:-1, :-1]),
            (u[1:, :-1], v[1:, :-1]),
            (u[1:, 1:], v[1:, 1:]),
            (u[:-1, 1:], v[:-1, 1:]),
        )
    ]
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    return np.sum([a[0] * b[1] - b[0] * a[1] for a, b in pairs], axis=0).reshape(-1) / 2.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--grid", default="EPSG:3035@1km")
    args = parser.parse_args()
    source, frames = made_up() if args.archive is None else of_archive(args.archive)
    target = wanted_grid(args.grid).over([source])
    print(f"{source.shape[0]} x {source.shape[1]} -> {target.shape[0]} x {target.shape[1]} ({args.grid})")
    for text in ("nearest", "mean", "mean,mean_in=dbz", "conservative"):
        settings = resample_settings(text)
        began = time.perf_counter()
        way = GridWeights(source, target, settings.method)
        once = time.perf_counter() - began
        line = f"{text:18} weights once {once:5.2f} s, {frames_a_second(frames, way, settings):6.1f} frames/s"
        if settings.method == "conservative":
            line += f", sums off by {max(sum_error(f, source, target, way) for f in frames):.1e}"
        print(line)


if __name__ == "__main__":
    main()
