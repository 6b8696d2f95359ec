"""Archive + forecaster + time -> forecast: the one way, for every command and for users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr
from tqdm import tqdm

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames, thinned
from nowcast.core.errors import NowcastError, SettingsError, TimeError, complain
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.times import Times, parse_time, to_text, unbroken_runs
from nowcast.forecasters.base import LeadTimes
from nowcast.forecasters.catalog import build_forecaster
from nowcast.postprocessing.chain import Products, chain

if TYPE_CHECKING:
    from nowcast.forecasters.base import Forecaster
    from nowcast.postprocessing.base import PostProcessing

_MOST_LEADS = 1000
_BAR_AFTER_S = 2.0
LATEST = "latest"


def forecast(
    archive: RadarFrames | Path | str,
    forecaster: Forecaster | Path | str,
    at: np.datetime64 | str = LATEST,
    lead_times: int | LeadTimes = 10,
    *,
    settings: Mapping[str, Any] | None = None,
    short_past: bool = False,
    post: Sequence[PostProcessing] = (),
    members: int | None = None,
    seed: int = 0,
    products: Products = (),
    z_r: str | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Forecast the frames that follow a frame of an archive.

    An archive of a shorter step than a network was trained for is thinned: every n-th frame up to the
    forecast reference time is read.

    Args:
        archive: an open archive, or its folder.
        forecaster: what `nowcast.load_model` returns, or its name or checkpoint.
        at: forecast reference time, UTC: the time of a frame the archive holds, or ``latest``.
        lead_times: how many, one step apart; or rising times above zero.
        settings: of the model where it is named; plain values, what is left out keeps its default.
        short_past: make do with fewer past frames (`Needs.fewest`) where some are missing.
        post: post-processing steps, applied in this order, before members and products.
        members: how many equally likely members to draw from the probabilities.
        seed: of the members.
        products: names of `nowcast.postprocessing.catalog.PRODUCTS` or ``all``; or settings by name.
        z_r: name of the Z-R relation (`nowcast.core.rain`) of products in mm, where the archive names none.
        progress: show how far members and products are.

    Returns:
        ``reflectivity`` (lead_time, y, x) in dBZ, NaN where nothing can be known; and
        ``exceedance_probability`` (threshold, lead_time, y, x) where the forecaster knows it; members and
        products as docs/reference/forecast-file.md lists them. The attributes say what made it, from which
        archive, and on what terms.

    Raises:
        TimeError: no frame at that time, a past with gaps, or a step that is no multiple of the archive's.
        NowcastError: as the forecaster; the message says which.

    Example:
        >>> import nowcast
        >>> coming = nowcast.forecast("italy.zarr", "motionrnn", lead_times=6)  # doctest: +SKIP
        >>> coming.exceedance_probability.sel(threshold=30.0).max(("y", "x"))  # doctest: +SKIP
    """
    steps = chain(post, members=members, seed=seed, products=products, z_r=z_r)
    made = forecast_with_past(
        archive, forecaster, at, lead_times, settings=settings, short_past=short_past,
        count=max((step.past for step in steps), default=0),
    )
    return postprocess(made, steps, progress)


class Made(NamedTuple):
    """A forecast and the observed frames that it and its post-processing start from."""

    forecast: xr.Dataset
    observed: xr.DataArray


def forecast_with_past(
    archive: RadarFrames | Path | str,
    forecaster: Forecaster | Path | str,
    at: np.datetime64 | str = LATEST,
    lead_times: int | LeadTimes = 10,
    *,
    settings: Mapping[str, Any] | None = None,
    short_past: bool = False,
    count: int = 0,
) -> Made:
    """Forecast as `forecast` does before any post-processing, and keep the observed frames.

    Args:
        archive, forecaster, at, lead_times, settings, short_past: as `forecast`.
        count: observed frames to read if more than the forecaster needs; it is handed its own alone.
    """
    archive = Archive.open(archive) if isinstance(archive, (str, Path)) else archive
    if isinstance(forecaster, (str, Path)):
        forecaster = build_forecaster(forecaster, settings)
    frames, times = observed_past(archive, forecaster, at, short_past=short_past, count=count)
    leads = np.asarray(lead_times)
    if leads.dtype.kind in "iu" and leads.ndim == 0:
        leads = leads_of(frames, int(leads))
    if leads.dtype.kind != "m":
        raise SettingsError(complain("lead times", lead_times, "how many, or times as timedelta64", "give 10"))
    leads = np.atleast_1d(leads)
    observed = frames.frames(times).compute(scheduler="synchronous")
    own = observed.isel(time=slice(-forecaster.needs.past, None))
    found = _checked(forecaster.forecast(own, leads), forecaster.name, leads, observed)
    relation = str(archive.attrs.get("z_r_relation", ""))
    return Made(found.assign_attrs({
        **forecaster.describe(),
        **found.attrs,
        "archive": archive.path.name,
        "archive_fingerprint": archive.fingerprint,
        "observed_from": str(archive.attrs.get("source", "unknown")),
        "licence": str(archive.attrs.get("licence", "unknown")),
        **({"z_r_relation": relation} if relation else {}),
    }), observed)


def postprocess(made: Made, post: Sequence[PostProcessing], progress: bool = False) -> xr.Dataset:
    """Apply post-processing steps one after the other, with a bar once they take a while."""
    found = made.forecast
    bar = tqdm(post, desc="members and products", unit="step", delay=_BAR_AFTER_S, disable=not progress)
    for step in bar:
        bar.set_postfix_str(step.name, refresh=False)
        found = step.apply(found, made.observed)
    return found


def observed_past(
    archive: RadarFrames, forecaster: Forecaster, at: np.datetime64 | str = LATEST, *,
    short_past: bool = False, count: int = 0,
) -> tuple[RadarFrames, Times]:
    """Choose the frames a forecast starts from: the archive at the forecaster's step, and their times.

    Args:
        archive, forecaster, at, short_past: as `forecast`.
        count: frames to read if more than the forecaster needs.

    Raises:
        TimeError: as `forecast`.
    """
    reference_time = find_reference_time(archive, at)
    frames = thinned(archive, forecaster.needs.step, reference_time)
    most = max(forecaster.needs.past, count)
    if short_past and forecaster.needs.fewest is not None:
        times = _unbroken_past(frames, reference_time, most)
        if len(times) < forecaster.needs.fewest:
            raise TimeError(
                complain(f"past of {to_text(reference_time)}", f"{len(times)} frame without a gap",
                         f"at least {forecaster.needs.fewest}", "ingest the frames before it")
            )
        return frames, times
    return frames, past_times(frames, reference_time, most)


def leads_of(archive: RadarFrames, count: int) -> LeadTimes:
    """Lead times one step apart.

    Raises:
        SettingsError: fewer than one, or more than anyone can use.
    """
    if not 1 <= count <= _MOST_LEADS:
        raise SettingsError(complain("lead times (--leads)", count, f"1 to {_MOST_LEADS} frames",
                                     "for example 10"))
    return np.asarray(archive.step * np.arange(1, count + 1))


def _checked(
    found: xr.Dataset, name: str, lead_times: LeadTimes, observed: xr.DataArray
) -> xr.Dataset:
    """Refuse a forecast of other lead times or another grid than asked for."""
    shape: tuple[int, ...] = (len(lead_times), *observed.shape[1:])
    dims: tuple[str, ...] = ("lead_time", "y", "x")
    wanted = {NAME: (dims, shape)}
    for variable, first in ((PROBABILITY, "threshold"), (MEMBERS, "member")):
        if variable in found:
            wanted[variable] = ((first, *dims), (found.sizes.get(first, 0), *shape))
    for variable, (dims, expected) in wanted.items():
        if found[variable].dims != dims or found[variable].shape != expected:
            raise NowcastError(
                f"{name}: got {variable} {dict(found[variable].sizes)}, expected {dims} of {expected}; "
                "this forecaster is at fault"
            )
    if not np.array_equal(found["lead_time"].values, lead_times):
        raise TimeError(f"{name}: got other lead times than asked for; this forecaster is at fault")
    return found


def find_reference_time(
    archive: RadarFrames, at: np.datetime64 | str = LATEST
) -> np.datetime64:
    """Find the forecast reference time that ``at`` names: the time of a frame the archive holds.

    Raises:
        TimeError: an empty archive, not a time, or a time without a frame; the nearest is named.
    """
    if not len(archive.times):
        raise TimeError(complain(str(archive.path), "no frames", "at least one", "ingest files first"))
    newest: np.datetime64 = archive.times[-1]
    if isinstance(at, str) and at == LATEST:
        return newest
    wanted = parse_time(at) if isinstance(at, str) else at.astype("datetime64[ns]")
    nearest = archive.times[int(np.abs(archive.times - wanted).argmin())]
    if nearest != wanted:
        raise TimeError(
            complain("forecast reference time (--at)", to_text(wanted),
                     f"the time of a frame in {archive.path}",
                     f"the nearest is {to_text(nearest)}")
        )
    return wanted


def _named(times: Times, most: int = 20) -> str:
    more = f" and {len(times) - most} more" if len(times) > most else ""
    return ", ".join(map(to_text, times[:most])) + more


def past_times(archive: RadarFrames, reference_time: np.datetime64, count: int) -> Times:
    """The ``count`` times that end with the forecast reference time.

    Raises:
        TimeError: one is missing; all missing ones and the newest time that would do are named.
    """
    if count > len(archive.times):
        raise TimeError(
            complain(f"past of {to_text(reference_time)}", f"an archive of {len(archive.times)} frames",
                     f"{count} frames without a gap", "ingest the missing files")
        )
    times: Times = reference_time - archive.step * np.arange(count - 1, -1, -1)
    missing = times[~np.isin(times, archive.times)]
    if not len(missing):
        return times
    runs = unbroken_runs(archive.times, archive.step)
    good = [time for first, last in runs for time in archive.times[first + count - 1 : last]]
    before = [time for time in good if time <= reference_time] or good[:1]
    remedy = f"--at {to_text(before[-1])} would do" if before else "ingest the missing files"
    raise TimeError(
        complain(f"past of {to_text(reference_time)}", f"no frame at {_named(missing)}",
                 f"{count} frames without a gap", remedy)
    )


def _unbroken_past(archive: RadarFrames, reference_time: np.datetime64, most: int) -> Times:
    """The times of up to ``most`` frames that lead to the forecast reference time without a gap."""
    times = archive.times[archive.times <= reference_time][-most:]
    first = unbroken_runs(times, archive.step)[-1][0]
    return np.asarray(times[first:])
