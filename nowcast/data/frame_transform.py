"""How a frame of a video becomes a frame of a clip: colour, middle, size. numpy only.

Dimensions: T frames, C channels, H rows, W columns of a frame as decoded, h and w of the frame made of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError

Pixels = npt.NDArray[np.uint8]
Colour = Literal["gray", "rgb"]
Resize = Literal["bilinear", "antialiased", "cover"]


@dataclass(frozen=True)
class FrameTransform:
    """What is done to each frame on its way into the cache.

    Raises:
        SettingsError: a size or a step below 1, a middle outside (0, 1].
    """

    colour: Colour = "gray"
    size: tuple[int, int] | None = None
    """Rows and columns; None keeps those of the video."""
    middle: float = 1.0
    """Share of the rows and of the columns that is kept around the middle, before resizing."""
    resize: Resize = "antialiased"
    """``bilinear`` weighs the four nearest pixels (as cv2.resize, which MotionRNN's loader calls);
    ``antialiased`` weighs all that a new pixel covers, which is what shrinking calls for; ``cover`` does so and
    keeps the proportions: the frame covers the size, and what stands over is cut off on both sides."""
    step: int = 1
    """Keep frames 0, step, 2 step, ... of a video."""

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 1:
            raise SettingsError(f"video.size: got {self.size}, expected rows and columns >= 1")
        if not 0 < self.middle <= 1:
            raise SettingsError(f"video.middle: got {self.middle:g}, expected a share above 0 and at most 1")
        if self.step < 1:
            raise SettingsError(f"video.frame_step: got {self.step}, expected a whole number >= 1")

    @property
    def channels(self) -> int:
        """1 for gray, 3 for colour."""
        return 1 if self.colour == "gray" else 3

    @property
    def key(self) -> str:
        """A folder name that differs between any two transforms."""
        size = "own_size" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        return f"{self.colour}_{size}_{hashlib.sha256(repr(self).encode()).hexdigest()[:8]}"

    def apply(self, frames: Pixels) -> Pixels:
        """Cut, resize and lay frames (T, H, W) or (T, H, W, 3) as (T, C, h, w), contiguous."""
        rows, columns = (_middle(length, self.middle) for length in frames.shape[1:3])
        frames = frames[:, rows, columns]
        if self.colour == "gray" and frames.ndim == 4:
            frames = luma(frames)
        elif self.colour == "rgb" and frames.ndim == 3:
            frames = np.repeat(frames[..., np.newaxis], 3, axis=-1)
        stacked = frames[:, np.newaxis] if frames.ndim == 3 else frames.transpose(0, 3, 1, 2)
        if self.size is None or stacked.shape[2:] == self.size:
            return np.ascontiguousarray(stacked)
        if self.resize == "cover":
            return _covering(stacked, self.size)
        return resized(stacked, self.size, self.resize == "antialiased")

    def apply_around(self, frames: Pixels, missing: int) -> Pixels:
        """Do as `apply`, and where a new pixel was made of one that is ``missing`` it is missing, too."""
        gaps = frames == missing
        made = self.apply(np.where(gaps, np.uint8(0), frames))
        made[made == missing] = missing - 1
        if gaps.any():
            made[self.apply(np.where(gaps, np.uint8(255), np.uint8(0))) > 0] = missing
        return made


def luma(frames: Pixels) -> Pixels:
    """Make gray (T, H, W) of colour (T, H, W, 3): the luma of ITU-R BT.601, rounded."""
    shares = np.array([0.299, 0.587, 0.114], np.float32)
    return (frames.astype(np.float32) @ shares + np.float32(0.5)).astype(np.uint8)


def _covering(frames: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize frames (..., H, W) to cover ``size``, and cut off what stands over, half on each side."""
    *_, height, width = frames.shape
    scale = max(size[0] / height, size[1] / width)
    rows, columns = max(size[0], round(scale * height)), max(size[1], round(scale * width))
    top, left = (rows - size[0]) // 2, (columns - size[1]) // 2
    whole = resized(frames, (rows, columns), antialiased=True)
    return np.ascontiguousarray(whole[..., top : top + size[0], left : left + size[1]])


def resized(frames: Pixels, size: tuple[int, int], antialiased: bool) -> Pixels:
    """Resize frames (..., H, W) to ``size``; pixels are areas, and the edge goes on beyond itself."""
    *_, height, width = frames.shape
    down = _weights(height, size[0], antialiased)
    across = _weights(width, size[1], antialiased)
    narrow = frames.astype(np.float32).reshape(-1, width) @ across.T
    made = down @ narrow.reshape(*frames.shape[:-1], size[1])
    made += np.float32(0.5)
    np.clip(made, 0, 255, out=made)
    return made.astype(np.uint8)


@lru_cache(maxsize=32)
def _weights(old: int, new: int, antialiased: bool) -> npt.NDArray[np.float32]:
    """Weights (new, old) of the old pixels in each new one along one axis: a triangle around its middle.

    The triangle reaches one old pixel to each side, or as far as a new pixel is wide (antialiased).
    """
    scale = old / new
    reach = max(1.0, scale) if antialiased else 1.0
    centres = (np.arange(new) + 0.5) * scale - 0.5
    if not antialiased:
        centres = np.clip(centres, 0, old - 1)
    apart = np.abs(np.arange(old) - centres[:, np.newaxis])
    weights = np.clip(1 - apart / reach, 0, None)
    shares: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def _middle(length: int, share: float) -> slice:
    cut = int(length * (1 - share) / 2)
    return slice(cut, length - cut)
