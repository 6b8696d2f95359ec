"""Sums of each nowcast by itself, of those scores whose differences get intervals.

Why: a bootstrap draws nowcasts again and again, so theirs must not be added up at once. They are small: some
numbers for each threshold and lead time, none for pixels.
Dimensions: N nowcasts, K thresholds, S lead times, B classes of probability; sums on the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nowcast.scores.arrays import Floats, ratio
from nowcast.scores.base import Metric
from nowcast.scores.confidence import pooled_csi
from nowcast.scores.evaluate import Tally
from nowcast.scores.probabilistic import brier_skill
from nowcast.scores.probability_classes import ProbabilityClasses


class Compared(NamedTuple):
    """A score whose differences between models get intervals."""

    parts: tuple[str, ...]
    """Names of its sums."""
    finish: Callable[[Floats], Floats]
    """From these sums on the last axis to the score."""
    of_events: bool = False
    """Whether there is one for each threshold."""


COMPARED: dict[str, Compared] = {
    "csi": Compared(("hits", "misses", "false_alarms"), pooled_csi, of_events=True),
    "brier_skill": Compared(
        ("squared", "events", "pixels"),
        lambda s: np.asarray(brier_skill(s[..., 0], s[..., 1], s[..., 2])),
        of_events=True,
    ),
    "crps": Compared(
        ("absolute", "between", "pixels"), lambda s: np.asarray(ratio(s[..., 0] - s[..., 1], s[..., 2]))
    ),
    "crps_fair": Compared(
        ("absolute", "between_fair", "pixels"), lambda s: np.asarray(ratio(s[..., 0] - s[..., 1], s[..., 2]))
    ),
    "crps_ladder": Compared(("integral", "pixels"), lambda s: np.asarray(ratio(s[..., 0], s[..., 1]))),
}
"""Lower is better for those that begin with ``crps``."""


class NowcastSums:
    """Of one model: the sums of each nowcast, for each compared score that is asked for."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._compared = {name: [m for m in metrics if m.name == name] for name in COMPARED}
        classes = {m.threshold_dbz: m for m in metrics if isinstance(m, ProbabilityClasses)}
        self._classes = list(classes.values())
        self._kept: dict[str, list[Any]] = {name: [] for name, found in self._compared.items() if found}
        if self._classes:
            self._kept[CLASSES] = []

    def add(self, own: Tally) -> None:
        """Keep the sums of one nowcast."""
        for name, kept in self._kept.items():
            if name == CLASSES:
                kept.append(np.stack([_pooled_classes(own.sums(metric)) for metric in self._classes]))
            else:
                parts = COMPARED[name].parts
                kept.append(
                    np.stack(
                        [
                            np.stack([np.asarray(own.sums(metric)[part]) for part in parts], axis=-1)
                            for metric in self._compared[name]
                        ]
                    )
                )

    def merge(self, later: NowcastSums) -> None:
        """Append those of later nowcasts."""
        for name, kept in later._kept.items():
            self._kept[name] += kept

    def stacked(self) -> dict[str, Floats]:
        """By score: (N, K, S, parts); under `CLASSES`, pooled over lead times, (N, K, B, 3)."""
        return {name: np.stack(kept) for name, kept in self._kept.items()}


CLASSES = "classes"


def _pooled_classes(sums: Mapping[str, Any]) -> Floats:
    """Pixels, events and probabilities by class, of all lead times: (B, 3)."""
    return np.stack([np.asarray(sums[name]).sum(axis=0) for name in ("pixels", "events", "forecast")], axis=-1)
