"""Extrapolation as pysteps does it: its Lucas-Kanade motion, its semi-Lagrangian scheme (extra ``pysteps``).

Dimensions: T past frames, S lead times, H rows, W columns.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import MissingExtraError, SettingsError, complain
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.settings import plain
from nowcast.forecasters.base import LeadTimes, Needs, label_forecast
from nowcast.forecasters.inputs import Past, check_leads, newest
from nowcast.forecasters.peer_flows import PystepsLucasKanade

Array = npt.NDArray[np.float32]
_ROUNDING_DB = 1e-3
"""So far above the floor a mean of floor values may come out."""


class PystepsForecaster(ABC):
    """What all forecasters of pysteps say of themselves; each is a frozen dataclass of its settings."""

    past: int

    @property
    @abstractmethod
    def name(self) -> str:
        """As tables call it."""

    @property
    def needs(self) -> Needs:
        """``past`` frames of any step, any lead time."""
        return Needs(past=self.past)

    def describe(self) -> dict[str, str]:
        """Name, settings and the version of pysteps."""
        from importlib.metadata import PackageNotFoundError, version

        metadata = {"model": self.name, "settings": json.dumps(plain(self), sort_keys=True)}
        with contextlib.suppress(PackageNotFoundError):
            metadata["pysteps"] = version("pysteps")
        return metadata


@dataclass(frozen=True)
class PystepsExtrapolation(PystepsForecaster):
    """Extrapolation by pysteps (Lucas-Kanade and semi-Lagrangian, its defaults): the peer to compare with.

    What comes from outside the grid or the coverage is NaN. Values under ``floor_dbz`` and no echo take
    that value before the motion is estimated and the frame is moved, and are no echo afterwards.

    Source: Pulkkinen et al. (2019), Geosci. Model Dev. 12, 4185-4219; pysteps 1.21.
    """

    past: int = 5
    """Frames from which the motion is estimated, at least two."""
    floor_dbz: float = 5.0

    def __post_init__(self) -> None:
        if self.past < 2:
            raise SettingsError(
                complain("pysteps_lk: past", str(self.past), "at least 2 frames", "for example 5")
            )

    @property
    def name(self) -> str:
        """``pysteps_lk``."""
        return "pysteps_lk"

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast as `Forecaster.forecast`; lead times need not be multiples of the step.

        Raises:
            MissingExtraError: pysteps is not installed.
        """
        leads = check_leads(lead_times, self.name)
        past = newest(observed, self.needs, self.name)
        motion = pysteps_motion(past, self.floor_dbz, self.name)
        dbz = extrapolated(past.dbz[-1], motion, steps_of(leads, past), self.floor_dbz, self.name)
        return label_forecast(dbz, past.reference_time, leads, past.grid)


def steps_of(leads: LeadTimes, past: Past) -> list[float]:
    """Lead times in steps of the past."""
    return [float(lead / past.step) for lead in leads]


def pysteps_motion(past: Past, floor_dbz: float, name: str) -> Array:
    """Estimate the motion as pysteps has it: (2, H, W), along columns first, cells a step.

    A past in which nothing or one value alone was observed stands still: there is nothing to follow.
    """
    observed = ~np.isnan(past.dbz)
    floored = np.maximum(np.where(observed, past.dbz, floor_dbz), floor_dbz).astype(np.float32)
    if np.ptp(floored) == 0.0:
        function(name, "pysteps.motion.lucaskanade", "dense_lucaskanade")  # missing is missing, rain or not
        return np.zeros((2, *floored.shape[1:]), np.float32)
    with quietly():
        return PystepsLucasKanade().estimate(floored, observed)[::-1].copy()


def extrapolated(dbz: Array, motion: Array, steps: Sequence[float], floor_dbz: float, name: str) -> Array:
    """Move one frame (H, W) by pysteps' scheme: (S, H, W), no echo up to the floor, NaN if not observed."""
    floored = np.where(np.isnan(dbz), np.nan, np.maximum(dbz, np.float32(floor_dbz)))
    if np.isnan(floored).all():
        return np.full((len(steps), *dbz.shape), np.nan, np.float32)
    extrapolate = function(name, "pysteps.extrapolation.semilagrangian", "extrapolate")
    with quietly():
        moved = extrapolate(
            floored.astype(np.float64), motion.astype(np.float64), list(steps), allow_nonfinite_values=True
        )
    found: Array = np.where(moved < floor_dbz + _ROUNDING_DB, NO_ECHO_DBZ, moved).astype(np.float32)
    return found


def function(name: str, module: str, what: str) -> Callable[..., Any]:
    """Get a function of pysteps.

    Raises:
        MissingExtraError: pysteps is not installed; the message names the extra.
    """
    try:
        with quietly():
            found: Callable[..., Any] = getattr(import_module(module), what)
    except ImportError as error:
        raise MissingExtraError(f"forecaster '{name}'", "pysteps", "pysteps") from error
    return found


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Let pysteps neither print nor warn, nor move numpy's global random numbers."""
    state = np.random.get_state()  # noqa: NPY002  # pysteps seeds the global generator
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
