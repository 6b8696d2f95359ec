"""`nowcast train`: a configuration in, the checkpoint that is best on validation out."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nowcast.training.interruption import Interruption


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `nowcast train` takes."""
    parser.add_argument(
        "config",
        type=Path,
        metavar="NAME|YAML",
        help="an experiment: a packaged one ('nowcast configs list') or a file",
    )
    parser.add_argument(
        "--set",
        dest="assignments",
        metavar="KEY=VALUE",
        nargs="+",
        action="extend",
        default=[],
        help="put values over the configuration, for example training.minutes=5 "
        "data.sources.0.settings.path=my.zarr",
    )
    parser.add_argument("--resume", type=Path, metavar="LAST.ckpt", help="go on exactly where this run ended")
    parser.add_argument(
        "--start-from",
        metavar="NAME|FILE",
        help="start from these weights: a network of the package (such as motionrnn) or a checkpoint; the "
        "configuration must name the same network",
    )
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")


def run(args: argparse.Namespace) -> int:
    """Train; print where the best checkpoint is and what to do with it.

    Returns:
        0. The process ends with 130 after Ctrl-C and 143 after SIGTERM, within 5 seconds, whatever it is at,
        with one line that says how to go on.
    """
    from nowcast.training.interruption import Interrupted, Interruption
    from nowcast.training.run_log import first_device

    interruption = Interruption(lambda last: _how_to_go_on(args, last) if first_device() else "")
    with interruption:
        try:
            return _train(args, interruption)
        except Interrupted as interrupted:
            interruption.end(interrupted.number)


def _how_to_go_on(args: argparse.Namespace, last: Path | None) -> str:
    if last is None and args.resume is None:
        return "nowcast train: interrupted before training began; to start again, run the same command"
    settings = ["--set", *args.assignments] if args.assignments else []
    command = ["nowcast", "train", str(args.config), "--resume", str(last or args.resume), *settings]
    return f"nowcast train: interrupted; to go on: {shlex.join(command)}"


def _train(args: argparse.Namespace, interruption: Interruption) -> int:
    from nowcast.training.experiment import read_experiment

    experiment = read_experiment(args.config, args.assignments)
    if args.start_from is not None:
        training = replace(experiment.training, start_from=_weights(args.start_from))
        experiment = replace(experiment, training=training)
    from nowcast.models.catalog import build_model
    from nowcast.models.checkpoint import read
    from nowcast.training.run import check_logger, train
    from nowcast.training.run_log import first_device
    from nowcast.workflows.training_data import open_data

    chosen = experiment.data
    check_logger(experiment)
    # A network that cannot be built, or weights that cannot be read, are reported before a cache is made.
    build_model(experiment.model.name, experiment.model.settings, size=chosen.crop)
    if experiment.training.start_from is not None and args.resume is None:
        read(experiment.training.start_from)
    data = open_data(experiment)
    best = train(
        experiment,
        data.clips.train,
        data.clips.validation,
        args.out,
        resume=args.resume,
        grid_km=data.grid_km,
        progress=True,
        interruption=interruption,
    )
    if first_device():
        archive = next((s.settings["path"] for s in chosen.sources if s.kind == "radar_archive"), None)
        print(f"best on validation: {best}")
        if archive is not None:
            print(f"next: nowcast forecast --archive {archive} --model {best} --at latest --out nowcast.nc")
    return 0


def _weights(text: str) -> Path:
    from nowcast.forecasters.packaged import registry, weights_of

    return weights_of(text) if text in registry() else Path(text)
