"""A forecaster whose events are called at decision levels chosen on a validation period.

Letters: K thresholds, S lead times, H rows, W columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.grid import Grid
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.settings import plain
from nowcast.forecasters.base import Forecaster, LeadTimes, Needs, label_forecast
from nowcast.forecasters.decision import rebuild_dbz
from nowcast.forecasters.inputs import check_leads
from nowcast.forecasters.levels import Levels, identity_of, thresholds_of
from nowcast.forecasters.remembered import Probabilistic, Remembered

Array = npt.NDArray[np.float32]
SUFFIX = ", calibrated"
"""What a calibrated forecaster's name has more than that of the one inside."""


@dataclass(frozen=True)
class Calibrated:
    """Forecast with another forecaster and call events at its decision levels.

    Its dBZ are changed so that a pixel reaches a threshold exactly where the forecaster inside reaches
    its level for that threshold and lead time: fields in dBZ by a rising, piecewise linear map
    (`recalibrate_dbz`), probabilities of exceedance by `nowcast.forecasters.decision.rebuild_dbz`.

    Raises:
        SettingsError: levels made for another forecaster, or of probabilities it does not give.
    """

    inner: Forecaster
    levels: Levels
    called: str = ""
    """Its name; by default that of the forecaster inside, and that it is calibrated."""

    def __post_init__(self) -> None:
        own = identity_of(self.inner)
        if own != self.levels.identity:
            raise SettingsError(
                complain(f"levels of {self.levels.model}", f"levels made for {self.levels.identity}",
                         f"{own}, which is {self.inner.name}", "calibrate this model")
            )
        known = thresholds_of(self.inner)
        if self.levels.kind == "probability" and self.levels.thresholds_dbz != known:
            raise SettingsError(
                complain(f"levels of {self.levels.model}",
                         f"levels of probabilities of reaching {_listed(self.levels.thresholds_dbz)}",
                         f"{_listed(known)}, as the model gives", "calibrate it again")
            )

    @property
    def name(self) -> str:
        """As tables call it."""
        return self.called or self.inner.name + SUFFIX

    @property
    def needs(self) -> Needs:
        """What the forecaster inside needs."""
        return self.inner.needs

    def describe(self) -> dict[str, str]:
        """Add the levels to what the forecaster inside says."""
        shown = ("kind", "thresholds_dbz", "lead_minutes", "levels")
        own = {key: plain(getattr(self.levels, key)) for key in shown}
        return {**self.inner.describe(), "model": self.name, "decision_levels": json.dumps(own)}

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Forecast as `Forecaster.forecast`."""
        leads = check_leads(lead_times, self.name)
        levels = self.levels.at(leads)
        if self.levels.kind == "dbz":
            raw = self.inner.forecast(observed, leads)
            dbz = recalibrate_dbz(raw.values, levels, self.levels.thresholds_dbz)
            return raw.copy(data=dbz)
        said = cast(Probabilistic, self.inner).probabilities(observed, leads)
        dbz = rebuild_dbz(said.values, self.levels.thresholds_dbz, levels)
        return label_forecast(dbz, observed["time"].values[-1], leads, Grid.of(observed))


@dataclass(frozen=True)
class CalibratedProbabilities(Calibrated):
    """The same around a forecaster that gives probabilities: they pass through as they are."""

    @property
    def thresholds_dbz(self) -> tuple[float, ...]:
        """Those of the forecaster inside."""
        return thresholds_of(self.inner)

    def probabilities(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.DataArray:
        """Give (threshold_dbz, lead_time, y, x) as the forecaster inside does: levels do not change odds."""
        return cast(Probabilistic, self.inner).probabilities(observed, lead_times)


def calibrated(inner: Forecaster, levels: Levels, called: str = "") -> Calibrated:
    """Make a calibrated forecaster, with its probabilities where the one inside has them.

    Raises:
        SettingsError: see `Calibrated`.
    """
    return (CalibratedProbabilities if thresholds_of(inner) else Calibrated)(inner, levels, called)


def recalibrate_dbz(
    dbz: npt.NDArray[np.floating], levels: npt.ArrayLike, thresholds_dbz: npt.ArrayLike
) -> Array:
    """Map dBZ so that exactly what is at or above a level comes to be at or above its threshold.

    Linear between the levels, and from the outer ones to no echo and to the highest dBZ there is, which
    stay what they are, as NaN does. Of several thresholds with one level, all are reached together.

    Args:
        dbz: (S, H, W).
        levels: (K, S), never falling with the threshold.
        thresholds_dbz: K, rising.

    Returns:
        (S, H, W) float32.
    """
    steps, steps_to = (np.asarray(a, np.float32) for a in (levels, thresholds_dbz))
    mapped = np.array(dbz, np.float32)
    ends = np.float32(NO_ECHO_DBZ), np.float32(HIGHEST_DBZ)
    to = np.array([ends[0], *steps_to, ends[1]], np.float32)
    for lead, frame in enumerate(mapped):
        echo = frame > NO_ECHO_DBZ  # NaN is not
        knots = np.array([ends[0], *steps[:, lead], ends[1]], np.float32)
        values = frame[echo]
        k = np.clip(np.searchsorted(knots, values, side="right") - 1, 0, len(knots) - 2)
        share = (values - knots[k]) / (knots[k + 1] - knots[k])
        under = np.where(k + 2 < len(knots), np.nextafter(to[k + 1], ends[0]), ends[1])
        frame[echo] = np.clip(to[k] + share * (to[k + 1] - to[k]), to[k], under)
    return mapped


def raw_of(forecaster: Forecaster) -> Forecaster:
    """Give a forecaster without decision levels: the one inside of one that has some."""
    return forecaster.inner if isinstance(forecaster, Calibrated) else forecaster


def with_calibrated(models: Mapping[str, Forecaster], known: Sequence[Levels]) -> dict[str, Forecaster]:
    """Give every model that has known levels twice: as it is, and after that calibrated.

    A network that comes with levels of its own is taken apart in the same way, with these where none are
    known for it. Both share one forecast: what the model says is remembered until it is asked
    something else.

    Raises:
        SettingsError: levels under a model's name that were made for another one, for none of them, or twice.
    """
    by_identity: dict[str, Levels] = {}
    for one in known:
        if by_identity.setdefault(one.identity, one) != one:
            raise SettingsError(
                complain("levels", f"two kinds for the same {one.model}", "one file of levels a model",
                         "leave one file out")
            )
    found: dict[str, Forecaster] = {}
    for name, model in models.items():
        raw = raw_of(model)
        levels = by_identity.get(identity_of(raw))
        other = next((m for m in known if m.model in (name, raw.name)), None)
        levels = levels or other  # another one is refused by Calibrated, which says why
        if levels is None and isinstance(model, Calibrated):
            levels = model.levels
        if levels is None:
            found[name] = model
            continue
        shared = Remembered.of(raw)
        found[name] = shared
        found[name + SUFFIX] = calibrated(shared, levels, name + SUFFIX)
    if len(found) == len(models):
        raise SettingsError(
            complain("levels", f"levels of {', '.join(m.model for m in known) or 'no model'}",
                     f"of at least one of {', '.join(models)}", "calibrate one of these models")
        )
    return found


def _listed(thresholds: tuple[float, ...]) -> str:
    return ", ".join(f"{t:g}" for t in thresholds) + " dBZ" if thresholds else "none"
