"""Probabilities from logits that fade, a few rows at a time: what a forecast does with a cascade.

The same sums as `LogitCascade.forward` and `ExceedanceProbabilityModel.forward`, in an order that needs no map
of all cascade levels and none of all hidden channels, and whose parts stay in the CPU's cache. Differences of
smoothed maps are folded into the weights: a level's weight acts on its finer map, and negatively on the other.

Dimensions: B batch, T past frames, K thresholds, S lead times, L scales, H rows, W columns, D hidden channels,
P pixels of a stripe of rows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nowcast.models.exceedance.cascade import GAIN, INPUT_SCALE, LogitCascade
from nowcast.models.smoothing import gaussian

_PIXELS = 4096
"""Of a stripe, about: its maps of all channels then fit the second-level cache."""


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


class Summary(NamedTuple):
    """What a cascade reads of the past: smaller than the past itself, which can then be let go."""

    newest: Tensor
    """The newest frame, and its change from the mean of those before: (B, 2 or 1, K, H, W)."""
    context: _Enlarged | None


def summarised(cascade: LogitCascade, past: Tensor) -> Summary:
    """Summarise the logits of past frames (B, T, K, H, W)."""
    context = None
    if cascade.context_unet is not None:
        context = _Enlarged(cascade.context_unet.coarse(past.mean(dim=2) * INPUT_SCALE), past.shape[-2:])
    read = [past[:, -1]] if cascade.pixel_layers is None else [past[:, -1], cascade.change(past)]
    return Summary(torch.stack(read, dim=1), context)


def probabilities(cascade: LogitCascade, past: Summary, logits: Tensor, bound: float) -> Tensor:
    """Probabilities that fall with the threshold, written over the logits.

    Args:
        cascade: as trained.
        past: what `summarised` gives.
        logits: those that the network forecasts (B, S, K, H, W), float32; they are lost.
        bound: largest absolute value of a logit of the network that counts.

    Returns:
        (B, S, K, H, W).
    """
    folded = _fold(cascade, logits.shape[1])
    smooth = _smoothed(cascade, past.newest)
    height, width = logits.shape[-2:]
    rows = height if logits.is_cuda else max(_PIXELS // width, 1)
    for sample, start in ((b, r) for b in range(len(logits)) for r in range(0, height, rows)):
        stripe = slice(start, min(start + rows, height))
        read = smooth[sample, ..., stripe, :].flatten(3).flatten(0, 2)
        around = None if past.context is None else past.context.rows(sample, stripe)
        own = logits[sample, :, :, stripe]
        found = _logits(folded, read, around).view(own.shape)
        own.copy_(falling(found.add_(own.clamp(-bound, bound))))
    return logits


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


def _smoothed(cascade: LogitCascade, maps: Tensor) -> Tensor:
    """Maps (B, 2 or 1, K, H, W) at all scales: (B, 2 or 1, L + 1, K, H, W)."""
    batch, kinds, thresholds, height, width = maps.shape
    smooth = maps.new_empty(batch, kinds, len(cascade.scales) + 1, thresholds, height, width)
    smooth[:, :, 0] = maps
    for level, scale in enumerate(cascade.scales, 1):
        smooth[:, :, level] = gaussian(maps.flatten(1, 2), scale, "replicate").view_as(maps)
    return smooth


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


class _Enlarged:
    """A coarse map (B, D, h, w) whose cells are squares of pixels, read bilinearly a few rows at a time."""

    def __init__(self, coarse: tuple[Tensor, int], size: tuple[int, ...]) -> None:
        maps, self.side = coarse
        self.height = maps.shape[-2]
        lower, upper, share = self._places(torch.arange(size[1], device=maps.device), maps.shape[-1])
        across = maps.new_zeros(maps.shape[-1], size[1])
        columns = torch.arange(size[1], device=maps.device)
        across[lower, columns] += 1.0 - share
        across[upper, columns] += share
        self.wide = maps @ across

    def rows(self, sample: int, stripe: slice) -> Tensor:
        """(D, P) of a stripe of rows."""
        lines = torch.arange(stripe.start, stripe.stop, device=self.wide.device)
        lower, upper, share = self._places(lines, self.height)
        wide = self.wide[sample]
        return torch.lerp(wide[:, lower], wide[:, upper], share[:, None]).flatten(1)

    def _places(self, fine: Tensor, cells: int) -> tuple[Tensor, Tensor, Tensor]:
        """Between which two cells each pixel lies, and how far on the way to the second."""
        place = ((fine + 0.5) / self.side - 0.5).clamp(min=0.0)
        lower = place.long().clamp(max=cells - 1)
        return lower, (lower + 1).clamp(max=cells - 1), place - lower
