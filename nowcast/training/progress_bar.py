"""The bar of a training: pace, time left, loss of training and of validation apart, the best so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

_SMOOTHING = 0.1
"""Weight of the newest iteration in the pace that is shown."""
Scores = Mapping[str, float]
"""Name of a score of validation -> its value."""
Best = Mapping[str, Any] | None
"""``score`` and ``iteration`` of the best validation."""


class TrainingBar:
    """A bar on standard error over the budget of a run, by iterations or by the clock, whatever ends it.

    Args:
        monitor: the score of validation that chooses the best checkpoint.
        done: share of the budget that is used up, of a run that is resumed.
        shown: False shows nothing.
        clock: seconds; a test sets its own.
    """

    def __init__(
        self, monitor: str, done: float, shown: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._monitor, self._clock = monitor, clock
        self._last, self._pace = clock(), math.nan
        self._number, self._loss = 0, math.nan
        self._bar = tqdm(
            initial=100.0 * done,
            total=100,
            unit="%",
            desc="training",
            disable=not shown,
            dynamic_ncols=True,
            smoothing=0,  # time left from all of this run: validations come and go
            bar_format="{desc}: {percentage:3.0f}%|{bar:6}| {elapsed}<{remaining}{postfix}",
        )

    def iteration(self, number: int, done: float, loss: float, scores: Scores, best: Best) -> None:
        """Show the state after an iteration.

        Args:
            number: of the iteration, from 1.
            done: share of the budget.
            loss: of this iteration.
            scores: of the last validation; NaN, or no score, shows nothing.
            best: ``score`` and ``iteration`` of the best validation, None before the first.
        """
        now = self._clock()
        seconds, self._last = now - self._last, now
        known = math.isfinite(self._pace)
        self._pace = self._pace + _SMOOTHING * (seconds - self._pace) if known else seconds
        self._number, self._loss = number, loss
        self._bar.set_postfix_str(self._told(scores, best), refresh=False)
        self._bar.update(100.0 * done - self._bar.n)

    def validating(self) -> None:
        """Show that a validation runs."""
        self._bar.set_description_str("validating")

    def validated(self, scores: Scores, best: Best) -> None:
        """Show what was found and go on; a validation does not count as an iteration's time."""
        self._last = self._clock()
        self._bar.set_description_str("training", refresh=False)
        self._bar.set_postfix_str(self._told(scores, best))

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()

    def _told(self, scores: Scores, best: Best) -> str:
        """What matters most stands first: a terminal cuts what does not fit."""
        parts = [f"{self._number}" + (f" at {pace(self._pace)}" if math.isfinite(self._pace) else "")]
        known = {name: f"{value:.4f}" for name, value in scores.items() if math.isfinite(value)}
        if math.isfinite(self._loss):
            parts.append(f"training loss {self._loss:.4f}")
        if "loss" in known:
            parts.append(f"validation {known.pop('loss')}")
        if best is not None and math.isfinite(best["score"]):
            parts.append(f"best {self._monitor} {best['score']:.4f} at {best['iteration']}")
        return ", ".join([*parts, *(f"{name} {value}" for name, value in known.items())])


def pace(seconds: float) -> str:
    """How fast iterations of so many seconds are: by the second, or seconds for one where they are slower."""
    return f"{1 / seconds:.1f} it/s" if 0 < seconds < 1 else f"{seconds:.1f} s/it"
