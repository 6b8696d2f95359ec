"""Losses over what was observed. Other pixels count nowhere and get a gradient of exactly zero.

Dimensions: B batch, N frames, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nowcast.core.errors import SettingsError
from nowcast.core.scaling import Scaling
from nowcast.models.exceedance.wrapper import LARGEST_LOGIT, ExceedanceProbabilitySettings

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(prediction, target, observed), all (B, N, C, H, W), to a scalar in float32."""


_INK = 1e-6


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
        """The weight of every pixel of ``target`` (scaled to [0, 1]), float32."""
        edges = torch.tensor([scaling.scaled(bound) for bound in self.bounds_dbz], device=target.device)
        classes = torch.bucketize(target.float().contiguous(), edges, right=True)
        return torch.tensor(self.weights, device=target.device)[classes]


def _error(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    difference = prediction.float() - target.float()
    return torch.where(observed, difference, torch.zeros_like(difference))


def _mean(term: Tensor, observed: Tensor) -> Tensor:
    """The mean over observed pixels of a term that is 0 at all others; 0 if none was observed."""
    return term.sum() / observed.sum(dtype=torch.float32).clamp(min=1.0)


def mse(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean squared error: the published code of MotionRNN; the paper of ASTM."""
    return _mean(_error(prediction, target, observed).square(), observed)


def l1(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean absolute error: FRNN and SAVP-VAE."""
    return _mean(_error(prediction, target, observed).abs(), observed)


def l1_l2(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean absolute plus mean squared error: the papers of MotionRNN and LMC-Memory.

    Source: Wu et al. 2021 (MotionRNN), section 4; Lee et al. 2021 (LMC-Memory), Eq. 5, as means.
    """
    error = _error(prediction, target, observed)
    return _mean(error.abs() + error.square(), observed)


def cross_entropy(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean binary cross-entropy with the grey value in [0, 1] as the chance of ink: VPN and DFN.

    Times the pixels of a frame it is the nats a frame of their papers. A prediction is kept 1e-6 away from 0
    and 1, so that no pixel costs more than 13.8.
    """
    chance = prediction.float().clamp(_INK, 1.0 - _INK)
    there = target.float().clamp(0.0, 1.0)
    term = -(there * torch.log(chance) + (1.0 - there) * torch.log1p(-chance))
    return _mean(torch.where(observed, term, torch.zeros_like(term)), observed)


def weighted_l1_l2(scaling: Scaling, intensity: IntensityWeights) -> Loss:
    """Make `l1_l2` in which each pixel weighs by the class of its observed dBZ.

    The mean is over pixels, not over weights, as in B-MSE: a clip with strong echoes pulls harder.
    """

    def loss(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        error = _error(prediction, target, observed)
        return _mean((error.abs() + error.square()) * intensity.of(target, scaling), observed)

    return loss


def log_score(weights: Sequence[float]) -> Loss:
    """Make the logarithmic score of events: minus the log of the probability of what happened.

    The weighted mean over thresholds of the mean over observed pixels; channels are thresholds, predictions
    are logits, the target is 0 or 1. Logits are bounded, so that no event costs more than 11.5. Proper for
    any weights: only honest probabilities reach its minimum.

    Source: Good (1952), J. R. Stat. Soc. B 14, 107-114; ordinal use: Frank and Hall (2001), ECML.
    """
    shares = _Shares(weights)

    def loss(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        logits = prediction.float().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        term = F.binary_cross_entropy_with_logits(
            logits, target.float(), weight=observed.float(), reduction="none"
        )
        axes = (0, 1, 3, 4)
        mean = term.sum(dim=axes) / observed.sum(dim=axes, dtype=torch.float32).clamp(min=1.0)
        return (mean * shares.on(mean.device)).sum()

    return loss


def soft_jaccard(weights: Sequence[float]) -> Loss:
    """Make one minus the CSI of events, with probabilities in place of yes and no.

    For each lead time and threshold, over all pixels of the batch: the sum of probabilities where the event
    was, over that of the larger of the two. One pixel is added to both, so that probabilities of an event
    that is nowhere fall. Then the mean over lead times and the weighted one over thresholds; arguments as in
    `log_score`. Not proper: probabilities go to 0 or 1, to whichever earns the higher CSI.

    Source: Rahman and Wang (2016), ISVC, 234-244 (intersection over union as a loss).
    """
    shares = _Shares(weights)

    def loss(prediction: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        chance = torch.sigmoid(prediction.float())
        there, seen = target.float(), observed.float()
        both = (chance * there * seen).sum(dim=(0, 3, 4))
        either = ((chance + there - chance * there) * seen).sum(dim=(0, 3, 4))
        reached = ((both + 1.0) / (either + 1.0)).mean(dim=0)
        return ((1.0 - reached) * shares.on(reached.device)).sum()

    return loss


class _Shares:
    """Weights of thresholds that add up to 1, on each device once.

    Why: what is copied from the CPU in the middle cannot be recorded as a CUDA graph.
    """

    def __init__(self, weights: Sequence[float]) -> None:
        shares = torch.tensor(weights) / sum(weights)
        self._there = {shares.device: shares}
        self._first = shares

    def on(self, device: torch.device) -> Tensor:
        if device not in self._there:
            self._there[device] = self._first.to(device)
        return self._there[device]


def _weighted(scaling: Scaling | None, intensity: IntensityWeights) -> Loss:
    if scaling is None:
        raise SettingsError(
            "training.loss: 'weighted_l1_l2' weighs by dBZ, and data.scaling is none; "
            "give data.scaling or choose l1_l2"
        )
    return weighted_l1_l2(scaling, intensity)


def _of_events(
    name: str, make: Callable[[Sequence[float]], Loss], events: ExceedanceProbabilitySettings | None
) -> Loss:
    if events is None:
        raise SettingsError(f"training.loss: '{name}' scores probabilities; give model.exceedance_probability")
    return make(events.weights or [1.0] * len(events.thresholds_dbz))


_Maker = Callable[[Scaling | None, IntensityWeights, ExceedanceProbabilitySettings | None], Loss]
LOSSES: Mapping[str, _Maker] = {
    "l1_l2": lambda scaling, intensity, events: l1_l2,
    "l1": lambda scaling, intensity, events: l1,
    "mse": lambda scaling, intensity, events: mse,
    "cross_entropy": lambda scaling, intensity, events: cross_entropy,
    "weighted_l1_l2": lambda scaling, intensity, events: _weighted(scaling, intensity),
    "log_score": lambda scaling, intensity, events: _of_events("log_score", log_score, events),
    "soft_jaccard": lambda scaling, intensity, events: _of_events("soft_jaccard", soft_jaccard, events),
}
"""Name -> a maker of the loss from the scaling, the weights by intensity and the thresholds."""
OF_EVENTS = ("log_score", "soft_jaccard")
"""Those of probabilities of events, which need `model.exceedance_probability`."""


def make_loss(
    name: str,
    scaling: Scaling | None,
    intensity: IntensityWeights,
    events: ExceedanceProbabilitySettings | None = None,
) -> Loss:
    """Make the loss called ``name``.

    Raises:
        SettingsError: no such loss, or one that needs a dBZ scaling where there is none.
    """
    if name not in LOSSES:
        raise SettingsError(f"training.loss: got '{name}', expected one of {', '.join(LOSSES)}")
    return LOSSES[name](scaling, intensity, events)
