"""A stored hindcast as a forecaster: what was forecast once is scored as often as wanted, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from nowcast.core.errors import SettingsError, TimeError, complain
from nowcast.core.grid import Grid
from nowcast.core.places import DataPath
from nowcast.core.times import Times, to_text
from nowcast.forecasters.base import LeadTimes, Needs
from nowcast.products.hindcast_zarr import open_hindcast

_REFERENCE = "forecast_reference_time"
_OF_THE_STORE = ("Conventions", "title", "history", "nowcast_format", "hindcast_complete")


@dataclass(frozen=True)
class StoredHindcast:
    """The forecasts that ``nowcast hindcast`` made; it knows the forecast reference times in it alone.

    Values are those of the store: dBZ to 0.01, probabilities to its steps (`nowcast.products.variables`).

    Args:
        place: of the store.

    Raises:
        FileError: none there, or damaged.
        SettingsError: it holds no forecast yet.
    """

    place: DataPath

    def __post_init__(self) -> None:
        if not len(self.reference_times):
            raise SettingsError(
                complain(
                    str(self.place), "a hindcast without forecasts", "one at least", "run 'nowcast hindcast' on"
                )
            )

    @cached_property
    def _held(self) -> xr.Dataset:
        return open_hindcast(self.place)

    def __getstate__(self) -> dict[str, DataPath]:
        return {"place": self.place}

    @property
    def reference_times(self) -> Times:
        """Of the forecasts in the store."""
        found: Times = self._held[_REFERENCE].values.astype("datetime64[ns]")
        return found

    @property
    def name(self) -> str:
        """The model's, with that of the store."""
        return f"{self._held.attrs.get('model', 'unknown')} ({self.place.name})"

    @property
    def needs(self) -> Needs:
        """One frame, which says when it is; the step and the reach of the store."""
        leads = self._held["lead_time"].values
        return Needs(past=1, step=leads[0], longest=leads[-1])

    def describe(self) -> dict[str, str]:
        """What the store says made its forecasts."""
        told = {str(k): str(v) for k, v in self._held.attrs.items() if k not in _OF_THE_STORE}
        return told | {"hindcast": self.place.name}

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Return the stored forecast; see `nowcast.forecasters.base.Forecaster`.

        Raises:
            SettingsError: the store is of another grid.
            TimeError: no forecast of this time, or not of these lead times.
        """
        here, there = Grid.of(observed), Grid.of(self._held)
        if here.fingerprint != there.fingerprint:
            raise SettingsError(
                complain(
                    str(self.place), "forecasts on another grid", "that of the archive", "take its own archive"
                )
            )
        time = observed["time"].values[-1].astype("datetime64[ns]")
        leads = np.asarray(lead_times, "timedelta64[ns]")
        if time not in self.reference_times or not np.isin(leads, self._held["lead_time"].values).all():
            raise TimeError(
                complain(
                    str(self.place),
                    f"no forecast of {to_text(time)} and {len(leads)} lead times",
                    "a time and lead times that it holds",
                    "run 'nowcast hindcast' for them",
                )
            )
        found = self._held.drop_vars("forecast_status").sel({_REFERENCE: time}).sel(lead_time=leads).load()
        single = {name: values.astype(np.float32) for name, values in found.data_vars.items()}
        return found.assign(single).drop_encoding().drop_attrs(deep=False)


def at_stored_times(windows: Times, past: int, forecasters: Sequence[object]) -> Times:
    """Leave of windows (windows, frames) those of which every stored hindcast holds the forecast.

    Raises:
        TimeError: none.
    """
    stores = [f for f in forecasters if isinstance(f, StoredHindcast)]
    newest = windows[:, past - 1]
    found = windows[np.all([np.isin(newest, store.reference_times) for store in stores], axis=0)]
    if not len(found):
        raise TimeError(
            complain(
                "--hindcast",
                f"none of {len(windows)} initialisation times of the period in the stored forecasts",
                "one at least",
                "choose the period and the lead times of the hindcast",
            )
        )
    return found
