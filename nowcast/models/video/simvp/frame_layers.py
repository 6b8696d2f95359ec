"""What SimVP and TAU do to each frame alone: an encoder before the translator, a decoder after it.

Dimensions: N frames, C channels, H rows, W columns of a frame; D hidden channels; h rows, w columns of the
shrunken map, as `shrink` tells.
"""

from __future__ import annotations

from torch import Tensor, nn

_SPREAD = 0.02
"""Standard deviation of fresh weights."""


def shrink(layers: int) -> int:
    """How many times so many layers reduce rows and columns: every second halves them."""
    return 1 << layers // 2


class FrameLayer(nn.Module):
    """A convolution, a norm over two groups of channels, SiLU; it may halve or double rows and columns."""

    def __init__(self, wide_in: int, wide: int, halve: bool = False, double: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(wide_in, 4 * wide if double else wide, 3, 2 if halve else 1, 1)
        self.shuffle: nn.Module = nn.PixelShuffle(2) if double else nn.Identity()
        self.norm = nn.GroupNorm(2, wide)
        self.act = nn.SiLU()
        draw_normal(self.conv, _SPREAD)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, wide_in, h, w) to (N, wide, ...)."""
        found: Tensor = self.act(self.norm(self.shuffle(self.conv(x))))
        return found


class SimVPEncoder(nn.Module):
    """Layers of which every second halves the map; what the first one says is kept for the decoder."""

    def __init__(self, channels: int, hidden: int, layers: int) -> None:
        super().__init__()
        self.first = FrameLayer(channels, hidden)
        self.rest = nn.Sequential(*(FrameLayer(hidden, hidden, halve=n % 2 == 1) for n in range(1, layers)))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (N, C, H, W) to maps (N, D, h, w) and the first layer's (N, D, H, W)."""
        skip = self.first(frames)
        return self.rest(skip), skip


class SimVPDecoder(nn.Module):
    """The encoder's layers backwards; the kept map is added before the last. No activation at the end."""

    def __init__(self, channels: int, hidden: int, layers: int) -> None:
        super().__init__()
        back = reversed(range(1, layers))
        self.rest = nn.Sequential(*(FrameLayer(hidden, hidden, double=n % 2 == 1) for n in back))
        self.last = FrameLayer(hidden, hidden)
        self.readout = nn.Conv2d(hidden, channels, 1)

    def forward(self, maps: Tensor, skip: Tensor) -> Tensor:
        """Maps (N, D, h, w) and what the encoder kept (N, D, H, W) to frames (N, C, H, W)."""
        frames: Tensor = self.readout(self.last(self.rest(maps) + skip))
        return frames


def draw_normal(conv: nn.Conv2d, spread: float) -> None:
    """Draw fresh weights from a normal distribution, and no bias; nothing where a tensor has no memory.

    Why the exception: drawing there loads torch's compiler, which takes seconds.
    """
    assert conv.bias is not None
    if not conv.weight.is_meta:
        nn.init.normal_(conv.weight, std=spread)
        nn.init.zeros_(conv.bias)
