"""Probabilities of exceeding thresholds in place of values: a head for every network.

Letters: B batch, N frames, T past frames, S forecast steps, K thresholds, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.core.scaling import Scaling
from nowcast.models.base import Clip, Phase, SequenceModel, Teacher
from nowcast.models.exceedance.cascade import CascadeSettings, OddsCascade
from nowcast.models.lmc.network import LmcMemory
from nowcast.models.wrapper import ModelWrapper

_MARGIN = 0.01
"""A share is this far from 0 and 1 before its logit is taken."""
_LEAST = 1e-5
"""A probability is this far from 0 and 1 before its logit is taken."""
_REACHED = 1.0 - 1e-4
_EVEN = 0.5


@dataclass(frozen=True)
class ExceedanceSettings:
    """Which events a network gives the probability of."""

    thresholds_dbz: tuple[float, ...] = (10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0)
    """Rising. Those of the scores, and so near to each other that dBZ between them can be interpolated."""
    weights: tuple[float, ...] | None = None
    """Of each threshold in the loss; None weighs all alike. Any weights leave the score proper."""
    cascade: CascadeSettings | None = None
    """Let small scales of the newest frame's odds fade with lead time; none (null) starts from "as now"."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.thresholds_dbz))
        if len(self.thresholds_dbz) < 2 or not rising:
            raise SettingsError(
                complain("exceedance.thresholds_dbz", list(self.thresholds_dbz), "two or more rising values",
                         "for example [20, 30, 40]")
            )
        if self.weights is not None and (
            len(self.weights) != len(self.thresholds_dbz) or min(self.weights) <= 0
        ):
            raise SettingsError(
                complain("exceedance.weights", list(self.weights),
                         f"{len(self.thresholds_dbz)} numbers above 0, one a threshold", "or leave them out")
            )

    def levels(self, scaling: Scaling) -> tuple[float, ...]:
        """Give the thresholds as values in [0, 1].

        Raises:
            SettingsError: a threshold outside the range of the scaling.
        """
        low, high = scaling.low_dbz, scaling.high_dbz
        if not low < self.thresholds_dbz[0] or not self.thresholds_dbz[-1] <= high:
            raise SettingsError(
                complain("exceedance.thresholds_dbz", list(self.thresholds_dbz),
                         f"values above {low:g} and up to {high:g} dBZ, the range of data.scaling",
                         "change one of them")
            )
        return tuple((dbz - low) / (high - low) for dbz in self.thresholds_dbz)


class ExceedanceModel(ModelWrapper):
    """A network that gives the probability that each of K rising levels is reached, from frames.

    A frame (1, H, W) goes in as K shares: how far each step of the ladder of levels is climbed, 0 to 1.
    The network inside reads and gives K channels. What it gives is added to the logits of the shares it
    has just read (`probability_join`), so a fresh network says "as now", and every step of a forecast
    changes the odds of the step before. What comes out falls with rising level by construction: no event is
    likelier than any lower one. (The loss sees each probability before that is enforced.)

    With a cascade, what the network changes is added to odds whose small scales fade with lead time instead
    of to those of the newest frame; what the network itself reads stays as above. As what it reads never goes
    beyond 0.01 and 0.99, changes towards certainty do not add up from step to step; those away from it do.

    Trained with the logarithmic score of each event, which is proper: only honest probabilities do best.
    """

    def __init__(
        self, network: SequenceModel, levels: Sequence[float], cascade: CascadeSettings | None = None
    ) -> None:
        super().__init__(network)
        network.join = probability_join
        steps = [level - below for below, level in pairwise([0.0, *levels])]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("steps", torch.tensor(steps), persistent=False)
        self.levels: Tensor
        self.steps: Tensor
        self.cascade = None if cascade is None else OddsCascade(len(levels), cascade)

    def shares(self, frames: Tensor) -> Tensor:
        """Turn (B, N, 1, H, W) in [0, 1] into shares (B, N, K, H, W); 1 where a level is reached."""
        top, step = (v.to(frames.dtype).view(-1, 1, 1) for v in (self.levels, self.steps))
        return ((frames - (top - step)) / step).clamp(0, 1)

    def forward(self, past: Tensor, steps: int, teacher: Teacher | None = None) -> Tensor:
        """Give probabilities (B, S, K, H, W) from ``past`` (B, T, 1, H, W)."""
        read = self.shares(past)
        return falling(self._faded(read, self.network(read, steps, self._teacher(teacher))))

    def phases(self, clip: Clip, teacher: Teacher | None, generator: torch.Generator) -> Iterator[Phase]:
        """Yield the network's own phases with events in place of shares as the target."""
        coded = Clip(
            self.shares(clip.past), self.shares(clip.future),
            clip.seen.expand(-1, -1, len(self.levels), -1, -1),
            self.shares(clip.context) if clip.context.shape[1] else clip.context,
        )
        for phase in self.network.phases(coded, self._teacher(teacher), generator):
            found, target, seen = phase.prediction, phase.target, phase.seen
            if self.cascade is not None:  # it knows no weights for predictions made while reading
                steps = coded.future.shape[1]
                found, target, seen = found[:, -steps:], target[:, -steps:], seen[:, -steps:]
            events = (target >= _REACHED).to(found.dtype)
            yield Phase(phase.name, self._faded(coded.past, found), events, seen)

    def _faded(self, read: Tensor, found: Tensor) -> Tensor:
        """Add what the network changed (B, S, K, H, W) to the odds of what it has read, as they fade."""
        if self.cascade is None:
            return found
        odds = _odds(read)
        changed = torch.logit(found.float(), eps=_LEAST) - odds[:, -1:]
        return torch.sigmoid(self.cascade(odds, found.shape[1]) + changed).to(found.dtype)

    def compared(self, forecast: Tensor, observed: Tensor, seen: Tensor) -> Phase:
        """Set probabilities beside the events of observed frames (B, S, 1, H, W)."""
        events = (self.shares(observed) >= _REACHED).to(forecast.dtype)
        return Phase("forecast", forecast, events, seen.expand_as(events))

    def frames(self, forecast: Tensor) -> Tensor:
        """Give frames (B, S, 1, H, W) of the highest level that is reached with even odds, else 0.

        Why so plain: it is what validation counts events with. Values between the levels, and decision
        levels other than even odds, are a matter of the forecaster.
        """
        ladder = torch.cat([self.levels.new_zeros(1), self.levels])
        return ladder[(forecast >= _EVEN).sum(dim=2, keepdim=True)]

    def motion(self, past: Tensor, steps: int) -> Tensor:
        """Give the motion that the network inside believes in, from frames; see `ModelWrapper.motion`."""
        return super().motion(self.shares(past), steps)

    def address(self, frames: Tensor, long: bool = False) -> Tensor:
        """Say which slots frames ask for, from an LMC-Memory inside; see `LmcMemory.address`.

        Raises:
            SettingsError: the network inside has no memory.
        """
        if not isinstance(self.network, LmcMemory):
            raise SettingsError("memory: got a network without one, expected an LMC-Memory; take one")
        return self.network.address(self.shares(frames), long)

    def _teacher(self, teacher: Teacher | None) -> Teacher | None:
        return None if teacher is None else Teacher(self.shares(teacher.frames), teacher.use)


def probability_join(read: Tensor, said: Tensor) -> Tensor:
    """Add what a network says to the logits of the shares it has read, as probabilities in float32.

    Half precision cannot tell probabilities above 0.99 apart, and their odds are read again.
    """
    return torch.sigmoid(_odds(read) + said.float())


def _odds(shares: Tensor) -> Tensor:
    return torch.logit(shares.float(), eps=_MARGIN)


def falling(probabilities: Tensor) -> Tensor:
    """Let no event (axis 2, rising levels) be likelier than a lower one."""
    return probabilities.cummin(dim=2).values
