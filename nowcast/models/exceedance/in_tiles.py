"""A network that forecasts probabilities, taken apart where it runs in tiles: head outside, network inside.

Why: what the head reads around a pixel (a cascade's largest scale, its context) would have to be in every tile.

Dimensions: B batch, T past frames, S forecast steps, K thresholds, H rows, W columns.
"""

from __future__ import annotations

from torch import Tensor

from nowcast.models.base import ScheduledTargets, SequenceModel
from nowcast.models.exceedance.wrapper import ExceedanceProbabilityModel
from nowcast.models.wrapper import Inner, ModelWrapper


class FramesToLogits(ModelWrapper):
    """The network inside a head, reading frames (B, T, 1, H, W) and forecasting logits (B, S, K, H, W)."""

    def __init__(self, head: ExceedanceProbabilityModel) -> None:
        super().__init__(head.network)
        self._of_frames = head.of_frames

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast logits."""
        return self._of_frames(network)(past, steps, targets, observed)


class HeadOfTiles(ModelWrapper):
    """A head on the whole frame around what gives logits tile by tile; without gradients.

    Args:
        head: its own network is not called.
        logits: forecasts logits from frames.
    """

    def __init__(self, head: ExceedanceProbabilityModel, logits: SequenceModel) -> None:
        super().__init__(logits)
        self.head = head

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast probabilities (B, S, K, H, W); nobody trains on tiles."""
        del targets
        return self.head.in_bands(network, past, steps, observed)
