"""VPN's encoder of a frame and its baseline's decoder, at the size of the frame all through.

Dimensions: N frames, C channels, H rows, W columns; 2 K of the maps between blocks.
"""

from __future__ import annotations

from torch import Tensor, nn

from nowcast.models.video.vpn.blocks import MultiplicativeBlock, run
from nowcast.models.video.vpn.settings import VPNSettings


class FullSizeEncoder(nn.Module):
    """A frame to maps of its own size: a 1 x 1 convolution and residual multiplicative blocks."""

    def __init__(self, settings: VPNSettings, channels: int) -> None:
        super().__init__()
        dilations = settings.dilations
        self.save_memory = settings.save_memory
        self.enter = nn.Conv2d(channels, 2 * settings.channels, 1)
        self.blocks = nn.ModuleList(
            MultiplicativeBlock(settings.channels, dilation=dilations[n % len(dilations)])
            for n in range(settings.encoder_blocks)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Take (N, C, H, W); return (N, 2 K, H, W)."""
        return run(self.blocks, self.enter(frames), self.save_memory)


class BaselineDecoder(nn.Module):
    """Residual multiplicative blocks without a mask: it does not read the frame that it forecasts."""

    def __init__(self, settings: VPNSettings, channels: int) -> None:
        super().__init__()
        self.save_memory = settings.save_memory
        self.blocks = nn.ModuleList(
            MultiplicativeBlock(settings.channels) for _ in range(settings.decoder_blocks - 1)
        )
        self.last = MultiplicativeBlock(settings.channels, channels)

    def forward(self, context: Tensor) -> Tensor:
        """Take the ConvLSTM's maps (N, 2 K, H, W); return logits (N, C, H, W)."""
        logits: Tensor = self.last(run(self.blocks, context, self.save_memory))
        return logits
