"""A 3 x 3 convolution with 4 multiplications where 9 stand in its definition, for forecasts in float32.

Maps are cut into tiles of 2 x 2 outputs; each is 16 products instead of 36. A wide convolution on small
maps, as a recurrent cell has, is bound by its multiplications, so it gets faster by what that saves less
the additions around it.

Letters: B batch, C channels in, K channels out, h rows, w columns, n tiles.

Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, F(2 x 2, 3 x 3).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_INPUT = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
_KERNEL = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))
_OUTPUT = ((1, 1, 1, 0), (0, 1, -1, -1))


class WinogradConvolution(nn.Module):
    """A convolution 3 x 3 with a border of one zero, for maps with an even number of rows and columns.

    Weights are transformed once and have no gradient. Rounding errors are no larger than those of the
    plain sum.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        kernel, inner, outer = (torch.tensor(rows).to(weight) for rows in (_KERNEL, _INPUT, _OUTPUT))
        weight = weight.detach()
        spread = torch.einsum("ij,kcjm,lm->ilck", kernel, weight, kernel).flatten(0, 1)
        self.register_buffer("products", spread.contiguous())
        self.register_buffer("to_tiles", torch.kron(inner, inner))
        self.register_buffer("from_tiles", torch.kron(outer, outer))
        self.register_buffer("bias", bias.detach())
        self.products: Tensor
        self.to_tiles: Tensor
        self.from_tiles: Tensor
        self.bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, h, w) to (B, K, h, w); the output lies channels-last."""
        batch, channels, rows, columns = x.shape
        down, along = rows // 2, columns // 2
        padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous()
        image, row, column, _ = padded.stride()
        tiles = padded.as_strided(
            (4, 4, batch, down, along, channels), (row, column, image, 2 * row, 2 * column, 1)
        )
        spread = (self.to_tiles @ tiles.reshape(16, -1)).view(16, -1, channels)
        products = torch.bmm(spread, self.products)
        outputs = (self.from_tiles @ products.flatten(1)).view(2, 2, batch, down, along, -1)
        laid = outputs.permute(2, 3, 0, 4, 1, 5).reshape(batch, rows, columns, -1)
        return laid.add_(self.bias).permute(0, 3, 1, 2)
