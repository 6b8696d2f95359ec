"""Probabilities from logits that fade, a few rows at a time: what a forecast does with a cascade.

The same sums as `LogitCascade.forward` and `ExceedanceProbabilityModel.forward`, in an order that needs no map
of all cascade levels and none of all hidden channels, and whose parts stay in the CPU's cache. Differences of
smoothed maps are folded into the weights: a level's weight acts on its finer map, and negatively on the other.

Dimensions: B batch, T past frames, K thresholds, S lead times, L scales, H rows, W columns, D hidden channels,
P pixels of a stripe of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.exceedance.cascade import GAIN, INPUT_SCALE, LogitCascade
from nowcast.models.exceedance.context import Context
from nowcast.models.smoothing import gaussian, reach

_PIXELS = 4096
"""Of a stripe, about: its maps of all channels then fit the second-level cache."""
_WHOLE = 1 << 19
"""Pixels of a frame that is one band, at most."""
_BAND = 1 << 17
"""Pixels of a band of rows of a larger one, about: a continent has no room for its maps of all scales."""
_SMOOTHED = 1 << 16
"""Pixels of a band of rows whose maps of all scales are there at once, about."""
_BAND_ON_GPU = 1 << 21
"""Which has to wait for every band, and more memory for one."""


class _Layer(NamedTuple):
    weight: Tensor
    bias: Tensor
    """(out, 1)"""


class _Folded(NamedTuple):
    """Weights of a cascade as they act on smoothed maps, at the lead times of one forecast."""

    direct: Tensor
    """(S K, (L + 1) K), of the newest frame's smoothed maps."""
    constant: Tensor
    """(S K, 1)"""
    layers: tuple[_Layer, _Layer, _Layer] | None
    """From smoothed maps of the newest frame and of the change (2 (L + 1) K) to D, D, and S K; the last one's
    bias is in the constant."""


def bands(frames: Tensor) -> list[slice]:
    """Bands of rows of frames (..., H, W) that are worked on one after the other."""
    height, width = frames.shape[-2:]
    if height * width <= (_BAND_ON_GPU if frames.is_cuda else _WHOLE):
        return [slice(0, height)]
    rows = max((_BAND_ON_GPU if frames.is_cuda else _BAND) // width, 1)
    return [slice(first, min(first + rows, height)) for first in range(0, height, rows)]


def _bands_to_smooth(frames: Tensor) -> list[slice]:
    """As `bands`, of a frame that is one of them for the rest: its maps of all scales are many."""
    whole = bands(frames)
    if frames.is_cuda or len(whole) > 1:
        return whole
    height, width = frames.shape[-2:]
    rows = -(-height // -(-height * width // _SMOOTHED))
    return [slice(first, min(first + rows, height)) for first in range(0, height, rows)]


def probabilities(
    cascade: LogitCascade, newest: Newest, context: Context | None, logits: Tensor, bound: float
) -> Tensor:
    """Probabilities that fall with the threshold, written over the logits.

    Args:
        cascade: as trained.
        newest: of the past.
        context: of the past.
        logits: those that the network forecasts (B, S, K, H, W), float32; they are lost.
        bound: largest absolute value of a logit of the network that counts.

    Returns:
        (B, S, K, H, W).
    """
    folded = _fold(cascade, logits.shape[1])
    for band in _bands_to_smooth(logits):
        smooth = newest.smoothed(band)
        around = None if context is None else context.band(band)
        for sample, maps in enumerate(logits[..., band, :]):
            height, width = maps.shape[-2:]
            rows = height if logits.is_cuda else max(_PIXELS // width, 1)
            for stripe in (slice(r, min(r + rows, height)) for r in range(0, height, rows)):
                read = smooth[sample, ..., stripe, :].flatten(3).flatten(0, 2)
                own = maps[:, :, stripe]
                found = _logits(folded, read, None if around is None else around.rows(sample, stripe))
                own.copy_(falling(found.view(own.shape).add_(own.clamp(-bound, bound))))
        del smooth, around  # gone before those of the next band are made
    return logits


class Newest:
    """The newest frame's logits, and their change from the mean of those before, at all scales.

    Args:
        cascade: whose scales they are.
        past: frames (B, T, 1, H, W).
        logits_of: from frames to their logits, pixel by pixel.
    """

    def __init__(self, cascade: LogitCascade, past: Tensor, logits_of: Callable[[Tensor], Tensor]) -> None:
        self.cascade, self.past, self.logits_of = cascade, past, logits_of
        self.reach = max(map(reach, cascade.scales))
        self.maps: Tensor | None = None
        """(B, 2 or 1, K, some H, W): what a band reads, from row ``first`` on; of a frame read whole, all."""
        self.first = 0

    def means(self, rows: slice) -> Tensor:
        """Means (B, T, rows, W) of the logits of all past frames over the thresholds.

        Of a whole frame the maps stay as well: its logits are then computed once.
        """
        means = self.past.new_empty(*self.past.shape[:2], rows.stop - rows.start, self.past.shape[-1])
        maps = self._read(rows, means)
        if rows == slice(0, self.past.shape[-2]):
            self.maps = maps
        return means

    def smoothed(self, band: slice) -> Tensor:
        """(B, 2 or 1, L + 1, K, rows, W) of a band of rows; bands are asked for from the first row on."""
        maps = self._reach_beyond(band)
        rows = slice(band.start - self.first, band.stop - self.first)
        batch, kinds, thresholds, _, width = maps.shape
        shape = batch, kinds, thresholds, band.stop - band.start, width
        smooth = maps.new_empty(batch, kinds, len(self.cascade.scales) + 1, *shape[2:])
        smooth[:, :, 0] = maps[..., rows, :]
        for level, scale in enumerate(self.cascade.scales, 1):
            smooth[:, :, level] = gaussian(maps.flatten(1, 2), scale, "replicate", rows).view(shape)
        return smooth

    def _reach_beyond(self, band: slice) -> Tensor:
        """Let go of rows that this band no longer reads, and add those that it is the first to read."""
        if self.maps is not None and self.maps.shape[-2] == self.past.shape[-2]:
            return self.maps
        first, last = max(band.start - self.reach, 0), min(band.stop + self.reach, self.past.shape[-2])
        parts = [] if self.maps is None else [self.maps[..., first - self.first :, :]]
        done = first + (parts[0].shape[-2] if parts else 0)
        rows = band.stop - band.start
        parts += [self._read(slice(row, min(row + rows, last))) for row in range(done, last, rows)]
        self.maps, self.first = torch.cat(parts, dim=-2) if len(parts) > 1 else parts[0], first
        return self.maps

    def _read(self, rows: slice, means: Tensor | None = None) -> Tensor:
        """Maps (B, 2 or 1, K, rows, W), a few rows at a time on a CPU; and the means, where they are wanted."""
        height, width = rows.stop - rows.start, self.past.shape[-1]
        step = height if self.past.is_cuda else max(_PIXELS // width, 1)
        maps: Tensor | None = None
        for own in (slice(r, min(r + step, height)) for r in range(0, height, step)):
            logits = self.logits_of(self.past[..., rows.start + own.start : rows.start + own.stop, :])
            if maps is None:
                kinds = 1 if self.cascade.pixel_layers is None else 2
                maps = logits.new_empty(len(logits), kinds, logits.shape[2], height, width)
            maps[:, 0, :, own] = logits[:, -1]
            if maps.shape[1] > 1:
                maps[:, 1, :, own] = self.cascade.change(logits)
            if means is not None:
                means[..., own, :] = logits.mean(dim=2)
        assert maps is not None
        return maps


def falling(logits: Tensor) -> Tensor:
    """Probabilities of logits (N, K, H, W), written over them; no threshold has more than the one below."""
    thresholds = logits.sigmoid_().unbind(1)
    for weaker, stronger in pairwise(thresholds):
        torch.minimum(weaker, stronger, out=stronger)
    return logits


def _logits(folded: _Folded, read: Tensor, around: Tensor | None) -> Tensor:
    """Logits (S K, P) of a stripe, less those of the newest frame, from its smoothed maps and its context."""
    found = torch.addmm(folded.constant, folded.direct, read[: folded.direct.shape[1]])
    if folded.layers is None:
        return found
    first, second, last = folded.layers
    hidden = torch.addmm(first.bias, first.weight, read)
    if around is not None:
        hidden += around
    hidden = torch.addmm(second.bias, second.weight, F.gelu(hidden))
    return found.addmm_(last.weight, F.gelu(hidden))


def _fold(cascade: LogitCascade, steps: int) -> _Folded:
    at = torch.arange(steps, device=cascade.weights.device).clamp(max=len(cascade.weights) - 1)
    levels, constants = (GAIN * values[at] for values in (cascade.weights, cascade.constants))
    thresholds, scales = levels.shape[1:]
    levels = _of_maps(levels)
    levels[:, :, 0] -= 1.0  # the change that the network forecasts starts from the newest frame
    direct = levels.new_zeros(steps, thresholds, scales, thresholds)
    own = torch.arange(thresholds, device=levels.device)
    direct[:, own, :, own] = levels.transpose(0, 1)
    direct, constant = direct.view(steps * thresholds, -1), constants.reshape(-1, 1)
    if cascade.pixel_layers is None:
        return _Folded(direct, constant, None)
    first, second, last = (
        _Layer(part.weight.flatten(1), part.bias[:, None])
        for part in cascade.pixel_layers
        if isinstance(part, nn.Conv2d) and part.bias is not None
    )
    maps = _of_maps(first.weight.view(-1, 2, thresholds, scales) * INPUT_SCALE).transpose(2, 3).flatten(1)
    chosen, added = (values.view(*cascade.constants.shape, -1)[at].flatten(0, 1) for values in last)
    constant = constant + added
    return _Folded(direct, constant, (_Layer(maps, first.bias), second, _Layer(chosen, added)))


def _of_maps(levels: Tensor) -> Tensor:
    """Weights (..., L + 1) of levels, each the difference of two maps, as weights of the maps."""
    return torch.cat([levels[..., :1], levels[..., 1:] - levels[..., :-1]], dim=-1)
