"""The memory of LMC-Memory: slots of long-term motion, addressed by the motion at each place.

Dimensions: B batch, D slot width, N slots, K channels of the recurrent part, h, w rows and columns of
the query map (a quarter of the recurrent part's on each side).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SMALLEST = 1e-6
"""A query shorter than this has no direction. The published 1e-12 gives the same numbers on frames that
move, and gradients of 1e12 on frames where nothing does: radar is dry most of the time."""


class MotionMemory(nn.Module):
    """Slots that hold kinds of motion; a query recalls a mixture of them.

    Each place of the query map asks for itself ("local"), or one query, the mean over all places,
    asks for the whole frame ("pooled": the non-local row of the paper's Table 4).

    Source: Lee et al., CVPR 2021, Section 3.1, Eq. 1-2. Cosines lie in [-1, 1], so at the published
    temperature 1 the addressing is close to uniform; a lower one sharpens it.
    """

    def __init__(self, slots: int, width: int, channels: int, *, pooled: bool, temperature: float) -> None:
        super().__init__()
        self.slots = nn.Parameter(torch.empty(slots, width))
        if not self.slots.is_meta:
            nn.init.normal_(self.slots)
        self.pooled = pooled
        self.temperature = temperature
        self.embed = nn.Sequential(
            nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width // 2, channels, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(inplace=True),
        )

    def address(self, queries: Tensor) -> Tensor:
        """How much of each slot each place addresses: (B, D, h, w) -> (B, N, h, w), sums to 1 over N.

        The result is at least float32, under autocast too: the weights differ in their third digit.
        """
        precise = torch.promote_types(queries.dtype, torch.float32)
        with torch.autocast(queries.device.type, enabled=False):
            if self.pooled:
                mean = queries.to(precise).mean(dim=(2, 3), keepdim=True)
                asked = F.normalize(mean, dim=1, eps=_SMALLEST)
            else:
                asked = F.normalize(queries.to(precise), dim=1, eps=_SMALLEST)
            slots = F.normalize(self.slots.to(precise), dim=1, eps=_SMALLEST)
            cosines = torch.einsum("bdhw,nd->bnhw", asked, slots)
            weights = torch.softmax(cosines / self.temperature, dim=1)
        return weights.expand(-1, -1, *queries.shape[2:]) if self.pooled else weights

    def forward(self, queries: Tensor) -> Tensor:
        """Recall motion for queries (B, D, h, w) as a map (B, K, 4 h, 4 w)."""
        weights = self.address(queries)
        with torch.autocast(queries.device.type, enabled=False):
            recalled = torch.einsum("bnhw,nd->bdhw", weights, self.slots.to(weights.dtype))
        embedded: Tensor = self.embed(recalled.to(queries.dtype))
        return embedded


class ChannelAttention(nn.Module):
    """Weigh the channels of the recalled motion by what the top layer's cell state holds now.

    Source: Lee et al., CVPR 2021, Section 3.1 ("fully connected layers"); pooled over all places
    first, as in the published code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 8, 4)  # the published 1/8; below 4 a ReLU may leave none alive
        self.weigh = nn.Sequential(
            nn.Linear(2 * channels, narrow), nn.ReLU(), nn.Linear(narrow, channels), nn.Sigmoid()
        )

    def forward(self, cell: Tensor, recalled_mean: Tensor) -> Tensor:
        """Weights (B, K, 1, 1) from the cell state (B, K, 4 h, 4 w) and the recalled map's mean (B, K)."""
        pooled = torch.cat([cell.mean(dim=(2, 3)), recalled_mean.to(cell.dtype)], dim=1)
        weights: Tensor = self.weigh(pooled)
        return weights[:, :, None, None]
