"""Frames to maps a quarter their size and back, and how LMC-Memory's weights are drawn.

Dimensions: N frames or B batch, C channels, H rows, W columns of a frame, K hidden channels.

Source: Lee et al., CVPR 2021, and the published code's layers.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from nowcast.models.lmc.cell import LmcConvLSTM

_RECTIFIED = math.sqrt(2.0)
"""Gain that makes up for the half that ReLU and ELU cut off. Source: He et al., ICCV 2015."""
_GATED = 2.0
"""Gain before the candidate of a ConvLSTM, whose gates start half closed."""
_FAINT = 0.1
"""Gain of the last layer: the first outputs are small."""


class SteadyTransposed(nn.ConvTranspose2d):
    """A transposed convolution 3 x 3 of stride 1, which has a plain convolution for a twin."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def packable(self) -> nn.Conv2d:
        """The twin for `nowcast.models.cpu.fast`: weights turned by 180 degrees, in the order (out, in)."""
        twin = nn.Conv2d(self.in_channels, self.out_channels, 3, padding=1)
        twin.weight = nn.Parameter(self.weight.detach().transpose(0, 1).flip(2, 3), requires_grad=False)
        twin.bias = self.bias
        return twin


def frame_encoder(channels: int, half: int, hidden: int) -> nn.Sequential:
    """Make what turns frames (N, C, H, W) into maps (N, K, H / 4, W / 4)."""
    return nn.Sequential(
        nn.Conv2d(channels, half, 3, stride=2, padding=1),
        nn.ELU(inplace=True),
        nn.Conv2d(half, half, 3, padding=1),
        nn.ELU(inplace=True),
        nn.Conv2d(half, hidden, 3, stride=2, padding=1),
        nn.ELU(inplace=True),
        nn.Conv2d(hidden, hidden, 3, padding=1),
        nn.ELU(inplace=True),
    )


def frame_decoder(width: int, half: int, hidden: int, channels: int, sigmoid: bool) -> nn.Sequential:
    """Make what turns maps (B, width, H / 4, W / 4) into frames (B, C, H, W)."""
    return nn.Sequential(
        SteadyTransposed(width, hidden),
        nn.ELU(inplace=True),
        nn.ConvTranspose2d(hidden, half, 3, stride=2, padding=1, output_padding=1),
        nn.ELU(inplace=True),
        SteadyTransposed(half, half),
        nn.ELU(inplace=True),
        nn.ConvTranspose2d(half, channels, 3, stride=2, padding=1, output_padding=1),
        nn.Sigmoid() if sigmoid else nn.Identity(),
    )


@torch.no_grad()
def draw_scaled(network: nn.Module, last: nn.Module) -> None:
    """Draw all convolutions so that they keep the spread of their input; biases become 0.

    Why: with PyTorch's defaults, as published, every layer keeps about a third of its input's variance. After
    encoder, two or four ConvLSTMs and decoder the output of a fresh network hardly depends on its frames, and
    training spends tens of thousands of iterations on finding the signal again.

    Args:
        network: whose convolutions are drawn anew, from torch's global generator.
        last: the convolution whose output are frames.
    """
    gated = {id(c) for cell in network.modules() if isinstance(cell, LmcConvLSTM) for c in cell.children()}
    for part in network.modules():
        if not isinstance(part, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)) or part.weight.is_meta:
            continue
        gain = _FAINT if part is last else _GATED if id(part) in gated else _RECTIFIED
        part.weight.normal_(0.0, gain / math.sqrt(_inputs_of(part)))
        if part.bias is not None:
            part.bias.zero_()


def _inputs_of(part: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d) -> float:
    """Count the values that one output is made of; a stride spreads a transposed one's over its pixels."""
    taps = float(part.in_channels * math.prod(part.kernel_size))
    return taps / math.prod(part.stride) if isinstance(part, nn.ConvTranspose2d) else taps
