"""PredRNN-V2: PredRNN whose two memories are trained to keep different things.

Dimensions: B batch, T past frames, S forecast steps, C hidden channels, h rows, w columns of the patched map.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.backbones import PredRNNSettings, build_predrnn
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets
from nowcast.models.cells.base import RecurrentCell
from nowcast.models.cells.stlstm import STLSTM, STLSTMState
from nowcast.models.recurrent import Ends, RecurrentStack, StackState


@dataclass(frozen=True)
class PredRNNV2Settings(PredRNNSettings):
    """PredRNN-V2; defaults from the paper's Moving MNIST."""

    hidden: tuple[int, ...] = (128, 128, 128, 128)
    decoupling: float = 0.1
    """Weight of the decoupling loss; 0 leaves it out, and with it the projection: that is PredRNN."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.decoupling >= 0:
            raise SettingsError(complain("decoupling", self.decoupling, "0 or more", "the paper takes 0.1"))


class PredRNNV2(RecurrentStack):
    """PredRNN with a loss that keeps the temporal memory C and the spatial memory M apart.

    At each step and in each layer, what is taken into C and what is taken into M goes through one 1 x 1
    projection, shared by all. The loss is the absolute cosine between both as maps, in the mean over channels,
    layers, steps and samples. It is there in training alone: forecasts are those of a PredRNN.

    Reverse scheduled sampling, the paper's other part, is a matter of the trainer and there for every network.

    Source: Wang et al., "PredRNN: A Recurrent Neural Network for Spatiotemporal Predictive Learning",
    TPAMI 2022, equations of the memory decoupling.
    """

    decoupling = 0.0

    def __init__(
        self,
        cells: Sequence[RecurrentCell],
        spec: FrameSpec,
        patch: int,
        highway_from_input: bool = False,
        ends: Ends | None = None,
    ) -> None:
        super().__init__(cells, spec, patch, highway_from_input, ends)
        self.adapter: nn.Module | None = None

    def decouple(self, weight: float) -> None:
        """Add the loss with this weight, and its projection."""
        cells = [cell for cell in self.cells if isinstance(cell, STLSTM)]
        wide = cells[0].hidden_channels
        self.decoupling, self.adapter = weight, nn.Conv2d(wide, wide, 1, bias=False)
        for cell in cells:
            cell.keeps_taken_in = True

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the forecast of all frames but the first; its penalty is the decoupling loss."""
        alike: list[Tensor] = []

        def watch(t: int, state: StackState) -> None:
            alike.extend(self._alike(cell) for cell in state.cells if cell.taken_in is not None)

        prediction = self.run(clip.past, clip.future.shape[1], targets, warm=True, watch=watch)
        frames = torch.cat([clip.past, clip.future], dim=1)
        penalty = self.decoupling * torch.stack(alike).mean() if alike else None
        yield OptimiserStep("forecast", prediction, frames[:, 1:], clip.observed[:, 1:], penalty)

    def _alike(self, state: STLSTMState) -> Tensor:
        """The mean absolute cosine between what C and what M has taken in."""
        assert self.adapter is not None
        assert state.taken_in is not None
        projected: Tensor = self.adapter(torch.cat(state.taken_in))
        into_cell, into_memory = projected.float().flatten(2).chunk(2)
        return F.cosine_similarity(into_cell, into_memory, dim=2).abs().mean()

    def forecast_only(self) -> Self:
        """Drop the projection, which only training needs; a checkpoint may still hold it."""
        self.adapter, self.left_out = None, ("adapter.",)
        for cell in self.cells:
            if isinstance(cell, STLSTM):
                cell.keeps_taken_in = False
        return self


def build_predrnn_v2(settings: PredRNNV2Settings, spec: FrameSpec) -> RecurrentStack:
    """Build PredRNN-V2 for the catalog."""
    stack = build_predrnn(settings, spec, PredRNNV2)
    if settings.decoupling and isinstance(stack, PredRNNV2):
        stack.decouple(settings.decoupling)
    return stack
