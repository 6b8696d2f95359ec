"""Memory alignment learning: which long clip is stored, and what stands still in which phase.

Letters: B batch, T past frames, S forecast steps, N all frames there are, L frames of the long clip,
C channels, H rows, W columns.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from nowcast.models.base import Clip
from nowcast.models.lmc.motion import difference_frames


@contextlib.contextmanager
def frozen(*parts: nn.Module | nn.Parameter) -> Iterator[None]:
    """Keep these parameters out of forward, backward and the optimiser's step.

    They must have no gradient when the step is taken (``zero_grad`` sets it to None), or momentum
    alone would move them.
    """
    parameters = [
        p for part in parts for p in ([part] if isinstance(part, nn.Parameter) else part.parameters())
    ]
    before = [p.requires_grad for p in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, state in zip(parameters, before, strict=True):
            parameter.requires_grad_(state)


def long_motion(clip: Clip, length: int, generator: torch.Generator) -> Tensor:
    """Draw a long clip for each sample and give its difference frames (B, L - 1, C, H, W).

    It is cut out of the context where the clip carries one, else out of past and future, at an
    offset drawn evenly for each sample. With fewer than ``length`` frames all of them are taken.
    Where the clip says what was seen, a pixel that was not counts as still.
    """
    if clip.context.shape[1]:
        frames, seen = clip.context, None
    else:
        frames, seen = torch.cat([clip.past, clip.future], dim=1), clip.seen
    batch, available = frames.shape[:2]
    length = min(length, available)
    start = torch.randint(
        available - length + 1, (batch, 1), generator=generator, device=generator.device
    )
    index = start.to(frames.device) + torch.arange(length, device=frames.device)
    sample = torch.arange(batch, device=frames.device)[:, None]
    return difference_frames(frames[sample, index], None if seen is None else seen[sample, index])


def first_motion(clip: Clip, length: int) -> Tensor:
    """Give the difference frames of the first ``length`` frames of past and future: the warm-up's long clip."""
    frames = torch.cat([clip.past, clip.future], dim=1)[:, :length]
    return difference_frames(frames, clip.seen[:, :length])
