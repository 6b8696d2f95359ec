"""Hindcast: the forecasts of a whole period, as if each had been made when it was due, in one Zarr store."""

from __future__ import annotations

import pickle
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from tqdm import tqdm

from nowcast.archive.masked import masked
from nowcast.archive.reader import Archive
from nowcast.archive.thinned import RadarFrames
from nowcast.core.engine import Engine, one_thread
from nowcast.core.errors import FileError, SettingsError, shown
from nowcast.core.places import DataPath, place_of
from nowcast.core.times import Times, parse_period, to_text
from nowcast.evaluation.windows import check_counts, windows
from nowcast.forecasters.base import COMPUTED_ON, Forecaster, LeadTimes
from nowcast.forecasters.catalog import build_forecaster
from nowcast.models.device import Device
from nowcast.postprocessing.base import PostProcessing
from nowcast.postprocessing.chain import Products, chain
from nowcast.products.hindcast_zarr import HindcastStore, create_hindcast, is_created
from nowcast.workflows.calibrated import calibrated, read_calibrations
from nowcast.workflows.engine_choice import engine_for
from nowcast.workflows.forecast import forecast_with_past, postprocess
from nowcast.workflows.initialisation import LEAST_PAST, at_common_step, common_leads

_OF_ONE_FORECAST = ("motion", "interpolated_frames")
"""Attributes that may differ from one forecast to the next."""


@dataclass(frozen=True)
class HindcastReport:
    """What a hindcast did."""

    path: DataPath
    forecasts: int
    """In the store."""
    made: int
    """By this run; the others were there."""
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.forecasts} forecasts, {self.made} of them made in {self.seconds:.1f} s, "
            f"{self.forecasts - self.made} were there"
        )


def hindcast(
    archive: RadarFrames | Path | str,
    forecaster: Forecaster | Path | str,
    period: str,
    out: Path | str,
    *,
    stride: int = 1,
    lead_times: int = 10,
    mask: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    device: Device = "cpu",
    calibration: Path | str | None = None,
    post: Sequence[PostProcessing] = (),
    members: int | None = None,
    seed: int = 0,
    products: Products = (),
    z_r: str | None = None,
    progress: bool = False,
    engine: Engine | None = None,
) -> HindcastReport:
    """Forecast from every initialisation time of a period and keep the forecasts.

    A forecast is made where its past has no gap; the past of the first ones lies before the period. Stopped at
    any point and run again, it goes on, and ends in the same values; what is read of the store before that says
    which forecasts are there (``forecast_status``, and the attribute ``hindcast_complete``).

    Args:
        archive: an open archive, or its folder or address.
        forecaster: what `nowcast.load_model` returns, or its name or checkpoint.
        period: START/END of forecast reference times, UTC; a bare end date is included.
        out: Zarr store to make or to go on with: a folder, or an address such as ``s3://bucket/name.zarr``.
        stride: frames between two initialisation times of an unbroken run.
        lead_times: how many, one step apart.
        mask: quality marks left out of the past, as `nowcast.forecast` does.
        settings: of the model where it is named.
        device: that networks among named models forecast on, as `nowcast.forecast`.
        calibration, post, members, seed, products, z_r: as `nowcast.forecast`.
        progress: show a bar on stderr.
        engine: of `nowcast.open_engine`; None spreads long work over the cores of this machine, unless a GPU
            does it. The values are the same to the last bit.

    Raises:
        TimeError: no initialisation time in the period.
        FileError: the store cannot be written, or is of another hindcast.
        NowcastError: as the forecaster.

    Example:
        >>> import nowcast
        >>> nowcast.hindcast(
        ...     "italy.zarr", "motionrnn", "2025-03-21/2025-03-22", "march.zarr", stride=6
        ... )  # doctest: +SKIP
        >>> import xarray as xr
        >>> xr.open_zarr("march.zarr").reflectivity.sel(lead_time=60)  # doctest: +SKIP
    """
    began = clock.monotonic()
    place = place_of(out)
    start, end = parse_period(period)
    check_counts(stride=stride)
    given = masked(Archive.open(archive) if isinstance(archive, (str, Path)) else archive, mask)
    model = (
        build_forecaster(forecaster, settings, given.step, device)
        if isinstance(forecaster, (str, Path))
        else forecaster
    )
    if not isinstance(forecaster, (str, Path)) and settings:
        raise SettingsError("hindcast: got settings beside a model that is loaded, expected one of both")
    if calibration is not None:
        model, of_file = calibrated(model, read_calibrations([calibration]))
        post = (*of_file, *post)
    frames = at_common_step(given, {model.name: model})
    leads = common_leads(frames, {model.name: model}, lead_times)
    steps = tuple(chain(post, members=members, seed=seed, products=products, z_r=z_r))
    past = max(LEAST_PAST, model.needs.past, *(step.past for step in steps))
    found = windows(frames.times, frames.step, start - (past - 1) * frames.step, end, past, stride)
    times = found[:, -1]
    make = _Make(frames, model, leads, steps, place)
    held, waiting = make.prepare(times)
    with (
        engine_for([model], engine) as own,
        tqdm(
            own.each(make, waiting),
            "hindcast",
            len(times),
            initial=len(times) - len(waiting),
            unit="forecast",
            disable=not progress,
        ) as bar,
    ):
        for _ in bar:
            pass
    HindcastStore(place).finish()
    return HindcastReport(place, len(times), len(times) - held, clock.monotonic() - began)


@dataclass(frozen=True)
class _Make:
    """Makes a forecast and puts it into the store; can be sent to another process."""

    archive: RadarFrames
    forecaster: Forecaster
    leads: LeadTimes
    post: tuple[PostProcessing, ...]
    place: DataPath

    def __call__(self, task: tuple[int, np.datetime64]) -> None:
        """Make the forecast of one place of the store and its forecast reference time."""
        index, time = task
        self._store.write(index, self.one(time))

    @cached_property
    def _store(self) -> HindcastStore:
        return HindcastStore(self.place)

    def one(self, time: np.datetime64) -> xr.Dataset:
        """Forecast as everybody does."""
        count = max((step.past for step in self.post), default=0)
        made = forecast_with_past(self.archive, self.forecaster, time, self.leads, count=count)
        return postprocess(made, self.post)

    def prepare(self, times: Times) -> tuple[int, list[tuple[int, np.datetime64]]]:
        """Make the store, with its first forecast, or take up one: how many it held, and what is left to do."""
        every = list(enumerate(times))
        if is_created(self.place):
            held = HindcastStore(self.place)
            self._check(held, times)
            done = held.done()
            return int(done.sum()), [every[i] for i in np.flatnonzero(~done)]
        with one_thread():
            first = self.one(times[0])
        more = {str(k): str(v) for k, v in first.attrs.items() if k not in _OF_ONE_FORECAST}
        create_hindcast(self.place, first, times, more | self.identity())
        HindcastStore(self.place).write(0, first)
        return 0, every[1:]

    def identity(self) -> dict[str, str]:
        """What the forecasts depend on beside their times."""
        steps = [f"{step.name} {sha256(pickle.dumps(step)).hexdigest()[:16]}" for step in self.post]
        described = self.forecaster.describe()
        described.pop(COMPUTED_ON, None)  # one GPU goes on where another of its kind stopped
        return {
            **described,
            "archive": self.archive.path.name,
            "archive_fingerprint": self.archive.fingerprint,
            "post_processing": ", ".join(steps),
        }

    def _check(self, held: HindcastStore, times: Times) -> None:
        def differs(what: str, there: object, here: object) -> FileError:
            return FileError(
                f"{self.place}: got a hindcast with {what} {shown(there)}, expected {shown(here)} as asked "
                "for; choose another --out, or remove it"
            )

        if not np.array_equal(held.reference_times, times):
            there, here = (
                f"{to_text(t[0])} to {to_text(t[-1])}, {len(t)} times" if len(t) else "no times"
                for t in (held.reference_times, times)
            )
            raise differs("initialisation times", there, here)
        if not np.array_equal(held.lead_times, self.leads):
            raise differs("lead times", len(held.lead_times), len(self.leads))
        for name, here in self.identity().items():
            if held.attrs.get(name) != here:
                raise differs(name, held.attrs.get(name), here)
