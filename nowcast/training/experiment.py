"""The settings of a training run: every default with its source. `configs/experiment` holds values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nowcast.core.errors import SettingsError
from nowcast.core.packaged_configs import config_path
from nowcast.core.scaling import Scaling
from nowcast.core.settings import build, formerly, override, plain, read_layered
from nowcast.data.missing_frames import check_missing
from nowcast.data.windows import ClipWindow
from nowcast.models.choice import ModelChoice
from nowcast.training.losses import LOSSES, OF_EVENTS, IntensityWeights
from nowcast.training.optimizer import OptimizerName, check_optimizer
from nowcast.training.sampling import ScheduledSampling
from nowcast.training.schedule import LearningRate


@dataclass(frozen=True)
class SourceChoice:
    """Where frames come from."""

    kind: str
    """Name in `nowcast.data.catalog.SOURCES`: radar_archive, radar_cache, video_folder, moving_digits."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of that source, for example ``path``."""


@dataclass(frozen=True)
class DataChoice:
    """Which frames, cut into which clips."""

    sources: tuple[SourceChoice, ...]
    window: ClipWindow = field(default_factory=lambda: ClipWindow(past=5, future=10))
    """Source: MotionRNN's radar experiments, 5 -> 10."""
    crop: tuple[int, int] | None = None
    """Rows and columns of a random crop; None takes whole frames. A crop of 128 is a choice of ours."""
    train: tuple[str, ...] = ()
    """Periods START/END (an end date includes its day) to train on, over all sources alike; none is all."""
    validation: tuple[str, ...] = ()
    """Periods on which the best checkpoint is chosen, at least a window away from those of training."""
    test: tuple[str, ...] = ()
    """Periods for testing only: never read here, but nothing above may come near them."""
    validation_sources: tuple[SourceChoice, ...] = ()
    """Validate on these instead of on periods (videos of other persons, other digits)."""
    validation_clips: int = 64
    """At most so many, spread evenly and the same every time; a choice for two cores."""
    validation_stride: int = 3
    """Steps between the starts of validation clips."""
    scaling: Scaling | None = field(default_factory=Scaling)
    """dBZ range of [0, 1]; none (null) for videos, which come as pixels / 255."""
    flips_and_rotations: bool = field(default=True, metadata=formerly("turns"))
    """Flips and quarter turns: rain knows no preferred direction on a small crop. Digits and people do."""
    minimum_sampling_weight: float | None = field(default=None, metadata=formerly("wet_floor"))
    """Weight of a dry clip when wet ones are preferred; None draws all alike."""
    missing: int = 0
    """Future frames a training clip may lack; the loss leaves them out. Archives lose single frames."""


@dataclass(frozen=True)
class Training:
    """How the network is trained."""

    steps: int | None = None
    """Iterations (batches), each with the optimiser steps of the network, twice with `reverse_input`."""
    minutes: float | None = None
    """Time budget on the clock, validation included; the first of both ends the run."""
    batch: int = 8
    """Clips an iteration, over all devices. Source: MotionRNN's script."""
    learning_rate: LearningRate = field(default_factory=LearningRate)
    optimizer: OptimizerName = "adam"
    """adam becomes adamw once weight_decay is above 0; lion only where this torch has it. Source: Adam in the
    code of all three systems."""
    weight_decay: float = 0.0
    """Decoupled, times the learning rate: adam is AdamW with it. Published: none.

    Source: Loshchilov and Hutter (2019), ICLR, Decoupled Weight Decay Regularization."""
    gradient_clip: float | None = None
    """Largest norm of the gradient; None: the published code of all three systems clips nothing."""
    precision: Literal["auto", "32", "bf16"] = "32"
    """bf16: autocast with weights kept in float32, where the machine multiplies bfloat16 natively; elsewhere
    32. auto is bf16 that a run may leave when it is resumed on another machine."""
    loss: str = "l1_l2"
    """Source: the papers of MotionRNN and LMC-Memory."""
    intensity: IntensityWeights = field(default_factory=IntensityWeights)
    """Used by loss weighted_l1_l2."""
    sampling: ScheduledSampling = field(default_factory=ScheduledSampling)
    reverse_input: bool = False
    """Each iteration also takes the clips backwards. Source: MotionRNN's script has it on; weather
    does not run backwards, so it is off here."""
    ema_decay: float | None = None
    """Decay of the moving average of the weights, which is what validates and forecasts; None keeps none."""
    monitor: Literal["loss", "csi20", "csi30"] = "loss"
    """What on validation chooses the best checkpoint."""
    validate_every: int = 500
    """Iterations; a choice of ours (published: 1 000 to 5 000 at 10 times our speed)."""
    start_from: Path | None = None
    """Checkpoint or weights of the same network whose weights training starts from; None starts anew."""
    only: tuple[str, ...] = ()
    """Parts of the network that are trained, the rest staying as it is; none is all."""
    seed: int = 0
    workers: int = 0
    """Processes that load clips; 0 loads in the training process, right on two cores."""
    devices: int = 1
    """Devices (or, on the CPU, processes) of a machine that share each batch."""
    nodes: int = 1
    """Machines that share each batch; one process a device is started on each by torchrun or SLURM."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    cuda_graph: bool = False
    """On one GPU: record the forward and backward pass at the first batch and play it back, so that
    thousands of launches need not be waited for; the numbers are the same to rounding. For networks of one
    optimiser step a batch, without scheduled sampling. On a CPU nothing is recorded."""
    log_every: int = 10
    """Iterations between two lines of metrics.csv."""
    logger: Literal["csv", "tensorboard", "mlflow", "wandb"] = "csv"
    """The others write besides metrics.csv, into the folder of the run; see `nowcast.training.loggers`."""

    @property
    def processes(self) -> int:
        """How many share each batch."""
        return self.devices * self.nodes


@dataclass(frozen=True)
class Experiment:
    """One training run.

    Raises:
        SettingsError: values that cannot be, each with its name and what was expected.
    """

    name: str
    """Folder under `runs`."""
    model: ModelChoice
    data: DataChoice
    training: Training

    def __post_init__(self) -> None:
        t, d = self.training, self.data
        if not self.name or self.name != Path(self.name).name or self.name.startswith("."):
            raise SettingsError(
                f"name: got {self.name!r}, expected a plain folder name such as italy_motionrnn"
            )
        if t.steps is None and t.minutes is None:
            raise SettingsError(
                "training: got neither steps nor minutes, expected a budget; set training.minutes"
            )
        if t.loss not in LOSSES:
            raise SettingsError(f"training.loss: got '{t.loss}', expected one of {', '.join(LOSSES)}")
        check_optimizer(t.optimizer)
        if d.scaling is None and (t.loss == "weighted_l1_l2" or t.monitor != "loss"):
            raise SettingsError(
                "training: loss weighted_l1_l2 and monitor csi20, csi30 need dBZ, and data.scaling is null; "
                "give data.scaling or choose l1_l2 and loss"
            )
        events = self.model.exceedance_probability
        if (t.loss in OF_EVENTS) != (events is not None):
            raise SettingsError(
                f"training.loss: got '{t.loss}' {'with' if events else 'without'} "
                f"model.exceedance_probability, expected {' or '.join(OF_EVENTS)} with it and another loss "
                "without; change one of them"
            )
        if events is not None and events.cascade and t.sampling.start > 0:
            raise SettingsError(
                f"training.sampling.start: got {t.sampling.start:g} with model.exceedance_probability.cascade, "
                "expected 0: the cascade starts from the past, not from a true frame fed later; set it to 0"
            )
        if events is not None and events.cascade and t.sampling.reverse is not None:
            raise SettingsError(
                "training.sampling.reverse: got one with model.exceedance_probability.cascade, expected none: "
                "the cascade starts from the past as it was observed; set it to null"
            )
        self._check_missing()
        self._check_cuda_graph()
        self._check_positive()

    def _check_missing(self) -> None:
        t, d = self.training, self.data
        check_missing(d.missing, d.window)
        if d.missing and (t.reverse_input or d.window.before or d.window.after):
            raise SettingsError(
                f"data.missing: got {d.missing} with training.reverse_input or window.before or window.after, "
                "expected 0: those read future frames as if they were there; change one of them"
            )

    def _check_cuda_graph(self) -> None:
        t = self.training
        several = t.processes > 1 and t.accelerator != "cpu"
        if t.cuda_graph and (several or t.sampling.start > 0 or t.sampling.reverse is not None):
            raise SettingsError(
                "training.cuda_graph: got true with several devices or scheduled sampling, expected one device "
                "(several with training.accelerator=cpu, where nothing is recorded) and "
                "training.sampling.start=0, as a recording draws nothing; change one of them"
            )

    def _check_positive(self) -> None:
        t, d = self.training, self.data
        above_zero: dict[str, float | None] = {
            "training.steps": t.steps,
            "training.minutes": t.minutes,
            "training.batch": t.batch,
            "training.gradient_clip": t.gradient_clip,
            "training.validate_every": t.validate_every,
            "training.devices": t.devices,
            "training.nodes": t.nodes,
            "training.log_every": t.log_every,
            "data.validation_clips": d.validation_clips,
            "data.validation_stride": d.validation_stride,
        }
        for name, value in above_zero.items():
            if value is not None and not value > 0:
                raise SettingsError(f"{name}: got {value}, expected a number above 0")
        if t.seed < 0 or t.workers < 0:
            raise SettingsError(f"training: got seed={t.seed}, workers={t.workers}, expected 0 or more")
        if not 0 <= t.weight_decay < 1:
            raise SettingsError(f"training.weight_decay: got {t.weight_decay}, expected 0 or more, below 1")
        if t.ema_decay is not None and not 0 < t.ema_decay < 1:
            raise SettingsError(f"training.ema_decay: got {t.ema_decay}, expected between 0 and 1, or null")
        if t.batch % t.processes:
            by = f"training.devices={t.devices}" + (f" x training.nodes={t.nodes}" if t.nodes > 1 else "")
            raise SettingsError(f"training.batch: got {t.batch}, expected a multiple of {by}")


def read_experiment(path: Path, assignments: Sequence[str] = ()) -> Experiment:
    """Read a configuration, given as a path or a packaged name, put ``a.b=c`` assignments over it and check it.

    Raises:
        SettingsError: no such file or name, an unknown key, a value of the wrong type or outside its range.
    """
    values = override(read_layered(config_path(path, "experiment"), Experiment), assignments, Experiment)
    values.setdefault("name", Path(path).stem)
    return build(Experiment, values)


def differences(before: dict[str, Any], after: Experiment) -> list[str]:
    """Name the settings that may not change between a run and its resumption but did.

    Budget, validation, logging, the machine (with it precision: auto) may change; network, data,
    optimisation may not. A setting that the run did not know yet has its default. What training started from
    is not read again.
    """
    free = {
        "training.steps",
        "training.minutes",
        "training.validate_every",
        "training.workers",
        "training.accelerator",
        "training.cuda_graph",
        "training.log_every",
        "training.logger",
        "training.start_from",
        "name",
        *(("training.precision",) if after.training.precision == "auto" else ()),
    }
    old, new = _flat(_with_defaults(before)), _flat(plain(after))
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return [key for key in changed if key not in free and not _is_path(key)]


def _with_defaults(before: dict[str, Any]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = plain(build(Experiment, before))
    except SettingsError:  # of a version that knew other settings: they are told as they are
        return before
    return found


def _is_path(key: str) -> bool:
    places = (".path", ".cache", ".processes")
    return key.startswith(("data.sources", "data.validation_sources")) and key.endswith(places)


def _flat(value: Any, where: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(f"{where}.{k}" if where else str(k), v) for k, v in value.items()]
    elif isinstance(value, list):
        items = [(f"{where}[{i}]", v) for i, v in enumerate(value)]
    else:
        return {where: value}
    return {k: v for name, inner in items for k, v in _flat(inner, name).items()}
