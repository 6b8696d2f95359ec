"""What goes on around training: checkpoints, metrics.csv, the bar, the end of the budget, signals."""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import pytorch_lightning as pl

from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.training.interruption import Interrupted, Interruption
from nowcast.training.loggers import RunLogger
from nowcast.training.metrics_file import MetricsFile
from nowcast.training.module import TrainingError, TrainingModule
from nowcast.training.progress_bar import TrainingBar
from nowcast.training.run_log import LOG
from nowcast.training.validation import is_better

_POINT_SECONDS = 2.0
"""So long a run goes on before the point to resume it from is taken anew: an iteration may last longer than a
signal is to wait, and the point is its beginning."""


class Keeper(pl.Callback):  # type: ignore[misc]  # Lightning comes without types
    """Watches a run from outside: writes what it leaves behind and ends it in good order.

    Args:
        folder: where best.ckpt, last.ckpt and metrics.csv go; only the first device writes.
        meta: what the checkpoints say about themselves.
        best: score and iteration of the best checkpoint so far (of a resumed run), else None.
        logger: takes the metrics as well, or None.
        progress: show a bar on stderr.
        interruption: listens to the signals that end the run.
    """

    def __init__(
        self,
        folder: Path,
        meta: CheckpointMeta,
        best: dict[str, Any] | None,
        logger: RunLogger | None,
        progress: bool,
        interruption: Interruption,
    ) -> None:
        self.folder, self.meta, self.best = folder, meta, best
        self.logger, self.progress = logger, progress
        self.metrics = MetricsFile(folder / "metrics.csv")
        self._interruption = interruption
        self._point: dict[str, Any] = {}
        self._taken, self._saved, self._writing = 0.0, -1, threading.Lock()
        self._bar: TrainingBar | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to Ctrl-C and SIGTERM in place of Lightning; show the bar."""
        self._take_point(trainer, _module(pl_module))
        self._interruption.deferred = True
        self._interruption.listen()
        if trainer.is_global_zero:
            module = _module(pl_module)
            self.metrics.cut_after(module.iteration)
            self._bar = TrainingBar(module.experiment.training.monitor, module.progress, self.progress)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Before an iteration that may last, or whose validation may be cut short: take the point."""
        if _ends_stretch(trainer, batch_idx) or time.monotonic() - self._taken >= _POINT_SECONDS:
            self._take_point(trainer, _module(pl_module))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """After an iteration: note the loss, end the run if its budget is used up or a signal came."""
        module = _module(pl_module)
        done = module.progress
        every = module.experiment.training.log_every
        if trainer.is_global_zero:
            if module.iteration % every == 0 or module.iteration == 1:
                self._write({"train_loss": module.last_loss, "learning_rate": module.last_rate}, module)
            if self._bar is not None:
                self._bar.iteration(module.iteration, done, module.last_loss, module.scores, self.best)
        if done >= 1.0:
            trainer.should_stop = True
        if self._asked_to_end(trainer) and done < 1.0 and not _ends_stretch(trainer, batch_idx):
            self._end(lambda: self.save_last(module) if trainer.is_global_zero else None)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show that a validation runs."""
        if self._bar is not None:
            self._bar.validating()

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Obey a signal within a validation: the run goes on before its last iteration.

        Several devices may have different numbers of batches, so that they cannot agree here.
        """
        if trainer.world_size == 1 and self._interruption.asked is not None:
            self._end(self.save_point)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Obey a signal that came while the last validation was written."""
        if self._asked_to_end(trainer):
            self._end(lambda: None)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """After a validation: note the scores, keep the best and the last weights."""
        module = _module(pl_module)
        if not math.isfinite(module.scores["loss"]):
            raise TrainingError(
                f"validation: got a loss of {module.scores['loss']} at iteration {module.iteration}, "
                "expected a finite one; lower training.learning_rate.start, set training.gradient_clip=1.0, "
                "or give validation data in which something was observed"
            )
        if not trainer.is_global_zero:
            return
        self._write({f"val_{name}": value for name, value in module.scores.items()}, module)
        score = module.scores[module.experiment.training.monitor]
        better = self.is_better(score, module.experiment.training.monitor)
        LOG.info(
            "iteration %d: validation %s%s", module.iteration, _told(module.scores), " (best)" if better else ""
        )
        if len(module.scores_by_source) > 1:
            for name, scores in module.scores_by_source.items():
                LOG.info("iteration %d: validation on %s %s", module.iteration, name, _told(scores))
        if better:
            self.best = {"score": score, "iteration": module.iteration}
            with self._writing:
                save(self.folder / "best.ckpt", pack(module.served_weights(), self.meta))
        self.save_last(module)
        if self._bar is not None:
            self._bar.validated(module.scores, self.best)

    def is_better(self, score: float, monitor: str) -> bool:
        """Whether a validation score beats the best so far."""
        return is_better(score, None if self.best is None else self.best["score"], monitor)

    def save_last(self, module: TrainingModule) -> None:
        """Write last.ckpt: everything a run needs to go on exactly."""
        self._save(self._state(module))

    def save_point(self, seconds: float = -1.0) -> Path | None:
        """Write last.ckpt as the run stood at the last point, unless it holds a later one; the path, if there.

        Args:
            seconds: to wait at most for another thread that writes a checkpoint (below 0: for ever).
        """
        last = self.folder / "last.ckpt"
        if self._writing.acquire(timeout=seconds):
            self._writing.release()
            if self._point and self._point["run"]["iteration"] > self._saved:
                self._save(self._point)
        return last if last.exists() else None

    def _take_point(self, trainer: pl.Trainer, module: TrainingModule) -> None:
        if trainer.is_global_zero:
            self._point, self._taken = copy.deepcopy(self._state(module)), time.monotonic()

    def _end(self, write: Callable[[], object]) -> NoReturn:
        self._interruption.leave()
        write()
        LOG.info("interrupted, last.ckpt holds iteration %d", self._saved)
        raise Interrupted(self._interruption.asked or signal.SIGTERM)

    def _save(self, content: dict[str, Any]) -> None:
        with self._writing:
            save(self.folder / "last.ckpt", content)
            self._saved = content["run"]["iteration"]

    def _state(self, module: TrainingModule) -> dict[str, Any]:
        content = pack(module.network.state_dict(), self.meta)
        return content | {
            "pytorch-lightning_version": pl.__version__,
            "epoch": 0,
            "global_step": module.iteration,
            "optimizer_states": [module.bare_optimizer.state_dict()],
            "average": None if module.average is None else module.average.state(),
            "run": {
                "iteration": module.iteration,
                "seconds": module.seconds,
                "best": self.best,
                "plateau": asdict(module.plateau),
            },
        }

    def close(self) -> None:
        """End the bar and what a logger writes."""
        if self._bar is not None:
            self._bar.close()
        if self.logger is not None:
            self.logger.close()

    def _asked_to_end(self, trainer: pl.Trainer) -> bool:
        """Whether a signal has come to any device."""
        return bool(trainer.strategy.reduce_boolean_decision(self._interruption.asked is not None, all=False))

    def _write(self, values: dict[str, float], module: TrainingModule) -> None:
        self.metrics.add(module.iteration, module.seconds, values)
        if self.logger is not None:
            self.logger.write(values, module.iteration)


def _ends_stretch(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether a validation follows this iteration: the run then ends within it, so that it is not left out."""
    return bool(batch_idx + 1 == trainer.num_training_batches)


def _told(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())


def _module(module: pl.LightningModule) -> TrainingModule:
    assert isinstance(module, TrainingModule)
    return module
