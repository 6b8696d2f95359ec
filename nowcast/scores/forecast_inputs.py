"""One forecast as each metric reads it: dBZ, a probability, probabilities of several thresholds, or members.

What a forecast lacks is made of what it has, so that every forecast can be set beside every other: without
members it is one member; without the probability of a threshold that is the share of members which reach it;
without members either it is certain.
Dimensions: M members, K thresholds, S lead times, H rows, W columns.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from nowcast.scores.arrays import reaches
from nowcast.scores.base import Metric, reads
from nowcast.scores.probabilistic import certain


class ForecastInputs:
    """What is known of one forecast; made once a forecast, so that nothing is derived twice.

    Args:
        dbz: (..., S, H, W).
        probabilities: of reaching thresholds in dBZ, arrays of the same shape.
        members: (M, ..., S, H, W), equally likely.
    """

    def __init__(self, dbz: Any, probabilities: Mapping[float, Any] | None = None, members: Any = None) -> None:
        self._dbz, self._members = dbz, members
        self._probabilities = dict(probabilities or {})

    def of(self, metric: Metric) -> Any:
        """What this metric takes as its forecast."""
        kind = reads(metric)
        if kind == "members":
            return self._dbz if self._members is None else self._members
        if kind == "probability":
            return self._probability(getattr(metric, "threshold_dbz"))  # noqa: B009 - not every metric has one
        if kind == "ladder":
            return self._ladder(getattr(metric, "thresholds_dbz"))  # noqa: B009
        return self._dbz

    def _probability(self, threshold_dbz: float) -> Any:
        if threshold_dbz not in self._probabilities:
            if self._members is None:
                if type(self._dbz) is np.ndarray:  # True and False are counted faster than 1.0 and 0.0
                    return reaches(self._dbz, threshold_dbz)
                return certain(self._dbz, threshold_dbz)
            self._probabilities[threshold_dbz] = _share(self._members, threshold_dbz)
        return self._probabilities[threshold_dbz]

    def _ladder(self, thresholds_dbz: tuple[float, ...]) -> Any:
        if self._members is None and not set(thresholds_dbz) & set(self._probabilities):
            return self._dbz
        steps = [self._probability(t) for t in thresholds_dbz]
        tensors = type(steps[0]).__module__.partition(".")[0] == "torch"
        return sys.modules["torch"].stack(steps) if tensors else np.stack(steps)


def _share(members: Any, threshold_dbz: float) -> Any:
    """The share of members that reach a threshold, float32; one member at a time, for memory."""
    total = reaches(members[0], threshold_dbz) * 1.0
    for member in members[1:]:
        total = total + reaches(member, threshold_dbz)
    return total / len(members)
