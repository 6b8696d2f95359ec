"""Forecasters of scripts/compare_skill.py: each forecasts once from a start and is calibrated once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from nowcast.archive.reader import Archive
from nowcast.archive.thinned import Thinned
from nowcast.core.errors import SettingsError, complain
from nowcast.core.times import parse_period
from nowcast.evaluation.windows import MOST_MISSING_FUTURE
from nowcast.forecasters.average import Average
from nowcast.forecasters.base import Forecaster, LeadTimes, Needs
from nowcast.forecasters.calibration_file import ModelCalibration, read_calibration, write_calibration
from nowcast.forecasters.decision_thresholds import identity_of
from nowcast.forecasters.registry import CALIBRATION, folder
from nowcast.workflows.calibrate import Calibration, calibrate

GROUPS = Path(__file__).with_name("skill_groups.yaml")
LADDER = (10.0, 20.0, 30.0, 35.0, 40.0, 45.0)


class Remembered:
    """A forecaster that keeps its last forecast, so that a mean and the network alone share it."""

    def __init__(self, forecaster: Forecaster) -> None:
        self._forecaster = forecaster
        self._last: tuple[Any, xr.Dataset] | None = None

    @property
    def name(self) -> str:
        """That of the forecaster."""
        return self._forecaster.name

    @property
    def needs(self) -> Needs:
        """Those of the forecaster."""
        return self._forecaster.needs

    def describe(self) -> dict[str, str]:
        """What the forecaster says of itself."""
        return self._forecaster.describe()

    def forecast(self, observed: xr.DataArray, lead_times: LeadTimes) -> xr.Dataset:
        """Forecast, or return what was forecast from this past."""
        asked = observed["time"].values.tobytes(), np.asarray(lead_times).tobytes(), observed.values.tobytes()
        if self._last is None or self._last[0] != asked:
            self._last = asked, self._forecaster.forecast(observed, lead_times)
        return self._last[1]


class Shared:
    """Forecasters by what they are: a mean gets the ones that are there already."""

    def __init__(self) -> None:
        self._known: dict[str, Remembered] = {}

    def of(self, forecaster: Forecaster) -> Forecaster:
        """The forecaster that remembers; of a mean, each of its parts does."""
        if isinstance(forecaster, Average):
            parts = tuple(part._replace(forecaster=self.of(part.forecaster)) for part in forecaster.parts)
            return replace(forecaster, parts=parts)
        return self._known.setdefault(identity_of(forecaster), Remembered(forecaster))


@dataclass(frozen=True)
class Days:
    """Days that forecasters are calibrated on."""

    archives: Path
    """Where the archives lie."""
    name: str
    days: Mapping[str, Any]
    """As skill_groups.yaml has them."""
    out: Path | None = None
    """Where calibrations are kept; needed for `calibrations`."""

    @classmethod
    def named(cls, archives: Path, name: str) -> Days:
        """The days of that name of scripts/skill_groups.yaml.

        Raises:
            SettingsError: it has none of that name.
        """
        known = yaml.safe_load(GROUPS.read_text(encoding="utf-8"))["calibrations"]
        if name not in known:
            raise SettingsError(complain("days", f"'{name}'", f"one of {', '.join(known)}", "choose one"))
        return cls(archives, name, known[name])

    def calibrations(self, forecasters: Mapping[str, Forecaster]) -> dict[str, ModelCalibration]:
        """The calibration of each, by the name or path that was asked for; made once, all at once, and kept.

        One of the package brings its own, of the same days, where the set says so.
        """
        paths = {what: self._path(what, forecaster) for what, forecaster in forecasters.items()}
        new = {what: forecaster for what, forecaster in forecasters.items() if not paths[what].is_file()}
        if new:
            found = self.learn(new)
            for what, one in zip(new, found.learnt, strict=True):
                paths[what].parent.mkdir(parents=True, exist_ok=True)
                write_calibration(paths[what], [one], found.made)
        return {what: read_calibration(path).models[0] for what, path in paths.items()}

    def learn(self, forecasters: Mapping[str, Forecaster]) -> Calibration:
        """Calibrate forecasters on these days, all from the same starts."""
        step = np.timedelta64(round(self.days["step"] * 60e9), "ns")
        return calibrate(
            [Thinned(Archive.open(self.archives / place), step) for place in self.days["archives"]],
            forecasters,
            [parse_period(str(text)) for text in self.days["periods"]],
            thresholds=LADDER,
            lead_times=self.days["lead_times"],
            stride=self.days["stride"],
            min_wet_pixels=self.days["min_wet_pixels"],
            most_missing=MOST_MISSING_FUTURE,
            progress=True,
        )

    def _path(self, what: str, forecaster: Forecaster) -> Path:
        packaged = folder() / f"{what}{CALIBRATION}"
        if self.days.get("packaged") and packaged.is_file():
            return packaged
        digest = hashlib.sha256(identity_of(forecaster).encode()).hexdigest()[:12]
        name = forecaster.name.replace("/", "_")[-60:]
        if self.out is None:
            raise SettingsError(complain("out", "none", "a folder for calibrations", "name one"))
        return self.out / self.name / f"{name}_{digest}.calibration.json"
