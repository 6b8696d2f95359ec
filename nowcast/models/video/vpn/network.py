"""VPN: what a frame will be at each pixel, as a probability of ink given all frames before.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns; K channels of a
multiplicative unit, 2 K of the maps between blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import ClipBatch, FrameSpec, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.padding import check_past
from nowcast.models.unroll import unroll
from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState
from nowcast.models.video.vpn.full_size import BaselineDecoder, FullSizeEncoder
from nowcast.models.video.vpn.pixel_by_pixel import draw_frame
from nowcast.models.video.vpn.pixel_decoder import PixelDecoder
from nowcast.models.video.vpn.settings import VPNSettings


class VPN(SequenceModel):
    """Video pixel network: a likelihood of frames, from encoders and decoders that never shrink a map.

    Grey values in [0, 1] are read as probabilities of ink; train it with ``training.loss: cross_entropy``. The
    baseline's forecasts are these probabilities; those of the PixelCNN decoder are drawn by them, pixel by
    pixel (or expected ones). A forecast is read on as a frame.

    Source: Kalchbrenner et al., "Video Pixel Networks", ICML 2017. Its code was never published; the order of
    layers follows public re-implementations (``docs/reference/networks.md``).
    """

    def __init__(self, settings: VPNSettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.channels, self.increments = settings, spec.channels, spec.increments
        wide = 2 * settings.channels
        self.encoder = FullSizeEncoder(settings, spec.channels)
        self.lstm = BasicConvLSTM(wide, wide, 3)
        self.decoder: BaselineDecoder | PixelDecoder
        if settings.decoder == "pixelcnn":
            self.decoder = PixelDecoder(settings, spec.channels)
            self.stochastic = settings.pixels == "drawn"
        else:
            self.decoder = BaselineDecoder(settings, spec.channels)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as 0.

        Raises:
            SettingsError: channels or a number of frames that the network cannot take.
        """
        return self._unrolled(past, steps, targets, self.settings.seed)

    def draw(self, past: Tensor, steps: int, seed: int, observed: Tensor | None = None) -> Tensor:
        """Forecast one of the futures held possible, as `SequenceModel.draw`; no gradient comes through."""
        return self._unrolled(past, steps, None, seed)

    def _unrolled(self, past: Tensor, steps: int, targets: ScheduledTargets | None, seed: int) -> Tensor:
        check_past(self, past, self.channels)
        net = _Sequence(self, seed) if isinstance(self.decoder, PixelDecoder) else self
        return unroll(net, past, steps, targets, increments=self.increments)

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
        """Forecast each of the frames (B, S, C, H, W) after the past from all true ones before it.

        The PixelCNN decoder reads the true pixels before each pixel, too.
        """
        steps = future.shape[1]
        read = torch.cat([past, future], dim=1)[:, :-1]
        maps = self.encode(read.flatten(0, 1))
        maps = maps.view(*read.shape[:2], *maps.shape[1:])
        state, contexts = self.start(maps[:, 0], past), []
        for t in range(read.shape[1]):
            state = self.lstm(maps[:, t], state)
            contexts.append(state.hidden)
        context = torch.stack(contexts[-steps:], dim=1)
        given = [context.flatten(0, 1)]
        if isinstance(self.decoder, PixelDecoder):
            given.append(future.flatten(0, 1))
        outputs = self._opened(self.decoder(*given)).view(future.shape)
        if self.increments is None:
            return outputs
        return self.increments.add(self.increments.value(read[:, -steps:]), outputs)

    def _opened(self, logits: Tensor) -> Tensor:
        """Chances, at least in float32: 16 bits have none near 1; where outputs are changes, as they are."""
        if self.increments is not None:
            return logits
        return torch.sigmoid(logits.to(torch.promote_types(logits.dtype, torch.float32)))


class _Sequence:
    """A forecast whose pixels come one after the other, as `unroll` takes it."""

    def __init__(self, net: VPN, seed: int) -> None:
        self.net, self.settings = net, net.settings
        self.generator = torch.Generator().manual_seed(seed)

    def encode(self, frames: Tensor) -> Tensor:
        return self.net.encode(frames)

    def start(self, first: Tensor, past: Tensor) -> BasicLSTMState:
        return self.net.start(first, past)

    def step(self, x: Tensor, state: BasicLSTMState, emit: bool) -> tuple[Tensor | None, BasicLSTMState]:
        state = self.net.lstm(x, state)
        if not emit:
            return None, state
        noise = None
        if self.settings.pixels == "drawn":  # one map of noise for all samples: each equals itself alone
            shape = (self.net.channels, *x.shape[-2:])
            noise = torch.rand(shape, generator=self.generator).to(x.device)
        return draw_frame(cast(PixelDecoder, self.net.decoder), state.hidden, noise), state


def build_vpn(settings: VPNSettings, spec: FrameSpec) -> VPN:
    """Build it for the catalog.

    Raises:
        SettingsError: a PixelCNN decoder whose outputs were to be changes, or with too few channels.
    """
    if settings.decoder == "pixelcnn":
        _check_pixelcnn(settings, spec)
    return VPN(settings, spec)


def _check_pixelcnn(settings: VPNSettings, spec: FrameSpec) -> None:
    if spec.increments is not None:
        raise SettingsError(
            "decoder: got pixelcnn behind exceedance_probability, where it would draw events, expected "
            "baseline; take that, or leave exceedance_probability out"
        )
    if settings.first_block == "joined" and settings.channels <= spec.channels:
        expected = f"more than the {spec.channels} of a frame with first_block joined"
        raise SettingsError(complain("channels", settings.channels, expected, "take 32 or more"))
