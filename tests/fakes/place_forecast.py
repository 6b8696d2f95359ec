"""A forecast of a few cells whose rain is known in mm/h by hand: Z = 200 R^1.6, so that 1 mm/h is 23.01 dBZ."""

import json

import numpy as np

from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.forecasters.base import label_forecast
from tests.fakes.fields import projected_grid

START = np.datetime64("2025-03-22T23:30", "ns")
MINUTES = np.timedelta64(1, "m")
RATES = (0.0, 6.0, 12.0, 6.0, 0.0, 0.0, 60.0)
"""At cell (2, 3), 10 to 70 minutes ahead, the first of it after 20; 4 mm in the first hour."""
CELL = (2, 3)
RELATION = "marshall_palmer"
THRESHOLDS = (10.0, 20.0, 30.0)


def dbz_of(rates):
    """dBZ of mm/h; no rain is no echo."""
    rates = np.asarray(rates, np.float64)
    with np.errstate(divide="ignore"):
        dbz = 10 * np.log10(200) + 16 * np.log10(rates)
    return np.where(rates > 0, dbz, NO_ECHO_DBZ).astype(np.float32)


def rates_at(shape, cells, leads=7):
    """Rain (leads, H, W) that is 0 but at some cells: {(row, column): rates over lead time}."""
    found = np.zeros((leads, *shape))
    for place, rates in cells.items():
        found[(slice(None), *place)] = rates
    return found


def place_forecast(cells=None, grid=None, members=None, probabilities=None, step_minutes=10, attrs=None):
    """A forecast of 7 lead times: dry but at some cells; nothing is known in the last column.

    Args:
        cells: {(row, column): mm/h over lead time}; by default `RATES` at `CELL`.
        members: for each member, cells as above.
        probabilities: {(row, column): (K, S)} of the thresholds 10, 20, 30 dBZ, 0 elsewhere.
    """
    grid = grid or projected_grid(6, 8)
    leads = np.arange(1, 8) * step_minutes * MINUTES
    dbz = dbz_of(rates_at(grid.shape, {CELL: RATES} if cells is None else cells))
    dbz[..., -1] = np.nan
    ladder = None
    if probabilities is not None:
        ladder = np.zeros((len(THRESHOLDS), *dbz.shape), np.float32)
        for place, values in probabilities.items():
            ladder[(slice(None), slice(None), *place)] = values
        ladder[..., -1] = np.nan
    made = label_forecast(dbz, START, leads, grid, ladder, THRESHOLDS if ladder is not None else ())
    if members is not None:
        many = np.stack([dbz_of(rates_at(grid.shape, each)) for each in members])
        many[..., -1] = np.nan
        made = made.assign_coords(member=np.arange(len(many))).assign(
            reflectivity_members=(("member", "lead_time", "y", "x"), many)
        )
    return made.assign_attrs({"model": "fake", "settings": json.dumps({}), **(attrs or {})})


def middle_of(grid, row, column):
    """Latitude and longitude of a cell's centre."""
    lon, lat = grid.lonlat(grid.y[[row]], grid.x[[column]])
    return float(lat[0]), float(lon[0])


def box(west, south, east, north):
    """A GeoJSON ring."""
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(name, *rings, kind="Polygon"):
    """A GeoJSON Feature of rings, or of polygons of rings."""
    properties = {} if name is None else {"name": name}
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": list(rings)}}


def collection(*features):
    return {"type": "FeatureCollection", "features": list(features)}
