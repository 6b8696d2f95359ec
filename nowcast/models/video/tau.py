"""TAU: SimVP with a translator that attends to places and to frames, and a loss of how frames change.

Dimensions: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets
from nowcast.models.video.simvp.gated import GatedStack, Norm
from nowcast.models.video.simvp.network import OneShot, check_widths

_TEMPERATURE = 0.1


@dataclass(frozen=True)
class TAUSettings:
    """Settings of TAU; defaults are those for Moving MNIST, but for ``norm``."""

    past: int = 10
    """How many frames the translator takes and gives. A longer past uses its newest frames; a longer forecast
    applies the network again to what it has forecast."""
    hidden: int = 64
    """Channels of the map of a frame."""
    translator_hidden: int = 512
    """Channels of the maps inside the translator."""
    layers: int = 4
    """Of the encoder and of the decoder; every second halves or doubles rows and columns."""
    blocks: int = 8
    """Of the translator."""
    expansion: int = 8
    """How much wider the perceptrons of the translator are inside."""
    norm: Norm = "group"
    """In the translator's blocks: of each sample alone, or over the batch, as released."""
    divergence: float = 0.1
    """Weight of `change_divergence` in the loss."""

    def __post_init__(self) -> None:
        check_widths(self)
        if self.divergence < 0:
            raise SettingsError(
                complain(
                    "divergence", self.divergence, "0 or more", "0 leaves the term out, 0.1 is the paper's"
                )
            )


class TAU(OneShot):
    """`OneShot` trained with a divergence between how its frames change and how the true ones do.

    Source: Tan et al., Temporal Attention Unit, CVPR 2023.
    """

    def __init__(self, settings: TAUSettings, spec: FrameSpec) -> None:
        wide, within = settings.past * settings.hidden, settings.translator_hidden
        translator = GatedStack(wide, within, settings.blocks, settings.expansion, True, settings.norm)
        super().__init__(spec, settings.past, settings.hidden, settings.layers, translator)
        self.divergence = settings.divergence

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the forecast with the divergence as its penalty; of one frame there is none."""
        for step in super().optimiser_steps(clip, targets, generator):
            if not self.divergence or step.prediction.shape[1] < 2:
                yield step
                continue
            frames = step.prediction if self.increments is None else self.increments.frame(step.prediction)
            term = change_divergence(frames, step.target, step.observed)
            yield step._replace(penalty=self.divergence * term)


def change_divergence(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """How far the changes from frame to frame of a forecast are from the true ones, as distributions.

    The changes over all pixels of a frame, divided by 0.1, become shares by a softmax; the term is
    p log(p / q), p of the forecast and q of the truth, as mean over samples, pairs of frames and pixels.
    What was not observed in both frames of a pair counts as unchanged in both.

    Args:
        prediction: (B, N, C, H, W), N at least 2.
        target: as ``prediction``.
        observed: as ``prediction``, bool.
    """
    both = (observed[:, 1:] & observed[:, :-1]).flatten(2)
    p, q = (_log_shares(frames.float(), both) for frames in (prediction, target))
    return (p.exp() * (p - q)).mean()


def _log_shares(frames: Tensor, both: Tensor) -> Tensor:
    change = (frames[:, 1:] - frames[:, :-1]).flatten(2)
    return torch.log_softmax(torch.where(both, change, torch.zeros_like(change)) / _TEMPERATURE, dim=-1)


def build_tau(settings: TAUSettings, spec: FrameSpec) -> TAU:
    """Build it for the catalog."""
    return TAU(settings, spec)
