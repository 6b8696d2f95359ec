"""Members for every forecast that can have some, so that a verification sets all models side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import xarray as xr

from nowcast.core.field import MEMBERS, PROBABILITY
from nowcast.forecasters.decision import Decision
from nowcast.postprocessing.members import Members
from nowcast.workflows.score_nowcast import Reading


@dataclass(frozen=True)
class DrawnMembers:
    """`Members` where a forecast has probabilities and no members of its own; any other forecast as it is."""

    members: Members
    name: ClassVar[str] = "members"

    @property
    def past(self) -> int:
        """As many frames as `Members` needs."""
        return self.members.past

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Draw, or leave it alone."""
        if PROBABILITY not in forecast or MEMBERS in forecast:
            return forecast
        return self.members.apply(forecast, observed)


def with_members(readings: Mapping[str, Reading], members: Members) -> dict[str, Reading]:
    """Draw members for every reading.

    Decision thresholds change no probability: where nothing else comes after a forecast, its readings share
    members, which are drawn first.
    """
    drawn = DrawnMembers(members)
    found = {}
    for name, (forecaster, post) in readings.items():
        alike = all(isinstance(step, Decision) for step in post)
        found[name] = Reading(forecaster, (drawn, *post) if alike else (*post, drawn))
    return found
