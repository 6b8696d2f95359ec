"""LPIPS with AlexNet: how far apart two frames are in the features of a network that knows pictures.

Dimensions: N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nowcast.core.errors import SettingsError
from nowcast.scores.arrays import ScoreError, ratio
from nowcast.scores.base import Sums
from nowcast.scores.frames import frames
from nowcast.scores.full_precision import full_float32
from nowcast.scores.lpips_weights import LAYERS, WEIGHTS_SHA256, read

if TYPE_CHECKING:
    from torch import Tensor

LEAST_SIDE = 31
"""Frames with a shorter side vanish in the network's strides."""
_AT_ONCE = 32
"""Frames in the network at a time: it bounds memory and is no batch size of a result."""
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_STRIDES_PADS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
_POOL_BEFORE = (1, 2)


@dataclass(frozen=True)
class Lpips:
    """Learned perceptual image patch similarity, AlexNet, weights 0.1; 0 is best, no upper bound.

    At each of five layers the features of a pixel are made unit vectors, their squared differences are
    weighed by channel and averaged over the map; the layers are added up. Gray is repeated three times.
    The number is the mean over frames.

    Source: Zhang, Isola, Efros, Shechtman and Wang, CVPR 2018, eq. 1.
    """

    weights: Path
    """A file made by ``nowcast fetch-weights lpips``."""
    span: Literal["signed", "unit"] = "signed"
    """``signed`` gives the network frames in [-1, 1], which it was made for; ``unit`` leaves them in [0, 1],
    as LMC-Memory's published code does."""
    spatial: bool = False
    """Enlarge each layer's map to the frame before it is averaged, as ASTM's published code does."""
    sha256: str = WEIGHTS_SHA256
    """What the arrays in the file must be; a score by this name has no other."""

    def __post_init__(self) -> None:
        if self.span not in ("signed", "unit"):
            raise SettingsError(f"lpips: got span {self.span!r}, expected 'signed' or 'unit'")

    @property
    def name(self) -> str:
        """``lpips``; what departs from [-1, 1] and the plain average is in the name."""
        return "lpips" + ("" if self.span == "signed" else "_unit") + ("_spatial" if self.spatial else "")

    def sums(self, forecast: Any, observed: Any) -> Sums:
        """Add up ``total`` and count ``frames`` a lead time, float64 and int64 (S,).

        Tensors are compared where they lie, so on an accelerator if they are there.

        Raises:
            ScoreError: frames that are not one shape, not in [0, 1], or neither gray nor RGB.
            FileError: the weights are not the published ones.
        """
        import torch

        device = forecast.device if isinstance(forecast, torch.Tensor) else torch.device("cpu")
        both = frames(forecast, observed)
        b, s, c, h, w = both.forecast.shape
        if c not in (1, 3):
            raise ScoreError(f"lpips: got frames of {c} channels, expected 1 (gray) or 3 (RGB)")
        found = np.full((b, s), np.nan)
        if min(h, w) >= LEAST_SIDE:
            arrays = {k: torch.from_numpy(v).to(device) for k, v in read(self.weights, self.sha256).items()}
            forecasts, truths = (torch.tensor(a.reshape(b * s, c, h, w)) for a in both)
            with full_float32(device):
                distances = [
                    self._distance(
                        forecasts[i : i + _AT_ONCE].to(device), truths[i : i + _AT_ONCE].to(device), arrays
                    )
                    for i in range(0, b * s, _AT_ONCE)
                ]
            found = torch.cat(distances).cpu().numpy().astype(np.float64).reshape(b, s)
        return {"total": found.sum(axis=0), "frames": np.full(s, b, np.int64)}

    def value(self, sums: Mapping[str, Any]) -> Any:
        """Finish: (S,); NaN where frames have a side under 31 pixels."""
        return ratio(sums["total"], sums["frames"])

    def _distance(self, forecast: Tensor, observed: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
        """The distance of each pair: (N, C, H, W) twice -> (N,)."""
        import torch
        from torch.nn import functional as F

        layers = zip(*(features(self._spread(a), arrays) for a in (forecast, observed)), strict=True)
        total = torch.zeros(len(forecast), device=forecast.device)
        for i, (f, o) in enumerate(layers):
            gap = (_unit(f) - _unit(o)) ** 2
            weighed = (gap * arrays[f"linear.{i}"][:, None, None]).sum(dim=1)
            if self.spatial:
                weighed = F.interpolate(
                    weighed[:, None], size=forecast.shape[-2:], mode="bilinear", align_corners=False
                )[:, 0]
            total = total + weighed.mean(dim=(-2, -1))
        return total

    def _spread(self, frames: Tensor) -> Tensor:
        wide = frames.float().expand(-1, 3, -1, -1)
        return wide * 2 - 1 if self.span == "signed" else wide


def features(frames: Tensor, arrays: Mapping[str, Tensor]) -> list[Tensor]:
    """AlexNet's five maps after their rectifiers: (N, 3, H, W) -> five (N, channels, h, w).

    Source: Krizhevsky 2014 (arXiv:1404.5997), the one-column network.
    """
    from torch.nn import functional as F

    shift, scale = (frames.new_tensor(v)[:, None, None] for v in (_SHIFT, _SCALE))
    x = (frames - shift) / scale
    found = []
    for i in range(LAYERS):
        if i in _POOL_BEFORE:
            x = F.max_pool2d(x, 3, 2)
        stride, pad = _STRIDES_PADS[i]
        x = F.conv2d(x, arrays[f"conv.{i}.weight"], arrays[f"conv.{i}.bias"], stride, pad).relu()
        found.append(x)
    return found


def _unit(maps: Tensor) -> Tensor:
    """Divide the channels of each pixel by their length."""
    return maps / (maps.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
