"""The reversible predictive module of CrevNet: recurrent cells that change one half of the features at a time.

Dimensions: B batch, K channels of a half and of every hidden map, 3 frames of a packet, h rows, w columns.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from nowcast.models.video.crevnet.reversible import Halves

CellName = Literal["stlstm", "convlstm"]


class PacketState(NamedTuple):
    """Of one layer, both (B, K, 3, h, w)."""

    hidden: Tensor
    cell: Tensor


class PredictorState(NamedTuple):
    """The state of all layers between two packets."""

    layers: tuple[PacketState, ...]
    memory: Tensor
    """(B, K, 3, h, w): the top's spatial memory, for the bottom; stays zero in layers without one."""


class PacketSTLSTM(nn.Module):
    """ST-LSTM over packets: every convolution sees space and time, has a bias, and the forget gates no offset.

    Beside `nowcast.models.cells.stlstm`: the gates of the cell C read C too, and those of the memory M read the
    new C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.time = nn.Conv3d(3 * channels, 3 * channels, 3, padding=1)
        self.space = nn.Conv3d(3 * channels, 3 * channels, 3, padding=1)
        self.output = nn.Conv3d(4 * channels, channels, 3, padding=1)
        self.last = nn.Conv3d(2 * channels, channels, 1)

    def forward(self, x: Tensor, state: PacketState, memory: Tensor) -> tuple[PacketState, Tensor]:
        """Take one packet's half; return the new state and memory."""
        hidden, cell = state
        cell = _gated(self.time(torch.cat([x, hidden, cell], dim=1)), cell)
        memory = _gated(self.space(torch.cat([x, memory, cell], dim=1)), memory)
        gate = torch.sigmoid(self.output(torch.cat([x, hidden, cell, memory], dim=1)))
        return PacketState(gate * torch.tanh(self.last(torch.cat([cell, memory], dim=1))), cell), memory


class PacketConvLSTM(nn.Module):
    """ConvLSTM over packets: one convolution with bias gives all gates, without peephole or forget offset."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.Conv3d(2 * channels, 4 * channels, 3, padding=1)

    def forward(self, x: Tensor, state: PacketState, memory: Tensor) -> tuple[PacketState, Tensor]:
        """Take one packet's half; the memory passes by untouched."""
        gates, output = self.gates(torch.cat([x, state.hidden], dim=1)).tensor_split([-x.shape[1]], dim=1)
        cell = _gated(gates, state.cell)
        return PacketState(torch.sigmoid(output) * torch.tanh(cell), cell), memory


CELLS: dict[CellName, type[PacketSTLSTM] | type[PacketConvLSTM]] = {
    "stlstm": PacketSTLSTM,
    "convlstm": PacketConvLSTM,
}


class ReversiblePredictor(nn.Module):
    """Layers that read one half of the features and move the other towards their hidden map, by turns.

    x2 <- (1 - g) x2 + g h with g in (0, 1) from h: given the hidden maps, the features before can be computed
    back from those after.

    Source: Yu et al., CrevNet, ICLR 2020, section 3.2; g as in the code for Moving MNIST, one convolution.
    """

    def __init__(self, channels: int, layers: int, cell: CellName) -> None:
        super().__init__()
        self.cells = nn.ModuleList(CELLS[cell](channels) for _ in range(layers))
        self.attention = nn.ModuleList(nn.Conv3d(channels, channels, 1) for _ in range(layers))

    def initial_state(self, x: Halves) -> PredictorState:
        """Zeros for all layers."""
        zeros = torch.zeros_like(x.first)
        return PredictorState((PacketState(zeros, zeros),) * len(self.cells), zeros)

    def forward(self, x: Halves, state: PredictorState) -> tuple[Halves, PredictorState]:
        """Take the features of one packet to those of the next."""
        read, moved = x
        memory, states = state.memory, []
        for cell, attention, old in zip(self.cells, self.attention, state.layers, strict=True):
            new, memory = cell(read, old, memory)
            states.append(new)
            gate = torch.sigmoid(attention(new.hidden))
            read, moved = (1 - gate) * moved + gate * new.hidden, read
        return Halves(read, moved), PredictorState(tuple(states), memory)


def _gated(gates: Tensor, old: Tensor) -> Tensor:
    """Forget and take in: ``gates`` (B, 3 K, 3, h, w) in the order input, forget, candidate."""
    i, f, g = gates.chunk(3, dim=1)
    return torch.sigmoid(f) * old + torch.sigmoid(i) * torch.tanh(g)
