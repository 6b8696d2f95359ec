"""One training run: from settings and clips to best.ckpt, and going on exactly where a run ended."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import yaml
from pytorch_lightning.strategies import DDPStrategy

from nowcast.core.errors import CheckpointError, SettingsError, printable
from nowcast.core.files import provenance, whole_file
from nowcast.core.settings import plain
from nowcast.models import checkpoint
from nowcast.models.base import SequenceModel
from nowcast.models.checkpoint import CheckpointMeta
from nowcast.models.cpu.capability import bfloat16_or_say
from nowcast.training import sampling
from nowcast.training.data_module import ClipData, ClipDataModule
from nowcast.training.experiment import Experiment, Training, differences
from nowcast.training.interruption import Interrupted, Interruption
from nowcast.training.keeper import Keeper
from nowcast.training.loggers import RunLogger, check_logger
from nowcast.training.module import TrainingError, TrainingModule
from nowcast.training.run_log import LOG, first_device, log_to, quiet_lightning
from nowcast.training.schedule import Plateau
from nowcast.training.start import start_from


def train(
    experiment: Experiment,
    train_data: ClipData,
    val_data: ClipData,
    out: Path,
    *,
    resume: Path | None = None,
    grid_km: tuple[float, float] | None = None,
    progress: bool = False,
    interruption: Interruption | None = None,
) -> Path:
    """Train a network; return the path of the checkpoint that is best on validation.

    Args:
        experiment: all settings.
        train_data: clips to train on; see `ClipData`.
        val_data: clips on which the best checkpoint is chosen.
        out: folder of all runs; this one goes to ``out/NAME/vN``.
        resume: a last.ckpt to go on from, in its own folder; same settings but for the budget.
        grid_km: height and width of a grid cell in km, for the checkpoint; None for videos.
        progress: show a bar on stderr.
        interruption: of a command that listens to signals already; it then raises `Interrupted`.

    Raises:
        CheckpointError: ``resume`` cannot be read or belongs to other settings or other data.
        SettingsError: settings and data do not fit.
        MissingExtraError: a logger is asked for and not installed.
        TrainingError: the loss is not finite; or ``resume`` has done its last iteration and has no best.ckpt.
        KeyboardInterrupt: Ctrl-C; last.ckpt was written if training had begun. (SIGTERM: SystemExit with 143.)
    """
    if interruption is not None:
        return _train(experiment, train_data, val_data, Path(out), resume, grid_km, progress, interruption)
    try:
        with Interruption() as listening:
            return _train(experiment, train_data, val_data, Path(out), resume, grid_km, progress, listening)
    except Interrupted as interrupted:
        if interrupted.number == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + interrupted.number) from None


def _train(
    experiment: Experiment,
    train_data: ClipData,
    val_data: ClipData,
    out: Path,
    resume: Path | None,
    grid_km: tuple[float, float] | None,
    progress: bool,
    interruption: Interruption,
) -> Path:
    half = _half(experiment.training)
    _check(experiment, train_data, val_data)
    meta = _describe(experiment, train_data, grid_km, half)
    torch.manual_seed(sampling.draw_seed(experiment.training.seed, 0, 0, sampling.GLOBAL))
    network = experiment.model.build(train_data.channels, train_data.size, experiment.data.scaling)
    if experiment.training.start_from is not None and resume is None:
        start_from(network, experiment.training.start_from, meta)
    module = TrainingModule(network.train(), experiment)
    best = _take_up(module, Path(resume), meta, experiment) if resume is not None else None
    check_logger(experiment)
    folder = Path(resume).parent if resume is not None else _new_folder(out / experiment.name)
    logger = RunLogger(experiment, folder) if first_device() else None
    keeper = Keeper(folder, meta, best, logger, progress, interruption)
    data = ClipDataModule(
        train_data, val_data, experiment.training, experiment.data.validation_clips, lambda: module.iteration
    )
    with log_to(folder), quiet_lightning():
        trainer = _trainer(experiment, half, keeper)
        interruption.save = lambda: _last_act(trainer, keeper)
        _write_settings(folder / "settings.yaml", experiment)
        LOG.info("%s: %s", "resumed" if resume else "started", _opening(network, train_data, val_data, meta))
        _fit(trainer, module, data, keeper)
        LOG.info("ended at iteration %d after %.0f s, best %s", module.iteration, module.seconds, keeper.best)
    return folder / "best.ckpt"


def _fit(trainer: pl.Trainer, module: TrainingModule, data: ClipDataModule, keeper: Keeper) -> None:
    training = module.experiment.training
    if training.steps is not None and module.iteration >= training.steps:
        if not (keeper.folder / "best.ckpt").exists():
            raise TrainingError(
                f"{keeper.folder}: got a run that has done all its {module.iteration} iterations and has no "
                "best.ckpt, expected one of its last validation; delete this folder and call again"
            )
        return
    try:
        trainer.fit(module, datamodule=data)
    finally:
        keeper.close()


def _last_act(trainer: pl.Trainer, keeper: Keeper) -> Path | None:
    """Save what there is, and take along the processes of other devices, which would wait for this one."""
    found = keeper.save_point(1.0)
    if kill := getattr(trainer.strategy.launcher, "kill", None):
        kill(signal.SIGKILL)
    return found


def _half(training: Training) -> bool:
    """Whether bfloat16 was chosen and is native where this training runs."""
    if training.precision == "32":
        return False
    gpu = training.accelerator != "cpu" and torch.cuda.is_available()
    return bfloat16_or_say(f"training.precision={training.precision}", "cuda" if gpu else "cpu")


def _trainer(experiment: Experiment, half: bool, keeper: Keeper) -> pl.Trainer:
    training = experiment.training
    many = training.processes > 1
    return pl.Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        num_nodes=training.nodes,
        strategy=DDPStrategy(find_unused_parameters=True, broadcast_buffers=False) if many else "auto",
        precision="bf16-mixed" if half else "32-true",
        max_epochs=-1,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        inference_mode=False,
        logger=False,
        callbacks=[keeper],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        benchmark=torch.cuda.is_available() and training.accelerator != "cpu",
    )


def _check(experiment: Experiment, train_data: ClipData, val_data: ClipData) -> None:
    if train_data.channels != val_data.channels or train_data.step != val_data.step:
        raise SettingsError(
            f"data: validation has {val_data.channels} channels every {val_data.step}, expected "
            f"{train_data.channels} every {train_data.step} as in training; use like sources for both"
        )
    fewest = experiment.training.processes
    if len(val_data) < fewest or experiment.data.validation_clips < fewest:
        raise SettingsError(
            f"data: got {min(len(val_data), experiment.data.validation_clips)} validation clips, expected "
            f"at least {fewest}, one a device; give a longer validation period"
        )


def _describe(
    experiment: Experiment, data: ClipData, grid_km: tuple[float, float] | None, half: bool
) -> CheckpointMeta:
    window = experiment.data.window
    return CheckpointMeta(
        model=experiment.model.name,
        settings=plain(experiment.model.settings),
        channels=data.channels,
        size=data.size,
        past=window.past,
        future=window.future,
        step_seconds=float(data.step / np.timedelta64(1, "s")),
        scaling=experiment.data.scaling,
        exceedance_probability=experiment.model.exceedance_probability,
        lagrangian=experiment.model.lagrangian,
        grid_km=grid_km,
        data_fingerprint=data.fingerprint,
        experiment=plain(experiment),
        provenance={**provenance(), "computed_in": "bfloat16" if half else "float32"},
    )


def _take_up(
    module: TrainingModule, path: Path, meta: CheckpointMeta, experiment: Experiment
) -> dict[str, Any] | None:
    content = checkpoint.read(path)
    old, run = checkpoint.meta_of(path, content), content.get("run")
    if not isinstance(run, dict) or not content.get("optimizer_states"):
        raise CheckpointError(
            f"{path}: got a checkpoint to forecast with, expected one to go on from; give its last.ckpt"
        )
    if changed := differences(old.experiment, experiment):
        raise CheckpointError(
            f"{path}: got other settings ({', '.join(changed[:4])}), expected those of the run that is "
            "resumed; undo them, or train anew without --resume"
        )
    if old.data_fingerprint != meta.data_fingerprint:
        raise CheckpointError(
            f"{path}: the data has changed since (fingerprint {meta.data_fingerprint}, expected "
            f"{old.data_fingerprint}); an exact resume is not possible, train anew without --resume"
        )
    checkpoint.fill(module.network, content.get("state_dict"), path)
    try:
        module.optimizer_state = content["optimizer_states"][0]
        module.iteration, module.seconds_before = int(run["iteration"]), float(run["seconds"])
        module.plateau = Plateau(**run.get("plateau", {}))  # runs of before have none
        if module.average is not None:
            average = content["average"]
            module.average.load(int(average["updates"]), average["weights"])
        return dict(run["best"]) if run["best"] is not None else None
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: its state of training is damaged ({printable(error)[:120]}); go on from another "
            "last.ckpt, or train anew without --resume"
        ) from error


def _new_folder(parent: Path) -> Path:
    """Make ``parent/vN`` with the first free N; other devices than the first write nothing."""
    number = 0
    while True:
        folder = parent / f"v{number}"
        if not first_device():
            return folder
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise SettingsError(
                f"{folder}: cannot make this folder ({error.strerror}); choose another --out"
            ) from error
        else:
            return folder


def _write_settings(path: Path, experiment: Experiment) -> None:
    if first_device():
        with whole_file(path) as temporary:
            text = yaml.safe_dump(plain(experiment), sort_keys=False, allow_unicode=True)
            temporary.write_text(text, encoding="utf-8")


def _opening(network: SequenceModel, train_data: ClipData, val_data: ClipData, meta: CheckpointMeta) -> str:
    count = sum(p.numel() for p in network.parameters())
    made = ", ".join(f"{k} {v}" for k, v in meta.provenance.items())
    return f"{count} parameters, {len(train_data)} clips an epoch, {len(val_data)} to validate ({made})"
