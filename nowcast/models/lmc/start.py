"""How the weights of LMC-Memory are drawn so that a frame's signal reaches the other end.

Why: with PyTorch's defaults, as published, every layer keeps about a third of its input's variance. After
encoder, two or four ConvLSTMs and decoder the output of a fresh network hardly depends on its frames, and
training spends tens of thousands of iterations on finding the signal again.
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
"""Gain of the last layer: what is said first is little."""


@torch.no_grad()
def draw_scaled(network: nn.Module, last: nn.Module) -> None:
    """Draw all convolutions so that they keep the spread of their input; biases become 0.

    Args:
        network: whose convolutions are drawn anew, from torch's global generator.
        last: the convolution that gives frames.
    """
    gated = {id(c) for cell in network.modules() if isinstance(cell, LmcConvLSTM) for c in cell.children()}
    for part in network.modules():
        if not isinstance(part, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)):
            continue
        gain = _FAINT if part is last else _GATED if id(part) in gated else _RECTIFIED
        part.weight.normal_(0.0, gain / math.sqrt(_inputs_of(part)))
        if part.bias is not None:
            part.bias.zero_()


def _inputs_of(part: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d) -> float:
    """Count the values that one output is made of; a stride spreads a transposed one's over its pixels."""
    taps = float(part.in_channels * math.prod(part.kernel_size))
    return taps / math.prod(part.stride) if isinstance(part, nn.ConvTranspose2d) else taps
