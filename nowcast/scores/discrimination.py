"""How well probabilities tell events apart, and what that is worth: ROC and economic value.

Forecasts as in `nowcast.scores.probabilistic`: counts by class of probability. Dimensions: S lead times, B
classes, R cost/loss ratios.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import Floats, largest, ratio
from nowcast.scores.probability_classes import ProbabilityClasses


class Roc(NamedTuple):
    """The points of a ROC curve, each (B + 1, S): from acting on any probability to never acting."""

    detection: Floats
    """Hit rate, the share of events for which the probability was reached."""
    false_detection: Floats
    """False alarm rate, the share of non-events for which it was."""


@dataclass(frozen=True)
class RocArea(ProbabilityClasses):
    """Area under the ROC curve: 1 is best, .5 is a forecast that cannot tell events from others.

    Hit rate against false alarm rate for each probability at which a class begins, straight lines between. So
    it is the chance that an event had a higher probability than a non-event, with those of one class even. It
    does not see whether probabilities are reliable.

    Source: Mason 1982 (Aust. Met. Mag. 30); Wilks, Statistical Methods, ch. 8.
    """

    name: ClassVar[str] = "roc_area"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was observed always, never, or nothing was."""
        events, others = sums["events"], sums["pixels"] - sums["events"]
        all_events, all_others = events.sum(-1), others.sum(-1)
        above = all_events[..., None] - events.cumsum(-1)
        return ratio((others * (above + events / 2)).sum(-1), all_events * all_others)

    def curve(self, sums: Mapping[str, Any]) -> Roc:
        """The points of the curve; sums of several lead times may be pooled."""
        return _rates(sums)


@dataclass(frozen=True)
class EconomicValue(ProbabilityClasses):
    """Relative economic value at the cost/loss ratio that has most of it; 1 is best, 0 is climatology.

    A user pays C to be protected or else loses L when the event comes; the value is what is saved against
    acting always or never (whichever climatology says), as a share of what perfect forecasts would save, where
    the user acts on the best probability. It is largest at C/L = frequency of the event, where it is the
    largest hit rate less false alarm rate. `curve` has the value for any C/L.

    Source: Richardson 2000 (Q. J. R. Meteorol. Soc. 126), eqs. 8 and 9.
    """

    name: ClassVar[str] = "economic_value"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was observed always, never, or nothing was."""
        events, others = sums["events"], sums["pixels"] - sums["events"]
        all_events, all_others = (part.sum(-1)[..., None] for part in (events, others))
        reached = [all_ - part.cumsum(-1) for part, all_ in ((events, all_events), (others, all_others))]
        gain = ratio(reached[0], all_events) - ratio(reached[1], all_others)
        return largest(gain)

    def curve(self, sums: Mapping[str, Any], cost_loss: npt.ArrayLike) -> Floats:
        """The value for each cost/loss ratio, acting on the probability that is best for it: (R, S).

        Raises:
            SettingsError: a ratio that is not between 0 and 1.
        """
        ratios = np.asarray(cost_loss, np.float64)[:, None, None]
        if not ((ratios > 0) & (ratios < 1)).all():
            raise SettingsError(f"cost/loss: got {ratios.ravel().tolist()}, expected ratios between 0 and 1")
        detection, false_detection = _rates(sums)
        frequency = np.asarray(ratio(sums["events"].sum(-1), sums["pixels"].sum(-1)))
        climate = np.minimum(ratios, frequency)
        acted = false_detection * (1 - frequency) + detection * frequency
        expense = ratios * acted + frequency * (1 - detection)
        return np.asarray(ratio(climate - expense, climate - ratios * frequency).max(axis=1))


def _rates(sums: Mapping[str, Any]) -> Roc:
    events, pixels = (np.asarray(sums[name], np.float64).T for name in ("events", "pixels"))
    rates = []
    for counts in (events, pixels - events):
        reached = np.concatenate([counts[::-1].cumsum(axis=0)[::-1], np.zeros_like(counts[:1])])
        rates.append(np.asarray(ratio(reached, reached[:1])))
    return Roc(*rates)
