"""Archive + forecaster + time -> forecast: the one way, for every command and for users."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from nowcast.archive.masked import QUALITY_MASKS, masked
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames
from nowcast.core.errors import NowcastError, SettingsError, TimeError, complain
from nowcast.core.field import MEMBERS, NAME, PROBABILITY
from nowcast.core.stages import Stages
from nowcast.core.times import minutes, to_text
from nowcast.forecasters.base import LeadTimes
from nowcast.forecasters.catalog import build_forecaster
from nowcast.forecasters.interpolated_frames import with_interpolated
from nowcast.forecasters.registry import packaged_names
from nowcast.models.device import Device
from nowcast.postprocessing.chain import Products, chain, check_relation
from nowcast.postprocessing.rain_rate import relation_for
from nowcast.workflows.calibrated import calibrated, read_calibrations
from nowcast.workflows.past import LATEST, MOST_MISSING, choose_past

if TYPE_CHECKING:
    from nowcast.forecasters.base import Forecaster
    from nowcast.postprocessing.base import PostProcessing

_MOST_LEADS = 1000


def forecast(
    archive: RadarFrames | Path | str,
    forecaster: Forecaster | Path | str,
    at: np.datetime64 | str = LATEST,
    lead_times: int | LeadTimes = 10,
    *,
    settings: Mapping[str, Any] | None = None,
    device: Device = "cpu",
    short_past: bool = False,
    most_missing: int = MOST_MISSING,
    mask: Sequence[str] = (),
    calibration: Path | str | None = None,
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
        device: that a network which is named forecasts on: ``cpu``, ``cuda`` (the first GPU) or ``auto`` (that,
            where there is one); the attribute ``computed_on`` names it. Baselines compute on the CPU.
        short_past: make do with fewer past frames (`Needs.fewest`) where some are missing.
        most_missing: so many frames of the past may be missing; they are interpolated along the motion, and
            the attribute ``interpolated_frames`` names them. 0 refuses a past with a gap.
        mask: quality marks (`nowcast.archive.quality`) that are left out of the past: ``speckle``, ``spike``,
            ``ray``, ``stuck``, ``jump``; the attribute ``quality_masks`` names them.
        calibration: file of `nowcast calibrate` that knows the forecaster, in place of what a network brings.
        post: post-processing steps after that, applied in this order, before members and products.
        members: how many equally likely members to draw from the probabilities.
        seed: of the members.
        products: names of `nowcast.postprocessing.catalog.PRODUCTS` or ``all``; or settings by name.
        z_r: name of the Z-R relation (`nowcast.core.rain`) of products in mm, where the archive names none; the
            forecast names it, too.
        progress: show, once it takes more than 5 s, what it is at: loading, forecasting, members, products.

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
    with Stages("forecast", 2, progress) as stage:
        stage(f"{forecaster} is read" if isinstance(forecaster, (str, Path)) else "archive is opened")
        archive = masked(Archive.open(archive) if isinstance(archive, (str, Path)) else archive, mask)
        asked = forecaster if isinstance(forecaster, (str, Path)) else None
        if isinstance(forecaster, (str, Path)):
            forecaster = build_forecaster(forecaster, settings, archive.step, device)
        if calibration is not None:
            forecaster, of_file = calibrated(forecaster, read_calibrations([calibration]))
            post = (*of_file, *post)
        steps = chain(post, members=members, seed=seed, products=products, z_r=z_r)
        check_relation(steps, archive.attrs)
        chosen = {} if asked is None else _choice(asked, forecaster)
        relation = {} if z_r is None else {"z_r_relation": str(relation_for(archive.attrs, z_r, "forecast"))}
        stage(f"{forecaster.name} forecasts", left=len(steps))
        made = forecast_with_past(
            archive,
            forecaster,
            at,
            lead_times,
            settings=settings,
            short_past=short_past,
            most_missing=most_missing,
            count=max((step.past for step in steps), default=0),
        )
        return postprocess(made._replace(forecast=made.forecast.assign_attrs(relation | chosen)), steps, stage)


def _choice(asked: Path | str, forecaster: Forecaster) -> dict[str, str]:
    """Say which network was taken for the archive's step, where it is not the one of the name."""
    step = forecaster.needs.step
    if step is None or str(asked) == forecaster.name or str(asked) not in packaged_names():
        return {}
    return {"network_choice": f"{forecaster.name}, which reads frames every {minutes(step):g} minutes"}


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
    most_missing: int = MOST_MISSING,
    count: int = 0,
) -> Made:
    """Forecast as `forecast` does before any post-processing, and keep the observed frames.

    Args:
        archive, forecaster, at, lead_times, settings, short_past, most_missing: as `forecast`.
        count: observed frames to read if more than the forecaster needs; it is handed its own alone.
    """
    archive = Archive.open(archive) if isinstance(archive, (str, Path)) else archive
    if isinstance(forecaster, (str, Path)):
        forecaster = build_forecaster(forecaster, settings, archive.step)
    frames, times, missing = choose_past(
        archive, forecaster, at, short_past=short_past, most_missing=most_missing, count=count
    )
    leads = np.asarray(lead_times)
    if leads.dtype.kind in "iu" and leads.ndim == 0:
        leads = leads_of(frames, int(leads))
    if leads.dtype.kind != "m":
        raise SettingsError(complain("lead times", lead_times, "how many, or times as timedelta64", "give 10"))
    leads = np.atleast_1d(leads)
    observed = frames.read(np.setdiff1d(times, missing))
    if len(missing):
        observed = with_interpolated(observed, times)
    own = observed.isel(time=slice(-forecaster.needs.past, None))
    found = _checked(forecaster.forecast(own, leads), forecaster.name, leads, observed)
    flagged = {"interpolated_frames": ", ".join(map(to_text, missing))} if len(missing) else {}
    relation = str(archive.attrs.get("z_r_relation", ""))
    if QUALITY_MASKS in archive.attrs:
        flagged[QUALITY_MASKS] = str(archive.attrs[QUALITY_MASKS])
    return Made(
        found.assign_attrs(
            {
                **forecaster.describe(),
                **found.attrs,
                **flagged,
                "archive": archive.path.name,
                "archive_fingerprint": archive.fingerprint,
                "observed_from": str(archive.attrs.get("source", "unknown")),
                "licence": str(archive.attrs.get("licence", "unknown")),
                **({"z_r_relation": relation} if relation else {}),
            }
        ),
        observed,
    )


def postprocess(
    made: Made, post: Sequence[PostProcessing], stage: Callable[[str], None] | None = None
) -> xr.Dataset:
    """Apply post-processing steps one after the other; ``stage`` is told the name of each before it begins."""
    found = made.forecast
    for step in post:
        if stage is not None:
            stage(step.name)
        found = step.apply(found, made.observed)
    return found


def leads_of(archive: RadarFrames, count: int) -> LeadTimes:
    """Lead times one step apart.

    Raises:
        SettingsError: fewer than one, or more than anyone can use.
    """
    if not 1 <= count <= _MOST_LEADS:
        raise SettingsError(
            complain("lead times (--leads)", count, f"1 to {_MOST_LEADS} frames", "for example 10")
        )
    return np.asarray(archive.step * np.arange(1, count + 1))


def _checked(found: xr.Dataset, name: str, lead_times: LeadTimes, observed: xr.DataArray) -> xr.Dataset:
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
