"""The learning rate over a run: warm-up, then constant, cosine or exponential."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nowcast.core.errors import SettingsError


@dataclass(frozen=True)
class LearningRate:
    """The learning rate of Adam as a function of the iteration and of the share of the budget used.

    Source of the defaults: MotionRNN's script, Adam at 3e-4 without schedule. (LMC-Memory: 2e-4, constant.
    ASTM's group: 1e-3, exponential.)
    """

    start: float = 3e-4
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    warmup: int = 0
    """Iterations over which the rate rises linearly from 0."""
    floor_share: float = 0.0
    """cosine ends at this share of ``start``."""
    factor: float = 0.9
    """exponential: by this ... Source: the scripts of ASTM's group."""
    factor_every: int = 2_000
    """... after every so many iterations ..."""
    factor_after: int = 50_000
    """... beyond this one."""

    def __post_init__(self) -> None:
        if not self.start > 0 or self.warmup < 0 or self.factor_every < 1 or self.factor_after < 0:
            raise SettingsError(
                f"training.learning_rate: got start={self.start}, warmup={self.warmup}, "
                f"factor_every={self.factor_every}, factor_after={self.factor_after}, expected start and "
                "factor_every above 0, the others 0 or more"
            )
        if not 0 <= self.floor_share <= 1 or not 0 < self.factor <= 1:
            raise SettingsError(
                f"training.learning_rate: got floor_share={self.floor_share}, factor={self.factor}, "
                "expected shares of 1"
            )

    def at(self, iteration: int, progress: float) -> float:
        """The rate of one iteration.

        Args:
            iteration: counted from 1.
            progress: share of the budget that is used up before it, [0, 1].
        """
        warm = min(1.0, iteration / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            half_wave = 0.5 * (1.0 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))
            return self.start * warm * (self.floor_share + (1.0 - self.floor_share) * half_wave)
        if self.schedule == "exponential":
            times = max(0, iteration - self.factor_after) // self.factor_every
            return self.start * warm * float(self.factor**times)
        return self.start * warm
