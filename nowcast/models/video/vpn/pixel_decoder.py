"""The decoder of VPN that knows the pixels before each pixel: masked convolutions over the frame it forecasts.

Dimensions: N frames, C channels, K channels of a multiplicative unit, 2 K between blocks, H rows, W columns.
Pixels come row by row, from left to right.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from nowcast.models.video.vpn.blocks import MaskedConvolution, MultiplicativeBlock, MultiplicativeUnit, run
from nowcast.models.video.vpn.settings import VPNSettings

_READ = 7
"""Side of the convolution that reads the frame."""


class FrameBlock(nn.Module):
    """The masked block through which the frame comes in; no pixel of it shows at that pixel itself.

    Args:
        channels: K.
        frame_channels: C.
        joined: the frame becomes the last channels of the first unit, which hides them at the pixel itself;
            else a masked convolution of it is added to the context.
    """

    def __init__(self, channels: int, frame_channels: int, joined: bool) -> None:
        super().__init__()
        self.joined = joined
        hidden = frame_channels if joined else 0
        self.enter = nn.Conv2d(2 * channels, channels - hidden, 1)
        self.read: MaskedConvolution | None = None
        if not joined:
            self.read = MaskedConvolution(frame_channels, channels, _READ, frame_channels, bias=False)
        self.first_unit = MultiplicativeUnit(channels, masked=True, hidden_here=hidden)
        self.second_unit = MultiplicativeUnit(channels, masked=True)
        self.leave = nn.Conv2d(channels, 2 * channels, 1)

    def forward(self, context: Tensor, frame: Tensor) -> Tensor:
        """Take the context (N, 2 K, H, W) and the frame (N, C, H, W)."""
        h = self.enter(context)
        h = torch.cat([h, frame], dim=1) if self.read is None else h + self.read(frame)
        out: Tensor = self.leave(self.second_unit(self.first_unit(h)))
        return context + out


class PixelDecoder(nn.Module):
    """Logits of each pixel from the context everywhere and the frame's pixels before it.

    All channels of a pixel are independent given the pixels before.

    Args:
        settings: of the network.
        channels: C.
        outputs: logits a pixel; None is one a channel.

    Source: van den Oord et al., Pixel Recurrent Neural Networks, ICML 2016 (masks); Kalchbrenner et al., Video
    Pixel Networks, ICML 2017.
    """

    def __init__(self, settings: VPNSettings, channels: int, outputs: int | None = None) -> None:
        super().__init__()
        wide = settings.channels
        self.channels, self.save_memory = channels, settings.save_memory
        self.context_block = MultiplicativeBlock(wide)
        self.frame_block = FrameBlock(wide, channels, settings.first_block == "joined")
        self.blocks = nn.ModuleList(
            MultiplicativeBlock(wide, masked=True) for _ in range(settings.decoder_blocks - 3)
        )
        self.last = MultiplicativeBlock(wide, outputs or channels, masked=True)

    def forward(self, context: Tensor, frame: Tensor) -> Tensor:
        """Take the ConvLSTM's maps (N, 2 K, H, W) and the frame (N, C, H, W); return logits (N, C, H, W)."""
        blocks = [self.context_block, partial(self.frame_block, frame=frame), *self.blocks]
        logits: Tensor = self.last(run(blocks, context, self.save_memory))
        return logits
