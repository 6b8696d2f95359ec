"""A forecast as a page to look at: the one way, for the command line, the service and users."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nowcast.archive.thinned import RadarFrames
from nowcast.core.errors import GridError, SettingsError, complain
from nowcast.core.field import NAME
from nowcast.core.files import whole_file
from nowcast.core.grid import Grid
from nowcast.core.times import minutes, to_text
from nowcast.products.cf_netcdf import read_forecast
from nowcast.report.viewer.content import ShownForecast
from nowcast.report.viewer.page import render_forecast_page
from nowcast.workflows.at import relation_of
from nowcast.workflows.past import OBSERVED_FRAMES, reference_time_of

TRAINED = "trained_lead_minutes"
"""Attribute of a forecast: longest lead time in minutes that its network was trained for."""
_ABOUT = (
    ("model", "model"),
    ("network", "network"),
    ("archive", "archive"),
    ("observations", "observed_from"),
    ("licence of the observations", "licence"),
    ("Z-R relation", "z_r_relation"),
    ("members", "members"),
    ("motion", "motion"),
    ("trained on", "trained_on"),
    ("checkpoint", "checkpoint_sha256"),
    ("calibration", "calibration"),
    ("made with", "version_nowcast"),
    ("commit", "commit"),
)


def show(
    forecast: xr.Dataset | Path | str,
    out: Path | str,
    *,
    archive: RadarFrames | None = None,
    z_r: str | None = None,
    title: str | None = None,
) -> Path:
    """Write the page of a forecast, one HTML file that fetches nothing, whole or not at all.

    Args:
        forecast: what `nowcast.forecast` returns, a file or store that ``nowcast forecast`` wrote, or a store
            of ``nowcast hindcast``, of which the newest forecast is shown.
        out: the file to make.
        archive: where observed frames are read from: those before the forecast, and those of its valid
            times that are there already.
        z_r: name of a Z-R relation for mm/h where the forecast's attribute ``z_r_relation`` names none.
        title: of the page.

    Raises:
        FileError: a forecast that cannot be read, a page that cannot be written.
        GridError: an archive on another grid.
        SettingsError: an unknown Z-R relation, or another than the forecast's.

    Example:
        >>> import nowcast
        >>> coming = nowcast.forecast("italy.zarr", "motionrnn", lead_times=6)  # doctest: +SKIP
        >>> nowcast.show(coming, "nowcast.html")  # doctest: +SKIP
    """
    page = render_forecast_page(shown_forecast(forecast, archive=archive, z_r=z_r, title=title))
    out = Path(out)
    with whole_file(out) as part:
        part.write_text(page, encoding="utf-8")
    return out


def page_beside(forecast: Path) -> Path:
    """Return where the page of a forecast file stands by default.

    Raises:
        SettingsError: the forecast is that file.
    """
    page = forecast.with_suffix(".html")
    if page == forecast:
        raise SettingsError(complain("page", str(page), "another file than the forecast", "name it with --out"))
    return page


def shown_forecast(
    forecast: xr.Dataset | Path | str,
    *,
    archive: RadarFrames | None = None,
    z_r: str | None = None,
    title: str | None = None,
) -> ShownForecast:
    """Gather what the page of a forecast shows; arguments as of `show`."""
    frames, variable = _held(forecast)
    start = reference_time_of(frames)
    observed = None if archive is None else observed_around(archive, frames[NAME])
    model = str(frames.attrs.get("model", "unknown"))
    return ShownForecast(
        frames=frames[NAME],
        variable=variable,
        metadata=_metadata(frames.attrs),
        title=title or f"Radar nowcast of {to_text(start)[:16].replace('T', ' ')} UTC",
        model=model,
        observed=observed,
        relation=relation_of(frames, observed, z_r),
        trained_minutes=trained_minutes(frames),
        notes=_notes(frames.attrs),
    )


def observed_around(archive: RadarFrames, frames: xr.DataArray) -> xr.DataArray | None:
    """Read the frames of an archive before a forecast, and those of its valid times that are there.

    Raises:
        GridError: the archive lies on another grid.
    """
    valid, start = frames["valid_time"].values, reference_time_of(frames)
    first = start - (OBSERVED_FRAMES - 1) * archive.step
    times = archive.times
    times = times[((times >= first) & (times <= start)) | np.isin(times, valid)]
    if not len(times):
        return None
    observed = archive.read(times)
    different = Grid.of(observed).difference(Grid.of(frames))
    if different:
        raise GridError(
            complain(
                "archive",
                f"another grid than the forecast's: {different}",
                "the same",
                "give the one it started from",
            )
        )
    return observed


def _held(forecast: xr.Dataset | Path | str) -> tuple[xr.Dataset, Callable[[str], xr.DataArray | None]]:
    """Return a forecast with its one field at least, and what reads any other variable of it."""
    if isinstance(forecast, xr.Dataset):
        held = forecast
        return held, held.get
    path = Path(forecast)
    if path.is_dir():
        from nowcast.products.forecast_zarr import read_newest  # with it come zarr and dask: half a second

        held = read_newest(path)
        return held, held.get
    return read_forecast(path, ()), lambda name: read_forecast(path, (name,)).get(name)


def trained_minutes(forecast: xr.Dataset) -> float | None:
    """Longest lead time that a forecast's network was trained for; None where it does not say."""
    stated = forecast.attrs.get(TRAINED)
    if stated is None:
        return _of_experiment(forecast)
    try:
        return float(stated)
    except (TypeError, ValueError):
        return None


def _of_experiment(forecast: xr.Dataset) -> float | None:
    """The same of a forecast that an older package made, from the experiment of its network."""
    try:
        window = json.loads(str(forecast.attrs["experiment"]))["data"]["window"]
        step = minutes(forecast["lead_time"].values[0])
        return float(window["future"]) * step
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _metadata(attrs: Mapping[Any, Any]) -> dict[str, str]:
    return {name: str(attrs[key])[:500] for name, key in _ABOUT if str(attrs.get(key, "unknown")) != "unknown"}


def _notes(attrs: Mapping[Any, Any]) -> tuple[str, ...]:
    found = []
    if attrs.get("interpolated_frames"):
        found.append(
            f"Past frames that were missing, interpolated along the motion: {attrs['interpolated_frames']}"
        )
    if attrs.get("quality_masks"):
        found.append(f"Without what bears the quality marks: {attrs['quality_masks']}")
    if attrs.get("fallback"):
        found.append(f"Made by the fallback: {attrs['fallback']}")
    return tuple(found)
