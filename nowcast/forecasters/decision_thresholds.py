"""Decision thresholds of a forecaster, and what a forecaster is told apart by.

Dimensions: K thresholds, S lead times.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.settings import formerly, plain
from nowcast.core.times import minutes
from nowcast.forecasters.base import Forecaster, LeadTimes

_Table = tuple[tuple[float, ...], ...]
Scores = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class DecisionThresholds:
    """From which value of its own forecast a forecaster calls an event, (K, S): by event, then by lead time."""

    model: str
    """Its name, for messages."""
    identity: str
    """What it was, see `identity_of`: decision thresholds are refused by any other forecaster."""
    kind: Literal["dbz", "probability"]
    """``dbz``: of its own reflectivity. ``probability``: of its exceedance probabilities."""
    thresholds_dbz: tuple[float, ...]
    """K rising thresholds of the events."""
    lead_minutes: tuple[float, ...]
    """S, rising."""
    values: _Table = field(metadata=formerly("levels"))
    csi: Scores = ()
    """Pooled CSI on the calibration period with these; None where it is undefined."""
    csi_before: Scores = ()
    """The same with the thresholds of the events themselves, or a probability of 0.5."""

    def __post_init__(self) -> None:
        found = np.array(self.values, np.float64) if _is_table(self.values) else np.zeros(0)
        rising = all((np.diff(v) > 0).all() for v in (self.thresholds_dbz, self.lead_minutes))
        if found.shape != (len(self.thresholds_dbz), len(self.lead_minutes)) or not found.size or not rising:
            raise SettingsError(
                complain(
                    f"decision thresholds of {self.model}",
                    f"a table of shape {found.shape}",
                    "one row for each rising threshold, one value for each rising lead time",
                    "make them with 'nowcast calibrate'",
                )
            )
        low, high = (NO_ECHO_DBZ, HIGHEST_DBZ) if self.kind == "dbz" else (0.0, 2.0)
        falls = self.kind == "dbz" and (np.diff(found, axis=0) < 0).any()
        if not ((found > low) & (found < high)).all() or falls:
            raise SettingsError(
                complain(
                    f"decision thresholds of {self.model}",
                    "one that is out of range or falls with the threshold",
                    f"{self.kind} between {low:g} and {high:g}",
                    "make them with 'nowcast calibrate'",
                )
            )

    def __str__(self) -> str:
        """What a forecast file records of them, as JSON."""
        shown = ("kind", "thresholds_dbz", "lead_minutes", "values")
        return json.dumps({key: plain(getattr(self, key)) for key in shown})

    def at(self, lead_times: LeadTimes) -> npt.NDArray[np.float32]:
        """Return the decision thresholds at any lead times, (K, S'), linear between those that are known.

        Towards lead time 0, where a forecast is the newest frame, those in dBZ go to the thresholds of the
        events themselves; otherwise the nearest known ones hold.
        """
        leads = [minutes(lead) for lead in np.asarray(lead_times)]
        rows = []
        for threshold, row in zip(self.thresholds_dbz, self.values, strict=True):
            known, values = list(self.lead_minutes), list(row)
            if self.kind == "dbz":
                known, values = [0.0, *known], [threshold, *values]
            rows.append(np.interp(leads, known, values))
        return np.array(rows, np.float32)


class MadeFor(Protocol):
    """What was made for one forecaster."""

    @property
    def model(self) -> str:
        """Its name, for messages."""
        ...

    @property
    def identity(self) -> str:
        """What it was, see `identity_of`."""
        ...


def identity_of(forecaster: Forecaster) -> str:
    """Return in one text what a forecaster is: the digest of its checkpoint, else its name and settings.

    Of a mean it is what its parts are; its name does not count.

    How a network is run (precision, tiles, its own decision thresholds) is not part of it: that moves no
    decision by more than rounding, or is what these replace.
    """
    described = forecaster.describe()
    if described.get("checkpoint_sha256"):
        return f"sha256:{described['checkpoint_sha256']}"
    kind = "average" if "average_of" in described else described.get("model", forecaster.name)
    return f"{kind} {described.get('settings', '{}')}"


def check_identity(made: MadeFor, forecaster: Forecaster) -> None:
    """Refuse decision thresholds or a calibration that was made for another forecaster.

    Raises:
        SettingsError: with what they were made for and what it is.
    """
    own = identity_of(forecaster)
    if own != made.identity:
        raise SettingsError(
            complain(
                f"calibration of {made.model}",
                f"one made for {made.identity}",
                f"{own}, which is {forecaster.name}",
                "calibrate this model",
            )
        )


def _is_table(values: _Table) -> bool:
    return bool(values) and len({len(row) for row in values}) == 1
