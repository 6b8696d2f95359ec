"""The ConvLSTM layer of LMC-Memory: no peepholes, no forget bias, both convolutions as one where it pays.

Dimensions: B batch, D channels of the input, K hidden channels, h rows, w columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cpu.onednn import convolve, pack, packs
from nowcast.models.cpu.winograd import WinogradConvolution, Workspace


class Joined(NamedTuple):
    """Both convolutions side by side, made ready once a sequence."""

    weight: Tensor
    """(4 K, D + K, 3, 3), on a CPU laid out for oneDNN (`nowcast.models.cpu.onednn`)."""
    bias: Tensor
    """(4 K,)"""


class LmcState(NamedTuple):
    """What one layer hands to itself at the next time step."""

    hidden: Tensor
    """(B, K, h, w)"""
    cell: Tensor
    """(B, K, h, w)"""
    joined: Joined | None
    """None in training."""


class LmcConvLSTM(RecurrentCell):
    """A ConvLSTM layer whose gates stand in the order input, candidate, forget, output.

    The input's and the hidden map's convolutions hold their own parameters, biases too: joining
    them for good would halve the number of biases and so change what Adam does to their sum.
    In training they are also computed apart, as their joined input would have to be kept.

    Source: Shi et al., NeurIPS 2015, Eq. 3 without the peepholes; gate order of the published code
    of LMC-Memory (Lee et al., CVPR 2021).
    """

    def __init__(self, in_channels: int, hidden_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = hidden_channels
        self.conv_x = nn.Conv2d(in_channels, 4 * hidden_channels, 3, padding=1)
        self.conv_h = nn.Conv2d(hidden_channels, 4 * hidden_channels, 3, padding=1)

    def initial_state(self, x: Tensor) -> LmcState:
        """Zeros, and without gradients the joined convolutions, before the first step."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[-2:])
        if torch.is_grad_enabled():
            return LmcState(zeros, zeros, None)
        weight, bias = self.joined()
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            weight, bias = weight.to(dtype), bias.to(dtype)
        if packs(weight):
            weight = pack(weight, (1, 1), (x.shape[0], *x.shape[-2:]))
        return LmcState(zeros, zeros, Joined(weight, bias))

    def joined(self) -> tuple[Tensor, Tensor]:
        """Weight (4 K, D + K, 3, 3) and bias (4 K,) of the one convolution that both make."""
        assert self.conv_x.bias is not None
        assert self.conv_h.bias is not None
        weight = torch.cat([self.conv_x.weight, self.conv_h.weight], dim=1)
        return weight.detach(), (self.conv_x.bias + self.conv_h.bias).detach()

    def packable(self) -> RecurrentCell:
        """The twin for `nowcast.models.cpu.fast`: the two convolutions as one, for good."""
        weight = self.conv_x.weight
        coarse = weight.dtype == torch.bfloat16  # too coarse for Winograd's differences; cuDNN has its own
        return FusedLmcConvLSTM(self) if coarse or weight.is_cuda else WinogradLmcConvLSTM(self)

    def gates(self, x: Tensor, state: LmcState) -> Tensor:
        """Input, candidate, forget and output (B, 4 K, h, w) before the sigmoids."""
        if state.joined is not None:
            weight, bias = state.joined
            both = torch.cat([x, state.hidden], dim=1).to(bias.dtype)
            if weight.is_mkldnn:
                return convolve(both, weight, bias, (1, 1))
            return F.conv2d(both, weight, bias, padding=1)
        found: Tensor = self.conv_x(x) + self.conv_h(state.hidden)
        return found

    def forward(self, x: Tensor, state: LmcState, relay: Relay) -> CellOutput:
        """Take one step: see `RecurrentCell.forward`."""
        enter, candidate, forget, leave = self.gates(x, state).chunk(4, dim=1)
        kept = torch.sigmoid(forget) * state.cell
        cell = kept + torch.sigmoid(enter) * torch.tanh(candidate)
        gate = torch.sigmoid(leave)
        hidden = gate * torch.tanh(cell)
        return CellOutput(hidden, state._replace(hidden=hidden, cell=cell), relay, gate)


class FusedLmcConvLSTM(LmcConvLSTM):
    """`LmcConvLSTM` with one convolution over input and hidden map; forecasts only."""

    def __init__(self, cell: LmcConvLSTM) -> None:
        RecurrentCell.__init__(self)
        self.in_channels, self.hidden_channels = cell.in_channels, cell.hidden_channels
        weight, bias = cell.joined()
        self.conv = nn.Conv2d(weight.shape[1], len(weight), 3, padding=1, dtype=weight.dtype)
        self.conv.weight, self.conv.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.conv.requires_grad_(False)

    def initial_state(self, x: Tensor) -> LmcState:
        """Zeros."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[-2:])
        return LmcState(zeros, zeros, None)

    def gates(self, x: Tensor, state: LmcState) -> Tensor:
        """The four gates."""
        found: Tensor = self.conv(torch.cat([x, state.hidden], dim=1))
        return found


class WinogradState(NamedTuple):
    """What a `WinogradLmcConvLSTM` hands to itself at the next time step."""

    hidden: Tensor
    """(B, K, h, w), channels-last in memory."""
    cell: Tensor
    """(B, K, h, w), channels-last in memory."""
    space: Workspace


class WinogradLmcConvLSTM(RecurrentCell):
    """`LmcConvLSTM` with one convolution by Winograd's way; forecasts only, in float32, on even maps.

    Every tanh is a sigmoid of the doubled argument, doubled, less one: one pass over all gates, and
    sigmoids are the cheaper function. The candidate's weights are doubled for that beforehand.
    """

    def __init__(self, cell: LmcConvLSTM) -> None:
        super().__init__()
        self.in_channels, self.hidden_channels = cell.in_channels, cell.hidden_channels
        weight, bias = cell.joined()
        for values in (weight, bias):
            values[self.hidden_channels : 2 * self.hidden_channels] *= 2
        self.conv = WinogradConvolution(weight, bias)

    def initial_state(self, x: Tensor) -> WinogradState:
        """Zeros, and room to work in."""
        batch, _, rows, columns = x.shape
        zeros = x.new_zeros(batch, rows, columns, self.hidden_channels).permute(0, 3, 1, 2)
        return WinogradState(zeros, zeros, self.conv.workspace(batch, rows, columns))

    def forward(self, x: Tensor, state: WinogradState, relay: Relay) -> CellOutput:
        """Take one step: see `RecurrentCell.forward`."""
        hidden, cell, space = state
        place = space.inside
        place[..., : self.in_channels].copy_(x.permute(0, 2, 3, 1))
        place[..., self.in_channels :].copy_(hidden.permute(0, 2, 3, 1))
        gates = self.conv.convolve(space).sigmoid_().permute(0, 3, 1, 2)
        enter, candidate, forget, leave = gates.chunk(4, dim=1)
        cell = (forget * cell).addcmul_(enter, candidate, value=2).sub_(enter)
        hidden = (leave * (2 * cell).sigmoid_()).mul_(2).sub_(leave)
        return CellOutput(hidden, WinogradState(hidden, cell, space), relay)


def one_space(states: Sequence[Any]) -> tuple[Any, ...]:
    """Let layers of one shape work in the same arrays: they run one after another, and these are large."""
    shared: dict[tuple[torch.Size, ...], Workspace] = {}
    return tuple(
        state._replace(space=shared.setdefault(tuple(part.shape for part in state.space), state.space))
        if isinstance(state, WinogradState)
        else state
        for state in states
    )
