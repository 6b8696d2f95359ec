"""`nowcast train`: a configuration in, the checkpoint that is best on validation out."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nowcast.cli.help_page import HelpPage
from nowcast.cli.set_argument import add_set_argument

if TYPE_CHECKING:
    from nowcast.training.interruption import Interruption

HELP = HelpPage(
    """Trains a network from an experiment: a packaged one by name, or a file of yours. The checkpoint
that is best on validation lies in runs/NAME/vN/best.ckpt and goes wherever a model is asked for. The
bar tells iterations a second, time left, the loss of training and of validation, and the best so far.

Any setting is changed with --set; 'nowcast configs copy NAME' writes an experiment to change as a file.""",
    examples=(
        (
            "nowcast train moving_digits_convlstm --set training.minutes=5",
            "five minutes, on digits made on the fly",
        ),
        (
            "nowcast train italy_motionrnn --set data.sources.0.settings.path=north.zarr "
            "data.sources.1.settings.path=south.zarr",
            "on archives of yours",
        ),
        ("nowcast train own.yaml --start-from motionrnn", "go on from weights that are there"),
        ("nowcast train italy_motionrnn --resume runs/italy_motionrnn/v0/last.ckpt", "go on where a run ended"),
    ),
    exit_codes="0 done, 2 a mistake, 130 Ctrl-C, 143 SIGTERM.",
    again="last.ckpt is written and the exact command that goes on is printed",
    see=("nowcast configs", "nowcast bench", "docs/reference/configuration.md", "docs/howto/train-on-a-gpu.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `nowcast train` takes."""
    parser.add_argument(
        "config",
        type=Path,
        metavar="NAME|YAML",
        help="an experiment: a packaged one ('nowcast configs list') or a file",
    )
    add_set_argument(
        parser,
        "put values over the configuration, for example training.minutes=5 "
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
    from nowcast.training.loggers import check_logger
    from nowcast.training.run import train
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
    from nowcast.forecasters.registry import packaged_names, weights_of

    return weights_of(text) if text in packaged_names() else Path(text)
