"""Crops and orientations: which part of a frame a clip shows, and which way round (augmentation)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nowcast.data.importance_sampling import draw_corner, wet_blocks
from nowcast.data.source import FrameArray, FrameSource


class Crop(NamedTuple):
    """Rows and columns of a crop."""

    rows: slice
    columns: slice


class Orientation(NamedTuple):
    """One of the eight ways to lay a square: first transposed, then flipped."""

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def draw(cls, random: np.random.Generator, square: bool) -> Orientation:
        """Draw one evenly: of eight for a square, of the four that keep the shape otherwise."""
        bits = int(random.integers(8))
        return cls(square and bool(bits & 4), bool(bits & 2), bool(bits & 1))


def at(corner: tuple[int, int], crop: tuple[int, int]) -> Crop:
    """Return the crop whose upper left corner is ``corner``."""
    return Crop(slice(corner[0], corner[0] + crop[0]), slice(corner[1], corner[1] + crop[1]))


def centre(size: tuple[int, int], crop: tuple[int, int]) -> Crop:
    """Return the crop in the middle of a frame."""
    return at(((size[0] - crop[0]) // 2, (size[1] - crop[1]) // 2), crop)


def draw(
    source: FrameSource,
    frames: slice,
    crop: tuple[int, int],
    minimum_weight: float | None,
    random: np.random.Generator,
) -> Crop:
    """Draw a crop: evenly, or by wet area where ``minimum_weight`` is given and the source knows it."""
    size = source.frame_shape[1:]
    blocks = None if minimum_weight is None else wet_blocks(source)
    if blocks is not None and minimum_weight is not None:
        return at(draw_corner(blocks, frames, crop, size, minimum_weight, random), crop)
    top, left = random.integers([size[0] - crop[0] + 1, size[1] - crop[1] + 1])
    return at((int(top), int(left)), crop)


def oriented(frames: FrameArray, way: Orientation) -> FrameArray:
    """Lay frames (..., H, W) another way, without a copy."""
    if way.transpose:
        frames = frames.swapaxes(-1, -2)
    row_step, column_step = -1 if way.flip_rows else 1, -1 if way.flip_columns else 1
    return frames[..., ::row_step, ::column_step]
