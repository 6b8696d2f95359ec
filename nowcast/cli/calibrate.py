"""``nowcast calibrate``: learn on validation periods how to read forecasters, into one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from nowcast.cli.device_argument import device_of
from nowcast.cli.forecast import add_mask_argument, marks_of
from nowcast.cli.help_page import HelpPage
from nowcast.cli.verify import add_forecast_arguments, parse_models, parse_thresholds
from nowcast.cli.workers import add_worker_arguments, engine_asked_for

HELP = HelpPage(
    """Learns, on validation days, at which values each forecaster calls an event and what its
probabilities are worth. A baseline that knows dBZ alone gets probabilities. The file goes to
--calibration of 'nowcast forecast' and 'nowcast verify'. Give days that neither training nor testing
uses.""",
    examples=(
        (
            "nowcast calibrate --archive italy.zarr --models extrapolation --period 2025-02-11/2025-02-11"
            " 2025-02-25/2025-02-25 --out extrapolation.calibration.json",
            "a baseline, on two days",
        ),
        (
            "nowcast calibrate --archive north.zarr south.zarr --models runs/own/v0/best.ckpt --period "
            "2025-03-11/2025-03-11 --min-wet-pixels 500 --out own.calibration.json",
            "a network of yours, over two archives, where it rains",
        ),
    ),
    again="no file is written; run the same command again",
    see=("nowcast verify", "docs/howto/calibrate.md", "docs/explanation/calibration.md"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--archive", type=Path, required=True, nargs="+", help="folders made by 'nowcast ingest'"
    )
    parser.add_argument(
        "--period",
        required=True,
        nargs="+",
        metavar="START/END",
        help="UTC; a bare end date is included; neither days of training nor of testing",
    )
    add_forecast_arguments(
        parser, "events are at or above these (10 20 30 40 50); a network of probabilities has its own"
    )
    add_mask_argument(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="NAME.calibration.json",
        help="file to write, for --calibration of 'nowcast forecast' and 'nowcast verify'",
    )
    add_worker_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Calibrate and report in a table what is gained."""
    from nowcast.core.files import check_place
    from nowcast.core.times import parse_period

    check_place(args.out)
    thresholds = parse_thresholds(args.thresholds)
    periods = [parse_period(text) for text in args.period]
    from nowcast.archive.masked import masked
    from nowcast.archive.reader import Archive
    from nowcast.forecasters.calibration_file import write_calibration
    from nowcast.workflows.calibrate import calibrate, summary

    device = device_of(args)
    with engine_asked_for(args) as engine:
        found = calibrate(
            [masked(Archive.open(path), marks_of(args)) for path in args.archive],
            parse_models(args.models),
            periods,
            thresholds=thresholds,
            lead_times=args.leads,
            stride=args.stride,
            min_wet_pixels=args.min_wet_pixels,
            most_missing=args.most_missing,
            device=device,
            progress=True,
            engine=engine,
        )
    print(summary(found), flush=True)
    write_calibration(args.out, found.learnt, found.made)
    print(f"calibration: {args.out}")
    return 0
