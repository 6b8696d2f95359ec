"""No network at all behind the interface of one: what the parts around it do alone.

Letters: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import SequenceModel, Teacher
from nowcast.models.unroll import unroll


@dataclass(frozen=True)
class SteadySettings:
    """Nothing can be set."""


class Steady(SequenceModel):
    """The newest frame, changed by the same learnt number (one a channel) at every step.

    Why: advection and a cascade of odds forecast a good deal alone. What a network adds to them is the
    difference to this, trained and scored in the same way.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast as `SequenceModel.forward`.

        Raises:
            SettingsError: another number of channels.
        """
        if past.dim() != 5 or past.shape[2] != len(self.change):
            raise SettingsError(
                complain("past frames", tuple(past.shape),
                         f"(batch, frames, {len(self.change)} channels, rows, columns)",
                         "give frames as the network was built for")
            )
        return unroll(self, past, steps, teacher, join=self.join)

    def encode(self, frames: Tensor) -> Tensor:
        """Give the frames as they are."""
        return frames

    def start(self, first: Tensor, past: Tensor) -> None:
        """Remember nothing."""

    def step(self, x: Tensor, state: None, emit: bool) -> tuple[Tensor, None]:
        """Say the change, or the changed frame where nothing joins the two."""
        return (x + self.change if self.join is None else self.change.expand_as(x)), None


def build_steady(settings: SteadySettings, channels: int, size: tuple[int, int] | None) -> Steady:
    """Build it for the catalog."""
    del settings, size
    return Steady(channels)
