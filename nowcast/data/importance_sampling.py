"""Importance sampling: most radar pixels are dry, so clips with echoes are drawn more often.

Dimensions: T frames, h rows and w columns of blocks, B side of a block in pixels.

The weight of a window is ``minimum + wet share of all its pixels``; with the window drawn, the weight of
a crop is ``minimum + wet share of the crop's blocks over the same frames``. Wet means at or above
`WetBlocks.wet_dbz`. The minimum keeps dry weather in training: at 0.02 a dry clip is drawn a sixth as
often as one that is wet on a tenth of its area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nowcast.core.errors import SettingsError
from nowcast.data.source import FrameSource, sampling_weight_of
from nowcast.data.windows import ClipWindow

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImportanceSampling:
    """How strongly wet clips are preferred: the smaller the weight of a dry one, the more."""

    minimum_weight: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.minimum_weight <= 1:
            raise SettingsError(
                f"data.minimum_sampling_weight: got {self.minimum_weight}, expected above 0 and at most 1; "
                "leave it out to draw all clips alike"
            )


@dataclass(frozen=True, eq=False)
class WetBlocks:
    """Number of wet pixels in each block of each frame: what the draw needs, a thousandth of the frames."""

    counts: npt.NDArray[np.unsignedinteger]
    """(T, h, w)"""
    block: int
    """B; blocks at the lower and right edge may be smaller."""
    wet_dbz: float
    pixels: int
    """Pixels of a whole frame."""

    @classmethod
    def count(cls, wet: npt.NDArray[np.bool_], block: int) -> npt.NDArray[np.unsignedinteger]:
        """Count the True pixels of one frame (H, W) in blocks of side ``block``: (h, w)."""
        rows = np.add.reduceat(wet, np.arange(0, wet.shape[0], block), axis=0, dtype=np.uint16)
        return np.add.reduceat(rows, np.arange(0, wet.shape[1], block), axis=1, dtype=np.uint16)

    def part(self, first: int, last: int) -> WetBlocks:
        """Return the blocks of the frames [first, last)."""
        return WetBlocks(self.counts[first:last], self.block, self.wet_dbz, self.pixels)


def wet_blocks(source: FrameSource) -> WetBlocks | None:
    """Return the wet blocks of a source that knows them, else None."""
    found = getattr(source, "wet", None)
    return found if isinstance(found, WetBlocks) else None


def window_weights(
    sources: Sequence[FrameSource],
    starts: Sequence[npt.NDArray[np.int64]],
    window: ClipWindow,
    minimum_weight: float,
) -> Weights:
    """Weigh every window of every source, in order: ``minimum_weight`` + wet share of its pixels.

    Times the source's own weight, where it has one (`RadarSettings.weight`).

    Windows of a source that knows nothing of rain weigh ``minimum_weight + 1``: as a clip that is wet all over.
    """
    weights = []
    for source, firsts in zip(sources, starts, strict=True):
        blocks = wet_blocks(source)
        if blocks is None:
            found = np.full(len(firsts), minimum_weight + 1.0)
            weights.append(sampling_weight_of(source) * found)
            continue
        share = blocks.counts.sum(axis=(1, 2), dtype=np.float64) / blocks.pixels
        total = np.concatenate([[0.0], np.cumsum(share)])
        found = minimum_weight + (total[firsts + window.steps] - total[firsts]) / window.steps
        weights.append(sampling_weight_of(source) * found)
    return np.concatenate(weights) if weights else np.zeros(0)


def draw_corner(
    blocks: WetBlocks,
    frames: slice,
    crop: tuple[int, int],
    size: tuple[int, int],
    minimum_weight: float,
    random: np.random.Generator,
) -> tuple[int, int]:
    """Draw the upper left corner of a crop, wet places more often.

    Corners lie on blocks first, weighed by ``minimum_weight`` + wet share of the blocks that the crop covers,
    and are then shifted evenly within a block, so that every corner can come up.
    """
    side = blocks.block
    tall, wide = (-(-length // side) for length in crop)
    counts = blocks.counts[frames].sum(axis=0, dtype=np.float64)
    sums = np.zeros((counts.shape[0] + 1, counts.shape[1] + 1))
    sums[1:, 1:] = counts.cumsum(axis=0).cumsum(axis=1)
    tops = np.arange((size[0] - crop[0]) // side + 1)
    lefts = np.arange((size[1] - crop[1]) // side + 1)
    low, right = np.minimum(tops + tall, counts.shape[0]), np.minimum(lefts + wide, counts.shape[1])
    wet = sums[low][:, right] - sums[low][:, lefts] - sums[tops][:, right] + sums[tops][:, lefts]
    pixels = tall * wide * side * side * (frames.stop - frames.start)
    chances = (minimum_weight + wet / pixels).ravel().cumsum()
    place = int(np.searchsorted(chances, random.random() * chances[-1], side="right"))
    top, left = divmod(min(place, len(chances) - 1), len(lefts))
    return (
        min(top * side + int(random.integers(side)), size[0] - crop[0]),
        min(left * side + int(random.integers(side)), size[1] - crop[1]),
    )
