"""The layers of FRNN, each of which is crossed upwards and downwards.

Dimensions: B batch, I channels below a layer, O channels above it, k side of its convolutions, h rows,
w columns.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BijectiveGRU(nn.Module):
    """A convolutional GRU with a state above and one below it, and gates for either way.

    Upwards, the state below is the input that changes the one above; downwards it is the other way round. The
    ways share states and no weights.

    Source: Oliu, Selva, Escalera 2018, the double-mapping (in preprints: bijective) GRU.
    """

    def __init__(self, below: int, above: int, filter_size: int) -> None:
        super().__init__()
        both, pad = below + above, filter_size // 2
        self.up_gates = nn.Conv2d(both, 2 * above, filter_size, padding=pad)
        self.up_candidate = nn.Conv2d(both, above, filter_size, padding=pad)
        self.down_gates = nn.Conv2d(both, 2 * below, filter_size, padding=pad)
        self.down_candidate = nn.Conv2d(both, below, filter_size, padding=pad)
        self.start = nn.Parameter(torch.zeros(above))
        """The state above before the first frame, one number a channel."""
        for conv in (self.up_gates, self.up_candidate, self.down_gates, self.down_candidate):
            for weight in conv.weight.chunk(2 if conv in (self.up_gates, self.down_gates) else 1):
                draw_orthonormal(weight)
            nn.init.zeros_(_bias(conv))

    def up(self, below: Tensor, above: Tensor) -> Tensor:
        """The new state above (B, O, h, w), from the one below (B, I, h, w) and the old one."""
        reset, update = torch.sigmoid(self.up_gates(torch.cat([below, above], dim=1))).chunk(2, dim=1)
        candidate = torch.tanh(self.up_candidate(torch.cat([below, above * reset], dim=1)))
        return above + update * (candidate - above)

    def down(self, below: Tensor, above: Tensor) -> Tensor:
        """The new state below (B, I, h, w), from the old one and the one above (B, O, h, w)."""
        reset, update = torch.sigmoid(self.down_gates(torch.cat([below, above], dim=1))).chunk(2, dim=1)
        candidate = torch.tanh(self.down_candidate(torch.cat([below * reset, above], dim=1)))
        return below + update * (candidate - below)


class TiedConvolution(nn.Module):
    """A convolution whose way down is its transpose: the same weights, another bias, a tanh after either.

    Args:
        below: I.
        above: O.
        filter_size: k.
        squash: end the way down with the tanh.
    """

    def __init__(self, below: int, above: int, filter_size: int, squash: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(above, below, filter_size, filter_size))
        self.up_bias = nn.Parameter(torch.zeros(above))
        self.down_bias = nn.Parameter(torch.zeros(below))
        self.pad, self.squash = filter_size // 2, squash
        draw_orthonormal(self.weight)

    def up(self, below: Tensor) -> Tensor:
        """(B, I, h, w) to (B, O, h, w)."""
        return torch.tanh(F.conv2d(below, self.weight, self.up_bias, padding=self.pad))

    def down(self, above: Tensor) -> Tensor:
        """(B, O, h, w) to (B, I, h, w)."""
        found = F.conv_transpose2d(above, self.weight, self.down_bias, padding=self.pad)
        return torch.tanh(found) if self.squash else found


@torch.no_grad()
def draw_orthonormal(weight: Tensor) -> None:
    """Fill weights (O, I, k, k) with orthonormal filters, each scaled to a spread of 2 / sqrt(I k k + O)."""
    flat = weight.new_empty(len(weight), weight[0].numel())
    nn.init.orthogonal_(flat)
    spread = flat.square().mean(dim=1, keepdim=True).sqrt()
    weight.copy_((flat / spread * (2 / math.sqrt(sum(flat.shape)))).view_as(weight))


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias
