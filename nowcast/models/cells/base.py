"""What a recurrent cell is. Nothing is kept on the module: state goes in and comes out.

Dimensions: B batch, C channels, h rows, w columns (of the patched map), L frames in a clip (3-D cells).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain


class Relay(NamedTuple):
    """What climbs the stack within one time step, from each cell to the next."""

    memory: Tensor | None = None
    """PredRNN's M, E3D-LSTM's and ASTM's spatial memory; from the top it goes to the next step's bottom."""
    difference: Tensor | None = None
    """MIM, where it is relayed: what the MIM-N of the cell below made of the change; starts anew each step."""
    highway: Tensor | None = None
    """MotionRNN's motion highway, PredRNN++'s gradient highway; starts anew each step."""


class CellOutput(NamedTuple):
    """What a cell gives at one time step."""

    hidden: Tensor
    """(B, C, h, w), or (B, C, L, h, w) from a 3-D cell: the input of the next cell up."""
    state: Any
    """A NamedTuple of tensors, handed back at the next time step. Its field ``hidden`` is the map that the
    cell reads back as H[t-1]; a wrapper (`nowcast.models.cells.motion`) may replace that one field."""
    relay: Relay
    gate: Tensor | None = None
    """The output gate in [0, 1], shaped like ``hidden``; None from a cell that has none."""


class RecurrentCell(nn.Module, ABC):
    """One layer of a recurrent stack."""

    in_channels: int
    hidden_channels: int

    map_multiple: int = 1
    """Rows and columns of the patched map must be multiples of this."""

    clip_frames: int = 0
    """L of a 3-D cell, whose maps are (B, C, L, h, w); 0 for a cell on 2-D maps."""

    carries_memory: bool = False
    """The cell reads and writes ``relay.memory``, so all layers must have one hidden size."""

    @abstractmethod
    def initial_state(self, x: Tensor) -> Any:
        """The state before the first step, zeros on the device and in the dtype of ``x``."""

    @abstractmethod
    def forward(self, x: Tensor, state: Any, relay: Relay) -> CellOutput:
        """Take one time step.

        Args:
            x: (B, in_channels, h, w): the frame or the hidden map of the cell below.
            state: what this cell gave at the step before, or `initial_state`.
            relay: what the cell below gave, or (at the bottom) the top's memory of the step before.
        """


def check_filter_size(name: str, size: int) -> None:
    """Refuse an even or non-positive filter: only odd ones have a middle, so only they keep the map's size.

    Raises:
        SettingsError: with the two odd sizes next to it.
    """
    if size < 1 or size % 2 == 0:
        near = f"{max(size - 1, 1)} or {max(size + 1, 3)}"
        raise SettingsError(complain(name, size, "an odd filter size", f"take {near}"))
