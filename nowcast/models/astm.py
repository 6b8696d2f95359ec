"""ASTM: a recurrent network on short clips whose cells attend to several past memories.

Dimensions: B batch, C channels of the map, L frames in a clip, h rows, w columns of the patched map.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec
from nowcast.models.cells.astm import ASTMCell
from nowcast.models.cells.base import RecurrentCell, check_filter_size
from nowcast.models.cells.motion import MotionSettings
from nowcast.models.cpu.packed import reads_as_it_lies
from nowcast.models.padding import check_size
from nowcast.models.recurrent import Ends, RecurrentStack
from nowcast.models.stack_builder import StackSettings, build_stack, map_of


@dataclass(frozen=True)
class ASTMSettings(StackSettings):
    """ASTM; defaults are the paper's where it has any, else the published code's."""

    frame_taps: int = 3
    """Size of the kernels along the frames of the clip; odd. With ``filter_size`` 5: 3 x 5 x 5."""
    clip_frames: int = 2
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
        super().__post_init__()
        check_filter_size("frame_taps", self.frame_taps)
        for name in ("clip_frames", "tau"):
            if getattr(self, name) < 1:
                raise SettingsError(complain(name, getattr(self, name), "1 or more", "change it"))
        if self.downsample < 1 or self.downsample & (self.downsample - 1):
            raise SettingsError(complain("downsample", self.downsample, "a power of two", "take 1 or 2"))

    @property
    def memories(self) -> int:
        """How many different memories the gate sees.

        One without attention. One also with the released history: its softmax runs over tau times the
        same map, so each weight is 1 / tau and the newest memory comes out.
        """
        return self.tau if self.attention and self.history == "equation7" else 1

    @property
    def kernel(self) -> tuple[int, int, int]:
        """Taps over frames, rows and columns."""
        return self.frame_taps, self.filter_size, self.filter_size


@dataclass(frozen=True)
class MotionASTMSettings(ASTMSettings):
    """ASTM under MotionRNN, which no paper has."""

    motion: MotionSettings = field(default_factory=MotionSettings)


def build_astm(settings: ASTMSettings, spec: FrameSpec) -> RecurrentStack:
    """Build ASTM (Chang et al., 2021), under MotionRNN where the settings have ``motion``.

    A step sees the last L frames as a clip, zeros before the first. Each layer keeps temporal memories of
    its own and attends to the last tau of them, while a spatial memory climbs the stack and goes from the
    top layer to the next step's bottom one.

    Raises:
        SettingsError: a size, hidden channels or layers that do not fit.
    """
    norm_over = _norm_over(settings, spec.size)

    def cell(layer: int, wide_in: int, wide: int) -> RecurrentCell:
        del layer
        return ASTMCell(wide_in, wide, settings.kernel, settings.memories, settings.clip_frames, norm_over)

    ends = _ends(settings, settings.patch**2 * spec.channels)
    return build_stack(settings, spec, cell, settings.layer_norm, ends)


def _norm_over(settings: ASTMSettings, size: tuple[int, int] | None) -> tuple[int, int, int] | None:
    """The (L, h, w) that the normalisation runs over, or None."""
    if not settings.layer_norm:
        return None
    rows, columns = map_of(size, settings)
    check_size((settings.downsample, settings.downsample), rows, columns)
    return settings.clip_frames, rows // settings.downsample, columns // settings.downsample


def _ends(settings: ASTMSettings, depth: int) -> Ends:
    """Make the encoder of the clip and the decoder of the newest hidden clip to one frame."""
    down: list[nn.Module] = []
    up: list[nn.Module] = []
    top, frame_depth = settings.hidden[-1], depth
    if settings.embed is not None:
        down.append(nn.Conv3d(depth, settings.embed, 1))
        depth = settings.embed
    for _ in range(settings.downsample.bit_length() - 1):
        down += [nn.Conv3d(depth, depth, 3, stride=(1, 2, 2), padding=1), nn.ReLU()]
        up += [nn.ConvTranspose3d(top, top, (1, 4, 4), stride=(1, 2, 2), padding=(0, 1, 1)), nn.ReLU()]
    width = depth
    if settings.encoder == "convolution":
        width = settings.hidden[0]
        down.append(nn.Conv3d(depth, width, settings.kernel, padding="same"))
    last = nn.Sequential(*up, nn.Conv3d(top, frame_depth, (settings.clip_frames, 1, 1)))
    return Ends(_Encoder(_ChannelsLast(), *down), last, width, settings.downsample)


class _Encoder(nn.Sequential):
    """What stands before the first cell."""

    def packable(self) -> nn.Module:
        """The twin for `nowcast.models.cpu.fast`: where a layer of one tap comes first and is best a product of
        matrices, it reads the clip as it lies."""
        layers = list(self)[1:]
        if layers and type(layers[0]) is nn.Conv3d and reads_as_it_lies(layers[0]):
            return nn.Sequential(*layers)
        return self


class _ChannelsLast(nn.Module):
    """Lays a clip (B, C, L, h, w) out in memory as its convolutions want it: channels last."""

    def forward(self, clip: Tensor) -> Tensor:
        return clip.contiguous(memory_format=torch.channels_last_3d)
