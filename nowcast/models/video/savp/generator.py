"""SAVP's generator: a frame and a latent vector in, the next frame as a mixture of moved frames out.

Dimensions: B batch, C channels, Z numbers of the latent vector, M kernels, H rows, W columns.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from nowcast.models.video.basic_lstm import BasicLSTMState
from nowcast.models.video.savp.kernels import convex, moved
from nowcast.models.video.savp.layers import ScaleLayer, instance_norm

LayerPlan = tuple[tuple[int, bool], ...]
"""For each layer: how many times the width its channels are, and whether it has a ConvLSTM."""
ENCODERS: dict[int, LayerPlan] = {
    2: ((1, True), (2, True)),
    3: ((1, True), (2, True), (4, True)),
    4: ((1, False), (2, True), (4, True), (8, True)),
    5: ((1, False), (2, False), (4, True), (8, True), (8, True)),
}
"""By the number of scales, from the frame to the smallest map."""
DECODERS: dict[int, LayerPlan] = {
    2: ((1, True), (1, False)),
    3: ((2, True), (1, True), (1, False)),
    4: ((8, True), (4, True), (2, False), (1, False)),
    5: ((8, True), (4, True), (2, False), (1, False), (1, False)),
}
"""By the number of scales, from the smallest map to the frame."""
_FIRST_FILTER, _FILTER, _KERNEL = 5, 3, 5
_OTHERS = 3
"""Images besides the moved ones: the frame read, the first frame, the drawn one."""


class GeneratorState(NamedTuple):
    """What goes from one time step to the next."""

    first: Tensor
    """(B, C, H, W): the first frame of the sequence, of which parts may come back."""
    cells: tuple[BasicLSTMState | None, ...]
    """Of each layer, encoder before decoder; None where a layer has none, and everywhere before the start."""


class Generator(nn.Module):
    """Encoder and decoder with ConvLSTMs and skips; M kernels move the frame, masks mix what comes of it.

    Each pixel of the next frame is a convex mixture of M moved frames, the frame itself, the first frame of the
    sequence and one that is drawn.

    Args:
        channels: C.
        size: (H, W), to which the layer that makes the kernels is tied.
        width: channels at full size.
        scales: how often the encoder halves.
        latent: Z.
        kernels: M.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], width: int, scales: int, latent: int, kernels: int
    ) -> None:
        super().__init__()
        self.kernels = kernels
        encoder, decoder = ENCODERS[scales], DECODERS[scales]
        wide = [2 * channels, *(width * times for times, _ in encoder)]
        self.encoder = nn.ModuleList(
            ScaleLayer(
                wide[n], wide[n + 1], latent, _FILTER if n else _FIRST_FILTER, halves=True, recurrent=recurrent
            )
            for n, (_, recurrent) in enumerate(encoder)
        )
        self.decoder = nn.ModuleList()
        before = wide[-1]
        for n, (times, recurrent) in enumerate(decoder):
            skipped = wide[scales - n] if n else 0
            layer = ScaleLayer(
                before + skipped, width * times, latent, _FILTER, halves=False, recurrent=recurrent
            )
            self.decoder.append(layer)
            before = width * times
        self.last_recurrent = max(n for n, (_, recurrent) in enumerate(decoder) if recurrent)
        places = math.prod(side // 2**scales for side in size)
        self.kernel_head = nn.Linear(places * wide[-1], kernels * _KERNEL**2)
        self.drawing = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), instance_norm(width), nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1), nn.Sigmoid(),
        )  # fmt: skip
        self.mask_features = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), instance_norm(width), nn.ReLU()
        )
        images = kernels + _OTHERS
        self.mask_head = nn.Conv2d(width + images * channels, images, 3, padding=1)

    def start(self, first: Tensor) -> GeneratorState:
        """The state before the first step, of which ``first`` (B, C, H, W) is the frame."""
        return GeneratorState(first, (None,) * (len(self.encoder) + len(self.decoder)))

    def step(
        self, frame: Tensor, latent: Tensor, state: GeneratorState, emit: bool
    ) -> tuple[Tensor | None, GeneratorState]:
        """Take one frame (B, C, H, W) and latent vector (B, Z); return the next if ``emit``, and the state."""
        cells: list[BasicLSTMState | None] = list(state.cells)
        x, skips = torch.cat([frame, state.first], dim=1), []
        for n, layer in enumerate(cast(list[ScaleLayer], list(self.encoder))):
            x, cells[n] = layer(x, latent, cells[n])
            skips.append(x)
        smallest = skips.pop()
        for n, layer in enumerate(cast(list[ScaleLayer], list(self.decoder))):
            if not emit and n > self.last_recurrent:
                break
            x = torch.cat([x, skips.pop()], dim=1) if n else smallest
            x, cells[len(self.encoder) + n] = layer(x, latent, cells[len(self.encoder) + n])
        after = GeneratorState(state.first, tuple(cells))
        return (self.mixed(frame, state.first, smallest, x) if emit else None), after

    def mixed(self, frame: Tensor, first: Tensor, smallest: Tensor, features: Tensor) -> Tensor:
        """Mix the next frame (B, C, H, W) from the smallest map of the encoder and the last of the decoder."""
        raw = self.kernel_head(smallest.flatten(1)).view(-1, self.kernels, _KERNEL, _KERNEL)
        drawn = self.drawing(features)
        others = torch.stack([image.to(drawn.dtype) for image in (frame, first, drawn)], dim=1)
        precise = torch.promote_types(raw.dtype, torch.float32)
        images = torch.cat([moved(frame, convex(raw.to(precise))).to(drawn.dtype), others], dim=1)
        logits = self.mask_head(torch.cat([self.mask_features(features), images.flatten(1, 2)], dim=1))
        masks = torch.softmax(logits, dim=1).unsqueeze(2)
        return (masks * images).sum(dim=1)
