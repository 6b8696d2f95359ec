"""Measure polar volumes to a frame beside xradar and wradlib: time, and whether both give the same gates.

    python scripts/benchmark_polar.py VOLUME.h5 [--rounds N] [--cell-km KM] [--radius-km KM]

The work is the same on both sides: read the lowest sweep of an ODIM_H5 volume and put it on a grid by its
nearest gates. "first" makes everything anew; "next" is another volume of the same radar, when what depends on
the geometry alone is kept (wradlib keeps the interpolator, nowcast its indices). Jobs are timed in turns.
Needs ``pip install wradlib xradar``.
"""

from __future__ import annotations

import argparse
import functools
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from interleaved import interleaved, times_faster

from nowcast.core.grid import Grid
from nowcast.ingestion.polar import formats, geometry
from nowcast.ingestion.polar.gridding import gridded
from nowcast.ingestion.polar.scans import grid_around
from nowcast.ingestion.polar.settings import PolarSettings


def main() -> int:
    """Run the measurements and print one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cell-km", type=float, default=1.0)
    parser.add_argument("--radius-km", type=float, default=150.0)
    args = parser.parse_args()
    settings = PolarSettings(cell_km=args.cell_km, radius_km=args.radius_km)
    volume = formats.read_volume(args.volume, settings)
    grid = grid_around([volume.site], settings)
    print(f"{args.volume.name}: {len(volume.sweeps)} sweeps, to {grid.shape[0]} x {grid.shape[1]} cells")
    warnings.simplefilter("ignore")
    theirs = _Wradlib(args.volume, grid, settings)
    jobs: dict[str, Callable[[], object]] = {
        "nowcast, first": functools.partial(_first, args.volume, grid, settings),
        "nowcast, next": functools.partial(_next, args.volume, grid, settings),
        "xradar + wradlib, first": theirs.first,
        "xradar + wradlib, next": theirs.next,
    }
    for name in ("lowest_beam", "cappi", "maximum"):
        method = PolarSettings(method=name, cell_km=args.cell_km, radius_km=args.radius_km)
        jobs[f"nowcast, {name} of all sweeps, next"] = functools.partial(_next, args.volume, grid, method)
    taken = interleaved(jobs, args.rounds)
    for name, seconds in taken.items():
        print(f"{name:42s} {np.median(seconds) * 1000:8.1f} ms")
    for when in ("first", "next"):
        ratio = times_faster(taken, f"xradar + wradlib, {when}", f"nowcast, {when}")
        print(f"{when}: nowcast takes 1 / {ratio:.1f} of the time")
    mine, its = _next(args.volume, grid, settings), theirs.next()
    both = ~np.isnan(mine) & ~np.isnan(its)
    same = np.isclose(mine[both], np.maximum(its[both], -32.0), atol=1e-3).mean()
    print(f"cells with a value in both: {both.mean():.2%}, of these with the same gate {same:.2%}")
    return 0


def _first(path: Path, grid: Grid, settings: PolarSettings) -> Any:
    geometry._KEPT.clear()
    geometry._placed.cache_clear()
    return _next(path, grid, settings)


def _next(path: Path, grid: Grid, settings: PolarSettings) -> Any:
    formats._read.cache_clear()
    volume = formats.read_volume(path, settings)
    return gridded(volume.site, volume.sweeps, grid, settings).dbz


class _Wradlib:
    """The lowest sweep read by xradar, placed and interpolated by wradlib."""

    def __init__(self, path: Path, grid: Grid, settings: PolarSettings) -> None:
        self.path, self.settings = path, settings
        y, x = np.meshgrid(grid.y, grid.x, indexing="ij")
        self.cells, self.shape = np.column_stack([x.ravel(), y.ravel()]), y.shape
        self.crs = grid.crs
        self.interpolator: Any = None

    def _sweep(self) -> Any:
        import xradar

        tree = xradar.io.open_odim_datatree(self.path)
        nodes = [tree[name] for name in tree.children if name.startswith("sweep_")]
        return min(nodes, key=lambda node: float(node["sweep_fixed_angle"]))

    def first(self) -> Any:
        """Everything anew."""
        import wradlib

        sweep = self._sweep()
        site = tuple(
            float(sweep.ds[n] if n in sweep.ds else sweep.parent[n])
            for n in ("longitude", "latitude", "altitude")
        )
        azimuth, ranges = sweep["azimuth"].values, sweep["range"].values
        elevation = float(sweep["sweep_fixed_angle"])
        places = wradlib.georef.spherical_to_proj(
            ranges[None, :], azimuth[:, None], np.full((len(azimuth), len(ranges)), elevation), site
        )
        to_grid = pyproj.Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)
        x, y = to_grid.transform(places[..., 0], places[..., 1])
        self.interpolator = wradlib.ipol.Nearest(np.column_stack([x.ravel(), y.ravel()]), self.cells)
        return self._on_grid(sweep)

    def next(self) -> Any:
        """Another volume: the interpolator is there."""
        return self._on_grid(self._sweep())

    def _on_grid(self, sweep: Any) -> Any:
        values = sweep["DBZH"].transpose("azimuth", "range").values.ravel()
        found = self.interpolator(values, maxdist=2000.0).reshape(self.shape)
        found[np.hypot(*self.cells.T).reshape(self.shape) > self.settings.radius_km * 1000.0] = np.nan
        return found


if __name__ == "__main__":
    sys.exit(main())
