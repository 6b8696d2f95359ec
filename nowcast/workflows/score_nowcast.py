"""One initialisation time: forecast by every forecaster and count against what was observed.

What comes out adds up: a verification merges it in the order of initialisation times, whoever counted it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from nowcast.archive.thinned import RadarFrames
from nowcast.core.field import NAME, PROBABILITY
from nowcast.core.times import Times
from nowcast.evaluation.period import PeriodScores
from nowcast.forecasters.base import Forecaster, LeadTimes
from nowcast.postprocessing.base import PostProcessing
from nowcast.report.content import Case
from nowcast.workflows.forecast import Made, forecast_with_past, postprocess
from nowcast.workflows.truth import read_truth


class Reading(NamedTuple):
    """One way to call the events of a forecaster; readings of one forecaster share its forecast."""

    forecaster: Forecaster
    post: tuple[PostProcessing, ...] = ()
    """Steps after the forecast; none takes it as it is."""


class ScoredNowcast(NamedTuple):
    """What was counted from one initialisation time."""

    scores: dict[str, PeriodScores]
    """By name of the reading, of this nowcast alone."""
    metadata: dict[str, dict[str, str]]
    """By name of the reading, what made its forecast."""
    case: Case | None
    """Its fields, where they are to be shown."""


@dataclass(frozen=True)
class NowcastScorer:
    """Scores nowcasts, each by itself; can be sent to another process.

    Attributes:
        archive: where the frames are, at the step of all forecasters.
        readings: forecasters and how their events are called, by name.
        leads: lead times.
        past: past frames of a window.
        empty: makes the sums that nowcasts are added to.
        shown: forecast reference times of which the fields are kept.
        drawn: thresholds of which probabilities are kept with them.
    """

    archive: RadarFrames
    readings: Mapping[str, Reading]
    leads: LeadTimes
    past: int
    empty: Callable[[], PeriodScores]
    shown: tuple[np.datetime64, ...] = ()
    drawn: tuple[float, ...] = ()

    def __call__(self, times: Times) -> ScoredNowcast:
        """Score the nowcast of one window: ``times`` are its past frames and those of the lead times.

        A lead time without a frame counts as not observed anywhere, so that it adds nothing to any score.
        """
        past = self.past
        reference_time = times[past - 1]
        truth = read_truth(self.archive, times[past:])
        found = ScoredNowcast({name: self.empty() for name in self.readings}, {}, None)
        fields: dict[str, xr.DataArray] = {}
        probabilities: dict[str, xr.DataArray] = {}
        for name, coming, seconds in self._forecasts(reference_time):
            found.scores[name].add(coming, truth.values, seconds)
            found.metadata[name] = {str(k): str(v) for k, v in coming.attrs.items()}
            fields[name] = coming[NAME]
            if reference_time in self.shown and PROBABILITY in coming:
                known = coming[PROBABILITY]
                probabilities[name] = known[np.isin(known["threshold"], self.drawn)]
            del coming
        if reference_time not in self.shown:
            return found
        before = self.archive.read(times[:past])
        return found._replace(
            case=Case(reference_time, before, fields, truth.field, probabilities=probabilities)
        )

    def _forecasts(self, reference_time: np.datetime64) -> Iterator[tuple[str, xr.Dataset, float]]:
        """Forecast once by each forecaster and read it in each way: (name, forecast, seconds).

        One forecaster after the other, so that the members of one are gone before those of the next are made. A
        first step that several readings of a forecaster share is done once.
        """
        made: dict[int, Made] = {}
        count = max((step.past for reading in self.readings.values() for step in reading.post), default=0)
        first = {id(reading.forecaster): i for i, reading in reversed(list(enumerate(self.readings.values())))}
        together = sorted(self.readings.items(), key=lambda item: first[id(item[1].forecaster)])
        for name, (forecaster, post) in together:
            began = time.perf_counter()
            if id(forecaster) not in made:
                made = {
                    id(forecaster): forecast_with_past(
                        self.archive, forecaster, reference_time, self.leads, count=count
                    )
                }  # and what was made by the one before is let go
            begun, left = made[id(forecaster)], post
            if self._shared(forecaster, post):
                if id(post[0]) not in made:
                    made[id(post[0])] = begun._replace(forecast=postprocess(begun, post[:1]))
                begun, left = made[id(post[0])], post[1:]
            coming = postprocess(begun, left)
            yield name, coming, time.perf_counter() - began
            del coming, begun

    def _shared(self, forecaster: Forecaster, post: tuple[PostProcessing, ...]) -> bool:
        """Whether another reading of this forecaster begins with the same step."""
        alike = [r for r in self.readings.values() if r.forecaster is forecaster and r.post and post]
        return sum(reading.post[0] is post[0] for reading in alike) > 1
