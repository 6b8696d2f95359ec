"""The training runs of a benchmark on disk: which are finished, which go on, which start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nowcast.bench.several_devices import train_apart
from nowcast.core.errors import CheckpointError
from nowcast.core.lock import BusyError, sole_holder
from nowcast.core.settings import plain
from nowcast.models import checkpoint
from nowcast.training.experiment import Experiment, differences
from nowcast.training.module import TrainingError
from nowcast.training.run import train
from nowcast.workflows.training_data import ExperimentData


@dataclass(frozen=True)
class Run:
    """What lies in the folder of one run."""

    folder: Path
    iterations: int
    seconds: float
    finished: bool

    @property
    def best(self) -> Path:
        """The checkpoint that is best on validation."""
        return self.folder / "best.ckpt"


def find_run(runs: Path, experiment: Experiment, fingerprint: str) -> Run | None:
    """Find the run of an experiment on this data, the newest first; None if there is none to go on from.

    Every setting that can change what comes out must be equal, the budget included: a longer run is
    another run, as its learning rate falls elsewhere. A run that a kill ended before its first checkpoint
    is none.
    """
    folders = sorted((runs / experiment.name).glob("v*/last.ckpt"), key=_number, reverse=True)
    for last in folders:
        with contextlib.suppress(CheckpointError, LookupError, TypeError, ValueError):
            content = checkpoint.read(last)
            meta = checkpoint.meta_of(last, content)
            if meta.data_fingerprint == fingerprint and _same(meta.experiment, experiment):
                run = content["run"]
                done, seconds = int(run["iteration"]), float(run["seconds"])
                finished = _over(experiment, done, seconds) and (last.parent / "best.ckpt").exists()
                return Run(last.parent, done, seconds, finished)
    return None


def carry_on(runs: Path, experiment: Experiment, data: ExperimentData, progress: bool) -> Run:
    """Train a run to its end from wherever it stands.

    Raises:
        NowcastError: as `nowcast.training.run.train`.
        TrainingError: it ended and left no best.ckpt, or nothing that can be found again.
        KeyboardInterrupt: Ctrl-C; called again, it goes on.
    """
    clips = data.clips
    known = find_run(runs, experiment, clips.train.fingerprint)
    if known is None or not known.finished:
        resume = None if known is None else known.folder / "last.ckpt"
        if experiment.training.devices > 1:
            train_apart(experiment, runs, resume, progress)
        else:
            train(
                experiment,
                clips.train,
                clips.validation,
                runs,
                grid_km=data.grid_km,
                progress=progress,
                resume=resume,
            )
        known = find_run(runs, experiment, clips.train.fingerprint)
    if known is None or not known.finished:
        folder = runs / experiment.name if known is None else known.folder
        raise TrainingError(
            f"{folder}: got a run that has ended and is not whole, expected its last.ckpt and best.ckpt; "
            "delete this folder and call again"
        )
    return known


@contextlib.contextmanager
def alone(runs: Path, name: str) -> Iterator[bool]:
    """Whether nobody else trains this run; it stays so for the length of the block.

    Why: several processes may fill one table, each with its share of the cores.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(sole_holder(runs / f".{name}.lock"))
        except BusyError:
            yield False
        else:
            yield True


def _same(before: dict[str, object], after: Experiment) -> bool:
    own = ("steps", "minutes", "validate_every", "start_from")
    old, new = before.get("training"), plain(after)["training"]
    return (
        isinstance(old, dict)
        and all(old.get(name) == new[name] for name in own)
        and not differences(before, after)
    )


def _over(experiment: Experiment, iterations: int, seconds: float) -> bool:
    t = experiment.training
    return (t.steps is not None and iterations >= t.steps) or (
        t.minutes is not None and seconds >= 60 * t.minutes
    )


def _number(path: Path) -> int:
    text = path.parent.name[1:]
    return int(text) if text.isdecimal() else -1
