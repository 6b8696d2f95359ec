"""Reverse scheduled sampling: how often a network that reads the past reads what was observed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nowcast.core.errors import SettingsError, complain


@dataclass(frozen=True)
class ReverseSampling:
    """From the second frame of the past on, the observed frame is read with a chance, else the own prediction.

    Why: reading the past and forecasting are then alike, and a network that cannot rely on the newest frame
    alone learns to keep what was before. The chance is ``start`` until iteration ``hold``, then grows, and is 1
    from ``stop`` on. Meanwhile the chance that a forecast step reads the true frame is at most ``start``.

    Source of the defaults: Wang et al., PredRNN-V2, TPAMI 2022, Moving MNIST.
    """

    start: float = 0.5
    hold: int = 25_000
    stop: int = 50_000
    growth: Literal["exponential", "sigmoid", "linear"] = "exponential"
    alpha: float = 5_000.0
    """Iterations over which the exponential and the sigmoid change by a factor e; the sigmoid's middle is that
    of ``hold`` and ``stop``."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= 1 or not 0 <= self.hold < self.stop or not self.alpha > 0:
            raise SettingsError(
                complain(
                    "training.sampling.reverse",
                    f"start={self.start:g}, hold={self.hold}, stop={self.stop}, alpha={self.alpha:g}",
                    "0 <= start <= 1, 0 <= hold < stop and alpha above 0",
                    "change them",
                )
            )

    def chance(self, iteration: float) -> float:
        """The chance that a frame of the past is read as it was observed."""
        if iteration < self.hold:
            return self.start
        if iteration >= self.stop:
            return 1.0
        since = iteration - self.hold
        if self.growth == "linear":
            grown = since / (self.stop - self.hold)
        elif self.growth == "sigmoid":
            middle = 0.5 * (self.stop - self.hold)
            grown = 1.0 / (1.0 + math.exp(min((middle - since) / self.alpha, 700.0)))
        else:
            grown = 1.0 - math.exp(-since / self.alpha)
        return self.start + (1.0 - self.start) * grown
