"""`nowcast train`: a configuration in, the checkpoint that is best on validation out."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `nowcast train` takes."""
    parser.add_argument("config", type=Path, help="YAML of an experiment, see configs/experiment")
    parser.add_argument(
        "--set", dest="assignments", metavar="KEY=VALUE", nargs="+", action="extend", default=[],
        help="put values over the configuration, for example training.minutes=5 "
        "data.sources.0.settings.path=my.zarr",
    )
    parser.add_argument("--resume", type=Path, metavar="LAST.ckpt", help="go on exactly where this run ended")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder of all runs (default: runs)")


def run(args: argparse.Namespace) -> int:
    """Train; print where the best checkpoint is and what to do with it."""
    from nowcast.training.experiment import read_experiment

    experiment = read_experiment(args.config, args.assignments)
    from nowcast.data.catalog import build_sources
    from nowcast.data.training_data import training_data
    from nowcast.data.wet import WetSettings
    from nowcast.models.catalog import build_model
    from nowcast.training.run import check_logger, first_device, train

    chosen, training = experiment.data, experiment.training
    check_logger(experiment)
    # A network that cannot be built is said before a cache is made.
    build_model(experiment.model.name, experiment.model.settings, size=chosen.crop)
    sources = build_sources([vars(s) for s in chosen.sources], chosen.scaling)
    others = build_sources(
        [vars(s) for s in chosen.validation_sources], chosen.scaling, "data.validation_sources"
    )
    data = training_data(
        sources, chosen.window, train=chosen.train, validation=chosen.validation, test=chosen.test,
        validation_sources=others, validation_stride=chosen.validation_stride, crop=chosen.crop,
        seed=training.seed, turns=chosen.turns,
        wet=None if chosen.wet_floor is None else WetSettings(chosen.wet_floor),
    )
    best = train(
        experiment, data.train, data.validation, args.out, resume=args.resume,
        grid_km=getattr(sources[0], "grid_km", None), progress=True,
    )
    if first_device():
        archive = next((s.settings["path"] for s in chosen.sources if s.kind == "radar_archive"), None)
        print(f"best on validation: {best}")
        if archive is not None:
            print(f"next: nowcast forecast --archive {archive} --model {best} --at latest --out nowcast.nc")
    return 0
