"""No network at all behind the interface of one: what the parts around it forecast alone.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nowcast.models.base import FrameSpec, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past
from nowcast.models.unroll import unroll


@dataclass(frozen=True)
class PersistenceNetworkSettings:
    """Nothing can be set."""


class PersistenceNetwork(SequenceModel):
    """The newest frame, changed by the same learnt number (one a channel) at every step.

    Why: advection and a cascade of logits forecast a good deal alone. What a network adds to them is the
    difference to this, trained and scored in the same way.
    """

    def __init__(self, spec: FrameSpec) -> None:
        super().__init__()
        self.increments = spec.increments
        self.change = nn.Parameter(torch.zeros(spec.channels, 1, 1))

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`.

        Raises:
            SettingsError: another number of channels.
        """
        check_past(self, past, len(self.change))
        return unroll(self, past, steps, targets, increments=self.increments)

    def encode(self, frames: Tensor) -> Tensor:
        """Return the frames as they are."""
        return frames

    def start(self, first: Tensor, past: Tensor) -> None:
        """Keep no state."""

    def step(self, x: Tensor, state: None, emit: bool) -> tuple[Tensor, None]:
        """Return the change, or the changed frame where outputs are frames."""
        return (x + self.change if self.increments is None else self.change.expand_as(x)), None


def build_persistence(settings: PersistenceNetworkSettings, spec: FrameSpec) -> PersistenceNetwork:
    """Build it for the catalog."""
    del settings
    return PersistenceNetwork(spec)
