"""One place of what was found: its values as plain numpy, without the cost of an xarray selection each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.postprocessing.places.labels import OUTSIDE, UNKNOWN


@dataclass(frozen=True)
class PlaceRow:
    """The values of one place by their names; what all places share (lead times, thresholds) as well."""

    own: Mapping[str, npt.NDArray[Any]]
    """Values with the place first."""
    shared: Mapping[str, npt.NDArray[Any]]
    attrs: Mapping[str, Any]
    by: str
    """What begin and end of rain are from."""
    index: int

    def __getitem__(self, name: str) -> Any:
        return self.own[name][self.index] if name in self.own else self.shared[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self.shared

    @property
    def answered(self) -> bool:
        """Whether anything is known of the place."""
        return self["status"] not in (OUTSIDE, UNKNOWN)


def rows(found: xr.Dataset) -> list[PlaceRow]:
    """Return the places of what `nowcast.workflows.at.at_places` found, one by one."""
    own, shared = {}, {}
    for name, variable in found.variables.items():
        values = variable.values
        if "place" in variable.dims:
            own[str(name)] = np.moveaxis(values, variable.dims.index("place"), 0)
        else:
            shared[str(name)] = values
    by = str(found["rain_begins"].attrs["by"])
    return [PlaceRow(own, shared, found.attrs, by, i) for i in range(found.sizes["place"])]
