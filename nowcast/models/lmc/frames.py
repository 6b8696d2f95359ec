"""Frames to maps a quarter their size and back: the spatial encoder and the frame decoder of LMC-Memory.

Letters: N frames or B batch, C channels, H rows, W columns of a frame, K hidden channels.

Source: Lee et al., CVPR 2021, and the published code's layers.
"""

from __future__ import annotations

from torch import nn


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
        nn.Conv2d(channels, half, 3, stride=2, padding=1), nn.ELU(inplace=True),
        nn.Conv2d(half, half, 3, padding=1), nn.ELU(inplace=True),
        nn.Conv2d(half, hidden, 3, stride=2, padding=1), nn.ELU(inplace=True),
        nn.Conv2d(hidden, hidden, 3, padding=1), nn.ELU(inplace=True),
    )


def frame_decoder(width: int, half: int, hidden: int, channels: int, sigmoid: bool) -> nn.Sequential:
    """Make what turns maps (B, width, H / 4, W / 4) into frames (B, C, H, W)."""
    return nn.Sequential(
        SteadyTransposed(width, hidden), nn.ELU(inplace=True),
        nn.ConvTranspose2d(hidden, half, 3, stride=2, padding=1, output_padding=1), nn.ELU(inplace=True),
        SteadyTransposed(half, half), nn.ELU(inplace=True),
        nn.ConvTranspose2d(half, channels, 3, stride=2, padding=1, output_padding=1),
        nn.Sigmoid() if sigmoid else nn.Identity(),
    )
