"""MotionRNN as one would first write it, to measure ours against and to hold ours to: the same weights,
one convolution a gate, a warp by four gathers, grids made anew at each step, an enlarged map.

Dimensions: B batch, C channels, h rows, w columns; K neighbours of the warp.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.base import SequenceModel
from nowcast.models.cells.base import RecurrentCell
from nowcast.models.cells.convlstm import ConvLSTM
from nowcast.models.cells.motion import MotionGRU, MotionState
from nowcast.models.cells.stlstm import STLSTM


def naive(model: SequenceModel) -> SequenceModel:
    """A naive copy of a ConvLSTM, PredRNN or MotionRNN with the same weights; other cells stay."""
    network = copy.deepcopy(model)
    _replace(network)
    return network


def warp_by_gather(features: Tensor, offsets: Tensor, mask: Tensor, weight: Tensor, side: int) -> Tensor:
    """Warp (B, C, h, w) along offsets (B, 2K, h, w), weigh by mask (B, K, h, w), and mix.

    Four gathers expanded over all channels, meshgrids rebuilt, a map enlarged ``side`` times under a
    convolution of stride ``side``; clamped to a border of zeros.
    """
    batch, wide, rows, columns = features.shape
    many = side * side
    border = side // 2
    padded = F.pad(features, (border,) * 4)
    high, broad = rows + 2 * border, columns + 2 * border
    reach = torch.arange(side, device=features.device) - side // 2
    step_y, step_x = torch.meshgrid(reach, reach, indexing="ij")
    row = torch.arange(rows, device=features.device)
    column = torch.arange(columns, device=features.device)
    base_y, base_x = torch.meshgrid(row, column, indexing="ij")
    y = offsets[:, :many] + step_y.reshape(1, many, 1, 1) + base_y + border
    x = offsets[:, many:] + step_x.reshape(1, many, 1, 1) + base_x + border
    y, x = y.clamp(0, high - 1), x.clamp(0, broad - 1)
    top, left = y.detach().floor(), x.detach().floor()
    down, right = (top + 1).clamp(max=high - 1), (left + 1).clamp(max=broad - 1)
    flat = padded.flatten(2)
    total = features.new_zeros(batch, wide, many, rows, columns)
    for at_row, near_y in ((top, 1 - (y - top)), (down, y - top)):
        for at_column, near_x in ((left, 1 - (x - left)), (right, x - left)):
            index = (at_row * broad + at_column).long().flatten(1).unsqueeze(1).expand(-1, wide, -1)
            value = flat.gather(2, index).view(batch, wide, many, rows, columns)
            total = total + value * (near_y * near_x).unsqueeze(1)
    total = total * mask.unsqueeze(1).repeat(1, wide, 1, 1, 1)
    large = total.view(batch, wide, side, side, rows, columns).permute(0, 1, 4, 2, 5, 3)
    return F.conv2d(large.reshape(batch, wide, rows * side, columns * side), weight, stride=side)


class NaiveMotionGRU(MotionGRU):
    """`MotionGRU` of the released variant with `warp_by_gather`."""

    def forward(self, features: Tensor, state: MotionState) -> tuple[Tensor, Tensor, Tensor]:
        """Take one step, as `MotionGRU`."""
        assert state.filter is not None
        assert state.trend is not None
        now, trend, carried = self._filter(features, state.filter, state.trend)
        mask = torch.sigmoid(self.mask(features))
        return warp_by_gather(features, now, mask, self.mix.weight, self.settings.filter_size), carried, trend


class GateByGate(nn.Module):
    """One convolution with many outputs, as one convolution for each gate."""

    def __init__(self, conv: nn.Conv2d, wide: int) -> None:
        super().__init__()
        gates = len(conv.weight) // wide
        self.weights = nn.ParameterList(part.detach().clone() for part in conv.weight.chunk(gates))
        self.pad = conv.kernel_size[0] // 2

    def forward(self, x: Tensor) -> Tensor:
        """Convolve gate by gate."""
        return torch.cat([F.conv2d(x, weight, padding=self.pad) for weight in self.weights], dim=1)


def _replace(part: nn.Module) -> None:
    for child in part.children():
        if isinstance(child, MotionGRU) and child.settings.variant == "released":
            child.__class__ = NaiveMotionGRU
        elif type(child) in (ConvLSTM, STLSTM):
            assert isinstance(child, RecurrentCell)
            for name, conv in list(child.named_children()):
                if isinstance(conv, nn.Conv2d):
                    setattr(child, name, GateByGate(conv, child.hidden_channels))
        _replace(child)
