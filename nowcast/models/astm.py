"""ASTM: a recurrent network on short clips whose cells attend to several past memories.

Letters: B batch, T past frames, S forecast steps, C channels, H rows, W columns of a frame; L frames in
a clip, P channels of a patched frame, h rows, w columns of the map inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import SequenceModel, Teacher
from nowcast.models.cells.astm import ASTMCell
from nowcast.models.cells.base import RecurrentCell, Relay
from nowcast.models.padding import check_size
from nowcast.models.patches import from_patches, to_patches
from nowcast.models.unroll import unroll


@dataclass(frozen=True)
class ASTMSettings:
    """Settings of ASTM; defaults are those of the paper where it says, else of the published code."""

    hidden: tuple[int, ...] = (64, 64, 64, 64)
    """Channels of each layer."""
    kernel: tuple[int, int, int] = (3, 5, 5)
    """Taps over frames, rows and columns."""
    patch: int = 4
    """Side of the squares folded into channels: 4 for 64 x 64, 8 for 128 x 128."""
    clip_length: int = 2
    """L: how many of the newest frames a step sees. The paper leaves it open; 2 is published."""
    tau: int = 5
    """How many past memories the gate attends to."""
    history: Literal["equation7", "released"] = "equation7"
    """``released``: all tau entries are the newest memory, as the published program computes it."""
    attention: bool = True
    """False: the paper's ablation ``basic``, a plain forget gate on the newest memory."""
    layer_norm: bool = False
    """Normalise over (channels, L, h, w) as published: more parameters, and one frame size only."""
    encoder: Literal["patches", "convolution"] = "patches"
    """``convolution``: the single 3-D convolution of the paper's text before the first layer."""
    downsample: int = 1
    """Shrink the patched map by 1, 2, 4 ... before the first layer, and enlarge it after the last."""

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise SettingsError(complain("hidden", self.hidden, "channels of each layer", "give one or more"))
        if len(set(self.hidden)) > 1:
            expected = "one width for all layers, which hand one memory on"
            raise SettingsError(complain("hidden", self.hidden, expected, "give the same number"))
        for name in ("patch", "clip_length", "tau"):
            if getattr(self, name) < 1:
                raise SettingsError(complain(name, getattr(self, name), "at least 1", "change it"))
        if any(taps < 1 or taps % 2 == 0 for taps in self.kernel):
            raise SettingsError(complain("kernel", self.kernel, "three odd numbers", "try 3, 5, 5"))
        if self.downsample < 1 or self.downsample & (self.downsample - 1):
            raise SettingsError(complain("downsample", self.downsample, "a power of two", "try 1 or 2"))

    @property
    def remembered(self) -> int:
        """How many different memories the gate sees.

        One without attention. One also with the released history: its softmax runs over tau times the
        same map, so its weights are 1 / tau each and the newest memory comes out.
        """
        return self.tau if self.attention and self.history == "equation7" else 1


class ASTMStackState(NamedTuple):
    """What the network hands itself at the next step."""

    window: tuple[Tensor, ...]
    """The L - 1 frames before this one, patched (B, P, h, w)."""
    memory: Tensor | None
    """The spatial memory of the top layer; None before the first step."""
    cells: tuple[Any, ...]
    """The state of each layer, bottom first."""


class ASTM(SequenceModel):
    """Attention-based spatiotemporal memory network.

    A step sees the last L frames as a clip. Its layers are 3-D ST-LSTMs: each keeps temporal memories of
    its own and attends to the last tau of them, while a spatial memory climbs the stack and goes from
    the top layer to the next step's bottom one. Before the first frame there are frames of zeros.

    Args:
        settings: see `ASTMSettings`.
        channels: C.
        size: (H, W), needed with ``layer_norm`` only, whose weights belong to one frame size.
        wrap: puts something around each cell but the top one, such as a MotionGRU.

    Source: Chang et al., "Attention-based spatiotemporal memory for video prediction" (2021); where
    paper and published code part, see ``docs/explanation/differences.md``.
    """

    def __init__(
        self,
        settings: ASTMSettings | None = None,
        channels: int = 1,
        size: tuple[int, int] | None = None,
        wrap: Callable[[RecurrentCell], RecurrentCell] | None = None,
    ) -> None:
        super().__init__()
        self.settings = chosen = settings or ASTMSettings()
        side = chosen.patch * chosen.downsample
        self.multiple_of = (side, side)
        self.size = size if chosen.layer_norm else None
        depth = channels * chosen.patch**2
        norm_over = _norm_over(chosen, size)
        self.encoder, width = _encoder(chosen, depth)
        self.cells = nn.ModuleList()
        for i, hidden in enumerate(chosen.hidden):
            below = width if i == 0 else chosen.hidden[i - 1]
            cell: RecurrentCell = ASTMCell(below, hidden, chosen.kernel, chosen.remembered, norm_over)
            top = i == len(chosen.hidden) - 1
            self.cells.append(cell if wrap is None or top else wrap(cell))
        self.decoder = _decoder(chosen, depth)

    def forward(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast: see `SequenceModel.forward`."""
        self._check(past)
        return unroll(self, past, steps, teacher)

    def rollout(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast with the one-step predictions of the past in front: see `SequenceModel.rollout`."""
        self._check(past)
        return unroll(self, past, steps, teacher, warm=True)

    def encode(self, frames: Tensor) -> Tensor:
        """Fold frames (N, C, H, W) into patches (N, P, h, w)."""
        return to_patches(frames, self.settings.patch)

    def start(self, first: Tensor, past: Tensor) -> ASTMStackState:
        """Give a window of frames of zeros and cells at rest."""
        del past
        window = (torch.zeros_like(first),) * (self.settings.clip_length - 1)
        x = self._clip(window, first)
        states = []
        for cell in self.cells:
            assert isinstance(cell, RecurrentCell)
            states.append(cell.initial_state(x))
            x = x.new_zeros((), device=x.device).expand(x.shape[0], cell.hidden_channels, *x.shape[2:])
        return ASTMStackState(window, None, tuple(states))

    def step(
        self, x: Tensor, state: ASTMStackState, emit: bool
    ) -> tuple[Tensor | None, ASTMStackState]:
        """Take one patched frame; give the next frame and the state."""
        clip = self._clip(state.window, x)
        relay, states = Relay(memory=state.memory), []
        for cell, old in zip(self.cells, state.cells, strict=True):
            output = cell(clip, old, relay)
            clip, relay = output.hidden, output.relay
            states.append(output.state)
        window = (*state.window, x)[1:]
        frame = from_patches(self.decoder(clip).squeeze(2), self.settings.patch) if emit else None
        return frame, ASTMStackState(window, relay.memory, tuple(states))

    def _clip(self, window: tuple[Tensor, ...], newest: Tensor) -> Tensor:
        clip = torch.stack((*window, newest), dim=2)
        encoded: Tensor = self.encoder(clip.contiguous(memory_format=torch.channels_last_3d))
        return encoded

    def _check(self, past: Tensor) -> None:
        height, width = past.shape[-2:]
        check_size(self.multiple_of, height, width)
        if self.size is not None and self.size != (height, width):
            expected = f"{self.size[0]} x {self.size[1]}, which layer_norm ties it to"
            remedy = "crop the frames or train a network without layer_norm"
            raise SettingsError(complain("frame size", f"{height} x {width}", expected, remedy))


def _norm_over(settings: ASTMSettings, size: tuple[int, int] | None) -> tuple[int, int, int] | None:
    """Give the (L, h, w) that the normalisation runs over, or None."""
    if not settings.layer_norm:
        return None
    if size is None:
        raise SettingsError(
            complain("layer_norm", "no frame size", "the size it is tied to", "give size=(rows, columns)")
        )
    side = settings.patch * settings.downsample
    check_size((side, side), *size)
    return settings.clip_length, size[0] // side, size[1] // side


def _encoder(settings: ASTMSettings, depth: int) -> tuple[nn.Module, int]:
    """Give what turns a clip (B, P, L, h, w) into the first layer's input, and its channels."""
    blocks: list[nn.Module] = []
    for _ in range(settings.downsample.bit_length() - 1):
        blocks += [nn.Conv3d(depth, depth, 3, stride=(1, 2, 2), padding=1), nn.ReLU()]
    if settings.encoder == "patches":
        return nn.Sequential(*blocks), depth
    width = settings.hidden[0]
    blocks.append(nn.Conv3d(depth, width, settings.kernel, padding="same"))
    return nn.Sequential(*blocks), width


def _decoder(settings: ASTMSettings, depth: int) -> nn.Module:
    """Give what turns the top hidden clip (B, C, L, h, w) into one patched frame (B, P, 1, h, w)."""
    length, top = settings.clip_length, settings.hidden[-1]
    blocks: list[nn.Module] = []
    for _ in range(settings.downsample.bit_length() - 1):
        grow = nn.ConvTranspose3d(top, top, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1))
        blocks += [grow, nn.ReLU()]
    return nn.Sequential(*blocks, nn.Conv3d(top, depth, (length, 1, 1)))
