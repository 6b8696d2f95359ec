"""The stack of recurrent cells as one network: patches in, cells one above the other, a frame out.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns of a frame; P patch side;
D = P * P * C patch channels, h = H / P, w = W / P of the patched map; L frames of a 3-D cell's clip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.base import FrameSpec, ScheduledTargets, SequenceModel
from nowcast.models.cells.base import RecurrentCell, Relay
from nowcast.models.cells.motion import MotionCell, drift
from nowcast.models.padding import check_past, check_size
from nowcast.models.patches import from_patches, to_patches
from nowcast.models.unroll import Watch, unroll


class StackState(NamedTuple):
    """The state of the stack between two time steps."""

    cells: tuple[Any, ...]
    memory: Tensor | None
    """The top's spatial memory, for the bottom; None in a stack without one and before the first step."""
    clip: Tensor | None
    """(B, D, L - 1, h, w): the frames fed before, for 3-D cells; zeros before the first."""


class Ends(NamedTuple):
    """What stands before the bottom cell and after the top one."""

    embed: nn.Module
    """Patched frame, or clip for 3-D cells, to the bottom cell's input."""
    last: nn.Module
    """The top cell's hidden map to a patched frame: (B, C, h, w), or (B, C, L, h, w) to one frame long."""
    channels: int
    """Channels of the output of ``embed``."""
    shrink: int = 1
    """How many times ``embed`` reduces rows and columns; ``last`` brings them back."""


class RecurrentStack(SequenceModel):
    """Cells one above the other, unrolled over time by `nowcast.models.unroll`.

    Within a step each cell gets the hidden map of the cell below and the relay; the spatial memory goes
    from the top to the next step's bottom, difference and highway start anew. 3-D cells get the last L
    frames that were fed, with zeros before the first.

    Args:
        cells: from bottom to top; the bottom one takes D channels.
        spec: of the frames; its ``size`` only where something in the cells is tied to the map (layer norm).
        patch: P.
        highway_from_input: give the bottom cell a 1x1 projection of its input as its highway, as the
            published MotionRNN does.
        ends: what stands before the bottom cell and after the top one; by default nothing and one
            convolution without bias.

    Raises:
        SettingsError: cells that do not fit one on top of the other.
    """

    def __init__(
        self,
        cells: Sequence[RecurrentCell],
        spec: FrameSpec,
        patch: int,
        highway_from_input: bool = False,
        ends: Ends | None = None,
    ) -> None:
        super().__init__()
        depth = patch * patch * spec.channels
        _check_fit(cells, ends.channels if ends else depth)
        self.channels, self.patch, self.size, self.increments = spec.channels, patch, spec.size, spec.increments
        self.cells = nn.ModuleList(cells)
        side = patch * math.lcm(*(cell.map_multiple for cell in cells)) * (ends.shrink if ends else 1)
        self.multiple_of = (side, side)
        self.clip_frames = cells[0].clip_frames
        wide, top = cells[0].hidden_channels, cells[-1].hidden_channels
        self.first: nn.Module | None = None
        self.embed = ends.embed if ends else None
        self.last: nn.Module
        if ends:
            self.last = ends.last
        elif self.clip_frames:
            self.last = nn.Conv3d(top, depth, (self.clip_frames, 1, 1), bias=False)
        else:
            self.last = nn.Conv2d(top, depth, 1, bias=False)
        if highway_from_input:
            project = nn.Conv3d if self.clip_frames else nn.Conv2d
            self.first = project(cells[0].in_channels, wide, 1, bias=False)
        if self.size is not None:
            check_size(self.multiple_of, *self.size)

    def forward(
        self, past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
    ) -> Tensor:
        """Forecast as `SequenceModel.forward`; not observed is read as dry.

        Raises:
            SettingsError: channels or a frame size that the network cannot take.
        """
        return self.run(past, steps, targets)

    def rollout(self, past: Tensor, steps: int, targets: ScheduledTargets | None = None) -> Tensor:
        """Forecast with the one-step predictions of the past in front: (B, T - 1 + S, C, H, W)."""
        return self.run(past, steps, targets, warm=True)

    def run(
        self,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None = None,
        warm: bool = False,
        watch: Watch | None = None,
    ) -> Tensor:
        """Run the loop of `forward` and `rollout`; ``watch`` is called after each time step."""
        self.check_input(past)
        if targets is not None:
            targets = targets._replace(frames=to_patches(targets.frames, self.patch))
        finish = partial(from_patches, side=self.patch)
        return unroll(self, to_patches(past, self.patch), steps, targets, warm, watch, self.increments, finish)

    def motion(self, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """The motion along which the MotionGRUs move features at each forecast step.

        Why: it can be drawn as arrows on the map, beside those of an optical flow.

        Returns:
            (B, S, layers, 2, H / 2P, W / 2P): pixels a step downwards and to the right, from the trending
            momentum of each MotionGRU (from the filter itself where the trend is switched off), as mean
            over its neighbours. The last map is the one that the last forecast frame was made with.

        Raises:
            SettingsError: a network without MotionGRU, or frames it cannot take.
        """
        del observed
        gathered: list[Tensor] = []
        movers = [n for n, cell in enumerate(self.cells) if isinstance(cell, MotionCell) and cell.moves]
        if not movers:
            raise SettingsError(complain("motion", "a network without MotionGRU", "a MotionRNN", "choose one"))

        def watch(t: int, state: StackState) -> None:
            if t >= past.shape[1] - 1:
                drifts = [drift(state.cells[n], self._mover(n).settings) for n in movers]
                gathered.append(torch.stack(drifts, dim=1))

        self.run(past, steps, watch=watch)
        maps = torch.stack(gathered, dim=1)
        return maps * (past.shape[-2] / maps.shape[-2])

    def _mover(self, layer: int) -> MotionCell:
        cell = self.cells[layer]
        assert isinstance(cell, MotionCell)
        return cell

    def check_input(self, past: Tensor) -> None:
        """Refuse frames the network cannot take, before anything is computed.

        Raises:
            SettingsError: wrong dims, channels or size, with what would do.
        """
        check_past(self, past, self.channels)
        height, width = past.shape[-2:]
        if self.size is not None and (height, width) != tuple(self.size):
            raise SettingsError(
                complain(
                    "frame size",
                    f"{height} x {width}",
                    f"{self.size[0]} x {self.size[1]}, to which layer norm ties the network",
                    "build it for that size, or without layer norm",
                )
            )

    def encode(self, frames: Tensor) -> Tensor:
        """Return the patched frames (N, D, h, w) as they are: the first cell's convolutions read them."""
        return frames

    def start(self, first: Tensor, past: Tensor) -> StackState:
        """Return zeros for every cell, on the device and in the dtype of the first frame."""
        del past
        x = first
        clip = None
        if self.clip_frames:
            batch, depth, rows, columns = first.shape
            clip = first.new_zeros(batch, depth, self.clip_frames - 1, rows, columns)
            x = torch.cat([clip, first.unsqueeze(2)], dim=2)
        x = x if self.embed is None else self.embed(x)
        return StackState(tuple(cell.initial_state(x) for cell in self._layers()), None, clip)

    def step(self, x: Tensor, state: StackState, emit: bool) -> tuple[Tensor | None, StackState]:
        """Take one patched frame (B, D, h, w) through all cells; return the output when ``emit``."""
        clip = state.clip
        if clip is not None:
            x = torch.cat([clip, x.unsqueeze(2)], dim=2)
            clip = x[:, :, 1:]
        x = x if self.embed is None else self.embed(x)
        relay = Relay(memory=state.memory, highway=None if self.first is None else self.first(x))
        states = []
        for cell, old in zip(self._layers(), state.cells, strict=True):
            out = cell(x, old, relay)
            x, relay = out.hidden, out.relay
            states.append(out.state)
        frame = self._decode(x) if emit else None
        return frame, StackState(tuple(states), relay.memory, clip)

    def _decode(self, hidden: Tensor) -> Tensor:
        frame: Tensor = self.last(hidden)
        return frame.squeeze(2) if self.clip_frames else frame

    def _layers(self) -> list[RecurrentCell]:
        return [cell for cell in self.cells if isinstance(cell, RecurrentCell)]


def _check_fit(cells: Sequence[RecurrentCell], depth: int) -> None:
    if not cells:
        raise SettingsError(complain("hidden", "no layers", "one size a layer", "give for example [64, 64]"))
    wanted = depth
    for number, cell in enumerate(cells):
        if cell.in_channels != wanted or cell.clip_frames != cells[0].clip_frames:
            raise SettingsError(
                complain(f"layer {number}", f"{cell.in_channels} channels in", f"{wanted}", "match the cells")
            )
        wanted = cell.hidden_channels
    sizes = {cell.hidden_channels for cell in cells if cell.carries_memory}
    if len(sizes) > 1:
        raise SettingsError(
            complain(
                "hidden",
                [cell.hidden_channels for cell in cells],
                "one size for all layers, because the spatial memory passes through all of them",
                f"take {[max(sizes)] * len(cells)}",
            )
        )
