"""Frame sizes: which ones a network takes, and a wrapper that makes it take any.

Dimensions: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.wrapper import Inner, ModelWrapper


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


def padded_size(multiple_of: tuple[int, int], height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the smallest frame a network takes that holds one of ``height`` x ``width``."""
    return height + -height % multiple_of[0], width + -width % multiple_of[1]


def check_tied_size(network: SequenceModel, size: tuple[int, ...], remedy: str) -> None:
    """Refuse frames of another size than the one that a network is tied to, if it is to any.

    Args:
        network: or a wrapper around it.
        size: rows and columns of the frames.
        remedy: what to do; ``{rows}`` and ``{columns}`` are those of the network.

    Raises:
        SettingsError: another size.
    """
    tied = getattr(network, "size", None)
    if tied is not None and tuple(tied) != tuple(size):
        expected = f"{tied[0]} x {tied[1]}, to which the network is tied"
        told = remedy.format(rows=tied[0], columns=tied[1])
        raise SettingsError(complain("frame size", f"{size[0]} x {size[1]}", expected, told))


def check_past(network: SequenceModel, past: Tensor, channels: int) -> None:
    """Refuse frames that a network cannot take, before anything is computed.

    Raises:
        SettingsError: other dimensions, too few frames, other channels, or as `check_size`.
    """
    if past.dim() != 5 or past.shape[1] < network.past_min or past.shape[2] != channels:
        expected = f"(batch, {network.past_min} frames or more, {channels} channels, rows, columns)"
        raise SettingsError(
            complain("past frames", tuple(past.shape), expected, "give frames as the network was built for")
        )
    check_size(network.multiple_of, *past.shape[-2:])


def _near(size: int, multiple: int) -> str:
    if size > 0 and size % multiple == 0:
        return str(size)
    below = size // multiple * multiple
    return f"{below} or {below + multiple}" if below > 0 else str(multiple)


class AnySize(ModelWrapper):
    """A network that takes any frame size: pads below and to the right, runs, and crops.

    Why: radar grids are rarely multiples of 8. Edge values are repeated so that rain at the border does not
    meet an artificial edge. A size the network takes anyway goes through unchanged.
    """

    def __init__(self, network: SequenceModel) -> None:
        super().__init__(network)
        self.multiple_of = (1, 1)

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast with ``network`` at any H and W."""
        height, width = past.shape[-2:]
        padded = network(
            self.pad(past),
            steps,
            self._pad_targets(targets),
            None if observed is None else self.pad_mask(observed),
        )
        return padded[..., :height, :width]

    def rollout(self, past: Tensor, steps: int, targets: ScheduledTargets | None = None) -> Tensor:
        """Forecast as `SequenceModel.rollout` at any H and W."""
        height, width = past.shape[-2:]
        padded = self.network.rollout(self.pad(past), steps, self._pad_targets(targets))
        return padded[..., :height, :width]

    def motion(self, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """The wrapped network's motion (`ModelWrapper.motion`) for the padded frame."""
        return super().motion(self.pad(past), steps, None if observed is None else self.pad_mask(observed))

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the network's own steps, cropped back to the clip."""
        height, width = clip.past.shape[-2:]
        observed = F.pad(clip.observed, self._margin(height, width))
        padded = ClipBatch(
            self.pad(clip.past), self.pad(clip.future), observed, self.pad(clip.context), clip.faintest
        )
        for step in self.network.optimiser_steps(padded, self._pad_targets(targets), generator):
            tensors = (step.prediction, step.target, step.observed)
            prediction, target, seen = (tensor[..., :height, :width] for tensor in tensors)
            yield OptimiserStep(step.name, prediction, target, seen, step.penalty)

    def _margin(self, height: int, width: int) -> tuple[int, int, int, int]:
        rows, columns = padded_size(self.network.multiple_of, height, width)
        return 0, columns - width, 0, rows - height

    def pad(self, frames: Tensor) -> Tensor:
        """Frames (B, N, C, H, W) in a size that the network inside takes."""
        margin = self._margin(*frames.shape[-2:])
        if not any(margin) or not frames.numel():
            return frames
        padded = F.pad(frames.flatten(0, 1), margin, mode="replicate")
        return padded.view(*frames.shape[:2], *padded.shape[1:])

    def pad_mask(self, observed: Tensor) -> Tensor:
        """As `pad`, a mask."""
        return self.pad(observed.float()) > 0

    def _pad_targets(self, targets: ScheduledTargets | None) -> ScheduledTargets | None:
        return None if targets is None else targets._replace(frames=self.pad(targets.frames))
