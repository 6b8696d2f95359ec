"""Losses over what was seen. Unseen pixels count nowhere and get a gradient of exactly zero.

Letters: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.models.exceedance.wrapper import ExceedanceSettings

_LEAST = 1e-5
"""Probabilities are kept this far from 0 and 1, so that no surprise costs more than 11.5."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(prediction, target, seen), all (B, N, C, H, W), to a scalar in float32."""


@dataclass(frozen=True)
class IntensityWeights:
    """How much a pixel weighs, by the class of its observed reflectivity.

    Source of the defaults: Shi et al. 2017 (TrajGRU, HKO-7), B-MSE and B-MAE: weights 1, 2, 5, 10, 30 with
    bounds 2, 5, 10, 30 mm/h, which are 22.4, 28.6, 33.3 and 40.7 dBZ by that paper's Z = 58.53 R^1.56.
    """

    bounds_dbz: tuple[float, ...] = (22.4, 28.6, 33.3, 40.7)
    """Lower bounds of the classes above the first, rising."""
    weights: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 30.0)
    """One more than bounds: below the first bound, from the first on, ..."""

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.bounds_dbz) + 1:
            raise SettingsError(
                f"intensity: got {len(self.weights)} weights for {len(self.bounds_dbz)} bounds, "
                f"expected {len(self.bounds_dbz) + 1}; give one weight per class"
            )
        if list(self.bounds_dbz) != sorted(set(self.bounds_dbz)) or min(self.weights) < 0:
            raise SettingsError("intensity: expected rising bounds in dBZ and weights of 0 or more")

    def of(self, target: Tensor, scaling: Scaling) -> Tensor:
        """Give the weight of every pixel of ``target`` (scaled to [0, 1]), float32."""
        bounds = [(b - scaling.low_dbz) / (scaling.high_dbz - scaling.low_dbz) for b in self.bounds_dbz]
        edges = torch.tensor(bounds, device=target.device)
        classes = torch.bucketize(target.float().contiguous(), edges, right=True)
        return torch.tensor(self.weights, device=target.device)[classes]


def mean_error(
    prediction: Tensor, target: Tensor, seen: Tensor, power: int, weight: Tensor | None = None
) -> Tensor:
    """Mean over *seen* pixels of (weight times) the absolute error to the ``power``; 0 if none was seen.

    The mean is over pixels, not over weights, as in B-MSE: a clip with strong echoes pulls harder.
    """
    error = _seen_error(prediction, target, seen)
    term = error.abs() if power == 1 else error.square()
    if weight is not None:
        term = term * weight
    return term.sum() / _count(seen)


def _seen_error(prediction: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    difference = prediction.float() - target.float()
    return torch.where(seen, difference, torch.zeros_like(difference))


def _count(seen: Tensor) -> Tensor:
    return seen.sum(dtype=torch.float32).clamp(min=1.0)


def mse(prediction: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Mean squared error: the published code of MotionRNN; the paper of ASTM."""
    return mean_error(prediction, target, seen, 2)


def l1_l2(prediction: Tensor, target: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute plus mean squared error: the papers of MotionRNN and LMC-Memory.

    Source: Wu et al. 2021 (MotionRNN), section 4; Lee et al. 2021 (LMC-Memory), Eq. 5, as means.
    """
    error = _seen_error(prediction, target, seen)
    return (error.abs() + error.square()).sum() / _count(seen)


def weighted_l1_l2(scaling: Scaling, intensity: IntensityWeights) -> Loss:
    """Give `l1_l2` in which each pixel weighs by the class of its observed dBZ."""

    def loss(prediction: Tensor, target: Tensor, seen: Tensor) -> Tensor:
        error = _seen_error(prediction, target, seen)
        term = (error.abs() + error.square()) * intensity.of(target, scaling)
        return term.sum() / _count(seen)

    return loss


def log_score(weights: Sequence[float]) -> Loss:
    """Give the logarithmic score of events: minus the log of the probability of what happened.

    The weighted mean over thresholds of the mean over seen pixels; channels are thresholds, the target is
    0 or 1. Proper for any weights: only honest probabilities reach its minimum.

    Source: Good (1952), J. R. Stat. Soc. B 14, 107-114; ordinal use: Frank and Hall (2001), ECML.
    """
    shares = torch.tensor(weights) / sum(weights)

    def loss(prediction: Tensor, target: Tensor, seen: Tensor) -> Tensor:
        with torch.autocast(prediction.device.type, enabled=False):
            said = prediction.float().clamp(_LEAST, 1.0 - _LEAST)
            term = F.binary_cross_entropy(said, target.float(), weight=seen.float(), reduction="none")
        mean = term.sum(dim=(0, 1, 3, 4)) / seen.sum(dim=(0, 1, 3, 4), dtype=torch.float32).clamp(min=1.0)
        return (mean * shares.to(mean.device)).sum()

    return loss


def _weighted(scaling: Scaling | None, intensity: IntensityWeights) -> Loss:
    if scaling is None:
        raise SettingsError(
            "training.loss: 'weighted_l1_l2' weighs by dBZ, and data.scaling is none; "
            "give data.scaling or choose l1_l2"
        )
    return weighted_l1_l2(scaling, intensity)


def _of_events(exceedance: ExceedanceSettings | None) -> Loss:
    if exceedance is None:
        raise SettingsError("training.loss: 'log_score' scores probabilities; give model.exceedance")
    return log_score(exceedance.weights or [1.0] * len(exceedance.thresholds_dbz))


LOSSES: Mapping[str, Callable[[Scaling | None, IntensityWeights, ExceedanceSettings | None], Loss]] = {
    "l1_l2": lambda scaling, intensity, exceedance: l1_l2,
    "mse": lambda scaling, intensity, exceedance: mse,
    "weighted_l1_l2": lambda scaling, intensity, exceedance: _weighted(scaling, intensity),
    "log_score": lambda scaling, intensity, exceedance: _of_events(exceedance),
}
"""Name -> a maker of the loss from the scaling, the weights by intensity and the thresholds."""


def make_loss(
    name: str, scaling: Scaling | None, intensity: IntensityWeights,
    exceedance: ExceedanceSettings | None = None,
) -> Loss:
    """Give the loss called ``name``.

    Raises:
        SettingsError: no such loss, or one that needs a dBZ scaling where there is none.
    """
    if name not in LOSSES:
        raise SettingsError(f"training.loss: got '{name}', expected one of {', '.join(LOSSES)}")
    return LOSSES[name](scaling, intensity, exceedance)
