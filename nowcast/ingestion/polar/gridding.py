"""One volume to a grid: the lowest beam, a constant height, or the largest of the column.

Dimensions: H rows, W columns of the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.ingestion.polar.geometry import BeamIndex, Cells, Window, cells_of, place_of
from nowcast.ingestion.polar.settings import PolarSettings
from nowcast.ingestion.polar.volume import Site, Sweep
from nowcast.ingestion.readers.lazy import Frame

Heights = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Gridded:
    """dBZ of one radar (H, W), the height of the beams it is from, and how far each cell is from the radar.

    ``height_m`` is NaN where nothing is observed; of the column's maximum it is that of the lowest sweep.
    ``window`` is the part of a larger grid that these cells are.
    """

    dbz: Frame
    height_m: Heights
    distance_m: npt.NDArray[np.float64]
    window: Window | None = None


def gridded(site: Site, sweeps: Sequence[Sweep], grid: Grid, settings: PolarSettings) -> Gridded:
    """Put the sweeps of one radar, from the lowest to the highest, on a grid by the method of the settings."""
    cells = cells_of(grid, site)
    placed = [(sweep, place_of(sweep, cells, site.altitude_m)) for sweep in sweeps]
    method = {"lowest_beam": _lowest, "cappi": _cappi, "maximum": _maximum}[settings.method]
    dbz, height = method(placed, cells, settings)
    beyond = cells.distance_m > settings.radius_km * 1000.0
    dbz[beyond], height[beyond] = np.nan, np.nan
    return Gridded(dbz, height, cells.distance_m)


_Placed = Sequence[tuple[Sweep, BeamIndex]]


def _values(sweep: Sweep, place: BeamIndex, settings: PolarSettings) -> Frame:
    """Return dBZ of the gates over the cells, NaN where there is none."""
    dbz = sweep.read()
    if settings.interpolation == "linear":
        return _linear(dbz, place)
    found = dbz.reshape(-1)[place.index]
    found[~place.covered] = np.nan
    return found


def _linear(dbz: Frame, place: BeamIndex) -> Frame:
    """Interpolate in Z between two rays and two gates; what is not observed has no weight.

    A cell whose own gate is not observed stays so.
    """
    rays, gates = dbz.shape
    z = np.where(dbz <= NO_ECHO_DBZ, 0.0, 10.0 ** (dbz.astype(np.float64) / 10.0))
    ray0, gate0 = np.floor(place.ray).astype(np.int64), np.floor(place.gate).astype(np.int64)
    total, weight = np.zeros(place.ray.shape), np.zeros(place.ray.shape)
    for ray, of_ray in ((ray0, 1.0 - (place.ray - ray0)), (ray0 + 1, place.ray - ray0)):
        for gate, of_gate in ((gate0, 1.0 - (place.gate - gate0)), (gate0 + 1, place.gate - gate0)):
            here = z[place.order[ray % rays], np.clip(gate, 0, gates - 1)]
            share = np.where(np.isnan(here), 0.0, of_ray * of_gate)
            total += share * np.nan_to_num(here)
            weight += share
    own = dbz.reshape(-1)[place.index]
    known = place.covered & ~np.isnan(own) & (weight > 0.0)
    return _dbz(np.where(known, total / np.where(weight > 0.0, weight, 1.0), np.nan))


def _dbz(z: npt.NDArray[np.float64]) -> Frame:
    with np.errstate(divide="ignore"):
        return np.maximum(10.0 * np.log10(z), NO_ECHO_DBZ).astype(np.float32)


def _lowest(placed: _Placed, cells: Cells, settings: PolarSettings) -> tuple[Frame, Heights]:
    """Take at every cell the lowest sweep that observes it; higher ones are read only where one is missing."""
    dbz, height = _nothing(cells)
    within = cells.distance_m <= settings.radius_km * 1000.0
    for sweep, place in placed:
        open_cells = np.isnan(dbz) & place.covered & within
        if not open_cells.any():
            continue
        found = _values(sweep, place, settings)
        take = open_cells & ~np.isnan(found)
        dbz[take] = found[take]
        height[take] = place.height_m[take]
    return dbz, height


def _maximum(placed: _Placed, cells: Cells, settings: PolarSettings) -> tuple[Frame, Heights]:
    dbz, height = _nothing(cells)
    for sweep, place in placed:
        found = _values(sweep, place, settings)
        height = np.where(np.isnan(height) & ~np.isnan(found), place.height_m, height).astype(np.float32)
        dbz = np.fmax(dbz, found)
    return dbz, height


def _cappi(placed: _Placed, cells: Cells, settings: PolarSettings) -> tuple[Frame, Heights]:
    """Take the height between the nearest sweep below and the nearest above it, among those that observe.

    With ``nearest`` it is the nearer of the two, with ``linear`` both by their distance, in Z. Where there is
    but one, a pseudo-CAPPI takes that one and a strict one nothing.
    """
    wanted = np.float32(settings.height_km * 1000.0)
    (below, low), (above, high) = _nothing(cells), _nothing(cells)
    for sweep, place in placed:
        if not place.covered.any():
            continue
        found = _values(sweep, place, settings)
        height = np.where(np.isnan(found), np.nan, place.height_m).astype(np.float32)
        under = (height <= wanted) & ~(low >= height)
        over = (height > wanted) & ~(high <= height)
        below[under], low[under] = found[under], height[under]
        above[over], high[over] = found[over], height[over]
    between = ~np.isnan(low) & ~np.isnan(high)
    share = np.where(between, (wanted - low) / np.where(between, high - low, 1.0), np.isnan(low))
    if settings.interpolation == "linear":
        z_low, z_high = (
            np.where(v <= NO_ECHO_DBZ, 0.0, 10.0 ** (v.astype(np.float64) / 10.0)) for v in (below, above)
        )
        mixed = _dbz(np.where(between, (1.0 - share) * z_low + share * z_high, 1.0))
    else:
        mixed = np.where(share <= 0.5, below, above)
    single = np.where(np.isnan(low), above, below) if settings.pseudo else np.full_like(below, np.nan)
    dbz = np.where(between, mixed, single).astype(np.float32)
    nearer = np.where(
        between & (settings.interpolation == "linear"),
        wanted,
        np.where(between & (share > 0.5) | np.isnan(low), high, low),
    )
    return dbz, np.where(np.isnan(dbz), np.nan, nearer).astype(np.float32)


def _nothing(cells: Cells) -> tuple[Frame, Heights]:
    shape = cells.distance_m.shape
    return np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)


def composite(
    parts: Sequence[Gridded], shape: tuple[int, int], settings: PolarSettings
) -> tuple[Frame, Heights]:
    """Put several radars together: the largest value, that of the nearest radar, or of the lowest beam.

    A radar counts only where it observes. Equals are decided by the order of the radars.
    """
    dbz, height = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    score = np.full(shape, np.inf)
    for part in parts:
        rows, columns = part.window or ((0, shape[0]), (0, shape[1]))
        here = slice(*rows), slice(*columns)
        its = _score(part, settings)
        better = its < score[here]
        dbz[here][better], height[here][better] = part.dbz[better], part.height_m[better]
        score[here][better] = its[better]
    return dbz, height


def _score(part: Gridded, settings: PolarSettings) -> npt.NDArray[np.float64]:
    by: dict[str, npt.NDArray[Any]] = {
        "maximum": -part.dbz,
        "nearest": part.distance_m,
        "lowest": part.height_m,
    }
    return np.asarray(np.where(np.isnan(part.dbz), np.inf, by[settings.composite]), np.float64)
