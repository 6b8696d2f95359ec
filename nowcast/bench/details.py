"""What is kept of an entry beside its scores: the score of each clip, and what a network holds inside.

Dimensions: K clips, S forecast steps, N slots, h, w rows and columns of a map inside a network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nowcast.core.errors import SettingsError
from nowcast.scores.base import Metric

Details = dict[str, npt.NDArray[Any]]
"""``score_NAME`` (K, S): a score of each clip; ``slots_7`` (h, w): the slot that stands out at each place of
clip 7; ``motion_7`` (2, h, w): pixels a step down and right, by which features of clip 7 are moved."""


class PerClip:
    """Scores of each clip by itself, so that two networks can be compared clip by clip.

    Args:
        metrics: those to keep; of whole videos there is none.
        draws: futures of each clip, of which the mean counts.
    """

    def __init__(self, metrics: Mapping[str, Metric], draws: int) -> None:
        self._metrics, self._draws = metrics, draws
        self._found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in metrics}
        self._batch: dict[str, Any] = {}

    def add(self, forecast: Tensor, future: Tensor) -> None:
        """Take one future of a batch, (B, S, C, H, W)."""
        for name, metric in self._metrics.items():
            each = [
                np.atleast_1d(metric.value(metric.sums(forecast[i : i + 1], future[i : i + 1])))
                for i in range(len(forecast))
            ]
            self._batch[name] = self._batch.get(name, 0.0) + np.stack(each) / self._draws

    def next_batch(self) -> None:
        """All futures of a batch were taken."""
        for name, values in self._batch.items():
            self._found[name].append(values)
        self._batch = {}

    def details(self) -> Details:
        """``score_NAME`` (K, S) of each."""
        return {f"score_{n}": np.concatenate(v).astype(np.float32) for n, v in self._found.items() if v}


def inside(network: Any, past: Mapping[int, Tensor]) -> Details:
    """What pictures show of the inside of a network for some clips, where it has such.

    Why: which slots of its memory LMC-Memory addresses, and where to MotionRNN moves features, are figures of
    their papers.

    Args:
        network: any forecast.
        past: number of a clip -> (1, T, C, H, W).
    """
    found: Details = {}
    with torch.inference_mode():
        if hasattr(network, "address") and past:
            weights = _try(lambda: torch.cat([network.address(frames) for frames in past.values()]))
            if weights is not None:
                apart = weights - weights.mean(dim=(0, 2, 3), keepdim=True)
                found |= _named("slots", past, apart.argmax(dim=1))
        if hasattr(network, "motion") and past:
            motion = _try(lambda: torch.cat([network.motion(frames, 1) for frames in past.values()]))
            if motion is not None:
                found |= _named("motion", past, motion[:, -1].mean(dim=1))
    return found


def _try(compute: Any) -> Tensor | None:
    """A network of that kind may be built without a memory or without MotionGRU."""
    try:
        made: Tensor = compute()
    except (SettingsError, AttributeError):
        return None
    return made.cpu()


def _named(name: str, numbers: Mapping[int, Tensor], maps: Tensor) -> Details:
    return {f"{name}_{number}": maps[i].numpy() for i, number in enumerate(numbers)}


def of_clips(details: Details, name: str) -> dict[int, npt.NDArray[Any]]:
    """The maps of a kind by number of the clip."""
    return {int(key.rsplit("_", 1)[1]): value for key, value in details.items() if key.startswith(f"{name}_")}


def score_of_clips(details: Sequence[Details], name: str, leads: slice) -> npt.NDArray[np.float64] | None:
    """A score of each clip, mean over these lead times and over seeds, (K,); None where a seed has none.

    NaN where a clip has no value, as a critical success index without events.
    """
    found = [d[f"score_{name}"][:, leads] for d in details if f"score_{name}" in d]
    if not found or len(found) < len(details) or len({f.shape for f in found}) > 1:
        return None
    values = np.stack(found).astype(np.float64)
    known = np.isfinite(values)
    count = known.sum(axis=(0, 2))
    total = np.where(known, values, 0.0).sum(axis=(0, 2))
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
