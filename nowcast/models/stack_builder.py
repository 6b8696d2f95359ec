"""How cells become a network: the settings that all stacks share, and the stack itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec
from nowcast.models.cells.base import RecurrentCell, check_filter_size
from nowcast.models.cells.motion import MotionCell, MotionSettings
from nowcast.models.padding import check_size
from nowcast.models.recurrent import Ends, RecurrentStack

CellMaker = Callable[[int, int, int], RecurrentCell]
"""(layer, channels in, hidden channels) -> cell."""


@dataclass(frozen=True)
class StackSettings:
    """What every stack of recurrent cells has; defaults from MotionRNN (CVPR 2021), section 4."""

    hidden: tuple[int, ...] = (64, 64, 64, 64)
    """Hidden channels of each layer, from bottom to top."""
    filter_size: int = 5
    """Side of the cells' convolutions; odd."""
    patch: int = 4
    """Side of the square of pixels that becomes one place with as many more channels."""
    embed: int | None = None
    """Channels to which a 1 x 1 convolution brings each patched frame before the first cell, for frames
    of many channels; None feeds it as it is, as the papers do."""

    def __post_init__(self) -> None:
        check_filter_size("filter_size", self.filter_size)
        if not self.hidden or min(self.hidden) < 1:
            raise SettingsError(
                complain(
                    "hidden",
                    list(self.hidden),
                    "one size a layer, 1 or more each",
                    "take for example [64, 64, 64, 64]",
                )
            )
        if self.patch < 1:
            raise SettingsError(complain("patch", self.patch, "1 or more pixels", "the papers take 4"))
        if self.embed is not None and self.embed < 1:
            raise SettingsError(complain("embed", self.embed, "1 or more channels", "or null"))


def build_stack(
    settings: StackSettings,
    spec: FrameSpec,
    cell: CellMaker,
    tied: bool = False,
    ends: Ends | None = None,
    stack: type[RecurrentStack] = RecurrentStack,
) -> RecurrentStack:
    """Put the cells one above the other, each in a `MotionCell` where the settings have ``motion``.

    Args:
        settings: of the family; its ``motion``, where it has one, is a `MotionSettings`.
        spec: of the frames; a size that does not fit is refused before anything is built.
        cell: makes the cell of one layer.
        tied: the cells hold weights of the map's size, so only this size will do.
        ends: what stands before the bottom and after the top cell, where it is not the usual.
        stack: what the cells are put into.

    Raises:
        SettingsError: a size, hidden channels or layers that do not fit.
    """
    motion: MotionSettings | None = getattr(settings, "motion", None)
    depth = settings.patch**2 * spec.channels
    if spec.size is not None:
        side = settings.patch * (2 if motion and motion.gru else 1) * (ends.shrink if ends else 1)
        check_size((side, side), *spec.size)
    if motion is not None and len(settings.hidden) < 2:
        raise SettingsError(
            complain(
                "hidden",
                list(settings.hidden),
                "two layers or more",
                "MotionGRU and Motion Highway stand between two layers; build the plain backbone",
            )
        )
    if motion is not None and motion.highway and len(set(settings.hidden)) > 1:
        raise SettingsError(
            complain(
                "hidden",
                list(settings.hidden),
                "one size for all layers",
                "the Motion Highway adds them; or set motion.highway=false",
            )
        )
    wide_in, cells = ends.channels if ends else settings.embed or depth, []
    for layer, wide in enumerate(settings.hidden):
        made = cell(layer, wide_in, wide)
        if motion is not None:
            top = layer == len(settings.hidden) - 1
            made = MotionCell(made, motion, settings.filter_size, moves=motion.gru and not top)
        cells.append(made)
        wide_in = wide
    if ends is None and settings.embed is not None:
        ends = _embedded(depth, settings.embed, cells)
    from_input = motion is not None and motion.highway and motion.variant == "released"
    return stack(cells, spec if tied else spec._replace(size=None), settings.patch, from_input, ends)


def _embedded(depth: int, narrow: int, cells: list[RecurrentCell]) -> Ends:
    """Make a 1 x 1 convolution of ``depth`` to ``narrow`` channels and the usual last one back."""
    top, frames = cells[-1].hidden_channels, cells[0].clip_frames
    if frames:
        last: nn.Module = nn.Conv3d(top, depth, (frames, 1, 1), bias=False)
        return Ends(nn.Conv3d(depth, narrow, 1), last, narrow)
    return Ends(nn.Conv2d(depth, narrow, 1), nn.Conv2d(top, depth, 1, bias=False), narrow)


def map_of(size: tuple[int, int] | None, settings: StackSettings) -> tuple[int, int]:
    """The patched map's (h, w).

    Raises:
        SettingsError: no size is given, though the settings tie the network to one.
    """
    if size is None:
        raise SettingsError(
            complain(
                "size",
                None,
                "rows and columns of the frames",
                "layer norm ties the network to one frame size: give it",
            )
        )
    check_size((settings.patch, settings.patch), *size)
    return size[0] // settings.patch, size[1] // settings.patch
