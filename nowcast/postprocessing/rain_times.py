"""When rain begins and ends: by one field, by probabilities, or by the members of an ensemble.

A lead time counts as wet or not; rain begins at the first wet one and ends at the first dry one after the
last wet one, pauses between included. Dimensions: N members, S lead times, P places.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Wet = npt.NDArray[np.bool_]
Leads = npt.NDArray[np.timedelta64]
NEVER = np.timedelta64("NaT", "ns")


class RainTimes(NamedTuple):
    """Times from the forecast reference time; NaT is never within the forecast."""

    begins: Leads
    ends: Leads


class SpreadTimes(NamedTuple):
    """What an ensemble says of begin and end."""

    median: RainTimes
    """NaT where fewer than half of the members have rain."""
    probability: npt.NDArray[np.float64]
    """Share of the members with rain at any lead time."""
    quantiles: RainTimes
    """(Q, P), of the members with rain; NaT where there are none, or where it goes on beyond the forecast."""


def first_wet(wet: Wet, axis: int = -1) -> npt.NDArray[np.intp]:
    """Index of the first wet lead time along an axis; the number of lead times where none is."""
    return np.asarray(np.where(wet.any(axis=axis), wet.argmax(axis=axis), wet.shape[axis]))


def first_dry_after(wet: Wet, axis: int = -1) -> npt.NDArray[np.intp]:
    """Index of the first lead time after the last wet one; the number of lead times where the last is wet."""
    reach = wet.shape[axis] - np.flip(wet, axis).argmax(axis=axis)
    return np.asarray(np.where(wet.any(axis=axis), reach, wet.shape[axis]))


def rain_times(wet: Wet, leads: Leads) -> RainTimes:
    """Begin and end of rain (P) by what is wet (S, P)."""
    return RainTimes(_at(leads, first_wet(wet, 0)), _at(leads, first_dry_after(wet, 0)))


def spread_times(wet: Wet, leads: Leads, quantiles: npt.NDArray[np.floating]) -> SpreadTimes:
    """Begin and end of rain by the members (N, S, P) of an ensemble.

    Quantiles are those of the members with rain, each a time that a member has (no means between two).
    """
    raining = np.asarray(wet.any(axis=1))
    probability = raining.mean(axis=0)
    begins, ends = first_wet(wet, 1), first_dry_after(wet, 1)
    of_rain = [_quantile(index, raining, quantiles) for index in (begins, ends)]
    middle = [_quantile(index, raining, np.array([0.5]))[0] for index in (begins, ends)]
    likely = probability >= 0.5
    never = len(leads)
    return SpreadTimes(
        RainTimes(*(_at(leads, np.where(likely, index, never)) for index in middle)),
        probability,
        RainTimes(*(_at(leads, index) for index in of_rain)),
    )


def _quantile(
    index: npt.NDArray[np.intp], raining: Wet, quantiles: npt.NDArray[np.floating]
) -> npt.NDArray[np.intp]:
    """Quantiles (Q, P) of indices (N, P) of the raining members: the smallest that enough are at or below."""
    never = np.iinfo(np.intp).max
    ordered = np.sort(np.where(raining, index, never), axis=0)
    count = raining.sum(axis=0)
    # As many as the quantile asks for, less a little that rounding adds: 0.1 of 10 is the first.
    place = np.ceil(quantiles[:, None] * count - 1e-9).astype(np.intp) - 1
    return np.take_along_axis(ordered, np.clip(place, 0, np.maximum(count - 1, 0)), axis=0)


def _at(leads: Leads, index: npt.NDArray[np.intp]) -> Leads:
    """Lead times by index, NaT beyond the last."""
    known = index < len(leads)
    return np.where(known, leads[np.where(known, index, 0)], NEVER).astype("timedelta64[ns]")
