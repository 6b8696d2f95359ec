"""SimVP with either translator, and TAU: all frames from all past ones at once, by convolutions alone.

Dimensions: B batch, T frames, C channels, H rows, W columns; d channels of the translator.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvSC(nn.Module):
    """A convolution, a group norm and a SiLU; half or twice the size where asked for."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, enlarge: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs if enlarge else outputs, 3, stride=stride, padding=1)
        self.shuffle = nn.PixelShuffle(2) if enlarge else nn.Identity()
        self.norm = nn.GroupNorm(2, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The maps."""
        return F.silu(self.norm(self.shuffle(self.conv(x))))


class Inception(nn.Module):
    """A narrow convolution and the sum of four grouped ones of growing size."""

    def __init__(self, inputs: int, inner: int, outputs: int, groups: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, inner, 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inner, outputs, k, padding=k // 2, groups=groups),
                nn.GroupNorm(groups, outputs),
                nn.LeakyReLU(0.2),
            )
            for k in (3, 5, 7, 11)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the branches."""
        x = self.narrow(x)
        total: Tensor = sum(branch(x) for branch in self.branches)
        return total


class IncepU(nn.Module):
    """A U-shaped stack of inception blocks."""

    def __init__(self, channels: int, hidden: int, blocks: int, groups: int = 8) -> None:
        super().__init__()
        inner = hidden // 2
        into = [channels] + [hidden] * (blocks - 1)
        self.encoder = nn.ModuleList(Inception(i, inner, hidden, groups) for i in into)
        out = [hidden] * (blocks - 1) + [channels]
        wide = [hidden] + [2 * hidden] * (blocks - 1)
        self.decoder = nn.ModuleList(Inception(i, inner, o, groups) for i, o in zip(wide, out, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """All frames' maps."""
        skips: list[Tensor] = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        skips.pop()
        x = self.decoder[0](x)
        for block in self.decoder[1:]:
            x = block(torch.cat([x, skips.pop()], dim=1))
        return x


class Gate(nn.Module):
    """Large-kernel attention: sigma(g) f of gSTA, or the channel weights, f and the input of TAU."""

    def __init__(self, d: int, tau: bool) -> None:
        super().__init__()
        self.near = nn.Conv2d(d, d, 5, padding=2, groups=d)
        self.far = nn.Conv2d(d, d, 7, padding=9, dilation=3, groups=d)
        self.mix = nn.Conv2d(d, d if tau else 2 * d, 1)
        self.tau = tau
        if tau:
            inner = d // max(d // 16, 4)
            self.squeeze, self.excite = nn.Linear(d, inner, bias=False), nn.Linear(inner, d, bias=False)

    def forward(self, u: Tensor) -> Tensor:
        """Weighted maps."""
        f = self.mix(self.far(self.near(u)))
        if self.tau:
            weights = torch.sigmoid(self.excite(F.relu(self.squeeze(u.mean(dim=(2, 3))))))
            gated: Tensor = weights[:, :, None, None] * f * u
        else:
            f, g = f.chunk(2, dim=1)
            gated = torch.sigmoid(g) * f
        return gated


class AttentionBlock(nn.Module):
    """Attention and a mixing of channels, each added with a small weight."""

    def __init__(self, d: int, tau: bool, expansion: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(d), nn.BatchNorm2d(d)
        self.enter, self.gate, self.leave = nn.Conv2d(d, d, 1), Gate(d, tau), nn.Conv2d(d, d, 1)
        wide = expansion * d
        self.widen = nn.Conv2d(d, wide, 1)
        self.spatial = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.narrow = nn.Conv2d(wide, d, 1)
        self.scale1 = nn.Parameter(torch.full((d,), 0.01))
        self.scale2 = nn.Parameter(torch.full((d,), 0.01))

    def forward(self, x: Tensor) -> Tensor:
        """Maps of the same shape."""
        normed = self.norm1(x)
        attended = self.leave(self.gate(F.gelu(self.enter(normed)))) + normed
        x = x + self.scale1.view(-1, 1, 1) * attended
        y: Tensor = self.narrow(F.gelu(self.spatial(self.widen(self.norm2(x)))))
        return x + self.scale2.view(-1, 1, 1) * y


def attention_stack(channels: int, hidden: int, blocks: int, expansion: int, tau: bool) -> nn.Sequential:
    """The first block as wide as its input, the others ``hidden`` wide."""
    stack = nn.Sequential(AttentionBlock(channels, tau, expansion))
    stack.add_module("narrow", nn.Conv2d(channels, hidden, 1))
    for n in range(1, blocks):
        stack.add_module(str(n), AttentionBlock(hidden, tau, expansion))
    stack.add_module("widen", nn.Conv2d(hidden, channels, 1))
    return stack


class PlainSimVP(nn.Module):
    """The network of ``translator`` incepu, gsta or tau."""

    def __init__(
        self,
        translator: str = "incepu",
        past: int = 10,
        hidden: int = 64,
        translator_hidden: int = 512,
        layers: int = 4,
        blocks: int = 8,
        expansion: int = 8,
        channels: int = 1,
    ) -> None:
        super().__init__()
        n, wide = hidden, past * hidden
        strides = [1 + i % 2 for i in range(layers)]
        inputs = [channels] + [n] * (layers - 1)
        self.encoder = nn.ModuleList(ConvSC(i, n, stride=s) for i, s in zip(inputs, strides, strict=True))
        self.decoder = nn.ModuleList(ConvSC(n, n, enlarge=s == 2) for s in reversed(strides[1:]))
        self.last = ConvSC(n, n)
        self.readout = nn.Conv2d(n, channels, 1)
        if translator == "incepu":
            self.translator: nn.Module = IncepU(wide, translator_hidden, blocks)
        else:
            self.translator = attention_stack(wide, translator_hidden, blocks, expansion, translator == "tau")

    def forward(self, past: Tensor, steps: int) -> Tensor:
        """(B, T, C, H, W) -> (B, S, C, H, W)."""
        parts = [self.next(past)]
        while len(parts) * past.shape[1] < steps:
            parts.append(self.next(parts[-1]))
        return torch.cat(parts, dim=1)[:, :steps]

    def next(self, frames: Tensor) -> Tensor:
        """As many frames as were given."""
        batch, length = frames.shape[:2]
        first = x = self.encoder[0](frames.flatten(0, 1))
        for layer in self.encoder[1:]:
            x = layer(x)
        x = self.translator(x.reshape(batch, -1, *x.shape[2:])).reshape(x.shape)
        for layer in self.decoder:
            x = layer(x)
        found: Tensor = self.readout(self.last(x + first))
        return found.view(batch, length, *found.shape[1:])
