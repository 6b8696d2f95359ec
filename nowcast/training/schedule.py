"""The learning rate over a run: warm-up, then constant or one of the ways to fall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nowcast.core.errors import SettingsError
from nowcast.training.validation import is_better


@dataclass
class Plateau:
    """Where validation stopped getting better: part of what a checkpoint keeps to go on from."""

    best: float | None = None
    waited: int = 0
    """Validations in a row without a better one."""
    times: int = 0
    """How often the rate was lowered."""

    def validated(self, score: float, monitor: str, patience: int) -> None:
        """Take in a validation; after more than ``patience`` without a better one the rate is lowered."""
        if is_better(score, self.best, monitor):
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited > patience:
            self.waited, self.times = 0, self.times + 1


@dataclass(frozen=True)
class LearningRate:
    """The learning rate of the optimiser as a function of the iteration and of the share of the budget used.

    Why a function, not a scheduler with a state: a resumed run has the rate of the unbroken one.

    Source of the defaults: MotionRNN's script, Adam at 3e-4 without schedule. (LMC-Memory: 2e-4, constant.
    ASTM's group: 1e-3, exponential.)
    """

    start: float = 3e-4
    """The highest rate of all schedules."""
    schedule: Literal["constant", "cosine", "exponential", "one_cycle", "plateau"] = "constant"
    """one_cycle: up and down again, each half a wave of the cosine (the momentum stays as it is). plateau:
    lower by ``factor`` whenever validation is no longer better."""
    warmup: int = 0
    """Iterations over which the rate rises linearly from 0."""
    floor_share: float = 0.0
    """cosine and one_cycle end at this share of ``start``; plateau does not fall below it."""
    factor: float = 0.9
    """exponential and plateau: by this ... Source: the scripts of ASTM's group."""
    factor_every: int = 2_000
    """... after every so many iterations ..."""
    factor_after: int = 50_000
    """... beyond this one."""
    initial_share: float = 0.04
    """one_cycle: rise from this share of ``start`` ..."""
    rise_share: float = 0.3
    """... over this share of the budget. Source: Smith and Topin (2019), Super-Convergence; torch's values."""
    patience: int = 10
    """plateau: so many validations in a row may be no better. Source: torch's value."""

    def __post_init__(self) -> None:
        if (
            not self.start > 0
            or min(self.warmup, self.factor_after, self.patience) < 0
            or self.factor_every < 1
        ):
            raise SettingsError(
                f"training.learning_rate: got start={self.start}, warmup={self.warmup}, "
                f"factor_every={self.factor_every}, factor_after={self.factor_after}, "
                f"patience={self.patience}, expected start and factor_every above 0, the others 0 or more"
            )
        shares = ("floor_share", "factor", "initial_share", "rise_share")
        may_be_zero = ("floor_share", "initial_share")
        for name in shares:
            value = getattr(self, name)
            if not 0 <= value <= 1 or (value == 0 and name not in may_be_zero):
                least = "0 or more" if name in may_be_zero else "above 0"
                raise SettingsError(f"training.learning_rate.{name}: got {value}, expected {least}, at most 1")

    def at(self, iteration: int, progress: float, lowered: int = 0) -> float:
        """The rate of one iteration.

        Args:
            iteration: counted from 1.
            progress: share of the budget that is used up before it, [0, 1].
            lowered: how often validation had come to a plateau, see `Plateau`.
        """
        warm = min(1.0, iteration / self.warmup) if self.warmup else 1.0
        return self.start * warm * self._share(iteration, min(max(progress, 0.0), 1.0), lowered)

    def _share(self, iteration: int, progress: float, lowered: int) -> float:
        if self.schedule == "cosine":
            return _half_wave(1.0, self.floor_share, progress)
        if self.schedule == "one_cycle":
            if progress < self.rise_share:
                return _half_wave(self.initial_share, 1.0, progress / self.rise_share)
            left = 1.0 - self.rise_share
            return _half_wave(1.0, self.floor_share, (progress - self.rise_share) / left if left else 0.0)
        if self.schedule == "exponential":
            return float(self.factor ** (max(0, iteration - self.factor_after) // self.factor_every))
        if self.schedule == "plateau":
            return max(self.floor_share, float(self.factor**lowered))
        return 1.0


def _half_wave(first: float, last: float, progress: float) -> float:
    """Go from one value to another along half a wave of the cosine."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * progress))
