"""What validation adds up while training: the loss and, where dBZ is known, CSI at 20 and 30 dBZ.

The full scores are `nowcast.scores`'s; these few choose the best checkpoint. Letters: B batch, S forecast
steps, C channels, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from nowcast.core.scaling import Scaling
from nowcast.scores.categorical import csi

THRESHOLDS_DBZ = (20.0, 30.0)


class ValidationSums:
    """Sums over validation clips that add up over batches and devices.

    ``total`` holds: loss times seen pixels, seen pixels, then hits, misses and false alarms per threshold.

    Args:
        scaling: dBZ range of [0, 1]; None counts no events.
        device: where the sums live.
    """

    def __init__(self, scaling: Scaling | None, device: torch.device) -> None:
        self.levels = [] if scaling is None else [
            (dbz, (dbz - scaling.low_dbz) / (scaling.high_dbz - scaling.low_dbz))
            for dbz in THRESHOLDS_DBZ
            if scaling.low_dbz < dbz <= scaling.high_dbz
        ]
        kind = torch.float32 if device.type == "mps" else torch.float64
        self.total = torch.zeros(2 + 3 * len(self.levels), dtype=kind, device=device)

    def add(self, loss: Tensor, forecast: Tensor, observed: Tensor, seen: Tensor) -> None:
        """Add a batch: its mean loss, and three of (B, S, C, H, W); unseen pixels count nowhere."""
        pixels = seen.sum()
        found = [loss * pixels, pixels]
        for _, level in self.levels:
            said, was = forecast.float() >= level, (observed.float() >= level) & seen
            found += [(said & was).sum(), (~said & was).sum(), (said & seen & ~was).sum()]
        self.total += torch.stack([value.to(self.total.dtype) for value in found])

    def values(self) -> dict[str, float]:
        """Finish: ``loss`` and ``csi20``, ``csi30``; NaN where nothing was seen or no event occurred."""
        sums = self.total.tolist()
        scores = {"loss": sums[0] / sums[1] if sums[1] else math.nan}
        for i, (dbz, _) in enumerate(self.levels):
            scores[f"csi{dbz:g}"] = float(csi(*sums[2 + 3 * i : 5 + 3 * i]))
        return scores
