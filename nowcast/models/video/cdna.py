"""CDNA, DNA and STP: a stack of ConvLSTMs says how the pixels of the newest frame move.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns, M masks, K side of a
kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec, ScheduledTargets, SequenceModel
from nowcast.models.cells.base import check_filter_size
from nowcast.models.padding import check_past, check_size
from nowcast.models.unroll import unroll
from nowcast.models.video.basic_lstm import BasicConvLSTM, BasicLSTMState
from nowcast.models.video.moving import Border, composed
from nowcast.models.video.moving_heads import AffineHead, KernelHead, MotionHead, PlaceHead

STRIDE = 8
"""Rows and columns of the frame to one of the smallest map."""
LAYER_NORM_EPS = 1e-12


@dataclass(frozen=True)
class CDNASettings:
    """Settings of CDNA; defaults are those of the released code."""

    motion: Literal["cdna", "dna", "stp"] = "cdna"
    """``cdna``: kernels for the whole frame; ``dna``: a kernel for each place; ``stp``: affine transforms."""
    masks: int = 10
    """M besides that of the newest frame: one image each, of which the first is new and the others moved. DNA
    has one, of its moved image, whatever this says."""
    kernel: int = 5
    """K."""
    every_kernel: bool = False
    """The released code predicts M kernels for the M - 1 moved images of CDNA and never uses the last one; true
    uses it, with one mask more."""
    hidden: tuple[int, int, int] = (32, 64, 128)
    """Channels at a half, a quarter and an eighth of the frame's size."""
    filter_size: int = 5
    """Of the ConvLSTMs."""
    border: Border = "zeros"
    """What moves in from beyond the edge: zeros as released, which darken the edge of a bright scene, or
    ``replicate``."""

    def __post_init__(self) -> None:
        check_filter_size("kernel", self.kernel)
        check_filter_size("filter_size", self.filter_size)
        if self.masks < 2:
            raise SettingsError(complain("masks", self.masks, "2 or more", "the released code has 10"))
        if min(self.hidden) < 1:
            raise SettingsError(complain("hidden", list(self.hidden), "1 or more each", "take [32, 64, 128]"))


class CDNAState(NamedTuple):
    """The states of the seven ConvLSTMs, from bottom to top."""

    cells: tuple[BasicLSTMState, ...]


class CDNA(SequenceModel):
    """Video prediction by moving pixels.

    Seven ConvLSTMs at a half, a quarter and an eighth of the frame's size read a frame. The next frame is a
    sum, weighed by masks at each place, of the frame itself, of moved copies of it, and (not in DNA) of a new
    image. The smallest map gives the motion of CDNA and STP, by a linear layer that ties them to one frame
    size; the largest map gives that of DNA.

    Strided convolutions pad both sides alike, where the released code pads the end of a side by one more.

    Source: Finn, Goodfellow, Levine, "Unsupervised Learning for Physical Interaction through Video
    Prediction", NeurIPS 2016, without actions; the newer of the two released forms, whose masks, new image
    and largest map have no ReLU before them.
    """

    multiple_of = (STRIDE, STRIDE)

    def __init__(self, settings: CDNASettings, spec: FrameSpec) -> None:
        super().__init__()
        self.settings, self.channels = settings, spec.channels
        self.size = spec.size if settings.motion != "dna" else None
        half, quarter, eighth = settings.hidden
        self.enc0 = nn.Conv2d(spec.channels, half, 5, stride=2, padding=2, bias=False)
        self.norm0 = layer_norm(half)
        self.enc1 = nn.Conv2d(half, half, 3, stride=2, padding=1)
        self.enc2 = nn.Conv2d(quarter, quarter, 3, stride=2, padding=1)
        self.enc3 = nn.Conv2d(quarter, quarter, 1)
        self.enc4 = _doubling(eighth, eighth)
        self.enc5 = _doubling(quarter + half, quarter + half)
        self.enc6 = _doubling(2 * half, 2 * half, bias=False)
        self.norm6 = layer_norm(2 * half)
        widths = (half, half, quarter, quarter, eighth, quarter, half)
        inputs = (half, half, half, quarter, quarter, eighth, quarter + half)
        self.cells = nn.ModuleList(
            BasicConvLSTM(wide_in, wide, settings.filter_size)
            for wide_in, wide in zip(inputs, widths, strict=True)
        )
        self.norms = nn.ModuleList(layer_norm(wide) for wide in widths)
        self.head = _head(settings, spec)
        self.scratch = None if settings.motion == "dna" else nn.Conv2d(2 * half, spec.channels, 1)
        images = self.head.images + (self.scratch is not None)
        self.masks = nn.Conv2d(2 * half, 1 + images, 1)
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as dry.

        Raises:
            SettingsError: channels or a frame size that the network cannot take.
        """
        check_past(self, past, self.channels)
        if self.size is not None and tuple(past.shape[-2:]) != tuple(self.size):
            raise SettingsError(
                complain(
                    "frame size",
                    f"{past.shape[-2]} x {past.shape[-1]}",
                    f"{self.size[0]} x {self.size[1]}, to which the kernels' linear layer ties the network",
                    "build it for that size, or take motion: dna",
                )
            )
        return unroll(self, past, steps, targets)

    def encode(self, frames: Tensor) -> Tensor:
        """Return the frames as they are: a step moves them."""
        return frames

    def start(self, first: Tensor, past: Tensor) -> CDNAState:
        """Zeros for every ConvLSTM."""
        batch, _, height, width = first.shape
        scales = (2, 2, 4, 4, 8, 4, 2)
        cells = cast(list[BasicConvLSTM], list(self.cells))
        return CDNAState(
            tuple(
                cell.initial_state(batch, height // scale, width // scale, past)
                for cell, scale in zip(cells, scales, strict=True)
            )
        )

    def step(self, x: Tensor, state: CDNAState, emit: bool) -> tuple[Tensor | None, CDNAState]:
        """Read one frame (B, C, H, W); return the next one when ``emit``."""
        old, new = list(state.cells), list[BasicLSTMState]()

        def recur(maps: Tensor) -> Tensor:
            number = len(new)
            new.append(self.cells[number](maps, old[number]))
            hidden: Tensor = self.norms[number](new[-1].hidden)
            return hidden

        enc0 = torch.relu(self.norm0(self.enc0(x)))
        enc1 = torch.relu(self.enc1(recur(recur(enc0))))
        enc2 = torch.relu(self.enc2(recur(recur(enc1))))
        small = recur(torch.relu(self.enc3(enc2)))
        middle = torch.cat([recur(torch.relu(self.enc4(small))), enc1], dim=1)
        large = torch.cat([recur(torch.relu(self.enc5(middle))), enc0], dim=1)
        frame = self._next(x, small, large) if emit else None
        return frame, CDNAState(tuple(new))

    def _next(self, frame: Tensor, small: Tensor, large: Tensor) -> Tensor:
        """Compose the next frame of the newest one, from the smallest and the largest map."""
        enc6 = self.norm6(self.enc6(large))
        images = [frame.unsqueeze(1)]
        if self.scratch is not None:
            images.append(torch.sigmoid(self.scratch(enc6)).unsqueeze(1))
        images.append(self.head(frame, small, enc6))
        masks = torch.softmax(self.masks(enc6), dim=1)
        return composed(masks, torch.cat([image.to(frame.dtype) for image in images], dim=1)).to(frame.dtype)


def build_cdna(settings: CDNASettings, spec: FrameSpec) -> CDNA:
    """Build CDNA, DNA or STP for the catalog.

    Raises:
        SettingsError: a size that does not fit, or none for CDNA and STP.
    """
    if spec.size is not None:
        check_size(CDNA.multiple_of, *spec.size)
    elif settings.motion != "dna":
        tied = f"the linear layer of motion: {settings.motion} ties the network to one frame size: give it"
        raise SettingsError(complain("size", None, "rows and columns of the frames", tied))
    return CDNA(settings, spec)


def layer_norm(channels: int) -> nn.GroupNorm:
    """Make the layer norm over channels and places with a scale and an offset a channel."""
    return nn.GroupNorm(1, channels, eps=LAYER_NORM_EPS)


def _head(settings: CDNASettings, spec: FrameSpec) -> MotionHead:
    half, _, eighth = settings.hidden
    if settings.motion == "dna" or spec.size is None:
        return PlaceHead(2 * half, settings.kernel, settings.border)
    places = (spec.size[0] // STRIDE) * (spec.size[1] // STRIDE)
    if settings.motion == "stp":
        return AffineHead(places * eighth, settings.masks - 1, settings.border)
    used = settings.masks if settings.every_kernel else settings.masks - 1
    return KernelHead(places * eighth, settings.masks, used, settings.kernel, settings.border)


def _doubling(wide_in: int, wide_out: int, bias: bool = True) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(wide_in, wide_out, 3, stride=2, padding=1, output_padding=1, bias=bias)
