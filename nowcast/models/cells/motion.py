"""MotionRNN (Wu et al., CVPR 2021): MotionGRU and Motion Highway around any recurrent cell.

Dimensions: B batch, C channels, L clip frames of a 3-D cell, h rows, w columns of the cell's map;
r = h / 2, q = w / 2 of the reduced map; K = k * k neighbours of the warp; E = C / 4 reduced channels.
Offsets are in cells of the reduced map: K row offsets, then K column offsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.core.errors import SettingsError, complain
from nowcast.models.cells.base import CellOutput, RecurrentCell, Relay, check_filter_size

Variant = Literal["released", "paper"]
Stability = Literal["none", "limit", "transient"]


@dataclass(frozen=True)
class MotionSettings:
    """How the motion is modelled; the defaults are the published code's, but for ``stability``."""

    variant: Variant = "released"
    """``released``: as the authors' code computes. ``paper``: equations 1-4 as printed."""
    alpha: float = 0.5
    """Step of the trending momentum towards the last filter, in [0, 1] (paper, section 3.1: 0.5)."""
    filter_size: int = 3
    """Side k of the learned motion filter: each place gathers k x k neighbours (paper: 3)."""
    highway: bool = True
    """Motion Highway: what the output gate closes is filled from the layer below."""
    transient: bool = True
    """Transient variation: the gated recurrence of the filter. Off: the trend follows the features alone."""
    trend: bool = True
    """Trending momentum. Off: the filter is the transient variation alone."""
    gru: bool = True
    """MotionGRU between the layers. Off: the Motion Highway alone (a row of the paper's Table 3)."""
    stability: Stability = "limit"
    """What keeps the filter bounded over long horizons: ``none`` as published; ``limit`` bends the filter
    softly at ``limit``; ``transient`` feeds gates and momentum with the transient part, which never leaves
    [-1, 1]."""
    limit: float = 4.0
    """Largest offset under ``limit``, in cells of the reduced map (2 patches of the frame each)."""

    def __post_init__(self) -> None:
        check_filter_size("motion.filter_size", self.filter_size)
        if not 0.0 <= self.alpha <= 1.0:
            raise SettingsError(complain("motion.alpha", self.alpha, "0 to 1", "the paper takes 0.5"))
        if not self.limit > 0.0:
            raise SettingsError(complain("motion.limit", self.limit, "more than 0 cells", "take 4"))
        if not (self.gru or self.highway):
            raise SettingsError(
                complain("motion", "neither gru nor highway", "one of them", "build the plain backbone")
            )
        if not (self.transient or self.trend):
            raise SettingsError(
                complain("motion", "neither transient nor trend", "one of them", "build the plain backbone")
            )


class MotionState(NamedTuple):
    """State of a `MotionCell`; the last three are None where no filter is learned (top layer)."""

    cell: Any
    filter: Tensor | None
    """F[t]: (B, 2K, r, q)."""
    trend: Tensor | None
    """D[t]: (B, 2K, r, q)."""
    places: Tensor | None
    """(1, K * r, q, 2): where each neighbour lies before any offset, as `grid_sample` counts; constant."""


def neighbour_places(filter_size: int, rows: int, columns: int, like: Tensor) -> Tensor:
    """Where the k x k neighbours of each place lie, (1, K * rows, columns, 2) as (x, y) in [-1, 1].

    Never below single precision: half precision cannot tell neighbouring places of a large map apart.
    """
    precise = torch.promote_types(like.dtype, torch.float32)
    reach = torch.arange(filter_size, device=like.device, dtype=precise) - filter_size // 2
    row = torch.arange(rows, device=like.device, dtype=precise)
    column = torch.arange(columns, device=like.device, dtype=precise)
    y = (2 * (row + reach[:, None]) + 1) / rows - 1
    x = (2 * (column + reach[:, None]) + 1) / columns - 1
    shape = (filter_size, filter_size, rows, columns)
    places = torch.stack([x[None, :, None, :].expand(shape), y[:, None, :, None].expand(shape)], dim=-1)
    return places.reshape(1, filter_size * filter_size * rows, columns, 2)


def gather(features: Tensor, offsets: Tensor, places: Tensor) -> Tensor:
    """Read each place's neighbours at their offsets, bilinearly, zero outside: (B, E, K, r, q).

    Args:
        features: (B, E, r, q).
        offsets: (B, 2K, r, q): K row offsets, then K column offsets, in cells.
        places: what `neighbour_places` gives for this map.
    """
    batch, wide, rows, columns = features.shape
    down, right = offsets.to(places.dtype).reshape(batch, 2, -1, columns).unbind(1)
    grid = places + torch.stack([right * (2 / columns), down * (2 / rows)], dim=-1)
    found = F.grid_sample(
        features.to(grid.dtype), grid, mode="bilinear", padding_mode="zeros", align_corners=False
    )
    return found.to(features.dtype).reshape(batch, wide, -1, rows, columns)


def drift(state: MotionState, settings: MotionSettings) -> Tensor:
    """How far features move in a step, (B, 2, r, q): cells of the reduced map, down and right.

    A place reads its neighbours at their offset, so what it shows has come from there: the motion is
    the mean offset with its sign turned.
    """
    offsets = state.trend if settings.trend else state.filter
    assert offsets is not None
    return -offsets.reshape(len(offsets), 2, -1, *offsets.shape[2:]).mean(dim=2)


class MotionGRU(nn.Module):
    """Learns how features move between two layers, and moves them.

    The filter F[t] = F'[t] + D[t] joins the transient variation F' (a GRU on the features) and the
    trending momentum D (a running mean of past filters); features are gathered along it.

    Source: Wu et al., MotionRNN, CVPR 2021, equations 2-4; where the released code differs, see
    docs/explanation/differences.md.
    """

    def __init__(self, channels: int, settings: MotionSettings) -> None:
        super().__init__()
        self.settings = settings
        released = settings.variant == "released"
        many = settings.filter_size**2
        width = 3 if released else 1
        pad = width // 2
        if settings.transient:
            self.update = nn.Conv2d(channels + 2 * many, 2 * many, width, padding=pad)
            self.reset = nn.Conv2d(channels + 2 * many, 2 * many, width, padding=pad)
            self.output = nn.Conv2d(channels + 2 * many, 2 * many, width, padding=pad)
        else:
            self.output = nn.Conv2d(channels, 2 * many, width, padding=pad)
        self.mask = nn.Conv2d(channels, many, width, padding=pad)
        for name in ("update", "reset", "output", "mask"):
            if hasattr(self, name):
                nn.init.zeros_(getattr(self, name).weight)
        if released:
            side = settings.filter_size
            self.mix = nn.Conv2d(channels, channels, side, stride=side, bias=False)

    def forward(self, features: Tensor, state: MotionState) -> tuple[Tensor, Tensor, Tensor]:
        """The moved features (B, E, r, q), the new filter and the new trend (B, 2K, r, q)."""
        old, trend, places = state.filter, state.trend, state.places
        assert old is not None
        assert trend is not None
        assert places is not None
        now, trend, kept = self._filter(features, old, trend)
        mask = torch.sigmoid(self.mask(features))
        found = gather(features, now, places) * mask.unsqueeze(1)
        if self.settings.variant == "paper":
            return found.mean(dim=2), kept, trend
        weight = self.mix.weight.flatten(1)[:, :, None, None]
        return F.conv2d(found.flatten(1, 2), weight), kept, trend

    def _filter(self, features: Tensor, old: Tensor, trend: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The filter that gathers, the trend, and the filter that the next step starts from."""
        settings = self.settings
        if not settings.transient:
            towards = torch.tanh(self.output(features))
            trend = trend + settings.alpha * (towards - trend)
            return trend, trend, old
        joined = torch.cat([features, old], dim=1)
        update = torch.sigmoid(self.update(joined))
        reset = torch.sigmoid(self.reset(joined))
        candidate = torch.tanh(self.output(torch.cat([features, reset * old], dim=1)))
        transient = (1 - update) * old + update * candidate
        if not settings.trend:
            return transient, trend, transient
        trend = trend + settings.alpha * (old - trend)
        total = transient + trend
        if settings.stability == "limit":
            total = settings.limit * torch.tanh(total / settings.limit)
        return total, trend, transient if settings.stability == "transient" else total


class MotionCell(RecurrentCell):
    """Any recurrent cell with the Motion Highway, and with a `MotionGRU` above it.

    The highway adds (1 - output gate) * the output of the layer below. Between two layers the MotionGRU
    reads the hidden map reduced to half its size and a quarter of its channels, moves it, and a gate
    mixes it back in. 3-D maps go down to 2-D around the MotionGRU: one convolution over all L frames
    reduces them, and the restored map has L frames again.

    Args:
        cell: the layer to wrap.
        settings: see `MotionSettings`.
        filter_size: side of the reducing convolution and, in ``released``, of the output gate.
        moves: False for the top layer, which has the highway and no MotionGRU.

    Raises:
        SettingsError: hidden channels that four does not divide.
    """

    def __init__(
        self, cell: RecurrentCell, settings: MotionSettings, filter_size: int = 5, moves: bool = True
    ) -> None:
        super().__init__()
        check_filter_size("filter_size", filter_size)
        wide = cell.hidden_channels
        if wide % 4:
            raise SettingsError(
                complain(
                    "hidden",
                    wide,
                    "a multiple of 4, as MotionGRU works on a quarter of it",
                    f"take {wide // 4 * 4 or 4} or {wide // 4 * 4 + 4}",
                )
            )
        self.in_channels, self.hidden_channels = cell.in_channels, wide
        self.clip_frames, self.carries_memory = cell.clip_frames, cell.carries_memory
        self.map_multiple = cell.map_multiple * (2 if moves else 1)
        self.cell, self.settings, self.moves = cell, settings, moves
        if moves:
            long, size, pad = cell.clip_frames, filter_size, filter_size // 2
            gate = size if settings.variant == "released" else 1
            self.motion = MotionGRU(wide // 4, settings)
            self.reduce: nn.Module
            self.gate: nn.Module
            if long:
                self.reduce = nn.Conv3d(wide, wide // 4, (long, size, size), (1, 2, 2), (0, pad, pad))
                self.gate = nn.Conv3d(2 * wide, wide, (1, gate, gate), padding=(0, gate // 2, gate // 2))
            else:
                self.reduce = nn.Conv2d(wide, wide // 4, size, 2, pad)
                self.gate = nn.Conv2d(2 * wide, wide, gate, padding=gate // 2)
            self.restore = nn.ConvTranspose2d(wide // 4, wide * max(long, 1), 4, 2, 1)

    def initial_state(self, x: Tensor) -> MotionState:
        """The cell's own state, and a filter and trend of zeros."""
        inner = self.cell.initial_state(x)
        if not self.moves:
            return MotionState(inner, None, None, None)
        rows, columns = x.shape[-2] // 2, x.shape[-1] // 2
        side = self.settings.filter_size
        zeros = x.new_zeros(x.shape[0], 2 * side * side, rows, columns)
        return MotionState(inner, zeros, zeros, neighbour_places(side, rows, columns, x))

    def forward(self, x: Tensor, state: MotionState, relay: Relay) -> CellOutput:
        """Take one time step; the relay's highway is the output of the layer below before its MotionGRU."""
        out = self.cell(x, state.cell, relay)
        hidden, inner = out.hidden, out.state
        above = out.relay
        if self.settings.highway:
            if out.gate is None:
                name = type(self.cell).__name__
                raise SettingsError(f"motion.highway: {name} has no output gate; set motion.highway=false")
            if relay.highway is not None:
                hidden = hidden + (1 - out.gate) * relay.highway
                inner = inner._replace(hidden=hidden)
            above = above._replace(highway=hidden)
        if not self.moves:
            return CellOutput(hidden, MotionState(inner, None, None, None), above, out.gate)
        moved, kept, trend = self.motion(self._reduce(hidden), state)
        restored = self._restore(moved)
        gate = torch.sigmoid(self.gate(torch.cat([restored, hidden], dim=1)))
        if self.settings.variant == "released":
            mixed = gate * restored + (1 - gate) * hidden
            inner = inner._replace(hidden=mixed)
        else:
            mixed = gate * hidden + (1 - gate) * restored
        return CellOutput(mixed, MotionState(inner, kept, trend, state.places), above, out.gate)

    def _reduce(self, hidden: Tensor) -> Tensor:
        reduced: Tensor = self.reduce(hidden)
        return reduced.squeeze(2) if self.clip_frames else reduced

    def _restore(self, moved: Tensor) -> Tensor:
        restored: Tensor = self.restore(moved)
        if not self.clip_frames:
            return restored
        return restored.reshape(len(restored), self.hidden_channels, self.clip_frames, *restored.shape[2:])
