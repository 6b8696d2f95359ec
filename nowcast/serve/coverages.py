"""Values of a forecast as CoverageJSON, CSV and netCDF.

In CoverageJSON each coverage has one label along every axis but time and place: the axis ``threshold`` of one
coverage is 20 dBZ, of the next 30. So every domain is one that clients know: PointSeries and Point at a place,
Grid where the grid is one of degrees, MultiPointSeries and MultiPoint of cell centres in any projection.

Source: OGC 21-069r2 (CoverageJSON 1.0), sections 6 and 9.
"""

from __future__ import annotations

import csv
import io
import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.field import ATTRS, NAME, grid_coords
from nowcast.core.grid import Grid
from nowcast.core.times import to_text
from nowcast.products.cf_netcdf import write_forecast
from nowcast.products.open_forecast import LEAD_TIME, OpenForecast, Values
from nowcast.products.variables import AXES
from nowcast.serve.edr_query import Choice
from nowcast.serve.layers import Layer, labels, unit_of_axis
from nowcast.serve.regions import Region

_DECIMALS = {"probability": 4}
_SYSTEM = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_REFERENCING = [
    {"coordinates": ["x", "y"], "system": {"type": "GeographicCRS", "id": _SYSTEM}},
    {"coordinates": ["t"], "system": {"type": "TemporalRS", "calendar": "Gregorian"}},
]


def read(forecast: OpenForecast, choice: Choice, region: Region) -> Values:
    """Values (axes of the layer ..., rows, columns); NaN outside the region and where nothing is known."""
    values = choice.layer.of(
        forecast.block(choice.layer.variable.name, choice.picks, region.rows, region.columns)
    )
    if not region.inside.all():
        values = np.where(region.inside, values, np.float32(np.nan))
    return values


def coverage_json(
    forecast: OpenForecast, chosen: Sequence[Choice], regions: Sequence[Region]
) -> dict[str, Any]:
    """A Coverage, or a CoverageCollection where there are several."""
    made: dict[Any, dict[str, Any]] = {}
    for place, region in enumerate(regions):
        for choice in chosen:
            values = read(forecast, choice, region)
            for at, frames in _split(choice, values):
                key = place, choice.layer.timed, tuple(at.items())
                if key not in made:
                    made[key] = {
                        "type": "Coverage",
                        "domain": _domain(forecast, choice, region, at),
                        "ranges": {},
                    }
                made[key]["ranges"][choice.layer.name] = _range(choice.layer, frames, region, forecast.grid)
    parameters = {choice.layer.name: parameter(choice.layer) for choice in chosen}
    if len(made) == 1:
        found = next(iter(made.values()))
        found["domain"]["referencing"] = _REFERENCING
        return {**found, "parameters": parameters}
    coverages = list(made.values())
    return {
        "type": "CoverageCollection",
        "parameters": parameters,
        "referencing": _REFERENCING,
        "coverages": coverages,
    }


def _split(choice: Choice, values: Values) -> Iterator[tuple[dict[str, int], Values]]:
    """The frames (times, rows, columns) of each label along the axes other than time, with its places."""
    axes = choice.layer.variable.axes
    others = [k for k, axis in enumerate(axes) if axis != LEAD_TIME]
    for places in itertools.product(*(range(len(choice.picks[k])) for k in others)):
        index: list[Any] = [slice(None)] * len(axes)
        for k, place in zip(others, places, strict=True):
            index[k] = place
        frames = values[tuple(index)]
        at = {axes[k]: choice.picks[k][place] for k, place in zip(others, places, strict=True)}
        yield at, frames.reshape(-1, *values.shape[-2:])


def _domain(forecast: OpenForecast, choice: Choice, region: Region, at: Mapping[str, int]) -> dict[str, Any]:
    lon, lat = region.degrees(forecast.grid)
    axes: dict[str, Any] = {}
    if region.size == 1:
        kind = "Point"
        axes = {"x": {"values": [float(lon[0, 0])]}, "y": {"values": [float(lat[0, 0])]}}
    elif forecast.grid.geographic:
        kind = "Grid"
        axes = {"x": {"values": lon[0].tolist()}, "y": {"values": lat[:, 0].tolist()}}
    else:
        kind = "MultiPoint"
        places = np.stack([lon[region.inside], lat[region.inside]], axis=-1).tolist()
        axes = {"composite": {"dataType": "tuple", "coordinates": ["x", "y"], "values": places}}
    if choice.layer.timed:
        picks = choice.picks[choice.layer.variable.axes.index(LEAD_TIME)]
        axes["t"] = {"values": [to_text(forecast.valid_times[i]) for i in picks]}
        kind += "Series" if kind != "Grid" else ""
    for axis, place in at.items():
        axes[axis] = {"values": [labels(forecast, axis)[place]]}
    return {"type": "Domain", "domainType": kind, "axes": axes}


def _range(layer: Layer, frames: Values, region: Region, grid: Grid) -> dict[str, Any]:
    if region.size == 1 or grid.geographic:
        values, names = frames, ["y", "x"]
    else:
        values, names = frames[:, region.inside], ["composite"]
    shape = values.shape if layer.timed else values.shape[1:]
    return {
        "type": "NdArray",
        "dataType": "float",
        "axisNames": ["t", *names] if layer.timed else names,
        "shape": list(shape),
        "values": numbers(layer, values),
    }


def numbers(layer: Layer, values: npt.NDArray[np.floating]) -> list[float | None]:
    """Values as JSON holds them: to the hundredth (probabilities 0.0001), None where nothing is known."""
    rounded = np.round(values.ravel().astype(np.float64), _DECIMALS.get(layer.quantity, 2)).astype(object)
    rounded[~np.isfinite(values).ravel()] = None
    found: list[float | None] = rounded.tolist()
    return found


def parameter(layer: Layer) -> dict[str, Any]:
    """A layer as CoverageJSON and EDR describe a parameter."""
    observed: dict[str, Any] = {"label": {"en": layer.title}}
    if layer.standard_name:
        observed["id"] = f"http://vocab.nerc.ac.uk/standard_name/{layer.standard_name}"
    return {
        "type": "Parameter",
        "description": {"en": layer.title},
        "unit": {"label": {"en": layer.unit}, "symbol": layer.unit},
        "observedProperty": observed,
    }


def csv_text(forecast: OpenForecast, chosen: Sequence[Choice], regions: Sequence[Region]) -> str:
    """One line for each value that is known, with its place, time and labels."""
    axes = [axis for axis in AXES if any(axis in choice.layer.axes for choice in chosen)]
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    write(["parameter", "unit", "time", "latitude", "longitude", *axes, "value"])
    for region, choice in itertools.product(regions, chosen):
        lon, lat = region.degrees(forecast.grid)
        layer = choice.layer
        times: Sequence[str] = [""]
        if layer.timed:
            picks = choice.picks[layer.variable.axes.index(LEAD_TIME)]
            times = [to_text(forecast.valid_times[i]) for i in picks]
        for at, frames in _split(choice, read(forecast, choice, region)):
            words = [f"{labels(forecast, axis)[at[axis]]:g}" if axis in at else "" for axis in axes]
            for time, frame in zip(times, frames, strict=True):
                for i, j in np.argwhere(np.isfinite(frame)):
                    place = [f"{lat[i, j]:g}", f"{lon[i, j]:g}"]
                    write([layer.name, layer.unit, time, *place, *words, *numbers(layer, frame[i, j])])
    return out.getvalue()


def netcdf(forecast: OpenForecast, chosen: Sequence[Choice], region: Region) -> bytes:
    """The window as a forecast file of the package, reflectivity always in it; NaN outside the region."""
    leads = next((_times(choice) for choice in chosen if choice.layer.timed), range(len(forecast.valid_times)))
    line = forecast.variables[NAME]
    field = Choice(Layer(NAME, "", "dBZ", "", line), (tuple(leads),))
    valid = forecast.valid_times[list(leads)]
    grid = forecast.grid.cut((region.rows.start, region.rows.stop), (region.columns.start, region.columns.stop))
    made = xr.Dataset(
        coords={
            "lead_time": ("lead_time", valid - forecast.reference_time),
            "forecast_reference_time": ((), forecast.reference_time),
            "valid_time": ("lead_time", valid),
            **grid_coords(grid),
        },
        attrs={
            k: v for k, v in forecast.attrs.items() if k not in ("Conventions", "title", "history", "created")
        },
    )
    for choice in (field, *chosen):
        variable = choice.layer.variable
        if choice.layer.relation is not None or variable.name in made:
            continue
        for axis, picks in zip(variable.axes, choice.picks, strict=True):
            if axis != LEAD_TIME and axis not in made.coords:
                made = made.assign_coords({axis: (axis, forecast.labels[axis][list(picks)])})
        attrs = dict(ATTRS) if variable.name == NAME else {}
        made[variable.name] = (variable.line.dims, read(forecast, choice, region), attrs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.nc"
        write_forecast(path, made)
        return path.read_bytes()


def _times(choice: Choice) -> tuple[int, ...]:
    return choice.picks[choice.layer.variable.axes.index(LEAD_TIME)]


def axis_title(axis: str) -> str:
    """An axis in words, with its unit."""
    title, unit = str(AXES[axis].attrs["long_name"]), unit_of_axis(axis)
    return title if unit == "1" else f"{title}, {unit}"
