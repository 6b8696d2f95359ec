"""TrajGRU (Shi et al., NeurIPS 2017): a GRU whose neighbours in the past are learned, not fixed.

Dimensions: B batch, C channels, h rows, w columns (of the patched map), H hidden channels, K links.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size
from nowcast.models.cells.motion import gather, neighbour_places

FLOW_CHANNELS = 32
"""Width of the layer that reads input and state before the flows."""
SLOPE = 0.2
"""Of the leaky ReLUs."""


class TrajGRUState(NamedTuple):
    """What the cell hands itself at the next step."""

    hidden: Tensor
    """(B, H, h, w)"""
    places: Tensor
    """(1, K * h, w, 2): where the map's own places lie, once a link, as `grid_sample` counts; constant."""


class TrajGRU(RecurrentCell):
    """One TrajGRU layer.

    K flows are read from input and state; the state is gathered along each, bilinearly and with zero
    outside, and one 1x1 convolution over all K gathered maps takes the place of the convolution on the
    state. Flows are offsets in cells of the map: K row offsets, then K column offsets. Channel blocks are
    (z, r, candidate) of both convolutions. It has no output gate.

    Source: Shi et al., Deep Learning for Precipitation Nowcasting, NeurIPS 2017; see
    docs/explanation/differences.md.
    """

    def __init__(self, in_channels: int, hidden_channels: int, filter_size: int = 5, links: int = 13) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        self.in_channels, self.hidden_channels, self.links = in_channels, hidden_channels, links
        size, pad, wide = filter_size, filter_size // 2, hidden_channels
        self.conv_x = nn.Conv2d(in_channels, 3 * wide, size, padding=pad)
        self.conv_links = nn.Conv2d(links * wide, 3 * wide, 1, bias=False)
        self.flow_x = nn.Conv2d(in_channels, FLOW_CHANNELS, size, padding=pad)
        self.flow_h = nn.Conv2d(wide, FLOW_CHANNELS, size, padding=pad, bias=False)
        self.flow = nn.Conv2d(FLOW_CHANNELS, 2 * links, size, padding=pad)

    def initial_state(self, x: Tensor) -> TrajGRUState:
        """Zeros (B, hidden_channels, h, w), and the places of the map."""
        zeros = x.new_zeros(x.shape[0], self.hidden_channels, *x.shape[2:])
        places = neighbour_places(1, x.shape[2], x.shape[3], x).repeat(1, self.links, 1, 1)
        return TrajGRUState(zeros, places)

    def forward(self, x: Tensor, state: TrajGRUState, relay: Relay) -> CellOutput:
        """Take one time step; the relay passes by untouched."""
        old = state.hidden
        flows = self.flow(F.leaky_relu(self.flow_x(x) + self.flow_h(old), SLOPE))
        found = gather(old, flows, state.places)
        xz, xr, xg = self.conv_x(x).chunk(3, dim=1)
        hz, hr, hg = self.conv_links(found.flatten(1, 2)).chunk(3, dim=1)
        update = torch.sigmoid(xz + hz)
        candidate = F.leaky_relu(xg + torch.sigmoid(xr + hr) * hg, SLOPE)
        hidden = candidate + update * (old - candidate)
        return CellOutput(hidden, state._replace(hidden=hidden), relay)
