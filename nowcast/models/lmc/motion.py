"""What moves in a clip: difference frames, of short and of long clips, and the 3-D convolutions that read them.

Dimensions: B batch, T or L frames, C channels, H rows, W columns, D width of the query.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from nowcast.models.base import ClipBatch


def difference_frames(frames: Tensor, observed: Tensor | None = None) -> Tensor:
    """What changes from each frame to the next: (B, T, C, H, W) -> (B, T - 1, C, H, W).

    Args:
        frames: pixels that were not observed hold 0.
        observed: (B, T, C, H, W) bool; a pixel that was not observed in both frames has not moved, or
            the edge of a radar that drops out would be stored as motion.
    """
    change = frames[:, 1:] - frames[:, :-1]
    if observed is None:
        return change
    return change * (observed[:, 1:] & observed[:, :-1])


def long_motion(clip: ClipBatch, length: int, generator: torch.Generator) -> Tensor:
    """Draw a long clip for each sample and return its difference frames (B, L - 1, C, H, W).

    It is cut out of the context where the clip carries one, else out of past and future, at an
    offset drawn evenly for each sample. With fewer than ``length`` frames all of them are taken.
    In past and future, a pixel that was not observed counts as still.
    """
    if clip.context.shape[1]:
        frames, observed = clip.context, None
    else:
        frames, observed = torch.cat([clip.past, clip.future], dim=1), clip.observed
    batch, available = frames.shape[:2]
    length = min(length, available)
    start = torch.randint(available - length + 1, (batch, 1), generator=generator, device=generator.device)
    index = start.to(frames.device) + torch.arange(length, device=frames.device)
    sample = torch.arange(batch, device=frames.device)[:, None]
    return difference_frames(frames[sample, index], None if observed is None else observed[sample, index])


def first_motion(clip: ClipBatch, length: int) -> Tensor:
    """The difference frames of the first ``length`` frames of past and future: the warm-up's long clip."""
    frames = torch.cat([clip.past, clip.future], dim=1)[:, :length]
    return difference_frames(frames, clip.observed[:, :length])


class MotionEncoder(nn.Module):
    """A small C3D: six 3-D convolutions and four poolings turn a clip into one map of queries.

    The three poolings over time are left out where only one time is left, so that any number of
    difference frames will do; from eight on it computes what the published encoder computes, which
    cannot take fewer.

    Source: Lee et al., CVPR 2021, Section 3.1, after Tran et al., ICCV 2015 (C3D).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        half, quarter, eighth = width // 2, width // 4, width // 8
        self.stages = nn.ModuleList(
            [
                _convolutions(channels, eighth),
                _convolutions(eighth, quarter),
                _convolutions(quarter, half, half),
                _convolutions(half, width, width),
            ]
        )
        self.save_memory = False
        """Compute each stage again in the backward pass instead of keeping what it computed."""

    def forward(self, differences: Tensor) -> Tensor:
        """Turn (B, T - 1, C, H, W) into queries (B, D, H / 16, W / 16)."""
        clip = differences.transpose(1, 2)
        for number, stage in enumerate(self.stages):
            if self.save_memory and torch.is_grad_enabled():
                # Two samples at a time: the first stages' maps are the largest of the whole network.
                pieces = [
                    checkpoint(_stage, stage, number, piece, use_reentrant=False, preserve_rng_state=False)
                    for piece in torch.split(clip, 2)
                ]
                clip = torch.cat(pieces)
            else:
                clip = _stage(stage, number, clip)
        return clip.mean(dim=2)


class _TwoFrameSafeConv3d(nn.Conv3d):
    """A 3 x 3 x 3 convolution whose gradient is right for two frames in half precision as well.

    Why: for clips of exactly two frames oneDNN's weight gradient in bfloat16 holds whatever the memory
    held before (up to 1e36 and NaN, torch 2.13 on CPUs). One frame of zeros more, whose output is dropped,
    is the same convolution, as its padding is zeros too, and takes another path.
    """

    def forward(self, clip: Tensor) -> Tensor:
        """Convolve (B, C, T, H, W)."""
        half = torch.is_autocast_enabled("cpu") or clip.dtype == torch.bfloat16
        if clip.shape[2] == 2 and clip.device.type == "cpu" and half:
            return super().forward(F.pad(clip, (0, 0, 0, 0, 0, 1)))[:, :, :2]
        return super().forward(clip)

    def packable(self) -> nn.Conv3d:
        """A plain twin for `nowcast.models.cpu.fast`: forecasts take no gradient."""
        size = (self.kernel_size[0], self.kernel_size[1], self.kernel_size[2])
        twin = nn.Conv3d(self.in_channels, self.out_channels, size, padding=1, device="meta")
        twin.weight, twin.bias = self.weight, self.bias
        return twin


def _convolutions(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths):
        layers += [_TwoFrameSafeConv3d(narrow, wide, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _stage(stage: nn.Module, number: int, clip: Tensor) -> Tensor:
    clip = stage(clip)
    over_time = 1 if number == 0 else min(2, clip.shape[2])
    return F.max_pool3d(clip, (over_time, 2, 2))
