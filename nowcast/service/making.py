"""A forecast with all that the service asks for, made in whatever process the model runs in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from nowcast.archive.masked import masked
from nowcast.archive.reader import Archive
from nowcast.core.errors import NowcastError, TimeError
from nowcast.core.rain import z_r
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.forecasters.catalog import FORECASTERS
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.chain import chain
from nowcast.service.asked import products_of
from nowcast.service.settings import ServiceSettings
from nowcast.workflows.calibrated import calibrated, calibration_of, read_calibrations
from nowcast.workflows.forecast import Made, forecast_with_past, postprocess

Note = Callable[[str], None]


def make_forecast(
    settings: ServiceSettings,
    archive: Archive,
    forecaster: Forecaster,
    reference_time: np.datetime64,
    lead_times: int | LeadTimes,
    note: Note,
    *,
    stands_in: bool = False,
) -> xr.Dataset:
    """Forecast as the service is set, members and products included.

    A product or the members that cannot be made are noted in one line and left out.

    Args:
        settings: the service, without what its archive cannot give (`nowcast.service.asked.feasible`).
        archive, forecaster, reference_time, lead_times: as `nowcast.workflows.forecast.forecast`.
        note: takes one line about what was left out.
        stands_in: the forecaster is not the one of the settings: the calibration counts if it knows it.

    Raises:
        NowcastError: no forecast, or a calibration that does not fit the model.
    """
    steps: tuple[PostProcessing, ...] = ()
    if settings.calibration is not None:
        known = read_calibrations([settings.calibration])
        if not stands_in or calibration_of(forecaster.name, forecaster, known) is not None:
            forecaster, steps = calibrated(forecaster, known)
    extra = chain(
        members=settings.members, seed=settings.seed, products=products_of(settings), z_r=settings.z_r
    )
    made = _made(
        settings,
        archive,
        forecaster,
        reference_time,
        lead_times,
        [*steps, *extra],
        len(steps),
        stands_in or settings.model in FORECASTERS,
    )
    relation = {} if settings.z_r is None else {"z_r_relation": str(z_r(settings.z_r))}
    found = postprocess(made._replace(forecast=made.forecast.assign_attrs(relation)), steps)
    for step in extra:
        try:
            found = step.apply(found, made.observed)
        except NowcastError as error:
            note(f"no {step.name}: {error}")
    return found


def _made(
    settings: ServiceSettings,
    archive: Archive,
    forecaster: Forecaster,
    reference_time: np.datetime64,
    lead_times: int | LeadTimes,
    steps: list[PostProcessing],
    needed: int,
    short_past: bool,
) -> Made:
    """Forecast with the past that all steps want, else with that which the model and its calibration need."""
    few = max((step.past for step in steps[:needed]), default=0)
    most = max((step.past for step in steps), default=0)

    def forecast(count: int) -> Made:
        return forecast_with_past(
            masked(archive, settings.mask),
            forecaster,
            reference_time,
            lead_times,
            short_past=short_past,
            most_missing=settings.most_missing,
            count=count,
        )

    try:
        return forecast(most)
    except TimeError:
        if most == few:
            raise
        return forecast(few)
