"""Residual multiplicative blocks, with and without a mask of what comes later in a frame.

Dimensions: B batch, K channels of a multiplicative unit, 2 K between blocks, H rows, W columns. Pixels come row
by row, from left to right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class MaskedConvolution(nn.Conv2d):
    """A convolution that reads no pixel after its own, and of some channels not its own either.

    Weights are masked whenever they are used, so that no optimiser step brings them back.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        side: of the filter, odd.
        hidden_here: how many of the last input channels are not read at the pixel itself.
        bias: add one.
    """

    def __init__(
        self, in_channels: int, out_channels: int, side: int, hidden_here: int = 0, bias: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, side, padding=side // 2, bias=bias)
        middle = side // 2
        mask = torch.ones(1, in_channels, side, side)
        mask[:, :, middle + 1 :] = 0
        mask[:, :, middle, middle + 1 :] = 0
        mask[:, in_channels - hidden_here :, middle, middle] = 0
        self.register_buffer("mask", mask, persistent=False)
        self.mask: Tensor

    def masked_weight(self) -> Tensor:
        """The filters as they are used."""
        return self.weight * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, in, H, W)."""
        out: Tensor = self._conv_forward(x, self.masked_weight(), self.bias)
        return out


class MultiplicativeUnit(nn.Module):
    """K maps to K: g1 tanh(g2 h + g3 u) with gates g and update u of 3 x 3 convolutions.

    Args:
        channels: K.
        dilation: of the convolutions.
        masked: read no pixel after the own one.
        hidden_here: as in `MaskedConvolution`; such a unit has g2 in place of g2 h, or h itself would
            show at the pixel what the mask hides.
    """

    def __init__(self, channels: int, dilation: int = 1, masked: bool = False, hidden_here: int = 0) -> None:
        super().__init__()
        self.skips = hidden_here == 0
        self.gates: nn.Conv2d
        if masked:
            self.gates = MaskedConvolution(channels, 4 * channels, 3, hidden_here)
        else:
            self.gates = nn.Conv2d(channels, 4 * channels, 3, padding=dilation, dilation=dilation)

    def forward(self, h: Tensor) -> Tensor:
        """Take (B, K, H, W)."""
        return self.mixed(self.gates(h), h)

    def mixed(self, raw: Tensor, h: Tensor) -> Tensor:
        """Gates and update before their activations (B, 4 K, ...) and h (B, K, ...) to (B, K, ...)."""
        first, second, third, update = raw.chunk(4, dim=1)
        second = torch.sigmoid(second)
        kept = second * h if self.skips else second
        mixed = torch.addcmul(kept, torch.sigmoid(third), torch.tanh(update))
        return torch.sigmoid(first) * torch.tanh(mixed)


class MultiplicativeBlock(nn.Module):
    """Two multiplicative units between two 1 x 1 convolutions; 2 K maps in.

    Args:
        channels: K.
        out_channels: of the last block of a decoder; None adds the input to 2 K maps, as all other blocks.
        dilation: of both units.
        masked: read no pixel after the own one.
    """

    def __init__(
        self, channels: int, out_channels: int | None = None, dilation: int = 1, masked: bool = False
    ) -> None:
        super().__init__()
        self.residual = out_channels is None
        self.enter = nn.Conv2d(2 * channels, channels, 1)
        self.first_unit = MultiplicativeUnit(channels, dilation, masked)
        self.second_unit = MultiplicativeUnit(channels, dilation, masked)
        self.leave = nn.Conv2d(channels, 2 * channels if out_channels is None else out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Take (B, 2 K, H, W)."""
        out: Tensor = self.leave(self.second_unit(self.first_unit(self.enter(x))))
        return x + out if self.residual else out


def run(blocks: Iterable[Callable[[Tensor], Tensor]], x: Tensor, save_memory: bool) -> Tensor:
    """Take x through blocks; to save memory, their activations are computed again in the backward pass."""
    for block in blocks:
        if save_memory and torch.is_grad_enabled():
            x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
        else:
            x = block(x)
    return x
