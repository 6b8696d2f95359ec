"""The two-way autoencoder of CrevNet: one set of weights encodes forwards and decodes backwards.

Dimensions: B batch, C channels of a frame, 3 frames of a packet, H rows, W columns; a channels of a half of the
features, h rows and w columns of their maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

NormName = Literal["group", "batch"]


class Halves(NamedTuple):
    """Features in two parts (B, a, 3, h, w) that change each other in turn."""

    first: Tensor
    second: Tensor


class CouplingBlock(nn.Module):
    """(x1, x2) -> (x2, x1 + F(x2)): whatever F is, x1 comes back by subtracting it again.

    F is three convolutions over space and time without bias, each after norm and ReLU (but the first of the
    network); a block that halves rows and columns moves them into channels of x1 and x2.

    Args:
        in_channels: of each half before the block.
        out_channels: of each half after it: as many, or four times as many with ``halves``.
        halves: halve rows and columns.
        leading: the first block of the network, which reads pixels and has no norm and ReLU in front.
        norm: of the features.
    """

    def __init__(
        self, in_channels: int, out_channels: int, halves: bool, leading: bool, norm: NormName
    ) -> None:
        super().__init__()
        self.halves = halves
        narrow, stride = max(1, out_channels // 2), (1, 2, 2) if halves else (1, 1, 1)
        front = [] if leading else [_norm(norm, in_channels), nn.ReLU()]
        self.residual = nn.Sequential(
            *front,
            nn.Conv3d(in_channels, narrow, 3, stride, padding=1, bias=False),
            _norm(norm, narrow),
            nn.ReLU(),
            nn.Conv3d(narrow, narrow, 3, padding=1, bias=False),
            _norm(norm, narrow),
            nn.ReLU(),
            nn.Conv3d(narrow, out_channels, 3, padding=1, bias=False),
        )

    def forward(self, x: Halves) -> Halves:
        """Encode."""
        change = self.residual(x.second)
        if self.halves:
            x = Halves(space_to_depth(x.first), space_to_depth(x.second))
        return Halves(x.second, x.first + change)

    def backward_pass(self, x: Halves) -> Halves:
        """Undo `forward`."""
        second = depth_to_space(x.first) if self.halves else x.first
        first = x.second - self.residual(second)
        return Halves(depth_to_space(first) if self.halves else first, second)


class ReversibleAutoencoder(nn.Module):
    """Packets to features and back, without loss: as many numbers inside as in the packet.

    The upper and the lower pixel of each 2 x 2 cell become the two halves; then come stages of coupling blocks,
    of which all but the first stage begin by halving rows and columns. So a half has 2 C channels in the first
    stage and four times as many in each further one.

    Why: nothing that a frame holds can get lost on the way in, and the decoder has no weights of its own.

    Source: Yu et al., CrevNet, ICLR 2020, section 3.1; the blocks of Jacobsen et al., i-RevNet, ICLR 2018.

    Args:
        channels: C.
        blocks: how many in each stage.
        norm: ``batch`` as published, whose statistics must be the same in both directions for exactness.
    """

    def __init__(self, channels: int, blocks: Sequence[int], norm: NormName) -> None:
        super().__init__()
        made: list[CouplingBlock] = []
        wide = 2 * channels
        for stage, count in enumerate(blocks):
            for number in range(count):
                halves = stage > 0 and number == 0
                out = 4 * wide if halves else wide
                made.append(CouplingBlock(wide, out, halves, leading=not made, norm=norm))
                wide = out
        self.blocks = nn.ModuleList(made)
        self.half_channels = wide

    def encode(self, packets: Tensor) -> Halves:
        """Turn packets (B, C, 3, H, W) into their features."""
        x = Halves(*space_to_depth(packets).chunk(2, dim=1))
        for block in self.blocks:
            x = block(x)
        return x

    def decode(self, x: Halves) -> Tensor:
        """Turn features into the packets (B, C, 3, H, W) they came from."""
        for block in reversed(cast(list[CouplingBlock], list(self.blocks))):
            x = block.backward_pass(x)
        return depth_to_space(torch.cat(x, dim=1))


def space_to_depth(maps: Tensor) -> Tensor:
    """(B, C, 3, 2 h, 2 w) to (B, 4 C, 3, h, w): the place in the 2 x 2 cell is the slower index."""
    batch, channels, length, rows, columns = maps.shape
    cells = maps.reshape(batch, channels, length, rows // 2, 2, columns // 2, 2)
    moved = cells.permute(0, 4, 6, 1, 2, 3, 5)
    return moved.reshape(batch, 4 * channels, length, rows // 2, columns // 2)


def depth_to_space(maps: Tensor) -> Tensor:
    """Undo `space_to_depth`."""
    batch, channels, length, rows, columns = maps.shape
    cells = maps.reshape(batch, 2, 2, channels // 4, length, rows, columns)
    moved = cells.permute(0, 3, 4, 5, 1, 6, 2)
    return moved.reshape(batch, channels // 4, length, 2 * rows, 2 * columns)


def _norm(name: NormName, channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels) if name == "group" else nn.BatchNorm3d(channels)
