"""The mean of the probabilities of several forecasters, as one forecaster.

Why: what networks of different kinds, or trained from different seeds, get wrong is partly their own and
cancels in the mean; the mean is then calibrated once, as any forecaster is.

Dimensions: K thresholds, S lead times, H rows, W columns.

Source: Krogh and Vedelsby (1995), NIPS 7, for the error of a mean and that of its parts; Ranjan and Gneiting
(2010), J. R. Stat. Soc. B 72, 71-91, for why a mean of calibrated probabilities needs calibration again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, TimeError, complain
from nowcast.core.field import PROBABILITY
from nowcast.core.grid import Grid
from nowcast.core.times import minutes
from nowcast.forecasters.base import COMPUTED_ON, Forecaster, LeadTimes, Needs, label_forecast
from nowcast.forecasters.calibration_file import ModelCalibration
from nowcast.forecasters.decision import dbz_from_probabilities
from nowcast.forecasters.decision_thresholds import check_identity, identity_of
from nowcast.postprocessing.base import PostProcessing

Array = npt.NDArray[np.float32]
PARTS_RUN = "parts_run"
"""Attribute of the forecast of a mean: the settings that each part was run with."""


class Part(NamedTuple):
    """One of the forecasters of a mean."""

    forecaster: Forecaster
    post: tuple[PostProcessing, ...] = ()
    """Steps after its forecast: a baseline gets probabilities from its calibration."""
    weight: float = 1.0


@dataclass(frozen=True)
class Average:
    """Forecast the weighted mean of the probabilities of its parts, each from the same past.

    Where a part knows nothing, as extrapolation of what comes from outside the grid, the mean is that of the
    others. Thresholds are those that all parts know. Reflectivity calls an event where its mean probability is
    one half or more, until the mean is calibrated.

    Raises:
        SettingsError: fewer than two parts, a weight that is not above 0, or a forecaster that counts twice.
        TimeError: parts of different steps.
    """

    parts: tuple[Part, ...]
    name: str = "average"
    calibration: ModelCalibration | None = None
    """Of the mean; None takes even odds and the mean as it is."""

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or not all(part.weight > 0 for part in self.parts):
            raise SettingsError(
                complain(
                    f"{self.name}: forecasters and weights",
                    ", ".join(f"{part.forecaster.name} x {part.weight:g}" for part in self.parts) or "none",
                    "two or more with weights above 0",
                    "for example motionrnn+astm",
                )
            )
        self._check_once()
        steps = [(part.forecaster.name, part.forecaster.needs.step) for part in self.parts]
        if len({step for _, step in steps if step is not None}) > 1:
            named = ", ".join(f"{name} {minutes(step):g} min" for name, step in steps if step is not None)
            raise TimeError(
                complain(f"{self.name}: steps", named, "one for all", "take networks of the same step")
            )
        if self.calibration is not None:
            check_identity(self.calibration, self)

    def _check_once(self) -> None:
        """Refuse a forecaster that counts twice, by itself or within a mean among the parts."""
        held: dict[str, list[tuple[Forecaster, Forecaster]]] = {}
        for part in self.parts:
            for one in _single(part.forecaster):
                held.setdefault(identity_of(one), []).append((one, part.forecaster))
        twice = next((found for found in held.values() if len(found) > 1), None)
        if twice is None:
            return
        name, parts = twice[0][0].name, [part for _, part in twice]
        where, remedy = "", "give it a weight instead"
        if any(isinstance(part, Average) for part in parts):
            where = f", in {' and '.join(part.name for part in parts)}"
            remedy = "leave one out, or name the networks with weights"
        raise SettingsError(complain(f"{self.name}: forecasters", f"{name} twice{where}", "each once", remedy))

    def uncalibrated(self) -> Average:
        """The same mean without its calibration."""
        return replace(self, calibration=None)

    @property
    def needs(self) -> Needs:
        """The longest past, the step and the shortest reach of its parts."""
        every = [part.forecaster.needs for part in self.parts]
        return Needs(
            past=max(needs.past for needs in every),
            step=next((needs.step for needs in every if needs.step is not None), None),
            longest=min((needs.longest for needs in every if needs.longest is not None), default=None),
        )

    def describe(self) -> dict[str, str]:
        """Return what each part is, its weight, the digests of networks, and how each part is run.

        The last stands apart from what the mean is, as its calibration holds however it is run.
        """
        settings = [_as_counted(part) for part in self.parts]
        parts = ", ".join(part.forecaster.name for part in self.parts)
        own = {} if self.calibration is None else {"calibration": self.calibration.digest}
        places = dict.fromkeys(part.forecaster.describe().get(COMPUTED_ON) for part in self.parts)
        if told := ", ".join(place for place in places if place is not None):
            own[COMPUTED_ON] = told
        return {
            "model": self.name,
            "average_of": parts,
            "settings": json.dumps(settings, sort_keys=True),
            PARTS_RUN: json.dumps([_as_run(part.forecaster) for part in self.parts], sort_keys=True),
            **own,
        }

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`; the motion is estimated once for all networks that share it.

        Raises:
            SettingsError: a part without probabilities, or no threshold that all know.
        """
        from nowcast.models.lagrangian.shared_motion import shared_motion

        with shared_motion():
            common, mean = self._mean(self._probabilities(part, observed, lead_times) for part in self.parts)
        start = observed["time"].values[-1]
        dbz = dbz_from_probabilities(mean, common)
        found = label_forecast(dbz, start, lead_times, Grid.of(observed), mean, common)
        for step in () if self.calibration is None else self.calibration.steps:
            found = step.apply(found, observed)
        return found

    def _probabilities(self, part: Part, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        forecast = part.forecaster.forecast(
            observed.isel(time=slice(-part.forecaster.needs.past, None)), lead_times
        )
        for step in part.post:
            forecast = step.apply(forecast, observed)
        if PROBABILITY not in forecast:
            raise SettingsError(
                complain(
                    f"{self.name}: {part.forecaster.name}",
                    "a forecast without probabilities",
                    "one with some",
                    "name a file of 'nowcast calibrate' that knows it: calibration=NAME.calibration.json",
                )
            )
        return forecast[PROBABILITY]

    def _mean(self, every: Iterable[xr.DataArray]) -> tuple[list[float], Array]:
        """Thresholds that all parts know, and the weighted mean (K, S, H, W) of what any of them knows.

        One part after the other, so that no more than one is in memory beside the sums.
        """
        common: list[float] = []
        total: Array = np.zeros(0, np.float32)
        weight: Array = np.zeros(0, np.float32)
        for n, (part, probability) in enumerate(zip(self.parts, every, strict=True)):
            own = probability["threshold"].values.tolist()
            kept = own if n == 0 else [t for t in common if t in own]
            values = np.asarray(probability.sel(threshold=kept).values, np.float32)
            known = ~np.isnan(values).any(axis=0)
            one = np.where(known, values, 0) * np.float32(part.weight)
            share: Array = np.where(known, np.float32(part.weight), np.float32(0))
            total = one if n == 0 else total[[common.index(t) for t in kept]] + one
            weight = share if n == 0 else weight + share
            common = kept
        if not common:
            raise SettingsError(
                complain(f"{self.name}: thresholds", "none that all parts know", "some", "calibrate them alike")
            )
        return common, np.where(weight > 0, total / np.where(weight > 0, weight, 1), np.float32(np.nan))


def _single(forecaster: Forecaster) -> list[Forecaster]:
    """Of what a forecaster is the mean, through means of means; itself, where it is none."""
    if not isinstance(forecaster, Average):
        return [forecaster]
    return [one for part in forecaster.parts for one in _single(part.forecaster)]


def _as_counted(part: Part) -> dict[str, Any]:
    """What of a part changes the mean, with the calibration that it brings, which `identity_of` leaves out."""
    found = {
        "forecaster": identity_of(part.forecaster),
        "weight": part.weight,
        "post_processing": [repr(step) for step in part.post],
    }
    own = part.forecaster.describe().get("calibration")
    return found if own is None else {**found, "calibration": own}


def _as_run(forecaster: Forecaster) -> Any:
    """The settings of a part, with device, precision and tiles of a network, as plain values."""
    described = forecaster.describe()
    return json.loads(described.get(PARTS_RUN) or described.get("settings", "{}"))
