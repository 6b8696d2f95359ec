"""The cell of ASTM: a 3-D ST-LSTM whose temporal path attends to the last tau memories.

Dimensions: B batch, C channels, L frames in a clip, h rows, w columns (of the patched map), H hidden channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay
from nowcast.models.cells.clip_conv import ClipConv, Kernels
from nowcast.models.cells.history import History, attend, extended


class Ready(NamedTuple):
    """One gate convolution made ready for a sequence: its kernels and its normalisation."""

    kernels: Kernels
    gain: Tensor | None
    """(L, h, w, C) like the maps in memory; None without normalisation."""
    bias: Tensor | None


class ASTMState(NamedTuple):
    """What the cell hands itself at the next step."""

    hidden: Tensor
    """(B, H, L, h, w)"""
    history: History
    """The last temporal memories, oldest first, each (B, H, L, h, w)."""
    ready: tuple[Ready, Ready, Ready, Ready]
    """The weights of x, h, m, o as this sequence uses them."""


class GateConv(nn.Module):
    """A clip convolution and, if asked for, a LayerNorm over (C, L, h, w) with its own gain everywhere."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, int, int],
        norm_over: tuple[int, int, int] | None,
    ) -> None:
        super().__init__()
        self.conv = ClipConv(in_channels, out_channels, kernel)
        self.norm = nn.LayerNorm((out_channels, *norm_over)) if norm_over else None

    def prepare(self, clips: tuple[int, int, int, int]) -> Ready:
        """Make the weights ready for clips of (B, L, h, w)."""
        if self.norm is None:
            return Ready(self.conv.prepare(clips), None, None)
        gain, bias = (p.permute(1, 2, 3, 0).contiguous() for p in (self.norm.weight, self.norm.bias))
        return Ready(self.conv.prepare(clips), gain, bias)

    def forward(self, clip: Tensor, ready: Ready) -> Tensor:
        """Convolve (B, C, L, h, w) and normalise."""
        y: Tensor = self.conv(clip, ready.kernels)
        if self.norm is None or ready.gain is None:
            return y
        last = y.permute(0, 2, 3, 4, 1)
        normed = F.layer_norm(last, ready.gain.shape, ready.gain, ready.bias, self.norm.eps)
        return normed.permute(0, 4, 1, 2, 3)


class ASTMCell(RecurrentCell):
    """One layer of ASTM (Chang et al., 2021), equations 1 to 8.

    Args:
        in_channels: of the clip that comes in.
        hidden_channels: H.
        kernel: taps over frames, rows and columns.
        tau: how many past memories the gate attends to. With 1 there is nothing to choose from and the
            cell is the plain ST-LSTM on clips, the paper's ablation without attention.
        clip_frames: L.
        norm_over: (L, h, w) to put a LayerNorm after each gate convolution, which ties the weights to
            that size; None for none.

    Where paper and published code differ, see ``docs/explanation/differences.md``.
    """

    carries_memory = True

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        kernel: tuple[int, int, int] = (3, 5, 5),
        tau: int = 5,
        clip_frames: int = 2,
        norm_over: tuple[int, int, int] | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.hidden_channels = H = hidden_channels
        self.tau, self.clip_frames = tau, clip_frames
        self.conv_x = GateConv(in_channels, 7 * H, kernel, norm_over)
        self.conv_h = GateConv(H, 4 * H, kernel, norm_over)
        self.conv_m = GateConv(H, 3 * H, kernel, norm_over)
        self.conv_o = GateConv(2 * H, H, kernel, norm_over)
        self.conv_last = nn.Conv3d(2 * H, H, 1)

    def initial_state(self, x: Tensor) -> ASTMState:
        """Zeros: the hidden state and a history of one empty memory."""
        batch, _, length, rows, columns = x.shape
        zeros = x.new_zeros(batch, self.hidden_channels, length, rows, columns)
        zeros = zeros.contiguous(memory_format=torch.channels_last_3d)
        parts = (self.conv_x, self.conv_h, self.conv_m, self.conv_o)
        x_ready, h_ready, m_ready, o_ready = (part.prepare((batch, length, rows, columns)) for part in parts)
        return ASTMState(zeros, (zeros,), (x_ready, h_ready, m_ready, o_ready))

    def forward(self, x: Tensor, state: ASTMState, relay: Relay) -> CellOutput:
        """Take one time step on a clip (B, C, L, h, w)."""
        hidden, history, ready = state
        memory = relay.memory if relay.memory is not None else torch.zeros_like(hidden)
        H = self.hidden_channels
        of_x = self.conv_x(x, ready[0])
        of_h = self.conv_h(hidden, ready[1])
        of_m = self.conv_m(memory, ready[2])
        temporal, forget = _memory_gates(of_x[:, : 3 * H], of_h[:, : 3 * H])
        temporal = torch.addcmul(temporal, forget, attend(forget, history))
        spatial, forget = _memory_gates(of_x[:, 3 * H : 6 * H], of_m)
        spatial = torch.addcmul(spatial, forget, memory)
        both = torch.cat((temporal, spatial), dim=1)
        gate = of_x[:, 6 * H :] + of_h[:, 3 * H :] + self.conv_o(both, ready[3])
        gate = torch.sigmoid(gate)
        hidden = gate * torch.tanh(self.conv_last(both))
        kept = ASTMState(hidden, extended(history, temporal, self.tau), ready)
        return CellOutput(hidden, kept, relay._replace(memory=spatial), gate)


def _memory_gates(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """What is written (input gate times candidate) and the forget gate, whose bias starts at 1."""
    write, forget, candidate = (one + other).chunk(3, dim=1)
    return torch.sigmoid(write) * torch.tanh(candidate), torch.sigmoid(forget + 1)
