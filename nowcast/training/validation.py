"""What validation adds up while training: the loss and, where dBZ is known, CSI at 20 and 30 dBZ.

The full scores are `nowcast.scores`'s; these few choose the best checkpoint. Dimensions: B batch, S forecast
steps, C channels, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nowcast.core.scaling import Scaling
from nowcast.scores.categorical import csi

THRESHOLDS_DBZ = (20.0, 30.0)


def is_better(score: float, best: float | None, monitor: str) -> bool:
    """Whether a score beats the best so far (None: there is none): a loss by falling, a CSI by rising."""
    if best is None or math.isnan(best):
        return True
    return score < best if monitor == "loss" else score > best


class ValidationSums:
    """Sums over validation clips that add up over batches and devices.

    ``total`` holds: loss times observed pixels, observed pixels, then hits, misses and false alarms for each
    threshold.

    Args:
        scaling: dBZ range of [0, 1]; None counts no events.
        device: where the sums live.
    """

    def __init__(self, scaling: Scaling | None, device: torch.device) -> None:
        self.thresholds = (
            []
            if scaling is None
            else [
                (dbz, scaling.scaled(dbz))
                for dbz in THRESHOLDS_DBZ
                if scaling.low_dbz < dbz <= scaling.high_dbz
            ]
        )
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.total = torch.zeros(2 + 3 * len(self.thresholds), dtype=kind, device=device)

    def add(self, loss: Tensor, forecast: Tensor, future: Tensor, observed: Tensor) -> None:
        """Add a batch: its mean loss, and three of (B, S, C, H, W); only observed pixels count."""
        pixels = observed.sum()
        sums = [loss * pixels, pixels]
        for _, threshold in self.thresholds:
            warned, event = forecast.float() >= threshold, (future.float() >= threshold) & observed
            sums += [(warned & event).sum(), (~warned & event).sum(), (warned & observed & ~event).sum()]
        self.total += torch.stack([value.to(self.total.dtype) for value in sums])

    def values(self) -> dict[str, float]:
        """Finish: ``loss`` and ``csi20``, ``csi30``; NaN where nothing was observed or no event occurred."""
        sums = self.total.tolist()
        scores = {"loss": sums[0] / sums[1] if sums[1] else math.nan}
        for i, (dbz, _) in enumerate(self.thresholds):
            scores[f"csi{dbz:g}"] = float(csi(*sums[2 + 3 * i : 5 + 3 * i]))
        return scores
