"""Probabilities of exceeding thresholds in place of values: a head for every network.

Dimensions: B batch, N frames, T past frames, S forecast steps, K thresholds, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from nowcast.core.errors import SettingsError, complain
from nowcast.core.scaling import Scaling
from nowcast.models.base import ClipBatch, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.models.exceedance.cascade import CascadeSettings, LogitCascade
from nowcast.models.exceedance.context import context_of
from nowcast.models.exceedance.stripes import Newest, bands, falling, probabilities
from nowcast.models.wrapper import Inner, ModelWrapper

_MARGIN = 0.01
"""A frame's soft exceedances are this far from 0 and 1 before their logits are taken."""
_BOUND = math.log((1.0 - _MARGIN) / _MARGIN)
"""The logit of 1 - `_MARGIN`."""
CERTAIN = 1e-5
"""A probability nearer than this to 0 or 1 counts as certain: its logit goes no further."""
LARGEST_LOGIT = math.log((1.0 - CERTAIN) / CERTAIN)
_REACHED = 1.0 - 1e-4
_EVEN = 0.5
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ExceedanceProbabilitySettings:
    """The events whose probabilities a network forecasts."""

    thresholds_dbz: tuple[float, ...] = (10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0)
    """Rising. Those of the scores, and so near to each other that dBZ between them can be interpolated."""
    weights: tuple[float, ...] | None = None
    """Of each threshold in the loss; None weighs all alike. Any weights leave the score proper."""
    cascade: CascadeSettings | None = None
    """Let small scales of the newest frame's logits fade with lead time; none (null) starts from "as now"."""

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.thresholds_dbz))
        if len(self.thresholds_dbz) < 2 or not rising:
            raise SettingsError(
                complain(
                    "exceedance_probability.thresholds_dbz",
                    list(self.thresholds_dbz),
                    "two or more rising values",
                    "for example [20, 30, 40]",
                )
            )
        if self.weights is not None and (
            len(self.weights) != len(self.thresholds_dbz) or min(self.weights) <= 0
        ):
            raise SettingsError(
                complain(
                    "exceedance_probability.weights",
                    list(self.weights),
                    f"{len(self.thresholds_dbz)} numbers above 0, one a threshold",
                    "or leave them out",
                )
            )

    def scaled_thresholds(self, scaling: Scaling) -> tuple[float, ...]:
        """The thresholds on the scale of the frames, in (0, 1].

        Raises:
            SettingsError: a threshold outside the range of the scaling.
        """
        if not scaling.low_dbz < self.thresholds_dbz[0] or not self.thresholds_dbz[-1] <= scaling.high_dbz:
            raise SettingsError(
                complain(
                    "exceedance_probability.thresholds_dbz",
                    list(self.thresholds_dbz),
                    f"values above {scaling.low_dbz:g} and up to {scaling.high_dbz:g} dBZ, the range of "
                    "data.scaling",
                    "change one of them",
                )
            )
        return tuple(scaling.scaled(dbz) for dbz in self.thresholds_dbz)


class LogitIncrements:
    """Outputs of a network as changes of the logits of the frame it has read; see `Increments`.

    Logits of a frame, given or forecast, are bounded before the next change is added: what is certain now can
    become uncertain in one step. They are float32: half precision cannot tell probabilities above 0.99 apart.
    """

    def value(self, frame: Tensor) -> Tensor:
        """Bounded logits of soft exceedances."""
        return torch.logit(frame.float(), eps=_MARGIN)

    def add(self, value: Tensor, output: Tensor) -> Tensor:
        """The next logits."""
        return value.clamp(-_BOUND, _BOUND) + output.float()

    def frame(self, value: Tensor) -> Tensor:
        """Probabilities, as the network reads them."""
        return torch.sigmoid(value)


INCREMENTS = LogitIncrements()


class ExceedanceProbabilityModel(ModelWrapper):
    """A network that forecasts, at each pixel, the probability of reaching each of K thresholds.

    A frame (1, H, W) enters as K soft exceedances: how far a value has come from the threshold below to this
    one, 0 to 1. The network inside reads and forecasts K channels. Its output is added to the logits of the
    frame it has just read (`LogitIncrements`), so a fresh network forecasts "as now", and every step of a
    forecast changes the logits of the step before. Probabilities fall with rising threshold by construction: no
    event is likelier than any lower one. (The loss sees each logit before that is enforced.)

    With a cascade, the network's change is added to logits whose small scales fade with lead time instead
    of to those of the newest frame; what the network itself reads stays as above. As the logits it reads are
    bounded, changes towards certainty do not add up from step to step; those away from it do.

    Trained with the logarithmic score of each event, which is proper: only honest probabilities do best.

    Args:
        network: reads soft exceedances and forecasts logits, as `nowcast.models.catalog.build_model` builds it
            with `INCREMENTS`.
        scaled_thresholds: of the events, rising, on the scale of the frames.
        cascade: see `CascadeSettings`; None for none.
    """

    def __init__(
        self, network: SequenceModel, scaled_thresholds: Sequence[float], cascade: CascadeSettings | None = None
    ) -> None:
        super().__init__(network)
        below = [0.0, *scaled_thresholds]
        widths = [threshold - lower for lower, threshold in pairwise(below)]
        self.register_buffer("thresholds", torch.tensor(scaled_thresholds), persistent=False)
        self.register_buffer("widths", torch.tensor(widths), persistent=False)
        self.thresholds: Tensor
        self.widths: Tensor
        self.cascade = None if cascade is None else LogitCascade(len(widths), cascade)

    def soft_exceedances(self, frames: Tensor) -> Tensor:
        """Turn (B, N, 1, H, W) in [0, 1] into (B, N, K, H, W); 1 where a threshold is reached."""
        top, width = (v.to(frames.dtype).view(-1, 1, 1) for v in (self.thresholds, self.widths))
        return (frames - (top - width)).div_(width).clamp_(0, 1)

    def around(
        self,
        network: Inner,
        past: Tensor,
        steps: int,
        targets: ScheduledTargets | None,
        observed: Tensor | None,
    ) -> Tensor:
        """Forecast probabilities (B, S, K, H, W) from ``past`` (B, T, 1, H, W)."""
        logits_of = self.of_frames(network)
        if torch.is_grad_enabled() or torch.is_autocast_enabled(past.device.type):
            logits = self._faded(self.soft_exceedances(past), logits_of(past, steps, targets, observed))
            return torch.sigmoid(logits).cummin(dim=2).values
        return self.in_bands(logits_of, past, steps, observed)

    def in_bands(self, logits_of: Inner, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """Forecast as `around` without gradients, a band of rows at a time outside the network.

        Args:
            logits_of: forecasts logits (B, S, K, H, W) from frames: `of_frames`, or that in tiles.
            past: (B, T, 1, H, W).
            steps: S.
            observed: (B, T, 1, H, W).
        """

        def past_logits(frames: Tensor) -> Tensor:
            return INCREMENTS.value(self.soft_exceedances(frames))

        newest = None if self.cascade is None else Newest(self.cascade, past, past_logits)
        # The U-Net's maps are gone when the network's, which are more, are made.
        context = None if newest is None else context_of(newest.cascade, newest.means, bands(past))
        logits = logits_of(past, steps, None, observed).float().contiguous()
        if newest is None:
            falling(logits.flatten(0, 1))
            return logits
        return probabilities(newest.cascade, newest, context, logits, LARGEST_LOGIT)

    def of_frames(self, network: Inner) -> Inner:
        """The network inside as one that reads frames (B, T, 1, H, W) and forecasts logits."""

        def logits_of(
            past: Tensor, steps: int, targets: ScheduledTargets | None = None, observed: Tensor | None = None
        ) -> Tensor:
            read = self.soft_exceedances(past)
            mask = None if observed is None else observed.expand_as(read)
            return network(read, steps, self._coded(targets), mask)

        return logits_of

    def optimiser_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> Iterator[OptimiserStep]:
        """Yield the network's own steps: logits, with events in place of soft exceedances as the target."""
        coded = ClipBatch(
            self.soft_exceedances(clip.past),
            self.soft_exceedances(clip.future),
            clip.observed.expand(-1, -1, len(self.thresholds), -1, -1),
            self.soft_exceedances(clip.context) if clip.context.shape[1] else clip.context,
            clip.faintest,
        )
        for step in self.network.optimiser_steps(coded, self._coded(targets), generator):
            logits, target, observed = step.prediction, step.target, step.observed
            if self.cascade is not None:  # it has no weights for predictions made while reading
                last = slice(-coded.future.shape[1], None)
                logits, target, observed = logits[:, last], target[:, last], observed[:, last]
            known = self._known(observed, clip.faintest)
            yield OptimiserStep(
                step.name, self._faded(coded.past, logits), _events(target), known, step.penalty
            )

    def _faded(self, read: Tensor, logits: Tensor) -> Tensor:
        """Add the network's change of the newest logits (B, S, K, H, W) to the past's as they fade."""
        if self.cascade is None:
            return logits
        past = INCREMENTS.value(read)
        change = logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT) - past[:, -1:]
        faded: Tensor = self.cascade(past, logits.shape[1])
        return faded + change

    def compared(
        self, forecast: Tensor, future: Tensor, observed: Tensor, faintest: Tensor | None = None
    ) -> OptimiserStep:
        """The logits of a forecast beside the events of observed frames (B, S, 1, H, W)."""
        events = _events(self.soft_exceedances(future))
        logits = torch.logit(forecast.float(), eps=CERTAIN)
        known = self._known(observed.expand_as(events), faintest)
        return OptimiserStep("forecast", logits, events, known)

    def frames(self, forecast: Tensor) -> Tensor:
        """Frames (B, S, 1, H, W) of the highest threshold that is reached with probability 0.5, else 0.

        Why so plain: it is what validation counts events with. Values between the thresholds and other
        decision thresholds are a matter of the forecaster.
        """
        ladder = torch.cat([self.thresholds.new_zeros(1), self.thresholds])
        return ladder[(forecast >= _EVEN).sum(dim=2, keepdim=True)]

    def motion(self, past: Tensor, steps: int, observed: Tensor | None = None) -> Tensor:
        """The motion of the network inside, from frames; see `ModelWrapper.motion`."""
        return super().motion(self.soft_exceedances(past), steps, observed)

    def address(self, frames: Tensor, long: bool = False) -> Tensor:
        """Which slots frames address in an LMC-Memory inside; see `LmcMemory.address`.

        Raises:
            SettingsError: the network inside has no memory.
        """
        inner = getattr(self.network, "address", None)
        if inner is None:
            raise SettingsError(complain("memory", "a network without one", "an LMC-Memory", "choose one"))
        found: Tensor = inner(self.soft_exceedances(frames), long)
        return found

    def _known(self, observed: Tensor, faintest: Tensor | None) -> Tensor:
        """Leave the events out of ``observed`` (B, S, K, H, W) that the source cannot tell from dry."""
        if faintest is None:
            return observed
        told = self.thresholds >= faintest[:, None].to(self.thresholds.dtype) - _ROUNDING
        return observed & told[:, None, :, None, None]

    def _coded(self, targets: ScheduledTargets | None) -> ScheduledTargets | None:
        return None if targets is None else targets._replace(frames=self.soft_exceedances(targets.frames))


def _events(soft: Tensor) -> Tensor:
    return (soft >= _REACHED).to(soft.dtype)
