"""How often it came when such a probability was given: what a calibrated forecast carries, at places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.times import minutes
from nowcast.postprocessing.places.labels import FROM_MODEL
from nowcast.postprocessing.reliability import EDGES, reliability_of


def with_reliability(found: xr.Dataset) -> xr.Dataset:
    """Add ``verified_frequency`` and ``verified_cases`` (threshold, lead_time, place) of the probabilities.

    Those of single cells alone: the table counts pixels, and says nothing of areas. Each is looked up as
    `ReliabilityTable.at` does, all places at once.

    Raises:
        SettingsError: a forecast whose table cannot be read.
    """
    table = reliability_of(found.attrs)
    if table is None or "exceedance_probability" not in found:
        return found
    given = found["exceedance_probability"].values
    k = _nearest(table.thresholds_dbz, found["threshold"].values)
    s = _nearest(table.lead_minutes, np.array([minutes(lead) for lead in found["lead_time"].values]))
    of_cells = np.isfinite(given) & (found["probability_source"].values == FROM_MODEL)
    bins = np.searchsorted(EDGES, np.where(of_cells, given, 0.0), side="right")
    place = k[:, None, None], s[None, :, None], bins
    cases = np.where(of_cells, np.array(table.cases)[place], 0.0)
    came = np.where(cases >= 1, np.array(table.observed)[place], np.nan)
    dims = ("threshold", "lead_time", "place")
    return found.assign(
        verified_frequency=(dims, came, {"long_name": "how often it came when such a probability was given"}),
        verified_cases=(dims, cases.astype(np.int64), {"long_name": "cases counted on validation days"}),
    )


def _nearest(known: tuple[float, ...], wanted: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    return np.asarray(np.abs(np.array(known)[None] - wanted[:, None]).argmin(axis=1))
