"""The catalog of the forecast file: every variable beside the grid and the times is one line here.

A line says its dims, how its values are packed and what they mean in words of CF. It is written and read by
`nowcast.products.cf_netcdf` alone.

Source: CF conventions 1.10, sections 3, 5.6, 7.3 and 8.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nowcast.core.field import ATTRS, MEMBERS, NAME, PROBABILITY
from nowcast.products.packed_values import PROBABILITIES, REFLECTIVITY, PackedKind

_DBZ = {"standard_name": ATTRS["standard_name"], "units": ATTRS["units"]}


@dataclass(frozen=True)
class FileAxis:
    """A dimension of its own with the variable that labels it."""

    name: str
    attrs: Mapping[str, str]
    dtype: str = "f8"


@dataclass(frozen=True)
class FileVariable:
    """A variable of the forecast: dims as in the Dataset; the last two are always ``y``, ``x``."""

    name: str
    dims: tuple[str, ...]
    kind: PackedKind
    attrs: Mapping[str, str]
    former_names: tuple[str, ...] = ()
    """As older files call it."""


AXES: Mapping[str, FileAxis] = {axis.name: axis for axis in (
    FileAxis("threshold", {**_DBZ, "long_name": "radar reflectivity that is reached or exceeded"}),
    FileAxis("member", {"standard_name": "realization", "long_name": "member of the ensemble", "units": "1"},
             dtype="i4"),
)}

_FRAMES = ("lead_time", "y", "x")
VARIABLES: Mapping[str, FileVariable] = {variable.name: variable for variable in (
    FileVariable(NAME, _FRAMES, REFLECTIVITY, {
        **_DBZ, "long_name": "radar reflectivity, forecast",
        "comment": "-32 dBZ: no echo expected; _FillValue: nothing can be known, because nothing was observed "
                   "where it comes from",
    }),
    FileVariable(PROBABILITY, ("threshold", *_FRAMES), PROBABILITIES,
                 {"long_name": "probability that reflectivity reaches the threshold", "units": "1"},
                 former_names=("probability_of_exceedance",)),
    FileVariable(MEMBERS, ("member", *_FRAMES), REFLECTIVITY,
                 {**_DBZ, "long_name": "radar reflectivity, equally likely members of an ensemble",
                  "comment": "-32 dBZ: no echo"}),
)}
