"""Brier score of probabilities, its uncertainty, and skill against climatology.

A forecast here is the probability that reflectivity reaches ``threshold_dbz``, in [0, 1]; what was
observed is dBZ. A pixel that was not observed never counts; a pixel without a forecast (NaN) counts as
probability 0, as in `nowcast.scores.categorical`. Dimensions: S lead times, H rows, W columns, N frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nowcast.scores.arrays import Floats, ScoreError, by_frames, count_frames, pair, ratio, reaches
from nowcast.scores.base import Sums
from nowcast.scores.categorical import check_threshold

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ProbabilityScore:
    """A score of the probability of one event: reflectivity >= ``threshold_dbz``."""

    threshold_dbz: float
    reads: ClassVar[str] = "probability"

    def __post_init__(self) -> None:
        check_threshold(self.threshold_dbz)

    def _judged(self, probability: Any, observed: Any) -> tuple[Any, Mask, Mask]:
        """Probability without NaN, where the event was observed, and which pixels count, (N, H, W) each."""
        return known(probability), reaches(observed, self.threshold_dbz), ~np.isnan(observed)


@dataclass(frozen=True)
class BrierSums(ProbabilityScore):
    """What the Brier score and its skill are made of."""

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``squared``, ``events`` and ``pixels``, each (S,), of a probability (..., S, H, W)."""
        found = by_frames(self._frames, pair(forecast, observed), parts=3)
        return dict(zip(("squared", "events", "pixels"), found, strict=True))

    def fields(self, forecast: Any, observed: Any) -> Sums:
        """What each pixel adds to them, of numpy arrays."""
        probability, event, observed_mask = self._judged(forecast, observed)
        if probability.dtype == np.bool_:
            return {"squared": (probability ^ event) & observed_mask, "events": event, "pixels": observed_mask}
        errors = _errors(probability, event, observed_mask)
        return {"squared": np.square(errors, out=errors), "events": event, "pixels": observed_mask}

    def _frames(self, forecast: Any, observed: Any) -> Floats:
        probability, event, observed_mask = self._judged(forecast, observed)
        if probability.dtype == np.bool_:
            squared = count_frames((probability ^ event) & observed_mask).astype(np.float64)
        else:
            errors = _errors(probability, event, observed_mask)
            squared = np.array([np.vdot(error, error) for error in errors])
        return np.stack([squared, count_frames(event), count_frames(observed_mask)])


@dataclass(frozen=True)
class Brier(BrierSums):
    """Brier score: the mean squared difference of probability and event; 0 is best, 1 is worst.

    Source: Brier 1950 (Monthly Weather Review 78), for one of two categories.
    """

    name: ClassVar[str] = "brier"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        return brier(sums["squared"], sums["pixels"])


@dataclass(frozen=True)
class BrierSkill(BrierSums):
    """Brier skill score, 1 - Brier score / uncertainty; 1 is best, 0 no better than the climatology.

    The climatology is that of the sample: the frequency of the event in all that was verified, at this
    threshold and lead time. It is known only afterwards, so a forecast of it is a hard one to beat.

    Source: Wilks, Statistical Methods, ch. 8; Murphy 1973 (J. Applied Meteorology 12).
    """

    name: ClassVar[str] = "brier_skill"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where the event was observed always, never, or nothing was."""
        return brier_skill(sums["squared"], sums["events"], sums["pixels"])


@dataclass(frozen=True)
class Uncertainty(BrierSums):
    """Uncertainty of the event, f (1 - f) of its frequency f: the Brier score of the sample's climatology.

    Source: Murphy 1973 (J. Applied Meteorology 12), eq. 8. It says nothing of the forecast.
    """

    name: ClassVar[str] = "uncertainty"

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish; NaN where nothing was observed."""
        frequency = ratio(sums["events"], sums["pixels"])
        return frequency * (1 - frequency)


def brier(squared: Any, pixels: Any) -> Any:
    """Brier score from sums; NaN where there are no pixels."""
    return ratio(squared, pixels)


def brier_skill(squared: Any, events: Any, pixels: Any) -> Any:
    """Brier skill score from sums; NaN where the event was observed always, never, or nothing was."""
    return 1 - ratio(squared * pixels, events * (pixels - events))


def _errors(probability: Any, event: Mask, observed_mask: Mask) -> Floats:
    """Probability less event, 0 where nothing was observed."""
    errors = np.subtract(probability, event, dtype=np.float64)
    errors *= observed_mask
    return np.asarray(errors)


def known(probability: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities, 0 where they were NaN; True and False, which are certain, stay what they are.

    Raises:
        ScoreError: values outside [0, 1].
    """
    if probability.dtype == np.bool_ or not probability.size:
        return probability
    if probability.min() >= 0 and probability.max() <= 1:  # none is NaN
        return probability
    filled = np.where(np.isnan(probability), probability.dtype.type(0), probability)
    check_probability(filled)
    return filled


def check_probability(values: Floats) -> None:
    """Refuse what is no probability.

    Raises:
        ScoreError: values outside [0, 1].
    """
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ScoreError(
            f"probability: got values from {values.min():g} to {values.max():g}, expected [0, 1]; "
            "a forecast of dBZ is made one by nowcast.scores.probabilistic.certain"
        )


def certain(forecast: Any, threshold_dbz: float) -> Any:
    """Take a forecast of dBZ for one of probability: 1 where the threshold is reached, else 0."""
    return reaches(forecast, threshold_dbz) * 1.0
