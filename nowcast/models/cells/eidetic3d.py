"""The cell of E3D-LSTM (Wang et al., ICLR 2019): 3-D convolutions, and a recall of past memories.

Dimensions: B batch, C channels, L frames in a clip, h rows, w columns (of the patched map), H hidden channels;
n past memories, n <= tau; P = L * h * w places of a clip.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cells.clip_conv import ClipConv, Kernels
from nowcast.models.cells.convlstm import FORGET_BIAS
from nowcast.models.cells.history import History, extended

Reach = Literal["everywhere", "in_place"]


class EideticState(NamedTuple):
    """What the cell hands itself at the next step."""

    hidden: Tensor
    """(B, H, L, h, w)"""
    history: History
    """The last temporal memories C, oldest first, each (B, H, L, h, w); the last one is C[t-1]."""
    ready: tuple[Kernels, Kernels, Kernels, Kernels]
    """The kernels of x, h, m, o as this sequence uses them."""


def recall(gate: Tensor, history: History, reach: Reach = "everywhere") -> Tensor:
    """Read from past memories what the recall gate asks for: softmax(R K^T) K, without a scale.

    Channels are what is compared; the softmax runs over memories, never over channels.

    Args:
        gate: R, (B, H, L, h, w).
        history: n memories of that shape.
        reach: ``everywhere`` attends from each of the P places to all n P places of the memories, as
            the paper has it. The P x n P weights are never held at once where a fused attention kernel is
            there (CPU and CUDA have one); work grows with P squared. ``in_place`` attends from each place
            to the n memories of the same place: work grows with P, for large maps.

    Returns:
        The recalled memory, (B, H, L, h, w): at each place a convex combination of old memories.

    Source: Wang et al., E3D-LSTM, ICLR 2019, RECALL.
    """
    if reach == "in_place":
        memories = torch.stack(history, dim=1)
        weights = torch.softmax((memories * gate.unsqueeze(1)).sum(dim=2, keepdim=True), dim=1)
        return (weights * memories).sum(dim=1)
    batch, wide = gate.shape[:2]
    asked = _places(gate)
    known = torch.cat([_places(memory) for memory in history], dim=2)
    found = F.scaled_dot_product_attention(asked, known, known, scale=1.0)
    return found.reshape(batch, *gate.shape[2:], wide).movedim(-1, 1)


def _places(clip: Tensor) -> Tensor:
    """Lay (B, H, L, h, w) out as (B, 1, P, H): places in a row, channels innermost."""
    return clip.movedim(1, -1).reshape(clip.shape[0], 1, -1, clip.shape[1]).contiguous()


class EideticCell(RecurrentCell):
    """One Eidetic 3-D LSTM layer.

    The temporal memory is C = I * G + LN(C[t-1] + RECALL(R, the last tau memories)), the global memory
    M = F' * tanh(conv(M)) + I' * G' climbs the stack and goes on to the next step. No convolution has a
    bias; all keep rows, columns and frames ('same' padding, in time as well).

    Channel blocks are (r, i, g, i', f', g', o) of x, (r, i, g, o) of h, (i', f', g', m) of M, and C
    before M where both are joined.

    Args:
        in_channels: of the clip that comes in.
        hidden_channels: H.
        kernel: odd taps over frames, rows and columns.
        tau: how many past memories are kept and recalled from, the newest included.
        clip_frames: L.
        layer_norm: the LN above, over (H, L, h, w) with a gain and bias a channel, so any size will do.
            Without it the sum of two memories would double at each step: then it is their mean.
        reach: see `recall`.

    Source: Wang et al., E3D-LSTM, ICLR 2019; see docs/explanation/differences.md.
    """

    carries_memory = True

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel: tuple[int, int, int] = (3, 5, 5),
        tau: int = 5,
        clip_frames: int = 2,
        layer_norm: bool = True,
        reach: Reach = "everywhere",
    ) -> None:
        super().__init__()
        self.in_channels, self.hidden_channels = in_channels, hidden_channels
        self.clip_frames, self.tau = clip_frames, tau
        self.reach: Reach = reach
        wide = hidden_channels
        self.conv_x = ClipConv(in_channels, 7 * wide, kernel, bias=False)
        self.conv_h = ClipConv(wide, 4 * wide, kernel, bias=False)
        self.conv_m = ClipConv(wide, 4 * wide, kernel, bias=False)
        self.conv_o = ClipConv(2 * wide, wide, kernel, bias=False)
        self.conv_last = nn.Conv3d(2 * wide, wide, 1, bias=False)
        self.norm = nn.GroupNorm(1, wide) if layer_norm else None

    def initial_state(self, x: Tensor) -> EideticState:
        """Zeros: the hidden state and a history of one empty memory."""
        batch, _, length, rows, columns = x.shape
        zeros = x.new_zeros(batch, self.hidden_channels, length, rows, columns)
        clips = (batch, length, rows, columns)
        ready = (
            self.conv_x.prepare(clips),
            self.conv_h.prepare(clips),
            self.conv_m.prepare(clips),
            self.conv_o.prepare(clips),
        )
        return EideticState(zeros, (zeros,), ready)

    def forward(self, x: Tensor, state: EideticState, relay: Relay) -> CellOutput:
        """Take one time step on a clip (B, C, L, h, w); ``relay.memory`` None stands for zeros."""
        hidden, history, ready = state
        memory = torch.zeros_like(hidden) if relay.memory is None else relay.memory
        wide = self.hidden_channels
        of_x: Tensor = self.conv_x(x, ready[0])
        of_h: Tensor = self.conv_h(hidden, ready[1])
        of_m: Tensor = self.conv_m(memory, ready[2])
        r, i, g = (of_x[:, : 3 * wide] + of_h[:, : 3 * wide]).chunk(3, dim=1)
        cell = torch.sigmoid(i) * torch.tanh(g) + self._kept(torch.sigmoid(r), history)
        i, f, g = (of_x[:, 3 * wide : 6 * wide] + of_m[:, : 3 * wide]).chunk(3, dim=1)
        memory = torch.sigmoid(f + FORGET_BIAS) * torch.tanh(of_m[:, 3 * wide :])
        memory = memory + torch.sigmoid(i) * torch.tanh(g)
        both = torch.cat([cell, memory], dim=1)
        gate = torch.sigmoid(of_x[:, 6 * wide :] + of_h[:, 3 * wide :] + self.conv_o(both, ready[3]))
        hidden = gate * torch.tanh(self.conv_last(both))
        after = EideticState(hidden, extended(history, cell, self.tau), ready)
        return CellOutput(hidden, after, relay._replace(memory=memory), gate)

    def _kept(self, gate: Tensor, history: History) -> Tensor:
        """The part of the old memories that is kept."""
        found = history[-1] + recall(gate, history, self.reach)
        if self.norm is None:
            return found / 2
        normed: Tensor = self.norm(found)
        return normed
