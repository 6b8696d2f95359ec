"""What goes on around training: checkpoints, metrics.csv, the bar, the end of the budget, signals."""

from __future__ import annotations

import logging
import math
import signal
import threading
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from tqdm import tqdm

from nowcast.models.checkpoint import CheckpointMeta, pack, save
from nowcast.training.metrics_file import MetricsFile
from nowcast.training.module import TrainingError, TrainingModule

LOG = logging.getLogger("nowcast.training")


class Interrupted(BaseException):
    """A signal asked the run to end; last.ckpt was written. Not an error of the run."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Keeper(pl.Callback):  # type: ignore[misc]  # Lightning comes without types
    """Watches a run from outside: writes what it leaves behind and ends it in good order.

    Args:
        folder: where best.ckpt, last.ckpt and metrics.csv go; only the first device writes.
        meta: what the checkpoints say about themselves.
        best: score and iteration of the best checkpoint so far (of a resumed run), else None.
        tensorboard: a logger with ``log_metrics``, or None.
        progress: show a bar on stderr.
    """

    def __init__(
        self, folder: Path, meta: CheckpointMeta, best: dict[str, Any] | None, tensorboard: Any | None,
        progress: bool,
    ) -> None:
        self.folder, self.meta, self.best = folder, meta, best
        self.tensorboard, self.progress = tensorboard, progress
        self.metrics = MetricsFile(folder / "metrics.csv")
        self._signal: int | None = None
        # Lightning sets handlers of its own while it fits: those of before are given back in the end.
        self._handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        self._bar: Any | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to Ctrl-C and SIGTERM (after Lightning has set its own ears); show the bar."""
        if threading.current_thread() is threading.main_thread():
            for number in self._handlers:
                signal.signal(number, self._note_signal)
        if trainer.is_global_zero:
            self.metrics.cut_after(_module(pl_module).iteration)
            self._bar = tqdm(
                total=100, unit="%", desc="training", disable=not self.progress,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
            )

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
            self._show(module, done)
        if done >= 1.0:
            trainer.should_stop = True
        if self._asked_to_end(trainer) and done < 1.0:
            if trainer.is_global_zero:
                self.save_last(module)
                LOG.info("interrupted at iteration %d, last.ckpt written", module.iteration)
            raise Interrupted(self._signal or signal.SIGTERM)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Obey a signal that came after the last iteration began: its validation was waited for."""
        if self._asked_to_end(trainer):
            raise Interrupted(self._signal or signal.SIGTERM)

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
        told = ", ".join(f"{name} {value:.4f}" for name, value in module.scores.items())
        LOG.info("iteration %d: validation %s%s", module.iteration, told, " (best)" if better else "")
        if better:
            self.best = {"score": score, "iteration": module.iteration}
            save(self.folder / "best.ckpt", pack(module.served_weights(), self.meta))
        self.save_last(module)

    def is_better(self, score: float, monitor: str) -> bool:
        """Whether a validation score beats the best so far: a loss by falling, a CSI by rising."""
        if self.best is None or math.isnan(self.best["score"]):
            return True
        return bool(score < self.best["score"] if monitor == "loss" else score > self.best["score"])

    def save_last(self, module: TrainingModule) -> None:
        """Write last.ckpt: everything a run needs to go on exactly."""
        content = pack(module.network.state_dict(), self.meta)
        content |= {
            "pytorch-lightning_version": pl.__version__,
            "epoch": 0,
            "global_step": module.iteration,
            "optimizer_states": [module.adam.state_dict()],
            "average": None if module.average is None else module.average.state(),
            "run": {"iteration": module.iteration, "seconds": module.seconds, "best": self.best},
        }
        save(self.folder / "last.ckpt", content)

    def close(self) -> None:
        """Give the signals back, end the bar."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        if self._bar is not None:
            self._bar.close()
        if self.tensorboard is not None:
            self.tensorboard.finalize("success")

    def _asked_to_end(self, trainer: pl.Trainer) -> bool:
        """Whether a signal has come to any device."""
        return bool(trainer.strategy.reduce_boolean_decision(self._signal is not None, all=False))

    def _note_signal(self, number: int, _frame: Any) -> None:
        self._signal = number
        for mine in self._handlers:
            signal.signal(mine, signal.SIG_DFL)  # a second one ends the process at once

    def _write(self, values: dict[str, float], module: TrainingModule) -> None:
        self.metrics.add(module.iteration, module.seconds, values)
        if self.tensorboard is not None:
            self.tensorboard.log_metrics(values, step=module.iteration)

    def _show(self, module: TrainingModule, done: float) -> None:
        if self._bar is None:
            return
        told = {"loss": module.last_loss, **module.scores}
        known = {name: f"{value:.4f}" for name, value in told.items() if math.isfinite(value)}
        self._bar.set_postfix({"iteration": module.iteration, **known}, refresh=False)
        self._bar.update(100.0 * done - self._bar.n)


def _module(module: pl.LightningModule) -> TrainingModule:
    assert isinstance(module, TrainingModule)
    return module
