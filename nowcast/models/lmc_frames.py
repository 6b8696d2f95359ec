"""Frames to maps a quarter their size and back: the spatial encoder and the frame decoder of LMC-Memory.

Letters: N frames or B batch, C channels, H rows, W columns of a frame, K hidden channels.

Source: Lee et al., CVPR 2021, and the published code's layers.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SteadyTransposed(nn.ConvTranspose2d):
    """A transposed convolution 3 x 3 of stride 1, computed as the convolution that it is.

    Why: convolutions are the faster of the two on a CPU. Weights keep the transposed order of the
    published checkpoints (in, out, rows, columns).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve (B, C, h, w)."""
        del output_size
        return F.conv2d(x, self._turned(), self.bias, padding=1)

    def packable(self) -> nn.Conv2d:
        """Give a twin for `nowcast.models.fast`, with the weights in the order of a convolution."""
        twin = nn.Conv2d(self.in_channels, self.out_channels, 3, padding=1)
        twin.weight = nn.Parameter(self._turned().detach().contiguous(), requires_grad=False)
        twin.bias = self.bias
        return twin

    def _turned(self) -> Tensor:
        return self.weight.transpose(0, 1).flip(2, 3)


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
