"""What makes motion of maps: the heads of CDNA, DNA and STP.

Dimensions: B batch, C channels, H rows, W columns, M moved images, K side of a kernel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from nowcast.models.video.moving import Border, moved_affinely, moved_by_kernels, moved_place_by_place, shares

STAY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""The affine transform that moves nothing."""
STP_WIDTH = 100
"""Channels between the smallest map and the affine transforms."""


class MotionHead(nn.Module, ABC):
    """Moves a frame as maps of the network say."""

    images: int
    """M."""

    @abstractmethod
    def forward(self, frame: Tensor, small: Tensor, large: Tensor) -> Tensor:
        """Move a frame.

        Args:
            frame: (B, C, H, W).
            small: the smallest map (B, c, H / 8, W / 8).
            large: the largest map (B, c, H, W).

        Returns:
            (B, M, C, H, W).
        """


class KernelHead(MotionHead):
    """CDNA: kernels for the whole frame, of which the first M are used."""

    def __init__(self, features: int, kernels: int, used: int, side: int, border: Border) -> None:
        super().__init__()
        self.images, self.side, self.border = used, side, border
        self.kernels = nn.Linear(features, kernels * side * side)

    def forward(self, frame: Tensor, small: Tensor, large: Tensor) -> Tensor:
        """Move it by each kernel."""
        return moved_by_kernels(frame, self.kernels_of(small), self.border)

    def kernels_of(self, small: Tensor) -> Tensor:
        """The kernels that are used: (B, M, K, K), each summing to 1.

        The released layer gives the taps of all kernels in turn: tap by tap, the kernels side by side.
        """
        taps = self.side * self.side
        found = self.kernels(small.flatten(1)).view(len(small), taps, -1)[:, :, : self.images]
        return shares(found, dim=1).transpose(1, 2).reshape(len(small), self.images, self.side, self.side)


class PlaceHead(MotionHead):
    """DNA: a kernel for each place, from a 1 x 1 convolution of the largest map."""

    images = 1

    def __init__(self, wide: int, side: int, border: Border) -> None:
        super().__init__()
        self.border = border
        self.kernels = nn.Conv2d(wide, side * side, 1)

    def forward(self, frame: Tensor, small: Tensor, large: Tensor) -> Tensor:
        """Move each place by its kernel."""
        return moved_place_by_place(frame, shares(self.kernels(large), dim=1), self.border).unsqueeze(1)


class AffineHead(MotionHead):
    """STP: affine transforms of the whole frame, which start where nothing moves."""

    def __init__(self, features: int, transforms: int, border: Border) -> None:
        super().__init__()
        self.images, self.border = transforms, border
        self.hidden = nn.Linear(features, STP_WIDTH)
        self.transforms = nn.Linear(STP_WIDTH, 6 * transforms)

    def forward(self, frame: Tensor, small: Tensor, large: Tensor) -> Tensor:
        """Transform it each way."""
        return moved_affinely(frame, self.transforms_of(small), self.border)

    def transforms_of(self, small: Tensor) -> Tensor:
        """The transforms: (B, M, 6)."""
        hidden = torch.relu(self.hidden(small.flatten(1)))
        found: Tensor = self.transforms(hidden).view(len(small), self.images, len(STAY))
        return found + found.new_tensor(STAY)
