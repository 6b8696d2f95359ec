"""VPN: what a frame will be at each pixel, as a probability of ink given all frames before.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns; K channels of a
multiplicative unit, 2 K of the maps between blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past
from nowcast.models.unroll import unroll
from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState
from nowcast.models.video.vpn.blocks import MultiplicativeBlock, run


@dataclass(frozen=True)
class VPNSettings:
    """Settings of VPN; the defaults are the sizes of the paper, with the decoder of its baseline."""

    decoder: Literal["baseline"] = "baseline"
    """``baseline``: all pixels of a frame at once, independent given the frames before."""
    channels: int = 128
    """K: of the multiplicative units; maps between blocks and the ConvLSTM have twice as many."""
    encoder_blocks: int = 8
    decoder_blocks: int = 12
    dilations: tuple[int, ...] = (1, 2, 4, 8)
    """Of the encoder's blocks in turn; [1] for none."""
    teacher_forced: bool = True
    """Train every forecast on the true frames before it, in one pass, as the likelihood asks; false reads
    the network's own forecasts (and scheduled sampling's frames), as in use."""
    save_memory: bool = False
    """Training only: compute activations again in the backward pass instead of keeping them."""

    def __post_init__(self) -> None:
        for name in ("channels", "encoder_blocks", "decoder_blocks"):
            if getattr(self, name) < 1:
                raise SettingsError(complain(name, getattr(self, name), "1 or more", "take the default"))
        if not self.dilations or min(self.dilations) < 1:
            raise SettingsError(
                complain("dilations", list(self.dilations), "one or more numbers from 1 on", "[1] for none")
            )


class FullSizeEncoder(nn.Module):
    """A frame to maps of its own size: a 1 x 1 convolution and residual multiplicative blocks."""

    def __init__(self, settings: VPNSettings, channels: int) -> None:
        super().__init__()
        dilations = settings.dilations
        self.save_memory = settings.save_memory
        self.enter = nn.Conv2d(channels, 2 * settings.channels, 1)
        self.blocks = nn.ModuleList(
            MultiplicativeBlock(settings.channels, dilation=dilations[n % len(dilations)])
            for n in range(settings.encoder_blocks)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Take (N, C, H, W); return (N, 2 K, H, W)."""
        return run(self.blocks, self.enter(frames), self.save_memory)


class BaselineDecoder(nn.Module):
    """Residual multiplicative blocks without a mask: it does not read the frame that it forecasts."""

    def __init__(self, settings: VPNSettings, channels: int) -> None:
        super().__init__()
        self.save_memory = settings.save_memory
        self.blocks = nn.ModuleList(
            MultiplicativeBlock(settings.channels) for _ in range(settings.decoder_blocks - 1)
        )
        self.last = MultiplicativeBlock(settings.channels, channels)

    def forward(self, context: Tensor) -> Tensor:
        """Take the ConvLSTM's maps (N, 2 K, H, W); return logits (N, C, H, W)."""
        logits: Tensor = self.last(run(self.blocks, context, self.save_memory))
        return logits


class VPN(SequenceModel):
    """Video pixel network: a likelihood of frames, from encoders and decoders that never shrink a map.

    Forecasts are probabilities of ink (grey values in [0, 1] are read as such); train it with
    ``training.loss: cross_entropy``. A forecast is read on as a frame.

    Source: Kalchbrenner et al., "Video Pixel Networks", ICML 2017. Its code was never published; the order of
    layers follows public re-implementations (``docs/reference/networks.md``).
    """

    def __init__(self, settings: VPNSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.channels, self.increments = settings, spec.channels, spec.increments
        wide = 2 * settings.channels
        self.encoder = FullSizeEncoder(settings, spec.channels)
        self.lstm = BasicConvLSTM(wide, wide, 3)
        self.decoder = BaselineDecoder(settings, spec.channels)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as 0.

        Raises:
            SettingsError: channels or a number of frames that the network cannot take.
        """
        check_past(self, past, self.channels)
        return unroll(self, past, steps, targets, increments=self.increments)

    def encode(self, frames: Tensor) -> Tensor:
        """Return the maps (N, 2 K, H, W) of frames."""
        maps: Tensor = self.encoder(frames)
        return maps

    def start(self, first: Tensor, past: Tensor) -> BasicLSTMState:
        """Return a zero state."""
        batch, _, rows, columns = first.shape
        return self.lstm.initial_state(batch, rows, columns, first)

    def step(self, x: Tensor, state: BasicLSTMState, emit: bool) -> tuple[Tensor | None, BasicLSTMState]:
        """Take an encoded frame; return the chances of ink of the next one when ``emit``."""
        state = self.lstm(x, state)
        return (self._opened(self.decoder(state.hidden)) if emit else None), state

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield every forecast given the true frames before it, or those that read their own forecasts."""
        if not self.settings.teacher_forced:
            yield from super().optimiser_steps(clip, targets, generator)
            return
        check_past(self, clip.past, self.channels)
        forecast = self.given_truth(clip.past, clip.future)
        yield OptimiserStep("forecast", forecast, clip.future, clip.observed[:, clip.past.shape[1] :])

    def given_truth(self, past: Tensor, future: Tensor) -> Tensor:
        """Forecast each of the frames (B, S, C, H, W) after the past from all true ones before it."""
        steps = future.shape[1]
        read = torch.cat([past, future], dim=1)[:, :-1]
        maps = self.encode(read.flatten(0, 1))
        maps = maps.view(*read.shape[:2], *maps.shape[1:])
        state, contexts = self.start(maps[:, 0], past), []
        for t in range(read.shape[1]):
            state = self.lstm(maps[:, t], state)
            contexts.append(state.hidden)
        context = torch.stack(contexts[-steps:], dim=1)
        outputs = self._opened(self.decoder(context.flatten(0, 1))).view(future.shape)
        if self.increments is None:
            return outputs
        return self.increments.add(self.increments.value(read[:, -steps:]), outputs)

    def _opened(self, logits: Tensor) -> Tensor:
        """Chances in float32, where 16 bits have none near 1; where outputs are changes, as they are."""
        return torch.sigmoid(logits.float()) if self.increments is None else logits


def build_vpn(settings: VPNSettings, spec: FrameSpec) -> VPN:
    """Build it for the catalog."""
    return VPN(settings, spec)
