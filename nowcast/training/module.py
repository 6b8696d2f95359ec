"""THE LightningModule: trains any `SequenceModel`, by the optimiser steps it yields, no special case for any.

Dimensions: B batch, T past frames, S forecast steps, C channels, H rows, W columns.
"""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from nowcast.core.errors import NowcastError, complain
from nowcast.models.base import ClipBatch, OptimiserStep, ScheduledTargets, SequenceModel
from nowcast.training import sampling
from nowcast.training.ema import WeightAverage
from nowcast.training.experiment import Experiment
from nowcast.training.losses import make_loss
from nowcast.training.optimizer import make_optimizer
from nowcast.training.parts import trained_parameters
from nowcast.training.recorded_pass import RecordedPass
from nowcast.training.run_log import LOG
from nowcast.training.schedule import Plateau
from nowcast.training.validation import ValidationSums


class TrainingError(NowcastError):
    """Training went wrong in a way that going on cannot mend."""


class TrainingModule(pl.LightningModule):  # type: ignore[misc]  # Lightning comes without types
    """The training of one network.

    An iteration takes the optimiser steps of one batch (with ``reverse_input`` also those of the batch
    backwards). Gradients are None before each step, so a parameter that the network has switched off for it
    is not moved, not even by Adam's momentum. All randomness of an iteration comes from
    ``(seed, iteration, rank)``, so a resumed run draws what the unbroken one would have drawn.

    Args:
        network: what is trained.
        experiment: the settings.
        clips: clips a device sees in one iteration.
    """

    def __init__(self, network: SequenceModel, experiment: Experiment) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.trained = trained_parameters(network, experiment.training.only)
        self.experiment = experiment
        self.loss = make_loss(
            experiment.training.loss,
            experiment.data.scaling,
            experiment.training.intensity,
            experiment.model.exceedance_probability,
        )
        decay = experiment.training.ema_decay
        self.average = WeightAverage(network, decay) if decay is not None else None
        self.recorded = RecordedPass(network, self._loss_of) if experiment.training.cuda_graph else None
        self.iteration = 0
        """Iterations that are done."""
        self.seconds_before = 0.0
        """Seconds on the clock that earlier parts of a resumed run took."""
        self.optimizer_state: dict[str, Any] | None = None
        """Of a checkpoint that is resumed; taken up when training starts."""
        self.plateau = Plateau()
        """Where validation stopped getting better, for the schedule of that name."""
        self.last_loss = math.nan
        self.last_rate = math.nan
        self.scores: dict[str, float] = {}
        """Of the last validation."""
        self.scores_by_source: dict[str, dict[str, float]] = {}
        """The same by the name of the source."""
        self._started = time.monotonic()
        self._sums: dict[str, ValidationSums] = {}
        self._swap = contextlib.ExitStack()

    @property
    def seconds(self) -> float:
        """Seconds on the clock since the run began, earlier parts included."""
        return self.seconds_before + time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """Share of the budget that is used up, [0, 1]; the same on all devices."""
        training = self.experiment.training
        shares = []
        if training.steps is not None:
            shares.append(self.iteration / training.steps)
        if training.minutes is not None:
            shares.append(self._common(self.seconds) / (60.0 * training.minutes))
        return min(1.0, max(shares))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The chosen optimiser over what is trained; by default Adam, as all three systems use."""
        training = self.experiment.training
        rate, decay = training.learning_rate.start, training.weight_decay
        return make_optimizer(training.optimizer, self.trained, rate, decay)

    def on_train_start(self) -> None:
        """Take up the optimiser of a resumed run; say where nothing is recorded; start the clock."""
        if self.optimizer_state is not None:
            self.bare_optimizer.load_state_dict(self.optimizer_state)
            self.optimizer_state = None
        if self.recorded is not None and self.device.type != "cuda":
            LOG.info("training.cuda_graph=true: this run is on %s, where no pass is recorded", self.device.type)
        self._started = time.monotonic()

    def training_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Take all optimiser steps of one iteration."""
        training = self.experiment.training
        progress, number = self.progress, self.iteration + 1
        rate = training.learning_rate.at(number, progress, self.plateau.times)
        for group in self.bare_optimizer.param_groups:
            group["lr"] = rate
        seed, rank = training.seed, self.global_rank
        torch.manual_seed(sampling.draw_seed(seed, number, rank, sampling.GLOBAL))
        eta = training.sampling.eta(number, progress)
        drawn = sampling.generator(seed, number, rank, sampling.TARGETS)
        inner = sampling.generator(seed, number, rank, sampling.STEPS)
        targets = sampling.make_targets(batch, eta, drawn, training.sampling.past_eta(number, progress))
        losses = self._take_steps(batch, targets, inner)
        if training.reverse_input:
            reversed_batch = sampling.backwards(batch)
            if targets is not None:
                targets = targets._replace(frames=reversed_batch.future)
            losses += self._take_steps(reversed_batch, targets, inner)
        if self.average is not None:
            self.average.update(self.network)
        self.iteration = number
        self._note_loss(torch.stack(losses).mean(), rate)

    def _take_steps(
        self, clip: ClipBatch, targets: ScheduledTargets | None, generator: torch.Generator
    ) -> list[Tensor]:
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        if self.recorded is not None and clip.past.is_cuda:
            loss = self.recorded(clip)
            self._step(optimizer)
            return [loss.clone()]  # the next batch writes over it
        losses, trains = [], False
        for step in self.network.optimiser_steps(clip, targets, generator):
            loss = self._loss_of(step)
            losses.append(loss.detach())
            if loss.requires_grad:  # with training.only a step may train none of the parts
                trains = True
                optimizer.zero_grad(set_to_none=True)
                self.manual_backward(loss)
                self._step(optimizer)
        if not trains:
            only, expected = list(self.experiment.training.only), "parts that the loss depends on"
            raise TrainingError(complain("training.only", only, expected, "name others"))
        return losses

    def _step(self, optimizer: Any) -> None:
        limit = self.experiment.training.gradient_clip
        if limit is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, limit)
        optimizer.step()

    def _loss_of(self, step: OptimiserStep) -> Tensor:
        loss = self.loss(step.prediction, step.target, step.observed)
        return loss if step.penalty is None else loss + step.penalty.float()

    def _note_loss(self, loss: Tensor, rate: float) -> None:
        if self.iteration % self.experiment.training.log_every and self.iteration > 1:
            return
        self.last_loss = float(loss)
        if not math.isfinite(self.last_loss):
            raise TrainingError(
                f"training: got a loss of {self.last_loss} at iteration {self.iteration}, expected a finite "
                "one; lower training.learning_rate.start or set training.gradient_clip=1.0 and train again"
            )
        self.last_rate = rate

    def on_validation_start(self) -> None:
        """Put the averaged weights in; start new sums."""
        if self.average is not None:
            self._swap.enter_context(self.average.swapped_in(self.network))
        names = self.trainer.datamodule.validation_sources()
        self._sums = {name: ValidationSums(self.experiment.data.scaling, self.device) for name in names}

    def validation_step(self, batch: ClipBatch, batch_idx: int) -> None:
        """Forecast freely, as in use, and add up errors and counts."""
        sums = self._sums[self.trainer.datamodule.groups[batch_idx]]
        length, steps = batch.past.shape[1], batch.future.shape[1]
        observed = batch.observed[:, length:]
        forecast = self.network(batch.past, steps, observed=batch.observed[:, :length])
        compared = self.network.compared(forecast, batch.future, observed, batch.faintest)
        loss = self.loss(compared.prediction, compared.target, compared.observed)
        sums.add(loss, self.network.frames(forecast), batch.future, observed)

    def on_validation_epoch_end(self) -> None:
        """Put the training weights back; pool the sums of all devices."""
        self._swap.close()
        whole = ValidationSums(self.experiment.data.scaling, self.device)
        for sums in self._sums.values():
            if self.trainer.world_size > 1:
                torch.distributed.all_reduce(sums.total)
            whole.total += sums.total
        self.scores = whole.values()
        self.scores_by_source = {name: sums.values() for name, sums in self._sums.items()}
        self._sums = {}
        training = self.experiment.training
        if self.iteration % training.validate_every == 0:  # not the one more that the end of a budget brings
            score, patience = self.scores[training.monitor], training.learning_rate.patience
            self.plateau.validated(score, training.monitor, patience)

    def served_weights(self) -> dict[str, Tensor]:
        """The weights that forecast: the average where one is kept."""
        return self.average.weights if self.average is not None else self.network.state_dict()

    @property
    def bare_optimizer(self) -> torch.optim.Optimizer:
        """The optimiser of torch, without Lightning around it."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        return optimizer

    def _common(self, seconds: float) -> float:
        if self._trainer is None or self.trainer.world_size == 1:
            return seconds
        clock = torch.tensor([seconds], dtype=torch.float64, device=self._clock_device())
        torch.distributed.broadcast(clock, src=0)
        return float(clock)

    def _clock_device(self) -> torch.device:
        return self.device if self.device.type == "cuda" else torch.device("cpu")
