"""Frame sizes: which ones a network takes, and a wrapper that makes it take any.

Letters: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import Clip, Phase, SequenceModel, Teacher
from nowcast.models.wrapper import ModelWrapper

Fill = Literal["replicate", "zero"]


def check_size(multiple_of: tuple[int, int], height: int, width: int) -> None:
    """Refuse a frame whose sides a network cannot halve and patch, before anything is computed.

    Raises:
        SettingsError: with the next smaller and larger sizes that would do.
    """
    if height < 1 or width < 1 or height % multiple_of[0] or width % multiple_of[1]:
        rows = _near(height, multiple_of[0])
        columns = _near(width, multiple_of[1])
        raise SettingsError(
            complain(
                "frame size",
                f"{height} x {width}",
                f"rows in multiples of {multiple_of[0]} and columns in multiples of {multiple_of[1]}",
                f"{rows} rows and {columns} columns would do, or wrap the network in "
                "nowcast.models.padding.AnySize",
            )
        )


def _near(size: int, multiple: int) -> str:
    if size > 0 and size % multiple == 0:
        return str(size)
    below = size // multiple * multiple
    return f"{below} or {below + multiple}" if below > 0 else str(multiple)


class AnySize(ModelWrapper):
    """A network that takes any frame size: pads below and to the right, runs, and crops.

    Why: radar grids are rarely multiples of 8. Edge values are repeated (``replicate``) so that rain at
    the border does not meet an artificial edge; ``zero`` pads with the dry value. A size the network
    takes anyway goes through unchanged.
    """

    def __init__(self, network: SequenceModel, fill: Fill = "replicate") -> None:
        super().__init__(network)
        self.fill = fill
        self.multiple_of = (1, 1)

    def forward(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast as `SequenceModel.forward` at any H and W."""
        height, width = past.shape[-2:]
        padded: Tensor = self.network(self._pad(past), steps, self._pad_teacher(teacher))
        return padded[..., :height, :width]

    def rollout(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Forecast as `SequenceModel.rollout` at any H and W."""
        height, width = past.shape[-2:]
        padded = self.network.rollout(self._pad(past), steps, self._pad_teacher(teacher))
        return padded[..., :height, :width]

    def motion(self, past: Tensor, steps: int) -> Tensor:
        """Give the wrapped MotionRNN's motion (`RecurrentStack.motion`) for the padded frame.

        Raises:
            SettingsError: the network inside has no MotionGRU.
        """
        return super().motion(self._pad(past), steps)

    def phases(self, clip: Clip, teacher: Teacher | None, generator: torch.Generator) -> Iterator[Phase]:
        """Yield the network's own phases, cropped back to the clip."""
        height, width = clip.past.shape[-2:]
        seen = F.pad(clip.seen, self._margin(height, width))
        padded = Clip(self._pad(clip.past), self._pad(clip.future), seen, self._pad(clip.context))
        for phase in self.network.phases(padded, self._pad_teacher(teacher), generator):
            tensors = (phase.prediction, phase.target, phase.seen)
            yield Phase(phase.name, *(tensor[..., :height, :width] for tensor in tensors))

    def _margin(self, height: int, width: int) -> tuple[int, int, int, int]:
        rows, columns = self.network.multiple_of
        return 0, -width % columns, 0, -height % rows

    def _pad(self, frames: Tensor) -> Tensor:
        margin = self._margin(*frames.shape[-2:])
        if not any(margin) or not frames.numel():
            return frames
        if self.fill == "zero":
            return F.pad(frames, margin)
        padded = F.pad(frames.flatten(0, 1), margin, mode="replicate")
        return padded.view(*frames.shape[:2], *padded.shape[1:])

    def _pad_teacher(self, teacher: Teacher | None) -> Teacher | None:
        return None if teacher is None else Teacher(self._pad(teacher.frames), teacher.use)
