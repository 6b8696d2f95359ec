"""A training on several devices, in a process of its own that `nowcast bench` waits for.

Why a process of its own: Lightning starts the process of each further device by running its command again.
Run again, a whole benchmark would score and write in each of them; here they are that training alone, and
none of them ever opens the test clips.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from nowcast.core.errors import NowcastError
from nowcast.core.processes import end_with_parent
from nowcast.core.settings import plain
from nowcast.training.experiment import Experiment, read_experiment
from nowcast.training.interruption import Interrupted, Interruption
from nowcast.training.module import TrainingError
from nowcast.training.run import train
from nowcast.training.run_log import first_device
from nowcast.workflows.training_data import open_data

_LEAVING_SECONDS = 20.0
"""So long a training has to save what there is when the benchmark is interrupted; it takes a few."""


def train_apart(experiment: Experiment, runs: Path, resume: Path | None, progress: bool) -> None:
    """Train on several devices of this machine; the run lies in ``runs`` as any other.

    Raises:
        TrainingError, NowcastError: what ended the training there.
        KeyboardInterrupt: Ctrl-C; what can be gone on from was saved. (SIGTERM: SystemExit with 143.)
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "settings.yaml").write_text(yaml.safe_dump(plain(experiment)), encoding="utf-8")
        order = {"runs": str(runs), "resume": None if resume is None else str(resume), "boss": os.getpid()}
        (folder / "order.json").write_text(json.dumps(order | {"progress": progress}), encoding="utf-8")
        code = _wait_for([sys.executable, "-m", __name__, str(folder)])
        if code == 0:
            return
        told = folder / "error.json"
        if not told.exists():
            raise TrainingError(f"the process of its first device ended with exit code {code}")
        error = json.loads(told.read_text(encoding="utf-8"))
    raise (TrainingError if error["of_training"] else NowcastError)(error["text"])


def _wait_for(command: list[str]) -> int:
    """Wait for the end of a command; an interruption is handed on to it, and waited for.

    Its session is its own, so that Ctrl-C at a terminal reaches it once: a second one would end it unsaved.
    """
    with Interruption() as interruption:
        interruption.deferred = True  # until there is a process to hand it on to
        with subprocess.Popen(command, start_new_session=True) as process:
            return _waited_for(process, interruption)


def _waited_for(process: subprocess.Popen[bytes], interruption: Interruption) -> int:
    try:
        interruption.deferred = False
        if interruption.asked is not None:
            raise Interrupted(interruption.asked)
        return process.wait()
    except Interrupted as interrupted:
        process.send_signal(interrupted.number)
        try:
            process.wait(_LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        if interrupted.number == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + interrupted.number) from None


def main(folder: Path) -> int:
    """Do the training that a folder orders; what goes wrong with it is told there in one line."""
    order: dict[str, Any] = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    end_with_parent(order["boss"] if first_device() else os.getppid())
    try:
        experiment = read_experiment(folder / "settings.yaml")
        data = open_data(experiment)
        train(
            experiment,
            data.clips.train,
            data.clips.validation,
            Path(order["runs"]),
            resume=None if order["resume"] is None else Path(order["resume"]),
            grid_km=data.grid_km,
            progress=order["progress"],
        )
    except NowcastError as error:
        if first_device():
            told = {"of_training": isinstance(error, TrainingError), "text": str(error)}
            (folder / "error.json").write_text(json.dumps(told), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
