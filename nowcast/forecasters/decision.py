"""dBZ out of probabilities of exceedance: the field whose events are those the decision levels choose.

Letters: K thresholds, S lead times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError, complain
from nowcast.core.scaling import NO_ECHO_DBZ

Array = npt.NDArray[np.float32]
ABOVE_LAST_DB = 1.0
"""How far above the last threshold a pixel is put that exceeds it: nothing is known of how far it is
above, and nothing is extrapolated; the step keeps the event when the field is stored to half a dB."""


def rebuild_dbz(
    probabilities: npt.NDArray[np.floating],
    thresholds_dbz: Sequence[float] | npt.NDArray[np.floating],
    levels: npt.ArrayLike = 0.5,
) -> Array:
    """Give the dBZ field that exceeds a threshold where its probability reaches the decision level.

    For the largest k with p_k >= d_k the value lies between thresholds k and k + 1, at the share
    (p_k - d_k) / ((p_k - d_k) + (d_{k+1} - p_{k+1})) of the way: a pixel that barely exceeds k comes out
    at k, one that barely fails k + 1 just under it. Above the last threshold it is that threshold plus
    `ABOVE_LAST_DB`; where not even the first is exceeded it is no echo.

    So the result is at or above threshold j exactly where p_k >= d_k for some k >= j. As probabilities
    fall with the threshold that is where p_j >= d_j, unless levels fall faster than probabilities; then
    the stronger event includes the weaker one.

    Args:
        probabilities: (K, S, H, W) of reaching each threshold; NaN, at any threshold, is not observed.
        thresholds_dbz: K rising thresholds.
        levels: one for all, (K,) or (K, S), above 0; one above 1 is never reached.

    Returns:
        (S, H, W) float32 dBZ; `NO_ECHO_DBZ` and NaN as in a field.

    Raises:
        SettingsError: shapes that do not belong together, thresholds that do not rise, or a level that
            is NaN or not above 0.
    """
    thresholds = np.asarray(thresholds_dbz, np.float32)
    if probabilities.ndim != 4 or thresholds.shape != probabilities.shape[:1] or not len(thresholds):
        raise SettingsError(
            complain("rebuild: probabilities, thresholds",
                     f"shapes {probabilities.shape} and {thresholds.shape}",
                     "(threshold, lead time, y, x) and as many thresholds", "correct the caller")
        )
    if not (np.diff(thresholds) > 0).all():
        raise SettingsError(
            complain("rebuild: thresholds", ", ".join(f"{t:g}" for t in thresholds), "rising dBZ", "sort them")
        )
    decision = decision_levels(levels, probabilities.shape[0], probabilities.shape[1])
    dbz = np.empty(probabilities.shape[1:], np.float32)
    for lead in range(probabilities.shape[1]):
        dbz[lead] = _one_lead(np.asarray(probabilities[:, lead], np.float32), thresholds, decision[:, lead])
    return dbz


def decision_levels(levels: npt.ArrayLike, thresholds: int, leads: int) -> Array:
    """Give levels as (K, S): one for all, (K,) one for each threshold, or (K, S) as they are.

    Raises:
        SettingsError: another shape, or a level that is NaN or not above 0.
    """
    given = np.asarray(levels, np.float32)
    if given.ndim == 1:
        given = given[:, None]
    try:
        decision = np.broadcast_to(given, (thresholds, leads))
    except ValueError as error:
        raise SettingsError(
            complain("decision levels", f"shape {given.shape}",
                     f"({thresholds}, {leads}) for thresholds and lead times",
                     "take levels made for this network")
        ) from error
    if not (decision > 0).all():
        raise SettingsError(
            complain("decision levels", f"{decision.min():g}", "probabilities above 0",
                     "use one above 1 for an event that is never forecast")
        )
    return decision


def _one_lead(probabilities: Array, thresholds: Array, levels: Array) -> Array:
    """Rebuild (K, H, W) into (H, W), from the weakest threshold to the strongest."""
    dbz = np.full(probabilities.shape[1:], NO_ECHO_DBZ, np.float32)
    last = len(thresholds) - 1
    for k, low in enumerate(thresholds):
        over = probabilities[k] - levels[k]
        if k == last:
            value: Array = np.full_like(over, low + np.float32(ABOVE_LAST_DB))
        else:
            high = thresholds[k + 1]
            short = np.maximum(levels[k + 1] - probabilities[k + 1], np.float32(1e-9))
            share = np.maximum(over, 0) / (np.maximum(over, 0) + short)
            value = np.minimum(low + share * (high - low), np.nextafter(high, low))
        np.copyto(dbz, value, where=over >= 0)
    dbz[np.isnan(probabilities).any(axis=0)] = np.nan
    return dbz
