"""Draw a frame from VPN's PixelCNN decoder, one pixel after the other.

Why not the decoder itself once a pixel: a masked layer at a pixel depends on the layer below at that pixel and
at those before it, which stay as they are. So each layer is computed once at each pixel, and a frame costs as
many multiplications as one pass of the decoder, in place of one pass a pixel.

Dimensions: B batch, C channels, K channels of a multiplicative unit, 2 K between blocks, H rows, W columns.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

from nowcast.models.video.vpn.blocks import MaskedConvolution, MultiplicativeBlock, MultiplicativeUnit
from nowcast.models.video.vpn.pixel_decoder import FrameBlock, PixelDecoder


@torch.no_grad()
def draw_frame(decoder: PixelDecoder, context: Tensor, noise: Tensor | None) -> Tensor:
    """Draw a frame.

    Args:
        decoder: with one logit a channel.
        context: (B, 2 K, H, W).
        noise: (C, H, W), even in [0, 1): there is ink where it is below the chance. None takes the chance
            itself as the pixel.

    Returns:
        (B, C, H, W), without a gradient.
    """
    if isinstance(context, FakeTensor):  # work is counted: one pass has as many products, masked ones with them
        batch, _, *size = context.shape
        counted: Tensor = decoder(context, context.new_zeros(batch, decoder.channels, *size))
        return counted
    with torch.autocast(context.device.type, enabled=False):  # single pixels gain nothing by 16 bits
        dtype = decoder.frame_block.leave.weight.dtype
        frame = _Frame(decoder, context.to(dtype))
        for row in range(context.shape[-2]):
            frame.begin_row(row)
            for column in range(context.shape[-1]):
                chance = torch.sigmoid(frame.logits(column).float())
                pixel = chance if noise is None else noise[:, row, column] < chance
                frame.write(column, pixel.to(dtype))
        return frame.drawn()


class _Frame:
    """What has been drawn of a frame, and all layers along its newest two rows."""

    def __init__(self, decoder: PixelDecoder, context: Tensor) -> None:
        first = decoder.frame_block
        batch, _, self.rows, self.columns = context.shape
        self.channels = decoder.channels
        maps = decoder.context_block(context)
        self.context = maps.permute(2, 3, 0, 1).contiguous()
        self.entered = first.enter(maps).permute(2, 3, 0, 1).contiguous()
        self.first, self.row = first, 0
        self.blocks = [*cast(list[MultiplicativeBlock], list(decoder.blocks)), decoder.last]
        layers: list[FrameBlock | MultiplicativeBlock] = [first, *self.blocks]
        units = [unit for block in layers for unit in (block.first_unit, block.second_unit)]
        self.units = [_UnitRows(unit, batch, self.columns, context) for unit in units]
        read = first.read
        self.reach = 0 if read is None else read.kernel_size[0] // 2
        self.filters = None if read is None else read.masked_weight()[:, :, : self.reach + 1].flatten(1)
        shape = (batch, self.channels, self.reach + self.rows, self.columns + 2 * self.reach)
        self.padded = context.new_zeros(shape)

    def begin_row(self, row: int) -> None:
        """Go to the start of a row."""
        self.row = row
        for unit in self.units:
            unit.begin_row()

    def logits(self, column: int) -> Tensor:
        """Logits (B, C) of a pixel whose forerunners are all written."""
        context: Tensor = self.context[self.row, column]
        h: Tensor = self.entered[self.row, column]
        if self.filters is None:
            h = torch.cat([h, h.new_zeros(len(h), self.channels)], dim=1)
        else:
            around = self.padded[:, :, self.row : self.row + self.reach + 1, column : column + self._side]
            h = h + around.flatten(1) @ self.filters.T
        x: Tensor = context + _pointwise(self.first.leave, self._units(0, column, h))
        for number, block in enumerate(self.blocks, start=1):
            out = _pointwise(block.leave, self._units(number, column, _pointwise(block.enter, x)))
            x = x + out if block.residual else out
        return x

    def write(self, column: int, pixel: Tensor) -> None:
        """Set the pixel (B, C) whose logits were taken last."""
        self.padded[:, :, self.row + self.reach, column + self.reach] = pixel
        if self.filters is None:
            self.units[0].row[:, column + 1, -self.channels :] = pixel

    def drawn(self) -> Tensor:
        """The frame (B, C, H, W)."""
        return self.padded[:, :, self.reach :, self.reach : self.reach + self.columns].contiguous()

    @property
    def _side(self) -> int:
        return 2 * self.reach + 1

    def _units(self, block: int, column: int, h: Tensor) -> Tensor:
        return self.units[2 * block + 1].at(column, self.units[2 * block].at(column, h))


class _UnitRows:
    """A masked multiplicative unit along a row: its input there and what the row above adds to its gates."""

    def __init__(self, unit: MultiplicativeUnit, batch: int, columns: int, like: Tensor) -> None:
        self.unit = unit
        gates = cast(MaskedConvolution, unit.gates)
        filters = gates.masked_weight().permute(2, 3, 1, 0)  # row, column, from, to
        wide = gates.in_channels
        self.from_above = filters[0].reshape(3 * wide, 4 * wide)
        self.from_row = filters[1, :2].reshape(2 * wide, 4 * wide)
        self.bias = cast(Tensor, gates.bias)
        self.row = like.new_zeros(batch, columns + 2, wide)
        self.above = self.row

    def begin_row(self) -> None:
        """Let the row just done be the one above."""
        batch, padded, wide = self.row.shape
        around = self.row.unfold(1, 3, 1).permute(1, 0, 3, 2).reshape(-1, 3 * wide)
        above = torch.addmm(self.bias, around, self.from_above)
        self.above = above.view(padded - 2, batch, 4 * wide)
        self.row = torch.zeros_like(self.row)

    def at(self, column: int, h: Tensor) -> Tensor:
        """Take h (B, K) at a column; return the unit's output there."""
        self.row[:, column + 1] = h
        raw = torch.addmm(self.above[column], self.row[:, column : column + 2].flatten(1), self.from_row)
        return self.unit.mixed(raw, h)


def _pointwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    return F.linear(x, layer.weight[:, :, 0, 0], layer.bias)
