"""Decide on events: the reflectivity of a forecast whose events are those that decision thresholds call.

Dimensions: K thresholds, S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from nowcast.core.errors import SettingsError, complain
from nowcast.core.field import HIGHEST_DBZ, NAME, PROBABILITY
from nowcast.core.scaling import NO_ECHO_DBZ
from nowcast.core.stripes import in_stripes
from nowcast.forecasters.decision_thresholds import DecisionThresholds

Array = npt.NDArray[np.float32]
ABOVE_LAST_DB = 1.0
"""How far above the last threshold a pixel is put that exceeds it: nothing is known of how far it is
above, and nothing is extrapolated; the step keeps the event when the field is stored to half a dB."""


EVEN_ODDS = 0.5
"""The decision threshold of a forecaster of probabilities that nobody has calibrated."""


def decide(forecast: xr.Dataset, thresholds: DecisionThresholds) -> xr.Dataset:
    """Return a forecast whose reflectivity calls events at these decision thresholds.

    The same for baselines and networks: a pixel reaches an event's threshold exactly where the forecast
    reaches the decision threshold for that event and lead time. Those of probabilities make reflectivity
    anew (`dbz_from_probabilities`); those in dBZ map it (`recalibrate_dbz`). Probabilities stay as they are.

    Args:
        forecast: what a forecaster returns.
        thresholds: made for this forecaster.

    Raises:
        SettingsError: decision thresholds of probabilities that the forecast does not hold, or in dBZ for
            reflectivity that some were applied to already.
    """
    values = thresholds.at(forecast["lead_time"].values)
    if thresholds.kind == "probability":
        known = tuple(forecast["threshold"].values.tolist()) if PROBABILITY in forecast else ()
        if thresholds.thresholds_dbz != known:
            made, own = (
                ", ".join(f"{t:g}" for t in some) + " dBZ" if some else "none"
                for some in (thresholds.thresholds_dbz, known)
            )
            raise SettingsError(
                complain(
                    f"decision thresholds of {thresholds.model}",
                    f"those of probabilities of reaching {made}",
                    f"{own}, as the model forecasts",
                    "calibrate it again",
                )
            )
        dbz = dbz_from_probabilities(forecast[PROBABILITY].values, known, values)
    elif forecast.attrs.get("decision_thresholds"):
        raise SettingsError(
            complain(
                f"decision thresholds of {thresholds.model}",
                "a forecast that some were applied to",
                "the forecast itself",
                "apply them once",
            )
        )
    else:
        dbz = recalibrate_dbz(forecast[NAME].values, values, thresholds.thresholds_dbz)
    decided = forecast.assign({NAME: forecast[NAME].copy(data=dbz)})
    return decided.assign_attrs(decision_thresholds=str(thresholds))


@dataclass(frozen=True)
class Decision:
    """`decide` as a post-processing step."""

    thresholds: DecisionThresholds
    name: ClassVar[str] = "decision thresholds"
    past: ClassVar[int] = 0

    def apply(self, forecast: xr.Dataset, observed: xr.DataArray) -> xr.Dataset:
        """Decide; what was observed is not looked at."""
        del observed
        return decide(forecast, self.thresholds)


def dbz_from_probabilities(
    probabilities: npt.NDArray[np.floating],
    thresholds_dbz: Sequence[float] | npt.NDArray[np.floating],
    decision_thresholds: npt.ArrayLike = EVEN_ODDS,
) -> Array:
    """Return the dBZ field that exceeds a threshold where its probability reaches the decision threshold.

    For the largest k with p_k >= d_k the value lies between thresholds k and k + 1, at the share
    (p_k - d_k) / ((p_k - d_k) + (d_{k+1} - p_{k+1})) of the way: a pixel that barely exceeds k comes out
    at k, one that barely fails k + 1 just under it. Above the last threshold it is that threshold plus
    `ABOVE_LAST_DB`; where not even the first is exceeded it is no echo.

    So the result is at or above threshold j exactly where p_k >= d_k for some k >= j. As probabilities
    fall with the threshold that is where p_j >= d_j, unless decision thresholds fall faster than
    probabilities; then the stronger event includes the weaker one.

    Args:
        probabilities: (K, S, H, W) of reaching each threshold; NaN, at any threshold, is not observed.
        thresholds_dbz: K rising thresholds.
        decision_thresholds: one for all, (K,) or (K, S), above 0; one above 1 is never reached.

    Returns:
        (S, H, W) float32 dBZ; `NO_ECHO_DBZ` and NaN as in a field.

    Raises:
        SettingsError: shapes that do not belong together, thresholds that do not rise, or a decision
            threshold that is NaN or not above 0.
    """
    thresholds = np.asarray(thresholds_dbz, np.float32)
    if probabilities.ndim != 4 or thresholds.shape != probabilities.shape[:1] or not len(thresholds):
        raise SettingsError(
            complain(
                "probabilities, thresholds",
                f"shapes {probabilities.shape} and {thresholds.shape}",
                "(threshold, lead time, y, x) and as many thresholds",
                "correct the caller",
            )
        )
    if not (np.diff(thresholds) > 0).all():
        raise SettingsError(
            complain(
                "thresholds of probabilities",
                ", ".join(f"{t:g}" for t in thresholds),
                "rising dBZ",
                "sort them",
            )
        )
    decision = _as_table(decision_thresholds, *probabilities.shape[:2])
    dbz = np.empty(probabilities.shape[1:], np.float32)
    for lead in range(probabilities.shape[1]):
        for part, given in zip(in_stripes(dbz[lead]), in_stripes(probabilities[:, lead]), strict=True):
            part[:] = _one_lead(np.asarray(given, np.float32), thresholds, decision[:, lead])
    return dbz


def _as_table(values: npt.ArrayLike, thresholds: int, lead_times: int) -> Array:
    """Decision thresholds as (K, S): one for all, (K,) one for each threshold, or (K, S) as they are."""
    given = np.asarray(values, np.float32)
    if given.ndim == 1:
        given = given[:, None]
    try:
        decision = np.broadcast_to(given, (thresholds, lead_times))
    except ValueError as error:
        raise SettingsError(
            complain(
                "decision thresholds",
                f"shape {given.shape}",
                f"({thresholds}, {lead_times}) for thresholds and lead times",
                "take those made for this network",
            )
        ) from error
    if not (decision > 0).all():
        raise SettingsError(
            complain(
                "decision thresholds",
                f"{decision.min():g}",
                "probabilities above 0",
                "use one above 1 for an event that is never forecast",
            )
        )
    return decision


def _one_lead(probabilities: Array, thresholds: Array, decision: Array) -> Array:
    """The dBZ (H, W) of probabilities (K, H, W), from the weakest threshold to the strongest."""
    dbz = np.full(probabilities.shape[1:], NO_ECHO_DBZ, np.float32)
    last = len(thresholds) - 1
    for k, low in enumerate(thresholds):
        over = probabilities[k] - decision[k]
        if k == last:
            value: Array = np.full_like(over, low + np.float32(ABOVE_LAST_DB))
        else:
            high = thresholds[k + 1]
            short = np.maximum(decision[k + 1] - probabilities[k + 1], np.float32(1e-9))
            share = np.maximum(over, 0) / (np.maximum(over, 0) + short)
            value = np.minimum(low + share * (high - low), np.nextafter(high, low))
        np.copyto(dbz, value, where=over >= 0)
    dbz[np.isnan(probabilities).any(axis=0)] = np.nan
    return dbz


def recalibrate_dbz(
    dbz: npt.NDArray[np.floating], decision_thresholds: npt.ArrayLike, thresholds_dbz: npt.ArrayLike
) -> Array:
    """Map dBZ so that exactly what is at or above a decision threshold is at or above the event's threshold.

    Linear between decision thresholds, and from the outer ones to no echo and to the highest dBZ there is,
    which stay what they are, as NaN does. Of several events with one decision threshold, all are reached
    together.

    Args:
        dbz: (S, H, W).
        decision_thresholds: (K, S), never falling with the threshold.
        thresholds_dbz: K, rising.

    Returns:
        (S, H, W) float32.
    """
    steps, steps_to = (np.asarray(a, np.float32) for a in (decision_thresholds, thresholds_dbz))
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
